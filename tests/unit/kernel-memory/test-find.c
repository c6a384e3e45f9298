/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel found in memory that a test made: by each way, and by the next when
 * one fails.
 */
#include "tests/unit/kernel-memory/find-bed.h"

static struct kernel *
found (struct mem *m, const struct vcpu_regs *regs, unsigned n, const char *how)
{
  struct error err = ERROR_INIT;
  struct kernel *k;

  if (kernel_find (m, regs, n, &k, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_string_equal (k->found, how);
  assert_string_equal (k->release, RELEASE);
  assert_memory_equal (k->banner, "Linux version " RELEASE " (who@where)", 35);
  return k;
}

/* What the kernel wrote down, at pa. */
static void
write_info (struct fakemem *f, uint64_t pa, uint64_t root_va, int64_t phys)
{
  snprintf ((char *) f->bytes + pa, 4096,
            "OSRELEASE=" RELEASE "\nPAGESIZE=4096\n"
            "SYMBOL(init_uts_ns)=%llx\nOFFSET(uts_namespace.name)=0\n"
            "SYMBOL(init_top_pgt)=%llx\nNUMBER(phys_base)=%lld\n"
            "NUMBER(pgtable_l5_enabled)=%d\n",
            (unsigned long long) UTS, (unsigned long long) root_va,
            (long long) phys, f->la57);
  fakemem_text (f, UTS + 130, RELEASE);
}

static void
by_page_table (void **state)
{
  struct fakemem f;
  struct vcpu_regs r[2];
  struct kernel *k;
  struct mem *m;

  for (unsigned la57 = 0; la57 < 2; la57++)
    {
      fakemem_new (&f, SIZE);
      f.la57 = la57;
      fakemem_kernel (&f, RELEASE);
      r[0] = (struct vcpu_regs){ .arch = ARCH_X86_64, .cr3 = 0 };
      r[1] = fakemem_cpu (&f, 1);
      r[1].cr3 |= 0xfff; /* PCID, and no isolation's bit */
      m = fakemem_open (&f);
      k = found (m, r, 2, "page-table");
      assert_true (k->image.va == FAKE_IMAGE);
      assert_int_equal (k->image.len, FAKE_IMAGE_LEN);
      assert_true (k->banner_at == FAKE_RODATA);
      assert_int_equal (k->ncpus, 2);
      assert_int_equal (k->arch, ARCH_X86_64);
      assert_string_equal (k->lacks[PART_REGISTERS], "");
      assert_string_equal (k->lacks[PART_SYMBOLS], "no symbols here");
      assert_string_equal (k->lacks[PART_UNWINDER], "no unwinder here");
      kernel_free (k);
      mem_free (m);
      fakemem_free (&f);
    }
  kernel_free (NULL);
}

/* A CPU in user space with page table isolation: its table is the second of
 * two and has only the entry code. */
static void
by_users_table (void **state)
{
  struct fakemem f;
  struct vcpu_regs r;
  struct kernel *k;
  struct mem *m;
  uint64_t both;

  fakemem_new (&f, SIZE);
  (void) fakemem_take (&f, 4096, 4096);
  both = fakemem_take (&f, 8192, 8192);
  f.root = both + 4096;
  fakemem_map_x86 (&f, FAKE_IMAGE, FAKE_IMAGE_PA, 21, 0);
  r = fakemem_cpu (&f, 0);
  r.cpl = 3;
  f.root = both;
  fakemem_kernel (&f, RELEASE);
  m = fakemem_open (&f);
  k = found (m, &r, 1, "page-table");
  assert_true (space_def (k->space)->root == both);
  kernel_free (k);
  mem_free (m);
  fakemem_free (&f);
}

/* Odd places of the banner, and things that are none. */
static void
which_banner (void **state)
{
  struct fakemem f;
  struct vcpu_regs r;
  struct kernel *k;
  struct mem *m;

  fakemem_new (&f, SIZE);
  fakemem_kernel (&f, RELEASE);
  fakemem_text (&f, FAKE_RODATA, "Linux version %s (%s)\n");
  fakemem_text (&f, FAKE_RODATA + 64, "Linux version 6");
  fakemem_text (&f, FAKE_RODATA + 128, "Linux version 6.1\033 (me)");
  /* Over the end of what is read at once, in code, at an odd address. */
  fakemem_text (&f, FAKE_IMAGE + (256 << 10) - 11,
                "Linux version " RELEASE " (who@where) #1\n");
  r = fakemem_cpu (&f, 0);
  m = fakemem_open (&f);
  k = found (m, &r, 1, "page-table");
  assert_true (k->banner_at == FAKE_IMAGE + (256 << 10) - 11);
  kernel_free (k);
  mem_free (m);
  fakemem_free (&f);
}

static void
by_vmcoreinfo (void **state)
{
  struct fakemem f;
  struct kernel *k;
  struct mem *m;
  const int64_t phys = (int64_t) FAKE_IMAGE_PA
                       - (int64_t) (FAKE_IMAGE - 0xffffffff80000000ULL);
  uint64_t root_va;
  struct vcpu_regs resets[2]
      = { { .arch = ARCH_X86_64, .cr0 = 0x60000010 },
          { .index = 1, .arch = ARCH_X86_64, .cr0 = 0x60000010 } };

  for (unsigned la57 = 0; la57 < 2; la57++)
    {
      fakemem_new (&f, SIZE);
      f.la57 = la57;
      fakemem_kernel (&f, RELEASE);
      root_va = f.root - FAKE_IMAGE_PA + FAKE_IMAGE;
      write_info (&f, 40 * MIB, root_va, phys);
      /* Another kernel's, and one that leads nowhere, come first. */
      write_info (&f, 30 * MIB, root_va, phys);
      memcpy (f.bytes + 30 * MIB + 10, "5.9.9", 5);
      write_info (&f, 31 * MIB, root_va + (1ULL << 40), phys);
      write_info (&f, 32 * MIB, root_va + 16 * MIB, phys);
      m = fakemem_open (&f);
      /* Of a guest that begins anew it is the kernel before. */
      not_found (m, resets, 2, "real mode");
      resets[0].cr0 = 0x11;
      not_found (m, resets, 2, "no kernel yet");
      resets[0].cr0 = 0x60000010;
      k = found (m, NULL, 0, "vmcoreinfo");
      assert_non_null (k->info);
      assert_string_equal (vmcoreinfo_release (k->info), RELEASE);
      assert_true (space_def (k->space)->root == f.root);
      assert_int_equal (space_def (k->space)->la57, la57);
      assert_non_null (strstr (k->lacks[PART_REGISTERS], "no registers"));
      assert_string_equal (k->lacks[PART_VMCOREINFO], "");
      kernel_free (k);
      mem_free (m);
      fakemem_free (&f);
    }
}

/* The name that its page has must be the one that its table leads to. */
static void
not_by_others_info (void **state)
{
  struct fakemem f;
  struct kernel *k;
  struct mem *m;

  fakemem_new (&f, SIZE);
  fakemem_kernel (&f, RELEASE);
  write_info (&f, 40 * MIB, f.root - FAKE_IMAGE_PA + FAKE_IMAGE,
              (int64_t) FAKE_IMAGE_PA
                  - (int64_t) (FAKE_IMAGE - 0xffffffff80000000ULL));
  fakemem_text (&f, UTS + 130, "6.1.0-tesT");
  m = fakemem_open (&f);
  k = found (m, NULL, 0, "image");
  assert_null (k->info);
  assert_non_null (strstr (k->lacks[PART_VMCOREINFO], "no VMCOREINFO"));
  kernel_free (k);
  mem_free (m);
  fakemem_free (&f);
}

/* Once there are symbols: the page that a variable points at. */
static void
info_by_symbol (void **state)
{
  struct fakemem f;
  struct vcpu_regs r;
  struct kernel *k;
  struct mem *m;
  uint64_t page;
  const struct stand_in_var vars[] = {
    { "vmcoreinfo_data", FAKE_RODATA + 0x20000 },
    { "linux_banner", FAKE_RODATA + 0x30000 },
    { NULL, 0 },
  };

  fakemem_new (&f, SIZE);
  fakemem_kernel (&f, RELEASE);
  page = fakemem_alloc (&f, 4096);
  fakemem_u64 (&f, vars[0].at, page);
  fakemem_text (&f, vars[1].at,
                "Linux version " RELEASE " (who@where) (gcc) #7 SMP\n");
  r = fakemem_cpu (&f, 0);
  m = fakemem_open (&f);
  stand_in_vars = vars;
  write_info (&f, page - FAKE_LINEAR, 0, 0);
  k = found (m, &r, 1, "page-table");
  assert_non_null (k->info);
  /* The one that was linked in, with its number. */
  assert_string_equal (k->banner,
                       "Linux version " RELEASE " (who@where) (gcc) #7 SMP");
  assert_true (k->banner_at == vars[1].at);
  kernel_free (k);
  /* Not a pointer to it but the text, as before 4.13. */
  fakemem_u64 (&f, vars[0].at, 0);
  write_info (&f, FAKE_IMAGE_PA + (vars[0].at - FAKE_IMAGE), 0, 0);
  mem_fresh (m);
  k = found (m, &r, 1, "page-table");
  assert_non_null (k->info);
  assert_string_equal (vmcoreinfo_release (k->info), RELEASE);
  kernel_free (k);
  fakemem_u64 (&f, vars[0].at, page);
  mem_fresh (m);
  f.bytes[page - FAKE_LINEAR + 10] = '5';
  mem_fresh (m);
  k = found (m, &r, 1, "page-table");
  assert_null (k->info);
  kernel_free (k);
  stand_in_vars = NULL;
  mem_free (m);
  fakemem_free (&f);
}

/* Without symbols it is looked for in all memory; another's is not taken. */
static void
info_by_scan (void **state)
{
  struct fakemem f;
  struct vcpu_regs r;
  struct kernel *k;
  struct mem *m;

  fakemem_new (&f, SIZE);
  fakemem_kernel (&f, RELEASE);
  r = fakemem_cpu (&f, 0);
  write_info (&f, 30 * MIB, 0, 0);
  memcpy (f.bytes + 30 * MIB + 10, "5.9.9", 5);
  m = fakemem_open (&f);
  k = found (m, &r, 1, "page-table");
  assert_null (k->info);
  kernel_free (k);
  write_info (&f, 40 * MIB, 0, 0);
  mem_fresh (m);
  k = found (m, &r, 1, "page-table");
  assert_non_null (k->info);
  kernel_free (k);
  fakemem_text (&f, UTS + 130, "6.1.0-tesT");
  mem_fresh (m);
  k = found (m, &r, 1, "page-table");
  assert_null (k->info);
  kernel_free (k);
  mem_free (m);
  fakemem_free (&f);
}

/* A process's table goes when that goes: the kernel's own is gone on with. */
static void
own_table (void **state)
{
  const struct stand_in_var vars[]
      = { { "init_top_pgt", FAKE_RODATA + 0x5000 }, { NULL, 0 } };
  struct fakemem f;
  struct vcpu_regs r;
  struct kernel *k;
  struct mem *m;
  uint64_t own = FAKE_IMAGE_PA + 2 * MIB + 0x5000;

  for (unsigned named = 0; named < 3; named++)
    {
      char text[8];

      fakemem_new (&f, SIZE);
      fakemem_kernel (&f, RELEASE);
      /* Named, not named, and a name that leads elsewhere. */
      if (named < 2)
        memcpy (f.bytes + own, f.bytes + f.root, 4096);
      stand_in_vars = named != 0 ? vars : NULL;
      r = fakemem_cpu (&f, 0);
      m = fakemem_open (&f);
      k = found (m, &r, 1, "page-table");
      assert_true (space_def (k->space)->root == (named < 2 ? own : f.root));
      if (named < 2)
        memset (f.bytes + f.root, 0, 4096);
      mem_fresh (m);
      assert_true (space_text (k->space, k->banner_at, text, sizeof text));
      assert_string_equal (text, "Linux v");
      kernel_free (k);
      mem_free (m);
      fakemem_free (&f);
    }
  stand_in_vars = NULL;
}

/* Nothing but pages: the kernel's own table is in its image. */
static void
by_image (void **state)
{
  struct fakemem f;
  struct kernel *k;
  struct mem *m;
  uint64_t own = FAKE_IMAGE_PA + 0x5000;

  for (unsigned la57 = 0; la57 < 2; la57++)
    {
      fakemem_new (&f, SIZE);
      f.la57 = la57;
      fakemem_kernel (&f, RELEASE);
      if (la57)
        {
          /* As in Linux: the fourth level of the image is in it. */
          uint64_t fourth
              = fakemem_entry_ (&f, f.root + 511 * 8) & 0x000ffffffffff000ULL;

          memcpy (f.bytes + own + 4096, f.bytes + fourth, 4096);
          memset (f.bytes + fourth, 0, 4096);
          fakemem_set_entry_ (&f, f.root + 511 * 8, (own + 4096) | 0x63);
        }
      memcpy (f.bytes + own, f.bytes + f.root, 4096);
      m = fakemem_open (&f);
      k = found (m, NULL, 0, "image");
      assert_true (space_def (k->space)->root == own);
      assert_int_equal (space_def (k->space)->la57, la57);
      kernel_free (k);
      mem_free (m);
      fakemem_free (&f);
    }
}

/* arm64: by what it wrote down, or by its banner.  other: where a table that
 * comes first has the image, too; 0 = there is none.  early: constants can be
 * written still, but not where all memory is mapped. */
static void
arm64_beside (unsigned shift, unsigned bits, bool written, uint64_t other,
              bool early)
{
  const uint64_t constant = SHARED | (early ? 0 : RO);
  const uint64_t image = UINT64_MAX << (bits - 1), pa = FAKE_IMAGE_PA;
  const uint64_t page = 1ULL << shift, linear = UINT64_MAX << bits;
  const uint32_t wfi = 0xd503207f;
  struct vcpu_regs r;
  struct fakemem f;
  struct kernel *k;
  struct mem *m;

  fakemem_new (&f, SIZE);
  f.shift = shift;
  f.bits = bits;
  f.used = FAKE_IMAGE_PA + FAKE_IMAGE_LEN; /* tables are near the image */
  for (uint64_t at = 0; other != 0 && at < 4 * MIB; at += page)
    fakemem_map (&f, linear + other + at, pa + at, shift, RO | SHARED);
  f.root = 0;
  for (uint64_t at = 0; at < 4 * MIB; at += page)
    fakemem_map (&f, image + at, pa + at, shift,
                 at < 2 * MIB ? constant : constant | 1ULL << 53);
  for (uint64_t at = page; at < SIZE; at += page)
    fakemem_map (&f, linear + at, at, shift,
                 SHARED | 1ULL << 53 | (at - pa < 4 * MIB ? RO : 0));
  /* Somebody's text comes first. */
  strcpy ((char *) f.bytes + 4 * MIB,
          "Linux version " RELEASE " (who@where) #1\n");
  strcpy ((char *) f.bytes + pa + 3 * MIB,
          "Linux version " RELEASE " (who@where) #1\n");
  strcpy ((char *) f.bytes + pa + 2 * MIB + 130, RELEASE);
  if (written)
    snprintf ((char *) f.bytes + 60 * MIB, 4096,
              "OSRELEASE=" RELEASE "\nPAGESIZE=%u\n"
              "SYMBOL(init_uts_ns)=%llx\nSYMBOL(swapper_pg_dir)=%llx\n"
              "SYMBOL(_stext)=%llx\nNUMBER(VA_BITS)=%u\n"
              "NUMBER(kimage_voffset)=0x%llx\nNUMBER(TCR_EL1_T1SZ)=0x%x\n",
              (unsigned) page, (unsigned long long) image + 2 * MIB,
              (unsigned long long) f.root + image - pa,
              (unsigned long long) image + 0x10000, bits,
              (unsigned long long) (image - pa), 64 - bits);
  memcpy (f.bytes + pa + 0x2000, &wfi, 4);
  r = fakemem_cpu (&f, 0);
  r.pc = image + 0x2004;
  r.halted = false;
  m = fakemem_open (&f);
  /* One that maps the image to itself is known without registers. */
  k = found (m, &r, written || early || (other != 0 && other != pa),
             written ? "vmcoreinfo" : "image");
  assert_true (k->ncpus == 0 || k->cpus[0].halted);
  assert_int_equal (k->arch, ARCH_ARM64);
  assert_true (k->image.va == image);
  assert_int_equal (k->image.len, 4 * MIB);
  assert_true (k->banner_at == image + 3 * MIB);
  assert_true (space_def (k->space)->root == f.root);
  assert_int_equal (space_def (k->space)->va_bits, bits);
  assert_int_equal (space_def (k->space)->page_shift, shift);
  kernel_free (k);
  mem_free (m);
  fakemem_free (&f);
}

static void
arm64 (unsigned shift, unsigned bits, bool written)
{
  arm64_beside (shift, bits, written, 0, false);
}

/* Tables that are not the kernel's own: that paging is begun with, and one
 * that does not have what is executed. */
static void
arm64_other_tables (void **state)
{
  arm64_beside (12, 48, false, FAKE_IMAGE_PA, false);
  arm64_beside (16, 48, false, FAKE_IMAGE_PA, false);
  arm64_beside (12, 39, false, FAKE_IMAGE_PA, false);
  arm64_beside (12, 48, false, 4ULL << 30, false);
  arm64_beside (16, 42, false, 4ULL << 30, false);
  arm64_beside (12, 48, false, FAKE_IMAGE_PA, true);
  arm64_beside (12, 48, false, 0, true);
}

static void
all_of_arm64 (void **state)
{
  arm64 (12, 48, true);
  arm64 (12, 48, false);
  arm64 (12, 39, true);
  arm64 (12, 39, false);
  arm64 (14, 48, true);
  arm64 (14, 48, false);
  arm64 (14, 47, true);
  arm64 (14, 47, false);
  arm64 (14, 36, true);
  arm64 (14, 36, false);
  arm64 (16, 48, true);
  arm64 (16, 48, false);
  arm64 (16, 42, true);
  arm64 (16, 42, false);
}

/* ---- others than the kernel that say they are it ---- */

struct arm
{
  struct fakemem f;
  uint64_t image, pa;
};

/* An arm64 kernel whose image is at pa, in tables of its own; used: where
 * those may be. */
static void
arm_kernel (struct arm *a, uint64_t pa, uint64_t used)
{
  a->image = UINT64_MAX << 47;
  a->pa = pa;
  a->f.shift = 12;
  a->f.bits = 48;
  a->f.used = used;
  a->f.root = 0;
  for (uint64_t at = 0; at < 4 * MIB; at += 4096)
    fakemem_map (&a->f, a->image + at, pa + at, 12,
                 at < 2 * MIB ? RO : RO | 1ULL << 53);
  strcpy ((char *) a->f.bytes + pa + 3 * MIB,
          "Linux version " RELEASE " (who@where) #1\n");
  strcpy ((char *) a->f.bytes + pa + 2 * MIB + 130, RELEASE);
}

static void
arm_info (struct arm *a, uint64_t at, const char *release, const char *more)
{
  snprintf ((char *) a->f.bytes + at, 4096,
            "OSRELEASE=%s\nPAGESIZE=4096\n"
            "SYMBOL(init_uts_ns)=%llx\nSYMBOL(swapper_pg_dir)=%llx\n"
            "SYMBOL(_stext)=%llx\nNUMBER(VA_BITS)=48\n"
            "NUMBER(kimage_voffset)=0x%llx\n%s",
            release, (unsigned long long) a->image + 2 * MIB,
            (unsigned long long) a->f.root + a->image - a->pa,
            (unsigned long long) a->image + 0x10000,
            (unsigned long long) (a->image - a->pa), more);
}

/* Thousands of pages and lines that are none, before and behind it. */
static void
among_many (void **state)
{
  for (unsigned written = 0; written < 2; written++)
    {
      struct arm a = { .image = 0 };
      struct kernel *k;
      struct mem *m;

      fakemem_new (&a.f, SIZE);
      arm_kernel (&a, 32 * MIB, 36 * MIB);
      for (uint64_t at = MIB; at < SIZE; at += 4096)
        if (at - a.pa >= 6 * MIB)
          {
            if (written)
              arm_info (&a, at, "6.1.0-none", "");
            else
              strcpy ((char *) a.f.bytes + at,
                      "Linux version " RELEASE " (who@where) #1\n");
          }
      if (written)
        arm_info (&a, 50 * MIB, RELEASE, "");
      m = fakemem_open (&a.f);
      k = found (m, NULL, 0, written ? "vmcoreinfo" : "image");
      assert_true (space_def (k->space)->root == a.f.root);
      assert_true (k->banner_at == a.image + 3 * MIB);
      assert_string_equal (k->lacks[PART_VMCOREINFO],
                           written ? "" : "no VMCOREINFO of this kernel was"
                                          " found");
      kernel_free (k);
      mem_free (m);
      fakemem_free (&a.f);
    }
}

/* A process may read them: they are its own, whatever they say. */
static void
not_a_users (void **state)
{
  struct fakemem f;
  struct mem *m;

  for (unsigned user = 0; user < 2; user++)
    {
      fakemem_new (&f, SIZE);
      f.shift = 12;
      f.bits = 48;
      f.used = 36 * MIB;
      for (uint64_t at = 0; at < 4 * MIB; at += 4096)
        fakemem_map (&f, (UINT64_MAX << 47) + at, 32 * MIB + at, 12,
                     RO | 1ULL << 53 | (user ? 1ULL << 6 : 0));
      strcpy ((char *) f.bytes + 35 * MIB,
              "Linux version " RELEASE " (who@where) #1\n");
      m = fakemem_open (&f);
      if (user)
        not_found (m, NULL, 0, "no Linux kernel in the memory");
      else
        kernel_free (found (m, NULL, 0, "image"));
      mem_free (m);
      fakemem_free (&f);
    }
}

/* Two that are whole.  Which is true shows a CPU; without one that is said,
 * and the one that has more of what it tells of is taken. */
static void
two_kernels (void **state)
{
  static const char more[] = "SYMBOL(prb)=ffff800000201000\n"
                             "SYMBOL(kallsyms_names)=ffff800000202000\n";

  for (unsigned shown = 0; shown < 4; shown++)
    {
      bool first = shown & 1, cpu = shown & 2;
      struct arm fake = { .image = 0 }, a = { .image = 0 };
      struct vcpu_regs r = { .arch = ARCH_ARM64, .irqs_off = true };
      struct kernel *k;
      struct mem *m;

      fakemem_new (&fake.f, SIZE);
      a.f = fake.f;
      arm_kernel (&fake, 8 * MIB, 12 * MIB);
      arm_kernel (&a, 32 * MIB, 36 * MIB);
      arm_info (&fake, (first ? 2 : 60) * MIB, RELEASE, cpu ? more : "");
      arm_info (&a, 50 * MIB, RELEASE, cpu ? "" : more);
      /* Only the true one has that in its tables. */
      fakemem_map (&a.f, a.image + 8 * MIB, 20 * MIB, 12, RO);
      r.pc = a.image + 8 * MIB + 16;
      m = fakemem_open (&a.f);
      k = found (m, &r, cpu, "vmcoreinfo");
      assert_true (space_def (k->space)->root == a.f.root);
      if (cpu)
        assert_string_equal (k->lacks[PART_VMCOREINFO], "");
      else
        assert_non_null (strstr (k->lacks[PART_VMCOREINFO],
                                 "tells of 2 kernels"));
      kernel_free (k);
      mem_free (m);
      fakemem_free (&a.f);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (by_page_table),
    cmocka_unit_test (by_users_table),
    cmocka_unit_test (which_banner),
    cmocka_unit_test (by_vmcoreinfo),
    cmocka_unit_test (not_by_others_info),
    cmocka_unit_test (info_by_symbol),
    cmocka_unit_test (own_table),
    cmocka_unit_test (info_by_scan),
    cmocka_unit_test (by_image),
    cmocka_unit_test (all_of_arm64),
    cmocka_unit_test (among_many),
    cmocka_unit_test (not_a_users),
    cmocka_unit_test (two_kernels),
    cmocka_unit_test (arm64_other_tables),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
