/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a task is that runs, without its CPU's registers: an interrupt that
 * came into the kernel left all of them on the task's stack.
 *
 * What was left there stays when the interrupt is over, until something else
 * is called as deep.  So who keeps a CPU and takes ticks is found where the
 * last of them came; who takes none, where it was before that.  It is believed
 * when a whole stack begins there: of another time parts of it are gone.
 */
#include "kernel/memory/unwind.h"

#include "base/cleanup.h"
#include "kernel/memory/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AREA (64u << 10)
#define MAX_TRIES 32u

/* As words; the registers of x86-64 have not moved since the first kernel. */
enum
{
  LEFT_R13 = 2,
  LEFT_BP = 4,
  LEFT_R10 = 7,
  LEFT_DX = 12,
  LEFT_DI = 14,
  LEFT_IP = 16,
  LEFT_CS,
  LEFT_FLAGS,
  LEFT_SP,
  LEFT_SS,
  LEFT_WORDS,
};
#define KERNEL_CS 0x10u
#define KERNEL_SS 0x18u
#define FLAG_ONE 0x2u /* is always set */
#define FLAG_IF 0x200u
#define FLAGS_ALL 0x3fffffu

/* The processor aligns the stack before it pushes the first of them. */
static bool
is_left (struct kernel *k, const uint64_t *w, uint64_t at,
         const struct stack_area *area)
{
  uint64_t end = at + 8 * LEFT_WORDS;

  return (w[LEFT_CS] & 0xffff) == KERNEL_CS
         && ((w[LEFT_SS] & 0xffff) == KERNEL_SS || w[LEFT_SS] == 0)
         && (w[LEFT_FLAGS] & (FLAG_ONE | FLAG_IF)) == (FLAG_ONE | FLAG_IF)
         && !(w[LEFT_FLAGS] & ~(uint64_t) FLAGS_ALL)
         && (w[LEFT_SP] & ~UINT64_C (15)) == end && w[LEFT_SP] <= area->hi
         && space_is_kernel (k->space, w[LEFT_IP]);
}

static bool
is_whole (const struct stack *s)
{
  for (unsigned i = 0; i < s->n; i++)
    if (s->frames[i].guess)
      return false;
  return s->n >= 2 && (s->end == END_USER || s->end == END_THREAD);
}

static void
take (const uint64_t *w, struct vcpu_regs *r)
{
  *r = (struct vcpu_regs){ .arch = ARCH_X86_64,
                           .pc = w[LEFT_IP],
                           .sp = w[LEFT_SP],
                           .fp = w[LEFT_BP],
                           .flags = w[LEFT_FLAGS] };
  r->gpr[2] = w[LEFT_DX];
  r->gpr[5] = w[LEFT_BP];
  r->gpr[7] = w[LEFT_DI];
  r->gpr[10] = w[LEFT_R10];
  r->gpr[13] = w[LEFT_R13];
}

/* From the top on: what is higher was written over last. */
int
unwind_left (struct kernel *k, uint64_t task, struct stack *ret)
{
  struct stack_area area;
  CLEANUP_FREE uint64_t *words = NULL;
  unsigned tries = 0;
  size_t n;

  if (k->arch != ARCH_X86_64 || !unwind_area (k, task, &area)
      || area.hi <= area.lo || area.hi - area.lo > MAX_AREA)
    return -ENOENT;
  n = (size_t) (area.hi - area.lo) / 8;
  words = malloc (8 * n);
  if (!words || n < LEFT_WORDS
      || space_read (k->space, area.lo, words, 8 * n) < 0)
    return -ENOENT;
  for (size_t i = n - LEFT_WORDS + 1; i-- > 0 && tries < MAX_TRIES;)
    {
      struct vcpu_regs r;

      if (!is_left (k, words + i, area.lo + 8 * i, &area))
        continue;
      tries++;
      take (words + i, &r);
      if (unwind_cpu (k, &r, ret) == 0 && is_whole (ret))
        return 0;
    }
  return -ENOENT;
}
