/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations and sizes as people write them.
 */
#include "base/units.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS 9

struct unit
{
  const char *name;
  uint64_t factor;
};

/* Largest first: a duration is written in this order. */
static const struct unit durations[] = {
  { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
  { "s", 1000 },     { "ms", 1 },
};

static const struct unit sizes[] = {
  { "EiB", (uint64_t) 1 << 60 }, { "PiB", (uint64_t) 1 << 50 },
  { "TiB", (uint64_t) 1 << 40 }, { "GiB", (uint64_t) 1 << 30 },
  { "MiB", (uint64_t) 1 << 20 }, { "KiB", (uint64_t) 1 << 10 },
  { "B", 1 },
};

#define COUNT(a) (sizeof (a) / sizeof ((a)[0]))

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

/* sum += a * b; false when that does not fit. */
static bool
mul_add (uint64_t *sum, uint64_t a, uint64_t b)
{
  uint64_t p;

  return !__builtin_mul_overflow (a, b, &p)
         && !__builtin_add_overflow (*sum, p, sum);
}

/* A number as it stands: whole + fraction / scale. */
struct number
{
  uint64_t whole, fraction, scale;
};

/* Reads digits[.digits] at *s and moves on; says why not in words. */
static const char *
read_number (const char **s, struct number *ret)
{
  struct number n = { 0, 0, 1 };
  const char *p = *s;

  if (!is_digit (*p))
    return *p == '-' ? "it must not be negative" : "a number was expected";
  for (; is_digit (*p); p++)
    {
      /* mul_add() with the new digit as the sum so far. */
      uint64_t digit = (uint64_t) (*p - '0');

      if (!mul_add (&digit, n.whole, 10))
        return "it is too large";
      n.whole = digit;
    }
  if (*p == '.')
    {
      const char *first = ++p;

      for (; is_digit (*p); p++)
        {
          if (p - first >= FRACTION_DIGITS)
            return "it has too many decimals";
          n.fraction = n.fraction * 10 + (uint64_t) (*p - '0');
          n.scale *= 10;
        }
      if (p == first)
        return "digits were expected after the point";
    }
  *s = p;
  *ret = n;
  return NULL;
}

static const struct unit *
read_unit (const char **s, const struct unit *units, size_t count)
{
  size_t n = 0;

  while ((*s)[n] != '\0' && !is_digit ((*s)[n]) && (*s)[n] != '.')
    n++;
  for (size_t i = 0; i < count; i++)
    if (strlen (units[i].name) == n && strncmp (units[i].name, *s, n) == 0)
      {
        *s += n;
        return units + i;
      }
  return NULL;
}

/* sum += n * factor.  *ret_exact is false when a part was cut off. */
static bool
add_scaled (uint64_t *sum, const struct number *n, uint64_t factor,
            bool *ret_exact)
{
  /* A fraction of an EiB, before it is divided, does not fit 64 bits. */
  unsigned __int128 part = (unsigned __int128) n->fraction * factor;

  *ret_exact = part % n->scale == 0;
  return mul_add (sum, n->whole, factor)
         && mul_add (sum, (uint64_t) (part / n->scale), 1);
}

/* What was written comes from files and wires: escape and cut it. */
static int
refuse (struct error *err, const char *s, const char *what, const char *why,
        const char *units)
{
  struct buf shown = BUF_INIT (64);
  int r;

  text_escape (&shown, s, strlen (s), 0);
  r = error_set (err, EINVAL, "\"%s%s\" is not a %s: %s (%s)",
                 buf_str (&shown), shown.cut ? "..." : "", what, why, units);
  buf_done (&shown);
  return r;
}

static const char *
parse_duration (const char *p, uint64_t *ret_ms)
{
  const struct unit *last = NULL;
  uint64_t sum = 0;

  do
    {
      const struct unit *unit;
      struct number n;
      bool exact;
      const char *why = read_number (&p, &n);

      if (why)
        return why;
      unit = read_unit (&p, durations, COUNT (durations));
      if (!unit)
        return *p == '\0' ? "the unit is missing" : "its unit is not known";
      /* The table is ordered: "1s1m" and "5s5s" are slips, not sums. */
      if (last && unit <= last)
        return "its units must go from large to small";
      if (!add_scaled (&sum, &n, unit->factor, &exact))
        return "it is too large";
      if (!exact)
        return "it is finer than a millisecond";
      last = unit;
    }
  while (*p != '\0');
  *ret_ms = sum;
  return NULL;
}

int
units_parse_duration (const char *s, uint64_t *ret_ms, struct error *err)
{
  const char *why = parse_duration (s, ret_ms);

  if (why)
    return refuse (err, s, "duration", why,
                   "write it like 500ms, 30s, 5m, 2h or 1d");
  return 0;
}

static const char *
parse_size (const char *p, uint64_t *ret_bytes)
{
  static const struct unit bytes = { "", 1 };
  const struct unit *unit = &bytes;
  uint64_t sum = 0;
  struct number n;
  bool exact;
  const char *why = read_number (&p, &n);

  if (why)
    return why;
  if (*p != '\0')
    unit = read_unit (&p, sizes, COUNT (sizes));
  if (!unit || *p != '\0')
    return "its unit is not known";
  if (!add_scaled (&sum, &n, unit->factor, &exact))
    return "it is too large";
  if (!exact && unit->factor == 1)
    return "it is not a whole number of bytes";
  *ret_bytes = sum;
  return NULL;
}

int
units_parse_size (const char *s, uint64_t *ret_bytes, struct error *err)
{
  const char *why = parse_size (s, ret_bytes);

  if (why)
    return refuse (err, s, "size", why,
                   "write it like 512, 64KiB, 64MiB or 2GiB");
  return 0;
}

char *
units_format_duration (char *dst, size_t n, uint64_t ms)
{
  size_t i = 0;
  uint64_t rest;

  while (i + 1 < COUNT (durations) && ms < durations[i].factor)
    i++;
  if (ms == 0)
    {
      snprintf (dst, n, "0s");
      return dst;
    }
  rest = ms % durations[i].factor;
  if (i + 1 < COUNT (durations))
    rest /= durations[i + 1].factor;
  if (rest > 0)
    snprintf (dst, n, "%llu%s%llu%s",
              (unsigned long long) (ms / durations[i].factor),
              durations[i].name, (unsigned long long) rest,
              durations[i + 1].name);
  else
    snprintf (dst, n, "%llu%s",
              (unsigned long long) (ms / durations[i].factor),
              durations[i].name);
  return dst;
}

char *
units_format_size (char *dst, size_t n, uint64_t bytes)
{
  size_t i = 0;
  uint64_t whole, tenth;

  while (i + 1 < COUNT (sizes) && bytes < sizes[i].factor)
    i++;
  whole = bytes / sizes[i].factor;
  tenth = bytes % sizes[i].factor * 10 / sizes[i].factor;
  if (tenth > 0)
    snprintf (dst, n, "%llu.%llu%s", (unsigned long long) whole,
              (unsigned long long) tenth, sizes[i].name);
  else
    snprintf (dst, n, "%llu%s", (unsigned long long) whole, sizes[i].name);
  return dst;
}
