/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of each guest's agent: whether it has answered in this
 * life of the guest, and what system it said that it is.
 *
 * Without it a guest that boots would look like one whose agent hangs.  A
 * bounded table: of too many guests the one that was asked longest ago is
 * forgotten, and is then one that nobody has asked yet.
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"

#include <string.h>

#define SETS 1024 /* by the hash of the uuid */
#define WAYS 4

struct entry
{
  struct incarnation inc; /* uuid "": free */
  uint64_t looked_ms;
  struct agent_known known;
};

struct agents
{
  pthread_mutex_t m;
  struct entry *sets[SETS]; /* of WAYS; made when one is needed */
};

int
agents_new (struct agents **ret, struct error *err)
{
  struct agents *a = calloc (1, sizeof *a);

  if (!a)
    return error_errno (err, ENOMEM, "agents");
  pthread_mutex_init (&a->m, NULL);
  *ret = a;
  return 0;
}

void
agents_free (struct agents *a)
{
  if (!a)
    return;
  for (unsigned i = 0; i < SETS; i++)
    free (a->sets[i]);
  pthread_mutex_destroy (&a->m);
  free (a);
}

/* Its entry; make: else the one that is to be overwritten.  Locked. */
static struct entry *
entry_of (struct agents *a, const char *uuid, bool make)
{
  struct entry **set = &a->sets[hash_text (uuid) % SETS], *oldest;

  if (!*set && make)
    *set = calloc (WAYS, sizeof **set);
  if (!*set)
    return NULL;
  oldest = *set;
  for (struct entry *e = *set; e < *set + WAYS; e++)
    {
      if (strcmp (e->inc.uuid, uuid) == 0)
        return e;
      if (e->looked_ms < oldest->looked_ms)
        oldest = e;
    }
  return make ? oldest : NULL;
}

void
agents_look (struct agents *a, const struct incarnation *inc, uint64_t now_ms,
             struct agent_known *ret)
{
  struct agent_known fresh = { .first_ms = now_ms, .windows = -1 };
  struct entry *e;

  *ret = fresh;
  if (!a || !inc->uuid[0])
    return;
  LOCK_SCOPE (&a->m);
  e = entry_of (a, inc->uuid, true);
  if (!e)
    return;
  if (!incarnation_equal (&e->inc, inc))
    {
      fresh.ever = strcmp (e->inc.uuid, inc->uuid) == 0 && e->known.ever;
      e->inc = *inc;
      e->known = fresh;
    }
  e->looked_ms = now_ms;
  *ret = e->known;
}

void
agents_answered (struct agents *a, const struct incarnation *inc)
{
  struct entry *e;

  if (!a)
    return;
  LOCK_SCOPE (&a->m);
  e = entry_of (a, inc->uuid, false);
  /* An answer to a question to another life says nothing of this one. */
  if (e && incarnation_equal (&e->inc, inc))
    e->known.answered = e->known.ever = true;
}

void
agents_system (struct agents *a, const struct incarnation *inc, bool windows)
{
  struct entry *e;

  if (!a)
    return;
  LOCK_SCOPE (&a->m);
  e = entry_of (a, inc->uuid, false);
  if (e && incarnation_equal (&e->inc, inc))
    e->known.windows = windows;
}
