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
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#ifdef WITH_SSH
#define HAVE_SSH true
#else
#define HAVE_SSH false
#endif

struct own
{
  struct scenario_command what;
  char *address;
  struct scenario_ssh ssh;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_command_keys,
    .offset = offsetof (struct own, what) },
  { .kind = JSON_GROUP, .sub = scenario_address_keys,
    .offset = offsetof (struct own, address) },
  { .kind = JSON_GROUP, .sub = scenario_ssh_keys,
    .offset = offsetof (struct own, ssh) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  bool loopback;
  int rc;

  if (!HAVE_SSH)
    return scenario_bad (at, "kind",
                         "this hangdog is built without ssh (configure "
                         "--without-ssh)");
  rc = scenario_check_command (at, &own->what, "or a script in the guest");
  if (rc >= 0)
    rc = scenario_check_address (at, own->address, &loopback);
  if (rc >= 0)
    rc = scenario_check_ssh (at, &own->ssh);
  return rc;
}

/* Whatever it lets in: a server shows itself to whoever connects. */
static bool
knock (const struct scenario *s, const struct guest *g,
       struct scenario_knock *ret)
{
  const struct own *own = s->own;

  if (!scenario_knock_at (own->address, g, ret))
    return false;
  ret->expect = "^SSH-";
  return true;
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
  const struct own *own = s->own;
  struct outcome_report report = { .value = NAN };
  uint64_t begun = clock_ms ();
  struct ssh_result result;
  char address[80];
  struct ssh_cmd cmd = { .user = own->ssh.user,
                         .command = own->what.command,
                         .dir = env->ssh_dir,
                         .key = own->ssh.key,
                         .password = own->ssh.password,
                         .accept_new = own->ssh.hosts == HOSTS_ACCEPT_NEW };
  int rc;

  snprintf (report.transport, sizeof report.transport, "ssh");
  cmd.address = scenario_address (own->address, g, address, sizeof address,
                                  &report);
  if (cmd.address)
    {
      rc = ssh_run (env->libexec, &cmd, job_deadline (job), &result, err);
      if (rc < 0)
        return rc;
      if (result.end == SSH_END_OK)
        judge_command (&own->what.expect, result.status,
                       buf_str (&result.output), result.output.len, &report);
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
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .knock = knock,
  .run = run,
};
