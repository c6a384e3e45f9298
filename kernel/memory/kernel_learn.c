/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables of a kernel that names no data (no KALLSYMS_ALL: Debian's arm64
 * kernels), found by what they look like.
 *
 * Where a CPU has its own: each task knows the run queue it belongs to, that
 * queue knows its CPU, and the kernel's types say how far into a CPU's own the
 * queue is.  The list of modules: a list in the image whose first node is in
 * the modules' region and belongs to something that has a name.
 */
#include "kernel/memory/kernel_impl.h"

#include "base/cleanup.h"
#include "kernel/memory/space_impl.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TASKS 100000u
/* Each CPU has threads of its own: no new one for so long means no more. */
#define PATIENCE 512u
#define PIECE (64u << 10)
#define MODULES_X86 0xffffffffa0000000ULL

struct kernel_learned
{
  bool cpus_tried, modules_tried;
  uint64_t *base; /* of each CPU; 0 = not known */
  unsigned ncpus;
  uint64_t modules;
};

void
kernel_learned_free_ (struct kernel_learned *l)
{
  if (!l)
    return;
  free (l->base);
  free (l);
}

static struct kernel_learned *
learned (struct kernel *k)
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
  struct kernel_learned *l = learned (k);

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

/* ---- modules ---- */

struct region
{
  uint64_t begin, end;
};

static struct region
modules_region (struct kernel *k)
{
  struct region r = { MODULES_X86, UINT64_MAX };
  int64_t begin, end;

  if (k->info && vmcoreinfo_number (k->info, "MODULES_VADDR", &begin)
      && vmcoreinfo_number (k->info, "MODULES_END", &end))
    r = (struct region){ (uint64_t) begin, (uint64_t) end };
  else if (k->arch == ARCH_ARM64)
    r = (struct region){ 1, 0 };
  return r;
}

/* Modules are in other lists, too, by other members of theirs: then what is
 * taken for the module begins elsewhere in it. */
static bool
is_module (struct kernel *k, uint64_t node)
{
  uint64_t at = node - k->fields.at[MODULE_LIST].offset, state, symbols;
  char name[16];

  if (!space_text (k->space, at + k->fields.at[MODULE_NAME].offset, name,
                   sizeof name)
      || name[0] == '\0')
    return false;
  for (const char *c = name; *c; c++)
    if ((*c < '0' || *c > '9') && (*c < 'a' || *c > 'z')
        && (*c < 'A' || *c > 'Z') && *c != '_' && *c != '-')
      return false;
  return (!kernel_has (k, MODULE_STATE)
          || (kernel_get (k, at, MODULE_STATE, &state) && state <= 3))
         && (!kernel_has (k, MODULE_KALLSYMS)
             || (kernel_get (k, at, MODULE_KALLSYMS, &symbols)
                 && (symbols == 0 || space_is_kernel (k->space, symbols))));
}

static bool
is_modules (struct kernel *k, uint64_t head, uint64_t first)
{
  uint64_t next, prev, back;

  return space_u64 (k->space, head + 8, &prev)
         && space_is_kernel (k->space, prev)
         && space_u64 (k->space, first + 8, &back) && back == head
         && space_u64 (k->space, prev, &next) && next == head
         && is_module (k, first) && is_module (k, prev);
}

static uint64_t
modules_in (struct kernel *k, const struct region *r, const unsigned char *p,
            size_t n, uint64_t va)
{
  for (size_t i = 0; i + 16 <= n; i += 8)
    {
      uint64_t first;

      memcpy (&first, p + i, sizeof first);
      if (first >= r->begin && first < r->end && first % 8 == 0
          && is_modules (k, va + i, first))
        return va + i;
    }
  return 0;
}

static uint64_t
find_modules (struct kernel *k)
{
  CLEANUP_FREE unsigned char *piece = malloc (PIECE);
  struct region r = modules_region (k);
  uint64_t end = k->image.va + k->image.len, va = k->image.va;

  while (piece && va < end && r.begin < r.end)
    {
      struct space_walk w;
      size_t n = 0;
      uint64_t hit;

      if (space_walk_ (k->space, va, &w) < 0)
        return 0;
      w.span -= va & (w.span - 1);
      if (w.mapped && w.writable)
        n = space_read_some (k->space, va, piece,
                             end - va < PIECE ? (size_t) (end - va) : PIECE);
      hit = modules_in (k, &r, piece, n, va);
      if (hit)
        return hit;
      /* A list is two words: none is missed that lies over the border. */
      va += n >= 16 ? n - 8 : w.span;
    }
  return 0;
}

uint64_t
kernel_learn_var_ (struct kernel *k, const char *name)
{
  struct kernel_learned *l;

  if (strcmp (name, "modules") != 0 || !kernel_has (k, MODULE_LIST)
      || !kernel_has (k, MODULE_NAME))
    return 0;
  l = learned (k);
  if (l && !l->modules_tried)
    {
      l->modules_tried = true;
      l->modules = find_modules (k);
    }
  return l ? l->modules : 0;
}
