/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of an incident, top down:
 *
 *   WRITING ──► WAITING ──► COUNTING ──► COLLECTING ──► PACKING ──► DONE
 *                │   ▲                       │             ▲ ▲        │
 *                │   │                       └── given up ─┘ │        │
 *                └───│────────────── given up ───────────────┘        │
 *                    └── taken up, after a restart ───────────────────┘
 *
 * Nothing is done about one before the writer has said that it is on disk.
 * At most `max_diagnoses` are looked at at once: of those that have begun the
 * steps take turns (turns.h), what is soon gone first of all of them.  Beyond
 * MAX_BEGUN they wait in order.
 * What is done in COLLECTING is in incidents_collect.c, in PACKING in
 * incidents_pack.c.
 * Whether its guest is well again meanwhile is told in incidents_trouble.c
 * and changes nothing here: what was begun is brought to its bundle.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>

/* ---- the steps ---- */

#define FROM(life) (1u << LIFE_##life)

static const struct
{
  const char *name;
  unsigned from; /* FROM(...), any of them */
  enum life to;
} ways[] = {
  [STEP_WRITTEN] = { "written", FROM (WRITING), LIFE_WAITING },
  [STEP_BEGUN] = { "begun", FROM (WAITING), LIFE_COUNTING },
  [STEP_COUNTED] = { "counted", FROM (COUNTING), LIFE_COLLECTING },
  [STEP_JUDGED] = { "judged", FROM (COLLECTING), LIFE_PACKING },
  [STEP_GIVEN_UP]
  = { "given up", FROM (WAITING) | FROM (COLLECTING), LIFE_PACKING },
  [STEP_PACKED] = { "packed", FROM (PACKING), LIFE_DONE },
  [STEP_TAKEN_UP] = { "taken up", FROM (DONE), LIFE_WAITING },
};

/* As others see it, and as it is on disk. */
static const enum incident_phase phases[] = {
  [LIFE_WRITING] = INCIDENT_OPEN,
  [LIFE_WAITING] = INCIDENT_OPEN,
  [LIFE_COUNTING] = INCIDENT_COLLECTING,
  [LIFE_COLLECTING] = INCIDENT_COLLECTING,
  [LIFE_PACKING] = INCIDENT_COLLECTING,
  [LIFE_DONE] = INCIDENT_PACKED,
};

bool
incident_step (struct active *a, enum step step)
{
  if (!(ways[step].from & 1u << a->life))
    {
      a->all->missteps++;
      log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
                 "incident %s can't be %s where it is (%s, %d): a mistake of "
                 "hangdog's own",
                 a->inc.id, ways[step].name,
                 incident_phase_names[a->inc.phase], a->life);
      return false;
    }
  a->life = ways[step].to;
  a->inc.phase = phases[a->life];
  return true;
}

static void begin (struct active *a);
static void on_counted (const struct error *put_err,
                        struct json_object *answer, void *arg);

/* ---- writing: it is on disk before anything is done about it ---- */

/* A writer that hangs on its disk is waited for so long: then the guest is
 * looked at all the same.  Nothing that would have to be undone is done to it
 * meanwhile: that waits for its own word on disk. */
#define DISK_MS 5000

static void
wait_for_disk (struct active *a)
{
  struct incidents *in = a->all;
  uint64_t now = loop_now (in->env.loop);

  a->disk_by_ms = a->late ? now : now + DISK_MS;
  if (!timer_armed (in->disk) || a->late)
    timer_at (in->disk, a->disk_by_ms);
}

/* Did the writer answer when it was not waited for any more? */
static bool
came_late (struct active *a, const struct error *err)
{
  if (a->late == 0)
    {
      a->disk_by_ms = 0;
      return false;
    }
  /* They come in order: what is waited for now is behind it. */
  if (--a->late == 0)
    log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid, "incident %s is %s",
               a->inc.id, err ? error_text (err) : "on disk after all");
  return true;
}

void
incident_answered (struct active *a)
{
  a->awaited--;
}

/* Whose answer it is. */
static struct active *
answered (void *arg)
{
  incident_answered (arg);
  return arg;
}

static void
on_durable (const struct error *err, struct json_object *answer, void *arg)
{
  struct active *a = answered (arg);

  if (came_late (a, err))
    return;
  /* A full disk must not keep us from looking: the evidence may still find
   * its place, and the verdict reaches the log. */
  if (err)
    log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
               "incident %s is not on disk: %s", a->inc.id,
               error_text (err));
  if (incident_step (a, STEP_WRITTEN))
    incidents_pump (a->all);
}

void
incident_put_then (struct active *a, incident_done_fn *done, void *arg)
{
  a->inc.rev++;
  a->inc.children = incident_children_json (a);
  a->awaited += done != NULL;
  writer_link_put (a->all->env.writer, &a->inc, done, arg);
  json_object_put (steal_ptr (&a->inc.children));
}

void
incidents_put_durable (struct active *a)
{
  wait_for_disk (a); /* its answer may be there at once */
  incident_put_then (a, on_durable, a);
}

void
incident_put (struct active *a)
{
  incident_put_then (a, NULL, NULL);
}

void
incident_moment (struct active *a, enum incident_moment_kind kind,
                 const char *what)
{
  incident_note (&a->inc, kind, clock_wall_ms (), what);
}

/* ---- waiting: for its turn, and for its guest after a restart ---- */

static unsigned
being_looked_at (const struct incidents *in)
{
  unsigned n = 0;

  for (const struct active *a = in->first; a; a = a->next)
    n += a->life == LIFE_COUNTING || a->life == LIFE_COLLECTING;
  return n;
}

/* After a restart its guest is found by and by, and operators' playbooks are
 * read by and by. */
static bool
may_begin (const struct active *a)
{
  const struct incidents *in = a->all;

  if (incident_is_of_host (&a->inc)
      || incidents_undo_first (in, a->inc.inc.uuid))
    return false;
  if (loop_now (in->env.loop) >= in->found_by_ms)
    return true;
  return a->guest
         && (in->playbooks_read
             || playbook_check (in->playbooks, a->inc.playbook, NULL) == 0);
}

static void
begin_next (struct incidents *in)
{
  struct active *oldest;

  while (being_looked_at (in) < in->max_begun)
    {
      oldest = NULL;
      for (struct active *a = in->first; a; a = a->next)
        if (a->life == LIFE_WAITING && may_begin (a))
          oldest = a; /* the list has the newest first */
      if (!oldest)
        return;
      begin (oldest);
    }
}

void
incidents_pump (struct incidents *in)
{
  incidents_undo (in);
  begin_next (in);
  incidents_judge_hosts (in);
}

/* ---- counting: if this attempt kills us, the next daemon knows ---- */

static void
begin (struct active *a)
{
  char why[96];

  if (a->cancelled[0])
    {
      incident_give_up (a, a->cancelled);
      return;
    }
  if (!a->guest)
    {
      incident_give_up (a,
                        "the daemon was restarted and the guest is not there");
      return;
    }
  if (a->inc.attempts >= MAX_ATTEMPTS)
    {
      snprintf (why, sizeof (why),
                "%u diagnoses of it did not come to an end: none is begun "
                "again",
                a->inc.attempts);
      log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid, "incident %s: %s",
                 a->inc.id, why);
      incident_give_up (a, why);
      return;
    }
  if (!incident_step (a, STEP_BEGUN))
    return;
  a->inc.attempts++;
  incident_moment (a, MOMENT_DIAGNOSING,
                   a->inc.playbook[0] ? a->inc.playbook : playbook_default);
  wait_for_disk (a);
  incident_put_then (a, on_counted, a);
}

static void
counted (struct active *a)
{
  if (!incident_step (a, STEP_COUNTED))
    return;
  if (!a->cancelled[0])
    {
      incident_collect (a);
      return;
    }
  incident_give_up (a, a->cancelled);
  incidents_pump (a->all);
}

/* Not on disk is said of the incident itself, and no reason not to look. */
static void
on_counted (const struct error *put_err, struct json_object *answer,
            void *arg)
{
  struct active *a = answered (arg);

  if (!came_late (a, put_err))
    counted (a);
}

static struct active *
longest_waiting (struct incidents *in)
{
  struct active *first = NULL;

  for (struct active *a = in->first; a; a = a->next)
    if (a->disk_by_ms && (!first || a->disk_by_ms < first->disk_by_ms))
      first = a;
  return first;
}

/* Whoever waits too long goes on; who began to wait by that is seen, too. */
static void
disk_due (struct timer *t, void *arg)
{
  struct incidents *in = arg;
  struct active *a;

  while ((a = longest_waiting (in))
         && a->disk_by_ms <= loop_now (in->env.loop))
    {
      a->disk_by_ms = 0;
      if (a->late++ == 0)
        log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
                   "incident %s is not on disk yet: the writer has not "
                   "answered for %u s; its guest is looked at all the same",
                   a->inc.id, DISK_MS / 1000);
      if (a->life == LIFE_WRITING && incident_step (a, STEP_WRITTEN))
        incidents_pump (in);
      else if (a->life == LIFE_COUNTING)
        counted (a);
    }
  if (a)
    timer_at (in->disk, a->disk_by_ms);
}

int
incidents_life_new (struct incidents *in, struct error *err)
{
  return loop_timer (in->env.loop, "incidents that are not on disk", disk_due,
                     in, &in->disk, err);
}

/* ---- given up: what there is becomes its bundle ---- */

void
incident_conclude (struct active *a, struct json_object *head)
{
  a->inc.collected_wall_ms = clock_wall_ms ();
  if (incident_step (a, STEP_GIVEN_UP))
    incident_pack (a, head);
  else
    json_object_put (head);
}

void
incident_call_off (struct active *a)
{
  if (a->life == LIFE_COLLECTING && a->diagnosis)
    diagnosis_stop (a->diagnosis, a->cancelled);
  else if (a->life == LIFE_WAITING)
    incident_give_up (a, a->cancelled);
  /* Else the writer is asked, and when it has answered, it is seen. */
}

void
incident_give_up (struct active *a, const char *why)
{
  struct json_object *head;
  struct verdict *v = &a->inc.verdict;

  if (!incident_step (a, STEP_GIVEN_UP))
    return;
  snprintf (v->class_, sizeof (v->class_), "unknown");
  snprintf (v->confidence, sizeof (v->confidence), "low");
  snprintf (v->sentence, sizeof (v->sentence), "%.200s: %.100s",
            a->inc.reason, why);
  incident_settle (a);
  head = json_object_new_object ();
  json_add_str (head, "stopped", why);
  incident_pack (a, head);
}
