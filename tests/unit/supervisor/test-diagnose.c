/* SPDX-License-Identifier: Apache-2.0
 *
 * A diagnosis: what its collectors bring reaches the ladder once, what the
 * house knew before does not stand in for it, and what does not come back is
 * said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/supervisor/diagnose-bed.h"

/* ---- facts ---- */

/* Said once by its collector it is one sample, wherever else it went. */
static void
one_sample_stays_one (void **state)
{
  struct world *w = *state;

  begin (w, "[\"greets-once\", \"finds-nothing\"]");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_string_equal (w->verdict.class_, "slow");
  assert_non_null (told (w, "vmm.monitor", 0));
  assert_null (told (w, "vmm.monitor", 1));
}

static void
two_samples_are_two (void **state)
{
  struct world *w = *state;

  diagnose (w, "greets-twice");
  assert_string_equal (w->verdict.class_, "vmm-stuck");
  assert_int_equal (
      json_get_int (told (w, "vmm.monitor", 0), "sample", 0), 1);
  assert_int_equal (
      json_get_int (told (w, "vmm.monitor", 1), "sample", 0), 2);
  assert_null (told (w, "vmm.monitor", 2));
}

/* Neither does what an earlier diagnosis found count for the next one. */
static void
a_second_diagnosis_begins_anew (void **state)
{
  struct world *w = *state;

  diagnose (w, "greets-once");
  json_object_put (steal_ptr (&w->head));
  w->done = false;
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  diagnose (w, "greets-once");
  assert_string_equal (w->verdict.class_, "slow");
  assert_null (told (w, "vmm.monitor", 1));
}

/* The last step, and what was known of old says otherwise. */
static void
what_was_known_gives_way (void **state)
{
  struct world *w = *state;

  says (w, "test", "vmm.monitor", "greets-only");
  house_says (w, "vmm.status", "running");
  diagnose (w, "answers-twice");
  assert_non_null (told (w, "vmm.monitor", 1));
  assert_null (told (w, "vmm.monitor", 2));
  assert_string_equal (
      json_get_str (told (w, "vmm.monitor", 0), "value"), "answers");
  /* And what nobody looked at is there. */
  assert_non_null (told (w, "vmm.status", 0));
}

/* What somebody else saw is a word of its own: it may take two. */
static void
another_witness_stays (void **state)
{
  struct world *w = *state;

  house_says (w, "vmm.monitor", "held");
  diagnose (w, "answers-twice");
  assert_non_null (told (w, "vmm.monitor", 2));
  assert_string_equal (
      json_get_str (told (w, "vmm.monitor", 2), "source"), "house");
}

/* A guest that goes while it is looked at: the table forgets it. */
static void
known_from_its_begin (void **state)
{
  struct world *w = *state;

  house_says (w, "guest.intent", "stop libvirt");
  begin (w, "[\"greets-twice\"]");
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  fact_forget (w->d.facts, A);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_non_null (told (w, "guest.intent", 0));
}

static void
too_many_are_counted (void **state)
{
  struct world *w = *state;
  struct json_object *gaps;

  house_says (w, "guest.intent", "stop libvirt");
  diagnose (w, "finds-too-much");
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  assert_non_null (strstr (
      json_get_str (json_object_array_get_idx (gaps, 0), "why"), "44 more"));
  /* They push out nothing that is only said when it changes. */
  assert_non_null (told (w, "guest.intent", 0));
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  assert_non_null (fact_latest (w->d.facts, A, "guest.intent"));
}

/* ---- somebody else tells of it, too ---- */

static void
goes_on_for_another_cause (void **state)
{
  static const struct cause text
      = { BY_KERNEL, CODE_KERNEL_EVENT, "its console says: x" };
  static const struct cause check = { "uptime", "silent", "It is silent." };
  struct playbook *few = playbook_of ("[\"greets-once\"]"), *more;
  struct world *w = *state;

  house_says (w, "kernel.class", "soft-lockup");
  assert_int_equal (
      diagnosis_start (&w->d, w->guest, &text, few, &ops, w, &w->dg, NULL), 0);
  assert_int_equal (loop_round (w->d.loop, 0, NULL), 0);
  /* What is asked for already is not done again, whatever stands before. */
  assert_false (diagnosis_retell (w->dg, &check, few));
  more = playbook_of ("[\"answers-twice\", {\"do\": \"greets-twice\", "
                      "\"name\": \"greets-once\"}]");
  assert_true (diagnosis_retell (w->dg, &check, more));
  playbook_unref (few);
  playbook_unref (more);
  UNTIL_LOOP (w->d.loop, w->done);
  assert_int_equal (json_object_array_length (
                        json_object_object_get (w->head, "collectors")),
                    2);
  assert_non_null (told (w, "vmm.monitor", 2));
  /* By its text it would be a soft lockup. */
  assert_string_equal (w->verdict.class_, "unknown");
  assert_non_null (strstr (w->verdict.sentence, "It is silent."));
}

/* ---- files ---- */

static int64_t
began (struct json_object *acts, size_t i)
{
  return json_get_int (json_object_array_get_idx (acts, i), "wall_ms", 0);
}

/* What was brought by somebody who does not come back is there at once, and
 * what he brings later is nobody's. */
static void
what_is_stuck_keeps_what_it_brought (void **state)
{
  struct world *w = *state;
  struct json_object *gaps, *gap, *acts;

  begin (w, "[\"gets-stuck\"]");
  UNTIL_LOOP (w->d.loop, strstr (buf_str (&w->files), "two"));
  assert_false (w->done);
  assert_string_equal (buf_str (&w->files),
                       "[a.txt@0]one [b.txt@0]other [a.txt@4]two");
  loop_advance (w->d.loop, 5000);
  loop_advance (w->d.loop, 100);
  assert_true (w->done);
  assert_string_equal (w->verdict.class_, "slow");
  assert_non_null (told (w, "vmm.monitor", 0));
  assert_non_null (told (w, "diagnosis.failed", 0));
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 1);
  gap = json_object_array_get_idx (gaps, 0);
  assert_string_equal (json_get_str (gap, "what"), "the rest of it");
  assert_non_null (strstr (json_get_str (gap, "why"), "did not come back"));

  gate_set (&gate.open);
  UNTIL_LOOP (w->d.loop, threads (w) == 0);
  assert_true (gate.left);
  assert_null (strstr (buf_str (&w->files), "late"));
  /* What took its time stands at its beginning. */
  acts = json_object_object_get (w->head, "impact");
  assert_int_equal (json_object_array_length (acts), 2);
  assert_in_range (began (acts, 0) - began (acts, 1), 50000, 60000);
}

static void
what_is_too_much_is_cut (void **state)
{
  struct world *w = *state;
  struct json_object *gaps;
  char at[32];

  diagnose (w, "brings-much");
  assert_non_null (strstr (buf_str (&w->files), "[much@0]x"));
  snprintf (at, sizeof at, "x[much@%u]x", HAUL_PIECE);
  assert_non_null (strstr (buf_str (&w->files), at));
  snprintf (at, sizeof at, "x[much@%u]x", 2 * HAUL_PIECE);
  assert_non_null (strstr (buf_str (&w->files), at));
  snprintf (at, sizeof at, "x[much@%u]!", HAUL_PIECE * 5 / 2);
  assert_non_null (strstr (buf_str (&w->files), at));
  assert_null (strstr (buf_str (&w->files), "[more@"));
  gaps = json_object_object_get (w->head, "gaps");
  assert_int_equal (json_object_array_length (gaps), 2);
  assert_string_equal (
      json_get_str (json_object_array_get_idx (gaps, 0), "what"), "more");
  assert_string_equal (
      json_get_str (json_object_array_get_idx (gaps, 1), "what"),
      "the rest of it");
}

/* How much of it there was is said of the collector and of its files. */
static void
what_is_cut_is_counted (void **state)
{
  struct world *w = *state;
  struct json_object *o, *cut;

  diagnose (w, "brings-much");
  o = json_object_array_get_idx (
      json_object_object_get (w->head, "collectors"), 0);
  assert_true (json_get_int (o, "budget_ms", 0) > 0);
  assert_string_equal (json_get_str (o, "touch"), "nothing");
  cut = json_get (o, "truncated");
  assert_int_equal (json_get_int (cut, "orig_bytes", 0)
                        - json_get_int (o, "bytes", 0),
                    2 * HAUL_MAX_BYTES + strlen ("no hole" "late"));
  o = json_object_object_get (w->head, "about");
  assert_int_equal (json_object_object_length (o), 1);
  cut = json_get (json_get (o, "part"), "truncated");
  assert_int_equal (json_get_int (cut, "orig_bytes", 0),
                    HAUL_MAX_BYTES + strlen ("abcdlate"));
}

static void
what_lies_beside_is_listed (void **state)
{
  struct world *w = *state;
  struct json_object *list, *o;

  diagnose (w, "brings-much");
  list = json_object_object_get (w->head, "attachments");
  assert_int_equal (json_object_array_length (list), 1);
  o = json_object_array_get_idx (list, 0);
  assert_string_equal (json_get_str (o, "name"), "a.core");
  assert_string_equal (json_get_str (o, "path"), "/var/crash/a.core");
  assert_string_equal (json_get_str (o, "collector"), "brings-much");
  assert_int_equal (json_get_int (o, "bytes", 0), 77);
  assert_null (json_get (o, "sha256"));
}

static void
the_terms_are_told (void **state)
{
  struct world *w = *state;
  struct json_object *o;
  char sum[DIGEST_HEX];

  memset (w->d.config_sha256, 'c', DIGEST_HEX - 1);
  diagnose (w, "greets-once");
  o = json_object_object_get (w->head, "terms");
  verdict_rules_sum (w->d.rules, sum);
  assert_string_equal (json_get_str (o, "ruleset_sha256"), sum);
  assert_string_equal (json_get_str (o, "config_sha256"),
                       w->d.config_sha256);
  assert_string_equal (json_get_str (w->head, "impact_level"), "nothing");
}

/* ---- acts that have to be undone ---- */

static void
it_acts_when_that_is_remembered (void **state)
{
  struct world *w = *state;

  begin (w, "['acts']");
  UNTIL_LOOP (w->d.loop, w->answer);
  assert_string_equal (w->intended, "{\"act\":\"level\"}");
  assert_false (w->done);
  assert_true (w->answer (NULL, w->answer_arg));
  UNTIL_LOOP (w->d.loop, w->done);
  assert_non_null (told (w, "qemu.state", 0));
  assert_string_equal (w->undone, "level");
  /* Both are told to who reads the bundle. */
  assert_int_equal (
      json_object_array_length (json_object_object_get (w->head, "impact")),
      2);
}

static void
and_not_when_it_is_not (void **state)
{
  const struct error full = { .code = ENOSPC, .msg = "the disk is full" };
  struct world *w = *state;

  begin (w, "['acts']");
  UNTIL_LOOP (w->d.loop, w->answer);
  assert_true (w->answer (&full, w->answer_arg));
  UNTIL_LOOP (w->d.loop, w->done);
  assert_null (told (w, "qemu.state", 0));
  assert_non_null (
      strstr (json_object_to_json_string (w->head), "the disk is full"));
}

/* The disk answers when nobody waits any more. */
static void
nor_when_it_is_too_late (void **state)
{
  struct world *w = *state;

  begin (w, "['acts']");
  UNTIL_LOOP (w->d.loop, w->answer);
  diagnosis_stop (w->dg, "called off");
  UNTIL_LOOP (w->d.loop, w->done);
  assert_null (told (w, "qemu.state", 0));
  assert_false (w->answer (NULL, w->answer_arg));
  assert_string_equal (w->undone, "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (one_sample_stays_one),
    T (two_samples_are_two),
    T (a_second_diagnosis_begins_anew),
    T (what_was_known_gives_way),
    T (another_witness_stays),
    T (known_from_its_begin),
    T (too_many_are_counted),
    T (goes_on_for_another_cause),
    T (what_is_stuck_keeps_what_it_brought),
    T (what_is_too_much_is_cut),
    T (what_is_cut_is_counted),
    T (what_lies_beside_is_listed),
    T (the_terms_are_told),
    T (it_acts_when_that_is_remembered),
    T (and_not_when_it_is_not),
    T (nor_when_it_is_too_late),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
