/* SPDX-License-Identifier: Apache-2.0
 *
 * A diagnosis: its begin, its end, and what others say of it meanwhile.
 */
#include "supervisor/incidents/diagnose_impl.h"
#include "supervisor/incidents/haul.h"

#include "base/error.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
set_cause (struct diagnosis *dg, const struct cause *cause)
{
  snprintf (dg->scenario, sizeof (dg->scenario), "%s", cause->scenario);
  snprintf (dg->code, sizeof (dg->code), "%s", cause->code);
  snprintf (dg->sentence, sizeof (dg->sentence), "%s", cause->sentence);
}

static void
first_steps (void *arg)
{
  struct diagnosis *dg = arg;

  dg->begun = true;
  diagnosis_ask_house (dg);
  legs_go (dg);
}

static int
make_rooms (struct diagnosis *dg, struct error *err)
{
  dg->facts = calloc (DIAGNOSIS_FACTS, sizeof (*dg->facts));
  dg->known = calloc (DIAGNOSIS_KNOWN, sizeof (*dg->known));
  if (!dg->facts || !dg->known
      || fact_set_new (DIAGNOSIS_FACTS, &dg->set, NULL) < 0)
    return error_set (err, ENOMEM, "no memory for a diagnosis");
  return loop_timer (dg->env.loop, "diagnosis lane", legs_patience_ends, dg,
                     &dg->patience, err);
}

int
diagnosis_start (const struct diagnosis_env *env, const struct guest *g,
                 const struct cause *cause, struct playbook *playbook,
                 const struct diagnosis_ops *ops, void *arg,
                 struct diagnosis **ret, struct error *err)
{
  struct diagnosis *dg = calloc (1, sizeof (*dg));
  int r;

  if (!dg)
    return error_set (err, ENOMEM, "no memory for a diagnosis");
  dg->env = *env;
  dg->env.rules = verdict_rules_ref (env->rules);
  dg->guest = guest_ref (g);
  set_cause (dg, cause);
  dg->ops = ops;
  dg->arg = arg;
  dg->ordered = strcmp (cause->code, CODE_ORDERED) == 0;
  dg->began_ms = loop_now (env->loop);
  r = make_rooms (dg, err);
  if (r == 0)
    r = legs_add (dg, playbook, err);
  /* From the loop, so that the caller has *ret before anything happens. */
  if (r == 0 && loop_post (env->loop, first_steps, dg, NULL) < 0)
    r = error_set (err, ENOMEM, "no memory for a diagnosis");
  if (r < 0)
    {
      diagnosis_free (dg);
      return r;
    }
  dg->lane_free = (struct job_ear){ .fn = legs_lane_free, .arg = dg };
  job_pool_on_free (env->jobs, &dg->lane_free);
  *ret = dg;
  return 0;
}

bool
diagnosis_retell (struct diagnosis *dg, const struct cause *cause,
                  struct playbook *playbook)
{
  unsigned was = dg->nlegs;

  set_cause (dg, cause);
  /* Not now: who tells is not to hear of its end before he is done. */
  if (legs_add (dg, playbook, NULL) < 0 || dg->nlegs == was)
    return false;
  timer_in (dg->patience, 0);
  return true;
}

void
diagnosis_stop (struct diagnosis *dg, const char *why)
{
  snprintf (dg->stopped, sizeof (dg->stopped), "%s", why);
  job_stop (dg->env.jobs, dg->guest->inc.uuid);
  timer_in (dg->patience, 0);
}

void
diagnosis_room (struct diagnosis *dg)
{
  /* Not now: it may be told while a piece is handed over. */
  timer_in (dg->patience, 0);
}

void
diagnosis_free (struct diagnosis *dg)
{
  if (!dg)
    return;
  job_ear_off (&dg->lane_free);
  timer_free (dg->patience);
  legs_free (dg);
  haul_limit_unref (dg->limit);
  guest_unref (dg->guest);
  fact_set_free (dg->set);
  verdict_rules_unref (dg->env.rules);
  free (dg->facts);
  free (dg->known);
  free (dg);
}
