/* SPDX-License-Identifier: Apache-2.0
 *
 * The threads that read: a queue of consoles that have something new, a heap
 * of those that wait for a time, and the feeding of readers.
 */
#include "supervisor/text/text_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/regex.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK_BYTES (256u << 10)
/* Times that nobody waits for to the millisecond are kept together. */
#define TIMER_GRAIN_MS 16

/* ---- the heap of times ---- */

static void
put_at (struct text_worker *w, unsigned i, struct text_source *s)
{
  w->heap[i] = s;
  s->heap_at = i + 1;
}

static void
sift (struct text_worker *w, unsigned i)
{
  struct text_source *s = w->heap[i];
  unsigned child;

  for (; i > 0 && w->heap[(i - 1) / 2]->due_ms > s->due_ms; i = (i - 1) / 2)
    put_at (w, i, w->heap[(i - 1) / 2]);
  while ((child = 2 * i + 1) < w->nheap)
    {
      if (child + 1 < w->nheap
          && w->heap[child + 1]->due_ms < w->heap[child]->due_ms)
        child++;
      if (w->heap[child]->due_ms >= s->due_ms)
        break;
      put_at (w, i, w->heap[child]);
      i = child;
    }
  put_at (w, i, s);
}

static void
heap_remove (struct text_worker *w, struct text_source *s)
{
  unsigned i = s->heap_at;
  struct text_source *last;

  if (!i)
    return;
  s->heap_at = 0;
  last = w->heap[--w->nheap];
  if (last == s)
    return;
  put_at (w, i - 1, last);
  sift (w, i - 1);
}

/* Without memory there is no timer: its next byte comes instead. */
static void
heap_set (struct text_worker *w, struct text_source *s, uint64_t due)
{
  if (due == CLOCK_NEVER)
    {
      heap_remove (w, s);
      return;
    }
  s->due_ms = (due + TIMER_GRAIN_MS - 1) / TIMER_GRAIN_MS * TIMER_GRAIN_MS;
  if (!s->heap_at)
    {
      if (w->nheap == w->cap)
        {
          unsigned cap = w->cap ? 2 * w->cap : 64;
          struct text_source **heap
              = reallocarray (w->heap, cap, sizeof (struct text_source *));

          if (!heap)
            return;
          w->heap = heap;
          w->cap = cap;
        }
      put_at (w, w->nheap++, s);
    }
  sift (w, s->heap_at - 1);
}

/* ---- what a reader says ---- */

/* Which source a reader is of, and whose thread this is. */
static struct text_worker *
worker_of (struct text_source *s)
{
  return s->guest->worker;
}

/* What the reader counted since the last time: before its boot is over, and
 * after each piece. */
static void
tell_hung (struct text_source *s)
{
  struct text_reader_stats stats = { 0 };

  text_reader_stats (s->reader, &stats);
  if (stats.hung_tasks > s->hung_told)
    text_say_hung_ (s, (unsigned) (stats.hung_tasks - s->hung_told));
  s->hung_told = stats.hung_tasks;
}

static void
on_line (const struct text_msg *msg, void *arg)
{
  struct text_source *s = arg;
  struct text_worker *w = worker_of (s);
  const struct text_line *l = msg->line;

  if (l->number != w->line[w->line_at].number)
    w->line_at ^= 1;
  w->line[w->line_at].number = l->number;
  w->line[w->line_at].len = l->len < TEXT_SAMPLE ? l->len : TEXT_SAMPLE;
  memcpy (w->line[w->line_at].text, l->text, w->line[w->line_at].len);
  if (s->boot_ms && msg->stamped && msg->stamp_us > s->boot_stamp_us)
    s->boot_stamp_us = msg->stamp_us;
  if (s->listener)
    text_listen_line_ (w, s, msg);
}

static void
on_suspect (const struct text_event *e, void *arg)
{
  text_say_suspect_ (worker_of (arg), arg, e);
}

static void
on_event (const struct text_event *e, void *arg)
{
  text_say_event_ (worker_of (arg), arg, e);
}

static void
on_stage (const struct stage *stage, enum stage_change change, void *arg)
{
  struct text_source *s = arg;

  s->stage_new = true;
  if (change != STAGE_NEW_BOOT)
    return;
  tell_hung (s);
  s->boot_ms = clock_ms ();
  s->boot_stamp_us = 0;
  text_say_life_ (s, GUEST_REBOOTED);
  {
    LOCK_SCOPE (&s->all->m);
    s->guest->boot = true;
  }
  text_post_ (s->all);
}

static const struct text_reader_ops reader_ops = {
  .suspect = on_suspect,
  .event = on_event,
  .stage = on_stage,
  .line = on_line,
};

/* A kernel that began just now cannot say that it is up for minutes: what was
 * taken for its beginning was a log that somebody looked at. */
static void
doubt_boot (struct text_source *s, uint64_t now)
{
  uint64_t since;

  if (!s->boot_ms)
    return;
  since = now > s->boot_ms ? now - s->boot_ms : 0;
  if (s->boot_stamp_us / 1000 > since + REPLAY_AHEAD_MS)
    {
      s->boot_ms = 0;
      {
        LOCK_SCOPE (&s->all->m);
        s->guest->replay = true;
        s->all->replays++;
      }
      text_post_ (s->all);
    }
  else if (since > REPLAY_WATCH_MS)
    s->boot_ms = 0;
}

/* ---- readers ---- */

static const struct text_rules *
rules_now (struct text_source *s)
{
  LOCK_SCOPE (&s->all->m);

  return text_rules_ref (s->all->rules);
}

/* at: the place of the ring from which on it will be fed. */
static struct text_reader *
reader_of (struct text_source *s, uint64_t at)
{
  const struct text_rules *rules;

  if (s->reader)
    return s->reader;
  s->reader_at = at;
  rules = rules_now (s);
  (void) text_reader_new (rules, &reader_ops, s, &s->reader, NULL);
  text_rules_unref (rules);
  return s->reader;
}

/* Others may have come: this one is between two lines, or within one that is
 * not asked yet. */
static void
follow_rules (struct text_source *s)
{
  const struct text_rules *rules;

  if (!s->reader)
    return;
  rules = rules_now (s);
  text_reader_rules (s->reader, rules);
  text_rules_unref (rules);
}

static void
add_stats (struct text_reader_stats *to, const struct text_reader_stats *a)
{
  to->bytes += a->bytes;
  to->lines += a->lines;
  to->heads += a->heads;
  to->events += a->events;
  to->gaps += a->gaps;
  to->lost_bytes += a->lost_bytes;
  to->limits_hit += a->limits_hit;
  to->reports_cut += a->reports_cut;
}

static void
drop_reader (struct text_source *s)
{
  struct text_reader_stats last = { 0 };

  if (!s->reader)
    return;
  text_reader_end (s->reader);
  tell_hung (s);
  s->hung_told = 0;
  text_reader_stats (s->reader, &last);
  add_stats (&s->before, &last);
  text_reader_free (s->reader);
  s->reader = NULL;
}

/* Was it this text that told of the boot? */
static bool
saw_it_boot (const struct text_source *s, uint64_t now)
{
  return s->boot_ms && now - s->boot_ms < REPLAY_WATCH_MS;
}

/* The boot that somebody is sure of now began when this text showed it: what
 * came since is of the new life, on all of its consoles. */
static void
date_reset (struct text_source *s)
{
  LOCK_SCOPE (&s->all->m);

  for (struct text_source *o = s->guest->sources; o; o = o->next)
    if (o->of_boot.reset_ms > s->boot_ms)
      o->of_boot.reset_ms = s->boot_ms;
}

static void
obey (struct text_source *s, const struct text_order *o,
      const struct incarnation *inc)
{
  if (o->what == ORDER_OURS)
    {
      if (reader_of (s, tap_at (s->tap)))
        text_reader_ours (s->reader, o->key, o->until_ms);
      s->asked_until_ms = o->until_ms;
      return;
    }
  if (o->change == GUEST_REBOOTED && saw_it_boot (s, clock_ms ()))
    date_reset (s);
  else
    {
      drop_reader (s);
      text_say_life_ (s, o->change);
      s->boot_ms = 0;
    }
  s->inc = *inc;
  s->stage_new = true; /* of this life now */
  s->said_stage = (struct stage) STAGE_INIT;
}

/* Obeys what is due at this place of the ring; how many bytes may be fed until
 * the next order. */
static size_t
next_piece (struct text_source *s)
{
  struct text_order o;
  struct incarnation inc;
  uint64_t at = tap_at (s->tap);

  for (;;)
    {
      {
        LOCK_SCOPE (&s->all->m);
        if (s->norders == 0)
          return TEXT_CHUNK;
        o = s->orders[0];
        if (o.at > at)
          return o.at - at < TEXT_CHUNK ? (size_t) (o.at - at) : TEXT_CHUNK;
        s->norders--;
        memmove (s->orders, s->orders + 1, s->norders * sizeof o);
        inc = s->next_inc;
      }
      obey (s, &o, &inc);
    }
}

/* True when there is more than fits into one turn. */
static bool
feed (struct text_worker *w, struct text_source *s)
{
  size_t n, want, total = 0;
  uint64_t lost, at, until = clock_ms () + TEXT_TURN_MS;

  while (total < TEXT_TURN && (total == 0 || clock_ms () < until))
    {
      lost = 0;
      want = next_piece (s);
      at = tap_at (s->tap);
      n = tap_read (s->tap, w->chunk, want, &lost);
      if (n == 0)
        return false;
      total += n;
      if (!reader_of (s, at))
        continue;
      if (s->listener)
        text_listen_piece_ (s);
      if (lost)
        text_reader_gap (s->reader, lost, tap_time_of_last (s->tap));
      text_reader_feed (s->reader, w->chunk, n, tap_time_of_last (s->tap));
      tell_hung (s);
      /* That was all there was; who adds to it tells us again. */
      if (n < want && want == TEXT_CHUNK)
        return false;
    }
  return true;
}

/* True when a rule was given up since the last time. */
static bool
publish_look (struct text_source *s)
{
  struct text_reader_stats stats = { 0 };
  bool gave_up;

  if (s->reader)
    text_reader_stats (s->reader, &stats);
  add_stats (&stats, &s->before);
  gave_up = stats.limits_hit > s->stats.limits_hit;
  LOCK_SCOPE (&s->all->m);
  s->stats = stats;
  s->all->gave_up |= gave_up;
  if (s->reader)
    s->stage = *text_reader_stage (s->reader);
  else
    s->stage = (struct stage) STAGE_INIT;
  return gave_up;
}

/* ---- the thread ---- */

static void
append (struct text_worker *w, struct text_source *s)
{
  if (s->queued)
    return;
  s->queued = true;
  s->next_queued = NULL;
  *w->queue_end = s;
  w->queue_end = &s->next_queued;
}

static void
turn (struct text_worker *w, struct text_source *s)
{
  uint64_t now, due = CLOCK_NEVER, say;
  bool more;

  w->line[0].number = w->line[1].number = 0;
  follow_rules (s);
  text_listen_follow_ (s);
  more = feed (w, s);
  now = clock_ms ();
  if (s->reader)
    due = text_reader_tick (s->reader, now);
  doubt_boot (s, now);
  if (publish_look (s))
    text_post_ (s->all);
  say = text_say_due_ (s, now);
  due = say < due ? say : due;
  if (s->listener)
    {
      say = listener_due (s->listener, now);
      due = say < due ? say : due;
    }
  heap_set (w, s, due);
  if (!more)
    return;
  LOCK_SCOPE (&w->m);
  append (w, s);
}

static struct timespec
until (uint64_t ms)
{
  return (struct timespec){ .tv_sec = (time_t) (ms / 1000),
                            .tv_nsec = (long) (ms % 1000) * 1000000 };
}

/* The next to be looked at, or to be freed; NULL at the end of it all. */
static struct text_source *
take_next (struct text_worker *w, bool *ret_last)
{
  struct text_source *s;
  struct timespec ts;
  LOCK_SCOPE (&w->m);

  *ret_last = false;
  for (;;)
    {
      /* Timers first, or a flood would hold them up. */
      if (w->nheap && w->heap[0]->due_ms <= clock_ms ())
        {
          w->timers++;
          return w->heap[0];
        }
      if (w->queue)
        break;
      if (w->stop)
        return NULL;
      w->sleeping = true;
      if (w->nheap)
        {
          ts = until (w->heap[0]->due_ms);
          (void) pthread_cond_timedwait (&w->cond, &w->m, &ts);
        }
      else
        (void) pthread_cond_wait (&w->cond, &w->m);
      w->sleeping = false;
      w->wakeups++;
    }
  s = w->queue;
  w->queue = s->next_queued;
  if (!w->queue)
    w->queue_end = &w->queue;
  s->queued = false;
  *ret_last = s->last;
  w->turns++;
  return s;
}

static void *
run (void *arg)
{
  struct text_worker *w = arg;
  struct text_source *s;
  bool last;

  while ((s = take_next (w, &last)))
    if (last)
      {
        heap_remove (w, s);
        text_source_free_ (s);
      }
    else
      turn (w, s);
  return NULL;
}

/* ---- the loop's side ---- */

void
text_worker_note_ (struct text_worker *w, struct text_source *s)
{
  if (s->noted || s->going)
    return;
  s->noted = true;
  s->next_noted = NULL;
  *w->noted_end = s;
  w->noted_end = &s->next_noted;
}

void
text_worker_wake_ (struct text_worker *w)
{
  struct text_source *s, *next;
  bool sleeping;

  if (!w->noted)
    return;
  {
    LOCK_SCOPE (&w->m);
    for (s = w->noted; s; s = next)
      {
        next = s->next_noted;
        s->noted = false;
        s->last = s->going;
        append (w, s);
      }
    sleeping = w->sleeping;
  }
  w->noted = NULL;
  w->noted_end = &w->noted;
  /* Woken under the lock it would only go to sleep for that. */
  if (sleeping)
    pthread_cond_signal (&w->cond);
}

void
text_source_free_ (struct text_source *s)
{
  struct texts *t = s->all;

  /* From then on nobody tells of it. */
  tap_free (s->tap);
  text_reader_free (s->reader);
  listener_free (s->listener);
  text_guest_unref_ (t, s->guest);
  free (s);
}

int
text_worker_new_ (struct texts *t, unsigned index, struct text_worker **ret,
                  struct error *err)
{
  struct text_worker *w = calloc (1, sizeof *w);
  pthread_condattr_t attr;
  pthread_attr_t thread;
  int r;

  if (!w)
    return error_errno (err, ENOMEM, "starting a text worker");
  w->all = t;
  w->index = index;
  w->noted_end = &w->noted;
  w->queue_end = &w->queue;
  pthread_mutex_init (&w->m, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&w->cond, &attr);
  pthread_condattr_destroy (&attr);
  pthread_attr_init (&thread);
  pthread_attr_setstacksize (&thread, STACK_BYTES);
  r = pthread_create (&w->thread, &thread, run, w);
  pthread_attr_destroy (&thread);
  if (r != 0)
    {
      text_worker_free_ (w);
      return error_errno (err, r, "starting a text worker");
    }
  (void) pthread_setname_np (w->thread, "text");
  w->running = true;
  *ret = w;
  return 0;
}

void
text_worker_stop_ (struct text_worker *w)
{
  {
    LOCK_SCOPE (&w->m);
    w->stop = true;
    pthread_cond_signal (&w->cond);
  }
  if (w->running)
    pthread_join (w->thread, NULL);
  w->running = false;
}

void
text_worker_free_ (struct text_worker *w)
{
  if (!w)
    return;
  pthread_cond_destroy (&w->cond);
  pthread_mutex_destroy (&w->m);
  regex_scratch_free (w->scratch);
  free (w->heap);
  free (w);
}
