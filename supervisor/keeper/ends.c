/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection between the daemon and the writer.
 */
#include "supervisor/keeper/ends.h"
#include "supervisor/keeper/children.h"

#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* One of them belongs to who writes the log pipe, the other to who reads. */
static int
make (struct ends *a, struct ends *b, struct error *err)
{
  int pair[2], pipes[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return error_errno (err, errno, "socketpair");
  if (pipe2 (pipes, O_CLOEXEC) < 0)
    {
      close (pair[0]);
      close (pair[1]);
      return error_errno (err, errno, "pipe");
    }
  /* A larger pipe bridges a slow moment of the disk; the default will do. */
  (void) fcntl (pipes[1], F_SETPIPE_SZ, 1 << 20);
  a->channel = pair[0];
  a->pipe = pipes[a->writes];
  b->channel = pair[1];
  b->pipe = pipes[b->writes];
  return 0;
}

void
ends_close (struct ends *e)
{
  if (e->channel >= 0)
    close (e->channel);
  if (e->pipe >= 0)
    close (e->pipe);
  e->channel = e->pipe = -1;
}

/* Gives a running child new ends of the connection. */
static void
hand_over (struct child *c, struct ends *e)
{
  struct json_object *head = json_object_new_object ();
  int fds[2] = { e->channel, e->pipe };

  json_add_str (head, "op", "peer");
  if (child_channel (c))
    channel_send (child_channel (c), head, NULL, 0, fds, 2);
  else
    json_object_put (head);
  ends_close (e);
}

int
ends_take (struct ends *mine, struct ends *other, struct child *peer,
           struct ends *ret, struct error *err)
{
  int r;

  if (mine->channel < 0)
    {
      ends_close (other); /* of a connection that nobody is at */
      r = make (mine, other, err);
      if (r < 0)
        return r;
      if (peer && child_pid (peer) > 0)
        hand_over (peer, other);
    }
  *ret = *mine;
  mine->channel = mine->pipe = -1;
  return 0;
}
