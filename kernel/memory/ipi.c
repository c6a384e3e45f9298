/* SPDX-License-Identifier: Apache-2.0
 *
 * Which CPU another one waits for: calls that one CPU asked others to make
 * and that were not answered.
 *
 * Who asks many has a call for each of them, marked until it was made.  Who
 * asks one has its call on its own stack, or in its own area, and in that
 * CPU's queue until that CPU takes it from there.
 */
#include "kernel/memory/ipi.h"

#include "kernel/memory/kernel.h"
#include "kernel/memory/unwind.h"

#include "base/cleanup.h"

#include <string.h>

#define LOCKED 1u
#define MAX_QUEUE 256u
#define LOOK_AT 24u /* frames */

/* In these a CPU waits for others. */
static const struct
{
  const char *func;
  bool many;
} waits[] = {
  { "smp_call_function_many_cond", true },
  { "smp_call_function_single", false },
  { "csd_lock_wait", false },
  { "__csd_lock_wait", false },
  { "generic_exec_single", false },
};

static bool
waits_at (struct kernel *k, const struct stack *s, bool *ret_many)
{
  struct ksym sym;
  bool found = false;

  *ret_many = false;
  for (unsigned i = 0; i < s->n && i < LOOK_AT; i++)
    {
      uint64_t pc = s->frames[i].exact ? s->frames[i].pc
                                       : s->frames[i].pc - 1;

      if (!ksyms_find (k->syms, pc, &sym))
        continue;
      for (size_t n = 0; n < ARRAY_LEN (waits); n++)
        if (strncmp (sym.name, waits[n].func, strlen (waits[n].func)) == 0)
          {
            found = true;
            *ret_many |= waits[n].many;
          }
    }
  return found;
}

/* Its call for `other`, in its own per-cpu data. */
static bool
is_asked (struct kernel *k, unsigned cpu, unsigned other)
{
  uint64_t cfd = kernel_percpu (k, "cfd_data", cpu), csd, base, flags;

  return cfd && kernel_get (k, cfd, CFD_CSD, &csd) && csd
         && kernel_cpu_base (k, other, &base)
         && kernel_get (k, base + csd, CSD_FLAGS, &flags)
         && (flags & LOCKED);
}

/* A call in `other`'s queue that is this CPU's. */
static bool
has_queued (struct kernel *k, unsigned cpu, unsigned other,
            const struct stack_area *stack)
{
  uint64_t head = kernel_percpu (k, "call_single_queue", other), at, src;
  uint64_t own = kernel_percpu (k, "csd_data", cpu);

  if (!head || !space_u64 (k->space, head, &at))
    return false;
  for (unsigned i = 0; at && i < MAX_QUEUE; i++)
    {
      if ((at >= stack->lo && at < stack->hi) || (own && at == own))
        return true;
      /* The kernel writes down who asked, if it was told to. */
      if (kernel_get (k, at, CSD_SRC, &src) && src == cpu && src != 0)
        return true;
      if (!space_u64 (k->space, at, &at))
        return false;
    }
  return false;
}

unsigned
ipi_waits (struct kernel *k, unsigned cpu, uint64_t task,
           const struct stack *s, uint32_t *dst, unsigned max)
{
  struct stack_area area = { 0, 0 };
  unsigned n = 0, ncpus = kernel_cpus (k);
  bool many;

  if (!k->syms || !waits_at (k, s, &many))
    return 0;
  if (task)
    (void) unwind_area (k, task, &area);
  for (unsigned other = 0; other < ncpus && n < max; other++)
    if (other != cpu
        && ((many && is_asked (k, cpu, other))
            || has_queued (k, cpu, other, &area)))
      dst[n++] = other;
  return n;
}

unsigned
ipi_unanswered (struct kernel *k, unsigned cpu)
{
  uint64_t head = kernel_percpu (k, "call_single_queue", cpu), at;
  unsigned n = 0;

  if (!head || !space_u64 (k->space, head, &at))
    return 0;
  while (at && n < MAX_QUEUE)
    {
      n++;
      if (!space_u64 (k->space, at, &at))
        break;
    }
  return n;
}
