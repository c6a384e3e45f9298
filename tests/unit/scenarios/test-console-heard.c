/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds console-heartbeat, console-pattern and console-flood: what they make
 * of what they are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"
#include "scenarios/lines.h"
#include "scenarios/scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S 1000

struct bed
{
  struct scenario *s;
  const struct scenario_watch *watch;
  void *state;
  uint64_t now;
  struct outcome_report last;
};

static int
parse (const char *keys, struct scenario **ret, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  char text[1024];
  int rc;

  snprintf (text, sizeof text, "{\"name\":\"n\",\"kind\":\"console-%s}", keys);
  rc = json_parse (text, strlen (text), JSON_FILE, "doc", JSON_MAX_FILE, &doc,
                   err);
  return rc < 0 ? rc : scenario_parse (doc, json_root (doc), "", ret, err);
}

static void
begin (struct bed *b, const char *keys)
{
  struct error err = ERROR_INIT;

  *b = (struct bed){ .now = 100 * S };
  if (parse (keys, &b->s, &err) < 0)
    fail_msg ("%s: %s", keys, error_text (&err));
  b->watch = b->s->kind->watch;
  b->state = b->watch->state_new (b->s, b->now);
}

static void
end (struct bed *b)
{
  b->watch->state_free (b->state);
  scenario_unref (b->s);
}

static void
give (struct bed *b, struct fact *f, unsigned more)
{
  f->time_ms = b->now;
  f->more = more;
  b->watch->fact (b->state, b->s, f, b->now);
}

static void
tell (struct bed *b, const char *name, const char *text)
{
  struct fact f;

  fact_text (&f, NULL, name, "console", text, strlen (text));
  give (b, &f, 0);
}

static void
count (struct bed *b, const char *name, int64_t v)
{
  struct fact f;

  fact_int (&f, NULL, name, "console", v);
  give (b, &f, 0);
}

#define DUE(b, outcome, code) due (b, outcome, code, __LINE__)
static void
due (struct bed *b, enum outcome outcome, const char *code, int line)
{
  b->last = (struct outcome_report){ .value = NAN };
  b->watch->due (b->state, b->s, b->now, &b->last);
  if (b->last.outcome != outcome || strcmp (b->last.code, code) != 0)
    fail_msg ("line %d: %s %s: %s", line, outcome_names[b->last.outcome],
              b->last.code, b->last.sentence);
  assert_true (b->last.sentence[0]);
  assert_non_null (outcome_code_find (code));
  assert_int_equal (outcome_code_find (code)->outcome, outcome);
}

static void
says (const struct bed *b, const char *what)
{
  if (!strstr (b->last.sentence, what))
    fail_msg ("\"%s\" is not in: %s", what, b->last.sentence);
}

/* ---- console-heartbeat ---- */

static void
test_beat (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "heartbeat\",\"label\":\"beat\",\"every\":\"10s\"");
  DUE (&b, OUTCOME_NO_VERDICT, "console-unread");
  tell (&b, "console.state", "talking");
  b.now += 1000 * S;
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  tell (&b, "heard.n", "beat");
  /* Another scenario's. */
  tell (&b, "heard.nn", "beat");
  DUE (&b, OUTCOME_OK, "ok");
  b.now += 30 * S - 1;
  tell (&b, "heard.nn", "beat");
  DUE (&b, OUTCOME_OK, "ok");
  assert_true (fabs (b.last.value - 29.999) < 0.0001);
  b.now++;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  tell (&b, "heard.n", "beat");
  DUE (&b, OUTCOME_OK, "ok");
  end (&b);
}

/* Nobody read: what was not heard then says nothing. */
static void
test_beat_unread (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "heartbeat\",\"label\":\"beat\",\"every\":\"10s\",\"missed\":0");
  tell (&b, "console.state", "talking");
  tell (&b, "heard.n", "beat");
  b.now += 5 * S;
  tell (&b, "console.state", "held");
  b.now += 100 * S;
  DUE (&b, OUTCOME_NO_VERDICT, "console-unread");
  tell (&b, "console.state", "silent");
  b.now += 9 * S;
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 1 * S;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  /* Facts that were lost may have been beats. */
  count (&b, "fact.gap", 3);
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 10 * S;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  /* The host stood still. */
  b.watch->gap (b.state, b.s, b.now - 5 * S, b.now);
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 10 * S;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  end (&b);
}

static void
test_beat_first (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "heartbeat\",\"label\":\"beat\",\"every\":\"10s\","
             "\"first\":\"5m\"");
  /* What is known from before is another life's or document's. */
  b.now -= S;
  tell (&b, "heard.n", "beat");
  b.now += S;
  tell (&b, "console.state", "silent");
  b.now += 299 * S;
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 1 * S;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  says (&b, "never");
  end (&b);
}

static void
test_beat_counter (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "heartbeat\",\"pattern\":\"beat (?<n>\\\\d+)\","
             "\"counter\":\"n\",\"every\":\"10s\",\"missed\":0");
  tell (&b, "console.state", "talking");
  count (&b, "counted.n", 17);
  DUE (&b, OUTCOME_OK, "ok");
  says (&b, "number 17");
  b.now += 9 * S;
  count (&b, "counted.n", 17);
  b.now += 1 * S;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  says (&b, "stood still at 17");
  count (&b, "counted.n", 18);
  DUE (&b, OUTCOME_OK, "ok");
  b.now += 9 * S;
  count (&b, "counted.n", 1);
  DUE (&b, OUTCOME_OK, "ok");
  says (&b, "from 18 to 1");
  count (&b, "counted.n", 2);
  DUE (&b, OUTCOME_OK, "ok");
  says (&b, "number 2");
  end (&b);
}

/* An expression that can't be matched is our trouble. */
static void
test_beat_deaf (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "heartbeat\",\"pattern\":\"(a+)+b\",\"every\":\"10s\"");
  tell (&b, "console.state", "talking");
  tell (&b, "heard.n", "aab");
  b.now += 20 * S;
  count (&b, "unheard.n", 1);
  b.now += 10 * S;
  DUE (&b, OUTCOME_NO_VERDICT, "regex-limit");
  b.now += 30 * S;
  DUE (&b, OUTCOME_FAILED, "beat-missing");
  end (&b);
}

/* Of a console of its own name; the first one's state is another's. */
static void
test_beat_console (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "heartbeat\",\"label\":\"beat\",\"every\":\"10s\","
             "\"console\":\"serial1\"");
  tell (&b, "console.state", "talking");
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  tell (&b, "console.state.serial1", "absent");
  tell (&b, "console.state", "talking");
  DUE (&b, OUTCOME_NO_VERDICT, "console-unread");
  tell (&b, "console.state.serial1", "talking");
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  end (&b);
}

/* ---- console-pattern ---- */

static void
test_must_not (void **state)
{
  struct fact f;
  struct bed b;

  (void) state;
  begin (&b, "pattern\",\"must-not-match\":\"Out of memory\","
             "\"interval\":\"30s\",\"clear\":\"2m\"");
  DUE (&b, OUTCOME_NO_VERDICT, "console-unread");
  tell (&b, "console.state", "talking");
  DUE (&b, OUTCOME_OK, "ok");
  tell (&b, "unwanted.n", "Out of memory: Killed \033[2Jfirst");
  b.now += 60 * S;
  DUE (&b, OUTCOME_FAILED, "pattern-seen");
  says (&b, "first");
  assert_null (strchr (b.last.sentence, '\033'));
  fact_text (&f, NULL, "unwanted.n", "console", "Out of memory: second", 21);
  give (&b, &f, 9);
  /* Said while it was read; that it is not now takes nothing of it. */
  tell (&b, "console.state", "held");
  DUE (&b, OUTCOME_FAILED, "pattern-seen");
  says (&b, "first");
  says (&b, "11 times");
  assert_true (b.last.value > 10.9 && b.last.value < 11.1);
  tell (&b, "console.state", "talking");
  b.now += 120 * S - 1;
  DUE (&b, OUTCOME_FAILED, "pattern-seen");
  b.now++;
  DUE (&b, OUTCOME_OK, "ok");
  tell (&b, "unwanted.n", "Out of memory: third");
  DUE (&b, OUTCOME_FAILED, "pattern-seen");
  says (&b, "third");
  end (&b);
}

static void
test_must (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "pattern\",\"must-match\":\"still here\",\"interval\":\"30s\"");
  tell (&b, "console.state", "silent");
  b.now += 29 * S;
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 1 * S;
  DUE (&b, OUTCOME_FAILED, "pattern-missing");
  tell (&b, "heard.n", "still here");
  DUE (&b, OUTCOME_OK, "ok");
  b.now += 30 * S;
  DUE (&b, OUTCOME_FAILED, "pattern-missing");
  count (&b, "unheard.n", 4);
  DUE (&b, OUTCOME_NO_VERDICT, "regex-limit");
  end (&b);
}

/* Both: what must not be said weighs more. */
static void
test_both (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "pattern\",\"must-match\":\"a\",\"must-not-match\":\"b\"");
  tell (&b, "console.state", "talking");
  tell (&b, "heard.n", "a");
  DUE (&b, OUTCOME_OK, "ok");
  tell (&b, "unwanted.n", "b");
  DUE (&b, OUTCOME_FAILED, "pattern-seen");
  end (&b);
}

/* ---- console-flood ---- */

static void
test_flood (void **state)
{
  int64_t bytes = 5000000;
  struct bed b;

  (void) state;
  begin (&b, "flood\",\"rate\":\"100KiB\",\"window\":\"1m\"");
  DUE (&b, OUTCOME_NO_VERDICT, "console-unread");
  count (&b, "console.bytes", bytes);
  tell (&b, "console.state", "talking");
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 60 * S;
  DUE (&b, OUTCOME_OK, "ok");
  /* 200 KiB a second: half a minute of it is not more than is allowed. */
  for (unsigned i = 0; i < 6; i++)
    {
      count (&b, "console.bytes", bytes += 10 * 200 * 1024);
      DUE (&b, i < 3 ? OUTCOME_OK : OUTCOME_FAILED,
           i < 3 ? "ok" : "console-flood");
      b.now += 10 * S;
    }
  /* It stops: well again below half of it, not before. */
  for (unsigned i = 0; i < 2; i++)
    {
      DUE (&b, OUTCOME_FAILED, "console-flood");
      b.now += 10 * S;
    }
  DUE (&b, OUTCOME_FAILED, "console-flood");
  says (&b, "half");
  b.now += 20 * S;
  DUE (&b, OUTCOME_OK, "ok");
  b.now += 60 * S;
  DUE (&b, OUTCOME_OK, "ok");
  assert_true (b.last.value < 0.5);
  end (&b);
}

/* As long and as often as you like: the rate stays what it is. */
static void
test_flood_steady (void **state)
{
  int64_t bytes = 0;
  struct bed b;

  (void) state;
  begin (&b, "flood\",\"rate\":\"100KiB\",\"window\":\"1h\"");
  tell (&b, "console.state", "talking");
  for (unsigned i = 0; i < 1000; i++)
    {
      count (&b, "console.bytes", bytes += 10 * 90 * 1024);
      b.now += 10 * S;
    }
  DUE (&b, OUTCOME_OK, "ok");
  assert_true (b.last.value > 85 * 1024 && b.last.value < 95 * 1024);
  end (&b);
}

/* A console that was not read has said nothing that counts. */
static void
test_flood_unread (void **state)
{
  struct bed b;

  (void) state;
  begin (&b, "flood\",\"rate\":\"1KiB\",\"window\":\"30s\"");
  tell (&b, "console.state", "talking");
  count (&b, "console.bytes", 0);
  b.now += 10 * S;
  tell (&b, "console.state", "idle");
  b.now += 10 * S;
  tell (&b, "console.state", "talking");
  count (&b, "console.bytes", 1 << 30);
  DUE (&b, OUTCOME_NO_VERDICT, "not-yet");
  b.now += 30 * S;
  DUE (&b, OUTCOME_OK, "ok");
  /* A counter that fell is another console's. */
  count (&b, "console.bytes", 10);
  DUE (&b, OUTCOME_OK, "ok");
  end (&b);
}

/* ---- documents ---- */

static void
test_refused (void **state)
{
  static const char *const bad[] = {
    "heartbeat\",\"every\":\"10s\"",
    "heartbeat\",\"label\":\"x\"",
    "heartbeat\",\"label\":\"x\",\"pattern\":\"y\",\"every\":\"10s\"",
    "heartbeat\",\"pattern\":\"(\",\"every\":\"10s\"",
    "heartbeat\",\"label\":\"x\",\"counter\":\"n\",\"every\":\"10s\"",
    "heartbeat\",\"pattern\":\"x\",\"counter\":\"n\",\"every\":\"10s\"",
    "heartbeat\",\"label\":\"x\",\"every\":\"1ms\"",
    "pattern\"",
    "pattern\",\"must-match\":\"[\"",
    "pattern\",\"must-not-match\":\"[\"",
    "pattern\",\"must-match\":\"x\",\"clear\":\"1m\"",
    "pattern\",\"must-not-match\":\"x\",\"within\":\"1m\"",
    "flood\"",
    "flood\",\"rate\":\"0\"",
    "flood\",\"rate\":\"1KiB\",\"window\":\"10s\"",
  };

  (void) state;
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      struct error err = ERROR_INIT;
      struct scenario *s = NULL;

      if (parse (bad[i], &s, &err) >= 0)
        fail_msg ("%s was taken", bad[i]);
      assert_true (error_text (&err)[0]);
    }
}

/* What each listens for. */
static void
test_listens (void **state)
{
  static const struct
  {
    const char *keys;
    bool any;
  } rows[] = {
    { "heartbeat\",\"label\":\"x\",\"every\":\"10s\"", true },
    { "pattern\",\"must-match\":\"x\",\"must-not-match\":\"y\"", true },
    { "flood\",\"rate\":\"1KiB\"", false },
    { "silence\",\"silence\":\"10m\"", false },
  };

  (void) state;
  for (size_t i = 0; i < ARRAY_LEN (rows); i++)
    {
      struct error err = ERROR_INIT;
      struct scenario *s = NULL;
      struct lines *l = NULL;

      if (parse (rows[i].keys, &s, &err) < 0)
        fail_msg ("%s", error_text (&err));
      assert_int_equal (scenario_lines (s, &l, &err), 0);
      assert_int_equal (l != NULL, rows[i].any);
      lines_unref (l);
      scenario_unref (s);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_beat),
    cmocka_unit_test (test_beat_unread),
    cmocka_unit_test (test_beat_first),
    cmocka_unit_test (test_beat_counter),
    cmocka_unit_test (test_beat_deaf),
    cmocka_unit_test (test_beat_console),
    cmocka_unit_test (test_must_not),
    cmocka_unit_test (test_must),
    cmocka_unit_test (test_both),
    cmocka_unit_test (test_flood),
    cmocka_unit_test (test_flood_steady),
    cmocka_unit_test (test_flood_unread),
    cmocka_unit_test (test_refused),
    cmocka_unit_test (test_listens),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
