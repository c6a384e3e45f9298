/* SPDX-License-Identifier: Apache-2.0
 *
 * The census of stacks as text, for who draws it himself: a line a stack,
 * "STATE;outermost;...;innermost TASKS".
 */
#include "diag/report/tasks.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* What parts frames, and lines, is in no name. */
static void
frame (struct buf *line, const char *name)
{
  struct buf safe = BUF_INIT (256);

  text_escape (&safe, name, strlen (name), 0);
  for (const char *p = buf_str (&safe); *p; p++)
    buf_putc (line, *p == ';' || *p == '\n' ? ':' : *p);
  buf_done (&safe);
}

/* All frames: how a task went to sleep is asked for, too, by who looks
 * closer. */
static void
stack (struct buf *line, const struct report_pile *pile)
{
  const struct report_task *t = pile->one;

  frame (line, t->state[0] ? t->state : "?");
  for (unsigned k = t->nframes; k > 0; k--)
    {
      buf_putc (line, ';');
      frame (line, t->frames[k - 1]);
    }
  buf_printf (line, " %u\n", pile->tasks);
}

unsigned
report_folded (struct report_source *source, struct buf *out)
{
  struct page p = { .source = source };
  struct report_tasks tasks;
  struct report_pile *piles;
  unsigned n, told = 0;

  report_tasks_read (&p, &tasks);
  n = report_piles (&tasks, &piles);
  for (unsigned i = 0; i < n; i++)
    {
      struct buf line = BUF_INIT (16u << 10);

      /* Who has no stack runs, or nobody could read it. */
      if (piles[i].one->nframes)
        stack (&line, &piles[i]);
      if (line.len && !line.cut && out->len + line.len <= out->max)
        {
          buf_append (out, buf_str (&line), line.len);
          told++;
        }
      buf_done (&line);
    }
  free (piles);
  report_tasks_done (&tasks);
  files_done (&p);
  return told;
}
