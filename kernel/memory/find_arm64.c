/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an arm64 kernel is when it wrote down nothing: by its banner.
 *
 * The header that an image begins with does not help: its memory is given
 * away.  The kernel's own top table lies in the image, not far from the
 * banner.  Which page that is, is found by following each one that looks like
 * a table down to a mapping of the banner.  There are two of those, of the
 * image and of all memory: the higher one is the image's since 5.4.
 *
 * Anybody can write banners, and logs are full of them: so all of them are
 * looked for first, and each table is followed once, whatever their number.
 * What a process maps has a bit of its own and does not count, and a table that
 * maps each address to itself, by which paging is begun, is not the kernel's.
 * What a CPU executes must be mapped; it also tells of a kernel that is coming
 * up, whose constants can be written still.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/mem_impl.h"
#include "kernel/memory/space_impl.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define VALID 1ULL
#define TABLE 2ULL
#define TABLE_ZERO 0xbfcULL   /* of a table's entry; x86-64 has flags there */
#define ACCESSED (1ULL << 10) /* the kernel's own mappings always are */
/* So are its constants, when it has come up; a log of them is not. */
#define READ_ONLY (1ULL << 7)
#define USER (1ULL << 6)      /* a process may read it */
#define USER_TABLE (1ULL << 59) /* no kernel code below: a process's */
#define ADDRESS 0x0000fffffffff000ULL
#define CHUNK (256u << 10)
#define BANNER_MAX 256u
#define TABLE_MAX (64u << 10)
#define MAX_BANNERS 65536
#define MAX_ROOTS 16384       /* pages that may be one, around banners */
#define MAX_BYTES (64u << 20) /* of tables that all of them lead to */
#define MAX_TRIES 256         /* mappings of one that were none of a kernel */
#define HEAD 64 /* enough to know most pages for what they are not */
#define NEAR (64ULL << 20)
#define STEP (2ULL << 20) /* images begin at multiples of it */
#define MODULES (4ULL << 30) /* they are nearer to it than that */

struct hunt
{
  struct kernel *k;
  uint64_t *banners; /* their pages, physical, ascending */
  size_t nbanners;
  unsigned shift, bits, levels;
  unsigned char *tables[4]; /* one of each level */
  unsigned visited, roots, tries;
  bool any; /* what can be written may be it, too */
};

static void
hunt_clear (struct hunt *h)
{
  for (size_t i = 0; i < ARRAY_LEN (h->tables); i++)
    free (h->tables[i]);
  free (h->banners);
}

static uint64_t
entry_of (const unsigned char *table, size_t i)
{
  uint64_t v;

  memcpy (&v, table + i * 8, sizeof v);
  return v;
}

/* MEM_NONE: not one of pages of that size. */
static uint64_t
address_of (const struct hunt *h, uint64_t entry)
{
  uint64_t at = entry & ADDRESS;

  return at & ((1ULL << h->shift) - 1) ? MEM_NONE : at;
}

/* ---- down from a top table ---- */

/* Back to where the mapping that the banner is in begins. */
static uint64_t
image_begin (struct space *s, uint64_t va)
{
  uint64_t at = va & ~(STEP - 1);
  struct space_walk w;

  while (va - at < FIND_IMAGE_MAX && space_walk_ (s, at - 1, &w) == 0
         && w.mapped)
    at -= STEP;
  return at;
}

/* An image is in one piece; where it is not, its tables were taken for those
 * of smaller pages. */
static bool
in_one_piece (struct space *s, uint64_t va)
{
  uint64_t pa, run, next;
  unsigned alike = 0;

  if (space_translate (s, va, &pa, &run) < 0)
    return false;
  for (uint64_t back = MEM_PAGE; back < STEP; back *= 2)
    if (space_translate (s, va - back, &next, &run) == 0)
      {
        if (next != pa - back)
          return false;
        alike++;
      }
  return alike > 0;
}

/* 1: one of the CPUs executes what is mapped not far from there, the image or
 * a module; -1: what they execute is elsewhere; 0: none is in the kernel.  Some
 * may be in the hypervisor's part, which has tables of its own. */
static int
executed (const struct kernel *k, struct space *s, uint64_t begin)
{
  uint64_t pa, run;
  int told = 0;

  for (unsigned i = 0; i < k->ncpus; i++)
    {
      const struct vcpu_regs *r = &k->cpus[i];

      if (r->arch != ARCH_ARM64 || r->cpl != 0 || !(r->pc >> 63))
        continue;
      if (r->pc - begin + MODULES < 2 * MODULES
          && space_translate (s, r->pc, &pa, &run) == 0)
        return 1;
      told = -1;
    }
  return told;
}

/* 1: what the tables say has that banner. */
static int
try_mapping (struct hunt *h, uint64_t root, uint64_t banner, uint64_t va,
             bool constant)
{
  struct space_def def = {
    .arch = ARCH_ARM64, .root = root, .page_shift = h->shift, .va_bits = h->bits
  };
  struct space *s;
  uint64_t begin, end;
  bool fits;
  int by_cpu;

  if ((va & ((1ULL << h->bits) - 1)) == banner
      || space_new (h->k->mem, &def, &s, NULL) < 0)
    return 0;
  fits = in_one_piece (s, va);
  begin = image_begin (s, va);
  by_cpu = executed (h->k, s, begin);
  space_free (s);
  if (!fits || by_cpu < 0 || (!constant && by_cpu == 0))
    return 0;
  end = begin + FIND_IMAGE_MAX;
  return find_in_space_ (h->k, &def, begin, end > begin ? end : UINT64_MAX,
                         "image");
}

/* The first banner at or above pa. */
static size_t
banner_from (const struct hunt *h, uint64_t pa)
{
  size_t low = 0, high = h->nbanners;

  while (low < high)
    {
      size_t mid = (low + high) / 2;

      if (h->banners[mid] < pa)
        low = mid + 1;
      else
        high = mid;
    }
  return low;
}

/* Of a leaf that may have constants of the kernel: the banners in it. */
static int
try_leaf (struct hunt *h, uint64_t root, uint64_t pa, uint64_t len, uint64_t va,
          bool constant)
{
  int e = 0;

  for (size_t i = banner_from (h, pa);
       e == 0 && i < h->nbanners && h->banners[i] - pa < len
       && h->tries < MAX_TRIES;
       i++, h->tries++)
    e = try_mapping (h, root, h->banners[i], va + (h->banners[i] - pa),
                     constant);
  return e;
}

static int descend (struct hunt *h, uint64_t root, uint64_t table,
                    unsigned level, uint64_t va);

static int
follow (struct hunt *h, uint64_t root, uint64_t entry, unsigned level,
        uint64_t va)
{
  unsigned shift = h->shift + (h->shift - 3) * (level - 1);
  uint64_t pa = address_of (h, entry);

  if (!(entry & VALID) || pa == MEM_NONE)
    return 0;
  if (level > 1 && (entry & TABLE))
    /* A page that is mapped, where a table would be: of another kind. */
    return !(entry & (USER_TABLE | TABLE_ZERO))
                   && mem_has (h->k->mem, pa, 1ULL << h->shift)
               ? descend (h, root, pa, level - 1, va)
               : 0;
  if (!(entry & ACCESSED) || (!(entry & READ_ONLY) && !h->any)
      || (entry & USER))
    return 0;
  return try_leaf (h, root, pa, 1ULL << shift, va, entry & READ_ONLY);
}

static int
descend (struct hunt *h, uint64_t root, uint64_t table, unsigned level,
         uint64_t va)
{
  unsigned shift = h->shift + (h->shift - 3) * (level - 1);
  /* Not by its address: a table may lead back to the top. */
  unsigned wide = level == h->levels ? h->bits - shift : h->shift - 3;
  unsigned char *entries = h->tables[level - 1];
  int e;

  if (h->visited > MAX_BYTES)
    return 0;
  h->visited += 8u << wide;
  e = mem_read (h->k->mem, table, entries, (size_t) 8 << wide, NULL);
  for (size_t i = (size_t) 1 << wide; e == 0 && i-- > 0;)
    e = follow (h, root, entry_of (entries, i), level,
                va + ((uint64_t) i << shift));
  return e == -EFAULT ? 0 : e;
}

/* ---- which page it may be ---- */

/* Nothing but tables and blocks of memory that there is, or nothing. */
static bool
may_be_table (struct hunt *h, const unsigned char *page, size_t n)
{
  for (size_t i = 0; i < n; i++)
    {
      uint64_t entry = entry_of (page, i);

      if (entry == 0)
        continue;
      if (!(entry & VALID) || ((entry & TABLE) && (entry & TABLE_ZERO))
          || !mem_has (h->k->mem, address_of (h, entry), 8))
        return false;
    }
  return true;
}

static bool
is_zero (const unsigned char *page, size_t n)
{
  return entry_of (page, 0) == 0 && memcmp (page, page + 8, n * 8 - 8) == 0;
}

/* 1 = read, and it may be one. */
static int
read_root (struct hunt *h, uint64_t pa, unsigned char *page, size_t n)
{
  size_t head = n < HEAD / 8 ? n : HEAD / 8;
  int e = mem_peek_ (h->k->mem, pa, page, head * 8);

  if (e < 0)
    return e == -EFAULT || e == -EIO ? 0 : e;
  if (!may_be_table (h, page, head))
    return 0;
  e = mem_peek_ (h->k->mem, pa, page, n * 8);
  if (e < 0)
    return e == -EFAULT || e == -EIO ? 0 : e;
  return may_be_table (h, page, n);
}

/* All pages from pa on, below end. */
static int
search_roots (struct hunt *h, uint64_t pa, uint64_t end)
{
  unsigned per = h->shift - 3;
  size_t n = (size_t) 1 << (h->bits - (h->shift + per * (h->levels - 1)));
  unsigned char *page = h->tables[h->levels - 1];

  for (; pa < end && h->roots < MAX_ROOTS; pa += 1ULL << h->shift)
    {
      int e = read_root (h, pa, page, n);

      if (e < 0)
        return e;
      if (e == 0 || is_zero (page, n))
        continue;
      h->roots++;
      e = descend (h, pa, pa, h->levels, UINT64_MAX << h->bits);
      if (e != 0)
        return e;
    }
  return 0;
}

/* Where no banner is near no table is looked for. */
static int
search_near (struct hunt *h)
{
  const uint64_t mask = (1ULL << h->shift) - 1;
  uint64_t done = 0;
  int e = 0;

  h->levels = (h->bits - 4) / (h->shift - 3);
  h->roots = h->visited = h->tries = 0;
  for (size_t i = 0; e == 0 && i < h->nbanners; i++)
    {
      uint64_t at = h->banners[i], begin = at > NEAR ? at - NEAR : 0;

      begin = (begin > done ? begin : done) & ~mask;
      done = (at + NEAR + mask) & ~mask;
      e = search_roots (h, begin, done);
    }
  return e;
}

/* The sizes of pages and addresses that kernels are built with; the larger
 * first: a half of it looks like the whole of the smaller. */
static int
try_banners (struct hunt *h)
{
  static const struct
  {
    unsigned shift, bits;
  } kinds[] = { { 12, 48 }, { 12, 39 }, { 16, 48 }, { 16, 42 },
                { 14, 48 }, { 14, 47 }, { 14, 36 } };
  int e = 0;

  for (size_t i = 0; e == 0 && i < ARRAY_LEN (kinds); i++)
    {
      h->shift = kinds[i].shift;
      h->bits = kinds[i].bits;
      e = search_near (h);
    }
  return e;
}

/* ---- banners ---- */

/* false = enough of them. */
static bool
banners_in (struct hunt *h, const char *bytes, size_t n, uint64_t gpa)
{
  for (size_t at = 0; at < n; at += 8)
    {
      char release[65];
      size_t len;
      uint64_t page;

      at += find_banner_in_ (bytes + at, n - at, false);
      if (at >= n || !find_banner_is_ (bytes + at, n - at, release, &len))
        continue;
      page = (gpa + at) & ~(uint64_t) (MEM_PAGE - 1);
      if (h->nbanners > 0 && h->banners[h->nbanners - 1] >= page)
        continue;
      h->banners[h->nbanners++] = page;
      if (h->nbanners == MAX_BANNERS)
        return false;
    }
  return true;
}

static int
search_piece (struct hunt *h, char *chunk, uint64_t begin, uint64_t end)
{
  /* What is cut at a chunk's end is whole in the next one. */
  for (uint64_t at = begin; at < end; at += CHUNK - BANNER_MAX)
    {
      size_t n = end - at < CHUNK ? (size_t) (end - at) : CHUNK;
      int e = mem_read (h->k->mem, at, chunk, n, NULL);

      if (e == 0 && !banners_in (h, chunk, n, at))
        return -E2BIG;
      if (e != 0 && e != -EFAULT && e != -EIO)
        return e;
      if (n < CHUNK)
        break;
    }
  return 0;
}

int
find_by_banner_ (struct kernel *k)
{
  CLEANUP (hunt_clear) struct hunt h = { .k = k };
  CLEANUP_FREE char *chunk = malloc (CHUNK);
  uint64_t at = 0, len;
  int e = 0;

  /* All of the memory is read: only where it may help. */
  if ((k->ncpus > 0 && k->cpus[0].arch == ARCH_X86_64)
      || k->mem->machine == EM_X86_64)
    return 0;
  for (size_t i = 0; i < ARRAY_LEN (h.tables); i++)
    {
      h.tables[i] = malloc (TABLE_MAX);
      if (!h.tables[i])
        return -ENOMEM;
    }
  h.banners = malloc (MAX_BANNERS * sizeof *h.banners);
  if (!chunk || !h.banners)
    return -ENOMEM;
  while (e == 0 && (at = mem_next (k->mem, at, &len)) != MEM_NONE)
    {
      e = search_piece (&h, chunk, (at + 7) & ~7ULL, at + len);
      at += len;
    }
  if (e != 0 && e != -E2BIG)
    return e;
  e = try_banners (&h);
  h.any = true;
  /* Early, all of it can be written still; then a CPU must tell. */
  return e == 0 && k->ncpus > 0 ? try_banners (&h) : e;
}
