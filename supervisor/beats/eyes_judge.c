/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest's last beats say together.
 *
 * A CPU is known to stand still after two seconds, and one task to let nobody
 * else run after twenty: however often a guest is read, what it is compared
 * with must be old enough.
 */
#include "supervisor/beats/eyes_impl.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOPPED_MS (BEAT_STOPPED_MS + 100)
#define LOCKED_MS (BEAT_LOCKED_MS + 100)

void
eye_forget_ (struct eye *eye)
{
  while (eye->nkept > 0)
    free (eye->kept[--eye->nkept]);
  eye->judged = false;
}

static void
drop_kept (struct eye *eye, unsigned i)
{
  free (eye->kept[i]);
  memmove (&eye->kept[i], &eye->kept[i + 1],
           (--eye->nkept - i) * sizeof eye->kept[0]);
}

void
eye_keep_ (struct eye *eye, const struct beat *b)
{
  struct beat *copy = malloc (BEAT_FLAT (b->cpus));

  if (!copy)
    return;
  memcpy (copy, b, BEAT_FLAT (b->cpus));
  while (eye->nkept > 1 && b->at_ms - eye->kept[1]->at_ms >= LOCKED_MS)
    drop_kept (eye, 0);
  if (eye->nkept == KEPT)
    drop_kept (eye, KEPT / 2);
  eye->kept[eye->nkept++] = copy;
}

/* The latest that is so old, or else the oldest. */
static const struct beat *
kept_before (const struct eye *eye, uint64_t at_ms)
{
  unsigned i = eye->nkept;

  while (i > 1 && eye->kept[i - 1]->at_ms > at_ms)
    i--;
  return eye->kept[i - 1];
}

static void
take_worse (struct beat_facet *f, const struct beat_facet *longer)
{
  if (f->state != BEAT_ALIVE && longer->state == BEAT_DEAD)
    *f = *longer;
}

/* What moved a moment ago lives; what did not may be dead by a longer look. */
void
eye_judge_ (const struct eye *eye, const struct beat *b, struct beat_verdict *v)
{
  const struct beat *near = kept_before (eye, b->at_ms - STOPPED_MS);
  const struct beat *far = kept_before (eye, b->at_ms - LOCKED_MS);
  struct beat_verdict longer;

  beat_compare (near, b, NULL, v);
  if (far == near)
    return;
  beat_compare (far, b, NULL, &longer);
  take_worse (&v->vcpu, &longer.vcpu);
  take_worse (&v->ticks, &longer.ticks);
  take_worse (&v->scheduler, &longer.scheduler);
}

const struct beat_facet *
eye_worst_ (const struct beat_verdict *v)
{
  static const unsigned weight[] = {
    [BEAT_ALIVE] = 0, [BEAT_UNKNOWN] = 1, [BEAT_SLOW] = 2, [BEAT_DEAD] = 3
  };
  const struct beat_facet *all[] = { &v->scheduler, &v->ticks, &v->vcpu };
  const struct beat_facet *ret = all[0];

  for (size_t i = 1; i < ARRAY_LEN (all); i++)
    if (weight[all[i]->state] > weight[ret->state])
      ret = all[i];
  return ret;
}

bool
eye_dead_ (const struct beat_verdict *v)
{
  return v->vcpu.state == BEAT_DEAD || v->ticks.state == BEAT_DEAD
         || v->scheduler.state == BEAT_DEAD;
}

bool
eye_stands_ (const struct eye *eye, const struct beat *b)
{
  struct beat_verdict v;

  beat_compare (kept_before (eye, b->at_ms - BEAT_APART_MS), b, NULL, &v);
  return v.vcpu.state == BEAT_UNKNOWN && v.scheduler.state == BEAT_SLOW;
}

void
eye_doubt_ (struct beat_verdict *v, bool held)
{
  struct beat_facet *all[] = { &v->vcpu, &v->ticks, &v->scheduler };

  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    if (all[i]->state == BEAT_DEAD)
      {
        all[i]->state = BEAT_UNKNOWN;
        snprintf (all[i]->why, sizeof all[i]->why, "it stands still: %s",
                  held ? "its host has its QEMU wait (storage, swap)"
                       : "whether this is its kernel is looked at once more");
      }
}
