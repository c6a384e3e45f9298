/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel stacks: by ORC (all four formats) on x86-64, by frame pointers on
 * arm64 and on kernels built so, and by looking for return addresses where
 * there is nothing better; those frames are guesses and say so.
 */
#ifndef HANGDOG_KERNEL_MEMORY_UNWIND_H
#define HANGDOG_KERNEL_MEMORY_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct kernel;
struct orc;
struct vcpu_regs;

#define UNWIND_MAX 64

struct frame
{
  uint64_t pc;
  bool guess;     /* found on the stack, not unwound */
  bool interrupt; /* what the interrupt or exception came into */
};

enum unwind_end
{
  END_USER,    /* came from user space */
  END_THREAD,  /* a kernel thread's first function, or an idle one's */
  END_CUT,     /* UNWIND_MAX */
  END_LOST,    /* what comes next could not be found out */
};

struct stack
{
  struct frame frames[UNWIND_MAX];
  unsigned n;
  enum unwind_end end;
  uint64_t user_pc, user_sp; /* END_USER; 0 = not known */
  uint64_t nr, args[6];      /* the system call it is in; nr UINT64_MAX = not
                                known or none */
};

/* Where a task's stack begins and ends; 0 = not known. */
struct stack_area
{
  uint64_t lo, hi;
};

/* A task that does not run: from what it left on its stack. */
int unwind_task (struct kernel *k, uint64_t task, struct stack *ret);
/* A vCPU, from its registers, through interrupt and exception stacks. */
int unwind_cpu (struct kernel *k, const struct vcpu_regs *r,
                struct stack *ret);
bool unwind_area (struct kernel *k, uint64_t task, struct stack_area *ret);

/* ---- ORC tables (orc.c) ---- */

int orc_load (struct kernel *k, struct orc **ret, struct error *err);
void orc_free (struct orc *o);

#endif
