/* SPDX-License-Identifier: Apache-2.0
 *
 * The half of crash-shim.so that plays the power cut: remembers, for every
 * change to the disk that was not synced yet, how to undo it.
 */
#include "tests/lib/crash-shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct undo
{
  struct undo *older;
  enum undo_kind kind;
  dev_t dev; /* what a sync must be of to make this last */
  ino_t ino;
  int fd;  /* the file, or the folder of name */
  int fd2; /* the folder of name2 */
  off_t off, old_size;
  size_t len, old_len;
  char *old;
  char name[NAME_MAX + 1], name2[NAME_MAX + 1];
  unsigned long backup; /* its second name in HD_LOST_DIR; 0 = none */
};

bool
recording (void)
{
  return shim.on && shim.at > 0 && shim.when >= WHEN_LOST;
}

int
open_parent (int dirfd, const char *path, char name[NAME_MAX + 1])
{
  char parent[PATH_MAX];
  const char *slash = strrchr (path, '/');
  size_t len = slash ? (size_t) (slash - path) + 1 : 0;

  if (len >= sizeof parent || strlen (path + len) > NAME_MAX)
    return -1;
  memcpy (parent, path, len);
  strncpy (parent + len, len ? "" : ".", 2);
  snprintf (name, NAME_MAX + 1, "%s", path + len);
  return (int) syscall (SYS_openat, dirfd, parent,
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
high_fd (int fd)
{
  int high = fd < 0 ? -1 : fcntl (fd, F_DUPFD_CLOEXEC, 512);

  if (high < 0)
    return fd;
  close (fd);
  return high;
}

static struct undo *
new_undo (enum undo_kind kind, int fd)
{
  struct undo *u = calloc (1, sizeof *u);
  struct stat sb;

  if (!u || fd < 0 || fstat (fd, &sb) < 0)
    {
      /* A simulation that forgets is worse than none. */
      fputs ("crash-shim: cannot record what to undo\n", stderr);
      abort ();
    }
  u->kind = kind;
  u->fd = high_fd (fd);
  u->fd2 = -1;
  u->dev = sb.st_dev;
  u->ino = sb.st_ino;
  return u;
}

static void
push_undo (struct undo *u)
{
  pthread_mutex_lock (&shim.lock);
  u->older = shim.newest;
  shim.newest = u;
  pthread_mutex_unlock (&shim.lock);
}

static void
backup_name (char dst[48], unsigned long backup)
{
  snprintf (dst, 48, "%ld.%lu", (long) getpid (), backup);
}

static void
free_undo (struct undo *u)
{
  char second[48];

  if (u->backup)
    {
      backup_name (second, u->backup);
      REAL (unlinkat) (shim.lost_dir, second, 0);
    }
  close (u->fd);
  if (u->fd2 >= 0)
    close (u->fd2);
  free (u->old);
  free (u);
}

void
forget (const struct stat *sb)
{
  pthread_mutex_lock (&shim.lock);
  for (struct undo **p = &shim.newest; *p;)
    {
      struct undo *u = *p;

      if (!sb || (u->dev == sb->st_dev && u->ino == sb->st_ino))
        {
          *p = u->older;
          free_undo (u);
        }
      else
        p = &u->older;
    }
  pthread_mutex_unlock (&shim.lock);
}

void
note_data (int fd, off_t off, size_t len)
{
  char link[64];
  struct stat sb;

  if (!recording () || fstat (fd, &sb) < 0)
    return;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  struct undo *u
      = new_undo (UNDO_DATA, (int) syscall (SYS_openat, AT_FDCWD, link,
                                            O_RDWR | O_CLOEXEC));
  u->off = off;
  u->len = len;
  u->old_size = sb.st_size;
  if (off < sb.st_size)
    {
      u->old_len = (size_t) (sb.st_size - off);
      if (len > 0 && u->old_len > len)
        u->old_len = len;
      u->old = malloc (u->old_len);
      if (!u->old
          || REAL (pread) (u->fd, u->old, u->old_len, off)
                 != (ssize_t) u->old_len)
        abort ();
    }
  push_undo (u);
}

/* Takes a second name for a file that is about to lose its own. */
static void
take_backup (struct undo *u, int dirfd, const char *name)
{
  char second[48];

  pthread_mutex_lock (&shim.lock);
  u->backup = ++shim.backups;
  pthread_mutex_unlock (&shim.lock);
  backup_name (second, u->backup);
  if (REAL (linkat) (dirfd, name, shim.lost_dir, second, 0) < 0)
    u->backup = 0;
}

static bool
exists (int dirfd, const char *path)
{
  struct stat sb;

  return fstatat (dirfd, path, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

void
note_name (enum undo_kind kind, int dirfd, const char *path)
{
  char name[NAME_MAX + 1];

  if (!recording () || shim.lost_dir < 0)
    return;
  if (exists (dirfd, path) != (kind == UNDO_REMOVE))
    return;
  struct undo *u = new_undo (kind, open_parent (dirfd, path, name));
  memcpy (u->name, name, sizeof name);
  if (kind == UNDO_REMOVE)
    take_backup (u, u->fd, u->name);
  push_undo (u);
}

void
note_rename (int olddir, const char *oldpath, int newdir, const char *newpath)
{
  char name[NAME_MAX + 1];

  if (!recording () || shim.lost_dir < 0 || !exists (olddir, oldpath))
    return;
  /* The folder of the new name is what has to be synced. */
  struct undo *u = new_undo (UNDO_RENAME, open_parent (newdir, newpath, name));
  memcpy (u->name2, name, sizeof name);
  u->fd2 = u->fd;
  u->fd = high_fd (open_parent (olddir, oldpath, u->name));
  take_backup (u, u->fd2, u->name2);
  push_undo (u);
}

static bool
coin (void)
{
  shim.seed ^= shim.seed << 13;
  shim.seed ^= shim.seed >> 7;
  shim.seed ^= shim.seed << 17;
  return shim.seed >> 40 & 1;
}

/* Each sector of a write is lost or kept; what was beyond the end is zeros
 * when lost, for the size is kept. */
static void
mix_data (const struct undo *u)
{
  static const char zeros[512];
  off_t end = u->off + (off_t) u->len;

  if (u->len == 0)
    {
      if (coin ())
        (void) REAL (pwrite) (u->fd, u->old, u->old_len, u->off);
      return;
    }
  for (off_t at = u->off; at < end;)
    {
      off_t next = (at | 511) + 1;

      if (next > end)
        next = end;
      if (coin ())
        {
          off_t old_end = u->off + (off_t) u->old_len;
          off_t mid = old_end < at ? at : old_end > next ? next : old_end;

          (void) REAL (pwrite) (u->fd, u->old + (at - u->off),
                                (size_t) (mid - at), at);
          (void) REAL (pwrite) (u->fd, zeros, (size_t) (next - mid), mid);
        }
      at = next;
    }
}

static void
undo_one (const struct undo *u)
{
  char second[48];

  backup_name (second, u->backup);
  switch (u->kind)
    {
    case UNDO_DATA:
      (void) REAL (pwrite) (u->fd, u->old, u->old_len, u->off);
      (void) REAL (ftruncate) (u->fd, u->old_size);
      break;
    case UNDO_CREATE:
      REAL (unlinkat) (u->fd, u->name, 0);
      break;
    case UNDO_MKDIR:
      /* With all that is in it, however well that was synced. */
      backup_name (second, ++shim.backups);
      REAL (renameat) (u->fd, u->name, shim.lost_dir, second);
      break;
    case UNDO_REMOVE:
      if (u->backup)
        REAL (linkat) (shim.lost_dir, second, u->fd, u->name, 0);
      break;
    case UNDO_RENAME:
      REAL (renameat) (u->fd2, u->name2, u->fd, u->name);
      if (u->backup)
        REAL (linkat) (shim.lost_dir, second, u->fd2, u->name2, 0);
      break;
    }
}

_Noreturn void
crash (bool power_cut)
{
  bool folders = true; /* a journal keeps their order: the latest are lost */

  pthread_mutex_lock (&shim.lock);
  for (const struct undo *u = shim.newest; power_cut && u; u = u->older)
    if (shim.when == WHEN_LOST)
      undo_one (u);
    else if (u->kind == UNDO_DATA)
      mix_data (u);
    else if (folders && (folders = coin ()))
      undo_one (u);
  syscall (SYS_exit_group, 137);
  __builtin_unreachable ();
}
