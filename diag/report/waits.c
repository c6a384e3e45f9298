/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for whom: blocked tasks, locks, and circles of them.
 */
#include "diag/report/tasks.h"

#include "base/json.h"

#include <string.h>

static void
chip (struct page *p, const char *class_, struct json_object *who)
{
  int64_t pid = json_get_int (who, "pid", -1);
  int64_t cpu = json_get_int (who, "cpu", -1);

  html (p, "<span class=\"chip ");
  html (p, class_);
  html (p, "\">");
  html_text (p, str_of (who, "comm"));
  if (pid >= 0)
    html_printf (p, " <small>%lld</small>", (long long) pid);
  if (cpu >= 0)
    html_printf (p, " <small>CPU %lld</small>", (long long) cpu);
  html (p, "</span>");
}

static void
chips (struct page *p, const char *class_, struct json_object *list)
{
  size_t n = array_len (list);

  for (size_t i = 0; i < n && i < 12; i++)
    chip (p, class_, json_object_array_get_idx (list, i));
  if (n > 12)
    html_printf (p, "<span class=\"chip\">and %zu more</span>", n - 12);
}

static void
deadlock (struct page *p, struct json_object *row)
{
  struct json_object *tasks = json_get (row, "tasks");
  size_t n = array_len (tasks);

  html (p, "<li class=\"circle\"><strong>deadlock</strong> ");
  for (size_t i = 0; i < n && i < 12; i++)
    {
      chip (p, "waits", json_object_array_get_idx (tasks, i));
      html (p, " <b>&rarr;</b> ");
    }
  if (n)
    chip (p, "waits", json_object_array_get_idx (tasks, 0));
  html (p, "</li>");
}

static void
lock (struct page *p, struct json_object *row)
{
  struct json_object *owner = json_get (row, "owner");
  struct json_object *maybe = json_get (row, "maybe");
  const char *name = str_of (row, "name");

  html (p, "<li>");
  chips (p, "waits", json_get (row, "waiters"));
  html (p, " <b>&rarr;</b> <span class=\"chip lock\">");
  html_text (p, str_of (row, "kind"));
  html (p, " ");
  html_text (p, name[0] ? name : str_of (row, "at"));
  html (p, "</span> <b>&rarr;</b> ");
  if (owner)
    chip (p, "owns", owner);
  else if (array_len (maybe))
    {
      html (p, "perhaps ");
      chips (p, "owns", maybe);
    }
  else if (json_get (row, "last_reader"))
    {
      html (p, "read, last by ");
      chip (p, "owns", json_get (row, "last_reader"));
    }
  else
    html (p, "<span class=\"chip\">owner not known</span>");
  html (p, "</li>");
}

static void
blocked (struct page *p, const struct report_tasks *t)
{
  unsigned shown = 0, all = 0;

  for (unsigned i = 0; i < t->n; i++)
    all += t->list[i].state[0] == 'D';
  if (!all)
    return;
  html_printf (p, "<p>%u blocked (state D):</p><ul class=\"waits\">", all);
  for (unsigned i = 0; i < t->n && shown < 24; i++)
    {
      const struct report_task *task = &t->list[i];

      if (task->state[0] != 'D')
        continue;
      shown++;
      html (p, "<li><span class=\"chip waits\">");
      html_text (p, task->comm);
      html_printf (p, " <small>%lld</small></span> <b>in</b> ",
                   (long long) task->pid);
      for (unsigned k = 0; k < task->nframes && k < 5; k++)
        {
          if (k)
            html (p, " &larr; ");
          html_in (p, "code", NULL, task->frames[k]);
        }
      html (p, "</li>");
    }
  html (p, "</ul>");
  if (all > shown)
    html (p, "<p><small>the others are in the census below</small></p>");
}

void
report_waits (struct page *p)
{
  struct report_tasks tasks;
  size_t n;
  bool any = false;

  report_tasks_read (p, &tasks);
  n = array_len (tasks.locks);
  for (unsigned i = 0; i < tasks.n; i++)
    any = any || tasks.list[i].state[0] == 'D';
  if (n || any)
    {
      section_begin (p, "waits", "Who waits for whom");
      if (n)
        html (p, "<ul class=\"waits\">");
      for (size_t i = 0; i < n && i < 64; i++)
        {
          struct json_object *row = json_object_array_get_idx (tasks.locks, i);

          if (strcmp (str_of (row, "row"), "deadlock") == 0)
            deadlock (p, row);
        }
      for (size_t i = 0; i < n && i < 64; i++)
        {
          struct json_object *row = json_object_array_get_idx (tasks.locks, i);

          if (strcmp (str_of (row, "row"), "deadlock") != 0)
            lock (p, row);
        }
      if (n)
        html (p, "</ul>");
      blocked (p, &tasks);
      section_end (p);
    }
  report_tasks_done (&tasks);
}
