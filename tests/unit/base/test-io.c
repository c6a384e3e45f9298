/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole reads and writes over pipes that take and give little at a time, while
 * a timer's signal interrupts every call.
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
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "tests/lib/tmpdir.h"

enum
{
  BYTES = 1 << 20,
  SIGNALS = 3
};

static volatile sig_atomic_t alarms;

static void
on_alarm (int sig)
{
  alarms++;
}

/* The far side of the pipe: begins when the near one, which waits for it, was
 * interrupted often enough.  Signals are not for this thread. */
struct far
{
  int fd, r;
  char *data;
  size_t len;
  bool writes;
  pthread_t thread;
};

static void *
far_main (void *arg)
{
  struct far *f = arg;

  while (alarms < SIGNALS)
    sched_yield ();
  f->r = f->writes ? io_write (f->fd, f->data, BYTES)
                   : io_read (f->fd, f->data, BYTES + 1, &f->len);
  close (f->fd);
  return NULL;
}

static void
far_start (struct far *f)
{
  /* Without SA_RESTART, so that a call that waits returns EINTR. */
  const struct sigaction quiet = { .sa_handler = on_alarm };
  const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
  sigset_t alarm;

  alarms = 0;
  sigemptyset (&alarm);
  sigaddset (&alarm, SIGALRM);
  pthread_sigmask (SIG_BLOCK, &alarm, NULL);
  assert_int_equal (pthread_create (&f->thread, NULL, far_main, f), 0);
  pthread_sigmask (SIG_UNBLOCK, &alarm, NULL);
  assert_int_equal (sigaction (SIGALRM, &quiet, NULL), 0);
  assert_int_equal (setitimer (ITIMER_REAL, &often, NULL), 0);
}

static void
far_end (struct far *f)
{
  const struct itimerval off = { 0 };

  pthread_join (f->thread, NULL);
  assert_int_equal (setitimer (ITIMER_REAL, &off, NULL), 0);
  assert_int_equal (f->r, 0);
}

static void
test_interrupted (void **state)
{
  CLEANUP_FREE char *data = malloc (BYTES), *back = malloc (BYTES + 1);
  struct far f = { .writes = true, .data = data };
  size_t len = 0;
  int p[2];

  for (size_t i = 0; i < BYTES; i++)
    data[i] = (char) (i * 7 + i / 251);
  assert_int_equal (pipe2 (p, O_CLOEXEC), 0);
  f.fd = p[1];
  far_start (&f);
  assert_int_equal (io_read (p[0], back, BYTES + 1, &len), 0);
  far_end (&f);
  close (p[0]);
  assert_int_equal (len, BYTES);
  assert_memory_equal (back, data, BYTES);
  /* The other way: the pipe is full until the far side reads. */
  assert_int_equal (pipe2 (p, O_CLOEXEC), 0);
  f = (struct far){ .fd = p[0], .data = back };
  memset (back, 0, BYTES + 1);
  far_start (&f);
  assert_int_equal (io_write (p[1], data, BYTES), 0);
  close (p[1]);
  far_end (&f);
  assert_int_equal (f.len, BYTES);
  assert_memory_equal (back, data, BYTES);
}

static void
test_bounds (void **state)
{
  struct tmpdir t;
  char text[8] = "";
  size_t len = 77;

  assert_int_equal (tmpdir_make (&t), 0);
  assert_int_equal (tmpdir_put (t.fd, "f", "0123456789", 10), 0);
  CLEANUP_CLOSE int fd = openat (t.fd, "f", O_RDWR | O_CLOEXEC);
  assert_int_equal (io_read (fd, text, 4, &len), 0);
  assert_int_equal (len, 4);
  assert_memory_equal (text, "0123", 4);
  assert_int_equal (io_pwrite (fd, "xy", 2, 9), 0);
  assert_int_equal (lseek (fd, 8, SEEK_SET), 8);
  assert_int_equal (io_read (fd, text, sizeof text, &len), 0);
  assert_int_equal (len, 3);
  assert_memory_equal (text, "8xy", 3);
  /* What fails leaves the length alone. */
  len = 77;
  assert_int_equal (io_read (-1, text, 1, &len), -EBADF);
  assert_int_equal (len, 77);
  assert_int_equal (io_write (-1, "x", 1), -EBADF);
  assert_int_equal (io_pwrite (-1, "x", 1, 0), -EBADF);
  tmpdir_done (&t);
}

static unsigned
count (int dirfd)
{
  CLEANUP_CLOSEDIR DIR *d = io_opendir (dirfd);
  unsigned n = 0;

  assert_non_null (d);
  while (readdir (d))
    n++;
  return n - 2;
}

static void
test_opendir (void **state)
{
  struct tmpdir t;

  assert_int_equal (tmpdir_make (&t), 0);
  assert_int_equal (tmpdir_put (t.fd, "a", "", 0), 0);
  assert_int_equal (tmpdir_put (t.fd, "b", "", 0), 0);
  /* Each from the beginning, and the descriptor is still ours. */
  assert_int_equal (count (t.fd), 2);
  assert_int_equal (count (t.fd), 2);
  CLEANUP_CLOSE int file = openat (t.fd, "a", O_RDONLY | O_CLOEXEC);
  assert_null (io_opendir (file));
  assert_int_equal (errno, ENOTDIR);
  tmpdir_done (&t);
}

/* Into a socket that takes no more, and one that is read. */
static void
test_send (void **state)
{
  struct far f = { .data = calloc (1, BYTES + 1) };
  char *data = calloc (1, BYTES);
  int pair[2];

  assert_non_null (f.data);
  assert_non_null (data);
  memset (data, 'x', BYTES);
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    0);
  assert_int_equal (io_wait (pair[1], POLLIN, clock_ms ()), -ETIMEDOUT);
  assert_int_equal (io_wait (pair[0], POLLOUT, CLOCK_NEVER), 0);
  assert_int_equal (io_send (pair[0], data, BYTES, clock_ms ()), -ETIMEDOUT);
  close (pair[0]);
  close (pair[1]);
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    0);
  f.fd = pair[1];
  far_start (&f);
  assert_int_equal (io_send (pair[0], data, BYTES, CLOCK_NEVER), 0);
  close (pair[0]);
  far_end (&f);
  assert_int_equal (f.len, BYTES);
  assert_memory_equal (f.data, data, BYTES);
  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                    0);
  close (pair[0]);
  assert_int_equal (io_send (pair[1], data, 1, CLOCK_NEVER), -EPIPE);
  close (pair[1]);
  free (f.data);
  free (data);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_interrupted),
    cmocka_unit_test (test_bounds),
    cmocka_unit_test (test_opendir),
    cmocka_unit_test (test_send),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
