/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking a stack by frame pointers, and guessing at one.
 */
#include "kernel/memory/unwind.h"

#include "kernel/memory/kernel.h"

/* A frame is not larger. */
#define FAR (64u << 10)
#define MAX_SWITCHES 8
/* So much of a stack is looked through for return addresses. */
#define GUESS_BYTES (16u << 10)

/* Of what x86-64 has of the code that was interrupted. */
enum
{
  PT_BP = 32,
  PT_IP = 128,
  PT_CS = 136,
  PT_SP = 152,
  PT_SS = 160,
};
#define KERNEL_CS 0x10u
#define KERNEL_SS 0x18u
#define USER_CS 0x33u
#define USER32_CS 0x23u

/* Return addresses carry a signature in the bits that no address has. */
static uint64_t
strip (uint64_t lr)
{
  const uint64_t kernel = UINT64_C (1) << 55, top = UINT64_C (0xffff) << 48;

  return lr & kernel ? lr | top : lr & ~top;
}

static bool
load (struct walk *w, uint64_t at, uint64_t *ret)
{
  return at % 8 == 0 && space_is_kernel (w->k->space, at)
         && space_u64 (w->k->space, at, ret);
}

/* Registers at `at`, by which the kernel was entered: from user space, or by
 * nobody, as those of a kernel thread are. */
static bool
is_end (struct walk *w, uint64_t at)
{
  uint64_t cs, ip, sp;

  if (!load (w, at + PT_CS, &cs) || !load (w, at + PT_IP, &ip)
      || !load (w, at + PT_SP, &sp))
    return false;
  if (((cs & 0xffff) == USER_CS || (cs & 0xffff) == USER32_CS)
      && !space_is_kernel (w->k->space, ip))
    {
      w->out->end = END_USER;
      w->out->user_pc = ip;
      w->out->user_sp = sp;
      return true;
    }
  if ((cs != 0 && (cs & 0xffff) != KERNEL_CS) || ip != 0)
    return false;
  w->out->end = END_THREAD;
  return true;
}

/* Code that was interrupted; *fp is its own frame then. */
static bool
is_interrupted (struct walk *w, uint64_t at, uint64_t *fp)
{
  uint64_t cs, ss, ip;

  if (!load (w, at + PT_CS, &cs) || !load (w, at + PT_SS, &ss)
      || !load (w, at + PT_IP, &ip) || !load (w, at + PT_BP, fp)
      || (cs & 0xffff) != KERNEL_CS || ((ss & 0xffff) != KERNEL_SS && ss != 0)
      || !space_is_kernel (w->k->space, ip))
    return false;
  w->pc = ip;
  w->exact = w->interrupt = true;
  return true;
}

static bool
went_far (struct walk *w, uint64_t from, uint64_t to)
{
  return (to <= from || to - from > FAR) && ++w->switches > MAX_SWITCHES;
}

/* What is there is one more record: a thread of a kernel before 4.9 begins with
 * its argument in the frame pointer. */
static bool
leads_on (struct walk *w, uint64_t fp)
{
  uint64_t lr;

  if (fp & 1)
    return space_is_kernel (w->k->space, fp);
  return load (w, fp + 8, &lr)
         && (w->k->syms ? ksyms_is_text (w->k->syms, lr)
                        : space_is_kernel (w->k->space, lr));
}

/* One record of a stack of x86-64: since 4.9 what was interrupted stands for
 * one, and is told by an odd address.  There is no record at the end; what is
 * behind the last one are the registers of who came into the kernel, whose own
 * frame pointer, or 0, is in it. */
static bool
step_x86 (struct walk *w)
{
  uint64_t fp, lr, at = w->fp & ~1ULL;

  w->out->end = END_LOST;
  if (w->fp & 1)
    {
      if (is_end (w, at) || !is_interrupted (w, at, &fp)
          || went_far (w, at, fp))
        return false;
      w->fp = fp;
      return walk_add_ (w);
    }
  if (!load (w, at, &fp) || !load (w, at + 8, &lr)
      || !space_is_kernel (w->k->space, lr))
    return false;
  w->pc = lr;
  w->exact = w->interrupt = false;
  if (!walk_add_ (w))
    return false;
  w->fp = fp;
  if (!leads_on (w, fp))
    {
      (void) is_end (w, at + 16);
      return false;
    }
  return !went_far (w, at, fp & ~1ULL);
}

void
unwind_fp_ (struct walk *w, bool user_task)
{
  struct space *s = w->k->space;
  uint64_t fp, lr;

  while (w->k->arch == ARCH_X86_64)
    if (!step_x86 (w))
      return;
  for (;;)
    {
      w->out->end = END_LOST;
      if (w->fp % 8 != 0 || !space_is_kernel (s, w->fp)
          || !space_u64 (s, w->fp, &fp) || !space_u64 (s, w->fp + 8, &lr))
        return;
      /* The record that ends a stack. */
      if (fp == 0 && lr == 0)
        {
          w->out->end = user_task ? END_USER : END_THREAD;
          return;
        }
      if (went_far (w, w->fp, fp))
        return;
      w->fp = fp;
      w->pc = strip (lr);
      w->exact = w->interrupt = false;
      if (!space_is_kernel (s, w->pc))
        return;
      if (!walk_add_ (w))
        return;
    }
}

void
unwind_guess_ (struct walk *w, uint64_t top)
{
  uint64_t end = top && top - w->sp < GUESS_BYTES ? top : w->sp + GUESS_BYTES;
  uint64_t v;

  w->out->end = END_LOST;
  if (!w->k->syms)
    return;
  w->exact = w->interrupt = false;
  for (uint64_t at = w->sp & ~UINT64_C (7); at < end; at += 8)
    {
      if (!space_u64 (w->k->space, at, &v))
        return;
      if (!ksyms_is_text (w->k->syms, v))
        continue;
      w->pc = v;
      if (!walk_add_ (w))
        return;
      w->out->frames[w->out->n - 1].guess = true;
    }
}
