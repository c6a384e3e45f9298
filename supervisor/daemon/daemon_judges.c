/* SPDX-License-Identifier: Apache-2.0
 *
 * Who says how guests are, and what follows from it: made in the order in
 * which they need one another.
 */
#include "supervisor/control/daemon.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/hostclock.h"
#include "supervisor/watch/layers.h"
#include "supervisor/watch/pauses.h"

#include "diag/playbook.h"

static void
on_host_gap (const struct host_gap *gap, void *arg)
{
  struct daemon *d = arg;

  if (d->bindings)
    bindings_gap (d->bindings, gap);
}

static bool
on_crowd (const struct guest *const *guests, size_t n, const char *says,
          void *arg)
{
  struct daemon *d = arg;

  return !d->incidents
         || incidents_pressed (d->incidents, guests, n, says);
}

static void
on_settled (void *arg)
{
  struct daemon *d = arg;

  if (d->incidents)
    incidents_settled (d->incidents);
}

int
daemon_judges (struct daemon *d, struct error *err)
{
  const struct hostclock_env host
      = { .loop = d->loop, .gap = on_host_gap, .arg = d };
  const struct pauses_env pauses
      = { .loop = d->loop, .writer = d->writer };
  struct layers_env layers = {
    .loop = d->loop,
    .writer = d->writer,
    .settled = on_settled,
    .arg = d,
  };
  struct bindings_env bindings = {
    .loop = d->loop,
    .jobs = d->jobs,
    .bus = d->bus,
    .facts = d->facts,
    .registry = d->registry,
    .boots = d->boots,
    .texts = d->texts,
    .transports = &d->env,
    .crowd = on_crowd,
    .crowd_arg = d,
    .drain_only = d->drain_only,
  };
  struct incidents_env incidents = {
    .loop = d->loop,
    .bus = d->bus,
    .registry = d->registry,
    .writer = d->writer,
    .diagnosis = &d->diagnosis,
    .max_diagnoses = (unsigned) d->config->limits.max_diagnoses,
    .repeat_ms = d->config->repeat_ms,
    .notify = { .argv = (const char *const *) d->config->notify.exec.items,
                .nargv = d->config->notify.exec.count,
                .timeout_ms = d->config->notify.timeout_ms },
    .drain_only = d->drain_only,
  };
  int r = playbook_set_new (NULL, 0, &d->playbooks, err);

  if (r < 0)
    return r;
  r = pauses_new (&pauses, &d->pauses, err);
  bindings.pauses = d->pauses;
  if (r == 0)
    r = hostclock_new (&host, &d->host, err);
  bindings.host = d->host;
  if (r == 0)
    r = bindings_new (&bindings, &d->bindings, err);
  if (r == 0)
    {
      layers.bindings = d->bindings;
      r = layers_new (&layers, &d->layers, err);
    }
  if (r < 0)
    return r;
  incidents.bindings = d->bindings;
  incidents.playbooks = d->playbooks;
  d->diagnosis = (struct diagnosis_env){
    .loop = d->loop,
    .jobs = d->jobs,
    .registry = d->registry,
    .facts = d->facts,
    .bindings = d->bindings,
    .texts = d->texts,
    .transports = &d->env,
  };
  memcpy (d->diagnosis.config_sha256, d->config->sha256, DIGEST_HEX);
  r = verdict_rules_new (&d->diagnosis.rules, err);
  if (r < 0)
    return r;
  return incidents_new (&incidents, &d->incidents, err);
}
