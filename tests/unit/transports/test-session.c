/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialogues: commands framed by a nonce, against shells, quiet and under
 * noise, and how a dialogue is lost.
 */
#include "session-bed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* ---- shells ---- */

static void
shell_answers (struct fakecons_config *cfg, enum console_mode mode)
{
  struct scene s;

  scene_begin (&s, cfg, mode, NULL);
  for (unsigned i = 0; i < 5; i++)
    expect_ok (&s, "uptime", UPTIME, 0);
  expect_ok (&s, "false", "", 1);
  expect_ok (&s, "echo a 'b  c'; echo", "a b  c\n\n", 0);
  expect_ok (&s, "nosuch", "-sh: nosuch: not found\n", 127);
  expect_ok (&s, "printf 'no line end'", "no line end", 0);
  expect_ok (&s, "uptime ; ", UPTIME, 0);
  scene_end (&s);
}

static void
test_shell_on_a_socket (void **state)
{
  struct fakecons_config cfg = { .n = 1 };

  shell_answers (&cfg, CONSOLE_HOLD);
}

static void
test_shell_on_a_pty (void **state)
{
  struct fakecons_config cfg = { .pty = true, .cooked = true };

  shell_answers (&cfg, CONSOLE_HOLD);
}

static void
test_shell_in_probe_mode (void **state)
{
  struct fakecons_config cfg = { .n = 1 };

  shell_answers (&cfg, CONSOLE_PROBE);
}

static void
test_shell_byte_by_byte_with_wraps (void **state)
{
  struct fakecons_config cfg = { .bytewise = true, .wrap = true };

  shell_answers (&cfg, CONSOLE_HOLD);
}

static void
test_shell_without_echo (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_NOECHO };

  shell_answers (&cfg, CONSOLE_HOLD);
}

static void
test_real_shells (void **state)
{
  static const char *const shells[]
      = { "/bin/bash", "/bin/dash", "/bin/busybox", "/usr/bin/busybox" };
  char line[1600];
  struct scene s;

  for (unsigned i = 0; i < 4; i++)
    for (unsigned pty = 0; pty < 2; pty++)
      {
        struct fakecons_config cfg
            = { .shell = shells[i], .pty = pty, .wrap = false };

        if (access (shells[i], X_OK) != 0)
          continue;
        scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
        expect_ok (&s, "echo hello", "hello\n", 0);
        expect_ok (&s, "uptime", NULL, 0);
        expect_ok (&s, "sh -c 'exit 7'", "", 7);
        expect_ok (&s, "echo this line is much longer than the eighty columns "
                       "of the terminal so that the line editor has to wrap "
                       "or to scroll it while it is typed",
                   NULL, 0);
        expect_ok (&s, "printf abc", "abc", 0);
        /* Several lines, of which one is more than a line editor takes; what
         * they hold is no output. */
        memset (line + sprintf (line, "(echo one\necho "), 'x', 1500);
        strcpy (strchr (line, 'x') + 1500, "|wc -c\nexit 3)");
        expect_ok (&s, line, "one\n1501\n", 3);
        expect_ok (&s, "echo 'a\nb'\n\necho \"$((1+1))\"", "a\nb\n2\n", 0);
        expect_ok (&s, "true &", NULL, 0);
        scene_end (&s);
      }
}

/* Half a line that a person left there is not executed. */
static void
test_half_a_line_is_not_executed (void **state)
{
  static const char *const shells[] = { NULL, "/bin/bash", "/bin/dash",
                                        "/bin/busybox", "/usr/bin/busybox" };
  struct scene s;
  char uuid[UUID_TEXT], half[160];

  for (unsigned i = 0; i < 5; i++)
    {
      struct fakecons_config cfg = { .shell = shells[i] };
      struct lease *l;

      if (shells[i] && access (shells[i], X_OK) != 0)
        continue;
      scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
      expect_ok (&s, "echo hello", "hello\n", 0);
      snprintf (half, sizeof half, "touch %s/executed", s.tmp.path);
      assert_int_equal (hub_lease (s.w.hub,
                                   hubworld_uuid (0, uuid, sizeof uuid),
                                   "serial0", LEASE_PERSON, "person", false,
                                   clock_ms () + UNTIL_MS, &l, NULL),
                        0);
      assert_int_equal (
          lease_write (l, half, strlen (half), clock_ms () + UNTIL_MS, NULL),
          0);
      /* The cursor in the middle of it, where there is a line editor. */
      if (shells[i] && !strstr (shells[i], "dash"))
        assert_int_equal (lease_write (l, "\x1b[D\x1b[D\x1b[D", 9,
                                       clock_ms () + UNTIL_MS, NULL),
                          0);
      lease_free (l);
      expect_ok (&s, "echo hello", "hello\n", 0);
      expect_ok (&s, "echo hello", "hello\n", 0);
      snprintf (half, sizeof half, "%s/executed", s.tmp.path);
      assert_int_equal (access (half, F_OK), -1);
      scene_end (&s);
    }
}

/* ---- noise ---- */

static void
noisy (struct fakecons_config *cfg, unsigned dialogues)
{
  struct scene s;
  struct command_result ret;
  bool saw_kernel = false;

  scene_begin (&s, cfg, CONSOLE_HOLD, NULL);
  for (unsigned i = 0; i < dialogues; i++)
    {
      assert_int_equal (ask (&s, 0, LEASE_SCENARIO, "uptime", UNTIL_MS, &ret),
                        0);
      if (ret.end != ASK_OK)
        fail_msg ("dialogue %u: end %d: %s", i, ret.end, ret.detail);
      assert_int_equal (ret.status, 0);
      assert_non_null (strstr (buf_str (&ret.output), "load average"));
      if (cfg->weave)
        assert_string_equal (buf_str (&ret.output), UPTIME);
      saw_kernel |= ret.kernel.len > 0
                    && strncmp (buf_str (&ret.kernel), "[", 1) == 0;
      command_result_done (&ret);
    }
  assert_int_equal (saw_kernel, cfg->weave);
  scene_end (&s);
}

static void
test_kernel_lines_at_any_byte (void **state)
{
  struct fakecons_config cfg = { .rate = 50000, .weave = true };

  noisy (&cfg, 40);
}

static void
test_kernel_lines_byte_by_byte_on_a_pty (void **state)
{
  struct fakecons_config cfg
      = { .rate = 20000, .weave = true, .bytewise = true, .pty = true };

  noisy (&cfg, 15);
}

static void
test_log_lines_between (void **state)
{
  struct fakecons_config cfg = { .rate = 50000 };

  noisy (&cfg, 20);
}

/* ---- commands that are none ---- */

static void
test_open_quote_and_hanging_command (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct command_result ret;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (ask (&s, 0, LEASE_SCENARIO, "echo 'open", 2000, &ret), 0);
  assert_int_equal (ret.end, ASK_NO_ANSWER);
  assert_non_null (strstr (ret.detail, "quote"));
  command_result_done (&ret);
  expect_ok (&s, "uptime", UPTIME, 0);

  assert_int_equal (ask (&s, 0, LEASE_SCENARIO, "echo x; hang", 2000, &ret), 0);
  assert_int_equal (ret.end, ASK_NO_ANSWER);
  assert_non_null (strstr (ret.detail, "did not end"));
  command_result_done (&ret);
  /* ^C has ended it: the next one finds a shell. */
  expect_ok (&s, "uptime", UPTIME, 0);
  expect_ok (&s, "sleepms 100; echo late", "late\n", 0);
  scene_end (&s);
}

static void
test_bad_commands_are_refused (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct command_result ret;
  struct scene s;
  char big[SESSION_COMMAND_MAX + 2];

  memset (big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (ask (&s, 0, 0, "a\rb", 500, &ret), -EINVAL);
  assert_int_equal (ask (&s, 0, 0, " ;\n", 500, &ret), -EINVAL);
  assert_int_equal (ask (&s, 0, 0, " ; ", 500, &ret), -EINVAL);
  assert_int_equal (ask (&s, 0, 0, "a\x01", 500, &ret), -EINVAL);
  assert_int_equal (ask (&s, 0, 0, big, 500, &ret), -EINVAL);
  scene_end (&s);
}

/* ---- expect ---- */

/* One question with a nonce, as a dialogue asks it. */
static void
expect_after (struct scene *s, const char *before, const char *sent,
              const char *regex, int want)
{
  struct expect e = { .regex = regex }, first = { .regex = before };
  uint64_t in = clock_ms () + UNTIL_MS;
  struct buf got = BUF_INIT (1000);
  char uuid[UUID_TEXT];
  struct session *ses;

  assert_int_equal (session_open (s->w.hub,
                                  hubworld_uuid (0, uuid, sizeof uuid),
                                  "serial0", LEASE_SCENARIO, "test", in, &ses,
                                  NULL),
                    0);
  if (before)
    {
      assert_int_equal (session_send (ses, "\r", 1, in, NULL), 0);
      assert_int_equal (session_expect (ses, &first, 1, in, NULL, &got, NULL),
                        0);
    }
  assert_int_equal (session_send (ses, sent, strlen (sent), in, NULL), 0);
  if (want < 0)
    in = clock_ms () + 500;
  assert_int_equal (session_expect (ses, &e, 1, in, NULL, &got, NULL), want);
  session_close (ses);
  buf_done (&got);
}

/* What is typed behind a prompt comes back in the middle of a line, whether the
 * prompt was seen in this dialogue, before it, or not at all. */
static void
test_an_echo_begins_no_line (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_SHELL };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_true (scene_wait_said (&s, "/ # ", UNTIL_MS));
  expect_after (&s, NULL, "a1b2", "^a1b2", -ETIMEDOUT);
  expect_after (&s, NULL, "\x03", "# $", 0);
  expect_after (&s, "/ # ", "a1b2", "^a1b2", -ETIMEDOUT);
  expect_after (&s, NULL, "\x03", "# $", 0);
  expect_after (&s, "/ # ", "echo a1b2\r", "^a1b2", 0);
  expect_after (&s, NULL, "echo a1b2\r", "^a1b2", 0);
  scene_end (&s);

  scene_begin (&s, &cfg, CONSOLE_PROBE, NULL);
  fakecons_command (s.fake, "play 0 mute");
  expect_after (&s, NULL, "a1b2", "^a1b2", -ETIMEDOUT);
  scene_end (&s);
}

static void
test_expect (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_DEAD };
  struct expect e[] = { { .regex = "two\\s+(\\d+)" }, { .literal = "one" },
                        { .regex = "^three$" } };
  struct expect bad = { .regex = "(" }, none = { .literal = "never" },
                hard = { .regex = "^(a+)+$" };
  struct buf before = BUF_INIT (1000), match = BUF_INIT (1000);
  char uuid[UUID_TEXT];
  struct session *ses;
  struct scene s;
  uint64_t in = clock_ms () + UNTIL_MS;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (session_open (s.w.hub,
                                  hubworld_uuid (0, uuid, sizeof uuid),
                                  "serial0", LEASE_SCENARIO, "test", in, &ses,
                                  NULL),
                    0);
  assert_false (session_saw_bytes (ses));
  fakecons_command (s.fake, "say 0 zero one two   22 \\nthree\\nrest");
  assert_int_equal (session_expect (ses, e, 3, in, &before, &match, NULL), 1);
  assert_string_equal (buf_str (&before), "zero ");
  assert_string_equal (buf_str (&match), "one");
  buf_clear (&match);
  assert_int_equal (session_expect (ses, e, 3, in, NULL, &match, NULL), 0);
  assert_string_equal (buf_str (&match), "two   22");
  assert_int_equal (session_expect (ses, e, 3, in, NULL, NULL, NULL), 2);
  assert_int_equal (session_expect (ses, &none, 1, clock_ms () + 30, NULL,
                                    NULL, NULL),
                    -ETIMEDOUT);
  assert_int_equal (session_expect (ses, &bad, 1, in, NULL, NULL, NULL),
                    -EINVAL);
  /* In two pieces. */
  fakecons_command (s.fake, "say 0 ne");
  fakecons_command (s.fake, "say 0 ver");
  assert_int_equal (session_expect (ses, &none, 1, in, NULL, NULL, NULL), 0);
  fakecons_command (s.fake, "say 0 \\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
  assert_int_equal (session_expect (ses, &hard, 1, in, NULL, NULL, NULL),
                    -E2BIG);
  session_close (ses);
  buf_done (&before);
  buf_done (&match);
  scene_end (&s);
}

/* ---- losing it on the way ---- */

static void *
take_lease (void *arg)
{
  struct scene *s = arg;
  char uuid[UUID_TEXT];
  struct lease *l;

  UNTIL (scene_keys (s) > 0); /* the dialogue is under way */
  if (hub_lease (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid), "serial0",
                 LEASE_PERSON, "person", false, clock_ms () + UNTIL_MS, &l,
                 NULL)
      == 0)
    lease_free (l);
  return NULL;
}

static void
test_a_person_takes_the_console (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_MUTE };
  struct scene s;
  pthread_t t;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (pthread_create (&t, NULL, take_lease, &s), 0);
  /* At once, and not at its deadline: the test would not last that long. */
  expect_end (&s, LEASE_SCENARIO, 3600000, ASK_TAKEN);
  pthread_join (t, NULL);
  scene_end (&s);
}

static void *
drop_fake (void *arg)
{
  struct scene *s = arg;

  UNTIL (scene_keys (s) > 0);
  fakecons_command (s->fake, "accept 0 0");
  fakecons_command (s->fake, "drop 0");
  return NULL;
}

static void
test_the_console_goes (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_MUTE };
  struct scene s;
  pthread_t t;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (pthread_create (&t, NULL, drop_fake, &s), 0);
  expect_end (&s, LEASE_SCENARIO, 3600000, ASK_TAKEN);
  pthread_join (t, NULL);
  scene_end (&s);
}

/* ---- many at a time ---- */

#define CROWD 12
#define CROWD_DIALOGUES 12

struct crowd
{
  struct scene *s;
  atomic_uint next, ok, wrong;
};

static void *
crowd_member (void *arg)
{
  struct crowd *c = arg;
  unsigned i = atomic_fetch_add (&c->next, 1);
  struct command_result ret;

  for (unsigned n = 0; n < CROWD_DIALOGUES; n++)
    {
      if (ask (c->s, i, LEASE_SCENARIO, "uptime", UNTIL_MS, &ret) < 0)
        {
          atomic_fetch_add (&c->wrong, 1);
          continue;
        }
      atomic_fetch_add (ret.end == ASK_OK ? &c->ok : &c->wrong, 1);
      command_result_done (&ret);
    }
  return NULL;
}

static void
test_a_crowd_under_noise (void **state)
{
  struct fakecons_config cfg = { .n = CROWD, .rate = 20000, .weave = true };
  pthread_t t[CROWD];
  struct scene s;
  struct crowd c = { .s = &s };

  scene_begin (&s, &cfg, CONSOLE_PROBE, NULL);
  for (unsigned i = 0; i < CROWD; i++)
    assert_int_equal (pthread_create (&t[i], NULL, crowd_member, &c), 0);
  for (unsigned i = 0; i < CROWD; i++)
    pthread_join (t[i], NULL);
  assert_int_equal (c.wrong, 0);
  assert_int_equal (c.ok, CROWD * CROWD_DIALOGUES);
  scene_end (&s);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_shell_on_a_socket),
    cmocka_unit_test (test_shell_on_a_pty),
    cmocka_unit_test (test_shell_in_probe_mode),
    cmocka_unit_test (test_shell_byte_by_byte_with_wraps),
    cmocka_unit_test (test_shell_without_echo),
    cmocka_unit_test (test_real_shells),
    cmocka_unit_test (test_half_a_line_is_not_executed),
    cmocka_unit_test (test_kernel_lines_at_any_byte),
    cmocka_unit_test (test_kernel_lines_byte_by_byte_on_a_pty),
    cmocka_unit_test (test_log_lines_between),
    cmocka_unit_test (test_open_quote_and_hanging_command),
    cmocka_unit_test (test_bad_commands_are_refused),
    cmocka_unit_test (test_an_echo_begins_no_line),
    cmocka_unit_test (test_expect),
    cmocka_unit_test (test_a_person_takes_the_console),
    cmocka_unit_test (test_the_console_goes),
    cmocka_unit_test (test_a_crowd_under_noise),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
