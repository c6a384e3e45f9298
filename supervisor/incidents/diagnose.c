/* SPDX-License-Identifier: Apache-2.0
 *
 * A diagnosis: its begin, its end, and what others say of it meanwhile.
 */
#include "supervisor/incidents/diagnose_impl.h"
#include "supervisor/incidents/haul.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- its steps ---- */

static void
leg_free (struct leg *leg)
{
  if (!leg)
    return;
  if (leg->haul)
    haul_close (leg->haul, NULL);
  haul_unref (leg->haul);
  playbook_unref (leg->playbook);
  if (leg->said)
    json_object_put (leg->said);
  if (leg->impact)
    json_object_put (leg->impact);
  if (leg->gaps)
    json_object_put (leg->gaps);
  if (leg->files)
    json_object_put (leg->files);
  if (leg->attached)
    json_object_put (leg->attached);
  if (leg->cut)
    json_object_put (leg->cut);
  free (leg);
}

void
legs_free (struct diagnosis *dg)
{
  for (unsigned i = 0; i < dg->nlegs; i++)
    leg_free (dg->legs[i]);
  free (dg->legs);
}

static struct leg *
leg_new (struct diagnosis *dg, struct playbook *p,
         const struct playbook_step *step)
{
  struct leg *leg = calloc (1, sizeof (*leg));

  if (!leg)
    return NULL;
  leg->dg = dg;
  leg->playbook = playbook_ref (p);
  leg->step = step;
  collector_plan (step->collector, dg->guest, step->own, &leg->plan);
  if (step->budget_ms)
    leg->plan.ms = step->budget_ms;
  return leg;
}

static bool
has_leg (const struct diagnosis *dg, const char *name)
{
  for (unsigned i = 0; i < dg->nlegs; i++)
    if (strcmp (dg->legs[i]->step->name, name) == 0)
      return true;
  return false;
}

/* Of two the longer time and the more bytes. */
static int
raise_budget (struct diagnosis *dg, const struct playbook *p)
{
  uint64_t until = p->budget_ms ? loop_now (dg->env.loop) + p->budget_ms
                                : CLOCK_NEVER;
  uint64_t bytes = p->bytes ? p->bytes : DIAGNOSIS_NO_LIMIT, was = dg->bytes;
  int r = 0;

  if (until > dg->until_ms)
    {
      dg->until_ms = until;
      dg->budget_ms = p->budget_ms;
    }
  if (bytes <= was)
    return 0;
  dg->bytes = bytes;
  if (dg->limit)
    haul_limit_raise (dg->limit, bytes - was);
  else
    r = haul_limit_new (bytes, &dg->limit, NULL);
  return r;
}

int
legs_add (struct diagnosis *dg, struct playbook *p, struct error *err)
{
  unsigned was = dg->nlegs;
  struct leg **legs
      = realloc (dg->legs, (was + p->nsteps) * sizeof (*legs));
  bool fits = legs != NULL && raise_budget (dg, p) == 0;

  if (legs)
    dg->legs = legs;
  for (unsigned i = 0; fits && i < p->nsteps; i++)
    if (!has_leg (dg, p->steps[i].name))
      {
        legs[dg->nlegs] = leg_new (dg, p, &p->steps[i]);
        fits = legs[dg->nlegs] != NULL;
        dg->nlegs += fits;
      }
  if (fits)
    return 0;
  while (dg->nlegs > was)
    leg_free (dg->legs[--dg->nlegs]);
  return error_set (err, ENOMEM, "no memory for a diagnosis");
}

/* ---- begin and end ---- */

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
  dg->turn = (struct turn){ .fn = legs_turn, .arg = dg };
  turn_join (env->turns, &dg->turn);
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
  turn_leave (&dg->turn);
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
