/* SPDX-License-Identifier: Apache-2.0
 *
 * What happened to guests lately.
 */
#include "supervisor/incidents/happened.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Facts that tell of moments. */
static const char *const listened[]
    = { "vmm.event", "vmm.status", "guest.boot", "guest.stage",
        "guest.intent" };
#define LISTENED ARRAY_LEN (listened)

struct one
{
  char uuid[UUID_TEXT];
  char name[32], source[32], text[100];
  uint64_t ms;
  unsigned count;
};

struct happened
{
  struct fact_sub *subs[LISTENED];
  unsigned n; /* the oldest first */
  struct one list[HAPPENED_ALL];
};

static void
forget (struct happened *h, unsigned i)
{
  h->n--;
  memmove (&h->list[i], &h->list[i + 1], (h->n - i) * sizeof h->list[0]);
}

/* The latest of that guest and name: what is only said again is counted. */
static bool
is_again (struct happened *h, const struct fact *f)
{
  for (unsigned i = h->n; i > 0; i--)
    {
      struct one *o = &h->list[i - 1];

      if (strcmp (o->uuid, f->inc.uuid) != 0
          || strncmp (o->name, f->name, sizeof o->name - 1) != 0
          || strncmp (o->source, f->source, sizeof o->source - 1) != 0)
        continue;
      if (strncmp (o->text, f->text, sizeof o->text - 1) != 0)
        return false;
      o->count++;
      return true;
    }
  return false;
}

/* One that has much to say pushes out its own. */
static void
make_room (struct happened *h, const char *uuid)
{
  unsigned of_guest = 0, first = h->n;

  for (unsigned i = h->n; i > 0; i--)
    if (strcmp (h->list[i - 1].uuid, uuid) == 0)
      {
        of_guest++;
        first = i - 1;
      }
  if (of_guest >= HAPPENED_OF_GUEST)
    forget (h, first);
  else if (h->n == HAPPENED_ALL)
    forget (h, 0);
}

void
happened_add (struct happened *h, const struct fact *f)
{
  struct one *o;

  if (f->type != FACT_TEXT || !f->inc.uuid[0] || is_again (h, f))
    return;
  make_room (h, f->inc.uuid);
  o = &h->list[h->n++];
  *o = (struct one){ .ms = f->time_ms, .count = 1 };
  snprintf (o->uuid, sizeof o->uuid, "%s", f->inc.uuid);
  snprintf (o->name, sizeof o->name, "%.31s", f->name);
  snprintf (o->source, sizeof o->source, "%.31s", f->source);
  snprintf (o->text, sizeof o->text, "%.99s", f->text);
}

static void
on_fact (const struct fact *f, void *arg)
{
  happened_add (arg, f);
}

int
happened_new (struct fact_bus *bus, struct happened **ret, struct error *err)
{
  struct happened *h = calloc (1, sizeof *h);
  int r = h ? 0 : error_set (err, ENOMEM, "no memory for what happens");

  for (size_t i = 0; r == 0 && i < LISTENED; i++)
    r = fact_subscribe (bus, "what happened", listened[i], on_fact, h,
                        &h->subs[i], err);
  if (r < 0)
    {
      happened_free (h);
      return r;
    }
  *ret = h;
  return 0;
}

void
happened_free (struct happened *h)
{
  if (!h)
    return;
  for (size_t i = 0; i < LISTENED; i++)
    fact_unsubscribe (h->subs[i]);
  free (h);
}

void
happened_each (const struct happened *h, const char *uuid,
               void (*fn) (const struct happening *one, void *arg), void *arg)
{
  for (unsigned i = 0; i < h->n; i++)
    if (strcmp (h->list[i].uuid, uuid) == 0)
      {
        const struct one *o = &h->list[i];

        fn (&(struct happening){ o->name, o->source, o->text, o->ms,
                                 o->count },
            arg);
      }
}
