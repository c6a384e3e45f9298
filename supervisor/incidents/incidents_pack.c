/* SPDX-License-Identifier: Apache-2.0
 *
 * What was found of an incident becomes its bundle, and who is to know of it
 * is told.
 */
#include "supervisor/incidents/incidents_impl.h"
#include "supervisor/incidents/summary.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "diag/timeline.h"

#include <stdio.h>
#include <string.h>

#define LOG_BEFORE_MS (5 * 60 * 1000)

static void
on_packed (const struct error *err, struct json_object *answer, void *arg)
{
  struct active *a = arg;
  struct incidents *in = a->all;
  const char *path;

  incident_answered (a);
  if (!incident_step (a, STEP_PACKED))
    return;
  if (err)
    log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
               "incident %s could not be packed: %s", a->inc.id,
               error_text (err));
  else
    {
      path = json_get_str (answer, "path");
      snprintf (a->bundle, sizeof (a->bundle), "%s", path ? path : "");
      log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
                 "verdict=%s guest=\"%s\" incident=%s confidence=%s "
                 "bundle=%s: %s",
                 a->inc.verdict.class_, a->inc.guest, a->inc.id,
                 a->inc.verdict.confidence, a->bundle,
                 a->inc.verdict.sentence);
      incident_moment (a, MOMENT_PACKED, NULL);
      /* Nobody is called for what was but a suspicion. */
      if (strcmp (a->inc.verdict.class_, "none") != 0
          || !incident_is_look (&a->inc))
        incident_notify (a);
    }
  incident_put (a);
  incident_watched_end (a, err);
  incidents_pump (in);
}

static void
note_judged (struct active *a)
{
  incident_moment (a, MOMENT_JUDGED, a->inc.verdict.class_);
  /* Else the next daemon would take it for one that stands. */
  if (a->stand == STAND_NOT && a->inc.end == INCIDENT_NOT_ENDED)
    {
      a->inc.end = INCIDENT_CLOSED;
      a->inc.ended_wall_ms = clock_wall_ms ();
      incident_moment (a, MOMENT_CLOSED, NULL);
      if (a->inc.parent[0])
        incidents_apart (a->all, a);
    }
}

void
incident_close_without (struct active *a)
{
  note_judged (a);
  incident_put (a);
  a->awaited++;
  writer_link_pack (a->all->env.writer, a->inc.id, NULL, on_packed, a);
}

void
incident_pack (struct active *a, struct json_object *head)
{
  CLEANUP_BUF struct buf text = BUF_INIT (TIMELINE_BYTES);
  CLEANUP_BUF struct buf ansi = BUF_INIT (80u << 10);

  note_judged (a);
  incident_acts_impact (a, head);
  summary_text (&a->inc, head, &text);
  incident_store_file (a, "summary.txt", 0, buf_str (&text), text.len);
  summary_ansi (buf_str (&text), &ansi);
  incident_store_file (a, "summary.ansi", 0, buf_str (&ansi), ansi.len);
  buf_clear (&text);
  incident_tell_timeline (a, head, &text);
  incident_store_file (a, "timeline.jsonl", 0, buf_str (&text), text.len);
  buf_clear (&text);
  /* Of the host's own incident: of all guests. */
  log_kept (a->inc.key[0] ? NULL : a->inc.inc.uuid,
            a->inc.opened_wall_ms > LOG_BEFORE_MS
                ? a->inc.opened_wall_ms - LOG_BEFORE_MS
                : 0,
            &text);
  if (text.len)
    incident_store_file (a, "logs/hangdog.jsonl", 0, buf_str (&text), text.len);
  incident_put (a);
  a->inc.children = incident_children_json (a);
  json_object_object_add (head, "incident", incident_to_json (&a->inc));
  json_object_put (steal_ptr (&a->inc.children));
  a->awaited++;
  writer_link_pack (a->all->env.writer, a->inc.id, head, on_packed, a);
}
