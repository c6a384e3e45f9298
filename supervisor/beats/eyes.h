/* SPDX-License-Identifier: Apache-2.0
 *
 * The heartbeat of every guest, from its memory: for each that runs on this
 * host a parser finds once in a boot where its kernel keeps what moves, and
 * hangdog-beat (beater.h) reads there again and again.  Facts, source
 * "memory":
 *
 *   guest.vcpus      text  whether each of these is "alive", "slow", "dead" or
 *   guest.ticks      text  "unknown": rungs 3, 4 and 5
 *   guest.scheduler  text
 *   guest.beat       text  why, of the worst of them; or why there is no
 *                          heartbeat ("none: ...")
 *   guest.panicked   bool
 *   guest.load1      real
 *   guest.blocked    int   tasks that wait in D
 *
 * States are told when they change, and all of it once a minute.
 *
 * A guest that is paused, or not meant to run, is not read.  One whose kernel
 * is not found is looked at again, ever more seldom; memory is read and not
 * changed, and nobody in the guest notices.
 */
#ifndef HANGDOG_SUPERVISOR_EYES_H
#define HANGDOG_SUPERVISOR_EYES_H

#include "guests/registry.h"
#include "transports/memory/beat.h"

struct buf;
struct error;
struct eyes;
struct fact_bus;
struct job_pool;
struct loop;
struct transport_env;

/* Whom they ask and tell. */
struct eyes_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct fact_bus *bus;
  struct guest_registry *registry;
  const struct transport_env *transports; /* libexec is in it */
  uint64_t interval_ms;                   /* 0 = no heartbeats */
  /* What this life's kernel was is gone from its memory: another is there, or
   * its processors run firmware.  May be NULL; may change the registry. */
  void (*anew) (const struct incarnation *inc, void *arg);
  void *arg;
};
/* env is copied. */
int eyes_new (const struct eyes_env *env, struct eyes **ret,
              struct error *err);
void eyes_free (struct eyes *e); /* after the jobs; NULL is fine */
void eyes_interval (struct eyes *e, uint64_t interval_ms);

void eyes_guest (struct eyes *e, enum guest_change change,
                 const struct guest *was, const struct guest *now);

/* Until then its kernel prints what hangdog asked it for: that it stands is no
 * death. */
void eyes_ours (struct eyes *e, const char *uuid, uint64_t until_ms);

struct eyes_look
{
  const char *uuid;
  bool beating;
  const char *why;        /* not beating: why not, "" = not looked at yet */
  uint64_t found_ms;      /* since when it is read, 0 = it is not */
  const struct beat *beat; /* the last, or NULL */
  const struct beat_verdict *verdict; /* by the last two, or NULL */
  uint64_t beats;
};
/* False: it is not there, or of no host of ours. */
bool eyes_look (const struct eyes *e, const char *uuid,
                struct eyes_look *ret);
void eyes_dump (const struct eyes *e, struct buf *out);

#endif
