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
  unsigned line; /* of the file, 0 = not known */
  char comm[32];
  char state[8];
  unsigned nframes;
  char **frames; /* innermost first, "func" or "func [module]" */
};

struct report_tasks
{
  struct report_task *list;
  unsigned n, most, more;
  const char *by;  /* "memory", "sysrq", NULL = nobody told */
  char file[128];  /* that they are from, "" = SysRq */
  struct json_object *locks; /* rows `lock`, `spinlock`, `deadlock`,
                                `request` */
  struct json_object *cpus;  /* rows `cpu`, with the `frames` of each */
};

/* Tasks on the same stack. */
struct report_pile
{
  const struct report_task *one;
  unsigned tasks;
};

/* Without memory, or without tasks, n is 0. */
void report_tasks_read (struct page *p, struct report_tasks *ret);
void report_tasks_done (struct report_tasks *t);

/* How many there are: those in D first, and then the many.  free() them. */
unsigned report_piles (const struct report_tasks *t, struct report_pile **ret);
/* A line for each of them, as far as FOLDED_MAX. */
void report_folded (const struct report_tasks *t, struct buf *out);
/* Its first task, and where that stands. */
void report_pile_who (struct page *p, const struct report_pile *pile);
void report_frames (struct page *p, const struct report_task *t,
                    unsigned most);

/* The innermost that tells something: how it went to sleep is the same for
 * all. */
unsigned report_first_frame (const struct report_task *t);
/* "name+0x12/0x40 [module]" without the numbers. */
void report_plain_name (const char *text, char *dst, size_t n);

#endif
