/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector monitor: does QEMU's main loop answer, and what does it say the
 * guest does?  Asked twice, apart: a main loop that is busy once is slow,
 * not stuck.
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/monitor.h"

#include <string.h>

static void
ask (struct collect_ctx *ctx, struct json_object *samples)
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
    collect_str (ctx, "vmm.monitor", "monitor", monitor_health_names[health]);
  if (rc >= 0)
    collect_str (ctx, "vmm.status", "monitor", status);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct json_object *samples = json_object_new_array ();

  json_object_object_add (doc, "samples", samples);
  if (ctx->guest->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "this guest has no monitor to ask");
  ask (ctx, samples);
  if (collect_pause (ctx, COLLECT_APART_MS))
    ask (ctx, samples);
  else
    ctx->out->gap (ctx->out, "monitor/status.json",
                   "no second sample: the budget ended");
  collect_json (ctx, "monitor/status.json", doc);
  return 0;
}

const struct collector collect_monitor = {
  .name = "monitor",
  .summary = "run state, asked twice; whether QEMU's main loop answers",
  .touch = TOUCH_MONITOR,
  .lane = "monitor",
  .budget_ms = 6000,
  .bytes = 1024,
  .run = run,
};
