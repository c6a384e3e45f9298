/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop whose clock only a test moves, and rounds of it that do not wait.
 */
#ifndef HANGDOG_TESTS_FAKE_LOOP_H
#define HANGDOG_TESTS_FAKE_LOOP_H

#include "base/error.h"
#include "base/loop.h"

static inline struct loop *
fake_loop (void)
{
  struct loop *loop = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (loop_new_fake (&loop, &err), 0);
  return loop;
}

static inline void
rounds (struct loop *loop, unsigned n)
{
  struct error err = ERROR_INIT;

  while (n-- > 0)
    assert_int_equal (loop_round (loop, 0, &err), 0);
}

#endif
