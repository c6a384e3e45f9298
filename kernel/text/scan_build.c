/* SPDX-License-Identifier: Apache-2.0
 *
 * From a list of literals to the tables of scan.c.
 */
#include "kernel/text/scan_impl.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <string.h>

#define DENSE_DEPTH 2 /* beginnings up to this long have rows */
#define NEW_PIECE 3   /* times the cost of one that another literal has */

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

/* How often a byte is to be expected in what kernels print, roughly. */
static double
commonness (unsigned char c)
{
  static const char order[] = " 0eritsoafn:1.cld[]2umpb6845x3gPIC7y9A_hSv-,MR/"
                              "kBN()TEOwUFDLK=zXGqH'";
  const char *p = c ? strchr (order, c) : NULL;
  double share = 0.045;

  if (!p)
    return 0.0005;
  for (; p > order; p--)
    share *= 0.95;
  return share;
}

/* Words of healthy boots, roughly as often as they come: a piece of one of
 * them is seen all the time, however rare its letters are. */
static const char usual_words[]
    = "ACPI: Interrupt link enabled ACPI: table ACPI PCI CPU CPU0: SMP IRQ "
      "PCI: Using configuration type bus resource window mem size memory "
      "reserved pages available initialized registered: driver version "
      "device number target Reached target Started Starting Finished Created "
      "slice Listening on Mounting Mounted file system directory service "
      "Load Kernel Module Set Device Manager Journal Service Socket Random "
      "network interface eth0: link becomes ready address port using table "
      "entries: hash table order bytes default support supported disabled "
      "enabled by default feature detected mode loaded loading module "
      "failed to get: No such file or directory not found error warning "
      "state allocated Reserving level kernel boot Password Requests to "
      "Dispatch Watch restricting CPUs from DHCPACK lease blocks block "
      "usb high-speed USB device xhci_hcd controller host adapter input "
      "clock clocksource: timer max_cycles max_idle_ns frequency processor "
      "BIOS-provided physical RAM map RCU: Hierarchical implementation "
      "Linux version Command line: console=ttyS0 root= NET: Registered "
      "protocol family TCP UDP IPv6 audit: type=2000 systemd[1]: udevd "
      "0x0000000000000000-0x0000000000ffffff 0000:00:01.0: io port 0x0";
#define USUAL_LOG 12

struct usual
{
  uint8_t seen[1 << USUAL_LOG]; /* by a hash of the piece */
};

static uint32_t
load (const struct scan_filter *f, const char *p)
{
  uint32_t piece = 0;

  memcpy (&piece, p, f->width);
  return piece;
}

static void
count_usual (const struct scan_filter *f, struct usual *u)
{
  memset (u, 0, sizeof *u);
  for (size_t i = 0; i + f->width < sizeof usual_words; i++)
    {
      uint8_t *n
          = u->seen + scan_hash (load (f, usual_words + i), USUAL_LOG);

      *n += *n < UINT8_MAX;
    }
}

/* And a piece: letters come in words. */
static double
expected (const struct scan_filter *f, const struct usual *u, const char *p)
{
  double share = 1;

  for (unsigned i = 0; i < f->width; i++)
    {
      share *= commonness ((unsigned char) p[i]);
      if (i > 0 && p[i] >= 'a' && p[i] <= 'z' && p[i - 1] >= 'a'
          && p[i - 1] <= 'z')
        share *= 6;
    }
  return share
         + u->seen[scan_hash (load (f, p), USUAL_LOG)]
               / (double) sizeof usual_words;
}

static struct scan_window *
window_slot (const struct scan_filter *f, uint32_t piece)
{
  size_t i = scan_hash (piece, f->log_windows);

  while (f->windows[i].first > 0 && f->windows[i].piece != piece)
    i = (i + 1) & (((size_t) 1 << f->log_windows) - 1);
  return f->windows + i;
}

/* A piece costs a hit of the filter and a comparison where it stands; one that
 * the filter has already only the comparison. */
static double
piece_cost (const struct scan_filter *f, const struct usual *u, const char *p)
{
  return expected (f, u, p)
         * (window_slot (f, load (f, p))->first > 0 ? 1 : NEW_PIECE);
}

/* The looks may meet a literal at any of `stride` places in a row: of all such
 * rows in it the cheapest is taken. */
static size_t
choose (const struct scan_filter *f, const struct usual *u, unsigned stride,
        const struct scan_literal *l)
{
  size_t best = 0, rows = l->len - f->width - stride + 2;
  double best_cost = 1e9;

  for (size_t at = 0; at < rows; at++)
    {
      double cost = 0;

      for (size_t k = at; k < at + stride; k++)
        cost += piece_cost (f, u, l->text + k);
      if (cost < best_cost)
        {
          best_cost = cost;
          best = at;
        }
    }
  return best;
}

static void
add_whose (struct text_scan *s, const struct scan_literal *l, size_t at,
           struct scan_window *w)
{
  struct scan_whose *o = s->whose + s->nwhose;
  size_t n = l->len < sizeof o->begin ? l->len : sizeof o->begin;

  *o = (struct scan_whose){
    .next = w->first,
    .bytes = (uint32_t) s->nbytes,
    .len = (uint8_t) l->len,
    .at = (uint8_t) at,
  };
  memcpy (&o->begin, l->text, n);
  memset (&o->mask, 255, n);
  w->first = (uint32_t) s->nwhose++;
}

static void
add_windows (struct text_scan *s, const struct usual *wide,
             const struct usual *narrow, const struct scan_literal *l)
{
  bool brief = l->len < SCAN_SHORT;
  struct scan_filter *f = brief ? &s->narrow : &s->wide;
  size_t from = choose (f, brief ? narrow : wide, s->stride, l);

  memcpy (s->bytes + s->nbytes, l->text, l->len);
  for (size_t k = from; k < from + s->stride; k++)
    {
      uint32_t piece = load (f, l->text + k);
      uint32_t h = scan_hash (piece, f->log_bits);
      struct scan_window *w = window_slot (f, piece);

      add_whose (s, l, k, w);
      w->piece = piece;
      f->bits[h / 32] |= (uint32_t) 1 << h % 32;
      if (s->reach < k)
        s->reach = k;
    }
  s->nbytes += l->len;
}

static unsigned
log_within (size_t n, unsigned least, unsigned most)
{
  unsigned log = least;

  while (log < most && ((size_t) 1 << log) < n)
    log++;
  return log;
}

static int
make_filter (struct scan_filter *f, unsigned width, size_t pieces,
             struct error *err)
{
  f->width = width;
  memset (&f->mask, 255, width);
  f->log_windows = log_within (4 * pieces, 4, 31);
  /* Few enough false hits that they do not show, small enough for the first
   * cache. */
  f->log_bits = log_within (64 * pieces, 14, 17);
  f->windows = calloc ((size_t) 1 << f->log_windows, sizeof *f->windows);
  f->bits = calloc ((size_t) 1 << (f->log_bits - 5), sizeof *f->bits);
  if (!f->windows || !f->bits)
    return error_set (err, ENOMEM, "not enough memory");
  return 0;
}

static int
filter (struct text_scan *s, const struct scan_literal *l, size_t n,
        struct error *err)
{
  size_t brief = 0, bytes = 1;
  struct usual wide, narrow;
  int rc;

  s->shortest = SCAN_LITERAL_MAX;
  for (size_t i = 0; i < n; i++)
    {
      bytes += l[i].len;
      brief += l[i].len < SCAN_SHORT;
      if (l[i].len < s->shortest)
        s->shortest = (unsigned) l[i].len;
    }
  s->stride = brief > 0 ? SCAN_LITERAL_MIN - SCAN_NARROW + 1
                        : s->shortest - SCAN_WIDE + 1;
  if (s->stride > SCAN_STRIDE_MAX)
    s->stride = SCAN_STRIDE_MAX;
  s->whose = calloc (n * s->stride + 1, sizeof *s->whose);
  s->bytes = calloc (bytes, 1);
  if (!s->whose || !s->bytes)
    return error_set (err, ENOMEM, "not enough memory");
  rc = make_filter (&s->wide, SCAN_WIDE, (n - brief) * s->stride, err);
  if (rc == 0 && brief > 0)
    rc = make_filter (&s->narrow, SCAN_NARROW, brief * s->stride, err);
  s->nwhose = 1;
  count_usual (&s->wide, &wide);
  count_usual (&s->narrow, &narrow);
  for (size_t i = 0; i < n && rc == 0; i++)
    add_windows (s, &wide, &narrow, l + i);
  return rc;
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
