/* SPDX-License-Identifier: Apache-2.0
 *
 * peaks: how much memory each kind of process took at its most.
 *
 *   peaks PID        until SIGTERM, or until PID has ended
 *
 * Looks at PID and its descendants every ms and keeps, by name, the largest
 * VmHWM, which is the kernel's own account of the peak: who lives for ms
 * only is missed by what it took after the last look.  At the end a line for
 * each: NAME KIB PROCESSES.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS 64
#define DEPTH 8
#define SEEN 16

static struct kind
{
  char name[32];
  unsigned long kib;
  int pids[SEEN]; /* those that came last, a ring */
  unsigned processes;
} kinds[KINDS];
static unsigned nkinds;
static volatile sig_atomic_t over;

static void
on_term (int sig)
{
  over = sig;
}

static struct kind *
kind_of (const char *name)
{
  for (unsigned i = 0; i < nkinds; i++)
    if (strcmp (kinds[i].name, name) == 0)
      return &kinds[i];
  if (nkinds == KINDS)
    return NULL;
  snprintf (kinds[nkinds].name, sizeof kinds[nkinds].name, "%s", name);
  return &kinds[nkinds++];
}

/* False: it is not there any more. */
static bool
look (int pid)
{
  char path[64], line[256], name[32] = "";
  unsigned long kib = 0;
  struct kind *k;
  FILE *f;

  snprintf (path, sizeof path, "/proc/%d/status", pid);
  f = fopen (path, "re");
  if (!f)
    return false;
  while (fgets (line, sizeof line, f))
    if (sscanf (line, "Name: %31s", name) == 0
        && sscanf (line, "VmHWM: %lu", &kib) == 1)
      break;
  fclose (f);
  /* Between fork and exec it has its parent's memory and another's name. */
  if (strncmp (name, "hangdog", 7) != 0 || kib == 0)
    return name[0] != '\0';
  k = kind_of (name);
  if (!k)
    return true;
  if (kib > k->kib)
    k->kib = kib;
  for (unsigned i = 0; i < SEEN; i++)
    if (k->pids[i] == pid)
      return true;
  k->pids[k->processes++ % SEEN] = pid;
  return true;
}

static bool walk (int pid, unsigned depth);

static void
walk_children_of (int pid, const char *task, unsigned depth)
{
  char path[96];
  int child;
  FILE *f;

  snprintf (path, sizeof path, "/proc/%d/task/%.20s/children", pid, task);
  f = fopen (path, "re");
  if (!f)
    return;
  while (fscanf (f, "%d", &child) == 1)
    walk (child, depth + 1);
  fclose (f);
}

static bool
walk (int pid, unsigned depth)
{
  struct dirent *e;
  char path[64];
  DIR *d;

  if (!look (pid) || depth > DEPTH)
    return depth > DEPTH;
  snprintf (path, sizeof path, "/proc/%d/task", pid);
  d = opendir (path);
  while (d && (e = readdir (d)))
    if (e->d_name[0] != '.')
      walk_children_of (pid, e->d_name, depth);
  if (d)
    closedir (d);
  return true;
}

int
main (int argc, char **argv)
{
  int pid = argc == 2 ? atoi (argv[1]) : 0;

  if (pid <= 0)
    {
      fprintf (stderr, "Usage: peaks PID\n");
      return 2;
    }
  signal (SIGTERM, on_term);
  while (!over && walk (pid, 0))
    poll (NULL, 0, 1);
  for (unsigned i = 0; i < nkinds; i++)
    printf ("%s %lu %u\n", kinds[i].name, kinds[i].kib, kinds[i].processes);
  return 0;
}
