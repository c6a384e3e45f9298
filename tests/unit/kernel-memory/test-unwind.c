/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking stacks: calls, interrupts, exceptions on other stacks, ends of all
 * kinds, loops, and stacks that are none; by unwind tables, by frame pointers
 * and by guessing.
 */
#include "tests/lib/fakekernel.h"

#include <errno.h>

/* Of the registers that an interrupt leaves. */
enum
{
  PT_BP = 32,
  PT_DI = 112,
  PT_SI = 104,
  PT_NR = 120,
  PT_IP = 128,
  PT_CS = 136,
  PT_SP = 152,
  PT_SIZE = 168,
};

struct bed
{
  struct fakekernel f;
  uint64_t task, lo, hi;
  struct stack s;
};

static uint64_t
func (struct bed *b, const char *name)
{
  return fakekernel_at (&b->f, name);
}

/* What the functions of these tests do with their stacks. */
static void
make (struct bed *b, int format)
{
  static const struct
  {
    const char *name;
    struct fakerule rule;
  } funcs[] = {
    { "leaf", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "middle", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "outer", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "by_bp", { .type = ORC_CALL, .sp = ORC_BP, .sp_offset = 16,
                 .bp = ORC_PREV_SP, .bp_offset = -16 } },
    { "switched", { .type = ORC_CALL, .sp = ORC_SP_INDIRECT,
                    .sp_offset = 8 } },
    { "irq", { .type = ORC_REGS, .sp = ORC_SP, .signal = true } },
    { "fault", { .type = ORC_IRET, .sp = ORC_SP, .sp_offset = 8,
                 .signal = true } },
    { "by_r10", { .type = ORC_CALL, .sp = ORC_R10, .sp_offset = 8 } },
    { "spin", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 0 } },
    { "thread", { .type = ORC_END } },
    { "behind", { .type = ORC_CALL, .sp = ORC_SP, .sp_offset = 16 } },
    { "unknown", { .type = ORC_UNKNOWN } },
  };
  struct fakerule rules[sizeof funcs / sizeof funcs[0]];

  memset (b, 0, sizeof *b);
  fakekernel_new (&b->f);
  fakekernel_with_tasks (&b->f);
  b->f.orc = format;
  b->f.orc_told = true;
  for (size_t i = 0; i < sizeof funcs / sizeof funcs[0]; i++)
    {
      rules[i] = funcs[i].rule;
      rules[i].at = fakekernel_func (&b->f, funcs[i].name);
    }
  if (format)
    fakekernel_rules (&b->f, rules, sizeof rules / sizeof rules[0]);
  fakekernel_load (&b->f);
  b->task = fakekernel_task (&b->f, 7, "sleeper", 2);
  b->lo = fakemem_get (&b->f.mem, b->task + FAKE_STACK_AT);
  b->hi = b->lo + FAKE_STACK;
}

static void
put (struct bed *b, uint64_t at, uint64_t v)
{
  fakemem_u64 (&b->f.mem, at, v);
}

static void
walk_task (struct bed *b)
{
  mem_fresh (b->f.m);
  assert_int_equal (unwind_task (b->f.k, b->task, &b->s), 0);
}

static void
walk_cpu (struct bed *b, const struct vcpu_regs *r)
{
  mem_fresh (b->f.m);
  assert_int_equal (unwind_cpu (b->f.k, r, &b->s), 0);
}

static void
assert_frames (struct bed *b, const char *names)
{
  struct ksym sym;
  unsigned i = 0;

  for (; *names; i++)
    {
      size_t n = strcspn (names, " ");

      assert_true (i < b->s.n);
      assert_true (ksyms_find (b->f.k->syms, b->s.frames[i].pc - 1, &sym));
      if (strlen (sym.name) != n || strncmp (sym.name, names, n) != 0)
        fail_msg ("frame %u is %s, not %s", i, sym.name, names);
      names += n + (names[n] == ' ');
    }
  assert_int_equal (b->s.n, i);
}

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

/* ---- without tables ---- */

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
    cmocka_unit_test (test_calls),
    cmocka_unit_test (test_base_pointer),
    cmocka_unit_test (test_interrupt),
    cmocka_unit_test (test_fault),
    cmocka_unit_test (test_from_user),
    cmocka_unit_test (test_switched),
    cmocka_unit_test (test_registers),
    cmocka_unit_test (test_loops),
    cmocka_unit_test (test_endless),
    cmocka_unit_test (test_lost),
    cmocka_unit_test (test_foreign_stack),
    cmocka_unit_test (test_no_stack),
    cmocka_unit_test (test_frame_pointers_end),
    cmocka_unit_test (test_frame_pointers_will_do),
    cmocka_unit_test (test_frame_pointers_of_interrupt),
    cmocka_unit_test (test_freed),
    cmocka_unit_test (test_system_call),
    cmocka_unit_test (test_guess),
    cmocka_unit_test (test_frame_pointers),
    cmocka_unit_test (test_frame_pointers_of_x86),
    cmocka_unit_test (test_frame_pointer_loops),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
