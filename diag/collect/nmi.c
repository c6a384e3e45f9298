/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector nmi: sends the guest a non-maskable interrupt, which a kernel hears
 * that takes no other.
 *
 * What it does then is the guest's own business: it says that it got one, or,
 * where kernel.unknown_nmi_panic or panic_on_unrecovered_nmi is set, it panics
 * and writes its crash dump.  Nothing of that can be undone: only where the
 * configuration allows it.
 */
#include "diag/collect/collect.h"

#include "base/error.h"

#include <stdio.h>

static int
send_nmi (struct collect_ctx *ctx, struct error *err)
{
  return ctx->guest->monitor == MONITOR_LIBVIRT
             ? nmi_libvirt_ (ctx, err)
             : collect_order (ctx, "inject-nmi", err);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  int rc;

  if (!(ctx->env->intrusive & INTRUSIVE_NMI))
    return error_set (err, EPERM,
                      "the guest may panic by it, and the configuration does "
                      "not allow that: \"intrusive\": [\"nmi\"]");
  rc = send_nmi (ctx, err);
  if (rc == 0)
    ctx->out->impact (ctx->out, "sent the guest an NMI");
  return rc;
}

static void
plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  (void) own;
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "where the configuration allows it (intrusive: nmi): sends an "
            "NMI, by which its kernel may panic");
  if (g->monitor == MONITOR_NONE)
    snprintf (ret->never, sizeof ret->never,
              "this guest has no monitor to send one by");
}

const struct collector collect_nmi = {
  .name = "nmi",
  .summary = "sends an NMI; what the kernel says of it is on the console",
  .touch = TOUCH_INTRUSIVE,
  .lane = LANE_MONITOR,
  .budget_ms = 4000,
  .bytes = 0,
  .plan = plan,
  .run = run,
};
