/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking a DNS server.
 */
#include "transports/net/dns.h"
#include "transports/net/socket.h"
#include "transports/net/tcp.h"
#include "transports/transport.h"

#include "base/be.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* A packet may be lost, which is nobody's fault. */
#define AGAIN_MS 1000
#define UDP_MAX 4096

struct query
{
  unsigned char bytes[2 + DNS_QUESTION_MAX]; /* its length, for TCP */
  unsigned char *question;
  size_t len;
};

/* > 0: that was it. */
static int
take (const struct query *q, const unsigned char *packet, size_t n,
      struct dns_answer *ret, struct error *err)
{
  int r;

  buf_clear (ret->text);
  r = dns_decode (packet, n, q->question, q->len, ret, err);
  return r == -ENOMSG ? 0 : r < 0 ? r : 1;
}

/* > 0: answered. */
static int
hear_udp (int fd, const struct query *q, uint64_t until,
          struct dns_answer *ret, struct error *err)
{
  for (;;)
    {
      unsigned char packet[UDP_MAX];
      ssize_t n;
      int r = tcp_wait (fd, POLLIN, until, "", err);

      if (r == -ETIMEDOUT)
        return 0;
      if (r < 0)
        return r;
      n = recv (fd, packet, sizeof packet, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (n < 0)
        return error_errno (err, errno, "waiting for the answer");
      r = take (q, packet, (size_t) n, ret, err);
      if (r != 0)
        return r;
    }
}

static int
ask_udp (const struct dns_check *check, const struct query *q,
         uint64_t deadline, struct dns_answer *ret, struct error *err)
{
  struct sockaddr_storage to;
  CLEANUP_CLOSE int fd = -1;
  socklen_t len;
  int r = net_address_port (check->address, &to, &len, err);

  if (r == 0)
    r = net_socket (check->at, OPEN_SOCKET_UDP, to.ss_family == AF_INET6,
                    NULL, deadline, &fd, err);
  if (r < 0)
    return r;
  if (connect (fd, (struct sockaddr *) &to, len) < 0)
    return error_errno (err, errno, "asking %s", check->address);
  while (clock_ms () < deadline)
    {
      uint64_t until = clock_ms () + AGAIN_MS;

      if (send (fd, q->question, q->len, MSG_NOSIGNAL) < 0 && errno != EAGAIN
          && errno != EINTR && errno != ENOBUFS)
        return error_errno (err, errno, "asking %s", check->address);
      r = hear_udp (fd, q, until < deadline ? until : deadline, ret, err);
      if (r != 0)
        return r < 0 ? r : 0;
    }
  return error_set (err, ETIMEDOUT, "%s: no answer in time", check->address);
}

/* ---- TCP ---- */

static int
recv_exactly (int fd, unsigned char *dst, size_t len, uint64_t deadline,
          struct error *err)
{
  while (len > 0)
    {
      int r = tcp_wait (fd, POLLIN, deadline, "waiting for the answer", err);
      ssize_t n;

      if (r < 0)
        return r;
      n = recv (fd, dst, len, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading the answer");
      if (n == 0)
        return error_set (err, ECONNRESET,
                          "the connection ended within the answer");
      dst += n;
      len -= (size_t) n;
    }
  return 0;
}

static int
ask_tcp (const struct dns_check *check, const struct query *q,
         uint64_t deadline, struct dns_answer *ret, struct error *err)
{
  CLEANUP_FREE unsigned char *packet = NULL;
  CLEANUP_CLOSE int fd = -1;
  unsigned char head[2];
  size_t len;
  int r = tcp_connect (check->at, check->address, deadline, &fd, err);

  if (r < 0)
    return r;
  /* It fits into the buffer of a connection that is new. */
  if (send (fd, q->bytes, q->len + 2, MSG_NOSIGNAL) != (ssize_t) q->len + 2)
    return error_set (err, ECONNRESET, "the question was not taken");
  r = recv_exactly (fd, head, sizeof head, deadline, err);
  if (r < 0)
    return r;
  len = be_get16 (head);
  packet = malloc (len + 1);
  if (!packet)
    return error_set (err, ENOMEM, "no memory");
  r = recv_exactly (fd, packet, len, deadline, err);
  if (r < 0)
    return r;
  r = take (q, packet, len, ret, err);
  return r == 0 ? error_set (err, EBADMSG, "answers another question")
                : r < 0 ? r : 0;
}

int
dns_ask (const struct dns_check *check, uint64_t deadline,
         struct dns_result *ret, struct error *err)
{
  struct query q = { .len = 0 };
  struct dns_result result = { .answer = { .text = ret->answer.text } };
  uint64_t begun = clock_us ();
  uint16_t id;
  int r;

  if (getrandom (&id, sizeof id, 0) != sizeof id)
    return error_errno (err, errno, "a random number");
  if (!dns_name_ok (check->name) || (unsigned) check->type >= DNS_TYPE_MAX)
    return error_set (err, EINVAL, "no name to ask for");
  q.question = q.bytes + 2;
  q.len = dns_encode (check->name, check->type, id, q.question);
  be_put16 (q.bytes, (uint16_t) q.len);
  r = ask_udp (check, &q, deadline, &result.answer, err);
  if (r == 0 && result.answer.truncated)
    {
      result.tcp = true;
      r = ask_tcp (check, &q, deadline, &result.answer, err);
      if (r < 0)
        error_wrap (err, "over TCP, since the answer is longer than a packet");
    }
  if (r < 0)
    return r;
  result.took_us = clock_us () - begun;
  *ret = result;
  return 0;
}

const struct transport_ops transport_dns = {
  .name = "dns",
  .summary = "a question to a DNS server in the guest",
  .touches = "one question to the guest's server per check",
  .lane = LANE_DNS,
  .cpu_us = 80,
  .doctor = net_doctor,
};
