/* SPDX-License-Identifier: Apache-2.0
 *
 * A core of a memory that a test made, written to a file and read back.
 */
#include "tests/lib/fakemem.h"
#include "tests/unit/kernel-memory/stand-ins.h"

#include "base/cleanup.h"
#include "kernel/memory/core.h"

#include <elf.h>
#include <errno.h>

#define MIB (1ULL << 20)
#define RELEASE "6.1.0-test"
#define UTS (FAKE_RODATA + 0x10000)
#define HIGH (4ULL << 30) /* where the second half of memory is */

/* Two ranges, as a machine with memory above 4 GiB; there is a kernel in the
 * first. */
struct bed
{
  struct fakemem f;
  struct mem_range ranges[2];
  struct mem *m;
  struct vcpu_regs cpu[2];
  struct kernel *k;
};

static void
write_info (struct bed *b, uint64_t pa, const char *release, uint64_t uts)
{
  snprintf ((char *) b->f.bytes + pa, 4096,
            "OSRELEASE=%s\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=%llx\n"
            "OFFSET(uts_namespace.name)=0\nKERNELOFFSET=19000000\n",
            release, (unsigned long long) uts);
}

static struct mem *
open_again (struct bed *b)
{
  struct mem_source src
      = { .fd = b->f.fd, .pagemap = -1, .ranges = b->ranges, .nranges = 2 };
  struct error err = ERROR_INIT;
  struct mem *m;

  if (mem_open (&src, NULL, &m, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return m;
}

static void
bed_new (struct bed *b)
{
  struct error err = ERROR_INIT;

  *b = (struct bed){ .k = NULL };
  fakemem_new (&b->f, 64 * MIB);
  b->ranges[0] = (struct mem_range){ 0, 48 * MIB, 0 };
  b->ranges[1] = (struct mem_range){ HIGH, 16 * MIB, 48 * MIB };
  fakemem_kernel (&b->f, RELEASE);
  fakemem_text (&b->f, UTS + 130, RELEASE);
  /* An earlier kernel's first. */
  write_info (b, 40 * MIB, "5.10.0-old", UTS);
  write_info (b, 41 * MIB, RELEASE, UTS + 0x4000000);
  write_info (b, 42 * MIB, RELEASE, UTS);
  b->f.bytes[48 * MIB + 4096 * 3] = 7;
  for (unsigned i = 0; i < 2; i++)
    {
      b->cpu[i] = fakemem_cpu (&b->f, i);
      for (unsigned j = 0; j < 16; j++)
        b->cpu[i].gpr[j] = 0x1000 * (i + 1) + j;
      b->cpu[i].sp = b->cpu[i].gpr[4];
      b->cpu[i].fp = b->cpu[i].gpr[5];
      b->cpu[i].flags = i ? 0x202 : 2;
      b->cpu[i].seg[SEG_CS] = (struct vcpu_segment){ 0x10, ~0u, 0xaf9b00, 0 };
      b->cpu[i].seg[SEG_IDT] = (struct vcpu_segment){ 0, 0xfff, 0, 0xfe00 };
      b->cpu[i].gs_base = b->cpu[i].seg[SEG_GS].base = 0xffff888001000000;
    }
  b->m = open_again (b);
  if (kernel_find (b->m, b->cpu, 2, &b->k, &err) < 0)
    fail_msg ("%s", error_text (&err));
  /* As where symbols are found that do not lead there: it is looked for. */
  vmcoreinfo_free (b->k->info);
  b->k->info = NULL;
}

static void
bed_done (struct bed *b)
{
  kernel_free (b->k);
  mem_free (b->m);
  fakemem_free (&b->f);
}

struct out
{
  int fd;
  uint64_t last, calls;
  int refuse; /* what it returns */
};

static int
put (uint64_t at, const void *data, size_t len, const struct core_copied *soon,
     void *arg)
{
  struct out *o = arg;

  o->calls++;
  assert_true (at >= o->last && soon->given <= soon->seen);
  if (len == 0)
    return o->refuse;
  o->last = at + len;
  assert_int_equal (pwrite (o->fd, data, len, (off_t) at), len);
  return o->refuse;
}

static void
write_core (struct bed *b, struct kernel *k, unsigned ncpus, struct core *c,
            struct out *o, struct core_copied *copied)
{
  struct error err = ERROR_INIT;

  *o = (struct out){ .fd = memfd_create ("core", MFD_CLOEXEC) };
  if (core_make (b->m, k, b->cpu, ncpus, c, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_int_equal (ftruncate (o->fd, (off_t) c->bytes), 0);
  assert_int_equal (pwrite (o->fd, c->head.data, c->head.len, 0), c->head.len);
  o->last = c->head.len;
  if (core_copy (c, b->m, put, o, copied, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

static struct mem *
read_back (struct out *o)
{
  struct error err = ERROR_INIT;
  struct mem *m;

  if (mem_open_core (o->fd, NULL, &m, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return m;
}

static void
same_memory (struct bed *b, struct mem *m)
{
  unsigned char page[4096];

  assert_true (mem_size (m) == 64 * MIB);
  for (unsigned i = 0; i < 2; i++)
    for (uint64_t at = 0; at < b->ranges[i].len; at += sizeof page)
      {
        assert_int_equal (
            mem_read (m, b->ranges[i].gpa + at, page, sizeof page, NULL), 0);
        assert_memory_equal (page, b->f.bytes + b->ranges[i].at + at,
                             sizeof page);
      }
  assert_int_equal (mem_read (m, 48 * MIB, page, 1, NULL), -EFAULT);
}

static void
whole (void **state)
{
  struct core_copied copied;
  struct vcpu_regs cpu[4];
  struct bed b;
  struct out o;
  struct core c;
  struct mem *m;

  bed_new (&b);
  write_core (&b, b.k, 2, &c, &o, &copied);
  assert_true (c.vmcoreinfo && c.linear && c.cpus == 2);
  m = read_back (&o);
  same_memory (&b, m);
  assert_int_equal (regs_of_core (m, cpu, 4), 2);
  for (unsigned i = 0; i < 2; i++)
    {
      assert_memory_equal (cpu[i].gpr, b.cpu[i].gpr, 16 * 8);
      assert_true (cpu[i].pc == b.cpu[i].pc && cpu[i].cr3 == b.cpu[i].cr3);
      assert_true (cpu[i].cr0 == b.cpu[i].cr0 && cpu[i].cr4 == b.cpu[i].cr4);
      assert_true (cpu[i].irqs_off == (i == 0) && cpu[i].cpl == 0);
      assert_memory_equal (cpu[i].seg, b.cpu[i].seg, sizeof cpu[i].seg);
    }
  mem_free (m);
  core_done (&c);
  close (o.fd);
  bed_done (&b);
}

/* What the guest has not is not in the file either; nor what is zero. */
static void
sparse (void **state)
{
  struct core_copied copied;
  struct bed b;
  struct out o;
  struct core c;
  struct mem *m;
  uint64_t len, n = 0;

  bed_new (&b);
  for (unsigned i = 0; i < 5; i++) /* there, and then zero again */
    {
      b.f.bytes[30 * MIB + i * 4096] = 1;
      b.f.bytes[30 * MIB + i * 4096] = i == 2;
    }
  write_core (&b, b.k, 2, &c, &o, &copied);
  assert_true (copied.seen == core_present (b.m));
  assert_true (copied.given <= copied.seen - 4096 && copied.unreadable == 0);
  assert_true (copied.seen < 16 * MIB);
  m = read_back (&o);
  for (uint64_t at = 0; (at = mem_next (m, at, &len)) != MEM_NONE; at += len)
    n += len;
  assert_true (n == copied.given);
  assert_true (mem_next (m, 30 * MIB, &len) == 30 * MIB + 2 * 4096);
  assert_int_equal (len, 4096);
  assert_true (mem_next (m, 31 * MIB, &len) == 40 * MIB);
  assert_true (mem_next (m, HIGH, &len) == HIGH + 3 * 4096 && len == 4096);
  mem_free (m);
  core_done (&c);
  close (o.fd);
  bed_done (&b);
}

static const Elf64_Phdr *
header_of (const struct core *c, uint64_t va)
{
  const Elf64_Ehdr *e = (const void *) c->head.data;
  const Elf64_Phdr *p = (const void *) (c->head.data + e->e_phoff);

  for (unsigned i = 0; i < e->e_phnum; i++)
    if (p[i].p_type == PT_LOAD && va - p[i].p_vaddr < p[i].p_memsz)
      return &p[i];
  return NULL;
}

/* By virtual address the same bytes are found as by the physical one. */
static void
by_virtual_address (void **state)
{
  struct core_copied copied;
  const Elf64_Phdr *p;
  struct mem_note note;
  struct bed b;
  struct out o;
  struct core c;
  struct mem *m;
  char text[15];
  unsigned n = 0;

  bed_new (&b);
  write_core (&b, b.k, 2, &c, &o, &copied);
  p = header_of (&c, FAKE_RODATA);
  assert_non_null (p);
  assert_true (p->p_paddr + (FAKE_RODATA - p->p_vaddr)
               == FAKE_IMAGE_PA + 2 * MIB);
  assert_int_equal (
      pread (o.fd, text, 14, (off_t) (p->p_offset + FAKE_RODATA - p->p_vaddr)),
      14);
  assert_memory_equal (text, "Linux version ", 14);
  p = header_of (&c, FAKE_LINEAR + HIGH + 5);
  assert_true (p && p->p_paddr == HIGH && p->p_vaddr == FAKE_LINEAR + HIGH);
  m = read_back (&o);
  for (unsigned i = 0; mem_note (m, i, &note); i++)
    if (strcmp (note.name, "VMCOREINFO") == 0)
      {
        struct vmcoreinfo *v;
        uint64_t uts;

        n++;
        assert_int_equal (vmcoreinfo_parse (note.desc, note.len, &v, NULL), 0);
        assert_true (vmcoreinfo_symbol (v, "init_uts_ns", &uts) && uts == UTS);
        vmcoreinfo_free (v);
      }
  assert_int_equal (n, 1);
  mem_free (m);
  core_done (&c);
  close (o.fd);
  bed_done (&b);
}

/* Nothing is known of its kernel: as QEMU writes it with paging=false. */
static void
without_kernel (void **state)
{
  struct core_copied copied;
  struct vcpu_regs cpu[1];
  struct mem_note note;
  struct bed b;
  struct out o;
  struct core c;
  struct mem *m;

  bed_new (&b);
  write_core (&b, NULL, 0, &c, &o, &copied);
  assert_false (c.vmcoreinfo || c.linear || c.cpus > 0);
  assert_true (header_of (&c, 0)->p_paddr == 0);
  m = read_back (&o);
  same_memory (&b, m);
  assert_false (mem_note (m, 0, &note));
  assert_int_equal (regs_of_core (m, cpu, 1), 0);
  mem_free (m);
  core_done (&c);
  close (o.fd);
  bed_done (&b);
}

/* arm64's CPUs, and 512 of them. */
static void
many_cpus (void **state)
{
  CLEANUP_FREE struct vcpu_regs *cpu = calloc (REGS_MAX_CPUS, sizeof *cpu);
  struct error err = ERROR_INIT;
  struct core_copied copied;
  struct bed b;
  struct out o;
  struct core c;
  struct mem *m;

  bed_new (&b);
  b.cpu[1] = (struct vcpu_regs){ .arch = ARCH_ARM64,
                                 .pc = 0xffff800008001234,
                                 .sp = 0xffff80000a003f00,
                                 .flags = 0x3c5 };
  b.cpu[1].gpr[30] = 99;
  b.cpu[0] = b.cpu[1];
  write_core (&b, NULL, 1, &c, &o, &copied);
  m = read_back (&o);
  assert_int_equal (regs_of_core (m, cpu, REGS_MAX_CPUS), 1);
  assert_true (cpu[0].arch == ARCH_ARM64 && cpu[0].pc == b.cpu[1].pc
               && cpu[0].gpr[30] == 99 && cpu[0].irqs_off);
  mem_free (m);
  core_done (&c);
  close (o.fd);
  for (unsigned i = 0; i < REGS_MAX_CPUS; i++)
    cpu[i] = (struct vcpu_regs){ .arch = ARCH_X86_64, .index = i };
  assert_int_equal (core_make (b.m, b.k, cpu, REGS_MAX_CPUS, &c, &err), 0);
  core_done (&c);
  bed_done (&b);
}

/* The other side does not want it; the guest went. */
static void
broken_off (void **state)
{
  struct error err = ERROR_INIT;
  struct core_copied copied;
  struct bed b;
  struct out o
      = { .fd = memfd_create ("core", MFD_CLOEXEC), .refuse = -ENOSPC };
  struct core c;

  bed_new (&b);
  assert_int_equal (core_make (b.m, b.k, b.cpu, 2, &c, &err), 0);
  assert_int_equal (core_copy (&c, b.m, put, &o, &copied, &err), -ENOSPC);
  assert_int_equal (o.calls, 1);
  core_done (&c);
  close (o.fd);
  bed_done (&b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (whole),
    cmocka_unit_test (sparse),
    cmocka_unit_test (by_virtual_address),
    cmocka_unit_test (without_kernel),
    cmocka_unit_test (many_cpus),
    cmocka_unit_test (broken_off),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
