/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents: what a daemon knows of those before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/incidents-bed.h"

#include "base/cleanup.h"

/* ---- after a restart ---- */

static const char *
document (const char *uuid, int pid, const char *scenario, unsigned attempts,
          const char *confidence)
{
  static char text[2048];
  struct incident inc = { .attempts = attempts,
                          .phase = INCIDENT_COLLECTING,
                          .opened_wall_ms = 5 };
  struct json_object *o;

  snprintf (inc.id, sizeof inc.id, "%.1s0000000-0000-4000-8000-000000000000",
            uuid);
  snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s", uuid);
  inc.inc.pid = pid;
  inc.inc.start_time = 100;
  snprintf (inc.scenario, sizeof inc.scenario, "%s", scenario);
  if (confidence)
    {
      snprintf (inc.verdict.class_, sizeof inc.verdict.class_, "kernel-panic");
      snprintf (inc.verdict.confidence, sizeof inc.verdict.confidence, "%s",
                confidence);
    }
  o = incident_to_json (&inc);
  snprintf (text, sizeof text, "%s",
            json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  json_object_put (o);
  return text;
}

static void
one_hang_is_told_once (void **state)
{
  struct world *w = *state;
  size_t n;

  n = (size_t) snprintf (w->standing, sizeof w->standing, "[%s,",
                         document (A, 7, "uptime", 1, "high"));
  snprintf (w->standing + n, sizeof w->standing - n, "%s]",
            document (B, 8, BY_KERNEL, 1, "low"));
  fails (w, A); /* it is not known yet whether this is news */
  says (w, C, 9, "kernel.trouble.panic", PANIC);
  assert_null (w->incidents->first);
  incidents_writer_up (w->incidents);
  assert_int_equal (w->incidents->count, 2);
  assert_true (told_as_hung (w, A));
  assert_false (told_as_hung (w, B));
  fails (w, A);
  assert_int_equal (w->incidents->count, 2);
  assert_int_equal (w->nputs + w->nrunning, 0);
}

/* Before its guests are bound nobody knows whose scenario is gone. */
static void
not_taken_away_yet (void **state)
{
  struct world *w = *state;
  size_t n;

  n = (size_t) snprintf (w->standing, sizeof w->standing, "[%s,",
                         document (A, 7, "uptime", 1, "high"));
  snprintf (w->standing + n, sizeof w->standing - n, "%s]",
            document ("eeeeeeee-2222-4333-8444-555555555555", 5, "uptime", 1,
                      "high"));
  w->unbound = &w->uptime;
  incidents_writer_up (w->incidents);
  assert_true (told_as_hung (w, A));
  incidents_settled (w->incidents);
  is_now (w, A, 7, GUEST_PAUSED, "");
  assert_true (told_as_hung (w, A));
  grown (w);
  assert_false (told_as_hung (w, A));
  assert_int_equal (w->nputs + w->nrunning, 0);
  /* Of one that was not found it is not known. */
  assert_true (told_as_hung (w, "eeeeeeee-2222-4333-8444-555555555555"));
  lives (w, "eeeeeeee-2222-4333-8444-555555555555", 5);
  is_now (w, "eeeeeeee-2222-4333-8444-555555555555", 5, GUEST_PAUSED, "");
  assert_false (told_as_hung (w, "eeeeeeee-2222-4333-8444-555555555555"));
}

/* Scenarios that can't be read are not gone. */
static void
not_settled_yet (void **state)
{
  struct world *w = *state;

  snprintf (w->standing, sizeof w->standing, "[%s]",
            document (A, 7, "uptime", 1, "high"));
  w->unbound = &w->uptime;
  incidents_writer_up (w->incidents);
  grown (w);
  is_now (w, A, 7, GUEST_PAUSED, "");
  assert_true (told_as_hung (w, A));
  incidents_settled (w->incidents);
  assert_false (told_as_hung (w, A));
}

static void
what_was_open_is_taken_up (void **state)
{
  struct world *w = *state;

  snprintf (w->open, sizeof w->open, "%s", document (A, 7, "uptime", 1, NULL));
  incidents_writer_up (w->incidents);
  assert_true (told_as_hung (w, A));
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  assert_int_equal (on_disk (w, NULL).attempts, 2);
  verdict (w, "unknown", "low");
  packed (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_DONE);
}

/* Its guest was well before it was packed: the next daemon brings it to its
 * bundle, and calls nobody hung by it. */
static void
what_has_ended_stands_no_more (void **state)
{
  struct world *w = *state;
  struct json_object *o;

  incidents_writer_up (w->incidents);
  fails (w, A);
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_false (told_as_hung (w, A));
  o = incident_to_json (&w->last_put);
  snprintf (w->open, sizeof w->open, "%s",
            json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN));
  json_object_put (o);
  verdict (w, "slow", "low");
  packed (w, NULL);
  incidents_free (w->incidents);
  start_incidents (w);
  incidents_writer_up (w->incidents);
  assert_int_equal (w->incidents->count, 1);
  assert_false (told_as_hung (w, A));
  assert_int_equal (newest (w)->inc.end, INCIDENT_RECOVERED);
  brought_to (w, "slow", "low");
}

/* It took the daemon with it twice. */
static void
no_third_attempt (void **state)
{
  struct world *w = *state;

  snprintf (w->open, sizeof w->open, "%s", document (A, 7, "uptime", 2, NULL));
  incidents_writer_up (w->incidents);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_int_equal (w->nputs + w->nrunning, 0);
  packed (w, NULL);
}

static void
it_waits_for_its_guest (void **state)
{
  struct world *w = *state;

  snprintf (
      w->open, sizeof w->open, "%s",
      document ("eeeeeeee-2222-4333-8444-555555555555", 5, "uptime", 0, NULL));
  incidents_writer_up (w->incidents);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  lives (w, "eeeeeeee-2222-4333-8444-555555555555", 5);
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  brought_to (w, "unknown", "low");
}

static void
but_not_for_ever (void **state)
{
  struct world *w = *state;

  snprintf (
      w->open, sizeof w->open, "%s",
      document ("eeeeeeee-2222-4333-8444-555555555555", 5, "uptime", 0, NULL));
  incidents_writer_up (w->incidents);
  loop_advance (w->d.loop, FIND_GUESTS_MS + 1);
  turn (w);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  packed (w, NULL);
}

/* Ended by the daemon before us while a playbook of an operator's ran: those
 * are read by and by. */
static void
it_waits_for_its_playbook (void **state)
{
  struct world *w = *state;
  CLEANUP_JSON struct json_object *o = json_tokener_parse (
      "{\"name\":\"storage\",\"steps\":[\"host\"]}");
  CLEANUP_JSON struct json_object *open
      = json_tokener_parse (document (A, 7, "uptime", 0, NULL));
  struct playbook_set *set;
  struct playbook *own;

  json_add_str (open, "playbook", "storage");
  snprintf (w->open, sizeof w->open, "%s",
            json_object_to_json_string_ext (open, JSON_C_TO_STRING_PLAIN));
  incidents_writer_up (w->incidents);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  assert_int_equal (playbook_read (NULL, o, "", "mine", &own, NULL), 0);
  assert_int_equal (playbook_set_new (&own, 1, &set, NULL), 0);
  incidents_playbooks (w->incidents, set);
  playbook_unref (own);
  playbook_set_unref (set);
  on_disk (w, NULL);
  assert_string_equal (w->running[0]->playbook->name, "storage");
  verdict (w, "unknown", "low");
  packed (w, NULL);
}

/* It may have been chosen because it touches nothing. */
static void
one_that_is_gone_is_no_touch (void **state)
{
  struct world *w = *state;
  CLEANUP_JSON struct json_object *open
      = json_tokener_parse (document (A, 7, "uptime", 0, NULL));

  json_add_str (open, "playbook", "storage");
  snprintf (w->open, sizeof w->open, "%s",
            json_object_to_json_string_ext (open, JSON_C_TO_STRING_PLAIN));
  incidents_writer_up (w->incidents);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  incidents_playbooks (w->incidents, w->d.playbooks);
  on_disk (w, NULL);
  assert_string_equal (w->running[0]->playbook->name, "no-touch");
  verdict (w, "unknown", "low");
  packed (w, NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    WITH (setup, one_hang_is_told_once),
    WITH (setup, not_taken_away_yet),
    WITH (setup, not_settled_yet),
    WITH (setup, what_was_open_is_taken_up),
    WITH (setup, what_has_ended_stands_no_more),
    WITH (setup, no_third_attempt),
    WITH (setup, it_waits_for_its_guest),
    WITH (setup, but_not_for_ever),
    WITH (setup, it_waits_for_its_playbook),
    WITH (setup, one_that_is_gone_is_no_touch),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
