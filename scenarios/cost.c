/* SPDX-License-Identifier: Apache-2.0
 *
 * What a scenario costs, as far as it can be told before.
 */
#include "scenarios/scenario_impl.h"

struct scenario_cost
scenario_cost (const struct scenario *s)
{
  const char *name = s->transports.count
                         ? ((char *const *) s->transports.items)[0]
                         : s->kind->transports ? s->kind->transports[0] : NULL;
  const struct transport_ops *way = name ? transport_find (name) : NULL;
  struct scenario_cost cost = { 0 };

  if (way && s->kind->cost)
    s->kind->cost (s, way, &cost);
  return cost;
}
