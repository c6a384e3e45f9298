/* SPDX-License-Identifier: Apache-2.0
 *
 * The watches of the event loop.
 *
 * epoll takes an fd once, but several watches may want it: each fd has a slot
 * with a list of watches, and the kernel is told the union of their masks.
 * Owners close fds before they free watches, and numbers are used again:
 * every registration has a mark of its own, so that an event finds only the
 * watches it was meant for.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop_impl.h"

static uint32_t
wanted_mask (const struct slot *s)
{
  uint32_t mask = 0;

  for (const struct watch *w = s->first; w; w = w->next)
    {
      if (w->dead)
        continue;
      if (w->events & LOOP_READ)
        mask |= EPOLLIN;
      if (w->events & LOOP_WRITE)
        mask |= EPOLLOUT;
    }
  return mask;
}

/* Only if all of its watches are, and nothing has ended. */
static bool
wanted_patient (const struct slot *s)
{
  bool patient = false;

  if (s->ended)
    return false;
  for (const struct watch *w = s->first; w; w = w->next)
    {
      if (w->dead)
        continue;
      if (!w->patient)
        return false;
      patient = true;
    }
  return patient;
}

static int
set_of (const struct loop *loop, const struct slot *s)
{
  return s->patient ? loop->patient_fd : loop->epfd;
}

/* The patient are told of what comes, not of what is there: else each of them
 * would be asked a second time, only to find that it has nothing more. */
#define PATIENT_ENDS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)

static uint32_t
told_mask (const struct slot *s, uint32_t mask)
{
  return s->patient ? mask | EPOLLET | EPOLLRDHUP : mask;
}

static int
slot_add (struct loop *loop, int fd, uint32_t mask)
{
  struct slot *s = &loop->slots[fd];
  struct epoll_event ev = { 0 };

  s->gen = ++loop->gen;
  s->changed = loop->round;
  s->mask = 0;
  s->patient = wanted_patient (s);
  ev.events = told_mask (s, mask);
  ev.data.u64 = (uint64_t) s->gen << 32 | (uint32_t) fd;
  if (epoll_ctl (set_of (loop, s), EPOLL_CTL_ADD, fd, &ev) < 0)
    return -errno;
  s->mask = mask;
  return 0;
}

/* Fails when the fd was closed already; a copy of it in another process may
 * then still report here: loop_rebuild_(). */
static void
slot_del (struct loop *loop, int fd)
{
  struct slot *s = &loop->slots[fd];
  struct epoll_event ev = { 0 };

  (void) epoll_ctl (set_of (loop, s), EPOLL_CTL_DEL, fd, &ev);
  s->gen = ++loop->gen;
  s->changed = loop->round;
  s->mask = 0;
}

/* Tells the kernel what the watches of this fd want.  A mask of 0 leaves the
 * set: there epoll would still report HUP, round after round. */
static int
slot_update (struct loop *loop, int fd)
{
  struct slot *s = &loop->slots[fd];
  uint32_t mask = wanted_mask (s);
  struct epoll_event ev = { .events = told_mask (s, mask) };

  if (s->mask && (mask == 0 || s->patient != wanted_patient (s)))
    slot_del (loop, fd);
  if (mask == s->mask)
    return 0;
  if (s->mask == 0)
    return slot_add (loop, fd, mask);
  ev.data.u64 = (uint64_t) s->gen << 32 | (uint32_t) fd;
  if (epoll_ctl (set_of (loop, s), EPOLL_CTL_MOD, fd, &ev) == 0)
    {
      s->mask = mask;
      return 0;
    }
  return errno == ENOENT ? slot_add (loop, fd, mask) : -errno;
}

/* If the kernel does not know this fd any more although watches sit there,
 * they belong to a file that was closed without watch_free(): they must
 * neither see nor disturb the next file with that number. */
static void
slot_drop_stale (struct loop *loop, int fd)
{
  struct slot *s = &loop->slots[fd];
  struct epoll_event ev = { .events = told_mask (s, s->mask) };
  struct watch *w;

  if (s->mask == 0)
    return;
  ev.data.u64 = (uint64_t) s->gen << 32 | (uint32_t) fd;
  if (epoll_ctl (set_of (loop, s), EPOLL_CTL_MOD, fd, &ev) == 0
      || (errno != ENOENT && errno != EBADF))
    return;
  for (w = s->first; w; w = w->next)
    w->lost = true;
  /* A round that walks this list stops at `lost`; the links stay until the
   * round is over. */
  if (s->first)
    {
      for (w = s->first; w->next; w = w->next)
        ;
      w->next = loop->lost;
      loop->lost = s->first;
      s->first = NULL;
    }
  s->mask = 0;
  s->gen = ++loop->gen;
  s->changed = loop->round;
}

static int
reserve_slot (struct loop *loop, int fd)
{
  size_t n = loop->nslots ? loop->nslots : 64;
  struct slot *slots;

  if ((size_t) fd < loop->nslots)
    return 0;
  while (n <= (size_t) fd)
    n *= 2;
  slots = realloc (loop->slots, n * sizeof *slots);
  if (!slots)
    return -ENOMEM;
  memset (slots + loop->nslots, 0, (n - loop->nslots) * sizeof *slots);
  loop->slots = slots;
  loop->nslots = n;
  return 0;
}

/* watch_free() cannot fail, so its place among the dirty is made here. */
static int
reserve_dirty (struct loop *loop)
{
  size_t cap;
  int *dirty;

  if (loop->nwatches < loop->dirty_cap)
    return 0;
  cap = loop->dirty_cap ? 2 * loop->dirty_cap : 64;
  dirty = realloc (loop->dirty, cap * sizeof *dirty);
  if (!dirty)
    return -ENOMEM;
  loop->dirty = dirty;
  loop->dirty_cap = cap;
  return 0;
}

int
loop_watch (struct loop *loop, const char *name, int fd, unsigned events,
            loop_watch_fn *fn, void *arg, struct watch **ret_watch,
            struct error *err)
{
  CLEANUP_FREE struct watch *w = NULL;
  struct slot *s;
  int r;

  /* epoll would only say so when the mask is not empty. */
  if (fd < 0 || fcntl (fd, F_GETFD) < 0)
    return error_errno (err, EBADF, "watching %s (fd %d)", name, fd);
  w = calloc (1, sizeof *w);
  if (!w || reserve_slot (loop, fd) < 0 || reserve_dirty (loop) < 0)
    return error_errno (err, ENOMEM, "watching %s", name);
  w->loop = loop;
  loop_set_name_ (w->name, name);
  w->fd = fd;
  w->events = events;
  w->fn = fn;
  w->arg = arg;

  slot_drop_stale (loop, fd);
  s = &loop->slots[fd];
  if (!s->first)
    s->ended = false;
  w->next = s->first;
  s->first = w;
  r = slot_update (loop, fd);
  if (r < 0)
    {
      s->first = w->next;
      return error_errno (err, -r, "watching %s (fd %d)", name, fd);
    }
  loop->nwatches++;
  *ret_watch = steal_ptr (&w);
  return 0;
}

void
watch_set (struct watch *w, unsigned events)
{
  if (w->dead || w->events == events)
    return;
  w->events = events;
  if (!w->lost)
    (void) slot_update (w->loop, w->fd);
}

void
watch_patient (struct watch *w, bool patient)
{
  if (w->dead || w->patient == patient)
    return;
  w->patient = patient;
  if (!w->lost)
    (void) slot_update (w->loop, w->fd);
}

/* Unlinks and frees the dead of one list. */
static void
reap_list (struct loop *loop, struct watch **list)
{
  struct watch *w;

  while ((w = *list))
    {
      if (w->dead)
        {
          *list = w->next;
          loop->nwatches--;
          free (w);
        }
      else
        list = &w->next;
    }
}

void
loop_reap_watches_ (struct loop *loop)
{
  if (loop->ndirty == 0)
    return;
  for (size_t i = 0; i < loop->ndirty; i++)
    if (loop->dirty[i] >= 0)
      {
        struct slot *s = &loop->slots[loop->dirty[i]];

        s->has_dead = false;
        reap_list (loop, &s->first);
      }
  /* Always: a watch that died in its slot may have been moved here since. */
  reap_list (loop, &loop->lost);
  loop->ndirty = 0;
}

void
watch_free (struct watch *w)
{
  struct loop *loop;

  if (!w || w->dead)
    return;
  loop = w->loop;
  w->dead = true;
  if (w->lost)
    loop->dirty[loop->ndirty++] = -1;
  else
    {
      (void) slot_update (loop, w->fd);
      if (!loop->slots[w->fd].has_dead)
        loop->dirty[loop->ndirty++] = w->fd;
      loop->slots[w->fd].has_dead = true;
    }
  if (!loop->in_round)
    loop_reap_ (loop);
}

int
loop_new_sets_ (struct loop *loop, int *ret_epfd, int *ret_patient_fd)
{
  CLEANUP_CLOSE int epfd = epoll_create1 (EPOLL_CLOEXEC);
  CLEANUP_CLOSE int patient_fd = epoll_create1 (EPOLL_CLOEXEC);
  struct epoll_event wake = { .events = EPOLLIN, .data.u64 = WAKE_MARK };
  struct epoll_event patient = { .events = EPOLLIN,
                                 .data.u64 = PATIENT_MARK };

  if (epfd < 0 || patient_fd < 0
      || epoll_ctl (epfd, EPOLL_CTL_ADD, loop->wake_fd, &wake) < 0
      || epoll_ctl (epfd, EPOLL_CTL_ADD, patient_fd, &patient) < 0)
    return -errno;
  *ret_epfd = steal_fd (&epfd);
  *ret_patient_fd = steal_fd (&patient_fd);
  return 0;
}

/* For an event whose mark is not the present one, though nothing was
 * registered since the kernel was asked: its fd was closed here, but the file
 * lives on in a copy (another process, dup) and stays in the epoll set, out
 * of reach of EPOLL_CTL_DEL.  Only a new set gets rid of it. */
void
loop_rebuild_ (struct loop *loop)
{
  int epfd, patient_fd;

  if (loop_new_sets_ (loop, &epfd, &patient_fd) < 0)
    return; /* the next round tries again */
  /* While the old set can still tell which watches have lost their file. */
  for (size_t fd = 0; fd < loop->nslots; fd++)
    slot_drop_stale (loop, (int) fd);
  close (loop->epfd);
  close (loop->patient_fd);
  loop->epfd = epfd;
  loop->patient_fd = patient_fd;
  loop->rebuild = false;
  for (size_t fd = 0; fd < loop->nslots; fd++)
    if (loop->slots[fd].first)
      {
        loop->slots[fd].mask = 0;
        (void) slot_update (loop, (int) fd);
      }
}

void
loop_free_watches_ (struct loop *loop)
{
  struct watch *w;

  for (size_t fd = 0; fd < loop->nslots; fd++)
    while ((w = loop->slots[fd].first))
      {
        loop->slots[fd].first = w->next;
        free (w);
      }
  while ((w = loop->lost))
    {
      loop->lost = w->next;
      free (w);
    }
  free (loop->slots);
  free (loop->dirty);
}

void
loop_dispatch_ (struct loop *loop, const struct epoll_event *ev,
                uint64_t *since)
{
  int fd = (int) (ev->data.u64 & UINT32_MAX);
  uint32_t gen = (uint32_t) (ev->data.u64 >> 32);
  struct slot *s = &loop->slots[fd];
  struct watch *w, *next;
  unsigned got = 0, give;

  if (gen != s->gen)
    {
      if (s->changed != loop->round)
        loop->rebuild = true;
      return;
    }
  if (ev->events & EPOLLIN)
    got |= LOOP_READ;
  if (ev->events & EPOLLOUT)
    got |= LOOP_WRITE;
  if (ev->events & (EPOLLHUP | EPOLLERR))
    got |= LOOP_HANGUP;
  for (w = s->first; w && !w->lost; w = next)
    {
      /* What was asked for may have changed a moment ago. */
      give = got & (w->events | LOOP_HANGUP);
      if (!w->dead && w->events && give)
        {
          w->fn (w, fd, give, w->arg);
          loop_note_time_ (loop, w->name, since);
        }
      next = w->next;
    }
}

/* ---- the patient ---- */

/* A wake-up costs more than what is then done for a line of text: with a
 * thousand consoles that say a line a second it would be all this process
 * does.  So many a second, and a few in a row, are had at once; beyond that
 * the set is looked at by a tick, until a tick finds nothing. */
#define WAKES_PER_SECOND (1000 / LOOP_PATIENCE_MS)
#define WAKES_IN_A_ROW 20

static void
mute_patient (struct loop *loop, bool mute)
{
  struct epoll_event ev = { .events = mute ? 0 : EPOLLIN,
                            .data.u64 = PATIENT_MARK };

  (void) epoll_ctl (loop->epfd, EPOLL_CTL_MOD, loop->patient_fd, &ev);
}

/* An end lasts, and is told as long as it does: by the other set. */
static void
end_patience (struct loop *loop, const struct epoll_event *ev)
{
  int fd = (int) (ev->data.u64 & UINT32_MAX);
  struct slot *s = &loop->slots[fd];

  if ((uint32_t) (ev->data.u64 >> 32) != s->gen)
    return;
  s->ended = true;
  (void) slot_update (loop, fd);
}

static int
take_patient (struct loop *loop, uint64_t *since)
{
  int n = epoll_wait (loop->patient_fd, loop->patient_events,
                      EVENTS_PER_ROUND, 0);

  for (int i = 0; i < n; i++)
    {
      const struct epoll_event *ev = &loop->patient_events[i];

      loop_dispatch_ (loop, ev, since);
      if (ev->events & PATIENT_ENDS)
        end_patience (loop, ev);
    }
  return n;
}

static void
patient_due (struct timer *t, void *arg)
{
  struct loop *loop = arg;
  uint64_t since = clock_ms ();

  if (take_patient (loop, &since) > 0)
    timer_in (t, LOOP_PATIENCE_MS);
  else
    mute_patient (loop, false);
}

/* Whether this wake-up was one too many. */
static bool
wakes_spent (struct loop *loop)
{
  uint64_t more = (loop->now - loop->wakes_ms) * WAKES_PER_SECOND / 1000;

  if (more > 0)
    {
      loop->wakes_ms = loop->now;
      loop->wakes = more < WAKES_IN_A_ROW - loop->wakes
                        ? loop->wakes + (unsigned) more
                        : WAKES_IN_A_ROW;
    }
  if (loop->wakes == 0)
    return true;
  loop->wakes--;
  return false;
}

void
loop_patient_ (struct loop *loop, uint64_t *since)
{
  (void) take_patient (loop, since);
  /* Whoever turns the clock's hands waits for descriptors in real time. */
  if (loop->fake || !wakes_spent (loop))
    return;
  if (!loop->tick
      && loop_timer (loop, "patient", patient_due, loop, &loop->tick, NULL)
             < 0)
    return;
  mute_patient (loop, true);
  timer_in (loop->tick, LOOP_PATIENCE_MS);
}
