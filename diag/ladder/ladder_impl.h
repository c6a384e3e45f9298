/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions on facts and facets as they are once they are read, and facts by
 * name.
 */
#ifndef HANGDOG_DIAG_LADDER_IMPL_H
#define HANGDOG_DIAG_LADDER_IMPL_H

#include "diag/ladder/cond.h"
#include "diag/ladder/ladder.h"

enum cond_op
{
  OP_NONE = 0, /* ends a list of conditions */
  OP_IS,       /* the latest text is this */
  OP_ISNT,     /* it is another one */
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
  OP_AT_LEAST, /* number >= num */
  OP_AT_MOST,  /* number <= num */
  OP_EQUALS,   /* number == num */
  OP_DIFFERS,  /* number != num */
  OP_SAME_AS,  /* the same number as the latest fact called text */
  OP_FACET,    /* the facet is in one of these states */
  OP_THEN,     /* a fact of which pair[0] is true, and within_ms after it one
                  of which pair[1] is */
  OP_THEN_NO,  /* and none of which pair[1] is, though facts are that late */
};

#define MAX_CONDS 4

/* fact may be several names with "|" between them, and each of them a glob:
 * then any fact of a matching name will do.  It is the latest of its name that
 * counts, whoever says it.  With a source only what that one says is looked
 * at; with sources each one's latest is, and so many different ones have to
 * say so. */
struct cond
{
  const char *fact;
  enum cond_op op;
  const char *text;
  double num;
  const char *source; /* NULL = anybody */
  unsigned sources;   /* 0 = it does not matter */
  enum facet_id facet;     /* OP_FACET */
  unsigned states;         /* OP_FACET: 1 << enum facet_state, or'ed */
  struct cond *pair;       /* OP_THEN, OP_THEN_NO: both are of one fact, by
                              nobody */
  uint64_t within_ms;
  char *said;              /* the words, where it was read from words */
};

/* The facts that conditions were true of. */
#define COND_FOUND 16
struct cond_found
{
  const struct fact *list[COND_FOUND];
  unsigned n;
};

/* ---- facts by name (set.c) ---- */

/* All that is known of one name: the earliest first, of one time in the order
 * in which they came. */
struct fact_group
{
  const struct fact *const *facts;
  size_t n;
};

const char *fact_group_name_ (const struct fact_group *g);
/* source NULL = anybody's; NULL = there is none. */
const struct fact *fact_group_last_ (struct fact_set *set,
                                     const struct fact_group *g,
                                     const char *source);
/* Groups whose names match, in the order of pattern's alternatives and then of
 * their names: *at is 0 at first and is theirs; NULL = no more. */
struct fact_at
{
  const char *rest;        /* alternatives to come */
  const char *alternative; /* the present one */
  char glob[2 * FACT_NAME_MAX];
  size_t next; /* of glob */
  bool begun;
};
const struct fact_group *fact_group_next_ (struct fact_set *set,
                                           const char *names,
                                           struct fact_at *at);
/* In the names of a rule it stands for one part of a name (to the next "." or,
 * at the end, for all that is left), the same in all of them. */
#define COND_BOUND "$1"
/* NULL, "": for none yet, and any will do; false: it is too long. */
bool fact_set_bind_ (struct fact_set *set, const char *value);
void fact_set_bound_ (const struct fact_set *set, char *dst, size_t n);
/* The first of the names with "|" between them has it. */
bool fact_binds_ (const char *names);
/* What it stands for where g matched. */
bool fact_group_binds_ (const struct fact_group *g, const struct fact_at *at,
                        char *ret, size_t n);
/* When the latest of all was said, 0 where there is none: nobody knows what
 * came after it. */
uint64_t fact_set_until_ (const struct fact_set *set);
/* As strcmp() == 0, and counted. */
bool fact_same_ (struct fact_set *set, const char *a, const char *b);

/* ---- conditions (cond.c) ---- */

/* What cond_list_read() made. */
struct cond_list
{
  unsigned n;
  struct cond conds[]; /* each owns `said`, in which its other texts are, and
                          its pair */
};

/* The condition of a list that says what COND_BOUND is, or NULL. */
const struct cond *cond_list_binder_ (const struct cond_list *list);
/* cond_list_holds() of the nth thing that COND_BOUND may stand for and the list
 * holds of, 0 being the first; of lists without it there is only the first. */
bool cond_list_holds_nth_ (const struct cond_list *list, struct fact_set *set,
                           const struct ladder *ladder, unsigned nth,
                           const char **ret_failed,
                           const struct fact **ret_first);
/* -EINVAL: it is used where nothing says what it is. */
int cond_list_check_bound_ (const struct cond_list *list, struct error *err);

/* From words; it owns what cond_list_free() frees. */
int cond_read_ (struct cond *c, const char *text, struct error *err);

void cond_found_add_ (struct cond_found *found, const struct fact *f);
/* One of them.  ladder NULL: facets are unknown.  What it is true of is added
 * to found (may be NULL), which it leaves as it was when it does not hold. */
bool cond_holds_ (const struct cond *c, struct fact_set *set,
                  const struct ladder *ladder, struct cond_found *found);
/* Of a list that holds: what it is true of, whoever says so; of a facet, what
 * says that it is dead or slow. */
void cond_list_gather_ (const struct cond_list *list, struct fact_set *set,
                        const struct ladder *ladder,
                        struct cond_found *found);
/* The same of conditions with "then" alone. */
void cond_list_pairs_ (const struct cond_list *list, struct fact_set *set,
                       struct cond_found *found);
/* All of them, to the first OP_NONE; *ret_first (may be NULL) is the fact that
 * the first one was true of, NULL if there is none. */
bool conds_hold (const struct cond *conds, struct fact_set *set,
                 const struct fact **ret_first);
/* The latest of that name, or NULL; of several names with "|" between them of
 * the first that there is. */
const struct fact *fact_last (struct fact_set *set, const char *names);
/* "source: name value", escaped; and the value alone. */
void fact_describe (const struct fact *f, char *dst, size_t n);
void fact_value_ (const struct fact *f, struct buf *out);

#endif
