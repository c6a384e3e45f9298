/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnoses that somebody asked for.
 */
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Ordered, and not packed yet. */
static unsigned
count_orders (const struct incidents *in)
{
  unsigned n = 0;

  for (const struct active *a = in->first; a; a = a->next)
    n += incident_is_by (&a->inc, BY_ORDER, CODE_ORDERED)
         && a->life != LIFE_DONE;
  return n;
}

int
incidents_order (struct incidents *in, const struct guest *g,
                 const char *playbook, const char *by,
                 const struct incident_watch_ops *ops, void *arg,
                 char ret_id[UUID_TEXT], struct error *err)
{
  char reason[200];
  const struct cause cause = { BY_ORDER, CODE_ORDERED, reason };
  struct active *a;
  int r;

  if (!playbook)
    playbook = playbook_default;
  r = playbook_check (in->playbooks, playbook, err);
  if (r < 0 && !in->playbooks_read)
    return error_set (err, EBUSY,
                      "the playbooks of this host are not read yet, and none "
                      "of ours is named \"%.60s\": ask again",
                      playbook);
  if (r < 0)
    return r;
  if (count_orders (in) >= MAX_ORDERS)
    return error_set (err, EBUSY, "%u ordered diagnoses wait already",
                      MAX_ORDERS);
  snprintf (reason, sizeof (reason), "ordered by %.180s", by);
  a = incidents_new_one (in, g, playbook, &cause);
  if (!a)
    return error_set (err, ENOBUFS, "more than %u incidents at once",
                      MAX_INCIDENTS);
  /* Nothing is done about it yet, so nobody has to be told that it is not. */
  r = ops ? incident_watch (a, ops, arg, err) : 0;
  if (r < 0)
    {
      incident_remove (a);
      return r;
    }
  memcpy (ret_id, a->inc.id, UUID_TEXT);
  incident_moment (a, MOMENT_ORDERED, by);
  incidents_put_durable (a);
  return 0;
}
