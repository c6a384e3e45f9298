/* SPDX-License-Identifier: Apache-2.0
 *
 * Page tables: of all kinds, and ones that lead nowhere or in circles.
 */
#include "tests/lib/fakemem.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define READ_ONLY (1ULL << 7)

static void
same_bytes (struct fakemem *f, struct space *s, uint64_t va, uint64_t pa)
{
  uint64_t got, run, v;

  assert_int_equal (space_translate (s, va, &got, &run), 0);
  assert_true (got == pa);
  assert_true (run > 0);
  assert_true (space_u64 (s, va, &v));
  assert_memory_equal (&v, f->bytes + pa, 8);
}

static void
number_pages (struct fakemem *f, uint64_t from)
{
  for (uint64_t at = from; at < f->size; at += 4096)
    memcpy (f->bytes + at, &at, sizeof at);
}

static void
of_x86 (bool la57)
{
  const uint64_t base = la57 ? 0xff11000000000000ULL : FAKE_LINEAR;
  struct fakemem f;
  struct space *s;
  struct mem *m;
  uint64_t pa, run;

  fakemem_new (&f, 16 * MIB);
  number_pages (&f, 4 * MIB);
  f.la57 = la57;
  fakemem_map_x86 (&f, base, 4 * MIB, 12, FAKE_WRITABLE);
  fakemem_map_x86 (&f, base + 4096, 5 * MIB, 12, FAKE_WRITABLE);
  fakemem_map_x86 (&f, base + 2 * MIB, 6 * MIB, 21, FAKE_WRITABLE);
  fakemem_map_x86 (&f, base + GIB, 0, 30, FAKE_WRITABLE);
  /* The address's lowest bit of a large page is a flag. */
  fakemem_map_x86 (&f, base + 4 * MIB, (8 * MIB) | 0x1000, 21, 0);
  fakemem_map_x86 (&f, 0xffffffffffe00000ULL, 10 * MIB, 21, 0);
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      same_bytes (&f, s, base, 4 * MIB);
      same_bytes (&f, s, base + 4096 + 8, 5 * MIB + 8);
      same_bytes (&f, s, base + 2 * MIB + 0x12348, 6 * MIB + 0x12348);
      same_bytes (&f, s, base + GIB + 7 * MIB, 7 * MIB);
      same_bytes (&f, s, base + 4 * MIB + 0x1000, 8 * MIB + 0x1000);
      same_bytes (&f, s, UINT64_MAX - 7, 12 * MIB - 8);
      assert_int_equal (space_translate (s, base + 8192, &pa, &run), -EFAULT);
      assert_int_equal (space_translate (s, 1ULL << 63, &pa, &run), -EFAULT);
    }
  assert_int_equal (space_translate (s, UINT64_MAX - 7, &pa, &run), 0);
  assert_int_equal (run, 8);
  assert_true (space_is_kernel (s, base));
  assert_false (space_is_kernel (s, 0x7fffffffffff));
  assert_ptr_equal (space_mem (s), m);
  assert_int_equal (space_arch (s), ARCH_X86_64);
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

static void
four_levels (void **state)
{
  of_x86 (false);
}

static void
five_levels (void **state)
{
  of_x86 (true);
}

/* Granule, bits of address, and the size of a block. */
static void
of_arm64 (unsigned shift, unsigned bits, unsigned block)
{
  const uint64_t base = UINT64_MAX << bits, top = 0xffffffffULL << 32;
  const uint64_t page = 1ULL << shift;
  struct fakemem f;
  struct space *s;
  struct mem *m;
  uint64_t pa, run, len;

  fakemem_new (&f, 64 * MIB);
  number_pages (&f, 4 * MIB);
  f.shift = shift;
  f.bits = bits;
  fakemem_map (&f, base + 3 * page, 4 * MIB, shift, 0);
  fakemem_map (&f, base + 4 * page, 5 * MIB, shift, READ_ONLY);
  fakemem_map (&f, base + 2 * GIB, 0, block, 0);
  fakemem_map (&f, top, 6 * MIB, shift, 0);
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      same_bytes (&f, s, base + 3 * page + 16, 4 * MIB + 16);
      same_bytes (&f, s, base + 4 * page, 5 * MIB);
      same_bytes (&f, s, base + 2 * GIB + MIB + 8, MIB + 8);
      same_bytes (&f, s, top + page - 8, 6 * MIB + page - 8);
      /* With a tag in its top byte. */
      same_bytes (&f, s, (base & ~(0xffULL << 56)) | 0xf3ULL << 56 | 3 * page,
                  4 * MIB);
      assert_int_equal (space_translate (s, base, &pa, &run), -EFAULT);
      assert_int_equal (space_translate (s, 3 * page, &pa, &run), -EFAULT);
    }
  assert_true (space_next (s, base, UINT64_MAX, &len) == base + 3 * page);
  assert_true (len == 2 * page);
  assert_true (space_is_kernel (s, base));
  assert_false (space_is_kernel (s, base - 1));
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

static void
all_of_arm64 (void **state)
{
  of_arm64 (12, 48, 21);
  of_arm64 (12, 39, 30);
  of_arm64 (12, 39, 21);
  of_arm64 (14, 48, 25);
  of_arm64 (14, 47, 25);
  of_arm64 (14, 36, 25);
  of_arm64 (16, 48, 29);
  of_arm64 (16, 42, 29);
}

static void
not_of_arm64 (void **state)
{
  struct fakemem f;
  struct space_def def = { .arch = ARCH_ARM64, .page_shift = 12 };
  struct error err = ERROR_INIT;
  struct space *s = NULL;
  struct mem *m;

  fakemem_new (&f, 4 * MIB);
  m = fakemem_open (&f);
  def.va_bits = 52;
  assert_int_equal (space_new (m, &def, &s, &err), -EOPNOTSUPP);
  assert_non_null (strstr (error_text (&err), "52 bits"));
  def.va_bits = 35;
  assert_int_equal (space_new (m, &def, &s, &err), -EBADMSG);
  def.va_bits = 48, def.page_shift = 13;
  assert_int_equal (space_new (m, &def, &s, &err), -EBADMSG);
  def.page_shift = 12, def.root = 1ULL << 40;
  assert_int_equal (space_new (m, &def, &s, &err), -EFAULT);
  def.arch = ARCH_X86_64;
  assert_int_equal (space_new (m, &def, &s, &err), -EFAULT);
  def.arch = ARCH_NONE;
  assert_int_equal (space_new (m, &def, &s, &err), -EINVAL);
  assert_null (s);
  space_free (NULL);
  mem_free (m);
  fakemem_free (&f);
}

/* Blocks where there are none, and a last level that is no page. */
static void
odd_entries (void **state)
{
  struct fakemem f;
  struct space *s;
  struct mem *m;
  uint64_t pa, run, v;
  const uint64_t va = 0xffff800000000000ULL;

  fakemem_new (&f, 16 * MIB);
  f.shift = 14, f.bits = 48;
  fakemem_map (&f, va, 0, 36, 0); /* 64 GiB with 16 KiB pages */
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  assert_int_equal (space_translate (s, va, &pa, &run), -EFAULT);
  space_free (s), mem_free (m), fakemem_free (&f);

  fakemem_new (&f, 16 * MIB);
  f.shift = 12, f.bits = 48;
  fakemem_map (&f, va, 0, 12, 0);
  fakemem_map (&f, va + 4096, 0, 12, 0);
  v = 0x401; /* in the last table, which was taken last: a block */
  memcpy (f.bytes + f.used - 4096, &v, 8);
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  assert_int_equal (space_translate (s, va, &pa, &run), -EFAULT);
  assert_int_equal (space_translate (s, va + 4096, &pa, &run), 0);
  space_free (s), mem_free (m), fakemem_free (&f);
}

/* SME's bit in each entry is no address. */
static void
encryption_bit (void **state)
{
  const uint64_t sme = 1ULL << 47;
  struct fakemem f;
  struct space_def def = { .arch = ARCH_X86_64, .strip = sme };
  struct space *s;
  struct mem *m;
  uint64_t pa, run;

  fakemem_new (&f, 16 * MIB);
  fakemem_map_x86 (&f, FAKE_LINEAR, (4 * MIB) | sme, 21, 0);
  m = fakemem_open (&f);
  def.root = f.root | sme;
  assert_int_equal (space_new (m, &def, &s, NULL), 0);
  assert_int_equal (space_translate (s, FAKE_LINEAR + 5, &pa, &run), 0);
  assert_int_equal (pa, 4 * MIB + 5);
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

static void
reads (void **state)
{
  struct fakemem f;
  struct space *s;
  struct mem *m;
  struct mem_stats stats;
  unsigned char got[3 * 4096];
  uint64_t v;
  uint32_t v32;
  uint16_t v16;
  char text[16];
  const uint64_t va = FAKE_LINEAR;

  fakemem_new (&f, 16 * MIB);
  for (size_t i = 4 * MIB; i < f.size; i++)
    f.bytes[i] = (unsigned char) (i >> 12 ^ i);
  fakemem_map_x86 (&f, va, 4 * MIB, 12, 0);
  fakemem_map_x86 (&f, va + 4096, 6 * MIB, 12, 0);
  fakemem_map_x86 (&f, va + 8192, 6 * MIB + 4096, 12, 0);
  fakemem_map_x86 (&f, va + 16384, 1ULL << 40, 12, 0); /* nowhere */
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  assert_int_equal (space_read (s, va, got, sizeof got), 0);
  assert_memory_equal (got, f.bytes + 4 * MIB, 4096);
  assert_memory_equal (got + 4096, f.bytes + 6 * MIB, 8192);
  /* What follows physically is one read. */
  mem_again (m, 0);
  assert_int_equal (space_read (s, va + 4096, got, 8192), 0);
  mem_stats (m, &stats);
  assert_int_equal (stats.reads, 1 + 4); /* and four tables */
  assert_true (space_u64 (s, va + 4092, &v));
  assert_memory_equal (&v, f.bytes + 4 * MIB + 4092, 4);
  assert_memory_equal ((char *) &v + 4, f.bytes + 6 * MIB, 4);
  assert_true (space_u32 (s, va + 1, &v32));
  assert_memory_equal (&v32, f.bytes + 4 * MIB + 1, 4);
  assert_true (space_u16 (s, va + 1, &v16));
  assert_false (space_u64 (s, va + 3 * 4096 - 4, &v));
  assert_int_equal (space_read_some (s, va + 4096, got, sizeof got), 8192);
  assert_int_equal (space_read_some (s, va + 3 * 4096, got, 1), 0);
  assert_int_equal (space_read (s, va + 16384, got, 1), -EFAULT);
  assert_int_equal (space_read (s, UINT64_MAX - 3, got, 8), -EFAULT);

  memcpy (f.bytes + 4 * MIB + 4094, "ab", 2);
  memcpy (f.bytes + 6 * MIB, "cd", 3);
  memset (f.bytes + 6 * MIB + 8184, 'x', 8);
  mem_fresh (m);
  assert_true (space_text (s, va + 4094, text, sizeof text));
  assert_string_equal (text, "abcd");
  assert_true (space_text (s, va + 4094, text, 3));
  assert_string_equal (text, "ab");
  assert_true (space_text (s, va + 3 * 4096 - 1, text, 2));
  assert_string_equal (text, "x");
  assert_false (space_text (s, va + 16384, text, sizeof text));
  assert_string_equal (text, "");
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

static void
what_is_mapped (void **state)
{
  struct fakemem f;
  struct space *s;
  struct mem *m;
  uint64_t len;
  const uint64_t va = FAKE_LINEAR;

  fakemem_new (&f, 16 * MIB);
  fakemem_map_x86 (&f, va + 5 * 4096, 4 * MIB, 12, 0);
  fakemem_map_x86 (&f, va + 6 * 4096, 4 * MIB, 12, 0);
  fakemem_map_x86 (&f, va + 3 * GIB, 4 * MIB, 21, 0);
  fakemem_map_x86 (&f, UINT64_MAX - 4095, 4 * MIB, 12, 0);
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  assert_true (space_next (s, va, va + GIB, &len) == va + 5 * 4096);
  assert_int_equal (len, 8192);
  assert_true (space_next (s, va + 6 * 4096 + 1, va + GIB, &len)
               == va + 6 * 4096 + 1);
  assert_int_equal (len, 4095);
  assert_true (space_next (s, va + 7 * 4096, va + GIB, &len) == MEM_NONE);
  assert_true (space_next (s, va + 7 * 4096, va + 4 * GIB, &len)
               == va + 3 * GIB);
  assert_int_equal (len, 2 * MIB);
  assert_true (space_next (s, va + 3 * GIB, va + 3 * GIB + 4096, &len)
               == va + 3 * GIB);
  assert_int_equal (len, 4096);
  assert_true (space_next (s, UINT64_MAX - 8191, UINT64_MAX, &len)
               == UINT64_MAX - 4095);
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

/* Tables that point at themselves map everything; who goes over it ends. */
static void
in_circles (void **state)
{
  struct fakemem f;
  struct space *s;
  struct mem *m;
  uint64_t len, at;

  fakemem_new (&f, 16 * MIB);
  f.root = fakemem_take (&f, 4096, 4096);
  for (unsigned i = 0; i < 512; i++)
    fakemem_set_entry_ (&f, f.root + i * 8, f.root | 0x63);
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  at = space_next (s, FAKE_LINEAR, UINT64_MAX, &len);
  assert_true (at == FAKE_LINEAR);
  assert_true (len > 0 && len < 1ULL << 40);
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

/* What was translated is looked up again when that is asked for. */
static void
changes_are_seen (void **state)
{
  struct fakemem f;
  struct space *s;
  struct mem *m;
  uint64_t pa, run;

  fakemem_new (&f, 16 * MIB);
  fakemem_map_x86 (&f, FAKE_LINEAR, 4 * MIB, 12, 0);
  m = fakemem_open (&f);
  s = fakemem_space (&f, m);
  assert_int_equal (space_translate (s, FAKE_LINEAR, &pa, &run), 0);
  fakemem_map_x86 (&f, FAKE_LINEAR, 5 * MIB, 12, 0);
  assert_int_equal (space_translate (s, FAKE_LINEAR, &pa, &run), 0);
  assert_int_equal (pa, 4 * MIB);
  mem_fresh (m);
  assert_int_equal (space_translate (s, FAKE_LINEAR, &pa, &run), 0);
  assert_int_equal (pa, 5 * MIB);
  space_free (s);
  mem_free (m);
  fakemem_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (four_levels),  cmocka_unit_test (five_levels),
    cmocka_unit_test (all_of_arm64), cmocka_unit_test (not_of_arm64),
    cmocka_unit_test (odd_entries),  cmocka_unit_test (encryption_bit),
    cmocka_unit_test (reads),        cmocka_unit_test (what_is_mapped),
    cmocka_unit_test (in_circles),   cmocka_unit_test (changes_are_seen),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
