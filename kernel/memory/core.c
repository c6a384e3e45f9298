/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's memory as an ELF core.
 */
#include "kernel/memory/core.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/find_impl.h"
#include "kernel/memory/mem_impl.h"

#include <elf.h>
#include <string.h>

#define PIECE (512u << 10)
#define MAX_IMAGE_HEADERS 16
#define MAX_HEADERS (1 + MAX_IMAGE_HEADERS + MEM_MAX_RANGES)
#define PROBES 8

struct headers
{
  Elf64_Phdr ph[MAX_HEADERS];
  unsigned n;
};

static void
add_header (struct headers *h, uint64_t va, uint64_t pa, uint64_t at,
            uint64_t len)
{
  if (h->n < MAX_HEADERS)
    h->ph[h->n++] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                  .p_flags = PF_R | PF_W | PF_X,
                                  .p_offset = at,
                                  .p_vaddr = va,
                                  .p_paddr = pa,
                                  .p_filesz = len,
                                  .p_memsz = len };
}

/* ---- where the kernel has it ---- */

static const struct mem_range *
largest (const struct mem *m)
{
  const struct mem_range *best = &m->ranges[0];

  for (size_t i = 1; i < m->nranges; i++)
    if (m->ranges[i].len > best->len)
      best = &m->ranges[i];
  return best;
}

/* Some pages may be taken out of the linear map; none is elsewhere in it. */
static bool
is_linear (struct kernel *k, const struct mem_range *r, uint64_t delta)
{
  unsigned found = 0;

  for (unsigned i = 0; i < PROBES; i++)
    {
      uint64_t gpa = r->gpa + r->len / PROBES * i, pa, run;

      gpa &= ~(uint64_t) (MEM_PAGE - 1);
      if (space_translate (k->space, gpa + delta, &pa, &run) < 0)
        continue;
      if (pa != gpa)
        return false;
      found++;
    }
  return found > PROBES / 2;
}

/* Where a kernel names no data: what is each CPU's own lies in the linear map,
 * and that begins at a multiple of 1 GiB. */
static bool
find_below_percpu (struct kernel *k, const struct mem *m, uint64_t *ret)
{
  uint64_t end = m->ranges[m->nranges - 1].gpa + m->ranges[m->nranges - 1].len;

  for (unsigned i = 0; i < k->ncpus; i++)
    {
      uint64_t at = k->cpus[i].gs_base, base = at & ~((1ULL << 30) - 1);

      if (k->cpus[i].cpl != 0 || !space_is_kernel (k->space, at))
        continue;
      for (; at - base < end; base -= 1ULL << 30)
        if (is_linear (k, largest (m), base))
          {
            *ret = base;
            return true;
          }
      return false;
    }
  return false;
}

/* Virtual addresses of the linear map less the physical ones. */
static bool
find_linear (struct kernel *k, const struct mem *m, uint64_t *ret)
{
  /* Of kernels with four and five levels, and of those before 4.20. */
  uint64_t try[4] = { 0, 0xffff888000000000ULL, 0xff11000000000000ULL,
                      0xffff880000000000ULL };
  const struct space_def *def = space_def (k->space);
  uint64_t var;
  int64_t start;

  if (k->arch == ARCH_X86_64 && (var = kernel_var (k, "page_offset_base")))
    (void) space_u64 (k->space, var, &try[0]);
  if (k->arch == ARCH_ARM64)
    {
      if (!k->info || !vmcoreinfo_number (k->info, "PHYS_OFFSET", &start))
        start = (int64_t) m->ranges[0].gpa;
      try[0] = -(1ULL << def->va_bits) - (uint64_t) start;
    }
  for (size_t i = 0; i < ARRAY_LEN (try); i++)
    if (try[i] != 0 && is_linear (k, largest (m), try[i]))
      {
        *ret = try[i];
        return true;
      }
  return k->arch == ARCH_X86_64 && find_below_percpu (k, m, ret);
}

static const struct mem_range *
range_at (const struct core *c, uint64_t gpa)
{
  for (unsigned i = 0; i < c->n; i++)
    if (gpa - c->ranges[i].gpa < c->ranges[i].len)
      return &c->ranges[i];
  return NULL;
}

/* The image lies in memory that has headers already: these lead to the same
 * bytes, and cost none. */
static void
add_image (struct headers *h, const struct core *c, struct kernel *k)
{
  uint64_t va = k->image.va, end = va + k->image.len;

  while (va < end && h->n < 1 + MAX_IMAGE_HEADERS)
    {
      Elf64_Phdr *last = h->n > 1 ? &h->ph[h->n - 1] : NULL;
      const struct mem_range *r;
      uint64_t pa, run = MEM_PAGE;

      if (space_translate (k->space, va, &pa, &run) < 0
          || !(r = range_at (c, pa)))
        {
          va += MEM_PAGE - va % MEM_PAGE;
          continue;
        }
      run = run < end - va ? run : end - va;
      run = run < r->gpa + r->len - pa ? run : r->gpa + r->len - pa;
      if (last && last->p_vaddr + last->p_memsz == va
          && last->p_paddr + last->p_memsz == pa && pa > r->gpa)
        last->p_filesz = last->p_memsz += run;
      else
        add_header (h, va, pa, r->at + (pa - r->gpa), run);
      va += run;
    }
}

/* ---- the head ---- */

static uint16_t
machine_of (const struct kernel *k, const struct vcpu_regs *cpus, unsigned n)
{
  enum arch arch = k ? k->arch : n > 0 ? cpus[0].arch : ARCH_NONE;

#ifdef __aarch64__
  if (arch == ARCH_NONE)
    arch = ARCH_ARM64;
#endif
  return arch == ARCH_ARM64 ? EM_AARCH64 : EM_X86_64;
}

static uint64_t
page_up (uint64_t v)
{
  return (v + MEM_PAGE - 1) & ~(uint64_t) (MEM_PAGE - 1);
}

/* The ranges, each from a page of the file on. */
static void
place (struct core *c, const struct mem *m, uint64_t at)
{
  for (size_t i = 0; i < m->nranges && c->n < MEM_MAX_RANGES; i++)
    {
      at = page_up (at);
      c->ranges[c->n++]
          = (struct mem_range){ m->ranges[i].gpa, m->ranges[i].len, at };
      at += m->ranges[i].len;
    }
  c->bytes = at;
}

static void
fill_headers (struct headers *h, struct core *c, const struct mem *m,
              struct kernel *k)
{
  uint64_t delta = 0;

  if (k)
    {
      c->linear = find_linear (k, m, &delta);
      add_image (h, c, k);
    }
  for (unsigned i = 0; i < c->n; i++)
    add_header (h, c->linear ? c->ranges[i].gpa + delta : 0, c->ranges[i].gpa,
                c->ranges[i].at, c->ranges[i].len);
}

int
core_make (struct mem *m, struct kernel *k, const struct vcpu_regs *cpus,
           unsigned ncpus, struct core *ret, struct error *err)
{
  const uint64_t notes
      = sizeof (Elf64_Ehdr) + sizeof (((struct headers *) 0)->ph);
  struct core c = { .head = BUF_INIT (CORE_MAX_HEAD) };
  struct headers h = { .n = 1 };
  Elf64_Ehdr head = { .e_type = ET_CORE,
                      .e_machine = machine_of (k, cpus, ncpus),
                      .e_version = EV_CURRENT,
                      .e_phoff = sizeof head,
                      .e_ehsize = sizeof head,
                      .e_phentsize = sizeof (Elf64_Phdr) };

  /* Others are lost without it. */
  if (k && !k->info)
    (void) find_vmcoreinfo_of_ (k);
  memcpy (head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_ident[EI_VERSION] = EV_CURRENT;
  /* Room first: how many headers there are is known when their offsets are,
   * and those when the notes are. */
  buf_append (&c.head, &head, sizeof head);
  buf_append (&c.head, h.ph, sizeof h.ph);
  if (core_notes_ (&c, k, cpus, ncpus) < 0)
    {
      core_done (&c);
      return error_errno (err, ENOMEM, "the notes of a core");
    }
  if (c.head.cut)
    {
      core_done (&c);
      return error_set (err, E2BIG, "the notes of %u CPUs do not fit a core",
                        ncpus);
    }
  place (&c, m, c.head.len);
  fill_headers (&h, &c, m, k);
  h.ph[0] = (Elf64_Phdr){ .p_type = PT_NOTE,
                          .p_offset = notes,
                          .p_filesz = c.head.len - notes,
                          .p_memsz = c.head.len - notes };
  head.e_phnum = (Elf64_Half) h.n;
  memcpy (c.head.data, &head, sizeof head);
  memcpy (c.head.data + sizeof head, h.ph, sizeof h.ph);
  *ret = c;
  return 0;
}

void
core_done (struct core *c)
{
  buf_done (&c->head);
}

/* ---- the memory ---- */

uint64_t
core_present (struct mem *m)
{
  uint64_t sum = 0, gpa = 0, len;

  while ((gpa = mem_next (m, gpa, &len)) != MEM_NONE)
    {
      sum += len;
      gpa += len;
    }
  return sum;
}

struct copy
{
  struct mem *m;
  core_data_fn *fn;
  void *arg;
  unsigned char *piece;
  struct core_copied sum;
  struct error *err;
};

/* What a page of the host's cannot give is a hole; a guest that went is not:
 * then there is no memory at all. */
static int
read_pages (struct copy *c, uint64_t gpa, size_t len)
{
  int e = mem_read (c->m, gpa, c->piece, len, c->err);

  if (e != -EIO && e != -EHWPOISON)
    return e;
  for (size_t at = 0; at < len; at += MEM_PAGE)
    {
      size_t n = len - at < MEM_PAGE ? len - at : MEM_PAGE;

      e = mem_read (c->m, gpa + at, c->piece + at, n, c->err);
      if (e == 0)
        continue;
      if (e != -EIO && e != -EHWPOISON)
        return e;
      memset (c->piece + at, 0, n);
      c->sum.unreadable += n;
    }
  return 0;
}

static bool
is_zero (const unsigned char *p, size_t n)
{
  return p[0] == 0 && memcmp (p, p + 1, n - 1) == 0;
}

/* Runs of pages that hold something. */
static int
give (struct copy *c, uint64_t at, size_t len)
{
  size_t from = 0, to = 0;
  int e = 0;

  c->sum.seen += len;
  while (e == 0 && to < len)
    {
      size_t n = len - to < MEM_PAGE ? len - to : MEM_PAGE;
      bool zero = is_zero (c->piece + to, n);

      if (!zero)
        to += n;
      if (from < to && (zero || to == len))
        {
          c->sum.given += to - from;
          e = c->fn (at + from, c->piece + from, to - from, &c->sum, c->arg);
        }
      if (zero)
        from = to += n;
    }
  /* The last that was given may have been long ago. */
  return e < 0 ? e : c->fn (at + len, NULL, 0, &c->sum, c->arg);
}

static int
copy_piece (const struct core *to, struct copy *c, uint64_t gpa, uint64_t len)
{
  const struct mem_range *r = range_at (to, gpa);

  if (!r || len > r->len - (gpa - r->gpa))
    return error_set (c->err, EINVAL,
                      "memory at 0x%llx has no place in the "
                      "core",
                      (unsigned long long) gpa);
  while (len > 0)
    {
      size_t n = len < PIECE ? (size_t) len : PIECE;
      int e = read_pages (c, gpa, n);

      if (e == 0)
        e = give (c, r->at + (gpa - r->gpa), n);
      if (e < 0)
        return e;
      gpa += n;
      len -= n;
    }
  return 0;
}

int
core_copy (const struct core *to, struct mem *m, core_data_fn *fn, void *arg,
           struct core_copied *ret, struct error *err)
{
  CLEANUP_FREE unsigned char *piece = malloc (PIECE);
  struct copy c = { .m = m, .fn = fn, .arg = arg, .piece = piece, .err = err };
  uint64_t gpa = 0, len;
  int e = 0;

  if (!piece)
    return error_errno (err, ENOMEM, "a piece of memory");
  while (e == 0 && (gpa = mem_next (m, gpa, &len)) != MEM_NONE)
    {
      e = copy_piece (to, &c, gpa, len);
      gpa += len;
    }
  *ret = c.sum;
  return e;
}
