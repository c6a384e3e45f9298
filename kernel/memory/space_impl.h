/* SPDX-License-Identifier: Apache-2.0
 *
 * What the walkers of page tables share.
 */
#ifndef HANGDOG_KERNEL_MEMORY_SPACE_IMPL_H
#define HANGDOG_KERNEL_MEMORY_SPACE_IMPL_H

#include "kernel/memory/mem.h"
#include "kernel/memory/space.h"

#define SPACE_SMALL 1024 /* translations of 4 KiB that are kept */
#define SPACE_LARGE 64   /* and of 2 MiB */

/* A piece of one leaf of the tables. */
struct space_slot
{
  uint64_t va, pa, end; /* va .. end is at pa .. */
  uint32_t gen;         /* 0 = nothing in it */
};

struct space
{
  struct mem *mem;
  struct space_def def;
  unsigned levels; /* arm64: of this granule and size */
  struct space_slot small[SPACE_SMALL], large[SPACE_LARGE];
};

/* Where va's way through the tables ends: at a leaf of `span` bytes, or at a
 * hole of so many. */
struct space_walk
{
  bool mapped, writable, exec;
  uint64_t pa;   /* of va itself */
  uint64_t span; /* a power of two, and va lies in a piece aligned to it */
};

/* -EFAULT: not an address of this kind; else what mem_read() says of a budget
 * or a file that fails.  A table that is nowhere is a hole. */
int space_walk_ (struct space *s, uint64_t va, struct space_walk *ret);
int space_walk_x86_ (struct space *s, uint64_t va, struct space_walk *ret);
int space_walk_arm64_ (struct space *s, uint64_t va, struct space_walk *ret);

/* Goes on with another top table. */
void space_reroot_ (struct space *s, uint64_t root, bool la57);

int space_check_x86_ (struct space *s, struct error *err);
int space_check_arm64_ (struct space *s, struct error *err);

#endif
