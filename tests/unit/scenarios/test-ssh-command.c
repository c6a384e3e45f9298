/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind ssh-command: each end of a command, each answer.
 */
#include "kind-bed.h"

#ifdef WITH_SSH
#define SSH(extra)                                                            \
  "{\"name\":\"n\",\"kind\":\"ssh-command\",\"command\":\"uptime\","           \
  "\"address\":\"guest:22\",\"ssh\":{\"user\":\"u\",\"key\":\"k\"}" extra "}"

static void
test_ssh (void **state)
{
  static const struct
  {
    enum ssh_end end;
    enum outcome outcome;
    const char *code;
  } ends[] = {
    { SSH_END_OK, OUTCOME_OK, "ok" },
    { SSH_END_KILLED, OUTCOME_FAILED, "killed" },
    { SSH_END_NO_ROUTE, OUTCOME_NO_VERDICT, "no-route" },
    { SSH_END_UNREACHABLE, OUTCOME_FAILED, "unreachable" },
    { SSH_END_REFUSED, OUTCOME_FAILED, "refused" },
    { SSH_END_TIMEOUT, OUTCOME_FAILED, "timeout" },
    { SSH_END_SILENT, OUTCOME_FAILED, "silent" },
    { SSH_END_PROTOCOL, OUTCOME_FAILED, "protocol" },
    { SSH_END_HOST_UNKNOWN, OUTCOME_NO_VERDICT, "host-key-unknown" },
    { SSH_END_HOST_CHANGED, OUTCOME_FAILED, "host-key-changed" },
    { SSH_END_AUTH, OUTCOME_NO_VERDICT, "auth-failed" },
    { SSH_END_LOGIN_TIMEOUT, OUTCOME_FAILED, "login-timeout" },
    { SSH_END_NO_ANSWER, OUTCOME_FAILED, "no-answer" },
    { SSH_END_DISCONNECTED, OUTCOME_FAILED, "disconnected" },
    { SSH_END_FLOOD, OUTCOME_NO_VERDICT, "output-flood" },
    { SSH_END_UNUSABLE, OUTCOME_NO_VERDICT, "ssh-unusable" },
    { SSH_END_STUCK, OUTCOME_NO_VERDICT, "own-failure" },
    { SSH_END_NO_NETNS, OUTCOME_NO_VERDICT, "no-netns" },
  };
  struct guest g = guest ();
  struct outcome_report r;

  assert_int_equal (ARRAY_LEN (ends), SSH_END_MAX);
  fresh ();
  assert_int_equal (run_on (SSH (""), &g, &r), 0);
  assert_string_equal (r.code, "no-address");
  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  for (size_t i = 0; i < ARRAY_LEN (ends); i++)
    {
      fresh ();
      play.ssh_end = ends[i].end;
      assert_int_equal (run_on (SSH (""), &g, &r), 0);
      assert_int_equal (r.outcome, ends[i].outcome);
      assert_string_equal (r.code, ends[i].code);
    }
  assert_string_equal (play.ssh_address, "192.0.2.9:22");
  assert_string_equal (play.ssh.dir, "/ssh");
  assert_false (play.ssh.accept_new);
  fresh ();
  play.ssh_rc = -ENOEXEC;
  assert_int_equal (run_on (SSH (""), &g, &r), -ENOEXEC);
}

static void
test_ssh_answers (void **state)
{
  struct guest g = guest ();
  struct outcome_report r;

  g.nnics = 1;
  snprintf (g.nics[0].ip, sizeof g.nics[0].ip, "192.0.2.9");
  fresh ();
  play.status = 3;
  assert_int_equal (run_on (SSH (""), &g, &r), 0);
  assert_string_equal (r.code, "status");
  assert_int_equal (
      run_on (SSH (",\"expect\":{\"status\":3,\"output\":\"x\"}"), &g, &r), 0);
  assert_string_equal (r.code, "mismatch");
  fresh ();
  play.output = "12.34 56.78\n";
  assert_int_equal (run_on (SSH (""), &g, &r), 0);
  assert_string_equal (r.code, "ok");
  assert_true (r.has_uptime);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ssh),
    cmocka_unit_test (test_ssh_answers),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
#else
int
main (void)
{
  return 77;
}
#endif
