/* SPDX-License-Identifier: Apache-2.0
 *
 * The timers of the event loop: a binary heap in which each timer knows its
 * place, because libvirt arms and stops one per stream for every packet.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/loop_impl.h"

/* seq breaks ties: timers due at one time run in the order they were armed,
 * which tests and the fairness of a pass rely on. */
static bool
sooner (const struct timer *a, const struct timer *b)
{
  return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void
heap_put (struct loop *loop, struct timer *t, size_t i)
{
  loop->heap[i] = t;
  t->index = i;
}

static void
heap_up (struct loop *loop, struct timer *t)
{
  size_t i = t->index;

  while (i > 0 && sooner (t, loop->heap[(i - 1) / 2]))
    {
      heap_put (loop, loop->heap[(i - 1) / 2], i);
      i = (i - 1) / 2;
    }
  heap_put (loop, t, i);
}

static void
heap_down (struct loop *loop, struct timer *t)
{
  size_t i = t->index, c;

  while ((c = 2 * i + 1) < loop->nheap)
    {
      if (c + 1 < loop->nheap && sooner (loop->heap[c + 1], loop->heap[c]))
        c++;
      if (!sooner (loop->heap[c], t))
        break;
      heap_put (loop, loop->heap[c], i);
      i = c;
    }
  heap_put (loop, t, i);
}

int
loop_timer (struct loop *loop, const char *name, loop_timer_fn *fn, void *arg,
            struct timer **ret_timer, struct error *err)
{
  struct timer *t = calloc (1, sizeof *t);

  /* Arming must not fail: the heap has room for every timer there is. */
  if (t && loop->ntimers >= loop->heap_cap)
    {
      size_t cap = loop->heap_cap ? 2 * loop->heap_cap : 64;
      struct timer **heap = realloc (loop->heap, cap * sizeof (struct timer *));

      if (heap)
        {
          loop->heap = heap;
          loop->heap_cap = cap;
        }
      else
        {
          free (t);
          t = NULL;
        }
    }
  if (!t)
    return error_errno (err, ENOMEM, "making the timer %s", name);
  t->loop = loop;
  loop_set_name_ (t->name, name);
  t->fn = fn;
  t->arg = arg;
  t->index = NOT_ARMED;
  t->next = loop->timers;
  if (t->next)
    t->next->prev = t;
  loop->timers = t;
  loop->ntimers++;
  *ret_timer = t;
  return 0;
}

void
timer_at (struct timer *t, uint64_t at_ms)
{
  struct loop *loop = t->loop;
  uint64_t now = loop_now (loop);

  if (t->dead)
    return;
  /* Never in the past: what is armed during a pass sorts behind what was due
   * before it, and a pass can end at the first newcomer. */
  t->at = at_ms > now ? at_ms : now;
  t->seq = ++loop->seq;
  if (t->index == NOT_ARMED)
    t->index = loop->nheap++;
  else
    /* seq grew; with an earlier `at` it may go up, else down. */
    heap_down (loop, t);
  heap_up (loop, t);
}

void
timer_in (struct timer *t, uint64_t delay_ms)
{
  uint64_t now = loop_now (t->loop);

  timer_at (t, delay_ms > CLOCK_NEVER - now ? CLOCK_NEVER : now + delay_ms);
}

void
timer_stop (struct timer *t)
{
  struct loop *loop = t->loop;
  struct timer *last;
  size_t i = t->index;

  if (i == NOT_ARMED)
    return;
  t->index = NOT_ARMED;
  last = loop->heap[--loop->nheap];
  if (last == t)
    return;
  /* The last leaf comes from another branch: it may belong above or below. */
  heap_put (loop, last, i);
  heap_down (loop, last);
  heap_up (loop, last);
}

bool
timer_armed (const struct timer *t)
{
  return t->index != NOT_ARMED;
}

void
timer_free (struct timer *t)
{
  struct loop *loop;

  if (!t || t->dead)
    return;
  loop = t->loop;
  timer_stop (t);
  t->dead = true;
  if (t->prev)
    t->prev->next = t->next;
  else
    loop->timers = t->next;
  if (t->next)
    t->next->prev = t->prev;
  loop->ntimers--;
  /* Kept until the round is over: its callback, or one that has just popped
   * it, may be running. */
  t->next = loop->dead_timers;
  loop->dead_timers = t;
  if (!loop->in_round)
    loop_reap_ (loop);
}

/* Runs what is due and was armed before this pass began. */
void
loop_run_timers_ (struct loop *loop)
{
  uint64_t limit = loop->seq, since = clock_ms ();
  struct timer *t;

  while (loop->nheap > 0 && (t = loop->heap[0])->at <= loop->now
         && t->seq <= limit)
    {
      /* Off first: the callback may arm or free it. */
      timer_stop (t);
      t->fn (t, t->arg);
      loop_note_time_ (loop, t->name, &since);
    }
}

static void
free_list (struct timer *t)
{
  struct timer *next;

  for (; t; t = next)
    {
      next = t->next;
      free (t);
    }
}

void
loop_reap_timers_ (struct loop *loop)
{
  free_list (loop->dead_timers);
  loop->dead_timers = NULL;
}

void
loop_free_timers_ (struct loop *loop)
{
  free_list (loop->timers);
  free_list (loop->dead_timers);
  free (loop->heap);
}
