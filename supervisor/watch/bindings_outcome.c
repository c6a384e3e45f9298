/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run's end becomes: an outcome, facts, the binding's health, and when
 * it is due again.
 */
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings_impl.h"
#include "supervisor/watch/boots.h"
#include "supervisor/watch/meant.h"
#include "supervisor/watch/pauses.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fact.h"
#include "base/loop.h"

#include <stdio.h>
#include <string.h>

/* Paused, stopping, migrating, starting: not asked, because no answer would
 * mean nothing.  A guest that crashed is asked: its failure is wanted. */
bool
binding_held_off_ (struct binding *bd)
{
  const struct guest *g = bd->of->guest;
  struct pause pause;

  bd->held_off[0] = '\0';
  if (g->intent != INTENT_RUN)
    snprintf (bd->held_off, sizeof (bd->held_off), "its owner wants: %s",
              guest_intent_names[g->intent]);
  else if (guest_paused_by_owner (g) || g->run == GUEST_OFF
           || g->run == GUEST_STARTING || g->run == GUEST_STOPPING)
    snprintf (bd->held_off, sizeof (bd->held_off), "it is %s",
              guest_run_names[g->run]);
  else if (scenario_quiet (bd->scenario, clock_wall_ms ()))
    snprintf (bd->held_off, sizeof (bd->held_off), "quiet hours");
  else if (bd->all->env.pauses
           && pauses_hold (bd->all->env.pauses, g->inc.uuid,
                           bd->scenario->name, &pause))
    pause_words (&pause, bd->held_off, sizeof (bd->held_off));
  return bd->held_off[0] != '\0';
}

/* ---- facts ---- */

static void
publish_text (struct binding *bd, const char *name, const char *text)
{
  struct fact fact;

  fact_text (&fact, &bd->of->guest->inc, name, "scenario", text,
             strlen (text));
  fact_publish (bd->all->env.bus, &fact);
}

void
binding_flapping_ (struct binding *bd, bool flapping)
{
  char name[FACT_NAME_MAX];

  snprintf (name, sizeof (name), "flapping.%.50s", bd->scenario->name);
  publish_text (bd, name, flapping ? "yes" : "no");
}

/* What is known of the guest stays, above all while a diagnosis has the way
 * and judges it by that. */
static bool
keeps (const struct outcome_report *report)
{
  const struct outcome_code *c = outcome_code_find (report->code);

  return c && (c->flags & CODE_KEEPS);
}

static void
publish (struct binding *bd, const struct outcome_report *report)
{
  struct fact fact;
  char name[FACT_NAME_MAX];

  if (keeps (report))
    return;
  snprintf (name, sizeof (name),
            bd->scenario->kind->application ? "probe.%s" : "look.%s",
            bd->scenario->name);
  publish_text (bd, name, outcome_names[report->outcome]);
  if (!report->has_uptime)
    return;
  fact_real (&fact, &bd->of->guest->inc, "guest.uptime_s", "scenario",
             report->uptime.s);
  fact_publish (bd->all->env.bus, &fact);
}

/* Which ways to the guest lead to somebody: "alive", "dead silent", "unusable
 * console-busy". */
static void
publish_ways (struct binding *bd, const struct run *run)
{
  /* Silence while the host stood still is nobody's. */
  bool spared = keeps (&run->report);

  for (unsigned i = 0; i < run->nlegs; i++)
    {
      const struct leg *leg = &run->legs[i];
      const struct outcome_report *r = &leg->report;
      char name[FACT_NAME_MAX], text[80];

      if (leg->state == LEG_AHEAD || r->way == WAY_UNSAID
          || r->way == WAY_GUEST || keeps (r)
          || (spared && r->way != WAY_ANSWERS))
        continue;
      snprintf (name, sizeof (name), "reach.%.40s", leg->way->name);
      snprintf (text, sizeof (text), "%s%s%s", way_names[r->way],
                r->way == WAY_ANSWERS ? "" : " ",
                r->way == WAY_ANSWERS ? "" : r->code);
      publish_text (bd, name, text);
    }
}

/* ---- the outcome ---- */

static void
take_outcome (struct binding *bd, const struct outcome_report *report,
              uint64_t started_ms)
{
  uint64_t now = loop_now (bd->all->env.loop);
  bool was_flapping = bd->health.flap.flapping;
  enum health_change change;

  binding_keep_last_ (bd, report);
  bd->runs++;
  if (report->outcome == OUTCOME_OK)
    {
      bd->ok++;
      bd->last_ok_wall_ms = clock_wall_ms ();
    }
  else if (report->outcome == OUTCOME_FAILED)
    bd->failed++;
  else
    bd->no_verdict++;
  history_add (&bd->history, report->outcome, report->took_ms, now);
  change = health_take (&bd->health, bd->scenario, report, now);
  publish (bd, report);
  if (bd->health.flap.flapping != was_flapping)
    binding_flapping_ (bd, !was_flapping);
  binding_arm_ (bd, health_next (&bd->health, bd->scenario, started_ms,
                                 bindings_random_ ()));
  binding_tell (bd, report, change);
}

/* An answer may show that the guest began anew since the last one: then it is
 * the new life's first. */
static struct binding *
look_for_boot (struct run *run, struct binding *bd)
{
  const struct outcome_report *r = &run->report;

  if (!r->has_uptime && (r->outcome != OUTCOME_OK || !r->shell))
    return bd;
  if (!boots_answered (run->all->env.boots, &run->guest->inc, run->started_ms,
                       r->has_uptime ? &r->uptime : NULL))
    return bd;
  bd = bindings_numbered_ (run->all, run->number);
  if (bd)
    {
      guest_unref (run->guest);
      run->guest = guest_ref (bd->of->guest);
    }
  return bd;
}

/* Whatever was asked, by whatever way: nobody answers in the middle of a boot,
 * and a boot is not a hang.  A console that was asked knows by itself. */
static bool
boots_now (const struct run *run, char *what, size_t n)
{
  const struct transport_env *env = run->all->env.transports;
  const struct guest *g = run->guest;

  return env->may_type && g->nconsoles > 0
         && env->may_type (env->may_type_arg, g->inc.uuid,
                           g->consoles[0].name, what, n)
                == TYPING_BOOTING;
}

static void
judge_life (struct binding *bd, struct run *run)
{
  struct outcome_report *r = &run->report;
  char what[sizeof (r->sentence)];

  if (!incarnation_equal (&bd->of->guest->inc, &run->guest->inc))
    {
      run_no_verdict_ (r, "replaced",
                       "the guest began another life while it was asked");
      return;
    }
  binding_spare_ (bd, run);
  if (r->outcome == OUTCOME_FAILED && binding_held_off_ (bd))
    run_no_verdict_ (r, "held-off", "%s", bd->held_off);
  else if (r->outcome == OUTCOME_FAILED
           && boots_now (run, what, sizeof (what)))
    run_no_verdict_ (r, "booting", "%s", what);
  else
    {
      publish_ways (bd, run);
      if (r->outcome == OUTCOME_OK && r->shell)
        texts_answered (run->all->env.texts, bd->of->guest->inc.uuid);
    }
}

void
run_over_ (struct run *run)
{
  struct binding *bd = bindings_numbered_ (run->all, run->number);

  if (run->once)
    {
      run->once (&run->report, run->once_arg);
      run->once = NULL;
    }
  if (bd)
    bd = look_for_boot (run, bd);
  if (bd)
    {
      bd->run = NULL;
      judge_life (bd, run);
      take_outcome (bd, &run->report, run->started_ms);
    }
  run_free_ (run);
}

static void
on_meant (enum meant meant, const char *status, void *arg)
{
  struct run *run = arg;

  if (meant == MEANT_UNKNOWN)
    run_no_verdict_ (&run->report, "libvirt-silent",
                     "its console comes through libvirt: libvirt does not "
                     "answer");
  else if (meant == MEANT_TO_STAND)
    run_no_verdict_ (&run->report, "paused",
                     "it is not meant to run: QEMU says \"%s\"", status);
  run_over_ (run);
}

void
run_judged_ (struct run *run)
{
  if (run->report.outcome != OUTCOME_FAILED
      || meant_ask (run->all->env.jobs, run->all->env.transports, run->guest,
                    on_meant, run, NULL)
             < 0)
    run_over_ (run);
}
