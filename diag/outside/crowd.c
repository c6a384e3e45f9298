/* SPDX-License-Identifier: Apache-2.0
 *
 * Who has the tasks of a guest in which there is hardly room for more: those
 * of one control group, or of one name, where that is most of them.
 */
#include "diag/outside/outside_impl.h"

#include "base/cleanup.h"
#include "base/fact.h"

#include <stdlib.h>

#define MOST 0.5
#define FEW 20 /* of so few nobody is a crowd */

static int
by_text (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* The one of a sorted list that stands there most often. */
static const char *
most (const char *const *list, size_t n, size_t *ret_times)
{
  const char *best = "";
  size_t run = 0;

  *ret_times = 0;
  for (size_t i = 0; i < n; i++)
    {
      run = i > 0 && strcmp (list[i], list[i - 1]) == 0 ? run + 1 : 1;
      if (run <= *ret_times)
        continue;
      *ret_times = run;
      best = list[i];
    }
  return best;
}

void
outside_crowd_facts (const struct outside *o, const char *source,
                     const struct incarnation *inc, outside_fact_fn *fn,
                     void *arg)
{
  CLEANUP_FREE const char **names = calloc (o->tasks.n + 1, sizeof *names);
  struct buf text CLEANUP_BUF = BUF_INIT (FACT_TEXT_MAX);
  size_t n = 0, times;
  const char *best;
  struct fact f;

  if (!names)
    return;
  for (size_t i = 0; i < o->tasks.n; i++)
    if (!json_get_bool (o->tasks.rows[i], "kthread", false))
      names[n++] = str_of (o->tasks.rows[i], "comm");
  qsort (names, n, sizeof *names, by_text);
  best = most (names, n, &times);
  if (n < FEW || (double) times < MOST * (double) n || !best[0])
    return;
  buf_printf (&text, "%s (%zu of %zu tasks of its users)", best, times, n);
  fact_text (&f, inc, "tasks.most", source, buf_str (&text), text.len);
  fn (&f, arg);
}
