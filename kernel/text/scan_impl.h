/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the literal pass: between scan.c, which reads them, and
 * scan_build.c, which fills them.
 */
#ifndef HANGDOG_KERNEL_TEXT_SCAN_IMPL_H
#define HANGDOG_KERNEL_TEXT_SCAN_IMPL_H

#include "kernel/text/scan.h"

#define SCAN_STATES_MAX 65535
#define SCAN_STRIDE_MAX 4

/* A state of the automaton: a beginning of literals. */
struct scan_node
{
  uint16_t fail;    /* its longest proper end that is a beginning, too */
  uint16_t shorter; /* the nearest of those, down the fails, where a literal
                       ends; 0 = none */
  uint16_t edge;    /* first of its ways on */
  uint16_t out;     /* first of its ids in outs, 0 = no literal ends here */
  uint8_t nedges;
};

struct scan_edge
{
  uint16_t to;
  uint8_t class;
};

struct scan_out
{
  uint16_t id, next; /* outs[0] is not used */
};

/* A piece of literals that the filter knows. */
struct scan_window
{
  uint32_t piece; /* as it is loaded from text, and masked */
  uint32_t first; /* place in whose, 0 = this slot is free */
};

/* A literal that has a piece, and where. */
struct scan_whose
{
  uint32_t next;
  uint32_t bytes; /* place in the literals' bytes */
  uint32_t begin; /* its first four bytes, as they are loaded, and masked */
  uint32_t mask;  /* three for one that has no more */
  uint8_t len, at;
};

/* Pieces of one width. */
struct scan_filter
{
  uint32_t mask;        /* the bytes of a load that belong to a piece */
  unsigned width;       /* bytes of a piece */
  unsigned log_bits;    /* 2^log_bits bits; 0 = nobody has such a piece */
  uint32_t *bits;
  unsigned log_windows; /* of a table of which a quarter at most is in use */
  struct scan_window *windows;
};

struct text_scan
{
  struct scan_filter wide;   /* of literals of 5 bytes and more */
  struct scan_filter narrow; /* of the others */
  unsigned stride;           /* from one look to the next */
  unsigned shortest;         /* bytes of the shortest literal */
  size_t reach;              /* a piece is so far behind its literal's
                                beginning, at most */
  struct scan_whose *whose;  /* whose[0] is not used */
  size_t nwhose, nbytes;
  char *bytes;               /* of all literals */
  /* States 0 (nothing yet) to ndense - 1 have rows: short beginnings, where
   * nearly all text is nearly always.  States count by length. */
  unsigned ndense, nclasses;
  uint16_t *rows;
  struct scan_node *nodes;
  struct scan_edge *edges;
  struct scan_out *outs;
  size_t nnodes, nouts, words;
  uint8_t class[256]; /* 0 = in no literal */
};

#define SCAN_WIDE 4
#define SCAN_NARROW 2
#define SCAN_SHORT (SCAN_WIDE + 1) /* what is shorter has a narrow piece */

/* log = bits of the result. */
static inline uint32_t
scan_hash (uint32_t piece, unsigned log)
{
  return (piece * 0x9e3779b1u) >> (32 - log);
}

#endif
