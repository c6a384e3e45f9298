/* SPDX-License-Identifier: Apache-2.0
 *
 * The sink "dir:/PATH": a folder, for hosts whose controller takes bundles
 * from the disk, and for USB sticks.
 */
#include "controller-proto/ship_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "controller-proto/bundle.h"
#include "controller-proto/sha256.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES (256u << 10)

static enum ship_end
again (struct error *err, const char *what)
{
  error_errno (err, errno, "%s", what);
  return SHIP_RETRY;
}

/* Copies and sums up; 0 or -errno. */
static int
copy (int from, int to, uint64_t size, char ret_hex[SHA256_HEX])
{
  CLEANUP_FREE char *buf = malloc (COPY_BYTES);
  CLEANUP_SHA256 struct sha256 *sum = NULL;
  uint64_t at = 0;
  int r;

  if (buf == NULL || sha256_new (&sum, NULL) < 0)
    return -ENOMEM;
  while (at < size)
    {
      size_t want = size - at < COPY_BYTES ? (size_t) (size - at) : COPY_BYTES;
      ssize_t n = pread (from, buf, want, (off_t) at);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return n < 0 ? -errno : -ENODATA;
      sha256_add (sum, buf, (size_t) n);
      r = io_write (to, buf, (size_t) n);
      if (r < 0)
        return r;
      at += (uint64_t) n;
    }
  sha256_end (sum, ret_hex);
  return 0;
}

/* There already: the answer to an earlier try was lost, or it is another. */
static enum ship_end
compare (int fd, const struct ship_item *item, struct error *err)
{
  char hex[SHA256_HEX];

  if (sha256_fd (fd, hex, NULL, err) < 0)
    return SHIP_RETRY;
  if (strcmp (hex, item->digest) == 0)
    return SHIP_DONE;
  error_set (err, EEXIST, "another %s is in the folder", item->name);
  return SHIP_PARK;
}

static enum ship_end
send_dir (const struct sink_config *cfg, const struct ship_item *item,
          uint64_t *ret_retry_after_ms, struct error *err)
{
  CLEANUP_CLOSE int dir = -1, fd = -1, there = -1;
  char part[160], hex[SHA256_HEX];
  int r;

  if (!text_is_name (item->name))
    {
      error_set (err, EINVAL, "not a name for a file");
      return SHIP_PARK;
    }
  dir = open (cfg->url + strlen ("dir:"),
              O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return again (err, cfg->url);
  if (!item->replace)
    there = openat (dir, item->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (there >= 0)
    return compare (there, item, err);
  snprintf (part, sizeof part, ".%s.part", item->name);
  if (unlinkat (dir, part, 0) < 0 && errno != ENOENT)
    return again (err, cfg->url);
  fd = openat (dir, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd < 0)
    return again (err, cfg->url);
  r = copy (item->fd, fd, item->size, hex);
  if (r == 0 && strcmp (hex, item->digest) != 0)
    {
      unlinkat (dir, part, 0);
      error_set (err, EBADMSG, "%s is not what was packed: its checksum "
                 "differs", item->name);
      return SHIP_PARK;
    }
  if (r == 0 && fsync (fd) < 0)
    r = -errno;
  if (r == 0 && renameat (dir, part, dir, item->name) < 0)
    r = -errno;
  if (r < 0)
    {
      unlinkat (dir, part, 0);
      error_errno (err, -r, "copying to %s", cfg->url);
      return SHIP_RETRY;
    }
  if (fsync (dir) < 0)
    return again (err, cfg->url);
  return SHIP_DONE;
}

const struct sink_ops sink_dir = {
  .name = "dir",
  .summary = "a folder: dir:/PATH",
  .send = send_dir,
};
