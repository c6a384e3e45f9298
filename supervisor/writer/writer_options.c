/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's command line.
 */
#include "supervisor/writer/writer.h"

#include <getopt.h>
#include <stdio.h>

static void
usage (FILE *out)
{
  fprintf (out, "usage: hangdog-writer --state DIR [--config JSON] "
                "[--libexec DIR]\n");
}

int
writer_options (int argc, char **argv, struct writer_options *o)
{
  static const struct option longs[]
      = { { "state", required_argument, NULL, 's' },
          { "config", required_argument, NULL, 'c' },
          { "libexec", required_argument, NULL, 'l' },
          { "help", no_argument, NULL, 'h' },
          { 0 } };
  int c;

  while ((c = getopt_long (argc, argv, "h", longs, NULL)) != -1)
    switch (c)
      {
      case 's':
        o->state = optarg;
        break;
      case 'c':
        o->config = optarg;
        break;
      case 'l':
        o->libexec = optarg;
        break;
      case 'h':
        usage (stdout);
        return 0;
      default:
        usage (stderr);
        return 2;
      }
  if (o->state && optind == argc)
    return -1;
  usage (stderr);
  return 2;
}
