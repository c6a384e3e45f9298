/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ways, and the first look at each life of a guest.
 *
 * A way of which nothing is known takes no memory: most guests are asked by
 * one or two.  The first look is what `doctor` sees of the transports, which
 * by their contract look only; one guest at a time, so that a host with a
 * thousand of them does not notice.
 */
#include "supervisor/watch/reach.h"
#include "supervisor/watch/examine.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "transports/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WAYS 24u
#define HASH 1024u
#define FIRST_MS 20000u /* after it was found, or began anew */
#define BETWEEN_MS 1000u
#define LOOK_MS 10000u
#define LOOK_ONE_MS 1500u

const char *const reach_state_names[] = {
  [REACH_UNTRIED] = "untried", [REACH_ALIVE] = "alive",
  [REACH_DEAD] = "dead",       [REACH_UNUSABLE] = "unusable",
  [REACH_ABSENT] = "absent",   [REACH_STATE_MAX] = NULL,
};

struct known
{
  enum reach_state state;
  char code[32], by[72], sentence[120], fix[200];
  uint64_t since_ms, tried_ms, took_ms;
};

struct ways
{
  struct ways *next; /* of the hash */
  const struct guest *guest;
  uint64_t look_ms; /* when it is to be looked at first, 0 = it was */
  struct known *known[MAX_WAYS]; /* by place in transports[]; NULL = nothing */
};

struct reach
{
  struct reach_env env;
  struct ways *hash[HASH];
  struct timer *timer;
  bool looking;
  uint64_t looks;
};

/* ---- whom ---- */

static struct ways **
place_of (struct reach *r, const char *uuid)
{
  struct ways **at = &r->hash[hash_text (uuid) % HASH];

  while (*at && strcmp ((*at)->guest->inc.uuid, uuid) != 0)
    at = &(*at)->next;
  return at;
}

static struct ways *
ways_of (struct reach *r, const char *uuid)
{
  return r ? *place_of (r, uuid) : NULL;
}

static int
number_of (const char *transport)
{
  for (unsigned i = 0; transports[i] && i < MAX_WAYS; i++)
    if (strcmp (transports[i]->name, transport) == 0)
      return (int) i;
  return -1;
}

/* ---- what is learnt ---- */

struct news
{
  const char *transport;
  enum reach_state state;
  const char *code, *sentence, *fix, *by;
  uint64_t took_ms;
};

/* A row that somebody's asking has made does not become less by a look. */
static void
learn (struct reach *r, struct ways *w, const struct news *n)
{
  uint64_t now = loop_now (r->env.loop);
  int i = number_of (n->transport);
  struct known *k;
  bool first;

  if (i < 0)
    return;
  first = !w->known[i];
  if (first && !(w->known[i] = calloc (1, sizeof (struct known))))
    return;
  k = w->known[i];
  if (first || k->state != n->state || strcmp (k->code, n->code) != 0)
    k->since_ms = now;
  k->state = n->state;
  snprintf (k->code, sizeof k->code, "%s", n->code);
  snprintf (k->by, sizeof k->by, "%s", n->by);
  snprintf (k->sentence, sizeof k->sentence, "%.*s",
            (int) sizeof k->sentence - 1, n->sentence);
  snprintf (k->fix, sizeof k->fix, "%.*s", (int) sizeof k->fix - 1, n->fix);
  k->tried_ms = now;
  if (n->state == REACH_ALIVE)
    k->took_ms = n->took_ms;
}

static bool
state_of_way (enum way_said way, enum reach_state *ret)
{
  switch (way)
    {
    case WAY_ANSWERS:
      *ret = REACH_ALIVE;
      return true;
    case WAY_LOST:
      *ret = REACH_DEAD;
      return true;
    case WAY_UNUSABLE:
      *ret = REACH_UNUSABLE;
      return true;
    case WAY_UNSAID:
    case WAY_GUEST:
      return false;
    }
  return false;
}

void
reach_outcome (struct reach *r, const struct binding_info *info)
{
  struct ways *w = ways_of (r, info->guest->inc.uuid);
  const struct outcome_report *last = info->last;
  struct news n = { .fix = "" };
  char by[72];

  if (!w || !last || !incarnation_equal (&w->guest->inc, &info->guest->inc))
    return;
  snprintf (by, sizeof by, "scenario %.60s", info->scenario->name);
  n.by = by;
  for (unsigned i = 0; i < last->ntried; i++)
    {
      const struct tried *t = &last->tried[i];

      n.transport = t->transport;
      n.code = t->way == WAY_ANSWERS ? "" : t->code;
      n.sentence = t->way == WAY_ANSWERS ? "" : t->sentence;
      if (state_of_way (t->way, &n.state))
        learn (r, w, &n);
    }
  n.transport = last->transport;
  n.took_ms = last->took_ms;
  if (!last->transport[0] || !state_of_way (last->way, &n.state))
    return;
  /* What it answered is its scenario's; that it did is the way's. */
  n.code = n.state == REACH_ALIVE ? "" : last->code;
  n.sentence = n.state == REACH_ALIVE ? "" : last->sentence;
  learn (r, w, &n);
}

void
reach_event (struct reach *r, const struct guest *g, enum guest_event event)
{
  struct ways *w = ways_of (r, g->inc.uuid);
  struct news n = { .transport = "agent", .fix = "", .by = g->source };

  if (!w || (event != GUEST_EVENT_AGENT_UP && event != GUEST_EVENT_AGENT_DOWN))
    return;
  n.state = event == GUEST_EVENT_AGENT_UP ? REACH_ALIVE : REACH_DEAD;
  n.code = event == GUEST_EVENT_AGENT_UP ? "" : "agent-down";
  n.sentence = event == GUEST_EVENT_AGENT_UP
                   ? ""
                   : "nobody in the guest has its channel open";
  learn (r, w, &n);
}

/* ---- what a look at it says ---- */

/* That they work is seen by using them, as `doctor` does: the host's own ways,
 * which asks the guest nothing, and its agent. */
static bool
is_seen (const struct transport_ops *t)
{
  return t->lane == LANE_MONITOR || t->lane == LANE_MEMORY
         || t->lane == LANE_AGENT;
}

static enum reach_state
state_of_look (const struct transport_ops *t, enum doctor_state state)
{
  if (state == DOCTOR_BAD)
    return REACH_UNUSABLE;
  if (state == DOCTOR_NA)
    return REACH_ABSENT;
  /* A warning of the agent is that it could not be asked. */
  return is_seen (t) && (t->lane != LANE_AGENT || state == DOCTOR_OK)
             ? REACH_ALIVE
             : REACH_UNTRIED;
}

/* One line of a look; several are of one way, and the first that is not fine
 * says most. */
static void
take_row (struct reach *r, struct ways *w, const struct exam_row *row,
          const char *by)
{
  int i = row->transport && !row->skipped ? number_of (row->transport) : -1;
  const struct known *k = i >= 0 ? w->known[i] : NULL;
  struct news n = { .transport = row->transport, .code = "",
                    .sentence = row->finding, .fix = row->fix, .by = by };

  if (i < 0)
    return;
  n.state = state_of_look (transports[i], row->state);
  /* Who asked the guest knows more than who looked. */
  if (k && k->state != REACH_UNTRIED && strncmp (k->by, "scenario ", 9) == 0)
    return;
  if (k && k->tried_ms == loop_now (r->env.loop) && strcmp (k->by, by) == 0
      && k->state >= n.state)
    return;
  learn (r, w, &n);
}

static void
take_exam (struct reach *r, const struct exam *exam, const char *by)
{
  struct ways *w = ways_of (r, exam->guest->inc.uuid);

  if (!w || !incarnation_equal (&w->guest->inc, &exam->guest->inc))
    return;
  for (size_t i = 0; i < exam->nrows; i++)
    take_row (r, w, &exam->rows[i], by);
}

void
reach_examined (struct reach *r, const struct exam *exam)
{
  take_exam (r, exam, "doctor");
}

/* ---- the first look ---- */

/* A monitor that has one place for a client is others', and asked only when
 * there is need. */
static bool
is_looked_at (const struct transport_ops *t, const struct guest *g)
{
  /* To look at the agent is to ask it: that is for `doctor` and scenarios. */
  return t->lane != LANE_AGENT
         && !(t->lane == LANE_MONITOR && g->monitor == MONITOR_UNIX);
}

static void
first_done (const struct exam *exam, void *arg)
{
  struct reach *r = arg;

  r->looking = false;
  if (exam)
    take_exam (r, exam, "first look");
}

static int
first_start (struct reach *r, const struct guest *g)
{
  static const struct exam_how how = { .name = "first look at its ways",
                                       .timeout_ms = LOOK_MS,
                                       .one_ms = LOOK_ONE_MS,
                                       .looks_at = is_looked_at };

  return examine (r->env.jobs, r->env.transports, g, &how, first_done, r,
                  NULL);
}

/* It is there, and is not brought up or down just now. */
static bool
is_ready (const struct guest *g)
{
  return g->run == GUEST_RUNNING && g->intent == INTENT_RUN;
}

static void
tick (struct timer *t, void *arg)
{
  struct reach *r = arg;
  uint64_t now = loop_now (r->env.loop), next = 0;
  struct ways *due = NULL;

  for (unsigned i = 0; i < HASH; i++)
    for (struct ways *w = r->hash[i]; w; w = w->next)
      if (w->look_ms && is_ready (w->guest))
        {
          if (w->look_ms <= now && (!due || w->look_ms < due->look_ms))
            due = w;
          if (!next || w->look_ms < next)
            next = w->look_ms;
        }
  if (due && !r->looking && first_start (r, due->guest) == 0)
    {
      r->looking = true;
      r->looks++;
      due->look_ms = 0;
    }
  if (next)
    timer_at (r->timer, next > now + BETWEEN_MS ? next : now + BETWEEN_MS);
}

static void
look_later (struct reach *r, struct ways *w)
{
  w->look_ms = loop_now (r->env.loop) + FIRST_MS;
  if (!timer_armed (r->timer))
    timer_at (r->timer, w->look_ms);
}

/* ---- lives ---- */

static void
forget (struct ways *w)
{
  for (unsigned i = 0; i < MAX_WAYS; i++)
    {
      free (w->known[i]);
      w->known[i] = NULL;
    }
}

static void
drop (struct ways **at)
{
  struct ways *w = *at;

  *at = w->next;
  forget (w);
  guest_unref (w->guest);
  free (w);
}

void
reach_guest (struct reach *r, enum guest_change change, const struct guest *was,
             const struct guest *now)
{
  struct ways **at, *w;

  if (!r)
    return;
  at = place_of (r, (now ? now : was)->inc.uuid);
  w = *at;
  if (!now)
    {
      if (w)
        drop (at);
      return;
    }
  if (!w)
    {
      w = calloc (1, sizeof *w);
      if (!w)
        return;
      *at = w;
      w->guest = guest_ref (now);
      look_later (r, w);
      return;
    }
  guest_unref (w->guest);
  w->guest = guest_ref (now);
  /* Who answered by a way, or did not, was of that boot. */
  if (change >= GUEST_REBOOTED)
    {
      forget (w);
      look_later (r, w);
    }
  else if (w->look_ms && !timer_armed (r->timer))
    timer_at (r->timer, w->look_ms);
}

/* ---- showing ---- */

/* What its snapshot alone says of a way that nobody took. */
static void
row_unknown (const struct transport_ops *t, const struct guest *g,
             struct reach_row *row)
{
  const char *why = t->absent ? t->absent (g) : NULL;

  *row = (struct reach_row){ .way = t->name,
                             .state = why ? REACH_ABSENT : REACH_UNTRIED,
                             .code = "",
                             .sentence = why ? why : "",
                             .fix = "",
                             .by = "" };
}

void
reach_each (struct reach *r, const char *uuid,
            void (*fn) (const struct reach_row *row, void *arg), void *arg)
{
  const struct ways *w = ways_of (r, uuid);

  for (unsigned i = 0; w && transports[i] && i < MAX_WAYS; i++)
    {
      const struct known *k = w->known[i];
      struct reach_row row;

      row_unknown (transports[i], w->guest, &row);
      if (k)
        row = (struct reach_row){ .way = transports[i]->name,
                                  .state = k->state,
                                  .code = k->code,
                                  .sentence = k->sentence,
                                  .fix = k->fix,
                                  .by = k->by,
                                  .since_ms = k->since_ms,
                                  .tried_ms = k->tried_ms,
                                  .took_ms = k->took_ms };
      fn (&row, arg);
    }
}

void
reach_dump (const struct reach *r, struct buf *out)
{
  unsigned guests = 0, known = 0, ahead = 0;

  if (!r)
    return;
  for (unsigned i = 0; i < HASH; i++)
    for (const struct ways *w = r->hash[i]; w; w = w->next)
      {
        guests++;
        ahead += w->look_ms != 0;
        for (unsigned k = 0; k < MAX_WAYS; k++)
          known += w->known[k] != NULL;
      }
  buf_printf (out, "ways: guests %u, known %u, first looks %llu, ahead %u\n",
              guests, known, (unsigned long long) r->looks, ahead);
}

/* ---- making ---- */

int
reach_new (const struct reach_env *env, struct reach **ret, struct error *err)
{
  struct reach *r = calloc (1, sizeof *r);
  int rc;

  if (!r)
    return error_set (err, ENOMEM, "no memory for the table of ways");
  r->env = *env;
  rc = loop_timer (env->loop, "first looks", tick, r, &r->timer, err);
  if (rc < 0)
    {
      reach_free (r);
      return rc;
    }
  *ret = r;
  return 0;
}

void
reach_free (struct reach *r)
{
  if (!r)
    return;
  for (unsigned i = 0; i < HASH; i++)
    while (r->hash[i])
      drop (&r->hash[i]);
  timer_free (r->timer);
  free (r);
}
