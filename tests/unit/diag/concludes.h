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
#include "base/json.h"
#include "diag/ladder/ladder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "name=value;name=value", all by the memory or, with "@who", by that one; with
 * "~N" after it, of that second by the kernel's clock. */
static inline size_t
facts_from (const char *text, struct fact *facts, size_t most)
{
  char *copy = strdup (text), *save = NULL, *tilde;
  size_t n = 0;

  for (char *p = strtok_r (copy, ";", &save); p;
       p = strtok_r (NULL, ";", &save), n++)
    {
      char *eq = strchr (p, '='), *at, *end;
      const char *who = "memory";
      double v;

      assert_in_range (n, 0, most - 1);
      *eq++ = '\0';
      tilde = strchr (p, '~');
      if (tilde)
        *tilde++ = '\0';
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
      if (tilde)
        facts[n].kernel_us = strtoull (tilde, NULL, 10) * 1000000;
      facts[n].sample = 1;
    }
  free (copy);
  return n;
}

/* What the rules make of these facts. */
static inline void
judged (const char *text, const struct cause *cause, struct ladder *ret_ladder,
        struct verdict *ret)
{
  struct fact facts[32];
  size_t n = facts_from (text, facts, ARRAY_LEN (facts));
  struct fact_set *set;

  assert_int_equal (fact_set_new (n, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_climb (rules, set, ret_ladder);
  ladder_verdict (rules, ret_ladder, set, cause, ret);
  fact_set_free (set);
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
  struct ladder l;
  struct verdict v;

  judged (text, &cause, &l, &v);
  snprintf (last, sizeof last, "%s", v.confidence);
  last_verdict = v;
  last_ladder = l;
  if ((class && strcmp (v.class_, class) != 0)
      || (culprit && strcmp (v.culprit, culprit) != 0))
    fail_msg ("%s (%s) is %s by \"%s\", not %s by \"%s\"", text, code, v.class_,
              v.culprit, class ? class : "", culprit ? culprit : "");
}

/* By which rule, and of what to do next: a part, or what is not in it. */
static inline void
leads_to (const char *text, const char *code, const char *rule,
          const char *next, const char *not_next)
{
  concludes (text, code, NULL, NULL);
  if (strcmp (last_verdict.rule, rule) != 0)
    fail_msg ("%s (%s) is of rule %s, not %s", text, code, last_verdict.rule,
              rule);
  if (!strstr (last_verdict.next, next)
      || (not_next && strstr (last_verdict.next, not_next)))
    fail_msg ("%s: next is \"%s\"", rule, last_verdict.next);
}

/* That finding, with what it rests on, and how many there are. */
static char last_says[300];

static inline bool
is_found (const char *text, const char *want, size_t *ret_n)
{
  struct fact facts[32];
  size_t n = facts_from (text, facts, ARRAY_LEN (facts));
  const struct cause cause = { "web", "ordered", "it said" };
  struct judgement j;
  struct fact_set *set;
  bool found = false;

  assert_int_equal (fact_set_new (n, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_judge (rules, set, &cause, NULL, &j);
  *ret_n = json_object_array_length (j.findings);
  for (size_t i = 0; i < *ret_n; i++)
    {
      struct json_object *f = json_object_array_get_idx (j.findings, i);

      assert_true (json_object_array_length (json_get (f, "evidence")) > 0);
      if (strcmp (json_get_str (f, "rule"), want) != 0)
        continue;
      found = true;
      snprintf (last_says, sizeof last_says, "%s", json_get_str (f, "says"));
    }
  judgement_done (&j);
  fact_set_free (set);
  return found;
}

#endif
