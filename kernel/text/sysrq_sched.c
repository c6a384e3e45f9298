/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: "Sched Debug Version:", of which the numbers of each
 * CPU and who runs are kept.
 *
 * The table of runnable tasks has other columns in every kernel: only what it
 * begins with is read, which is the same in all.
 */
#include "kernel/text/sysrq_impl.h"

#include "base/json.h"

#include <ctype.h>
#include <string.h>

#define MAX_PAIRS 32
#define MAX_RUNNING 64 /* of a CPU */
#define COMM_WIDTH 15

/* "cpu#0, 2594.329 MHz" */
static bool
cpu_line (struct sysrq_dump *d, struct cursor c)
{
  struct json_object *list;
  uint64_t n, mhz;

  if (!cur_lit (&c, "cpu#") || !cur_u64 (&c, &n))
    return false;
  d->sched_keys = true;
  d->sched_table = false;
  d->sched_cpu = NULL;
  list = dump_array (d->sched, "cpus");
  if (!list || json_object_array_length (list) >= SYSRQ_MAX_CPUS)
    return true;
  d->sched_cpu = json_object_new_object ();
  json_object_array_add (list, d->sched_cpu);
  json_add_int (d->sched_cpu, "cpu", (int64_t) (n & INT64_MAX));
  if (cur_lit (&c, ", ") && cur_u64 (&c, &mhz))
    json_add_int (d->sched_cpu, "mhz", (int64_t) (mhz & INT64_MAX));
  json_add_int (d->sched_cpu, "tasks", 0);
  json_object_object_add (d->sched_cpu, "running", json_object_new_array ());
  return true;
}

/* "  .curr->pid                     : 0" */
static bool
number_line (struct sysrq_dump *d, struct cursor c)
{
  struct json_object *o = d->sched_keys ? d->sched_cpu : NULL;
  char name[40];
  unsigned n = 0;
  int64_t v;

  if (!cur_lit (&c, "."))
    return false;
  for (; c.p < c.end && *c.p != ' ' && *c.p != ':' && n < sizeof name - 1;
       c.p++)
    if (isalnum ((unsigned char) *c.p) || *c.p == '_')
      name[n++] = *c.p;
    else if (*c.p == '>')
      name[n++] = '_'; /* of "->" */
  name[n] = '\0';
  cur_blanks (&c);
  if (!cur_lit (&c, ":"))
    return false;
  cur_blanks (&c);
  /* What has a fraction is a time of the scheduler's own. */
  if (o && n && cur_i64 (&c, &v) && c.p == c.end && !json_get (o, name)
      && json_object_object_length (o) < MAX_PAIRS)
    json_add_int (o, name, v);
  return true;
}

/* " S            init     1 ...", ">R            bash   123 ..." */
static bool
row (struct sysrq_dump *d, struct cursor c)
{
  struct json_object *o, *list;
  struct cursor comm;
  bool now;
  char state;
  int pid;

  if (!d->sched_table)
    return false;
  now = cur_lit (&c, ">");
  if (c.p == c.end || !strchr ("RSDTtXZPIKWxN", *c.p))
    return false;
  state = *c.p++;
  if (!cur_lit (&c, " ") || cur_left (&c) < COMM_WIDTH + 2)
    return false;
  comm = (struct cursor){ c.p, c.p + COMM_WIDTH };
  c.p += COMM_WIDTH;
  if (!cur_lit (&c, " "))
    return false;
  cur_blanks (&c);
  if (!cur_int (&c, &pid) || !d->sched_cpu)
    return !d->sched_cpu;
  json_add_int (d->sched_cpu, "tasks",
                json_get_int (d->sched_cpu, "tasks", 0) + 1);
  list = json_get (d->sched_cpu, "running");
  if ((!now && state != 'R')
      || json_object_array_length (list) >= MAX_RUNNING)
    return true;
  o = json_object_new_object ();
  dump_text (o, "comm", &comm);
  json_add_int (o, "pid", pid);
  if (now)
    json_add_bool (o, "now", true);
  json_object_array_add (list, o);
  return true;
}

static bool
sched_section (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  (void) ctx;
  cur_blanks (&c);
  if (cpu_line (d, c) || number_line (d, c))
    return true;
  if (cur_at (&c, "cfs_rq[") || cur_at (&c, "rt_rq[") || cur_at (&c, "dl_rq["))
    {
      d->sched_keys = false;
      return true;
    }
  if (cur_at (&c, "runnable tasks:"))
    return d->sched_table = true;
  /* Its title and the line below. */
  if (cur_at (&c, "-----") || (cur_find (&c, " task ") && cur_find (&c, "PID")))
    return true;
  return row (d, c) || cur_find (&c, " : ");
}

bool
dump_sched_head (struct sysrq_dump *d, struct dump_ctx *ctx, struct cursor c)
{
  const char *comma;

  cur_blanks (&c);
  if (!cur_lit (&c, "Sched Debug Version: "))
    return false;
  dump_section (d, ctx, sched_section);
  json_object_put (d->sched);
  d->sched = json_object_new_object ();
  d->sched_cpu = NULL;
  d->sched_table = d->sched_keys = false;
  comma = memchr (c.p, ',', cur_left (&c));
  if (comma)
    {
      struct cursor version = { c.p, comma }, release = { comma + 1, c.end };

      dump_text (d->sched, "version", &version);
      dump_text (d->sched, "release", &release);
    }
  return true;
}
