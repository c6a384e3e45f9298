/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's physical memory: ranges, holes, budgets, and that reading makes
 * nothing larger.
 */
#include "tests/lib/fakemem.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sys/stat.h>

#define MIB (1ULL << 20)

static struct mem *
open_ranges (int fd, const struct mem_range *r, size_t n,
             const struct mem_limits *limits)
{
  struct mem_source src
      = { .fd = fd, .pagemap = -1, .ranges = r, .nranges = n };
  struct error err = ERROR_INIT;
  struct mem *m;

  if (mem_open (&src, limits, &m, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return m;
}

static void
ranges_are_checked (void **state)
{
  static const struct mem_range bad[][2] = {
    { { 0, 0, 0 }, { 4096, 4096, 0 } },            /* empty */
    { { 0, 8192, 0 }, { 4096, 4096, 8192 } },      /* over each other */
    { { 1ULL << 52, 4096, 0 }, { 0, 4096, 0 } },   /* too far up */
    { { 4096, 1ULL << 52, 0 }, { 0, 4096, 0 } },   /* reaches too far */
    { { 4096, 4096, INT64_MAX }, { 0, 4096, 0 } }, /* no such offset */
  };
  struct mem *m = NULL;
  struct error err;

  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    {
      struct mem_source src
          = { .fd = 0, .pagemap = -1, .ranges = bad[i], .nranges = 2 };

      assert_int_equal (mem_open (&src, NULL, &m, &err), -EINVAL);
      src.nranges = 0;
      assert_int_equal (mem_open (&src, NULL, &m, &err), -EINVAL);
      src.nranges = MEM_MAX_RANGES + 1;
      assert_int_equal (mem_open (&src, NULL, &m, &err), -EINVAL);
    }
  assert_null (m);
  mem_free (NULL);
}

/* Low memory, what is above 4 GiB, and a piece that follows at another place
 * of the file. */
static void
reads_by_range (void **state)
{
  struct fakemem f;
  unsigned char got[8192];
  struct mem *m;
  struct error err = ERROR_INIT;

  fakemem_new (&f, 4 * MIB);
  for (size_t i = 0; i < f.size; i++)
    f.bytes[i] = (unsigned char) (i >> 12 ^ i);
  const struct mem_range r[]
      = { { 4096 * MIB, MIB, 2 * MIB }, { 0, MIB, MIB }, { MIB, MIB, 0 } };
  m = open_ranges (f.fd, r, 3, NULL);
  assert_int_equal (mem_size (m), 3 * MIB);
  assert_int_equal (mem_read (m, 5, got, 7, NULL), 0);
  assert_memory_equal (got, f.bytes + MIB + 5, 7);
  assert_int_equal (mem_read (m, 4096 * MIB + 4090, got, 12, NULL), 0);
  assert_memory_equal (got, f.bytes + 2 * MIB + 4090, 12);
  /* Over the border of two, small and large. */
  assert_int_equal (mem_read (m, MIB - 4, got, 8, NULL), 0);
  assert_memory_equal (got, f.bytes + 2 * MIB - 4, 4);
  assert_memory_equal (got + 4, f.bytes, 4);
  assert_int_equal (mem_read (m, MIB - 4096, got, 8192, NULL), 0);
  assert_memory_equal (got, f.bytes + 2 * MIB - 4096, 4096);
  assert_memory_equal (got + 4096, f.bytes, 4096);
  assert_true (mem_has (m, 0, 2 * MIB));
  assert_false (mem_has (m, 0, 2 * MIB + 1));
  assert_false (mem_has (m, UINT64_MAX, 2));
  assert_int_equal (mem_read (m, 2 * MIB - 4, got, 8, &err), -EFAULT);
  assert_non_null (strstr (error_text (&err), "no memory at 0x1ffffc"));
  assert_int_equal (mem_read (m, 4095 * MIB, got, 1, NULL), -EFAULT);
  assert_int_equal (mem_read (m, UINT64_MAX - 3, got, 8, NULL), -EFAULT);
  mem_free (m);
  fakemem_free (&f);
}

/* A file that is shorter than what was said of it. */
static void
file_ends (void **state)
{
  struct fakemem f;
  unsigned char got[4096];
  struct mem *m;

  fakemem_new (&f, MIB);
  m = open_ranges (f.fd, &(struct mem_range){ 0, 2 * MIB, 0 }, 1, NULL);
  assert_int_equal (mem_read (m, MIB - 8, got, 8, NULL), 0);
  assert_int_equal (mem_read (m, MIB, got, 8, NULL), -EFAULT);
  assert_int_equal (mem_read (m, MIB - 8, got, sizeof got, NULL), -EFAULT);
  mem_free (m);
  fakemem_free (&f);
}

static void
kept_until_told (void **state)
{
  struct fakemem f;
  struct mem_stats stats;
  uint64_t got;
  struct mem *m;

  fakemem_new (&f, MIB);
  m = fakemem_open (&f);
  for (uint64_t i = 0; i < 512; i++)
    assert_int_equal (mem_read (m, 8192 + i * 8, &got, 8, NULL), 0);
  mem_stats (m, &stats);
  assert_int_equal (stats.reads, 1);
  assert_int_equal (stats.bytes, 4096);
  f.bytes[8192] = 7;
  assert_int_equal (mem_read (m, 8192, &got, 8, NULL), 0);
  assert_int_equal (got, 0);
  mem_fresh (m);
  assert_int_equal (mem_read (m, 8192, &got, 8, NULL), 0);
  assert_int_equal (got, 7);
  f.bytes[8192] = 9;
  mem_again (m, 0);
  mem_stats (m, &stats);
  assert_int_equal (stats.reads, 0);
  assert_int_equal (mem_read (m, 8192, &got, 8, NULL), 0);
  assert_int_equal (got, 9);
  mem_free (m);
  fakemem_free (&f);
}

static void
budgets (void **state)
{
  struct fakemem f;
  unsigned char got[64 << 10];
  struct mem_limits limits = { .bytes = 100000 };
  struct error err = ERROR_INIT;
  struct mem *m;

  fakemem_new (&f, MIB);
  m = open_ranges (f.fd, &f.range, 1, &limits);
  assert_int_equal (mem_read (m, 0, got, 60000, NULL), 0);
  assert_int_equal (mem_read (m, 0, got, 60000, &err), -EDQUOT);
  assert_non_null (strstr (error_text (&err), "100000"));
  assert_int_equal (mem_read (m, 0, got, 1, NULL), -EDQUOT);
  mem_again (m, 0);
  assert_int_equal (mem_read (m, 0, got, 60000, NULL), 0);
  mem_free (m);

  limits = (struct mem_limits){ .deadline = 1 };
  m = open_ranges (f.fd, &f.range, 1, &limits);
  assert_int_equal (mem_read (m, 0, got, 1, &err), -ETIME);
  mem_again (m, clock_ms () + 3600000);
  assert_int_equal (mem_read (m, 0, got, 1, NULL), 0);
  mem_free (m);
  fakemem_free (&f);
}

/* Reading pages that are not there leaves them so; what is there is told. */
static void
holes_stay (void **state)
{
  struct fakemem f;
  unsigned char got[16384];
  struct stat before, after;
  uint64_t len;
  struct mem *m;

  fakemem_new (&f, 8 * MIB);
  memset (f.bytes + 2 * MIB, 1, 8192);
  memset (f.bytes + 7 * MIB, 1, 4096);
  assert_int_equal (fstat (f.fd, &before), 0);
  m = fakemem_open (&f);
  assert_int_equal (mem_next (m, 0, &len), 2 * MIB);
  assert_int_equal (len, 8192);
  assert_int_equal (mem_next (m, 2 * MIB + 4096, &len), 2 * MIB + 4096);
  assert_int_equal (mem_next (m, 2 * MIB + 8192, &len), 7 * MIB);
  assert_int_equal (mem_next (m, 7 * MIB + 4096, &len), MEM_NONE);
  assert_int_equal (mem_next (m, UINT64_MAX, &len), MEM_NONE);
  for (uint64_t at = 0; at < f.size; at += 4096)
    assert_int_equal (mem_read (m, at, got, 8, NULL), 0);
  assert_int_equal (mem_read (m, 2 * MIB - 8192, got, sizeof got, NULL), 0);
  assert_int_equal (got[0], 0);
  assert_int_equal (got[8192], 1);
  assert_int_equal (fstat (f.fd, &after), 0);
  assert_int_equal (before.st_blocks, after.st_blocks);
  mem_free (m);
  fakemem_free (&f);
}

/* The same of a process's memory, which is shared and would be filled. */
static void
process_stays (void **state)
{
  struct fakemem f;
  struct mem_range r;
  struct mem_source src = { .process = true, .ranges = &r, .nranges = 1 };
  struct stat before, after;
  struct mem_stats stats;
  unsigned char got[16384];
  uint64_t len;
  struct mem *m;

  fakemem_new (&f, 8 * MIB);
  memset (f.bytes + 2 * MIB, 1, 8192);
  assert_int_equal (fstat (f.fd, &before), 0);
  src.fd = open ("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  src.pagemap = open ("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  assert_true (src.fd >= 0 && src.pagemap >= 0);
  r = (struct mem_range){ 0, f.size, (uint64_t) (uintptr_t) f.bytes };
  assert_int_equal (mem_open (&src, NULL, &m, NULL), 0);
  assert_true (mem_can_scan (m));
  assert_int_equal (mem_next (m, 0, &len), 2 * MIB);
  assert_int_equal (len, 8192);
  assert_int_equal (mem_next (m, 2 * MIB + 8192, &len), MEM_NONE);
  for (uint64_t at = 0; at < f.size; at += 4096)
    assert_int_equal (mem_read (m, at, got, 8, NULL), 0);
  assert_int_equal (mem_read (m, 2 * MIB - 4096, got, sizeof got, NULL), 0);
  assert_int_equal (got[4095], 0);
  assert_int_equal (got[4096], 1);
  assert_int_equal (got[12287], 1);
  assert_int_equal (got[12288], 0);
  assert_int_equal (fstat (f.fd, &after), 0);
  assert_int_equal (before.st_blocks, after.st_blocks);
  mem_stats (m, &stats);
  assert_int_equal (stats.absent, f.size - 8192 + 8192);
  mem_free (m);

  /* Without knowing what is there nothing is searched. */
  close (src.pagemap);
  src.pagemap = -1;
  assert_int_equal (mem_open (&src, NULL, &m, NULL), 0);
  assert_false (mem_can_scan (m));
  assert_int_equal (mem_next (m, 0, &len), MEM_NONE);
  assert_int_equal (mem_read (m, 2 * MIB, got, 8, NULL), 0);
  assert_int_equal (got[0], 1);
  mem_free (m);
  close (src.fd);
  fakemem_free (&f);
}

/* What is swapped out is not waited for, and counted, each page once. */
static void
swapped_out (void **state)
{
  const uint64_t there = 1ULL << 63, out = 1ULL << 62;
  uint64_t entries[2048] = { 0 };
  struct fakemem f;
  struct mem_range r = { 0, 8 * MIB, 0 };
  struct mem_source src = { .process = true, .ranges = &r, .nranges = 1 };
  struct mem_stats stats;
  unsigned char got[8 * 4096];
  uint64_t len;
  struct mem *m;

  fakemem_new (&f, 8 * MIB);
  memset (f.bytes, 1, f.size);
  src.fd = f.fd;
  src.pagemap = memfd_create ("pagemap", MFD_CLOEXEC);
  entries[0] = entries[3] = entries[600] = there;
  entries[1] = entries[2] = entries[1000] = out;
  assert_int_equal (pwrite (src.pagemap, entries, sizeof entries, 0),
                    sizeof entries);
  assert_int_equal (mem_open (&src, NULL, &m, NULL), 0);
  /* Alone, and again; one that never was. */
  for (unsigned i = 0; i < 3; i++)
    {
      mem_fresh (m);
      assert_int_equal (mem_read (m, 4096, got, 8, NULL), 0);
      assert_int_equal (got[0], 0);
    }
  assert_int_equal (mem_read (m, 5 * 4096, got, 8, NULL), 0);
  mem_stats (m, &stats);
  assert_int_equal (stats.swapped, 1);
  /* Among others. */
  assert_int_equal (mem_read (m, 0, got, sizeof got, NULL), 0);
  assert_int_equal (got[0], 1);
  assert_int_equal (got[4096], 0);
  assert_int_equal (got[3 * 4096], 1);
  mem_stats (m, &stats);
  assert_int_equal (stats.swapped, 2);
  /* And by looking for what is there. */
  assert_int_equal (mem_next (m, 4 * 4096, &len), 600 * 4096);
  assert_int_equal (mem_next (m, 601 * 4096, &len), MEM_NONE);
  mem_stats (m, &stats);
  assert_int_equal (stats.swapped, 3);
  mem_again (m, 0);
  assert_int_equal (mem_read (m, 2 * 4096, got, 8, NULL), 0);
  mem_stats (m, &stats);
  assert_int_equal (stats.swapped, 1);
  mem_free (m);
  /* Unless it is wanted. */
  src.swapped = true;
  assert_int_equal (mem_open (&src, NULL, &m, NULL), 0);
  assert_int_equal (mem_read (m, 2 * 4096, got, 8, NULL), 0);
  assert_int_equal (got[0], 1);
  assert_int_equal (mem_next (m, 0, &len), 0);
  assert_int_equal (len, 4 * 4096);
  mem_stats (m, &stats);
  assert_int_equal (stats.swapped, 0);
  mem_free (m);
  close (src.pagemap);
  fakemem_free (&f);
}

/* More than are counted. */
static void
all_swapped_out (void **state)
{
  const uint64_t out = 1ULL << 62, n = MEM_MAX_SWAPPED + 100;
  struct fakemem f;
  struct mem_range r = { 0, n * 4096, 0 };
  struct mem_source src = { .process = true, .ranges = &r, .nranges = 1 };
  struct mem_stats stats;
  uint64_t len;
  struct mem *m;

  fakemem_new (&f, n * 4096);
  src.fd = f.fd;
  src.pagemap = memfd_create ("pagemap", MFD_CLOEXEC);
  for (uint64_t i = 0; i < n; i++)
    assert_int_equal (pwrite (src.pagemap, &out, 8, (off_t) i * 8), 8);
  assert_int_equal (mem_open (&src, NULL, &m, NULL), 0);
  assert_int_equal (mem_next (m, 0, &len), MEM_NONE);
  mem_stats (m, &stats);
  assert_int_equal (stats.swapped, MEM_MAX_SWAPPED);
  mem_free (m);
  close (src.pagemap);
  fakemem_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (ranges_are_checked),
    cmocka_unit_test (reads_by_range),
    cmocka_unit_test (file_ends),
    cmocka_unit_test (kept_until_told),
    cmocka_unit_test (budgets),
    cmocka_unit_test (holes_stay),
    cmocka_unit_test (process_stays),
    cmocka_unit_test (swapped_out),
    cmocka_unit_test (all_swapped_out),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
