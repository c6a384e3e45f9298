/* SPDX-License-Identifier: Apache-2.0
 *
 * Trouble that a guest's state shows where no event told of it: it came about
 * before this daemon, or while the connection to the hypervisor was lost.
 */
#include "supervisor/incidents/incidents_impl.h"

#include <string.h>

/* What ends a life may have been told of already: a panic, say, and then its
 * host ended it for that (on_crash=destroy). */
static bool
was_told (const struct incidents *in, const struct incarnation *life)
{
  for (const struct active *a = in->first; a; a = a->next)
    if (incident_is_by (&a->inc, BY_MONITOR, CODE_VMM_EVENT)
        && a->inc.end != INCIDENT_RECOVERED
        && incarnation_equal (&a->inc.inc, life))
      return true;
  return false;
}

/* GUEST_EVENT_MAX: nothing is wrong. */
static enum guest_event
trouble_of (const struct guest *g)
{
  if (g->intent != INTENT_RUN)
    return GUEST_EVENT_MAX;
  if (g->run == GUEST_CRASHED && strcmp (g->reason, "io-error") == 0)
    return GUEST_EVENT_IO_ERROR;
  if (g->run == GUEST_CRASHED && strcmp (g->reason, "panicked") == 0)
    return GUEST_EVENT_PANIC;
  if (g->run == GUEST_PAUSED && strcmp (g->reason, "watchdog") == 0)
    return GUEST_EVENT_WATCHDOG;
  return GUEST_EVENT_MAX;
}

void
incidents_seen (struct incidents *in, const struct guest *g)
{
  enum guest_event event = trouble_of (g);

  /* Before that it may be what the daemon before us has told of. */
  if (in->known && event != GUEST_EVENT_MAX)
    incidents_event (in, g, event, g->reason);
}

void
incidents_state (struct incidents *in, const struct guest *was,
                 const struct guest *now)
{
  incidents_seen (in, now);
  /* Only who is seen to die: one that was found dead may have been so for
   * weeks. */
  if (in->known && was && was->run != GUEST_OFF && now->run == GUEST_OFF
      && now->intent == INTENT_RUN && strcmp (now->reason, "crashed") == 0
      && !was_told (in, &was->inc))
    incidents_event (in, now, GUEST_EVENT_DIED, now->reason);
}
