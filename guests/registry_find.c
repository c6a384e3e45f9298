/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest that people mean by what they type.
 */
#include "guests/registry.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <strings.h>

struct search
{
  const char *what;
  const struct guest *best, *rival; /* the registry's */
  int rank;
  const char **names; /* of all, for who mistyped one; NULL terminated */
  size_t n;
};

/* How well `what` names g: the lower the better, 0 = not at all. */
static int
rank_of (const struct guest *g, const char *what)
{
  size_t len = strlen (what);

  if (strcasecmp (g->inc.uuid, what) == 0)
    return 1;
  if (strcmp (g->name, what) == 0)
    return 2;
  if (strcmp (g->display, what) == 0)
    return 3;
  if (len >= 4 && strncasecmp (g->inc.uuid, what, len) == 0)
    return 4;
  return 0;
}

static void
look_at (const struct guest *g, void *arg)
{
  struct search *s = arg;
  int rank = rank_of (g, s->what);

  if (rank == 0 || rank > s->rank)
    return;
  s->rival = rank == s->rank ? s->best : NULL;
  s->best = g;
  s->rank = rank;
}

static void
add_names (const struct guest *g, void *arg)
{
  struct search *s = arg;

  s->names[s->n++] = g->name;
  s->names[s->n++] = g->display;
}

static int
nobody (struct guest_registry *reg, struct search *s, struct error *err)
{
  size_t count = registry_count (reg);
  const char **names CLEANUP_FREE = calloc (2 * count + 1, sizeof *names);
  const char *near = NULL;

  s->names = names;
  if (names)
    {
      registry_each (reg, add_names, s);
      near = text_nearest (s->what, names);
    }
  if (near)
    return error_set (err, ENOENT, "no guest '%.64s': did you mean '%s'?",
                      s->what, near);
  return error_set (err, ENOENT, "no guest '%.64s' (%zu are known)", s->what,
                    count);
}

int
registry_find (struct guest_registry *reg, const char *what,
               const struct guest **ret_guest, struct error *err)
{
  struct search s = { .what = what, .rank = 5 };

  registry_each (reg, look_at, &s);
  if (!s.best)
    return nobody (reg, &s, err);
  if (s.rival)
    return error_set (err, EEXIST,
                      "'%.64s' is more than one guest: %s (%s) and %s (%s)",
                      what, s.best->inc.uuid, s.best->display,
                      s.rival->inc.uuid, s.rival->display);
  *ret_guest = guest_ref (s.best);
  return 0;
}
