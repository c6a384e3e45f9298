/* SPDX-License-Identifier: Apache-2.0
 *
 * What the console hub costs, and whether it keeps its promises: N fake
 * consoles in a process of their own, a real loop, hub and job threads here.
 *
 *   bench-hub [-n CONSOLES] [-r BYTES/S] [-t SECONDS] [-p] [-w] [-b] [-C]
 *             [-d DIALOGUES] [-T THREADS] [-g GAP_MS] [-x DROPS] [-s SNDBUF]
 *             [-S SLOT_MS]
 *
 * -p ptys, not sockets; -w the log is the kernel's, between any two bytes;
 * -b the fakes write byte by byte; -C do not check the lines (their check
 * costs CPU of ours); -d dialogues in all, on T threads, each thread waiting
 * up to twice the gap between two; -x the fakes drop all connections so often,
 * spread over the time; -S each fake writes its log so often.
 *
 * Prints one JSON object.  Exit code 3 when a line was lost or a dialogue was
 * judged wrongly.
 */
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "tests/fakes/fakecons.h"
#include "tests/fakes/hubworld.h"
#include "transports/console/session.h"

extern char **environ;

#define SAMPLES 8

struct options
{
  unsigned n, rate, seconds, dialogues, threads, gap, drops, sndbuf, slot;
  bool pty, weave, bytewise, check;
};

struct bench
{
  struct options o;
  struct hubworld w;
  struct fakecheck *check;
  char **paths;
  char dir[64];
  pid_t pid;
  FILE *to, *from; /* of the fakes */
  atomic_uint thread, next, ok, wrong, refused;
  atomic_uint talks[ASK_MAX];
  uint64_t slowest_ms;
  unsigned long pss_kib;
};

static void
die (const char *what)
{
  fprintf (stderr, "bench-hub: %s\n", what);
  exit (1);
}

static void
nap (unsigned ms)
{
  struct timespec ts = { .tv_sec = ms / 1000,
                         .tv_nsec = (long) (ms % 1000) * 1000000 };

  (void) nanosleep (&ts, NULL);
}

/* ---- the fakes ---- */

static void
fakes_start (struct bench *b, const char *self)
{
  char exe[512], n[16], r[16], s[16], t[16], *line = NULL, *at;
  char *argv[16] = { exe, NULL };
  const char *build = getenv ("HANGDOG_BUILD"), *slash = strrchr (self, '/');
  posix_spawn_file_actions_t fa;
  int in[2], out[2], a = 1;
  size_t cap = 0;

  if (build)
    snprintf (exe, sizeof exe, "%s/tests/fakes/fakecons", build);
  else
    snprintf (exe, sizeof exe, "%.*s/../fakes/fakecons",
              slash ? (int) (slash - self) : 1, slash ? self : ".");
  snprintf (n, sizeof n, "-n%u", b->o.n);
  snprintf (r, sizeof r, "-r%u", b->o.rate);
  snprintf (s, sizeof s, "-s%u", b->o.sndbuf);
  argv[a++] = n;
  argv[a++] = r;
  argv[a++] = s;
  snprintf (t, sizeof t, "-t%u", b->o.slot);
  argv[a++] = t;
  if (b->o.pty)
    argv[a++] = (char *) "-p";
  if (b->o.weave)
    argv[a++] = (char *) "-w";
  if (b->o.bytewise)
    argv[a++] = (char *) "-b";
  argv[a++] = b->dir;
  argv[a] = NULL;
  if (pipe2 (in, O_CLOEXEC) < 0 || pipe2 (out, O_CLOEXEC) < 0)
    die ("no pipes");
  posix_spawn_file_actions_init (&fa);
  posix_spawn_file_actions_adddup2 (&fa, in[0], 0);
  posix_spawn_file_actions_adddup2 (&fa, out[1], 1);
  if (posix_spawn (&b->pid, exe, &fa, NULL, argv, environ) != 0)
    die ("tests/fakes/fakecons cannot be started");
  posix_spawn_file_actions_destroy (&fa);
  close (in[0]);
  close (out[1]);
  b->to = fdopen (in[1], "w");
  b->from = fdopen (out[0], "r");
  b->paths = calloc (b->o.n, sizeof *b->paths);
  if (!b->paths || getline (&line, &cap, b->from) < 0
      || strncmp (line, "ready ", 6) != 0)
    die ("the fakes are not ready");
  at = line + 6;
  for (unsigned i = 0; i < b->o.n; i++)
    {
      char *path = strsep (&at, " \n");

      b->paths[i] = path ? strdup (path) : NULL;
      if (!b->paths[i])
        die ("a path of the fakes is missing");
    }
  free (line);
}

static void
fakes_tell (struct bench *b, const char *command)
{
  fprintf (b->to, "%s\n", command);
  fflush (b->to);
}

struct report
{
  unsigned long long bytes, lines, connects, keys, executed;
  double blocked;
};

static void
fakes_report (struct bench *b, struct report *r)
{
  char line[512];
  unsigned n;

  if (!fgets (line, sizeof line, b->from)
      || sscanf (line,
                 "{\"consoles\":%u,\"bytes\":%llu,\"lines\":%llu,"
                 "\"connects\":%llu,\"keys\":%llu,\"executed\":%llu,"
                 "\"blocked_seconds\":%lf}",
                 &n, &r->bytes, &r->lines, &r->connects, &r->keys,
                 &r->executed, &r->blocked)
             != 7)
    die ("no report of the fakes");
}

/* ---- our side ---- */

static bool
sink_bytes (void *arg, void **mine, const char *uuid, const char *console,
            const void *data, size_t len, uint64_t wall_ms)
{
  struct bench *b = arg;
  unsigned long i;

  if (b->o.check)
    {
      i = strtoul (uuid + 24, NULL, 16);
      fakecheck_feed (&b->check[i], data, len);
    }
  return true;
}

static double
cpu_seconds (void)
{
  struct rusage ru;

  getrusage (RUSAGE_SELF, &ru);
  return (double) (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec)
         + (double) (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

/* KiB of a line of smaps_rollup. */
static unsigned long
memory_kib (const char *what)
{
  CLEANUP_FCLOSE FILE *f = fopen ("/proc/self/smaps_rollup", "re");
  char line[256];
  size_t n = strlen (what);

  while (f && fgets (line, sizeof line, f))
    if (strncmp (line, what, n) == 0)
      return strtoul (line + n, NULL, 10);
  return 0;
}

static void
add_all (void *arg)
{
  struct bench *b = arg;

  for (unsigned i = 0; i < b->o.n; i++)
    {
      struct guest *g = hubworld_snapshot (
          i, b->o.pty ? CONSOLE_PTY : CONSOLE_UNIX, CONSOLE_HOLD, b->paths[i]);

      hub_guest (b->w.hub, GUEST_ADDED, NULL, g);
      guest_unref (g);
    }
}

static unsigned
connected (struct bench *b)
{
  return hubworld_count (&b->w, CONSOLE_SILENT)
         + hubworld_count (&b->w, CONSOLE_TALKING);
}

static double
start_all (struct bench *b)
{
  uint64_t start = clock_ms ();

  hubworld_do (&b->w, add_all, b);
  while (connected (b) < b->o.n)
    {
      if (clock_ms () - start > 60000)
        die ("not all consoles connected within a minute");
      nap (2);
    }
  return (double) (clock_ms () - start) / 1e3;
}

/* ---- dialogues ---- */

static void
one_dialogue (struct bench *b, unsigned i)
{
  char uuid[UUID_TEXT];
  struct session *s;
  struct command_result ret;
  uint64_t start = clock_ms (), took;

  if (session_open (b->w.hub, hubworld_uuid (i, uuid, sizeof uuid), "serial0",
                    LEASE_SCENARIO, "bench", start + 10000, &s, NULL)
      < 0)
    {
      atomic_fetch_add (&b->refused, 1);
      return;
    }
  if (session_command (s, "uptime", start + 10000, &ret, NULL) == 0)
    {
      bool ok = ret.end == ASK_OK && ret.status == 0
                && strstr (buf_str (&ret.output), "load average: 0.00");

      atomic_fetch_add (ok ? &b->ok : &b->wrong, 1);
      atomic_fetch_add (&b->talks[ret.end], 1);
      if (!ok)
        fprintf (stderr, "console %u: end %d: %s\n", i, ret.end,
                 ret.detail);
      command_result_done (&ret);
    }
  session_close (s);
  took = clock_ms () - start;
  if (took > b->slowest_ms)
    b->slowest_ms = took;
}

static void *
talker (void *arg)
{
  struct bench *b = arg;
  unsigned first = atomic_fetch_add (&b->thread, 1), i = first;
  unsigned seed = first;

  /* Each has consoles of its own: they do not wait for one another. */
  while (atomic_fetch_add (&b->next, 1) < b->o.dialogues)
    {
      if (b->o.gap)
        nap ((unsigned) rand_r (&seed) % (2 * b->o.gap));
      one_dialogue (b, i);
      i += b->o.threads;
      if (i >= b->o.n)
        i = first;
    }
  return NULL;
}

static void
talk (struct bench *b)
{
  pthread_t t[64];
  unsigned n;

  if (b->o.threads > 64)
    b->o.threads = 64;
  if (b->o.threads > b->o.n)
    b->o.threads = b->o.n;
  n = b->o.threads;
  for (unsigned i = 0; i < n; i++)
    if (pthread_create (&t[i], NULL, talker, b) != 0)
      die ("no thread");
  for (unsigned i = 0; i < n; i++)
    pthread_join (t[i], NULL);
}

/* ---- running ---- */

static void
run_time (struct bench *b, unsigned long *dirty)
{
  unsigned ms = b->o.seconds * 1000, piece = ms / SAMPLES;

  for (unsigned i = 0; i < SAMPLES; i++)
    {
      unsigned drops = b->o.drops / SAMPLES + (i < b->o.drops % SAMPLES);

      for (unsigned d = 0; d < drops; d++)
        {
          nap (piece / (drops + 1));
          fakes_tell (b, "drop *");
        }
      nap (piece / (drops + 1));
      dirty[i] = memory_kib ("Private_Dirty:");
    }
}

/* Until all that the fakes have said is here, or no more comes. */
static void
settle (struct bench *b, struct report *r)
{
  uint64_t lines, until = clock_ms () + 10000;

  fakes_tell (b, "rate * 0");
  while (connected (b) < b->o.n && clock_ms () < until)
    nap (10);
  nap (300);
  fakes_tell (b, "stats");
  fakes_report (b, r);
  do
    {
      nap (20);
      lines = 0;
      for (unsigned i = 0; i < b->o.n; i++)
        lines += b->check[i].lines;
    }
  while (b->o.check && lines < r->lines && clock_ms () < until);
}

static int
print (struct bench *b, const struct report *r, double start, double wall,
       double cpu, const unsigned long *dirty)
{
  uint64_t lines = 0, lost = 0, broken = 0;

  for (unsigned i = 0; i < b->o.n; i++)
    {
      lines += b->check[i].lines;
      lost += b->check[i].lost;
      broken += b->check[i].broken;
    }
  if (b->o.check)
    lost += r->lines > lines + lost ? r->lines - lines - lost : 0;
  printf ("{\"consoles\":%u,\"kind\":\"%s\",\"rate\":%u,\"seconds\":%.2f,"
          "\"start_seconds\":%.3f,\"bytes\":%llu,\"lines\":%llu,"
          "\"lost\":%llu,\"broken\":%llu,\"blocked_seconds\":%.3f,"
          "\"cpu_percent\":%.2f,\"connects\":%llu,",
          b->o.n, b->o.pty ? "pty" : "unix", b->o.rate, wall, start, r->bytes,
          r->lines, (unsigned long long) lost, (unsigned long long) broken,
          r->blocked, 100 * cpu / wall, r->connects);
  if (b->o.dialogues)
    printf ("\"dialogues\":%u,\"right\":%u,\"wrong\":%u,\"refused\":%u,"
            "\"cpu_us_per_dialogue\":%.1f,\"slowest_ms\":%llu,",
            b->o.dialogues, b->ok, b->wrong, b->refused,
            1e6 * cpu / b->o.dialogues, (unsigned long long) b->slowest_ms);
  printf ("\"pss_kib\":%lu,\"private_dirty_kib\":[", b->pss_kib);
  for (unsigned i = 0; i < SAMPLES; i++)
    printf ("%s%lu", i ? "," : "", dirty[i]);
  printf ("]}\n");
  return lost || broken || b->wrong ? 3 : 0;
}

static int
bench (struct bench *b)
{
  struct hub_limits limits = { .reconnect_min_ms = 20 };
  struct console_sink sink = { .bytes = sink_bytes, .arg = b };
  struct report r = { 0 }, last;
  unsigned long dirty[SAMPLES] = { 0 };
  double start, cpu, wall;
  uint64_t from;

  hubworld_start (&b->w, &limits, NULL, &sink);
  start = start_all (b);
  nap (500);
  cpu = cpu_seconds ();
  from = clock_us ();
  if (b->o.dialogues)
    talk (b);
  else
    run_time (b, dirty);
  cpu = cpu_seconds () - cpu;
  wall = (double) (clock_us () - from) / 1e6;
  settle (b, &r);
  b->pss_kib = memory_kib ("Pss:");
  hubworld_stop (&b->w);
  fclose (b->to);
  fakes_report (b, &last);
  fclose (b->from);
  (void) waitpid (b->pid, NULL, 0);
  return print (b, &r, start, wall, cpu, dirty);
}

int
main (int argc, char **argv)
{
  struct bench b = { .o = { .n = 100, .rate = 1000, .seconds = 5,
                            .threads = 8, .check = true } };
  struct rlimit many = { 65536, 65536 };
  int opt, rc;

  while ((opt = getopt (argc, argv, "n:r:t:d:T:g:x:s:S:pwbC")) != -1)
    switch (opt)
      {
      case 'n': b.o.n = (unsigned) atoi (optarg); break;
      case 'r': b.o.rate = (unsigned) atoi (optarg); break;
      case 't': b.o.seconds = (unsigned) atoi (optarg); break;
      case 'd': b.o.dialogues = (unsigned) atoi (optarg); break;
      case 'T': b.o.threads = (unsigned) atoi (optarg); break;
      case 'g': b.o.gap = (unsigned) atoi (optarg); break;
      case 'S': b.o.slot = (unsigned) atoi (optarg); break;
      case 'x': b.o.drops = (unsigned) atoi (optarg); break;
      case 's': b.o.sndbuf = (unsigned) atoi (optarg); break;
      case 'p': b.o.pty = true; break;
      case 'w': b.o.weave = true; break;
      case 'b': b.o.bytewise = true; break;
      case 'C': b.o.check = false; break;
      default: return 2;
      }
  if (b.o.n == 0 || b.o.seconds == 0 || b.o.threads == 0)
    return 2;
  (void) signal (SIGPIPE, SIG_IGN);
  (void) setrlimit (RLIMIT_NOFILE, &many);
  snprintf (b.dir, sizeof b.dir, "/tmp/hangdog-bench-XXXXXX");
  b.check = calloc (b.o.n, sizeof *b.check);
  if (!b.check || !mkdtemp (b.dir))
    die ("no folder");
  fakes_start (&b, argv[0]);
  rc = bench (&b);
  (void) rmdir (b.dir);
  for (unsigned i = 0; i < b.o.n; i++)
    free (b.paths[i]);
  free (b.paths);
  free (b.check);
  return rc;
}
