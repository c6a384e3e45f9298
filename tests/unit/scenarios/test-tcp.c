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

/* The first hint of that sort of this document has that; NULL: it has not. */
static void
assert_hint (const char *text, const struct guest *g, const char *sort,
             const char *key, const char *want)
{
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  struct scenario *s = parsed (text);
  struct json_object *list;
  const char *got = NULL;

  scenario_hints (s, g, all);
  scenario_unref (s);
  list = json_get (all, sort);
  if (list)
    got = json_get_str (json_object_array_get_idx (list, 0), key);
  if (!want)
    assert_null (got);
  else
    {
      assert_non_null (got);
      assert_string_equal (got, want);
    }
}

/* What a diagnosis asks of the same place: the same, as far as that is words
 * over TCP. */
static void
test_hints (void **state)
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

  assert_hint (OWN, &g, "addresses", "address", NULL);
  assert_hint ("{\"name\":\"n\",\"kind\":\"console-command\","
               "\"console\":\"hvc0\",\"command\":\"uptime\"}",
               &g, "consoles", "console", "hvc0");
  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      const char *text = cases[i].text;

      assert_hint (text, &g, "addresses", "scenario", "n");
      assert_hint (text, &g, "addresses", "address", cases[i].address);
      assert_hint (text, &g, "addresses", "send", cases[i].send);
      assert_hint (text, &g, "addresses", "expect", cases[i].expect);
    }
  assert_hint (cases[2].text, &g, "logins", "user", "root");
  assert_hint (cases[2].text, &g, "logins", "key", "k");
  assert_hint (cases[0].text, &g, "logins", "user", NULL);
}

/* One guest may have many scenarios. */
static void
test_hints_end (void **state)
{
  CLEANUP_JSON struct json_object *all = json_object_new_object ();
  struct guest g = guest ();
  struct scenario *s = parsed (TCP ());

  for (unsigned i = 0; i < 2 * SCENARIO_HINTS; i++)
    scenario_hints (s, &g, all);
  scenario_unref (s);
  assert_int_equal (
      json_object_array_length (json_get (all, "addresses")), SCENARIO_HINTS);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_tcp),
    cmocka_unit_test (test_own_address),
    cmocka_unit_test (test_hints),
    cmocka_unit_test (test_hints_end),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
