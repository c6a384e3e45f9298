/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector console: what the ring still has of each console.  Types
 * nothing, and in probe mode connects nothing: what was not drained then is
 * in the platform's own log, which is asked where it is known (memlog.c).
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "transports/console/hub.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEXT (512u << 10)

struct counting
{
  const struct buf *text;
  size_t at;
  int64_t line;
};

/* The number of the line in which that byte stands; asked in order. */
static int64_t
line_at (struct counting *c, size_t offset)
{
  for (; c->at < offset && c->at < c->text->len; c->at++)
    c->line += c->text->data[c->at] == '\n';
  return c->line;
}

/* From which byte of the .raw, and line of the .log, on it came when; and what
 * came while hangdog itself typed there. */
static void
write_index (struct collect_ctx *ctx, const char *file, const struct buf *text,
             const struct hub_kept *kept)
{
  struct buf rows CLEANUP_BUF = BUF_INIT (16u << 10);
  struct counting times = { text, 0, 1 }, typed = { text, 0, 1 };
  uint64_t now = clock_ms (), wall = clock_wall_ms ();
  char when[40];

  for (unsigned i = 0; i < kept->nmarks; i++)
    if (kept->marks[i].ms <= now)
      buf_printf (
          &rows,
          "{\"offset\":%zu,\"line\":%lld,\"mono_ms\":%llu,"
          "\"time\":\"%s\"}\n",
          kept->marks[i].offset,
          (long long) line_at (&times, kept->marks[i].offset),
          (unsigned long long) kept->marks[i].ms,
          clock_format (when, sizeof when, wall - (now - kept->marks[i].ms)));
  for (unsigned i = 0; i < kept->ntyped; i++)
    {
      long long from = line_at (&typed, kept->typed[i].from);

      /* Of its last byte: what comes behind a line's end is not its. */
      buf_printf (&rows,
                  "{\"offset\":%llu,\"end\":%llu,\"line\":%lld,"
                  "\"last_line\":%lld,\"typed_by\":\"hangdog\"}\n",
                  (unsigned long long) kept->typed[i].from,
                  (unsigned long long) kept->typed[i].to, from,
                  (long long) line_at (&typed, kept->typed[i].to - 1));
    }
  if (rows.len)
    ctx->out->file (ctx->out, file, buf_str (&rows), rows.len);
}

static void
write_files (struct collect_ctx *ctx, const char *name, bool first,
             const struct buf *text, const struct hub_kept *kept)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * MAX_TEXT);
  char clean[40] = "", file[80];

  if (!first)
    {
      text_make_name (clean, sizeof clean - 1, name);
      memcpy (clean + strlen (clean), "-", 2);
    }
  snprintf (file, sizeof file, "console/%stail.raw", clean);
  ctx->out->file (ctx->out, file, buf_str (text), text->len);
  text_escape (&shown, buf_str (text), text->len,
               TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  snprintf (file, sizeof file, "console/%stail.log", clean);
  ctx->out->file (ctx->out, file, buf_str (&shown), shown.len);
  snprintf (file, sizeof file, "console/%sindex.jsonl", clean);
  write_index (ctx, file, text, kept);
}

/* Broken by a right that we lack: that says nothing of the guest. */
static void
refused (struct collect_ctx *ctx, const struct guest_console *con)
{
  struct hub_look look;

  if (hub_look (ctx->env->hub, ctx->guest->inc.uuid, con->name, &look, NULL)
          == 0
      && (look.code == -EPERM || look.code == -EACCES))
    collect_text (ctx, "console.refused", "console", look.detail,
                  strlen (look.detail));
}

static void
one (struct collect_ctx *ctx, unsigned i)
{
  const struct guest_console *con = &ctx->guest->consoles[i];
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT);
  struct error why = ERROR_INIT;
  struct hub_kept kept;
  uint64_t now;

  if (hub_kept (ctx->env->hub, ctx->guest->inc.uuid, con->name, &text, &kept,
                &why)
      < 0)
    {
      ctx->out->gap (ctx->out, "console", "%s: %s", con->name,
                     error_text (&why));
      return;
    }
  if (kept.lost)
    ctx->out->gap (ctx->out, "console",
                   "%s: %llu older bytes were overwritten while reading",
                   con->name, (unsigned long long) kept.lost);
  write_files (ctx, con->name, i == 0, &text, &kept);
  collect_marks (ctx, buf_str (&text), text.len);
  if (i > 0)
    return;
  now = clock_ms ();
  collect_str (ctx, "console.state", "console",
               console_state_names[kept.state]);
  if (kept.state == CONSOLE_BROKEN)
    refused (ctx, con);
  collect_int (ctx, "console.kept", "console", (int64_t) text.len);
  if (text.len && kept.last_ms && kept.last_ms <= now)
    collect_int (ctx, "console.silent_ms", "console",
                 (int64_t) (now - kept.last_ms));
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct guest *g = ctx->guest;
  unsigned i = 0;

  if (g->nconsoles == 0)
    return error_set (err, ENOENT, "the guest has no console");
  for (; i < g->nconsoles && !collect_over (ctx); i++)
    one (ctx, i);
  if (i < g->nconsoles)
    ctx->out->gap (ctx->out, "console", "the budget ended before %s",
                   g->consoles[i].name);
  if (g->consoles[0].mode != CONSOLE_PROBE)
    return 0;
  if (collect_over (ctx))
    ctx->out->gap (ctx->out, "console", "the platform's log: the budget "
                                        "ended before it");
  else
    collect_memlog (ctx);
  return 0;
}

const struct collector collect_console = {
  .name = "console",
  .summary = "the last text of each console, raw and readable",
  .touch = TOUCH_NOTHING,
  .lane = LANE_TEXT,
  .budget_ms = 3000,
  .bytes = 64 << 10,
  .fades = true,
  .run = run,
};
