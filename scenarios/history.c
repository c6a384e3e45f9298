/* SPDX-License-Identifier: Apache-2.0
 *
 * A ring of runs: two bits for the outcome and six for the time that it took,
 * and sixteen for how long after the one before it it ended.
 */
#include "scenarios/history.h"

#include <math.h>
#include <string.h>

/* A gap is a float of its own: what is kept is the upper GAP_BITS of it. */
#define GAP_BITS 11
#define GAP_MANTISSA (1u << GAP_BITS)
#define GAP_SHIFTS 31u

#define TOOK_STEPS 64

_Static_assert (sizeof (struct history) <= 256, "one per binding");
_Static_assert (OUTCOME_NO_VERDICT < 4, "two bits");

/* Four to an octave: the longest time that a step stands for. */
static uint64_t
took_of (unsigned step)
{
  static const unsigned quarter[] = { 16, 19, 23, 27 };

  if (step < 4)
    return step;
  return ((uint64_t) quarter[step % 4] << (step / 4 + 1)) / 16;
}

static unsigned
step_of (uint64_t took_ms)
{
  unsigned step = 0;

  while (step < TOOK_STEPS - 1 && took_of (step) < took_ms)
    step++;
  return step;
}

/* Half up, so that a day of gaps is not off by what each of them lost. */
static uint16_t
pack_gap (uint64_t ms)
{
  unsigned shift = 0;
  uint64_t rounded = ms;

  while (rounded >= GAP_MANTISSA && shift < GAP_SHIFTS)
    {
      shift++;
      rounded = (ms + ((uint64_t) 1 << (shift - 1))) >> shift;
    }
  if (rounded >= GAP_MANTISSA)
    rounded = GAP_MANTISSA - 1;
  return (uint16_t) (shift << GAP_BITS | rounded);
}

static uint64_t
gap_of (uint16_t packed)
{
  return (uint64_t) (packed & (GAP_MANTISSA - 1)) << (packed >> GAP_BITS);
}

void
history_add (struct history *h, enum outcome outcome, uint64_t took_ms,
             uint64_t now_ms)
{
  uint64_t gap = h->n && now_ms > h->last_ms ? now_ms - h->last_ms : 0;

  h->runs[h->at] = (uint8_t) ((unsigned) outcome << 6 | step_of (took_ms));
  h->gaps[h->at] = pack_gap (gap);
  h->at = (uint8_t) ((h->at + 1) % HISTORY_RUNS);
  if (h->n < HISTORY_RUNS)
    h->n++;
  h->last_ms = now_ms;
  if (outcome == OUTCOME_NO_VERDICT)
    return;
  took_ms = took_ms < UINT32_MAX ? took_ms : UINT32_MAX;
  if (took_ms > h->max_ms)
    h->max_ms = (uint32_t) took_ms;
}

static unsigned
place (const struct history *h, unsigned i)
{
  return (h->at + HISTORY_RUNS - h->n + i) % HISTORY_RUNS;
}

bool
history_run (const struct history *h, unsigned i, struct history_run *ret)
{
  uint64_t ago = 0;
  uint8_t run;

  if (i >= h->n)
    return false;
  for (unsigned k = i + 1; k < h->n; k++)
    ago += gap_of (h->gaps[place (h, k)]);
  run = h->runs[place (h, i)];
  *ret = (struct history_run){
    .outcome = (enum outcome) (run >> 6),
    .at_ms = h->last_ms > ago ? h->last_ms - ago : 0,
    .took_ms = took_of (run & (TOOK_STEPS - 1)),
  };
  return true;
}

/* The least time within which so many percent of the n runs in counts were
 * over; none took longer than most. */
static uint64_t
percentile (const uint8_t counts[TOOK_STEPS], unsigned n, uint64_t most,
            unsigned percent)
{
  unsigned rank = (n * percent + 99) / 100, seen = 0;

  for (unsigned step = 0; step < TOOK_STEPS; step++)
    {
      seen += counts[step];
      if (n && seen >= rank)
        return took_of (step) < most ? took_of (step) : most;
    }
  return 0;
}

void
history_sum (const struct history *h, struct history_sum *ret)
{
  static const char letters[] = { '+', '-', '?', '?' };
  uint8_t counts[TOOK_STEPS] = { 0 };
  struct history_run first;

  *ret = (struct history_sum){ .n = h->n, .availability = NAN };
  for (unsigned i = 0; i < h->n; i++)
    {
      uint8_t run = h->runs[place (h, i)];
      enum outcome outcome = (enum outcome) (run >> 6);

      ret->text[i] = letters[outcome];
      ret->ok += outcome == OUTCOME_OK;
      ret->failed += outcome == OUTCOME_FAILED;
      if (outcome != OUTCOME_NO_VERDICT)
        counts[run & (TOOK_STEPS - 1)]++;
    }
  ret->answered = ret->ok + ret->failed;
  ret->p50_ms = percentile (counts, ret->answered, h->max_ms, 50);
  ret->p90_ms = percentile (counts, ret->answered, h->max_ms, 90);
  ret->p99_ms = percentile (counts, ret->answered, h->max_ms, 99);
  ret->max_ms = h->max_ms;
  if (ret->answered)
    ret->availability = (double) ret->ok / ret->answered;
  if (!history_run (h, 0, &first))
    return;
  ret->since_ms = first.at_ms;
  ret->last_ms = h->last_ms;
}
