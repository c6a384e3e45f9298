/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the kernel is: by what it wrote down of itself.
 *
 * There may be several such pages: of the kernel before a kexec, of a safe
 * copy, of a file in the page cache, or written by anybody in the guest.  One
 * counts when the page table that it names leads to a release and a banner
 * that are its own.  A process may build all of that in its memory: when no
 * CPU is seen in the kernel that was found, others are looked for, and the one
 * with more of a kernel to it is taken.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/space_impl.h"

#include <stdio.h>
#include <string.h>

#define UTS_RELEASE 130 /* two names of 65 bytes before it */

/* ---- what it says of its tables ---- */

static bool
def_x86 (const struct vmcoreinfo *v, struct space_def *ret)
{
  uint64_t top;
  int64_t n;

  if (!vmcoreinfo_symbol (v, "init_top_pgt", &top)
      && !vmcoreinfo_symbol (v, "init_level4_pgt", &top))
    return false;
  if (!vmcoreinfo_number (v, "phys_base", &n))
    return false;
  *ret = (struct space_def){ .arch = ARCH_X86_64 };
  ret->root = top - FIND_X86_BEGIN + (uint64_t) n;
  ret->la57 = vmcoreinfo_number (v, "pgtable_l5_enabled", &n) && n == 1;
  if (vmcoreinfo_number (v, "sme_mask", &n))
    ret->strip = (uint64_t) n;
  return true;
}

static bool
def_arm64 (const struct vmcoreinfo *v, struct space_def *ret)
{
  uint64_t top, page;
  int64_t voffset, bits, t1sz;

  if (!vmcoreinfo_symbol (v, "swapper_pg_dir", &top)
      || !vmcoreinfo_number (v, "kimage_voffset", &voffset)
      || !vmcoreinfo_number (v, "VA_BITS", &bits)
      || !vmcoreinfo_value (v, "PAGESIZE", &page))
    return false;
  *ret = (struct space_def){ .arch = ARCH_ARM64 };
  ret->root = top - (uint64_t) voffset;
  ret->page_shift = page == 4096    ? 12
                    : page == 16384 ? 14
                    : page == 65536 ? 16
                                    : 0;
  /* What the CPU was told may be less than what the kernel was built for. */
  if (vmcoreinfo_number (v, "TCR_EL1_T1SZ", &t1sz) && t1sz > 0 && t1sz < 64)
    bits = 64 - t1sz;
  ret->va_bits = bits > 0 && bits < 64 ? (unsigned) bits : 0;
  return ret->page_shift > 0;
}

/* ---- whether it is true ---- */

static bool
has_release (struct space *s, const struct vmcoreinfo *v, uint64_t uts)
{
  const char *want = vmcoreinfo_release (v);
  /* uts_namespace.name is behind a counter in kernels before 5.11. */
  uint32_t offsets[] = { 0, 4, 0 };
  size_t n = strlen (want) + 1;
  char have[65];

  if (!vmcoreinfo_offset (v, "uts_namespace.name", &offsets[0]))
    offsets[0] = 0;
  for (size_t i = 0; i < ARRAY_LEN (offsets); i++)
    if (n <= sizeof have
        && space_read (s, uts + offsets[i] + UTS_RELEASE, have, n) == 0
        && memcmp (have, want, n) == 0)
      return true;
  return false;
}

/* 1 true, 0 not of this kernel. */
static int
fits (struct space *s, const struct vmcoreinfo *v)
{
  uint64_t uts;

  return vmcoreinfo_symbol (v, "init_uts_ns", &uts) && has_release (s, v, uts);
}

/* Where the image lies, by the one address of it that is always there. */
static void
image_window (enum arch arch, const struct vmcoreinfo *v, uint64_t *begin,
              uint64_t *end)
{
  uint64_t text;

  *begin = FIND_X86_BEGIN;
  *end = FIND_X86_END;
  if (arch == ARCH_ARM64 && vmcoreinfo_symbol (v, "_stext", &text))
    {
      *begin = text & ~((2ULL << 20) - 1);
      *end = *begin + FIND_IMAGE_MAX;
    }
}

static int
try_one (struct kernel *k, const struct vmcoreinfo *v)
{
  struct space_def def;
  struct space *s;
  struct error err = ERROR_INIT;
  uint64_t begin, end;
  int e;

  if (!def_x86 (v, &def) && !def_arm64 (v, &def))
    return 0;
  e = space_new (k->mem, &def, &s, &err);
  if (e < 0)
    {
      if (e == -EOPNOTSUPP)
        snprintf (k->lacks[PART_VMCOREINFO], sizeof k->lacks[0], "%.159s",
                  error_text (&err));
      return e == -ENOMEM ? e : 0;
    }
  e = fits (s, v);
  space_free (s);
  if (e <= 0)
    return e;
  image_window (def.arch, v, &begin, &end);
  e = find_in_space_ (k, &def, begin, end, "vmcoreinfo");
  if (e > 0 && strcmp (k->release, vmcoreinfo_release (v)) != 0)
    {
      space_free (k->space);
      k->space = NULL;
      return 0;
    }
  return e;
}

/* ---- looking for it ---- */

#define MAX_FITS 8
/* That are there, after the first that fits: up to a second. */
#define PAGES_MORE (1u << 20)
#define MANY 64 /* pages of which none is true: worth a word */

/* What was found by one of them. */
struct fit
{
  struct space *space;
  enum arch arch;
  struct ksyms_image image;
  uint64_t banner_at;
  char banner[sizeof ((struct kernel *) 0)->banner];
  char release[65];
  struct vmcoreinfo *info;
  size_t symbols;
  unsigned claims;
};

struct hunt
{
  struct kernel *k;
  int result;
  unsigned tried;
  uint64_t pages; /* that may be looked at */
  struct fit fits[MAX_FITS];
  size_t n;
};

static void
fit_clear (struct fit *f)
{
  space_free (f->space);
  vmcoreinfo_free (f->info);
  *f = (struct fit){ .space = NULL };
}

static void
hunt_clear (struct hunt *h)
{
  for (size_t i = 0; i < h->n; i++)
    fit_clear (&h->fits[i]);
  h->n = 0;
}

/* A CPU executes kernel code there: that no process can make. */
static bool
runs_here (const struct kernel *k)
{
  for (unsigned i = 0; i < k->ncpus; i++)
    {
      const struct vcpu_regs *r = &k->cpus[i];
      struct space_walk w;

      if (r->arch == k->arch && r->cpl == 0
          && space_is_kernel (k->space, r->pc)
          && space_walk_ (k->space, r->pc, &w) == 0 && w.mapped && w.exec)
        return true;
    }
  return false;
}

/* How much of what it says is there: names that anybody may add count not. */
static unsigned
claims_of (struct space *s, const struct vmcoreinfo *v)
{
  static const char *const names[]
      = { "_stext",       "init_uts_ns",      "swapper_pg_dir",
          "init_top_pgt", "node_online_map",  "mem_section",
          "prb",          "printk_rb_static", "clear_seq",
          "log_buf",      "kallsyms_names",   "kallsyms_num_syms",
          "kallsyms_token_table", "kallsyms_token_index",
          "kallsyms_offsets" };
  uint64_t at, pa, run;
  unsigned n = 0;

  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    n += vmcoreinfo_symbol (v, names[i], &at)
         && space_translate (s, at, &pa, &run) == 0;
  return n;
}

/* Out of k, into a place of its own; takes info. */
static void
fit_take (struct fit *f, struct kernel *k, struct vmcoreinfo *info)
{
  *f = (struct fit){ .space = k->space,
                     .arch = k->arch,
                     .image = k->image,
                     .banner_at = k->banner_at,
                     .info = info,
                     .claims = info ? claims_of (k->space, info) : 0 };
  memcpy (f->banner, k->banner, sizeof f->banner);
  memcpy (f->release, k->release, sizeof f->release);
  k->space = NULL;
}

/* Back into k, all of it. */
static void
fit_give (struct fit *f, struct kernel *k)
{
  k->space = steal_ptr (&f->space);
  k->info = steal_ptr (&f->info);
  k->arch = f->arch;
  k->image = f->image;
  k->banner_at = f->banner_at;
  memcpy (k->banner, f->banner, sizeof f->banner);
  memcpy (k->release, f->release, sizeof f->release);
  k->found = "vmcoreinfo";
}

/* Copies of one page lead to one kernel; of those the one that says more of it
 * is kept. */
static void
take_fit (struct hunt *h, struct vmcoreinfo *info)
{
  struct kernel *k = h->k;
  struct fit new;

  fit_take (&new, k, info);
  for (size_t i = 0; i < h->n; i++)
    if (space_def (h->fits[i].space)->root == space_def (new.space)->root)
      {
        if (new.claims > h->fits[i].claims)
          {
            struct fit old = h->fits[i];

            h->fits[i] = new;
            new = old;
          }
        fit_clear (&new);
        return;
      }
  h->fits[h->n++] = new;
}

static bool
hunt_one (const struct vmcoreinfo *v, uint64_t gpa, void *arg)
{
  struct hunt *h = arg;
  struct kernel *k = h->k;
  bool proven;
  int e;

  h->tried++;
  e = try_one (k, v);
  if (e < 0)
    h->result = e;
  if (e <= 0)
    return e < 0;
  proven = runs_here (k);
  if (proven)
    hunt_clear (h);
  else if (h->n == 0)
    h->pages = PAGES_MORE;
  take_fit (h, vmcoreinfo_read (k->mem, gpa));
  return proven || h->n == MAX_FITS;
}

/* A kernel has tens of thousands of names. */
static size_t
symbols_of (struct kernel *k, struct fit *f)
{
  size_t n = 0;

  fit_give (f, k);
  if (kernel_symbols_ (k, NULL) == 0)
    n = ksyms_count (k->syms);
  ksyms_free (k->syms);
  k->syms = NULL;
  fit_take (f, k, steal_ptr (&k->info));
  return n;
}

/* The best of them into k. */
static void
choose (struct hunt *h)
{
  struct kernel *k = h->k;
  struct fit *best = &h->fits[0];

  for (size_t i = 0; h->n > 1 && i < h->n; i++)
    h->fits[i].symbols = symbols_of (k, &h->fits[i]);
  for (size_t i = 1; i < h->n; i++)
    {
      struct fit *f = &h->fits[i];

      if (f->symbols > best->symbols
          || (f->symbols == best->symbols && f->claims > best->claims))
        best = f;
    }
  k->lacks[PART_VMCOREINFO][0] = '\0';
  if (h->n > 1)
    snprintf (k->lacks[PART_VMCOREINFO], sizeof k->lacks[0],
              "the memory tells of %zu kernels, and no CPU shows which one "
              "runs: this one has the most to it (%zu names)",
              h->n, best->symbols);
  fit_give (best, k);
}

/* A core of a guest with QEMU's vmcoreinfo device has it among its notes. */
static int
hunt_notes (struct kernel *k)
{
  struct mem_note note;

  for (unsigned i = 0; mem_note (k->mem, i, &note); i++)
    {
      struct vmcoreinfo *v;
      int e;

      if (strcmp (note.name, "VMCOREINFO") != 0
          || vmcoreinfo_parse (note.desc, note.len, &v, NULL) < 0)
        continue;
      e = try_one (k, v);
      if (e > 0)
        k->info = v;
      else
        vmcoreinfo_free (v);
      if (e != 0)
        return e;
    }
  return 0;
}

int
find_by_vmcoreinfo_ (struct kernel *k)
{
  CLEANUP (hunt_clear) struct hunt h = { .k = k, .pages = UINT64_MAX };
  int e = hunt_notes (k);

  if (e != 0)
    return e;
  vmcoreinfo_scan_some (k->mem, &h.pages, hunt_one, &h);
  if (h.n > 0)
    choose (&h);
  else if (h.tried > MANY && k->lacks[PART_VMCOREINFO][0] == '\0')
    snprintf (k->lacks[PART_VMCOREINFO], sizeof k->lacks[0],
              "%u pages of its memory look like VMCOREINFO, and none is of a "
              "kernel that is there",
              h.tried);
  return h.n > 0 ? 1 : h.result;
}

/* Of the kernel that was found already. */
static bool
is_ours (const struct vmcoreinfo *v, uint64_t gpa, void *arg)
{
  struct kernel *k = arg;

  if (strcmp (vmcoreinfo_release (v), k->release) == 0
      && fits (k->space, v) > 0)
    k->info = vmcoreinfo_read (k->mem, gpa);
  return k->info != NULL;
}

/* Its address is in a variable; that page is the kernel's own and needs only
 * to be of the same release.  Where no table names data it is looked for. */
void
find_vmcoreinfo_ (struct kernel *k)
{
  CLEANUP_FREE char *text = malloc (VMCOREINFO_MAX);
  uint64_t var = kernel_var (k, "vmcoreinfo_data"), at;
  char first[10];
  struct vmcoreinfo *v;
  size_t n = 0;

  if (var == 0)
    vmcoreinfo_scan (k->mem, is_ours, k);
  if (!text || var == 0 || space_read (k->space, var, first, sizeof first) < 0)
    return;
  /* Before 4.13 it was the text itself, and no more than a page of it. */
  if (memcmp (first, "OSRELEASE=", sizeof first) == 0)
    at = var;
  else if (!space_u64 (k->space, var, &at))
    return;
  while (n < VMCOREINFO_MAX
         && space_read (k->space, at + n, text + n, 4096) == 0)
    {
      n += 4096;
      if (memchr (text + n - 4096, '\0', 4096))
        break;
    }
  if (n == 0 || vmcoreinfo_parse (text, n, &v, NULL) < 0)
    return;
  if (strcmp (vmcoreinfo_release (v), k->release) == 0)
    k->info = v;
  else
    vmcoreinfo_free (v);
}

/* ---- of a kernel that was found otherwise and names nothing ---- */

static bool
adopt (const struct vmcoreinfo *v, uint64_t gpa, void *arg)
{
  struct kernel *k = arg;

  if (strcmp (vmcoreinfo_release (v), k->release) != 0 || !fits (k->space, v))
    return false;
  k->info = vmcoreinfo_read (k->mem, gpa);
  return true;
}

bool
find_vmcoreinfo_of_ (struct kernel *k)
{
  return vmcoreinfo_scan (k->mem, adopt, k) && k->info;
}
