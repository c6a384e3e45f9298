/* SPDX-License-Identifier: Apache-2.0
 *
 * The state folder and its format number.
 */
#include "base/store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"

#define FORMAT_FILE "FORMAT"

/* A new folder lasts only once the folder that holds it is synced. */
static int
sync_parent (const char *path, struct error *err)
{
  char parent[PATH_MAX];
  size_t len = strlen (path);

  while (len > 1 && path[len - 1] == '/')
    len--;
  while (len > 0 && path[len - 1] != '/')
    len--;
  if (len >= sizeof parent)
    return error_set (err, ENAMETOOLONG, "%s: the path is too long", path);
  if (len == 0)
    parent[len++] = '.';
  else
    memcpy (parent, path, len);
  parent[len] = '\0';

  CLEANUP_CLOSE int fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fsync (fd) < 0)
    return error_errno (err, errno, "syncing %s", parent);
  return 0;
}

static int
open_folder (const char *path, int *ret_fd, struct error *err)
{
  struct stat sb;

  /* EROFS: it may be there all the same; opening it tells. */
  if (mkdir (path, 0700) < 0 && errno != EEXIST && errno != EROFS)
    return error_errno (err, errno, "making the state folder %s", path);

  CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return error_errno (err, errno, "opening the state folder %s", path);
  if (fstat (fd, &sb) < 0)
    return error_errno (err, errno, "looking at the state folder %s", path);
  /* Whoever can write here decides what we do next to which guest. */
  if (sb.st_mode & S_IWOTH)
    return error_set (err, EPERM,
                      "the state folder %s can be written by everybody: chmod "
                      "o-w it",
                      path);
  *ret_fd = steal_fd (&fd);
  return 0;
}

static int
check_format (const char *path, const char *text, size_t len, struct error *err)
{
  static const char head[] = "hangdog state ";
  const size_t head_len = sizeof head - 1;
  unsigned n = 0;
  size_t i = head_len;

  if (len > head_len && memcmp (text, head, head_len) == 0)
    for (; i < len && text[i] >= '0' && text[i] <= '9' && n < 1000000; i++)
      n = n * 10 + (unsigned) (text[i] - '0');
  if (n == 0 || i + 1 != len || text[i] != '\n')
    return error_set (err, EINVAL,
                      "%s/" FORMAT_FILE " does not say \"hangdog state N\": if "
                      "this is hangdog's folder, move it away and start again",
                      path);
  if (n > STATE_FORMAT)
    return error_set (err, EPROTONOSUPPORT,
                      "%s was written by a newer hangdog (state format %u, "
                      "this one knows %d): start that version again, or move "
                      "the folder away to begin a new one",
                      path, n, STATE_FORMAT);
  return 0;
}

int
state_open (const char *path, int *ret_dirfd, struct error *err)
{
  CLEANUP_CLOSE int dirfd = -1;
  CLEANUP_FREE char *text = NULL;
  size_t len;
  int r = open_folder (path, &dirfd, err);

  if (r < 0)
    return r;
  r = store_get_file (dirfd, FORMAT_FILE, 64, &text, &len, err);
  if (r == -ENOENT)
    {
      char own[32];
      int n = snprintf (own, sizeof own, "hangdog state %d\n", STATE_FORMAT);

      /* In this order: who finds FORMAT need not ask whether an earlier run
       * was cut off before the folder itself lasted. */
      r = sync_parent (path, err);
      if (r == 0)
        r = store_put_file (dirfd, FORMAT_FILE, own, (size_t) n, 0600, err);
    }
  /* Too long for a format file: somebody else's, told like any other. */
  else if (r == -EFBIG)
    r = check_format (path, "", 0, err);
  else if (r == 0)
    r = check_format (path, text, len, err);
  if (r < 0)
    return r;
  *ret_dirfd = steal_fd (&dirfd);
  return 0;
}
