/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose turn it is: of all diagnoses that have begun, at most so many have
 * steps that run.
 *
 * What is soon gone is got of all guests first: whoever waits with a step that
 * gets such evidence comes before all whose next one does not, and of equals
 * the oldest.  Who is at it goes on, until another waits with evidence that is
 * gone sooner than his own.  Loop thread.
 */
#ifndef HANGDOG_SUPERVISOR_TURNS_H
#define HANGDOG_SUPERVISOR_TURNS_H

#include <stdbool.h>

struct error;
struct turns;

/* The first goes first. */
enum turn_rank
{
  TURN_FADES, /* what it gets is soon gone */
  TURN_STAYS,
  TURN_NOT_WAITING,
};

/* One who takes turns; his own, from turn_join() to turn_leave(). */
struct turn
{
  struct turns *all; /* NULL: it takes no turns, and may always */
  struct turn *next; /* younger */
  bool runs;            /* steps of his run */
  enum turn_rank waits; /* the best of what he was refused */
  bool told_runs;       /* as the others were told */
  enum turn_rank told_waits;
  /* It may be his turn now; he asks from the loop, not from in here. */
  void (*fn) (void *arg);
  void *arg;
};

int turns_new (unsigned most, struct turns **ret, struct error *err);
void turns_free (struct turns *ts); /* NULL is fine */
void turns_limit (struct turns *ts, unsigned most);
/* As the youngest; fn and arg are set by the caller.  all NULL is fine. */
void turn_join (struct turns *all, struct turn *t);
void turn_leave (struct turn *t);
/* May he begin a step of that rank now?  When not, he waits for it, and fn is
 * called when it may have become his turn. */
bool turn_may (struct turn *t, enum turn_rank rank);
/* Whether steps of his run, and that he waits for nothing: to be said whenever
 * some began or ended, before he asks again. */
void turn_now (struct turn *t, bool runs);
/* He has asked for all that he wants now: when that is something new, the
 * others are told. */
void turn_pass (struct turn *t);

#endif
