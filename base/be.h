/* SPDX-License-Identifier: Apache-2.0
 *
 * Big-endian numbers anywhere in memory: what networks speak.
 */
#ifndef HANGDOG_BASE_BE_H
#define HANGDOG_BASE_BE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void
be_put16 (void *p, uint16_t v)
{
  v = htobe16 (v);
  memcpy (p, &v, sizeof v);
}

static inline uint16_t
be_get16 (const void *p)
{
  uint16_t v;

  memcpy (&v, p, sizeof v);
  return be16toh (v);
}

static inline uint32_t
be_get32 (const void *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return be32toh (v);
}

static inline uint64_t
be_get64 (const void *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return be64toh (v);
}

#endif
