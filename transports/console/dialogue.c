/* SPDX-License-Identifier: Apache-2.0
 *
 * Having a dialogue: its steps one after another, bounded by the deadline and
 * by their number.
 */
#include "transports/console/dialogue.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/console/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAX_STEPS_RUN 1000
#define MAX_MATCH 4096

const char *const dialogue_end_names[] = {
  [DIALOGUE_OK] = "ok",
  [DIALOGUE_FAIL_STEP] = "fail-step",
  [DIALOGUE_MISMATCH] = "mismatch",
  [DIALOGUE_SILENT] = "silent",
  [DIALOGUE_ENDLESS] = "endless",
  [DIALOGUE_XOFF] = "xoff",
  [DIALOGUE_BOOTING] = "booting",
  [DIALOGUE_TAKEN] = "taken",
  [DIALOGUE_REGEX_LIMIT] = "regex-limit",
  [DIALOGUE_END_MAX] = NULL,
};

struct talk_run
{
  const struct json_list *steps;
  struct session *session;
  struct job *job;
  uint64_t deadline;
  char nonce[17];
  struct dialogue_result result;
};

/* One step: where to go on, or that it is over with an end. */
#define OVER (-1)

static int
over (struct talk_run *t, enum dialogue_end end)
{
  t->result.end = end;
  return OVER;
}

/* 1 matched, 0 not in time, < 0 the console or we failed. */
static int
wait_for (struct talk_run *t, const struct dialogue_step *st,
          struct error *err)
{
  struct expect patterns[DIALOGUE_MAX_EXPECTS] = { { NULL, NULL } };
  char *texts[DIALOGUE_MAX_EXPECTS] = { NULL };
  char *const *items = st->expect.items;
  uint64_t until = t->deadline, now = clock_ms ();
  unsigned n = 0;
  int rc = 0;

  if (st->timeout_ms && now + st->timeout_ms < until)
    until = now + st->timeout_ms;
  for (; n < st->expect.count && n < DIALOGUE_MAX_EXPECTS && rc == 0; n++)
    {
      texts[n] = dialogue_text (items[n], t->nonce);
      patterns[n].regex = texts[n];
      if (!texts[n])
        rc = error_set (err, ENOMEM, "no memory");
    }
  buf_clear (&t->result.match);
  if (rc == 0)
    rc = session_expect (t->session, patterns, n, until, NULL,
                         &t->result.match, err);
  for (unsigned i = 0; i < n; i++)
    free (texts[i]);
  if (rc >= 0)
    return 1;
  return rc == -ETIMEDOUT ? 0 : rc;
}

static int
say (struct talk_run *t, const struct dialogue_step *st, struct error *err)
{
  CLEANUP_FREE char *text = NULL;

  if (!st->send)
    return 0;
  text = dialogue_text (st->send, t->nonce);
  if (!text)
    return error_set (err, ENOMEM, "no memory");
  return session_send (t->session, text, strlen (text), t->deadline, err);
}

/* The next step's index, OVER when its end was set, < -1 an error. */
static int
one_step (struct talk_run *t, size_t i, struct error *err)
{
  const struct dialogue_step *st = dialogue_step_at (t->steps, i);
  struct error why = ERROR_INIT;
  int rc = say (t, st, &why);

  /* Typing takes time only where the other side takes no input. */
  if (rc == -ETIMEDOUT)
    return over (t, DIALOGUE_XOFF);
  if (rc >= 0 && st->expect.count)
    rc = wait_for (t, st, &why);
  else if (rc >= 0)
    rc = 1;
  if (rc == -EHOSTDOWN)
    {
      snprintf (t->result.detail, sizeof t->result.detail, "%.159s",
                why.msg);
      return over (t, DIALOGUE_BOOTING);
    }
  if (rc == -ECANCELED || rc == -EPIPE)
    return over (t, DIALOGUE_TAKEN);
  if (rc == -E2BIG)
    return over (t, DIALOGUE_REGEX_LIMIT);
  if (rc < 0)
    return error_set (err, rc < OVER ? -rc : EIO, "%s", error_text (&why));
  if (rc == 1 && !st->fail)
    return dialogue_step_after (t->steps, i, st->go_to);
  if (rc == 0 && (st->otherwise || st->fail))
    return dialogue_step_after (t->steps, i, st->otherwise);
  if (st->fail)
    return over (t, DIALOGUE_FAIL_STEP);
  return over (t, session_saw_bytes (t->session) ? DIALOGUE_MISMATCH
                                                 : DIALOGUE_SILENT);
}

static int
walk (struct talk_run *t, struct error *err)
{
  int pos = 0;

  for (int done = 0; done < MAX_STEPS_RUN; done++)
    {
      if ((size_t) pos >= t->steps->count)
        return over (t, DIALOGUE_OK);
      /* The clock is asked first: `else` in a circle must not outlive it. */
      if (clock_ms () >= t->deadline || job_stopping (t->job))
        break;
      t->result.last = dialogue_step_at (t->steps, (size_t) pos);
      pos = one_step (t, (size_t) pos, err);
      if (pos < 0)
        return pos;
    }
  return over (t, session_saw_bytes (t->session) ? DIALOGUE_ENDLESS
                                                 : DIALOGUE_SILENT);
}

int
dialogue_run (const struct json_list *steps, struct session *session,
              struct job *job, uint64_t deadline, struct dialogue_result *ret,
              struct error *err)
{
  struct talk_run t = { .steps = steps,
                        .session = session,
                        .job = job,
                        .deadline = deadline,
                        .result = { .last = dialogue_step_at (steps, 0),
                                    .match = BUF_INIT (MAX_MATCH) } };
  uint64_t random;
  int rc;

  /* Not to be guessed by the guest: an old answer must not pass for one. */
  if (getrandom (&random, sizeof random, 0) != (ssize_t) sizeof random)
    return error_errno (err, errno, "getrandom");
  snprintf (t.nonce, sizeof t.nonce, "%016llx", (unsigned long long) random);
  rc = walk (&t, err);
  if (rc < OVER)
    {
      dialogue_result_done (&t.result);
      return rc;
    }
  /* What came before a step that saw nothing is not what it ended by. */
  if (t.result.end != DIALOGUE_OK && t.result.end != DIALOGUE_FAIL_STEP)
    buf_clear (&t.result.match);
  *ret = t.result;
  return 0;
}
