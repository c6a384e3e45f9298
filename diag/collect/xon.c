/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector xon: does a console that says nothing go on when ^Q is typed?
 *
 * Then somebody had stopped its output with ^S, and nothing else was the
 * matter.  Of a guest whose console is not looked at by its memory there is no
 * other sign of it.
 */
#include "diag/collect/collect.h"

#include "base/error.h"
#include "base/json.h"
#include "transports/console/ask.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

/* What was typed there last is not answered just now by chance, and who speaks
 * now and then hardly does in so short a time. */
#define QUIET_MS 2000
#define ANSWER_MS 500

struct xon_own
{
  char *console;
};

static const struct json_field fields[] = {
  { .name = "console",
    .kind = JSON_STRING,
    .offset = offsetof (struct xon_own, console),
    .min = 1,
    .max = 31,
    .help = "on which console; default the first that can be typed into" },
  { .name = NULL },
};

static int
ask (struct collect_ctx *ctx, struct session *session, struct error *err)
{
  int rc = session_xon (session, QUIET_MS, collect_until (ctx, ANSWER_MS),
                        err);

  /* Of the others nothing was typed. */
  if (rc >= 0 || rc == -EPIPE || rc == -ECANCELED)
    ctx->out->impact (ctx->out, "typed XON (^Q) on its console");
  if (rc < 0)
    return rc;
  collect_str (ctx, "console.xon", "console", rc ? "goes-on" : "nothing");
  return 0;
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  const struct xon_own *own = ctx->own;
  struct ask_result opened = { .end = ASK_OK };
  struct session *session;
  int rc = console_ask_open (ctx->env, ctx->guest, own ? own->console : NULL,
                             LEASE_DIAGNOSIS, "a diagnosis", ctx->deadline,
                             &session, &opened, err);

  if (rc < 0)
    return rc;
  if (!session)
    return error_set (err, opened.end == ASK_ABSENT ? ENODEV : EBUSY,
                      "there is no console to type on: %s", opened.detail);
  rc = ask (ctx, session, err);
  session_close (session);
  return rc;
}

static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct xon_own *own = arg;
  const char *on = own && own->console ? own->console : NULL;

  snprintf (ret->acts[0], sizeof ret->acts[0],
            "types XON (^Q) on %.31s, if it has said nothing for 2 s",
            on ? on : "its console");
  if (on ? !guest_console_find (g, on) : !g->nconsoles)
    {
      snprintf (ret->never, sizeof ret->never, "the guest has no console%s%s",
                on ? " called " : "", on ? on : "");
      ret->none = true;
    }
}

const struct collector collect_xon = {
  .name = "xon",
  .summary = "whether a console that says nothing goes on after ^Q",
  .touch = TOUCH_CONSOLE,
  .lane = LANE_CONSOLE,
  .budget_ms = 3000,
  .bytes = 0,
  .fields = fields,
  .own_size = sizeof (struct xon_own),
  .plan = plan,
  .run = run,
};
