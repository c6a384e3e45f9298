/* SPDX-License-Identifier: Apache-2.0 */
#include "transports/sockdiag.h"

#include "base/cleanup.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define NO_COOKIE 0xffffffffu
#define GONE 3 /* shut for reading and for writing */

int
sockdiag_open (int flags)
{
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags,
                   NETLINK_SOCK_DIAG);

  return fd < 0 ? -errno : fd;
}

int
sockdiag_ask (int fd, uint32_t ino, uint32_t states, uint32_t show)
{
  struct
  {
    struct nlmsghdr h;
    struct unix_diag_req req;
  } m = {
    .h = { .nlmsg_len = sizeof m, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
           .nlmsg_flags = (uint16_t) (NLM_F_REQUEST | (ino ? 0 : NLM_F_DUMP)),
           .nlmsg_seq = 1 },
    .req = { .sdiag_family = AF_UNIX, .udiag_states = states,
             .udiag_ino = ino, .udiag_show = show,
             .udiag_cookie = { NO_COOKIE, NO_COOKIE } },
  };
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  ssize_t n = sendto (fd, &m, sizeof m, MSG_DONTWAIT,
                      (struct sockaddr *) &kernel, sizeof kernel);

  return n < 0 ? -errno : 0;
}

static void
parse_attr (const struct rtattr *a, struct sockdiag_answer *ret)
{
  size_t len = RTA_PAYLOAD (a);

  switch (a->rta_type)
    {
    case UNIX_DIAG_PEER:
      if (len < sizeof ret->peer)
        return;
      memcpy (&ret->peer, RTA_DATA (a), sizeof ret->peer);
      ret->has_peer = true;
      break;
    case UNIX_DIAG_VFS:
      if (len < sizeof ret->vfs)
        return;
      memcpy (&ret->vfs, RTA_DATA (a), sizeof ret->vfs);
      ret->has_vfs = true;
      break;
    case UNIX_DIAG_RQLEN:
      if (len >= sizeof ret->queued)
        memcpy (&ret->queued, RTA_DATA (a), sizeof ret->queued);
      break;
    case UNIX_DIAG_SHUTDOWN:
      if (len >= 1)
        ret->gone = *(const uint8_t *) RTA_DATA (a) == GONE;
      break;
    case UNIX_DIAG_ICONS:
      len /= sizeof ret->waiting[0];
      ret->nwaiting = (unsigned) (len < WAITING_MOST ? len : WAITING_MOST);
      memcpy (ret->waiting, RTA_DATA (a),
              ret->nwaiting * sizeof ret->waiting[0]);
      break;
    }
}

static void
parse_one (const struct nlmsghdr *h, struct sockdiag_answer *ret)
{
  const struct unix_diag_msg *m = NLMSG_DATA (h);
  size_t left = h->nlmsg_len - NLMSG_LENGTH (sizeof *m);
  const struct rtattr *a = (const void *) (m + 1);

  memset (ret, 0, sizeof *ret);
  ret->ino = m->udiag_ino;
  ret->state = m->udiag_state;
  for (; RTA_OK (a, left); a = RTA_NEXT (a, left))
    parse_attr (a, ret);
}

int
sockdiag_parse (const void *data, size_t len,
            sockdiag_fn *fn, void *arg)
{
  const struct nlmsghdr *h = data;
  struct sockdiag_answer a;

  for (; NLMSG_OK (h, len); h = NLMSG_NEXT (h, len))
    {
      if (h->nlmsg_type == NLMSG_DONE)
        return 0;
      if (h->nlmsg_type == NLMSG_ERROR)
        return h->nlmsg_len >= NLMSG_LENGTH (sizeof (struct nlmsgerr))
                   ? ((const struct nlmsgerr *) NLMSG_DATA (h))->error
                   : -EPROTO;
      if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY
          || h->nlmsg_len < NLMSG_LENGTH (sizeof (struct unix_diag_msg)))
        continue;
      parse_one (h, &a);
      fn (&a, arg);
      if (!(h->nlmsg_flags & NLM_F_MULTI))
        return 0;
    }
  return 1;
}

int
sockdiag_query (uint32_t ino, uint32_t states, uint32_t show,
            sockdiag_fn *fn, void *arg)
{
  CLEANUP_CLOSE int fd = sockdiag_open (0);
  struct timeval patience = { .tv_sec = 1 };
  CLEANUP_FREE char *buf = malloc (SOCKDIAG_BYTES);
  ssize_t n;
  int r;

  if (fd < 0 || !buf)
    return fd < 0 ? fd : -ENOMEM;
  (void) setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  r = sockdiag_ask (fd, ino, states, show);
  if (r < 0)
    return r;
  do
    {
      n = recv (fd, buf, SOCKDIAG_BYTES, 0);
      if (n < 0 && errno != EINTR)
        return -errno;
      r = n < 0 ? 1 : sockdiag_parse (buf, (size_t) n, fn, arg);
    }
  while (r > 0);
  return r;
}
