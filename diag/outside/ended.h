/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes that the guest's kernel has ended, by lines of its log.
 *
 * Who is gone is in no list of tasks: what is left of him is a line.  That of a
 * kill for lack of memory names the control group, and so whose he was.
 */
#ifndef HANGDOG_DIAG_OUTSIDE_ENDED_H
#define HANGDOG_DIAG_OUTSIDE_ENDED_H

#include <stdbool.h>
#include <stdint.h>

enum ended_why
{
  ENDED_FAILED,  /* a unit, as who started it says */
  ENDED_KILLED,  /* its control group had no memory left */
  ENDED_CRASHED, /* by what it did itself */
  ENDED_MAX,
};
extern const char *const ended_why_names[]; /* ends with NULL */

struct ended
{
  enum ended_why why;
  long long pid;
  int64_t us; /* by the clock of the log; -1 = not known */
  char comm[32];
  char cgroup[256]; /* "" = not told */
  char how[80]; /* "by signal 11"; "" = no more than why */
};

#define ENDED_MAX_KEPT 32

/* The latest of a log that is read in its order. */
struct ended_log
{
  struct ended list[ENDED_MAX_KEPT];
  unsigned n, next;
  char group[256]; /* of old kernels: who is to be killed is told after it */
};

/* A line without its stamp, of whatever bytes. */
void ended_line (struct ended_log *log, const char *line, int64_t us);
/* The i-th from the latest on; NULL = no more. */
const struct ended *ended_get (const struct ended_log *log, unsigned i);

#endif
