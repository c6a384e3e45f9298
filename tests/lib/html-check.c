/* SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/html-check.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEP 256
#define NAME 24

struct word
{
  const char *at;
  size_t len;
};

struct words
{
  struct word *list;
  size_t n, most;
};

struct check
{
  const char *at, *end;
  char open[DEEP][NAME];
  unsigned deep;
  struct words ids, links;
  bool in_style;
};

static char said[300];

static const char *
wrong (const char *what, const char *at, const char *end)
{
  size_t left = (size_t) (end - at);

  snprintf (said, sizeof said, "%s: %.*s", what,
            (int) (left < 160 ? left : 160), at);
  return said;
}

static void
take (struct words *w, const char *at, size_t len)
{
  if (w->n == w->most)
    {
      w->most = w->most * 2 + 64;
      w->list = realloc (w->list, w->most * sizeof *w->list);
      if (!w->list)
        abort ();
    }
  w->list[w->n++] = (struct word){ at, len };
}

static bool
is_one_of (const char *name, const char *const *list)
{
  for (; *list; list++)
    if (strcmp (*list, name) == 0)
      return true;
  return false;
}

static bool
is_void (const char *name)
{
  static const char *const list[]
      = { "meta", "br", "hr", "img", "input", "link", NULL };

  return is_one_of (name, list);
}

static bool
is_forbidden (const char *name)
{
  static const char *const list[]
      = { "script", "img",    "iframe", "object", "embed", "link",
          "form",   "input",  "base",   "audio",  "video", "image",
          "use",    "foreignobject", "animate", "set", NULL };

  return is_one_of (name, list);
}

static size_t
name_at (const char *at, const char *end, char *dst)
{
  size_t n = 0;

  while (at + n < end && n < NAME - 1
         && (isalnum ((unsigned char) at[n]) || at[n] == '-' || at[n] == '!'))
    {
      dst[n] = (char) tolower ((unsigned char) at[n]);
      n++;
    }
  dst[n] = '\0';
  return n;
}

static bool
is_file (const char *at, size_t len)
{
  for (size_t i = 0; i < len; i++)
    if (!isalnum ((unsigned char) at[i]) && !strchr ("._-/", at[i]))
      return false;
  return len > 0 && at[0] != '/' && at[0] != '.' && !memmem (at, len, "..", 2)
         && !memmem (at, len, "//", 2);
}

/* The page of another incident: "../UUID/index.html". */
static bool
is_neighbour (const char *at, size_t len)
{
  if (len != 3 + 36 + 11 || memcmp (at, "../", 3) != 0
      || memcmp (at + 39, "/index.html", 11) != 0)
    return false;
  for (size_t i = 3; i < 39; i++)
    if (!isxdigit ((unsigned char) at[i]) && at[i] != '-')
      return false;
  return true;
}

static const char *
one_attribute (struct check *c, const char *name, const char *v, size_t len)
{
  if (strncmp (name, "on", 2) == 0 || strcmp (name, "style") == 0
      || strcmp (name, "src") == 0 || strcmp (name, "srcdoc") == 0
      || strcmp (name, "srcset") == 0 || strcmp (name, "background") == 0)
    return wrong ("an attribute that may not be", v, c->end);
  if (memchr (v, '<', len) || memchr (v, '>', len))
    return wrong ("markup in an attribute", v, c->end);
  if (strcmp (name, "id") == 0)
    take (&c->ids, v, len);
  if (strcmp (name, "href") == 0)
    {
      if (len > 1 && v[0] == '#')
        take (&c->links, v + 1, len - 1);
      else if (!is_file (v, len) && !is_neighbour (v, len))
        return wrong ("a link that leads away", v, c->end);
    }
  return NULL;
}

/* c->at: behind the element's name; moved behind its ">". */
static const char *
attributes (struct check *c, bool *closed)
{
  char name[NAME];
  const char *v, *why;
  size_t n;

  for (;;)
    {
      while (c->at < c->end && isspace ((unsigned char) *c->at))
        c->at++;
      *closed = c->at < c->end && *c->at == '/';
      c->at += *closed;
      if (c->at < c->end && *c->at == '>')
        {
          c->at++;
          return NULL;
        }
      n = name_at (c->at, c->end, name);
      if (n == 0)
        return wrong ("no attribute", c->at, c->end);
      c->at += n;
      if (c->at >= c->end || *c->at != '=')
        continue;
      if (++c->at >= c->end || *c->at != '"')
        return wrong ("a value without quotes", c->at, c->end);
      v = ++c->at;
      c->at = memchr (v, '"', (size_t) (c->end - v));
      if (!c->at)
        return wrong ("a value that does not end", v, c->end);
      why = one_attribute (c, name, v, (size_t) (c->at - v));
      if (why)
        return why;
      c->at++;
    }
}

static const char *
element (struct check *c)
{
  const char *from = c->at++, *why;
  bool end = c->at < c->end && *c->at == '/', closed = false;
  char name[NAME];

  c->at += end;
  c->at += name_at (c->at, c->end, name);
  if (!name[0])
    return wrong ("a bare <", from, c->end);
  if (is_forbidden (name))
    return wrong ("an element that may not be", from, c->end);
  if ((why = attributes (c, &closed)))
    return why;
  if (end)
    {
      if (!c->deep || strcmp (c->open[c->deep - 1], name) != 0)
        return wrong ("closes what is not open", from, c->end);
      c->deep--;
    }
  else if (!closed && name[0] != '!' && !is_void (name))
    {
      if (c->deep == DEEP)
        return wrong ("too deep", from, c->end);
      snprintf (c->open[c->deep++], NAME, "%s", name);
    }
  c->in_style = !end && strcmp (name, "style") == 0;
  return NULL;
}

static const char *
text_at (struct check *c)
{
  unsigned char ch = (unsigned char) *c->at;
  const char *semi;

  if ((ch < 0x20 && ch != '\n' && ch != '\t') || ch == 0x7f)
    return wrong ("a control character", c->at, c->end);
  /* Written right to left the text would read as another. */
  if (ch == 0xe2 && c->end - c->at > 2
      && ((unsigned char) c->at[1] == 0x80)
      && (unsigned char) c->at[2] >= 0xaa && (unsigned char) c->at[2] <= 0xae)
    return wrong ("turns the direction", c->at, c->end);
  if (ch == '&' && !c->in_style)
    {
      semi = memchr (c->at, ';', (size_t) (c->end - c->at));
      if (!semi || semi - c->at > 10)
        return wrong ("a bare &", c->at, c->end);
    }
  c->at++;
  return NULL;
}

static int
by_text (const void *a, const void *b)
{
  const struct word *x = a, *y = b;
  size_t n = x->len < y->len ? x->len : y->len;
  int r = memcmp (x->at, y->at, n);

  return r ? r : (x->len > y->len) - (x->len < y->len);
}

static const char *
addresses (struct check *c)
{
  if (c->ids.n)
    qsort (c->ids.list, c->ids.n, sizeof *c->ids.list, by_text);
  for (size_t i = 1; i < c->ids.n; i++)
    if (by_text (&c->ids.list[i - 1], &c->ids.list[i]) == 0)
      return wrong ("an id twice", c->ids.list[i].at, c->end);
  for (size_t i = 0; i < c->links.n; i++)
    if (!c->ids.n
        || !bsearch (&c->links.list[i], c->ids.list, c->ids.n,
                     sizeof *c->ids.list, by_text))
      return wrong ("a link to nowhere", c->links.list[i].at, c->end);
  return NULL;
}

const char *
html_check (const char *text, size_t len)
{
  struct check c = { .at = text, .end = text + len };
  const char *why = NULL;

  while (!why && c.at < c.end)
    why = *c.at == '<' ? element (&c) : text_at (&c);
  if (!why && c.deep)
    why = wrong ("is not closed", c.open[c.deep - 1],
                 c.open[c.deep - 1] + strlen (c.open[c.deep - 1]));
  if (!why)
    why = addresses (&c);
  free (c.ids.list);
  free (c.links.list);
  return why;
}
