/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector monitor: does QEMU's main loop answer, and what does it say the
 * guest does?  Asked twice, apart: a main loop that is busy once is slow,
 * not stuck.  One that answers is asked all there is to ask (qmp.c), and one
 * whose process is stopped need not be asked again.
 *
 * Over a socket of QEMU's own it is also asked once which threads are its
 * vCPUs, and how busy those are in between (libvirt would have to be asked by
 * a raw command, which taints; there QEMU names its threads).
 */
#include "diag/collect/qmp.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/opener.h"
#include "transports/monitor/look.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct monitor_own
{
  bool raw;
};

static const struct json_field fields[] = {
  { .name = "raw",
    .kind = JSON_BOOL,
    .offset = offsetof (struct monitor_own, raw),
    .help = "through libvirt also what only raw commands tell (registers, "
            "lapic, throttles): that taints the domain" },
  { .name = NULL },
};

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

/* Until it is let go on its monitor answers nobody, however healthy it is. */
static bool
is_stopped (const struct collect_ctx *ctx)
{
  char state
      = ctx->guest->inc.pid > 0 ? proc_state (ctx->guest->inc.pid) : 0;

  return state == 'T' || state == 't';
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

/* All of what moves, and of what does not, once. */
static void
look (struct collect_ctx *ctx, bool raw, bool second, struct qmp_said *ret,
      struct json_object *disks)
{
  struct error why = ERROR_INIT;

  qmp_round (ctx, raw, second, ret);
  if (collect_disk_look (ctx, disks, second ? DISK_SECOND : DISK_FIRST, &why)
      < 0)
    ctx->out->gap (ctx->out, "disk/blockstats.json", "%s",
                   error_text (&why));
}

static int
second_round (struct collect_ctx *ctx, struct json_object *samples, bool raw,
              struct qmp_said *first, struct json_object *disks, bool *told,
              struct error *err)
{
  struct qmp_said now = { NULL, 0 };
  int rc = ask (ctx, samples, told, err);

  if (rc >= 0)
    /* All of it, if nobody answered the first time. */
    look (ctx, raw, first->said != NULL, &now, disks);
  else if (first->said)
    ctx->out->gap (ctx->out, "qmp/transcript.jsonl", "not asked again: %s",
                   error_text (err));
  if (now.said && json_object_object_length (now.said) > 0)
    qmp_facts (ctx, first->said, now.said);
  else if (first->said)
    qmp_facts (ctx, NULL, first->said);
  qmp_metrics (ctx, first, &now);
  json_object_put (now.said);
  return rc;
}

/* Who did not answer at once has had the time that lies between two samples. */
static uint64_t
apart_ms (int rc, uint64_t took_ms)
{
  return rc < 0 && took_ms >= COLLECT_APART_MS ? 0 : COLLECT_APART_MS;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  CLEANUP_JSON struct json_object *disks = json_object_new_object ();
  struct json_object *samples = json_object_new_array ();
  const struct monitor_own *own = ctx->own;
  struct monitor_vcpu vcpus[MONITOR_MAX_VCPUS];
  struct qmp_said first = { NULL, 0 };
  bool told = false, raw = own && own->raw, stopped = is_stopped (ctx);
  uint64_t begun, took = clock_ms ();
  size_t n = 0;
  int rc;

  json_object_object_add (doc, "samples", samples);
  if (ctx->guest->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "this guest has no monitor to ask");
  rc = ask (ctx, samples, &told, err);
  took = clock_ms () - took;
  if (rc >= 0)
    look (ctx, raw, false, &first, disks);
  if (rc >= 0 && ctx->guest->monitor == MONITOR_UNIX
      && ctx->guest->inc.pid > 0)
    n = monitor_vcpus (ctx->env, ctx->guest,
                       collect_until (ctx, MONITOR_HOLD_MS), vcpus);
  begun = clock_us ();
  if (rc < 0 && stopped && is_stopped (ctx))
    {
      collect_str (ctx, "qemu.state", "host", "stopped");
      ctx->out->gap (ctx->out, "monitor/status.json",
                     "no second sample: its QEMU process is stopped by a "
                     "signal or a debugger");
    }
  else if (collect_pause (ctx, apart_ms (rc, took)))
    {
      publish_vcpus (ctx, vcpus, n, clock_us () - begun);
      rc = second_round (ctx, samples, raw, &first, disks, &told, err);
    }
  else
    ctx->out->gap (ctx->out, "monitor/status.json",
                   "no second sample: the budget ended");
  json_object_put (first.said);
  collect_disk_tell (ctx, disks);
  collect_json (ctx, "monitor/status.json", doc);
  return told ? 0 : rc;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct monitor_own *own = arg;
  bool raw = own && own->raw;

  collect_plan_monitor (g, "the run state, disks, devices, vCPUs, jobs and "
                           "migration", ret);
  if (g->monitor == MONITOR_UNIX)
    snprintf (ret->acts[1], sizeof ret->acts[1],
              "holds the monitor's socket for at most %u s each time",
              MONITOR_HOLD_MS / 1000);
  if (g->monitor == MONITOR_UNIX || raw)
    snprintf (ret->acts[2], sizeof ret->acts[2],
              "asks for the registers of the vCPUs, which are halted for a "
              "moment each");
  if (g->monitor == MONITOR_LIBVIRT && raw)
    snprintf (ret->acts[3], sizeof ret->acts[3],
              "sends raw monitor commands: libvirt notes the domain as "
              "tainted (custom-monitor)");
}

const struct collector collect_monitor = {
  .name = "monitor",
  .summary = "run state, QEMU's main loop, vCPUs; all it tells, asked twice",
  .touch = TOUCH_MONITOR,
  .lane = LANE_MONITOR,
  .budget_ms = 12000,
  .bytes = 64 << 10,
  .fades = true,
  .fields = fields,
  .own_size = sizeof (struct monitor_own),
  .plan = plan,
  .run = run,
};
