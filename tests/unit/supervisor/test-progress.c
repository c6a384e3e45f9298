/* SPDX-License-Identifier: Apache-2.0
 *
 * What a pipe is told of work that may be long: nothing, if it was not.
 */
#include "supervisor/cli/progress.h"

#include "base/clock.h"
#include "supervisor/cli/cli.h"
#include "tests/lib/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t now_ms = 5000;

uint64_t
clock_ms (void)
{
  return now_ms;
}

void
print_text (FILE *to, const char *text)
{
  fputs (text, to);
}

/* What work of so many steps, so far apart, says on its stderr. */
static const char *
said (bool late, bool quiet, unsigned steps, uint64_t apart_ms)
{
  static char text[512];
  int was = dup (STDERR_FILENO), pipes[2];
  struct progress p;
  ssize_t n;

  assert_int_equal (pipe (pipes), 0);
  dup2 (pipes[1], STDERR_FILENO);
  if (late)
    progress_late (&p, "x.log", quiet);
  else
    progress_begin (&p, "x.log", quiet);
  for (unsigned i = 0; i < steps; i++)
    {
      now_ms += apart_ms;
      progress_far (i + 1, steps, &p);
    }
  progress_end (&p, true, "");
  fflush (stderr);
  dup2 (was, STDERR_FILENO);
  close (was);
  close (pipes[1]);
  n = read (pipes[0], text, sizeof text - 1);
  close (pipes[0]);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

static void
test_late (void **state)
{
  (void) state;
  assert_string_equal (said (true, false, 9, 100), "");
  assert_string_equal (said (true, false, 0, 100), "");
  assert_string_equal (said (true, true, 9, 1000), "");
  assert_int_equal (strncmp (said (true, false, 2, 600), "BEGIN x.log\n"
                             "PROGRESS x.log 100/100 ", 35), 0);
  assert_non_null (strstr (said (true, false, 2, 600), "\nOK x.log\n"));
  assert_int_equal (strncmp (said (true, false, 4, 1000), "BEGIN x.log\n"
                             "PROGRESS x.log 25/100 ", 34), 0);
  /* What is long as a rule says that it began. */
  assert_string_equal (said (false, false, 9, 100),
                       "BEGIN x.log\nOK x.log\n");
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_late) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
