/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done to a guest for an incident, and has to be undone: on disk
 * before, undone after a crash.  The jobs are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define UNDOERS_OF_ITS_OWN
#include "tests/unit/supervisor/incidents-bed.h"

#include "base/cleanup.h"
#include "base/job.h"
#include "tests/lib/until.h"

#include <stdatomic.h>

#define UNDO "{\"act\":\"level\",\"was\":4}"
#define UNDO_PAUSE "{\"act\":\"pause\"}"
#define UNDO_FOCUS "{\"act\":\"focus\",\"was\":1}"

/* ---- the undoers ---- */

static atomic_uint undone, fails_so_often;
static atomic_int was;

static int
sets_level (struct collect_ctx *ctx, struct json_object *undo,
            struct error *err)
{
  assert_string_equal (ctx->guest->inc.uuid, A);
  ctx->out->impact (ctx->out, "goes nowhere");
  atomic_store (&was, (int) json_get_int (undo, "was", -1));
  if (atomic_load (&fails_so_often) > 0)
    {
      atomic_fetch_sub (&fails_so_often, 1);
      return error_set (err, EIO, "it does not listen");
    }
  atomic_fetch_add (&undone, 1);
  return 0;
}

static const struct collect_undoer level
    = { "level", LANE_CONSOLE, 3600000, false, sets_level, 0, NULL,
        .most_ms = 4 * 3600000 };
static const struct collect_undoer focus
    = { "focus", LANE_CONSOLE, 3600000, true, sets_level, 4, "press a key" };
static const struct collect_undoer pause_
    = { "pause", LANE_MONITOR, 3600000, true, sets_level, .pauses = true };
const struct collect_undoer *const collect_undoers[]
    = { &level, &focus, &pause_, NULL };

const struct collect_undoer *
collect_undoer_find (const char *act)
{
  for (size_t i = 0; collect_undoers[i]; i++)
    if (strcmp (collect_undoers[i]->act, act) == 0)
      return collect_undoers[i];
  return NULL;
}

/* ---- the world ---- */

static struct diagnosis_env env;

static int
with_jobs (void **state)
{
  struct world *w;

  setup (state);
  w = *state;
  env = (struct diagnosis_env){ .loop = w->d.loop };
  assert_int_equal (job_pool_new (w->d.loop, NULL, &env.jobs, NULL), 0);
  w->incidents->env.diagnosis = &env;
  undone = fails_so_often = 0;
  was = 0;
  return 0;
}

static int
without_jobs (void **state)
{
  assert_int_equal (job_pool_free (env.jobs, UNTIL_MS), 0);
  return teardown (state);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, with_jobs, without_jobs)

/* One that a daemon before had; undone_wall_ms 0: with that act open. */
static void
had_acted (struct world *w, const char *place, int pid, unsigned boot,
           enum incident_end end, const char *undo, uint64_t undone_wall_ms)
{
  struct incident inc = { .rev = 3,
                          .end = end,
                          .phase = INCIDENT_COLLECTING,
                          .opened_wall_ms = 5 };
  struct incident_act *act;

  incident_new_id (inc.id);
  snprintf (inc.inc.uuid, sizeof inc.inc.uuid, A);
  inc.inc.pid = pid;
  inc.inc.start_time = 100;
  inc.inc.boot = boot;
  snprintf (inc.scenario, sizeof inc.scenario, "uptime");
  assert_int_equal (incident_intend (&inc, undo, 5, &act, NULL), 0);
  if (undone_wall_ms)
    {
      incident_act_over (act, ACT_UNDONE, NULL);
      act->over_wall_ms = undone_wall_ms;
    }
  store (w, &inc, place);
}

static void
had (struct world *w, const char *place, int pid, unsigned boot,
     enum incident_end end, const char *undo)
{
  had_acted (w, place, pid, boot, end, undo, 0);
}

static enum incident_act_state
state_of (struct world *w)
{
  assert_int_equal (newest (w)->inc.nacts, 1);
  return newest (w)->inc.acts[0].state;
}

static unsigned answers, answer_code;

static bool
on_answer (const struct error *err, void *arg)
{
  answers++;
  answer_code = err ? (unsigned) err->code : 0;
  return *(bool *) arg;
}

/* A diagnosis of A that runs. */
static struct diagnosis *
being_diagnosed (struct world *w)
{
  incidents_writer_up (w->incidents);
  fails (w, A);
  all_on_disk (w);
  assert_int_equal (w->nrunning, 1);
  answers = answer_code = 0;
  return w->running[0];
}

/* ---- a collector acts ---- */

static void
it_is_on_disk_before_it_is_done (void **state)
{
  struct world *w = *state;
  struct diagnosis *dg = being_diagnosed (w);
  bool waits = true;

  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  assert_int_equal (answers, 0);
  assert_non_null (strstr (w->docs[0].text, "\"was\":4"));
  assert_non_null (strstr (w->docs[0].text, "\"state\":\"open\""));
  on_disk (w, NULL);
  assert_int_equal (answers, 1);
  assert_int_equal (answer_code, 0);
  dg->ops->undone ("level", dg->arg);
  assert_non_null (strstr (w->docs[0].text, "\"state\":\"undone\""));
  /* Again, it is the same one. */
  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  on_disk (w, NULL);
  assert_int_equal (state_of (w), ACT_OPEN);
  /* And not twice. */
  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  assert_int_equal (answers, 3);
  assert_int_equal (answer_code, EBUSY);
  dg->ops->undone ("level", dg->arg);
}

static void
what_is_not_on_disk_is_not_done (void **state)
{
  const struct error full = { .code = ENOSPC, .msg = "full" };
  struct world *w = *state;
  struct diagnosis *dg = being_diagnosed (w);
  bool waits = true;

  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  on_disk (w, &full);
  assert_int_equal (answer_code, ENOSPC);
  assert_int_equal (state_of (w), ACT_DROPPED);
  /* Nor what its collector does not wait for. */
  waits = false;
  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  on_disk (w, NULL);
  assert_int_equal (state_of (w), ACT_DROPPED);
  dg->ops->intend ("{\"was\":4}", on_answer, &waits, dg->arg);
  assert_int_equal (answer_code, EINVAL);
}

/* Its collector got stuck, or forgot it. */
static void
what_a_diagnosis_leaves_is_undone (void **state)
{
  struct world *w = *state;
  struct diagnosis *dg = being_diagnosed (w);
  bool waits = true;

  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  on_disk (w, NULL);
  turn (w);
  assert_int_equal (undone, 0);
  verdict (w, "userspace-stuck", "high");
  assert_non_null (strstr (json_object_to_json_string (w->head),
                           "level: not undone yet"));
  UNTIL_LOOP (w->d.loop, undone == 1);
  UNTIL_LOOP (w->d.loop, state_of (w) == ACT_UNDONE);
  assert_int_equal (was, 4);
}

/* How long the guest stood is told: for what was undone, each time, and for
 * what is not undone yet. */
static void
how_long_it_stood_is_told (void **state)
{
  struct world *w = *state;
  struct diagnosis *dg = being_diagnosed (w);
  struct incident_act *act;
  bool waits = true;

  dg->ops->intend (UNDO, on_answer, &waits, dg->arg);
  on_disk (w, NULL);
  act = incident_act_open (&newest (w)->inc, "level");
  act->wall_ms -= 1000000; /* which stops nobody */
  dg->ops->undone ("level", dg->arg);
  for (unsigned i = 0; i < 2; i++)
    {
      dg->ops->intend (UNDO_PAUSE, on_answer, &waits, dg->arg);
      while (w->nputs)
        on_disk (w, NULL);
      act = incident_act_open (&newest (w)->inc, "pause");
      act->wall_ms -= 10000;
      if (i == 0)
        dg->ops->undone ("pause", dg->arg);
    }
  verdict (w, "userspace-stuck", "high");
  assert_in_range (json_get_int (w->head, "vm_paused_ms", 0), 20000, 40000);
  UNTIL_LOOP (w->d.loop, undone == 1);
}

static void
of_one_that_never_stood_that_is_told (void **state)
{
  struct world *w = *state;

  being_diagnosed (w);
  verdict (w, "userspace-stuck", "high");
  assert_int_equal (json_get_int (w->head, "vm_paused_ms", -1), 0);
}

/* ---- a daemon before this one died ---- */

static void
how_long_it_stood_then_is_told (void **state)
{
  struct world *w = *state;

  had_acted (w, "open", 6, 0, INCIDENT_NOT_ENDED, UNDO_PAUSE, 7005);
  incidents_writer_up (w->incidents);
  loop_advance (w->d.loop, FIND_GUESTS_MS + 1);
  turn (w);
  assert_non_null (w->head);
  assert_int_equal (json_get_int (w->head, "vm_paused_ms", -1), 7000);
}

/* "Not at all" would be a lie. */
static void
until_when_it_stood_may_not_be_known (void **state)
{
  struct world *w = *state;

  had (w, "open", 6, 0, INCIDENT_NOT_ENDED, UNDO_PAUSE);
  incidents_writer_up (w->incidents);
  loop_advance (w->d.loop, FIND_GUESTS_MS + 1);
  turn (w);
  assert_int_equal (state_of (w), ACT_DROPPED);
  assert_non_null (w->head);
  assert_int_equal (json_get_int (w->head, "vm_paused_ms", -1), -1);
}

static void
first_it_is_undone_and_then_looked_at (void **state)
{
  struct world *w = *state;

  fails_so_often = 1;
  had (w, "open", 7, 0, INCIDENT_NOT_ENDED, UNDO);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == 1);
  loop_advance (w->d.loop, FIND_GUESTS_MS);
  UNTIL_LOOP (w->d.loop, state_of (w) == ACT_UNDONE);
  assert_int_equal (undone, 1);
  assert_int_equal (was, 4);
  on_disk (w, NULL); /* the attempt */
  assert_int_equal (w->nrunning, 1);
  assert_non_null (strstr (w->docs[0].text, "\"state\":\"undone\""));
}

static void
a_guest_that_never_listens_is_looked_at (void **state)
{
  struct world *w = *state;

  fails_so_often = 5;
  had (w, "open", 7, 0, INCIDENT_NOT_ENDED, UNDO);
  incidents_writer_up (w->incidents);
  loop_advance (w->d.loop, FIND_GUESTS_MS);
  for (unsigned i = 1; i <= 3; i++)
    {
      assert_int_equal (w->nputs, 0);
      UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == i);
      if (i < 3)
        loop_advance (w->d.loop, 5000u << (i - 1));
    }
  on_disk (w, NULL);
  assert_int_equal (w->nrunning, 1);
  verdict (w, "userspace-stuck", "high");
  packed (w, NULL);
  /* And it is asked again. */
  for (unsigned i = 4; i <= 6; i++)
    {
      loop_advance (w->d.loop, 600000);
      UNTIL_LOOP (w->d.loop,
                  newest (w)->undo_tries == i || state_of (w) == ACT_UNDONE);
    }
  assert_int_equal (state_of (w), ACT_UNDONE);
}

/* ---- one that is mute for days ---- */

#define MANY 1000000

static unsigned
tried (void)
{
  return MANY - atomic_load (&fails_so_often);
}

static void
for_hours (struct world *w, unsigned hours)
{
  for (unsigned i = 0; i < hours * 6; i++)
    {
      loop_advance (w->d.loop, 600000);
      turn (w);
      UNTIL_LOOP (w->d.loop, !newest (w)->undoing[0]);
    }
}

static void
well (struct world *w, const char *uuid)
{
  outcome (w, uuid, &w->tcp, OUTCOME_OK, "ok", HEALTH_BECAME_WELL);
}

/* Each try types at it: there are ever fewer; and when it shows life it is
 * asked soon, but not each time it does. */
static void
a_mute_guest_is_asked_ever_less (void **state)
{
  struct world *w = *state;
  unsigned n;

  fails_so_often = MANY;
  had (w, "sent", 7, 0, INCIDENT_RECOVERED, UNDO);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == 1);
  UNTIL_LOOP (w->d.loop, !newest (w)->undoing[0]);
  for_hours (w, 48);
  assert_in_range (tried (), 15, 30);
  assert_int_equal (state_of (w), ACT_OPEN);
  for_hours (w, 1);
  n = tried ();
  well (w, A);
  for_hours (w, 1);
  assert_int_equal (tried (), n + 1);
  for (unsigned i = 0; i < 20; i++)
    {
      well (w, A);
      loop_advance (w->d.loop, 1000);
      turn (w);
      UNTIL_LOOP (w->d.loop, !newest (w)->undoing[0]);
    }
  assert_int_equal (tried (), n + 2);
  /* It listens, and is heard of within ten minutes. */
  fails_so_often = 0;
  well (w, A);
  for_hours (w, 1);
  assert_int_equal (state_of (w), ACT_UNDONE);
  assert_int_equal (undone, 1);
}

/* What was to be undone is over with its life, however long it is to the next
 * try. */
static void
nor_is_it_waited_for_after_a_boot (void **state)
{
  struct world *w = *state;
  unsigned n;

  fails_so_often = MANY;
  had (w, "sent", 7, 0, INCIDENT_RECOVERED, UNDO);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == 1);
  for_hours (w, 24);
  n = tried ();
  lives (w, A, 8);
  assert_int_equal (state_of (w), ACT_DROPPED);
  for_hours (w, 8);
  assert_int_equal (tried (), n);
}

static void
nor_when_the_guest_is_gone (void **state)
{
  struct world *w = *state;
  unsigned n;

  fails_so_often = MANY;
  had (w, "sent", 7, 0, INCIDENT_RECOVERED, UNDO);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == 1);
  for_hours (w, 24);
  n = tried ();
  registry_gone (w->d.registry, "rundir", HOST, A);
  turn (w);
  assert_int_equal (state_of (w), ACT_DROPPED);
  assert_non_null (strstr (newest (w)->inc.acts[0].why, "gone"));
  assert_int_equal (tried (), n);
}

/* One that goes while guests are still looked for after a start is waited for
 * until they are found, and no longer. */
static void
but_it_may_be_found_after_a_start (void **state)
{
  struct world *w = *state;

  fails_so_often = MANY;
  had (w, "sent", 7, 0, INCIDENT_RECOVERED, UNDO);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == 1);
  loop_advance (w->d.loop, 7000);
  UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == 2);
  registry_gone (w->d.registry, "rundir", HOST, A);
  turn (w);
  assert_int_equal (state_of (w), ACT_OPEN);
  /* The next try would be after that. */
  loop_advance (w->d.loop, FIND_GUESTS_MS - 7000 + 500);
  turn (w);
  assert_int_equal (state_of (w), ACT_DROPPED);
}

/* ---- two of one name ---- */

static void
of_two_consoles_both_are_told (void **state)
{
  static const char *const undo[]
      = { "{\"act\":\"focus\",\"console\":\"a\"}",
          "{\"act\":\"focus\",\"console\":\"b\"}" };
  struct world *w = *state;
  struct diagnosis *dg = being_diagnosed (w);
  struct incident_act *act;
  const char *head;
  bool waits = true;

  for (unsigned i = 0; i < 2; i++)
    {
      dg->ops->intend (undo[i], on_answer, &waits, dg->arg);
      on_disk (w, NULL);
      act = incident_act_open (&newest (w)->inc, "focus");
      assert_non_null (act);
      incident_act_over (act, i ? ACT_DROPPED : ACT_UNDONE,
                         i ? "tried 4 times" : "by hangdog itself, later");
    }
  assert_int_equal (newest (w)->inc.nacts, 2);
  verdict (w, "userspace-stuck", "high");
  head = json_object_to_json_string (w->head);
  assert_non_null (strstr (head, "by hangdog itself, later"));
  assert_non_null (strstr (head, "tried 4 times"));
}

/* One that does the same for ever needs one place; others as many as there
 * are, and then none is done that could not be told of. */
static void
places_are_bounded (void **state)
{
  struct incident inc = { .rev = 1 };
  struct incident_act *act;
  char undo[80];

  for (unsigned i = 0; i < 3 * INCIDENT_ACTS; i++)
    {
      assert_int_equal (incident_intend (&inc, UNDO, 5, &act, NULL), 0);
      incident_act_over (act, ACT_UNDONE, NULL);
    }
  assert_int_equal (inc.nacts, 1);
  for (unsigned i = 0; i < INCIDENT_ACTS; i++)
    {
      snprintf (undo, sizeof undo, "{\"act\":\"focus\",\"was\":%u}", i);
      assert_int_equal (incident_intend (&inc, undo, 5, &act, NULL), 0);
      incident_act_over (act, ACT_UNDONE, "by hangdog itself, later");
    }
  assert_int_equal (inc.nacts, INCIDENT_ACTS);
  for (unsigned i = 0; i < INCIDENT_ACTS; i++)
    assert_string_equal (inc.acts[i].act, "focus");
  assert_int_equal (incident_intend (&inc, UNDO, 5, &act, NULL), -ENOSPC);
}

/* What says so of itself is not tried for ever, and a person is told. */
static void
some_are_given_up (void **state)
{
  struct world *w = *state;

  fails_so_often = 100;
  had (w, "sent", 7, 0, INCIDENT_RECOVERED, UNDO_FOCUS);
  incidents_writer_up (w->incidents);
  for (unsigned i = 1; i < 4; i++)
    {
      UNTIL_LOOP (w->d.loop, newest (w)->undo_tries == i);
      assert_int_equal (state_of (w), ACT_OPEN);
      loop_advance (w->d.loop, 600000);
    }
  UNTIL_LOOP (w->d.loop, state_of (w) == ACT_DROPPED);
  assert_int_equal (fails_so_often, 96);
  assert_string_equal (newest (w)->inc.acts[0].why,
                       "tried 4 times: press a key");
  loop_advance (w->d.loop, 3600000);
  turn (w);
  assert_int_equal (fails_so_often, 96);
}

static void
also_of_one_that_is_packed (void **state)
{
  struct world *w = *state;

  had (w, "sent", 7, 0, INCIDENT_RECOVERED, UNDO);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, state_of (w) == ACT_UNDONE);
  assert_int_equal (undone, 1);
}

static void
of_another_life_it_is_dropped (void **state)
{
  struct world *w = *state;

  had (w, "sent", 6, 0, INCIDENT_RECOVERED, UNDO); /* another process */
  incidents_writer_up (w->incidents);
  turn (w);
  assert_int_equal (state_of (w), ACT_DROPPED);
  assert_int_equal (undone, 0);
  assert_non_null (strstr (w->docs[0].text, "another life"));
}

static void
a_reboot_undoes_what_is_the_kernels (void **state)
{
  struct world *w = *state;

  had (w, "sent", 7, 4, INCIDENT_REBOOTED, UNDO);
  incidents_writer_up (w->incidents);
  turn (w);
  assert_int_equal (state_of (w), ACT_DROPPED);
  assert_int_equal (undone, 0);
}

static void
but_not_what_is_qemus (void **state)
{
  struct world *w = *state;

  had (w, "sent", 7, 4, INCIDENT_REBOOTED, UNDO_FOCUS);
  incidents_writer_up (w->incidents);
  UNTIL_LOOP (w->d.loop, state_of (w) == ACT_UNDONE);
  assert_int_equal (undone, 1);
}

static void
a_guest_that_is_not_found_is_waited_for (void **state)
{
  struct world *w = *state;

  registry_gone (w->d.registry, "rundir", HOST, A);
  had (w, "open", 7, 0, INCIDENT_NOT_ENDED, UNDO);
  incidents_writer_up (w->incidents);
  turn (w);
  assert_int_equal (state_of (w), ACT_OPEN);
  loop_advance (w->d.loop, FIND_GUESTS_MS + 1);
  turn (w);
  assert_int_equal (state_of (w), ACT_DROPPED);
  assert_non_null (strstr (w->docs[0].text, "gone"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (it_is_on_disk_before_it_is_done),
    T (what_is_not_on_disk_is_not_done),
    T (what_a_diagnosis_leaves_is_undone),
    T (how_long_it_stood_is_told),
    T (of_one_that_never_stood_that_is_told),
    T (how_long_it_stood_then_is_told),
    T (until_when_it_stood_may_not_be_known),
    T (first_it_is_undone_and_then_looked_at),
    T (a_guest_that_never_listens_is_looked_at),
    T (a_mute_guest_is_asked_ever_less),
    T (nor_is_it_waited_for_after_a_boot),
    T (nor_when_the_guest_is_gone),
    T (but_it_may_be_found_after_a_start),
    T (of_two_consoles_both_are_told),
    T (places_are_bounded),
    T (some_are_given_up),
    T (also_of_one_that_is_packed),
    T (of_another_life_it_is_dropped),
    T (a_reboot_undoes_what_is_the_kernels),
    T (but_not_what_is_qemus),
    T (a_guest_that_is_not_found_is_waited_for),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
