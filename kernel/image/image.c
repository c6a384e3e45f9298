/* SPDX-License-Identifier: Apache-2.0
 *
 * Images: raw and qcow2, with what is behind them; and what is on the disk by
 * its partition table (MBR with logical ones, GPT).
 */
#include "kernel/image/image.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/le.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECTOR 512u
#define PIECE 4096u

#define QCOW2_MAGIC 0x514649fbu
#define QCOW2_OFFSET 0x00fffffffffffe00ull
#define QCOW2_COMPRESSED (1ull << 62)
#define QCOW2_ZERO 1ull
#define QCOW2_DIRTY_BITS 0x3ull /* dirty and corrupt: it can be read */
#define QCOW2_CORRUPT 0x2ull
#define QCOW2_COMPRESSION 0x8ull /* a way of compressing: not of ours */

const char *const image_state_names[]
    = { "unknown", "clean", "in-use", "errors", NULL };

struct layer
{
  bool qcow2;
  uint64_t bytes; /* of the disk in it */
  unsigned cluster_bits;
  uint64_t l1_offset, l1_size;
};

struct image_reader
{
  const struct image_source *src;
  struct layer layers[IMAGE_LAYERS];
  unsigned reads;
  bool lacking;
};

static int
read_layer (struct image_reader *r, unsigned layer, uint64_t offset,
            void *dst, size_t len, struct error *err)
{
  uint64_t size = r->src->size[layer];

  if (++r->reads > IMAGE_READS)
    return error_set (err, E2BIG, "more than %u reads of one image",
                      IMAGE_READS);
  /* Behind its end there are zeros, as for QEMU. */
  memset (dst, 0, len);
  if (offset >= size)
    return 0;
  if (len > size - offset)
    len = (size_t) (size - offset);
  return r->src->read (r->src->arg, layer, offset, dst, len, err);
}

/* ---- qcow2 ---- */

static void
name_behind (struct image_reader *r, unsigned layer, const unsigned char *h,
             struct image *ret)
{
  uint64_t at = be_get64 (h + 8);
  uint32_t n = be_get32 (h + 16);

  if (layer + 1 != r->src->layers || at == 0 || n == 0)
    return;
  if (n >= sizeof ret->behind
      || read_layer (r, layer, at, ret->behind, n, NULL) < 0)
    {
      snprintf (ret->why, sizeof ret->why,
                "the name of what is behind it can't be read");
      n = 0;
    }
  ret->behind[n] = '\0';
}

static int
open_qcow2 (struct image_reader *r, unsigned layer, const unsigned char *h,
            struct image *ret, struct error *err)
{
  struct layer *l = &r->layers[layer];
  uint32_t version = be_get32 (h + 4);
  uint64_t features = version >= 3 ? be_get64 (h + 72) : 0;

  l->qcow2 = true;
  l->cluster_bits = be_get32 (h + 20);
  l->bytes = be_get64 (h + 24);
  l->l1_size = be_get32 (h + 36);
  l->l1_offset = be_get64 (h + 40);
  if (version < 2 || version > 3 || l->cluster_bits < 9
      || l->cluster_bits > 21 || l->l1_offset % SECTOR)
    return error_set (err, EBADMSG, "a qcow2 image of no known shape");
  if (be_get32 (h + 32) != 0)
    return error_set (err, ENOTSUP, "it is encrypted");
  if (features & ~(QCOW2_DIRTY_BITS | QCOW2_COMPRESSION))
    return error_set (err, ENOTSUP,
                      "a qcow2 image with features that are not known here");
  if (layer == 0)
    ret->corrupt = features & QCOW2_CORRUPT;
  name_behind (r, layer, h, ret);
  return 0;
}

/* Where a byte of the disk is in that layer: 1 *ret is its place, and n bytes
 * from there on; 0: it is not in there. */
static int
find_qcow2 (struct image_reader *r, unsigned layer, uint64_t offset,
            uint64_t *ret, uint64_t *n, bool *ret_zero, struct error *err)
{
  const struct layer *l = &r->layers[layer];
  uint64_t cluster = 1ull << l->cluster_bits, in = offset & (cluster - 1);
  unsigned l2_bits = l->cluster_bits - 3;
  uint64_t l1 = offset >> (l->cluster_bits + l2_bits), entry;
  uint64_t l2 = (offset >> l->cluster_bits) & ((1ull << l2_bits) - 1);
  unsigned char raw[8];
  int rc;

  if (*n > cluster - in)
    *n = cluster - in;
  *ret_zero = false;
  if (l1 >= l->l1_size)
    return 0;
  rc = read_layer (r, layer, l->l1_offset + l1 * 8, raw, 8, err);
  if (rc < 0)
    return rc;
  entry = be_get64 (raw) & QCOW2_OFFSET;
  if (!entry)
    return 0;
  rc = read_layer (r, layer, entry + l2 * 8, raw, 8, err);
  if (rc < 0)
    return rc;
  entry = be_get64 (raw);
  if (entry & QCOW2_COMPRESSED)
    return error_set (err, ENOTSUP, "it is compressed there");
  *ret_zero = entry & QCOW2_ZERO;
  *ret = (entry & QCOW2_OFFSET) + in;
  return *ret_zero || (entry & QCOW2_OFFSET) ? 1 : 0;
}

/* ---- the disk ---- */

static int
open_layer (struct image_reader *r, unsigned layer, struct image *ret,
            struct error *err)
{
  unsigned char h[104];
  int rc = read_layer (r, layer, 0, h, sizeof h, err);

  if (rc < 0)
    return rc;
  if (be_get32 (h) == QCOW2_MAGIC)
    rc = open_qcow2 (r, layer, h, ret, err);
  else
    r->layers[layer].bytes = r->src->size[layer];
  if (rc == 0 && layer == 0)
    {
      snprintf (ret->format, sizeof ret->format, "%s",
                r->layers[0].qcow2 ? "qcow2" : "raw");
      ret->bytes = r->layers[0].bytes;
    }
  return rc;
}

/* Some bytes of it, as many as lie together; *n says how many. */
static int
read_piece (struct image_reader *r, uint64_t offset, void *dst, uint64_t *n,
            struct error *err)
{
  for (unsigned i = 0; i < r->src->layers; i++)
    {
      uint64_t at = offset;
      bool zero = false;
      int rc = 1;

      if (r->layers[i].qcow2)
        rc = find_qcow2 (r, i, offset, &at, n, &zero, err);
      if (rc < 0)
        return rc;
      if (rc == 0)
        continue;
      if (!zero)
        return read_layer (r, i, at, dst, (size_t) *n, err);
      memset (dst, 0, (size_t) *n);
      return 0;
    }
  r->lacking = true;
  memset (dst, 0, (size_t) *n);
  return 1;
}

int
image_read_ (struct image_reader *r, uint64_t offset, void *dst, size_t len,
             struct error *err)
{
  bool lacking = false;

  while (len > 0)
    {
      uint64_t n = len < PIECE ? len : PIECE;
      int rc;

      if (offset > UINT64_MAX - PIECE)
        return error_set (err, EBADMSG, "a place beyond all disks");
      rc = read_piece (r, offset, dst, &n, err);
      if (rc < 0)
        return rc;
      lacking |= rc > 0;
      dst = (char *) dst + n;
      offset += n;
      len -= (size_t) n;
    }
  return lacking;
}

/* ---- partitions ---- */

struct looking
{
  struct image_reader r;
  struct image *out;
};

/* What one place has is no reason not to look at the next. */
static void
look_at (struct looking *l, unsigned partition, uint64_t offset,
         uint64_t bytes)
{
  struct image_fs fs = { .partition = partition };
  struct error why = ERROR_INIT;
  int rc;

  if (l->out->nfs == IMAGE_FS_MAX || offset >= l->out->bytes)
    return;
  if (bytes > l->out->bytes - offset)
    bytes = l->out->bytes - offset;
  rc = image_fs_look_ (&l->r, offset, bytes, &fs, &why);
  fs.offset = offset;
  if (rc > 0)
    l->out->fs[l->out->nfs++] = fs;
  else if (rc < 0)
    snprintf (l->out->why, sizeof l->out->why, "%s", error_text (&why));
}

static int
gpt (struct looking *l, struct error *err)
{
  unsigned char h[SECTOR], e[128];
  uint64_t table;
  uint32_t count, size;
  int rc = image_read_ (&l->r, SECTOR, h, sizeof h, err);

  if (rc < 0)
    return rc;
  if (memcmp (h, "EFI PART", 8) != 0)
    return 0;
  table = le_get64 (h + 72);
  count = le_get32 (h + 80);
  size = le_get32 (h + 84);
  if (size < 128 || size > 4096 || table > l->out->bytes / SECTOR)
    return error_set (err, EBADMSG, "a partition table of no known shape");
  for (uint32_t i = 0; i < count && i < 128 && l->out->nfs < IMAGE_FS_MAX;
       i++)
    {
      uint64_t first, last;

      rc = image_read_ (&l->r, table * SECTOR + (uint64_t) i * size, e,
                        sizeof e, err);
      if (rc < 0)
        return rc;
      first = le_get64 (e + 32);
      last = le_get64 (e + 40);
      if (first == 0 || last < first || last > l->out->bytes / SECTOR)
        continue;
      look_at (l, i + 1, first * SECTOR, (last - first + 1) * SECTOR);
    }
  return 1;
}

static bool
is_extended (unsigned char type)
{
  return type == 0x05 || type == 0x0f || type == 0x85;
}

/* Logical partitions are a chain, of which each may point anywhere. */
static int
logical (struct looking *l, uint64_t begin, struct error *err)
{
  uint64_t at = begin;

  for (unsigned i = 0; i < IMAGE_FS_MAX; i++)
    {
      unsigned char t[SECTOR];
      uint64_t first, next;
      int rc = image_read_ (&l->r, at * SECTOR, t, sizeof t, err);

      if (rc < 0)
        return rc;
      if (t[510] != 0x55 || t[511] != 0xaa)
        return 0;
      first = le_get32 (t + 446 + 8);
      if (first)
        look_at (l, 5 + i, (at + first) * SECTOR,
                 (uint64_t) le_get32 (t + 446 + 12) * SECTOR);
      next = le_get32 (t + 462 + 8);
      if (!next || !is_extended (t[462 + 4]))
        return 0;
      at = begin + next;
    }
  return 0;
}

/* 1: there is a table. */
static int
partitions (struct looking *l, struct error *err)
{
  unsigned char t[SECTOR];
  unsigned seen = 0;
  int rc = image_read_ (&l->r, 0, t, sizeof t, err);

  if (rc < 0)
    return rc;
  if (t[510] != 0x55 || t[511] != 0xaa)
    return 0;
  for (unsigned i = 0; i < 4; i++)
    {
      const unsigned char *e = t + 446 + 16 * i;
      uint64_t first = le_get32 (e + 8), n = le_get32 (e + 12);

      /* A boot sector of a file system ends so, too: what it has there are
       * no flags. */
      if (e[0] != 0 && e[0] != 0x80)
        return 0;
      if (e[4] == 0xee)
        return gpt (l, err);
      if (e[4] == 0 || first == 0 || n == 0)
        continue;
      seen++;
      if (is_extended (e[4]))
        rc = logical (l, first, err);
      else
        look_at (l, i + 1, first * SECTOR, n * SECTOR);
      if (rc < 0)
        return rc;
    }
  return seen > 0;
}

int
image_look (const struct image_source *src, struct image *ret,
            struct error *err)
{
  struct image im = { .nfs = 0 };
  struct looking l = { .r = { .src = src }, .out = &im };
  int rc = src->layers >= 1 && src->layers <= IMAGE_LAYERS ? 0 : -EINVAL;

  if (rc < 0)
    return error_set (err, EINVAL, "%u layers of an image", src->layers);
  for (unsigned i = 0; i < src->layers && rc == 0; i++)
    rc = open_layer (&l.r, i, &im, err);
  if (rc == 0)
    rc = partitions (&l, err);
  if (rc == 0)
    look_at (&l, 0, 0, im.bytes);
  if (rc < 0)
    return rc;
  im.lacking = l.r.lacking && im.behind[0];
  im.reads = l.r.reads;
  *ret = im;
  return 0;
}
