/* SPDX-License-Identifier: Apache-2.0
 *
 * Boot banners in console text, at every cut; uptimes in every form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/text/banner.h"
#include "kernel/text/uptime.h"

#include <stdlib.h>
#include <string.h>

#define STAMPED "[    0.000000] Linux version 6.1.0-41-cloud-amd64 (debian) #1"

/* The same number however the text is cut. */
static void
count (const char *text, unsigned want)
{
  size_t len = strlen (text);

  for (size_t cut = 0; cut <= len; cut++)
    {
      struct banner b = BANNER_INIT;
      unsigned n = banner_feed (&b, text, cut);

      n += banner_feed (&b, text + cut, len - cut);
      assert_int_equal (n, want);
    }
  {
    struct banner b = BANNER_INIT;
    unsigned n = 0;

    for (size_t i = 0; i < len; i++)
      n += banner_feed (&b, text + i, 1);
    assert_int_equal (n, want);
  }
}

static void
test_banners (void **state)
{
  count (STAMPED "\r\n", 1);
  count ("reboot: machine restart\r\n\r\n" STAMPED "\r\n", 1);
  count (STAMPED "\r\n[    0.000000] Command line: console=hvc0\r\n", 1);
  count ("[    0.000000][    T0] Linux version 6.12.1 (x)\n", 1);
  count ("[    0.000000][T0] Linux version 5.10.0 (x)\n", 1);
  count ("Linux version 6.1.0 (x)\r\nCommand line: console=ttyS0\r\n", 1);
  count (STAMPED "\n[    1.5] x\n[    1.500000] y\n" STAMPED "\n", 2);
}

static void
test_no_banners (void **state)
{
  count ("", 0);
  count ("Linux version 6.1.0-41-cloud-amd64 (debian)\r\n~ # \r\n", 0);
  count ("Linux version 6.1.0\r\n~ # ls\r\nCommand line: x\r\n", 0);
  count ("x " STAMPED "\n", 0);
  count ("[ 5000.123456] Linux version 6.1.0\n", 0);
  count ("[    0.000001] Linux version 6.1.0\n", 0);
  count ("[    0.00000] Linux version 6.1.0\n", 0);
  count ("[    0.000000] Linux version x\n", 0);
  count ("[99999999999999999999.000000] Linux version 6\n", 0);
  count ("[    0.000000", 0);
  count ("Command line: x\n", 0);
}

static void
test_stamps_after (void **state)
{
  static const char text[] = STAMPED
      "\n[    3.000001] a\nplain\n[   41.250000] b\n[    2.000000] c\n";
  struct banner b = BANNER_INIT;

  assert_int_equal (banner_feed (&b, text, strlen (text)), 1);
  assert_int_equal (b.stamp_us, 41250000);
  assert_int_equal (banner_feed (&b, STAMPED "\n", sizeof STAMPED), 1);
  assert_int_equal (b.stamp_us, 0);
}

/* Any bytes: nothing is read or written beside the head. */
static void
test_noise (void **state)
{
  static const char alphabet[] = "[ ]0.1TC\r\nLinux version Command line: ";
  struct banner b = BANNER_INIT;
  uint32_t r = 1;

  for (unsigned i = 0; i < 200000; i++)
    {
      char *chunk = malloc (7);
      size_t n = i % 7;

      for (size_t k = 0; k < n; k++)
        {
          r = r * 1664525 + 1013904223;
          chunk[k] = (r >> 8 & 31) == 0
                         ? (char) (r >> 16)
                         : alphabet[(r >> 16) % (sizeof alphabet - 1)];
        }
      banner_feed (&b, chunk, n);
      assert_true (b.nhead < BANNER_HEAD);
      free (chunk);
    }
}

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
    cmocka_unit_test (test_banners),      cmocka_unit_test (test_no_banners),
    cmocka_unit_test (test_stamps_after), cmocka_unit_test (test_noise),
    cmocka_unit_test (test_uptimes),      cmocka_unit_test (test_no_uptimes),
    cmocka_unit_test (test_falling),
  };

  return cmocka_run_group_tests_name ("banner", tests, NULL, NULL);
}
