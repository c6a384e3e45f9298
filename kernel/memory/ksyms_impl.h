/* SPDX-License-Identifier: Apache-2.0
 *
 * What ksyms.c (decoding and asking), ksyms_scan.c (finding the tables
 * without help) and ksyms_module.c share.
 */
#ifndef HANGDOG_KERNEL_MEMORY_KSYMS_IMPL_H
#define HANGDOG_KERNEL_MEMORY_KSYMS_IMPL_H

#include "kernel/memory/ksyms.h"

#define KSYMS_MAX_NAMES (64u << 20)
#define KSYMS_MAX_TOKENS (64u << 10)
#define KSYMS_ADDED 8
#define KSYMS_EACH 256u /* symbols from one marker to the next */

/* Where a table of addresses may be. */
struct ksyms_place
{
  bool full;     /* 64 bits each, else 32 */
  uint64_t at;
  uint64_t base; /* where the word is that they are relative to; 0 = none */
};

/* Where the tables of one kernel are. */
#define KSYMS_PLACES 8
struct ksyms_tables
{
  uint64_t names, names_end; /* names end before that */
  uint64_t token_table, token_index;
  struct ksyms_place places[KSYMS_PLACES]; /* the first that fits */
  unsigned nplaces;
  uint32_t n;
};

enum ksyms_layout
{
  LAYOUT_NONE,
  LAYOUT_ABSOLUTE,      /* full addresses */
  LAYOUT_RELATIVE,      /* unsigned, from a base */
  LAYOUT_PERCPU,        /* >= 0: as it is; < 0: base - 1 - offset */
  LAYOUT_PLACE,         /* signed, from where the offset itself is */
};

struct token
{
  uint32_t hash, mul; /* hash of a name: mul and add each of its tokens */
  uint16_t at, len;   /* in token_text */
};

/* One module's. */
struct module_sym
{
  uint64_t at;
  uint32_t name; /* in its strings */
  uint32_t size;
  char type;
};

struct module_syms
{
  char name[64];
  uint64_t text, text_len;
  struct ksyms_area areas[KSYMS_AREAS];
  unsigned nareas;
  struct module_sym *syms; /* by address */
  uint32_t n;
  char *strings;
  uint32_t strings_len;
};

struct ksyms
{
  struct ksyms_image image;
  uint32_t n, ndata;
  uint8_t *names; /* compressed, as they were */
  uint32_t *name_at;
  bool long_names; /* lengths of 128 and more take two bytes */
  char token_text[KSYMS_MAX_TOKENS + KSYMS_NAME];
  struct token tokens[256], first[256]; /* first: without the type */
  uint64_t *addr; /* ascending */
  uint32_t *heads, *next, mask; /* by hash of the name; 1 + index, 0 = end */
  enum ksyms_layout layout;
  /* Code: from _stext to _etext, and what runs only while it boots. */
  struct { uint64_t lo, hi; } text[2];
  char how[64];
  char name[KSYMS_NAME + 1];
  struct module_syms *modules;
  size_t nmodules;
  struct
  {
    const char *name;
    uint64_t va;
  } added[KSYMS_ADDED];
  unsigned nadded;
};

/* Tables that were found; fn returns false to go on looking. */
typedef bool ksyms_found_fn (const struct ksyms_tables *t, void *arg);
bool ksyms_scan_ (struct space *s, const struct ksyms_image *image,
                  ksyms_found_fn *fn, void *arg);

/* How many bytes before the tokens, and how many tokens; 0 = none. */
static inline unsigned
ksyms_length (const uint8_t *p, bool long_names, unsigned *ret_tokens)
{
  if (long_names && *p & 0x80)
    {
      *ret_tokens = (*p & 0x7fu) | (unsigned) p[1] << 7;
      return 2;
    }
  *ret_tokens = *p;
  return 1;
}

void ksyms_modules_free_ (struct ksyms *k);
bool ksyms_module_find_ (const struct ksyms *k, uint64_t va,
                         struct ksym *ret);
uint64_t ksyms_module_addr_ (const struct ksyms *k, const char *name);
bool ksyms_module_text_ (const struct ksyms *k, uint64_t va);

#endif
