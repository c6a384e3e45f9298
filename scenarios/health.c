/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds: when failing becomes failed, and when to look again.  Pure.
 */
#include "scenarios/scenario.h"

const char *const health_names[]
    = { "unknown", "well", "suspect", "failed", NULL };

/* What the thresholds make of an outcome with a verdict is what may flap. */
static void
feed_flap (struct health_state *st, const struct scenario *s, bool failed,
           uint64_t now_ms)
{
  flap_feed (&st->flap, failed, st->health == HEALTH_FAILED,
             (unsigned) s->failure_threshold, (unsigned) s->success_threshold,
             now_ms);
}

static enum health_change
become (struct health_state *st, enum health to, uint64_t now_ms)
{
  static const enum health_change changes[] = {
    [HEALTH_UNKNOWN] = HEALTH_SAME,
    [HEALTH_WELL] = HEALTH_BECAME_WELL,
    [HEALTH_SUSPECT] = HEALTH_BECAME_SUSPECT,
    [HEALTH_FAILED] = HEALTH_BECAME_FAILED,
  };

  if (st->health == to)
    return HEALTH_SAME;
  st->health = to;
  st->since_ms = now_ms;
  return changes[to];
}

static enum health_change
feed (struct health_state *st, const struct scenario *s, enum outcome outcome,
      uint64_t now_ms)
{
  st->runs++;
  st->last_ms = now_ms;
  st->last = outcome;
  switch (outcome)
    {
    case OUTCOME_OK:
      st->failures = 0;
      if (st->successes < UINT32_MAX)
        st->successes++;
      if (st->successes >= s->success_threshold)
        return become (st, HEALTH_WELL, now_ms);
      return HEALTH_SAME;
    case OUTCOME_FAILED:
      st->successes = 0;
      if (st->failures < UINT32_MAX)
        st->failures++;
      if (st->failures >= s->failure_threshold)
        return become (st, HEALTH_FAILED, now_ms);
      /* What has failed stays so until it is well again: a guest that
       * answers now and then is not suspected anew each time. */
      if (st->health != HEALTH_FAILED)
        return become (st, HEALTH_SUSPECT, now_ms);
      return HEALTH_SAME;
    case OUTCOME_NO_VERDICT:
      return HEALTH_SAME;
    }
  return HEALTH_SAME;
}

enum health_change
health_feed (struct health_state *st, const struct scenario *s,
             enum outcome outcome, uint64_t now_ms)
{
  enum health_change change = feed (st, s, outcome, now_ms);

  if (outcome != OUTCOME_NO_VERDICT)
    feed_flap (st, s, outcome == OUTCOME_FAILED, now_ms);
  return change;
}

void
health_sure (struct health_state *st, const struct scenario *s,
             const struct outcome_report *report)
{
  const struct outcome_code *code = outcome_code_find (report->code);

  if (code && code->flags & CODE_SURE && report->outcome == OUTCOME_FAILED
      && st->failures + 1 < s->failure_threshold)
    st->failures = (unsigned) s->failure_threshold - 1;
}

static unsigned
flags_of (const struct outcome_report *report)
{
  const struct outcome_code *code = outcome_code_find (report->code);

  return code && report->outcome == OUTCOME_NO_VERDICT ? code->flags
                                                       : CODE_PLAIN;
}

/* The guest's own words for why it can't be asked. */
static bool
excused_for_long (struct health_state *st, const struct scenario *s,
                  const struct outcome_report *report)
{
  unsigned flags = flags_of (report);

  if (report->outcome != OUTCOME_NO_VERDICT)
    {
      st->excused = 0;
      st->excused_told = false;
      return false;
    }
  /* A check that never was well meets the prompt that it is not made for, or
   * has the wrong key. */
  if (!(flags & CODE_EXCUSED)
      && !(st->health == HEALTH_WELL && (flags & CODE_CLOSED)))
    return false;
  if (st->excused == 0)
    st->excused_ms = st->last_ms;
  if (st->excused < UINT32_MAX)
    st->excused++;
  if (st->excused_told || st->excused < HEALTH_MUTE_TIMES * s->failure_threshold
      || st->last_ms - st->excused_ms < HEALTH_EXCUSED_MS)
    return false;
  st->excused_told = true;
  return true;
}

bool
health_mute (struct health_state *st, const struct scenario *s,
             const struct outcome_report *report)
{
  unsigned flags = flags_of (report);
  bool mute = (flags & CODE_MUTE) != 0;

  if (excused_for_long (st, s, report))
    return true;
  /* A socket that nobody accepts on is full after a few tries, and looks held
   * by another from then on.  One that begins so is: by a person. */
  if (st->mute > 0 && (flags & CODE_HELD))
    mute = true;
  if (!mute)
    {
      st->mute = 0;
      return false;
    }
  if (st->mute < UINT32_MAX)
    st->mute++;
  return st->mute == HEALTH_MUTE_TIMES * s->failure_threshold;
}

enum health_change
health_take (struct health_state *st, const struct scenario *s,
             const struct outcome_report *report, uint64_t now_ms)
{
  enum health_change change;

  health_sure (st, s, report);
  change = health_feed (st, s, report->outcome, now_ms);
  if (health_mute (st, s, report) && change == HEALTH_SAME)
    change = HEALTH_BECAME_MUTE;
  return change;
}

uint64_t
health_next (const struct health_state *st, const struct scenario *s,
             uint64_t started_ms, uint64_t random)
{
  uint64_t next, spread = s->jitter_ms ? random % (s->jitter_ms + 1) : 0;

  if (st->runs == 0)
    return started_ms + s->initial_delay_ms + spread;
  next = started_ms + s->interval_ms + spread;
  if (st->health == HEALTH_SUSPECT && st->last != OUTCOME_NO_VERDICT)
    {
      uint64_t ended = st->last_ms > started_ms ? st->last_ms : started_ms;

      /* No jitter: confirming soon is the point. */
      if (ended + s->retry_ms < next)
        next = ended + s->retry_ms;
    }
  return next;
}
