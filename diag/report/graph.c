/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers from left to right: a node stands right of all that point at it, and
 * an edge that closes a circle runs back below.
 */
#include "diag/report/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_WIDE 190.0
#define NODE_HIGH 40.0
#define GAP_WIDE 64.0
#define GAP_HIGH 14.0
#define BELOW 46.0 /* for an edge that runs back */
#define LABEL 25   /* letters of it */

unsigned
graph_node (struct graph *g, const char *key, const char *label,
            const char *under)
{
  struct graph_node *n;

  for (unsigned i = 0; i < g->nnodes; i++)
    if (strncmp (g->nodes[i].key, key, sizeof g->nodes[i].key - 1) == 0)
      return i;
  if (g->nnodes == GRAPH_NODES)
    {
      g->more = true;
      return GRAPH_NODES;
    }
  n = &g->nodes[g->nnodes];
  snprintf (n->key, sizeof n->key, "%s", key);
  snprintf (n->label, sizeof n->label, "%s", label);
  snprintf (n->under, sizeof n->under, "%s", under);
  return g->nnodes++;
}

void
graph_edge (struct graph *g, unsigned from, unsigned to,
            enum graph_edge_kind kind)
{
  if (from >= g->nnodes || to >= g->nnodes)
    return;
  for (unsigned i = 0; i < g->nedges; i++)
    if (g->edges[i].from == from && g->edges[i].to == to)
      return;
  if (g->nedges == GRAPH_EDGES)
    {
      g->more = true;
      return;
    }
  g->edges[g->nedges++]
      = (struct graph_edge){ .from = from, .to = to, .kind = kind };
}

/* ---- the layout ---- */

enum colour
{
  NEW,
  OPEN,
  DONE
};

/* What leads to one that is still open closes a circle. */
static void
find_back (struct graph *g, unsigned at, unsigned char *colour)
{
  colour[at] = OPEN;
  for (unsigned i = 0; i < g->nedges; i++)
    if (g->edges[i].from == at)
      {
        if (colour[g->edges[i].to] == OPEN)
          g->edges[i].back = true;
        else if (colour[g->edges[i].to] == NEW)
          find_back (g, g->edges[i].to, colour);
      }
  colour[at] = DONE;
}

static unsigned
set_layers (struct graph *g)
{
  unsigned char colour[GRAPH_NODES] = { NEW };
  unsigned most = 0;
  bool moved = true;

  /* A circle is told from a task on: who waits stands left. */
  for (unsigned lock = 0; lock < 2; lock++)
    for (unsigned i = 0; i < g->nnodes; i++)
      if (colour[i] == NEW && g->nodes[i].lock == (lock > 0))
        find_back (g, i, colour);
  while (moved)
    {
      moved = false;
      for (unsigned i = 0; i < g->nedges; i++)
        {
          const struct graph_edge *e = &g->edges[i];
          struct graph_node *to = &g->nodes[e->to];

          if (!e->back && to->layer <= g->nodes[e->from].layer)
            {
              to->layer = g->nodes[e->from].layer + 1;
              most = to->layer > most ? to->layer : most;
              moved = true;
            }
        }
    }
  return most;
}

/* Nodes that an edge joins are of one part; returns how many there are. */
static unsigned
set_parts (struct graph *g)
{
  unsigned parts = 0;
  bool moved = true;

  for (unsigned i = 0; i < g->nnodes; i++)
    g->nodes[i].part = i;
  while (moved)
    {
      moved = false;
      for (unsigned i = 0; i < g->nedges; i++)
        {
          unsigned *a = &g->nodes[g->edges[i].from].part;
          unsigned *b = &g->nodes[g->edges[i].to].part;

          moved = moved || *a != *b;
          *a = *b = *a < *b ? *a : *b;
        }
    }
  for (unsigned i = 0; i < g->nnodes; i++)
    parts = g->nodes[i].part >= parts ? g->nodes[i].part + 1 : parts;
  return parts;
}

/* In the middle of those that point at it. */
static double
wanted_y (const struct graph *g, unsigned at)
{
  double sum = 0;
  unsigned n = 0;

  for (unsigned i = 0; i < g->nedges; i++)
    if (g->edges[i].to == at && !g->edges[i].back)
      {
        sum += g->nodes[g->edges[i].from].y;
        n++;
      }
  return n ? sum / n : 0;
}

/* A layer of a part from top to bottom; returns where it ends. */
static double
set_heights (struct graph *g, unsigned part, unsigned layer, double top)
{
  unsigned order[GRAPH_NODES], n = 0;
  double next = top;

  for (unsigned i = 0; i < g->nnodes; i++)
    if (g->nodes[i].layer == layer && g->nodes[i].part == part)
      {
        unsigned at = n++;

        g->nodes[i].y = wanted_y (g, i);
        for (; at > 0 && g->nodes[order[at - 1]].y > g->nodes[i].y; at--)
          order[at] = order[at - 1];
        order[at] = i;
      }
  for (unsigned i = 0; i < n; i++)
    {
      struct graph_node *one = &g->nodes[order[i]];

      if (one->y < next)
        one->y = next;
      next = one->y + NODE_HIGH + GAP_HIGH;
    }
  return next;
}

/* Returns where it ends. */
static double
set_part (struct graph *g, unsigned part, unsigned layers, double top)
{
  double end = top;

  for (unsigned i = 0; i < layers; i++)
    {
      double e = set_heights (g, part, i, top);

      end = e > end ? e : end;
    }
  for (unsigned i = 0; i < g->nedges; i++)
    if (g->edges[i].back && g->nodes[g->edges[i].from].part == part)
      {
        end += BELOW;
        break;
      }
  for (unsigned i = 0; i < g->nnodes; i++)
    if (g->nodes[i].part == part)
      g->nodes[i].bottom = end;
  return end;
}

/* ---- the drawing ---- */

static double
x_of (const struct graph_node *n)
{
  return 4 + n->layer * (NODE_WIDE + GAP_WIDE);
}

static void
draw_edge (struct page *p, const struct graph *g, const struct graph_edge *e)
{
  static const char *const kinds[] = { "waits", "has", "maybe" };
  const struct graph_node *a = &g->nodes[e->from], *b = &g->nodes[e->to];
  double x1 = x_of (a) + NODE_WIDE, x2 = x_of (b);
  double bottom = a->bottom;
  double y1 = a->y + 4 + NODE_HIGH / 2, y2 = b->y + 4 + NODE_HIGH / 2;

  html_printf (p, "<path class=\"%s%s\" marker-end=\"url(#%s)\" d=\"",
               kinds[e->kind], e->circle ? " circle" : "",
               e->circle ? "tip-circle" : "tip");
  if (e->back)
    {
      x1 -= NODE_WIDE / 2;
      x2 += NODE_WIDE / 2;
      y1 += NODE_HIGH / 2;
      y2 += NODE_HIGH / 2 + 6;
      html_printf (p, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f\"/>", x1, y1,
                   x1, bottom + 8, x2, bottom + 8, x2, y2);
    }
  else
    html_printf (p, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f\"/>", x1, y1,
                 x1 + GAP_WIDE / 2, y1, x2 - GAP_WIDE / 2, y2, x2 - 7, y2);
}

static void
put_label (struct page *p, const struct graph_node *n, const char *text,
           double down, const char *class_)
{
  char label[LABEL + 8];

  snprintf (label, sizeof label, strlen (text) > LABEL ? "%.24s\u2026" : "%s",
            text);
  html_printf (p, "<text class=\"%s\" x=\"%.0f\" y=\"%.0f\">", class_,
               x_of (n) + 10, n->y + 4 + down);
  html_text (p, label);
  html (p, "</text>");
}

static void
draw_node (struct page *p, const struct graph_node *n)
{
  html_printf (p, "<g class=\"%s%s\"><title>", n->lock ? "lock" : "task",
               n->circle ? " circle" : "");
  html_text (p, n->label);
  html (p, " ");
  html_text (p, n->under);
  html_printf (p,
               "</title><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" "
               "height=\"%.0f\" rx=\"%s\"/>",
               x_of (n), n->y + 4, NODE_WIDE, NODE_HIGH, n->lock ? "3" : "12");
  put_label (p, n, n->label, 17, "name");
  put_label (p, n, n->under, 33, "under");
  html (p, "</g>");
}

void
graph_draw (struct page *p, struct graph *g, const char *aria)
{
  unsigned layers = set_layers (g) + 1, parts = set_parts (g);
  double high = 0;

  for (unsigned i = 0; i < parts; i++)
    high = set_part (g, i, layers, high);
  for (unsigned i = 0; i < g->nedges; i++)
    g->edges[i].circle = g->nodes[g->edges[i].from].circle
                         && g->nodes[g->edges[i].to].circle;
  html_printf (p,
               "<div class=\"wide\"><svg class=\"graph\" width=\"%.0f\" "
               "height=\"%.0f\" role=\"img\" aria-label=\"%s\">"
               "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"6\" "
               "refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
               "orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>"
               "<marker id=\"tip-circle\" viewBox=\"0 0 8 8\" refX=\"6\" "
               "refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" "
               "orient=\"auto\"><path class=\"circle\" "
               "d=\"M0 0L8 4L0 8z\"/></marker></defs>",
               8 + layers * NODE_WIDE + (layers - 1) * GAP_WIDE,
               high, aria);
  for (unsigned i = 0; i < g->nedges; i++)
    draw_edge (p, g, &g->edges[i]);
  for (unsigned i = 0; i < g->nnodes; i++)
    draw_node (p, &g->nodes[i]);
  html (p, "</svg></div>");
}
