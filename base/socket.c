/* SPDX-License-Identifier: Apache-2.0
 *
 * Unix sockets: listening, connecting, and who is on the other side.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/error.h"

#define BACKLOG 64

int
socket_peer (int sock, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid,
             struct error *err)
{
  struct ucred cred;
  socklen_t len = sizeof cred;

  if (getsockopt (sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
    return error_errno (err, errno, "asking who is connected");
  if (ret_pid)
    *ret_pid = cred.pid;
  if (ret_uid)
    *ret_uid = cred.uid;
  if (ret_gid)
    *ret_gid = cred.gid;
  return 0;
}

static int
make_address (const char *path, struct sockaddr_un *sa, struct error *err)
{
  size_t n = strlen (path);

  if (n == 0 || n >= sizeof sa->sun_path)
    return error_set (err, ENAMETOOLONG,
                      "%s: the path of a socket has 1 to %zu bytes", path,
                      sizeof sa->sun_path - 1);
  *sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
  memcpy (sa->sun_path, path, n + 1);
  return 0;
}

static int
connect_to (const struct sockaddr_un *sa, int *ret_fd)
{
  CLEANUP_CLOSE int fd
      = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int r;

  if (fd < 0)
    return -errno;
  do
    r = connect (fd, (const struct sockaddr *) sa, sizeof *sa);
  while (r < 0 && errno == EINTR);
  if (r < 0)
    return -errno;
  *ret_fd = steal_fd (&fd);
  return 0;
}

int
socket_connect (const char *path, int *ret_fd, struct error *err)
{
  struct sockaddr_un sa;
  int r;

  r = make_address (path, &sa, err);
  if (r < 0)
    return r;
  r = connect_to (&sa, ret_fd);
  if (r < 0)
    return error_errno (err, -r, "connecting to %s", path);
  return 0;
}

/* Removes what a dead listener left.  Only a refused connection proves that
 * nobody is there: anything else is left alone. */
static int
remove_stale (const struct sockaddr_un *sa, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct stat st;
  int r;

  if (lstat (sa->sun_path, &st) < 0)
    return errno == ENOENT ? 0
                           : error_errno (err, errno, "%s", sa->sun_path);
  if (!S_ISSOCK (st.st_mode))
    return error_set (err, EADDRINUSE,
                      "%s is in the way and is not a socket: remove it",
                      sa->sun_path);
  r = connect_to (sa, &fd);
  if (r != -ECONNREFUSED)
    return error_set (err, EADDRINUSE, "%s: another process listens there",
                      sa->sun_path);
  if (unlink (sa->sun_path) < 0 && errno != ENOENT)
    return error_errno (err, errno, "removing the stale socket %s",
                        sa->sun_path);
  return 0;
}

int
socket_listen (const char *path, mode_t mode, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct sockaddr_un sa;
  int r;

  r = make_address (path, &sa, err);
  if (r < 0)
    return r;
  r = remove_stale (&sa, err);
  if (r < 0)
    return r;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return error_errno (err, errno, "making the socket %s", path);
  /* The mode that bind() gives the file is the one of the socket's own inode
   * minus the umask: so it is never wider, not even for a moment, and the
   * umask of a threaded process is left alone.  chmod() then gives back what
   * the umask took. */
  if (fchmod (fd, mode) < 0
      || bind (fd, (struct sockaddr *) &sa, sizeof sa) < 0)
    return error_errno (err, errno, "making the socket %s", path);
  if (chmod (path, mode) < 0 || listen (fd, BACKLOG) < 0)
    {
      r = errno;
      (void) unlink (path);
      return error_errno (err, r, "making the socket %s", path);
    }
  *ret_fd = steal_fd (&fd);
  return 0;
}
