/* SPDX-License-Identifier: Apache-2.0
 *
 * Two looks at one kernel.
 *
 * A task or request is the same when its object is at the same address and
 * has the same number or beginning: addresses are used again.
 */
#include "kernel/memory/moved.h"

#include "kernel/memory/look.h"
#include "kernel/memory/tasks.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CPUS 1024u
#define MAX_REQUESTS 4096u
#define MAX_TOLD 1000u /* tasks: those that only ran */

struct moved_cpu
{
  uint64_t switches, clock;
  bool known;
};

struct moved_task
{
  uint64_t at, switches, ran_ns;
  int32_t pid;
};

struct moved_request
{
  uint64_t rq, start_ns, tag;
  unsigned queue;
  char name[33];
};

struct moved_set
{
  bool there;
  uint64_t now_ns;
  struct moved_cpu *cpus;
  unsigned ncpus;
  uint64_t *pcs; /* of vCPUs, in the order of the registers */
  unsigned npcs;
  struct moved_task *tasks; /* by their address */
  size_t ntasks;
  struct moved_request *requests;
  unsigned nrequests;
};

struct moved
{
  struct moved_set was, is;
  uint64_t apart_ms;
};

static void
set_done (struct moved_set *s)
{
  free (s->cpus);
  free (s->pcs);
  free (s->tasks);
  free (s->requests);
  memset (s, 0, sizeof *s);
}

struct moved *
moved_new (void)
{
  return calloc (1, sizeof (struct moved));
}

void
moved_free (struct moved *m)
{
  if (!m)
    return;
  set_done (&m->was);
  set_done (&m->is);
  free (m);
}

void
moved_apart (struct moved *m, uint64_t ms)
{
  m->apart_ms = ms;
}

/* ---- what is there now; without memory that part is not compared ---- */

void
moved_request (struct look *l, uint64_t rq, uint64_t start_ns,
               const char *name, unsigned queue, uint64_t tag)
{
  struct moved_set *s = l->moved ? &l->moved->is : NULL;
  struct moved_request *r;

  if (!s || s->nrequests >= MAX_REQUESTS)
    return;
  if (!s->requests
      && !(s->requests = calloc (MAX_REQUESTS, sizeof *s->requests)))
    return;
  r = &s->requests[s->nrequests++];
  *r = (struct moved_request){
    .rq = rq, .start_ns = start_ns, .tag = tag, .queue = queue
  };
  memcpy (r->name, name, strnlen (name, sizeof r->name - 1));
}

static void
gather_cpus (struct look *l, struct moved_set *s)
{
  unsigned n = kernel_cpus (l->k);
  uint64_t rq;

  n = n < MAX_CPUS ? n : MAX_CPUS;
  s->cpus = calloc (n, sizeof *s->cpus);
  s->ncpus = s->cpus ? n : 0;
  for (unsigned i = 0; i < s->ncpus; i++)
    s->cpus[i].known
        = (rq = kernel_percpu (l->k, "runqueues", i)) != 0
          && kernel_get (l->k, rq, RQ_SWITCHES, &s->cpus[i].switches)
          && kernel_get (l->k, rq, RQ_CLOCK, &s->cpus[i].clock);
  s->pcs = l->k->ncpus ? calloc (l->k->ncpus, sizeof *s->pcs) : NULL;
  s->npcs = s->pcs ? l->k->ncpus : 0;
  for (unsigned i = 0; i < s->npcs; i++)
    s->pcs[i] = l->k->cpus[i].pc;
}

static int
by_address (const void *a, const void *b)
{
  const struct moved_task *x = a, *y = b;

  return x->at < y->at ? -1 : x->at > y->at;
}

static void
gather_tasks (struct look *l, struct moved_set *s)
{
  if (!l->tasks || l->tasks->n == 0)
    return;
  s->tasks = calloc (l->tasks->n, sizeof *s->tasks);
  if (!s->tasks)
    return;
  for (size_t i = 0; i < l->tasks->n; i++)
    {
      const struct look_task *t = &l->tasks->tasks[i];

      s->tasks[s->ntasks++] = (struct moved_task){
        .at = t->at, .switches = t->switches, .ran_ns = t->ran_ns, .pid = t->pid
      };
    }
  qsort (s->tasks, s->ntasks, sizeof *s->tasks, by_address);
}

/* ---- what is said ---- */

static void
begin (struct look *l, const char *what)
{
  rows_begin (l->rows, "moved");
  rows_str (l->rows, "what", what);
  if (l->moved->apart_ms)
    rows_real (l->rows, "apart_s", (double) l->moved->apart_ms / 1000, 3);
}

static void
say_cpu (struct look *l, unsigned i)
{
  const struct moved_set *a = &l->moved->was, *b = &l->moved->is;
  const struct moved_cpu *x = &a->cpus[i], *y = &b->cpus[i];

  begin (l, "cpu");
  rows_uint (l->rows, "cpu", i);
  rows_bool (l->rows, "clock", x->clock != y->clock);
  rows_uint (l->rows, "switches", y->switches - x->switches);
  rows_end (l->rows);
}

static void
say_cpus (struct look *l)
{
  const struct moved_set *a = &l->moved->was, *b = &l->moved->is;

  for (unsigned i = 0; i < a->ncpus && i < b->ncpus; i++)
    if (a->cpus[i].known && b->cpus[i].known)
      say_cpu (l, i);
  /* Numbers of QEMU: which CPU of the guest that is, the row "cpu" says. */
  for (unsigned i = 0; i < a->npcs && i < b->npcs; i++)
    {
      begin (l, "vcpu");
      rows_uint (l->rows, "vcpu", l->k->cpus[i].index);
      rows_bool (l->rows, "pc", a->pcs[i] != b->pcs[i]);
      rows_bool (l->rows, "halted", l->k->cpus[i].halted);
      rows_end (l->rows);
    }
}

static const struct moved_task *
task_before (const struct moved_set *s, const struct look_task *t)
{
  const struct moved_task key = { .at = t->at };
  const struct moved_task *was
      = s->ntasks ? bsearch (&key, s->tasks, s->ntasks, sizeof *s->tasks,
                             by_address)
                  : NULL;

  return was && was->pid == t->pid ? was : NULL;
}

/* Those that wait and may not be woken, and those that ran. */
static void
say_tasks (struct look *l)
{
  unsigned told = 0;
  char state[8];

  for (size_t i = 0; l->tasks && i < l->tasks->n; i++)
    {
      const struct look_task *t = &l->tasks->tasks[i];
      const struct moved_task *was = task_before (&l->moved->was, t);
      uint64_t switches, ran;
      bool waits;

      if (!was)
        continue;
      switches = t->switches - was->switches;
      ran = t->ran_ns - was->ran_ns;
      waits = task_state_text (t, state)[0] == 'D';
      if (!waits && ((switches == 0 && ran == 0) || told++ >= MAX_TOLD))
        continue;
      begin (l, "task");
      rows_int (l->rows, "pid", t->pid);
      rows_text (l->rows, "comm", t->comm, strlen (t->comm));
      rows_str (l->rows, "state", state);
      rows_uint (l->rows, "switches", switches);
      /* Both numbers are the guest's: one that falls is no time. */
      if (t->ran_ns > was->ran_ns)
        rows_real (l->rows, "ran_s", (double) ran / 1e9, 6);
      if (waits)
        rows_bool (l->rows, "stuck", switches == 0);
      rows_end (l->rows);
    }
}

static bool
request_before (const struct moved_set *s, const struct moved_request *r)
{
  for (unsigned i = 0; i < s->nrequests; i++)
    if (s->requests[i].rq == r->rq && s->requests[i].start_ns == r->start_ns
        && s->requests[i].tag == r->tag && s->requests[i].queue == r->queue)
      return true;
  return false;
}

static void
say_requests (struct look *l)
{
  const struct moved_set *a = &l->moved->was, *b = &l->moved->is;
  unsigned same = 0;

  if (a->nrequests == 0 && b->nrequests == 0)
    return;
  for (unsigned i = 0; i < b->nrequests; i++)
    {
      const struct moved_request *r = &b->requests[i];

      if (!request_before (a, r))
        continue;
      same++;
      begin (l, "request");
      rows_text (l->rows, "disk", r->name, strlen (r->name));
      rows_uint (l->rows, "queue", r->queue);
      rows_uint (l->rows, "tag", r->tag);
      rows_bool (l->rows, "stuck", true);
      rows_end (l->rows);
    }
  begin (l, "requests");
  rows_uint (l->rows, "same", same);
  rows_uint (l->rows, "answered", a->nrequests - same);
  rows_uint (l->rows, "begun", b->nrequests - same);
  rows_end (l->rows);
}

static void
say_guest (struct look *l)
{
  const struct moved_set *a = &l->moved->was, *b = &l->moved->is;

  begin (l, "guest");
  rows_bool (l->rows, "clock", a->now_ns != b->now_ns);
  if (b->now_ns >= a->now_ns)
    rows_real (l->rows, "clock_s", (double) (b->now_ns - a->now_ns) / 1e9, 3);
  rows_end (l->rows);
}

void
moved_say (struct look *l)
{
  struct moved *m = l->moved;

  m->is.there = true;
  m->is.now_ns = l->now_ns;
  gather_cpus (l, &m->is);
  gather_tasks (l, &m->is);
  if (m->was.there)
    {
      say_guest (l);
      say_cpus (l);
      say_tasks (l);
      say_requests (l);
    }
  set_done (&m->was);
  m->was = m->is;
  memset (&m->is, 0, sizeof m->is);
}
