/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector disk: block counters twice.  A disk that moves proves a block
 * path that works; one that does not move proves nothing by itself (it may
 * have nothing to do), so that is said as what it is.  The collector monitor
 * asks for them beside all else that it asks twice.
 */
#include "diag/collect/collect.h"

#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/look.h"

#include <stdio.h>
#include <string.h>

static void
facts_of (struct collect_ctx *ctx, struct json_object *was,
          struct json_object *now, bool *any, bool *any_moved)
{
  json_object_object_foreach (now, target, counters)
  {
    struct json_object *before = json_get (was, target);
    char name[FACT_NAME_MAX];
    int64_t errors = json_get_int (counters, "errors", 0);

    if (!before)
      continue;
    *any = true;
    collect_name (name, sizeof name, "disk.", target, ".moved");
    collect_bool (ctx, name, "monitor", monitor_disk_moved (before, counters));
    collect_name (name, sizeof name, "disk.", target, ".crawls");
    if (json_get (counters, "crawls"))
      collect_bool (ctx, name, "monitor",
                    json_get_bool (counters, "crawls", false));
    *any_moved |= monitor_disk_moved (before, counters);
    collect_name (name, sizeof name, "disk.", target, ".errors");
    if (errors >= 0)
      collect_int (ctx, name, "monitor", errors);
    collect_name (name, sizeof name, "disk.", target, ".new_errors");
    if (errors >= 0)
      collect_int (ctx, name, "monitor",
                   errors - json_get_int (before, "errors", 0));
  }
}

int
collect_disk_look (struct collect_ctx *ctx, struct json_object *looks,
                   const char *which, struct error *err)
{
  struct json_object *said = NULL;
  int rc = monitor_blockstats (ctx->env, ctx->guest,
                               collect_until (ctx, MONITOR_HOLD_MS), &said,
                               err);

  if (rc >= 0)
    json_object_object_add (looks, which, said);
  return rc;
}

void
collect_disk_tell (struct collect_ctx *ctx, struct json_object *looks)
{
  struct json_object *first = json_get (looks, DISK_FIRST);
  struct json_object *second = json_get (looks, DISK_SECOND);
  bool any = false, any_moved = false;

  if (!first)
    return;
  if (second)
    facts_of (ctx, first, second, &any, &any_moved);
  /* Of no disk there is nothing to say. */
  if (any)
    collect_bool (ctx, "disk.any_moved", "monitor", any_moved);
  json_object_object_add (looks, "apart_ms",
                          json_object_new_int (COLLECT_APART_MS));
  collect_json (ctx, "disk/blockstats.json", looks);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *looks = json_object_new_object ();
  int rc;

  if (ctx->guest->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "this guest has no monitor to ask");
  rc = collect_disk_look (ctx, looks, DISK_FIRST, err);
  if (rc < 0)
    return rc;
  if (collect_pause (ctx, COLLECT_APART_MS))
    rc = collect_disk_look (ctx, looks, DISK_SECOND, err);
  else
    ctx->out->gap (ctx->out, "disk/blockstats.json",
                   "no second sample: the budget ended");
  collect_disk_tell (ctx, looks);
  return rc < 0 ? rc : 0;
}

static void
plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  (void) own;
  collect_plan_monitor (g, "the counters of its disks", ret);
}

const struct collector collect_disk = {
  .name = "disk",
  .summary = "block counters twice: which disks moved, which had errors",
  .touch = TOUCH_MONITOR,
  .lane = LANE_MONITOR,
  .budget_ms = 6000,
  .bytes = 2048,
  .plan = plan,
  .run = run,
};
