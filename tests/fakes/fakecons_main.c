/* SPDX-License-Identifier: Apache-2.0
 *
 * fakecons: fake guest consoles as a programme.
 *
 *   fakecons [-n N] [-r BYTES] [-p] [-w] [-b] [-W] [-s SNDBUF] [-t SLOT_MS]
 *            [-S SHELL] [-P PLAY] DIR
 *
 * Prints one line "ready" and the path of each console, then obeys commands on
 * stdin (see fakecons.h; also "stats") until its end, and ends with a report
 * in JSON.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "tests/fakes/fakecons_impl.h"

static void
report (struct fakecons *f)
{
  struct buf out = BUF_INIT (4096);

  fakecons_report (f, &out);
  fputs (buf_str (&out), stdout);
  fflush (stdout);
  buf_done (&out);
}

int
main (int argc, char **argv)
{
  struct fakecons_config cfg = { .n = 1 };
  struct rlimit many = { 65536, 65536 };
  struct error err = ERROR_INIT;
  struct fakecons *f = NULL;
  pthread_t thread;
  char line[1100];

  if (fakecons_options (argc, argv, &cfg) < 0)
    {
      fprintf (stderr, "usage: fakecons [-n N] [-r BYTES] [-pwbW] [-s SNDBUF] "
                       "[-t SLOT_MS] [-S SHELL] [-P PLAY] DIR\n");
      return 2;
    }
  (void) signal (SIGPIPE, SIG_IGN);
  (void) setrlimit (RLIMIT_NOFILE, &many);
  if (fakecons_new (&cfg, &f, &err) < 0)
    {
      fprintf (stderr, "fakecons: %s\n", error_text (&err));
      return 1;
    }
  printf ("ready");
  for (unsigned i = 0; i < cfg.n; i++)
    printf (" %s", fakecons_path (f, i));
  printf ("\n");
  fflush (stdout);
  if (fakecons_thread (f, &thread) < 0)
    return 1;
  while (fgets (line, sizeof line, stdin))
    if (strncmp (line, "stats", 5) == 0)
      report (f);
    else if (fakecons_command (f, line) < 0)
      fprintf (stderr, "fakecons: not understood: %s", line);
  fakecons_stop (f);
  pthread_join (thread, NULL);
  report (f);
  fakecons_free (f);
  return 0;
}
