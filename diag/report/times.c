/* SPDX-License-Identifier: Apache-2.0
 *
 * Three clocks, told by one: the host's wall clock, the clock that facts have
 * their time from, and the guest's own, of its kernel's lines.
 */
#include "diag/report/report_impl.h"

#include "base/json.h"

#include <string.h>

/* ---- how they stand to each other ---- */

/* An event was seen at both, and its line has the guest's. */
static void
on_event (struct json_object *row, unsigned line, void *arg)
{
  struct page *p = arg;
  int64_t mono = json_get_int (row, "last_ms", 0), guest;
  struct json_object *stamp = json_get (row, "stamp");
  uint64_t wall;

  (void) line;
  if (iso_ms (str_of (row, "time"), &wall) < 0 || mono <= 0)
    return;
  p->knows_mono = true;
  p->mono_to_wall = (int64_t) wall - mono;
  if (!stamp || json_object_get_double (stamp) <= 0
      || json_object_get_double (stamp) > 1e9)
    return;
  /* A line may be late, and never early. */
  guest = (int64_t) wall - (int64_t) (1000 * json_object_get_double (stamp));
  if (!p->knows_guest || guest < p->guest_to_wall)
    p->guest_to_wall = guest;
  p->knows_guest = true;
}

struct latest
{
  int64_t any, memory;
};

static struct latest
latest_facts (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "facts");
  struct latest l = { 0 };

  for (size_t i = 0; i < array_len (list); i++)
    {
      struct json_object *f = json_object_array_get_idx (list, i);
      int64_t ms = json_get_int (f, "time_ms", 0);

      l.any = ms > l.any ? ms : l.any;
      if (strcmp (str_of (f, "source"), "memory") == 0 && ms > l.memory)
        l.memory = ms;
    }
  return l;
}

struct guest_clock
{
  double s;
  bool stood;
};

static void
on_look (struct json_object *row, unsigned line, void *arg)
{
  struct guest_clock *c = arg;

  (void) line;
  if (strcmp (str_of (row, "row"), "system") == 0
      && json_get_bool (row, "panicked", false))
    c->stood = true;
  if (c->s <= 0 && strcmp (str_of (row, "row"), "system") == 0
      && json_get (row, "clock_s"))
    c->s = json_object_get_double (json_get (row, "clock_s"));
}

/* A clock that stands was read, but who knows when it stopped? */
static bool
guest_clock_stood (struct page *p)
{
  struct json_object *list = json_get (p->manifest, "facts");
  bool stood = false;

  for (size_t i = 0; i < array_len (list); i++)
    {
      struct json_object *f = json_object_array_get_idx (list, i);

      if (strcmp (str_of (f, "name"), "kernel.clock_moved") == 0
          && strcmp (str_of (f, "source"), "memory") == 0)
        stood = !json_get_bool (f, "value", true);
    }
  return stood;
}

/* What was learned last was learned just before it was judged; a look at
 * memory reads the guest's clock. */
void
times_learn (struct page *p)
{
  struct json_object *clock = json_get (p->manifest, "clock");
  struct latest l = latest_facts (p);
  int64_t collected = p->incident
                          ? json_get_int (p->incident, "collected_ms", 0)
                          : 0;
  struct guest_clock c = { 0 };
  uint64_t utc;

  rows_each (p, "kernel/events.jsonl", on_event, p);
  if (clock && json_get_int (clock, "monotonic_ms", 0) > 0
      && iso_ms (str_of (clock, "utc"), &utc) == 0)
    {
      p->knows_mono = true;
      p->mono_to_wall
          = (int64_t) utc - json_get_int (clock, "monotonic_ms", 0);
    }
  else if (!p->knows_mono && l.any > 0 && collected > l.any)
    {
      p->knows_mono = true;
      p->mono_to_wall = collected - l.any;
    }
  rows_each (p, "memory/look.jsonl", on_look, &c);
  p->guest_stood = c.s > 0 && (c.stood || guest_clock_stood (p));
  if (p->knows_mono && l.memory > 0 && c.s > 0 && c.s < 1e9
      && !p->guest_stood)
    {
      int64_t guest = l.memory + p->mono_to_wall - (int64_t) (1000 * c.s);

      /* It was read a little before what was made of it was said. */
      if (!p->knows_guest || guest < p->guest_to_wall)
        p->guest_to_wall = guest;
      p->knows_guest = true;
    }
}

/* ---- the axis ---- */

/* What came before may be minutes, and what was done then seconds. */
#define BEFORE 42.0
#define EDGE 4.0

double
axis_at (const struct axis *a, double ms)
{
  double before = a->zero > a->from ? BEFORE : EDGE, at;

  if (ms < (double) a->zero)
    {
      at = a->zero > a->from ? (ms - (double) a->from)
                                   / (double) (a->zero - a->from)
                             : 0;
      return EDGE + (before - EDGE) * (at < 0 ? 0 : at);
    }
  at = a->to > a->zero ? (ms - (double) a->zero) / (double) (a->to - a->zero)
                       : 0;
  return before + (100 - EDGE - before) * (at > 1 ? 1 : at);
}

/* 1, 2 or 5 times a power of ten, about half of what there is: a phone has
 * room for no more. */
static uint64_t
step_of (uint64_t span)
{
  static const unsigned nice[] = { 1, 2, 5 };
  uint64_t ten = 1;

  for (;; ten *= 10)
    for (unsigned i = 0; i < 3; i++)
      if (nice[i] * ten * 5 / 2 >= span)
        return nice[i] * ten;
}

static void
tick (struct page *p, double at, int64_t ms, unsigned high)
{
  html_printf (p,
               "<line class=\"rule\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" "
               "y2=\"%u\"/><text x=\"%.2f%%\" y=\"%u\" "
               "text-anchor=\"middle\">%s",
               at, at, high, at, high + 14, ms < 0 ? "&minus;" : "+");
  ms = ms < 0 ? -ms : ms;
  html_printf (p, ms < 120000 ? "%g s</text>" : "%g min</text>",
               (double) ms / (ms < 120000 ? 1000 : 60000));
}

void
axis_draw (struct page *p, const struct axis *a, unsigned high)
{
  uint64_t step = step_of (a->zero - a->from);
  double zero = axis_at (a, (double) a->zero);

  for (uint64_t ms = step; a->zero > a->from && ms <= a->zero - a->from;
       ms += step)
    tick (p, axis_at (a, (double) (a->zero - ms)), -(int64_t) ms, high);
  step = step_of (a->to - a->zero);
  for (uint64_t ms = step; a->to > a->zero && ms <= a->to - a->zero;
       ms += step)
    tick (p, axis_at (a, (double) (a->zero + ms)), (int64_t) ms, high);
  html_printf (p,
               "<line class=\"zero\" x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"0\" "
               "y2=\"%u\"/><text x=\"%.2f%%\" y=\"%u\" "
               "text-anchor=\"middle\" class=\"now\">noticed</text>",
               zero, zero, high + 2, zero, high + 14);
}
