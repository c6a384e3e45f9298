/* SPDX-License-Identifier: Apache-2.0
 *
 * A small world for tests and benches of the console hub: a real loop on a
 * thread of its own, a job pool, a hub, and one guest per console path.
 */
#ifndef HANGDOG_TESTS_HUBWORLD_H
#define HANGDOG_TESTS_HUBWORLD_H

#include "base/job.h"
#include "base/loop.h"
#include "base/opener.h"
#include "transports/console/hub.h"

#include <pthread.h>

struct hubworld
{
  struct loop *loop;
  struct job_pool *jobs;
  struct fact_bus *bus;
  struct hub *hub;
  pthread_t thread;
};

/* Fails the process when something is missing: there is no test without it. */
void hubworld_start (struct hubworld *w, const struct hub_limits *limits,
                     const struct job_limits *jobs,
                     const struct console_sink *sink);
void hubworld_stop (struct hubworld *w);

/* Runs fn on the loop's thread and waits for it. */
void hubworld_do (struct hubworld *w, void (*fn) (void *arg), void *arg);

/* "00000000-0000-4000-8000-<index>"; n >= UUID_TEXT. */
const char *hubworld_uuid (unsigned index, char *dst, size_t n);

/* Tells the hub of guest number index with one console, "serial0". */
void hubworld_guest (struct hubworld *w, unsigned index,
                     enum guest_change change, enum console_kind kind,
                     enum console_mode mode, const char *path);
/* As above with a snapshot of the caller's making (its reference is taken). */
void hubworld_tell (struct hubworld *w, enum guest_change change,
                    struct guest *g);
struct guest *hubworld_snapshot (unsigned index, enum console_kind kind,
                                 enum console_mode mode, const char *path);

/* What hub_each() says of a guest's console now. */
struct hubworld_seen
{
  bool found;
  enum console_state state;
  uint64_t bytes, log_dropped, connects;
  size_t ring_bytes;
  char detail[160], holder[64];
};
void hubworld_see (struct hubworld *w, unsigned index,
                   struct hubworld_seen *ret);
/* Waits for a state, at most that long; false when it did not come. */
bool hubworld_wait (struct hubworld *w, unsigned index,
                    enum console_state state, uint64_t most_ms);
unsigned hubworld_count (struct hubworld *w, enum console_state state);

#endif
