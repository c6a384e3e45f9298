/* SPDX-License-Identifier: Apache-2.0
 *
 * ICMP echo.
 */
#include "transports/net/icmp.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"
#include "transports/transport.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER 8
#define NONCE 16

struct pinger
{
  const struct icmp_check *check;
  struct icmp_result *ret;
  int fd;
  bool six, raw; /* raw: the number is ours, and IPv4 comes with its header */
  unsigned char nonce[NONCE];
  uint16_t id;
  uint64_t sent_us[ICMP_MAX_COUNT];
  bool back[ICMP_MAX_COUNT];
  uint64_t sum_us;
};

static uint16_t
checksum (const unsigned char *p, size_t n)
{
  uint32_t sum = 0;

  for (size_t i = 0; i + 1 < n; i += 2)
    sum += (uint32_t) (p[i] << 8 | p[i + 1]);
  if (n & 1)
    sum += (uint32_t) (p[n - 1] << 8);
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t) ~sum;
}

/* What the network says of one that was sent before comes with the next
 * call: it costs none of those to come. */
static bool
is_news (struct pinger *p, int code)
{
  if (code != EHOSTUNREACH && code != ENETUNREACH && code != ECONNREFUSED
      && code != EHOSTDOWN)
    return false;
  p->ret->refused = code;
  return true;
}

static int
send_one (struct pinger *p, unsigned seq, struct error *err)
{
  unsigned char packet[HEADER + ICMP_MAX_BYTES] = { 0 };
  size_t n = HEADER + p->check->bytes;

  packet[0] = p->six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  be_put16 (packet + 4, p->id);
  be_put16 (packet + 6, (uint16_t) seq);
  memcpy (packet + HEADER, p->nonce, NONCE);
  be_put16 (packet + HEADER + NONCE, (uint16_t) seq);
  /* The kernel does it for IPv6, and where the number is its own. */
  if (!p->six)
    be_put16 (packet + 2, checksum (packet, n));
  p->sent_us[seq] = clock_us ();
  for (unsigned i = 0; i < 3; i++)
    {
      if (send (p->fd, packet, n, MSG_NOSIGNAL) >= 0)
        {
          p->ret->sent++;
          return 0;
        }
      if (errno == EAGAIN || errno == ENOBUFS)
        return 0;
      if (!is_news (p, errno) && errno != EINTR)
        break;
    }
  return error_errno (err, errno, "sending to %s", p->check->address);
}

static void
take (struct pinger *p, const unsigned char *packet, size_t n)
{
  uint64_t now = clock_us (), took;
  size_t ip = 0;
  uint16_t seq;

  if (p->raw && !p->six)
    ip = n > 0 ? (packet[0] & 15u) * 4u : 0;
  if (n < ip + HEADER)
    return;
  packet += ip;
  n -= ip;
  if (packet[0] != (p->six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY))
    return;
  seq = be_get16 (packet + 6);
  if (packet[1] != 0 || (p->raw && be_get16 (packet + 4) != p->id)
      || n != HEADER + p->check->bytes || seq >= p->check->count
      || !p->sent_us[seq] || p->back[seq]
      || memcmp (packet + HEADER, p->nonce, NONCE) != 0
      || be_get16 (packet + HEADER + NONCE) != seq)
    {
      p->ret->foreign++;
      return;
    }
  p->back[seq] = true;
  took = now - p->sent_us[seq];
  if (!p->ret->received || took < p->ret->least_us)
    p->ret->least_us = took;
  if (took > p->ret->most_us)
    p->ret->most_us = took;
  p->sum_us += took;
  p->ret->received++;
}

/* Until all that were sent are back, or it is time for more. */
static int
listen_until (struct pinger *p, unsigned sent, bool last, uint64_t until,
              struct error *err)
{
  while (!last || p->ret->received < sent)
    {
      unsigned char packet[2048];
      struct sockaddr_storage from;
      socklen_t len = sizeof from;
      ssize_t n;
      int r = tcp_wait (p->fd, POLLIN, until, "", err);

      if (r == -ETIMEDOUT)
        return 0;
      if (r < 0)
        return r;
      /* A raw socket that is connected hears nobody else; one for echoes
       * does, whatever it is connected to: the nonce tells who it is. */
      n = recvfrom (p->fd, packet, sizeof packet, 0,
                    (struct sockaddr *) &from, &len);
      if (n >= 0)
        take (p, packet, (size_t) n);
      else if (errno != EAGAIN && errno != EINTR && !is_news (p, errno))
        return error_errno (err, errno, "hearing of %s", p->check->address);
      /* The number was enough; what else is said of it would wake us up for
       * ever. */
      while (n < 0 && recv (p->fd, packet, sizeof packet, MSG_ERRQUEUE) >= 0)
        ;
    }
  return 0;
}

static int
begin (struct pinger *p, uint64_t deadline, struct error *err)
{
  struct sockaddr_storage to;
  int type = 0, on = 1, r;
  socklen_t len, size = sizeof type;

  r = net_address (p->check->address, &to, &len, err);
  p->six = r == 0 && to.ss_family == AF_INET6;
  if (r == 0)
    r = net_socket (p->check->at, OPEN_SOCKET_ECHO, p->six, NULL, deadline,
                    &p->fd, err);
  if (r < 0)
    return r;
  if (getsockopt (p->fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0
      || connect (p->fd, (struct sockaddr *) &to, len) < 0
      || getrandom (p->nonce, sizeof p->nonce, 0) != sizeof p->nonce)
    return error_errno (err, errno, "asking %s", p->check->address);
  /* Without it only some of what the network says is told. */
  (void) setsockopt (p->fd, p->six ? IPPROTO_IPV6 : IPPROTO_IP,
                     p->six ? IPV6_RECVERR : IP_RECVERR, &on, sizeof on);
  p->raw = type == SOCK_RAW;
  p->id = be_get16 (p->nonce);
  return 0;
}

int
icmp_ask (const struct icmp_check *check, uint64_t deadline,
          struct icmp_result *ret, struct error *err)
{
  CLEANUP_CLOSE int fd = -1;
  struct icmp_result result = { 0 };
  struct pinger p = { .check = check, .ret = &result, .fd = -1 };
  int r;

  if (check->count < 1 || check->count > ICMP_MAX_COUNT
      || check->bytes < NONCE + 8 || check->bytes > ICMP_MAX_BYTES)
    return error_set (err, EINVAL, "so many or so large echoes are not asked");
  r = begin (&p, deadline, err);
  fd = p.fd;
  for (unsigned i = 0; r == 0 && i < check->count; i++)
    {
      bool last = i + 1 == check->count;
      uint64_t until
          = clock_ms () + (last ? check->wait_ms : check->interval_ms);

      r = send_one (&p, i, err);
      if (r == 0)
        r = listen_until (&p, i + 1, last, until < deadline ? until : deadline,
                          err);
    }
  if (r < 0)
    return r;
  if (result.received)
    result.mean_us = p.sum_us / result.received;
  *ret = result;
  return 0;
}

const struct transport_ops transport_icmp = {
  .name = "icmp",
  .summary = "ICMP echoes",
  .touches = "a few packets to the guest per check",
  .lane = LANE_ICMP,
  .cpu_us = 60,
  .doctor = net_doctor,
};
