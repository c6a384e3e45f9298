/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers around the event: a line for what has a course, a table for what
 * was read once or twice.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_MOST 192
#define POINTS_MOST 400

struct series
{
  char name[96], of[96], unit[24];
  bool counts; /* what it tells is by how much it grew */
  unsigned n;
  double *at, *is; /* ms of wall time, value */
};

struct metrics
{
  struct series list[SERIES_MOST];
  unsigned n;
};

/* Of a unit "{thread}" the name says it already. */
static struct series *
series_of (struct metrics *m, const char *name, const char *of,
           const char *unit)
{
  struct series *s;

  for (unsigned i = 0; i < m->n; i++)
    if (strncmp (m->list[i].name, name, sizeof m->list[i].name - 1) == 0
        && strncmp (m->list[i].of, of, sizeof m->list[i].of - 1) == 0)
      return &m->list[i];
  if (m->n == SERIES_MOST)
    return NULL;
  s = &m->list[m->n];
  s->at = calloc (POINTS_MOST, sizeof *s->at);
  s->is = calloc (POINTS_MOST, sizeof *s->is);
  if (!s->at || !s->is)
    {
      free (s->at);
      free (s->is);
      *s = (struct series){ .n = 0 };
      return NULL;
    }
  snprintf (s->name, sizeof s->name, "%s", name);
  snprintf (s->of, sizeof s->of, "%s", of);
  snprintf (s->unit, sizeof s->unit, "%s", unit[0] == '{' ? "" : unit);
  m->n++;
  return s;
}

/* What tells two of one name apart: the values of its attributes. */
static void
attributes (struct json_object *point, char *dst, size_t n)
{
  struct json_object *list = json_get (point, "attributes");
  size_t len = 0;

  dst[0] = '\0';
  for (size_t i = 0; i < array_len (list) && i < 4 && len < n; i++)
    {
      struct json_object *a = json_object_array_get_idx (list, i);
      struct json_object *v = json_get (a, "value");
      int r = snprintf (dst + len, n - len, "%s%.40s", len ? " " : "",
                        str_of (v, "stringValue"));

      len += r > 0 ? (size_t) r : 0;
    }
}

static void
take_points (struct metrics *m, struct json_object *metric,
             struct json_object *points, bool counts)
{
  for (size_t i = 0; i < array_len (points) && i < POINTS_MOST; i++)
    {
      struct json_object *pt = json_object_array_get_idx (points, i);
      struct json_object *v = json_get (pt, "asDouble");
      char of[96];
      struct series *s;

      attributes (pt, of, sizeof of);
      s = series_of (m, str_of (metric, "name"), of, str_of (metric, "unit"));
      if (!s || s->n == POINTS_MOST)
        continue;
      s->counts = counts;
      s->at[s->n] = strtod (str_of (pt, "timeUnixNano"), NULL) / 1e6;
      s->is[s->n] = v ? json_object_get_double (v)
                      : strtod (str_of (pt, "asInt"), NULL);
      s->n++;
    }
}

static void
on_row (struct json_object *row, unsigned line, void *arg)
{
  struct json_object *res = json_get (row, "resourceMetrics");

  (void) line;
  for (size_t i = 0; i < array_len (res) && i < 16; i++)
    {
      struct json_object *scopes
          = json_get (json_object_array_get_idx (res, i), "scopeMetrics");

      for (size_t k = 0; k < array_len (scopes) && k < 16; k++)
        {
          struct json_object *list = json_get (
              json_object_array_get_idx (scopes, k), "metrics");

          for (size_t j = 0; j < array_len (list) && j < 1024; j++)
            {
              struct json_object *one = json_object_array_get_idx (list, j);
              struct json_object *gauge = json_get (one, "gauge");
              struct json_object *sum = json_get (one, "sum");

              if (gauge || sum)
                take_points (arg, one,
                             json_get (gauge ? gauge : sum, "dataPoints"),
                             !gauge);
            }
        }
    }
}

struct reading
{
  struct page *page;
  struct metrics *metrics;
};

static void
on_name (const char *name, size_t size, void *arg)
{
  struct reading *r = arg;
  size_t len = strlen (name);

  if (strncmp (name, "metrics/", 8) == 0 && len > 11
      && strcmp (name + len - 11, ".otlp.jsonl") == 0)
    rows_each (r->page, name, on_row, r->metrics);
}

static int
by_name (const void *a, const void *b)
{
  const struct series *x = a, *y = b;
  int r = strcmp (x->name, y->name);

  return r ? r : strcmp (x->of, y->of);
}

/* ---- drawing ---- */

static void
value (struct page *p, const struct series *s, double v)
{
  if (strcmp (s->unit, "By") == 0 && v >= 0 && v < 1e18)
    html_bytes_of (p, (uint64_t) v);
  else
    {
      html_printf (p, s->unit[0] ? "%.5g " : "%.5g", v);
      html_text (p, s->unit);
    }
}

static bool
moved (const struct series *s)
{
  for (unsigned i = 1; i < s->n; i++)
    if (s->is[i] != s->is[0])
      return true;
  return false;
}

/* All charts have one axis of time. */
struct span
{
  double from, to;
};

static void
points (struct page *p, const struct series *s, const struct span *t,
        double low, double high)
{
  html (p, "<svg viewBox=\"0 0 240 60\" preserveAspectRatio=\"none\" "
           "width=\"100%\" height=\"60\" y=\"4\"><polyline points=\"");
  for (unsigned i = 0; i < s->n; i++)
    html_printf (p, "%.1f,%.1f ",
                 t->to > t->from
                     ? 240 * (s->at[i] - t->from) / (t->to - t->from)
                     : 0,
                 high > low ? 60 - 60 * (s->is[i] - low) / (high - low) : 30);
  html (p, "\"/></svg>");
}

/* What it was first and last, and between which it was meanwhile. */
static void
from_to (struct page *p, const struct series *s, double low, double high)
{
  double first = s->is[0], last = s->is[s->n - 1];

  html (p, "<p><small>");
  value (p, s, first);
  html (p, " &rarr; ");
  value (p, s, last);
  if (s->counts && last > first)
    {
      html (p, " (+");
      value (p, s, last - first);
      html (p, ")");
    }
  if (low < first && low < last)
    {
      html (p, ", lowest ");
      value (p, s, low);
    }
  if (high > first && high > last)
    {
      html (p, ", highest ");
      value (p, s, high);
    }
  html (p, "</small></p>");
}

static void
chart (struct page *p, const struct series *s, const struct span *t)
{
  double low = s->is[0], high = s->is[0], foot;

  for (unsigned i = 1; i < s->n; i++)
    {
      low = s->is[i] < low ? s->is[i] : low;
      high = s->is[i] > high ? s->is[i] : high;
    }
  /* A little more or less of much is no slope; of what is counted it is. */
  foot = !s->counts && low > high * 0.9 ? high * 0.9 : low;
  html (p, "<figure><figcaption>");
  html_text (p, s->name);
  html (p, " <small>");
  html_text (p, s->of);
  html_printf (p, "</small></figcaption><svg class=\"chart\" width=\"100%%\" "
                  "height=\"68\" role=\"img\" aria-label=\"from %.6g to "
                  "%.6g\">",
               low, high);
  points (p, s, t, foot, high);
  if (p->zero_ms && t->to > t->from && (double) p->zero_ms >= t->from
      && (double) p->zero_ms <= t->to)
    {
      double x = 100 * ((double) p->zero_ms - t->from) / (t->to - t->from);

      html_printf (p,
                   "<line class=\"zero\" x1=\"%.2f%%\" x2=\"%.2f%%\" "
                   "y1=\"0\" y2=\"68\"/>",
                   x, x);
    }
  html (p, "</svg>");
  from_to (p, s, low, high);
  html (p, "</figure>");
}

static struct span
span_of (const struct metrics *m)
{
  struct span t = { 0, 0 };

  for (unsigned i = 0; i < m->n; i++)
    for (unsigned k = 0; m->list[i].n > 1 && k < m->list[i].n; k++)
      {
        double at = m->list[i].at[k];

        if (t.to == 0 || at < t.from)
          t.from = at;
        if (at > t.to)
          t.to = at;
      }
  return t;
}

static void
charts_begin (struct page *p, const struct span *t)
{
  html (p, "<h3>From ");
  html_when (p, (uint64_t) t->from);
  html (p, " to ");
  html_when (p, (uint64_t) t->to);
  html (p, "</h3><div class=\"charts\">");
}

/* What was the same each time needs no picture, but tells something, too: a
 * disk that did nothing. */
static void
stood (struct page *p, const struct metrics *m)
{
  unsigned n = 0;

  for (unsigned i = 0; i < m->n && room (p); i++)
    {
      const struct series *s = &m->list[i];

      if (s->n < 2 || moved (s))
        continue;
      html (p, n++ ? "; " : "<p><small>The same each time: ");
      html_text (p, s->name);
      html (p, s->of[0] ? " " : "");
      html_text (p, s->of);
      html (p, " ");
      value (p, s, s->is[0]);
    }
  if (n)
    html (p, ".</small></p>");
}

static void
charts (struct page *p, const struct metrics *m)
{
  struct span t = span_of (m);
  unsigned n = 0;

  for (unsigned i = 0; i < m->n && room (p); i++)
    if (m->list[i].n > 1 && moved (&m->list[i]))
      {
        if (!n++)
          charts_begin (p, &t);
        chart (p, &m->list[i], &t);
      }
  if (n)
    html (p, "</div>");
  stood (p, m);
}

static void
one_row (struct page *p, const struct series *s)
{
  html (p, "<tr><td>");
  html_text (p, s->name);
  html (p, "</td><td>");
  html_text (p, s->of);
  html (p, "</td><td class=\"num\">");
  value (p, s, s->is[0]);
  html (p, "</td><td class=\"num\">");
  if (s->n > 1)
    value (p, s, s->is[s->n - 1]);
  html (p, "</td></tr>");
}

static void
all_numbers (struct page *p, const struct metrics *m)
{
  unsigned i = 0;

  html (p, "<details><summary>all numbers</summary><div class=\"wide\">"
           "<table><thead><tr><th>what</th><th>of</th><th>first</th>"
           "<th>last</th></tr></thead><tbody>");
  for (; i < m->n && room (p); i++)
    one_row (p, &m->list[i]);
  html (p, "</tbody></table></div></details>");
}

void
report_metrics (struct page *p)
{
  struct metrics *m = calloc (1, sizeof *m);
  struct reading r = { .page = p, .metrics = m };
  size_t before;
  bool any;

  if (!m)
    return;
  p->source->each (p->source, on_name, &r);
  qsort (m->list, m->n, sizeof m->list[0], by_name);
  before = p->out->len;
  section_begin (p, "metrics", "Numbers");
  any = report_pressure (p);
  charts (p, m);
  any = report_moved (p) || any;
  if (m->n)
    all_numbers (p, m);
  section_end (p);
  if (!any && !m->n)
    {
      p->out->len = before;
      p->out->data[before] = '\0';
    }
  for (unsigned i = 0; i < m->n; i++)
    {
      free (m->list[i].at);
      free (m->list[i].is);
    }
  free (m);
}
