/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: one thread each, discarded when they do not come back.  This is the
 * loop's side.
 */
#include "base/job_impl.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"

#define DEFAULT_THREADS 64
#define DEFAULT_DISCARDED 32
#define DEFAULT_GRACE_MS 500
#define DEFAULT_STACK ((size_t) 256 << 10)

const char *const job_lane_names[] = {
  [LANE_NONE] = "none",
  [LANE_CONSOLE] = "console",
  [LANE_CONSOLE_OPEN] = "console-open",
  [LANE_CONSOLE_CLOSE] = "console-close",
  [LANE_PERSON_LEASE] = "person-lease",
  [LANE_PERSON] = "person",
  [LANE_TEXT] = "text",
  [LANE_MONITOR] = "monitor",
  [LANE_RUN_STATE] = "run-state",
  [LANE_HOST] = "host",
  [LANE_NET] = "net",
  [LANE_DISK] = "disk",
  [LANE_TCP] = "tcp",
  [LANE_SSH] = "ssh",
  [LANE_EXEC] = "exec",
  [LANE_AGENT] = "agent",
  [LANE_HTTP] = "http",
  [LANE_ICMP] = "icmp",
  [LANE_DNS] = "dns",
  [LANE_ARP] = "arp",
  [LANE_MEMORY] = "memory",
  [LANE_MEMORY_WATCH] = "memory-watch",
  [LANE_MEMORY_END] = "memory-end",
  [LANE_BEAT] = "heartbeat",
  [LANE_ACPI] = "acpi",
  [LANE_CORE] = "core",
  [LANE_DOCTOR] = "doctor",
  [LANE_SOURCE] = "source",
  [LANE_MIGRATIONS] = "migrations",
  [LANE_FAREWELL] = "libvirt-farewell",
  [LANE_SCENARIOS] = "scenarios",
  [LANE_ADDRESSES] = "addresses",
  [LANE_MAX] = NULL,
};

static void
unlink_job (struct job *job)
{
  if (job->prev)
    job->prev->next = job->next;
  else
    job->pool->jobs = job->next;
  if (job->next)
    job->next->prev = job->prev;
}

static void
tell_free (struct job_pool *pool, const struct job *job)
{
  for (struct job_ear *e = pool->ears; e && !pool->closing; e = pool->next_ear)
    {
      pool->next_ear = e->next;
      e->fn (job->guest, job->lane, e->arg);
    }
  pool->next_ear = NULL;
}

/* Takes those that are back off the list.  The lane is free before done() is
 * called, so that done() may start the next job in it. */
static void
receive (struct job_pool *pool)
{
  struct job *job, *next;
  uint64_t v;

  (void) !read (pool->home->efd, &v, sizeof v);
  for (job = job_take_back_ (pool->home); job; job = next)
    {
      next = job->next_back;
      unlink_job (job);
      timer_free (job->timer);
      pool->stats.threads--;
      /* phase is settled once the job is back: no lock. */
      if (job->phase == DISCARDED)
        pool->stats.discarded--;
      else
        {
          pool->stats.running--;
          pool->stats.returned++;
          job->done (job->owner, job->arg, JOB_RETURNED, job->rc);
        }
      tell_free (pool, job);
      job_free_ (job);
    }
}

static void
on_back (struct watch *w, int fd, unsigned events, void *arg)
{
  receive (arg);
}

/* Writes the job off, unless it came back in this moment. */
static void
discard (struct job *job, int rc)
{
  struct job_pool *pool = job->pool;

  {
    LOCK_SCOPE (&pool->home->m);
    if (job->phase != RUNNING)
      return;
    job->phase = DISCARDED;
  }
  timer_stop (job->timer);
  pool->stats.running--;
  pool->stats.discarded++;
  pool->stats.discarded_total++;
  job->done (job->owner, NULL, JOB_DISCARDED, rc);
}

static void
deadline_fn (struct timer *t, void *arg)
{
  struct job *job = arg;

  atomic_store (&job->stop, true);
  if (job->late)
    {
      discard (job, -ETIMEDOUT);
      return;
    }
  job->late = true;
  timer_in (t, job->pool->limits.grace_ms);
}

int
job_pool_new (struct loop *loop, const struct job_limits *limits,
              struct job_pool **ret_pool, struct error *err)
{
  struct job_pool *pool = calloc (1, sizeof *pool);
  struct job_limits *l;
  int r;

  if (!pool || !(pool->home = job_home_new_ ()))
    {
      free (pool);
      return error_errno (err, ENOMEM, "making a pool of jobs");
    }
  pool->loop = loop;
  l = &pool->limits;
  if (limits)
    *l = *limits;
  l->max_threads = l->max_threads ? l->max_threads : DEFAULT_THREADS;
  l->max_discarded = l->max_discarded ? l->max_discarded : DEFAULT_DISCARDED;
  l->grace_ms = l->grace_ms ? l->grace_ms : DEFAULT_GRACE_MS;
  l->stack_bytes = l->stack_bytes ? l->stack_bytes : DEFAULT_STACK;
  if (l->stack_bytes < (size_t) PTHREAD_STACK_MIN)
    l->stack_bytes = (size_t) PTHREAD_STACK_MIN;
  r = loop_watch (loop, "jobs that are back", pool->home->efd, LOOP_READ,
                  on_back, pool, &pool->watch, err);
  if (r < 0)
    {
      job_home_unref_ (pool->home);
      free (pool);
      return r;
    }
  *ret_pool = pool;
  return 0;
}

/* Real time, also when the loop's clock is a fake one: threads are real. */
static void
wait_for_running (struct job_pool *pool, uint64_t wait_ms)
{
  uint64_t now = clock_ms (), end;
  struct pollfd p = { .fd = pool->home->efd, .events = POLLIN };

  end = wait_ms > CLOCK_NEVER - now ? CLOCK_NEVER : now + wait_ms;
  for (;;)
    {
      receive (pool);
      now = clock_ms ();
      if (pool->stats.running == 0 || now >= end)
        return;
      (void) poll (&p, 1, end - now > 1000 ? 1000 : (int) (end - now));
    }
}

void
job_pool_on_free (struct job_pool *pool, struct job_ear *ear)
{
  ear->pool = pool;
  ear->next = pool->ears;
  pool->ears = ear;
}

void
job_ear_off (struct job_ear *ear)
{
  struct job_pool *pool = ear->pool;
  struct job_ear **at;

  if (!pool)
    return;
  for (at = &pool->ears; *at != ear; at = &(*at)->next)
    ;
  *at = ear->next;
  if (pool->next_ear == ear)
    pool->next_ear = ear->next;
  ear->pool = NULL;
}

void
job_pool_limit (struct job_pool *pool, unsigned max_threads,
                unsigned max_discarded)
{
  pool->limits.max_threads = max_threads ? max_threads : DEFAULT_THREADS;
  pool->limits.max_discarded
      = max_discarded ? max_discarded : DEFAULT_DISCARDED;
}

unsigned
job_pool_free (struct job_pool *pool, uint64_t wait_ms)
{
  struct home *h;
  struct job *job, *next;
  unsigned left;

  if (!pool)
    return 0;
  h = pool->home;
  pool->closing = true;
  for (job = pool->jobs; job; job = job->next)
    atomic_store (&job->stop, true);
  wait_for_running (pool, wait_ms);
  for (job = pool->jobs; job; job = next)
    {
      next = job->next;
      discard (job, -ECANCELED);
    }
  /* Somebody may have come back just before discard(). */
  receive (pool);
  for (job = pool->jobs; job; job = job->next)
    timer_free (steal_ptr (&job->timer));
  watch_free (pool->watch);
  while (pool->ears)
    job_ear_off (pool->ears);
  {
    LOCK_SCOPE (&h->m);
    h->pool_gone = true;
    job = h->back;
    h->back = NULL;
  }
  /* From here on a thread that returns frees its job itself; these were
   * faster.  All of them are discarded ones. */
  left = pool->stats.discarded;
  for (; job; job = next)
    {
      next = job->next_back;
      job_free_ (job);
      left--;
    }
  free (pool);
  job_home_unref_ (h);
  return left;
}

static int
check_room (struct job_pool *pool, const struct job_spec *spec,
            struct error *err)
{
  struct job_stats *st = &pool->stats;
  struct job *job;

  if (pool->closing)
    return error_set (err, ECANCELED, "job %s: the pool is closing",
                      spec->name);
  if (spec->lane <= LANE_NONE || spec->lane >= LANE_MAX)
    return error_set (err, EINVAL, "job %s has no lane", spec->name);
  for (job = pool->jobs; job; job = job->next)
    if (job->lane == spec->lane && strcmp (job->guest, spec->guest) == 0
        && strcmp (job->part, spec->part ? spec->part : "") == 0)
      {
        st->refused_busy++;
        return error_set (err, EBUSY,
                          "job %s: the %s lane of %s is taken by \"%s\" for "
                          "%" PRIu64 " ms%s",
                          spec->name, job->lane_name, job->guest, job->name,
                          clock_ms () - job->started_ms,
                          job->late ? ", and it does not come back" : "");
      }
  if (st->threads >= pool->limits.max_threads
      || st->discarded >= pool->limits.max_discarded)
    {
      st->refused_full++;
      return error_set (err, EAGAIN,
                        "job %s: capacity is exhausted: %u jobs run, %u do "
                        "not come back",
                        spec->name, st->running, st->discarded);
    }
  return 0;
}

/* A thread takes no signals: they are for the main thread's signalfd. */
static int
spawn (struct job *job, size_t stack)
{
  pthread_attr_t attr;
  sigset_t all, old;
  pthread_t thread;
  int r;

  r = pthread_attr_init (&attr);
  if (r != 0)
    return -r;
  (void) pthread_attr_setdetachstate (&attr, PTHREAD_CREATE_DETACHED);
  r = pthread_attr_setstacksize (&attr, stack);
  if (r == 0)
    {
      sigfillset (&all);
      pthread_sigmask (SIG_SETMASK, &all, &old);
      r = pthread_create (&thread, &attr, job_main_, job);
      pthread_sigmask (SIG_SETMASK, &old, NULL);
    }
  pthread_attr_destroy (&attr);
  return -r;
}

static char *
lane_name (const struct job_spec *spec)
{
  const char *name = job_lane_names[spec->lane], *part = spec->part;
  size_t n = strlen (name) + (part ? 1 + strlen (part) : 0) + 1;
  char *s = malloc (n);

  if (s)
    snprintf (s, n, "%s%s%s", name, part ? " " : "", part ? part : "");
  return s;
}

static int
make_job (struct job_pool *pool, const struct job_spec *spec,
          struct job **ret_job, struct error *err)
{
  struct job *job = calloc (1, sizeof *job);
  uint64_t now = clock_ms ();
  int r = -ENOMEM;

  if (job)
    {
      job->name = strdup (spec->name);
      job->guest = strdup (spec->guest);
      job->lane = spec->lane;
      job->part = strdup (spec->part ? spec->part : "");
      job->lane_name = lane_name (spec);
      if (job->name && job->guest && job->part && job->lane_name)
        r = loop_timer (pool->loop, spec->name, deadline_fn, job, &job->timer,
                        NULL);
    }
  if (r < 0)
    {
      if (job)
        job_free_ (job);
      return error_errno (err, -r, "job %s", spec->name);
    }
  job->home = pool->home;
  job->pool = pool;
  job->started_ms = now;
  job->deadline_ms = spec->timeout_ms > CLOCK_NEVER - now
                         ? CLOCK_NEVER
                         : now + spec->timeout_ms;
  job->run = spec->run;
  job->done = spec->done;
  job->free_arg = spec->free_arg;
  job->owner = spec->owner;
  job->arg = spec->arg;
  *ret_job = job;
  return 0;
}

int
job_start (struct job_pool *pool, const struct job_spec *spec,
           struct error *err)
{
  struct job *job = NULL;
  int r;

  r = check_room (pool, spec, err);
  if (r < 0)
    return r;
  r = make_job (pool, spec, &job, err);
  if (r < 0)
    return r;
  {
    LOCK_SCOPE (&pool->home->m);
    pool->home->refs++;
  }
  r = spawn (job, pool->limits.stack_bytes);
  if (r < 0)
    {
      job_home_unref_ (pool->home);
      timer_free (job->timer);
      job_free_ (job);
      pool->stats.refused_full++;
      return error_errno (err, -r, "job %s: starting a thread", spec->name);
    }
  job->next = pool->jobs;
  if (job->next)
    job->next->prev = job;
  pool->jobs = job;
  pool->stats.threads++;
  pool->stats.running++;
  pool->stats.started++;
  timer_in (job->timer, spec->timeout_ms);
  return 0;
}

bool
job_lane_stuck (struct job_pool *pool, const char *guest, enum job_lane lane)
{
  LOCK_SCOPE (&pool->home->m);

  for (const struct job *job = pool->jobs; job; job = job->next)
    if (job->phase == DISCARDED && job->lane == lane
        && strcmp (job->guest, guest) == 0)
      return true;
  return false;
}

void
job_stop (struct job_pool *pool, const char *guest)
{
  for (struct job *job = pool->jobs; job; job = job->next)
    if (strcmp (job->guest, guest) == 0)
      atomic_store (&job->stop, true);
}

void
job_each (struct job_pool *pool,
          void (*fn) (const struct job_info *info, void *arg), void *arg)
{
  struct job_info info;

  for (struct job *job = pool->jobs; job; job = job->next)
    {
      info = (struct job_info){ .name = job->name,
                                .guest = job->guest,
                                .lane = job->lane_name,
                                .started_ms = job->started_ms,
                                .deadline_ms = job->deadline_ms };
      {
        LOCK_SCOPE (&pool->home->m);
        info.discarded = job->phase == DISCARDED;
      }
      fn (&info, arg);
    }
}

void
job_pool_stats (struct job_pool *pool, struct job_stats *ret)
{
  *ret = pool->stats;
  ret->helpers = job_helpers ();
}
