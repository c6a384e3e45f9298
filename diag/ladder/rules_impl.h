/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules as they are once they are read.
 */
#ifndef HANGDOG_DIAG_RULES_IMPL_H
#define HANGDOG_DIAG_RULES_IMPL_H

#include "base/embedded.h"
#include "diag/ladder/ladder_impl.h"
#include "diag/ladder/rules.h"

#include <json-c/json.h>

struct facet_rule
{
  enum facet_id facet;
  enum facet_state state;
  struct cond_list *when;
};

/* Templates have their words in place; "" where nothing was said. */
struct verdict_rule
{
  char *name, *class_, *culprit, *says, *next;
  const char *confidence;
  char *codes; /* of the outcome, any, with "|" between them; "" = any */
  struct cond_list *when;
  bool own; /* an operator's */
};

struct finding_rule
{
  char *name, *says, *see;
  const char *level;
  struct cond_list *when;
  bool own;
};

struct verdict_rules
{
  int refs;
  bool shipped; /* ours are in: what comes now is an operator's */
  struct json_object *words;
  struct facet_rule *facets;
  struct verdict_rule *verdicts;
  struct finding_rule *findings;
  size_t nfacets, nverdicts, nfindings;
  size_t replaced;
  struct digest sum; /* of what was taken so far */
};

/* The build made them a part of the programme. */
extern const struct embedded_file verdict_rules_shipped[];
extern const char *const finding_levels[];      /* pass warn fail */
extern const char *const verdict_confidences[]; /* low medium high certain */

/* What one file says, to be taken over whole. */
int verdict_rules_read_ (struct verdict_rules *into,
                         const struct json_doc *doc,
                         struct verdict_rules *ret, struct error *err);
/* What it holds, not itself. */
void verdict_rules_done_ (struct verdict_rules *rules);

/* ---- words and templates (template.c) ---- */

/* text with the words in it that begin with "$" in place; -EINVAL: there is no
 * such word, or the whole does not fit. */
int words_expand_ (struct json_object *words, const char *text, char *dst,
                   size_t n, struct error *err);
/* Its names are known, its braces are whole; bound: "$1" is something. */
int template_check_ (const char *text, bool bound, struct error *err);
/* What templates are filled from.  A name for which `pairs` has a fact is that
 * one: the oops right before a panic, and not the latest that there is. */
struct template_from
{
  struct fact_set *set;
  const struct cause *cause;
  struct cond_found pairs; /* cond_list_pairs_() */
};
/* Escaped and cut to n.  Facts that it takes from are added to found. */
void template_fill_ (const char *text, const struct template_from *from,
                     char *dst, size_t n, struct cond_found *found);

/* ---- parts of a judgement ---- */

void fact_keep_ (const struct fact *f, struct verdict_fact *ret);
/* set and who (what the culprit was named by) may be NULL: then no stack is
 * known. */
void verdict_sign_ (struct verdict *v, const struct cause *cause,
                    struct fact_set *set, const struct cond_found *who);

/* As cond_list_read(), with words. */
int cond_list_read_words_ (const struct json_doc *doc,
                           struct json_object *when, const char *path,
                           struct json_object *words, struct cond_list **ret,
                           struct error *err);

/* where: the facet or the class that it leads to, or the finding's name. */
typedef void cond_fn (const struct cond *c, const char *where, void *arg);
void verdict_rules_each_cond_ (const struct verdict_rules *rules, cond_fn *fn,
                               void *arg);

#endif
