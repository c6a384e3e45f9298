/* SPDX-License-Identifier: Apache-2.0
 *
 * A scratch folder for a test, removed at the end with all that is in it.
 */
#ifndef HANGDOG_TESTS_TMPDIR_H
#define HANGDOG_TESTS_TMPDIR_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tmpdir
{
  char path[64];
  int fd;
};

/* 0, or -1 with errno. */
static inline int
tmpdir_make (struct tmpdir *t)
{
  const char *base = getenv ("TMPDIR");

  /* What is made inside may be a socket, whose path has 108 bytes. */
  if (!base || strlen (base) > 32)
    base = "/tmp";
  snprintf (t->path, sizeof t->path, "%s/hangdog-test-XXXXXX", base);
  t->fd = -1;
  if (!mkdtemp (t->path))
    return -1;
  t->fd = open (t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return t->fd < 0 ? -1 : 0;
}

static inline int
tmpdir_remove_one (const char *path, const struct stat *st, int type,
                   struct FTW *f)
{
  return remove (path);
}

static inline int
tmpdir_remove_inner (const char *path, const struct stat *st, int type,
                     struct FTW *f)
{
  /* The folder itself is level 0. */
  return f->level > 0 ? remove (path) : 0;
}

/* Links are not followed, and another file system that a test left mounted
 * there is left alone. */
#define TMPDIR_WALK (FTW_DEPTH | FTW_PHYS | FTW_MOUNT)

/* A folder or file with all that is in it. */
static inline void
tmpdir_remove (const char *path)
{
  (void) nftw (path, tmpdir_remove_one, 16, TMPDIR_WALK);
}

/* Only what is in it. */
static inline void
tmpdir_clear (struct tmpdir *t)
{
  (void) nftw (t->path, tmpdir_remove_inner, 16, TMPDIR_WALK);
}

static inline void
tmpdir_done (struct tmpdir *t)
{
  if (t->fd < 0)
    return;
  close (t->fd);
  t->fd = -1;
  tmpdir_remove (t->path);
}

/* A file in the folder dirfd; 0 or -1. */
static inline int
tmpdir_put (int dirfd, const char *name, const void *data, size_t len)
{
  int fd = openat (dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                   0600);
  ssize_t n = fd < 0 ? -1 : write (fd, data, len);

  if (fd >= 0)
    close (fd);
  return n == (ssize_t) len ? 0 : -1;
}

/* All folders on the way to path, which is a file's. */
static inline void
tmpdir_parents (const char *path)
{
  char part[512];

  snprintf (part, sizeof part, "%s", path);
  for (char *p = part + 1; (p = strchr (p, '/')); p++)
    {
      *p = '\0';
      (void) mkdir (part, 0700);
      *p = '/';
    }
}

#endif
