/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener: files, folders, sockets beneath a root.
 *
 * Everything is first opened with O_PATH, looked at, and only then opened for
 * real through /proc/self/fd: a device is never opened to find out that it is
 * one, and what was checked is what is used.
 */
#include "base/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/opener_impl.h"

struct fd_path
fd_path_ (int fd)
{
  struct fd_path p;

  snprintf (p.text, sizeof p.text, "/proc/self/fd/%d", fd);
  return p;
}

/* ---- requests ---- */

static int
check_path (const struct open_req *req, struct error *err)
{
  const char *p = req->path;
  size_t n;

  if (strlen (p) >= PATH_MAX)
    return error_set (err, ENAMETOOLONG, "a path of %zu bytes", strlen (p));
  if (req->kind == OPEN_DIR || req->kind == OPEN_INOTIFY)
    if (strcmp (p, ".") == 0)
      return 0;
  for (;; p += n + 1)
    {
      n = strcspn (p, "/");
      if (n == 0 || (n == 1 && p[0] == '.')
          || (n == 2 && p[0] == '.' && p[1] == '.'))
        return error_set (err, EINVAL, "\"%s\" is not a plain relative path",
                          req->path);
      if (p[n] == '\0')
        return 0;
    }
}

int
open_req_check (const struct open_req *req, const char *const *roots,
                struct error *err)
{
  int r;

  if ((unsigned) req->kind >= OPEN_KIND_MAX || !req->root || !req->path
      || req->root[0] != '/')
    return error_set (err, EINVAL, "not a well-formed request to open");
  r = check_path (req, err);
  if (r < 0)
    return r;
  /* Its roots are its own, and always the same. */
  if (req->kind == OPEN_SOCKET)
    return check_socket_ (req, err);
  if (req->kind == OPEN_KMSG)
    return check_kmsg_ (req, err);
  if (req->kind == OPEN_HEALTH)
    return check_health_ (req, err);
  for (; roots && *roots; roots++)
    if (strcmp (*roots, req->root) == 0)
      return 0;
  /* NULL: the caller has decided already, as the keeper has by its list. */
  if (roots)
    return error_set (err, EACCES, "%s is not a folder that may be opened in",
                      req->root);
  return 0;
}

/* ---- beneath a root ---- */

/* For kernels without openat2: component by component, no links at all. */
static int
open_by_steps (int root, const char *path, int flags)
{
  CLEANUP_CLOSE int dir = fcntl (root, F_DUPFD_CLOEXEC, 3);
  char name[NAME_MAX + 1];
  struct stat st;
  size_t n;
  int fd;

  while (dir >= 0)
    {
      bool last;

      n = strcspn (path, "/");
      last = path[n] == '\0';
      if (n > NAME_MAX)
        return -ENAMETOOLONG;
      memcpy (name, path, n);
      name[n] = '\0';
      fd = openat (dir, name,
                   last ? flags | O_NOFOLLOW | O_CLOEXEC
                        : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd < 0)
        return -errno;
      if (last)
        {
          /* O_PATH with O_NOFOLLOW opens the link itself. */
          if (fstat (fd, &st) == 0 && S_ISLNK (st.st_mode))
            {
              close (fd);
              return -ELOOP;
            }
          return fd;
        }
      close (dir);
      dir = fd;
      path += n + 1;
    }
  return -errno;
}

static bool
is_dev (const char *root)
{
  return strcmp (root, "/dev") == 0 || strncmp (root, "/dev/", 5) == 0;
}

int
open_beneath_ (const struct open_req *req, int flags, struct error *err)
{
  CLEANUP_CLOSE int root
      = open (req->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct open_how how
      = { .flags = (unsigned) (flags | O_CLOEXEC),
          .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
  const char *why = "";
  long fd;

  if (root < 0)
    return error_errno (err, errno, "opening the folder %s", req->root);
  /* A guest may have a folder in there, and with a link it would lead its own
   * mailbox to another guest's.  In /dev all links are the host's, and each
   * logical volume is one. */
  if (req->kind == OPEN_MAILBOX && !is_dev (req->root))
    how.resolve |= RESOLVE_NO_SYMLINKS;
  /* EAGAIN: something was renamed meanwhile, and the kernel was not sure. */
  for (int i = 0; i < 8; i++)
    {
      fd = syscall (SYS_openat2, root, req->path, &how, sizeof how);
      if (fd >= 0 || errno != EAGAIN)
        break;
    }
  if (fd < 0 && errno == ENOSYS)
    fd = open_by_steps (root, req->path, flags);
  else if (fd < 0)
    fd = -errno;
  if (fd == -EXDEV)
    why = " (it leads out of that folder)";
  else if (fd == -ELOOP)
    why = " (a link, which is not followed there)";
  if (fd < 0)
    return error_errno (err, (int) -fd, "opening %s/%s%s", req->root,
                        req->path, why);
  return (int) fd;
}

static int
open_file (const struct open_req *req, int *ret_fd, struct error *err)
{
  /* O_PATH first: to open a FIFO waits, and to open a device acts. */
  CLEANUP_CLOSE int path = open_beneath_ (req, O_PATH, err);
  struct stat st;
  int fd;

  if (path < 0)
    return path;
  if (fstat (path, &st) < 0)
    return error_errno (err, errno, "%s/%s", req->root, req->path);
  if (!S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s/%s is not a regular file", req->root,
                      req->path);
  /* The very inode that was looked at: its name may be another's by now. */
  fd = open (fd_path_ (path).text, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "opening %s/%s", req->root, req->path);
  *ret_fd = fd;
  return 0;
}

/* How long it is and how it begins, of a descriptor that can only be read. */
static int
check_mailbox (const struct open_req *req, const char *path,
               struct error *err)
{
  static const char magic[] = OPEN_MAILBOX_MAGIC;
  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  char begin[sizeof magic - 1];
  off_t size = fd < 0 ? -1 : lseek (fd, 0, SEEK_END);

  if (size < 0)
    return error_errno (err, errno, "opening %s/%s", req->root, req->path);
  if (size > (off_t) OPEN_MAILBOX_MAX)
    return error_set (err, EINVAL, "%s/%s is too large for a mailbox",
                      req->root, req->path);
  if (pread (fd, begin, sizeof begin, 0) != (ssize_t) sizeof begin
      || memcmp (begin, magic, sizeof begin) != 0)
    return error_set (err, EINVAL, "%s/%s is not a mailbox", req->root,
                      req->path);
  return 0;
}

/* Who is root in a guest can make a device in a folder that is shared with
 * it, and so name any of this host's, or another guest's. */
static bool
is_of_dev (int path)
{
  struct statfs fs;

  return fstatfs (path, &fs) == 0
         && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int
open_mailbox (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int path = open_beneath_ (req, O_PATH, err);
  struct fd_path link;
  struct stat st;
  int fd, r;

  if (path < 0)
    return path;
  if (fstat (path, &st) < 0)
    return error_errno (err, errno, "%s/%s", req->root, req->path);
  /* A guest's own disk is told by its size, without being opened. */
  if ((!S_ISREG (st.st_mode) && !S_ISBLK (st.st_mode))
      || (S_ISREG (st.st_mode) && st.st_size > (off_t) OPEN_MAILBOX_MAX))
    return error_set (err, EINVAL, "%s/%s is not a mailbox", req->root,
                      req->path);
  if (S_ISBLK (st.st_mode) && !is_of_dev (path))
    return error_set (err, EINVAL, "%s/%s is a device, and not in /dev",
                      req->root, req->path);
  link = fd_path_ (path);
  r = check_mailbox (req, link.text, err);
  if (r < 0)
    return r;
  fd = open (link.text, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM))
    fd = open (link.text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return error_errno (err, errno, "opening %s/%s", req->root, req->path);
  *ret_fd = fd;
  return 0;
}

static int
open_dir (const struct open_req *req, int *ret_fd, struct error *err)
{
  int fd = open_beneath_ (req, O_RDONLY | O_DIRECTORY, err);

  if (fd < 0)
    return fd;
  *ret_fd = fd;
  return 0;
}

static int
open_inotify (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int dir = open_beneath_ (req, O_PATH | O_DIRECTORY, err);
  CLEANUP_CLOSE int fd = -1;

  if (dir < 0)
    return dir;
  fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0
      || inotify_add_watch (fd, fd_path_ (dir).text,
                            IN_CREATE | IN_DELETE | IN_MOVED_TO
                                | IN_MOVED_FROM | IN_CLOSE_WRITE
                                | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
             < 0)
    return error_errno (err, errno, "watching %s/%s", req->root, req->path);
  *ret_fd = steal_fd (&fd);
  return 0;
}

/* ---- sockets ---- */

static int
check_listener (const struct open_req *req, int fd, struct error *err)
{
  uint64_t start;
  pid_t pid;
  int r;

  /* SO_PEERCRED of who called listen(): a stale socket that another process
   * has taken over would lead us to the wrong guest. */
  if (req->check_pid == 0)
    return 0;
  r = socket_peer (fd, &pid, NULL, NULL, err);
  if (r < 0)
    return r;
  if (pid != req->check_pid)
    return error_set (err, ESTALE, "%s/%s: process %d listens there, not %d",
                      req->root, req->path, (int) pid, (int) req->check_pid);
  if (req->check_start == 0)
    return 0;
  r = proc_start_time (req->check_pid, &start, err);
  if (r < 0)
    return r;
  if (start != req->check_start)
    return error_set (err, ESTALE, "%s/%s: process %d is another one by now",
                      req->root, req->path, (int) pid);
  return 0;
}

static int
open_unix (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int path = open_beneath_ (req, O_PATH, err);
  CLEANUP_CLOSE int fd = -1;
  struct sockaddr_un sa = { .sun_family = AF_UNIX };
  struct fd_path link;
  struct stat st;
  int r;

  if (path < 0)
    return path;
  if (fstat (path, &st) < 0)
    return error_errno (err, errno, "%s/%s", req->root, req->path);
  if (!S_ISSOCK (st.st_mode))
    return error_set (err, ENOTSOCK, "%s/%s is %s, not a socket", req->root,
                      req->path,
                      S_ISDIR (st.st_mode) ? "a folder" : "something else");
  /* Through the descriptor of the socket's own inode: nobody can swap it for
   * a link, and its real path may be longer than sun_path. */
  link = fd_path_ (path);
  memcpy (sa.sun_path, link.text, sizeof link.text);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return error_errno (err, errno, "making a socket");
  do
    r = connect (fd, (struct sockaddr *) &sa, sizeof sa);
  while (r < 0 && errno == EINTR);
  if (r < 0)
    return error_errno (err, errno, "connecting to %s/%s%s", req->root,
                        req->path,
                        errno == EAGAIN ? " (another client holds it)" : "");
  r = check_listener (req, fd, err);
  if (r < 0)
    return r;
  *ret_fd = steal_fd (&fd);
  return 0;
}

/* ---- the table ---- */

int
opener_do (const struct open_req *req, int *ret_fd, int *ret_lock,
           struct error *err)
{
  static int (*const plain[OPEN_KIND_MAX]) (const struct open_req *, int *,
                                            struct error *)
      = {
          [OPEN_FILE] = open_file,       [OPEN_DIR] = open_dir,
          [OPEN_INOTIFY] = open_inotify, [OPEN_UNIX] = open_unix,
          [OPEN_PROC] = open_proc_,      [OPEN_SOCKET] = open_socket_,
          [OPEN_MAILBOX] = open_mailbox, [OPEN_KMSG] = open_kmsg_,
          [OPEN_HEALTH] = open_health_,
        };
  int r, fd = -1;

  r = open_req_check (req, NULL, err);
  if (r < 0)
    return r;
  if (req->kind == OPEN_TTY)
    {
      if (!ret_lock)
        return error_set (err, EINVAL, "a terminal without a place for its "
                                       "lock");
      return open_tty_ (req, ret_fd, ret_lock, err);
    }
  r = plain[req->kind](req, &fd, err);
  if (r < 0)
    return r;
  /* Only now: a failure leaves the caller's variables alone. */
  *ret_fd = fd;
  if (ret_lock)
    *ret_lock = -1;
  return 0;
}

static int
local_open (struct opener *self, const struct open_req *req,
            uint64_t deadline, int *ret_fd, int *ret_lock, struct error *err)
{
  return opener_do (req, ret_fd, ret_lock, err);
}

static void
local_release (struct opener *self, const struct open_req *req, int lock_fd)
{
  open_lock_release (req, lock_fd);
}

struct opener *
opener_local (void)
{
  /* Has no state: one for everybody. */
  static struct opener local
      = { .open = local_open, .release = local_release };

  return &local;
}
