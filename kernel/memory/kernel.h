/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that was found in a guest's memory: where it is, what it is, and
 * the tables that everything else is read by.
 *
 * Found by the page table that a vCPU uses, else by VMCOREINFO, else by its
 * image.  Whatever was found is only believed when "Linux version " stands
 * where the kernel has its banner.  Each part that is missing takes something
 * with it and not all: `lacks` says in words what and why.
 */
#ifndef HANGDOG_KERNEL_MEMORY_KERNEL_H
#define HANGDOG_KERNEL_MEMORY_KERNEL_H

#include "kernel/memory/btf.h"
#include "kernel/memory/fields.h"
#include "kernel/memory/inspect.h"
#include "kernel/memory/ksyms.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/regs.h"
#include "kernel/memory/space.h"
#include "kernel/memory/vmcoreinfo.h"

struct error;
struct kernel_learned;
struct orc;

/* Read by kernel_modules(). */
struct kernel_module
{
  uint64_t at; /* the struct module */
  char name[57];
  uint64_t text, text_len; /* where its code is */
  uint64_t init, init_len; /* what runs while it is loaded; 0 = freed */
};

/* Addresses that are asked for all the time; 0 = not known. */
struct kernel_asked
{
  bool done;
  uint64_t offsets, ids, online, possible;
};

struct kernel
{
  struct mem *mem; /* not ours */
  struct space *space;
  enum arch arch;
  char banner[256]; /* "Linux version 6.1.0-50-...", as the guest has it */
  char release[65];
  uint64_t banner_at; /* its address: unchanged = the same boot, most likely */
  const char *found;  /* "page-table", "vmcoreinfo", "image" */
  struct ksyms_image image;
  struct vmcoreinfo *info; /* NULL = none that fits */
  struct ksyms *syms;      /* NULL = none */
  struct btf *btf;         /* NULL = none */
  struct fields fields;    /* what is not known is absent */
  struct orc *orc;         /* NULL = none */
  struct vcpu_regs *cpus;  /* ours; as given, and halted where code says so */
  unsigned ncpus;
  struct kernel_module *modules; /* sorted by text */
  size_t nmodules;
  bool modules_read;
  char lacks[PART_MAX][160]; /* "" = nothing lacks */
  struct kernel_asked asked;
  struct kernel_learned *learned; /* of kernels that name no data */
  struct kernel_cost cost;
};

/* The steps of kernel_find, in their own files. */
int kernel_locate_ (struct kernel *k, struct error *err);
int kernel_symbols_ (struct kernel *k, struct error *err);
int kernel_types_ (struct kernel *k, struct error *err);
int kernel_unwinder_ (struct kernel *k, struct error *err);

/* ---- what sections ask all the time ---- */

/* Address of a variable; a per-cpu one with cpu >= 0.  0 = not known. */
uint64_t kernel_var (struct kernel *k, const char *name);
uint64_t kernel_percpu (struct kernel *k, const char *name, unsigned cpu);
/* __per_cpu_offset; false = no such CPU. */
bool kernel_cpu_base (struct kernel *k, unsigned cpu, uint64_t *ret);
unsigned kernel_cpus (struct kernel *k); /* online, or possible */

/* A member's value, zero-extended: at object + its offset, its size. */
bool kernel_get (struct kernel *k, uint64_t object, enum field f,
                 uint64_t *ret);
bool kernel_get_signed (struct kernel *k, uint64_t object, enum field f,
                        int64_t *ret);
static inline bool
kernel_has (const struct kernel *k, enum field f)
{
  return fields_has (&k->fields, f);
}

/* Walks a list_head: fn gets the address of each node, until it returns false.
 * Both directions when it is damaged; nodes are counted and seen once.
 * 0, -EFAULT (damaged: what could be had was told), -E2BIG. */
int kernel_list (struct kernel *k, uint64_t head, unsigned max,
                 bool (*fn) (uint64_t node, void *arg), void *arg);

/* "func+0x12/0x80 [module]" into dst; a number when there is no name. */
void kernel_name_of (struct kernel *k, uint64_t va, char *dst, size_t n);

/* Modules' names and code are read once, when somebody needs them. */
void kernel_modules (struct kernel *k);
/* Where the i-th piece of memory of the module at `at` is told (since 6.4). */
bool kernel_module_piece_ (struct kernel *k, uint64_t at, unsigned i,
                           uint64_t *ret);
const struct kernel_module *kernel_module_of (struct kernel *k, uint64_t va);
/* What va is in, a module's, too. */
bool kernel_sym (struct kernel *k, uint64_t va, struct ksym *ret);

#endif
