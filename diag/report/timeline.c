/* SPDX-License-Identifier: Apache-2.0
 *
 * One timeline of all that has a time: the incident's own steps, what the
 * guest's kernel said, what was done to the guest.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST 256
/* What is further away from the beginning is told, and not drawn. */
#define DRAWN_BEFORE_MS (10u * 60 * 1000)
#define DRAWN_AFTER_MS (60u * 60 * 1000)

struct moment
{
  uint64_t ms;
  const char *sort; /* of ours: its class, too */
  char text[240];
};

struct moments
{
  struct moment list[MOST];
  unsigned n, more;
};

static void
add (struct moments *m, int64_t ms, const char *sort, const char *text)
{
  if (ms <= 0 || !text[0])
    return;
  if (m->n == MOST)
    {
      m->more++;
      return;
    }
  m->list[m->n].ms = (uint64_t) ms;
  m->list[m->n].sort = sort;
  snprintf (m->list[m->n].text, sizeof m->list[m->n].text, "%s", text);
  m->n++;
}

/* As clock_format() writes it. */
static int
iso_ms (const char *text, uint64_t *ret)
{
  struct tm tm = { .tm_isdst = 0 };
  unsigned ms = 0;
  const char *end = strptime (text, "%Y-%m-%dT%H:%M:%S", &tm);
  time_t t = end ? timegm (&tm) : -1;

  if (t < 0)
    return -1;
  if (*end == '.')
    sscanf (end, ".%3u", &ms);
  *ret = (uint64_t) t * 1000 + ms;
  return 0;
}

static void
on_event (struct json_object *row, void *arg)
{
  const char *severity = str_of (row, "severity");
  uint64_t ms = 0;

  if (strcmp (severity, "info") != 0
      && iso_ms (str_of (row, "time"), &ms) == 0)
    add (arg, (int64_t) ms, "kernel", str_of (row, "title"));
}

static void
on_step (struct json_object *row, void *arg)
{
  int64_t ms = json_get_int (row, "time_ms", 0);
  uint64_t parsed;
  char text[240];

  if (ms <= 0 && iso_ms (str_of (row, "time"), &parsed) == 0)
    ms = (int64_t) parsed;
  snprintf (text, sizeof text, "%s%s%s", str_of (row, "step"),
            str_of (row, "what")[0] ? ": " : "", str_of (row, "what"));
  add (arg, ms, "incident", text);
}

static int
by_time (const void *a, const void *b)
{
  const struct moment *x = a, *y = b;

  return x->ms < y->ms ? -1 : x->ms > y->ms;
}

static void
gather (struct page *p, struct moments *m)
{
  struct json_object *impact = json_get (p->manifest, "impact");

  add (m, json_get_int (p->incident, "last_ok_ms", 0), "incident",
       "last answered well");
  if (!rows_each (p, "timeline.jsonl", on_step, m))
    {
      add (m, json_get_int (p->incident, "opened_ms", 0), "incident",
           "noticed");
      add (m, json_get_int (p->incident, "collected_ms", 0), "incident",
           "found out");
    }
  rows_each (p, "kernel/events.jsonl", on_event, m);
  for (size_t i = 0; i < array_len (impact); i++)
    {
      struct json_object *act = json_object_array_get_idx (impact, i);

      add (m, json_get_int (act, "wall_ms", 0), "act", str_of (act, "what"));
    }
  qsort (m->list, m->n, sizeof m->list[0], by_time);
}

/* ---- the drawing: three lanes over one axis ---- */

#define WIDE 800.0

static void
draw (struct page *p, const struct moments *m)
{
  static const char *const lanes[] = { "incident", "kernel", "act" };
  uint64_t from = p->zero_ms, to = p->zero_ms, span;

  for (unsigned i = 0; i < m->n; i++)
    {
      uint64_t ms = m->list[i].ms;

      if (ms + DRAWN_BEFORE_MS < p->zero_ms
          || ms > p->zero_ms + DRAWN_AFTER_MS)
        continue;
      if (ms < from)
        from = ms;
      if (ms > to)
        to = ms;
    }
  span = to - from;
  if (p->zero_ms == 0 || span == 0)
    return;
  html (p, "<svg class=\"strip\" viewBox=\"-10 0 820 78\" role=\"img\" "
           "aria-label=\"the moments below on one axis\">");
  for (unsigned k = 0; k < 3; k++)
    html_printf (p,
                 "<line class=\"rule\" x1=\"0\" x2=\"800\" y1=\"%u\" "
                 "y2=\"%u\"/>",
                 14 + 20 * k, 14 + 20 * k);
  html_printf (p,
               "<line class=\"zero\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" "
               "y2=\"66\"/>",
               WIDE * (double) (p->zero_ms - from) / (double) span,
               WIDE * (double) (p->zero_ms - from) / (double) span);
  for (unsigned i = 0; i < m->n; i++)
    {
      const struct moment *a = &m->list[i];
      unsigned lane = 0;

      if (a->ms < from || a->ms > to)
        continue;
      while (strcmp (lanes[lane], a->sort) != 0)
        lane++;
      html_printf (p, "<circle class=\"%s\" r=\"5\" cx=\"%.1f\" cy=\"%u\">",
                   a->sort,
                   WIDE * (double) (a->ms - from) / (double) span,
                   14 + 20 * lane);
      html_in (p, "title", NULL, a->text);
      html (p, "</circle>");
    }
  html_printf (p, "<text x=\"0\" y=\"76\">&minus;%.1f s</text>",
               (double) (p->zero_ms - from) / 1000);
  html_printf (p,
               "<text x=\"800\" y=\"76\" text-anchor=\"end\">+%.1f s</text>",
               (double) (to - p->zero_ms) / 1000);
  html (p, "</svg>");
}

void
report_timeline (struct page *p)
{
  struct moments *m = calloc (1, sizeof *m);

  if (!m)
    return;
  gather (p, m);
  if (m->n)
    {
      section_begin (p, "timeline", "When");
      draw (p, m);
      html (p, "<table class=\"when\"><tbody>");
      for (unsigned i = 0; i < m->n; i++)
        {
          html (p, "<tr><td class=\"num\">");
          html_when (p, m->list[i].ms);
          html (p, "</td><td><span class=\"dot ");
          html (p, m->list[i].sort);
          html (p, "\">");
          html (p, m->list[i].sort);
          html (p, "</span></td><td>");
          html_text (p, m->list[i].text);
          html (p, "</td></tr>");
        }
      html (p, "</tbody></table>");
      if (m->more)
        html_printf (p, "<p><small>and %u more, in the files</small></p>",
                     m->more);
      section_end (p);
    }
  free (m);
}
