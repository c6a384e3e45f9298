/* SPDX-License-Identifier: Apache-2.0
 *
 * What the guest said: the end of its console, and trouble in it.
 */
#include "diag/report/report_impl.h"

#include "base/buf.h"
#include "base/json.h"

#include <string.h>

#define TAIL_BYTES (48u << 10)
#define TAIL_LINES 300

struct events
{
  struct page *page;
  unsigned n;
};

static void
on_event (struct json_object *row, void *arg)
{
  struct events *e = arg;
  struct page *p = e->page;
  struct json_object *frames = json_get (row, "frames");
  const char *severity = str_of (row, "severity");

  if (strcmp (severity, "info") == 0 || e->n == SHOWN_MOST)
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
  if (array_len (frames))
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
  if (array_len (frames))
    html (p, "</span>");
  html (p, "</li>");
}

/* The file has control characters written out; of what only sets colours
 * nothing is to be read here. */
static void
line_of_tail (struct page *p, const char *at, size_t len)
{
  CLEANUP_BUF struct buf line = BUF_INIT (ROW_MAX);

  if (len >= 4 && memcmp (at + len - 4, "\\x0d", 4) == 0)
    len -= 4;
  for (size_t i = 0; i < len;)
    {
      size_t n = 3;

      if (len - i > 3 && memcmp (at + i, "\\e[", 3) == 0)
        {
          while (i + n < len && strchr ("0123456789;", at[i + n]))
            n++;
          if (i + n < len && at[i + n] == 'm')
            {
              i += n + 1;
              continue;
            }
        }
      buf_putc (&line, at[i++]);
    }
  html_bytes (p, buf_str (&line), line.len);
  html (p, "\n");
}

static void
tail (struct page *p)
{
  CLEANUP_BUF struct buf text = BUF_INIT (TAIL_BYTES);
  const char *at, *nl;
  unsigned lines = 0;
  size_t size, from, left;

  if (p->source->read (p->source, "console/tail.log", TAIL_BYTES, 1, &text,
                       &size)
          < 0
      || text.len == 0)
    return;
  /* Whole lines, and the last of them. */
  from = text.len;
  while (from > 0 && lines <= TAIL_LINES)
    lines += buf_str (&text)[--from] == '\n';
  if (from > 0 || size > text.len)
    {
      nl = memchr (buf_str (&text) + from, '\n', text.len - from);
      from = nl ? (size_t) (nl + 1 - buf_str (&text)) : from;
    }
  html (p, "<details open><summary>the end of its console (");
  html_file (p, "console/tail.log");
  html (p, ")</summary><div class=\"tail\"><pre>");
  at = buf_str (&text) + from;
  left = text.len - from;
  while (left > 0)
    {
      size_t len;

      nl = memchr (at, '\n', left);
      len = nl ? (size_t) (nl - at) : left;
      line_of_tail (p, at, len);
      at += nl ? len + 1 : len;
      left -= nl ? len + 1 : len;
    }
  html (p, "</pre></div></details>");
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
  tail (p);
  if (p->out->len == before)
    html (p, "<p>Nothing of its console is in this bundle.</p>");
  section_end (p);
}
