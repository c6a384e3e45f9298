/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-heartbeat: a label that the guest writes to its console by
 * itself, now and then.  Nobody is asked, and nothing is typed; what hangdog
 * types there for other checks, and its echo, is not taken for it.
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
#define MISSED 2

struct own
{
  char *label, *pattern, *counter, *console;
  uint64_t every_ms, first_ms;
  int64_t missed;
};

static const struct own init = { .missed = MISSED };

static const struct json_field fields[] = {
  { .name = "label", .kind = JSON_STRING,
    .offset = offsetof (struct own, label), .min = 1, .max = LINES_LITERAL - 1,
    .help = "what is in each line of the heartbeat, as it is; this or "
            "pattern" },
  { .name = "pattern", .kind = JSON_STRING,
    .offset = offsetof (struct own, pattern), .min = 1,
    .max = SCENARIO_REGEX_MAX, .help = "PCRE2 that the line matches" },
  { .name = "counter", .kind = JSON_STRING,
    .offset = offsetof (struct own, counter), .min = 1, .max = 32,
    .help = "a named group of `pattern` that is a number which grows" },
  { .name = "console", .kind = JSON_STRING,
    .offset = offsetof (struct own, console), .min = 1,
    .max = LINES_CONSOLE - 1,
    .help = "which console; default any of the guest's" },
  { .name = "every", .kind = JSON_DURATION, .required = true,
    .offset = offsetof (struct own, every_ms), .min = LEAST_MS, .max = MOST_MS,
    .help = "how often the guest writes it" },
  { .name = "missed", .kind = JSON_INT, .offset = offsetof (struct own, missed),
    .min = 0, .max = 1000, .help = "how many may be missing; default 2" },
  { .name = "first", .kind = JSON_DURATION,
    .offset = offsetof (struct own, first_ms), .min = 0, .max = MOST_MS,
    .help = "when the first one must have come, after the boot or after "
            "hangdog began to read; default: it is waited for" },
  { .name = NULL },
};

static size_t
listens (const struct scenario *s, struct line_pattern *ret)
{
  const struct own *own = s->own;

  lines_name (ret->name, "heard.*", s->name);
  ret->console = own->console;
  ret->regex = own->pattern;
  ret->literal = own->label;
  ret->value = own->counter;
  return 1;
}

static int
check (const struct scenario *s, const struct scenario_at *at)
{
  const struct own *own = s->own;
  struct error why = ERROR_INIT;
  struct lines *lines = NULL;

  if (!own->label == !own->pattern)
    return scenario_bad (at, own->label ? "pattern" : "",
                         "a heartbeat is known by one of label (as it is) "
                         "and pattern (PCRE2)");
  if (own->counter && !own->pattern)
    return scenario_bad (at, "counter",
                         "there is no pattern to capture it; add one with a "
                         "group (?<%s>...)", own->counter);
  if (scenario_lines (s, &lines, &why) < 0)
    return scenario_bad (at, own->counter ? "counter"
                             : own->pattern ? "pattern" : "label",
                         "%s", error_text (&why));
  lines_unref (lines);
  return 0;
}

/* ---- listening ---- */

struct beat
{
  struct hearing hearing;
  char heard[FACT_NAME_MAX], counted[FACT_NAME_MAX], unheard[FACT_NAME_MAX];
  uint64_t begun_ms;
  uint64_t last_ms;  /* the last beat, 0 = none yet */
  uint64_t still_ms; /* the counter was told again and had not grown */
  uint64_t deaf_ms;  /* the expression was given up on a line */
  bool counts, fell;
  int64_t count, before; /* before: what it fell back from */
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  struct beat *b = calloc (1, sizeof *b);

  if (!b)
    return NULL;
  lines_name (b->heard, "heard.*", s->name);
  lines_name (b->counted, "counted.*", s->name);
  lines_name (b->unheard, "unheard.*", s->name);
  b->begun_ms = now_ms;
  return b;
}

static void
take_beat (struct beat *b, const struct fact *fact, uint64_t at)
{
  if (fact->type == FACT_INT && b->counts && fact->i == b->count)
    {
      b->still_ms = at;
      return;
    }
  b->still_ms = 0;
  b->fell = fact->type == FACT_INT && b->counts && fact->i < b->count;
  b->before = b->count;
  b->counts = fact->type == FACT_INT;
  b->count = b->counts ? fact->i : 0;
  b->last_ms = at;
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  const struct own *own = s->own;
  struct beat *b = state;
  uint64_t at = fact->time_ms < now_ms ? fact->time_ms : now_ms;

  hearing_fact (&b->hearing, own->console, fact, now_ms);
  /* One that was known before is another document's. */
  if (at < b->begun_ms)
    return;
  if (strcmp (fact->name, b->heard) == 0
      || strcmp (fact->name, b->counted) == 0)
    take_beat (b, fact, at);
  else if (strcmp (fact->name, b->unheard) == 0)
    b->deaf_ms = at;
}

/* ---- judging ---- */

static void
judge_missing (const struct beat *b, uint64_t now_ms, uint64_t limit,
               struct outcome_report *ret)
{
  char age[32];

  hearing_age (age, sizeof age,
                         now_ms - (b->last_ms ? b->last_ms
                                              : b->hearing.since_ms));
  if (b->deaf_ms && now_ms - b->deaf_ms < limit)
    report_set (ret, OUTCOME_NO_VERDICT, "regex-limit",
                "lines came on which the heartbeat's pattern takes too many "
                "steps to match");
  else if (!b->last_ms)
    report_set (ret, OUTCOME_FAILED, "beat-missing",
                "its heartbeat never came in %s", age);
  else if (b->still_ms)
    report_set (ret, OUTCOME_FAILED, "beat-missing",
                "its heartbeat's counter has stood still at %" PRId64
                " for %s", b->count, age);
  else
    report_set (ret, OUTCOME_FAILED, "beat-missing",
                "its last heartbeat came %s ago", age);
}

static void
judge_well (const struct beat *b, uint64_t now_ms, struct outcome_report *ret)
{
  char age[32];

  hearing_age (age, sizeof age, now_ms - b->last_ms);
  if (b->fell)
    report_set (ret, OUTCOME_OK, "ok",
                "its heartbeat came %s ago; its counter fell from %" PRId64
                " to %" PRId64 ": what writes it was restarted",
                age, b->before, b->count);
  else if (b->counts)
    report_set (ret, OUTCOME_OK, "ok",
                "its heartbeat came %s ago, number %" PRId64, age, b->count);
  else
    report_set (ret, OUTCOME_OK, "ok", "its heartbeat came %s ago", age);
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct own *own = s->own;
  const struct beat *b = state;
  uint64_t limit = own->every_ms * (uint64_t) (own->missed + 1);
  uint64_t since = b->hearing.since_ms;
  uint64_t from = b->last_ms > since ? b->last_ms : since;
  uint64_t quiet = now_ms > from ? now_ms - from : 0;

  if (!hearing_judge (&b->hearing, ret))
    return;
  if (b->last_ms)
    ret->value = (double) (now_ms - b->last_ms) / 1000;
  if (b->last_ms && now_ms - b->last_ms < limit)
    judge_well (b, now_ms, ret);
  else if (b->last_ms ? quiet >= limit
                      : own->first_ms && quiet >= own->first_ms)
    judge_missing (b, now_ms, limit, ret);
  else
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet", "%s",
                b->last_ms ? "its console was not read all the time, and not "
                             "for long enough since"
                           : "its heartbeat was not heard yet");
}

static const char *const facts[] = { "console.state", "counted.", "fact.gap",
                                     "heard.", "unheard.", NULL };

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

const struct scenario_kind kind_console_heartbeat = {
  .name = "console-heartbeat",
  .summary = "a label that the guest writes by itself, without asking",
  .application = true,
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .own_init = &init,
  .check = check,
  .watch = &watch,
};
