/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a bundle, of any manifest and any file: whatever it is made of,
 * it is whole, and nothing in it is fetched or runs (tests/lib/html-check.h).
 *
 * The input is the manifest up to the first NUL, and each file behind a name
 * of its own.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/report/report.h"
#include "diag/report/speedscope.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/html-check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[]
    = { "memory/look.jsonl", "kernel/events.jsonl", "console/tail.log",
        "metrics/a.otlp.jsonl", "timeline.jsonl", "sysrq/t.txt", NULL };

struct shelf
{
  struct report_source source;
  const char *text;
  size_t len;
};

static int
read_file (struct report_source *source, const char *name, size_t max, int end,
           struct buf *out, size_t *ret_size)
{
  struct shelf *s = (struct shelf *) source;
  size_t n = s->len < max ? s->len : max;

  for (size_t i = 0; names[i]; i++)
    if (strcmp (names[i], name) == 0)
      {
        buf_append (out, end ? s->text + s->len - n : s->text, n);
        *ret_size = s->len;
        return 0;
      }
  return -ENOENT;
}

static void
each (struct report_source *source,
      void (*fn) (const char *name, size_t size, void *arg), void *arg)
{
  struct shelf *s = (struct shelf *) source;

  for (size_t i = 0; names[i]; i++)
    fn (names[i], s->len, arg);
}

/* Whatever a guest calls its functions: one stack a line, one blank in it, and
 * a number behind that. */
static void
must_be_folded (const char *p, size_t len)
{
  while (len > 0)
    {
      const char *nl = memchr (p, '\n', len);
      size_t n = nl ? (size_t) (nl - p) : 0, digits = 0;

      MUST (n > 2);
      while (digits < n && p[n - 1 - digits] >= '0' && p[n - 1 - digits] <= '9')
        digits++;
      MUST (digits > 0 && digits + 1 < n && p[n - 1 - digits] == ' ');
      for (size_t i = 0; i + 1 + digits < n; i++)
        MUST (p[i] > ' ' && p[i] < 0x7f);
      p += n + 1;
      len -= n + 1;
    }
}

/* And the same for speedscope is a document. */
static void
must_be_scope (const char *p, size_t len)
{
  static const struct speedscope s = { .name = "n", .unit = "none" };
  struct buf out = BUF_INIT (REPORT_MAX);
  struct json_doc *doc;

  MUST (speedscope_write (&s, p, len, &out, NULL) == 0);
  if (!out.cut)
    {
      MUST (json_parse (buf_str (&out), out.len, JSON_WIRE, "s", REPORT_MAX,
                        &doc, NULL)
            == 0);
      json_doc_free (doc);
    }
  buf_done (&out);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct shelf s = { .source = { .read = read_file, .each = each } };
  struct buf page = BUF_INIT (REPORT_MAX);
  struct buf folded = BUF_INIT (2 * FOLDED_MAX);
  const uint8_t *nul = memchr (data, 0, size);
  size_t len = nul ? (size_t) (nul - data) : size;
  struct json_doc *doc;

  s.text = nul ? (const char *) nul + 1 : "";
  s.len = nul ? size - len - 1 : 0;
  if (json_parse ((const char *) data, len, JSON_WIRE, "m", 1u << 20, &doc,
                  NULL)
      < 0)
    return 0;
  if (report_html (&s.source, json_root (doc), &page, &folded, NULL) == 0)
    {
      must_be_folded (buf_str (&folded), folded.len);
      must_be_scope (buf_str (&folded), folded.len);
      /* Whoever folds. */
      must_be_scope (s.text, s.len);
      const char *why = html_check (buf_str (&page), page.len);

      if (why)
        fprintf (stderr, "%s\n", why);
      MUST (!why);
    }
  buf_done (&page);
  buf_done (&folded);
  json_doc_free (doc);
  return 0;
}
