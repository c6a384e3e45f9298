/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-command: one shell command over the console, judged by its
 * exit status and output.  The framing by a nonce is session_command()'s:
 * nothing that did not come inside the frame is judged here.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/job.h"

#include <stdio.h>
#include <string.h>

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  int rc = scenario_check_uses (
      s, doc, path, USES_COMMAND | USES_STATUS | USES_OUTPUT | USES_CONSOLE,
      err);

  /* A second line would be typed outside of the frame, where nothing tells
   * its answer from what the guest says by itself. */
  if (rc >= 0)
    rc = scenario_check_command (s, doc, path, "or a dialogue", err);
  return rc;
}

static int
ask (struct session *session, const struct scenario *s, struct job *job,
     struct outcome_report *ret, struct error *err)
{
  struct command_result result = { .status = -1 };
  int rc = session_command (session, s->command, job_deadline (job), &result,
                            err);

  if (rc >= 0 && result.talk == TALK_OK)
    judge_command (&s->expect, result.status, buf_str (&result.output),
                   result.output.len, ret);
  else if (rc >= 0)
    judge_talk (result.talk, result.detail, ret);
  command_result_done (&result);
  return rc;
}

static int
run (const struct scenario *s, const struct guest *g,
     const struct transport_env *env, struct job *job,
     struct outcome_report *ret, struct error *err)
{
  return scenario_over_console (s, g, env, job, ask, ret, err);
}

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_command = {
  .name = "console-command",
  .summary = "one shell command over the console, by status and output",
  .transports = uses,
  .check = check,
  .run = run,
};
