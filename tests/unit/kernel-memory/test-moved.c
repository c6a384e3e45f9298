/* SPDX-License-Identifier: Apache-2.0
 *
 * What moved between two looks: tasks that are stuck or slow, requests, and
 * addresses that are used again.
 */
#include "tests/lib/fakekernel.h"

#include "kernel/memory/moved.h"

struct bed
{
  struct fakekernel f;
  struct moved *m;
  uint64_t stuck, slow;
};

#define D_STATE 2

static void
make (struct bed *b)
{
  memset (b, 0, sizeof *b);
  fakekernel_new (&b->f);
  fakekernel_with_tasks (&b->f);
  fakekernel_load (&b->f);
  b->stuck = fakekernel_task (&b->f, 10, "stuck", D_STATE);
  b->slow = fakekernel_task (&b->f, 11, "slow", D_STATE);
  (void) fakekernel_task (&b->f, 12, "sleeps", 1);
  b->m = moved_new ();
}

static void
done (struct bed *b)
{
  moved_free (b->m);
  fakekernel_free (&b->f);
}

/* One look, with these requests. */
static int
say (struct look *l, struct error *err)
{
  return 0;
}

static void
look (struct bed *b, const uint64_t *starts, unsigned n)
{
  struct error err = ERROR_INIT;
  const struct section none = { .name = "none", .run = say };
  struct look l = { .k = b->f.k, .moved = b->m };

  fakekernel_look (&b->f, &none); /* reads the tasks */
  l.rows = rows_new (fakekernel_take_, &b->f, 0);
  l.tasks = b->f.tasks;
  l.now_ns = 1000;
  for (unsigned i = 0; i < n; i++)
    moved_request (&l, 0x1000 + i, starts[i], "vda\033", 0, i);
  moved_say (&l);
  assert_int_equal (rows_flush (l.rows), 0);
  assert_false (rows_failed (l.rows));
  rows_free (l.rows);
  (void) err;
}

static void
test_tasks (void **state)
{
  struct bed b;

  make (&b);
  look (&b, NULL, 0);
  assert_int_equal (fakekernel_count (&b.f, "moved"), 0); /* nothing before */
  fakemem_u64 (&b.f.mem, b.slow + FAKE_NVCSW, 3);
  moved_apart (b.m, 1500);
  look (&b, NULL, 0);
  assert_row (&b.f, "\"apart_s\":1.500,\"pid\":10,\"comm\":\"stuck\",\"state\":"
                    "\"D\",\"switches\":0,\"stuck\":true");
  assert_row (&b.f, "\"pid\":11,\"comm\":\"slow\",\"state\":\"D\","
                    "\"switches\":3,\"stuck\":false");
  assert_no_row (&b.f, "\"pid\":12"); /* it neither waits so nor ran */
  /* Another task at the same place is not the same. */
  fakemem_u32 (&b.f.mem, b.stuck + FAKE_PID, 99);
  look (&b, NULL, 0);
  assert_no_row (&b.f, "\"comm\":\"stuck\"");
  done (&b);
}

static void
test_requests (void **state)
{
  static const uint64_t first[] = { 5, 6, 7 }, then[] = { 5, 60 };
  struct bed b;

  make (&b);
  look (&b, first, 3);
  look (&b, then, 2);
  assert_int_equal (fakekernel_count (&b.f, "\"what\":\"request\""), 1);
  assert_row (&b.f, "\"disk\":\"vda\\\\e\"");
  assert_row (&b.f, "\"same\":1,\"answered\":2,\"begun\":1");
  look (&b, NULL, 0);
  assert_row (&b.f, "\"same\":0,\"answered\":2,\"begun\":0");
  done (&b);
}

/* vCPUs by their registers; more of them the second time. */
static void
test_vcpus (void **state)
{
  struct vcpu_regs *cpus = calloc (2, sizeof *cpus);
  struct bed b;

  make (&b);
  cpus[0] = fakemem_cpu (&b.f.mem, 0);
  cpus[1] = fakemem_cpu (&b.f.mem, 1);
  b.f.k->cpus = cpus;
  b.f.k->ncpus = 1;
  look (&b, NULL, 0);
  b.f.k->ncpus = 2;
  look (&b, NULL, 0);
  assert_row (&b.f, "\"vcpu\":0,\"pc\":false,\"halted\":true");
  assert_no_row (&b.f, "\"vcpu\":1");
  cpus[1].pc += 2;
  look (&b, NULL, 0);
  assert_row (&b.f, "\"vcpu\":1,\"pc\":true");
  done (&b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_tasks),
    cmocka_unit_test (test_requests),
    cmocka_unit_test (test_vcpus),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
