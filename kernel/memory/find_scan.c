/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the kernel is: by its image in physical memory, when no register and
 * no note tells of a page table.
 */
#include "kernel/memory/find_impl.h"

#include "base/error.h"

int
find_by_image_ (struct kernel *k)
{
  (void) k;
  return 0;
}

int
find_nothing_ (struct kernel *k, struct error *err)
{
  (void) k;
  return error_set (err, ENOENT, "there is no Linux kernel in the memory");
}
