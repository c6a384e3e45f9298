/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules of kernels that do not say where their list is, or how a module
 * looks.
 *
 * A module begins with its state, its place in the list, and its name, in all
 * kernels.  It points at itself where the kernel has it in a tree of
 * addresses: once for each piece of memory, and what the piece is stands
 * right before.  It points into itself where its symbols are.  All of it must
 * hold for all modules.
 */
#include "base/cleanup.h"
#include "kernel/memory/infer_impl.h"

#include <elf.h>
#include <stdlib.h>

#define PIECE 4096u /* of a module */
#define MODULES 64u /* that are looked at */
#define LIST_OFF 8u
#define NAME_OFF 24u
#define NAME_LEN 56u
#define LISTS_MAX 65536u
#define AREA_MAX (256u << 20)

struct modules
{
  struct kernel *k;
  uint64_t at[MODULES];
  uint8_t *copy;
  size_t n;
  bool other;
};

static uint32_t
offset_or (const struct kernel *k, enum field f, uint32_t usual)
{
  return fields_has (&k->fields, f) ? k->fields.at[f].offset : usual;
}

static void
learn (struct kernel *k, enum field f, uint32_t off, unsigned size)
{
  struct field_at *at = &k->fields.at[f];

  if (at->size == 0)
    *at = (struct field_at){ .offset = off,
                             .size = (uint16_t) size,
                             .how = FIELD_INFERRED };
}

static uint64_t
word (const struct modules *m, size_t i, uint32_t off)
{
  uint64_t v;

  memcpy (&v, m->copy + i * PIECE + off, sizeof v);
  return v;
}

static uint32_t
half (const struct modules *m, size_t i, uint32_t off)
{
  uint32_t v;

  memcpy (&v, m->copy + i * PIECE + off, sizeof v);
  return v;
}

/* ---- the list ---- */

/* Something with a state and a name like a module's is at `at`. */
static bool
is_module (struct kernel *k, uint64_t at)
{
  char name[NAME_LEN + 1];
  uint32_t state;
  size_t len;

  if (!space_u32 (k->space, at + offset_or (k, MODULE_STATE, 0), &state)
      || state > 3
      || !space_text (k->space, at + offset_or (k, MODULE_NAME, NAME_OFF), name,
                      sizeof name))
    return false;
  len = strlen (name);
  for (size_t i = 0; i < len; i++)
    if (!((name[i] | 32) >= 'a' && (name[i] | 32) <= 'z')
        && !(name[i] >= '0' && name[i] <= '9') && name[i] != '_'
        && name[i] != '-')
      return false;
  return len > 1 && len < NAME_LEN;
}

static bool
take (uint64_t node, void *arg)
{
  struct modules *m = arg;
  uint64_t at = node - offset_or (m->k, MODULE_LIST, LIST_OFF);

  m->other = !is_module (m->k, at);
  if (!m->other && m->n < MODULES)
    {
      memset (m->copy + m->n * PIECE, 0, PIECE);
      space_read_some (m->k->space, at, m->copy + m->n * PIECE, PIECE);
      m->at[m->n++] = at;
    }
  return !m->other;
}

static bool
try_list (struct modules *m, uint64_t head)
{
  m->n = 0;
  m->other = false;
  return kernel_list (m->k, head, 4096, take, m) == 0 && !m->other && m->n > 0;
}

struct head_scan
{
  struct modules *m;
  unsigned left;
};

/* Heads of lists in the image whose nodes are elsewhere.  1: found; -1: too
 * many that look like one. */
static int
heads_in (const uint8_t *buf, size_t len, uint64_t va, void *arg)
{
  struct head_scan *h = arg;
  struct kernel *k = h->m->k;

  for (size_t p = 0; p + 16 <= len && h->left > 0; p += 8)
    {
      uint64_t next, prev, back;

      memcpy (&next, buf + p, 8);
      memcpy (&prev, buf + p + 8, 8);
      if (next % 8 != 0 || prev % 8 != 0 || !space_is_kernel (k->space, next)
          || !space_is_kernel (k->space, prev)
          || next - k->image.va < k->image.len
          || prev - k->image.va < k->image.len)
        continue;
      h->left--;
      if (space_u64 (k->space, next + 8, &back) && back == va + p
          && is_module (k, next - offset_or (k, MODULE_LIST, LIST_OFF))
          && try_list (h->m, va + p))
        {
          ksyms_add (k->syms, "modules", va + p);
          return 1;
        }
    }
  return h->left > 0 ? 0 : -1;
}

static bool
find_head (struct modules *m)
{
  struct head_scan h = { m, LISTS_MAX };

  /* Data lies behind code: the first half is none. */
  return infer_scan_ (m->k, m->k->image.len / 2, heads_in, &h) > 0;
}

/* ---- pieces of memory ---- */

static bool
is_self (const struct modules *m, uint32_t off)
{
  for (size_t i = 0; i < m->n; i++)
    if (word (m, i, off) != m->at[i])
      return false;
  return true;
}

/* What can be a piece's address and length in all modules; 0 and 0 is none. */
static bool
pieces_at (const struct modules *m, uint32_t base, uint32_t size, bool must)
{
  for (size_t i = 0; i < m->n; i++)
    {
      uint64_t at = word (m, i, base);
      uint32_t len = half (m, i, size);

      if (len == 0 && !must)
        continue;
      if (at % 4096 != 0 || !space_is_kernel (m->k->space, at) || len == 0
          || len > AREA_MAX)
        return false;
    }
  return true;
}

/* One for code and data, one for what is freed: 80 bytes from one to the
 * next. */
static bool
two_pieces (struct modules *m, uint32_t self)
{
  if (!is_self (m, self + 80) || !pieces_at (m, self - 24, self - 16, true))
    return false;
  for (size_t i = 0; i < m->n; i++)
    if (half (m, i, self - 12) > half (m, i, self - 16))
      return false;
  learn (m->k, MODULE_CORE_BASE, self - 24, 8);
  learn (m->k, MODULE_CORE_SIZE, self - 16, 4);
  learn (m->k, MODULE_CORE_TEXT, self - 12, 4);
  learn (m->k, MODULE_INIT_BASE, self + 80 - 24, 8);
  learn (m->k, MODULE_INIT_SIZE, self + 80 - 16, 4);
  learn (m->k, MODULE_INIT_TEXT, self + 80 - 12, 4);
  return true;
}

/* One for each use, code first; what stands between address and length has
 * changed twice. */
static bool
many_pieces (struct modules *m, uint32_t self)
{
  static const struct
  {
    uint32_t base, size;
  } forms[] = { { 16, 8 }, { 16, 4 }, { 24, 4 } };

  for (uint32_t each = 72; each <= 80; each += 8)
    for (size_t f = 0; f < ARRAY_LEN (forms); f++)
      {
        uint32_t base = self - forms[f].base, size = self - forms[f].size;
        uint32_t n = 1;

        if (self >= each + NAME_OFF && is_self (m, self - each))
          continue; /* not the first */
        while (n < KSYMS_AREAS && self + n * each + 8 <= PIECE
               && is_self (m, self + n * each)
               && pieces_at (m, base + n * each, size + n * each, false))
          n++;
        if (n < 5 || !pieces_at (m, base, size, true))
          continue;
        learn (m->k, MODULE_MEM, base, n * each);
        learn (m->k, MODULE_MEM_NEXT, base + each, n * each);
        learn (m->k, MODULE_MEM_BASE, 0, 8);
        learn (m->k, MODULE_MEM_SIZE, size - base, 4);
        return true;
      }
  return false;
}

static void
find_pieces (struct modules *m)
{
  for (uint32_t self = NAME_OFF + NAME_LEN; self + 96 <= PIECE; self += 8)
    if (is_self (m, self) && (many_pieces (m, self) || two_pieces (m, self)))
      return;
}

/* ---- symbols and unwind tables ---- */

/* Once it is loaded, a module's symbols are told right behind the pointer to
 * them. */
static void
find_symbols (struct modules *m)
{
  for (uint32_t off = NAME_OFF + NAME_LEN; off + 32 <= PIECE; off += 8)
    {
      size_t i, good = 0;

      for (i = 0; i < m->n; i++)
        {
          uint64_t table = word (m, i, off), zero[3];

          if (!space_is_kernel (m->k->space, table))
            break;
          if (table != m->at[i] + off + 8)
            continue; /* still being loaded */
          if (half (m, i, off + 16) == 0
              || space_read (m->k->space, word (m, i, off + 8), zero,
                             sizeof zero)
                     < 0
              || zero[0] != 0 || zero[1] != 0)
            break;
          good++;
        }
      if (i < m->n || good * 2 <= m->n)
        continue;
      learn (m->k, MODULE_KALLSYMS, off, 8);
      learn (m->k, MODULE_SYMTAB, 0, 8);
      learn (m->k, MODULE_SYMTAB_N, 8, 4);
      learn (m->k, MODULE_STRTAB, 16, 8);
      return;
    }
}

/* Code of module i. */
static bool
in_code (const struct modules *m, size_t i, uint64_t va)
{
  uint64_t base, len;
  uint32_t off = m->k->fields.at[MODULE_MEM].offset;

  if (fields_has (&m->k->fields, MODULE_MEM))
    {
      base = word (m, i, off);
      len = half (m, i, off + m->k->fields.at[MODULE_MEM_SIZE].offset);
    }
  else
    {
      base = word (m, i, m->k->fields.at[MODULE_CORE_BASE].offset);
      len = half (m, i, m->k->fields.at[MODULE_CORE_TEXT].offset);
    }
  return va - base < len;
}

/* How many entries, their addresses as distances from themselves, and what to
 * do there.  Entries of code that was freed are still there, before or behind
 * all others. */
static bool
orc_at (const struct modules *m, size_t i, uint32_t off)
{
  uint64_t ips = word (m, i, off + 8), n = half (m, i, off);

  if (n == 0 || n >= 4u << 20 || word (m, i, off) >> 32 != 0
      || !space_is_kernel (m->k->space, word (m, i, off + 16))
      || !space_is_kernel (m->k->space, ips))
    return false;
  for (unsigned part = 0; part <= 8; part++)
    {
      uint64_t at = ips + (n - 1) * part / 8 * 4;
      uint32_t to;

      if (!space_u32 (m->k->space, at, &to))
        return false;
      if (in_code (m, i, at + (uint64_t) (int64_t) (int32_t) to))
        return true;
    }
  return false;
}

static void
find_orc (struct modules *m)
{
  for (uint32_t off = NAME_OFF + NAME_LEN; off + 32 <= PIECE; off += 8)
    {
      size_t good = 0;

      for (size_t i = 0; i < m->n; i++)
        good += orc_at (m, i, off);
      /* Some have no code of their own. */
      if (good == 0 || good * 4 < m->n * 3)
        continue;
      learn (m->k, MODULE_ORCS, off, 4);
      learn (m->k, MODULE_ORC_IP, off + 8, 8);
      learn (m->k, MODULE_ORC, off + 16, 8);
      return;
    }
}

void
infer_modules_ (struct kernel *k)
{
  struct modules m = { .k = k };
  uint64_t head = kernel_var (k, "modules");

  m.copy = malloc (MODULES * PIECE);
  if (m.copy && (head > 0 ? try_list (&m, head) : k->syms && find_head (&m))
      && !k->btf)
    {
      learn (k, MODULE_STATE, 0, 4);
      learn (k, MODULE_LIST, LIST_OFF, 16);
      learn (k, MODULE_NAME, NAME_OFF, NAME_LEN);
      find_pieces (&m);
      find_symbols (&m);
      if (k->arch == ARCH_X86_64
          && (kernel_has (k, MODULE_MEM) || kernel_has (k, MODULE_CORE_BASE)))
        find_orc (&m);
    }
  free (m.copy);
}
