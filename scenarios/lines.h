/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest says by itself, searched line by line for what scenarios want
 * to hear: heartbeats, words that must come, words that must not.
 *
 * Pure: no clock, no I/O, no threads; the daemon's text workers and the replay
 * of a recorded log search alike.  Lines are hostile and may come by the
 * million, expressions may come from a controller: a literal that must be in
 * the line is looked for first, a match has limits on its steps, and what is
 * found is rationed: the first at once, then the latest of each second, with
 * the number of those in between.
 */
#ifndef HANGDOG_SCENARIOS_LINES_H
#define HANGDOG_SCENARIOS_LINES_H

#include "base/fact.h"
#include "kernel/text/stage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct regex_scratch;

#define LINES_AGAIN_MS 1000
#define LINES_TEXT 200      /* of a line that is told */
#define LINES_LITERAL 128   /* of a literal that is looked for first */
#define LINES_GROUPS 16     /* of an expression, that can be asked for */
#define LINES_CONSOLE 32

/* One thing that is listened for: what is not given is NULL. */
struct line_pattern
{
  char name[FACT_NAME_MAX]; /* of its fact: lines_name() */
  const char *console;      /* NULL = all of the guest's */
  const char *regex;        /* one of these two */
  const char *literal;
  const char *value;        /* a group of regex: a whole number */
};
#define LINES_MAX 2 /* that one scenario may have */

/* "heard.*" with the scenario's name for the star; one that is longer than a
 * fact's may be is cut, and ends in a hash. */
const char *lines_name (char dst[FACT_NAME_MAX], const char *family,
                        const char *scenario);

/* Those of one scenario, compiled.  Never changed, counted references; any
 * thread. */
struct lines;
int lines_new (const struct line_pattern *list, size_t n, struct lines **ret,
               struct error *err);
struct lines *lines_ref (struct lines *l);
void lines_unref (struct lines *l);

/* The longest literal that every match of this expression has in it, into dst;
 * false when none is seen that is worth it.  It may overlook one. */
bool lines_literal (const char *regex, char dst[LINES_LITERAL]);

/* What was heard. */
struct line_hit
{
  const char *name;  /* of the pattern; "counted.*" for one with a value */
  const char *text;  /* the line from its message on, cut; guest bytes */
  size_t len;
  bool has_value;
  int64_t value;
  uint64_t line;     /* its number */
  uint64_t at_ms;    /* when it came */
  unsigned more;     /* others since the last one that was told */
  /* It is none: on so many lines the expression took too many steps. */
  uint64_t given_up;
};
typedef void line_hit_fn (const struct line_hit *hit, void *arg);

/* One console's listening; NULL = for all that is listened for, on whatever
 * console.  One thread at a time. */
struct listener;
int listener_new (const char *console, line_hit_fn *fn, void *arg,
                  struct listener **ret, struct error *err);
void listener_free (struct listener *l);
/* From the next line on; those that were there before go on as they are.
 * Takes references.  Without memory it listens as before. */
int listener_set (struct listener *l, struct lines *const *list, size_t n,
                  struct error *err);

/* What searching needs to write to; one for each thread. */
int lines_scratch_new (struct regex_scratch **ret, struct error *err);
/* from: bytes of the line that are none of the guest's own. */
void listener_line (struct listener *l, struct regex_scratch *scratch,
                    const struct text_msg *msg, size_t from, uint64_t now_ms);
/* What waits for its second to be over is told, at now; when to be called
 * again, or CLOCK_NEVER. */
uint64_t listener_due (struct listener *l, uint64_t now_ms);

/* A line of a log that is shown again, by where the guest stood before it. */
bool lines_old (const struct stage *stage, const struct text_msg *msg);

struct listener_stats
{
  uint64_t searched; /* lines times expressions that were run */
  uint64_t hits, given_up;
  uint64_t skipped;  /* not searched: it had just been heard, over and over */
};
void listener_stats (const struct listener *l, struct listener_stats *ret);

#endif
