/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash for tables whose keys nobody chooses to make them slow: FNV-1a.
 */
#ifndef HANGDOG_BASE_HASH_H
#define HANGDOG_BASE_HASH_H

#include <stdint.h>

static inline uint32_t
hash_text (const char *s)
{
  uint32_t h = 2166136261u;

  for (; *s; s++)
    h = (h ^ (unsigned char) *s) * 16777619u;
  return h;
}

#endif
