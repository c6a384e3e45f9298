/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of a heartbeat: facts, when something of it changes, and all of
 * it once in a while.
 */
#include "supervisor/beats/eyes_impl.h"

#include "base/cleanup.h"
#include "base/fact.h"

#include <string.h>

#define TELL_MS 60000u

void
eye_tell_text_ (struct fact_bus *bus, const struct eye *eye, const char *name,
                const char *text)
{
  struct fact fact;

  fact_text (&fact, &eye->guest->inc, name, "memory", text, strlen (text));
  fact_publish (bus, &fact);
}

/* Text tells why; who listens must not read text. */
static void
tell_panic (struct fact_bus *bus, struct eye *eye, bool panicked)
{
  struct fact fact;

  eye->panicked = panicked;
  fact_bool (&fact, &eye->guest->inc, "guest.panicked", "memory", panicked);
  fact_publish (bus, &fact);
}

static void
tell_numbers (struct fact_bus *bus, const struct eye *eye, const struct beat *b)
{
  struct fact fact;

  if (b->has & 1u << BEAT_LOAD)
    {
      fact_real (&fact, &eye->guest->inc, "guest.load1", "memory",
                 b->load[0] / 100.0);
      fact_publish (bus, &fact);
    }
  if (b->has & 1u << BEAT_BLOCKED)
    {
      fact_int (&fact, &eye->guest->inc, "guest.blocked", "memory",
                b->blocked);
      fact_publish (bus, &fact);
    }
}

void
eye_tell_ (struct fact_bus *bus, struct eye *eye, const struct beat *b,
           const struct beat_verdict *v, uint64_t now)
{
  const struct
  {
    const char *name;
    const struct beat_facet *is, *was;
  } facets[] = {
    { "guest.vcpus", &v->vcpu, &eye->verdict.vcpu },
    { "guest.ticks", &v->ticks, &eye->verdict.ticks },
    { "guest.scheduler", &v->scheduler, &eye->verdict.scheduler },
  };
  bool panicked = b->panic_cpu >= 0 && v->scheduler.state == BEAT_DEAD;
  bool all = !eye->judged || now - eye->told_ms >= TELL_MS
             || panicked != eye->panicked;
  bool any = all;

  for (size_t i = 0; i < ARRAY_LEN (facets); i++)
    if (all || facets[i].is->state != facets[i].was->state)
      {
        eye_tell_text_ (bus, eye, facets[i].name,
                        beat_state_names[facets[i].is->state]);
        any = true;
      }
  if (!any)
    return;
  eye_tell_text_ (bus, eye, "guest.beat", eye_worst_ (v)->why);
  tell_panic (bus, eye, panicked);
  tell_numbers (bus, eye, b);
  eye->told_ms = now;
}

void
eye_untell_ (struct fact_bus *bus, struct eye *eye)
{
  static const char *const names[]
      = { "guest.vcpus", "guest.ticks", "guest.scheduler" };

  for (size_t i = 0; i < ARRAY_LEN (names); i++)
    eye_tell_text_ (bus, eye, names[i], beat_state_names[BEAT_UNKNOWN]);
  eye_tell_text_ (bus, eye, "guest.beat",
                  "none: where its kernel is has to be found out again");
  tell_panic (bus, eye, false);
}
