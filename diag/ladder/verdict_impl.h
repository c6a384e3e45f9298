/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of the verdict: what one looks like.
 */
#ifndef HANGDOG_DIAG_LADDER_VERDICT_IMPL_H
#define HANGDOG_DIAG_LADDER_VERDICT_IMPL_H

#include "diag/ladder/ladder_impl.h"

#define MAX_FACETS 9
#define MAX_CODES 8

struct facet_cond
{
  enum facet_id facet;
  unsigned states; /* a bit for each that will do; 0 ends the list */
};

struct verdict_rule
{
  const char *class_; /* or "=NAME": that fact's text */
  const char *confidence;
  struct facet_cond facets[MAX_FACETS];
  struct cond when[MAX_CONDS];
  const char *codes[MAX_CODES]; /* of the outcome, any; none = any outcome */
  const char *culprit;          /* a text, or "=NAME": that fact's text */
  const char *sentence;
  const char *next;
};

/* Read top down (verdict.c). */
extern const struct verdict_rule verdict_rules_[]; /* ends without a class */

#endif
