/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq and the loglevel of the guest's consoles.
 *
 * A kernel says the header of an answer whatever its loglevel, and the rest of
 * it only where that lets it: `quiet` hides all of a dump.  So it is raised
 * first, but only where it is known what to put back, and who starts after a
 * crash knows it, too.  What it is, and what SysRq may do in this guest, stands
 * in its memory: nobody in it is asked.  Where that can't be read, and the step
 * names a shell there, its /proc is.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/collect/collect.h"
#include "diag/collect/inside.h"
#include "transports/memory/look_guest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 3000
#define INSIDE_MS 5000
#define MAX_INSIDE 4096
#define SHOWS_ALL 7 /* of what dumps say */
#define RAISED 9
#define MASK_ALL 1
#define MASK_LOGLEVEL 2
#define MASK_DUMPS 8

#define ACT "loglevel"

/* ---- what its memory says ---- */

static void
take_row (const char *line, size_t len, struct sysrq_state *ret)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *row;
  const char *kind, *cmdline;

  if (json_parse (line, len, JSON_WIRE, "look", LOOK_MAX_ROW, &doc, NULL) < 0)
    return;
  row = json_root (doc);
  kind = json_get_str (row, "row");
  if (!kind || strcmp (kind, "system") != 0)
    return;
  ret->linux_seen = true;
  ret->level = (int) json_get_int (row, "loglevel", -1);
  ret->mask = (int) json_get_int (row, "sysrq", -1);
  cmdline = json_get_str (row, "cmdline");
  sysrq_where_cmdline (ret, cmdline ? cmdline : "");
}

static int
take_rows (const void *lines, size_t len, void *arg)
{
  const char *p = lines, *end = p + len, *nl;

  for (; p < end && (nl = memchr (p, '\n', (size_t) (end - p))); p = nl + 1)
    take_row (p, (size_t) (nl - p), arg);
  return 0;
}

void
sysrq_look (struct collect_ctx *ctx, struct sysrq_state *ret)
{
  CLEANUP_JSON struct json_object *sections = json_object_new_array ();
  CLEANUP_JSON struct json_object *end = NULL;
  struct look_guest at = { .env = ctx->env,
                           .guest = ctx->guest,
                           .job = ctx->job,
                           .no_registers = true };
  uint64_t until = collect_until (ctx, LOOK_MS);

  *ret = (struct sysrq_state){ .level = -1, .mask = -1 };
  if (ctx->guest->inc.pid <= 0)
    return;
  json_object_array_add (sections, json_object_new_string ("system"));
  if (look_guest_open (&at, until, NULL) == 0)
    (void) look_guest_ask (&at, sections, until, take_rows, ret, &end, NULL);
  look_guest_close (&at);
}

/* ---- what its /proc says ---- */

static const char script[]
    = "for f in printk sysrq; do echo \"@@ $f\"; "
      "head -c 64 /proc/sys/kernel/$f; done; echo '@@ consoles'; "
      "head -c 1024 /proc/consoles; echo '@@ end'";

static int
number_of (const struct inside_part *part, int most)
{
  char text[16];
  size_t n = part->len < sizeof text - 1 ? part->len : sizeof text - 1;
  int v;

  memcpy (text, part->text, n);
  text[n] = '\0';
  return sscanf (text, "%d", &v) == 1 && v >= 0 && v <= most ? v : -1;
}

void
sysrq_look_inside (struct collect_ctx *ctx, int way, struct sysrq_state *ret)
{
  struct buf said CLEANUP_BUF = BUF_INIT (MAX_INSIDE);
  const struct inside_own own = { .way = way };
  struct collect_ctx inner = *ctx;
  struct error why = ERROR_INIT;
  struct inside_part part;
  const char *at, *end;

  inner.own = &own;
  inner.deadline = collect_until (ctx, INSIDE_MS);
  if (inside_ask (&inner, script, &said, &why) < 0)
    {
      ctx->out->gap (ctx->out, "sysrq", "its loglevel: %s", error_text (&why));
      return;
    }
  at = buf_str (&said);
  end = at + said.len;
  while (inside_next (&at, end, &part))
    /* A level that one digit sets again. */
    if (strcmp (part.name, "printk") == 0 && ret->level < 0)
      ret->level = number_of (&part, RAISED);
    else if (strcmp (part.name, "sysrq") == 0 && ret->mask < 0)
      ret->mask = number_of (&part, INT_MAX);
    else if (strcmp (part.name, "consoles") == 0)
      {
        sysrq_where_proc (ret, part.text, part.len);
        ret->linux_seen = ret->linux_seen || ret->consoles[0];
      }
}

bool
sysrq_allowed (int mask, char key)
{
  if (mask < 0 || mask == MASK_ALL)
    return true;
  if (key == 'h')
    return mask != 0;
  if (key >= '0' && key <= '9')
    return mask & MASK_LOGLEVEL;
  /* Of these two no mask says anything. */
  return key != 'q' && key != 'd' && (mask & MASK_DUMPS);
}

/* ---- there ---- */

bool
sysrq_can_raise (const struct sysrq_asking *a, const struct sysrq_state *was)
{
  struct collect_out *out = a->ctx->out;
  const char *why = NULL;

  if (was->level >= SHOWS_ALL)
    return false;
  if (was->level < 0)
    why = "it is not known what to put back";
  else if (!sysrq_allowed (was->mask, '0' + RAISED))
    why = "the guest does not let SysRq change it";
  else if (!out->intend)
    why = "nobody would put it back after a crash";
  if (why)
    out->gap (out, "sysrq",
              "the loglevel of the guest's consoles was not raised, and may "
              "hide all but the headers: %s",
              why);
  return !why;
}

bool
sysrq_raise (struct sysrq_asking *a, const struct sysrq_state *was)
{
  struct collect_out *out = a->ctx->out;
  struct json_object *undo = json_object_new_object ();
  struct error why = ERROR_INIT;

  json_add_str (undo, "act", ACT);
  json_add_int (undo, "level", was->level);
  json_add_str (undo, "console", a->con->name);
  if (out->intend (out, undo, &why) < 0)
    {
      out->gap (out, "sysrq",
                "the loglevel of the guest's consoles was not raised: %s",
                error_text (&why));
      return false;
    }
  out->impact (out, "raised the loglevel of the guest's consoles from %d to "
                    "%d", was->level, RAISED);
  /* One that did not answer may have heard it all the same. */
  if (sysrq_ask (a, '0' + RAISED) != ANSWER_DISABLED)
    return true;
  out->undone (out, ACT);
  return false;
}

/* ---- and back ---- */

/* 0: it is as it was, as far as anybody can tell. */
static int
put_back (struct sysrq_asking *a, int level, struct error *err)
{
  struct sysrq_state now;

  if (sysrq_ask (a, (char) ('0' + level)) != ANSWER_SHOWN)
    return error_set (err, EIO, "the guest's kernel did not take it");
  sysrq_look (a->ctx, &now);
  if (now.level >= 0 && now.level != level)
    return error_set (err, EIO, "it is %d and not %d", now.level, level);
  return 0;
}

void
sysrq_restore (struct sysrq_asking *a, const struct sysrq_state *was)
{
  struct collect_out *out = a->ctx->out;
  struct error why = ERROR_INIT;

  /* It would take the key behind all that it still has to print. */
  sysrq_await_quiet (a, a->ctx->deadline - SYSRQ_HEADER_MS);
  if (put_back (a, was->level, &why) < 0)
    {
      out->gap (out, "sysrq",
                "the loglevel of the guest's consoles was not put back yet: "
                "%s",
                error_text (&why));
      return;
    }
  out->impact (out, "put the loglevel of the guest's consoles back to %d",
               was->level);
  out->undone (out, ACT);
}

/* For another thread, maybe another process: nothing is known but what was
 * intended. */
static int
undo_level (struct collect_ctx *ctx, struct json_object *undo,
            struct error *err)
{
  struct sysrq_asking a = { .ctx = ctx };
  int64_t level = json_get_int (undo, "level", -1);
  const char *con = json_get_str (undo, "console");
  struct sysrq_state now;
  int rc;

  if (level < 0 || level > 9)
    return error_set (err, EINVAL, "no loglevel to be put back");
  sysrq_look (ctx, &now);
  /* It never came to it; or somebody has set another since. */
  if (now.level >= 0 && now.level != RAISED)
    return 0;
  rc = sysrq_open (&a, con, NULL, true, err);
  if (rc < 0)
    {
      sysrq_close (&a);
      rc = sysrq_open (&a, con, NULL, false, err);
    }
  if (rc == 0)
    rc = put_back (&a, (int) level, err);
  sysrq_close (&a);
  return rc;
}

/* Each time a key is typed at a kernel that does not take it. */
const struct collect_undoer sysrq_undo_level = {
  .act = ACT,
  .lane = LANE_CONSOLE,
  .budget_ms = 12000,
  .run = undo_level,
  .most_ms = 4 * 3600 * 1000,
};
