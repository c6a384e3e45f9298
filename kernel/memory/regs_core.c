/* SPDX-License-Identifier: Apache-2.0
 *
 * vCPUs' registers, out of a core's notes.
 */
#include "kernel/memory/regs_impl.h"

#include "base/cleanup.h"
#include "kernel/memory/mem_impl.h"

#include <elf.h>
#include <string.h>

/* ---- notes of a core ---- */

const uint8_t prstatus_x86_order_[15]
    = { 15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7 };

static void
take_prstatus_x86 (struct vcpu_regs *r, const unsigned char *desc)
{
  uint64_t v[PRSTATUS_X86_REGS];

  memcpy (v, desc + PRSTATUS_REGS, sizeof v);
  for (size_t i = 0; i < ARRAY_LEN (prstatus_x86_order_); i++)
    r->gpr[prstatus_x86_order_[i]] = v[i];
  r->pc = v[16];
  r->cpl = (unsigned) (v[17] & 3);
  r->flags = v[18];
  r->gpr[4] = v[19];
  r->gs_base = v[22];
  r->arch = ARCH_X86_64;
}

static void
take_prstatus_arm64 (struct vcpu_regs *r, const unsigned char *desc)
{
  uint64_t v[PRSTATUS_ARM64_REGS];

  memcpy (v, desc + PRSTATUS_REGS, sizeof v);
  memcpy (r->gpr, v, 31 * sizeof v[0]);
  r->sp = v[31];
  r->pc = v[32];
  r->flags = v[33];
  r->arch = ARCH_ARM64;
}

static void
take_qemu (struct vcpu_regs *r, const struct qemu_cpu *q)
{
  const uint64_t first[]
      = { q->rax, q->rcx, q->rdx, q->rbx, q->rsp, q->rbp, q->rsi, q->rdi };

  memcpy (r->gpr, first, sizeof first);
  memcpy (r->gpr + 8, q->r, sizeof q->r);
  r->pc = q->rip;
  r->flags = q->rflags;
  for (unsigned i = 0; i < SEG_MAX; i++)
    r->seg[i] = (struct vcpu_segment){ q->seg[i].selector, q->seg[i].limit,
                                       q->seg[i].flags, q->seg[i].base };
  r->cpl = q->seg[SEG_CS].selector & 3;
  r->cr0 = q->cr[0];
  r->cr2 = q->cr[2];
  r->cr3 = q->cr[3];
  r->cr4 = q->cr[4];
  r->gs_base = q->seg[SEG_GS].base;
  r->kernel_gs_base = q->kernel_gs_base;
  r->tr_base = q->seg[SEG_TR].base;
  r->idt_base = q->seg[SEG_IDT].base;
  r->arch = ARCH_X86_64;
}

int
regs_of_core (const struct mem *m, struct vcpu_regs *dst, size_t max)
{
  size_t n = 0, nqemu = 0;
  struct mem_note note;

  for (unsigned i = 0; mem_note (m, i, &note); i++)
    {
      bool x86 = m->machine == EM_X86_64;

      /* Of both kinds there is one per CPU, in the order of the CPUs. */
      if (strcmp (note.name, "CORE") == 0 && note.type == NT_PRSTATUS
          && note.len >= (x86 ? PRSTATUS_X86 : PRSTATUS_ARM64) && n < max)
        {
          dst[n] = (struct vcpu_regs){ .index = (unsigned) n };
          if (x86)
            take_prstatus_x86 (&dst[n], note.desc);
          else
            take_prstatus_arm64 (&dst[n], note.desc);
          n++;
        }
    }
  for (unsigned i = 0; m->machine == EM_X86_64 && mem_note (m, i, &note); i++)
    {
      struct qemu_cpu q = { 0 };

      if (strcmp (note.name, "QEMU") != 0 || note.type != 0
          || note.len < offsetof (struct qemu_cpu, kernel_gs_base))
        continue;
      memcpy (&q, note.desc, note.len < sizeof q ? note.len : sizeof q);
      if (q.version != QEMU_CPU_VERSION || nqemu >= max)
        continue;
      if (nqemu == n)
        dst[n++] = (struct vcpu_regs){ .index = (unsigned) nqemu };
      take_qemu (&dst[nqemu++], &q);
    }
  for (size_t i = 0; i < n; i++)
    regs_finish_ (&dst[i]);
  return (int) n;
}
