/* SPDX-License-Identifier: Apache-2.0
 *
 * By which ways each guest can be reached: one row per guest and transport,
 * learnt from what checks find, from one first look that asks the guest
 * nothing, from `doctor`, and from the hypervisor's events.  It ends with what
 * was looked at: docs/architecture.md, "One life of a guest".  Loop thread
 * only.
 *
 * What is known here is for people.  Which way a check takes is not decided by
 * it: a way that failed once may work now.
 */
#ifndef HANGDOG_SUPERVISOR_REACH_H
#define HANGDOG_SUPERVISOR_REACH_H

#include "guests/registry.h"
#include "supervisor/watch/bindings.h"

struct buf;
struct error;
struct exam;
struct job_pool;
struct loop;
struct reach;
struct transport_env;

enum reach_state
{
  REACH_UNTRIED,  /* nobody was asked by it yet */
  REACH_ALIVE,    /* somebody answered */
  REACH_DEAD,     /* it is there, and nobody answers */
  REACH_UNUSABLE, /* the guest could not be asked by it */
  REACH_ABSENT,   /* the guest has no such thing */
  REACH_STATE_MAX,
};
extern const char *const reach_state_names[];

struct reach_env
{
  struct loop *loop;
  struct job_pool *jobs;
  struct guest_registry *registry;
  const struct transport_env *transports;
};
int reach_new (const struct reach_env *env, struct reach **ret,
               struct error *err);
/* When no job of its is left. */
void reach_free (struct reach *r);

void reach_guest (struct reach *r, enum guest_change change,
                  const struct guest *was, const struct guest *now);
void reach_event (struct reach *r, const struct guest *g,
                  enum guest_event event);
/* Of an outcome, the ways that it went. */
void reach_outcome (struct reach *r, const struct binding_info *info);
/* What `doctor` found. */
void reach_examined (struct reach *r, const struct exam *exam);

struct reach_row
{
  const char *way;
  enum reach_state state;
  const char *code, *sentence; /* sentence: escaped; both may be "" */
  const char *fix;             /* what mends it, or "" */
  const char *by;              /* who found out: "scenario up", "doctor" */
  uint64_t since_ms, tried_ms; /* loop_now(); 0 = never */
  uint64_t took_ms;            /* of the last answer */
};
/* In the order of the table of transports; nothing for a guest that is not
 * known. */
void reach_each (struct reach *r, const char *uuid,
                 void (*fn) (const struct reach_row *row, void *arg),
                 void *arg);
void reach_dump (const struct reach *r, struct buf *out);

#endif
