/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a task, learned from a guest that says nothing of them.
 */
#include "kernel/memory/kernel_impl.h"
#include "tests/lib/fakemem.h"

#define TASKS 24u
#define INIT (FAKE_IMAGE + FAKE_IMAGE_LEN / 2 + 0x40000)
#define SIGNALS (INIT + 0x4000) /* init's own */
#define CODE (FAKE_IMAGE + 0x1230)
#define PF_KTHREAD 0x200000u

/* A layout that no kernel had. */
enum
{
  CPU = 28,
  STATE = 32,
  STACK = 40,
  FLAGS = 52,
  ON_CPU = 60,
  ARRIVAL = 784,
  LIST = 800,
  MM = 880,
  EXIT = 1004,
  PID = 1204,
  PARENT = 1232,
  LEADER = 1304,
  NODE = 1400,
  NVCSW = 1600,
  COMM = 1836,
  SIGNAL = 1904,
  SP = 3016,
  SIZE = 4096,
};

struct guest
{
  struct fakemem f;
  struct kernel k;
  uint64_t task[TASKS];
};

static uint64_t
make_stack (struct fakemem *f, bool arm, uint64_t task)
{
  uint64_t at = fakemem_alloc (f, 16384), sp = at + 16384 - 512;

  fakemem_u64 (f, at, 0x57ac6e9d);
  fakemem_u64 (f, sp + 48, CODE);
  if (arm)
    {
      fakemem_u64 (f, task + SP, sp);
      fakemem_u64 (f, task + SP + 8, sp - 64);
      fakemem_u64 (f, task + SP + 16, CODE);
    }
  else
    fakemem_u64 (f, task + SP, sp);
  return at;
}

/* Task i: 0 is the idle one, 1 init, 2 kthreadd, then every second one a
 * thread of the kernel. */
static void
make_task (struct guest *g, bool arm, unsigned i)
{
  struct fakemem *f = &g->f;
  uint64_t t = i == 0 ? INIT : fakemem_alloc (f, SIZE), mm = 0, sig;
  bool thread = i == 0 || i == 2 || (i > 2 && i % 2);
  char comm[16];

  g->task[i] = t;
  snprintf (comm, sizeof comm, i == 0 ? "swapper/0" : "task %u", i);
  fakemem_text (f, t + COMM, comm);
  fakemem_u32 (f, t + CPU, i % 2);
  fakemem_u32 (f, t + STATE, i == 0 ? 0 : thread ? 0x402 : 1);
  fakemem_u64 (f, t + STACK, make_stack (f, arm, t));
  fakemem_u32 (f, t + FLAGS, thread ? PF_KTHREAD | 0x40 : 0x400100);
  fakemem_u32 (f, t + ON_CPU, i == 5);
  fakemem_u64 (f, t + ARRIVAL, 5000000u + i * 1000);
  if (!thread)
    mm = fakemem_alloc (f, 64);
  fakemem_u64 (f, t + MM, mm);
  fakemem_u64 (f, t + MM + 8, mm);
  fakemem_u32 (f, t + EXIT + 8, i < 2 ? 0 : 17);
  fakemem_u32 (f, t + PID, i < 3 ? i : 100 + i);
  fakemem_u32 (f, t + PID + 4, i < 3 ? i : 100 + i);
  for (unsigned both = 0; both < 16; both += 8)
    fakemem_u64 (f, t + PARENT + both,
                 i < 3 ? INIT : g->task[thread ? 2 : 1]);
  fakemem_u64 (f, t + LEADER, t);
  sig = i == 0 ? SIGNALS : fakemem_alloc (f, 128);
  fakemem_list (f, sig + 16);
  fakemem_list_add (f, sig + 16, t + NODE);
  fakemem_u64 (f, t + SIGNAL, sig);
  for (unsigned n = 0; n < 4; n++)
    fakemem_u64 (f, t + NVCSW + n * 8,
                 n < 2 ? i * 7 + n + 1 : 1000000ull * (i + 1) + n);
  if (i == 0)
    fakemem_list (f, t + LIST);
  else
    fakemem_list_add (f, INIT + LIST, t + LIST);
}

static void
guest_new (struct guest *g, bool arm)
{
  memset (g, 0, sizeof *g);
  fakemem_new (&g->f, 32 << 20);
  fakemem_kernel (&g->f, "6.9.0-test");
  for (unsigned i = 0; i < TASKS; i++)
    make_task (g, arm, i);
  /* Lists that are not it, and a name that is nobody's. */
  fakemem_list (&g->f, INIT + 128);
  fakemem_list (&g->f, INIT + 2400);
  fakemem_text (&g->f, INIT - 0x2000, "swapper/0");
  g->k.mem = fakemem_open (&g->f);
  g->k.space = fakemem_space (&g->f, g->k.mem);
  g->k.arch = arm ? ARCH_ARM64 : ARCH_X86_64;
  g->k.image = (struct ksyms_image){ FAKE_IMAGE, FAKE_IMAGE_LEN };
}

static void
guest_free (struct guest *g)
{
  kernel_learned_free_ (g->k.learned);
  space_free (g->k.space);
  mem_free (g->k.mem);
  fakemem_free (&g->f);
}

static void
is_at (const struct guest *g, enum field f, uint32_t offset)
{
  const struct field_at *at = &g->k.fields.at[f];

  if (at->how != FIELD_INFERRED || at->offset != offset)
    fail_msg ("%s: %u, not %u", field_name (f), at->offset, offset);
}

static void
check_task (const struct guest *g)
{
  is_at (g, TASK_COMM, COMM);
  is_at (g, TASK_TASKS, LIST);
  is_at (g, TASK_PID, PID);
  is_at (g, TASK_TGID, PID + 4);
  is_at (g, TASK_STACK, STACK);
  is_at (g, TASK_STATE, STATE);
  is_at (g, TASK_FLAGS, FLAGS);
  is_at (g, TASK_ON_CPU, ON_CPU);
  is_at (g, TASK_MM, MM);
  is_at (g, TASK_EXIT_STATE, EXIT);
  is_at (g, TASK_PARENT, PARENT);
  is_at (g, TASK_SIGNAL, SIGNAL);
  is_at (g, TASK_THREAD_NODE, NODE);
  is_at (g, SIGNAL_THREAD_HEAD, 16);
  is_at (g, TASK_LAST_ARRIVAL, ARRIVAL);
  is_at (g, TASK_NVCSW, NVCSW);
  is_at (g, TASK_NIVCSW, NVCSW + 8);
}

static void
x86 (void **state)
{
  struct guest g;

  guest_new (&g, false);
  assert_true (fields_infer (&g.k) > 20);
  /* Locks are where they have been for years. */
  assert_int_equal (g.k.fields.at[WAITER_TASK].offset, 16);
  assert_int_equal (g.k.fields.at[MUTEX_WAITERS].offset, 16);
  assert_int_equal (g.k.fields.at[RWSEM_OWNER].offset, 8);
  assert_false (fields_has (&g.k.fields, RT_OWNER));
  check_task (&g);
  is_at (&g, TASK_CPU, CPU);
  is_at (&g, TASK_THREAD_SP, SP);
  is_at (&g, INACTIVE_RET, 48);
  is_at (&g, INACTIVE_BP, 40);
  assert_false (fields_has (&g.k.fields, TASK_THREAD_PC));
  guest_free (&g);
}

/* As 4.4 has it: the stack's end behind a thread_info with the task in it, a
 * pointer before "on a CPU", and no address on the stack to go on at. */
static void
before_4_9 (void **state)
{
  struct guest g;

  guest_new (&g, false);
  for (unsigned i = 0; i < TASKS; i++)
    {
      uint64_t t = g.task[i], at = fakemem_get (&g.f, t + STACK);
      uint64_t sp = fakemem_get (&g.f, t + SP);

      fakemem_u64 (&g.f, at, t);
      fakemem_u64 (&g.f, at + 96, 0x57ac6e9d);
      fakemem_u64 (&g.f, sp + 48, 0);
      fakemem_u64 (&g.f, sp, sp + 128);
      fakemem_u64 (&g.f, sp + 128 + 8, CODE);
      fakemem_u32 (&g.f, t + ON_CPU, 0);
      fakemem_u32 (&g.f, t + FLAGS + 20, i == 5);
      fakemem_u32 (&g.f, t + FLAGS + 24, i % 3);
    }
  assert_true (fields_infer (&g.k) > 20);
  is_at (&g, TASK_STACK, STACK);
  is_at (&g, TASK_ON_CPU, FLAGS + 20);
  is_at (&g, TASK_THREAD_SP, SP);
  is_at (&g, INACTIVE_BP, 0);
  assert_false (fields_has (&g.k.fields, INACTIVE_RET));
  guest_free (&g);

  /* Not one's own. */
  guest_new (&g, false);
  for (unsigned i = 0; i < TASKS; i++)
    {
      uint64_t at = fakemem_get (&g.f, g.task[i] + STACK);

      fakemem_u64 (&g.f, at, g.task[(i + 1) % TASKS]);
      fakemem_u64 (&g.f, at + 96, 0x57ac6e9d);
    }
  assert_int_equal (fields_infer (&g.k), 0);
  guest_free (&g);
}

static void
arm64 (void **state)
{
  struct guest g;

  guest_new (&g, true);
  assert_true (fields_infer (&g.k) > 20);
  check_task (&g);
  is_at (&g, TASK_THREAD_FP, SP);
  is_at (&g, TASK_THREAD_ARM_SP, SP + 8);
  is_at (&g, TASK_THREAD_PC, SP + 16);
  assert_false (fields_has (&g.k.fields, TASK_THREAD_SP));
  guest_free (&g);
}

/* What is known already stays, and is used. */
static void
known_stays (void **state)
{
  struct guest g;

  guest_new (&g, false);
  g.k.fields.at[TASK_MM]
      = (struct field_at){ .offset = 8, .size = 8, .how = FIELD_INFO };
  assert_true (fields_infer (&g.k) > 20);
  assert_int_equal (g.k.fields.at[TASK_MM].offset, 8);
  assert_int_equal (g.k.fields.at[TASK_MM].how, FIELD_INFO);
  guest_free (&g);
}

/* One task that does not fit, and nothing is believed; a member that does not,
 * and only that is not. */
static void
must_prove_itself (void **state)
{
  struct guest g;

  guest_new (&g, false);
  fakemem_u32 (&g.f, g.task[9] + PID, 4711);
  assert_int_equal (fields_infer (&g.k), 0);
  assert_false (fields_has (&g.k.fields, TASK_COMM));
  guest_free (&g);

  guest_new (&g, false);
  for (unsigned i = 0; i < TASKS; i++)
    fakemem_u64 (&g.f, fakemem_get (&g.f, g.task[i] + STACK), 0);
  assert_int_equal (fields_infer (&g.k), 0);
  guest_free (&g);

  guest_new (&g, false);
  fakemem_u32 (&g.f, g.task[9] + STATE, 0x80000000);
  fakemem_u32 (&g.f, g.task[9] + ON_CPU, 2);
  assert_true (fields_infer (&g.k) > 15);
  assert_false (fields_has (&g.k.fields, TASK_STATE));
  assert_false (fields_has (&g.k.fields, TASK_ON_CPU));
  is_at (&g, TASK_FLAGS, FLAGS);
  guest_free (&g);
}

/* Some may be dying. */
static void
dying (void **state)
{
  struct guest g;

  guest_new (&g, false);
  fakemem_u64 (&g.f, g.task[7] + STACK, 0);
  fakemem_u32 (&g.f, g.task[7] + EXIT, 32);
  fakemem_u64 (&g.f, g.task[8] + STACK, 0);
  assert_true (fields_infer (&g.k) > 20);
  is_at (&g, TASK_STACK, STACK);
  is_at (&g, TASK_EXIT_STATE, EXIT);
  guest_free (&g);
}

static void
torn_list (void **state)
{
  struct guest g;

  guest_new (&g, false);
  fakemem_u64 (&g.f, g.task[9] + LIST, 0x1000);
  assert_int_equal (fields_infer (&g.k), 0);
  guest_free (&g);
}

static void
nobody (void **state)
{
  struct guest g;

  guest_new (&g, false);
  memset (fakemem_at (&g.f, INIT + COMM), 'x', 15);
  assert_int_equal (fields_infer (&g.k), 0);
  guest_free (&g);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (x86),       cmocka_unit_test (arm64),
    cmocka_unit_test (before_4_9),
    cmocka_unit_test (known_stays), cmocka_unit_test (must_prove_itself),
    cmocka_unit_test (dying),     cmocka_unit_test (torn_list),
    cmocka_unit_test (nobody),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
