/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions on facts.
 */
#include "diag/ladder/ladder_impl.h"

#include "base/buf.h"
#include "base/text.h"
#include "diag/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static double
number_of (const struct fact *f)
{
  switch (f->type)
    {
    case FACT_INT:
      return (double) f->i;
    case FACT_REAL:
      return f->d;
    case FACT_BOOL:
      return f->b ? 1 : 0;
    case FACT_TEXT:
      break;
    }
  return 0;
}

const struct fact *
fact_last (struct fact_set *set, const char *names)
{
  struct fact_at at = { .begun = false };
  const struct fact_group *g = fact_group_next_ (set, names, &at);

  return g ? fact_group_last_ (set, g, NULL) : NULL;
}

/* One name, as one source has it or as anybody does. */
struct word
{
  const struct fact_group *group;
  const char *source;
  const struct fact *last;
};

static bool
always (struct fact_set *set, const struct word *w, const char *text)
{
  size_t seen = 0;

  for (size_t i = 0; i < w->group->n; i++)
    {
      const struct fact *f = w->group->facts[i];

      if (w->source && !fact_same_ (set, f->source, w->source))
        continue;
      if (f->type != FACT_TEXT || strcmp (f->text, text) != 0)
        return false;
      seen += f->sample > 0;
    }
  return seen >= 2;
}

static bool
is_same (struct fact_set *set, const struct fact *f, const char *as)
{
  const struct fact *other = fact_last (set, as);

  return other && f->type != FACT_TEXT && other->type != FACT_TEXT
         && number_of (f) == number_of (other);
}

static bool
holds (const struct cond *c, struct fact_set *set, const struct word *w)
{
  const struct fact *f = w->last;

  switch (c->op)
    {
    case OP_IS:
      return f->type == FACT_TEXT && strcmp (f->text, c->text) == 0;
    case OP_ISNT:
      return f->type == FACT_TEXT && strcmp (f->text, c->text) != 0;
    case OP_ONE_OF:
      return f->type == FACT_TEXT && fact_is_word (c->text, f->text);
    case OP_ALWAYS:
      return always (set, w, c->text);
    case OP_HAS:
      return f->type == FACT_TEXT && strstr (f->text, c->text) != NULL;
    case OP_BEGINS:
      return f->type == FACT_TEXT
             && strncmp (f->text, c->text, strlen (c->text)) == 0;
    case OP_THERE:
      return true;
    case OP_TRUE:
      return f->type != FACT_TEXT && number_of (f) != 0;
    case OP_FALSE:
      return f->type != FACT_TEXT && number_of (f) == 0;
    case OP_ABOVE:
      return f->type != FACT_TEXT && number_of (f) > c->num;
    case OP_BELOW:
      return f->type != FACT_TEXT && number_of (f) < c->num;
    case OP_SAME_AS:
      return is_same (set, f, c->text);
    case OP_AT_LEAST:
      return f->type != FACT_TEXT && number_of (f) >= c->num;
    case OP_AT_MOST:
      return f->type != FACT_TEXT && number_of (f) <= c->num;
    case OP_EQUALS:
      return f->type != FACT_TEXT && number_of (f) == c->num;
    case OP_DIFFERS:
      return f->type != FACT_TEXT && number_of (f) != c->num;
    case OP_NONE:
    case OP_ABSENT:
    case OP_FACET:
    case OP_THEN:
    case OP_THEN_NO:
      break;
    }
  return false;
}

void
cond_found_add_ (struct cond_found *found, const struct fact *f)
{
  for (unsigned i = 0; found && i < found->n; i++)
    if (found->list[i] == f)
      return;
  if (found && found->n < COND_FOUND)
    found->list[found->n++] = f;
}

/* More than say anything of one guest. */
#define MAX_SOURCES 16

struct sources
{
  const char *list[MAX_SOURCES];
  unsigned n;
};

static void
add_source (struct fact_set *set, struct sources *s, const char *name)
{
  for (unsigned i = 0; i < s->n; i++)
    if (fact_same_ (set, s->list[i], name))
      return;
  if (s->n < MAX_SOURCES)
    s->list[s->n++] = name;
}

/* Those of this name who say so now; found gets what each of them said last. */
static void
who_say_so (const struct cond *c, struct fact_set *set,
            const struct fact_group *g, struct sources *said,
            struct cond_found *found)
{
  struct sources seen = { .n = 0 };

  for (size_t i = g->n; i > 0; i--)
    {
      const struct fact *f = g->facts[i - 1];
      /* Two samples may be of one source each. */
      const struct word w
          = { g, c->op == OP_ALWAYS && !c->sources ? NULL : f->source, f };
      unsigned n = seen.n;

      add_source (set, &seen, f->source);
      if (seen.n == n || !holds (c, set, &w))
        continue;
      add_source (set, said, f->source);
      cond_found_add_ (found, f);
    }
}

/* By the clock of the guest's kernel where it says of both when they were, and
 * both are of one boot: what of its log was kept is read all at once. */
static bool
is_within (const struct fact *a, const struct fact *b, uint64_t within_ms)
{
  bool told = a->kernel_us && b->kernel_us
              && incarnation_equal (&a->inc, &b->inc);
  uint64_t from = told ? a->kernel_us : a->time_ms;
  uint64_t to = told ? b->kernel_us : b->time_ms;

  return to >= from && (to - from) / (told ? 1000 : 1) <= within_ms;
}

/* The first after `a`, and not too long after it, of which c is true. */
static const struct fact *
comes_after (const struct cond *c, struct fact_set *set, const struct fact *a,
             uint64_t within_ms)
{
  struct fact_at at = { .begun = false };
  const struct fact_group *g;

  while ((g = fact_group_next_ (set, c->fact, &at)))
    for (size_t i = 0; i < g->n; i++)
      {
        const struct fact *f = g->facts[i];
        const struct word w = { g, NULL, f };

        if (f != a && is_within (a, f, within_ms) && holds (c, set, &w))
          return f;
      }
  return NULL;
}

/* What pair[0] is true of is a; none: it has not come, although somebody spoke
 * as late as it might have. */
static bool
is_followed (const struct cond *c, struct fact_set *set, const struct fact *a,
             struct cond_found *found)
{
  const struct fact *b = comes_after (&c->pair[1], set, a, c->within_ms);

  if (c->op == OP_THEN_NO
          ? b || fact_set_until_ (set) - a->time_ms < c->within_ms
          : !b)
    return false;
  cond_found_add_ (found, a);
  if (b)
    cond_found_add_ (found, b);
  return true;
}

static bool
one_then_other (const struct cond *c, struct fact_set *set,
                struct cond_found *found)
{
  struct fact_at at = { .begun = false };
  const struct fact_group *g;

  while ((g = fact_group_next_ (set, c->pair[0].fact, &at)))
    for (size_t i = 0; i < g->n; i++)
      {
        const struct word w = { g, NULL, g->facts[i] };

        if (holds (&c->pair[0], set, &w)
            && is_followed (c, set, g->facts[i], found))
          return true;
      }
  return false;
}

static bool
facts_say_so (const struct cond *c, struct fact_set *set,
              struct cond_found *found)
{
  struct fact_at at = { .begun = false };
  struct sources said = { .n = 0 };
  const struct fact_group *g;
  bool any = false;

  while ((g = fact_group_next_ (set, c->fact, &at)))
    {
      const struct word w = { g, c->source,
                              fact_group_last_ (set, g, c->source) };

      if (!w.last)
        continue;
      any = true;
      if (c->sources)
        who_say_so (c, set, g, &said, found);
      else if (holds (c, set, &w))
        {
          cond_found_add_ (found, w.last);
          return true;
        }
    }
  if (c->sources)
    return said.n >= c->sources;
  return c->op == OP_ABSENT && !any;
}

bool
cond_holds_ (const struct cond *c, struct fact_set *set,
             const struct ladder *ladder, struct cond_found *found)
{
  unsigned before = found ? found->n : 0;

  if (c->op == OP_FACET)
    return c->states
           & 1u << (ladder ? ladder->facets[c->facet].state : FACET_UNKNOWN);
  if (c->pair)
    return one_then_other (c, set, found);
  if (facts_say_so (c, set, found))
    return true;
  /* Of those who were asked for some may have said so, too few. */
  if (found)
    found->n = before;
  return false;
}

bool
conds_hold (const struct cond *conds, struct fact_set *set,
            const struct fact **ret_first)
{
  struct cond_found found = { .n = 0 };

  for (size_t i = 0; i < MAX_CONDS && conds[i].op != OP_NONE; i++)
    if (!cond_holds_ (&conds[i], set, NULL, found.n == 0 ? &found : NULL))
      return false;
  if (ret_first)
    *ret_first = found.n ? found.list[0] : NULL;
  return true;
}

/* Of many that match, as of vCPUs, a few will do. */
#define GATHER_MOST 4

static void
gather (const struct cond *c, struct fact_set *set,
        const struct ladder *ladder, struct cond_found *found)
{
  struct fact_at at = { .begun = false };
  struct sources said = { .n = 0 };
  const struct fact_group *g;
  unsigned most = found->n + GATHER_MOST;

  if (c->op == OP_FACET)
    {
      const struct facet *f = &ladder->facets[c->facet];

      for (unsigned i = 0; f->state > FACET_ALIVE && i < f->nfacts; i++)
        cond_found_add_ (found, f->facts[i]);
      return;
    }
  if (c->pair)
    one_then_other (c, set, found);
  else if (c->source)
    facts_say_so (c, set, found);
  else
    while (found->n < most && (g = fact_group_next_ (set, c->fact, &at)))
      who_say_so (c, set, g, &said, found);
}

void
cond_list_pairs_ (const struct cond_list *list, struct fact_set *set,
                  struct cond_found *found)
{
  for (unsigned i = 0; i < list->n; i++)
    if (list->conds[i].pair)
      one_then_other (&list->conds[i], set, found);
}

void
cond_list_gather_ (const struct cond_list *list, struct fact_set *set,
                   const struct ladder *ladder, struct cond_found *found)
{
  for (unsigned i = 0; i < list->n; i++)
    if (list->conds[i].op != OP_ABSENT)
      gather (&list->conds[i], set, ladder, found);
}

void
fact_value_ (const struct fact *f, struct buf *out)
{
  switch (f->type)
    {
    case FACT_TEXT:
      text_escape (out, f->text, strnlen (f->text, sizeof f->text), 0);
      break;
    case FACT_INT:
      buf_printf (out, "%" PRId64, f->i);
      break;
    case FACT_REAL:
      buf_printf (out, "%.3g", f->d);
      break;
    case FACT_BOOL:
      buf_puts (out, f->b ? "yes" : "no");
      break;
    }
}

void
fact_describe (const struct fact *f, char *dst, size_t n)
{
  struct buf text CLEANUP_BUF = BUF_INIT (n - 1);

  buf_printf (&text, "%s: %s ", f->source, f->name);
  fact_value_ (f, &text);
  snprintf (dst, n, "%s", buf_str (&text));
}
