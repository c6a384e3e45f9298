/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kind that talks over a console does around its talking: find
 * the console, take the lease, give it back, report.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What an error of session_open() means; false: it is our own failure. */
static bool
judge_open_error (int rc, const struct error *why, struct outcome_report *ret)
{
  static const struct
  {
    int rc;
    enum talk talk;
  } known[] = {
    { -EBUSY, TALK_BUSY },     { -EAGAIN, TALK_BUSY },
    { -ENOENT, TALK_ABSENT },  { -ENXIO, TALK_ABSENT },
    { -ECANCELED, TALK_LOST }, { -EPIPE, TALK_LOST },
    { -ECONNREFUSED, TALK_ABSENT },
  };

  char seen[190];

  for (size_t i = 0; i < ARRAY_LEN (known); i++)
    if (known[i].rc == rc)
      {
        judge_talk (known[i].talk, why->msg, ret);
        return true;
      }
  if (rc == -EROFS)
    report_set (ret, OUTCOME_NO_VERDICT, "console-read-only",
                "this console is a log that can't be typed into; use a "
                "console of mode hold or probe");
  else if (rc == -ETIMEDOUT || rc == -EIO)
    report_set (ret, OUTCOME_NO_VERDICT,
                rc == -EIO ? "console-broken" : "console-timeout", "%s",
                report_quote (seen, sizeof seen, error_text (why),
                              strlen (error_text (why))));
  else
    return false;
  return true;
}

/* NULL with ret filled (no verdict) when there is none to type into. */
static const struct guest_console *
scenario_console (const char *wanted, const struct guest *g,
                  struct outcome_report *ret)
{
  if (wanted)
    {
      const struct guest_console *c = guest_console_find (g, wanted);
      char name[64];

      if (!c)
        report_set (ret, OUTCOME_NO_VERDICT, "console-absent",
                    "the guest has no console called \"%s\"",
                    report_quote (name, sizeof name, wanted,
                                  strlen (wanted)));
      return c;
    }
  for (unsigned i = 0; i < g->nconsoles; i++)
    if (g->consoles[i].kind != CONSOLE_LOG
        && g->consoles[i].mode != CONSOLE_TAIL)
      return &g->consoles[i];
  report_set (ret, OUTCOME_NO_VERDICT,
              g->nconsoles ? "console-read-only" : "console-absent",
              g->nconsoles ? "the guest's only console is a log that can't be "
                             "typed into"
                           : "the guest has no console");
  return NULL;
}

/* Takes the lease in at most half of what is left: a session that began at
 * the last moment would call a slow connect a dead guest.  0 with *ret NULL
 * when there is no verdict (report filled). */
static int
open_session (const struct scenario *s, const struct guest *g,
              const struct transport_env *env, const char *console,
              uint64_t deadline, struct session **ret,
              struct outcome_report *report, struct error *err)
{
  const struct guest_console *con = scenario_console (console, g, report);
  struct error why = ERROR_INIT;
  uint64_t now = clock_ms ();
  char who[96];
  int rc;

  *ret = NULL;
  if (!con)
    return 0;
  snprintf (who, sizeof who, "scenario %s", s->name);
  rc = session_open (env->hub, g->inc.uuid, con->name, LEASE_SCENARIO, who,
                     deadline > now ? now + (deadline - now) / 2 : now, ret,
                     &why);
  if (rc >= 0)
    return 0;
  *ret = NULL;
  if (judge_process (g, report) || judge_open_error (rc, &why, report))
    return 0;
  if (err)
    *err = why;
  return rc;
}

int
scenario_over_console (const struct scenario *s, const struct guest *g,
                       const struct transport_env *env, const char *console,
                       struct job *job, scenario_talk_fn *talk,
                       struct outcome_report *ret, struct error *err)
{
  struct outcome_report report = { .value = NAN };
  uint64_t begun = clock_ms ();
  struct session *session;
  int rc = open_session (s, g, env, console, job_deadline (job), &session,
                         &report, err);

  if (rc >= 0 && session)
    {
      session_guard (session, env->may_type, env->may_type_arg);
      rc = talk (session, s, job, &report, err);
      session_close (session);
    }
  if (rc < 0)
    return rc;
  snprintf (report.transport, sizeof report.transport, "console");
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}
