/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's children: real processes, a clock that stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/loop.h"
#include "supervisor/keeper/children.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct world
{
  struct loop *loop;
  struct child *child;
  unsigned started, died;
};

static int
prepare (void *arg, const char **argv, unsigned max_argv, int *fds,
         unsigned *nfds, struct error *err)
{
  (void) arg;
  (void) max_argv;
  (void) fds;
  (void) err;
  argv[0] = "600";
  argv[1] = NULL;
  *nfds = 0;
  return 0;
}

static void
started (struct child *c, void *arg)
{
  struct world *w = arg;

  (void) c;
  w->started++;
}

static void
died (struct child *c, const char *how, void *arg)
{
  struct world *w = arg;

  (void) c;
  (void) how;
  w->died++;
}

static int
setup (void **state)
{
  struct world *w = calloc (1, sizeof *w);
  const struct child_spec spec = { .name = "sleeper",
                                   .program = "/bin/sleep",
                                   .prepare = prepare,
                                   .started = started,
                                   .died = died,
                                   .arg = w };

  alarm (100); /* reap() waits for who should die */
  assert_int_equal (loop_new_fake (&w->loop, NULL), 0);
  assert_int_equal (child_new (w->loop, &spec, &w->child, NULL), 0);
  assert_int_equal (child_start (w->child, NULL), 0);
  assert_true (child_pid (w->child) > 0);
  *state = w;
  return 0;
}

static int
teardown (void **state)
{
  struct world *w = *state;
  pid_t pid = child_pid (w->child);

  if (pid > 0)
    {
      kill (pid, SIGKILL);
      waitpid (pid, NULL, 0);
    }
  child_free (w->child);
  loop_free (w->loop);
  free (w);
  return 0;
}

/* Whatever it was told: it is dead by then, and the keeper hears of it. */
static void
reap (struct world *w)
{
  pid_t pid = child_pid (w->child);
  int status;

  assert_int_equal (waitpid (pid, &status, 0), pid);
  child_reaped (w->child, pid, status);
  assert_int_equal (child_pid (w->child), 0);
}

static void
test_restarted (void **state)
{
  struct world *w = *state;

  kill (child_pid (w->child), SIGKILL);
  reap (w);
  loop_advance (w->loop, 1);
  assert_true (child_pid (w->child) > 0);
  assert_int_equal (child_recent_deaths (w->child), 1);
}

static void
test_renewed (void **state)
{
  struct world *w = *state;

  child_renew (w->child, 4000);
  reap (w);
  loop_advance (w->loop, 1);
  assert_true (child_pid (w->child) > 0);
  assert_int_equal (w->started, 2);
  assert_int_equal (child_recent_deaths (w->child), 0);
}

/* A reload, and then the end: nobody would stop the one that came after. */
static void
test_stopped_while_renewed (void **state)
{
  struct world *w = *state;

  child_renew (w->child, 4000);
  child_stop (w->child, 4000);
  reap (w);
  loop_advance (w->loop, 60000);
  assert_int_equal (child_pid (w->child), 0);
  assert_int_equal (w->started, 1);
  assert_int_equal (w->died, 1);
}

/* One that ignores SIGTERM is killed in time, however often it is told. */
static void
test_renewed_again_and_again (void **state)
{
  struct world *w = *state;
  pid_t pid = child_pid (w->child);

  kill (pid, SIGSTOP);
  assert_int_equal (waitpid (pid, NULL, WUNTRACED), pid);
  for (unsigned i = 0; i < 4; i++)
    {
      child_renew (w->child, 4000);
      loop_advance (w->loop, 1000);
    }
  reap (w); /* by SIGKILL: stopped, it takes no other */
  loop_advance (w->loop, 1);
  assert_int_equal (w->started, 2);
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_restarted),
    T (test_renewed),
    T (test_stopped_while_renewed),
    T (test_renewed_again_and_again),
  };

  return cmocka_run_group_tests_name ("children", tests, NULL, NULL);
}
