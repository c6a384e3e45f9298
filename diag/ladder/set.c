/* SPDX-License-Identifier: Apache-2.0
 *
 * The facts of one judgement, by name.
 *
 * A judgement asks for a few hundred names of what may be more than a
 * thousand facts, on the loop: so they are sorted once, and a name is found by
 * halving.  A pattern is found by what it begins with.
 */
#include "diag/ladder/ladder_impl.h"

#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fact_set
{
  const struct fact **facts; /* by name, time and place in the list */
  struct fact_group *groups;
  size_t max, ngroups;
  uint64_t until; /* the latest time */
  size_t compared;
  char bound[FACT_NAME_MAX]; /* what COND_BOUND stands for, as a glob; "" =
                                nothing yet */
};

int
fact_set_new (size_t max, struct fact_set **ret, struct error *err)
{
  struct fact_set *set = calloc (1, sizeof *set);

  if (set)
    {
      set->max = max;
      set->facts = calloc (max + 1, sizeof *set->facts);
      set->groups = calloc (max + 1, sizeof *set->groups);
    }
  if (!set || !set->facts || !set->groups)
    {
      fact_set_free (set);
      return error_set (err, ENOMEM, "no memory for %zu facts", max);
    }
  *ret = set;
  return 0;
}

void
fact_set_free (struct fact_set *set)
{
  if (!set)
    return;
  free (set->facts);
  free (set->groups);
  free (set);
}

/* Their places in the list are those in memory. */
static int
by_name (const void *a, const void *b)
{
  const struct fact *x = *(const struct fact *const *) a;
  const struct fact *y = *(const struct fact *const *) b;
  int r = strcmp (x->name, y->name);

  if (r != 0)
    return r;
  if (x->time_ms != y->time_ms)
    return x->time_ms < y->time_ms ? -1 : 1;
  return x < y ? -1 : x > y;
}

void
fact_set_fill (struct fact_set *set, const struct fact *facts, size_t n)
{
  struct fact_group *g = NULL;

  n = n < set->max ? n : set->max;
  for (size_t i = 0; i < n; i++)
    set->facts[i] = &facts[i];
  if (n > 0)
    qsort (set->facts, n, sizeof *set->facts, by_name);
  set->ngroups = 0;
  set->compared = 0;
  set->until = 0;
  set->bound[0] = '\0';
  for (size_t i = 0; i < n; i++)
    {
      if (!g || !fact_same_ (set, set->facts[i]->name, fact_group_name_ (g)))
        {
          g = &set->groups[set->ngroups++];
          *g = (struct fact_group){ &set->facts[i], 0 };
        }
      g->n++;
      if (set->facts[i]->time_ms > set->until)
        set->until = set->facts[i]->time_ms;
    }
}

uint64_t
fact_set_until_ (const struct fact_set *set)
{
  return set->until;
}

size_t
fact_set_compared (const struct fact_set *set)
{
  return set->compared;
}

bool
fact_same_ (struct fact_set *set, const char *a, const char *b)
{
  set->compared++;
  return strcmp (a, b) == 0;
}

const char *
fact_group_name_ (const struct fact_group *g)
{
  return g->facts[0]->name;
}

const struct fact *
fact_group_last_ (struct fact_set *set, const struct fact_group *g,
                  const char *source)
{
  for (size_t i = g->n; i > 0; i--)
    if (!source || fact_same_ (set, g->facts[i - 1]->source, source))
      return g->facts[i - 1];
  return NULL;
}

/* The first group that is not before name, of which only n bytes count. */
static size_t
find (struct fact_set *set, const char *name, size_t n)
{
  size_t low = 0, high = set->ngroups;

  while (low < high)
    {
      size_t mid = low + (high - low) / 2;

      set->compared++;
      if (strncmp (fact_group_name_ (&set->groups[mid]), name, n) < 0)
        low = mid + 1;
      else
        high = mid;
    }
  return low;
}

/* ---- what is bound ---- */

bool
fact_set_bind_ (struct fact_set *set, const char *value)
{
  size_t n = 0;

  set->bound[0] = '\0';
  for (const char *p = value; p && *p; p++)
    {
      if (n + 3 > sizeof set->bound)
        {
          set->bound[0] = '\0';
          return false;
        }
      if (strchr ("*?[]\\", *p))
        set->bound[n++] = '\\';
      set->bound[n++] = *p;
      set->bound[n] = '\0';
    }
  return true;
}

void
fact_set_bound_ (const struct fact_set *set, char *dst, size_t n)
{
  size_t k = 0;

  for (const char *p = set->bound; *p && k + 1 < n; p++)
    {
      p += *p == '\\';
      dst[k++] = *p;
    }
  dst[k] = '\0';
}

bool
fact_binds_ (const char *name)
{
  const char *at = strstr (name, COND_BOUND);

  return at && at < name + strcspn (name, "|");
}

bool
fact_group_binds_ (const struct fact_group *g, const struct fact_at *at,
                   char *ret, size_t n)
{
  const char *name = fact_group_name_ (g), *tail;
  size_t head, len;

  if (!at->alternative || !fact_binds_ (at->alternative))
    return false;
  head = (size_t) (strstr (at->alternative, COND_BOUND) - at->alternative);
  if (strlen (name) <= head)
    return false;
  tail = at->alternative + head + strlen (COND_BOUND);
  len = *tail && *tail != '|' ? strcspn (name + head, ".")
                              : strlen (name + head);
  if (len == 0 || len >= n)
    return false;
  memcpy (ret, name + head, len);
  ret[len] = '\0';
  return true;
}

/* An alternative of len bytes with what is bound in its place. */
static bool
put_bound (struct fact_set *set, const char *name, size_t len, char *dst,
           size_t n)
{
  const char *at = fact_binds_ (name) ? strstr (name, COND_BOUND) : NULL;
  size_t head = at ? (size_t) (at - name) : len;
  size_t rest = at ? head + strlen (COND_BOUND) : len;
  const char *value = !at ? "" : set->bound[0] ? set->bound : "*";

  return snprintf (dst, n, "%.*s%s%.*s", (int) head, name, value,
                   (int) (len - rest), name + rest)
         < (int) n;
}

/* The next alternative; false when there is none. */
static bool
next_glob (struct fact_set *set, struct fact_at *at)
{
  size_t len = at->rest ? strcspn (at->rest, "|") : 0;
  bool fits;

  if (len == 0)
    return false;
  at->alternative = at->rest;
  /* No fact has a name that is longer. */
  fits = put_bound (set, at->rest, len, at->glob, sizeof at->glob);
  at->rest += len + (at->rest[len] == '|');
  at->next = fits ? find (set, at->glob, strcspn (at->glob, "*?[\\"))
                  : set->ngroups;
  return true;
}

/* The next group that the present alternative matches. */
static const struct fact_group *
next_match (struct fact_set *set, struct fact_at *at)
{
  size_t head = strcspn (at->glob, "*?[\\");
  bool exact = !at->glob[head];

  for (; at->next < set->ngroups; at->next++)
    {
      const struct fact_group *g = &set->groups[at->next];
      const char *name = fact_group_name_ (g);

      set->compared++;
      if (strncmp (name, at->glob, head) != 0)
        break;
      if (exact ? !name[head] : text_glob (at->glob + head, name + head))
        {
          at->next = exact ? set->ngroups : at->next + 1;
          return g;
        }
      /* Whatever else begins with it comes after it. */
      if (exact)
        break;
    }
  return NULL;
}

const struct fact_group *
fact_group_next_ (struct fact_set *set, const char *names, struct fact_at *at)
{
  const struct fact_group *g;

  if (!at->begun)
    {
      at->begun = true;
      at->rest = names;
      if (!next_glob (set, at))
        return NULL;
    }
  do
    {
      g = next_match (set, at);
      if (g)
        return g;
    }
  while (next_glob (set, at));
  return NULL;
}
