/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is.
 */
#include "supervisor/incidents/turns.h"

#include "base/error.h"

#include <stddef.h>
#include <stdlib.h>

struct turns
{
  struct turn *first; /* the oldest */
  unsigned most;
};

int
turns_new (unsigned most, struct turns **ret, struct error *err)
{
  struct turns *ts = calloc (1, sizeof (*ts));

  if (!ts)
    return error_set (err, ENOMEM, "no memory for diagnoses");
  ts->most = most;
  *ret = ts;
  return 0;
}

void
turns_free (struct turns *ts)
{
  free (ts);
}

void
turn_join (struct turns *all, struct turn *t)
{
  struct turn **p;

  t->all = all;
  t->next = NULL;
  t->runs = t->told_runs = false;
  t->waits = t->told_waits = TURN_NOT_WAITING;
  if (!all)
    return;
  for (p = &all->first; *p; p = &(*p)->next)
    ;
  *p = t;
}

/* Each is told; who is told does nothing of it at once (turns.h). */
static void
tell_waiting (struct turns *all, const struct turn *but)
{
  for (struct turn *t = all->first; t; t = t->next)
    if (t != but && t->waits != TURN_NOT_WAITING)
      t->fn (t->arg);
}

void
turns_limit (struct turns *ts, unsigned most)
{
  ts->most = most;
  tell_waiting (ts, NULL);
}

void
turn_leave (struct turn *t)
{
  struct turns *all = t->all;
  struct turn **p;

  if (!all)
    return;
  for (p = &all->first; *p != t; p = &(*p)->next)
    ;
  *p = t->next;
  t->all = NULL;
  tell_waiting (all, NULL);
}

bool
turn_may (struct turn *t, enum turn_rank rank)
{
  unsigned before = 0; /* who have a place, or take one first */
  bool older = true, passed = false;

  if (!t->all)
    return true;
  for (const struct turn *x = t->all->first; x; x = x->next)
    if (x == t)
      older = false;
    else if (x->runs)
      before++;
    else if (x->waits < rank || (x->waits == rank && older && !t->runs))
      {
        before++;
        passed |= x->waits < rank;
      }
  if (t->runs ? !passed : before < t->all->most)
    return true;
  if (rank < t->waits)
    t->waits = rank;
  return false;
}

void
turn_now (struct turn *t, bool runs)
{
  t->runs = runs;
  t->waits = TURN_NOT_WAITING;
}

void
turn_pass (struct turn *t)
{
  if (!t->all || (t->runs == t->told_runs && t->waits == t->told_waits))
    return;
  t->told_runs = t->runs;
  t->told_waits = t->waits;
  tell_waiting (t->all, t);
}
