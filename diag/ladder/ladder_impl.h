/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions on facts, for both tables of the ladder.
 */
#ifndef HANGDOG_DIAG_LADDER_IMPL_H
#define HANGDOG_DIAG_LADDER_IMPL_H

#include "diag/ladder/ladder.h"

enum cond_op
{
  OP_NONE = 0, /* ends a list of conditions */
  OP_IS,       /* the latest text is this */
  OP_ONE_OF,   /* or one of these, with "|" between them */
  OP_ALWAYS,   /* as OP_IS, and so were all others of that name; at least 2
                  of them are samples */
  OP_HAS,      /* the latest text has this in it */
  OP_BEGINS,   /* the latest text begins with it: "running unpaused" is not
                  paused */
  OP_THERE,    /* there is such a fact */
  OP_ABSENT,   /* there is none */
  OP_TRUE,     /* bool, or a number other than 0 */
  OP_FALSE,    /* there, and 0 */
  OP_ABOVE,    /* number > num */
  OP_BELOW,    /* number < num */
  OP_SAME_AS,  /* the same number as the latest fact called text */
};

#define MAX_CONDS 4

/* fact may be a glob: then any latest fact of a matching name will do.  A mark
 * of console text, which a collector found, is also there if the text worker
 * told of it (kernel.event.*). */
struct cond
{
  const char *fact;
  enum cond_op op;
  const char *text;
  double num;
};

struct fact_set
{
  const struct fact *facts;
  size_t n;
};

/* All of them; *ret_first (may be NULL) is the fact that the first one was
 * true of, NULL if there is none. */
bool conds_hold (const struct cond *conds, const struct fact_set *set,
                 const struct fact **ret_first);
/* The latest of exactly that name, or NULL. */
const struct fact *fact_last (const struct fact_set *set, const char *name);
/* Of a mark of console text rather what the text worker told: a title says
 * more than a line. */
const struct fact *fact_told (const struct fact_set *set, const char *name);
/* "source: name value", escaped. */
void fact_describe (const struct fact *f, char *dst, size_t n);

#endif
