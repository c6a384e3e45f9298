/* SPDX-License-Identifier: Apache-2.0
 *
 * The last runs of one scenario on one guest, packed: how each ended, when,
 * and how long it took, to a quarter.  Pure; 208 bytes, so that a thousand
 * guests with five scenarios each have theirs.
 */
#ifndef HANGDOG_SCENARIOS_HISTORY_H
#define HANGDOG_SCENARIOS_HISTORY_H

#include "scenarios/scenario.h"

#define HISTORY_RUNS 64

struct history
{
  uint64_t last_ms; /* the end of the last run */
  uint32_t max_ms;  /* the longest that answered, of all there were */
  uint8_t n, at;    /* at: where the next one goes */
  uint8_t runs[HISTORY_RUNS];  /* how it ended, and how long it took */
  uint16_t gaps[HISTORY_RUNS]; /* since the one before it */
};

void history_add (struct history *h, enum outcome outcome, uint64_t took_ms,
                  uint64_t now_ms);

struct history_run
{
  enum outcome outcome;
  uint64_t at_ms;   /* off by half a thousandth of its age */
  uint64_t took_ms; /* not less than it was, nor a quarter more; 110 s for all
                       that is longer */
};
/* i: 0 is the oldest. */
bool history_run (const struct history *h, unsigned i,
                  struct history_run *ret);

struct history_sum
{
  unsigned n, ok, failed;
  uint64_t since_ms, last_ms; /* the first and the last; 0 without any */
  double availability; /* of those with a verdict; NAN without any */
  unsigned answered;   /* those whose time counts: ok and failed */
  uint64_t p50_ms, p90_ms, p99_ms; /* by the nearest rank */
  uint64_t max_ms;
  char text[HISTORY_RUNS + 1]; /* oldest first: + ok, - failed, ? no verdict */
};
void history_sum (const struct history *h, struct history_sum *ret);

#endif
