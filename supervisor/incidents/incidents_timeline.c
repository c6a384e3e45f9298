/* SPDX-License-Identifier: Apache-2.0
 *
 * timeline.jsonl: what is known of the time around an incident, from all who
 * know: its own steps, what was done, its guest's checks, its hypervisor and
 * its kernel's text; and how the guest's clock stands to the host's.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/happened.h"
#include "supervisor/incidents/incidents_impl.h"
#include "supervisor/text/text.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "diag/timeline.h"
#include "scenarios/history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of checks, and of what happened: what is older is another story. */
#define BEFORE_MS (60u * 60 * 1000)
#define EVENTS_BYTES (256u << 10)
/* Who has one line only does not know how late it was. */
#define ONE_LINE_S 1.0
#define LEAST_ERROR_S 0.1

struct telling
{
  struct active *a;
  struct timeline *to;
  struct timeline_clocks clocks;
  uint64_t now_ms;
  double first_s, second_s; /* earliest offsets by lines; NAN = none */
};

static const char *
str_of (struct json_object *o, const char *key)
{
  const char *s = json_get_str (o, key);

  return s ? s : "";
}

static void
row (struct telling *t, enum timeline_kind kind, enum timeline_clock clock,
     uint64_t ms, const char *source, const char *what)
{
  timeline_add (t->to, &(struct timeline_row){ .kind = kind,
                                               .clock = clock,
                                               .ms = ms,
                                               .source = source,
                                               .what = what,
                                               .guest_s = -1 });
}

/* ---- its own ---- */

static void
tell_steps (struct telling *t)
{
  const struct incident *inc = &t->a->inc;

  for (unsigned i = 0; i < inc->moments; i++)
    {
      const struct incident_moment *m = &inc->timeline[i];

      timeline_add (
          t->to,
          &(struct timeline_row){ .kind = m->kind == MOMENT_JUDGED
                                              ? TIMELINE_VERDICT
                                              : TIMELINE_INCIDENT,
                                  .clock = TIMELINE_WALL,
                                  .ms = m->wall_ms,
                                  .step = incident_moment_names[m->kind],
                                  .what = m->what,
                                  .count = m->count,
                                  .guest_s = -1 });
    }
}

static void
tell_acts (struct telling *t, struct json_object *impact)
{
  const struct incident *inc = &t->a->inc;
  char text[200];

  for (unsigned i = 0; i < inc->nacts; i++)
    {
      const struct incident_act *act = &inc->acts[i];

      snprintf (text, sizeof (text), "intends: %s", act->act);
      row (t, TIMELINE_ACT, TIMELINE_WALL, act->wall_ms, NULL, text);
      if (act->state == ACT_OPEN || !act->over_wall_ms)
        continue;
      snprintf (text, sizeof (text), "%s: %s%s%s",
                incident_act_names[act->state], act->act,
                act->why[0] ? ": " : "", act->why);
      row (t, TIMELINE_ACT, TIMELINE_WALL, act->over_wall_ms, NULL, text);
    }
  for (size_t i = 0; i < json_count (impact); i++)
    {
      struct json_object *o = json_object_array_get_idx (impact, i);
      int64_t at = json_get_int (o, "wall_ms", 0);

      if (at > 0)
        row (t, TIMELINE_ACT, TIMELINE_WALL, (uint64_t) at,
             json_get_str (o, "collector"), str_of (o, "what"));
    }
}

/* Their times are from the diagnosis's begin, which ended just now. */
static void
tell_collectors (struct telling *t, struct json_object *head)
{
  struct json_object *list = json_get (head, "collectors");
  uint64_t took = (uint64_t) json_get_int (head, "took_ms", 0);
  uint64_t began = t->now_ms > took ? t->now_ms - took : 0;

  for (size_t i = 0; i < json_count (list); i++)
    {
      struct json_object *o = json_object_array_get_idx (list, i);
      uint64_t at = began + (uint64_t) json_get_int (o, "began_ms", 0);
      const char *name = str_of (o, "name"), *why = str_of (o, "failure");
      char text[200];

      if (!json_get (o, "began_ms"))
        continue; /* skipped */
      snprintf (text, sizeof (text), "%.60s begins", name);
      row (t, TIMELINE_COLLECTOR, TIMELINE_MONOTONIC, at, NULL, text);
      snprintf (text, sizeof (text), "%.60s ended%s%.100s", name,
                why[0] ? ": " : "", why);
      row (t, TIMELINE_COLLECTOR, TIMELINE_MONOTONIC,
           at + (uint64_t) json_get_int (o, "took_ms", 0), NULL, text);
    }
}

/* ---- its guest's ---- */

static void
on_binding (const struct binding_info *info, void *arg)
{
  struct telling *t = arg;
  struct history_run run, first = { .outcome = OUTCOME_OK };
  bool any = false;

  for (unsigned i = 0; info->history && history_run (info->history, i, &run);
       i++)
    {
      char text[200];

      if (any && run.outcome == first.outcome)
        continue;
      /* The first of all is told when it is not well. */
      if ((any || run.outcome != OUTCOME_OK)
          && run.at_ms + BEFORE_MS >= t->now_ms)
        {
          snprintf (text, sizeof (text), "%.80s: %s%s", info->scenario->name,
                    outcome_names[run.outcome],
                    any && run.outcome == OUTCOME_OK ? " again" : "");
          row (t, TIMELINE_CHECK, TIMELINE_MONOTONIC, run.at_ms, "scenario",
               text);
        }
      first = run;
      any = true;
    }
}

static void
on_happening (const struct happening *one, void *arg)
{
  struct telling *t = arg;
  char text[200];

  if (one->ms + BEFORE_MS < t->now_ms)
    return;
  snprintf (text, sizeof (text), "%s: %s", one->name, one->text);
  timeline_add (t->to, &(struct timeline_row){ .kind = TIMELINE_LIFECYCLE,
                                               .clock = TIMELINE_MONOTONIC,
                                               .ms = one->ms,
                                               .source = one->source,
                                               .what = text,
                                               .count = one->count,
                                               .guest_s = -1 });
}

/* A line may be late, and never early: the earliest counts, and how far the
 * next one is from it says how sure that is. */
static void
learn_offset (struct telling *t, double arrived_s, double guest_s)
{
  double offset = arrived_s - guest_s;

  if (isnan (t->first_s) || offset < t->first_s)
    {
      t->second_s = t->first_s;
      t->first_s = offset;
    }
  else if (isnan (t->second_s) || offset < t->second_s)
    t->second_s = offset;
}

static void
tell_event (struct telling *t, struct json_object *o)
{
  struct json_object *stamp = json_get (o, "stamp");
  int64_t at = json_get_int (o, "first_ms", 0);
  double guest_s = stamp ? json_object_get_double (stamp) : -1;
  char text[200];

  if (at <= 0)
    at = json_get_int (o, "last_ms", 0);
  if (at <= 0)
    return;
  if (guest_s > 0 && guest_s < 1e9)
    learn_offset (t, (double) at / 1000, guest_s);
  snprintf (text, sizeof (text), "%.24s: %.150s", str_of (o, "severity"),
            str_of (o, "title"));
  timeline_add (t->to,
                &(struct timeline_row){
                    .kind = TIMELINE_KERNEL,
                    .clock = TIMELINE_MONOTONIC,
                    .ms = (uint64_t) at,
                    .source = "console",
                    .what = text,
                    .count = (unsigned) json_get_int (o, "count", 1),
                    .guest_s = guest_s });
}

static void
tell_text (struct telling *t)
{
  CLEANUP_BUF struct buf lines = BUF_INIT (EVENTS_BYTES);
  struct texts *texts = t->a->all->env.diagnosis->texts;
  const char *nl;

  if (texts)
    texts_events (texts, t->a->inc.inc.uuid, &lines);
  for (const char *p = buf_str (&lines); (nl = strchr (p, '\n')); p = nl + 1)
    {
      CLEANUP_JSON_DOC struct json_doc *doc = NULL;

      if (json_parse (p, (size_t) (nl - p), JSON_WIRE, "event", EVENTS_BYTES,
                      &doc, NULL)
          == 0)
        tell_event (t, json_root (doc));
    }
}

/* ---- the guest's clock ---- */

/* A look at its memory read it; else what its lines had, when they came. */
static void
find_guest_clock (struct telling *t, struct json_object *facts)
{
  struct timeline_clocks *c = &t->clocks;
  double error_s = ONE_LINE_S;

  for (size_t i = 0; i < json_count (facts); i++)
    {
      struct json_object *f = json_object_array_get_idx (facts, i);
      const char *name = str_of (f, "name");
      double v = json_object_get_double (json_get (f, "value"));

      if (strcmp (str_of (f, "source"), "memory") != 0)
        continue;
      if (strcmp (name, "guest.clock_error_s") == 0)
        error_s = v;
      if (strcmp (name, "guest.clock_s") != 0 || !(v > 0 && v < 1e9))
        continue;
      c->knows_guest = true;
      c->guest_by = "memory";
      c->guest_offset_s = (double) json_get_int (f, "time_ms", 0) / 1000 - v;
    }
  c->guest_error_s = error_s;
  if (c->knows_guest || isnan (t->first_s))
    return;
  c->knows_guest = true;
  c->guest_by = "console";
  c->guest_offset_s = t->first_s;
  c->guest_error_s = isnan (t->second_s) ? ONE_LINE_S
                                         : t->second_s - t->first_s;
  if (c->guest_error_s < LEAST_ERROR_S)
    c->guest_error_s = LEAST_ERROR_S;
}

/* For `clock` of the manifest. */
static void
say_guest_clock (const struct timeline_clocks *c, struct json_object *head)
{
  struct json_object *o;

  if (!c->knows_guest)
    return;
  o = json_object_new_object ();
  json_object_object_add (o, "guest_offset_s",
                          json_object_new_double (c->guest_offset_s));
  json_object_object_add (o, "guest_error_s",
                          json_object_new_double (c->guest_error_s));
  json_add_str (o, "guest_by", c->guest_by);
  json_object_object_add (head, "guest_clock", o);
}

void
incident_tell_timeline (struct active *a, struct json_object *head,
                        struct buf *out)
{
  CLEANUP_TIMELINE struct timeline *to = NULL;
  struct telling t = { .a = a, .now_ms = clock_ms (),
                       .first_s = NAN, .second_s = NAN };

  if (timeline_new (&to, NULL) < 0)
    return;
  t.to = to;
  t.clocks.mono_to_wall = (int64_t) clock_wall_ms () - (int64_t) t.now_ms;
  tell_steps (&t);
  tell_acts (&t, json_get (head, "impact"));
  tell_collectors (&t, head);
  if (!incident_is_of_host (&a->inc))
    {
      bindings_each (a->all->env.bindings, a->inc.inc.uuid, on_binding, &t);
      happened_each (a->all->happened, a->inc.inc.uuid, on_happening, &t);
      tell_text (&t);
    }
  find_guest_clock (&t, json_get (head, "facts"));
  say_guest_clock (&t.clocks, head);
  timeline_write (to, &t.clocks, out);
}
