/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done to a guest and has to be undone.
 *
 * A collector says so before it acts (collect_out, diag/collector.h): the act
 * is in the incident's document, on disk, when it begins.  Whose collector did
 * not come to undo it, because it got stuck or the daemon died, is undone here:
 * by the undoer of that name, in a job, of the same life of the same guest, and
 * before that guest is diagnosed again.  A guest that does not let it happen is
 * asked again, less and less often, for it may come back, and sooner when it
 * shows life; some acts only so often; its next diagnosis does not wait for
 * that.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/haul.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 1000  /* its lane is taken */
#define FIRST_MS 5000 /* it failed; doubled each time */
#define MOST_MS 600000 /* unless its undoer has more patience */
/* So often it is tried before the guest is diagnosed again without it. */
#define TRIES_BEFORE 3

/* ---- a collector is about to act ---- */

struct intent
{
  struct active *a;
  char act[sizeof (((struct incident_act *) 0)->act)];
  diagnosis_answer_fn *fn;
  void *arg;
};

/* So long the guest has stood for it by now, or stood; at most: from when it
 * was on its way to the disk. */
static uint64_t
stood_ms (const struct incident_act *act)
{
  const struct collect_undoer *undoer = collect_undoer_find (act->act);
  uint64_t until = act->over_wall_ms ? act->over_wall_ms : clock_wall_ms ();

  return undoer && undoer->pauses && until > act->wall_ms
             ? until - act->wall_ms
             : 0;
}

static void
over (struct active *a, struct incident_act *act,
      enum incident_act_state state, const char *why)
{
  incident_act_over (act, state, why);
  /* What was dropped was not done, or nobody knows until when it was: see
   * all_stood(). */
  if (state == ACT_UNDONE)
    a->stood_ms += stood_ms (act);
  a->undo_tries = 0;
  a->undo_at_ms = 0;
  incident_put (a);
}

static void
on_intent_stored (const struct error *err, struct json_object *answer,
                  void *arg)
{
  struct intent *i = arg;
  struct incident_act *act = incident_act_open (&i->a->inc, i->act);

  incident_answered (i->a);
  if (!i->fn (err, i->arg) && act)
    over (i->a, act, ACT_DROPPED, INCIDENT_NOT_DONE ": too late");
  else if (err && act)
    over (i->a, act, ACT_DROPPED, INCIDENT_NOT_DONE ": it was not on disk");
  free (i);
}

/* Of another incident of that guest: what it was before is known there. */
static bool
open_elsewhere (const struct active *a, const char *act)
{
  for (struct active *x = a->all->first; x; x = x->next)
    if (x != a && strcmp (x->inc.inc.uuid, a->inc.inc.uuid) == 0
        && incident_act_open (&x->inc, act))
      return true;
  return false;
}

void
incident_act_begins (struct active *a, const char *undo,
                     diagnosis_answer_fn *fn, void *arg)
{
  struct error err = ERROR_INIT;
  struct intent *i = calloc (1, sizeof (*i));
  struct incident_act *act = NULL;

  if (!i)
    error_set (&err, ENOMEM, "no memory to remember an act");
  else if (incident_intend (&a->inc, undo, clock_wall_ms (), &act, &err) == 0
           && open_elsewhere (a, act->act))
    {
      incident_act_over (act, ACT_DROPPED, INCIDENT_NOT_DONE);
      error_set (&err, EBUSY, "an earlier change of it is not undone yet");
    }
  if (err.code)
    {
      fn (&err, arg);
      free (i);
      return;
    }
  *i = (struct intent){ .a = a, .fn = fn, .arg = arg };
  snprintf (i->act, sizeof (i->act), "%s", act->act);
  incident_put_then (a, on_intent_stored, i);
}

void
incident_act_undone (struct active *a, const char *name)
{
  struct incident_act *act = incident_act_open (&a->inc, name);

  if (act)
    over (a, act, ACT_UNDONE, NULL);
}

/* ---- and did not come to undo it ---- */

struct undoing /* the job's */
{
  const struct collect_undoer *undoer;
  struct collect_ctx ctx;
  struct json_object *undo;
  struct haul *haul;
  struct error err;
};

static void
undoing_free (void *arg)
{
  struct undoing *u = arg;

  if (!u)
    return;
  guest_unref (u->ctx.guest);
  haul_unref (u->haul);
  if (u->undo)
    json_object_put (u->undo);
  free (u);
}

static int
undoing_run (struct job *job, void *arg)
{
  struct undoing *u = arg;

  u->ctx.job = job;
  u->ctx.deadline = job_deadline (job);
  return u->undoer->run (&u->ctx, u->undo, &u->err);
}

static void
nothing_brought (const char *name, uint64_t offset, const void *data,
                 size_t len, void *arg)
{
}

static const struct haul_ops brings_nothing = { .file = nothing_brought };

static struct undoing *
undoing_new (struct active *a, const struct incident_act *act,
             const struct collect_undoer *undoer, const struct guest *g)
{
  const struct diagnosis_env *env = a->all->env.diagnosis;
  struct undoing *u = calloc (1, sizeof (*u));

  if (!u)
    return NULL;
  u->undoer = undoer;
  u->undo = json_tokener_parse (act->undo);
  u->ctx = (struct collect_ctx){ .guest = guest_ref (g),
                                 .env = env->transports,
                                 .scenario = "" };
  if (!u->undo
      || haul_new (a->all->env.loop, act->act, NULL, &brings_nothing, NULL,
                   &u->haul, NULL)
             < 0)
    {
      undoing_free (u);
      return NULL;
    }
  u->ctx.out = haul_out (u->haul);
  return u;
}

static void
drop (struct active *a, struct incident_act *act, const char *why)
{
  log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s: %s is not undone: %s", a->inc.guest,
             a->inc.id, act->act, why);
  over (a, act, ACT_DROPPED, why);
}

/* Often enough: what is left to do is a person's. */
static void
give_up (struct active *a, struct incident_act *act,
         const struct collect_undoer *undoer, const char *why)
{
  char text[sizeof act->why];

  snprintf (text, sizeof text, "tried %u times: %s", a->undo_tries,
            undoer->in_vain);
  log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s: %s is not undone, and not tried any "
             "more: %s; %s", a->inc.guest, a->inc.id, act->act, why, text);
  over (a, act, ACT_DROPPED, text);
}

static void
failed (struct active *a, struct incident_act *act, const char *why)
{
  const struct collect_undoer *undoer = collect_undoer_find (act->act);
  uint64_t most = undoer && undoer->most_ms ? undoer->most_ms : MOST_MS;
  uint64_t now = loop_now (a->all->env.loop), wait;

  if (undoer && undoer->tries && a->undo_tries + 1 >= undoer->tries)
    {
      a->undo_tries++;
      give_up (a, act, undoer, why);
      return;
    }
  wait = (uint64_t) FIRST_MS << (a->undo_tries < 16 ? a->undo_tries : 16);
  a->undo_tries++;
  a->undo_tried_ms = now;
  a->undo_at_ms = now + (wait < most ? wait : most);
  snprintf (act->why, sizeof (act->why), "%.119s", why);
  log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s: %s can't be undone (tried %u times): "
             "%s",
             a->inc.guest, a->inc.id, act->act, a->undo_tries, why);
}

static void
undoing_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct active *a = owner;
  struct undoing *u = arg;
  struct incident_act *act = incident_act_open (&a->inc, a->undoing);

  a->undoing[0] = '\0';
  if (act && end == JOB_RETURNED && rc == 0)
    {
      log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
                 "guest=\"%s\" incident=%s: %s is undone", a->inc.guest,
                 a->inc.id, act->act);
      over (a, act, ACT_UNDONE, "by hangdog itself, later");
    }
  else if (act)
    failed (a, act,
            end == JOB_RETURNED ? error_text (&u->err)
                                : "it did not come back within its budget");
  if (end == JOB_RETURNED)
    undoing_free (u);
  incidents_pump (a->all);
}

static int
start_undoing (struct active *a, const struct incident_act *act,
               const struct collect_undoer *undoer, const struct guest *g,
               struct error *err)
{
  struct undoing *u = undoing_new (a, act, undoer, g);
  char name[40];
  struct job_spec spec = {
    .name = name,
    .guest = g->inc.uuid,
    .lane = undoer->lane,
    .timeout_ms = undoer->budget_ms,
    .run = undoing_run,
    .done = undoing_done,
    .free_arg = undoing_free,
    .owner = a,
    .arg = u,
  };
  int r;

  if (!u)
    return error_set (err, ENOMEM, "no memory to undo an act");
  snprintf (name, sizeof (name), "undo %s", act->act);
  snprintf (a->undoing, sizeof (a->undoing), "%s", act->act);
  r = job_start (a->all->env.diagnosis->jobs, &spec, err);
  if (r < 0)
    {
      a->undoing[0] = '\0';
      undoing_free (u);
    }
  return r;
}

/* What it was done to is not there any more. */
static bool
is_past (const struct active *a, const struct collect_undoer *undoer,
         const struct guest *g)
{
  const struct incarnation *was = &a->inc.inc;

  return was->pid != g->inc.pid || was->start_time != g->inc.start_time
         || (!undoer->outlives_boot && was->boot != g->inc.boot);
}

/* One that is not found may yet be found after a start, and only then. */
static bool
may_be_found (const struct incidents *in)
{
  return loop_now (in->env.loop) < in->found_by_ms;
}

static void
undo_one (struct active *a, struct incident_act *act)
{
  const struct collect_undoer *undoer = collect_undoer_find (act->act);
  struct incidents *in = a->all;
  const struct guest *g CLEANUP_GUEST = NULL;
  struct error err = ERROR_INIT;
  int r;

  if (!undoer)
    {
      drop (a, act, "nobody here knows how");
      return;
    }
  if (registry_find (in->env.registry, a->inc.inc.uuid, &g, NULL) < 0)
    {
      if (!may_be_found (in))
        drop (a, act, "the guest is gone");
      return;
    }
  if (is_past (a, undoer, g))
    {
      drop (a, act, "the guest lives another life");
      return;
    }
  r = start_undoing (a, act, undoer, g, &err);
  if (r == -EBUSY || r == -EAGAIN)
    a->undo_at_ms = loop_now (in->env.loop) + BUSY_MS;
  else if (r < 0)
    failed (a, act, error_text (&err));
}

/* A guest that was booted again, or is gone, is not asked: what it had is
 * past. */
static bool
lives_on (const struct active *a, const struct incident_act *act)
{
  const struct collect_undoer *undoer = collect_undoer_find (act->act);
  const struct guest *g CLEANUP_GUEST = NULL;

  if (!undoer)
    return true;
  if (registry_find (a->all->env.registry, a->inc.inc.uuid, &g, NULL) < 0)
    return may_be_found (a->all);
  return !is_past (a, undoer, g);
}

/* Its collector is not at work any more. */
static bool
is_left (const struct active *a)
{
  return a->life != LIFE_COLLECTING && !a->undoing[0];
}

void
incidents_undo (struct incidents *in)
{
  uint64_t now = loop_now (in->env.loop), next = CLOCK_NEVER;

  for (struct active *a = in->first; a && in->known; a = a->next)
    {
      struct incident_act *act = incident_act_open (&a->inc, NULL);

      if (!act || !is_left (a))
        continue;
      if (now >= a->undo_at_ms || !lives_on (a, act))
        undo_one (a, act);
      if (a->undo_at_ms > now && a->undo_at_ms < next)
        next = a->undo_at_ms;
    }
  if (next < CLOCK_NEVER)
    timer_at (in->undo, next);
  else
    timer_stop (in->undo);
}

/* Who has more patience with a guest that is mute need not have it any more;
 * but a guest that now speaks and now does not has it no more often than one of
 * less patience. */
void
incidents_alive (struct incidents *in, const char *uuid)
{
  bool sooner = false;

  for (struct active *a = in->first; a; a = a->next)
    if (strcmp (a->inc.inc.uuid, uuid) == 0 && a->undo_tries
        && incident_act_open (&a->inc, NULL)
        && a->undo_at_ms > a->undo_tried_ms + MOST_MS)
      {
        a->undo_at_ms = a->undo_tried_ms + MOST_MS;
        sooner = true;
      }
  if (sooner)
    incidents_undo (in);
}

bool
incidents_undo_first (const struct incidents *in, const char *uuid)
{
  for (struct active *a = in->first; a; a = a->next)
    if (strcmp (a->inc.inc.uuid, uuid) == 0 && a->life != LIFE_COLLECTING
        && a->undo_tries < TRIES_BEFORE && incident_act_open (&a->inc, NULL))
      return true;
  return false;
}

static void
undo_due (struct timer *t, void *arg)
{
  incidents_pump (arg);
}

int
incidents_acts_new (struct incidents *in, struct error *err)
{
  return loop_timer (in->env.loop, "acts to be undone", undo_due, in,
                     &in->undo, err);
}

void
incident_acts_recall (struct active *a)
{
  for (unsigned i = 0; i < a->inc.nacts; i++)
    if (a->inc.acts[i].state == ACT_UNDONE)
      a->stood_ms += stood_ms (&a->inc.acts[i]);
}

/* In all; false: it was stopped, and nobody saw it go on. */
static bool
all_stood (const struct active *a, uint64_t *ret)
{
  *ret = a->stood_ms;
  for (unsigned i = 0; i < a->inc.nacts; i++)
    {
      const struct incident_act *act = &a->inc.acts[i];

      if (act->state == ACT_DROPPED && incident_act_was_done (act)
          && stood_ms (act))
        return false;
      if (act->state == ACT_OPEN)
        *ret += stood_ms (act);
    }
  return true;
}

void
incident_acts_impact (const struct active *a, struct json_object *head)
{
  struct json_object *list = json_get (head, "impact");
  uint64_t stood;

  if (all_stood (a, &stood))
    json_add_int (head, "vm_paused_ms", (int64_t) stood);
  if (!list && a->inc.nacts)
    {
      list = json_object_new_array ();
      json_object_object_add (head, "impact", list);
    }
  for (unsigned i = 0; i < a->inc.nacts; i++)
    {
      const struct incident_act *act = &a->inc.acts[i];
      struct json_object *o;
      char text[240];

      /* What its collector undid itself it has told of. */
      if (act->state == ACT_UNDONE && !act->why[0])
        continue;
      o = json_object_new_object ();
      snprintf (text, sizeof (text), "%s: %s%s%s", act->act,
                act->state == ACT_OPEN ? "not undone yet"
                                       : incident_act_names[act->state],
                act->why[0] ? ": " : "", act->why);
      json_add_str (o, "collector", "undo");
      json_add_int (o, "wall_ms", (int64_t) clock_wall_ms ());
      json_add_text (o, "what", text, strlen (text));
      json_object_array_add (list, o);
    }
}
