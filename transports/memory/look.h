/* SPDX-License-Identifier: Apache-2.0
 *
 * A look at memory by a parser: a guest's that somebody opened
 * (memory/look_guest.h), or a core's.  Blocking.
 *
 * Every deadline is one in clock_ms(), and that of all: nothing here has a
 * time of its own beyond it.
 */
#ifndef HANGDOG_TRANSPORTS_LOOK_H
#define HANGDOG_TRANSPORTS_LOOK_H

#include "base/channel.h"
#include "base/rows.h"

struct error;
struct parser_end;

/* A longer row is a stranger's: nobody of ours makes one. */
#define LOOK_MAX_ROW ROWS_MAX_ROW

/* Of one look: a parser says less, one that was taken over for ever more. */
#define LOOK_MAX_BYTES (26u << 20)

/* More than a parser takes for one question: its own limit is 10 s. */
#define LOOK_USUAL_MS 12000

/* What is looked at. */
struct look_source
{
  const char *libexec;
  const int *inputs; /* the memory, and its pagemap if there is one */
  unsigned ninputs;
  struct json_object *where; /* {"op":"core"} or {"op":"memory",...} */
  uint64_t keep_ms; /* how long a session may last after its first look */
};

struct look_question
{
  struct json_object *sections; /* names; NULL = the usual ones */
  const char *registers;        /* `info registers -a`; NULL = none */
  size_t registers_len;
  bool moved;        /* say what moved since this session's last look ... */
  uint64_t apart_ms; /* ... so long ago, 0 = not known */
};

/* lines are whole rows, checked; a negative return ends it.  They come while
 * the parser still looks: what was given is not taken back when it fails. */
typedef int look_rows_fn (const void *lines, size_t len, void *arg);

/* ---- a parser that is kept: its tables stay, the second look is cheap ---- */

struct look_session;

/* where is not asked for later; the inputs stay the caller's.  What is wrong
 * with them is said by the first look. */
int look_open (const struct look_source *src, uint64_t deadline,
               struct look_session **ret, struct error *err);
/* *ret_end: how it ended: "found", "why", "lacks", "cost", and nothing else;
 * its texts are a stranger's, escaped.  Negative: no look was had, and the
 * session is over. */
int look_ask (struct look_session *s, const struct look_question *q,
              uint64_t deadline, look_rows_fn *fn, void *arg,
              struct json_object **ret_end, struct error *err);
/* The table of its heartbeat, at most BEAT_MAX_TABLE bytes, unchecked.
 * -ENXIO with why there can be none: no kernel runs there that is understood;
 * -ENOENT with why none was found. */
int look_beat (struct look_session *s, const struct look_question *q,
               uint64_t deadline, unsigned char *dst, size_t *ret_len,
               struct error *err);
/* Waits for its end: not on the loop.  NULL is fine. */
void look_close (struct look_session *s);

/* One look and no more; *ret_end has what the process took, too: "spent". */
int look_once (const struct look_source *src, const struct look_question *q,
               uint64_t deadline, look_rows_fn *fn, void *arg,
               struct json_object **ret_end, struct error *err);

/* ---- for others who have memory read by a parser ---- */

/* The member "error" of its last frame. */
int look_error (struct json_object *e, struct error *err);
/* r, or what is worth more than that: how the process ended. */
int look_ended (int r, const struct parser_end *end, struct error *err);

#endif
