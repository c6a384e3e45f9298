/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeats: who is looked for and read and when, and what is told of what
 * was read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/eyes-bed.h"

#include <errno.h>
#include <string.h>

/* ---- who is looked for ---- */

static void
is_found_and_read (void **state)
{
  struct world *w = *state;

  assert_false (look (w).beating);
  until_looked (w, 30000);
  assert_true (look (w).beating);
  assert_int_equal (beater.added, 1);
  /* Once in an interval; and looked for once more, since it may have come up
   * just then. */
  beater.asked = 0;
  loop_advance (w->env.loop, 50000);
  assert_in_range (beater.asked, 4, 6);
  assert_int_equal (looked, 1);
  until_looked (w, 30000);
  assert_int_equal (beater.added, 2);
  assert_int_equal (beater.dropped, 0);
  loop_advance (w->env.loop, 600000);
  assert_int_equal (looked, 2);
}

static void
is_looked_for_ever_more_seldom (void **state)
{
  struct world *w = *state;

  parser_says = ENOENT;
  until_looked (w, 30000);
  assert_string_equal (w->why, "none: no kernel there");
  assert_string_equal (look (w).why, "no kernel there");
  loop_advance (w->env.loop, 25000);
  assert_int_equal (looked, 1);
  until_looked (w, 10000);
  loop_advance (w->env.loop, 55000);
  assert_int_equal (looked, 2);
  until_looked (w, 10000);
  /* Another life is another chance. */
  guest_is (w, 200, GUEST_RUNNING);
  parser_says = 0;
  until_looked (w, 15000);
  assert_true (look (w).beating);
}

static void
is_left_alone (void **state)
{
  struct world *w = *state;

  /* What can't be read will not be. */
  parser_says = EOPNOTSUPP;
  until_looked (w, 30000);
  loop_advance (w->env.loop, 3600000);
  assert_int_equal (looked, 1);
  /* Nor is one that its owner has paused. */
  parser_says = 0;
  guest_is (w, 200, GUEST_PAUSED);
  loop_advance (w->env.loop, 60000);
  assert_int_equal (looked, 1);
  guest_is (w, 200, GUEST_RUNNING);
  until_looked (w, 30000);
  guest_is (w, 200, GUEST_PAUSED);
  beater.asked = 0;
  loop_advance (w->env.loop, 60000);
  assert_int_equal (beater.asked, 0);
  /* And none at all where nobody wants them. */
  guest_is (w, 200, GUEST_RUNNING);
  eyes_interval (w->e, 0);
  loop_advance (w->env.loop, 60000);
  assert_int_equal (beater.asked, 0);
}

/* ---- what is told ---- */

static void
tells_a_death (void **state)
{
  struct world *w = *state;

  lives (w);
  assert_int_equal (look (w).beat->blocked, 3);
  stops (w);
  assert_false (asked_doubt);
  until_looked (w, 15000);
  assert_true (asked_doubt);
  /* It is the same; what is read from then on counts. */
  beats (w, 8400, 5, true);
  assert_string_equal (w->scheduler, "unknown");
  beats (w, 8500, 5, true);
  assert_string_equal (w->scheduler, "dead");
  assert_false (w->panicked);
  assert_non_null (strstr (w->why, "neither switched nor looked at its clock"));
  /* The same again is no news, and nothing to look at. */
  w->told = 0;
  beats (w, 11000, 5, true);
  assert_int_equal (w->told, 0);
  loop_advance (w->env.loop, 50000);
  assert_int_equal (looked, 2);
  beats (w, 12000, 6, true);
  assert_string_equal (w->scheduler, "alive");
}

/* Until it is told it is read more often. */
static void
looks_closer (void **state)
{
  struct world *w = *state;

  lives (w);
  /* Before it is known to be dead already. */
  beats (w, 5600, 5, true);
  beater.asked = 0;
  loop_advance (w->env.loop, 1000);
  assert_in_range (beater.asked, 1, 2);
  stops (w);
  until_looked (w, 15000);
  beats (w, 9000, 5, true);
  assert_string_equal (w->scheduler, "dead");
  loop_advance (w->env.loop, EVERY_MS);
  beater.asked = 0;
  loop_advance (w->env.loop, EVERY_MS);
  assert_int_equal (beater.asked, 1);
}

/* A panic says so itself, once it is seen that this kernel is there still. */
static void
tells_a_panic (void **state)
{
  struct world *w = *state;

  lives (w);
  had.wait_ms = 1;
  panics (w, 6000);
  assert_string_equal (w->scheduler, "unknown");
  assert_false (w->panicked);
  until_looked (w, 15000);
  had.wait_ms = 900000;
  panics (w, 6500);
  assert_true (w->panicked);
  assert_string_equal (w->scheduler, "dead");
}

/* Its clock goes on, and one task has the CPU for twenty seconds. */
static void
tells_a_lockup (void **state)
{
  struct world *w = *state;
  struct beat b = {
    .hz = 250, .cpus = 1, .of_cpus = 1, .panic_cpu = -1, .canary_ok = true,
    .has = 1u << BEAT_TICKS,
    .cpu[0] = { .switches = 5, .running = 2, .has = 0x3f },
  };

  until_looked (w, 30000);
  for (unsigned s = 1; s <= 40; s++)
    {
      b.at_ms = s * 1000;
      b.ticks = 1000 + s * 250;
      b.cpu[0].clock_ns = s * 1000000000ull;
      beater.ops->beat (1, &b, beater.arg);
      assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
      if (s == 15)
        assert_string_not_equal (w->scheduler, "dead");
      had.run_ms += 900;
      if (s == 30)
        until_looked (w, 15000);
    }
  assert_string_equal (w->scheduler, "dead");
  assert_non_null (strstr (w->why, "runs one task for 2"));
}

static void
begins_anew_with_the_kernel (void **state)
{
  struct world *w = *state;

  until_looked (w, 30000);
  beats (w, 1000, 1, true);
  beats (w, 4000, 4, false);
  assert_false (look (w).beating);
  assert_int_equal (beater.dropped, 1);
  until_looked (w, 15000);
  assert_true (look (w).beating);
  /* Also by the first that is read. */
  beats (w, 8000, 8, false);
  assert_false (look (w).beating);
  until_looked (w, 15000);
  /* A clock that falls is another boot's, whatever else is the same. */
  beats (w, 10000, 9, true);
  assert_int_equal (w->anew, 2);
  beats (w, 14000, 2, true);
  assert_false (look (w).beating);
  assert_int_equal (w->anew, 3);
}

/* Who writes another boot there each time he is found costs no parser every
 * five seconds; one that lasted is again as any. */
static void
changes_all_the_time (void **state)
{
  struct world *w = *state;
  unsigned was;

  until_looked (w, 30000);
  for (unsigned i = 0; i < 3; i++)
    {
      beats (w, 1000, 1, false);
      until_looked (w, 7000);
    }
  for (unsigned ms = 10000; ms <= 40000; ms *= 2)
    {
      beats (w, 1000, 1, false);
      was = looked;
      loop_advance (w->env.loop, ms - 1000);
      assert_int_equal (looked, was);
      until_looked (w, 2000);
    }
  until_looked (w, 62000);
  assert_true (look (w).beating);
  beats (w, 90000, 1, false);
  until_looked (w, 7000);
}

static void
outlives_its_reader (void **state)
{
  struct world *w = *state;
  struct error why = ERROR_INIT;

  until_looked (w, 30000);
  beater.here = false;
  beater.ops->lost (0, beater.arg);
  until_looked (w, 15000);
  assert_true (look (w).beating);
  /* Whose memory does not come back is left alone for a while. */
  beater.here = false;
  beater.ops->lost (1, beater.arg);
  assert_int_equal (loop_round (w->env.loop, 0, NULL), 0);
  assert_non_null (strstr (w->why, "does not come back"));
  loop_advance (w->env.loop, 300000);
  assert_int_equal (looked, 2);
  until_looked (w, 400000);
  /* Pages that are gone. */
  error_set (&why, EIO, "pages are gone");
  beater.ops->failed (1, &why, beater.arg);
  assert_false (look (w).beating);
  until_looked (w, 40000);
  assert_true (look (w).beating);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (is_found_and_read),
    T (is_looked_for_ever_more_seldom),
    T (is_left_alone),
    T (tells_a_death),
    T (looks_closer),
    T (tells_a_panic),
    T (tells_a_lockup),
    T (begins_anew_with_the_kernel),
    T (changes_all_the_time),
    T (outlives_its_reader),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
