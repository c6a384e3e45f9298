/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog thread, in a child process: a stuck loop is ended and its
 * consoles let go in time; a loop that is busy, asleep, or stopped together
 * with its process is left alone.
 *
 * Time is measured as the watchdog measures it: by a witness, which counts
 * what it ran on schedule.  The wall's clock would tell of the machine.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include "supervisor/daemon/watchdog.h"
#include "transports/console/hub.h"
#include "tests/lib/until.h"

#define STUCK_MS 1200
#define STUCK_CODE 70
#define TICK_MS 100 /* of the watchdog, too */
#define LATE_MS (4 * TICK_MS)

/* What the watchdog says with its last breath. */
struct breath
{
  uint64_t ran, wall; /* since it was started: counted, and by the clock */
  uint64_t late;      /* that the witness did not run on schedule */
};

/* What stands for the consoles of the hub. */
static int console = -1;
static uint64_t began;
static _Atomic uint64_t counted, missed;

void
hub_let_go (struct hub *hub)
{
  struct breath b = { counted, clock_ms () - began, missed };

  (void) !write (console, &b, sizeof b);
  close (console);
}

/* A tick that came far too late was not the process's to use. */
static uint64_t
on_schedule (uint64_t *last, uint64_t tick)
{
  uint64_t now = clock_ms (), took = now - *last;

  *last = now;
  return took > 2 * tick ? tick : took;
}

/* ---- in the child ---- */

static void *
witness (void *arg)
{
  uint64_t last = clock_ms ();

  for (;;)
    {
      uint64_t was = last, ran;

      nap_ms (TICK_MS);
      ran = on_schedule (&last, TICK_MS);
      counted += ran;
      missed += last - was - TICK_MS;
    }
  return NULL;
}

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
  pthread_t w;

  block_ms = ms;
  again = times - 1;
  began = clock_ms ();
  if (loop_new (&loop, &err) < 0
      || loop_timer (loop, "block", block, loop, &t, &err) < 0
      || watchdog_start (loop, NULL, STUCK_MS, &dog, &err) < 0
      || pthread_create (&w, NULL, witness, NULL) != 0)
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

/* How long it takes to end, of the time in which this process runs. */
static uint64_t
await_end (pid_t pid, int *ret_code)
{
  uint64_t last = clock_ms (), took = 0;
  siginfo_t si = { 0 };

  while (waitid (P_PID, (id_t) pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0
         && si.si_pid == 0 && took < 20000)
    {
      nap_ms (10);
      took += on_schedule (&last, 10);
    }
  *ret_code = end_of (pid);
  return took;
}

static void
a_stuck_loop_is_ended (void **state)
{
  struct pollfd p = { .events = POLLIN };
  struct breath b = { 0 };
  uint64_t ended;
  int code;
  pid_t pid = start (2 * UNTIL_MS, 1, &p.fd);

  /* Long enough for a machine that has much else to do. */
  assert_int_equal (poll (&p, 1, UNTIL_MS), 1);
  assert_int_equal (read (p.fd, &b, sizeof b), sizeof b);
  ended = await_end (pid, &code);
  assert_int_equal (code, STUCK_CODE);
  printf ("stuck loop: consoles let go after %llu ms, ended %llu ms later\n",
          (unsigned long long) b.ran, (unsigned long long) ended);
  /* Never too early, by any clock.  The witness is another thread: where it
   * was not let run, neither may the watchdog have been.  (tests/chaos holds
   * a daemon against the two seconds that are promised.) */
  assert_in_range (b.wall, STUCK_MS - TICK_MS, UINT64_MAX);
  if (b.late < LATE_MS)
    assert_in_range (b.ran, STUCK_MS - LATE_MS, 5000);
  else
    printf ("this machine let %llu ms go by: the time is not judged\n",
            (unsigned long long) b.late);
  assert_in_range (ended, 0, 3000);
  close (p.fd);
}

static void
a_busy_loop_goes_on (void **state)
{
  int peer;
  pid_t pid = start (300, 6, &peer);

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
