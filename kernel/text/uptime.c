/* SPDX-License-Identifier: Apache-2.0
 *
 * Uptimes.  See uptime.h.
 */
#include "kernel/text/uptime.h"

#include <stdint.h>
#include <string.h>

#define MAX_LINE 256
#define MAX_NUMBER 1000000000u

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static void
skip_blanks (const char **p)
{
  while (**p == ' ' || **p == '\t')
    ++*p;
}

static bool
read_number (const char **p, uint64_t *ret)
{
  const char *s = *p;
  uint64_t v = 0;

  if (!is_digit (*s))
    return false;
  for (; is_digit (*s); s++)
    {
      v = v * 10 + (unsigned) (*s - '0');
      if (v > MAX_NUMBER)
        return false;
    }
  *p = s;
  *ret = v;
  return true;
}

/* "12.34", two digits behind the point as /proc/uptime has them. */
static bool
read_hundredths (const char **p, double *ret)
{
  const char *s = *p;
  uint64_t whole, part;

  if (!read_number (&s, &whole) || s[0] != '.' || !is_digit (s[1])
      || !is_digit (s[2]) || is_digit (s[3]))
    return false;
  part = (uint64_t) (s[1] - '0') * 10 + (uint64_t) (s[2] - '0');
  *ret = (double) whole + (double) part / 100;
  *p = s + 3;
  return true;
}

static bool
is_proc (const char *line, struct uptime *ret)
{
  double up, idle;

  if (!read_hundredths (&line, &up))
    return false;
  if (*line++ != ' ' || !read_hundredths (&line, &idle))
    return false;
  skip_blanks (&line);
  if (*line)
    return false;
  *ret = (struct uptime){ .s = up, .resolution = 0.01 };
  return true;
}

/* Behind "up ": "3 days, 2:41,", "12 min,", "2:41,", "1 day, 5 min,". */
static bool
read_span (const char *s, double *ret)
{
  uint64_t days = 0, n, minutes;
  const char *unit;

  if (!read_number (&s, &n))
    return false;
  unit = s;
  skip_blanks (&unit);
  if (strncmp (unit, "day", 3) == 0)
    {
      days = n;
      s = strchr (unit, ',');
      if (!s)
        return false;
      s++;
      skip_blanks (&s);
      if (!read_number (&s, &n))
        return false;
      unit = s;
      skip_blanks (&unit);
    }
  if (*s == ':')
    {
      s++;
      if (!read_number (&s, &minutes) || minutes > 59)
        return false;
      n = n * 60 + minutes;
    }
  else if (strncmp (unit, "min", 3) != 0)
    return false;
  *ret = (double) days * 86400 + (double) n * 60;
  return true;
}

static bool
is_command (const char *line, struct uptime *ret)
{
  const char *up = strstr (line, "up ");
  double s;

  if (!up || (up != line && up[-1] != ' ') || !strstr (up, "load average"))
    return false;
  up += 3;
  skip_blanks (&up);
  if (!read_span (up, &s))
    return false;
  *ret = (struct uptime){ .s = s, .resolution = 60 };
  return true;
}

bool
uptime_parse (const char *text, size_t len, struct uptime *ret)
{
  const char *end = text + len;

  while (text < end)
    {
      const char *nl = memchr (text, '\n', (size_t) (end - text));
      size_t n = (size_t) ((nl ? nl : end) - text);
      char line[MAX_LINE];
      const char *s = line;

      if (n < sizeof line && !memchr (text, '\0', n))
        {
          memcpy (line, text, n);
          while (n > 0 && line[n - 1] == '\r')
            n--;
          line[n] = '\0';
          skip_blanks (&s);
          if (is_proc (s, ret) || is_command (s, ret))
            return true;
        }
      if (!nl)
        return false;
      text = nl + 1;
    }
  return false;
}

bool
uptime_fell (const struct uptime *was, const struct uptime *now)
{
  /* Of one resolution both are cut alike, so the order of two readings is
   * the order of the times. */
  if (now->resolution <= was->resolution && now->resolution >= was->resolution)
    return now->s < was->s;
  return now->s + now->resolution <= was->s;
}
