/* SPDX-License-Identifier: Apache-2.0
 *
 * A scenario document tried on a recorded console log: what would have been
 * said, when.  No daemon, no guest, no clock but the log's.
 */
#ifndef HANGDOG_SUPERVISOR_REPLAY_H
#define HANGDOG_SUPERVISOR_REPLAY_H

#include "kernel/text/prefix.h"
#include "scenarios/scenario.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/* ---- hangdog-check --replay LOG [--from STATE] [--json] FILE ---- */

bool replay_wanted (int argc, char **argv);
/* The exit code: 0; 3 when an incident would have begun; 2 for what can't be
 * tried; 1 when not all of it could be printed. */
int replay_main (int argc, char **argv);

/* From where a log has its times. */
enum replay_times
{
  REPLAY_NONE,   /* nowhere */
  REPLAY_HOST,   /* hangdog's own log, line by line */
  REPLAY_KERNEL, /* the guest's kernel stamps its lines */
};
extern const char *const replay_times_names[];

/* ---- reading (replay_log.c) ---- */

struct replay_log;
#define REPLAY_MAX (256u << 20)
int replay_log_open (const char *path, struct replay_log **ret,
                     struct error *err);
void replay_log_free (struct replay_log *log);
enum replay_times replay_log_times (const struct replay_log *log);

/* One line of the guest's.  file_line: of the log; ms: by the log's clock, of
 * REPLAY_NONE 1; bytes: that it was. */
typedef void replay_line_fn (const struct text_msg *msg, uint64_t file_line,
                             uint64_t ms, uint64_t bytes, void *arg);
void replay_log_each (struct replay_log *log, replay_line_fn *fn, void *arg);

/* ---- playing ---- */

struct replay_options
{
  bool json;
  const char *from; /* the console's state at the beginning */
};
/* Prints; 0, or 3 when an incident would have begun. */
int replay_play (struct scenario *const *list, size_t n,
                 struct replay_log *log, const struct replay_options *options,
                 struct error *err);

#endif
