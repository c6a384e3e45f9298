/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the event loop: what loop.c, loop_watch.c and loop_timer.c share and
 * nobody else sees.
 */
#ifndef HANGDOG_BASE_LOOP_IMPL_H
#define HANGDOG_BASE_LOOP_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "base/loop.h"

#define NAME_MAX_LEN 48
#define EVENTS_PER_ROUND 128
#define NOT_ARMED SIZE_MAX
/* The wake-up eventfd's own mark in epoll_event.data; a slot's mark never has
 * all bits of the fd half set. */
#define WAKE_MARK UINT64_MAX
#define PATIENT_MARK (UINT64_MAX - 1)

struct watch
{
  struct loop *loop;
  char name[NAME_MAX_LEN];
  int fd;
  unsigned events;
  loop_watch_fn *fn;
  void *arg;
  bool dead;
  bool patient;
  bool lost;          /* its fd was closed and the number taken by another */
  struct watch *next; /* in the slot, or among the lost */
};

struct timer
{
  struct loop *loop;
  char name[NAME_MAX_LEN];
  loop_timer_fn *fn;
  void *arg;
  uint64_t at;
  uint64_t seq; /* order of arming: breaks ties, ends a pass */
  size_t index; /* in the heap, or NOT_ARMED */
  bool dead;
  struct timer *prev, *next; /* all timers */
};

/* One per fd number.  gen changes with each registration in the kernel, so
 * that an event of an earlier file with this number is recognised. */
struct slot
{
  struct watch *first;
  uint32_t gen;
  uint32_t mask; /* what epoll was told; 0 = not registered */
  uint64_t changed; /* round of the last registration */
  bool patient;     /* registered in that set */
  bool ended;       /* hung up while patient: not patient any more */
  bool has_dead;
};

struct call
{
  loop_call_fn *fn, *drop;
  void *arg;
  struct call *next;
};

struct loop
{
  int epfd;
  int patient_fd; /* the set of the patient, itself watched by epfd */
  int wake_fd;
  bool fake;
  bool in_round;
  bool rebuild;
  uint64_t now;
  uint64_t round;
  uint32_t gen;

  /* Of the patient: wake-ups that may still be had, and since when.  Without
   * one the set is muted and looked at by the tick. */
  unsigned wakes;
  uint64_t wakes_ms;
  struct timer *tick;

  struct slot *slots; /* indexed by fd */
  size_t nslots;
  struct watch *lost;
  size_t nwatches;
  int *dirty; /* fds with dead watches; room for one per watch */
  size_t ndirty, dirty_cap;

  struct timer **heap;
  size_t nheap, heap_cap;
  struct timer *timers;
  size_t ntimers;
  struct timer *dead_timers;
  uint64_t seq;

  /* The slowest callback so far, for loop_dump(). */
  char slowest[NAME_MAX_LEN];
  uint64_t slowest_ms;

  atomic_uint_fast64_t beat, busy_since;
  atomic_bool stop;

  pthread_mutex_t m; /* guards what follows; no callback runs under it */
  struct call *calls, **calls_end;

  struct epoll_event events[EVENTS_PER_ROUND];
  struct epoll_event patient_events[EVENTS_PER_ROUND];
};

void loop_set_name_ (char *dst, const char *name);
/* After each callback: *since is when it began, and becomes now. */
void loop_note_time_ (struct loop *loop, const char *name, uint64_t *since);
/* Frees what died; between rounds only. */
void loop_reap_ (struct loop *loop);

/* loop_watch.c */
void loop_dispatch_ (struct loop *loop, const struct epoll_event *ev,
                     uint64_t *since);
void loop_reap_watches_ (struct loop *loop);
void loop_rebuild_ (struct loop *loop);
int loop_new_sets_ (struct loop *loop, int *ret_epfd, int *ret_patient_fd);
/* The set of the patient has something. */
void loop_patient_ (struct loop *loop, uint64_t *since);
void loop_free_watches_ (struct loop *loop);

/* loop_timer.c */
/* Runs what is due and was armed before this pass began. */
void loop_run_timers_ (struct loop *loop);
void loop_reap_timers_ (struct loop *loop);
void loop_free_timers_ (struct loop *loop);

#endif
