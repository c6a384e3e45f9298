/* SPDX-License-Identifier: Apache-2.0
 *
 * A console that somebody else logs to a file: followed like tail -F, over
 * rotation and truncation.  Read only.
 *
 * The file may live on a disk that hangs, and this runs on the loop: only
 * what is in the page cache is read, the rest is asked for and found there at
 * a later look.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/opener.h"
#include "transports/console/hub_impl.h"

/* Without inotify a rename is only seen by opening it again. */
#define REOPEN_IDLE_MS 10000

static int
open_folder (const struct open_task *task, uint64_t deadline)
{
  struct open_req req = { .kind = OPEN_INOTIFY, .root = task->def.root };
  char dir[sizeof task->def.path];
  char *slash;
  int fd = -1;

  memcpy (dir, task->def.path, sizeof dir);
  slash = strrchr (dir, '/');
  if (slash)
    *slash = '\0';
  req.path = slash ? dir : ".";
  return task->opener->open (task->opener, &req, deadline, &fd, NULL, NULL) < 0
             ? -1
             : fd;
}

/* A read there may wait for a server or a process for ever: RWF_NOWAIT is not
 * known to most of them, and fstat() asks too. */
static bool
may_hang (int fd)
{
  static const unsigned long types[] = {
    FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
    SMB_SUPER_MAGIC,  CEPH_SUPER_MAGIC, V9FS_MAGIC,      AFS_SUPER_MAGIC,
  };
  struct statfs st;

  if (fstatfs (fd, &st) < 0)
    return true;
  for (size_t i = 0; i < ARRAY_LEN (types); i++)
    if ((unsigned long) st.f_type == types[i])
      return true;
  return false;
}

static int
open_log (const struct open_task *task, uint64_t deadline,
          struct console_link *ret_link, struct error *err)
{
  struct open_req req = { .kind = OPEN_FILE, .root = task->def.root,
                          .path = task->def.path };
  struct stat st;
  int r;

  /* The folder first: a rotation in between is then seen as a change. */
  ret_link->extra_fd = open_folder (task, deadline);
  r = task->opener->open (task->opener, &req, deadline, &ret_link->fd, NULL,
                          err);
  if (r < 0)
    return r;
  if (may_hang (ret_link->fd))
    return error_set (err, ENOTSUP, "%s is on a file system of others "
                      "(network, FUSE), where reading may hang: it is not "
                      "followed", task->def.path);
  if (fstat (ret_link->fd, &st) < 0)
    return error_errno (err, errno, "looking at %s", task->def.path);
  ret_link->dev = st.st_dev;
  ret_link->ino = st.st_ino;
  /* What was written before we came is not news; what a new file holds is,
   * from its first byte on. */
  if (task->first)
    ret_link->offset = st.st_size;
  else if (task->dev == st.st_dev && task->ino == st.st_ino)
    ret_link->offset = task->offset;
  else
    ret_link->offset = 0;
  return 0;
}

/* ---- on the loop ---- */

static bool
is_about (const struct console *c, const char *name)
{
  const char *slash = strrchr (c->def.path, '/');

  return strcmp (name, slash ? slash + 1 : c->def.path) == 0;
}

/* A file without a name: the next one may get its inode number. */
static bool
is_removed (struct console *c)
{
  struct stat st;

  if (fstat (c->link.fd, &st) < 0 || st.st_nlink > 0)
    return false;
  c->link.ino = 0;
  return true;
}

static void
reopen (struct console *c, const char *why)
{
  (void) is_removed (c);
  if (drain_ (c, HUB_READ_SIZE * 16))
    console_lost_ (c, why);
}

static void
folder_changed (struct watch *w, int fd, unsigned events, void *arg)
{
  struct console *c = arg;
  /* inotify's own alignment rule */
  _Alignas (struct inotify_event) char buf[4096];
  const struct inotify_event *e;
  bool ours = false;
  ssize_t n;

  while ((n = read (fd, buf, sizeof buf)) > 0)
    for (char *p = buf; p < buf + n; p += sizeof *e + e->len)
      {
        e = (const void *) p;
        ours |= (e->mask & IN_Q_OVERFLOW)
                || (e->len > 0 && is_about (c, e->name)
                    && (e->mask
                        & (IN_CREATE | IN_MOVED_TO | IN_DELETE
                           | IN_MOVED_FROM)));
      }
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
    watch_set (w, 0);
  if (ours)
    reopen (c, "the log was rotated");
}

static int
start_log (struct console *c, struct error *err)
{
  struct hub *hub = c->hub;

  c->idle_since = loop_now (hub->loop);
  if (!timer_armed (hub->tail_timer))
    timer_in (hub->tail_timer, 0);
  if (c->link.extra_fd < 0)
    return 0;
  return loop_watch (hub->loop, "console-log-folder", c->link.extra_fd,
                     LOOP_READ, folder_changed, c, &c->extra_watch, err);
}

/* Makes the kernel fetch what is not in its cache, without waiting. */
static ssize_t
not_cached (struct console *c, size_t n)
{
  (void) posix_fadvise (c->link.fd, c->link.offset, (off_t) n,
                        POSIX_FADV_WILLNEED);
  return -EAGAIN;
}

static ssize_t
read_log (struct console *c, void *dst, size_t n)
{
  struct iovec iov = { .iov_base = dst, .iov_len = n };
  uint64_t now = loop_now (c->hub->loop);
  struct stat st;
  ssize_t got;

  if (fstat (c->link.fd, &st) < 0)
    return -errno;
  if (st.st_size < c->link.offset) /* copied away and truncated */
    c->link.offset = 0;
  got = preadv2 (c->link.fd, &iov, 1, c->link.offset, RWF_NOWAIT);
  if (got < 0 && errno == EOPNOTSUPP)
    got = pread (c->link.fd, dst, n, c->link.offset);
  if (got < 0)
    return errno == EAGAIN ? not_cached (c, n) : -errno;
  if (got > 0)
    {
      c->link.offset += got;
      c->idle_since = now;
      return got;
    }
  if (is_removed (c)
      || (c->link.extra_fd < 0 && now - c->idle_since >= REOPEN_IDLE_MS))
    return -ESTALE; /* read to its end, and perhaps no more what it was */
  return -EAGAIN;
}

const struct console_ops console_log = {
  .name = "log",
  .open = open_log,
  .start = start_log,
  .read = read_log,
};
