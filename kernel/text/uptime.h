/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a kernel has been up, from what it or `uptime` prints.
 */
#ifndef HANGDOG_KERNEL_TEXT_UPTIME_H
#define HANGDOG_KERNEL_TEXT_UPTIME_H

#include <stdbool.h>
#include <stddef.h>

struct uptime
{
  double s;          /* at least that */
  double resolution; /* and less than that more */
};

/* `cat /proc/uptime` ("5.32 9.71"), and the `uptime` of procps, busybox and
 * toybox ("up 3 days,  2:41,  1 user,  load average: ...", "up 12 min",
 * "up 0:05") where they name the load average, too.  Of several lines the
 * first that is one.  False: not recognised, or nothing sane. */
bool uptime_parse (const char *text, size_t len, struct uptime *ret);

/* Whether a kernel that said was, and later now, began anew in between.  A
 * pause makes an uptime lag and never fall, so time that went by does not
 * matter. */
bool uptime_fell (const struct uptime *was, const struct uptime *now);

#endif
