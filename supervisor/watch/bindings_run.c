/* SPDX-License-Identifier: Apache-2.0
 *
 * A run: the question of one scenario to one guest, by one way after another.
 *
 *   the way is unusable          the next one is asked
 *   nobody answers there         another one is asked, too: if somebody
 *                                answers by that, it is the way that is lost
 *   somebody answers             that is the outcome
 *
 * Each attempt is a job in the lane of its way, with the scenario's timeout.
 * A lane that is not free makes its way unusable, where another one leads to
 * an answer; else it is waited for.
 */
#include "supervisor/watch/bindings_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Thread side: what a job takes with it. */
struct attempt
{
  const struct guest *guest;
  struct scenario *scenario;
  const struct transport_ops *way;
  const struct transport_env *env;
  struct outcome_report report;
};

static void settle (struct run *run);

void
run_no_verdict_ (struct outcome_report *r, const char *code, const char *fmt,
                 ...)
{
  va_list ap;

  *r = (struct outcome_report){ .outcome = OUTCOME_NO_VERDICT,
                                .value = NAN,
                                .took_ms = r->took_ms,
                                .way = outcome_code_way (code) };
  snprintf (r->code, sizeof (r->code), "%s", code);
  va_start (ap, fmt);
  vsnprintf (r->sentence, sizeof (r->sentence), fmt, ap);
  va_end (ap);
}

void
run_free_ (struct run *run)
{
  if (!run)
    return;
  lane_leave_ (run);
  if (run->once)
    run->once (NULL, run->once_arg);
  guest_unref (run->guest);
  scenario_unref (run->scenario);
  free (run);
}

/* ---- one attempt ---- */

static void
attempt_free (void *arg)
{
  struct attempt *a = arg;

  guest_unref (a->guest);
  scenario_unref (a->scenario);
  free (a);
}

static int
attempt_run (struct job *job, void *arg)
{
  struct attempt *a = arg;
  struct error err = ERROR_INIT;
  int r = scenario_ask (a->scenario, a->guest, a->way, a->env, job,
                        &a->report, &err);

  /* Our own failure says nothing about the guest. */
  if (r < 0)
    run_no_verdict_ (&a->report, "own-failure", "%.190s", error_text (&err));
  return r;
}

static void
attempt_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct run *run = owner;
  struct attempt *a = arg;
  struct leg *leg = &run->legs[run->at];
  struct binding *bd = bindings_numbered_ (run->all, run->number);

  leg->state = LEG_OVER;
  if (end == JOB_RETURNED)
    leg->report = a->report;
  else
    run_no_verdict_ (&leg->report, "stuck",
                     "the check did not come back in time: what it asked is "
                     "stuck; `hangdog status` names the lane");
  if (a)
    attempt_free (a);
  /* Written off because the daemon ends: it says nothing. */
  if ((!bd && !run->once) || (end == JOB_DISCARDED && rc == -ECANCELED))
    {
      if (bd)
        bd->run = NULL;
      run_free_ (run);
      return;
    }
  settle (run);
}

static int
attempt_start (struct run *run, const struct leg *leg, struct error *err)
{
  struct attempt *a = calloc (1, sizeof (*a));
  char name[128];
  struct job_spec spec;
  int r;

  if (!a)
    return error_set (err, ENOMEM, "no memory for a run");
  a->guest = guest_ref (run->guest);
  a->scenario = scenario_ref (run->scenario);
  a->way = leg->way;
  a->env = run->all->env.transports;
  snprintf (name, sizeof (name), "scenario %s", run->scenario->name);
  spec = (struct job_spec){
    .name = name,
    .guest = run->guest->inc.uuid,
    .lane = leg->way->lane,
    .part = leg->way->lane_each ? run->scenario->name : NULL,
    .timeout_ms = run->scenario->timeout_ms,
    .run = attempt_run,
    .done = attempt_done,
    .free_arg = attempt_free,
    .owner = run,
    .arg = a,
  };
  r = job_start (run->all->env.jobs, &spec, err);
  if (r < 0)
    attempt_free (a);
  return r;
}

/* ---- one after another ---- */

static void
note_late (struct binding *bd, uint64_t now)
{
  uint64_t late = now > bd->due_ms ? now - bd->due_ms : 0;

  bindings_note_late_ (bd->all, late);
  if (late > bd->worst_late_ms)
    bd->worst_late_ms = late;
  if (late > 1000)
    bd->late++;
}

static void
note_started (struct binding *bd, struct run *run)
{
  uint64_t now = loop_now (run->all->env.loop);

  if (bd)
    {
      bd->held_off[0] = '\0';
      timer_stop (bd->timer);
    }
  if (run->started_ms)
    return;
  run->started_ms = now;
  if (!bd)
    return;
  bd->last_ms = now;
  if (run->in_turn)
    note_late (bd, now);
}

/* By what its snapshot says, and nothing that failed once: a way that the guest
 * surely does not have, where another one is left. */
static bool
skips (const struct run *run, struct leg *leg)
{
  const char *why = leg->way->absent ? leg->way->absent (run->guest) : NULL;

  for (unsigned i = 0; why && i < run->nlegs; i++)
    {
      const struct transport_ops *other = run->legs[i].way;

      if (other->absent && other->absent (run->guest))
        continue;
      if (leg->way->lane == LANE_CONSOLE)
        run_no_verdict_ (&leg->report, "console-absent", "%.190s", why);
      else if (leg->way->lane == LANE_AGENT)
        run_no_verdict_ (&leg->report, "agent-absent", "%.190s", why);
      else
        run_no_verdict_ (&leg->report, "absent", "%.190s", why);
      leg->state = LEG_OVER;
      return true;
    }
  return false;
}

/* True when an attempt is out. */
static bool
start_next (struct binding *bd, struct run *run)
{
  for (unsigned i = 0; i < run->nlegs; i++)
    {
      struct leg *leg = &run->legs[i];
      struct error err = ERROR_INIT;
      int r;

      if (leg->state == LEG_OVER || skips (run, leg))
        continue;
      r = attempt_start (run, leg, &err);
      if (r == 0)
        {
          run->at = i;
          lane_leave_ (run);
          note_started (bd, run);
          return true;
        }
      leg->state = r == -EBUSY ? LEG_BUSY : LEG_OVER;
      if (r == -EBUSY)
        run_no_verdict_ (&leg->report, "lane-busy", "%.190s",
                         error_text (&err));
      else
        run_no_verdict_ (&leg->report, "no-capacity", "%.190s",
                         error_text (&err));
    }
  return false;
}

static const struct leg *
first_of (const struct run *run, enum way_said way)
{
  for (unsigned i = 0; i < run->nlegs; i++)
    if (run->legs[i].state != LEG_AHEAD && run->legs[i].report.way == way)
      return &run->legs[i];
  return NULL;
}

static const struct leg *
first_busy (const struct run *run)
{
  for (unsigned i = 0; i < run->nlegs; i++)
    if (run->legs[i].state == LEG_BUSY)
      return &run->legs[i];
  return NULL;
}

/* Somebody answered, or the guest itself can't: no other way is needed. */
static const struct leg *
who_spoke (const struct run *run)
{
  const struct leg *leg = first_of (run, WAY_ANSWERS);

  if (!leg)
    leg = first_of (run, WAY_GUEST);
  return leg ? leg : first_of (run, WAY_UNSAID);
}

/* ---- what they say together ---- */

static void
say_transport (struct outcome_report *r, const struct leg *leg)
{
  snprintf (r->transport, sizeof (r->transport), "%s", leg->way->name);
}

static void
add_tried (struct outcome_report *r, const struct leg *leg)
{
  struct tried *t = &r->tried[r->ntried++];

  snprintf (t->transport, sizeof (t->transport), "%s", leg->way->name);
  snprintf (t->code, sizeof (t->code), "%s", leg->report.code);
  snprintf (t->sentence, sizeof (t->sentence), "%.*s",
            (int) sizeof (t->sentence) - 1, leg->report.sentence);
  t->way = leg->report.way;
}

/* By one way it does what "well" means, and by another, which is preferred,
 * nobody answers. */
static void
say_lost (struct outcome_report *r, const struct leg *spoke,
          const struct leg *lost)
{
  r->outcome = OUTCOME_FAILED;
  if (lost->way->lane == LANE_CONSOLE)
    snprintf (r->code, sizeof (r->code), "console-lost");
  else
    snprintf (r->code, sizeof (r->code), "way-lost");
  snprintf (r->sentence, sizeof (r->sentence),
            "it answers well over %s, but not over %s: %s: %.120s",
            spoke->way->name, lost->way->name, lost->report.code,
            lost->report.sentence);
}

static void
put_together (struct run *run)
{
  const struct leg *spoke = who_spoke (run), *lost = first_of (run, WAY_LOST);
  const struct leg *one = spoke ? spoke : lost ? lost : &run->legs[0];

  if (!run->nlegs)
    {
      run_no_verdict_ (&run->report, "internal", "it has no way to ask by");
      return;
    }
  /* What answers, and can't be judged, does not outweigh who does not. */
  if (spoke && lost && spoke->report.way == WAY_ANSWERS
      && spoke->report.outcome == OUTCOME_NO_VERDICT)
    one = lost;
  run->report = one->report;
  say_transport (&run->report, one);
  if (one == spoke && lost && spoke->report.outcome == OUTCOME_OK)
    say_lost (&run->report, spoke, lost);
  run->report.ntried = 0;
  for (unsigned i = 0; i < run->nlegs; i++)
    if (&run->legs[i] != one && run->legs[i].state != LEG_AHEAD)
      add_tried (&run->report, &run->legs[i]);
}

/* ---- the whole ---- */

static void
conclude (struct run *run)
{
  lane_leave_ (run);
  if (!run->started_ms)
    run->started_ms = loop_now (run->all->env.loop);
  put_together (run);
  run_judged_ (run);
}

/* An attempt is over, or none has begun yet. */
static void
settle (struct run *run)
{
  struct binding *bd = bindings_numbered_ (run->all, run->number);
  const struct leg *busy;

  if (run->once)
    {
      if (who_spoke (run) || !start_next (NULL, run))
        conclude (run);
      return;
    }
  if (who_spoke (run)
      || !incarnation_equal (&bd->of->guest->inc, &run->guest->inc)
      || (run->started_ms && binding_held_off_ (bd)))
    {
      conclude (run);
      return;
    }
  if (start_next (bd, run))
    return;
  busy = first_busy (run);
  if (!busy)
    {
      conclude (run);
      return;
    }
  snprintf (bd->held_off, sizeof (bd->held_off), "%.90s",
            busy->report.sentence);
  if (run->waits_with)
    return;
  /* A diagnosis or another scenario will be done with it soon; what goes on
   * for an interval is an outcome of its own.  When it was due stays.  Where
   * nobody answered by another way it may be that all there is to tell is
   * that this way is lost: so it is waited for, and not for long. */
  lane_wait_ (run);
  timer_at (bd->timer, loop_now (run->all->env.loop)
                           + (first_of (run, WAY_LOST)
                                  ? bd->scenario->timeout_ms
                                  : bd->scenario->interval_ms));
}

void
run_go_on_ (struct run *run)
{
  struct binding *bd = bindings_numbered_ (run->all, run->number);

  if (run->started_ms || !binding_held_off_ (bd))
    {
      settle (run);
      return;
    }
  run_free_ (steal_ptr (&bd->run));
  binding_arm_ (bd, loop_now (bd->all->env.loop) + bd->scenario->interval_ms);
}

void
run_give_up_ (struct run *run)
{
  struct binding *bd = bindings_numbered_ (run->all, run->number);

  bd->held_off[0] = '\0';
  if (!run->started_ms)
    {
      bd->skipped++;
      if (run->in_turn)
        note_late (bd, loop_now (run->all->env.loop));
    }
  conclude (run);
}

static void
find_ways (struct run *run)
{
  const struct scenario *s = run->scenario;
  char *const *names = s->transports.items;
  size_t n = s->transports.count;

  /* The reader of the document knows its transports. */
  for (size_t i = 0; i < (n ? n : 1) && run->nlegs < SCENARIO_MAX_WAYS; i++)
    {
      struct leg *leg = &run->legs[run->nlegs];

      leg->way = transport_find (n ? names[i] : s->kind->transports[0]);
      if (leg->way)
        run->nlegs++;
    }
}

static struct run *
run_new (struct binding *bd, bool in_turn)
{
  struct run *run = calloc (1, sizeof (*run));

  if (!run)
    return NULL;
  run->all = bd->all;
  run->number = bd->number;
  run->guest = guest_ref (bd->of->guest);
  run->scenario = scenario_ref (bd->scenario);
  run->in_turn = in_turn;
  run->report.value = NAN;
  return run;
}

/* Who does not ask has its outcome at once. */
static void
judge_now (struct binding *bd, struct run *run)
{
  note_started (bd, run);
  watch_judge_ (bd, &run->report);
  run_judged_ (run);
}

int
run_begin_ (struct binding *bd, bool in_turn, struct error *err)
{
  struct run *run = run_new (bd, in_turn);

  if (!run)
    {
      /* Not now, then. */
      binding_arm_ (bd, loop_now (bd->all->env.loop)
                            + bd->scenario->interval_ms);
      bd->skipped++;
      return error_set (err, ENOMEM, "no memory for a run");
    }
  bd->run = run;
  if (!run->scenario->kind->ask)
    {
      judge_now (bd, run);
      return 0;
    }
  find_ways (run);
  settle (run);
  /* Who asks for it now is told that it is not to be had now. */
  if (in_turn || !bd->run || !bd->run->waits_with)
    return 0;
  run_free_ (steal_ptr (&bd->run));
  timer_at (bd->timer, bd->due_ms);
  error_set (err, EBUSY, "%s", bd->held_off);
  bd->held_off[0] = '\0';
  return -EBUSY;
}

int
bindings_once (struct bindings *b, const struct guest *g, struct scenario *s,
               bindings_once_fn *fn, void *arg, struct error *err)
{
  struct run *run;

  if (!s->kind->ask)
    return error_set (err, EINVAL, "a scenario of kind %s does not ask: it "
                      "says how a guest is by what %s",
                      s->kind->name,
                      s->kind->combine
                          ? "other scenarios have found; bind it"
                          : "it has heard; bind it, or try it on a recording "
                            "with `hangdog scenario test`");
  run = calloc (1, sizeof (*run));
  if (!run)
    return error_set (err, ENOMEM, "no memory for a run");
  *run = (struct run){ .all = b, .guest = guest_ref (g),
                       .scenario = scenario_ref (s), .report.value = NAN,
                       .once = fn, .once_arg = arg };
  find_ways (run);
  settle (run);
  return 0;
}
