/* SPDX-License-Identifier: Apache-2.0
 *
 * After a restart: standing incidents are known again, so that one hang is
 * told once; those that were being diagnosed are taken up.
 */
#include "supervisor/incidents/incidents_impl.h"
#include "supervisor/incidents/standing.h"
#include "supervisor/links/writer_link.h"

#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
find_guest (const struct guest *g, void *arg)
{
  struct active *a = arg;

  if (!a->guest && incarnation_equal (&a->inc.inc, &g->inc))
    a->guest = guest_ref (g);
}

/* As if this daemon had done all that was to be done. */
static struct active *
resurrect (struct incidents *in, const struct incident *inc)
{
  struct active *a;

  if (incidents_by_id (in, inc->id))
    return NULL;
  /* Before it stands: a guest that was found already is put into its life
   * again, which is no new one. */
  if (!incident_is_of_host (inc))
    registry_recall (in->env.registry, &inc->inc);
  a = incidents_add (in, inc, NULL);
  if (!a)
    return NULL;
  a->life = LIFE_DONE;
  a->inc.phase = INCIDENT_PACKED;
  registry_each (in->env.registry, find_guest, a);
  return a;
}

static enum stand
stand_as (const struct incident *inc)
{
  return incident_text_alone (inc) ? STAND_SUSPECTED : STAND_FIRM;
}

/* Standing ones are known again; nothing is done about them. */
static void
on_standing (const struct incident *inc, void *arg)
{
  struct incidents *in = arg;
  struct active *a = resurrect (in, inc);

  if (a)
    a->stand = stand_as (inc);
}

/* One hang is told once: what was open and had not ended stands again, if it
 * is the guest's only one. */
static void
perhaps_stands (struct active *a)
{
  if (a->stand == STAND_NOT && a->inc.end == INCIDENT_NOT_ENDED
      && !incident_is_by (&a->inc, BY_ORDER, CODE_ORDERED)
      && (incident_is_of_host (&a->inc)
          || !incidents_standing_of (a->all, a->inc.inc.uuid)))
    a->stand = stand_as (&a->inc);
}

/* One that was still being collected: taken up again. */
static void
take_up (struct incidents *in, const void *text, size_t len)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error why = ERROR_INIT;
  struct incident inc;
  struct active *a;

  if (json_parse (text, len, JSON_WIRE, "incident.json", JSON_MAX_FILE, &doc,
                  &why)
          < 0
      || incident_from_json (json_root (doc), &inc, &why) < 0)
    {
      log_error ("an open incident can't be read: %s", error_text (&why));
      return;
    }
  a = incidents_by_id (in, inc.id);
  /* Ours, and on its way already, or packed while the list was on its way. */
  if (a && (a->life != LIFE_DONE || a->bundle[0]))
    return;
  if (!a)
    a = resurrect (in, &inc);
  if (!a)
    return;
  /* The list of standing ones is older than what the incident says of
   * itself. */
  a->inc.attempts = inc.attempts;
  perhaps_stands (a);
  log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
             "incident %s was being diagnosed when hangdog stopped: taken up "
             "again",
             a->inc.id);
  incident_step (a, STEP_TAKEN_UP);
}

static void
on_open_incident (struct frame *frame, const struct error *err, void *arg)
{
  struct incidents *in = arg;

  if (err)
    {
      in->listing = false;
      /* The writer died: its successor is asked again. */
      if (writer_link_broke (err->code))
        return;
      log_warn ("open incidents are not known: %s", error_text (err));
    }
  else if (frame->body_len)
    take_up (in, frame->body, frame->body_len);
  if (!err && json_get_bool (frame->head, "more", false))
    return;
  incidents_known (in);
  incidents_pump (in);
}

static void
list_open (struct incidents *in)
{
  struct json_object *head = json_object_new_object ();
  struct error err = ERROR_INIT;

  json_add_str (head, "op", "open-incidents");
  in->listing = true;
  if (writer_link_call (in->env.writer, head, NULL, 0, 30000, on_open_incident,
                        in, &err)
      < 0)
    in->listing = false; /* as above */
}

static void
on_standing_loaded (void *arg)
{
  struct incidents *in = arg;

  standing_each (in->standing, on_standing, in);
  list_open (in);
}

void
incidents_writer_up (struct incidents *in)
{
  /* What it did not answer the link sends again by itself, but for the list
   * of standing ones. */
  if (in->known)
    incidents_persist (in);
  else if (!standing_loaded (in->standing))
    standing_load (in->standing, in->env.writer, on_standing_loaded, in);
  else if (!in->listing)
    list_open (in);
}
