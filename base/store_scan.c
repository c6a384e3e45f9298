/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a store's log: what is a good record, what is damage, what is a
 * write that never finished.  Linear in the size of the file whatever is in
 * it, and with one window of at most one record in memory.
 */
#include "base/store_scan.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/le.h"
#include "base/store.h"

#define WINDOW_MIN (64u << 10)
#define BLOCK 4096u
/* A dying disk may take seconds for each block it cannot read. */
#define UNREADABLE_MAX 64

static const char file_magic[8] = "HDSTORE\n";

void
store_pack_file_head (unsigned char dst[STORE_FILE_HEAD], uint64_t marker)
{
  memcpy (dst, file_magic, sizeof file_magic);
  le_put32 (dst + 8, STORE_VERSION);
  le_put64 (dst + 12, marker);
  le_put32 (dst + 20, crc32c (0, dst, 20));
}

void
store_pack_head (unsigned char dst[STORE_HEAD], const struct store_head *head)
{
  le_put64 (dst, head->marker);
  le_put32 (dst + 8, head->len);
  le_put16 (dst + 12, head->type);
  le_put16 (dst + 14, 0);
  le_put64 (dst + 16, head->seq);
  le_put32 (dst + 24, head->data_crc);
  /* Covers the data too, through its crc: so the length can be trusted before
   * the data is read. */
  le_put32 (dst + 28, crc32c (0, dst, 28));
}

static bool
unpack_head (const unsigned char *src, struct store_head *ret)
{
  struct store_head h = {
    .marker = le_get64 (src),
    .len = le_get32 (src + 8),
    .type = le_get16 (src + 12),
    .seq = le_get64 (src + 16),
    .data_crc = le_get32 (src + 24),
  };

  /* The bound on seq leaves room for every append to come. */
  if (le_get32 (src + 28) != crc32c (0, src, 28) || le_get16 (src + 14) != 0
      || h.len > STORE_MAX_RECORD || h.marker == 0 || h.seq > UINT64_MAX / 2)
    return false;
  *ret = h;
  return true;
}

/* Reads exactly len bytes; a block that the disk refuses reads as zeros, so
 * that what stands in the others is still found. */
static int
read_or_zero (struct store_scan *s, unsigned char *dst, size_t len,
              uint64_t off, struct error *err)
{
  while (len > 0)
    {
      ssize_t n = pread (s->fd, dst, len, (off_t) off);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          int code = n < 0 ? errno : EIO;

          if (s->unreadable++ >= UNREADABLE_MAX)
            return error_errno (err, code, "more than %d unreadable blocks",
                                UNREADABLE_MAX);
          n = (ssize_t) (BLOCK - off % BLOCK);
          if ((size_t) n > len)
            n = (ssize_t) len;
          memset (dst, 0, (size_t) n);
        }
      dst += n;
      off += (uint64_t) n;
      len -= (size_t) n;
    }
  return 0;
}

/* Makes [off, off + len) of the file readable in memory; the caller has
 * checked that it lies within the size. */
static int
window (struct store_scan *s, uint64_t off, size_t len,
        const unsigned char **ret, struct error *err)
{
  if (off < s->window_off || off + len > s->window_off + s->window_len)
    {
      size_t want = len < WINDOW_MIN ? WINDOW_MIN : len;

      if (want > s->size - off)
        want = (size_t) (s->size - off);
      if (want > s->window_cap)
        {
          unsigned char *p = realloc (s->window, want);

          if (!p)
            return error_set (err, ENOMEM, "out of memory");
          s->window = p;
          s->window_cap = want;
        }
      s->window_len = 0;
      int r = read_or_zero (s, s->window, want, off, err);
      if (r < 0)
        return r;
      s->window_off = off;
      s->window_len = want;
    }
  *ret = s->window + (off - s->window_off);
  return 0;
}

/* The file from off on, as much of it as a window holds. */
static int
piece (struct store_scan *s, uint64_t off, const unsigned char **ret,
       size_t *ret_len, struct error *err)
{
  *ret_len
      = s->size - off < WINDOW_MIN ? (size_t) (s->size - off) : WINDOW_MIN;
  return window (s, off, *ret_len, ret, err);
}

/* 1 when everything from off to the end is zero, as after a power cut that
 * kept the size and lost the data. */
static int
all_zero (struct store_scan *s, uint64_t off, struct error *err)
{
  while (off < s->size)
    {
      const unsigned char *p;
      size_t n;
      int r = piece (s, off, &p, &n, err);

      if (r < 0)
        return r;
      for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
          return 0;
      off += n;
    }
  return 1;
}

/* A record's head is at off: well formed, of this file, and later than all
 * before it. */
static int
head_at (struct store_scan *s, uint64_t off, struct store_head *ret,
         struct error *err)
{
  const unsigned char *p;

  if (s->size - off < STORE_HEAD)
    return 0;
  int r = window (s, off, STORE_HEAD, &p, err);
  if (r < 0)
    return r;
  return unpack_head (p, ret) && ret->marker == s->marker && ret->seq > s->seq;
}

/* The offset of the next record's head at or after off; the size if none. */
static int
find_head (struct store_scan *s, uint64_t off, uint64_t *ret, struct error *err)
{
  unsigned char marker[8];

  le_put64 (marker, s->marker);
  while (s->size - off >= STORE_HEAD)
    {
      const unsigned char *p;
      size_t n;
      int r = piece (s, off, &p, &n, err);

      if (r < 0)
        return r;
      const unsigned char *hit = memmem (p, n, marker, sizeof marker);
      if (!hit)
        {
          off += n - (sizeof marker - 1); /* it may lie across the border */
          continue;
        }
      off += (uint64_t) (hit - p);
      struct store_head head;
      r = head_at (s, off, &head, err);
      if (r < 0)
        return r;
      if (r == 1)
        {
          *ret = off;
          return 0;
        }
      off++;
    }
  *ret = s->size;
  return 0;
}

/* The file's head is damaged: the first record repeats the marker. */
static int
marker_from_record (struct store_scan *s, struct error *err)
{
  const unsigned char *p;
  struct store_head head;

  if (s->size < STORE_FILE_HEAD + STORE_HEAD)
    return 0;
  int r = window (s, STORE_FILE_HEAD, STORE_HEAD, &p, err);
  if (r < 0)
    return r;
  if (!unpack_head (p, &head))
    return 0;
  s->marker = head.marker;
  return 1;
}

int
store_scan_start (struct store_scan *s, int fd, struct error *err)
{
  struct stat sb;
  const unsigned char *p;

  *s = (struct store_scan){ .fd = fd };
  if (fstat (fd, &sb) < 0)
    return error_errno (err, errno, "fstat");
  s->size = (uint64_t) sb.st_size;
  if (s->size < STORE_FILE_HEAD)
    {
      s->marker_lost = s->size > 0;
      return 0;
    }
  int r = window (s, 0, STORE_FILE_HEAD, &p, err);
  if (r < 0)
    return r;
  if (memcmp (p, file_magic, sizeof file_magic) == 0
      && le_get32 (p + 20) == crc32c (0, p, 20) && le_get64 (p + 12) != 0)
    {
      if (le_get32 (p + 8) != STORE_VERSION)
        return error_set (err, EPROTONOSUPPORT,
                          "written by another version of hangdog (log format "
                          "%u, this one knows %d): use that version, or move "
                          "the file away",
                          le_get32 (p + 8), STORE_VERSION);
      s->marker = le_get64 (p + 12);
      s->off = STORE_FILE_HEAD;
      return 0;
    }
  r = marker_from_record (s, err);
  if (r < 0)
    return r;
  s->marker_lost = r == 0;
  return 0;
}

/* What is left at off is no record.  Says what, and how far it reaches. */
static int
damage_at (struct store_scan *s, struct store_item *item, struct error *err)
{
  uint64_t off = s->off, left = s->size - off;
  const unsigned char *p;
  unsigned char start[8];
  size_t n = left < sizeof start ? (size_t) left : sizeof start;
  int r = all_zero (s, off, err);

  if (r < 0)
    return r;
  item->kind = r ? STORE_ITEM_TORN : STORE_ITEM_BAD;
  item->len = left;
  if (r)
    return 0;
  if (left < STORE_HEAD)
    {
      /* The beginning of a head (or of the file's): a write cut short. */
      if (off == 0)
        memcpy (start, file_magic, sizeof start);
      else
        le_put64 (start, s->marker);
      r = window (s, off, n, &p, err);
      if (r == 0 && memcmp (p, start, n) == 0)
        item->kind = STORE_ITEM_TORN;
      return r;
    }
  if (s->marker_lost)
    return 0;
  uint64_t next = s->size;
  r = find_head (s, off + 1, &next, err);
  if (r == 0)
    item->len = next - off;
  return r;
}

static int
record_at (struct store_scan *s, const struct store_head *head,
           struct store_item *item, struct error *err)
{
  const unsigned char *p;
  uint64_t left = s->size - s->off - STORE_HEAD;

  /* The head is whole, so its length is true. */
  if (head->len > left)
    {
      item->kind = STORE_ITEM_TORN;
      item->len = s->size - s->off;
      return 0;
    }
  item->len = STORE_HEAD + (uint64_t) head->len;
  int r = window (s, s->off, (size_t) item->len, &p, err);
  if (r < 0)
    return r;
  s->seq = head->seq;
  if (crc32c (0, p + STORE_HEAD, head->len) != head->data_crc)
    {
      item->kind = STORE_ITEM_BAD;
      return 0;
    }
  item->kind = STORE_ITEM_GOOD;
  item->type = head->type;
  item->seq = head->seq;
  item->data = p + STORE_HEAD;
  item->data_len = head->len;
  return 0;
}

int
store_scan_next (struct store_scan *s, struct store_item *item,
                 struct error *err)
{
  struct store_head head;
  int r = 0;

  *item = (struct store_item){ .kind = STORE_ITEM_END, .off = s->off };
  if (s->off >= s->size)
    return 0;
  if (!s->marker_lost)
    r = head_at (s, s->off, &head, err);
  if (r == 1)
    r = record_at (s, &head, item, err);
  else if (r == 0)
    r = damage_at (s, item, err);
  if (r < 0)
    return r;
  /* Zeros that stand for unreadable blocks prove nothing. */
  if (item->kind == STORE_ITEM_TORN && s->unreadable)
    item->kind = STORE_ITEM_BAD;
  s->off += item->len;
  return 0;
}

void
store_scan_done (struct store_scan *s)
{
  free (s->window);
  s->window = NULL;
}
