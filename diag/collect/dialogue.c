/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector dialogue: steps of sending and expecting on a console, as of a
 * scenario of that kind, and what was said.
 *
 * What it types may be what nobody else should read, and stands in the
 * playbook: the transcript says only where it was typed.
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "transports/console/ask.h"
#include "transports/console/dialogue.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_HEARD (64u << 10)
#define MAX_TOLD 8 /* times that something was typed */

struct dialogue_own
{
  char *console;
  struct json_list steps;
};

static const struct json_field fields[] = {
  { .name = "console",
    .kind = JSON_STRING,
    .offset = offsetof (struct dialogue_own, console),
    .min = 1,
    .max = 31,
    .help = "on which console; default the first that can be typed into" },
  { .kind = JSON_GROUP,
    .sub = dialogue_keys,
    .offset = offsetof (struct dialogue_own, steps) },
  { .name = NULL },
};

static int
check (const struct json_doc *doc, const char *path, const void *arg,
       uint64_t budget_ms, struct error *err)
{
  const struct dialogue_own *own = arg;

  return dialogue_check (doc, path, &own->steps, budget_ms, err);
}

/* ---- what is said ---- */

/* Its lines begin with "> " where they are ours, with "| " where they are the
 * guest's: what it says can't pass for what was done. */
struct transcript
{
  struct collect_ctx *ctx;
  char file[120];
  bool begun, in_line;
  size_t heard, lost;
  unsigned typed;
  struct buf lines; /* of the guest's, until there are some */
};

/* A guest may say its words a byte at a time. */
#define PIECE 4096

static void
flush_heard (struct transcript *t)
{
  if (t->lines.len)
    t->ctx->out->file (t->ctx->out, t->file, buf_str (&t->lines),
                       t->lines.len);
  buf_clear (&t->lines);
}

static void
write_ours (struct transcript *t, const char *text)
{
  struct buf line CLEANUP_BUF = BUF_INIT (1024);

  flush_heard (t);
  buf_printf (&line, "%s> %s\n", t->in_line ? "\n" : "", text);
  t->in_line = false;
  t->begun = true;
  t->ctx->out->file (t->ctx->out, t->file, buf_str (&line), line.len);
}

static void
typed (struct transcript *t, size_t len)
{
  char text[80];

  snprintf (text, sizeof text, "typed: %zu byte%s", len, len == 1 ? "" : "s");
  write_ours (t, text);
  if (t->typed++ < MAX_TOLD)
    t->ctx->out->impact (t->ctx->out, "typed %zu byte%s on its console", len,
                         len == 1 ? "" : "s");
}

static void
heard (struct transcript *t, const char *data, size_t len)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (5 * MAX_HEARD);
  size_t room = MAX_HEARD - t->heard;

  if (len > room)
    {
      t->lost += len - room;
      len = room;
    }
  t->heard += len;
  text_escape (&shown, data, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  for (size_t i = 0; i < shown.len; i++)
    {
      if (!t->in_line)
        buf_puts (&t->lines, "| ");
      buf_putc (&t->lines, shown.data[i]);
      t->in_line = shown.data[i] != '\n';
    }
  if (t->lines.len >= PIECE)
    flush_heard (t);
}

static void
said (void *arg, bool ours, const void *data, size_t len)
{
  struct transcript *t = arg;

  if (ours)
    typed (t, len);
  else
    heard (t, data, len);
}

/* ---- what came of it ---- */

static void
tell (struct transcript *t, const struct dialogue_result *r)
{
  struct collect_ctx *ctx = t->ctx;
  const char *step = ctx->step;
  char name[FACT_NAME_MAX], text[160];

  collect_name (name, sizeof name, "dialogue.", step, ".end");
  collect_str (ctx, name, "console", dialogue_end_names[r->end]);
  collect_name (name, sizeof name, "dialogue.", step, ".at");
  collect_str (ctx, name, "console", r->last->name);
  collect_name (name, sizeof name, "dialogue.", step, ".saw");
  if (r->match.len)
    collect_text (ctx, name, "console", buf_str (&r->match), r->match.len);
  snprintf (text, sizeof text, "ended in step %.63s: %s", r->last->name,
            dialogue_end_names[r->end]);
  write_ours (t, text);
  if (t->typed > MAX_TOLD)
    ctx->out->impact (ctx->out, "typed %u times more on its console",
                      t->typed - MAX_TOLD);
  if (t->lost)
    ctx->out->gap (ctx->out, t->file, "it said %zu bytes more than %u KiB",
                   t->lost, MAX_HEARD >> 10);
}

/* How it ended is a fact in each case; some ends say nothing of the guest. */
static int
no_verdict (const struct dialogue_result *r, struct error *err)
{
  switch (r->end)
    {
    case DIALOGUE_BOOTING:
      return error_set (err, EAGAIN, "nothing is typed while it boots%s%s",
                        r->detail[0] ? ": " : "", r->detail);
    case DIALOGUE_TAKEN:
      return error_set (err, ECANCELED,
                        "the console was taken, or went away, in step %.63s",
                        r->last->name);
    case DIALOGUE_REGEX_LIMIT:
      return error_set (err, E2BIG,
                        "an expression of step %.63s takes too many steps to "
                        "match",
                        r->last->name);
    default:
      return 0;
    }
}

static int
talk (struct transcript *t, struct session *session, struct error *err)
{
  struct collect_ctx *ctx = t->ctx;
  const struct dialogue_own *own = ctx->own;
  struct dialogue_result r;
  int rc;

  session_record (session, said, t);
  rc = dialogue_run (&own->steps, session, ctx->job, ctx->deadline, &r, err);
  session_record (session, NULL, NULL);
  flush_heard (t);
  if (rc < 0)
    return rc;
  tell (t, &r);
  rc = no_verdict (&r, err);
  dialogue_result_done (&r);
  return rc;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct dialogue_own *own = ctx->own;
  struct ask_result opened = { .end = ASK_OK };
  struct transcript t = { .ctx = ctx, .lines = BUF_INIT (16 * MAX_HEARD) };
  struct session *session;
  char who[96];
  int rc;

  snprintf (who, sizeof who, "a diagnosis, step %.63s", ctx->step);
  snprintf (t.file, sizeof t.file, "dialogue/%.63s.txt", ctx->step);
  rc = console_ask_open (ctx->env, ctx->guest, own->console, LEASE_SCENARIO,
                         who, ctx->deadline, &session, &opened, err);
  if (rc < 0)
    return rc;
  if (!session)
    return error_set (err, opened.end == ASK_ABSENT ? ENODEV : EBUSY,
                      "there is no console to talk on: %s", opened.detail);
  rc = talk (&t, session, err);
  session_close (session);
  buf_done (&t.lines);
  return rc;
}

/* ---- before ---- */

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct dialogue_own *own = arg;
  const char *on = own->console ? own->console : "its console";
  const struct dialogue_step *st;
  unsigned n = 0;

  for (size_t i = 0; i < own->steps.count && n < COLLECT_ACTS; i++)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (60);

      st = dialogue_step_at (&own->steps, i);
      if (!st->send)
        continue;
      text_escape (&text, st->send, strlen (st->send), 0);
      snprintf (ret->acts[n], sizeof ret->acts[n], "types on %.31s: %.60s%s",
                on, buf_str (&text),
                n == COLLECT_ACTS - 1 ? " (and others)" : "");
      n++;
    }
  if (n == 0)
    snprintf (ret->acts[0], sizeof ret->acts[0],
              "takes %.31s, and types nothing", on);
  if (own->console ? !guest_console_find (g, own->console) : !g->nconsoles)
    {
      snprintf (ret->never, sizeof ret->never, "the guest has no console%s%s",
                own->console ? " called " : "",
                own->console ? own->console : "");
      ret->none = true;
    }
}

const struct collector collect_dialogue = {
  .name = "dialogue",
  .summary = "what is answered on a console to what the step types",
  .touch = TOUCH_CONSOLE,
  .lane = LANE_CONSOLE,
  .budget_ms = 10000,
  .bytes = 4 << 10,
  .fields = fields,
  .own_size = sizeof (struct dialogue_own),
  .check = check,
  .plan = plan,
  .run = run,
};
