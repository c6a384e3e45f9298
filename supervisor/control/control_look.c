/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that only look: list, status, incidents, tables.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/links/keeper_link.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/pauses.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "config.h"
#include "diag/collector.h"
#include "scenarios/history.h"
#include "scenarios/scenario.h"
#include "transports/console/hub.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void daemon_row (struct answer *a);

/* ---- list ---- */

static void
list_guest (const struct guest *g, void *arg)
{
  struct answer *a = arg;
  struct json_object *row = guest_to_json (g);

  json_add_str (row, "row", "guest");
  control_add_word (a->d, g, row);
  answer_row (a, row);
}

static void
source_rows (struct answer *a)
{
  for (unsigned i = 0; i < a->d->nsources; i++)
    {
      struct running_source *s = &a->d->sources[i];
      struct json_object *row = json_object_new_object ();
      struct buf text = BUF_INIT (2048);

      if (s->self)
        s->ops->describe (s->self, &text);
      while (text.len && text.data[text.len - 1] == '\n')
        text.data[--text.len] = '\0';
      json_add_str (row, "row", "source");
      json_add_str (row, "source", s->what);
      json_add_bool (row, "healthy", s->self && s->ops->healthy (s->self));
      json_add_text (row, "state", s->self ? buf_str (&text) : s->failed,
                     s->self ? text.len : strlen (s->failed));
      answer_row (a, row);
      buf_done (&text);
    }
}

struct doubles
{
  struct answer *a;
  const char *uuid, *source; /* uuid NULL: of all guests */
};

static void
double_row (const struct guest_double *g, void *arg)
{
  struct doubles *all = arg;
  struct json_object *row;
  char says[400];

  if (all->uuid && strcmp (all->uuid, g->uuid) != 0)
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "claimed-twice");
  json_add_str (row, "uuid", g->uuid);
  json_add_str (row, "display", g->name);
  json_add_str (row, "health", "claimed-twice");
  json_add_str (row, "run", guest_run_names[g->running ? GUEST_RUNNING
                                                       : GUEST_OFF]);
  json_add_str (row, "source", all->source);
  json_add_str (row, "watched", g->taken);
  snprintf (says, sizeof (says),
            "its uuid is claimed twice: %s is watched for it, this one is "
            "not%s",
            g->taken, g->running ? "; give one of them another uuid" : "");
  json_add_text (row, "says", says, strlen (says));
  answer_row (all->a, row);
}

static void
double_rows (struct answer *a, const char *uuid)
{
  for (unsigned i = 0; i < a->d->nsources; i++)
    {
      struct running_source *s = &a->d->sources[i];
      struct doubles all = { a, uuid, s->what };

      if (s->self && s->ops->doubles)
        s->ops->doubles (s->self, double_row, &all);
    }
}

void
op_list (struct answer *a, struct frame *f)
{
  daemon_row (a);
  registry_each (a->d->registry, list_guest, a);
  double_rows (a, NULL);
  source_rows (a);
  answer_end (a, NULL);
}

/* ---- status ---- */

struct status
{
  struct answer *a;
  const char *uuid;
  struct control_mute mute;
};

static struct json_object *
ago (uint64_t now, uint64_t then)
{
  return then ? json_object_new_int64 ((int64_t) (now - then)) : NULL;
}

static void
console_row (const struct console_info *info, void *arg)
{
  struct status *st = arg;
  struct json_object *row;
  uint64_t now = loop_now (st->a->d->loop);

  if (st->uuid && strcmp (info->uuid, st->uuid) != 0)
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "console");
  json_add_str (row, "uuid", info->uuid);
  json_add_str (row, "guest", info->guest);
  json_add_str (row, "name", info->name);
  json_add_str (row, "kind", console_kind_names[info->kind]);
  json_add_str (row, "mode", console_mode_names[info->mode]);
  json_add_str (row, "state", console_state_names[info->state]);
  json_object_object_add (row, "state_ms", ago (now, info->state_since_ms));
  json_object_object_add (row, "quiet_ms", ago (now, info->last_byte_ms));
  json_add_int (row, "bytes", (int64_t) info->bytes);
  json_add_int (row, "log_dropped", (int64_t) info->log_dropped);
  json_add_int (row, "connects", (int64_t) info->connects);
  json_add_int (row, "ring", (int64_t) info->ring_bytes);
  json_add_text (row, "holder", info->holder, strlen (info->holder));
  json_add_text (row, "detail", info->detail, strlen (info->detail));
  answer_row (st->a, row);
}

/* What its text says; of all guests only where that is worth a line. */
static void
text_row (const struct texts_look *look, void *arg)
{
  struct status *st = arg;
  CLEANUP_GUEST const struct guest *g = NULL;
  struct json_object *row;
  uint64_t now = clock_ms ();

  if (!st->uuid && !look->event_ms && look->stage->stop == STOP_NONE
      && !look->stats.gaps)
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "text");
  json_add_str (row, "uuid", look->uuid);
  if (registry_find (st->a->d->registry, look->uuid, &g, NULL) < 0)
    g = NULL;
  json_add_str (row, "guest", g ? g->display : look->uuid);
  json_add_str (row, "console", look->console);
  json_add_str (row, "stage", text_stage_names[look->stage->stage]);
  json_object_object_add (row, "stage_ms", ago (now, look->stage->since_ms));
  json_add_str (row, "stop", look->stage->stop == STOP_NONE
                                 ? ""
                                 : text_stop_names[look->stage->stop]);
  json_add_text (row, "release", look->stage->release,
                 strlen (look->stage->release));
  json_add_int (row, "boots", look->stage->boots);
  json_add_int (row, "events", look->events);
  json_add_str (row, "kind", look->kind);
  json_add_text (row, "title", look->title, strlen (look->title));
  json_object_object_add (row, "event_ms", ago (now, look->event_ms));
  if (look->event_ms)
    json_add_str (row, "severity", text_severity_names[look->severity]);
  json_add_str (row, "note", look->note);
  json_add_int (row, "lines", (int64_t) look->stats.lines);
  json_add_int (row, "gaps", (int64_t) look->stats.gaps);
  json_add_int (row, "lost", (int64_t) look->stats.lost_bytes);
  answer_row (st->a, row);
}

void
control_add_value (struct json_object *row, const struct outcome_report *last)
{
  if (isfinite (last->value))
    json_object_object_add (row, "value",
                            json_object_new_double (last->value));
}

static struct json_object *
history_json (const struct history *h, uint64_t now, bool times)
{
  struct json_object *o = json_object_new_object (), *at;
  struct history_sum sum;
  struct history_run run;

  history_sum (h, &sum);
  json_add_str (o, "runs", sum.text);
  json_object_object_add (o, "since_ms", ago (now, sum.since_ms));
  json_object_object_add (o, "last_ms", ago (now, sum.last_ms));
  if (sum.answered)
    {
      json_object_object_add (o, "availability",
                              json_object_new_double (sum.availability));
      json_add_int (o, "p50_ms", (int64_t) sum.p50_ms);
      json_add_int (o, "p90_ms", (int64_t) sum.p90_ms);
      json_add_int (o, "p99_ms", (int64_t) sum.p99_ms);
      json_add_int (o, "max_ms", (int64_t) sum.max_ms);
    }
  if (!times)
    return o;
  at = json_object_new_array ();
  for (unsigned i = 0; history_run (h, i, &run); i++)
    json_object_array_add (at,
                           json_object_new_int64 ((int64_t) (now - run.at_ms)));
  json_object_object_add (o, "times_ms", at);
  return o;
}

static void
binding_row (const struct binding_info *info, void *arg)
{
  struct status *st = arg;
  struct answer *a = st->a;
  struct json_object *row;
  uint64_t now = loop_now (a->d->loop);

  if (!st->uuid && control_mute (&st->mute, info))
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "scenario");
  json_add_str (row, "uuid", info->guest->inc.uuid);
  json_add_str (row, "guest", info->guest->display);
  json_add_str (row, "scenario", info->scenario->name);
  json_add_str (row, "kind", info->scenario->kind->name);
  json_add_bool (row, "builtin", info->builtin);
  json_add_str (row, "health", health_names[info->health]);
  json_object_object_add (row, "health_ms",
                          ago (now, info->health_since_ms));
  json_add_int (row, "failures", info->failures);
  json_add_bool (row, "running", info->running);
  json_add_str (row, "held_off", info->held_off);
  json_add_int (row, "next_ms",
                (int64_t) (info->next_ms > now ? info->next_ms - now : 0));
  json_object_object_add (row, "last_ms", ago (now, info->last_ms));
  if (info->last)
    {
      json_add_str (row, "outcome", outcome_names[info->last->outcome]);
      json_add_str (row, "code", info->last->code);
      json_add_text (row, "sentence", info->last->sentence,
                     strlen (info->last->sentence));
      json_add_str (row, "transport", info->last->transport);
      if (info->last->ntried)
        json_object_object_add (row, "tried", control_tried (info->last));
      json_add_int (row, "took_ms", (int64_t) info->last->took_ms);
      control_add_value (row, info->last);
    }
  json_add_int (row, "runs", (int64_t) info->runs);
  json_add_int (row, "ok", (int64_t) info->ok);
  json_add_int (row, "failed", (int64_t) info->failed);
  json_add_int (row, "no_verdict", (int64_t) info->no_verdict);
  json_add_int (row, "skipped", (int64_t) info->skipped);
  json_add_int (row, "worst_late_ms", (int64_t) info->worst_late_ms);
  json_add_bool (row, "paused", info->paused);
  json_add_bool (row, "flapping", info->flapping);
  json_add_int (row, "flap_percent", info->flap_percent);
  json_object_object_add (row, "history",
                          history_json (info->history, now, st->uuid != NULL));
  answer_row (a, row);
}

static struct json_object *
incident_row (const struct incident_info *info)
{
  struct json_object *row = incident_to_json (info->incident);

  json_add_str (row, "row", "incident");
  json_add_bool (row, "collecting", info->collecting);
  json_add_bool (row, "waiting", info->waiting);
  json_add_bool (row, "perhaps_rebooted", info->perhaps_rebooted);
  json_add_bool (row, "flapping", info->flapping);
  json_add_int (row, "flaps", info->flaps);
  if (info->incident->repeats)
    json_add_int (row, "repeats", info->incident->repeats);
  if (info->incident->repeat_of[0])
    json_add_str (row, "repeat_of", info->incident->repeat_of);
  if (info->incident->no_bundle[0])
    json_add_text (row, "no_bundle", info->incident->no_bundle,
                   strlen (info->incident->no_bundle));
  if (info->children)
    {
      json_add_int (row, "children", info->children);
      json_object_object_add (row, "child_incidents",
                              json_object_get (info->child_list));
    }
  json_add_str (row, "bundle", info->bundle);
  json_add_str (row, "shipped", info->shipped);
  return row;
}

static void
status_incident (const struct incident_info *info, void *arg)
{
  struct status *st = arg;

  if (!st->uuid
      || incidents_concerns (st->a->d->incidents, info->incident, st->uuid))
    answer_row (st->a, incident_row (info));
}

static void
status_pause (const struct pause *pause, void *arg)
{
  struct status *st = arg;

  if (!st->uuid || !pause->uuid[0] || strcmp (pause->uuid, st->uuid) == 0)
    answer_row (st->a, control_pause_row (pause));
}

/* A job beyond its deadline is worth a row: which lane, since when. */
static void
stuck_row (const struct job_info *info, void *arg)
{
  struct status *st = arg;
  CLEANUP_GUEST const struct guest *g = NULL;
  struct json_object *row;
  uint64_t now = clock_ms ();

  if (!info->discarded && now < info->deadline_ms)
    return;
  if (st->uuid && strcmp (info->guest, st->uuid) != 0)
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "stuck");
  json_add_str (row, "uuid", info->guest);
  if (registry_find (st->a->d->registry, info->guest, &g, NULL) < 0)
    g = NULL;
  json_add_str (row, "guest", g ? g->display : info->guest);
  json_add_str (row, "lane", info->lane);
  json_add_str (row, "job", info->name);
  json_add_int (row, "since_ms", (int64_t) (now - info->started_ms));
  answer_row (st->a, row);
}

/* What the keeper is stuck in when it opens for us. */
static void
stuck_folder_rows (struct answer *a)
{
  const struct stuck_folder *f;
  uint64_t now = clock_ms ();
  unsigned n;

  f = keeper_link_stuck (a->d->keeper, &n);
  for (unsigned i = 0; i < n; i++)
    {
      struct json_object *row = json_object_new_object ();
      char job[sizeof (f->folder) + 8];

      snprintf (job, sizeof (job), "open in %s", f[i].folder);
      json_add_str (row, "row", "stuck");
      json_add_str (row, "uuid", "host");
      json_add_str (row, "lane", "open");
      json_add_text (row, "job", job, strlen (job));
      json_add_int (row, "since_ms", (int64_t) (now - f[i].since_ms));
      answer_row (a, row);
    }
}

static void
daemon_row (struct answer *a)
{
  struct json_object *row = json_object_new_object ();
  struct job_stats js;
  struct bindings_late late;

  job_pool_stats (a->d->jobs, &js);
  json_add_str (row, "row", "daemon");
  json_add_str (row, "version", PACKAGE_VERSION);
  json_add_int (row, "up_ms",
                (int64_t) (loop_now (a->d->loop) - a->d->started_ms));
  json_add_bool (row, "drain_only", a->d->drain_only);
  if (a->d->loading && !a->d->playbooks_known)
    json_add_bool (row, "loading", true);
  json_add_bool (row, "writer", writer_link_connected (a->d->writer));
  if (a->d->not_loaded[0])
    json_add_text (row, "not_loaded", a->d->not_loaded,
                   strlen (a->d->not_loaded));
  if (a->d->bad_rules[0])
    json_add_text (row, "bad_rules", a->d->bad_rules,
                   strlen (a->d->bad_rules));
  if (a->d->bad_playbooks[0])
    json_add_text (row, "bad_playbooks", a->d->bad_playbooks,
                   strlen (a->d->bad_playbooks));
  writer_state_row (&a->d->writer_state, row, clock_ms ());
  json_add_int (row, "guests", (int64_t) registry_count (a->d->registry));
  json_add_int (row, "bindings", (int64_t) bindings_count (a->d->bindings));
  bindings_late (a->d->bindings, &late);
  json_add_int (row, "late_p50_ms", (int64_t) late.p50_ms);
  json_add_int (row, "late_p99_ms", (int64_t) late.p99_ms);
  json_add_int (row, "late_max_ms", (int64_t) late.max_ms);
  json_add_int (row, "jobs", js.running);
  json_add_int (row, "jobs_stuck", js.discarded);
  json_add_int (row, "log_dropped",
                (int64_t) writer_link_log_dropped (a->d->writer));
  answer_row (a, row);
}

/* What is no guest's trouble: outcomes that did not count. */
#define HOST_ROW_MS (10u * 60 * 1000)

static void
host_row (struct answer *a)
{
  struct bindings_spared spared;
  struct json_object *row;

  if (!bindings_spared (a->d->bindings, HOST_ROW_MS, &spared))
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "host");
  json_add_str (row, "code", spared.code);
  json_add_text (row, "says", spared.says, strlen (spared.says));
  json_add_int (row, "ago_ms", (int64_t) spared.ago_ms);
  json_add_int (row, "lasted_ms", (int64_t) spared.lasted_ms);
  json_add_int (row, "guests", spared.guests);
  answer_row (a, row);
}

static void
status_beat (const struct guest *g, void *arg)
{
  struct status *st = arg;

  if (!st->uuid || strcmp (st->uuid, g->inc.uuid) == 0)
    control_beat_row (st->a, g, !st->uuid);
}

static void
status_guest (const struct guest *g, void *arg)
{
  struct status *st = arg;
  struct json_object *row;

  if (st->uuid && strcmp (g->inc.uuid, st->uuid) != 0)
    return;
  row = guest_to_json (g);
  json_add_str (row, "row", "guest");
  control_add_word (st->a->d, g, row);
  answer_row (st->a, row);
}

void
op_status (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = NULL;
  struct status st = { .a = a };

  if (json_get_str (a->head, "guest"))
    {
      g = answer_guest (a);
      if (!g)
        return;
      st.uuid = g->inc.uuid;
    }
  daemon_row (a);
  host_row (a);
  if (!g)
    source_rows (a);
  registry_each (a->d->registry, status_guest, &st);
  double_rows (a, st.uuid);
  hub_each (a->d->hub, console_row, &st);
  texts_each (a->d->texts, st.uuid, text_row, &st);
  registry_each (a->d->registry, status_beat, &st);
  bindings_each (a->d->bindings, st.uuid, binding_row, &st);
  control_mute_row (a, &st.mute);
  pauses_each (a->d->pauses, status_pause, &st);
  if (g)
    control_reach_rows (a, st.uuid);
  incidents_each (a->d->incidents, status_incident, &st);
  job_each (a->d->jobs, stuck_row, &st);
  if (!g)
    stuck_folder_rows (a);
  answer_end (a, NULL);
}

/* ---- incidents ---- */

void
op_incidents (struct answer *a, struct frame *f)
{
  struct status st = { .a = a };

  incidents_each (a->d->incidents, status_incident, &st);
  answer_end (a, NULL);
}

/* ---- tables: what this build has ---- */

static void
table_row (struct answer *a, const char *table, const char *name,
           const char *summary, const char *touches)
{
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "table", table);
  json_add_str (row, "name", name);
  json_add_str (row, "summary", summary);
  if (touches)
    json_add_str (row, "touches", touches);
  answer_row (a, row);
}

void
op_tables (struct answer *a, struct frame *f)
{
  for (unsigned i = 0; guest_sources[i]; i++)
    table_row (a, "source", guest_sources[i]->name, guest_sources[i]->summary,
               NULL);
  for (unsigned i = 0; transports[i]; i++)
    table_row (a, "transport", transports[i]->name, transports[i]->summary,
               transports[i]->touches);
  for (unsigned i = 0; scenario_kinds[i]; i++)
    table_row (a, "scenario-kind", scenario_kinds[i]->name,
               scenario_kinds[i]->summary, NULL);
  for (unsigned i = 0; collectors[i]; i++)
    table_row (a, "collector", collectors[i]->name, collectors[i]->summary,
               collect_touch_names[collectors[i]->touch]);
  for (unsigned i = 0; i < a->d->playbooks->n; i++)
    table_row (a, "playbook", a->d->playbooks->list[i]->name,
               a->d->playbooks->list[i]->summary, NULL);
  for (unsigned i = 0; verdict_classes[i]; i++)
    table_row (a, "class", verdict_classes[i], "", NULL);
  answer_end (a, NULL);
}
