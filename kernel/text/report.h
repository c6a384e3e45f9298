/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports: which lines belong to one, and what they say.
 *
 * A report begins with a head and takes the lines of the same context: those
 * of the same caller ("[T12]", "[C1]") where the kernel tells callers, all
 * lines where it does not.  It is over by its structure (an end mark, another
 * head of the same context), by its size, or when it stood still.  Bounded:
 * REPORTS_MAX at a time, REPORT_LINES_MAX lines, REPORT_ITEMS_MAX frames and
 * marks of each.  Memory is there only while one is open.
 */
#ifndef HANGDOG_KERNEL_TEXT_REPORT_H
#define HANGDOG_KERNEL_TEXT_REPORT_H

#include "kernel/text/frames.h"
#include "kernel/text/rules_impl.h"
#include "kernel/text/skips.h"

#define REPORTS_MAX 8
#define REPORT_LINES_MAX 2000
#define REPORT_ITEMS_MAX 320
#define REPORT_CALLERS_MAX 6
#define REPORT_HEAD_MAX 512
#define REPORT_QUIET_MS 2000
/* The same by the guest's own stamps, which stand still or jump while it is in
 * trouble: who is asked for a stack is waited for 10 s. */
#define REPORT_QUIET_US (15u * 1000000)

/* What a line of a report is. */
enum item_kind
{
  ITEM_CALL,    /* a frame */
  ITEM_IP,      /* where the CPU was */
  ITEM_LR,
  ITEM_USER,    /* where userspace was */
  ITEM_TRACE,   /* "Call Trace:" */
  ITEM_IRQ,     /* another stack begins: <IRQ>, <NMI>, an exception's */
  ITEM_IRQ_END,
  ITEM_CPU,     /* another CPU's, or the same CPU's second, backtrace */
  ITEM_TASK,    /* a task's line: its stack comes */
  ITEM_KTHREAD, /* the stack of a helper that starved comes, not of the cause */
  ITEM_SECTION, /* a stack of an earlier time: who allocated, who freed */
  ITEM_NESTED,  /* another head within this report */
};

struct report_item
{
  enum item_kind kind;
  struct text_frame frame; /* CALL, IP, LR */
};

enum recipe_flag
{
  RECIPE_IP = 1 << 0,      /* its stack may be preceded by registers */
  RECIPE_HEAD = 1 << 1,    /* the head may name the function itself */
  RECIPE_STALL = 1 << 2,   /* see title_choose() */
  RECIPE_HUNG = 1 << 3,
  RECIPE_QUIET = 1 << 4,   /* a quiet guest prints the head alone */
  RECIPE_NUMBERS = 1 << 5, /* numbers in what the head says are of no use */
  RECIPE_SHARES = 1 << 6,  /* its stack may come within a later report */
  RECIPE_WARN = 1 << 7,    /* the stack goes through the warning's own code */
  RECIPE_LINE = 1 << 8,    /* no stack at all */
  RECIPE_ANCHOR = 1 << 9,  /* an overflow: as in a stall, the top is chance */
  RECIPE_LOCKS = 1 << 10,  /* lockdep: which lock is said in its lines */
  RECIPE_MESSAGE = 1 << 12, /* the line behind the head is what happened */
  RECIPE_BARE = 1 << 11,   /* without its function it has another title */
  RECIPE_OOM = 1 << 13,    /* later heads say who, and why: report_joins() */
};

struct recipe
{
  const char *name;
  unsigned flags;
  unsigned idle;              /* lines of others that end it */
  const struct skip_list *skip; /* more frames that say nothing, or NULL */
  const char *const *absorbs; /* kinds that are but a later line of it */
};

const struct recipe *recipe_find (const char *name); /* never NULL */

struct report_context
{
  enum text_caller caller;
  uint32_t id;
};

struct report
{
  struct text_event e;
  const struct recipe *recipe;
  struct rule_match match; /* its spans are in head */
  char head[REPORT_HEAD_MAX];
  char head_func[TEXT_FUNC_MAX];
  char func[TEXT_FUNC_MAX], generic[TEXT_FUNC_MAX]; /* title_choose() */
  bool found;
  char message[64]; /* RECIPE_MESSAGE */
  char access[16];  /* "Read", "Write": what sanitizers say in a later line */
  struct report_context callers[REPORT_CALLERS_MAX];
  unsigned ncallers;
  bool nmi;         /* other CPUs were asked for their stacks */
  bool has_trace;   /* "Call Trace:" was there */
  bool body;        /* lines that a quiet guest would not have printed */
  bool over;        /* an end mark */
  bool safe_next;   /* the next frame that says something is where */
  bool in_stack;    /* its last line was a frame, and not the bottom one */
  bool place_next;  /* the next frame is where, not how it came there */
  bool stamped;     /* its head was: lines without are not the kernel's */
  bool mixed;       /* lines were lost in it, or others stand in its lines */
  uint64_t last_us; /* the latest stamp of its lines, 0 = none */
  uint64_t head_key; /* repeats.h */
  bool held;        /* nobody was told of its head: it may be a repeat */
  bool victim;      /* of want of memory: who was killed is known */
  bool oom_group;   /* ... and its whole cgroup is */
  bool cpu_idle;    /* the CPU that it is about does nothing */
  unsigned lines, idle;
  unsigned nitems, capacity, ncalls;
  unsigned lost_items;
  struct report_item *items;
};

/* NULL without memory.  The event has what the head says, but for a title. */
struct report *report_new (const struct rule_match *m,
                           const struct text_msg *msg);
void report_free (struct report *r);
size_t report_size (const struct report *r);

bool report_has_caller (const struct report *r, const struct text_msg *msg);
void report_add_caller (struct report *r, const struct text_msg *msg);
/* A line of its context.  True = it was the last one. */
bool report_line (struct report *r, const struct text_msg *msg);
/* Another head in its context. */
void report_nested (struct report *r);
/* Whether a head of this kind is but a later line of it. */
bool report_absorbs (const struct report *r, const struct text_rule *rule);
/* Whether a head of another rule tells more of what it is about; and takes
 * what it tells, which may be a better kind. */
bool report_joins (const struct report *r, const struct rule_match *m);
void report_join (struct report *r, const struct rule_match *m,
                  const struct text_msg *msg);
/* Fills in what is known at the end: frames, evidence, titles, signature.
 * cut: the text ended, or bytes were lost, before the report did. */
void report_finish (struct report *r, bool cut);

#endif
