/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on scenarios as a whole: which there are, and pausing them.
 * control.h has what is asked and answered.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/layers.h"
#include "supervisor/watch/pauses.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "guests/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what ends when the disk has it ---- */

struct control_keeping
{
  struct answer *a; /* NULL: who asked has gone */
  struct json_object *last;
};

static void
keeping_gone (struct answer *a)
{
  ((struct control_keeping *) a->arg)->a = NULL;
}

struct control_keeping *
control_keep (struct answer *a, struct json_object *last)
{
  struct control_keeping *k = calloc (1, sizeof (*k));
  struct error err = ERROR_INIT;

  if (!k)
    {
      json_object_put (last);
      error_set (&err, ENOMEM, "no memory");
      answer_error (a, &err);
      return NULL;
    }
  *k = (struct control_keeping){ a, last };
  a->arg = k;
  a->gone = keeping_gone;
  return k;
}

void
control_kept (const struct error *why, void *keeping)
{
  struct control_keeping *k = keeping;

  json_add_bool (k->last, "kept", why == NULL);
  if (why)
    json_add_text (k->last, "why", error_text (why),
                   strlen (error_text (why)));
  if (k->a)
    {
      k->a->gone = NULL;
      answer_end (k->a, k->last);
    }
  else
    json_object_put (k->last);
  free (k);
}

static void
keep_not (struct control_keeping *k, const struct error *why)
{
  k->a->gone = NULL;
  answer_error (k->a, why);
  json_object_put (k->last);
  free (k);
}

/* ---- counting ---- */

struct tally
{
  const struct scenario *scenario;
  unsigned guests, by_health[HEALTH_FAILED + 1], paused, flapping;
  uint64_t until_ms; /* the first end of a pause, if all are paused */
  struct pauses *pauses;
};

static void
count (const struct binding_info *info, void *arg)
{
  struct tally *t = arg;
  struct pause pause;

  if (strcmp (info->scenario->name, t->scenario->name) != 0)
    return;
  t->guests++;
  t->by_health[info->health]++;
  t->flapping += info->flapping;
  if (!pauses_hold (t->pauses, info->guest->inc.uuid, info->scenario->name,
                    &pause))
    return;
  t->paused++;
  if (!t->until_ms || pause.until_wall_ms < t->until_ms)
    t->until_ms = pause.until_wall_ms;
}

/* ---- who has the built-in one no more ---- */

struct losing
{
  struct daemon *d;
  struct json_object *names;
  bool has; /* this guest */
};

static void
has_heartbeat (const struct binding_info *info, void *arg)
{
  struct losing *l = arg;

  l->has |= info->scenario->kind == &kind_memory_heartbeat;
}

static void
perhaps_lost (const struct guest *g, void *arg)
{
  struct losing *l = arg;

  l->has = false;
  bindings_each (l->d->bindings, g->inc.uuid, has_heartbeat, l);
  if (!l->has)
    json_object_array_add (l->names, json_object_new_string (g->display));
}

/* A scenario for all guests is all that it takes: nobody would think of it. */
static void
add_without (struct json_object *row, struct daemon *d)
{
  struct losing l = { .d = d, .names = json_object_new_array () };

  registry_each (d->registry, perhaps_lost, &l);
  json_object_object_add (row, "without", l.names);
}

/* ---- rows ---- */

struct listing
{
  struct answer *a;
  const char *uuid; /* NULL: of all guests */
  const char *name; /* NULL: all of them */
  unsigned shown;
};

static void
scenario_row (const struct layer_info *info, void *arg)
{
  struct listing *ls = arg;
  const struct scenario *s = info->scenario;
  struct tally t = { .scenario = s, .pauses = ls->a->d->pauses };
  struct json_object *row;

  if (ls->name && strcmp (ls->name, s->name) != 0)
    return;
  if (!info->shadowed)
    bindings_each (ls->a->d->bindings, ls->uuid, count, &t);
  if (ls->uuid && !t.guests)
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "scenario");
  json_add_str (row, "name", s->name);
  json_add_str (row, "kind", s->kind->name);
  json_add_text (row, "origin", info->origin, strlen (info->origin));
  json_add_str (row, "severity", scenario_severity_names[s->severity]);
  json_add_int (row, "interval_ms", (int64_t) s->interval_ms);
  json_add_int (row, "timeout_ms", (int64_t) s->timeout_ms);
  if (s->description)
    json_add_text (row, "description", s->description,
                   strlen (s->description));
  json_add_int (row, "guests", t.guests);
  json_add_int (row, "well", t.by_health[HEALTH_WELL]);
  json_add_int (row, "suspect", t.by_health[HEALTH_SUSPECT]);
  json_add_int (row, "failed", t.by_health[HEALTH_FAILED]);
  json_add_int (row, "unknown", t.by_health[HEALTH_UNKNOWN]);
  json_add_int (row, "paused", t.paused);
  json_add_int (row, "flapping", t.flapping);
  if (t.guests && t.paused == t.guests)
    json_add_int (row, "paused_until_ms", (int64_t) t.until_ms);
  if (info->who[0] || info->by[0])
    json_add_text (row, "bound_by", info->who[0] ? info->who : info->by,
                   strlen (info->who[0] ? info->who : info->by));
  if (info->shadowed)
    json_add_bool (row, "shadowed", true);
  if (info->fault[0])
    json_add_text (row, "fault", info->fault, strlen (info->fault));
  if (info->standby && !ls->uuid)
    add_without (row, ls->a->d);
  answer_row (ls->a, row);
  ls->shown++;
}

bool
control_scenario_row (struct answer *a, const char *name)
{
  struct listing ls = { .a = a, .name = name };

  layers_each (a->d->layers, scenario_row, &ls);
  return ls.shown > 0;
}

/* ---- pauses as rows ---- */

struct json_object *
control_pause_row (const struct pause *pause)
{
  struct json_object *row = json_object_new_object ();

  json_add_str (row, "row", "pause");
  json_add_text (row, "guest", pause->guest, strlen (pause->guest));
  json_add_str (row, "uuid", pause->uuid);
  json_add_text (row, "scenario", pause->scenario, strlen (pause->scenario));
  json_add_text (row, "who", pause->who, strlen (pause->who));
  json_add_text (row, "by", pause->by, strlen (pause->by));
  json_add_text (row, "reason", pause->reason, strlen (pause->reason));
  json_add_int (row, "since_ms", (int64_t) pause->since_wall_ms);
  json_add_int (row, "until_ms", (int64_t) pause->until_wall_ms);
  json_add_int (row, "left_ms", (int64_t) pause->left_ms);
  return row;
}

static void
pause_row (const struct pause *pause, void *arg)
{
  answer_row (arg, control_pause_row (pause));
}

static void
listed_pause (const struct pause *pause, void *arg)
{
  struct listing *ls = arg;

  if (!ls->uuid || !pause->uuid[0] || strcmp (pause->uuid, ls->uuid) == 0)
    answer_row (ls->a, control_pause_row (pause));
}

/* ---- scenarios, scenario-show ---- */

/* False when the answer is ended: a guest was named that is not there. */
static bool
guest_if_named (struct answer *a, const struct guest **ret)
{
  *ret = NULL;
  if (!json_get_str (a->head, "guest"))
    return true;
  *ret = answer_guest (a);
  return *ret != NULL;
}

void
op_scenarios (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = NULL;
  struct listing ls = { .a = a };

  (void) f;
  if (!guest_if_named (a, &g))
    return;
  ls.uuid = g ? g->inc.uuid : NULL;
  layers_each (a->d->layers, scenario_row, &ls);
  pauses_each (a->d->pauses, listed_pause, &ls);
  answer_end (a, NULL);
}

struct names
{
  const char *list[33];
  unsigned n;
};

static void
add_name (const struct layer_info *info, void *arg)
{
  struct names *names = arg;

  if (names->n < ARRAY_LEN (names->list) - 1)
    names->list[names->n++] = info->scenario->name;
}

/* A scenario that has to be there; false when the answer is ended. */
static bool
scenario_there (struct answer *a, const char *name, struct layer_info *ret)
{
  struct error err = ERROR_INIT;
  struct names names = { .n = 0 };
  char near[160];

  if (name && layers_find (a->d->layers, name, ret))
    return true;
  layers_each (a->d->layers, add_name, &names);
  if (name)
    error_set (&err, ENOENT,
               "there is no scenario \"%.63s\"%s; `hangdog scenario list` "
               "shows them",
               name,
               text_did_you_mean (near, sizeof (near), name, names.list));
  else
    error_set (&err, EINVAL, "which scenario?");
  answer_error (a, &err);
  return false;
}

void
op_scenario_show (struct answer *a, struct frame *f)
{
  struct layer_info info;
  struct json_object *row;

  (void) f;
  if (!scenario_there (a, json_get_str (a->head, "scenario"), &info))
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "document");
  json_add_str (row, "name", info.scenario->name);
  json_add_text (row, "origin", info.origin, strlen (info.origin));
  if (info.who[0] || info.by[0])
    json_add_text (row, "bound_by", info.who[0] ? info.who : info.by,
                   strlen (info.who[0] ? info.who : info.by));
  json_object_object_add (row, "document", scenario_to_json (info.scenario));
  answer_row (a, row);
  answer_end (a, NULL);
}

/* ---- scenario-pause, scenario-resume ---- */

struct held
{
  struct pauses *pauses;
  const char *uuid, *scenario; /* NULL: any */
  unsigned n;
};

static void
count_held (const struct binding_info *info, void *arg)
{
  struct held *h = arg;

  h->n += info->paused
          && (!h->scenario
              || strcmp (h->scenario, info->scenario->name) == 0);
}

static unsigned
held (struct answer *a, const char *uuid, const char *scenario)
{
  struct held h = { a->d->pauses, uuid, scenario, 0 };

  bindings_each (a->d->bindings, uuid, count_held, &h);
  return h.n;
}

static void
text_of (struct answer *a, const char *key, char *dst, size_t n)
{
  const char *s = json_get_str (a->head, key);

  snprintf (dst, n, "%.*s", (int) n - 1, s ? s : "");
}

void
op_scenario_pause (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = NULL;
  const char *name = json_get_str (a->head, "scenario");
  int64_t seconds = json_get_int (a->head, "seconds", 0);
  struct pause p = { .left_ms = 0 };
  struct layer_info info;
  struct control_keeping *k;
  struct json_object *last;
  struct error err = ERROR_INIT;

  (void) f;
  if (!guest_if_named (a, &g)
      || (name && !scenario_there (a, name, &info)))
    return;
  if (g)
    {
      snprintf (p.uuid, sizeof (p.uuid), "%s", g->inc.uuid);
      snprintf (p.guest, sizeof (p.guest), "%.63s", g->display);
    }
  snprintf (p.scenario, sizeof (p.scenario), "%.63s", name ? name : "");
  snprintf (p.by, sizeof (p.by), "%s", a->by);
  text_of (a, "who", p.who, sizeof (p.who));
  text_of (a, "reason", p.reason, sizeof (p.reason));
  last = json_object_new_object ();
  k = control_keep (a, last);
  if (!k)
    return;
  if (pauses_add (a->d->pauses, &p, seconds > 0 ? (uint64_t) seconds : 0,
                  &err)
      < 0)
    {
      keep_not (k, &err);
      return;
    }
  answer_row (a, control_pause_row (&p));
  json_add_int (last, "bindings", held (a, g ? p.uuid : NULL, name));
  pauses_keep (a->d->pauses, control_kept, k);
}

void
op_scenario_resume (struct answer *a, struct frame *f)
{
  CLEANUP_GUEST const struct guest *g = NULL;
  const char *name = json_get_str (a->head, "scenario");
  const char *uuid;
  struct control_keeping *k;
  struct json_object *last;
  unsigned ended;

  (void) f;
  if (!guest_if_named (a, &g))
    return;
  uuid = g ? g->inc.uuid : NULL;
  last = json_object_new_object ();
  k = control_keep (a, last);
  if (!k)
    return;
  ended = pauses_end (a->d->pauses, uuid, name, pause_row, a);
  json_add_int (last, "ended", ended);
  json_add_int (last, "still", held (a, uuid, name));
  if (ended)
    pauses_keep (a->d->pauses, control_kept, k);
  else
    control_kept (NULL, k);
}
