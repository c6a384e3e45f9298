/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector memory: what the guest's kernel does, read in its memory from
 * outside: tasks, CPUs, locks, requests, its log.  It asks nobody in the
 * guest, so it works on one that is dead and on one that refuses SysRq.
 *
 * Two looks, apart: what a task, a lock or a CPU does for a moment is told
 * from what stays so by what moved in between.  The rows of the second are
 * kept as `hangdog inspect --json` says them (memory/look.jsonl), and are
 * judged as it judges them.
 *
 * The kernel's log is read as its console is, and is another witness than that:
 * a quiet guest prints nothing, and what somebody wrote to a terminal is not in
 * the log.
 */
#include "diag/collect/collect.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/outside/apps.h"
#include "diag/outside/outside.h"
#include "transports/memory/look_guest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A guest of ten thousand tasks says a few MiB. */
#define MAX_ROWS (6u << 20)
#define MAX_DMESG (1u << 20)
#define KEEP_MS 10000 /* a parser, for the second look */
/* What its log says of before that is another story. */
#define RECENT_US (15 * 60 * (int64_t) 1000000)

/* Whether QEMU's monitor is asked for the registers of the vCPUs.  Through
 * libvirt that is a raw command, and the domain is marked for good: not for a
 * mere suspicion. */
enum registers
{
  REGISTERS_NEVER,
  REGISTERS_UNTAINTED, /* where it leaves no mark */
  REGISTERS_ALWAYS,
};
static const char *const registers_names[]
    = { "never", "untainted", "always", NULL };

struct memory_own
{
  int registers; /* index into registers_names */
  uint64_t apart_ms;
};

static const struct memory_own defaults
    = { .registers = REGISTERS_UNTAINTED, .apart_ms = COLLECT_APART_MS };

static const struct json_field fields[] = {
  { .name = "registers",
    .kind = JSON_ENUM,
    .offset = offsetof (struct memory_own, registers),
    .names = registers_names,
    .help = "of the vCPUs, which tell where each of them is: `untainted`: "
            "where asking for them leaves no mark; `always`: through libvirt, "
            "too, which taints the domain; `never`" },
  { .name = "apart",
    .kind = JSON_DURATION,
    .offset = offsetof (struct memory_own, apart_ms),
    .min = 100,
    .max = 10000,
    .help = "time between the two looks" },
  { .name = NULL },
};

/* One look. */
struct sample
{
  uint64_t begun_ms, ended_ms; /* the guest's clock was read in between */
  struct buf rows;
  uint64_t dropped; /* bytes that were too many */
  struct json_object *end;
};

struct reading
{
  struct collect_ctx *ctx;
  const struct memory_own *own;
  struct look_guest at;
  struct sample samples[2];
  unsigned n; /* that were had */
  struct outside *outside;
  struct buf look, dmesg; /* files */
  struct buf kernel;      /* of its log: what the kernel itself said */
  int64_t latest_us;      /* in its log */
};

/* ---- looking ---- */

static bool
asks_registers (const struct guest *g, const struct memory_own *own)
{
  switch (g->monitor)
    {
    case MONITOR_NONE:
      return false;
    case MONITOR_LIBVIRT:
      return own->registers == REGISTERS_ALWAYS;
    default:
      return own->registers != REGISTERS_NEVER;
    }
}

/* Left alone for what asking would leave behind. */
static bool
tainting (const struct guest *g, const struct memory_own *own)
{
  return g->monitor == MONITOR_LIBVIRT
         && own->registers == REGISTERS_UNTAINTED;
}

/* A row that is cut off is none: it is all of a piece or nothing of it. */
static int
take_rows (const void *lines, size_t len, void *arg)
{
  struct sample *s = arg;

  if (s->rows.len + len > MAX_ROWS)
    s->dropped += len;
  else
    buf_append (&s->rows, lines, len);
  return 0;
}

static int
look (struct reading *r, struct error *err)
{
  struct sample *s = &r->samples[r->n];
  int rc;

  s->begun_ms = clock_ms ();
  rc = look_guest_ask (&r->at, NULL, r->ctx->deadline, take_rows, s, &s->end,
                       err);
  s->ended_ms = clock_ms ();
  if (rc == 0)
    r->n++;
  else
    buf_clear (&s->rows);
  return rc;
}

/* Apart from beginning to beginning: the first one's own time counts. */
static bool
wait_until (struct reading *r, uint64_t until)
{
  uint64_t now = clock_ms ();

  return collect_pause (r->ctx, until > now ? until - now : 0);
}

static int
look_twice (struct reading *r, struct error *err)
{
  uint64_t begun;
  struct error why = ERROR_INIT;
  int rc = look_guest_open (&r->at, r->ctx->deadline, err);

  if (rc < 0)
    return rc;
  begun = clock_ms ();
  rc = look (r, err);
  if (rc < 0)
    return rc;
  if (!wait_until (r, begun + r->own->apart_ms))
    error_set (&why, ETIMEDOUT, "the budget ended");
  else if (look_guest_check (&r->at, r->ctx->deadline, &why) == 0)
    (void) look (r, &why);
  if (r->n < 2)
    r->ctx->out->gap (r->ctx->out, "memory/look.jsonl",
                      "no second look, so what moved is not known: %s",
                      error_text (&why));
  return 0;
}

/* ---- rows ---- */

static void
add_dmesg (struct reading *r, struct json_object *row)
{
  int64_t us = json_get_int (row, "us", 0);
  const char *text = json_get_str (row, "text");

  if (us > r->latest_us)
    r->latest_us = us;
  buf_printf (&r->dmesg, "[%5lld.%06lld] %s\n", (long long) us / 1000000,
              (long long) us % 1000000, text ? text : "");
  /* Users of the guest may write there, too. */
  if (json_get_int (row, "facility", 0) == 0)
    buf_printf (&r->kernel, "[%5lld.%06lld] %s\n", (long long) us / 1000000,
                (long long) us % 1000000, text ? text : "");
}

/* Why a part of it is not there. */
static void
add_lack (struct reading *r, struct json_object *row)
{
  const char *section = json_get_str (row, "section");
  const char *what = json_get_str (row, "what");
  const char *why = json_get_str (row, "why");
  char name[48];

  snprintf (name, sizeof name, "memory/%.30s", section ? section : "");
  r->ctx->out->gap (r->ctx->out, name, "%s: %s", what ? what : "",
                    why ? why : "");
}

static void
add_guest (struct reading *r, struct json_object *row)
{
  struct collect_out *out = r->ctx->out;
  const char *why = json_get_str (row, "registers_why");
  const char *impact = json_get_str (row, "impact");

  if (why && tainting (r->ctx->guest, r->own))
    out->gap (out, "memory/registers",
              "not asked for: through libvirt that would taint the domain");
  else if (why)
    out->gap (out, "memory/registers", "%s", why);
  if (impact)
    out->impact (out, "%s", impact);
}

static void
add_kernel (struct reading *r, struct json_object *row)
{
  const char *release = json_get_str (row, "release");

  if (release && release[0])
    collect_str (r->ctx, "kernel.release", "memory", release);
}

static void
add_clock (struct reading *r, struct json_object *row)
{
  const struct sample *s = &r->samples[r->n - 1];
  double v = json_object_get_double (json_get (row, "clock_s"));
  double error = (double) (s->ended_ms - s->begun_ms) / 2000;
  struct fact f;

  if (!(v > 0 && v < 1e9))
    return;
  fact_real (&f, &r->ctx->guest->inc, "guest.clock_s", "memory", v);
  f.time_ms = (s->begun_ms + s->ended_ms) / 2;
  r->ctx->out->fact (r->ctx->out, &f);
  fact_real (&f, &r->ctx->guest->inc, "guest.clock_error_s", "memory", error);
  r->ctx->out->fact (r->ctx->out, &f);
}

/* A row of the look that counts. */
static void
add_row (struct reading *r, struct json_object *row, const char *line,
         size_t len)
{
  const char *kind = json_get_str (row, "row");

  outside_add (r->outside, row);
  if (strcmp (kind, "dmesg") == 0)
    {
      add_dmesg (r, row);
      return;
    }
  buf_append (&r->look, line, len);
  if (strcmp (kind, "lacks") == 0)
    add_lack (r, row);
  else if (strcmp (kind, "guest") == 0)
    add_guest (r, row);
  else if (strcmp (kind, "kernel") == 0)
    add_kernel (r, row);
  else if (strcmp (kind, "system") == 0)
    add_clock (r, row);
}

/* Each line of a look; what is no row of ours is left out. */
static void
each_row (struct reading *r, struct sample *s, bool before)
{
  const char *p = buf_str (&s->rows), *end = p + s->rows.len, *nl;

  for (; p < end; p = nl + 1)
    {
      CLEANUP_JSON_DOC struct json_doc *doc = NULL;
      struct json_object *row;

      nl = memchr (p, '\n', (size_t) (end - p));
      if (!nl)
        return;
      if (json_parse (p, (size_t) (nl - p), JSON_WIRE, "look", LOOK_MAX_ROW,
                      &doc, NULL)
          < 0)
        continue;
      row = json_root (doc);
      if (!json_get_str (row, "row"))
        continue;
      if (before)
        outside_add_before (r->outside, row);
      else
        add_row (r, row, p, (size_t) (nl + 1 - p));
    }
}

/* ---- what it means ---- */

static void
on_fact (const struct fact *f, void *arg)
{
  struct reading *r = arg;

  r->ctx->out->fact (r->ctx->out, f);
}

static void
keep_findings (struct reading *r)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct json_object *list = json_object_new_array ();

  json_object_object_add (doc, "findings", list);
  for (size_t i = 0; i < outside_count (r->outside); i++)
    {
      const struct outside_finding *f = outside_get (r->outside, i);
      struct json_object *o = json_object_new_object ();

      json_add_str (o, "weight", outside_weight_names[f->weight]);
      if (f->class)
        json_add_str (o, "class", f->class);
      json_add_text (o, "text", f->text, strlen (f->text));
      if (f->culprit)
        json_object_object_add (o, "culprit", json_object_get (f->culprit));
      json_object_array_add (list, o);
    }
  json_add_bool (doc, "saw_all", outside_saw_all (r->outside));
  json_add_int (doc, "looks", r->n);
  json_object_object_add (doc, "look",
                          json_object_get (r->samples[r->n - 1].end));
  collect_json (r->ctx, "memory/findings.json", doc);
}

static void
keep_files (struct reading *r)
{
  struct collect_out *out = r->ctx->out;
  uint64_t dropped = r->samples[r->n - 1].dropped;

  if (r->look.len > 0)
    out->file (out, "memory/look.jsonl", buf_str (&r->look), r->look.len);
  if (dropped > 0)
    out->gap (out, "memory/look.jsonl", "%llu bytes beyond %u MiB",
              (unsigned long long) dropped, MAX_ROWS >> 20);
  if (r->dmesg.len > 0)
    out->file (out, "memory/dmesg.txt", buf_str (&r->dmesg), r->dmesg.len);
  if (r->dmesg.cut)
    out->gap (out, "memory/dmesg.txt", "longer than %u bytes", MAX_DMESG);
}

/* Which application is behind the scenario that failed. */
static void
tell_apps (struct reading *r)
{
  CLEANUP_JSON struct json_object *doc = NULL;
  struct apps_asked asked;

  apps_asked_by (r->ctx->hints, r->ctx->scenario, &asked);
  apps_facts (r->outside, &asked, "memory", &r->ctx->guest->inc, on_fact, r);
  doc = apps_document (r->outside, &asked);
  collect_json (r->ctx, "memory/applications.json", doc);
}

/* A parser that found no kernel looked as well: then it said why. */
static void
say_not_found (struct reading *r)
{
  struct json_object *end = r->samples[r->n - 1].end;
  const char *why = json_get_str (end, "why");

  if (!json_get_bool (end, "found", true))
    r->ctx->out->gap (r->ctx->out, "memory", "no kernel that can be read: %s",
                      why ? why : "no reason was given");
  /* Once alone it may be between two kernels. */
  if (why && r->n == 2 && !json_get_bool (r->samples[0].end, "found", true)
      && !json_get_bool (end, "found", true))
    collect_str (r->ctx, "kernel.absent", "memory", why);
}

static void
tell (struct reading *r)
{
  if (r->n == 2)
    each_row (r, &r->samples[0], true);
  each_row (r, &r->samples[r->n - 1], false);
  outside_judge (r->outside);
  keep_findings (r);
  keep_files (r);
  say_not_found (r);
  outside_facts (r->outside, &r->ctx->guest->inc, on_fact, r);
  tell_apps (r);
  /* By stamp 0 all that it says is recent. */
  collect_marks_since (r->ctx, "memory", buf_str (&r->kernel), r->kernel.len,
                       r->latest_us - RECENT_US);
}

static void
reading_done (struct reading *r)
{
  look_guest_close (&r->at);
  for (size_t i = 0; i < ARRAY_LEN (r->samples); i++)
    {
      buf_done (&r->samples[i].rows);
      json_object_put (r->samples[i].end);
    }
  buf_done (&r->look);
  buf_done (&r->dmesg);
  buf_done (&r->kernel);
  outside_free (r->outside);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct memory_own *own = ctx->own ? ctx->own : &defaults;
  struct reading r CLEANUP (reading_done)
      = { .ctx = ctx,
          .own = own,
          .at = { .env = ctx->env,
                  .guest = ctx->guest,
                  .job = ctx->job,
                  .no_registers = !asks_registers (ctx->guest, own),
                  .again = true,
                  .keep_ms = KEEP_MS + own->apart_ms },
          .samples = { { .rows = BUF_INIT (MAX_ROWS) },
                       { .rows = BUF_INIT (MAX_ROWS) } },
          .look = BUF_INIT (MAX_ROWS),
          .dmesg = BUF_INIT (MAX_DMESG),
          .kernel = BUF_INIT (MAX_DMESG) };
  int rc;

  r.outside = outside_new ();
  if (!r.outside)
    return error_set (err, ENOMEM, "no memory to look at the guest's");
  rc = look_twice (&r, err);
  if (rc < 0)
    return rc;
  tell (&r);
  return 0;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct memory_own *own = arg ? arg : &defaults;

  if (g->inc.pid <= 0)
    snprintf (ret->never, sizeof ret->never,
              "its QEMU does not run on this host, so its memory is not here");
  if (!asks_registers (g, own))
    ret->touch = TOUCH_NOTHING;
  else
    snprintf (ret->acts[0], sizeof ret->acts[0],
              "asks the monitor for the vCPUs' registers, twice%s",
              g->monitor == MONITOR_LIBVIRT ? " (taints the domain)" : "");
}

const struct collector collect_memory = {
  .name = "memory",
  .summary = "the guest's kernel in its memory: tasks, CPUs, locks, requests, "
             "log; two looks",
  .touch = TOUCH_MONITOR,
  .lane = LANE_MEMORY,
  .budget_ms = 8000,
  .bytes = 512 << 10,
  .fades = true,
  .fields = fields,
  .own_size = sizeof (struct memory_own),
  .own_init = &defaults,
  .plan = plan,
  .run = run,
};
