/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a program is that an operator has put on this host, and that it is
 * his.  And the children of a process, where the kernel does not list them.
 */
#include "transports/exec/helper.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS (S_IWGRP | S_IWOTH)

/* May somebody else than root and we change it?  In a folder above, which
 * others may write to, the sticky bit keeps what is not theirs. */
static int
check_owner (const struct stat *st, const char *path, bool above,
             struct error *err)
{
  if (st->st_uid != 0 && st->st_uid != geteuid ())
    return error_set (err, EACCES,
                      "%s belongs to uid %u: it must belong to root, or to "
                      "the user that hangdog runs as",
                      path, (unsigned) st->st_uid);
  if (!(st->st_mode & OTHERS) || (above && (st->st_mode & S_ISVTX)))
    return 0;
  return error_set (err, EACCES,
                    "%s may be written to by others (mode %04o): chmod go-w %s",
                    path, (unsigned) st->st_mode & 07777, path);
}

/* The folder and all above it: whoever can write to one of these can put
 * another in its place. */
static int
check_folder (const char *dir, char *ret, size_t n, struct error *err)
{
  CLEANUP_FREE char *real = realpath (dir, NULL);
  CLEANUP_FREE char *part = real ? strdup (real) : NULL;
  struct stat st;
  int r = 0;

  if (!part || strlen (real) >= n)
    return error_errno (err, real ? ENAMETOOLONG : errno, "%s", dir);
  while (r == 0)
    {
      char *slash = strrchr (part, '/');

      if (lstat (*part ? part : "/", &st) < 0)
        return error_errno (err, errno, "%s", part);
      if (!S_ISDIR (st.st_mode))
        return error_set (err, ENOTDIR, "%s is no folder", part);
      r = check_owner (&st, *part ? part : "/", strcmp (part, real) != 0, err);
      if (!*part || !slash)
        break;
      *slash = '\0';
    }
  if (r == 0)
    snprintf (ret, n, "%s", real);
  return r;
}

static int
check_file (const char *path, struct error *err)
{
  struct stat st;
  int r;

  if (lstat (path, &st) < 0)
    return error_errno (err, errno, "%s", path);
  if (S_ISLNK (st.st_mode))
    return error_set (err, ELOOP,
                      "%s is a link: name the folder that it leads to in "
                      "`exec` of the configuration, or copy it",
                      path);
  if (!S_ISREG (st.st_mode))
    return error_set (err, EINVAL, "%s is no file", path);
  r = check_owner (&st, path, false, err);
  if (r == 0 && faccessat (AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
    return error_set (err, EACCES,
                      "%s is not executable for uid %u, that hangdog runs as",
                      path, (unsigned) geteuid ());
  return r;
}

int
exec_find (struct json_object *dirs, const char *name, char *ret, size_t n,
           struct error *err)
{
  char dir[4096];
  int r;

  /* A name, and no way out of the folder. */
  if (!text_is_name (name))
    return error_set (err, EINVAL, "\"%.60s\" is no name of a program", name);
  for (size_t i = 0; i < json_object_array_length (dirs); i++)
    {
      const char *given
          = json_object_get_string (json_object_array_get_idx (dirs, i));
      struct error why = ERROR_INIT;

      r = check_folder (given ? given : "", dir, sizeof dir, &why);
      if (r == -ENOENT)
        continue;
      if (r == 0)
        {
          snprintf (ret, n, "%s/%s", dir, name);
          r = check_file (ret, &why);
        }
      if (r == -ENOENT)
        continue;
      return r < 0 ? error_set (err, -r, "%s", error_text (&why)) : 0;
    }
  return error_set (err, ENOENT,
                    "no program %s in the folders of `exec` in the "
                    "configuration",
                    name);
}

/* ---- children ---- */

static pid_t
parent_of (const char *pid)
{
  CLEANUP_CLOSE int fd = -1;
  char path[280], text[512], *end;
  ssize_t n;
  int parent;

  snprintf (path, sizeof path, "/proc/%s/stat", pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
  if (n <= 0)
    return -1;
  text[n] = '\0';
  /* Its name may have any bytes in it. */
  end = strrchr (text, ')');
  return end && sscanf (end + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

void
exec_kill_children (pid_t parent)
{
  DIR *proc = opendir ("/proc");
  struct dirent *e;

  while (proc && (e = readdir (proc)))
    if (e->d_name[0] >= '1' && e->d_name[0] <= '9'
        && parent_of (e->d_name) == parent)
      kill ((pid_t) strtol (e->d_name, NULL, 10), SIGKILL);
  if (proc)
    closedir (proc);
}
