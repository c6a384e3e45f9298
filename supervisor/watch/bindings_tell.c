/* SPDX-License-Identifier: Apache-2.0
 *
 * What others want to know of bindings: how they are, each outcome as it
 * comes, what their documents know.
 */
#include "supervisor/watch/bindings_impl.h"
#include "supervisor/watch/pauses.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- the last report ---- */

#define WITHOUT_TRIED offsetof (struct outcome_report, tried)
_Static_assert (sizeof (struct outcome_report) - WITHOUT_TRIED
                        - sizeof (((struct outcome_report *) 0)->tried)
                    < _Alignof (struct outcome_report),
                "what it tried is its last member");

static size_t
packed_len (const struct outcome_report *r)
{
  return WITHOUT_TRIED + r->ntried * sizeof (r->tried[0]);
}

void
binding_keep_last_ (struct binding *bd, const struct outcome_report *r)
{
  void *last = realloc (bd->last, packed_len (r));

  if (!last)
    free (bd->last);
  bd->last = last;
  if (last)
    memcpy (last, r, packed_len (r));
}

bool
binding_last_ (const struct binding *bd, struct outcome_report *ret)
{
  if (!bd->last)
    return false;
  *ret = (struct outcome_report){ .outcome = OUTCOME_NO_VERDICT };
  memcpy (ret, bd->last, WITHOUT_TRIED);
  memcpy (ret, bd->last, packed_len (ret));
  return true;
}

/* ---- telling ---- */

static void
info_of (const struct binding *bd, const struct outcome_report *last,
         struct binding_info *ret)
{
  struct pause pause;

  *ret = (struct binding_info){
    .guest = bd->of->guest,
    .scenario = bd->scenario,
    .builtin = bd->index == bd->all->builtin,
    .health = bd->health.health,
    .health_since_ms = bd->health.since_ms,
    .failures = bd->health.failures,
    .flapping = bd->health.flap.flapping,
    .damped = bd->health.flap.flapping && bd->scenario->flap_damping,
    .flap_percent
    = flap_percent (&bd->health.flap,
                    (unsigned) bd->scenario->failure_threshold,
                    (unsigned) bd->scenario->success_threshold),
    .history = &bd->history,
    .mute = bd->health.mute ? bd->health.mute : bd->health.excused,
    .running = bd->run && !bd->run->waits_with,
    .held_off = bd->held_off,
    .paused = bd->all->env.pauses
              && pauses_hold (bd->all->env.pauses, bd->of->guest->inc.uuid,
                              bd->scenario->name, &pause),
    .quiet = scenario_quiet (bd->scenario, clock_wall_ms ()),
    .next_ms = bd->due_ms,
    .last_ms = bd->last_ms,
    .last_ok_wall_ms = bd->last_ok_wall_ms,
    .last = last,
    .runs = bd->runs,
    .ok = bd->ok,
    .failed = bd->failed,
    .no_verdict = bd->no_verdict,
    .skipped = bd->skipped,
    .late = bd->late,
    .worst_late_ms = bd->worst_late_ms,
  };
}

int
bindings_listen (struct bindings *b, binding_listen_fn *fn, void *arg,
                 struct error *err)
{
  for (unsigned i = 0; i < BINDINGS_MAX_LISTENERS; i++)
    if (!b->listeners[i].fn)
      {
        b->listeners[i] = (struct listener){ fn, arg };
        return 0;
      }
  return error_set (err, EBUSY, "%u wait for outcomes already",
                    BINDINGS_MAX_LISTENERS);
}

void
bindings_unlisten (struct bindings *b, binding_listen_fn *fn, void *arg)
{
  for (unsigned i = 0; i < BINDINGS_MAX_LISTENERS; i++)
    if (b->listeners[i].fn == fn && b->listeners[i].arg == arg)
      b->listeners[i] = (struct listener){ 0 };
}

void
binding_tell (struct binding *bd, const struct outcome_report *report,
              enum health_change change)
{
  struct bindings *b = bd->all;
  struct binding_info info;

  info_of (bd, report, &info);
  for (unsigned i = 0; i < BINDINGS_MAX_LISTENERS; i++)
    if (b->listeners[i].fn)
      b->listeners[i].fn (&info, change, b->listeners[i].arg);
}

static void
each_of (const struct watched *w,
         void (*fn) (const struct binding_info *info, void *arg), void *arg)
{
  struct binding_info info;
  struct outcome_report last;

  for (size_t i = 0; i < w->n; i++)
    {
      info_of (w->list[i],
               binding_last_ (w->list[i], &last) ? &last : NULL, &info);
      fn (&info, arg);
    }
}

void
bindings_each (struct bindings *b, const char *uuid,
               void (*fn) (const struct binding_info *info, void *arg),
               void *arg)
{
  const struct watched *w = uuid ? bindings_watched_ (b, uuid) : b->first;

  for (; w; w = uuid ? NULL : w->next)
    each_of (w, fn, arg);
}

/* ---- lateness ---- */

uint64_t
bindings_late_bound (unsigned bucket)
{
  static const uint64_t bounds[BINDINGS_LATE]
      = { 1,   2,    5,    10,   25,    50,    100,   250,
          500, 1000, 2500, 5000, 10000, 30000, 60000, UINT64_MAX };

  return bounds[bucket];
}

void
bindings_note_late_ (struct bindings *b, uint64_t late_ms)
{
  unsigned i = 0;

  while (late_ms > bindings_late_bound (i))
    i++;
  b->late[i]++;
  if (late_ms > b->latest_ms)
    b->latest_ms = late_ms;
}

static uint64_t
late_percentile (const struct bindings_late *l, unsigned percent)
{
  uint64_t rank = (l->runs * percent + 99) / 100, seen = 0;

  for (unsigned i = 0; i < BINDINGS_LATE; i++)
    {
      seen += l->counts[i];
      if (l->runs && seen >= rank)
        return bindings_late_bound (i) < l->max_ms ? bindings_late_bound (i)
                                                   : l->max_ms;
    }
  return 0;
}

void
bindings_late (const struct bindings *b, struct bindings_late *ret)
{
  *ret = (struct bindings_late){ .max_ms = b->latest_ms };
  for (unsigned i = 0; i < BINDINGS_LATE; i++)
    {
      ret->counts[i] = b->late[i];
      ret->runs += b->late[i];
    }
  ret->p50_ms = late_percentile (ret, 50);
  ret->p90_ms = late_percentile (ret, 90);
  ret->p99_ms = late_percentile (ret, 99);
}

struct json_object *
bindings_hints (struct bindings *b, const char *uuid)
{
  const struct watched *w = bindings_watched_ (b, uuid);
  struct json_object *all = json_object_new_object ();

  for (size_t i = 0; w && i < w->n; i++)
    scenario_hints (w->list[i]->scenario, w->guest, all);
  return all;
}
