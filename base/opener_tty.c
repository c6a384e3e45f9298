/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener: terminals and their UUCP lock files.
 *
 * Two readers of one terminal share its bytes between them and neither can
 * tell.  libvirt keeps its own clients apart with a lock file per device, so we
 * keep the same one: `virsh console` sees ours, we see its.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/opener.h"
#include "base/opener_impl.h"

#define LOCK_DIR "/var/lock"
/* A lock file without a readable pid is one that is being written, for so
 * long; then it is a leftover. */
#define WRITING_SECONDS 2
#define TRIES 8

/* ---- names ---- */

/* libvirt's rule: skip "/dev" (not the slash after it), "/" becomes "_". */
static int
lock_name (const struct open_req *req, char *dst, size_t n, struct error *err)
{
  char full[PATH_MAX];
  const char *p = full;
  size_t at;
  int r;

  r = snprintf (full, sizeof full, "%s/%s", req->root, req->path);
  if (r < 0 || (size_t) r >= sizeof full)
    return error_set (err, ENAMETOOLONG, "the path of a terminal is too long");
  if (strncmp (p, "/dev", 4) == 0)
    p += 4;
  at = (size_t) snprintf (dst, n, "LCK..");
  for (; *p; p++)
    {
      if (p[0] == '/' && p[1] == '/')
        continue; /* "/dev/pts/" + "/" + "3" */
      if (at + 1 >= n)
        return error_set (err, ENAMETOOLONG,
                          "%s: no lock file can have this name", full);
      dst[at++] = *p == '/' ? '_' : *p;
    }
  dst[at] = '\0';
  return 0;
}

static int
open_lock_dir (const struct open_req *req)
{
  int fd = open (req->lock_dir ? req->lock_dir : LOCK_DIR,
                 O_PATH | O_DIRECTORY | O_CLOEXEC);

  return fd < 0 ? -errno : fd;
}

static int32_t
lock_pid (const struct open_req *req)
{
  return req->lock_pid > 0 ? req->lock_pid : (int32_t) getpid ();
}

/* Is this name still this file? */
static bool
same_file (int dir, const char *name, int fd)
{
  struct stat a, b;

  return fstat (fd, &a) == 0
         && fstatat (dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0
         && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* ---- a lock that is there ---- */

/* The pid in a lock file; 0 when it holds none. */
static int32_t
read_pid (int fd)
{
  char text[32], *end;
  ssize_t n = pread (fd, text, sizeof text - 1, 0);
  long v;

  if (n <= 0)
    return 0;
  text[n] = '\0';
  errno = 0;
  v = strtol (text, &end, 10);
  if (errno || end == text || (*end && *end != '\n' && *end != ' ') || v < 1
      || v > INT32_MAX)
    return 0;
  return (int32_t) v;
}

/* As in the lock files of others a live pid is all that counts, EPERM too: it
 * is somebody's.  One that is dead and waits for a slow init to notice holds
 * nothing any more. */
static bool
is_alive (int32_t pid)
{
  char state;

  if (kill (pid, 0) < 0 && errno != EPERM)
    return false;
  state = proc_state (pid);
  return state != 'Z' && state != 'X';
}

/* The kernel stamps files by a clock that may be a tick ahead of time()'s: at
 * the turn of a second what was just written is from the next one.  What is
 * further ahead is a clock that was set back, and would be fresh for ever. */
static bool
is_fresh (int fd)
{
  struct stat st;
  time_t now = time (NULL);

  return fstat (fd, &st) == 0 && st.st_mtime <= now + 1
         && now - st.st_mtime < WRITING_SECONDS;
}

/* 0: it was stale and is removed, or it is gone; -EBUSY: it is held. */
static int
clear_stale (const struct open_req *req, int dir, const char *name,
             struct error *err)
{
  CLEANUP_CLOSE int fd = openat (
      dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat st;
  int32_t pid;

  if (fd < 0)
    return errno == ENOENT
               ? 0
               : error_errno (err, errno, "reading the lock %s", name);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return error_set (err, EBUSY, "the lock %s is not a file: look at it",
                      name);
  pid = read_pid (fd);
  /* One of ours holds it open, whatever the pid in it. */
  if (flock (fd, LOCK_EX | LOCK_NB) < 0)
    return error_set (err, EBUSY, "%s/%s is held by process %d (another "
                                  "reader of ours)",
                      req->root, req->path, (int) pid);
  if (pid && pid != lock_pid (req) && is_alive (pid))
    return error_set (err, EBUSY,
                      "%s/%s is held by process %d (lock file %s): is it "
                      "`virsh console`?",
                      req->root, req->path, (int) pid, name);
  if (!pid && is_fresh (fd))
    return error_set (err, EBUSY, "%s/%s: the lock file %s is being written",
                      req->root, req->path, name);
  /* flock() keeps others of ours from doing the same; against anybody else the
   * look at the inode leaves the small window that the protocol has. */
  if (same_file (dir, name, fd) && unlinkat (dir, name, 0) < 0
      && errno != ENOENT)
    return error_errno (err, errno == EPERM ? EBUSY : errno,
                        "removing the stale lock %s", name);
  return 0;
}

/* ---- a lock of our own ---- */

/* The file gets its name when the pid is in it, for libvirt takes an empty
 * one for stale.  0, or -EEXIST when somebody was faster. */
static int
create_lock (const struct open_req *req, int dir, const char *name,
             int *ret_fd)
{
  CLEANUP_CLOSE int fd = -1;
  char tmp[64], text[32];
  uint64_t rnd;
  int n, r = 0;

  /* Anybody may write to this folder: a name that nobody can take first. */
  if (getrandom (&rnd, sizeof rnd, 0) != (ssize_t) sizeof rnd)
    return -EIO;
  snprintf (tmp, sizeof tmp, "LTMP..hangdog.%016" PRIx64, rnd);
  fd = openat (dir, tmp,
               O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0)
    return -errno;
  n = snprintf (text, sizeof text, "%10d\n", (int) lock_pid (req));
  /* Readable for all, whatever the umask: others must see who it is. */
  if (fchmod (fd, 0644) < 0 || flock (fd, LOCK_EX | LOCK_NB) < 0)
    r = -errno;
  else if (write (fd, text, (size_t) n) != n)
    r = -ENOSPC;
  else if (linkat (dir, tmp, dir, name, 0) < 0)
    r = -errno;
  (void) unlinkat (dir, tmp, 0);
  if (r < 0)
    return r;
  *ret_fd = steal_fd (&fd);
  return 0;
}

/* Nothing can be locked there; what can be seen was obeyed. */
static bool
goes_without (int r)
{
  return r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT;
}

static int
take_lock (const struct open_req *req, int *ret_lock, struct error *err)
{
  CLEANUP_CLOSE int dir = open_lock_dir (req);
  char name[NAME_MAX + 1];
  int r;

  r = lock_name (req, name, sizeof name, err);
  if (r < 0)
    return r;
  if (dir == -ENOENT || dir == -EACCES)
    return 0;
  if (dir < 0)
    return error_errno (err, -dir, "opening the folder of terminal locks");
  for (int i = 0; i < TRIES; i++)
    {
      r = clear_stale (req, dir, name, err);
      if (r < 0)
        return r;
      r = create_lock (req, dir, name, ret_lock);
      if (r == 0 || goes_without (r))
        return 0;
      if (r != -EEXIST)
        return error_errno (err, -r, "making the lock %s", name);
    }
  return error_set (err, EBUSY, "%s/%s: others take its lock again and again",
                    req->root, req->path);
}

void
open_lock_release (const struct open_req *req, int lock_fd)
{
  CLEANUP_CLOSE int dir = -1;
  char name[NAME_MAX + 1];

  if (lock_fd < 0)
    return;
  dir = open_lock_dir (req);
  if (dir >= 0 && lock_name (req, name, sizeof name, NULL) == 0
      && same_file (dir, name, lock_fd))
    (void) unlinkat (dir, name, 0);
  close (lock_fd);
}

/* ---- the terminal ---- */

static int
open_device (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int path = open_beneath_ (req, O_PATH, err);
  CLEANUP_CLOSE int fd = -1;
  struct stat st;

  if (path < 0)
    return path;
  if (fstat (path, &st) < 0)
    return error_errno (err, errno, "%s/%s", req->root, req->path);
  if (!S_ISCHR (st.st_mode))
    return error_set (err, ENOTTY, "%s/%s is not a terminal", req->root,
                      req->path);
  fd = open (fd_path_ (path).text,
             O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "opening %s/%s", req->root, req->path);
  if (!isatty (fd))
    return error_set (err, ENOTTY, "%s/%s is not a terminal", req->root,
                      req->path);
  if (flock (fd, LOCK_EX | LOCK_NB) < 0)
    return error_errno (err, errno == EWOULDBLOCK ? EBUSY : errno,
                        "%s/%s is in use by another reader", req->root,
                        req->path);
  *ret_fd = steal_fd (&fd);
  return 0;
}

/* While the process lives that has the other end, the number is its. */
static int
check_owner (const struct open_req *req, struct error *err)
{
  uint64_t start = 0;
  int r;

  if (req->check_pid == 0)
    return 0;
  r = proc_start_time (req->check_pid, &start, err);
  if (r == -ESRCH || (r == 0 && start != req->check_start))
    return error_set (err, ESTALE, "%s/%s was process %d's, which is gone",
                      req->root, req->path, (int) req->check_pid);
  return r;
}

int
open_tty_ (const struct open_req *req, int *ret_fd, int *ret_lock,
           struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  int r, lock = -1;

  /* A stranger's terminal is not even opened... */
  r = check_owner (req, err);
  if (r < 0)
    return r;
  /* The lock first: not even an open disturbs who has it. */
  r = take_lock (req, &lock, err);
  if (r < 0)
    return r;
  r = open_device (req, &fd, err);
  /* ... and what is open now was its all the time if it still lives. */
  if (r == 0)
    r = check_owner (req, err);
  if (r < 0)
    {
      open_lock_release (req, lock);
      return r;
    }
  *ret_fd = steal_fd (&fd);
  *ret_lock = lock;
  return 0;
}
