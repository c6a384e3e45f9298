/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind agent-exec: a program in the guest, started by its agent without a
 * shell, judged by its exit status and what it says.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/agent/agent.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>

struct own
{
  char *program;
  struct json_list args; /* of char * */
  struct scenario_expect expect;
};

static const struct json_field fields[] = {
  { .name = "program", .kind = JSON_STRING,
    .offset = offsetof (struct own, program), .required = true, .min = 2,
    .max = 512, .help = "whole path of a program in the guest; no shell" },
  { .name = "args", .kind = JSON_ARRAY, .offset = offsetof (struct own, args),
    .max = AGENT_MAX_ARGS, .elem_kind = JSON_STRING,
    .help = "its arguments, each for itself" },
  { .kind = JSON_GROUP, .sub = scenario_expect_keys,
    .offset = offsetof (struct own, expect) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  int rc = scenario_check_in_guest (at, "program", own->program);

  return rc < 0 ? rc : scenario_check_expect (at, &own->expect);
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  char *const *items = own->args.items;
  const char *args[AGENT_MAX_ARGS + 1] = { NULL };
  struct outcome_report report = { .value = NAN };
  struct ask_result said = { .status = -1 };
  int rc;

  for (size_t i = 0; i < own->args.count && i < AGENT_MAX_ARGS; i++)
    args[i] = items[i];
  rc = agent_exec (env, g, own->program, args, job_deadline (job), &said, err);
  if (rc < 0)
    return rc;
  if (!judge_agent (way, g, &said, &report))
    judge_command (&own->expect, said.status, buf_str (&said.output),
                   said.output.len, &report);
  ask_result_done (&said);
  *ret = report;
  return 0;
}

static const char *const uses[] = { "agent", NULL };

/* As a shell would have it. */
static void
hints (const struct scenario *s, const struct guest *g,
       struct json_object *all)
{
  const struct own *own = s->own;
  char *const *args = own->args.items;
  struct buf line CLEANUP_BUF = BUF_INIT (4096);

  buf_puts (&line, own->program);
  for (size_t i = 0; i < own->args.count; i++)
    buf_printf (&line, " %s", args[i]);
  scenario_hint_command (s, buf_str (&line), all);
}

const struct scenario_kind kind_agent_exec = {
  .name = "agent-exec",
  .summary = "a program in the guest, started by its agent",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .cost = scenario_cost_agent,
  .hints = hints,
  .ask = ask,
};
