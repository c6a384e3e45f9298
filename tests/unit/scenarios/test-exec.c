/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind exec: what each end of a program means, and what it is told.
 */
#include "kind-bed.h"

#include "transports/exec/exec.h"

#include <math.h>

#define EXEC(extra)                                                           \
  "{\"name\":\"n\",\"kind\":\"exec\",\"program\":\"p\"" extra "}"

static struct
{
  int rc;
  enum exec_end end;
  int status;
  const char *output;
  struct json_object *environ;
  char args[200];
} ran;

int
exec_run (const struct transport_env *env, const struct exec_program *program,
          uint64_t deadline, struct exec_result *ret, struct error *err)
{
  assert_true (deadline > clock_ms ());
  assert_string_equal (program->name, "p");
  json_object_put (ran.environ);
  ran.environ = json_object_get (program->environ);
  ran.args[0] = '\0';
  for (size_t i = 0; i < program->nargs; i++)
    snprintf (ran.args + strlen (ran.args),
              sizeof ran.args - strlen (ran.args), "[%s]", program->args[i]);
  if (ran.rc < 0)
    return error_set (err, -ran.rc, "no helper");
  *ret = (struct exec_result){ .end = ran.end,
                               .status = ran.status,
                               .killed = 3,
                               .output = BUF_INIT (4096),
                               .errors = BUF_INIT (4096) };
  buf_puts (&ret->output, ran.output ? ran.output : "");
  buf_puts (&ret->errors, "sh: bad\033[2J\n");
  snprintf (ret->detail, sizeof ret->detail, "chmod go-w\033[2J it");
  return 0;
}

static void
ends (const char *text, int status, const char *output, enum outcome outcome,
      const char *code, const char *sentence, double value)
{
  struct guest g = guest ();
  struct outcome_report r;

  ran.status = status;
  ran.output = output;
  assert_int_equal (run_on (text, &g, &r), 0);
  if (r.outcome != outcome || strcmp (r.code, code) != 0
      || !strstr (r.sentence, sentence))
    fail_msg ("%d %s: %s %s: %s", status, output, outcome_names[r.outcome],
              r.code, r.sentence);
  if (isnan (value) ? !isnan (r.value) : r.value != value)
    fail_msg ("%s: %g", output, r.value);
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
  assert_int_equal (outcome_code_way (r.code), r.way);
}

static void
test_statuses (void **state)
{
  ran.end = EXEC_EXITED;
  ends (EXEC (), 0, "DISK OK - free 3326 MB | /=2643MB;5948;5958 x=1\nmore\n",
        OUTCOME_OK, "ok", "DISK OK - free 3326 MB", 2643);
  ends (EXEC (), 0, "", OUTCOME_OK, "ok", "", NAN);
  ends (EXEC (), 1, "WARN | t=0.5s", OUTCOME_FAILED, "status",
        "warning: WARN (status 1)", 0.5);
  ends (EXEC (), 2, "down\nx|y=1", OUTCOME_FAILED, "status",
        "down (status 2)", NAN);
  ends (EXEC (), 2, "down | y=U", OUTCOME_FAILED, "status", "down", NAN);
  ends (EXEC (), 2, "down |", OUTCOME_FAILED, "status", "down", NAN);
  ends (EXEC (), 2, "down | =inf", OUTCOME_FAILED, "status", "down", NAN);
  ends (EXEC (), 41, "", OUTCOME_FAILED, "status", "it said nothing", NAN);
  ends (EXEC (), 3, "who knows", OUTCOME_NO_VERDICT, "exec-unknown",
        "who knows", NAN);
  ends (EXEC (), 75, "later", OUTCOME_NO_VERDICT, "exec-unknown", "later",
        NAN);
  ends (EXEC (), 126, "", OUTCOME_NO_VERDICT, "exec-unusable", "sh: bad", NAN);
  ends (EXEC (), 127, "", OUTCOME_NO_VERDICT, "exec-unusable", "sh: bad", NAN);
}

static void
test_expect (void **state)
{
  ran.end = EXEC_EXITED;
  ends (EXEC (",\"expect\":{\"status\":3}"), 3, "three", OUTCOME_OK, "ok",
        "three", NAN);
  ends (EXEC (",\"expect\":{\"status\":3}"), 0, "zero", OUTCOME_FAILED,
        "status", "status 0 instead of 3", NAN);
  ends (EXEC (",\"expect\":{\"status\":-1,\"output\":\"good\"}"), 127, "good",
        OUTCOME_OK, "ok", "good", NAN);
  ends (EXEC (",\"expect\":{\"output\":\"good\"}"), 0, "bad", OUTCOME_FAILED,
        "mismatch", "bad", NAN);
  /* No status given: they mean what they mean. */
  ends (EXEC (",\"expect\":{\"output\":\"good\"}"), 3, "good",
        OUTCOME_NO_VERDICT, "exec-unknown", "good", NAN);
  ends (EXEC (",\"expect\":{\"output\":\"n=(?<n>[0-9]+)\",\"compare\":[{"
              "\"capture\":\"n\",\"op\":\"<\",\"value\":5}]}"),
        0, "n=4 | m=9", OUTCOME_OK, "ok", "n=4", 4);
  ends (EXEC (",\"expect\":{\"output\":\"n=(?<n>[0-9]+)\",\"compare\":[{"
              "\"capture\":\"n\",\"op\":\"<\",\"value\":5}]}"),
        0, "n=6", OUTCOME_FAILED, "compare", "6", 6);
}

static void
test_other_ends (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  ran.end = EXEC_TIMEOUT;
  ends (EXEC (), 0, "x", OUTCOME_FAILED, "timeout",
        "did not end in time, and was ended with 2", NAN);
  ran.end = EXEC_SIGNAL;
  ends (EXEC (), 11, "x", OUTCOME_NO_VERDICT, "exec-unusable", "signal 11",
        NAN);
  ran.end = EXEC_UNUSABLE;
  ends (EXEC (), 0, "x", OUTCOME_NO_VERDICT, "exec-unusable", "chmod go-w",
        NAN);
  ran.end = EXEC_STUCK;
  ends (EXEC (), 0, "x", OUTCOME_NO_VERDICT, "own-failure", "chmod", NAN);
  ran.rc = -EMFILE;
  assert_int_equal (run_on (EXEC (), &g, &r), -EMFILE);
  ran.rc = 0;
}

static const char *
told (const char *key)
{
  const char *s = json_get_str (ran.environ, key);

  return s ? s : "(none)";
}

static void
test_told (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  ran.end = EXEC_EXITED;
  ran.status = 0;
  snprintf (g.display, sizeof g.display, "the\033[2J app\n");
  snprintf (g.inc.uuid, sizeof g.inc.uuid, "0-1");
  g.labels = json_tokener_parse (
      "{\"app.id/x\":\"v\\u001b[2J\",\"n\":4,\"\303\244\":\"u\"}");
  assert_int_equal (
      run_on (EXEC (",\"args\":[\"-w\",\"two words\"],\"timeout\":\"7s\""), &g,
              &r),
      0);
  assert_string_equal (ran.args, "[-w][two words]");
  assert_string_equal (told ("HANGDOG_GUEST"), "vm");
  assert_string_equal (told ("HANGDOG_UUID"), "0-1");
  assert_string_equal (told ("HANGDOG_SCENARIO"), "n");
  assert_string_equal (told ("HANGDOG_TIMEOUT_MS"), "7000");
  assert_string_equal (told ("HANGDOG_QEMU_PID"), "(none)");
  assert_string_equal (told ("HANGDOG_ADDRESS"), "(none)");
  assert_string_equal (told ("HANGDOG_LABEL_N"), "(none)");
  assert_string_equal (told ("HANGDOG_LABEL___"), "u");
  /* Nothing that a terminal acts on. */
  json_object_object_foreach (ran.environ, key, value)
  {
    const char *s = json_object_get_string (value);

    assert_memory_equal (key, "HANGDOG_", 8);
    for (; *s; s++)
      assert_true ((unsigned char) *s >= 0x20);
  }
  assert_true (strstr (told ("HANGDOG_LABEL_APP_ID_X"), "v") != NULL);
  json_object_put (g.labels);
  g.labels = NULL;

  g.inc.pid = 4711;
  g.nnics = 2;
  snprintf (g.nics[1].ip, sizeof g.nics[1].ip, "192.0.2.9");
  assert_int_equal (run_on (EXEC (), &g, &r), 0);
  assert_string_equal (told ("HANGDOG_QEMU_PID"), "4711");
  assert_string_equal (told ("HANGDOG_ADDRESS"), "192.0.2.9");
  json_object_put (ran.environ);
  ran.environ = NULL;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_statuses),
    cmocka_unit_test (test_expect),
    cmocka_unit_test (test_other_ends),
    cmocka_unit_test (test_told),
  };

  return cmocka_run_group_tests_name ("exec", tests, NULL, NULL);
}
