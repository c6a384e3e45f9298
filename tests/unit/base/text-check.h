/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold of escaped text, decided without the tables of base/text.c:
 * shared by the unit test and the fuzzer.
 */
#ifndef TESTS_TEXT_CHECK_H
#define TESTS_TEXT_CHECK_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decoder written differently from the one under test. */
static inline unsigned
check_utf8 (const unsigned char *p, size_t len, uint32_t *cp)
{
  unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
  static const unsigned char mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };

  if (n == 0 || n > len)
    return 0;
  *cp = p[0] & mask[n];
  for (unsigned i = 1; i < n; i++)
    {
      if (p[i] < 0x80 || p[i] > 0xbf)
        return 0;
      *cp = *cp * 64 + (p[i] - 0x80);
    }
  if ((n == 2 && *cp < 0x80) || (n == 3 && *cp < 0x800)
      || (n == 4 && *cp < 0x10000) || *cp > 0x10ffff
      || (*cp >= 0xd800 && *cp <= 0xdfff))
    return 0;
  return n;
}

/* The reason why text is not fit for a person, NULL if it is. */
static inline const char *
check_escaped (const void *text, size_t len, unsigned flags)
{
  const unsigned char *p = text;
  size_t i = 0;

  while (i < len)
    {
      uint32_t cp = 0;
      unsigned n = check_utf8 (p + i, len - i, &cp);

      if (n == 0)
        return "not UTF-8";
      i += n;
      if (cp == '\n' && (flags & TEXT_KEEP_NEWLINE))
        continue;
      if (cp == '\t' && (flags & TEXT_KEEP_TAB))
        continue;
      if (cp < 0x20)
        return "C0";
      if (cp == 0x7f)
        return "DEL";
      if (cp >= 0x80 && cp < 0xa0)
        return "C1";
      if (cp > 0x7e && (flags & TEXT_ASCII))
        return "not ASCII";
      if (cp == 0x061c || cp == 0x200e || cp == 0x200f
          || (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069))
        return "bidi";
      if ((cp >= 0x200b && cp <= 0x200d) || cp == 0x2060 || cp == 0xfeff
          || cp == 0x00ad || (cp >= 0xfe00 && cp <= 0xfe0f)
          || (cp >= 0xe0000 && cp <= 0xe01ef))
        return "zero width";
      if (cp == 0x2028 || cp == 0x2029)
        return "line separator";
    }
  return NULL;
}

#endif
