/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds agent-ping, agent-exec and agent-file, and a command by the agent:
 * each end of asking, each answer.
 */
#include "kind-bed.h"

#include <math.h>

#define PING "{\"name\":\"n\",\"kind\":\"agent-ping\"}"
#define EXEC(extra)                                                           \
  "{\"name\":\"n\",\"kind\":\"agent-exec\",\"program\":\"/bin/p\"" extra "}"
#define FILE_(extra)                                                          \
  "{\"name\":\"n\",\"kind\":\"agent-file\",\"path\":\"/run/health\"" extra "}"
#define COMMAND                                                               \
  "{\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"uptime\","       \
  "\"transports\":[\"console\",\"agent\"]}"

static void
test_ends (void **state)
{
  static const struct
  {
    enum ask_end end;
    enum outcome outcome;
    enum way_said way;
    const char *code;
  } ends[] = {
    { ASK_OK, OUTCOME_OK, WAY_ANSWERS, "ok" },
    { ASK_KILLED, OUTCOME_FAILED, WAY_ANSWERS, "killed" },
    { ASK_CANT, OUTCOME_FAILED, WAY_ANSWERS, "agent-error" },
    { ASK_SILENT, OUTCOME_FAILED, WAY_LOST, "agent-silent" },
    { ASK_NO_ANSWER, OUTCOME_FAILED, WAY_LOST, "no-answer" },
    { ASK_PROTOCOL, OUTCOME_FAILED, WAY_LOST, "protocol" },
    { ASK_FLOOD, OUTCOME_NO_VERDICT, WAY_ANSWERS, "output-flood" },
    { ASK_FROZEN, OUTCOME_NO_VERDICT, WAY_GUEST, "frozen" },
    { ASK_BLOCKED, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-blocked" },
    { ASK_NOT_YET, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-waiting" },
    { ASK_BUSY, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-busy" },
    { ASK_ABSENT, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-absent" },
    { ASK_TAKEN, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-absent" },
    { ASK_OPEN_TIMEOUT, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-broken" },
    { ASK_BROKEN, OUTCOME_NO_VERDICT, WAY_UNUSABLE, "agent-broken" },
  };
  static const char *const texts[] = { PING, EXEC (""), FILE_ (""), COMMAND };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t k = 0; k < ARRAY_LEN (texts); k++)
    for (size_t i = 0; i < ARRAY_LEN (ends); i++)
      {
        fresh ();
        play.agent_end = ends[i].end;
        assert_int_equal (run_by ("agent", texts[k], &g, &r), 0);
        if (r.outcome != ends[i].outcome || r.way != ends[i].way
            || strcmp (r.code, ends[i].code) != 0)
          fail_msg ("%s: %d: %s %s (%s): %s", texts[k], ends[i].end,
                    outcome_names[r.outcome], r.code, way_names[r.way],
                    r.sentence);
        assert_non_null (outcome_code_find (r.code));
        assert_int_equal (outcome_code_find (r.code)->outcome, r.outcome);
      }
  fresh ();
  play.agent_rc = -ENOMEM;
  for (size_t k = 0; k < ARRAY_LEN (texts); k++)
    assert_int_equal (run_by ("agent", texts[k], &g, &r), -ENOMEM);
}

/* What can't be had because QEMU is gone says so. */
static void
test_process (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  play.agent_end = ASK_ABSENT;
  g.inc.pid = 0x7ffffff0; /* nobody's */
  assert_int_equal (run_by ("agent", PING, &g, &r), 0);
  assert_string_equal (r.code, "vmm-dead");
  play.agent_begun = true;
  assert_int_equal (run_by ("agent", PING, &g, &r), 0);
  assert_string_equal (r.code, "agent-absent");
}

static void
test_answers (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  assert_int_equal (run_on (PING, &g, &r), 0);
  assert_true (r.value == 7);
  assert_int_equal (r.took_ms, 7);
  fresh ();
  play.status = 3;
  expect_run (EXEC (""), OUTCOME_FAILED, "status");
  assert_string_equal (play.agent_asked, "/bin/p");
  expect_run (EXEC (",\"args\":[\"-a\",\"b c\"],\"expect\":{\"status\":3}"),
              OUTCOME_OK, "ok");
  assert_string_equal (play.agent_asked, "/bin/p|-a|b c");
  fresh ();
  play.output = "load 0.25\n";
  expect_run (EXEC (",\"expect\":{\"output\":\"load (?<l>\\\\S+)\",\"compare\":"
                    "[{\"capture\":\"l\",\"op\":\"<\",\"value\":0.2}]}"),
              OUTCOME_FAILED, "compare");
  expect_run (FILE_ (",\"expect\":{\"not-output\":\"load\"}"), OUTCOME_FAILED,
              "forbidden");
  assert_string_equal (play.agent_asked, "/run/health");
  expect_run (FILE_ (",\"expect\":{\"output\":\"^ok\"}"), OUTCOME_FAILED,
              "mismatch");
  play.output = "12.34 56.78\n";
  assert_int_equal (run_on (FILE_ (""), &g, &r), 0);
  assert_true (r.has_uptime);
}

static void
test_age (void **state)
{
#define AGED FILE_ (",\"max-age\":\"1m\",\"expect\":{\"output\":\"(?<stamp>\\\\S+)\"}")
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  play.output = "1700000000\n";
  play.agent_now = 1700000060;
  expect_run (AGED, OUTCOME_OK, "ok");
  assert_int_equal (run_on (AGED, &g, &r), 0);
  assert_true (r.value == 60);
  play.agent_now = 1700000061;
  expect_run (AGED, OUTCOME_FAILED, "stale");
  /* Its clock was put back, or the writer's is ahead. */
  play.agent_now = 1699999000;
  expect_run (AGED, OUTCOME_OK, "ok");
  /* By the host's clock, which is years later. */
  play.agent_now = NAN;
  expect_run (AGED, OUTCOME_FAILED, "stale");
  play.output = "soon\n";
  expect_run (AGED, OUTCOME_FAILED, "not-a-number");
}

static void
refused (const char *text, const char *what)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct scenario *s = NULL;

  assert_int_equal (json_parse (text, strlen (text), JSON_FILE, "doc",
                                JSON_MAX_FILE, &doc, &err),
                    0);
  if (scenario_parse (doc, json_root (doc), "", &s, &err) >= 0
      || !strstr (error_text (&err), what))
    fail_msg ("%s: %s", text, error_text (&err));
}

static void
test_documents (void **state)
{
  refused ("{\"name\":\"n\",\"kind\":\"agent-exec\",\"program\":\"uptime\"}",
           "whole path");
  refused (EXEC (",\"args\":[\"a\",3]"), "args");
  refused (EXEC (",\"command\":\"x\""), "command");
  refused (FILE_ (",\"max-age\":\"1m\""), "stamp");
  refused (FILE_ (",\"max-age\":\"1m\",\"expect\":{\"output\":\"x\"}"), "stamp");
  refused (FILE_ (",\"expect\":{\"status\":0}"), "status");
  refused ("{\"name\":\"n\",\"kind\":\"agent-ping\",\"transports\":"
           "[\"console\"]}", "transports");
  /* A command needs nothing more to go by the agent, and this no other way. */
  scenario_unref (parsed (COMMAND));
  refused ("{\"name\":\"n\",\"kind\":\"console-command\",\"command\":\"x\","
           "\"transports\":[\"agent\"],\"console\":\"hvc0\"}",
           "none of its transports");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ends),     cmocka_unit_test (test_process),
    cmocka_unit_test (test_answers),  cmocka_unit_test (test_age),
    cmocka_unit_test (test_documents),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
