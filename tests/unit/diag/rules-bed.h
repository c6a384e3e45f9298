/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict rules as they are shipped, for all tests of a programme:
 * test-ladder, test-rules-memory, test-kinds-known.
 */
#ifndef HANGDOG_TEST_RULES_BED_H
#define HANGDOG_TEST_RULES_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "diag/ladder/rules.h"

static struct verdict_rules *rules;

static inline int
begin_rules (void **state)
{
  struct error err = ERROR_INIT;

  if (verdict_rules_new (&rules, &err) < 0)
    fail_msg ("%s", err.msg);
  return 0;
}

static inline int
end_rules (void **state)
{
  verdict_rules_unref (rules);
  return 0;
}

#endif
