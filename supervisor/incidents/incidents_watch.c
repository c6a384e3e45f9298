/* SPDX-License-Identifier: Apache-2.0
 *
 * Those who watch a diagnosis, and who call it off: a shell, a page and a
 * controller may look at the same one, come and go.
 */
#include "supervisor/incidents/incidents_impl.h"

#include "base/error.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was told, as it was told. */
struct told_step
{
  unsigned n, total;
  bool ended;
  char what[64], failure[120]; /* "" = it went well */
};
/* A playbook has fewer steps. */
#define MAX_TOLD 256

/* ---- watching ---- */

/* Without memory who comes later has less to see. */
static void
remember (struct active *a, const struct told_step *step)
{
  struct told_step *steps;

  if (a->nsteps == MAX_TOLD)
    return;
  steps = reallocarray (a->steps, a->nsteps + 1, sizeof (*steps));
  if (!steps)
    return;
  a->steps = steps;
  steps[a->nsteps++] = *step;
}

static void
tell_what_was (const struct active *a, const struct incident_watch_ops *ops,
               void *arg)
{
  const struct told_step *s = a->steps;

  for (unsigned i = 0; ops->progress && i < a->nsteps; i++, s++)
    ops->progress (s->n, s->total, s->what, s->ended,
                   s->failure[0] ? s->failure : NULL, arg);
}

void
incident_steps_forget (struct active *a)
{
  free (a->steps);
  a->steps = NULL;
  a->nsteps = 0;
}

int
incident_watch (struct active *a, const struct incident_watch_ops *ops,
                void *arg, struct error *err)
{
  struct watcher **p = &a->watchers;
  struct watcher *w;
  unsigned n = 0;

  for (; *p; p = &(*p)->next)
    n++;
  if (n >= MAX_WATCHERS)
    return error_set (err, EBUSY, "%u watch this diagnosis already", n);
  w = calloc (1, sizeof (*w));
  if (!w)
    return error_set (err, ENOMEM, "no memory to watch a diagnosis");
  *w = (struct watcher){ .ops = ops, .arg = arg };
  *p = w;
  return 0;
}

void
incident_watched_step (struct active *a, unsigned n, unsigned total,
                       const char *what, bool ended, const char *failure)
{
  struct told_step step = { .n = n, .total = total, .ended = ended };

  snprintf (step.what, sizeof (step.what), "%s", what ? what : "");
  snprintf (step.failure, sizeof (step.failure), "%s",
            failure ? failure : "");
  remember (a, &step);
  for (const struct watcher *w = a->watchers; w; w = w->next)
    if (w->ops->progress)
      w->ops->progress (n, total, what, ended, failure, w->arg);
}

void
incident_watched_end (struct active *a, const struct error *err)
{
  struct watcher *w;

  incident_steps_forget (a);
  /* Each is off the list before it is told: what it frees is not ours. */
  while ((w = a->watchers))
    {
      a->watchers = w->next;
      w->ops->packed (&a->inc, a->bundle, err, w->arg);
      free (w);
    }
}

void
incident_watchers_free (struct active *a)
{
  struct watcher *w;

  while ((w = a->watchers))
    {
      a->watchers = w->next;
      free (w);
    }
}

const char *
incidents_find (struct incidents *in, const char *id, const char *uuid)
{
  struct active *a = id ? incidents_by_id (in, id) : NULL;

  for (struct active *x = in->first; x && !a; x = x->next)
    if (uuid && x->life != LIFE_DONE && strcmp (x->inc.inc.uuid, uuid) == 0)
      a = x;
  return a ? a->inc.id : NULL;
}

static struct active *
must_be (struct incidents *in, const char *id, struct error *err)
{
  struct active *a = incidents_by_id (in, id);

  if (!a)
    error_set (err, ENOENT,
               "no incident %.40s is known to this run of the daemon", id);
  return a;
}

/* One that was packed, also by a daemon before this one, has ended. */
int
incidents_watch (struct incidents *in, const char *id,
                 const struct incident_watch_ops *ops, void *arg,
                 struct error *err)
{
  struct active *a = must_be (in, id, err);
  int r;

  if (!a)
    return -ENOENT;
  if (a->life == LIFE_DONE)
    {
      ops->packed (&a->inc, a->bundle, NULL, arg);
      return 0;
    }
  r = incident_watch (a, ops, arg, err);
  if (r == 0)
    tell_what_was (a, ops, arg);
  return r;
}

void
incidents_unwatch (struct incidents *in, const char *id, const void *arg)
{
  struct active *a = incidents_by_id (in, id);
  struct watcher **p, *w;

  if (!a)
    return;
  for (p = &a->watchers; *p && (*p)->arg != arg; p = &(*p)->next)
    ;
  w = *p;
  if (!w)
    return;
  *p = w->next;
  free (w);
}

/* ---- calling it off ---- */

int
incidents_cancel (struct incidents *in, const char *id, const char *by,
                  struct error *err)
{
  struct active *a = must_be (in, id, err);

  if (!a)
    return -ENOENT;
  if (a->life >= LIFE_PACKING)
    return error_set (err, EALREADY,
                      "the diagnosis of %s is over: `hangdog incidents` has "
                      "its verdict",
                      a->inc.guest);
  if (a->cancelled[0])
    return 0;
  snprintf (a->cancelled, sizeof (a->cancelled), "called off by %.90s", by);
  log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s: its diagnosis is %s", a->inc.guest,
             a->inc.id, a->cancelled);
  incident_call_off (a);
  return 0;
}
