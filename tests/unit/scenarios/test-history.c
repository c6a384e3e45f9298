/* SPDX-License-Identifier: Apache-2.0
 *
 * What the packed history brings back, and how far it is off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scenarios/history.h"

#include <math.h>
#include <string.h>

static void
test_empty (void **state)
{
  struct history h = { 0 };
  struct history_sum sum;
  struct history_run run;

  history_sum (&h, &sum);
  assert_int_equal (sum.n, 0);
  assert_true (isnan (sum.availability));
  assert_string_equal (sum.text, "");
  assert_int_equal (sum.since_ms, 0);
  assert_false (history_run (&h, 0, &run));
}

/* Whatever it took: not less, and not a quarter more. */
static void
test_took (void **state)
{
  struct history_run run;

  for (uint64_t ms = 0; ms < 110000; ms += 1 + ms / 50)
    {
      struct history h = { 0 };

      history_add (&h, OUTCOME_OK, ms, 1000);
      assert_true (history_run (&h, 0, &run));
      assert_true (run.took_ms >= ms);
      assert_true (run.took_ms <= ms + ms / 4);
      assert_int_equal (h.max_ms, ms);
    }
}

static void
test_times (void **state)
{
  static const uint64_t gaps[] = { 1000, 29989, 1049599, 3600000,
                                 7 * 86400000ull };
  struct history_run run;

  for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++)
    {
      struct history h = { 0 };
      uint64_t now = 5000000;

      for (unsigned i = 0; i < 200; i++)
        history_add (&h, OUTCOME_OK, 1, now += gaps[g]);
      for (unsigned i = 0; i < HISTORY_RUNS; i++)
        {
          uint64_t age = gaps[g] * (HISTORY_RUNS - 1 - i), off;

          assert_true (history_run (&h, i, &run));
          off = run.at_ms > now - age ? run.at_ms - (now - age)
                                      : now - age - run.at_ms;
          assert_true (off <= age / 2000);
        }
      assert_false (history_run (&h, HISTORY_RUNS, &run));
    }
}

static void
test_sums_up (void **state)
{
  struct history h = { 0 };
  struct history_sum sum;

  /* 90 that took 10 ms, of which 26 are forgotten; 9 of 300; one of 8000. */
  for (unsigned i = 0; i < 54; i++)
    history_add (&h, OUTCOME_OK, 10, 1000 * i);
  for (unsigned i = 0; i < 6; i++)
    history_add (&h, OUTCOME_FAILED, 300, 60000 + 1000 * i);
  history_add (&h, OUTCOME_NO_VERDICT, 60000, 70000);
  history_add (&h, OUTCOME_OK, 8000, 71000);
  history_sum (&h, &sum);
  assert_int_equal (sum.n, 62);
  assert_int_equal (sum.ok, 55);
  assert_int_equal (sum.failed, 6);
  assert_int_equal (sum.answered, 61);
  assert_true (fabs (sum.availability - 55.0 / 61) < 1e-9);
  assert_true (sum.p50_ms >= 10 && sum.p50_ms <= 12);
  assert_true (sum.p90_ms >= 300 && sum.p90_ms <= 375);
  assert_int_equal (sum.p99_ms, 8000);
  assert_int_equal (sum.max_ms, 8000);
  assert_int_equal (sum.last_ms, 71000);
  assert_true (sum.since_ms <= 71);
  assert_string_equal (sum.text + 53, "+------?+");
  /* The window moves on; the longest stays. */
  for (unsigned i = 0; i < HISTORY_RUNS; i++)
    history_add (&h, OUTCOME_FAILED, 1, 80000 + i);
  history_sum (&h, &sum);
  assert_int_equal (sum.n, HISTORY_RUNS);
  assert_true (sum.availability == 0);
  assert_int_equal (sum.p99_ms, 1);
  assert_int_equal (sum.max_ms, 8000);
  assert_int_equal (strspn (sum.text, "-"), HISTORY_RUNS);
}

/* Nothing had a verdict; and a clock that stands still. */
static void
test_no_verdicts (void **state)
{
  struct history h = { 0 };
  struct history_sum sum;

  for (unsigned i = 0; i < 100; i++)
    history_add (&h, OUTCOME_NO_VERDICT, 5, 1000);
  history_sum (&h, &sum);
  assert_int_equal (sum.n, HISTORY_RUNS);
  assert_int_equal (sum.answered, 0);
  assert_true (isnan (sum.availability));
  assert_int_equal (sum.p50_ms + sum.p90_ms + sum.p99_ms + sum.max_ms, 0);
  assert_int_equal (sum.since_ms, 1000);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_empty),       cmocka_unit_test (test_took),
    cmocka_unit_test (test_times),       cmocka_unit_test (test_sums_up),
    cmocka_unit_test (test_no_verdicts),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
