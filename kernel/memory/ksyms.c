/* SPDX-License-Identifier: Apache-2.0
 *
 * kallsyms: the kernel's own table of names, taken in.
 *
 * Names stay as compressed as they are; what is built is where each begins,
 * the addresses, and a hash by name that is computed from the tokens without
 * writing out a single name.  Nothing is believed by a version: the markers,
 * which lie behind the names, must agree with every 256th of them, and
 * addresses must ascend and put the code into the image.
 */
#include "kernel/memory/ksyms.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/ksyms_impl.h"
#include "kernel/memory/mem.h"
#include "kernel/memory/space.h"
#include "kernel/memory/vmcoreinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_MUL 0x01000193u

static int
bad (struct error *err, const char *what)
{
  return error_set (err, EBADMSG, "kallsyms: %s", what);
}

/* ---- tokens ---- */

static void
hash_token (const char *text, unsigned len, struct token *t)
{
  t->hash = 0;
  t->mul = 1;
  for (unsigned i = 0; i < len; i++)
    {
      t->hash = t->hash * HASH_MUL + (unsigned char) text[i];
      t->mul *= HASH_MUL;
    }
}

static int
take_tokens (struct ksyms *k, struct space *s, const struct ksyms_tables *t,
             struct error *err)
{
  uint16_t index[256];
  size_t got;

  if (space_read (s, t->token_index, index, sizeof index) < 0)
    return bad (err, "the token index is not there");
  got = space_read_some (s, t->token_table, k->token_text,
                         (size_t) index[255] + KSYMS_NAME);
  for (unsigned i = 0; i < 256; i++)
    {
      const char *text = k->token_text + index[i];
      const char *end = index[i] < got
                            ? memchr (text, '\0', got - index[i])
                            : NULL;
      struct token *tok = &k->tokens[i];

      if (!end || (i > 0 && index[i] < index[i - 1])
          || end - text >= KSYMS_NAME)
        return bad (err, "the token table and its index do not agree");
      /* Names go into reports, so there is nothing in them but plain ASCII. */
      for (const char *p = text; p < end; p++)
        if (*p <= ' ' || *p > '~')
          return bad (err, "a token is no text");
      tok->at = index[i];
      tok->len = (uint16_t) (end - text);
      hash_token (text, tok->len, tok);
      k->first[i] = *tok;
      if (tok->len > 0)
        {
          k->first[i].at++;
          k->first[i].len--;
          hash_token (text + 1, tok->len - 1u, &k->first[i]);
        }
    }
  return 0;
}

/* ---- names ---- */

static const uint8_t *
tokens_of (const struct ksyms *k, uint32_t i, unsigned *ret_n)
{
  const uint8_t *p = k->names + k->name_at[i];

  return p + ksyms_length (p, k->long_names, ret_n);
}

static char
type_of (const struct ksyms *k, uint32_t i)
{
  unsigned n;

  return k->token_text[k->tokens[*tokens_of (k, i, &n)].at];
}

static uint64_t
marker (const uint8_t *p, unsigned width)
{
  uint64_t v = 0;

  memcpy (&v, p, width);
  return v;
}

/* Every 256th name begins where the markers behind all names say. */
static bool
markers_fit (const struct ksyms *k, size_t end, size_t len)
{
  size_t count = (k->n + KSYMS_EACH - 1) / KSYMS_EACH;

  for (unsigned width = 4; width <= 8; width += 4)
    for (unsigned align = width; align <= 8; align += 4)
      {
        size_t at = (end + align - 1) & ~(size_t) (align - 1), i;

        if (at > len || (len - at) / width < count)
          continue;
        for (i = 0; i < count; i++)
          if (marker (k->names + at + i * width, width)
              != k->name_at[i * KSYMS_EACH])
            break;
        if (i == count)
          return true;
      }
  return false;
}

/* Where each name begins, with lengths of this form. */
static bool
walk_names (struct ksyms *k, size_t len, bool long_names)
{
  size_t at = 0;

  k->long_names = long_names;
  for (uint32_t i = 0; i < k->n; i++)
    {
      unsigned n, head;

      if (len - at < 2)
        return false;
      head = ksyms_length (k->names + at, long_names, &n);
      if (n == 0 || n >= KSYMS_NAME || len - at < head + n)
        return false;
      k->name_at[i] = (uint32_t) at;
      at += head + n;
    }
  return markers_fit (k, at, len);
}

static int
take_names (struct ksyms *k, struct space *s, const struct ksyms_tables *t,
            struct error *err)
{
  size_t len = t->names_end - t->names, most;

  /* Names of full length, and the markers. */
  most = (size_t) t->n * (KSYMS_NAME + 2) + t->n / 16 + 64;
  if (len > most)
    len = most;
  if (t->names_end <= t->names || len > KSYMS_MAX_NAMES)
    return bad (err, "the names have no end");
  k->names = malloc (len);
  k->name_at = reallocarray (NULL, t->n, sizeof *k->name_at);
  if (!k->names || !k->name_at)
    return error_errno (err, ENOMEM, "kallsyms");
  k->n = t->n;
  if (space_read (s, t->names, k->names, len) < 0)
    return bad (err, "the names are not there");
  /* Where no name is that long, both forms are one. */
  if (!walk_names (k, len, true) && !walk_names (k, len, false))
    return bad (err, "names and markers do not agree");
  return 0;
}

static bool
is_text_type (char c)
{
  return c == 't' || c == 'T' || c == 'w' || c == 'W';
}

/* Hashes of all names, and their lengths checked.  From the last to the first,
 * so that the first of a name is the first in its chain. */
static int
index_names (struct ksyms *k, struct error *err)
{
  uint32_t size = 1024;

  while (size < k->n)
    size *= 2;
  k->mask = size - 1;
  k->heads = calloc (size, sizeof *k->heads);
  k->next = reallocarray (NULL, k->n, sizeof *k->next);
  if (!k->heads || !k->next)
    return error_errno (err, ENOMEM, "kallsyms");
  for (uint32_t i = k->n; i-- > 0;)
    {
      unsigned n;
      const uint8_t *p = tokens_of (k, i, &n);
      const struct token *t = &k->first[*p];
      uint32_t h = t->hash, len = t->len;

      k->ndata += !is_text_type (k->token_text[k->tokens[*p].at]);
      if (k->tokens[*p].len == 0)
        return bad (err, "a name without a type");
      while (--n > 0)
        {
          t = &k->tokens[*++p];
          h = h * t->mul + t->hash;
          len += t->len;
        }
      if (len >= KSYMS_NAME)
        return bad (err, "a name is too long");
      h = (h ^ h >> 15) & k->mask;
      k->next[i] = k->heads[h];
      k->heads[h] = i + 1;
    }
  return 0;
}

static bool
name_is (const struct ksyms *k, uint32_t i, const char *name, size_t len)
{
  unsigned n;
  const uint8_t *p = tokens_of (k, i, &n);
  const struct token *t = &k->first[*p];

  for (;; t = &k->tokens[*++p])
    {
      if (t->len > len || memcmp (k->token_text + t->at, name, t->len) != 0)
        return false;
      name += t->len;
      len -= t->len;
      if (--n == 0)
        return len == 0;
    }
}

static void
write_name (struct ksyms *k, uint32_t i)
{
  unsigned n;
  const uint8_t *p = tokens_of (k, i, &n);
  const struct token *t = &k->first[*p];
  char *to = k->name;

  for (;; t = &k->tokens[*++p])
    {
      memcpy (to, k->token_text + t->at, t->len);
      to += t->len;
      if (--n == 0)
        break;
    }
  *to = '\0';
}

static bool
index_of (const struct ksyms *k, const char *name, uint32_t *ret)
{
  uint32_t h = 0, left = 65536; /* as many of one hash are a joke */
  size_t len = strlen (name);

  for (const char *p = name; *p; p++)
    h = h * HASH_MUL + (unsigned char) *p;
  for (uint32_t i = k->heads[(h ^ h >> 15) & k->mask]; i > 0 && left > 0;
       i = k->next[i - 1], left--)
    if (name_is (k, i - 1, name, len))
      {
        *ret = i - 1;
        return true;
      }
  return false;
}

/* ---- addresses ---- */

struct places
{
  const uint8_t *raw; /* as they are in memory */
  uint64_t base, at;  /* at: of the table itself */
};

static uint64_t
place_of (const struct places *p, enum ksyms_layout layout, uint32_t i)
{
  uint64_t v;
  int32_t off;

  if (layout == LAYOUT_ABSOLUTE)
    {
      memcpy (&v, p->raw + (size_t) i * 8, 8);
      return v;
    }
  memcpy (&off, p->raw + (size_t) i * 4, 4);
  switch (layout)
    {
    case LAYOUT_PERCPU:
      return off >= 0 ? (uint64_t) off : p->base - 1 - (uint64_t) (int64_t) off;
    case LAYOUT_PLACE:
      return p->at + (uint64_t) i * 4 + (uint64_t) (int64_t) off;
    default:
      return p->base + (uint32_t) off;
    }
}

static bool
in_image (const struct ksyms *k, uint64_t va)
{
  return va - k->image.va < k->image.len;
}

/* The beginning of the code is where VMCOREINFO says, or where the image
 * begins.  Something is left for what kernels have before it; a wrong base is
 * off by more, as the tables lie behind all code. */
static bool
begins_right (const struct ksyms *k, uint64_t stext)
{
  static const char *const first[] = { "_stext", "_text", "_head" };
  uint32_t i;

  for (size_t j = 0; j < ARRAY_LEN (first); j++)
    if (index_of (k, first[j], &i))
      return stext > 0 && j == 0 ? k->addr[i] == stext
                                 : k->addr[i] - k->image.va < k->image.len / 8;
  return true;
}

/* Addresses are believed when they ascend and nearly all code is in the image
 * (what ran only while it booted may be unmapped). */
static bool
layout_fits (struct ksyms *k, const struct places *p, enum ksyms_layout layout,
             uint64_t stext)
{
  uint32_t code = 0, in = 0;
  uint64_t before = 0;

  for (uint32_t i = 0; i < k->n; i++)
    {
      uint64_t va = place_of (p, layout, i);

      if (va < before)
        return false;
      k->addr[i] = before = va;
      if (is_text_type (type_of (k, i)))
        {
          code++;
          in += in_image (k, va);
        }
    }
  return in > code - code / 4 && begins_right (k, stext);
}

/* One place where they may be, with all that it can mean. */
static enum ksyms_layout
try_place (struct ksyms *k, struct space *s, const struct ksyms_place *at,
           uint64_t stext, uint8_t *raw)
{
  struct places p = { .raw = raw, .at = at->at };

  if (space_read (s, at->at, raw, (size_t) k->n * (at->full ? 8 : 4)) < 0)
    return LAYOUT_NONE;
  if (at->full)
    return layout_fits (k, &p, LAYOUT_ABSOLUTE, stext) ? LAYOUT_ABSOLUTE
                                                       : LAYOUT_NONE;
  if (at->base == 0)
    return layout_fits (k, &p, LAYOUT_PLACE, stext) ? LAYOUT_PLACE
                                                    : LAYOUT_NONE;
  if (!space_u64 (s, at->base, &p.base))
    return LAYOUT_NONE;
  if (layout_fits (k, &p, LAYOUT_RELATIVE, stext))
    return LAYOUT_RELATIVE;
  return layout_fits (k, &p, LAYOUT_PERCPU, stext) ? LAYOUT_PERCPU
                                                   : LAYOUT_NONE;
}

static int
take_addresses (struct ksyms *k, struct space *s, const struct ksyms_tables *t,
                uint64_t stext, struct error *err)
{
  CLEANUP_FREE uint8_t *raw = reallocarray (NULL, k->n, 8);

  k->addr = reallocarray (NULL, k->n, sizeof *k->addr);
  if (!raw || !k->addr)
    return error_errno (err, ENOMEM, "kallsyms");
  for (unsigned i = 0; i < t->nplaces && !k->layout; i++)
    k->layout = try_place (k, s, &t->places[i], stext, raw);
  return k->layout ? 0 : bad (err, "the addresses make no sense");
}

/* ---- taking in ---- */

static void
find_text (struct ksyms *k)
{
  static const char *const bounds[][2]
      = { { "_stext", "_etext" }, { "_sinittext", "_einittext" } };

  for (size_t i = 0; i < ARRAY_LEN (bounds); i++)
    {
      uint64_t lo = ksyms_addr (k, bounds[i][0]);
      uint64_t hi = ksyms_addr (k, bounds[i][1]);

      if (lo > 0 && hi > lo && in_image (k, lo))
        {
          k->text[i].lo = lo;
          k->text[i].hi = hi;
        }
    }
}

static void
say_how (struct ksyms *k, bool scanned)
{
  static const char *const names[] = {
    [LAYOUT_ABSOLUTE] = "full addresses",
    [LAYOUT_RELATIVE] = "offsets from a base",
    [LAYOUT_PERCPU] = "offsets from a base or zero",
    [LAYOUT_PLACE] = "offsets from their places",
  };

  snprintf (k->how, sizeof k->how, "%s, %s",
            scanned ? "scanned" : "vmcoreinfo", names[k->layout]);
}

static int
take (struct space *s, const struct ksyms_image *image,
      const struct ksyms_tables *t, uint64_t stext, struct ksyms **ret,
      struct error *err)
{
  struct ksyms *k;
  int r;

  if (t->n == 0 || t->n > KSYMS_MAX)
    return bad (err, "not as many symbols as a kernel has");
  k = calloc (1, sizeof *k);
  if (!k)
    return error_errno (err, ENOMEM, "kallsyms");
  k->image = *image;
  r = take_tokens (k, s, t, err);
  if (r == 0)
    r = take_names (k, s, t, err);
  if (r == 0)
    r = index_names (k, err);
  if (r == 0)
    r = take_addresses (k, s, t, stext, err);
  if (r < 0)
    {
      ksyms_free (k);
      return r;
    }
  find_text (k);
  *ret = k;
  return 0;
}

/* The names end before whatever table lies next. */
static void
nearer (uint64_t *end, uint64_t from, uint64_t at)
{
  if (at > from && at < *end)
    *end = at;
}

static int
by_vmcoreinfo (struct space *s, const struct ksyms_image *image,
               const struct vmcoreinfo *v, struct ksyms **ret,
               struct error *err)
{
  struct ksyms_tables t = { 0 };
  struct ksyms_place *place = &t.places[0];
  uint64_t n_at, stext = 0;

  if (!vmcoreinfo_symbol (v, "kallsyms_names", &t.names)
      || !vmcoreinfo_symbol (v, "kallsyms_num_syms", &n_at)
      || !vmcoreinfo_symbol (v, "kallsyms_token_table", &t.token_table)
      || !vmcoreinfo_symbol (v, "kallsyms_token_index", &t.token_index)
      || (!vmcoreinfo_symbol (v, "kallsyms_offsets", &place->at)
          && !(place->full
               = vmcoreinfo_symbol (v, "kallsyms_addresses", &place->at))))
    return error_set (err, ENOENT, "kallsyms: not in VMCOREINFO");
  t.nplaces = 1;
  if (place->full
      || !vmcoreinfo_symbol (v, "kallsyms_relative_base", &place->base))
    place->base = 0;
  if (!vmcoreinfo_symbol (v, "_stext", &stext))
    stext = 0;
  if (!space_u32 (s, n_at, &t.n))
    return bad (err, "their number is not there");
  t.names_end = image->va + image->len;
  nearer (&t.names_end, t.names, t.token_table);
  nearer (&t.names_end, t.names, t.token_index);
  nearer (&t.names_end, t.names, place->at);
  return take (s, image, &t, stext, ret, err);
}

struct scan
{
  struct space *s;
  const struct ksyms_image *image;
  struct ksyms *k;
};

static bool
take_found (const struct ksyms_tables *t, void *arg)
{
  struct scan *scan = arg;

  return take (scan->s, scan->image, t, 0, &scan->k, NULL) == 0;
}

int
ksyms_load (struct space *s, const struct ksyms_image *image,
            const struct vmcoreinfo *v, struct ksyms **ret,
            struct error *err)
{
  struct scan scan = { .s = s, .image = image };
  struct ksyms *k = NULL;
  int r = -ENOENT;

  if (v)
    r = by_vmcoreinfo (s, image, v, &k, err);
  if (!k && ksyms_scan_ (s, image, take_found, &scan))
    k = scan.k;
  if (k)
    {
      say_how (k, k == scan.k);
      *ret = k;
      return 0;
    }
  return v && r != -ENOENT
             ? r
             : error_set (err, ENOENT, "no kallsyms tables in the image");
}

void
ksyms_free (struct ksyms *k)
{
  if (!k)
    return;
  ksyms_modules_free_ (k);
  free (k->names);
  free (k->name_at);
  free (k->addr);
  free (k->heads);
  free (k->next);
  free (k);
}

/* ---- asking ---- */

size_t
ksyms_count (const struct ksyms *k)
{
  return k->n;
}

bool
ksyms_has_data (const struct ksyms *k)
{
  return k->ndata > k->n / 8;
}

const char *
ksyms_how (const struct ksyms *k)
{
  return k->how;
}

uint64_t
ksyms_addr (const struct ksyms *k, const char *name)
{
  uint32_t i;

  if (index_of (k, name, &i))
    return k->addr[i];
  for (i = 0; i < k->nadded; i++)
    if (strcmp (k->added[i].name, name) == 0)
      return k->added[i].va;
  return ksyms_module_addr_ (k, name);
}

bool
ksyms_add (struct ksyms *k, const char *name, uint64_t va)
{
  if (k->nadded == KSYMS_ADDED)
    return false;
  k->added[k->nadded].name = name;
  k->added[k->nadded++].va = va;
  return true;
}

/* The last symbol at or before va. */
static uint32_t
last_before (const struct ksyms *k, uint64_t va)
{
  uint32_t lo = 0, hi = k->n;

  while (hi - lo > 1)
    {
      uint32_t mid = lo + (hi - lo) / 2;

      if (k->addr[mid] <= va)
        lo = mid;
      else
        hi = mid;
    }
  return lo;
}

bool
ksyms_find (struct ksyms *k, uint64_t va, struct ksym *ret)
{
  uint32_t i, next;

  if (!in_image (k, va) || va < k->addr[0])
    return ksyms_module_find_ (k, va, ret);
  i = last_before (k, va);
  if (!in_image (k, k->addr[i]))
    return false;
  next = i + 1;
  /* Of those at one address the first: so does the kernel itself. */
  while (i > 0 && k->addr[i - 1] == k->addr[i])
    i--;
  write_name (k, i);
  *ret = (struct ksym){ .name = k->name,
                        .start = k->addr[i],
                        .size = next < k->n ? k->addr[next] - k->addr[i] : 0,
                        .type = type_of (k, i) };
  return true;
}

bool
ksyms_is_text (const struct ksyms *k, uint64_t va)
{
  bool bounds = false;

  for (size_t i = 0; i < ARRAY_LEN (k->text); i++)
    {
      if (va >= k->text[i].lo && va < k->text[i].hi)
        return true;
      bounds |= i == 0 && k->text[i].hi > 0;
    }
  /* Tables of code alone may lack the end of it. */
  if (!bounds && in_image (k, va) && va >= k->addr[0])
    return is_text_type (type_of (k, last_before (k, va)));
  return ksyms_module_text_ (k, va);
}
