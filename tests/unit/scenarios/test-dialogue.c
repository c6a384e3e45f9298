/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind dialogue: each step that came, or did not.
 */
#include "kind-bed.h"

static void
steps (const char *list, const char *const *script, enum outcome outcome,
       const char *code)
{
  char text[800];

  fresh ();
  play.script = script;
  snprintf (text, sizeof text,
            "{\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":[%s]}", list);
  expect_run (text, outcome, code);
}

#define SCRIPT(...) (const char *const[]) { __VA_ARGS__, NULL }
#define A "{\"name\":\"a\",\"send\":\"1\",\"expect\":[\"x\",\"y\"]}"
#define B "{\"name\":\"b\",\"expect\":[\"z\"]}"
#define B_FAIL "{\"name\":\"b\",\"expect\":[\"z\"],\"fail\":\"it \\u001b burns\"}"

static void
test_steps (void **state)
{
  steps (A, SCRIPT ("0"), OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "1");
  steps (A, SCRIPT ("1"), OUTCOME_OK, "ok");
  steps (A, SCRIPT ("-"), OUTCOME_FAILED, "silent");
  steps (A "," B, SCRIPT ("0", "-"), OUTCOME_FAILED, "mismatch");
  steps (A "," B_FAIL, SCRIPT ("0", "0"), OUTCOME_FAILED, "fail-step");
  steps (A "," B_FAIL, SCRIPT ("0", "-"), OUTCOME_OK, "ok");
  steps (A, SCRIPT ("!"), OUTCOME_NO_VERDICT, "console-taken");
  /* Jumps: over the failing one, to the end, and when nothing came. */
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"c\"}," B_FAIL
         ",{\"name\":\"c\",\"send\":\"3\",\"expect\":[\"w\"]}",
         SCRIPT ("0", "0"), OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "3");
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"end\"}," B_FAIL,
         SCRIPT ("0", "0"), OUTCOME_OK, "ok");
  assert_int_equal (play.at, 1);
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"end\",\"else\":\"c\"},"
         "{\"name\":\"b\",\"send\":\"2\",\"go-to\":\"end\"},"
         "{\"name\":\"c\",\"send\":\"3\",\"go-to\":\"b\"}",
         SCRIPT ("-"), OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "32");
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"end\"},"
         "{\"name\":\"b\",\"send\":\"2\",\"fail\":\"never\"}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"else\":\"b\",\"go-to\":\"end\"}"
         ",{\"name\":\"b\",\"fail\":\"reached\"}",
         SCRIPT ("-"), OUTCOME_FAILED, "fail-step");
}

/* Nothing is typed at a guest that boots, and it has not failed. */
static void
test_boots (void **state)
{
  static const char text[]
      = "{\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":[" A "]}";

  fresh ();
  play.send_rc = -EHOSTDOWN;
  expect_run (text, OUTCOME_NO_VERDICT, "booting");
  assert_string_equal (play.typed, "");
}

/* A circle that always matches ends by its number of steps. */
static void
test_endless (void **state)
{
  static const char *always[1200];

  for (size_t i = 0; i + 1 < ARRAY_LEN (always); i++)
    always[i] = "0";
  steps ("{\"name\":\"a\",\"expect\":[\"x\"],\"go-to\":\"a\",\"else\":\"end\"}",
         always, OUTCOME_FAILED, "endless");
  assert_int_equal (play.at, 1000);
}

static void
test_steps_errors (void **state)
{
  static const char text[]
      = "{\"name\":\"n\",\"kind\":\"dialogue\",\"steps\":[" A "]}";
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  play.script = SCRIPT ("#");
  assert_int_equal (run_on (text, &g, &r), -EIO);
  fresh ();
  play.send_rc = -ETIMEDOUT;
  expect_run (text, OUTCOME_FAILED, "xoff");
  fresh ();
  play.send_rc = -EPIPE;
  expect_run (text, OUTCOME_NO_VERDICT, "console-taken");
  fresh ();
  play.open_rc = -EBUSY;
  expect_run (text, OUTCOME_NO_VERDICT, "console-busy");
}

static void
test_nonce (void **state)
{
  char first[256];

  steps ("{\"name\":\"a\",\"send\":\"echo <${nonce}>\",\"expect\":[\"x\"]}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
  assert_int_equal (strlen (play.typed), strlen ("echo <>") + 16);
  snprintf (first, sizeof first, "%s", play.typed);
  steps ("{\"name\":\"a\",\"send\":\"echo <${nonce}>\",\"expect\":[\"x\"]}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
  assert_string_not_equal (first, play.typed);
  /* What an echo can't be. */
  steps ("{\"name\":\"a\",\"send\":\"printf A%s ${nonce}\\\\r\",\"expect\":"
         "[\"A${nonce}\",\"^${nonce}\"]}",
         SCRIPT ("0"), OUTCOME_OK, "ok");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_steps),
    cmocka_unit_test (test_boots),
    cmocka_unit_test (test_endless),
    cmocka_unit_test (test_steps_errors),
    cmocka_unit_test (test_nonce),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
