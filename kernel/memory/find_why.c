/* SPDX-License-Identifier: Apache-2.0
 *
 * Why there is no kernel in a guest's memory: one honest sentence.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/mem_impl.h"

#include <string.h>

#define CR0_PE (1ULL << 0)
#define CR0_PG (1ULL << 31)
#define CR4_PAE (1ULL << 5)
#define CR4_LA57 (1ULL << 12)
#define EFER_LMA (1ULL << 10)

/* ---- what the bytes look like ---- */

#define SAMPLES 256
#define ENOUGH 16
/* Of 4096 random bytes the sum below is 255 and hardly ever over 350; of code,
 * text and structures it is thousands. */
#define RANDOM_MAX 400u

struct looks
{
  unsigned pages, random, zero;
};

static void
look_at (const unsigned char *page, struct looks *l)
{
  unsigned count[256] = { 0 }, sum = 0;

  for (size_t i = 0; i < MEM_PAGE; i++)
    count[page[i]]++;
  l->pages++;
  if (count[0] == MEM_PAGE)
    {
      l->zero++;
      return;
    }
  for (size_t i = 0; i < 256; i++)
    {
      unsigned off = count[i] > 16 ? count[i] - 16 : 16 - count[i];

      sum += off * off / 16;
    }
  l->random += sum < RANDOM_MAX;
}

/* Pages from all over the memory, of those that are there. */
static struct looks
sample (struct mem *m)
{
  unsigned char page[MEM_PAGE];
  struct looks l = { .pages = 0 };
  uint64_t step = mem_size (m) / SAMPLES, at, len, gpa = 0;

  step = step < MEM_PAGE ? MEM_PAGE : step;
  for (unsigned i = 0; i < SAMPLES; i++)
    {
      at = mem_next (m, gpa, &len);
      if (at == MEM_NONE)
        break;
      gpa = at > gpa ? at : gpa;
      gpa = (gpa + MEM_PAGE - 1) & ~(uint64_t) (MEM_PAGE - 1);
      if (mem_peek_ (m, gpa, page, sizeof page) == 0)
        look_at (page, &l);
      gpa += step;
    }
  return l;
}

/* ---- what the CPUs do ---- */

struct modes
{
  unsigned n, real, flat, bits32, low; /* of x86 */
};

static struct modes
modes_of (const struct kernel *k, bool halted)
{
  struct modes m = { .n = 0 };

  for (unsigned i = 0; i < k->ncpus; i++)
    {
      const struct vcpu_regs *r = &k->cpus[i];
      bool paging = r->cr0 & CR0_PG;

      if (r->arch != ARCH_X86_64 || r->cr0 == 0 || (r->halted && !halted))
        continue;
      m.n++;
      if (!(r->cr0 & CR0_PE))
        m.real++;
      else if (!paging)
        m.flat++;
      /* A core does not tell EFER; without PAE it cannot be long mode. */
      else if (r->efer != 0 ? !(r->efer & EFER_LMA) : !(r->cr4 & CR4_PAE))
        m.bits32++;
      else if (r->cpl == 0 && r->pc >> 47 == 0)
        m.low++;
    }
  return m;
}

/* ---- other systems ---- */

/* A page that every Windows has at a fixed address, with the folder that it
 * runs from in it. */
static bool
is_windows (struct kernel *k)
{
  static const char folder[] = ":\0\\\0W\0I\0N\0D\0O\0W\0S";
  const uint64_t shared = 0xfffff78000000000ULL;

  for (unsigned i = 0; i < k->ncpus && i < FIND_ROOTS; i++)
    {
      const struct vcpu_regs *r = &k->cpus[i];
      struct space_def def = { .arch = ARCH_X86_64,
                               .root = r->cr3 & 0x000ffffffffff000ULL,
                               .la57 = r->cr4 & CR4_LA57 };
      char have[sizeof folder];
      struct space *s;
      int e;

      if (r->arch != ARCH_X86_64 || space_new (k->mem, &def, &s, NULL) < 0)
        continue;
      e = space_read (s, shared + 0x32, have, sizeof have);
      space_free (s);
      for (size_t j = 0; e == 0 && j < sizeof have; j++)
        if (have[j] >= 'a' && have[j] <= 'z')
          have[j] = (char) (have[j] - 'a' + 'A');
      if (e == 0 && memcmp (have, folder, sizeof folder - 1) == 0)
        return true;
    }
  return false;
}

/* ---- the sentence ---- */

static int
of_modes (const struct modes *m, struct error *err)
{
  if (m->n > 0 && m->real + m->flat == m->n)
    return error_set (err, ENXIO,
                      "no kernel yet: its CPUs are in %s, so in"
                      " firmware or a boot loader",
                      m->real == m->n   ? "real mode"
                      : m->flat == m->n ? "protected mode without paging"
                                        : "real mode and in protected mode"
                                          " without paging");
  if (m->bits32 > 0)
    return error_set (err, ENXIO,
                      "its CPUs are in 32-bit mode; only 64-bit"
                      " kernels are understood");
  if (m->low > 0 && m->low + m->real + m->flat == m->n)
    return error_set (err, ENXIO,
                      "no kernel yet: its CPUs are in long mode"
                      " at low addresses, so in UEFI firmware or a boot"
                      " loader");
  return 0;
}

bool
find_none_runs_ (const struct kernel *k)
{
  struct modes m = modes_of (k, true);

  return m.n > 0 && m.n == k->ncpus && of_modes (&m, NULL) < 0;
}

int
find_nothing_ (struct kernel *k, struct error *err)
{
  struct looks l = sample (k->mem);
  /* Firmware leaves all but the first halted, in whichever mode it was in
   * then: they tell only when no other does. */
  struct modes m = modes_of (k, false);
  unsigned full = l.pages - l.zero;
  int e;

  if (m.n == 0)
    m = modes_of (k, true);
  if (full >= ENOUGH && l.random * 10 >= full * 9)
    return error_set (err, ENOENT,
                      "the memory looks encrypted (SEV, TDX): %u"
                      " of %u pages looked at are random bytes",
                      l.random, full);
  if (mem_cut (k->mem) > 0)
    return error_set (err, ENOENT,
                      "no kernel was found in what there is of this core:"
                      " %llu of its %llu MiB are not in the file, whose end is"
                      " cut off",
                      (unsigned long long) mem_cut (k->mem) >> 20,
                      (unsigned long long) mem_size (k->mem) >> 20);
  /* An arm64 kernel that says of itself what we cannot. */
  if (k->lacks[PART_VMCOREINFO][0] != '\0')
    return error_set (err, ENOENT, "%s", k->lacks[PART_VMCOREINFO]);
  e = of_modes (&m, err);
  if (e < 0)
    return e;
  if (is_windows (k))
    return error_set (err, ENXIO,
                      "the guest runs Windows, which is not"
                      " understood");
  if (!mem_can_scan (k->mem))
    return error_set (err, ENOENT,
                      "no register leads to a Linux kernel, and"
                      " its memory may not be searched: there is no pagemap");
  if (l.pages == 0)
    return error_set (err, ENOENT,
                      "nothing of the guest's memory is there:"
                      " not started, or swapped out");
  if (full == 0)
    return error_set (err, ENOENT, "the guest's memory is empty");
  return error_set (err, ENXIO,
                    "there is no Linux kernel in the memory: no"
                    " page table leads to one, and no VMCOREINFO tells of"
                    " one");
}
