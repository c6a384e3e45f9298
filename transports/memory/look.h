/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at a guest's memory by a parser: what both the daemon and the
 * command line do.  Blocking.
 */
#ifndef HANGDOG_TRANSPORTS_LOOK_H
#define HANGDOG_TRANSPORTS_LOOK_H

#include "base/channel.h"
#include "base/rows.h"

struct error;
struct parser_end;

/* A longer row is a stranger's: nobody of ours makes one. */
#define INSPECT_MAX_ROW ROWS_MAX_ROW

/* Of one look: a parser says less, one that was taken over for ever more. */
#define INSPECT_MAX_BYTES (26u << 20)

struct inspect_spec
{
  const char *libexec;
  const int *inputs; /* the memory, and its pagemap if there is one */
  unsigned ninputs;
  struct json_object *where;    /* {"op":"core"} or {"op":"memory",...} */
  struct json_object *sections; /* names; NULL = the usual ones */
  const char *registers;        /* `info registers -a`; NULL = none */
  size_t registers_len;
  uint64_t timeout_ms; /* of a look; 0 = what is usual */
  uint64_t keep_ms;    /* how long a session may last, 0 = one look */
  bool moved;          /* say what moved since this session's last look ... */
  uint64_t apart_ms;   /* ... so long ago, 0 = not known */
};

/* lines are whole rows, checked; a negative return ends it. */
typedef int inspect_rows_fn (const void *lines, size_t len, void *arg);

/* ---- a parser that is kept: its tables stay, the second look is cheap ---- */

struct inspect_session;

/* where is not asked for later; the inputs stay the caller's.  What is wrong
 * with them is said by the first look. */
int inspect_open (const struct inspect_spec *spec, struct inspect_session **ret,
                  struct error *err);
/* One look; as inspect_run(), with the spec's sections, registers and
 * timeout. */
int inspect_look (struct inspect_session *s, const struct inspect_spec *spec,
                  inspect_rows_fn *fn, void *arg, struct json_object **ret_end,
                  struct error *err);
/* The table of its heartbeat, at most BEAT_MAX_TABLE bytes, unchecked.
 * -ENOENT with why there is none. */
int inspect_beat (struct inspect_session *s, const struct inspect_spec *spec,
                  unsigned char *dst, size_t *ret_len, struct error *err);
/* Waits for its end: not on the loop.  NULL is fine. */
void inspect_close (struct inspect_session *s);

/* *ret_end: how it ended: "found", "why", "lacks", "cost" and what the process
 * took, "spent", and nothing else; its texts are a stranger's, escaped.
 * Negative: no look was had.
 * where and sections stay the caller's. */
int inspect_run (const struct inspect_spec *spec, inspect_rows_fn *fn,
                 void *arg, struct json_object **ret_end, struct error *err);

/* ---- for others who have memory read by a parser ---- */

/* The member "error" of its last frame. */
int inspect_error (struct json_object *e, struct error *err);
/* r, or what is worth more than that: how the process ended. */
int inspect_ended (int r, const struct parser_end *end, struct error *err);

#endif
