/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector application: the application behind the scenario that failed, as
 * somebody in the guest sees it: its state, where its threads wait, bounds and
 * kills of its control group, connections that it has not taken, room where it
 * writes; and how it ended, if it has.
 *
 * What is said of processes is made rows of a look, and judged as those of the
 * guest's memory are (diag/outside/apps.h).
 */
#include "diag/collect/inside.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/collect/app_rows.h"
#include "diag/collect/collect.h"
#include "diag/outside/apps.h"

#include <errno.h>
#include <string.h>

#define MAX_OUTPUT (64u << 10)

static void
on_fact (const struct fact *f, void *arg)
{
  struct collect_ctx *ctx = arg;

  ctx->out->fact (ctx->out, f);
}

static void
tell (struct collect_ctx *ctx, struct outside *o, const struct app_rows *rows)
{
  CLEANUP_JSON struct json_object *doc = NULL;
  const char *full = app_rows_full (rows);
  struct apps_asked asked;

  apps_asked_by (ctx->hints, ctx->scenario, &asked);
  apps_facts (o, &asked, "inside", &ctx->guest->inc, on_fact, ctx);
  doc = apps_document (o, &asked);
  collect_json (ctx, "application/applications.json", doc);
  collect_int (ctx, "app.count", "inside", app_rows_processes (rows));
  if (full)
    collect_str (ctx, "fs.full", "inside", full);
}

static void
keep_answer (struct collect_ctx *ctx, const struct buf *said)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * MAX_OUTPUT);

  text_escape (&shown, buf_str (said), said->len,
               TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, "application/asked.txt", buf_str (&shown),
                  shown.len);
}

static int
judge (struct collect_ctx *ctx, const struct buf *said, struct outside *o,
       struct error *err)
{
  struct app_rows *rows = app_rows_new (o);
  const char *at = buf_str (said), *end = at + said->len;
  struct inside_part part;

  if (!rows)
    return error_set (err, ENOMEM, "no memory for what it said");
  while (inside_next (&at, end, &part))
    app_rows_part (rows, &part);
  outside_judge (o);
  tell (ctx, o, rows);
  app_rows_free (rows);
  return 0;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct buf said CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  struct outside *o;
  int rc = inside_ask (ctx, app_rows_script, &said, err);

  if (rc < 0)
    return rc;
  keep_answer (ctx, &said);
  o = outside_new ();
  if (!o)
    return error_set (err, ENOMEM, "no memory for what it said");
  rc = judge (ctx, &said, o, err);
  outside_free (o);
  return rc;
}

const struct collector collect_application = {
  .name = "application",
  .summary = "the application behind the scenario, by somebody inside: state, "
             "where threads wait, bounds, connections",
  .touch = TOUCH_CONSOLE,
  .lane = LANE_CONSOLE,
  .budget_ms = 15000,
  .bytes = 24 << 10,
  .fields = inside_fields,
  .own_size = sizeof (struct inside_own),
  .own_init = &inside_default,
  .plan = inside_plan,
  .run = run,
};
