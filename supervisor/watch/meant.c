/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking QEMU whether somebody stopped the guest.
 */
#include "supervisor/watch/meant.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "transports/monitor/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEANT_MS 1500

struct question
{
  const struct guest *guest;
  const struct transport_env *env;
  char status[64];
  bool silent; /* it is libvirt that does not answer */
};

/* Loop side: who waits, also for one that never comes back. */
struct waiting
{
  meant_fn *fn;
  void *arg;
};

bool
guest_paused_by_owner (const struct guest *g)
{
  /* Nor did an owner pause what stands because its watchdog bit. */
  return g->run == GUEST_PAUSED && strcmp (g->reason, "process-stopped") != 0
         && strcmp (g->reason, "watchdog") != 0;
}

static int
ask_run (struct job *job, void *arg)
{
  struct question *q = arg;
  enum monitor_health health = MONITOR_GONE;
  int r = monitor_status (q->env, q->guest, job_deadline (job), &health,
                          q->status, sizeof (q->status), NULL);

  q->silent = r < 0 && r != -ENOENT && r != -ENOTSUP && health == MONITOR_GONE
              && q->guest->monitor == MONITOR_LIBVIRT;
  return r;
}

static bool
through_libvirt (const struct guest *g)
{
  for (unsigned i = 0; i < g->nconsoles; i++)
    if (g->consoles[i].kind == CONSOLE_STREAM)
      return g->monitor == MONITOR_LIBVIRT;
  return false;
}

static void
question_free (void *arg)
{
  struct question *q = arg;

  guest_unref (q->guest);
  free (q);
}

/* Also one that has powered itself off, and whose QEMU was told to stay
 * (-no-shutdown): of any other nothing would be left. */
static bool
stands (const char *status)
{
  return monitor_is_stopped (status) || strcmp (status, "shutdown") == 0;
}

static void
ask_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct waiting *w = owner;
  struct question *q = arg;

  if (end == JOB_RETURNED && q->silent)
    w->fn (MEANT_UNKNOWN, "", w->arg);
  else if (end == JOB_DISCARDED || rc < 0)
    w->fn (MEANT_TO_RUN, "", w->arg);
  else
    w->fn (stands (q->status) ? MEANT_TO_STAND : MEANT_TO_RUN, q->status,
           w->arg);
  free (w);
  if (q)
    question_free (q);
}

int
meant_ask (struct job_pool *jobs, const struct transport_env *env,
           const struct guest *g, meant_fn *fn, void *arg, struct error *err)
{
  struct question *q;
  struct waiting *w;
  struct job_spec spec = {
    .name = "is it meant to run",
    .guest = g->inc.uuid,
    .lane = LANE_RUN_STATE,
    .timeout_ms = MEANT_MS,
    .run = ask_run,
    .done = ask_done,
    .free_arg = question_free,
  };
  int r;

  /* libvirt tells of itself, if it lives. */
  if (g->monitor != MONITOR_UNIX && !through_libvirt (g))
    return -ENOENT;
  q = calloc (1, sizeof (*q));
  w = calloc (1, sizeof (*w));
  if (!q || !w)
    {
      free (q);
      free (w);
      return error_set (err, ENOMEM, "no memory to ask");
    }
  q->guest = guest_ref (g);
  q->env = env;
  *w = (struct waiting){ fn, arg };
  spec.owner = w;
  spec.arg = q;
  r = job_start (jobs, &spec, err);
  if (r < 0)
    {
      question_free (q);
      free (w);
    }
  return r;
}
