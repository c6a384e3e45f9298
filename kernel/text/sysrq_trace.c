/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: the ftrace buffer, of which the latest events are
 * kept: what led to a crash stands last.
 *
 *       bash-1994      1d..2. 12345us+: _raw_spin_lock <-foo
 */
#include "kernel/text/sysrq_impl.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EVENT 256 /* bytes of one line */

struct event
{
  struct cursor comm, flags, says;
  int pid, cpu;
  uint64_t us;
};

/* What follows the dash of "comm-pid". */
static bool
from_pid (struct cursor c, struct event *e)
{
  struct cursor word;

  if (!cur_int (&c, &e->pid) || c.p == c.end || *c.p != ' ')
    return false;
  cur_blanks (&c);
  if (!cur_word (&c, &word) || !cur_int (&word, &e->cpu)
      || cur_left (&word) < 2 || cur_left (&word) > 10)
    return false;
  e->flags = word;
  cur_blanks (&c);
  if (!cur_u64 (&c, &e->us) || !cur_lit (&c, "us"))
    return false;
  /* A mark of how long it took. */
  if (c.p < c.end && *c.p != ':')
    c.p++;
  if (!cur_lit (&c, ":"))
    return false;
  cur_blanks (&c);
  e->says = c;
  return true;
}

static bool
event_of (struct cursor c, struct event *ret)
{
  cur_blanks (&c);
  for (const char *p = c.p; p < c.end; p++)
    if (*p == '-' && from_pid ((struct cursor){ p + 1, c.end }, ret))
      {
        ret->comm = (struct cursor){ c.p, p };
        return true;
      }
  return false;
}

static void
keep (struct sysrq_dump *d, struct cursor c)
{
  char **slot = &d->trace[d->ntrace % DUMP_TRACE];
  size_t n = cur_left (&c) < MAX_EVENT ? cur_left (&c) : MAX_EVENT;

  free (*slot);
  *slot = strndup (c.p, n);
  d->ntrace++;
}

static bool
trace_section (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  struct event e;

  cur_blanks (&c);
  if (cur_at (&c, "(ftrace buffer empty)"))
    {
      d->trace_empty = d->trace_end = true;
      dump_section (d, ctx, NULL);
      return true;
    }
  if (cur_at (&c, "-------"))
    {
      d->trace_end = d->trace_rule;
      d->trace_rule = true;
      if (d->trace_end)
        dump_section (d, ctx, NULL);
      return true;
    }
  if (event_of (c, &e))
    {
      keep (d, c);
      return true;
    }
  return cur_at (&c, "CPU:") && cur_find (&c, "LOST");
}

bool
dump_trace_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  cur_blanks (&c);
  if (!cur_at (&c, "Dumping ftrace buffer:"))
    return false;
  dump_section (d, ctx, trace_section);
  for (unsigned i = 0; i < DUMP_TRACE; i++)
    {
      free (d->trace[i]);
      d->trace[i] = NULL;
    }
  d->ntrace = 0;
  d->trace_any = true;
  d->trace_empty = d->trace_end = d->trace_rule = false;
  return true;
}

void
dump_trace_end (struct sysrq_dump *d)
{
  if (d->trace_any && !d->trace_end)
    dump_gap (d, "cut", 1, "the ftrace buffer");
  if (d->ntrace > DUMP_TRACE)
    dump_gap (d, "limit", d->ntrace - DUMP_TRACE, "earlier ftrace events");
}

struct json_object *
dump_trace_json (const struct sysrq_dump *d)
{
  uint64_t first = d->ntrace > DUMP_TRACE ? d->ntrace - DUMP_TRACE : 0;
  struct json_object *out, *list;

  if (!d->trace_any)
    return NULL;
  out = json_object_new_object ();
  list = json_object_new_array ();
  json_add_bool (out, "empty", d->trace_empty);
  json_add_bool (out, "complete", d->trace_end);
  json_object_object_add (out, "events", list);
  for (uint64_t i = first; i < d->ntrace; i++)
    {
      const char *line = d->trace[i % DUMP_TRACE];
      struct json_object *o;
      struct event e;

      if (!line
          || !event_of ((struct cursor){ line, line + strlen (line) }, &e))
        continue;
      o = json_object_new_object ();
      dump_text (o, "comm", &e.comm);
      json_add_int (o, "pid", e.pid);
      json_add_int (o, "cpu", e.cpu);
      dump_text (o, "flags", &e.flags);
      json_add_int (o, "time_us", (int64_t) (e.us & INT64_MAX));
      json_add_text (o, "event", e.says.p, cur_left (&e.says));
      json_object_array_add (list, o);
    }
  return out;
}
