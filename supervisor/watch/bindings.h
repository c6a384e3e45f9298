/* SPDX-License-Identifier: Apache-2.0
 *
 * Bindings: which scenario watches which guest, when it runs next, and how
 * well that guest is by it.  Loop thread only.
 */
#ifndef HANGDOG_SUPERVISOR_BINDINGS_H
#define HANGDOG_SUPERVISOR_BINDINGS_H

#include "guests/registry.h"
#include "scenarios/scenario.h"

struct bindings;
struct boots;
struct error;
struct fact_bus;
struct fact_table;
struct history;
struct host_gap;
struct hostclock;
struct job_pool;
struct loop;
struct pauses;
struct texts;
struct transport_env;

/* Whom they ask and tell. */
struct bindings_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct fact_bus *bus;
  struct fact_table *facts; /* what is known already; NULL = nothing */
  struct guest_registry *registry;
  struct boots *boots;
  struct texts *texts;
  struct pauses *pauses; /* NULL = none */
  const struct transport_env *transports;
  struct hostclock *host; /* NULL: it never stands still */
  /* Guests that were well stopped answering together, and the host is short:
   * is it for that?  Asked with each such outcome, which does not count then.
   * false: they have something else in common.  NULL: always. */
  bool (*crowd) (const struct guest *const *guests, size_t n,
                 const char *says, void *arg);
  void *crowd_arg;
  bool drain_only; /* nobody is asked anything */
};
/* env is copied. */
int bindings_new (const struct bindings_env *env, struct bindings **ret,
                  struct error *err);
void bindings_free (struct bindings *b);

/* Takes over the array's references; the array is the caller's.  Bindings
 * whose scenario says the same as before keep their state. */
int bindings_set (struct bindings *b, struct scenario **list, size_t n,
                  struct error *err);
/* From the next bindings_set() on: for guests that none of the others is for.
 * Its reference is taken over; NULL: none.  It steps back where one of them has
 * its name. */
void bindings_builtin (struct bindings *b, struct scenario *s);
/* The one in force, or NULL. */
const struct scenario *bindings_default (const struct bindings *b);
void bindings_guest (struct bindings *b, enum guest_change change,
                     const struct guest *was, const struct guest *now);

struct binding_info
{
  const struct guest *guest;
  const struct scenario *scenario;
  bool builtin; /* it is there because no other is */
  enum health health;
  uint64_t health_since_ms;
  unsigned failures, mute; /* in a row */
  bool flapping; /* now well and now not; damped says whether its incident
                    is held open for that */
  bool damped;
  unsigned flap_percent;
  const struct history *history;
  bool running;
  const char *held_off; /* why it is not asked now, "" if it is */
  bool paused; /* by somebody who said so; also while held_off does not yet */
  bool quiet;  /* it is in its quiet hours; the same */
  /* next: when it is, or was, due. */
  uint64_t next_ms, last_ms, last_ok_wall_ms;
  const struct outcome_report *last; /* NULL before the first */
  uint64_t runs, ok, failed, no_verdict, skipped, late;
  uint64_t worst_late_ms; /* from due until somebody was asked */
};
void bindings_each (struct bindings *b, const char *uuid /* or NULL */,
                    void (*fn) (const struct binding_info *info, void *arg),
                    void *arg);
/* Now, out of turn; its outcome counts, and may be told before this returns.
 * One that runs already serves as well.  -ENOENT; -EBUSY: its lane is not
 * free, and no other way is left. */
int bindings_probe (struct bindings *b, const char *uuid,
                    const char *scenario, struct error *err);
/* One that is bound to nobody, asked of that guest now: its outcome counts for
 * nothing.  fn is called once, perhaps before this returns, and with NULL when
 * it was called off.  -EINVAL: a kind that does not ask. */
typedef void bindings_once_fn (const struct outcome_report *report, void *arg);
int bindings_once (struct bindings *b, const struct guest *g,
                   struct scenario *s, bindings_once_fn *fn, void *arg,
                   struct error *err);
/* The host, or this process, stood still or starved: what fell due meanwhile is
 * spread anew, and who watches is told. */
void bindings_gap (struct bindings *b, const struct host_gap *gap);
/* The last time that outcomes did not count for the host's sake, and whose, if
 * it is no longer ago than that. */
struct bindings_spared
{
  const char *code;
  uint64_t ago_ms, lasted_ms;
  unsigned guests;
  char says[160];
};
bool bindings_spared (struct bindings *b, uint64_t for_ms,
                      struct bindings_spared *ret);
/* What the scenarios of that guest know of it: scenario_hints() of each.  The
 * caller's. */
struct json_object *bindings_hints (struct bindings *b, const char *uuid);
size_t bindings_count (const struct bindings *b);
/* From due until somebody was asked, of all that came in their turn: each is
 * the bound of the bucket that it is in, max is exact. */
#define BINDINGS_LATE 16
struct bindings_late
{
  uint64_t runs, p50_ms, p90_ms, p99_ms, max_ms;
  uint64_t counts[BINDINGS_LATE];
};
void bindings_late (const struct bindings *b, struct bindings_late *ret);
/* Up to which lateness a bucket goes; the last has no bound. */
uint64_t bindings_late_bound (unsigned bucket);
/* How many guests, bindings and documents were looked at so far to find the
 * right ones. */
uint64_t bindings_looked_at (const struct bindings *b);

/* The outcome of every run, as it comes.  A few listeners: who waits for one
 * of a certain guest is one of those whom the control room tells. */
typedef void binding_listen_fn (const struct binding_info *info,
                                enum health_change change, void *arg);
int bindings_listen (struct bindings *b, binding_listen_fn *fn, void *arg,
                     struct error *err);
void bindings_unlisten (struct bindings *b, binding_listen_fn *fn, void *arg);

#endif
