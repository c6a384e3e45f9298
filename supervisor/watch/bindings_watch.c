/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds that do not ask: told of facts, on the loop, or shown what others
 * have found.
 */
#include "supervisor/watch/bindings_impl.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/log.h"
#include "base/loop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* One prefix, which the kinds of some scenarios have listed. */
struct heard
{
  struct bindings *all;
  struct heard *next;
  struct fact_sub *sub;
  bool wanted;
  char prefix[FACT_NAME_MAX];
};

/* As it was listed: a kind that lists "console." and one that lists
 * "console.bytes" are told by two subscriptions. */
static bool
lists (const struct scenario *s, const char *prefix)
{
  const struct scenario_watch *watch = s->kind->watch;

  for (const char *const *p = watch ? watch->facts : NULL; p && *p; p++)
    if (strcmp (*p, prefix) == 0)
      return true;
  return false;
}

/* It is judged from its timer as always: what is told together is heard
 * together. */
static void
bring_forward (struct binding *bd)
{
  uint64_t at = bd->watching->soon (bd->state, bd->scenario);

  if (at > bd->last_ms && at < bd->due_ms && !bd->run
      && timer_armed (bd->timer))
    binding_arm_ (bd, at);
}

static void
tell (struct binding *bd, const struct fact *fact)
{
  if (!bd->state || !incarnation_equal (&fact->inc, &bd->of->guest->inc))
    return;
  bd->watching->fact (bd->state, bd->scenario, fact,
                      loop_now (bd->all->env.loop));
  if (bd->watching->soon)
    bring_forward (bd);
}

static void
on_fact (const struct fact *fact, void *arg)
{
  struct heard *heard = arg;
  struct watched *w = bindings_watched_ (heard->all, fact->inc.uuid);

  for (size_t i = 0; w && i < w->n; i++)
    if (lists (w->list[i]->scenario, heard->prefix))
      tell (w->list[i], fact);
}

/* ---- whom to listen to ---- */

static struct heard *
heard_find (struct bindings *b, const char *prefix)
{
  struct heard *h = b->heard;

  while (h && strcmp (h->prefix, prefix) != 0)
    h = h->next;
  return h;
}

static void
want (struct bindings *b, const char *prefix)
{
  struct heard *h = heard_find (b, prefix);
  struct error err = ERROR_INIT;

  if (!h)
    {
      h = calloc (1, sizeof (*h));
      if (!h)
        return;
      h->all = b;
      snprintf (h->prefix, sizeof (h->prefix), "%s", prefix);
      if (fact_subscribe (b->env.bus, "scenarios", h->prefix, on_fact, h,
                          &h->sub, &err)
          < 0)
        {
          log_warn ("scenarios hear nothing of %s: %s", prefix,
                    error_text (&err));
          free (h);
          return;
        }
      h->next = b->heard;
      b->heard = h;
    }
  h->wanted = true;
}

void
watch_subscribe_ (struct bindings *b, struct scenario **list, size_t n)
{
  struct heard **at = &b->heard;

  for (struct heard *h = b->heard; h; h = h->next)
    h->wanted = false;
  for (size_t i = 0; i < n; i++)
    {
      const struct scenario_watch *watch = list[i]->kind->watch;

      for (const char *const *p = watch ? watch->facts : NULL; p && *p; p++)
        want (b, *p);
    }
  while (*at)
    {
      struct heard *h = *at;

      if (h->wanted)
        {
          at = &h->next;
          continue;
        }
      *at = h->next;
      fact_unsubscribe (h->sub);
      free (h);
    }
}

/* ---- what they know ---- */

static void
known (const struct fact *fact, void *arg)
{
  struct binding *bd = arg;
  const char *const *p = bd->watching->facts;

  for (; *p; p++)
    if (strncmp (fact->name, *p, strlen (*p)) == 0)
      {
        tell (bd, fact);
        return;
      }
}

void
watch_begin_ (struct binding *bd)
{
  const struct scenario_watch *watch = bd->scenario->kind->watch;

  bd->watching = watch;
  if (!watch)
    return;
  bd->state
      = watch->state_new (bd->scenario, loop_now (bd->all->env.loop));
  if (!bd->state)
    log_guest (LOG_LEVEL_WARN, bd->of->guest->inc.uuid,
               "%s: no memory for scenario %s", bd->of->guest->display,
              bd->scenario->name);
  else if (bd->all->env.facts)
    fact_each (bd->all->env.facts, bd->of->guest->inc.uuid, known, bd);
}

void
watch_end_ (struct binding *bd)
{
  if (bd->state)
    bd->watching->state_free (steal_ptr (&bd->state));
}

/* ---- how it is ---- */

static void
look_at (struct binding *bd, const char *name, struct outcome_report *last,
         struct scenario_part *ret)
{
  const struct binding *of = binding_named_ (bd->of, name);
  uint64_t now = loop_now (bd->all->env.loop);

  *ret = (struct scenario_part){ .name = name };
  /* One that looks at others itself would be as old as their outcomes. */
  if (!of || of->scenario->kind->combine)
    return;
  ret->bound = true;
  ret->health = of->health.health;
  if (of->health.runs == 0 || !binding_last_ (of, last))
    return;
  ret->last = last;
  ret->interval_ms = of->scenario->interval_ms;
  ret->age_ms = now > of->health.last_ms ? now - of->health.last_ms : 0;
}

static void
combine (struct binding *bd, struct outcome_report *ret)
{
  const struct scenario_combine *how = bd->scenario->kind->combine;
  struct scenario_part parts[SCENARIO_MAX_PARTS];
  struct outcome_report last[SCENARIO_MAX_PARTS];
  const char *const *names = NULL;
  size_t n = how->parts (bd->scenario, &names);

  n = n < SCENARIO_MAX_PARTS ? n : SCENARIO_MAX_PARTS;
  for (size_t i = 0; i < n; i++)
    look_at (bd, names[i], &last[i], &parts[i]);
  how->combine (bd->scenario, parts, n, ret);
}

void
watch_judge_ (struct binding *bd, struct outcome_report *ret)
{
  const struct scenario_kind *kind = bd->scenario->kind;

  *ret = (struct outcome_report){ .outcome = OUTCOME_NO_VERDICT,
                                  .value = NAN };
  if (kind->combine)
    combine (bd, ret);
  else if (bd->state)
    bd->watching->due (bd->state, bd->scenario,
                       loop_now (bd->all->env.loop), ret);
  else
    run_no_verdict_ (ret, "own-failure", "no memory to watch it");
  if (kind->transports && kind->transports[0])
    snprintf (ret->transport, sizeof (ret->transport), "%s",
              kind->transports[0]);
}
