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
#include "kernel/wait.h"

struct buf;

#define SYSRQ_MAX_TASKS 16384
#define SYSRQ_MAX_CPUS 1024
#define SYSRQ_MAX_FRAMES 98304 /* of all tasks and CPUs together */
#define SYSRQ_MAX_STACK 128    /* frames of one */
#define SYSRQ_MAX_REGS 24      /* of one task or CPU */

struct sysrq_reg
{
  char name[12];
  uint64_t value;
};

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

  unsigned boot;      /* kernels that began in this text before it */
  char key;           /* of the dump that it stands in, 0 = another report */
  uint64_t line;      /* where its block begins */
  char stopper[96];   /* "func <- caller" */
  char owner[64];     /* "comm:pid", likely owner of what it waits for */
  unsigned more_frames; /* that did not fit */
  unsigned nregs;       /* of userspace, where it went into the kernel */
  struct sysrq_reg *regs;
  char user_ip[24];     /* "0x47b5e1", "" = not said */
};

/* One backtrace of one CPU; a text may hold several of the same. */
struct sysrq_cpu
{
  int cpu;
  bool idle;          /* "skipped: idling at", or found in its idle loop */
  char comm[32], rip[TEXT_FUNC_MAX];
  int pid;
  unsigned nframes;
  struct text_frame *frames;

  bool user;          /* rip is in userspace, an address */
  bool torn;
  unsigned boot;
  char key;
  uint64_t line;
  char workqueue[64];
  unsigned interrupted; /* the first frame of what was interrupted: those
                           before are how the dump itself came about */
  unsigned more_frames;
  unsigned nregs;
  struct sysrq_reg *regs;
};

struct sysrq_dump;

int sysrq_dump_new (struct sysrq_dump **ret, struct error *err);
void sysrq_dump_free (struct sysrq_dump *d);
/* Lines as prefix_strip() gives them, in order.  What other programmes say
 * (FROM_USER) is passed over. */
void sysrq_dump_line (struct sysrq_dump *d, const struct text_msg *msg);
void sysrq_dump_end (struct sysrq_dump *d);

/* Headers seen: "t", "tw", ...; which were refused; whether HELP answered. */
const char *sysrq_dump_keys (const struct sysrq_dump *d);
bool sysrq_dump_refused (const struct sysrq_dump *d);
const char *sysrq_dump_help (const struct sysrq_dump *d); /* "" = none */
unsigned sysrq_dump_tasks (const struct sysrq_dump *d,
                           const struct sysrq_task **ret);
unsigned sysrq_dump_cpus (const struct sysrq_dump *d,
                          const struct sysrq_cpu **ret);
/* What is missing, as far as the text tells; after sysrq_dump_end(). */
unsigned sysrq_dump_gaps (const struct sysrq_dump *d);
/* Whether there was anything at all: a header or a piece of a dump. */
bool sysrq_dump_any (const struct sysrq_dump *d);
/* Everything: tasks, blocked, cpus, memory (per node, zone, order), timers,
 * held locks, ftrace events, workqueues, gaps (docs/sysrq-json.md).  NULL
 * only without memory. */
struct json_object *sysrq_dump_to_json (const struct sysrq_dump *d);
/* The same without tasks, blocked and cpus, which are most of it. */
struct json_object *sysrq_dump_to_json_short (const struct sysrq_dump *d);
/* Everything as text, a task or a CPU in a line: as a tree a dump of some
 * hundred tasks is twenty times as long.  out->cut: it did not fit. */
void sysrq_dump_show (const struct sysrq_dump *d, struct buf *out);
struct json_object *sysrq_task_to_json (const struct sysrq_task *t);

/* ---- what a stack waits for ---- */

enum wait_for sysrq_wait_of (const struct text_frame *frames, unsigned n);
/* The innermost function that is not itself waiting for something
 * (kernel/wait.h), NULL = there is none. */
const struct text_frame *sysrq_where (const struct text_frame *frames,
                                      unsigned n);
/* Each task once, by its latest block, in the order of the text; only those in
 * that state (0 = all), and of the latest boot that has any.  Fills idx[0..max)
 * with places in the array of sysrq_dump_tasks() and returns how many there
 * are. */
unsigned sysrq_dump_latest (const struct sysrq_dump *d, char state,
                            unsigned *idx, unsigned max);
/* The same of 'D'. */
unsigned sysrq_dump_blocked (const struct sysrq_dump *d, unsigned *idx,
                             unsigned max);

#endif
