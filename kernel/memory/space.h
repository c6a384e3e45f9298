/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel virtual memory: page tables walked, and reads through them.
 *
 * x86-64 with 4 and 5 levels; arm64 with 4, 16 and 64 KiB pages, 36 to 48 bits
 * of address.  A table's address must lie in the guest's memory, levels are
 * counted, and what was translated is remembered in a cache of fixed size.
 */
#ifndef HANGDOG_KERNEL_MEMORY_SPACE_H
#define HANGDOG_KERNEL_MEMORY_SPACE_H

#include "kernel/memory/regs.h"

struct error;
struct mem;
struct space;

struct space_def
{
  enum arch arch;
  uint64_t root;       /* physical address of the top table */
  bool la57;           /* x86: five levels */
  unsigned page_shift; /* arm64: 12, 14, 16 */
  unsigned va_bits;    /* arm64 */
  uint64_t strip;      /* bits of an entry that are no address (SME's) */
};

int space_new (struct mem *m, const struct space_def *def, struct space **ret,
               struct error *err);
void space_free (struct space *s);
struct mem *space_mem (const struct space *s);
enum arch space_arch (const struct space *s);
const struct space_def *space_def (const struct space *s);

/* *ret_run: that many bytes follow each other physically from there on, at
 * least one.  -EFAULT: not mapped. */
int space_translate (struct space *s, uint64_t va, uint64_t *ret_pa,
                     uint64_t *ret_run);
/* All of it or nothing; -EFAULT, and what mem_read() says. */
int space_read (struct space *s, uint64_t va, void *dst, size_t len);
/* What there is of it from the beginning on: how many bytes. */
size_t space_read_some (struct space *s, uint64_t va, void *dst, size_t len);
bool space_u64 (struct space *s, uint64_t va, uint64_t *ret);
bool space_u32 (struct space *s, uint64_t va, uint32_t *ret);
bool space_u16 (struct space *s, uint64_t va, uint16_t *ret);
/* At most size-1 bytes and always ended; false when nothing could be read.
 * The bytes are the guest's: escape them before they are shown. */
bool space_text (struct space *s, uint64_t va, char *dst, size_t size);

/* Where consecutive page table entries map something: from va on, the next
 * address that is mapped, below end; MEM_NONE.  For finding the image. */
uint64_t space_next (struct space *s, uint64_t va, uint64_t end,
                     uint64_t *ret_len);
/* Bounds of what a kernel of this kind maps at most. */
bool space_is_kernel (const struct space *s, uint64_t va);

#endif
