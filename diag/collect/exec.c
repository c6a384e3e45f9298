/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector exec: a program of the operator's on this host, and what it says.
 *
 * It is one of those that the configuration has folders for, as of scenarios
 * of kind exec; what it knows of a guest that hangdog does not (a storage
 * array, a switch) gets into the bundle by it.  What it prints is one file,
 * or several: a line "@@ NAME" begins another.  And it has a folder, for what
 * is a file by itself.
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
       uint64_t budget_ms, struct error *err)
{
  const struct exec_own *own = arg;
  char at[80];

  (void) budget_ms;
  if (own->program && text_is_name (own->program))
    return 0;
  snprintf (at, sizeof at, "%s.program", path);
  return json_error_at (doc, at, err,
                        "is the name of a program in a folder of the host's "
                        "configuration (`exec`), not a path");
}

/* Of a file in a bundle. */
#define MAX_NAME 99

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
  snprintf (file, sizeof file, "exec/%s%s%.*s.txt", program, *part ? "-" : "",
            *part ? (int) (MAX_NAME - strlen ("exec/-.txt") - strlen (program))
                  : 0,
            name);
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

/* ---- what it leaves ---- */

struct leaving
{
  struct collect_ctx *ctx;
  const char *program;
  char folder[80]; /* of the bundle, with its "/" */
  struct
  {
    char name[256], file[200]; /* MAX_NAME of it are used */
  } files[EXEC_MAX_FILES];
  unsigned n;
};

static bool
is_taken (const struct leaving *l, const char *file)
{
  for (unsigned i = 0; i < l->n; i++)
    if (strcmp (l->files[i].file, file) == 0)
      return true;
  return false;
}

/* Where it stands in the bundle: two that would have the same name there are
 * two files still.  NULL: it is too long. */
static const char *
file_for (struct leaving *l, const char *name)
{
  char clean[MAX_NAME];
  unsigned i = 0;
  char *file;

  while (i < l->n && strcmp (l->files[i].name, name) != 0)
    i++;
  if (i < l->n)
    return l->files[i].file;
  if (i == EXEC_MAX_FILES || strlen (name) >= sizeof l->files[i].name)
    return NULL;
  file = l->files[i].file;
  /* Room for "-31". */
  text_make_name (clean, MAX_NAME - 3 - strlen (l->folder), name);
  snprintf (file, sizeof l->files[i].file, "%s%s", l->folder, clean);
  for (unsigned k = 1; is_taken (l, file); k++)
    snprintf (file, sizeof l->files[i].file, "%s%s-%u", l->folder, clean, k);
  snprintf (l->files[i].name, sizeof l->files[i].name, "%s", name);
  l->n++;
  return file;
}

static void
left_gap (void *arg, const char *name, const char *why)
{
  struct leaving *l = arg;
  struct buf what CLEANUP_BUF = BUF_INIT (120);

  buf_printf (&what, "exec/%s", l->program);
  if (*name)
    {
      buf_putc (&what, '/');
      text_escape (&what, name, strlen (name), 0);
    }
  l->ctx->out->gap (l->ctx->out, buf_str (&what), "%.200s", why);
}

static void
left_piece (void *arg, const char *name, const void *data, size_t len)
{
  struct leaving *l = arg;
  const char *file = file_for (l, name);

  if (!file || len == 0)
    left_gap (l, name, file ? "it is empty" : "its name is too long");
  else
    l->ctx->out->file (l->ctx->out, file, data, len);
}

static void
leaving_init (struct leaving *l, struct collect_ctx *ctx, const char *program)
{
  size_t n = strlen (program);

  *l = (struct leaving){ .ctx = ctx, .program = program };
  snprintf (l->folder, sizeof l->folder, "exec/%.63s/", program);
  /* Not what another one's output is called. */
  if (n > 4 && strcmp (program + n - 4, ".txt") == 0)
    l->folder[strlen ("exec/") + n - 4] = '_';
}

/* ---- what came of it ---- */

/* A step with a name of its own has a fact of its own: of two that run the same
 * program each has its status. */
static const char *
known_as (const struct collect_ctx *ctx, const char *program)
{
  return ctx->step && strcmp (ctx->step, collect_exec.name) != 0 ? ctx->step
                                                                  : program;
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
      program = known_as (ctx, program);
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
    case EXEC_FULL:
      return error_set (err, EFBIG,
                        "%s did not stop to fill its folder, and was ended",
                        program);
    default:
      return error_set (err, ENOEXEC, "%s", r->detail);
    }
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct exec_own *own = ctx->own;
  CLEANUP_JSON struct json_object *told = exec_environ (ctx->guest);
  struct leaving files;
  const struct exec_left left
      = { .piece = left_piece, .gap = left_gap, .arg = &files };
  const struct exec_program program
      = { .name = own->program,
          .args = (const char *const *) own->args.items,
          .nargs = own->args.count,
          .environ = told,
          .job = ctx->job,
          .left = &left };
  struct exec_result r;
  uint64_t begun = clock_ms ();
  char number[32];
  int rc;

  leaving_init (&files, ctx, own->program);
  exec_tell (told, "HANGDOG_SCENARIO", ctx->scenario ? ctx->scenario : "");
  snprintf (number, sizeof number, "%llu",
            (unsigned long long) exec_time (&program, ctx->deadline));
  exec_tell (told, "HANGDOG_TIMEOUT_MS", number);
  rc = exec_run (ctx->env, &program, ctx->deadline, &r, err);
  if (rc < 0)
    return rc;
  if (r.end != EXEC_UNUSABLE)
    ctx->out->impact_since (ctx->out, begun, "ran the host's program %s",
                            own->program);
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
  snprintf (ret->acts[1], sizeof ret->acts[1],
            "takes what it leaves in a folder of its own, %u MiB and %u files "
            "at most",
            EXEC_MAX_LEFT >> 20, EXEC_MAX_FILES);
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
