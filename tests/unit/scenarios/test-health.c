/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds and the schedule, by example and by property.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scenarios/scenario.h"

#include <stdio.h>
#include <string.h>

static struct scenario
scenario (int64_t failures, int64_t successes)
{
  struct scenario s = { .interval_ms = 30000,
                        .timeout_ms = 10000,
                        .retry_ms = 5000,
                        .initial_delay_ms = 60000,
                        .failure_threshold = failures,
                        .success_threshold = successes };

  return s;
}

/* o = ok, f = failed, n = no verdict; the health after each: u w s f. */
static void
play (int64_t failures, int64_t successes, const char *outcomes,
      const char *healths)
{
  struct scenario s = scenario (failures, successes);
  struct health_state st = { 0 };
  static const char letters[] = "uwsf";

  for (size_t i = 0; outcomes[i]; i++)
    {
      enum health was = st.health;
      enum health_change change = health_feed (
          &st, &s,
          outcomes[i] == 'o' ? OUTCOME_OK
          : outcomes[i] == 'f' ? OUTCOME_FAILED
                               : OUTCOME_NO_VERDICT,
          1000 * (i + 1));

      if (letters[st.health] != healths[i])
        fail_msg ("%s: after %zu: %c instead of %c", outcomes, i + 1,
                  letters[st.health], healths[i]);
      assert_int_equal (change != HEALTH_SAME, was != st.health);
      if (change != HEALTH_SAME)
        {
          assert_int_equal (st.since_ms, 1000 * (i + 1));
          assert_int_equal (change == HEALTH_BECAME_FAILED,
                            st.health == HEALTH_FAILED);
          assert_int_equal (change == HEALTH_BECAME_WELL,
                            st.health == HEALTH_WELL);
        }
    }
}

static void
test_thresholds (void **state)
{
  play (1, 1, "ofof", "wfwf");
  play (2, 1, "offofo", "wsfwsw");
  play (3, 1, "fffff", "ssfff");
  play (2, 1, "fnfn", "ssff");
  play (2, 1, "nnnn", "uuuu");
  play (2, 1, "ononn", "wwwww");
  play (2, 3, "ffoofooo", "sffffffw");
  play (2, 2, "oofoo", "uwssw");
  /* Failed stays failed while it flaps. */
  play (2, 2, "ffofofoo", "sffffffw");
}

/* xorshift: the same runs each time. */
static uint64_t
next_random (uint64_t *x)
{
  *x ^= *x << 13;
  *x ^= *x >> 7;
  *x ^= *x << 17;
  return *x;
}

static void
test_properties (void **state)
{
  uint64_t seed = 0x9e3779b97f4a7c15;

  for (int round = 0; round < 500; round++)
    {
      struct scenario s
          = scenario ((int64_t) (next_random (&seed) % 4 + 1),
                      (int64_t) (next_random (&seed) % 4 + 1));
      struct health_state st = { 0 };
      int64_t bad = 0, good = 0;

      for (uint64_t t = 1; t <= 100; t++)
        {
          enum outcome o = (enum outcome) (next_random (&seed) % 3);
          enum health was = st.health;

          if (o == OUTCOME_OK)
            good++, bad = 0;
          else if (o == OUTCOME_FAILED)
            bad++, good = 0;
          health_feed (&st, &s, o, t);
          assert_int_equal (st.runs, t);
          /* Becoming failed needs the threshold in a row, and so well. */
          if (st.health == HEALTH_FAILED && was != HEALTH_FAILED)
            assert_true (bad >= s.failure_threshold);
          if (bad >= s.failure_threshold)
            assert_int_equal (st.health, HEALTH_FAILED);
          if (st.health == HEALTH_WELL && was != HEALTH_WELL)
            assert_true (good >= s.success_threshold);
          if (good >= s.success_threshold)
            assert_int_equal (st.health, HEALTH_WELL);
          if (o == OUTCOME_NO_VERDICT)
            assert_int_equal (st.health, was);
        }
    }
}

static void
test_schedule (void **state)
{
  struct scenario s = scenario (2, 1);
  struct health_state st = { 0 };

  /* The first one waits for the guest to boot. */
  assert_int_equal (health_next (&st, &s, 1000, 77), 61000);
  health_feed (&st, &s, OUTCOME_OK, 100200);
  assert_int_equal (health_next (&st, &s, 100000, 77), 130000);
  /* A first failure is confirmed soon, but after the answer. */
  health_feed (&st, &s, OUTCOME_FAILED, 140000);
  assert_int_equal (st.health, HEALTH_SUSPECT);
  assert_int_equal (health_next (&st, &s, 130000, 77), 145000);
  /* Not when the console was busy: nobody is helped by hurrying then. */
  health_feed (&st, &s, OUTCOME_NO_VERDICT, 145100);
  assert_int_equal (health_next (&st, &s, 145000, 77), 175000);
  health_feed (&st, &s, OUTCOME_FAILED, 185000);
  assert_int_equal (st.health, HEALTH_FAILED);
  assert_int_equal (health_next (&st, &s, 175000, 77), 205000);
  /* Confirming never comes later than the next turn would. */
  s.retry_ms = 600000;
  st = (struct health_state){ 0 };
  health_feed (&st, &s, OUTCOME_FAILED, 110000);
  assert_int_equal (health_next (&st, &s, 100000, 77), 130000);
}

static void
test_jitter (void **state)
{
  struct scenario s = scenario (2, 1);
  struct health_state st = { 0 };
  uint64_t seed = 42, least = UINT64_MAX, most = 0;

  s.jitter_ms = 3000;
  health_feed (&st, &s, OUTCOME_OK, 1000);
  for (int i = 0; i < 5000; i++)
    {
      uint64_t next = health_next (&st, &s, 1000, next_random (&seed));

      assert_in_range (next, 31000, 34000);
      least = next < least ? next : least;
      most = next > most ? next : most;
    }
  assert_true (least < 31100 && most > 33900);
}

/* Told once per streak, and only of what could not be asked. */
static void
test_mute (void **state)
{
  static const struct
  {
    const char *code;
    enum outcome outcome;
    bool mute;
  } codes[] = { { "console-timeout", OUTCOME_NO_VERDICT, true },
                { "console-broken", OUTCOME_NO_VERDICT, true },
                { "own-failure", OUTCOME_NO_VERDICT, true },
                { "stuck", OUTCOME_NO_VERDICT, true },
                { "lane-busy", OUTCOME_NO_VERDICT, true },
                { "console-busy", OUTCOME_NO_VERDICT, false },
                { "login-prompt", OUTCOME_NO_VERDICT, false },
                { "own-failure", OUTCOME_FAILED, false },
                { "ok", OUTCOME_OK, false } };
  struct scenario s = scenario (2, 1);

  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
    {
      struct outcome_report r = { .outcome = codes[i].outcome };
      struct outcome_report busy = { .outcome = OUTCOME_NO_VERDICT,
                                     .code = "console-busy" };
      struct outcome_report login = { .outcome = OUTCOME_NO_VERDICT,
                                      .code = "login-prompt" };
      struct health_state st = { 0 };

      snprintf (r.code, sizeof r.code, "%s", codes[i].code);
      for (unsigned round = 0; round < 2; round++)
        {
          for (unsigned n = 1; n <= 9; n++)
            assert_int_equal (
                health_mute (&st, &s, n > 2 && codes[i].mute ? &busy : &r),
                codes[i].mute && n == 6);
          assert_false (health_mute (&st, &s, &login));
        }
    }
}

/* Fed as a binding does, a minute apart: the first that is told, 0 for none. */
static unsigned
excuse_told_at (struct health_state *st, const char *const *codes, size_t n,
                unsigned rounds)
{
  struct scenario s = scenario (2, 1);
  unsigned told = 0;

  for (unsigned i = 0; i < rounds; i++)
    {
      struct outcome_report r = { .outcome = OUTCOME_NO_VERDICT };

      snprintf (r.code, sizeof r.code, "%s", codes[i % n]);
      if (strcmp (r.code, "ok") == 0)
        r.outcome = OUTCOME_OK;
      if (health_take (st, &s, &r, 1000 + i * 60000ull)
          != HEALTH_BECAME_MUTE)
        continue;
      assert_int_equal (told, 0);
      told = i + 1;
    }
  return told;
}

/* A guest that says for a quarter of an hour that it boots, or floods its
 * console, is worth a look: anybody in it can print that. */
static void
test_excuses (void **state)
{
  static const char *const boots[] = { "booting" };
  static const char *const mixed[]
      = { "booting", "console-flooded", "console-busy", "bootloader" };
  static const char *const login[] = { "login-prompt" };
  static const char *const at_times[] = { "booting", "booting", "ok" };
  static const char *const ok[] = { "ok" };
  struct health_state st = { 0 };

  assert_int_equal (excuse_told_at (&st, boots, 1, 100), 16);
  /* Once, until there was an answer. */
  assert_int_equal (excuse_told_at (&st, boots, 1, 100), 0);
  assert_int_equal (excuse_told_at (&st, ok, 1, 1), 0);
  assert_int_equal (excuse_told_at (&st, boots, 1, 100), 16);
  st = (struct health_state){ 0 };
  assert_int_equal (excuse_told_at (&st, mixed, 4, 100), 16);
  st = (struct health_state){ 0 };
  assert_int_equal (excuse_told_at (&st, at_times, 3, 300), 0);
  st = (struct health_state){ 0 };
  assert_int_equal (excuse_told_at (&st, login, 1, 100), 0);
  assert_int_equal (excuse_told_at (&st, ok, 1, 1), 0);
  assert_int_equal (excuse_told_at (&st, login, 1, 100), 16);
}

/* What leaves no doubt is believed the first time, and nothing else is. */
static void
test_sure (void **state)
{
  static const struct
  {
    enum outcome outcome;
    const char *code;
    enum health becomes;
  } all[] = {
    { OUTCOME_FAILED, "panicked", HEALTH_FAILED },
    { OUTCOME_NO_VERDICT, "panicked", HEALTH_UNKNOWN },
    { OUTCOME_FAILED, "ticks-dead", HEALTH_SUSPECT },
    { OUTCOME_FAILED, "no-such-code", HEALTH_SUSPECT },
    { OUTCOME_OK, "ok", HEALTH_WELL },
  };

  for (int64_t threshold = 2; threshold <= 5; threshold++)
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
      {
        struct scenario s = scenario (threshold, 1);
        struct health_state st = { 0 };
        struct outcome_report r = { .outcome = all[i].outcome };

        snprintf (r.code, sizeof r.code, "%s", all[i].code);
        health_take (&st, &s, &r, 1000);
        assert_int_equal (st.health, all[i].becomes);
      }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_thresholds),
    cmocka_unit_test (test_properties),
    cmocka_unit_test (test_schedule),
    cmocka_unit_test (test_jitter),
    cmocka_unit_test (test_mute),
    cmocka_unit_test (test_excuses),
    cmocka_unit_test (test_sure),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
