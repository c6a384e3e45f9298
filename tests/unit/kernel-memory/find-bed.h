/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that a test makes, in which a kernel is looked for.
 */
#ifndef HANGDOG_TESTS_FIND_BED_H
#define HANGDOG_TESTS_FIND_BED_H

#include "tests/lib/fakemem.h"
#include "tests/unit/kernel-memory/stand-ins.h"

#define MIB (1ULL << 20)
#define RELEASE "6.1.0-test"
#define UTS (FAKE_RODATA + 0x10000)
#define SIZE (64 * MIB)
/* Of an entry of arm64; tables do not have the second. */
#define RO (1ULL << 7)
#define SHARED (3ULL << 8)

static inline void
not_found_as (struct mem *m, const struct vcpu_regs *regs, unsigned n,
              int code, const char *why)
{
  struct error err = ERROR_INIT;
  struct kernel *k = NULL;

  assert_int_equal (kernel_find (m, regs, n, &k, &err), -code);
  assert_null (k);
  if (!strstr (error_text (&err), why))
    fail_msg ("\"%s\" is not in: %s", why, error_text (&err));
}

/* There is none. */
static inline void
not_found (struct mem *m, const struct vcpu_regs *regs, unsigned n,
           const char *why)
{
  not_found_as (m, regs, n, ENXIO, why);
}

#endif
