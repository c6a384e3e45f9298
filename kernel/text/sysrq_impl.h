/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the SysRq parser share: private to kernel/text/sysrq*.c
 * and cursor.h's readers.
 *
 * Every line belongs to a context (its caller, where printk says it): two CPUs
 * that print at the same time then do not disturb each other.  A context
 * stands in one section, whose function gets each line that is not the head of
 * something else.
 */
#ifndef HANGDOG_KERNEL_TEXT_SYSRQ_IMPL_H
#define HANGDOG_KERNEL_TEXT_SYSRQ_IMPL_H

#include "kernel/text/cursor.h"
#include "kernel/text/sysrq.h"

#include <json-c/json.h>

#define DUMP_CONTEXTS 16
#define DUMP_GAPS 64
#define DUMP_HUNG 256
#define DUMP_MEMORIES 4   /* "Mem-Info:" of one text: the latest */
#define DUMP_TRACE 1024   /* lines of the ftrace buffer: the latest */
#define DUMP_LOCKS 4096   /* held locks, and as many who hold them */
#define DUMP_NODES 64     /* of one memory report */
#define DUMP_STRAYS 24    /* lines that fit nothing, and a section is over */

struct dump_ctx;

/* True: the line was one of the section's. */
typedef bool section_fn (struct sysrq_dump *d, struct dump_ctx *ctx,
                         struct cursor c);

enum bracket
{
  BRACKET_TASK = 1 << 0,
  BRACKET_OTHER = 1 << 1, /* IRQ, NMI, exception stacks */
};

/* The stack that a context is in the middle of. */
struct dump_block
{
  int task, cpu;     /* places in the arrays; both -1 = none */
  bool trace;        /* "Call Trace:" was there */
  bool over;         /* so was "</TASK>" */
  bool pc;           /* and the first instruction pointer */
  bool user;         /* registers that come are userspace's */
  unsigned open;     /* of enum bracket */
  unsigned cap, rcap;
};

struct dump_ctx
{
  bool used;
  enum text_caller kind;
  uint32_t id;
  uint64_t last; /* line */
  section_fn *section;
  unsigned strays;
  bool regs_come; /* the header of p was the line before */
  struct dump_block block;
  /* Memory: references. */
  struct json_object *memory, *zone;
  int node;
  unsigned nnodes;
  int nodes[DUMP_NODES]; /* numbers of those that memory has, in its order */
};

struct dump_gap
{
  const char *kind; /* see docs/sysrq-json.md */
  char what[96];
  uint64_t line, count;
};

struct dump_hung
{
  int pid;
  char comm[32], owner[64];
  double seconds; /* -1 = only the owner was said */
  unsigned boot;
};

/* CPUs that were sent an NMI to show where they are. */
struct dump_asked
{
  uint64_t line;
  uint8_t cpus[SYSRQ_MAX_CPUS / 8], answered[SYSRQ_MAX_CPUS / 8];
};

struct sysrq_dump
{
  struct sysrq_task *tasks;
  unsigned ntasks, tasks_cap;
  struct sysrq_cpu *cpus;
  unsigned ncpus, cpus_cap;
  unsigned nframes; /* of all */
  uint64_t lost_tasks, lost_cpus, lost_frames;
  unsigned torn;

  char keys[32];
  char key;          /* of the latest header */
  uint64_t key_line; /* and where it was */
  uint64_t body;     /* lines of dumps since then */
  char help[1024];
  bool helping; /* the line before was of HELP */
  bool refused, any, synced, remounted;
  bool stamped; /* the kernel stamps its lines */
  unsigned boot;

  struct dump_ctx ctx[DUMP_CONTEXTS];
  struct dump_gap gaps[DUMP_GAPS];
  unsigned ngaps;
  uint64_t more_gaps;
  struct dump_hung hung[DUMP_HUNG];
  unsigned nhung;
  struct dump_asked asked;
  bool tasks_of_t;   /* a dump of all tasks in the newer form began ... */
  bool after_tasks;  /* ... and what always follows was there */
  uint64_t line;     /* number of the present one */
  bool out_of_memory;

  /* Sections, as they will be printed; NULL = there was none. */
  struct json_object *memories;
  struct json_object *timers, *timer_cpu, *timer_base, *timer, *device;
  unsigned ntimers, nbases;
  char timer_key[32]; /* ".get_time:", whose value is on the next line */
  bool timer_done;    /* "# expires at" was read */
  struct json_object *locks, *holder;
  unsigned nlocks;
  bool locks_all, locks_end;
  struct json_object *work, *wq, *pool_of_wq, *work_list;
  unsigned nwork;
  struct json_object *sched, *sched_cpu;
  bool sched_table, sched_keys;
  unsigned nsched;
  char *trace[DUMP_TRACE]; /* a ring */
  uint64_t ntrace;
  bool trace_any, trace_empty, trace_end, trace_rule;
};

/* ---- sysrq.c ---- */

/* Something is missing.  The same kind and what in a row is counted. */
void dump_gap (struct sysrq_dump *d, const char *kind, uint64_t count,
               const char *fmt, ...) __attribute__ ((format (printf, 4, 5)));
/* For the sections' JSON.  The text is trimmed and cut to something short. */
void dump_text (struct json_object *o, const char *name,
                const struct cursor *c);
/* The array of that name, which is made; NULL if it is something else. */
struct json_object *dump_array (struct json_object *o, const char *name);
/* Closes what ctx is in and goes to a section (NULL = none). */
void dump_section (struct sysrq_dump *d, struct dump_ctx *ctx,
                   section_fn *section);

/* ---- sysrq_block.c ---- */

/* Whether it is a line of a stack. */
bool dump_frame (const struct cursor *c, struct text_frame *ret);
section_fn dump_block_line;
void dump_block_close (struct sysrq_dump *d, struct dump_ctx *ctx);

/* ---- sysrq_task.c ---- */

/* Heads of tasks, CPUs, and lines about them.  True: it was one. */
bool dump_task_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                     struct cursor c);
bool dump_cpu_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                    struct cursor c);
/* "CPU: 1 PID: ..." after the header of p. */
bool dump_regs_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                     struct cursor c);
bool dump_hung_line (struct sysrq_dump *d, struct dump_ctx *ctx,
                     struct cursor c);
/* After the last line: times and owners of hung tasks, CPUs that kept
 * silent. */
void dump_tasks_end (struct sysrq_dump *d);

/* ---- the other sections, each with its own file ---- */

bool dump_memory_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                       struct cursor c);
void dump_memory_end (struct sysrq_dump *d);
bool dump_timer_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                      struct cursor c);
void dump_timer_end (struct sysrq_dump *d);
bool dump_lock_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                     struct cursor c);
void dump_lock_end (struct sysrq_dump *d);
bool dump_work_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                     struct cursor c);
bool dump_sched_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                      struct cursor c);
bool dump_trace_head (struct sysrq_dump *d, struct dump_ctx *ctx,
                      struct cursor c);
void dump_trace_end (struct sysrq_dump *d);
/* An array of what is an event; the caller's. */
struct json_object *dump_trace_json (const struct sysrq_dump *d);

#endif
