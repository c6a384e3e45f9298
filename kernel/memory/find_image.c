/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel's image in its page tables: where it begins and ends, and the
 * banner that says that it is one.
 */
#include "kernel/memory/find_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/memory/space_impl.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK (256u << 10)
#define BANNER_MAX 256u
#define MAX_PIECES 4096

/* ---- the banner ---- */

static bool
is_release_char (char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
         || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_'
         || c == '+' || c == '~';
}

bool
find_banner_is_ (const char *text, size_t len, char release[65],
                 size_t *ret_len)
{
  const size_t at = strlen (FIND_BANNER);
  size_t n = 0, end;

  if (len < at + 3 || memcmp (text, FIND_BANNER, at) != 0 || text[at] < '0'
      || text[at] > '9')
    return false;
  while (at + n < len && n < 65 && is_release_char (text[at + n]))
    n++;
  /* "Linux version 6.1.0-50-cloud-amd64 (who@where) ..." */
  if (n > 64 || at + n + 2 > len || text[at + n] != ' '
      || text[at + n + 1] != '(')
    return false;
  for (end = at + n; end < len && text[end] != '\n' && text[end] != '\0';)
    end++;
  memcpy (release, text + at, n);
  release[n] = '\0';
  *ret_len = end;
  return true;
}

size_t
find_banner_in_ (const void *bytes, size_t len, bool any)
{
  const unsigned char *p = bytes;
  uint64_t first, word;

  if (any)
    {
      const unsigned char *hit
          = memmem (p, len, FIND_BANNER, strlen (FIND_BANNER));

      return hit ? (size_t) (hit - p) : len;
    }
  /* A compiler puts an array of that size at a multiple of 8 at least. */
  memcpy (&first, FIND_BANNER, sizeof first);
  for (size_t i = 0; i + strlen (FIND_BANNER) <= len; i += 8)
    {
      memcpy (&word, p + i, sizeof word);
      if (word == first
          && memcmp (p + i, FIND_BANNER, strlen (FIND_BANNER)) == 0)
        return i;
    }
  return len;
}

/* ---- pieces of what is mapped ---- */

struct piece
{
  uint64_t va, len;
  bool constant; /* neither written nor executed: where the banner is */
};

struct pieces
{
  struct piece *p;
  size_t n;
  uint64_t begin, end; /* of the group */
};

static void
pieces_clear (struct pieces *g)
{
  free (g->p);
}

/* The next group of pieces without a large hole between them, from *va on;
 * *va is behind it then.  0 when there is none. */
static int
next_group (struct space *s, uint64_t *va, uint64_t end, struct pieces *g)
{
  uint64_t at = *va;

  g->n = 0;
  while (at < end && g->n < MAX_PIECES)
    {
      struct piece *last = g->n > 0 ? &g->p[g->n - 1] : NULL;
      struct space_walk w;
      uint64_t next;
      int e = space_walk_ (s, at, &w);

      if (e < 0)
        return e;
      next = (at & ~(w.span - 1)) + w.span;
      if (next == 0 || next > end)
        next = end;
      if (last
          && (next - (last->va + last->len) > FIND_IMAGE_GAP + w.span
              || next - g->p[0].va > FIND_IMAGE_MAX))
        break;
      if (w.mapped && last && last->va + last->len == at
          && last->constant == (!w.writable && !w.exec))
        last->len += next - at;
      else if (w.mapped)
        g->p[g->n++] = (struct piece){ at, next - at, !w.writable && !w.exec };
      at = next;
    }
  *va = at;
  if (g->n == 0)
    return 0;
  g->begin = g->p[0].va;
  g->end = g->p[g->n - 1].va + g->p[g->n - 1].len;
  return 1;
}

/* ---- looking through them ---- */

static bool
take_banner (struct kernel *k, struct space *s, uint64_t va)
{
  char text[BANNER_MAX], release[65];
  size_t n = space_read_some (s, va, text, sizeof text - 1);
  size_t len;

  if (!find_banner_is_ (text, n, release, &len))
    return false;
  memcpy (k->release, release, sizeof release);
  memcpy (k->banner, text, len);
  k->banner[len] = '\0';
  k->banner_at = va;
  return true;
}

/* Kernels since 6.1 have a first one, without the number of the build, that
 * another took the place of when they were linked. */
void
find_true_banner_ (struct kernel *k)
{
  uint64_t at = kernel_var (k, "linux_banner");

  if (at != 0 && at != k->banner_at)
    (void) take_banner (k, k->space, at);
}

static int
look_through (struct kernel *k, struct space *s, const struct piece *p,
              char *chunk, bool any)
{
  /* What is cut at a chunk's end is whole in the next one. */
  for (uint64_t done = 0; done < p->len; done += CHUNK - BANNER_MAX)
    {
      size_t want = p->len - done < CHUNK ? (size_t) (p->len - done) : CHUNK;
      size_t n, at = 0;
      int e;

      /* A page that is nowhere spoils no more than its chunk. */
      e = space_read (s, p->va + done, chunk, want);
      if (e < 0 && e != -EFAULT)
        return e;
      n = e < 0 ? space_read_some (s, p->va + done, chunk, want) : want;
      while (at < n)
        {
          at += find_banner_in_ (chunk + at, n - at, any);
          if (at < n && take_banner (k, s, p->va + done + at))
            return 1;
          at += 8;
        }
      if (want < CHUNK)
        break;
    }
  return 0;
}

int
find_image_ (struct kernel *k, struct space *s, uint64_t va, uint64_t end)
{
  CLEANUP (pieces_clear) struct pieces g = { .n = 0 };
  CLEANUP_FREE char *chunk = malloc (CHUNK);
  int e;

  g.p = malloc (MAX_PIECES * sizeof *g.p);
  if (!chunk || !g.p)
    return -ENOMEM;
  while ((e = next_group (s, &va, end, &g)) > 0)
    /* First where it must be, at full speed; then everywhere. */
    for (unsigned pass = 0; pass < 2; pass++)
      for (size_t i = 0; i < g.n; i++)
        {
          e = pass > 0 || g.p[i].constant
                  ? look_through (k, s, &g.p[i], chunk, pass > 0)
                  : 0;
          if (e < 0)
            return e;
          if (e > 0)
            {
              k->image = (struct ksyms_image){ g.begin, g.end - g.begin };
              return 1;
            }
        }
  return e;
}
