/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub: every byte drained, reconnecting, giving way, taps, leases, logs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "tests/fakes/fakecons.h"
#include "tests/fakes/hubworld.h"
#include "transports/console/ring.h"

#define MOST 16

struct scene
{
  char dir[64];
  struct fakecons *fake;
  pthread_t thread;
  struct hubworld w;
  enum console_kind kind;
  pthread_mutex_t m;
  struct fakecheck check[MOST];
  uint64_t sunk[MOST];
  struct buf said; /* all of console 0 */
  bool refuse;
};

static void
nap (unsigned ms)
{
  struct timespec ts = { .tv_sec = ms / 1000,
                         .tv_nsec = (long) (ms % 1000) * 1000000 };

  (void) nanosleep (&ts, NULL);
}

static bool
sink_bytes (void *arg, const char *uuid, const char *console,
            const void *data, size_t len, uint64_t wall_ms)
{
  struct scene *s = arg;
  unsigned i = (unsigned) strtoul (uuid + 24, NULL, 16);
  LOCK_SCOPE (&s->m);

  if (s->refuse)
    return false;
  fakecheck_feed (&s->check[i], data, len);
  s->sunk[i] += len;
  if (i == 0)
    buf_append (&s->said, data, len);
  return true;
}

static void *
run_fake (void *arg)
{
  fakecons_run (arg);
  return NULL;
}

static void
scene_begin (struct scene *s, struct fakecons_config *cfg,
             enum console_mode mode, const struct hub_limits *limits)
{
  struct error err = ERROR_INIT;
  struct console_sink sink = { sink_bytes, s };

  memset (s, 0, sizeof *s);
  pthread_mutex_init (&s->m, NULL);
  s->said.max = 4u << 20;
  snprintf (s->dir, sizeof s->dir, "/tmp/hangdog-test-XXXXXX");
  assert_non_null (mkdtemp (s->dir));
  hubworld_start (&s->w, limits, NULL, &sink);
  if (!cfg)
    return;
  cfg->dir = s->dir;
  if (!cfg->n)
    cfg->n = 1;
  assert_true (cfg->n <= MOST);
  s->kind = cfg->pty ? CONSOLE_PTY : CONSOLE_UNIX;
  if (fakecons_new (cfg, &s->fake, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_int_equal (pthread_create (&s->thread, NULL, run_fake, s->fake), 0);
  for (unsigned i = 0; i < cfg->n; i++)
    hubworld_guest (&s->w, i, GUEST_ADDED, s->kind, mode,
                    fakecons_path (s->fake, i));
}

static void
scene_end (struct scene *s)
{
  hubworld_stop (&s->w);
  if (s->fake)
    {
      fakecons_stop (s->fake);
      pthread_join (s->thread, NULL);
      fakecons_free (s->fake);
    }
  buf_done (&s->said);
  assert_int_equal (rmdir (s->dir), 0);
}

static uint64_t
sunk (struct scene *s, unsigned i)
{
  LOCK_SCOPE (&s->m);
  return s->sunk[i];
}

static bool
said (struct scene *s, const char *text)
{
  LOCK_SCOPE (&s->m);
  return strstr (buf_str (&s->said), text) != NULL;
}

static bool
wait_said (struct scene *s, const char *text, unsigned ms)
{
  for (uint64_t until = clock_ms () + ms; clock_ms () < until; nap (2))
    if (said (s, text))
      return true;
  return said (s, text);
}

/* All that the fakes wrote has come, and every line of it is whole. */
static void
check_all (struct scene *s, unsigned n)
{
  struct fakecons_stats st;

  assert_int_equal (fakecons_command (s->fake, "rate * 0"), 0);
  for (unsigned i = 0; i < n; i++)
    {
      fakecons_stats (s->fake, (int) i, &st);
      for (uint64_t until = clock_ms () + 5000;
           sunk (s, i) < st.bytes && clock_ms () < until; nap (2))
        ;
      assert_int_equal (sunk (s, i), st.bytes);
      assert_int_equal (s->check[i].lost, 0);
      assert_int_equal (s->check[i].broken, 0);
      assert_int_equal (s->check[i].lines, st.lines);
      assert_true (st.lines > 0);
    }
}

static int
lease (struct scene *s, enum lease_rank rank, bool take, unsigned ms,
       struct lease **ret_l)
{
  char uuid[UUID_TEXT];

  return hub_lease (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid), "serial0",
                    rank, "test", take, clock_ms () + ms, ret_l, NULL);
}

static struct tap *
tap (struct scene *s, int start,
     void (*on_data) (struct tap *tap, void *arg), void *arg)
{
  char uuid[UUID_TEXT];
  struct tap *t;

  assert_int_equal (hub_tap (s->w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                             "serial0", "test", (enum tap_start) start,
                             on_data, arg, &t, NULL),
                    0);
  return t;
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
    assert_true (hubworld_wait (&s.w, i, CONSOLE_TALKING, 3000));
  nap (500);
  check_all (&s, 8);
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

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_SILENT, 3000)
               || hubworld_wait (&s.w, 0, CONSOLE_TALKING, 3000));
  p = fakecons_path (s.fake, 0);
  snprintf (lock, sizeof lock, "/var/lock/LCK.._pts_%s", strrchr (p, '/') + 1);
  assert_int_equal (access (lock, F_OK), 0);
  scene_end (&s);
  assert_int_equal (access (lock, F_OK), -1);
}

static void
test_reconnects_lose_nothing (void **state)
{
  struct fakecons_config cfg = { .n = 4, .rate = 40000 };
  struct hub_limits limits = { .reconnect_min_ms = 5, .reconnect_max_ms = 20 };
  struct hubworld_seen seen;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, &limits);
  for (unsigned n = 1; n <= 25; n++)
    {
      for (unsigned i = 0; i < 4; i++)
        for (uint64_t until = clock_ms () + 5000;; nap (1))
          {
            hubworld_see (&s.w, i, &seen);
            if (seen.connects >= n && seen.state == CONSOLE_TALKING)
              break;
            assert_true (clock_ms () < until);
          }
      assert_int_equal (fakecons_command (s.fake, "drop *"), 0);
    }
  for (unsigned i = 0; i < 4; i++)
    assert_true (hubworld_wait (&s.w, i, CONSOLE_TALKING, 3000));
  check_all (&s, 4);
  scene_end (&s);
}

static void
release_cb (void *arg)
{
  void **v = arg;
  char uuid[UUID_TEXT];

  assert_int_equal (hub_release (v[0], hubworld_uuid (0, uuid, sizeof uuid),
                                 NULL, *(uint64_t *) v[1], NULL),
                    0);
}

static void
release (struct scene *s, uint64_t ms)
{
  void *v[2] = { s->w.hub, &ms };

  hubworld_do (&s->w, release_cb, v);
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
      assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 3000));
      release (&s, 60000);
      assert_true (hubworld_wait (&s.w, 0, CONSOLE_GIVEN_WAY, 1000));
      assert_int_equal (lease (&s, LEASE_PERSON, true, 1000, &l), -EBUSY);
      release (&s, 0);
    }
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 3000));
  check_all (&s, 1);
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
  snprintf (path, sizeof path, "%s/cons0", s.dir);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_UNIX, CONSOLE_HOLD, path);
  nap (50);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.state, CONSOLE_ABSENT);
  assert_true (seen.detail[0] != '\0');
  cfg.dir = s.dir;
  assert_int_equal (fakecons_new (&cfg, &s.fake, NULL), 0);
  assert_int_equal (pthread_create (&s.thread, NULL, run_fake, s.fake), 0);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 3000));
  /* Another process behind the same path: a new connection, the same ring. */
  struct guest *g = hubworld_snapshot (0, CONSOLE_UNIX, CONSOLE_HOLD, path);
  struct tap *t = tap (&s, TAP_KEPT, NULL, NULL);

  g->inc.pid = 0;
  g->inc.start_time = 77;
  hubworld_tell (&s.w, GUEST_REINCARNATED, g);
  for (uint64_t until = clock_ms () + 3000; seen.connects < 2; nap (2))
    {
      hubworld_see (&s.w, 0, &seen);
      assert_true (clock_ms () < until);
    }
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

static void
test_probe_mode_connects_for_use_only (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct fakecons_stats st;
  struct scene s;
  struct lease *l, *l2;
  struct tap *t;

  scene_begin (&s, &cfg, CONSOLE_PROBE, NULL);
  t = tap (&s, TAP_NOW | TAP_PASSIVE, NULL, NULL);
  nap (50);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.connects, 0);
  assert_int_equal (tap_state (t), CONSOLE_IDLE);

  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &l), 0);
  lease_free (l);
  /* The next one, soon: the same connection. */
  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &l2), 0);
  lease_free (l2);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.connects, 1);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_IDLE, 1000));
  for (uint64_t until = clock_ms () + 1000; st.connected; nap (1))
    {
      fakecons_stats (s.fake, 0, &st);
      assert_true (clock_ms () < until);
    }
  tap_free (t);
  /* A tap that wants it. */
  t = tap (&s, TAP_NOW, NULL, NULL);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 2000)
               || tap_state (t) == CONSOLE_SILENT);
  tap_free (t);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_IDLE, 1000));
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
  cfg.dir = s.dir;
  assert_int_equal (fakecons_new (&cfg, &s.fake, NULL), 0);
  assert_int_equal (pthread_create (&s.thread, NULL, run_fake, s.fake), 0);
  other = connect_to (fakecons_path (s.fake, 0));
  assert_int_equal (read (other, &byte, 1), 1); /* it is served */
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_UNIX, CONSOLE_PROBE,
                  fakecons_path (s.fake, 0));
  assert_int_equal (hub_lease (s.w.hub, hubworld_uuid (0, uuid, sizeof uuid),
                               "serial0", LEASE_SCENARIO, "test", false,
                               clock_ms () + 3000, &l, &err),
                    -EBUSY);
  assert_non_null (strstr (error_text (&err), "another client"));
  hubworld_guest (&s.w, 0, GUEST_CHANGED, CONSOLE_UNIX, CONSOLE_HOLD,
                  fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_HELD, 2000));
  hubworld_see (&s.w, 0, &seen);
  assert_string_equal (seen.holder, "another client");
  close (other);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_SILENT, 2000)
               || hubworld_wait (&s.w, 0, CONSOLE_TALKING, 1));
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
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 2000));
  start = clock_ms ();
  other = connect_to (fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_GIVEN_WAY, 2000));
  assert_true (read (other, buf, sizeof buf) > 0);
  assert_true (clock_ms () - start < 1000);
  /* As long as the other stays, we stay away. */
  for (start = clock_ms (); clock_ms () - start < 3600;)
    assert_true (read (other, buf, sizeof buf) > 0);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_GIVEN_WAY, 1));
  start = clock_ms ();
  close (other);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 6000));
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
  assert_int_equal (fakecons_new (&cfg, &s.fake, NULL), 0);
  assert_int_equal (pthread_create (&s.thread, NULL, run_fake, s.fake), 0);
  req.path = strrchr (fakecons_path (s.fake, 0), '/') + 1;
  assert_int_equal (opener_do (&req, &fd, &lock, NULL), 0);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_PTY, CONSOLE_HOLD,
                  fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_HELD, 2000));
  close (fd);
  close (lock);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 3000)
               || hubworld_wait (&s.w, 0, CONSOLE_SILENT, 1));
  scene_end (&s);
}

/* ---- taps ---- */

struct reader
{
  atomic_uint called;
  uint64_t got, lost;
  bool free_it;
};

static void
on_data (struct tap *t, void *arg)
{
  struct reader *r = arg;
  char buf[1000];
  uint64_t lost;
  size_t n;

  while ((n = tap_read (t, buf, sizeof buf, &lost)) > 0)
    {
      r->got += n;
      r->lost += lost;
    }
  atomic_fetch_add (&r->called, 1);
  if (r->free_it)
    tap_free (t);
}

static void
test_taps (void **state)
{
  struct fakecons_config cfg = { .rate = 40000 };
  struct reader all = { 0 }, once = { .free_it = true };
  struct tap *a, *t;
  struct scene s;
  char buf[500];
  uint64_t lost, got = 0, from;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  a = tap (&s, TAP_KEPT | TAP_PASSIVE, on_data, &all);
  (void) tap (&s, TAP_NOW, on_data, &once);
  t = tap (&s, TAP_NOW, NULL, NULL);
  from = clock_ms ();
  while (got < 8000)
    {
      assert_int_equal (tap_wait (t, clock_ms () + 3000), 0);
      got += tap_read (t, buf, sizeof buf, &lost);
      assert_int_equal (lost, 0);
      assert_true (tap_time_of_last (t) + 1000 >= from);
    }
  tap_free (t);
  /* From another thread, while it is told all the time. */
  while (atomic_load (&all.called) < 10)
    nap (1);
  tap_free (a);
  assert_int_equal (all.lost, 0);
  assert_int_equal (once.called, 1);
  scene_end (&s);
}

static void
test_the_ring_grows_while_it_is_read (void **state)
{
  struct fakecons_config cfg = { .rate = 400000, .slot_ms = 2 };
  struct hubworld_seen seen;
  struct scene s;
  struct tap *t, *p;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  p = tap (&s, TAP_NOW | TAP_PASSIVE, NULL, NULL);
  while (sunk (&s, 0) < 40000)
    nap (1);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_SMALL);
  t = tap (&s, TAP_NOW, NULL, NULL);
  do
    {
      assert_int_equal (tap_wait (t, clock_ms () + 3000), 0);
      hubworld_see (&s.w, 0, &seen);
    }
  while (seen.ring_bytes != RING_LARGE);
  tap_free (t);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_SMALL);
  tap_free (p);
  scene_end (&s);
}

/* ---- leases ---- */

static void
test_ranks (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct lease *low, *mid, *high, *other;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &low), 0);
  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &other), -EBUSY);
  assert_false (lease_lost (low));
  assert_int_equal (lease (&s, LEASE_DIAGNOSIS, false, 2000, &mid), 0);
  assert_true (lease_lost (low));
  assert_int_equal (tap_wait (lease_tap (low), clock_ms () + 3000),
                    -ECANCELED);
  assert_int_equal (lease_write (low, "x", 1, clock_ms () + 1000, NULL),
                    -ECANCELED);
  assert_int_equal (lease (&s, LEASE_PERSON, false, 2000, &high), 0);
  assert_int_equal (lease (&s, LEASE_PERSON, false, 2000, &other), -EBUSY);
  assert_int_equal (lease (&s, LEASE_PERSON, true, 2000, &other), 0);
  assert_true (lease_lost (high));
  lease_free (low);
  lease_free (mid);
  lease_free (high);
  assert_false (lease_lost (other));
  lease_free (other);
  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &low), 0);
  lease_free (low);
  scene_end (&s);
}

static void
test_the_mux_escape_is_doubled (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_DEAD };
  struct scene s;
  struct lease *l;
  struct fakecons_stats st;
  struct guest *g;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  g = hubworld_snapshot (0, CONSOLE_UNIX, CONSOLE_HOLD,
                         fakecons_path (s.fake, 0));
  g->consoles[0].muxed = true;
  hubworld_tell (&s.w, GUEST_CHANGED, g);
  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &l), 0);
  assert_true (lease_console (l)->muxed);
  assert_int_equal (
      lease_write (l, "\x01" "ab\x01\x01", 5, clock_ms () + 1000, NULL), 0);
  assert_int_equal (lease_write_raw (l, "\x01" "b", 2, clock_ms () + 1000,
                                     NULL),
                    0);
  do
    fakecons_stats (s.fake, 0, &st);
  while (st.keys < 10);
  nap (20);
  fakecons_stats (s.fake, 0, &st);
  assert_int_equal (st.keys, 10);
  lease_free (l);
  scene_end (&s);
}

static void
test_a_guest_that_takes_nothing (void **state)
{
  struct fakecons_config cfg = { .play = FAKE_XOFF };
  struct scene s;
  struct lease *l;
  CLEANUP_FREE char *much = calloc (1, 1 << 20);
  uint64_t start;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (lease (&s, LEASE_SCENARIO, false, 2000, &l), 0);
  start = clock_ms ();
  assert_int_equal (lease_write (l, much, 1 << 20, start + 200, NULL),
                    -ETIMEDOUT);
  assert_true (clock_ms () - start < 1000);
  lease_free (l);
  scene_end (&s);
}

/* ---- logs ---- */

static void
log_write (const char *path, const char *text, int flags)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, text, strlen (text)), strlen (text));
  close (fd);
}

static void
test_log_follows (void **state)
{
  struct hub_limits limits = { .reconnect_min_ms = 20, .reconnect_max_ms = 50 };
  struct scene s;
  struct lease *l;
  char path[100], old[110];

  scene_begin (&s, NULL, CONSOLE_TAIL, &limits);
  snprintf (path, sizeof path, "%s/log", s.dir);
  snprintf (old, sizeof old, "%s/log.0", s.dir);
  log_write (path, "before we came\n", O_TRUNC);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_LOG, CONSOLE_TAIL, path);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_SILENT, 2000));
  log_write (path, "one\n", O_APPEND);
  assert_true (wait_said (&s, "one\n", 3000));
  assert_false (said (&s, "before"));
  assert_int_equal (lease (&s, LEASE_PERSON, true, 100, &l), -EROFS);
  /* Rotated: the end of the old, then the new from its first byte. */
  log_write (path, "two\n", O_APPEND);
  assert_int_equal (rename (path, old), 0);
  log_write (path, "three\n", O_TRUNC);
  assert_true (wait_said (&s, "one\ntwo\nthree\n", 3000));
  /* Truncated. */
  log_write (path, "4\n", O_TRUNC);
  assert_true (wait_said (&s, "three\n4\n", 3000));
  /* Away for a while. */
  assert_int_equal (unlink (path), 0);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_ABSENT, 3000));
  log_write (path, "five\n", O_TRUNC);
  assert_true (wait_said (&s, "4\nfive\n", 3000));
  (void) unlink (path);
  (void) unlink (old);
  scene_end (&s);
}

/* ---- facts, dump, letting go ---- */

struct facts
{
  atomic_uint states, bytes;
  char last[64];
};

static void
on_fact (const struct fact *f, void *arg)
{
  struct facts *facts = arg;

  if (strcmp (f->name, "console.state") == 0)
    {
      snprintf (facts->last, sizeof facts->last, "%.63s", f->text);
      atomic_fetch_add (&facts->states, 1);
    }
  else if (strcmp (f->name, "console.bytes") == 0)
    atomic_fetch_add (&facts->bytes, 1);
}

struct subscribe
{
  struct hubworld *w;
  struct facts *facts;
  struct fact_sub *sub;
};

static void
subscribe (void *arg)
{
  struct subscribe *s = arg;

  assert_int_equal (fact_subscribe (s->w->bus, "test", "console.", on_fact,
                                    s->facts, &s->sub, NULL),
                    0);
}

static void
unsubscribe (void *arg)
{
  struct subscribe *s = arg;

  fact_unsubscribe (s->sub);
}

static void
test_facts (void **state)
{
  struct fakecons_config cfg = { .n = 1, .rate = 20000 };
  struct facts facts = { .last = "" };
  struct scene s;
  struct subscribe sub = { &s.w, &facts, NULL };

  scene_begin (&s, NULL, CONSOLE_HOLD, NULL);
  hubworld_do (&s.w, subscribe, &sub);
  cfg.dir = s.dir;
  assert_int_equal (fakecons_new (&cfg, &s.fake, NULL), 0);
  assert_int_equal (pthread_create (&s.thread, NULL, run_fake, s.fake), 0);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_UNIX, CONSOLE_HOLD,
                  fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 2000));
  nap (300);
  hubworld_do (&s.w, unsubscribe, &sub);
  assert_string_equal (facts.last, "talking");
  /* Absent is where it began, so: silent, talking. */
  assert_int_equal (facts.states, 2);
  assert_int_equal (facts.bytes, 1);
  scene_end (&s);
}

static void
dump_cb (void *arg)
{
  void **v = arg;

  hub_dump (v[0], v[1]);
}

static void
test_dump_and_look (void **state)
{
  struct fakecons_config cfg = { .n = 2 };
  struct buf out = BUF_INIT (10000);
  struct hub_look look;
  char uuid[UUID_TEXT];
  struct scene s;
  void *v[2];

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_true (hubworld_wait (&s.w, 1, CONSOLE_TALKING, 2000));
  v[0] = s.w.hub;
  v[1] = &out;
  hubworld_do (&s.w, dump_cb, v);
  assert_non_null (strstr (buf_str (&out), "hub consoles=2"));
  assert_non_null (strstr (buf_str (&out), "serial0 unix hold talking"));
  buf_done (&out);
  assert_int_equal (hub_look (s.w.hub, hubworld_uuid (1, uuid, sizeof uuid),
                              "serial0", &look, NULL),
                    0);
  assert_int_equal (look.state, CONSOLE_TALKING);
  assert_int_equal (hub_look (s.w.hub, uuid, "nosuch", &look, NULL), -ENOENT);
  scene_end (&s);
}

static void
stick (void *arg)
{
  atomic_bool *go = arg;

  while (!atomic_load (go))
    nap (1);
}

static void *
stick_loop (void *arg)
{
  void **v = arg;

  hubworld_do (v[0], stick, v[1]);
  return NULL;
}

/* The loop is stuck, the guest waits for its UART; then it runs free. */
static void
test_let_go_with_the_loop_stuck (void **state)
{
  struct fakecons_config cfg = { .rate = 2000000, .sndbuf = 4096 };
  struct fakecons_stats st;
  atomic_bool go = false;
  struct scene s;
  pthread_t t;
  void *v[2];

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, 2000));
  v[0] = &s.w;
  v[1] = &go;
  assert_int_equal (pthread_create (&t, NULL, stick_loop, v), 0);
  do
    fakecons_stats (s.fake, 0, &st);
  while (st.blocked_us < 100000);
  hub_let_go (s.w.hub);
  do
    fakecons_stats (s.fake, 0, &st);
  while (st.connected);
  atomic_store (&go, true);
  pthread_join (t, NULL);
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
    cmocka_unit_test (test_probe_mode_connects_for_use_only),
    cmocka_unit_test (test_held_by_another),
    cmocka_unit_test (test_a_stuck_qemu_is_not_held),
    cmocka_unit_test (test_gives_way_and_comes_back),
    cmocka_unit_test (test_a_locked_pty_is_held),
    cmocka_unit_test (test_taps),
    cmocka_unit_test (test_the_ring_grows_while_it_is_read),
    cmocka_unit_test (test_ranks),
    cmocka_unit_test (test_the_mux_escape_is_doubled),
    cmocka_unit_test (test_a_guest_that_takes_nothing),
    cmocka_unit_test (test_log_follows),
    cmocka_unit_test (test_facts),
    cmocka_unit_test (test_dump_and_look),
    cmocka_unit_test (test_let_go_with_the_loop_stuck),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
