/* SPDX-License-Identifier: Apache-2.0
 *
 * What scenarios listen for in the text of the guests that they watch.
 */
#include "supervisor/watch/bindings_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "scenarios/lines.h"
#include "supervisor/text/text.h"

struct lines *
listen_for_ (const struct scenario *s)
{
  struct error err = ERROR_INIT;
  struct lines *lines = NULL;

  /* Its document was checked: only memory can fail. */
  if (scenario_lines (s, &lines, &err) < 0)
    log_warn ("scenario %s hears nothing: %s", s->name, error_text (&err));
  return lines;
}

void
listen_tell_ (struct watched *w)
{
  struct bindings *b = w->all;
  CLEANUP_FREE struct lines **list = NULL;
  size_t n = 0;

  for (size_t i = 0; i < w->n; i++)
    n += b->lines[w->list[i]->index] != NULL;
  list = calloc (n + 1, sizeof (*list));
  if (!list)
    return;
  n = 0;
  for (size_t i = 0; i < w->n; i++)
    if (b->lines[w->list[i]->index])
      list[n++] = b->lines[w->list[i]->index];
  texts_listen (b->env.texts, w->guest->inc.uuid, list, n);
}

void
listen_end_ (struct bindings *b)
{
  for (size_t i = 0; i < b->nscenarios; i++)
    lines_unref (b->lines[i]);
  free (b->lines);
}
