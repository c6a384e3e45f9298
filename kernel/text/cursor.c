/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a line from left to right: see cursor.h.
 */
#include "kernel/text/cursor.h"

#include <limits.h>
#include <string.h>

static bool
blank (char ch)
{
  return ch == ' ' || ch == '\t';
}

void
cur_blanks (struct cursor *c)
{
  while (c->p < c->end && blank (*c->p))
    c->p++;
}

void
cur_trim (struct cursor *c)
{
  while (c->end > c->p && (blank (c->end[-1]) || c->end[-1] == '\r'))
    c->end--;
}

bool
cur_at (const struct cursor *c, const char *lit)
{
  size_t n = strlen (lit);

  return cur_left (c) >= n && memcmp (c->p, lit, n) == 0;
}

bool
cur_lit (struct cursor *c, const char *lit)
{
  if (!cur_at (c, lit))
    return false;
  c->p += strlen (lit);
  return true;
}

const char *
cur_find (const struct cursor *c, const char *lit)
{
  return memmem (c->p, cur_left (c), lit, strlen (lit));
}

bool
cur_word (struct cursor *c, struct cursor *ret)
{
  const char *p = c->p;

  while (p < c->end && !blank (*p))
    p++;
  if (p == c->p)
    return false;
  *ret = (struct cursor){ c->p, p };
  c->p = p;
  return true;
}

bool
cur_u64 (struct cursor *c, uint64_t *ret)
{
  const char *p = c->p;
  uint64_t v = 0;

  for (; p < c->end && *p >= '0' && *p <= '9'; p++)
    {
      unsigned digit = (unsigned) (*p - '0');

      v = v > (UINT64_MAX - digit) / 10 ? UINT64_MAX : v * 10 + digit;
    }
  if (p == c->p)
    return false;
  c->p = p;
  *ret = v;
  return true;
}

bool
cur_i64 (struct cursor *c, int64_t *ret)
{
  struct cursor t = *c;
  bool minus = cur_lit (&t, "-");
  uint64_t v;

  if (!cur_u64 (&t, &v))
    return false;
  v = v > INT64_MAX ? INT64_MAX : v;
  *ret = minus ? -(int64_t) v : (int64_t) v;
  *c = t;
  return true;
}

static int
hex_digit (char ch)
{
  if (ch >= '0' && ch <= '9')
    return ch - '0';
  if (ch >= 'a' && ch <= 'f')
    return ch - 'a' + 10;
  if (ch >= 'A' && ch <= 'F')
    return ch - 'A' + 10;
  return -1;
}

bool
cur_hex (struct cursor *c, uint64_t *ret, unsigned *ret_digits)
{
  struct cursor t = *c;
  const char *from;
  uint64_t v = 0;

  cur_lit (&t, "0x");
  for (from = t.p; t.p < t.end && hex_digit (*t.p) >= 0; t.p++)
    v = v >> 60 ? UINT64_MAX : v << 4 | (unsigned) hex_digit (*t.p);
  if (t.p == from)
    return false;
  if (ret_digits)
    *ret_digits = (unsigned) (t.p - from);
  *ret = v;
  *c = t;
  return true;
}

bool
cur_int (struct cursor *c, int *ret)
{
  int64_t v;

  if (!cur_i64 (c, &v))
    return false;
  *ret = v < 0 || v > INT_MAX ? -1 : (int) v;
  return true;
}

void
cur_copy (const struct cursor *c, char *dst, size_t n)
{
  struct cursor t = *c;
  size_t len;

  cur_blanks (&t);
  cur_trim (&t);
  len = cur_left (&t) < n - 1 ? cur_left (&t) : n - 1;
  memcpy (dst, t.p, len);
  dst[len] = '\0';
}
