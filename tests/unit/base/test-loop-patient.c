/* SPDX-License-Identifier: Apache-2.0
 *
 * Patient watches: nothing is lost, nothing waits while there are few of
 * them, and many share their wake-ups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "tests/lib/until.h"

#define PIPES 100
/* As many as are had at once, and some for a machine that stands still. */
#define AT_ONCE 20

struct world
{
  struct loop *loop;
  int fd[PIPES][2];
  struct watch *w[PIPES];
  unsigned seen, hangups, ends;
};

static void
on_byte (struct watch *w, int fd, unsigned events, void *arg)
{
  struct world *world = arg;
  char c[16];
  ssize_t n = events & LOOP_READ ? read (fd, c, sizeof c) : -1;

  if (n > 0)
    world->seen++;
  else if (n == 0)
    {
      world->ends++;
      watch_set (w, 0);
    }
  else if (events & LOOP_HANGUP)
    {
      world->hangups++;
      watch_set (w, 0);
    }
}

static int
setup (void **state)
{
  struct world *world = calloc (1, sizeof *world);

  if (!world || loop_new (&world->loop, NULL) < 0)
    return -1;
  for (unsigned i = 0; i < PIPES; i++)
    {
      if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                      world->fd[i])
              < 0
          || loop_watch (world->loop, "pipe", world->fd[i][0], LOOP_READ,
                         on_byte, world, &world->w[i], NULL)
                 < 0)
        return -1;
      watch_patient (world->w[i], true);
    }
  *state = world;
  return 0;
}

static int
teardown (void **state)
{
  struct world *world = *state;

  for (unsigned i = 0; i < PIPES; i++)
    {
      watch_free (world->w[i]);
      cleanup_close_ (&world->fd[i][0]);
      cleanup_close_ (&world->fd[i][1]);
    }
  loop_free (world->loop);
  free (world);
  return 0;
}

static void
say (struct world *world, unsigned i)
{
  assert_int_equal (write (world->fd[i][1], "x", 1), 1);
}

/* Until n were seen. */
static void
wait_seen (struct world *world, unsigned n)
{
  UNTIL_LOOP (world->loop, world->seen >= n);
  assert_int_equal (world->seen, n);
}

static void
test_few_at_once (void **state)
{
  struct world *world = *state;

  for (unsigned i = 0; i < AT_ONCE; i++)
    {
      say (world, i);
      assert_int_equal (loop_round (world->loop, 0, NULL), 0);
      assert_int_equal (world->seen, i + 1);
    }
}

/* The machine may stand still between any two lines: what it gave back by
 * then may be had at once. */
static void
test_many_share (void **state)
{
  struct world *world = *state;
  uint64_t start = clock_ms ();
  unsigned may;

  for (unsigned i = 0; i < PIPES; i++)
    {
      say (world, i);
      assert_int_equal (loop_round (world->loop, 0, NULL), 0);
    }
  /* A tick takes whatever is there. */
  may = AT_ONCE + 1
        + PIPES * (unsigned) ((clock_ms () - start) / LOOP_PATIENCE_MS);
  assert_true (world->seen <= may);
  wait_seen (world, PIPES);
}

/* After a rush it is as at the beginning. */
static void
test_calm_again (void **state)
{
  struct world *world = *state;
  uint64_t end, now;

  test_many_share (state);
  end = clock_ms () + (AT_ONCE + 5) * LOOP_PATIENCE_MS;
  while ((now = clock_ms ()) < end)
    assert_int_equal (loop_round (world->loop, end - now, NULL), 0);
  world->seen = 0;
  test_few_at_once (state);
}

/* Changing sides with an event under way, and back: neither lost nor told
 * twice. */
static void
test_change_sides (void **state)
{
  struct world *world = *state;

  for (unsigned i = 0; i < PIPES; i++)
    {
      say (world, i);
      if (i % 3 == 0)
        watch_patient (world->w[i], false);
      if (i % 3 == 1)
        {
          watch_patient (world->w[i], false);
          watch_patient (world->w[i], true);
        }
    }
  wait_seen (world, PIPES);
  for (unsigned i = 0; i < PIPES; i++)
    {
      watch_set (world->w[i], 0);
      watch_patient (world->w[i], i % 2);
      say (world, i);
    }
  assert_int_equal (loop_round (world->loop, 30, NULL), 0);
  assert_int_equal (world->seen, PIPES);
  for (unsigned i = 0; i < PIPES; i++)
    watch_set (world->w[i], LOOP_READ);
  wait_seen (world, 2 * PIPES);
}

/* Two watches on one fd: it is patient only if both are. */
static void
test_impatient_neighbour (void **state)
{
  struct world *world = *state, other = { 0 };
  struct watch *w = NULL;

  for (unsigned i = 1; i < PIPES; i++)
    {
      say (world, i);
      assert_int_equal (loop_round (world->loop, 0, NULL), 0);
    }
  assert_int_equal (loop_watch (world->loop, "hurry", world->fd[0][0],
                                LOOP_READ, on_byte, &other, &w, NULL),
                    0);
  say (world, 0);
  assert_int_equal (loop_round (world->loop, 0, NULL), 0);
  assert_int_equal (other.seen, 1);
  watch_free (w);
  say (world, 0);
  wait_seen (world, PIPES);
}

static void
test_hangup_and_copies (void **state)
{
  struct world *world = *state;
  int copy = dup (world->fd[5][0]);

  assert_true (copy >= 0);
  cleanup_close_ (&world->fd[3][1]);
  world->fd[3][1] = -1;
  assert_int_equal (loop_round (world->loop, 100, NULL), 0);
  assert_int_equal (world->ends, 1);
  /* Closed here, alive in a copy: out of reach of the set, which is made
   * anew; the others are still in it. */
  cleanup_close_ (&world->fd[5][0]);
  world->fd[5][0] = -1;
  watch_free (world->w[5]);
  world->w[5] = NULL;
  say (world, 5);
  for (unsigned i = 0; i < 5; i++)
    assert_int_equal (loop_round (world->loop, 20, NULL), 0);
  assert_int_equal (world->seen, 0);
  say (world, 6);
  wait_seen (world, 1);
  cleanup_close_ (&copy);
}

/* What was said last and the end of it are one event to the kernel, and the
 * callback takes a piece at a time: it must be told of both. */
static void
test_last_words (void **state)
{
  struct world *world = *state;

  test_many_share (state);
  world->seen = 0;
  for (unsigned i = 0; i < PIPES; i++)
    {
      say (world, i);
      if (i % 2)
        cleanup_close_ (&world->fd[i][1]);
      else
        assert_int_equal (shutdown (world->fd[i][1], SHUT_WR), 0);
    }
  UNTIL_LOOP (world->loop, world->ends >= PIPES);
  assert_int_equal (world->seen, PIPES);
  assert_int_equal (world->ends, PIPES);
  assert_int_equal (world->hangups, 0);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_few_at_once),         T (test_many_share),
    T (test_calm_again),          T (test_change_sides),
    T (test_impatient_neighbour), T (test_hangup_and_copies),
    T (test_last_words),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
