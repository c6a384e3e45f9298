/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking stacks by unwind tables: calls, interrupts, exceptions on other
 * stacks, ends of all kinds, loops, and stacks that are none.
 */
#include "tests/unit/kernel-memory/unwind-bed.h"

/* ---- calls ---- */

static void
test_calls (void **state)
{
  for (int format = 1; format <= 4; format++)
    {
      struct bed b;

      make (&b, format);
      fakekernel_sleep (&b.f, b.task, "leaf middle outer thread");
      walk_task (&b);
      assert_frames (&b, "leaf middle outer thread");
      assert_int_equal (b.s.end, END_THREAD);
      assert_int_equal (b.s.nr, UINT64_MAX);
      assert_false (b.s.frames[1].exact || b.s.frames[1].guess);
      fakekernel_free (&b.f);
    }
}

/* A frame by the base pointer, which was kept in a frame before it. */
static void
test_base_pointer (void **state)
{
  struct bed b;
  uint64_t sp, bp;

  make (&b, 3);
  sp = b.hi - 1024;
  bp = b.hi - 512;
  put (&b, b.task + FAKE_THREAD + FAKE_SP, sp);
  put (&b, sp + 40, bp);
  put (&b, sp + 48, func (&b, "leaf") + 16);
  put (&b, sp + 64, func (&b, "by_bp") + 16);
  put (&b, bp, bp + 128); /* the caller's own */
  put (&b, bp + 8, func (&b, "by_bp") + 32);
  put (&b, bp + 128 + 8, func (&b, "thread") + 16);
  walk_task (&b);
  assert_frames (&b, "leaf by_bp by_bp thread");
  assert_int_equal (b.s.end, END_THREAD);
  fakekernel_free (&b.f);
}

/* ---- a CPU ---- */

static struct vcpu_regs
cpu_in (struct bed *b, const char *name, uint64_t sp)
{
  struct vcpu_regs r = fakemem_cpu (&b->f.mem, 0);

  r.pc = func (b, name) + 4;
  r.sp = sp;
  return r;
}

/* An interrupt on a stack of its own, into a function that had called nobody:
 * the place is exact, also when it is a function's first byte, where the byte
 * before has another rule. */
static void
test_interrupt (void **state)
{
  struct bed b;
  uint64_t irq;
  struct vcpu_regs r;

  make (&b, 3);
  irq = fakemem_alloc (&b.f.mem, FAKE_STACK);
  r = cpu_in (&b, "leaf", irq + 0x1000);
  put (&b, irq + 0x1008, func (&b, "irq") + 16);
  put (&b, irq + 0x1010 + PT_IP, func (&b, "behind"));
  put (&b, irq + 0x1010 + PT_CS, 0x10);
  put (&b, irq + 0x1010 + PT_SP, b.hi - 256);
  put (&b, b.hi - 256 + 8, func (&b, "outer") + 8);
  put (&b, b.hi - 256 + 24, func (&b, "thread") + 8);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 5);
  assert_int_equal (b.s.frames[2].pc, func (&b, "behind"));
  assert_true (b.s.frames[2].exact && b.s.frames[2].interrupt);
  assert_false (b.s.frames[3].exact || b.s.frames[3].interrupt);
  assert_int_equal (b.s.frames[3].pc, func (&b, "outer") + 8);
  assert_int_equal (b.s.end, END_THREAD);
  fakekernel_free (&b.f);
}

/* Only what the processor pushed. */
static void
test_fault (void **state)
{
  struct bed b;
  uint64_t at;
  struct vcpu_regs r;

  make (&b, 3);
  at = b.hi - 1024;
  r = cpu_in (&b, "fault", at);
  put (&b, at + 8, func (&b, "leaf") + 6);
  put (&b, at + 16, 0x10);
  put (&b, at + 32, b.hi - 512);
  put (&b, b.hi - 512 + 8, func (&b, "thread") + 8);
  walk_cpu (&b, &r);
  assert_frames (&b, "fault leaf thread");
  assert_true (b.s.frames[0].exact && b.s.frames[1].interrupt);
  fakekernel_free (&b.f);
}

/* What an interrupt left of leaf(), which outer() had called, at that depth. */
static void
leave (struct bed *b, unsigned depth, uint64_t cs, uint64_t flags)
{
  uint64_t sp = b->hi - depth, at = (sp & ~UINT64_C (15)) - PT_SIZE;

  put (b, at + PT_IP, func (b, "leaf") + 8);
  put (b, at + PT_CS, cs);
  put (b, at + 144, flags);
  put (b, at + PT_SP, sp);
  put (b, at + 160, 0x18);
  put (b, sp + 8, func (b, "outer") + 8);
  put (b, sp + 24, func (b, "thread") + 8);
}

static int
walk_left (struct bed *b)
{
  mem_fresh (b->f.m);
  return unwind_left (b->f.k, b->task, &b->s);
}

/* Whose registers are not known: where the last interrupt came. */
static void
test_left (void **state)
{
  struct bed b;

  make (&b, 3);
  assert_int_equal (walk_left (&b), -ENOENT);
  leave (&b, 512, 0x10, 0x246);
  assert_int_equal (walk_left (&b), 0);
  assert_frames (&b, "leaf outer thread");
  assert_true (b.s.frames[0].exact);
  assert_int_equal (b.s.end, END_THREAD);
  /* Of another time: who called is not there any more.  Deeper, and whole. */
  put (&b, b.hi - 512 + 24, 0);
  assert_int_equal (walk_left (&b), -ENOENT);
  leave (&b, 1024 + 8, 0x10, 0x246);
  assert_int_equal (walk_left (&b), 0);
  fakekernel_free (&b.f);
}

/* Words that look like it: of a program, with interrupts off, of nowhere. */
static void
test_left_is_none (void **state)
{
  static const struct { uint64_t cs, flags; } regs[]
      = { { 0x33, 0x246 }, { 0x10, 0x46 }, { 0x10, 0xffff888000000246 },
          { 0x10, 0x244 } };
  struct bed b;

  for (size_t i = 0; i < sizeof regs / sizeof *regs; i++)
    {
      make (&b, 3);
      leave (&b, 512, regs[i].cs, regs[i].flags);
      assert_int_equal (walk_left (&b), -ENOENT);
      fakekernel_free (&b.f);
    }
  make (&b, 3);
  leave (&b, 512, 0x10, 0x246);
  put (&b, b.hi - 512 - PT_SIZE + PT_SP, b.hi - 256);
  assert_int_equal (walk_left (&b), -ENOENT);
  leave (&b, 512, 0x10, 0x246);
  put (&b, b.hi - 512 - PT_SIZE + PT_IP, 0x401234);
  assert_int_equal (walk_left (&b), -ENOENT);
  /* A stack full of them costs no more than a few. */
  for (unsigned depth = 512; depth + PT_SIZE + 64 < FAKE_STACK; depth += 256)
    {
      leave (&b, depth, 0x10, 0x246);
      put (&b, b.hi - depth + 8, 7);
    }
  assert_int_equal (walk_left (&b), -ENOENT);
  fakekernel_free (&b.f);
}

static void
test_from_user (void **state)
{
  struct bed b;
  uint64_t at;
  struct vcpu_regs r;

  make (&b, 3);
  at = b.hi - PT_SIZE;
  r = cpu_in (&b, "irq", at);
  put (&b, at + PT_IP, 0x401234);
  put (&b, at + PT_CS, 0x33);
  put (&b, at + PT_SP, 0x7ffc0000);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 1);
  assert_int_equal (b.s.end, END_USER);
  assert_int_equal (b.s.user_pc, 0x401234);
  assert_int_equal (b.s.user_sp, 0x7ffc0000);
  /* A CPU that is in user space has no frames at all. */
  r.cpl = 3;
  r.pc = 0x405678;
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 0);
  assert_int_equal (b.s.end, END_USER);
  assert_int_equal (b.s.user_pc, 0x405678);
  fakekernel_free (&b.f);
}

/* The words that go from one stack to another. */
static void
test_switched (void **state)
{
  struct bed b;
  uint64_t irq;
  struct vcpu_regs r;

  make (&b, 3);
  irq = fakemem_alloc (&b.f.mem, FAKE_STACK);
  r = cpu_in (&b, "switched", irq + 0x2000);
  put (&b, irq + 0x2000, b.hi - 128);
  put (&b, b.hi - 128, func (&b, "thread") + 8);
  walk_cpu (&b, &r);
  assert_frames (&b, "switched thread");
  fakekernel_free (&b.f);
}

/* A register is known only in what was interrupted, not in its callers. */
static void
test_registers (void **state)
{
  struct bed b;
  struct vcpu_regs r;

  make (&b, 3);
  r = cpu_in (&b, "by_r10", b.hi - 1024);
  r.gpr[10] = b.hi - 512;
  put (&b, b.hi - 512, func (&b, "leaf") + 8);
  put (&b, b.hi - 504 + 8, func (&b, "by_r10") + 8);
  walk_cpu (&b, &r);
  assert_frames (&b, "by_r10 leaf by_r10");
  assert_int_equal (b.s.end, END_LOST);
  fakekernel_free (&b.f);
}

/* ---- what is none ---- */

/* Each switch of stacks counts; a rule that goes nowhere ends. */
static void
test_loops (void **state)
{
  struct bed b;
  uint64_t at, other;
  struct vcpu_regs r;

  make (&b, 3);
  at = b.hi - 1024;
  other = fakemem_alloc (&b.f.mem, FAKE_STACK) + 0x1000;
  /* The stack pointer stays where it is. */
  r = cpu_in (&b, "spin", at);
  put (&b, at - 8, func (&b, "spin") + 8);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.end, END_LOST);
  assert_true (b.s.n < 16);
  /* Two stacks that lead to each other. */
  r = cpu_in (&b, "irq", at);
  for (int i = 0; i < 2; i++)
    {
      uint64_t here = i ? other : at, there = i ? at : other;

      put (&b, here + PT_IP, func (&b, "irq") + 4);
      put (&b, here + PT_CS, 0x10);
      put (&b, here + PT_SP, there);
    }
  walk_cpu (&b, &r);
  assert_int_equal (b.s.end, END_LOST);
  assert_true (b.s.n < 32);
  fakekernel_free (&b.f);
}

static void
test_endless (void **state)
{
  struct bed b;
  uint64_t at;
  struct vcpu_regs r;

  make (&b, 3);
  at = b.hi - 8192;
  r = cpu_in (&b, "leaf", at);
  for (unsigned i = 0; i < 200; i++)
    put (&b, at + 8 + 16 * i, func (&b, "leaf") + 8);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, UNWIND_MAX);
  assert_int_equal (b.s.end, END_CUT);
  fakekernel_free (&b.f);
}

static void
test_lost (void **state)
{
  struct bed b;
  uint64_t at;
  struct vcpu_regs r;

  make (&b, 3);
  at = b.hi - 1024;
  r = cpu_in (&b, "leaf", at);
  put (&b, at + 8, func (&b, "unknown") + 8);
  walk_cpu (&b, &r);
  assert_frames (&b, "leaf unknown");
  assert_int_equal (b.s.end, END_LOST);
  /* No address of a kernel, and one of nothing. */
  put (&b, at + 8, 0x1234);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 2);
  assert_int_equal (b.s.end, END_LOST);
  put (&b, at + 8, 0);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 1);
  assert_int_equal (b.s.end, END_LOST);
  /* A stack pointer that is none: crooked, of user space, not mapped. */
  r.sp = at + 1;
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 1);
  r.sp = 0x1000;
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 1);
  r.sp = UINT64_MAX - 7;
  walk_cpu (&b, &r);
  assert_int_equal (b.s.n, 1);
  fakekernel_free (&b.f);
}

/* What a task left must be on its own stack. */
static void
test_foreign_stack (void **state)
{
  struct bed b;

  make (&b, 3);
  fakekernel_sleep (&b.f, b.task, "leaf thread");
  put (&b, b.task + FAKE_THREAD + FAKE_SP, FAKE_VARS);
  mem_fresh (b.f.m);
  assert_int_equal (unwind_task (b.f.k, b.task, &b.s), -EFAULT);
  put (&b, b.task + FAKE_THREAD + FAKE_SP, 0x10);
  mem_fresh (b.f.m);
  assert_int_equal (unwind_task (b.f.k, b.task, &b.s), -EFAULT);
  fakekernel_free (&b.f);
}

/* A zombie has none any more, whatever is where it was. */
static void
test_no_stack (void **state)
{
  struct bed b;

  make (&b, 3);
  fakekernel_sleep (&b.f, b.task, "leaf thread");
  put (&b, b.task + FAKE_STACK_AT, 0);
  mem_fresh (b.f.m);
  assert_int_equal (unwind_task (b.f.k, b.task, &b.s), -ENOENT);
  assert_int_equal (b.s.n, 0);
  fakekernel_free (&b.f);
}

/* The idle task began in code that was freed. */
static void
test_freed (void **state)
{
  struct bed b;

  make (&b, 3);
  fakekernel_sleep (&b.f, b.task, "leaf middle");
  put (&b, b.hi - 2048 + 48 + 32, FAKE_VARS + 0x1000);
  walk_task (&b);
  assert_int_equal (b.s.n, 3);
  assert_int_equal (b.s.end, END_THREAD);
  fakekernel_free (&b.f);
}

/* ---- system calls ---- */

static void
test_system_call (void **state)
{
  struct bed b;
  uint64_t at;

  make (&b, 3);
  fakekernel_sleep (&b.f, b.task, "leaf unknown");
  put (&b, b.task + FAKE_MM, FAKE_LINEAR + 0x1000);
  at = b.hi - PT_SIZE;
  put (&b, at + PT_IP, 0x401000);
  put (&b, at + PT_CS, 0x33);
  put (&b, at + PT_SP, 0x7fff1000);
  put (&b, at + PT_NR, 7);
  put (&b, at + PT_DI, 11);
  put (&b, at + PT_SI, 12);
  walk_task (&b);
  assert_int_equal (b.s.user_pc, 0x401000);
  assert_int_equal (b.s.user_sp, 0x7fff1000);
  assert_int_equal (b.s.nr, 7);
  assert_int_equal (b.s.args[0], 11);
  assert_int_equal (b.s.args[1], 12);
  /* An exception, not a system call. */
  put (&b, at + PT_NR, UINT64_MAX);
  walk_task (&b);
  assert_int_equal (b.s.user_pc, 0x401000);
  assert_int_equal (b.s.nr, UINT64_MAX);
  /* Two words more above (FRED). */
  memmove (fakemem_at (&b.f.mem, at - 16), fakemem_at (&b.f.mem, at), PT_SIZE);
  put (&b, at - 16 + PT_NR, 8);
  put (&b, at + PT_CS, 0);
  walk_task (&b);
  assert_int_equal (b.s.nr, 8);
  /* A kernel thread has none. */
  put (&b, b.task + FAKE_MM, 0);
  walk_task (&b);
  assert_int_equal (b.s.user_pc, 0);
  assert_int_equal (b.s.nr, UINT64_MAX);
  fakekernel_free (&b.f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_calls),
    cmocka_unit_test (test_base_pointer),
    cmocka_unit_test (test_interrupt),
    cmocka_unit_test (test_fault),
    cmocka_unit_test (test_left),
    cmocka_unit_test (test_left_is_none),
    cmocka_unit_test (test_from_user),
    cmocka_unit_test (test_switched),
    cmocka_unit_test (test_registers),
    cmocka_unit_test (test_loops),
    cmocka_unit_test (test_endless),
    cmocka_unit_test (test_lost),
    cmocka_unit_test (test_foreign_stack),
    cmocka_unit_test (test_no_stack),
    cmocka_unit_test (test_freed),
    cmocka_unit_test (test_system_call),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
