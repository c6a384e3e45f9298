/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the kernel is: by the page table that a vCPU uses.
 *
 * x86-64 only: QEMU does not say an arm64 CPU's TTBR1.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define CR3_ADDRESS 0x000ffffffffff000ULL
#define CR3_USER 0x1000ULL /* of the two tables of PTI: the user's */
#define CR4_LA57 (1ULL << 12)
#define EFER_LMA (1ULL << 10)

int
find_in_space_ (struct kernel *k, const struct space_def *def, uint64_t va,
                uint64_t end, const char *how)
{
  struct space *s;
  int e = space_new (k->mem, def, &s, NULL);

  if (e < 0)
    return e == -ENOMEM ? e : 0;
  e = find_image_ (k, s, va, end);
  if (e <= 0)
    {
      space_free (s);
      return e;
    }
  space_free (k->space);
  k->space = s;
  k->arch = def->arch;
  k->found = how;
  return 1;
}

/* ---- by registers ---- */

struct roots
{
  struct space_def def[FIND_ROOTS];
  size_t n;
};

static void
add_root (struct roots *r, uint64_t root, bool la57)
{
  for (size_t i = 0; i < r->n; i++)
    if (r->def[i].root == root && r->def[i].la57 == la57)
      return;
  if (r->n < FIND_ROOTS)
    r->def[r->n++]
        = (struct space_def){ .arch = ARCH_X86_64, .root = root, .la57 = la57 };
}

/* With page table isolation a CPU in user mode has a table with hardly any of
 * the kernel in it; the other is in the page before. */
static void
add_roots (struct roots *r, const struct vcpu_regs *cpu)
{
  uint64_t root = cpu->cr3 & CR3_ADDRESS;
  bool la57 = cpu->cr4 & CR4_LA57;

  if (root & CR3_USER)
    add_root (r, root & ~CR3_USER, la57);
  add_root (r, root, la57);
}

int
find_by_registers_ (struct kernel *k)
{
  struct roots r = { .n = 0 };

  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < k->ncpus; i++)
      {
        const struct vcpu_regs *cpu = &k->cpus[i];

        /* A core does not tell EFER. */
        if (cpu->arch == ARCH_X86_64 && (cpu->cpl == 0) == (pass == 0)
            && cpu->cr3 != 0 && (cpu->efer == 0 || cpu->efer & EFER_LMA))
          add_roots (&r, cpu);
      }
  for (size_t i = 0; i < r.n; i++)
    {
      int e = find_in_space_ (k, &r.def[i], FIND_X86_BEGIN, FIND_X86_END,
                              "page-table");

      if (e != 0)
        return e;
    }
  return 0;
}

/* ---- all ways ---- */

/* With the reason that find_nothing_() sees. */
static int
nothing_as (struct kernel *k, int code, struct error *err)
{
  (void) find_nothing_ (k, err);
  if (err)
    err->code = code;
  return -code;
}

int
kernel_locate_ (struct kernel *k, struct error *err)
{
  static int (*const ways[]) (struct kernel * k) = {
    find_by_registers_,
    find_by_vmcoreinfo_,
    find_by_image_,
    find_by_banner_,
  };
  int stopped = 0, e;

  if (k->ncpus == 0)
    snprintf (k->lacks[PART_REGISTERS], sizeof k->lacks[0],
              "no registers of its vCPUs were given");
  for (size_t i = 0; i < ARRAY_LEN (ways); i++)
    {
      e = ways[i](k);
      if (e > 0)
        return 0;
      if (e < 0)
        stopped = e;
      /* After a reset all of the kernel before is still there, dead, whatever
       * the memory looks like. */
      if (i == 0 && e == 0 && find_none_runs_ (k))
        return nothing_as (k, ENXIO, err);
    }
  if (stopped == -ETIME)
    return error_set (err, ETIME, "the time was up before a kernel was found");
  if (stopped == -EDQUOT)
    return error_set (err, EDQUOT,
                      "no kernel was found in as much of the"
                      " memory as may be read");
  if (stopped < 0 && stopped != -EFAULT)
    return error_errno (err, -stopped, "looking for a kernel");
  /* What could not be read may have it. */
  return stopped ? nothing_as (k, ENOENT, err) : find_nothing_ (k, err);
}
