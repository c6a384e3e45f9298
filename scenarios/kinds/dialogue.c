/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind dialogue: steps of sending and expecting over the console, for what
 * is no shell (a login prompt, a menu, an appliance's own line).  They are
 * bounded by the deadline and by a number of steps.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAX_STEPS_RUN 1000

struct own
{
  char *console;
  struct json_list steps;
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = scenario_console_keys,
    .offset = offsetof (struct own, console) },
  { .kind = JSON_GROUP, .sub = scenario_steps_keys,
    .offset = offsetof (struct own, steps) },
  { .name = NULL },
};

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;

  return scenario_check_steps (at, &own->steps, s->timeout_ms);
}

/* A recorded nonce is another run's. */
static void
expects (const struct scenario *s, scenario_expect_fn *fn, void *arg)
{
  const struct own *own = s->own;

  for (size_t i = 0; i < own->steps.count; i++)
    {
      const struct scenario_step *st = scenario_step_at (&own->steps, i);
      char *const *items = st->expect.items;
      char where[96];

      snprintf (where, sizeof where, "step \"%s\"", st->name);
      for (size_t k = 0; k < st->expect.count; k++)
        {
          CLEANUP_FREE char *regex
              = scenario_step_text (items[k], "[0-9a-f]{16}");

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
      const struct scenario_step *st = scenario_step_at (&own->steps, i);

      ret->typed += st->send ? (double) strlen (st->send) : 0;
      ret->console += STEP_ANSWER;
    }
  ret->console += ret->typed;
  ret->cpu_us = way->cpu_us;
}

/* ---- running ---- */

struct talk_run
{
  const struct json_list *steps;
  struct session *session;
  struct job *job;
  uint64_t deadline;
  char nonce[17];
  struct buf match;
};

/* 1 matched, 0 not in time, < 0 the console or we failed. */
static int
wait_for (struct talk_run *t, const struct scenario_step *st,
          struct error *err)
{
  struct expect patterns[SCENARIO_MAX_EXPECTS] = { { NULL, NULL } };
  char *texts[SCENARIO_MAX_EXPECTS] = { NULL };
  char *const *items = st->expect.items;
  uint64_t until = t->deadline, now = clock_ms ();
  unsigned n = 0;
  int rc = 0;

  if (st->timeout_ms && now + st->timeout_ms < until)
    until = now + st->timeout_ms;
  for (; n < st->expect.count && n < SCENARIO_MAX_EXPECTS && rc == 0; n++)
    {
      texts[n] = scenario_step_text (items[n], t->nonce);
      patterns[n].regex = texts[n];
      if (!texts[n])
        rc = error_set (err, ENOMEM, "no memory");
    }
  buf_clear (&t->match);
  if (rc == 0)
    rc = session_expect (t->session, patterns, n, until, NULL, &t->match,
                         err);
  for (unsigned i = 0; i < n; i++)
    free (texts[i]);
  if (rc >= 0)
    return 1;
  return rc == -ETIMEDOUT ? 0 : rc;
}

static int
say (struct talk_run *t, const struct scenario_step *st, struct error *err)
{
  CLEANUP_FREE char *text = NULL;

  if (!st->send)
    return 0;
  text = scenario_step_text (st->send, t->nonce);
  if (!text)
    return error_set (err, ENOMEM, "no memory");
  return session_send (t->session, text, strlen (text), t->deadline, err);
}

static void
report_failure (struct talk_run *t, const struct scenario_step *st,
                bool matched, struct outcome_report *ret)
{
  char seen[60], said[160];

  if (st->fail)
    report_set (ret, OUTCOME_FAILED, "fail-step", "%s%s%s%s",
                report_quote (said, sizeof said, st->fail, strlen (st->fail)),
                matched ? " (saw \"" : "",
                matched ? report_quote (seen, sizeof seen,
                                        buf_str (&t->match), t->match.len)
                        : "",
                matched ? "\")" : "");
  else if (!session_saw_bytes (t->session))
    report_set (ret, OUTCOME_FAILED, "silent",
                "nothing at all came back over the console in step \"%s\"",
                st->name);
  else
    {
      report_set (ret, OUTCOME_FAILED, "mismatch",
                  "in step \"%s\" nothing came that is expected there",
                  st->name);
      ret->way = WAY_UNSAID; /* what came may have been anybody's */
    }
}

/* The next step's index, -1 when ret was set, < -1 an error. */
static int
one_step (struct talk_run *t, size_t i, struct outcome_report *ret,
          struct error *err)
{
  const struct scenario_step *st = scenario_step_at (t->steps, i);
  int rc = say (t, st, err);

  /* Typing takes time only where the other side takes no input. */
  if (rc == -ETIMEDOUT)
    {
      judge_end (ASK_XOFF, NULL, ret);
      return -1;
    }
  if (rc >= 0 && st->expect.count)
    rc = wait_for (t, st, err);
  else if (rc >= 0)
    rc = 1;
  if (rc == -ECANCELED || rc == -EPIPE || rc == -EHOSTDOWN)
    {
      judge_end (rc == -EHOSTDOWN ? ASK_BOOTING : ASK_TAKEN,
                 rc == -EHOSTDOWN && err ? error_text (err) : NULL, ret);
      return -1;
    }
  if (rc == -E2BIG)
    {
      report_set (ret, OUTCOME_NO_VERDICT, "regex-limit",
                  "an expression of step \"%s\" takes too many steps to "
                  "match",
                  st->name);
      return -1;
    }
  if (rc < 0)
    return rc < -1 ? rc : -EIO;
  if (rc == 1 && !st->fail)
    return scenario_step_after (t->steps, i, st->go_to);
  if (rc == 0 && (st->otherwise || st->fail))
    return scenario_step_after (t->steps, i, st->otherwise);
  report_failure (t, st, rc == 1 && st->expect.count, ret);
  return -1;
}

static int
walk (struct talk_run *t, struct outcome_report *ret, struct error *err)
{
  const char *last = scenario_step_at (t->steps, 0)->name;
  int pos = 0;

  for (int done = 0; done < MAX_STEPS_RUN; done++)
    {
      if ((size_t) pos >= t->steps->count)
        {
          report_set (ret, OUTCOME_OK, "ok", "ended well after step \"%s\"",
                      last);
          return 0;
        }
      /* The clock is asked first: `else` in a circle must not outlive it. */
      if (clock_ms () >= t->deadline || job_stopping (t->job))
        break;
      last = scenario_step_at (t->steps, (size_t) pos)->name;
      pos = one_step (t, (size_t) pos, ret, err);
      if (pos < 0)
        return pos == -1 ? 0 : pos;
    }
  report_set (ret, OUTCOME_FAILED,
              session_saw_bytes (t->session) ? "endless" : "silent",
              "the dialogue did not come to an end in time; it was in step "
              "\"%s\"",
              last);
  if (session_saw_bytes (t->session))
    ret->way = WAY_UNSAID;
  return 0;
}

static int
hold_dialogue (struct session *session, const struct scenario *s,
               struct job *job, struct outcome_report *ret, struct error *err)
{
  const struct own *own = s->own;
  struct talk_run t = { .steps = &own->steps,
                        .session = session,
                        .job = job,
                        .deadline = job_deadline (job),
                        .match = BUF_INIT (4096) };
  uint64_t random;
  int rc;

  /* Not to be guessed by the guest: an old answer must not pass for one. */
  if (getrandom (&random, sizeof random, 0) != (ssize_t) sizeof random)
    return error_errno (err, errno, "getrandom");
  snprintf (t.nonce, sizeof t.nonce, "%016llx", (unsigned long long) random);
  rc = walk (&t, ret, err);
  buf_done (&t.match);
  return rc;
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
