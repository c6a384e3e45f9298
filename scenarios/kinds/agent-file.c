/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind agent-file: a file in the guest, read by its agent, judged by what is
 * in it and how old that is.
 *
 * How old is told by a stamp in it that its writer put there, against the
 * guest's own clock: so neither a clock that is wrong nor a file that something
 * only touches makes it look other than it is.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/units.h"
#include "transports/agent/agent.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define STAMP "stamp"

struct own
{
  char *path;
  uint64_t max_age_ms; /* 0 = any */
  struct scenario_expect expect;
};

static const struct json_field fields[] = {
  { .name = "path", .kind = JSON_STRING, .offset = offsetof (struct own, path),
    .required = true, .min = 2, .max = 512,
    .help = "whole path of a file in the guest" },
  { .name = "max-age", .kind = JSON_DURATION,
    .offset = offsetof (struct own, max_age_ms), .min = 1000,
    .max = 366ll * 24 * 3600 * 1000,
    .help = "how old the group `stamp` of expect.output (seconds since 1970) "
            "may be by the guest's clock" },
  { .kind = JSON_GROUP, .sub = scenario_answer_keys,
    .offset = offsetof (struct own, expect) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  CLEANUP_REGEX struct regex *re = NULL;
  int rc = scenario_check_in_guest (at, "path", own->path);

  if (rc >= 0)
    rc = scenario_check_expect (at, &own->expect);
  if (rc < 0 || !own->max_age_ms)
    return rc;
  if (!own->expect.output || regex_new (own->expect.output, &re, at->err) < 0
      || !regex_has_group (re, STAMP))
    return scenario_bad (at, "max-age",
                         "needs a group (?<" STAMP ">...) in expect.output "
                         "that captures seconds since 1970");
  return 0;
}

static bool
stamp_of (const char *pattern, const struct buf *out, double *ret)
{
  CLEANUP_REGEX struct regex *re = NULL;
  const char *p = NULL;
  char text[40], *end;
  size_t len = 0;

  if (regex_new (pattern, &re, NULL) < 0
      || regex_match (re, buf_str (out), out->len, NULL) <= 0
      || !regex_group (re, STAMP, buf_str (out), &p, &len) || len == 0
      || len >= sizeof text)
    return false;
  memcpy (text, p, len);
  text[len] = '\0';
  *ret = strtod (text, &end);
  return !*end && isfinite (*ret);
}

static void
judge_age (const struct own *own, const struct ask_result *said, double now,
           struct outcome_report *ret)
{
  char most[32];
  double stamp, age;

  if (!stamp_of (own->expect.output, &said->output, &stamp))
    {
      report_set (ret, OUTCOME_FAILED, "not-a-number",
                  "\"" STAMP "\" should be seconds since 1970, and is not");
      return;
    }
  /* The host's clock where the agent does not say what time it is there. */
  age = (isnan (now) ? (double) clock_wall_ms () / 1000 : now) - stamp;
  if (isnan (ret->value))
    ret->value = age;
  if (age * 1000 <= (double) own->max_age_ms)
    return;
  units_format_duration (most, sizeof most, own->max_age_ms);
  report_set (ret, OUTCOME_FAILED, "stale",
              "what is there was written %.0f s ago, which is more than %s",
              age, most);
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct outcome_report report = { .value = NAN };
  struct ask_result said = { .status = -1 };
  /* There is no status here: -1 takes any. */
  struct scenario_expect ex = own->expect;
  double now = NAN;
  int rc = agent_file (env, g, own->path, job_deadline (job),
                       own->max_age_ms ? &now : NULL, &said, err);

  if (rc < 0)
    return rc;
  ex.status = -1;
  if (!judge_agent (way, g, &said, &report))
    {
      judge_command (&ex, -1, buf_str (&said.output), said.output.len, &report);
      if (report.outcome == OUTCOME_OK && own->max_age_ms)
        judge_age (own, &said, now, &report);
    }
  ask_result_done (&said);
  *ret = report;
  return 0;
}

static const char *const uses[] = { "agent", NULL };

const struct scenario_kind kind_agent_file = {
  .name = "agent-file",
  .summary = "a file in the guest, read by its agent",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .cost = scenario_cost_agent,
  .ask = ask,
};
