/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector net: does the guest's network answer, and do its packets move?
 *
 * Parameters: {"address": "192.0.2.7:22", "expect": "SSH-"}; without an
 * address the guest's own with port 22.  A refusal comes from a living
 * kernel.  On an address of this host a connection alone is a forwarder's doing
 * and is told as "forwarded".
 *
 * The tap's counters are seen from the host: its rx is what the guest sent.
 * tx_dropped rises when the guest takes no packets off its queue, which
 * happens when its kernel no longer runs the driver.
 */
#include "diag/collect/collect.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/net/tcp.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_MS 3000

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
  int64_t sent = 0, dropped = 0;
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

      if (!was[i].good)
        continue;
      sample (g->nics[i].ifname, &now[i]);
      if (!now[i].good)
        continue;
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
  collect_int (ctx, "net.guest_sent", "tap", sent);
  collect_int (ctx, "net.not_taken", "tap", dropped);
}

/* "192.0.2.7:22", "[2001:db8::1]:22" */
static void
host_of (const char *address, char *dst, size_t n)
{
  bool six = *address == '[';
  size_t len = strcspn (address + six, six ? "]" : ":");

  snprintf (dst, n, "%.*s", (int) len, address + six);
}

/* An address of this host: who answers there is no guest, but at most what
 * forwards to one.  (Guests behind user networking all have 10.0.2.15, which
 * a host that is a guest itself may have, too.) */
static bool
is_ours (const char *address)
{
  struct ifaddrs *list = NULL;
  char host[INET6_ADDRSTRLEN], own[INET6_ADDRSTRLEN];
  bool ours;

  host_of (address, host, sizeof host);
  ours = strncmp (host, "127.", 4) == 0;
  if (ours || getifaddrs (&list) < 0)
    return ours;
  for (struct ifaddrs *i = list; i && !ours; i = i->ifa_next)
    {
      int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
      const void *in
          = family == AF_INET
                ? (const void *) &((struct sockaddr_in *) i->ifa_addr)->sin_addr
                : (const void *) &((struct sockaddr_in6 *) i->ifa_addr)
                      ->sin6_addr;

      ours = (family == AF_INET || family == AF_INET6)
             && inet_ntop (family, in, own, sizeof own)
             && strcmp (own, host) == 0;
    }
  freeifaddrs (list);
  return ours;
}

static const char *
answer_of (int rc, bool ours, const char *expect)
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
      return "mismatch";
    default:
      return NULL;
    }
}

static const char *
address_of (struct collect_ctx *ctx, char *dst, size_t n)
{
  const char *given = collect_param (ctx, "address");
  const struct guest *g = ctx->guest;

  if (given)
    return given;
  for (unsigned i = 0; i < g->nnics; i++)
    if (g->nics[i].ip[0])
      {
        bool six = strchr (g->nics[i].ip, ':') != NULL;

        snprintf (dst, n, "%s%s%s:22", six ? "[" : "", g->nics[i].ip,
                  six ? "]" : "");
        return dst;
      }
  return NULL;
}

static void
connect_it (struct collect_ctx *ctx, struct json_object *doc)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1024);
  struct tcp_result result = { .answer = &text };
  struct error why = ERROR_INIT;
  struct tcp_check check = { .expect = collect_param (ctx, "expect") };
  struct json_object *o;
  const char *answer;
  char own[64];
  int rc;

  check.address = address_of (ctx, own, sizeof own);
  if (!check.address)
    {
      ctx->out->gap (ctx->out, "net/answer",
                     "the guest's address is not known; give the playbook "
                     "step an \"address\"");
      return;
    }
  rc = tcp_check (&check, collect_until (ctx, CONNECT_MS), &result, &why);
  answer = answer_of (rc, is_ours (check.address), check.expect);
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
  collect_str (ctx, "net.answer", "tcp", answer);
  if (rc >= 0)
    collect_int (ctx, "net.connect_ms", "tcp", (int64_t) result.connect_ms);
}

static int
run (struct collect_ctx *ctx, struct error *err)
{
  CLEANUP_JSON struct json_object *doc = json_object_new_object ();
  struct json_object *taps_doc = json_object_new_object ();

  json_object_object_add (doc, "taps", taps_doc);
  connect_it (ctx, doc);
  taps (ctx, taps_doc);
  collect_json (ctx, "net/net.json", doc);
  return 0;
}

const struct collector collect_net = {
  .name = "net",
  .summary = "a connection to the guest, and its interface's counters twice",
  .touch = TOUCH_NETWORK,
  .lane = "net",
  .budget_ms = 6000,
  .bytes = 2048,
  .run = run,
};
