/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind tcp: each end of a connection, and which address is asked.
 */
#include "kind-bed.h"

#define TCP(extra)                                                            \
  "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"192.0.2.1:22\"" extra "}"
#define OWN                                                                   \
  "{\"name\":\"n\",\"kind\":\"tcp\",\"address\":\"guest:22\"}"

static void
test_tcp (void **state)
{
  static const struct
  {
    int rc;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { 0, OUTCOME_OK, "ok" },
    { -ECONNREFUSED, OUTCOME_FAILED, "refused" },
    { -ECONNRESET, OUTCOME_FAILED, "reset" },
    { -EHOSTUNREACH, OUTCOME_FAILED, "unreachable" },
    { -ETIMEDOUT, OUTCOME_FAILED, "timeout" },
    { -ENOMSG, OUTCOME_FAILED, "mismatch" },
    { -ENETUNREACH, OUTCOME_NO_VERDICT, "no-route" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.tcp_rc = ends[i].rc;
      expect_run (TCP (), ends[i].outcome, ends[i].code);
      assert_string_equal (play.tcp_address, "192.0.2.1:22");
    }
  fresh ();
  play.tcp_rc = -EMFILE;
  assert_int_equal (run_on (TCP (), &g, &r), -EMFILE);

  fresh ();
  play.output = "SSH-2.0-x";
  expect_run (TCP (",\"expect\":{\"output\":\"^SSH\"}"), OUTCOME_OK, "ok");
  expect_run (TCP (",\"expect\":{\"output\":\"^SSH\",\"not-output\":\"x\"}"),
              OUTCOME_FAILED, "forbidden");
}

static void
test_own_address (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  fresh ();
  assert_int_equal (run_on (OWN, &g, &r), 0);
  assert_string_equal (r.code, "no-address");
  assert_int_equal (r.outcome, OUTCOME_NO_VERDICT);
  g.nnics = 2;
  snprintf (g.nics[1].ip, sizeof g.nics[1].ip, "192.0.2.9");
  assert_int_equal (run_on (OWN, &g, &r), 0);
  assert_string_equal (play.tcp_address, "192.0.2.9:22");
  assert_true (r.value == 12);
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "2001:db8::9");
  assert_int_equal (run_on (OWN, &g, &r), 0);
  assert_string_equal (play.tcp_address, "[2001:db8::9]:22");
}

/* What a diagnosis asks of the same place: the same, as far as that is words
 * over TCP. */
static void
test_knock (void **state)
{
  static const struct
  {
    const char *text, *address, *send, *expect;
  } cases[] = {
    { TCP (), "192.0.2.1:22", NULL, NULL },
    { TCP (",\"send\":\"hi\",\"expect\":{\"output\":\"^ho\"}"),
      "192.0.2.1:22", "hi", "^ho" },
    { "{\"name\":\"n\",\"kind\":\"ssh-command\",\"address\":"
      "\"192.0.2.1:2222\",\"ssh\":{\"user\":\"root\",\"key\":\"k\"},"
      "\"command\":\"cat /proc/uptime\",\"expect\":{\"output\":\"^[0-9]\"}}",
      "192.0.2.1:2222", NULL, "^SSH-" },
    { OWN, "192.0.2.9:22", NULL, NULL },
  };
  struct guest g = guest ();
  struct scenario_knock k;
  struct scenario *s;

  s = parsed (OWN);
  assert_false (scenario_knock (s, &g, &k));
  scenario_unref (s);
  s = parsed ("{\"name\":\"n\",\"kind\":\"console-command\","
              "\"command\":\"uptime\"}");
  assert_false (scenario_knock (s, &g, &k));
  scenario_unref (s);
  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      s = parsed (cases[i].text);
      assert_true (scenario_knock (s, &g, &k));
      assert_string_equal (k.address, cases[i].address);
      assert_true ((k.send != NULL) == (cases[i].send != NULL));
      if (k.send)
        assert_string_equal (k.send, cases[i].send);
      assert_true ((k.expect != NULL) == (cases[i].expect != NULL));
      if (k.expect)
        assert_string_equal (k.expect, cases[i].expect);
      scenario_unref (s);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_tcp),
    cmocka_unit_test (test_own_address),
    cmocka_unit_test (test_knock),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
