/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter and the automaton that find literals; scan_build.c makes them.
 */
#include "kernel/text/scan_impl.h"

#include <stdlib.h>
#include <string.h>

void
text_scan_free (struct text_scan *s)
{
  if (!s)
    return;
  free (s->outs);
  free (s->edges);
  free (s->nodes);
  free (s->rows);
  free (s->windows);
  free (s->bits);
  free (s);
}

size_t
text_scan_words (const struct text_scan *s)
{
  return s->words;
}

size_t
text_scan_size (const struct text_scan *s)
{
  size_t n = sizeof *s;

  n += s->nwindows * sizeof *s->windows;
  n += ((size_t) 1 << s->log_bits) / 8;
  n += (size_t) s->ndense * s->nclasses * sizeof *s->rows;
  n += s->nnodes * (sizeof *s->nodes + sizeof *s->edges);
  return n + s->nouts * sizeof *s->outs;
}

/* ---- the automaton ---- */

/* Follows one byte.  What is deep has no row of its own but the few ways on
 * that the literals have; where none fits, it is as if it had come by its
 * longest other beginning.  Each step back undoes one step forward, so there
 * are at most two for each byte. */
static inline unsigned
next_state (const struct text_scan *s, unsigned state, unsigned class)
{
  for (;;)
    {
      const struct scan_node *n = s->nodes + state;

      if (state < s->ndense)
        return s->rows[state * s->nclasses + class];
      for (unsigned i = 0; i < n->nedges; i++)
        if (s->edges[n->edge + i].class == class)
          return s->edges[n->edge + i].to;
      state = n->fail;
    }
}

static bool
run (const struct text_scan *s, const char *text, size_t len, uint64_t *set)
{
  unsigned state = 0;
  bool any = false;

  for (size_t i = 0; i < len; i++)
    {
      state = next_state (s, state, s->class[(unsigned char) text[i]]);
      /* Itself, and the literals that are its end. */
      for (unsigned at = state; at > 0; at = s->nodes[at].shorter)
        for (unsigned o = s->nodes[at].out; o > 0; o = s->outs[o].next)
          {
            if (!any)
              memset (set, 0, s->words * sizeof *set);
            any = true;
            set[s->outs[o].id / 64] |= (uint64_t) 1 << s->outs[o].id % 64;
          }
    }
  return any;
}

/* ---- the filter ---- */

static bool
window_known (const struct text_scan *s, uint32_t piece)
{
  size_t i = scan_hash (piece, s->log_windows);

  while (s->windows[i].used && s->windows[i].piece != piece)
    i = (i + 1) & (s->nwindows - 1);
  return s->windows[i].used;
}

static inline bool
look (const struct text_scan *s, const char *p)
{
  uint32_t piece, h;

  memcpy (&piece, p, sizeof piece);
  piece &= s->mask;
  h = scan_hash (piece, s->log_bits);
  return (s->bits[h / 32] & (uint32_t) 1 << h % 32)
         && window_known (s, piece);
}

/* The first place where a piece stands; len if there is none. */
static size_t
first_piece (const struct text_scan *s, const char *text, size_t len)
{
  char tail[sizeof (uint32_t)] = { 0 };
  size_t at = 0;

  for (; at + sizeof tail <= len; at += s->stride)
    if (look (s, text + at))
      return at;
  /* Pieces of three bytes: the last may not be loaded as four. */
  if (at + s->width <= len)
    {
      memcpy (tail, text + at, len - at);
      if (look (s, tail))
        return at;
    }
  return len;
}

bool
text_scan_find (const struct text_scan *s, const char *text, size_t len,
                uint64_t *set)
{
  size_t at;

  if (len < s->shortest)
    return false;
  at = first_piece (s, text, len);
  if (at == len)
    return false;
  /* This piece may stand in front of another literal's, within that one: back
   * as far as any literal's piece is behind its beginning. */
  at = at > s->reach ? at - s->reach : 0;
  return run (s, text + at, len - at, set);
}
