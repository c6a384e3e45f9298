/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables of a kernel that names no data (no KALLSYMS_ALL: Debian's arm64
 * kernels), found by what they look like.
 *
 * Where a CPU has its own: each task knows the run queue it belongs to, that
 * queue knows its CPU, and the kernel's types say how far into a CPU's own the
 * queue is.  Lists and other variables are in kernel_learn_vars.c.
 */
#include "kernel/memory/kernel_impl.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TASKS 100000u
/* Each CPU has threads of its own: no new one for so long means no more. */
#define PATIENCE 512u

void
kernel_learned_free_ (struct kernel_learned *l)
{
  if (!l)
    return;
  free (l->base);
  free (l);
}

struct kernel_learned *
kernel_learned_ (struct kernel *k)
{
  if (!k->learned)
    k->learned = calloc (1, sizeof *k->learned);
  return k->learned;
}

/* ---- CPUs ---- */

struct cpu_hunt
{
  struct kernel *k;
  struct kernel_learned *l;
  uint32_t queue;         /* from a task to its cfs_rq's address */
  uint32_t rq, cpu, idle; /* from there to the run queue, in that */
  uint32_t runqueues;     /* where that is in a CPU's own */
  unsigned since;
};

static bool
offsets (struct cpu_hunt *h)
{
  static const struct
  {
    const char *type, *path;
    size_t at;
    uint32_t size;
  } wanted[] = {
    { "task_struct", "se.cfs_rq", offsetof (struct cpu_hunt, queue), 8 },
    { "cfs_rq", "rq", offsetof (struct cpu_hunt, rq), 8 },
    { "rq", "cpu", offsetof (struct cpu_hunt, cpu), 4 },
    { "rq", "idle", offsetof (struct cpu_hunt, idle), 8 },
  };
  struct btf_member m;

  for (size_t i = 0; i < ARRAY_LEN (wanted); i++)
    {
      if (!btf_member (h->k->btf, wanted[i].type, wanted[i].path, &m)
          || m.size != wanted[i].size)
        return false;
      memcpy ((char *) h + wanted[i].at, &m.offset, sizeof m.offset);
    }
  return btf_percpu (h->k->btf, "runqueues", &h->runqueues);
}

static bool
room_for (struct kernel_learned *l, uint32_t cpu)
{
  uint64_t *more;

  if (cpu < l->ncpus)
    return true;
  more = realloc (l->base, (cpu + 1) * sizeof *more);
  if (!more)
    return false;
  memset (more + l->ncpus, 0, (cpu + 1 - l->ncpus) * sizeof *more);
  l->base = more;
  l->ncpus = cpu + 1;
  return true;
}

/* The queue must know an idle task, and that one must be of the same queue. */
static bool
queue_fits (struct cpu_hunt *h, uint64_t rq)
{
  struct space *s = h->k->space;
  uint64_t idle, cfs, back;

  return space_u64 (s, rq + h->idle, &idle) && space_is_kernel (s, idle)
         && space_u64 (s, idle + h->queue, &cfs)
         && space_u64 (s, cfs + h->rq, &back) && back == rq;
}

static bool
learn_of_task (uint64_t node, void *arg)
{
  struct cpu_hunt *h = arg;
  struct space *s = h->k->space;
  uint64_t task = node - h->k->fields.at[TASK_TASKS].offset, cfs, rq;
  uint32_t cpu;

  if (++h->since > PATIENCE)
    return false;
  if (!space_u64 (s, task + h->queue, &cfs) || !space_u64 (s, cfs + h->rq, &rq)
      || !space_is_kernel (s, rq) || !space_u32 (s, rq + h->cpu, &cpu)
      || cpu >= KERNEL_MAX_CPUS || (cpu < h->l->ncpus && h->l->base[cpu] != 0)
      || !queue_fits (h, rq))
    return true;
  if (!room_for (h->l, cpu))
    return false;
  h->l->base[cpu] = rq - h->runqueues - kernel_var (h->k, "__per_cpu_start");
  h->since = 0;
  return true;
}

static void
learn_cpus (struct kernel *k, struct kernel_learned *l)
{
  struct cpu_hunt h = { .k = k, .l = l };
  uint64_t init;

  /* Asked before there are types, it is asked again. */
  if (l->cpus_tried || !k->btf)
    return;
  init = kernel_var (k, "init_task");
  if (init == 0 || !kernel_has (k, TASK_TASKS))
    return;
  l->cpus_tried = true;
  if (!offsets (&h))
    return;
  init += k->fields.at[TASK_TASKS].offset;
  (void) learn_of_task (init, &h);
  (void) kernel_list (k, init, MAX_TASKS, learn_of_task, &h);
}

unsigned
kernel_learn_cpus_ (struct kernel *k)
{
  struct kernel_learned *l = kernel_learned_ (k);

  if (!l)
    return 0;
  learn_cpus (k, l);
  return l->ncpus;
}

bool
kernel_learn_base_ (struct kernel *k, unsigned cpu, uint64_t *ret)
{
  if (cpu >= kernel_learn_cpus_ (k) || k->learned->base[cpu] == 0)
    return false;
  *ret = k->learned->base[cpu];
  return true;
}
