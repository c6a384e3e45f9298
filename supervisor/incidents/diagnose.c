/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the collectors of a playbook.
 *
 * A collector fills a haul (haul.h) on its own thread.  Its evidence is handed
 * on while it comes; its facts are the ladder's when the job is back, or is
 * written off: what it had brought by then counts, and the rest is a gap.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/haul.h"
#include "supervisor/text/text.h"
#include "supervisor/watch/bindings.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "diag/ladder/ladder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FACTS 1024
#define MAX_KNOWN 256
#define FACTS_BYTES (160u << 10) /* as JSON */
#define EVENTS_BYTES (256u << 10)
/* A scenario that has the lane when a step wants it is done with it soon, and
 * the step is what the incident needs most. */
#define LANE_WAIT_MS 15000
#define LANE_RETRY_MS 100
#define TEXT_PAST_MS (60u * 60 * 1000)

/* One run of a collector; its job's until that is back.  What it brings is
 * not in here, but in the haul. */
struct visit
{
  struct collect_ctx ctx;
  const struct collector *collector;
  struct transport_env env;
  struct playbook *playbook; /* ctx.own is its */
  struct haul *haul;
  struct error err;
};

/* A step, and whose it is. */
struct todo
{
  struct playbook *playbook;
  const struct playbook_step *step;
};

struct diagnosis
{
  struct diagnosis_env env;
  const struct guest *guest;
  char scenario[64], code[32], sentence[200]; /* what brought us here */
  struct todo *steps;
  unsigned nsteps, at;
  const struct diagnosis_ops *ops;
  void *arg;
  uint64_t began_ms, step_ms;
  struct timer *retry; /* of a step whose lane is taken */
  struct fact *facts; /* samples: what the collectors brought */
  struct verdict_rules *rules;
  struct fact_set *set; /* the same for the judgement, by name */
  unsigned nfacts, facts_lost;
  struct fact *known; /* and what the house knew, one of each name */
  unsigned nknown;
  struct json_object *impact, *gaps, *collectors;
  char stopped[128];
  uint64_t failed_ms; /* of what_fails() */
  struct haul *haul; /* of the step that runs, or NULL */
  bool ordered;
};

static void next_step (struct diagnosis *dg);

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
  if (v->ctx.params)
    json_object_put (v->ctx.params);
  free (v);
}

static int
visit_run (struct job *job, void *arg)
{
  struct visit *v = arg;

  v->ctx.job = job;
  v->ctx.deadline = job_deadline (job);
  return v->collector->run (&v->ctx, &v->err);
}

static struct visit *
visit_new (struct diagnosis *dg, const struct todo *todo)
{
  struct visit *v = calloc (1, sizeof (*v));

  if (!v)
    return NULL;
  v->collector = todo->step->collector;
  v->env = *dg->env.transports;
  v->playbook = playbook_ref (todo->playbook);
  v->haul = haul_ref (dg->haul);
  v->ctx = (struct collect_ctx){
    .guest = guest_ref (dg->guest),
    .env = &v->env,
    .own = todo->step->own,
    .out = haul_out (dg->haul),
  };
  /* The network step asks where scenarios of this guest ask: nobody else knows
   * an address of a guest behind a user-mode network. */
  if (strcmp (v->collector->name, "net") == 0)
    v->ctx.params
        = bindings_addresses (dg->env.bindings, dg->guest->inc.uuid);
  return v;
}

/* ---- one step after another, on the loop ---- */

static void
note_collector (struct diagnosis *dg, const char *name, const char *failure)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "name", name);
  json_add_int (o, "took_ms",
                (int64_t) (loop_now (dg->env.loop) - dg->step_ms));
  json_add_bool (o, "ok", !failure);
  if (failure)
    json_add_text (o, "failure", failure, strlen (failure));
  json_object_array_add (dg->collectors, o);
}

static void
add_gap (struct diagnosis *dg, const char *collector, const char *what,
         const char *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "collector", collector);
  json_add_str (o, "what", what);
  json_add_text (o, "why", why, strlen (why));
  json_object_array_add (dg->gaps, o);
}

/* Takes from. */
static void
move_all (struct json_object *to, struct json_object *from)
{
  for (size_t i = 0; i < json_object_array_length (from); i++)
    json_object_array_add (
        to, json_object_get (json_object_array_get_idx (from, i)));
  json_object_put (from);
}

static void
add_fact (struct diagnosis *dg, const struct fact *f)
{
  if (dg->nfacts < MAX_FACTS)
    dg->facts[dg->nfacts++] = *f;
  else
    dg->facts_lost++;
}

static void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  struct diagnosis *dg = arg;

  dg->ops->file (name, offset, data, len, dg->arg);
}

/* Its facts are this diagnosis's own, and not told to the house: there they
 * would stand as what is, long after they were looked at.  True when it
 * brought anything. */
static bool
take_haul (struct diagnosis *dg)
{
  struct haul_end end;
  bool any;

  haul_close (dg->haul, &end);
  for (unsigned i = 0; i < end.nfacts; i++)
    add_fact (dg, &end.facts[i]);
  move_all (dg->impact, end.impact);
  move_all (dg->gaps, end.gaps);
  any = end.bytes > 0 || end.nfacts > 0;
  haul_unref (steal_ptr (&dg->haul));
  return any;
}

/* For the ladder: what was not looked at is not well. */
static void
add_failed (struct diagnosis *dg, const char *collector)
{
  struct fact f;

  fact_text (&f, &dg->guest->inc, "diagnosis.failed", "diagnosis", collector,
             strlen (collector));
  add_fact (dg, &f);
}

static void
step_over (struct diagnosis *dg, const char *lacks, const char *failure)
{
  const struct playbook_step *step = dg->steps[dg->at].step;
  const char *what = step->collector->name;

  note_collector (dg, what, failure);
  if (failure)
    {
      add_gap (dg, what, lacks, failure);
      add_failed (dg, what);
    }
  dg->ops->progress (dg->at + 1, dg->nsteps, step->name, true, failure,
                     dg->arg);
  dg->at++;
  next_step (dg);
}

static void
skip_step (struct diagnosis *dg, const char *why)
{
  step_over (dg, "all of it", why);
}

static void
step_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct diagnosis *dg = owner;
  struct visit *v = arg;
  char text[sizeof (v->err.msg)]
      = "it did not come back within its budget: something it asked is stuck";
  const char *lacks = take_haul (dg) ? "the rest of it" : "all of it";

  if (end == JOB_RETURNED)
    {
      snprintf (text, sizeof (text), "%s", error_text (&v->err));
      visit_free (v);
    }
  step_over (dg, lacks, end == JOB_DISCARDED || rc < 0 ? text : NULL);
}

static int
start_step (struct diagnosis *dg, const struct todo *todo, struct error *err)
{
  const struct collector *c = todo->step->collector;
  struct job_spec spec;
  struct visit *v;
  char name[64];
  int r = haul_new (dg->env.loop, c->name, on_file, dg, &dg->haul, err);

  if (r < 0)
    return r;
  v = visit_new (dg, todo);
  if (!v)
    {
      haul_unref (steal_ptr (&dg->haul));
      return error_set (err, ENOMEM, "no memory for the collector");
    }
  snprintf (name, sizeof (name), "collect %s", c->name);
  spec = (struct job_spec){
    .name = name,
    .guest = dg->guest->inc.uuid,
    .lane = c->lane,
    .timeout_ms = todo->step->budget_ms ? todo->step->budget_ms
                                        : c->budget_ms,
    .run = visit_run,
    .done = step_done,
    .free_arg = visit_free,
    .owner = dg,
    .arg = v,
  };
  r = job_start (dg->env.jobs, &spec, err);
  if (r < 0)
    {
      visit_free (v);
      haul_unref (steal_ptr (&dg->haul));
    }
  return r;
}

/* What its text told of long ago is no reason for how it is now; but a kernel
 * that panicked does not come back. */
static bool
is_long_past (const struct fact *f, uint64_t now)
{
  static const char *const passing[]
      = { "kernel.event.", "kernel.trouble.", "kernel.class", "kernel.title" };
  static const char *const staying[]
      = { "kernel.event.panic", "kernel.event.windows_stop",
          "kernel.event.hypervisor_crash" };

  if (now < f->time_ms + TEXT_PAST_MS)
    return false;
  for (unsigned i = 0; i < ARRAY_LEN (staying); i++)
    if (strcmp (f->name, staying[i]) == 0)
      return false;
  for (unsigned i = 0; i < ARRAY_LEN (passing); i++)
    if (strncmp (f->name, passing[i], strlen (passing[i])) == 0)
      return true;
  return false;
}

static void
know (const struct fact *f, void *arg)
{
  struct diagnosis *dg = arg;
  unsigned i = 0;

  if (is_long_past (f, clock_ms ())
      || !incarnation_equal (&f->inc, &dg->guest->inc))
    return;
  while (i < dg->nknown
         && (strcmp (dg->known[i].name, f->name) != 0
             || strcmp (dg->known[i].source, f->source) != 0))
    i++;
  if (i == MAX_KNOWN)
    dg->facts_lost++;
  else
    dg->known[i] = *f;
  if (i == dg->nknown && i < MAX_KNOWN)
    dg->nknown++;
}

/* At the begin, for the table forgets a guest that goes; and again at the end,
 * for what came meanwhile. */
static void
ask_house (struct diagnosis *dg)
{
  fact_each (dg->env.facts, dg->guest->inc.uuid, know, dg);
}

/* A sample is newer than what the same one had said of that before.  What
 * others say of it is another's word, and stays. */
static bool
was_sampled_since (const struct diagnosis *dg, const struct fact *f)
{
  for (unsigned i = 0; i < dg->nfacts; i++)
    if (dg->facts[i].time_ms >= f->time_ms
        && strcmp (dg->facts[i].name, f->name) == 0
        && strcmp (dg->facts[i].source, f->source) == 0)
      return true;
  return false;
}

static void
add_known_facts (struct diagnosis *dg)
{
  ask_house (dg);
  for (unsigned i = 0; i < dg->nknown; i++)
    if (!was_sampled_since (dg, &dg->known[i]))
      add_fact (dg, &dg->known[i]);
}

/* Read live, so also what the ring has not any more; now, when a report that
 * had only begun has come to its end. */
static void
add_text_events (struct diagnosis *dg)
{
  CLEANUP_BUF struct buf lines = BUF_INIT (EVENTS_BYTES);

  texts_events (dg->env.texts, dg->guest->inc.uuid, &lines);
  if (lines.len)
    dg->ops->file ("kernel/events.jsonl", 0, buf_str (&lines), lines.len,
                   dg->arg);
}

/* Takes o, if there is room for it: the head of a frame is bounded, and facts
 * may hold what a guest says. */
static bool
add_bounded (struct json_object *list, struct json_object *o, size_t *room)
{
  size_t len = 0;

  (void) json_object_to_json_string_length (o, JSON_C_TO_STRING_PLAIN, &len);
  if (len >= *room)
    {
      json_object_put (o);
      return false;
    }
  *room -= len + 1;
  json_object_array_add (list, o);
  return true;
}

/* Somebody ordered this, and a scenario of the guest fails: its outcome says
 * more than who ordered.  Looked at last, for it may have failed meanwhile. */
static void
what_fails (const struct binding_info *info, void *arg)
{
  struct diagnosis *dg = arg;

  if (!info->last || info->last->outcome != OUTCOME_FAILED
      || info->last_ms < dg->failed_ms)
    return;
  dg->failed_ms = info->last_ms;
  snprintf (dg->scenario, sizeof (dg->scenario), "%.63s",
            info->scenario->name);
  snprintf (dg->code, sizeof (dg->code), "%s", info->last->code);
  snprintf (dg->sentence, sizeof (dg->sentence), "%s", info->last->sentence);
}

static void
judge (struct diagnosis *dg)
{
  size_t room = FACTS_BYTES;
  unsigned left_out;
  struct json_object *head = json_object_new_object ();
  struct json_object *facts = json_object_new_array ();
  struct verdict verdict = { "" };
  struct ladder ladder;
  const struct cause cause = { dg->scenario, dg->code, dg->sentence };

  add_known_facts (dg);
  add_text_events (dg);
  if (dg->ordered)
    bindings_each (dg->env.bindings, dg->guest->inc.uuid, what_fails, dg);
  fact_set_fill (dg->set, dg->facts, dg->nfacts);
  ladder_climb (dg->rules, dg->set, &ladder);
  ladder_verdict (dg->rules, &ladder, dg->set, &cause, &verdict);
  left_out = dg->facts_lost;
  for (unsigned i = 0; i < dg->nfacts; i++)
    left_out += !add_bounded (facts, fact_to_json (&dg->facts[i]), &room);
  if (left_out)
    json_add_int (head, "facts_left_out", left_out);
  json_object_object_add (head, "guest", guest_to_json (dg->guest));
  json_object_object_add (head, "ladder", ladder_to_json (&ladder));
  json_object_object_add (head, "facts", facts);
  json_object_object_add (head, "impact", steal_ptr (&dg->impact));
  json_object_object_add (head, "gaps", steal_ptr (&dg->gaps));
  json_object_object_add (head, "collectors", steal_ptr (&dg->collectors));
  json_add_int (head, "took_ms",
                (int64_t) (loop_now (dg->env.loop) - dg->began_ms));
  if (dg->stopped[0])
    json_add_str (head, "stopped", dg->stopped);
  dg->ops->done (&verdict, head, dg->arg);
}

void
diagnosis_free (struct diagnosis *dg)
{
  if (!dg)
    return;
  if (dg->impact)
    json_object_put (dg->impact);
  if (dg->gaps)
    json_object_put (dg->gaps);
  if (dg->collectors)
    json_object_put (dg->collectors);
  if (dg->haul)
    haul_close (dg->haul, NULL);
  haul_unref (dg->haul);
  for (unsigned i = 0; i < dg->nsteps; i++)
    playbook_unref (dg->steps[i].playbook);
  free (dg->steps);
  timer_free (dg->retry);
  guest_unref (dg->guest);
  fact_set_free (dg->set);
  verdict_rules_unref (dg->rules);
  free (dg->facts);
  free (dg->known);
  free (dg);
}

static void
try_step (struct diagnosis *dg)
{
  uint64_t now = loop_now (dg->env.loop);
  struct error err = ERROR_INIT;

  if (start_step (dg, &dg->steps[dg->at], &err) == 0)
    return;
  if (err.code == EBUSY && now < dg->step_ms + LANE_WAIT_MS)
    timer_at (dg->retry, now + LANE_RETRY_MS);
  else
    skip_step (dg, error_text (&err));
}

static void
retry_due (struct timer *t, void *arg)
{
  struct diagnosis *dg = arg;

  if (dg->stopped[0])
    skip_step (dg, dg->stopped);
  else if (!registry_is_current (dg->env.registry, &dg->guest->inc))
    skip_step (dg, "the guest is not the one it was: not touched");
  else
    try_step (dg);
}

static void
next_step (struct diagnosis *dg)
{
  const struct playbook_step *step;

  if (dg->at >= dg->nsteps || dg->stopped[0])
    {
      judge (dg);
      diagnosis_free (dg);
      return;
    }
  step = dg->steps[dg->at].step;
  dg->step_ms = loop_now (dg->env.loop);
  dg->ops->progress (dg->at + 1, dg->nsteps, step->name, false, NULL, dg->arg);
  if (!registry_is_current (dg->env.registry, &dg->guest->inc)
      && step->collector->touch != TOUCH_NOTHING)
    skip_step (dg, "the guest is not the one it was: not touched");
  else
    try_step (dg);
}

static void
first_step (void *arg)
{
  ask_house (arg);
  next_step (arg);
}

static bool
has_step (const struct diagnosis *dg, const char *name)
{
  for (unsigned i = 0; i < dg->nsteps; i++)
    if (strcmp (dg->steps[i].step->name, name) == 0)
      return true;
  return false;
}

/* Those of it that there are not yet, behind the others; how many, or -1
 * without memory. */
static int
add_steps (struct diagnosis *dg, struct playbook *p)
{
  unsigned was = dg->nsteps;
  struct todo *steps
      = realloc (dg->steps, (was + p->nsteps) * sizeof (*steps));

  if (!steps)
    return -1;
  dg->steps = steps;
  for (unsigned i = 0; i < p->nsteps; i++)
    if (!has_step (dg, p->steps[i].name))
      steps[dg->nsteps++]
          = (struct todo){ playbook_ref (p), &p->steps[i] };
  return (int) (dg->nsteps - was);
}

static void
set_cause (struct diagnosis *dg, const struct cause *cause)
{
  snprintf (dg->scenario, sizeof (dg->scenario), "%s", cause->scenario);
  snprintf (dg->code, sizeof (dg->code), "%s", cause->code);
  snprintf (dg->sentence, sizeof (dg->sentence), "%s", cause->sentence);
}

int
diagnosis_start (const struct diagnosis_env *env, const struct guest *g,
                 const struct cause *cause, struct playbook *playbook,
                 const struct diagnosis_ops *ops, void *arg,
                 struct diagnosis **ret, struct error *err)
{
  struct diagnosis *dg = calloc (1, sizeof (*dg));
  int r;

  if (dg)
    {
      dg->facts = calloc (MAX_FACTS, sizeof (*dg->facts));
      dg->known = calloc (MAX_KNOWN, sizeof (*dg->known));
    }
  if (!dg || !dg->facts || !dg->known || add_steps (dg, playbook) < 0
      || fact_set_new (MAX_FACTS, &dg->set, NULL) < 0)
    {
      diagnosis_free (dg);
      return error_set (err, ENOMEM, "no memory for a diagnosis");
    }
  dg->env = *env;
  dg->rules = verdict_rules_ref (env->rules);
  dg->guest = guest_ref (g);
  set_cause (dg, cause);
  dg->ops = ops;
  dg->arg = arg;
  dg->ordered = strcmp (cause->code, CODE_ORDERED) == 0;
  dg->began_ms = loop_now (env->loop);
  dg->impact = json_object_new_array ();
  dg->gaps = json_object_new_array ();
  dg->collectors = json_object_new_array ();
  r = loop_timer (env->loop, "diagnosis lane", retry_due, dg, &dg->retry, err);
  /* From the loop, so that the caller has *ret before anything happens. */
  if (r == 0 && loop_post (env->loop, first_step, dg, NULL) < 0)
    r = error_set (err, ENOMEM, "no memory for a diagnosis");
  if (r < 0)
    {
      diagnosis_free (dg);
      return r;
    }
  *ret = dg;
  return 0;
}

bool
diagnosis_retell (struct diagnosis *dg, const struct cause *cause,
                  struct playbook *playbook)
{
  set_cause (dg, cause);
  return add_steps (dg, playbook) > 0;
}

void
diagnosis_stop (struct diagnosis *dg, const char *why)
{
  snprintf (dg->stopped, sizeof (dg->stopped), "%s", why);
  if (dg->haul)
    job_stop (dg->env.jobs, dg->guest->inc.uuid);
}
