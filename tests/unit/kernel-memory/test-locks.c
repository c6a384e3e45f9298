/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for which lock: all kinds of them, owners, several waiters,
 * deadlocks, and stacks that only look like it.
 */
#include "tests/lib/fakekernel.h"

struct bed
{
  struct fakekernel f;
  uint64_t mutex, other, rwsem, sem;
};

#define W_LIST 0
#define W_TASK 16
#define M_OWNER 0
#define M_WAITERS 16
#define R_OWNER 8
#define R_WAITERS 24
#define S_WAITERS 8

/* since_7_1: lists have only waiters in them. */
static void
make_of (struct bed *b, bool since_7_1)
{
  struct fakekernel *f = &b->f;
  static const char *const funcs[]
      = { "schedule",   "__mutex_lock_slowpath", "rwsem_down_write_slowpath",
          "__down_common", "down_read",          "poll",
          "work",       "kthread" };

  memset (b, 0, sizeof *b);
  fakekernel_new (f);
  fakekernel_with_tasks (f);
  fakekernel_type (f, "mutex_waiter", 32, "list@0=list_head task@16:8");
  fakekernel_type (f, "rwsem_waiter", 40,
                   "list@0=list_head task@16:8 type@24:4");
  fakekernel_type (f, "semaphore_waiter", 32, "list@0=list_head task@16:8");
  fakekernel_type (f, "mutex", 32, "owner@0:8 wait_list@16=list_head");
  fakekernel_type (f, "rw_semaphore", 40,
                   since_7_1 ? "count@0:8 owner@8:8 first_waiter@24:8"
                             : "count@0:8 owner@8:8 wait_list@24=list_head");
  fakekernel_type (f, "semaphore", 24, "count@4:4 wait_list@8=list_head");
  for (size_t i = 0; i < sizeof funcs / sizeof funcs[0]; i++)
    fakekernel_func (f, funcs[i]);
  b->mutex = fakekernel_var (f, "a_mutex", 64);
  b->rwsem = fakekernel_var (f, "a_rwsem", 64);
  b->sem = fakekernel_var (f, "a_sem", 64);
  fakekernel_var (f, "another", 64);
  f->orc = 3;
  f->orc_told = true;
  fakekernel_plain_rules (f, "kthread");
  fakekernel_load (f);
  b->other = fakemem_alloc (&f->mem, 64);
  fakemem_list (&f->mem, b->mutex + M_WAITERS);
  fakemem_list (&f->mem, b->other + M_WAITERS);
  fakemem_list (&f->mem, b->rwsem + R_WAITERS);
  fakemem_list (&f->mem, b->sem + S_WAITERS);
}

static void
make (struct bed *b)
{
  make_of (b, false);
}

/* A task that waits in func, with its waiter in this list. */
static uint64_t
waiter (struct bed *b, uint64_t task, const char *func, uint64_t list)
{
  char names[128];
  uint64_t at;

  snprintf (names, sizeof names, "schedule %s work kthread", func);
  at = fakekernel_sleep (&b->f, task, names) + 64;
  fakemem_u64 (&b->f.mem, at + W_TASK, task);
  fakemem_list_add (&b->f.mem, list, at + W_LIST);
  return at;
}

static uint64_t
task (struct bed *b, int pid, const char *comm)
{
  return fakekernel_task (&b->f, pid, comm, 2);
}

static void
own (struct bed *b, uint64_t at, uint64_t task, unsigned flags)
{
  fakemem_u64 (&b->f.mem, at, task | flags);
}

static void
look (struct bed *b)
{
  fakekernel_look (&b->f, &section_locks);
}

static void
test_mutex (void **state)
{
  struct bed b;

  make (&b);
  own (&b, b.mutex + M_OWNER, task (&b, 1, "holder"), 5);
  for (int i = 0; i < 3; i++)
    waiter (&b, task (&b, 10 + i, "waiter"), "__mutex_lock_slowpath",
            b.mutex + M_WAITERS);
  waiter (&b, task (&b, 20, "lonely"), "__mutex_lock_slowpath",
          b.other + M_WAITERS);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 2);
  assert_row (&b.f, "\"name\":\"a_mutex+0x0/");
  assert_row (&b.f, "\"owner\":{\"pid\":1,\"comm\":\"holder\"},\"waiters\":["
                    "{\"pid\":10,\"comm\":\"waiter\"},"
                    "{\"pid\":11,\"comm\":\"waiter\"},"
                    "{\"pid\":12,\"comm\":\"waiter\"}]");
  /* Nobody has it, and it has no name. */
  assert_row (&b.f, "\",\"waiters\":[{\"pid\":20,\"comm\":\"lonely\"}]");
  assert_no_row (&b.f, "deadlock");
  fakekernel_free (&b.f);
}

/* On another processor the stack's pointer is elsewhere in the task. */
static void
test_arm64 (void **state)
{
  struct bed b;
  uint64_t t;

  make (&b);
  own (&b, b.mutex + M_OWNER, task (&b, 1, "holder"), 1);
  t = task (&b, 2, "waiter");
  waiter (&b, t, "__mutex_lock_slowpath", b.mutex + M_WAITERS);
  b.f.k->arch = ARCH_ARM64;
  b.f.k->fields.at[TASK_THREAD_PC]
      = (struct field_at){ .offset = 216, .size = 8 };
  b.f.k->fields.at[TASK_THREAD_FP]
      = (struct field_at){ .offset = 224, .size = 8 };
  b.f.k->fields.at[TASK_THREAD_ARM_SP] = b.f.k->fields.at[TASK_THREAD_SP];
  memset (&b.f.k->fields.at[TASK_THREAD_SP], 0, sizeof (struct field_at));
  fakemem_u64 (&b.f.mem, t + 216,
               fakekernel_at (&b.f, "__mutex_lock_slowpath") + 8);
  look (&b);
  assert_row (&b.f, "\"owner\":{\"pid\":1,\"comm\":\"holder\"},"
                    "\"waiters\":[{\"pid\":2,\"comm\":\"waiter\"}]");
  fakekernel_free (&b.f);
}

static void
test_rwsem (void **state)
{
  struct bed b;
  uint64_t t;

  make (&b);
  t = task (&b, 1, "writer");
  own (&b, b.rwsem + R_OWNER, t, 0);
  waiter (&b, task (&b, 2, "reader"), "down_read", b.rwsem + R_WAITERS);
  waiter (&b, task (&b, 3, "other"), "rwsem_down_write_slowpath",
          b.rwsem + R_WAITERS);
  look (&b);
  assert_row (&b.f, "\"kind\":\"rwsem\"");
  assert_row (&b.f, "\"owner\":{\"pid\":1,\"comm\":\"writer\"}");
  assert_row (&b.f, "[{\"pid\":2,\"comm\":\"reader\"},{\"pid\":3,");
  /* Readers have it: the one that is remembered may be gone. */
  own (&b, b.rwsem + R_OWNER, t, 1);
  look (&b);
  assert_row (&b.f, "\"readers\":true,\"last_reader\":{\"pid\":1,");
  assert_no_row (&b.f, "\"owner\"");
  own (&b, b.rwsem + R_OWNER, 0xffff888000dead00, 1);
  look (&b);
  assert_row (&b.f, "\"readers\":true,\"waiters\"");
  fakekernel_free (&b.f);
}

/* Who waits are all that is in the list; the lock knows one of them. */
static void
test_first_waiter (void **state)
{
  struct bed b;
  uint64_t t, w[2], other;

  make_of (&b, true);
  t = task (&b, 1, "writer");
  own (&b, b.rwsem + R_OWNER, t, 0);
  other = fakemem_alloc (&b.f.mem, 64);
  for (unsigned i = 0; i < 2; i++)
    {
      t = task (&b, 10 + (int) i, "waiter");
      w[i] = fakekernel_sleep (
          &b.f, t, "schedule rwsem_down_write_slowpath work kthread");
      w[i] += 64;
      fakemem_u64 (&b.f.mem, w[i] + W_TASK, t);
      /* What else is on the stack: a lock that nobody waits for. */
      fakemem_u64 (&b.f.mem, w[i] + 64, other);
      fakemem_u64 (&b.f.mem, w[i] + 72, b.rwsem);
    }
  fakemem_list (&b.f.mem, w[0] + W_LIST);
  fakemem_list_add (&b.f.mem, w[0] + W_LIST, w[1] + W_LIST);
  fakemem_u64 (&b.f.mem, b.rwsem + R_WAITERS, w[1]);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 1);
  assert_row (&b.f, "\"kind\":\"rwsem\"");
  assert_row (&b.f, "\"name\":\"a_rwsem+0x0/");
  assert_row (&b.f, "\"owner\":{\"pid\":1,\"comm\":\"writer\"}");
  assert_row (&b.f, "[{\"pid\":10,\"comm\":\"waiter\"},{\"pid\":11,");
  /* Its first waiter is of another list. */
  fakemem_u64 (&b.f.mem, b.rwsem + R_WAITERS, other);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 0);
  fakekernel_free (&b.f);
}

static void
test_semaphore (void **state)
{
  struct bed b;

  make (&b);
  waiter (&b, task (&b, 2, "waiter"), "__down_common", b.sem + S_WAITERS);
  look (&b);
  assert_row (&b.f, "\"kind\":\"semaphore\"");
  assert_row (&b.f, "\"name\":\"a_sem+0x0/");
  assert_no_row (&b.f, "owner");
  fakekernel_free (&b.f);
}

/* Each has what the next one waits for. */
static void
test_deadlock (void **state)
{
  struct bed b;
  uint64_t t1, t2, t3;

  make (&b);
  t1 = task (&b, 1, "one");
  t2 = task (&b, 2, "two");
  t3 = task (&b, 3, "three");
  own (&b, b.mutex + M_OWNER, t1, 1);
  own (&b, b.other + M_OWNER, t2, 1);
  waiter (&b, t1, "__mutex_lock_slowpath", b.other + M_WAITERS);
  waiter (&b, t2, "__mutex_lock_slowpath", b.mutex + M_WAITERS);
  waiter (&b, t3, "__mutex_lock_slowpath", b.mutex + M_WAITERS);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"deadlock\""), 1);
  assert_row (&b.f, "{\"row\":\"deadlock\",\"tasks\":["
                    "{\"pid\":1,\"comm\":\"one\"},"
                    "{\"pid\":2,\"comm\":\"two\"}]}");
  fakekernel_free (&b.f);
}

/* Of many readers only the last is known, who may have gone on long ago. */
static void
test_no_deadlock (void **state)
{
  struct bed b;
  uint64_t t1, t2;

  make (&b);
  t1 = task (&b, 1, "one");
  t2 = task (&b, 2, "two");
  own (&b, b.rwsem + R_OWNER, t1, 1);
  own (&b, b.mutex + M_OWNER, t2, 0);
  waiter (&b, t1, "__mutex_lock_slowpath", b.mutex + M_WAITERS);
  waiter (&b, t2, "rwsem_down_write_slowpath", b.rwsem + R_WAITERS);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 2);
  assert_no_row (&b.f, "deadlock");
  own (&b, b.rwsem + R_OWNER, t1, 0);
  look (&b);
  assert_row (&b.f, "\"row\":\"deadlock\"");
  fakekernel_free (&b.f);
}

/* A task that waits for what it has itself. */
static void
test_itself (void **state)
{
  struct bed b;
  uint64_t t;

  make (&b);
  t = task (&b, 1, "one");
  own (&b, b.mutex + M_OWNER, t, 0);
  waiter (&b, t, "__mutex_lock_slowpath", b.mutex + M_WAITERS);
  look (&b);
  assert_row (&b.f, "\"row\":\"deadlock\",\"tasks\":[{\"pid\":1,"
                    "\"comm\":\"one\"}]");
  fakekernel_free (&b.f);
}

/* Lists that lead nowhere name no lock, and do not go on for ever. */
static void
test_torn (void **state)
{
  struct bed b;
  uint64_t a, c, t;

  make (&b);
  t = task (&b, 1, "one");
  a = waiter (&b, t, "__mutex_lock_slowpath", b.mutex + M_WAITERS);
  fakemem_u64 (&b.f.mem, b.mutex + M_WAITERS + 8, 0x1234);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\""), 0);
  /* Waiters in a ring without a lock. */
  c = waiter (&b, task (&b, 2, "two"), "__mutex_lock_slowpath",
              b.other + M_WAITERS);
  fakemem_list (&b.f.mem, a);
  fakemem_list_add (&b.f.mem, a, c);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\""), 0);
  /* Nor a waiter that is its own neighbour. */
  fakemem_list (&b.f.mem, a);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 0);
  fakekernel_free (&b.f);
}

/* Waiters in a ring that another one leads into. */
static void
test_ring_behind (void **state)
{
  struct bed b;
  uint64_t w[3];

  make (&b);
  for (int i = 0; i < 3; i++)
    w[i] = waiter (&b, task (&b, 1 + i, "one"), "__mutex_lock_slowpath",
                   b.mutex + M_WAITERS);
  /* 0 -> 1 -> 2 -> 1, as somebody may write it. */
  fakemem_u64 (&b.f.mem, w[2], w[1]);
  look (&b);
  assert_no_row (&b.f, "a_mutex");
  fakekernel_free (&b.f);
}

/* Of tasks that wait for something else, or run, nothing is said. */
static void
test_not_waiting (void **state)
{
  struct bed b;
  uint64_t t, u;

  make (&b);
  t = task (&b, 1, "one");
  waiter (&b, t, "poll", b.mutex + M_WAITERS);
  u = task (&b, 2, "two");
  waiter (&b, u, "__mutex_lock_slowpath", b.other + M_WAITERS);
  fakemem_u32 (&b.f.mem, u + FAKE_STATE, 0);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\""), 0);
  /* One that a signal may wake. */
  fakemem_u32 (&b.f.mem, u + FAKE_STATE, 1);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 1);
  fakekernel_free (&b.f);
}

/* What newer kernels write down themselves. */
static void
test_told (void **state)
{
  struct bed b;
  uint64_t t[4];
  static const struct field_at blocker = { .offset = 500, .size = 8 };

  make (&b);
  for (int i = 0; i < 4; i++)
    t[i] = task (&b, 1 + i, "task");
  b.f.k->fields.at[TASK_BLOCKER] = blocker;
  own (&b, b.mutex + M_OWNER, t[3], 2);
  own (&b, b.rwsem + R_OWNER, t[0], 0);
  fakemem_u64 (&b.f.mem, t[0] + 500, b.mutex);
  fakemem_u64 (&b.f.mem, t[1] + 500, b.sem | 1);
  fakemem_u64 (&b.f.mem, t[2] + 500, b.rwsem | 2);
  fakemem_u64 (&b.f.mem, t[3] + 500, b.rwsem | 3);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 3);
  assert_row (&b.f, "\"name\":\"a_mutex+0x0/");
  assert_row (&b.f, "\"kind\":\"semaphore\"");
  assert_row (&b.f, "\"waiters\":[{\"pid\":3,\"comm\":\"task\"},"
                    "{\"pid\":4,\"comm\":\"task\"}]");
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"deadlock\""), 1);
  /* A pointer to a mutex only where it is one. */
  memset (&b.f.k->fields.at[TASK_BLOCKER], 0, sizeof (struct field_at));
  b.f.k->fields.at[TASK_BLOCKED_ON] = blocker;
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 0);
  b.f.k->fields.at[MUTEX_FIRST] = blocker;
  fakemem_u64 (&b.f.mem, t[1] + 500, 0x1000);
  fakemem_u64 (&b.f.mem, t[2] + 500, 0);
  fakemem_u64 (&b.f.mem, t[3] + 500, 0);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 1);
  assert_row (&b.f, "\"owner\":{\"pid\":4,");
  fakekernel_free (&b.f);
}

/* Of locks that lend priority the task itself says which, and they say whose
 * they are; so did older kernels in another type. */
static void
test_priority (void **state)
{
  static const struct field_at blocked = { .offset = 500, .size = 8 },
                               lock = { .offset = 56, .size = 8 },
                               owner = { .offset = 24, .size = 8 };
  struct bed b;
  uint64_t t[3], waiters;

  make (&b);
  for (int i = 0; i < 3; i++)
    t[i] = task (&b, 1 + i, "task");
  b.f.k->fields.at[TASK_PI_BLOCKED] = blocked;
  b.f.k->fields.at[RT_WAITER_LOCK] = lock;
  b.f.k->fields.at[RT_OWNER] = owner;
  waiters = fakemem_alloc (&b.f.mem, 256);
  for (int i = 0; i < 3; i++)
    {
      fakemem_u64 (&b.f.mem, t[i] + 500, waiters + 64 * (uint64_t) i);
      fakemem_u64 (&b.f.mem, waiters + 64 * (uint64_t) i + 56,
                   i == 1 ? b.other : b.mutex);
    }
  own (&b, b.mutex + 24, t[1], 1);
  own (&b, b.other + 24, t[0], 1);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"kind\":\"rtmutex\""), 2);
  assert_row (&b.f, "\"owner\":{\"pid\":2,\"comm\":\"task\"},\"waiters\":["
                    "{\"pid\":1,\"comm\":\"task\"},"
                    "{\"pid\":3,\"comm\":\"task\"}]");
  assert_row (&b.f, "{\"row\":\"deadlock\",\"tasks\":["
                    "{\"pid\":1,\"comm\":\"task\"},"
                    "{\"pid\":2,\"comm\":\"task\"}]}");
  memset (&b.f.k->fields.at[RT_OWNER], 0, sizeof owner);
  look (&b);
  assert_no_row (&b.f, "\"owner\"");
  b.f.k->fields.at[RT_OWNER_OLD] = owner;
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"deadlock\""), 1);
  /* Of who waits for none of them nothing is said. */
  for (int i = 0; i < 3; i++)
    fakemem_u64 (&b.f.mem, t[i] + 500, i == 0 ? 0 : 0x1000);
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 0);
  fakekernel_free (&b.f);
}

/* Thousands that wait for one lock, and thousands in a ring: rows that are
 * too long would be no rows, and with them nothing would be told. */
static void
test_thousands (void **state)
{
  static const struct field_at blocker = { .offset = 500, .size = 8 };
  struct bed b;
  uint64_t t, locks;
  const int n = 1200;

  make (&b);
  b.f.k->fields.at[TASK_BLOCKER] = blocker;
  locks = fakemem_alloc (&b.f.mem, 64 * (size_t) n);
  for (int i = 0; i < n; i++)
    {
      t = task (&b, 1 + i, "\xff\xff\xff\xff\xff\xff\xff");
      fakemem_u64 (&b.f.mem, t + 500, b.mutex);
      own (&b, locks + 64 * (uint64_t) i, t, 0);
    }
  look (&b);
  assert_row (&b.f, "\"more_waiters\":200}");
  assert_true (strlen (b.f.rows) < ROWS_MAX_ROW);
  for (size_t i = 0; i < b.f.tasks->n; i++)
    if (b.f.tasks->tasks[i].pid > 0)
      fakemem_u64 (&b.f.mem, b.f.tasks->tasks[i].at + 500,
                   locks + 64 * (uint64_t) (b.f.tasks->tasks[i].pid % n));
  look (&b);
  assert_row (&b.f, "\"row\":\"deadlock\"");
  assert_row (&b.f, "\"more_tasks\":200}");
  fakekernel_free (&b.f);
}

static void
test_nothing_known (void **state)
{
  struct bed b;

  make (&b);
  waiter (&b, task (&b, 2, "two"), "__mutex_lock_slowpath",
          b.mutex + M_WAITERS);
  memset (&b.f.k->fields.at[WAITER_TASK], 0, sizeof (struct field_at));
  look (&b);
  assert_int_equal (fakekernel_count (&b.f, "\"row\":\"lock\""), 0);
  fakekernel_free (&b.f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_mutex),       cmocka_unit_test (test_rwsem),
    cmocka_unit_test (test_first_waiter), cmocka_unit_test (test_arm64),
    cmocka_unit_test (test_semaphore),   cmocka_unit_test (test_deadlock),
    cmocka_unit_test (test_no_deadlock),
    cmocka_unit_test (test_itself),      cmocka_unit_test (test_torn),
    cmocka_unit_test (test_ring_behind), cmocka_unit_test (test_not_waiting),
    cmocka_unit_test (test_told),        cmocka_unit_test (test_priority),
    cmocka_unit_test (test_nothing_known),
    cmocka_unit_test (test_thousands),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
