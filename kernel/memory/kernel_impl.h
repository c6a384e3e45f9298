/* SPDX-License-Identifier: Apache-2.0
 *
 * What kernel.c shares with what it falls back to.
 */
#ifndef HANGDOG_KERNEL_MEMORY_KERNEL_IMPL_H
#define HANGDOG_KERNEL_MEMORY_KERNEL_IMPL_H

#include "kernel/memory/kernel.h"

#define KERNEL_MAX_CPUS 8192u

/* ---- of a kernel that names no data ---- */

enum learned_var
{
  LEARNED_MODULES,
  LEARNED_SUPER_BLOCKS,
  LEARNED_WORKQUEUES,
  LEARNED_LISTS, /* those before it are lists with their heads in the image */
  LEARNED_NETS = LEARNED_LISTS,
  LEARNED_BDEV,
  LEARNED_NODES,
  LEARNED_MAX,
};

struct kernel_learned
{
  bool cpus_tried, lists_tried, tried[LEARNED_MAX];
  uint64_t *base; /* of each CPU; 0 = not known */
  unsigned ncpus;
  uint64_t var[LEARNED_MAX];
};

/* NULL: no memory. */
struct kernel_learned *kernel_learned_ (struct kernel *k);

void kernel_learned_free_ (struct kernel_learned *l);
/* How many CPUs tasks were on; 0 = not known. */
unsigned kernel_learn_cpus_ (struct kernel *k);
bool kernel_learn_base_ (struct kernel *k, unsigned cpu, uint64_t *ret);
/* A variable that can be told by what it looks like; 0 = this cannot. */
uint64_t kernel_learn_var_ (struct kernel *k, const char *name);

#endif
