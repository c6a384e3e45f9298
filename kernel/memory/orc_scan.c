/* SPDX-License-Identifier: Apache-2.0
 *
 * ORC tables of a kernel that names only its code (no KALLSYMS_ALL): found by
 * what they look like.
 *
 * The addresses are distances from where they stand, ascend, and all lead into
 * the image: of words that are something else no thousand in a row do.  The
 * rules lie right behind, as the linker puts them.  Where the first entry is,
 * is checked by what every function begins with: its caller's frame is above
 * the return address, whatever it does later.
 */
#include "kernel/memory/kernel.h"
#include "kernel/memory/unwind.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (256u << 10)
/* Words in a row that make it worth a closer look. */
#define PROBE 64u
/* Entries of the smallest kernel; a real one has 100,000. */
#define ENOUGH 4096u
#define MAX_ENTRIES (4u << 20)
#define FUNCTIONS 400u
#define TRIES 16u
#define NEAR (64 << 10)
#define CALLED 8 /* the return address alone is on the stack */

struct scan
{
  struct kernel *k;
  uint32_t *buf;
  uint64_t at; /* of buf */
  size_t n;    /* words in it */
};

static bool
leads (const struct scan *s, size_t i, uint64_t *ret)
{
  int32_t d;

  memcpy (&d, &s->buf[i], sizeof d);
  *ret = s->at + 4 * i + (uint64_t) (int64_t) d;
  /* Code that runs only at the end has no bounds that are known; but it is
   * not here, where zeros and ones would lead. */
  return (d >= NEAR || d <= -NEAR)
         && *ret - s->k->image.va < s->k->image.len;
}

static bool
load (struct scan *s, uint64_t at)
{
  const struct ksyms_image *i = &s->k->image;
  size_t want = CHUNK;

  if (at < i->va || at - i->va >= i->len)
    return false;
  if (i->len - (at - i->va) < want)
    want = (size_t) (i->len - (at - i->va));
  s->at = at;
  s->n = space_read_some (s->k->space, at, s->buf, want) / 4;
  return s->n > 0;
}

/* How many words from i on, at most that many, ascend and lead into the
 * image. */
static size_t
run_from (const struct scan *s, size_t i, size_t most, uint64_t *last)
{
  size_t n = 0;
  uint64_t to;

  for (; n < most && i + n < s->n && leads (s, i + n, &to) && to >= *last; n++)
    *last = to;
  return n;
}

/* ---- its beginning and its end ---- */

static uint64_t
begin_of (struct scan *s, uint64_t at, uint64_t first)
{
  uint64_t low = s->k->image.va, to;
  size_t i;

  while (at > low)
    {
      uint64_t from = at - low > CHUNK ? at - CHUNK : low;

      if (!load (s, from) || s->n < (at - from) / 4)
        return at;
      for (i = (size_t) (at - from) / 4; i > 0; i--)
        {
          if (!leads (s, i - 1, &to) || to > first)
            return from + 4 * i;
          first = to;
        }
      at = from;
    }
  return at;
}

static uint64_t
end_of (struct scan *s, uint64_t at, uint64_t last)
{
  while (load (s, at))
    {
      size_t n = run_from (s, 0, s->n, &last);

      at += 4 * n;
      if (n < s->n)
        break;
    }
  return at;
}

/* ---- whether rules and addresses belong together ---- */

struct rule
{
  int16_t sp_offset, bp_offset;
  uint16_t flags;
};

/* Functions that begin where an entry is have the rule of who was just
 * called, nearly all of them. */
static bool
fits (struct scan *s, uint64_t ips, size_t n)
{
  struct kernel *k = s->k;
  size_t step = n / (FUNCTIONS * 8) + 1;
  unsigned asked = 0, called = 0;

  for (size_t i = 0; i < n && asked < FUNCTIONS; i += step)
    {
      struct rule rule;
      struct ksym sym;
      uint32_t d;
      uint64_t at = ips + 4 * i;

      if (!space_u32 (k->space, at, &d))
        return false;
      at += (uint64_t) (int64_t) (int32_t) d;
      if (!ksyms_find (k->syms, at, &sym) || sym.start != at)
        continue;
      if (space_read (k->space, ips + 4 * n + sizeof rule * i, &rule,
                      sizeof rule)
          < 0)
        return false;
      asked++;
      called += rule.sp_offset == CALLED;
    }
  return asked >= FUNCTIONS / 8 && called * 4 >= asked * 3;
}

/* *ret_end: where what looks like one ends; since 7.0 kallsyms has another
 * that does. */
static bool
try_at (struct scan *s, uint64_t at, uint64_t first, uint64_t last,
        uint64_t *ret_ips, size_t *ret_n, uint64_t *ret_end)
{
  uint64_t begin = begin_of (s, at, first);
  uint64_t end = end_of (s, at + 4 * PROBE, last);
  size_t n = (size_t) (end - begin) / 4;

  *ret_end = end;
  if (n < ENOUGH || n > MAX_ENTRIES)
    return false;
  /* A word before them may happen to look like one. */
  for (unsigned more = 0; more < 4; more++)
    if (fits (s, begin + 4 * more, n - more))
      {
        *ret_ips = begin + 4 * more;
        *ret_n = n - more;
        return true;
      }
  return false;
}

/* A run that begins at one of the pages from at on; *ret_next: where to go on
 * when there is none. */
static bool
find_run (struct scan *s, uint64_t at, uint64_t *ret_at, uint64_t *ret_first,
          uint64_t *ret_last, uint64_t *ret_next)
{
  *ret_next = at + 4096;
  if (!load (s, at))
    return false;
  if (s->n * 4 > 4096)
    *ret_next = at + (s->n * 4 & ~4095ull);
  for (size_t i = 0; i + PROBE <= s->n; i += 1024)
    {
      if (!leads (s, i, ret_first))
        continue;
      *ret_last = *ret_first;
      *ret_at = at + 4 * i;
      if (run_from (s, i, PROBE, ret_last) == PROBE)
        return true;
    }
  return false;
}

bool
orc_scan_ (struct kernel *k, uint64_t *ret_ips, size_t *ret_n)
{
  CLEANUP_FREE uint32_t *buf = malloc (CHUNK);
  struct scan s = { .k = k, .buf = buf };
  uint64_t at = k->image.va & ~4095ull, end = k->image.va + k->image.len;
  uint64_t run, first, last, next;

  if (!buf || !k->syms)
    return false;
  /* A table is many pages long: one look at each page's beginning will do. */
  for (unsigned tries = 0; at < end && tries < TRIES; at = next)
    if (find_run (&s, at, &run, &first, &last, &next))
      {
        tries++;
        if (try_at (&s, run, first, last, ret_ips, ret_n, &next))
          return true;
        next = (next > run ? next : run) / 4096 * 4096 + 4096;
      }
  return false;
}
