/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking stacks without unwind tables: by frame pointers and by guessing.
 */
#include "tests/unit/kernel-memory/unwind-bed.h"

static void
test_guess (void **state)
{
  struct bed b;

  make (&b, 0);
  fakekernel_sleep (&b.f, b.task, "leaf middle outer");
  walk_task (&b);
  assert_frames (&b, "leaf middle outer");
  assert_int_equal (b.s.end, END_LOST);
  assert_false (b.s.frames[0].guess);
  assert_true (b.s.frames[1].guess && b.s.frames[2].guess);
  fakekernel_free (&b.f);
}

static void
put_record (struct bed *b, uint64_t at, uint64_t fp, uint64_t lr)
{
  put (b, at, fp);
  put (b, at + 8, lr);
}

static void
test_frame_pointers (void **state)
{
  struct bed b;
  struct walk w;
  const uint64_t sign = UINT64_C (0x5a5a) << 48;

  make (&b, 0);
  b.f.k->arch = ARCH_ARM64;
  put_record (&b, b.lo + 0x100, b.lo + 0x200, func (&b, "middle") + 8);
  /* A signed return address. */
  put_record (&b, b.lo + 0x200, b.lo + 0x300,
              ((func (&b, "outer") + 8) & ~(UINT64_C (0xffff) << 48)) | sign
                  | UINT64_C (1) << 55);
  put_record (&b, b.lo + 0x300, 0, 0);
  for (int user = 0; user < 2; user++)
    {
      memset (&b.s, 0, sizeof b.s);
      w = (struct walk){ .k = b.f.k,
                         .out = &b.s,
                         .pc = func (&b, "leaf") + 4,
                         .fp = b.lo + 0x100 };
      assert_true (walk_add_ (&w));
      unwind_fp_ (&w, user);
      assert_frames (&b, "leaf middle outer");
      assert_int_equal (b.s.end, user ? END_USER : END_THREAD);
    }
  fakekernel_free (&b.f);
}

/* A kernel without tables that was built with them: the words between, which
 * look like return addresses, are none. */
static void
test_frame_pointers_of_x86 (void **state)
{
  struct bed b;
  uint64_t sp, fp;

  make (&b, 0);
  sp = b.hi - 2048;
  fp = sp + 128;
  put (&b, b.task + FAKE_THREAD + FAKE_SP, sp);
  put (&b, sp + 40, fp);
  put (&b, sp + 48, func (&b, "leaf") + 8);
  put (&b, sp + 64, func (&b, "behind") + 8);
  put_record (&b, fp, fp + 64, func (&b, "middle") + 8);
  put (&b, fp + 32, func (&b, "behind") + 8);
  put_record (&b, fp + 64, fp + 128, func (&b, "outer") + 8);
  put_record (&b, fp + 128, 0, func (&b, "thread") + 8);
  walk_task (&b);
  assert_frames (&b, "leaf middle outer thread");
  assert_false (b.s.frames[1].guess);
  /* One that leads to no code is not believed, nor are the others. */
  put_record (&b, fp + 64, fp + 128, FAKE_VARS);
  walk_task (&b);
  assert_true (b.s.frames[1].guess);
  assert_frames (&b, "leaf behind middle behind thread");
  fakekernel_free (&b.f);
}

/* From user space, through an interrupt, of a kernel thread; what is behind the
 * last record tells, and the odd address of registers. */
static void
test_frame_pointers_end (void **state)
{
  struct bed b;
  uint64_t sp, fp, regs;

  make (&b, 0);
  regs = b.hi - PT_SIZE;
  sp = b.hi - 2048;
  fp = sp + 128;
  put (&b, b.task + FAKE_THREAD + FAKE_SP, sp);
  put (&b, sp + 40, fp);
  put (&b, sp + 48, func (&b, "leaf") + 8);
  put_record (&b, fp, regs - 64, func (&b, "middle") + 8);
  put_record (&b, regs - 64, regs - 16, func (&b, "behind") + 8);
  /* A system call; the program's own value is in its record, or nothing. */
  put (&b, b.task + FAKE_MM, FAKE_LINEAR + 0x1000);
  put (&b, regs + PT_IP, 0x401000);
  put (&b, regs + PT_CS, 0x33);
  put (&b, regs + PT_SP, 0x7fff1000);
  for (unsigned i = 0; i < 2; i++)
    {
      put_record (&b, regs - 16, i ? 0x7fff2000 : 0, func (&b, "outer") + 8);
      walk_task (&b);
      assert_frames (&b, "leaf middle behind outer");
      assert_int_equal (b.s.end, END_USER);
      assert_int_equal (b.s.user_pc, 0x401000);
    }
  /* An interrupt of it. */
  put_record (&b, regs - 64, regs | 1, func (&b, "outer") + 8);
  walk_task (&b);
  assert_frames (&b, "leaf middle outer");
  assert_int_equal (b.s.end, END_USER);
  /* A kernel thread has registers of zeros. */
  put (&b, regs + PT_IP, 0);
  put (&b, regs + PT_CS, 0);
  walk_task (&b);
  assert_frames (&b, "leaf middle outer");
  assert_int_equal (b.s.end, END_THREAD);
  put_record (&b, regs - 64, 0, func (&b, "outer") + 8);
  put (&b, regs - 48 + PT_IP, 0);
  put (&b, regs - 48 + PT_CS, 0);
  walk_task (&b);
  assert_int_equal (b.s.end, END_THREAD);
  /* With its argument for a frame pointer, as before 4.9. */
  put (&b, regs - 48 + PT_CS, 0x10);
  put_record (&b, regs - 64, b.task, func (&b, "outer") + 8);
  walk_task (&b);
  assert_frames (&b, "leaf middle outer");
  assert_false (b.s.frames[1].guess);
  assert_int_equal (b.s.end, END_THREAD);
  /* What is behind is neither. */
  put_record (&b, regs - 64, 0, func (&b, "outer") + 8);
  put (&b, regs - 48 + PT_CS, 0x7777);
  walk_task (&b);
  assert_int_equal (b.s.end, END_LOST);
  fakekernel_free (&b.f);
}

/* A CPU in an interrupt: what it interrupted has its place. */
static void
test_frame_pointers_of_interrupt (void **state)
{
  struct bed b;
  struct vcpu_regs r = { .arch = ARCH_X86_64 };
  uint64_t regs;

  make (&b, 0);
  regs = b.lo + 0x400;
  r.pc = func (&b, "leaf") + 4;
  r.fp = b.lo + 0x100;
  r.sp = b.lo + 0xf0;
  put_record (&b, b.lo + 0x100, regs | 1, func (&b, "irq") + 8);
  put (&b, regs + PT_IP, func (&b, "middle") + 12);
  put (&b, regs + PT_CS, 0x10);
  put (&b, regs + PT_CS + 24, 0x18);
  put (&b, regs + PT_BP, b.lo + 0x800);
  put_record (&b, b.lo + 0x800, b.lo + 0x900, func (&b, "outer") + 8);
  put_record (&b, b.lo + 0x900, 0, func (&b, "thread") + 8);
  walk_cpu (&b, &r);
  assert_frames (&b, "leaf irq middle outer thread");
  assert_true (b.s.frames[2].interrupt && b.s.frames[2].exact);
  assert_false (b.s.frames[3].interrupt || b.s.frames[3].exact);
  assert_int_equal (b.s.end, END_THREAD);
  /* What is none leads nowhere. */
  put (&b, regs + PT_CS, 0x11);
  walk_cpu (&b, &r);
  assert_int_equal (b.s.end, END_LOST);
  fakekernel_free (&b.f);
}

/* A kernel that sets frame pointers up lacks no tables. */
static void
test_frame_pointers_will_do (void **state)
{
  static const unsigned char begin[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48,
                                         0x89, 0xe5 };
  struct fakekernel f;
  struct error err = ERROR_INIT;

  fakekernel_new (&f);
  fakekernel_with_tasks (&f);
  fakekernel_func (&f, "schedule");
  fakekernel_func (&f, "kthread");
  fakekernel_load (&f);
  assert_true (kernel_unwinder_ (f.k, &err) < 0);
  memcpy (fakemem_at (&f.mem, fakekernel_at (&f, "schedule")), begin,
          sizeof begin);
  mem_fresh (f.m);
  assert_true (kernel_unwinder_ (f.k, &err) < 0);
  memcpy (fakemem_at (&f.mem, fakekernel_at (&f, "kthread")), begin + 4,
          sizeof begin - 4);
  mem_fresh (f.m);
  assert_int_equal (kernel_unwinder_ (f.k, &err), 0);
  assert_null (f.k->orc);
  fakekernel_free (&f);
}

static void
test_frame_pointer_loops (void **state)
{
  struct bed b;
  struct walk w;
  static const uint64_t ends[] = { 0x1000, 0x101, UINT64_MAX - 7, 0 };

  make (&b, 0);
  for (unsigned arm = 0; arm < 2; arm++)
    {
      b.f.k->arch = arm ? ARCH_ARM64 : ARCH_X86_64;
      /* To itself, and to and fro. */
      for (unsigned i = 0; i < 2; i++)
        {
          put_record (&b, b.lo + 0x100, b.lo + 0x100 + 0x100 * i,
                      func (&b, "middle") + 8);
          put_record (&b, b.lo + 0x200, b.lo + 0x100, func (&b, "middle") + 8);
          mem_fresh (b.f.m);
          memset (&b.s, 0, sizeof b.s);
          w = (struct walk){ .k = b.f.k, .out = &b.s, .fp = b.lo + 0x100 };
          unwind_fp_ (&w, true);
          assert_int_equal (b.s.end, END_LOST);
          assert_true (b.s.n < 32);
        }
      /* Records that are nowhere. */
      for (unsigned i = 0; i < 4; i++)
        {
          memset (&b.s, 0, sizeof b.s);
          w = (struct walk){ .k = b.f.k, .out = &b.s, .fp = ends[i] };
          unwind_fp_ (&w, true);
          assert_int_equal (b.s.n, 0);
          assert_int_equal (b.s.end, END_LOST);
        }
    }
  fakekernel_free (&b.f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_frame_pointers_end),
    cmocka_unit_test (test_frame_pointers_will_do),
    cmocka_unit_test (test_frame_pointers_of_interrupt),
    cmocka_unit_test (test_guess),
    cmocka_unit_test (test_frame_pointers),
    cmocka_unit_test (test_frame_pointers_of_x86),
    cmocka_unit_test (test_frame_pointer_loops),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
