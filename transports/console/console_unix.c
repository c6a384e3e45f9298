/* SPDX-License-Identifier: Apache-2.0
 *
 * A console behind a chardev socket: one client at a time, and the others
 * wait without knowing it.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/opener.h"
#include "transports/console/hub_impl.h"

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
    return chardev_queue_full (task->def.root, task->def.path, err);
  return r < 0 ? r
               : chardev_wait_accepted (ret_link->fd, deadline,
                                        &ret_link->file, err);
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
