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

struct facet
{
  enum facet_state state;
  char evidence[200]; /* source, value: "qmp: status running" */
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

/* Facts in any order; of two with one name the later time counts.  Where two
 * samples decide both are looked at, and only samples (fact.sample) count. */
void ladder_climb (const struct fact *facts, size_t n, struct ladder *ret);
void ladder_verdict (const struct ladder *ladder, const struct fact *facts,
                     size_t n, const struct cause *cause, struct verdict *ret);
struct json_object *ladder_to_json (const struct ladder *ladder);
/* What the tables call trouble of that kind in kept text: "panic" is
 * "console.text.panic"; NULL = nothing. */
const char *ladder_mark_of (const char *kind);

#endif
