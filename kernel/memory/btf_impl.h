/* SPDX-License-Identifier: Apache-2.0
 *
 * What btf.c (taking in) and btf_find.c (looking up) share.  After btf_new()
 * every id, string offset and record lies within the blob: looking up does
 * not check those again, only how far it goes.
 */
#ifndef HANGDOG_KERNEL_MEMORY_BTF_IMPL_H
#define HANGDOG_KERNEL_MEMORY_BTF_IMPL_H

#include "kernel/memory/btf.h"

#include <string.h>

enum btf_kind
{
  KIND_VOID,
  KIND_INT,
  KIND_PTR,
  KIND_ARRAY,
  KIND_STRUCT,
  KIND_UNION,
  KIND_ENUM,
  KIND_FWD,
  KIND_TYPEDEF,
  KIND_VOLATILE,
  KIND_CONST,
  KIND_RESTRICT,
  KIND_FUNC,
  KIND_FUNC_PROTO,
  KIND_VAR,
  KIND_DATASEC,
  KIND_FLOAT,
  KIND_DECL_TAG,
  KIND_TYPE_TAG,
  KIND_ENUM64,
  KIND_MAX,
};

/* A type's record: three words, then what its kind adds. */
struct btf_rec
{
  uint32_t name, info, ref; /* ref: a size or another type's id */
};

struct btf_enums;

struct btf
{
  uint8_t *blob;
  const uint8_t *types; /* in the blob */
  const char *strs;
  uint32_t types_len, strs_len;
  uint32_t *at; /* of each id, in types; [0] is void */
  uint32_t n;   /* ids are below */
  uint32_t *index, mask; /* ids by the hash of their names, 0 = free */
  uint32_t named, enumerators;
  uint32_t percpu; /* id of the DATASEC */
  /* Enums say whether they are signed (since ENUM64 exists); before, all
   * were read as such. */
  bool signs;
  struct btf_enums *enums; /* by name, made when first asked for */
};

struct btf_enums
{
  /* Where the enumerator is in types; its two low bits say what it is. */
  uint32_t *slots, mask;
};
#define BTF_ENUM_64 1u
#define BTF_ENUM_SIGNED 2u

static inline uint32_t
btf_u32 (const void *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return v;
}

static inline unsigned
btf_kind_of (uint32_t info)
{
  return info >> 24 & 31;
}

static inline unsigned
btf_vlen (uint32_t info)
{
  return info & 0xffff;
}

static inline bool
btf_kflag (uint32_t info)
{
  return info >> 31;
}

static inline struct btf_rec
btf_rec (const struct btf *b, uint32_t id)
{
  struct btf_rec r;

  memcpy (&r, b->types + b->at[id], sizeof r);
  return r;
}

static inline const uint8_t *
btf_extra (const struct btf *b, uint32_t id)
{
  return b->types + b->at[id] + sizeof (struct btf_rec);
}

static inline uint32_t
btf_hash (const char *s)
{
  uint32_t h = 2166136261u;

  for (; *s; s++)
    h = (h ^ (unsigned char) *s) * 16777619u;
  return h ^ h >> 15;
}

#endif
