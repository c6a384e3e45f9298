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
#define APP_NAME 96
#define APPS_PLACES 3 /* where most threads wait */

struct app_place
{
  char what[80];
  unsigned threads;
};

struct app
{
  char key[96]; /* what groups it */
  char name[APP_NAME]; /* "web.service", "docker-0a1b2c3d4e5f (web)" */
  char cgroup[256];
  struct json_object *first;  /* its oldest process */
  struct json_object *worst;  /* the thread that stands for it */
  unsigned worth;             /* of that */
  bool alone; /* no unit, no container: one process */
  bool system; /* what every system has */
  enum app_tie tie;
  unsigned processes, threads, stopped, blocked, futex, ended, busy, iced;
  unsigned listening; /* threads that wait for what a peer sends */
  double ran; /* of a processor, its busiest thread */
  bool frozen, listens;
  long long port, waiting, room, files, max_files;
  long long oom_kills, used, max;
  double cpus; /* it may use so much of a processor; 0 = no bound */
  long long periods, throttled; /* between two looks */
  char full[80], writes[120]; /* a place without room, and its file there */
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
  bool sockets; /* all were looked for */
  bool missing; /* nobody listens where somebody was asked for */
};

int apps_read_ (const struct outside *o, const struct apps_asked *asked,
                struct apps *ret);
void apps_done_ (struct apps *a);
enum app_amiss app_amiss_ (const struct app *a);
/* The one behind the scenario; NULL = not known. */
const struct app *apps_behind_ (const struct apps *a, enum app_tie *ret_tie);

/* ---- whose it is (apps.c) ---- */

/* Any of the three may be "". */
void app_name_ (char dst[APP_NAME], const char *unit, const char *container,
                const char *runtime);
bool app_is_system_ (const char *unit);
bool app_is_asked_ (const struct apps_asked *asked, const char *unit,
                    const char *container);

/* ---- who is not there any more (apps_ended.c) ---- */

struct app_end
{
  struct ended e;
  char name[APP_NAME]; /* as of those that live; "" = not known whose */
  enum app_tie tie;    /* named, or not */
  bool system;
  long long restarts;
};
/* The one that counts; false: nobody. */
bool apps_ended_ (const struct apps *a, struct app_end *ret);
/* "shop.service, shop (214), crashed: segfault in libc.so.6" */
void app_end_text_ (const struct app_end *end, char *dst, size_t n);

/* ---- bounds of its control group, and room to write (apps_bounds.c) ---- */

void apps_bounds_ (struct apps *a);
/* In most periods it has used up what it may. */
bool app_is_throttled_ (const struct app *a);
struct app *apps_of_pid_ (struct apps *a, long long pid);

/* "futex", by its number and the kernel's kind; NULL = not known. */
const char *syscall_name (bool arm, long long nr);

#endif
