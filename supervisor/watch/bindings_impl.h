/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of bindings.
 *
 *   bindings.c          whom which scenario watches, and when it is due
 *   bindings_run.c      a run: by which ways, one after another
 *   bindings_host.c     a host that stood still
 *   bindings_lane.c     who waits for a lane of a guest
 *   bindings_outcome.c  what a run's end becomes
 *   bindings_watch.c    kinds that are told of facts, or look at others
 *   bindings_listen.c   what they listen for in the guest's text
 *   bindings_tell.c     what others want to know of them
 */
#ifndef HANGDOG_SUPERVISOR_BINDINGS_IMPL_H
#define HANGDOG_SUPERVISOR_BINDINGS_IMPL_H

#include "base/job.h"
#include "supervisor/watch/bindings.h"
#include "scenarios/history.h"
#include "transports/transport.h"

struct heard;
struct timer;

#define BINDINGS_MAX 16384
#define BINDINGS_HASH 1024 /* chains of guests */
#define BINDINGS_MAX_LISTENERS 4

/* A guest that has scenarios. */
struct watched
{
  struct bindings *all;
  const struct guest *guest;
  struct binding **list;
  size_t n, cap;
  struct run *waiting, **waiting_end; /* for a lane, in order of coming */
  uint64_t failed_ms; /* it was well, and then did not answer in time */
  uint64_t spared_ms; /* an outcome did not count, for the host's sake */
  struct watched *chain;       /* of the hash */
  struct watched *prev, *next; /* of all */
};

struct binding
{
  struct bindings *all;
  struct watched *of;
  uint64_t number; /* never used twice */
  struct scenario *scenario;
  size_t index; /* of scenario in all->scenarios */
  struct timer *timer;
  struct run *run; /* its own until it is over; NULL = none */
  const struct scenario_watch *watching; /* whose state is */
  void *state;
  struct health_state health;
  struct history history;
  void *last; /* the report, packed; NULL = none yet */
  char held_off[96];
  uint64_t due_ms, last_ms, last_ok_wall_ms;
  uint64_t runs, ok, failed, no_verdict, skipped, late, worst_late_ms;
};

/* How one way of a run stands. */
enum leg_state
{
  LEG_AHEAD,
  LEG_BUSY, /* its lane was not free */
  LEG_OVER, /* report says how it went */
};

struct leg
{
  const struct transport_ops *way;
  enum leg_state state;
  struct outcome_report report;
};

/* One run of a binding, loop side.  It has references of its own: its binding
 * may go, or get another text, while a job of it is out; the job's end then
 * finds no binding under its number, or finishes under the old text. */
struct run
{
  struct bindings *all;
  uint64_t number;
  struct watched *waits_with; /* NULL = it waits for no lane */
  struct run *next_waiting;
  const struct guest *guest;
  struct scenario *scenario;
  struct leg legs[SCENARIO_MAX_WAYS];
  unsigned nlegs, at; /* at: the one that is out */
  uint64_t started_ms; /* 0 = nobody was asked yet */
  bool in_turn;        /* it fell due, and was not asked for */
  struct outcome_report report; /* in the end */
  /* Of nobody's binding: who is told instead. */
  bindings_once_fn *once;
  void *once_arg;
};

struct listener
{
  binding_listen_fn *fn;
  void *arg;
};

struct bindings
{
  struct bindings_env env;
  struct scenario **scenarios;
  struct lines **lines; /* what each of them listens for, or NULL */
  size_t nscenarios;
  size_t builtin; /* which of them is, SIZE_MAX = none */
  struct scenario *builtin_next; /* from the next set on, or NULL */
  bool *marks; /* scratch, one per scenario */
  struct watched *hash[BINDINGS_HASH];
  struct watched *first, *last; /* in order of coming */
  /* By the lower bits of their numbers. */
  struct binding **slots;
  uint32_t *free_slots;
  size_t n, nfree;
  uint64_t serial;
  uint64_t looked_at;
  uint64_t late[BINDINGS_LATE], latest_ms; /* how many, by how late */
  uint64_t crowd_ms; /* when many failed together, 0 = never */
  char crowd[160];
  struct heard *heard; /* facts that kinds are told of, by prefix */
  struct listener listeners[BINDINGS_MAX_LISTENERS];
  struct job_ear lane_free;
};

/* NULL when there is none. */
struct watched *bindings_watched_ (struct bindings *b, const char *uuid);
struct binding *bindings_numbered_ (struct bindings *b, uint64_t number);
struct binding *binding_named_ (struct watched *w, const char *scenario);
void binding_arm_ (struct binding *bd, uint64_t at_ms);
uint64_t bindings_random_ (void);

/* Tells the fact. */
void binding_flapping_ (struct binding *bd, bool flapping);

/* Paused, stopping, quiet hours, ...: held_off says why. */
bool binding_held_off_ (struct binding *bd);

/* ---- runs ---- */

/* Begins one.  0, or -EBUSY when it is not in turn and its lane is not free.
 * What can't be asked is an outcome. */
int run_begin_ (struct binding *bd, bool in_turn, struct error *err);
/* It waits, and a lane may be free. */
void run_go_on_ (struct run *run);
/* It has waited for long enough. */
void run_give_up_ (struct run *run);
/* One that is not out. */
void run_free_ (struct run *run);
/* Its report is the outcome, unless the guest is not the one that was asked,
 * or not meant to answer by now. */
void run_over_ (struct run *run);
/* The same, but of a failure it is asked first whether the guest is meant to
 * run. */
void run_judged_ (struct run *run);
/* What was in the way of a run's asking at all. */
void run_no_verdict_ (struct outcome_report *r, const char *code,
                      const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* ---- a host that stood still ---- */

/* It has a time of its own now, after a gap that only shows itself here. */
bool binding_gapped_ (struct binding *bd);
/* What failed because of the host is no verdict. */
void binding_spare_ (struct binding *bd, struct run *run);

void bindings_note_late_ (struct bindings *b, uint64_t late_ms);
void lane_wait_ (struct run *run);
void lane_leave_ (struct run *run);
/* A job_free_fn. */
void lane_free_ (const char *guest, enum job_lane lane, void *arg);

/* ---- kinds that do not ask ---- */

/* To the facts of which those scenarios' kinds want to hear, and to no
 * others. */
void watch_subscribe_ (struct bindings *b, struct scenario **list, size_t n);
/* A state as of now, with what is known already; nothing for other kinds. */
void watch_begin_ (struct binding *bd);
void watch_end_ (struct binding *bd);
/* Of a kind that does not ask: how it is. */
void watch_judge_ (struct binding *bd, struct outcome_report *ret);

/* ---- what they listen for ---- */

/* NULL: nothing. */
struct lines *listen_for_ (const struct scenario *s);
/* To the text of that guest, whenever its scenarios or its consoles may be
 * others. */
void listen_tell_ (struct watched *w);
void listen_end_ (struct bindings *b);

/* The last report: kept without the ways that it has not, which would be most
 * of a binding.  Without memory there is none. */
void binding_keep_last_ (struct binding *bd, const struct outcome_report *r);
bool binding_last_ (const struct binding *bd, struct outcome_report *ret);
/* Every listener, of an outcome that came. */
void binding_tell (struct binding *bd, const struct outcome_report *report,
                   enum health_change change);

#endif
