/* SPDX-License-Identifier: Apache-2.0
 *
 * Dates, and who says it: what syslog, journald, dmesg and logcat put before a
 * message.  See prefix_impl.h.
 */
#include "kernel/text/prefix_impl.h"

#include "base/cleanup.h"

#define MAX_IDENT 48

const char *
prefix_shape (const char *p, const char *end, const char *shape)
{
  for (; *shape; shape++, p++)
    {
      bool fits;

      if (p == end)
        return NULL;
      if (*shape == '9')
        fits = is_digit (*p);
      else if (*shape == '_')
        fits = is_digit (*p) || *p == ' ';
      else if (*shape == 'A')
        fits = *p >= 'A' && *p <= 'Z';
      else if (*shape == 'a')
        fits = *p >= 'a' && *p <= 'z';
      else
        fits = *p == *shape;
      if (!fits)
        return NULL;
    }
  return p;
}

const char *
prefix_seconds (const char *p, const char *end, uint64_t *ret_us,
              unsigned *ret_digits)
{
  uint64_t seconds, us = 0;
  unsigned digits = 0;

  p = read_number (p, end, 10, &seconds);
  if (!p || p == end || *p++ != '.')
    return NULL;
  for (; p < end && is_digit (*p) && digits < 10; p++, digits++)
    if (digits < 6)
      us = us * 10 + (uint64_t) (*p - '0');
  if (digits == 0 || digits > 9)
    return NULL;
  for (unsigned i = digits; i < 6; i++)
    us *= 10;
  *ret_us = seconds * 1000000 + us;
  *ret_digits = digits;
  return p;
}

/* journald writes them out; a word of capitals may be the message's. */
static const char *const zones[]
    = { " UTC ", " GMT ", " CET ", " CEST ", " EST ", " EDT ", " CST ",
        " CDT ", " PST ", " PDT ", " MSK ", " IST ", " JST ", " BST " };

const char *
prefix_zone (const char *p, const char *end)
{
  const char *q;
  uint64_t n;

  if (end - p > 1 && (*p == '.' || *p == ',') && is_digit (p[1]))
    p = (q = read_number (p + 1, end, 9, &n)) ? q : p;
  if (p < end && *p == 'Z')
    return p + 1;
  if (p < end && (*p == '+' || *p == '-')
      && ((q = prefix_shape (p + 1, end, "99:99"))
          || (q = prefix_shape (p + 1, end, "9999"))))
    return q;
  for (size_t i = 0; i < ARRAY_LEN (zones); i++)
    if (begins (p, end, zones[i]))
      return p + strlen (zones[i]) - 1;
  return p;
}

/* Where a zone is always written, by any name: " AEST ", " -03 ". */
static const char *
any_zone (const char *p, const char *end)
{
  const char *q = p + 1;
  unsigned n = 0;

  if (p == end || *p != ' ' || q == end)
    return p;
  if (*q == '+' || *q == '-')
    for (q++; q < end && is_digit (*q) && n < 5; n++)
      q++;
  else
    for (; q < end && *q >= 'A' && *q <= 'Z' && n < 6; n++)
      q++;
  return n >= 2 && n <= 5 && q < end && *q == ' ' ? q : p;
}

/* Whether a host and a programme may follow: behind others "BUG: x" is the
 * message and no programme of that name. */
static const struct date
{
  const char *shape;
  bool syslog, zone;
} dates[] = {
  { "Aaa _9 99:99:99", true, false },
  { "9999-99-99T99:99:99", true, false },
  { "9999-99-99 99:99:99", false, false },
  { "9999/99/99 99:99:99", false, false },
  { "9999/99/99, 99:99:99", false, false },
  { "9999-99-99, 99:99:99", false, false },
  { "Aaa 9999-99-99 99:99:99", true, true }, /* journald's short-full */
  { "Aaa _9 9999 99:99:99", true, false },
  { "Aaa Aaa _9 99:99:99 9999", true, false },
};

/* A day's or month's name in somebody's language: "Mär", "nov.", "11月". */
static const char *
local_name (const char *p, const char *end)
{
  const char *most = end - p > 16 ? p + 16 : end, *q = p;
  bool digits = true;

  for (; q < most; q++)
    if (is_alpha (*q) || *q == '.' || (unsigned char) *q >= 0x80)
      digits = false;
    else if (!is_digit (*q))
      break;
  return !digits && q - p >= 2 && q < end && *q == ' ' ? q + 1 : NULL;
}

/* journalctl writes such names, and so does dmesg -T: the second is with a
 * year, and without a programme behind it. */
static const char *
local_date (const char *p, const char *end)
{
  const char *q, *at = local_name (p, end);

  if (!at)
    return NULL;
  if ((q = prefix_shape (at, end, "_9 99:99:99")))
    return prefix_zone (q, end);
  q = prefix_shape (at, end, "9999-99-99 99:99:99");
  return q ? any_zone (q, end) : NULL;
}

static const char *
local_ctime (const char *p, const char *end)
{
  const char *day = local_name (p, end);
  const char *month = day ? local_name (day, end) : NULL;

  return month ? prefix_shape (month, end, "_9 99:99:99 9999") : NULL;
}

static const char *
skip_date (const char *p, const char *end, bool *ret_syslog)
{
  const char *q, *zone;

  for (size_t i = 0; i < ARRAY_LEN (dates); i++)
    if ((q = prefix_shape (p, end, dates[i].shape)))
      {
        *ret_syslog = dates[i].syslog;
        zone = prefix_zone (q, end);
        return dates[i].zone && zone == q ? any_zone (q, end) : zone;
      }
  *ret_syslog = true;
  return local_date (p, end);
}

bool
prefix_date (struct prefix_text *c)
{
  bool syslog;
  const char *p = skip_date (c->p, c->end, &syslog);
  /* A comma before the fraction is dmesg --time-format=iso. */
  bool dmesg = p && p - c->p > 20 && c->p[10] == 'T' && c->p[19] == ',';

  if (!p || (p < c->end && *p != ' ' && *p != ':'))
    return false;
  if (p < c->end && *p == ':')
    p++;
  c->p = p;
  skip_blank (c);
  c->wall = syslog && !dmesg;
  if (dmesg)
    c->msg->from = FROM_KERNEL;
  return true;
}

bool
prefix_bracketed_date (struct prefix_text *c)
{
  const char *p = c->p + 1, *q = p;
  bool dmesg = false, syslog;
  unsigned digits;
  uint64_t us;

  while (q < c->end && *q == ' ')
    q++;
  if (q < c->end && *q == '+')
    dmesg = (q = prefix_seconds (q + 1, c->end, &us, &digits));
  else if ((q = prefix_shape (p, c->end, "Aaa_9 99:99"))
           || (q = prefix_shape (p, c->end, "Aaa _9 99:99")))
    dmesg = q < c->end && *q == ']';
  if (!dmesg && (q = skip_date (p, c->end, &syslog)))
    dmesg = is_alpha (p[0]) && is_alpha (p[4]) && p[3] == ' ';
  else if (!dmesg && (q = prefix_shape (p, c->end, "99:99:99")))
    q = prefix_zone (q, c->end);
  else if (!dmesg)
    dmesg = (q = local_ctime (p, c->end));
  if (!q || q == c->end || *q != ']')
    return false;
  c->p = q + 1;
  skip_blank (c);
  c->wall = false;
  if (dmesg)
    c->msg->from = FROM_KERNEL;
  return true;
}

/* ---- who says it ---- */

static const char *const levels[]
    = { "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug" };

/* A level's name at p, up to a blank or colon; its end, or NULL. */
static const char *
read_level (const char *p, const char *end, int *ret)
{
  for (int i = 0; i < 8; i++)
    if (begins (p, end, levels[i]))
      {
        p += strlen (levels[i]);
        while (p < end && *p >= 'a' && *p <= 'z') /* "warning", "error" */
          p++;
        *ret = i;
        return p;
      }
  return NULL;
}

bool
prefix_facility (struct prefix_text *c)
{
  const char *p;
  int level;

  if (peek (c, 6) != ':' || peek (c, 13) != ':' || peek (c, 14) != ' ')
    return false;
  p = read_level (c->p + 7, c->end, &level);
  if (!p || p > c->p + 13)
    return false;
  if (begins (c->p, c->end, "kern  :"))
    c->msg->from = FROM_KERNEL;
  c->msg->level = level;
  c->p += 15;
  return true;
}

/* What a kernel says of a task it names the same way: "init[1]: segfault". */
static const char *const of_tasks[] = {
  "segfault ",  "unhandled ", "bad frame ", "User access of ",
  "undefined instruction", "illegal instruction", "potentially unexpected ",
  "bus error ", "trap ", "general protection ", "vsyscall ", "kernel ",
  "syscall ", "corrupted ", "floating point ", "stack segment ",
};

struct word
{
  const char *p, *end;
  const char *ident_end; /* without [pid] */
  uint64_t pid;
  bool has_pid, colon;
};

/* A word up to a blank: "host", "ident:", "ident[12]:". */
static bool
read_word (const char *p, const char *end, struct word *ret)
{
  const char *s = p, *most = end;
  uint64_t pid = 0;

  if (most - p > PREFIX_WORD_MAX)
    most = p + PREFIX_WORD_MAX;
  while (s < most && !ends_word (*s))
    s++;
  if (s == p || s == end)
    return false;
  *ret = (struct word){ .p = p, .ident_end = s, .end = s };
  if (*s == '[')
    {
      s = read_number (s + 1, end, 10, &pid);
      if (!s || end - s < 2 || s[0] != ']' || s[1] != ':')
        return false;
      ret->has_pid = true;
      ret->pid = pid;
      s++;
    }
  if (*s == ':')
    {
      ret->colon = true;
      s++;
    }
  ret->end = s;
  return s == end ? ret->colon : *s == ' ';
}

static bool
is_word (const struct word *w, const char *what)
{
  return (size_t) (w->ident_end - w->p) == strlen (what)
         && memcmp (w->p, what, strlen (what)) == 0;
}

/* "BUG", "WARNING": no programme. */
static bool
is_shouted (const struct word *w)
{
  for (const char *s = w->p; s < w->ident_end; s++)
    if (*s < 'A' || *s > 'Z')
      return false;
  return true;
}

/* "kernel:" or "ident[pid]:" is taken; whether it was one. */
static bool
take_ident (struct prefix_text *c, const struct word *w)
{
  const char *text = w->end < c->end ? w->end + 1 : w->end;

  if (!w->colon || w->ident_end - w->p > MAX_IDENT)
    return false;
  if (is_word (w, "kernel"))
    {
      c->msg->from = FROM_KERNEL;
      c->p = text;
      return true;
    }
  if (!w->has_pid && is_shouted (w))
    return false;
  if (w->has_pid)
    for (size_t i = 0; i < ARRAY_LEN (of_tasks); i++)
      if (begins (text, c->end, of_tasks[i]))
        return false;
  c->msg->from = FROM_USER;
  c->msg->ident = w->p;
  c->msg->ident_len = (size_t) (w->ident_end - w->p);
  c->msg->pid = (uint32_t) w->pid;
  c->p = text;
  return true;
}

/* "kern.info" of busybox's syslogd and OpenWrt's logread. */
static bool
is_facility_level (const struct word *w, int *ret)
{
  const char *dot = memchr (w->p, '.', (size_t) (w->end - w->p)), *end;

  if (w->colon || !dot || dot - w->p < 3 || dot - w->p > 8)
    return false;
  for (const char *s = w->p; s < dot; s++)
    if ((*s < 'a' || *s > 'z') && !is_digit (*s))
      return false;
  end = read_level (dot + 1, w->end, ret);
  return end == w->end;
}

/* What netconsole sends in its long form, in the log of who received it. */
static bool
take_record (struct prefix_text *c, const char *p)
{
  struct prefix_text ahead = *c;

  ahead.p = p;
  if (p >= c->end || !is_digit (*p) || !prefix_kmsg (&ahead))
    return false;
  *c = ahead;
  return true;
}

/* After a date, or with a facility, host and programme may stand; after
 * a kernel's stamp (journald's short-monotonic, and what programmes write to
 * /dev/kmsg) or nothing at all only what cannot be a message. */
bool
prefix_head (struct prefix_text *c)
{
  struct word w;
  const char *p = c->p;
  bool wall = c->wall;
  int level;

  c->wall = false;
  if (!read_word (p, c->end, &w))
    return false;
  if (w.colon)
    return (wall || w.has_pid || is_word (&w, "kernel")) && take_ident (c, &w);
  for (int i = 0; i < 2; i++)
    {
      /* The host, or the facility. */
      if (is_facility_level (&w, &level))
        {
          c->msg->level = level;
          wall = true;
        }
      else if (i > 0 || (!wall && !c->msg->stamped))
        return false;
      p = w.end + 1;
      if (take_record (c, p))
        return true;
      if (p >= c->end || !read_word (p, c->end, &w))
        return false;
      if (w.colon)
        return (wall || w.has_pid || is_word (&w, "kernel"))
               && take_ident (c, &w);
    }
  return false;
}

bool
prefix_logcat (struct prefix_text *c)
{
  static const char letters[] = "??FEW?ID";
  const char *p = prefix_shape (c->p, c->end, "99-99 99:99:99."), *at, *ident,
             *rest;
  uint64_t n, pid, tid;

  if (!p || !(p = read_number (p, c->end, 9, &n)))
    return false;
  while (p < c->end && *p == ' ')
    p++;
  if (!(p = read_number (p, c->end, 9, &pid)))
    return false;
  while (p < c->end && *p == ' ')
    p++;
  if (!(p = read_number (p, c->end, 9, &tid)) || c->end - p < 4 || *p != ' '
      || p[2] != ' ')
    return false;
  at = p[1] == 'V' ? letters + 7 : p[1] == '?' ? NULL : strchr (letters, p[1]);
  ident = p + 3;
  p = memchr (ident, ':', (size_t) (c->end - ident));
  if (!at || *at == '\0' || !p || p - ident > MAX_IDENT)
    return false;
  for (rest = p + 1; p > ident && p[-1] == ' '; p--)
    ;
  if (p == ident)
    return false;
  c->p = rest;
  skip_blank (c);
  c->msg->level = (int) (at - letters);
  c->msg->from = FROM_USER;
  if (p - ident == 6 && memcmp (ident, "kernel", 6) == 0)
    {
      c->msg->from = FROM_KERNEL;
      return true;
    }
  c->msg->ident = ident;
  c->msg->ident_len = (size_t) (p - ident);
  c->msg->pid = (uint32_t) pid;
  return true;
}

/* ---- RFC 5424 ---- */

/* The next of its fields, and the blank behind it. */
static const char *
next_field (const char **p, const char *end, size_t *ret_len)
{
  const char *at = *p, *blank = memchr (at, ' ', (size_t) (end - at));

  if (!blank || blank == at || blank - at > 255)
    return NULL;
  *ret_len = (size_t) (blank - at);
  *p = blank + 1;
  return at;
}

/* "-", or elements in brackets, whose values are quoted.  The end of it, NULL
 * if it has none. */
static const char *
skip_structured (const char *p, const char *end)
{
  bool quoted = false, open = false;

  if (p < end && *p == '-')
    return p + 1;
  for (; p < end; p++)
    {
      if (!open && *p != '[')
        return *p == ' ' ? p : NULL;
      if (quoted && *p == '\\' && p + 1 < end)
        p++;
      else if (*p == '"')
        quoted = !quoted;
      else if (*p == '[' && !quoted)
        open = true;
      else if (*p == ']' && !quoted)
        open = false;
    }
  return open ? NULL : p;
}

bool
prefix_5424 (struct prefix_text *c)
{
  const char *p = c->p, *field[5];
  size_t len[5];
  uint64_t pid;

  /* The version, and a date; host, programme, process, and the message's
   * name, each of which may be "-". */
  if (!prefix_shape (p, c->end, "9 9999-99-99T99:99:99")
      && (c->msg->level < 0 || !begins (p, c->end, "1 - ")))
    return false;
  p += 2;
  for (int i = 0; i < 5; i++)
    if (!(field[i] = next_field (&p, c->end, &len[i])))
      return false;
  p = skip_structured (p, c->end);
  if (!p || (p < c->end && *p != ' '))
    return false;
  c->p = p;
  skip_blank (c);
  if (begins (c->p, c->end, "\xef\xbb\xbf"))
    c->p += 3;
  c->wall = false;
  if (len[2] == 6 && memcmp (field[2], "kernel", 6) == 0)
    c->msg->from = FROM_KERNEL;
  else if (len[2] != 1 || *field[2] != '-')
    {
      c->msg->from = FROM_USER;
      c->msg->ident = field[2];
      c->msg->ident_len = len[2];
      if (read_number (field[3], field[3] + len[3], 9, &pid))
        c->msg->pid = (uint32_t) pid;
    }
  return true;
}
