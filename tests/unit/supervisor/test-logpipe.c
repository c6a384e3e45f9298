/* SPDX-License-Identifier: Apache-2.0
 *
 * The log pipe: what is put comes out, in order; what does not fit is a gap
 * of exactly that size at the right place; a new pipe begins with a record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "supervisor/links/logpipe.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define IDS 4

/* Every console's bytes count up, so that a byte says where it belongs. */
struct world
{
  struct logpipe *lp;
  struct logpipe_reader *rd;
  uint64_t put[IDS]; /* offset of the next byte */
  uint64_t got[IDS]; /* offset of the next byte expected */
  uint64_t gaps, records, last_wall;
};

static void
new_pipe (struct world *w, int size)
{
  int fds[2];
  struct error err = ERROR_INIT;

  assert_int_equal (pipe2 (fds, O_CLOEXEC), 0);
  if (size)
    assert_true (fcntl (fds[1], F_SETPIPE_SZ, size) > 0);
  if (w->lp)
    logpipe_set_fd (w->lp, fds[1]);
  else
    assert_int_equal (logpipe_new (fds[1], &w->lp, &err), 0);
  logpipe_reader_free (w->rd);
  assert_int_equal (logpipe_reader_new (fds[0], &w->rd, &err), 0);
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);

  signal (SIGPIPE, SIG_IGN);
  new_pipe (w, 4096 * 4);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;

  logpipe_free (w->lp);
  logpipe_reader_free (w->rd);
  free (w);
  return 0;
}

static bool
put (struct world *w, uint32_t id, size_t len, uint64_t wall)
{
  CLEANUP_FREE unsigned char *data = malloc (len);

  for (size_t i = 0; i < len; i++)
    data[i] = (unsigned char) ((w->put[id] + i) * 7 + id);
  w->put[id] += len;
  return logpipe_put (w->lp, id, data, len, wall);
}

static void
see (uint32_t id, const void *data, size_t len, uint64_t gap,
     uint64_t wall_ms, void *arg)
{
  struct world *w = arg;
  const unsigned char *p = data;

  assert_true (id < IDS);
  assert_true (len == 0 || gap == 0);
  w->got[id] += gap;
  w->gaps += gap;
  for (size_t i = 0; i < len; i++)
    if (p[i] != (unsigned char) ((w->got[id] + i) * 7 + id))
      fail_msg ("console %u: wrong byte at %llu", id,
                (unsigned long long) (w->got[id] + i));
  w->got[id] += len;
  w->records++;
  w->last_wall = wall_ms;
}

static int
drain (struct world *w)
{
  return logpipe_read (w->rd, see, w, NULL);
}

static void
test_order (void **state)
{
  struct world *w = *state;

  assert_true (put (w, 1, 100, 7));
  assert_true (put (w, 2, 1, 8));
  assert_true (put (w, 1, 5, 9));
  logpipe_flush (w->lp);
  assert_int_equal (drain (w), 0);
  assert_int_equal (w->records, 3);
  assert_int_equal (w->got[1], 105);
  assert_int_equal (w->last_wall, 9);
  assert_int_equal (w->gaps, 0);
}

/* A pipe that nobody reads: the sum of what comes and of the gaps is what
 * was put, and the bytes stand where they belong. */
static void
test_full (void **state)
{
  struct world *w = *state;
  unsigned refused = 0;

  for (unsigned i = 0; i < 2000; i++)
    {
      refused += !put (w, i % IDS, 700 + i % 600, i);
      if (i % 10 == 0)
        logpipe_flush (w->lp);
      if (i % 97 == 0)
        drain (w);
    }
  assert_true (refused > 0);
  assert_true (logpipe_dropped (w->lp) > 0);
  for (unsigned i = 0; i < 500; i++)
    {
      logpipe_flush (w->lp);
      assert_int_equal (drain (w), 0);
    }
  assert_int_equal (w->gaps, logpipe_dropped (w->lp));
  for (unsigned i = 0; i < IDS; i++)
    assert_int_equal (w->got[i], w->put[i]);
}

static void
test_large (void **state)
{
  struct world *w = *state;

  put (w, 3, 3 * LOGPIPE_MAX_RECORD + 17, 1);
  for (unsigned i = 0; i < 100; i++)
    {
      logpipe_flush (w->lp);
      drain (w);
    }
  assert_int_equal (w->got[3], w->put[3]);
  assert_int_equal (w->gaps, 0);
}

static void
test_renewed (void **state)
{
  struct world *w = *state;

  /* More than the pipe holds: the last record went in by half. */
  for (unsigned i = 0; i < 10; i++)
    assert_true (put (w, 1, 3000, i));
  logpipe_flush (w->lp);
  assert_int_equal (drain (w), 0);
  uint64_t before = w->got[1];
  assert_true (before > 0 && before < 30000 && before % 3000 == 0);
  /* A successor: it begins with the record that went in by half. */
  new_pipe (w, 0);
  logpipe_flush (w->lp);
  assert_int_equal (drain (w), 0);
  assert_int_equal (w->got[1], 30000);
}

static void
test_writer_gone (void **state)
{
  struct world *w = *state;

  logpipe_reader_free (w->rd);
  w->rd = NULL;
  assert_true (put (w, 1, 10, 1));
  logpipe_flush (w->lp);
  assert_false (put (w, 1, 10, 2));
  assert_false (put (w, 2, 5, 3));
  assert_int_equal (logpipe_dropped (w->lp), 15);
  new_pipe (w, 0);
  assert_true (put (w, 1, 3, 4));
  logpipe_flush (w->lp);
  assert_int_equal (drain (w), 0);
  /* The ten bytes that were never taken, the mark, and the new ones. */
  assert_int_equal (w->got[1], 23);
  assert_int_equal (w->got[2], 5);
  assert_int_equal (w->gaps, 15);
}

static void
test_end_and_rubbish (void **state)
{
  struct world *w = *state;
  int fds[2];
  struct logpipe_reader *rd = NULL;
  struct error err = ERROR_INIT;
  static const unsigned char bad[16] = { 1, 0, 0, 0, 1, 0, 1, 0 };

  logpipe_set_fd (w->lp, -1);
  assert_int_equal (drain (w), -EPIPE);
  assert_int_equal (pipe2 (fds, O_CLOEXEC), 0);
  assert_int_equal (logpipe_reader_new (fds[0], &rd, &err), 0);
  assert_int_equal (write (fds[1], bad, sizeof bad), sizeof bad);
  assert_int_equal (logpipe_read (rd, see, w, &err), -EBADMSG);
  logpipe_reader_free (rd);
  close (fds[1]);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_order),   T (test_full),        T (test_large),
    T (test_renewed), T (test_writer_gone), T (test_end_and_rubbish),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
