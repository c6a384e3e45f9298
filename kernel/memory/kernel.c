/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that was found, and what sections ask of it all the time.
 */
#include "kernel/memory/kernel_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "kernel/memory/find_impl.h"
#include "kernel/memory/unwind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARM64_WFI 0xd503207fu
#define X86_STI_HLT 0xf4fbu /* in the order of memory */

/* ---- finding it ---- */

static void
kernel_cleanup (struct kernel **k)
{
  kernel_free (*k);
}

void
kernel_free (struct kernel *k)
{
  if (!k)
    return;
  orc_free (k->orc);
  btf_free (k->btf);
  ksyms_free (k->syms);
  vmcoreinfo_free (k->info);
  space_free (k->space);
  kernel_learned_free_ (k->learned);
  free (k->modules);
  free (k->cpus);
  free (k);
}

/* A core does not say whether a CPU waits for its next interrupt, nor does
 * QEMU of arm64: the instruction behind it tells.  (On arm64 that is done with
 * interrupts masked, and is no sign of harm.) */
static void
see_halted (struct kernel *k)
{
  for (unsigned i = 0; i < k->ncpus; i++)
    {
      struct vcpu_regs *r = &k->cpus[i];
      uint32_t last = 0;
      uint16_t two = 0;

      if (r->cpl != 0 || r->halted)
        continue;
      if (r->arch == ARCH_ARM64 && space_u32 (k->space, r->pc - 4, &last))
        r->halted = last == ARM64_WFI;
      else if (r->arch == ARCH_X86_64 && space_u16 (k->space, r->pc - 2, &two))
        r->halted = two == X86_STI_HLT && !r->irqs_off;
    }
}

/* A part that is not there leaves its reason and takes nothing else along. */
static int
step (struct kernel *k, int (*fn) (struct kernel *k, struct error *err),
      enum kernel_part part, uint32_t *ret_us)
{
  struct error err = ERROR_INIT;
  uint64_t began = clock_cpu_us ();
  int e = fn (k, &err);

  *ret_us = (uint32_t) (clock_cpu_us () - began);
  if (e < 0 && k->lacks[part][0] == '\0')
    snprintf (k->lacks[part], sizeof k->lacks[part], "%.159s",
              error_text (&err));
  return e == -ENOMEM ? e : 0;
}

static int
take_parts (struct kernel *k)
{
  int e = step (k, kernel_symbols_, PART_SYMBOLS, &k->cost.symbols_us);

  if (e < 0)
    return e;
  /* Tables of a layout that nobody knows yet: a kernel since 6.0 still says
   * where they are. */
  if (!k->syms && !k->info && find_vmcoreinfo_of_ (k))
    {
      uint32_t us = k->cost.symbols_us;

      k->lacks[PART_SYMBOLS][0] = '\0';
      e = step (k, kernel_symbols_, PART_SYMBOLS, &k->cost.symbols_us);
      k->cost.symbols_us += us;
      if (e < 0)
        return e;
    }
  find_own_table_ (k);
  find_true_banner_ (k);
  if (!k->info)
    {
      find_vmcoreinfo_ (k);
      if (k->info)
        k->lacks[PART_VMCOREINFO][0] = '\0';
    }
  /* It may tell of tables that were not recognised. */
  if (k->info && !k->syms)
    {
      k->lacks[PART_SYMBOLS][0] = '\0';
      e = step (k, kernel_symbols_, PART_SYMBOLS, &k->cost.symbols_us);
      if (e < 0)
        return e;
    }
  if (!k->info && k->lacks[PART_VMCOREINFO][0] == '\0')
    snprintf (k->lacks[PART_VMCOREINFO], sizeof k->lacks[0],
              "no VMCOREINFO of this kernel was found");
  e = step (k, kernel_types_, PART_TYPES, &k->cost.types_us);
  if (e < 0)
    return e;
  return step (k, kernel_unwinder_, PART_UNWINDER, &k->cost.unwinder_us);
}

static int
take_registers (struct kernel *k, const struct vcpu_regs *regs, unsigned n,
                struct error *err)
{
  struct vcpu_regs *cpus = NULL;

  n = !regs ? 0 : n < REGS_MAX_CPUS ? n : REGS_MAX_CPUS;
  if (n > 0)
    {
      cpus = malloc (n * sizeof *cpus);
      if (!cpus)
        return error_errno (err, ENOMEM, "a kernel's CPUs");
      memcpy (cpus, regs, n * sizeof *cpus);
    }
  free (k->cpus);
  k->cpus = cpus;
  k->ncpus = n;
  return 0;
}

int
kernel_find (struct mem *m, const struct vcpu_regs *regs, unsigned n,
             struct kernel **ret, struct error *err)
{
  CLEANUP (kernel_cleanup) struct kernel *k = calloc (1, sizeof *k);
  uint64_t began = clock_cpu_us ();
  int e;

  if (!k)
    return error_errno (err, ENOMEM, "a kernel");
  k->mem = m;
  e = take_registers (k, regs, n, err);
  if (e < 0)
    return e;
  e = kernel_locate_ (k, err);
  k->cost.find_us = (uint32_t) (clock_cpu_us () - began);
  if (e < 0)
    return e;
  see_halted (k);
  e = take_parts (k);
  if (e < 0)
    return error_errno (err, -e, "a kernel's tables");
  *ret = steal_ptr (&k);
  return 0;
}

/* ---- of one that was found ---- */

int
kernel_registers (struct kernel *k, const struct vcpu_regs *regs, unsigned n,
                  struct error *err)
{
  int e = take_registers (k, regs, n, err);

  if (e == 0)
    see_halted (k);
  return e;
}

bool
kernel_still (struct kernel *k)
{
  char banner[sizeof k->banner];
  size_t len = strnlen (k->banner, sizeof banner);

  return len == 0
         || (space_read (k->space, k->banner_at, banner, len) == 0
             && memcmp (banner, k->banner, len) == 0);
}

const char *
kernel_lacks (const struct kernel *k, enum kernel_part part)
{
  return k->lacks[part];
}

const char *
kernel_release (const struct kernel *k)
{
  return k->release;
}

struct kernel_cost
kernel_cost (const struct kernel *k)
{
  return k->cost;
}

/* ---- variables ---- */

uint64_t
kernel_var (struct kernel *k, const char *name)
{
  uint64_t at = k->syms ? ksyms_addr (k->syms, name) : 0;

  if (at == 0 && k->info && !vmcoreinfo_symbol (k->info, name, &at))
    at = 0;
  return at != 0 ? at : kernel_learn_var_ (k, name);
}

uint64_t
kernel_percpu (struct kernel *k, const char *name, unsigned cpu)
{
  uint64_t base, at = kernel_var (k, name);
  uint32_t offset;

  if (!kernel_cpu_base (k, cpu, &base))
    return 0;
  if (at != 0)
    return base + at;
  /* Kernels that name no data still describe these among their types. */
  if (k->btf && btf_percpu (k->btf, name, &offset))
    return base + kernel_var (k, "__per_cpu_start") + offset;
  return 0;
}

/* What GS points at in the kernel, where no table tells it. */
static bool
base_of_registers (struct kernel *k, unsigned cpu, uint64_t *ret)
{
  for (unsigned i = 0; i < k->ncpus; i++)
    {
      const struct vcpu_regs *r = &k->cpus[i];
      uint64_t base = space_is_kernel (k->space, r->gs_base)
                          ? r->gs_base
                          : r->kernel_gs_base;

      if (r->arch == ARCH_X86_64 && r->index == cpu
          && space_is_kernel (k->space, base))
        {
          *ret = base;
          return true;
        }
    }
  return false;
}

/* Looked up once: sections ask for each CPU of each thing. */
static const struct kernel_asked *
asked (struct kernel *k)
{
  struct kernel_asked *a = &k->asked;

  if (!a->done && k->syms)
    *a = (struct kernel_asked){ .done = true,
                                .offsets = kernel_var (k, "__per_cpu_offset"),
                                .ids = kernel_var (k, "nr_cpu_ids"),
                                .online = kernel_var (k, "__cpu_online_mask"),
                                .possible
                                = kernel_var (k, "__cpu_possible_mask") };
  return a;
}

bool
kernel_cpu_base (struct kernel *k, unsigned cpu, uint64_t *ret)
{
  uint64_t table = asked (k)->offsets;

  /* Beyond the CPUs that there may be the table holds the boot CPU's first
   * place. */
  if (cpu >= KERNEL_MAX_CPUS || cpu >= kernel_cpus (k))
    return false;
  if (table == 0)
    return kernel_learn_base_ (k, cpu, ret) || base_of_registers (k, cpu, ret);
  return space_u64 (k->space, table + 8 * (uint64_t) cpu, ret);
}

/* The highest CPU in a mask, counted from 1; 0 = none. */
static unsigned
last_of_mask (struct kernel *k, uint64_t at, unsigned bits)
{
  uint64_t word;
  unsigned last = 0;

  for (unsigned i = 0; at != 0 && i < bits; i += 64)
    {
      if (!space_u64 (k->space, at + i / 8, &word))
        break;
      if (bits - i < 64)
        word &= (1ULL << (bits - i)) - 1;
      if (word != 0)
        last = i + 64 - (unsigned) __builtin_clzll (word);
    }
  return last;
}

unsigned
kernel_cpus (struct kernel *k)
{
  const struct kernel_asked *a = asked (k);
  uint32_t ids = 0;
  unsigned n;

  if (a->ids != 0 && !space_u32 (k->space, a->ids, &ids))
    ids = 0;
  if (ids > KERNEL_MAX_CPUS)
    ids = 0;
  /* Without a number of them only the first word of a mask is sure to be one
   * of it. */
  n = last_of_mask (k, a->online, ids > 0 ? ids : 64);
  if (n == 0)
    n = last_of_mask (k, a->possible, ids > 0 ? ids : 64);
  if (n == 0)
    n = ids;
  if (n == 0)
    n = kernel_learn_cpus_ (k);
  if (n == 0)
    n = k->ncpus;
  return n > 0 ? n : 1;
}

/* ---- members ---- */

static bool
get (struct kernel *k, uint64_t object, enum field f, uint64_t *ret,
     unsigned *ret_bits)
{
  const struct field_at *at = &k->fields.at[f];
  size_t len = at->bits > 0 ? (at->bit + at->bits + 7u) / 8 : at->size;
  uint64_t v = 0;

  if (at->size == 0 || len > sizeof v
      || space_read (k->space, object + at->offset, &v, len) < 0)
    return false;
  *ret_bits = (unsigned) len * 8;
  if (at->bits > 0)
    {
      v >>= at->bit;
      *ret_bits = at->bits;
      if (at->bits < 64)
        v &= (1ULL << at->bits) - 1;
    }
  *ret = v;
  return true;
}

bool
kernel_get (struct kernel *k, uint64_t object, enum field f, uint64_t *ret)
{
  unsigned bits;

  return get (k, object, f, ret, &bits);
}

bool
kernel_get_signed (struct kernel *k, uint64_t object, enum field f,
                   int64_t *ret)
{
  unsigned bits;
  uint64_t v, sign;

  if (!get (k, object, f, &v, &bits))
    return false;
  sign = 1ULL << (bits - 1);
  *ret = (int64_t) ((v ^ sign) - sign);
  return true;
}

/* ---- names ---- */

void
kernel_name_of (struct kernel *k, uint64_t va, char *dst, size_t n)
{
  struct ksym s;
  int len;

  if (!k->syms || !ksyms_find (k->syms, va, &s))
    {
      snprintf (dst, n, "0x%llx", (unsigned long long) va);
      return;
    }
  len = snprintf (dst, n, "%s+0x%llx", s.name,
                  (unsigned long long) (va - s.start));
  if (s.size > 0 && len >= 0 && (size_t) len < n)
    len += snprintf (dst + len, n - (size_t) len, "/0x%llx",
                     (unsigned long long) s.size);
  if (s.module && len >= 0 && (size_t) len < n)
    snprintf (dst + len, n - (size_t) len, " [%s]", s.module);
}
