/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kind that talks over a console does around its talking: find
 * the console, take the lease, give it back, report.
 */
#include "scenarios/scenario_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/console/ask.h"

#include <math.h>
#include <stdio.h>

int
scenario_over_console (const struct scenario *s, const struct guest *g,
                       const struct transport_env *env, const char *console,
                       struct job *job, scenario_talk_fn *talk,
                       struct outcome_report *ret, struct error *err)
{
  struct outcome_report report = { .value = NAN };
  struct ask_result opened = { .end = ASK_OK };
  uint64_t begun = clock_ms ();
  struct session *session;
  char who[96];
  int rc;

  snprintf (who, sizeof who, "scenario %s", s->name);
  rc = console_ask_open (env, g, console, LEASE_SCENARIO, who,
                         job_deadline (job), &session, &opened, err);
  report.own_ms = clock_ms () - begun;
  if (rc >= 0 && session)
    {
      rc = talk (session, s, job, &report, err);
      session_close (session);
      /* Whoever answered did so on its console. */
      report.shell = report.outcome == OUTCOME_OK;
    }
  /* Whatever it was that kept us from opening it. */
  else if (judge_process (g, &report))
    rc = 0;
  else if (rc >= 0)
    judge_end (opened.end, opened.detail, &report);
  if (rc < 0)
    return rc;
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}
