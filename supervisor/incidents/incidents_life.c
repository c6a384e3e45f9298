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
 * Whether its guest is well again meanwhile is told in incidents_trouble.c
 * and changes nothing here: what was begun is brought to its bundle.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"
#include "supervisor/incidents/summary.h"
#include "supervisor/links/writer_link.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "diag/timeline.h"
#include "scenarios/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
static void collect (struct active *a);
static void give_up (struct active *a, const char *why);
static void pack (struct active *a, struct json_object *head);
static void close_without (struct active *a);

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
  struct incident_sink *sink = writer_link_incidents (a->all->env.writer);

  a->inc.rev++;
  a->inc.children = incident_children_json (a);
  a->awaited += done != NULL;
  sink->put (sink, &a->inc, done, arg);
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
      give_up (a, a->cancelled);
      return;
    }
  if (!a->guest)
    {
      give_up (a, "the daemon was restarted and the guest is not there");
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
      give_up (a, why);
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
      collect (a);
      return;
    }
  give_up (a, a->cancelled);
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

/* ---- collecting: the diagnosis ---- */

/* Of evidence, in all.  The writer's end keeps somewhat more: incidents and
 * bundles have a place of their own. */
#define EVIDENCE_AWAY (16u << 20)
#define LOG_BEFORE_MS (5 * 60 * 1000)

static void
on_file_stored (const struct error *err, struct json_object *answer,
                void *arg)
{
  struct active *a = answered (arg);

  /* Whose piece waits has nothing to do with whose was stored. */
  for (struct active *x = a->all->first; x; x = x->next)
    if (x->diagnosis)
      diagnosis_room (x->diagnosis);
  if (err && !a->file_error.code)
    {
      a->file_error = *err;
      log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
                 "incident %s: evidence was not stored: %s", a->inc.id,
                 error_text (err));
    }
}

static void
store_file (struct active *a, const char *name, uint64_t offset,
            const void *data, size_t len)
{
  struct incident_sink *sink = writer_link_incidents (a->all->env.writer);

  a->awaited++;
  sink->artifact (sink, a->inc.id, name, offset, data, len, on_file_stored,
                  a);
}

static void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  store_file (arg, name, offset, data, len);
}

static bool
on_room (size_t len, void *arg)
{
  const struct active *a = arg;

  return writer_link_kept (a->all->env.writer) + len <= EVIDENCE_AWAY;
}

static void
on_progress (unsigned n, unsigned total, const char *what, bool ended,
             const char *failure, void *arg)
{
  incident_watched_step (arg, n, total, what, ended, failure);
}

void
incident_conclude (struct active *a, struct json_object *head)
{
  a->inc.collected_wall_ms = clock_wall_ms ();
  if (incident_step (a, STEP_GIVEN_UP))
    pack (a, head);
  else
    json_object_put (head);
}

void
incident_call_off (struct active *a)
{
  if (a->life == LIFE_COLLECTING && a->diagnosis)
    diagnosis_stop (a->diagnosis, a->cancelled);
  else if (a->life == LIFE_WAITING)
    give_up (a, a->cancelled);
  /* Else the writer is asked, and when it has answered, it is seen. */
}

/* Says nothing of the guest. */
static bool
verdict_is_ours (const struct verdict *v)
{
  return strcmp (v->class_, "none") == 0 || strcmp (v->class_, "unknown") == 0
         || strcmp (v->class_, "console-busy") == 0
         || strcmp (v->class_, "probe-misconfigured") == 0;
}

bool
incident_is_look (const struct incident *inc)
{
  const struct outcome_code *code = outcome_code_find (inc->code);

  return code && code->flags & CODE_LOOK;
}

static bool
was_confirmed (const struct incident *inc)
{
  for (unsigned i = 0; i < inc->moments; i++)
    if (inc->timeline[i].kind == MOMENT_CONFIRMED)
      return true;
  return false;
}

bool
incident_in_doubt (const struct incident *inc)
{
  bool low = !inc->verdict.confidence[0]
             || strcmp (inc->verdict.confidence, "low") == 0;

  return low
         && (incident_is_by (inc, BY_KERNEL, CODE_KERNEL_EVENT)
             || (incident_is_look (inc) && !was_confirmed (inc)));
}

/* What was a suspicion is one no longer: something was found that the guest
 * has, or not.  Text that nothing else confirms stays one, and so does a look
 * of which the diagnosis knows no more. */
static void
settle (struct active *a)
{
  if (a->stand != STAND_SUSPECTED)
    return;
  if (verdict_is_ours (&a->inc.verdict))
    {
      a->stand = STAND_NOT;
      /* Looked at, it is well. */
      if (strcmp (a->inc.verdict.class_, "none") == 0)
        incident_moment (a, MOMENT_NEAR_MISS, NULL);
    }
  else if (!incident_in_doubt (&a->inc))
    {
      a->stand = STAND_FIRM;
      incident_moment (a, MOMENT_CONFIRMED, a->inc.verdict.class_);
      incidents_together (a->all, a);
    }
}

static void
on_diagnosed (const struct verdict *verdict, struct json_object *head,
              void *arg)
{
  struct active *a = arg;

  a->diagnosis = NULL;
  a->inc.verdict = *verdict;
  a->inc.collected_wall_ms = clock_wall_ms ();
  settle (a);
  if (!incident_step (a, STEP_JUDGED))
    json_object_put (head);
  else if (incident_is_told (a))
    {
      json_object_put (head);
      close_without (a);
    }
  else
    pack (a, head);
  incidents_pump (a->all);
}

static void
on_intend (const char *undo, diagnosis_answer_fn *fn, void *fn_arg, void *arg)
{
  incident_act_begins (arg, undo, fn, fn_arg);
}

static void
on_undone (const char *act, void *arg)
{
  incident_act_undone (arg, act);
}

static const struct diagnosis_ops diagnosis_callbacks = {
  .file = on_file,
  .room = on_room,
  .intend = on_intend,
  .undone = on_undone,
  .progress = on_progress,
  .done = on_diagnosed,
};

/* One that is not there any more may have been chosen because it types
 * nothing. */
static struct playbook *
named (const struct active *a, const char *playbook)
{
  const struct playbook_set *set = a->all->playbooks;
  struct playbook *p
      = playbook_find (set, playbook[0] ? playbook : playbook_default);

  if (p)
    return p;
  log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
             "incident %s: there is no playbook \"%s\" any more: %s is done "
             "in its place",
             a->inc.id, playbook, playbook_harmless);
  return playbook_find (set, playbook_harmless);
}

static void
collect (struct active *a)
{
  const struct cause cause
      = { a->inc.scenario, a->inc.code, a->inc.reason };
  struct diagnosis_env env = *a->all->env.diagnosis;
  struct error err = ERROR_INIT;

  env.turns = a->all->turns;
  if (diagnosis_start (&env, a->guest, &cause,
                       named (a, a->inc.playbook), &diagnosis_callbacks, a,
                       &a->diagnosis, &err)
      < 0)
    {
      give_up (a, error_text (&err));
      incidents_pump (a->all);
    }
}

void
incident_retell (struct active *a, const char *playbook,
                 const struct cause *cause)
{
  /* What asks for less takes nothing away of what was begun. */
  if (a->life == LIFE_COLLECTING
      && !diagnosis_retell (a->diagnosis, cause, named (a, playbook)))
    playbook = NULL;
  incident_tell (&a->inc, playbook, cause);
  /* If we die now, the next daemon is not to take it for mere text. */
  incident_put (a);
}

static void
give_up (struct active *a, const char *why)
{
  struct json_object *head;
  struct verdict *v = &a->inc.verdict;

  if (!incident_step (a, STEP_GIVEN_UP))
    return;
  snprintf (v->class_, sizeof (v->class_), "unknown");
  snprintf (v->confidence, sizeof (v->confidence), "low");
  snprintf (v->sentence, sizeof (v->sentence), "%.200s: %.100s",
            a->inc.reason, why);
  settle (a);
  head = json_object_new_object ();
  json_add_str (head, "stopped", why);
  pack (a, head);
}

/* ---- packing: what there is becomes a bundle ---- */

static void
on_packed (const struct error *err, struct json_object *answer, void *arg)
{
  struct active *a = answered (arg);
  struct incidents *in = a->all;
  const char *path;

  if (!incident_step (a, STEP_PACKED))
    return;
  if (err)
    log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
               "incident %s could not be packed: %s", a->inc.id,
               error_text (err));
  else
    {
      path = json_get_str (answer, "path");
      snprintf (a->bundle, sizeof (a->bundle), "%s", path ? path : "");
      log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
                 "verdict=%s guest=\"%s\" incident=%s confidence=%s "
                 "bundle=%s: %s",
                 a->inc.verdict.class_, a->inc.guest, a->inc.id,
                 a->inc.verdict.confidence, a->bundle,
                 a->inc.verdict.sentence);
      incident_moment (a, MOMENT_PACKED, NULL);
      /* Nobody is called for what was but a suspicion. */
      if (strcmp (a->inc.verdict.class_, "none") != 0
          || !incident_is_look (&a->inc))
        incident_notify (a);
    }
  incident_put (a);
  incident_watched_end (a, err);
  incidents_pump (in);
}

static void
note_judged (struct active *a)
{
  incident_moment (a, MOMENT_JUDGED, a->inc.verdict.class_);
  /* Else the next daemon would take it for one that stands. */
  if (a->stand == STAND_NOT && a->inc.end == INCIDENT_NOT_ENDED)
    {
      a->inc.end = INCIDENT_CLOSED;
      a->inc.ended_wall_ms = clock_wall_ms ();
      incident_moment (a, MOMENT_CLOSED, NULL);
      if (a->inc.parent[0])
        incidents_apart (a->all, a);
    }
}

static void
close_without (struct active *a)
{
  struct incident_sink *sink = writer_link_incidents (a->all->env.writer);

  note_judged (a);
  incident_put (a);
  a->awaited++;
  sink->pack (sink, a->inc.id, NULL, on_packed, a);
}

static void
pack (struct active *a, struct json_object *head)
{
  struct incident_sink *sink = writer_link_incidents (a->all->env.writer);
  CLEANUP_BUF struct buf text = BUF_INIT (TIMELINE_BYTES);
  CLEANUP_BUF struct buf ansi = BUF_INIT (80u << 10);

  note_judged (a);
  incident_acts_impact (a, head);
  summary_text (&a->inc, head, &text);
  store_file (a, "summary.txt", 0, buf_str (&text), text.len);
  summary_ansi (buf_str (&text), &ansi);
  store_file (a, "summary.ansi", 0, buf_str (&ansi), ansi.len);
  buf_clear (&text);
  incident_tell_timeline (a, head, &text);
  store_file (a, "timeline.jsonl", 0, buf_str (&text), text.len);
  buf_clear (&text);
  /* Of the host's own incident: of all guests. */
  log_kept (a->inc.key[0] ? NULL : a->inc.inc.uuid,
            a->inc.opened_wall_ms > LOG_BEFORE_MS
                ? a->inc.opened_wall_ms - LOG_BEFORE_MS
                : 0,
            &text);
  if (text.len)
    store_file (a, "logs/hangdog.jsonl", 0, buf_str (&text), text.len);
  incident_put (a);
  a->inc.children = incident_children_json (a);
  json_object_object_add (head, "incident", incident_to_json (&a->inc));
  json_object_put (steal_ptr (&a->inc.children));
  a->awaited++;
  sink->pack (sink, a->inc.id, head, on_packed, a);
}
