/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done to a guest for an incident and has to be undone.
 */
#include "diag/incident.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

const char *const incident_act_names[] = { "open", "undone", "dropped", NULL };

struct incident_act *
incident_act_open (struct incident *inc, const char *act)
{
  for (unsigned i = 0; i < inc->nacts; i++)
    if (inc->acts[i].state == ACT_OPEN
        && (!act || strcmp (inc->acts[i].act, act) == 0))
      return &inc->acts[i];
  return NULL;
}

bool
incident_act_was_done (const struct incident_act *act)
{
  return strncmp (act->why, INCIDENT_NOT_DONE, sizeof INCIDENT_NOT_DONE - 1)
         != 0;
}

/* Nothing is lost by another in its place: its collector has told of it. */
static bool
is_told (const struct incident_act *act)
{
  return act->state == ACT_UNDONE && !act->why[0];
}

/* What is done again and again is one act; of all others, which may be of
 * another console, what became of them is to be told. */
static struct incident_act *
place_for (struct incident *inc, const char *name, const char *undo)
{
  for (unsigned i = 0; i < inc->nacts; i++)
    {
      struct incident_act *a = &inc->acts[i];

      if (strcmp (a->act, name) == 0
          && ((is_told (a) && strcmp (a->undo, undo) == 0)
              || (a->state != ACT_OPEN && !incident_act_was_done (a))))
        return a;
    }
  if (inc->nacts < INCIDENT_ACTS)
    return &inc->acts[inc->nacts++];
  for (unsigned i = 0; i < inc->nacts; i++)
    if (is_told (&inc->acts[i]) || !incident_act_was_done (&inc->acts[i]))
      return &inc->acts[i];
  return NULL;
}

int
incident_intend (struct incident *inc, const char *undo, uint64_t wall_ms,
                 struct incident_act **ret, struct error *err)
{
  CLEANUP_JSON struct json_object *o = json_tokener_parse (undo);
  const char *name = o ? json_get_str (o, "act") : NULL;
  struct incident_act *act;

  if (!name || !name[0] || strlen (name) >= sizeof act->act
      || strlen (undo) >= sizeof act->undo)
    return error_set (err, EINVAL, "an act that nobody could undo");
  if (incident_act_open (inc, name))
    return error_set (err, EBUSY, "%s is changed already, and not undone",
                      name);
  act = place_for (inc, name, undo);
  if (!act)
    return error_set (err, ENOSPC, "more than %d acts to be told of",
                      INCIDENT_ACTS);
  *act = (struct incident_act){ .state = ACT_OPEN, .wall_ms = wall_ms };
  snprintf (act->act, sizeof act->act, "%s", name);
  snprintf (act->undo, sizeof act->undo, "%s", undo);
  *ret = act;
  return 0;
}

void
incident_act_over (struct incident_act *act, enum incident_act_state state,
                   const char *why)
{
  act->state = state;
  act->over_wall_ms = clock_wall_ms ();
  snprintf (act->why, sizeof act->why, "%s", why ? why : "");
}

/* ---- as a document ---- */

struct json_object *
incident_acts_json (const struct incident *inc)
{
  struct json_object *list = json_object_new_array ();

  for (unsigned i = 0; i < inc->nacts; i++)
    {
      const struct incident_act *a = &inc->acts[i];
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "act", a->act);
      json_add_str (o, "state", incident_act_names[a->state]);
      json_add_int (o, "time_ms", (int64_t) a->wall_ms);
      if (a->over_wall_ms)
        json_add_int (o, "over_ms", (int64_t) a->over_wall_ms);
      if (a->why[0])
        json_add_text (o, "why", a->why, strlen (a->why));
      json_object_object_add (o, "undo", json_tokener_parse (a->undo));
      json_object_array_add (list, o);
    }
  return list;
}

static bool
read_act (struct json_object *o, struct incident_act *ret)
{
  const char *act = json_get_str (o, "act"), *why = json_get_str (o, "why");
  const char *state = json_get_str (o, "state");
  struct json_object *undo = json_get (o, "undo");
  int64_t at = json_get_int (o, "time_ms", -1);
  int64_t over = json_get_int (o, "over_ms", 0);
  const char *text;

  if (!act || !state || at < 0 || strlen (act) >= sizeof ret->act
      || !json_object_is_type (undo, json_type_object))
    return false;
  text = json_object_to_json_string_ext (undo, JSON_C_TO_STRING_PLAIN);
  if (strlen (text) >= sizeof ret->undo)
    return false;
  for (unsigned i = 0; incident_act_names[i]; i++)
    if (strcmp (incident_act_names[i], state) == 0)
      {
        *ret = (struct incident_act){ .state = (enum incident_act_state) i,
                                      .wall_ms = (uint64_t) at,
                                      .over_wall_ms
                                      = over > 0 ? (uint64_t) over : 0 };
        snprintf (ret->act, sizeof ret->act, "%s", act);
        snprintf (ret->undo, sizeof ret->undo, "%s", text);
        snprintf (ret->why, sizeof ret->why, "%s", why ? why : "");
        return true;
      }
  return false;
}

void
incident_acts_read (struct json_object *list, struct incident *inc)
{
  if (!json_object_is_type (list, json_type_array))
    return;
  for (size_t i = 0;
       i < json_object_array_length (list) && inc->nacts < INCIDENT_ACTS; i++)
    if (read_act (json_object_array_get_idx (list, i),
                  &inc->acts[inc->nacts]))
      inc->nacts++;
}
