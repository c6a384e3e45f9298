/* SPDX-License-Identifier: Apache-2.0
 *
 * Section "io": block requests that were given to a device and not answered,
 * with their age.
 *
 * Disks are found by the inodes of block devices, requests by the tags of each
 * disk's queues: those that a driver was given, and those that were made
 * without a scheduler in between, which are the same for most.
 */
#include "kernel/memory/look.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DISKS 4096u
#define MAX_QUEUES 1024u
#define MAX_TAGS 16384u
#define MAX_TOLD 4096u
#define IN_FLIGHT 1u

struct io
{
  struct look *l;
  uint64_t disks[MAX_DISKS]; /* gendisks that were seen */
  unsigned ndisks;
  unsigned told, more; /* requests */
};

struct disk
{
  uint64_t queue;
  char name[33];
  unsigned queues, tags, in_flight;
};

static const char *
op_name (uint64_t flags)
{
  switch (flags & 0xff)
    {
    case 0:
      return "read";
    case 1:
      return "write";
    case 2:
      return "flush";
    case 3:
      return "discard";
    case 5:
      return "secure-erase";
    case 9:
      return "write-zeroes";
    case 34:
    case 35:
      return "driver";
    default:
      return "other";
    }
}

static void
say_request (struct io *io, const struct disk *d, unsigned queue,
             uint64_t tag, uint64_t rq)
{
  struct look *l = io->l;
  struct kernel *k = l->k;
  uint64_t v;

  if (io->told >= MAX_TOLD)
    {
      io->more++;
      return;
    }
  io->told++;
  rows_begin (l->rows, "request");
  rows_text (l->rows, "disk", d->name, strlen (d->name));
  rows_uint (l->rows, "queue", queue);
  rows_uint (l->rows, "tag", tag);
  if (kernel_get (k, rq, REQUEST_FLAGS, &v))
    rows_str (l->rows, "op", op_name (v));
  if (kernel_get (k, rq, REQUEST_SECTOR, &v))
    rows_uint (l->rows, "sector", v);
  if (kernel_get (k, rq, REQUEST_BYTES, &v))
    rows_uint (l->rows, "bytes", v);
  if (!kernel_get (k, rq, REQUEST_START, &v))
    v = 0;
  if (l->now_ns && v && v <= l->now_ns)
    rows_real (l->rows, "age_s", (double) (l->now_ns - v) / 1e9, 3);
  rows_end (l->rows);
  moved_request (l, rq, v, d->name, queue, tag);
}

/* Of this disk, with a driver, under this tag: several disks of a host adapter
 * share one set of them. */
static bool
is_in_flight (struct kernel *k, const struct disk *d, uint64_t rq,
              uint64_t tag)
{
  uint64_t v;

  return rq != 0 && kernel_get (k, rq, REQUEST_STATE, &v)
         && (v & UINT32_MAX) == IN_FLIGHT
         && kernel_get (k, rq, REQUEST_QUEUE, &v) && v == d->queue
         && kernel_get (k, rq, REQUEST_TAG, &v) && (v & UINT32_MAX) == tag;
}

static void
look_at_tags (struct io *io, struct disk *d, unsigned queue, uint64_t tags)
{
  struct kernel *k = io->l->k;
  uint64_t nr, rqs = 0, fixed = 0;
  CLEANUP_FREE uint64_t *a = NULL, *b = NULL;

  if (!kernel_get (k, tags, TAGS_NR, &nr) || nr == 0 || nr > MAX_TAGS)
    return;
  a = calloc ((size_t) nr, sizeof *a);
  b = calloc ((size_t) nr, sizeof *b);
  if (!a || !b)
    return;
  d->tags += (unsigned) nr;
  if (kernel_get (k, tags, TAGS_RQS, &rqs) && rqs)
    (void) space_read (k->space, rqs, a, (size_t) nr * sizeof *a);
  if (kernel_get (k, tags, TAGS_STATIC, &fixed) && fixed)
    (void) space_read (k->space, fixed, b, (size_t) nr * sizeof *b);
  for (uint64_t tag = 0; tag < nr; tag++)
    {
      uint64_t rq = is_in_flight (k, d, a[tag], tag)   ? a[tag]
                    : is_in_flight (k, d, b[tag], tag) ? b[tag]
                                                       : 0;

      if (!rq)
        continue;
      d->in_flight++;
      say_request (io, d, queue, tag, rq);
    }
}

static void
look_at_disk (struct io *io, uint64_t gendisk)
{
  struct look *l = io->l;
  struct kernel *k = l->k;
  struct disk d = { 0 };
  uint64_t set, tags, n, one;

  if (!kernel_get (k, gendisk, DISK_QUEUE, &d.queue) || !d.queue
      || space_read (k->space, gendisk + k->fields.at[DISK_NAME].offset,
                     d.name, sizeof d.name - 1)
             < 0
      || d.name[0] == '\0')
    return;
  if (kernel_get (k, d.queue, QUEUE_TAG_SET, &set) && set
      && kernel_get (k, set, TAG_SET_TAGS, &tags)
      && kernel_get (k, set, TAG_SET_QUEUES, &n) && n <= MAX_QUEUES)
    for (; d.queues < n; d.queues++)
      if (space_u64 (k->space, tags + 8 * d.queues, &one) && one)
        look_at_tags (io, &d, d.queues, one);
  rows_begin (l->rows, "disk");
  rows_text (l->rows, "disk", d.name, strlen (d.name));
  rows_uint (l->rows, "queues", d.queues);
  rows_uint (l->rows, "tags", d.tags);
  rows_uint (l->rows, "in_flight", d.in_flight);
  rows_end (l->rows);
}

/* An inode of a block device, whole or a partition. */
static bool
on_inode (uint64_t node, void *arg)
{
  struct io *io = arg;
  struct kernel *k = io->l->k;
  uint64_t inode = node - k->fields.at[INODE_SB_LIST].offset, disk;
  uint64_t bdev = inode - k->fields.at[BDEV_INODE_VFS].offset
                  + k->fields.at[BDEV_INODE_BDEV].offset;

  if (!kernel_get (k, bdev, BDEV_DISK, &disk) || !disk)
    return true;
  for (unsigned i = 0; i < io->ndisks; i++)
    if (io->disks[i] == disk)
      return true;
  if (io->ndisks >= MAX_DISKS)
    return false;
  io->disks[io->ndisks++] = disk;
  look_at_disk (io, disk);
  return true;
}

static int
run (struct look *l, struct error *err)
{
  struct kernel *k = l->k;
  uint64_t var = kernel_var (k, "blockdev_superblock"), sb;
  CLEANUP_FREE struct io *io = calloc (1, sizeof *io);

  if (!io)
    return error_set (err, ENOMEM, "no memory for disks");
  io->l = l;
  if (!var || !kernel_has (k, BDEV_DISK) || !kernel_has (k, INODE_SB_LIST)
      || !kernel_has (k, REQUEST_STATE))
    {
      look_lacks (l, "io", "requests",
                  var ? "how they are made is not known"
                      : "no symbol blockdev_superblock");
      return 0;
    }
  if (!space_u64 (k->space, var, &sb) || !sb
      || kernel_list (k, sb + k->fields.at[SB_INODES].offset, MAX_DISKS * 64,
                      on_inode, io)
             < 0)
    look_lacks (l, "io", "some disks", "the list of block devices is damaged");
  if (io->more)
    look_lacks (l, "io", "some requests", "%u more than are told", io->more);
  return 0;
}

const struct section section_io = {
  .name = "io",
  .summary = "block requests without an answer, with their age",
  .cheap = true,
  .run = run,
};
