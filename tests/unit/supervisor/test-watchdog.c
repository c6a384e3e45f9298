/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog thread, in a child process: a stuck loop is ended and its
 * consoles let go in time; a loop that is busy, asleep, or stopped together
 * with its process is left alone.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "supervisor/watchdog.h"
#include "transports/console/hub.h"
#include "tests/lib/until.h"

#define STUCK_MS 1200
#define STUCK_CODE 70

/* What stands for the consoles of the hub. */
static int console = -1;

void
hub_let_go (struct hub *hub)
{
  close (console);
}

/* ---- in the child ---- */

static uint64_t block_ms;
static unsigned again;

static void
block (struct timer *t, void *arg)
{
  struct loop *loop = arg;

  nap_ms ((int) block_ms);
  if (again-- > 0)
    timer_in (t, 10);
  else
    loop_stop (loop);
}

static void
child (uint64_t ms, unsigned times)
{
  struct error err = ERROR_INIT;
  struct watchdog *dog = NULL;
  struct loop *loop = NULL;
  struct timer *t = NULL;

  block_ms = ms;
  again = times - 1;
  if (loop_new (&loop, &err) < 0
      || loop_timer (loop, "block", block, loop, &t, &err) < 0
      || watchdog_start (loop, NULL, STUCK_MS, &dog, &err) < 0)
    _exit (2);
  timer_in (t, 10);
  if (loop_run (loop, &err) < 0)
    _exit (3);
  watchdog_stop (dog);
  timer_free (t);
  loop_free (loop);
  _exit (0);
}

/* ---- in the parent ---- */

static pid_t
start (uint64_t ms, unsigned times, int *ret_peer)
{
  int pair[2];
  pid_t pid;

  assert_int_equal (socketpair (AF_UNIX, SOCK_STREAM, 0, pair), 0);
  pid = fork ();
  assert_true (pid >= 0);
  if (pid == 0)
    {
      close (pair[0]);
      console = pair[1];
      child (ms, times);
    }
  close (pair[1]);
  *ret_peer = pair[0];
  return pid;
}

static int
end_of (pid_t pid)
{
  int status = 0;

  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
a_stuck_loop_is_ended (void **state)
{
  struct pollfd p = { .events = POLLIN };
  uint64_t began = clock_ms (), let_go, ended;
  pid_t pid = start (30000, 1, &p.fd);

  assert_int_equal (poll (&p, 1, 10000), 1);
  let_go = clock_ms () - began;
  assert_int_equal (end_of (pid), STUCK_CODE);
  ended = clock_ms () - began;
  printf ("stuck loop: consoles let go after %llu ms, ended after %llu ms\n",
          (unsigned long long) let_go, (unsigned long long) ended);
  assert_in_range (let_go, STUCK_MS, 2000);
  assert_in_range (ended, let_go, 2000);
  close (p.fd);
}

static void
a_busy_loop_goes_on (void **state)
{
  int peer;
  pid_t pid = start (400, 6, &peer);

  assert_int_equal (end_of (pid), 0);
  close (peer);
}

/* Stopped as a whole, in the middle of a round: the time in which the thread
 * did not run itself is not held against the loop. */
static void
a_stopped_process_goes_on (void **state)
{
  int peer;
  pid_t pid = start (600, 2, &peer);

  nap_ms (200);
  kill (pid, SIGSTOP);
  nap_ms (3000);
  kill (pid, SIGCONT);
  assert_int_equal (end_of (pid), 0);
  close (peer);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (a_stuck_loop_is_ended),
    cmocka_unit_test (a_busy_loop_goes_on),
    cmocka_unit_test (a_stopped_process_goes_on),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
