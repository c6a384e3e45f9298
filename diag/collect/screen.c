/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector screen: what stands on the guest's display, as a picture.
 *
 * QEMU draws it into memory of ours that it is given as a descriptor, so it
 * needs no file that both can reach.  What people see there may be anything:
 * the bundle marks it as a guest's content.
 */
#include "diag/collect/screen.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* QEMU asks for just that way of opening it. */
static int
write_only (int fd)
{
  char path[40];

  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return open (path, O_WRONLY | O_CLOEXEC);
}

/* A server needs no display: QEMU's and libvirt's words for that. */
static bool
has_none (const struct error *err)
{
  return err
         && (strstr (err->msg, "There is no console to take")
             || strstr (err->msg, "no screens to take"));
}

static int
draw (struct collect_ctx *ctx, struct monitor *m, int fd, struct error *err)
{
  uint64_t until = collect_until (ctx, MONITOR_HOLD_MS);
  CLEANUP_JSON struct json_object *set = NULL, *reply = NULL;
  struct json_object *args = json_object_new_object ();
  char name[40];
  int64_t number;
  int rc = monitor_give (m, "add-fd", fd, until, &set, err);

  number = rc == 0 ? json_get_int (set, "fdset-id", -1) : -1;
  if (rc == 0 && number < 0)
    rc = error_set (err, EPROTO, "add-fd: no set in the reply");
  if (rc < 0)
    {
      json_object_put (args);
      return rc;
    }
  snprintf (name, sizeof name, "/dev/fdset/%lld", (long long) number);
  json_add_str (args, "filename", name);
  json_add_str (args, "format", "png");
  rc = monitor_command (m, "screendump", args, until, &reply, err);
  json_object_put (reply);
  reply = NULL;
  args = json_object_new_object ();
  json_add_int (args, "fdset-id", number);
  monitor_command (m, "remove-fd", args, until, &reply, NULL);
  return rc;
}

static int
by_socket (struct collect_ctx *ctx, struct buf *out, struct error *err)
{
  CLEANUP_CLOSE int fd = memfd_create ("screen", MFD_CLOEXEC);
  CLEANUP_CLOSE int theirs = fd < 0 ? -1 : write_only (fd);
  enum monitor_health health = MONITOR_GONE;
  struct monitor *m;
  int rc;

  if (theirs < 0)
    return error_errno (err, errno, "room for a picture");
  rc = monitor_open (ctx->env, ctx->guest,
                     collect_until (ctx, MONITOR_HOLD_MS), &m, &health, err);
  if (rc < 0)
    return rc;
  rc = draw (ctx, m, theirs, err);
  monitor_close (m);
  if (rc == 0 && lseek (fd, 0, SEEK_SET) < 0)
    return error_errno (err, errno, "a picture");
  return rc < 0 ? rc : collect_slurp_fd (fd, out, err);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  struct buf picture CLEANUP_BUF = BUF_INIT (SCREEN_MAX);
  bool png;
  int rc;

  if (ctx->guest->monitor == MONITOR_NONE)
    return error_set (err, ENOENT, "this guest has no monitor to ask");
  rc = ctx->guest->monitor == MONITOR_LIBVIRT
           ? screen_libvirt_ (ctx, &picture, err)
           : by_socket (ctx, &picture, err);
  if (rc < 0 && has_none (err))
    return error_set (err, ENODEV, "this guest has no display");
  if (rc < 0)
    return rc;
  if (picture.cut || picture.len < 8)
    return error_set (err, picture.cut ? EMSGSIZE : ENODATA,
                      "a picture of %zu bytes", picture.len);
  /* An older libvirt gives another format. */
  png = memcmp (picture.data, "\x89PNG\r\n\x1a\n", 8) == 0;
  if (!png && memcmp (picture.data, "P6", 2) != 0)
    return error_set (err, EPROTO, "that is no picture");
  ctx->out->file (ctx->out, png ? "screen/screen.png" : "screen/screen.ppm",
                  picture.data, picture.len);
  return 0;
}

static void
plan (const struct guest *g, const void *own, struct collect_plan *ret)
{
  (void) own;
  if (g->monitor == MONITOR_NONE)
    snprintf (ret->never, sizeof ret->never,
              "this guest has no monitor to ask");
  snprintf (ret->acts[0], sizeof ret->acts[0],
            "takes a picture of its display, if it has one");
}

const struct collector collect_screen = {
  .name = "screen",
  .summary = "a picture of its display, where it has one",
  .touch = TOUCH_MONITOR,
  .lane = LANE_MONITOR,
  .budget_ms = 5000,
  .bytes = 64 << 10,
  .plan = plan,
  .run = run,
};
