/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking guests' agents for addresses: whom, when, and what is kept of it.
 *
 * The answer is the guest's own word.  Only what it says of a nic that this
 * host has given it an end of is taken: the others (a user network behind
 * QEMU, a bridge of the guest's own) lead nowhere from here, and where they
 * seem to, to somebody else.
 */
#include "guests/hearsay.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 1024u
#define MAX_SAID 32u  /* of what one answers */
#define MAX_TAKEN 8u  /* of that: two of a nic */
#define MAX_ASKED 4u  /* at a time */
#define ASK_MS 5000u
#define AGAIN_MS (10u * 60 * 1000)
#define BUSY_MS 15000u

struct entry
{
  struct incarnation inc;
  uint64_t next_ms; /* when it may be asked */
  uint64_t said_ms;
  struct address_claim claims[MAX_TAKEN];
  unsigned n;
};

struct hearsay
{
  struct hearsay_env env;
  struct timer *timer;
  struct entry *list;
  size_t n, cap;
  unsigned asked;
  unsigned long long questions;
};

/* The job owns it. */
struct asking
{
  struct hearsay *h;
  addresses_ask_fn *ask;
  void *ask_arg;
  const struct guest *g;
  struct address_said said[MAX_SAID];
  size_t n;
  struct error why;
};

/* ---- whom ---- */

static struct entry *
entry_of (const struct hearsay *h, const char *uuid)
{
  for (size_t i = 0; i < h->n; i++)
    if (strcmp (h->list[i].inc.uuid, uuid) == 0)
      return &h->list[i];
  return NULL;
}

static void
drop (struct hearsay *h, struct entry *e)
{
  *e = h->list[--h->n];
}

/* What is known of it otherwise is better. */
static bool
is_of_use (const struct guest_nic *nic)
{
  bool said = strcmp (nic->ip_from, address_from_names[ADDRESS_AGENT]) == 0;

  return nic->ifname[0] && nic->mac[0] && (said || !nic->ip_from[0]);
}

static bool
may_be_asked (const struct guest *g)
{
  if (g->agent == AGENT_NONE || g->run != GUEST_RUNNING)
    return false;
  for (unsigned i = 0; i < g->nnics; i++)
    if (is_of_use (&g->nics[i]))
      return true;
  return false;
}

static struct entry *
entry_new (struct hearsay *h, const struct guest *g)
{
  size_t cap = h->cap ? 2 * h->cap : 8;
  struct entry *list;

  if (h->n == h->cap)
    {
      list = cap <= MAX_ENTRIES ? reallocarray (h->list, cap, sizeof *list)
                                : NULL;
      if (!list)
        return NULL;
      h->list = list;
      h->cap = cap;
    }
  h->list[h->n] = (struct entry){ .inc = g->inc };
  return &h->list[h->n++];
}

/* ---- asking ---- */

static void
asking_free (void *arg)
{
  struct asking *q = arg;

  if (q)
    guest_unref (q->g);
  free (q);
}

static int
run (struct job *job, void *arg)
{
  struct asking *q = arg;

  return q->ask (q->ask_arg, q->g, job_deadline (job), q->said, MAX_SAID,
                 &q->n, &q->why);
}

/* The first of each family, in the guest's order. */
static void
take_nic (struct entry *e, const struct guest_nic *nic,
          const struct asking *q)
{
  struct address_claim c = { .from = ADDRESS_AGENT, .seen_ms = clock_ms () };
  char mac[ADDRESS_MAC_TEXT];
  bool had[2] = { false, false };

  if (!nic->ifname[0] || !address_clean_mac (c.mac, nic->mac))
    return;
  for (size_t i = 0; i < q->n && e->n < MAX_TAKEN; i++)
    {
      if (!address_clean_mac (mac, q->said[i].mac)
          || strcmp (mac, c.mac) != 0 || !address_clean (c.ip, q->said[i].ip)
          || had[address_is_six (c.ip)])
        continue;
      had[address_is_six (c.ip)] = true;
      e->claims[e->n++] = c;
    }
}

static bool
same_claims (const struct entry *a, const struct entry *b)
{
  bool same = a->n == b->n;

  for (unsigned i = 0; i < a->n && same; i++)
    same = strcmp (a->claims[i].mac, b->claims[i].mac) == 0
           && strcmp (a->claims[i].ip, b->claims[i].ip) == 0;
  return same;
}

/* What it says again was looked at before, and stays in use. */
static void
take (struct hearsay *h, struct entry *e, const struct asking *q)
{
  struct entry was = *e;

  e->n = 0;
  for (unsigned i = 0; i < q->g->nnics; i++)
    take_nic (e, &q->g->nics[i], q);
  if (same_claims (&was, e))
    return;
  e->said_ms = loop_now (h->env.loop);
  h->env.heard (h->env.arg);
}

static void plan (struct hearsay *h);

static void
done (void *owner, void *arg, enum job_end end, int rc)
{
  struct hearsay *h = owner;
  struct asking *q = arg;
  struct entry *e;

  h->asked--;
  /* What it would have said is in the memory that the job has kept. */
  e = end == JOB_RETURNED ? entry_of (h, q->g->inc.uuid) : NULL;
  if (e && rc == 0 && incarnation_equal (&e->inc, &q->g->inc))
    take (h, e, q);
  if (end == JOB_RETURNED)
    asking_free (q);
  plan (h);
}

/* False: there is no use in asking it. */
static bool
ask (struct hearsay *h, struct entry *e)
{
  struct job_spec spec = { .name = "addresses by the agent",
                           .lane = LANE_AGENT,
                           .timeout_ms = ASK_MS,
                           .run = run,
                           .done = done,
                           .free_arg = asking_free,
                           .owner = h };
  const struct guest *g = NULL;
  struct asking *q;
  uint64_t now = loop_now (h->env.loop);

  if (registry_find (h->env.registry, e->inc.uuid, &g, NULL) < 0)
    return false;
  if (!may_be_asked (g) || !(q = calloc (1, sizeof *q)))
    {
      guest_unref (g);
      return false;
    }
  /* By another boot; by another process there is none any more. */
  e->inc = g->inc;
  *q = (struct asking){ .h = h, .ask = h->env.ask,
                        .ask_arg = h->env.ask_arg, .g = g };
  spec.guest = g->inc.uuid;
  spec.arg = q;
  e->next_ms = now + BUSY_MS;
  if (job_start (h->env.jobs, &spec, NULL) < 0)
    {
      asking_free (q);
      return true;
    }
  e->next_ms = now + AGAIN_MS;
  h->asked++;
  h->questions++;
  return true;
}

/* When the next one is due; those that are wait for a place, too. */
static void
plan (struct hearsay *h)
{
  uint64_t at = CLOCK_NEVER;

  for (size_t i = 0; i < h->n && h->asked < MAX_ASKED; i++)
    if (h->list[i].next_ms < at)
      at = h->list[i].next_ms;
  if (at != CLOCK_NEVER)
    timer_at (h->timer, at);
}

static void
tick (struct timer *t, void *arg)
{
  struct hearsay *h = arg;
  uint64_t now = loop_now (h->env.loop);

  for (size_t i = 0; i < h->n && h->asked < MAX_ASKED;)
    {
      struct entry *e = &h->list[i];

      if (e->next_ms <= now && !ask (h, e))
        drop (h, e);
      else
        i++;
    }
  plan (h);
}

/* ---- what others tell, and ask ---- */

void
hearsay_want (struct hearsay *h, const struct guest *g)
{
  struct entry *e;

  if (!h || !h->env.ask || !may_be_asked (g))
    return;
  e = entry_of (h, g->inc.uuid);
  if (!e && (e = entry_new (h, g)))
    e->next_ms = loop_now (h->env.loop);
  plan (h);
}

void
hearsay_forget (struct hearsay *h, const char *uuid)
{
  struct entry *e = h ? entry_of (h, uuid) : NULL;

  if (e)
    drop (h, e);
}

void
hearsay_claims (const struct hearsay *h, uint64_t until_ms,
                struct address_claims *ret)
{
  uint64_t now = clock_ms ();

  for (size_t i = 0; h && i < h->n; i++)
    for (unsigned k = 0; k < h->list[i].n; k++)
      {
        const struct address_claim *c = &h->list[i].claims[k];

        if (h->list[i].said_ms <= until_ms
            && (now < c->seen_ms || now - c->seen_ms <= ADDRESS_KEPT_MS))
          address_claim_add (ret, c);
      }
}

unsigned long long
hearsay_questions (const struct hearsay *h)
{
  return h ? h->questions : 0;
}

int
hearsay_new (const struct hearsay_env *env, struct hearsay **ret,
             struct error *err)
{
  struct hearsay *h = calloc (1, sizeof *h);
  int r;

  if (!h)
    return error_set (err, ENOMEM, "no memory for what guests say");
  h->env = *env;
  r = loop_timer (env->loop, "agents' addresses", tick, h, &h->timer, err);
  if (r < 0)
    {
      hearsay_free (h);
      return r;
    }
  *ret = h;
  return 0;
}

void
hearsay_free (struct hearsay *h)
{
  if (!h)
    return;
  timer_free (h->timer);
  free (h->list);
  free (h);
}
