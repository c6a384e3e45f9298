/* SPDX-License-Identifier: Apache-2.0
 *
 * A console behind a local pty, under the lock file that libvirt uses.
 */
#include <errno.h>
#include <termios.h>

#include "base/error.h"
#include "base/opener.h"
#include "transports/console/hub_impl.h"

static int
open_pty (const struct open_task *task, uint64_t deadline,
          struct console_link *ret_link, struct error *err)
{
  struct open_req req = {
    .kind = OPEN_TTY, .root = task->def.root, .path = task->def.path,
    .check_pid = task->inc.pid, .check_start = task->inc.start_time,
  };
  struct termios t;
  int r = task->opener->open (task->opener, &req, deadline, &ret_link->fd,
                              &ret_link->lock_fd, err);

  if (r < 0)
    return r;
  /* We are the terminal's side: a line discipline that echoes would send the
   * guest's own output back into the guest. */
  if (tcgetattr (ret_link->fd, &t) < 0)
    return error_errno (err, errno, "reading the settings of %s",
                        task->def.path);
  cfmakeraw (&t);
  t.c_cflag |= CLOCAL;
  if (tcsetattr (ret_link->fd, TCSANOW, &t) < 0)
    return error_errno (err, errno, "making %s raw", task->def.path);
  return 0;
}

const struct console_ops console_pty = {
  .name = "pty",
  .swept = true,
  .types = true,
  .open = open_pty,
};
