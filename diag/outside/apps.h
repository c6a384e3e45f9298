/* SPDX-License-Identifier: Apache-2.0
 *
 * Which application is behind a scenario, and how it does: by rows of a look
 * (docs/inspect-json.md), whoever made them: the guest's memory, or somebody
 * inside who was asked.
 *
 * Only what ties a process to the scenario names it: what its document says, a
 * port on which the process listens, a unit that its command names.  Where
 * nothing does, and one single application is visibly stuck, that is said as
 * what it is.
 */
#ifndef HANGDOG_DIAG_OUTSIDE_APPS_H
#define HANGDOG_DIAG_OUTSIDE_APPS_H

#include "diag/outside/outside.h"

#include <stdint.h>

#define APPS_PORTS 8
#define APPS_WORDS 8

/* What a scenario asks for, so far as it is known. */
struct apps_asked
{
  uint16_t ports[APPS_PORTS];
  unsigned nports;
  bool known; /* those ports are the guest's own, for sure */
  char units[APPS_WORDS][64]; /* "web" or "web.service" */
  unsigned nunits;
  char containers[APPS_WORDS][72]; /* ids, or the beginning of one */
  unsigned ncontainers;
  char names[APPS_WORDS][24]; /* of processes */
  unsigned nnames;
};
/* Of what scenarios know of the guest (scenario_hints()), by the name of the
 * one that failed; either may be NULL or "". */
void apps_asked_by (struct json_object *hints, const char *scenario,
                    struct apps_asked *ret);
/* What a shell command names: ports by what stands before them (":8080",
 * "http://..."), units, containers and processes by who is asked for them.  A
 * plain number goes as a maybe: it counts when something listens there. */
void apps_asked_words (const char *command, struct apps_asked *ret);

enum app_amiss
{
  APP_NOTHING,
  APP_MEMORY, /* killed for want of it, or at its bound */
  APP_FUTEX,  /* all its threads wait for each other, or for nobody */
  APP_BUSY,
  APP_NO_ROOM,   /* where it writes */
  APP_THROTTLED, /* its group has no more of the processors */
  APP_FILES,
  APP_QUEUE,
  APP_BLOCKED,
  APP_ENDED,
  APP_FROZEN,
  APP_STOPPED,
  APP_AMISS_MAX,
};
extern const char *const app_amiss_names[]; /* ends with NULL */

enum app_tie
{
  APP_UNTIED,
  APP_ONLY,    /* nothing ties it, but it is the only one that is stuck */
  APP_COMMAND, /* a number in the command is its port */
  APP_PORT,
  APP_NAMED,
};
extern const char *const app_tie_names[]; /* ends with NULL */

/* Facts app.* by that source; after outside_judge() of all rows. */
void apps_facts (const struct outside *o, const struct apps_asked *asked,
                 const char *source, const struct incarnation *inc,
                 outside_fact_fn *fn, void *arg);
/* {"behind": ..., "applications": [...]}, for people. */
struct json_object *apps_document (const struct outside *o,
                                   const struct apps_asked *asked);

#endif
