/* SPDX-License-Identifier: Apache-2.0
 *
 * The latest fact per guest, name and source.
 *
 * Guests are sorted by uuid and their facts by name, and of one name by who
 * says so: there are hundreds of the one and dozens of the other, looked up
 * far more often than added.
 */
#include "base/fact.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

/* A fact without the room that its texts do not take: thousands of guests have
 * dozens each, and most of a struct fact is empty. */
struct kept
{
  int32_t pid;
  uint32_t boot;
  uint64_t start_time, time_ms;
  uint64_t order; /* in which they came: of one name the last is the latest */
  enum fact_type type;
  uint32_t more;
  union
  {
    int64_t i;
    double d;
    bool b;
  };
  size_t size;   /* of strings */
  char strings[]; /* name, source, and text if that is what it is */
};

struct guest
{
  char uuid[UUID_TEXT];
  struct kept **facts; /* by name */
  size_t nfacts, cap;
};

struct fact_table
{
  struct fact_sub *sub;
  size_t max_per_guest;
  uint64_t order;
  struct fact shown; /* the one that is being looked at */
  struct guest **guests; /* by uuid */
  size_t nguests, cap;
};

struct key
{
  const char *name, *source; /* name: a guest's uuid, or a fact's */
};

/* Among n in their order: where it is, or where it would have to go. */
static size_t
find (const void *in, size_t n,
      int (*compare) (const struct key *key, const void *in, size_t i),
      const struct key *key, bool *ret_found)
{
  size_t lo = 0, hi = n, mid;
  int c;

  *ret_found = false;
  while (lo < hi)
    {
      mid = lo + (hi - lo) / 2;
      c = compare (key, in, mid);
      if (c == 0)
        {
          *ret_found = true;
          return mid;
        }
      if (c < 0)
        hi = mid;
      else
        lo = mid + 1;
    }
  return lo;
}

static int
compare_guest (const struct key *key, const void *table, size_t i)
{
  const struct fact_table *t = table;

  return strcmp (key->name, t->guests[i]->uuid);
}

static size_t
find_guest (const struct fact_table *t, const char *uuid, bool *ret_found)
{
  const struct key key = { .name = uuid };

  return find (t, t->nguests, compare_guest, &key, ret_found);
}

static const char *
source_of (const struct kept *k)
{
  return k->strings + strlen (k->strings) + 1;
}

static int
compare_fact (const struct key *key, const void *guest, size_t i)
{
  const struct kept *k = ((const struct guest *) guest)->facts[i];
  int c = strcmp (key->name, k->strings);

  return c != 0 ? c : strcmp (key->source, source_of (k));
}

/* Where that name's of that source is, or would have to go; source "": where
 * those of that name begin. */
static size_t
find_fact (const struct guest *g, const char *name, const char *source,
           bool *ret_found)
{
  const struct key key = { name, source };

  return find (g, g->nfacts, compare_fact, &key, ret_found);
}

/* Behind the last one with the name of the one at i. */
static size_t
end_of_name (const struct guest *g, size_t i)
{
  size_t end = i + 1;

  while (end < g->nfacts
         && strcmp (g->facts[end]->strings, g->facts[i]->strings) == 0)
    end++;
  return end;
}

/* Room for one more pointer in an array of them. */
static void *
grown (void *array, size_t n, size_t *cap)
{
  size_t more = *cap ? 2 * *cap : 8;

  if (n < *cap)
    return array;
  array = realloc (array, more * sizeof (void *));
  if (array)
    *cap = more;
  return array;
}

static struct guest *
guest_at (struct fact_table *t, const char *uuid)
{
  struct guest *g, **guests;
  bool found;
  size_t i = find_guest (t, uuid, &found);

  if (found)
    return t->guests[i];
  g = calloc (1, sizeof *g);
  guests = grown (t->guests, t->nguests, &t->cap);
  if (guests)
    t->guests = guests;
  if (!g || !guests)
    {
      free (g);
      return NULL;
    }
  memcpy (g->uuid, uuid, strlen (uuid) + 1);
  memmove (&guests[i + 1], &guests[i], (t->nguests - i) * sizeof *guests);
  guests[i] = g;
  t->nguests++;
  return g;
}

static bool
same_family (const char *a, const char *b)
{
  size_t n = strcspn (a, ".");

  return n == strcspn (b, ".") && memcmp (a, b, n) == 0;
}

/* Who makes room: of the largest family (of several, all of them) the fact
 * that was not heard of for the longest time.  In the order
 * of names a family stands together. */
static size_t
stalest (const struct guest *g)
{
  size_t oldest = 0, most = 0;

  for (size_t from = 0, to; from < g->nfacts; from = to)
    {
      size_t mine = from;

      for (to = from; to < g->nfacts
                      && same_family (g->facts[from]->strings,
                                      g->facts[to]->strings);
           to++)
        if (g->facts[to]->time_ms < g->facts[mine]->time_ms)
          mine = to;
      if (to - from > most
          || (to - from == most
              && g->facts[mine]->time_ms < g->facts[oldest]->time_ms))
        {
          most = to - from;
          oldest = mine;
        }
    }
  return oldest;
}

static void
drop_fact (struct guest *g, size_t i)
{
  free (g->facts[i]);
  g->nfacts--;
  memmove (&g->facts[i], &g->facts[i + 1],
           (g->nfacts - i) * sizeof *g->facts);
}

/* Returns what is behind it.  There is room: strings_size(), or a member of the
 * same size. */
static char *
put_string (char *dst, const char *s)
{
  size_t n = strlen (s) + 1;

  memcpy (dst, s, n);
  return dst + n;
}

static size_t
strings_size (const struct fact *f)
{
  return strlen (f->name) + 1 + strlen (f->source) + 1
         + (f->type == FACT_TEXT ? strlen (f->text) + 1 : 0);
}

static void
keep (struct kept *k, const struct fact *f)
{
  char *p = k->strings;

  k->pid = f->inc.pid;
  k->boot = f->inc.boot;
  k->start_time = f->inc.start_time;
  k->time_ms = f->time_ms;
  k->type = f->type;
  k->more = f->more;
  switch (f->type)
    {
    case FACT_TEXT:
      break;
    case FACT_INT:
      k->i = f->i;
      break;
    case FACT_REAL:
      k->d = f->d;
      break;
    case FACT_BOOL:
      k->b = f->b;
      break;
    }
  p = put_string (p, f->name);
  p = put_string (p, f->source);
  if (f->type == FACT_TEXT)
    put_string (p, f->text);
}

/* Good until the next one is looked at. */
static const struct fact *
show (struct fact_table *t, const struct guest *g, const struct kept *k)
{
  const char *source = source_of (k);
  struct fact *f = &t->shown;

  memcpy (f->inc.uuid, g->uuid, sizeof f->inc.uuid);
  f->inc.pid = k->pid;
  f->inc.boot = k->boot;
  f->inc.start_time = k->start_time;
  f->time_ms = k->time_ms;
  f->more = k->more;
  put_string (f->name, k->strings);
  put_string (f->source, source);
  f->type = k->type;
  switch (k->type)
    {
    case FACT_TEXT:
      put_string (f->text, source + strlen (source) + 1);
      break;
    case FACT_INT:
      f->i = k->i;
      break;
    case FACT_REAL:
      f->d = k->d;
      break;
    case FACT_BOOL:
      f->b = k->b;
      break;
    }
  return f;
}

/* Without memory the fact is not kept: the next one of its name will be. */
static void
on_fact (const struct fact *fact, void *arg)
{
  struct fact_table *t = arg;
  struct guest *g = guest_at (t, fact->inc.uuid);
  size_t i, size = strings_size (fact);
  struct kept *k, **facts;
  bool found;

  if (!g)
    return;
  i = find_fact (g, fact->name, fact->source, &found);
  k = found ? g->facts[i] : NULL;
  if (!k || k->size < size)
    {
      k = realloc (k, sizeof *k + size);
      if (!k)
        return;
      k->size = size;
      if (found)
        g->facts[i] = k;
    }
  keep (k, fact);
  k->order = ++t->order;
  if (found)
    return;
  if (g->nfacts >= t->max_per_guest)
    {
      drop_fact (g, stalest (g));
      i = find_fact (g, fact->name, fact->source, &found);
    }
  facts = grown (g->facts, g->nfacts, &g->cap);
  if (!facts)
    {
      free (k);
      return;
    }
  g->facts = facts;
  memmove (&facts[i + 1], &facts[i], (g->nfacts - i) * sizeof *facts);
  facts[i] = k;
  g->nfacts++;
}

int
fact_table_new (struct fact_bus *bus, size_t max_per_guest,
                struct fact_table **ret, struct error *err)
{
  struct fact_table *t;
  int r;

  if (max_per_guest == 0)
    return error_set (err, EINVAL, "a table of no facts");
  t = calloc (1, sizeof *t);
  if (!t)
    return error_errno (err, ENOMEM, "making a table of facts");
  t->max_per_guest = max_per_guest;
  r = fact_subscribe (bus, "latest facts", "", on_fact, t, &t->sub, err);
  if (r < 0)
    {
      free (t);
      return r;
    }
  *ret = t;
  return 0;
}

static void
guest_free (struct guest *g)
{
  for (size_t i = 0; i < g->nfacts; i++)
    free (g->facts[i]);
  free (g->facts);
  free (g);
}

void
fact_table_free (struct fact_table *t)
{
  if (!t)
    return;
  fact_unsubscribe (t->sub);
  for (size_t i = 0; i < t->nguests; i++)
    guest_free (t->guests[i]);
  free (t->guests);
  free (t);
}

const struct fact *
fact_latest (struct fact_table *t, const char *uuid, const char *name)
{
  bool found;
  size_t i = find_guest (t, uuid, &found), end;
  struct guest *g;

  if (!found)
    return NULL;
  g = t->guests[i];
  i = find_fact (g, name, "", &found);
  if (i == g->nfacts || strcmp (g->facts[i]->strings, name) != 0)
    return NULL;
  end = end_of_name (g, i);
  for (size_t k = i + 1; k < end; k++)
    if (g->facts[k]->order > g->facts[i]->order)
      i = k;
  return show (t, g, g->facts[i]);
}

/* Of one name in the order in which they came: they are a few. */
static void
each_of_name (struct fact_table *t, struct guest *g, size_t from, size_t to,
              void (*fn) (const struct fact *f, void *arg), void *arg)
{
  uint64_t after = 0;

  for (size_t n = from; n < to; n++)
    {
      const struct kept *next = NULL;

      for (size_t i = from; i < to; i++)
        if (g->facts[i]->order > after
            && (!next || g->facts[i]->order < next->order))
          next = g->facts[i];
      after = next->order;
      fn (show (t, g, next), arg);
    }
}

void
fact_each (struct fact_table *t, const char *uuid,
           void (*fn) (const struct fact *f, void *arg), void *arg)
{
  bool found;
  size_t i = find_guest (t, uuid, &found);
  struct guest *g;

  if (!found)
    return;
  g = t->guests[i];
  for (size_t from = 0, to; from < g->nfacts; from = to)
    {
      to = end_of_name (g, from);
      each_of_name (t, g, from, to, fn, arg);
    }
}

void
fact_forget (struct fact_table *t, const char *uuid)
{
  bool found;
  size_t i = find_guest (t, uuid, &found);

  if (!found)
    return;
  guest_free (t->guests[i]);
  t->nguests--;
  memmove (&t->guests[i], &t->guests[i + 1],
           (t->nguests - i) * sizeof *t->guests);
}
