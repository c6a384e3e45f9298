/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the kernel is: by pages that look like the top of page tables with a
 * kernel's image in them, when neither a register nor a note tells.
 *
 * x86-64 only.  A process's table does as well as the kernel's own, also one
 * that is no longer used; but the kernel's own, which lies in its image, is
 * taken where it is found.  Debris of an earlier kernel can mislead: what a
 * register or a note says comes before this.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/mem_impl.h"
#include "kernel/memory/space_impl.h"

#include <elf.h>

#define PRESENT 1ULL
#define ADDRESS 0x000ffffffffff000ULL
#define LAST (511 * 8)   /* 0xffffff8000000000 and up */
#define KERNEL (510 * 8) /* of those: 0xffffffff80000000 */
#define HALF 256
/* That many are looked into for an image; random bytes do not get here. */
#define MAX_TRIED 64

static bool
entry_at (struct mem *m, uint64_t at, uint64_t *ret)
{
  return mem_read (m, at, ret, sizeof *ret, NULL) == 0 && (*ret & PRESENT);
}

/* -> a table with something at 0xffffffff80000000 or above. */
static bool
looks_like_root (struct mem *m, uint64_t last)
{
  uint64_t table = last & ADDRESS, entry;

  /* No large page is there, and bits that must be 0 are. */
  if (!(last & PRESENT) || (last & 0x80) || (last & ~ADDRESS) >> 52
      || !mem_has (m, table, MEM_PAGE) || !entry_at (m, table + KERNEL, &entry))
    return false;
  return !(entry & 0x80) && mem_has (m, entry & ADDRESS, MEM_PAGE);
}

/* ---- the kernel's own table ---- */

struct best
{
  uint64_t root;
  bool la57;
  unsigned entries; /* of the kernel's half */
};

static void
weigh (struct mem *m, uint64_t root, bool la57, struct best *b)
{
  uint64_t half[HALF];
  unsigned n = 0;

  if (mem_read (m, root + HALF * 8, half, sizeof half, NULL) < 0)
    return;
  for (unsigned i = 0; i < HALF; i++)
    n += half[i] & PRESENT;
  /* As good is better: a copy for waking CPUs has as much, and came first.
   * What leads to what was found is the top of five levels. */
  if (la57 != b->la57 ? la57 : n >= b->entries)
    *b = (struct best){ root, la57, n };
}

/* The page in the image that leads where the found table does and says most:
 * there is one for the first steps of booting, too. */
static int
own_table (struct kernel *k, uint64_t last, struct best *b)
{
  uint64_t pa, run, end = k->image.va + k->image.len, found = b->root;
  const bool la57 = b->la57;

  for (uint64_t va = k->image.va; va < end; va += MEM_PAGE)
    {
      uint64_t entry;
      int e;

      if (space_translate (k->space, va, &pa, &run) < 0)
        continue;
      e = mem_peek_ (k->mem, pa + LAST, &entry, sizeof entry);
      if (e < 0 && e != -EFAULT)
        return e;
      if (e < 0 || !(entry & PRESENT))
        continue;
      if ((entry & ADDRESS) == last)
        weigh (k->mem, pa, la57, b);
      else if (!la57 && (entry & ADDRESS) == found && pa != found)
        weigh (k->mem, pa, true, b);
    }
  return 0;
}

/* Tables of processes go when those go. */
static void
use_own_table (struct kernel *k)
{
  const struct space_def *def = space_def (k->space);
  struct best b = { .root = def->root, .la57 = def->la57 };
  uint64_t last;

  if (!entry_at (k->mem, def->root + LAST, &last))
    return;
  weigh (k->mem, def->root, def->la57, &b);
  if (own_table (k, last & ADDRESS, &b) == 0)
    space_reroot_ (k->space, b.root, b.la57);
}

/* The same image, banner and memory are seen through it. */
static bool
leads_there (struct kernel *k, const struct space_def *def)
{
  struct space *s;
  uint64_t here, there, run;
  bool same;

  if (space_new (k->mem, def, &s, NULL) < 0)
    return false;
  same = space_translate (s, k->banner_at, &there, &run) == 0
         && space_translate (k->space, k->banner_at, &here, &run) == 0
         && here == there;
  space_free (s);
  return same;
}

void
find_own_table_ (struct kernel *k)
{
  static const char *const names[]
      = { "init_top_pgt", "swapper_pg_dir", "init_level4_pgt" };
  struct space_def def = *space_def (k->space);
  uint64_t at, pa, run;

  if (k->arch != ARCH_X86_64)
    return;
  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    if ((at = kernel_var (k, names[i])) != 0
        && space_translate (k->space, at, &pa, &run) == 0)
      {
        def.root = pa;
        if (leads_there (k, &def))
          {
            space_reroot_ (k->space, pa, def.la57);
            return;
          }
      }
  use_own_table (k);
}

static int
try_root (struct kernel *k, uint64_t root)
{
  struct space_def def = { .arch = ARCH_X86_64, .root = root };
  int e = find_in_space_ (k, &def, FIND_X86_BEGIN, FIND_X86_END, "image");

  if (e > 0)
    use_own_table (k);
  return e;
}

/* ---- all pages ---- */

int
find_by_image_ (struct kernel *k)
{
  uint64_t at = 0, len;
  unsigned tried = 0;

  if ((k->ncpus > 0 && k->cpus[0].arch == ARCH_ARM64)
      || k->mem->machine == EM_AARCH64)
    return 0;
  while ((at = mem_next (k->mem, at, &len)) != MEM_NONE)
    {
      uint64_t end = at + len;

      at = (at + MEM_PAGE - 1) & ~(uint64_t) (MEM_PAGE - 1);
      for (; at < end && end - at >= MEM_PAGE; at += MEM_PAGE)
        {
          uint64_t last;
          int e = mem_peek_ (k->mem, at + LAST, &last, sizeof last);

          if (e == -EFAULT) /* the file is shorter */
            break;
          if (e < 0 && e != -EIO)
            return e;
          if (e < 0 || !looks_like_root (k->mem, last))
            continue;
          e = try_root (k, at);
          if (e != 0)
            return e;
          if (++tried == MAX_TRIED)
            return 0;
        }
      at = end;
    }
  return 0;
}
