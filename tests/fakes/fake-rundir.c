/* SPDX-License-Identifier: Apache-2.0
 *
 * fake-rundir: a QEMU run directory full of fake guests.
 *
 *   fake-rundir [-n N] [-r BYTES] [-w] [-s SNDBUF] [-t SLOT_MS] [-P PLAY] DIR
 *
 * Makes DIR/fake0, DIR/fake1, ... each with a console's socket "cons" (all of
 * them served by one thread here, see fakecons.h), a file "pid", and a process
 * whose command line is that of a QEMU which runs in that folder, and which
 * sleeps.  Prints "ready N", then obeys the commands of fakecons on stdin, also
 *
 *   stats            one line of JSON
 *   connected N MS   waits until N consoles were connected to, at most so
 *                    long; says "connected N MILLISECONDS"
 *   kill N           guest N's process ends
 *
 * until its end.  Then everything is taken away again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "tests/fakes/fakecons.h"

extern char **environ;

/* What a child is called is what makes it sleep. */
#define QEMU "qemu-system-x86_64"

struct world
{
  struct fakecons_config cfg;
  struct fakecons *f;
  pid_t *pids;
  char dir[512];
};

static void
die (const char *what)
{
  fprintf (stderr, "fake-rundir: %s: %s\n", what, strerror (errno));
  exit (1);
}

/* ---- a guest's process ---- */

/* It must not outlive us: we may be killed. */
static int
sleep_as_qemu (const char *parent)
{
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != (pid_t) atoi (parent))
    return 0;
  for (;;)
    pause ();
}

static void
make_folder (struct world *w, unsigned i)
{
  char path[600];

  snprintf (path, sizeof path, "%s/fake%u", w->dir, i);
  if (mkdir (path, 0755) < 0 && errno != EEXIST)
    die (path);
}

/* The kernel names as a socket's process the one that called listen(): it is
 * called once more, by the guest's, before that becomes a QEMU by name. */
static void
start_guest (struct world *w, unsigned i)
{
  char name[32], uuid[64], pidfile[640], parent[32], text[32];
  char *argv[] = { (char *) QEMU, (char *) "-name", name, (char *) "-uuid",
                   uuid, (char *) "-pidfile", pidfile,
                   (char *) "-fake-parent", parent, NULL };
  int fd, n;

  snprintf (name, sizeof name, "fake%u", i);
  snprintf (uuid, sizeof uuid, "00000000-0000-4000-8000-%012x", i);
  snprintf (pidfile, sizeof pidfile, "%s/%s/pid", w->dir, name);
  snprintf (parent, sizeof parent, "%d", (int) getpid ());
  w->pids[i] = fork ();
  if (w->pids[i] == 0)
    {
      if (listen (fakecons_listener (w->f, i), 1) == 0)
        (void) execve ("/proc/self/exe", argv, environ);
      _exit (1);
    }
  if (w->pids[i] < 0)
    die ("a guest's process");
  fd = open (pidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  n = snprintf (text, sizeof text, "%d\n", (int) w->pids[i]);
  if (fd < 0 || write (fd, text, (size_t) n) != n)
    die (pidfile);
  close (fd);
}

static void
kill_guest (struct world *w, unsigned i)
{
  if (i >= w->cfg.n || w->pids[i] <= 0)
    return;
  (void) kill (w->pids[i], SIGKILL);
  (void) waitpid (w->pids[i], NULL, 0);
  w->pids[i] = 0;
}

static void
remove_all (struct world *w)
{
  char path[640];

  for (unsigned i = 0; i < w->cfg.n; i++)
    {
      kill_guest (w, i);
      snprintf (path, sizeof path, "%s/fake%u/pid", w->dir, i);
      (void) unlink (path);
      snprintf (path, sizeof path, "%s/fake%u", w->dir, i);
      (void) rmdir (path);
    }
}

/* ---- commands ---- */

static void
await_connected (struct world *w, unsigned n, unsigned most_ms)
{
  struct timespec ts = { .tv_nsec = 2000000 };
  uint64_t start = clock_ms ();
  struct fakecons_stats s;

  do
    {
      fakecons_stats (w->f, -1, &s);
      if (s.connects >= n)
        break;
      (void) nanosleep (&ts, NULL);
    }
  while (clock_ms () - start < most_ms);
  printf ("connected %llu %llu\n", (unsigned long long) s.connects,
          (unsigned long long) (clock_ms () - start));
}

static void
obey (struct world *w, const char *line)
{
  struct buf out = BUF_INIT (4096);
  unsigned n, ms;

  if (strncmp (line, "stats", 5) == 0)
    {
      fakecons_report (w->f, &out);
      fputs (buf_str (&out), stdout);
    }
  else if (sscanf (line, "connected %u %u", &n, &ms) == 2)
    await_connected (w, n, ms);
  else if (sscanf (line, "kill %u", &n) == 1)
    kill_guest (w, n);
  else if (fakecons_command (w->f, line) < 0)
    fprintf (stderr, "fake-rundir: not understood: %s", line);
  buf_done (&out);
  fflush (stdout);
}

int
main (int argc, char **argv)
{
  struct world w = { .cfg = { .n = 1, .folders = true } };
  struct rlimit many = { 65536, 65536 };
  struct error err = ERROR_INIT;
  pthread_t thread;
  char line[1100];

  if (strcmp (argv[0], QEMU) == 0 && argc > 1)
    return sleep_as_qemu (argv[argc - 1]);
  if (fakecons_options (argc, argv, &w.cfg) < 0)
    {
      fprintf (stderr, "usage: fake-rundir [-n N] [-r BYTES] [-w] [-s SNDBUF] "
                       "[-t SLOT_MS] [-P PLAY] DIR\n");
      return 2;
    }
  (void) signal (SIGPIPE, SIG_IGN);
  (void) setrlimit (RLIMIT_NOFILE, &many);
  snprintf (w.dir, sizeof w.dir, "%s", w.cfg.dir);
  w.pids = calloc (w.cfg.n, sizeof *w.pids);
  if (!w.pids)
    die ("memory");
  for (unsigned i = 0; i < w.cfg.n; i++)
    make_folder (&w, i);
  if (fakecons_new (&w.cfg, &w.f, &err) < 0)
    {
      fprintf (stderr, "fake-rundir: %s\n", error_text (&err));
      remove_all (&w);
      return 1;
    }
  for (unsigned i = 0; i < w.cfg.n; i++)
    start_guest (&w, i);
  if (fakecons_thread (w.f, &thread) < 0)
    die ("a thread");
  printf ("ready %u\n", w.cfg.n);
  fflush (stdout);
  while (fgets (line, sizeof line, stdin))
    obey (&w, line);
  fakecons_stop (w.f);
  pthread_join (thread, NULL);
  fakecons_free (w.f);
  remove_all (&w);
  free (w.pids);
  return 0;
}
