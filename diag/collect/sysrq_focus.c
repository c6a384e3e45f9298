/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq and the input focus of QEMU's mux.
 *
 * A BREAK to the console behind the one that has the focus moves it there and
 * back in one write.  QEMU takes that byte by byte, and forgets what it has not
 * read when its client goes: a daemon that is killed then leaves the focus with
 * the other console, where people and scenarios type in vain.  So it is on disk
 * before, and over only when QEMU has read all of it.
 *
 * QEMU tells nobody where the focus is, and can only move it on.  Which of the
 * two consoles has it is said by the kernel: hvc alone takes ^O, a serial port
 * alone BREAK.  While it answers neither nothing is moved, and it is asked
 * again later, for an hour: each time two keys are typed at a guest that does
 * not take them.  A guest that boots again has the focus on hvc anyway, as its
 * driver takes it; any other a person can give it back.
 */
#include "diag/collect/sysrq_impl.h"

#include "base/error.h"
#include "base/json.h"
#include "diag/collect/collect.h"
#include "transports/console/hub.h"

#define ACT "focus"
#define TAKEN_MS 2000
#define MOVE_ON "\x01" "c"

int
sysrq_focus_goes (struct sysrq_asking *a, struct error *err)
{
  struct collect_out *out = a->ctx->out;
  struct json_object *undo;
  int rc;

  if (a->focus)
    return 0;
  if (!out->intend)
    return error_set (err, ENOTSUP, "the console's input focus was not "
                      "switched: nobody would put it back after a crash");
  undo = json_object_new_object ();
  json_add_str (undo, "act", ACT);
  json_add_str (undo, "console", a->con->name);
  rc = out->intend (out, undo, err);
  a->focus = rc == 0;
  return rc;
}

void
sysrq_focus_back (struct sysrq_asking *a)
{
  struct collect_out *out = a->ctx->out;

  if (!a->focus || !a->lease)
    return;
  a->focus = false;
  if (!lease_lost (a->lease)
      && lease_await_taken (a->lease, collect_until (a->ctx, TAKEN_MS)) == 0)
    out->undone (out, ACT);
  else
    out->gap (out, "sysrq", "whether the console's input focus is back is not "
                            "known yet: QEMU had not read all of it");
}

/* ---- and of one who did not come to it ---- */

static bool
answers (struct sysrq_asking *a, enum sysrq_route route)
{
  a->route = route;
  return sysrq_ask (a, 'h') != ANSWER_NONE;
}

/* 0: with the console that takes ^O. */
static int
put_back (struct sysrq_asking *a, struct error *err)
{
  uint64_t until;
  int rc;

  /* Half an escape that is left over takes ^O for its other half, which is
   * none; a BREAK takes it for its key, and the kernel's line for that is no
   * answer to us: so twice. */
  if (answers (a, ROUTE_CTRL_O) && answers (a, ROUTE_CTRL_O))
    return 0;
  if (!answers (a, ROUTE_MUX_HERE))
    {
      if (answers (a, ROUTE_MUX_BREAK))
        return 0;
      return error_set (err, EAGAIN, "which console has the input focus can't "
                        "be told while the guest's kernel does not answer");
    }
  until = collect_until (a->ctx, TAKEN_MS);
  rc = lease_write_raw (a->lease, MOVE_ON, 2, until, err);
  if (rc == 0 && lease_await_taken (a->lease, until) < 0)
    rc = error_set (err, ETIMEDOUT, "QEMU does not read what is typed");
  return rc;
}

static int
undo_focus (struct collect_ctx *ctx, struct json_object *undo,
            struct error *err)
{
  struct sysrq_asking a = { .ctx = ctx };
  int rc = sysrq_open (&a, json_get_str (undo, "console"), NULL, true,
                       err);

  if (rc == 0 && !a.con->muxed)
    rc = error_set (err, ENODEV, "its console has no mux any more");
  a.focus = true; /* on disk it is already */
  if (rc == 0)
    rc = put_back (&a, err);
  if (a.lease && rc == 0)
    (void) lease_await_taken (a.lease, collect_until (ctx, TAKEN_MS));
  a.focus = false;
  sysrq_close (&a);
  return rc;
}

/* A guest that boots again takes the focus back itself. */
const struct collect_undoer sysrq_undo_focus = {
  .act = ACT,
  .lane = LANE_CONSOLE,
  .budget_ms = 20000,
  .run = undo_focus,
  .tries = 12, /* in an hour, as they are spaced */
  .in_vain = "its console may be without the keyboard: Ctrl-A c there moves it "
             "on, its next boot does",
};
