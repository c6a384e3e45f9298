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

/* Return addresses carry a signature in the bits that no address has. */
static uint64_t
strip (uint64_t lr)
{
  const uint64_t kernel = UINT64_C (1) << 55, top = UINT64_C (0xffff) << 48;

  return lr & kernel ? lr | top : lr & ~top;
}

void
unwind_fp_ (struct walk *w, bool user_task)
{
  struct space *s = w->k->space;
  uint64_t fp, lr;

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
      if ((fp <= w->fp || fp - w->fp > FAR) && ++w->switches > MAX_SWITCHES)
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
