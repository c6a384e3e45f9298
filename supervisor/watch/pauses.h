/* SPDX-License-Identifier: Apache-2.0
 *
 * Pauses: what a person, or a controller, wants not to be checked for a while.
 * All of all guests, all of one, one scenario on all, or one on one.  They
 * outlive the daemon, and the host.
 *
 * A pause ends by the clock that goes on while the host is suspended and that
 * nobody can set; only over a boot of the host the wall clock has to do.  Loop
 * thread only.
 */
#ifndef HANGDOG_SUPERVISOR_PAUSES_H
#define HANGDOG_SUPERVISOR_PAUSES_H

#include "guests/guest.h"
#include "supervisor/links/kept.h"

#define PAUSES_MAX 256
#define PAUSE_LONGEST_S (31u * 24 * 60 * 60)

struct loop;
struct pauses;

struct pauses_env
{
  struct loop *loop;
  struct writer_link *writer; /* NULL: they end with us */
  /* Milliseconds of CLOCK_BOOTTIME and of the wall clock; NULL: the real
   * ones. */
  uint64_t (*boot_ms) (void *arg);
  uint64_t (*wall_ms) (void *arg);
  void *arg;
  const char *boot_id; /* of this boot of the host; NULL: the real one */
};
/* env is copied. */
int pauses_new (const struct pauses_env *env, struct pauses **ret,
                struct error *err);
void pauses_free (struct pauses *p);
void pauses_writer_up (struct pauses *p);

struct pause
{
  char uuid[UUID_TEXT]; /* "" = all guests */
  char guest[64];       /* as it was called then, for people */
  char scenario[64];    /* "" = all */
  char who[64];         /* "" = nobody said */
  char by[64];          /* whom the control socket knows: "uid 0 (pid 1)" */
  char reason[128];
  uint64_t since_wall_ms;
  uint64_t until_wall_ms; /* as of now */
  uint64_t left_ms;
};

/* The one that holds this scenario of this guest longest; false: none does. */
bool pauses_hold (struct pauses *p, const char *uuid, const char *scenario,
                  struct pause *ret);
/* From now on, for so long; that of the same guest and scenario is replaced.
 * what: its times do not matter; they are filled in. */
int pauses_add (struct pauses *p, struct pause *what, uint64_t seconds,
                struct error *err);
typedef void pause_fn (const struct pause *pause, void *arg);
/* Ends those that name this guest, or this scenario, or both; NULL: whatever
 * they name.  fn is told of each.  Returns how many. */
unsigned pauses_end (struct pauses *p, const char *uuid, const char *scenario,
                     pause_fn *fn, void *arg);
/* Behind either: puts them on disk.  done may be called before this
 * returns. */
void pauses_keep (struct pauses *p, kept_done_fn *done, void *arg);
void pauses_each (struct pauses *p, pause_fn *fn, void *arg);
/* "paused by NAME until TIME: reason" */
void pause_words (const struct pause *pause, char *dst, size_t n);

#endif
