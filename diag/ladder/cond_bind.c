/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of conditions, and what "$1" is in them: the facts of one disk (vCPU,
 * interface) are asked together, so that what is amiss with two of them makes
 * no third trouble.
 *
 * The first condition whose names all have it says what it may be: each name
 * that matches is tried, in their order, in all conditions of the list.
 */
#include "diag/ladder/cond_impl.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Things are tried, and of them are told, as many at most: who says that he
 * has more disks does not keep us. */
#define TRIED_MOST 256
#define HELD_MOST 8

static bool
holds_now (const struct cond_list *list, struct fact_set *set,
           const struct ladder *ladder, const char **ret_failed,
           const struct fact **ret_first)
{
  struct cond_found found = { .n = 0 };

  for (unsigned i = 0; list && i < list->n; i++)
    if (!cond_holds_ (&list->conds[i], set, ladder,
                      found.n == 0 ? &found : NULL))
      {
        if (ret_failed)
          *ret_failed = list->conds[i].said;
        return false;
      }
  if (ret_first)
    *ret_first = found.n ? found.list[0] : NULL;
  return true;
}

/* All of them, or any. */
static bool
binds (const char *names, bool all)
{
  size_t len;

  for (const char *p = names; p && *p; p += len + (p[len] == '|'))
    {
      len = strcspn (p, "|");
      if (fact_binds_ (p) != all)
        return !all;
    }
  return all && names;
}

const struct cond *
cond_list_binder_ (const struct cond_list *list)
{
  for (unsigned i = 0; list && i < list->n; i++)
    {
      const struct cond *c = &list->conds[i];

      if (c->op != OP_FACET && c->op != OP_ABSENT
          && binds (c->pair ? c->pair[0].fact : c->fact, true))
        return c;
    }
  return NULL;
}

static bool
uses (const struct cond *c)
{
  return binds (c->fact, false)
         || (c->op == OP_SAME_AS && binds (c->text, false))
         || (c->pair && (uses (&c->pair[0]) || uses (&c->pair[1])));
}

int
cond_list_check_bound_ (const struct cond_list *list, struct error *err)
{
  if (cond_list_binder_ (list))
    return 0;
  for (unsigned i = 0; i < list->n; i++)
    if (uses (&list->conds[i]))
      return error_set (err, EINVAL, "nothing says what " COND_BOUND
                        " is: one condition without \"no\" has to have it "
                        "in all of its names");
  return 0;
}

/* ---- each of them ---- */

struct held
{
  char list[HELD_MOST][FACT_NAME_MAX];
  unsigned n;
};

/* It was said of it already: by another of several names. */
static bool
is_new (struct held *held, const char *value)
{
  for (unsigned i = 0; i < held->n; i++)
    if (strcmp (held->list[i], value) == 0)
      return false;
  if (held->n == HELD_MOST)
    return false;
  snprintf (held->list[held->n++], FACT_NAME_MAX, "%s", value);
  return true;
}

bool
cond_list_holds_nth_ (const struct cond_list *list, struct fact_set *set,
                      const struct ladder *ladder, unsigned nth,
                      const char **ret_failed, const struct fact **ret_first)
{
  const struct cond *c = cond_list_binder_ (list);
  struct fact_at at = { .begun = false };
  struct held held = { .n = 0 };
  const struct fact_group *g;
  char value[FACT_NAME_MAX];

  fact_set_bind_ (set, NULL);
  if (!c)
    return nth == 0 && holds_now (list, set, ladder, ret_failed, ret_first);
  if (ret_failed)
    *ret_failed = c->said;
  for (unsigned i = 0; i < TRIED_MOST; i++)
    {
      fact_set_bind_ (set, NULL);
      g = fact_group_next_ (set, c->pair ? c->pair[0].fact : c->fact, &at);
      if (!g)
        break;
      if (fact_group_binds_ (g, &at, value, sizeof value)
          && fact_set_bind_ (set, value)
          && holds_now (list, set, ladder, ret_failed, ret_first)
          && is_new (&held, value) && held.n == nth + 1)
        return true;
    }
  fact_set_bind_ (set, NULL);
  return false;
}

bool
cond_list_holds (const struct cond_list *list, struct fact_set *set,
                 const struct ladder *ladder, const char **ret_failed,
                 const struct fact **ret_first)
{
  return cond_list_holds_nth_ (list, set, ladder, 0, ret_failed, ret_first);
}
