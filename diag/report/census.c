/* SPDX-License-Identifier: Apache-2.0
 *
 * The census of stacks: where tasks wait, drawn so that width is how many
 * stand there; the outermost function on top.
 */
#include "diag/report/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MOST 6000
#define HIGH 20
#define DEEP 40
#define DRAWN_MOST 450
#define THIN 0.12 /* percent of all, what is drawn */
#define NAMED 4   /* and has its name: less is a letter or two */

struct node
{
  const char *name; /* a frame of the tasks that are read */
  unsigned tasks, blocked;
  unsigned first, next; /* of its children; of its siblings; 0 = none */
};

struct census
{
  struct node *nodes; /* [0] is all of them */
  unsigned n, drawn;
};

static unsigned
child_of (struct census *c, unsigned at, const char *name)
{
  unsigned i = c->nodes[at].first;

  while (i && strcmp (c->nodes[i].name, name) != 0)
    i = c->nodes[i].next;
  if (i || c->n == NODES_MOST)
    return i;
  i = c->n++;
  c->nodes[i] = (struct node){ .name = name, .next = c->nodes[at].first };
  c->nodes[at].first = i;
  return i;
}

static void
count (struct census *c, const struct report_task *t)
{
  bool blocked = t->state[0] == 'D';
  unsigned at = 0, first = report_first_frame (t);

  c->nodes[0].tasks++;
  c->nodes[0].blocked += blocked;
  for (unsigned k = t->nframes; k > first && t->nframes - k < DEEP; k--)
    {
      at = child_of (c, at, t->frames[k - 1]);
      if (!at)
        return;
      c->nodes[at].tasks++;
      c->nodes[at].blocked += blocked;
    }
}

/* The deepest that is drawn: what is thinner than a line is left out. */
static unsigned
depth_shown (const struct census *c, unsigned at)
{
  unsigned most = 0;

  for (unsigned i = c->nodes[at].first; i; i = c->nodes[i].next)
    if (100.0 * c->nodes[i].tasks / c->nodes[0].tasks >= THIN)
      {
        unsigned d = 1 + depth_shown (c, i);

        if (d > most)
          most = d;
      }
  return most;
}

/* Those that wait for something first, and then the many. */
static bool
goes_before (const struct node *a, const struct node *b)
{
  return (a->blocked > 0) != (b->blocked > 0) ? a->blocked > 0
                                              : a->tasks > b->tasks;
}

static void
sort_children (struct census *c, unsigned at)
{
  unsigned sorted = 0, next;

  for (unsigned i = c->nodes[at].first; i; i = next)
    {
      unsigned *slot = &sorted;

      next = c->nodes[i].next;
      sort_children (c, i);
      while (*slot && !goes_before (&c->nodes[i], &c->nodes[*slot]))
        slot = &c->nodes[*slot].next;
      c->nodes[i].next = *slot;
      *slot = i;
    }
  c->nodes[at].first = sorted;
}

/* In percent of the whole, so that it fits any screen; the names keep their
 * size and are cut by their box. */
static void
draw (struct page *p, struct census *c, unsigned at, double x, unsigned level)
{
  for (unsigned i = c->nodes[at].first; i; i = c->nodes[i].next)
    {
      const struct node *n = &c->nodes[i];
      double w = 100.0 * n->tasks / c->nodes[0].tasks;

      if (w < THIN || c->drawn++ >= DRAWN_MOST)
        continue;
      html_printf (p,
                   "<svg class=\"%s h%u\" x=\"%.2f%%\" y=\"%u\" "
                   "width=\"%.2f%%\" height=\"%u\"><title>",
                   n->blocked == n->tasks ? "allD"
                   : n->blocked           ? "someD"
                                          : "noD",
                   level % 3, x, level * HIGH, w, HIGH - 1);
      html_text (p, n->name);
      html_printf (p, ": %u task%s, %u blocked</title>"
                      "<rect width=\"100%%\" height=\"%u\"/>",
                   n->tasks, n->tasks == 1 ? "" : "s", n->blocked, HIGH - 1);
      if (w >= NAMED)
        {
          html_printf (p, "<text x=\"4\" y=\"%u\">", HIGH - 6);
          html_text (p, n->name);
          html (p, "</text>");
        }
      html (p, "</svg>");
      draw (p, c, i, x, level + 1);
      x += w;
    }
}

static void
flame (struct page *p, struct census *c)
{
  html_printf (p,
               "<svg class=\"flame\" width=\"100%%\" height=\"%u\" "
               "role=\"img\" aria-label=\"stacks of all tasks; the table "
               "below has the same\">",
               depth_shown (c, 0) * HIGH + 2);
  draw (p, c, 0, 0, 0);
  html (p, "</svg>");
}

/* ---- the same as a table: for who reads it by ear, or searches ---- */

static void
table (struct page *p)
{
  struct report_pile *piles;
  unsigned n = report_piles (p->tasks, &piles), i = 0;

  html_printf (p, "<details><summary>%u different stacks, those in D "
                  "first</summary><div class=\"wide\"><table><thead><tr>"
                  "<th>tasks</th><th>state</th><th>who</th>"
                  "<th>where, innermost first</th></tr></thead><tbody>",
               n);
  for (; i < n && i < SHOWN_MOST && room (p); i++)
    {
      html_printf (p, "<tr><td class=\"num\">%u</td><td>", piles[i].tasks);
      html_text (p, piles[i].one->state);
      html (p, "</td><td class=\"whom\">");
      report_pile_who (p, &piles[i]);
      html (p, "</td><td class=\"frames\">");
      report_frames (p, piles[i].one, 10);
      html (p, "</td></tr>");
    }
  html (p, "</tbody></table></div>");
  if (i < n)
    html_printf (p, "<p><small>and %u more stacks</small></p>", n - i);
  html (p, "</details>");
  free (piles);
}

void
report_census (struct page *p)
{
  struct census c = { .n = 1 };
  const struct report_tasks *t = p->tasks;

  c.nodes = calloc (NODES_MOST, sizeof *c.nodes);
  for (unsigned i = 0; c.nodes && i < t->n; i++)
    count (&c, &t->list[i]);
  if (c.nodes && c.n > 1)
    {
      sort_children (&c, 0);
      section_begin (p, "census", "Where its tasks stand");
      html_printf (p,
                   "<p>%u tasks, %u of them blocked. Width is how many stand "
                   "there; the outermost function is on top. Told by %s.</p>"
                   "<p class=\"hint key\"><b class=\"allD\"></b>all blocked "
                   "<b class=\"someD\"></b>some <b class=\"noD\"></b>none"
                   "</p>",
                   c.nodes[0].tasks, c.nodes[0].blocked,
                   t->by && strcmp (t->by, "memory") == 0
                       ? "the guest's memory, read from outside"
                       : "SysRq");
      flame (p, &c);
      if (t->more)
        html_printf (p, "<p><small>%u more tasks are not counted</small></p>",
                     t->more);
      table (p);
      section_end (p);
    }
  free (c.nodes);
}
