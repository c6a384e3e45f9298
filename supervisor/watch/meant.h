/* SPDX-License-Identifier: Apache-2.0
 *
 * A probe failed: is the guest meant to run at all?  A run directory does not
 * say when somebody stopped its guest over the monitor, so that is asked
 * before a failure counts.  A guest that answers is never asked.
 */
#ifndef HANGDOG_SUPERVISOR_MEANT_H
#define HANGDOG_SUPERVISOR_MEANT_H

#include "guests/guest.h"

#include <stdbool.h>

struct error;
struct job_pool;
struct transport_env;

/* Not: its QEMU was stopped by a signal or a debugger.  No tool of an owner's
 * does that, and the guest is as dead as any. */
bool guest_paused_by_owner (const struct guest *g);

enum meant
{
  MEANT_TO_RUN, /* or nobody said otherwise */
  MEANT_TO_STAND,
  /* Libvirt does not answer, and over it a guest can't either.  Only where the
   * console comes through libvirt. */
  MEANT_UNKNOWN,
};
/* status: what QEMU says of itself ("paused"), "" = nothing.  On the loop,
 * once. */
typedef void meant_fn (enum meant meant, const char *status, void *arg);

/* Negative when there is nobody to ask: then fn is not called. */
int meant_ask (struct job_pool *jobs, const struct transport_env *env,
               const struct guest *g, meant_fn *fn, void *arg,
               struct error *err);

#endif
