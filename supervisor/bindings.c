/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenario times guest: timers, runs, health.
 *
 * A run holds references of its own (guest snapshot, scenario), so a binding
 * may go while its job is out; the job's end then finds no binding under its
 * number and is dropped.
 */
#include "supervisor/bindings_impl.h"
#include "supervisor/boots.h"
#include "supervisor/meant.h"
#include "supervisor/text.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/log.h"
#include "base/loop.h"
#include "transports/transport.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

#define MAX_BINDINGS 16384
#define LANE_RETRY_MS 1000
#define MEANT_MOST_MS 3000 /* meant_ask() with its grace, and some */
/* After its deadline; the pool discards what is not back half of it later. */
#define OVERDUE_MS 1000

/* What a run takes with it. */
struct run
{
  struct bindings *all;
  uint64_t number;
  const struct guest *guest;
  struct scenario *scenario;
  struct transport_env env;
  uint64_t started_ms;
  struct outcome_report report;
};

static void due (struct timer *t, void *arg);
static bool held_off (struct binding *bd);
static enum job_lane lane_of (const struct scenario *s);

static uint64_t
some_random (void)
{
  uint64_t r = 0;

  if (getrandom (&r, sizeof (r), GRND_NONBLOCK) < 0)
    r = clock_us ();
  return r;
}

int
bindings_new (const struct bindings_env *env, struct bindings **ret,
              struct error *err)
{
  struct bindings *b = calloc (1, sizeof (*b));

  if (!b)
    return error_set (err, ENOMEM, "no memory for the bindings");
  b->env = *env;
  *ret = b;
  return 0;
}

static void
binding_free (struct binding *bd)
{
  if (!bd)
    return;
  timer_free (bd->timer);
  guest_unref (bd->guest);
  scenario_unref (bd->scenario);
  free (bd);
}

static void
remove_at (struct bindings *b, size_t i)
{
  binding_free (b->list[i]);
  b->list[i] = b->list[--b->n];
}

void
bindings_free (struct bindings *b)
{
  if (!b)
    return;
  while (b->n)
    remove_at (b, b->n - 1);
  for (size_t i = 0; i < b->nscenarios; i++)
    scenario_unref (b->scenarios[i]);
  free (b->scenarios);
  free (b->list);
  free (b);
}

size_t
bindings_count (const struct bindings *b)
{
  return b->n;
}

/* ---- making and matching ---- */

static struct binding *
find (struct bindings *b, const char *uuid, const char *scenario)
{
  for (size_t i = 0; i < b->n; i++)
    if (strcmp (b->list[i]->guest->inc.uuid, uuid) == 0
        && strcmp (b->list[i]->scenario->name, scenario) == 0)
      return b->list[i];
  return NULL;
}

static struct binding *
by_number (struct bindings *b, uint64_t number)
{
  for (size_t i = 0; i < b->n; i++)
    if (b->list[i]->number == number)
      return b->list[i];
  return NULL;
}

static void
arm (struct binding *bd, uint64_t at_ms)
{
  bd->due_ms = at_ms;
  timer_at (bd->timer, at_ms);
}

/* The first run comes after the initial delay and a random part of the
 * interval, so that a thousand guests are not asked in one breath. */
static void
arm_first (struct binding *bd)
{
  const struct scenario *s = bd->scenario;
  uint64_t spread = s->initial_delay_ms ? s->jitter_ms : s->interval_ms;

  arm (bd, loop_now (bd->all->env.loop) + s->initial_delay_ms
               + (spread ? some_random () % spread : 0));
}

static int
add (struct bindings *b, const struct guest *g, struct scenario *s,
     struct error *err)
{
  struct binding *bd;
  struct binding **list;
  int r;

  if (b->n >= MAX_BINDINGS)
    return error_set (err, ENOBUFS, "more than %u bindings", MAX_BINDINGS);
  if (b->n == b->cap)
    {
      size_t cap = b->cap ? 2 * b->cap : 64;

      list = realloc (b->list, cap * sizeof (*list));
      if (!list)
        return error_set (err, ENOMEM, "no memory for a binding");
      b->list = list;
      b->cap = cap;
    }
  bd = calloc (1, sizeof (*bd));
  if (!bd)
    return error_set (err, ENOMEM, "no memory for a binding");
  r = loop_timer (b->env.loop, "scenario", due, bd, &bd->timer, err);
  if (r < 0)
    {
      free (bd);
      return r;
    }
  bd->all = b;
  bd->number = ++b->last_number;
  bd->guest = guest_ref (g);
  bd->scenario = scenario_ref (s);
  b->list[b->n++] = bd;
  arm_first (bd);
  return 0;
}

static void
match_guest (struct bindings *b, const struct guest *g)
{
  struct error err = ERROR_INIT;

  if (b->env.drain_only)
    return;
  for (size_t i = 0; i < b->nscenarios; i++)
    if (!find (b, g->inc.uuid, b->scenarios[i]->name)
        && scenario_selects (b->scenarios[i], g)
        && add (b, g, b->scenarios[i], &err) < 0)
      log_warn ("%s: scenario %s is not bound: %s", g->display,
                b->scenarios[i]->name, error_text (&err));
}

static void
drop_guest (struct bindings *b, const char *uuid)
{
  for (size_t i = b->n; i-- > 0;)
    if (strcmp (b->list[i]->guest->inc.uuid, uuid) == 0)
      remove_at (b, i);
}

/* A life begins unknown, after its own initial delay. */
static void
begin_anew (struct binding *bd)
{
  memset (&bd->health, 0, sizeof (bd->health));
  bd->health.since_ms = loop_now (bd->all->env.loop);
  if (!bd->running)
    arm_first (bd);
}

static void
update_guest (struct bindings *b, enum guest_change change,
              const struct guest *now)
{
  for (size_t i = b->n; i-- > 0;)
    {
      struct binding *bd = b->list[i];

      if (strcmp (bd->guest->inc.uuid, now->inc.uuid) != 0)
        continue;
      guest_unref (bd->guest);
      bd->guest = guest_ref (now);
      if (!scenario_selects (bd->scenario, now))
        remove_at (b, i);
      else if (change >= GUEST_REBOOTED)
        begin_anew (bd);
    }
  match_guest (b, now);
}

void
bindings_guest (struct bindings *b, enum guest_change change,
                const struct guest *was, const struct guest *now)
{
  if (now)
    update_guest (b, change, now);
  else
    drop_guest (b, was->inc.uuid);
}

static bool
same_text (const struct scenario *a, const struct scenario *c)
{
  CLEANUP_JSON struct json_object *ja = scenario_to_json (a);
  CLEANUP_JSON struct json_object *jc = scenario_to_json (c);

  return json_object_equal (ja, jc);
}

static struct scenario *
named (struct scenario **list, size_t n, const char *name)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (list[i]->name, name) == 0)
      return list[i];
  return NULL;
}

static void
match_each (const struct guest *g, void *arg)
{
  match_guest (arg, g);
}

int
bindings_set (struct bindings *b, struct scenario **list, size_t n,
              struct error *err)
{
  struct scenario **copy = calloc (n + 1, sizeof (*copy));

  if (!copy)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  if (n)
    memcpy (copy, list, n * sizeof (*copy));
  for (size_t i = b->n; i-- > 0;)
    {
      struct binding *bd = b->list[i];
      struct scenario *now = named (copy, n, bd->scenario->name);

      if (!now || !scenario_selects (now, bd->guest))
        remove_at (b, i);
      else if (!same_text (now, bd->scenario))
        {
          /* One in flight finishes under the old text: its run has its own
           * reference. */
          scenario_unref (bd->scenario);
          bd->scenario = scenario_ref (now);
          begin_anew (bd);
        }
    }
  for (size_t i = 0; i < b->nscenarios; i++)
    scenario_unref (b->scenarios[i]);
  free (b->scenarios);
  b->scenarios = copy;
  b->nscenarios = n;
  registry_each (b->env.registry, match_each, b);
  return 0;
}

/* ---- running ---- */

static void
run_free (void *arg)
{
  struct run *run = arg;

  guest_unref (run->guest);
  scenario_unref (run->scenario);
  free (run);
}

static int
run_job (struct job *job, void *arg)
{
  struct run *run = arg;
  struct error err = ERROR_INIT;
  int r;

  r = run->scenario->kind->run (run->scenario, run->guest, &run->env, job,
                                &run->report, &err);
  if (r < 0)
    {
      /* Our own failure says nothing about the guest. */
      run->report.outcome = OUTCOME_NO_VERDICT;
      run->report.value = NAN;
      snprintf (run->report.code, sizeof (run->report.code), "own-failure");
      snprintf (run->report.sentence, sizeof (run->report.sentence), "%.*s",
                (int) sizeof (run->report.sentence) - 1, error_text (&err));
    }
  return r;
}

static void
publish (struct binding *bd)
{
  struct fact fact;
  char name[FACT_NAME_MAX];

  snprintf (name, sizeof (name), "probe.%.50s", bd->scenario->name);
  fact_text (&fact, &bd->guest->inc, name, "scenario",
             outcome_names[bd->last.outcome],
             strlen (outcome_names[bd->last.outcome]));
  fact_publish (bd->all->env.bus, &fact);
  if (!bd->last.has_uptime)
    return;
  fact_real (&fact, &bd->guest->inc, "guest.uptime_s", "scenario",
             bd->last.uptime.s);
  fact_publish (bd->all->env.bus, &fact);
}

static void
take_outcome (struct binding *bd, const struct outcome_report *report,
              uint64_t started_ms)
{
  uint64_t now = loop_now (bd->all->env.loop);
  enum health_change change;

  bd->last = *report;
  bd->has_last = true;
  bd->runs++;
  if (report->outcome == OUTCOME_OK)
    {
      bd->ok++;
      bd->last_ok_wall_ms = clock_wall_ms ();
    }
  else if (report->outcome == OUTCOME_FAILED)
    bd->failed++;
  else
    bd->no_verdict++;
  change = health_feed (&bd->health, bd->scenario, report->outcome, now);
  if (health_mute (&bd->health, bd->scenario, report)
      && change == HEALTH_SAME)
    change = HEALTH_BECAME_MUTE;
  publish (bd);
  arm (bd, health_next (&bd->health, bd->scenario, started_ms,
                        some_random ()));
  binding_tell (bd, change);
}

static void
no_verdict (struct outcome_report *r, const char *code, const char *fmt,
            const char *what)
{
  *r = (struct outcome_report){ .outcome = OUTCOME_NO_VERDICT,
                                .value = NAN,
                                .took_ms = r->took_ms };
  snprintf (r->code, sizeof (r->code), "%s", code);
  snprintf (r->sentence, sizeof (r->sentence), fmt, what);
}

/* An answer may show that the guest began anew since the last one: then it is
 * the new life's first. */
static struct binding *
look_for_boot (struct run *run, struct binding *bd)
{
  const struct outcome_report *r = &run->report;

  if (!r->has_uptime
      && (r->outcome != OUTCOME_OK || lane_of (run->scenario) != LANE_CONSOLE))
    return bd;
  if (!boots_answered (run->all->env.boots, &run->guest->inc, run->started_ms,
                       r->has_uptime ? &r->uptime : NULL))
    return bd;
  bd = by_number (run->all, run->number);
  if (bd)
    {
      guest_unref (run->guest);
      run->guest = guest_ref (bd->guest);
    }
  return bd;
}

/* Whatever was asked, by whatever way: nobody answers in the middle of a boot,
 * and a boot is not a hang.  A console that was asked knows by itself. */
static bool
boots_now (const struct run *run, char *what, size_t n)
{
  const struct guest *g = run->guest;

  return run->env.may_type && g->nconsoles > 0
         && run->env.may_type (run->env.may_type_arg, g->inc.uuid,
                               g->consoles[0].name, what, n)
                == TYPING_BOOTING;
}

/* The run's end: what it says counts, unless the guest is not the one that
 * was asked, or not meant to answer by now. */
static void
run_over (struct run *run)
{
  struct binding *bd = by_number (run->all, run->number);
  char what[sizeof (run->report.sentence)];

  if (bd)
    bd = look_for_boot (run, bd);
  if (bd)
    {
      bd->running = false;
      if (!incarnation_equal (&bd->guest->inc, &run->guest->inc))
        no_verdict (&run->report, "replaced",
                    "the guest began another life while it was asked%s", "");
      else if (run->report.outcome == OUTCOME_FAILED && held_off (bd))
        no_verdict (&run->report, "held-off", "%s", bd->held_off);
      else if (run->report.outcome == OUTCOME_FAILED
               && boots_now (run, what, sizeof (what)))
        no_verdict (&run->report, "booting", "%s", what);
      else if (run->report.outcome == OUTCOME_OK
               && lane_of (bd->scenario) == LANE_CONSOLE)
        texts_answered (run->all->env.texts, bd->guest->inc.uuid);
      take_outcome (bd, &run->report, run->started_ms);
    }
  run_free (run);
}

static void
on_meant (enum meant meant, const char *status, void *arg)
{
  struct run *run = arg;

  if (meant == MEANT_UNKNOWN)
    no_verdict (&run->report, "libvirt-silent",
                "its console comes through libvirt: libvirt does not "
                "answer%s",
                "");
  else if (meant == MEANT_TO_STAND)
    no_verdict (&run->report, "paused",
                "it is not meant to run: QEMU says \"%s\"", status);
  run_over (run);
}

static void
run_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct run *run = arg;
  struct binding *bd;

  if (end == JOB_DISCARDED)
    return; /* the timer that waits for it speaks up: see due() */
  bd = by_number (run->all, run->number);
  if (bd && run->report.outcome == OUTCOME_FAILED
      && meant_ask (run->all->env.jobs, &run->env, run->guest, on_meant, run,
                    NULL)
             == 0)
    {
      arm (bd, loop_now (run->all->env.loop) + bd->scenario->interval_ms
                   + MEANT_MOST_MS);
      return;
    }
  run_over (run);
}

/* Paused, stopping, migrating, starting: not asked, because no answer would
 * mean nothing.  A guest that crashed is asked: its failure is wanted. */
static bool
held_off (struct binding *bd)
{
  const struct guest *g = bd->guest;

  bd->held_off[0] = '\0';
  if (g->intent != INTENT_RUN)
    snprintf (bd->held_off, sizeof (bd->held_off), "its owner wants: %s",
              guest_intent_names[g->intent]);
  else if (guest_paused_by_owner (g) || g->run == GUEST_OFF
           || g->run == GUEST_STARTING || g->run == GUEST_STOPPING)
    snprintf (bd->held_off, sizeof (bd->held_off), "it is %s",
              guest_run_names[g->run]);
  else if (scenario_quiet (bd->scenario, clock_wall_ms ()))
    snprintf (bd->held_off, sizeof (bd->held_off), "quiet hours");
  return bd->held_off[0] != '\0';
}

/* The reader of the document knows its transports. */
static enum job_lane
lane_of (const struct scenario *s)
{
  char *const *names = s->transports.items;
  const struct transport_ops *t = transport_find (
      s->transports.count ? names[0] : s->kind->transports[0]);

  return t ? t->lane : LANE_NONE;
}

static int
start (struct binding *bd, struct error *err)
{
  struct run *run = calloc (1, sizeof (*run));
  uint64_t now = loop_now (bd->all->env.loop);
  char name[128];
  struct job_spec spec;
  int r;

  if (!run)
    return error_set (err, ENOMEM, "no memory for a run");
  run->all = bd->all;
  run->number = bd->number;
  run->guest = guest_ref (bd->guest);
  run->scenario = scenario_ref (bd->scenario);
  run->env = *bd->all->env.transports;
  run->started_ms = now;
  snprintf (name, sizeof (name), "scenario %s", bd->scenario->name);
  spec = (struct job_spec){
    .name = name,
    .guest = bd->guest->inc.uuid,
    .lane = lane_of (bd->scenario),
    .timeout_ms = bd->scenario->timeout_ms,
    .run = run_job,
    .done = run_done,
    .free_arg = run_free,
    .owner = bd->all,
    .arg = run,
  };
  r = job_start (bd->all->env.jobs, &spec, err);
  if (r < 0)
    {
      run_free (run);
      return r;
    }
  bd->running = true;
  bd->refused_ms = 0;
  bd->last_ms = now;
  /* Until the run's end arms it anew: the time at which it is overdue. */
  arm (bd, bd->last_ms + bd->scenario->timeout_ms + OVERDUE_MS);
  return 0;
}

static void
take_no_verdict (struct binding *bd, const char *code, const char *sentence)
{
  struct outcome_report none = { .outcome = OUTCOME_NO_VERDICT,
                                 .value = NAN };

  snprintf (none.code, sizeof (none.code), "%s", code);
  snprintf (none.sentence, sizeof (none.sentence), "%.190s", sentence);
  take_outcome (bd, &none, loop_now (bd->all->env.loop));
}

/* Its lane is busy.  A diagnosis or another scenario will be done with it
 * soon; what goes on for an interval is an outcome of its own. */
static void
refused (struct binding *bd, const char *why)
{
  uint64_t now = loop_now (bd->all->env.loop);

  snprintf (bd->held_off, sizeof (bd->held_off), "%.90s", why);
  if (!bd->refused_ms)
    bd->refused_ms = now;
  if (now - bd->refused_ms < bd->scenario->interval_ms)
    {
      arm (bd, now + LANE_RETRY_MS);
      return;
    }
  bd->refused_ms = 0;
  take_no_verdict (bd, "lane-busy", why);
}

static void
due (struct timer *t, void *arg)
{
  struct binding *bd = arg;
  uint64_t now = loop_now (bd->all->env.loop);
  struct error err = ERROR_INIT;

  if (bd->running)
    {
      /* It is past its deadline, and discarded: it does not come back. */
      bd->running = false;
      take_no_verdict (bd, "stuck",
                  "the check did not come back in time: what it asked is "
                  "stuck; `hangdog status` names the lane");
      return;
    }
  if (bd->due_ms < now && now - bd->due_ms > bd->worst_late_ms)
    bd->worst_late_ms = now - bd->due_ms;
  if (bd->due_ms + 1000 < now)
    bd->late++;
  if (held_off (bd))
    {
      arm (bd, now + bd->scenario->interval_ms);
      return;
    }
  if (start (bd, &err) == 0)
    return;
  bd->skipped++;
  if (err.code == EBUSY)
    refused (bd, error_text (&err));
  else
    take_no_verdict (bd, "no-capacity", error_text (&err));
}

int
bindings_probe (struct bindings *b, const char *uuid, const char *scenario,
                struct error *err)
{
  struct binding *bd = find (b, uuid, scenario);

  if (!bd)
    return error_set (err, ENOENT,
                      "no scenario \"%s\" is bound to that guest; `hangdog "
                      "status GUEST` lists those that are",
                      scenario);
  return bd->running ? 0 : start (bd, err);
}
