/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel stacks: by ORC (all four formats) on x86-64, by frame pointers on
 * arm64 and on kernels built so, and by looking for return addresses where
 * there is nothing better; those frames are guesses and say so.
 */
#ifndef HANGDOG_KERNEL_MEMORY_UNWIND_H
#define HANGDOG_KERNEL_MEMORY_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct kernel;
struct orc;
struct vcpu_regs;

#define UNWIND_MAX 64

struct frame
{
  uint64_t pc;
  bool exact;     /* an instruction, not the one behind a call */
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
/* A task that has a CPU of which the registers are not known: where the last
 * interrupt found it in the kernel (x86-64).  -ENOENT: nothing whole was left
 * (unwind_left.c). */
int unwind_left (struct kernel *k, uint64_t task, struct stack *ret);
bool unwind_area (struct kernel *k, uint64_t task, struct stack_area *ret);

/* ---- ORC tables (orc.c) ---- */

int orc_load (struct kernel *k, struct orc **ret, struct error *err);
void orc_free (struct orc *o);

enum orc_base
{
  ORC_NOTHING,
  ORC_PREV_SP,
  ORC_DX,
  ORC_DI,
  ORC_BP,
  ORC_SP,
  ORC_R10,
  ORC_R13,
  ORC_BP_INDIRECT,
  ORC_SP_INDIRECT,
};

enum orc_type
{
  ORC_UNKNOWN, /* no rule for this place */
  ORC_END,     /* nobody called it */
  ORC_CALL,
  ORC_REGS,    /* all registers are on the stack */
  ORC_IRET,    /* only what the processor pushed */
};

struct orc_row
{
  enum orc_type type;
  enum orc_base sp, bp;
  int16_t sp_offset, bp_offset;
  bool signal; /* its caller was interrupted, it did not call */
};
/* False: this address is in no table. */
bool orc_find (struct kernel *k, uint64_t pc, struct orc_row *ret);

/* Where its addresses are, and how many; the rules are right behind
 * (orc_scan.c). */
bool orc_scan_ (struct kernel *k, uint64_t *ret_ips, size_t *ret_n);

/* ---- the ways (unwind_*.c) ---- */

struct walk
{
  struct kernel *k;
  struct stack *out;
  uint64_t pc, sp, fp;
  bool exact;     /* pc is an instruction */
  bool interrupt; /* ... that was interrupted */
  unsigned switches; /* of stacks */
  bool full;      /* the following are known, too */
  uint64_t dx, di, r10, r13;
};
/* False when the stack is full. */
bool walk_add_ (struct walk *w);
void unwind_orc_ (struct walk *w);
void unwind_fp_ (struct walk *w, bool user_task);
void unwind_guess_ (struct walk *w, uint64_t top);

#endif
