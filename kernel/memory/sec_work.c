/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "workqueues": pools of workers, what each of them works on, what
 * waits, and how long nothing of it was begun.
 *
 * Pools are found by the queues that use them.  A work that waits has its
 * queue in its data, above some flags; how many of them differs between
 * kernels, so it is the address that is known to be one.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/tasks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUEUES 65536u
#define MAX_PWQS (1u << 18)
#define MAX_POOLS 32768u
#define MAX_WORKERS 65536u /* of a pool */
#define MAX_WORKS 65536u   /* that wait in a pool */
#define MAX_TOLD 1024u
#define WORK_HAS_QUEUE 4u

struct pwq
{
  uint64_t at, pool;
};

struct work
{
  struct look *l;
  struct pwq *pwqs; /* sorted by address once all are there */
  size_t npwqs, room;
  uint64_t *pools;
  size_t npools;
  struct look_ticks ticks; /* hz 0: not known */
  uint64_t pool;           /* the present one, and its number */
  uint64_t id;
  unsigned waiting, inactive, told, more;
  bool damaged, failed;
};

/* ---- finding ---- */

static bool
on_pwq (uint64_t node, void *arg)
{
  struct work *w = arg;
  struct kernel *k = w->l->k;
  struct pwq pwq = { .at = node - k->fields.at[PWQ_NODE].offset };

  if (!kernel_get (k, pwq.at, PWQ_POOL, &pwq.pool) || !pwq.pool)
    return true;
  if (w->npwqs >= MAX_PWQS)
    return false;
  if (w->npwqs == w->room)
    {
      size_t room = w->room ? 2 * w->room : 256;
      struct pwq *all = reallocarray (w->pwqs, room, sizeof *all);

      if (!all)
        {
          w->failed = true;
          return false;
        }
      w->pwqs = all;
      w->room = room;
    }
  w->pwqs[w->npwqs++] = pwq;
  return true;
}

static bool
on_queue (uint64_t node, void *arg)
{
  struct work *w = arg;
  struct kernel *k = w->l->k;
  uint64_t wq = node - k->fields.at[WQ_LIST].offset;

  if (kernel_list (k, wq + k->fields.at[WQ_PWQS].offset, MAX_PWQS, on_pwq, w)
      < 0)
    w->damaged = true;
  return !w->failed;
}

static int
by_address (const void *a, const void *b)
{
  const struct pwq *x = a, *y = b;

  return x->at < y->at ? -1 : x->at > y->at;
}

static int
by_value (const void *a, const void *b)
{
  const uint64_t *x = a, *y = b;

  return *x < *y ? -1 : *x > *y;
}

/* Each pool once. */
static bool
list_pools (struct work *w)
{
  size_t n = 0;

  w->pools = calloc (w->npwqs + 1, sizeof *w->pools);
  if (!w->pools)
    return false;
  for (size_t i = 0; i < w->npwqs; i++)
    w->pools[i] = w->pwqs[i].pool;
  qsort (w->pools, w->npwqs, sizeof *w->pools, by_value);
  for (size_t i = 0; i < w->npwqs; i++)
    if (i == 0 || w->pools[i] != w->pools[i - 1])
      w->pools[n++] = w->pools[i];
  w->npools = n < MAX_POOLS ? n : MAX_POOLS;
  if (w->npwqs > 0)
    qsort (w->pwqs, w->npwqs, sizeof *w->pwqs, by_address);
  return true;
}

/* ---- telling ---- */

static void
say_name (struct work *w, uint64_t pwq)
{
  struct kernel *k = w->l->k;
  size_t len = k->fields.at[WQ_NAME].size;
  char name[65] = "";
  uint64_t wq;

  if (len == 0 || len >= sizeof name || !kernel_get (k, pwq, PWQ_WQ, &wq)
      || space_read (k->space, wq + k->fields.at[WQ_NAME].offset, name, len)
             < 0)
    return;
  rows_str (w->l->rows, "queue", name);
}

static void
say_func (struct work *w, uint64_t func)
{
  struct ksym sym;

  if (kernel_sym (w->l->k, func, &sym) && sym.start == func)
    rows_str (w->l->rows, "func", sym.name);
  else
    rows_hex (w->l->rows, "func", func);
}

/* Jiffies in seconds, if they are of the past. */
static void
say_age (struct work *w, const char *name, uint64_t since)
{
  if (w->ticks.hz && since <= w->ticks.now)
    rows_real (w->l->rows, name,
               (double) (w->ticks.now - since) / w->ticks.hz, 3);
}

static uint64_t
queue_of (struct work *w, uint64_t work)
{
  struct kernel *k = w->l->k;
  struct pwq key;
  uint64_t data;

  if (!kernel_get (k, work, WORK_DATA, &data) || !(data & WORK_HAS_QUEUE))
    return 0;
  for (uint64_t bits = 8; bits <= 10; bits++)
    {
      key.at = data & ~((UINT64_C (1) << bits) - 1);
      if (bsearch (&key, w->pwqs, w->npwqs, sizeof key, by_address))
        return key.at;
    }
  return 0;
}

static bool
may_tell (struct work *w)
{
  if (w->told < MAX_TOLD)
    {
      w->told++;
      return true;
    }
  w->more++;
  return false;
}

static bool
on_waiting (uint64_t node, void *arg)
{
  struct work *w = arg;
  struct kernel *k = w->l->k;
  uint64_t work = node - k->fields.at[WORK_ENTRY].offset, func, pwq;

  w->waiting++;
  if (!kernel_get (k, work, WORK_FUNC, &func) || !may_tell (w))
    return true;
  pwq = queue_of (w, work);
  rows_begin (w->l->rows, "work");
  rows_uint (w->l->rows, "pool", w->id);
  rows_str (w->l->rows, "state", "waiting");
  say_func (w, func);
  if (pwq)
    say_name (w, pwq);
  rows_end (w->l->rows);
  return true;
}

static bool
on_worker (uint64_t node, void *arg)
{
  struct work *w = arg;
  struct look *l = w->l;
  struct kernel *k = l->k;
  uint64_t worker = node - k->fields.at[WORKER_NODE].offset, v, func;
  const struct look_task *t;

  if (!kernel_get (k, worker, WORKER_WORK, &v) || !v
      || !kernel_get (k, worker, WORKER_FUNC, &func) || !may_tell (w))
    return true;
  rows_begin (l->rows, "work");
  rows_uint (l->rows, "pool", w->id);
  rows_str (l->rows, "state", "running");
  say_func (w, func);
  if (kernel_get (k, worker, WORKER_PWQ, &v) && v)
    say_name (w, v);
  t = kernel_get (k, worker, WORKER_TASK, &v) ? look_task_at (l->tasks, v)
                                              : NULL;
  if (t)
    {
      rows_int (l->rows, "pid", t->pid);
      rows_text (l->rows, "comm", t->comm, strlen (t->comm));
      if (!t->on_cpu && l->now_ns && t->last_arrival_ns
          && t->last_arrival_ns <= l->now_ns)
        rows_real (l->rows, "asleep_s",
                   (double) (l->now_ns - t->last_arrival_ns) / 1e9, 3);
    }
  /* When it last was idle: it may have done other work since. */
  if (kernel_get (k, worker, WORKER_ACTIVE, &v) && v)
    say_age (w, "busy_at_most_s", v);
  rows_end (l->rows);
  return true;
}

static bool
on_inactive (uint64_t node, void *arg)
{
  struct work *w = arg;

  w->inactive++;
  return true;
}

/* A queue lets only so many of its works run at once; the others wait here. */
static void
count_inactive (struct work *w)
{
  struct kernel *k = w->l->k;

  w->inactive = 0;
  if (!kernel_has (k, PWQ_INACTIVE))
    return;
  for (size_t i = 0; i < w->npwqs; i++)
    if (w->pwqs[i].pool == w->pool
        && kernel_list (k, w->pwqs[i].at + k->fields.at[PWQ_INACTIVE].offset,
                        MAX_WORKS, on_inactive, w)
               < 0)
      w->damaged = true;
}

static void
say_pool (struct work *w)
{
  struct look *l = w->l;
  struct kernel *k = l->k;
  uint64_t v;
  int64_t cpu;

  if (!kernel_get (k, w->pool, POOL_ID, &w->id))
    return;
  w->id &= UINT32_MAX;
  w->waiting = 0;
  if (kernel_list (k, w->pool + k->fields.at[POOL_WORKERS].offset, MAX_WORKERS,
                   on_worker, w)
          < 0
      || kernel_list (k, w->pool + k->fields.at[POOL_WORKLIST].offset,
                      MAX_WORKS, on_waiting, w)
             < 0)
    w->damaged = true;
  count_inactive (w);
  rows_begin (l->rows, "workpool");
  rows_uint (l->rows, "pool", w->id);
  if (kernel_get_signed (k, w->pool, POOL_CPU, &cpu) && cpu >= 0)
    rows_int (l->rows, "cpu", cpu);
  if (kernel_get (k, w->pool, POOL_WORKERS_N, &v))
    rows_uint (l->rows, "workers", v & UINT32_MAX);
  if (kernel_get (k, w->pool, POOL_IDLE_N, &v))
    rows_uint (l->rows, "idle", v & UINT32_MAX);
  if (kernel_get (k, w->pool, POOL_RUNNING_N, &v))
    rows_uint (l->rows, "on_cpu", v & UINT32_MAX);
  rows_uint (l->rows, "waiting", w->waiting);
  if (w->inactive)
    rows_uint (l->rows, "held_back", w->inactive);
  /* Of a pool that has nothing to do it says nothing. */
  if (w->waiting && kernel_get (k, w->pool, POOL_PROGRESS, &v) && v)
    say_age (w, "no_progress_s", v);
  rows_end (l->rows);
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  uint64_t head = kernel_var (k, "workqueues");
  struct work w = { .l = l };

  if (!head || !kernel_has (k, WQ_PWQS) || !kernel_has (k, POOL_WORKLIST)
      || !kernel_has (k, POOL_WORKERS) || !kernel_has (k, WORK_ENTRY))
    {
      look_lacks (l, "workqueues", "all",
                  head ? "how they are made is not known"
                       : "no symbol workqueues");
      return 0;
    }
  if (!look_ticks (l, &w.ticks))
    w.ticks.hz = 0;
  if (kernel_list (k, head, MAX_QUEUES, on_queue, &w) < 0)
    w.damaged = true;
  w.failed = w.failed || !list_pools (&w);
  for (size_t i = 0; !w.failed && i < w.npools && !rows_failed (l->rows); i++)
    {
      w.pool = w.pools[i];
      say_pool (&w);
    }
  if (w.damaged)
    look_lacks (l, "workqueues", "some of them",
                "a list of them is damaged or changed while it was read");
  if (w.more)
    look_lacks (l, "workqueues", "some works", "%u more than are told",
                w.more);
  free (w.pools);
  free (w.pwqs);
  return w.failed ? error_set (err, ENOMEM, "no memory for workqueues") : 0;
}

const struct section section_work = {
  .name = "workqueues",
  .summary = "pools of workers, what they work on, and what waits",
  .cheap = true,
  .run = run,
};
