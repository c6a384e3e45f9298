/* SPDX-License-Identifier: Apache-2.0
 *
 * Time, read from the system.
 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

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
clock_wall_ms (void)
{
  return read_us (CLOCK_REALTIME) / 1000;
}

char *
clock_format (char *dst, size_t n, uint64_t wall_ms)
{
  /* 9999-12-31T23:59:59.999Z: beyond it the form would grow a digit. */
  const uint64_t last = 253402300799999;
  struct tm tm;
  time_t t;

  if (wall_ms > last)
    wall_ms = last;
  t = (time_t) (wall_ms / 1000);
  if (!gmtime_r (&t, &tm))
    {
      snprintf (dst, n, "1970-01-01T00:00:00.000Z");
      return dst;
    }
  snprintf (dst, n, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
            tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
            (unsigned) (wall_ms % 1000));
  return dst;
}
