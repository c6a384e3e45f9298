/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener, below /proc.
 *
 * The descriptor of /proc/PID belongs to one process and not to a number: once
 * that process is gone everything opened through it fails.  So the start time
 * is read through it, and then the file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/opener.h"
#include "base/opener_impl.h"

/* More than a stack of 64 frames; the rest is cut. */
#define MAX_TEXT (64u << 10)

enum how
{
  DESCRIPTOR, /* the rights are asked for when it is opened */
  FOLDER,
  COPY, /* the rights are asked for at each read; never waits for the target */
  PIDFD,
  MAPPED, /* the file of a shared mapping */
  TARGETS, /* a list of its descriptors */
  IMAGE,   /* the file of one of them */
};

static const struct
{
  const char *name;
  enum how how;
  bool thread; /* also of one thread */
} names[] = {
  { "mem", DESCRIPTOR, false },
  { "pagemap", DESCRIPTOR, false },
  /* Reading it waits for the target's mmap lock: that is the reader's risk,
   * not the keeper's. */
  { "maps", DESCRIPTOR, false },
  { "ns/net", DESCRIPTOR, false },
  { "task", FOLDER, false },
  { "pidfd", PIDFD, false },
  { "fd", TARGETS, false },
  { "stack", COPY, true },
  { "syscall", COPY, true },
  { "wchan", COPY, true },
  { "status", COPY, true },
  { "stat", COPY, true },
  { "schedstat", COPY, true },
};

static int
read_some (int dir, const char *name, char *text, size_t size, size_t *ret_len)
{
  CLEANUP_CLOSE int fd = openat (dir, name, O_RDONLY | O_CLOEXEC);

  return fd < 0 ? -errno : io_read (fd, text, size, ret_len);
}

/* Field 22; the second field, the name, may hold anything, also ") ". */
static int
parse_start (char *stat, uint64_t *ret)
{
  char *p = strrchr (stat, ')'), *end;
  unsigned long long v;

  for (int field = 2; p && field < 22; field++)
    {
      p = strchr (p, ' ');
      p = p ? p + 1 : NULL;
    }
  if (!p)
    return -EPROTO;
  errno = 0;
  v = strtoull (p, &end, 10);
  if (errno || end == p)
    return -EPROTO;
  *ret = v;
  return 0;
}

static int
start_time_at (int dir, uint64_t *ret)
{
  char text[2048];
  size_t len = 0;
  int r;

  r = read_some (dir, "stat", text, sizeof text - 1, &len);
  if (r < 0)
    return r == -ENOENT ? -ESRCH : r;
  text[len] = '\0';
  return len ? parse_start (text, ret) : -ESRCH;
}

static int
open_process (int32_t pid, struct error *err)
{
  char path[32];
  int fd;

  snprintf (path, sizeof path, "/proc/%d", (int) pid);
  fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0)
    return fd;
  if (errno == ENOENT)
    return error_set (err, ESRCH, "there is no process %d", (int) pid);
  return error_errno (err, errno, "opening %s", path);
}

int
proc_start_time (int32_t pid, uint64_t *ret, struct error *err)
{
  CLEANUP_CLOSE int dir = open_process (pid, err);
  int r;

  if (dir < 0)
    return dir;
  r = start_time_at (dir, ret);
  if (r < 0)
    return error_errno (err, -r, "reading the start time of process %d",
                        (int) pid);
  return 0;
}

char
proc_state (int32_t pid)
{
  CLEANUP_CLOSE int dir = open_process (pid, NULL);
  char text[512];
  const char *at;
  size_t len = 0;

  if (dir < 0 || read_some (dir, "stat", text, sizeof text - 1, &len) < 0
      || len == 0)
    return 0;
  text[len] = '\0';
  /* Behind the last ')': the name before it may hold anything. */
  at = strrchr (text, ')');
  return at && at[1] == ' ' && at[2] ? at[2] : '?';
}

/* ---- OPEN_PROC ---- */

/* A number without sign, spaces and leading zeros; ends at '/'. */
static const char *
parse_id (const char *p, int32_t *ret)
{
  int64_t v = 0;

  if (*p < '1' || *p > '9')
    return NULL;
  for (; *p >= '0' && *p <= '9'; p++)
    {
      v = v * 10 + (*p - '0');
      if (v > INT32_MAX)
        return NULL;
    }
  if (*p != '/')
    return NULL;
  *ret = (int32_t) v;
  return p + 1;
}

int
open_sealed_ (const char *text, size_t len, int *ret_fd)
{
  CLEANUP_CLOSE int fd = memfd_create ("proc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int r;

  if (fd < 0)
    return -errno;
  r = io_pwrite (fd, text, len, 0);
  if (r < 0)
    return r;
  if (fcntl (fd, F_ADD_SEALS,
             F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
      < 0)
    return -errno;
  *ret_fd = steal_fd (&fd);
  return 0;
}

static int
copy_text (int dir, const char *name, int *ret_fd)
{
  CLEANUP_FREE char *text = malloc (MAX_TEXT);
  size_t len = 0;
  int r;

  if (!text)
    return -ENOMEM;
  r = read_some (dir, name, text, MAX_TEXT, &len);
  return r < 0 ? r : open_sealed_ (text, len, ret_fd);
}

/* ---- descriptors ---- */

#define MAX_FDS 65536
#define FD_PREFIX "fd/"
#define MIN_IMAGE (64 << 10)

static DIR *
list_fds (int dir)
{
  int fd = openat (dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *fds = fd < 0 ? NULL : fdopendir (fd);

  if (fd >= 0 && !fds)
    close (fd);
  return fds;
}

/* Where they lead, by name alone: nothing of that is touched. */
static int
list_targets (int dir, int *ret_fd)
{
  CLEANUP_CLOSEDIR DIR *fds = list_fds (dir);
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_TEXT * 4);
  struct dirent *e;

  if (!fds)
    return -errno;
  for (unsigned n = 0; n < MAX_FDS && (e = readdir (fds)); n++)
    {
      char target[4096];
      ssize_t len = e->d_name[0] == '.'
                        ? -1
                        : readlinkat (dirfd (fds), e->d_name, target,
                                      sizeof target - 1);

      if (len <= 0 || target[0] != '/' || memchr (target, '\n', (size_t) len))
        continue;
      target[len] = '\0';
      buf_printf (&text, "%s %s\n", e->d_name, target);
    }
  return open_sealed_ (buf_str (&text), text.len, ret_fd);
}

/* What was looked at is what is opened: by way of an O_PATH.  A device is not
 * asked whether it is there (a block device's open() reads nothing). */
static int
open_image (int dir, const char *path)
{
  CLEANUP_CLOSE int at = openat (dir, path, O_PATH | O_CLOEXEC);
  struct stat st;
  int fd;

  if (at < 0)
    return -errno;
  if (fstat (at, &st) < 0)
    return -errno;
  if (!S_ISBLK (st.st_mode)
      && (!S_ISREG (st.st_mode) || st.st_size < MIN_IMAGE
          || (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH))))
    return -EACCES;
  /* Past the host's cache, which would answer for a disk that is dead. */
  fd = open (fd_path_ (at).text, O_RDONLY | O_DIRECT | O_CLOEXEC | O_NOCTTY);
  if (fd < 0 && errno == EINVAL)
    fd = open (fd_path_ (at).text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  return fd < 0 ? -errno : fd;
}

static bool
is_fd_path (const char *name)
{
  size_t n = strlen (FD_PREFIX);

  return strncmp (name, FD_PREFIX, n) == 0 && name[n]
         && strlen (name) < n + 8
         && strspn (name + n, "0123456789") == strlen (name + n)
         && (name[n] != '0' || !name[n + 1]);
}

/* ---- the file of a mapping ---- */

#define MAPPED_PREFIX "map_files/"

struct mapping
{
  uint64_t start, end, offset, inode;
  dev_t dev;
};

static bool
parse_mapping (const char *path, struct mapping *ret)
{
  char again[64];

  if (sscanf (path, MAPPED_PREFIX "%16" SCNx64 "-%16" SCNx64, &ret->start,
              &ret->end)
          != 2
      || ret->end <= ret->start)
    return false;
  /* As the kernel writes it, and nothing behind it. */
  snprintf (again, sizeof again, MAPPED_PREFIX "%" PRIx64 "-%" PRIx64,
            ret->start, ret->end);
  return strcmp (again, path) == 0;
}

/* That mapping must be there, be shared and be writable: what a process runs
 * or reads its secrets from is not, and what it can write it could read itself.
 * This waits for the target's mmap lock; whoever knows the range has read
 * "maps" a moment ago, at its own risk. */
static int
find_mapping (int dir, struct mapping *m)
{
  CLEANUP_FREE char *line = NULL;
  CLEANUP_FCLOSE FILE *maps = NULL;
  int fd = openat (dir, "maps", O_RDONLY | O_CLOEXEC);
  size_t cap = 0;

  if (fd < 0)
    return -errno;
  maps = fdopen (fd, "r");
  if (!maps)
    {
      close (fd);
      return -ENOMEM;
    }
  while (getline (&line, &cap, maps) > 0)
    {
      unsigned major_no, minor_no;
      uint64_t start, end;
      char perms[5];

      if (sscanf (line,
                  "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64,
                  &start, &end, perms, &m->offset, &major_no, &minor_no,
                  &m->inode)
              != 7
          || start != m->start || end != m->end)
        continue;
      m->dev = makedev (major_no, minor_no);
      return memcmp (perms, "rw-s", 4) == 0 && m->inode ? 0 : -EACCES;
    }
  return -ENOENT;
}

static bool
is_mapped (const struct stat *st, const struct mapping *m)
{
  return S_ISREG (st->st_mode) && st->st_ino == m->inode
         && st->st_dev == m->dev;
}

/* By its own descriptor, if it kept one: what takes fewer rights. */
static int
find_descriptor (int dir, const struct mapping *m)
{
  CLEANUP_CLOSEDIR DIR *fds = list_fds (dir);
  struct dirent *e;
  int fd;

  if (!fds)
    return -errno;
  fd = dirfd (fds);
  for (unsigned n = 0; n < MAX_FDS && (e = readdir (fds)); n++)
    {
      struct stat st;

      if (e->d_name[0] != '.' && fstatat (fd, e->d_name, &st, 0) == 0
          && is_mapped (&st, m))
        {
          int r = openat (fd, e->d_name, O_RDONLY | O_CLOEXEC);

          return r < 0 ? -errno : r;
        }
    }
  return -ENOENT;
}

static int
open_mapped (int dir, const char *path)
{
  CLEANUP_CLOSE int fd = -1;
  struct mapping m = { 0 };
  struct stat st;
  int r;

  if (!parse_mapping (path, &m))
    return -EINVAL;
  r = find_mapping (dir, &m);
  if (r < 0)
    return r;
  fd = find_descriptor (dir, &m);
  /* O_PATH first: a device is not opened to find out that it is one. */
  if (fd < 0)
    {
      CLEANUP_CLOSE int at = openat (dir, path, O_PATH | O_CLOEXEC);

      if (at < 0)
        return -errno;
      if (fstat (at, &st) < 0 || !is_mapped (&st, &m))
        return -EACCES;
      fd = open (fd_path_ (at).text, O_RDONLY | O_CLOEXEC);
    }
  if (fd < 0)
    return -errno;
  if (fstat (fd, &st) < 0 || !is_mapped (&st, &m)
      || (uint64_t) st.st_size < m.offset + (m.end - m.start))
    return -EACCES;
  return steal_fd (&fd);
}

static int
open_named (int dir, int32_t pid, const char *path, enum how how, int *ret_fd)
{
  int fd = -1;

  switch (how)
    {
    case COPY:
      return copy_text (dir, path, ret_fd);
    case PIDFD:
      fd = (int) syscall (SYS_pidfd_open, pid, 0);
      break;
    case FOLDER:
      fd = openat (dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      break;
    case DESCRIPTOR:
      fd = openat (dir, path, O_RDONLY | O_CLOEXEC);
      break;
    case TARGETS:
      return list_targets (dir, ret_fd);
    case IMAGE:
      fd = open_image (dir, path);
      if (fd < 0)
        return fd;
      break;
    case MAPPED:
      fd = open_mapped (dir, path);
      if (fd < 0)
        return fd;
      break;
    }
  if (fd < 0)
    return -errno;
  *ret_fd = fd;
  return 0;
}

static int
find_name (const char *path, int32_t *ret_pid, const char **ret_rest,
           enum how *ret_how)
{
  const char *rest, *name;
  int32_t tid;
  bool thread = false;

  name = rest = parse_id (path, ret_pid);
  if (!rest)
    return -EINVAL;
  if (strncmp (rest, "task/", 5) == 0)
    {
      thread = true;
      name = parse_id (rest + 5, &tid);
      if (!name)
        return -EINVAL;
    }
  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if (strcmp (names[i].name, name) == 0 && (!thread || names[i].thread))
      {
        *ret_rest = rest;
        *ret_how = names[i].how;
        return 0;
      }
  if (!thread && strncmp (name, MAPPED_PREFIX, strlen (MAPPED_PREFIX)) == 0)
    {
      *ret_rest = rest;
      *ret_how = MAPPED;
      return 0;
    }
  if (!thread && is_fd_path (name))
    {
      *ret_rest = rest;
      *ret_how = IMAGE;
      return 0;
    }
  return -EACCES;
}

int
open_proc_ (const struct open_req *req, int *ret_fd, struct error *err)
{
  CLEANUP_CLOSE int dir = -1, fd = -1;
  const char *rest = NULL;
  uint64_t start = 0;
  int32_t pid = 0;
  enum how how;
  int r;

  r = strcmp (req->root, "/proc") == 0
          ? find_name (req->path, &pid, &rest, &how)
          : -EINVAL;
  if (r < 0)
    return error_set (err, -r, "%s/%s is not on the list of what may be "
                               "opened of a process",
                      req->root, req->path);
  dir = open_process (pid, err);
  if (dir < 0)
    return dir;
  r = open_named (dir, pid, rest, how, &fd);
  /* No such file: the process (or this thread) is gone, or the kernel was
   * built without it. */
  if (r == -ENOENT && start_time_at (dir, &start) < 0)
    r = -ESRCH;
  if (r < 0)
    return error_errno (err, -r, "opening /proc/%s", req->path);
  /* After, not before: a pidfd comes from the number, and the number is right
   * if the process of `dir` still has it. */
  r = start_time_at (dir, &start);
  if (r < 0)
    return error_errno (err, -r, "opening /proc/%s", req->path);
  if (req->check_start == 0 || start != req->check_start)
    return error_set (err, ESTALE,
                      "process %d is not the one that was meant (it began at "
                      "another time)",
                      (int) pid);
  *ret_fd = steal_fd (&fd);
  return 0;
}
