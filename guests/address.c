/* SPDX-License-Identifier: Apache-2.0
 *
 * Which address a guest has: who says what, who is believed, and what two of
 * them claim.
 *
 * Each nic has the claims of its mac in the order of belief; the best of each
 * family is its candidate.  Then all candidates stand in one list, by address:
 * what two guests have is taken from both.
 */
#include "guests/address.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *const address_from_names[] = {
  [ADDRESS_EVE] = "eve",     [ADDRESS_LABEL] = "label",
  [ADDRESS_LEASE] = "lease", [ADDRESS_NEIGHBOUR] = "neighbour",
  [ADDRESS_ARP] = "arp",     [ADDRESS_AGENT] = "agent",
  [ADDRESS_FROM_MAX] = NULL,
};

bool
address_of_source (const char *ip_from)
{
  return strcmp (ip_from, address_from_names[ADDRESS_EVE]) == 0;
}

/* ---- what an address looks like ---- */

static bool
may_have_four (const unsigned char b[4])
{
  /* 0/8, 127/8, groups and what is behind them, up to everybody. */
  return b[0] != 0 && b[0] != 127 && b[0] < 224;
}

static bool
may_have_six (const unsigned char b[16])
{
  static const unsigned char zero[16];

  /* The first 96 bits zero: nobody, loopback and IPv4 in old clothes; then
   * ::ffff:0:0/96, which is IPv4, too. */
  if (memcmp (b, zero, 12) == 0
      || (memcmp (b, zero, 10) == 0 && b[10] == 0xff && b[11] == 0xff))
    return false;
  /* Groups; link-local, which names nobody without its interface. */
  return b[0] != 0xff && !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

bool
address_is_six (const char *ip)
{
  return strchr (ip, ':') != NULL;
}

bool
address_clean (char dst[ADDRESS_TEXT], const char *text)
{
  unsigned char bin[16];
  char clean[INET6_ADDRSTRLEN];
  int family;

  if (!text)
    return false;
  family = address_is_six (text) ? AF_INET6 : AF_INET;
  if (inet_pton (family, text, bin) != 1
      || !(family == AF_INET ? may_have_four (bin) : may_have_six (bin))
      || !inet_ntop (family, bin, clean, sizeof clean))
    return false;
  guest_copy (dst, ADDRESS_TEXT, clean);
  return true;
}

bool
address_clean_mac (char dst[ADDRESS_MAC_TEXT], const char *text)
{
  char mac[ADDRESS_MAC_TEXT];
  bool any = false;

  if (!text || strlen (text) != ADDRESS_MAC_TEXT - 1)
    return false;
  for (unsigned i = 0; i < ADDRESS_MAC_TEXT; i++)
    {
      unsigned char c = (unsigned char) text[i];

      mac[i] = (char) tolower (c);
      if (i == ADDRESS_MAC_TEXT - 1)
        break;
      if (i % 3 == 2 ? c != ':' : !isxdigit (c))
        return false;
      any |= i % 3 != 2 && c != '0';
    }
  /* The lowest bit of the first byte is a group's. */
  if (!any || strchr ("13579bdf", mac[1]))
    return false;
  memcpy (dst, mac, sizeof mac);
  return true;
}

/* ---- claims ---- */

void
address_claim_add (struct address_claims *all,
                   const struct address_claim *claim)
{
  size_t cap = all->cap ? 2 * all->cap : 32;
  struct address_claim *list;

  if (all->n == all->cap)
    {
      list = cap <= ADDRESS_MAX_CLAIMS
                 ? reallocarray (all->list, cap, sizeof *list)
                 : NULL;
      if (!list)
        {
          all->dropped++;
          return;
        }
      all->list = list;
      all->cap = cap;
    }
  all->list[all->n++] = *claim;
}

void
address_claims_done (struct address_claims *all)
{
  free (all->list);
  *all = (struct address_claims){ .n = 0 };
}

/* By mac, and of one mac as they are believed; of two that are believed alike
 * what was seen last.  Of two leases the one that ends later: a guest renews
 * the one that it uses, and the other runs out.  The text at the end makes the
 * order the same each time: an address must not change to and fro. */
static int
by_belief (const void *a, const void *b)
{
  const struct address_claim *x = a, *y = b;
  int r = strcmp (x->mac, y->mac);

  if (r == 0)
    r = (int) x->from - (int) y->from;
  if (r == 0 && x->until_s != y->until_s)
    r = x->until_s > y->until_s ? -1 : 1;
  if (r == 0 && x->seen_ms != y->seen_ms)
    r = x->seen_ms > y->seen_ms ? -1 : 1;
  return r ? r : strcmp (x->ip, y->ip);
}

/* What says the same stands together, the latest first. */
static int
by_word (const void *a, const void *b)
{
  const struct address_claim *x = a, *y = b;
  int r = strcmp (x->mac, y->mac);

  if (r == 0)
    r = (int) x->from - (int) y->from;
  if (r == 0)
    r = strcmp (x->ip, y->ip);
  if (r == 0 && x->seen_ms != y->seen_ms)
    r = x->seen_ms > y->seen_ms ? -1 : 1;
  if (r == 0 && x->until_s != y->until_s)
    r = x->until_s > y->until_s ? -1 : 1;
  return r;
}

static bool
same_word (const struct address_claim *x, const struct address_claim *y)
{
  return x->from == y->from && strcmp (x->mac, y->mac) == 0
         && strcmp (x->ip, y->ip) == 0;
}

void
address_claims_tidy (struct address_claims *all, uint64_t now_ms)
{
  struct address_claim *list = all->list;
  size_t n = 0, of_mac = 0, kept = 0;

  if (all->n == 0)
    return;
  qsort (list, all->n, sizeof *list, by_word);
  for (size_t i = 0; i < all->n; i++)
    if ((n == 0 || !same_word (&list[n - 1], &list[i]))
        && (now_ms <= list[i].seen_ms
            || now_ms - list[i].seen_ms <= ADDRESS_KEPT_MS))
      list[n++] = list[i];
  /* A guest may claim as many as it likes: the first of them are enough. */
  qsort (list, n, sizeof *list, by_belief);
  for (size_t i = 0; i < n; i++)
    {
      of_mac = kept && strcmp (list[kept - 1].mac, list[i].mac) == 0
                   ? of_mac + 1
                   : 1;
      if (of_mac <= ADDRESS_MAX_OF_MAC)
        list[kept++] = list[i];
    }
  all->dropped += n - kept;
  all->n = kept;
}

static int
by_mac (const void *key, const void *claim)
{
  return strcmp (key, ((const struct address_claim *) claim)->mac);
}

/* The first claim of that mac. */
static const struct address_claim *
claims_of (const struct address_claims *all, const char *mac)
{
  const struct address_claim *c;

  if (!mac[0] || all->n == 0)
    return NULL;
  c = bsearch (mac, all->list, all->n, sizeof *c, by_mac);
  while (c && c > all->list && strcmp (c[-1].mac, mac) == 0)
    c--;
  return c;
}

/* ---- the choice ---- */

/* How much a word counts against another guest's. */
enum weight
{
  WEIGHT_SAID, /* by the guest itself */
  WEIGHT_OLD,  /* only overheard, and some time ago */
  WEIGHT_FULL,
};

struct candidate
{
  char ip[ADDRESS_TEXT];
  enum address_from from;
  size_t nic; /* number of it */
  unsigned guest;
  enum weight weight;
  bool taken; /* another's, too */
};

static bool
is_own (const char *ip, const char *const *own, size_t nown)
{
  for (size_t i = 0; i < nown; i++)
    if (strcmp (own[i], ip) == 0)
      return true;
  return false;
}

struct choosing
{
  struct address_nic *nics;
  struct candidate *list;
  size_t n;
  const char *const *own;
  size_t nown;
  uint64_t now_ms;
};

static enum weight
weigh (const struct choosing *ch, enum address_from from, uint64_t seen_ms)
{
  if (from == ADDRESS_AGENT)
    return WEIGHT_SAID;
  return from >= ADDRESS_NEIGHBOUR && ch->now_ms > seen_ms
                 && ch->now_ms - seen_ms > ADDRESS_OLD_MS
             ? WEIGHT_OLD
             : WEIGHT_FULL;
}

/* The best of each family: two candidates at most. */
static void
consider (struct choosing *ch, size_t nic, const char *ip,
          enum address_from from, uint64_t seen_ms, size_t first)
{
  bool host = is_own (ip, ch->own, ch->nown);
  struct candidate *c;

  /* What its source says comes again with each snapshot: that it is not to be
   * used has to be noted. */
  if (!ip[0] || (host && from != ADDRESS_EVE) || ch->n - first == 2
      || (ch->n > first
          && address_is_six (ch->list[first].ip) == address_is_six (ip)))
    return;
  c = &ch->list[ch->n];
  *c = (struct candidate){ .from = from,
                           .nic = nic,
                           .guest = ch->nics[nic].guest,
                           .weight = weigh (ch, from, seen_ms),
                           .taken = host };
  guest_copy (c->ip, sizeof c->ip, ip);
  ch->n++;
}

static void
candidates_of (struct choosing *ch, size_t i,
               const struct address_claims *claims)
{
  const struct guest_nic *nic = ch->nics[i].nic;
  const struct address_claim *c, *end;
  size_t first = ch->n;
  char ip[ADDRESS_TEXT], mac[ADDRESS_MAC_TEXT];

  if (address_of_source (nic->ip_from))
    {
      consider (ch, i, nic->ip[0] ? nic->ip : nic->refused, ADDRESS_EVE,
                ch->now_ms, first);
      /* Its source is asked for all of it. */
      return;
    }
  if (ch->nics[i].label && address_clean (ip, ch->nics[i].label))
    consider (ch, i, ip, ADDRESS_LABEL, ch->now_ms, first);
  if (!address_clean_mac (mac, nic->mac))
    return;
  if (!claims->n)
    return;
  end = claims->list + claims->n;
  for (c = claims_of (claims, mac); c && c < end && strcmp (c->mac, mac) == 0;
       c++)
    consider (ch, i, c->ip, c->from, c->seen_ms, first);
}

static int
by_address (const void *a, const void *b)
{
  const struct candidate *x = *(const struct candidate *const *) a;
  const struct candidate *y = *(const struct candidate *const *) b;

  return strcmp (x->ip, y->ip);
}

/* Those with one address, from..to: of several guests none has it, but what is
 * so now outweighs what was once overheard, and either what a guest says. */
static void
judge_equal (struct candidate **from, struct candidate **to)
{
  const struct candidate *best = *from;
  bool several = false;

  for (struct candidate **p = from; p < to; p++)
    if ((*p)->weight > best->weight)
      best = *p;
  for (struct candidate **p = from; p < to; p++)
    several |= (*p)->weight == best->weight && (*p)->guest != best->guest;
  for (struct candidate **p = from; p < to; p++)
    (*p)->taken |= several || (*p)->guest != best->guest;
}

/* ---- what others were seen at ---- */

/* Who has a mac. */
struct owner
{
  char mac[ADDRESS_MAC_TEXT];
  unsigned guest;
};

static int
by_owner (const void *a, const void *b)
{
  const struct owner *x = a, *y = b;
  int r = strcmp (x->mac, y->mac);

  if (r == 0 && x->guest != y->guest)
    r = x->guest < y->guest ? -1 : 1;
  return r;
}

static int
by_owner_mac (const void *key, const void *owner)
{
  return strcmp (key, ((const struct owner *) owner)->mac);
}

static size_t
find_owners (const struct choosing *ch, size_t nnics, struct owner *ret)
{
  size_t n = 0;

  for (size_t i = 0; i < nnics; i++)
    if (address_clean_mac (ret[n].mac, ch->nics[i].nic->mac))
      ret[n++].guest = ch->nics[i].guest;
  qsort (ret, n, sizeof *ret, by_owner);
  return n;
}

static int
by_ip (const void *key, const void *candidate)
{
  return strcmp (key, (*(struct candidate *const *) candidate)->ip);
}

/* The host has talked to that mac there: whoever else has the address must not
 * be asked at it, for that one would answer.  Against what a guest says itself
 * stands whatever is known, also of those who are no guests. */
static void
judge_seen (const struct address_claim *seen, bool fresh,
            struct candidate **sorted, size_t n, const struct owner *owners,
            size_t nowners)
{
  struct candidate **p = bsearch (seen->ip, sorted, n, sizeof *p, by_ip);

  if (!p)
    return;
  fresh = fresh
          && bsearch (seen->mac, owners, nowners, sizeof *owners, by_owner_mac);
  while (p > sorted && strcmp (p[-1]->ip, seen->ip) == 0)
    p--;
  for (; p < sorted + n && strcmp ((*p)->ip, seen->ip) == 0; p++)
    {
      struct owner its = { .guest = (*p)->guest };

      memcpy (its.mac, seen->mac, sizeof its.mac);
      if (fresh || (*p)->weight == WEIGHT_SAID)
        (*p)->taken
            |= !bsearch (&its, owners, nowners, sizeof its, by_owner);
    }
}

static void
judge_all (const struct choosing *ch, size_t nnics,
           const struct address_claims *claims)
{
  struct candidate *list = ch->list;
  size_t n = ch->n, nowners;
  struct candidate **sorted CLEANUP_FREE = calloc (n + 1, sizeof *sorted);
  struct owner *owners CLEANUP_FREE = calloc (nnics + 1, sizeof *owners);

  /* Not to know whether it is somebody else's is no reason to ask there. */
  for (size_t i = 0; i < n && !(sorted && owners); i++)
    list[i].taken = true;
  if (!sorted || !owners || n == 0)
    return;
  for (size_t i = 0; i < n; i++)
    sorted[i] = &list[i];
  qsort (sorted, n, sizeof (*sorted), by_address);
  nowners = find_owners (ch, nnics, owners);
  for (size_t i = 0; i < claims->n; i++)
    {
      const struct address_claim *c = &claims->list[i];

      if (c->from != ADDRESS_AGENT)
        judge_seen (c,
                    c->from >= ADDRESS_NEIGHBOUR
                        && weigh (ch, c->from, c->seen_ms) == WEIGHT_FULL,
                    sorted, n, owners, nowners);
    }
  for (size_t i = 0, to; i < n; i = to)
    {
      for (to = i + 1; to < n && strcmp (sorted[to]->ip, sorted[i]->ip) == 0;)
        to++;
      judge_equal (sorted + i, sorted + to);
    }
}

static void
say (struct guest_nic *nic, const struct candidate *c)
{
  const char *from = address_from_names[c->from];

  if (c->taken)
    {
      if (!nic->refused[0])
        guest_copy (nic->refused, sizeof nic->refused, c->ip);
      if (!nic->ip[0])
        guest_copy (nic->ip_from, sizeof nic->ip_from, from);
      return;
    }
  if (nic->ip[0])
    {
      guest_copy (nic->ip2, sizeof nic->ip2, c->ip);
      return;
    }
  guest_copy (nic->ip, sizeof nic->ip, c->ip);
  guest_copy (nic->ip_from, sizeof nic->ip_from, from);
}

/* The lease of the address that it has, else the best one.  One that is not
 * listed any more stays as it was last seen: that it ran out is worth to be
 * known. */
static void
note_lease (struct guest_nic *nic, const struct address_claims *claims)
{
  const struct address_claim *c = NULL, *best = NULL;
  char mac[ADDRESS_MAC_TEXT];

  if (address_clean_mac (mac, nic->mac))
    c = claims_of (claims, mac);
  for (; c && c < claims->list + claims->n && strcmp (c->mac, mac) == 0; c++)
    if (c->from == ADDRESS_LEASE
        && (!best
            || (strcmp (c->ip, nic->ip) == 0
                && strcmp (best->ip, nic->ip) != 0)))
      best = c;
  nic->lease_gone = !best && nic->lease[0];
  if (!best)
    return;
  guest_copy (nic->lease, sizeof nic->lease, best->ip);
  nic->lease_until_s = best->until_s;
}

void
address_choose (struct address_nic *nics, size_t n,
                struct address_claims *claims, const char *const *own,
                size_t nown, uint64_t now_ms)
{
  struct choosing ch = { nics, NULL, 0, own, nown, now_ms };
  struct candidate *list CLEANUP_FREE = calloc (2 * n + 1, sizeof *list);
  char second[ADDRESS_TEXT];

  if (!list)
    return;
  ch.list = list;
  if (claims->n)
    qsort (claims->list, claims->n, sizeof *claims->list, by_belief);
  for (size_t i = 0; i < n; i++)
    candidates_of (&ch, i, claims);
  judge_all (&ch, n, claims);
  for (size_t i = 0; i < n; i++)
    {
      struct guest_nic *nic = nics[i].nic;
      bool source = address_of_source (nic->ip_from);

      /* A source's second one is shown as it says it. */
      guest_copy (second, sizeof second, source ? nic->ip2 : "");
      nic->ip[0] = nic->ip_from[0] = nic->refused[0] = '\0';
      guest_copy (nic->ip2, sizeof nic->ip2, second);
      if (source)
        guest_copy (nic->ip_from, sizeof nic->ip_from,
                    address_from_names[ADDRESS_EVE]);
    }
  for (size_t i = 0; i < ch.n; i++)
    say (nics[list[i].nic].nic, &list[i]);
  for (size_t i = 0; i < n; i++)
    note_lease (nics[i].nic, claims);
}

/* ---- snapshots ---- */

static void
copy_lease (struct guest_nic *dst, const struct guest_nic *src)
{
  guest_copy (dst->lease, sizeof dst->lease, src->lease);
  dst->lease_until_s = src->lease_until_s;
  dst->lease_gone = src->lease_gone;
}

void
address_copy (struct guest_nic *dst, const struct guest_nic *src)
{
  guest_copy (dst->ip, sizeof dst->ip, src->ip);
  guest_copy (dst->ip2, sizeof dst->ip2, src->ip2);
  guest_copy (dst->ip_from, sizeof dst->ip_from, src->ip_from);
  guest_copy (dst->refused, sizeof dst->refused, src->refused);
  copy_lease (dst, src);
}

static const struct guest_nic *
nic_like (const struct guest_nic *nics, unsigned n,
          const struct guest_nic *like)
{
  for (unsigned i = 0; i < n; i++)
    if (like->mac[0]
            ? strcasecmp (nics[i].mac, like->mac) == 0
            : like->ifname[0] && strcmp (nics[i].ifname, like->ifname) == 0)
      return &nics[i];
  return NULL;
}

void
address_put (struct guest *g, const struct guest_nic *nics, unsigned n)
{
  for (unsigned i = 0; i < g->nnics; i++)
    {
      const struct guest_nic *found = nic_like (nics, n, &g->nics[i]);

      if (found)
        address_copy (&g->nics[i], found);
    }
}

void
address_follow (const struct guest *was, struct guest *g)
{
  for (unsigned i = 0; i < g->nnics; i++)
    {
      struct guest_nic *nic = &g->nics[i];
      const struct guest_nic *old = nic_like (was->nics, was->nnics, nic);

      if (!old)
        continue;
      copy_lease (nic, old);
      if (!address_of_source (nic->ip_from))
        {
          if (!address_of_source (old->ip_from))
            address_copy (nic, old);
        }
      else if (old->refused[0] && strcmp (nic->ip, old->refused) == 0)
        {
          /* It is still not known to be its own. */
          guest_copy (nic->refused, sizeof nic->refused, nic->ip);
          nic->ip[0] = '\0';
        }
    }
}
