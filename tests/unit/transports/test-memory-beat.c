/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory heartbeat: a stranger's table, reading by it, and what two
 * readings say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "transports/memory/beat.h"

#include "tests/unit/transports/memory-beat-bed.h"

#include <string.h>
#include <sys/mman.h>

/* ---- reading ---- */

static void
test_read (void **state)
{
  struct beat_table *t = NULL;
  struct beat got;
  struct bed b;

  bed_new (&b);
  fill (&b);
  poke64 (&b, (1ull << 32) + 64, 123456789012ull);
  poke64 (&b, LOW + 0x6000, 2048 * 3 / 2);
  poke64 (&b, LOW + 0x6010, 2048 * 7);
  put_cpu (&b, 0, 3, 1000, -2, false, 5000000000ull);
  put_cpu (&b, 1, 0, 2000, 5, true, 6000000000ull);
  assert_int_equal (load (&b, &t), 0);
  /* The banner in two, boot, load with panic, ticks, and each run queue. */
  assert_int_equal (beat_table_reads (t), 7);
  assert_int_equal (beat_read (t, b.fd, &got, NULL), 0);
  assert_true (got.canary_ok);
  assert_int_equal (got.ticks, 123456789012ull);
  assert_int_equal (got.load[0], 150);
  assert_int_equal (got.load[2], 700);
  assert_int_equal (got.blocked, 3);
  assert_int_equal (got.panic_cpu, -1);
  assert_int_equal (got.hz, 250);
  assert_int_equal (got.cpus, 2);
  assert_int_equal (got.cpu[0].running, 3);
  assert_int_equal (got.cpu[0].switches, 1000);
  assert_int_equal (got.cpu[1].clock_ns, 6000000000ull);
  assert_false (got.cpu[0].idle);
  assert_true (got.cpu[1].idle);
  poke64 (&b, LOW + 0x6100, 1);
  assert_int_equal (beat_read (t, b.fd, &got, NULL), 0);
  assert_int_equal (got.panic_cpu, 1);
  beat_table_free (t);
  bed_free (&b);
}

/* Of one that has more CPUs than are told nobody knows how many are blocked. */
static void
test_many_cpus (void **state)
{
  struct beat_table *t = NULL;
  struct beat got;
  struct bed b;

  bed_new (&b);
  fill (&b);
  b.head.cpus = 3;
  assert_int_equal (load (&b, &t), 0);
  assert_int_equal (beat_read (t, b.fd, &got, NULL), 0);
  assert_false (got.has & 1u << BEAT_BLOCKED);
  assert_int_equal (got.of_cpus, 3);
  beat_table_free (t);
  bed_free (&b);
}

static void
test_reboot (void **state)
{
  static const uint64_t where[] = { LOW + 0x1000 - 20, LOW + 0x1010,
                                    LOW + 0x5000 };
  struct beat_table *t = NULL;
  struct beat got;

  for (size_t i = 0; i < ARRAY_LEN (where); i++)
    {
      struct bed b;

      bed_new (&b);
      fill (&b);
      assert_int_equal (load (&b, &t), 0);
      poke (&b, where[i], "x", 1);
      assert_int_equal (beat_read (t, b.fd, &got, NULL), 0);
      assert_false (got.canary_ok);
      beat_table_free (t);
      bed_free (&b);
    }
}

/* The file ends before the memory does: a guest that is shrinking or gone. */
static void
test_short (void **state)
{
  struct beat_table *t = NULL;
  struct error err = ERROR_INIT;
  struct beat got = { .ticks = 42 };
  struct bed b;

  bed_new (&b);
  fill (&b);
  assert_int_equal (load (&b, &t), 0);
  assert_int_equal (ftruncate (b.fd, (off_t) MiB), 0);
  assert_int_equal (beat_read (t, b.fd, &got, &err), -EIO);
  assert_int_equal (got.ticks, 42);
  beat_table_free (t);
  bed_free (&b);
}

/* ---- strangers' tables ---- */

struct bad
{
  const char *name;
  struct beat_entry e; /* added to a table that is good */
  int want;
};

static const struct bad bads[] = {
  { "unknown", { LOW, BEAT_WHATS, 0, 0, 8, 8 }, -EBADMSG },
  { "unknown 255", { LOW, 255, 0, 0, 8, 8 }, -EBADMSG },
  { "CPU of none", { LOW, BEAT_BASE, 1, 0, 8, 8 }, -EBADMSG },
  { "CPU 64", { LOW, BEAT_CLOCK, 64, 0, 8, 8 }, -EBADMSG },
  { "CPU 3 of 2", { LOW, BEAT_CLOCK, 3, 0, 8, 8 }, -EBADMSG },
  { "size", { LOW, BEAT_BASE, 0, 0, 4, 4 }, -EBADMSG },
  { "size 0", { LOW, BEAT_BASE, 0, 0, 0, 0 }, -EBADMSG },
  { "size 255", { LOW, BEAT_BASE, 0, 0, 8, 255 }, -EBADMSG },
  { "length 0", { LOW, BEAT_BASE, 0, 0, 0, 8 }, -EBADMSG },
  { "length", { LOW, BEAT_BASE, 0, 1, 8, 8 }, -EBADMSG },
  { "beyond", { LOW, BEAT_BASE, 0, 8, 1, 8 }, -EBADMSG },
  { "beyond 255", { LOW, BEAT_BASE, 0, 255, 255, 8 }, -EBADMSG },
  { "half", { LOW, BEAT_BASE, 0, 0, 4, 8 }, -EBADMSG },
  { "half of a CPU's", { LOW, BEAT_CLOCK, 1, 0, 4, 8 }, -EBADMSG },
  { "twice", { LOW, BEAT_TICKS, 0, 0, 8, 8 }, -EBADMSG },
  { "other size", { LOW, BEAT_BLOCKED, 1, 0, 8, 8 }, -EBADMSG },
  { "crosses", { LOW + 0x1000 - 4, BEAT_BASE, 0, 0, 8, 8 }, -EBADMSG },
  { "below", { LOW - 8, BEAT_BASE, 0, 0, 8, 8 }, -ERANGE },
  { "between", { LOW + MiB, BEAT_BASE, 0, 0, 8, 8 }, -ERANGE },
  { "behind", { (1ull << 32) + MiB, BEAT_BASE, 0, 0, 8, 8 }, -ERANGE },
  { "last", { UINT64_MAX & ~4095ull, BEAT_BASE, 0, 0, 8, 8 }, -ERANGE },
  { "good", { LOW + MiB - 8, BEAT_BASE, 0, 0, 8, 8 }, 0 },
};

static void
test_bad (void **state)
{
  for (size_t i = 0; i < ARRAY_LEN (bads); i++)
    {
      const struct beat_entry *e = &bads[i].e;
      struct beat_table *t = NULL;
      struct bed b;
      int r;

      bed_new (&b);
      fill (&b);
      /* One CPU's clock and blocked are left free for these. */
      if (e->what == BEAT_CLOCK && e->cpu == 1)
        b.n--;
      if (e->what == BEAT_BLOCKED)
        memset (b.table + BEAT_HEAD + BEAT_ENTRY * 14 + 8, BEAT_CLOCK, 1);
      if (e->what == BEAT_BLOCKED)
        b.n--;
      entry (&b, e->what, e->cpu, e->gpa, e->at, e->len, e->size);
      r = load (&b, &t);
      if (r != bads[i].want)
        fail_msg ("%s: %d", bads[i].name, r);
      beat_table_free (t);
      bed_free (&b);
    }
}

/* Memory that ends within a page: what hangs over its end is not the guest's,
 * though it is in the same page of QEMU. */
static void
test_over_the_end (void **state)
{
  for (unsigned over = 0; over < 8; over++)
    {
      struct beat_table *t = NULL;
      struct bed b;

      bed_new (&b);
      fill (&b);
      b.map.ranges[0].len = MiB - 100;
      entry (&b, BEAT_BASE, 0, LOW + MiB - 108 + over, 0, 8, 8);
      assert_int_equal (load (&b, &t), over ? -ERANGE : 0);
      beat_table_free (t);
      bed_free (&b);
    }
}

static void
test_no_table (void **state)
{
  struct beat_table *t = NULL;
  struct bed b;
  size_t len;

  bed_new (&b);
  assert_int_equal (load (&b, &t), -EBADMSG);
  entry (&b, BEAT_TICKS, 0, LOW, 0, 8, 8);
  assert_int_equal (load (&b, &t), -EBADMSG); /* nothing to know it by */
  b.n = 0;
  fill (&b);
  assert_int_equal (load (&b, &t), 0);
  beat_table_free (t);
  t = NULL;
  len = BEAT_HEAD + BEAT_ENTRY * b.n;
  for (size_t cut = 0; cut < len; cut++)
    assert_int_equal (beat_table_new (b.table, cut, &b.map, -1, &t, NULL),
                      -EBADMSG);
  assert_int_equal (beat_table_new (b.table, len + BEAT_ENTRY, &b.map, -1, &t,
                                    NULL),
                    -EBADMSG);
  b.table[0] ^= 1;
  assert_int_equal (beat_table_new (b.table, len, &b.map, -1, &t, NULL),
                    -EBADMSG);
  assert_null (t);
  bed_free (&b);
}

/* As many values as there may be, each in a page of its own. */
static void
test_too_many (void **state)
{
  struct beat_table *t = NULL;
  struct bed b;
  unsigned page = 0x20;

  bed_new (&b);
  fill (&b);
  b.head.cpus = 64;
  for (unsigned cpu = 2; cpu < 64; cpu++)
    for (unsigned what = BEAT_SWITCHES; what <= BEAT_CLOCK; what += 2)
      entry (&b, what, cpu, LOW + (uint64_t) page++ * 0x1000, 0, 8, 8);
  assert_int_equal (load (&b, &t), 0);
  assert_true (beat_table_reads (t) <= BEAT_MAX_READS);
  assert_true (beat_table_bytes (t) <= BEAT_MAX_BYTES);
  beat_table_free (t);
  t = NULL;
  for (unsigned cpu = 2; cpu < 40; cpu++)
    entry (&b, BEAT_CURR, cpu, LOW + (uint64_t) page++ * 0x1000, 0, 8, 8);
  assert_int_equal (load (&b, &t), -E2BIG);
  bed_free (&b);
}

/* Every byte of a good table, changed to each of some values: refused, or
 * followed without leaving the memory. */
static void
test_spoilt (void **state)
{
  static const unsigned char values[] = { 0, 1, 2, 7, 8, 63, 64, 127, 255 };
  struct bed b;
  unsigned taken = 0;

  bed_new (&b);
  fill (&b);
  for (size_t at = BEAT_HEAD; at < BEAT_HEAD + BEAT_ENTRY * b.n; at++)
    for (size_t v = 0; v < ARRAY_LEN (values); v++)
      {
        unsigned char old = b.table[at];
        struct beat_table *t = NULL;
        struct beat got;

        b.table[at] = values[v];
        if (load (&b, &t) == 0)
          {
            taken++;
            assert_int_equal (beat_read (t, b.fd, &got, NULL), 0);
          }
        beat_table_free (t);
        b.table[at] = old;
      }
  assert_true (taken > 0);
  bed_free (&b);
}

/* ---- two of them ---- */

struct scene
{
  struct beat a, b;
  struct beat_vcpus vcpus;
  struct beat_verdict v;
};

/* Two CPUs that do nothing; b is this much later. */
static void
scene_new (struct scene *s, uint64_t apart)
{
  memset (s, 0, sizeof *s);
  s->a = (struct beat){ .at_ms = 1000,
                        .ticks = 50000,
                        .hz = 250,
                        .cpus = 2,
                        .of_cpus = 2,
                        .panic_cpu = -1,
                        .has = 1u << BEAT_TICKS,
                        .canary_ok = true };
  for (unsigned i = 0; i < 2; i++)
    s->a.cpu[i] = (struct beat_cpu){ .switches = 100,
                                     .clock_ns = 1000,
                                     .idle = true,
                                     .has = (1u << BEAT_PER_CPU) - 1 };
  s->b = s->a;
  s->b.at_ms += apart;
}

static void
works (struct beat *b, unsigned cpu, uint32_t running)
{
  b->cpu[cpu].running = running;
  b->cpu[cpu].idle = false;
}

static void
expect (struct scene *s, enum beat_state vcpu, enum beat_state ticks,
        enum beat_state scheduler)
{
  const struct beat_facet *f[] = { &s->v.vcpu, &s->v.ticks, &s->v.scheduler };
  const enum beat_state want[] = { vcpu, ticks, scheduler };

  beat_compare (&s->a, &s->b, &s->vcpus, &s->v);
  for (unsigned i = 0; i < 3; i++)
    {
      if (f[i]->state != want[i])
        fail_msg ("rung %u: %s, not %s: %s", i + 3,
                  beat_state_names[f[i]->state], beat_state_names[want[i]],
                  f[i]->why);
      assert_true (f[i]->why[0] != '\0');
    }
}

static void
test_well (void **state)
{
  struct scene s;

  scene_new (&s, 1000);
  works (&s.b, 1, 1);
  s.b.ticks += 250;
  s.b.cpu[1].switches += 20;
  s.b.cpu[1].clock_ns += 990000000;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_ALIVE);
  assert_int_equal (s.v.apart_ms, 1000);
  assert_int_equal (s.v.stopped, 0);
}

static void
test_idle (void **state)
{
  struct scene s;

  /* Nothing moves: that may be well, and memory does not tell. */
  scene_new (&s, 5000);
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  s.vcpus.halted = BEAT_YES;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  s.vcpus.irqs_on = BEAT_YES;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_ALIVE);
  s.vcpus.irqs_on = BEAT_NO;
  expect (&s, BEAT_DEAD, BEAT_DEAD, BEAT_DEAD);
  /* CPUs that are not read may be anything. */
  s.vcpus.irqs_on = BEAT_YES;
  s.b.of_cpus = 3;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  /* One of them wakes now and then. */
  scene_new (&s, 5000);
  s.b.ticks += 3;
  s.b.cpu[0].switches += 2;
  s.b.cpu[0].clock_ns += 1000;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_ALIVE);
}

static void
test_stopped (void **state)
{
  struct scene s;

  /* Both spin with interrupts off. */
  scene_new (&s, 3000);
  for (unsigned i = 0; i < 2; i++)
    {
      works (&s.a, i, 2);
      works (&s.b, i, 2);
    }
  expect (&s, BEAT_UNKNOWN, BEAT_DEAD, BEAT_DEAD);
  assert_int_equal (s.v.stopped, 3);
  /* One of them, and the other one goes on. */
  s.b.ticks += 750;
  s.b.cpu[0].switches += 9;
  s.b.cpu[0].clock_ns += 9;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_DEAD);
  assert_int_equal (s.v.stopped, 2);
  assert_non_null (strstr (s.v.scheduler.why, "CPU 1"));
  /* Not for long yet. */
  s.b.at_ms = s.a.at_ms + 1000;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_SLOW);
  assert_int_equal (s.v.stopped, 0);
}

static void
test_woken_and_not_taken (void **state)
{
  struct scene s;

  scene_new (&s, 3000);
  s.a.cpu[1].running = s.b.cpu[1].running = 1;
  s.b.ticks += 700;
  s.b.cpu[0].switches++;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_DEAD);
}

static void
test_locked_up (void **state)
{
  struct scene s;

  /* Ticks are taken, and one task keeps the CPU from three others. */
  scene_new (&s, 3000);
  works (&s.a, 1, 4);
  works (&s.b, 1, 4);
  s.b.ticks += 750;
  s.b.cpu[1].clock_ns += 3000000000ull;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_SLOW);
  s.b.at_ms = s.a.at_ms + 25000;
  s.b.ticks += 6000;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_DEAD);
  /* Alone it may keep it. */
  works (&s.a, 1, 1);
  works (&s.b, 1, 1);
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_ALIVE);
}

static void
test_slow_ticks (void **state)
{
  struct scene s;

  scene_new (&s, 10000);
  for (unsigned i = 0; i < 2; i++)
    {
      works (&s.a, i, 1);
      works (&s.b, i, 1);
      s.b.cpu[i].clock_ns += 10;
      s.b.cpu[i].switches += 1;
    }
  s.b.ticks += 100; /* of 2500 */
  expect (&s, BEAT_ALIVE, BEAT_SLOW, BEAT_ALIVE);
}

static void
test_panicked (void **state)
{
  struct scene s;

  scene_new (&s, 1000);
  s.b.ticks += 250;
  s.b.panic_cpu = 1;
  expect (&s, BEAT_ALIVE, BEAT_ALIVE, BEAT_DEAD);
}

static void
test_says_nothing (void **state)
{
  struct scene s;

  scene_new (&s, 100);
  s.b.ticks += 25;
  s.b.cpu[0].switches++;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  /* Time that goes backwards. */
  s.b.at_ms = 0;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  assert_int_equal (s.v.apart_ms, 0);
  scene_new (&s, 3000);
  s.vcpus.ran = BEAT_NO;
  works (&s.a, 0, 2);
  works (&s.b, 0, 2);
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  assert_false (s.v.rebooted);
  /* Nothing is known of it but its name. */
  scene_new (&s, 3000);
  s.a.has = s.b.has = 0;
  s.a.cpus = s.b.cpus = 0;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  beat_compare (&s.a, &s.b, NULL, &s.v);
}

static void
test_rebooted (void **state)
{
  struct scene s;

  scene_new (&s, 1000);
  s.b.canary_ok = false;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  assert_true (s.v.rebooted);
  scene_new (&s, 1000);
  s.b.ticks = 3;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  assert_true (s.v.rebooted);
  scene_new (&s, 1000);
  s.b.cpu[1].switches = 3;
  expect (&s, BEAT_UNKNOWN, BEAT_UNKNOWN, BEAT_UNKNOWN);
  assert_true (s.v.rebooted);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_read),
    cmocka_unit_test (test_many_cpus),
    cmocka_unit_test (test_reboot),
    cmocka_unit_test (test_short),
    cmocka_unit_test (test_bad),
    cmocka_unit_test (test_over_the_end),
    cmocka_unit_test (test_no_table),
    cmocka_unit_test (test_too_many),
    cmocka_unit_test (test_spoilt),
    cmocka_unit_test (test_well),
    cmocka_unit_test (test_idle),
    cmocka_unit_test (test_stopped),
    cmocka_unit_test (test_woken_and_not_taken),
    cmocka_unit_test (test_locked_up),
    cmocka_unit_test (test_slow_ticks),
    cmocka_unit_test (test_panicked),
    cmocka_unit_test (test_says_nothing),
    cmocka_unit_test (test_rebooted),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
