/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind dialogue: steps of sending and expecting over the console, for what
 * is no shell (a login prompt, a menu, an appliance's own line).
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/job.h"
#include "transports/console/dialogue.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct own
{
  char *console;
  struct json_list steps;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_console_keys,
    .offset = offsetof (struct own, console) },
  { .kind = JSON_GROUP, .sub = dialogue_keys,
    .offset = offsetof (struct own, steps) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  return dialogue_check (at->doc, at->path, &own->steps, s->timeout_ms,
                         at->err);
}

/* A recorded nonce is another run's. */
static void
expects (const struct scenario *s, scenario_expect_fn *fn, void *arg)
{
  const struct own *own = s->own;

  for (size_t i = 0; i < own->steps.count; i++)
    {
      const struct dialogue_step *st = dialogue_step_at (&own->steps, i);
      char *const *items = st->expect.items;
      char where[96];

      snprintf (where, sizeof where, "step \"%s\"", st->name);
      for (size_t k = 0; k < st->expect.count; k++)
        {
          CLEANUP_FREE char *regex
              = dialogue_text (items[k], "[0-9a-f]{16}");

          if (regex)
            fn (where, regex, !st->fail, arg);
        }
    }
}

/* All steps once, each with an answer of some lines. */
#define STEP_ANSWER 200

static void
cost (const struct scenario *s, const struct transport_ops *way,
      struct scenario_cost *ret)
{
  const struct own *own = s->own;

  for (size_t i = 0; i < own->steps.count; i++)
    {
      const struct dialogue_step *st = dialogue_step_at (&own->steps, i);

      ret->typed += st->send ? (double) strlen (st->send) : 0;
      ret->console += STEP_ANSWER;
    }
  ret->console += ret->typed;
  ret->cpu_us = way->cpu_us;
}

/* ---- running ---- */

static void
failed_step (const struct dialogue_result *r, struct outcome_report *ret)
{
  bool matched = r->last->expect.count > 0;
  char seen[60], said[160];

  report_set (ret, OUTCOME_FAILED, "fail-step", "%s%s%s%s",
              report_quote (said, sizeof said, r->last->fail,
                            strlen (r->last->fail)),
              matched ? " (saw \"" : "",
              matched ? report_quote (seen, sizeof seen, buf_str (&r->match),
                                      r->match.len)
                      : "",
              matched ? "\")" : "");
}

static void
judge (const struct dialogue_result *r, struct outcome_report *ret)
{
  const char *last = r->last->name;

  switch (r->end)
    {
    case DIALOGUE_OK:
      report_set (ret, OUTCOME_OK, "ok", "ended well after step \"%s\"", last);
      return;
    case DIALOGUE_FAIL_STEP:
      failed_step (r, ret);
      return;
    case DIALOGUE_SILENT:
      report_set (ret, OUTCOME_FAILED, "silent",
                  "nothing at all came back over the console in step \"%s\"",
                  last);
      return;
    case DIALOGUE_MISMATCH:
      report_set (ret, OUTCOME_FAILED, "mismatch",
                  "in step \"%s\" nothing came that is expected there", last);
      break;
    case DIALOGUE_ENDLESS:
      report_set (ret, OUTCOME_FAILED, "endless",
                  "the dialogue did not come to an end in time; it was in step "
                  "\"%s\"",
                  last);
      break;
    case DIALOGUE_REGEX_LIMIT:
      report_set (ret, OUTCOME_NO_VERDICT, "regex-limit",
                  "an expression of step \"%s\" takes too many steps to "
                  "match",
                  last);
      return;
    case DIALOGUE_XOFF:
      judge_end (ASK_XOFF, NULL, ret);
      return;
    case DIALOGUE_BOOTING:
      judge_end (ASK_BOOTING, r->detail[0] ? r->detail : NULL, ret);
      return;
    default:
      judge_end (ASK_TAKEN, NULL, ret);
      return;
    }
  ret->way = WAY_UNSAID; /* what came may have been anybody's */
}

static int
hold_dialogue (struct session *session, const struct scenario *s,
               struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct dialogue_result r;
  int rc = dialogue_run (&own->steps, session, job, job_deadline (job), &r,
                         err);

  if (rc < 0)
    return rc;
  judge (&r, ret);
  dialogue_result_done (&r);
  return 0;
}

static int
ask (const struct scenario *s, const struct guest *g,
     const struct transport_ops *way, const struct transport_env *env,
     struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;

  return scenario_over_console (s, g, env, own->console, job, hold_dialogue,
                                ret, err);
}

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_dialogue = {
  .name = "dialogue",
  .summary = "steps of sending and expecting over the console",
  .application = true,
  .transports = uses,
  .timed = true,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .expects = expects,
  .cost = cost,
  .ask = ask,
};
