/* SPDX-License-Identifier: Apache-2.0
 *
 * Flapping: a guest that is now well and now not.  Pure.
 *
 * Looked at are the last 20 outcomes with a verdict, and how often they
 * changed; a change that is new weighs half as much again as an old one.  Two
 * sorts of change are counted, each by how many there can be, and the worse one
 * is told: from answer to answer, and of what the thresholds make of them.  The
 * second because a guest that fails twice and answers twice has changed in
 * every second answer only, but opens and ends an incident each time.
 */
#ifndef HANGDOG_SCENARIOS_FLAP_H
#define HANGDOG_SCENARIOS_FLAP_H

#include <stdbool.h>
#include <stdint.h>

#define FLAP_OUTCOMES 20
#define FLAP_BEGINS 50 /* percent: above it */
#define FLAP_ENDS 25   /* below it */

struct flap
{
  uint32_t raw, hard; /* changes, the newest in bit 0 */
  uint8_t n;          /* outcomes so far, 1 at most: has there been one? */
  bool failed, down;  /* the last outcome; what thresholds made of it */
  bool flapping;
  uint16_t times; /* it began to */
  uint64_t since_ms;
};

/* One more outcome with a verdict; down: the scenario counts as failed by its
 * thresholds, which are those.  True when flapping began or ended. */
bool flap_feed (struct flap *f, bool failed, bool down,
                unsigned failure_threshold, unsigned success_threshold,
                uint64_t now_ms);
/* Percent of the changes that there can be. */
unsigned flap_percent (const struct flap *f, unsigned failure_threshold,
                       unsigned success_threshold);

#endif
