/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's file format, and reading a log of which nothing is believed.
 * Private to base/store*.c.
 *
 *     file   := "HDSTORE\n" u32 version · u64 marker · u32 crc     record*
 *     record := u64 marker · u32 len · u16 type · u16 0 · u64 seq
 *               · u32 crc of data · u32 crc of this head · data    (LE)
 *
 * The marker is random and new for each file.  What a guest says ends up as
 * record data, so after damage we look for the next record by 8 bytes that no
 * guest can know: a record forged inside another's data is never found.  seq
 * rises from record to record.
 */
#ifndef HANGDOG_BASE_STORE_SCAN_H
#define HANGDOG_BASE_STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define STORE_VERSION 1
#define STORE_FILE_HEAD 24
#define STORE_HEAD 32

struct store_head
{
  uint64_t marker;
  uint64_t seq;
  uint32_t len;
  uint32_t data_crc;
  uint16_t type;
};

void store_pack_file_head (unsigned char dst[STORE_FILE_HEAD], uint64_t marker);
void store_pack_head (unsigned char dst[STORE_HEAD],
                      const struct store_head *head);

enum store_item_kind
{
  STORE_ITEM_END,
  STORE_ITEM_GOOD,
  STORE_ITEM_BAD,  /* may once have been a record: to be set aside */
  STORE_ITEM_TORN, /* a write that did not finish: reaches to the end */
};

struct store_item
{
  enum store_item_kind kind;
  uint64_t off, len; /* the extent in the file */
  uint64_t seq;      /* GOOD: from here on */
  const void *data;  /* valid until the next call */
  size_t data_len;
  uint16_t type;
};

struct store_scan
{
  int fd;
  uint64_t size;
  uint64_t off;
  uint64_t seq;
  uint64_t marker;
  bool marker_lost;    /* nothing tells where records begin */
  unsigned unreadable; /* blocks the disk refused; read as zeros */
  unsigned char *window;
  size_t window_cap, window_len;
  uint64_t window_off;
};

/* A log of another, later version is -EPROTONOSUPPORT; any damage is well. */
int store_scan_start (struct store_scan *s, int fd, struct error *err);
/* Fills *item; never TORN while blocks are unreadable. */
int store_scan_next (struct store_scan *s, struct store_item *item,
                     struct error *err);
void store_scan_done (struct store_scan *s);

#endif
