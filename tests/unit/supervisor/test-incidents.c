/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents: every step from every life, the way from a trouble to a bundle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/incidents-bed.h"

#include "base/buf.h"

/* ---- the steps ---- */

static void
only_the_legal_steps (void **state)
{
  static const struct
  {
    enum life from;
    enum step step;
    enum life to;
    enum incident_phase phase;
  } legal[] = {
    { LIFE_WRITING, STEP_WRITTEN, LIFE_WAITING, INCIDENT_OPEN },
    { LIFE_WAITING, STEP_BEGUN, LIFE_COUNTING, INCIDENT_COLLECTING },
    { LIFE_WAITING, STEP_GIVEN_UP, LIFE_PACKING, INCIDENT_COLLECTING },
    { LIFE_COUNTING, STEP_COUNTED, LIFE_COLLECTING, INCIDENT_COLLECTING },
    { LIFE_COLLECTING, STEP_JUDGED, LIFE_PACKING, INCIDENT_COLLECTING },
    { LIFE_COLLECTING, STEP_GIVEN_UP, LIFE_PACKING, INCIDENT_COLLECTING },
    { LIFE_PACKING, STEP_PACKED, LIFE_DONE, INCIDENT_PACKED },
    { LIFE_DONE, STEP_TAKEN_UP, LIFE_WAITING, INCIDENT_OPEN },
  };
  const size_t n = sizeof legal / sizeof legal[0];
  struct incidents in = { .missteps = 0 };
  unsigned taken = 0;

  for (int from = LIFE_WRITING; from <= LIFE_DONE; from++)
    for (int step = 0; step < STEP_MAX; step++)
      {
        struct active a = { .all = &in, .life = (enum life) from };
        unsigned missteps = in.missteps;
        size_t i = 0;

        a.inc.phase = INCIDENT_ENDED;
        while (i < n
               && ((int) legal[i].from != from || (int) legal[i].step != step))
          i++;
        assert_int_equal (incident_step (&a, (enum step) step), i < n);
        assert_int_equal (a.life, i < n ? (int) legal[i].to : from);
        assert_int_equal (a.inc.phase, i < n ? legal[i].phase : INCIDENT_ENDED);
        assert_int_equal (in.missteps, missteps + (i == n));
        assert_int_equal (a.stand, STAND_NOT); /* goes its own way */
        taken += i < n;
      }
  assert_int_equal (taken, n);
}

/* ---- one life ---- */

static void
from_failure_to_bundle (void **state)
{
  struct world *w = *state;
  struct incident inc;

  fails (w, A);
  assert_int_equal (newest (w)->life, LIFE_WRITING);
  assert_true (told_as_hung (w, A));
  assert_int_equal (w->nrunning, 0); /* nothing before it is on disk */
  inc = on_disk (w, NULL);
  assert_int_equal (inc.attempts, 0);
  assert_string_equal (inc.code, "silent");
  assert_string_equal (inc.reason, "status: it said");

  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  assert_int_equal (w->nrunning, 0);
  inc = on_disk (w, NULL);
  assert_int_equal (inc.attempts, 1);
  assert_int_equal (inc.phase, INCIDENT_COLLECTING);

  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  assert_string_equal (w->running[0]->scenario, "uptime");
  assert_string_equal (w->running[0]->code, "silent");
  assert_string_equal (w->running[0]->sentence, "status: it said");
  assert_string_equal (w->running[0]->playbook->name, "standard");
  verdict (w, "userspace-stuck", "high");

  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_string_equal (json_get_str (json_get (w->head, "incident"), "code"),
                       "silent");
  packed (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_DONE);
  assert_int_equal (newest (w)->inc.phase, INCIDENT_PACKED);
  assert_string_equal (newest (w)->bundle, "/blobs/x.tar.zst");
  assert_true (told_as_hung (w, A)); /* until it is well */
  assert_true (stands_on_disk (w, newest (w)->inc.id));

  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_true (told_as_hung (w, A)); /* another check says nothing of it */
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  assert_false (told_as_hung (w, A));
  assert_int_equal (newest (w)->inc.end, INCIDENT_RECOVERED);
  assert_false (stands_on_disk (w, ""));
  /* A check that failed beside it, and goes on to. */
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_SAME);
  assert_true (told_as_hung (w, A));
  brought_to (w, "network-lost", "medium");
}

/* The host's disk hangs, as the guest's may for the same reason: the writer
 * takes what it is given and says nothing. */
static void
writer_hangs (void **state)
{
  struct world *w = *state;

  fails (w, A);
  loop_advance (w->d.loop, 4900);
  assert_int_equal (newest (w)->life, LIFE_WRITING);
  assert_int_equal (w->nrunning, 0);
  loop_advance (w->d.loop, 200);
  /* Waited for once, and not for each word. */
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  assert_int_equal (newest (w)->disk_by_ms, 0);
  assert_int_equal (w->nrunning, 1);
  assert_int_equal (w->nputs, 2);
  /* Its answers are no steps any more. */
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  assert_int_equal (w->nrunning, 1);
  verdict (w, "storage-stalled", "high");
  packed (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_DONE);

  /* It answers between the two: in order, the first is the late one. */
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  fails (w, B);
  loop_advance (w->d.loop, 20000);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  verdict (w, "storage-stalled", "high");
  while (w->nputs > 0)
    on_disk (w, NULL);
  packed (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_DONE);
  assert_int_equal (w->incidents->missteps, 0);
}

/* Whose turn comes when it is waited for no more is not held up by another's
 * waiting, nor takes the end of that; and who was answered in time waits for
 * nothing. */
static void
one_of_two_waits (void **state)
{
  struct world *w = *state;
  struct active *b, *c;

  w->incidents->max_begun = 1;
  fails (w, A);
  while (w->nputs > 0)
    on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  fails (w, B);
  b = newest (w);
  loop_advance (w->d.loop, 5100);
  assert_int_equal (b->life, LIFE_WAITING);
  fails (w, C);
  c = newest (w);
  loop_advance (w->d.loop, 100);
  assert_int_equal (c->life, LIFE_WRITING);
  verdict (w, "slow", "high");
  loop_advance (w->d.loop, 1);
  assert_int_equal (b->life, LIFE_COLLECTING);
  assert_int_equal (c->life, LIFE_WRITING);
  loop_advance (w->d.loop, 4900);
  assert_int_equal (c->life, LIFE_WAITING);
}

static void
answered_in_time (void **state)
{
  struct world *w = *state;

  fails (w, A);
  loop_advance (w->d.loop, 1000);
  while (w->nputs > 0)
    on_disk (w, NULL);
  loop_advance (w->d.loop, 10000);
  assert_int_equal (newest (w)->late, 0);
}

/* What cannot be asked is told at once, while the writer still owes answers
 * that name the incident: it is not taken out of the list before those. */
static void
stays_until_answered (void **state)
{
  struct world *w = *state;
  const struct error full = { .code = ENOBUFS, .msg = "not kept" };
  unsigned count;

  fails (w, A);
  loop_advance (w->d.loop, 5100);
  verdict (w, "storage-stalled", "high");
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
  packed (w, &full);
  assert_int_equal (newest (w)->life, LIFE_DONE);
  assert_int_equal (w->nputs, 2);
  count = w->incidents->count;
  w->incidents->count = MAX_INCIDENTS;
  assert_false (incidents_room (w->incidents));
  on_disk (w, NULL);
  assert_false (incidents_room (w->incidents));
  on_disk (w, NULL);
  assert_true (incidents_room (w->incidents));
  w->incidents->count = count - 1;
  assert_null (w->incidents->first);
}

/* What is but a part of others: neither its failures nor its silence. */
static void
no_alert (void **state)
{
  struct world *w = *state;

  w->uptime.alert = false;
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_BECAME_FAILED);
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_SAME);
  outcome (w, A, &w->uptime, OUTCOME_NO_VERDICT, "console-timeout",
           HEALTH_BECAME_MUTE);
  assert_int_equal (w->nputs, 0);
  assert_false (told_as_hung (w, A));
  /* Another's are told as ever. */
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_string_equal (newest (w)->inc.scenario, "tcp");
  brought_to (w, "network-lost", "medium");
}

/* The scenario's, and the highest of those that tell of the same. */
static void
as_severe_as_its_scenario (void **state)
{
  struct world *w = *state;
  const struct guest *g = NULL;
  char id[UUID_TEXT];

  w->uptime.severity = SCENARIO_WARNING;
  w->tcp.severity = SCENARIO_CRITICAL;
  fails (w, A);
  assert_int_equal (newest (w)->inc.severity, INCIDENT_WARNING);
  assert_int_equal (on_disk (w, NULL).severity, INCIDENT_WARNING);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_int_equal (newest (w)->inc.severity, INCIDENT_CRITICAL);
  assert_true (stands_on_disk (w, "critical"));
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_BECAME_FAILED);
  assert_int_equal (newest (w)->inc.severity, INCIDENT_CRITICAL);
  all_on_disk (w);
  verdict (w, "userspace-stuck", "high");
  assert_string_equal (
      json_get_str (json_get (w->head, "incident"), "severity"), "critical");
  packed (w, NULL);
  /* Nobody failed. */
  assert_int_equal (registry_find (w->d.registry, B, &g, NULL), 0);
  assert_int_equal (
      incidents_order (w->incidents, g, NULL, "me", NULL, w, id, NULL), 0);
  guest_unref (g);
  assert_int_equal (newest (w)->inc.severity, INCIDENT_UNRATED);
  brought_to (w, "none", "high");
}

static void
a_full_disk_does_not_blind (void **state)
{
  struct world *w = *state;
  struct error full = ERROR_INIT;

  error_set (&full, ENOSPC, "no space");
  fails (w, A);
  on_disk (w, &full);
  on_disk (w, &full);
  verdict (w, "userspace-stuck", "high");
  packed (w, &full);
  assert_int_equal (newest (w)->life, LIFE_DONE);
  assert_string_equal (newest (w)->bundle, "");
}

static void
no_more_at_once_than_set (void **state)
{
  struct world *w = *state;

  w->incidents->max_begun = 2;
  fails (w, A);
  fails (w, B);
  fails (w, C);
  for (int i = 0; i < 5; i++)
    on_disk (w, NULL);
  assert_int_equal (w->nrunning, 2);
  assert_int_equal (newest (w)->life, LIFE_WAITING);
  assert_string_equal (newest (w)->inc.inc.uuid, C);
  verdict (w, "unknown", "low");
  assert_int_equal (newest (w)->life, LIFE_COUNTING);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_COLLECTING);
  verdict (w, "unknown", "low");
  verdict (w, "unknown", "low");
  while (w->npacks)
    packed (w, NULL);
}

static void
oldest_first (void **state)
{
  struct world *w = *state;

  w->incidents->max_begun = 1;
  fails (w, A);
  fails (w, B);
  fails (w, C);
  all_on_disk (w);
  for (int i = 0; i < 3; i++)
    {
      struct active *a = w->running[0]->arg;

      assert_int_equal (w->nrunning, 1);
      assert_int_equal (a->inc.inc.uuid[0], "abc"[i]);
      brought_to (w, "unknown", "low");
      all_on_disk (w);
    }
}

static void
write_step (unsigned n, unsigned total, const char *what, bool ended,
            const char *failure, void *arg)
{
  struct buf *to = arg;

  buf_printf (to, "%s%s/%u%s ", ended ? "-" : "+", what, total,
              failure ? "!" : "");
}

/* Who looks later has not missed anything. */
static void
who_comes_late_is_told_all (void **state)
{
  static const struct incident_watch_ops ops = { .progress = write_step };
  CLEANUP_BUF struct buf told = BUF_INIT (256);
  struct world *w = *state;
  struct diagnosis *dg;

  fails (w, A);
  on_disk (w, NULL);
  on_disk (w, NULL);
  dg = w->running[0];
  dg->ops->progress (1, 2, "host", false, NULL, dg->arg);
  dg->ops->progress (2, 2, "net", false, NULL, dg->arg);
  dg->ops->progress (1, 2, "host", true, "no", dg->arg);
  assert_int_equal (incidents_watch (w->incidents, newest (w)->inc.id, &ops,
                                     &told, NULL),
                    0);
  assert_string_equal (buf_str (&told), "+host/2 +net/2 -host/2! ");
  dg->ops->progress (2, 2, "net", true, NULL, dg->arg);
  assert_string_equal (buf_str (&told), "+host/2 +net/2 -host/2! -net/2 ");
  incidents_unwatch (w->incidents, newest (w)->inc.id, &told);
}

static void
count_packed (const struct incident *inc, const char *bundle,
              const struct error *why, void *arg)
{
  ((struct world *) arg)->packed++;
}

static void
what_cannot_begin_is_given_up (void **state)
{
  static const struct incident_watch_ops ops = { .packed = count_packed };
  struct world *w = *state;
  const struct guest *g = NULL;
  char id[UUID_TEXT];

  w->start_fails = "no memory today";
  assert_int_equal (registry_find (w->d.registry, A, &g, NULL), 0);
  assert_int_equal (
      incidents_order (w->incidents, g, NULL, "me", &ops, w, id, NULL), 0);
  guest_unref (g);
  assert_string_equal (newest (w)->inc.code, CODE_ORDERED);
  assert_false (told_as_hung (w, A));
  on_disk (w, NULL);
  on_disk (w, NULL);
  assert_int_equal (newest (w)->life, LIFE_PACKING);
  assert_string_equal (newest (w)->inc.verdict.class_, "unknown");
  assert_non_null (strstr (newest (w)->inc.verdict.sentence, "no memory to"));
  assert_int_equal (w->packed, 0);
  packed (w, NULL);
  assert_int_equal (w->packed, 1);
}

/* ---- one that flaps ---- */

static void
answers (struct world *w)
{
  outcome (w, A, &w->uptime, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
}

static struct active *
stands (struct world *w)
{
  return incidents_standing_of (w->incidents, A);
}

static void
flapping_is_one_trouble (void **state)
{
  struct world *w = *state;
  struct active *a;
  unsigned count;

  w->uptime.flap_damping = true;
  fails (w, A);
  answers (w);
  assert_null (stands (w));
  fails (w, A);
  a = stands (w);
  count = w->incidents->count;
  w->flapping = true;
  for (unsigned i = 0; i < 5; i++)
    {
      answers (w);
      assert_ptr_equal (stands (w), a);
      fails (w, A);
      assert_ptr_equal (stands (w), a);
    }
  assert_true (a->flapping);
  assert_int_equal (a->flaps, 5);
  assert_int_equal (w->incidents->count, count);
  /* What another check says does not hold it open, nor end it. */
  w->flapping = false;
  outcome (w, A, &w->tcp, OUTCOME_OK, "ok", HEALTH_SAME);
  assert_true (a->flapping);
  answers (w);
  assert_null (stands (w));
  assert_int_equal (a->inc.end, INCIDENT_RECOVERED);
  /* It flapped before it failed: one, and no more. */
  w->flapping = true;
  fails (w, A);
  answers (w);
  fails (w, A);
  assert_int_equal (w->incidents->count, count + 1);
  /* Another life ends it all the same. */
  registry_update (w->d.registry, living (A, 8));
  assert_null (stands (w));
}

/* It was looked at when it flapped, and mostly worked: now it is another
 * trouble. */
static void
a_hang_behind_flapping (void **state)
{
  struct world *w = *state;
  struct active *was;

  w->uptime.flap_damping = true;
  w->flapping = true;
  fails (w, A);
  answers (w);
  fails (w, A);
  was = stands (w);
  assert_true (was->flapping);
  brought_to (w, "application-dead", "high");
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_SAME);
  assert_ptr_equal (stands (w), was);
  w->flapping = false;
  /* Another's words do not say that. */
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_ptr_equal (stands (w), was);
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_SAME);
  assert_ptr_not_equal (stands (w), was);
  assert_int_equal (was->inc.end, INCIDENT_REPLACED);
  assert_int_equal (w->incidents->count, 2);
  brought_to (w, "userspace-stuck", "high");
  /* Once. */
  outcome (w, A, &w->uptime, OUTCOME_FAILED, "silent", HEALTH_SAME);
  assert_int_equal (w->incidents->count, 2);
}

/* ---- whose check is gone ---- */

static void
a_scenario_is_taken_away (void **state)
{
  struct world *w = *state;
  struct active *a;

  grown (w);
  incidents_settled (w->incidents);
  fails (w, A);
  a = stands (w);
  incidents_settled (w->incidents);
  assert_ptr_equal (stands (w), a);
  /* Nobody else's goes with it. */
  w->unbound = &w->tcp;
  incidents_settled (w->incidents);
  assert_ptr_equal (stands (w), a);
  w->unbound = &w->uptime;
  incidents_settled (w->incidents);
  assert_false (told_as_hung (w, A));
  assert_int_equal (a->inc.end, INCIDENT_WITHDRAWN);
  assert_false (stands_on_disk (w, ""));
  /* Its bundle comes all the same, and what follows is told. */
  brought_to (w, "userspace-stuck", "high");
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_SAME);
  assert_true (told_as_hung (w, A));
  brought_to (w, "network-lost", "medium");
}

/* Its labels are others. */
static void
it_is_for_that_guest_no_more (void **state)
{
  struct world *w = *state;

  grown (w);
  incidents_settled (w->incidents);
  fails (w, A);
  w->unbound = &w->uptime;
  is_now (w, A, 7, GUEST_PAUSED, "");
  assert_null (stands (w));
}

/* What the hypervisor or the guest's text says is no scenario's. */
static void
not_a_check_s (void **state)
{
  struct world *w = *state;

  grown (w);
  w->unbound = &w->uptime;
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "x");
  says (w, B, 8, "kernel.trouble.panic", PANIC);
  incidents_settled (w->incidents);
  assert_non_null (stands (w));
  assert_non_null (incidents_standing_of (w->incidents, B));
}

/* People do not want to hear of that one, and of others they do. */
static void
a_silenced_check_hides_nothing (void **state)
{
  struct world *w = *state;
  struct active *a;

  fails (w, A);
  a = stands (w);
  w->paused = &w->uptime;
  incidents_settled (w->incidents);
  outcome (w, A, &w->tcp, OUTCOME_NO_VERDICT, "stuck", HEALTH_BECAME_MUTE);
  assert_ptr_equal (stands (w), a);
  outcome (w, A, &w->tcp, OUTCOME_FAILED, "timeout", HEALTH_BECAME_FAILED);
  assert_int_equal (a->inc.end, INCIDENT_REPLACED);
  assert_string_equal (stands (w)->inc.scenario, "tcp");
  assert_int_equal (w->incidents->count, 2);
  /* The same of what its hypervisor says, and of quiet hours. */
  w->paused = NULL;
  w->quiet = &w->tcp;
  registry_event (w->d.registry, "rundir", HOST, A, GUEST_EVENT_PANIC, "x");
  assert_string_equal (stands (w)->inc.code, CODE_VMM_EVENT);
  assert_int_equal (w->incidents->count, 3);
  /* One that is asked joins, as ever. */
  fails (w, A);
  assert_int_equal (w->incidents->count, 3);
}

static void
flapping_may_be_told_each_time (void **state)
{
  struct world *w = *state;

  w->uptime.flap_damping = false;
  w->flapping = true;
  for (unsigned i = 0; i < 3; i++)
    {
      fails (w, A);
      assert_non_null (stands (w));
      answers (w);
      assert_null (stands (w));
    }
  assert_int_equal (w->incidents->count, 3);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (only_the_legal_steps),
    WITH (up, from_failure_to_bundle),
    WITH (up, writer_hangs),
    WITH (up, one_of_two_waits),
    WITH (up, answered_in_time),
    WITH (up, stays_until_answered),
    WITH (up, no_alert),
    WITH (up, as_severe_as_its_scenario),
    WITH (up, a_full_disk_does_not_blind),
    WITH (up, no_more_at_once_than_set),
    WITH (up, oldest_first),
    WITH (up, who_comes_late_is_told_all),
    WITH (up, what_cannot_begin_is_given_up),
    WITH (up, flapping_is_one_trouble),
    WITH (up, flapping_may_be_told_each_time),
    WITH (up, a_hang_behind_flapping),
    WITH (up, a_scenario_is_taken_away),
    WITH (up, it_is_for_that_guest_no_more),
    WITH (up, not_a_check_s),
    WITH (up, a_silenced_check_hides_nothing),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
