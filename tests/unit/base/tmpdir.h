/* SPDX-License-Identifier: Apache-2.0
 *
 * A scratch folder for a unit test, flat, removed at the end.
 */
#ifndef HANGDOG_TESTS_TMPDIR_H
#define HANGDOG_TESTS_TMPDIR_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tmpdir
{
  char path[256];
  int fd;
};

static inline int
tmpdir_make (struct tmpdir *t)
{
  const char *base = getenv ("TMPDIR");

  snprintf (t->path, sizeof t->path, "%s/hangdog-test-XXXXXX",
            base ? base : "/tmp");
  if (!mkdtemp (t->path))
    return -1;
  t->fd = open (t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return t->fd < 0 ? -1 : 0;
}

static inline void
tmpdir_clear (struct tmpdir *t)
{
  DIR *d = opendir (t->path);
  struct dirent *e;

  while (d && (e = readdir (d)))
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0
        && unlinkat (t->fd, e->d_name, 0) < 0)
      (void) unlinkat (t->fd, e->d_name, AT_REMOVEDIR);
  if (d)
    closedir (d);
}

static inline void
tmpdir_done (struct tmpdir *t)
{
  tmpdir_clear (t);
  close (t->fd);
  rmdir (t->path);
}

#endif
