/* SPDX-License-Identifier: Apache-2.0
 *
 * The names in conditions: which facts they may be of, and what those can say.
 */
#include "diag/ladder/cond_impl.h"

#include "base/error.h"
#include "base/text.h"
#include "diag/facts.h"
#include "kernel/text/event.h"

#include <stdio.h>
#include <string.h>

int
cond_unknown_ (const char *what, const char *name, const char *const *known,
         struct error *err)
{
  const char *near = text_nearest (name, known);

  if (near)
    return error_set (err, EINVAL, "there is no %s \"%s\" (did you mean "
                      "\"%s\"?)", what, name, near);
  return error_set (err, EINVAL, "there is no %s \"%s\"", what, name);
}

static int
unknown_name (const char *name, struct error *err)
{
  const char *known[COND_KNOWN + 1];
  size_t n = 0;

  for (int i = 0; i < FACET_MAX; i++)
    {
      if (strcmp (name, facet_names[i]) == 0)
        return error_set (err, EINVAL, "%s is a facet, and is asked for by "
                          "its state: %s == alive", name, name);
      known[n++] = facet_names[i];
    }
  for (const struct fact_kind *k = fact_kinds; k->name && n < COND_KNOWN; k++)
    known[n++] = k->name;
  known[n] = NULL;
  return cond_unknown_ ("facet or fact", name, known, err);
}

/* What kernel/text tells of: a pattern has to match one of them. */
static int
check_kind (const char *name, const char *prefix, struct error *err)
{
  const char *known[COND_KNOWN + 1], *kind = name + strlen (prefix);
  size_t n = 0;

  if (strncmp (name, prefix, strlen (prefix)) != 0)
    return 0;
  for (const struct text_kind *k = text_kinds; k->name; k++)
    {
      if (text_glob (kind, k->name))
        return 0;
      if (n < COND_KNOWN)
        known[n++] = k->name;
    }
  known[n] = NULL;
  return cond_unknown_ ("event of the kernel's text", kind, known, err);
}

/* The next kind of which a fact of that name, or pattern, may be; *at is 0 at
 * first. */
static const struct fact_kind *
next_kind (const char *name, size_t *at)
{
  const struct fact_kind *k = fact_kind_find (name);

  if (k)
    return (*at)++ == 0 ? k : NULL;
  while ((k = &fact_kinds[*at])->name)
    {
      ++*at;
      if (text_glob (name, k->name))
        return k;
    }
  return NULL;
}

static const char *const type_words[]
    = { "anything", "text", "number", "yes or no" };

static enum cond_type
type_of (const struct fact_kind *k)
{
  return k->type == FACT_TEXT   ? COND_IS_TEXT
         : k->type == FACT_BOOL ? COND_IS_BOOL
                                : COND_IS_NUMBER;
}

/* "$1" as any: it is one part of a name, behind what is no glob. */
static int
any_bound (char *name, struct error *err)
{
  char *at = strchr (name, '$');

  if (!at)
    return 0;
  if (strncmp (at, COND_BOUND, 2) != 0 || at == name || at[-1] != '.'
      || (at[2] && at[2] != '.')
      || strcspn (name, "*?[\\") < (size_t) (at - name)
      || strchr (at + 1, '$'))
    return error_set (err, EINVAL, "\"%s\": " COND_BOUND " is one part of a "
                      "name, once, and behind no glob: disk." COND_BOUND
                      ".errors", name);
  *at = '*';
  memmove (at + 1, at + 2, strlen (at + 2) + 1);
  return 0;
}

int
cond_each_name_ (const char *names, cond_name_fn *fn, void *arg,
                 struct error *err)
{
  char name[FACT_NAME_MAX];
  size_t len;

  for (const char *p = names;; p += len + 1)
    {
      len = strcspn (p, "|");
      if (len == 0 || len >= sizeof name)
        return error_set (err, EINVAL, "\"%s\" is no name of a fact, nor "
                          "several with | between them", names);
      memcpy (name, p, len);
      name[len] = '\0';
      int r = any_bound (name, err);
      if (r == 0)
        r = fn (name, arg, err);
      if (r < 0 || !p[len])
        return r;
    }
}

static int
name_is_known (const char *name, void *arg, struct error *err)
{
  enum cond_type *first = arg;
  size_t at = 0;
  const struct fact_kind *k = next_kind (name, &at);

  if (!k)
    return unknown_name (name, err);
  if (*first == COND_IS_ANY)
    *first = type_of (k);
  int r = check_kind (name, "kernel.event.", err);
  return r < 0 ? r : check_kind (name, "kernel.trouble.", err);
}

int
cond_check_names_ (const char *names, enum cond_type *ret, struct error *err)
{
  *ret = COND_IS_ANY;
  return cond_each_name_ (names, name_is_known, ret, err);
}

/* Of a kind that may be a few words only: can it ever be so? */
static bool
may_be (const struct fact_kind *k, enum cond_op op, const char *text)
{
  const char *p = k->unit;
  char word[64];
  size_t len;

  if (!p[0])
    return true;
  if (op != OP_HAS && op != OP_BEGINS)
    return fact_is_word (p, text);
  for (; *p; p += len + (p[len] == '|'))
    {
      len = strcspn (p, "|");
      snprintf (word, sizeof word, "%.*s", (int) len, p);
      if (op == OP_HAS ? strstr (word, text) != NULL
                       : strncmp (word, text, strlen (text)) == 0)
        return true;
    }
  return false;
}

int
cond_name_fits_ (const char *name, void *arg, struct error *err)
{
  const struct cond_wanted *w = arg;
  const struct fact_kind *k, *other = NULL;
  size_t at = 0;

  while ((k = next_kind (name, &at)))
    {
      if (type_of (k) != w->type)
        continue;
      if (!w->text || may_be (k, w->op, w->text))
        return 0;
      other = k;
    }
  if (other)
    return error_set (err, EINVAL, "%s is never \"%s\" (it may be: %s)", name,
                      w->text, other->unit);
  return error_set (err, EINVAL, "%s is not a %s", name,
                    type_words[w->type]);
}
