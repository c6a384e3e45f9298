/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting for what happens elsewhere, for cmocka tests: never a fixed time,
 * always an end.
 */
#ifndef HANGDOG_TESTS_UNTIL_H
#define HANGDOG_TESTS_UNTIL_H

#include "base/clock.h"

#include <poll.h>

/* A healthy machine needs a thousandth of it; a starved one all. */
#define UNTIL_MS 60000

static inline void
nap_ms (int ms)
{
  (void) poll (NULL, 0, ms);
}

/* Does `step` again and again until the expression holds, or fails. */
#define UNTIL_DOING(what, step)                                               \
  do                                                                          \
    {                                                                         \
      uint64_t until_ = clock_ms () + UNTIL_MS;                               \
      while (!(what))                                                         \
        {                                                                     \
          if (clock_ms () > until_)                                           \
            fail_msg ("did not happen: %s", #what);                           \
          step;                                                               \
        }                                                                     \
    }                                                                         \
  while (0)

/* Another thread or process does it. */
#define UNTIL(what) UNTIL_DOING (what, nap_ms (2))

/* Rounds of a loop do it. */
#define UNTIL_LOOP(loop, what)                                                \
  UNTIL_DOING (what, assert_int_equal (loop_round (loop, 100, NULL), 0))

#endif
