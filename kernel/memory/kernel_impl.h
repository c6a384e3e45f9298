/* SPDX-License-Identifier: Apache-2.0
 *
 * What kernel.c shares with what it falls back to.
 */
#ifndef HANGDOG_KERNEL_MEMORY_KERNEL_IMPL_H
#define HANGDOG_KERNEL_MEMORY_KERNEL_IMPL_H

#include "kernel/memory/kernel.h"

#define KERNEL_MAX_CPUS 8192u

/* ---- kernel_learn.c: of a kernel that names no data ---- */

void kernel_learned_free_ (struct kernel_learned *l);
/* How many CPUs tasks were on; 0 = not known. */
unsigned kernel_learn_cpus_ (struct kernel *k);
bool kernel_learn_base_ (struct kernel *k, unsigned cpu, uint64_t *ret);
/* A variable that can be told by what it looks like; 0 = this cannot. */
uint64_t kernel_learn_var_ (struct kernel *k, const char *name);

#endif
