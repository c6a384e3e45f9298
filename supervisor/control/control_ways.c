/* SPDX-License-Identifier: Apache-2.0
 *
 * What `list` and `status` say of one guest in a word, and of the ways to it.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/control/word.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/reach.h"

#include "base/json.h"
#include "base/loop.h"

#include <string.h>

static void
part_of (const struct binding_info *info, void *arg)
{
  /* One that nobody asked for is no trouble where it can't tell. */
  if (info->builtin && info->health == HEALTH_UNKNOWN)
    return;
  word_part (arg, info->health, info->last);
}

void
control_add_word (struct daemon *d, const struct guest *g,
                  struct json_object *row)
{
  const struct incident *standing
      = incidents_standing (d->incidents, g->inc.uuid);
  struct word_parts parts = { .n = 0 };
  const char *finding;

  bindings_each (d->bindings, g->inc.uuid, part_of, &parts);
  json_add_str (row, "health", word_of (g, standing, &parts));
  finding = word_finding (standing, &parts);
  if (finding)
    json_add_text (row, "finding", finding, strlen (finding));
}

struct reach_rows
{
  struct answer *answer;
  const char *uuid;
};

static void
add_ago (struct json_object *row, const char *key, uint64_t now, uint64_t then)
{
  json_object_object_add (
      row, key, then ? json_object_new_int64 ((int64_t) (now - then)) : NULL);
}

static void
reach_row (const struct reach_row *reach, void *arg)
{
  struct reach_rows *st = arg;
  struct json_object *row = json_object_new_object ();
  uint64_t now = loop_now (st->answer->d->loop);

  json_add_str (row, "row", "reach");
  json_add_str (row, "uuid", st->uuid);
  json_add_str (row, "way", reach->way);
  json_add_str (row, "state", reach_state_names[reach->state]);
  json_add_str (row, "code", reach->code);
  add_ago (row, "since_ms", now, reach->since_ms);
  add_ago (row, "tried_ms", now, reach->tried_ms);
  json_add_str (row, "by", reach->by);
  if (reach->state == REACH_ALIVE)
    json_add_int (row, "took_ms", (int64_t) reach->took_ms);
  json_add_text (row, "says", reach->sentence, strlen (reach->sentence));
  json_add_text (row, "fix", reach->fix, strlen (reach->fix));
  answer_row (st->answer, row);
}

void
control_reach_rows (struct answer *a, const char *uuid)
{
  struct reach_rows rows = { a, uuid };

  reach_each (a->d->reach, uuid, reach_row, &rows);
}
