/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane: one thread and its queue.
 */
#include "supervisor/writer/lane.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct work
{
  lane_fn *fn, *drop;
  void *arg;
  struct work *next;
};

struct lane
{
  pthread_t thread;
  pthread_mutex_t lock; /* everything below */
  pthread_cond_t more;
  struct work *first, **end;
  size_t waiting;
  uint64_t busy_since; /* clock_ms(), 0 = idle */
  bool stop;
};

static void *
run (void *arg)
{
  struct lane *l = arg;

  pthread_mutex_lock (&l->lock);
  for (;;)
    {
      struct work *w;

      while (l->first == NULL && !l->stop)
        pthread_cond_wait (&l->more, &l->lock);
      if (l->stop)
        break;
      w = l->first;
      l->first = w->next;
      if (l->first == NULL)
        l->end = &l->first;
      l->waiting--;
      l->busy_since = clock_ms ();
      pthread_mutex_unlock (&l->lock);
      w->fn (w->arg);
      free (w);
      pthread_mutex_lock (&l->lock);
      l->busy_since = 0;
    }
  pthread_mutex_unlock (&l->lock);
  return NULL;
}

int
lane_new (const char *name, struct lane **ret, struct error *err)
{
  struct lane *l = calloc (1, sizeof *l);
  sigset_t all, old;
  int r;

  if (l == NULL)
    return error_set (err, ENOMEM, "no memory for a thread");
  pthread_mutex_init (&l->lock, NULL);
  pthread_cond_init (&l->more, NULL);
  l->end = &l->first;
  /* Signals belong to the loop's thread. */
  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, &old);
  r = pthread_create (&l->thread, NULL, run, l);
  pthread_sigmask (SIG_SETMASK, &old, NULL);
  if (r != 0)
    {
      pthread_cond_destroy (&l->more);
      pthread_mutex_destroy (&l->lock);
      free (l);
      return error_errno (err, r, "starting the %s thread", name);
    }
  pthread_setname_np (l->thread, name);
  *ret = l;
  return 0;
}

void
lane_free (struct lane *l)
{
  if (l == NULL)
    return;
  pthread_mutex_lock (&l->lock);
  l->stop = true;
  pthread_cond_signal (&l->more);
  pthread_mutex_unlock (&l->lock);
  pthread_join (l->thread, NULL);
  while (l->first)
    {
      struct work *w = l->first;

      l->first = w->next;
      if (w->drop)
        w->drop (w->arg);
      free (w);
    }
  pthread_cond_destroy (&l->more);
  pthread_mutex_destroy (&l->lock);
  free (l);
}

int
lane_add (struct lane *l, size_t max, lane_fn *fn, void *arg, lane_fn *drop)
{
  struct work *w = malloc (sizeof *w);

  if (w == NULL)
    return -ENOMEM;
  *w = (struct work){ .fn = fn, .drop = drop, .arg = arg };
  LOCK_SCOPE (&l->lock);
  if (max != 0 && l->waiting >= max)
    {
      free (w);
      return -EBUSY;
    }
  *l->end = w;
  l->end = &w->next;
  l->waiting++;
  pthread_cond_signal (&l->more);
  return 0;
}

uint64_t
lane_busy_ms (struct lane *l)
{
  LOCK_SCOPE (&l->lock);
  uint64_t now = clock_ms ();

  return l->busy_since ? now - l->busy_since : 0;
}

size_t
lane_waiting (struct lane *l)
{
  LOCK_SCOPE (&l->lock);
  return l->waiting;
}
