/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a diagnosis, each a leg of its own: which of them run now.
 *
 * A collector fills a haul (haul.h) on its own thread.  Its evidence is handed
 * on while it comes; its facts are the ladder's when the job is back, or is
 * written off: what it had brought by then counts, and the rest is a gap.
 */
#include "supervisor/incidents/diagnose_impl.h"
#include "supervisor/incidents/haul.h"
#include "supervisor/watch/bindings.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A scenario that has the lane when a step wants it is done with it soon, and
 * the step is what the incident needs most. */
#define LANE_WAIT_MS 15000
/* One that got stuck in it may be done in a moment, or never. */
#define STUCK_WAIT_MS 3000
/* What was brought is worth waiting for a disk that is slow, but not for one
 * that hangs. */
#define DRAIN_MS 30000

/* One run of a collector; its job's until that is back.  What it brings is
 * not in here, but in the haul. */
struct visit
{
  struct collect_ctx ctx;
  const struct collector *collector;
  struct playbook *playbook; /* ctx.own is its */
  char scenario[64];
  struct haul *haul;
  struct error err;
};

/* ---- a visit, in the job's thread ---- */

static void
visit_free (void *arg)
{
  struct visit *v = arg;

  if (!v)
    return;
  haul_unref (v->haul);
  playbook_unref (v->playbook);
  guest_unref (v->ctx.guest);
  if (v->ctx.hints)
    json_object_put (v->ctx.hints);
  free (v);
}

static int
visit_run (struct job *job, void *arg)
{
  struct visit *v = arg;

  v->ctx.job = job;
  v->ctx.deadline = job_deadline (job);
  haul_job (v->haul, job);
  return v->collector->run (&v->ctx, &v->err);
}

static struct visit *
visit_new (const struct leg *leg)
{
  const struct diagnosis *dg = leg->dg;
  struct visit *v = calloc (1, sizeof (*v));

  if (!v)
    return NULL;
  v->collector = leg->step->collector;
  v->playbook = playbook_ref (leg->playbook);
  v->haul = haul_ref (leg->haul);
  v->ctx = (struct collect_ctx){
    .guest = guest_ref (dg->guest),
    .env = dg->env.transports,
    .own = leg->step->own,
    .step = leg->step->name,
    .out = haul_out (leg->haul),
  };
  /* Nobody else knows an address of a guest behind a user-mode network.  His
   * own: json-c counts without atomics. */
  v->ctx.hints = bindings_hints (dg->env.bindings, dg->guest->inc.uuid);
  snprintf (v->scenario, sizeof (v->scenario), "%s", dg->scenario);
  v->ctx.scenario = v->scenario;
  return v;
}

/* ---- the end of a leg, on the loop ---- */

static void
say_end (struct leg *leg, const char *failure, bool none)
{
  uint64_t now = loop_now (leg->dg->env.loop);
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "name", leg->step->name);
  json_add_int (o, "began_ms", (int64_t) (leg->began_ms - leg->dg->began_ms));
  json_add_int (o, "took_ms", (int64_t) (now - leg->began_ms));
  json_add_bool (o, "ok", !failure);
  json_add_int (o, "budget_ms", (int64_t) leg->plan.ms);
  json_add_str (o, "touch", collect_touch_names[leg->plan.touch]);
  json_add_int (o, "bytes", (int64_t) leg->bytes);
  if (leg->lost > 0)
    {
      struct json_object *cut = json_object_new_object ();

      json_add_int (cut, "orig_bytes", (int64_t) (leg->bytes + leg->lost));
      json_add_str (cut, "kept", "head");
      json_object_object_add (o, "truncated", cut);
    }
  if (leg->files)
    json_object_object_add (o, "files", steal_ptr (&leg->files));
  if (leg->late)
    json_add_bool (o, "timeout", true);
  if (failure)
    json_add_text (o, "failure", failure, strlen (failure));
  if (failure && none)
    json_add_bool (o, "none", true);
  leg->said = o;
}

static void
add_gap (struct leg *leg, const char *what, const char *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "collector", leg->step->collector->name);
  json_add_str (o, "what", what);
  json_add_text (o, "why", why, strlen (why));
  if (!leg->gaps)
    leg->gaps = json_object_new_array ();
  json_object_array_add (leg->gaps, o);
}

/* For the ladder: what was not looked at is not well. */
static void
add_failed (struct leg *leg)
{
  const char *name = leg->step->collector->name;
  struct fact f;

  fact_text (&f, &leg->dg->guest->inc, "diagnosis.failed", "diagnosis", name,
             strlen (name));
  diagnosis_add_fact (leg->dg, &f);
}

static unsigned
place_of (const struct leg *leg)
{
  unsigned i = 0;

  while (leg->dg->legs[i] != leg)
    i++;
  return i + 1;
}

static void
tell (const struct leg *leg, bool ended, const char *failure)
{
  const struct diagnosis *dg = leg->dg;

  dg->ops->progress (place_of (leg), dg->nlegs, leg->step->name, ended,
                     failure, dg->arg);
}

/* failure NULL: it did what it is there for; else `lacks` is not there.  none:
 * the guest has no such thing, and is not worse known for that. */
static void
end_leg (struct leg *leg, const char *lacks, const char *failure, bool none)
{
  leg->state = LEG_ENDED;
  say_end (leg, failure, none);
  if (failure)
    add_gap (leg, lacks, failure);
  if (failure && !none)
    add_failed (leg);
  tell (leg, true, failure);
}

/* It stays as long as the disk has not taken all of it. */
static void
let_haul_go (struct leg *leg)
{
  if (leg->haul && haul_pump (leg->haul))
    haul_unref (steal_ptr (&leg->haul));
}

/* Its facts are this diagnosis's own, and not told to the house: there they
 * would stand as what is, long after they were looked at.  True when it
 * brought anything. */
static bool
take_haul (struct leg *leg)
{
  struct haul_end end;
  bool any;

  haul_close (leg->haul, &end);
  for (unsigned i = 0; i < end.nfacts; i++)
    diagnosis_add_fact (leg->dg, &end.facts[i]);
  leg->impact = end.impact;
  leg->gaps = end.gaps;
  leg->files = end.files;
  leg->attached = end.attached;
  leg->cut = end.cut;
  leg->lost = end.lost;
  leg->bytes = end.bytes;
  any = end.bytes > 0 || end.nfacts > 0;
  let_haul_go (leg);
  return any;
}

static void
leg_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct leg *leg = owner;
  struct visit *v = arg;
  char text[sizeof (v->err.msg)]
      = "it did not come back within its budget: something it asked is stuck";
  const char *lacks = take_haul (leg) ? "the rest of it" : "all of it";

  leg->late = end == JOB_DISCARDED || rc == -ETIMEDOUT;
  if (end == JOB_RETURNED)
    {
      snprintf (text, sizeof (text), "%s", error_text (&v->err));
      visit_free (v);
    }
  end_leg (leg, lacks, end == JOB_DISCARDED || rc < 0 ? text : NULL,
           end == JOB_RETURNED && rc == -ENODEV);
  legs_go (leg->dg);
}

/* ---- its begin ---- */

static void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  struct leg *leg = arg;

  leg->dg->ops->file (name, offset, data, len, leg->dg->arg);
}

static bool
on_room (size_t len, void *arg)
{
  struct leg *leg = arg;

  return !leg->dg->ops->room || leg->dg->ops->room (len, leg->dg->arg);
}

static bool
intent_answered (const struct error *err, void *arg)
{
  struct haul *h = arg;
  bool taken = haul_answer (h, err);

  haul_unref (h);
  return taken;
}

static void
on_intend (struct haul *h, const char *undo, void *arg)
{
  const struct diagnosis *dg = ((struct leg *) arg)->dg;

  dg->ops->intend (undo, intent_answered, haul_ref (h), dg->arg);
}

static void
on_undone (const char *act, void *arg)
{
  const struct diagnosis *dg = ((struct leg *) arg)->dg;

  dg->ops->undone (act, dg->arg);
}

static const struct haul_ops haul_callbacks = {
  .file = on_file,
  .room = on_room,
  .intend = on_intend,
  .undone = on_undone,
};
/* Where nobody remembers. */
static const struct haul_ops haul_without_acts = {
  .file = on_file,
  .room = on_room,
};

static int
start_job (struct leg *leg, struct error *err)
{
  struct diagnosis *dg = leg->dg;
  struct visit *v = visit_new (leg);
  struct job_spec spec;
  uint64_t now = loop_now (dg->env.loop), ms = leg->plan.ms;
  char name[80];
  int r;

  if (!v)
    return error_set (err, ENOMEM, "no memory for the collector");
  snprintf (name, sizeof (name), "collect %s", leg->step->name);
  spec = (struct job_spec){
    .name = name,
    .guest = dg->guest->inc.uuid,
    .lane = leg->plan.lane,
    .timeout_ms = ms < dg->until_ms - now ? ms : dg->until_ms - now,
    .run = visit_run,
    .done = leg_done,
    .free_arg = visit_free,
    .owner = leg,
    .arg = v,
  };
  r = job_start (dg->env.jobs, &spec, err);
  if (r < 0)
    visit_free (v);
  return r;
}

static int
start_leg (struct leg *leg, struct error *err)
{
  struct diagnosis *dg = leg->dg;
  int r = haul_new (dg->env.loop, leg->step->collector->name, dg->limit,
                    dg->ops->intend ? &haul_callbacks : &haul_without_acts,
                    leg, &leg->haul, err);

  if (r < 0)
    return r;
  haul_step (leg->haul, leg->step->name);
  r = start_job (leg, err);
  if (r < 0)
    haul_unref (steal_ptr (&leg->haul));
  else
    leg->state = LEG_RUNS;
  return r;
}

/* Why it must not begin, whatever its lane says; NULL = it may. */
static const char *
forbidden (const struct leg *leg)
{
  const struct diagnosis *dg = leg->dg;

  if (leg->plan.touch != TOUCH_NOTHING
      && !registry_is_current (dg->env.registry, &dg->guest->inc))
    return "the guest is not the one it was: not touched";
  if (leg->plan.never[0])
    return leg->plan.never;
  if (loop_now (dg->env.loop) >= dg->until_ms)
    return "the time that the playbook allows was over";
  if (haul_limit_left (dg->limit) == 0)
    return "the bytes that the playbook allows were used up";
  return NULL;
}

/* As somebody wanted it: nothing is missing. */
static void
skip_leg (struct leg *leg, const char *failed)
{
  leg->state = LEG_ENDED;
  leg->said = json_object_new_object ();
  json_add_str (leg->said, "name", leg->step->name);
  json_add_str (leg->said, "skipped", failed);
}

static unsigned count (const struct diagnosis *dg, enum leg_state state);

/* Other diagnoses may have to come first. */
static bool
may_take_turn (struct leg *leg)
{
  bool may = turn_may (&leg->dg->turn, leg->step->collector->fades
                                           ? TURN_FADES
                                           : TURN_STAYS);

  /* It is not its lane that it waits for. */
  if (!may && leg->told)
    leg->began_ms = loop_now (leg->dg->env.loop);
  return may;
}

/* Until then it waits for its lane. */
static uint64_t
lane_until (const struct leg *leg)
{
  return leg->began_ms
         + (job_lane_stuck (leg->dg->env.jobs, leg->dg->guest->inc.uuid,
                            leg->plan.lane)
                ? STUCK_WAIT_MS
                : LANE_WAIT_MS);
}

/* Nothing before it has to end.  Where others have its lane, or all threads, or
 * it is their turn, it waits for them, and is asked again. */
static void
try_leg (struct leg *leg)
{
  struct diagnosis *dg = leg->dg;
  uint64_t now = loop_now (dg->env.loop);
  struct error err = ERROR_INIT;
  const char *why;

  if (!leg->told && !diagnosis_holds (dg, leg->step->when, &why))
    {
      skip_leg (leg, why);
      return;
    }
  why = forbidden (leg);
  if (!why && !may_take_turn (leg))
    return;
  if (!leg->told)
    {
      leg->told = true;
      leg->began_ms = now;
      tell (leg, false, NULL);
    }
  if (why)
    end_leg (leg, "all of it", why, why == leg->plan.never && leg->plan.none);
  else if (start_leg (leg, &err) == 0)
    turn_now (&dg->turn, true);
  else if ((err.code != EBUSY && err.code != EAGAIN)
           || now >= lane_until (leg))
    end_leg (leg, "all of it", error_text (&err), false);
}

/* ---- which of them, and when ---- */

/* What types at a guest, or changes it, is not looked at by anything else
 * meanwhile, and comes when all harmless evidence before it is there. */
static bool
goes_alone (const struct leg *leg)
{
  return leg->plan.touch == TOUCH_CONSOLE
         || leg->plan.touch == TOUCH_INTRUSIVE;
}

/* Steps begin in the order of the playbook, and run beside each other; but
 * for what goes alone, and who has a lane keeps it from those behind him.  A
 * condition looks at what all before it have found; and at nothing else, so
 * that it does not depend on who is faster: those behind wait for it. */
static bool
is_its_turn (const struct leg *leg)
{
  const struct leg *before;

  for (unsigned i = 0; (before = leg->dg->legs[i]) != leg; i++)
    if (before->state != LEG_ENDED
        && (goes_alone (leg) || goes_alone (before)
            || before->plan.lane == leg->plan.lane || leg->step->when
            || (before->step->when && before->state == LEG_WAITS)))
      return false;
  return true;
}

/* The next that may begin.  One whose lane others have is asked once. */
static struct leg *
next_leg (const struct diagnosis *dg, unsigned *from)
{
  for (; *from < dg->nlegs; ++*from)
    if (dg->legs[*from]->state == LEG_WAITS && is_its_turn (dg->legs[*from]))
      return dg->legs[(*from)++];
  return NULL;
}

static unsigned
count (const struct diagnosis *dg, enum leg_state state)
{
  unsigned n = 0;

  for (unsigned i = 0; i < dg->nlegs; i++)
    n += dg->legs[i]->state == state;
  return n;
}

/* Hauls that the disk has not taken. */
static unsigned
count_hauls (const struct diagnosis *dg)
{
  unsigned n = 0;

  for (unsigned i = 0; i < dg->nlegs; i++)
    n += dg->legs[i]->haul != NULL;
  return n;
}

static void
be_patient (struct diagnosis *dg)
{
  uint64_t first = dg->drain_ms ? dg->drain_ms : UINT64_MAX;

  for (unsigned i = 0; i < dg->nlegs; i++)
    if (dg->legs[i]->state == LEG_WAITS && dg->legs[i]->told
        && lane_until (dg->legs[i]) < first)
      first = lane_until (dg->legs[i]);
  if (first < UINT64_MAX)
    timer_at (dg->patience, first < dg->until_ms || dg->drain_ms
                                ? first
                                : dg->until_ms);
  else
    timer_stop (dg->patience);
}

static void
end_waiting (struct diagnosis *dg)
{
  for (unsigned i = 0; i < dg->nlegs; i++)
    if (dg->legs[i]->state == LEG_WAITS && dg->legs[i]->told)
      end_leg (dg->legs[i], "all of it", dg->stopped, false);
}

/* While nothing of it runs because it is others' turn, its budget stands. */
static void
let_budget_run (struct diagnosis *dg)
{
  uint64_t stood
      = dg->stands_ms ? loop_now (dg->env.loop) - dg->stands_ms : 0;

  if (dg->until_ms < CLOCK_NEVER - stood)
    dg->until_ms += stood;
  dg->stands_ms = 0;
}

static void
let_budget_stand (struct diagnosis *dg)
{
  if (dg->turn.waits != TURN_NOT_WAITING && count (dg, LEG_RUNS) == 0)
    dg->stands_ms = loop_now (dg->env.loop);
}

/* One that ends at once makes room for those behind it. */
static void
begin_legs (struct diagnosis *dg)
{
  unsigned ended, from;
  struct leg *leg;

  let_budget_run (dg);
  do
    {
      turn_now (&dg->turn, count (dg, LEG_RUNS) > 0);
      ended = count (dg, LEG_ENDED);
      from = 0;
      while ((leg = next_leg (dg, &from)))
        try_leg (leg);
    }
  while (count (dg, LEG_ENDED) > ended);
  let_budget_stand (dg);
}

/* All of the steps have ended: is what they brought where it belongs, or given
 * up? */
static bool
is_drained (struct diagnosis *dg)
{
  uint64_t now = loop_now (dg->env.loop), bytes;
  char text[120];

  if (count_hauls (dg) > 0 && !dg->drain_ms)
    dg->drain_ms = now + DRAIN_MS;
  if (count_hauls (dg) > 0 && now < dg->drain_ms)
    return false;
  for (unsigned i = 0; i < dg->nlegs; i++)
    if (dg->legs[i]->haul)
      {
        bytes = haul_drop (dg->legs[i]->haul);
        haul_unref (steal_ptr (&dg->legs[i]->haul));
        snprintf (text, sizeof (text),
                  "the disk is too slow: it had not taken %" PRIu64
                  " bytes after %u s",
                  bytes, DRAIN_MS / 1000);
        add_gap (dg->legs[i], "files", text);
      }
  return true;
}

void
legs_go (struct diagnosis *dg)
{
  bool all_ended;

  if (!dg->begun)
    return;
  for (unsigned i = 0; i < dg->nlegs; i++)
    if (dg->legs[i]->state == LEG_ENDED)
      let_haul_go (dg->legs[i]);
    else if (dg->legs[i]->haul)
      haul_pump (dg->legs[i]->haul);
  if (dg->stopped[0])
    {
      end_waiting (dg);
      turn_now (&dg->turn, count (dg, LEG_RUNS) > 0);
    }
  else
    begin_legs (dg);
  turn_pass (&dg->turn);
  all_ended = count (dg, LEG_RUNS) == 0
              && (dg->stopped[0] || count (dg, LEG_WAITS) == 0);
  if (!all_ended || !is_drained (dg))
    {
      be_patient (dg);
      return;
    }
  diagnosis_judge (dg);
  diagnosis_free (dg);
}

void
legs_lane_free (const char *guest, enum job_lane lane, void *arg)
{
  struct diagnosis *dg = arg;

  /* Not by guest and lane: anybody's end may be what a full pool waits for. */
  if (timer_armed (dg->patience))
    legs_go (dg);
}

void
legs_patience_ends (struct timer *t, void *arg)
{
  legs_go (arg);
}

void
legs_turn (void *arg)
{
  struct diagnosis *dg = arg;

  /* Not now: who tells is at his own legs. */
  timer_in (dg->patience, 0);
}
