/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands before a message.  See prefix.h.
 *
 * A loop over what the next byte may begin, until nothing of it is a prefix.
 * When in doubt it is the message: a prefix too many is an ugly title, a
 * prefix too few eaten off a message is a report that nobody sees.
 */
#include "kernel/text/prefix_impl.h"

#define MAX_ROUNDS 12
/* No kernel has been up for so long: that is somebody's wall clock. */
#define UPTIME_END (1000000000ull * 1000000)

/* ---- the kernel's own ---- */

/* "[    1.234567]"; "[    1.234567,0]" and "@0" name the CPU; dmesg -d has
 * "[    1.234567 <    0.000100>]", grabserial "[1.234567 0.000100]". */
static bool
strip_stamp (struct prefix_text *c)
{
  const char *p = c->p + 1, *q;
  uint64_t us, other;
  unsigned digits;
  bool kernel;

  while (p < c->end && *p == ' ')
    p++;
  p = prefix_seconds (p, c->end, &us, &digits);
  if (!p || p == c->end)
    return false;
  kernel = us < UPTIME_END;
  if (*p == ',' || *p == '@')
    {
      q = read_number (p + 1, c->end, 4, &other);
      if (!q)
        return false;
      p = q;
    }
  else if (*p == ' ' && p + 1 < c->end && *++p == '<')
    {
      q = memchr (p, '>', (size_t) (c->end - p));
      if (!q || q - p > 16)
        return false;
      p = q + 1;
    }
  else if (is_digit (*p))
    {
      p = prefix_seconds (p, c->end, &other, &digits);
      if (!p)
        return false;
      kernel = false;
    }
  /* journald's short-delta leaves room where it has nothing to compare. */
  while (p < c->end && *p == ' ' && p - c->p < 48)
    p++;
  if (p == c->end || *p != ']')
    return false;
  c->p = p + 1;
  c->wall = false;
  if (!kernel)
    return true;
  c->msg->from = FROM_KERNEL;
  c->msg->stamped = true;
  c->msg->stamp_us = us;
  return true;
}

/* "[    T123]", "[  C0]". */
static bool
strip_caller (struct prefix_text *c)
{
  const char *p = c->p + 1;
  uint64_t id;
  char kind;

  while (p < c->end && *p == ' ')
    p++;
  if (p == c->end || (*p != 'T' && *p != 'C'))
    return false;
  kind = *p;
  p = read_number (p + 1, c->end, 9, &id);
  if (!p || p == c->end || *p != ']')
    return false;
  c->p = p + 1;
  c->msg->from = FROM_KERNEL;
  c->msg->caller = kind == 'T' ? CALLER_TASK : CALLER_CPU;
  c->msg->caller_id = (uint32_t) id;
  return true;
}

/* "<6>"; with a facility it is somebody else's. */
static bool
strip_level (struct prefix_text *c)
{
  uint64_t n;
  const char *p = read_number (c->p + 1, c->end, 3, &n);

  if (!p || p == c->end || *p != '>' || n > 191)
    return false;
  c->p = p + 1;
  /* A word before a colon is a programme's name in syslog; in a kernel's
   * message it is the message: "<4>nvme nvme0: ...". */
  c->wall = n >= 8;
  c->msg->level = (int) (n & 7);
  if (n < 8)
    c->msg->from = FROM_KERNEL;
  return true;
}

/* "** 12 printk messages dropped ** ", glued before a line.  Alone it is what
 * there is to say. */
static bool
strip_dropped (struct prefix_text *c)
{
  static const char rest[] = " printk messages dropped ** ";
  const char *p;
  uint64_t n;

  if (!begins (c->p, c->end, "** "))
    return false;
  p = read_number (c->p + 3, c->end, 12, &n);
  /* The last blank may be gone. */
  if (p && (size_t) (c->end - p) >= sizeof rest - 2
      && memcmp (p, rest, sizeof rest - 2) == 0)
    c->msg->from = FROM_KERNEL;
  if (!p || !begins (p, c->end, rest) || p + sizeof rest - 1 == c->end)
    return false;
  c->p = p + sizeof rest - 1;
  return true;
}

bool
prefix_kmsg (struct prefix_text *c)
{
  const char *p = c->p, *semicolon;
  uint64_t pri, seq, us, n = 0;

  p = read_number (p, c->end, 3, &pri);
  if (!p || p == c->end || *p++ != ',')
    return false;
  p = read_number (p, c->end, 18, &seq);
  if (!p || p == c->end || *p++ != ',')
    return false;
  p = read_number (p, c->end, 18, &us);
  if (!p || p == c->end || *p++ != ',')
    return false;
  semicolon = memchr (p, ';', (size_t) (c->end - p));
  if (!semicolon || semicolon - p > 64 || pri > 191)
    return false;
  if (begins (p, semicolon, "-,caller=")
      && read_number (p + 10, semicolon, 9, &n))
    {
      c->msg->caller = p[9] == 'T' ? CALLER_TASK : CALLER_CPU;
      c->msg->caller_id = (uint32_t) n;
    }
  c->msg->level = (int) (pri & 7);
  if (pri < 8)
    c->msg->from = FROM_KERNEL;
  c->msg->stamped = true;
  c->msg->stamp_us = us;
  c->p = semicolon + 1;
  return true;
}

/* Things that are a prefix only if a kernel's follows: "13:34:20", and the
 * seconds of journald's short-unix. */
static bool
strip_bare_time (struct prefix_text *c)
{
  struct prefix_text ahead = *c;
  const char *p = prefix_shape (c->p, c->end, "99:99:99"), *q;
  unsigned digits;
  uint64_t us;
  bool found;

  if (p)
    p = prefix_zone (p, c->end);
  else if ((q = prefix_seconds (c->p, c->end, &us, &digits)) && digits == 6
           && us > UPTIME_END)
    p = q;
  if (!p || p == c->end || *p != ' ')
    return false;
  ahead.p = p;
  ahead.wall = true;
  while (peek (&ahead, 0) == ' ')
    ahead.p++;
  if (peek (&ahead, 0) == '[')
    found = strip_stamp (&ahead) || strip_caller (&ahead);
  else
    found = peek (&ahead, 0) == '<' ? strip_level (&ahead)
                                    : prefix_head (&ahead);
  if (found)
    *c = ahead;
  return found;
}

/* "07819.286867] ": its first bytes were lost, so nobody knows the time. */
static bool
strip_cut_stamp (struct prefix_text *c)
{
  unsigned digits;
  uint64_t us;
  const char *p = prefix_seconds (c->p, c->end, &us, &digits);

  if (!p || digits != 6 || c->msg->from == FROM_USER
      || !begins (p, c->end, "] "))
    return false;
  c->p = p + 1;
  c->msg->from = FROM_KERNEL;
  return true;
}

/* "host login: " that was in the way of something; "host login: root" is
 * somebody who types. */
static bool
strip_login (struct prefix_text *c)
{
  static const char login[] = "login: ";
  const char *p = c->p, *most = c->end;

  if (most - p > PREFIX_WORD_MAX)
    most = p + PREFIX_WORD_MAX;
  if (!begins (p, c->end, login))
    {
      while (p < most && (is_alpha (*p) || is_digit (*p)
                          || memchr ("-_.()", *p, 5)))
        p++;
      if (p == c->p || p == most || *p++ != ' ' || !begins (p, c->end, login))
        return false;
    }
  p += sizeof login - 1;
  if (p == c->end
      || (*p != '<' && *p != '['
          && !memchr (p, ' ', (size_t) (c->end - p))))
    return false;
  c->p = p;
  return true;
}

/* A line that nobody ended before the kernel spoke: a prompt, "Starting x...",
 * somebody's tag.  Only the kernel's own stamp, as wide as it prints it, is
 * looked for. */
static bool
strip_glued (struct prefix_text *c)
{
  const char *p = c->p, *q, *s;

  while ((p = memchr (p, '[', (size_t) (c->end - p))))
    {
      for (q = ++p; q < c->end && *q == ' '; q++)
        ;
      for (s = q; q < c->end && is_digit (*q); q++)
        ;
      if (q == s || q - p < 5 || q - s > 9
          || !(s = prefix_shape (q, c->end, ".999999]"))
          || (s < c->end && *s != ' ' && *s != '['))
        continue;
      c->p = p - 1;
      return strip_stamp (c);
    }
  return false;
}

/* ---- all of them ---- */

static bool
strip_bracket (struct prefix_text *c)
{
  return strip_stamp (c) || strip_caller (c)
         || (!c->msg->stamped && prefix_bracketed_date (c));
}

static bool
strip_digit (struct prefix_text *c)
{
  return !c->msg->stamped
         && (prefix_date (c) || prefix_kmsg (c) || prefix_logcat (c)
             || prefix_5424 (c) || strip_bare_time (c)
             || strip_cut_stamp (c));
}

/* " 3 12:00", "24 12:00", "2026-01-01": behind a month's or day's name. */
static inline bool
is_date_next (const char *p, const char *end)
{
  return end - p > 9 && (is_digit (p[1]) || is_digit (p[2]))
         && (p[3] == ' ' || p[5] == '-');
}

/* Bare text, mostly: how its first word ends tells what it can be. */
static bool
strip_letter (struct prefix_text *c)
{
  const char *p = c->p;

  if (c->msg->stamped || c->wall)
    return (!c->msg->stamped
            && ((peek (c, 3) == ' ' && prefix_date (c)) || strip_login (c)))
           || prefix_head (c);
  while (p < c->end && !ends_word (*p))
    p++;
  if (p == c->end)
    return false;
  switch (*p)
    {
    case ' ':
      return ((p - c->p == 3 || (p - c->p < 10 && is_date_next (p, c->end)))
              && prefix_date (c))
             || (peek (c, 6) == ':' && prefix_facility (c))
             || (c->end - p > 7 && p[1] == 'l' && strip_login (c));
    case ':':
      return (p - c->p == 6 && prefix_facility (c)) || strip_login (c)
             || prefix_head (c);
    case '[':
      return prefix_head (c);
    default:
      return (unsigned char) *p >= 0x80 && prefix_date (c);
    }
}

/* Blanks before a prefix are of no one; before a message they are a stack's
 * indent. */
static bool
strip_blanks (struct prefix_text *c)
{
  struct prefix_text ahead = *c;

  while (peek (&ahead, 0) == ' ' && ahead.p - c->p < 8)
    ahead.p++;
  if (peek (&ahead, 0) == '['
          ? !strip_stamp (&ahead) && !strip_caller (&ahead)
                && (c->msg->stamped || !prefix_bracketed_date (&ahead))
          : peek (&ahead, 0) != '<' || !strip_level (&ahead))
    return false;
  *c = ahead;
  return true;
}

/* "[    1.234567] " as every kernel prints it, and nothing else: what most
 * lines of most guests begin with. */
static bool
strip_usual_stamp (struct prefix_text *c)
{
  const char *p = c->p;
  uint64_t seconds = 0, us = 0;
  int i;

  if (c->end - p < 15 || p[0] != '[' || p[6] != '.' || p[13] != ']')
    return false;
  for (i = 1; i < 5 && p[i] == ' '; i++)
    ;
  for (; i < 6 && is_digit (p[i]); i++)
    seconds = seconds * 10 + (uint64_t) (p[i] - '0');
  if (i < 6)
    return false;
  for (i = 7; i < 13 && is_digit (p[i]); i++)
    us = us * 10 + (uint64_t) (p[i] - '0');
  if (i < 13)
    return false;
  c->p = p + 14 + (p[14] == ' ');
  c->msg->from = FROM_KERNEL;
  c->msg->stamped = true;
  c->msg->stamp_us = seconds * 1000000 + us;
  return true;
}

static bool
strip_one (struct prefix_text *c)
{
  char first = peek (c, 0);

  if (first == '[')
    return strip_bracket (c);
  if (is_alpha (first) || first == '_' || first == '(')
    return strip_letter (c);
  if ((unsigned char) first >= 0x80)
    return !c->msg->stamped && prefix_date (c);
  if (is_digit (first))
    return strip_digit (c);
  if (first == ' ')
    return strip_blanks (c);
  if (first == '<')
    return strip_level (c);
  return first == '*' && strip_dropped (c);
}

void
prefix_strip (const struct text_line *line, struct text_msg *ret)
{
  struct prefix_text c = { .p = line->text, .end = line->text + line->len,
                      .msg = ret };

  *ret = (struct text_msg){ .line = line, .level = -1 };
  for (int i = strip_usual_stamp (&c); i < MAX_ROUNDS; i++)
    {
      if (ret->from == FROM_USER || c.p == c.end)
        break;
      if (strip_one (&c))
        continue;
      /* The blank that ends a stamp. */
      if (i > 0 && peek (&c, 0) == ' ' && c.p > line->text
          && (c.p[-1] == ']' || c.p[-1] == '>'))
        {
          c.p++;
          if (peek (&c, 0) != ' ' && strip_one (&c))
            continue;
          break;
        }
      if (ret->from != FROM_UNKNOWN || !strip_glued (&c))
        break;
    }
  ret->text = c.p;
  ret->len = (size_t) (c.end - c.p);
}
