/* SPDX-License-Identifier: Apache-2.0
 *
 * Flapping: two registers of changes, weighed.
 */
#include "scenarios/flap.h"

#define MASK ((1u << FLAP_OUTCOMES) - 1)

/* In percent of all: from 80 for the oldest to 120 for the newest. */
static unsigned
weighed (uint32_t changes)
{
  unsigned sum = 0;

  for (unsigned age = 0; age < FLAP_OUTCOMES; age++)
    if (changes >> age & 1)
      sum += 120 - 40 * age / (FLAP_OUTCOMES - 1);
  return sum / FLAP_OUTCOMES;
}

unsigned
flap_percent (const struct flap *f, unsigned failure_threshold,
              unsigned success_threshold)
{
  /* Down and up again takes so many outcomes at least, for two changes. */
  unsigned round = failure_threshold + success_threshold;
  unsigned raw = weighed (f->raw);
  unsigned hard = weighed (f->hard) * (round > 2 ? round : 2) / 2;

  hard = hard < 100 ? hard : 100;
  return raw > hard ? raw : hard;
}

bool
flap_feed (struct flap *f, bool failed, bool down, unsigned failure_threshold,
           unsigned success_threshold, uint64_t now_ms)
{
  bool was = f->flapping;
  unsigned percent;

  f->raw = (f->raw << 1 | (f->n && failed != f->failed)) & MASK;
  f->hard = (f->hard << 1 | (f->n && down != f->down)) & MASK;
  f->n = 1;
  f->failed = failed;
  f->down = down;
  percent = flap_percent (f, failure_threshold, success_threshold);
  if (percent > FLAP_BEGINS)
    f->flapping = true;
  else if (percent < FLAP_ENDS)
    f->flapping = false;
  if (f->flapping == was)
    return false;
  f->since_ms = now_ms;
  if (f->flapping && f->times < UINT16_MAX)
    f->times++;
  return true;
}
