/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the tasks of a bundle.
 */
#include "diag/report/tasks.h"

#include "base/error.h"
#include "base/json.h"
#include "kernel/text/sysrq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct report_task *
new_task (struct report_tasks *t)
{
  void *more;

  if (t->n == TASKS_MOST)
    {
      t->more++;
      return NULL;
    }
  if (t->n == t->most)
    {
      more = realloc (t->list, (t->most * 2 + 64) * sizeof *t->list);
      if (!more)
        return NULL;
      t->list = more;
      t->most = t->most * 2 + 64;
    }
  t->list[t->n] = (struct report_task){ .pid = -1 };
  return &t->list[t->n++];
}

static void
add_frame (struct report_task *task, const char *text)
{
  if (!task->frames)
    task->frames = calloc (TASK_FRAMES, sizeof *task->frames);
  if (task->frames && task->nframes < TASK_FRAMES)
    task->nframes
        += (task->frames[task->nframes] = strndup (text, 120)) != NULL;
}

void
report_plain_name (const char *text, char *dst, size_t n)
{
  const char *plus = strstr (text, "+0x"), *module = strstr (text, " [");

  snprintf (dst, n, "%.*s%.40s",
            plus ? (int) (plus - text < 100 ? plus - text : 100) : 100, text,
            plus && module && module > plus ? module : "");
}

/* One stack is one however far its functions are. */
static void
add_row_frame (struct report_task *task, const char *text)
{
  char out[160];

  report_plain_name (text, out, sizeof out);
  add_frame (task, out);
}

/* ---- rows of a look at memory ---- */

struct reading
{
  struct report_tasks *tasks;
  struct json_object *stacks; /* frames by id, of the rows so far */
  struct page *page;
};

static void
on_row (struct json_object *row, unsigned line, void *arg)
{
  struct reading *r = arg;
  const char *is = str_of (row, "row");
  struct json_object *frames;
  struct report_task *task;

  if (strcmp (is, "stack") == 0)
    json_object_object_add (r->stacks, str_of (row, "id"),
                            json_object_get (json_get (row, "frames")));
  else if (strcmp (is, "task") == 0 && (task = new_task (r->tasks)))
    {
      task->line = line;
      task->pid = json_get_int (row, "pid", -1);
      snprintf (task->comm, sizeof task->comm, "%s", str_of (row, "comm"));
      snprintf (task->state, sizeof task->state, "%s", str_of (row, "state"));
      frames = json_get (r->stacks, str_of (row, "stack"));
      for (size_t i = 0; i < array_len (frames) && i < TASK_FRAMES; i++)
        {
          const char *f = json_object_get_string (
              json_object_array_get_idx (frames, i));

          add_row_frame (task, f ? f : "");
        }
    }
  else if (strcmp (is, "cpu") == 0 && array_len (r->tasks->cpus) < 256)
    {
      json_object_object_add (
          row, "frames",
          json_object_get (json_get (r->stacks, str_of (row, "stack"))));
      json_object_array_add (r->tasks->cpus, json_object_get (row));
    }
  else if (strcmp (is, "lock") == 0 || strcmp (is, "spinlock") == 0
           || strcmp (is, "deadlock") == 0 || strcmp (is, "request") == 0)
    {
      if (array_len (r->tasks->locks) < 256)
        json_object_array_add (r->tasks->locks, json_object_get (row));
    }
}

/* The last look counts, whatever it is called: rows of two would be counted
 * twice. */
static void
on_name (const char *name, size_t size, void *arg)
{
  struct reading *r = arg;
  size_t len = strlen (name);

  if (strncmp (name, "memory/", 7) != 0 || len < 6
      || (strcmp (name + len - 6, ".jsonl") != 0)
      || r->tasks->n > 0)
    return;
  rows_each (r->page, name, on_row, r);
  snprintf (r->tasks->file, sizeof r->tasks->file, "%s", name);
}

/* ---- SysRq ---- */

static void
on_line (const struct text_line *line, void *arg)
{
  struct text_msg msg;

  prefix_strip (line, &msg);
  sysrq_dump_line (arg, &msg);
}

static void
take_dump (struct report_tasks *t, struct sysrq_dump *d)
{
  const struct sysrq_task *tasks;
  unsigned n = sysrq_dump_tasks (d, &tasks);

  for (unsigned i = 0; i < n; i++)
    {
      struct report_task *task = new_task (t);

      if (!task)
        continue;
      task->pid = tasks[i].pid;
      memcpy (task->comm, tasks[i].comm, sizeof task->comm);
      task->state[0] = tasks[i].state;
      for (unsigned k = 0; k < tasks[i].nframes; k++)
        {
          const struct text_frame *f = &tasks[i].frames[k];
          char text[160];

          snprintf (text, sizeof text, "%.100s%s%.40s%s", f->func,
                    f->module[0] ? " [" : "", f->module,
                    f->module[0] ? "]" : "");
          add_frame (task, text);
        }
    }
}

static bool
from_sysrq (struct page *p, const char *name, struct report_tasks *t)
{
  const struct file_text *f = file_read (p, name);
  struct sysrq_dump *d = NULL;
  struct splitter *s = NULL;

  if (!f || sysrq_dump_new (&d, NULL) < 0)
    return false;
  if (splitter_new (on_line, d, &s, NULL) == 0)
    {
      splitter_feed (s, buf_str (&f->text), f->text.len, 0);
      splitter_end (s);
      splitter_free (s);
      sysrq_dump_end (d);
      take_dump (t, d);
    }
  sysrq_dump_free (d);
  return t->n > 0;
}

void
report_tasks_read (struct page *p, struct report_tasks *ret)
{
  struct reading r = { .tasks = ret, .page = p };

  *ret = (struct report_tasks){ .locks = json_object_new_array (),
                                 .cpus = json_object_new_array () };
  r.stacks = json_object_new_object ();
  p->source->each (p->source, on_name, &r);
  json_object_put (r.stacks);
  if (ret->n)
    ret->by = "memory";
  else if (from_sysrq (p, "sysrq/t.txt", ret)
           || from_sysrq (p, "sysrq/w.txt", ret))
    ret->by = "sysrq";
}

void
report_tasks_done (struct report_tasks *t)
{
  for (unsigned i = 0; i < t->n; i++)
    {
      for (unsigned k = 0; k < t->list[i].nframes; k++)
        free (t->list[i].frames[k]);
      free (t->list[i].frames);
    }
  free (t->list);
  json_object_put (t->locks);
  json_object_put (t->cpus);
}

/* ---- those that stand on the same stack ---- */

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
  const struct report_pile *x = a, *y = b;
  int d = (x->one->state[0] != 'D') - (y->one->state[0] != 'D');

  return d ? d : (int) y->tasks - (int) x->tasks;
}

unsigned
report_piles (const struct report_tasks *t, struct report_pile **ret)
{
  const struct report_task **sorted = calloc (t->n, sizeof *sorted);
  struct report_pile *piles = calloc (t->n, sizeof *piles);
  unsigned n = 0;

  for (unsigned i = 0; sorted && piles && i < t->n; i++)
    sorted[i] = &t->list[i];
  if (sorted && piles)
    qsort (sorted, t->n, sizeof *sorted, by_stack);
  for (unsigned i = 0; sorted && piles && i < t->n; i++)
    {
      if (!n || by_stack (&piles[n - 1].one, &sorted[i]) != 0)
        piles[n++].one = sorted[i];
      piles[n - 1].tasks++;
    }
  if (n)
    qsort (piles, n, sizeof *piles, by_size);
  free (sorted);
  *ret = piles;
  return n;
}

void
report_pile_who (struct page *p, const struct report_pile *pile)
{
  const struct report_task *t = pile->one;

  html_in (p, "code", NULL, t->comm);
  html_printf (p, pile->tasks > 1 ? " (%lld) and others" : " (%lld)",
               (long long) t->pid);
  if (t->line && t->state[0] == 'D' && p->nmarks < MARKS_MOST / 2)
    {
      html (p, "<br>");
      html_place (p, p->tasks->file, t->line);
    }
}

unsigned
report_first_frame (const struct report_task *t)
{
  unsigned k = 0;

  while (k + 1 < t->nframes && strstr (t->frames[k], "schedule"))
    k++;
  return k;
}

void
report_frames (struct page *p, const struct report_task *t, unsigned most)
{
  unsigned first = report_first_frame (t);

  for (unsigned k = first; k < t->nframes && k - first < most; k++)
    {
      if (k > first)
        html (p, " &larr; ");
      html_in (p, "code", NULL, t->frames[k]);
    }
}
