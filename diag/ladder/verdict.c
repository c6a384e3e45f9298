/* SPDX-License-Identifier: Apache-2.0
 *
 * From facets, facts and the failing outcome to a verdict: the first rule that
 * holds is it.
 */
#include "diag/ladder/rules_impl.h"

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

static void
nothing_holds (struct fact_set *set, const struct cause *cause,
               struct verdict *ret)
{
  snprintf (ret->class_, sizeof ret->class_, "unknown");
  snprintf (ret->confidence, sizeof ret->confidence, "low");
  template_fill_ ("What was found does not say why: {outcome}", set, cause,
                  ret->sentence, sizeof ret->sentence, NULL);
  snprintf (ret->next, sizeof ret->next,
            "Read the evidence in the bundle; the ladder in its manifest says "
            "what is known.");
}

void
ladder_verdict (const struct verdict_rules *rules,
                const struct ladder *ladder, struct fact_set *set,
                const struct cause *cause, struct verdict *ret)
{
  const struct verdict_rule *r = NULL;
  char class_[sizeof ret->class_];

  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; !r && i < rules->nverdicts; i++)
    if (rule_holds (&rules->verdicts[i], ladder, set, cause->code))
      r = &rules->verdicts[i];
  if (!r)
    {
      nothing_holds (set, cause, ret);
      return;
    }
  template_fill_ (r->class_, set, cause, class_, sizeof class_, NULL);
  snprintf (ret->class_, sizeof ret->class_, "%s", class_of (class_));
  snprintf (ret->confidence, sizeof ret->confidence, "%s", r->confidence);
  template_fill_ (r->culprit, set, cause, ret->culprit, sizeof ret->culprit,
                  NULL);
  template_fill_ (r->says, set, cause, ret->sentence, sizeof ret->sentence,
                  NULL);
  template_fill_ (r->next, set, cause, ret->next, sizeof ret->next, NULL);
}
