/* SPDX-License-Identifier: Apache-2.0
 *
 * When a guest flaps, by what its outcomes are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scenarios/scenario.h"

#include <string.h>

struct played
{
  struct health_state st;
  unsigned began, ended;  /* flapping */
  unsigned failed, well;  /* the health */
  unsigned shown;         /* of them, those that came while it did not flap */
};

static void
play (struct played *p, int64_t failures, int64_t successes,
      const char *pattern, unsigned times)
{
  struct scenario s = { .failure_threshold = failures,
                        .success_threshold = successes };

  for (unsigned i = 0; i < times * strlen (pattern); i++)
    {
      char c = pattern[i % strlen (pattern)];
      bool was = p->st.flap.flapping;
      enum health_change change
          = health_feed (&p->st, &s,
                         c == 'o'   ? OUTCOME_OK
                         : c == 'f' ? OUTCOME_FAILED
                                    : OUTCOME_NO_VERDICT,
                         1000 * (p->st.runs + 1));

      p->began += !was && p->st.flap.flapping;
      p->ended += was && !p->st.flap.flapping;
      p->failed += change == HEALTH_BECAME_FAILED;
      p->well += change == HEALTH_BECAME_WELL;
      p->shown += change == HEALTH_BECAME_FAILED && !p->st.flap.flapping;
    }
}

static void
flaps (int64_t failures, int64_t successes, const char *pattern, bool want)
{
  struct played p = { 0 };

  play (&p, failures, successes, pattern, 40);
  if (p.st.flap.flapping != want || p.began != want || p.ended)
    fail_msg ("%s at %d/%d: flapping %d, began %u times, ended %u", pattern,
              (int) failures, (int) successes, p.st.flap.flapping, p.began,
              p.ended);
  assert_int_equal (p.st.flap.times, want);
}

static void
test_patterns (void **state)
{
  flaps (2, 1, "o", false);
  flaps (2, 1, "f", false);
  flaps (1, 1, "of", true);
  flaps (2, 1, "of", true); /* never failed, and yet not well */
  flaps (2, 1, "ffo", true);
  flaps (2, 1, "ffoo", true);
  flaps (3, 1, "fffo", true);
  flaps (5, 1, "fffffo", true);
  flaps (5, 5, "fffffooooo", true);
  /* Seldom enough to be told each time. */
  flaps (2, 1, "ffoooooooooo", false);
  flaps (2, 1, "ffffffoooooo", false);
  flaps (1, 1, "fooooooooo", false);
  /* What has no verdict is no change. */
  flaps (2, 1, "on", false);
  flaps (2, 1, "fn", false);
  flaps (2, 1, "nonfnn", true);
}

static void
test_begins_and_ends (void **state)
{
  struct played p = { 0 };

  play (&p, 2, 1, "o", 30);
  /* A hang, and one more, are two. */
  play (&p, 2, 1, "ff", 1);
  play (&p, 2, 1, "o", 3);
  play (&p, 2, 1, "ff", 1);
  play (&p, 2, 1, "o", 3);
  assert_int_equal (p.began, 0);
  assert_int_equal (p.failed, 2);
  /* All that come after the first few are one. */
  play (&p, 2, 1, "ffo", 100);
  assert_int_equal (p.failed, 102);
  assert_int_equal (p.began, 1);
  assert_true (p.shown <= 6);
  /* It ends by answers as by silence, and not by the first. */
  play (&p, 2, 1, "o", 5);
  assert_int_equal (p.ended, 0);
  play (&p, 2, 1, "o", 15);
  assert_int_equal (p.ended, 1);
  play (&p, 2, 1, "ffo", 20);
  assert_int_equal (p.began, 2);
  play (&p, 2, 1, "f", 20);
  assert_int_equal (p.ended, 2);
  assert_int_equal (p.st.health, HEALTH_FAILED);
  assert_int_equal (p.st.flap.times, 2);
}

/* Between its two bounds nothing changes. */
static void
test_hysteresis (void **state)
{
  struct played p = { 0 };

  play (&p, 1, 1, "ofooo", 20); /* 40 % */
  assert_int_equal (p.began, 0);
  play (&p, 1, 1, "of", 20);
  assert_int_equal (p.began, 1);
  play (&p, 1, 1, "ofooo", 20);
  assert_int_equal (p.ended, 0);
  assert_true (flap_percent (&p.st.flap, 1, 1) > FLAP_ENDS);
  assert_true (flap_percent (&p.st.flap, 1, 1) < FLAP_BEGINS);
}

/* What is new weighs more, and nothing is more than all. */
static void
test_percent (void **state)
{
  struct flap f = { .raw = 1 };

  assert_int_equal (flap_percent (&f, 1, 1), 6);
  f.raw = 1u << (FLAP_OUTCOMES - 1);
  assert_int_equal (flap_percent (&f, 1, 1), 4);
  f.raw = f.hard = (1u << FLAP_OUTCOMES) - 1;
  assert_int_equal (flap_percent (&f, 100, 100), 100);
  assert_int_equal (flap_percent (&f, 1, 1), 100);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_patterns),
    cmocka_unit_test (test_begins_and_ends),
    cmocka_unit_test (test_hysteresis),
    cmocka_unit_test (test_percent),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
