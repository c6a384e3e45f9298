/* SPDX-License-Identifier: Apache-2.0
 *
 * Incidents of the host's own: guests that fail together, by what they have in
 * common, or because the host is short of something.
 *
 * Each guest keeps its own incident and its own diagnosis, as a child of the
 * host's, with its own playbook: what is soon gone is got of all of them first
 * (turns.h), and then the rest, so many at a time as there may be.  The host's
 * is judged when theirs are, by what they found.  It stands as long as one of
 * them does.
 */
#include "supervisor/incidents/crowd.h"
#include "supervisor/incidents/diagnose.h"
#include "supervisor/incidents/incidents_impl.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whoever fails of the same is told by then: it is judged no sooner. */
#define SETTLE_MS 10000
/* A host that is short is told of with each outcome that does not count. */
#define PRESSED_MS 120000
#define KEY_PRESSED "pressure"

static bool
is_pressed (const struct incident *inc)
{
  return incident_is_by (inc, BY_HOST, CODE_PRESSED);
}

static struct active *
standing_host (struct incidents *in, const char *key)
{
  for (struct active *a = in->first; a; a = a->next)
    if (a->stand != STAND_NOT && incident_is_of_host (&a->inc)
        && strcmp (a->inc.key, key) == 0)
      return a;
  return NULL;
}

static unsigned
count_children (const struct active *host, bool standing)
{
  unsigned n = 0;

  for (const struct active *a = host->all->first; a; a = a->next)
    n += incident_is_child (a, host) && (!standing || a->stand != STAND_NOT);
  return n;
}

static struct active *
new_host (struct incidents *in, const char *key, const struct cause *cause)
{
  struct incident inc = { .phase = INCIDENT_OPEN,
                          .severity = INCIDENT_CRITICAL,
                          .opened_wall_ms = clock_wall_ms () };
  struct active *a;

  incident_new_id (inc.id);
  snprintf (inc.key, sizeof (inc.key), "%s", key);
  snprintf (inc.inc.uuid, sizeof (inc.inc.uuid), INCIDENT_OF_HOST);
  snprintf (inc.guest, sizeof (inc.guest), "this host");
  incident_tell (&inc, NULL, cause);
  a = incidents_add (in, &inc, NULL);
  if (!a)
    {
      log_error ("more than %u incidents at once: that of %s is not followed",
                 MAX_INCIDENTS, key);
      return NULL;
    }
  a->stand = STAND_FIRM;
  a->raised_ms = loop_now (in->env.loop);
  incident_moment (a, MOMENT_CONFIRMED, cause->code);
  log_warn ("incident %s of this host: %s", a->inc.id, a->inc.reason);
  return a;
}

/* ---- together ---- */

struct gathering
{
  struct incidents *in;
  struct crowd_member *list;
  size_t n, cap;
};

static void
gather (const struct guest *g, void *arg)
{
  struct gathering *to = arg;
  struct active *a = incidents_standing_of (to->in, g->inc.uuid);
  struct crowd_member *list;

  if (!a && g->run != GUEST_RUNNING)
    return;
  if (to->n == to->cap)
    {
      size_t cap = to->cap ? 2 * to->cap : 32;

      list = reallocarray (to->list, cap, sizeof (*list));
      if (!list)
        return;
      to->list = list;
      to->cap = cap;
    }
  to->list[to->n++] = (struct crowd_member){
    .guest = g,
    /* One of a daemon before us failed at a time that is not known. */
    .failed = a && a->raised_ms && !(a->stand == STAND_SUSPECTED
                                     && incident_is_look (&a->inc)),
    .failed_ms = a ? a->raised_ms : 0,
    .mute = a && a->could_not_ask,
  };
}

/* What a's guest failed of together with others. */
static bool
find_crowd (struct incidents *in, const struct active *a, struct crowd *ret)
{
  struct gathering all = { .in = in };
  size_t who = 0;
  bool found;

  registry_each (in->env.registry, gather, &all);
  while (who < all.n
         && strcmp (all.list[who].guest->inc.uuid, a->inc.inc.uuid) != 0)
    who++;
  found = who < all.n
          && crowd_find (all.list, all.n, who, loop_now (in->env.loop), ret);
  free (all.list);
  return found;
}

static void
key_of (const struct crowd_resource *r, char *dst, size_t n)
{
  snprintf (dst, n, "%s %s", crowd_kind_names[r->kind], r->name);
}

/* The host's incident that stands and is of something that a's guest uses. */
static struct active *
host_of (struct incidents *in, const struct active *a)
{
  struct crowd_resource all[CROWD_MAX_RESOURCES];
  unsigned n = a->guest ? crowd_resources (a->guest, all) : 0;
  char key[INCIDENT_KEY];

  for (unsigned i = 0; i < n; i++)
    {
      struct active *host;

      if (all[i].kind == CROWD_SOURCE && !a->could_not_ask)
        continue;
      key_of (&all[i], key, sizeof (key));
      host = standing_host (in, key);
      if (host)
        return host;
    }
  return NULL;
}

/* Guests of which an incident of theirs is a child of it; a guest may have had
 * several.  Since when and until when they failed.  False: of one that is older
 * than this daemon that is not known, or most of them are gone. */
static bool
count_guests (const struct active *host, unsigned *ret_n, uint64_t *ret_first,
              uint64_t *ret_last)
{
  *ret_n = 0;
  *ret_first = UINT64_MAX;
  *ret_last = 0;
  for (const struct active *a = host->all->first; a; a = a->next)
    {
      const struct active *b = host->all->first;

      if (!incident_is_child (a, host))
        continue;
      if (!a->raised_ms)
        return false;
      while (b != a
             && (!incident_is_child (b, host)
                 || strcmp (b->inc.inc.uuid, a->inc.inc.uuid) != 0))
        b = b->next;
      if (b != a)
        continue;
      ++*ret_n;
      if (a->raised_ms < *ret_first)
        *ret_first = a->raised_ms;
      if (a->raised_ms > *ret_last)
        *ret_last = a->raised_ms;
    }
  return *ret_n >= 2;
}

static void
say_together (char *dst, size_t n, unsigned failed, unsigned users,
              uint64_t ms, const char *key)
{
  snprintf (dst, n,
            "%u of the %u guests that have this in common failed within "
            "%u s: %.110s",
            failed, users, ms > 1000 ? (unsigned) ((ms + 999) / 1000) : 1,
            key);
}

/* How many guests use what that incident is of. */
static unsigned
count_users (const struct active *host)
{
  struct gathering all = { .in = host->all };
  struct crowd_resource of[CROWD_MAX_RESOURCES];
  char key[INCIDENT_KEY];
  unsigned users = 0;

  registry_each (host->all->env.registry, gather, &all);
  for (size_t i = 0; i < all.n; i++)
    {
      unsigned n = crowd_resources (all.list[i].guest, of);
      bool uses = false;

      for (unsigned k = 0; k < n; k++)
        {
          key_of (&of[k], key, sizeof (key));
          uses |= strcmp (key, host->inc.key) == 0;
        }
      users += uses;
    }
  free (all.list);
  return users;
}

/* It began when some had failed; others have joined since. */
static void
tell_all_of_them (struct active *host)
{
  unsigned failed, users;
  uint64_t first, last;

  if (is_pressed (&host->inc) || !count_guests (host, &failed, &first, &last))
    return;
  users = count_users (host);
  say_together (host->inc.reason, sizeof (host->inc.reason), failed,
                users > failed ? users : failed, last - first, host->inc.key);
}

static void
adopt (struct active *host, struct active *a)
{
  memcpy (a->inc.parent, host->inc.id, sizeof (a->inc.parent));
  if (host->inc.severity < a->inc.severity)
    host->inc.severity = a->inc.severity;
  host->joined_ms = loop_now (host->all->env.loop);
  host->grew = host->life >= LIFE_PACKING;
  incident_moment (host, MOMENT_JOINED, a->inc.guest);
  log_guest (LOG_LEVEL_WARN, a->inc.inc.uuid,
             "guest=\"%s\" incident=%s belongs to that of this host, %s: %s",
             a->inc.guest, a->inc.id, host->inc.id, host->inc.key);
  incident_put (a);
}

static void
adopt_all (struct incidents *in, struct active *host, const struct crowd *c)
{
  uint64_t now = loop_now (in->env.loop);

  for (struct active *a = in->first; a; a = a->next)
    if (a->stand != STAND_NOT && !a->inc.parent[0]
        && !incident_is_of_host (&a->inc) && a->guest && a->raised_ms
        && a->raised_ms + CROWD_WINDOW_MS >= now
        && crowd_uses (a->guest, &c->resource))
      adopt (host, a);
}

void
incidents_together (struct incidents *in, struct active *a)
{
  struct crowd c;
  char reason[200], key[INCIDENT_KEY];
  const struct cause cause = { BY_HOST, CODE_CROWD, reason };
  struct active *host;

  if (a->inc.parent[0])
    return;
  host = host_of (in, a);
  if (host)
    {
      adopt (host, a);
      incident_put (host);
    }
  else if (find_crowd (in, a, &c))
    {
      key_of (&c.resource, key, sizeof (key));
      say_together (reason, sizeof (reason), c.failed, c.users,
                    loop_now (in->env.loop) - c.first_ms, key);
      host = new_host (in, key, &cause);
      if (!host)
        return;
      adopt_all (in, host, &c);
      incidents_put_durable (host);
    }
  else
    return;
  timer_in (in->together, SETTLE_MS);
}

void
incidents_apart (struct incidents *in, const struct active *a)
{
  struct active *host = incidents_by_id (in, a->inc.parent);

  if (host && host->stand != STAND_NOT && count_children (host, true) == 0)
    incident_ended (host, a->inc.end);
}

void
incidents_childless (struct incidents *in)
{
  for (struct active *a = in->first; a; a = a->next)
    if (a->stand != STAND_NOT && incident_is_of_host (&a->inc)
        && !a->raised_ms && count_children (a, true) == 0)
      incident_ended (a, INCIDENT_RECOVERED);
}

/* ---- judging ---- */

/* A document has its bound, and so have they; the rest is counted. */
#define CHILDREN_TOLD 48
#define GUEST_TOLD 100

struct json_object *
incident_children_json (const struct active *host)
{
  struct json_object *list;
  unsigned told = 0;

  if (!incident_is_of_host (&host->inc))
    return NULL;
  list = json_object_new_array ();
  for (const struct active *a = host->all->first; a; a = a->next)
    if (incident_is_child (a, host) && told++ < CHILDREN_TOLD)
      {
        struct json_object *o = json_object_new_object ();

        json_add_str (o, "incident", a->inc.id);
        json_add_text (o, "guest", a->inc.guest,
                       strnlen (a->inc.guest, GUEST_TOLD));
        json_add_str (o, "class",
                      a->inc.verdict.class_[0] ? a->inc.verdict.class_
                                               : "unknown");
        json_object_array_add (list, o);
      }
  return list;
}

static void
judge (struct active *host)
{
  struct json_object *head = json_object_new_object ();

  tell_all_of_them (host);
  incident_say_crowd (host, head);
  json_object_object_add (head, "children", incident_children_json (host));
  incident_conclude (host, head);
}

/* Others joined when it was judged: its bundle stays as it is, its document
 * says what is known now. */
static void
judge_again (struct active *host)
{
  host->grew = false;
  tell_all_of_them (host);
  incident_say_crowd (host, NULL);
  incident_moment (host, MOMENT_JUDGED, host->inc.verdict.class_);
  log_warn ("incident %s of this host: %s", host->inc.id,
            host->inc.verdict.sentence);
  incident_put (host);
}

/* No guest is looked at for it: what the host itself shows is. */
static void
judge_pressed (struct active *host)
{
  struct json_object *head = json_object_new_object ();

  incident_say_pressed (host, head);
  incident_conclude (host, head);
}

static bool
is_ready (const struct active *host)
{
  if ((host->life != LIFE_WAITING && !(host->life == LIFE_DONE && host->grew))
      || !incident_is_of_host (&host->inc))
    return false;
  if (host->joined_ms
      && loop_now (host->all->env.loop) < host->joined_ms + SETTLE_MS)
    return false;
  for (const struct active *a = host->all->first; a; a = a->next)
    if (incident_is_child (a, host) && a->life < LIFE_PACKING)
      return false;
  return true;
}

void
incidents_judge_hosts (struct incidents *in)
{
  for (struct active *a = in->first; a; a = a->next)
    if (is_ready (a) && is_pressed (&a->inc) && !a->grew)
      judge_pressed (a);
    else if (is_ready (a) && a->grew)
      judge_again (a);
    else if (is_ready (a))
      judge (a);
}

unsigned
incident_children (const struct active *a)
{
  return incident_is_of_host (&a->inc) ? count_children (a, false) : 0;
}

bool
incidents_concerns (struct incidents *in, const struct incident *inc,
                    const char *uuid)
{
  const struct active *host = incidents_by_id (in, inc->id);

  if (strcmp (inc->inc.uuid, uuid) == 0)
    return true;
  for (const struct active *a = in->first; a && host; a = a->next)
    if (incident_is_child (a, host) && strcmp (a->inc.inc.uuid, uuid) == 0)
      return true;
  return false;
}

/* ---- a host that is short ---- */

static bool
is_among (const struct guest *g, const struct guest *const *guests, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (g->inc.uuid, guests[i]->inc.uuid) == 0)
      return true;
  return false;
}

/* A host may be short all day long: when those that fail are just those of one
 * server, it is the server. */
static bool
has_other_cause (struct incidents *in, const struct guest *const *guests,
                 size_t n)
{
  struct gathering all = { .in = in };
  uint64_t now = loop_now (in->env.loop);
  size_t who = SIZE_MAX;
  struct crowd c;
  bool found;

  registry_each (in->env.registry, gather, &all);
  for (size_t i = 0; i < all.n; i++)
    {
      all.list[i].failed = is_among (all.list[i].guest, guests, n);
      all.list[i].failed_ms = now;
      if (all.list[i].failed && who == SIZE_MAX)
        who = i;
    }
  found = who != SIZE_MAX && crowd_find (all.list, all.n, who, now, &c)
          && (c.resource.kind == CROWD_DISK || c.resource.kind == CROWD_SERVER)
          && c.failed * 2 > n;
  free (all.list);
  return found;
}

bool
incidents_pressed (struct incidents *in, const struct guest *const *guests,
                   size_t n, const char *says)
{
  const struct cause cause = { BY_HOST, CODE_PRESSED, says };
  struct active *host;

  if (has_other_cause (in, guests, n))
    return false;
  if (!in->known)
    return true;
  host = standing_host (in, KEY_PRESSED);
  if (!host)
    {
      host = new_host (in, KEY_PRESSED, &cause);
      if (!host)
        return true;
      incidents_put_durable (host);
    }
  host->pressed_until_ms = loop_now (in->env.loop) + PRESSED_MS;
  if (!timer_armed (in->together))
    timer_in (in->together, SETTLE_MS);
  return true;
}

static void
together_due (struct timer *t, void *arg)
{
  struct incidents *in = arg;
  uint64_t now = loop_now (in->env.loop);
  bool more = false;

  for (struct active *a = in->first; a; a = a->next)
    {
      if (!a->pressed_until_ms || a->stand == STAND_NOT)
        continue;
      if (now >= a->pressed_until_ms)
        incident_ended (a, INCIDENT_RECOVERED);
      else
        more = true;
    }
  if (more)
    timer_in (t, SETTLE_MS);
  incidents_pump (in);
}

int
incidents_host_new (struct incidents *in, struct error *err)
{
  return loop_timer (in->env.loop, "guests that failed together",
                     together_due, in, &in->together, err);
}
