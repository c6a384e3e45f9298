/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of guests: when is looked, what is kept of it, and what the
 * snapshots get.
 *
 * Each origin (the host itself, and each libvirt) is looked at by a job of its
 * own, so that a libvirt that does not answer costs only what it would have
 * said.  What they say is kept as claims; with each change of them, or of the
 * guests, the choice is made anew for all guests at once, since two that claim
 * the same address spoil it for each other.
 */
#include "guests/addresses.h"
#include "guests/addresses_impl.h"
#include "guests/hearsay.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/job.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define EVERY_MS 60000u
#define SOON_MS 1000u
#define GAP_MS 5000u /* between two looks, whoever wants them */
#define LOOK_MS 10000u
#define MAX_ORIGINS 9u
#define MAX_GUESTS 8192u

struct origin
{
  char uri[256]; /* "": the host itself */
  struct address_claims claims;
  bool busy;
  uint64_t began_ms;  /* the last look */
  uint64_t looked_ms; /* when one came back */
  char why[160];      /* the last one failed */
};

struct addresses
{
  struct addresses_env env;
  struct timer *timer;
  struct hearsay *hearsay;
  struct origin origins[MAX_ORIGINS];
  unsigned norigins;
  char **paths;
  size_t npaths;
  char (*own)[ADDRESS_TEXT];
  size_t nown;
  struct addresses_place *places; /* of the last look at the host */
  size_t nplaces;
  uint64_t checked_ms; /* when that look began */
  bool stale;       /* the choice is to be made anew */
  uint64_t look_ms; /* when the next look is due, 0 = none */
  uint64_t began_ms, looks, changes;
};

/* ---- all guests ---- */

struct all
{
  const struct guest **list;
  size_t n, cap;
};

static void
all_done (struct all *all)
{
  for (size_t i = 0; i < all->n; i++)
    guest_unref (all->list[i]);
  free (all->list);
}

/* Those that have an address to be found. */
static void
gather (const struct guest *g, void *arg)
{
  struct all *all = arg;

  if (g->run != GUEST_OFF && g->nnics > 0 && all->n < all->cap)
    all->list[all->n++] = guest_ref (g);
}

/* References, because telling one of them may end another. */
static void
gather_all (const struct addresses *a, struct all *all)
{
  size_t n = registry_count (a->env.registry);

  all->cap = n < MAX_GUESTS ? n : MAX_GUESTS;
  all->list = calloc (all->cap + 1, sizeof (struct guest *));
  if (!all->list)
    all->cap = 0;
  registry_each (a->env.registry, gather, all);
}

static const char *
label_of (const struct guest *g)
{
  return json_get_str (g->labels, "address");
}

/* ---- the choice ---- */

static void
claims_of_all (const struct addresses *a, struct address_claims *ret)
{
  for (unsigned i = 0; i < a->norigins; i++)
    for (size_t k = 0; k < a->origins[i].claims.n; k++)
      address_claim_add (ret, &a->origins[i].claims.list[k]);
  /* The host was looked at since: is that somebody else's? */
  hearsay_claims (a->hearsay, a->checked_ms, ret);
}

static bool
same_address (const struct guest_nic *a, const struct guest_nic *b)
{
  return strcmp (a->ip, b->ip) == 0 && strcmp (a->ip2, b->ip2) == 0
         && strcmp (a->ip_from, b->ip_from) == 0
         && strcmp (a->refused, b->refused) == 0
         && strcmp (a->lease, b->lease) == 0
         && a->lease_until_s == b->lease_until_s
         && a->lease_gone == b->lease_gone;
}

static void
tell (struct addresses *a, const struct guest *g, const struct guest_nic *nics)
{
  bool same = true;

  for (unsigned i = 0; i < g->nnics; i++)
    same = same && same_address (&g->nics[i], &nics[i]);
  if (same)
    return;
  a->changes++;
  registry_addresses (a->env.registry, &g->inc, nics, g->nnics);
}

static void
choose_among (struct addresses *a, const struct all *all,
              struct guest_nic *copies, struct address_nic *nics)
{
  struct address_claims claims CLEANUP (address_claims_done) = { .n = 0 };
  const char *own[ADDRESSES_MAX_OWN];
  size_t n = 0;

  for (size_t i = 0; i < all->n; i++)
    for (unsigned k = 0; k < all->list[i]->nnics; k++, n++)
      {
        copies[n] = all->list[i]->nics[k];
        nics[n] = (struct address_nic){
          .guest = (unsigned) i,
          .nic = &copies[n],
          .label = k == 0 ? label_of (all->list[i]) : NULL,
        };
      }
  for (size_t i = 0; i < a->nown; i++)
    own[i] = a->own[i];
  claims_of_all (a, &claims);
  address_choose (nics, n, &claims, own, a->nown, clock_ms ());
  n = 0;
  for (size_t i = 0; i < all->n; i++)
    {
      tell (a, all->list[i], &copies[n]);
      n += all->list[i]->nnics;
    }
}

static void
choose (struct addresses *a)
{
  struct all all CLEANUP (all_done) = { .n = 0 };
  CLEANUP_FREE struct guest_nic *copies = NULL;
  CLEANUP_FREE struct address_nic *nics = NULL;
  size_t n = 1;

  a->stale = false;
  gather_all (a, &all);
  for (size_t i = 0; i < all.n; i++)
    n += all.list[i]->nnics;
  copies = calloc (n, sizeof *copies);
  nics = calloc (n, sizeof *nics);
  if (copies && nics && all.n > 0)
    choose_among (a, &all, copies, nics);
}

/* ---- looking ---- */

static void
arm (struct addresses *a)
{
  if (a->stale)
    timer_in (a->timer, 0);
  else if (a->look_ms)
    timer_at (a->timer, a->look_ms);
}

static void
look_soon (struct addresses *a, uint64_t delay_ms)
{
  uint64_t at = loop_now (a->env.loop) + delay_ms;

  if (a->began_ms && at < a->began_ms + GAP_MS)
    at = a->began_ms + GAP_MS;
  if (!a->look_ms || at < a->look_ms)
    a->look_ms = at;
  arm (a);
}

/* Of leases, what is not there any more is over; what was overheard may be so
 * although nobody said it lately. */
static void
merge (struct origin *o, const struct addresses_look *l)
{
  size_t n = 0;

  for (size_t i = 0; i < o->claims.n; i++)
    if (!l->leases_known || o->claims.list[i].from != ADDRESS_LEASE)
      o->claims.list[n++] = o->claims.list[i];
  o->claims.n = n;
  for (size_t i = 0; i < l->claims.n; i++)
    address_claim_add (&o->claims, &l->claims.list[i]);
  o->claims.dropped += l->claims.dropped;
  address_claims_tidy (&o->claims, clock_ms ());
}

static struct origin *
origin_of (struct addresses *a, const char *uri)
{
  for (unsigned i = 0; i < a->norigins; i++)
    if (strcmp (a->origins[i].uri, uri) == 0)
      return &a->origins[i];
  return NULL;
}

static void
take (struct addresses *a, struct origin *o, struct addresses_look *l)
{
  merge (o, l);
  if (o->uri[0])
    return;
  free (a->own);
  a->own = steal_ptr (&l->own);
  a->nown = l->nown;
  free (a->places);
  a->places = steal_ptr (&l->places);
  a->nplaces = l->nplaces;
  a->checked_ms = o->began_ms;
}

static void
look_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct origin *o = owner;
  struct addresses_look *l = arg;
  struct addresses *a;

  o->busy = false;
  if (end == JOB_DISCARDED)
    {
      snprintf (o->why, sizeof o->why, "it did not come back");
      return;
    }
  a = l->owner;
  o->looked_ms = loop_now (a->env.loop);
  snprintf (o->why, sizeof o->why, "%.150s",
            rc < 0 ? error_text (&l->why) : "");
  take (a, o, l);
  addresses_look_free (l);
  choose (a);
}

static int
by_text (const void *a, const void *b)
{
  return strcmp (a, b);
}

static const struct addresses_place *
place_of (const struct addresses *a, const struct guest *g)
{
  for (size_t i = 0; i < a->nplaces; i++)
    if (a->places[i].pid == g->inc.pid
        && a->places[i].start_time == g->inc.start_time)
      return &a->places[i];
  return NULL;
}

static void
want_of (const struct addresses *a, struct addresses_look *l,
         const struct guest *g)
{
  const struct addresses_place *p;
  bool lacks = false;

  /* What a host's libvirt leases to a mac is of its own networks: here that
   * mac may be another guest's. */
  if (l->uri[0] && strcmp (g->host, l->uri) != 0)
    return;
  for (unsigned i = 0; i < g->nnics; i++)
    {
      if (address_clean_mac (l->macs[l->nmacs], g->nics[i].mac))
        l->nmacs++;
      lacks |= !g->nics[i].ip[0];
    }
  if (!l->uri[0] && g->inc.pid > 0)
    {
      p = place_of (a, g);
      l->places[l->nplaces++]
          = p ? *p
              : (struct addresses_place){ .pid = g->inc.pid,
                                          .start_time = g->inc.start_time };
    }
  if (l->uri[0] && lacks && l->nasked < ADDRESSES_MAX_ASKED)
    memcpy (l->asked[l->nasked++], g->inc.uuid, UUID_TEXT);
}

static int
copy_paths (const struct addresses *a, struct addresses_look *l)
{
  l->paths = calloc (a->npaths + 1, sizeof (char *));
  if (!l->paths)
    return -ENOMEM;
  for (size_t i = 0; i < a->npaths; i++, l->npaths++)
    if (!(l->paths[i] = strdup (a->paths[i])))
      return -ENOMEM;
  return 0;
}

/* What guests say: of whom are those addresses? */
static void
copy_said (const struct addresses *a, struct addresses_look *l)
{
  struct address_claims said CLEANUP (address_claims_done) = { .n = 0 };

  hearsay_claims (a->hearsay, CLOCK_NEVER, &said);
  l->ips = calloc (said.n + 1, sizeof l->ips[0]);
  for (size_t i = 0; l->ips && i < said.n; i++)
    memcpy (l->ips[l->nips++], said.list[i].ip, ADDRESS_TEXT);
  if (l->ips)
    qsort (l->ips, l->nips, sizeof l->ips[0], by_text);
}

static struct addresses_look *
look_new (struct addresses *a, const struct origin *o, const struct all *all)
{
  struct addresses_look *l = addresses_look_new (all->n);

  if (!l || copy_paths (a, l) < 0)
    {
      addresses_look_free (l);
      return NULL;
    }
  l->owner = a;
  l->opener = a->env.opener;
  memcpy (l->uri, o->uri, sizeof l->uri);
  for (size_t i = 0; i < all->n; i++)
    want_of (a, l, all->list[i]);
  qsort (l->macs, l->nmacs, sizeof l->macs[0], by_text);
  copy_said (a, l);
  return l;
}

static void
look_begin (struct addresses *a, struct origin *o, const struct all *all)
{
  struct addresses_look *l;
  struct error err = ERROR_INIT;
  struct job_spec spec = {
    .name = "addresses of guests",
    .guest = "host",
    .lane = LANE_ADDRESSES,
    .part = o->uri[0] ? o->uri : "of the host",
    .timeout_ms = LOOK_MS,
    .run = addresses_look_run,
    .done = look_done,
    .free_arg = addresses_look_free,
    .owner = o,
  };

  if (o->busy || !(l = look_new (a, o, all)))
    return;
  spec.arg = l;
  if (job_start (a->env.jobs, &spec, &err) < 0)
    {
      snprintf (o->why, sizeof o->why, "%.150s", error_text (&err));
      addresses_look_free (l);
      return;
    }
  o->busy = true;
  o->began_ms = loop_now (a->env.loop);
  a->looks++;
}

/* The libvirts that guests come from; one that has none any more stays, which
 * costs nothing. */
static void
find_origins (struct addresses *a, const struct all *all)
{
  for (size_t i = 0; i < all->n; i++)
    {
      const struct guest *g = all->list[i];

      if (strcmp (g->source, "libvirt") == 0 && a->norigins < MAX_ORIGINS
          && !origin_of (a, g->host))
        guest_copy (a->origins[a->norigins++].uri, sizeof a->origins[0].uri,
                    g->host);
    }
}

static void
look (struct addresses *a)
{
  struct all all CLEANUP (all_done) = { .n = 0 };

  gather_all (a, &all);
  a->began_ms = loop_now (a->env.loop);
  /* Nobody there: the next one that comes is looked for. */
  a->look_ms = all.n ? a->began_ms + EVERY_MS : 0;
  find_origins (a, &all);
  for (unsigned i = 0; i < a->norigins && all.n; i++)
    look_begin (a, &a->origins[i], &all);
}

static void
tick (struct timer *t, void *arg)
{
  struct addresses *a = arg;

  if (a->stale)
    choose (a);
  if (a->look_ms && loop_now (a->env.loop) >= a->look_ms)
    look (a);
  arm (a);
}

/* ---- what others tell ---- */

static bool
same_nics (const struct guest *a, const struct guest *b)
{
  const char *x = label_of (a), *y = label_of (b);

  if (a->nnics != b->nnics || !x != !y || (x && strcmp (x, y) != 0)
      || (a->run == GUEST_OFF) != (b->run == GUEST_OFF))
    return false;
  for (unsigned i = 0; i < a->nnics; i++)
    if (strcmp (a->nics[i].mac, b->nics[i].mac) != 0
        || !same_address (&a->nics[i], &b->nics[i]))
      return false;
  return true;
}

static bool
lacks_one (const struct guest *g)
{
  for (unsigned i = 0; i < g->nnics; i++)
    if (!g->nics[i].ip[0] && !g->nics[i].refused[0])
      return true;
  return false;
}

void
addresses_guest (struct addresses *a, enum guest_change change,
                 const struct guest *was, const struct guest *now)
{
  if (!a || (was && now && change != GUEST_REPLACED && same_nics (was, now)))
    return;
  if (!now || change == GUEST_REPLACED)
    hearsay_forget (a->hearsay, now ? now->inc.uuid : was->inc.uuid);
  a->stale = true;
  if (now && now->run != GUEST_OFF && lacks_one (now)
      && (change != GUEST_CHANGED || (was && was->nnics != now->nnics)))
    look_soon (a, SOON_MS);
  else if (now && !a->look_ms && now->nnics)
    look_soon (a, EVERY_MS);
  arm (a);
}

void
addresses_want (struct addresses *a, const struct guest *g)
{
  if (!a)
    return;
  look_soon (a, 0);
  hearsay_want (a->hearsay, g);
}

static void
heard (void *arg)
{
  look_soon (arg, 0);
}

static void
free_paths (struct addresses *a)
{
  for (size_t i = 0; i < a->npaths; i++)
    free (a->paths[i]);
  free (a->paths);
  a->paths = NULL;
  a->npaths = 0;
}

void
addresses_no_leases (struct addresses *a)
{
  if (a)
    free_paths (a);
}

void
addresses_leases (const char *path, void *addresses)
{
  struct addresses *a = addresses;
  char **more = a ? realloc (a->paths, (a->npaths + 1) * sizeof (char *))
                  : NULL;

  if (!more)
    return;
  a->paths = more;
  if ((a->paths[a->npaths] = strdup (path)))
    a->npaths++;
}

void
addresses_dump (const struct addresses *a, struct buf *out)
{
  if (!a)
    return;
  buf_printf (out,
              "addresses: looks %llu, changes %llu, of the host %zu, agents "
              "asked %llu\n",
              (unsigned long long) a->looks, (unsigned long long) a->changes,
              a->nown, hearsay_questions (a->hearsay));
  for (unsigned i = 0; i < a->norigins; i++)
    {
      const struct origin *o = &a->origins[i];

      buf_printf (out, "  %s: claims %zu, dropped %llu%s",
                  o->uri[0] ? o->uri : "host", o->claims.n,
                  (unsigned long long) o->claims.dropped,
                  o->busy ? ", is looked at" : "");
      if (o->why[0])
        {
          buf_puts (out, ", ");
          text_escape (out, o->why, strlen (o->why), 0);
        }
      buf_putc (out, '\n');
    }
}

int
addresses_new (const struct addresses_env *env, struct addresses **ret,
               struct error *err)
{
  struct addresses *a = calloc (1, sizeof *a);
  struct hearsay_env hearsay;
  int r;

  if (!a)
    return error_set (err, ENOMEM, "no memory for addresses");
  a->env = *env;
  a->norigins = 1;
  hearsay = (struct hearsay_env){ .loop = env->loop,
                                  .jobs = env->jobs,
                                  .registry = env->registry,
                                  .ask = env->ask,
                                  .ask_arg = env->ask_arg,
                                  .heard = heard,
                                  .arg = a };
  r = loop_timer (env->loop, "addresses", tick, a, &a->timer, err);
  if (r >= 0)
    r = hearsay_new (&hearsay, &a->hearsay, err);
  if (r < 0)
    {
      addresses_free (a);
      return r;
    }
  *ret = a;
  return 0;
}

void
addresses_free (struct addresses *a)
{
  if (!a)
    return;
  timer_free (a->timer);
  hearsay_free (a->hearsay);
  for (unsigned i = 0; i < a->norigins; i++)
    address_claims_done (&a->origins[i].claims);
  free_paths (a);
  free (a->own);
  free (a->places);
  free (a);
}
