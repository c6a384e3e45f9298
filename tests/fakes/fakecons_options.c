/* SPDX-License-Identifier: Apache-2.0
 *
 * What programmes that serve fake consoles have in common: their options, and
 * a thread that serves.
 */
#include "tests/fakes/fakecons.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

int
fakecons_options (int argc, char **argv, struct fakecons_config *cfg)
{
  int o;

  while ((o = getopt (argc, argv, "n:r:pwbWs:t:S:P:")) != -1)
    switch (o)
      {
      case 'n': cfg->n = (unsigned) atoi (optarg); break;
      case 'r': cfg->rate = (unsigned) atoi (optarg); break;
      case 'p': cfg->pty = true; break;
      case 'w': cfg->weave = true; break;
      case 'b': cfg->bytewise = true; break;
      case 'W': cfg->wrap = true; break;
      case 's': cfg->sndbuf = (unsigned) atoi (optarg); break;
      case 't': cfg->slot_ms = (unsigned) atoi (optarg); break;
      case 'S': cfg->shell = optarg; break;
      case 'P':
        for (unsigned i = 0; i < FAKE_PLAY_MAX; i++)
          if (strcmp (optarg, fake_play_names[i]) == 0)
            cfg->play = (enum fake_play) i;
        break;
      default: return -1;
      }
  cfg->dir = argv[optind];
  return cfg->dir && cfg->n > 0 ? 0 : -1;
}

static void *
run (void *arg)
{
  fakecons_run (arg);
  return NULL;
}

int
fakecons_thread (struct fakecons *f, pthread_t *ret)
{
  return -pthread_create (ret, NULL, run, f);
}
