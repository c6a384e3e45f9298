/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind exec: a program of the operator's on this host, judged as plugins of
 * Nagios are.  The document may come from far away: it names one of the
 * programs that the host's operator has put there for this, and no other.
 */
#include "scenarios/scenario_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/text.h"
#include "transports/exec/exec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A status that no document can have: it is judged by its meaning. */
#define STATUS_BY_MEANING (-2)

struct own
{
  char *program;
  struct json_list args;
  struct scenario_expect expect;
};

static const struct own defaults = { .expect.status = STATUS_BY_MEANING };

static const struct json_field expect_fields[] = {
  { .name = "status", .kind = JSON_INT,
    .offset = offsetof (struct scenario_expect, status), .min = -1,
    .max = 255,
    .help = "the exit status that is well, and no other; -1 = any; default: "
            "0, and what the others mean as for a plugin of Nagios" },
  { .kind = JSON_GROUP, .sub = scenario_answer_members },
  { .name = NULL },
};

static const struct json_field fields[] = {
  { .name = "program", .kind = JSON_STRING,
    .offset = offsetof (struct own, program), .required = true, .min = 1,
    .max = 63,
    .help = "its name, in a folder of `exec` in the host's configuration" },
  { .name = "args", .kind = JSON_ARRAY, .offset = offsetof (struct own, args),
    .max = EXEC_MAX_ARGS, .elem_kind = JSON_STRING,
    .elem_size = sizeof (char *), .help = "given to it as they are" },
  { .name = "expect", .kind = JSON_OBJECT,
    .offset = offsetof (struct own, expect), .sub = expect_fields,
    .help = "what \"well\" means" },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  char *const *args = own->args.items;
  char key[32];

  if (!text_is_name (own->program))
    return scenario_bad (at, "program",
                         "is the name of a program in a folder of the host's "
                         "configuration (`exec`), not a path");
  for (size_t i = 0; i < own->args.count; i++)
    for (const unsigned char *p = (const unsigned char *) args[i]; *p; p++)
      if (*p < 0x20 || *p == 0x7f)
        {
          snprintf (key, sizeof key, "args[%zu]", i);
          return scenario_bad (at, key, "must have no control characters");
        }
  return scenario_check_expect (at, &own->expect);
}

/* ---- what it is told ---- */

static struct json_object *
environment (const struct scenario *s, const struct guest *g)
{
  struct json_object *o = exec_environ (g);
  char number[32];

  exec_tell (o, "HANGDOG_SCENARIO", s->name);
  snprintf (number, sizeof number, "%llu",
            (unsigned long long) s->timeout_ms);
  exec_tell (o, "HANGDOG_TIMEOUT_MS", number);
  return o;
}

/* ---- what it says ---- */

/* The first line, and in it what stands before the "|": what follows are
 * numbers, "label=VALUE[unit];...". */
static size_t
first_line (const char *out, size_t len, double *ret_value)
{
  const char *nl = memchr (out, '\n', len);
  const char *bar, *is;
  char text[64], *end;
  size_t n = nl ? (size_t) (nl - out) : len, k;
  double v;

  bar = memchr (out, '|', n);
  if (!bar)
    return n;
  is = memchr (bar, '=', n - (size_t) (bar - out));
  if (is)
    {
      k = n - (size_t) (is + 1 - out);
      snprintf (text, sizeof text, "%.*s", (int) (k < 63 ? k : 63), is + 1);
      v = strtod (text, &end);
      if (end != text && isfinite (v))
        *ret_value = v;
    }
  return (size_t) (bar - out);
}

static bool
has_no_verdict (int status)
{
  return status == 3 || status == 75;
}

static void
judge (const struct own *own, const struct exec_result *r,
       struct outcome_report *ret)
{
  const char *out = r->output.len ? r->output.data : "";
  double value = NAN;
  size_t n = first_line (out, r->output.len, &value);
  char said[150], why[100];

  if (n)
    report_quote (said, sizeof said, out, n);
  else
    snprintf (said, sizeof said, "it said nothing");
  report_quote (why, sizeof why, r->errors.len ? r->errors.data : "",
                r->errors.len);
  if (own->expect.status != STATUS_BY_MEANING || r->status == 0)
    {
      struct scenario_expect ex = own->expect;

      if (ex.status == STATUS_BY_MEANING)
        ex.status = 0;
      judge_answer (&ex, r->status, out, r->output.len, ret);
      if (ret->outcome == OUTCOME_OK && n)
        snprintf (ret->sentence, sizeof ret->sentence, "%s", said);
    }
  else if (r->status == 126 || r->status == 127)
    report_set (ret, OUTCOME_NO_VERDICT, "exec-unusable",
                "%s ended with %d, as shells do for what they can't start: %s",
                own->program, r->status, why);
  else if (has_no_verdict (r->status))
    report_set (ret, OUTCOME_NO_VERDICT, "exec-unknown", "%s", said);
  else
    report_set (ret, OUTCOME_FAILED, "status", "%s%s (status %d)",
                r->status == 1 ? "warning: " : "", said, r->status);
  if (isnan (ret->value))
    ret->value = value;
}

static void
judge_run (const struct own *own, const struct exec_result *r,
           struct outcome_report *ret)
{
  char detail[180];

  report_quote (detail, sizeof detail, r->detail, strlen (r->detail));
  if (r->end == EXEC_EXITED)
    judge (own, r, ret);
  else if (r->end == EXEC_TIMEOUT)
    report_set (ret, OUTCOME_FAILED, "timeout",
                "%s did not end in time, and was ended with %u that it had "
                "started",
                own->program, r->killed > 0 ? r->killed - 1 : 0);
  else if (r->end == EXEC_SIGNAL)
    report_set (ret, OUTCOME_NO_VERDICT, "exec-unusable",
                "%s ended by signal %d", own->program, r->status);
  else if (r->end == EXEC_UNUSABLE)
    report_set (ret, OUTCOME_NO_VERDICT, "exec-unusable", "%s", detail);
  else
    report_set (ret, OUTCOME_NO_VERDICT, "own-failure", "%s", detail);
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  CLEANUP_JSON struct json_object *told = environment (s, g);
  const struct exec_program program
      = { .name = own->program,
          .args = (const char *const *) own->args.items,
          .nargs = own->args.count,
          .environ = told };
  struct outcome_report report = { .value = NAN };
  uint64_t begun = clock_ms ();
  struct exec_result r;
  int rc;

  (void) way;
  rc = exec_run (env, &program, job_deadline (job), &r, err);
  if (rc < 0)
    return rc;
  judge_run (own, &r, &report);
  exec_result_done (&r);
  report.took_ms = clock_ms () - begun;
  *ret = report;
  return 0;
}

static const char *const uses[] = { "exec", NULL };

const struct scenario_kind kind_exec = {
  .name = "exec",
  .summary = "a program of the operator's on this host, by its exit status",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &defaults,
  .check = check,
  .cost = scenario_cost_way,
  .ask = ask,
};
