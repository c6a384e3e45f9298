/* SPDX-License-Identifier: Apache-2.0
 *
 * File systems by their superblocks.  Only ext4 notes its errors down there;
 * XFS says whether it has to be repaired; the others are known by name.
 */
#include "kernel/image/image.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/le.h"

#include <stdio.h>
#include <string.h>

/* ---- ext2, ext3, ext4: 1024 bytes at 1024 ---- */

#define EXT_MAGIC 0xef53
#define EXT_VALID 0x1
#define EXT_ERRORS 0x2
#define EXT_HAS_JOURNAL 0x4
#define EXT_RECOVER 0x4
#define EXT_EXTENTS 0x40

/* Up to a NUL, or all of it. */
static void
take_text (char *dst, size_t size, const unsigned char *src, size_t n)
{
  size_t len = strnlen ((const char *) src, n);

  len = len < size - 1 ? len : size - 1;
  memcpy (dst, src, len);
  dst[len] = '\0';
}

static int64_t
ext_time (const unsigned char *sb, size_t low, size_t high)
{
  return (int64_t) ((uint64_t) le_get32 (sb + low)
                    | (uint64_t) sb[high] << 32);
}

static void
ext_errors (const unsigned char *sb, struct image_fs *fs)
{
  fs->errors = le_get32 (sb + 0x194);
  if (!fs->errors)
    return;
  fs->first = (struct image_error){
    .time = ext_time (sb, 0x198, 0x278),
    .inode = le_get32 (sb + 0x19c),
    .block = le_get64 (sb + 0x1a0),
    .line = le_get32 (sb + 0x1c8),
  };
  take_text (fs->first.where, sizeof fs->first.where, sb + 0x1a8, 32);
  fs->last = (struct image_error){
    .time = ext_time (sb, 0x1cc, 0x279),
    .inode = le_get32 (sb + 0x1d0),
    .line = le_get32 (sb + 0x1d4),
    .block = le_get64 (sb + 0x1d8),
  };
  take_text (fs->last.where, sizeof fs->last.where, sb + 0x1e0, 32);
}

static void
ext_look (const unsigned char *sb, struct image_fs *fs)
{
  static const char *const does[] = { "", "continue", "remount-ro", "panic" };
  unsigned state = le_get16 (sb + 0x3a), what = le_get16 (sb + 0x3c);
  uint32_t compat = le_get32 (sb + 0x5c), incompat = le_get32 (sb + 0x60);

  snprintf (fs->type, sizeof fs->type, "%s",
            incompat & EXT_EXTENTS        ? "ext4"
            : compat & EXT_HAS_JOURNAL    ? "ext3"
                                          : "ext2");
  take_text (fs->label, sizeof fs->label, sb + 0x78, 16);
  take_text (fs->mounted_on, sizeof fs->mounted_on, sb + 0x88, 64);
  ext_errors (sb, fs);
  if ((state & EXT_ERRORS) || fs->errors)
    fs->state = IMAGE_STATE_ERRORS;
  /* With a journal it stays "valid" while it is mounted. */
  else if ((incompat & EXT_RECOVER) || !(state & EXT_VALID))
    fs->state = IMAGE_STATE_IN_USE;
  else
    fs->state = IMAGE_STATE_CLEAN;
  if (what < ARRAY_LEN (does))
    snprintf (fs->on_error, sizeof fs->on_error, "%s", does[what]);
}

/* ---- XFS: at 0, big-endian ---- */

#define XFS_NEEDS_REPAIR 0x10

static void
xfs_look (const unsigned char *sb, struct image_fs *fs)
{
  bool v5 = (be_get16 (sb + 100) & 0xf) == 5;

  snprintf (fs->type, sizeof fs->type, "xfs");
  take_text (fs->label, sizeof fs->label, sb + 108, 12);
  if (v5 && (be_get32 (sb + 216) & XFS_NEEDS_REPAIR))
    fs->state = IMAGE_STATE_ERRORS;
}

/* ---- the others ---- */

static const struct
{
  const char *type;
  size_t offset, len;
  const char *magic;
} others[] = {
  { "luks", 0, 6, "LUKS\xba\xbe" },
  { "lvm", 512, 8, "LABELONE" },
  { "swap", 4086, 10, "SWAPSPACE2" },
  { "ntfs", 3, 8, "NTFS    " },
  { "iso9660", 32769, 5, "CD001" },
  { "vfat", 82, 8, "FAT32   " },
  { "squashfs", 0, 4, "hsqs" },
  { "btrfs", 0x10040, 8, "_BHRfS_M" },
  { "bcachefs", 4096 + 24, 4, "\xc6\x85\x73\xf6" },
};

static int
other_look (struct image_reader *r, uint64_t offset, uint64_t bytes,
            struct image_fs *fs, struct error *err)
{
  for (size_t i = 0; i < ARRAY_LEN (others); i++)
    {
      char have[16];
      int rc;

      if (others[i].offset + others[i].len > bytes)
        continue;
      rc = image_read_ (r, offset + others[i].offset, have, others[i].len,
                        err);
      if (rc < 0)
        return rc;
      if (memcmp (have, others[i].magic, others[i].len) != 0)
        continue;
      snprintf (fs->type, sizeof fs->type, "%s", others[i].type);
      return 1;
    }
  return 0;
}

int
image_fs_look_ (struct image_reader *r, uint64_t offset, uint64_t bytes,
                struct image_fs *ret, struct error *err)
{
  unsigned char sb[2048];
  int rc;

  if (bytes < sizeof sb)
    return 0;
  rc = image_read_ (r, offset, sb, sizeof sb, err);
  if (rc < 0)
    return rc;
  if (memcmp (sb, "XFSB", 4) == 0)
    xfs_look (sb, ret);
  else if (le_get16 (sb + 1024 + 0x38) == EXT_MAGIC)
    ext_look (sb + 1024, ret);
  else
    return other_look (r, offset, bytes, ret, err);
  return 1;
}
