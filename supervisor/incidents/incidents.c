/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of incidents, and looking at it.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/happened.h"
#include "supervisor/incidents/incidents_impl.h"
#include "supervisor/incidents/turns.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/json.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

static void
active_free (struct active *a)
{
  diagnosis_free (a->diagnosis);
  incident_watchers_free (a);
  incident_steps_forget (a);
  guest_unref (a->guest);
  free (a);
}

void
incident_remove (struct active *a)
{
  struct active **p = &a->all->first;

  while (*p != a)
    p = &(*p)->next;
  *p = a->next;
  a->all->count--;
  active_free (a);
}

struct active *
incidents_by_id (struct incidents *in, const char *id)
{
  for (struct active *a = in->first; a; a = a->next)
    if (strcmp (a->inc.id, id) == 0)
      return a;
  return NULL;
}

struct active *
incidents_standing_of (struct incidents *in, const char *uuid)
{
  for (struct active *a = in->first; a; a = a->next)
    if (a->stand != STAND_NOT && strcmp (a->inc.inc.uuid, uuid) == 0)
      return a;
  return NULL;
}

/* Old ones that are done and do not stand are only kept for `status`.  One
 * that the writer has still to answer for must stay: the answer comes back to
 * it. */
bool
incidents_room (struct incidents *in)
{
  struct active *oldest = NULL;

  if (in->count < MAX_INCIDENTS)
    return true;
  for (struct active *a = in->first; a; a = a->next)
    if (a->stand == STAND_NOT && a->life == LIFE_DONE && a->awaited == 0
        && !incident_act_open (&a->inc, NULL))
      oldest = a; /* the list has the newest first */
  if (oldest)
    incident_remove (oldest);
  return oldest != NULL;
}

/* The newest first; a new one is the newest, whatever its clock says. */
static void
insert (struct incidents *in, struct active *a)
{
  struct active **p = &in->first;

  if (in->listing)
    while (*p && (*p)->inc.opened_wall_ms > a->inc.opened_wall_ms)
      p = &(*p)->next;
  a->next = *p;
  *p = a;
  in->count++;
}

struct active *
incidents_add (struct incidents *in, const struct incident *inc,
               const struct guest *g)
{
  struct active *a;

  if (!incidents_room (in) || !(a = calloc (1, sizeof (*a))))
    return NULL;
  a->all = in;
  a->inc = *inc;
  a->life = LIFE_WRITING;
  a->stand = STAND_NOT;
  if (g)
    a->guest = guest_ref (g);
  insert (in, a);
  return a;
}

void
incident_tell (struct incident *inc, const char *playbook,
               const struct cause *cause)
{
  snprintf (inc->scenario, sizeof (inc->scenario), "%s", cause->scenario);
  snprintf (inc->code, sizeof (inc->code), "%s", cause->code);
  snprintf (inc->reason, sizeof (inc->reason), "%s", cause->sentence);
  if (playbook)
    snprintf (inc->playbook, sizeof (inc->playbook), "%s", playbook);
}

struct active *
incidents_new_one (struct incidents *in, const struct guest *g,
                   const char *playbook, const struct cause *cause)
{
  struct incident inc = { .inc = g->inc,
                          .phase = INCIDENT_OPEN,
                          .opened_wall_ms = clock_wall_ms () };

  incident_new_id (inc.id);
  snprintf (inc.guest, sizeof (inc.guest), "%s", g->display);
  incident_tell (&inc, playbook, cause);
  return incidents_add (in, &inc, g);
}

/* ---- making and unmaking ---- */

/* Whoever was not found by now will not be: what waits for it goes on
 * without. */
static void
found_due (struct timer *t, void *arg)
{
  incidents_orphans (arg);
  incidents_pump (arg);
}

int
incidents_new (const struct incidents_env *env, struct incidents **ret,
               struct error *err)
{
  struct incidents *in = calloc (1, sizeof (*in));
  int r;

  if (!in)
    return error_set (err, ENOMEM, "no memory for incidents");
  in->env = *env;
  in->playbooks = playbook_set_ref (env->playbooks);
  in->max_begun = MAX_BEGUN;
  in->max_bundles = MAX_BUNDLES;
  in->repeat_ms = env->repeat_ms;
  in->found_by_ms = loop_now (env->loop) + FIND_GUESTS_MS;
  r = loop_timer (env->loop, "guests of open incidents", found_due, in,
                  &in->found, err);
  if (r == 0)
    r = incidents_remember (in, err);
  if (r == 0)
    r = incidents_host_new (in, err);
  if (r == 0)
    r = incidents_acts_new (in, err);
  if (r == 0)
    r = incidents_life_new (in, err);
  if (r == 0)
    r = turns_new (env->max_diagnoses, &in->turns, err);
  if (r == 0)
    r = happened_new (env->bus, &in->happened, err);
  if (r == 0 && !env->drain_only)
    r = incidents_hear (in, err);
  if (r < 0)
    {
      incidents_free (in);
      return r;
    }
  timer_at (in->found, in->found_by_ms);
  *ret = in;
  return 0;
}

void
incidents_limit (struct incidents *in, unsigned max_diagnoses)
{
  in->env.max_diagnoses = max_diagnoses;
  turns_limit (in->turns, max_diagnoses);
}

void
incidents_playbooks (struct incidents *in, struct playbook_set *playbooks)
{
  playbook_set_ref (playbooks);
  playbook_set_unref (in->playbooks);
  in->playbooks = playbooks;
  in->playbooks_read = true;
  incidents_pump (in);
}

void
incidents_free (struct incidents *in)
{
  if (!in)
    return;
  happened_free (in->happened);
  fact_unsubscribe (in->heard);
  fact_unsubscribe (in->staged);
  while (in->first)
    incident_remove (in->first);
  timer_free (in->found);
  timer_free (in->again);
  timer_free (in->together);
  timer_free (in->undo);
  timer_free (in->disk);
  turns_free (in->turns);
  playbook_set_unref (in->playbooks);
  free (in);
}

/* ---- on their way to the controller ---- */

void
incidents_shipped (struct incidents *in, const char *id, const char *sink)
{
  struct active *a = incidents_by_id (in, id);

  if (!a)
    return;
  incident_is_shipped (a);
  /* Once: what is noted is news, which is sent, too. */
  if (incident_has_moment (&a->inc, MOMENT_SHIPPED, sink))
    return;
  incident_moment (a, MOMENT_SHIPPED, sink);
  incident_put (a);
}

void
incident_is_shipped (struct active *a)
{
  snprintf (a->shipped, sizeof (a->shipped), "shipped");
}

void
incidents_parked (struct incidents *in, const char *id, const char *why)
{
  struct active *a = incidents_by_id (in, id);

  if (a)
    snprintf (a->shipped, sizeof (a->shipped), "parked: %.140s", why);
}

/* ---- looking ---- */

void
incidents_each (struct incidents *in,
                void (*fn) (const struct incident_info *info, void *arg),
                void *arg)
{
  for (struct active *a = in->first; a; a = a->next)
    {
      struct incident_info info = {
        .incident = &a->inc,
        .collecting = a->life >= LIFE_COUNTING && a->life <= LIFE_PACKING,
        .waiting = a->life == LIFE_WAITING,
        .perhaps_rebooted
        = a->perhaps_rebooted && a->stand != STAND_NOT,
        .flapping = a->flapping && a->stand != STAND_NOT,
        .flaps = a->flaps,
        .children = incident_children (a),
        .child_list = incident_children_json (a),
        .bundle = a->bundle,
        .shipped = a->shipped,
      };

      fn (&info, arg);
      json_object_put (info.child_list);
    }
}

const struct incident *
incidents_standing (struct incidents *in, const char *uuid)
{
  struct active *a = incidents_standing_of (in, uuid);

  return a && a->stand == STAND_FIRM ? &a->inc : NULL;
}
