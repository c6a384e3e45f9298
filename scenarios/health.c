/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds: when failing becomes failed, and when to look again.  Pure.
 */
#include "scenarios/scenario.h"

#include "base/cleanup.h"

#include <string.h>

const char *const health_names[]
    = { "unknown", "well", "suspect", "failed", NULL };

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

enum health_change
health_feed (struct health_state *st, const struct scenario *s,
             enum outcome outcome, uint64_t now_ms)
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

static bool
is_one_of (const struct outcome_report *report, const char *const *codes,
           size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (report->outcome == OUTCOME_NO_VERDICT
        && strcmp (report->code, codes[i]) == 0)
      return true;
  return false;
}

/* The guest's own words for why it can't be asked. */
static bool
excused_for_long (struct health_state *st, const struct scenario *s,
                  const struct outcome_report *report)
{
  static const char *const codes[]
      = { "booting", "bootloader", "console-flooded" };
  static const char *const closed[]
      = { "login-prompt", "password-prompt", "auth-failed" };

  if (report->outcome != OUTCOME_NO_VERDICT)
    {
      st->excused = 0;
      st->excused_told = false;
      return false;
    }
  /* A check that never was well meets the prompt that it is not made for, or
   * has the wrong key. */
  if (!is_one_of (report, codes, ARRAY_LEN (codes))
      && !(st->health == HEALTH_WELL
           && is_one_of (report, closed, ARRAY_LEN (closed))))
    return false;
  if (st->excused == 0)
    st->excused_ms = st->last_ms;
  if (st->excused < UINT32_MAX)
    st->excused++;
  if (st->excused_told
      || st->excused < HEALTH_MUTE_TIMES * s->failure_threshold
      || st->last_ms - st->excused_ms < HEALTH_EXCUSED_MS)
    return false;
  st->excused_told = true;
  return true;
}

bool
health_mute (struct health_state *st, const struct scenario *s,
             const struct outcome_report *report)
{
  static const char *const codes[] = { "console-timeout", "console-broken",
                                       "own-failure", "stuck", "lane-busy" };
  bool mute = is_one_of (report, codes, ARRAY_LEN (codes));

  if (excused_for_long (st, s, report))
    return true;
  /* A socket that nobody accepts on is full after a few tries, and looks held
   * by another from then on.  One that begins so is: by a person. */
  if (st->mute > 0 && report->outcome == OUTCOME_NO_VERDICT
      && strcmp (report->code, "console-busy") == 0)
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
