/* SPDX-License-Identifier: Apache-2.0
 *
 * A small graph, laid out from left to right: who waits, for what, and who
 * has it.
 */
#ifndef HANGDOG_DIAG_REPORT_GRAPH_H
#define HANGDOG_DIAG_REPORT_GRAPH_H

#include "diag/report/report_impl.h"

#define GRAPH_NODES 64
#define GRAPH_EDGES 128

enum graph_edge_kind
{
  GRAPH_WAITS,
  GRAPH_HAS,
  GRAPH_MAYBE
};

struct graph_node
{
  char key[64], label[96], under[96];
  bool lock, circle; /* circle: part of one */
  /* the layout's */
  unsigned layer, part;
  double y, bottom; /* bottom: of its part */
};

struct graph_edge
{
  unsigned from, to;
  enum graph_edge_kind kind;
  bool circle;
  bool back; /* against the direction, which closes a circle */
};

struct graph
{
  struct graph_node nodes[GRAPH_NODES];
  struct graph_edge edges[GRAPH_EDGES];
  unsigned nnodes, nedges;
  bool more; /* there was no room for all */
};

/* Its number; that of before when there is one of that key.  GRAPH_NODES:
 * there is no room. */
unsigned graph_node (struct graph *g, const char *key, const char *label,
                     const char *under);
void graph_edge (struct graph *g, unsigned from, unsigned to,
                 enum graph_edge_kind kind);
/* Edges between nodes of a circle are part of it. */
void graph_draw (struct page *p, struct graph *g, const char *aria);

#endif
