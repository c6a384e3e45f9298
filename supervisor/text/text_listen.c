/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of guests: what scenarios listen for.  The searching is
 * scenarios/lines.c's; here is which lines are the guest's own, and what
 * becomes of what was heard: facts.
 */
#include "supervisor/text/text_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"

#include <stdlib.h>
#include <string.h>

/* ---- the loop's side ---- */

static bool
same (const struct text_guest *g, struct lines *const *list, size_t n)
{
  return g->nlisten == n
         && (n == 0 || memcmp (g->listen, list, n * sizeof (*list)) == 0);
}

void
text_listen_free_ (struct text_guest *g)
{
  for (size_t i = 0; i < g->nlisten; i++)
    lines_unref (g->listen[i]);
  free (g->listen);
  g->listen = NULL;
  g->nlisten = 0;
}

void
texts_listen (struct texts *t, const char *uuid, struct lines *const *list,
              size_t n)
{
  CLEANUP_FREE struct lines **mine = NULL;
  struct text_guest *g = t ? text_guest_find_ (t, uuid) : NULL;

  /* Only this thread changes it. */
  if (!g || same (g, list, n))
    return;
  mine = n ? calloc (n, sizeof (*mine)) : NULL;
  if (n && !mine)
    return;
  for (size_t i = 0; i < n; i++)
    mine[i] = lines_ref (list[i]);
  LOCK_SCOPE (&t->m);
  text_listen_free_ (g);
  g->listen = steal_ptr (&mine);
  g->nlisten = n;
  g->listen_serial++;
}

/* ---- the worker's ---- */

static void
on_hit (const struct line_hit *hit, void *arg)
{
  struct text_source *s = arg;
  struct fact f;

  if (hit->given_up)
    fact_int (&f, &s->inc, hit->name, "console", (int64_t) hit->given_up);
  else if (hit->has_value)
    fact_int (&f, &s->inc, hit->name, "console", hit->value);
  else
    fact_text (&f, &s->inc, hit->name, "console", hit->text, hit->len);
  f.more = hit->more;
  if (hit->at_ms && hit->at_ms < f.time_ms)
    f.time_ms = hit->at_ms;
  fact_publish (s->all->bus, &f);
}

void
text_listen_follow_ (struct text_source *s)
{
  struct text_guest *g = s->guest;
  LOCK_SCOPE (&s->all->m);

  if (s->listen_serial == g->listen_serial)
    return;
  s->listen_serial = g->listen_serial;
  if (g->nlisten == 0)
    {
      listener_free (steal_ptr (&s->listener));
      return;
    }
  if (!s->listener
      && listener_new (s->console, on_hit, s, &s->listener, NULL) < 0)
    return;
  (void) listener_set (s->listener, g->listen, g->nlisten, NULL);
}

void
text_listen_piece_ (struct text_source *s)
{
  s->ntyped = tap_typed (s->tap, s->typed);
}

/* How much of a line, from its beginning, came while we typed: all that was
 * echoed and answered does.  What was taken out of it (escapes, CR) may have
 * been anywhere, so that a little of ours may pass for the guest's. */
static size_t
ours_of (const struct text_source *s, const struct text_line *line)
{
  uint64_t from = s->reader_at + line->at, to = from + line->raw_len;
  size_t ours = 0;

  for (unsigned i = 0; i < s->ntyped; i++)
    {
      uint64_t end = s->typed[i].to;

      if (s->typed[i].from >= to || end <= from)
        continue;
      if (end >= to)
        return line->len;
      /* The line's end is among what came behind it. */
      if (to - end >= line->len)
        continue;
      if (line->len - (size_t) (to - end) > ours)
        ours = line->len - (size_t) (to - end);
    }
  return ours;
}

void
text_listen_line_ (struct text_worker *w, struct text_source *s,
                   const struct text_msg *msg)
{
  bool kernel = msg->stamped && msg->from == FROM_KERNEL;

  if (!w->scratch && lines_scratch_new (&w->scratch, NULL) < 0)
    return;
  /* A log is shown again, or the kernel answers a key of ours. */
  if (lines_old (text_reader_stage (s->reader), msg)
      || (s->asked_until_ms && msg->line->first_ms <= s->asked_until_ms))
    return;
  listener_line (s->listener, w->scratch, msg,
                 kernel ? 0 : ours_of (s, msg->line), msg->line->last_ms);
}
