/* SPDX-License-Identifier: Apache-2.0
 *
 * How far `hangdog core` is: a bar on a terminal, else a line per tenth.
 */
#include "supervisor/cli/core_file.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHOW_MS 200
#define BAR 24
#define LINE 128

static unsigned
percent (uint64_t done, uint64_t total)
{
  /* The guest takes more while it is read. */
  if (total == 0 || done >= total)
    return 100;
  return (unsigned) (done * 100 / total);
}

char *
core_progress_line (char *dst, size_t n, uint64_t done, uint64_t total,
                    uint64_t ms)
{
  uint64_t rate = ms > 0 ? done * 1000 / ms : 0;
  unsigned p = percent (done, total), filled = p * BAR / 100;
  char a[32], b[32], c[32], left[40] = "", bar[BAR + 1];

  memset (bar, ' ', BAR);
  memset (bar, '=', filled);
  if (filled > 0)
    bar[filled - 1] = '>';
  bar[BAR] = '\0';
  if (rate > 0 && done < total)
    {
      units_format_duration (c, sizeof c, ((total - done) / rate + 1) * 1000);
      snprintf (left, sizeof left, "  %s left", c);
    }
  snprintf (dst, n, "[%s] %3u%%  %s of %s  %s/s%s", bar, p,
            units_format_size (a, sizeof a, done),
            units_format_size (b, sizeof b, total),
            units_format_size (c, sizeof c, rate), left);
  return dst;
}

void
core_progress_begin (struct core_progress *p, uint64_t total, bool quiet)
{
  *p = (struct core_progress){ .total = total,
                               .begun = clock_ms (),
                               .terminal = isatty (STDERR_FILENO),
                               .quiet = quiet };
}

void
core_progress (struct core_progress *p, uint64_t done)
{
  uint64_t now = clock_ms ();
  unsigned tenths = percent (done, p->total) / 10;
  char line[LINE];

  if (p->quiet)
    return;
  if (p->terminal && now - p->shown >= SHOW_MS)
    {
      p->shown = now;
      fprintf (stderr, "\r%s\033[K",
               core_progress_line (line, sizeof line, done, p->total,
                                   now - p->begun));
      fflush (stderr);
    }
  else if (!p->terminal && tenths > p->tenths)
    {
      p->tenths = tenths;
      fprintf (
          stderr, "core %s\n",
          core_progress_line (line, sizeof line, done, p->total, now - p->begun)
              + BAR + 3);
    }
}

void
core_progress_end (struct core_progress *p)
{
  if (p->terminal && !p->quiet && p->shown > 0)
    fprintf (stderr, "\r\033[K");
  p->quiet = true;
}
