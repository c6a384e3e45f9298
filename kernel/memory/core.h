/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory as an ELF core: what is to be in the file, in the order in
 * which it stands there.
 *
 * PT_LOAD by physical address, as dump-guest-memory writes it.  Where a kernel
 * was found, p_vaddr is its linear map's and its image has program headers of
 * its own over the same bytes, as in a vmcore of kdump: tools that know only
 * virtual addresses find their way, too.  The notes are VMCOREINFO, as this
 * kernel wrote it, and its CPUs.
 *
 * The guest runs on meanwhile: what belongs together may be of two moments.
 */
#ifndef HANGDOG_KERNEL_MEMORY_CORE_H
#define HANGDOG_KERNEL_MEMORY_CORE_H

#include "base/buf.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/regs.h"

struct error;
struct kernel;

#define CORE_MAX_HEAD (1u << 20)

struct core
{
  struct mem_range ranges[MEM_MAX_RANGES]; /* `at` is of the core */
  unsigned n;
  uint64_t bytes; /* of the whole file, holes too */
  struct buf head;
  bool vmcoreinfo, linear; /* it has the note; p_vaddr is known */
  unsigned cpus;
};

/* The head of it.  k and cpus may be NULL; neither is needed afterwards. */
int core_make (struct mem *m, struct kernel *k, const struct vcpu_regs *cpus,
               unsigned ncpus, struct core *ret, struct error *err);
void core_done (struct core *c);

struct core_copied
{
  uint64_t seen;       /* bytes that were there */
  uint64_t given;      /* of those, what is not zero */
  uint64_t unreadable; /* this host cannot read them: a hole in the core */
};

/* How much is there now: the guest may go on taking more. */
uint64_t core_present (struct mem *m);
/* Gives fn what is there and not zero, from the bottom on; len 0: nothing new,
 * but work was done.  A negative return ends it. */
typedef int core_data_fn (uint64_t at, const void *data, size_t len,
                          const struct core_copied *soon, void *arg);
int core_copy (const struct core *c, struct mem *m, core_data_fn *fn, void *arg,
               struct core_copied *ret, struct error *err);

/* core_notes.c */
int core_notes_ (struct core *c, struct kernel *k,
                 const struct vcpu_regs *cpus, unsigned ncpus);

#endif
