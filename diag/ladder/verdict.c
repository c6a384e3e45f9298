/* SPDX-License-Identifier: Apache-2.0
 *
 * From facets, facts and the failing outcome to a verdict: the first rule that
 * holds is it, with the facts that it rests on.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/text.h"
#include "diag/facts.h"

#include <stdio.h>
#include <string.h>

static bool
rule_holds (const struct verdict_rule *r, const struct ladder *ladder,
            struct fact_set *set, const char *code)
{
  return (!r->codes[0] || fact_is_word (r->codes, code))
         && cond_list_holds (r->when, set, ladder, NULL, NULL);
}

/* Rules of operators may call a trouble what is no class of ours. */
static const char *
class_of (const char *name)
{
  for (size_t i = 0; verdict_classes[i]; i++)
    if (strcmp (name, verdict_classes[i]) == 0)
      return verdict_classes[i];
  return "unknown";
}

/* ---- what it rests on ---- */

/* Several sources that look from one place are one vantage point, and whose
 * word is another's is none; all others are one each. */
static const char *
vantage_of (const char *source)
{
  static const struct
  {
    const char *source, *vantage;
  } known[] = {
    { "monitor", "hypervisor" }, { "libvirt", "hypervisor" },
    { "rundir", "hypervisor" },  { "console", "text" },
    { "memlogd", "text" },       { "scenario", NULL },
    { "diagnosis", NULL },       { "bus", NULL },
  };

  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (strcmp (source, known[i].source) == 0)
      return known[i].vantage;
  return source;
}

static unsigned
vantages (const struct cond_found *found)
{
  const char *seen[COND_FOUND];
  unsigned n = 0, k;

  for (unsigned i = 0; i < found->n; i++)
    {
      const char *v = vantage_of (found->list[i]->source);

      for (k = 0; v && k < n && strcmp (seen[k], v) != 0; k++)
        ;
      if (v && k == n)
        seen[n++] = v;
    }
  return n;
}

void
fact_keep_ (const struct fact *f, struct verdict_fact *ret)
{
  struct buf value CLEANUP_BUF = BUF_INIT (sizeof ret->value - 1);

  fact_value_ (f, &value);
  *ret = (struct verdict_fact){ .time_ms = f->time_ms };
  snprintf (ret->name, sizeof ret->name, "%.71s", f->name);
  snprintf (ret->value, sizeof ret->value, "%s", buf_str (&value));
  snprintf (ret->source, sizeof ret->source, "%.31s", f->source);
}

/* Nobody claims to be certain: it is what two vantage points make of what one
 * alone would say with confidence.  That nothing is amiss nobody can say. */
static void
weigh (const struct verdict_rule *r, const struct cond_found *found,
       struct verdict *v)
{
  bool trouble = strcmp (v->class_, "none") != 0
                 && strcmp (v->class_, "unknown") != 0
                 && strcmp (v->class_, "probe-misconfigured") != 0;

  snprintf (v->confidence, sizeof v->confidence, "%s",
            trouble && strcmp (r->confidence, "high") == 0
                    && vantages (found) >= 2
                ? "certain"
                : r->confidence);
}

/* That the check which brought us here failed: what it says later, as when it
 * is not let ask, takes nothing from that. */
static void
cite_outcome (struct fact_set *set, const struct cause *cause,
              struct cond_found *found)
{
  struct fact_at at = { .begun = false };
  const struct fact_group *g;
  char names[2 * FACT_NAME_MAX];

  snprintf (names, sizeof names, "probe.%.64s|look.%.64s", cause->scenario,
            cause->scenario);
  while ((g = fact_group_next_ (set, names, &at)))
    for (size_t i = g->n; i > 0; i--)
      if (g->facts[i - 1]->type == FACT_TEXT
          && strcmp (g->facts[i - 1]->text, "failed") == 0)
        {
          cond_found_add_ (found, g->facts[i - 1]);
          return;
        }
}

static void
keep_all (const struct cond_found *found, struct verdict *ret)
{
  for (unsigned i = 0; i < found->n && ret->nfacts < VERDICT_FACTS; i++)
    fact_keep_ (found->list[i], &ret->facts[ret->nfacts++]);
}

/* ---- the verdict ---- */

static void
nothing_holds (struct fact_set *set, const struct cause *cause,
               struct verdict *ret)
{
  const struct template_from from = { .set = set, .cause = cause };
  struct cond_found found = { .n = 0 };

  snprintf (ret->class_, sizeof ret->class_, "unknown");
  snprintf (ret->confidence, sizeof ret->confidence, "low");
  template_fill_ ("What was found does not say why: {outcome}", &from,
                  ret->sentence, sizeof ret->sentence, NULL);
  snprintf (ret->next, sizeof ret->next,
            "Read the evidence in the bundle; the ladder in its manifest says "
            "what is known.");
  cite_outcome (set, cause, &found);
  keep_all (&found, ret);
}

static void
rule_says (const struct verdict_rule *r, const struct ladder *ladder,
           struct fact_set *set, const struct cause *cause,
           struct verdict *ret, struct cond_found *who)
{
  struct template_from from = { .set = set, .cause = cause };
  struct cond_found found = { .n = 0 };
  char class_[sizeof ret->class_];

  cond_list_pairs_ (r->when, set, &from.pairs);
  cond_list_gather_ (r->when, set, ladder, &found);
  template_fill_ (r->class_, &from, class_, sizeof class_, NULL);
  snprintf (ret->class_, sizeof ret->class_, "%s", class_of (class_));
  weigh (r, &found, ret);
  template_fill_ (r->culprit, &from, ret->culprit, sizeof ret->culprit, who);
  for (unsigned i = 0; i < who->n; i++)
    cond_found_add_ (&found, who->list[i]);
  template_fill_ (r->says, &from, ret->sentence, sizeof ret->sentence, &found);
  template_fill_ (r->next, &from, ret->next, sizeof ret->next, NULL);
  snprintf (ret->rule, sizeof ret->rule, "%s", r->name);
  if (r->codes[0])
    cite_outcome (set, cause, &found);
  keep_all (&found, ret);
}

void
ladder_verdict (const struct verdict_rules *rules,
                const struct ladder *ladder, struct fact_set *set,
                const struct cause *cause, struct verdict *ret)
{
  const struct verdict_rule *r = NULL;
  struct cond_found who = { .n = 0 }; /* what names the culprit */

  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; !r && i < rules->nverdicts; i++)
    if (rule_holds (&rules->verdicts[i], ladder, set, cause->code))
      r = &rules->verdicts[i];
  if (r)
    rule_says (r, ladder, set, cause, ret, &who);
  else
    nothing_holds (set, cause, ret);
  verdict_sign_ (ret, cause, set, &who);
}
