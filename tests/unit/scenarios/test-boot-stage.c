/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind boot-stage: what it makes of what a console shows of a boot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "scenarios/scenario.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MINUTE 60000

struct bed
{
  struct scenario *s;
  const struct scenario_watch *watch;
  void *state;
  struct incarnation inc;
  uint64_t born; /* of the state */
};

static void
tell (struct bed *b, const char *name, const char *text, uint64_t after)
{
  struct fact f;

  fact_text (&f, &b->inc, name, "console", text, strlen (text));
  f.time_ms = b->born + after;
  b->watch->fact (b->state, b->s, &f, b->born + after);
}

static int
setup (void **state)
{
  static const char text[]
      = "{\"name\":\"n\",\"kind\":\"boot-stage\",\"within\":\"5m\"}";
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct bed *b = calloc (1, sizeof *b);

  if (json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                  &err)
          < 0
      || scenario_parse (doc, json_root (doc), "", &b->s, &err) < 0)
    fail_msg ("%s", err.msg);
  b->watch = b->s->kind->watch;
  /* On the real clock's scale: processes have their beginnings on it. */
  b->born = clock_ms () + 10 * MINUTE;
  b->state = b->watch->state_new (b->s, b->born);
  *state = b;
  tell (b, "console.state", "silent", 0);
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

static struct outcome_report
due (struct bed *b, uint64_t after)
{
  struct outcome_report r = { .value = NAN };

  b->watch->due (b->state, b->s, b->born + after, &r);
  return r;
}

static void
assert_due (struct bed *b, uint64_t after, enum outcome outcome,
            const char *code)
{
  struct outcome_report r = due (b, after);

  assert_int_equal (r.outcome, outcome);
  assert_string_equal (r.code, code);
}

static void
comes_up_in_time (void **state)
{
  struct bed *b = *state;

  tell (b, "guest.stage", "firmware", 1000);
  assert_due (b, MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  tell (b, "guest.stage", "kernel", MINUTE);
  tell (b, "guest.stage", "userspace", MINUTE + 1000);
  assert_due (b, 2 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  tell (b, "guest.stage", "login", 2 * MINUTE);
  assert_due (b, 6 * MINUTE, OUTCOME_OK, "ok");
  assert_true (due (b, 7 * MINUTE).value > 118.0);
  assert_true (due (b, 7 * MINUTE).value < 120.0);
  /* What comes later is not its boot. */
  tell (b, "guest.stage", "shutdown", 8 * MINUTE);
  assert_due (b, 9 * MINUTE, OUTCOME_OK, "ok");
}

static void
stands_in_its_boot (void **state)
{
  struct bed *b = *state;

  tell (b, "guest.stage", "kernel", 1000);
  assert_due (b, 5 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  assert_due (b, 5 * MINUTE + 1000, OUTCOME_FAILED, "boot-late");
  assert_non_null (strstr (due (b, 6 * MINUTE).sentence, "kernel"));
  /* Late is better than never. */
  tell (b, "guest.stage", "shell", 7 * MINUTE);
  assert_due (b, 8 * MINUTE, OUTCOME_OK, "ok");
}

/* What says so itself is not waited for. */
static void
is_stopped (void **state)
{
  struct bed *b = *state;

  tell (b, "guest.stage", "firmware", 1000);
  tell (b, "guest.stop", "no-boot-device", 2000);
  assert_due (b, 3000, OUTCOME_FAILED, "boot-stopped");
  assert_non_null (strstr (due (b, 3000).sentence, "no-boot-device"));
  tell (b, "guest.stop", "none", 4000);
  assert_due (b, 5000, OUTCOME_NO_VERDICT, "not-yet");
}

/* It may have been up for a year. */
static void
was_there_before (void **state)
{
  struct bed *b = *state;

  tell (b, "vmm.status", "running", 0);
  assert_due (b, 60 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  tell (b, "guest.stage", "shell", 61 * MINUTE);
  assert_due (b, 62 * MINUTE, OUTCOME_OK, "ok");
  assert_true (isnan (due (b, 62 * MINUTE).value));
}

static void
is_old_and_silent (void **state)
{
  struct bed *b = *state;

  /* A process of the host's first second. */
  b->inc.pid = 1;
  b->inc.start_time = 1;
  tell (b, "vmm.status", "running", 0);
  assert_due (b, 60 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
}

/* A firmware that says nothing: its process is as young as the watch. */
static void
is_young_and_silent (void **state)
{
  struct bed *b = *state;
  struct timespec ts;

  b->watch->state_free (b->state);
  b->born = clock_ms ();
  b->state = b->watch->state_new (b->s, b->born);
  tell (b, "console.state", "silent", 0);
  clock_gettime (CLOCK_BOOTTIME, &ts);
  b->inc.pid = 1;
  b->inc.start_time = (uint64_t) ts.tv_sec
                      * (uint64_t) sysconf (_SC_CLK_TCK);
  tell (b, "vmm.status", "running", 0);
  assert_due (b, MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  assert_due (b, 6 * MINUTE, OUTCOME_FAILED, "boot-late");
  assert_non_null (strstr (due (b, 6 * MINUTE).sentence, "shown no stage"));
}

/* Who is connected to for a dialogue only may have said anything meanwhile. */
static void
is_not_read (void **state)
{
  struct bed *b = *state;

  b->inc.boot = 1;
  tell (b, "guest.boot", "1, by its hypervisor", 0);
  tell (b, "console.state", "idle", 1000);
  assert_due (b, 6 * MINUTE, OUTCOME_NO_VERDICT, "console-unread");
  tell (b, "console.state", "talking", 7 * MINUTE);
  assert_due (b, 8 * MINUTE, OUTCOME_FAILED, "boot-late");
  /* What it has shown by then is known. */
  tell (b, "guest.stage", "login", 9 * MINUTE);
  tell (b, "console.state", "idle", 9 * MINUTE);
  assert_due (b, 10 * MINUTE, OUTCOME_OK, "ok");
}

static void
was_reset (void **state)
{
  struct bed *b = *state;

  b->inc.boot = 1;
  tell (b, "guest.boot", "1, by its hypervisor", 0);
  assert_due (b, 4 * MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  assert_due (b, 6 * MINUTE, OUTCOME_FAILED, "boot-late");
}

/* A guest prints what it likes, but not into the stage. */
static void
takes_any_text (void **state)
{
  struct bed *b = *state;
  char junk[FACT_TEXT_MAX - 1];

  memset (junk, 'x', sizeof junk);
  junk[sizeof junk - 1] = '\0';
  tell (b, "guest.stage", junk, 1000);
  tell (b, "guest.stage", "", 1000);
  assert_due (b, MINUTE, OUTCOME_NO_VERDICT, "not-yet");
  tell (b, "guest.stop", junk, 2000);
  assert_due (b, MINUTE, OUTCOME_FAILED, "boot-stopped");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (comes_up_in_time, setup, teardown),
    cmocka_unit_test_setup_teardown (stands_in_its_boot, setup, teardown),
    cmocka_unit_test_setup_teardown (is_stopped, setup, teardown),
    cmocka_unit_test_setup_teardown (was_there_before, setup, teardown),
    cmocka_unit_test_setup_teardown (is_old_and_silent, setup, teardown),
    cmocka_unit_test_setup_teardown (is_young_and_silent, setup, teardown),
    cmocka_unit_test_setup_teardown (is_not_read, setup, teardown),
    cmocka_unit_test_setup_teardown (was_reset, setup, teardown),
    cmocka_unit_test_setup_teardown (takes_any_text, setup, teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
