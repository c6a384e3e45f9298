/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter and the automaton that find literals; scan_build.c makes them.
 */
#include "kernel/text/scan_impl.h"

#include <stdlib.h>
#include <string.h>

/* Literals that are compared in one text before the automaton takes over: it
 * is slower on harmless text, and as fast on any other. */
#define TRIES 64

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
  free (s->whose);
  free (s->bytes);
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
  n += s->nwhose * sizeof *s->whose + s->nbytes;
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

/* Whether one of the literals that have the piece at text + at stands there
 * as a whole.  Each that does not costs one of `tries`; when they are gone
 * nothing is denied any more. */
static bool
literal_at (const struct text_scan *s, uint32_t piece, const char *text,
            size_t at, size_t len, unsigned *tries)
{
  size_t i = scan_hash (piece, s->log_windows);

  while (s->windows[i].first > 0 && s->windows[i].piece != piece)
    i = (i + 1) & (s->nwindows - 1);
  for (uint32_t w = s->windows[i].first; w > 0; w = s->whose[w].next)
    {
      const struct scan_whose *o = s->whose + w;

      if (*tries == 0)
        return true;
      *tries -= 1;
      if (at >= o->at && o->len <= len - (at - o->at)
          && memcmp (text + at - o->at, s->bytes + o->bytes, o->len) == 0)
        return true;
    }
  return false;
}

static inline bool
look (const struct text_scan *s, const char *p, uint32_t *ret_piece)
{
  uint32_t piece, h;

  memcpy (&piece, p, sizeof piece);
  *ret_piece = piece &= s->mask;
  h = scan_hash (piece, s->log_bits);
  return s->bits[h / 32] & (uint32_t) 1 << h % 32;
}

/* The first place where a literal is, or where so many nearly were that it is
 * time for the automaton; len if there is none. */
static size_t
first_place (const struct text_scan *s, const char *text, size_t len)
{
  char tail[sizeof (uint32_t)] = { 0 };
  unsigned tries = TRIES;
  uint32_t piece;
  size_t at = 0;

  for (; at + sizeof tail <= len; at += s->stride)
    if (look (s, text + at, &piece)
        && literal_at (s, piece, text, at, len, &tries))
      return at;
  /* Pieces of three bytes: the last may not be loaded as four. */
  if (at + s->width <= len)
    {
      memcpy (tail, text + at, len - at);
      if (look (s, tail, &piece)
          && literal_at (s, piece, text, at, len, &tries))
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
  at = first_place (s, text, len);
  if (at == len)
    return false;
  /* Back as far as any literal's piece is behind its beginning: those whose
   * pieces come later may have begun already. */
  at = at > s->reach ? at - s->reach : 0;
  return run (s, text + at, len - at, set);
}
