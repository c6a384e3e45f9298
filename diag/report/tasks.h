/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks and locks of a bundle, whoever told of them: the look at the guest's
 * memory, or, where there is none, SysRq.
 */
#ifndef HANGDOG_DIAG_REPORT_TASKS_H
#define HANGDOG_DIAG_REPORT_TASKS_H

#include "diag/report/report_impl.h"

#define TASK_FRAMES 48
#define TASKS_MOST 8192

struct report_task
{
  int64_t pid;
  char comm[32];
  char state[8];
  unsigned nframes;
  char **frames; /* innermost first, "func" or "func [module]" */
};

struct report_tasks
{
  struct report_task *list;
  unsigned n, most, more;
  const char *by; /* "memory", "sysrq", NULL = nobody told */
  struct json_object *locks; /* rows `lock`, `spinlock`, `deadlock` */
};

/* Without memory, or without tasks, n is 0. */
void report_tasks_read (struct page *p, struct report_tasks *ret);
void report_tasks_done (struct report_tasks *t);

#endif
