/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole reads and writes.
 */
#include "base/io.h"

#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
io_read (int fd, void *dst, size_t cap, size_t *ret_len)
{
  size_t len = 0;

  while (len < cap)
    {
      ssize_t n = read (fd, (char *) dst + len, cap - len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -errno;
      if (n == 0)
        break;
      len += (size_t) n;
    }
  *ret_len = len;
  return 0;
}

/* At *offset, which moves along; NULL = where fd stands. */
static int
write_all (int fd, const char *p, size_t len, off_t *offset)
{
  while (len > 0)
    {
      ssize_t n = offset ? pwrite (fd, p, len, *offset) : write (fd, p, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return -errno;
      p += n;
      len -= (size_t) n;
      if (offset)
        *offset += n;
    }
  return 0;
}

int
io_write (int fd, const void *data, size_t len)
{
  return write_all (fd, data, len, NULL);
}

int
io_pwrite (int fd, const void *data, size_t len, uint64_t offset)
{
  off_t at = (off_t) offset;

  return write_all (fd, data, len, &at);
}

/* In slices: poll() takes an int, and a deadline may be farther off. */
int
io_wait (int fd, short events, uint64_t deadline)
{
  struct pollfd p = { .fd = fd, .events = events };

  for (;;)
    {
      uint64_t now = deadline == CLOCK_NEVER ? 0 : clock_ms ();
      int r;

      if (now >= deadline)
        return -ETIMEDOUT;
      r = poll (&p, 1, deadline - now < 60000 ? (int) (deadline - now) : 60000);
      if (r > 0)
        return 0;
      if (r < 0 && errno != EINTR)
        return -errno;
    }
}

int
io_send (int fd, const void *data, size_t len, uint64_t deadline)
{
  const char *p = data;

  while (len > 0)
    {
      ssize_t n = send (fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);
      int r = 0;

      if (n >= 0)
        {
          p += n;
          len -= (size_t) n;
        }
      else if (errno == EAGAIN)
        r = io_wait (fd, POLLOUT, deadline);
      else if (errno != EINTR)
        r = -errno;
      if (r < 0)
        return r;
    }
  return 0;
}

DIR *
io_opendir (int dirfd)
{
  /* Not a dup(): that one would share its position with dirfd, and a second
   * listing would find the end. */
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;
  DIR *d = fd < 0 ? NULL : fdopendir (fd);

  if (!d && fd >= 0)
    {
      saved = errno;
      close (fd);
      errno = saved;
    }
  return d;
}

void
io_open_standard (void)
{
  /* The lowest free number is what open() takes.  Where that cannot be,
   * nobody could be told. */
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) != fd)
      abort ();
}

int
io_finish_stdout (struct error *err)
{
  struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
  int e = fflush (stdout) != 0 ? errno : 0;

  if ((!e && !ferror (stdout))
      || (poll (&out, 1, 0) == 1 && (out.revents & POLLERR)))
    return 0;
  /* stdio keeps no reason of what failed before. */
  return error_set (err, e ? e : EIO, "not all of it could be printed%s%s",
                    e ? ": " : "", e ? strerror (e) : "");
}
