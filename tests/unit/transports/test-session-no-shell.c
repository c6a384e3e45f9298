/* SPDX-License-Identifier: Apache-2.0
 *
 * Dialogues against all that is not a shell: who is there is told, no key goes
 * where none may, and nothing that was typed is taken for an answer.
 */
#include "session-bed.h"

static void
not_a_shell (enum fake_play play, unsigned rate, enum lease_rank rank,
             uint64_t ms, enum ask_end end, int64_t keys)
{
  struct fakecons_config cfg = { .play = play, .rate = rate };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  if (keys == 0)
    assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  expect_end (&s, rank, ms, end);
  if (keys >= 0)
    assert_int_equal (scene_keys (&s), keys);
  scene_end (&s);
}

static void
test_login_gets_no_command (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_LOGIN };
  struct scene s;

  /* Seen on the screen: one carriage return, to see that it answers. */
  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  expect_end (&s, LEASE_SCENARIO, UNTIL_MS, ASK_LOGIN);
  assert_int_equal (scene_keys (&s), 1);
  expect_end (&s, LEASE_SCENARIO, UNTIL_MS, ASK_LOGIN);
  assert_int_equal (scene_keys (&s), 2);
  scene_end (&s);

  /* Not seen before: the kill keys and one carriage return. */
  scene_begin (&s, &cfg, CONSOLE_PROBE, NULL);
  expect_end (&s, LEASE_SCENARIO, UNTIL_MS, ASK_LOGIN);
  scene_end (&s);
}

static void
test_login_behind_noise (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_LOGIN, .rate = 50000 };
  struct scene s;
  struct fakecons_stats st;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  for (unsigned i = 0; i < 5; i++)
    expect_end (&s, LEASE_SCENARIO, UNTIL_MS, ASK_LOGIN);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.executed, 0);
  scene_end (&s);
}

static void
test_password_gets_no_key (void **state)
{
  not_a_shell (FAKE_PASSWORD, 0, LEASE_SCENARIO, 1000, ASK_PASSWORD, 0);
}

static void
test_boot_loaders_get_no_key (void **state)
{
  not_a_shell (FAKE_GRUB, 0, LEASE_DIAGNOSIS, 1000, ASK_BOOTLOADER, 0);
  not_a_shell (FAKE_UBOOT, 0, LEASE_SCENARIO, 1000, ASK_BOOTLOADER, 0);
}

static void
say (struct scene *s, const char *line, const char *seen)
{
  assert_int_equal (fakecons_command (s->fake, line), 0);
  assert_true (scene_wait_said (s, seen, UNTIL_MS));
}

/* Services come up, and nobody is there yet: what was typed now, a getty or a
 * shell would get later. */
static void
test_a_booting_guest_gets_no_key (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_MUTE };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  say (&s, "say 0 [  OK  ] Started dbus.service - D-Bus.\\r\\n         "
           "Starting ssh.service - OpenBSD...\\r\\n", "OpenBSD...\r\n");
  expect_end (&s, LEASE_SCENARIO, 600, ASK_BOOTING);
  assert_int_equal (scene_keys (&s), 0);
  /* It waits for ever: that is no boot that goes on. */
  say (&s, "say 0 a\\r\\nb\\r\\nc\\r\\nd\\r\\n[*** ] A start job is running "
           "for x (9s / no limit)\\r\\n", "no limit)\r\n");
  expect_end (&s, LEASE_SCENARIO, 1500, ASK_NO_ANSWER);
  scene_end (&s);
}

static void
test_dead_guest_is_silent (void **state)
{
  not_a_shell (FAKE_DEAD, 0, LEASE_SCENARIO, 600, ASK_SILENT, -1);
  not_a_shell (FAKE_DEAD, 0, LEASE_DIAGNOSIS, 600, ASK_SILENT, -1);
}

static void
test_dead_shell_under_a_talking_kernel (void **state)
{
  not_a_shell (FAKE_DEAD, 20000, LEASE_SCENARIO, 600, ASK_NO_ECHO, -1);
}

static void
test_echo_without_a_shell (void **state)
{
  not_a_shell (FAKE_MUTE, 0, LEASE_SCENARIO, 1500, ASK_NO_ANSWER, -1);
  not_a_shell (FAKE_MUTE, 20000, LEASE_SCENARIO, 1500, ASK_NO_ANSWER, -1);
}

/* Whatever is made of what was typed, it is no answer. */
static void
test_echoes_of_all_kinds (void **state)
{
  not_a_shell (FAKE_TWICE, 0, LEASE_SCENARIO, 1500, ASK_NO_ANSWER, -1);
  not_a_shell (FAKE_LATE, 0, LEASE_SCENARIO, 6000, ASK_NO_ANSWER, -1);
  not_a_shell (FAKE_FORGE, 0, LEASE_SCENARIO, 1500, ASK_NO_ANSWER, -1);
  not_a_shell (FAKE_FORGE, 20000, LEASE_DIAGNOSIS, 1500, ASK_NO_ANSWER, -1);
}

static void
test_full_input_is_xoff (void **state)
{
  not_a_shell (FAKE_XOFF, 0, LEASE_SCENARIO, 600, ASK_XOFF, -1);
}

static void
test_stopped_flow (void **state)
{
  /* A scenario types nothing but its command; a diagnosis tries XON. */
  not_a_shell (FAKE_STOPPED, 0, LEASE_SCENARIO, 600, ASK_SILENT, -1);
  not_a_shell (FAKE_STOPPED, 0, LEASE_DIAGNOSIS, 2500, ASK_XOFF, -1);
}

struct late
{
  struct scene *s;
  const char *says;
};

/* Asked just before the key is typed. */
static enum typing
says_now (void *arg, const char *uuid, const char *console, char *what,
          size_t n)
{
  struct late *l = arg;

  assert_int_equal (fakecons_command (l->s->fake, l->says), 0);
  return TYPING_FREE;
}

static int
xon (struct scene *s, uint64_t quiet_ms, uint64_t ms, const char *says)
{
  struct late late = { s, says };
  char uuid[UUID_TEXT];
  struct session *ses;
  struct error err = ERROR_INIT;
  int r = session_open (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                        "serial0", LEASE_DIAGNOSIS, "test",
                        clock_ms () + UNTIL_MS, &ses, &err);

  assert_int_equal (r, 0);
  session_guard (ses, says ? says_now : NULL, &late);
  r = session_xon (ses, quiet_ms, clock_ms () + ms, &err);
  session_close (ses);
  return r;
}

/* What comes after XON, and how many keys were typed. */
static void
after_xon (enum fake_play play, const char *says, int want, uint64_t keys)
{
  struct fakecons_config cfg = { .play = play };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  if (keys == 0)
    assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  assert_int_equal (xon (&s, 0, want > 0 ? UNTIL_MS : 200, says), want);
  /* What it said on its own may have come before it read the key. */
  UNTIL (scene_keys (&s) >= keys);
  assert_int_equal (scene_keys (&s), keys);
  scene_end (&s);
}

static void
test_xon (void **state)
{
  after_xon (FAKE_STOPPED, NULL, 1, 1);
  after_xon (FAKE_DEAD, NULL, 0, 1);
  after_xon (FAKE_DEAD, "say 0 uptime\\r\\n", 1, 1);
  /* A terminal that shows the key as it shows any. */
  after_xon (FAKE_DEAD, "say 0 ^Q", 0, 1);
  after_xon (FAKE_MUTE, NULL, 0, 1);
  /* The kernel goes on talking, whatever its terminal does. */
  after_xon (FAKE_DEAD, "say 0 [   12.345678] eth0: link up\\r\\n", 0, 1);
}

/* Nobody is typed at who would take it for something else. */
static void
test_xon_is_not_typed (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_DEAD };
  struct scene s;

  after_xon (FAKE_GRUB, NULL, -EHOSTDOWN, 0);
  after_xon (FAKE_PASSWORD, NULL, -EHOSTDOWN, 0);
  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (fakecons_command (s.fake, "say 0 well\\r\\n"), 0);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  assert_int_equal (xon (&s, 60000, 200, NULL), -EAGAIN);
  assert_int_equal (scene_keys (&s), 0);
  scene_end (&s);
}

/* Output that forges markers, of another nonce or an older one. */
static void
test_forged_markers (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_MUTE };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (
      fakecons_command (s.fake, "say 0 \\r\\nHD0123456789abcdef:B\\r\\n"
                                "up 1 day\\r\\nHD0123456789abcdef:E:0\\r\\n"
                                "HD%s%s:E:0\\r\\n/ # "),
      0);
  expect_end (&s, LEASE_SCENARIO, 1500, ASK_NO_ANSWER);
  scene_end (&s);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_login_gets_no_command),
    cmocka_unit_test (test_login_behind_noise),
    cmocka_unit_test (test_password_gets_no_key),
    cmocka_unit_test (test_boot_loaders_get_no_key),
    cmocka_unit_test (test_a_booting_guest_gets_no_key),
    cmocka_unit_test (test_dead_guest_is_silent),
    cmocka_unit_test (test_dead_shell_under_a_talking_kernel),
    cmocka_unit_test (test_echo_without_a_shell),
    cmocka_unit_test (test_echoes_of_all_kinds),
    cmocka_unit_test (test_full_input_is_xoff),
    cmocka_unit_test (test_stopped_flow),
    cmocka_unit_test (test_xon),
    cmocka_unit_test (test_xon_is_not_typed),
    cmocka_unit_test (test_forged_markers),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
