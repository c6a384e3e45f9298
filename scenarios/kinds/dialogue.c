/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind dialogue: steps of sending and expecting over the console, for what
 * is no shell (a login prompt, a menu, an appliance's own line).
 *
 * The steps are a small machine with jumps, written by somebody else: a
 * circle without an `expect` would spin, so it is refused; what remains is
 * bounded by the deadline and by a number of steps.
 */
#include "scenarios/scenario_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MAX_STEPS_RUN 1000
#define NONCE "${nonce}"
#define MAX_EXPECTS 16

static const struct scenario_step *
step_at (const struct scenario *s, size_t i)
{
  return (const struct scenario_step *) s->steps.items + i;
}

/* Index of a step; the count of steps is the well end; -1 unknown. */
static int
find_step (const struct scenario *s, const char *name)
{
  if (strcmp (name, SCENARIO_END) == 0)
    return (int) s->steps.count;
  for (size_t i = 0; i < s->steps.count; i++)
    if (strcmp (step_at (s, i)->name, name) == 0)
      return (int) i;
  return -1;
}

static int
after (const struct scenario *s, size_t i, const char *name)
{
  return name ? find_step (s, name) : (int) i + 1;
}

/* A copy with every ${nonce} replaced. */
static char *
with_nonce (const char *text, const char *nonce)
{
  struct buf out CLEANUP_BUF = BUF_INIT (16384);
  const char *at;

  while ((at = strstr (text, NONCE)))
    {
      buf_append (&out, text, (size_t) (at - text));
      buf_puts (&out, nonce);
      text = at + strlen (NONCE);
    }
  buf_puts (&out, text);
  return out.cut ? NULL : buf_steal (&out);
}

/* ---- checking ---- */

struct place
{
  const struct scenario *s;
  const struct json_doc *doc;
  const char *path;
  struct error *err;
};

static int bad (const struct place *at, size_t step, const char *key,
                const char *fmt, ...) __attribute__ ((format (printf, 4, 5)));

static int
bad (const struct place *at, size_t step, const char *key, const char *fmt,
     ...)
{
  char sub[80], path[200], msg[300], shown[300];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (msg, sizeof msg, fmt, ap);
  va_end (ap);
  snprintf (sub, sizeof sub, "steps[%zu]%s%s", step, *key ? "." : "", key);
  scenario_path (path, sizeof path, at->path, sub);
  return json_error_at (at->doc, path, at->err, "%s",
                        report_quote (shown, sizeof shown, msg,
                                      strlen (msg)));
}

static int
check_patterns (const struct place *at, size_t i)
{
  const struct scenario_step *st = step_at (at->s, i);
  char *const *patterns = st->expect.items;

  for (size_t k = 0; k < st->expect.count; k++)
    {
      CLEANUP_FREE char *pattern = with_nonce (patterns[k], "00000000");
      CLEANUP_REGEX struct regex *re = NULL;
      struct error why = ERROR_INIT;
      char key[40];

      snprintf (key, sizeof key, "expect[%zu]", k);
      if (!pattern)
        return error_set (at->err, ENOMEM, "no memory");
      if (regex_new (pattern, &re, &why) < 0)
        return bad (at, i, key, "%s", error_text (&why));
      if (regex_matches_nothing (re))
        return bad (at, i, key,
                    "matches no text at all, so it waits for nothing; ask "
                    "for at least one character");
    }
  return 0;
}

static int
check_step (const struct place *at, size_t i)
{
  const struct scenario *s = at->s;
  const struct scenario_step *st = step_at (s, i);

  if (!text_is_name (st->name))
    return bad (at, i, "name",
                "a name is made of letters, digits, \".\", \"_\" and \"-\"");
  if (strcmp (st->name, SCENARIO_END) == 0)
    return bad (at, i, "name", "\"%s\" is the name of the well end",
                SCENARIO_END);
  if (find_step (s, st->name) != (int) i)
    return bad (at, i, "name", "another step has the same name");
  if (st->go_to && find_step (s, st->go_to) < 0)
    return bad (at, i, "go-to", "there is no step \"%s\"", st->go_to);
  if (st->otherwise && find_step (s, st->otherwise) < 0)
    return bad (at, i, "else", "there is no step \"%s\"", st->otherwise);
  if (st->fail && st->go_to)
    return bad (at, i, "go-to", "a step with \"fail\" goes nowhere");
  if (!st->expect.count && (st->otherwise || st->timeout_ms))
    return bad (at, i, st->otherwise ? "else" : "timeout",
                "has no meaning without \"expect\"");
  if (!st->expect.count && !st->send && !st->fail && !st->go_to)
    return bad (at, i, "", "this step does nothing; give it \"send\" or "
                "\"expect\"");
  if (st->timeout_ms > s->timeout_ms)
    return bad (at, i, "timeout", "is longer than the scenario's");
  return check_patterns (at, i);
}

/* From each step follow the edges that need no match. */
static int
check_circles (const struct place *at)
{
  const struct scenario *s = at->s;

  for (size_t i = 0; i < s->steps.count; i++)
    {
      size_t pos = i, hops = 0;

      /* More hops than steps without waiting once: it has come round. */
      while (pos < s->steps.count && !step_at (s, pos)->expect.count
             && !step_at (s, pos)->fail)
        {
          if (hops++ > s->steps.count)
            return bad (at, i, "go-to",
                        "goes round for ever without an \"expect\"");
          pos = (size_t) after (s, pos, step_at (s, pos)->go_to);
        }
    }
  return 0;
}

/* From the first step along every edge.  A dialogue that never comes to its
 * end would call each guest hung. */
static int
check_end (const struct place *at)
{
  const struct scenario *s = at->s;
  size_t end = s->steps.count;
  CLEANUP_FREE bool *reached = calloc (end + 1, sizeof (*reached));
  bool more = true;

  if (!reached)
    return error_set (at->err, ENOMEM, "no memory");
  reached[0] = true;
  while (more)
    {
      more = false;
      for (size_t i = 0; i < end; i++)
        {
          const struct scenario_step *st = step_at (s, i);
          bool waits = st->expect.count > 0;
          /* After a match, and where none came in time. */
          int to[] = { st->fail ? -1 : after (s, i, st->go_to),
                       waits && (st->otherwise || st->fail)
                           ? after (s, i, st->otherwise)
                           : -1 };

          for (unsigned k = 0; reached[i] && k < ARRAY_LEN (to); k++)
            if (to[k] >= 0 && !reached[to[k]])
              more = reached[to[k]] = true;
        }
    }
  if (reached[end])
    return 0;
  return bad (at, 0, "",
              "no way leads from here to the end, so each run would fail; let "
              "a step go on behind the last one, or to \"%s\"",
              SCENARIO_END);
}

static int
check (const struct scenario *s, const struct json_doc *doc, const char *path,
       struct error *err)
{
  const struct place at = { s, doc, path, err };
  bool expects = false;
  int rc = scenario_check_uses (s, doc, path, USES_STEPS | USES_CONSOLE, err);

  if (rc < 0)
    return rc;
  if (s->steps.count == 0)
    return json_error_at (doc, path, err,
                          "a dialogue scenario needs \"steps\"");
  for (size_t i = 0; i < s->steps.count; i++)
    {
      rc = check_step (&at, i);
      if (rc < 0)
        return rc;
      if (step_at (s, i)->expect.count)
        expects = true;
    }
  if (!expects)
    return bad (&at, 0, "",
                "no step has an \"expect\": nothing would ever be learned");
  rc = check_circles (&at);
  return rc < 0 ? rc : check_end (&at);
}

/* ---- running ---- */

struct talk_run
{
  const struct scenario *s;
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
  struct expect patterns[MAX_EXPECTS] = { { NULL, NULL } };
  char *texts[MAX_EXPECTS] = { NULL };
  char *const *items = st->expect.items;
  uint64_t until = t->deadline, now = clock_ms ();
  unsigned n = 0;
  int rc = 0;

  if (st->timeout_ms && now + st->timeout_ms < until)
    until = now + st->timeout_ms;
  for (; n < st->expect.count && n < MAX_EXPECTS && rc == 0; n++)
    {
      texts[n] = with_nonce (items[n], t->nonce);
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
  text = with_nonce (st->send, t->nonce);
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
    report_set (ret, OUTCOME_FAILED, "mismatch",
                "in step \"%s\" nothing came that is expected there",
                st->name);
}

/* The next step's index, -1 when ret was set, < -1 an error. */
static int
one_step (struct talk_run *t, size_t i, struct outcome_report *ret,
          struct error *err)
{
  const struct scenario_step *st = step_at (t->s, i);
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
    return after (t->s, i, st->go_to);
  if (rc == 0 && (st->otherwise || st->fail))
    return after (t->s, i, st->otherwise);
  report_failure (t, st, rc == 1 && st->expect.count, ret);
  return -1;
}

static int
walk (struct talk_run *t, struct outcome_report *ret, struct error *err)
{
  const char *last = step_at (t->s, 0)->name;
  int pos = 0;

  for (int done = 0; done < MAX_STEPS_RUN; done++)
    {
      if ((size_t) pos >= t->s->steps.count)
        {
          report_set (ret, OUTCOME_OK, "ok", "ended well after step \"%s\"",
                      last);
          return 0;
        }
      /* The clock is asked first: `else` in a circle must not outlive it. */
      if (clock_ms () >= t->deadline || job_stopping (t->job))
        break;
      last = step_at (t->s, (size_t) pos)->name;
      pos = one_step (t, (size_t) pos, ret, err);
      if (pos < 0)
        return pos == -1 ? 0 : pos;
    }
  report_set (ret, OUTCOME_FAILED,
              session_saw_bytes (t->session) ? "endless" : "silent",
              "the dialogue did not come to an end in time; it was in step "
              "\"%s\"",
              last);
  return 0;
}

static int
hold_dialogue (struct session *session, const struct scenario *s,
               struct job *job, struct outcome_report *ret, struct error *err)
{
  struct talk_run t = { .s = s,
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
  return scenario_over_console (s, g, env, job, hold_dialogue, ret, err);
}

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_dialogue = {
  .name = "dialogue",
  .summary = "steps of sending and expecting over the console",
  .transports = uses,
  .check = check,
  .ask = ask,
};
