/* SPDX-License-Identifier: Apache-2.0
 *
 * Which CPU a vCPU is, what it runs in the kernel and in a programme's file,
 * and for whose answer it waits.
 */
#include "kernel/memory/core.h"
#include "tests/unit/kernel-memory/system-bed.h"

#include <elf.h>

struct bed
{
  struct fakekernel f;
  uint64_t area[3], task[3];
};

static void
make (struct bed *b)
{
  struct fakekernel *f = &b->f;

  memset (b, 0, sizeof *b);
  make_quiet_system (f);
  fakekernel_with_tasks (f);
  fakekernel_type (f, "__call_single_node", 16,
                   "llist@0:8 u_flags@8:4 src@12:2 dst@14:2");
  fakekernel_type (f, "__call_single_data", 32,
                   "node@0=__call_single_node func@16:8");
  fakekernel_type (f, "call_function_data", 24, "csd@0:8");
  fakekernel_type (f, "kthread", 64, "threadfn@8:8");
  fakekernel_type (f, "maple_tree", 16, "ma_root@8:8");
  fakekernel_type (f, "maple_range_64", 256, "pivot@8:8*15 slot@128:8*16");
  fakekernel_type (f, "maple_arange_64", 248, "pivot@8:8*9 slot@80:8*10");
  fakekernel_type (f, "mm_struct", 64, "mm_mt@16=maple_tree");
  fakekernel_type (f, "vm_area_struct", 64,
                   "vm_start@0:8 vm_end@8:8 vm_pgoff@16:8 vm_file@24:8");
  fakekernel_type (f, "path", 16, "mnt@0:8 dentry@8:8");
  fakekernel_type (f, "file", 32, "f_path@8=path");
  fakekernel_type (f, "qstr", 16, "name@8:8");
  fakekernel_type (f, "dentry", 64, "d_parent@24:8 d_name@32=qstr");
  fakekernel_var (f, "current_task", 8);
  fakekernel_var (f, "cpu_tss_rw", 4096 + 64);
  fakekernel_var (f, "cfd_data", 24);
  fakekernel_var (f, "csd_data", 32);
  fakekernel_var (f, "call_single_queue", 8);
  fakekernel_var (f, "calls", 32); /* for each CPU */
  fakekernel_func (f, "smp_call_function_many_cond");
  fakekernel_func (f, "smp_call_function_single");
  fakekernel_func (f, "spin");
  fakekernel_func (f, "panic");
  fakekernel_func (f, "panics_not");
  fakekernel_func (f, "kthread");
  f->orc = 3;
  f->orc_told = true;
  fakekernel_plain_rules (f, "kthread");
  fakekernel_load (f);
  set_cpus (f, 3, b->area);
  f->k->cpus = calloc (3, sizeof *f->k->cpus);
  f->k->ncpus = 3;
  for (unsigned i = 0; i < 3; i++)
    {
      b->task[i] = fakekernel_task (f, 10 + (int) i, "runner", 0);
      fakemem_u32 (&f->mem, b->task[i] + FAKE_ON_CPU, 1);
      fakemem_u64 (&f->mem, b->area[i] + var (f, "current_task"), b->task[i]);
      fakemem_u64 (&f->mem, b->area[i] + var (f, "cfd_data"),
                   var (f, "calls"));
    }
}

/* In a function that kthread() called. */
static void
run_in (struct bed *b, unsigned vcpu, unsigned cpu, const char *func)
{
  uint64_t sp = fakemem_get (&b->f.mem, b->task[cpu] + FAKE_STACK_AT) + 4096;
  struct vcpu_regs *r = &b->f.k->cpus[vcpu];

  *r = fakemem_cpu (&b->f.mem, vcpu);
  r->halted = false;
  r->gs_base = b->area[cpu];
  r->pc = fakekernel_at (&b->f, func) + 8;
  r->sp = sp;
  fakemem_u64 (&b->f.mem, sp + 8, fakekernel_at (&b->f, "kthread") + 8);
}

/* QEMU's numbers need not be the kernel's. */
static void
test_which (void **state)
{
  struct bed b;

  make (&b);
  run_in (&b, 0, 2, "spin");
  run_in (&b, 1, 0, "spin");
  run_in (&b, 2, 1, "spin");
  b.f.k->cpus[2].irqs_off = true;
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"row\":\"cpu\",\"vcpu\":0,\"cpu\":2,\"mode\":\"kernel\","
                    "\"at\":\"spin+0x8/0x100\"");
  assert_row (&b.f, "\"vcpu\":1,\"cpu\":0,");
  assert_row (&b.f, "\"irqs_off\":true,\"halted\":false,\"pid\":11,");
  assert_row (&b.f, "\"frames\":[\"spin+0x8/0x100\",\"kthread+0x8/0x100\"]");
  assert_no_row (&b.f, "waits_for");
  fakekernel_free (&b.f);
}

/* In user mode by the page of its task state; those that are left in order. */
static void
test_user_mode (void **state)
{
  struct bed b;
  struct vcpu_regs *r;

  make (&b);
  run_in (&b, 0, 1, "spin");
  r = b.f.k->cpus;
  r[0].cpl = 3;
  r[0].pc = 0x401234;
  r[0].gs_base = 0x7f0000000000;
  r[1] = r[2] = r[0];
  r[1].index = 1;
  r[2].index = 2;
  /* The same page, seen elsewhere. */
  fakemem_map (&b.f.mem, 0xfffffe0000003000,
               (b.area[2] + var (&b.f, "cpu_tss_rw") - FAKE_LINEAR)
                   & ~4095ULL,
               12, FAKE_WRITABLE);
  r[0].tr_base = 0xfffffe0000003000
                 + ((b.area[2] + var (&b.f, "cpu_tss_rw")) & 4095);
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"vcpu\":0,\"cpu\":2,\"mode\":\"user\","
                    "\"pc\":\"0x401234\"");
  assert_row (&b.f, "\"vcpu\":1,\"cpu\":0,");
  assert_row (&b.f, "\"vcpu\":2,\"cpu\":1,");
  assert_row (&b.f, "\"pid\":12,");
  fakekernel_free (&b.f);
}

/* What a core says of them: the task's pid, in the order of the kernel. */
static void
test_in_a_core (void **state)
{
  struct bed b;
  struct core c;
  struct error err = ERROR_INIT;
  Elf64_Phdr ph;
  Elf64_Nhdr n;
  unsigned found = 0;

  make (&b);
  run_in (&b, 0, 2, "spin");
  run_in (&b, 1, 0, "spin");
  run_in (&b, 2, 1, "spin");
  for (unsigned i = 0; i < 3; i++)
    b.f.k->cpus[i].pc += i;
  if (core_make (b.f.m, b.f.k, b.f.k->cpus, 3, &c, &err) < 0)
    fail_msg ("%s", error_text (&err));
  memcpy (&ph, c.head.data + sizeof (Elf64_Ehdr), sizeof ph);
  assert_int_equal (ph.p_type, PT_NOTE);
  for (uint64_t at = ph.p_offset; at < ph.p_offset + ph.p_filesz;
       at += sizeof n + ((n.n_namesz + 3) & ~3u) + ((n.n_descsz + 3) & ~3u))
    {
      const char *desc;
      uint32_t pid;
      uint64_t pc;

      memcpy (&n, c.head.data + at, sizeof n);
      desc = c.head.data + at + sizeof n + ((n.n_namesz + 3) & ~3u);
      if (n.n_type != NT_PRSTATUS)
        continue;
      memcpy (&pid, desc + 32, sizeof pid);
      memcpy (&pc, desc + 112 + 16 * 8, sizeof pc);
      assert_int_equal (pid, 10 + found);
      assert_int_equal (pc - fakekernel_at (&b.f, "spin") - 8,
                        (found + 1) % 3);
      found++;
    }
  assert_int_equal (found, 3);
  core_done (&c);
  fakekernel_free (&b.f);
}

/* On arm64 by whose stack it is on, and where that task says it is. */
static void
test_arm64 (void **state)
{
  struct bed b;

  make (&b);
  b.f.k->arch = ARCH_ARM64;
  b.f.k->fields.at[TASK_CPU]
      = (struct field_at){ .offset = FAKE_TASK_SIZE - 8, .size = 4 };
  for (unsigned i = 0; i < 3; i++)
    {
      run_in (&b, i, (i + 1) % 3, "spin");
      b.f.k->cpus[i].arch = ARCH_ARM64;
      b.f.k->cpus[i].gs_base = 0;
      fakemem_u32 (&b.f.mem, b.task[i] + FAKE_TASK_SIZE - 8, i);
    }
  /* In user space it is on no stack of the kernel: the one that is left. */
  b.f.k->cpus[2].cpl = 3;
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"vcpu\":0,\"cpu\":1,");
  assert_row (&b.f, "\"vcpu\":1,\"cpu\":2,");
  assert_row (&b.f, "\"vcpu\":2,\"cpu\":0,\"mode\":\"user\"");
  /* What one that does not run says is old. */
  fakemem_u32 (&b.f.mem, b.task[1] + FAKE_ON_CPU, 0);
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"vcpu\":0,\"cpu\":0,");
  assert_row (&b.f, "\"vcpu\":1,\"cpu\":2,");
  fakekernel_free (&b.f);
}

static void
test_waits_for_many (void **state)
{
  struct bed b;

  make (&b);
  run_in (&b, 0, 0, "spin");
  run_in (&b, 1, 1, "smp_call_function_many_cond");
  run_in (&b, 2, 2, "spin");
  fakemem_u32 (&b.f.mem, b.area[0] + var (&b.f, "calls") + 8, 1);
  fakemem_u64 (&b.f.mem, b.area[0] + var (&b.f, "call_single_queue"),
               b.area[0] + var (&b.f, "calls"));
  fakekernel_look (&b.f, &section_cpus);
  assert_int_equal (fakekernel_count (&b.f, "waits_for_cpus"), 1);
  assert_row (&b.f, "\"pid\":11,\"comm\":\"runner\",\"stack\":2,"
                    "\"waits_for_cpus\":[0]}");
  assert_row (&b.f, "\"unanswered_calls\":1");
  /* Both have answered. */
  fakemem_u32 (&b.f.mem, b.area[0] + var (&b.f, "calls") + 8, 0);
  fakemem_u64 (&b.f.mem, b.area[0] + var (&b.f, "call_single_queue"), 0);
  fakekernel_look (&b.f, &section_cpus);
  assert_no_row (&b.f, "waits_for");
  assert_no_row (&b.f, "unanswered");
  fakekernel_free (&b.f);
}

/* Its call lies on its own stack. */
static void
test_waits_for_one (void **state)
{
  struct bed b;
  uint64_t call, queue;

  make (&b);
  run_in (&b, 0, 0, "smp_call_function_single");
  run_in (&b, 1, 1, "spin");
  run_in (&b, 2, 2, "spin");
  call = fakemem_get (&b.f.mem, b.task[0] + FAKE_STACK_AT) + 8192;
  queue = b.area[2] + var (&b.f, "call_single_queue");
  fakemem_u64 (&b.f.mem, queue, call);
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"waits_for_cpus\":[2]}");
  /* Somebody else's call, in a queue without an end. */
  call = fakemem_alloc (&b.f.mem, 64);
  fakemem_u64 (&b.f.mem, queue, call);
  fakemem_u64 (&b.f.mem, call, call);
  fakekernel_look (&b.f, &section_cpus);
  assert_no_row (&b.f, "waits_for");
  assert_row (&b.f, "\"unanswered_calls\":256");
  fakekernel_free (&b.f);
}

/* Nothing names the variable that says who panicked. */
static void
test_panics (void **state)
{
  struct bed b;

  make (&b);
  run_in (&b, 0, 2, "spin");
  run_in (&b, 1, 1, "panic");
  run_in (&b, 2, 0, "spin");
  fakekernel_look (&b.f, &section_system);
  assert_row (&b.f, "\"panicked\":true,\"panic_cpu\":1");
  run_in (&b, 1, 1, "panics_not");
  fakekernel_look (&b.f, &section_system);
  assert_no_row (&b.f, "panic");
  fakekernel_free (&b.f);
}

static void
test_without_registers (void **state)
{
  struct bed b;

  make (&b);
  free (b.f.k->cpus);
  b.f.k->cpus = NULL;
  b.f.k->ncpus = 0;
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"row\":\"lacks\",\"section\":\"cpus\"");
  assert_row (&b.f, "{\"row\":\"cpu\",\"cpu\":2,\"pid\":12,"
                    "\"comm\":\"runner\"}");
  fakekernel_free (&b.f);
}

/* What the last interrupt left of who runs, and what a thread was made for. */
static void
test_remembered (void **state)
{
  struct bed b;
  struct fakemem *m = &b.f.mem;
  uint64_t sp, kthread;

  make (&b);
  free (b.f.k->cpus);
  b.f.k->cpus = NULL;
  b.f.k->ncpus = 0;
  sp = fakemem_get (m, b.task[1] + FAKE_STACK_AT) + FAKE_STACK - 512;
  fakemem_u64 (m, sp - 168 + 128, fakekernel_at (&b.f, "spin") + 8);
  fakemem_u64 (m, sp - 168 + 136, 0x10);
  fakemem_u64 (m, sp - 168 + 144, 0x246);
  fakemem_u64 (m, sp - 168 + 152, sp);
  fakemem_u64 (m, sp + 8, fakekernel_at (&b.f, "kthread") + 8);
  kthread = fakemem_alloc (m, 64);
  fakemem_u64 (m, kthread + 8, fakekernel_at (&b.f, "panic"));
  fakemem_u32 (m, b.task[2] + FAKE_FLAGS, 0x200000);
  fakemem_u64 (m, b.task[2] + 400, kthread);
  fakemem_u64 (m, b.area[2] + var (&b.f, "call_single_queue"), kthread + 32);
  fakekernel_look (&b.f, &section_cpus);
  assert_row (&b.f, "\"cpu\":0,\"pid\":10,\"comm\":\"runner\"}");
  assert_row (&b.f, "\"frames\":[\"spin+0x8/0x100\",\"kthread+0x8/0x100\"]");
  assert_row (&b.f, "\"cpu\":1,\"pid\":11,\"comm\":\"runner\",\"at\":"
                    "\"spin+0x8/0x100\",\"seen\":\"interrupt\",\"stack\":1}");
  assert_row (&b.f, "\"cpu\":2,\"pid\":12,\"comm\":\"runner\",\"begun\":"
                    "\"panic\",\"unanswered_calls\":1}");
  /* In the midst of a function nothing begins. */
  fakemem_u64 (m, kthread + 8, fakekernel_at (&b.f, "panic") + 4);
  fakekernel_look (&b.f, &section_cpus);
  assert_no_row (&b.f, "begun");
  fakekernel_free (&b.f);
}

/* ---- places in files ---- */

static uint64_t
add_vma (struct bed *b, uint64_t start, uint64_t end, uint64_t page,
         const char *name)
{
  struct fakemem *m = &b->f.mem;
  uint64_t vma = fakemem_alloc (m, 64), file, root, leaf, text;

  fakemem_u64 (m, vma, start);
  fakemem_u64 (m, vma + 8, end);
  fakemem_u64 (m, vma + 16, page);
  if (!name)
    return vma;
  file = fakemem_alloc (m, 64);
  root = fakemem_alloc (m, 64);
  leaf = fakemem_alloc (m, 64);
  text = fakemem_alloc (m, 64);
  fakemem_u64 (m, vma + 24, file);
  fakemem_u64 (m, file + 16, leaf);
  fakemem_u64 (m, root + 24, root);
  fakemem_u64 (m, leaf + 24, root);
  fakemem_u64 (m, leaf + 40, text);
  fakemem_text (m, text, name);
  return vma;
}

static uint64_t
add_node (struct bed *b, unsigned kind)
{
  return fakemem_alloc (&b->f.mem, 4096) | kind << 3 | 4;
}

static void
set_slot (struct bed *b, uint64_t node, unsigned i, uint64_t pivot,
          uint64_t slot)
{
  bool arange = (node >> 3 & 15) == 3;
  uint64_t at = node & ~255ULL;

  if (pivot)
    fakemem_u64 (&b->f.mem, at + 8 + 8 * i, pivot);
  fakemem_u64 (&b->f.mem, at + (arange ? 80 : 128) + 8 * i, slot);
}

static bool
where (struct bed *b, uint64_t mm, uint64_t va, char text[200])
{
  mem_fresh (b->f.m);
  return look_user_at (b->f.k, mm, va, text, 200);
}

static void
test_places (void **state)
{
  struct bed b;
  uint64_t mm, top, low, high, a;
  char text[200];

  make (&b);
  mm = fakemem_alloc (&b.f.mem, 64);
  top = add_node (&b, 3);
  low = add_node (&b, 1);
  high = add_node (&b, 1);
  fakemem_u64 (&b.f.mem, mm + 24, top | 2);
  set_slot (&b, top, 0, 0x4fffff, low);
  set_slot (&b, top, 1, 0, high);
  set_slot (&b, low, 0, 0x3fffff, 0);
  a = add_vma (&b, 0x400000, 0x420000, 2, "prog");
  set_slot (&b, low, 1, 0x41ffff, a);
  set_slot (&b, low, 2, 0x4fffff, 0);
  set_slot (&b, high, 0, 0x6fffffffffff, 0);
  set_slot (&b, high, 1, 0x7fffffffffff,
            add_vma (&b, 0x700000000000, 0x800000000000, 0, "libc.so"));
  assert_true (where (&b, mm, 0x401234, text));
  assert_string_equal (text, "/prog+0x3234");
  assert_true (where (&b, mm, 0x41ffff, text));
  assert_true (where (&b, mm, 0x700000000010, text));
  assert_string_equal (text, "/libc.so+0x10");
  assert_false (where (&b, mm, 0x420000, text));
  assert_false (where (&b, mm, 0x100, text));
  assert_false (where (&b, mm, UINT64_MAX, text));
  assert_false (where (&b, 0, 0x401234, text));
  /* No file behind it. */
  fakemem_u64 (&b.f.mem, a + 24, 0);
  assert_false (where (&b, mm, 0x401234, text));
  /* A tree that leads back into itself, and kinds that there are not. */
  set_slot (&b, top, 0, 0x4fffff, top);
  assert_false (where (&b, mm, 0x401234, text));
  fakemem_u64 (&b.f.mem, mm + 24, top | 0x7a);
  assert_false (where (&b, mm, 0x401234, text));
  fakemem_u64 (&b.f.mem, mm + 24, 0xffff000000000002 | 1 << 3);
  assert_false (where (&b, mm, 0x401234, text));
  fakekernel_free (&b.f);
}

/* Before 6.1. */
static void
test_places_in_list (void **state)
{
  struct bed b;
  uint64_t mm, a, c;
  char text[200];

  make (&b);
  memset (&b.f.k->fields.at[MM_TREE], 0, sizeof (struct field_at));
  b.f.k->fields.at[MM_LIST] = (struct field_at){ .offset = 0, .size = 8 };
  b.f.k->fields.at[VMA_NEXT] = (struct field_at){ .offset = 32, .size = 8 };
  mm = fakemem_alloc (&b.f.mem, 64);
  a = add_vma (&b, 0x400000, 0x420000, 0, "prog");
  c = add_vma (&b, 0x500000, 0x520000, 1, "lib");
  fakemem_u64 (&b.f.mem, mm, a);
  fakemem_u64 (&b.f.mem, a + 32, c);
  assert_true (where (&b, mm, 0x500010, text));
  assert_string_equal (text, "/lib+0x1010");
  assert_false (where (&b, mm, 0x430000, text));
  assert_false (where (&b, mm, 0x530000, text));
  fakemem_u64 (&b.f.mem, c + 32, a);
  assert_false (where (&b, mm, 0x530000, text));
  fakekernel_free (&b.f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_which),
    cmocka_unit_test (test_user_mode),
    cmocka_unit_test (test_arm64),
    cmocka_unit_test (test_in_a_core),
    cmocka_unit_test (test_waits_for_many),
    cmocka_unit_test (test_waits_for_one),
    cmocka_unit_test (test_panics),
    cmocka_unit_test (test_without_registers),
    cmocka_unit_test (test_remembered),
    cmocka_unit_test (test_places),
    cmocka_unit_test (test_places_in_list),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
