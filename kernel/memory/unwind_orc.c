/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking a stack by ORC.
 *
 * Each step finds the caller's stack pointer, then what is there: a return
 * address, all registers, or what the processor pushed.  The stack pointer
 * only grows; where it does not, the walk went over to another stack
 * (interrupt, exception), and that may happen a few times only.
 */
#include "kernel/memory/unwind.h"

#include "kernel/memory/kernel.h"

#define MAX_SWITCHES 8
/* Further up than this is another stack. */
#define NEAR (64u << 10)

enum
{
  PT_R13 = 16,
  PT_BP = 32,
  PT_R10 = 56,
  PT_DX = 96,
  PT_DI = 112,
  PT_IP = 128,
  PT_CS = 136,
  PT_SP = 152,
  /* What the processor pushed, from its own beginning. */
  IRET_IP = 0,
  IRET_CS = 8,
  IRET_SP = 24,
};

static bool
load (struct walk *w, uint64_t at, uint64_t *ret)
{
  return at % 8 == 0 && space_is_kernel (w->k->space, at)
         && space_u64 (w->k->space, at, ret);
}

/* The caller's stack pointer. */
static bool
find_cfa (struct walk *w, const struct orc_row *o, uint64_t *ret)
{
  uint64_t off = (uint64_t) (int64_t) o->sp_offset, at;

  switch (o->sp)
    {
    case ORC_SP:
      *ret = w->sp + off;
      return true;
    case ORC_BP:
      *ret = w->fp + off;
      return true;
    case ORC_SP_INDIRECT:
      if (!load (w, w->sp, &at))
        return false;
      *ret = at + off;
      return true;
    case ORC_BP_INDIRECT:
      return load (w, w->fp + off, ret);
    case ORC_R10:
    case ORC_R13:
    case ORC_DI:
    case ORC_DX:
      *ret = (o->sp == ORC_R10   ? w->r10
              : o->sp == ORC_R13 ? w->r13
              : o->sp == ORC_DI  ? w->di
                                 : w->dx)
             + off;
      return w->full;
    case ORC_NOTHING:
    case ORC_PREV_SP:
      break;
    }
  return false;
}

static bool
find_bp (struct walk *w, const struct orc_row *o, uint64_t cfa, uint64_t *bp)
{
  uint64_t off = (uint64_t) (int64_t) o->bp_offset;

  if (o->bp == ORC_PREV_SP)
    return load (w, cfa + off, bp);
  if (o->bp == ORC_BP)
    return load (w, w->fp + off, bp);
  return true; /* as it was */
}

static bool
from_user (struct walk *w, uint64_t cs, uint64_t pc, uint64_t sp)
{
  if ((cs & 3) == 0)
    return false;
  w->out->end = END_USER;
  w->out->user_pc = pc;
  w->out->user_sp = sp;
  return true;
}

/* All registers at cfa. */
static bool
take_regs (struct walk *w, uint64_t at, uint64_t *bp)
{
  uint64_t pc, cs, sp;

  if (!load (w, at + PT_IP, &pc) || !load (w, at + PT_CS, &cs)
      || !load (w, at + PT_SP, &sp) || from_user (w, cs, pc, sp))
    return false;
  w->full = load (w, at + PT_R10, &w->r10) && load (w, at + PT_R13, &w->r13)
            && load (w, at + PT_DI, &w->di) && load (w, at + PT_DX, &w->dx);
  w->pc = pc;
  w->sp = sp;
  return load (w, at + PT_BP, bp);
}

static bool
take_iret (struct walk *w, uint64_t at)
{
  uint64_t pc, cs, sp;

  if (!load (w, at + IRET_IP, &pc) || !load (w, at + IRET_CS, &cs)
      || !load (w, at + IRET_SP, &sp) || from_user (w, cs, pc, sp))
    return false;
  w->pc = pc;
  w->sp = sp;
  return true;
}

/* One caller further up; false at the end, which is then in w->out. */
static bool
step (struct walk *w)
{
  struct orc_row o;
  uint64_t cfa, was = w->sp, bp = w->fp;

  w->out->end = END_LOST;
  if (!orc_find (w->k, w->exact ? w->pc : w->pc - 1, &o))
    return false;
  if (o.type == ORC_END)
    {
      w->out->end = END_THREAD;
      return false;
    }
  if (o.type == ORC_UNKNOWN || !find_cfa (w, &o, &cfa)
      || !find_bp (w, &o, cfa, &bp))
    return false;
  if (o.type == ORC_CALL)
    {
      if (!load (w, cfa - 8, &w->pc))
        return false;
      w->sp = cfa;
      w->full = false;
      w->exact = w->interrupt = false;
    }
  else
    {
      if (o.type == ORC_REGS ? !take_regs (w, cfa, &bp) : !take_iret (w, cfa))
        return false;
      w->exact = w->interrupt = true;
    }
  w->fp = bp;
  if ((w->sp <= was || w->sp - was > NEAR) && ++w->switches > MAX_SWITCHES)
    return false;
  return w->pc != 0;
}

/* The idle task began in code that was freed since: a place in the image that
 * is no code any more is a good end. */
static void
judge_end (struct walk *w)
{
  if (w->out->end == END_LOST && !ksyms_is_text (w->k->syms, w->pc)
      && w->pc - w->k->image.va < w->k->image.len)
    w->out->end = END_THREAD;
}

void
unwind_orc_ (struct walk *w)
{
  while (step (w))
    if (!walk_add_ (w))
      return;
  if (w->k->syms)
    judge_end (w);
}
