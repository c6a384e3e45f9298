/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's physical memory, as something to read.
 *
 * It comes from a descriptor that somebody else opened: the backend's memory
 * file, /proc/PID/mem of its QEMU, or an ELF core.  Reading never changes the
 * guest, never waits for it, and never makes it larger: a hole of a memory
 * file is read as zeros by pread() and stays a hole; of /proc/PID/mem pages
 * that are not there are zeros and left alone where a pagemap tells of them.
 * So are those that are swapped out, unless they are wanted: who waits for a
 * swap device may wait for ever; they are counted.  (Of a shared mapping a
 * pagemap does not tell them from pages that never were.)
 *
 * Small reads keep the page they were in, until mem_fresh(): a structure is
 * read in many pieces.  Who waits for something to change calls that first.
 *
 * Guests write here while we read.  Whoever reads copies first, checks the
 * copy, and uses the copy; nobody gets a pointer into it.
 */
#ifndef HANGDOG_KERNEL_MEMORY_MEM_H
#define HANGDOG_KERNEL_MEMORY_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct mem;

#define MEM_NONE UINT64_MAX
#define MEM_MAX_RANGES 64

/* Guest-physical addresses gpa .. gpa+len are at offset `at` of the file. */
struct mem_range
{
  uint64_t gpa, len, at;
};

struct mem_source
{
  int fd;       /* not taken */
  int pagemap;  /* of the same process; -1 = none.  Not taken */
  bool process; /* fd is /proc/PID/mem: touching a hole of a shared mapping
                   would fill it */
  bool swapped; /* what is swapped out is waited for and read */
  const struct mem_range *ranges;
  size_t nranges;
};

struct mem_limits
{
  uint64_t bytes;    /* in all, 0 = 1 GiB */
  uint64_t deadline; /* clock_ms(), 0 = none; looked at now and then */
};

/* Ranges that overlap, are empty or run over the end of 2^52 are refused with
 * -EINVAL. */
int mem_open (const struct mem_source *src, const struct mem_limits *limits,
              struct mem **ret, struct error *err);
/* An ELF core of dump-guest-memory or `virsh dump --memory-only`: PT_LOAD by
 * physical address.  -EBADMSG with a sentence for everything else. */
int mem_open_core (int fd, const struct mem_limits *limits, struct mem **ret,
                   struct error *err);
void mem_free (struct mem *m);

/* All of it or nothing.  -EFAULT: no memory there; -EDQUOT: more than the
 * limit in all; -ETIME; -EIO and others of pread().  err may be NULL: many
 * reads are guesses. */
int mem_read (struct mem *m, uint64_t gpa, void *dst, size_t len,
              struct error *err);

/* The next piece at or after gpa that is really there: holes are passed over.
 * Returns its beginning or MEM_NONE; that also when only touching would tell
 * what is there: a process without a pagemap (mem_can_scan() is false). */
uint64_t mem_next (struct mem *m, uint64_t gpa, uint64_t *ret_len);
bool mem_can_scan (const struct mem *m);
uint64_t mem_size (const struct mem *m); /* of all ranges */
bool mem_has (const struct mem *m, uint64_t gpa, uint64_t len);

/* A core's notes, one after the other; false after the last.  desc stays until
 * mem_free(). */
struct mem_note
{
  char name[16];
  uint32_t type;
  const void *desc;
  size_t len;
};
bool mem_note (const struct mem *m, unsigned i, struct mem_note *ret);

#define MEM_MAX_SWAPPED 8192u
struct mem_stats
{
  uint64_t bytes, reads; /* of the file */
  uint64_t absent; /* bytes that the process does not have: given as zeros */
  /* Pages of those that are swapped out; MEM_MAX_SWAPPED = that or more. */
  uint64_t swapped;
};
void mem_stats (const struct mem *m, struct mem_stats *ret);
/* 0, or why nothing more can be read: -ETIME, -EDQUOT. */
int mem_over (const struct mem *m);
/* Of a core: so many bytes that its headers tell of are not in the file. */
uint64_t mem_cut (const struct mem *m);
/* A second look with the same tables: what was spent is forgotten. */
void mem_again (struct mem *m, uint64_t deadline);
/* Forgets the pages that are kept: what is read next is of now. */
void mem_fresh (struct mem *m);
/* Changes with each of the two: for those who keep something themselves. */
uint32_t mem_generation (const struct mem *m);

#endif
