/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets: read from a file that only its owner can read, wiped when done.
 */
#include "base/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#define SECRET_MAX (64u << 10)

static int
check_file (const struct stat *sb, const char *path, struct error *err)
{
  if (!S_ISREG (sb->st_mode))
    return error_set (err, EINVAL, "%s is not a regular file", path);
  if (sb->st_uid != 0 && sb->st_uid != geteuid ())
    return error_set (err, EPERM,
                      "%s belongs to user %u: a secret must belong to root or "
                      "to user %u",
                      path, (unsigned) sb->st_uid, (unsigned) geteuid ());
  /* Who may write it could plant a secret of their own: as bad as reading. */
  if (sb->st_mode & (S_IRWXG | S_IRWXO))
    return error_set (err, EPERM,
                      "%s is open to others (mode %04o): chmod 600 it", path,
                      (unsigned) sb->st_mode & 07777);
  if (sb->st_size > SECRET_MAX)
    return error_set (err, EFBIG, "%s is larger than 64 KiB", path);
  return 0;
}

int
secret_read (const char *path, char **ret_secret, size_t *ret_len,
             struct error *err)
{
  /* O_NONBLOCK: a FIFO put in the way must not stop us before fstat() can
   * refuse it.  A symbolic link is fine: its target is what is checked. */
  CLEANUP_CLOSE int fd
      = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat sb;

  if (fd < 0)
    return error_errno (err, errno, "opening the secret %s", path);
  if (fstat (fd, &sb) < 0)
    return error_errno (err, errno, "looking at the secret %s", path);
  int r = check_file (&sb, path, err);
  if (r < 0)
    return r;

  /* One allocation, never realloc(): growing would leave copies of the secret
   * in freed memory. */
  size_t cap = (size_t) sb.st_size + 1;
  char *secret = malloc (cap);
  if (!secret)
    return error_set (err, ENOMEM, "out of memory");
  size_t n = 0;
  r = io_read (fd, secret, cap, &n);
  if (r < 0)
    r = error_errno (err, -r, "reading the secret %s", path);
  else if (n == cap)
    r = error_set (err, EAGAIN, "%s grew while it was read: try again", path);
  if (r < 0)
    {
      secret_free (secret, cap);
      return r;
    }

  if (n > 0 && secret[n - 1] == '\n')
    n--;
  secret[n] = '\0';
  if (n == 0)
    {
      secret_free (secret, cap);
      return error_set (err, ENODATA, "%s is empty", path);
    }
  *ret_secret = secret;
  *ret_len = n;
  return 0;
}

void
secret_free (char *secret, size_t len)
{
  if (!secret)
    return;
  explicit_bzero (secret, len);
  free (secret);
}
