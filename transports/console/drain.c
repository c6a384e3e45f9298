/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading consoles: at once from a socket, swept from a pty; and what happens
 * to the bytes.  Nothing here allocates (but a ring that must grow), nothing
 * here waits.
 *
 * The sweep: QEMU's UART writes a pty byte by byte.  A pty that became
 * readable is taken off epoll, read at the next tick of a timer that all ptys
 * share, and given back.  One that is readable again at once stays with the
 * tick, until a tick finds nothing.  With nothing readable no timer runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/loop.h"
#include "transports/console/hub_impl.h"

/* What one console may take of a round, so that one flood does not starve
 * the others. */
#define SOCKET_BUDGET (64u << 10)
#define SWEEP_BUDGET (64u << 10)
#define TAIL_BUDGET (256u << 10)
/* A pty hands over at most 4095 bytes at a time; much less was all it had. */
#define PTY_ALL 2048
/* Of a socket: what makes it loud, in one piece or within LOUD_MS, and for how
 * long. */
#define LOUD_AT_ONCE 128
#define LOUD_BYTES 1024
#define LOUD_MS 1000

/* ---- where the bytes go ---- */

static void
publish_bytes (struct console *c, uint64_t now)
{
  char name[FACT_NAME_MAX];
  struct fact f;

  c->bytes_said_ms = now;
  c->bytes_said = c->bytes;
  list_add_ (c, LIST_BYTES);
  if (!c->hub->bus)
    return;
  snprintf (name, sizeof name, "console.bytes%s%s", c->primary ? "" : ".",
            c->primary ? "" : c->def.name);
  fact_int (&f, &c->inc, name, "console", (int64_t) c->bytes);
  fact_publish (c->hub->bus, &f);
}

/* The first byte after a while is said at once, the last of a burst when its
 * console's turn comes: in the list stand those that said something lately, in
 * the order in which they did, so that nobody is looked at too early. */
static void
note_bytes (struct console *c, uint64_t now)
{
  struct hub *hub = c->hub;

  if (list_has_ (c, LIST_BYTES))
    return;
  publish_bytes (c, now);
  if (!timer_armed (hub->bytes_timer))
    timer_in (hub->bytes_timer, HUB_BYTES_FACT_MS);
}

void
drain_bytes_ (struct timer *t, void *arg)
{
  struct hub *hub = arg;
  struct console *c;
  uint64_t now = loop_now (hub->loop), due;

  while ((c = hub->lists[LIST_BYTES].first)
         && now - c->bytes_said_ms >= HUB_BYTES_FACT_MS)
    {
      list_del_ (c, LIST_BYTES);
      if (c->bytes != c->bytes_said)
        publish_bytes (c, now);
    }
  if (!c)
    return;
  due = c->bytes_said_ms + HUB_BYTES_FACT_MS;
  timer_at (t, due < now + HUB_BYTES_FACT_MS / 10
                   ? now + HUB_BYTES_FACT_MS / 10
                   : due);
}

uint64_t
drain_lag_locked_ (const struct console *c)
{
  uint64_t head = ring_head (c->ring), at, lag = 0;

  for (struct tap *t = c->followers ? c->taps : NULL; t; t = t->next)
    {
      at = atomic_load_explicit (&t->at, memory_order_relaxed);
      if (t->follow && head - at > lag)
        lag = head - at;
    }
  return lag;
}

/* Followers only move on, so none is further behind than when that was looked
 * at last. */
static bool
may_fall_behind (struct console *c, size_t len)
{
  return atomic_load_explicit (&c->followers, memory_order_relaxed) > 0
         && ring_head (c->ring) + len - atomic_load (&c->followed)
                > c->hub->limits.ring_small;
}

/* A follower that is slower than the guest gets room, and keeps it as long as
 * that may happen again: growing with each burst would copy more than it
 * saves. */
static bool
falls_behind (struct console *c, size_t len)
{
  struct hub *hub = c->hub;
  uint64_t lag = drain_lag_locked_ (c);

  atomic_store (&c->followed, ring_head (c->ring) - lag);
  if (c->followers == 0 || lag + len <= hub->limits.ring_small)
    return false;
  c->lag_ms = loop_now (hub->loop);
  list_add_ (c, LIST_LARGE);
  if (!timer_armed (hub->shrink_timer))
    timer_in (hub->shrink_timer, HUB_SHRINK_MS);
  return true;
}

/* A dialogue must find all that came since it began, a follower all that it
 * has not read: the ring grows when what came would not fit any more, not
 * before. */
static void
grow_ring (struct console *c, size_t len)
{
  struct hub *hub = c->hub;
  size_t small = hub->limits.ring_small, large = hub->limits.ring_large;
  bool wanted = falls_behind (c, len);

  if (c->active > 0 && ring_head (c->ring) + len - c->active_since > small)
    wanted = true;
  if (!wanted || c->large
      || hub->ring_bytes + large - small > hub->limits.ring_total)
    return;
  if (ring_resize (c->ring, large) < 0)
    return;
  c->large = true;
  hub->ring_bytes += large - small;
}

void
drain_shrink_ (struct timer *t, void *arg)
{
  struct hub *hub = arg;
  struct console *c, *next;
  uint64_t now = loop_now (hub->loop);

  for (c = hub->lists[LIST_LARGE].first; c; c = next)
    {
      LOCK_SCOPE (&hub->lock);

      next = c->in[LIST_LARGE].next;
      if (now - c->lag_ms < HUB_LAG_MS)
        continue;
      /* Who is in a dialogue shrinks at the end of that. */
      if (c->active == 0)
        ring_shrink_locked_ (c);
      if (!c->large || c->active > 0)
        list_del_ (c, LIST_LARGE);
    }
  if (hub->lists[LIST_LARGE].first)
    timer_in (t, HUB_SHRINK_MS);
}

/* A whole line at once and what may be half of one a little later, if nothing
 * was told lately; else as often as ptys are swept: a line of a guest in
 * trouble should not wait, and a flood wake nobody per byte. */
static void
tell_soon (struct console *c, bool whole, uint64_t now)
{
  struct hub *hub = c->hub;
  uint64_t sweep = hub->limits.sweep_ms, at = now + (whole ? 0 : HUB_TELL_MS);

  list_add_ (c, LIST_NOTIFY);
  /* Ptys are swept when they are swept. */
  if (timer_armed (hub->sweep_timer)
      && (!whole || hub->lists[LIST_SWEEP].first))
    return;
  if (at < hub->told_ms + sweep)
    at = hub->told_ms + sweep;
  timer_at (hub->sweep_timer, at < now + sweep ? at : now + sweep);
}

static void
take (struct console *c, const char *data, size_t len)
{
  struct hub *hub = c->hub;
  uint64_t now = loop_now (hub->loop);
  bool kept = true;

  if (hub->sink.bytes)
    kept = hub->sink.bytes (hub->sink.arg, &c->log, c->uuid, c->def.name,
                            data, len, clock_wall_ms ());
  /* Nobody waits or is behind most of the time: then the lock is not
   * needed. */
  if (atomic_load (&c->active) > 0 || may_fall_behind (c, len))
    {
      LOCK_SCOPE (&hub->lock);
      grow_ring (c, len);
    }
  atomic_fetch_add_explicit (&c->bytes, len, memory_order_relaxed);
  if (!kept)
    atomic_fetch_add_explicit (&c->log_dropped, len, memory_order_relaxed);
  ring_append (c->ring, data, len, now);
  c->backoff_ms = 0;
  if (c->state == CONSOLE_SILENT)
    console_set_state_ (c, CONSOLE_TALKING, NULL);
  note_bytes (c, now);
  if (atomic_load_explicit (&c->ndata, memory_order_relaxed) > 0)
    tell_soon (c, data[len - 1] == '\n', now);
}

/* ---- reading ---- */

static ssize_t
read_link (struct console *c, void *dst, size_t n)
{
  ssize_t r;

  if (c->ops->read)
    return c->ops->read (c, dst, n);
  do
    r = read (c->link.fd, dst, n);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

/* > 0 bytes taken, 0 nothing there, < 0 the end (-EPIPE) or an error. */
static ssize_t
drain_some (struct console *c, size_t budget)
{
  char *buf = c->hub->read_buf;
  size_t total = 0;
  ssize_t n = 0;

  while (total < budget)
    {
      n = read_link (c, buf, HUB_READ_SIZE);
      if (n <= 0)
        break;
      take (c, buf, (size_t) n);
      total += (size_t) n;
      if ((size_t) n < (c->ops->swept ? PTY_ALL : HUB_READ_SIZE))
        break;
    }
  if (total > 0)
    return (ssize_t) total;
  if (n == -EAGAIN)
    return 0;
  return n == 0 ? -EPIPE : n;
}

bool
drain_ (struct console *c, size_t budget)
{
  ssize_t n = drain_some (c, budget);

  if (n >= 0)
    return true;
  console_lost_ (c, n == -EPIPE ? "the other end closed it"
                                : strerror ((int) -n));
  return false;
}

void
drain_rest_ (struct console *c, size_t budget)
{
  size_t total = 0;
  ssize_t n;

  while (total < budget && (n = drain_some (c, HUB_READ_SIZE)) > 0)
    total += (size_t) n;
}

/* A guest that floods a socket stands as soon as it is full, and it is full
 * early: QEMU sends byte by byte, each of them a buffer of its own to the
 * kernel.  So who says more than a few lines a second is read at once, and all
 * others, once they are many, with each other. */
static void
read_socket (struct watch *w, struct console *c)
{
  uint64_t before = c->bytes, now = loop_now (c->hub->loop);

  if (!drain_ (c, SOCKET_BUDGET))
    return;
  if (now >= c->loud_since + LOUD_MS)
    {
      c->loud_since = now;
      c->loud_bytes = before;
    }
  if (c->bytes - before >= LOUD_AT_ONCE
      || c->bytes - c->loud_bytes >= LOUD_BYTES)
    c->loud_until = now + LOUD_MS;
  watch_patient (w, now >= c->loud_until);
}

static void
readable (struct watch *w, int fd, unsigned events, void *arg)
{
  struct console *c = arg;
  struct hub *hub = c->hub;

  if (!c->ops->swept)
    {
      read_socket (w, c);
      return;
    }
  watch_set (w, 0);
  c->streaming = loop_now (hub->loop) - c->swept_ms <= hub->limits.sweep_ms;
  list_add_ (c, LIST_SWEEP);
  if (!timer_armed (hub->sweep_timer))
    timer_in (hub->sweep_timer, hub->limits.sweep_ms);
}

static void
sweep (struct hub *hub)
{
  struct console_list *l = &hub->lists[LIST_SWEEP];
  struct console *c, *next;
  ssize_t n;

  for (c = l->first; c; c = next)
    {
      next = c->in[LIST_SWEEP].next;
      n = drain_some (c, SWEEP_BUDGET);
      if (n > 0 && c->streaming)
        continue;
      list_del_ (c, LIST_SWEEP);
      if (n >= 0)
        {
          watch_set (c->watch, LOOP_READ);
          c->swept_ms = n > 0 ? loop_now (hub->loop) : 0;
        }
      else
        console_lost_ (c, n == -EPIPE ? "the other end closed it"
                                      : strerror ((int) -n));
    }
}

void
drain_tick_ (struct timer *t, void *arg)
{
  struct hub *hub = arg;
  struct console_list *notify = &hub->lists[LIST_NOTIFY];
  struct console *c;
  unsigned n = 0;

  sweep (hub);
  if (notify->first)
    hub->told_ms = loop_now (hub->loop);
  /* A callback may bring any console to the list again, and may free any
   * tap: always the first, and at most once round. */
  while (n++ < HUB_MAX_CONSOLES && (c = notify->first))
    {
      list_del_ (c, LIST_NOTIFY);
      taps_tell_ (c);
    }
  if (n > 1 && hub->after_tick)
    hub->after_tick (hub->after_arg);
  if (hub->lists[LIST_SWEEP].first || notify->first)
    timer_in (t, hub->limits.sweep_ms);
}

/* ---- logs: nothing tells us when a file grows ---- */

static void
tail_one (struct console *c, void *arg)
{
  bool *any = arg;

  if (c->phase != PHASE_UP || c->def.kind != CONSOLE_LOG)
    return;
  *any = true;
  (void) drain_ (c, TAIL_BUDGET);
}

void
drain_tail_ (struct timer *t, void *arg)
{
  struct hub *hub = arg;
  bool any = false;

  hub_walk_ (hub, tail_one, &any);
  if (any)
    timer_in (t, HUB_TAIL_MS);
}

/* ---- beginning and ending ---- */

int
drain_start_ (struct console *c, struct error *err)
{
  if (c->ops->start)
    return c->ops->start (c, err);
  return loop_watch (c->hub->loop, "console", c->link.fd, LOOP_READ, readable,
                     c, &c->watch, err);
}

void
drain_stop_ (struct console *c)
{
  list_del_ (c, LIST_SWEEP);
  watch_free (c->watch);
  watch_free (c->extra_watch);
  c->watch = NULL;
  c->extra_watch = NULL;
}
