/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts that know where guests are and by which ways they can be asked:
 * made, and told of outcomes.
 */
#include "supervisor/control/daemon.h"
#include "supervisor/links/keeper_link.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/reach.h"

#include "guests/addresses.h"
#include "transports/acpi/ports.h"
#include "transports/agent/agent.h"
#include "transports/exec/exec.h"

#include "base/error.h"
#include "base/job.h"

#include <string.h>

#define MAX_SAID 32u
#define SWEEP_MS 10000

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
    addresses_want (d->addresses, info->guest);
}

static int
make_ports (struct daemon *d, struct error *err)
{
  const struct acpi_ports_env env = {
    .loop = d->loop,
    .jobs = d->jobs,
    .bus = d->bus,
    .opener = keeper_link_opener (d->keeper),
  };

  return d->drain_only ? 0 : acpi_ports_new (&env, &d->ports, err);
}

/* In a job: transports are above who keeps addresses. */
static int
agents_addresses (void *arg, const struct guest *g, uint64_t deadline,
                  struct address_said *ret, size_t max, size_t *ret_n,
                  struct error *err)
{
  struct agent_address said[MAX_SAID];
  size_t n = 0;
  int r = agent_addresses (arg, g, deadline, said,
                           max < MAX_SAID ? max : MAX_SAID, &n, err);

  if (r < 0)
    return r;
  for (size_t i = 0; i < n; i++)
    {
      memcpy (ret[i].mac, said[i].mac, sizeof ret[i].mac);
      memcpy (ret[i].ip, said[i].ip, sizeof ret[i].ip);
    }
  *ret_n = n;
  return 0;
}

/* Where guests are, and by which ways they can be asked. */
static int
sweep_run (struct job *job, void *arg)
{
  struct error err = ERROR_INIT;

  return exec_sweep (arg, job_deadline (job), &err);
}

static void
sweep_done (void *owner, void *arg, enum job_end end, int rc)
{
}

/* What programs had left when we were killed the last time; where that can't
 * be done now, the next of them does it. */
static void
sweep (struct daemon *d)
{
  const struct job_spec spec = { .name = "sweep what programs left",
                                 .guest = "host",
                                 .lane = LANE_EXEC,
                                 .timeout_ms = SWEEP_MS,
                                 .run = sweep_run,
                                 .done = sweep_done,
                                 .owner = d,
                                 .arg = &d->env };

  if (d->env.exec_left)
    (void) job_start (d->jobs, &spec, NULL);
}

int
daemon_ways (struct daemon *d, struct error *err)
{
  const struct addresses_env addresses = {
    .loop = d->loop,
    .jobs = d->jobs,
    .opener = keeper_link_opener (d->keeper),
    .registry = d->registry,
    .ask = agents_addresses,
    .ask_arg = &d->env,
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
  sweep (d);
  r = addresses_new (&addresses, &d->addresses, err);
  if (r < 0)
    return r;
  config_lease_places (d->config, addresses_leases, d->addresses);
  r = make_ports (d, err);
  return r < 0 ? r : reach_new (&reach, &d->reach, err);
}
