/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector monitor: does QEMU's main loop answer, and what does it say the
 * guest does?  Asked twice, apart: a main loop that is busy once is slow,
 * not stuck.
 *
 * Over a socket of QEMU's own it is also asked once which threads are its
 * vCPUs, and how busy those are in between (libvirt would have to be asked by
 * a raw command, which taints; there QEMU names its threads).
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* *told: the answer, or that there is none, is QEMU's.  err: what kept us from
 * asking it (-EBUSY, a libvirt that does not answer). */
static int
ask (struct collect_ctx *ctx, struct json_object *samples, bool *told,
     struct error *err)
{
  struct json_object *o = json_object_new_object ();
  enum monitor_health health = MONITOR_GONE;
  struct error why = ERROR_INIT;
  char status[64] = "", at[32];
  uint64_t begun = clock_ms ();
  int rc = monitor_status (ctx->env, ctx->guest,
                           collect_until (ctx, MONITOR_HOLD_MS), &health,
                           status, sizeof status, &why);

  json_add_str (o, "time", clock_format (at, sizeof at, clock_wall_ms ()));
  json_add_int (o, "took_ms", (int64_t) (clock_ms () - begun));
  json_add_str (o, "monitor", monitor_health_names[health]);
  if (rc < 0)
    json_add_text (o, "error", why.msg, strlen (why.msg));
  else
    json_add_text (o, "status", status, strlen (status));
  json_object_array_add (samples, o);

  /* -EBUSY and the like are our own trouble, and say nothing of QEMU. */
  if (rc >= 0 || health != MONITOR_GONE || rc == -ENOENT
      || rc == -ECONNREFUSED)
    {
      *told = true;
      collect_str (ctx, "vmm.monitor", "monitor",
                   monitor_health_names[health]);
    }
  if (rc >= 0)
    collect_str (ctx, "vmm.status", "monitor", status);
  else
    *err = why;
  return rc;
}

static void
publish_vcpus (struct collect_ctx *ctx, const struct monitor_vcpu *vcpus,
               size_t n, uint64_t elapsed_us)
{
  double ns = (double) elapsed_us * 1e3;
  struct vcpu_share shares[MONITOR_MAX_VCPUS];
  size_t k = 0;

  for (size_t i = 0; i < n && ns > 0; i++)
    {
      const struct thread_time *was = &vcpus[i].time;
      struct thread_time now;

      if (!monitor_thread_time (ctx->guest->inc.pid, vcpus[i].tid, &now)
          || now.run < was->run || now.wait < was->wait)
        continue;
      shares[k++] = (struct vcpu_share){ vcpus[i].number,
                                         (double) (now.run - was->run) / ns,
                                         (double) (now.wait - was->wait)
                                             / ns };
    }
  if (k)
    collect_shares (ctx, "monitor", shares, k);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct json_object *samples = json_object_new_array ();
  struct monitor_vcpu vcpus[MONITOR_MAX_VCPUS];
  uint64_t begun;
  size_t n = 0;
  bool told = false;
  int rc;

  json_object_object_add (doc, "samples", samples);
  if (ctx->guest->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "this guest has no monitor to ask");
  rc = ask (ctx, samples, &told, err);
  if (rc >= 0 && ctx->guest->monitor == MONITOR_UNIX
      && ctx->guest->inc.pid > 0)
    n = monitor_vcpus (ctx->env, ctx->guest,
                       collect_until (ctx, MONITOR_HOLD_MS), vcpus);
  begun = clock_us ();
  if (collect_pause (ctx, COLLECT_APART_MS))
    {
      publish_vcpus (ctx, vcpus, n, clock_us () - begun);
      rc = ask (ctx, samples, &told, err);
    }
  else
    ctx->out->gap (ctx->out, "monitor/status.json",
                   "no second sample: the budget ended");
  collect_json (ctx, "monitor/status.json", doc);
  return told ? 0 : rc;
}

static void
plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  (void) own;
  if (g->monitor == MONITOR_NONE)
    snprintf (ret->never, sizeof ret->never,
              "this guest has no monitor to ask");
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "asks the monitor for the run state, twice%s",
            g->monitor == MONITOR_LIBVIRT ? ", through libvirt" : "");
  if (g->monitor == MONITOR_UNIX && g->inc.pid > 0)
    snprintf (ret->acts[1], sizeof ret->acts[1],
              "asks the monitor for the threads of the vCPUs");
}

const struct collector collect_monitor = {
  .name = "monitor",
  .summary = "run state, asked twice; QEMU's main loop; how busy the vCPUs are",
  .touch = TOUCH_MONITOR,
  .lane = LANE_MONITOR,
  .budget_ms = 8000,
  .bytes = 1024,
  .fades = true,
  .plan = plan,
  .run = run,
};
