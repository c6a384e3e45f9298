/* SPDX-License-Identifier: Apache-2.0
 *
 * Page tables of arm64: granules of 4, 16 and 64 KiB, 36 to 48 bits.  Only
 * the kernel's half (TTBR1): a task's own half is in another table.
 */
#include "kernel/memory/space.h"

#include "base/error.h"
#include "kernel/memory/space_impl.h"

#define VALID (1ULL << 0)
#define TABLE (1ULL << 1) /* of the last level: a page */
#define READ_ONLY (1ULL << 7)
#define NO_EXEC (1ULL << 53)
#define ADDRESS 0x0000fffffffff000ULL

int
space_check_arm64_ (struct space *s, struct error *err)
{
  unsigned g = s->def.page_shift, bits = s->def.va_bits;

  if (bits > 48)
    return error_set (err, EOPNOTSUPP,
                      "this arm64 kernel has %u bits of"
                      " address (LVA or LPA2); up to 48 are understood",
                      bits);
  if (bits < 36 || (g != 12 && g != 14 && g != 16))
    return error_set (err, EBADMSG,
                      "arm64 page tables with %u bits of address"
                      " and pages of 2^%u do not exist",
                      bits, g);
  s->levels = (bits - g + (g - 3) - 1) / (g - 3);
  /* ASID and CnP are in the register's other bits; a top table may be smaller
   * than a page. */
  s->def.root &= 0x0000fffffffffffeULL & ~s->def.strip;
  if (!mem_has (s->mem, s->def.root, 8))
    return error_set (err, EFAULT,
                      "the page table at 0x%llx is not in the"
                      " guest's memory",
                      (unsigned long long) s->def.root);
  return 0;
}

/* Blocks: 1 GiB and 2 MiB, 32 MiB, 512 MiB. */
static bool
may_be_block (unsigned page_shift, unsigned shift)
{
  return page_shift == 12   ? shift == 21 || shift == 30
         : page_shift == 14 ? shift == 25
                            : shift == 29;
}

int
space_walk_arm64_ (struct space *s, uint64_t va, struct space_walk *ret)
{
  unsigned g = s->def.page_shift, bits = s->def.va_bits;
  uint64_t table = s->def.root;

  /* The top byte may be a tag. */
  if (va >> 55 & 1)
    va |= 0xffULL << 56;
  if (va < UINT64_MAX << bits)
    return -EFAULT;
  *ret = (struct space_walk){ .writable = true, .exec = true };
  for (unsigned level = s->levels; level > 0; level--)
    {
      unsigned shift = g + (g - 3) * (level - 1);
      unsigned wide = level == s->levels ? bits - shift : g - 3;
      uint64_t entry;
      int e
          = mem_read (s->mem, table + (va >> shift & ((1ULL << wide) - 1)) * 8,
                      &entry, sizeof entry, NULL);
      bool leaf = level == 1 || !(entry & TABLE);

      ret->span = 1ULL << shift;
      if (e < 0 && e != -EFAULT)
        return e;
      if (e < 0 || !(entry & VALID))
        return 0;
      table = entry & ADDRESS & ~((1ULL << g) - 1) & ~s->def.strip;
      if (leaf && (level == 1 ? !(entry & TABLE) : !may_be_block (g, shift)))
        return 0;
      if (leaf)
        {
          ret->mapped = true;
          ret->writable = !(entry & READ_ONLY);
          ret->exec = !(entry & NO_EXEC);
          ret->pa = (table & ~(ret->span - 1)) | (va & (ret->span - 1));
          return 0;
        }
    }
  return 0;
}
