/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind acpi-heartbeat: what it makes of beats.
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
#include <stdlib.h>
#include <string.h>

#define SECOND 1000u

struct bed
{
  struct scenario *s;
  const struct scenario_watch *watch;
  void *state;
  uint64_t now;
};

static int
setup (void **state)
{
  static const char text[] = "{\"name\":\"n\",\"kind\":\"acpi-heartbeat\","
                             "\"every\":\"5s\",\"missed\":4}";
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct bed *b = calloc (1, sizeof *b);

  if (json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                  &err)
          < 0
      || scenario_parse (doc, json_root (doc), "", &b->s, &err) < 0)
    fail_msg ("%s", err.msg);
  b->watch = b->s->kind->watch;
  b->now = 1000 * SECOND;
  b->state = b->watch->state_new (b->s, b->now);
  *state = b;
  return 0;
}

static int
teardown (void **state)
{
  struct bed *b = *state;

  b->watch->state_free (b->state);
  scenario_unref (b->s);
  free (b);
  return 0;
}

static void
port (struct bed *b, const char *text)
{
  struct fact f;

  fact_text (&f, NULL, "guest.acpi_port", "acpi", text, strlen (text));
  f.time_ms = b->now;
  b->watch->fact (b->state, b->s, &f, b->now);
}

static void
beat (struct bed *b, int64_t sequence)
{
  struct fact f;

  fact_int (&f, NULL, "guest.acpi_beat", "acpi", sequence);
  f.time_ms = b->now;
  b->watch->fact (b->state, b->s, &f, b->now);
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
  assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
}

static void
test_beats_and_stops (void **state)
{
  struct bed *b = *state;

  assert_due (b, OUTCOME_NO_VERDICT, "no-beat-device", "doctor");
  port (b, "unread: QEMU closed it\033[2J");
  assert_due (b, OUTCOME_NO_VERDICT, "beat-unread", "QEMU closed it\\e[2J");
  port (b, "read");
  /* One that never beat is not missed. */
  b->now += 1000 * SECOND;
  assert_due (b, OUTCOME_NO_VERDICT, "not-yet", "not beaten in this life");
  beat (b, 1);
  b->now += 19 * SECOND;
  assert_due (b, OUTCOME_OK, "ok", "19s ago");
  b->now += 1 * SECOND;
  assert_due (b, OUTCOME_FAILED, "beat-missing", "not beaten for 20s");
  beat (b, 2);
  assert_due (b, OUTCOME_OK, "ok", "beat 2");
}

/* What was not read is not missing. */
static void
test_is_not_read (void **state)
{
  struct bed *b = *state;

  port (b, "read");
  beat (b, 700);
  port (b, "unread: others are connected to it");
  b->now += 100 * SECOND;
  assert_due (b, OUTCOME_NO_VERDICT, "beat-unread", "others are connected");
  port (b, "read");
  b->now += 19 * SECOND;
  assert_due (b, OUTCOME_OK, "ok", "beat 700");
  b->now += 1 * SECOND;
  assert_due (b, OUTCOME_FAILED, "beat-missing", "20s");
}

static void
test_a_boot (void **state)
{
  struct bed *b = *state;

  port (b, "read");
  beat (b, 700);
  b->now += 10 * SECOND;
  beat (b, 2);
  assert_due (b, OUTCOME_NO_VERDICT, "beat-restarted", "after 700");
  assert_due (b, OUTCOME_OK, "ok", "beat 2");
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[]
      = { T (test_beats_and_stops), T (test_is_not_read), T (test_a_boot) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
