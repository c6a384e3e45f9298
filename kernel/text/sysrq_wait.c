/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stack waits for, by the names of its innermost functions.
 */
#include "kernel/text/sysrq.h"

#include <stdlib.h>
#include <string.h>

const char *const sysrq_wait_names[] = { "", "io", "lock", NULL };

/* Beginnings of names.  Innermost frames that only say "waits": */
static const char *const waiting[] = {
  "__schedule", "schedule", "context_switch", "preempt_schedule",
  "__wait_", "wait_", "do_wait", "autoremove_wake", "__switch_to",
  "finish_task_switch", NULL,
};
static const char *const io[] = {
  "io_schedule", "blk_", "__blk_", "bio_", "submit_bio", "bit_wait_io",
  "folio_wait", "__folio_", "wait_on_page", "__wait_on_buffer",
  "__wait_on_bit", "wait_on_buffer", "jbd2_", "xlog_", "xfs_buf", "rq_qos",
  "nvme_", "virtblk_", "nfs_", "rpc_wait", NULL,
};
static const char *const lock[] = {
  "__mutex_lock", "mutex_lock", "rwsem_", "down_read", "down_write",
  "__down", "down", "rt_mutex", "__rt_mutex", "percpu_rwsem",
  "__percpu_down", "percpu_down", NULL,
};

static bool
begins_one (const char *name, const char *const *list)
{
  for (size_t i = 0; list[i]; i++)
    if (strncmp (name, list[i], strlen (list[i])) == 0)
      return true;
  return false;
}

enum sysrq_wait
sysrq_wait_of (const struct text_frame *frames, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    {
      /* What is only left over on the stack is nothing it waits for. */
      if (frames[i].guess)
        continue;
      if (begins_one (frames[i].func, io))
        return SYSRQ_WAIT_IO;
      if (begins_one (frames[i].func, lock))
        return SYSRQ_WAIT_LOCK;
    }
  return SYSRQ_WAIT_OTHER;
}

const struct text_frame *
sysrq_where (const struct text_frame *frames, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    if (!frames[i].guess && !begins_one (frames[i].func, waiting)
        && !begins_one (frames[i].func, io)
        && !begins_one (frames[i].func, lock))
      return &frames[i];
  return NULL;
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
