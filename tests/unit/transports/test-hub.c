/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: every byte drained, reconnecting, giving way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "tests/fakes/hubscene.h"
#include "tests/lib/until.h"
#include "transports/console/hub_impl.h"

/* Whether its guest says anything or not. */
static void
await_connected (struct scene *s)
{
  struct hubworld_seen seen;

  UNTIL ((hubworld_see (&s->w, 0, &seen),
          seen.state == CONSOLE_SILENT || seen.state == CONSOLE_TALKING));
}

/* ---- draining ---- */

static void
drains (bool pty, bool bytewise)
{
  struct fakecons_config cfg
      = { .n = 8, .pty = pty, .bytewise = bytewise, .rate = 30000 };
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  for (unsigned i = 0; i < 8; i++)
    assert_true (hubworld_wait (&s.w, i, CONSOLE_TALKING, UNTIL_MS));
  nap_ms (500);
  scene_check_all (&s, 8);
  scene_end (&s);
}

static void
test_drains_sockets (void **state)
{
  drains (false, false);
}

static void
test_drains_ptys (void **state)
{
  drains (true, false);
}

static void
test_drains_ptys_byte_by_byte (void **state)
{
  drains (true, true);
}

static void
test_no_lock_file_is_left (void **state)
{
  struct fakecons_config cfg = { .pty = true };
  struct scene s;
  char lock[160];
  const char *p;
  int pid = 0;
  FILE *f;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  await_connected (&s);
  p = fakecons_path (s.fake, 0);
  snprintf (lock, sizeof lock, "/var/lock/LCK.._pts_%s", strrchr (p, '/') + 1);
  assert_int_equal (access (lock, F_OK), 0);
  scene_end (&s);
  /* By now the terminal, and with it the lock, may be another process's. */
  f = fopen (lock, "re");
  if (f)
    {
      assert_int_equal (fscanf (f, "%d", &pid), 1);
      assert_int_not_equal (pid, getpid ());
      fclose (f);
    }
}

static void
test_reconnects_lose_nothing (void **state)
{
  struct fakecons_config cfg = { .n = 4, .rate = 40000 };
  struct hub_limits limits = { .reconnect_min_ms = 5, .reconnect_max_ms = 20 };
  struct hubworld_seen seen;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, &limits);
  for (unsigned n = 1; n <= 50; n++)
    {
      for (unsigned i = 0; i < 4; i++)
        UNTIL ((hubworld_see (&s.w, i, &seen),
                seen.connects >= n && seen.state == CONSOLE_TALKING));
      assert_int_equal (fakecons_command (s.fake, "drop *"), 0);
    }
  for (unsigned i = 0; i < 4; i++)
    assert_true (hubworld_wait (&s.w, i, CONSOLE_TALKING, UNTIL_MS));
  scene_check_all (&s, 4);
  scene_end (&s);
}

/* Our own letting go loses nothing either: what the guest could write is
 * read before the descriptor is closed. */
static void
test_releases_lose_nothing (void **state)
{
  struct fakecons_config cfg = { .rate = 200000, .slot_ms = 1 };
  struct lease *l;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  for (unsigned n = 0; n < 20; n++)
    {
      assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
      scene_release (&s, 60000);
      assert_true (hubworld_wait (&s.w, 0, CONSOLE_GIVEN_WAY, UNTIL_MS));
      assert_int_equal (scene_lease (&s, LEASE_PERSON, true, 1000, &l), -EBUSY);
      scene_release (&s, 0);
    }
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  scene_check_all (&s, 1);
  scene_end (&s);
}

static void
test_a_sink_that_cannot_take_it (void **state)
{
  struct fakecons_config cfg = { .rate = 20000 };
  struct fakecons_stats st;
  struct hubworld_seen seen;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  pthread_mutex_lock (&s.m);
  s.refuse = true;
  pthread_mutex_unlock (&s.m);
  do
    hubworld_see (&s.w, 0, &seen);
  while (seen.log_dropped < 5000);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.blocked_us, 0);
  scene_end (&s);
}

/* ---- coming and going ---- */

static void
test_absent_until_it_is_there (void **state)
{
  struct hub_limits limits = { .reconnect_min_ms = 10, .reconnect_max_ms = 40 };
  struct fakecons_config cfg = { .n = 1 };
  struct hubworld_seen seen;
  struct scene s;
  char path[100];

  scene_begin (&s, NULL, CONSOLE_HOLD, &limits);
  snprintf (path, sizeof path, "%s/cons0", s.tmp.path);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_UNIX, CONSOLE_HOLD, path);
  /* Tried, and found to be none. */
  UNTIL ((hubworld_see (&s.w, 0, &seen), seen.detail[0] != '\0'));
  assert_int_equal (seen.state, CONSOLE_ABSENT);
  scene_fakes (&s, &cfg);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  /* Another process behind the same path: a new connection, the same ring. */
  struct guest *g = hubworld_snapshot (0, CONSOLE_UNIX, CONSOLE_HOLD, path);
  struct tap *t = scene_tap (&s, TAP_KEPT | TAP_ACTIVE, NULL, NULL);

  g->inc.pid = 0;
  g->inc.start_time = 77;
  hubworld_tell (&s.w, GUEST_REPLACED, g);
  UNTIL ((hubworld_see (&s.w, 0, &seen), seen.connects >= 2));
  /* Off: not connected, and not tried. */
  g = hubworld_snapshot (0, CONSOLE_UNIX, CONSOLE_HOLD, path);
  g->run = GUEST_OFF;
  hubworld_tell (&s.w, GUEST_CHANGED, g);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.state, CONSOLE_ABSENT);
  /* Gone: the tap still has what the ring had. */
  hubworld_guest (&s.w, 0, GUEST_GONE, CONSOLE_UNIX, CONSOLE_HOLD, path);
  hubworld_see (&s.w, 0, &seen);
  assert_false (seen.found);
  assert_int_equal (tap_state (t), CONSOLE_ABSENT);
  assert_true (tap_read (t, path, sizeof path, NULL) > 0);
  tap_free (t);
  scene_end (&s);
}

/* Nobody told us yet that the guest's process is gone: whose terminal has
 * that number now is not to be found out by reading it. */
static void
test_no_terminal_without_its_process (void **state)
{
  struct hub_limits limits = { .reconnect_min_ms = 10, .reconnect_max_ms = 40 };
  struct fakecons_config cfg = { .n = 1, .pty = true };
  struct fakecons_stats st;
  struct scene s;
  struct guest *g;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  scene_begin (&s, NULL, CONSOLE_HOLD, &limits);
  scene_fakes (&s, &cfg);
  g = hubworld_snapshot (0, CONSOLE_PTY, CONSOLE_HOLD,
                         fakecons_path (s.fake, 0));
  g->inc.pid = pid;
  assert_int_equal (proc_start_time (pid, &g->inc.start_time, NULL), 0);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
  hubworld_tell (&s.w, GUEST_ADDED, g);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_ABSENT, UNTIL_MS));
  nap_ms (100);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.connects, 0);
  assert_int_equal (scene_sunk (&s, 0), 0);
  scene_end (&s);
}

static void
test_probe_mode_connects_for_use_only (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (64u << 10);
  struct fakecons_config cfg = { .n = 1 };
  struct hub_kept kept;
  char uuid[UUID_TEXT];
  struct fakecons_stats st;
  struct scene s;
  struct lease *l, *l2;
  uint64_t before, connects;
  char said[64];
  struct tap *t;
  bool soon;

  scene_begin (&s, &cfg, CONSOLE_PROBE, NULL);
  t = scene_tap (&s, TAP_NOW, NULL, NULL);
  /* Nor does who only wants what is kept. */
  assert_int_equal (hub_kept (s.w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                              "serial0", &text, &kept, NULL),
                    0);
  assert_int_equal (text.len, 0);
  assert_int_equal (kept.state, CONSOLE_IDLE);
  nap_ms (50);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.connects, 0);
  assert_int_equal (tap_state (t), CONSOLE_IDLE);

  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &l), 0);
  before = clock_ms ();
  lease_free (l);
  /* The next one, soon: the same connection. */
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &l2), 0);
  soon = clock_ms () - before < HUB_LINGER_MS / 2;
  /* It has said something. */
  UNTIL (tap_read (t, said, sizeof said, NULL) > 0);
  lease_free (l2);
  fakecons_stats (s.fake, 0, &st);
  connects = st.connects;
  assert_in_range (connects, 1, soon ? 1 : 2);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_IDLE, UNTIL_MS));
  UNTIL ((fakecons_stats (s.fake, 0, &st), !st.connected));
  tap_free (t);
  /* It said something: that is kept, and still nobody connects. */
  assert_int_equal (hub_kept (s.w.hub, uuid, "serial0", &text, &kept, NULL),
                    0);
  assert_true (text.len > 0 && kept.last_ms > 0);
  assert_true (kept.nmarks > 0 && kept.marks[0].offset == 0);
  assert_int_equal (kept.marks[kept.nmarks - 1].ms, kept.last_ms);
  nap_ms (50);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.connects, connects);
  /* A tap that wants it. */
  t = scene_tap (&s, TAP_NOW | TAP_ACTIVE, NULL, NULL);
  await_connected (&s);
  tap_free (t);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_IDLE, UNTIL_MS));
  scene_end (&s);
}

/* ---- others ---- */

static int
connect_to (const char *path)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (sa.sun_path, sizeof sa.sun_path, "%s", path);
  assert_int_equal (connect (fd, (struct sockaddr *) &sa, sizeof sa), 0);
  return fd;
}

static void
test_held_by_another (void **state)
{
  struct hub_limits limits
      = { .reconnect_min_ms = 50, .reconnect_max_ms = 100 };
  struct fakecons_config cfg = { .n = 1 };
  struct hubworld_seen seen;
  struct scene s;
  struct lease *l;
  struct error err = ERROR_INIT;
  char uuid[UUID_TEXT], byte;
  int other;

  scene_begin (&s, NULL, CONSOLE_HOLD, &limits);
  scene_fakes (&s, &cfg);
  other = connect_to (fakecons_path (s.fake, 0));
  assert_int_equal (read (other, &byte, 1), 1); /* it is served */
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_UNIX, CONSOLE_PROBE,
                  fakecons_path (s.fake, 0));
  assert_int_equal (hub_lease (s.w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                               "serial0", LEASE_SCENARIO, "test", false,
                               clock_ms () + UNTIL_MS, &l, &err),
                    -EBUSY);
  assert_non_null (strstr (error_text (&err), "another client"));
  hubworld_guest (&s.w, 0, GUEST_CHANGED, CONSOLE_UNIX, CONSOLE_HOLD,
                  fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_HELD, UNTIL_MS));
  hubworld_see (&s.w, 0, &seen);
  assert_string_equal (seen.holder, "another client");
  close (other);
  await_connected (&s);
  scene_end (&s);
}

/* Closed ones stay in it until they are accepted. */
static void
fill_queue (const char *path)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  int r = 0;

  snprintf (sa.sun_path, sizeof sa.sun_path, "%s", path);
  while (r == 0)
    {
      int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

      r = connect (fd, (struct sockaddr *) &sa, sizeof sa);
      close (fd);
    }
}

/* Nobody is connected, and yet we are not accepted: not the same thing. */
static void
test_a_stuck_qemu_is_not_held (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct scene s;
  struct lease *l;
  struct error err = ERROR_INIT;
  char uuid[UUID_TEXT];

  scene_begin (&s, &cfg, CONSOLE_PROBE, NULL);
  assert_int_equal (fakecons_command (s.fake, "accept 0 0"), 0);
  assert_int_equal (hub_lease (s.w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                               "serial0", LEASE_SCENARIO, "test", false,
                               clock_ms () + 2500, &l, &err),
                    -ETIMEDOUT);
  assert_non_null (strstr (error_text (&err), "main loop"));
  /* Also when those who wait have filled its queue. */
  fill_queue (fakecons_path (s.fake, 0));
  assert_int_equal (hub_lease (s.w.hub, uuid, "serial0", LEASE_SCENARIO,
                               "test", false, clock_ms () + 1000, &l, &err),
                    -ETIMEDOUT);
  assert_non_null (strstr (error_text (&err), "main loop"));
  scene_end (&s);
}

static void
test_gives_way_and_comes_back (void **state)
{
  struct fakecons_config cfg = { .rate = 20000 };
  struct scene s;
  uint64_t start;
  char buf[256];
  int other;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  start = clock_ms ();
  other = connect_to (fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_GIVEN_WAY, UNTIL_MS));
  assert_true (read (other, buf, sizeof buf) > 0);
  /* Within a second is the promise: tests/chaos measures it. */
  /* As long as the other stays, we stay away. */
  for (start = clock_ms (); clock_ms () - start < 3600;)
    assert_true (read (other, buf, sizeof buf) > 0);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_GIVEN_WAY, 1));
  start = clock_ms ();
  close (other);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  assert_true (clock_ms () - start >= 2000);
  scene_end (&s);
}

static void
test_a_locked_pty_is_held (void **state)
{
  struct hub_limits limits
      = { .reconnect_min_ms = 20, .reconnect_max_ms = 50 };
  struct fakecons_config cfg = { .n = 1, .pty = true };
  struct open_req req = { .kind = OPEN_TTY, .root = "/dev/pts" };
  struct scene s;
  int fd, lock;

  scene_begin (&s, NULL, CONSOLE_HOLD, &limits);
  scene_fakes (&s, &cfg);
  req.path = strrchr (fakecons_path (s.fake, 0), '/') + 1;
  assert_int_equal (opener_do (&req, &fd, &lock, NULL), 0);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_PTY, CONSOLE_HOLD,
                  fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_HELD, UNTIL_MS));
  close (fd);
  close (lock);
  await_connected (&s);
  scene_end (&s);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_drains_sockets),
    cmocka_unit_test (test_drains_ptys),
    cmocka_unit_test (test_drains_ptys_byte_by_byte),
    cmocka_unit_test (test_no_lock_file_is_left),
    cmocka_unit_test (test_reconnects_lose_nothing),
    cmocka_unit_test (test_releases_lose_nothing),
    cmocka_unit_test (test_a_sink_that_cannot_take_it),
    cmocka_unit_test (test_absent_until_it_is_there),
    cmocka_unit_test (test_no_terminal_without_its_process),
    cmocka_unit_test (test_probe_mode_connects_for_use_only),
    cmocka_unit_test (test_held_by_another),
    cmocka_unit_test (test_a_stuck_qemu_is_not_held),
    cmocka_unit_test (test_gives_way_and_comes_back),
    cmocka_unit_test (test_a_locked_pty_is_held),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
