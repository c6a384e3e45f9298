/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector gdb: the registers of the vCPUs, by QEMU's gdb socket.
 *
 * Who connects there stops the guest.  So it is done only where the
 * configuration allows it, of a guest that runs, with somebody at hand who
 * can let it go on (its monitor), and with the intent on disk: who starts
 * after a crash lets it go on.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/gdb/gdb.h"
#include "transports/monitor/monitor.h"

#include <stdio.h>
#include <string.h>

#define STAND_MS 2000 /* a guest stands still, at most */
#define MAX_TEXT (512u << 10)
#define ACT "vm-paused"

/* ---- on again ---- */

static int
status_of (struct collect_ctx *ctx, char status[64], struct error *err)
{
  enum monitor_health health = MONITOR_GONE;

  return monitor_status (ctx->env, ctx->guest,
                         collect_until (ctx, MONITOR_HOLD_MS), &health, status,
                         64, err);
}

static bool
runs (const char *status)
{
  return strncmp (status, "running", 7) == 0;
}

static int
go_on (struct collect_ctx *ctx, struct error *err)
{
  return ctx->guest->monitor == MONITOR_LIBVIRT
             ? gdb_resume_libvirt_ (ctx, err)
             : collect_order (ctx, "cont", err);
}

/* 0: it runs.  One that is in another state than what gdb leaves is not told to
 * run. */
static int
let_run (struct collect_ctx *ctx, struct error *err)
{
  char status[64] = "";
  int rc = status_of (ctx, status, err);

  if (rc < 0)
    return rc;
  if (strncmp (status, "paused", 6) != 0 && strncmp (status, "debug", 5) != 0)
    return 0;
  rc = go_on (ctx, err);
  if (rc == 0)
    rc = status_of (ctx, status, err);
  if (rc == 0 && !runs (status))
    rc = error_set (err, EIO, "it was told to go on, and is %s", status);
  return rc;
}

static int
undo_pause (struct collect_ctx *ctx, struct json_object *undo,
            struct error *err)
{
  (void) undo;
  return let_run (ctx, err);
}

const struct collect_undoer gdb_undo_pause = {
  .act = ACT,
  .lane = LANE_MONITOR,
  .budget_ms = 8000,
  .outlives_boot = true,
  .run = undo_pause,
  .pauses = true,
};

/* ---- a visit ---- */

static int
may_stop (struct collect_ctx *ctx, struct error *err)
{
  char status[64] = "";
  int rc;

  if (!(ctx->env->intrusive & INTRUSIVE_GDB))
    return error_set (err, EPERM,
                      "it stops the guest, and the configuration does not "
                      "allow that: \"intrusive\": [\"gdb\"]");
  if (!ctx->out->intend)
    return error_set (err, ENOSYS,
                      "nobody would let the guest go on after a crash");
  rc = status_of (ctx, status, err);
  if (rc < 0)
    return error_wrap (err, "nobody could let it go on");
  if (!runs (status))
    return error_set (err, EBUSY, "it does not run: %s", status);
  return 0;
}

static int
visit (struct collect_ctx *ctx, const char *path, struct buf *text,
       struct error *err)
{
  uint64_t until = collect_until (ctx, STAND_MS);
  struct error why = ERROR_INIT;
  struct gdb *gdb = NULL;
  int rc = gdb_open (ctx->env, ctx->guest, path, until, &gdb, err);

  if (rc == 0)
    rc = gdb_read (gdb, text, err);
  if (gdb_close (gdb, &why) < 0)
    ctx->out->gap (ctx->out, "gdb", "letting go: %s", error_text (&why));
  return rc;
}

static int
stop_and_read (struct collect_ctx *ctx, const char *path, struct buf *text,
               struct error *err)
{
  struct collect_out *out = ctx->out;
  struct json_object *undo = json_object_new_object ();
  struct error why = ERROR_INIT;
  uint64_t begun;
  int rc;

  json_add_str (undo, "act", ACT);
  rc = out->intend (out, undo, err);
  if (rc < 0)
    return rc;
  begun = clock_ms ();
  rc = visit (ctx, path, text, err);
  /* A word that was lost, or a QEMU that heard another. */
  if (let_run (ctx, &why) < 0)
    out->gap (out, "gdb", "whether the guest goes on is not known: %s",
              error_text (&why));
  else
    out->undone (out, ACT);
  out->impact_since (out, begun,
                     "stopped the guest for %llu ms to read its registers by "
                     "gdb",
                     (unsigned long long) (clock_ms () - begun));
  return rc;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  char path[GDB_PATH_MAX];
  int rc = may_stop (ctx, err);

  if (rc == 0)
    rc = gdb_find (ctx->guest, path, err);
  if (rc == 0)
    rc = stop_and_read (ctx, path, &text, err);
  if (text.len > 0)
    ctx->out->file (ctx->out, "gdb/registers.txt", buf_str (&text), text.len);
  return rc;
}

static void
plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  (void) own;
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "where the configuration allows it (intrusive: gdb): stops the "
            "guest for at most %d s",
            STAND_MS / 1000);
  if (g->inc.pid <= 0)
    snprintf (ret->never, sizeof ret->never,
              "its QEMU does not run on this host");
  else if (g->monitor == MONITOR_NONE)
    snprintf (ret->never, sizeof ret->never,
              "this guest has no monitor by which it could be let go on");
}

const struct collector collect_gdb = {
  .name = "gdb",
  .summary = "registers of the vCPUs by QEMU's gdb socket; stops the guest",
  .touch = TOUCH_INTRUSIVE,
  .lane = LANE_MONITOR,
  .budget_ms = 12000,
  .bytes = 4096,
  .plan = plan,
  .run = run,
};
