/* SPDX-License-Identifier: Apache-2.0
 *
 * What the guest said: trouble in it, the end of its console, the end of its
 * kernel's log.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define CONSOLE_LINES 240
#define LOG_LINES 80

struct events
{
  struct page *page;
  unsigned n;
};

static void
frames_of (struct page *p, struct json_object *frames)
{
  if (!array_len (frames))
    return;
  html (p, "<br><span class=\"frames\">");
  for (size_t i = 0; i < array_len (frames) && i < 8; i++)
    {
      struct json_object *f = json_object_array_get_idx (frames, i);

      if (i)
        html (p, " &larr; ");
      html_in (p, "code", NULL,
               json_object_is_type (f, json_type_object)
                   ? str_of (f, "func")
                   : json_object_get_string (f));
    }
  html (p, "</span>");
}

static void
on_event (struct json_object *row, unsigned line, void *arg)
{
  struct events *e = arg;
  struct page *p = e->page;
  const char *severity = str_of (row, "severity"), *file;
  unsigned at;

  (void) line;
  if (strcmp (severity, "info") == 0 || e->n == SHOWN_MOST
      || p->out->len > p->out->max / 4)
    return;
  if (e->n++ == 0)
    html (p, "<ul class=\"findings\">");
  html (p, strcmp (severity, "warning") == 0 ? "<li class=\"warn\">"
                                             : "<li class=\"fail\">");
  html_in (p, "strong", NULL, str_of (row, "title"));
  if (json_get_int (row, "count", 1) > 1)
    html_printf (p, " &times; %lld",
                 (long long) json_get_int (row, "count", 1));
  html (p, " <small>");
  html_text (p, str_of (row, "time"));
  html (p, "</small>");
  if (place_of_text (p, str_of (row, "first_text"), &file, &at))
    {
      html (p, " ");
      html_place (p, file, at);
    }
  frames_of (p, json_get (row, "frames"));
  html (p, "</li>");
}

/* The last lines, shown from their end without a script. */
static void
end_of (struct page *p, const char *name, const char *what, unsigned lines,
        bool open)
{
  struct file_text *f = file_read (p, name);

  if (!f || !f->nlines)
    return;
  f->to = f->nlines;
  f->from = f->nlines > lines ? f->nlines - lines + 1 : 1;
  html (p, open ? "<details open><summary>" : "<details><summary>");
  html (p, what);
  html_printf (p, ", %u of %u lines (", f->to - f->from + 1, f->nlines);
  html_text (p, name);
  html (p, ")</summary><div class=\"tail\">");
  html_lines (p, f, f->from, f->to);
  html (p, "</div></details>");
}

static void
on_index (struct json_object *row, unsigned line, void *arg)
{
  struct page *p = arg;
  int64_t from = json_get_int (row, "line", 0);
  int64_t to = json_get_int (row, "last_line", 0);

  (void) line;
  if (!str_of (row, "typed_by")[0] || from <= 0 || to < from || to > INT_MAX
      || p->nours == OURS_MOST)
    return;
  p->ours[p->nours++] = (struct stretch){ (unsigned) from, (unsigned) to };
}

void
report_words (struct page *p)
{
  struct events e = { .page = p };
  size_t before;

  section_begin (p, "words", "What it said");
  before = p->out->len;
  rows_each (p, "kernel/events.jsonl", on_event, &e);
  if (e.n)
    html (p, "</ul>");
  p->nours = 0;
  rows_each (p, "console/index.jsonl", on_index, p);
  end_of (p, CONSOLE_LOG, "The end of its console", CONSOLE_LINES, true);
  if (p->nours && file_read (p, CONSOLE_LOG))
    html (p, "<p class=\"hint\">What is faint came while hangdog itself typed "
             "there: its checks, and the answers to them.</p>");
  end_of (p, "memory/dmesg.txt",
          "The end of its kernel's log, read from its memory", LOG_LINES,
          true);
  if (p->out->len > before)
    section_end (p);
  /* A host has no console: there is nothing that could be missed. */
  else if (array_len (json_get (p->manifest, "children")))
    buf_clear (p->out);
  else
    {
      html (p, "<p>Nothing of its console is in this bundle.</p>");
      section_end (p);
    }
}
