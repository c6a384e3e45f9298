/* SPDX-License-Identifier: Apache-2.0
 *
 * crash-shim.so: for LD_PRELOAD.  Counts the calls by which a process changes
 * what is on the disk, and at the n-th of them ends the process, fails the
 * call, or plays a power cut: so a test can loop over every n.
 *
 * Counted, when on regular files and folders: write pwrite writev pwritev
 * ftruncate fsync fdatasync open(at) with O_CREAT or O_TRUNC, rename(at,at2)
 * unlink(at) link(at) mkdir(at).  Not seen: stdio (it calls write inside
 * libc), mmap, fallocate, copy_file_range, O_SYNC.
 *
 *   HD_CRASH_AT=n         at the n-th counted call (1 is the first) ...
 *   HD_CRASH_WHEN=before  _exit(137) instead of it (the default)
 *                 after   _exit(137) when it is done
 *                 torn    a write is done by half, then _exit(137); other
 *                         calls: as before
 *                 lost    a power cut: everything not synced is undone, this
 *                         call included, then _exit(137)
 *                 mixed   the same, but each 512-byte sector and each change
 *                         to a folder is lost or kept by HD_CRASH_SEED=k
 *   HD_FAIL_ERRNO=ENOSPC  do not crash: fail the calls n ... n+count-1 (also
 *                         EIO EDQUOT EFBIG EROFS EINTR, or a number); with
 *                         HD_CRASH_WHEN=torn the n-th, if a write, is first
 *                         done by half
 *   HD_FAIL_COUNT=count   default 1
 *   HD_FAIL_AT=m          fail from the m-th call on, and crash at n as well
 *   HD_UNREADABLE=off:path  a bad block: pread of the 4096 bytes at off of
 *                         the file that path is at the start (not of another
 *                         that takes its name) fails with EIO
 *   HD_LOST_DIR=folder    lost, mixed: undo unsynced changes to folders too
 *                         (keeps second names there: the same file system)
 *   HD_CRASH_UNDER=path   count only below this absolute path
 *   HD_CRASH_PROG=name    only in processes of that name (children inherit
 *                         the environment)
 *   HD_CRASH_COUNT_FILE=f at normal exit the count is written there
 *
 * In lost and mixed mode files are opened a second time: POSIX record locks
 * of the process are dropped by that; flock() is not.
 */
#include "tests/lib/crash-shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK 4096
#define EXPORT __attribute__ ((visibility ("default")))

enum act
{
  ACT_PASS,
  ACT_BEFORE,
  ACT_AFTER,
  ACT_HALF_CRASH,
  ACT_HALF,
  ACT_FAIL,
  ACT_CUT, /* the power cut */
};

struct shim shim = { .once = PTHREAD_ONCE_INIT,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .lost_dir = -1,
                     .bad_block = -1 };

static int
errno_by_name (const char *s)
{
  static const struct
  {
    const char *name;
    int code;
  } names[] = {
    { "ENOSPC", ENOSPC }, { "EIO", EIO },     { "EDQUOT", EDQUOT },
    { "EFBIG", EFBIG },   { "EROFS", EROFS }, { "EINTR", EINTR },
  };

  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp (s, names[i].name) == 0)
      return names[i].code;
  return atoi (s);
}

static unsigned long
env_number (const char *name, unsigned long dflt)
{
  const char *s = getenv (name);

  return s ? strtoul (s, NULL, 10) : dflt;
}

static void
init (void)
{
  static const char *const whens[]
      = { "before", "after", "torn", "lost", "mixed" };
  const char *s = getenv ("HD_CRASH_PROG");

  shim.on = !s || strcmp (s, program_invocation_short_name) == 0;
  shim.at = env_number ("HD_CRASH_AT", 0);
  shim.seed = env_number ("HD_CRASH_SEED", 1) * 0x9e3779b97f4a7c15u + 1;
  shim.fail_count = env_number ("HD_FAIL_COUNT", 1);
  shim.under = getenv ("HD_CRASH_UNDER");
  shim.count_file = getenv ("HD_CRASH_COUNT_FILE");
  s = getenv ("HD_FAIL_ERRNO");
  if (s)
    {
      shim.fail_errno = errno_by_name (s);
      shim.fail_at = env_number ("HD_FAIL_AT", 0);
      if (shim.fail_at == 0)
        {
          shim.fail_at = shim.at;
          shim.at = 0;
        }
    }
  s = getenv ("HD_CRASH_WHEN");
  for (int i = 0; s && i < 5; i++)
    if (strcmp (s, whens[i]) == 0)
      shim.when = (enum when) i;
  s = getenv ("HD_UNREADABLE");
  if (s && strchr (s, ':') && stat (strchr (s, ':') + 1, &shim.bad_file) == 0)
    shim.bad_block = strtol (s, NULL, 10);
  s = getenv ("HD_LOST_DIR");
  if (s && shim.on && shim.when >= WHEN_LOST)
    shim.lost_dir = (int) syscall (SYS_openat, AT_FDCWD, s,
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
ready (void)
{
  pthread_once (&shim.once, init);
  return shim.on;
}

/* ---- which call this is, and what to do about it ---- */

static bool
fd_counts (int fd)
{
  struct stat sb;
  char link[64], path[PATH_MAX];

  if (fstat (fd, &sb) < 0 || !(S_ISREG (sb.st_mode) || S_ISDIR (sb.st_mode)))
    return false;
  if (!shim.under)
    return true;
  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink (link, path, sizeof path - 1);
  if (n < 0)
    return false;
  path[n] = '\0';
  size_t want = strlen (shim.under);
  return strncmp (path, shim.under, want) == 0
         && (path[want] == '/' || path[want] == '\0' || path[want] == ' ');
}

static enum act
next_act (bool is_write)
{
  unsigned long n = atomic_fetch_add (&shim.count, 1) + 1;
  bool half = is_write && shim.when == WHEN_TORN;

  if (shim.fail_at > 0 && n >= shim.fail_at)
    {
      if (half && n == shim.fail_at && shim.at == 0)
        return ACT_HALF;
      if (n - shim.fail_at < shim.fail_count + (shim.when == WHEN_TORN))
        return ACT_FAIL;
    }
  if (shim.at == 0 || n != shim.at)
    return ACT_PASS;
  switch (shim.when)
    {
    case WHEN_AFTER:
      return ACT_AFTER;
    case WHEN_TORN:
      return half ? ACT_HALF_CRASH : ACT_BEFORE;
    case WHEN_LOST:
    case WHEN_MIXED:
      return ACT_CUT;
    case WHEN_BEFORE:
      break;
    }
  return ACT_BEFORE;
}

/* What happens before a call that is no write: true when it must not be
 * made, with errno set. */
static bool
refused (enum act act, bool is_sync)
{
  if (act == ACT_BEFORE)
    crash (false);
  if (act == ACT_CUT && is_sync)
    crash (true);
  if (act != ACT_FAIL)
    return false;
  errno = shim.fail_errno;
  return true;
}

static int
finish (enum act act, int r)
{
  int saved = errno;

  if (act == ACT_AFTER || act == ACT_CUT)
    crash (act == ACT_CUT);
  errno = saved;
  return r;
}

/* ---- writes ---- */

static size_t
iov_total (const struct iovec *iov, int n)
{
  size_t total = 0;

  for (int i = 0; i < n; i++)
    total += iov[i].iov_len;
  return total;
}

/* Half of what iov says, in one piece. */
static ssize_t
write_half (int fd, const struct iovec *iov, int n, off_t off)
{
  size_t half = iov_total (iov, n) / 2, at = 0;
  char *p = malloc (half + 1);

  for (int i = 0; p && i < n && at < half; i++)
    {
      size_t k = iov[i].iov_len < half - at ? iov[i].iov_len : half - at;

      memcpy (p + at, iov[i].iov_base, k);
      at += k;
    }
  ssize_t r
      = off < 0 ? REAL (write) (fd, p, half) : REAL (pwrite) (fd, p, half, off);
  free (p);
  return r;
}

/* off < 0: at the file's own position. */
static ssize_t
do_write (int fd, const struct iovec *iov, int n, off_t off)
{
  enum act act = ACT_PASS;

  if (ready () && fd_counts (fd))
    act = next_act (true);
  if (refused (act, false))
    return -1;
  if (act == ACT_HALF || act == ACT_HALF_CRASH)
    {
      ssize_t r = write_half (fd, iov, n, off);

      if (act == ACT_HALF_CRASH)
        crash (false);
      return r;
    }
  if (recording () && fd_counts (fd) && iov_total (iov, n) > 0)
    {
      struct stat sb;
      off_t at = off;

      if (off < 0 && fstat (fd, &sb) == 0)
        at = fcntl (fd, F_GETFL) & O_APPEND ? sb.st_size
                                            : lseek (fd, 0, SEEK_CUR);
      note_data (fd, at, iov_total (iov, n));
    }
  ssize_t r
      = off < 0 ? REAL (writev) (fd, iov, n) : REAL (pwritev) (fd, iov, n, off);
  if (act == ACT_AFTER || act == ACT_CUT)
    crash (act == ACT_CUT);
  return r;
}

EXPORT ssize_t
write (int fd, const void *data, size_t len)
{
  struct iovec iov = { (void *) data, len };

  return do_write (fd, &iov, 1, -1);
}

EXPORT ssize_t
pwrite (int fd, const void *data, size_t len, off_t off)
{
  struct iovec iov = { (void *) data, len };

  return do_write (fd, &iov, 1, off);
}

EXPORT ssize_t
pwrite64 (int fd, const void *data, size_t len, off64_t off)
{
  struct iovec iov = { (void *) data, len };

  return do_write (fd, &iov, 1, off);
}

EXPORT ssize_t
writev (int fd, const struct iovec *iov, int n)
{
  return do_write (fd, iov, n, -1);
}

EXPORT ssize_t
pwritev (int fd, const struct iovec *iov, int n, off_t off)
{
  return do_write (fd, iov, n, off);
}

EXPORT ssize_t
pwritev64 (int fd, const struct iovec *iov, int n, off64_t off)
{
  return do_write (fd, iov, n, off);
}

EXPORT int
ftruncate (int fd, off_t len)
{
  bool counts = ready () && fd_counts (fd);
  enum act act = counts ? next_act (false) : ACT_PASS;

  if (refused (act, false))
    return -1;
  if (counts)
    note_data (fd, len, 0);
  return finish (act, REAL (ftruncate) (fd, len));
}

EXPORT int
ftruncate64 (int fd, off64_t len)
{
  return ftruncate (fd, len);
}

/* ---- reads: not counted, for the bad block only ---- */

EXPORT ssize_t
pread (int fd, void *data, size_t len, off_t off)
{
  struct stat sb;

  if (ready () && shim.bad_block >= 0 && fstat (fd, &sb) == 0
      && sb.st_dev == shim.bad_file.st_dev && sb.st_ino == shim.bad_file.st_ino
      && off < shim.bad_block + BLOCK && off + (off_t) len > shim.bad_block)
    {
      if (off >= shim.bad_block)
        {
          errno = EIO;
          return -1;
        }
      len = (size_t) (shim.bad_block - off);
    }
  return REAL (pread) (fd, data, len, off);
}

EXPORT ssize_t
pread64 (int fd, void *data, size_t len, off64_t off)
{
  return pread (fd, data, len, off);
}

/* ---- syncs ---- */

static int
do_sync (int fd, int (*real) (int fd))
{
  bool counts = ready () && fd_counts (fd);
  enum act act = counts ? next_act (false) : ACT_PASS;
  struct stat sb;

  if (refused (act, true))
    return -1;
  int r = real (fd);
  if (r == 0 && counts && recording () && fstat (fd, &sb) == 0)
    forget (&sb);
  return finish (act, r);
}

EXPORT int
fsync (int fd)
{
  return do_sync (fd, REAL (fsync));
}

EXPORT int
fdatasync (int fd)
{
  return do_sync (fd, REAL (fdatasync));
}

EXPORT int
syncfs (int fd)
{
  int r = REAL (syncfs) (fd);

  if (r == 0 && ready () && recording ())
    forget (NULL);
  return r;
}

/* ---- names ---- */

static enum act
path_act (int dirfd, const char *path)
{
  char name[NAME_MAX + 1];

  if (!ready ())
    return ACT_PASS;
  if (shim.under)
    {
      int fd = open_parent (dirfd, path, name);
      bool counts = fd >= 0 && fd_counts (fd);

      if (fd >= 0)
        close (fd);
      if (!counts)
        return ACT_PASS;
    }
  return next_act (false);
}

static int
do_open (int dirfd, const char *path, int flags, mode_t mode)
{
  enum act act = ACT_PASS;

  if (!(flags & (O_CREAT | O_TRUNC)))
    return REAL (openat) (dirfd, path, flags, mode);
  act = path_act (dirfd, path);
  if (refused (act, false))
    return -1;
  if (flags & O_CREAT)
    note_name (UNDO_CREATE, dirfd, path);
  if (flags & O_TRUNC && recording ())
    {
      int fd = (int) syscall (SYS_openat, dirfd, path, O_RDWR | O_CLOEXEC);

      if (fd >= 0 && fd_counts (fd))
        note_data (fd, 0, 0);
      if (fd >= 0)
        close (fd);
    }
  return finish (act, REAL (openat) (dirfd, path, flags, mode));
}

/* The mode is only there when the flags say so. */
#define OPEN_MODE(flags, last)                                                 \
  mode_t mode = 0;                                                             \
  if ((flags) &O_CREAT || ((flags) &O_TMPFILE) == O_TMPFILE)                   \
    {                                                                          \
      va_list ap;                                                              \
      va_start (ap, last);                                                     \
      mode = va_arg (ap, mode_t);                                              \
      va_end (ap);                                                             \
    }

EXPORT int
open (const char *path, int flags, ...)
{
  OPEN_MODE (flags, flags)
  return do_open (AT_FDCWD, path, flags, mode);
}

EXPORT int
open64 (const char *path, int flags, ...)
{
  OPEN_MODE (flags, flags)
  return do_open (AT_FDCWD, path, flags, mode);
}

EXPORT int
openat (int dirfd, const char *path, int flags, ...)
{
  OPEN_MODE (flags, flags)
  return do_open (dirfd, path, flags, mode);
}

EXPORT int
openat64 (int dirfd, const char *path, int flags, ...)
{
  OPEN_MODE (flags, flags)
  return do_open (dirfd, path, flags, mode);
}

EXPORT int
renameat2 (int olddir, const char *oldpath, int newdir, const char *newpath,
           unsigned flags)
{
  enum act act = path_act (newdir, newpath);

  if (refused (act, false))
    return -1;
  note_rename (olddir, oldpath, newdir, newpath);
  return finish (act,
                 REAL (renameat2) (olddir, oldpath, newdir, newpath, flags));
}

EXPORT int
renameat (int olddir, const char *oldpath, int newdir, const char *newpath)
{
  return renameat2 (olddir, oldpath, newdir, newpath, 0);
}

EXPORT int
rename (const char *oldpath, const char *newpath)
{
  return renameat2 (AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

EXPORT int
unlinkat (int dirfd, const char *path, int flags)
{
  enum act act = path_act (dirfd, path);

  if (refused (act, false))
    return -1;
  if (!(flags & AT_REMOVEDIR))
    note_name (UNDO_REMOVE, dirfd, path);
  return finish (act, REAL (unlinkat) (dirfd, path, flags));
}

EXPORT int
unlink (const char *path)
{
  return unlinkat (AT_FDCWD, path, 0);
}

EXPORT int
linkat (int olddir, const char *oldpath, int newdir, const char *newpath,
        int flags)
{
  enum act act = path_act (newdir, newpath);

  if (refused (act, false))
    return -1;
  note_name (UNDO_CREATE, newdir, newpath);
  return finish (act, REAL (linkat) (olddir, oldpath, newdir, newpath, flags));
}

EXPORT int
link (const char *oldpath, const char *newpath)
{
  return linkat (AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

EXPORT int
mkdirat (int dirfd, const char *path, mode_t mode)
{
  enum act act = path_act (dirfd, path);

  if (refused (act, false))
    return -1;
  note_name (UNDO_MKDIR, dirfd, path);
  return finish (act, REAL (mkdirat) (dirfd, path, mode));
}

EXPORT int
mkdir (const char *path, mode_t mode)
{
  return mkdirat (AT_FDCWD, path, mode);
}

__attribute__ ((destructor)) static void
report (void)
{
  char line[32];

  if (!ready ())
    return;
  forget (NULL);
  if (!shim.count_file)
    return;
  int fd = (int) syscall (SYS_openat, AT_FDCWD, shim.count_file,
                          O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  int n = snprintf (line, sizeof line, "%lu\n", atomic_load (&shim.count));
  if (fd >= 0)
    {
      (void) !REAL (write) (fd, line, (size_t) n);
      close (fd);
    }
}
