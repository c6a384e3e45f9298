/* SPDX-License-Identifier: Apache-2.0
 *
 * The timeline of an incident.
 */
#include "diag/incident.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

const char *const incident_moment_names[]
    = { "ordered",   "suspected", "confirmed", "joined",    "near-miss",
        "diagnosing", "judged",   "packed",    "shipped",   "replaced",
        "rebooted",  "recovered", "withdrawn", "closed",    NULL };

static struct incident_moment *
find (struct incident *inc, enum incident_moment_kind kind, const char *what)
{
  for (unsigned i = 0; i < inc->moments; i++)
    if (inc->timeline[i].kind == kind
        && strcmp (inc->timeline[i].what, what) == 0)
      return &inc->timeline[i];
  return NULL;
}

bool
incident_has_moment (const struct incident *inc,
                     enum incident_moment_kind kind, const char *what)
{
  return find ((struct incident *) inc, kind, what) != NULL;
}

void
incident_note (struct incident *inc, enum incident_moment_kind kind,
               uint64_t wall_ms, const char *what)
{
  /* Checks that join come in any number; its steps do not. */
  unsigned most = kind == MOMENT_JOINED
                      ? INCIDENT_MOMENTS - INCIDENT_MOMENTS_KEPT
                      : INCIDENT_MOMENTS;
  struct incident_moment m = { .kind = kind, .wall_ms = wall_ms, .count = 1 };
  struct incident_moment *was;

  snprintf (m.what, sizeof m.what, "%s", what ? what : "");
  was = find (inc, kind, m.what);
  if (was)
    was->count++;
  else if (inc->moments < most)
    inc->timeline[inc->moments++] = m;
  else
    inc->moments_lost++;
}

enum incident_moment_kind
incident_end_moment (enum incident_end end)
{
  return (enum incident_moment_kind) (MOMENT_REPLACED
                                      + (end - INCIDENT_REPLACED));
}

/* ---- as a document ---- */

static struct json_object *
moment_json (const struct incident_moment *m)
{
  struct json_object *o = json_object_new_object ();
  char text[32];

  json_add_str (o, "time", clock_format (text, sizeof text, m->wall_ms));
  json_add_int (o, "time_ms", (int64_t) m->wall_ms);
  json_add_str (o, "step", incident_moment_names[m->kind]);
  if (m->what[0])
    json_add_text (o, "what", m->what, strlen (m->what));
  if (m->count > 1)
    json_add_int (o, "count", m->count);
  return o;
}

struct json_object *
incident_timeline_json (const struct incident *inc)
{
  struct json_object *list = json_object_new_array ();

  for (unsigned i = 0; i < inc->moments; i++)
    json_object_array_add (list, moment_json (&inc->timeline[i]));
  return list;
}

static bool
read_moment (struct json_object *o, struct incident_moment *ret)
{
  const char *step = json_get_str (o, "step");
  const char *what = json_get_str (o, "what");
  int64_t at = json_get_int (o, "time_ms", -1);
  int64_t count = json_get_int (o, "count", 1);

  if (!step || at < 0 || count < 1 || count > UINT32_MAX)
    return false;
  for (unsigned i = 0; i < MOMENT_MAX; i++)
    if (strcmp (incident_moment_names[i], step) == 0)
      {
        ret->kind = (enum incident_moment_kind) i;
        ret->wall_ms = (uint64_t) at;
        ret->count = (unsigned) count;
        snprintf (ret->what, sizeof ret->what, "%s", what ? what : "");
        return true;
      }
  return false;
}

void
incident_timeline_read (struct json_object *list, struct incident *inc)
{
  if (!json_object_is_type (list, json_type_array))
    return;
  for (size_t i = 0; i < json_object_array_length (list)
                     && inc->moments < INCIDENT_MOMENTS;
       i++)
    if (read_moment (json_object_array_get_idx (list, i),
                     &inc->timeline[inc->moments]))
      inc->moments++;
}
