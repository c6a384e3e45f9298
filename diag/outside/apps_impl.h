/* SPDX-License-Identifier: Apache-2.0
 *
 * Applications of a look: those of one unit or container together, and any
 * process that is asked for by itself.
 */
#ifndef HANGDOG_DIAG_OUTSIDE_APPS_IMPL_H
#define HANGDOG_DIAG_OUTSIDE_APPS_IMPL_H

#include "diag/outside/apps.h"
#include "diag/outside/outside_impl.h"

#define APPS_MAX 512
#define APPS_PLACES 3 /* where most threads wait */

struct app_place
{
  char what[80];
  unsigned threads;
};

struct app
{
  char key[96]; /* what groups it */
  char name[80];      /* "shop.service", "docker 3b5c9e7f1a2d" */
  char cgroup[256];
  struct json_object *first;  /* its oldest process */
  struct json_object *worst;  /* the thread that stands for it */
  unsigned worth;             /* of that */
  bool alone; /* no unit, no container: one process */
  bool system; /* what every system has */
  enum app_tie tie;
  unsigned processes, threads, stopped, blocked, futex, ended, busy;
  double ran; /* of a processor, its busiest thread */
  bool frozen, listens;
  long long port, waiting, room, files, max_files;
  long long oom_kills, used, max;
  struct app_place places[APPS_PLACES];
  unsigned nplaces;
};

struct apps
{
  const struct outside *o;
  const struct apps_asked *asked;
  struct app *list;
  size_t n;
  uint32_t *of; /* of each task its app + 1; 0 = none */
  unsigned lookups;
  bool sockets; /* any was seen */
  bool missing; /* nobody listens where somebody was asked for */
};

int apps_read_ (const struct outside *o, const struct apps_asked *asked,
                struct apps *ret);
void apps_done_ (struct apps *a);
enum app_amiss app_amiss_ (const struct app *a);
/* The one behind the scenario; NULL = not known. */
const struct app *apps_behind_ (const struct apps *a, enum app_tie *ret_tie);

/* "futex", by its number and the kernel's kind; NULL = not known. */
const char *syscall_name (bool arm, long long nr);

#endif
