/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: several watches on one fd, fds closed too early, calls from
 * other threads, everything freed from within callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "tests/unit/base/fake-loop.h"

/* ---- watches ---- */

struct seen
{
  struct watch *watch, *kill;
  unsigned count, events;
  int close_fd;
};

static void
seen_fn (struct watch *w, int fd, unsigned events, void *arg)
{
  struct seen *s = arg;

  assert_ptr_equal (w, s->watch);
  s->count++;
  s->events |= events;
  if (s->kill)
    {
      watch_free (s->kill);
      s->kill = NULL;
    }
}

static void
watch_it (struct loop *loop, int fd, unsigned events, struct seen *s)
{
  struct error err = ERROR_INIT;

  *s = (struct seen){ .count = 0 };
  assert_int_equal (
      loop_watch (loop, "seen", fd, events, seen_fn, s, &s->watch, &err), 0);
}

static void
test_watch_two_on_one_fd (void **state)
{
  struct loop *loop = fake_loop ();
  struct seen r, w, both;
  int sv[2];

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM, 0, sv), 0);
  watch_it (loop, sv[0], LOOP_READ, &r);
  watch_it (loop, sv[0], LOOP_WRITE, &w);
  watch_it (loop, sv[0], 0, &both);
  rounds (loop, 1);
  assert_int_equal (r.count, 0);
  assert_int_equal (w.count, 1);
  assert_int_equal (w.events, LOOP_WRITE);
  assert_int_equal (both.count, 0);
  assert_int_equal (write (sv[1], "x", 1), 1);
  watch_set (both.watch, LOOP_READ | LOOP_WRITE);
  rounds (loop, 1);
  assert_int_equal (r.events, LOOP_READ);
  assert_int_equal (both.events, LOOP_READ | LOOP_WRITE);
  watch_free (w.watch);
  watch_free (both.watch);
  rounds (loop, 1);
  assert_int_equal (r.count, 2);
  assert_int_equal (w.count, 2);
  watch_set (r.watch, 0);
  rounds (loop, 1);
  assert_int_equal (r.count, 2);
  watch_free (r.watch);
  watch_free (NULL);
  close (sv[0]);
  close (sv[1]);
  loop_free (loop);
}

static void
test_watch_hangup (void **state)
{
  struct loop *loop = fake_loop ();
  struct seen r, off;
  int sv[2];

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM, 0, sv), 0);
  watch_it (loop, sv[0], LOOP_READ, &r);
  watch_it (loop, sv[0], 0, &off);
  close (sv[1]);
  rounds (loop, 1);
  assert_int_equal (r.events, LOOP_READ | LOOP_HANGUP);
  assert_int_equal (off.count, 0);
  close (sv[0]);
  loop_free (loop);
}

static void
test_watch_free_in_callback (void **state)
{
  struct loop *loop = fake_loop ();
  struct seen a, b, c;
  int sv[2];

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM, 0, sv), 0);
  assert_int_equal (write (sv[1], "x", 1), 1);
  watch_it (loop, sv[0], LOOP_READ, &a);
  watch_it (loop, sv[0], LOOP_READ, &b);
  watch_it (loop, sv[0], LOOP_READ, &c);
  /* c runs first (newest first): it frees a, which must not run. */
  c.kill = a.watch;
  b.kill = b.watch;
  rounds (loop, 1);
  assert_int_equal (c.count, 1);
  assert_int_equal (b.count, 1);
  assert_int_equal (a.count, 0);
  rounds (loop, 1);
  assert_int_equal (c.count, 2);
  assert_int_equal (b.count, 1);
  close (sv[0]);
  close (sv[1]);
  loop_free (loop);
}

/* An owner closes its fd, and frees its watch only after the number is in use
 * again: the new watch must neither lose events nor share them. */
static void
test_watch_closed_first (void **state)
{
  struct loop *loop = fake_loop ();
  struct seen old, new;
  int p[2], q[2];

  assert_int_equal (pipe2 (p, O_CLOEXEC), 0);
  watch_it (loop, p[0], LOOP_READ, &old);
  close (p[0]);
  rounds (loop, 1);
  assert_int_equal (pipe2 (q, O_CLOEXEC), 0);
  assert_int_equal (q[0], p[0]);
  watch_it (loop, q[0], LOOP_READ, &new);
  assert_int_equal (write (q[1], "x", 1), 1);
  rounds (loop, 1);
  assert_int_equal (new.count, 1);
  assert_int_equal (old.count, 0);
  watch_set (old.watch, LOOP_WRITE);
  watch_free (old.watch);
  rounds (loop, 1);
  assert_int_equal (new.count, 2);
  close (p[1]);
  close (q[0]);
  watch_free (new.watch); /* closed, nobody has the number */
  rounds (loop, 1);
  close (q[1]);
  loop_free (loop);
}

/* As above, but a copy keeps the old file alive: the kernel goes on reporting
 * it under the number of the new one. */
static void
test_watch_closed_but_copied (void **state)
{
  struct loop *loop = fake_loop ();
  struct seen old, new;
  int p[2], q[2], copy;

  assert_int_equal (pipe2 (p, O_CLOEXEC), 0);
  assert_int_equal (write (p[1], "x", 1), 1);
  watch_it (loop, p[0], LOOP_READ, &old);
  copy = fcntl (p[0], F_DUPFD_CLOEXEC, 100);
  assert_true (copy >= 100);
  close (p[0]);
  assert_int_equal (pipe2 (q, O_CLOEXEC), 0);
  assert_int_equal (q[0], p[0]);
  watch_it (loop, q[0], LOOP_READ, &new);
  for (int i = 0; i < 3; i++)
    rounds (loop, 1);
  assert_int_equal (old.count, 0);
  assert_int_equal (new.count, 0);
  assert_int_equal (write (q[1], "x", 1), 1);
  rounds (loop, 1);
  assert_int_equal (new.count, 1);
  watch_free (old.watch);
  watch_free (new.watch);
  /* The stray registration is gone: a round with nothing to do sleeps. */
  {
    struct error err = ERROR_INIT;
    uint64_t t = clock_ms ();

    assert_int_equal (loop_round (loop, 30, &err), 0);
    assert_true (clock_ms () - t >= 29);
  }
  close (copy);
  close (p[1]);
  close (q[0]);
  close (q[1]);
  loop_free (loop);
}

struct swap
{
  struct loop *loop;
  int fd;
  struct watch *watch;
  struct seen *new;
  int q[2];
};

static void
swap_fn (struct watch *w, int fd, unsigned events, void *arg)
{
  struct swap *s = arg;

  watch_free (w);
  close (fd);
  assert_int_equal (pipe2 (s->q, O_CLOEXEC), 0);
  assert_int_equal (s->q[0], fd);
  watch_it (s->loop, s->q[0], LOOP_READ, s->new);
}

/* The event was polled for the old file; the new watch on the same number,
 * made in the same round, must not get it. */
static void
test_watch_reused_in_round (void **state)
{
  struct loop *loop = fake_loop ();
  struct seen new = { .count = 0 }, other;
  struct swap s = { .loop = loop, .new = &new };
  struct error err = ERROR_INIT;
  int p[2];

  assert_int_equal (pipe2 (p, O_CLOEXEC), 0);
  assert_int_equal (write (p[1], "x", 1), 1);
  watch_it (loop, p[0], LOOP_READ, &other);
  assert_int_equal (
      loop_watch (loop, "swap", p[0], LOOP_READ, swap_fn, &s, &s.watch, &err),
      0);
  rounds (loop, 1);
  assert_int_equal (new.count, 0);
  assert_int_equal (other.count, 0); /* its file was closed under it */
  assert_int_equal (write (s.q[1], "y", 1), 1);
  rounds (loop, 1);
  assert_int_equal (new.count, 1);
  watch_free (other.watch);
  close (p[1]);
  close (s.q[0]);
  close (s.q[1]);
  loop_free (loop);
}

static void
test_watch_errors (void **state)
{
  struct loop *loop = fake_loop ();
  struct error err = ERROR_INIT;
  struct watch *w = (void *) 1;
  int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  assert_int_equal (
      loop_watch (loop, "none", -1, LOOP_READ, seen_fn, NULL, &w, &err),
      -EBADF);
  assert_int_equal (
      loop_watch (loop, "none", 987, LOOP_READ, seen_fn, NULL, &w, &err),
      -EBADF);
  assert_int_equal (
      loop_watch (loop, "null", fd, LOOP_READ, seen_fn, NULL, &w, &err),
      -EPERM);
  assert_non_null (strstr (err.msg, "null"));
  assert_ptr_equal (w, (void *) 1);
  close (fd);
  loop_free (loop);
}

/* ---- calls ---- */

enum
{
  POSTERS = 4,
  POSTS = 500
};

struct poster
{
  struct loop *loop;
  pthread_t thread;
  unsigned id;
  unsigned *last; /* per poster: order is kept */
  unsigned *total;
};

struct one_call
{
  struct poster *p;
  unsigned i;
};

static void
posted (void *arg)
{
  struct one_call *c = arg;

  assert_int_equal (c->p->last[c->p->id] + 1, c->i);
  c->p->last[c->p->id] = c->i;
  if (++*c->p->total == POSTERS * POSTS)
    loop_stop (c->p->loop);
  free (c);
}

static void *
poster_main (void *arg)
{
  struct poster *p = arg;

  for (unsigned i = 1; i <= POSTS; i++)
    {
      struct one_call *c = malloc (sizeof *c);
      uint64_t busy;

      *c = (struct one_call){ .p = p, .i = i };
      if (loop_post (p->loop, posted, c, free) < 0)
        abort ();
      (void) loop_beat (p->loop, &busy);
    }
  return NULL;
}

static void
test_post_threads (void **state)
{
  struct loop *loop = NULL;
  struct error err = ERROR_INIT;
  unsigned last[POSTERS] = { 0 }, total = 0;
  struct poster p[POSTERS];
  uint64_t busy = 1;

  assert_int_equal (loop_new (&loop, &err), 0);
  for (unsigned i = 0; i < POSTERS; i++)
    {
      p[i] = (struct poster){
        .loop = loop, .id = i, .last = last, .total = &total
      };
      assert_int_equal (pthread_create (&p[i].thread, NULL, poster_main, &p[i]),
                        0);
    }
  assert_int_equal (loop_run (loop, &err), 0);
  for (unsigned i = 0; i < POSTERS; i++)
    pthread_join (p[i].thread, NULL);
  assert_int_equal (total, POSTERS * POSTS);
  assert_true (loop_beat (loop, &busy) > 0);
  assert_int_equal (busy, 0);
  loop_free (loop);
}

static void
count_call (void *arg)
{
  ++*(unsigned *) arg;
}

static void
never (void *arg)
{
  fail_msg ("ran a call of a loop that was freed");
}

static void
test_post_dropped (void **state)
{
  struct loop *loop = fake_loop ();
  unsigned drops = 0;

  assert_int_equal (loop_post (loop, never, &drops, count_call), 0);
  assert_int_equal (loop_post (loop, never, &drops, NULL), 0);
  loop_free (loop);
  assert_int_equal (drops, 1);
  loop_free (NULL);
}

static void
test_stop_before_run (void **state)
{
  struct loop *loop = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (loop_new (&loop, &err), 0);
  loop_stop (loop);
  assert_int_equal (loop_run (loop, &err), 0);
  loop_free (loop);
}

struct beat
{
  struct loop *loop;
  uint64_t busy, beat;
};

static void
beat_call (void *arg)
{
  struct beat *b = arg;

  b->beat = loop_beat (b->loop, &b->busy);
}

static void
enter_twice (void *arg)
{
  struct error err = ERROR_INIT;

  assert_int_equal (loop_round (arg, 0, &err), -EDEADLK);
}

static void
test_beat (void **state)
{
  struct loop *loop = fake_loop ();
  struct beat b = { .loop = loop };
  uint64_t before = loop_beat (loop, NULL);

  assert_int_equal (loop_post (loop, beat_call, &b, NULL), 0);
  assert_int_equal (loop_post (loop, enter_twice, loop, NULL), 0);
  rounds (loop, 1);
  assert_int_equal (b.beat, before + 1);
  assert_true (b.busy > 0 && b.busy <= clock_ms ());
  loop_free (loop);
}

static void
noop_timer (struct timer *t, void *arg)
{
}

static void
test_dump (void **state)
{
  CLEANUP_BUF struct buf out = BUF_INIT (4096);
  struct loop *loop = fake_loop ();
  struct error err = ERROR_INIT;
  struct timer *t = NULL;
  struct seen s;
  int p[2];

  assert_int_equal (pipe2 (p, O_CLOEXEC), 0);
  watch_it (loop, p[0], LOOP_READ, &s);
  assert_int_equal (
      loop_timer (loop, "tick of the clock", noop_timer, NULL, &t, &err), 0);
  loop_dump (loop, &out);
  assert_non_null (strstr (buf_str (&out), "timer off tick of the clock"));
  timer_in (t, 250);
  loop_dump (loop, &out);
  assert_non_null (strstr (buf_str (&out), "timer in=250ms tick of the"));
  assert_non_null (strstr (buf_str (&out), "r- seen"));
  close (p[0]);
  close (p[1]);
  loop_free (loop);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_watch_two_on_one_fd),
    cmocka_unit_test (test_watch_hangup),
    cmocka_unit_test (test_watch_free_in_callback),
    cmocka_unit_test (test_watch_closed_first),
    cmocka_unit_test (test_watch_closed_but_copied),
    cmocka_unit_test (test_watch_reused_in_round),
    cmocka_unit_test (test_watch_errors),
    cmocka_unit_test (test_post_threads),
    cmocka_unit_test (test_post_dropped),
    cmocka_unit_test (test_stop_before_run),
    cmocka_unit_test (test_beat),
    cmocka_unit_test (test_dump),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
