/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at a guest's memory by a parser: what both the daemon and the
 * command line do.  Blocking.
 */
#ifndef HANGDOG_SUPERVISOR_INSPECT_H
#define HANGDOG_SUPERVISOR_INSPECT_H

#include "base/channel.h"

struct error;
struct parser_end;

/* Of one row: a damaged one of a stranger is not printed. */
#define INSPECT_MAX_ROW (256u << 10)

struct inspect_spec
{
  const char *libexec;
  const int *inputs; /* the memory, and its pagemap if there is one */
  unsigned ninputs;
  struct json_object *where;    /* {"op":"core"} or {"op":"memory",...} */
  struct json_object *sections; /* names; NULL = the usual ones */
  const char *registers;        /* `info registers -a`; NULL = none */
  size_t registers_len;
  uint64_t timeout_ms; /* 0 = what is usual */
};

/* lines are whole rows, checked; a negative return ends it. */
typedef int inspect_rows_fn (const void *lines, size_t len, void *arg);

/* *ret_end: how it ended: "found", "why", "lacks", "cost" and what the process
 * took, "spent"; its texts are a stranger's.  Negative: no look was had.
 * where and sections stay the caller's. */
int inspect_run (const struct inspect_spec *spec, inspect_rows_fn *fn,
                 void *arg, struct json_object **ret_end, struct error *err);

/* ---- for others who have memory read by a parser ---- */

/* The member "error" of its last frame. */
int inspect_error (struct json_object *e, struct error *err);
/* r, or what is worth more than that: how the process ended. */
int inspect_ended (int r, const struct parser_end *end, struct error *err);

#endif
