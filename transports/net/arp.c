/* SPDX-License-Identifier: Apache-2.0
 *
 * ARP.
 */
#include "transports/net/arp.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"
#include "transports/transport.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "guests/guest.h"

#include <arpa/inet.h>
#include <net/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK_EACH_MS 500
/* After the first answer: for who else answers. */
#define LISTEN_ON_MS 100
#define SIZE 28

struct asker
{
  const struct arp_check *check;
  struct arp_result *ret;
  int fd;
  struct sockaddr_ll at; /* ours */
  unsigned char ip[4];
  uint64_t begun_us;
};

static int
send_one (struct asker *a, struct error *err)
{
  struct sockaddr_ll to = { .sll_family = AF_PACKET,
                            .sll_protocol = htons (ETH_P_ARP),
                            .sll_ifindex = a->at.sll_ifindex,
                            .sll_halen = ETH_ALEN };
  unsigned char p[SIZE] = { 0, ARPHRD_ETHER, 8, 0, ETH_ALEN, 4,
                            0, ARPOP_REQUEST };

  memset (to.sll_addr, 0xff, ETH_ALEN);
  memcpy (p + 8, a->at.sll_addr, ETH_ALEN);
  memcpy (p + 24, a->ip, 4);
  if (sendto (a->fd, p, sizeof p, MSG_NOSIGNAL, (struct sockaddr *) &to,
              sizeof to)
          < 0
      && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
    return error_errno (err, errno, "asking on %s", a->check->ifname);
  return 0;
}

static bool
is_own (const struct guest *g, const char *mac)
{
  for (unsigned i = 0; i < g->nnics; i++)
    if (strcasecmp (g->nics[i].mac, mac) == 0)
      return true;
  return false;
}

/* True: it was an answer to our question. */
static bool
take (struct asker *a, const unsigned char *p, size_t n)
{
  char mac[18];
  bool own;

  if (n < SIZE || p[0] != 0 || p[1] != ARPHRD_ETHER || p[2] != 8 || p[3] != 0
      || p[4] != ETH_ALEN || p[5] != 4 || p[6] != 0 || p[7] != ARPOP_REPLY
      || memcmp (p + 14, a->ip, 4) != 0
      || memcmp (p + 18, a->at.sll_addr, ETH_ALEN) != 0)
    return false;
  snprintf (mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", p[8], p[9],
            p[10], p[11], p[12], p[13]);
  own = is_own (a->check->guest, mac);
  if (!a->ret->own && !a->ret->foreign)
    a->ret->took_us = clock_us () - a->begun_us;
  if (own)
    memcpy (a->ret->own_mac, mac, sizeof mac);
  else
    memcpy (a->ret->foreign_mac, mac, sizeof mac);
  a->ret->own |= own;
  a->ret->foreign |= !own;
  return true;
}

/* > 0: somebody has answered. */
static int
listen_until (struct asker *a, uint64_t until, struct error *err)
{
  for (;;)
    {
      unsigned char packet[128];
      ssize_t n;
      int r = tcp_wait (a->fd, POLLIN, until, "", err);

      if (r == -ETIMEDOUT)
        return 0;
      if (r < 0)
        return r;
      n = recv (a->fd, packet, sizeof packet, 0);
      if (n >= 0 && take (a, packet, (size_t) n))
        return 1;
      if (n < 0 && errno != EAGAIN && errno != EINTR)
        return error_errno (err, errno, "hearing on %s", a->check->ifname);
    }
}

static int
begin (struct asker *a, uint64_t deadline, struct error *err)
{
  socklen_t len = sizeof a->at;
  int r;

  if (inet_pton (AF_INET, a->check->address, a->ip) != 1)
    return error_set (err, EINVAL, "'%.64s' is no IPv4 address",
                      a->check->address);
  r = net_socket (a->check->at, OPEN_SOCKET_ARP, false, a->check->ifname,
                  deadline, &a->fd, err);
  if (r < 0)
    return r;
  if (getsockname (a->fd, (struct sockaddr *) &a->at, &len) < 0)
    return error_errno (err, errno, "the interface %s", a->check->ifname);
  if (a->at.sll_hatype != ARPHRD_ETHER || a->at.sll_halen != ETH_ALEN)
    return error_set (err, ENODEV, "%s is no Ethernet", a->check->ifname);
  return 0;
}

int
arp_ask (const struct arp_check *check, uint64_t deadline,
         struct arp_result *ret, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct arp_result result = { .own = false };
  struct asker a = { .check = check, .ret = &result, .fd = -1 };
  uint64_t until;
  int r = begin (&a, deadline, err);

  fd = a.fd;
  a.begun_us = clock_us ();
  while (r == 0 && clock_ms () < deadline)
    {
      r = send_one (&a, err);
      until = clock_ms () + ASK_EACH_MS;
      if (r == 0)
        r = listen_until (&a, until < deadline ? until : deadline, err);
    }
  until = clock_ms () + LISTEN_ON_MS;
  while (r > 0 && (r = listen_until (&a, until, err)) > 0)
    if (result.own && result.foreign)
      break;
  if (r < 0)
    return r;
  *ret = result;
  return 0;
}

const struct transport_ops transport_arp = {
  .name = "arp",
  .summary = "who has the guest's address, asked on its interface",
  .touches = "a packet on the guest's network per check, two a second while "
             "nobody answers",
  .lane = LANE_ARP,
  .doctor = net_doctor,
};
