/* SPDX-License-Identifier: Apache-2.0
 *
 * The literal that a line must have for an expression to match at all: looking
 * for it costs a tenth of running the expression.
 *
 * It errs on one side only: what is not understood ends a literal, and where
 * an option or an alternative may change what stands around it, there is none.
 */
#include "scenarios/lines.h"

#include <string.h>

#define LITERAL_MIN 3

struct reading
{
  const char *p;
  char now[LINES_LITERAL];  /* that goes on */
  size_t len;
  char best[LINES_LITERAL];
  size_t best_len;
};

static void
end_run (struct reading *r)
{
  if (r->len > r->best_len)
    {
      memcpy (r->best, r->now, r->len);
      r->best_len = r->len;
    }
  r->len = 0;
}

static void
add (struct reading *r, char c)
{
  if (r->len == sizeof r->now - 1)
    end_run (r);
  r->now[r->len++] = c;
}

/* Behind "[:alpha:]"; NULL: what only looks like one is not worth the rules. */
static const char *
skip_posix (const char *p)
{
  p += 2;
  p += *p == '^';
  p += strspn (p, "abcdefghijklmnopqrstuvwxyz");
  return p[0] == ':' && p[1] == ']' ? p + 2 : NULL;
}

/* Behind the bracket that ends it; NULL: not understood. */
static const char *
skip_class (const char *p)
{
  p += *p == '^';
  p += *p == ']';
  while (p && *p && *p != ']')
    if (*p == '\\')
      p = p[1] && p[1] != 'Q' && p[1] != 'E' ? p + 2 : NULL;
    else if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '='))
      p = skip_posix (p);
    else
      p++;
  return p && *p ? p + 1 : NULL;
}

/* What is in a group may be optional or one of several: it is left out.
 * NULL: not understood. */
static const char *
skip_group (const char *p)
{
  unsigned depth = 1;

  while (p && *p && depth)
    if (*p == '\\')
      {
        if (p[1] == 'Q' || !p[1])
          return NULL;
        p += 2;
      }
    else if (*p == '[')
      p = skip_class (p + 1);
    else
      {
        depth += *p == '(';
        depth -= *p == ')';
        p++;
      }
  return p && !depth ? p : NULL;
}

/* Options, comments, verbs and conditions may change all that follows. */
static bool
plain_group (const char *p)
{
  if (*p == '*')
    return false;
  if (*p != '?')
    return true;
  p++;
  return *p == ':' || *p == '=' || *p == '!' || *p == '>' || *p == 'P'
         || *p == '<' || *p == '\'';
}

/* Behind "{2}", "{2,}", "{,3}", "{2,3}"; NULL: a brace as it is. */
static const char *
skip_braces (const char *p)
{
  size_t n = strspn (p, "0123456789, ");

  return n > 0 && p[n] == '}' ? p + n + 1 : NULL;
}

/* A repeated character need not be there. */
static bool
take_repeat (struct reading *r)
{
  if (*r->p != '+' && r->len)
    r->len--;
  end_run (r);
  r->p = *r->p == '{' ? skip_braces (r->p + 1) : r->p + 1;
  return r->p != NULL;
}

static bool
is_word (char c)
{
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
         || (c >= 'a' && c <= 'z');
}

/* An escaped letter is a class, a place, a code: none of them is taken.  What
 * else is one is itself.  False: not understood. */
static bool
take_escape (struct reading *r)
{
  char c = r->p[1];

  if (!c || c == 'Q' || c == 'E')
    return false;
  if (!is_word (c))
    {
      add (r, c);
      r->p += 2;
      return true;
    }
  end_run (r);
  /* Those that have something behind them, which is no text. */
  if (!strchr ("dDsSwWbBAzZhHvVRNrntefaKG", c))
    return false;
  r->p += 2;
  return true;
}

/* False: not understood. */
static bool
take_one (struct reading *r)
{
  switch (*r->p)
    {
    case '\\':
      return take_escape (r);
    case '(':
      end_run (r);
      r->p = plain_group (r->p + 1) ? skip_group (r->p + 1) : NULL;
      return r->p != NULL;
    case '[':
      end_run (r);
      r->p = skip_class (r->p + 1);
      return r->p != NULL;
    case '|':
    case ')':
      return false;
    case '.':
    case '^':
    case '$':
      end_run (r);
      r->p++;
      return true;
    case '*':
    case '?':
    case '+':
    case '{':
      return take_repeat (r);
    default:
      add (r, *r->p++);
      return true;
    }
}

/* Anywhere in it: an option within a group ends with the group, but what it
 * does to alternatives is not worth the thought. */
static bool
has_options (const char *regex)
{
  for (const char *p = regex; (p = strchr (p, '(')); p++)
    if (!plain_group (p + 1))
      return true;
  return strstr (regex, "\\Q") != NULL;
}

bool
lines_literal (const char *regex, char dst[LINES_LITERAL])
{
  struct reading r = { .p = regex };

  if (has_options (regex))
    return false;
  while (*r.p)
    if (!take_one (&r))
      return false;
  end_run (&r);
  if (r.best_len < LITERAL_MIN)
    return false;
  memcpy (dst, r.best, r.best_len);
  dst[r.best_len] = '\0';
  return true;
}
