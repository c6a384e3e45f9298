/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener, for the kernel's log of this host.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/opener.h"
#include "base/opener_impl.h"

#define MAX_RECORD 8192 /* the kernel's own bound is below */
#define MAX_LOG (512u << 10)
#define MAX_RECORDS (256u << 10)

int
check_kmsg_ (const struct open_req *req, struct error *err)
{
  if (strcmp (req->root, "/dev") != 0 || strcmp (req->path, "kmsg") != 0)
    return error_set (err, EACCES, "%s/%s is not the kernel's log", req->root,
                      req->path);
  return 0;
}

/* One record for each read(); the oldest make room. */
static int
read_all (int fd, struct buf *out)
{
  char record[MAX_RECORD];

  for (unsigned i = 0; i < MAX_RECORDS; i++)
    {
      ssize_t n = read (fd, record, sizeof record);

      /* Overwritten before it was read: the next one is there. */
      if (n < 0 && (errno == EPIPE || errno == EINTR))
        continue;
      if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
      if (n == 0)
        return 0;
      if (out->len + (size_t) n > MAX_LOG)
        buf_consume (out, MAX_LOG / 4);
      buf_append (out, record, (size_t) n);
    }
  return 0;
}

int
open_kmsg_ (const struct open_req *req, int *ret_fd, struct error *err)
{
  struct buf text CLEANUP_BUF = BUF_INIT (MAX_LOG + 1);
  CLEANUP_CLOSE int fd = open ("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  int r;

  (void) req;
  if (fd < 0)
    return error_errno (err, errno, "opening the kernel's log");
  r = read_all (fd, &text);
  if (r == 0)
    r = open_sealed_ (buf_str (&text), text.len, ret_fd);
  return r < 0 ? error_errno (err, -r, "reading the kernel's log") : 0;
}
