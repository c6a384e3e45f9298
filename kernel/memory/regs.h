/* SPDX-License-Identifier: Apache-2.0
 *
 * What a vCPU holds: from the monitor's `info registers -a`, or from the notes
 * of a core.  Text of a monitor is hostile, too: QEMU may be what is sick.
 */
#ifndef HANGDOG_KERNEL_MEMORY_REGS_H
#define HANGDOG_KERNEL_MEMORY_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct mem;

#define REGS_MAX_CPUS 512

enum arch
{
  ARCH_NONE,
  ARCH_X86_64,
  ARCH_ARM64,
};

/* x86, in the order of QEMU's note. */
enum vcpu_seg
{
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
  SEG_LDT,
  SEG_TR,
  SEG_GDT,
  SEG_IDT,
  SEG_MAX,
};

struct vcpu_segment
{
  uint32_t selector, limit, flags; /* flags as in its descriptor */
  uint64_t base;
};

struct vcpu_regs
{
  enum arch arch;
  unsigned index; /* QEMU's number */
  bool halted;
  unsigned cpl; /* 0 kernel .. 3 user; arm64: EL0 is 3, EL1 is 0 */
  bool irqs_off;
  uint64_t pc, sp, fp, flags;
  uint64_t gpr[32]; /* x86: in the order of its encoding, RAX RCX RDX RBX RSP
                       RBP RSI RDI R8.. ; arm64: X0.. */
  uint64_t cr0, cr2, cr3, cr4, efer;  /* x86; 0 = not known */
  uint64_t gs_base, kernel_gs_base;   /* x86 */
  uint64_t tr_base, idt_base;         /* x86 */
  struct vcpu_segment seg[SEG_MAX];   /* x86; the whole of these */
  uint64_t ttbr0, ttbr1, tcr, sp_el0; /* arm64; 0 = not known */
};

/* Returns how many, or -EBADMSG when there is no CPU in the text. */
int regs_parse (const char *text, size_t len, struct vcpu_regs *dst, size_t max,
                struct error *err);
/* Of a core; 0 when it has none. */
int regs_of_core (const struct mem *m, struct vcpu_regs *dst, size_t max);

#endif
