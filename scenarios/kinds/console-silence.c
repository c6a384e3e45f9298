/* SPDX-License-Identifier: Apache-2.0
 *
 * Kind console-silence: a console on which nothing was said for too long, of a
 * guest that says something by itself now and then.  Nobody is asked, and
 * nothing is typed: it hears of the bytes that the console hub reads.
 */
#include "scenarios/scenario_impl.h"

#include "base/fact.h"
#include "base/units.h"

#include <stdlib.h>
#include <string.h>

/* The hub tells of bytes that often at most. */
#define LEAST_MS (30 * 1000)
#define MOST_MS (7LL * 24 * 60 * 60 * 1000)

struct own
{
  uint64_t silence_ms;
};

static const struct json_field fields[] = {
  { .name = "silence", .kind = JSON_DURATION,
    .offset = offsetof (struct own, silence_ms), .required = true,
    .min = LEAST_MS, .max = MOST_MS,
    .help = "for how long its first console may say nothing; 30s at least" },
  { .name = NULL },
};

struct listening
{
  struct hearing hearing;
  uint64_t heard_ms; /* the last byte, 0 = none yet */
};

static void *
state_new (const struct scenario *s, uint64_t now_ms)
{
  (void) s;
  (void) now_ms;
  return calloc (1, sizeof (struct listening));
}

static void
on_fact (void *state, const struct scenario *s, const struct fact *fact,
         uint64_t now_ms)
{
  struct listening *l = state;

  (void) s;
  if (strcmp (fact->name, "console.bytes") == 0)
    l->heard_ms = fact->time_ms < now_ms ? fact->time_ms : now_ms;
  hearing_fact (&l->hearing, NULL, fact, now_ms);
}

static void
on_due (void *state, const struct scenario *s, uint64_t now_ms,
        struct outcome_report *ret)
{
  const struct listening *l = state;
  const struct own *own = s->own;
  uint64_t since = l->hearing.since_ms;
  uint64_t from = l->heard_ms > since ? l->heard_ms : since;
  uint64_t quiet = now_ms > from ? now_ms - from : 0;
  char text[32];

  if (!hearing_judge (&l->hearing, ret))
    return;
  units_format_duration (text, sizeof text, quiet);
  ret->value = (double) quiet / 1000;
  if (quiet >= own->silence_ms)
    report_set (ret, OUTCOME_FAILED, "console-silent",
                "its console has said nothing for %s", text);
  else if (from == l->heard_ms)
    report_set (ret, OUTCOME_OK, "ok", "it said something %s ago", text);
  else
    report_set (ret, OUTCOME_NO_VERDICT, "not-yet",
                "its console is read for %s, and said nothing yet", text);
}

static const char *const facts[] = { "console.bytes", "console.state", NULL };

static const struct scenario_watch watch = {
  .facts = facts,
  .state_new = state_new,
  .state_free = free,
  .fact = on_fact,
  .gap = hearing_on_gap,
  .due = on_due,
};

static const char *const uses[] = { "console", NULL };

const struct scenario_kind kind_console_silence = {
  .name = "console-silence",
  .summary = "a console that says nothing for too long, without asking",
  .transports = uses,
  .fields = fields,
  .own_size = sizeof (struct own),
  .watch = &watch,
};
