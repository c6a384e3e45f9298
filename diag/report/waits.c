/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for whom: locks, those that wait for them and those that have
 * them, and circles of them; what its CPUs do; requests without an answer;
 * blocked tasks, by where they stand.
 */
#include "diag/report/graph.h"
#include "diag/report/tasks.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCKS_DRAWN 24
#define WAITERS_DRAWN 4 /* of one lock; the others are one node */
#define PILES_SHOWN 32

static bool
is (struct json_object *row, const char *kind)
{
  return strcmp (str_of (row, "row"), kind) == 0;
}

/* ---- the graph ---- */

static unsigned
task_node (struct graph *g, struct json_object *who)
{
  long long pid = (long long) json_get_int (who, "pid", -1);
  long long cpu = (long long) json_get_int (who, "cpu", -1);
  char key[64], under[64];

  if (!json_object_is_type (who, json_type_object))
    return GRAPH_NODES;
  snprintf (key, sizeof key, "t%lld/%lld", pid, pid > 0 ? 0 : cpu);
  snprintf (under, sizeof under, cpu >= 0 ? "task %lld, on CPU %lld"
                                          : "task %lld",
            pid, cpu);
  return graph_node (g, key, str_of (who, "comm"), under);
}

static void
lock_name (struct json_object *row, char *dst, size_t n)
{
  const char *name = str_of (row, "name");

  report_plain_name (name[0] ? name : str_of (row, "at"), dst, n);
}

static void
add_waiters (struct graph *g, unsigned lock, struct json_object *row)
{
  struct json_object *list = json_get (row, "waiters");
  size_t n = array_len (list);
  size_t each = n > WAITERS_DRAWN + 1 ? WAITERS_DRAWN : n;
  int64_t more = json_get_int (row, "more_waiters", 0);
  char key[64], label[64];

  for (size_t i = 0; i < each; i++)
    graph_edge (g, task_node (g, json_object_array_get_idx (list, i)), lock,
                GRAPH_WAITS);
  n += more > 0 ? (size_t) more : 0;
  if (n <= each)
    return;
  snprintf (key, sizeof key, "more%u", lock);
  snprintf (label, sizeof label, "%zu more tasks", n - each);
  graph_edge (g, graph_node (g, key, label, "wait, too"), lock, GRAPH_WAITS);
}

static void
add_lock (struct graph *g, struct json_object *row, unsigned number)
{
  struct json_object *maybe = json_get (row, "maybe");
  char key[64], name[96], kind[64];
  unsigned lock;

  snprintf (key, sizeof key, "l%u", number);
  lock_name (row, name, sizeof name);
  snprintf (kind, sizeof kind, "%s%s", str_of (row, "kind"),
            json_get (row, "owner") || array_len (maybe)
                    || json_get (row, "last_reader")
                ? ""
                : ", owner not known");
  lock = graph_node (g, key, name, kind);
  if (lock == GRAPH_NODES)
    return;
  g->nodes[lock].lock = true;
  add_waiters (g, lock, row);
  graph_edge (g, lock, task_node (g, json_get (row, "owner")), GRAPH_HAS);
  graph_edge (g, lock, task_node (g, json_get (row, "last_reader")),
              GRAPH_MAYBE);
  for (size_t i = 0; i < array_len (maybe) && i < WAITERS_DRAWN; i++)
    graph_edge (g, lock, task_node (g, json_object_array_get_idx (maybe, i)),
                GRAPH_MAYBE);
}

/* The lock between two of a circle is part of it; where none is known they
 * are joined themselves. */
static void
join (struct graph *g, unsigned a, unsigned b)
{
  if (a == GRAPH_NODES || b == GRAPH_NODES)
    return;
  g->nodes[a].circle = g->nodes[b].circle = true;
  for (unsigned i = 0; i < g->nedges; i++)
    for (unsigned k = 0; g->edges[i].from == a && k < g->nedges; k++)
      if (g->edges[k].to == b && g->edges[k].from == g->edges[i].to)
        {
          g->nodes[g->edges[k].from].circle = true;
          return;
        }
  graph_edge (g, a, b, GRAPH_WAITS);
}

static void
add_circle (struct graph *g, struct json_object *row)
{
  struct json_object *tasks = json_get (row, "tasks");
  size_t n = array_len (tasks);

  for (size_t i = 0; n > 1 && i < n && i < 16; i++)
    join (g, task_node (g, json_object_array_get_idx (tasks, i)),
          task_node (g, json_object_array_get_idx (tasks, (i + 1) % n)));
}

/* Circles first: they get a place when there is not one for all. */
static bool
takes_part (struct json_object *locks, struct json_object *row)
{
  int64_t pid = json_get_int (json_get (row, "owner"), "pid", -1);

  for (size_t i = 0; pid >= 0 && i < array_len (locks); i++)
    {
      struct json_object *d = json_object_array_get_idx (locks, i);
      struct json_object *tasks = is (d, "deadlock") ? json_get (d, "tasks")
                                                     : NULL;

      for (size_t k = 0; k < array_len (tasks) && k < 16; k++)
        if (json_get_int (json_object_array_get_idx (tasks, k), "pid", -1)
            == pid)
          return true;
    }
  return false;
}

static void
add_locks (struct graph *g, struct json_object *locks, bool in_circle)
{
  unsigned n = 0;

  for (size_t i = 0; i < array_len (locks); i++)
    {
      struct json_object *row = json_object_array_get_idx (locks, i);

      if ((!is (row, "lock") && !is (row, "spinlock"))
          || takes_part (locks, row) != in_circle)
        continue;
      if (n++ == LOCKS_DRAWN)
        {
          g->more = true;
          return;
        }
      add_lock (g, row, (unsigned) i);
    }
}

static void
locks_drawn (struct page *p, struct json_object *locks)
{
  struct graph *g = calloc (1, sizeof *g);
  unsigned circles = 0;

  if (!g)
    return;
  add_locks (g, locks, true);
  add_locks (g, locks, false);
  for (size_t i = 0; i < array_len (locks); i++)
    if (is (json_object_array_get_idx (locks, i), "deadlock"))
      {
        circles++;
        add_circle (g, json_object_array_get_idx (locks, i));
      }
  if (g->nedges)
    {
      html (p, circles ? "<p>Round is a task, square is a lock; an arrow "
                         "leads from who waits to the lock, and from the "
                         "lock to who has it. <strong class=\"fail\">Red: "
                         "they wait for each other in a circle, and nobody "
                         "will go on.</strong></p>"
                       : "<p>Round is a task, square is a lock; an arrow "
                         "leads from who waits to the lock, and from the "
                         "lock to who has it (dashed: who may have it).</p>");
      graph_draw (p, g, "who waits for which lock, and who has it; the list "
                        "below says the same");
      if (g->more)
        html (p, "<p><small>there are more than are drawn</small></p>");
    }
  free (g);
}

/* ---- the same in words ---- */

static void
name_of (struct page *p, struct json_object *who)
{
  html_in (p, "code", NULL, str_of (who, "comm"));
  if (json_get_int (who, "pid", -1) >= 0)
    html_printf (p, " (%lld)", (long long) json_get_int (who, "pid", -1));
  if (json_get_int (who, "cpu", -1) >= 0)
    html_printf (p, " on CPU %lld", (long long) json_get_int (who, "cpu", -1));
}

static void
names_of (struct page *p, struct json_object *list, const char *between)
{
  size_t n = array_len (list);

  for (size_t i = 0; i < n && i < 8; i++)
    {
      if (i)
        html (p, between);
      name_of (p, json_object_array_get_idx (list, i));
    }
  if (n > 8)
    html_printf (p, " and %zu more", n - 8);
}

static void
lock_told (struct page *p, struct json_object *row)
{
  struct json_object *maybe = json_get (row, "maybe");
  char name[96];

  lock_name (row, name, sizeof name);
  html (p, "<li>");
  names_of (p, json_get (row, "waiters"), ", ");
  html (p, array_len (json_get (row, "waiters")) == 1 ? " waits for the "
                                                       : " wait for the ");
  html_text (p, str_of (row, "kind"));
  html (p, " ");
  html_in (p, "code", NULL, name);
  if (json_get (row, "owner"))
    {
      html (p, ", which ");
      name_of (p, json_get (row, "owner"));
      html (p, " has");
    }
  else if (array_len (maybe))
    {
      html (p, ", which perhaps ");
      names_of (p, maybe, " or ");
      html (p, " has");
    }
  else if (json_get (row, "last_reader"))
    {
      html (p, ", read last by ");
      name_of (p, json_get (row, "last_reader"));
    }
  else
    html (p, ", whose owner is not known");
  html (p, "</li>");
}

static void
locks_told (struct page *p, struct json_object *locks)
{
  unsigned n = 0;

  for (size_t i = 0; i < array_len (locks) && room (p); i++)
    {
      struct json_object *row = json_object_array_get_idx (locks, i);

      if (is (row, "request"))
        continue;
      if (!n++)
        html (p, "<details><summary>the same in words</summary><ul>");
      if (is (row, "deadlock"))
        {
          html (p, "<li><strong>deadlock:</strong> ");
          names_of (p, json_get (row, "tasks"), ", who waits for ");
          html (p, ", who waits for the first</li>");
        }
      else
        lock_told (p, row);
    }
  if (n)
    html (p, "</ul></details>");
}

/* ---- requests ---- */

static void
requests (struct page *p, struct json_object *rows)
{
  unsigned n = 0;

  for (size_t i = 0; i < array_len (rows) && n < 16; i++)
    {
      struct json_object *row = json_object_array_get_idx (rows, i);
      struct json_object *age = json_get (row, "age_s");

      if (!is (row, "request"))
        continue;
      if (!n++)
        html (p, "<h3>Requests without an answer, just then</h3><ul>");
      html (p, "<li>");
      html_in (p, "code", NULL, str_of (row, "disk"));
      html (p, " ");
      html_text (p, str_of (row, "op"));
      html_printf (p, " of %lld bytes at sector %lld",
                   (long long) json_get_int (row, "bytes", 0),
                   (long long) json_get_int (row, "sector", 0));
      if (age)
        html_printf (p, ", for <strong>%.1f s</strong>",
                     json_object_get_double (age));
      html (p, "</li>");
    }
  if (n)
    html (p, "</ul>");
}

/* ---- its CPUs ---- */

static void
one_cpu (struct page *p, struct json_object *row)
{
  struct json_object *frames = json_get (row, "frames");
  bool halted = json_get_bool (row, "halted", false);
  bool off = json_get_bool (row, "irqs_off", false);
  char name[160];

  html_printf (p, "<tr><td class=\"num\">%lld</td><td>",
               (long long) json_get_int (row, "vcpu",
                                         json_get_int (row, "cpu", -1)));
  html (p, !json_get (row, "at") && !json_get (row, "irqs_off")
               ? "<small>not known</small>"
           : halted && off ? "<span class=\"fail\">stands still, takes no "
                           "interrupts</span>"
           : halted      ? "idle"
           : off         ? "<span class=\"fail\">runs, takes no "
                           "interrupts</span>"
                         : "runs");
  html (p, "</td><td class=\"whom\">");
  if (str_of (row, "comm")[0])
    {
      html_in (p, "code", NULL, str_of (row, "comm"));
      html_printf (p, " (%lld)", (long long) json_get_int (row, "pid", -1));
    }
  else
    html (p, "<small>not known</small>");
  html (p, "</td><td class=\"frames\">");
  if (!array_len (frames) && str_of (row, "at")[0])
    html_in (p, "code", NULL, str_of (row, "at"));
  else if (!array_len (frames))
    html (p, "<small>nobody gave its registers</small>");
  for (size_t i = 0; i < array_len (frames) && i < 8; i++)
    {
      const char *f = json_object_get_string (
          json_object_array_get_idx (frames, i));

      if (i)
        html (p, " &larr; ");
      report_plain_name (f ? f : "", name, sizeof name);
      html_in (p, "code", NULL, name);
    }
  html (p, "</td></tr>");
}

static void
cpus (struct page *p, bool titled)
{
  struct json_object *list = p->tasks->cpus;
  size_t n = array_len (list);

  if (!n)
    return;
  if (titled)
    html (p, "<h3>What its CPUs did</h3>");
  html (p, "<div class=\"wide\"><table><thead><tr>"
           "<th>vCPU</th><th>does</th><th>who</th><th>where, innermost "
           "first</th></tr></thead><tbody>");
  for (size_t i = 0; i < n && i < 32 && room (p); i++)
    one_cpu (p, json_object_array_get_idx (list, i));
  html (p, "</tbody></table></div>");
  if (n > 32)
    html_printf (p, "<p><small>and %zu more</small></p>", n - 32);
}

/* ---- blocked tasks ---- */

static void
blocked (struct page *p, unsigned all)
{
  struct report_pile *piles;
  unsigned n = report_piles (p->tasks, &piles), shown = 0, told = 0;

  html_printf (p, "<h3>%u blocked (state D), by where they stand</h3>"
                  "<div class=\"wide\"><table><thead><tr><th>tasks</th>"
                  "<th>who</th><th>where, innermost first</th></tr></thead>"
                  "<tbody>",
               all);
  for (unsigned i = 0; i < n && shown < PILES_SHOWN && room (p); i++)
    if (piles[i].one->state[0] == 'D')
      {
        shown++;
        told += piles[i].tasks;
        html_printf (p, "<tr><td class=\"num\">%u</td><td class=\"whom\">",
                     piles[i].tasks);
        report_pile_who (p, &piles[i]);
        html (p, "</td><td class=\"frames\">");
        report_frames (p, piles[i].one, 8);
        html (p, "</td></tr>");
      }
  html (p, "</tbody></table></div>");
  if (told < all)
    html_printf (p, "<p><small>and %u more, in the stacks below</small></p>",
                 all - told);
  free (piles);
}

void
report_waits (struct page *p)
{
  const struct report_tasks *t = p->tasks;
  unsigned in_d = 0;

  for (unsigned i = 0; i < t->n; i++)
    in_d += t->list[i].state[0] == 'D';
  if (!array_len (t->locks) && !in_d && !array_len (t->cpus))
    return;
  section_begin (p, "waits", array_len (t->locks) || in_d
                                 ? "Who waits for whom"
                                 : "What its CPUs did");
  locks_drawn (p, t->locks);
  locks_told (p, t->locks);
  requests (p, t->locks);
  cpus (p, array_len (t->locks) || in_d);
  if (in_d)
    blocked (p, in_d);
  section_end (p);
}
