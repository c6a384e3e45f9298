/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands of several lines, which a shell is asked to read: it is left behind
 * at a prompt, whatever happens, and runs nothing but the whole of them.
 */
#include "session-bed.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char *const shells[]
    = { "/bin/bash", "/bin/dash", "/bin/busybox", "/usr/bin/busybox" };

/* The test with each shell that is here, on a pty that echoes. */
static void
with_each (void (*test) (struct scene *s))
{
  struct scene s;

  for (unsigned i = 0; i < ARRAY_LEN (shells); i++)
    {
      struct fakecons_config cfg = { .shell = shells[i] };

      if (access (shells[i], X_OK) != 0
          || (i == 3 && access (shells[2], X_OK) == 0))
        continue;
      scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
      expect_ok (&s, "echo hello", "hello\n", 0);
      test (&s);
      scene_end (&s);
    }
}

static void
person_types (struct scene *s, const char *keys)
{
  struct lease *l;

  assert_int_equal (scene_lease (s, LEASE_PERSON, false, UNTIL_MS, &l), 0);
  assert_int_equal (lease_write (l, keys, strlen (keys), clock_ms () + UNTIL_MS,
                                 NULL),
                    0);
  lease_free (l);
}

/* ---- a shell that is busy until dir/go is there ---- */

static void
make_busy (struct scene *s, const char *before, const char *after)
{
  char line[300];

  snprintf (line, sizeof line, " %secho bu$((1))sy; until [ -e %s/go ]; do "
            "sleep 0.02; done%s\r", before, s->tmp.path, after);
  person_types (s, line);
  assert_true (scene_wait_said (s, "bu1sy", UNTIL_MS));
}

static void
let_go (struct scene *s)
{
  char path[200];
  FILE *f;

  snprintf (path, sizeof path, "%s/go", s->tmp.path);
  f = fopen (path, "w");
  assert_non_null (f);
  fclose (f);
}

static void
expect_no_answer (struct scene *s, const char *command)
{
  struct command_result ret;

  assert_int_equal (ask (s, 0, LEASE_SCENARIO, command, 300, &ret), 0);
  if (ret.end != ASK_NO_ANSWER)
    fail_msg ("end %d: %s", ret.end, ret.detail);
  command_result_done (&ret);
}

#define LINES "echo on$((1))e\necho two"

/* What was typed is taken back, before the shell comes to it. */
static void
taken_back (struct scene *s)
{
  make_busy (s, "", "");
  expect_no_answer (s, LINES);
  assert_true (scene_wait_said (s, "^C", UNTIL_MS));
  let_go (s);
  expect_ok (s, "echo hello", "hello\n", 0);
  assert_false (scene_said (s, ":R\r\n"));
}

static void
test_unread_lines_are_taken_back (void **state)
{
  with_each (taken_back);
}

/* It could not be: the shell asks for its lines when nobody types them. */
static void
asked_late (struct scene *s)
{
  /* Not readline, which does not come to terms with such a terminal. */
  if (scene_said (s, "\x1b[?2004h"))
    return;
  make_busy (s, "stty -isig; ", "; stty isig");
  expect_no_answer (s, LINES);
  let_go (s);
  assert_true (scene_wait_said (s, ":R\r\n", UNTIL_MS));
  expect_ok (s, "echo hello", "hello\n", 0);
  expect_ok (s, LINES, "on1e\ntwo\n", 0);
  /* Once: it is a shell as before. */
  expect_ok (s, "echo hello", "hello\n", 0);
}

static void
test_a_slow_shell_asks_too_late (void **state)
{
  with_each (asked_late);
}

/* ---- lines that never come, or others ---- */

static enum typing
only_once (void *arg, const char *uuid, const char *console, char *what,
           size_t n)
{
  return (*(unsigned *) arg)++ == 0 ? TYPING_FREE : TYPING_BOOTING;
}

/* The shell reads, and is told nothing. */
static void
leave_it_reading (struct scene *s)
{
  uint64_t until = clock_ms () + UNTIL_MS;
  struct command_result ret;
  char uuid[UUID_TEXT];
  struct session *ses;
  unsigned typed = 0;

  assert_int_equal (session_open (s->w.hub,
                                  hubworld_uuid (0, uuid, sizeof uuid),
                                  "serial0", LEASE_SCENARIO, "test", until,
                                  &ses, NULL),
                    0);
  session_guard (ses, only_once, &typed);
  assert_int_equal (session_command (ses, LINES, until, &ret, NULL), 0);
  session_close (ses);
  assert_int_equal (ret.end, ASK_BOOTING);
  command_result_done (&ret);
}

#define FOREIGN "echo fo$((1))reign\r"

static void
foreign (struct scene *s)
{
  leave_it_reading (s);
  person_types (s, FOREIGN FOREIGN FOREIGN FOREIGN "echo hal$((1))f");
  expect_ok (s, "echo hello", "hello\n", 0);
  /* The end of the input is no end of the lines. */
  leave_it_reading (s);
  person_types (s, FOREIGN "\x04");
  expect_ok (s, "echo hello", "hello\n", 0);
  assert_false (scene_said (s, "fo1reign"));
  assert_false (scene_said (s, "hal1f"));
}

static void
test_foreign_lines_are_not_executed (void **state)
{
  with_each (foreign);
}

/* ---- shells that lack something ---- */

static void
no_programs (struct scene *s)
{
  expect_ok (s, "PATH=/nowhere", "", 0);
  expect_ok (s, "echo '  a\\n  b'|while IFS= read -r l; do echo \"$l\"; done\n"
                "set -u; echo -n\nfalse", NULL, 1);
  expect_ok (s, LINES, "on1e\ntwo\n", 0);
}

static void
test_no_program_is_needed (void **state)
{
  with_each (no_programs);
}

static void
cannot_read (struct scene *s)
{
  struct command_result ret;

  expect_ok (s, "read() { return 1; }; alias eval=false printf=printf", "", 0);
  assert_int_equal (ask (s, 0, LEASE_SCENARIO, LINES, 3600000, &ret), 0);
  if (ret.end != ASK_CANT)
    fail_msg ("end %d: %s", ret.end, ret.detail);
  command_result_done (&ret);
  expect_ok (s, "unset -f read", "", 0);
  expect_ok (s, LINES, "on1e\ntwo\n", 0);
}

static void
test_a_shell_that_does_not_read (void **state)
{
  with_each (cannot_read);
}

/* What is typed at the shell's editor fits into busybox's. */
static void
test_the_frame_is_short (void **state)
{
  size_t one = session_command_typed ("a\nb");

  assert_in_range (one, 1, 500);
  assert_int_equal (session_command_typed ("a\nb\nc"), one + 2);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_unread_lines_are_taken_back),
    cmocka_unit_test (test_a_slow_shell_asks_too_late),
    cmocka_unit_test (test_foreign_lines_are_not_executed),
    cmocka_unit_test (test_no_program_is_needed),
    cmocka_unit_test (test_a_shell_that_does_not_read),
    cmocka_unit_test (test_the_frame_is_short),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
