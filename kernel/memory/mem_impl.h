/* SPDX-License-Identifier: Apache-2.0
 *
 * What mem.c and mem_core.c share.
 */
#ifndef HANGDOG_KERNEL_MEMORY_MEM_IMPL_H
#define HANGDOG_KERNEL_MEMORY_MEM_IMPL_H

#include "kernel/memory/mem.h"

#define MEM_PAGE 4096u
#define MEM_TOP (1ULL << 52)
#define MEM_SLOTS 256      /* pages kept: 1 MiB */
#define MEM_BIG 2048u      /* reads from here on are not kept */
#define MEM_MAP_PAGES 512u /* pagemap entries read at once */
#define MEM_MAP_SLOTS 16
#define MEM_OUT_SLOTS 16384u /* of a table of pages; half of it is used */
#define MEM_MAX_NOTES_LEN (4u << 20)
#define MEM_MAX_NOTES 4096u

struct mem_slot
{
  uint64_t page; /* gpa of it */
  uint32_t gen;  /* 0 = nothing in it */
};

/* Which of MEM_MAP_PAGES pages the process has. */
struct mem_map_slot
{
  uint64_t first; /* number of the first page, in the process */
  uint32_t gen;
  uint8_t there[MEM_MAP_PAGES / 8];
  uint8_t out[MEM_MAP_PAGES / 8]; /* swapped out on the host */
  bool any_out;
};

struct mem
{
  int fd, pagemap;
  bool process;
  uint64_t there; /* bits of a page that is read */
  struct mem_range *ranges; /* by address, apart from each other */
  size_t nranges;
  size_t last; /* the range that was read last */
  uint64_t size;
  uint64_t limit, deadline, spent;
  struct mem_stats stats;
  unsigned until_clock; /* reads until the clock is looked at again */
  bool late;
  uint32_t gen;
  struct mem_slot *slots;
  unsigned char *pages;
  struct mem_map_slot *maps;
  uint64_t *out; /* pages that were asked for and are swapped out, plus 1 */
  unsigned char *notes;
  struct mem_note *note;
  size_t nnotes;
  uint64_t cut; /* bytes of a core that its file does not have */
  uint16_t machine; /* of a core: EM_X86_64, EM_AARCH64; else 0 */
};

/* With ranges that are sorted and checked; takes them when it succeeds. */
int mem_new_ (const struct mem_source *src, struct mem_range *ranges, size_t n,
              const struct mem_limits *limits, struct mem **ret,
              struct error *err);

/* As mem_read(), and keeps nothing: for a few bytes of each of many pages. */
int mem_peek_ (struct mem *m, uint64_t gpa, void *dst, size_t len);

#endif
