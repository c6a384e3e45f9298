/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to haul*.c.
 */
#ifndef HANGDOG_SUPERVISOR_HAUL_IMPL_H
#define HANGDOG_SUPERVISOR_HAUL_IMPL_H

#include "supervisor/incidents/haul.h"

#include "base/error.h"
#include "base/fact.h"
#include "diag/incident.h"

#include <pthread.h>
#include <stdbool.h>

/* Why something of a file is not there. */
enum lack
{
  LACK_SIZE,  /* of one step */
  LACK_LIMIT, /* of all of them */
  LACK_TIME,  /* nobody took it */
  LACK_MAX,
};
#define HAUL_NAME 128
struct haul_file
{
  char name[HAUL_NAME];  /* as the collector calls it */
  char shown[HAUL_NAME]; /* as the bundle does */
  uint64_t size, lost;
  unsigned cut; /* 1 + enum lack: the rest of it is a gap */
};

/* On its way to the loop. */
struct piece
{
  struct piece *next;
  char name[HAUL_NAME];
  uint64_t offset;
  size_t len;
  char data[];
};

/* An act that the collector has asked for. */
enum ask_state
{
  ASK_NONE,
  ASK_WAITS,
  ASK_ANSWERED,
  ASK_LEFT, /* it waits for the answer no longer */
};

#define UNDONE_MAX 4

struct haul
{
  struct collect_out out;
  struct loop *loop;
  char collector[64], step[64];
  const struct haul_ops *ops; /* loop side */
  void *arg;
  struct haul_limit *limit;
  const struct job *job; /* the collector's side */

  pthread_mutex_t m; /* what follows */
  unsigned refs;
  pthread_cond_t taken;
  bool closed, woken, held; /* held: there was no room */
  struct piece *pieces, **pieces_end;
  size_t queued;
  struct haul_file files[HAUL_MAX_FILES];
  unsigned nfiles;
  uint64_t bytes;
  struct
  {
    char first[HAUL_NAME]; /* of its files */
    uint64_t bytes;
  } lost[LACK_MAX];
  struct fact facts[HAUL_MAX_FACTS];
  unsigned nfacts, facts_lost;
  /* The loop's, once it is closed. */
  struct json_object *impact, *gaps, *attached;
  struct
  {
    enum ask_state state;
    char undo[sizeof (((struct incident_act *) 0)->undo)];
    struct error err; /* the answer */
  } intent;
  char undone[UNDONE_MAX][sizeof (((struct incident_act *) 0)->act)];
  unsigned nundone;
};

/* Under the lock, which it leaves: for a while, or until the loop took. */
void haul_stand_locked (struct haul *h);
void haul_add_impact_locked (struct haul *h, uint64_t begun_ms,
                             const char *text);
/* Of what could not be posted to the loop any more: drops its reference. */
void haul_not_woken (void *arg);

/* ---- haul_limit.c ---- */

/* All of it or nothing.  Without a limit there always is room. */
bool haul_limit_take (struct haul_limit *l, size_t len);
/* dst, of HAUL_NAME: a name that no other file has, made of name and, where
 * that is taken, of step.  False: no memory. */
bool haul_limit_name (struct haul_limit *l, const char *name, const char *step,
                      char *dst);

/* ---- haul_acts.c ---- */

void haul_allow_acts (struct haul *h);
/* The loop's: what was undone, and is not told yet. */
void haul_tell_undone (struct haul *h);

#endif
