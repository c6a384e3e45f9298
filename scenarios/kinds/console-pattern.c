/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-pattern: what a guest's console must say, or must not.  Nobody
 * is asked, and nothing is typed.
 */
#include "scenarios/lines.h"
#include "scenarios/scenario_impl.h"

#include "base/error.h"
#include "base/fact.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MS 1000
#define MOST_MS (7LL * 24 * 60 * 60 * 1000)

struct own
{
  char *must, *must_not, *console;
  uint64_t within_ms, clear_ms; /* 0 = one interval */
};

static const struct json_field fields[] = {
  { .name = "must-match", .kind = JSON_STRING,
    .offset = offsetof (struct own, must), .min = 1, .max = SCENARIO_REGEX_MAX,
    .help = "PCRE2 of a line that must come; this, must-not-match or both" },
  { .name = "within", .kind = JSON_DURATION,
    .offset = offsetof (struct own, within_ms), .min = LEAST_MS,
    .max = MOST_MS,
    .help = "must-match: how long it may take; default one interval" },
  { .name = "must-not-match", .kind = JSON_STRING,
    .offset = offsetof (struct own, must_not), .min = 1,
    .max = SCENARIO_REGEX_MAX, .help = "PCRE2 of a line that must not come" },
  { .name = "clear", .kind = JSON_DURATION,
    .offset = offsetof (struct own, clear_ms), .min = LEAST_MS,
    .max = MOST_MS,
    .help = "must-not-match: after how long without it all is well again; "
            "default one interval" },
  { .name = "console", .kind = JSON_STRING,
    .offset = offsetof (struct own, console), .min = 1,
    .max = LINES_CONSOLE - 1,
    .help = "which console; default any of the guest's" },
  { .name = NULL },
};

static uint64_t
within (const struct scenario *s)
{
  const struct own *own = s->own;

  return own->within_ms ? own->within_ms : s->interval_ms;
}

static uint64_t
clear (const struct scenario *s)
{
  const struct own *own = s->own;

  return own->clear_ms ? own->clear_ms : s->interval_ms;
}

static size_t
listens (const struct scenario *s, struct line_pattern *ret)
{
  const struct own *own = s->own;
  size_t n = 0;

  if (own->must)
    {
      lines_name (ret[n].name, "heard.*", s->name);
      ret[n].console = own->console;
      ret[n++].regex = own->must;
    }
  if (own->must_not)
    {
      lines_name (ret[n].name, "unwanted.*", s->name);
      ret[n].console = own->console;
      ret[n++].regex = own->must_not;
    }
  return n;
}

static int
check_one (const struct scenario_at *at, const char *key, const char *regex)
{
  struct line_pattern p = { .name = "x", .regex = regex };
  struct error why = ERROR_INIT;
  struct lines *lines = NULL;

  if (!regex)
    return 0;
  if (lines_new (&p, 1, &lines, &why) < 0)
    return scenario_bad (at, key, "%s", error_text (&why));
  lines_unref (lines);
  return 0;
}

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  int rc;

  if (!own->must && !own->must_not)
    return scenario_bad (at, "", "says nothing of what its console must say; "
                         "add must-match or must-not-match");
  if (own->within_ms && !own->must)
    return scenario_bad (at, "within", "belongs to must-match, which is not "
                         "there");
  if (own->clear_ms && !own->must_not)
    return scenario_bad (at, "clear", "belongs to must-not-match, which is "
                         "not there");
  rc = check_one (at, "must-match", own->must);
  return rc < 0 ? rc : check_one (at, "must-not-match", own->must_not);
}

/* ---- listening ---- */

struct ear
{
  struct hearing hearing;
  char heard[FACT_NAME_MAX], unwanted[FACT_NAME_MAX], unheard[FACT_NAME_MAX];
  uint64_t begun_ms, heard_ms, deaf_ms;
  uint64_t bad_ms, bad_first_ms, bad_count; /* since it was well last */
  char line[FACT_TEXT_MAX];                 /* the first of those */
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  struct ear *e = calloc (1, sizeof *e);

  if (!e)
    return NULL;
  lines_name (e->heard, "heard.*", s->name);
  lines_name (e->unwanted, "unwanted.*", s->name);
  lines_name (e->unheard, "unheard.*", s->name);
  e->begun_ms = now_ms;
  return e;
}

static void
take_bad (struct ear *e, const struct fact *fact, uint64_t at, uint64_t clear)
{
  if (!e->bad_ms || at - e->bad_ms >= clear)
    {
      e->bad_count = 0;
      e->bad_first_ms = at;
      memcpy (e->line, fact->text, sizeof e->line);
      e->line[sizeof e->line - 1] = '\0';
    }
  e->bad_ms = at;
  e->bad_count += 1 + fact->more;
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  const struct own *own = s->own;
  struct ear *e = state;
  uint64_t at = fact->time_ms < now_ms ? fact->time_ms : now_ms;

  hearing_fact (&e->hearing, own->console, fact, now_ms);
  /* One that was known before is another document's. */
  if (at < e->begun_ms)
    return;
  if (strcmp (fact->name, e->heard) == 0)
    e->heard_ms = at;
  else if (strcmp (fact->name, e->unheard) == 0)
    e->deaf_ms = at;
  else if (strcmp (fact->name, e->unwanted) == 0 && fact->type == FACT_TEXT)
    take_bad (e, fact, at > e->bad_ms ? at : e->bad_ms, clear (s));
}

/* ---- judging ---- */

/* What was said was said, whether somebody reads now or not. */
static bool
judge_bad (const struct ear *e, const struct scenario *s, uint64_t now_ms,
           struct outcome_report *ret)
{
  char quoted[100], age[32];

  if (!e->bad_ms || now_ms - e->bad_ms >= clear (s))
    return false;
  ret->value = (double) e->bad_count;
  report_quote (quoted, sizeof quoted, e->line, strlen (e->line));
  hearing_age (age, sizeof age, now_ms - e->bad_first_ms);
  if (e->bad_count > 1)
    report_set (ret, OUTCOME_FAILED, "pattern-seen",
                "its console said %" PRIu64 " times in %s what it must not: %s",
                e->bad_count, age, quoted);
  else
    report_set (ret, OUTCOME_FAILED, "pattern-seen",
                "its console said %s ago what it must not: %s", age, quoted);
  return true;
}

/* False when all is well by it. */
static bool
judge_must (const struct ear *e, const struct scenario *s, uint64_t now_ms,
            struct outcome_report *ret)
{
  uint64_t since = e->hearing.since_ms;
  uint64_t from = e->heard_ms > since ? e->heard_ms : since;
  char age[32];

  if (e->heard_ms && now_ms - e->heard_ms < within (s))
    return false;
  hearing_age (age, sizeof age, now_ms > from ? now_ms - from : 0);
  if (now_ms > from && now_ms - from >= within (s))
    report_set (ret, OUTCOME_FAILED, "pattern-missing",
                "for %s its console has not said what it must", age);
  else
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "its console is read for %s, and has not said what it must "
                "yet", age);
  return true;
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct own *own = s->own;
  const struct ear *e = state;
  uint64_t deaf = within (s) > clear (s) ? within (s) : clear (s);
  char age[32];

  ret->value = 0;
  if (judge_bad (e, s, now_ms, ret) || !hearing_judge (&e->hearing, ret))
    return;
  if (e->deaf_ms && now_ms - e->deaf_ms < deaf)
    {
      report_set (ret, OUTCOME_NO_VERDICT, "regex-limit",
                  "lines came on which its expression takes too many steps "
                  "to match");
      return;
    }
  if (own->must && judge_must (e, s, now_ms, ret))
    return;
  if (own->must)
    report_set (ret, OUTCOME_OK, "ok", "its console said what it must %s ago",
                hearing_age (age, sizeof age,
                                       now_ms - e->heard_ms));
  else
    report_set (ret, OUTCOME_OK, "ok",
                "its console has not said what it must not");
}

static const char *const facts[] = { "console.state", "fact.gap", "heard.",
                                     "unheard.", "unwanted.", NULL };

static const struct scenario_watch watch = {
  .facts = facts,
  .listens = listens,
  .state_new = state_new,
  .state_free = free,
  .fact = on_fact,
  .gap = hearing_on_gap,
  .due = on_due,
};

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_pattern = {
  .name = "console-pattern",
  .summary = "what a console must say or must not, without asking",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .check = check,
  .watch = &watch,
};
