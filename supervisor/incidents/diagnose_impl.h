/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to diagnose*.c: one diagnosis, and its legs.
 *
 *   diagnose.c        its begin with the list of its steps, its end, and what
 *                     others say of it meanwhile
 *   diagnose_legs.c   the steps: which of them run now, each in a job
 *   diagnose_judge.c  what is known, and the verdict of it
 */
#ifndef HANGDOG_SUPERVISOR_DIAGNOSE_IMPL_H
#define HANGDOG_SUPERVISOR_DIAGNOSE_IMPL_H

#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/turns.h"

#include "base/fact.h"
#include "base/job.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#define DIAGNOSIS_FACTS 1024
#define DIAGNOSIS_KNOWN 256

struct cond_list;
struct haul;
struct haul_limit;
struct timer;

enum leg_state
{
  LEG_WAITS, /* for its turn, or for its lane */
  LEG_RUNS,
  LEG_ENDED,
};

/* One step of the playbook, on its way. */
struct leg
{
  struct diagnosis *dg;
  struct playbook *playbook; /* the step is its */
  const struct playbook_step *step;
  struct collect_plan plan;
  enum leg_state state;
  bool told;         /* that it begins */
  uint64_t began_ms; /* or wanted to, and its lane was taken */
  struct haul *haul; /* until the disk has taken all of it */
  struct json_object *said, *impact, *gaps; /* for the manifest */
  struct json_object *files; /* names of what it brought, until it is said */
  struct json_object *attached, *cut; /* as of struct haul_end */
  uint64_t lost;                      /* bytes */
  uint64_t bytes;
  bool late; /* its budget ended it */
};

struct diagnosis
{
  struct diagnosis_env env;
  const struct guest *guest;
  char scenario[64], code[32], sentence[200]; /* what brought us here */
  struct leg **legs; /* in the order of the playbook */
  unsigned nlegs;
  const struct diagnosis_ops *ops;
  void *arg;
  uint64_t began_ms, until_ms; /* its budget: no step begins after it */
  uint64_t budget_ms;          /* as the playbooks have it; 0 = no end */
  uint64_t bytes;              /* and the other one */
#define DIAGNOSIS_NO_LIMIT (UINT64_MAX / 2)
  struct haul_limit *limit;    /* what is left of them */
  uint64_t drain_ms; /* 0, or all has ended: until then the disk is awaited */
  struct turn turn;
  uint64_t stands_ms; /* 0, or nothing of it runs since, as it is the others'
                         turn: its budget stands, too */
  struct job_ear lane_free;
  struct timer *patience; /* of legs whose lane is taken; to go on soon */
  struct fact *facts;     /* samples: what the collectors brought */
  struct fact_set *set;   /* the same for the judgement, by name */
  unsigned nfacts, facts_lost;
  struct fact *known; /* and what the house knew, one of each name */
  unsigned nknown;
  char stopped[128];
  uint64_t failed_ms; /* of what_fails() */
  bool begun, ordered;
};

/* ---- the list of steps: diagnose.c ---- */

/* Those steps of it whose names there are not yet, behind the others.  On
 * failure nothing changed. */
int legs_add (struct diagnosis *dg, struct playbook *p, struct error *err);
void legs_free (struct diagnosis *dg);

/* ---- the steps: diagnose_legs.c ---- */

/* Begins all that may begin now.  After the last one it judges and frees. */
void legs_go (struct diagnosis *dg);
void legs_lane_free (const char *guest, enum job_lane lane, void *arg);
void legs_patience_ends (struct timer *t, void *arg);
void legs_turn (void *arg);

/* ---- what is known: diagnose_judge.c ---- */

void diagnosis_add_fact (struct diagnosis *dg, const struct fact *f);
/* At the begin, for the table forgets a guest that goes; and again at the end,
 * for what came meanwhile. */
void diagnosis_ask_house (struct diagnosis *dg);
/* By what is known so far; when NULL: always.  *ret_failed: the first condition
 * that does not hold, as long-lived as the list. */
bool diagnosis_holds (struct diagnosis *dg, const struct cond_list *when,
                      const char **ret_failed);
/* The verdict of all there is; done() is called. */
void diagnosis_judge (struct diagnosis *dg);

#endif
