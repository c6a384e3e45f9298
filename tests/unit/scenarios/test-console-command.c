/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-command: each end of talking, each answer.
 */
#include "kind-bed.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define CC "\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"c\""

static void
test_talk (void **state)
{
  static const struct
  {
    enum ask_end end;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { ASK_OK, OUTCOME_OK, "ok" },
    { ASK_SILENT, OUTCOME_FAILED, "silent" },
    { ASK_NO_ECHO, OUTCOME_FAILED, "no-echo" },
    { ASK_NO_ANSWER, OUTCOME_FAILED, "no-answer" },
    { ASK_XOFF, OUTCOME_FAILED, "xoff" },
    { ASK_LOGIN, OUTCOME_NO_VERDICT, "login-prompt" },
    { ASK_PASSWORD, OUTCOME_NO_VERDICT, "password-prompt" },
    { ASK_BOOTLOADER, OUTCOME_NO_VERDICT, "bootloader" },
    { ASK_BOOTING, OUTCOME_NO_VERDICT, "booting" },
    { ASK_BUSY, OUTCOME_NO_VERDICT, "console-busy" },
    { ASK_TAKEN, OUTCOME_NO_VERDICT, "console-taken" },
    { ASK_ABSENT, OUTCOME_NO_VERDICT, "console-absent" },
    { ASK_FLOODED, OUTCOME_NO_VERDICT, "console-flooded" },
  };

  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.end = ends[i].end;
      play.output = "fine\n";
      expect_run ("{" CC "}", ends[i].outcome, ends[i].code);
      assert_int_equal (play.opened, 1);
      assert_string_equal (play.console, "serial0");
    }
  /* At least half of the time is left for the question itself. */
  assert_in_range (play.open_left, 4000, 5001);
}

static void
test_open_errors (void **state)
{
  static const struct
  {
    int rc;
    const char *code;
  } errors[] = {
    { -EBUSY, "console-busy" },
    { -ENOENT, "console-absent" },
    { -ETIMEDOUT, "console-timeout" },
    { -EROFS, "console-read-only" },
    { -EIO, "console-broken" },
    { -ECANCELED, "console-taken" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t i = 0; i < ARRAY_LEN (errors); i++)
    {
      fresh ();
      play.open_rc = errors[i].rc;
      expect_run ("{" CC "}", OUTCOME_NO_VERDICT, errors[i].code);
    }
  /* Our own failures are no outcome. */
  fresh ();
  play.open_rc = -ENOMEM;
  assert_int_equal (run_on ("{" CC "}", &g, &r), -ENOMEM);
  fresh ();
  play.command_rc = -ENOMEM;
  assert_int_equal (run_on ("{" CC "}", &g, &r), -ENOMEM);
}

/* A console that can't be had because QEMU is stopped, or gone. */
static void
test_process (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;
  struct error err = ERROR_INIT;
  int status;
  pid_t pid = fork ();

  if (pid == 0)
    {
      raise (SIGSTOP);
      _exit (0);
    }
  assert_int_equal (waitpid (pid, &status, WUNTRACED), pid);
  g.inc.pid = pid;
  assert_int_equal (proc_start_time (pid, &g.inc.start_time, &err), 0);
  fresh ();
  play.open_rc = -EBUSY;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "vmm-stopped");
  assert_int_equal (r.outcome, OUTCOME_FAILED);
  /* With an answer nobody asks how the process is. */
  fresh ();
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "ok");
  /* The number is another process's. */
  play.open_rc = -EBUSY;
  g.inc.start_time++;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "vmm-dead");
  g.inc.start_time--;
  kill (pid, SIGKILL);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "vmm-dead");
  /* And a QEMU that runs is just busy. */
  g.inc.pid = getpid ();
  assert_int_equal (proc_start_time (g.inc.pid, &g.inc.start_time, &err), 0);
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "console-busy");
}

static void
test_which_console (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  expect_run ("{" CC ",\"console\":\"serial9\"}", OUTCOME_NO_VERDICT,
              "console-absent");
  expect_run ("{" CC ",\"console\":\"\\u001b[2J\"}", OUTCOME_NO_VERDICT,
              "console-absent");
  g.nconsoles = 1;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "console-read-only");
  g.nconsoles = 0;
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.code, "console-absent");
}

static void
answer (const char *expect, int status, const char *output,
        enum outcome outcome, const char *code)
{
  char text[600];

  fresh ();
  play.status = status;
  play.output = output;
  snprintf (text, sizeof text, "{" CC ",\"expect\":%s}", expect);
  expect_run (text, outcome, code);
}

#define LOAD                                                                  \
  "{\"output\":\"load (?<l>[0-9.x]*)\",\"compare\":[{\"capture\":\"l\","      \
  "\"op\":\"%s\",\"value\":2}]}"

static void
test_answers (void **state)
{
  static const struct
  {
    const char *op, *output, *code;
  } compares[] = {
    { "<", "load 1.5", "ok" },      { "<", "load 2", "compare" },
    { "<=", "load 2.0", "ok" },     { "<=", "load 2.1", "compare" },
    { "==", "load 2", "ok" },       { "==", "load 3", "compare" },
    { "!=", "load 3", "ok" },       { "!=", "load 2", "compare" },
    { ">=", "load 2", "ok" },       { ">=", "load 1", "compare" },
    { ">", "load 3", "ok" },        { ">", "load 2", "compare" },
    { "<", "load 1x", "not-a-number" }, { "<", "load ", "not-a-number" },
    { "<", "nothing", "mismatch" },
  };
  char text[200];

  answer ("{}", 0, "", OUTCOME_OK, "ok");
  answer ("{}", 1, "", OUTCOME_FAILED, "status");
  answer ("{\"status\":3}", 3, "", OUTCOME_OK, "ok");
  answer ("{\"status\":-1}", 77, "\033[2J", OUTCOME_OK, "ok");
  answer ("{\"output\":\"^b$\"}", 0, "a\nb\nc", OUTCOME_OK, "ok");
  answer ("{\"output\":\"^b$\"}", 0, "a\nbc", OUTCOME_FAILED, "mismatch");
  answer ("{\"not-output\":\"err\"}", 0, "no er", OUTCOME_OK, "ok");
  answer ("{\"not-output\":\"err\"}", 0, "\033err", OUTCOME_FAILED,
          "forbidden");
  /* Bytes that are no UTF-8 are still text. */
  answer ("{\"output\":\"b\"}", 0, "\xff\xfe b", OUTCOME_OK, "ok");
  for (size_t i = 0; i < ARRAY_LEN (compares); i++)
    {
      snprintf (text, sizeof text, LOAD, compares[i].op);
      answer (text, 0, compares[i].output,
              strcmp (compares[i].code, "ok") == 0 ? OUTCOME_OK
                                                   : OUTCOME_FAILED,
              compares[i].code);
    }
  /* A guest that answers with what is costly to match is not judged. */
  answer ("{\"output\":\"(a+)+$\"}", 0, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
          OUTCOME_NO_VERDICT, "regex-limit");
}

/* Many lines make one sentence. */
static void
test_one_line (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  play.output = "\r\n one\r\ntwo\n\nthree \r\n";
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.sentence, "one | two | three");
  play.output = " \r\n";
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_string_equal (r.sentence, "");
}

static void
test_value (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;
  char text[400];

  fresh ();
  play.output = "load 1.25";
  snprintf (text, sizeof text, "{" CC ",\"expect\":" LOAD "}", "<");
  assert_int_equal (run_on (text, &g, &r), 0);
  assert_true (r.value == 1.25);
  assert_true (r.shell);
  assert_int_equal (run_on ("{" CC "}", &g, &r), 0);
  assert_true (isnan (r.value));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_talk),
    cmocka_unit_test (test_open_errors),
    cmocka_unit_test (test_which_console),
    cmocka_unit_test (test_process),
    cmocka_unit_test (test_answers),
    cmocka_unit_test (test_value),
    cmocka_unit_test (test_one_line),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
