/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a diagnosis: which of them run beside each other, which wait
 * for what, which are left out, and what bounds all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/diagnose-bed.h"

/* ---- which steps run, and when ---- */

#define LEGS(w, text) UNTIL_LOOP ((w)->d.loop, legs_are ((w), (text)))

static bool
legs_are (struct world *w, const char *text)
{
  return strcmp (buf_str (&w->legs), text) == 0;
}

static const char *
collector_said (struct world *w, size_t nth, const char *key)
{
  struct json_object *list = json_object_object_get (w->head, "collectors");

  return json_get_str (json_object_array_get_idx (list, nth), key);
}

static void
lanes_run_beside_each_other (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host', 'a-monitor', 'a-disk', 'a-net']");
  LEGS (w, "+a-host +a-monitor +a-net ");
  let_go ("a-monitor");
  LEGS (w, "+a-host +a-monitor +a-net -a-monitor +a-disk ");
  let_go ("a-disk a-net");
  UNTIL_LOOP (w->d.loop, threads (w) == 1);
  assert_false (w->done);
  let_go ("a-host");
  UNTIL_LOOP (w->d.loop, w->done);
  /* Told in the order of the playbook. */
  assert_string_equal (collector_said (w, 0, "name"), "a-host");
  assert_string_equal (collector_said (w, 1, "name"), "a-monitor");
  assert_string_equal (collector_said (w, 2, "name"), "a-disk");
  assert_string_equal (collector_said (w, 3, "name"), "a-net");
}

/* Harmless evidence first; and nothing looks while somebody types. */
static void
what_touches_the_guest_goes_alone (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host', 'a-net', 'a-key', 'a-monitor', 'an-nmi', 'a-disk']");
  LEGS (w, "+a-host +a-net ");
  let_go ("a-host");
  LEGS (w, "+a-host +a-net -a-host ");
  let_go ("a-net");
  LEGS (w, "+a-host +a-net -a-host -a-net +a-key ");
  let_go ("a-key");
  LEGS (w, "+a-host +a-net -a-host -a-net +a-key -a-key +a-monitor ");
  let_go ("a-monitor");
  LEGS (w, "+a-host +a-net -a-host -a-net +a-key -a-key +a-monitor "
           "-a-monitor +an-nmi ");
  let_go ("an-nmi a-disk");
  UNTIL_LOOP (w->d.loop, w->done);
}

/* ---- lanes that others have ---- */

static int
holds_its_lane (struct job *job, void *arg)
{
  gate_wait (arg);
  return 0;
}

static void
lane_was_left (void *owner, void *arg, enum job_end end, int rc)
{
}

static void
somebody_takes_for (struct world *w, enum job_lane lane, bool *until,
                    uint64_t ms)
{
  const struct job_spec spec = { .name = "a scenario",
                                 .guest = A,
                                 .lane = lane,
                                 .timeout_ms = ms,
                                 .run = holds_its_lane,
                                 .done = lane_was_left,
                                 .arg = until };

  *until = false;
  assert_int_equal (job_start (w->d.jobs, &spec, NULL), 0);
}

static void
somebody_takes (struct world *w, enum job_lane lane, bool *until)
{
  somebody_takes_for (w, lane, until, 3600000);
}

/* No time passes: it begins when the lane is free. */
static void
a_taken_lane_is_waited_for (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_MONITOR, &leaves);
  let_go ("a-monitor a-disk a-host");
  begin (w, "['a-monitor', 'a-disk', 'a-host']");
  LEGS (w, "+a-monitor +a-host -a-host ");
  gate_set (&leaves);
  LEGS (w, "+a-monitor +a-host -a-host -a-monitor +a-disk -a-disk ");
  assert_true (w->done);
}

/* Who is stuck in it may be so for ever: the others are not kept up. */
static void
a_stuck_lane_is_not_waited_for_as_long (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes_for (w, LANE_MONITOR, &leaves, 10);
  loop_advance (w->d.loop, 10 + 100); /* and its grace */
  assert_true (job_lane_stuck (w->d.jobs, A, LANE_MONITOR));
  let_go ("a-host");
  begin (w, "['a-monitor', 'a-disk', 'a-host']");
  LEGS (w, "+a-monitor +a-host -a-host ");
  loop_advance (w->d.loop, 2999);
  assert_false (w->done);
  loop_advance (w->d.loop, 1);
  loop_advance (w->d.loop, 3000);
  assert_true (w->done);
  assert_non_null (strstr (json_object_to_json_string (w->head),
                           "and it does not come back"));
  gate_set (&leaves);
  UNTIL_LOOP (w->d.loop, !job_lane_stuck (w->d.jobs, A, LANE_MONITOR));
}

static void
but_not_for_ever (void **state)
{
  static bool leaves;
  struct world *w = *state;
  struct json_object *gaps;

  somebody_takes (w, LANE_MONITOR, &leaves);
  let_go ("a-host");
  begin (w, "['a-monitor', 'a-host']");
  LEGS (w, "+a-monitor +a-host -a-host ");
  loop_advance (w->d.loop, 14999);
  assert_false (w->done);
  loop_advance (w->d.loop, 1);
  assert_true (w->done);
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  assert_non_null (strstr (
      json_get_str (json_object_array_get_idx (gaps, 0), "why"),
      "\"a scenario\""));
  gate_set (&leaves);
}

/* ---- conditions ---- */

static void
a_condition_that_does_not_hold (void **state)
{
  struct world *w = *state;

  begin (w, "['answers-twice', {'do':'a-net', 'if':'vmm == dead'},"
            " {'do':'finds-nothing', 'if':'vmm.monitor == answers'}]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+answers-twice -answers-twice "
                            "+finds-nothing -finds-nothing "));
  assert_string_equal (collector_said (w, 1, "name"), "a-net");
  assert_string_equal (collector_said (w, 1, "skipped"), "vmm == dead");
  assert_null (collector_said (w, 2, "skipped"));
  /* Nothing is missing. */
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "gaps")),
                    0);
  assert_null (told (w, "diagnosis.failed", 0));
  /* It asked the house, and what that said is in there once. */
  assert_null (told (w, "vmm.monitor", 2));
}

/* What a guest does not have is a gap, and no failure to judge by. */
static void
what_a_guest_does_not_have (void **state)
{
  struct world *w = *state;

  begin (w, "['has-none']");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "gaps")),
                    1);
  assert_null (told (w, "diagnosis.failed", 0));
}

/* What the house knew before counts, too. */
static void
a_condition_on_what_is_known (void **state)
{
  struct world *w = *state;

  house_says (w, "kernel.class", "soft-lockup");
  begin (w, "[{'do':'a-host', 'if':'kernel.class == soft-lockup'},"
            " {'do':'greets-once', 'if':'kernel.class == soft-lockup'}]");
  LEGS (w, "+a-host ");
  house_says (w, "kernel.class", "kernel-panic");
  let_go ("a-host");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+a-host -a-host "));
  assert_non_null (told (w, "kernel.class", 0));
  assert_null (told (w, "kernel.class", 1));
}

/* Of all before it; and those behind do not come before it, or what it sees
 * would hang on who is faster. */
static void
a_condition_waits_for_its_facts (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host',"
            " {'do':'a-monitor', 'if':'no kernel.event.panic'}, 'a-net']");
  LEGS (w, "+a-host ");
  let_go ("a-host");
  LEGS (w, "+a-host -a-host +a-monitor +a-net ");
  let_go ("a-monitor a-net");
  UNTIL_LOOP (w->d.loop, w->done);
}

/* ---- budgets ---- */

static const char *
gap_said (struct world *w, size_t nth, const char *key)
{
  struct json_object *gaps = json_object_object_get (w->head, "gaps");

  return json_get_str (json_object_array_get_idx (gaps, nth), key);
}

static void
the_time_of_a_playbook_ends (void **state)
{
  struct world *w = *state;

  begin (w, "'budget':'10s', 'steps':['a-host', 'a-key']");
  LEGS (w, "+a-host ");
  loop_advance (w->d.loop, 10000);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+a-host !a-host +a-key !a-key "));
  assert_string_equal (gap_said (w, 0, "why"), "it was stopped");
  assert_non_null (strstr (gap_said (w, 1, "why"), "time that the playbook"));
}

/* Also of who waits for a lane. */
static void
nobody_waits_longer_than_that (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_MONITOR, &leaves);
  begin (w, "'budget':'10s', 'steps':['a-monitor']");
  LEGS (w, "+a-monitor ");
  loop_advance (w->d.loop, 10000);
  assert_true (w->done);
  assert_non_null (strstr (gap_said (w, 0, "why"), "time that the playbook"));
  gate_set (&leaves);
}

static void
the_bytes_of_a_playbook_end (void **state)
{
  struct world *w = *state;

  begin (w, "'bytes':'160KiB', 'steps':['brings-64k',"
            " {'do':'brings-64k', 'name':'b'},"
            " {'do':'brings-64k', 'name':'c'}]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (w->bytes, 128 << 10);
  assert_string_equal (gap_said (w, 0, "what"), "c");
  assert_non_null (strstr (gap_said (w, 0, "why"), "bytes that the playbook"));
  assert_null (gap_said (w, 1, "why"));
}

static void
no_step_begins_without_any (void **state)
{
  struct world *w = *state;

  begin (w, "'bytes':'64KiB', 'steps':['brings-64k', 'finds-nothing']");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+brings-64k -brings-64k "
                            "+finds-nothing !finds-nothing "));
  assert_non_null (strstr (gap_said (w, 0, "why"), "bytes that the playbook"));
}

/* ---- a disk that is slow ---- */

/* Who brings more than a little waits, and nothing is lost. */
static void
who_brings_much_waits_for_the_disk (void **state)
{
  struct world *w = *state;

  w->no_room = true;
  atomic_store (&pieces_gone, 0);
  begin (w, "['brings-3m']");
  UNTIL_LOOP (w->d.loop, atomic_load (&pieces_gone) == 4);
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal (loop_round (w->d.loop, 20, NULL), 0);
  assert_int_equal (atomic_load (&pieces_gone), 4);
  w->no_room = false;
  diagnosis_room (w->dg);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (w->bytes, PIECES * HAUL_PIECE);
  assert_null (gap_said (w, 0, "why"));
}

/* Its step has ended, the next one runs; only the verdict waits. */
static void
what_was_brought_is_not_forgotten (void **state)
{
  struct world *w = *state;

  w->no_room = true;
  begin (w, "['brings-64k', 'a-key']");
  LEGS (w, "+brings-64k -brings-64k +a-key ");
  let_go ("a-key");
  LEGS (w, "+brings-64k -brings-64k +a-key -a-key ");
  loop_advance (w->d.loop, 29999);
  assert_false (w->done);
  w->no_room = false;
  diagnosis_room (w->dg);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (w->bytes, 64 << 10);
  assert_null (gap_said (w, 0, "why"));
}

/* But a disk that hangs does not keep the verdict; what is lost is one gap of
 * each reason. */
static void
a_disk_that_hangs_is_given_up (void **state)
{
  struct world *w = *state;

  w->no_room = true;
  atomic_store (&pieces_gone, 0);
  begin (w, "['brings-3m']");
  UNTIL_LOOP (w->d.loop, atomic_load (&pieces_gone) == 4);
  loop_advance (w->d.loop, 5000); /* its budget */
  LEGS (w, "+brings-3m -brings-3m ");
  assert_false (w->done);
  loop_advance (w->d.loop, 30000);
  assert_true (w->done);
  assert_string_equal (gap_said (w, 0, "what"), "3m");
  assert_non_null (strstr (gap_said (w, 0, "why"), "2097152 bytes"));
  assert_non_null (strstr (gap_said (w, 1, "why"), "1048576 bytes"));
  assert_null (gap_said (w, 2, "why"));
}

/* ---- its end before its end ---- */

static void
a_stop_ends_those_that_run (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_MONITOR, &leaves);
  begin (w, "['a-host', 'a-monitor', 'a-net', 'a-key']");
  LEGS (w, "+a-host +a-monitor +a-net ");
  diagnosis_stop (w->dg, "the guest is gone");
  assert_false (w->done);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_string_equal (json_get_str (w->head, "stopped"), "the guest is gone");
  /* What was not begun is not in there. */
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "collectors")),
                    3);
  assert_string_equal (collector_said (w, 0, "failure"), "it was stopped");
  assert_string_equal (collector_said (w, 1, "failure"), "the guest is gone");
  gate_set (&leaves);
}

/* Before its first step, and while nothing but a lane is waited for. */
static void
a_stop_before_anything (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host']");
  diagnosis_stop (w->dg, "never mind");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, ""));
}

static void
a_stop_while_a_lane_is_waited_for (void **state)
{
  static bool leaves;
  struct world *w = *state;

  somebody_takes (w, LANE_HOST, &leaves);
  begin (w, "['a-host']");
  LEGS (w, "+a-host ");
  diagnosis_stop (w->dg, "never mind");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (legs_are (w, "+a-host !a-host "));
  gate_set (&leaves);
}

/* What he wants beside it begins at once. */
static void
another_playbook_takes_over (void **state)
{
  static const struct cause check = { "uptime", "silent", "It is silent." };
  struct playbook *his = playbook_of ("['a-net','a-host','a-key']");
  struct world *w = *state;

  begin (w, "['a-host', 'a-monitor', 'a-disk']");
  LEGS (w, "+a-host +a-monitor ");
  assert_true (diagnosis_retell (w->dg, &check, his));
  playbook_unref (his);
  LEGS (w, "+a-host +a-monitor +a-net ");
  let_go ("a-host a-monitor a-net a-disk a-key");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_string_equal (collector_said (w, 0, "name"), "a-host");
  assert_string_equal (collector_said (w, 1, "name"), "a-monitor");
  assert_string_equal (collector_said (w, 2, "name"), "a-disk");
  assert_string_equal (collector_said (w, 3, "name"), "a-net");
  assert_string_equal (collector_said (w, 4, "name"), "a-key");
}

/* Its host may still be looked at. */
static void
another_guest_is_not_touched (void **state)
{
  struct world *w = *state;

  begin (w, "['a-host', 'a-monitor', 'a-disk', 'finds-nothing']");
  LEGS (w, "+a-host +a-monitor ");
  registry_update (w->d.registry, living (8));
  let_go ("a-host a-monitor");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_non_null (strstr (buf_str (&w->legs), "-a-host"));
  assert_non_null (strstr (buf_str (&w->legs), "-a-monitor"));
  assert_non_null (strstr (buf_str (&w->legs), "+a-disk !a-disk"));
  assert_non_null (strstr (buf_str (&w->legs), "-finds-nothing"));
}

/* ---- names of files ---- */

static bool
has_file (struct world *w, const char *what)
{
  return strstr (buf_str (&w->files), what) != NULL;
}

/* A second step of a collector would begin the first one's file again, and what
 * the first one asked would be gone. */
static void
no_step_writes_over_another (void **state)
{
  struct world *w = *state;
  struct json_object *list, *gaps;

  begin (w, "['asks', {'do':'asks','name':'later'},"
            " {'do':'asks','name':'a-name-that-is-long-beyond-bounds-1'},"
            " {'do':'asks','name':'a-name-that-is-long-beyond-bounds-2'}]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_true (has_file (w, "[q/asked.jsonl@0]asks["));
  assert_true (has_file (w, "[q/asked.jsonl@4]!"));
  assert_true (has_file (w, "[q/asked-later.jsonl@0]later["));
  assert_true (has_file (w, "[q/asked-later.jsonl@5]!"));
  assert_true (has_file (w, "[q/.odd-later@0]later"));
  assert_true (has_file (w, "[q/asked-a-name-that-is-long-beyo.jsonl@0]a-"));
  assert_true (has_file (w, "[q/asked-a-name-that-is-long-beyo-2.jsonl@0]a-"));
  /* So it is called wherever it is told of. */
  list = json_object_object_get (w->head, "collectors");
  list = json_object_object_get (json_object_array_get_idx (list, 1), "files");
  assert_string_equal (
      json_object_get_string (json_object_array_get_idx (list, 0)),
      "q/asked-later.jsonl");
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 4);
  assert_string_equal (
      json_get_str (json_object_array_get_idx (gaps, 0), "what"),
      "q/asked.jsonl");
  assert_string_equal (
      json_get_str (json_object_array_get_idx (gaps, 1), "what"),
      "q/asked-later.jsonl");
}

/* As long as a bundle's names may be, and no longer; in its folder or, where
 * that alone takes all the room, beside it. */
static void
names_stay_names (void **state)
{
  static const char step[] = "sixty-three-letters-have-a-steps-name";
  struct world *w = *state;
  struct haul_limit *limit;
  struct haul *h[2];
  struct haul_end end;
  char name[100];
  const struct haul_ops none = { .file = on_file };

  w->no_room = false;
  memset (name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  /* What is kept of it would end in this. */
  name[99 - 1 - 24 - 1] = '/';
  assert_int_equal (haul_limit_new (1 << 20, &limit, NULL), 0);
  for (unsigned i = 0; i < 2; i++)
    {
      assert_int_equal (haul_new (w->d.loop, "c", limit, &none, w, &h[i],
                                  NULL),
                        0);
      haul_step (h[i], step);
      haul_out (h[i])->file (haul_out (h[i]), name, "x", 1);
      haul_close (h[i], &end);
      if (i == 1)
        {
          const char *shown = json_object_get_string (
              json_object_array_get_idx (end.files, 0));

          assert_in_range (strlen (shown), 20, 99);
          assert_null (strstr (shown, "/-"));
          assert_string_not_equal (shown, name);
        }
      json_object_put (end.files);
      json_object_put (end.impact);
      json_object_put (end.gaps);
      haul_unref (h[i]);
    }
  haul_limit_unref (limit);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (lanes_run_beside_each_other),
    T (what_touches_the_guest_goes_alone),
    T (a_taken_lane_is_waited_for),
    T (a_stuck_lane_is_not_waited_for_as_long),
    T (but_not_for_ever),
    T (a_condition_that_does_not_hold),
    T (what_a_guest_does_not_have),
    T (a_condition_on_what_is_known),
    T (a_condition_waits_for_its_facts),
    T (the_time_of_a_playbook_ends),
    T (nobody_waits_longer_than_that),
    T (the_bytes_of_a_playbook_end),
    T (no_step_begins_without_any),
    T (who_brings_much_waits_for_the_disk),
    T (what_was_brought_is_not_forgotten),
    T (a_disk_that_hangs_is_given_up),
    T (a_stop_ends_those_that_run),
    T (a_stop_before_anything),
    T (a_stop_while_a_lane_is_waited_for),
    T (another_playbook_takes_over),
    T (another_guest_is_not_touched),
    T (no_step_writes_over_another),
    T (names_stay_names),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
