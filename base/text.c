/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest bytes made fit for a person; names; patterns; suggestions.
 */
#include "base/text.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 128
#define NEAREST_MAX_BYTES 64

unsigned
text_utf8 (const unsigned char *p, size_t len, uint32_t *ret_cp)
{
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  uint32_t cp;
  unsigned n;

  if (len == 0)
    return 0;
  if (p[0] < 0x80)
    n = 1, cp = p[0];
  else if (p[0] >= 0xc2 && p[0] < 0xe0)
    n = 2, cp = p[0] & 0x1f;
  else if (p[0] >= 0xe0 && p[0] < 0xf0)
    n = 3, cp = p[0] & 0x0f;
  else if (p[0] >= 0xf0 && p[0] < 0xf5)
    n = 4, cp = p[0] & 0x07;
  else
    return 0;
  if (len < n)
    return 0;
  for (unsigned i = 1; i < n; i++)
    {
      if ((p[i] & 0xc0) != 0x80)
        return 0;
      cp = cp << 6 | (p[i] & 0x3f);
    }
  if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
    return 0;
  if (ret_cp)
    *ret_cp = cp;
  return n;
}

/* What changes or hides its neighbours instead of being seen itself:
 * Unicode's format characters (Cf), the default-ignorable ones, line and
 * paragraph separators, and the noncharacters of the first plane. */
static const struct
{
  uint32_t first, last;
} unseen[] = {
  { 0x00ad, 0x00ad },   { 0x034f, 0x034f },   { 0x0600, 0x0605 },
  { 0x061c, 0x061c },   { 0x06dd, 0x06dd },   { 0x070f, 0x070f },
  { 0x0890, 0x0891 },   { 0x08e2, 0x08e2 },   { 0x115f, 0x1160 },
  { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },
  { 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },
  { 0xfdd0, 0xfdef },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
  { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0xfffe, 0xffff },
  { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f },
  { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

static bool
is_unseen (uint32_t cp)
{
  size_t lo = 0, hi = sizeof unseen / sizeof unseen[0];

  if ((cp & 0xfffe) == 0xfffe)
    return true; /* the last two of every plane are no characters */
  while (lo < hi)
    {
      size_t mid = (lo + hi) / 2;

      if (cp > unseen[mid].last)
        lo = mid + 1;
      else if (cp < unseen[mid].first)
        hi = mid;
      else
        return true;
    }
  return false;
}

/* All of it or nothing: a character or an escape that is cut in two would be
 * something else than it was. */
static void
put_whole (struct buf *out, const void *data, size_t n)
{
  if (out->max < out->len || out->max - out->len < n)
    out->cut = true;
  buf_append (out, data, n);
}

static void
put_bytes (struct buf *out, const unsigned char *p, unsigned n)
{
  static const char hex[] = "0123456789abcdef";

  for (unsigned i = 0; i < n; i++)
    {
      char esc[4] = { '\\', 'x', hex[p[i] >> 4], hex[p[i] & 15] };

      put_whole (out, esc, 4);
    }
}

static void
put_code_point (struct buf *out, uint32_t cp)
{
  char esc[16];
  int n = snprintf (esc, sizeof esc, "\\u{%04x}", (unsigned) cp);

  put_whole (out, esc, (size_t) n);
}

/* One character, of n bytes at p; returns how many bytes were dealt with. */
static size_t
escape_one (struct buf *out, const unsigned char *p, size_t len,
            unsigned flags)
{
  uint32_t cp = 0;
  unsigned n = text_utf8 (p, len, &cp);

  if (n == 0)
    {
      put_bytes (out, p, 1);
      return 1;
    }
  if ((cp == '\n' && (flags & TEXT_KEEP_NEWLINE))
      || (cp == '\t' && (flags & TEXT_KEEP_TAB)))
    put_whole (out, p, 1);
  else if (cp == '\r' && len > 1 && p[1] == '\n'
           && (flags & TEXT_KEEP_NEWLINE))
    return 1;
  else if (cp == 0x1b)
    put_whole (out, "\\e", 2);
  else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
    put_bytes (out, p, n);
  else if (cp > 0x7e && ((flags & TEXT_ASCII) || is_unseen (cp)))
    put_code_point (out, cp);
  else
    put_whole (out, p, n);
  return n;
}

void
text_escape (struct buf *out, const void *bytes, size_t len, unsigned flags)
{
  const unsigned char *p = bytes;
  size_t i = 0;

  while (i < len && !out->cut)
    {
      size_t run = i;

      while (run < len && p[run] >= 0x20 && p[run] < 0x7f)
        run++;
      if (run > i)
        buf_append (out, p + i, run - i);
      i = run;
      if (i < len)
        i += escape_one (out, p + i, len - i, flags);
    }
}

static bool
is_name_byte (unsigned char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool
text_is_name (const char *s)
{
  size_t n = 0;

  if (!s || s[0] == '.' || s[0] == '-')
    return false;
  for (; s[n] != '\0'; n++)
    if (n >= NAME_MAX_BYTES || !is_name_byte ((unsigned char) s[n]))
      return false;
  return n > 0;
}

void
text_make_name (char *dst, size_t n, const char *s)
{
  size_t i = 0;

  if (n == 0)
    return;
  for (; s && s[i] != '\0' && i + 1 < n && i < NAME_MAX_BYTES; i++)
    {
      bool ok = is_name_byte ((unsigned char) s[i])
                && !(i == 0 && (s[i] == '.' || s[i] == '-'));

      dst[i] = ok ? s[i] : '_';
    }
  if (i == 0 && n > 1)
    dst[i++] = '_';
  dst[i] = '\0';
}

/* Does c lie in the set that begins behind the '[' at p?  Returns the first
 * byte behind its ']', or NULL when it has none: then '[' means itself. */
static const char *
match_set (const char *p, unsigned char c, bool *ret_in)
{
  bool not = *p == '!' || *p == '^';
  bool in = false;
  const char *first;

  if (not)
    p++;
  for (first = p; *p != '\0' && (*p != ']' || p == first); p++)
    {
      unsigned char lo = (unsigned char) *p, hi = lo;

      if (p[1] == '-' && p[2] != '\0' && p[2] != ']')
        {
          hi = (unsigned char) p[2];
          p += 2;
        }
      in |= c >= lo && c <= hi;
    }
  if (*p != ']')
    return NULL;
  *ret_in = in != not;
  return p + 1;
}

/* Matches one pattern element but '*' against the text at *s (not at its
 * end).  Moves both on and returns true if it does.  bracket is the last ']'
 * of the pattern: without it, a row of '[' would be searched for each. */
static bool
match_one (const char **pattern, const char **s, const char *bracket)
{
  const char *p = *pattern, *behind;
  const unsigned char *c = (const unsigned char *) *s;
  unsigned n = 1;
  bool in = false;

  if (*p == '?')
    {
      n = text_utf8 (c, strnlen (*s, 4), NULL);
      n = n > 0 ? n : 1;
      in = true;
      p++;
    }
  else if (*p == '[' && bracket && bracket > p
           && (behind = match_set (p + 1, *c, &in)))
    p = behind;
  else
    {
      if (*p == '\\' && p[1] != '\0')
        p++;
      in = *p != '\0' && (unsigned char) *p == *c;
      p++;
    }
  if (!in)
    return false;
  *pattern = p;
  *s += n;
  return true;
}

bool
text_glob (const char *pattern, const char *s)
{
  const char *bracket = strrchr (pattern, ']');
  const char *star = NULL, *from = NULL;

  /* Only the last star is ever tried again: an earlier one that takes more
   * cannot help it.  So this is at worst len(pattern) * len(s). */
  for (;;)
    {
      if (*pattern == '*')
        {
          star = ++pattern;
          from = s;
        }
      else if (*s == '\0')
        return *pattern == '\0';
      else if (!match_one (&pattern, &s, bracket))
        {
          if (!star)
            return false;
          pattern = star;
          s = ++from;
        }
    }
}

static unsigned char
lower (char c)
{
  return (unsigned char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Edit distance with swapped neighbours counted once, upper and lower case
 * being the same. */
static unsigned
distance (const char *a, size_t na, const char *b, size_t nb)
{
  unsigned rows[3][NEAREST_MAX_BYTES + 1];
  unsigned *two = rows[0], *one = rows[1], *now = rows[2];

  for (size_t j = 0; j <= nb; j++)
    one[j] = (unsigned) j;
  for (size_t i = 1; i <= na; i++)
    {
      unsigned *spare = two;

      now[0] = (unsigned) i;
      for (size_t j = 1; j <= nb; j++)
        {
          bool same = lower (a[i - 1]) == lower (b[j - 1]);
          unsigned d = one[j - 1] + !same;

          d = d < one[j] + 1 ? d : one[j] + 1;
          d = d < now[j - 1] + 1 ? d : now[j - 1] + 1;
          if (i > 1 && j > 1 && lower (a[i - 1]) == lower (b[j - 2])
              && lower (a[i - 2]) == lower (b[j - 1]) && two[j - 2] + 1 < d)
            d = two[j - 2] + 1;
          now[j] = d;
        }
      two = one;
      one = now;
      now = spare;
    }
  return one[nb];
}

const char *
text_nearest (const char *word, const char *const *list)
{
  size_t n = strlen (word);
  const char *best = NULL;
  unsigned best_d = 0;

  if (n == 0 || n > NEAREST_MAX_BYTES)
    return NULL;
  for (; *list; list++)
    {
      size_t m = strlen (*list);
      size_t longer = n > m ? n : m;
      unsigned d;

      if (m == 0 || m > NEAREST_MAX_BYTES)
        continue;
      d = distance (word, n, *list, m);
      /* One slip in three letters; in the shortest words a single one. */
      if (d > (longer < 6 ? 1 : longer / 3))
        continue;
      if (!best || d < best_d)
        {
          best = *list;
          best_d = d;
        }
    }
  return best;
}

const char *
text_did_you_mean (char *dst, size_t n, const char *word,
                   const char *const *list)
{
  const char *near = text_nearest (word, list);
  struct buf out = BUF_INIT (n - 1);

  if (near)
    buf_printf (&out, " (did you mean \"%s\"?)", near);
  else
    for (size_t i = 0; list[i]; i++)
      buf_printf (&out, "%s%s%s", i == 0 ? " (known: " : ", ", list[i],
                  list[i + 1] ? "" : ")");
  /* A list cut in its middle would hide what the reader looks for. */
  snprintf (dst, n, "%s", out.cut ? "" : buf_str (&out));
  buf_done (&out);
  return dst;
}
