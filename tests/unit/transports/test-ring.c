/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring: positions, losses, times, resizing, waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transports/console/ring.h"

static char
byte_at (uint64_t pos)
{
  return (char) (pos * 31 + (pos >> 8) * 7);
}

static void
append_pattern (struct ring *r, size_t len, uint64_t ms)
{
  char buf[4096];
  uint64_t pos = ring_head (r);

  assert_true (len <= sizeof buf);
  for (size_t i = 0; i < len; i++)
    buf[i] = byte_at (pos + i);
  ring_append (r, buf, len, ms);
}

/* Reads all there is in odd pieces, checks every byte; returns what was
 * lost. */
static uint64_t
read_check (struct ring *r, uint64_t *pos, size_t piece)
{
  char buf[4096];
  uint64_t lost, all = 0;
  size_t n;

  while ((n = ring_read (r, pos, buf, piece, &lost)) > 0)
    {
      all += lost;
      for (size_t i = 0; i < n; i++)
        assert_int_equal (buf[i], byte_at (*pos - n + i));
    }
  return all;
}

static void
test_reads_what_was_appended (void **state)
{
  struct ring *r;
  uint64_t pos = 0;

  assert_int_equal (ring_new (100, &r, NULL), 0);
  for (unsigned i = 0; i < 200; i++)
    {
      append_pattern (r, i % 90, i);
      assert_int_equal (read_check (r, &pos, 1 + i % 17), 0);
      assert_int_equal (pos, ring_head (r));
    }
  ring_free (r);
}

static void
test_losses_are_exact (void **state)
{
  struct ring *r;
  uint64_t slow = 0, fast = 0, lost;
  char buf[8];

  assert_int_equal (ring_new (64, &r, NULL), 0);
  append_pattern (r, 50, 1);
  assert_int_equal (read_check (r, &fast, 13), 0);
  append_pattern (r, 50, 2);
  assert_int_equal (ring_tail (r), 36);
  assert_int_equal (ring_read (r, &slow, buf, sizeof buf, &lost), 8);
  assert_int_equal (lost, 36);
  assert_int_equal (read_check (r, &fast, 13), 0);
  /* One append larger than the ring: its newest part stays. */
  append_pattern (r, 1000, 3);
  assert_int_equal (ring_head (r), 1100);
  assert_int_equal (ring_tail (r), 1100 - 64);
  assert_int_equal (read_check (r, &fast, 7), 1000 - 64);
  assert_int_equal (ring_read (r, &fast, buf, sizeof buf, &lost), 0);
  assert_int_equal (lost, 0);
  ring_free (r);
}

static void
test_resizing_keeps_the_newest (void **state)
{
  static const size_t sizes[] = { 64, 200, 63, 1, 977, 128, 4000, 16 };
  struct ring *r;
  uint64_t pos, tail;

  assert_int_equal (ring_new (64, &r, NULL), 0);
  for (unsigned i = 0; i < 300; i++)
    {
      append_pattern (r, (i * 37) % 300, i);
      tail = ring_tail (r);
      assert_int_equal (ring_resize (r, sizes[i % 8]), 0);
      assert_true (ring_tail (r) >= tail);
      assert_true (ring_head (r) - ring_tail (r) <= sizes[i % 8]);
      pos = ring_tail (r);
      assert_int_equal (read_check (r, &pos, 11), 0);
      assert_int_equal (pos, ring_head (r));
    }
  ring_free (r);
}

static void
test_growing_loses_nothing (void **state)
{
  struct ring *r;
  uint64_t pos = 0;

  assert_int_equal (ring_new (64, &r, NULL), 0);
  append_pattern (r, 100, 1);
  assert_int_equal (read_check (r, &pos, 64), 36);
  append_pattern (r, 40, 1);
  assert_int_equal (ring_resize (r, 256), 0);
  append_pattern (r, 200, 1);
  assert_int_equal (read_check (r, &pos, 64), 0);
  assert_int_equal (ring_size (r), 256);
  ring_free (r);
}

static void
test_times (void **state)
{
  struct ring_mark marks[RING_MARKS];
  struct ring *r;

  assert_int_equal (ring_new (1024, &r, NULL), 0);
  assert_int_equal (ring_last_ms (r), 0);
  append_pattern (r, 10, 1000);
  append_pattern (r, 10, 1000);
  append_pattern (r, 10, 2000);
  assert_int_equal (ring_time_of (r, 0), 1000);
  assert_int_equal (ring_time_of (r, 19), 1000);
  assert_int_equal (ring_time_of (r, 20), 2000);
  assert_int_equal (ring_last_ms (r), 2000);
  assert_int_equal (ring_marks (r, 5, marks), 2);
  assert_int_equal (marks[0].pos, 5);
  assert_int_equal (marks[0].ms, 1000);
  assert_int_equal (marks[1].pos, 20);
  assert_int_equal (marks[1].ms, 2000);
  assert_int_equal (ring_marks (r, 20, marks), 1);
  assert_int_equal (marks[0].pos, 20);
  assert_int_equal (ring_marks (r, 30, marks), 0);
  for (unsigned i = 0; i < 2 * RING_MARKS; i++)
    append_pattern (r, 1, 3000 + i);
  /* Older than all that is remembered: the oldest remembered. */
  assert_int_equal (ring_time_of (r, 0), 3000 + RING_MARKS);
  assert_int_equal (ring_time_of (r, ring_head (r) - 1),
                    3000 + 2 * RING_MARKS - 1);
  /* Of what is older it is not said when it came. */
  assert_int_equal (ring_marks (r, 0, marks), RING_MARKS);
  assert_int_equal (marks[0].pos, 30 + RING_MARKS);
  ring_free (r);
}

static void
test_waiting_times_out (void **state)
{
  struct ring *r;
  uint64_t start = clock_ms ();

  assert_int_equal (ring_new (64, &r, NULL), 0);
  assert_int_equal (ring_wait (r, 0, start + 20), -ETIMEDOUT);
  assert_true (clock_ms () >= start + 20);
  append_pattern (r, 1, 1);
  assert_int_equal (ring_wait (r, 0, 0), 0);
  assert_int_equal (ring_wait (r, 1, 0), -ETIMEDOUT);
  ring_free (r);
}

static void
test_a_kick_is_not_missed (void **state)
{
  struct ring *r;
  uint64_t kicks;

  assert_int_equal (ring_new (64, &r, NULL), 0);
  kicks = ring_kicks (r);
  ring_kick (r); /* before the wait begins */
  assert_int_equal (ring_wait_kicked (r, 0, &kicks, CLOCK_NEVER), -ECANCELED);
  assert_int_equal (ring_wait_kicked (r, 0, &kicks, 0), -ETIMEDOUT);
  ring_free (r);
}

#define RACE_BYTES (4u << 20)

static void *
writer (void *arg)
{
  struct ring *r = arg;
  uint64_t i = 0;

  while (ring_head (r) < RACE_BYTES)
    {
      append_pattern (r, (size_t) (1 + i * 131 % 3000), i);
      if (i % 64 == 0)
        (void) ring_resize (r, i % 128 ? 65536 : 8192);
      i++;
    }
  return NULL;
}

static void
test_readers_beside_a_writer (void **state)
{
  struct ring *r;
  pthread_t t;
  uint64_t pos = 0, lost = 0;

  assert_int_equal (ring_new (8192, &r, NULL), 0);
  assert_int_equal (pthread_create (&t, NULL, writer, r), 0);
  while (pos < RACE_BYTES)
    {
      assert_int_equal (ring_wait (r, pos, clock_ms () + 60000), 0);
      lost += read_check (r, &pos, 1000);
    }
  pthread_join (t, NULL);
  assert_true (lost < RACE_BYTES);
  ring_free (r);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_reads_what_was_appended),
    cmocka_unit_test (test_losses_are_exact),
    cmocka_unit_test (test_resizing_keeps_the_newest),
    cmocka_unit_test (test_growing_loses_nothing),
    cmocka_unit_test (test_times),
    cmocka_unit_test (test_waiting_times_out),
    cmocka_unit_test (test_a_kick_is_not_missed),
    cmocka_unit_test (test_readers_beside_a_writer),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
