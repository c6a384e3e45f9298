/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be so of every verdict, whatever the facts: it rests on facts that
 * there were, or on the outcome that brought us here; who is certain has two
 * vantage points; text alone convinces nobody; the order in which facts came
 * decides nothing.
 *
 * Tables of facts are made at random, half of them around one of the shipped
 * rules: what each of its conditions asks for, and some noise.  The seed is
 * printed; with it in HANGDOG_SEED a run is the same again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/facts.h"
#include "diag/ladder/rules_impl.h"
#include "kernel/text/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES 6000
#define FACTS 48
#define CODES 128

static struct verdict_rules *rules;
static struct fact_set *set;
static const char *codes[CODES];
static size_t ncodes, nsources;

/* ---- chance ---- */

static uint64_t seed, chance;

static uint32_t
upto (uint32_t n)
{
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return n ? (uint32_t) (chance >> 16) % n : 0;
}

/* One of the words with "|" between them. */
static void
one_of (const char *words, char *dst, size_t n)
{
  uint32_t k = 1;

  for (const char *p = words; *p; p++)
    k += *p == '|';
  for (k = upto (k); k > 0; k--)
    words = strchr (words, '|') + 1;
  snprintf (dst, n, "%.*s", (int) strcspn (words, "|"), words);
}

/* ---- tables of facts ---- */

struct table
{
  struct fact facts[FACTS];
  size_t n;
  const char *code;
  bool text_only;
};

/* A name that a pattern, or a kind with a "*" in it, matches. */
static void
name_like (const char *pattern, char *dst, size_t n)
{
  static const char *const stars[] = { "0", "1", "vda", "web" };
  const char *bound = strstr (pattern, COND_BOUND);
  const char *star = strchr (pattern, '*');
  const char *event = strstr (pattern, "kernel.event.*");
  size_t kinds = 0;

  while (text_kinds[kinds].name)
    kinds++;
  /* Of all conditions of a rule the same. */
  if (bound)
    snprintf (dst, n, "%.*svda%s", (int) (bound - pattern), pattern,
              bound + strlen (COND_BOUND));
  else if (!star)
    snprintf (dst, n, "%s", pattern);
  else
    snprintf (dst, n, "%.*s%s%s", (int) (star - pattern), pattern,
              event == pattern ? text_kinds[upto ((uint32_t) kinds)].name
                               : stars[upto (4)],
              star + 1);
}

static const char *
source_for (const struct table *t)
{
  if (t->text_only)
    return upto (2) ? "console" : "memlogd";
  return fact_sources[upto ((uint32_t) nsources)].name;
}

/* What who reads the guest's text can say. */
static bool
is_of_text (const char *name)
{
  static const char *const names[]
      = { "kernel.event.", "kernel.trouble.", "kernel.class", "kernel.title",
          "kernel.boots", "guest.stage", "guest.stop" };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strncmp (name, names[i], strlen (names[i])) == 0)
      return true;
  return false;
}

/* Of any value that it may have. */
static struct fact *
put (struct table *t, const char *name)
{
  const struct fact_kind *k = fact_kind_find (name);
  struct fact *f = &t->facts[t->n];

  if (!k || t->n == FACTS || (t->text_only && !is_of_text (name)))
    return NULL;
  *f = (struct fact){ .type = k->type, .sample = upto (3) };
  /* One of its own each, so that there is one order. */
  f->time_ms = 1000 + 40 * upto (2000) + t->n++;
  snprintf (f->name, sizeof f->name, "%s", name);
  snprintf (f->source, sizeof f->source, "%s", source_for (t));
  if (k->type == FACT_TEXT && k->unit[0])
    one_of (k->unit, f->text, sizeof f->text);
  else if (k->type == FACT_TEXT)
    snprintf (f->text, sizeof f->text, "%s", upto (2) ? "vda (12)" : "x");
  else if (k->type == FACT_INT)
    f->i = (int64_t) (upto (2) ? upto (5) : upto (200000));
  else if (k->type == FACT_REAL)
    f->d = upto (2) ? upto (100) / 100.0 : upto (10000);
  else
    f->b = upto (2);
  return f;
}

/* One that c is true of, mostly. */
static void
put_for (struct table *t, const struct cond *c)
{
  char name[FACT_NAME_MAX], like[FACT_NAME_MAX];
  struct fact *f;

  if (c->op == OP_FACET)
    {
      for (size_t i = 0, k = upto ((uint32_t) rules->nfacets);
           i < rules->nfacets; i++, k = (k + 1) % rules->nfacets)
        if (rules->facets[k].facet == c->facet
            && c->states & 1u << rules->facets[k].state)
          {
            const struct cond_list *l = rules->facets[k].when;

            for (unsigned n = 0; n < l->n; n++)
              if (l->conds[n].op != OP_FACET)
                put_for (t, &l->conds[n]);
            return;
          }
      return;
    }
  if (c->pair)
    {
      put_for (t, &c->pair[0]);
      if (c->op == OP_THEN)
        put_for (t, &c->pair[1]);
      return;
    }
  if (c->op == OP_ABSENT)
    return;
  one_of (c->fact, like, sizeof like);
  name_like (like, name, sizeof name);
  f = put (t, name);
  if (!f)
    return;
  if (c->source && !t->text_only)
    snprintf (f->source, sizeof f->source, "%s", c->source);
  if (f->type == FACT_TEXT && c->op == OP_ONE_OF)
    one_of (c->text, f->text, sizeof f->text);
  else if (f->type == FACT_TEXT && c->text && c->op != OP_ISNT)
    snprintf (f->text, sizeof f->text, "%s", c->text);
  else if (f->type == FACT_BOOL)
    f->b = c->op == OP_TRUE;
  else if (f->type == FACT_INT)
    f->i = c->op == OP_FALSE ? 0
                             : (int64_t) c->num + (c->op == OP_ABOVE)
                                   - (c->op == OP_BELOW);
  else if (f->type == FACT_REAL)
    f->d = c->num + (c->op == OP_ABOVE) - (c->op == OP_BELOW);
}

static void
make_table (struct table *t)
{
  size_t nkinds = 0;
  char name[FACT_NAME_MAX];

  memset (t, 0, sizeof *t);
  t->code = ncodes && upto (4) ? codes[upto ((uint32_t) ncodes)] : "";
  t->text_only = upto (4) == 0;
  while (fact_kinds[nkinds].name)
    nkinds++;
  if (upto (2))
    {
      const struct verdict_rule *r
          = &rules->verdicts[upto ((uint32_t) rules->nverdicts)];

      for (unsigned i = 0; i < r->when->n; i++)
        put_for (t, &r->when->conds[i]);
      /* Codes that are kept are whole: cause.code points there. */
      for (size_t i = 0; r->codes[0] && i < ncodes; i++)
        if (fact_is_word (r->codes, codes[i]))
          t->code = codes[i];
    }
  for (size_t k = upto (upto (2) ? 4 : 24); k > 0; k--)
    {
      name_like (fact_kinds[upto ((uint32_t) nkinds)].name, name,
                 sizeof name);
      put (t, name);
    }
}

/* ---- what must be so ---- */

static const struct table *judged;
static const struct verdict *of;

static void
complain (const char *what)
{
  print_message ("%s: class %s, confidence %s, rule %s, code \"%s\"\n", what,
                 of->class_, of->confidence, of->rule, judged->code);
  for (unsigned i = 0; i < of->nfacts; i++)
    print_message ("  evidence %s = %s by %s\n", of->facts[i].name,
                   of->facts[i].value, of->facts[i].source);
  for (size_t i = 0; i < judged->n; i++)
    {
      char text[400];

      fact_describe (&judged->facts[i], text, sizeof text);
      print_message ("  fact %s\n", text);
    }
  fail_msg ("%s (HANGDOG_SEED=%" PRIu64 ")", what, seed);
}

static bool
is_in (const char *const *list, const char *word)
{
  for (; *list; list++)
    if (strcmp (*list, word) == 0)
      return true;
  return false;
}

/* As docs/verdicts.md has it, told here once more on purpose. */
static const char *
vantage (const char *source)
{
  static const char *const hypervisor[]
      = { "monitor", "libvirt", "rundir", NULL };
  static const char *const text[] = { "console", "memlogd", NULL };
  static const char *const nobody[]
      = { "scenario", "diagnosis", "bus", NULL };

  return is_in (hypervisor, source) ? "hypervisor"
         : is_in (text, source)     ? "text"
         : is_in (nobody, source)   ? NULL
                                    : source;
}

static unsigned
vantages (const struct verdict *v)
{
  unsigned n = 0;

  for (unsigned i = 0; i < v->nfacts; i++)
    {
      const char *is = vantage (v->facts[i].source);
      unsigned k = 0;

      for (; is && k < i; k++)
        {
          const char *other = vantage (v->facts[k].source);

          if (other && strcmp (other, is) == 0)
            break;
        }
      n += is && k == i;
    }
  return n;
}

static void
evidence_is_there (const struct table *t, const struct verdict *v)
{
  for (unsigned i = 0; i < v->nfacts; i++)
    {
      size_t k = 0;

      for (; k < t->n; k++)
        {
          struct verdict_fact f;

          fact_keep_ (&t->facts[k], &f);
          if (memcmp (&f, &v->facts[i], sizeof f) == 0)
            break;
        }
      if (k == t->n)
        complain ("it rests on a fact that nobody said");
    }
}

static void
check_verdict (const struct table *t, const struct verdict *v)
{
  bool by_outcome = false, known = strcmp (v->class_, "unknown") != 0;

  judged = t;
  of = v;
  for (size_t i = 0; i < rules->nverdicts; i++)
    if (strcmp (rules->verdicts[i].name, v->rule) == 0)
      by_outcome = fact_is_word (rules->verdicts[i].codes, t->code);
  if (!is_in (verdict_classes, v->class_))
    complain ("there is no such class");
  if (!is_in (verdict_confidences, v->confidence))
    complain ("there is no such confidence");
  if (!v->sentence[0] || !v->next[0])
    complain ("it says nothing");
  if (known && !v->nfacts && !by_outcome)
    complain ("it rests on nothing");
  if (strcmp (v->confidence, "certain") == 0 && vantages (v) < 2)
    complain ("it is certain, and has not two vantage points");
  if (t->text_only && strcmp (v->confidence, "certain") == 0)
    complain ("text alone made it certain");
  if (t->text_only && !by_outcome && v->confidence[0] == 'h')
    complain ("text alone made it sure");
  evidence_is_there (t, v);
}

static void
check_findings (const struct table *t, const struct judgement *j)
{
  judged = t;
  of = &j->verdict;
  for (size_t i = 0; i < json_object_array_length (j->findings); i++)
    {
      struct json_object *f = json_object_array_get_idx (j->findings, i);
      const char *level = json_get_str (f, "level");

      if (!level || !is_in (finding_levels, level)
          || !json_get_str (f, "says")[0])
        complain ("a finding says nothing");
      if (json_object_array_length (json_get (f, "evidence")) == 0)
        complain (json_get_str (f, "rule"));
    }
}

static void
judge (const struct table *t, struct judgement *ret)
{
  const struct cause cause = { "web", t->code, "it did not answer" };

  fact_set_fill (set, t->facts, t->n);
  ladder_judge (rules, set, &cause, NULL, ret);
}

static void
order_decides_nothing (struct table *t, const struct judgement *was)
{
  struct judgement now;

  for (size_t i = t->n; i > 1; i--)
    {
      size_t k = upto ((uint32_t) i);
      struct fact f = t->facts[i - 1];

      t->facts[i - 1] = t->facts[k];
      t->facts[k] = f;
    }
  judge (t, &now);
  judged = t;
  of = &now.verdict;
  if (memcmp (&now.verdict, &was->verdict, sizeof now.verdict) != 0)
    complain ("it depends on the order in which facts came");
  judgement_done (&now);
}

static void
they_hold_whatever_the_facts (void **state)
{
  static struct table t;
  struct judgement j;
  bool *reached = calloc (rules->nverdicts, sizeof *reached);
  size_t n = 0;

  (void) state;
  assert_non_null (reached);
  for (unsigned i = 0; i < TABLES; i++)
    {
      make_table (&t);
      judge (&t, &j);
      check_verdict (&t, &j.verdict);
      check_findings (&t, &j);
      order_decides_nothing (&t, &j);
      for (size_t k = 0; k < rules->nverdicts; k++)
        if (strcmp (rules->verdicts[k].name, j.verdict.rule) == 0
            && !reached[k])
          {
            reached[k] = true;
            n++;
          }
      judgement_done (&j);
    }
  print_message ("seed %" PRIu64 ": %u tables of facts, verdicts by %zu of "
                 "%zu rules\n",
                 seed, TABLES, n, rules->nverdicts);
  free (reached);
  /* Else it is not about the rules. */
  assert_true (n * 2 > rules->nverdicts);
}

/* ---- */

static void
keep_code (const char *rule, const char *code, void *arg)
{
  (void) rule;
  (void) arg;
  for (size_t i = 0; i < ncodes; i++)
    if (strcmp (codes[i], code) == 0)
      return;
  if (ncodes < CODES)
    codes[ncodes++] = strdup (code);
}

static int
begin (void **state)
{
  const char *given = getenv ("HANGDOG_SEED");
  struct error err = ERROR_INIT;

  (void) state;
  seed = given ? strtoull (given, NULL, 10) : clock_wall_ms ();
  chance = seed * 0x9e3779b97f4a7c15u + 1;
  if (verdict_rules_new (&rules, &err) < 0
      || fact_set_new (FACTS, &set, &err) < 0)
    fail_msg ("%s", err.msg);
  verdict_rules_each_code (rules, keep_code, NULL);
  while (fact_sources[nsources].name)
    nsources++;
  return 0;
}

static int
end (void **state)
{
  (void) state;
  for (size_t i = 0; i < ncodes; i++)
    free ((char *) codes[i]);
  fact_set_free (set);
  verdict_rules_unref (rules);
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (they_hold_whatever_the_facts),
  };

  return cmocka_run_group_tests (tests, begin, end);
}
