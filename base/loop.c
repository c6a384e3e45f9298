/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: rounds, calls from other threads, making and freeing.
 * Watches are in loop_watch.c, timers in loop_timer.c.
 */
#include "base/loop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop_impl.h"

#define FAKE_START_MS 1000000u
/* A timer that arms itself anew with no delay would hold loop_advance() for
 * ever: after so many passes at one instant it goes on. */
#define PASSES_PER_INSTANT 1000

void
loop_set_name_ (char *dst, const char *name)
{
  size_t n = name ? strlen (name) : 0;

  if (n >= NAME_MAX_LEN)
    n = NAME_MAX_LEN - 1;
  if (n)
    memcpy (dst, name, n);
  dst[n] = '\0';
}

void
loop_note_time_ (struct loop *loop, const char *name, uint64_t *since)
{
  uint64_t t = clock_ms ();

  if (t - *since > loop->slowest_ms)
    {
      loop->slowest_ms = t - *since;
      loop_set_name_ (loop->slowest, name);
    }
  *since = t;
}

/* ---- making and freeing ---- */

static int
loop_make (bool fake, struct loop **ret_loop, struct error *err)
{
  struct loop *loop = calloc (1, sizeof *loop);
  int r;

  if (!loop)
    return error_errno (err, ENOMEM, "making an event loop");
  loop->fake = fake;
  loop->now = fake ? FAKE_START_MS : clock_ms ();
  loop->calls_end = &loop->calls;
  pthread_mutex_init (&loop->m, NULL);
  loop->epfd = loop->patient_fd = -1;
  loop->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  r = loop->wake_fd < 0
          ? -errno
          : loop_new_sets_ (loop, &loop->epfd, &loop->patient_fd);
  if (r < 0)
    {
      loop_free (loop);
      return error_errno (err, -r, "making an event loop");
    }
  *ret_loop = loop;
  return 0;
}

int
loop_new (struct loop **ret_loop, struct error *err)
{
  return loop_make (false, ret_loop, err);
}

int
loop_new_fake (struct loop **ret_loop, struct error *err)
{
  return loop_make (true, ret_loop, err);
}

void
loop_free (struct loop *loop)
{
  struct call *c;

  if (!loop)
    return;
  /* drop() may post again (a job's last words): until there is none left. */
  while ((c = loop->calls))
    {
      loop->calls = c->next;
      if (!loop->calls)
        loop->calls_end = &loop->calls;
      if (c->drop)
        c->drop (c->arg);
      free (c);
    }
  loop_free_watches_ (loop);
  loop_free_timers_ (loop);
  cleanup_close_ (&loop->epfd);
  cleanup_close_ (&loop->patient_fd);
  if (loop->wake_fd >= 0)
    close (loop->wake_fd);
  pthread_mutex_destroy (&loop->m);
  free (loop);
}

static void
refresh_now (struct loop *loop)
{
  if (!loop->fake)
    loop->now = clock_ms ();
}

uint64_t
loop_now (struct loop *loop)
{
  /* Between rounds (start-up, a test) there is no round whose time counts. */
  if (!loop->in_round)
    refresh_now (loop);
  return loop->now;
}

void
loop_reap_ (struct loop *loop)
{
  loop_reap_watches_ (loop);
  loop_reap_timers_ (loop);
}

/* ---- other threads ---- */

static void
wake (struct loop *loop)
{
  uint64_t one = 1;

  /* Full means it is awake already. */
  (void) !write (loop->wake_fd, &one, sizeof one);
}

int
loop_post (struct loop *loop, loop_call_fn *fn, void *arg, loop_call_fn *drop)
{
  struct call *c = malloc (sizeof *c);
  bool first;

  if (!c)
    return -ENOMEM;
  *c = (struct call){ .fn = fn, .drop = drop, .arg = arg };
  {
    LOCK_SCOPE (&loop->m);
    first = loop->calls == NULL;
    *loop->calls_end = c;
    loop->calls_end = &c->next;
  }
  /* Others found the list not empty: who made it so wakes, outside of the
   * lock, since the loop takes it at once. */
  if (first)
    wake (loop);
  return 0;
}

static void
run_calls (struct loop *loop)
{
  uint64_t since;
  struct call *c, *next;

  {
    LOCK_SCOPE (&loop->m);
    c = loop->calls;
    loop->calls = NULL;
    loop->calls_end = &loop->calls;
  }
  if (!c)
    return;
  since = clock_ms ();
  for (; c; c = next)
    {
      next = c->next;
      c->fn (c->arg);
      free (c);
      loop_note_time_ (loop, "posted call", &since);
    }
}

void
loop_stop (struct loop *loop)
{
  atomic_store (&loop->stop, true);
  wake (loop);
}

uint64_t
loop_beat (struct loop *loop, uint64_t *ret_busy_since)
{
  if (ret_busy_since)
    *ret_busy_since = atomic_load (&loop->busy_since);
  return atomic_load (&loop->beat);
}

/* ---- running ---- */

static int
wait_ms (struct loop *loop, uint64_t max_ms)
{
  uint64_t left = max_ms, at;

  if (loop->nheap > 0)
    {
      at = loop->heap[0]->at;
      refresh_now (loop);
      /* A fake clock does not get there by waiting. */
      if (at <= loop->now)
        left = 0;
      else if (!loop->fake && at - loop->now < left)
        left = at - loop->now;
    }
  /* An hour is long enough to look again. */
  return left > 3600000u ? 3600000 : (int) left;
}

int
loop_round (struct loop *loop, uint64_t max_ms, struct error *err)
{
  uint64_t since;
  int n;

  if (loop->in_round)
    return error_set (err, EDEADLK, "the event loop was entered twice");
  n = epoll_wait (loop->epfd, loop->events, EVENTS_PER_ROUND,
                  wait_ms (loop, max_ms));
  if (n < 0 && errno != EINTR)
    return error_errno (err, errno, "waiting for events");

  refresh_now (loop);
  since = clock_ms ();
  /* Read by the watchdog's thread: it tells a long wait from a long round. */
  atomic_store (&loop->busy_since, since);
  atomic_fetch_add (&loop->beat, 1);
  loop->round++;
  loop->in_round = true;
  for (int i = 0; i < n; i++)
    {
      if (loop->events[i].data.u64 == WAKE_MARK)
        {
          uint64_t v;

          (void) !read (loop->wake_fd, &v, sizeof v);
        }
      else if (loop->events[i].data.u64 == PATIENT_MARK)
        loop_patient_ (loop, &since);
      else
        loop_dispatch_ (loop, &loop->events[i], &since);
    }
  /* Descriptors first: a timer that gives up on an answer must see one that
   * has come. */
  loop_run_timers_ (loop);
  run_calls (loop);
  loop->in_round = false;
  loop_reap_ (loop);
  if (loop->rebuild)
    loop_rebuild_ (loop);
  atomic_store (&loop->busy_since, 0);
  return 0;
}

int
loop_run (struct loop *loop, struct error *err)
{
  int r;

  /* Cleared by the run that obeys it: a stop before the start counts. */
  while (!atomic_exchange (&loop->stop, false))
    {
      r = loop_round (loop, CLOCK_NEVER, err);
      if (r < 0)
        return r;
    }
  return 0;
}

void
loop_advance (struct loop *loop, uint64_t ms)
{
  uint64_t target = loop->now + ms, at;
  unsigned passes = 0;

  if (!loop->fake || loop->in_round)
    return;
  while (loop->nheap > 0 && (at = loop->heap[0]->at) <= target)
    {
      if (at > loop->now)
        {
          loop->now = at;
          passes = 0;
        }
      /* A timer that arms itself for now would hold the clock for ever. */
      if (++passes > PASSES_PER_INSTANT)
        break;
      loop->round++;
      loop->in_round = true;
      loop_run_timers_ (loop);
      loop->in_round = false;
      loop_reap_ (loop);
    }
  loop->now = target;
}

void
loop_jump (struct loop *loop, uint64_t ms)
{
  if (loop->fake && !loop->in_round)
    loop->now += ms;
}

/* ---- looking ---- */

static void
dump_watch (const struct watch *w, struct buf *out)
{
  if (w->dead)
    return;
  buf_printf (out, "watch fd=%d %s%s%s %s\n", w->fd,
              w->events & LOOP_READ ? "r" : "-",
              w->events & LOOP_WRITE ? "w" : "-", w->lost ? " lost" : "",
              w->name);
}

void
loop_dump (struct loop *loop, struct buf *out)
{
  uint64_t now = loop_now (loop);

  buf_printf (out,
              "loop rounds=%" PRIu64 " watches=%zu timers=%zu armed=%zu "
              "slowest=%" PRIu64 "ms (%s)\n",
              (uint64_t) atomic_load (&loop->beat), loop->nwatches,
              loop->ntimers, loop->nheap, loop->slowest_ms,
              loop->slowest[0] ? loop->slowest : "none");
  for (size_t fd = 0; fd < loop->nslots; fd++)
    for (const struct watch *w = loop->slots[fd].first; w; w = w->next)
      dump_watch (w, out);
  for (const struct watch *w = loop->lost; w; w = w->next)
    dump_watch (w, out);
  for (const struct timer *t = loop->timers; t; t = t->next)
    if (t->index == NOT_ARMED)
      buf_printf (out, "timer off %s\n", t->name);
    else
      buf_printf (out, "timer in=%" PRIu64 "ms %s\n",
                  t->at > now ? t->at - now : 0, t->name);
}
