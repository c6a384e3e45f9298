/* SPDX-License-Identifier: Apache-2.0
 *
 * Time, read from the system.
 */
#include "base/clock.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t
read_us (clockid_t id)
{
  struct timespec ts;

  /* Fails only for a clock that does not exist. */
  if (clock_gettime (id, &ts) < 0 || ts.tv_sec < 0)
    return 0;
  return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

uint64_t
clock_ms (void)
{
  return read_us (CLOCK_MONOTONIC) / 1000;
}

uint64_t
clock_us (void)
{
  return read_us (CLOCK_MONOTONIC);
}

uint64_t
clock_boot_ms (void)
{
  return read_us (CLOCK_BOOTTIME) / 1000;
}

uint64_t
clock_cpu_us (void)
{
  return read_us (CLOCK_THREAD_CPUTIME_ID);
}

uint64_t
clock_wall_ms (void)
{
  return read_us (CLOCK_REALTIME) / 1000;
}

uint64_t
clock_of_start (uint64_t ticks)
{
  uint64_t hz = (uint64_t) sysconf (_SC_CLK_TCK);
  uint64_t began = ticks * 1000 / (hz ? hz : 100);
  uint64_t boot = read_us (CLOCK_BOOTTIME) / 1000, now = clock_ms ();
  uint64_t age = boot > began ? boot - began : 0;

  return now > age ? now - age : 0;
}

/* A stamp stands before each line of each console's log: printf would be most
 * of what writing that line costs. */
static void
put_digits (char *end, unsigned v, unsigned digits)
{
  while (digits-- > 0)
    {
      *--end = (char) ('0' + v % 10);
      v /= 10;
    }
}

char *
clock_format (char *dst, size_t n, uint64_t wall_ms)
{
  /* 9999-12-31T23:59:59.999Z: beyond it the form would grow a digit. */
  const uint64_t last = 253402300799999;
  char text[] = "1970-01-01T00:00:00.000Z";
  struct tm tm;
  time_t t;

  if (wall_ms > last)
    wall_ms = last;
  t = (time_t) (wall_ms / 1000);
  if (gmtime_r (&t, &tm))
    {
      put_digits (text + 4, (unsigned) tm.tm_year + 1900, 4);
      put_digits (text + 7, (unsigned) tm.tm_mon + 1, 2);
      put_digits (text + 10, (unsigned) tm.tm_mday, 2);
      put_digits (text + 13, (unsigned) tm.tm_hour, 2);
      put_digits (text + 16, (unsigned) tm.tm_min, 2);
      put_digits (text + 19, (unsigned) tm.tm_sec, 2);
      put_digits (text + 23, (unsigned) (wall_ms % 1000), 3);
    }
  if (n >= sizeof text)
    memcpy (dst, text, sizeof text);
  else if (n > 0)
    {
      memcpy (dst, text, n - 1);
      dst[n - 1] = '\0';
    }
  return dst;
}
