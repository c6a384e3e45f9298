/* SPDX-License-Identifier: Apache-2.0
 *
 * A parser process of our own: started, asked, listened to, and ended.
 *
 * Blocking, for job threads and for the command line.  It is started for one
 * task and may be asked many questions; what it says is a stranger's word: it
 * reads what may have taken it over.  Whoever holds one ends it, in every
 * case; one that does not end is killed, and one that even then does not is
 * left behind and said to be.
 */
#ifndef HANGDOG_TRANSPORTS_PARSER_H
#define HANGDOG_TRANSPORTS_PARSER_H

#include "base/channel.h"

struct error;

/* Its descriptors. */
#define PARSER_CHANNEL 3
#define PARSER_INPUT 4      /* the first */
#define PARSER_MAX_INPUTS 3 /* its jail allows eight descriptors in all */
struct parser_run;

struct parser_spec
{
  const char *libexec;     /* the folder of our programmes */
  const char *program;     /* "hangdog-parser" */
  uint64_t deadline_ms;    /* of the whole process; 0 = its own default */
  const char *const *args; /* the task and what belongs to it; ends with NULL */
  const int *inputs;       /* its 4, 5, ...; they stay the caller's */
  unsigned ninputs;
};

/* -EIO: the programme cannot be started. */
int parser_run_start (const struct parser_spec *spec, struct parser_run **ret,
                      struct error *err);

/* Asks.  Takes head.  deadline as for frame_write(). */
int parser_run_ask (struct parser_run *p, struct json_object *head,
                    const void *body, size_t len, uint64_t deadline,
                    struct error *err);

/* Gives fn one frame after the other until it returns something else than 0:
 * that is the result.  -EBADMSG when the parser ended before that: what it was
 * given is damaged or hostile; -ETIMEDOUT. */
typedef int parser_frame_fn (struct frame *frame, void *arg);
int parser_run_listen (struct parser_run *p, uint64_t deadline,
                       parser_frame_fn *fn, void *arg, struct error *err);

struct parser_end
{
  uint64_t cpu_us;     /* what it took of the processor */
  uint64_t wall_us;    /* from its start */
  uint64_t peak_bytes; /* of memory */
  int signal;          /* that ended it, 0 = none */
  int status;          /* it exited with, -1 = it did not */
  bool left;           /* it did not even die: it waits in the kernel */
};
/* Ends it: by closing its channel, and at once by a signal if `now` or if it
 * does not follow.  ret may be NULL; p NULL is fine. */
void parser_run_end (struct parser_run *p, bool now, struct parser_end *ret);

/* Are these whole lines, each of them one JSON object of at most max bytes, and
 * nothing in them that a terminal would act on?  -EBADMSG. */
int parser_lines_check (const char *lines, size_t len, size_t max,
                        struct error *err);

#endif
