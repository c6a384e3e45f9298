/* SPDX-License-Identifier: Apache-2.0
 *
 * The notes of a core: its CPUs, and what its kernel wrote down of itself.
 */
#include "kernel/memory/core.h"

#include "base/cleanup.h"
#include "kernel/memory/kernel.h"
#include "kernel/memory/regs_impl.h"

#include <elf.h>
#include <string.h>

static void
note (struct buf *b, const char *name, uint32_t type, const void *desc,
      size_t len)
{
  static const char zeros[4];
  size_t namesz = strlen (name) + 1;
  Elf64_Nhdr head = { .n_namesz = (uint32_t) namesz,
                      .n_descsz = (uint32_t) len,
                      .n_type = type };

  buf_append (b, &head, sizeof head);
  buf_append (b, name, namesz);
  buf_append (b, zeros, -namesz & 3);
  buf_append (b, desc, len);
  buf_append (b, zeros, -len & 3);
}

/* pr_pid is the number of the CPU and 1, as QEMU has it. */
static void
prstatus_x86 (struct buf *b, const struct vcpu_regs *r)
{
  unsigned char desc[PRSTATUS_X86] = { 0 };
  uint64_t v[PRSTATUS_X86_REGS] = { 0 };
  uint32_t pid = r->index + 1;

  for (size_t i = 0; i < ARRAY_LEN (prstatus_x86_order_); i++)
    v[i] = r->gpr[prstatus_x86_order_[i]];
  v[15] = UINT64_MAX; /* orig_rax: no system call is to be begun anew */
  v[16] = r->pc;
  v[17] = r->seg[SEG_CS].selector;
  v[18] = r->flags;
  v[19] = r->sp;
  v[20] = r->seg[SEG_SS].selector;
  v[21] = r->seg[SEG_FS].base;
  v[22] = r->gs_base;
  v[23] = r->seg[SEG_DS].selector;
  v[24] = r->seg[SEG_ES].selector;
  v[25] = r->seg[SEG_FS].selector;
  v[26] = r->seg[SEG_GS].selector;
  memcpy (desc + PRSTATUS_PID, &pid, sizeof pid);
  memcpy (desc + PRSTATUS_REGS, v, sizeof v);
  note (b, "CORE", NT_PRSTATUS, desc, sizeof desc);
}

static void
prstatus_arm64 (struct buf *b, const struct vcpu_regs *r)
{
  unsigned char desc[PRSTATUS_ARM64] = { 0 };
  uint64_t v[PRSTATUS_ARM64_REGS] = { 0 };
  uint32_t pid = r->index + 1;

  memcpy (v, r->gpr, 31 * sizeof v[0]);
  v[31] = r->sp;
  v[32] = r->pc;
  v[33] = r->flags;
  memcpy (desc + PRSTATUS_PID, &pid, sizeof pid);
  memcpy (desc + PRSTATUS_REGS, v, sizeof v);
  note (b, "CORE", NT_PRSTATUS, desc, sizeof desc);
}

static void
qemu_cpu (struct buf *b, const struct vcpu_regs *r)
{
  struct qemu_cpu q = {
    .version = QEMU_CPU_VERSION,
    .size = sizeof q,
    .rax = r->gpr[0],
    .rcx = r->gpr[1],
    .rdx = r->gpr[2],
    .rbx = r->gpr[3],
    .rsp = r->gpr[4],
    .rbp = r->gpr[5],
    .rsi = r->gpr[6],
    .rdi = r->gpr[7],
    .rip = r->pc,
    .rflags = r->flags,
    .cr = { [0] = r->cr0, [2] = r->cr2, [3] = r->cr3, [4] = r->cr4 },
    .kernel_gs_base = r->kernel_gs_base,
  };

  memcpy (q.r, r->gpr + 8, sizeof q.r);
  for (unsigned i = 0; i < SEG_MAX; i++)
    q.seg[i] = (struct qemu_segment){ .selector = r->seg[i].selector,
                                      .limit = r->seg[i].limit,
                                      .flags = r->seg[i].flags,
                                      .base = r->seg[i].base };
  note (b, "QEMU", 0, &q, sizeof q);
}

static void
vmcoreinfo (struct core *c, const struct kernel *k)
{
  CLEANUP_FREE char *text = malloc (VMCOREINFO_MAX);
  size_t len = 0;

  if (text && k && k->info)
    len = vmcoreinfo_text (k->info, text, VMCOREINFO_MAX);
  if (len > 0)
    note (&c->head, "VMCOREINFO", 0, text, len);
  c->vmcoreinfo = len > 0;
}

/* In QEMU's order. */
void
core_notes_ (struct core *c, struct kernel *k, const struct vcpu_regs *cpus,
             unsigned ncpus)
{
  for (unsigned i = 0; i < ncpus; i++)
    if (cpus[i].arch == ARCH_X86_64)
      prstatus_x86 (&c->head, &cpus[i]);
    else if (cpus[i].arch == ARCH_ARM64)
      prstatus_arm64 (&c->head, &cpus[i]);
  for (unsigned i = 0; i < ncpus; i++)
    if (cpus[i].arch == ARCH_X86_64)
      qemu_cpu (&c->head, &cpus[i]);
  vmcoreinfo (c, k);
  c->cpus = ncpus;
}
