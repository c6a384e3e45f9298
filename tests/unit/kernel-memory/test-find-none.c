/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory in which no kernel is found, and the reason that is given.
 */
#include "tests/unit/kernel-memory/find-bed.h"

static void
fill_random (unsigned char *p, size_t len)
{
  uint64_t v = 88172645463325252ULL;

  for (size_t i = 0; i + 8 <= len; i += 8)
    {
      v ^= v << 13;
      v ^= v >> 7;
      v ^= v << 17;
      memcpy (p + i, &v, 8);
    }
}

static void
reasons (void **state)
{
  static const char windows[] = "C\0:\0\\\0W\0i\0n\0d\0o\0w\0s\0\0";
  struct fakemem f;
  struct vcpu_regs r, two[2];
  struct mem *m;

  fakemem_new (&f, SIZE);
  m = fakemem_open (&f);
  not_found_as (m, NULL, 0, ENOENT, "nothing of the guest's memory is there");
  mem_free (m);

  fill_random (f.bytes + MIB, 32 * MIB);
  r = (struct vcpu_regs){ .arch = ARCH_X86_64, .cr0 = 0x60000010 };
  m = fakemem_open (&f);
  not_found (m, &r, 1, "encrypted");
  not_found_as (m, NULL, 0, ENOENT, "encrypted");
  mem_free (m);
  fakemem_free (&f);

  fakemem_new (&f, SIZE);
  memset (f.bytes, 1, 8 * MIB);
  m = fakemem_open (&f);
  not_found (m, &r, 1, "in real mode, so");
  /* The second is where the firmware left it. */
  two[0] = two[1] = r;
  two[1].cr0 = 0x11;
  not_found (m, two, 2, "in real mode and in protected mode without paging");
  two[1].halted = true;
  not_found (m, two, 2, "in real mode, so");
  two[0].halted = true;
  not_found (m, two, 2, "in real mode and in protected mode without paging");
  r.cr0 = 0x11;
  not_found (m, &r, 1, "without paging");
  r.cr0 = 0x80050033, r.cr4 = 0x6b0, r.pc = FAKE_IMAGE;
  not_found (m, &r, 1, "no Linux kernel in the memory");
  r.cr4 = 0x610;
  r.pc = 0xc1000000;
  not_found (m, &r, 1, "32-bit");
  r.efer = 0x500, r.pc = 0x7e000000;
  not_found (m, &r, 1, "UEFI");
  r.efer = 0x100, r.cr4 = 0x6b0;
  not_found (m, &r, 1, "32-bit");
  not_found (m, NULL, 0, "no Linux kernel in the memory");
  mem_free (m);
  fakemem_free (&f);

  fakemem_new (&f, SIZE);
  memset (f.bytes, 1, 2 * MIB);
  f.used = 2 * MIB;
  fakemem_map_x86 (&f, 0xfffff78000000000ULL, MIB, 12, 0);
  memcpy (f.bytes + MIB + 0x30, windows, sizeof windows);
  r = fakemem_cpu (&f, 0);
  r.pc = 0xfffff80012345678ULL;
  m = fakemem_open (&f);
  not_found (m, &r, 1, "Windows");
  mem_free (m);
  fakemem_free (&f);
}

static void
arm64_of_52_bits (void **state)
{
  struct fakemem f;
  struct mem *m;

  fakemem_new (&f, SIZE);
  snprintf ((char *) f.bytes + 4 * MIB, 4096,
            "OSRELEASE=" RELEASE "\nPAGESIZE=65536\n"
            "SYMBOL(swapper_pg_dir)=fffffc0010000000\nNUMBER(VA_BITS)=52\n"
            "NUMBER(kimage_voffset)=0xfffffc0000000000\n"
            "NUMBER(TCR_EL1_T1SZ)=0xc\n");
  m = fakemem_open (&f);
  not_found_as (m, NULL, 0, ENOENT, "52 bits of address");
  mem_free (m);
  fakemem_free (&f);
}

static void
out_of_time (void **state)
{
  struct fakemem f;
  struct vcpu_regs r;
  struct mem *m;
  struct mem_source src;
  struct mem_limits limits = { .deadline = 1 };
  struct error err = ERROR_INIT;
  struct kernel *k = NULL;

  fakemem_new (&f, SIZE);
  fakemem_kernel (&f, RELEASE);
  r = fakemem_cpu (&f, 0);
  src = fakemem_source (&f);
  assert_int_equal (mem_open (&src, &limits, &m, NULL), 0);
  assert_int_equal (kernel_find (m, &r, 1, &k, &err), -ETIME);
  mem_free (m);
  limits = (struct mem_limits){ .bytes = 100000 };
  assert_int_equal (mem_open (&src, &limits, &m, NULL), 0);
  assert_int_equal (kernel_find (m, &r, 1, &k, &err), -EDQUOT);
  mem_free (m);
  assert_null (k);
  fakemem_free (&f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (reasons),
    cmocka_unit_test (arm64_of_52_bits),
    cmocka_unit_test (out_of_time),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
