/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector guest-commands: commands in the guest's shell that a playbook
 * names, and what they say.  They are the operator's: whether they only read
 * is for him to know.
 */
#include "diag/collect/inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "diag/collect/collect.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COMMANDS 16
#define MAX_SAID 16384 /* of one: cut off in the guest already */
#define MAX_OUTPUT (64u << 10)
/* On a console all is one line, and shells take no longer ones. */
#define MAX_SCRIPT 900

struct commands_own
{
  struct inside_own inside; /* first: it is read as that, too */
  struct json_list run;     /* char * */
};

static const struct json_field fields[] = {
  { .kind = JSON_GROUP, .sub = inside_fields },
  { .name = "run",
    .kind = JSON_ARRAY,
    .offset = offsetof (struct commands_own, run),
    .required = true,
    .min = 1,
    .max = MAX_COMMANDS,
    .elem_kind = JSON_STRING,
    .elem_size = sizeof (char *),
    .help = "commands for its shell, one after another; each a line" },
  { .name = NULL },
};

/* The status goes with what it said: a pipe would hide it. */
static void
make_script (struct buf *out, const struct commands_own *own)
{
  char *const *list = own->run.items;

  for (size_t i = 0; i < own->run.count; i++)
    buf_printf (out, "echo '@@ %zu'; { ( %s ) 2>&1; echo \"@@ =$?\"; } | "
                     "head -c %d | " INSIDE_MARK "; echo; ",
                i, list[i], MAX_SAID);
  buf_puts (out, "echo '@@ end'");
}

static int
check (const struct json_doc *doc, const char *path, const void *arg,
       uint64_t budget_ms, struct error *err)
{
  const struct commands_own *own = arg;
  struct buf script CLEANUP_BUF = BUF_INIT (64u << 10);
  char *const *list = own->run.items;
  char at[80];

  (void) budget_ms;
  for (size_t i = 0; i < own->run.count; i++)
    for (const char *p = list[i]; *p || p == list[i]; p++)
      if (!*p || (unsigned char) *p < 0x20 || *p == 0x7f)
        {
          snprintf (at, sizeof at, "%s.run[%zu]", path, i);
          return json_error_at (doc, at, err,
                                "must be one line, without control "
                                "characters");
        }
  make_script (&script, own);
  if (own->inside.way == 0 && script.len > MAX_SCRIPT)
    {
      snprintf (at, sizeof at, "%s.run", path);
      return json_error_at (doc, at, err,
                            "is too much for one line of a console (%zu "
                            "bytes of %u): take several steps",
                            script.len, MAX_SCRIPT);
    }
  return 0;
}

/* A step with a name of its own has a file of its own: several of them are what
 * more commands than go into a line are asked by. */
static const char *
file_of (const struct collect_ctx *ctx, char *dst, size_t n)
{
  bool own = ctx->step && strcmp (ctx->step, collect_commands.name) != 0;

  snprintf (dst, n, "inside/commands%s%.63s.txt", own ? "-" : "",
            own ? ctx->step : "");
  return dst;
}

/* As it was, with its end: "@@ =0" is marked like all of it. */
static void
take_part (struct collect_ctx *ctx, const struct commands_own *own,
           const struct inside_part *part)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * MAX_OUTPUT);
  char *const *list = own->run.items;
  unsigned long n = strtoul (part->name, NULL, 10);
  char file[100];
  const char *end;

  if (!isdigit ((unsigned char) part->name[0]) || n >= own->run.count)
    return;
  inside_unmark (part, &text);
  end = text.len ? strstr (buf_str (&text), "@@ =") : NULL;
  buf_printf (&shown, "$ %s\n", list[n]);
  text_escape (&shown, buf_str (&text),
               end ? (size_t) (end - buf_str (&text)) : text.len,
               TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  if (end)
    buf_printf (&shown, "(status %d)\n\n", atoi (end + 4));
  else
    {
      buf_puts (&shown, "(cut off)\n\n");
      ctx->out->gap (ctx->out, file_of (ctx, file, sizeof file),
                     "more than %u KiB, or no end: %s", MAX_SAID >> 10,
                     list[n]);
    }
  ctx->out->file (ctx->out, file_of (ctx, file, sizeof file),
                  buf_str (&shown), shown.len);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct commands_own *own = ctx->own;
  struct buf script CLEANUP_BUF = BUF_INIT (64u << 10);
  struct buf said CLEANUP_BUF = BUF_INIT (MAX_OUTPUT);
  char *const *list = own->run.items;
  struct inside_part part;
  const char *at, *end;
  bool whole = false;
  char file[100];
  uint64_t begun;
  int rc;

  make_script (&script, own);
  begun = clock_ms ();
  rc = inside_ask (ctx, buf_str (&script), &said, err);
  if (rc < 0)
    return rc;
  for (size_t i = 0; i < own->run.count; i++)
    ctx->out->impact_since (ctx->out, begun, "ran in the guest: %.200s",
                            list[i]);
  at = buf_str (&said);
  end = at + said.len;
  for (unsigned n = 0; n <= MAX_COMMANDS && inside_next (&at, end, &part);
       n++)
    {
      whole = whole || strcmp (part.name, "end") == 0;
      take_part (ctx, own, &part);
    }
  if (!whole)
    ctx->out->gap (ctx->out, file_of (ctx, file, sizeof file),
                   "its end is missing");
  return 0;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct commands_own *own = arg;
  char *const *list = own->run.items;

  inside_plan (g, &own->inside, ret);
  for (size_t i = 0; i < own->run.count && i < COLLECT_ACTS; i++)
    snprintf (ret->acts[i], sizeof ret->acts[i], "runs in the guest, by its "
              "%s: %s%.70s",
              inside_ways[own->inside.way],
              i == COLLECT_ACTS - 1 && own->run.count > COLLECT_ACTS
                  ? "(and others) "
                  : "",
              list[i]);
}

const struct collector collect_commands = {
  .name = "guest-commands",
  .summary = "commands in the guest's shell that the step names",
  .touch = TOUCH_INTRUSIVE,
  .lane = LANE_CONSOLE,
  .budget_ms = 12000,
  .bytes = 8 << 10,
  .fields = fields,
  .own_size = sizeof (struct commands_own),
  .check = check,
  .plan = plan,
  .run = run,
};
