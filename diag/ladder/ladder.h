/* SPDX-License-Identifier: Apache-2.0
 *
 * The liveness ladder: from facts to the lowest facet that is dead, and from
 * there to a verdict.  Pure: no clock, no I/O.
 */
#ifndef HANGDOG_DIAG_LADDER_H
#define HANGDOG_DIAG_LADDER_H

#include "diag/incident.h"

enum facet_state
{
  FACET_UNKNOWN,
  FACET_ALIVE,
  FACET_SLOW,
  FACET_DEAD,
};
extern const char *const facet_state_names[];

enum facet_id
{
  FACET_HOST,
  FACET_VMM,
  FACET_RUN_STATE,
  FACET_VCPU,
  FACET_TICKS,
  FACET_SCHEDULER,
  FACET_BLOCK,
  FACET_NETWORK,
  FACET_CONSOLE,
  FACET_APPLICATION,
  FACET_MAX,
};
extern const char *const facet_names[];

#define FACET_FACTS 4

struct facet
{
  enum facet_state state;
  char evidence[200]; /* source, value: "qmp: status running" */
  /* What its rule was true of: good as long as the facts are. */
  const struct fact *facts[FACET_FACTS];
  unsigned nfacts;
};

struct ladder
{
  struct facet facets[FACET_MAX];
};

/* What brought us here: whose outcome it was, its code for the rules, its
 * sentence for people. */
struct cause
{
  const char *scenario, *code, *sentence;
};

/* The facts of one judgement, in any order; of two of one name the later time
 * counts.  Where two samples decide both are looked at, and only samples
 * (fact.sample) count. */
struct fact_set;
/* Room for max facts: to fill it can't fail. */
int fact_set_new (size_t max, struct fact_set **ret, struct error *err);
void fact_set_free (struct fact_set *set);
/* In place of what was in it; the facts are the caller's and stay as they are
 * while it is used.  What is more than max is not seen. */
void fact_set_fill (struct fact_set *set, const struct fact *facts, size_t n);
/* Names that were compared since it was filled: what a judgement costs. */
size_t fact_set_compared (const struct fact_set *set);

struct verdict_rules; /* diag/ladder/rules.h */
void ladder_climb (const struct verdict_rules *rules, struct fact_set *set,
                   struct ladder *ret);
void ladder_verdict (const struct verdict_rules *rules,
                     const struct ladder *ladder, struct fact_set *set,
                     const struct cause *cause, struct verdict *ret);
struct json_object *ladder_to_json (const struct ladder *ladder);

/* All of it: what is found, and what nobody could say.  gaps (may be NULL): as
 * in a manifest, {"collector", "what", "why"}. */
struct judgement
{
  struct ladder ladder;
  struct verdict verdict;
  struct json_object *findings;  /* {"rule", "level", "says", "see",
                                     "evidence"}, the worst first */
  struct json_object *questions; /* of a verdict that is unknown or low:
                                     {"about", "why"} */
};
void ladder_judge (const struct verdict_rules *rules, struct fact_set *set,
                   const struct cause *cause, struct json_object *gaps,
                   struct judgement *ret);
/* Into a manifest's head: "ladder", "findings", "questions", "cause". */
void judgement_tell (const struct judgement *j, const struct cause *cause,
                     struct json_object *head);
void judgement_done (struct judgement *j);

#endif
