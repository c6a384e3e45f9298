/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for a lane of a guest: the next begins when it is free.
 *
 * One line per guest, in order of coming, and each knows which of its ways
 * were busy.  Whoever holds a lane may be somebody else (a diagnosis, a
 * client): the pool tells of each that is free.
 */
#include "supervisor/watch/bindings_impl.h"

#include "base/job.h"

void
lane_wait_ (struct run *run)
{
  struct binding *bd = bindings_numbered_ (run->all, run->number);
  struct watched *w = bd->of;

  run->waits_with = w;
  run->next_waiting = NULL;
  *w->waiting_end = run;
  w->waiting_end = &run->next_waiting;
}

void
lane_leave_ (struct run *run)
{
  struct watched *w = run->waits_with;
  struct run **at;

  if (!w)
    return;
  at = &w->waiting;
  while (*at != run)
    at = &(*at)->next_waiting;
  *at = run->next_waiting;
  if (!*at)
    w->waiting_end = at;
  run->waits_with = NULL;
}

static bool
waits_for (const struct run *run, enum job_lane lane)
{
  for (unsigned i = 0; i < run->nlegs; i++)
    if (run->legs[i].state == LEG_BUSY && run->legs[i].way->lane == lane)
      return true;
  return false;
}

static struct run *
first_for (struct watched *w, enum job_lane lane)
{
  struct run *run = w ? w->waiting : NULL;

  while (run && !waits_for (run, lane))
    run = run->next_waiting;
  return run;
}

void
lane_free_ (const char *guest, enum job_lane lane, void *arg)
{
  struct bindings *b = arg;
  struct run *run;

  /* Until one finds it taken: by the one before him, mostly.  One that has no
   * use for it any more makes room for the next. */
  while ((run = first_for (bindings_watched_ (b, guest), lane)))
    {
      uint64_t number = run->number;
      const struct binding *bd;

      run_go_on_ (run);
      bd = bindings_numbered_ (b, number);
      if (bd && bd->run && bd->run->waits_with)
        return;
    }
}
