/* SPDX-License-Identifier: Apache-2.0
 *
 * What kinds that hear a console share: whether it is read, and what they
 * listen for, compiled.
 */
#include "scenarios/lines.h"
#include "scenarios/scenario_impl.h"

#include "base/error.h"
#include "base/fact.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>

/* A guest's first console is told of without its name, others with it. */
static bool
tells (struct hearing *h, const char *console, const struct fact *fact)
{
  static const char name[] = "console.state";
  size_t n = sizeof name - 1;

  if (fact->type != FACT_TEXT || strncmp (fact->name, name, n) != 0)
    return false;
  if (!fact->name[n])
    return !h->named;
  if (!console || fact->name[n] != '.'
      || strcmp (fact->name + n + 1, console) != 0)
    return false;
  if (!h->named)
    *h = (struct hearing){ .named = true };
  return true;
}

/* It says nothing, or something: somebody reads. */
static bool
is_read (const char *state)
{
  return strcmp (state, "silent") == 0 || strcmp (state, "talking") == 0;
}

void
hearing_fact (struct hearing *h, const char *console, const struct fact *fact,
              uint64_t now_ms)
{
  uint64_t at = fact->time_ms < now_ms ? fact->time_ms : now_ms;

  /* Facts that were lost may be those that it waits for. */
  if (strcmp (fact->name, "fact.gap") == 0 && h->since_ms)
    h->since_ms = at;
  if (!tells (h, console, fact))
    return;
  if (!is_read (fact->text))
    h->since_ms = 0;
  else if (!h->since_ms)
    h->since_ms = at;
  snprintf (h->state, sizeof h->state, "%.15s", fact->text);
}

void
hearing_gap (struct hearing *h, uint64_t to_ms)
{
  if (h->since_ms && h->since_ms < to_ms)
    h->since_ms = to_ms;
}

void
hearing_on_gap (void *state, const struct scenario *s, uint64_t from_ms,
                uint64_t to_ms)
{
  (void) s;
  (void) from_ms;
  hearing_gap (state, to_ms);
}

char *
hearing_age (char *dst, size_t n, uint64_t ms)
{
  return units_format_duration (dst, n, ms < 10000 ? ms : ms / 1000 * 1000);
}

bool
hearing_judge (const struct hearing *h, struct outcome_report *ret)
{
  const char *state = h->state[0] ? h->state : "not known";
  char seen[64];

  if (h->since_ms)
    return true;
  report_set (ret, OUTCOME_NO_VERDICT, "console-unread",
              "its console is not read now: it is %s",
              report_quote (seen, sizeof seen, state, strlen (state)));
  return false;
}

int
scenario_lines (const struct scenario *s, struct lines **ret,
                struct error *err)
{
  const struct scenario_watch *watch = s->kind->watch;
  struct line_pattern list[LINES_MAX] = { { .name = "" } };
  size_t n = watch && watch->listens ? watch->listens (s, list) : 0;

  if (n > 0)
    return lines_new (list, n, ret, err);
  *ret = NULL;
  return 0;
}
