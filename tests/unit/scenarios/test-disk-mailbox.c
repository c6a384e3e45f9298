/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind disk-mailbox: each look at a heartbeat, its figures, a command; and
 * the same mailbox as a way of a kind that is a command.
 */
#include "kind-bed.h"

#define MAILBOX(extra) "{\"name\":\"n\",\"kind\":\"disk-mailbox\"" extra "}"

/* One that beats. */
static void
beats (void)
{
  struct disk_look *l = &play.look;

  fresh ();
  l->end = DISK_OK;
  l->state = MAILBOX_GOOD;
  l->fresh = true;
  l->age_ms = 4500;
  l->limit_ms = 32000;
  l->beat.interval_s = 10;
  l->beat.nfigures = 2;
  snprintf (l->beat.figures[0].name, sizeof l->beat.figures[0].name, "load1");
  l->beat.figures[0].value = 1.5;
  snprintf (l->beat.figures[1].name, sizeof l->beat.figures[1].name,
            "blocked");
  l->beat.figures[1].value = 2;
}

static void
test_looks (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  beats ();
  expect_run (MAILBOX (""), OUTCOME_OK, "ok");
  assert_int_equal (play.patience.missed, 2);
  assert_int_equal (play.patience.every_ms, 0);
  assert_int_equal (run_on (MAILBOX (",\"every\":\"5s\",\"missed\":4,"
                                     "\"mailbox\":\"vdb\""), &g, &r), 0);
  assert_int_equal (play.patience.missed, 4);
  assert_int_equal (play.patience.every_ms, 5000);
  assert_string_equal (play.mailbox, "vdb");
  assert_true (r.value == 4.5);
  assert_int_equal (r.way, WAY_ANSWERS);
  play.look.fresh = false;
  expect_run (MAILBOX (""), OUTCOME_NO_VERDICT, "not-yet");
  play.look.missing = true;
  expect_run (MAILBOX (""), OUTCOME_FAILED, "beat-missing");
  assert_int_equal (run_on (MAILBOX (""), &g, &r), 0);
  assert_int_equal (r.way, WAY_LOST);
  play.look.state = MAILBOX_BAD;
  expect_run (MAILBOX (""), OUTCOME_FAILED, "beat-garbled");
  play.look.state = MAILBOX_EMPTY;
  expect_run (MAILBOX (""), OUTCOME_NO_VERDICT, "mailbox-empty");
  snprintf (play.look.detail, sizeof play.look.detail, "why\033[2J");
  play.look.end = DISK_ABSENT;
  expect_run (MAILBOX (""), OUTCOME_NO_VERDICT, "mailbox-absent");
  play.look.end = DISK_STUCK;
  expect_run (MAILBOX (""), OUTCOME_NO_VERDICT, "mailbox-stuck");
  play.look.end = DISK_UNUSABLE;
  expect_run (MAILBOX (""), OUTCOME_NO_VERDICT, "mailbox-unusable");
  play.disk_rc = -ENOEXEC;
  assert_int_equal (run_on (MAILBOX (""), &g, &r), -ENOEXEC);
}

#define LIMIT(figure, op, value)                                              \
  MAILBOX (",\"limits\":[{\"figure\":\"" figure "\",\"op\":\"" op             \
           "\",\"value\":" value "}]")

static void
test_limits (void **state)
{
  beats ();
  expect_run (LIMIT ("load1", "<", "2"), OUTCOME_OK, "ok");
  expect_run (LIMIT ("load1", "<", "1"), OUTCOME_FAILED, "compare");
  expect_run (LIMIT ("blocked", "==", "2"), OUTCOME_OK, "ok");
  expect_run (LIMIT ("uptime", ">", "1"), OUTCOME_FAILED, "not-a-number");
}

static void
test_command (void **state)
{
  beats ();
  play.output = "12 guests\n";
  expect_run (MAILBOX (",\"command\":\"count\",\"expect\":{"
                       "\"output\":\"^12 guests$\"}"),
              OUTCOME_OK, "ok");
  assert_string_equal (play.typed, "count");
  expect_run (MAILBOX (",\"command\":\"count\",\"expect\":{"
                       "\"output\":\"^13\"}"),
              OUTCOME_FAILED, "mismatch");
  play.status = 1;
  expect_run (MAILBOX (",\"command\":\"count\""), OUTCOME_FAILED, "status");
  play.disk_end = ASK_REPORT_ONLY;
  expect_run (MAILBOX (",\"command\":\"count\""), OUTCOME_NO_VERDICT,
              "mailbox-report-only");
  play.disk_end = ASK_NO_ANSWER;
  expect_run (MAILBOX (",\"command\":\"count\""), OUTCOME_FAILED, "no-answer");
  /* Who does not beat is not asked. */
  play.look.fresh = false;
  play.look.missing = true;
  play.typed[0] = '\0';
  expect_run (MAILBOX (",\"command\":\"count\""), OUTCOME_FAILED,
              "beat-missing");
  assert_string_equal (play.typed, "");
}

#define ASKED(ways, extra)                                                    \
  "{\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"uptime\","       \
  "\"transports\":[" ways "]" extra "}"

static void
test_way (void **state)
{
  static const struct
  {
    enum ask_end end;
    enum outcome outcome;
    const char *code;
    enum way_said way;
  } ends[] = {
    { ASK_OK, OUTCOME_OK, "ok", WAY_ANSWERS },
    { ASK_SILENT, OUTCOME_FAILED, "silent", WAY_LOST },
    { ASK_PROTOCOL, OUTCOME_FAILED, "protocol", WAY_LOST },
    { ASK_NO_MAILBOX, OUTCOME_NO_VERDICT, "mailbox-absent", WAY_UNUSABLE },
    { ASK_REPORT_ONLY, OUTCOME_NO_VERDICT, "mailbox-report-only",
      WAY_UNUSABLE },
    { ASK_STUCK, OUTCOME_NO_VERDICT, "own-failure", WAY_UNUSABLE },
    { ASK_MAILBOX_STUCK, OUTCOME_NO_VERDICT, "mailbox-stuck", WAY_UNUSABLE },
  };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.disk_end = ends[i].end;
      assert_int_equal (run_by ("disk",
                                ASKED ("\"console\",\"disk\"",
                                       ",\"mailbox\":\"vdb\""),
                                &g, &r),
                        0);
      assert_string_equal (r.code, ends[i].code);
      assert_int_equal (r.outcome, ends[i].outcome);
      assert_int_equal (r.way, ends[i].way);
      assert_string_equal (play.mailbox, "vdb");
    }
}

/* A command is a second process, which looks for itself. */
static void
a_command_costs_as_much_again (void **state)
{
  static const char *const texts[] = { MAILBOX (""),
                                       MAILBOX (",\"command\":\"true\"") };
  struct scenario_cost costs[2];

  for (size_t i = 0; i < ARRAY_LEN (texts); i++)
    {
      CLEANUP_JSON_DOC struct json_doc *doc = NULL;
      struct scenario *s = NULL;

      assert_int_equal (json_parse (texts[i], strlen (texts[i]), JSON_FILE,
                                    "doc", JSON_MAX_FILE, &doc, NULL),
                        0);
      assert_int_equal (scenario_parse (doc, json_root (doc), "", &s, NULL),
                        0);
      costs[i] = scenario_cost (s, "disk");
      scenario_unref (s);
    }
  assert_true (costs[1].cpu_us == 2 * costs[0].cpu_us);
  assert_true (costs[1].disk == 2 * costs[0].disk + 2 * 4 + 2 * 4096);
}

static void
refuses (const char *text, const char *why)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct scenario *s = NULL;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, &err),
                    0);
  assert_int_equal (scenario_parse (doc, json_root (doc), "", &s, &err),
                    -EINVAL);
  if (!strstr (error_text (&err), why))
    fail_msg ("%s", error_text (&err));
}

static void
test_document (void **state)
{
  refuses (LIMIT ("laod1", "<", "2"), "did you mean \"load1\"");
  refuses (MAILBOX (",\"expect\":{\"output\":\"x\"}"), "no command");
  refuses (MAILBOX (",\"command\":\"a\\nb\""), "one line");
  refuses (MAILBOX (",\"missed\":0"), "missed");
  refuses (ASKED ("\"console\"", ",\"mailbox\":\"vdb\""),
           "none of its transports has a use for it");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_looks),   cmocka_unit_test (test_limits),
    cmocka_unit_test (test_command), cmocka_unit_test (test_way),
    cmocka_unit_test (a_command_costs_as_much_again),
    cmocka_unit_test (test_document),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
