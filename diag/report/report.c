/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: its head, and the order of its sections.
 */
#include "diag/report/report_impl.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

static void (*const sections[]) (struct page *p) = {
  report_verdict, report_ladder,  report_findings, report_timeline,
  report_waits,   report_census,  report_words,    report_metrics,
  report_work,    report_facts,   report_files,
};

/* Nothing is fetched, nothing runs: whatever a guest had said, and we had let
 * through. */
static const char policy[]
    = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
      "form-action 'none'";

static void
head (struct page *p)
{
  html (p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"");
  html (p, policy);
  html (p, "\">\n<meta name=\"viewport\" "
           "content=\"width=device-width,initial-scale=1\">\n"
           "<meta name=\"referrer\" content=\"no-referrer\">\n"
           "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
  html_text (p, str_of (p->verdict, "class"));
  html (p, ": ");
  html_text (p, str_of (p->incident, "guest"));
  html (p, "</title>\n<style>");
  html (p, report_style);
  html (p, "</style></head>\n<body><main>\n");
}

static void
foot (struct page *p)
{
  struct json_object *tool = json_get (p->manifest, "tool");

  html (p, "</main><footer>");
  html_text (p, str_of (tool, "name"));
  html (p, " ");
  html_text (p, str_of (tool, "version"));
  html (p, " &middot; incident <code>");
  html_text (p, str_of (p->incident, "id"));
  html (p, "</code> &middot; made ");
  html_text (p, str_of (p->manifest, "created"));
  html (p, "<br>This page needs no network and runs no script. What a guest "
           "said is shown escaped, and is the guest's word.</footer></body>"
           "</html>\n");
}

int
report_html (struct report_source *source, struct json_object *manifest,
             struct buf *out, struct error *err)
{
  struct page p = { .out = out, .source = source, .manifest = manifest };

  if (!json_object_is_type (manifest, json_type_object))
    return error_set (err, EINVAL, "the manifest is no object");
  p.incident = json_get (manifest, "incident");
  p.verdict = p.incident ? json_get (p.incident, "verdict") : NULL;
  if (p.incident)
    p.zero_ms
        = (uint64_t) json_get_int (p.incident, "opened_ms", 0);
  head (&p);
  for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
    sections[i](&p);
  foot (&p);
  if (out->cut)
    return error_set (err, EFBIG, "the page is longer than %zu bytes",
                      out->max);
  return 0;
}
