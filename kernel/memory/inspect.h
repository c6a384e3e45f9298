/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody from outside needs for a look: a kernel that is found, what it
 * has and lacks, and rows of it.  What is in it only kernel/memory knows
 * (kernel.h).
 */
#ifndef HANGDOG_KERNEL_MEMORY_INSPECT_H
#define HANGDOG_KERNEL_MEMORY_INSPECT_H

#include "base/rows.h"
#include "kernel/memory/moved.h"

struct error;
struct kernel;
struct mem;
struct vcpu_regs;

enum kernel_part
{
  PART_REGISTERS,
  PART_VMCOREINFO,
  PART_SYMBOLS,
  PART_TYPES,
  PART_UNWINDER,
  PART_MAX,
};
/* "registers", "vmcoreinfo", ... */
extern const char *const kernel_part_names[PART_MAX];

/* regs may be NULL.  -ENXIO: no Linux kernel in there, with the best reason (32
 * bits, still in its firmware, another system); -ENOENT: none was found where
 * one may be all the same (encrypted, cut off, not searched).  Then the
 * memory's text may still be carved: kernel_carve(). */
int kernel_find (struct mem *m, const struct vcpu_regs *regs, unsigned n,
                 struct kernel **ret, struct error *err);
void kernel_free (struct kernel *k);

/* ---- one that was found ---- */

/* For a later look: the tables stay, the vCPUs are elsewhere by now. */
int kernel_registers (struct kernel *k, const struct vcpu_regs *regs,
                      unsigned n, struct error *err);
/* Another boot has its kernel elsewhere: is this one where it was? */
bool kernel_still (struct kernel *k);
/* Why that part is not there, "" = it is. */
const char *kernel_lacks (const struct kernel *k, enum kernel_part part);
/* As `uname -r` has it. */
const char *kernel_release (const struct kernel *k);

/* CPU time of each step, for those who measure. */
struct kernel_cost
{
  uint32_t find_us, symbols_us, types_us, unwinder_us;
};
struct kernel_cost kernel_cost (const struct kernel *k);

/* ---- rows ---- */

/* A row "kernel", and those of the sections that are named; names NULL: of all
 * that are cheap; "all": of all.  What the guest lacks is told in rows: an
 * error is one of our own. */
int look_run (struct kernel *k, const char *const *names, struct rows *rows,
              struct error *err);

/* The same, and rows "moved" since the time before with the same m; m NULL:
 * without. */
int look_run_again (struct kernel *k, const char *const *names,
                    struct rows *rows, struct moved *m, struct error *err);

#endif
