/* SPDX-License-Identifier: Apache-2.0
 *
 * kallsyms tables found in the image by what they look like: for kernels that
 * have no VMCOREINFO, not yet, or none to be believed.
 *
 * The table of tokens has one for each digit, so "0\0" "1\0" .. "9\0" is in
 * it; its index, right behind, proves it.  Before it are the markers, before
 * those the names, before those their number.  Addresses are before that or
 * behind the index.  Whoever takes the tables in checks each name and address:
 * here it only has to be likely.
 */
#include "base/cleanup.h"
#include "kernel/memory/ksyms_impl.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/space.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (256u << 10)
#define AROUND (16u << 10) /* before and behind the digits */
#define DIGIT '0'
#define NEAR (1u << 20) /* from the tokens back to the markers */
#define FAR (8u << 20)
#define RUN_MIN 4u
/* Tables that looked right and were none: an image full of them is a joke. */
#define TRIES 64u

static const char digits[20] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";

struct scan
{
  struct space *s;
  const struct ksyms_image *image;
  ksyms_found_fn *fn;
  void *arg;
  unsigned left;
};

static uint64_t
up (uint64_t v, unsigned align)
{
  return (v + align - 1) & ~(uint64_t) (align - 1);
}

static uint64_t
word (const uint8_t *p, unsigned width)
{
  uint64_t v = 0;

  memcpy (&v, p, width);
  return v;
}

/* ---- what lies before the tokens ---- */

static void
add_place (struct ksyms_tables *t, const struct ksyms_image *image, bool full,
           uint64_t at, uint64_t base)
{
  if (at - image->va < image->len && t->nplaces < KSYMS_PLACES)
    t->places[t->nplaces++]
        = (struct ksyms_place){ .full = full, .at = at, .base = base };
}

/* Names begin at names, their number is at n_at; tables are aligned to 8, since
 * 7.x to 4. */
static bool
try_names (struct scan *scan, struct ksyms_tables *t, uint64_t names,
           uint64_t n_at, uint32_t n)
{
  uint64_t behind = up (t->token_index + 512, 8), len = up (4ull * n, 8);
  const struct ksyms_image *i = scan->image;

  t->names = names;
  t->names_end = t->token_table;
  t->n = n;
  t->nplaces = 0;
  add_place (t, i, false, n_at - 8 - len, n_at - 8);
  add_place (t, i, false, behind, behind + len);
  add_place (t, i, true, n_at - 8ull * n, 0);
  /* Of these, one that is four bytes too late would be all symbols but the
   * first, each with the place of the next. */
  add_place (t, i, false, t->token_index + 512, 0);
  add_place (t, i, false, behind, 0);
  add_place (t, i, false, n_at - len, 0);
  add_place (t, i, false, n_at - 4ull * n, 0);
  /* Taking tables in is what costs. */
  scan->left -= scan->left < 4 ? scan->left : 4;
  return scan->fn (t, scan->arg);
}

/* Markers are at va, `count` of them, the last is `last`: names begin that far
 * before, and as much as 256 names more. */
static bool
try_markers (struct scan *scan, struct ksyms_tables *t, uint64_t va,
             uint64_t count, uint64_t last)
{
  size_t len = KSYMS_EACH * (KSYMS_NAME + 2) + 16;
  CLEANUP_FREE uint8_t *buf = NULL;
  uint64_t from = va - last - len;

  if (last > va - scan->image->va || count * KSYMS_EACH > KSYMS_MAX)
    return false;
  if (va - last - scan->image->va < len)
    {
      from = up (scan->image->va, 8);
      len = va - last - from;
    }
  from &= ~7ull;
  buf = malloc (len);
  if (!buf || space_read (scan->s, from, buf, len) < 0)
    return false;
  for (size_t at = 0; at + 8 <= len && scan->left > 0; at += 4)
    {
      uint64_t n = word (buf + at, 4), n_at = from + at;

      if (n > (count - 1) * KSYMS_EACH && n <= count * KSYMS_EACH
          && ((n_at % 8 == 0
               && try_names (scan, t, n_at + 8, n_at, (uint32_t) n))
              || try_names (scan, t, n_at + 4, n_at, (uint32_t) n)))
        return true;
    }
  return false;
}

static bool
is_step (uint64_t from, uint64_t to)
{
  return to > from && to - from >= 2 * KSYMS_EACH
         && to - from <= KSYMS_EACH * (KSYMS_NAME + 2);
}

/* A run of markers from buf + at on. */
static bool
try_run (struct scan *scan, struct ksyms_tables *t, const uint8_t *buf,
         size_t len, size_t at, unsigned width, uint64_t va)
{
  uint64_t count = 1, last = 0, before = 0;

  for (size_t p = at + width; p + width <= len; p += width, count++)
    {
      uint64_t v = word (buf + p, width);

      if (!is_step (last, v))
        break;
      before = last;
      last = v;
    }
  if (count < RUN_MIN)
    return false;
  /* What lies behind may happen to go on like them. */
  return try_markers (scan, t, va + at, count, last)
         || try_markers (scan, t, va + at, count - 1, before);
}

/* In later 6.1 a table of three bytes for each symbol is between the markers
 * and the tokens. */
static bool
find_markers (struct scan *scan, struct ksyms_tables *t, uint64_t reach)
{
  uint64_t most = t->token_table - scan->image->va;
  size_t len = most < reach ? most : reach;
  uint64_t va = up (t->token_table - len, 8);
  CLEANUP_FREE uint8_t *buf = NULL;

  len = t->token_table - va;
  buf = malloc (len + 1);
  if (!buf || space_read (scan->s, va, buf, len) < 0)
    return false;
  for (size_t at = (len & ~(size_t) 3); at >= 8 && scan->left > 0; at -= 4)
    {
      size_t p = at - 4;

      if (word (buf + p, 4) != 0)
        continue;
      if (len - p >= 8 && is_step (0, word (buf + p + 4, 4))
          && try_run (scan, t, buf, len, p, 4, va))
        return true;
      if (len - p >= 16 && word (buf + p, 8) == 0
          && is_step (0, word (buf + p + 8, 8))
          && try_run (scan, t, buf, len, p, 8, va))
        return true;
    }
  return false;
}

/* ---- the tokens ---- */

/* 256 of them from `at` on, and the index behind them.  Returns where in buf
 * the index is; 0 = nowhere. */
static size_t
index_behind (const uint8_t *buf, size_t len, size_t at)
{
  uint16_t want[256];
  size_t p = at;

  for (unsigned i = 0; i < 256; i++)
    {
      const uint8_t *end = p < len ? memchr (buf + p, '\0', len - p) : NULL;

      if (!end || p - at > UINT16_MAX)
        return 0;
      want[i] = (uint16_t) (p - at);
      p = (size_t) (end - buf) + 1;
    }
  for (size_t q = (p + 1) & ~(size_t) 1; q < p + 64; q += 2)
    if (q + sizeof want <= len && memcmp (buf + q, want, sizeof want) == 0)
      return q;
  return 0;
}

/* Digits are at `at` of buf, which is at va: 48 tokens are before them. */
static bool
try_digits (struct scan *scan, const uint8_t *buf, size_t len, size_t at,
            uint64_t va)
{
  size_t p = at, last = at;

  for (unsigned i = 0; i < DIGIT; i++)
    {
      if (p == 0 || buf[p - 1] != '\0')
        return false;
      last = p - 1;
      for (p--; p > 0 && buf[p - 1] != '\0'; p--)
        continue;
    }
  /* Nothing ends what lies before: the table begins somewhere here, aligned. */
  for (; p <= last; p++)
    {
      size_t index = (va + p) % 4 == 0 ? index_behind (buf, len, p) : 0;
      struct ksyms_tables t = { .token_table = va + p,
                                .token_index = va + index };

      if (index > 0)
        return find_markers (scan, &t, NEAR) || find_markers (scan, &t, FAR);
    }
  return false;
}

static bool
try_hit (struct scan *scan, uint64_t hit)
{
  const struct ksyms_image *i = scan->image;
  uint64_t from = hit - i->va > AROUND ? (hit - AROUND) & ~7ull : i->va;
  CLEANUP_FREE uint8_t *buf = malloc (2 * AROUND);
  size_t len;

  if (!buf)
    return false;
  len = space_read_some (scan->s, from, buf, 2 * AROUND);
  return len > hit - from + sizeof digits
         && try_digits (scan, buf, len, hit - from, from);
}

/* The digits are 20 bytes, so one of every 16 words of four bytes is wholly
 * theirs: either d 0 d+1 0 or 0 d 0 d+1, and d says where they begin. */
static long
digits_near (const uint8_t *p)
{
  uint32_t w = (uint32_t) word (p, 4), d;

  if ((w & 0xff00ff00u) == 0)
    d = w & 0xff;
  else if ((w & 0x00ff00ffu) == 0)
    d = w >> 8 & 0xff;
  else
    return -1;
  if (d < '0' || d > '9')
    return -1;
  return (long) (d - '0') * 2 - ((w & 0xff) == 0);
}

static bool
scan_piece (struct scan *scan, const uint8_t *buf, size_t len, uint64_t va)
{
  for (size_t at = 0; at + 4 <= len && scan->left > 0; at += 16)
    {
      long before = digits_near (buf + at);
      size_t from = at - (size_t) before;

      if (before >= 0 && (size_t) before <= at && len - from >= sizeof digits
          && memcmp (buf + from, digits, sizeof digits) == 0)
        {
          scan->left--;
          if (try_hit (scan, va + from))
            return true;
        }
    }
  return false;
}

/* Pieces overlap, so that none cuts the digits; what is not mapped (freed code
 * of the boot) is passed over. */
static bool
scan_part (struct scan *scan, uint8_t *buf, uint64_t from, uint64_t to)
{
  while (from < to && scan->left > 0)
    {
      size_t want = to - from < PIECE ? to - from : PIECE, got;

      got = space_read_some (scan->s, from, buf, want);
      if (scan_piece (scan, buf, got, from))
        return true;
      if (got == want)
        from += want == PIECE ? want - 64 : want;
      else
        from += (got & ~4095ull) + 4096;
    }
  return false;
}

bool
ksyms_scan_ (struct space *s, const struct ksyms_image *image,
             ksyms_found_fn *fn, void *arg)
{
  struct scan scan = { .s = s, .image = image, .fn = fn, .arg = arg,
                       .left = TRIES };
  CLEANUP_FREE uint8_t *buf = malloc (PIECE);
  uint64_t end = image->va + image->len, quarter;

  /* The first quarter and more is code: read last, and mostly never. */
  quarter = image->va + (image->len / 4 & ~4095ull);
  return buf
         && (scan_part (&scan, buf, quarter, end)
             || scan_part (&scan, buf, image->va,
                           end - quarter < 64 ? end : quarter + 64));
}
