/* SPDX-License-Identifier: Apache-2.0
 *
 * What was found in a guest's text.
 *
 * An event is told twice: when its head was read (a suspicion, at once, with
 * the title that one line can give), and when its report is complete.
 */
#ifndef HANGDOG_KERNEL_TEXT_EVENT_H
#define HANGDOG_KERNEL_TEXT_EVENT_H

#include "kernel/text/stage.h"

struct json_object;

enum text_severity
{
  SEVERITY_INFO,    /* worth a line in a report: a link that went down */
  SEVERITY_WARNING, /* the kernel complains and goes on */
  SEVERITY_ERROR,   /* something is broken: a file system, a device, a task */
  SEVERITY_FATAL,   /* this kernel or its userspace does not go on */
  SEVERITY_MAX,
};
extern const char *const text_severity_names[];

enum text_evidence
{
  EVIDENCE_HEADER,  /* a head and nothing else: quiet, or cut off */
  EVIDENCE_PARTIAL, /* some of the report */
  EVIDENCE_REPORT,  /* all that such a report has */
};
extern const char *const text_evidence_names[]; /* "header-only", ... */

#define TEXT_TITLE_MAX 160
#define TEXT_FRAMES_MAX 64
#define TEXT_FUNC_MAX 96
#define TEXT_ALTS_MAX 2
#define TEXT_REGS_MAX 40

struct text_frame
{
  char func[TEXT_FUNC_MAX]; /* without offset; ".isra.0" and the like off */
  char module[32];          /* "" = the kernel itself */
  char where[64];           /* "fs/namei.c:123" if it was said */
  uint64_t offset, size;    /* func+offset/size; 0/0 = not said */
  bool guess;               /* "? func": may be left over on the stack */
};

struct text_reg
{
  char name[8]; /* as that kernel prints it: "RAX", "x29", "pstate" */
  uint64_t value;
};

/* Numbers are -1 and texts "" where nothing was said. */
struct text_event
{
  uint64_t id;          /* the same in both tellings; counts in a reader */
  const char *kind;     /* of text_kinds: "hung_task" */
  const char *rule;     /* which one fired */
  enum text_severity severity;
  enum text_evidence evidence;
  char type[48];        /* as trackers have it: "HANG", "WARNING" */
  char class_[32];      /* of a verdict: "lock-deadlock", "" = none */
  char title[TEXT_TITLE_MAX];
  char alt[TEXT_ALTS_MAX][TEXT_TITLE_MAX]; /* other kernels' titles of it */
  char signature[20];   /* the same trouble has the same: no addresses, pids,
                           times; hex */
  bool corrupted;       /* cut off or mixed up: the title may be wrong */
  bool ours;            /* within SysRq output, or a replay of the log */
  uint64_t first_line, last_line, first_at, end_at;
  uint64_t first_ms, last_ms;
  unsigned repeats;     /* how often it was said since it was told last */
  int64_t stamp_us;
  int cpu, pid;
  double seconds;       /* stuck for; blocked for */
  char comm[32];
  char subject[96];     /* what it is about: a device, a unit, a cgroup */
  char other[64];       /* who is in the way: "kworker/0:1:17" has the lock */
  char rip[TEXT_FUNC_MAX];
  char release[64], taint[64], modules[256], hardware[96];
  enum text_stage stage;
  unsigned nframes;
  struct text_frame frames[TEXT_FRAMES_MAX];
  unsigned nregs;       /* at rip */
  struct text_reg regs[TEXT_REGS_MAX];
};

/* All kinds of events there are, by name, with a sentence each. */
struct text_kind
{
  const char *name;    /* "hung_task": also the fact kernel.event.hung_task */
  const char *summary;
};
extern const struct text_kind text_kinds[]; /* ends with a NULL name */
const struct text_kind *text_kind_find (const char *name);

/* Everything in it, escaped; for --json and bundles. */
struct json_object *text_event_to_json (const struct text_event *e);

#endif
