/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's table of neighbours, of both families, by netlink: /proc has
 * but the older one's.
 */
#include "guests/address_read.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER (32u << 10)
#define MAX_ANSWERS 4096u
/* In those states it answered once, and was not found dead since. */
#define KNOWN                                                                  \
  (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

static int
ask (int fd, struct error *err)
{
  struct
  {
    struct nlmsghdr head;
    struct ndmsg nd;
  } q = { .head = { .nlmsg_len = sizeof q,
                    .nlmsg_type = RTM_GETNEIGH,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                    .nlmsg_seq = 1 },
          .nd = { .ndm_family = AF_UNSPEC } };
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

  if (sendto (fd, &q, sizeof q, 0, (struct sockaddr *) &kernel, sizeof kernel)
      < 0)
    return error_errno (err, errno, "asking for neighbours");
  return 0;
}

/* In hundredths of a second, whatever the kernel's clock. */
static uint64_t
age_of (const struct rtattr *a)
{
  struct nda_cacheinfo info;

  if (RTA_PAYLOAD (a) < sizeof info)
    return 0;
  memcpy (&info, RTA_DATA (a), sizeof info);
  return (uint64_t) info.ndm_confirmed * 10;
}

static void
neighbour (const struct address_reading *r, const struct nlmsghdr *h)
{
  const struct ndmsg *nd = NLMSG_DATA (h);
  char ip[INET6_ADDRSTRLEN] = "", mac[ADDRESS_MAC_TEXT] = "";
  size_t left;
  uint64_t age = 0;
  const struct rtattr *a;

  if (h->nlmsg_len < NLMSG_LENGTH (sizeof *nd) || !(nd->ndm_state & KNOWN)
      || (nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6)
      || nd->ndm_flags & NTF_PROXY)
    return;
  left = h->nlmsg_len - NLMSG_LENGTH (sizeof *nd);
  for (a = (const void *) ((const char *) nd + NLMSG_ALIGN (sizeof *nd));
       RTA_OK (a, left); a = RTA_NEXT (a, left))
    {
      const unsigned char *p = RTA_DATA (a);
      size_t n = RTA_PAYLOAD (a);

      if (a->rta_type == NDA_DST && n == (nd->ndm_family == AF_INET ? 4 : 16))
        (void) !inet_ntop (nd->ndm_family, p, ip, sizeof ip);
      else if (a->rta_type == NDA_LLADDR && n == 6)
        snprintf (mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1],
                  p[2], p[3], p[4], p[5]);
      else if (a->rta_type == NDA_CACHEINFO)
        age = age_of (a);
    }
  if (nd->ndm_state & (NUD_REACHABLE | NUD_PERMANENT))
    age = 0;
  address_found (r, ADDRESS_NEIGHBOUR, mac, ip, age);
}

/* 1: the last part of the answer. */
static int
part (const struct address_reading *r, const char *buf, size_t len,
      struct error *err)
{
  const struct nlmsghdr *h = (const void *) buf;

  for (; NLMSG_OK (h, len); h = NLMSG_NEXT (h, len))
    if (h->nlmsg_type == NLMSG_DONE)
      return 1;
    else if (h->nlmsg_type == NLMSG_ERROR)
      return error_set (err, EIO, "the kernel does not tell its neighbours");
    else if (h->nlmsg_type == RTM_NEWNEIGH)
      neighbour (r, h);
  return 0;
}

int
address_read_neighbours (const struct address_reading *r, struct error *err)
{
  CLEANUP_CLOSE int fd
      = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  CLEANUP_FREE char *buf = malloc (ANSWER);
  const struct timeval patience = { .tv_sec = 2 };
  int rc;

  if (fd < 0 || !buf)
    return error_errno (err, fd < 0 ? errno : ENOMEM, "netlink");
  (void) setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  rc = ask (fd, err);
  for (unsigned i = 0; rc == 0 && i < MAX_ANSWERS; i++)
    {
      struct sockaddr_nl from = { .nl_family = AF_UNSPEC };
      socklen_t size = sizeof from;
      ssize_t n
          = recvfrom (fd, buf, ANSWER, 0, (struct sockaddr *) &from, &size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "hearing of neighbours");
      /* Anybody may send to a netlink socket. */
      if (from.nl_pid == 0)
        rc = part (r, buf, (size_t) n, err);
    }
  return rc < 0 ? rc : 0;
}
