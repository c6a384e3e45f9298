/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind memory-heartbeat: what it makes of what heartbeats tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "scenarios/scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000u
#define MINUTE 60000u

struct bed
{
  struct scenario *s;
  const struct scenario_watch *watch;
  void *state;
  uint64_t now;
};

static void
begin (struct bed *b, const char *keys)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  char text[400];

  snprintf (text, sizeof text,
            "{\"name\":\"n\",\"kind\":\"memory-heartbeat\"%s}", keys);
  if (json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                  &err)
          < 0
      || scenario_parse (doc, json_root (doc), "", &b->s, &err) < 0)
    fail_msg ("%s", err.msg);
  b->watch = b->s->kind->watch;
  b->now = 10 * MINUTE;
  b->state = b->watch->state_new (b->s, b->now);
}

static void
end (struct bed *b)
{
  b->watch->state_free (b->state);
  scenario_unref (b->s);
  *b = (struct bed){ 0 };
}

static void
hear (struct bed *b, struct fact *f)
{
  f->time_ms = b->now;
  b->watch->fact (b->state, b->s, f, b->now);
}

static void
say (struct bed *b, const char *source, const char *name, const char *text)
{
  struct fact f;

  fact_text (&f, NULL, name, source, text, strlen (text));
  hear (b, &f);
}

static void
tell (struct bed *b, const char *vcpus, const char *ticks,
      const char *scheduler, const char *why)
{
  say (b, "memory", "guest.vcpus", vcpus);
  say (b, "memory", "guest.ticks", ticks);
  say (b, "memory", "guest.scheduler", scheduler);
  say (b, "memory", "guest.beat", why);
}

static void
tell_load (struct bed *b, double load, int64_t blocked)
{
  struct fact f;

  fact_real (&f, NULL, "guest.load1", "memory", load);
  hear (b, &f);
  fact_int (&f, NULL, "guest.blocked", "memory", blocked);
  hear (b, &f);
}

static void
assert_due (struct bed *b, enum outcome outcome, const char *code,
            const char *says)
{
  struct outcome_report r = { .value = NAN };

  b->watch->due (b->state, b->s, b->now, &r);
  if (r.outcome != outcome || strcmp (r.code, code) != 0
      || !strstr (r.sentence, says))
    fail_msg ("%s %s: %s", outcome_names[r.outcome], r.code, r.sentence);
  assert_non_null (outcome_code_find (r.code));
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
}

static void
tell_panic (struct bed *b, bool panicked)
{
  struct fact f;

  fact_bool (&f, NULL, "guest.panicked", "memory", panicked);
  hear (b, &f);
}

static uint64_t
soon (struct bed *b)
{
  return b->watch->soon (b->state, b->s);
}

static void
test_lives_and_dies (void **state)
{
  struct bed b = { 0 };

  begin (&b, ", \"stands\": \"30s\"");
  assert_due (&b, OUTCOME_NO_VERDICT, "not-yet", "yet");
  tell (&b, "alive", "alive", "alive", "2 of 2 CPUs switched");
  assert_due (&b, OUTCOME_OK, "ok", "2 of 2 CPUs");
  /* Slow is not dead. */
  tell (&b, "alive", "slow", "slow", "few ticks");
  assert_due (&b, OUTCOME_OK, "ok", "few ticks");
  assert_int_equal (soon (&b), 0);
  /* What stands still must do so for a while. */
  b.now += MINUTE;
  tell (&b, "unknown", "dead", "dead", "CPU 0 does not look at its clock");
  assert_due (&b, OUTCOME_NO_VERDICT, "not-yet", "not long enough");
  assert_int_equal (soon (&b), b.now + 30 * SECOND);
  b.now += 29 * SECOND;
  assert_due (&b, OUTCOME_NO_VERDICT, "not-yet", "not long enough");
  b.now += SECOND;
  assert_due (&b, OUTCOME_FAILED, "ticks-dead", "CPU 0 does not look");
  /* Told again it is no younger. */
  b.now += MINUTE;
  tell (&b, "dead", "dead", "dead", "nothing wakes them");
  assert_int_equal (soon (&b), b.now - MINUTE);
  assert_due (&b, OUTCOME_FAILED, "ticks-dead", "1m30s");
  b.now += 30 * SECOND;
  assert_due (&b, OUTCOME_FAILED, "vcpus-dead", "nothing wakes them");
  /* And begins anew when it moved in between. */
  tell (&b, "alive", "alive", "alive", "all is well");
  assert_due (&b, OUTCOME_OK, "ok", "all is well");
  assert_int_equal (soon (&b), 0);
  tell (&b, "alive", "alive", "dead", "CPU 1 runs one task");
  assert_due (&b, OUTCOME_NO_VERDICT, "not-yet", "scheduler");
  b.now += MINUTE;
  assert_due (&b, OUTCOME_FAILED, "scheduler-dead", "CPU 1 runs one task");
  end (&b);
}

/* However long it must stand: who panicked does not come back. */
static void
test_panics (void **state)
{
  struct bed b = { 0 };

  begin (&b, ", \"stands\": \"30s\"");
  tell (&b, "alive", "alive", "alive", "all is well");
  tell_panic (&b, false);
  assert_int_equal (soon (&b), 0);
  assert_due (&b, OUTCOME_OK, "ok", "all is well");
  b.now += SECOND;
  tell (&b, "alive", "alive", "dead", "it panicked on CPU 1");
  tell_panic (&b, true);
  assert_int_equal (soon (&b), b.now);
  assert_due (&b, OUTCOME_FAILED, "panicked", "it panicked on CPU 1");
  b.now += MINUTE;
  tell_panic (&b, true);
  assert_int_equal (soon (&b), b.now - MINUTE);
  tell (&b, "alive", "alive", "alive", "another kernel");
  tell_panic (&b, false);
  assert_due (&b, OUTCOME_OK, "ok", "another kernel");
  end (&b);
  begin (&b, ", \"scheduler\": false");
  tell (&b, "alive", "alive", "dead", "it panicked on CPU 1");
  tell_panic (&b, true);
  assert_int_equal (soon (&b), 0);
  assert_due (&b, OUTCOME_OK, "ok", "it panicked");
  end (&b);
}

/* An idle guest, one whose kernel can't be read, one that nobody reads. */
static void
test_does_not_know (void **state)
{
  struct bed b = { 0 };

  begin (&b, "");
  tell (&b, "unknown", "unknown", "unknown", "all CPUs were idle for 20 s");
  b.now += MINUTE;
  assert_due (&b, OUTCOME_NO_VERDICT, "beat-unknown", "all CPUs were idle");
  say (&b, "memory", "guest.beat", "none: no permission\033[2J");
  assert_due (&b, OUTCOME_NO_VERDICT, "no-heartbeat", "no permission\\e[2J");
  /* Dead once, and since then nothing was said of it. */
  tell (&b, "alive", "dead", "dead", "it stands");
  b.now += MINUTE;
  assert_due (&b, OUTCOME_FAILED, "ticks-dead", "it stands");
  b.now += 2 * MINUTE + SECOND;
  assert_due (&b, OUTCOME_NO_VERDICT, "no-heartbeat", "for 3m1s");
  /* Where heartbeats are rare they are told rarely. */
  tell (&b, "alive", "alive", "alive", "it lives");
  b.now += 10 * MINUTE;
  tell (&b, "alive", "alive", "alive", "it lives");
  b.now += 25 * MINUTE;
  assert_due (&b, OUTCOME_OK, "ok", "it lives");
  b.now += 10 * MINUTE;
  assert_due (&b, OUTCOME_NO_VERDICT, "no-heartbeat", "for 35m");
  /* What another source says of the same name is another thing. */
  say (&b, "acpi", "guest.ticks", "alive");
  assert_due (&b, OUTCOME_NO_VERDICT, "no-heartbeat", "for 35m");
  end (&b);
}

static void
test_what_counts (void **state)
{
  struct bed b = { 0 };

  begin (&b, ", \"ticks\": false, \"scheduler\": false");
  tell (&b, "alive", "dead", "dead", "it stands");
  b.now += MINUTE;
  assert_due (&b, OUTCOME_OK, "ok", "it stands");
  tell (&b, "dead", "dead", "dead", "halted");
  b.now += MINUTE;
  assert_due (&b, OUTCOME_FAILED, "vcpus-dead", "halted");
  end (&b);
  begin (&b, ", \"stands\": \"0s\"");
  tell (&b, "alive", "dead", "alive", "it stands");
  assert_due (&b, OUTCOME_FAILED, "ticks-dead", "it stands");
  end (&b);
}

static void
test_limits (void **state)
{
  struct bed b = { 0 };

  begin (&b, "");
  tell (&b, "alive", "alive", "alive", "well");
  tell_load (&b, 900, 900);
  b.now += MINUTE;
  assert_due (&b, OUTCOME_OK, "ok", "well");
  end (&b);
  begin (&b, ", \"load\": 4, \"blocked\": 2, \"for\": \"2m\"");
  for (unsigned i = 0; i < 3; i++, b.now += MINUTE)
    {
      tell (&b, "alive", "alive", "alive", "well");
      tell_load (&b, 4, 2);
      assert_due (&b, OUTCOME_OK, "ok", "well");
    }
  for (unsigned i = 0; i < 2; i++, b.now += MINUTE)
    {
      tell (&b, "alive", "alive", "alive", "well");
      tell_load (&b, 4.5, 2);
      assert_due (&b, OUTCOME_OK, "ok", "well");
    }
  assert_due (&b, OUTCOME_FAILED, "load", "4.50");
  tell (&b, "alive", "alive", "alive", "well");
  tell_load (&b, 4, 3);
  assert_due (&b, OUTCOME_OK, "ok", "well");
  b.now += 2 * MINUTE;
  assert_due (&b, OUTCOME_FAILED, "blocked", "3 tasks");
  end (&b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_lives_and_dies),
    cmocka_unit_test (test_panics),
    cmocka_unit_test (test_does_not_know),
    cmocka_unit_test (test_what_counts),
    cmocka_unit_test (test_limits),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
