/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether this host, and this process, went on all the time.
 *
 *   suspended  CLOCK_BOOTTIME went on and CLOCK_MONOTONIC did not
 *   frozen     our own tick came late, and nobody else had the processor for
 *              it: a freezer, SIGSTOP, a debugger, a page that had to come
 *              from a disk, a machine that is itself a guest
 *   starved    we waited for a processor
 *
 * What a check brought meanwhile says nothing about a guest, unless it is well.
 * The wall clock is not looked at: schedules and ages do not go by it.  Loop
 * thread only.
 */
#ifndef HANGDOG_SUPERVISOR_HOSTCLOCK_H
#define HANGDOG_SUPERVISOR_HOSTCLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct hostclock;
struct loop;

#define HOST_TICK_MS 1000
/* Guests need a moment, too, after a suspend. */
#define HOST_SETTLE_MS 5000

enum host_why
{
  HOST_SUSPENDED,
  HOST_FROZEN,
  HOST_STARVED,
};
extern const char *const host_codes[]; /* of outcomes: "host-suspended" ... */

struct host_gap
{
  enum host_why why;
  uint64_t from_ms, to_ms; /* loop_now() scale; a suspend has no length there */
  uint64_t lasted_ms;
  char says[128];
};

struct host_sample
{
  uint64_t mono_ms, boot_ms;
  bool has_sched; /* of the loop's thread, in all: */
  uint64_t ran_us, waited_us;
  /* Percent of the last 10 s, < 0 = not known. */
  double cpu_some, memory_full;
};

struct hostclock_env
{
  struct loop *loop;
  /* NULL: the real ones. */
  void (*sample) (struct host_sample *ret, void *arg);
  /* A gap, or more of one: what came over is [from_ms, to_ms] of it. */
  void (*gap) (const struct host_gap *gap, void *arg);
  void *arg;
};
/* env is copied. */
int hostclock_new (const struct hostclock_env *env, struct hostclock **ret,
                   struct error *err);
void hostclock_free (struct hostclock *h);

/* Now: a timer that is late may come before the one that would tell. */
void hostclock_look (struct hostclock *h);
/* Was any of that time in a gap?  Looks first.  ret: the latest. */
bool hostclock_over (struct hostclock *h, uint64_t from_ms, uint64_t to_ms,
                     struct host_gap *ret);
/* Not starved, but in a state in which a crowd of failures is the host's
 * doing; "" when it is not. */
const char *hostclock_pressed (struct hostclock *h);
/* The latest gap; false: there was none. */
bool hostclock_last (struct hostclock *h, struct host_gap *ret);

/* ---- pure: two samples, a tick apart or more ---- */

bool host_compare (const struct host_sample *was, const struct host_sample *now,
                   struct host_gap *ret);

#endif
