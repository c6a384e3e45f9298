/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks JSON text before json-c sees it, and finds places in it again.
 */
#include "base/json_scan.h"

#include "base/buf.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct frame
{
  bool object;
  bool inside;      /* a key or an element has begun: it is part of the path */
  size_t key_at;    /* of the byte behind its opening quote */
  size_t index;
  size_t first_key; /* where its keys begin in scan.keys */
  const char *rest; /* json_find: the path that is sought below here */
};

struct scan
{
  const char *text;
  size_t len, at;
  enum json_dialect dialect;
  char *clean;
  struct json_fault *fault;

  struct frame frames[JSON_MAX_DEPTH];
  unsigned depth;
  size_t values;

  struct json_keys keys; /* of all open objects, innermost last */

  bool finding;
  size_t found;
};

/* ---- faults ---- */

static void
path_of (const struct scan *s, char *dst, size_t n)
{
  struct buf path = BUF_INIT (JSON_MAX_PATH);

  for (unsigned i = 0; i < s->depth; i++)
    if (!s->frames[i].inside)
      break;
    else if (s->frames[i].object)
      json_path_raw_key (&path, s->text + s->frames[i].key_at);
    else
      json_path_index (&path, s->frames[i].index);
  snprintf (dst, n, "%s%s", buf_str (&path), path.cut ? "..." : "");
  buf_done (&path);
}

__attribute__ ((format (printf, 3, 4))) static bool
fail (struct scan *s, size_t at, const char *fmt, ...)
{
  va_list ap;

  s->fault->code = EINVAL;
  s->fault->at = at;
  path_of (s, s->fault->path, sizeof s->fault->path);
  va_start (ap, fmt);
  vsnprintf (s->fault->what, sizeof s->fault->what, fmt, ap);
  va_end (ap);
  return false;
}

static bool
no_memory (struct scan *s)
{
  fail (s, s->at, "not enough memory");
  s->fault->code = ENOMEM;
  return false;
}

static int
peek (const struct scan *s)
{
  return s->at < s->len ? (unsigned char) s->text[s->at] : -1;
}

/* "expected X, found Y", and what people coming from looser dialects should
 * write instead. */
static bool
unexpected (struct scan *s, const char *expected)
{
  struct buf shown = BUF_INIT (64);
  const unsigned char *p = (const unsigned char *) s->text + s->at;
  const char *hint = "";
  int c = peek (s);
  unsigned n;

  if (c < 0)
    return fail (s, s->at, "expected %s, found the end of the text", expected);
  if (c == '\'')
    hint = " (strings are written in double quotes)";
  else if (c == '/' && s->dialect == JSON_WIRE)
    hint = " (comments are not allowed here)";
  else if (c == '#' && s->dialect == JSON_FILE)
    hint = " (comments begin with //)";
  n = text_utf8 (p, s->len - s->at, NULL);
  text_escape (&shown, p, n > 0 ? n : 1, 0);
  fail (s, s->at, "expected %s, found %s%s%s%s", expected,
        c == '"' ? "'" : "\"", buf_str (&shown), c == '"' ? "'" : "\"", hint);
  buf_done (&shown);
  return false;
}

/* A character of a string or comment: moves behind it if it may stand. */
static bool
text_char (struct scan *s, const char *where)
{
  const unsigned char *p = (const unsigned char *) s->text + s->at;
  unsigned n = text_utf8 (p, s->len - s->at, NULL);

  if (n == 0)
    return fail (s, s->at, "the byte \\x%02x in %s is not UTF-8", *p, where);
  if (*p < 0x20)
    return fail (s, s->at, "a control character (\\x%02x) stands in %s%s", *p,
                 where, *p == '\n' ? " (write \\n, or close the quote)" : "");
  s->at += n;
  return true;
}

/* ---- what is left out ---- */

static void
blank (struct scan *s, size_t from, size_t to)
{
  if (s->clean)
    for (size_t i = from; i < to; i++)
      if (s->clean[i] != '\n')
        s->clean[i] = ' ';
}

static bool
comment (struct scan *s)
{
  size_t from = s->at;
  bool line = s->len - from > 1 && s->text[from + 1] == '/';

  if (!line && (s->len - from < 2 || s->text[from + 1] != '*'))
    return unexpected (s, "// or /*");
  s->at += 2;
  for (;;)
    {
      int c = peek (s);

      if (line && (c < 0 || c == '\n'))
        break;
      if (c < 0)
        return fail (s, from, "this comment has no end");
      if (!line && c == '*' && s->len - s->at > 1
          && s->text[s->at + 1] == '/')
        {
          s->at += 2;
          break;
        }
      if (c == '\n' || c == '\t' || c == '\r')
        s->at++;
      else if (!text_char (s, "a comment"))
        return false;
    }
  blank (s, from, s->at);
  return true;
}

static bool
skip_space (struct scan *s)
{
  for (;;)
    {
      int c = peek (s);

      if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
        s->at++;
      else if (c == '/' && s->dialect == JSON_FILE)
        {
          if (!comment (s))
            return false;
        }
      else
        return true;
    }
}

/* ---- scalars ---- */

static bool
is_hex (int c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')
         || (c >= 'A' && c <= 'F');
}

/* "\uXXXX" at s->at; moves behind it. */
static bool
unicode_escape (struct scan *s, unsigned *ret)
{
  if (s->len - s->at < 6 || s->text[s->at] != '\\'
      || s->text[s->at + 1] != 'u')
    return false;
  for (size_t i = 2; i < 6; i++)
    if (!is_hex ((unsigned char) s->text[s->at + i]))
      return false;
  *ret = json_hex4 (s->text + s->at + 2);
  s->at += 6;
  return true;
}

static bool
escape (struct scan *s)
{
  size_t from = s->at;
  unsigned u, low = 0;

  if (s->len - from < 2)
    return fail (s, from, "the text ends within a string");
  if (s->text[from + 1] != 'u')
    {
      if (s->text[from + 1] == '\0'
          || !strchr ("\"\\/bfnrt", s->text[from + 1]))
        return fail (s, from, "a backslash must be followed by one of "
                              "\" \\ / b f n r t u");
      s->at += 2;
      return true;
    }
  if (!unicode_escape (s, &u))
    return fail (s, from, "\\u must be followed by four hex digits");
  /* json-c hands keys out as C strings, and so do we with values: what is
   * behind a NUL would be lost without a word. */
  if (u == 0)
    return fail (s, from, "\\u0000 is not allowed in a string");
  if (u >= 0xdc00 && u < 0xe000)
    return fail (s, from, "half of a surrogate pair (\\u%04x)", u);
  if (u >= 0xd800 && u < 0xdc00
      && (!unicode_escape (s, &low) || low < 0xdc00 || low >= 0xe000))
    return fail (s, from, "half of a surrogate pair (\\u%04x)", u);
  return true;
}

static bool
string (struct scan *s)
{
  size_t from = s->at++;

  for (;;)
    {
      int c;

      while (s->at < s->len && (c = (unsigned char) s->text[s->at]) >= 0x20
             && c < 0x80 && c != '"' && c != '\\')
        s->at++;
      c = peek (s);
      if (c < 0)
        return fail (s, from, "this string has no end");
      if (c == '"')
        {
          s->at++;
          return true;
        }
      if (!(c == '\\' ? escape (s) : text_char (s, "a string")))
        return false;
    }
}

static size_t
digits (struct scan *s)
{
  size_t from = s->at;

  while (s->at < s->len && s->text[s->at] >= '0' && s->text[s->at] <= '9')
    s->at++;
  return s->at - from;
}

/* -2^63 to 2^64 - 1: what json-c can hold without saturating. */
static bool
fits_64 (const char *p, size_t n, bool negative)
{
  const uint64_t limit = negative ? (uint64_t) 1 << 63 : UINT64_MAX;
  uint64_t v = 0;

  for (; n > 0; n--, p++)
    if (__builtin_mul_overflow (v, (uint64_t) 10, &v)
        || __builtin_add_overflow (v, (uint64_t) (*p - '0'), &v) || v > limit)
      return false;
  return true;
}

/* Would a double be infinite?  p: digits with a point among them and perhaps
 * an exponent.  Decided on the decimal form, since strtod depends on the
 * locale. */
static bool
fits_double (const char *p, const char *end)
{
  static const char most[] = "17976931348623157"; /* e308 */
  char lead[sizeof most - 1];
  size_t n = 0;
  long exp = -1, ten = 0;
  bool point = false, minus = false;

  for (; p < end && *p != 'e' && *p != 'E'; p++)
    if (*p == '.')
      point = true;
    else
      {
        if (n == 0 && *p == '0')
          exp -= point;
        else
          {
            if (n < sizeof lead)
              lead[n] = *p;
            n++;
            exp += !point;
          }
      }
  if (n == 0)
    return true;
  if (p < end && ++p < end && (*p == '-' || *p == '+'))
    minus = *p++ == '-';
  for (; p < end && ten < 100000000; p++)
    ten = ten * 10 + (*p - '0');
  exp += minus ? -ten : ten;
  if (exp != 308)
    return exp < 308;
  n = n < sizeof lead ? n : sizeof lead;
  return memcmp (lead, most, n) <= 0;
}

static bool
number (struct scan *s)
{
  size_t from = s->at, whole;
  bool negative = peek (s) == '-', real = false;
  const char *first;
  size_t n;

  s->at += negative;
  whole = s->at;
  first = s->text + whole;
  n = digits (s);
  if (n == 0)
    return unexpected (s, "a digit");
  if (n > 1 && *first == '0')
    return fail (s, from, "a number must not begin with 0");
  if (peek (s) == '.')
    {
      s->at++;
      real = true;
      if (digits (s) == 0)
        return unexpected (s, "a digit");
    }
  if (peek (s) == 'e' || peek (s) == 'E')
    {
      s->at++;
      real = true;
      if (peek (s) == '+' || peek (s) == '-')
        s->at++;
      if (digits (s) == 0)
        return unexpected (s, "a digit");
    }
  if (!real && !fits_64 (first, n, negative))
    return fail (s, from, "this integer does not fit 64 bits");
  if (real && !fits_double (first, s->text + s->at))
    return fail (s, from, "this number is too large");
  return true;
}

static bool
literal (struct scan *s)
{
  static const char *const words[] = { "true", "false", "null" };
  const char *p = s->text + s->at;
  char word[12];
  size_t n = 0;

  while (n < s->len - s->at && n < sizeof word - 1
         && (p[n] | 0x20) >= 'a' && (p[n] | 0x20) <= 'z')
    {
      word[n] = p[n];
      n++;
    }
  word[n] = '\0';
  for (size_t i = 0; i < 3; i++)
    if (strcmp (word, words[i]) == 0)
      {
        s->at += n;
        return true;
      }
    else if (strcasecmp (word, words[i]) == 0)
      return fail (s, s->at, "\"%s\" must be written \"%s\"", word, words[i]);
  if (strcasecmp (word, "nan") == 0 || strcasecmp (word, "infinity") == 0
      || strcasecmp (word, "inf") == 0)
    return fail (s, s->at, "\"%s\" is not JSON", word);
  if (n > 0)
    return fail (s, s->at, "expected a value, found \"%s\" (strings are "
                           "written in double quotes)", word);
  return unexpected (s, "a value");
}

/* ---- containers ---- */

/* Does the path that is sought go through the member that has just begun at
 * s->at?  Returns what is left of it then. */
static const char *
follow (struct scan *s, const struct frame *f, size_t at)
{
  struct buf seg = BUF_INIT (JSON_MAX_PATH);
  const char *rest = f->rest, *left = NULL;

  if (!rest || *rest == '\0')
    return NULL;
  if (*rest == '.')
    rest++;
  if (f->object)
    json_path_raw_key (&seg, s->text + f->key_at);
  else
    json_path_index (&seg, f->index);
  if (seg.len > 0 && strncmp (rest, buf_str (&seg), seg.len) == 0)
    left = rest + seg.len;
  if (left && *left != '\0' && *left != '.' && *left != '[')
    left = NULL;
  if (left)
    s->found = at;
  buf_done (&seg);
  return left;
}

/* At the end of an object: are its keys all different? */
static bool
check_keys (struct scan *s, struct frame *f)
{
  size_t again, first, line, column;
  int r = json_keys_twice (&s->keys, s->text, f->first_key, &first, &again);

  if (r < 0)
    return no_memory (s);
  if (r == 0)
    return true;
  f->inside = true;
  f->key_at = again;
  json_place (s->text, s->len, first, &line, &column);
  return fail (s, again - 1, "duplicate key (first on line %zu)", line);
}

static bool value (struct scan *s, const char *rest);

static bool
member (struct scan *s, struct frame *f)
{
  size_t at = s->at;
  const char *rest;

  if (peek (s) != '"')
    return unexpected (s, "a key in double quotes");
  if (!string (s))
    return false;
  f->key_at = at + 1;
  f->inside = true;
  if (!s->finding && json_keys_add (&s->keys, s->text, at + 1) < 0)
    return no_memory (s);
  rest = follow (s, f, at);
  if (!skip_space (s))
    return false;
  if (peek (s) != ':')
    return unexpected (s, "\":\"");
  s->at++;
  return value (s, rest);
}

static bool
container (struct scan *s, const char *rest)
{
  bool object = s->text[s->at] == '{', again = false;
  int end = object ? '}' : ']';
  struct frame *f;
  size_t comma = 0;

  if (s->depth == JSON_MAX_DEPTH)
    return fail (s, s->at, "it is nested deeper than %d", JSON_MAX_DEPTH);
  f = &s->frames[s->depth++];
  *f = (struct frame){ .object = object, .first_key = s->keys.n, .rest = rest };
  s->at++;
  for (;; again = true)
    {
      if (!skip_space (s))
        return false;
      if (peek (s) == end && again && s->dialect == JSON_WIRE)
        return fail (s, comma, "a comma before \"%c\" is not allowed here",
                     end);
      if (peek (s) == end)
        break;
      f->index += again;
      f->inside = !object;
      if (!(object ? member (s, f) : value (s, follow (s, f, s->at))))
        return false;
      f->inside = false;
      again = false;
      if (!skip_space (s))
        return false;
      if (peek (s) == end)
        break;
      if (peek (s) != ',')
        return unexpected (s, object ? "\",\" or \"}\"" : "\",\" or \"]\"");
      comma = s->at++;
    }
  if (again)
    blank (s, comma, comma + 1);
  s->at++;
  if (!s->finding && !check_keys (s, f))
    return false;
  s->depth--;
  return true;
}

static bool
value (struct scan *s, const char *rest)
{
  int c;

  if (!skip_space (s))
    return false;
  s->values++;
  c = peek (s);
  if (c == '{' || c == '[')
    return container (s, rest);
  if (c == '"')
    return string (s);
  if (c == '-' || (c >= '0' && c <= '9'))
    return number (s);
  return literal (s);
}

static bool
document (struct scan *s, const char *path)
{
  if (s->len >= 3 && memcmp (s->text, "\xef\xbb\xbf", 3) == 0)
    return fail (s, 0, "it begins with a byte order mark (save it as UTF-8 "
                       "without one)");
  if (!skip_space (s))
    return false;
  if (s->at == s->len)
    return fail (s, s->at, "it is empty: a JSON value was expected");
  s->found = s->at;
  if (!value (s, path) || !skip_space (s))
    return false;
  if (s->at < s->len)
    return unexpected (s, "the end of the text");
  return true;
}

int
json_scan (const char *text, size_t len, enum json_dialect dialect,
           char *clean, size_t *ret_values, struct json_fault *ret_fault)
{
  struct json_fault fault = { 0, 0, "", "" };
  struct scan s = { .text = text, .len = len, .dialect = dialect,
                    .clean = clean, .fault = &fault };
  bool ok;

  if (len > JSON_MAX_SCAN)
    {
      ok = fail (&s, 0, "it is too large");
      fault.code = EFBIG;
    }
  else
    ok = document (&s, NULL);
  json_keys_done (&s.keys);
  if (ok)
    {
      if (ret_values)
        *ret_values = s.values;
      return 0;
    }
  if (ret_fault)
    *ret_fault = fault;
  return -fault.code;
}

size_t
json_find (const char *text, size_t len, enum json_dialect dialect,
           const char *path)
{
  struct json_fault fault;
  struct scan s = { .text = text, .len = len, .dialect = dialect,
                    .fault = &fault, .finding = true };

  document (&s, path);
  return s.found;
}

void
json_place (const char *text, size_t len, size_t at, size_t *ret_line,
            size_t *ret_column)
{
  size_t line = 1, column = 1;

  for (size_t i = 0; i < at && i < len; i++)
    if (text[i] == '\n')
      {
        line++;
        column = 1;
      }
    else if (((unsigned char) text[i] & 0xc0) != 0x80)
      column++;
  *ret_line = line;
  *ret_column = column;
}
