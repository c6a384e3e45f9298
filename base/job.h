/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: straight-line code that may block, on a thread of its own, with a
 * deadline.
 *
 * The loop starts a job; the job's thread runs `run`; its end comes back to
 * the loop thread as `done`, exactly once.  A job that is not back at its
 * deadline plus grace is *discarded*: `done` is called with JOB_DISCARDED and
 * arg NULL, its thread is written off (a replacement may start), and when its
 * blocking call returns after all, `free_arg` releases what it still owns.
 * So run() owns arg until it returns; done() owns it afterwards; nothing is
 * ever shared by the two.  There is no pthread_cancel: a job asks
 * job_stopping() between steps, and blocking expects end by themselves.
 *
 * A lane is what a job may get stuck in: that console, the monitor, its
 * memory.  One job per guest and lane: a second one is refused with -EBUSY,
 * which is how a stuck lane stays visible instead of growing a queue.  A
 * discarded job keeps its lane until its call returns: a stuck lane costs one
 * thread, not one per period, and nobody joins it in what it is stuck in.  In
 * done() the lane of a job that returned is free again.
 */
#ifndef HANGDOG_BASE_JOB_H
#define HANGDOG_BASE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct job;
struct job_pool;
struct loop;

enum job_end
{
  JOB_RETURNED,  /* run() came back; rc is what it returned */
  JOB_DISCARDED, /* run() is still somewhere; arg is not ours any more */
};

/* All lanes of the house; two that share something have the same one. */
enum job_lane
{
  LANE_NONE, /* of no job */
  /* of a guest */
  LANE_CONSOLE, /* whoever talks on one, or presses keys */
  LANE_CONSOLE_OPEN,
  LANE_CONSOLE_CLOSE,
  LANE_PERSON_LEASE,
  LANE_PERSON,
  LANE_TEXT, /* what its consoles have said */
  LANE_MONITOR,
  LANE_RUN_STATE,
  LANE_HOST, /* its process */
  LANE_NET,
  LANE_DISK, /* its mailbox */
  LANE_TCP,
  LANE_SSH,
  LANE_EXEC, /* an operator's program; one of each scenario */
  LANE_AGENT,
  LANE_HTTP,
  LANE_ICMP,
  LANE_DNS,
  LANE_ARP,
  LANE_MEMORY,
  LANE_MEMORY_WATCH,
  LANE_MEMORY_END,
  LANE_BEAT, /* where a heartbeat is looked for */
  LANE_ACPI, /* the port where its kernel beats is opened */
  LANE_CORE,
  LANE_DOCTOR,
  /* of the host */
  LANE_SOURCE,
  LANE_MIGRATIONS,
  LANE_FAREWELL,
  LANE_SCENARIOS,
  LANE_ADDRESSES,
  LANE_MAX,
};
extern const char *const job_lane_names[];

struct job_spec
{
  const char *name;    /* what it does: "console-command uptime" */
  const char *guest;   /* uuid, or "host"; copied */
  enum job_lane lane;
  const char *part;    /* which console, which source, ...; copied; NULL = there
                          is but one of that lane */
  uint64_t timeout_ms; /* the deadline, from now */
  int (*run) (struct job *job, void *arg);
  void (*done) (void *owner, void *arg, enum job_end end, int rc);
  void (*free_arg) (void *arg); /* may be NULL */
  void *owner;                  /* loop side, only handed to done() */
  void *arg;                    /* thread side */
};

struct job_limits
{
  unsigned max_threads;   /* running and discarded together (default 64);
                             0 here and below takes the default */
  unsigned max_discarded; /* beyond it new jobs get -EAGAIN (default 32) */
  uint64_t grace_ms;      /* after the deadline, before discarding (500) */
  size_t stack_bytes;     /* default 256 KiB */
};

int job_pool_new (struct loop *loop, const struct job_limits *limits,
                  struct job_pool **ret_pool, struct error *err);
/* From now on, as in struct job_limits; what runs goes on. */
void job_pool_limit (struct job_pool *pool, unsigned max_threads,
                     unsigned max_discarded);
/* Asks all jobs to stop, waits at most wait_ms (real time), then discards
 * those that still run and leaves them behind, their memory with them.  Every
 * done() that is owed is called before it returns; discarded jobs are not
 * waited for.  Returns how many threads are left behind: what they use must
 * then not be freed, so the best is to end the process.  Loop thread, not from
 * within done(), before loop_free(). */
unsigned job_pool_free (struct job_pool *pool, uint64_t wait_ms);

/* Loop thread.  0; -EBUSY: that guest's lane is taken (err says by which job
 * and since when); -EAGAIN: the pool is full; -ECANCELED: it is closing.  On
 * failure arg stays with the caller and done() is not called. */
int job_start (struct job_pool *pool, const struct job_spec *spec,
               struct error *err);

/* Who waits for lanes.  Loop thread: told of each lane that has become free,
 * after the done() of who held it (who may take it again); of a discarded
 * job's when its call has returned after all.  May start jobs, and stop
 * listening.  Whoever came last is told first: what was there all the time
 * lets by who is there for a while.  Not told while the pool closes. */
typedef void job_free_fn (const char *guest, enum job_lane lane, void *arg);
struct job_ear
{
  job_free_fn *fn;
  void *arg;
  struct job_pool *pool; /* from here on the pool's; NULL = does not listen */
  struct job_ear *next;
};
/* ear is the caller's, and stays where it is until it is taken off. */
void job_pool_on_free (struct job_pool *pool, struct job_ear *ear);
/* Also one that does not listen, and when the pool is gone. */
void job_ear_off (struct job_ear *ear);

/* Loop thread: is that lane held by a job that is discarded?  Nobody knows
 * whether it will ever be free. */
bool job_lane_stuck (struct job_pool *pool, const char *guest,
                     enum job_lane lane);

/* Asks all jobs of that guest to stop. */
void job_stop (struct job_pool *pool, const char *guest);

/* In the job's thread. */
bool job_stopping (const struct job *job); /* deadline passed or told to stop */
uint64_t job_deadline (const struct job *job); /* clock_ms() scale */
/* So long nothing is done, in short naps; false: it is to stop. */
bool job_pause (const struct job *job, uint64_t ms);
const char *job_name (const struct job *job);

struct job_info
{
  const char *name, *guest;
  const char *lane; /* as people read it: "source qemu:///system" */
  uint64_t started_ms, deadline_ms;
  bool discarded;
};

/* Threads that are nobody's job, since what they call may never come back:
 * whoever makes and ends one says so, from any thread.  They are the process's,
 * and outlive pools. */
void job_helper_begun (void);
void job_helper_over (void);
unsigned job_helpers (void);

struct job_stats
{
  unsigned running, discarded, threads;
  unsigned helpers; /* as above */
  uint64_t started, returned, refused_busy, refused_full, discarded_total;
};

/* Loop thread: walks all running and discarded jobs. */
void job_each (struct job_pool *pool,
               void (*fn) (const struct job_info *info, void *arg), void *arg);
void job_pool_stats (struct job_pool *pool, struct job_stats *ret);

#endif
