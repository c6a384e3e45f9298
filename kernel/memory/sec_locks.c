/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "locks": who waits for which sleeping lock, and who has it; who
 * spins for one (spin.c).
 *
 * A task that waits has its waiter on its own kernel stack: a list node whose
 * neighbours point back at it, beside a pointer to the task itself.  From
 * there the list leads past the other waiters to the one node that is none:
 * the lock's own.  Which kind of lock it is the functions on the stack say.
 *
 * Kernels of 6.16 and later may write down in the task which lock it waits
 * for.  In 7.1 lists of waiters lost the lock's own node: the lock is what the
 * waiter's stack points at and what has one of the list as its first waiter.
 * Locks that lend priority, which on a real-time kernel are all of them, always
 * were in the task.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/spin.h"
#include "kernel/memory/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOCKS 4096u
#define MAX_WAITERS 100000u
#define MAX_NAMED 1000u /* in one row */
#define STACK_MAX (64u << 10)
/* Owners are pointers to tasks with flags in the lowest bits. */
#define OWNER_FLAGS UINT64_C (7)
#define READER_OWNED 1u

static const struct kind
{
  const char *name;
  const char *func; /* in the name of what the waiter is in */
  enum field task, list, waiters, first, owner;
  bool owned;
} kinds[] = {
  { "mutex", "mutex_lock", WAITER_TASK, WAITER_LIST, MUTEX_WAITERS,
    MUTEX_FIRST, MUTEX_OWNER, true },
  { "rwsem", "rwsem_down", RWSEM_WAITER_TASK, RWSEM_WAITER_LIST,
    RWSEM_WAITERS, RWSEM_FIRST, RWSEM_OWNER, true },
  { "semaphore", "__down", SEM_WAITER_TASK, SEM_WAITER_LIST, SEM_WAITERS,
    SEM_FIRST, LIST_NEXT, false },
};

/* Only tasks lead to these. */
static const struct kind rt_kinds[]
    = { { .name = "rtmutex", .owner = RT_OWNER, .owned = true },
        { .name = "rtmutex", .owner = RT_OWNER_OLD, .owned = true } };

/* Numbers of waits and locks count from 1; 0 = none. */
struct wait
{
  const struct look_task *task;
  uint32_t lock;
  uint32_t next; /* the next wait for the same lock */
  uint32_t round; /* in which it was walked over: say_cycles() */
};

struct lock
{
  const struct kind *kind;
  uint64_t at;
  const struct look_task *owner; /* NULL = nobody, or many readers */
  bool readers;
  uint32_t first, last; /* who waits */
};

struct locks
{
  struct look *l;
  struct lock *locks;
  unsigned nlocks;
  struct wait *waits;
  size_t nwaits, room;
  uint32_t *wait_of; /* by the number of the task */
};

static uint32_t
off (const struct locks *ls, enum field f)
{
  return ls->l->k->fields.at[f].offset;
}

/* ---- one waiter ---- */

static const struct kind *
kind_of (struct kernel *k, const struct stack *s)
{
  struct ksym sym;

  for (unsigned i = 0; i < s->n && i < 12; i++)
    {
      if (!kernel_sym (k, s->frames[i].pc - 1, &sym))
        continue;
      for (size_t n = 0; n < ARRAY_LEN (kinds); n++)
        if (strstr (sym.name, kinds[n].func) && kernel_has (k, kinds[n].task)
            && (kernel_has (k, kinds[n].waiters)
                || kernel_has (k, kinds[n].first)))
          return &kinds[n];
      /* A blocking read of a lock has a name of its own. */
      if (strncmp (sym.name, "down_read", 9) == 0
          || strncmp (sym.name, "down_write", 10) == 0)
        return kernel_has (k, RWSEM_WAITER_TASK) ? &kinds[1] : NULL;
    }
  return NULL;
}

static bool
neighbours (struct kernel *k, uint64_t node, uint64_t *next)
{
  uint64_t prev, back;

  return space_u64 (k->space, node, next)
         && space_u64 (k->space, node + 8, &prev)
         && space_u64 (k->space, *next + 8, &back) && back == node
         && space_u64 (k->space, prev, &back) && back == node;
}

/* The list node of the waiter on this task's stack; 0 = there is none. */
static uint64_t
find_waiter (struct locks *ls, const struct kind *kind,
             const struct look_task *t)
{
  struct kernel *k = ls->l->k;
  uint64_t sp, next, v;
  struct stack_area a;
  uint32_t task = off (ls, kind->task), list = off (ls, kind->list);

  if (!unwind_area (k, t->at, &a))
    return 0;
  if ((!kernel_get (k, t->at, TASK_THREAD_SP, &sp)
       && !kernel_get (k, t->at, TASK_THREAD_ARM_SP, &sp))
      || sp < a.lo || sp >= a.hi)
    sp = a.lo;
  for (uint64_t at = (sp + 7) & ~UINT64_C (7); at + 8 <= a.hi; at += 8)
    if (space_u64 (k->space, at, &v) && v == t->at
        && neighbours (k, at - task + list, &next))
      return at - task + list;
  return 0;
}

/* From one waiter past the others to the lock's own node. */
static uint64_t
find_head (struct locks *ls, const struct kind *kind, uint64_t node)
{
  struct kernel *k = ls->l->k;
  uint64_t at = node, next, task;
  uint32_t back = off (ls, kind->list), to = off (ls, kind->task);
  const struct look_task *t;
  struct stack_area a;

  for (unsigned i = 0; i < MAX_WAITERS; i++)
    {
      if (!neighbours (k, at, &next) || next == node)
        return 0;
      at = next;
      t = space_u64 (k->space, at - back + to, &task)
              ? look_task_at (ls->l->tasks, task)
              : NULL;
      if (!t || !unwind_area (k, t->at, &a) || at < a.lo || at >= a.hi)
        return at;
    }
  return 0;
}

/* A waiter of this kind, on the stack of the task that is in it. */
static bool
is_waiter (struct locks *ls, const struct kind *kind, uint64_t at)
{
  struct kernel *k = ls->l->k;
  const struct look_task *t;
  struct stack_area a;
  uint64_t task, next;

  return at % 8 == 0 && space_is_kernel (k->space, at)
         && space_u64 (k->space, at + off (ls, kind->task), &task)
         && (t = look_task_at (ls->l->tasks, task))
         && unwind_area (k, t->at, &a) && at >= a.lo && at < a.hi
         && neighbours (k, at + off (ls, kind->list), &next);
}

static bool
is_among (struct kernel *k, uint64_t node, uint64_t want)
{
  uint64_t at = node;

  for (unsigned i = 0; i < MAX_WAITERS && at != want; i++)
    if (!space_u64 (k->space, at, &at) || at == node)
      return false;
  return at == want;
}

/* Of a list that has nobody but waiters: the lock that begins it. */
static uint64_t
find_by_first (struct locks *ls, const struct kind *kind,
               const struct look_task *t, uint64_t node)
{
  struct kernel *k = ls->l->k;
  uint64_t sp, lock, first;
  struct stack_area a;

  if (!kernel_has (k, kind->first) || !unwind_area (k, t->at, &a)
      || !kernel_get (k, t->at, TASK_THREAD_SP, &sp))
    return 0;
  if (sp < a.lo || sp >= a.hi)
    sp = a.lo;
  for (uint64_t at = (sp + 7) & ~UINT64_C (7); at + 8 <= a.hi; at += 8)
    if (space_u64 (k->space, at, &lock) && lock % 8 == 0
        && space_is_kernel (k->space, lock)
        && space_u64 (k->space, lock + off (ls, kind->first), &first)
        && is_waiter (ls, kind, first)
        && is_among (k, node, first + off (ls, kind->list)))
      return lock;
  return 0;
}

/* The lock that this task waits for; 0 = it waits for none. */
static uint64_t
find_lock (struct locks *ls, const struct kind *kind, const struct look_task *t)
{
  uint64_t node = find_waiter (ls, kind, t), head;

  if (!node)
    return 0;
  if (!kernel_has (ls->l->k, kind->waiters))
    return find_by_first (ls, kind, t, node);
  head = find_head (ls, kind, node);
  return head ? head - off (ls, kind->waiters) : 0;
}

/* ---- the locks ---- */

static void
find_owner (struct locks *ls, struct lock *lock)
{
  struct kernel *k = ls->l->k;
  uint64_t v;

  if (!lock->kind->owned || !kernel_has (k, lock->kind->owner)
      || !space_u64 (k->space, lock->at + off (ls, lock->kind->owner), &v))
    return;
  lock->readers = lock->kind == &kinds[1] && (v & READER_OWNED);
  lock->owner = look_task_at (ls->l->tasks, v & ~OWNER_FLAGS);
}

/* Its number, or -1. */
static int
lock_at (struct locks *ls, const struct kind *kind, uint64_t at)
{
  struct lock *all;

  for (unsigned i = 0; i < ls->nlocks; i++)
    if (ls->locks[i].at == at)
      return (int) i;
  if (ls->nlocks >= MAX_LOCKS)
    return -1;
  all = reallocarray (ls->locks, ls->nlocks + 1, sizeof *all);
  if (!all)
    return -1;
  ls->locks = all;
  all[ls->nlocks] = (struct lock){ .kind = kind, .at = at };
  find_owner (ls, &all[ls->nlocks]);
  return (int) ls->nlocks++;
}

static int
note_wait (struct locks *ls, const struct look_task *t, unsigned n)
{
  struct lock *lock = &ls->locks[n];
  uint32_t number = (uint32_t) ls->nwaits + 1;

  if (ls->nwaits == ls->room)
    {
      size_t room = ls->room ? 2 * ls->room : 64;
      struct wait *w = reallocarray (ls->waits, room, sizeof *w);

      if (!w)
        return -ENOMEM;
      ls->waits = w;
      ls->room = room;
    }
  ls->waits[ls->nwaits++] = (struct wait){ .task = t, .lock = n + 1 };
  if (lock->last)
    ls->waits[lock->last - 1].next = number;
  else
    lock->first = number;
  lock->last = number;
  ls->wait_of[t - ls->l->tasks->tasks] = number;
  return 0;
}

/* What the task itself says.  Before there was a first waiter in mutexes the
 * second of them pointed to the waiter. */
static const struct kind *
told (struct locks *ls, const struct look_task *t, uint64_t *ret)
{
  static const uint8_t kind_of_bits[] = { 0, 2, 1, 1 };
  struct kernel *k = ls->l->k;
  uint64_t v;

  if (kernel_get (k, t->at, TASK_PI_BLOCKED, &v)
      && space_is_kernel (k->space, v) && kernel_get (k, v, RT_WAITER_LOCK, ret)
      && space_is_kernel (k->space, *ret))
    return &rt_kinds[kernel_has (k, RT_OWNER) ? 0 : 1];
  if (kernel_get (k, t->at, TASK_BLOCKER, &v) && space_is_kernel (k->space, v))
    {
      *ret = v & ~UINT64_C (3);
      return &kinds[kind_of_bits[v & 3]];
    }
  if (kernel_has (k, MUTEX_FIRST) && kernel_get (k, t->at, TASK_BLOCKED_ON, &v)
      && space_is_kernel (k->space, v))
    {
      *ret = v;
      return &kinds[0];
    }
  return NULL;
}

static int
look_at (struct locks *ls, const struct look_task *t)
{
  const struct kind *kind;
  uint64_t at;
  struct stack s;
  int lock;

  if ((kind = told (ls, t, &at)))
    {
      lock = lock_at (ls, kind, at);
      return lock < 0 ? 0 : note_wait (ls, t, (unsigned) lock);
    }
  if (unwind_task (ls->l->k, t->at, &s) < 0
      || !(kind = kind_of (ls->l->k, &s)) || !(at = find_lock (ls, kind, t))
      || (lock = lock_at (ls, kind, at)) < 0)
    return 0;
  return note_wait (ls, t, (unsigned) lock);
}

/* ---- telling ---- */

static void
say_who (struct look *l, const char *name, const struct look_task *t)
{
  rows_object (l->rows, name);
  rows_int (l->rows, "pid", t->pid);
  rows_text (l->rows, "comm", t->comm, strlen (t->comm));
  rows_object_end (l->rows);
}

static void
say_lock (struct locks *ls, unsigned n)
{
  struct look *l = ls->l;
  const struct lock *lock = &ls->locks[n];
  unsigned n_waits = 0;
  char name[600];
  struct ksym sym;

  rows_begin (l->rows, "lock");
  rows_str (l->rows, "kind", lock->kind->name);
  rows_hex (l->rows, "at", lock->at);
  if (kernel_sym (l->k, lock->at, &sym))
    {
      kernel_name_of (l->k, lock->at, name, sizeof name);
      rows_str (l->rows, "name", name);
    }
  if (lock->readers)
    rows_bool (l->rows, "readers", true);
  /* Of many readers the kernel remembers one, who may be gone. */
  if (lock->owner)
    say_who (l, lock->readers ? "last_reader" : "owner", lock->owner);
  rows_array (l->rows, "waiters");
  for (uint32_t i = lock->first; i; i = ls->waits[i - 1].next)
    if (n_waits++ < MAX_NAMED)
      say_who (l, NULL, ls->waits[i - 1].task);
  rows_array_end (l->rows);
  if (n_waits > MAX_NAMED)
    rows_uint (l->rows, "more_waiters", n_waits - MAX_NAMED);
  rows_end (l->rows);
}

/* The wait of who has what this one waits for; NULL = that one goes on. */
static struct wait *
waits_for (struct locks *ls, const struct wait *w)
{
  const struct lock *lock = &ls->locks[w->lock - 1];
  uint32_t n;

  if (!lock->owner || lock->readers)
    return NULL;
  n = ls->wait_of[lock->owner - ls->l->tasks->tasks];
  return n ? &ls->waits[n - 1] : NULL;
}

static void
say_cycle (struct locks *ls, struct wait *from)
{
  struct look *l = ls->l;
  struct wait *w = from;
  unsigned n = 0;

  rows_begin (l->rows, "deadlock");
  rows_array (l->rows, "tasks");
  do
    {
      if (n++ < MAX_NAMED)
        say_who (l, NULL, w->task);
      w = waits_for (ls, w);
    }
  while (w && w != from);
  rows_array_end (l->rows);
  if (n > MAX_NAMED)
    rows_uint (l->rows, "more_tasks", n - MAX_NAMED);
  rows_end (l->rows);
}

/* Each waits for one lock at most: going on from one either ends, or comes to
 * where an earlier round was, or to where this one was, which is a cycle. */
static void
say_cycles (struct locks *ls)
{
  uint32_t round = 0;
  struct wait *w;

  for (size_t i = 0; i < ls->nwaits; i++)
    {
      round++;
      for (w = &ls->waits[i]; w && w->round == 0; w = waits_for (ls, w))
        w->round = round;
      if (w && w->round == round)
        say_cycle (ls, w);
    }
}

static int
run (struct look *l, struct error *err)
{
  struct locks ls = { .l = l };
  char state[8];
  int r = 0;

  if (!l->tasks)
    return 0;
  if (!l->k->syms)
    {
      look_lacks (l, "locks", "all", "without names of functions nobody can "
                                     "tell who waits for a lock");
      return 0;
    }
  ls.wait_of = calloc (l->tasks->n + 1, sizeof *ls.wait_of);
  if (!ls.wait_of)
    r = -ENOMEM;
  for (size_t i = 0; r == 0 && i < l->tasks->n; i++)
    {
      const struct look_task *t = &l->tasks->tasks[i];

      /* Some wait for a lock in such a way that a signal may end it. */
      task_state_text (t, state);
      if (!t->on_cpu && (state[0] == 'D' || state[0] == 'S'))
        r = look_at (&ls, t);
    }
  for (unsigned i = 0; i < ls.nlocks; i++)
    say_lock (&ls, i);
  say_cycles (&ls);
  free (ls.wait_of);
  free (ls.locks);
  free (ls.waits);
  return r < 0 ? error_set (err, ENOMEM, "no memory for locks")
               : spin_say (l, err);
}

const struct section section_locks = {
  .name = "locks",
  .summary = "who waits for which lock, and who has it",
  .cheap = true,
  .run = run,
};
