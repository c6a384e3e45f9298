/* SPDX-License-Identifier: Apache-2.0
 *
 * What a scenario costs, as far as it can be told before.
 */
#include "scenarios/scenario_impl.h"

#include <string.h>

/* A look at a mailbox: its first block and two heartbeats; for a command its
 * slots are written and read, too. */
#define DISK_LOOK_BYTES (3 * 4096.0)

void
scenario_cost_way (const struct scenario *s, const struct transport_ops *way,
                   struct scenario_cost *ret)
{
  (void) s;
  ret->cpu_us = way->cpu_us;
  if (way->lane == LANE_DISK)
    ret->disk = DISK_LOOK_BYTES;
}

double
scenario_cost_mailbox (const char *command)
{
  return 2 * (double) strlen (command) + 2 * 4096;
}

const char *
scenario_way (const struct scenario *s, size_t i)
{
  if (s->transports.count)
    return i < s->transports.count ? ((char *const *) s->transports.items)[i]
                                   : NULL;
  return i == 0 && s->kind->transports ? s->kind->transports[0] : NULL;
}

struct scenario_cost
scenario_cost (const struct scenario *s, const char *way)
{
  const struct transport_ops *ops = way ? transport_find (way) : NULL;
  struct scenario_cost cost = { 0 };

  if (ops && s->kind->cost)
    s->kind->cost (s, ops, &cost);
  return cost;
}
