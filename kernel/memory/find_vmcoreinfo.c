/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the kernel is: by what it wrote down of itself.
 *
 * There may be several such pages: of the kernel before a kexec, of a safe
 * copy, of a file in the page cache.  One counts when the page table that it
 * names leads to a release and a banner that are its own.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

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

struct hunt
{
  struct kernel *k;
  int result;
};

static bool
hunt_one (const struct vmcoreinfo *v, uint64_t gpa, void *arg)
{
  struct hunt *h = arg;

  h->result = try_one (h->k, v);
  if (h->result > 0)
    h->k->info = vmcoreinfo_read (h->k->mem, gpa);
  return h->result != 0;
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
  struct hunt h = { .k = k };
  int e = hunt_notes (k);

  if (e == 0)
    {
      vmcoreinfo_scan (k->mem, hunt_one, &h);
      e = h.result;
    }
  return e;
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
  struct vmcoreinfo *v;
  size_t n = 0;

  if (var == 0)
    vmcoreinfo_scan (k->mem, is_ours, k);
  if (!text || var == 0 || !space_u64 (k->space, var, &at))
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
