/* SPDX-License-Identifier: Apache-2.0
 *
 * Taps: reading along, from any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "transports/console/hub_impl.h"

/* ---- the loop's side ---- */

/* Picks the next tap that was not told in this round: the list may change
 * while one is told, so each time from its start. */
static struct tap *
next_untold (struct console *c, uint64_t round)
{
  struct tap *t = c->taps;

  while (t && (!t->on_data || t->told == round))
    t = t->next;
  if (t)
    t->told = round;
  c->hub->telling = t;
  return t;
}

void
taps_tell_ (struct console *c)
{
  struct hub *hub = c->hub;
  uint64_t round = ++hub->tell_round;
  struct tap *t;

  /* A callback may free the last thing that holds the console. */
  pthread_mutex_lock (&hub->lock);
  c->refs++;
  while ((t = next_untold (c, round)))
    {
      pthread_mutex_unlock (&hub->lock);
      t->on_data (t, t->arg);
      pthread_mutex_lock (&hub->lock);
      /* Somebody may wait to free it. */
      hub->telling = NULL;
      pthread_cond_broadcast (&hub->told);
    }
  pthread_mutex_unlock (&hub->lock);
  console_unref_ (c);
}

/* ---- any thread ---- */

struct tap *
tap_add_locked_ (struct console *c, const char *name, enum tap_start start)
{
  struct tap *t = calloc (1, sizeof *t);

  if (!t)
    return NULL;
  t->console = c;
  t->active = (start & TAP_ACTIVE) != 0;
  t->follow = (start & TAP_FOLLOW) != 0;
  snprintf (t->name, sizeof t->name, "%s", name ? name : "");
  t->pos = (start & ~(TAP_ACTIVE | TAP_FOLLOW)) == TAP_KEPT
               ? ring_tail (c->ring)
               : ring_head (c->ring);
  atomic_init (&t->at, t->pos);
  atomic_store (&c->followed, 0);
  atomic_fetch_add (&c->followers, t->follow);
  t->kicks = ring_kicks (c->ring);
  if (t->active)
    {
      t->counted = true;
      if (c->active++ == 0)
        c->active_since = ring_head (c->ring);
    }
  c->refs++;
  t->next = c->taps;
  c->taps = t;
  return t;
}

void
ring_shrink_locked_ (struct console *c)
{
  struct hub *hub = c->hub;
  size_t small = hub->limits.ring_small, large = hub->limits.ring_large;

  if (!c->large || drain_lag_locked_ (c) > small
      || ring_resize (c->ring, small) < 0)
    return;
  c->large = false;
  hub->ring_bytes -= large - small;
}

void
tap_drop_locked_ (struct tap *tap)
{
  struct console *c = tap->console;
  struct tap **p = &c->taps;

  while (*p && *p != tap)
    p = &(*p)->next;
  if (*p)
    *p = tap->next;
  if (tap->on_data)
    atomic_fetch_sub (&c->ndata, 1);
  atomic_fetch_sub (&c->followers, tap->follow);
  if (tap->counted && --c->active == 0)
    {
      ring_shrink_locked_ (c);
      if (c->def.mode == CONSOLE_PROBE)
        (void) console_post_look_ (c);
    }
}

int
hub_tap (struct hub *hub, const char *uuid, const char *console,
         const char *name, enum tap_start start,
         void (*on_data) (struct tap *tap, void *arg), void *arg,
         struct tap **ret_tap, struct error *err)
{
  struct console *c;
  struct tap *t;
  LOCK_SCOPE (&hub->lock);

  c = console_find_locked_ (hub, uuid, console);
  if (!c)
    return error_set (err, ENOENT, "there is no console %s:%s", uuid,
                      console ? console : "");
  t = tap_add_locked_ (c, name, start);
  if (!t)
    return error_errno (err, ENOMEM, "reading along console %s", c->def.name);
  if (on_data)
    {
      t->on_data = on_data;
      t->arg = arg;
      atomic_fetch_add (&c->ndata, 1);
    }
  if (t->active && c->def.mode == CONSOLE_PROBE)
    (void) console_post_look_ (c);
  *ret_tap = t;
  return 0;
}

void
tap_free (struct tap *tap)
{
  struct console *c;
  struct hub *hub;

  if (!tap)
    return;
  c = tap->console;
  hub = c->hub;
  pthread_mutex_lock (&hub->lock);
  /* Not from under its running callback, unless it is the callback. */
  while (hub->telling == tap
         && !pthread_equal (pthread_self (), hub->loop_thread))
    pthread_cond_wait (&hub->told, &hub->lock);
  tap_drop_locked_ (tap);
  pthread_mutex_unlock (&hub->lock);
  free (tap);
  console_unref_ (c);
}

size_t
tap_read (struct tap *tap, void *dst, size_t n, uint64_t *ret_lost)
{
  size_t got = ring_read (tap->console->ring, &tap->pos, dst, n, ret_lost);

  atomic_store_explicit (&tap->at, tap->pos, memory_order_relaxed);
  if (got > 0)
    tap->last_ms = ring_time_of (tap->console->ring, tap->pos - 1);
  return got;
}

int
tap_wait (struct tap *tap, uint64_t deadline)
{
  return ring_wait_kicked (tap->console->ring, tap->pos, &tap->kicks,
                           deadline);
}

enum console_state
tap_state (struct tap *tap)
{
  LOCK_SCOPE (&tap->console->hub->lock);

  return tap->console->state;
}

uint64_t
tap_time_of_last (struct tap *tap)
{
  return tap->last_ms;
}

uint64_t
tap_at (struct tap *tap)
{
  return tap->pos;
}

uint64_t
tap_head (struct tap *tap)
{
  return ring_head (tap->console->ring);
}

unsigned
tap_typed (struct tap *tap, struct tap_span ret[TAP_SPANS])
{
  const struct console *c = tap->console;
  unsigned n = 0;
  LOCK_SCOPE (&tap->console->hub->lock);

  for (uint64_t i = c->ntyped > TAP_SPANS ? c->ntyped - TAP_SPANS : 0;
       i < c->ntyped; i++)
    ret[n++] = c->typed[i % TAP_SPANS];
  return n;
}

/* Where in the text that was read, which begins at `first`, things stand. */
static void
place_marks (struct tap *tap, uint64_t first, size_t before, size_t len,
             struct hub_kept *ret)
{
  struct ring_mark marks[RING_MARKS];
  struct tap_span typed[TAP_SPANS];
  unsigned n = ring_marks (tap->console->ring, first, marks);
  uint64_t end = first + len;

  for (unsigned i = 0; i < n && marks[i].pos < end; i++)
    ret->marks[ret->nmarks++]
        = (struct hub_mark){ before + (size_t) (marks[i].pos - first),
                             marks[i].ms };
  n = tap_typed (tap, typed);
  for (unsigned i = 0; i < n; i++)
    if (typed[i].to > first && typed[i].from < end)
      ret->typed[ret->ntyped++] = (struct tap_span){
        .from = before
                + (typed[i].from > first ? typed[i].from - first : 0),
        .to = before + (typed[i].to < end ? typed[i].to - first : len),
      };
}
_Static_assert (HUB_MARKS == RING_MARKS, "each mark has its place");

int
hub_kept (struct hub *hub, const char *uuid, const char *console,
          struct buf *out, struct hub_kept *ret, struct error *err)
{
  struct hub_kept all = { .lost = 0 };
  struct tap *tap;
  char chunk[4096];
  uint64_t lost;
  size_t n, before = out->len, read = 0;
  int r = hub_tap (hub, uuid, console, "what is kept", TAP_KEPT, NULL, NULL,
                   &tap, err);

  if (r < 0)
    return r;
  /* A guest that floods its console fills this faster than it is read: the
   * bound, not the end of the text, ends it. */
  while (!out->cut && (n = tap_read (tap, chunk, sizeof chunk, &lost)) > 0)
    {
      all.lost += lost;
      buf_append (out, chunk, n);
      read += n;
    }
  if (!all.lost)
    place_marks (tap, tap->pos - read, before, out->len - before, &all);
  all.state = tap_state (tap);
  all.last_ms = tap_time_of_last (tap);
  tap_free (tap);
  if (ret)
    *ret = all;
  return 0;
}

size_t
tap_peek_ (struct tap *tap, void *dst, size_t n)
{
  struct console *c = tap->console;
  struct ring *r = c->ring;
  uint64_t pos, head = ring_head (r), from;

  {
    LOCK_SCOPE (&c->hub->lock);
    from = c->connected_at;
  }
  pos = head > n ? head - n : 0;
  if (pos < from)
    pos = from;
  return ring_read (r, &pos, dst, n, NULL);
}
