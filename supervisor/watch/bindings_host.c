/* SPDX-License-Identifier: Apache-2.0
 *
 * A host that stood still, or starves: what checks brought meanwhile is no
 * verdict, and what fell due is spread anew.
 */
#include "supervisor/watch/bindings_impl.h"
#include "supervisor/watch/hostclock.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <stdio.h>
#include <string.h>

/* So many guests have to fail together before it is the host's doing. */
#define CROWD 4

static unsigned
flags_of (const struct outcome_report *r)
{
  const struct outcome_code *code = outcome_code_find (r->code);

  return code && r->outcome == OUTCOME_FAILED ? code->flags : CODE_PLAIN;
}

/* ---- a gap ---- */

static void
tell_gap (struct binding *bd, const struct host_gap *gap)
{
  if (bd->state && bd->watching->gap)
    bd->watching->gap (bd->state, bd->scenario, gap->from_ms, gap->to_ms);
}

/* All that fell due while nobody looked would be asked in one breath now. */
static void
spread (struct binding *bd, uint64_t now)
{
  if (!bd->run && bd->due_ms <= now)
    binding_arm_ (bd, now + bindings_random_ () % bd->scenario->interval_ms);
}

void
bindings_gap (struct bindings *b, const struct host_gap *gap)
{
  uint64_t now = loop_now (b->env.loop);

  for (struct watched *w = b->first; w; w = w->next)
    for (size_t i = 0; i < w->n; i++)
      {
        tell_gap (w->list[i], gap);
        if (gap->why != HOST_STARVED)
          spread (w->list[i], now);
      }
}

bool
binding_gapped_ (struct binding *bd)
{
  if (!bd->all->env.host)
    return false;
  hostclock_look (bd->all->env.host);
  return timer_armed (bd->timer);
}

/* ---- a crowd ---- */

/* Of the guests that were well a moment ago, how many are not any more. */
static void
count_crowd (const struct bindings *b, uint64_t since_ms, unsigned *ret_failed,
             unsigned *ret_well)
{
  *ret_failed = *ret_well = 0;
  for (const struct watched *w = b->first; w; w = w->next)
    {
      bool failed = w->failed_ms && w->failed_ms >= since_ms, well = failed;

      for (size_t i = 0; i < w->n && !well; i++)
        well = w->list[i]->health.health == HEALTH_WELL;
      *ret_failed += failed;
      *ret_well += well;
    }
}

/* Somebody who knows more of them may know better. */
static bool
asked_of_crowd (const struct bindings *b, uint64_t since_ms, unsigned failed,
                const char *says)
{
  CLEANUP_FREE const struct guest **list = NULL;
  size_t n = 0;

  if (!b->env.crowd)
    return true;
  list = calloc (failed, sizeof (*list));
  if (!list)
    return true;
  for (const struct watched *w = b->first; w && n < failed; w = w->next)
    if (w->failed_ms && w->failed_ms >= since_ms)
      list[n++] = w->guest;
  return b->env.crowd (list, n, says, b->env.crowd_arg);
}

static bool
is_crowd (struct binding *bd, struct outcome_report *r)
{
  struct bindings *b = bd->all;
  char says[sizeof (b->crowd)];
  uint64_t now = loop_now (b->env.loop);
  uint64_t window = bd->scenario->interval_ms, since;
  const char *pressed;
  unsigned failed, well;

  if (!(flags_of (r) & CODE_LATE))
    return false;
  if (bd->health.health == HEALTH_WELL)
    bd->of->failed_ms = now;
  else if (bd->health.health != HEALTH_SUSPECT || !bd->of->failed_ms
           || bd->of->failed_ms + window < now)
    return false;
  pressed = hostclock_pressed (b->env.host);
  if (!pressed[0])
    return false;
  since = now > window ? now - window : 0;
  count_crowd (b, since, &failed, &well);
  if (failed < CROWD || failed * 2 <= well)
    return false;
  snprintf (says, sizeof (says),
            "%u of %u guests that were well stopped answering together, and "
            "this host is short: %s",
            failed, well, pressed);
  if (!asked_of_crowd (b, since, failed, says))
    return false;
  run_no_verdict_ (r, "host-starved", "%s", says);
  memcpy (b->crowd, says, sizeof (b->crowd));
  b->crowd_ms = now;
  return true;
}

/* ---- an outcome ---- */

static uint64_t
looked_since (const struct binding *bd, const struct run *run, uint64_t now)
{
  uint64_t two = 2 * bd->scenario->interval_ms;

  if (bd->scenario->kind->ask)
    return run->started_ms;
  /* Its interval, and one of grace. */
  return now > two ? now - two : 0;
}

static void
say_gap (struct outcome_report *r, const struct host_gap *gap)
{
  switch (gap->why)
    {
    case HOST_SUSPENDED:
      run_no_verdict_ (r, "host-suspended", "%s", gap->says);
      break;
    case HOST_FROZEN:
      run_no_verdict_ (r, "host-frozen", "%s", gap->says);
      break;
    case HOST_STARVED:
      run_no_verdict_ (r, "host-starved", "%s", gap->says);
      break;
    }
}

/* What was said was said, and who answers, however badly, had the time to.  A
 * dialogue ends so, too, when nothing came in time; and what runs on this host
 * was as short of time as we were. */
static bool
was_told (const struct binding *bd, const struct outcome_report *r)
{
  return (flags_of (r) & CODE_TOLD) && bd->scenario->kind != &kind_dialogue
         && bd->scenario->kind != &kind_exec;
}

void
binding_spare_ (struct binding *bd, struct run *run)
{
  struct outcome_report *r = &run->report;
  uint64_t now = loop_now (bd->all->env.loop);
  struct host_gap gap;

  /* Who combines looks at outcomes, of which this was asked. */
  if (!bd->all->env.host || r->outcome == OUTCOME_OK
      || bd->scenario->kind->combine || was_told (bd, r))
    return;
  if (hostclock_over (bd->all->env.host, looked_since (bd, run, now), now,
                      &gap))
    say_gap (r, &gap);
  else if (!is_crowd (bd, r))
    return;
  bd->of->spared_ms = now;
}

bool
bindings_spared (struct bindings *b, uint64_t for_ms,
                 struct bindings_spared *ret)
{
  uint64_t now = loop_now (b->env.loop);
  struct host_gap gap;
  uint64_t from, gap_ms = 0;

  *ret = (struct bindings_spared){ .code = host_codes[HOST_STARVED] };
  if (b->env.host && hostclock_last (b->env.host, &gap))
    gap_ms = gap.to_ms < now ? gap.to_ms : now;
  if (gap_ms + for_ms < now && (!b->crowd_ms || b->crowd_ms + for_ms < now))
    return false;
  if (b->crowd_ms > gap_ms)
    {
      ret->ago_ms = now - b->crowd_ms;
      snprintf (ret->says, sizeof (ret->says), "%s", b->crowd);
    }
  else
    {
      ret->code = host_codes[gap.why];
      ret->ago_ms = now - gap_ms;
      ret->lasted_ms = gap.lasted_ms;
      snprintf (ret->says, sizeof (ret->says), "%s", gap.says);
    }
  from = now > for_ms ? now - for_ms : 0;
  for (const struct watched *w = b->first; w; w = w->next)
    ret->guests += w->spared_ms && w->spared_ms >= from;
  return true;
}
