/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's task about a guest's disk: how long its first bytes take to
 * come, and what its file systems have noted down.  Inputs are the image and,
 * behind one another, those that it is based on.
 *
 * The first read may never come back: who asked waits no longer than he wants,
 * and that is what he has learned then.
 */
#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_io.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "kernel/image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ALIGN 4096u
#define MAX_READ (2 * ALIGN)

struct image_task
{
  int fds[IMAGE_LAYERS];
  unsigned char *room; /* MAX_READ, aligned: they may be open for direct I/O */
};

static int
read_direct (struct image_task *t, unsigned layer, uint64_t offset, void *dst,
             size_t len, struct error *err)
{
  uint64_t begin = offset & ~(uint64_t) (ALIGN - 1);
  size_t skip = (size_t) (offset - begin), got = 0;
  size_t want = (skip + len + ALIGN - 1) & ~(size_t) (ALIGN - 1);

  if (want > MAX_READ || begin > INT64_MAX - MAX_READ)
    return error_set (err, EINVAL, "a read of %zu bytes", len);
  while (got < skip + len)
    {
      ssize_t n = pread (t->fds[layer], t->room + got, want - got,
                         (off_t) (begin + got));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading the image");
      if (n == 0)
        break;
      got += (size_t) n;
    }
  if (got < skip + len)
    return error_set (err, EIO, "the image is shorter than it was");
  memcpy (dst, t->room + skip, len);
  return 0;
}

static int
on_read (void *arg, unsigned layer, uint64_t offset, void *dst, size_t len,
         struct error *err)
{
  struct image_task *t = arg;

  while (len > 0)
    {
      size_t n = len < ALIGN ? len : ALIGN;
      int r = read_direct (t, layer, offset, dst, n, err);

      if (r < 0)
        return r;
      dst = (char *) dst + n;
      offset += n;
      len -= n;
    }
  return 0;
}

/* ---- the answer ---- */

static struct json_object *
error_json (const struct image_error *e)
{
  struct json_object *o = json_object_new_object ();

  json_add_int (o, "time", e->time);
  json_add_text (o, "where", e->where, strlen (e->where));
  json_add_int (o, "line", e->line);
  json_add_int (o, "inode", (int64_t) (e->inode & INT64_MAX));
  json_add_int (o, "block", (int64_t) (e->block & INT64_MAX));
  return o;
}

static struct json_object *
fs_json (const struct image_fs *fs)
{
  struct json_object *o = json_object_new_object ();

  json_add_int (o, "partition", fs->partition);
  json_add_int (o, "offset", (int64_t) (fs->offset & INT64_MAX));
  json_add_str (o, "type", fs->type);
  json_add_text (o, "label", fs->label, strlen (fs->label));
  json_add_text (o, "mounted_on", fs->mounted_on, strlen (fs->mounted_on));
  json_add_str (o, "state", image_state_names[fs->state]);
  json_add_str (o, "on_error", fs->on_error);
  json_add_int (o, "errors", (int64_t) fs->errors);
  if (fs->errors)
    {
      json_object_object_add (o, "first", error_json (&fs->first));
      json_object_object_add (o, "last", error_json (&fs->last));
    }
  return o;
}

static void
answer (struct parser_io *io, const struct image *im)
{
  struct json_object *o = parser_message ("image");
  struct json_object *list = json_object_new_array ();

  json_add_str (o, "format", im->format);
  json_add_int (o, "bytes", (int64_t) (im->bytes & INT64_MAX));
  json_add_bool (o, "corrupt", im->corrupt);
  json_add_bool (o, "lacking", im->lacking);
  json_add_text (o, "behind", im->behind, strlen (im->behind));
  json_add_int (o, "reads", im->reads);
  if (im->why[0])
    json_add_text (o, "why", im->why, strlen (im->why));
  for (unsigned i = 0; i < im->nfs; i++)
    json_object_array_add (list, fs_json (&im->fs[i]));
  json_object_object_add (o, "fs", list);
  parser_answer (io, o, NULL, 0);
}

/* That the disk of the host answers, and how much room is there. */
static int
answer_first (struct parser_io *io, struct image_task *t, struct error *err)
{
  struct json_object *o;
  struct statfs fs;
  uint64_t begun = clock_us ();
  ssize_t n = pread (t->fds[0], t->room, ALIGN, 0);

  if (n < 0)
    return error_errno (err, errno, "reading the image");
  o = parser_message ("read");
  json_add_int (o, "took_us", (int64_t) (clock_us () - begun));
  json_add_bool (o, "direct",
                 (fcntl (t->fds[0], F_GETFL) & O_DIRECT) == O_DIRECT);
  /* Of a device the free room of what it stands in says nothing, and its own
   * is not to be had here. */
  if (fstatfs (t->fds[0], &fs) == 0 && fs.f_bsize > 0)
    {
      json_add_int (o, "fs_free",
                    (int64_t) (((uint64_t) fs.f_bavail
                                * (uint64_t) fs.f_bsize)
                               & INT64_MAX));
      json_add_int (o, "fs_total",
                    (int64_t) (((uint64_t) fs.f_blocks
                                * (uint64_t) fs.f_bsize)
                               & INT64_MAX));
    }
  parser_answer (io, o, NULL, 0);
  return parser_answered (io, err);
}

static int
run (struct parser_io *io, int argc, char **argv, struct error *err)
{
  struct image_task t = { .room = aligned_alloc (ALIGN, MAX_READ) };
  struct image_source src = { .read = on_read, .arg = &t };
  struct image im;
  int r = t.room ? 0 : error_set (err, ENOMEM, "no memory");

  for (; r == 0 && src.layers < io->ninputs && src.layers < IMAGE_LAYERS;
       src.layers++)
    {
      int fd = parser_input (io, src.layers, err);
      off_t size = fd < 0 ? -1 : lseek (fd, 0, SEEK_END);

      if (fd < 0)
        r = fd;
      else if (size < 0)
        r = error_errno (err, errno, "how large the image is");
      else
        {
          t.fds[src.layers] = fd;
          src.size[src.layers] = (uint64_t) size;
        }
    }
  if (r == 0)
    r = answer_first (io, &t, err);
  if (r == 0)
    r = image_look (&src, &im, err);
  if (r == 0)
    {
      answer (io, &im);
      r = parser_answered (io, err);
    }
  free (t.room);
  return r;
}

const struct parser_task task_image = {
  .name = "image",
  .summary = "what a disk's file systems have noted down, and that it answers",
  .run = run,
};
