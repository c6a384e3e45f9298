/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task is called in /proc: a kernel thread by its whole name, a worker
 * also by what it does (+) or did last (-).
 */
#include "kernel/memory/kernel.h"
#include "kernel/memory/tasks.h"

#include <stdio.h>
#include <string.h>

#define PF_WQ_WORKER 0x20u
/* As much as /proc shows. */
#define NAME_MAX_ 64u

static void
copy (char *dst, size_t size, const char *src)
{
  snprintf (dst, size, "%s", src);
}

static bool
whole_name (struct kernel *k, uint64_t kthread, char dst[NAME_MAX_])
{
  uint64_t at;

  return kernel_get (k, kthread, KTHREAD_NAME, &at) && at != 0
         && space_text (k->space, at, dst, NAME_MAX_) && dst[0] != '\0';
}

/* "+events", "-events", or nothing. */
static void
what_it_does (struct kernel *k, uint64_t kthread, char *dst, size_t size)
{
  const struct field_at *desc = &k->fields.at[WORKER_DESC];
  uint64_t worker, pool, work;
  char text[NAME_MAX_];

  dst[0] = '\0';
  if (desc->size == 0 || !kernel_get (k, kthread, KTHREAD_DATA, &worker)
      || worker == 0 || !kernel_get (k, worker, WORKER_POOL, &pool)
      || pool == 0 || !kernel_get (k, worker, WORKER_WORK, &work)
      || !space_text (k->space, worker + desc->offset, text,
                      desc->size < sizeof text ? desc->size + 1u
                                               : sizeof text)
      || text[0] == '\0')
    return;
  snprintf (dst, size, "%c%s", work ? '+' : '-', text);
}

bool
look_task_name (struct kernel *k, const struct look_task *t,
                char dst[LOOK_TASK_NAME])
{
  char name[NAME_MAX_], doing[NAME_MAX_ + 1] = "";
  uint64_t kthread;

  copy (dst, LOOK_TASK_NAME, t->comm);
  /* Before 5.17 it was a pointer that kernel threads have no use for. */
  if (!t->kernel_thread || !kernel_get (k, t->at, TASK_KTHREAD, &kthread)
      || kthread == 0)
    return false;
  if (!(t->flags & PF_WQ_WORKER))
    {
      if (whole_name (k, kthread, name))
        copy (dst, LOOK_TASK_NAME, name);
    }
  else
    {
      if (strncmp (t->comm, "kworker/R-", 10) != 0
          || !whole_name (k, kthread, name))
        copy (name, sizeof name, t->comm);
      what_it_does (k, kthread, doing, sizeof doing);
      snprintf (dst, LOOK_TASK_NAME, "%.63s%.63s", name, doing);
    }
  dst[NAME_MAX_ - 1] = '\0';
  return strcmp (dst, t->comm) != 0;
}
