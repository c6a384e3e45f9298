/* SPDX-License-Identifier: Apache-2.0
 *
 * All tasks, read once.
 *
 * A task_struct is copied as one piece where its members are near each other,
 * and read member by member where they are not: thousands of tasks have a
 * dozen members each.
 */
#include "kernel/memory/tasks.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 8192u
#define THREADS_MAX 100000u
#define PF_KTHREAD 0x00200000u

/* The members of a task that are copied. */
static const enum field wanted[] = {
  TASK_STATE,  TASK_EXIT_STATE, TASK_FLAGS, TASK_STACK,
  TASK_ON_CPU, TASK_CPU,        TASK_MM,    TASK_PID,
  TASK_TGID,   TASK_PARENT,     TASK_COMM,  TASK_NVCSW,
  TASK_NIVCSW, TASK_LAST_ARRIVAL, TASK_SIGNAL,    TASK_RUNTIME,
};

struct reader
{
  struct kernel *k;
  struct look_tasks *tasks;
  size_t room;
  uint32_t from, len; /* of the piece; len 0: member by member */
  unsigned char piece[PIECE];
  uint64_t leader;
  bool full, failed;
};

static void
choose_piece (struct reader *r)
{
  uint32_t lo = UINT32_MAX, hi = 0;

  for (size_t i = 0; i < ARRAY_LEN (wanted); i++)
    {
      const struct field_at *f = &r->k->fields.at[wanted[i]];

      if (f->size == 0)
        continue;
      lo = f->offset < lo ? f->offset : lo;
      hi = f->offset + f->size > hi ? f->offset + f->size : hi;
    }
  if (hi > lo && hi - lo <= PIECE)
    {
      r->from = lo;
      r->len = hi - lo;
    }
}

static uint64_t
member (struct reader *r, uint64_t task, enum field f)
{
  const struct field_at *at = &r->k->fields.at[f];
  uint64_t v = 0;

  if (at->size == 0)
    return 0;
  if (r->len == 0 || at->bits || at->size > 8)
    return kernel_get (r->k, task, f, &v) ? v : 0;
  memcpy (&v, r->piece + (at->offset - r->from), at->size);
  return v;
}

static void
read_comm (struct reader *r, uint64_t task, char dst[16])
{
  const struct field_at *at = &r->k->fields.at[TASK_COMM];
  size_t n = at->size < 16 ? at->size : 15;

  memset (dst, 0, 16);
  if (at->size == 0)
    return;
  if (r->len > 0)
    memcpy (dst, r->piece + (at->offset - r->from), n);
  else
    (void) space_read (r->k->space, task + at->offset, dst, n);
  dst[15] = '\0';
}

static struct look_task *
add (struct reader *r, uint64_t task)
{
  struct look_tasks *all = r->tasks;

  if (all->n >= TASKS_MAX)
    {
      r->full = true;
      return NULL;
    }
  if (all->n == r->room)
    {
      size_t room = r->room ? 2 * r->room : 256;
      struct look_task *t = reallocarray (all->tasks, room, sizeof *t);

      if (!t)
        {
          r->failed = true;
          return NULL;
        }
      all->tasks = t;
      r->room = room;
    }
  all->tasks[all->n] = (struct look_task){ .at = task };
  return &all->tasks[all->n++];
}

static bool
take (struct reader *r, uint64_t task)
{
  struct look_task *t;

  if (r->len > 0
      && space_read (r->k->space, task + r->from, r->piece, r->len) < 0)
    {
      r->tasks->damaged = true;
      return true; /* the next one may be there */
    }
  if ((t = add (r, task)) == NULL)
    return false;
  t->pid = (int32_t) member (r, task, TASK_PID);
  t->tgid = (int32_t) member (r, task, TASK_TGID);
  t->state = (uint32_t) member (r, task, TASK_STATE);
  t->exit_state = (uint32_t) member (r, task, TASK_EXIT_STATE);
  t->flags = (uint32_t) member (r, task, TASK_FLAGS);
  t->on_cpu = member (r, task, TASK_ON_CPU) != 0;
  t->cpu = kernel_has (r->k, TASK_CPU) ? (int32_t) member (r, task, TASK_CPU)
                                       : -1;
  t->kernel_thread = (t->flags & PF_KTHREAD) != 0;
  t->mm = member (r, task, TASK_MM);
  t->stack = member (r, task, TASK_STACK);
  t->switches = member (r, task, TASK_NVCSW) + member (r, task, TASK_NIVCSW);
  t->ran_ns = member (r, task, TASK_RUNTIME);
  t->last_arrival_ns = member (r, task, TASK_LAST_ARRIVAL);
  /* An address by now; a pid when all of them are there. */
  t->parent_at = member (r, task, TASK_PARENT);
  read_comm (r, task, t->comm);
  return true;
}

static bool
on_thread (uint64_t node, void *arg)
{
  struct reader *r = arg;
  uint64_t task = node - r->k->fields.at[TASK_THREAD_NODE].offset;

  return task == r->leader || take (r, task);
}

/* The leader, then its threads. */
static bool
on_leader (uint64_t node, void *arg)
{
  struct reader *r = arg;
  struct kernel *k = r->k;
  uint64_t signal;

  r->leader = node - k->fields.at[TASK_TASKS].offset;
  if (!take (r, r->leader))
    return false;
  if (kernel_has (k, SIGNAL_THREAD_HEAD) && kernel_has (k, TASK_THREAD_NODE)
      && (signal = member (r, r->leader, TASK_SIGNAL)) != 0
      && kernel_list (k, signal + k->fields.at[SIGNAL_THREAD_HEAD].offset,
                      THREADS_MAX, on_thread, r)
             < 0)
    r->tasks->damaged = true;
  return !r->full && !r->failed;
}

/* Idle tasks are in no list: each CPU's run queue knows its own. */
static void
take_idle (struct reader *r, uint64_t init_task)
{
  unsigned n = kernel_cpus (r->k);
  uint64_t idle, rq;

  (void) take (r, init_task);
  for (unsigned cpu = 1; cpu < n && !r->failed; cpu++)
    if ((rq = kernel_percpu (r->k, "runqueues", cpu))
        && kernel_get (r->k, rq, RQ_IDLE, &idle) && idle != init_task)
      (void) take (r, idle);
}

static void
name_parents (struct look_tasks *t)
{
  const struct look_task *p;

  for (size_t i = 0; i < t->n; i++)
    {
      p = look_task_at (t, t->tasks[i].parent_at);
      t->tasks[i].parent = p ? p->pid : 0;
    }
}

/* ---- finding one again ---- */

static size_t
slot_of (const struct look_tasks *t, uint64_t at)
{
  return (size_t) ((at >> 6) * UINT64_C (0x9e3779b97f4a7c15) >> 20)
         & (t->nslots - 1);
}

static int
make_slots (struct look_tasks *t)
{
  size_t i;

  for (t->nslots = 64; t->nslots < 2 * t->n; t->nslots *= 2)
    ;
  t->slots = calloc (t->nslots, sizeof *t->slots);
  if (!t->slots)
    return -ENOMEM;
  for (size_t n = 0; n < t->n; n++)
    {
      for (i = slot_of (t, t->tasks[n].at); t->slots[i];
           i = (i + 1) & (t->nslots - 1))
        ;
      t->slots[i] = (uint32_t) n + 1;
    }
  return 0;
}

const struct look_task *
look_task_at (const struct look_tasks *t, uint64_t at)
{
  if (!t || t->nslots == 0)
    return NULL;
  for (size_t i = slot_of (t, at); t->slots[i]; i = (i + 1) & (t->nslots - 1))
    if (t->tasks[t->slots[i] - 1].at == at)
      return &t->tasks[t->slots[i] - 1];
  return NULL;
}

const struct look_task *
look_task_pid (const struct look_tasks *t, int32_t pid)
{
  for (size_t i = 0; t && i < t->n; i++)
    if (t->tasks[i].pid == pid)
      return &t->tasks[i];
  return NULL;
}

/* ---- all of them ---- */

int
look_tasks_read (struct kernel *k, struct look_tasks **ret, struct error *err)
{
  CLEANUP_FREE struct reader *r = calloc (1, sizeof *r);
  uint64_t init = kernel_var (k, "init_task");
  struct look_tasks *t;
  int rc;

  if (!init || !kernel_has (k, TASK_TASKS) || !kernel_has (k, TASK_PID))
    return error_set (err, ENOENT,
                      "where tasks are is not known: the kernel tells %s",
                      init ? "nothing of its types" : "no symbol init_task");
  if (!r || (t = calloc (1, sizeof *t)) == NULL)
    return error_set (err, ENOMEM, "no memory for tasks");
  r->k = k;
  r->tasks = t;
  choose_piece (r);
  take_idle (r, init);
  rc = kernel_list (k, init + k->fields.at[TASK_TASKS].offset, TASKS_MAX,
                    on_leader, r);
  if (rc < 0 || r->full)
    t->damaged = true;
  if (r->failed || make_slots (t) < 0)
    {
      look_tasks_free (t);
      return error_set (err, ENOMEM, "no memory for tasks");
    }
  name_parents (t);
  *ret = t;
  return 0;
}

void
look_tasks_free (struct look_tasks *t)
{
  if (!t)
    return;
  free (t->slots);
  free (t->tasks);
  free (t);
}

/* ---- states ---- */

/* The kernel's own letters; I is one that sleeps like D and is at rest. */
const char *
task_state_text (const struct look_task *t, char dst[8])
{
  static const struct
  {
    uint32_t bit;
    char letter;
  } letters[] = {
    { 0x0001, 'S' }, { 0x0002, 'D' }, { 0x0004, 'T' }, { 0x0008, 't' },
    { 0x0010, 'X' }, { 0x0020, 'Z' }, { 0x0040, 'P' },
  };
  uint32_t state = t->state | t->exit_state;
  unsigned n = 0;

  if ((state & 0x402) == 0x402)
    dst[n++] = 'I';
  else
    for (size_t i = 0; i < ARRAY_LEN (letters) && n < 6; i++)
      if (state & letters[i].bit)
        dst[n++] = letters[i].letter;
  if (n == 0)
    dst[n++] = 'R';
  dst[n] = '\0';
  return dst;
}
