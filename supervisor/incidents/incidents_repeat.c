/* SPDX-License-Identifier: Apache-2.0
 *
 * What was told already is not told in full again: of the same trouble of the
 * same guest there is one bundle for a while, and of one guest not more than so
 * many within an hour.  Each incident has its document all the same; that of
 * the first says how often it came again.
 *
 * It is judged before this is looked at, so nothing is left out that is not
 * known to be there already.  What somebody ordered is always packed.
 */
#include "supervisor/incidents/incidents_impl.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define STORM_MS (60u * 60 * 1000)

static bool
is_ordered (const struct active *a)
{
  return incident_is_by (&a->inc, BY_ORDER, CODE_ORDERED);
}

/* Of the same guest, with a bundle. */
static bool
has_bundle_of (const struct active *x, const struct active *a)
{
  return x != a && x->life == LIFE_DONE && x->bundle[0] && !is_ordered (x)
         && strcmp (x->inc.inc.uuid, a->inc.inc.uuid) == 0;
}

static bool
is_within (const struct active *x, const struct active *a, uint64_t ms)
{
  return x->inc.opened_wall_ms + ms >= a->inc.opened_wall_ms;
}

static struct active *
first_of (const struct active *a)
{
  const char *signature = a->inc.verdict.signature;

  if (!signature[0] || strcmp (a->inc.verdict.class_, "unknown") == 0)
    return NULL;
  for (struct active *x = a->all->first; x; x = x->next)
    if (has_bundle_of (x, a) && is_within (x, a, a->all->repeat_ms)
        && strcmp (x->inc.verdict.signature, signature) == 0)
      return x;
  return NULL;
}

static unsigned
bundles_lately (const struct active *a)
{
  unsigned n = 0;

  for (const struct active *x = a->all->first; x; x = x->next)
    n += has_bundle_of (x, a) && is_within (x, a, STORM_MS);
  return n;
}

bool
incident_is_told (struct active *a)
{
  struct active *first;

  if (is_ordered (a) || incident_is_of_host (&a->inc)
      || a->all->repeat_ms == 0)
    return false;
  first = first_of (a);
  if (first)
    {
      memcpy (a->inc.repeat_of, first->inc.id, sizeof (a->inc.repeat_of));
      snprintf (a->inc.no_bundle, sizeof (a->inc.no_bundle),
                "the same trouble as that of %s", first->inc.id);
      first->inc.repeats++;
      first->inc.repeated_wall_ms = a->inc.opened_wall_ms;
      incident_put (first);
    }
  else if (bundles_lately (a) >= a->all->max_bundles)
    snprintf (a->inc.no_bundle, sizeof (a->inc.no_bundle),
              "%u bundles of this guest were made within an hour",
              a->all->max_bundles);
  else
    return false;
  log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
             "verdict=%s guest=\"%s\" incident=%s: no bundle is made: %s",
             a->inc.verdict.class_, a->inc.guest, a->inc.id,
             a->inc.no_bundle);
  return true;
}

void
incidents_repeat (struct incidents *in, uint64_t repeat_ms)
{
  in->repeat_ms = repeat_ms;
}
