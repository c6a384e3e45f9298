/* SPDX-License-Identifier: Apache-2.0
 *
 * All tasks: leaders, threads and idle ones, torn and endless lists, states,
 * and what they say of themselves.
 */
#include "tests/lib/fakekernel.h"

#include <errno.h>

static void
read_all (struct fakekernel *f)
{
  struct error err = ERROR_INIT;

  mem_fresh (f->m);
  look_tasks_free (f->tasks);
  f->tasks = NULL;
  if (look_tasks_read (f->k, &f->tasks, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

static void
make (struct fakekernel *f)
{
  fakekernel_new (f);
  fakekernel_with_tasks (f);
  fakekernel_func (f, "schedule");
  fakekernel_func (f, "kthread");
  fakekernel_func (f, "worker_thread");
  f->orc = 3;
  f->orc_told = true;
  fakekernel_plain_rules (f, "kthread");
}

static void
test_all (void **state)
{
  struct fakekernel f;
  uint64_t a, b, c;
  const struct look_task *t;

  make (&f);
  fakekernel_load (&f);
  a = fakekernel_task (&f, 1, "init", 1);
  b = fakekernel_task (&f, 20, "server", 2);
  c = fakekernel_thread (&f, b, 21, "helper", 0);
  fakemem_u64 (&f.mem, b + FAKE_PARENT, a);
  fakemem_u32 (&f.mem, c + FAKE_ON_CPU, 1);
  fakemem_u64 (&f.mem, c + FAKE_NVCSW, 5);
  fakemem_u64 (&f.mem, c + FAKE_NIVCSW, 6);
  fakemem_u64 (&f.mem, c + FAKE_SCHED + FAKE_ARRIVAL, 1234);
  read_all (&f);
  assert_int_equal (f.tasks->n, 4);
  assert_false (f.tasks->damaged);
  assert_string_equal (f.tasks->tasks[0].comm, "swapper/0");
  assert_int_equal (f.tasks->tasks[1].pid, 1);
  assert_int_equal (f.tasks->tasks[2].pid, 20);
  assert_int_equal (f.tasks->tasks[2].parent, 1);
  t = look_task_pid (f.tasks, 21);
  assert_non_null (t);
  assert_int_equal (t->tgid, 20);
  assert_true (t->on_cpu);
  assert_int_equal (t->switches, 11);
  assert_int_equal (t->last_arrival_ns, 1234);
  assert_int_equal (t->cpu, -1);
  assert_ptr_equal (look_task_at (f.tasks, c), t);
  assert_null (look_task_at (f.tasks, c + 8));
  assert_null (look_task_at (f.tasks, 0));
  assert_null (look_task_pid (f.tasks, 22));
  fakekernel_free (&f);
}

static void
test_many (void **state)
{
  struct fakekernel f;
  uint64_t leader;
  unsigned n = 0;

  make (&f);
  fakekernel_load (&f);
  for (int i = 0; i < 20; i++)
    {
      leader = fakekernel_task (&f, 100 + 50 * i, "leader", 1);
      for (int j = 1; j < 50; j++)
        fakekernel_thread (&f, leader, 100 + 50 * i + j, "thread", 1);
    }
  read_all (&f);
  assert_int_equal (f.tasks->n, 1001);
  for (int pid = 100; pid < 1100; pid++)
    n += look_task_pid (f.tasks, pid) != NULL;
  assert_int_equal (n, 1000);
  for (size_t i = 0; i < f.tasks->n; i++)
    assert_ptr_equal (look_task_at (f.tasks, f.tasks->tasks[i].at),
                      &f.tasks->tasks[i]);
  fakekernel_free (&f);
}

/* What is behind the torn place is found from the other end. */
static void
test_torn (void **state)
{
  struct fakekernel f;
  uint64_t t[5];

  make (&f);
  fakekernel_load (&f);
  for (int i = 0; i < 5; i++)
    t[i] = fakekernel_task (&f, 10 + i, "task", 1);
  fakemem_u64 (&f.mem, t[2] + FAKE_TASKS, 0xdead000000000100);
  read_all (&f);
  assert_true (f.tasks->damaged);
  for (int i = 0; i < 5; i++)
    assert_non_null (look_task_pid (f.tasks, 10 + i));
  /* Also at the head. */
  fakemem_u64 (&f.mem, fakekernel_at (&f, "init_task") + FAKE_TASKS, 0);
  read_all (&f);
  assert_true (f.tasks->damaged);
  assert_non_null (look_task_pid (f.tasks, 14));
  fakekernel_free (&f);
}

static void
test_loop (void **state)
{
  struct fakekernel f;
  uint64_t a, b;

  make (&f);
  fakekernel_load (&f);
  a = fakekernel_task (&f, 1, "a", 1);
  b = fakekernel_task (&f, 2, "b", 1);
  /* A list that never comes back to its head. */
  fakemem_u64 (&f.mem, b + FAKE_TASKS, a + FAKE_TASKS);
  fakemem_u64 (&f.mem, a + FAKE_TASKS + 8, b + FAKE_TASKS);
  read_all (&f);
  assert_true (f.tasks->damaged);
  assert_true (f.tasks->n <= 5);
  fakekernel_free (&f);
}

/* Threads of a process that is torn do not take others along. */
static void
test_torn_threads (void **state)
{
  struct fakekernel f;
  uint64_t a, t;

  make (&f);
  fakekernel_load (&f);
  a = fakekernel_task (&f, 1, "a", 1);
  t = fakekernel_thread (&f, a, 2, "t", 1);
  (void) fakekernel_task (&f, 3, "b", 1);
  fakemem_u64 (&f.mem, t + FAKE_THREAD_NODE, 8);
  fakemem_u64 (&f.mem, t + FAKE_THREAD_NODE + 8, 16);
  read_all (&f);
  assert_true (f.tasks->damaged);
  assert_non_null (look_task_pid (f.tasks, 1));
  assert_non_null (look_task_pid (f.tasks, 3));
  /* A signal_struct that is nowhere. */
  fakemem_u64 (&f.mem, a + FAKE_SIGNAL, 0x1000);
  read_all (&f);
  assert_true (f.tasks->damaged);
  assert_non_null (look_task_pid (f.tasks, 3));
  fakekernel_free (&f);
}

static void
test_nothing_known (void **state)
{
  struct fakekernel f;
  struct error err = ERROR_INIT;

  fakekernel_new (&f);
  fakekernel_load (&f);
  assert_int_equal (look_tasks_read (f.k, &f.tasks, &err), -ENOENT);
  assert_non_null (strstr (error_text (&err), "init_task"));
  assert_null (f.tasks);
  fakekernel_free (&f);
}

static void
test_states (void **state)
{
  static const struct
  {
    uint32_t state, exit;
    const char *text;
  } all[] = {
    { 0, 0, "R" },      { 1, 0, "S" },    { 2, 0, "D" },   { 4, 0, "T" },
    { 8, 0, "t" },      { 0, 0x10, "X" }, { 0, 0x20, "Z" }, { 0x40, 0, "P" },
    { 0x402, 0, "I" },  { 0x2001, 0, "S" }, { 0x102, 0, "D" },
    { 0x80, 0x20, "Z" }, { UINT32_MAX, UINT32_MAX, "I" },
  };
  char text[8];

  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    {
      struct look_task t = { .state = all[i].state,
                             .exit_state = all[i].exit };

      assert_string_equal (task_state_text (&t, text), all[i].text);
    }
}

/* A name is the guest's: not ended, not text. */
static void
test_comm (void **state)
{
  struct fakekernel f;
  uint64_t a;

  make (&f);
  fakekernel_load (&f);
  a = fakekernel_task (&f, 1, "", 1);
  fakemem_put (&f.mem, a + FAKE_COMM, "\"\\\033[31mabcdefghijkl", 16);
  fakekernel_look (&f, &section_tasks);
  assert_row (&f, "\"comm\":\"\\\"\\\\");
  assert_no_row (&f, "\033");
  assert_int_equal (strlen (look_task_pid (f.tasks, 1)->comm), 15);
  fakekernel_free (&f);
}

/* ---- its rows ---- */

static void
test_rows (void **state)
{
  struct fakekernel f;
  uint64_t a, b;

  make (&f);
  fakekernel_load (&f);
  f.now_ns = 10000000000;
  a = fakekernel_task (&f, 5, "one", 2);
  b = fakekernel_task (&f, 6, "two", 1);
  fakemem_u64 (&f.mem, a + FAKE_SCHED + FAKE_ARRIVAL, 4000000000);
  fakekernel_sleep (&f, a, "schedule kthread");
  fakekernel_sleep (&f, b, "schedule kthread");
  fakekernel_look (&f, &section_tasks);
  /* One stack of two tasks is told once. */
  assert_int_equal (fakekernel_count (&f, "\"row\":\"stack\""), 1);
  assert_row (&f, "\"frames\":[\"schedule+0x10/0x100\","
                  "\"kthread+0x10/0x100\"],\"end\":\"thread\"");
  assert_row (&f, "\"pid\":5,\"tgid\":5,\"comm\":\"one\",\"state\":\"D\"");
  assert_row (&f, "\"since_s\":6.000");
  assert_int_equal (fakekernel_count (&f, "\"stack\":1"), 2);
  /* Another one is another. */
  fakekernel_sleep (&f, b, "schedule worker_thread kthread");
  fakekernel_look (&f, &section_tasks);
  assert_int_equal (fakekernel_count (&f, "\"row\":\"stack\""), 2);
  assert_row (&f, "\"stack\":2");
  fakekernel_free (&f);
}

/* ---- stacks with numbers ---- */

static void
test_stacks (void **state)
{
  struct fakekernel f;
  struct look l;
  struct stack s = { .n = 1, .nr = UINT64_MAX };

  make (&f);
  fakekernel_load (&f);
  l = (struct look){ .k = f.k, .rows = rows_new (fakekernel_take_, &f, 0),
                     .stacks = stacks_new () };
  s.frames[0].pc = FAKE_TEXT + 1;
  assert_int_equal (stacks_say (&l, &s), 1);
  assert_int_equal (stacks_say (&l, &s), 1);
  s.frames[0].guess = true;
  assert_int_equal (stacks_say (&l, &s), 2);
  s.end = END_LOST;
  assert_int_equal (stacks_say (&l, &s), 3);
  /* More than the first table has places for. */
  for (unsigned i = 0; i < 2000; i++)
    {
      s.frames[0].pc = i;
      assert_int_equal (stacks_say (&l, &s), 4 + i);
    }
  for (unsigned i = 0; i < 2000; i++)
    {
      s.frames[0].pc = i;
      assert_int_equal (stacks_say (&l, &s), 4 + i);
    }
  s.n = 0;
  assert_int_equal (stacks_say (&l, &s), 0);
  /* Without a table they have no numbers. */
  s.n = 1;
  stacks_free (l.stacks);
  l.stacks = NULL;
  assert_int_equal (stacks_say (&l, &s), 0);
  assert_int_equal (rows_flush (l.rows), 0);
  assert_row (&f, "\"frames\":[\"schedule+0x1/0x100\"]");
  assert_row (&f, "\"frames\":[\"? schedule+0x1/0x100\"]");
  rows_free (l.rows);
  fakekernel_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_all),
    cmocka_unit_test (test_many),
    cmocka_unit_test (test_torn),
    cmocka_unit_test (test_loop),
    cmocka_unit_test (test_torn_threads),
    cmocka_unit_test (test_nothing_known),
    cmocka_unit_test (test_states),
    cmocka_unit_test (test_comm),
    cmocka_unit_test (test_rows),
    cmocka_unit_test (test_stacks),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
