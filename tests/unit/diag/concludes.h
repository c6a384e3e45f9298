/* SPDX-License-Identifier: Apache-2.0
 *
 * What the shipped rules conclude from a few facts: the class and the culprit.
 * For test-rules-memory and test-rules-host.
 */
#ifndef HANGDOG_TEST_CONCLUDES_H
#define HANGDOG_TEST_CONCLUDES_H

#include "rules-bed.h"

#include "base/cleanup.h"
#include "base/fact.h"
#include "diag/ladder/ladder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "name=value;name=value", all by the memory or, with "@who", by that one. */
static inline size_t
facts_from (const char *text, struct fact *facts, size_t most)
{
  char *copy = strdup (text), *save = NULL;
  size_t n = 0;

  for (char *p = strtok_r (copy, ";", &save); p;
       p = strtok_r (NULL, ";", &save), n++)
    {
      char *eq = strchr (p, '='), *at, *end;
      const char *who = "memory";
      double v;

      assert_in_range (n, 0, most - 1);
      *eq++ = '\0';
      at = strchr (p, '@');
      if (at)
        {
          *at = '\0';
          who = at + 1;
        }
      v = strtod (eq, &end);
      if (*end || end == eq)
        fact_text (&facts[n], NULL, p, who, eq, strlen (eq));
      else if (strchr (eq, '.'))
        fact_real (&facts[n], NULL, p, who, v);
      else
        fact_int (&facts[n], NULL, p, who, (int64_t) v);
      facts[n].time_ms = 1000 + n;
    }
  free (copy);
  return n;
}

/* Of the last one: its confidence, and all of it. */
static char last[8];
static struct verdict last_verdict;
static struct ladder last_ladder;

static inline void
concludes (const char *text, const char *code, const char *class,
           const char *culprit)
{
  const struct cause cause = { "web", code, "it said" };
  struct fact facts[32];
  size_t n = facts_from (text, facts, ARRAY_LEN (facts));
  struct fact_set *set;
  struct ladder l;
  struct verdict v;

  assert_int_equal (fact_set_new (n, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_climb (rules, set, &l);
  ladder_verdict (rules, &l, set, &cause, &v);
  fact_set_free (set);
  snprintf (last, sizeof last, "%s", v.confidence);
  last_verdict = v;
  last_ladder = l;
  if ((class && strcmp (v.class_, class) != 0)
      || (culprit && strcmp (v.culprit, culprit) != 0))
    fail_msg ("%s (%s) is %s by \"%s\", not %s by \"%s\"", text, code, v.class_,
              v.culprit, class ? class : "", culprit ? culprit : "");
}

#endif
