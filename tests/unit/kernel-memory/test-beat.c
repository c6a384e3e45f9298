/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a heartbeat, of a kernel that a test has made: every place in
 * it is where the kernel has the value.
 */
#include "tests/lib/fakekernel.h"

#include "kernel/memory/beat.h"

#define CPUS 2
#define RQ_SIZE 0x1000

struct bed
{
  struct fakekernel f;
  uint64_t queues; /* the first CPU's; the next ones follow */
  unsigned char table[BEAT_MAX_TABLE];
  size_t len;
};

static uint64_t
queue_of (const struct bed *b, unsigned cpu)
{
  return b->queues + (uint64_t) cpu * RQ_SIZE;
}

static void
make (struct bed *b, bool canary)
{
  struct fakekernel *f = &b->f;
  uint64_t offsets, mask, rq;

  memset (b, 0, sizeof *b);
  fakekernel_new (f);
  fakekernel_with_tasks (f);
  fakekernel_type (f, "rq", RQ_SIZE,
                   "nr_running@4:4 nr_switches@32:8 nr_uninterruptible@40:4 "
                   "curr@48:8 idle@56:8 clock@2048:8");
  fakekernel_var (f, "jiffies_64", 8);
  fakekernel_var (f, "avenrun", 24);
  fakekernel_var (f, "panic_cpu", 4);
  fakekernel_var (f, "page_offset_base", 8);
  offsets = fakekernel_var (f, "__per_cpu_offset", 64);
  mask = fakekernel_var (f, "__cpu_online_mask", 8);
  fakemem_u32 (&f->mem, fakekernel_var (f, "nr_cpu_ids", 4), CPUS);
  fakemem_u64 (&f->mem, mask, 3);
  rq = fakekernel_symbol (f, "runqueues", FAKE_VARS + 0x80000, 'D');
  b->queues = fakemem_alloc (&f->mem, CPUS * RQ_SIZE);
  for (unsigned i = 0; i < CPUS; i++)
    fakemem_u64 (&f->mem, offsets + 8 * i, queue_of (b, i) - rq);
  fakekernel_load (f);
  /* Over the end of a page, as a banner may be. */
  f->k->banner_at = FAKE_RODATA + 0xff0;
  fakemem_text (&f->mem, f->k->banner_at,
                "Linux version 6.1.0-test, and so on to more than 64 bytes..");
  if (canary)
    f->k->fields.at[TASK_STACK_CANARY]
        = (struct field_at){ .offset = 512, .size = 8, .how = FIELD_BTF };
}

static int
ask (struct bed *b, struct error *err)
{
  return kernel_beat (b->f.k, b->table, &b->len, err);
}

/* What a daemon would read there. */
static unsigned
gather (struct bed *b, unsigned what, unsigned cpu, unsigned char *dst)
{
  unsigned n = 0, entries = (unsigned) beat_get_ (b->table + 8, 2);

  for (unsigned i = 0; i < entries; i++)
    {
      struct beat_entry e
          = beat_get_entry (b->table + BEAT_HEAD + BEAT_ENTRY * i);

      if (e.what != what || e.cpu != cpu)
        continue;
      assert_true (e.gpa % BEAT_PAGE + e.len <= BEAT_PAGE);
      assert_true (e.gpa + e.len <= b->f.mem.size);
      memcpy (dst + e.at, b->f.mem.bytes + e.gpa, e.len);
      n += e.len;
    }
  return n;
}

static uint64_t
value (struct bed *b, unsigned what, unsigned cpu)
{
  unsigned char bytes[BEAT_BANNER_LEN] = { 0 };
  unsigned n = gather (b, what, cpu, bytes);

  assert_true (n == 4 || n == 8);
  return beat_get_ (bytes, n);
}

static void
test_places (void **state)
{
  unsigned char banner[BEAT_BANNER_LEN];
  struct error err = ERROR_INIT;
  struct bed b;

  make (&b, true);
  assert_int_equal (ask (&b, &err), 0);
  assert_true (beat_get_ (b.table, 8) == BEAT_MAGIC);
  assert_int_equal (beat_get_ (b.table + 10, 2), CPUS);
  assert_int_equal (b.len,
                    BEAT_HEAD + BEAT_ENTRY * beat_get_ (b.table + 8, 2));
  /* What changes afterwards is seen at the places that were told. */
  fakemem_u64 (&b.f.mem, fakekernel_at (&b.f, "jiffies_64"), 4711);
  fakemem_u32 (&b.f.mem, fakekernel_at (&b.f, "panic_cpu"), 1);
  fakemem_u64 (&b.f.mem, fakekernel_at (&b.f, "init_task") + 512, 0xc0ffee);
  for (unsigned i = 0; i < CPUS; i++)
    {
      fakemem_u32 (&b.f.mem, queue_of (&b, i) + 4, 7 + i);
      fakemem_u64 (&b.f.mem, queue_of (&b, i) + 32, 100 + i);
      fakemem_u32 (&b.f.mem, queue_of (&b, i) + 40, 200 + i);
      fakemem_u64 (&b.f.mem, queue_of (&b, i) + 48, 300 + i);
      fakemem_u64 (&b.f.mem, queue_of (&b, i) + 56, 400 + i);
      fakemem_u64 (&b.f.mem, queue_of (&b, i) + 2048, 500 + i);
    }
  assert_int_equal (value (&b, BEAT_TICKS, 0), 4711);
  assert_int_equal (value (&b, BEAT_PANIC, 0), 1);
  assert_int_equal (value (&b, BEAT_BOOT, 0), 0xc0ffee);
  for (unsigned i = 0; i < CPUS; i++)
    {
      assert_int_equal (value (&b, BEAT_RUNNING, i), 7 + i);
      assert_int_equal (value (&b, BEAT_SWITCHES, i), 100 + i);
      assert_int_equal (value (&b, BEAT_BLOCKED, i), 200 + i);
      assert_int_equal (value (&b, BEAT_CURR, i), 300 + i);
      assert_int_equal (value (&b, BEAT_IDLE, i), 400 + i);
      assert_int_equal (value (&b, BEAT_CLOCK, i), 500 + i);
    }
  assert_int_equal (gather (&b, BEAT_BANNER, 0, banner), BEAT_BANNER_LEN);
  assert_memory_equal (banner, "Linux version 6.1.0-test", 24);
  fakekernel_free (&b.f);
}

/* The number in the head is that of the bytes at the places. */
static void
test_canary (void **state)
{
  unsigned char bytes[BEAT_CANARY_LEN] = { 0 };
  struct error err = ERROR_INIT;
  struct bed b;
  uint64_t first;

  make (&b, true);
  fakemem_u64 (&b.f.mem, fakekernel_at (&b.f, "init_task") + 512, 1);
  assert_int_equal (ask (&b, &err), 0);
  (void) gather (&b, BEAT_BANNER, 0, bytes);
  (void) gather (&b, BEAT_BOOT, 0, bytes + BEAT_BANNER_LEN);
  (void) gather (&b, BEAT_BASE, 0, bytes + BEAT_BANNER_LEN + 8);
  first = beat_get_ (b.table + 16, 8);
  assert_true (first == beat_hash (bytes));
  fakemem_u64 (&b.f.mem, fakekernel_at (&b.f, "init_task") + 512, 2);
  assert_int_equal (ask (&b, &err), 0);
  assert_true (first != beat_get_ (b.table + 16, 8));
  fakekernel_free (&b.f);
}

static void
test_too_little (void **state)
{
  struct error err = ERROR_INIT;
  struct bed b;

  make (&b, false);
  b.f.k->banner_at = 0;
  assert_int_equal (ask (&b, &err), -ENOENT); /* nothing to know it by */
  fakekernel_free (&b.f);
  make (&b, true);
  b.f.k->fields.at[RQ_SWITCHES].size = 0;
  b.f.k->fields.at[RQ_CLOCK].size = 0;
  assert_int_equal (ask (&b, &err), 0); /* ticks are left */
  /* Of an odd size, or of none that a heartbeat has: left out. */
  b.f.k->fields.at[RQ_RUNNING].size = 3;
  b.f.k->fields.at[RQ_CURR].size = 64;
  assert_int_equal (ask (&b, &err), 0);
  assert_int_equal (gather (&b, BEAT_RUNNING, 0, b.table), 0);
  fakekernel_free (&b.f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_places),
    cmocka_unit_test (test_canary),
    cmocka_unit_test (test_too_little),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
