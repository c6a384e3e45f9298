/* SPDX-License-Identifier: Apache-2.0
 *
 * The file that `hangdog core` writes.
 */
#include "supervisor/cli/core_file.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES (1ull << 46)
#define WINDOW (32ull << 20) /* written to the disk, and forgotten, at once */
#define USUAL_LEAVE_MIN (64ull << 20)
#define USUAL_LEAVE_MAX (2ull << 30)

struct core_file
{
  struct core_file_spec spec;
  char *path, *partial; /* partial: NULL once it has its name */
  int fd;
  uint64_t bytes, at, written;
  uint64_t window; /* what is before it is on the disk */
  uint64_t unchecked;
  struct digest sum;
  uint64_t summed; /* so far */
  bool summing;
};

static const char *
size_text (char dst[32], uint64_t bytes)
{
  return units_format_size (dst, 32, bytes);
}

/* ---- room ---- */

static uint64_t
must_stay_free (const struct core_file *f, const struct statvfs *fs)
{
  uint64_t part = (uint64_t) fs->f_blocks * fs->f_frsize / 20;

  if (f->spec.leave > 0)
    return f->spec.leave;
  return part < USUAL_LEAVE_MIN   ? USUAL_LEAVE_MIN
         : part > USUAL_LEAVE_MAX ? USUAL_LEAVE_MAX
                                  : part;
}

/* Others write to that disk, too: asked again and again. */
static int
check_room (struct core_file *f, uint64_t need, struct error *err)
{
  char a[32], b[32], c[32];
  struct statvfs fs;
  uint64_t free_bytes, leave;

  if (f->spec.max > 0 && f->written + need > f->spec.max)
    return error_set (
        err, EFBIG, "the core takes %s of the disk, and --max is %s",
        size_text (a, f->written + need), size_text (b, f->spec.max));
  if (fstatvfs (f->fd, &fs) < 0)
    return error_errno (err, errno, "how much of the disk is free");
  free_bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
  leave = must_stay_free (f, &fs);
  if (free_bytes < leave || free_bytes - leave < need)
    return error_set (err, ENOSPC,
                      "the core takes %s more, %s are free there and %s of "
                      "them are to stay free (--leave)",
                      size_text (a, need), size_text (b, free_bytes),
                      size_text (c, leave));
  return 0;
}

/* ---- the file ---- */

static int
check_name (const struct core_file_spec *spec, struct error *err)
{
  struct stat st;

  if (lstat (spec->path, &st) < 0)
    return errno == ENOENT ? 0 : error_errno (err, errno, "%s", spec->path);
  if (!S_ISREG (st.st_mode))
    return error_set (err, EEXIST, "%s is there and no file", spec->path);
  if (!spec->force)
    return error_set (
        err, EEXIST, "%s is there already; --force writes over it", spec->path);
  return 0;
}

#define PARTIAL ".partial-"
#define RANDOM_LEN 6

static bool
is_partial (const char *entry, const char *base)
{
  size_t n = strlen (base);

  return strncmp (entry, base, n) == 0
         && strncmp (entry + n, PARTIAL, strlen (PARTIAL)) == 0
         && strlen (entry + n + strlen (PARTIAL)) == RANDOM_LEN;
}

/* Ours, and nobody is at it: who writes one has it locked. */
static bool
is_left_over (int dir, const char *entry)
{
  CLEANUP_CLOSE int fd
      = openat (dir, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat st;

  return fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode)
         && st.st_uid == geteuid () && st.st_nlink == 1
         && flock (fd, LOCK_EX | LOCK_NB) == 0;
}

/* Who is killed leaves what he has written, and nobody would look for it. */
static void
remove_left_over (const char *path)
{
  CLEANUP_FREE char *folder = strdup (path), *name = strdup (path);
  CLEANUP_CLOSEDIR DIR *dir = NULL;
  struct dirent *e;
  const char *base;

  if (!folder || !name)
    return;
  base = basename (name);
  dir = opendir (dirname (folder));
  while (dir && (e = readdir (dir)))
    if (is_partial (e->d_name, base) && is_left_over (dirfd (dir), e->d_name))
      unlinkat (dirfd (dir), e->d_name, 0);
}

int
core_file_new (const struct core_file_spec *spec, struct core_file **ret,
               struct error *err)
{
  struct core_file *f;
  int r = check_name (spec, err);

  if (r < 0)
    return r;
  f = calloc (1, sizeof *f);
  if (!f)
    return error_set (err, ENOMEM, "no memory");
  f->spec = *spec;
  f->fd = -1;
  f->summing = spec->sum;
  digest_init (&f->sum);
  f->path = strdup (spec->path);
  if (!f->path || asprintf (&f->partial, "%s" PARTIAL "XXXXXX", f->path) < 0)
    {
      f->partial = NULL;
      core_file_free (f);
      return error_set (err, ENOMEM, "no memory");
    }
  f->spec.path = f->path;
  if (f->spec.force)
    remove_left_over (f->path);
  f->fd = mkostemp (f->partial, O_CLOEXEC); /* 0600 */
  if (f->fd < 0)
    {
      r = error_errno (err, errno, "%s", f->path);
      free (f->partial);
      f->partial = NULL;
      core_file_free (f);
      return r;
    }
  (void) flock (f->fd, LOCK_EX | LOCK_NB);
  *ret = f;
  return 0;
}

int
core_file_begin (struct core_file *f, uint64_t bytes, uint64_t present,
                 struct error *err)
{
  if (f->bytes > 0 || bytes == 0 || bytes > MAX_BYTES || present > bytes)
    return error_set (err, EBADMSG, "a core of %llu bytes is none",
                      (unsigned long long) bytes);
  f->bytes = bytes;
  if (ftruncate (f->fd, (off_t) bytes) < 0)
    return error_errno (err, errno, "%s", f->path);
  return check_room (f, present, err);
}

/* Else all the host has in its cache makes way for what nobody reads. */
static void
flush_window (struct core_file *f)
{
  if (f->at - f->window < WINDOW)
    return;
  (void) sync_file_range (f->fd, (off_t) f->window, (off_t) (f->at - f->window),
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE
                              | SYNC_FILE_RANGE_WAIT_AFTER);
  (void) posix_fadvise (f->fd, (off_t) f->window, (off_t) (f->at - f->window),
                        POSIX_FADV_DONTNEED);
  f->window = f->at;
}

/* ---- its sum ---- */

static void
sum_some (struct core_file *f, const void *data, size_t len)
{
  struct timespec ts = { 0 };
  uint64_t was = f->summed / WINDOW;

  digest_add (&f->sum, data, len);
  f->summed += len;
  if (f->summed / WINDOW == was)
    return;
  (void) clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &ts);
  if ((uint64_t) ts.tv_sec * 1000 >= CORE_SUM_MS)
    f->summing = false;
}

/* A hole is read as zeros. */
static void
sum_hole (struct core_file *f, uint64_t until)
{
  static const unsigned char zeros[64 << 10];

  while (f->summing && f->summed < until)
    {
      uint64_t n = until - f->summed;

      sum_some (f, zeros, n < sizeof zeros ? (size_t) n : sizeof zeros);
    }
}

bool
core_file_sum (struct core_file *f, char ret_hex[DIGEST_HEX])
{
  sum_hole (f, f->bytes);
  if (!f->summing)
    return false;
  digest_end_hex (&f->sum, ret_hex);
  f->summing = false;
  return true;
}

/* ---- what comes ---- */

int
core_file_put (struct core_file *f, uint64_t at, const void *data, size_t len,
               struct error *err)
{
  int r;

  if (at < f->at || at > f->bytes || len > f->bytes - at)
    return error_set (err, EBADMSG, "a part of the core is out of its place");
  f->unchecked += len;
  if (f->unchecked >= WINDOW || f->spec.max > 0)
    {
      r = check_room (f, len, err);
      if (r < 0)
        return r;
      f->unchecked = 0;
    }
  r = io_pwrite (f->fd, data, len, at);
  if (r < 0)
    return error_errno (err, -r, "writing %s", f->path);
  sum_hole (f, at);
  if (f->summing)
    sum_some (f, data, len);
  f->at = at + len;
  f->written += len;
  flush_window (f);
  return 0;
}

static int
sync_folder (const char *path)
{
  CLEANUP_FREE char *copy = strdup (path);
  CLEANUP_CLOSE int fd = -1;

  if (!copy)
    return -ENOMEM;
  fd = open (dirname (copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 || fsync (fd) < 0 ? -errno : 0;
}

static int
give_name (struct core_file *f, struct error *err)
{
  int r = renameat2 (AT_FDCWD, f->partial, AT_FDCWD, f->path,
                     f->spec.force ? 0 : RENAME_NOREPLACE);

  /* Not every file system can: then what is looked for is who came between. */
  if (r < 0 && errno == EINVAL && check_name (&f->spec, err) == 0)
    r = rename (f->partial, f->path);
  return r < 0 ? error_errno (err, errno, "%s", f->path) : 0;
}

int
core_file_commit (struct core_file *f, struct error *err)
{
  int r;

  if (fsync (f->fd) < 0)
    return error_errno (err, errno, "writing %s", f->path);
  r = give_name (f, err);
  if (r < 0)
    return r;
  free (f->partial);
  f->partial = NULL;
  r = sync_folder (f->path);
  return r < 0 ? error_errno (err, -r, "the folder of %s", f->path) : 0;
}

uint64_t
core_file_written (const struct core_file *f)
{
  return f->written;
}

const char *
core_file_partial (const struct core_file *f)
{
  return f->spec.keep && f->written > 0 ? f->partial : NULL;
}

void
core_file_free (struct core_file *f)
{
  if (!f)
    return;
  if (f->partial && !core_file_partial (f))
    unlink (f->partial);
  if (f->fd >= 0)
    close (f->fd);
  free (f->partial);
  free (f->path);
  free (f);
}
