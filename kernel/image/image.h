/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's disk, read from outside: how its image is made, and what its file
 * systems have noted down of their own errors.  A kernel writes that into the
 * superblock when it meets an error, so it is there also of a guest whose log
 * nobody has.
 *
 * Pure: bytes come by a callback.  All of them are the guest's, or of who gave
 * it the image: every number is checked, and reads are counted.
 */
#ifndef HANGDOG_KERNEL_IMAGE_IMAGE_H
#define HANGDOG_KERNEL_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define IMAGE_LAYERS 3 /* of an image and what is behind it */
#define IMAGE_READS 4000
#define IMAGE_FS_MAX 16
#define IMAGE_WORD 16
#define IMAGE_TEXT 40
#define IMAGE_NAME 1024

struct image_source
{
  unsigned layers;
  uint64_t size[IMAGE_LAYERS]; /* bytes that each has */
  /* Exactly len bytes of that layer, which are there; < 0 with err. */
  int (*read) (void *arg, unsigned layer, uint64_t offset, void *dst,
               size_t len, struct error *err);
  void *arg;
};

/* An error that a file system has noted down. */
struct image_error
{
  int64_t time; /* of the guest's clock, in s; 0 = none */
  char where[IMAGE_TEXT]; /* the kernel's function */
  uint32_t line;
  uint64_t inode, block;
};

enum image_state
{
  IMAGE_STATE_UNKNOWN,
  IMAGE_STATE_CLEAN,   /* unmounted, or mounted by who does not say so */
  IMAGE_STATE_IN_USE,  /* mounted, or it was not unmounted */
  IMAGE_STATE_ERRORS,  /* it says that it has errors */
  IMAGE_STATE_MAX,
};
extern const char *const image_state_names[];

struct image_fs
{
  unsigned partition; /* 0: it has the whole disk */
  uint64_t offset;    /* on the guest's disk */
  char type[IMAGE_WORD]; /* "ext4", "xfs", "btrfs", "swap", "lvm", "luks" */
  char label[IMAGE_TEXT], mounted_on[IMAGE_TEXT]; /* any bytes but NUL */
  enum image_state state;
  uint64_t errors; /* how many there were since the last check */
  struct image_error first, last;
  /* What it does on an error: "continue", "remount-ro", "panic", "". */
  char on_error[IMAGE_WORD];
};

struct image
{
  char format[IMAGE_WORD]; /* "raw", "qcow2" */
  uint64_t bytes;          /* of the disk that the guest sees */
  bool corrupt; /* QEMU has marked it so: it refuses to write there */
  /* The last layer has one behind it, by that name; "" = none. */
  char behind[IMAGE_NAME];
  bool lacking; /* something of interest would be in there */
  struct image_fs fs[IMAGE_FS_MAX];
  unsigned nfs;
  unsigned reads;
  char why[120]; /* something was not read, "" = nothing */
};

/* -EIO and others of read(); -EBADMSG: what it is can't be made out. */
int image_look (const struct image_source *src, struct image *ret,
                struct error *err);

/* ---- of this folder ---- */

/* Of the guest's disk: 0; 1: it is behind a layer that is not there. */
struct image_reader;
int image_read_ (struct image_reader *r, uint64_t offset, void *dst,
                 size_t len, struct error *err);
/* What is at that place: 1 when it is something.  Fills all but partition. */
int image_fs_look_ (struct image_reader *r, uint64_t offset, uint64_t bytes,
                    struct image_fs *ret, struct error *err);

#endif
