/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts that know where guests are and by which ways they can be asked:
 * made, and told of outcomes.
 */
#include "supervisor/bindings.h"
#include "supervisor/daemon.h"
#include "supervisor/keeper_link.h"
#include "supervisor/reach.h"

#include "guests/addresses.h"

#include <string.h>

/* Beside who is told of it as an outcome: what it says of its ways. */
void
daemon_outcome (const struct binding_info *info, enum health_change change,
                void *arg)
{
  struct daemon *d = arg;
  const struct outcome_report *last = info->last;
  bool wanted = strcmp (last->code, "no-address") == 0;

  reach_outcome (d->reach, info);
  for (unsigned i = 0; i < last->ntried; i++)
    wanted |= strcmp (last->tried[i].code, "no-address") == 0;
  if (wanted)
    addresses_want (d->addresses);
}

/* Where guests are, and by which ways they can be asked. */
int
daemon_ways (struct daemon *d, struct error *err)
{
  const struct addresses_env addresses = {
    .loop = d->loop,
    .jobs = d->jobs,
    .opener = keeper_link_opener (d->keeper),
    .registry = d->registry,
  };
  const struct reach_env reach = {
    .loop = d->loop,
    .jobs = d->jobs,
    .registry = d->registry,
    .transports = &d->env,
  };
  int r;

  if (d->drain_only)
    return 0;
  r = addresses_new (&addresses, &d->addresses, err);
  if (r < 0)
    return r;
  addresses_leases (d->addresses, d->config->leases.items,
                    d->config->leases.count);
  return reach_new (&reach, &d->reach, err);
}
