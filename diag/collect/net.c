/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector net: does the guest's network answer, and do its packets move?
 *
 * Without an address it asks where scenarios of the guest ask, or else the
 * guest's own with port 22.  A refusal comes from a living kernel.  On an
 * address of this host a connection alone is a forwarder's doing and is told
 * as "forwarded".
 *
 * The tap's counters are seen from the host: its rx is what the guest sent.
 * tx_dropped rises when the guest takes no packets off its queue, which
 * happens when its kernel no longer runs the driver.
 */
#include "diag/collect/net_ask.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 3000

struct net_own
{
  char *address, *netns, *send, *expect;
  uint64_t capture_ms;
};

static const struct json_field fields[] = {
  { .name = "address",
    .kind = JSON_STRING,
    .offset = offsetof (struct net_own, address),
    .min = 1,
    .max = 64,
    .help = "\"IP:PORT\"; default where scenarios of the guest ask" },
  { .name = "netns",
    .kind = JSON_STRING,
    .offset = offsetof (struct net_own, netns),
    .min = 1,
    .max = 255,
    .help = "with address: the network namespace, as in a scenario" },
  { .name = "send",
    .kind = JSON_STRING,
    .offset = offsetof (struct net_own, send),
    .min = 1,
    .max = 1024,
    .help = "with address: what is said there" },
  { .name = "expect",
    .kind = JSON_STRING,
    .offset = offsetof (struct net_own, expect),
    .min = 1,
    .max = 255,
    .help = "with address: a regular expression of what must come" },
  { .name = "capture",
    .kind = JSON_DURATION,
    .offset = offsetof (struct net_own, capture_ms),
    .min = 0,
    .max = 60000,
    .help = "for so long the headers of packets on the guest's tap are kept; "
            "default none" },
  { .name = NULL },
};

/* Where is asked, and what. */
struct place
{
  const char *address, *netns, *send, *expect;
  char own[64];
};

static const char *const counters[] = {
  "rx_packets", "rx_bytes",   "rx_dropped", "tx_packets",
  "tx_bytes",   "tx_dropped", "tx_errors",
};
enum
{
  RX_PACKETS = 0,
  TX_PACKETS = 3,
  TX_DROPPED = 5,
  NCOUNTERS = 7,
};

struct tap_sample
{
  bool good;
  int64_t v[NCOUNTERS];
};

static bool
ifname_ok (const char *name)
{
  return name[0] && name[0] != '.' && strlen (name) < 32
         && !strchr (name, '/');
}

static void
sample (const char *ifname, struct tap_sample *s)
{
  for (size_t i = 0; i < NCOUNTERS; i++)
    {
      struct buf text CLEANUP_BUF = BUF_INIT (64);
      char path[120];

      snprintf (path, sizeof path, "/sys/class/net/%s/statistics/%s", ifname,
                counters[i]);
      if (collect_slurp (path, &text, NULL) < 0)
        return;
      s->v[i] = strtoll (buf_str (&text), NULL, 10);
    }
  s->good = true;
}

static struct json_object *
sample_json (const struct tap_sample *s)
{
  struct json_object *o = json_object_new_object ();

  for (size_t i = 0; i < NCOUNTERS; i++)
    json_add_int (o, counters[i], s->v[i]);
  return o;
}

static void
taps (struct collect_ctx *ctx, struct json_object *doc)
{
  struct tap_sample was[GUEST_MAX_NICS] = { 0 }, now[GUEST_MAX_NICS] = { 0 };
  const struct guest *g = ctx->guest;
  const struct guest_nic *missing = NULL;
  int64_t sent = 0, dropped = 0;
  unsigned nmissing = 0;
  bool any = false;

  for (unsigned i = 0; i < g->nnics; i++)
    if (ifname_ok (g->nics[i].ifname))
      sample (g->nics[i].ifname, &was[i]);
  if (!collect_pause (ctx, COLLECT_APART_MS))
    {
      ctx->out->gap (ctx->out, "net/taps", "the budget ended");
      return;
    }
  for (unsigned i = 0; i < g->nnics; i++)
    {
      struct json_object *o;

      if (was[i].good)
        sample (g->nics[i].ifname, &now[i]);
      if (!now[i].good)
        {
          nmissing++;
          missing = missing ? missing : &g->nics[i];
          continue;
        }
      o = json_object_new_object ();
      json_object_object_add (o, "first", sample_json (&was[i]));
      json_object_object_add (o, "second", sample_json (&now[i]));
      json_object_object_add (doc, g->nics[i].ifname, o);
      sent += now[i].v[RX_PACKETS] - was[i].v[RX_PACKETS];
      dropped += now[i].v[TX_DROPPED] - was[i].v[TX_DROPPED];
      any = true;
    }
  if (!any)
    {
      ctx->out->gap (ctx->out, "net/taps",
                     "the guest has no network interface on this host");
      return;
    }
  if (missing)
    ctx->out->gap (ctx->out, "net/taps",
                   "%u of its %u interfaces have no counters on this host: "
                   "the first is %s", nmissing, g->nnics,
                   missing->ifname[0] ? missing->ifname : missing->mac);
  collect_int (ctx, "net.guest_sent", "host", sent);
  collect_int (ctx, "net.not_taken", "host", dropped);
}

/* "192.0.2.7:22", "[2001:db8::1]:22" */
static void
host_of (const char *address, char *dst, size_t n)
{
  bool six = *address == '[';
  size_t len = strcspn (address + six, six ? "]" : ":");

  snprintf (dst, n, "%.*s", (int) len, address + six);
}

enum where
{
  BEYOND,  /* a router of ours, or what is behind it, may answer for it */
  ON_LINK, /* in a network of this host */
  OURS,    /* this host itself: at most what forwards to a guest.  (Guests
              behind user networking all have 10.0.2.15, which a host that is
              a guest itself may have, too.) */
};

static enum where
seen_from (const struct ifaddrs *i, int family, const unsigned char *addr,
           size_t len)
{
  const unsigned char *own, *mask;
  bool same = true, link = true;

  if (!i->ifa_addr || !i->ifa_netmask || i->ifa_addr->sa_family != family)
    return BEYOND;
  if (family == AF_INET)
    {
      own = (void *) &((struct sockaddr_in *) i->ifa_addr)->sin_addr;
      mask = (void *) &((struct sockaddr_in *) i->ifa_netmask)->sin_addr;
    }
  else
    {
      own = (void *) &((struct sockaddr_in6 *) i->ifa_addr)->sin6_addr;
      mask = (void *) &((struct sockaddr_in6 *) i->ifa_netmask)->sin6_addr;
    }
  for (size_t k = 0; k < len; k++)
    {
      same = same && own[k] == addr[k];
      link = link && !((own[k] ^ addr[k]) & mask[k]);
    }
  return same ? OURS : link ? ON_LINK : BEYOND;
}

static enum where
where_is (const char *address)
{
  struct ifaddrs *list = NULL;
  unsigned char addr[sizeof (struct in6_addr)];
  char host[INET6_ADDRSTRLEN];
  int family = *address == '[' ? AF_INET6 : AF_INET;
  enum where best = BEYOND;

  host_of (address, host, sizeof host);
  if (inet_pton (family, host, addr) != 1)
    return BEYOND;
  /* Also where no interface has it: IPv6 may be switched off. */
  if (family == AF_INET ? addr[0] == 127
                        : memcmp (addr, &in6addr_loopback, sizeof addr) == 0)
    return OURS;
  if (getifaddrs (&list) < 0)
    return BEYOND;
  for (struct ifaddrs *i = list; i; i = i->ifa_next)
    {
      enum where w
          = seen_from (i, family, addr, family == AF_INET ? 4 : sizeof addr);

      best = w > best ? w : best;
    }
  freeifaddrs (list);
  return best;
}

static const char *
answer_of (int rc, bool ours, const char *expect, bool said)
{
  switch (rc)
    {
    case 0:
      return ours && !expect ? "forwarded" : "open";
    case -ECONNREFUSED:
      return ours ? "no-forwarder" : "refused";
    case -ECONNRESET:
    case -EPIPE:
      return "reset";
    case -ETIMEDOUT:
      return "timeout";
    case -EHOSTUNREACH:
      return "unreachable";
    case -ENOMSG:
    case -E2BIG:
      /* Ended without a word. */
      if (!said)
        return ours ? "forwarded" : "reset";
      return "mismatch";
    default:
      return NULL;
    }
}

/* What is known of who answers there is worth most: a connection may be taken
 * by who stands in between.  Then the scenario that failed. */
struct json_object *
collect_best_address (struct json_object *hints, const char *scenario)
{
  struct json_object *list = json_get (hints, "addresses");
  struct json_object *best = NULL;
  int most = -1;

  for (size_t i = 0; list && i < json_object_array_length (list); i++)
    {
      struct json_object *hint = json_object_array_get_idx (list, i);
      const char *of = json_get_str (hint, "scenario");
      int worth = json_get_str (hint, "expect") ? 2 : 0;

      worth += of && scenario && strcmp (of, scenario) == 0;
      if (worth > most)
        {
          best = hint;
          most = worth;
        }
    }
  return best;
}

static void
own_address (const struct guest *g, struct place *ret)
{
  for (unsigned i = 0; i < g->nnics && !ret->address; i++)
    if (g->nics[i].ip[0])
      {
        bool six = strchr (g->nics[i].ip, ':') != NULL;

        snprintf (ret->own, sizeof ret->own, "%s%s%s:22", six ? "[" : "",
                  g->nics[i].ip, six ? "]" : "");
        ret->address = ret->own;
      }
}

static void
place_of (const struct collect_ctx *ctx, struct place *ret)
{
  const struct net_own *own = ctx->own;
  struct json_object *hint;

  if (own && own->address)
    *ret = (struct place){ own->address, own->netns, own->send,
                           own->expect, "" };
  else if ((hint = collect_best_address (ctx->hints, ctx->scenario)))
    *ret = (struct place){ json_get_str (hint, "address"),
                           json_get_str (hint, "netns"),
                           json_get_str (hint, "send"),
                           json_get_str (hint, "expect"), "" };
  else
    own_address (ctx->guest, ret);
}

static void
connect_it (struct collect_ctx *ctx, struct json_object *doc)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1024);
  struct tcp_result result = { .answer = &text };
  struct error why = ERROR_INIT;
  struct place asked = { .address = NULL };
  struct tcp_check check;
  struct net_place place;
  struct json_object *o;
  const char *answer;
  enum where where;
  int rc;

  place_of (ctx, &asked);
  if (!asked.address)
    {
      ctx->out->gap (ctx->out, "net/answer",
                     "the guest's address is not known; give the playbook "
                     "step an \"address\"");
      return;
    }
  place = net_place (ctx->env->opener, asked.netns, ctx->guest);
  check = (struct tcp_check){ .address = asked.address,
                              .send = asked.send,
                              .expect = asked.expect,
                              .at = &place };
  /* What is this host's own is seen from its own namespace. */
  where = asked.netns ? ON_LINK : where_is (check.address);
  if (where == BEYOND && check.address == asked.own)
    {
      /* Nobody has named it; a proxy on the way might answer in its place. */
      ctx->out->gap (ctx->out, "net/answer",
                     "%s is not in a network of this host; give the playbook "
                     "step an \"address\" if it can be reached",
                     asked.own);
      return;
    }
  rc = tcp_check (&check, collect_until (ctx, CONNECT_MS), &result, &why);
  answer = answer_of (rc, where == OURS, check.expect, text.len > 0);
  if (!answer)
    {
      ctx->out->gap (ctx->out, "net/answer", "%s", error_text (&why));
      return;
    }
  ctx->out->impact (ctx->out, "connected to %s", check.address);
  o = json_object_new_object ();
  json_add_text (o, "address", check.address, strlen (check.address));
  json_add_str (o, "answer", answer);
  if (rc >= 0)
    json_add_int (o, "connect_ms", (int64_t) result.connect_ms);
  else
    json_add_text (o, "error", why.msg, strlen (why.msg));
  json_add_text (o, "text", buf_str (&text), text.len);
  json_object_object_add (doc, "tcp", o);
  collect_str (ctx, "net.answer", "net", answer);
  if (rc >= 0)
    collect_int (ctx, "net.connect_ms", "net", (int64_t) result.connect_ms);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct json_object *taps_doc = json_object_new_object ();
  struct json_object *links = json_object_new_object ();
  const struct net_own *own = ctx->own;
  struct net_place place = net_place (ctx->env->opener,
                                      own ? own->netns : NULL, ctx->guest);

  json_object_object_add (doc, "taps", taps_doc);
  json_object_object_add (doc, "links", links);
  collect_links (ctx, "/sys", links);
  connect_it (ctx, doc);
  taps (ctx, taps_doc);
  net_ask_below (ctx, &place, doc);
  if (own && own->capture_ms)
    net_capture (ctx, &place, own->capture_ms);
  collect_json (ctx, "net/net.json", doc);
  return 0;
}

/* Where its scenarios connect is not known here. */
static void
plan (const struct guest *g, const void *arg, struct collect_plan *ret)
{
  const struct net_own *own = arg;
  const char *ip = NULL;

  for (unsigned i = 0; i < g->nnics && !ip; i++)
    if (g->nics[i].ip[0])
      ip = g->nics[i].ip;
  if (ip)
    snprintf (ret->acts[1], sizeof ret->acts[1],
              "asks by ARP who has %s, and sends it two ICMP echo requests",
              ip);
  if (own && own->capture_ms)
    {
      ret->ms += own->capture_ms;
      snprintf (ret->acts[2], sizeof ret->acts[2],
                "notes the headers of packets on its tap for %u s",
                (unsigned) (own->capture_ms / 1000));
    }
  if (own && own->address)
    {
      snprintf (ret->acts[0], sizeof ret->acts[0],
                "connects by TCP to %.64s once%s", own->address,
                own->send ? ", and sends what the step says" : "");
      return;
    }
  if (ip)
    snprintf (ret->acts[0], sizeof ret->acts[0],
              "connects by TCP once: as a scenario of the guest does, else to "
              "%s port 22",
              ip);
  else
    snprintf (ret->acts[0], sizeof ret->acts[0],
              "connects by TCP once, as a scenario of the guest does, if one "
              "does");
}

const struct collector collect_net = {
  .name = "net",
  .summary = "a connection, ARP and echo to the guest; its links, twice",
  .touch = TOUCH_NETWORK,
  .lane = LANE_NET,
  .budget_ms = 9000,
  .bytes = 4096,
  .fields = fields,
  .own_size = sizeof (struct net_own),
  .plan = plan,
  .run = run,
};
