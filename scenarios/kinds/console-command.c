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
#include "kernel/text/uptime.h"

#include <stdio.h>
#include <string.h>

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  char at[200];
  int rc = scenario_check_uses (
      s, doc, path, USES_COMMAND | USES_STATUS | USES_OUTPUT | USES_CONSOLE,
      err);

  if (rc < 0)
    return rc;
  if (!s->command)
    return json_error_at (doc, path, err,
                          "a console-command scenario needs a \"command\"");
  scenario_path (at, sizeof at, path, "command");
  /* A second line would be typed outside of the frame, where nothing tells
   * its answer from what the guest says by itself. */
  for (const unsigned char *p = (const unsigned char *) s->command; *p; p++)
    if (*p < 0x20 || *p == 0x7f)
      return json_error_at (doc, at, err,
                            "must be one line without control characters; "
                            "use \";\" between commands, or a dialogue");
  return 0;
}

static int
ask (struct session *session, const struct scenario *s, struct job *job,
     struct outcome_report *ret, struct error *err)
{
  struct command_result result = { .status = -1 };
  int rc = session_command (session, s->command, job_deadline (job), &result,
                            err);

  if (rc >= 0 && result.talk == TALK_OK)
    {
      judge_answer (&s->expect, result.status, buf_str (&result.output),
                    result.output.len, ret);
      ret->has_uptime = uptime_parse (buf_str (&result.output),
                                      result.output.len, &ret->uptime);
    }
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
