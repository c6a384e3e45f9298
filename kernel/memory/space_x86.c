/* SPDX-License-Identifier: Apache-2.0
 *
 * Page tables of x86-64, four and five levels.
 */
#include "kernel/memory/space.h"

#include "base/error.h"
#include "kernel/memory/space_impl.h"

#define PRESENT (1ULL << 0)
#define WRITABLE (1ULL << 1)
#define LARGE (1ULL << 7)
#define NO_EXEC (1ULL << 63)
#define ADDRESS 0x000ffffffffff000ULL

int
space_check_x86_ (struct space *s, struct error *err)
{
  s->def.root &= ADDRESS & ~s->def.strip;
  s->levels = s->def.la57 ? 5 : 4;
  if (!mem_has (s->mem, s->def.root, 4096))
    return error_set (err, EFAULT,
                      "the page table at 0x%llx is not in the"
                      " guest's memory",
                      (unsigned long long) s->def.root);
  return 0;
}

int
space_walk_x86_ (struct space *s, uint64_t va, struct space_walk *ret)
{
  unsigned top = 12 + 9 * s->levels; /* 48 or 57 */
  uint64_t table = s->def.root, high = va >> (top - 1);

  if (high != 0 && high != UINT64_MAX >> (top - 1))
    return -EFAULT;
  *ret = (struct space_walk){ .writable = true, .exec = true };
  for (unsigned level = s->levels; level > 0; level--)
    {
      unsigned shift = 12 + 9 * (level - 1);
      uint64_t entry;
      int e = mem_read (s->mem, table + (va >> shift & 511) * 8, &entry,
                        sizeof entry, NULL);

      ret->span = 1ULL << shift;
      if (e == -EFAULT || (e == 0 && !(entry & PRESENT)))
        return 0;
      if (e < 0)
        return e;
      ret->writable = ret->writable && (entry & WRITABLE);
      ret->exec = ret->exec && !(entry & NO_EXEC);
      table = entry & ADDRESS & ~s->def.strip;
      if (level == 1 || (level <= 3 && (entry & LARGE)))
        {
          ret->mapped = true;
          /* The lowest bit of a large page's address is a flag. */
          ret->pa = (table & ~(ret->span - 1)) | (va & (ret->span - 1));
          return 0;
        }
    }
  return 0;
}
