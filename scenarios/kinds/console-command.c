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

#include <stddef.h>

struct own
{
  char *console;
  struct scenario_command what;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_console_keys,
    .offset = offsetof (struct own, console) },
  { .kind = JSON_GROUP, .sub = scenario_command_keys,
    .offset = offsetof (struct own, what) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  /* A second line would be typed outside of the frame, where nothing tells
   * its answer from what the guest says by itself. */
  return scenario_check_command (at, &own->what, "or a dialogue");
}

static int
ask (struct session *session, const struct scenario *s, struct job *job,
     struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct command_result result = { .status = -1 };
  int rc = session_command (session, own->what.command, job_deadline (job),
                            &result, err);

  if (rc >= 0 && result.talk == TALK_OK)
    judge_command (&own->what.expect, result.status, buf_str (&result.output),
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
  const struct own *own = s->own;

  return scenario_over_console (s, g, env, own->console, job, ask, ret, err);
}

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_command = {
  .name = "console-command",
  .summary = "one shell command over the console, by status and output",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .run = run,
};
