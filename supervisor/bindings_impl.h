/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of bindings: what bindings.c, which runs them, and
 * bindings_tell.c, which tells of them, share.
 */
#ifndef HANGDOG_SUPERVISOR_BINDINGS_IMPL_H
#define HANGDOG_SUPERVISOR_BINDINGS_IMPL_H

#include "supervisor/bindings.h"

struct timer;

#define BINDINGS_MAX_LISTENERS 16

struct binding
{
  struct bindings *all;
  uint64_t number; /* never used twice */
  const struct guest *guest;
  struct scenario *scenario;
  struct timer *timer;
  struct health_state health;
  struct outcome_report last;
  bool has_last, running, out_of_turn;
  char held_off[96];
  uint64_t due_ms, last_ms, last_ok_wall_ms;
  uint64_t refused_ms; /* since when the lane is busy, 0 = it was not */
  uint64_t runs, ok, failed, no_verdict, skipped, late, worst_late_ms;
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
  size_t nscenarios;
  struct binding **list;
  size_t n, cap;
  uint64_t last_number;
  struct listener listeners[BINDINGS_MAX_LISTENERS];
};

/* Every listener, of an outcome that came. */
void binding_tell (struct binding *bd, enum health_change change);

#endif
