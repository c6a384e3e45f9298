/* SPDX-License-Identifier: Apache-2.0
 *
 * Titles, types, signatures.  See titles.h.
 */
#include "kernel/text/titles.h"

#include "kernel/text/skips.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <string.h>

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

static bool
is_hex (char c)
{
  return is_digit (c) || (c >= 'a' && c <= 'f');
}

static bool
is_word (char c)
{
  return is_digit (c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || c == '_';
}

static void
put (char *dst, size_t n, const char *s)
{
  size_t len = strlen (s);

  if (len >= n)
    len = n - 1;
  memcpy (dst, s, len);
  dst[len] = '\0';
}

/* ---- templates ---- */

const char *const text_title_names[] = { "access", "message", NULL };

struct values
{
  const struct report *r;
  const char *func; /* NULL = not known */
  char numbered[TEXT_TITLE_MAX];
};

static bool
named (const char *name, size_t len, const char *what)
{
  return strlen (what) == len && memcmp (name, what, len) == 0;
}

static const char *
value_of (const char *name, size_t len, void *arg)
{
  struct values *v = arg;
  const struct report *r = v->r;
  struct rule_span s;
  char text[TEXT_TITLE_MAX];

  if (named (name, len, "func"))
    return v->func;
  if (named (name, len, "access"))
    return r->access;
  if (named (name, len, "message"))
    return r->message[0] ? r->message : "rust panic";
  if (named (name, len, "comm") && r->e.comm[0])
    return r->e.comm;
  if (named (name, len, "other") && r->e.other[0])
    return r->e.other;
  if (!(r->recipe->flags & RECIPE_NUMBERS))
    return NULL;
  s = rule_named (&r->match, name, len);
  if (!s.text)
    return NULL;
  if (s.len >= sizeof text)
    s.len = sizeof text - 1;
  memcpy (text, s.text, s.len);
  text[s.len] = '\0';
  title_numbers (text, v->numbered, sizeof v->numbered);
  return v->numbered;
}

/* "WARNING in " without its name is "WARNING". */
static void
trim (char *title)
{
  static const char *const ends[] = { " in", " at", " of", ":", " by", "," };
  size_t len = strlen (title), i;
  bool again = true;

  while (again)
    {
      again = false;
      while (len && title[len - 1] == ' ')
        title[--len] = '\0';
      for (i = 0; i < ARRAY_LEN (ends); i++)
        {
          size_t n = strlen (ends[i]);

          if (len > n && strcmp (title + len - n, ends[i]) == 0)
            {
              len -= n;
              title[len] = '\0';
              again = true;
            }
        }
    }
}

static bool
expand (const struct report *r, const char *tmpl, const char *func, char *dst,
        size_t n)
{
  struct values v = { .r = r, .func = func };
  bool all = rule_expand (tmpl, &r->match, value_of, &v, dst, n);
  char *s;

  if (!all)
    trim (dst);
  /* What was left out left its blanks. */
  for (s = strstr (dst, "  "); s && !all; s = strstr (s, "  "))
    memmove (s, s + 1, strlen (s));
  return all;
}

static bool
names_func (const char *tmpl)
{
  return strstr (tmpl, "{func}") != NULL;
}

bool
title_needs_func (const struct report *r)
{
  return names_func (r->match.rule->title)
         && !(r->recipe->flags & RECIPE_LINE);
}

/* "KASAN-{access}": known when the report is whole. */
static void
set_type (struct report *r, bool whole)
{
  const char *tmpl = r->match.rule->type;
  char *s;

  if (!tmpl[0])
    {
      put (r->e.type, sizeof r->e.type, title_type (r->e.title));
      return;
    }
  if (!strchr (tmpl, '{') || !whole)
    return;
  if (!r->access[0])
    put (r->access, sizeof r->access, "Read"); /* less bad than a write */
  (void) expand (r, tmpl, NULL, r->e.type, sizeof r->e.type);
  for (s = r->e.type; *s; s++)
    if (*s >= 'a' && *s <= 'z')
      *s = (char) (*s - 'a' + 'A');
  while (s > r->e.type && s[-1] == '-')
    *--s = '\0';
}

void
title_head (struct report *r)
{
  const struct text_rule *rule = r->match.rule;
  bool own = (r->recipe->flags & (RECIPE_HEAD | RECIPE_LINE))
             && r->head_func[0] && !title_says_nothing (r, r->head_func)
             && !title_skips (&blames_caller, r->head_func);

  if (!expand (r, rule->title, own ? r->head_func : NULL, r->e.title,
               sizeof r->e.title)
      && rule->bare[0])
    (void) expand (r, rule->bare, NULL, r->e.title, sizeof r->e.title);
  set_type (r, false);
}

static void
add_alt (struct report *r, const char *tmpl, const char *func)
{
  size_t i;
  char alt[TEXT_TITLE_MAX];

  if (!expand (r, tmpl, func, alt, sizeof alt) || strcmp (alt, r->e.title) == 0)
    return;
  for (i = 0; i < TEXT_ALTS_MAX; i++)
    {
      if (strcmp (r->e.alt[i], alt) == 0)
        return;
      if (!r->e.alt[i][0])
        {
          memcpy (r->e.alt[i], alt, sizeof alt);
          return;
        }
    }
}

void
title_report (struct report *r)
{
  const struct text_rule *rule = r->match.rule;
  const char *f = NULL;
  size_t i;

  if (r->found)
    f = r->generic[0] ? r->generic : r->func;
  else if (names_func (rule->title) && r->e.corrupted
           && !(r->recipe->flags & RECIPE_BARE))
    f = TITLE_NO_FUNC;
  if (!expand (r, rule->title, f, r->e.title, sizeof r->e.title)
      && rule->bare[0] && !f)
    (void) expand (r, rule->bare, NULL, r->e.title, sizeof r->e.title);
  memset (r->e.alt, 0, sizeof r->e.alt);
  if (f == r->generic)
    add_alt (r, rule->title, r->func);
  /* Where trackers name no function, the head may have. */
  if (!r->found && (r->recipe->flags & RECIPE_WARN) && r->head_func[0]
      && !title_says_nothing (r, r->head_func))
    add_alt (r, rule->title, r->head_func);
  for (i = 0; i < TEXT_ALTS_MAX; i++)
    if (rule->alt[i] && rule->alt[i][0])
      add_alt (r, rule->alt[i], f);
  set_type (r, true);
}

/* ---- text without what differs ---- */

void
title_numbers (const char *src, char *dst, size_t n)
{
  char out[TEXT_TITLE_MAX];
  size_t o = 0;
  const char *s = src;

  while (*s && o + 5 < sizeof out)
    {
      const char *e = s;
      bool hex = false;
      const char *word = NULL;

      if (!is_digit (*s) && !is_hex (*s))
        {
          /* A word that begins with something else is taken whole. */
          if (is_word (*s))
            while (is_word (*s) && o + 5 < sizeof out)
              out[o++] = *s++;
          else
            out[o++] = *s++;
          continue;
        }
      if (s[0] == '0' && s[1] == 'x')
        {
          e += 2;
          hex = true;
        }
      while (is_hex (*e) || is_digit (*e))
        {
          hex |= !is_digit (*e);
          e++;
        }
      if (!is_word (*e))
        word = hex && e - s >= 8 ? "ADDR"
               : !hex || (s[0] == '0' && s[1] == 'x') ? "NUM"
                                                      : NULL;
      else
        while (is_word (*e))
          e++;
      if (word)
        {
          size_t len = strlen (word);

          memcpy (out + o, word, len);
          o += len;
        }
      else
        {
          size_t len = (size_t) (e - s);

          if (len > sizeof out - 5 - o)
            len = sizeof out - 5 - o;
          memcpy (out + o, s, len);
          o += len;
        }
      s = e;
    }
  out[o] = '\0';
  put (dst, n, out);
}

void
title_signature (struct text_event *e)
{
  uint64_t h = 14695981039346656037ull;
  char plain[TEXT_TITLE_MAX];
  const char *parts[2];
  size_t i;

  title_numbers (e->title, plain, sizeof plain);
  parts[0] = e->kind ? e->kind : "";
  parts[1] = plain;
  for (i = 0; i < ARRAY_LEN (parts); i++)
    {
      const char *s;

      for (s = parts[i]; *s; s++)
        {
          /* Names differ by their numbers only: "kworker/0:1". */
          if (is_digit (*s) && s > parts[i] && is_digit (s[-1]))
            continue;
          h = (h ^ (unsigned char) (is_digit (*s) ? '#' : *s))
              * 1099511628211ull;
        }
      h = (h ^ 0xff) * 1099511628211ull;
    }
  (void) snprintf (e->signature, sizeof e->signature, "%016llx",
                   (unsigned long long) h);
}

struct title_kind
{
  const char *begin, *type;
};

/* Only what one may tell by its beginning: rules of ours say it themselves. */
static const struct title_kind title_kinds[] = {
  { "INFO: rcu detected stall", "HANG" },
  { "INFO: task hung", "HANG" },
  { "BUG: soft lockup", "HANG" },
  { "BUG: unable to handle kernel NULL", "NULL-POINTER-DEREFERENCE" },
  { "BUG: unable to handle kernel paging", "MEMORY_SAFETY_BUG" },
  { "WARNING: refcount bug", "REFCOUNT_WARNING" },
  { "BUG: scheduling while atomic", "ATOMIC_SLEEP" },
  { "possible deadlock", "LOCKDEP" },
  { "memory leak", "LEAK" },
  { "general protection fault", "DoS" },
  { "kernel panic", "DoS" },
  { "kernel BUG", "BUG" },
  { "WARNING in ", "WARNING" },
};

const char *
title_type (const char *title)
{
  size_t i;

  for (i = 0; i < ARRAY_LEN (title_kinds); i++)
    if (strncmp (title, title_kinds[i].begin,
                 strlen (title_kinds[i].begin))
        == 0)
      return title_kinds[i].type;
  return "";
}
