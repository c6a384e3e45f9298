/* SPDX-License-Identifier: Apache-2.0
 *
 * What every fuzz target needs.
 */
#ifndef HANGDOG_TESTS_FUZZ_H
#define HANGDOG_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Not assert(): a build without it would find nothing. */
#define MUST(x)                                                               \
  do                                                                          \
    if (!(x))                                                                 \
      {                                                                       \
        fprintf (stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);              \
        abort ();                                                             \
      }                                                                       \
  while (0)

#endif
