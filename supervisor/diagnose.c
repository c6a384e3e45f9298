/* SPDX-License-Identifier: Apache-2.0
 *
 * Running the collectors of a playbook.
 *
 * A collector fills a haul on its own thread; the loop gets the haul when the
 * job is back, hands the files on and keeps the facts for the ladder.  The
 * haul of a discarded job is lost, and that is itself a gap in the bundle.
 */
#include "supervisor/diagnose.h"
#include "supervisor/bindings.h"
#include "supervisor/daemon.h"
#include "supervisor/text.h"

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

#include <stdarg.h>
#include <string.h>

#define HAUL_MAX_FILES 64
#define HAUL_MAX_BYTES (8u << 20)
#define HAUL_MAX_FACTS 256
#define MAX_FACTS 1024
#define FACTS_BYTES (160u << 10) /* as JSON */
#define CHUNK (256u << 10)
/* A scenario that has the lane when a step wants it is done with it soon, and
 * the step is what the incident needs most. */
#define LANE_WAIT_MS 15000
#define LANE_RETRY_MS 100
#define TEXT_PAST_MS (60u * 60 * 1000)

struct haul_file
{
  char name[128];
  struct buf data;
};

/* What one collector brought; owned by its job until that is back. */
struct haul
{
  struct collect_out out;
  struct collect_ctx ctx;
  const struct collector *collector;
  struct transport_env env;
  struct haul_file files[HAUL_MAX_FILES];
  unsigned nfiles;
  size_t bytes;
  struct fact facts[HAUL_MAX_FACTS];
  unsigned nfacts;
  struct json_object *impact, *gaps; /* arrays */
  struct error err;
};

struct diagnosis
{
  struct daemon *d;
  const struct guest *guest;
  char scenario[64], code[32], sentence[200]; /* what brought us here */
  const struct diagnosis_step *steps;
  unsigned nsteps, at;
  const struct diagnosis_ops *ops;
  void *arg;
  uint64_t began_ms, step_ms;
  struct timer *retry; /* of a step whose lane is taken */
  struct fact *facts;
  unsigned nfacts;
  struct json_object *impact, *gaps, *collectors;
  char stopped[128];
  uint64_t failed_ms; /* of what_fails() */
  bool in_step, ordered;
};

static void next_step (struct diagnosis *dg);

/* ---- the haul, in the job's thread ---- */

/* A row of what a collector said, under that key. */
__attribute__ ((format (printf, 3, 0))) static struct json_object *
said (struct haul *h, const char *key, const char *fmt, va_list ap)
{
  struct json_object *o = json_object_new_object ();
  char text[256];

  vsnprintf (text, sizeof (text), fmt, ap);
  json_add_str (o, "collector", h->collector->name);
  json_add_text (o, key, text, strlen (text));
  return o;
}

static void
out_gap (struct collect_out *out, const char *what, const char *fmt, ...)
{
  struct haul *h = container_of (out, struct haul, out);
  struct json_object *o;
  va_list ap;

  va_start (ap, fmt);
  o = said (h, "why", fmt, ap);
  va_end (ap);
  json_add_text (o, "what", what, strlen (what));
  json_object_array_add (h->gaps, o);
}

static void
out_impact (struct collect_out *out, const char *fmt, ...)
{
  struct haul *h = container_of (out, struct haul, out);
  struct json_object *o;
  va_list ap;

  va_start (ap, fmt);
  o = said (h, "what", fmt, ap);
  va_end (ap);
  json_add_int (o, "wall_ms", (int64_t) clock_wall_ms ());
  json_object_array_add (h->impact, o);
}

static void
out_file (struct collect_out *out, const char *name, const void *data,
          size_t len)
{
  struct haul *h = container_of (out, struct haul, out);
  struct haul_file *f = NULL;

  for (unsigned i = 0; i < h->nfiles; i++)
    if (strcmp (h->files[i].name, name) == 0)
      f = &h->files[i];
  if (!f && h->nfiles < HAUL_MAX_FILES
      && strlen (name) < sizeof (f->name))
    {
      f = &h->files[h->nfiles++];
      memset (f, 0, sizeof (*f));
      memcpy (f->name, name, strlen (name) + 1);
      f->data.max = HAUL_MAX_BYTES;
    }
  if (!f || h->bytes + len > HAUL_MAX_BYTES)
    {
      out_gap (out, name, "more than %u MiB or %u files in one step",
               HAUL_MAX_BYTES >> 20, HAUL_MAX_FILES);
      return;
    }
  buf_append (&f->data, data, len);
  h->bytes += len;
}

static void
out_fact (struct collect_out *out, const struct fact *fact)
{
  struct haul *h = container_of (out, struct haul, out);

  if (h->nfacts < HAUL_MAX_FACTS)
    h->facts[h->nfacts++] = *fact;
}

static void
haul_free (void *arg)
{
  struct haul *h = arg;

  if (!h)
    return;
  for (unsigned i = 0; i < h->nfiles; i++)
    buf_done (&h->files[i].data);
  json_object_put (h->impact);
  json_object_put (h->gaps);
  guest_unref (h->ctx.guest);
  if (h->ctx.params)
    json_object_put (h->ctx.params);
  free (h);
}

static struct haul *
haul_new (struct diagnosis *dg, const struct collector *c,
          const struct diagnosis_step *step)
{
  struct haul *h = calloc (1, sizeof (*h));

  if (!h)
    return NULL;
  h->out = (struct collect_out){
    .file = out_file,
    .fact = out_fact,
    .impact = out_impact,
    .gap = out_gap,
  };
  h->collector = c;
  h->env = dg->d->env;
  h->impact = json_object_new_array ();
  h->gaps = json_object_new_array ();
  h->ctx = (struct collect_ctx){
    .guest = guest_ref (dg->guest),
    .env = &h->env,
    .out = &h->out,
  };
  /* A copy: json-c counts without atomics, and a job that is written off puts
   * it on its own thread. */
  if (step->params)
    json_object_deep_copy (step->params, &h->ctx.params, NULL);
  return h;
}

static int
haul_run (struct job *job, void *arg)
{
  struct haul *h = arg;

  h->ctx.job = job;
  h->ctx.deadline = job_deadline (job);
  return h->collector->run (&h->ctx, &h->err);
}

/* ---- one step after another, on the loop ---- */

static void
note_collector (struct diagnosis *dg, const char *name, const char *failure)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "name", name);
  json_add_int (o, "took_ms",
                (int64_t) (loop_now (dg->d->loop) - dg->step_ms));
  json_add_bool (o, "ok", !failure);
  if (failure)
    json_add_text (o, "failure", failure, strlen (failure));
  json_object_array_add (dg->collectors, o);
}

static void
add_gap (struct diagnosis *dg, const char *collector, const char *why)
{
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "collector", collector);
  json_add_str (o, "what", "all of it");
  json_add_text (o, "why", why, strlen (why));
  json_object_array_add (dg->gaps, o);
}

static void
move_all (struct json_object *to, struct json_object *from)
{
  for (size_t i = 0; i < json_object_array_length (from); i++)
    json_object_array_add (
        to, json_object_get (json_object_array_get_idx (from, i)));
}

static void
take_haul (struct diagnosis *dg, struct haul *h)
{
  for (unsigned i = 0; i < h->nfiles; i++)
    for (size_t off = 0; off < h->files[i].data.len; off += CHUNK)
      {
        size_t n = h->files[i].data.len - off;

        dg->ops->file (h->files[i].name, off, h->files[i].data.data + off,
                       n < CHUNK ? n : CHUNK, dg->arg);
      }
  for (unsigned i = 0; i < h->nfacts; i++)
    {
      fact_publish (dg->d->bus, &h->facts[i]);
      if (dg->nfacts < MAX_FACTS)
        dg->facts[dg->nfacts++] = h->facts[i];
    }
  move_all (dg->impact, h->impact);
  move_all (dg->gaps, h->gaps);
}

/* For the ladder: what was not looked at is not well. */
static void
add_failed (struct diagnosis *dg, const char *collector)
{
  if (dg->nfacts < MAX_FACTS)
    fact_text (&dg->facts[dg->nfacts++], &dg->guest->inc, "diagnosis.failed",
               "diagnosis", collector, strlen (collector));
}

static void
step_over (struct diagnosis *dg, const char *failure)
{
  const struct diagnosis_step *step = &dg->steps[dg->at];

  note_collector (dg, step->collector, failure);
  if (failure)
    {
      add_gap (dg, step->collector, failure);
      add_failed (dg, step->collector);
    }
  dg->ops->progress (dg->at + 1, dg->nsteps, step->collector, true, failure,
                     dg->arg);
  dg->at++;
  next_step (dg);
}

static void
step_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct diagnosis *dg = owner;
  struct haul *h = arg;
  char text[sizeof (h->err.msg)];

  dg->in_step = false;
  if (end == JOB_DISCARDED)
    {
      step_over (dg, "it did not come back within its budget: something it "
                     "asked is stuck");
      return;
    }
  take_haul (dg, h);
  snprintf (text, sizeof (text), "%s", error_text (&h->err));
  haul_free (h);
  step_over (dg, rc < 0 ? text : NULL);
}

static int
start_step (struct diagnosis *dg, const struct collector *c,
            const struct diagnosis_step *step, struct error *err)
{
  struct haul *h = haul_new (dg, c, step);
  struct job_spec spec;
  char name[64];
  int r;

  if (!h)
    return error_set (err, ENOMEM, "no memory for the collector");
  snprintf (name, sizeof (name), "collect %s", c->name);
  spec = (struct job_spec){
    .name = name,
    .guest = dg->guest->inc.uuid,
    .lane = c->lane,
    .timeout_ms = step->budget_ms ? step->budget_ms : c->budget_ms,
    .run = haul_run,
    .done = step_done,
    .free_arg = haul_free,
    .owner = dg,
    .arg = h,
  };
  r = job_start (dg->d->jobs, &spec, err);
  if (r < 0)
    haul_free (h);
  else
    dg->in_step = true;
  return r;
}

/* What its text told of long ago is no reason for how it is now; but a kernel
 * that panicked does not come back. */
static bool
is_long_past (const struct fact *f, uint64_t now)
{
  static const char *const passing[]
      = { "kernel.event.", "kernel.trouble.", "kernel.class", "kernel.title" };

  if (now < f->time_ms + TEXT_PAST_MS
      || strcmp (f->name, "kernel.event.panic") == 0)
    return false;
  for (unsigned i = 0; i < ARRAY_LEN (passing); i++)
    if (strncmp (f->name, passing[i], strlen (passing[i])) == 0)
      return true;
  return false;
}

static void
add_known_fact (const struct fact *f, void *arg)
{
  struct diagnosis *dg = arg;

  if (dg->nfacts < MAX_FACTS && !is_long_past (f, clock_ms ())
      && incarnation_equal (&f->inc, &dg->guest->inc))
    dg->facts[dg->nfacts++] = *f;
}

/* Read live, so also what the ring has not any more; now, when a report that
 * had only begun has come to its end. */
static void
add_text_events (struct diagnosis *dg)
{
  CLEANUP_BUF struct buf lines = BUF_INIT (CHUNK);

  texts_events (dg->d->texts, dg->guest->inc.uuid, &lines);
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
  unsigned left_out = 0;
  struct json_object *head = json_object_new_object ();
  struct json_object *facts = json_object_new_array ();
  struct verdict verdict = { "" };
  struct ladder ladder;
  const struct cause cause = { dg->scenario, dg->code, dg->sentence };

  /* What the house knew before counts too; of two facts of one name the
   * later decides. */
  fact_each (dg->d->facts, dg->guest->inc.uuid, add_known_fact, dg);
  add_text_events (dg);
  if (dg->ordered)
    bindings_each (dg->d->bindings, dg->guest->inc.uuid, what_fails, dg);
  ladder_climb (dg->facts, dg->nfacts, &ladder);
  ladder_verdict (&ladder, dg->facts, dg->nfacts, &cause, &verdict);
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
                (int64_t) (loop_now (dg->d->loop) - dg->began_ms));
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
  timer_free (dg->retry);
  guest_unref (dg->guest);
  free (dg->facts);
  free (dg);
}

static void
try_step (struct diagnosis *dg)
{
  const struct diagnosis_step *step = &dg->steps[dg->at];
  uint64_t now = loop_now (dg->d->loop);
  struct error err = ERROR_INIT;

  if (start_step (dg, collector_find (step->collector), step, &err) == 0)
    return;
  if (err.code == EBUSY && now < dg->step_ms + LANE_WAIT_MS)
    timer_at (dg->retry, now + LANE_RETRY_MS);
  else
    step_over (dg, error_text (&err));
}

static void
retry_due (struct timer *t, void *arg)
{
  struct diagnosis *dg = arg;

  if (dg->stopped[0])
    step_over (dg, dg->stopped);
  else if (!registry_is_current (dg->d->registry, &dg->guest->inc))
    step_over (dg, "the guest is not the one it was: not touched");
  else
    try_step (dg);
}

static void
next_step (struct diagnosis *dg)
{
  const struct diagnosis_step *step;
  const struct collector *c;

  if (dg->at >= dg->nsteps || dg->stopped[0])
    {
      judge (dg);
      diagnosis_free (dg);
      return;
    }
  step = &dg->steps[dg->at];
  dg->step_ms = loop_now (dg->d->loop);
  dg->ops->progress (dg->at + 1, dg->nsteps, step->collector, false, NULL,
                     dg->arg);
  c = collector_find (step->collector);
  if (!c)
    step_over (dg, "this build has no such collector");
  else if (!registry_is_current (dg->d->registry, &dg->guest->inc)
           && c->touch != TOUCH_NOTHING)
    step_over (dg, "the guest is not the one it was: not touched");
  else
    try_step (dg);
}

static void
first_step (void *arg)
{
  next_step (arg);
}

int
diagnosis_start (struct daemon *d, const struct guest *g,
                 const struct cause *cause,
                 const struct diagnosis_step *steps, unsigned nsteps,
                 const struct diagnosis_ops *ops, void *arg,
                 struct diagnosis **ret, struct error *err)
{
  struct diagnosis *dg = calloc (1, sizeof (*dg));
  int r;

  if (dg)
    dg->facts = calloc (MAX_FACTS, sizeof (*dg->facts));
  if (!dg || !dg->facts)
    {
      free (dg);
      return error_set (err, ENOMEM, "no memory for a diagnosis");
    }
  dg->d = d;
  dg->guest = guest_ref (g);
  snprintf (dg->scenario, sizeof (dg->scenario), "%s", cause->scenario);
  snprintf (dg->code, sizeof (dg->code), "%s", cause->code);
  snprintf (dg->sentence, sizeof (dg->sentence), "%s", cause->sentence);
  dg->steps = steps;
  dg->nsteps = nsteps;
  dg->ops = ops;
  dg->arg = arg;
  dg->ordered = strcmp (cause->code, CODE_ORDERED) == 0;
  dg->began_ms = loop_now (d->loop);
  dg->impact = json_object_new_array ();
  dg->gaps = json_object_new_array ();
  dg->collectors = json_object_new_array ();
  r = loop_timer (d->loop, "diagnosis lane", retry_due, dg, &dg->retry, err);
  /* From the loop, so that the caller has *ret before anything happens. */
  if (r == 0 && loop_post (d->loop, first_step, dg, NULL) < 0)
    r = error_set (err, ENOMEM, "no memory for a diagnosis");
  if (r < 0)
    {
      diagnosis_free (dg);
      return r;
    }
  *ret = dg;
  return 0;
}

void
diagnosis_stop (struct diagnosis *dg, const char *why)
{
  snprintf (dg->stopped, sizeof (dg->stopped), "%s", why);
  if (dg->in_step)
    job_stop (dg->d->jobs, dg->guest->inc.uuid, NULL);
}
