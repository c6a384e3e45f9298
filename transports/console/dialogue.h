/* SPDX-License-Identifier: Apache-2.0
 *
 * A dialogue: steps of sending and expecting over a console that somebody has
 * written down, for what is no shell.  Of a scenario, and of a diagnosis.
 */
#ifndef HANGDOG_TRANSPORTS_DIALOGUE_H
#define HANGDOG_TRANSPORTS_DIALOGUE_H

#include "base/buf.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

struct error;
struct job;
struct session;

/* ---- its steps, in a document: a struct json_list of them ---- */

/* One step: send, then wait for one of `expect`.
 *
 *   matched      -> fail set: it failed; else go_to, or the next
 *   not in time  -> otherwise, or (fail set) the next, or it failed
 *   no `expect`  -> fail set: failed at once; else go_to, or the next
 *
 * DIALOGUE_LAST is the name of the well end; so is going past the last step.
 */
#define DIALOGUE_LAST "end"
struct dialogue_step
{
  char *name;
  char *send;     /* bytes; no NUL */
  struct json_list expect; /* of char *: PCRE2, first that matches decides */
  uint64_t timeout_ms; /* 0 = what is left of all */
  char *go_to;    /* name of the step after a match; default the next */
  char *otherwise; /* name of the step when nothing matched in time */
  char *fail;     /* sentence: a match here is a failure */
};
#define DIALOGUE_MAX_EXPECTS 16
/* The key "steps". */
extern const struct json_field dialogue_keys[];

/* Also that a way leads to the end, and none goes round without waiting.
 * path: of the object that has them; timeout_ms: of all, 0 = not known. */
int dialogue_check (const struct json_doc *doc, const char *path,
                    const struct json_list *steps, uint64_t timeout_ms,
                    struct error *err);

const struct dialogue_step *dialogue_step_at (const struct json_list *steps,
                                              size_t i);
/* Index of the step after the i-th: the one of that name, NULL = the next.
 * The count of steps is the well end; -1 unknown. */
int dialogue_step_after (const struct json_list *steps, size_t i,
                         const char *name);
/* A copy with every ${nonce} replaced; NULL without memory. */
char *dialogue_text (const char *text, const char *nonce);

/* ---- having it ---- */

enum dialogue_end
{
  DIALOGUE_OK,          /* its end was reached */
  DIALOGUE_FAIL_STEP,   /* one that says that it failed */
  DIALOGUE_MISMATCH,    /* nothing came that is expected */
  DIALOGUE_SILENT,      /* nothing at all came */
  DIALOGUE_ENDLESS,     /* it came to no end in time */
  DIALOGUE_XOFF,        /* the console takes no input */
  DIALOGUE_BOOTING,     /* it boots, and nothing is typed then */
  DIALOGUE_TAKEN,       /* somebody else took the console, or it went */
  DIALOGUE_REGEX_LIMIT, /* an expression takes too many steps */
  DIALOGUE_END_MAX,
};
extern const char *const dialogue_end_names[]; /* ends with NULL */

struct dialogue_result
{
  enum dialogue_end end;
  const struct dialogue_step *last; /* where it ended, of the list */
  struct buf match; /* DIALOGUE_OK, _FAIL_STEP: what matched last; raw */
  char detail[160]; /* DIALOGUE_BOOTING: what is seen of it; may be "" */
};

static inline void
dialogue_result_done (struct dialogue_result *r)
{
  buf_done (&r->match);
}

/* In a job.  0 with ret filled whatever the guest did, dialogue_result_done()
 * it; < 0 only for our own failures. */
int dialogue_run (const struct json_list *steps, struct session *session,
                  struct job *job, uint64_t deadline,
                  struct dialogue_result *ret, struct error *err);

#endif
