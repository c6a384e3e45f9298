/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to incidents*.c: the list of incidents.
 */
#ifndef HANGDOG_SUPERVISOR_INCIDENTS_IMPL_H
#define HANGDOG_SUPERVISOR_INCIDENTS_IMPL_H

#include "supervisor/incidents.h"

#include "base/error.h"

struct diagnosis;
struct diagnosis_step;
struct standing;
struct timer;

#define MAX_INCIDENTS 256
/* Of them, those that people ordered and that are not packed yet: orders must
 * not leave troubles without a place. */
#define MAX_ORDERS 32
/* Stands in place of a scenario's name where the hypervisor spoke. */
#define BY_MONITOR "monitor"
#define FIND_GUESTS_MS 15000
/* A diagnosis that took the daemon with it this often is not begun again. */
#define MAX_ATTEMPTS 2

/* One incident as the daemon holds it. */
struct active
{
  struct incidents *all;
  struct active *next;
  struct incident inc;
  const struct guest *guest; /* as it was when it began; NULL after restart */
  bool durable, collecting, waiting, packing, order, stands;
  bool mute; /* its scenario could not be asked, again and again */
  struct diagnosis *diagnosis;
  struct diagnosis_step *steps; /* a copy: with parameters of this guest */
  unsigned nsteps;
  struct json_object *net_params;
  struct error file_error; /* the first file that could not be stored */
  char bundle[512], shipped[160];
  const struct incident_watch_ops *watch;
  void *watch_arg;
};

struct incidents
{
  struct daemon *d;
  struct active *first;
  unsigned count, collecting;
  struct standing *standing;
  struct timer *found;
  uint64_t found_by_ms; /* until then an incident waits for its guest */
  bool listing; /* the open ones were asked for */
  bool known;   /* what was there before this daemon is in the list: only now
                   is it sure that a trouble is a new one */
};

struct active *incidents_by_id (struct incidents *in, const char *id);
/* Forgets the oldest that only `status` still wants, when there are too
 * many. */
void incidents_make_room (struct incidents *in);
/* What became known meanwhile: writes the list down, and takes up the
 * failures that waited for it. */
void incidents_known (struct incidents *in);
void incidents_persist (struct incidents *in);
/* Trouble that this guest's state shows. */
void incidents_seen (struct incidents *in, const struct guest *g);
/* On the list; NULL when there are too many. */
struct active *incidents_new_one (struct incidents *in, const struct guest *g,
                                  const char *scenario, const char *playbook,
                                  const char *reason);
/* Has the writer put it on disk; then the diagnosis begins. */
void incidents_put_durable (struct active *a);
/* Starts what may start: oldest first. */
void incidents_pump (struct incidents *in);

#endif
