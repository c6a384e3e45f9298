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
#define WIDE 800.0
#define HIGH 17
#define DEEP 40

struct node
{
  const char *name; /* a frame of the tasks that are read */
  unsigned tasks, blocked;
  unsigned first, next; /* of its children; of its siblings; 0 = none */
};

struct census
{
  struct node *nodes; /* [0] is all of them */
  unsigned n, deep;
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
  unsigned at = 0;

  c->nodes[0].tasks++;
  c->nodes[0].blocked += blocked;
  for (unsigned k = t->nframes; k > 0 && t->nframes - k < DEEP; k--)
    {
      at = child_of (c, at, t->frames[k - 1]);
      if (!at)
        return;
      c->nodes[at].tasks++;
      c->nodes[at].blocked += blocked;
      if (t->nframes - k + 1 > c->deep)
        c->deep = t->nframes - k + 1;
    }
}

/* The deepest that is drawn: what is thinner than a line is left out. */
static unsigned
depth_shown (const struct census *c, unsigned at, double wide)
{
  unsigned most = 0;

  for (unsigned i = c->nodes[at].first; i; i = c->nodes[i].next)
    if (wide * c->nodes[i].tasks >= 1)
      {
        unsigned d = 1 + depth_shown (c, i, wide);

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

static void
draw (struct page *p, const struct census *c, unsigned at, double x,
      unsigned level, double wide)
{
  for (unsigned i = c->nodes[at].first; i; i = c->nodes[i].next)
    {
      const struct node *n = &c->nodes[i];
      double w = wide * n->tasks;
      size_t fits = (size_t) (w / 6.2);
      char label[64];

      if (w < 1)
        continue;
      html_printf (p,
                   "<g class=\"%s h%u\"><title>",
                   n->blocked == n->tasks ? "allD"
                   : n->blocked           ? "someD"
                                          : "noD",
                   level % 3);
      html_text (p, n->name);
      html_printf (p, ": %u tasks, %u of them in D</title>", n->tasks,
                   n->blocked);
      html_printf (p,
                   "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%u\" "
                   "rx=\"2\"/>",
                   x, level * HIGH, w > 1.5 ? w - 0.8 : w, HIGH - 1);
      if (fits >= 4)
        {
          snprintf (label, sizeof label, "%.*s%s",
                    (int) (fits > 60 ? 60 : fits - 1), n->name,
                    strlen (n->name) > fits ? "\u2026" : "");
          html_printf (p, "<text x=\"%.1f\" y=\"%u\">", x + 3,
                       level * HIGH + 12);
          html_text (p, label);
          html (p, "</text>");
        }
      html (p, "</g>");
      draw (p, c, i, x, level + 1, wide);
      x += w;
    }
}

/* ---- the same as a table: for who reads it by ear, or searches ---- */

struct pile
{
  const struct report_task *one;
  unsigned tasks;
};

static int
by_stack (const void *a, const void *b)
{
  const struct report_task *x = *(const struct report_task *const *) a;
  const struct report_task *y = *(const struct report_task *const *) b;
  int r = strcmp (x->state, y->state);

  for (unsigned k = 0; r == 0 && k < x->nframes && k < y->nframes; k++)
    r = strcmp (x->frames[k], y->frames[k]);
  return r ? r : (int) x->nframes - (int) y->nframes;
}

static int
by_size (const void *a, const void *b)
{
  const struct pile *x = a, *y = b;
  int d = (x->one->state[0] != 'D') - (y->one->state[0] != 'D');

  return d ? d : (int) y->tasks - (int) x->tasks;
}

static void
pile_row (struct page *p, const struct pile *pile)
{
  const struct report_task *t = pile->one;

  html_printf (p, "<tr><td class=\"num\">%u</td><td>", pile->tasks);
  html_text (p, t->state);
  html (p, "</td><td>");
  html_text (p, t->comm);
  html_printf (p, pile->tasks > 1 ? " and others" : " (%lld)",
               (long long) t->pid);
  html (p, "</td><td class=\"frames\">");
  for (unsigned k = 0; k < t->nframes && k < 10; k++)
    {
      if (k)
        html (p, " &larr; ");
      html_in (p, "code", NULL, t->frames[k]);
    }
  html (p, "</td></tr>");
}

static void
table (struct page *p, const struct report_tasks *t)
{
  const struct report_task **sorted = calloc (t->n, sizeof *sorted);
  struct pile *piles = calloc (t->n, sizeof *piles);
  unsigned n = 0;

  if (sorted && piles)
    {
      for (unsigned i = 0; i < t->n; i++)
        sorted[i] = &t->list[i];
      qsort (sorted, t->n, sizeof *sorted, by_stack);
      for (unsigned i = 0; i < t->n; i++)
        {
          if (!n || by_stack (&piles[n - 1].one, &sorted[i]) != 0)
            piles[n++].one = sorted[i];
          piles[n - 1].tasks++;
        }
      qsort (piles, n, sizeof *piles, by_size);
      html_printf (p, "<details><summary>%u different stacks, those in D "
                      "first</summary><div class=\"wide\"><table><thead><tr>"
                      "<th>tasks</th><th>state</th><th>who</th>"
                      "<th>where, innermost first</th></tr></thead><tbody>",
                   n);
      for (unsigned i = 0; i < n && i < SHOWN_MOST; i++)
        pile_row (p, &piles[i]);
      html (p, "</tbody></table></div></details>");
    }
  free (sorted);
  free (piles);
}

void
report_census (struct page *p)
{
  struct census c = { .n = 1 };
  struct report_tasks tasks;
  double wide;

  report_tasks_read (p, &tasks);
  c.nodes = calloc (NODES_MOST, sizeof *c.nodes);
  for (unsigned i = 0; c.nodes && i < tasks.n; i++)
    count (&c, &tasks.list[i]);
  if (c.nodes && c.n > 1)
    {
      sort_children (&c, 0);
      wide = WIDE / c.nodes[0].tasks;
      section_begin (p, "census", "Where its tasks stand");
      html_printf (p,
                   "<p>%u tasks, %u of them in D (red). Width is how many; "
                   "the outermost function is on top. Told by %s.</p>",
                   c.nodes[0].tasks, c.nodes[0].blocked,
                   strcmp (tasks.by, "memory") == 0
                       ? "the guest's memory, read from outside"
                       : "SysRq");
      html_printf (p,
                   "<svg class=\"flame\" viewBox=\"0 0 800 %u\" role=\"img\" "
                   "aria-label=\"stacks of all tasks; the table below has "
                   "the same\">",
                   depth_shown (&c, 0, wide) * HIGH + 2);
      draw (p, &c, 0, 0, 0, wide);
      html (p, "</svg>");
      table (p, &tasks);
      section_end (p);
    }
  free (c.nodes);
  report_tasks_done (&tasks);
}
