/* SPDX-License-Identifier: Apache-2.0
 *
 * Typing behind QEMU's mux: a fake of it, which keeps 32 bytes and loses what
 * comes beyond, before guests that take their time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "tests/fakes/hubscene.h"
#include "tests/lib/until.h"
#include "transports/console/hub_impl.h"

#define KEEPS 32
#define TYPED 300

struct mux
{
  char path[200];
  int listener, fd;
  pthread_t thread;
  atomic_bool stop, deaf; /* deaf: it reads nothing at all */
  /* What the guest does. */
  bool echo, wraps, floods;
  int takes_ms;        /* one byte in so many ms */
  unsigned stalls_at;  /* byte at which it takes nothing for a while */
  uint64_t stalls_ms, goes_on_ms;
  /* What became of it. */
  char ring[KEEPS];
  unsigned kept;
  atomic_uint lost, ngot;
  char got[4 * TYPED];
};

static void
say (struct mux *m, const char *text, size_t n)
{
  (void) send (m->fd, text, n, MSG_NOSIGNAL);
}

static void
flood (struct mux *m)
{
  char much[32 << 10];

  memset (much, '.', sizeof much);
  (void) send (m->fd, much, sizeof much, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
take_one (struct mux *m)
{
  unsigned n = atomic_load (&m->ngot);

  if (n == m->stalls_at && m->stalls_ms > 0)
    {
      if (m->goes_on_ms == 0)
        m->goes_on_ms = clock_ms () + m->stalls_ms;
      if (clock_ms () < m->goes_on_ms)
        return;
    }
  if (n == sizeof m->got)
    return;
  m->got[n] = m->ring[0];
  memmove (m->ring, m->ring + 1, --m->kept);
  if (m->echo)
    {
      /* Where its line is full, as line editors do it. */
      if (m->wraps && n % 20 == 19)
        say (m, " \r\x1b[K", 5);
      say (m, &m->got[n], 1);
    }
  atomic_store (&m->ngot, n + 1);
}

static void *
serve (void *arg)
{
  struct mux *m = arg;
  char in[256];

  m->fd = accept (m->listener, NULL, NULL);
  while (m->fd >= 0 && !atomic_load (&m->stop))
    {
      struct pollfd p = { .fd = m->fd, .events = POLLIN };
      ssize_t n = 0;

      if (m->floods)
        flood (m);
      if (atomic_load (&m->deaf))
        (void) poll (NULL, 0, 1);
      else if (poll (&p, 1, m->floods ? 0 : m->kept > 0 ? m->takes_ms : 10) > 0)
        n = recv (m->fd, in, sizeof in, MSG_DONTWAIT);
      for (ssize_t i = 0; i < n; i++)
        if (m->kept < KEEPS)
          m->ring[m->kept++] = in[i];
        else
          atomic_fetch_add (&m->lost, 1);
      if (m->kept > 0 && n <= 0)
        take_one (m);
    }
  return NULL;
}

static void
mux_begin (struct mux *m, struct scene *s, struct lease **ret_l)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  struct guest *g;

  scene_begin (s, NULL, CONSOLE_HOLD, NULL);
  snprintf (m->path, sizeof m->path, "%s/cons", s->tmp.path);
  snprintf (a.sun_path, sizeof a.sun_path, "%.100s", m->path);
  m->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal (bind (m->listener, (struct sockaddr *) &a, sizeof a), 0);
  assert_int_equal (listen (m->listener, 1), 0);
  assert_int_equal (pthread_create (&m->thread, NULL, serve, m), 0);
  g = hubworld_snapshot (0, CONSOLE_UNIX, CONSOLE_HOLD, m->path);
  g->consoles[0].muxed = true;
  hubworld_tell (&s->w, GUEST_ADDED, g);
  assert_int_equal (scene_lease (s, LEASE_SCENARIO, false, UNTIL_MS, ret_l),
                    0);
}

static void
mux_end (struct mux *m, struct scene *s, struct lease *l)
{
  lease_free (l);
  atomic_store (&m->stop, true);
  pthread_join (m->thread, NULL);
  close (m->fd);
  close (m->listener);
  scene_end (s);
}

/* A command as a dialogue types one; each piece of it another. */
static void
type_it (struct mux *m, struct lease *l)
{
  char typed[TYPED];

  for (size_t i = 0; i < sizeof typed; i++)
    typed[i] = (char) (i % 7 == 6 ? ' ' : 'A' + (i * 5 + i / 26) % 26);
  assert_int_equal (
      lease_write (l, typed, sizeof typed, clock_ms () + UNTIL_MS, NULL), 0);
  UNTIL (atomic_load (&m->ngot) + atomic_load (&m->lost) >= sizeof typed);
  assert_int_equal (atomic_load (&m->lost), 0);
  assert_memory_equal (m->got, typed, sizeof typed);
}

static void
test_a_slow_guest_gets_it_all (void **state)
{
  struct mux m = { .echo = true, .wraps = true, .takes_ms = 1 };
  struct scene s;
  struct lease *l;

  mux_begin (&m, &s, &l);
  type_it (&m, l);
  assert_true (l->echoes);
  assert_false (l->echoless);
  mux_end (&m, &s, l);
}

static void
test_one_that_stands_still_for_a_while (void **state)
{
  struct mux m = { .echo = true, .takes_ms = 1, .stalls_at = 100,
                    .stalls_ms = 400 };
  struct scene s;
  struct lease *l;

  mux_begin (&m, &s, &l);
  type_it (&m, l);
  assert_int_equal (l->misses, 0);
  mux_end (&m, &s, l);
}

static void
test_one_that_does_not_echo (void **state)
{
  struct mux m = { .echo = false };
  struct scene s;
  struct lease *l;

  mux_begin (&m, &s, &l);
  type_it (&m, l);
  /* Waited for once. */
  assert_true (l->echoless);
  assert_int_equal (l->misses, 1);
  mux_end (&m, &s, l);
}

/* It goes on all the same, before its time is over: what is said of such a
 * guest is for those to find out who read its answer. */
static void
test_one_that_takes_nothing (void **state)
{
  struct mux m = { .takes_ms = 1, .stalls_ms = 1 << 30 };
  uint64_t began = clock_ms ();
  char typed[TYPED];
  struct scene s;
  struct lease *l;

  mux_begin (&m, &s, &l);
  memset (typed, 'x', sizeof typed);
  assert_int_equal (
      lease_write (l, typed, sizeof typed, clock_ms () + UNTIL_MS, NULL), 0);
  assert_true (l->echoless);
  assert_true (clock_ms () - began < UNTIL_MS / 3);
  mux_end (&m, &s, l);
}

/* One that says something without end has no more time than others. */
static void
test_one_that_floods (void **state)
{
  struct mux m = { .takes_ms = 1, .floods = true };
  uint64_t began = clock_ms ();
  char typed[TYPED];
  struct scene s;
  struct lease *l;

  mux_begin (&m, &s, &l);
  memset (typed, 'x', sizeof typed);
  (void) lease_write (l, typed, sizeof typed, clock_ms () + 600, NULL);
  assert_true (clock_ms () - began < UNTIL_MS / 2);
  mux_end (&m, &s, l);
}

/* Whose time is over within a line: it is erased, and never ended. */
static void
test_no_half_a_line (void **state)
{
  struct mux m = { .takes_ms = 1 };
  char typed[TYPED];
  struct scene s;
  struct lease *l;
  unsigned n;

  mux_begin (&m, &s, &l);
  memset (typed, 'x', sizeof typed);
  typed[sizeof typed - 1] = '\r';
  assert_int_equal (
      lease_write (l, typed, sizeof typed, clock_ms () + 100, NULL),
      -ETIMEDOUT);
  UNTIL ((n = atomic_load (&m.ngot)) > 0 && m.got[n - 1] == 0x15);
  assert_true (n < sizeof typed);
  assert_null (memchr (m.got, '\r', n));
  mux_end (&m, &s, l);
}

/* What QEMU has not read by the time its client goes is lost. */
static void
waited_until_it_has_read (void **state)
{
  struct mux m = { .takes_ms = 1, .deaf = true };
  struct lease *l;
  struct scene s;

  mux_begin (&m, &s, &l);
  assert_int_equal (
      lease_write_raw (l, "\x01" "b", 2, clock_ms () + UNTIL_MS, NULL), 0);
  assert_int_equal (lease_await_taken (l, clock_ms () + 20), -ETIMEDOUT);
  atomic_store (&m.deaf, false);
  assert_int_equal (lease_await_taken (l, clock_ms () + UNTIL_MS), 0);
  mux_end (&m, &s, l);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_a_slow_guest_gets_it_all),
    cmocka_unit_test (test_one_that_stands_still_for_a_while),
    cmocka_unit_test (test_one_that_does_not_echo),
    cmocka_unit_test (test_one_that_takes_nothing),
    cmocka_unit_test (test_one_that_floods),
    cmocka_unit_test (test_no_half_a_line),
    cmocka_unit_test (waited_until_it_has_read),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
