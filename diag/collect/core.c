/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector core: all of the guest's memory, into a folder of this host that
 * the configuration has for it.  It is not in the bundle: it holds all that
 * the guest knows, and is as large as that.
 *
 * Done by `hangdog core`, a process of its own: the disk that it writes to may
 * be dead.  It is bounded there: by size, by what has to stay free, by time.
 * A guest's next core takes the place of its last one.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/exec/exec.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ENDS_MS 1500 /* for it to take away what is not whole */
#define MAX_DEFAULT (8ull << 30)

struct core_own
{
  uint64_t max, leave;
};

static const struct core_own defaults = { .max = MAX_DEFAULT };

static const struct json_field fields[] = {
  { .name = "max",
    .kind = JSON_SIZE,
    .offset = offsetof (struct core_own, max),
    .min = 1 << 20,
    .max = (int64_t) 1 << 50,
    .help = "it may take so much of the disk; default 8GiB" },
  { .name = "leave",
    .kind = JSON_SIZE,
    .offset = offsetof (struct core_own, leave),
    .min = 1 << 20,
    .max = (int64_t) 1 << 50,
    .help = "so much of the disk stays free; default 5 %, at least 64MiB, at "
            "most 2GiB" },
  { .name = NULL },
};

/* What it says of the file, behind all words that may be a guest's:
 * " bytes=N sha256=HEX", the latter where there is one. */
static void
attach (struct collect_ctx *ctx, const char *path, const struct buf *out)
{
  struct collect_attachment a = { .path = path, .send = "never" };
  const char *text = buf_str (out), *nl = strchr (text, '\n'), *at = NULL;
  char line[700], sum[65] = "";
  unsigned long long bytes;

  if (!ctx->out->attach || !nl || nl - text >= (ptrdiff_t) sizeof line)
    return;
  memcpy (line, text, (size_t) (nl - text));
  line[nl - text] = '\0';
  for (const char *next = line; (next = strstr (next, " bytes=")); next++)
    at = next;
  if (!at || sscanf (at, " bytes=%llu sha256=%64[0-9a-f]", &bytes, sum) < 1)
    return;
  a.bytes = bytes;
  if (strlen (sum) == 64)
    a.sha256 = sum;
  ctx->out->attach (ctx->out, &a);
}

/* "core=PATH guest=... size=... disk=...", or why there is none. */
static int
judge (struct collect_ctx *ctx, const char *path, const struct exec_result *r,
       struct error *err)
{
  const struct buf *said = r->errors.len ? &r->errors : &r->output;
  const char *text = said->len ? said->data : r->detail;
  size_t n = said->len ? said->len : strlen (text);
  const char *nl;
  struct buf line CLEANUP_BUF = BUF_INIT (300);

  /* Progress stands before its last word. */
  while (n > 0 && text[n - 1] == '\n')
    n--;
  nl = memrchr (text, '\n', n);
  if (nl)
    {
      n -= (size_t) (nl + 1 - text);
      text = nl + 1;
    }
  text_escape (&line, text, n, 0);
  /* 5: some pages could not be read. */
  if (r->end == EXEC_EXITED && (r->status == 0 || r->status == 5))
    {
      collect_str (ctx, "guest.core", "host", path);
      ctx->out->file (ctx->out, "core/core.txt", buf_str (&r->output),
                      r->output.len);
      attach (ctx, path, &r->output);
      if (r->status == 5)
        ctx->out->gap (ctx->out, "core", "%s", buf_str (&line));
      return 0;
    }
  return error_set (err, r->end == EXEC_TIMEOUT ? ETIMEDOUT : EIO, "%s",
                    line.len ? buf_str (&line) : "hangdog core did not end");
}

static int
run_core (struct collect_ctx *ctx, const char *path, struct error *err)
{
  const struct core_own *own = ctx->own ? ctx->own : &defaults;
  static const char *const dirs[] = { BINDIR, NULL };
  const char *const built[] = { ctx->env->libexec, BINDIR, NULL };
  struct transport_env env = *ctx->env;
  CLEANUP_JSON struct json_object *told = json_object_new_object ();
  char max[32], leave[32], within[32];
  const char *args[13] = { "core", ctx->guest->inc.uuid, "-o", path,
                           "--force", "--within", within, "--max", max,
                           "--sum" };
  struct exec_program program = { "hangdog", args, 10, told };
  uint64_t now = clock_ms (), left = ctx->deadline - now;
  struct exec_result r;
  int rc;

  if (ctx->deadline < now + 2 * ENDS_MS)
    return error_set (err, ETIMEDOUT, "the budget is too short for a core");
  /* By itself: who is killed leaves what he has written. */
  snprintf (within, sizeof within, "%llums",
            (unsigned long long) (left - ENDS_MS));
  snprintf (max, sizeof max, "%llu", (unsigned long long) own->max);
  snprintf (leave, sizeof leave, "%llu", (unsigned long long) own->leave);
  if (own->leave)
    {
      args[program.nargs++] = "--leave";
      args[program.nargs++] = leave;
    }
  /* A raw command, which taints. */
  if (ctx->guest->monitor == MONITOR_LIBVIRT)
    args[program.nargs++] = "--no-registers";
  env.exec_dirs = ctx->env->libexec ? built : dirs;
  json_add_str (told, "HANGDOG_RUN", ctx->env->run_dir);
  rc = exec_run (&env, &program, ctx->deadline, &r, err);
  if (rc < 0)
    return rc;
  rc = judge (ctx, path, &r, err);
  exec_result_done (&r);
  return rc;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const char *dir = ctx->env->core_dir;
  char path[512], name[80];
  uint64_t begun;
  int rc;

  if (!dir || !*dir)
    return error_set (err, EPERM,
                      "the configuration has no folder for cores: \"cores\": "
                      "\"/var/crash\"");
  if (!ctx->env->run_dir)
    return error_set (err, ENOTSUP, "there is no daemon to ask for it");
  text_make_name (name, sizeof name, ctx->guest->inc.uuid);
  snprintf (path, sizeof path, "%.400s/%s.core", dir, name);
  begun = clock_ms ();
  rc = run_core (ctx, path, err);
  if (rc == 0)
    ctx->out->impact_since (ctx->out, begun,
                            "wrote the guest's memory to %s", path);
  return rc;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct core_own *own = arg ? arg : &defaults;

  snprintf (ret->acts[0], sizeof ret->acts[0],
            "where the configuration has a folder for cores: writes its memory "
            "there, %llu MiB at most",
            (unsigned long long) (own->max >> 20));
  if (g->monitor == MONITOR_UNIX)
    snprintf (ret->acts[1], sizeof ret->acts[1],
              "asks its monitor for the registers, which halts its vCPUs for "
              "a moment");
}

const struct collector collect_core = {
  .name = "core",
  .summary = "its memory into a file of this host, beside the bundle",
  .touch = TOUCH_MONITOR,
  .lane = LANE_EXEC,
  .budget_ms = 60000,
  .bytes = 512,
  .fields = fields,
  .own_size = sizeof (struct core_own),
  .own_init = &defaults,
  .plan = plan,
  .run = run,
};
