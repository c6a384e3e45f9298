/* SPDX-License-Identifier: Apache-2.0
 *
 * Page tables of a guest that wants us to get lost: whatever they say, walks
 * end, stay in its memory, and all ways of reading agree.  And a kernel is
 * looked for by them.
 *
 * Input: arch (0 x86-64, 1 arm64), five levels or not, page shift, bits; root
 * and an address, of 8 bytes each; then words to write: page and index, of 2
 * bytes each, and 8 bytes of value.
 */
#include "base/error.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/space.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/kernel-memory/stand-ins.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (1u << 20)
#define HEAD 20
#define RECORD 12
#define PIECE 20000u

struct memory
{
  int fd;
  unsigned char *bytes;
};

static struct memory *
memory (void)
{
  static struct memory m = { .fd = -1 };

  if (m.fd < 0)
    {
      m.fd = memfd_create ("fuzz", MFD_CLOEXEC);
      MUST (m.fd >= 0 && ftruncate (m.fd, SIZE) == 0);
      m.bytes = mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, 0);
      MUST (m.bytes != MAP_FAILED);
    }
  return &m;
}

static void
fill (struct memory *m, const uint8_t *data, size_t size)
{
  memset (m->bytes, 0, SIZE);
  for (size_t i = 0; i + RECORD <= size; i += RECORD)
    {
      uint16_t page, index;

      memcpy (&page, data + i, 2);
      memcpy (&index, data + i + 2, 2);
      memcpy (m->bytes + page % (SIZE / 4096) * 4096 + index % 512 * 8,
              data + i + 4, 8);
    }
}

static void
check_address (struct space *s, struct memory *m, uint64_t va)
{
  static unsigned char some[PIECE], all[PIECE];
  uint64_t pa, run, v;
  char text[32];
  size_t n;
  int e = space_translate (s, va, &pa, &run);

  MUST (e == 0 || e == -EFAULT || e == -EDQUOT);
  if (e == 0)
    {
      MUST (run > 0);
      if (mem_has (space_mem (s), pa, 8) && run >= 8)
        {
          MUST (space_u64 (s, va, &v));
          MUST (memcmp (&v, m->bytes + pa, 8) == 0);
        }
    }
  n = space_read_some (s, va, some, sizeof some);
  MUST (n <= sizeof some);
  e = space_read (s, va, all, sizeof all);
  MUST ((e == 0) == (n == sizeof some));
  MUST (e < 0 || memcmp (some, all, sizeof all) == 0);
  if (space_text (s, va, text, sizeof text))
    MUST (memchr (text, '\0', sizeof text));
}

static void
check_pieces (struct space *s, uint64_t va)
{
  uint64_t end = va + (1ULL << 40), at, len;

  if (end < va)
    end = UINT64_MAX;
  for (unsigned i = 0; i < 8 && va < end; i++)
    {
      at = space_next (s, va, end, &len);
      if (at == MEM_NONE)
        return;
      MUST (at >= va && len > 0 && at + (len - 1) >= at);
      MUST (at + (len - 1) < end);
      va = at + len;
    }
}

static void
check_find (struct mem *m, const struct space_def *def)
{
  const struct vcpu_regs r
      = { .arch = def->arch, .cr3 = def->root, .cr4 = def->la57 ? 0x1000 : 0 };

  for (unsigned n = 0; n < 2; n++)
    {
      struct error err = ERROR_INIT;
      struct kernel *k;
      int e;

      mem_again (m, 0);
      e = kernel_find (m, &r, n, &k, &err);
      if (e < 0)
        {
          MUST (e == -ENXIO || e == -ENOENT || e == -EDQUOT);
          MUST (err.msg[0] != '\0');
          continue;
        }
      MUST (strncmp (k->banner, "Linux version ", 14) == 0);
      MUST (k->release[0] >= '0' && k->release[0] <= '9');
      MUST (k->image.len > 0 && k->banner_at - k->image.va < k->image.len);
      kernel_free (k);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const struct mem_range range = { 0, SIZE, 0 };
  const struct mem_limits limits = { .bytes = 16 << 20 };
  struct memory *m = memory ();
  struct mem_source src
      = { .fd = m->fd, .pagemap = -1, .ranges = &range, .nranges = 1 };
  struct space_def def = { .arch = ARCH_NONE };
  struct space *s;
  struct mem *mem;
  uint64_t va;

  if (size < HEAD)
    return 0;
  def.arch = data[0] & 1 ? ARCH_ARM64 : ARCH_X86_64;
  def.la57 = data[1] & 1;
  def.page_shift = data[2];
  def.va_bits = data[3];
  memcpy (&def.root, data + 4, 8);
  memcpy (&va, data + 12, 8);
  fill (m, data + HEAD, size - HEAD);
  MUST (mem_open (&src, &limits, &mem, NULL) == 0);
  if (space_new (mem, &def, &s, NULL) == 0)
    {
      check_address (s, m, va);
      check_address (s, m, va);
      check_address (s, m, va ^ 0x200000);
      check_address (s, m, UINT64_MAX - 4095);
      check_pieces (s, va);
      space_free (s);
    }
  check_find (mem, &def);
  mem_free (mem);
  return 0;
}
