/* SPDX-License-Identifier: Apache-2.0
 *
 * What two heartbeats say of the rungs 3 to 5: a vCPU that makes progress,
 * ticks, context switches.
 *
 * Nothing is said without a reason.  Memory shows what moved; it does not show
 * why something stands still: a CPU that sleeps well, one that spins in user
 * mode without a tick, and one that is gone look alike when they are idle or
 * full of one task.  Where that is so it is `unknown`.
 */
#include "transports/memory/beat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HAS_CPU(what) (1u << ((what) - BEAT_ONCE))

const char *const beat_state_names[] = { [BEAT_UNKNOWN] = "unknown",
                                         [BEAT_ALIVE] = "alive",
                                         [BEAT_SLOW] = "slow",
                                         [BEAT_DEAD] = "dead" };

struct judge
{
  const struct beat *a, *b;
  struct beat_vcpus known;
  struct beat_verdict *v;
  uint64_t ticks, want_ticks; /* how many came, and of how many; 0 = ? */
  unsigned n;                 /* CPUs that both have */
  unsigned switched, clocked, resting, busy;
  unsigned stopped, locked, waiting; /* CPUs that had something to do */
  int first;                         /* of those that stand still */
  bool all_idle; /* every CPU of the guest, at both times */
};

static void say (struct beat_facet *f, enum beat_state state, const char *fmt,
                 ...) __attribute__ ((format (printf, 3, 4)));

static void
say (struct beat_facet *f, enum beat_state state, const char *fmt, ...)
{
  va_list ap;

  f->state = state;
  va_start (ap, fmt);
  vsnprintf (f->why, sizeof f->why, fmt, ap);
  va_end (ap);
}

static void
say_all (struct beat_verdict *v, const char *why)
{
  say (&v->vcpu, BEAT_UNKNOWN, "%s", why);
  say (&v->ticks, BEAT_UNKNOWN, "%s", why);
  say (&v->scheduler, BEAT_UNKNOWN, "%s", why);
}

static double
seconds (const struct judge *j)
{
  return (double) j->v->apart_ms / 1000;
}

/* ---- can these be compared at all? ---- */

/* Within a boot neither ever falls; a reset that has not come to the canary yet
 * shows here. */
static bool
fell (const struct beat *a, const struct beat *b)
{
  if (a->has & b->has & 1u << BEAT_TICKS && b->ticks < a->ticks)
    return true;
  for (unsigned i = 0; i < a->cpus && i < b->cpus; i++)
    if (a->cpu[i].has & b->cpu[i].has & HAS_CPU (BEAT_SWITCHES)
        && b->cpu[i].switches < a->cpu[i].switches)
      return true;
  return false;
}

static bool
comparable (const struct beat *a, const struct beat *b,
            const struct beat_vcpus *known, struct beat_verdict *v)
{
  if (!a->canary_ok || !b->canary_ok || fell (a, b))
    {
      v->rebooted = true;
      say_all (v, "it has booted again, or does now: where things are has to "
                  "be found out again");
      return false;
    }
  if (b->at_ms < a->at_ms + BEAT_APART_MS)
    {
      say_all (v, "the two looks are too near to each other");
      return false;
    }
  if (known->ran == BEAT_NO)
    {
      say_all (v, "its vCPUs were not run meanwhile: that nothing moved says "
                  "nothing of the guest");
      return false;
    }
  return true;
}

/* ---- each CPU ---- */

static void
look_at_cpu (struct judge *j, unsigned i)
{
  const struct beat_cpu *x = &j->a->cpu[i], *y = &j->b->cpu[i];
  uint8_t has = x->has & y->has;
  bool switched = has & HAS_CPU (BEAT_SWITCHES) && x->switches != y->switches;
  bool clocked = has & HAS_CPU (BEAT_CLOCK) && x->clock_ns != y->clock_ns;
  bool wanted = has & HAS_CPU (BEAT_RUNNING) && x->running > 0
                && y->running > 0;
  bool idle = x->idle && y->idle && !wanted;
  unsigned *which;

  j->switched += switched;
  j->clocked += clocked;
  if (!idle)
    j->all_idle = false;
  if (switched || (clocked && !wanted))
    return;
  if (idle)
    {
      j->resting++;
      return;
    }
  if (!wanted || !(has & HAS_CPU (BEAT_CLOCK)))
    return; /* between two things, or too little is known */
  /* One task that nobody disputes it: no switch is due. */
  if (clocked && (x->running < 2 || y->running < 2) && !y->idle)
    {
      j->busy++;
      return;
    }
  if (!clocked && j->v->apart_ms < BEAT_STOPPED_MS)
    which = &j->waiting;
  else if (clocked && j->v->apart_ms < BEAT_LOCKED_MS)
    which = &j->waiting;
  else
    which = clocked ? &j->locked : &j->stopped;
  if (which != &j->waiting)
    j->v->stopped |= 1ULL << i;
  if (++*which == 1 && (j->first < 0 || which != &j->waiting))
    j->first = (int) i;
}

static void
look_at_cpus (struct judge *j)
{
  j->n = j->a->cpus < j->b->cpus ? j->a->cpus : j->b->cpus;
  j->first = -1;
  j->all_idle = j->n > 0 && j->n >= j->b->of_cpus;
  for (unsigned i = 0; i < j->n; i++)
    look_at_cpu (j, i);
}

/* ---- the rungs ---- */

static bool
honestly_idle (const struct judge *j)
{
  return j->all_idle && j->known.halted == BEAT_YES
         && j->known.irqs_on == BEAT_YES;
}

/* Halted for good: no interrupt is taken there. */
static bool
halted_for_good (const struct judge *j)
{
  return j->known.halted == BEAT_YES && j->known.irqs_on == BEAT_NO;
}

/* What it means that nothing moved; false: that its CPUs rest is no reason. */
static bool
say_resting (const struct judge *j, struct beat_facet *f)
{
  if (halted_for_good (j))
    say (f, BEAT_DEAD,
         "all vCPUs are halted with interrupts off: nothing wakes them");
  else if (honestly_idle (j))
    say (f, BEAT_ALIVE,
         "all CPUs are idle and halted with interrupts on: a kernel takes no "
         "ticks then");
  else if (j->all_idle)
    say (f, BEAT_UNKNOWN,
         "all CPUs were idle for %.1f s: whether something would wake them "
         "only their registers tell",
         seconds (j));
  else
    return false;
  return true;
}

static void
judge_vcpu (struct judge *j)
{
  struct beat_facet *f = &j->v->vcpu;

  if (j->ticks > 0 || j->switched > 0 || j->clocked > 0)
    say (f, BEAT_ALIVE,
         "%" PRIu64 " ticks; %u of %u CPUs switched, %u looked at their clock "
         "in %.1f s",
         j->ticks, j->switched, j->n, j->clocked, seconds (j));
  else if (!say_resting (j, f))
    say (f, BEAT_UNKNOWN,
         "nothing moved in memory for %.1f s: whether a vCPU executes "
         "something only its registers tell",
         seconds (j));
}

static void
judge_ticks (struct judge *j)
{
  struct beat_facet *f = &j->v->ticks;

  if (!(j->a->has & j->b->has & 1u << BEAT_TICKS))
    say (f, BEAT_UNKNOWN, "where its ticks are is not known");
  /* After a pause of all CPUs ticks are made up for at once: too few mean
   * something only where somebody was at work. */
  else if (j->ticks > 0 && j->want_ticks > 4 * j->ticks && j->n > 0
           && !j->all_idle && j->resting == 0)
    say (f, BEAT_SLOW, "%" PRIu64 " ticks in %.1f s, where %" PRIu64 " are due",
         j->ticks, seconds (j), j->want_ticks);
  else if (j->ticks > 0)
    say (f, BEAT_ALIVE, "%" PRIu64 " ticks in %.1f s", j->ticks, seconds (j));
  else if (say_resting (j, f))
    return;
  else if (j->stopped > 0 && j->switched == 0 && j->clocked == 0)
    say (f, BEAT_DEAD, "no tick in %.1f s while CPU %d has something to run",
         seconds (j), j->first);
  else
    say (f, BEAT_UNKNOWN, "no tick in %.1f s: that may be too short",
         seconds (j));
}

static void
judge_scheduler (struct judge *j)
{
  struct beat_facet *f = &j->v->scheduler;

  if (j->b->panic_cpu >= 0)
    say (f, BEAT_DEAD, "it panicked on CPU %" PRId64, j->b->panic_cpu);
  else if (j->n == 0)
    say (f, BEAT_UNKNOWN, "where its run queues are is not known");
  else if (j->stopped > 0)
    say (f, BEAT_DEAD,
         j->stopped + j->locked > 1
             ? "CPU %d and others have something to run and have neither "
               "switched nor looked at their clocks for %.1f s"
             : "CPU %d has something to run and has neither switched nor "
               "looked at its clock for %.1f s",
         j->first, seconds (j));
  else if (j->locked > 0)
    say (f, BEAT_DEAD,
         j->locked > 1
             ? "CPU %d and others run one task each for %.1f s while others "
               "wait for them"
             : "CPU %d runs one task for %.1f s while others wait for it",
         j->first, seconds (j));
  else if (j->waiting > 0)
    say (f, BEAT_SLOW,
         j->waiting > 1
             ? "CPU %d and others have something to run and did not for %.1f s"
             : "CPU %d has something to run and did not for %.1f s",
         j->first, seconds (j));
  else if (j->switched > 0)
    say (f, BEAT_ALIVE, "%u of %u CPUs switched in %.1f s", j->switched, j->n,
         seconds (j));
  else if (j->busy > 0)
    say (f, BEAT_ALIVE, "%u of %u CPUs run one task each, and take ticks",
         j->busy, j->n);
  else if (!say_resting (j, f))
    say (f, BEAT_UNKNOWN, "no CPU switched in %.1f s: that may be too short",
         seconds (j));
}

void
beat_compare (const struct beat *a, const struct beat *b,
              const struct beat_vcpus *vcpus, struct beat_verdict *ret)
{
  struct judge j = { .a = a, .b = b, .v = ret };

  memset (ret, 0, sizeof *ret);
  if (vcpus)
    j.known = *vcpus;
  ret->apart_ms = b->at_ms > a->at_ms ? b->at_ms - a->at_ms : 0;
  if (!comparable (a, b, &j.known, ret))
    return;
  if (a->has & b->has & 1u << BEAT_TICKS)
    j.ticks = b->ticks - a->ticks;
  j.want_ticks = b->hz * ret->apart_ms / 1000;
  look_at_cpus (&j);
  judge_vcpu (&j);
  judge_ticks (&j);
  judge_scheduler (&j);
}
