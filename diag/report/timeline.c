/* SPDX-License-Identifier: Apache-2.0
 *
 * One timeline of all that has a time, whoever's clock it was told by: the
 * checks, the incident's own steps, the guest's kernel, the hypervisor, and
 * what was done to find out.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 256
#define LOG_LINES 10 /* of the kernel's log, its last */
#define LOG_MS (10u * 60 * 1000)
/* What is further away from the beginning is told, and not drawn. */
#define DRAWN_BEFORE_MS (10u * 60 * 1000)
#define DRAWN_AFTER_MS (60u * 60 * 1000)

enum lane
{
  LANE_CHECK,
  LANE_KERNEL,
  LANE_MACHINE,
  LANE_ACT,
  LANE_INCIDENT,
  LANES
};

static const char *const lane_names[LANES]
    = { "checks", "its kernel", "its machine", "done to it", "incident" };
static const char *const lane_class[LANES]
    = { "check", "kernel", "machine", "act", "incident" };

struct moment
{
  uint64_t ms;
  enum lane lane;
  bool small; /* one of many that say little */
  bool bad;   /* trouble in words */
  const char *file;
  unsigned line;
  char text[240];
};

struct moments
{
  struct page *page;
  struct moment list[MOST];
  unsigned n, more;
};

static struct moment *
add (struct moments *m, int64_t ms, enum lane lane, const char *text)
{
  struct moment *one;

  if (ms <= 0 || !text[0])
    return NULL;
  if (m->n == MOST)
    {
      m->more++;
      return NULL;
    }
  one = &m->list[m->n++];
  *one = (struct moment){ .ms = (uint64_t) ms, .lane = lane };
  snprintf (one->text, sizeof one->text, "%s", text);
  return one;
}

static void
on_event (struct json_object *row, unsigned line, void *arg)
{
  struct moments *m = arg;
  struct moment *one;
  uint64_t ms = 0;

  if (strcmp (str_of (row, "severity"), "info") == 0
      || iso_ms (str_of (row, "time"), &ms) < 0
      || !(one = add (m, (int64_t) ms, LANE_KERNEL, str_of (row, "title"))))
    return;
  one->bad = strcmp (str_of (row, "severity"), "warning") != 0;
  one->file = "kernel/events.jsonl";
  one->line = line;
  place_of_text (m->page, str_of (row, "first_text"), &one->file, &one->line);
}

/* Of an incident's steps those that a check caused, and ours. */
static enum lane
lane_of_step (const char *step)
{
  static const char *const checks[] = { "suspected", "confirmed", "joined",
                                        "recovered", NULL };

  for (size_t i = 0; checks[i]; i++)
    if (strcmp (step, checks[i]) == 0)
      return LANE_CHECK;
  return LANE_INCIDENT;
}

static void
on_step (struct json_object *row, unsigned line, void *arg)
{
  int64_t ms = json_get_int (row, "time_ms", 0);
  const char *step = str_of (row, "step");
  uint64_t parsed;
  char text[240];

  (void) line;
  if (!step[0])
    return; /* not the incident's own: told below from where it is from */
  if (ms <= 0 && iso_ms (str_of (row, "time"), &parsed) == 0)
    ms = (int64_t) parsed;
  snprintf (text, sizeof text, "%.60s%s%.170s", step,
            str_of (row, "what")[0] ? ": " : "", str_of (row, "what"));
  add (arg, ms, lane_of_step (step), text);
}

/* ---- facts that are moments ---- */

static void
one_fact (struct moments *m, struct json_object *f)
{
  const char *name = str_of (f, "name");
  int64_t ms = json_get_int (f, "time_ms", 0) + m->page->mono_to_wall;
  char value[120], text[240];

  value_text (json_get (f, "value"), value, sizeof value);
  if (strcmp (name, "vmm.event") == 0 || strcmp (name, "vmm.trouble") == 0)
    {
      snprintf (text, sizeof text, "the hypervisor reported %s", value);
      add (m, ms, LANE_MACHINE, text);
    }
  else if (strcmp (name, "console.silent_ms") == 0)
    add (m, ms - json_get_int (f, "value", 0), LANE_KERNEL,
         "the last that came over its console");
  else if (strcmp (name, "guest.stage") == 0)
    {
      snprintf (text, sizeof text, "its console was at: %s", value);
      add (m, ms, LANE_KERNEL, text);
    }
  else if (strcmp (name, "vmm.status") == 0
           && strcmp (str_of (f, "source"), "monitor") == 0)
    {
      snprintf (text, sizeof text, "QEMU said: %s", value);
      add (m, ms, LANE_MACHINE, text);
    }
}

/* ---- the end of its kernel's log ---- */

struct log_end
{
  struct moments *moments;
  struct moment ring[LOG_LINES];
  unsigned n;
};

/* "RDX: 0000...", "CS:  0010 ...", "Code: ...": they say nothing here. */
static bool
is_registers (const char *text)
{
  size_t n = strspn (text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), hex;

  if (strncmp (text, "Code: ", 6) == 0)
    return true;
  if (n < 2 || n > 3 || text[n] != ':')
    return false;
  text += n + 1 + strspn (text + n + 1, " ");
  hex = strspn (text, "0123456789abcdef");
  return hex >= 4 && strchr (" (", text[hex]);
}

static void
on_log_line (unsigned n, const char *line, size_t len, void *arg)
{
  struct log_end *l = arg;
  const struct page *p = l->moments->page;
  struct moment *one;
  double at;
  int used = 0;
  char text[240];

  snprintf (text, sizeof text, "%.*s", (int) (len < 239 ? len : 239), line);
  if (sscanf (text, "[ %lf] %n", &at, &used) < 1 || used <= 0 || at < 0
      || at > 1e9)
    return;
  if (is_registers (text + used))
    return;
  at = at * 1000 + (double) p->guest_to_wall;
  if (at > (double) p->zero_ms + DRAWN_AFTER_MS
      || at + LOG_MS < (double) p->zero_ms
      /* It goes on with what the line before began. */
      || (len > (size_t) used && used > 0 && line[used - 1] == ' '
          && line[used - 2] == ' '))
    return;
  one = &l->ring[l->n++ % LOG_LINES];
  *one = (struct moment){ .ms = (uint64_t) at, .lane = LANE_KERNEL,
                          .small = true, .file = "memory/dmesg.txt",
                          .line = n };
  snprintf (one->text, sizeof one->text, "%.200s", text + used);
}

static void
log_end (struct moments *m)
{
  const struct file_text *f = file_read (m->page, "memory/dmesg.txt");
  struct log_end l = { .moments = m };

  if (!f || !m->page->knows_guest)
    return;
  file_lines (f, on_log_line, &l);
  for (unsigned i = 0; i < l.n && i < LOG_LINES && m->n < MOST; i++)
    m->list[m->n++] = l.ring[i];
}

/* ---- all of it ---- */

static int
by_time (const void *a, const void *b)
{
  const struct moment *x = a, *y = b;

  if (x->ms != y->ms)
    return x->ms < y->ms ? -1 : 1;
  return x->lane != y->lane ? (int) x->lane - (int) y->lane
                            : (x->line > y->line) - (x->line < y->line);
}

static void
gather (struct page *p, struct moments *m)
{
  struct json_object *impact = json_get (p->manifest, "impact");
  struct json_object *facts = json_get (p->manifest, "facts");

  add (m, json_get_int (p->incident, "last_ok_ms", 0), LANE_CHECK,
       "last answered well");
  if (!rows_each (p, "timeline.jsonl", on_step, m))
    {
      add (m, json_get_int (p->incident, "opened_ms", 0), LANE_CHECK,
           "noticed");
      add (m, json_get_int (p->incident, "collected_ms", 0), LANE_INCIDENT,
           "found out");
    }
  rows_each (p, "kernel/events.jsonl", on_event, m);
  for (size_t i = 0; i < array_len (impact); i++)
    {
      struct json_object *act = json_object_array_get_idx (impact, i);

      add (m, json_get_int (act, "wall_ms", 0), LANE_ACT,
           str_of (act, "what"));
    }
  for (size_t i = 0; p->knows_mono && i < array_len (facts); i++)
    one_fact (m, json_object_array_get_idx (facts, i));
  log_end (m);
  qsort (m->list, m->n, sizeof m->list[0], by_time);
}

/* ---- the drawing: lanes over one axis ---- */

#define LANE_HIGH 34
#define BAR_HIGH 7

static struct axis
axis_of (const struct page *p, const struct moments *m)
{
  struct axis a = { p->zero_ms, p->zero_ms, p->zero_ms };

  for (unsigned i = 0; i < m->n; i++)
    {
      uint64_t ms = m->list[i].ms;

      if (ms + DRAWN_BEFORE_MS < p->zero_ms
          || ms > p->zero_ms + DRAWN_AFTER_MS)
        continue;
      if (ms < a.from)
        a.from = ms;
      if (ms > a.to)
        a.to = ms;
    }
  return a;
}

static void
draw_moment (struct page *p, const struct axis *a, const struct moment *one,
             unsigned y)
{
  if (one->ms < a->from || one->ms > a->to)
    return;
  html_printf (p, "<circle class=\"%s\" r=\"%u\" cx=\"%.2f%%\" cy=\"%u\">",
               one->bad ? "trouble" : lane_class[one->lane],
               one->small ? 3 : 6,
               axis_at (a, (double) one->ms), y);
  html_in (p, "title", NULL, one->text);
  html (p, "</circle>");
}

/* Who collected when, under what was done. */
static unsigned
draw_collectors (struct page *p, const struct axis *a, uint64_t began,
                 unsigned y)
{
  struct json_object *list = json_get (p->manifest, "collectors");
  unsigned shown = 0;

  if (array_len (list))
    html_printf (p, "<text class=\"lane\" x=\"0\" y=\"%u\">who looked"
                    "</text>",
                 y + 11);
  for (size_t i = 0; i < array_len (list) && shown < 16; i++)
    {
      struct json_object *c = json_object_array_get_idx (list, i);
      int64_t at = json_get_int (c, "began_ms", -1);
      int64_t took = json_get_int (c, "took_ms", 0);
      double x, w;

      if (at < 0 || took < 0 || at > DRAWN_AFTER_MS || took > DRAWN_AFTER_MS)
        continue;
      x = axis_at (a, (double) began + (double) at);
      w = axis_at (a, (double) began + (double) at + (double) took) - x;
      html_printf (p,
                   "<rect class=\"%s\" x=\"%.2f%%\" y=\"%u\" "
                   "width=\"%.2f%%\" height=\"%u\" rx=\"2\"><title>",
                   json_get_bool (c, "ok", false)
                           || json_get_bool (c, "none", false)
                       ? "got"
                       : "notgot",
                   x,
                   y + shown * BAR_HIGH, w > 0.4 ? w : 0.4, BAR_HIGH - 2);
      html_text (p, str_of (c, "name"));
      html (p, ": ");
      html_ms (p, took);
      html (p, "</title></rect>");
      shown++;
    }
  return shown * BAR_HIGH;
}

static uint64_t
began_collecting (const struct page *p, const struct moments *m)
{
  for (unsigned i = 0; i < m->n; i++)
    if (strncmp (m->list[i].text, "diagnosing", 10) == 0)
      return m->list[i].ms;
  return p->zero_ms;
}

static void
draw (struct page *p, const struct moments *m)
{
  CLEANUP_BUF struct buf marks = BUF_INIT (96u << 10);
  struct axis a = axis_of (p, m);
  struct buf *out = p->out;
  unsigned y = 0, of[LANES] = { 0 };

  if (p->zero_ms == 0 || a.to == a.from)
    return;
  for (unsigned i = 0; i < m->n; i++)
    of[m->list[i].lane] += m->list[i].ms >= a.from && m->list[i].ms <= a.to;
  p->out = &marks; /* over the axis, whose height they make */
  for (unsigned k = 0; k < LANES; k++)
    {
      if (!of[k])
        continue;
      html_printf (p, "<text class=\"lane\" x=\"0\" y=\"%u\">%s</text>",
                   y + 11, lane_names[k]);
      html_printf (p,
                   "<line class=\"rule\" x1=\"0\" x2=\"100%%\" y1=\"%u\" "
                   "y2=\"%u\"/>",
                   y + 23, y + 23);
      for (unsigned i = 0; i < m->n; i++)
        if (m->list[i].lane == k)
          draw_moment (p, &a, &m->list[i], y + 23);
      y += LANE_HIGH;
      if (k == LANE_INCIDENT)
        y += draw_collectors (p, &a, began_collecting (p, m), y);
    }
  p->out = out;
  html_printf (p,
               "<svg class=\"strip\" width=\"100%%\" height=\"%u\" "
               "role=\"img\" aria-label=\"the moments of the table below on "
               "one axis\">",
               y + 20);
  axis_draw (p, &a, y);
  if (!marks.cut)
    buf_append (out, buf_str (&marks), marks.len);
  html (p, "</svg>");
}

static void
one_row (struct page *p, const struct moment *one)
{
  html (p, one->small ? "<tr class=\"small\"><td class=\"num\">"
                      : "<tr><td class=\"num\">");
  html_when (p, one->ms);
  html (p, "</td><td><span class=\"dot ");
  html (p, one->bad ? "trouble" : lane_class[one->lane]);
  html (p, "\">");
  html (p, lane_names[one->lane]);
  html (p, "</span></td><td>");
  html_text (p, one->text);
  if (one->file)
    {
      html (p, " ");
      (one->small ? html_place_plain : html_place) (p, one->file, one->line);
    }
  html (p, "</td></tr>");
}

void
report_timeline (struct page *p)
{
  struct moments *m = calloc (1, sizeof *m);
  unsigned i = 0;

  if (!m)
    return;
  m->page = p;
  gather (p, m);
  if (m->n)
    {
      section_begin (p, "timeline", "When");
      draw (p, m);
      html (p, "<p class=\"hint\">Told from the moment at which it was "
               "noticed; before and after it have scales of their own.");
      html (p, p->knows_guest   ? " The guest's own clock is told in the "
                                  "host's, to some tenths of a second."
               : p->guest_stood ? " The guest's own clock stood still when it "
                                  "was read: when its kernel said its last "
                                  "lines is not known."
                                : "");
      html (p, "</p>");
      html (p, "<div class=\"wide\"><table class=\"when\"><tbody>");
      for (; i < m->n && room (p); i++)
        one_row (p, &m->list[i]);
      html (p, "</tbody></table></div>");
      if (m->more + m->n - i)
        html_printf (p, "<p><small>and %u more, in the files</small></p>",
                     m->more + m->n - i);
      section_end (p);
    }
  free (m);
}
