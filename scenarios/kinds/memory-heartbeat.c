/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind memory-heartbeat: whether a guest's CPUs, ticks and scheduler go on, by
 * what moves in its memory.  Nobody is asked, and nobody in the guest notices:
 * it hears what the heartbeats (supervisor/beats/eyes.h) tell.
 *
 * What is dead there is dead only here: what memory cannot tell is `unknown`,
 * and that is no verdict, whatever the reason.
 */
#include "scenarios/scenario_impl.h"

#include "base/fact.h"
#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All is told again so often, or at each heartbeat where these are rarer; what
 * was not for three times as long is not known any more. */
#define TOLD_MS 60000u
#define TOLD_MOST_MS (60u * 60 * 1000)
#define MOST_MS (24LL * 60 * 60 * 1000)

struct own
{
  bool vcpus, ticks, scheduler;
  uint64_t stands_ms;
  double load;
  int64_t blocked;
  uint64_t for_ms;
};

static const struct own defaults = {
  .vcpus = true,
  .ticks = true,
  .scheduler = true,
  .load = -1,
  .blocked = -1,
  .for_ms = 5 * 60 * 1000,
};

static const struct json_field fields[] = {
  { .name = "vcpus", .kind = JSON_BOOL, .offset = offsetof (struct own, vcpus),
    .help = "that no CPU of it can do anything any more is a failure; true" },
  { .name = "ticks", .kind = JSON_BOOL, .offset = offsetof (struct own, ticks),
    .help = "that its clocks stand still is a failure; true" },
  { .name = "scheduler", .kind = JSON_BOOL,
    .offset = offsetof (struct own, scheduler),
    .help = "that a CPU goes from task to task no more, or that it panicked, "
            "is a failure; true" },
  { .name = "stands", .kind = JSON_DURATION,
    .offset = offsetof (struct own, stands_ms), .max = MOST_MS,
    .help = "for how long any of these must be dead; 0s" },
  { .name = "load", .kind = JSON_DOUBLE, .offset = offsetof (struct own, load),
    .min = 0, .max = 1000000,
    .help = "the load of its last minute that it may not be above" },
  { .name = "blocked", .kind = JSON_INT,
    .offset = offsetof (struct own, blocked), .min = 0, .max = 1000000,
    .help = "how many tasks at most may wait uninterruptibly (D)" },
  { .name = "for", .kind = JSON_DURATION,
    .offset = offsetof (struct own, for_ms), .max = MOST_MS,
    .help = "for how long load or blocked must be above that; 5m" },
  { .name = NULL },
};

enum rung
{
  RUNG_VCPUS,
  RUNG_TICKS,
  RUNG_SCHEDULER,
  RUNGS,
};

static const struct
{
  const char *fact;
  enum outcome dead;
  const char *code, *what;
} rungs[RUNGS] = {
  { "guest.vcpus", OUTCOME_FAILED, "vcpus-dead", "its CPUs do nothing" },
  { "guest.ticks", OUTCOME_FAILED, "ticks-dead", "its ticks stand still" },
  { "guest.scheduler", OUTCOME_FAILED, "scheduler-dead",
    "its scheduler stands still" },
};

struct limit
{
  bool known;
  double value;
  uint64_t above_ms; /* since when, 0 = it is not */
};

struct beating
{
  char state[RUNGS][16]; /* "" = nothing was told */
  uint64_t since_ms[RUNGS];
  uint64_t panicked_ms; /* since when, 0 = it has not */
  struct limit load, blocked;
  char why[FACT_TEXT_MAX];
  bool none; /* there is no heartbeat, and why */
  uint64_t heard_ms, apart_ms; /* the last of it; and the one before */
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  (void) s;
  (void) now_ms;
  return calloc (1, sizeof (struct beating));
}

/* ---- what is heard ---- */

static void
hear_rung (struct beating *h, enum rung i, const struct fact *fact, uint64_t at)
{
  if (fact->type != FACT_TEXT)
    return;
  if (strcmp (h->state[i], fact->text) != 0)
    h->since_ms[i] = at;
  snprintf (h->state[i], sizeof h->state[i], "%.15s", fact->text);
  /* All of one telling come together. */
  if (at > h->heard_ms + 1000)
    h->apart_ms = h->heard_ms ? at - h->heard_ms : 0;
  if (at > h->heard_ms)
    h->heard_ms = at;
}

static void
hear_limit (struct limit *l, double value, double most, uint64_t at)
{
  l->known = true;
  l->value = value;
  if (most < 0 || value <= most)
    l->above_ms = 0;
  else if (!l->above_ms)
    l->above_ms = at;
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  struct beating *h = state;
  const struct own *own = s->own;
  uint64_t at = fact->time_ms < now_ms ? fact->time_ms : now_ms;

  /* Others tell of ticks, too: what they see is another thing. */
  if (strcmp (fact->source, "memory") != 0)
    return;
  for (unsigned i = 0; i < RUNGS; i++)
    if (strcmp (fact->name, rungs[i].fact) == 0)
      hear_rung (h, i, fact, at);
  if (strcmp (fact->name, "guest.panicked") == 0 && fact->type == FACT_BOOL)
    {
      if (!fact->b)
        h->panicked_ms = 0;
      else if (!h->panicked_ms)
        h->panicked_ms = at;
    }
  if (strcmp (fact->name, "guest.load1") == 0 && fact->type == FACT_REAL)
    hear_limit (&h->load, fact->d, own->load, at);
  if (strcmp (fact->name, "guest.blocked") == 0 && fact->type == FACT_INT)
    hear_limit (&h->blocked, (double) fact->i, (double) own->blocked, at);
  if (strcmp (fact->name, "guest.beat") == 0 && fact->type == FACT_TEXT)
    {
      snprintf (h->why, sizeof h->why, "%s", fact->text);
      h->none = strncmp (fact->text, "none: ", 6) == 0;
    }
}

/* ---- what that means ---- */

static const char *
why_of (const struct beating *h, char *dst, size_t n)
{
  const char *why = h->none ? h->why + 6 : h->why;

  return report_quote (dst, n, why, strlen (why));
}

static bool
is_heard (const struct beating *h, uint64_t now_ms, struct outcome_report *ret)
{
  uint64_t apart = h->apart_ms > TOLD_MS ? h->apart_ms : TOLD_MS;
  uint64_t age = now_ms > h->heard_ms ? now_ms - h->heard_ms : 0;
  char why[160], text[32];

  if (apart > TOLD_MOST_MS)
    apart = TOLD_MOST_MS;
  if (h->none)
    report_set (ret, OUTCOME_NO_VERDICT, "no-heartbeat", "%s",
                why_of (h, why, sizeof why));
  else if (!h->heard_ms)
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "nothing was read of its memory yet");
  else if (age > 3 * apart)
    {
      units_format_duration (text, sizeof text, age);
      report_set (ret, OUTCOME_NO_VERDICT, "no-heartbeat",
                  "nothing was read of its memory for %s", text);
    }
  else
    return true;
  return false;
}

static bool
is (const struct beating *h, enum rung i, const char *state)
{
  return strcmp (h->state[i], state) == 0;
}

static uint64_t
stands_for (const struct beating *h, enum rung i, uint64_t now_ms)
{
  return now_ms > h->since_ms[i] ? now_ms - h->since_ms[i] : 0;
}

/* The lowest that is dead for long enough: what is above it can't live. */
static bool
is_dead (const struct beating *h, const struct own *own, uint64_t now_ms,
         struct outcome_report *ret)
{
  const bool wanted[RUNGS] = { own->vcpus, own->ticks, own->scheduler };
  char why[120], text[32];
  bool any = false;

  for (unsigned i = 0; i < RUNGS; i++)
    {
      if (!wanted[i] || !is (h, i, "dead"))
        continue;
      units_format_duration (text, sizeof text, stands_for (h, i, now_ms));
      if (stands_for (h, i, now_ms) >= own->stands_ms)
        {
          report_set (ret, rungs[i].dead, rungs[i].code, "%s%s%s: %s",
                      rungs[i].what, own->stands_ms ? " for " : "",
                      own->stands_ms ? text : "", why_of (h, why, sizeof why));
          return true;
        }
      report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                  "%s for %s, which is not long enough", rungs[i].what, text);
      any = true;
    }
  return any;
}

static bool
is_above (const struct limit *l, uint64_t for_ms, uint64_t now_ms)
{
  return l->above_ms && now_ms - l->above_ms >= for_ms;
}

static bool
is_too_much (const struct beating *h, const struct own *own, uint64_t now_ms,
             struct outcome_report *ret)
{
  char text[32];

  units_format_duration (text, sizeof text, own->for_ms);
  if (is_above (&h->blocked, own->for_ms, now_ms))
    report_set (ret, OUTCOME_FAILED, "blocked",
                "%.0f tasks wait uninterruptibly, and more than %lld did for "
                "%s",
                h->blocked.value, (long long) own->blocked, text);
  else if (is_above (&h->load, own->for_ms, now_ms))
    report_set (ret, OUTCOME_FAILED, "load",
                "its load is %.2f, and was above %g for %s", h->load.value,
                own->load, text);
  else
    return false;
  return true;
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct beating *h = state;
  const struct own *own = s->own;
  char why[160];

  if (!is_heard (h, now_ms, ret))
    return;
  if (h->load.known)
    ret->value = h->load.value;
  if (h->panicked_ms && own->scheduler)
    {
      report_set (ret, OUTCOME_FAILED, "panicked", "%s",
                  why_of (h, why, sizeof why));
      return;
    }
  if (is_dead (h, own, now_ms, ret) || is_too_much (h, own, now_ms, ret))
    return;
  for (unsigned i = 0; i < RUNGS; i++)
    if (is (h, i, "alive"))
      {
        report_set (ret, OUTCOME_OK, "ok", "%s", why_of (h, why, sizeof why));
        return;
      }
  /* All its CPUs sleep, or seem to: memory can't tell which. */
  report_set (ret, OUTCOME_NO_VERDICT, "beat-unknown", "%s",
              why_of (h, why, sizeof why));
}

static uint64_t
on_soon (void *state, const struct scenario *s)
{
  const struct beating *h = state;
  const struct own *own = s->own;
  const bool wanted[RUNGS] = { own->vcpus, own->ticks, own->scheduler };
  uint64_t ret = own->scheduler ? h->panicked_ms : 0;

  for (unsigned i = 0; i < RUNGS; i++)
    if (wanted[i] && is (h, i, "dead")
        && (!ret || h->since_ms[i] + own->stands_ms < ret))
      ret = h->since_ms[i] + own->stands_ms;
  return ret;
}

static const char *const facts[]
    = { "guest.vcpus", "guest.ticks",    "guest.scheduler", "guest.beat",
        "guest.load1", "guest.panicked", "guest.blocked",   NULL };

static const struct scenario_watch watch = {
  .facts = facts,
  .state_new = state_new,
  .state_free = free,
  .fact = on_fact,
  .due = on_due,
  .soon = on_soon,
};

static const char *const uses[] = { "memory", NULL };

const struct scenario_kind kind_memory_heartbeat = {
  .name = "memory-heartbeat",
  .summary = "whether its CPUs, ticks and scheduler go on, read in its memory",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .watch = &watch,
};
