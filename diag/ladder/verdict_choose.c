/* SPDX-License-Identifier: Apache-2.0
 *
 * The first rule of the verdict that holds, and what it says.
 */
#include "diag/ladder/verdict_impl.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool
rule_holds (const struct verdict_rule *r, const struct ladder *ladder,
            struct fact_set *set, const char *code)
{
  bool any = r->codes[0] == NULL;

  for (size_t i = 0; i < MAX_FACETS && r->facets[i].states; i++)
    if (!(r->facets[i].states & 1u << ladder->facets[r->facets[i].facet].state))
      return false;
  for (size_t i = 0; i < MAX_CODES && r->codes[i] && !any; i++)
    any = strcmp (code, r->codes[i]) == 0;
  return any && conds_hold (r->when, set, NULL);
}

/* Guest bytes and others' words, escaped. */
static void
put (char *dst, size_t n, const char *a, const char *b)
{
  struct buf text CLEANUP_BUF = BUF_INIT (n - 1);

  buf_puts (&text, a);
  text_escape (&text, b, strlen (b), 0);
  snprintf (dst, n, "%s", buf_str (&text));
}

/* Rules of operators may call a trouble what is no class of ours. */
static const char *
class_of (const char *name, struct fact_set *set)
{
  const struct fact *f;

  if (name[0] != '=')
    return name;
  f = fact_last (set, name + 1);
  for (size_t i = 0; f && f->type == FACT_TEXT && verdict_classes[i]; i++)
    if (strcmp (f->text, verdict_classes[i]) == 0)
      return verdict_classes[i];
  return "unknown";
}

void
ladder_verdict (const struct ladder *ladder, struct fact_set *set,
                const struct cause *cause, struct verdict *ret)
{
  const struct verdict_rule *r = NULL;
  const char *words = cause->sentence[0] ? cause->sentence : cause->code;
  const char *culprit = "";

  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; !r && verdict_rules_[i].class_; i++)
    if (rule_holds (&verdict_rules_[i], ladder, set, cause->code))
      r = &verdict_rules_[i];
  if (!r)
    {
      snprintf (ret->class_, sizeof ret->class_, "unknown");
      snprintf (ret->confidence, sizeof ret->confidence, "low");
      put (ret->sentence, sizeof ret->sentence,
           "What was found does not say why: ", words);
      snprintf (ret->next, sizeof ret->next,
                "Read the evidence in the bundle; the ladder in its manifest "
                "says what is known.");
      return;
    }
  snprintf (ret->class_, sizeof ret->class_, "%s",
            class_of (r->class_, set));
  snprintf (ret->confidence, sizeof ret->confidence, "%s", r->confidence);
  if (r->culprit && strcmp (r->culprit, "=") == 0)
    culprit = cause->scenario;
  else if (r->culprit && r->culprit[0] == '=')
    {
      const struct fact *f = fact_last (set, r->culprit + 1);

      culprit = f && f->type == FACT_TEXT ? f->text : "";
    }
  else if (r->culprit)
    culprit = r->culprit;
  put (ret->culprit, sizeof ret->culprit, "", culprit);
  /* A sentence that ends in ": " wants the outcome's own words. */
  if (r->sentence[strlen (r->sentence) - 1] == ' ')
    put (ret->sentence, sizeof ret->sentence, r->sentence, words);
  else
    put (ret->sentence, sizeof ret->sentence, r->sentence, "");
  snprintf (ret->next, sizeof ret->next, "%s", r->next);
}

static void
each_named (const char *name, const char *where, cond_fn *fn, void *arg)
{
  const struct cond c = { name + 1, OP_HAS, "" };

  if (name[0] == '=' && name[1])
    fn (&c, where, arg);
}

void
verdict_each_cond_ (cond_fn *fn, void *arg)
{
  for (const struct verdict_rule *r = verdict_rules_; r->class_; r++)
    {
      each_named (r->class_, r->class_, fn, arg);
      if (r->culprit)
        each_named (r->culprit, r->class_, fn, arg);
      for (size_t k = 0; k < MAX_CONDS && r->when[k].op != OP_NONE; k++)
        fn (&r->when[k], r->class_, arg);
    }
}
