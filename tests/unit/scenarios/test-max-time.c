/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a right answer may take: said for all kinds at one place, and
 * checked on a kind that says what it is told to.
 */
#include "kind-bed.h"

#include <math.h>

static struct outcome_report says;
static int says_rc;

static int
say (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  if (says_rc < 0)
    return error_set (err, -says_rc, "no");
  *ret = says;
  return 0;
}

static const struct scenario_kind sayer = { .name = "sayer", .ask = say };

static void
answer (uint64_t max_ms, uint64_t took_ms, uint64_t own_ms,
        struct outcome_report *ret)
{
  const struct scenario s = { .kind = &sayer, .max_time_ms = max_ms };
  struct error err = ERROR_INIT;

  says = (struct outcome_report){ .outcome = OUTCOME_OK, .code = "ok",
                                  .sentence = "up 3 days", .value = 0.25,
                                  .way = WAY_ANSWERS, .took_ms = took_ms,
                                  .own_ms = own_ms };
  assert_int_equal (scenario_ask (&s, NULL, NULL, NULL, NULL, ret, &err), 0);
}

static void
test_bound (void **state)
{
  static const struct
  {
    uint64_t max, took, own;
    const char *code;
  } runs[] = {
    { 2000, 0, 0, "ok" },
    { 2000, 2000, 0, "ok" },
    { 2000, 2001, 0, "slow" },
    { 2000, UINT64_MAX, 0, "slow" },
    /* How long hangdog waited for its turn is none of the guest's. */
    { 2000, 9000, 7000, "ok" },
    { 2000, 9000, 6999, "slow" },
    { 2000, 9000, 9500, "ok" },
    { 0, 86400000, 0, "ok" },
  };
  struct outcome_report r;

  for (size_t i = 0; i < ARRAY_LEN (runs); i++)
    {
      answer (runs[i].max, runs[i].took, runs[i].own, &r);
      assert_string_equal (r.code, runs[i].code);
      assert_int_equal (r.outcome, outcome_code_find (r.code)->outcome);
      /* Somebody answered, and what he said is there. */
      assert_int_equal (r.way, WAY_ANSWERS);
      assert_true (r.value == 0.25);
      assert_non_null (strstr (r.sentence, "up 3 days"));
    }
  answer (2000, 2310, 10, &r);
  assert_string_equal (r.sentence, "the answer is right, but took 2300 ms and "
                                   "may take 2s: up 3 days");
}

/* What is wrong, or not known, is not made another thing by its time. */
static void
test_only_right (void **state)
{
  const struct scenario s = { .kind = &sayer, .max_time_ms = 10 };
  struct error err = ERROR_INIT;
  struct outcome_report r;

  says = (struct outcome_report){ .outcome = OUTCOME_FAILED,
                                  .code = "mismatch", .took_ms = 5000 };
  assert_int_equal (scenario_ask (&s, NULL, NULL, NULL, NULL, &r, &err), 0);
  assert_string_equal (r.code, "mismatch");
  says.outcome = OUTCOME_NO_VERDICT;
  assert_int_equal (scenario_ask (&s, NULL, NULL, NULL, NULL, &r, &err), 0);
  assert_int_equal (r.outcome, OUTCOME_NO_VERDICT);
  says_rc = -ENOMEM;
  assert_int_equal (scenario_ask (&s, NULL, NULL, NULL, NULL, &r, &err),
                    -ENOMEM);
  says_rc = 0;
}

/* The bed's agent takes 7 ms for all that it is asked. */
#define EXEC(more)                                                            \
  "{\"name\":\"n\",\"kind\":\"agent-exec\",\"program\":\"/bin/p\"" more "}"
#define BY_AGENT(more)                                                        \
  "{\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"c\","           \
  "\"transports\":[\"agent\"]" more "}"

static void
test_of_kinds (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  expect_run (EXEC (",\"max-time\":\"6ms\""), OUTCOME_FAILED, "slow");
  expect_run (EXEC (",\"max-time\":\"7ms\""), OUTCOME_OK, "ok");
  assert_int_equal (run_by ("agent", BY_AGENT (",\"max-time\":\"6ms\""), &g,
                            &r),
                    0);
  assert_string_equal (r.code, "slow");
  assert_int_equal (run_by ("agent", BY_AGENT (",\"max-time\":\"7ms\""), &g,
                            &r),
                    0);
  assert_string_equal (r.code, "ok");
  fresh ();
  play.status = 3;
  expect_run (EXEC (",\"max-time\":\"6ms\""), OUTCOME_FAILED, "status");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_bound),
    cmocka_unit_test (test_only_right),
    cmocka_unit_test (test_of_kinds),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
