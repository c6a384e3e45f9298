/* SPDX-License-Identifier: Apache-2.0
 *
 * kallsyms tables, made by a test, in each of the layouts that kernels had.
 */
#ifndef HANGDOG_TESTS_KSYMS_BUILDER_H
#define HANGDOG_TESTS_KSYMS_BUILDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ksyms_recipe
{
  enum
  {
    BASE,   /* offsets from a base */
    PERCPU, /* the same, and per-cpu ones from zero */
    FULL,
    PLACE,
  } layout;
  bool behind;     /* addresses lie behind the tokens */
  bool seqs;       /* something between markers and tokens */
  bool wide;       /* markers of 64 bits */
  bool long_names; /* lengths of 128 and more in two bytes */
  bool text_only;
  bool tight; /* aligned to 4, not to 8 */
  uint32_t n;
  uint64_t image, len; /* code in its first half, data in its second */
};

/* Where they are, counted from where they begin; 0 = there is none. */
struct ksyms_places
{
  uint32_t num, names, markers, tokens, index, addresses, base, end;
};

#define KSYMS_PERCPU 8u /* so many with PERCPU */
#define KSYMS_LONG 300u /* this one has a name of 200 bytes and more */

static inline uint64_t
ksyms_made (const struct ksyms_recipe *r, uint32_t i, char name[400])
{
  uint32_t skip = r->layout == PERCPU ? KSYMS_PERCPU : 0;
  uint64_t half = r->len / 2;
  uint32_t code = r->text_only ? r->n : r->n / 2;

  if (i < skip)
    {
      snprintf (name, 400, "Apercpu_%u", i);
      return i * 64;
    }
  i -= skip;
  if (i == 0)
    snprintf (name, 400, "T_stext");
  else if (i + 1 == code)
    snprintf (name, 400, "T_etext");
  else if (i == KSYMS_LONG)
    snprintf (name, 400, "tlong_%0200u", i);
  else if (i >= code)
    snprintf (name, 400, i == code ? "Dinit_task" : "ddata_%u", i);
  else if (i % 100 == 1)
    snprintf (name, 400, "t__key");
  else
    snprintf (name, 400, "tdo_init_%u", i);
  return i < code ? r->image + (uint64_t) i * 32
                  : r->image + half + (uint64_t) (i - code) * 16;
}

static const char *
ksyms_token_ (unsigned i, char one[2])
{
  static const char *const several[]
      = { "do_", "init_", "data_", "tdo_init_", "long", "00", "percpu_" };

  one[0] = one[1] = '\0';
  if (i < sizeof several / sizeof several[0])
    return several[i];
  if (i > ' ' && i <= '~')
    one[0] = (char) i;
  return one;
}

/* One name, as tokens: single characters but for a few. */
static inline size_t
ksyms_name_ (const struct ksyms_recipe *r, const char *name, unsigned char *to)
{
  unsigned char tokens[400];
  size_t n = 0, head = 0;
  char one[2];

  while (*name)
    {
      unsigned t = (unsigned char) *name;
      size_t len = 1;

      for (unsigned i = 0; i < 7; i++)
        {
          const char *s = ksyms_token_ (i, one);

          /* A long one stays long. */
          if (strlen (s) > len && strncmp (name, s, strlen (s)) == 0
              && strcmp (s, "00") != 0)
            {
              t = i;
              len = strlen (s);
            }
        }
      tokens[n++] = (unsigned char) t;
      name += len;
    }
  if (r->long_names && n > 127)
    {
      to[head++] = (unsigned char) (n | 0x80);
      to[head++] = (unsigned char) (n >> 7);
    }
  else
    to[head++] = (unsigned char) n;
  memcpy (to + head, tokens, n);
  return head + n;
}

static inline uint32_t
ksyms_up_ (const struct ksyms_recipe *r, uint32_t at)
{
  return r->tight ? (at + 3) & ~3u : (at + 7) & ~7u;
}

static inline uint32_t
ksyms_addresses_ (const struct ksyms_recipe *r, unsigned char *to, uint32_t at,
                  struct ksyms_places *p)
{
  char name[400];

  p->addresses = at;
  for (uint32_t i = 0; i < r->n; i++)
    {
      uint64_t va = ksyms_made (r, i, name), v = va - r->image;

      if (r->layout == FULL)
        v = va;
      else if (r->layout == PLACE)
        v = va - (r->image + r->len / 2 + r->len / 4 + at);
      else if (r->layout == PERCPU)
        v = va < 4096 ? va : r->image - 1 - va;
      memcpy (to + at, &v, r->layout == FULL ? 8 : 4);
      at += r->layout == FULL ? 8 : 4;
    }
  at = ksyms_up_ (r, at);
  if (r->layout == BASE || r->layout == PERCPU)
    {
      p->base = at;
      memcpy (to + at, &r->image, 8);
      at += 8;
    }
  return at;
}

static inline uint32_t
ksyms_tokens_ (const struct ksyms_recipe *r, unsigned char *to, uint32_t at,
               struct ksyms_places *p)
{
  uint16_t index[256];
  char one[2];

  p->tokens = at;
  for (unsigned i = 0; i < 256; i++)
    {
      const char *s = ksyms_token_ (i, one);

      index[i] = (uint16_t) (at - p->tokens);
      memcpy (to + at, s, strlen (s) + 1);
      at += (uint32_t) strlen (s) + 1;
    }
  at = ksyms_up_ (r, at);
  p->index = at;
  memcpy (to + at, index, sizeof index);
  return at + sizeof index;
}

/* They are made at `to`, which is three quarters into the image. */
static inline void
ksyms_make (const struct ksyms_recipe *r, unsigned char *to,
            struct ksyms_places *p)
{
  uint64_t *markers = calloc (r->n / 256 + 1, 8);
  uint32_t at = 0;
  char name[400];

  if (!markers)
    abort ();
  memset (p, 0, sizeof *p);
  if (!r->behind)
    at = ksyms_addresses_ (r, to, at, p);
  p->num = at;
  memcpy (to + at, &r->n, 4);
  at += r->tight ? 4 : 8;
  p->names = at;
  for (uint32_t i = 0; i < r->n; i++)
    {
      if (i % 256 == 0)
        markers[i / 256] = at - p->names;
      ksyms_made (r, i, name);
      at += (uint32_t) ksyms_name_ (r, name, to + at);
    }
  at = ksyms_up_ (r, at);
  p->markers = at;
  for (uint32_t i = 0; i < (r->n + 255) / 256; i++)
    {
      memcpy (to + at, &markers[i], r->wide ? 8 : 4);
      at += r->wide ? 8 : 4;
    }
  at = ksyms_up_ (r, at);
  for (uint32_t i = 0; r->seqs && i < r->n * 3; i++)
    to[at++] = (unsigned char) (i * 151 >> 3);
  at = ksyms_up_ (r, at);
  at = ksyms_tokens_ (r, to, at, p);
  if (r->behind)
    at = ksyms_addresses_ (r, to, at, p);
  p->end = at;
  free (markers);
}

/* The same as a kernel writes them down. */
static inline void
ksyms_vmcoreinfo (const struct ksyms_recipe *r, const struct ksyms_places *p,
                  char *dst, size_t n)
{
  uint64_t at = r->image + r->len / 2 + r->len / 4;
  int len;

  len = snprintf (dst, n,
                  "OSRELEASE=6.1.0-test\nPAGESIZE=4096\n"
                  "SYMBOL(_stext)=%llx\n"
                  "SYMBOL(kallsyms_names)=%llx\n"
                  "SYMBOL(kallsyms_num_syms)=%llx\n"
                  "SYMBOL(kallsyms_token_table)=%llx\n"
                  "SYMBOL(kallsyms_token_index)=%llx\n"
                  "SYMBOL(kallsyms_%s)=%llx\n",
                  (unsigned long long) r->image,
                  (unsigned long long) at + p->names,
                  (unsigned long long) at + p->num,
                  (unsigned long long) at + p->tokens,
                  (unsigned long long) at + p->index,
                  r->layout == FULL ? "addresses" : "offsets",
                  (unsigned long long) at + p->addresses);
  if (p->base > 0)
    snprintf (dst + len, n - (size_t) len,
              "SYMBOL(kallsyms_relative_base)=%llx\n",
              (unsigned long long) at + p->base);
}

#endif
