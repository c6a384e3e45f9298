/* SPDX-License-Identifier: Apache-2.0
 *
 * What collectors share.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/text.h"
#include "transports/monitor/monitor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_JSON (64u << 20) /* as much as an analysis may read back */

const char *const collect_touch_names[]
    = { "nothing", "monitor", "console", "network", "intrusive", NULL };

void
collect_text (struct collect_ctx *ctx, const char *name, const char *source,
              const char *text, size_t len)
{
  struct fact f;

  fact_text (&f, &ctx->guest->inc, name, source, text, len);
  ctx->out->fact (ctx->out, &f);
}

void
collect_str (struct collect_ctx *ctx, const char *name, const char *source,
             const char *text)
{
  collect_text (ctx, name, source, text, strlen (text));
}

void
collect_int (struct collect_ctx *ctx, const char *name, const char *source,
             int64_t v)
{
  struct fact f;

  fact_int (&f, &ctx->guest->inc, name, source, v);
  ctx->out->fact (ctx->out, &f);
}

void
collect_real (struct collect_ctx *ctx, const char *name, const char *source,
              double v)
{
  struct fact f;

  fact_real (&f, &ctx->guest->inc, name, source, v);
  ctx->out->fact (ctx->out, &f);
}

void
collect_bool (struct collect_ctx *ctx, const char *name, const char *source,
              bool v)
{
  struct fact f;

  fact_bool (&f, &ctx->guest->inc, name, source, v);
  ctx->out->fact (ctx->out, &f);
}

bool
collect_over (const struct collect_ctx *ctx)
{
  return clock_ms () >= ctx->deadline || (ctx->job && job_stopping (ctx->job));
}

uint64_t
collect_until (const struct collect_ctx *ctx, uint64_t ms)
{
  uint64_t at = clock_ms () + ms;

  return at < ctx->deadline ? at : ctx->deadline;
}

bool
collect_pause (struct collect_ctx *ctx, uint64_t ms)
{
  uint64_t until = clock_ms () + ms, now;

  if (until > ctx->deadline)
    return false;
  while ((now = clock_ms ()) < until)
    {
      /* Short naps: a job told to stop must not keep its lane for long. */
      uint64_t nap = until - now < 50 ? until - now : 50;
      struct timespec ts = { 0, (long) nap * 1000000 };

      if (collect_over (ctx))
        return false;
      clock_nanosleep (CLOCK_MONOTONIC, 0, &ts, NULL);
    }
  return !collect_over (ctx);
}

int
collect_slurp_fd (int fd, struct buf *out, struct error *err)
{
  char chunk[4096];
  ssize_t n;

  while (!out->cut && (n = read (fd, chunk, sizeof chunk)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading");
      buf_append (out, chunk, (size_t) n);
    }
  return 0;
}

int
collect_slurp (const char *path, struct buf *out, struct error *err)
{
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
  int rc;

  if (fd < 0)
    return error_errno (err, errno, "%s", path);
  rc = collect_slurp_fd (fd, out, err);
  if (rc < 0)
    error_wrap (err, "%s", path);
  return rc;
}

bool
collect_copy (struct collect_ctx *ctx, const char *path, const char *name,
              size_t max, struct buf *keep)
{
  struct buf own CLEANUP_BUF = BUF_INIT (max);
  struct buf *b = keep ? keep : &own;
  struct error why = ERROR_INIT;

  if (collect_slurp (path, b, &why) < 0)
    {
      ctx->out->gap (ctx->out, name, "%s", error_text (&why));
      return false;
    }
  if (b->cut)
    ctx->out->gap (ctx->out, name, "cut: the first %zu bytes of it", b->len);
  ctx->out->file (ctx->out, name, buf_str (b), b->len);
  return true;
}

void
collect_json (struct collect_ctx *ctx, const char *name,
              struct json_object *obj)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_JSON);

  json_show_spread (obj, &text);
  if (text.len == 0 || text.cut)
    {
      ctx->out->gap (ctx->out, name, "no memory");
      return;
    }
  buf_putc (&text, '\n');
  ctx->out->file (ctx->out, name, buf_str (&text), text.len);
}

void
collect_name (char *dst, size_t n, const char *prefix, const char *mid,
              const char *suffix)
{
  char clean[40];

  text_make_name (clean, sizeof clean, mid);
  for (char *p = clean; *p; p++)
    {
      if (*p >= 'A' && *p <= 'Z')
        *p = (char) (*p - 'A' + 'a');
      if (*p == '.')
        *p = '_';
    }
  snprintf (dst, n, "%s%s%s", prefix, clean, suffix);
}

void
collect_plan_monitor (const struct guest *g, const char *what,
                      struct collect_plan *ret)
{
  if (g->monitor == MONITOR_NONE)
    snprintf (ret->never, sizeof ret->never,
              "this guest has no monitor to ask");
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "asks the monitor for %s, twice%s", what,
            g->monitor == MONITOR_LIBVIRT ? ", through libvirt" : "");
}

int
collect_order (struct collect_ctx *ctx, const char *command,
               struct error *err)
{
  enum monitor_health health = MONITOR_GONE;
  uint64_t until = collect_until (ctx, MONITOR_HOLD_MS);
  struct json_object *reply = NULL;
  struct monitor *m;
  int rc = monitor_open (ctx->env, ctx->guest, until, &m, &health, err);

  if (rc < 0)
    return rc;
  rc = monitor_command (m, command, NULL, until, &reply, err);
  monitor_close (m);
  json_object_put (reply);
  return rc;
}
