/* SPDX-License-Identifier: Apache-2.0
 *
 * window: what the machine, and whom of it, spent in a window of time.
 *
 *   window SECONDS [-o PID]... [-q PID]...
 *
 * Prints, in seconds of CPU, as shell words:
 *
 *   wall     how long it really was
 *   busy     all of the machine: /proc/stat without idle, iowait and steal
 *   kernel   of it, threads of the kernel
 *   ours     the processes of -o and their descendants
 *   set      the processes of -q and their descendants, which are not in ours:
 *            a guest, a load generator
 *   foreign  every other process.  Others may use this machine: what they
 *            spent is no cost of the one who is measured.
 *   exact    ours by the scheduler's nanoseconds, without those who ended
 *   pss, dirty   KiB of ours in the end, from smaps_rollup
 *
 * So busy - foreign - set is what the measured one cost, with the kernel's
 * threads that worked for it, which accounting by process hides.  A process
 * counts with its children that were waited for, so one that ends within the
 * window is not lost.
 *
 * Those are ticks: whoever runs when the clock ticks is charged for all of
 * it.  Of a process that sleeps nearly always, and is woken by a timer, that
 * is several times too much or nothing at all: for such there is "exact".
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST 32768
#define ROOTS 64

enum who { WHO_FOREIGN, WHO_KERNEL, WHO_OURS, WHO_SET, WHO_MAX };

struct proc
{
  int pid, ppid;
  unsigned long long ticks;
  enum who who;
};

struct look
{
  double wall, busy, of[WHO_MAX], exact;
};

static struct proc procs[MOST];
static unsigned nprocs;
static struct { int pid; enum who who; } roots[ROOTS];
static unsigned nroots;

static int
by_pid (const void *a, const void *b)
{
  return ((const struct proc *) a)->pid - ((const struct proc *) b)->pid;
}

static struct proc *
find (int pid)
{
  struct proc key = { .pid = pid };

  return bsearch (&key, procs, nprocs, sizeof key, by_pid);
}

static enum who
who_is (int pid)
{
  for (unsigned depth = 0; depth < 64 && pid > 0; depth++)
    {
      struct proc *p;

      for (unsigned i = 0; i < nroots; i++)
        if (roots[i].pid == pid)
          return roots[i].who;
      if (pid == 2)
        return WHO_KERNEL;
      p = find (pid);
      pid = p ? p->ppid : 0;
    }
  return WHO_FOREIGN;
}

static void
read_proc (const char *pid)
{
  char path[64], text[1024], *p;
  unsigned long long u, s, cu, cs;
  FILE *f;
  size_t n;
  int ppid;

  snprintf (path, sizeof path, "/proc/%.16s/stat", pid);
  f = fopen (path, "re");
  if (!f)
    return;
  n = fread (text, 1, sizeof text - 1, f);
  fclose (f);
  text[n] = '\0';
  p = strrchr (text, ')');
  if (!p || nprocs == MOST
      || sscanf (p + 2,
                 "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu "
                 "%llu",
                 &ppid, &u, &s, &cu, &cs)
             != 5)
    return;
  procs[nprocs++]
      = (struct proc){ .pid = atoi (pid), .ppid = ppid, .ticks = u + s + cu + cs };
}

/* Of all threads that there are, in seconds. */
static double
scheduled (int pid)
{
  unsigned long long ns, sum = 0;
  struct dirent *e;
  char path[96];
  DIR *d;
  FILE *f;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  d = opendir (path);
  while (d && (e = readdir (d)))
    {
      snprintf (path, sizeof path, "/proc/%d/task/%.16s/schedstat", pid,
                e->d_name);
      f = e->d_name[0] == '.' ? NULL : fopen (path, "re");
      if (f && fscanf (f, "%llu", &ns) == 1)
        sum += ns;
      if (f)
        fclose (f);
    }
  if (d)
    closedir (d);
  return (double) sum / 1e9;
}

static void
take (struct look *l)
{
  double hz = (double) sysconf (_SC_CLK_TCK);
  unsigned long long v[8] = { 0 };
  struct timespec ts;
  struct dirent *e;
  FILE *f = fopen ("/proc/stat", "re");
  DIR *d = opendir ("/proc");

  memset (l, 0, sizeof *l);
  if (!f || !d
      || fscanf (f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0],
                 &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
             != 8)
    exit (1);
  clock_gettime (CLOCK_MONOTONIC, &ts);
  fclose (f);
  l->wall = (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
  l->busy = (double) (v[0] + v[1] + v[2] + v[5] + v[6]) / hz;
  nprocs = 0;
  while ((e = readdir (d)))
    if (isdigit ((unsigned char) e->d_name[0]))
      read_proc (e->d_name);
  closedir (d);
  qsort (procs, nprocs, sizeof *procs, by_pid);
  for (unsigned i = 0; i < nprocs; i++)
    {
      procs[i].who = who_is (procs[i].pid);
      l->of[procs[i].who] += (double) procs[i].ticks / hz;
      if (procs[i].who == WHO_OURS)
        l->exact += scheduled (procs[i].pid);
    }
}

static void
memory (unsigned long *pss, unsigned long *dirty)
{
  char path[64], line[256];
  unsigned long v;
  FILE *f;

  *pss = *dirty = 0;
  for (unsigned i = 0; i < nprocs; i++)
    {
      if (procs[i].who != WHO_OURS)
        continue;
      snprintf (path, sizeof path, "/proc/%d/smaps_rollup", procs[i].pid);
      f = fopen (path, "re");
      while (f && fgets (line, sizeof line, f))
        if (sscanf (line, "Pss: %lu", &v) == 1)
          *pss += v;
        else if (sscanf (line, "Private_Dirty: %lu", &v) == 1)
          *dirty += v;
      if (f)
        fclose (f);
    }
}

int
main (int argc, char **argv)
{
  double seconds = argc > 1 ? atof (argv[1]) : 0;
  struct timespec ts = { .tv_sec = (time_t) seconds };
  unsigned long pss, dirty;
  struct look a, b;

  ts.tv_nsec = (long) ((seconds - (double) ts.tv_sec) * 1e9);
  for (int i = 2; i + 1 < argc && nroots < ROOTS; i += 2)
    {
      roots[nroots].pid = atoi (argv[i + 1]);
      roots[nroots++].who = strcmp (argv[i], "-q") == 0 ? WHO_SET : WHO_OURS;
    }
  take (&a);
  (void) nanosleep (&ts, NULL);
  take (&b);
  memory (&pss, &dirty);
  printf ("wall=%.3f busy=%.2f kernel=%.2f ours=%.2f set=%.2f foreign=%.2f "
          "exact=%.4f pss=%lu dirty=%lu\n",
          b.wall - a.wall, b.busy - a.busy,
          b.of[WHO_KERNEL] - a.of[WHO_KERNEL], b.of[WHO_OURS] - a.of[WHO_OURS],
          b.of[WHO_SET] - a.of[WHO_SET], b.of[WHO_FOREIGN] - a.of[WHO_FOREIGN],
          b.exact - a.exact, pss, dirty);
  return 0;
}
