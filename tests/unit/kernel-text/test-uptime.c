/* SPDX-License-Identifier: Apache-2.0
 *
 * Uptimes in every form, and which fell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/text/uptime.h"

#include <string.h>

static void
is_up (const char *text, double s, double resolution)
{
  struct uptime up = { -1, -1 };

  if (!uptime_parse (text, strlen (text), &up))
    fail_msg ("not recognised: %s", text);
  assert_true (up.s > s - 0.001 && up.s < s + 0.001);
  assert_true (up.resolution > resolution - 0.001
               && up.resolution < resolution + 0.001);
}

static void
test_uptimes (void **state)
{
  is_up ("5.32 9.71\n", 5.32, 0.01);
  is_up ("350735.47 234388.90", 350735.47, 0.01);
  /* procps */
  is_up (" 13:45:02 up 0 min,  0 users,  load average: 0.00, 0.00, 0.00\n", 0,
         60);
  is_up (" 13:45:02 up 12 min,  1 user,  load average: 0.00, 0.00, 0.00\r\n",
         720, 60);
  is_up (" 13:45:02 up  2:41,  2 users,  load average: 0,52, 0,58, 0,59\n",
         9660, 60);
  is_up ("13:45:02 up 1 day, 3 min,  1 user,  load average: 0.0, 0.0, 0.0\n",
         86580, 60);
  is_up ("x\n13:45:02 up 31 days, 23:59,  1 user,  load average: 0, 0, 0\n",
         31 * 86400 + 86340, 60);
  /* busybox */
  is_up (" 00:01:09 up 1 min,  load average: 0.08, 0.03, 0.01\n", 60, 60);
  is_up (" 10:00:00 up  1:02,  0 users,  load average: 0.08, 0.03, 0.01\n",
         3720, 60);
}

static void
test_no_uptimes (void **state)
{
  static const char *const texts[] = { "",
                                       "up",
                                       "hello\n",
                                       "5.32\n",
                                       "5.3 9.7\n",
                                       "5.32 9.71 1.00\n",
                                       "-5.32 9.71\n",
                                       "what is up 12 min ago\n",
                                       "up 12 apples, load average: 1\n",
                                       "up 1 day load average",
                                       "setup 12 min, load average: 1\n",
                                       "99999999999999999999.00 1.00\n",
                                       "up 1:99, load average: 1\n" };
  struct uptime up;

  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (uptime_parse (texts[i], strlen (texts[i]), &up))
      fail_msg ("taken for an uptime: %s", texts[i]);
}

static bool
fell (double was, double was_res, double now, double now_res)
{
  const struct uptime a = { was, was_res }, b = { now, now_res };

  return uptime_fell (&a, &b);
}

static void
test_falling (void **state)
{
  assert_true (fell (500.00, 0.01, 3.10, 0.01));
  assert_true (fell (720, 60, 0, 60));
  assert_false (fell (500.00, 0.01, 500.00, 0.01)); /* paused all the time */
  assert_false (fell (60, 60, 60, 60));             /* within one minute */
  assert_false (fell (719.00, 0.01, 660, 60));      /* cut, not fallen */
  assert_true (fell (720.00, 0.01, 660, 60));
  assert_false (fell (660, 60, 719.00, 0.01));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_uptimes),
    cmocka_unit_test (test_no_uptimes),
    cmocka_unit_test (test_falling),
  };

  return cmocka_run_group_tests_name ("uptime", tests, NULL, NULL);
}
