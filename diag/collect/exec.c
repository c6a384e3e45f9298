/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector exec: a program of the operator's on this host, and what it says.
 *
 * It is one of those that the configuration has folders for, as of scenarios
 * of kind exec; what it knows of a guest that hangdog does not (a storage
 * array, a switch) gets into the bundle by it.  What it prints is one file,
 * or several: a line "@@ NAME" begins another.
 */
#include "diag/collect/inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "diag/collect/collect.h"
#include "transports/exec/exec.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_FILES 16
#define MAX_ARGS 16

struct exec_own
{
  char *program;
  struct json_list args;
};

static const struct json_field fields[] = {
  { .name = "program",
    .kind = JSON_STRING,
    .offset = offsetof (struct exec_own, program),
    .required = true,
    .min = 1,
    .max = 63,
    .help = "its name, in a folder of `exec` in the host's configuration" },
  { .name = "args",
    .kind = JSON_ARRAY,
    .offset = offsetof (struct exec_own, args),
    .max = MAX_ARGS,
    .elem_kind = JSON_STRING,
    .elem_size = sizeof (char *),
    .help = "given to it as they are" },
  { .name = NULL },
};

static int
check (const struct json_doc *doc, const char *path, const void *arg,
       struct error *err)
{
  const struct exec_own *own = arg;
  char at[80];

  if (own->program && text_is_name (own->program))
    return 0;
  snprintf (at, sizeof at, "%s.program", path);
  return json_error_at (doc, at, err,
                        "is the name of a program in a folder of the host's "
                        "configuration (`exec`), not a path");
}

/* ---- what it says ---- */

static void
keep (struct collect_ctx *ctx, const char *program, const char *part,
      const char *text, size_t len)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (4 * EXEC_MAX_OUTPUT);
  char file[120], name[40];

  if (len == 0)
    return;
  text_make_name (name, sizeof name, part);
  snprintf (file, sizeof file, "exec/%s%s%s.txt", program, *part ? "-" : "",
            *part ? name : "");
  text_escape (&shown, text, len, TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB);
  ctx->out->file (ctx->out, file, buf_str (&shown), shown.len);
}

static void
keep_output (struct collect_ctx *ctx, const char *program,
             const struct buf *out)
{
  const char *at = buf_str (out), *end = at + out->len;
  struct inside_part part = { .len = 0 };
  unsigned n = 0;

  if (!out->len)
    return;
  /* What stands before the first head. */
  if (!inside_next (&at, end, &part))
    keep (ctx, program, "", out->data, out->len);
  else
    do
      keep (ctx, program, part.name, part.text, part.len);
    while (++n < MAX_FILES && inside_next (&at, end, &part));
}

static int
judge (struct collect_ctx *ctx, const char *program,
       const struct exec_result *r, struct error *err)
{
  char name[FACT_NAME_MAX];

  keep_output (ctx, program, &r->output);
  keep (ctx, program, "stderr", r->errors.data, r->errors.len);
  if (r->cut)
    ctx->out->gap (ctx->out, "exec", "%s said more than %u KiB", program,
                   EXEC_MAX_OUTPUT >> 10);
  switch (r->end)
    {
    case EXEC_EXITED:
      collect_name (name, sizeof name, "exec.", program, ".status");
      collect_int (ctx, name, "host", r->status);
      return 0;
    case EXEC_SIGNAL:
      return error_set (err, EIO, "%s ended by signal %d", program, r->status);
    case EXEC_TIMEOUT:
      return error_set (err, ETIMEDOUT,
                        "%s did not end in time, and was ended with %u that "
                        "it had started",
                        program, r->killed > 0 ? r->killed - 1 : 0);
    default:
      return error_set (err, ENOEXEC, "%s", r->detail);
    }
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct exec_own *own = ctx->own;
  CLEANUP_JSON struct json_object *told = exec_environ (ctx->guest);
  const struct exec_program program
      = { .name = own->program,
          .args = (const char *const *) own->args.items,
          .nargs = own->args.count,
          .environ = told };
  struct exec_result r;
  char number[32];
  int rc;

  exec_tell (told, "HANGDOG_SCENARIO", ctx->scenario ? ctx->scenario : "");
  snprintf (number, sizeof number, "%llu",
            (unsigned long long) (ctx->deadline - clock_ms ()));
  exec_tell (told, "HANGDOG_TIMEOUT_MS", number);
  rc = exec_run (ctx->env, &program, ctx->deadline, &r, err);
  if (rc < 0)
    return rc;
  if (r.end != EXEC_UNUSABLE)
    ctx->out->impact (ctx->out, "ran the host's program %s", own->program);
  rc = judge (ctx, own->program, &r, err);
  exec_result_done (&r);
  return rc;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct exec_own *own = arg;

  (void) g;
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "runs the host's program %.63s, which may do anything",
            own->program);
}

const struct collector collect_exec = {
  .name = "exec",
  .summary = "a program of the operator's on this host, and what it says",
  .touch = TOUCH_INTRUSIVE,
  .lane = LANE_EXEC,
  .budget_ms = 10000,
  .bytes = 16 << 10,
  .fields = fields,
  .own_size = sizeof (struct exec_own),
  .check = check,
  .plan = plan,
  .run = run,
};
