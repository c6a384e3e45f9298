/* SPDX-License-Identifier: Apache-2.0
 *
 * BTF is taken in: one pass over all types that checks everything, and an
 * index of the names.
 */
#include "kernel/memory/btf.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/btf_impl.h"

#include <endian.h>
#include <stdlib.h>

#define MAGIC_VERSION 0x0001eb9fu /* and no flags */
#define HEADER 24u
#define HEADER_MAX 4096u

/* All ids and string offsets are compared against the ends only once, at the
 * end of the pass: how many types there are is known only then. */
struct pass
{
  struct btf *b;
  uint32_t max_id, max_str;
  uint32_t cap; /* of b->at */
};

static uint32_t
le32 (const uint8_t *p)
{
  return le32toh (btf_u32 (p));
}

size_t
btf_length (const void *header, size_t len)
{
  const uint8_t *p = header;
  uint64_t hdr, types, types_end, strs, strs_end, all;

  if (len < HEADER || le32 (p) != MAGIC_VERSION)
    return 0;
  hdr = le32 (p + 4);
  types = le32 (p + 8);
  types_end = types + le32 (p + 12);
  strs = le32 (p + 16);
  strs_end = strs + le32 (p + 20);
  if (hdr < HEADER || hdr > HEADER_MAX || hdr % 4 || types % 4
      || types_end % 4 || types_end == types || strs < types_end
      || strs_end == strs)
    return 0;
  all = hdr + strs_end;
  return all <= BTF_MAX_BYTES ? (size_t) all : 0;
}

static void
see (uint32_t *max, uint32_t v)
{
  if (v > *max)
    *max = v;
}

/* What follows the three words of a record: so many bytes for each of vlen,
 * or so many once. */
static const struct
{
  uint8_t each, once;
  bool ref; /* the third word is an id, not a size */
} shapes[KIND_MAX] = {
  [KIND_INT] = { .once = 4 },      [KIND_PTR] = { .ref = true },
  [KIND_ARRAY] = { .once = 12 },   [KIND_STRUCT] = { .each = 12 },
  [KIND_UNION] = { .each = 12 },   [KIND_ENUM] = { .each = 8 },
  [KIND_TYPEDEF] = { .ref = true }, [KIND_VOLATILE] = { .ref = true },
  [KIND_CONST] = { .ref = true },  [KIND_RESTRICT] = { .ref = true },
  [KIND_FUNC] = { .ref = true },
  [KIND_FUNC_PROTO] = { .each = 8, .ref = true },
  [KIND_VAR] = { .once = 4, .ref = true },
  [KIND_DATASEC] = { .each = 12 }, [KIND_DECL_TAG] = { .once = 4, .ref = true },
  [KIND_TYPE_TAG] = { .ref = true }, [KIND_ENUM64] = { .each = 12 },
};

/* Members lie within their structure; a bit field is at most 64 bits. */
static bool
check_members (struct pass *p, const struct btf_rec *r, const uint8_t *m)
{
  uint64_t end = (uint64_t) r->ref * 8;
  bool packed = btf_kflag (r->info);

  for (unsigned n = btf_vlen (r->info); n > 0; n--, m += 12)
    {
      uint32_t at = btf_u32 (m + 8);
      uint64_t bit = packed ? (at & 0xffffff) + (uint64_t) (at >> 24) : at;

      see (&p->max_str, btf_u32 (m));
      see (&p->max_id, btf_u32 (m + 4));
      if (bit > end || (packed && at >> 24 > 64))
        return false;
    }
  return true;
}

static bool
check_pairs (struct pass *p, const struct btf_rec *r, const uint8_t *m)
{
  for (unsigned n = btf_vlen (r->info); n > 0; n--, m += 8)
    {
      see (&p->max_str, btf_u32 (m));
      see (&p->max_id, btf_u32 (m + 4));
    }
  return true;
}

static bool
check_enum (struct pass *p, const struct btf_rec *r, const uint8_t *m)
{
  bool wide = btf_kind_of (r->info) == KIND_ENUM64;

  for (unsigned n = btf_vlen (r->info); n > 0; n--, m += wide ? 12 : 8)
    see (&p->max_str, btf_u32 (m));
  p->b->enumerators += btf_vlen (r->info);
  p->b->signs |= wide || btf_kflag (r->info);
  return r->ref <= 8;
}

static bool
check_section (struct pass *p, const struct btf_rec *r, const uint8_t *m)
{
  for (unsigned n = btf_vlen (r->info); n > 0; n--, m += 12)
    see (&p->max_id, btf_u32 (m));
  return true;
}

static bool
check_int (const struct btf_rec *r, const uint8_t *m)
{
  uint32_t v = btf_u32 (m), bits = v & 0xff, off = v >> 16 & 0xff;

  return r->ref <= 16 && bits <= 128 && off + bits <= r->ref * 8;
}

static bool
check_kind (struct pass *p, const struct btf_rec *r, const uint8_t *extra)
{
  switch (btf_kind_of (r->info))
    {
    case KIND_INT:
      return check_int (r, extra);
    case KIND_ARRAY:
      see (&p->max_id, btf_u32 (extra));
      see (&p->max_id, btf_u32 (extra + 4));
      return true;
    case KIND_STRUCT:
    case KIND_UNION:
      return check_members (p, r, extra);
    case KIND_ENUM:
    case KIND_ENUM64:
      return check_enum (p, r, extra);
    case KIND_FUNC_PROTO:
      return check_pairs (p, r, extra);
    case KIND_DATASEC:
      return check_section (p, r, extra);
    default:
      return true;
    }
}

static int
more_ids (struct pass *p, struct error *err)
{
  uint32_t cap = p->cap * 2, *at;

  if (p->cap >= BTF_MAX_TYPES)
    return error_set (err, EBADMSG, "BTF: more than %u types", BTF_MAX_TYPES);
  at = reallocarray (p->b->at, cap, sizeof *at);
  if (!at)
    return error_errno (err, ENOMEM, "BTF");
  p->b->at = at;
  p->cap = cap;
  return 0;
}

static bool
has_name_index (unsigned kind)
{
  return kind == KIND_STRUCT || kind == KIND_UNION || kind == KIND_TYPEDEF
         || kind == KIND_ENUM || kind == KIND_ENUM64;
}

/* One record at pos.  Returns its length, 0 when it is none. */
static size_t
take_record (struct pass *p, uint32_t pos)
{
  const uint8_t *at = p->b->types + pos;
  size_t left = p->b->types_len - pos, len = sizeof (struct btf_rec);
  struct btf_rec r;
  unsigned kind;

  if (left < len)
    return 0;
  memcpy (&r, at, sizeof r);
  kind = btf_kind_of (r.info);
  if (kind == KIND_VOID || kind >= KIND_MAX || r.info & 0x60ff0000u)
    return 0;
  len += shapes[kind].once + (size_t) shapes[kind].each * btf_vlen (r.info);
  if (left < len || !check_kind (p, &r, at + sizeof r))
    return 0;
  see (&p->max_str, r.name);
  if (shapes[kind].ref)
    see (&p->max_id, r.ref);
  p->b->named += r.name > 0 && has_name_index (kind);
  return len;
}

static int
take_types (struct btf *b, struct error *err)
{
  struct pass p = { .b = b, .cap = 1 };
  uint32_t pos = 0;

  /* As many as kernels have for that length, or soon after. */
  while (p.cap < b->types_len / 24)
    p.cap *= 2;
  b->at = reallocarray (NULL, p.cap, sizeof *b->at);
  if (!b->at)
    return error_errno (err, ENOMEM, "BTF");
  b->at[0] = 0;
  for (b->n = 1; pos < b->types_len; b->n++)
    {
      size_t len = take_record (&p, pos);
      int r;

      if (len == 0)
        return error_set (err, EBADMSG, "BTF: type %u at byte %u is none", b->n,
                          pos);
      if (b->n == p.cap && (r = more_ids (&p, err)) < 0)
        return r;
      b->at[b->n] = pos;
      pos += (uint32_t) len;
    }
  if (p.max_id >= b->n)
    return error_set (err, EBADMSG, "BTF: type %u of %u is used", p.max_id,
                      b->n);
  if (p.max_str >= b->strs_len)
    return error_set (err, EBADMSG, "BTF: a name at byte %u of %u", p.max_str,
                      b->strs_len);
  return 0;
}

/* Names go into reports: plain ASCII, as C's are.  Eight bytes at once, for
 * there are millions: each byte's top bit tells of it, and no sum carries into
 * the next one unless a top bit was set before. */
static bool
strings_plain (const char *s, uint32_t len)
{
  const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
  uint64_t bad = 0;
  uint32_t i = 0;

  for (; i + 8 <= len; i += 8)
    {
      uint64_t v, printable, used;

      memcpy (&v, s + i, sizeof v);
      printable = v + ones * (0x80 - ' ');
      used = v + ones * 0x7f;
      bad |= v | (v + ones) | (used & ~printable);
    }
  for (; i < len; i++)
    if (s[i] != '\0' && (s[i] < ' ' || s[i] > '~'))
      return false;
  return !(bad & tops);
}

/* In the order of ids, so the first of a name is found first.  Names that were
 * made to collide cost at most as much as some 16 honest blobs. */
static int
index_names (struct btf *b, struct error *err)
{
  uint64_t steps = 16ull * b->named + 65536;
  uint32_t size = 16;

  while (size < b->named * 2)
    size *= 2;
  b->mask = size - 1;
  b->index = calloc (size, sizeof *b->index);
  if (!b->index)
    return error_errno (err, ENOMEM, "BTF");
  for (uint32_t id = 1; id < b->n; id++)
    {
      struct btf_rec r = btf_rec (b, id);
      uint32_t slot;

      if (btf_kind_of (r.info) == KIND_DATASEC
          && strcmp (b->strs + r.name, ".data..percpu") == 0)
        b->percpu = id;
      if (r.name == 0 || !has_name_index (btf_kind_of (r.info)))
        continue;
      for (slot = btf_hash (b->strs + r.name) & b->mask; b->index[slot];
           slot = (slot + 1) & b->mask)
        if (steps-- == 0)
          return error_set (err, EBADMSG, "BTF: too many names collide");
      b->index[slot] = id;
    }
  return 0;
}

int
btf_new (void *blob, size_t len, struct btf **ret, struct error *err)
{
  CLEANUP (cleanup_free_) void *ours = blob;
  CLEANUP_FREE struct btf *b = NULL;
  const uint8_t *p = blob;
  uint32_t hdr;
  int r;

  if (!blob || btf_length (blob, len) == 0 || btf_length (blob, len) > len)
    return error_set (err, EBADMSG, "BTF: no header, or cut");
  b = calloc (1, sizeof *b);
  if (!b)
    return error_errno (err, ENOMEM, "BTF");
  b->blob = steal_ptr (&ours);
  b->enums = calloc (1, sizeof *b->enums);
  hdr = le32 (p + 4);
  b->types = p + hdr + le32 (p + 8);
  b->types_len = le32 (p + 12);
  b->strs = (const char *) p + hdr + le32 (p + 16);
  b->strs_len = le32 (p + 20);
  if (b->strs[0] != '\0' || b->strs[b->strs_len - 1] != '\0'
      || !strings_plain (b->strs, b->strs_len))
    r = error_set (err, EBADMSG, "BTF: its names are none");
  else
    r = take_types (b, err);
  if (r == 0)
    r = index_names (b, err);
  if (r < 0)
    {
      btf_free (steal_ptr (&b));
      return r;
    }
  *ret = steal_ptr (&b);
  return 0;
}

void
btf_free (struct btf *b)
{
  if (!b)
    return;
  if (b->enums)
    free (b->enums->slots);
  free (b->enums);
  free (b->index);
  free (b->at);
  free (b->blob);
  free (b);
}

size_t
btf_types (const struct btf *b)
{
  return b->n;
}
