/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder that a program may leave files in.
 */
#include "transports/exec/folder.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "transports/exec/exec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* While it runs, of the disk and in all folders: more than is kept, so that a
 * temporary file costs it nothing. */
#define RUN_BYTES (4ull * EXEC_MAX_LEFT)
#define RUN_ENTRIES 512
#define RUN_DEPTH 8
#define PIECE (256u << 10)
#define TRIES 8
/* What is left of another's is nobody's hurry: so many at a time. */
#define SWEEP_ENTRIES 100000
#define NAME_START "run-"

/* Its own offset: a folder is read again and again. */
static DIR *
list (int fd)
{
  int own = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = own < 0 ? NULL : fdopendir (own);

  if (!dir && own >= 0)
    close (own);
  return dir;
}

static struct dirent *
next (DIR *dir)
{
  struct dirent *e;

  while ((e = readdir (dir))
         && (strcmp (e->d_name, ".") == 0 || strcmp (e->d_name, "..") == 0))
    ;
  return e;
}

/* Whatever rights it was left with. */
static void
open_up (int at, const char *name)
{
  struct stat st;

  if (fstatat (at, name, &st, AT_SYMLINK_NOFOLLOW) == 0
      && S_ISDIR (st.st_mode))
    (void) fchmodat (at, name, 0700, 0);
}

static int
open_folder (int at, const char *name)
{
  return openat (at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- its begin ---- */

/* 1: it is ours; 0: whoever sweeps was faster. */
static int
make_one (struct exec_folder *f, const char *base, struct error *err)
{
  struct stat st;
  char *name;

  snprintf (f->path, sizeof f->path, "%s/" NAME_START "XXXXXX", base);
  if (!mkdtemp (f->path))
    {
      f->path[0] = '\0';
      return error_errno (err, errno, "a folder in %s", base);
    }
  name = strrchr (f->path, '/') + 1;
  f->fd = open_folder (f->base, name);
  if (f->fd >= 0 && flock (f->fd, LOCK_EX | LOCK_NB) == 0
      && fstat (f->fd, &st) == 0 && st.st_nlink > 0)
    return 1;
  if (f->fd >= 0)
    close (f->fd);
  f->fd = -1;
  f->path[0] = '\0';
  return 0;
}

int
exec_folder_make (const char *base, struct exec_folder *ret,
                  struct error *err)
{
  struct exec_folder f = EXEC_FOLDER_INIT;
  int r = 0;

  f.base = open_folder (AT_FDCWD, base);
  if (f.base < 0)
    return error_errno (err, errno, "%s", base);
  for (int i = 0; i < TRIES && r == 0; i++)
    r = make_one (&f, base, err);
  if (r > 0)
    {
      *ret = f;
      return 0;
    }
  close (f.base);
  return r < 0 ? r : error_set (err, EBUSY, "no folder in %s", base);
}

/* ---- while it runs ---- */

struct sum
{
  uint64_t bytes;
  unsigned entries;
};

static bool
is_over (const struct sum *s)
{
  return s->bytes > RUN_BYTES || s->entries > RUN_ENTRIES;
}

static void
add_up (int fd, unsigned depth, struct sum *s)
{
  DIR *dir = list (fd);
  struct dirent *e;
  struct stat st;

  /* Whose size nobody can tell. */
  if (depth > RUN_DEPTH || !dir)
    s->entries += RUN_ENTRIES + 1;
  while (dir && !is_over (s) && (e = next (dir)))
    {
      CLEANUP_CLOSE int sub = -1;

      s->entries++;
      if (fstatat (fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        continue;
      s->bytes += (uint64_t) st.st_blocks * 512;
      if (st.st_size >= EXEC_FOLDER_FILE && S_ISREG (st.st_mode))
        s->bytes += RUN_BYTES + 1;
      if (!S_ISDIR (st.st_mode))
        continue;
      sub = open_folder (fd, e->d_name);
      if (sub >= 0)
        add_up (sub, depth + 1, s);
      else if (errno == EACCES)
        s->entries += RUN_ENTRIES + 1;
    }
  if (dir)
    closedir (dir);
}

bool
exec_folder_over (const struct exec_folder *f)
{
  struct sum s = { 0, 0 };

  add_up (f->fd, 0, &s);
  return is_over (&s);
}

/* ---- what is in it ---- */

struct taking
{
  const struct exec_folder_ops *ops;
  void *arg;
  int fd;
  unsigned files, beyond;
  uint64_t bytes;
};

/* NULL: it may be read. */
static const char *
unfit (const struct stat *st)
{
  if (S_ISLNK (st->st_mode))
    return "a link is not followed";
  if (S_ISDIR (st->st_mode))
    return "a folder in it is not looked into";
  if (!S_ISREG (st->st_mode))
    return "it is no plain file";
  return st->st_nlink > 1 ? "it has another name, too" : NULL;
}

static bool
read_file (struct taking *t, int fd, const char *name)
{
  CLEANUP_FREE char *piece = malloc (PIECE);
  bool any = false;

  if (!piece)
    return t->ops->gap (t->arg, name, "no memory");
  for (;;)
    {
      size_t room = EXEC_MAX_LEFT - t->bytes;
      ssize_t n = read (fd, piece, PIECE);
      bool cut = n > 0 && (size_t) n > room;

      if (n < 0)
        return t->ops->gap (t->arg, name, strerror (errno));
      if (cut)
        n = (ssize_t) room;
      /* An empty one is there, too. */
      if ((n > 0 || !any) && !t->ops->piece (t->arg, name, piece, (size_t) n))
        return false;
      t->bytes += (size_t) n;
      any = true;
      if (cut)
        return t->ops->gap (t->arg, name, "cut off");
      if (n == 0)
        return true;
    }
}

static bool
take_one (struct taking *t, const char *name)
{
  CLEANUP_CLOSE int fd = -1;
  const char *why;
  struct stat st;

  if (t->files == EXEC_MAX_FILES || t->bytes >= EXEC_MAX_LEFT)
    {
      t->beyond++;
      return true;
    }
  t->files++;
  if (fstatat (t->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
    return t->ops->gap (t->arg, name, strerror (errno));
  why = unfit (&st);
  if (why)
    return t->ops->gap (t->arg, name, why);
  /* It may be another by now. */
  fd = openat (t->fd, name,
               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0)
    return t->ops->gap (t->arg, name, strerror (errno));
  why = unfit (&st);
  return why ? t->ops->gap (t->arg, name, why) : read_file (t, fd, name);
}

static int
by_name (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

void
exec_folder_take (const struct exec_folder *f,
                  const struct exec_folder_ops *ops, void *arg)
{
  struct taking t = { .ops = ops, .arg = arg, .fd = f->fd };
  char *names[RUN_ENTRIES], why[80];
  DIR *dir = list (f->fd);
  size_t n = 0;
  struct dirent *e;
  bool more = true;

  while (dir && n < RUN_ENTRIES && (e = next (dir)))
    if ((names[n] = strdup (e->d_name)))
      n++;
  if (dir)
    closedir (dir);
  qsort (names, n, sizeof names[0], by_name);
  for (size_t i = 0; i < n; i++)
    {
      more = more && take_one (&t, names[i]);
      free (names[i]);
    }
  if (!more || !t.beyond)
    return;
  snprintf (why, sizeof why, "%u more are beyond %u files and %u MiB", t.beyond,
            EXEC_MAX_FILES, EXEC_MAX_LEFT >> 20);
  ops->gap (arg, "", why);
}

/* ---- its end ---- */

/* All below `name` comes up into `fd`, its plain files go. */
static void
come_up (int fd, const char *name, unsigned *number)
{
  CLEANUP_CLOSE int sub = -1;
  struct dirent *e;
  char to[60];
  DIR *dir;

  open_up (fd, name);
  sub = open_folder (fd, name);
  dir = sub < 0 ? NULL : list (sub);
  while (dir && (e = next (dir)))
    {
      if (unlinkat (sub, e->d_name, 0) == 0)
        continue;
      /* Whose place changes has to be writable itself. */
      open_up (sub, e->d_name);
      snprintf (to, sizeof to, ".up-%d-%u", (int) getpid (), (*number)++);
      (void) renameat (sub, e->d_name, fd, to);
    }
  if (dir)
    closedir (dir);
}

/* Folders in it come up into it, one after another, so that none is too
 * deep. */
static void
empty (int fd)
{
  unsigned number = 0, n = 0;
  bool more = true;

  while (more)
    {
      DIR *dir = list (fd);
      struct dirent *e;

      more = false;
      while (dir && n++ < SWEEP_ENTRIES && (e = next (dir)))
        {
          if (unlinkat (fd, e->d_name, 0) == 0)
            continue;
          come_up (fd, e->d_name, &number);
          more |= unlinkat (fd, e->d_name, AT_REMOVEDIR) == 0;
        }
      if (dir)
        closedir (dir);
    }
}

void
exec_folder_remove (struct exec_folder *f)
{
  const char *slash = strrchr (f->path, '/');

  if (!slash)
    return;
  (void) fchmod (f->fd, 0700);
  empty (f->fd);
  (void) unlinkat (f->base, slash + 1, AT_REMOVEDIR);
  close (f->fd);
  close (f->base);
  *f = (struct exec_folder) EXEC_FOLDER_INIT;
}

void
exec_folder_sweep (const char *base)
{
  CLEANUP_CLOSE int fd = open_folder (AT_FDCWD, base);
  DIR *dir = fd < 0 ? NULL : list (fd);
  struct dirent *e;

  while (dir && (e = next (dir)))
    {
      CLEANUP_CLOSE int sub = -1;

      if (strncmp (e->d_name, NAME_START, strlen (NAME_START)) != 0)
        continue;
      open_up (fd, e->d_name);
      sub = open_folder (fd, e->d_name);
      if (sub < 0 || flock (sub, LOCK_EX | LOCK_NB) < 0)
        continue;
      empty (sub);
      (void) unlinkat (fd, e->d_name, AT_REMOVEDIR);
    }
  if (dir)
    closedir (dir);
}
