/* SPDX-License-Identifier: Apache-2.0
 *
 * The notes of a core that hold a CPU, as bytes: who reads and who writes them
 * share this.
 */
#ifndef HANGDOG_KERNEL_MEMORY_REGS_IMPL_H
#define HANGDOG_KERNEL_MEMORY_REGS_IMPL_H

#include "kernel/memory/regs.h"

/* struct elf_prstatus: only its pr_pid and pr_reg say something here. */
#define PRSTATUS_X86 336
#define PRSTATUS_ARM64 392
#define PRSTATUS_PID 32
#define PRSTATUS_REGS 112
#define PRSTATUS_X86_REGS 27
#define PRSTATUS_ARM64_REGS 34

struct qemu_segment
{
  uint32_t selector, limit, flags, pad;
  uint64_t base;
};

/* QEMU's own note about an x86 CPU, name "QEMU", type 0. */
#define QEMU_CPU_VERSION 1
struct qemu_cpu
{
  uint32_t version, size;
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r[8], rip, rflags;
  struct qemu_segment seg[SEG_MAX];
  uint64_t cr[5];
  uint64_t kernel_gs_base;
};

/* What follows from the rest: privilege, interrupts. */
void regs_finish_ (struct vcpu_regs *r);

/* The first of pr_reg, as numbers of vcpu_regs.gpr. */
extern const uint8_t prstatus_x86_order_[15];

#endif
