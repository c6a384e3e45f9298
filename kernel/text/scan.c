/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter and the automaton that find literals; scan_build.c makes them.
 */
#include "kernel/text/scan_impl.h"

#include <stdlib.h>
#include <string.h>

/* Literals that are compared in a text, beside one for each of its bytes,
 * before the automaton takes over: it is slower on harmless text, and no
 * slower on any other. */
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
  free (s->wide.windows);
  free (s->wide.bits);
  free (s->narrow.windows);
  free (s->narrow.bits);
  free (s->whose);
  free (s->bytes);
  free (s);
}

size_t
text_scan_words (const struct text_scan *s)
{
  return s->words;
}

static size_t
filter_size (const struct scan_filter *f)
{
  if (f->log_bits == 0)
    return 0;
  return ((size_t) 1 << f->log_bits) / 8
         + ((size_t) 1 << f->log_windows) * sizeof *f->windows;
}

size_t
text_scan_size (const struct text_scan *s)
{
  size_t n = sizeof *s + filter_size (&s->wide) + filter_size (&s->narrow);

  n += s->nwhose * sizeof *s->whose + s->nbytes;
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

/* A text that is looked through. */
struct search
{
  const struct text_scan *s;
  const char *text;
  size_t len;
  size_t tries;
};

static bool
is_there (const struct search *q, const struct scan_whose *o, size_t at)
{
  const char *p = q->text + at - o->at;
  size_t rest = q->len - (at - o->at);
  uint32_t begin;

  if (o->len > rest)
    return false;
  /* Most end here. */
  if (rest >= sizeof begin)
    {
      memcpy (&begin, p, sizeof begin);
      if ((begin & o->mask) != o->begin)
        return false;
    }
  return memcmp (p, q->s->bytes + o->bytes, o->len) == 0;
}

/* Whether one of the literals that have this piece stands there as a whole.
 * Each that does not costs one of the tries; when they are gone nothing is
 * denied any more. */
static bool
literal_at (struct search *q, const struct scan_filter *f, uint32_t piece,
            size_t at)
{
  size_t i = scan_hash (piece, f->log_windows);
  size_t last = ((size_t) 1 << f->log_windows) - 1;

  while (f->windows[i].first > 0 && f->windows[i].piece != piece)
    i = (i + 1) & last;
  for (uint32_t w = f->windows[i].first; w > 0; w = q->s->whose[w].next)
    {
      const struct scan_whose *o = q->s->whose + w;

      if (q->tries == 0)
        return true;
      q->tries--;
      if (at >= o->at && is_there (q, o, at))
        return true;
    }
  return false;
}

static inline uint32_t
maybe (const struct scan_filter *f, uint32_t loaded)
{
  uint32_t h = scan_hash (loaded & f->mask, f->log_bits);

  return f->bits[h / 32] >> h % 32 & 1;
}

/* The first place where a literal is, or where so many nearly were that it is
 * time for the automaton; len if there is none.  narrow is known when this is
 * compiled: most looks need no second one. */
static inline size_t
first_place (struct search *q, bool narrow)
{
  const struct text_scan *s = q->s;
  uint32_t loaded = 0, wide, brief;
  size_t at = 0;

  for (; at + sizeof loaded <= q->len; at += s->stride)
    {
      memcpy (&loaded, q->text + at, sizeof loaded);
      wide = maybe (&s->wide, loaded);
      brief = narrow ? maybe (&s->narrow, loaded) : 0;
      if (!(wide | brief))
        continue;
      if ((wide && literal_at (q, &s->wide, loaded & s->wide.mask, at))
          || (brief
              && literal_at (q, &s->narrow, loaded & s->narrow.mask, at)))
        return at;
    }
  /* The end, too short to be loaded at once. */
  if (narrow && at + SCAN_NARROW <= q->len)
    {
      loaded = 0;
      memcpy (&loaded, q->text + at, q->len - at);
      if (maybe (&s->narrow, loaded)
          && literal_at (q, &s->narrow, loaded & s->narrow.mask, at))
        return at;
    }
  return q->len;
}

bool
text_scan_find (const struct text_scan *s, const char *text, size_t len,
                uint64_t *set)
{
  struct search q = { s, text, len, TRIES + len };
  size_t at;

  if (len < s->shortest)
    return false;
  at = s->narrow.log_bits > 0 ? first_place (&q, true)
                              : first_place (&q, false);
  if (at == len)
    return false;
  /* Back as far as any literal's piece is behind its beginning: those whose
   * pieces come later may have begun already. */
  at = at > s->reach ? at - s->reach : 0;
  return run (s, text + at, len - at, set);
}
