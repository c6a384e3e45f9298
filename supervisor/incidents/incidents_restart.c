/* SPDX-License-Identifier: Apache-2.0
 *
 * After a restart: what the spool has is known again.  What had not ended
 * stands, so that one hang is told once; what was being diagnosed is taken up;
 * of the others it is known how they ended.
 */
#include "supervisor/incidents/incidents_impl.h"

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MS 30000
#define AGAIN_MS 5000
#define MAX_TRIES 5

static void
find_guest (const struct guest *g, void *arg)
{
  struct active *a = arg;

  if (!a->guest && incarnation_equal (&a->inc.inc, &g->inc))
    a->guest = guest_ref (g);
}

static enum stand
stand_as (const struct incident *inc)
{
  return incident_in_doubt (inc) ? STAND_SUSPECTED : STAND_FIRM;
}

/* As if this daemon had done all that was to be done. */
static struct active *
resurrect (struct incidents *in, const struct incident *inc)
{
  struct active *a = incidents_add (in, inc, NULL);

  if (!a)
    return NULL;
  a->life = LIFE_DONE;
  a->inc.phase = INCIDENT_PACKED;
  incident_acts_recall (a);
  return a;
}

/* Before it stands: a guest that was found already is put into its life again,
 * which is no new one. */
static void
recall (struct active *a)
{
  if (incident_is_of_host (&a->inc))
    return;
  registry_recall (a->all->env.registry, &a->inc.inc);
  registry_each (a->all->env.registry, find_guest, a);
}

/* Does another one stand for the same? */
static bool
is_taken (const struct active *a)
{
  if (!incident_is_of_host (&a->inc))
    return incidents_standing_of (a->all, a->inc.inc.uuid);
  for (const struct active *x = a->all->first; x; x = x->next)
    if (x->stand != STAND_NOT && incident_is_of_host (&x->inc)
        && strcmp (x->inc.key, a->inc.key) == 0)
      return true;
  return false;
}

/* One hang is told once: what had not ended stands again.  Of one guest that
 * is the newest: another's end did not get to the disk. */
static void
perhaps_stands (struct active *a)
{
  if (a->stand != STAND_NOT || a->inc.end != INCIDENT_NOT_ENDED
      || incident_is_by (&a->inc, BY_ORDER, CODE_ORDERED))
    return;
  recall (a);
  if (!is_taken (a))
    a->stand = stand_as (&a->inc);
  else if (a->life == LIFE_DONE)
    {
      a->inc.end = INCIDENT_REPLACED;
      incident_moment (a, MOMENT_REPLACED, NULL);
      incident_put (a);
    }
}

/* ---- what the writer has ---- */

static void
on_its_way (struct active *a, struct json_object *head)
{
  const char *place = json_get_str (head, "place");
  const char *path = json_get_str (head, "path");
  const char *why = json_get_str (head, "why");

  snprintf (a->bundle, sizeof (a->bundle), "%s", path ? path : "");
  if (place && strcmp (place, "sent") == 0)
    incident_is_shipped (a);
  else if (place && strcmp (place, "parked") == 0)
    incidents_parked (a->all, a->inc.id, why ? why : "");
}

/* Still being collected: taken up again, once all are known. */
static void
take_up (struct active *a)
{
  log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
             "incident %s was being diagnosed when hangdog stopped: taken up "
             "again",
             a->inc.id);
  recall (a);
  incident_step (a, STEP_TAKEN_UP);
}

static void
on_incident (struct incidents *in, struct frame *frame)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  const char *place = json_get_str (frame->head, "place");
  struct error why = ERROR_INIT;
  struct incident inc;
  struct active *a;

  if (json_parse (frame->body, frame->body_len, JSON_WIRE, "incident.json",
                  JSON_MAX_FILE, &doc, &why)
          < 0
      || incident_from_json (json_root (doc), &inc, &why) < 0)
    {
      log_error ("incident %.40s of the spool can't be read: %s",
                 json_get_str (frame->head, "incident"), error_text (&why));
      return;
    }
  /* Ours, or told in a list that broke off. */
  if (incidents_by_id (in, inc.id))
    return;
  a = resurrect (in, &inc);
  if (!a)
    return;
  if (place && strcmp (place, "open") == 0)
    take_up (a);
  else
    on_its_way (a, frame->head);
}

/* What was done to a guest in a life that has not ended is of the life that it
 * has now. */
static void
recall_acts (struct active *a)
{
  if (incident_act_open (&a->inc, NULL) && a->inc.end != INCIDENT_REBOOTED
      && a->inc.end != INCIDENT_REPLACED)
    recall (a);
}

static void
all_told (struct incidents *in)
{
  in->listing = false;
  for (struct active *a = in->first; a; a = a->next)
    recall_acts (a);
  for (struct active *a = in->first; a; a = a->next)
    perhaps_stands (a);
  incidents_known (in);
  incidents_pump (in);
}

/* Whoever goes on without it tells each hang once more: so it is asked again,
 * but not for ever, since a host whose disk is dead is watched, too. */
static void
not_told (struct incidents *in, const struct error *why)
{
  in->listing = false;
  /* The writer died: its successor is asked again. */
  if (writer_link_broke (why->code))
    return;
  log_warn ("what the spool has is not known: %s", error_text (why));
  if (++in->tries < MAX_TRIES)
    timer_in (in->again, AGAIN_MS);
  else
    all_told (in);
}

static void
on_answer (struct frame *frame, const struct error *err, void *arg)
{
  struct incidents *in = arg;

  if (err)
    {
      not_told (in, err);
      return;
    }
  if (frame->body_len)
    on_incident (in, frame);
  if (!json_get_bool (frame->head, "more", false))
    all_told (in);
}

static void
list (struct incidents *in)
{
  struct json_object *head = json_object_new_object ();
  struct error err = ERROR_INIT;

  json_add_str (head, "op", "incidents");
  in->listing = true;
  if (writer_link_call (in->env.writer, head, NULL, 0, LIST_MS, on_answer, in,
                        &err)
      < 0)
    not_told (in, &err);
}

static void
again_due (struct timer *t, void *arg)
{
  struct incidents *in = arg;

  (void) t;
  if (!in->known && !in->listing)
    list (in);
}

int
incidents_remember (struct incidents *in, struct error *err)
{
  return loop_timer (in->env.loop, "what the spool has", again_due, in,
                     &in->again, err);
}

void
incidents_writer_up (struct incidents *in)
{
  /* What it did not answer the link sends again by itself. */
  if (!in->known && !in->listing)
    list (in);
}
