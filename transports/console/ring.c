/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring of a console's newest bytes.  See ring.h for its contract.
 *
 * Byte number p lives at data[p % size]; head and tail only ever grow.
 */
#include "transports/console/ring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

struct ring
{
  pthread_mutex_t m; /* the innermost lock: nothing is called under it */
  pthread_cond_t cond;
  unsigned waiters; /* an append with nobody waiting costs no wake-up */
  uint64_t kicks;

  char *data;
  size_t size;
  uint64_t head, tail;
  uint64_t last_ms;

  struct ring_mark marks[RING_MARKS]; /* of each its append's first byte */
  uint64_t nmarks; /* ever made; the last RING_MARKS are kept */
};

int
ring_new (size_t size, struct ring **ret_ring, struct error *err)
{
  CLEANUP_FREE struct ring *r = calloc (1, sizeof *r);
  pthread_condattr_t attr;

  if (size == 0)
    return error_set (err, EINVAL, "a ring needs room for one byte");
  /* Not cleared: a quiet console's pages are never touched. */
  if (!r || !(r->data = malloc (size)))
    return error_errno (err, ENOMEM, "making a ring of %zu bytes", size);
  r->size = size;
  pthread_mutex_init (&r->m, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&r->cond, &attr);
  pthread_condattr_destroy (&attr);
  *ret_ring = steal_ptr (&r);
  return 0;
}

void
ring_free (struct ring *r)
{
  if (!r)
    return;
  pthread_cond_destroy (&r->cond);
  pthread_mutex_destroy (&r->m);
  free (r->data);
  free (r);
}

/* ---- copying in and out; the lock is held ---- */

static void
copy_in (char *data, size_t size, uint64_t pos, const char *src, size_t len)
{
  size_t at = (size_t) (pos % size);
  size_t first = len < size - at ? len : size - at;

  memcpy (data + at, src, first);
  memcpy (data, src + first, len - first);
}

static void
copy_out (const struct ring *r, uint64_t pos, char *dst, size_t len)
{
  size_t at = (size_t) (pos % r->size);
  size_t first = len < r->size - at ? len : r->size - at;

  memcpy (dst, r->data + at, first);
  memcpy (dst + first, r->data, len - first);
}

static void
mark (struct ring *r, uint64_t now_ms)
{
  struct ring_mark *last = &r->marks[(r->nmarks + RING_MARKS - 1) % RING_MARKS];

  /* Appends of one millisecond share a mark, so that a flood does not push
   * out the times of all that came before it. */
  if (r->nmarks > 0 && last->ms == now_ms)
    return;
  r->marks[r->nmarks++ % RING_MARKS]
      = (struct ring_mark){ .pos = r->head, .ms = now_ms };
}

void
ring_append (struct ring *r, const void *data, size_t len, uint64_t now_ms)
{
  const char *src = data;
  LOCK_SCOPE (&r->m);

  if (len == 0)
    return;
  mark (r, now_ms);
  r->last_ms = now_ms;
  if (len > r->size)
    {
      r->head += len - r->size;
      src += len - r->size;
      len = r->size;
    }
  copy_in (r->data, r->size, r->head, src, len);
  r->head += len;
  if (r->head - r->tail > r->size)
    r->tail = r->head - r->size;
  if (r->waiters > 0)
    pthread_cond_broadcast (&r->cond);
}

int
ring_resize (struct ring *r, size_t size)
{
  CLEANUP_FREE char *data = size ? malloc (size) : NULL;
  size_t keep, at;
  char *old;

  if (!data)
    return -ENOMEM;
  {
    LOCK_SCOPE (&r->m);
    keep = (size_t) (r->head - r->tail);
    if (keep > size)
      keep = size;
    r->tail = r->head - keep;
    /* The kept part may wrap in the old buffer: in two pieces. */
    at = (size_t) (r->tail % r->size);
    if (at + keep <= r->size)
      copy_in (data, size, r->tail, r->data + at, keep);
    else
      {
        copy_in (data, size, r->tail, r->data + at, r->size - at);
        copy_in (data, size, r->tail + (r->size - at), r->data,
                 keep - (r->size - at));
      }
    old = r->data;
    r->data = data;
    r->size = size;
    data = old;
  }
  return 0;
}

size_t
ring_read (struct ring *r, uint64_t *pos, void *dst, size_t n,
           uint64_t *ret_lost)
{
  LOCK_SCOPE (&r->m);
  uint64_t lost = 0;

  if (*pos < r->tail)
    {
      lost = r->tail - *pos;
      *pos = r->tail;
    }
  if (*pos > r->head) /* a position of another ring: nothing is there */
    n = 0;
  else if (n > r->head - *pos)
    n = (size_t) (r->head - *pos);
  if (n > 0)
    {
      copy_out (r, *pos, dst, n);
      *pos += n;
    }
  if (ret_lost)
    *ret_lost = lost;
  return n;
}

uint64_t
ring_head (struct ring *r)
{
  LOCK_SCOPE (&r->m);
  return r->head;
}

uint64_t
ring_tail (struct ring *r)
{
  LOCK_SCOPE (&r->m);
  return r->tail;
}

uint64_t
ring_last_ms (struct ring *r)
{
  LOCK_SCOPE (&r->m);
  return r->last_ms;
}

size_t
ring_size (struct ring *r)
{
  LOCK_SCOPE (&r->m);
  return r->size;
}

uint64_t
ring_time_of (struct ring *r, uint64_t pos)
{
  LOCK_SCOPE (&r->m);
  uint64_t kept = r->nmarks < RING_MARKS ? r->nmarks : RING_MARKS;
  uint64_t ms = 0;

  /* The newest mark at or before pos; older than all marks: the oldest. */
  for (uint64_t i = 1; i <= kept; i++)
    {
      const struct ring_mark *m = &r->marks[(r->nmarks - i) % RING_MARKS];

      ms = m->ms;
      if (m->pos <= pos)
        break;
    }
  return ms;
}

unsigned
ring_marks (struct ring *r, uint64_t from, struct ring_mark ret[RING_MARKS])
{
  LOCK_SCOPE (&r->m);
  uint64_t i = r->nmarks < RING_MARKS ? 0 : r->nmarks - RING_MARKS;
  unsigned n = 0;

  for (; i < r->nmarks; i++)
    {
      struct ring_mark m = r->marks[i % RING_MARKS];

      if (m.pos <= from)
        {
          m.pos = from;
          n = 0;
        }
      if (m.pos < r->head)
        ret[n++] = m;
    }
  return n;
}

/* ---- waiting ---- */

static struct timespec
to_timespec (uint64_t ms)
{
  return (struct timespec){ .tv_sec = (time_t) (ms / 1000),
                            .tv_nsec = (long) (ms % 1000) * 1000000 };
}

int
ring_wait_kicked (struct ring *r, uint64_t pos, uint64_t *kicks,
                  uint64_t deadline)
{
  struct timespec until;
  int result = 0;
  LOCK_SCOPE (&r->m);

  /* Beyond what time_t arithmetic likes, an absolute time is just "never". */
  until = to_timespec (deadline > INT64_MAX / 2 ? INT64_MAX / 2 : deadline);
  r->waiters++;
  while (r->head <= pos && r->kicks == *kicks)
    if (pthread_cond_timedwait (&r->cond, &r->m, &until) == ETIMEDOUT
        && r->head <= pos && r->kicks == *kicks)
      {
        result = -ETIMEDOUT;
        break;
      }
  r->waiters--;
  if (r->kicks != *kicks)
    {
      *kicks = r->kicks;
      result = -ECANCELED;
    }
  return result;
}

int
ring_wait (struct ring *r, uint64_t pos, uint64_t deadline)
{
  uint64_t kicks = ring_kicks (r);

  return ring_wait_kicked (r, pos, &kicks, deadline);
}

void
ring_kick (struct ring *r)
{
  LOCK_SCOPE (&r->m);

  r->kicks++;
  pthread_cond_broadcast (&r->cond);
}

uint64_t
ring_kicks (struct ring *r)
{
  LOCK_SCOPE (&r->m);
  return r->kicks;
}
