/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind agent-ping: does the guest agent answer?
 */
#include "scenarios/scenario_impl.h"

#include "base/job.h"
#include "transports/agent/agent.h"

#include <math.h>

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  struct outcome_report report = { .value = NAN };
  struct ask_result said = { .status = -1 };
  int rc = agent_ping (env, g, job_deadline (job), &said, err);

  (void) s;
  if (rc < 0)
    return rc;
  if (!judge_agent (way, g, &said, &report))
    {
      report_set (&report, OUTCOME_OK, "ok", "its agent answered in %llu ms",
                  (unsigned long long) said.took_ms);
      report.value = (double) said.took_ms;
    }
  ask_result_done (&said);
  *ret = report;
  return 0;
}

static const struct json_field none[] = { { .name = NULL } };
static const char *const uses[] = { "agent", NULL };

const struct scenario_kind kind_agent_ping = {
  .name = "agent-ping",
  .summary = "the guest agent answers",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = none,
  .cost = scenario_cost_agent,
  .ask = ask,
};
