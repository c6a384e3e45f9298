/* SPDX-License-Identifier: Apache-2.0
 *
 * From facts to facets.
 *
 * The first rule of a facet whose conditions hold says its state, so what is
 * stronger evidence stands higher.  Without one that holds a facet is unknown:
 * absence of news is no news.
 */
#include "diag/ladder/rules_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

const char *const facet_state_names[]
    = { "unknown", "alive", "slow", "dead", NULL };
const char *const facet_names[]
    = { "host",      "vmm",   "run-state", "vcpu",    "ticks",
        "scheduler", "block", "network",   "console", "application",
        NULL };

void
ladder_climb (const struct verdict_rules *rules, struct fact_set *set,
              struct ladder *ret)
{
  memset (ret, 0, sizeof *ret);
  for (size_t i = 0; i < rules->nfacets; i++)
    {
      const struct facet_rule *r = &rules->facets[i];
      struct facet *f = &ret->facets[r->facet];
      struct cond_found found = { .n = 0 };

      if (f->state != FACET_UNKNOWN
          || !cond_list_holds (r->when, set, ret, NULL, NULL))
        continue;
      f->state = r->state;
      cond_list_gather_ (r->when, set, ret, &found);
      f->nfacts = found.n < FACET_FACTS ? found.n : FACET_FACTS;
      memcpy (f->facts, found.list, f->nfacts * sizeof f->facts[0]);
      if (found.n)
        fact_describe (found.list[0], f->evidence, sizeof f->evidence);
    }
}

struct json_object *
ladder_to_json (const struct ladder *ladder)
{
  struct json_object *out = json_object_new_array ();

  for (int i = 0; i < FACET_MAX; i++)
    {
      const struct facet *f = &ladder->facets[i];
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "facet", facet_names[i]);
      json_add_str (o, "state", facet_state_names[f->state]);
      if (f->evidence[0])
        json_add_text (o, "evidence", f->evidence, strlen (f->evidence));
      json_object_array_add (out, o);
    }
  return out;
}
