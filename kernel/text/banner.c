/* SPDX-License-Identifier: Apache-2.0
 *
 * The boot banner.  See banner.h.
 */
#include "kernel/text/banner.h"

#include <string.h>

#define STAMPED_LINES 8192
#define MAX_STAMP_SECONDS 1000000000u /* 30 years; more is no stamp */

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

/* "[    1.234567] "; moves *p behind it.  Bytes behind the head are 0. */
static bool
read_stamp (const char **p, uint64_t *ret_us)
{
  const char *s = *p;
  uint64_t seconds = 0, us = 0;
  unsigned digits = 0;

  if (*s++ != '[')
    return false;
  while (*s == ' ')
    s++;
  if (!is_digit (*s))
    return false;
  for (; is_digit (*s); s++)
    {
      seconds = seconds * 10 + (unsigned) (*s - '0');
      if (seconds > MAX_STAMP_SECONDS)
        return false;
    }
  if (*s++ != '.')
    return false;
  for (; is_digit (*s) && digits < 6; s++, digits++)
    us = us * 10 + (unsigned) (*s - '0');
  if (digits != 6 || s[0] != ']')
    return false;
  *p = s + 1;
  *ret_us = seconds * 1000000 + us;
  return true;
}

/* "[    T0]" or "[    C1]", of a kernel with PRINTK_CALLER. */
static const char *
skip_caller (const char *s)
{
  const char *p = s;

  if (*p != '[')
    return s;
  for (p++; *p == ' '; p++)
    ;
  if (*p != 'T' && *p != 'C')
    return s;
  for (p++; is_digit (*p); p++)
    ;
  return *p == ']' ? p + 1 : s;
}

static bool
begins (const char *s, const char *with)
{
  return strncmp (s, with, strlen (with)) == 0;
}

static bool
is_version (const char *s)
{
  static const char words[] = "Linux version ";

  return begins (s, words) && is_digit (s[sizeof words - 1]);
}

static void
begin_kernel (struct banner *b)
{
  b->stamp_us = 0;
  b->stamped = STAMPED_LINES;
}

/* Most lines are known by their first bytes not to matter, and all that a
 * thousand guests print comes by here. */
static bool
is_of_no_use (struct banner *b)
{
  char c = b->head[b->nhead - 1];

  if (b->nhead > 1)
    return b->head[0] == '[' && b->stamped == 0 && b->nhead <= 6 && c != ' '
           && c != '0';
  return c != '[' && c != 'L' && !(b->untimed && c == 'C');
}

/* A line's beginning is whole. */
static bool
judge_head (struct banner *b)
{
  const char *s = b->head;
  bool untimed = b->untimed, timed;
  uint64_t us = 0;

  b->untimed = false;
  timed = read_stamp (&s, &us);
  if (timed)
    s = skip_caller (s);
  if (*s == ' ')
    s++;
  if (timed && us == 0 && is_version (s))
    {
      begin_kernel (b);
      return true;
    }
  if (timed)
    {
      if (b->stamped > 0 && us > b->stamp_us)
        b->stamp_us = us;
      b->stamped -= b->stamped > 0;
      return false;
    }
  if (untimed && begins (s, "Command line: "))
    {
      begin_kernel (b);
      return true;
    }
  b->untimed = is_version (s);
  return false;
}

static bool
end_head (struct banner *b)
{
  bool found;

  if (b->nhead == 0)
    return false; /* "\r\n" behind a judged line, and empty ones */
  b->head[b->nhead] = '\0';
  found = judge_head (b);
  b->nhead = 0;
  return found;
}

unsigned
banner_feed (struct banner *b, const char *data, size_t len)
{
  const char *end = data + len, *nl;
  unsigned found = 0;

  while (data < end)
    {
      if (b->skip)
        {
          nl = memchr (data, '\n', (size_t) (end - data));
          if (!nl)
            return found;
          data = nl + 1;
          b->skip = false;
          continue;
        }
      if (*data == '\n' || *data == '\r')
        found += end_head (b);
      else
        b->head[b->nhead++] = *data;
      data++;
      if (b->nhead > 0 && is_of_no_use (b))
        {
          b->untimed = false;
          b->nhead = 0;
          b->skip = true;
        }
      else if (b->nhead == BANNER_HEAD - 1)
        {
          found += end_head (b);
          b->skip = true;
        }
    }
  return found;
}
