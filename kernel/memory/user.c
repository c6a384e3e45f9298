/* SPDX-License-Identifier: Apache-2.0
 *
 * Where in which file a programme is: its mappings by address, from the tree
 * of 6.1 and later or from the list before it.
 */
#include "kernel/memory/look.h"

#include <stdio.h>
#include <string.h>

#define PAGE 4096u
#define MAX_LIST 65536u
#define MAX_HEIGHT 16u
#define MAX_SLOTS 64u

/* The kinds of nodes; those of the newest kernels besides are not walked. */
enum
{
  MAPLE_LEAF = 1,
  MAPLE_RANGE,
  MAPLE_ARANGE,
};

/* The root is a node when its lowest bits are 10 and it is no small number;
 * what nodes that are no leaves lead to is one always.  Of both bits 3 to 6 say
 * which kind. */
static bool
is_node (uint64_t root)
{
  return (root & 3) == 2 && root > PAGE;
}

/* The slot for va: the first whose pivot is not below it. */
static bool
slot_of (struct kernel *k, uint64_t entry, uint64_t va, uint64_t *ret)
{
  bool arange = (entry >> 3 & 15) == MAPLE_ARANGE;
  const struct field_at *pivots
      = &k->fields.at[arange ? MAPLE_A_PIVOTS : MAPLE_PIVOTS];
  const struct field_at *slots
      = &k->fields.at[arange ? MAPLE_A_SLOTS : MAPLE_SLOTS];
  uint64_t node = entry & ~UINT64_C (255), pivot[MAX_SLOTS];
  unsigned n = pivots->size / 8, i;

  if (n == 0 || n >= MAX_SLOTS || slots->size / 8 <= n
      || space_read (k->space, node + pivots->offset, pivot, n * 8u) < 0)
    return false;
  for (i = 0; i < n; i++)
    if (va <= pivot[i] || (pivot[i] == 0 && i > 0))
      break;
  return space_u64 (k->space, node + slots->offset + 8 * i, ret);
}

static uint64_t
by_tree (struct kernel *k, uint64_t mm, uint64_t va)
{
  uint64_t entry;
  unsigned kind;

  if (!kernel_get (k, mm, MM_TREE, &entry))
    return 0;
  if (!is_node (entry))
    return (entry & 3) == 0 ? entry : 0;
  for (unsigned height = 0; height < MAX_HEIGHT; height++)
    {
      kind = entry >> 3 & 15;
      if (kind < MAPLE_LEAF || kind > MAPLE_ARANGE
          || !slot_of (k, entry, va, &entry))
        return 0;
      if (kind == MAPLE_LEAF)
        return (entry & 3) == 0 ? entry : 0;
    }
  return 0;
}

static uint64_t
by_list (struct kernel *k, uint64_t mm, uint64_t va)
{
  uint64_t vma, end;

  if (!kernel_get (k, mm, MM_LIST, &vma))
    return 0;
  for (unsigned i = 0; vma && i < MAX_LIST; i++)
    {
      if (!kernel_get (k, vma, VMA_END, &end))
        return 0;
      if (va < end)
        return vma;
      if (!kernel_get (k, vma, VMA_NEXT, &vma))
        return 0;
    }
  return 0;
}

bool
look_user_at (struct kernel *k, uint64_t mm, uint64_t va, char *dst,
              size_t size)
{
  uint64_t vma, start, end, file, off, mnt = 0, dentry;
  char path[1024];

  if (!mm || !va)
    return false;
  vma = kernel_has (k, MM_TREE) ? by_tree (k, mm, va) : by_list (k, mm, va);
  if (!vma || !kernel_get (k, vma, VMA_START, &start)
      || !kernel_get (k, vma, VMA_END, &end) || va < start || va >= end
      || !kernel_get (k, vma, VMA_FILE, &file) || !file
      || !kernel_get (k, vma, VMA_PGOFF, &off)
      || !kernel_get (k, file, FILE_DENTRY, &dentry))
    return false;
  (void) kernel_get (k, file, FILE_MNT, &mnt);
  if (!look_path (k, mnt, dentry, path, sizeof path))
    return false;
  snprintf (dst, size, "%s+0x%llx", path,
            (unsigned long long) (va - start + off * PAGE));
  return true;
}
