/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory, made by a test: pages are taken from the bottom, page
 * tables are built with them, and a virtual address is written to as a kernel
 * would.
 *
 *     struct fakemem f;
 *     fakemem_new (&f, 64 << 20);
 *     fakemem_kernel (&f, "6.1.0-test");       image at FAKE_IMAGE, CR3 known
 *     at = fakemem_alloc (&f, 4096);           a page of the linear map
 *     fakemem_u64 (&f, at + 8, 1);
 *     mem_open (&fakemem_source (&f), ...)     or fakemem_open()
 *
 * Every allocation lies at FAKE_LINEAR + its physical address, as in Linux.
 */
#ifndef HANGDOG_TESTS_FAKEMEM_H
#define HANGDOG_TESTS_FAKEMEM_H

#include "base/error.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/regs.h"
#include "kernel/memory/space.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FAKE_LINEAR 0xffff888000000000ULL
#define FAKE_IMAGE 0xffffffff9a000000ULL
#define FAKE_IMAGE_LEN (4ULL << 20)
#define FAKE_IMAGE_PA (16ULL << 20) /* memory must reach beyond it */
#define FAKE_RODATA (FAKE_IMAGE + (2ULL << 20)) /* its second half */

#define FAKE_WRITABLE 2ULL
#define FAKE_NO_EXEC (1ULL << 63)

struct fakemem
{
  int fd;
  unsigned char *bytes;
  uint64_t size, used;
  uint64_t root;        /* of x86 or arm64 */
  bool la57;            /* set before the first mapping */
  unsigned shift, bits; /* arm64: granule and size; 0 = x86 */
  struct mem_range range;
};

static inline void
fakemem_new (struct fakemem *f, uint64_t size)
{
  *f = (struct fakemem){ .size = size };
  f->fd = memfd_create ("guest", MFD_CLOEXEC);
  assert_true (f->fd >= 0);
  assert_int_equal (ftruncate (f->fd, (off_t) size), 0);
  f->bytes = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
  assert_ptr_not_equal (f->bytes, MAP_FAILED);
  f->range = (struct mem_range){ 0, size, 0 };
}

static inline void
fakemem_free (struct fakemem *f)
{
  munmap (f->bytes, f->size);
  close (f->fd);
}

/* Physical memory, zeroed, from a multiple of `align` on. */
static inline uint64_t
fakemem_take (struct fakemem *f, uint64_t len, uint64_t align)
{
  uint64_t at = (f->used + align - 1) / align * align;

  /* The image's place is left out. */
  if (at + len > FAKE_IMAGE_PA && at < FAKE_IMAGE_PA + FAKE_IMAGE_LEN)
    at = FAKE_IMAGE_PA + FAKE_IMAGE_LEN;
  assert_true (at + len <= f->size);
  f->used = at + len;
  return at;
}

static inline uint64_t
fakemem_entry_ (struct fakemem *f, uint64_t at)
{
  uint64_t v;

  memcpy (&v, f->bytes + at, sizeof v);
  return v;
}

static inline void
fakemem_set_entry_ (struct fakemem *f, uint64_t at, uint64_t v)
{
  memcpy (f->bytes + at, &v, sizeof v);
}

/* One leaf of 1 << shift bytes; flags are those of its entry besides the one
 * that says that it is there. */
static inline void
fakemem_map_x86 (struct fakemem *f, uint64_t va, uint64_t pa, unsigned shift,
                 uint64_t flags)
{
  uint64_t table;

  if (f->root == 0)
    {
      (void) fakemem_take (f, 4096, 4096); /* nothing is at 0 */
      f->root = fakemem_take (f, 4096, 4096);
    }
  table = f->root;
  for (unsigned at = f->la57 ? 48 : 39; at > shift; at -= 9)
    {
      uint64_t entry = table + (va >> at & 511) * 8;

      if (fakemem_entry_ (f, entry) == 0)
        fakemem_set_entry_ (f, entry, fakemem_take (f, 4096, 4096) | 0x63);
      table = fakemem_entry_ (f, entry) & 0x000ffffffffff000ULL;
    }
  fakemem_set_entry_ (f, table + (va >> shift & 511) * 8,
                      pa | flags | (shift > 12 ? 0x80 : 0) | 0x61);
}

/* The same for arm64; f->shift and f->bits say of which kind. */
static inline void
fakemem_map_arm64 (struct fakemem *f, uint64_t va, uint64_t pa, unsigned shift,
                   uint64_t flags)
{
  unsigned g = f->shift, per = g - 3;
  unsigned levels = (f->bits - g + per - 1) / per;
  uint64_t table;

  if (f->root == 0)
    {
      (void) fakemem_take (f, 1ULL << g, 1ULL << g);
      f->root = fakemem_take (f, 1ULL << g, 1ULL << g);
    }
  table = f->root;
  va &= (1ULL << f->bits) - 1;
  for (unsigned at = g + per * (levels - 1); at > shift; at -= per)
    {
      uint64_t entry = table + (va >> at & ((1ULL << per) - 1)) * 8;

      if (fakemem_entry_ (f, entry) == 0)
        fakemem_set_entry_ (f, entry,
                            fakemem_take (f, 1ULL << g, 1ULL << g) | 3);
      table = fakemem_entry_ (f, entry) & 0x0000fffffffff000ULL;
    }
  fakemem_set_entry_ (f, table + (va >> shift & ((1ULL << per) - 1)) * 8,
                      pa | flags | (shift > g ? 0x701 : 0x703));
}

static inline void
fakemem_map (struct fakemem *f, uint64_t va, uint64_t pa, unsigned shift,
             uint64_t flags)
{
  if (f->shift > 0)
    fakemem_map_arm64 (f, va, pa, shift, flags);
  else
    fakemem_map_x86 (f, va, pa, shift, flags);
}

/* Where a mapped address is in f->bytes, by the same tables. */
static inline unsigned char *
fakemem_at (struct fakemem *f, uint64_t va)
{
  if (va - FAKE_IMAGE < FAKE_IMAGE_LEN)
    return f->bytes + FAKE_IMAGE_PA + (va - FAKE_IMAGE);
  assert_true (va - FAKE_LINEAR < f->size);
  return f->bytes + (va - FAKE_LINEAR);
}

static inline void
fakemem_put (struct fakemem *f, uint64_t va, const void *src, size_t len)
{
  memcpy (fakemem_at (f, va), src, len);
}

static inline void
fakemem_text (struct fakemem *f, uint64_t va, const char *text)
{
  fakemem_put (f, va, text, strlen (text) + 1);
}

static inline void
fakemem_u64 (struct fakemem *f, uint64_t va, uint64_t v)
{
  fakemem_put (f, va, &v, sizeof v);
}

static inline void
fakemem_u32 (struct fakemem *f, uint64_t va, uint32_t v)
{
  fakemem_put (f, va, &v, sizeof v);
}

static inline void
fakemem_u16 (struct fakemem *f, uint64_t va, uint16_t v)
{
  fakemem_put (f, va, &v, sizeof v);
}

/* A list_head that is empty. */
static inline void
fakemem_list (struct fakemem *f, uint64_t head)
{
  fakemem_u64 (f, head, head);
  fakemem_u64 (f, head + 8, head);
}

static inline uint64_t
fakemem_get (struct fakemem *f, uint64_t va)
{
  uint64_t v;

  memcpy (&v, fakemem_at (f, va), sizeof v);
  return v;
}

/* Puts node at the end of the list. */
static inline void
fakemem_list_add (struct fakemem *f, uint64_t head, uint64_t node)
{
  uint64_t last = fakemem_get (f, head + 8);

  fakemem_u64 (f, last, node);
  fakemem_u64 (f, node, head);
  fakemem_u64 (f, node + 8, last);
  fakemem_u64 (f, head + 8, node);
}

/* Memory of the linear map, zeroed; at a multiple of 64, of pages for a page
 * or more. */
static inline uint64_t
fakemem_alloc (struct fakemem *f, uint64_t len)
{
  return FAKE_LINEAR + fakemem_take (f, len, len < 4096 ? 64 : 4096);
}

/* x86-64: the linear map over all memory, an image of code and, in its second
 * half, of constants with a banner at FAKE_RODATA. */
static inline void
fakemem_kernel (struct fakemem *f, const char *release)
{
  char banner[160];

  for (uint64_t pa = 0; pa < f->size; pa += 2 << 20)
    fakemem_map_x86 (f, FAKE_LINEAR + pa, pa, 21, FAKE_WRITABLE | FAKE_NO_EXEC);
  fakemem_map_x86 (f, FAKE_IMAGE, FAKE_IMAGE_PA, 21, 0);
  fakemem_map_x86 (f, FAKE_RODATA, FAKE_IMAGE_PA + (2 << 20), 21, FAKE_NO_EXEC);
  snprintf (banner, sizeof banner,
            "Linux version %s (who@where) (gcc 12) #1 SMP\n", release);
  fakemem_text (f, FAKE_RODATA, banner);
}

static inline struct mem_source
fakemem_source (const struct fakemem *f)
{
  return (struct mem_source){
    .fd = f->fd, .pagemap = -1, .ranges = &f->range, .nranges = 1
  };
}

static inline struct mem *
fakemem_open (const struct fakemem *f)
{
  struct mem_source src = fakemem_source (f);
  struct error err = ERROR_INIT;
  struct mem *m;

  if (mem_open (&src, NULL, &m, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return m;
}

static inline struct space *
fakemem_space (const struct fakemem *f, struct mem *m)
{
  struct space_def def = {
    .arch = f->shift > 0 ? ARCH_ARM64 : ARCH_X86_64,
    .root = f->root,
    .la57 = f->la57,
    .page_shift = f->shift,
    .va_bits = f->bits,
  };
  struct error err = ERROR_INIT;
  struct space *s;

  if (space_new (m, &def, &s, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return s;
}

/* A CPU in that kernel, idle. */
static inline struct vcpu_regs
fakemem_cpu (const struct fakemem *f, unsigned index)
{
  return (struct vcpu_regs){
    .arch = f->shift > 0 ? ARCH_ARM64 : ARCH_X86_64,
    .index = index,
    .halted = true,
    .pc = FAKE_IMAGE + 0x1000,
    .cr0 = 0x80050033,
    .cr3 = f->root,
    .cr4 = f->la57 ? 0x16b0 : 0x6b0,
    .efer = 0xd01,
  };
}

#endif
