/* SPDX-License-Identifier: Apache-2.0
 *
 * From a list of literals to the tables of scan.c.
 */
#include "kernel/text/scan_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

#define DENSE_DEPTH 2 /* beginnings up to this long have rows */

/* ---- the tree of beginnings ---- */

struct branch
{
  uint32_t child, sibling; /* 0 = none: nothing leads back to the root */
  uint16_t state;          /* its number, in order of length */
  uint16_t out;
  uint8_t byte;
};

struct build
{
  struct text_scan *s;
  struct branch *tree;
  uint32_t ntree;
  uint16_t *order; /* the tree's by state: parents before children */
  uint16_t *depth; /* by state */
};

static void
build_done (struct build *b)
{
  free (b->tree);
  free (b->order);
  free (b->depth);
}

static uint32_t
child_of (const struct build *b, uint32_t at, uint8_t byte)
{
  uint32_t c = b->tree[at].child;

  while (c > 0 && b->tree[c].byte != byte)
    c = b->tree[c].sibling;
  return c;
}

static int
too_many (struct error *err)
{
  return error_set (err, E2BIG,
                    "the literals are too many or too long: they need more "
                    "than %d states",
                    SCAN_STATES_MAX);
}

static int
plant (struct build *b, const struct scan_literal *l, uint16_t out,
       struct error *err)
{
  uint32_t at = 0;

  for (size_t i = 0; i < l->len; i++)
    {
      uint8_t byte = (uint8_t) l->text[i];
      uint32_t next = child_of (b, at, byte);

      if (next == 0)
        {
          if (b->ntree >= SCAN_STATES_MAX)
            return too_many (err);
          next = b->ntree++;
          b->tree[next].byte = byte;
          b->tree[next].sibling = b->tree[at].child;
          b->tree[at].child = next;
          if (b->s->class[byte] == 0)
            b->s->class[byte] = (uint8_t) b->s->nclasses++;
        }
      at = next;
    }
  b->s->outs[out] = (struct scan_out){ .id = (uint16_t) l->id,
                                       .next = b->tree[at].out };
  b->tree[at].out = out;
  return 0;
}

static int
plant_all (struct build *b, const struct scan_literal *l, size_t n,
           struct error *err)
{
  struct text_scan *s = b->s;
  size_t room = 1;

  for (size_t i = 0; i < n; i++)
    room += l[i].len;
  if (room > SCAN_STATES_MAX)
    room = SCAN_STATES_MAX;
  b->tree = calloc (room, sizeof *b->tree);
  s->outs = calloc (n + 1, sizeof *s->outs);
  if (!b->tree || !s->outs)
    return error_set (err, ENOMEM, "not enough memory");
  b->ntree = 1;
  s->nclasses = 1;
  s->nouts = n + 1;
  for (size_t i = 0; i < n; i++)
    {
      int r = plant (b, l + i, (uint16_t) (i + 1), err);

      if (r < 0)
        return r;
    }
  s->nnodes = b->ntree;
  return 0;
}

/* Numbers the states by length, so that those with rows come first and what a
 * state falls back to is known before it. */
static int
number (struct build *b, struct error *err)
{
  uint16_t n = 1;

  b->order = calloc (b->ntree, sizeof *b->order);
  b->depth = calloc (b->ntree, sizeof *b->depth);
  if (!b->order || !b->depth)
    return error_set (err, ENOMEM, "not enough memory");
  for (uint32_t state = 0; state < b->ntree; state++)
    {
      if (b->depth[state] <= DENSE_DEPTH)
        b->s->ndense = state + 1;
      for (uint32_t c = b->tree[b->order[state]].child; c > 0;
           c = b->tree[c].sibling)
        {
          b->tree[c].state = n;
          b->order[n] = (uint16_t) c;
          b->depth[n] = (uint16_t) (b->depth[state] + 1);
          n++;
        }
    }
  return 0;
}

/* ---- the automaton ---- */

/* Where a state that is not the root falls back to: what its parent falls
 * back to, one byte on. */
static uint16_t
fall_back (const struct build *b, uint16_t parent, uint8_t byte)
{
  uint32_t next;

  while (parent > 0)
    {
      parent = b->s->nodes[parent].fail;
      next = child_of (b, b->order[parent], byte);
      if (next > 0)
        return b->tree[next].state;
    }
  return 0;
}

static void
fill_children (struct build *b, uint16_t state, uint16_t *edge)
{
  struct text_scan *s = b->s;
  struct scan_node *n = s->nodes + state;

  n->edge = *edge;
  for (uint32_t c = b->tree[b->order[state]].child; c > 0;
       c = b->tree[c].sibling)
    {
      uint16_t to = b->tree[c].state;
      struct scan_node *t = s->nodes + to;

      s->edges[*edge] = (struct scan_edge){
        .to = to,
        .class = s->class[b->tree[c].byte],
      };
      *edge += 1;
      n->nedges++;
      t->out = b->tree[c].out;
      t->fail = fall_back (b, state, b->tree[c].byte);
      t->shorter = s->nodes[t->fail].out > 0 ? t->fail
                                             : s->nodes[t->fail].shorter;
    }
}

/* A row is what its state falls back to has, but for its own ways on. */
static void
fill_row (struct text_scan *s, uint16_t state)
{
  const struct scan_node *n = s->nodes + state;
  uint16_t *row = s->rows + (size_t) state * s->nclasses;

  if (state > 0)
    memcpy (row, s->rows + (size_t) n->fail * s->nclasses,
            s->nclasses * sizeof *row);
  for (unsigned i = 0; i < n->nedges; i++)
    row[s->edges[n->edge + i].class] = s->edges[n->edge + i].to;
}

static int
automaton (struct build *b, struct error *err)
{
  struct text_scan *s = b->s;
  uint16_t edge = 0;

  s->nodes = calloc (s->nnodes, sizeof *s->nodes);
  s->edges = calloc (s->nnodes, sizeof *s->edges);
  s->rows = calloc ((size_t) s->ndense * s->nclasses, sizeof *s->rows);
  if (!s->nodes || !s->edges || !s->rows)
    return error_set (err, ENOMEM, "not enough memory");
  for (uint32_t state = 0; state < s->nnodes; state++)
    {
      fill_children (b, (uint16_t) state, &edge);
      if (state < s->ndense)
        fill_row (s, (uint16_t) state);
    }
  return 0;
}

/* ---- the filter ---- */

/* How common a byte is in what kernels print, roughly: from common to rare;
 * what is not named is rarer still. */
static unsigned
commonness (unsigned char c)
{
  static const char order[] = " 0eitran:sodcl12pum]3[465.78hg9fbv_-k,xy=/S"
                              "AIPCEMDRwTNFLBU()zGOjVHq";
  const char *p = c ? strchr (order, c) : NULL;

  return p ? (unsigned) (sizeof order - (size_t) (p - order)) : 0;
}

static uint32_t
load (const struct text_scan *s, const char *p)
{
  char bytes[sizeof (uint32_t)] = { 0 };
  uint32_t piece;

  memcpy (bytes, p, s->width);
  memcpy (&piece, bytes, sizeof piece);
  return piece;
}

static struct scan_window *
window_slot (const struct text_scan *s, uint32_t piece)
{
  size_t i = scan_hash (piece, s->log_windows);

  while (s->windows[i].first > 0 && s->windows[i].piece != piece)
    i = (i + 1) & (s->nwindows - 1);
  return s->windows + i;
}

static unsigned
piece_cost (const struct text_scan *s, const char *p)
{
  unsigned cost = 0;

  /* What the filter has already comes for nothing. */
  if (window_slot (s, load (s, p))->first > 0)
    return 0;
  for (unsigned i = 0; i < s->width; i++)
    cost += commonness ((unsigned char) p[i]);
  return cost;
}

/* The looks may meet a literal at any of `stride` places in a row: of all such
 * rows in it the one is taken whose pieces are the rarest. */
static size_t
choose (const struct text_scan *s, const struct scan_literal *l)
{
  size_t best = 0, rows = l->len - s->width - s->stride + 2;
  unsigned best_cost = ~0u;

  for (size_t at = 0; at < rows; at++)
    {
      unsigned cost = 0;

      for (size_t k = at; k < at + s->stride; k++)
        cost += piece_cost (s, l->text + k);
      if (cost < best_cost)
        {
          best_cost = cost;
          best = at;
        }
    }
  return best;
}

static void
add_windows (struct text_scan *s, const struct scan_literal *l)
{
  size_t from = choose (s, l);

  memcpy (s->bytes + s->nbytes, l->text, l->len);
  for (size_t k = from; k < from + s->stride; k++)
    {
      uint32_t piece = load (s, l->text + k);
      uint32_t h = scan_hash (piece, s->log_bits);
      struct scan_window *w = window_slot (s, piece);

      s->whose[s->nwhose] = (struct scan_whose){
        .next = w->first,
        .bytes = (uint32_t) s->nbytes,
        .len = (uint8_t) l->len,
        .at = (uint8_t) k,
      };
      w->first = (uint32_t) s->nwhose++;
      w->piece = piece;
      s->bits[h / 32] |= (uint32_t) 1 << h % 32;
      if (s->reach < k)
        s->reach = k;
    }
  s->nbytes += l->len;
}

static unsigned
log_of (size_t n)
{
  unsigned log = 0;

  while (((size_t) 1 << log) < n)
    log++;
  return log;
}

/* How many bytes a piece has, and how far the looks are apart. */
static void
measure (struct text_scan *s, const struct scan_literal *l, size_t n)
{
  static const unsigned char three[sizeof (uint32_t)] = { 255, 255, 255, 0 };

  s->shortest = SCAN_LITERAL_MAX;
  for (size_t i = 0; i < n; i++)
    if (l[i].len < s->shortest)
      s->shortest = (unsigned) l[i].len;
  s->width = s->shortest < 5 ? 3 : 4;
  memset (&s->mask, 255, sizeof s->mask);
  if (s->width == 3)
    memcpy (&s->mask, three, sizeof s->mask);
  s->stride = s->shortest - s->width + 1;
  if (s->stride > SCAN_STRIDE_MAX)
    s->stride = SCAN_STRIDE_MAX;
}

static int
filter (struct text_scan *s, const struct scan_literal *l, size_t n,
        struct error *err)
{
  size_t pieces, bytes = 1;

  measure (s, l, n);
  for (size_t i = 0; i < n; i++)
    bytes += l[i].len;
  pieces = n * s->stride;
  s->log_windows = log_of (4 * pieces + 16);
  s->nwindows = (size_t) 1 << s->log_windows;
  /* Few enough false hits that they do not show, small enough for the first
   * cache. */
  s->log_bits = log_of (32 * pieces);
  if (s->log_bits < 13)
    s->log_bits = 13;
  if (s->log_bits > 17)
    s->log_bits = 17;
  s->windows = calloc (s->nwindows, sizeof *s->windows);
  s->whose = calloc (pieces + 1, sizeof *s->whose);
  s->bytes = calloc (bytes, 1);
  s->bits = calloc ((size_t) 1 << (s->log_bits - 5), sizeof *s->bits);
  if (!s->windows || !s->whose || !s->bytes || !s->bits)
    return error_set (err, ENOMEM, "not enough memory");
  s->nwhose = 1;
  for (size_t i = 0; i < n; i++)
    add_windows (s, l + i);
  return 0;
}

/* ---- all of it ---- */

static int
check (struct text_scan *s, const struct scan_literal *l, size_t n,
       struct error *err)
{
  if (n >= SCAN_STATES_MAX)
    return too_many (err);
  s->words = 1;
  for (size_t i = 0; i < n; i++)
    {
      if (l[i].len < SCAN_LITERAL_MIN || l[i].len > SCAN_LITERAL_MAX
          || memchr (l[i].text, '\0', l[i].len))
        return error_set (err, EINVAL,
                          "a literal has %d to %d bytes and no NUL",
                          SCAN_LITERAL_MIN, SCAN_LITERAL_MAX);
      if (l[i].id > UINT16_MAX)
        return error_set (err, EINVAL, "the id %u is too large", l[i].id);
      if (s->words <= l[i].id / 64)
        s->words = l[i].id / 64 + 1;
    }
  return 0;
}

int
text_scan_new (const struct scan_literal *literals, size_t n,
               struct text_scan **ret, struct error *err)
{
  struct text_scan *s = calloc (1, sizeof *s);
  struct build b CLEANUP (build_done) = { .s = s };
  int r;

  if (!s)
    return error_set (err, ENOMEM, "not enough memory");
  r = check (s, literals, n, err);
  if (r == 0)
    r = plant_all (&b, literals, n, err);
  if (r == 0)
    r = number (&b, err);
  if (r == 0)
    r = automaton (&b, err);
  if (r == 0)
    r = filter (s, literals, n, err);
  if (r < 0)
    {
      text_scan_free (s);
      return r;
    }
  *ret = s;
  return 0;
}
