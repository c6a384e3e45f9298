/* SPDX-License-Identifier: Apache-2.0
 *
 * Using a console: taps, leases, logs, facts, letting go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "tests/fakes/hubscene.h"
#include "transports/console/hub_impl.h"
#include "tests/lib/until.h"

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
  a = scene_tap (&s, TAP_KEPT, on_data, &all);
  (void) scene_tap (&s, TAP_NOW | TAP_ACTIVE, on_data, &once);
  t = scene_tap (&s, TAP_NOW | TAP_ACTIVE, NULL, NULL);
  from = clock_ms ();
  while (got < 8000)
    {
      assert_int_equal (tap_wait (t, clock_ms () + UNTIL_MS), 0);
      got += tap_read (t, buf, sizeof buf, &lost);
      assert_int_equal (lost, 0);
      assert_true (tap_time_of_last (t) + 1000 >= from);
    }
  tap_free (t);
  /* From another thread, while it is told all the time. */
  while (atomic_load (&all.called) < 10)
    nap_ms (1);
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
  p = scene_tap (&s, TAP_NOW, NULL, NULL);
  while (scene_sunk (&s, 0) < 40000)
    nap_ms (1);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_SMALL);
  t = scene_tap (&s, TAP_NOW | TAP_ACTIVE, NULL, NULL);
  do
    {
      assert_int_equal (tap_wait (t, clock_ms () + UNTIL_MS), 0);
      hubworld_see (&s.w, 0, &seen);
    }
  while (seen.ring_bytes != RING_LARGE);
  tap_free (t);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_SMALL);
  tap_free (p);
  scene_end (&s);
}

static void
told (void *arg)
{
  atomic_fetch_add ((atomic_uint *) arg, 1);
}

static void
listen_to_ticks (void *arg)
{
  void **v = arg;

  hub_after_tick (v[0], v[1] ? told : NULL, v[1]);
}

/* As if the last time that a follower was behind were long ago. */
static void
time_goes_by (void *arg)
{
  struct hub *hub = arg;

  for (struct console *c = hub->lists[LIST_LARGE].first; c;
       c = c->in[LIST_LARGE].next)
    c->lag_ms -= HUB_LAG_MS;
  drain_shrink_ (hub->shrink_timer, hub);
}

/* It gets room as long as it is behind, up to what all may have, and is told
 * of what came. */
static void
test_a_follower_that_lags (void **state)
{
  struct fakecons_config cfg = { .n = 2, .rate = 150000, .slot_ms = 2 };
  const struct hub_limits limits
      = { .ring_total = 2 * RING_SMALL + RING_LARGE };
  atomic_uint ticks = 0;
  struct reader all = { 0 };
  struct hubworld_seen seen;
  struct scene s;
  struct tap *f, *a;
  char buf[1000], uuid[UUID_TEXT];
  uint64_t lost, missed = 0, got = 0;

  scene_begin (&s, &cfg, CONSOLE_HOLD, &limits);
  hubworld_do (&s.w, listen_to_ticks, (void *[]){ s.w.hub, &ticks });
  f = scene_tap (&s, TAP_NOW | TAP_FOLLOW, NULL, NULL);
  a = scene_tap (&s, TAP_NOW, on_data, &all);
  /* Well below what a large ring holds: between here and the end of the noise
   * this thread may be kept from running for a second.  Counted from here: what
   * came before it follows is not its. */
  for (uint64_t from = scene_sunk (&s, 0); scene_sunk (&s, 0) < from + 60000;)
    nap_ms (1);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_LARGE);
  /* Not while it is behind. */
  hubworld_do (&s.w, time_goes_by, s.w.hub);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_LARGE);
  assert_int_equal (fakecons_command (s.fake, "rate * 0"), 0);
  for (size_t n; (n = tap_read (f, buf, sizeof buf, &lost)) > 0; got += n)
    missed += lost;
  assert_int_equal (missed, 0);
  assert_true (got >= 60000);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_LARGE);
  /* The next one finds no room. */
  tap_free (f);
  assert_int_equal (hub_tap (s.w.hub, hubworld_uuid (1, uuid, sizeof uuid),
                             "serial0", "test",
                             (enum tap_start) (TAP_NOW | TAP_FOLLOW), NULL,
                             NULL, &f, NULL),
                    0);
  assert_int_equal (fakecons_command (s.fake, "rate 1 400000"), 0);
  for (uint64_t from = scene_sunk (&s, 1); scene_sunk (&s, 1) < from + 50000;)
    nap_ms (1);
  hubworld_see (&s.w, 1, &seen);
  assert_int_equal (seen.ring_bytes, RING_SMALL);
  /* Then the first is back to what it needs. */
  hubworld_do (&s.w, time_goes_by, s.w.hub);
  hubworld_see (&s.w, 0, &seen);
  assert_int_equal (seen.ring_bytes, RING_SMALL);
  assert_true (atomic_load (&ticks) > 0);
  assert_in_range (atomic_load (&ticks), 1, atomic_load (&all.called));
  hubworld_do (&s.w, listen_to_ticks, (void *[]){ s.w.hub, NULL });
  tap_free (f);
  tap_free (a);
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
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &low), 0);
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &other),
                    -EBUSY);
  assert_false (lease_lost (low));
  assert_int_equal (scene_lease (&s, LEASE_DIAGNOSIS, false, UNTIL_MS, &mid), 0);
  assert_true (lease_lost (low));
  assert_int_equal (tap_wait (lease_tap (low), clock_ms () + UNTIL_MS),
                    -ECANCELED);
  assert_int_equal (lease_write (low, "x", 1, clock_ms () + UNTIL_MS, NULL),
                    -ECANCELED);
  assert_int_equal (scene_lease (&s, LEASE_PERSON, false, UNTIL_MS, &high), 0);
  assert_int_equal (scene_lease (&s, LEASE_PERSON, false, UNTIL_MS, &other),
                    -EBUSY);
  assert_int_equal (scene_lease (&s, LEASE_PERSON, true, UNTIL_MS, &other), 0);
  assert_true (lease_lost (high));
  lease_free (low);
  lease_free (mid);
  lease_free (high);
  assert_false (lease_lost (other));
  lease_free (other);
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &low), 0);
  lease_free (low);
  scene_end (&s);
}

/* Who types nothing for long enough has gone home. */
struct typist
{
  struct lease *l;
  int r;
};

static void *
type_one_line (void *arg)
{
  struct typist *t = arg;

  t->r = lease_write (t->l, "reboot\n", 7, clock_ms () + 2000, NULL);
  return NULL;
}

/* The loop connects to another process in the moment between looking whether
 * the lease is good and typing. */
static void
test_nothing_is_typed_into_the_next_connection (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct typist t = { .r = 1 };
  struct console *c;
  struct scene s;
  pthread_t thread;
  int next[2];
  char got[8];

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &t.l), 0);
  assert_int_equal (pipe2 (next, O_CLOEXEC | O_NONBLOCK), 0);
  c = t.l->console;
  pthread_mutex_lock (&c->io);
  assert_int_equal (pthread_create (&thread, NULL, type_one_line, &t), 0);
  nap_ms (100); /* it has looked, and waits for the descriptor */
  pthread_mutex_lock (&s.w.hub->lock);
  c->connection += 2;
  pthread_mutex_unlock (&s.w.hub->lock);
  c->io_fd = next[1];
  c->io_connection = c->connection;
  pthread_mutex_unlock (&c->io);
  pthread_join (thread, NULL);
  assert_int_equal (read (next[0], got, sizeof got), -1);
  assert_int_equal (t.r, -EPIPE);
  lease_free (t.l);
  scene_end (&s);
  close (next[0]);
  close (next[1]);
}

static void
test_an_idle_person_loses_it (void **state)
{
  struct fakecons_config cfg = { .n = 1 };
  struct lease *person, *other;
  struct scene s;

  scene_begin (&s, &cfg, CONSOLE_HOLD, NULL);
  assert_int_equal (scene_lease (&s, LEASE_PERSON, false, UNTIL_MS, &person), 0);
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &other),
                    -EBUSY);
  atomic_store (&person->used_ms, clock_ms () - LEASE_PERSON_IDLE_MS);
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &other), 0);
  assert_true (lease_lost (person));
  lease_free (person);
  lease_free (other);
  /* Also when nobody else asks for it. */
  assert_int_equal (scene_lease (&s, LEASE_PERSON, false, UNTIL_MS, &person), 0);
  atomic_store (&person->used_ms, clock_ms () - LEASE_PERSON_IDLE_MS);
  assert_true (lease_lost (person));
  lease_free (person);
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
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &l), 0);
  assert_true (lease_console (l)->muxed);
  assert_int_equal (
      lease_write (l, "\x01" "ab\x01\x01", 5, clock_ms () + UNTIL_MS, NULL),
      0);
  assert_int_equal (lease_write_raw (l, "\x01" "b", 2,
                                     clock_ms () + UNTIL_MS, NULL),
                    0);
  UNTIL ((fakecons_stats (s.fake, 0, &st), st.keys >= 10));
  nap_ms (50);
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
  assert_int_equal (scene_lease (&s, LEASE_SCENARIO, false, UNTIL_MS, &l), 0);
  start = clock_ms ();
  assert_int_equal (lease_write (l, much, 1 << 20, start + 200, NULL),
                    -ETIMEDOUT);
  assert_true (clock_ms () - start < UNTIL_MS);
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
  snprintf (path, sizeof path, "%s/log", s.tmp.path);
  snprintf (old, sizeof old, "%s/log.0", s.tmp.path);
  log_write (path, "before we came\n", O_TRUNC);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_LOG, CONSOLE_TAIL, path);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_SILENT, UNTIL_MS));
  log_write (path, "one\n", O_APPEND);
  assert_true (scene_wait_said (&s, "one\n", UNTIL_MS));
  assert_false (scene_said (&s, "before"));
  assert_int_equal (scene_lease (&s, LEASE_PERSON, true, 100, &l), -EROFS);
  /* Rotated: the end of the old, then the new from its first byte. */
  log_write (path, "two\n", O_APPEND);
  assert_int_equal (rename (path, old), 0);
  log_write (path, "three\n", O_TRUNC);
  assert_true (scene_wait_said (&s, "one\ntwo\nthree\n", UNTIL_MS));
  /* Truncated. */
  log_write (path, "4\n", O_TRUNC);
  assert_true (scene_wait_said (&s, "three\n4\n", UNTIL_MS));
  /* Away for a while. */
  assert_int_equal (unlink (path), 0);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_ABSENT, UNTIL_MS));
  log_write (path, "five\n", O_TRUNC);
  assert_true (scene_wait_said (&s, "4\nfive\n", UNTIL_MS));
  (void) unlink (path);
  (void) unlink (old);
  scene_end (&s);
}

/* The hub asks what a log lies on; this says so in place of the kernel. */
static atomic_long pretended_type;

int
fstatfs (int fd, struct statfs *st)
{
  if (syscall (SYS_fstatfs, fd, st) < 0)
    return -1;
  if (atomic_load (&pretended_type))
    st->f_type = atomic_load (&pretended_type);
  return 0;
}

/* Reading there may hang, and it is the loop that reads. */
static void
test_no_log_on_a_file_system_of_others (void **state)
{
  struct hubworld_seen seen;
  struct scene s;
  char path[100];

  scene_begin (&s, NULL, CONSOLE_TAIL, NULL);
  snprintf (path, sizeof path, "%s/log", s.tmp.path);
  log_write (path, "before we came\n", O_TRUNC);
  atomic_store (&pretended_type, FUSE_SUPER_MAGIC);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_LOG, CONSOLE_TAIL, path);
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_BROKEN, UNTIL_MS));
  hubworld_see (&s.w, 0, &seen);
  assert_non_null (strstr (seen.detail, "file system"));
  atomic_store (&pretended_type, 0);
  (void) unlink (path);
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
  scene_fakes (&s, &cfg);
  hubworld_guest (&s.w, 0, GUEST_ADDED, CONSOLE_UNIX, CONSOLE_HOLD,
                  fakecons_path (s.fake, 0));
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
  nap_ms (300);
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
  assert_true (hubworld_wait (&s.w, 1, CONSOLE_TALKING, UNTIL_MS));
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
    nap_ms (1);
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
  assert_true (hubworld_wait (&s.w, 0, CONSOLE_TALKING, UNTIL_MS));
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

/* ---- whose it is ---- */

static int
client (const struct sockaddr_un *sa)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_int_equal (connect (fd, (const struct sockaddr *) sa, sizeof *sa), 0);
  return fd;
}

/* Who is stuck has not seen that his client left: nobody holds it. */
static void
test_who_left_holds_nothing (void **state)
{
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  CLEANUP_CLOSE int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CLEANUP_CLOSE int accepted = -1, next = -1;
  int first;

  snprintf (sa.sun_path, sizeof sa.sun_path, "/tmp/hd-held.%d", getpid ());
  unlink (sa.sun_path);
  assert_int_equal (bind (listener, (struct sockaddr *) &sa, sizeof sa), 0);
  assert_int_equal (listen (listener, 1), 0);
  first = client (&sa);
  accepted = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  assert_true (accepted >= 0);
  next = client (&sa);
  assert_int_equal (chardev_held_by_other (next), 1);
  assert_int_equal (chardev_file_held (sa.sun_path), 1);
  close (first);
  assert_int_equal (chardev_held_by_other (next), 0);
  assert_int_equal (chardev_file_held (sa.sun_path), 0);
  unlink (sa.sun_path);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_taps),
    cmocka_unit_test (test_the_ring_grows_while_it_is_read),
    cmocka_unit_test (test_a_follower_that_lags),
    cmocka_unit_test (test_ranks),
    cmocka_unit_test (test_who_left_holds_nothing),
    cmocka_unit_test (test_nothing_is_typed_into_the_next_connection),
    cmocka_unit_test (test_an_idle_person_loses_it),
    cmocka_unit_test (test_the_mux_escape_is_doubled),
    cmocka_unit_test (test_a_guest_that_takes_nothing),
    cmocka_unit_test (test_log_follows),
    cmocka_unit_test (test_no_log_on_a_file_system_of_others),
    cmocka_unit_test (test_facts),
    cmocka_unit_test (test_dump_and_look),
    cmocka_unit_test (test_let_go_with_the_loop_stuck),
  };

  (void) signal (SIGPIPE, SIG_IGN);
  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
