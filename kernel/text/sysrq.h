/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output (and the same dumps in a dmesg) as data.
 *
 * Lines in, any kernel's; partial input gives what there is, with what is
 * missing named.  Bounded by SYSRQ_MAX_TASKS and the like, each with a count
 * of what did not fit.
 */
#ifndef HANGDOG_KERNEL_TEXT_SYSRQ_H
#define HANGDOG_KERNEL_TEXT_SYSRQ_H

#include "kernel/text/event.h"

#define SYSRQ_MAX_TASKS 16384
#define SYSRQ_MAX_CPUS 1024

struct sysrq_task
{
  char comm[32];
  char state;         /* R S D T t X Z P I, '?' = torn */
  int pid, ppid, tgid; /* -1 = not said */
  uint64_t flags;
  bool has_flags, running;
  char workqueue[64]; /* "events (func)" */
  double blocked_s;   /* from hung-task lines of the same text, -1 = none */
  bool torn;          /* its block is cut off or mixed up */
  unsigned nframes;
  struct text_frame *frames;
};

struct sysrq_cpu
{
  int cpu;
  bool idle;          /* "skipped: idling at" */
  char comm[32], rip[TEXT_FUNC_MAX];
  int pid;
  unsigned nframes;
  struct text_frame *frames;
};

struct sysrq_dump;

int sysrq_dump_new (struct sysrq_dump **ret, struct error *err);
void sysrq_dump_free (struct sysrq_dump *d);
/* Lines as prefix_strip() gives them, in order. */
void sysrq_dump_line (struct sysrq_dump *d, const struct text_msg *msg);
void sysrq_dump_end (struct sysrq_dump *d);

/* Headers seen: "t", "w", ...; which were refused; whether HELP answered. */
const char *sysrq_dump_keys (const struct sysrq_dump *d);
bool sysrq_dump_refused (const struct sysrq_dump *d);
const char *sysrq_dump_help (const struct sysrq_dump *d); /* "" = none */
unsigned sysrq_dump_tasks (const struct sysrq_dump *d,
                           const struct sysrq_task **ret);
unsigned sysrq_dump_cpus (const struct sysrq_dump *d,
                          const struct sysrq_cpu **ret);
/* Everything: tasks, blocked, cpus, memory (per node, zone, order), timers,
 * held locks, ftrace events, workqueues, gaps. */
struct json_object *sysrq_dump_to_json (const struct sysrq_dump *d);

#endif
