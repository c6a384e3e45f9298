/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's physical memory: ranges, budgets, and a few pages kept, because
 * one structure is read in many small pieces.
 */
#include "kernel/memory/mem.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "kernel/memory/mem_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BYTES (1ULL << 30)
#define CLOCK_EVERY 64
#define PAGE_THERE (1ULL << 63)
#define PAGE_SWAPPED (1ULL << 62)

/* ---- ranges ---- */

static int
by_address (const void *a, const void *b)
{
  const struct mem_range *x = a, *y = b;

  return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

int
mem_new_ (const struct mem_source *src, struct mem_range *ranges, size_t n,
          const struct mem_limits *limits, struct mem **ret, struct error *err)
{
  struct mem *m = calloc (1, sizeof *m);

  if (m)
    {
      m->slots = calloc (MEM_SLOTS, sizeof *m->slots);
      m->pages = malloc ((size_t) MEM_SLOTS * MEM_PAGE);
      if (src->process && src->pagemap >= 0)
        m->maps = calloc (MEM_MAP_SLOTS, sizeof *m->maps);
    }
  if (!m || !m->slots || !m->pages
      || (src->process && src->pagemap >= 0 && !m->maps))
    {
      mem_free (m);
      return error_errno (err, ENOMEM, "memory for reading a guest's");
    }
  m->fd = src->fd;
  m->pagemap = src->process ? src->pagemap : -1;
  m->there = PAGE_THERE | (src->swapped ? PAGE_SWAPPED : 0);
  m->process = src->process;
  m->limit = limits && limits->bytes > 0 ? limits->bytes : DEFAULT_BYTES;
  m->deadline = limits ? limits->deadline : 0;
  m->gen = 1;
  m->ranges = ranges;
  m->nranges = n;
  for (size_t i = 0; i < n; i++)
    m->size += ranges[i].len;
  *ret = m;
  return 0;
}

int
mem_open (const struct mem_source *src, const struct mem_limits *limits,
          struct mem **ret, struct error *err)
{
  CLEANUP_FREE struct mem_range *r = NULL;
  int e;

  if (src->fd < 0 || src->nranges == 0 || src->nranges > MEM_MAX_RANGES)
    return error_set (err, EINVAL,
                      "%zu ranges of a guest's memory; 1 to %d"
                      " are possible",
                      src->nranges, MEM_MAX_RANGES);
  r = malloc (src->nranges * sizeof *r);
  if (!r)
    return error_errno (err, ENOMEM, "ranges of a guest's memory");
  memcpy (r, src->ranges, src->nranges * sizeof *r);
  qsort (r, src->nranges, sizeof *r, by_address);
  for (size_t i = 0; i < src->nranges; i++)
    if (r[i].len == 0 || r[i].gpa >= MEM_TOP || r[i].len > MEM_TOP - r[i].gpa
        || r[i].at > INT64_MAX - r[i].len
        || (i > 0 && r[i - 1].gpa + r[i - 1].len > r[i].gpa))
      return error_set (err, EINVAL,
                        "a range of a guest's memory at 0x%llx,"
                        " 0x%llx bytes, is empty, too far up, or over another",
                        (unsigned long long) r[i].gpa,
                        (unsigned long long) r[i].len);
  e = mem_new_ (src, r, src->nranges, limits, ret, err);
  if (e == 0)
    r = NULL;
  return e;
}

void
mem_free (struct mem *m)
{
  if (!m)
    return;
  free (m->ranges);
  free (m->slots);
  free (m->pages);
  free (m->maps);
  free (m->out);
  free (m->notes);
  free (m->note);
  free (m);
}

/* The range that holds gpa, or the next one above; nranges = none. */
static size_t
range_from (const struct mem *m, uint64_t gpa)
{
  size_t lo = 0, hi = m->nranges;

  while (lo < hi)
    {
      size_t mid = lo + (hi - lo) / 2;

      if (gpa - m->ranges[mid].gpa < m->ranges[mid].len
          || m->ranges[mid].gpa > gpa)
        hi = mid;
      else
        lo = mid + 1;
    }
  return lo;
}

static const struct mem_range *
range_of (struct mem *m, uint64_t gpa)
{
  const struct mem_range *r = &m->ranges[m->last];

  if (gpa - r->gpa < r->len)
    return r;
  m->last = range_from (m, gpa);
  if (m->last == m->nranges)
    {
      m->last = 0;
      return NULL;
    }
  r = &m->ranges[m->last];
  return gpa - r->gpa < r->len ? r : NULL;
}

bool
mem_has (const struct mem *m, uint64_t gpa, uint64_t len)
{
  for (size_t i = range_from (m, gpa); i < m->nranges; i++)
    {
      const struct mem_range *r = &m->ranges[i];

      if (gpa - r->gpa >= r->len)
        return false;
      if (len <= r->len - (gpa - r->gpa))
        return true;
      len -= r->len - (gpa - r->gpa);
      gpa = r->gpa + r->len;
    }
  return false;
}

uint64_t
mem_size (const struct mem *m)
{
  return m->size;
}

/* ---- budgets ---- */

static int
spend (struct mem *m, uint64_t len, struct error *err)
{
  if (len > m->limit - m->spent)
    {
      /* Stays so: who goes on gets nothing more. */
      m->spent = m->limit;
      return error_set (err, EDQUOT,
                        "more than %llu bytes of a guest's memory"
                        " were asked for",
                        (unsigned long long) m->limit);
    }
  m->spent += len;
  if (m->deadline > 0 && m->until_clock-- == 0)
    {
      m->until_clock = CLOCK_EVERY;
      m->late = m->late || clock_ms () >= m->deadline;
    }
  if (m->late)
    return error_set (err, ETIME, "reading a guest's memory took too long");
  return 0;
}

/* ---- the file ---- */

/* All of it, at an offset of the file. */
static int
read_at (struct mem *m, uint64_t at, void *dst, size_t len, struct error *err)
{
  unsigned char *p = dst;

  while (len > 0)
    {
      ssize_t n = pread (m->fd, p, len, (off_t) at);

      m->stats.reads++;
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno,
                            "reading a guest's memory at 0x%llx"
                            " of its file",
                            (unsigned long long) at);
      if (n == 0)
        return error_set (err, EFAULT,
                          "the guest's memory ends at 0x%llx of"
                          " its file",
                          (unsigned long long) at);
      m->stats.bytes += (uint64_t) n;
      p += n;
      at += (uint64_t) n;
      len -= (size_t) n;
    }
  return 0;
}

/* n entries of the pagemap; how many there are, 0 when it cannot be read. */
static size_t
read_pagemap (struct mem *m, uint64_t first, uint64_t *dst, size_t n)
{
  ssize_t got;

  do
    got = pread (m->pagemap, dst, n * sizeof *dst, (off_t) (first * 8));
  while (got < 0 && errno == EINTR);
  m->stats.reads++;
  return got < 0 ? 0 : (size_t) got / sizeof *dst;
}

static struct mem_map_slot *
map_slot (struct mem *m, uint64_t page)
{
  return &m->maps[page / MEM_MAP_PAGES % MEM_MAP_SLOTS];
}

static bool
map_is (const struct mem *m, const struct mem_map_slot *s, uint64_t page)
{
  return s->gen == m->gen && s->first == page / MEM_MAP_PAGES * MEM_MAP_PAGES;
}

/* What the process has of the MEM_MAP_PAGES pages around `page`.  NULL when
 * the pagemap cannot be read: then nothing is known. */
static const struct mem_map_slot *
map_of (struct mem *m, uint64_t page)
{
  uint64_t first = page / MEM_MAP_PAGES * MEM_MAP_PAGES;
  struct mem_map_slot *s = map_slot (m, page);
  uint64_t entries[MEM_MAP_PAGES];
  size_t n;

  if (map_is (m, s, page))
    return s;
  n = read_pagemap (m, first, entries, MEM_MAP_PAGES);
  if (n == 0)
    return NULL;
  memset (s->there, 0, sizeof s->there);
  memset (s->out, 0, sizeof s->out);
  s->any_out = false;
  for (size_t i = 0; i < n; i++)
    if (entries[i] & m->there)
      s->there[i / 8] |= (uint8_t) (1u << (i % 8));
    else if (entries[i] & PAGE_SWAPPED)
      {
        s->out[i / 8] |= (uint8_t) (1u << (i % 8));
        s->any_out = true;
      }
  s->first = first;
  s->gen = m->gen;
  return s;
}

/* How many bytes from the process's address on are alike: there, or not. */
static bool
there_from (struct mem *m, uint64_t at, uint64_t max, uint64_t *ret_len)
{
  uint64_t page = at / MEM_PAGE;
  uint64_t len = MEM_PAGE - at % MEM_PAGE, entry;
  unsigned i = (unsigned) (page % MEM_MAP_PAGES);
  const struct mem_map_slot *s;
  bool there;

  /* One page alone: a heartbeat wants no more than that. */
  if (max <= len && !map_is (m, map_slot (m, page), page))
    {
      *ret_len = max;
      return read_pagemap (m, page, &entry, 1) == 0 || (entry & m->there);
    }
  s = map_of (m, page);
  if (!s)
    {
      *ret_len = max;
      return true;
    }
  there = s->there[i / 8] >> (i % 8) & 1;
  while (len < max && ++i < MEM_MAP_PAGES
         && (s->there[i / 8] >> (i % 8) & 1) == there)
    len += MEM_PAGE;
  *ret_len = len < max ? len : max;
  return there;
}

static bool
is_out (struct mem *m, uint64_t page)
{
  const struct mem_map_slot *s = map_slot (m, page);
  unsigned i = (unsigned) (page % MEM_MAP_PAGES);
  uint64_t entry;

  if (map_is (m, s, page))
    return s->out[i / 8] >> (i % 8) & 1;
  return read_pagemap (m, page, &entry, 1) == 1 && !(entry & m->there)
         && (entry & PAGE_SWAPPED);
}

/* Each page once, however often it is asked for. */
static void
count_out (struct mem *m, uint64_t page)
{
  size_t i = (size_t) (page * 0x9e3779b97f4a7c15ULL >> 50) % MEM_OUT_SLOTS;

  if (!m->out)
    m->out = calloc (MEM_OUT_SLOTS, sizeof *m->out);
  if (!m->out || m->stats.swapped == MEM_MAX_SWAPPED)
    return;
  while (m->out[i] != 0 && m->out[i] != page + 1)
    i = (i + 1) % MEM_OUT_SLOTS;
  m->stats.swapped += m->out[i] == 0;
  m->out[i] = page + 1;
}

/* Of what there_from() told to be not there. */
static void
not_there (struct mem *m, uint64_t at, uint64_t len)
{
  uint64_t page = at / MEM_PAGE, last = (at + len - 1) / MEM_PAGE;
  const struct mem_map_slot *s = map_slot (m, page);

  if (map_is (m, s, page) && !s->any_out)
    return;
  for (; page <= last; page++)
    if (is_out (m, page))
      count_out (m, page);
}

/* Pages that the process does not have are zeros and stay away: reading one
 * of a shared mapping would fill it. */
static int
read_file (struct mem *m, uint64_t at, void *dst, size_t len, struct error *err)
{
  unsigned char *p = dst;

  if (m->pagemap < 0)
    return read_at (m, at, dst, len, err);
  while (len > 0)
    {
      uint64_t n;
      int e;

      if (there_from (m, at, len, &n))
        {
          e = read_at (m, at, p, (size_t) n, err);
          if (e < 0)
            return e;
        }
      else
        {
          memset (p, 0, (size_t) n);
          m->stats.absent += n;
          not_there (m, at, n);
        }
      p += n;
      at += n;
      len -= (size_t) n;
    }
  return 0;
}

/* ---- reading ---- */

static int
nothing_there (struct error *err, uint64_t gpa)
{
  return error_set (err, EFAULT, "the guest has no memory at 0x%llx",
                    (unsigned long long) gpa);
}

static int
read_direct (struct mem *m, uint64_t gpa, unsigned char *dst, size_t len,
             struct error *err)
{
  while (len > 0)
    {
      const struct mem_range *r = range_of (m, gpa);
      uint64_t n;
      int e;

      if (!r)
        return nothing_there (err, gpa);
      n = r->len - (gpa - r->gpa);
      n = n < len ? n : len;
      e = read_file (m, r->at + (gpa - r->gpa), dst, (size_t) n, err);
      if (e < 0)
        return e;
      gpa += n;
      dst += n;
      len -= (size_t) n;
    }
  return 0;
}

/* The page at gpa, kept or read; only what lies in one range is kept. */
static int
kept_page (struct mem *m, uint64_t page, const unsigned char **ret,
           struct error *err)
{
  uint64_t number = page / MEM_PAGE;
  size_t i = (size_t) ((number ^ number >> 8) % MEM_SLOTS);
  struct mem_slot *s = &m->slots[i];
  unsigned char *bytes = m->pages + i * MEM_PAGE;
  const struct mem_range *r;
  int e;

  *ret = bytes;
  if (s->gen == m->gen && s->page == page)
    return 1;
  r = range_of (m, page);
  if (!r || r->len - (page - r->gpa) < MEM_PAGE)
    return 0;
  e = spend (m, MEM_PAGE, err);
  if (e < 0)
    return e;
  s->gen = 0;
  e = read_file (m, r->at + (page - r->gpa), bytes, MEM_PAGE, err);
  if (e < 0)
    return e;
  s->page = page;
  s->gen = m->gen;
  return 1;
}

int
mem_read (struct mem *m, uint64_t gpa, void *dst, size_t len, struct error *err)
{
  unsigned char *p = dst;
  int e;

  if (!mem_has (m, gpa, len))
    return len == 0 ? 0 : nothing_there (err, gpa);
  e = spend (m, len, err);
  if (e < 0 || len >= MEM_BIG)
    return e < 0 ? e : read_direct (m, gpa, dst, len, err);
  while (len > 0)
    {
      size_t in = (size_t) (gpa % MEM_PAGE);
      size_t n = len < MEM_PAGE - in ? len : MEM_PAGE - in;
      const unsigned char *page;

      e = kept_page (m, gpa - in, &page, err);
      if (e == 0)
        e = read_direct (m, gpa, p, n, err);
      else if (e > 0)
        memcpy (p, page + in, n);
      if (e < 0)
        return e;
      gpa += n;
      p += n;
      len -= n;
    }
  return 0;
}

int
mem_peek_ (struct mem *m, uint64_t gpa, void *dst, size_t len)
{
  int e = spend (m, len, NULL);

  return e < 0 ? e : read_direct (m, gpa, dst, len, NULL);
}

/* ---- what is there ---- */

/* The next data of the file at or after `at`, below `end`. */
static uint64_t
next_of_file (struct mem *m, uint64_t at, uint64_t end, uint64_t *ret_len)
{
  off_t data = lseek (m->fd, (off_t) at, SEEK_DATA);
  off_t hole;

  if (data < 0 && errno == ENXIO)
    return MEM_NONE;
  if (data < 0) /* does not know of holes, then it has none */
    data = (off_t) at;
  if ((uint64_t) data >= end)
    return MEM_NONE;
  hole = lseek (m->fd, data, SEEK_HOLE);
  if (hole <= data || (uint64_t) hole > end)
    hole = (off_t) end;
  *ret_len = (uint64_t) (hole - data);
  return (uint64_t) data;
}

static uint64_t
next_of_process (struct mem *m, uint64_t at, uint64_t end, uint64_t *ret_len)
{
  uint64_t begin, n;

  while (at < end && !there_from (m, at, end - at, &n))
    {
      not_there (m, at, n);
      at += n;
      if (spend (m, 0, NULL) < 0)
        return MEM_NONE;
    }
  if (at >= end)
    return MEM_NONE;
  begin = at;
  while (at < end && there_from (m, at, end - at, &n))
    at += n;
  *ret_len = at - begin;
  return begin;
}

uint64_t
mem_next (struct mem *m, uint64_t gpa, uint64_t *ret_len)
{
  /* To go over all that might be there would make it be there. */
  if (m->process && m->pagemap < 0)
    return MEM_NONE;
  for (size_t i = range_from (m, gpa); i < m->nranges; i++)
    {
      const struct mem_range *r = &m->ranges[i];
      uint64_t from = gpa > r->gpa ? gpa - r->gpa : 0;
      uint64_t at = r->at + from, end = r->at + r->len, len;

      if (spend (m, 0, NULL) < 0)
        return MEM_NONE;
      at = m->process ? next_of_process (m, at, end, &len)
                      : next_of_file (m, at, end, &len);
      if (at == MEM_NONE)
        continue;
      *ret_len = len;
      return r->gpa + (at - r->at);
    }
  return MEM_NONE;
}

bool
mem_can_scan (const struct mem *m)
{
  return !m->process || m->pagemap >= 0;
}

/* ---- the rest ---- */

bool
mem_note (const struct mem *m, unsigned i, struct mem_note *ret)
{
  if (i >= m->nnotes)
    return false;
  *ret = m->note[i];
  return true;
}

void
mem_stats (const struct mem *m, struct mem_stats *ret)
{
  *ret = m->stats;
}

int
mem_over (const struct mem *m)
{
  return m->late ? -ETIME : m->spent >= m->limit ? -EDQUOT : 0;
}

uint64_t
mem_cut (const struct mem *m)
{
  return m->cut;
}

void
mem_again (struct mem *m, uint64_t deadline)
{
  m->deadline = deadline;
  m->late = false;
  m->spent = 0;
  m->until_clock = 0;
  m->stats = (struct mem_stats){ 0 };
  if (m->out)
    memset (m->out, 0, MEM_OUT_SLOTS * sizeof *m->out);
  mem_fresh (m);
}

void
mem_fresh (struct mem *m)
{
  m->gen++;
  if (m->gen == 0)
    {
      /* Once in 2^32 times: nothing may look as if it were of now. */
      memset (m->slots, 0, MEM_SLOTS * sizeof *m->slots);
      if (m->maps)
        memset (m->maps, 0, MEM_MAP_SLOTS * sizeof *m->maps);
      m->gen = 1;
    }
}

uint32_t
mem_generation (const struct mem *m)
{
  return m->gen;
}
