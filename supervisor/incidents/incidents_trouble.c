/* SPDX-License-Identifier: Apache-2.0
 *
 * What begins incidents and what ends them.
 *
 * Said once and lost it would be a hang that nobody notices: so the outcome of
 * a binding, the change of a guest and the words of its hypervisor come as
 * calls.  What a guest's text says may be lost and is only a suspicion: it
 * comes as facts.  docs/architecture.md has the whole list.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "base/units.h"
#include "kernel/text/stage.h"

#include <stdio.h>
#include <string.h>

/* A guest may print what it likes as often as it likes: within this time it is
 * looked at once. */
#define TEXT_AGAIN_MS (10 * 60 * 1000u)
/* And for the same words in the same life: they were looked at, and nothing
 * came of it. */
#define TEXT_SAME_MS (24 * 60 * 60 * 1000u)

struct trouble
{
  const struct guest *guest;
  enum stand how;
  bool mute; /* the guest could not be asked */
  const char *playbook;
  struct cause cause;
  enum incident_severity severity;
  uint64_t last_ok_wall_ms;
};

static bool
is_text (const struct incident *inc)
{
  return incident_is_by (inc, BY_KERNEL, CODE_KERNEL_EVENT);
}

void
incident_ended (struct active *a, enum incident_end how)
{
  char age[32];

  if (a->stand == STAND_SUSPECTED && how == INCIDENT_RECOVERED)
    incident_moment (a, MOMENT_NEAR_MISS, NULL);
  incident_moment (a, incident_end_moment (how), NULL);
  a->stand = STAND_NOT;
  a->perhaps_rebooted = a->flapping = false;
  a->inc.end = how;
  a->inc.ended_wall_ms = clock_wall_ms ();
  log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s ended: %s after %s", a->inc.guest,
             a->inc.id, incident_end_names[how],
             units_format_duration (age, sizeof (age),
                                    a->inc.ended_wall_ms
                                        - a->inc.opened_wall_ms));
  incident_put (a);
  if (a->inc.parent[0])
    incidents_apart (a->all, a);
}

/* ---- whose check is gone ---- */

/* Of one that stands for a check: how that is by now. */
struct check
{
  const char *name;
  bool bound;
  bool silent; /* nobody asks by it, for as long as people say */
};

static void
find_check (const struct binding_info *info, void *arg)
{
  struct check *c = arg;

  if (strcmp (info->scenario->name, c->name) != 0)
    return;
  c->bound = true;
  c->silent = info->paused || info->quiet;
}

static bool
by_a_check (const struct incident *inc)
{
  return !is_text (inc) && !incident_is_by (inc, BY_MONITOR, CODE_VMM_EVENT)
         && !incident_is_of_host (inc);
}

static struct check
check_of (const struct active *a)
{
  struct check c = { .name = a->inc.scenario };

  bindings_each (a->all->env.bindings, a->inc.inc.uuid, find_check, &c);
  return c;
}

/* Nobody will say that it is well.  A guest that is not found, or not told
 * whole, may yet have it. */
static void
perhaps_orphan (struct active *a)
{
  const struct incidents *in = a->all;
  const struct guest *g CLEANUP_GUEST = NULL;

  if (a->stand == STAND_NOT || !in->known || !in->settled
      || !by_a_check (&a->inc) || loop_now (in->env.loop) < in->found_by_ms
      || registry_find (in->env.registry, a->inc.inc.uuid, &g, NULL) < 0
      || check_of (a).bound)
    return;
  incident_ended (a, INCIDENT_WITHDRAWN);
}

void
incidents_orphans (struct incidents *in)
{
  for (struct active *a = in->first; a; a = a->next)
    perhaps_orphan (a);
}

void
incidents_settled (struct incidents *in)
{
  in->settled = true;
  incidents_orphans (in);
}

/* It tells of a check that people have silenced: it goes on standing, but must
 * not hide from them what another one finds. */
static bool
is_silenced (const struct active *a, const struct trouble *t)
{
  return by_a_check (&a->inc) && t->how == STAND_FIRM
         && strcmp (a->inc.scenario, t->cause.scenario) != 0
         && check_of (a).silent;
}

/* ---- one trouble more ---- */

/* Text raised it and nothing confirmed it yet; now comes somebody who knows
 * more, and asks with his own playbook. */
static bool
outdone (const struct active *a, const struct trouble *t)
{
  return a->stand == STAND_SUSPECTED && is_text (&a->inc)
         && strcmp (t->cause.code, CODE_KERNEL_EVENT) != 0;
}

/* For its timeline: who says so, and what. */
static void
note_trouble (struct active *a, enum incident_moment_kind kind,
              const struct cause *cause)
{
  char what[sizeof (((struct incident_moment *) 0)->what)];

  snprintf (what, sizeof (what), "%.48s%s%.20s", cause->scenario,
            cause->code[0] ? ": " : "", cause->code);
  incident_moment (a, kind, what);
}

static enum incident_moment_kind
said_by (const struct trouble *t)
{
  return t->how == STAND_FIRM ? MOMENT_CONFIRMED : MOMENT_SUSPECTED;
}

/* Not judged yet: it becomes an incident of the other's, so that one trouble
 * is told once. */
static void
take_over (struct active *a, const struct trouble *t)
{
  a->inc.severity = t->severity;
  a->inc.last_ok_wall_ms = t->last_ok_wall_ms;
  a->stand = t->how;
  note_trouble (a, said_by (t), &t->cause);
  incident_retell (a, t->playbook, &t->cause);
}

/* The same trouble, seen by another check, which may matter more. */
static void
join (struct active *a, const struct trouble *t)
{
  unsigned was;

  if (strcmp (t->cause.code, CODE_KERNEL_EVENT) == 0)
    return;
  was = a->inc.moments + a->inc.severity;
  /* One suspicion is no proof of another. */
  if (a->stand == STAND_SUSPECTED && t->how == STAND_FIRM)
    {
      a->stand = STAND_FIRM;
      note_trouble (a, MOMENT_CONFIRMED, &t->cause);
      incidents_together (a->all, a);
    }
  note_trouble (a, MOMENT_JOINED, &t->cause);
  if (t->severity > a->inc.severity)
    a->inc.severity = t->severity;
  /* That it came once more goes with the next news of it. */
  if (a->inc.moments + a->inc.severity > was)
    incident_put (a);
}

/* By its text its guest lives anew, and nobody confirmed it.  Only who is
 * believed as much as who raised it has a say: a guest that prints a banner
 * must not turn a hang into something milder. */
static bool
outlives (const struct active *a, const struct trouble *t)
{
  return a->perhaps_rebooted && t->how < a->stand;
}

/* The standing incident that has to do with this trouble now, for the log;
 * NULL when it only joins one that stands, or cannot be followed. */
static struct active *
raise_trouble (struct incidents *in, const struct trouble *t)
{
  struct active *a = incidents_standing_of (in, t->guest->inc.uuid);

  if (a && outlives (a, t))
    return NULL;
  if (a && !incarnation_equal (&a->inc.inc, &t->guest->inc))
    incident_ended (a, a->perhaps_rebooted ? INCIDENT_REBOOTED
                                         : INCIDENT_REPLACED);
  else if (a && is_silenced (a, t))
    incident_ended (a, INCIDENT_REPLACED);
  else if (a && !outdone (a, t))
    {
      join (a, t);
      return NULL;
    }
  else if (a && a->life <= LIFE_COLLECTING)
    {
      take_over (a, t);
      return a;
    }
  else if (a)
    /* Judged by its text alone: it stays told, and this one follows it. */
    incident_ended (a, INCIDENT_REPLACED);
  a = incidents_new_one (in, t->guest, t->playbook, &t->cause);
  if (!a)
    {
      log_guest (LOG_LEVEL_ERROR, t->guest->inc.uuid,
                 "more than %u incidents at once: this one is not followed",
                 MAX_INCIDENTS);
      return NULL;
    }
  a->inc.severity = t->severity;
  a->inc.last_ok_wall_ms = t->last_ok_wall_ms;
  a->stand = t->how;
  a->raised_ms = loop_now (in->env.loop);
  a->could_not_ask = t->mute;
  note_trouble (a, said_by (t), &t->cause);
  incidents_put_durable (a);
  incidents_together (in, a);
  return a;
}

/* ---- bindings ---- */

static enum incident_severity
rated (const struct scenario *s)
{
  static const enum incident_severity by[] = {
    [SCENARIO_INFO] = INCIDENT_INFO,
    [SCENARIO_WARNING] = INCIDENT_WARNING,
    [SCENARIO_CRITICAL] = INCIDENT_CRITICAL,
  };

  return by[s->severity];
}

static bool
has_flag (const struct binding_info *info, unsigned flag)
{
  const struct outcome_code *code
      = info->last ? outcome_code_find (info->last->code) : NULL;

  return code && code->flags & flag;
}

/* It stood for a moment before, and that was looked at: now it has to last
 * until its threshold. */
static bool
stood_lately (const struct incidents *in, const struct guest *g)
{
  uint64_t now = clock_wall_ms ();

  for (const struct active *a = in->first; a; a = a->next)
    if (incident_is_look (&a->inc)
        && strcmp (a->inc.inc.uuid, g->inc.uuid) == 0
        && now - a->inc.opened_wall_ms < TEXT_AGAIN_MS)
      return true;
  return false;
}

static void
failed (struct incidents *in, const struct binding_info *info,
        enum stand how, bool mute)
{
  const char *playbook = info->scenario->playbook;
  struct trouble t = { .guest = info->guest,
                       .how = how,
                       .mute = mute,
                       .cause = { info->scenario->name, "", "" },
                       .severity = rated (info->scenario),
                       .last_ok_wall_ms = info->last_ok_wall_ms };
  struct active *a;

  /* Perhaps the trouble that a daemon before us told of: incidents_known()
   * comes back here. */
  if (!in->known || !info->scenario->alert)
    return;
  if (info->last)
    {
      t.cause.code = info->last->code;
      t.cause.sentence = info->last->sentence;
    }
  /* Whoever could not even be asked is not typed at. */
  t.playbook = mute       ? CAREFUL_PLAYBOOK
               : playbook ? playbook
                          : playbook_default;
  a = raise_trouble (in, &t);
  if (!a)
    return;
  log_guest (LOG_LEVEL_WARN, info->guest->inc.uuid,
             "guest=\"%s\" scenario=%s %s %u times: %s: %s (incident %s)",
             info->guest->display, info->scenario->name,
             mute ? "could not be asked" : "failed",
             mute ? info->mute : info->failures, a->inc.code, a->inc.reason,
             a->inc.id);
}

static void
failed_meanwhile (const struct binding_info *info, void *arg)
{
  if (info->health == HEALTH_FAILED)
    failed (arg, info, STAND_FIRM, false);
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
  registry_each (in->env.registry, seen_meanwhile, in);
  incidents_orphans (in);
  incidents_childless (in);
  bindings_each (in->env.bindings, NULL, failed_meanwhile, in);
}

/* Its check is now well and now not: as long as that goes on it is one trouble,
 * and neither ends nor begins anew with every change.  True when it is held
 * open. */
static bool
hold_flapping (struct active *a, const struct binding_info *info,
               enum health_change change)
{
  if (strcmp (a->inc.scenario, info->scenario->name) != 0)
    return false;
  if (info->damped && !a->flapping)
    log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
               "guest=\"%s\" scenario=%s flaps (%u %% of its outcomes change): "
               "incident %s stays open",
               a->inc.guest, a->inc.scenario, info->flap_percent, a->inc.id);
  a->flapping = info->damped;
  a->flaps += info->damped && change == HEALTH_BECAME_FAILED;
  return info->damped;
}

/* Whoever raised it says that the guest is well; and of what was only text,
 * once that was looked at, anybody who asked may. */
static bool
shows_well (const struct active *a, const char *scenario)
{
  return strcmp (a->inc.scenario, scenario) == 0
         || (is_text (&a->inc) && a->life == LIFE_DONE);
}

void
incidents_outcome (const struct binding_info *info, enum health_change change,
                   void *arg)
{
  struct incidents *in = arg;
  struct active *a
      = incidents_standing_of (in, info->guest->inc.uuid);
  bool flapped = a && a->flapping
                 && strcmp (a->inc.scenario, info->scenario->name) == 0;
  bool held = a && hold_flapping (a, info, change);

  if (change == HEALTH_BECAME_WELL)
    incidents_alive (in, info->guest->inc.uuid);
  if (flapped && !held && info->health == HEALTH_FAILED)
    {
      /* It does not come back any more: that is another trouble, which nobody
       * has looked at. */
      incident_ended (a, INCIDENT_REPLACED);
      failed (in, info, STAND_FIRM, false);
    }
  else if (change == HEALTH_BECAME_FAILED)
    failed (in, info, STAND_FIRM, false);
  else if (change == HEALTH_BECAME_MUTE)
    failed (in, info, STAND_SUSPECTED, true);
  else if (change == HEALTH_BECAME_SUSPECT && has_flag (info, CODE_LOOK)
           && !stood_lately (in, info->guest))
    failed (in, info, STAND_SUSPECTED, false);
  else if (info->health == HEALTH_WELL && info->last
           && info->last->outcome == OUTCOME_OK)
    {
      /* Not only what became well: who could not be asked was well all the
       * time. */
      if (a && !held && shows_well (a, info->scenario->name))
        incident_ended (a, a->perhaps_rebooted ? INCIDENT_REBOOTED
                                             : INCIDENT_RECOVERED);
    }
  /* It failed already when another check's trouble was told, which has ended
   * since, or when there was no room for its own. */
  else if (info->health == HEALTH_FAILED && info->last
           && info->last->outcome == OUTCOME_FAILED && incidents_room (in)
           && !a)
    failed (in, info, STAND_FIRM, false);
}

/* ---- hypervisor and guest ---- */

/* What the hypervisor itself says is wrong needs no scenario: this is what a
 * host without any configuration lives on.  Nothing is typed then. */
void
incidents_event (struct incidents *in, const struct guest *g,
                 enum guest_event event, const char *detail)
{
  char reason[200];
  const struct trouble t = { .guest = g,
                             .how = STAND_FIRM,
                             .playbook = CAREFUL_PLAYBOOK,
                             .severity = INCIDENT_CRITICAL,
                             .cause = { BY_MONITOR, CODE_VMM_EVENT, reason } };
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
  a = raise_trouble (in, &t);
  if (a)
    log_guest (LOG_LEVEL_WARN, g->inc.uuid, "guest=\"%s\" %s (incident %s)",
               g->display, reason, a->inc.id);
}

/* It runs again after its owner or the host mended it. */
static void
perhaps_recovered (struct active *a, const struct guest *was,
                   const struct guest *now)
{
  if (incident_is_by (&a->inc, BY_MONITOR, CODE_VMM_EVENT)
      && was->run != GUEST_RUNNING && now->run == GUEST_RUNNING)
    incident_ended (a, INCIDENT_RECOVERED);
}

/* Those of a daemon before this one wait for the guest that they are of. */
static void
find_waiting (struct incidents *in, const struct guest *g)
{
  for (struct active *a = in->first; a; a = a->next)
    if (!a->guest && incarnation_equal (&a->inc.inc, &g->inc))
      a->guest = guest_ref (g);
  incidents_pump (in);
}

/* What text alone had shown is certain now, either way. */
static void
boot_known (struct active *a, const struct guest *now)
{
  if (now->boot_by != BOOT_BY_NOBODY)
    {
      incident_ended (a, INCIDENT_REBOOTED);
      return;
    }
  /* The life it is of, by the number that it has now: else its next failure
   * would be another life's, and the same hang be told twice. */
  a->perhaps_rebooted = false;
  a->inc.inc = now->inc;
  incident_put (a);
}

static void
life_over (struct active *a, enum guest_change change, const struct guest *now)
{
  if (a->diagnosis)
    diagnosis_stop (a->diagnosis, change == GUEST_GONE
                                      ? "the guest is gone"
                                      : "the guest began another life");
  if (change != GUEST_REBOOTED || !boot_is_suspected (now->boot_by))
    {
      incident_ended (a, change == GUEST_REBOOTED ? INCIDENT_REBOOTED
                                                : INCIDENT_REPLACED);
      return;
    }
  if (!a->perhaps_rebooted)
    log_guest (LOG_LEVEL_INFO, a->inc.inc.uuid,
               "guest=\"%s\" incident=%s: it seems to have booted, which "
               "nobody confirms yet",
               a->inc.guest, a->inc.id);
  a->perhaps_rebooted = true;
}

void
incidents_guest (struct incidents *in, enum guest_change change,
                 const struct guest *was, const struct guest *now)
{
  struct active *a = incidents_standing_of (in, (now ? now : was)->inc.uuid);

  if (change == GUEST_ADDED)
    find_waiting (in, now);
  else if (a && change >= GUEST_REBOOTED)
    life_over (a, change, now);
  else if (a && a->perhaps_rebooted && boot_is_suspected (was->boot_by)
           && !boot_is_suspected (now->boot_by))
    boot_known (a, now);
  else if (a)
    {
      perhaps_recovered (a, was, now);
      /* Its labels may be others. */
      perhaps_orphan (a);
    }
  if (change >= GUEST_REBOOTED)
    incidents_undo (in);
  if (now)
    incidents_state (in, was, now);
}

/* ---- suspicions: facts ---- */

/* Text that is worth a look, which its rule says by its severity, and what is
 * done then: nothing is typed on the word of a guest that may print what it
 * likes. */
#define SUSPICIONS "kernel.trouble."

static bool
looked_at_lately (const struct incidents *in, const struct incarnation *inc,
                  const char *words)
{
  uint64_t now = clock_wall_ms ();

  for (const struct active *a = in->first; a; a = a->next)
    {
      uint64_t since = now - a->inc.opened_wall_ms;

      if (!is_text (&a->inc) || strcmp (a->inc.inc.uuid, inc->uuid) != 0)
        continue;
      if (since < TEXT_AGAIN_MS
          || (since < TEXT_SAME_MS && incarnation_equal (&a->inc.inc, inc)
              && strcmp (a->inc.reason, words) == 0))
        return true;
    }
  return false;
}

static void
suspect (struct incidents *in, const struct guest *g, const struct fact *f)
{
  CLEANUP_BUF struct buf words = BUF_INIT (sizeof (((struct incident *) 0)
                                                       ->reason)
                                           - 1);
  struct trouble t = { .guest = g,
                       .how = STAND_SUSPECTED,
                       .playbook = CAREFUL_PLAYBOOK,
                       .severity = INCIDENT_CRITICAL,
                       .cause = { BY_KERNEL, CODE_KERNEL_EVENT, "" } };
  struct active *a;

  buf_printf (&words, "its %.31s says: ", f->source);
  text_escape (&words, f->text, strlen (f->text), 0);
  t.cause.sentence = buf_str (&words);
  if (looked_at_lately (in, &g->inc, t.cause.sentence))
    return;
  a = raise_trouble (in, &t);
  if (a)
    log_guest (LOG_LEVEL_WARN, g->inc.uuid,
               "guest=\"%s\" is looked at: %s (incident %s)", g->display,
               t.cause.sentence, a->inc.id);
}

static void
on_kernel_event (const struct fact *f, void *arg)
{
  struct incidents *in = arg;
  const struct guest *g CLEANUP_GUEST = NULL;

  if (f->type != FACT_TEXT || !in->known)
    return;
  if (registry_find (in->env.registry, f->inc.uuid, &g, NULL) < 0)
    return;
  incidents_alive (in, f->inc.uuid);
  /* Of a life that is over there is nothing to look at any more. */
  if (!incarnation_equal (&g->inc, &f->inc) || g->intent != INTENT_RUN)
    return;
  suspect (in, g, f);
}

/* Text that has gone all the way from a kernel's first line to userspace ends
 * what text raised, and nothing else. */
static void
on_stage (const struct fact *f, void *arg)
{
  struct incidents *in = arg;
  struct active *a;

  if (f->type != FACT_TEXT
      || (strcmp (f->text, text_stage_names[STAGE_USERSPACE]) != 0
          && strcmp (f->text, text_stage_names[STAGE_LOGIN]) != 0))
    return;
  incidents_alive (in, f->inc.uuid);
  a = incidents_standing_of (in, f->inc.uuid);
  if (a && a->perhaps_rebooted && is_text (&a->inc)
      && !incarnation_equal (&a->inc.inc, &f->inc))
    incident_ended (a, INCIDENT_REBOOTED);
}

int
incidents_hear (struct incidents *in, struct error *err)
{
  int r = fact_subscribe (in->env.bus, "incidents", SUSPICIONS, on_kernel_event,
                          in, &in->heard, err);

  if (r == 0)
    r = fact_subscribe (in->env.bus, "incidents", "guest.stage", on_stage, in,
                        &in->staged, err);
  return r;
}
