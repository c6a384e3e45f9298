/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: the document of docs/sysrq-json.md.  What was not
 * said is not in it.
 */
#include "kernel/text/sysrq_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
add_some (struct json_object *o, const char *name, const char *s)
{
  if (s[0])
    json_add_text (o, name, s, strlen (s));
}

static void
add_hex (struct json_object *o, const char *name, uint64_t v)
{
  char text[24];

  snprintf (text, sizeof text, "0x%" PRIx64, v);
  json_add_text (o, name, text, strlen (text));
}

static void
add_key (struct json_object *o, char key)
{
  const char text[2] = { key, '\0' };

  add_some (o, "key", text);
}

static void
add_frames (struct json_object *o, const struct text_frame *frames, unsigned n,
            unsigned more)
{
  struct json_object *list = json_object_new_array_ext ((int) n);

  json_object_object_add (o, "frames", list);
  if (more)
    json_add_int (o, "more_frames", more);
  for (unsigned i = 0; i < n; i++)
    {
      const struct text_frame *f = &frames[i];
      struct json_object *e = json_object_new_object ();

      json_add_text (e, "func", f->func, strlen (f->func));
      if (f->size)
        {
          json_add_int (e, "offset", (int64_t) (f->offset & INT64_MAX));
          json_add_int (e, "size", (int64_t) (f->size & INT64_MAX));
        }
      add_some (e, "module", f->module);
      add_some (e, "where", f->where);
      if (f->guess)
        json_add_bool (e, "guess", true);
      json_object_array_add (list, e);
    }
}

/* Names of registers are letters and digits: nobody checks them again. */
static void
add_regs (struct json_object *o, const struct sysrq_reg *regs, unsigned n)
{
  struct json_object *all;

  if (!n)
    return;
  all = json_object_new_object ();
  json_object_object_add (o, "registers", all);
  for (unsigned i = 0; i < n; i++)
    add_hex (all, regs[i].name, regs[i].value);
}

static void
add_user (struct json_object *o, const struct sysrq_task *t)
{
  struct json_object *u;

  if (!t->user_ip[0])
    return;
  u = json_object_new_object ();
  json_object_object_add (o, "user", u);
  json_add_text (u, "ip", t->user_ip, strlen (t->user_ip));
  /* -1 of the register says that it came in by no system call. */
  for (unsigned i = 0; i < t->nregs; i++)
    if (strcmp (t->regs[i].name, "ORIG_RAX") == 0
        && t->regs[i].value <= INT32_MAX)
      json_add_int (u, "syscall", (int64_t) t->regs[i].value);
  add_regs (u, t->regs, t->nregs);
}

struct json_object *
sysrq_task_to_json (const struct sysrq_task *t)
{
  struct json_object *o = json_object_new_object ();
  const struct text_frame *where = sysrq_where (t->frames, t->nframes);
  const char state[2] = { t->state, '\0' };

  json_add_text (o, "comm", t->comm, strlen (t->comm));
  json_add_str (o, "state", state);
  if (t->pid >= 0)
    json_add_int (o, "pid", t->pid);
  if (t->tgid >= 0)
    json_add_int (o, "tgid", t->tgid);
  if (t->ppid >= 0)
    json_add_int (o, "ppid", t->ppid);
  if (t->has_flags)
    add_hex (o, "flags", t->flags);
  if (t->running)
    json_add_bool (o, "running", true);
  add_some (o, "workqueue", t->workqueue);
  add_some (o, "stopper", t->stopper);
  if (t->blocked_s >= 0)
    json_add_int (o, "blocked_s", (int64_t) t->blocked_s);
  add_some (o, "owner", t->owner);
  if (t->state == 'D')
    add_some (o, "waits",
              wait_for_names[sysrq_wait_of (t->frames, t->nframes)]);
  if (where)
    json_add_text (o, "in", where->func, strlen (where->func));
  if (t->torn)
    json_add_bool (o, "torn", true);
  add_key (o, t->key);
  json_add_int (o, "line", (int64_t) t->line);
  if (t->boot > 0)
    json_add_int (o, "boot", t->boot);
  add_frames (o, t->frames, t->nframes, t->more_frames);
  add_user (o, t);
  return o;
}

static struct json_object *
cpu_json (const struct sysrq_cpu *c)
{
  struct json_object *o = json_object_new_object ();

  json_add_int (o, "cpu", c->cpu);
  json_add_bool (o, "idle", c->idle);
  if (c->pid >= 0)
    json_add_int (o, "pid", c->pid);
  add_some (o, "comm", c->comm);
  add_some (o, "rip", c->rip);
  if (c->user)
    json_add_bool (o, "user", true);
  add_some (o, "workqueue", c->workqueue);
  if (c->torn)
    json_add_bool (o, "torn", true);
  add_key (o, c->key);
  json_add_int (o, "line", (int64_t) c->line);
  if (c->boot > 0)
    json_add_int (o, "boot", c->boot);
  if (c->interrupted)
    json_add_int (o, "interrupted", c->interrupted);
  add_frames (o, c->frames, c->nframes, c->more_frames);
  add_regs (o, c->regs, c->nregs);
  return o;
}

/* Each task once, as its latest block has it: a copy of places in order. */
static void
add_blocked (struct json_object *o, const struct sysrq_dump *d)
{
  struct json_object *list = json_object_new_array ();
  unsigned n = sysrq_dump_blocked (d, NULL, 0);
  unsigned *idx = n ? malloc (n * sizeof *idx) : NULL;

  json_object_object_add (o, "blocked", list);
  if (!idx)
    return;
  sysrq_dump_blocked (d, idx, n);
  for (unsigned i = 0; i < n; i++)
    {
      const struct sysrq_task *t = &d->tasks[idx[i]];
      const struct text_frame *where = sysrq_where (t->frames, t->nframes);
      struct json_object *e = json_object_new_object ();

      json_add_int (e, "task", idx[i]);
      json_add_text (e, "comm", t->comm, strlen (t->comm));
      if (t->pid >= 0)
        json_add_int (e, "pid", t->pid);
      if (t->blocked_s >= 0)
        json_add_int (e, "blocked_s", (int64_t) t->blocked_s);
      add_some (e, "waits",
                wait_for_names[sysrq_wait_of (t->frames, t->nframes)]);
      if (where)
        json_add_text (e, "in", where->func, strlen (where->func));
      add_some (e, "owner", t->owner);
      json_object_array_add (list, e);
    }
  free (idx);
}

/* What the kernel's own watch said, also where no stack was printed. */
static void
add_hung (struct json_object *o, const struct sysrq_dump *d)
{
  struct json_object *list = json_object_new_array ();

  json_object_object_add (o, "hung", list);
  for (unsigned i = 0; i < d->nhung; i++)
    {
      struct json_object *e = json_object_new_object ();

      json_add_text (e, "comm", d->hung[i].comm, strlen (d->hung[i].comm));
      json_add_int (e, "pid", d->hung[i].pid);
      if (d->hung[i].boot > 0)
        json_add_int (e, "boot", d->hung[i].boot);
      if (d->hung[i].seconds >= 0)
        json_add_int (e, "blocked_s", (int64_t) d->hung[i].seconds);
      add_some (e, "owner", d->hung[i].owner);
      json_object_array_add (list, e);
    }
}

static void
add_states (struct json_object *o, const struct sysrq_dump *d)
{
  struct json_object *states = json_object_new_object ();
  unsigned *idx = d->ntasks ? malloc (d->ntasks * sizeof *idx) : NULL;
  unsigned n = idx ? sysrq_dump_latest (d, 0, idx, d->ntasks) : 0;
  char name[2] = "?";

  json_object_object_add (o, "states", states);
  for (unsigned i = 0; i < n; i++)
    {
      name[0] = d->tasks[idx[i]].state;
      json_add_int (states, name, json_get_int (states, name, 0) + 1);
    }
  free (idx);
}

static void
add_gaps (struct json_object *o, const struct sysrq_dump *d)
{
  struct json_object *list = json_object_new_array ();

  json_object_object_add (o, "gaps", list);
  for (unsigned i = 0; i < d->ngaps; i++)
    {
      struct json_object *e = json_object_new_object ();

      json_add_str (e, "kind", d->gaps[i].kind);
      json_add_text (e, "what", d->gaps[i].what, strlen (d->gaps[i].what));
      json_add_int (e, "count", (int64_t) (d->gaps[i].count & INT64_MAX));
      json_add_int (e, "line", (int64_t) d->gaps[i].line);
      json_object_array_add (list, e);
    }
  if (d->more_gaps)
    json_add_int (o, "more_gaps", (int64_t) (d->more_gaps & INT64_MAX));
}

/* A reference of the dump's own: the document is read, not changed. */
static void
add_section (struct json_object *o, const char *name, struct json_object *v)
{
  if (v)
    json_object_object_add (o, name, json_object_get (v));
}

static void
add_head (struct json_object *o, const struct sysrq_dump *d)
{
  struct json_object *done = json_object_new_array ();

  json_add_str (o, "schema", "hangdog/sysrq/1");
  json_add_bool (o, "complete", d->ngaps == 0);
  json_add_text (o, "keys", d->keys, strlen (d->keys));
  json_add_bool (o, "refused", d->refused);
  add_some (o, "help", d->help);
  if (d->synced)
    json_object_array_add (done, json_object_new_string ("sync"));
  if (d->remounted)
    json_object_array_add (done, json_object_new_string ("remount"));
  json_object_object_add (o, "done", done);
}

static void
add_stacks (struct json_object *o, const struct sysrq_dump *d)
{
  struct json_object *list = json_object_new_array_ext ((int) d->ntasks);

  json_object_object_add (o, "tasks", list);
  for (unsigned i = 0; i < d->ntasks; i++)
    json_object_array_add (list, sysrq_task_to_json (&d->tasks[i]));
  list = json_object_new_array_ext ((int) d->ncpus);
  json_object_object_add (o, "cpus", list);
  for (unsigned i = 0; i < d->ncpus; i++)
    json_object_array_add (list, cpu_json (&d->cpus[i]));
}

static struct json_object *
document (const struct sysrq_dump *d, bool stacks)
{
  struct json_object *o = json_object_new_object (), *trace;

  if (!o)
    return NULL;
  add_head (o, d);
  add_states (o, d);
  if (stacks)
    add_blocked (o, d);
  add_hung (o, d);
  if (stacks)
    add_stacks (o, d);
  add_section (o, "memory", d->memories);
  add_section (o, "timers", d->timers);
  add_section (o, "locks", d->locks);
  trace = dump_trace_json (d);
  if (trace)
    json_object_object_add (o, "ftrace", trace);
  add_section (o, "workqueues", d->work);
  add_section (o, "sched", d->sched);
  add_gaps (o, d);
  return o;
}

struct json_object *
sysrq_dump_to_json (const struct sysrq_dump *d)
{
  return document (d, true);
}

struct json_object *
sysrq_dump_to_json_short (const struct sysrq_dump *d)
{
  return document (d, false);
}

static void
show_row (struct buf *out, bool first, struct json_object *row)
{
  buf_puts (out, first ? "\n" : ",\n");
  json_show (row, out);
  json_object_put (row);
}

void
sysrq_dump_show (const struct sysrq_dump *d, struct buf *out)
{
  struct json_object *o CLEANUP_JSON = document (d, false);
  struct buf head CLEANUP_BUF = BUF_INIT (out->max);

  if (o)
    {
      add_blocked (o, d);
      json_show (o, &head);
    }
  if (head.cut || head.len == 0)
    {
      out->cut = true;
      return;
    }
  buf_append (out, buf_str (&head), head.len - 1); /* its brace is ours */
  buf_puts (out, ",\n\"tasks\":[");
  for (unsigned i = 0; i < d->ntasks && !out->cut; i++)
    show_row (out, i == 0, sysrq_task_to_json (&d->tasks[i]));
  buf_puts (out, "],\n\"cpus\":[");
  for (unsigned i = 0; i < d->ncpus && !out->cut; i++)
    show_row (out, i == 0, cpu_json (&d->cpus[i]));
  buf_puts (out, "]}\n");
}
