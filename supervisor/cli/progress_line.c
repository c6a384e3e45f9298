/* SPDX-License-Identifier: Apache-2.0
 *
 * What a line of progress says.
 */
#include "supervisor/cli/progress.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

#define BAR 24

unsigned
progress_percent (uint64_t done, uint64_t total)
{
  /* A guest takes more while it is read. */
  if (total == 0 || done >= total)
    return 100;
  return (unsigned) ((double) done * 100 / (double) total);
}

char *
progress_bar (char *dst, size_t n, uint64_t done, uint64_t total)
{
  unsigned filled = progress_percent (done, total) * BAR / 100;
  char bar[BAR + 1];

  memset (bar, ' ', BAR);
  memset (bar, '=', filled);
  if (filled > 0)
    bar[filled - 1] = '>';
  bar[BAR] = '\0';
  snprintf (dst, n, "[%s]", bar);
  return dst;
}

char *
progress_rate (char *dst, size_t n, uint64_t done, uint64_t total, uint64_t ms)
{
  uint64_t rate = ms > 0 ? done * 1000 / ms : 0;
  char a[32], b[32], c[32], left[40] = "";

  if (rate > 0 && done < total)
    {
      units_format_duration (c, sizeof c, ((total - done) / rate + 1) * 1000);
      snprintf (left, sizeof left, "  %s left", c);
    }
  snprintf (dst, n, "%s of %s  %s/s%s", units_format_size (a, sizeof a, done),
            units_format_size (b, sizeof b, total),
            units_format_size (c, sizeof c, rate), left);
  return dst;
}
