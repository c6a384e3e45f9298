/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of jobs, which are seen from two sides.  The loop side (job.c)
 * owns the list, the timer and done(); the thread side (job_thread.c) owns
 * run() and its arg.  They meet in `home`: its lock guards each job's `phase`,
 * which decides who of the two was first, and the list of those that are
 * back.  home outlives the pool as long as a thread is still somewhere in
 * run().
 */
#ifndef HANGDOG_BASE_JOB_IMPL_H
#define HANGDOG_BASE_JOB_IMPL_H

#include "base/job.h"

#include <pthread.h>
#include <stdatomic.h>

enum phase
{
  RUNNING,
  BACK,      /* run() returned first; on its way to done() */
  DISCARDED, /* the deadline was first; the thread frees arg */
};

struct home
{
  pthread_mutex_t m;
  int efd; /* somebody is back */
  unsigned refs;
  bool pool_gone;
  struct job *back, **back_end;
};

struct job
{
  struct home *home;
  struct job_pool *pool; /* loop side */
  char *name, *guest;
  enum job_lane lane;
  char *part;                       /* "" = none */
  char *lane_name;                  /* both */
  uint64_t started_ms, deadline_ms; /* clock_ms() */
  int (*run) (struct job *job, void *arg);
  void (*done) (void *owner, void *arg, enum job_end end, int rc);
  void (*free_arg) (void *arg);
  void *owner, *arg;
  atomic_bool stop;
  enum phase phase; /* under home->m */
  int rc;           /* under home->m */
  struct timer *timer;
  bool late; /* deadline passed, in its grace */
  struct job *prev, *next; /* loop side: all that hold a thread */
  struct job *next_back;
};

struct job_pool
{
  struct loop *loop;
  struct home *home;
  struct watch *watch;
  struct job_limits limits;
  struct job *jobs;
  bool closing;
  struct job_ear *ears, *next_ear; /* next_ear: to be told after this one */
  struct job_stats stats;
};

/* ---- thread side ---- */

struct home *job_home_new_ (void);
void job_home_unref_ (struct home *h);
/* Those that are back, linked by next_back; off the list. */
struct job *job_take_back_ (struct home *h);
void *job_main_ (void *job);
void job_free_ (struct job *job);

#endif
