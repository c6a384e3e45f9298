/* SPDX-License-Identifier: Apache-2.0
 *
 * For the collector net: what answers below a connection (ARP by the driver's
 * own kernel, ICMP echo by its network), how the guest's links are, and a
 * record of the headers that pass on one.
 */
#include "diag/collect/net_ask.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/le.h"
#include "transports/net/arp.h"
#include "transports/net/icmp.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define ARP_MS 1500
#define ECHO_MS 1500
#define MAX_BYTES (256u << 10)
#define PCAP_SNAP 96

/* ---- questions ---- */

static const struct guest_nic *
nic_with_address (const struct guest *g)
{
  for (unsigned i = 0; i < g->nnics; i++)
    if (g->nics[i].ip[0] && !g->nics[i].refused[0])
      return &g->nics[i];
  return NULL;
}

static void
ask_arp (struct collect_ctx *ctx, const struct net_place *place,
         const struct guest_nic *nic, struct json_object *doc)
{
  const struct arp_check check = {
    .at = place,
    /* A port of a bridge hears only what the guest sends; who asks on the
     * bridge is heard by the guest. */
    .ifname = nic->bridge[0] ? nic->bridge : nic->ifname,
    .address = nic->ip,
    .guest = ctx->guest,
  };
  struct arp_result got = { .own = false };
  struct error why = ERROR_INIT;
  const char *word;
  int rc;

  if (!check.ifname[0] || strchr (nic->ip, ':'))
    return;
  rc = arp_ask (&check, collect_until (ctx, ARP_MS), &got, &why);
  /* That there is no tap of it here is said of its taps. */
  if (rc == -ENODEV && json_object_object_length (json_get (doc, "taps")) == 0)
    return;
  if (rc < 0)
    {
      ctx->out->gap (ctx->out, "net/arp", "%s", error_text (&why));
      return;
    }
  ctx->out->impact (ctx->out, "asked by ARP who has %s on %s", nic->ip,
                    check.ifname);
  word = got.own ? "answers" : got.foreign ? "another" : "none";
  json_add_str (doc, "arp", word);
  if (got.foreign)
    json_add_str (doc, "arp_other", got.foreign_mac);
  collect_str (ctx, "net.arp", "net", word);
}

static void
ask_echo (struct collect_ctx *ctx, const struct net_place *place,
          const struct guest_nic *nic, struct json_object *doc)
{
  const struct icmp_check check = { .at = place, .address = nic->ip,
                                    .count = 2, .interval_ms = 200,
                                    .wait_ms = 1000, .bytes = 32 };
  struct icmp_result got = { .sent = 0 };
  struct error why = ERROR_INIT;
  const char *word;

  if (icmp_ask (&check, collect_until (ctx, ECHO_MS), &got, &why) < 0)
    {
      ctx->out->gap (ctx->out, "net/echo", "%s", error_text (&why));
      return;
    }
  ctx->out->impact (ctx->out, "%u ICMP echo requests to %s", got.sent,
                    nic->ip);
  word = got.received ? "answers" : got.refused ? "refused" : "none";
  json_add_str (doc, "echo", word);
  json_add_int (doc, "echo_us", (int64_t) got.mean_us);
  collect_str (ctx, "net.echo", "net", word);
}

/* Of the nic whose address is asked for, else of the first that has one. */
static void
tell_lease (struct collect_ctx *ctx, const struct guest_nic *nic,
            struct json_object *doc)
{
  struct json_object *o;
  const char *word;
  char until[40];
  int64_t left;

  for (unsigned i = 0; !nic && i < ctx->guest->nnics; i++)
    if (ctx->guest->nics[i].lease[0])
      nic = &ctx->guest->nics[i];
  if (!nic || !nic->lease[0])
    return;
  o = json_object_new_object ();
  json_add_str (o, "address", nic->lease);
  word = nic->lease_gone ? "gone" : "runs";
  if (nic->lease_until_s != LEASE_FOR_EVER
      && nic->lease_until_s <= INT64_MAX / 1000)
    {
      left = (int64_t) nic->lease_until_s
             - (int64_t) (clock_wall_ms () / 1000);
      word = left < 0 ? "ran-out" : word;
      json_add_str (o, "until",
                    clock_format (until, sizeof until,
                                  nic->lease_until_s * 1000));
      collect_int (ctx, "net.lease_left_s", "host", left);
    }
  json_add_str (o, "is", word);
  json_object_object_add (doc, "lease", o);
  collect_str (ctx, "net.lease", "host", word);
}

void
net_ask_below (struct collect_ctx *ctx, const struct net_place *place,
               struct json_object *doc)
{
  const struct guest_nic *nic = nic_with_address (ctx->guest);

  tell_lease (ctx, nic, doc);
  if (!nic)
    {
      ctx->out->gap (ctx->out, "net/arp", "the guest's address is not known");
      return;
    }
  /* A lease, a neighbour, or the hypervisor's own word. */
  json_add_str (doc, "address", nic->ip);
  json_add_str (doc, "address_from", nic->ip_from);
  if (nic->ip_from[0])
    collect_str (ctx, "net.address_from", "host", nic->ip_from);
  ask_arp (ctx, place, nic, doc);
  if (!collect_over (ctx))
    ask_echo (ctx, place, nic, doc);
}

/* ---- headers ---- */

static size_t
transport_len (unsigned proto, const unsigned char *p, size_t left)
{
  switch (proto)
    {
    case IPPROTO_TCP:
      return left >= 13 ? (size_t) (p[12] >> 4) * 4 : left;
    case IPPROTO_UDP:
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return 8;
    default:
      return 0;
    }
}

size_t
net_headers_len (const unsigned char *frame, size_t n)
{
  size_t at = ETH_HLEN, need, header;
  unsigned type, proto;

  if (n < ETH_HLEN)
    return n;
  type = be_get16 (frame + 12);
  if (type == ETH_P_8021Q && n >= at + 4)
    {
      type = be_get16 (frame + at + 2);
      at += 4;
    }
  if (type == ETH_P_ARP)
    return n < at + 28 ? n : at + 28;
  if (type == ETH_P_IP && n >= at + 20)
    {
      header = (size_t) (frame[at] & 0xf) * 4;
      proto = frame[at + 9];
      /* Of a later fragment what follows is payload. */
      if (be_get16 (frame + at + 6) & 0x1fff)
        proto = IPPROTO_RAW;
    }
  else if (type == ETH_P_IPV6 && n >= at + 40)
    {
      header = 40;
      proto = frame[at + 6];
    }
  else
    return at < n ? at : n;
  at += header;
  if (at >= n)
    return n;
  need = at + transport_len (proto, frame + at, n - at);
  return need < n ? need : n;
}

static void
put_header (struct buf *out)
{
  unsigned char h[24] = { 0 };

  le_put32 (h, 0xa1b2c3d4);
  le_put16 (h + 4, 2);
  le_put16 (h + 6, 4);
  le_put32 (h + 16, PCAP_SNAP);
  le_put32 (h + 20, 1); /* Ethernet */
  buf_append (out, h, sizeof h);
}

static void
put_frame (struct buf *out, const unsigned char *frame, size_t have,
           size_t all)
{
  unsigned char h[16];
  uint64_t now = clock_wall_ms ();
  size_t keep = net_headers_len (frame, have);

  le_put32 (h, (uint32_t) (now / 1000));
  le_put32 (h + 4, (uint32_t) (now % 1000 * 1000));
  le_put32 (h + 8, (uint32_t) keep);
  le_put32 (h + 12, (uint32_t) all);
  buf_append (out, h, sizeof h);
  buf_append (out, frame, keep);
}

/* How many bytes came of a frame, and how long it was: the filter that lets us
 * hear headers alone cuts it before its length is told. */
static ssize_t
take_frame (int fd, unsigned char frame[PCAP_SNAP], size_t *ret_all)
{
  struct tpacket_auxdata aux;
  alignas (struct cmsghdr) unsigned char room[CMSG_SPACE (sizeof aux)];
  struct iovec iov = { frame, PCAP_SNAP };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = room,
                        .msg_controllen = sizeof room };
  ssize_t got = recvmsg (fd, &msg, MSG_DONTWAIT);

  *ret_all = got > 0 ? (size_t) got : 0;
  for (struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR (&msg) : NULL; c;
       c = CMSG_NXTHDR (&msg, c))
    if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA
        && c->cmsg_len >= CMSG_LEN (sizeof aux))
      {
        memcpy (&aux, CMSG_DATA (c), sizeof aux);
        if (aux.tp_len > *ret_all)
          *ret_all = aux.tp_len;
      }
  return got;
}

/* Until the time is over, or there is enough; how many. */
static unsigned
record (struct collect_ctx *ctx, int fd, uint64_t until, struct buf *out)
{
  const int on = 1;
  unsigned n = 0;

  setsockopt (fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on);
  while (clock_ms () < until && !collect_over (ctx)
         && out->len < MAX_BYTES - PCAP_SNAP - 16)
    {
      unsigned char frame[PCAP_SNAP];
      uint64_t nap = clock_ms () + 200;
      size_t all;
      ssize_t got;

      if (io_wait (fd, POLLIN, nap < until ? nap : until) < 0)
        continue;
      got = take_frame (fd, frame, &all);
      if (got <= 0)
        continue;
      put_frame (out, frame, (size_t) got, all);
      n++;
    }
  return n;
}

void
net_capture (struct collect_ctx *ctx, const struct net_place *place,
             uint64_t ms)
{
  struct buf out CLEANUP_BUF = BUF_INIT (MAX_BYTES);
  CLEANUP_CLOSE int fd = -1;
  struct error why = ERROR_INIT;
  const char *ifname = NULL;
  unsigned n;

  for (unsigned i = 0; i < ctx->guest->nnics && !ifname; i++)
    if (collect_is_link (ctx->guest->nics[i].ifname))
      ifname = ctx->guest->nics[i].ifname;
  if (!ifname)
    {
      ctx->out->gap (ctx->out, "net/tap.pcap",
                     "the guest has no network interface on this host");
      return;
    }
  if (net_socket (place, OPEN_SOCKET_HEADERS, false, ifname,
                  collect_until (ctx, 1000), &fd, &why)
      < 0)
    {
      ctx->out->gap (ctx->out, "net/tap.pcap", "%s", error_text (&why));
      return;
    }
  put_header (&out);
  n = record (ctx, fd, collect_until (ctx, ms), &out);
  ctx->out->file (ctx->out, "net/tap.pcap", buf_str (&out), out.len);
  collect_int (ctx, "net.captured", "host", n);
}
