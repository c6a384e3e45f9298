/* SPDX-License-Identifier: Apache-2.0
 *
 * Where run queues and locks have what is asked of them, in kernels that carry
 * no types.
 */
#include "kernel/memory/infer_impl.h"

#include <stdio.h>

/* ---- run queues ---- */

static bool
is_task (const struct infer *in, uint64_t at)
{
  char comm[INFER_COMM];

  return space_is_kernel (in->k->space, at)
         && space_read (in->k->space, at + in->comm, comm, sizeof comm) == 0
         && infer_is_comm_ (comm);
}

/* CPU's idle task, not another one with that name. */
static bool
is_idle (const struct infer *in, uint64_t at, unsigned cpu)
{
  char comm[INFER_COMM], want[24];

  if (cpu == 0)
    return at == in->init;
  snprintf (want, sizeof want, "swapper/%u", cpu);
  return space_is_kernel (in->k->space, at)
         && space_read (in->k->space, at + in->comm, comm, sizeof comm) == 0
         && strncmp (comm, want, sizeof comm) == 0;
}

/* What runs and what idles are told one after the other, for each CPU. */
static bool
queue_at (const struct infer *in, uint32_t off)
{
  unsigned cpus = 0;
  uint64_t rq, curr, idle;

  for (; cpus < REGS_MAX_CPUS; cpus++)
    {
      rq = kernel_percpu (in->k, "runqueues", cpus);
      if (rq == 0 || !space_u64 (in->k->space, rq + off, &curr)
          || !space_u64 (in->k->space, rq + off + 8, &idle))
        break;
      /* CPUs that are possible and were never there have zeros. */
      if (cpus > 0 && curr == 0 && idle == 0)
        continue;
      if (!is_idle (in, idle, cpus) || !is_task (in, curr))
        return false;
    }
  return cpus > 0;
}

void
infer_queue_ (struct infer *in)
{
  if (kernel_percpu (in->k, "runqueues", 0) == 0)
    return;
  for (uint32_t off = 0; off < INFER_PIECE; off += 8)
    if (queue_at (in, off))
      {
        infer_learn_ (in, RQ_CURR, off, 8);
        infer_learn_ (in, RQ_IDLE, off + 8, 8);
        return;
      }
}

/* ---- locks ---- */

static bool
has_func (const struct infer *in, const char *name)
{
  return in->k->syms && ksyms_addr (in->k->syms, name) != 0;
}

/* What has not moved since mutexes have owners (4.10) and rwsems have theirs
 * there (5.3); before that each has its list sooner.  Functions that came with
 * the change, or went by it, tell which.  Whoever looks for a waiter finds out
 * whether it holds: its neighbours must point back at it, beside the task whose
 * stack it is on, and an owner must be a task. */
void
infer_locks_ (struct infer *in)
{
  bool old_rwsem = has_func (in, "rwsem_down_read_failed")
                   || has_func (in, "rwsem_down_write_failed");
  bool old_mutex = old_rwsem && !has_func (in, "mutex_lock_io");

  infer_learn_ (in, WAITER_LIST, 0, 16);
  infer_learn_ (in, WAITER_TASK, 16, 8);
  infer_learn_ (in, MUTEX_OWNER, old_mutex ? 24 : 0, 8);
  infer_learn_ (in, MUTEX_WAITERS, old_mutex ? 8 : 16, 16);
  infer_learn_ (in, RWSEM_WAITER_LIST, 0, 16);
  infer_learn_ (in, RWSEM_WAITER_TASK, 16, 8);
  infer_learn_ (in, RWSEM_OWNER, old_rwsem ? 32 : 8, 8);
  infer_learn_ (in, RWSEM_WAITERS, old_rwsem ? 8 : 24, 16);
  infer_learn_ (in, SEM_WAITER_LIST, 0, 16);
  infer_learn_ (in, SEM_WAITER_TASK, 16, 8);
  infer_learn_ (in, SEM_WAITERS, 8, 16);
}
