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

#define E "eeeeeeee-2222-4333-8444-555555555555"

static void
had (struct world *w, const char *place, const char *uuid, int pid,
     const char *scenario, unsigned attempts, const char *confidence)
{
  struct incident inc = { .attempts = attempts,
                          .rev = 3,
                          .phase = INCIDENT_COLLECTING,
                          .opened_wall_ms = 5 };

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
  store (w, &inc, place);
}

/* One that was open, with that playbook. */
static void
had_begun (struct world *w, const char *uuid, const char *playbook)
{
  struct incident inc = { .rev = 1, .opened_wall_ms = 5 };

  incident_new_id (inc.id);
  snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s", uuid);
  inc.inc.pid = 7;
  inc.inc.start_time = 100;
  snprintf (inc.scenario, sizeof inc.scenario, "uptime");
  snprintf (inc.playbook, sizeof inc.playbook, "%s", playbook);
  store (w, &inc, "open");
}

static struct incident
newest_stored (struct world *w, const char *place, const char *uuid,
               enum incident_end end, uint64_t opened)
{
  struct incident inc = { .rev = 3,
                          .phase = INCIDENT_PACKED,
                          .end = end,
                          .opened_wall_ms = opened };

  incident_new_id (inc.id);
  snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s", uuid);
  inc.inc.pid = 7;
  inc.inc.start_time = 100;
  snprintf (inc.scenario, sizeof inc.scenario, "uptime");
  store (w, &inc, place);
  return inc;
}

static void
one_hang_is_told_once (void **state)
{
  struct world *w = *state;

  had (w, "sent", A, 7, "uptime", 1, "high");
  had (w, "ready", B, 8, BY_KERNEL, 1, "low");
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

/* What could not be read is asked for again; meanwhile nothing is told twice,
 * and nothing written. */
static void
a_disk_in_trouble (void **state)
{
  struct world *w = *state;

  had (w, "sent", A, 7, "uptime", 1, "high");
  w->list_fails = 2;
  incidents_writer_up (w->incidents);
  fails (w, A);
  assert_null (w->incidents->first);
  loop_advance (w->d.loop, 5000);
  turn (w);
  assert_null (w->incidents->first);
  loop_advance (w->d.loop, 5000);
  turn (w);
  assert_int_equal (w->incidents->count, 1);
  assert_true (told_as_hung (w, A));
  assert_int_equal (w->nputs, 0);
}

/* But not for ever: a host whose disk is dead is watched, too. */
static void
a_dead_disk (void **state)
{
  struct world *w = *state;

  w->list_fails = 1000;
  incidents_writer_up (w->incidents);
  for (unsigned i = 0; i < 10; i++)
    {
      loop_advance (w->d.loop, 5000);
      turn (w);
    }
  fails (w, A);
  assert_int_equal (w->incidents->count, 1);
  on_disk (w, NULL);
  brought_to (w, "slow", "low");
}

/* How those ended that were there before is shown, and in their order. */
static void
ends_are_known (void **state)
{
  struct world *w = *state;
  struct incident inc = newest_stored (w, "sent", A, INCIDENT_REBOOTED, 10);
  const struct active *a;

  newest_stored (w, "parked", B, INCIDENT_RECOVERED, 30);
  newest_stored (w, "ready", C, INCIDENT_CLOSED, 20);
  incidents_writer_up (w->incidents);
  assert_int_equal (w->incidents->count, 3);
  a = w->incidents->first;
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  assert_string_equal (a->shipped, "parked: ");
  a = a->next;
  assert_int_equal (a->inc.end, INCIDENT_CLOSED);
  a = a->next;
  assert_int_equal (a->inc.end, INCIDENT_REBOOTED);
  assert_string_equal (a->shipped, "shipped");
  assert_string_equal (a->inc.id, inc.id);
  assert_false (told_as_hung (w, A) || told_as_hung (w, B));
  /* That is a new one. */
  fails (w, A);
  assert_int_equal (w->incidents->count, 4);
  all_on_disk (w);
  brought_to (w, "slow", "low");
}

/* Of two that had not ended one did not get to say so. */
static void
the_newest_stands (void **state)
{
  struct world *w = *state;
  struct incident old = newest_stored (w, "sent", A, INCIDENT_NOT_ENDED, 10);
  struct incident new = newest_stored (w, "ready", A, INCIDENT_NOT_ENDED, 20);

  incidents_writer_up (w->incidents);
  assert_string_equal (incidents_standing (w->incidents, A)->id, new.id);
  assert_true (stored (w, old.id)->ended);
  assert_false (stored (w, new.id)->ended);
}

/* Before its guests are bound nobody knows whose scenario is gone. */
static void
not_taken_away_yet (void **state)
{
  struct world *w = *state;

  had (w, "sent", A, 7, "uptime", 1, "high");
  had (w, "sent", E, 5, "uptime", 1, "high");
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
  assert_true (told_as_hung (w, E));
  lives (w, E, 5);
  is_now (w, E, 5, GUEST_PAUSED, "");
  assert_false (told_as_hung (w, E));
}

/* Scenarios that can't be read are not gone. */
static void
not_settled_yet (void **state)
{
  struct world *w = *state;

  had (w, "sent", A, 7, "uptime", 1, "high");
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

  had (w, "open", A, 7, "uptime", 1, NULL);
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
  struct stored before;

  incidents_writer_up (w->incidents);
  fails (w, A);
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_false (told_as_hung (w, A));
  before = w->docs[0];
  verdict (w, "slow", "low");
  packed (w, NULL);
  w->docs[0] = before; /* it got no further */
  incidents_free (w->incidents);
  start_incidents (w);
  incidents_writer_up (w->incidents);
  assert_int_equal (w->incidents->count, 1);
  assert_false (told_as_hung (w, A));
  assert_int_equal (newest (w)->inc.end, INCIDENT_RECOVERED);
  brought_to (w, "slow", "low");
}

static void
timeline_is (struct world *w, const char *want)
{
  const struct incident *inc = &newest (w)->inc;
  char text[512] = "";

  for (unsigned i = 0; i < inc->moments; i++)
    {
      size_t n = strlen (text);

      snprintf (text + n, sizeof text - n, "%s%s%s%s%s",
                i ? ", " : "", incident_moment_names[inc->timeline[i].kind],
                inc->timeline[i].what[0] ? "(" : "", inc->timeline[i].what,
                inc->timeline[i].what[0] ? ")" : "");
    }
  assert_string_equal (text, want);
}

/* All that it went through is in its document, over restarts. */
static void
its_timeline (void **state)
{
  struct world *w = *state;
  char id[UUID_TEXT];
  uint64_t rev;

  incidents_writer_up (w->incidents);
  says (w, A, 7, "kernel.trouble.panic", PANIC);
  timeline_is (w, "suspected(kernel: kernel-event)");
  on_disk (w, NULL);
  on_disk (w, NULL);
  fails (w, A);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  verdict (w, "kernel-panic", "high");
  packed (w, NULL);
  memcpy (id, newest (w)->inc.id, sizeof id);
  incidents_shipped (w->incidents, id, "there");
  rev = newest (w)->inc.rev;
  incidents_shipped (w->incidents, id, "there");
  assert_true (newest (w)->inc.rev == rev); /* said once */
#define SO_FAR                                                                \
  "suspected(kernel: kernel-event), diagnosing(quick), "                      \
  "confirmed(uptime: silent), joined(tcp: timeout), judged(kernel-panic), "   \
  "packed, shipped(there)"
  timeline_is (w, SO_FAR);
  incidents_free (w->incidents);
  start_incidents (w);
  incidents_writer_up (w->incidents);
  timeline_is (w, SO_FAR);
  assert_true (told_as_hung (w, A));
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  timeline_is (w, SO_FAR ", recovered");
  assert_true (w->last_put.rev > rev);
  assert_non_null (strstr (stored (w, id)->text, "\"step\":\"recovered\""));
}

/* Well again before anybody confirmed it. */
static void
a_near_miss (void **state)
{
  struct world *w = *state;

  incidents_writer_up (w->incidents);
  is_mute (w, A);
  on_disk (w, NULL);
  on_disk (w, NULL);
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  timeline_is (w, "suspected(uptime: console-timeout), diagnosing(quick), "
                  "near-miss, recovered");
  verdict (w, "slow", "low");
  packed (w, NULL);
}

/* A check that joins again and again is counted, and no news each time. */
static void
one_that_joins_often (void **state)
{
  struct world *w = *state;
  uint64_t rev;

  incidents_writer_up (w->incidents);
  fails (w, A);
  all_on_disk (w);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  rev = newest (w)->inc.rev;
  for (unsigned i = 0; i < 100; i++)
    outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_true (newest (w)->inc.rev == rev);
  assert_int_equal (newest (w)->inc.timeline[2].count, 101);
  brought_to (w, "slow", "low");
}

/* It took the daemon with it twice. */
static void
no_third_attempt (void **state)
{
  struct world *w = *state;

  had (w, "open", A, 7, "uptime", 2, NULL);
  incidents_writer_up (w->incidents);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_int_equal (w->nputs + w->nrunning, 0);
  packed (w, NULL);
}

static void
it_waits_for_its_guest (void **state)
{
  struct world *w = *state;

  had (w, "open", E, 5, "uptime", 0, NULL);
  incidents_writer_up (w->incidents);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  lives (w, E, 5);
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  brought_to (w, "unknown", "low");
}

static void
but_not_for_ever (void **state)
{
  struct world *w = *state;

  had (w, "open", E, 5, "uptime", 0, NULL);
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
  struct playbook_set *set;
  struct playbook *own;

  had_begun (w, A, "storage");
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

  had_begun (w, A, "storage");
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
    WITH (setup, a_disk_in_trouble),
    WITH (setup, a_dead_disk),
    WITH (setup, ends_are_known),
    WITH (setup, the_newest_stands),
    WITH (setup, not_taken_away_yet),
    WITH (setup, not_settled_yet),
    WITH (setup, what_was_open_is_taken_up),
    WITH (setup, what_has_ended_stands_no_more),
    WITH (setup, its_timeline),
    WITH (setup, a_near_miss),
    WITH (setup, one_that_joins_often),
    WITH (setup, no_third_attempt),
    WITH (setup, it_waits_for_its_guest),
    WITH (setup, but_not_for_ever),
    WITH (setup, it_waits_for_its_playbook),
    WITH (setup, one_that_is_gone_is_no_touch),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
