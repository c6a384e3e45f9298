/* SPDX-License-Identifier: Apache-2.0
 *
 * All playbooks that there are: the shipped ones, and an operator's.
 */
#include "diag/playbook.h"
#include "diag/playbook_shipped.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define SHIPPED_MAX (64u << 10)

const char playbook_default[] = "standard";
const char playbook_harmless[] = "no-touch";

static int
by_name (const void *a, const void *b)
{
  const struct playbook *const *p = a, *const *q = b;

  return strcmp ((*p)->name, (*q)->name);
}

/* Takes p. */
static int
add (struct playbook_set *set, struct playbook *p, struct error *err)
{
  struct playbook **list
      = realloc (set->list, (set->n + 1) * sizeof (*list));

  if (!list)
    {
      playbook_unref (p);
      return error_set (err, ENOMEM, "no memory for playbooks");
    }
  set->list = list;
  list[set->n++] = p;
  return 0;
}

static int
add_shipped (struct playbook_set *set, const struct embedded_file *f,
             struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct playbook *p;
  int r = json_parse ((const char *) f->text, f->len, JSON_FILE, f->name,
                      SHIPPED_MAX, &doc, err);

  if (r == 0)
    r = playbook_read (doc, json_root (doc), "", "shipped", &p, err);
  if (r < 0)
    return r;
  if (!playbook_find (set, p->name))
    return add (set, p, err);
  playbook_unref (p); /* an operator's has its place */
  return 0;
}

static int
fill (struct playbook_set *set, struct playbook *const *own, unsigned n,
      struct error *err)
{
  int r = 0;

  for (unsigned i = 0; i < n && r == 0; i++)
    {
      const struct playbook *other = playbook_find (set, own[i]->name);

      if (other)
        return error_set (err, EEXIST,
                          "%s: there is another playbook named \"%s\": %s",
                          own[i]->origin, own[i]->name, other->origin);
      r = add (set, playbook_ref (own[i]), err);
    }
  for (const struct embedded_file *f = playbook_shipped; f->name && r == 0;
       f++)
    r = add_shipped (set, f, err);
  return r;
}

int
playbook_set_new (struct playbook *const *own, unsigned n,
                  struct playbook_set **ret, struct error *err)
{
  struct playbook_set *set = calloc (1, sizeof (*set));
  int r;

  if (!set)
    return error_set (err, ENOMEM, "no memory for playbooks");
  set->refs = 1;
  r = fill (set, own, n, err);
  if (r < 0)
    {
      playbook_set_unref (set);
      return r;
    }
  qsort (set->list, set->n, sizeof (*set->list), by_name);
  *ret = set;
  return 0;
}

struct playbook_set *
playbook_set_ref (struct playbook_set *set)
{
  __atomic_add_fetch (&set->refs, 1, __ATOMIC_RELAXED);
  return set;
}

void
playbook_set_unref (struct playbook_set *set)
{
  if (!set || __atomic_sub_fetch (&set->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  for (unsigned i = 0; i < set->n; i++)
    playbook_unref (set->list[i]);
  free (set->list);
  free (set);
}

struct playbook *
playbook_find (const struct playbook_set *set, const char *name)
{
  for (unsigned i = 0; i < set->n; i++)
    if (strcmp (set->list[i]->name, name) == 0)
      return set->list[i];
  return NULL;
}

int
playbook_check (const struct playbook_set *set, const char *name,
                struct error *err)
{
  CLEANUP_FREE const char **names = NULL;
  char near[200] = "";

  if (!name || !name[0] || playbook_find (set, name))
    return 0;
  names = calloc (set->n + 1, sizeof (*names));
  for (unsigned i = 0; names && i < set->n; i++)
    names[i] = set->list[i]->name;
  if (names)
    text_did_you_mean (near, sizeof (near), name, names);
  return error_set (err, EINVAL, "no playbook \"%.60s\"%s", name, near);
}
