/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of a kernel, torn and endless: no node is told twice, none that could
 * not be read, and it ends.
 *
 * Input: where the head is; then words of memory: index and value, of 2 bytes
 * each: value is an index, too, or odd and taken as it is.
 */
#include "base/error.h"
#include "kernel/memory/mem.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/kernel-memory/stand-ins.h"

#include <sys/mman.h>
#include <unistd.h>

#define SIZE (64u << 10)
#define DATA (16u << 10) /* below are the page tables */
#define BASE 0xffff888000000000ULL
#define MAX 500

struct told
{
  uint64_t at[MAX + 1];
  unsigned n;
};

static bool
tell (uint64_t node, void *arg)
{
  struct told *t = arg;

  MUST (t->n < MAX);
  MUST (node % 8 == 0 && node >= BASE && node - BASE < SIZE);
  for (unsigned i = 0; i < t->n; i++)
    MUST (t->at[i] != node);
  t->at[t->n++] = node;
  return true;
}

static void
put (unsigned char *bytes, size_t at, uint64_t v)
{
  memcpy (bytes + at, &v, sizeof v);
}

/* Four tables, and the pages behind them at BASE + their address. */
static void
fill (unsigned char *bytes, const uint8_t *data, size_t size)
{
  memset (bytes, 0, SIZE);
  put (bytes, (BASE >> 39 & 511) * 8, 0x1063);
  put (bytes, 0x1000, 0x2063);
  put (bytes, 0x2000, 0x3063);
  for (unsigned i = DATA / 4096; i < SIZE / 4096; i++)
    put (bytes, 0x3000 + i * 8, i * 4096ULL | 0x63);
  for (size_t i = 0; i + 4 <= size; i += 4)
    {
      uint16_t index, value;

      memcpy (&index, data + i, 2);
      memcpy (&value, data + i + 2, 2);
      put (bytes, DATA + index % ((SIZE - DATA) / 8) * 8ULL,
           value & 1 ? value : BASE + DATA + value % (SIZE - DATA));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static unsigned char *bytes;
  static int fd = -1;
  const struct mem_range range = { 0, SIZE, 0 };
  struct mem_source src = { .pagemap = -1, .ranges = &range, .nranges = 1 };
  struct space_def def = { .arch = ARCH_X86_64, .root = 0 };
  struct kernel k = { .mem = NULL };
  struct told t = { .n = 0 };
  uint16_t head;
  int e;

  if (size < 2)
    return 0;
  if (fd < 0)
    {
      fd = memfd_create ("fuzz", MFD_CLOEXEC);
      MUST (fd >= 0 && ftruncate (fd, SIZE) == 0);
      bytes = mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      MUST (bytes != MAP_FAILED);
    }
  memcpy (&head, data, 2);
  fill (bytes, data + 2, size - 2);
  src.fd = fd;
  MUST (mem_open (&src, NULL, &k.mem, NULL) == 0);
  MUST (space_new (k.mem, &def, &k.space, NULL) == 0);
  e = kernel_list (&k, BASE + DATA + head % (SIZE - DATA), MAX, tell, &t);
  MUST (e == 0 || e == -EFAULT || e == -E2BIG);
  MUST (e != -E2BIG || t.n == MAX);
  space_free (k.space);
  mem_free (k.mem);
  return 0;
}
