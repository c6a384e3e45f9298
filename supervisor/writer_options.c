/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's command line.
 */
#include "supervisor/writer.h"

#include "base/units.h"

#include <getopt.h>
#include <stdio.h>

static void
usage (FILE *out)
{
  fprintf (out, "usage: hangdog-writer --state DIR [--sink JSON] "
                "[--log-total SIZE] [--spool-total SIZE] "
                "[--free-floor SIZE]\n");
}

static int
size_option (const char *text, uint64_t *ret)
{
  struct error err = ERROR_INIT;

  if (units_parse_size (text, ret, &err) == 0)
    return -1;
  fprintf (stderr, "hangdog-writer: %s\n", error_text (&err));
  return 2;
}

int
writer_options (int argc, char **argv, struct writer_options *o)
{
  static const struct option longs[]
      = { { "state", required_argument, NULL, 's' },
          { "sink", required_argument, NULL, 'k' },
          { "log-total", required_argument, NULL, 'l' },
          { "spool-total", required_argument, NULL, 'p' },
          { "free-floor", required_argument, NULL, 'f' },
          { "help", no_argument, NULL, 'h' },
          { 0 } };
  int c, r = -1;

  while (r < 0 && (c = getopt_long (argc, argv, "h", longs, NULL)) != -1)
    switch (c)
      {
      case 's':
        o->state = optarg;
        break;
      case 'k':
        o->sink = optarg;
        break;
      case 'l':
        r = size_option (optarg, &o->limits.logs.total);
        break;
      case 'p':
        r = size_option (optarg, &o->limits.spool.max_bytes);
        break;
      case 'f':
        r = size_option (optarg, &o->limits.spool.free_floor);
        o->limits.logs.free_floor = o->limits.spool.free_floor;
        break;
      case 'h':
        usage (stdout);
        return 0;
      default:
        usage (stderr);
        return 2;
      }
  if (r < 0 && (o->state == NULL || optind != argc))
    {
      usage (stderr);
      return 2;
    }
  return r;
}
