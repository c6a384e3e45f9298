/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: the thread's side, and where it meets the loop's.  Coming back
 * allocates nothing, so that no end is lost when memory is short.
 */
#include "base/job_impl.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PAUSE_NAP_MS 50u

/* ---- home ---- */

struct home *
job_home_new_ (void)
{
  struct home *h = calloc (1, sizeof *h);

  if (!h)
    return NULL;
  h->efd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (h->efd < 0)
    {
      free (h);
      return NULL;
    }
  pthread_mutex_init (&h->m, NULL);
  h->refs = 1;
  h->back_end = &h->back;
  return h;
}

void
job_home_unref_ (struct home *h)
{
  bool last;

  {
    LOCK_SCOPE (&h->m);
    last = --h->refs == 0;
  }
  if (!last)
    return;
  close (h->efd);
  pthread_mutex_destroy (&h->m);
  free (h);
}

void
job_free_ (struct job *job)
{
  free (job->name);
  free (job->guest);
  free (job->part);
  free (job->lane_name);
  free (job);
}

struct job *
job_take_back_ (struct home *h)
{
  struct job *list;

  LOCK_SCOPE (&h->m);
  list = h->back;
  h->back = NULL;
  h->back_end = &h->back;
  return list;
}

static void
put_back (struct home *h, struct job *job)
{
  uint64_t one = 1;

  job->next_back = NULL;
  *h->back_end = job;
  h->back_end = &job->next_back;
  (void) !write (h->efd, &one, sizeof one);
}

/* ---- thread side ---- */

/* The thread's last step.  From put_back() on the loop side may free the job
 * at any time. */
static void
come_back (struct job *job, int rc)
{
  struct home *h = job->home;
  bool discarded, orphan;

  {
    LOCK_SCOPE (&h->m);
    discarded = job->phase == DISCARDED;
    if (!discarded)
      {
        job->phase = BACK;
        job->rc = rc;
        put_back (h, job);
      }
  }
  if (discarded)
    {
      /* Before the loop side forgets the job: a free that hangs counts as a
       * job that hangs. */
      if (job->free_arg)
        job->free_arg (job->arg);
      {
        LOCK_SCOPE (&h->m);
        orphan = h->pool_gone;
        if (!orphan)
          put_back (h, job);
      }
      if (orphan)
        job_free_ (job);
    }
  job_home_unref_ (h);
}

void *
job_main_ (void *arg)
{
  struct job *job = arg;
  char name[16] = "";

  for (size_t i = 0; i < sizeof name - 1 && job->name[i]; i++)
    name[i] = job->name[i];
  (void) pthread_setname_np (pthread_self (), name);
  come_back (job, job->run (job, job->arg));
  return NULL;
}

bool
job_stopping (const struct job *job)
{
  return atomic_load (&job->stop) || clock_ms () >= job->deadline_ms;
}

bool
job_pause (const struct job *job, uint64_t ms)
{
  uint64_t until = clock_ms () + ms, now;

  while (!job_stopping (job) && (now = clock_ms ()) < until)
    {
      uint64_t nap = until - now < PAUSE_NAP_MS ? until - now : PAUSE_NAP_MS;
      const struct timespec ts = { 0, (long) nap * 1000000 };

      clock_nanosleep (CLOCK_MONOTONIC, 0, &ts, NULL);
    }
  return !job_stopping (job);
}

uint64_t
job_deadline (const struct job *job)
{
  return job->deadline_ms;
}

const char *
job_name (const struct job *job)
{
  return job->name;
}
