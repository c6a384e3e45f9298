/* SPDX-License-Identifier: Apache-2.0
 *
 * Heartbeats in `hangdog status`.
 */
#include "supervisor/beats/eyes.h"
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/watch/bindings.h"

#include "base/clock.h"
#include "base/json.h"
#include "scenarios/scenario.h"
#include "transports/memory/beat.h"

#include <stdio.h>
#include <string.h>

static struct json_object *
ago (uint64_t now, uint64_t then)
{
  return then ? json_object_new_int64 ((int64_t) (now - then)) : NULL;
}

static bool
is_trouble (const struct beat_verdict *v)
{
  return v
         && (v->vcpu.state >= BEAT_SLOW || v->ticks.state >= BEAT_SLOW
             || v->scheduler.state >= BEAT_SLOW);
}

static void
add_beat (struct json_object *row, const struct eyes_look *look)
{
  const struct beat *b = look->beat;
  const struct beat_verdict *v = look->verdict;

  if (v)
    {
      json_add_str (row, "vcpus", beat_state_names[v->vcpu.state]);
      json_add_str (row, "ticks", beat_state_names[v->ticks.state]);
      json_add_str (row, "scheduler", beat_state_names[v->scheduler.state]);
      json_add_str (row, "says", v->scheduler.why);
    }
  if (b && b->has & 1u << BEAT_LOAD)
    json_object_object_add (row, "load1",
                            json_object_new_double (b->load[0] / 100.0));
  if (b && b->has & 1u << BEAT_BLOCKED)
    json_add_int (row, "blocked", b->blocked);
}

void
control_beat_row (struct answer *a, const struct guest *g, bool trouble_only)
{
  uint64_t now = clock_ms ();
  struct eyes_look look;
  struct json_object *row;

  if (!eyes_look (a->d->eyes, g->inc.uuid, &look)
      || (trouble_only && !is_trouble (look.verdict)))
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "heartbeat");
  json_add_str (row, "uuid", g->inc.uuid);
  json_add_str (row, "guest", g->display);
  json_add_bool (row, "beating", look.beating);
  json_object_object_add (row, "since_ms", ago (now, look.found_ms));
  json_object_object_add (row, "age_ms",
                          ago (now, look.beat ? look.beat->at_ms : 0));
  json_add_int (row, "beats", (int64_t) look.beats);
  if (!look.beating)
    json_add_text (row, "says", look.why, strlen (look.why));
  add_beat (row, &look);
  answer_row (a, row);
}

bool
control_mute (struct control_mute *m, const struct binding_info *info)
{
  if (!info->builtin || info->health != HEALTH_UNKNOWN
      || !info->last || strcmp (info->last->code, "no-heartbeat") != 0)
    return false;
  if (m->guests++ == 0)
    snprintf (m->why, sizeof (m->why), "%s: %s", info->guest->display,
              info->last->sentence);
  return true;
}

void
control_mute_row (struct answer *a, const struct control_mute *m)
{
  struct json_object *row;

  if (!m->guests)
    return;
  row = json_object_new_object ();
  json_add_str (row, "row", "no-heartbeat");
  json_add_int (row, "guests", m->guests);
  json_add_text (row, "says", m->why, strlen (m->why));
  answer_row (a, row);
}
