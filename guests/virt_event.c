/* SPDX-License-Identifier: Apache-2.0
 *
 * Our loop as libvirt's event implementation.
 *
 * libvirt calls the six functions from any thread: a job inside an RPC reads
 * the socket for everybody and arms other streams' timers.  So they only
 * write down what is wanted, under a lock, and one posted call brings the
 * loop up to it.  The loop's watches and timers are touched by its own thread
 * alone, and libvirt's free callbacks run from there too, never inside a
 * remove: libvirt may hold a lock that they want.
 *
 * There is one of these per process, because libvirt hands no pointer of ours
 * back: the one static of this room.
 */
#include "guests/virt_event.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"

#include <libvirt/libvirt.h>
#include <limits.h>
#include <string.h>

#define MAX_ITEMS 65536

struct item
{
  int id;
  int fd;     /* -1: a timer */
  int wanted; /* libvirt's events, or the timer's frequency */
  bool removed, dirty;
  virEventHandleCallback on_handle;
  virEventTimeoutCallback on_timeout;
  void *opaque;
  virFreeCallback free_opaque;
  struct item *next_dirty;
  /* The loop's thread only. */
  struct watch *watch;
  struct timer *timer;
};

static struct
{
  pthread_mutex_t m;
  struct loop *loop;   /* NULL: not registered, or done */
  struct item **items; /* by id - 1 */
  int nitems, first_free;
  struct item *dirty;
  bool posted;
} ev = { .m = PTHREAD_MUTEX_INITIALIZER };

static void apply (void *unused);

/* ---- any thread; ev.m is held ---- */

static void
touch (struct item *it)
{
  if (!it->dirty)
    {
      it->dirty = true;
      it->next_dirty = ev.dirty;
      ev.dirty = it;
    }
  /* Without memory the next change of anything posts it. */
  if (!ev.posted && ev.loop)
    ev.posted = loop_post (ev.loop, apply, NULL, NULL) == 0;
}

static struct item *
find (int id)
{
  struct item *it = id > 0 && id <= ev.nitems ? ev.items[id - 1] : NULL;

  return it && !it->removed ? it : NULL;
}

static int
grow (void)
{
  int n = ev.nitems ? 2 * ev.nitems : 64;
  struct item **items;

  if (n > MAX_ITEMS)
    return -1;
  items = realloc (ev.items, (size_t) n * sizeof *items);
  if (!items)
    return -1;
  memset (items + ev.nitems, 0, (size_t) (n - ev.nitems) * sizeof *items);
  ev.items = items;
  ev.nitems = n;
  return 0;
}

static int
add (const struct item *like)
{
  struct item *it;
  int i;

  LOCK_SCOPE (&ev.m);
  if (!ev.loop)
    return -1;
  for (i = ev.first_free; i < ev.nitems && ev.items[i]; i++)
    ;
  if (i == ev.nitems && grow () < 0)
    return -1;
  it = malloc (sizeof *it);
  if (!it)
    return -1;
  *it = *like;
  it->id = i + 1;
  ev.items[i] = it;
  ev.first_free = i + 1;
  touch (it);
  return it->id;
}

static void
set (int id, int wanted)
{
  struct item *it;

  LOCK_SCOPE (&ev.m);
  it = find (id);
  if (!it)
    return;
  it->wanted = wanted;
  touch (it);
}

static int
drop (int id)
{
  struct item *it;

  LOCK_SCOPE (&ev.m);
  it = find (id);
  if (!it)
    return -1;
  it->removed = true;
  touch (it);
  return 0;
}

/* ---- what libvirt calls ---- */

static int
add_handle (int fd, int event, virEventHandleCallback cb, void *opaque,
            virFreeCallback ff)
{
  return add (&(struct item){ .fd = fd,
                              .wanted = event,
                              .on_handle = cb,
                              .opaque = opaque,
                              .free_opaque = ff });
}

static void
update_handle (int watch, int event)
{
  set (watch, event);
}

static int
remove_handle (int watch)
{
  return drop (watch);
}

static int
add_timeout (int timeout, virEventTimeoutCallback cb, void *opaque,
             virFreeCallback ff)
{
  return add (&(struct item){ .fd = -1,
                              .wanted = timeout,
                              .on_timeout = cb,
                              .opaque = opaque,
                              .free_opaque = ff });
}

static void
update_timeout (int timer, int timeout)
{
  set (timer, timeout);
}

static int
remove_timeout (int timer)
{
  return drop (timer);
}

/* ---- the loop's thread ---- */

static void
on_watch (struct watch *w, int fd, unsigned events, void *arg)
{
  struct item *it = arg;
  int wanted = 0, got = 0;

  {
    LOCK_SCOPE (&ev.m);
    if (it->removed)
      return;
    /* What it wanted a moment ago may not be what it wants now. */
    wanted = it->wanted;
  }
  if ((events & LOOP_READ) && (wanted & VIR_EVENT_HANDLE_READABLE))
    got |= VIR_EVENT_HANDLE_READABLE;
  if ((events & LOOP_WRITE) && (wanted & VIR_EVENT_HANDLE_WRITABLE))
    got |= VIR_EVENT_HANDLE_WRITABLE;
  if (events & LOOP_HANGUP)
    got |= VIR_EVENT_HANDLE_HANGUP | VIR_EVENT_HANDLE_ERROR;
  if (got)
    it->on_handle (it->id, fd, got, it->opaque);
}

static void
on_timer (struct timer *t, void *arg)
{
  struct item *it = arg;

  {
    LOCK_SCOPE (&ev.m);
    if (it->removed || it->wanted < 0)
      return;
    timer_in (t, (uint64_t) it->wanted);
  }
  it->on_timeout (it->id, it->opaque);
}

static unsigned
to_loop_events (int wanted)
{
  unsigned events = 0;

  if (wanted & VIR_EVENT_HANDLE_READABLE)
    events |= LOOP_READ;
  if (wanted & VIR_EVENT_HANDLE_WRITABLE)
    events |= LOOP_WRITE;
  return events;
}

/* Without memory it is tried again with the item's next change. */
static void
apply_one (struct loop *loop, struct item *it, int wanted)
{
  if (it->fd >= 0 && it->watch)
    watch_set (it->watch, to_loop_events (wanted));
  else if (it->fd >= 0)
    loop_watch (loop, "libvirt", it->fd, to_loop_events (wanted), on_watch, it,
                &it->watch, NULL);
  else if (it->timer
           || loop_timer (loop, "libvirt", on_timer, it, &it->timer, NULL) == 0)
    {
      if (wanted >= 0)
        timer_in (it->timer, (uint64_t) wanted);
      else
        timer_stop (it->timer);
    }
}

static void
free_one (struct item *it)
{
  watch_free (it->watch);
  timer_free (it->timer);
  {
    LOCK_SCOPE (&ev.m);
    ev.items[it->id - 1] = NULL;
    if (it->id - 1 < ev.first_free)
      ev.first_free = it->id - 1;
  }
  if (it->free_opaque)
    it->free_opaque (it->opaque);
  free (it);
}

static void
apply (void *unused)
{
  struct loop *loop;
  struct item *list;

  {
    LOCK_SCOPE (&ev.m);
    list = ev.dirty;
    ev.dirty = NULL;
    ev.posted = false;
    loop = ev.loop;
  }
  while (list)
    {
      struct item *it = list;
      bool removed;
      int wanted;

      {
        LOCK_SCOPE (&ev.m);
        list = it->next_dirty;
        it->dirty = false;
        removed = it->removed;
        wanted = it->wanted;
      }
      if (removed)
        free_one (it);
      else if (loop)
        apply_one (loop, it, wanted);
    }
}

int
virt_event_register (struct loop *loop, struct error *err)
{
  {
    LOCK_SCOPE (&ev.m);
    if (ev.loop)
      return error_set (err, EALREADY, "libvirt has its event loop already");
    ev.loop = loop;
  }
  /* libvirt keeps the first for ever: a second call changes nothing. */
  virEventRegisterImpl (add_handle, update_handle, remove_handle, add_timeout,
                        update_timeout, remove_timeout);
  return 0;
}

void
virt_event_done (void)
{
  /* A free callback may remove others. */
  for (unsigned i = 0; i < 16; i++)
    apply (NULL);
  {
    LOCK_SCOPE (&ev.m);
    ev.loop = NULL;
  }
  /* What libvirt never took back must not reach into a loop that is gone. */
  for (int i = 0; i < ev.nitems; i++)
    if (ev.items[i])
      {
        watch_free (steal_ptr (&ev.items[i]->watch));
        timer_free (steal_ptr (&ev.items[i]->timer));
      }
}
