/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-silence: what it makes of what it hears.
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

#define MINUTE 60000

struct bed
{
  struct scenario *s;
  const struct scenario_watch *watch;
  void *state;
};

static int
setup (void **state)
{
  static const char text[]
      = "{\"name\":\"n\",\"kind\":\"console-silence\",\"silence\":\"10m\"}";
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct bed *b = calloc (1, sizeof *b);

  if (json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                  &err)
          < 0
      || scenario_parse (doc, json_root (doc), "", &b->s, &err) < 0)
    fail_msg ("%s", err.msg);
  b->watch = b->s->kind->watch;
  b->state = b->watch->state_new (b->s, MINUTE);
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
tell (struct bed *b, const char *name, const char *text, uint64_t at)
{
  struct fact f;

  if (text)
    fact_text (&f, NULL, name, "console", text, strlen (text));
  else
    fact_int (&f, NULL, name, "console", 7);
  f.time_ms = at;
  b->watch->fact (b->state, b->s, &f, at);
}

static void
assert_due (struct bed *b, uint64_t at, enum outcome outcome, const char *code)
{
  struct outcome_report r = { .value = NAN };

  b->watch->due (b->state, b->s, at, &r);
  assert_int_equal (r.outcome, outcome);
  assert_string_equal (r.code, code);
  assert_true (r.sentence[0]);
}

static void
test_silence (void **state)
{
  struct bed *b = *state;

  assert_due (b, MINUTE, OUTCOME_NO_VERDICT, "console-unread");
  tell (b, "console.state", "silent", MINUTE);
  assert_due (b, 2 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  tell (b, "console.bytes", NULL, 2 * MINUTE);
  tell (b, "console.state", "talking", 2 * MINUTE);
  assert_due (b, 2 * MINUTE, OUTCOME_OK, "ok");
  assert_due (b, 12 * MINUTE - 1, OUTCOME_OK, "ok");
  assert_due (b, 12 * MINUTE, OUTCOME_FAILED, "console-silent");
  /* Another console's. */
  tell (b, "console.bytes.serial1", NULL, 12 * MINUTE);
  tell (b, "console.state.serial1", "absent", 12 * MINUTE);
  assert_due (b, 12 * MINUTE, OUTCOME_FAILED, "console-silent");
  tell (b, "console.bytes", NULL, 13 * MINUTE);
  assert_due (b, 14 * MINUTE, OUTCOME_OK, "ok");
}

/* One that never says anything, from the start. */
static void
test_never (void **state)
{
  struct bed *b = *state;

  tell (b, "console.state", "silent", MINUTE);
  assert_due (b, 11 * MINUTE - 1, OUTCOME_NO_VERDICT, "not-yet");
  assert_due (b, 11 * MINUTE, OUTCOME_FAILED, "console-silent");
}

/* What nobody reads can't be silent. */
static void
test_unread (void **state)
{
  static const char *const states[]
      = { "absent", "idle", "connecting", "held", "given-way", "broken" };
  struct bed *b = *state;

  for (size_t i = 0; i < ARRAY_LEN (states); i++)
    {
      tell (b, "console.state", "talking", MINUTE);
      tell (b, "console.state", states[i], 2 * MINUTE);
      assert_due (b, 20 * MINUTE, OUTCOME_NO_VERDICT, "console-unread");
    }
  /* And the time without us does not count. */
  tell (b, "console.state", "silent", 20 * MINUTE);
  assert_due (b, 21 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  assert_due (b, 30 * MINUTE, OUTCOME_FAILED, "console-silent");
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_silence),
    T (test_never),
    T (test_unread),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
