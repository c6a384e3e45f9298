/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel virtual memory: translations kept, and reads through them.
 */
#include "kernel/memory/space.h"

#include "base/error.h"
#include "kernel/memory/space_impl.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_SHIFT 12
#define LARGE_SHIFT 21
/* A walk over what is mapped ends here, whatever tables say: they may point at
 * each other. */
#define MAX_STEPS (1u << 20)

int
space_new (struct mem *m, const struct space_def *def, struct space **ret,
           struct error *err)
{
  struct space *s = calloc (1, sizeof *s);
  int e;

  if (!s)
    return error_errno (err, ENOMEM, "page tables");
  s->mem = m;
  s->def = *def;
  e = def->arch == ARCH_X86_64  ? space_check_x86_ (s, err)
      : def->arch == ARCH_ARM64 ? space_check_arm64_ (s, err)
                                : error_set (err, EINVAL,
                                             "page tables of no"
                                             " machine");
  if (e < 0)
    {
      free (s);
      return e;
    }
  *ret = s;
  return 0;
}

void
space_free (struct space *s)
{
  free (s);
}

void
space_reroot_ (struct space *s, uint64_t root, bool la57)
{
  s->def.root = root;
  s->def.la57 = la57;
  if (s->def.arch == ARCH_X86_64)
    s->levels = la57 ? 5 : 4;
  for (size_t i = 0; i < SPACE_SMALL; i++)
    s->small[i].gen = 0;
  for (size_t i = 0; i < SPACE_LARGE; i++)
    s->large[i].gen = 0;
}

struct mem *
space_mem (const struct space *s)
{
  return s->mem;
}

enum arch
space_arch (const struct space *s)
{
  return s->def.arch;
}

const struct space_def *
space_def (const struct space *s)
{
  return &s->def;
}

bool
space_is_kernel (const struct space *s, uint64_t va)
{
  if (s->def.arch == ARCH_ARM64)
    return (va | 0xffULL << 56) >= UINT64_MAX << s->def.va_bits
           && (va >> 55 & 1);
  return va >= UINT64_MAX << (s->def.la57 ? 56 : 47);
}

int
space_walk_ (struct space *s, uint64_t va, struct space_walk *ret)
{
  return s->def.arch == ARCH_ARM64 ? space_walk_arm64_ (s, va, ret)
                                   : space_walk_x86_ (s, va, ret);
}

/* ---- one address ---- */

static struct space_slot *
slot_of (struct space *s, uint64_t va, unsigned shift)
{
  uint64_t n = va >> shift;

  return shift == LARGE_SHIFT ? &s->large[(n ^ n >> 6) % SPACE_LARGE]
                              : &s->small[(n ^ n >> 10) % SPACE_SMALL];
}

static bool
slot_has (const struct space_slot *slot, uint32_t gen, uint64_t va)
{
  return slot->gen == gen && va - slot->va < slot->end - slot->va;
}

static void
keep (struct space *s, uint64_t va, const struct space_walk *w, uint32_t gen)
{
  uint64_t in = va & (w->span - 1);
  unsigned shift = w->span >> LARGE_SHIFT ? LARGE_SHIFT : SMALL_SHIFT;

  *slot_of (s, va, shift) = (struct space_slot){
    .va = va - in, .pa = w->pa - in, .end = va - in + w->span, .gen = gen
  };
}

int
space_translate (struct space *s, uint64_t va, uint64_t *ret_pa,
                 uint64_t *ret_run)
{
  uint32_t gen = mem_generation (s->mem);
  const struct space_slot *slot = slot_of (s, va, SMALL_SHIFT);
  struct space_walk w;
  int e;

  if (!slot_has (slot, gen, va))
    slot = slot_of (s, va, LARGE_SHIFT);
  if (slot_has (slot, gen, va))
    {
      *ret_pa = slot->pa + (va - slot->va);
      *ret_run = slot->end - va;
      return 0;
    }
  e = space_walk_ (s, va, &w);
  if (e < 0)
    return e;
  if (!w.mapped)
    return -EFAULT;
  keep (s, va, &w, gen);
  *ret_pa = w.pa;
  *ret_run = w.span - (va & (w.span - 1));
  return 0;
}

/* ---- reads ---- */

/* What follows physically from va on, at most len. */
static int
physical_run (struct space *s, uint64_t va, uint64_t len, uint64_t *ret_pa,
              uint64_t *ret_run)
{
  uint64_t pa, run, next, more;
  int e = space_translate (s, va, &pa, &run);

  if (e < 0)
    return e;
  while (run < len && space_translate (s, va + run, &next, &more) == 0
         && next == pa + run)
    run += more;
  *ret_pa = pa;
  *ret_run = run < len ? run : len;
  return 0;
}

static int
read_from (struct space *s, uint64_t va, unsigned char *dst, size_t len,
           size_t *ret_done)
{
  size_t done = 0;
  int e = 0;

  if (len > 0 && va + (len - 1) < va)
    e = -EFAULT;
  while (e == 0 && done < len)
    {
      uint64_t pa, run;

      e = physical_run (s, va + done, len - done, &pa, &run);
      if (e == 0)
        e = mem_read (s->mem, pa, dst + done, (size_t) run, NULL);
      if (e == 0)
        done += (size_t) run;
    }
  *ret_done = done;
  return e;
}

int
space_read (struct space *s, uint64_t va, void *dst, size_t len)
{
  size_t done;

  return read_from (s, va, dst, len, &done);
}

size_t
space_read_some (struct space *s, uint64_t va, void *dst, size_t len)
{
  size_t done;

  read_from (s, va, dst, len, &done);
  return done;
}

bool
space_u64 (struct space *s, uint64_t va, uint64_t *ret)
{
  uint64_t v;

  if (space_read (s, va, &v, sizeof v) < 0)
    return false;
  *ret = v;
  return true;
}

bool
space_u32 (struct space *s, uint64_t va, uint32_t *ret)
{
  uint32_t v;

  if (space_read (s, va, &v, sizeof v) < 0)
    return false;
  *ret = v;
  return true;
}

bool
space_u16 (struct space *s, uint64_t va, uint16_t *ret)
{
  uint16_t v;

  if (space_read (s, va, &v, sizeof v) < 0)
    return false;
  *ret = v;
  return true;
}

bool
space_text (struct space *s, uint64_t va, char *dst, size_t size)
{
  size_t done = 0;

  while (done < size - 1)
    {
      /* Not over a page's end before the text before it had its end. */
      size_t n = 4096 - (size_t) ((va + done) & 4095);
      char *nul;

      n = n < size - 1 - done ? n : size - 1 - done;
      if (n > 64)
        n = 64;
      if (space_read (s, va + done, dst + done, n) < 0)
        break;
      nul = memchr (dst + done, '\0', n);
      if (nul)
        return true;
      done += n;
    }
  dst[done] = '\0';
  return done > 0 || size == 1;
}

/* ---- what is mapped ---- */

/* The beginning of what comes after va's piece of this span; 0 when that was
 * the last. */
static uint64_t
after (uint64_t va, uint64_t span)
{
  return (va & ~(span - 1)) + span;
}

uint64_t
space_next (struct space *s, uint64_t va, uint64_t end, uint64_t *ret_len)
{
  uint64_t begin = MEM_NONE;
  struct space_walk w;

  for (unsigned i = 0; i < MAX_STEPS && va < end; i++)
    {
      uint64_t next;

      if (space_walk_ (s, va, &w) < 0 || (!w.mapped && begin != MEM_NONE))
        break;
      if (w.mapped && begin == MEM_NONE)
        begin = va;
      next = after (va, w.span);
      va = next == 0 || next > end ? end : next;
    }
  if (begin != MEM_NONE)
    *ret_len = va - begin;
  return begin;
}
