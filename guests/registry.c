/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry: what the sources see, made into changes that others hear.
 *
 * An entry is one guest as one source sees it on one host.  Entries hang in a
 * small hash by uuid; a uuid has more than one entry only while the same
 * guest really is in two places (a migration, a clone).  Everybody else knows
 * a guest by its uuid, so one of them is shown, and the others wait.
 */
#include "guests/registry.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/loop.h"
#include "guests/address.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256u
#define MAX_GUESTS 8192u
#define MAX_LISTENERS 16u
#define MAX_RECALLED 256u

/* A boot is noticed by several: the hypervisor's event first, another kernel in
 * its memory, the banner on the console seconds later.  Within this time they
 * are taken for one boot. */
#define BOOT_ECHO_MS (120u * 1000)
/* SeaBIOS answers a reset with one of its own, to begin with clean memory: the
 * hypervisor tells of both, and an emulated guest takes its time between. */
#define RESET_ECHO_MS 5000u

const char *const guest_event_names[] = {
  [GUEST_EVENT_RESET] = "RESET",
  [GUEST_EVENT_SHUTDOWN] = "SHUTDOWN",
  [GUEST_EVENT_STOP] = "STOP",
  [GUEST_EVENT_RESUME] = "RESUME",
  [GUEST_EVENT_IO_ERROR] = "IO_ERROR",
  [GUEST_EVENT_WATCHDOG] = "WATCHDOG",
  [GUEST_EVENT_PANIC] = "PANIC",
  [GUEST_EVENT_AGENT_UP] = "AGENT_UP",
  [GUEST_EVENT_AGENT_DOWN] = "AGENT_DOWN",
  [GUEST_EVENT_DIED] = "DIED",
  [GUEST_EVENT_MAX] = NULL,
};

const char *const guest_change_names[] = {
  [GUEST_ADDED] = "found",         [GUEST_CHANGED] = "changed",
  [GUEST_REBOOTED] = "lives anew", [GUEST_REPLACED] = "lives anew",
  [GUEST_GONE] = "gone",           [GUEST_CHANGE_MAX] = NULL,
};

bool
guest_event_is_trouble (enum guest_event event)
{
  return event == GUEST_EVENT_IO_ERROR || event == GUEST_EVENT_WATCHDOG
         || event == GUEST_EVENT_PANIC || event == GUEST_EVENT_DIED;
}

struct entry
{
  struct entry *next;
  const struct guest *guest;
  bool shown;         /* the one of its uuid that others know */
  uint64_t sweep;     /* the sweep that saw it last */
  uint64_t booted_ms; /* when its boot number last rose, 0 = never */
  enum boot_by booted_by;
};

struct listener
{
  guest_listen_fn *fn;
  guest_event_fn *on_event;
  void *arg;
};

struct guest_registry
{
  struct loop *loop;
  struct fact_bus *bus;
  struct entry *buckets[BUCKETS];
  size_t count;
  uint64_t refused; /* guests beyond MAX_GUESTS */
  uint64_t sweep;
  struct listener listeners[MAX_LISTENERS];
  unsigned nlisteners;
  struct incarnation *recalled; /* of guests that are still to be found */
  unsigned nrecalled;
};

int
registry_new (struct loop *loop, struct fact_bus *bus,
              struct guest_registry **ret, struct error *err)
{
  struct guest_registry *reg = calloc (1, sizeof *reg);

  if (!reg)
    return error_errno (err, ENOMEM, "guest registry");
  reg->loop = loop;
  reg->bus = bus;
  *ret = reg;
  return 0;
}

void
registry_free (struct guest_registry *reg)
{
  if (!reg)
    return;
  for (unsigned i = 0; i < BUCKETS; i++)
    while (reg->buckets[i])
      {
        struct entry *e = reg->buckets[i];

        reg->buckets[i] = e->next;
        guest_unref (e->guest);
        free (e);
      }
  free (reg->recalled);
  free (reg);
}

static struct entry **
bucket_of (struct guest_registry *reg, const char *uuid)
{
  return &reg->buckets[hash_text (uuid) % BUCKETS];
}

static struct entry *
entry_of (struct guest_registry *reg, const char *source, const char *host,
          const char *uuid)
{
  for (struct entry *e = *bucket_of (reg, uuid); e; e = e->next)
    if (strcmp (e->guest->inc.uuid, uuid) == 0
        && strcmp (e->guest->source, source) == 0
        && strcmp (e->guest->host, host) == 0)
      return e;
  return NULL;
}

/* ---- telling others ---- */

static void
publish_text (struct guest_registry *reg, const struct guest *g,
              const char *name, const char *word, const char *detail)
{
  struct fact f;
  char text[FACT_TEXT_MAX];

  if (!reg->bus)
    return;
  snprintf (text, sizeof text, "%s%s%s", word, detail[0] ? " " : "", detail);
  fact_text (&f, &g->inc, name, g->source, text, strlen (text));
  f.time_ms = loop_now (reg->loop);
  fact_publish (reg->bus, &f);
}

static void
publish_change (struct guest_registry *reg, const struct guest *was,
                const struct guest *now)
{
  bool other = !was || !incarnation_equal (&was->inc, &now->inc);
  char number[16];

  if (other || was->run != now->run || strcmp (was->reason, now->reason) != 0)
    publish_text (reg, now, "vmm.status", guest_run_names[now->run],
                  now->reason);
  if (other || was->intent != now->intent
      || strcmp (was->intent_from, now->intent_from) != 0)
    publish_text (reg, now, "guest.intent", guest_intent_names[now->intent],
                  now->intent_from);
  if (now->inc.boot > 0 && (other || was->boot_by != now->boot_by))
    {
      snprintf (number, sizeof number, "%u", now->inc.boot);
      publish_text (reg, now, "guest.boot", number,
                    boot_by_names[now->boot_by]);
    }
}

static void
tell (struct guest_registry *reg, enum guest_change change,
      const struct guest *was, const struct guest *now)
{
  if (now)
    publish_change (reg, was, now);
  else
    publish_text (reg, was, "vmm.status", guest_run_names[GUEST_OFF], "gone");
  for (unsigned i = 0; i < reg->nlisteners; i++)
    if (reg->listeners[i].fn)
      reg->listeners[i].fn (change, was, now, reg->listeners[i].arg);
}

/* ---- changes ---- */

/* The one to show: a guest that is there rather than one that is off; else
 * the one that is shown. */
static struct entry *
best_of (struct guest_registry *reg, const char *uuid)
{
  struct entry *best = NULL;

  for (struct entry *e = *bucket_of (reg, uuid); e; e = e->next)
    {
      bool off = e->guest->run == GUEST_OFF;

      if (strcmp (e->guest->inc.uuid, uuid) == 0
          && (!best || (best->guest->run == GUEST_OFF) > off
              || ((best->guest->run == GUEST_OFF) == off && e->shown)))
        best = e;
    }
  return best;
}

static bool
is_same_process (const struct incarnation *a, const struct incarnation *b)
{
  return strcmp (a->uuid, b->uuid) == 0 && a->pid == b->pid
         && a->start_time == b->start_time;
}

/* moved: to another place of it. */
static enum guest_change
change_of (const struct guest *was, const struct guest *now, bool moved)
{
  if (!now)
    return GUEST_GONE;
  if (!was)
    return GUEST_ADDED;
  if (moved || !is_same_process (&was->inc, &now->inc))
    return GUEST_REPLACED;
  return was->inc.boot == now->inc.boot ? GUEST_CHANGED : GUEST_REBOOTED;
}

/* Listeners know the guest as was (NULL: not at all), of the entry shown
 * (NULL: it is removed); they hear what there is now. */
static void
settle (struct guest_registry *reg, const char *uuid, struct entry *shown,
        const struct guest *was)
{
  struct entry *best = best_of (reg, uuid);
  const struct guest *now CLEANUP_GUEST = NULL;

  if (best)
    {
      if (shown)
        shown->shown = false;
      best->shown = true;
      /* A listener may drop the entry; the snapshots have to outlive that. */
      now = guest_ref (best->guest);
    }
  tell (reg, change_of (was, now, best != shown), was, now);
}

static struct entry *
shown_of (struct guest_registry *reg, const char *uuid)
{
  for (struct entry *e = *bucket_of (reg, uuid); e; e = e->next)
    if (e->shown && strcmp (e->guest->inc.uuid, uuid) == 0)
      return e;
  return NULL;
}

/* What waits changed: perhaps it is the better one now. */
static void
reconsider (struct guest_registry *reg, const char *uuid)
{
  struct entry *shown = shown_of (reg, uuid);
  const struct guest *was CLEANUP_GUEST = guest_ref (shown->guest);

  if (best_of (reg, uuid) != shown)
    settle (reg, uuid, shown, was);
}

/* Puts g (its reference is taken) in the place of what e has. */
static void
entry_set (struct guest_registry *reg, struct entry *e, struct guest *g)
{
  const struct guest *was CLEANUP_GUEST = e->guest;

  if (guest_same (was, g))
    {
      guest_unref (g);
      was = NULL; /* e keeps it */
      return;
    }
  e->guest = g;
  if (e->shown)
    settle (reg, was->inc.uuid, e, was);
  else
    reconsider (reg, was->inc.uuid);
}

static void
entry_remove (struct guest_registry *reg, struct entry *gone)
{
  const struct guest *was CLEANUP_GUEST = gone->guest;
  bool shown = gone->shown;

  for (struct entry **p = bucket_of (reg, was->inc.uuid); *p; p = &(*p)->next)
    if (*p == gone)
      {
        *p = gone->next;
        break;
      }
  free (gone);
  reg->count--;
  if (shown)
    settle (reg, was->inc.uuid, NULL, was);
}

/* The boot number to begin with; it is told once. */
static uint32_t
take_recalled (struct guest_registry *reg, const struct incarnation *inc)
{
  uint32_t boot = 0;

  for (unsigned i = reg->nrecalled; i-- > 0;)
    if (is_same_process (&reg->recalled[i], inc))
      {
        if (reg->recalled[i].boot > boot)
          boot = reg->recalled[i].boot;
        reg->recalled[i] = reg->recalled[--reg->nrecalled];
      }
  return boot;
}

static void
entry_add (struct guest_registry *reg, struct guest *g)
{
  struct entry **bucket = bucket_of (reg, g->inc.uuid);
  struct entry *e = reg->count < MAX_GUESTS ? calloc (1, sizeof *e) : NULL;
  bool first = shown_of (reg, g->inc.uuid) == NULL;

  if (!e)
    {
      reg->refused++;
      guest_unref (g);
      return;
    }
  g->inc.boot = take_recalled (reg, &g->inc);
  e->guest = g;
  e->sweep = reg->sweep;
  e->next = *bucket;
  *bucket = e;
  reg->count++;
  if (first)
    settle (reg, g->inc.uuid, NULL, NULL);
  else
    reconsider (reg, g->inc.uuid);
}

/* Which boot the new snapshot g of entry e is of, its source does not know. */
static void
follow_boot (const struct entry *e, struct guest *g)
{
  const struct guest *was = e->guest;

  g->inc.boot = 0;
  g->boot_by = BOOT_BY_NOBODY;
  if (!is_same_process (&was->inc, &g->inc))
    return;
  g->inc.boot = was->inc.boot;
  g->boot_by = was->boot_by;
  /* Without a pid (a remote host) a new start can't be told from a change by
   * identity: count it as a boot. */
  if (g->inc.pid == 0 && was->run == GUEST_OFF && g->run != GUEST_OFF)
    {
      g->inc.boot++;
      g->boot_by = BOOT_BY_START;
    }
}

static struct entry *
entry_current (struct guest_registry *reg, const struct incarnation *inc)
{
  for (struct entry *e = *bucket_of (reg, inc->uuid); e; e = e->next)
    if (e->shown && incarnation_equal (&e->guest->inc, inc))
      return e;
  return NULL;
}

/* ---- addresses ---- */

void
registry_addresses (struct guest_registry *reg, const struct incarnation *inc,
                    const struct guest_nic *nics, unsigned n)
{
  struct entry *e = entry_current (reg, inc);
  struct guest *g = e ? guest_clone (e->guest) : NULL;

  if (!g)
    return;
  address_put (g, nics, n);
  entry_set (reg, e, guest_seal (g));
}

/* Of remote hosts no pid is known: a guest that is off at one of them, or on
 * its way, is another place of the guest and not the same seen twice. */
static bool
is_same_place (const struct guest *a, const struct guest *b)
{
  if (a->inc.pid != b->inc.pid)
    return false;
  return a->inc.pid != 0
         || ((a->run == GUEST_OFF) == (b->run == GUEST_OFF)
             && a->intent != INTENT_MIGRATE && b->intent != INTENT_MIGRATE);
}

/* True when another source owns this guest already. */
static bool
is_owned (struct guest_registry *reg, const struct guest *g)
{
  for (struct entry *e = *bucket_of (reg, g->inc.uuid); e; e = e->next)
    if (strcmp (e->guest->inc.uuid, g->inc.uuid) == 0
        && (strcmp (e->guest->source, g->source) != 0
            || strcmp (e->guest->host, g->host) != 0)
        && is_same_place (e->guest, g))
      return true;
  return false;
}

bool
registry_update (struct guest_registry *reg, struct guest *g)
{
  struct entry *e;

  for (char *p = g->inc.uuid; *p; p++)
    *p = (char) tolower ((unsigned char) *p);
  e = entry_of (reg, g->source, g->host, g->inc.uuid);
  if (!g->display[0])
    guest_copy (g->display, sizeof g->display,
                g->name[0] ? g->name : g->inc.uuid);
  if (e)
    {
      e->sweep = reg->sweep;
      follow_boot (e, g);
      if (is_same_process (&e->guest->inc, &g->inc))
        address_follow (e->guest, g);
      entry_set (reg, e, g);
      return true;
    }
  if (g->inc.uuid[0] == '\0' || is_owned (reg, g))
    {
      guest_unref (g);
      return false;
    }
  entry_add (reg, g);
  return true;
}

void
registry_gone (struct guest_registry *reg, const char *source, const char *host,
               const char *uuid)
{
  struct entry *e = entry_of (reg, source, host, uuid);

  if (e)
    entry_remove (reg, e);
}

void
registry_sweep_begin (struct guest_registry *reg, const char *source,
                      const char *host)
{
  /* One number for all sources is enough: a sweep only looks at the entries
   * of its own source and host, and begin and end enclose no waiting. */
  reg->sweep++;
}

void
registry_keep (struct guest_registry *reg, const char *source,
               const char *host, const char *uuid)
{
  struct entry *e = entry_of (reg, source, host, uuid);

  if (e)
    e->sweep = reg->sweep;
}

void
registry_sweep_end (struct guest_registry *reg, const char *source,
                    const char *host)
{
  for (unsigned i = 0; i < BUCKETS; i++)
    {
      struct entry *e = reg->buckets[i];

      while (e)
        {
          struct entry *next = e->next;

          if (e->sweep != reg->sweep && strcmp (e->guest->source, source) == 0
              && strcmp (e->guest->host, host) == 0)
            entry_remove (reg, e);
          e = next;
        }
    }
}

/* ---- boots and events ---- */

static void
entry_boot (struct guest_registry *reg, struct entry *e, enum boot_by by)
{
  struct guest *g = guest_clone (e->guest);

  if (!g)
    return;
  g->inc.boot++;
  g->boot_by = e->booted_by = by;
  e->booted_ms = loop_now (reg->loop);
  entry_set (reg, e, guest_seal (g));
}

void
registry_event (struct guest_registry *reg, const char *source,
                const char *host, const char *uuid, enum guest_event event,
                const char *detail)
{
  struct entry *e = entry_of (reg, source, host, uuid);
  const struct guest *g CLEANUP_GUEST = NULL;

  if (!e)
    return;
  if (event == GUEST_EVENT_RESET)
    {
      if (e->booted_ms && e->booted_by == BOOT_BY_RESET
          && loop_now (reg->loop) - e->booted_ms < RESET_ECHO_MS)
        return;
      entry_boot (reg, e, BOOT_BY_RESET);
    }
  if (!e->shown)
    return;
  g = guest_ref (e->guest);
  publish_text (reg, g, "vmm.event", guest_event_names[event],
                detail ? detail : "");
  if (guest_event_is_trouble (event))
    publish_text (reg, g, "vmm.trouble", guest_event_names[event],
                  detail ? detail : "");
  for (unsigned i = 0; i < reg->nlisteners; i++)
    if (reg->listeners[i].on_event)
      reg->listeners[i].on_event (g, event, detail, reg->listeners[i].arg);
}

void
registry_rebooted (struct guest_registry *reg, const struct incarnation *inc,
                   enum boot_by by)
{
  struct entry *e = entry_current (reg, inc);

  if (!e)
    return; /* that life is over already: somebody was quicker */
  /* An uptime fell within this very life, or nobody had one to compare. */
  if (by != BOOT_BY_UPTIME && e->booted_ms && e->booted_by != by
      && loop_now (reg->loop) - e->booted_ms < BOOT_ECHO_MS)
    return;
  entry_boot (reg, e, by);
}

void
registry_boot_known (struct guest_registry *reg, const struct incarnation *inc,
                     enum boot_by by)
{
  struct entry *e = entry_current (reg, inc);
  struct guest *g;

  if (!e || !boot_is_suspected (e->guest->boot_by)
      || !(g = guest_clone (e->guest)))
    return;
  g->boot_by = by;
  entry_set (reg, e, guest_seal (g));
}

void
registry_recall (struct guest_registry *reg, const struct incarnation *inc)
{
  bool found = false;

  if (inc->boot == 0)
    return;
  for (struct entry *e = *bucket_of (reg, inc->uuid); e; e = e->next)
    if (is_same_process (&e->guest->inc, inc))
      {
        struct guest *g
            = e->guest->inc.boot < inc->boot ? guest_clone (e->guest) : NULL;

        found = true;
        if (!g)
          continue;
        g->inc.boot = inc->boot;
        entry_set (reg, e, g);
      }
  if (found || reg->nrecalled == MAX_RECALLED)
    return;
  if (!reg->recalled)
    reg->recalled = calloc (MAX_RECALLED, sizeof *reg->recalled);
  if (reg->recalled)
    reg->recalled[reg->nrecalled++] = *inc;
}

/* ---- asking ---- */

int
registry_listen (struct guest_registry *reg, guest_listen_fn *fn,
                 guest_event_fn *on_event, void *arg, struct error *err)
{
  if (reg->nlisteners == MAX_LISTENERS)
    return error_set (err, ENOBUFS, "more than %u listeners for guests",
                      MAX_LISTENERS);
  reg->listeners[reg->nlisteners++]
      = (struct listener){ .fn = fn, .on_event = on_event, .arg = arg };
  return 0;
}

bool
registry_is_current (struct guest_registry *reg, const struct incarnation *inc)
{
  return entry_current (reg, inc) != NULL;
}

void
registry_each (struct guest_registry *reg,
               void (*fn) (const struct guest *g, void *arg), void *arg)
{
  for (unsigned i = 0; i < BUCKETS; i++)
    for (struct entry *e = reg->buckets[i]; e; e = e->next)
      if (e->shown)
        fn (e->guest, arg);
}

static void
count_one (const struct guest *g, void *arg)
{
  ++*(size_t *) arg;
}

size_t
registry_count (struct guest_registry *reg)
{
  size_t n = 0;

  registry_each (reg, count_one, &n);
  return n;
}

uint64_t
registry_refused (struct guest_registry *reg)
{
  return reg->refused;
}
