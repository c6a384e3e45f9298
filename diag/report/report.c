/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: its head, and the order of its sections.
 */
#include "diag/report/tasks.h"

#include "base/error.h"
#include "base/json.h"

#include <string.h>

/* Each has a bound of its own, so that one that has too much to say takes
 * nothing from the others. */
static const struct section
{
  const char *id, *name; /* NULL: is not in the list at the top */
  void (*make) (struct page *p);
  unsigned kib;
} sections[] = {
  { "verdict", NULL, report_verdict, 160 },
  { "children", "Guests", report_children, 64 },
  { "ladder", "Ladder", report_ladder, 96 },
  { "findings", "Why", report_findings, 128 },
  { "timeline", "When", report_timeline, 128 },
  { "waits", "Who waits", report_waits, 128 },
  { "census", "Stacks", report_census, 224 },
  { "words", "Console", report_words, 256 },
  { "metrics", "Numbers", report_metrics, 128 },
  { "work", "How", report_work, 128 },
  { "places", "Evidence", report_places, 320 },
  { "facts", "Facts", report_facts, 128 },
  { "files", "Files", report_files, 64 },
};

#define SECTIONS (sizeof sections / sizeof sections[0])
#define HEAD_ROOM (32u << 10)

/* Nothing is fetched, nothing runs: whatever a guest had said, and we had let
 * through. */
static void
head (struct page *p)
{
  const char *class_ = str_of (p->verdict, "class");
  const char *guest = str_of (p->incident, "guest");

  html (p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" "
           "content=\"default-src 'none'; style-src '");
  html (p, report_style_hash);
  html (p, "'; base-uri 'none'; form-action 'none'\">\n"
           "<meta name=\"viewport\" "
           "content=\"width=device-width,initial-scale=1\">\n"
           "<meta name=\"referrer\" content=\"no-referrer\">\n"
           "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
  html_text (p, class_[0] ? class_ : "no verdict");
  html (p, ": ");
  html_text (p, guest[0] ? guest : "of no guest that is named");
  html (p, "</title>\n<style>");
  html (p, report_style);
  html (p, "</style></head>\n<body><main>\n");
}

/* First of all: who reads the page may know of the bundle nothing else. */
static void
banner (struct page *p)
{
  if (!p->source->damage)
    return;
  html (p, "<p class=\"damage\" role=\"alert\"><strong>This bundle is damaged."
           "</strong> The page is made of what can be read of it; what is not "
           "here may have been in the rest. ");
  html_text (p, p->source->damage);
  html (p, "</p>\n");
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

/* What has its lines has their addresses: without it they are shown with the
 * others that are linked. */
static void
forget_shown (struct page *p)
{
  for (unsigned i = 0; i < p->nfiles; i++)
    p->files[i]->from = p->files[i]->to = 0;
}

static void
make_section (struct page *p, const struct section *s, struct buf *text)
{
  p->out = text;
  s->make (p);
  if (!text->cut)
    return;
  if (s->make == report_words)
    forget_shown (p);
  buf_clear (text);
  section_begin (p, s->id, s->name ? s->name : "Verdict");
  html (p, "<p>There is too much of it for this page: see the files.</p>");
  section_end (p);
}

static void
list_of_sections (struct page *p, const struct buf *texts)
{
  html (p, "<nav aria-label=\"sections\">");
  for (size_t i = 0; i < SECTIONS; i++)
    if (sections[i].name && texts[i].len)
      {
        html (p, "<a href=\"#");
        html (p, sections[i].id);
        html (p, "\">");
        html (p, sections[i].name);
        html (p, "</a>");
      }
  html (p, "</nav>\n");
}

static void
put (struct page *p, struct buf *out)
{
  struct buf texts[SECTIONS];

  for (size_t i = 0; i < SECTIONS; i++)
    {
      texts[i] = (struct buf) BUF_INIT ((size_t) sections[i].kib << 10);
      make_section (p, &sections[i], &texts[i]);
    }
  p->out = out;
  head (p);
  banner (p);
  for (size_t i = 0; i < SECTIONS; i++)
    {
      buf_append (out, buf_str (&texts[i]), texts[i].len);
      if (i == 0)
        list_of_sections (p, texts);
      buf_done (&texts[i]);
    }
  foot (p);
}

int
report_html (struct report_source *source, struct json_object *manifest,
             struct buf *out, struct buf *folded, struct error *err)
{
  struct page p = { .source = source, .manifest = manifest };
  struct report_tasks tasks;

  if (!json_object_is_type (manifest, json_type_object))
    return error_set (err, EINVAL, "the manifest is no object");
  p.incident = json_get (manifest, "incident");
  p.verdict = p.incident ? json_get (p.incident, "verdict") : NULL;
  if (p.incident && json_get_int (p.incident, "opened_ms", 0) > 0)
    p.zero_ms = (uint64_t) json_get_int (p.incident, "opened_ms", 0);
  times_learn (&p);
  report_tasks_read (&p, &tasks);
  p.tasks = &tasks;
  put (&p, out);
  if (folded)
    report_folded (&tasks, folded);
  report_tasks_done (&tasks);
  files_done (&p);
  if (out->cut)
    return error_set (err, EFBIG, "the page is longer than %zu bytes",
                      out->max);
  return 0;
}
