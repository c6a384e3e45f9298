/* SPDX-License-Identifier: Apache-2.0
 *
 * A console behind a chardev socket: one client at a time, and the others
 * wait without knowing it.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "transports/console/hub_impl.h"

/* A QEMU that is well accepts within a few milliseconds.  After HELD_MS it is
 * asked whether somebody else is connected; after ACCEPT_MS of nobody being
 * there either, it is QEMU itself that does not accept. */
#define HELD_MS 100
#define ACCEPT_MS 1500
#define STEP_MOST_MS 50

int
console_wait_accepted_ (struct console_link *link, uint64_t deadline,
                        struct error *err)
{
  uint64_t start = clock_ms (), now, step = 1;
  struct pollfd p = { .fd = link->fd, .events = POLLIN };
  int r;

  if (deadline > start + ACCEPT_MS)
    deadline = start + ACCEPT_MS;
  for (;;)
    {
      r = queue_accepted_ (link);
      /* Without the kernel's help nothing is known: the dialogue will see. */
      if (r != 0)
        return 0;
      now = clock_ms ();
      if (now - start >= HELD_MS && queue_held_by_other_ (link->fd) == 1)
        return error_set (err, EBUSY, "another client is connected to it");
      if (now >= deadline)
        return error_set (err, ETIMEDOUT, "it is not accepted, though no "
                          "other client is connected: QEMU's main loop may "
                          "be stuck");
      /* Its first byte, or its end, may come sooner. */
      (void) poll (&p, 1, (int) step);
      step = 2 * step > STEP_MOST_MS ? STEP_MOST_MS : 2 * step;
    }
}

/* The listener's queue is full: with somebody connected that is a crowd, and
 * without it is those whom a stuck QEMU has left there. */
int
console_queue_full_ (const char *root, const char *name, struct error *err)
{
  char path[512];

  snprintf (path, sizeof path, "%s/%s", root, name);
  if (queue_file_held_ (path) == 0)
    return error_set (err, ETIMEDOUT, "clients wait there and none is "
                      "accepted: QEMU's main loop may be stuck");
  return -EBUSY;
}

static int
open_unix (const struct open_task *task, uint64_t deadline,
           struct console_link *ret_link, struct error *err)
{
  struct open_req req = {
    .kind = OPEN_UNIX, .root = task->def.root, .path = task->def.path,
    .check_pid = task->by_libvirt ? 0 : task->inc.pid,
    .check_start = task->by_libvirt ? 0 : task->inc.start_time,
  };
  int r = task->opener->open (task->opener, &req, deadline, &ret_link->fd,
                              NULL, err);

  /* The link is closed by who gave it, also after a failure from here on. */
  if (r == -EAGAIN)
    return console_queue_full_ (task->def.root, task->def.path, err);
  return r < 0 ? r : console_wait_accepted_ (ret_link, deadline, err);
}

static size_t
unread_unix (struct console *c)
{
  int n = 0;

  return ioctl (c->io_fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t) n : 0;
}

static void
stop_unix (struct console *c)
{
  /* QEMU's next write fails instead of going where nobody will read it. */
  (void) shutdown (c->link.fd, SHUT_RDWR);
}

const struct console_ops console_unix = {
  .name = "unix",
  .types = true,
  .open = open_unix,
  .unread = unread_unix,
  .stop = stop_unix,
};
