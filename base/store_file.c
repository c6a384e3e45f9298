/* SPDX-License-Identifier: Apache-2.0
 *
 * Small whole files: replaced at once or not at all, read with a bound.
 */
#include "base/store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

static int
temp_name (char *dst, size_t n, const char *name, struct error *err)
{
  if (name[0] == '\0' || strchr (name, '/')
      || (size_t) snprintf (dst, n, "%s.new", name) >= n)
    return error_set (err, EINVAL, "\"%s\" is not a file name", name);
  return 0;
}

/* Fills the temporary file and makes it durable under its own name. */
static int
fill_temp (int dirfd, const char *temp, const void *data, size_t len,
           unsigned mode, struct error *err)
{
  CLEANUP_CLOSE int fd = openat (
      dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  int r;

  if (fd < 0)
    return error_errno (err, errno, "creating %s", temp);
  /* fchmod, for the umask takes away from what openat() is asked for. */
  if (fchmod (fd, mode & 07777) < 0)
    return error_errno (err, errno, "setting the mode of %s", temp);
  r = io_write (fd, data, len);
  if (r < 0)
    return error_errno (err, -r, "writing %s", temp);
  if (fsync (fd) < 0)
    return error_errno (err, errno, "syncing %s", temp);
  return 0;
}

int
store_put_file (int dirfd, const char *name, const void *data, size_t len,
                unsigned mode, struct error *err)
{
  char temp[NAME_MAX + 1];
  int r = temp_name (temp, sizeof temp, name, err);

  if (r < 0)
    return r;
  /* One fixed temporary name: what a crash leaves behind is taken away here,
   * so that leftovers never add up. */
  if (unlinkat (dirfd, temp, 0) < 0 && errno != ENOENT)
    return error_errno (err, errno, "removing the old %s", temp);
  r = fill_temp (dirfd, temp, data, len, mode, err);
  if (r == 0 && renameat (dirfd, temp, dirfd, name) < 0)
    r = error_errno (err, errno, "renaming %s to %s", temp, name);
  if (r < 0)
    {
      (void) unlinkat (dirfd, temp, 0);
      return r;
    }
  if (fsync (dirfd) < 0)
    return error_errno (err, errno, "syncing the folder of %s", name);
  return 0;
}

/* Reads to the end of fd, at most max bytes, into a growing buffer. */
static int
read_all (int fd, size_t first, size_t max, char **ret_data, size_t *ret_len)
{
  size_t cap = first < max ? first + 1 : max + 1, len = 0;
  CLEANUP_FREE char *data = malloc (cap + 1);

  if (!data)
    return -ENOMEM;
  for (;;)
    {
      /* One byte of room more than allowed: filling it is how we know. */
      if (len == cap)
        {
          char *p;

          if (len > max)
            return -EFBIG;
          cap = cap > max / 2 ? max + 1 : cap * 2;
          p = realloc (data, cap + 1);
          if (!p)
            return -ENOMEM;
          data = p;
        }
      size_t n = 0;
      int r = io_read (fd, data + len, cap - len, &n);

      if (r < 0)
        return r;
      len += n;
      if (len < cap)
        break;
    }
  if (len > max)
    return -EFBIG;
  data[len] = '\0';
  *ret_data = steal_ptr (&data);
  *ret_len = len;
  return 0;
}

int
store_get_file (int dirfd, const char *name, size_t max, char **ret_data,
                size_t *ret_len, struct error *err)
{
  /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
  CLEANUP_CLOSE int fd = openat (
      dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
  struct stat sb;
  size_t len = 0;
  char *data = NULL;

  if (fd < 0)
    return error_errno (err, errno, "opening %s", name);
  if (fstat (fd, &sb) < 0)
    return error_errno (err, errno, "looking at %s", name);
  if (!S_ISREG (sb.st_mode))
    return error_set (err, EINVAL, "%s is not a regular file", name);
  if (max > SIZE_MAX - 2)
    max = SIZE_MAX - 2;
  int r = (uint64_t) sb.st_size > max
              ? -EFBIG
              : read_all (fd, (size_t) sb.st_size, max, &data, &len);
  if (r == -EFBIG)
    return error_set (err, EFBIG, "%s is larger than %zu bytes", name, max);
  if (r < 0)
    return error_errno (err, -r, "reading %s", name);
  *ret_data = data;
  *ret_len = len;
  return 0;
}

int
store_get_path (const char *path, size_t max, char **ret_data, size_t *ret_len,
                struct error *err)
{
  CLEANUP_CLOSE int dir = -1;
  char folder[PATH_MAX];
  const char *name = strrchr (path, '/');
  size_t n = name ? (size_t) (name - path) : 1;
  int r;

  if (n >= sizeof (folder))
    return error_set (err, ENAMETOOLONG, "%.100s...: the path is too long",
                      path);
  memcpy (folder, name ? path : ".", n);
  folder[n] = '\0';
  dir = open (name == path ? "/" : folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return error_errno (err, errno, "%s", path);
  r = store_get_file (dir, name ? name + 1 : path, max, ret_data, ret_len, err);
  return r < 0 ? error_wrap (err, "%s", path) : r;
}
