/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a stack begins, which way it is walked, and what it came from.
 */
#include "kernel/memory/unwind.h"

#include "base/cleanup.h"
#include "kernel/memory/kernel.h"

#include <errno.h>
#include <string.h>

/* Stacks of 4 to 64 KiB, each at a multiple of its size. */
#define STACK_MIN (4u << 10)
#define STACK_MAX (64u << 10)
#define STACK_X86 (16u << 10)
#define PROLOGUE 40u

/* What x86-64 has of a system call at the top of the stack; these have not
 * moved since the first kernel. */
enum
{
  PT_R10 = 56,
  PT_R9 = 64,
  PT_R8 = 72,
  PT_DX = 96,
  PT_SI = 104,
  PT_DI = 112,
  PT_ORIG_AX = 120,
  PT_IP = 128,
  PT_CS = 136,
  PT_SP = 152,
  PT_SIZE = 168,
};

bool
walk_add_ (struct walk *w)
{
  struct stack *s = w->out;

  if (s->n >= UNWIND_MAX)
    {
      s->end = END_CUT;
      return false;
    }
  s->frames[s->n++] = (struct frame){
    .pc = w->pc, .exact = w->exact, .interrupt = w->interrupt,
  };
  return true;
}

/* ---- a task's stack ---- */

/* Its size is that of the union that has it at its end, or the distance from
 * its beginning to the next multiple that fits. */
static uint64_t
stack_size (struct kernel *k)
{
  uint32_t n = 0;

  if (k->btf && btf_sizeof (k->btf, "thread_union", &n) && n >= STACK_MIN
      && n <= STACK_MAX && (n & (n - 1)) == 0)
    return n;
  return STACK_X86;
}

bool
unwind_area (struct kernel *k, uint64_t task, struct stack_area *ret)
{
  uint64_t lo;

  if (!kernel_get (k, task, TASK_STACK, &lo) || lo == 0
      || lo % STACK_MIN != 0)
    return false;
  *ret = (struct stack_area){ lo, lo + stack_size (k) };
  return true;
}

static bool
word (struct kernel *k, uint64_t at, uint64_t *ret)
{
  return at % 8 == 0 && space_u64 (k->space, at, ret);
}

/* From where it came into the kernel, if it came from user space at all. */
static void
find_user (struct kernel *k, uint64_t task, struct stack *s)
{
  static const unsigned args[6] = { PT_DI, PT_SI, PT_DX, PT_R10, PT_R8,
                                    PT_R9 };
  struct stack_area area;
  uint64_t cs, nr, at, mm = 0;

  if (k->arch != ARCH_X86_64 || !unwind_area (k, task, &area)
      || (kernel_get (k, task, TASK_MM, &mm) && mm == 0))
    return;
  at = area.hi - PT_SIZE;
  /* With FRED there are two words more above. */
  if (!word (k, at + PT_CS, &cs) || (cs & 0xffff) != 0x33)
    at -= 16;
  if (!word (k, at + PT_CS, &cs) || (cs & 3) != 3)
    return;
  if (!word (k, at + PT_IP, &s->user_pc) || !word (k, at + PT_SP, &s->user_sp)
      || !word (k, at + PT_ORIG_AX, &nr) || nr >= 4096)
    return;
  s->nr = nr;
  for (unsigned i = 0; i < 6; i++)
    if (!word (k, at + args[i], &s->args[i]))
      s->args[i] = 0;
}

/* ---- beginnings ---- */

static int
begin_x86 (struct kernel *k, uint64_t task, struct walk *w)
{
  uint64_t at, bp_at = 40, ret_at = 48;

  if (!kernel_get (k, task, TASK_THREAD_SP, &at))
    return -ENOENT;
  /* Before 4.9: where it goes on is no word on the stack. */
  if (kernel_has (k, INACTIVE_BP) && !kernel_has (k, INACTIVE_RET))
    {
      w->sp = at + 16;
      w->pc = kernel_var (k, "__schedule") + 1;
      return w->pc > 1 && word (k, at, &w->fp) ? 0 : -EFAULT;
    }
  if (kernel_has (k, INACTIVE_RET) && kernel_has (k, INACTIVE_BP))
    {
      bp_at = k->fields.at[INACTIVE_BP].offset;
      ret_at = k->fields.at[INACTIVE_RET].offset;
    }
  if (!word (k, at + ret_at, &w->pc) || !word (k, at + bp_at, &w->fp))
    return -EFAULT;
  w->sp = at + ret_at + 8;
  return 0;
}

static int
begin_arm64 (struct kernel *k, uint64_t task, struct walk *w)
{
  if (!kernel_get (k, task, TASK_THREAD_PC, &w->pc)
      || !kernel_get (k, task, TASK_THREAD_FP, &w->fp)
      || !kernel_get (k, task, TASK_THREAD_ARM_SP, &w->sp))
    return -ENOENT;
  return 0;
}

static void
reset (struct stack *s)
{
  memset (s, 0, sizeof *s);
  s->end = END_LOST;
  s->nr = UINT64_MAX;
}

static bool
all_code (const struct walk *w, unsigned from)
{
  for (unsigned i = from; i < w->out->n; i++)
    if (!w->k->syms || !ksyms_is_text (w->k->syms, w->out->frames[i].pc))
      return false;
  return true;
}

/* x86-64 without tables may have been built with frame pointers: they are
 * believed when a few of them in a row lead to code. */
static void
walk_plain (struct walk *w, bool user_task, uint64_t top)
{
  struct walk by_fp = *w;
  unsigned n = w->out->n;

  unwind_fp_ (&by_fp, user_task);
  if (w->out->n >= n + 2 && all_code (w, n))
    return;
  w->out->n = n;
  unwind_guess_ (w, top);
}

/* Whatever there is to be used, in the order of its worth. */
static void
walk (struct walk *w, bool user_task, uint64_t top)
{
  bool fp = w->k->arch == ARCH_ARM64;

  if (!walk_add_ (w))
    return;
  if (w->k->orc)
    unwind_orc_ (w);
  else if (fp)
    unwind_fp_ (w, user_task);
  else
    walk_plain (w, user_task, top);
}

int
unwind_task (struct kernel *k, uint64_t task, struct stack *ret)
{
  struct walk w = { .k = k, .out = ret };
  struct stack_area area = { 0, 0 };
  uint64_t mm = 0, base;
  int r;

  reset (ret);
  /* One that ended gave its stack back: what its last words were may be there
   * still, or somebody else's by now. */
  if (kernel_get (k, task, TASK_STACK, &base) && base == 0)
    return -ENOENT;
  r = k->arch == ARCH_ARM64 ? begin_arm64 (k, task, &w)
                            : begin_x86 (k, task, &w);
  if (r < 0)
    return r;
  (void) unwind_area (k, task, &area);
  (void) kernel_get (k, task, TASK_MM, &mm);
  /* A stack that is nowhere near its own area is one of a lie or a task that
   * is just being made. */
  if (area.hi && (w.sp < area.lo || w.sp > area.hi))
    return -EFAULT;
  walk (&w, mm != 0, area.hi);
  find_user (k, task, ret);
  return 0;
}

int
unwind_cpu (struct kernel *k, const struct vcpu_regs *r, struct stack *ret)
{
  struct walk w = { .k = k,
                    .out = ret,
                    .pc = r->pc,
                    .sp = r->sp,
                    .fp = r->fp,
                    .exact = true,
                    .interrupt = false };

  reset (ret);
  if (r->cpl == 3 || !space_is_kernel (k->space, r->pc))
    {
      ret->end = END_USER;
      ret->user_pc = r->pc;
      ret->user_sp = r->sp;
      return 0;
    }
  if (r->arch == ARCH_X86_64)
    {
      w.full = true;
      w.dx = r->gpr[2];
      w.di = r->gpr[7];
      w.r10 = r->gpr[10];
      w.r13 = r->gpr[13];
    }
  walk (&w, true, 0);
  return 0;
}

/* Built with frame pointers: what functions begin with sets one up, though a
 * compiler may put other things before and between. */
static bool
has_frame_pointers (struct kernel *k)
{
  static const char *const names[]
      = { "schedule", "kthread", "do_exit", "vfs_read", "worker_thread" };
  static const unsigned char move[] = { 0x48, 0x89, 0xe5 };
  unsigned found = 0, with = 0;

  for (size_t i = 0; k->syms && i < ARRAY_LEN (names); i++)
    {
      uint64_t at = ksyms_addr (k->syms, names[i]);
      unsigned char code[PROLOGUE];

      if (at == 0 || space_read (k->space, at, code, sizeof code) < 0)
        continue;
      found++;
      with += memchr (code, 0x55, sizeof code / 2)
              && memmem (code, sizeof code, move, sizeof move);
    }
  return found >= 2 && with * 4 >= found * 3;
}

int
kernel_unwinder_ (struct kernel *k, struct error *err)
{
  int r = k->arch == ARCH_X86_64 ? orc_load (k, &k->orc, err) : 0;

  return r < 0 && r != -ENOMEM && has_frame_pointers (k) ? 0 : r;
}
