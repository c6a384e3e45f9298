/* SPDX-License-Identifier: Apache-2.0
 *
 * What the stack of a task in a dump waits for; each task once.
 */
#include "kernel/text/sysrq.h"

#include <stdlib.h>
#include <string.h>

/* What is only left over on the stack is nothing it waits for. */
static void
look (const struct text_frame *frames, unsigned n, struct wait *ret)
{
  const char *names[TEXT_FRAMES_MAX];

  n = n < TEXT_FRAMES_MAX ? n : TEXT_FRAMES_MAX;
  for (unsigned i = 0; i < n; i++)
    names[i] = frames[i].guess ? NULL : frames[i].func;
  wait_of (names, n, ret);
}

enum wait_for
sysrq_wait_of (const struct text_frame *frames, unsigned n)
{
  struct wait w;

  look (frames, n, &w);
  return w.what;
}

const struct text_frame *
sysrq_where (const struct text_frame *frames, unsigned n)
{
  struct wait w;

  look (frames, n, &w);
  return w.at < 0 ? NULL : &frames[w.at];
}

/* ---- each task once ---- */

struct place
{
  int pid;
  unsigned at;
};

static int
by_pid (const void *a, const void *b)
{
  const struct place *x = a, *y = b;

  if (x->pid != y->pid)
    return x->pid < y->pid ? -1 : 1;
  return x->at < y->at ? -1 : x->at > y->at;
}

static int
by_place (const void *a, const void *b)
{
  const struct place *x = a, *y = b;

  return x->at < y->at ? -1 : x->at > y->at;
}

unsigned
sysrq_dump_latest (const struct sysrq_dump *d, char state, unsigned *idx,
                   unsigned max)
{
  const struct sysrq_task *tasks;
  unsigned n = sysrq_dump_tasks (d, &tasks), kept = 0, first = n;
  struct place *all = n ? malloc (n * sizeof *all) : NULL;

  if (!all)
    return 0;
  while (first > 0 && tasks[first - 1].boot == tasks[n - 1].boot)
    first--;
  n -= first;
  for (unsigned i = 0; i < n; i++)
    all[i] = (struct place){ tasks[first + i].pid, first + i };
  qsort (all, n, sizeof *all, by_pid);
  for (unsigned i = 0; i < n; i++)
    {
      bool latest = i + 1 == n || all[i + 1].pid != all[i].pid;

      /* Without a pid there is nothing to tell them apart by. */
      if ((latest || all[i].pid < 0)
          && (!state || tasks[all[i].at].state == state))
        all[kept++] = all[i];
    }
  qsort (all, kept, sizeof *all, by_place);
  for (unsigned i = 0; i < kept && i < max; i++)
    idx[i] = all[i].at;
  free (all);
  return kept;
}

unsigned
sysrq_dump_blocked (const struct sysrq_dump *d, unsigned *idx, unsigned max)
{
  return sysrq_dump_latest (d, 'D', idx, max);
}
