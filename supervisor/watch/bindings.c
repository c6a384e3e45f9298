/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenario times guest: whom which scenario watches, and when it is due.
 *
 * A guest is found by its uuid in a hash and a binding by its number in an
 * array: whatever happens to one guest costs what that guest has, and a
 * reload looks at each binding once.
 */
#include "supervisor/watch/bindings_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/job.h"
#include "base/log.h"
#include "base/loop.h"
#include "scenarios/lines.h"
#include "supervisor/text/text.h"

#include <string.h>
#include <sys/random.h>

#define SLOT_BITS 16
#define SLOT(number) ((size_t) ((number) & ((1u << SLOT_BITS) - 1)))
_Static_assert (BINDINGS_MAX <= 1u << SLOT_BITS, "each has a slot");

static void due (struct timer *t, void *arg);

uint64_t
bindings_random_ (void)
{
  uint64_t r = 0;

  if (getrandom (&r, sizeof (r), GRND_NONBLOCK) < 0)
    r = clock_us ();
  return r;
}

int
bindings_new (const struct bindings_env *env, struct bindings **ret,
              struct error *err)
{
  struct bindings *b = calloc (1, sizeof (*b));

  if (!b)
    return error_set (err, ENOMEM, "no memory for the bindings");
  b->env = *env;
  b->builtin = SIZE_MAX;
  b->lane_free = (struct job_ear){ .fn = lane_free_, .arg = b };
  job_pool_on_free (b->env.jobs, &b->lane_free);
  *ret = b;
  return 0;
}

size_t
bindings_count (const struct bindings *b)
{
  return b->n;
}

uint64_t
bindings_looked_at (const struct bindings *b)
{
  return b->looked_at;
}

/* ---- finding ---- */

static struct watched **
chain_of (struct bindings *b, const char *uuid)
{
  return &b->hash[hash_text (uuid) % BINDINGS_HASH];
}

struct watched *
bindings_watched_ (struct bindings *b, const char *uuid)
{
  struct watched *w = *chain_of (b, uuid);

  while (w && (b->looked_at++, strcmp (w->guest->inc.uuid, uuid) != 0))
    w = w->chain;
  return w;
}

struct binding *
bindings_numbered_ (struct bindings *b, uint64_t number)
{
  struct binding *bd = b->slots ? b->slots[SLOT (number)] : NULL;

  return bd && bd->number == number ? bd : NULL;
}

struct binding *
binding_named_ (struct watched *w, const char *scenario)
{
  for (size_t i = 0; w && i < w->n; i++)
    if (strcmp (w->list[i]->scenario->name, scenario) == 0)
      return w->list[i];
  return NULL;
}

static int
take_slot (struct bindings *b, struct binding *bd, struct error *err)
{
  size_t slot = b->n;

  if (b->n >= BINDINGS_MAX)
    return error_set (err, ENOBUFS, "more than %u bindings", BINDINGS_MAX);
  if (!b->slots)
    {
      /* Untouched pages cost nothing. */
      b->slots = calloc ((size_t) 1 << SLOT_BITS, sizeof (*b->slots));
      b->free_slots = calloc (BINDINGS_MAX, sizeof (*b->free_slots));
      if (!b->slots || !b->free_slots)
        return error_set (err, ENOMEM, "no memory for a binding");
    }
  if (b->nfree)
    slot = b->free_slots[--b->nfree];
  bd->number = ++b->serial << SLOT_BITS | slot;
  b->slots[slot] = bd;
  b->n++;
  return 0;
}

static void
give_slot (struct bindings *b, const struct binding *bd)
{
  b->slots[SLOT (bd->number)] = NULL;
  b->free_slots[b->nfree++] = (uint32_t) SLOT (bd->number);
  b->n--;
}

/* ---- making ---- */

void
binding_arm_ (struct binding *bd, uint64_t at_ms)
{
  bd->due_ms = at_ms;
  timer_at (bd->timer, at_ms);
}

/* The first run comes after the initial delay and a random part of the
 * interval, so that a thousand guests are not asked in one breath. */
static void
arm_first (struct binding *bd)
{
  const struct scenario *s = bd->scenario;
  uint64_t spread = s->initial_delay_ms ? s->jitter_ms : s->interval_ms;

  binding_arm_ (bd, loop_now (bd->all->env.loop) + s->initial_delay_ms
                        + (spread ? bindings_random_ () % spread : 0));
}

/* One that waits has nobody asked now; one that is out ends by itself. */
static void
leave_run (struct binding *bd)
{
  if (bd->run && bd->run->waits_with)
    run_free_ (steal_ptr (&bd->run));
}

static void
binding_free (struct binding *bd)
{
  if (!bd)
    return;
  leave_run (bd);
  watch_end_ (bd);
  timer_free (bd->timer);
  free (bd->last);
  scenario_unref (bd->scenario);
  free (bd);
}

static void
remove_at (struct watched *w, size_t i)
{
  struct binding *bd = w->list[i];

  give_slot (w->all, bd);
  binding_free (bd);
  memmove (&w->list[i], &w->list[i + 1],
           (--w->n - i) * sizeof (*w->list));
}

static void
watched_free (struct watched *w)
{
  struct watched **at = chain_of (w->all, w->guest->inc.uuid);

  texts_listen (w->all->env.texts, w->guest->inc.uuid, NULL, 0);
  while (w->n)
    remove_at (w, w->n - 1);
  while (*at != w)
    at = &(*at)->chain;
  *at = w->chain;
  if (w->prev)
    w->prev->next = w->next;
  else
    w->all->first = w->next;
  if (w->next)
    w->next->prev = w->prev;
  else
    w->all->last = w->prev;
  guest_unref (w->guest);
  free (w->list);
  free (w);
}

static struct watched *
watched_new (struct bindings *b, const struct guest *g, struct error *err)
{
  struct watched *w = calloc (1, sizeof (*w)), **chain;

  if (!w)
    {
      error_set (err, ENOMEM, "no memory for a guest's scenarios");
      return NULL;
    }
  w->all = b;
  w->guest = guest_ref (g);
  w->waiting_end = &w->waiting;
  chain = chain_of (b, g->inc.uuid);
  w->chain = *chain;
  *chain = w;
  w->prev = b->last;
  if (w->prev)
    w->prev->next = w;
  else
    b->first = w;
  b->last = w;
  return w;
}

void
bindings_free (struct bindings *b)
{
  if (!b)
    return;
  job_ear_off (&b->lane_free);
  watch_subscribe_ (b, NULL, 0);
  while (b->first)
    watched_free (b->first);
  listen_end_ (b);
  for (size_t i = 0; i < b->nscenarios; i++)
    scenario_unref (b->scenarios[i]);
  scenario_unref (b->builtin_next);
  free (b->scenarios);
  free (b->marks);
  free (b->slots);
  free (b->free_slots);
  free (b);
}

static int
add (struct watched *w, size_t index, struct error *err)
{
  struct bindings *b = w->all;
  struct binding *bd, **list;
  int r;

  if (w->n == w->cap)
    {
      size_t cap = w->cap ? 2 * w->cap : 4;

      list = realloc (w->list, cap * sizeof (*list));
      if (!list)
        return error_set (err, ENOMEM, "no memory for a binding");
      w->list = list;
      w->cap = cap;
    }
  bd = calloc (1, sizeof (*bd));
  if (!bd)
    return error_set (err, ENOMEM, "no memory for a binding");
  r = loop_timer (b->env.loop, "scenario", due, bd, &bd->timer, err);
  if (r >= 0)
    r = take_slot (b, bd, err);
  if (r < 0)
    {
      binding_free (bd);
      return r;
    }
  bd->all = b;
  bd->of = w;
  bd->index = index;
  bd->scenario = scenario_ref (b->scenarios[index]);
  w->list[w->n++] = bd;
  watch_begin_ (bd);
  arm_first (bd);
  return 0;
}

/* ---- matching ---- */

/* Only a guest that no other scenario is for has the built-in one. */
static int
match_builtin (struct watched *w, struct error *err)
{
  size_t i = 0;

  while (i < w->n && w->list[i]->index != w->all->builtin)
    i++;
  if (i == w->n)
    return w->n == 0 ? add (w, w->all->builtin, err) : 0;
  if (w->n > 1)
    remove_at (w, i);
  return 0;
}

/* w: where that guest is watched already, or NULL. */
static void
match_guest (struct bindings *b, const struct guest *g, struct watched *w)
{
  struct error err = ERROR_INIT;

  if (b->env.drain_only || !b->nscenarios)
    return;
  memset (b->marks, 0, b->nscenarios * sizeof (*b->marks));
  for (size_t i = 0; w && i < w->n; i++)
    b->marks[w->list[i]->index] = true;
  for (size_t i = 0; i < b->nscenarios; i++)
    {
      b->looked_at++;
      if (b->marks[i] || i == b->builtin
          || !scenario_selects (b->scenarios[i], g))
        continue;
      if (!w)
        w = watched_new (b, g, &err);
      if (!w || add (w, i, &err) < 0)
        log_guest (LOG_LEVEL_WARN, g->inc.uuid,
                   "%s: scenario %s is not bound: %s", g->display,
                  b->scenarios[i]->name, error_text (&err));
    }
  if (b->builtin != SIZE_MAX)
    {
      if (!w)
        w = watched_new (b, g, &err);
      if (!w || match_builtin (w, &err) < 0)
        log_guest (LOG_LEVEL_WARN, g->inc.uuid,
                   "%s: the built-in scenario is not bound: %s", g->display,
                  error_text (&err));
    }
  if (w && w->n == 0)
    watched_free (w);
  else if (w)
    listen_tell_ (w);
}

/* A life begins unknown, after its own initial delay. */
static void
begin_anew (struct binding *bd, bool keeps_state)
{
  if (bd->health.flap.flapping)
    binding_flapping_ (bd, false);
  memset (&bd->health, 0, sizeof (bd->health));
  bd->health.since_ms = loop_now (bd->all->env.loop);
  leave_run (bd);
  if (!keeps_state)
    {
      watch_end_ (bd);
      watch_begin_ (bd);
    }
  if (!bd->run)
    arm_first (bd);
}

static void
update_guest (struct bindings *b, enum guest_change change,
              const struct guest *now)
{
  struct watched *w = bindings_watched_ (b, now->inc.uuid);

  if (w)
    {
      guest_unref (w->guest);
      w->guest = guest_ref (now);
    }
  for (size_t i = w ? w->n : 0; i-- > 0;)
    {
      struct binding *bd = w->list[i];
      const struct scenario_watch *watch = bd->scenario->kind->watch;

      b->looked_at++;
      if (!scenario_selects (bd->scenario, now))
        remove_at (w, i);
      else if (change >= GUEST_REBOOTED)
        begin_anew (bd, watch && watch->of_process
                            && change < GUEST_REPLACED);
    }
  match_guest (b, now, w);
}

void
bindings_guest (struct bindings *b, enum guest_change change,
                const struct guest *was, const struct guest *now)
{
  struct watched *w;

  if (now)
    update_guest (b, change, now);
  else if ((w = bindings_watched_ (b, was->inc.uuid)))
    watched_free (w);
}

/* ---- another set of scenarios ---- */

/* What becomes of one of the old ones. */
struct heir
{
  bool there, same; /* says the same as before */
  size_t index;     /* in the new ones */
};

static bool
same_text (const struct scenario *a, const struct scenario *c)
{
  CLEANUP_JSON struct json_object *ja = scenario_to_json (a);
  CLEANUP_JSON struct json_object *jc = scenario_to_json (c);

  return json_object_equal (ja, jc);
}

static struct heir
heir_of (struct bindings *b, const struct scenario *s,
         struct scenario **list, size_t n)
{
  for (size_t i = 0; i < n; i++)
    {
      b->looked_at++;
      if (strcmp (list[i]->name, s->name) == 0)
        return (struct heir){ true, same_text (list[i], s), i };
    }
  return (struct heir){ 0 };
}

static void
inherit (struct binding *bd, const struct heir *heir, struct scenario *now)
{
  bd->index = heir->index;
  /* One in flight finishes under the old text: its run has its own
   * reference. */
  scenario_unref (bd->scenario);
  bd->scenario = scenario_ref (now);
  if (heir->same)
    return;
  /* Another question: what the old one brought is not its past. */
  memset (&bd->history, 0, sizeof (bd->history));
  begin_anew (bd, false);
}

static void
inherit_all (struct watched *w, const struct heir *heirs,
             struct scenario **list)
{
  for (size_t i = w->n; i-- > 0;)
    {
      struct binding *bd = w->list[i];
      const struct heir *heir = &heirs[bd->index];

      w->all->looked_at++;
      if (heir->there && scenario_selects (list[heir->index], w->guest))
        inherit (bd, heir, list[heir->index]);
      else
        remove_at (w, i);
    }
}

static void
match_each (const struct guest *g, void *arg)
{
  match_guest (arg, g, bindings_watched_ (arg, g->inc.uuid));
}

static bool
has_name (struct scenario **list, size_t n, const char *name)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (list[i]->name, name) == 0)
      return true;
  return false;
}

void
bindings_builtin (struct bindings *b, struct scenario *s)
{
  if (s)
    scenario_ref (s);
  scenario_unref (b->builtin_next);
  b->builtin_next = s;
}

const struct scenario *
bindings_default (const struct bindings *b)
{
  return b->builtin == SIZE_MAX ? NULL : b->scenarios[b->builtin];
}

int
bindings_set (struct bindings *b, struct scenario **list, size_t n,
              struct error *err)
{
  const struct scenario *last = b->builtin_next;
  bool builtin = last && !has_name (list, n, last->name);
  CLEANUP_FREE struct scenario **copy = calloc (n + 1, sizeof (*copy));
  CLEANUP_FREE bool *marks = calloc (n + 1, sizeof (*marks));
  CLEANUP_FREE struct heir *heirs
      = calloc (b->nscenarios + 1, sizeof (*heirs));
  CLEANUP_FREE struct lines **lines = calloc (n + 1, sizeof (*lines));

  if (!copy || !marks || !heirs || !lines)
    return error_set (err, ENOMEM, "no memory for the scenarios");
  for (size_t i = 0; i < n; i++)
    copy[i] = scenario_ref (list[i]);
  if (builtin)
    copy[n++] = scenario_ref (b->builtin_next);
  for (size_t i = 0; i < b->nscenarios; i++)
    {
      heirs[i] = heir_of (b, b->scenarios[i], copy, n);
      if (heirs[i].same)
        lines[heirs[i].index] = lines_ref (b->lines[i]);
    }
  for (size_t i = 0; i < n; i++)
    if (!lines[i])
      lines[i] = listen_for_ (copy[i]);
  /* Before anybody begins to watch: what is said now is not to be missed. */
  watch_subscribe_ (b, copy, n);
  for (struct watched *w = b->first, *next; w; w = next)
    {
      next = w->next;
      inherit_all (w, heirs, copy);
      if (w->n == 0)
        watched_free (w);
    }
  listen_end_ (b);
  for (size_t i = 0; i < b->nscenarios; i++)
    scenario_unref (b->scenarios[i]);
  free (b->scenarios);
  free (b->marks);
  b->scenarios = steal_ptr (&copy);
  b->lines = steal_ptr (&lines);
  b->marks = steal_ptr (&marks);
  b->nscenarios = n;
  b->builtin = builtin ? n - 1 : SIZE_MAX;
  registry_each (b->env.registry, match_each, b);
  return 0;
}

/* ---- when ---- */

static void
due (struct timer *t, void *arg)
{
  struct binding *bd = arg;
  uint64_t now = loop_now (bd->all->env.loop);

  if (binding_gapped_ (bd))
    return;
  if (bd->run)
    {
      /* It has waited for a lane until now: long enough. */
      run_give_up_ (bd->run);
      return;
    }
  if (binding_held_off_ (bd))
    {
      binding_arm_ (bd, now + bd->scenario->interval_ms);
      return;
    }
  (void) run_begin_ (bd, true, NULL);
}

int
bindings_probe (struct bindings *b, const char *uuid, const char *scenario,
                struct error *err)
{
  struct binding *bd
      = binding_named_ (bindings_watched_ (b, uuid), scenario);

  if (!bd)
    return error_set (err, ENOENT,
                      "no scenario \"%s\" is bound to that guest; `hangdog "
                      "status GUEST` lists those that are",
                      scenario);
  if (bd->run && bd->run->waits_with)
    return error_set (err, EBUSY, "%s", bd->held_off);
  return bd->run ? 0 : run_begin_ (bd, false, err);
}
