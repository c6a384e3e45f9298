/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-check: what a scenario costs in a day, of each guest that it is
 * bound to, by each of its ways: which one it is that day is seen then.
 */
#include "supervisor/check/check_impl.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS (24.0 * 60 * 60 * 1000)

struct day
{
  double runs;
  struct scenario_cost all;
};

static struct day
day_of (const struct scenario *s, const char *way)
{
  struct day d = { .all = scenario_cost (s, way) };

  d.runs = floor (DAY_MS
                  / ((double) s->interval_ms + (double) s->jitter_ms / 2));
  d.all.typed *= d.runs;
  d.all.console *= d.runs;
  d.all.network *= d.runs;
  d.all.disk *= d.runs;
  d.all.cpu_us *= d.runs;
  return d;
}

static void
print_row (const char *path, const struct scenario *s, const char *way,
           const struct day *d)
{
  struct buf out CLEANUP_BUF = BUF_INIT (SIZE_MAX / 2);
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "row", "cost");
  json_add_text (row, "file", path, strlen (path));
  json_add_str (row, "scenario", s->name);
  json_add_str (row, "kind", s->kind->name);
  if (way)
    json_add_str (row, "transport", way);
  json_add_int (row, "runs_a_day", (int64_t) d->runs);
  json_add_int (row, "typed_bytes_a_day", (int64_t) d->all.typed);
  json_add_int (row, "console_bytes_a_day", (int64_t) d->all.console);
  json_add_int (row, "network_bytes_a_day", (int64_t) d->all.network);
  json_add_int (row, "disk_bytes_a_day", (int64_t) d->all.disk);
  json_add_int (row, "cpu_ms_a_day", (int64_t) (d->all.cpu_us / 1000));
  json_show (row, &out);
  puts (buf_str (&out));
  json_object_put (row);
}

/* Two digits tell no lie about how well it is known. */
static const char *
roughly (char *dst, size_t n, double bytes)
{
  static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", NULL };
  unsigned i = 0;

  while (bytes >= 1000 && units[i + 1])
    {
      bytes /= 1024;
      i++;
    }
  snprintf (dst, n, bytes < 10 && i > 0 ? "%.1f %s" : "%.0f %s", bytes,
            units[i]);
  return dst;
}

static void
print_day (const struct day *d)
{
  char typed[32], console[32], other[32];

  printf ("%.0f runs", d->runs);
  if (d->all.console > 0)
    printf ("; some %s typed, %s said on its console (EVE uploads that as the "
            "application's log)",
            roughly (typed, sizeof (typed), d->all.typed),
            roughly (console, sizeof (console), d->all.console));
  if (d->all.network > 0)
    printf ("; %s over the network",
            roughly (other, sizeof (other), d->all.network));
  if (d->all.disk > 0)
    printf ("; %s of its disk", roughly (other, sizeof (other), d->all.disk));
  if (d->all.console + d->all.network + d->all.disk <= 0)
    fputs ("; nothing is typed or sent", stdout);
  if (d->all.cpu_us >= 50000)
    printf ("; %.*f s of this host's CPU", d->all.cpu_us < 10e6 ? 1 : 0,
            d->all.cpu_us / 1e6);
  putchar ('\n');
}

void
check_cost (const struct findings *f, const char *path,
            const struct scenario *s)
{
  const char *way = scenario_way (s, 0);
  size_t i = 0;

  do
    {
      struct day d = day_of (s, way);

      if (f->json)
        print_row (path, s, way, &d);
      else
        {
          printf (i == 0 ? "  a day, of each guest" : "    or");
          if (way && (i > 0 || scenario_way (s, 1)))
            printf (" by %s", way);
          fputs (": ", stdout);
          print_day (&d);
        }
      way = scenario_way (s, ++i);
    }
  while (way);
}
