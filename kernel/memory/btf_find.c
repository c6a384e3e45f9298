/* SPDX-License-Identifier: Apache-2.0
 *
 * BTF is asked: members by path, sizes, enumerators, per-cpu variables.
 *
 * All ids are good, but types may go round in circles or fan out without
 * end: each way is counted.
 */
#include "kernel/memory/btf.h"

#include "kernel/memory/btf_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define RESOLVE_MAX 32
#define NEST_MAX 16
/* Members looked at for one name: a structure without a name that holds
 * itself many times would double with each level. */
#define MEMBERS_MAX 65536u

/* What an id means behind typedefs and qualifiers; 0 = nothing. */
static uint32_t
plain (const struct btf *b, uint32_t id)
{
  for (unsigned i = 0; i < RESOLVE_MAX && id > 0; i++)
    {
      struct btf_rec r = btf_rec (b, id);

      switch (btf_kind_of (r.info))
        {
        case KIND_TYPEDEF:
        case KIND_VOLATILE:
        case KIND_CONST:
        case KIND_RESTRICT:
        case KIND_TYPE_TAG:
          id = r.ref;
          break;
        default:
          return id;
        }
    }
  return 0;
}

static bool
size_of (const struct btf *b, uint32_t id, uint32_t *ret)
{
  uint64_t times = 1;

  for (unsigned i = 0; i < NEST_MAX; i++)
    {
      struct btf_rec r;

      id = plain (b, id);
      if (id == 0)
        return false;
      r = btf_rec (b, id);
      switch (btf_kind_of (r.info))
        {
        case KIND_ARRAY:
          times *= btf_u32 (btf_extra (b, id) + 8);
          id = btf_u32 (btf_extra (b, id));
          break;
        case KIND_PTR:
          times *= 8;
          if (times > UINT32_MAX)
            return false;
          *ret = (uint32_t) times;
          return true;
        case KIND_INT:
        case KIND_STRUCT:
        case KIND_UNION:
        case KIND_ENUM:
        case KIND_ENUM64:
        case KIND_FLOAT:
          times *= r.ref;
          if (times > UINT32_MAX)
            return false;
          *ret = (uint32_t) times;
          return true;
        default:
          return false;
        }
      if (times > UINT32_MAX)
        return false;
    }
  return false;
}

/* kinds: 1 << kind. */
static uint32_t
by_name (const struct btf *b, const char *name, unsigned kinds)
{
  for (uint32_t i = btf_hash (name) & b->mask; b->index[i];
       i = (i + 1) & b->mask)
    {
      struct btf_rec r = btf_rec (b, b->index[i]);

      if (kinds >> btf_kind_of (r.info) & 1
          && strcmp (b->strs + r.name, name) == 0)
        return b->index[i];
    }
  return 0;
}

static uint32_t
named (const struct btf *b, const char *name, unsigned kinds)
{
  uint32_t id = by_name (b, name, kinds);

  return id > 0 ? id : plain (b, by_name (b, name, 1u << KIND_TYPEDEF));
}

/* ---- members ---- */

struct finder
{
  const struct btf *b;
  const char *name;
  size_t len;
  unsigned left;
};

/* Where a path has led: bits from the beginning, and what is there. */
struct spot
{
  uint64_t bit;
  uint32_t type;
  unsigned bits; /* of a bit field */
};

/* A bit field of before the flag: the type itself says which bits. */
static void
bits_of_int (const struct btf *b, struct spot *s)
{
  uint32_t id = plain (b, s->type), v;
  struct btf_rec r;

  if (id == 0)
    return;
  r = btf_rec (b, id);
  if (btf_kind_of (r.info) != KIND_INT)
    return;
  v = btf_u32 (btf_extra (b, id));
  if ((v & 0xff) == r.ref * 8)
    return;
  s->bit += v >> 16 & 0xff;
  s->bits = v & 0xff;
}

static bool
find_member (struct finder *f, uint32_t id, unsigned depth, struct spot *s)
{
  const struct btf *b = f->b;
  const uint8_t *m;
  struct btf_rec r;
  unsigned kind;

  id = plain (b, id);
  if (id == 0 || depth >= NEST_MAX)
    return false;
  r = btf_rec (b, id);
  kind = btf_kind_of (r.info);
  if (kind != KIND_STRUCT && kind != KIND_UNION)
    return false;
  m = btf_extra (b, id);
  for (unsigned n = btf_vlen (r.info); n > 0; n--, m += 12)
    {
      const char *name = b->strs + btf_u32 (m);
      uint32_t at = btf_u32 (m + 8);
      struct spot in = { .type = btf_u32 (m + 4) };

      if (f->left-- == 0)
        {
          f->left = 0;
          return false;
        }
      in.bits = btf_kflag (r.info) ? at >> 24 : 0;
      in.bit = s->bit + (btf_kflag (r.info) ? at & 0xffffff : at);
      if (*name == '\0' ? find_member (f, in.type, depth + 1, &in)
                        : strncmp (name, f->name, f->len) == 0
                              && name[f->len] == '\0')
        {
          if (*name != '\0' && !btf_kflag (r.info))
            bits_of_int (b, &in);
          *s = in;
          return true;
        }
    }
  return false;
}

/* "[3]" and what follows it. */
static bool
index_array (const struct btf *b, const char **path, struct spot *s)
{
  uint32_t id = plain (b, s->type), n, size;
  unsigned long i = 0;
  const char *p = *path + 1;

  if (id == 0 || btf_kind_of (btf_rec (b, id).info) != KIND_ARRAY
      || !isdigit ((unsigned char) *p))
    return false;
  for (; isdigit ((unsigned char) *p); p++)
    if ((i = i * 10 + (unsigned long) (*p - '0')) > UINT32_MAX)
      return false;
  n = btf_u32 (btf_extra (b, id) + 8);
  s->type = btf_u32 (btf_extra (b, id));
  /* Arrays without length (n is 0) end where their user says. */
  if (*p != ']' || (n > 0 && i >= n) || !size_of (b, s->type, &size))
    return false;
  s->bit += (uint64_t) size * i * 8;
  *path = p + 1;
  return s->bit / 8 <= UINT32_MAX;
}

/* One name of a path, its indices, and the dot behind it. */
static bool
step (const struct btf *b, const char **path, struct spot *s)
{
  struct finder f = { .b = b,
                      .name = *path,
                      .len = strcspn (*path, ".["),
                      .left = MEMBERS_MAX };

  if (f.len == 0 || s->bits > 0 || !find_member (&f, s->type, 0, s))
    return false;
  *path += f.len;
  while (**path == '[')
    if (s->bits > 0 || !index_array (b, path, s))
      return false;
  if (**path != '.')
    return **path == '\0';
  ++*path;
  return **path != '\0';
}

bool
btf_member (const struct btf *b, const char *type, const char *path,
            struct btf_member *ret)
{
  struct spot s = { .type = named (b, type,
                                   1u << KIND_STRUCT | 1u << KIND_UNION) };
  struct btf_member m = { 0 };

  if (s.type == 0)
    return false;
  for (unsigned depth = 0; *path; depth++)
    if (depth >= NEST_MAX || !step (b, &path, &s))
      return false;
  if (s.bit / 8 > UINT32_MAX || (s.bits == 0 && s.bit % 8))
    return false;
  m.offset = (uint32_t) (s.bit / 8);
  if (s.bits > 0)
    {
      m.bit = s.bit % 8;
      m.bits = (uint8_t) s.bits;
      m.size = (m.bit + m.bits + 7u) / 8;
      if (m.size > 8)
        return false;
    }
  else if (!size_of (b, s.type, &m.size))
    m.size = 0;
  *ret = m;
  return true;
}

bool
btf_sizeof (const struct btf *b, const char *type, uint32_t *ret)
{
  uint32_t id = named (b, type,
                       1u << KIND_STRUCT | 1u << KIND_UNION | 1u << KIND_ENUM
                           | 1u << KIND_ENUM64);

  return id > 0 && size_of (b, id, ret);
}

/* ---- enums ---- */

static int64_t
enum_value (const struct btf *b, const uint8_t *e, bool wide, bool is_signed)
{
  uint32_t lo = btf_u32 (e + 4);

  if (wide)
    return (int64_t) (lo | (uint64_t) btf_u32 (e + 8) << 32);
  return is_signed || !b->signs ? (int64_t) (int32_t) lo : (int64_t) lo;
}

static void
add_enum (const struct btf *b, uint32_t id, struct btf_enums *e,
          uint64_t *steps)
{
  struct btf_rec r = btf_rec (b, id);
  bool wide = btf_kind_of (r.info) == KIND_ENUM64;
  const uint8_t *m = btf_extra (b, id);

  for (unsigned n = btf_vlen (r.info); n > 0; n--, m += wide ? 12 : 8)
    {
      uint32_t i = btf_hash (b->strs + btf_u32 (m)) & e->mask;

      while (e->slots[i] && *steps > 0)
        i = (i + 1) & e->mask, --*steps;
      if (*steps == 0)
        return;
      e->slots[i] = (uint32_t) (m - b->types) | (wide ? BTF_ENUM_64 : 0)
                    | (btf_kflag (r.info) ? BTF_ENUM_SIGNED : 0);
    }
}

/* An index that is not to be had only means that no name is found. */
static const struct btf_enums *
enums (const struct btf *b)
{
  struct btf_enums *e = b->enums;
  uint64_t steps = 16ull * b->enumerators + 65536;
  uint32_t size = 16;

  if (!e || e->slots)
    return e;
  while (size < b->enumerators * 2)
    size *= 2;
  e->mask = size - 1;
  e->slots = calloc (size, sizeof *e->slots);
  for (uint32_t id = 1; e->slots && id < b->n; id++)
    {
      unsigned kind = btf_kind_of (btf_rec (b, id).info);

      if (kind == KIND_ENUM || kind == KIND_ENUM64)
        add_enum (b, id, e, &steps);
    }
  return e;
}

bool
btf_enum (const struct btf *b, const char *name, int64_t *ret)
{
  const struct btf_enums *e = enums (b);

  if (!e || !e->slots)
    return false;
  for (uint32_t i = btf_hash (name) & e->mask; e->slots[i];
       i = (i + 1) & e->mask)
    {
      const uint8_t *m = b->types + (e->slots[i] & ~3u);

      if (strcmp (b->strs + btf_u32 (m), name) == 0)
        {
          *ret = enum_value (b, m, e->slots[i] & BTF_ENUM_64,
                             e->slots[i] & BTF_ENUM_SIGNED);
          return true;
        }
    }
  return false;
}

const char *
btf_enum_name (const struct btf *b, const char *type, int64_t value)
{
  uint32_t id = named (b, type, 1u << KIND_ENUM | 1u << KIND_ENUM64);
  const uint8_t *m;
  struct btf_rec r;
  bool wide;

  if (id == 0)
    return NULL;
  r = btf_rec (b, id);
  wide = btf_kind_of (r.info) == KIND_ENUM64;
  if (!wide && btf_kind_of (r.info) != KIND_ENUM)
    return NULL;
  m = btf_extra (b, id);
  for (unsigned n = btf_vlen (r.info); n > 0; n--, m += wide ? 12 : 8)
    if (enum_value (b, m, wide, btf_kflag (r.info)) == value)
      return b->strs + btf_u32 (m);
  return NULL;
}

/* ---- the rest ---- */

bool
btf_percpu (const struct btf *b, const char *name, uint32_t *ret)
{
  struct btf_rec r;
  const uint8_t *m;

  if (b->percpu == 0)
    return false;
  r = btf_rec (b, b->percpu);
  m = btf_extra (b, b->percpu);
  for (unsigned n = btf_vlen (r.info); n > 0; n--, m += 12)
    {
      uint32_t id = btf_u32 (m);
      struct btf_rec var = btf_rec (b, id);

      if (id > 0 && btf_kind_of (var.info) == KIND_VAR
          && strcmp (b->strs + var.name, name) == 0)
        {
          *ret = btf_u32 (m + 4);
          return true;
        }
    }
  return false;
}

static const char *
word_of (unsigned kind)
{
  switch (kind)
    {
    case KIND_STRUCT:
      return "struct ";
    case KIND_UNION:
      return "union ";
    case KIND_ENUM:
    case KIND_ENUM64:
      return "enum ";
    default:
      return "";
    }
}

size_t
btf_type_name (const struct btf *b, uint32_t id, char *dst, size_t n)
{
  char behind[RESOLVE_MAX + 2] = "";
  size_t stars = 0;
  bool constant = false;
  int len = -1;

  for (unsigned i = 0; i < RESOLVE_MAX && id < b->n && len < 0; i++)
    {
      struct btf_rec r = btf_rec (b, id);
      unsigned kind = id == 0 ? KIND_VOID : btf_kind_of (r.info);

      if (kind == KIND_PTR)
        {
          if (stars == 0)
            behind[stars++] = ' ';
          behind[stars++] = '*';
          constant = false; /* it was the pointer that is */
          id = r.ref;
        }
      else if (kind == KIND_CONST || kind == KIND_VOLATILE
               || kind == KIND_RESTRICT || kind == KIND_TYPE_TAG)
        {
          constant |= kind == KIND_CONST;
          id = r.ref;
        }
      else
        len = snprintf (dst, n, "%s%s%s%s", constant ? "const " : "",
                        word_of (kind),
                        kind == KIND_VOID         ? "void"
                        : kind == KIND_FUNC_PROTO ? "function"
                        : kind == KIND_ARRAY      ? "array"
                        : !b->strs[r.name]         ? "(anonymous)"
                                                  : b->strs + r.name,
                        behind);
    }
  if (len < 0)
    len = snprintf (dst, n, "?");
  return (size_t) len;
}
