/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory out of an ELF core, and its CPUs out of the notes.
 */
#include "tests/lib/fakemem.h"

#include "kernel/memory/kernel.h"

#include <elf.h>

#define MAX_HEADERS 80

struct core
{
  Elf64_Ehdr head;
  Elf64_Phdr ph[MAX_HEADERS];
  unsigned char notes[4096];
  size_t notes_len;
};

#define DATA 16384 /* what is behind the headers, in the file */

static void
add (struct core *c, uint32_t type, uint64_t pa, uint64_t at, uint64_t len)
{
  c->ph[c->head.e_phnum++] = (Elf64_Phdr){ .p_type = type,
                                           .p_offset = at,
                                           .p_paddr = pa,
                                           .p_filesz = len,
                                           .p_memsz = len };
}

static void
begin (struct core *c, uint16_t machine)
{
  *c = (struct core){ .head = { .e_type = ET_CORE,
                                .e_machine = machine,
                                .e_phoff = offsetof (struct core, ph),
                                .e_phentsize = sizeof (Elf64_Phdr) } };
  memcpy (c->head.e_ident, ELFMAG, SELFMAG);
  c->head.e_ident[EI_CLASS] = ELFCLASS64;
  c->head.e_ident[EI_DATA] = ELFDATA2LSB;
}

static void
note (struct core *c, const char *name, uint32_t type, const void *desc,
      size_t len)
{
  Elf64_Nhdr head = { .n_namesz = (uint32_t) strlen (name) + 1,
                      .n_descsz = (uint32_t) len,
                      .n_type = type };
  unsigned char *p = c->notes + c->notes_len;

  memcpy (p, &head, sizeof head);
  memcpy (p + sizeof head, name, head.n_namesz);
  p += sizeof head + ((head.n_namesz + 3) & ~3u);
  memcpy (p, desc, len);
  c->notes_len = (size_t) (p - c->notes) + ((len + 3) & ~(size_t) 3);
  assert_true (c->notes_len <= sizeof c->notes);
}

/* 16 pages of data behind it, each full of its number. */
static int
file_of (const struct core *c)
{
  int fd = memfd_create ("core", MFD_CLOEXEC);
  unsigned char page[4096];

  assert_true (fd >= 0 && sizeof *c <= DATA);
  assert_int_equal (pwrite (fd, c, sizeof *c, 0), sizeof *c);
  for (unsigned i = 0; i < 16; i++)
    {
      memset (page, (int) i, sizeof page);
      assert_int_equal (pwrite (fd, page, sizeof page, DATA + i * 4096), 4096);
    }
  return fd;
}

static struct mem *
open_core (const struct core *c)
{
  struct error err = ERROR_INIT;
  int fd = file_of (c);
  struct mem *m;

  if (mem_open_core (fd, NULL, &m, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return m; /* the descriptor stays open until the test ends */
}

static unsigned
byte_at (struct mem *m, uint64_t gpa)
{
  unsigned char b;

  return mem_read (m, gpa, &b, 1, NULL) == 0 ? b : 999;
}

/* The disk was full while it was written. */
static void
cut_off (void **state)
{
  struct core c;
  struct mem *m;
  struct error err = ERROR_INIT;
  struct kernel *k;

  begin (&c, EM_X86_64);
  add (&c, PT_LOAD, 0, DATA, 16 * 4096);
  m = open_core (&c);
  assert_int_equal (mem_cut (m), 0);
  mem_free (m);
  begin (&c, EM_X86_64);
  add (&c, PT_LOAD, 0, DATA, 4 << 20);
  add (&c, PT_LOAD, 8 << 20, DATA + (4 << 20), 1 << 20);
  m = open_core (&c);
  assert_int_equal (mem_cut (m), (5 << 20) - 16 * 4096);
  assert_int_equal (kernel_find (m, NULL, 0, &k, &err), -ENOENT);
  assert_non_null (strstr (error_text (&err), "cut off"));
  mem_free (m);
}

static void
by_physical_address (void **state)
{
  struct core c;
  struct mem *m;
  uint64_t len;

  begin (&c, EM_X86_64);
  add (&c, PT_LOAD, 1 << 20, DATA + 3 * 4096, 4096);
  add (&c, PT_LOAD, 0, DATA, 8192);
  add (&c, PT_LOAD, 8192, DATA + 8192, 4096);   /* joins */
  add (&c, PT_LOAD, 4096, DATA + 4096, 4096);   /* of another address */
  add (&c, PT_LOAD, 10240, DATA + 10240, 4096); /* reaches over the end */
  add (&c, PT_LOAD, 1ULL << 60, DATA, 4096);
  add (&c, PT_LOAD, 2 << 20, UINT64_MAX - 4, 4096);
  add (&c, PT_LOAD, 3 << 20, DATA, 0);
  m = open_core (&c);
  assert_int_equal (mem_size (m), 14336 + 4096);
  assert_int_equal (byte_at (m, 0), 0);
  assert_int_equal (byte_at (m, 4096), 1);
  assert_int_equal (byte_at (m, 8192), 2);
  assert_int_equal (byte_at (m, 12288), 3);
  assert_int_equal (byte_at (m, 14336), 999);
  assert_int_equal (byte_at (m, (1 << 20) + 4095), 3);
  assert_int_equal (byte_at (m, 2 << 20), 999);
  assert_int_equal (mem_next (m, 14336, &len), 1 << 20);
  assert_int_equal (len, 4096);
  mem_free (m);
}

/* With paging there is a header per virtual piece: more than ranges that a
 * process may have. */
static void
many_pieces (void **state)
{
  struct core c;
  struct mem *m;

  begin (&c, EM_X86_64);
  for (unsigned i = 0; i < MAX_HEADERS; i++)
    add (&c, PT_LOAD, (MAX_HEADERS - i) * 8192ULL, DATA + i % 16 * 4096, 4096);
  m = open_core (&c);
  assert_int_equal (mem_size (m), MAX_HEADERS * 4096);
  assert_int_equal (byte_at (m, (MAX_HEADERS - 5) * 8192ULL), 5);
  mem_free (m);
}

static void
refused (const struct core *c, const char *says)
{
  struct error err = ERROR_INIT;
  struct mem *m = NULL;
  int fd = file_of (c);

  assert_int_equal (mem_open_core (fd, NULL, &m, &err), -EBADMSG);
  assert_null (m);
  if (!strstr (error_text (&err), says))
    fail_msg ("\"%s\" is not in: %s", says, error_text (&err));
  close (fd);
}

static void
other_files (void **state)
{
  struct core c, good;
  int fd;
  struct mem *m;

  begin (&good, EM_X86_64);
  add (&good, PT_LOAD, 0, DATA, 4096);
  c = good, memcpy (&c, "KDUMP   ", 8);
  refused (&c, "kdump");
  c = good, memcpy (&c, "\x28\xb5\x2f\xfd", 4);
  refused (&c, "zstd");
  c = good, memcpy (&c, "QEVM", 4);
  refused (&c, "migration");
  c = good, memcpy (&c, "hello", 5);
  refused (&c, "no ELF");
  c = good, c.head.e_ident[EI_CLASS] = ELFCLASS32;
  refused (&c, "32-bit");
  c = good, c.head.e_ident[EI_DATA] = ELFDATA2MSB;
  refused (&c, "big-endian");
  c = good, c.head.e_machine = EM_S390;
  refused (&c, "machine 22");
  c = good, c.head.e_type = ET_EXEC;
  refused (&c, "no core");
  c = good, c.head.e_phnum = 0;
  refused (&c, "0 program headers");
  c = good, c.head.e_phoff = 1 << 30;
  refused (&c, "cut off");
  c = good, c.head.e_phoff = UINT64_MAX - 10;
  refused (&c, "nowhere");
  c = good, c.head.e_phentsize = 1;
  refused (&c, "of 1 bytes");
  c = good, c.ph[0].p_type = PT_NOTE, c.ph[0].p_filesz = 1ULL << 40;
  refused (&c, "notes");
  c = good, c.ph[0].p_type = PT_NULL;
  refused (&c, "no memory");
  fd = memfd_create ("empty", MFD_CLOEXEC);
  assert_int_equal (mem_open_core (fd, NULL, &m, NULL), -EBADMSG);
  close (fd);
}

/* ---- CPUs ---- */

struct segment
{
  uint32_t selector, limit, flags, pad;
  uint64_t base;
};

struct qemu_cpu
{
  uint32_t version, size;
  uint64_t regs[18];
  struct segment seg[10];
  uint64_t cr[5], kernel_gs_base;
};

static void
cpus_of_x86 (void **state)
{
  struct core c;
  unsigned char prstatus[336] = { 0 };
  uint64_t regs[27];
  struct qemu_cpu q = { .version = 1, .size = sizeof q };
  struct vcpu_regs r[4];
  struct mem_note n;
  struct mem *m;

  assert_int_equal (sizeof q, 440);
  for (unsigned i = 0; i < 27; i++)
    regs[i] = 100 + i;
  memcpy (prstatus + 112, regs, sizeof regs);
  for (unsigned i = 0; i < 18; i++)
    q.regs[i] = 200 + i;
  for (unsigned i = 0; i < 10; i++)
    q.seg[i].base = 300 + i;
  for (unsigned i = 0; i < 5; i++)
    q.cr[i] = 400 + i;
  q.seg[0].selector = 0x33;
  q.kernel_gs_base = 500;
  begin (&c, EM_X86_64);
  note (&c, "CORE", NT_PRSTATUS, prstatus, sizeof prstatus);
  note (&c, "CORE", NT_PRSTATUS, prstatus, sizeof prstatus);
  note (&c, "CORE", NT_PRSTATUS, prstatus, 100); /* too short */
  note (&c, "QEMU", 0, &q, sizeof q);
  add (&c, PT_LOAD, 0, DATA, 4096);
  add (&c, PT_NOTE, 0, offsetof (struct core, notes), c.notes_len);
  m = open_core (&c);
  assert_true (mem_note (m, 3, &n));
  assert_string_equal (n.name, "QEMU");
  assert_int_equal (n.len, 440);
  assert_false (mem_note (m, 4, &n));
  assert_int_equal (regs_of_core (m, r, 4), 2);
  /* The first has both notes: QEMU's says more. */
  assert_int_equal (r[0].arch, ARCH_X86_64);
  assert_int_equal (r[0].pc, 216);
  assert_int_equal (r[0].sp, 206);
  assert_int_equal (r[0].fp, 207);
  assert_int_equal (r[0].gpr[0], 200);
  assert_int_equal (r[0].gpr[3], 201); /* RBX */
  assert_int_equal (r[0].gpr[15], 215);
  assert_int_equal (r[0].cr3, 403);
  assert_int_equal (r[0].gs_base, 304);
  assert_int_equal (r[0].tr_base, 307);
  assert_int_equal (r[0].idt_base, 309);
  assert_int_equal (r[0].kernel_gs_base, 500);
  assert_int_equal (r[0].cpl, 3);
  assert_true (r[0].irqs_off);
  assert_int_equal (r[1].index, 1);
  assert_int_equal (r[1].pc, 116);
  assert_int_equal (r[1].sp, 119);
  assert_int_equal (r[1].gpr[15], 100);
  assert_int_equal (r[1].gpr[0], 110);
  assert_int_equal (r[1].gs_base, 122);
  assert_int_equal (r[1].cr3, 0);
  assert_int_equal (regs_of_core (m, r, 1), 1);
  mem_free (m);
}

static void
cpus_of_arm64 (void **state)
{
  struct core c;
  unsigned char prstatus[392] = { 0 };
  uint64_t regs[34];
  struct vcpu_regs r[2];
  struct mem *m;

  for (unsigned i = 0; i < 34; i++)
    regs[i] = 100 + i;
  regs[33] = 0x800003c5; /* EL1h, all masked */
  memcpy (prstatus + 112, regs, sizeof regs);
  begin (&c, EM_AARCH64);
  note (&c, "CORE", NT_PRSTATUS, prstatus, sizeof prstatus);
  add (&c, PT_LOAD, 1 << 30, DATA, 4096);
  add (&c, PT_NOTE, 0, offsetof (struct core, notes), c.notes_len);
  m = open_core (&c);
  assert_int_equal (regs_of_core (m, r, 2), 1);
  assert_int_equal (r[0].arch, ARCH_ARM64);
  assert_int_equal (r[0].gpr[30], 130);
  assert_int_equal (r[0].fp, 129);
  assert_int_equal (r[0].sp, 131);
  assert_int_equal (r[0].pc, 132);
  assert_int_equal (r[0].cpl, 0);
  assert_true (r[0].irqs_off);
  mem_free (m);
}

/* Notes that say more than there is end the list. */
static void
notes_that_lie (void **state)
{
  struct core c;
  struct mem_note n;
  struct mem *m;

  begin (&c, EM_X86_64);
  note (&c, "A", 1, "x", 1);
  note (&c, "B", 1, "x", 1);
  memset (c.notes + 20 + 4, 0xff, 4); /* B's desc */
  add (&c, PT_LOAD, 0, DATA, 4096);
  add (&c, PT_NOTE, 0, offsetof (struct core, notes), c.notes_len);
  m = open_core (&c);
  assert_true (mem_note (m, 0, &n));
  assert_string_equal (n.name, "A");
  assert_false (mem_note (m, 1, &n));
  mem_free (m);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (by_physical_address),
    cmocka_unit_test (cut_off), cmocka_unit_test (many_pieces),
    cmocka_unit_test (other_files),         cmocka_unit_test (cpus_of_x86),
    cmocka_unit_test (cpus_of_arm64),       cmocka_unit_test (notes_that_lie),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
