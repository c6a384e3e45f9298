/* SPDX-License-Identifier: Apache-2.0
 *
 * All tasks of a guest, read once per look; what sections need of each.
 */
#ifndef HANGDOG_KERNEL_MEMORY_TASKS_H
#define HANGDOG_KERNEL_MEMORY_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct kernel;
struct look;

#define TASKS_MAX 200000u

struct look_task
{
  uint64_t at; /* the task_struct */
  int32_t pid, tgid, parent;
  uint64_t parent_at;
  uint32_t state, exit_state, flags;
  int32_t cpu; /* -1 = not known */
  bool on_cpu, kernel_thread;
  char comm[16]; /* the guest's bytes, ended */
  uint64_t mm, stack;
  uint64_t last_arrival_ns; /* when it last began to run; 0 = not known */
  uint64_t switches;        /* voluntary and not */
  uint64_t ran_ns;          /* in all; 0 = not known */
};

struct look_tasks
{
  struct look_task *tasks;
  size_t n;
  bool damaged; /* a list was torn: there may be more */
  uint32_t *slots; /* a hash by address: index + 1 */
  size_t nslots;
};

/* In the order of the kernel's list, threads behind their leader, idle tasks
 * first. */
int look_tasks_read (struct kernel *k, struct look_tasks **ret,
                     struct error *err);
void look_tasks_free (struct look_tasks *t);
const struct look_task *look_task_at (const struct look_tasks *t,
                                      uint64_t at);
const struct look_task *look_task_pid (const struct look_tasks *t,
                                       int32_t pid);
/* What /proc calls it; false: that is its comm. */
#define LOOK_TASK_NAME 128
bool look_task_name (struct kernel *k, const struct look_task *t,
                     char dst[LOOK_TASK_NAME]);
/* "R" "S" "D" "T" "t" "X" "Z" "P" "I"; more than one letter for mixtures. */
const char *task_state_text (const struct look_task *t, char dst[8]);

#endif
