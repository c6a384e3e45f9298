/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind ssh-command: one shell command over ssh, judged as one over the
 * console is.
 *
 * What keeps us from asking is no verdict, except one thing: a server with
 * another key than it must have is a failure.  Whoever answers there is not
 * known to be the guest, and somebody must be told.
 */
#include "config.h"

#include "scenarios/scenario_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/ssh/ssh.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef WITH_SSH
#define HAVE_SSH true
#else
#define HAVE_SSH false
#endif

static int
check_ssh (const struct scenario *s, const struct json_doc *doc,
           const char *path, struct error *err)
{
  char at[200];

  scenario_path (at, sizeof at, path, "ssh");
  if (!s->ssh.user)
    return json_error_at (doc, path, err,
                          "an ssh-command scenario needs \"ssh\" with a "
                          "user, and a key or a password");
  /* It would be taken for an option or a host by whoever prints it. */
  for (const char *p = s->ssh.user; *p; p++)
    if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7f)
      return json_error_at (doc, at, err, "ssh.user has a byte that no user's "
                            "name has");
  if (!s->ssh.key && !s->ssh.password)
    return json_error_at (doc, at, err, "needs a \"key\" or a \"password\"");
  if ((s->ssh.key && !ssh_secret_name (s->ssh.key))
      || (s->ssh.password && !ssh_secret_name (s->ssh.password)))
    return json_error_at (doc, at, err,
                          "keys and passwords are named by a file in the "
                          "folder ssh beside the configuration, without a "
                          "path");
  if (s->ssh.password && s->ssh.hosts == HOSTS_ACCEPT_NEW)
    return json_error_at (doc, at, err,
                          "a password is not shown to a server that nobody "
                          "knows: use a key, or \"host-keys\": \"strict\"");
  return 0;
}

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  bool loopback;
  char at[200];
  int rc;

  scenario_path (at, sizeof at, path, "kind");
  if (!HAVE_SSH)
    return json_error_at (doc, at, err,
                          "this hangdog is built without ssh (configure "
                          "--without-ssh)");
  rc = scenario_check_uses (
      s, doc, path,
      USES_COMMAND | USES_ADDRESS | USES_SSH | USES_STATUS | USES_OUTPUT, err);
  if (rc >= 0)
    rc = scenario_check_command (s, doc, path, "or a script in the guest",
                                 err);
  if (rc >= 0)
    rc = scenario_check_address (s, doc, path, &loopback, err);
  if (rc >= 0)
    rc = check_ssh (s, doc, path, err);
  return rc;
}

static void
judge_end (const struct ssh_result *r, struct outcome_report *ret)
{
  static const struct
  {
    enum outcome outcome;
    const char *code;
    const char *hint;
  } means[SSH_END_MAX] = {
    [SSH_END_KILLED] = { OUTCOME_FAILED, "killed", "" },
    [SSH_END_NO_ROUTE] = { OUTCOME_NO_VERDICT, "no-route", "" },
    [SSH_END_UNREACHABLE] = { OUTCOME_FAILED, "unreachable", "" },
    [SSH_END_REFUSED] = { OUTCOME_FAILED, "refused", "" },
    [SSH_END_TIMEOUT] = { OUTCOME_FAILED, "timeout", "" },
    [SSH_END_SILENT] = { OUTCOME_FAILED, "silent", "" },
    [SSH_END_PROTOCOL] = { OUTCOME_FAILED, "protocol", "" },
    [SSH_END_HOST_UNKNOWN] = { OUTCOME_NO_VERDICT, "host-key-unknown", "" },
    [SSH_END_HOST_CHANGED]
    = { OUTCOME_FAILED, "host-key-changed", "HOST KEY CHANGED: " },
    [SSH_END_AUTH] = { OUTCOME_NO_VERDICT, "auth-failed", "" },
    [SSH_END_LOGIN_TIMEOUT] = { OUTCOME_FAILED, "login-timeout", "" },
    [SSH_END_NO_ANSWER] = { OUTCOME_FAILED, "no-answer", "" },
    [SSH_END_DISCONNECTED] = { OUTCOME_FAILED, "disconnected", "" },
    [SSH_END_FLOOD] = { OUTCOME_NO_VERDICT, "output-flood", "" },
    [SSH_END_UNUSABLE] = { OUTCOME_NO_VERDICT, "ssh-unusable", "" },
    [SSH_END_STUCK] = { OUTCOME_NO_VERDICT, "own-failure", "" },
  };
  char text[180];

  report_set (ret, means[r->end].outcome, means[r->end].code, "%s%s",
              means[r->end].hint,
              report_quote (text, sizeof text, r->detail,
                            strlen (r->detail)));
}

static int
run (const struct scenario *s, const struct guest *g,
     const struct transport_env *env, struct job *job,
     struct outcome_report *ret, struct error *err)
{
  struct outcome_report report = { .value = NAN };
  uint64_t begun = clock_ms ();
  struct ssh_result result;
  char address[80];
  struct ssh_cmd cmd = { .user = s->ssh.user,
                         .command = s->command,
                         .dir = env->ssh_dir,
                         .key = s->ssh.key,
                         .password = s->ssh.password,
                         .accept_new = s->ssh.hosts == HOSTS_ACCEPT_NEW };
  int rc;

  snprintf (report.transport, sizeof report.transport, "ssh");
  cmd.address = scenario_address (s, g, address, sizeof address, &report);
  if (cmd.address)
    {
      rc = ssh_run (env->libexec, &cmd, job_deadline (job), &result, err);
      if (rc < 0)
        return rc;
      if (result.end == SSH_END_OK)
        judge_command (&s->expect, result.status, buf_str (&result.output),
                       result.output.len, &report);
      else
        judge_end (&result, &report);
      ssh_result_done (&result);
    }
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "ssh", NULL };

const struct scenario_kind kind_ssh_command = {
  .name = "ssh-command",
  .summary = "one shell command over ssh, by status and output",
  .transports = uses,
  .greets = "^SSH-",
  .check = check,
  .run = run,
};
