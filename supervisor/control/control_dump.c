/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation `dump`: what the daemon has in hand, as text for people.
 */
#include "supervisor/beats/eyes.h"
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"
#include "supervisor/incidents/incidents.h"
#include "supervisor/links/writer_link.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"
#include "supervisor/watch/reach.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/job.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "guests/addresses.h"
#include "transports/acpi/ports.h"
#include "transports/console/hub.h"

#include <string.h>

static void
dump_job (const struct job_info *info, void *arg)
{
  struct buf *out = arg;

  buf_printf (out, "  job \"%s\" guest %s lane %s for %llu ms%s\n",
              info->name, info->guest, info->lane,
              (unsigned long long) (clock_ms () - info->started_ms),
              info->discarded ? " (discarded)" : "");
}

static void
dump_late (struct bindings *b, struct buf *out)
{
  struct bindings_late late;

  bindings_late (b, &late);
  buf_printf (out, "scenarios: begun in turn %llu, late by at most",
              (unsigned long long) late.runs);
  for (unsigned i = 0; i < BINDINGS_LATE - 1; i++)
    if (late.counts[i])
      buf_printf (out, " %llu ms: %llu,",
                  (unsigned long long) bindings_late_bound (i),
                  (unsigned long long) late.counts[i]);
  buf_printf (out, " more: %llu; the latest %llu ms\n",
              (unsigned long long) late.counts[BINDINGS_LATE - 1],
              (unsigned long long) late.max_ms);
}

static void
dump_playbooks (const struct daemon *d, struct buf *out)
{
  buf_printf (out, "playbooks: %u, of operators %u\n", d->playbooks->n,
              d->playbooks_own);
  if (!d->bad_playbooks[0])
    return;
  buf_puts (out, "  ");
  text_escape (out, d->bad_playbooks, strlen (d->bad_playbooks), 0);
  buf_putc (out, '\n');
}

static void
dump_acts (const struct incident_info *info, void *arg)
{
  const struct incident *inc = info->incident;
  struct buf *out = arg;

  for (unsigned i = 0; i < inc->nacts; i++)
    if (inc->acts[i].state == ACT_OPEN)
      {
        buf_printf (out, "to be undone: incident %s guest %s ", inc->id,
                    inc->inc.uuid);
        text_escape (out, inc->acts[i].undo, strlen (inc->acts[i].undo), 0);
        buf_putc (out, ' ');
        text_escape (out, inc->acts[i].why, strlen (inc->acts[i].why), 0);
        buf_putc (out, '\n');
      }
}

void
op_dump (struct answer *a, struct frame *f)
{
  struct buf out = BUF_INIT (FRAME_MAX_BODY);
  struct daemon *d = a->d;
  struct job_stats js;

  job_pool_stats (d->jobs, &js);
  buf_printf (&out,
              "jobs: running %u, discarded %u, threads %u of %lld, and %u "
              "that wait for libvirt; started "
              "%llu, returned %llu, refused busy %llu, refused full %llu\n",
              js.running, js.discarded, js.threads,
              (long long) d->config->limits.max_threads, js.helpers,
              (unsigned long long) js.started, (unsigned long long) js.returned,
              (unsigned long long) js.refused_busy,
              (unsigned long long) js.refused_full);
  job_each (d->jobs, dump_job, &out);
  incidents_each (d->incidents, dump_acts, &out);
  buf_printf (&out, "scenarios: bound %zu, looked at to find them %llu\n",
              bindings_count (d->bindings),
              (unsigned long long) bindings_looked_at (d->bindings));
  dump_late (d->bindings, &out);
  buf_printf (&out, "facts: dropped %llu\n",
              (unsigned long long) fact_bus_dropped (d->bus));
  buf_printf (&out, "log pipe: dropped %llu bytes\n",
              (unsigned long long) writer_link_log_dropped (d->writer));
  buf_printf (&out, "own log: %zu bytes kept\n", log_kept_bytes ());
  writer_state_dump (&d->writer_state, &out, clock_ms ());
  buf_printf (&out, "clients: %u\n", control_clients (d->control));
  control_probes_dump (d, &out);
  texts_dump (d->texts, &out);
  eyes_dump (d->eyes, &out);
  acpi_ports_dump (d->ports, &out);
  addresses_dump (d->addresses, &out);
  reach_dump (d->reach, &out);
  if (d->bad_rules[0])
    {
      buf_puts (&out, "  ");
      text_escape (&out, d->bad_rules, strlen (d->bad_rules), 0);
      buf_putc (&out, '\n');
    }
  dump_playbooks (d, &out);
  buf_puts (&out, "console hub:\n");
  hub_dump (d->hub, &out);
  buf_puts (&out, "loop:\n");
  loop_dump (d->loop, &out);
  answer_bytes (a, NULL, buf_str (&out), out.len);
  buf_done (&out);
  answer_end (a, NULL);
}
