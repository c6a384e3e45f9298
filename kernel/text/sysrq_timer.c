/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: "Timer List Version:", the armed high resolution
 * timers of each CPU's clocks and the clock event devices.
 *
 * The kernel prints it in small pieces, which in interrupt context become
 * lines of their own: a name may be on the line after its colon, and a timer
 * on five.  So values may come late, and what a line means depends on what is
 * still open.
 */
#include "kernel/text/sysrq_impl.h"

#include "base/json.h"

#include <ctype.h>
#include <string.h>

#define MAX_TIMERS 4096
#define MAX_BASES 8192
#define MAX_PAIRS 48

static struct json_object *
add_to (struct json_object *o, const char *name, size_t max)
{
  struct json_object *list = dump_array (o, name), *e;

  if (!list || json_object_array_length (list) >= max)
    return NULL;
  e = json_object_new_object ();
  json_object_array_add (list, e);
  return e;
}

/* Names come from the text, too: what is there already stays, since others
 * may point into it. */
static void
add_cursor (struct json_object *o, const char *name, const struct cursor *c)
{
  if (o && json_object_object_length (o) < MAX_PAIRS && !json_get (o, name))
    dump_text (o, name, c);
}

/* ---- one timer: "#0: <addr>, func, S:01" and "# expires at ..." ---- */

static void
timer_piece (struct sysrq_dump *d, struct cursor c)
{
  cur_blanks (&c);
  cur_trim (&c);
  if (c.p == c.end)
    return;
  if (*c.p == '<')
    return; /* a hashed address says nothing */
  if (cur_lit (&c, "S:"))
    add_cursor (d->timer, "state", &c);
  else if (!json_get (d->timer, "function"))
    add_cursor (d->timer, "function", &c);
  else if (!json_get (d->timer, "started_by"))
    add_cursor (d->timer, "started_by", &c);
  else
    add_cursor (d->timer, "task", &c);
}

static void
timer_pieces (struct sysrq_dump *d, struct cursor c)
{
  while (c.p < c.end)
    {
      const char *comma = memchr (c.p, ',', cur_left (&c));
      struct cursor piece = { c.p, comma ? comma : c.end };

      timer_piece (d, piece);
      c.p = comma ? comma + 1 : c.end;
    }
}

/* " # expires at 16-17 nsecs [in 3 to 4 nsecs]" */
static void
expires (struct sysrq_dump *d, struct cursor c)
{
  int64_t v;

  d->timer_done = true;
  if (cur_i64 (&c, &v))
    json_add_int (d->timer, "expires_soft_ns", v);
  if (cur_lit (&c, "-") && cur_i64 (&c, &v))
    json_add_int (d->timer, "expires_ns", v);
  if (cur_lit (&c, " nsecs [in ") && cur_i64 (&c, &v)
      && cur_lit (&c, " to ") && cur_i64 (&c, &v))
    json_add_int (d->timer, "in_ns", v);
}

static bool
timer_line (struct sysrq_dump *d, struct cursor c)
{
  uint64_t n;

  if (cur_lit (&c, "# expires at "))
    {
      if (d->timer)
        expires (d, c);
      return true;
    }
  if (!cur_lit (&c, "#") || !cur_u64 (&c, &n) || !cur_lit (&c, ":"))
    return false;
  d->timer_done = false;
  d->timer = d->timer_base && d->ntimers < MAX_TIMERS
                 ? add_to (d->timer_base, "timers", MAX_TIMERS)
                 : NULL;
  if (!d->timer)
    {
      dump_gap (d, "limit", 1, "timers");
      return true;
    }
  d->ntimers++;
  json_add_int (d->timer, "number", (int64_t) (n & INT64_MAX));
  timer_pieces (d, c);
  return true;
}

/* ---- ".index:      0", " next_event:     14748000000 nsecs" ---- */

static void
value (struct json_object *o, const char *name, struct cursor c)
{
  struct cursor t = c;
  int64_t v;

  if (!o || json_object_object_length (o) >= MAX_PAIRS || json_get (o, name))
    return;
  if (cur_i64 (&t, &v))
    {
      cur_blanks (&t);
      if (cur_lit (&t, "nsecs"))
        cur_blanks (&t);
      if (t.p == t.end)
        {
          json_add_int (o, name, v);
          return;
        }
    }
  add_cursor (o, name, &c);
}

/* A name that ends in a colon; its value may be on the next line. */
static bool
named (struct sysrq_dump *d, struct json_object *o, struct cursor c)
{
  struct cursor name;

  cur_lit (&c, ".");
  for (name = c; c.p < c.end && (isalnum ((unsigned char) *c.p)
                                 || *c.p == '_' || *c.p == ' ');)
    c.p++;
  name.end = c.p;
  if (!cur_lit (&c, ":") || cur_left (&name) == 0
      || cur_left (&name) >= sizeof d->timer_key)
    return false;
  cur_copy (&name, d->timer_key, sizeof d->timer_key);
  for (char *p = d->timer_key; *p; p++)
    *p = *p == ' ' ? '_' : (char) tolower ((unsigned char) *p);
  cur_blanks (&c);
  if (c.p < c.end)
    {
      if (strcmp (d->timer_key, "base") != 0)
        value (o, d->timer_key, c);
      d->timer_key[0] = '\0';
    }
  return true;
}

/* ---- places ---- */

static bool
cpu_or_clock (struct sysrq_dump *d, struct cursor c)
{
  uint64_t n;
  bool cpu = cur_lit (&c, "cpu: ");

  if ((!cpu && !cur_lit (&c, "clock ")) || !cur_u64 (&c, &n))
    return false;
  d->timer = d->timer_base = d->device = NULL;
  d->timer_key[0] = '\0';
  if (cpu)
    {
      d->timer_cpu = add_to (d->timers, "cpus", SYSRQ_MAX_CPUS);
      if (d->timer_cpu)
        json_add_int (d->timer_cpu, "cpu", (int64_t) (n & INT64_MAX));
      return true;
    }
  if (!d->timer_cpu || d->nbases == MAX_BASES)
    return true;
  d->timer_base = add_to (d->timer_cpu, "clocks", 64);
  if (d->timer_base)
    {
      d->nbases++;
      json_add_int (d->timer_base, "clock", (int64_t) (n & INT64_MAX));
      dump_array (d->timer_base, "timers");
    }
  return true;
}

/* "Tick Device: mode: 1", "Per CPU device: 0", "Broadcast device",
 * "Clock Event Device: " and its name, perhaps on the next line. */
static bool
device (struct sysrq_dump *d, struct cursor c)
{
  uint64_t n;

  if (cur_lit (&c, "Tick Device:"))
    {
      d->timer = d->timer_base = d->timer_cpu = NULL;
      d->timer_key[0] = '\0';
      d->device = add_to (d->timers, "devices", SYSRQ_MAX_CPUS + 1);
      return true;
    }
  if (!d->device)
    return false;
  if (cur_lit (&c, "Per CPU device: "))
    {
      if (cur_u64 (&c, &n))
        json_add_int (d->device, "cpu", (int64_t) (n & INT64_MAX));
      return true;
    }
  if (cur_at (&c, "Broadcast device"))
    {
      json_add_bool (d->device, "broadcast", true);
      return true;
    }
  if (!cur_lit (&c, "Clock Event Device:"))
    return false;
  cur_blanks (&c);
  if (c.p < c.end)
    add_cursor (d->device, "name", &c);
  else
    memcpy (d->timer_key, "name", 5);
  return true;
}

static bool
timer_section (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct json_object *o;
  int64_t v;

  (void) ctx;
  cur_blanks (&c);
  if (cur_lit (&c, "now at ") && cur_i64 (&c, &v))
    {
      json_add_int (d->timers, "now_ns", v);
      return true;
    }
  if (timer_line (d, c) || cpu_or_clock (d, c) || device (d, c))
    return true;
  o = d->timer_base ? d->timer_base : d->timer_cpu;
  o = d->device ? d->device : o;
  if (d->timer_key[0] && !cur_find (&c, ":"))
    {
      /* What came late. */
      value (o, d->timer_key, c);
      d->timer_key[0] = '\0';
      return true;
    }
  if (d->timer && !d->timer_done && !cur_at (&c, "."))
    {
      timer_pieces (d, c);
      return true;
    }
  if (cur_at (&c, "active timers:") || cur_at (&c, "HRTIMER_MAX_CLOCK_BASES")
      || cur_at (&c, "tick_broadcast"))
    return true;
  /* After its clocks come numbers of the CPU. */
  if (cur_at (&c, ".expires_next") || cur_at (&c, "jiffies:"))
    d->timer = d->timer_base = NULL, o = d->timer_cpu;
  return named (d, o, c);
}

bool
dump_timer_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  cur_blanks (&c);
  if (!cur_lit (&c, "Timer List Version: "))
    return false;
  dump_section (d, ctx, timer_section);
  json_object_put (d->timers);
  d->timers = json_object_new_object ();
  d->timer = d->timer_base = d->timer_cpu = d->device = NULL;
  d->ntimers = d->nbases = 0;
  d->timer_key[0] = '\0';
  add_cursor (d->timers, "version", &c);
  return true;
}

/* Each CPU has a device, and they come last. */
void
dump_timer_end (struct sysrq_dump *d)
{
  struct json_object *cpus, *devices;
  size_t n, have = 0;
  bool whole;

  if (!d->timers)
    return;
  cpus = dump_array (d->timers, "cpus");
  devices = dump_array (d->timers, "devices");
  if (!cpus || !devices)
    return;
  n = json_object_array_length (devices);
  for (size_t i = 0; i < n; i++)
    if (json_get (json_object_array_get_idx (devices, i), "event_handler"))
      have += json_get (json_object_array_get_idx (devices, i), "cpu") != NULL;
  whole = json_object_array_length (cpus) > 0
          && have >= json_object_array_length (cpus);
  json_add_bool (d->timers, "complete", whole);
  if (!whole)
    dump_gap (d, "cut", 1, "timers: %zu of %zu CPUs have their device", have,
              json_object_array_length (cpus));
}
