/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of incidents.
 *
 * Nothing is done about one before the writer has said that it is on disk.
 * At most `max_diagnoses` collect at once; the others wait in order.
 */
#include "supervisor/incidents_impl.h"
#include "supervisor/daemon.h"
#include "supervisor/diagnose.h"
#include "supervisor/standing.h"
#include "supervisor/summary.h"
#include "supervisor/writer_link.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "base/units.h"

#include <string.h>

/* ---- the list ---- */

static void
active_free (struct active *a)
{
  diagnosis_free (a->diagnosis);
  guest_unref (a->guest);
  free (a->steps);
  if (a->net_params)
    json_object_put (a->net_params);
  free (a);
}

static void
active_remove (struct active *a)
{
  struct active **p = &a->all->first;

  while (*p != a)
    p = &(*p)->next;
  *p = a->next;
  a->all->count--;
  active_free (a);
}

struct active *
incidents_by_id (struct incidents *in, const char *id)
{
  for (struct active *a = in->first; a; a = a->next)
    if (strcmp (a->inc.id, id) == 0)
      return a;
  return NULL;
}

static struct active *
standing_of (struct incidents *in, const char *uuid)
{
  for (struct active *a = in->first; a; a = a->next)
    if (a->stands && strcmp (a->inc.inc.uuid, uuid) == 0)
      return a;
  return NULL;
}

/* Old ones that ended and were packed are only kept for `status`.  One that
 * the writer has still to answer for must stay: the answer comes back to it. */
void
incidents_make_room (struct incidents *in)
{
  struct active *oldest = NULL;

  if (in->count < MAX_INCIDENTS)
    return;
  for (struct active *a = in->first; a; a = a->next)
    if (!a->stands && !a->collecting && !a->packing && !a->waiting
        && a->durable)
      oldest = a; /* the list has the newest first */
  if (oldest)
    active_remove (oldest);
}

/* Whoever was not found by now will not be: what waits for it goes on
 * without. */
static void
found_due (struct timer *t, void *arg)
{
  incidents_pump (arg);
}

int
incidents_new (struct daemon *d, struct incidents **ret, struct error *err)
{
  struct incidents *in = calloc (1, sizeof (*in));
  int r;

  if (!in)
    return error_set (err, ENOMEM, "no memory for incidents");
  in->d = d;
  in->found_by_ms = loop_now (d->loop) + FIND_GUESTS_MS;
  r = standing_new (&in->standing, err);
  if (r == 0)
    r = loop_timer (d->loop, "guests of open incidents", found_due, in,
                    &in->found, err);
  if (r < 0)
    {
      incidents_free (in);
      return r;
    }
  timer_at (in->found, in->found_by_ms);
  *ret = in;
  return 0;
}

void
incidents_free (struct incidents *in)
{
  if (!in)
    return;
  while (in->first)
    active_remove (in->first);
  timer_free (in->found);
  standing_free (in->standing);
  free (in);
}

struct active *
incidents_new_one (struct incidents *in, const struct guest *g,
                   const char *scenario, const char *playbook,
                   const char *reason)
{
  struct active *a;

  incidents_make_room (in);
  if (in->count >= MAX_INCIDENTS || !(a = calloc (1, sizeof (*a))))
    return NULL;
  a->all = in;
  incident_new_id (a->inc.id);
  a->inc.inc = g->inc;
  snprintf (a->inc.guest, sizeof (a->inc.guest), "%s", g->display);
  snprintf (a->inc.scenario, sizeof (a->inc.scenario), "%.63s", scenario);
  snprintf (a->inc.reason, sizeof (a->inc.reason), "%.199s", reason);
  a->inc.phase = INCIDENT_OPEN;
  a->inc.opened_wall_ms = clock_wall_ms ();
  snprintf (a->inc.playbook, sizeof (a->inc.playbook), "%.31s", playbook);
  a->guest = guest_ref (g);
  a->next = in->first;
  in->first = a;
  in->count++;
  return a;
}

/* ---- packing ---- */

static void
on_packed (const struct error *err, struct json_object *answer, void *arg)
{
  struct active *a = arg;
  struct incidents *in = a->all;
  const char *path = json_get_str (answer, "path");

  a->packing = false;
  a->inc.phase = INCIDENT_PACKED;
  if (err)
    log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
               "incident %s could not be packed: %s", a->inc.id,
               error_text (err));
  else
    {
      snprintf (a->bundle, sizeof (a->bundle), "%s", path ? path : "");
      log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
                 "verdict=%s guest=\"%s\" incident=%s confidence=%s "
                 "bundle=%s: %s",
                 a->inc.verdict.class_, a->inc.guest, a->inc.id,
                 a->inc.verdict.confidence, a->bundle,
                 a->inc.verdict.sentence);
    }
  incidents_persist (in);
  if (a->watch)
    a->watch->packed (&a->inc, a->bundle, err, a->watch_arg);
  a->watch = NULL;
  incidents_pump (in);
}

static void
on_file_stored (const struct error *err, struct json_object *answer,
                void *arg)
{
  struct active *a = arg;

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
  struct incident_sink *sink = writer_link_incidents (a->all->d->writer);

  sink->artifact (sink, a->inc.id, name, offset, data, len, on_file_stored,
                  a);
}

static void
pack (struct active *a, struct json_object *head)
{
  struct incident_sink *sink = writer_link_incidents (a->all->d->writer);
  CLEANUP_BUF struct buf text = BUF_INIT (64u << 10);

  summary_text (&a->inc, head, &text);
  store_file (a, "summary.txt", 0, buf_str (&text), text.len);
  json_object_object_add (head, "incident", incident_to_json (&a->inc));
  a->packing = true;
  sink->put (sink, &a->inc, NULL, NULL);
  sink->pack (sink, a->inc.id, head, on_packed, a);
}

/* ---- the diagnosis ---- */

static void
on_file (const char *name, uint64_t offset, const void *data, size_t len,
         void *arg)
{
  store_file (arg, name, offset, data, len);
}

static void
on_progress (unsigned n, unsigned total, const char *what, bool ended,
             const char *failure, void *arg)
{
  struct active *a = arg;

  if (a->watch)
    a->watch->progress (n, total, what, ended, failure, a->watch_arg);
}

static bool
verdict_is_ours (const struct verdict *v)
{
  return strcmp (v->class_, "none") == 0 || strcmp (v->class_, "unknown") == 0
         || strcmp (v->class_, "console-busy") == 0
         || strcmp (v->class_, "probe-misconfigured") == 0;
}

static void
on_diagnosed (const struct verdict *verdict, struct json_object *head,
              void *arg)
{
  struct active *a = arg;

  a->diagnosis = NULL;
  a->collecting = false;
  a->all->collecting--;
  a->inc.verdict = *verdict;
  a->inc.collected_wall_ms = clock_wall_ms ();
  /* That we could not ask is told once; the guest is not called hung for it
   * unless something was found that it has. */
  if (a->mute && verdict_is_ours (verdict))
    a->stands = false;
  pack (a, head);
  incidents_pump (a->all);
}

static const struct diagnosis_ops diagnosis_callbacks = {
  .file = on_file,
  .progress = on_progress,
  .done = on_diagnosed,
};

/* The network step asks where scenarios of this guest ask: nobody else knows
 * an address of a guest behind a user-mode network. */
static void
copy_steps (struct active *a, const struct diagnosis_step *steps, unsigned n)
{
  a->net_params = bindings_addresses (a->all->d->bindings, a->inc.inc.uuid);
  a->steps = calloc (n, sizeof (*a->steps));
  if (!a->steps)
    return;
  memcpy (a->steps, steps, n * sizeof (*steps));
  a->nsteps = n;
  for (unsigned i = 0; i < n; i++)
    if (strcmp (a->steps[i].collector, "net") == 0 && !a->steps[i].params)
      a->steps[i].params = a->net_params;
}

static void
give_up (struct active *a, const char *why)
{
  struct json_object *head = json_object_new_object ();

  snprintf (a->inc.verdict.class_, sizeof (a->inc.verdict.class_), "unknown");
  snprintf (a->inc.verdict.confidence, sizeof (a->inc.verdict.confidence),
            "low");
  snprintf (a->inc.verdict.sentence, sizeof (a->inc.verdict.sentence),
            "%.200s: %.100s", a->inc.reason, why);
  json_add_str (head, "stopped", why);
  pack (a, head);
}

static void
not_collecting (struct active *a, const char *why)
{
  a->collecting = false;
  a->all->collecting--;
  give_up (a, why);
  incidents_pump (a->all);
}

/* The attempt is on disk: if it kills us, the next daemon knows. */
static void
on_attempt (const struct error *put_err, struct json_object *answer,
            void *arg)
{
  struct active *a = arg;
  const struct diagnosis_step *steps;
  struct error err = ERROR_INIT;
  unsigned n = 0;

  steps = playbook_steps (a->inc.playbook, &n);
  if (!steps)
    steps = playbook_steps ("standard", &n);
  copy_steps (a, steps, n);
  if (!a->steps)
    not_collecting (a, "no memory for a diagnosis");
  else if (diagnosis_start (a->all->d, a->guest, a->inc.scenario,
                            a->inc.reason, a->steps, a->nsteps,
                            &diagnosis_callbacks, a, &a->diagnosis, &err)
           < 0)
    not_collecting (a, error_text (&err));
}

static void
begin (struct active *a)
{
  struct incident_sink *sink = writer_link_incidents (a->all->d->writer);
  char why[96];

  a->waiting = false;
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
  a->inc.attempts++;
  a->inc.phase = INCIDENT_COLLECTING;
  a->collecting = true;
  a->all->collecting++;
  sink->put (sink, &a->inc, on_attempt, a);
}

void
incidents_pump (struct incidents *in)
{
  struct active *oldest;

  while (in->collecting < (unsigned) in->d->config.limits.max_diagnoses)
    {
      oldest = NULL;
      for (struct active *a = in->first; a; a = a->next)
        if (a->waiting && a->durable
            && (a->guest || loop_now (in->d->loop) >= in->found_by_ms))
          oldest = a;
      if (!oldest)
        return;
      begin (oldest);
    }
}

static void
on_durable (const struct error *err, struct json_object *answer, void *arg)
{
  struct active *a = arg;

  if (err)
    {
      /* A full disk must not keep us from looking: the evidence may still
       * find its place, and the verdict reaches the log. */
      log_guest (LOG_LEVEL_ERROR, a->inc.inc.uuid,
                 "incident %s is not on disk: %s", a->inc.id,
                 error_text (err));
    }
  a->durable = true;
  a->waiting = true;
  incidents_pump (a->all);
}

void
incidents_put_durable (struct active *a)
{
  struct incident_sink *sink = writer_link_incidents (a->all->d->writer);

  sink->put (sink, &a->inc, on_durable, a);
}

/* ---- what begins and ends them ---- */

void
incidents_persist (struct incidents *in)
{
  standing_clear (in->standing);
  for (struct active *a = in->first; a; a = a->next)
    if (a->stands)
      standing_add (in->standing, &a->inc);
  standing_save (in->standing, in->d->writer);
}

static void
end_standing (struct active *a, enum incident_end how)
{
  char age[32];

  a->stands = false;
  a->inc.end = how;
  a->inc.ended_wall_ms = clock_wall_ms ();
  log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s ended: %s after %s", a->inc.guest,
             a->inc.id, incident_end_names[how],
             units_format_duration (age, sizeof (age),
                                    a->inc.ended_wall_ms
                                        - a->inc.opened_wall_ms));
  incidents_persist (a->all);
}

/* A standing incident of this guest; NULL when it joins one that stands, or
 * cannot be followed. */
static struct active *
stand (struct incidents *in, const struct guest *g, const char *what,
       const char *playbook, const char *reason)
{
  struct active *a = standing_of (in, g->inc.uuid);

  if (a && incarnation_equal (&a->inc.inc, &g->inc))
    {
      a->mute = false;
      return NULL; /* the same trouble, seen by another check */
    }
  if (a)
    end_standing (a, INCIDENT_REPLACED);
  a = incidents_new_one (in, g, what, playbook, reason);
  if (!a)
    {
      log_guest (LOG_LEVEL_ERROR, g->inc.uuid,
                 "more than %u incidents at once: this one is not followed",
                 MAX_INCIDENTS);
      return NULL;
    }
  a->stands = true;
  return a;
}

static void
failed (struct incidents *in, const struct binding_info *info, bool mute)
{
  const char *playbook = info->scenario->playbook;
  char reason[256] = "";
  struct active *a;

  /* Perhaps the trouble that a daemon before us told of: incidents_known()
   * comes back here. */
  if (!in->known)
    return;
  /* "code: sentence": the verdict's rules go by the code. */
  if (info->last)
    snprintf (reason, sizeof (reason), "%s: %s", info->last->code,
              info->last->sentence);
  /* Whoever could not even be asked is not typed at. */
  a = stand (in, info->guest, info->scenario->name,
             mute       ? "quick"
             : playbook ? playbook
                        : "standard",
             reason);
  if (!a)
    return;
  a->mute = mute;
  a->inc.last_ok_wall_ms = info->last_ok_wall_ms;
  log_guest (LOG_LEVEL_WARN, info->guest->inc.uuid,
             "guest=\"%s\" scenario=%s %s %u times: %s (incident %s)",
             info->guest->display, info->scenario->name,
             mute ? "could not be asked" : "failed",
             mute ? info->mute : info->failures, a->inc.reason, a->inc.id);
  incidents_put_durable (a);
  incidents_persist (in);
}

static void
failed_meanwhile (const struct binding_info *info, void *arg)
{
  if (info->health == HEALTH_FAILED)
    failed (arg, info, false);
}

static void
seen_meanwhile (const struct guest *g, void *arg)
{
  incidents_seen (arg, g);
}

void
incidents_known (struct incidents *in)
{
  in->known = true;
  registry_each (in->d->registry, seen_meanwhile, in);
  incidents_persist (in);
  bindings_each (in->d->bindings, NULL, failed_meanwhile, in);
}

/* What the hypervisor itself says is wrong needs no scenario: this is what a
 * host without any configuration lives on.  Nothing is typed then. */
void
incidents_event (struct incidents *in, const struct guest *g,
                 enum guest_event event, const char *detail)
{
  char reason[200];
  struct active *a;

  if (!guest_event_is_trouble (event))
    return;
  /* A guest that panics is first seen paused, by nobody in particular; one
   * that is paused does not panic. */
  if (g->intent != INTENT_RUN && g->intent != INTENT_PAUSE)
    return;
  snprintf (reason, sizeof (reason), "the hypervisor reports %s%s%.120s",
            guest_event_names[event], detail && detail[0] ? ": " : "",
            detail ? detail : "");
  a = stand (in, g, BY_MONITOR, "quick", reason);
  if (!a)
    return;
  log_guest (LOG_LEVEL_WARN, g->inc.uuid, "guest=\"%s\" %s (incident %s)",
             g->display, reason, a->inc.id);
  incidents_put_durable (a);
  incidents_persist (in);
}

/* It runs again after its owner or the host mended it. */
static void
perhaps_recovered (struct incidents *in, const struct guest *was,
                   const struct guest *now)
{
  struct active *a = standing_of (in, now->inc.uuid);

  if (a && strcmp (a->inc.scenario, BY_MONITOR) == 0
      && was->run != GUEST_RUNNING && now->run == GUEST_RUNNING)
    end_standing (a, INCIDENT_RECOVERED);
}

void
incidents_outcome (const struct binding_info *info, enum health_change change,
                   void *arg)
{
  struct incidents *in = arg;
  struct active *a;

  if (change == HEALTH_BECAME_FAILED)
    failed (in, info, false);
  else if (change == HEALTH_BECAME_MUTE)
    failed (in, info, true);
  else if (info->health == HEALTH_WELL && info->last
           && info->last->outcome == OUTCOME_OK)
    {
      /* Not only what became well: who could not be asked was well all the
       * time. */
      a = standing_of (in, info->guest->inc.uuid);
      if (a && strcmp (a->inc.scenario, info->scenario->name) == 0)
        end_standing (a, INCIDENT_RECOVERED);
    }
}

void
incidents_guest (struct incidents *in, enum guest_change change,
                 const struct guest *was, const struct guest *now)
{
  struct active *a;

  if (change == GUEST_ADDED)
    {
      for (a = in->first; a; a = a->next)
        if (!a->guest && incarnation_equal (&a->inc.inc, &now->inc))
          a->guest = guest_ref (now);
      incidents_pump (in);
      return;
    }
  if (change == GUEST_CHANGED)
    {
      perhaps_recovered (in, was, now);
      return;
    }
  a = standing_of (in, was->inc.uuid);
  if (!a)
    return;
  if (a->diagnosis)
    diagnosis_stop (a->diagnosis, change == GUEST_GONE
                                      ? "the guest is gone"
                                      : "the guest began another life");
  end_standing (a, change == GUEST_REINCARNATED
                           && was->inc.pid == now->inc.pid
                       ? INCIDENT_REBOOTED
                       : INCIDENT_REPLACED);
}

/* ---- what the writer says ---- */

void
incidents_writer_event (struct incidents *in, struct json_object *head)
{
  const char *op = json_get_str (head, "op");
  const char *id = json_get_str (head, "incident");
  const char *why = json_get_str (head, "why");
  struct active *a = id ? incidents_by_id (in, id) : NULL;

  if (!op)
    return;
  if (strcmp (op, "shipped") == 0)
    {
      log_info ("incident %s reached the controller", id ? id : "?");
      if (a)
        snprintf (a->shipped, sizeof (a->shipped), "shipped");
    }
  else if (strcmp (op, "parked") == 0)
    {
      log_warn ("incident %s was refused by the controller and is parked: %s",
                id ? id : "?", why ? why : "");
      if (a)
        snprintf (a->shipped, sizeof (a->shipped), "parked: %.140s",
                  why ? why : "");
    }
}

/* ---- looking ---- */

void
incidents_each (struct incidents *in,
                void (*fn) (const struct incident_info *info, void *arg),
                void *arg)
{
  for (struct active *a = in->first; a; a = a->next)
    {
      struct incident_info info = {
        .incident = &a->inc,
        .collecting = a->collecting || a->packing,
        .waiting = a->waiting,
        .bundle = a->bundle,
        .shipped = a->shipped,
      };

      fn (&info, arg);
    }
}

const struct incident *
incidents_standing (struct incidents *in, const char *uuid)
{
  struct active *a = standing_of (in, uuid);

  return a && (!a->mute || a->inc.verdict.class_[0]) ? &a->inc : NULL;
}
