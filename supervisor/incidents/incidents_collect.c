/* SPDX-License-Identifier: Apache-2.0
 *
 * The diagnosis of an incident: its evidence goes to the writer while it
 * comes, and its verdict says whether what was a suspicion is one still.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "scenarios/scenario.h"

#include <string.h>

/* ---- evidence ---- */

/* Of evidence, in all.  The writer's end keeps somewhat more: incidents and
 * bundles have a place of their own. */
#define EVIDENCE_AWAY (16u << 20)

static void
on_file_stored (const struct error *err, struct json_object *answer,
                void *arg)
{
  struct active *a = arg;

  incident_answered (a);
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

void
incident_store_file (struct active *a, const char *name, uint64_t offset,
                     const void *data, size_t len)
{
  a->awaited++;
  writer_link_artifact (a->all->env.writer, a->inc.id, name, offset, data,
                        len, on_file_stored, a);
}

static void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  incident_store_file (arg, name, offset, data, len);
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

/* ---- what the verdict makes of it ---- */

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
void
incident_settle (struct active *a)
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

/* ---- the diagnosis ---- */

static void
on_diagnosed (const struct verdict *verdict, struct json_object *head,
              void *arg)
{
  struct active *a = arg;

  a->diagnosis = NULL;
  a->inc.verdict = *verdict;
  a->inc.collected_wall_ms = clock_wall_ms ();
  incident_settle (a);
  if (!incident_step (a, STEP_JUDGED))
    json_object_put (head);
  else if (incident_is_told (a))
    {
      json_object_put (head);
      incident_close_without (a);
    }
  else
    incident_pack (a, head);
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

void
incident_collect (struct active *a)
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
      incident_give_up (a, error_text (&err));
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
