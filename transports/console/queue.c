/* SPDX-License-Identifier: Apache-2.0
 *
 * Who else wants a unix console: asked of the kernel's socket diagnosis.
 *
 * A chardev socket serves one client.  A second one connects all the same, as
 * far as it can tell, and waits in the listener's queue.  The kernel knows:
 *   - a connected socket whose peer has no inode was not accepted yet;
 *   - a listener's queue names the inodes of those who wait in it;
 *   - accepted sockets carry the listener's file, whatever the path to it is
 *     called in this mount namespace.
 * Unprivileged, and only within one network namespace: a listener in another
 * one is simply not found, and then nobody is seen to wait.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "transports/console/hub_impl.h"

#define ANSWER_BYTES 32768
#define NO_COOKIE 0xffffffffu
#define GONE 3 /* shut for reading and for writing */
#define WAITING_MOST 16 /* a queue is as long as its backlog: 1 with QEMU */

struct diag_answer
{
  uint32_t ino;
  uint8_t state;
  bool has_peer, has_vfs;
  bool gone; /* its client has closed it, and who accepted it has not looked */
  uint32_t peer, queued;
  struct unix_diag_vfs vfs;
  unsigned nwaiting;
  uint32_t waiting[WAITING_MOST];
};

/* ---- the protocol ---- */

static int
diag_open (int flags)
{
  int fd = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags,
                   NETLINK_SOCK_DIAG);

  return fd < 0 ? -errno : fd;
}

/* ino 0 asks for all sockets in one of the states. */
static int
diag_ask (int fd, uint32_t ino, uint32_t states, uint32_t show)
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
parse_attr (const struct rtattr *a, struct diag_answer *ret)
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
parse_one (const struct nlmsghdr *h, struct diag_answer *ret)
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

/* Hands each socket of one received message to fn.  1: more comes, 0: that
 * was all, < 0: the kernel refused. */
static int
diag_parse (const void *data, size_t len,
            void (*fn) (const struct diag_answer *a, void *arg), void *arg)
{
  const struct nlmsghdr *h = data;
  struct diag_answer a;

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

/* ---- in a job: blocking, though the kernel answers at once ---- */

static int
diag_query (uint32_t ino, uint32_t states, uint32_t show,
            void (*fn) (const struct diag_answer *a, void *arg), void *arg)
{
  CLEANUP_CLOSE int fd = diag_open (0);
  struct timeval patience = { .tv_sec = 1 };
  CLEANUP_FREE char *buf = malloc (ANSWER_BYTES);
  ssize_t n;
  int r;

  if (fd < 0 || !buf)
    return fd < 0 ? fd : -ENOMEM;
  (void) setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  r = diag_ask (fd, ino, states, show);
  if (r < 0)
    return r;
  do
    {
      n = recv (fd, buf, ANSWER_BYTES, 0);
      if (n < 0 && errno != EINTR)
        return -errno;
      r = n < 0 ? 1 : diag_parse (buf, (size_t) n, fn, arg);
    }
  while (r > 0);
  return r;
}

static void
keep (const struct diag_answer *a, void *arg)
{
  memcpy (arg, a, sizeof *a);
}

static int
ino_of (int fd, uint32_t *ret_ino)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return -errno;
  *ret_ino = (uint32_t) st.st_ino;
  return 0;
}

int
queue_accepted_ (struct console_link *link)
{
  struct diag_answer own = { 0 }, peer = { 0 };
  uint32_t ino = 0;
  int r = ino_of (link->fd, &ino);

  if (r == 0)
    r = diag_query (ino, ~0u, UDIAG_SHOW_PEER, keep, &own);
  if (r < 0)
    return r;
  /* A peer with inode 0 is one that nobody has accepted. */
  if (own.ino != ino || !own.has_peer)
    return -ENOENT;
  if (own.peer == 0)
    return 0;
  if (diag_query (own.peer, ~0u, UDIAG_SHOW_VFS, keep, &peer) == 0
      && peer.has_vfs)
    {
      link->vfs_known = true;
      link->vfs_dev = peer.vfs.udiag_vfs_dev;
      link->vfs_ino = peer.vfs.udiag_vfs_ino;
    }
  return 1;
}

struct held
{
  uint32_t ino;
  bool found, other;
  struct unix_diag_vfs vfs;
};

static bool
same_file (const struct diag_answer *a, uint32_t dev, uint32_t ino)
{
  return a->has_vfs && a->vfs.udiag_vfs_dev == dev
         && a->vfs.udiag_vfs_ino == ino;
}

static void
find_listener (const struct diag_answer *a, void *arg)
{
  struct held *h = arg;

  for (unsigned i = 0; i < a->nwaiting; i++)
    if (a->waiting[i] == h->ino && a->has_vfs)
      {
        h->found = true;
        h->vfs = a->vfs;
      }
}

static void
find_accepted (const struct diag_answer *a, void *arg)
{
  struct held *h = arg;

  /* A QEMU that is stuck has the sockets still of those who left: mostly us,
   * before we ask again. */
  if (same_file (a, h->vfs.udiag_vfs_dev, h->vfs.udiag_vfs_ino) && !a->gone)
    h->other = true;
}

int
queue_held_by_other_ (int fd)
{
  struct held h = { 0 };
  int r = ino_of (fd, &h.ino);

  if (r == 0)
    r = diag_query (0, 1u << TCP_LISTEN, UDIAG_SHOW_VFS | UDIAG_SHOW_ICONS,
                    find_listener, &h);
  if (r == 0 && !h.found)
    r = -ENOENT;
  if (r == 0)
    r = diag_query (0, 1u << TCP_ESTABLISHED, UDIAG_SHOW_VFS, find_accepted,
                    &h);
  return r < 0 ? r : h.other;
}

int
queue_file_held_ (const char *path)
{
  struct held h = { 0 };
  struct stat st;
  int r;

  if (stat (path, &st) < 0)
    return -errno;
  /* The kernel's own form of a device number. */
  h.vfs.udiag_vfs_dev = major (st.st_dev) << 20 | minor (st.st_dev);
  h.vfs.udiag_vfs_ino = (uint32_t) st.st_ino;
  r = diag_query (0, 1u << TCP_LISTEN, UDIAG_SHOW_VFS, find_accepted, &h);
  if (r == 0 && !h.other)
    r = -ENOENT; /* not even its listener: another network namespace */
  h.other = false;
  if (r == 0)
    r = diag_query (0, 1u << TCP_ESTABLISHED, UDIAG_SHOW_VFS, find_accepted,
                    &h);
  return r < 0 ? r : h.other;
}

/* ---- on the loop: is somebody waiting for what we hold? ---- */

static void
match_held (struct console *c, void *arg)
{
  const struct diag_answer *a = arg;

  if (c->phase == PHASE_UP && c->link.vfs_known
      && same_file (a, c->link.vfs_dev, c->link.vfs_ino))
    console_give_way_ (c);
}

static void
match_answer (const struct diag_answer *a, void *arg)
{
  struct hub *hub = arg;
  struct diag_answer copy = *a;

  if (a->queued > 0)
    hub->queue_some = true;
  /* Listeners with nobody waiting are nearly all there are. */
  if (!a->has_vfs || a->gone
      || (a->nwaiting == 0 && a->state != TCP_ESTABLISHED))
    return;
  for (struct console *c = hub->lists[LIST_AWAY].first; c;
       c = c->in[LIST_AWAY].next)
    if (same_file (a, c->last_dev, c->last_ino))
      c->other_seen = loop_now (hub->loop);
  if (a->nwaiting > 0)
    hub_walk_ (hub, match_held, &copy);
}

/* Mostly the first one that is looked at: no walk through thousands. */
static bool
is_held_any (struct hub *hub)
{
  for (unsigned i = 0; i < HUB_BUCKETS; i++)
    for (const struct console *c = hub->buckets[i]; c; c = c->hash_next)
      if (c->phase == PHASE_UP && c->link.vfs_known)
        return true;
  return false;
}

/* Only after a whole answer is it known who was not there. */
static void
come_back (struct hub *hub)
{
  struct console *c, *next;
  uint64_t now = loop_now (hub->loop);

  for (c = hub->lists[LIST_AWAY].first; c; c = next)
    {
      next = c->in[LIST_AWAY].next;
      if (now - c->other_seen < HUB_OTHER_GONE_MS)
        continue;
      list_del_ (c, LIST_AWAY);
      c->away_until = 0;
      console_look_ (c);
    }
}

static bool
ask (struct hub *hub, uint32_t states, uint32_t show)
{
  hub->queue_some = false;
  hub->queue_asked = diag_ask (hub->queue_fd, 0, states, show) == 0;
  return hub->queue_asked;
}

static bool
ask_who (struct hub *hub)
{
  return ask (hub, 1u << TCP_LISTEN, UDIAG_SHOW_VFS | UDIAG_SHOW_ICONS);
}

static void
answered (struct watch *w, int fd, unsigned events, void *arg)
{
  struct hub *hub = arg;
  ssize_t len;
  int r = 1;

  while (r > 0)
    {
      len = recv (fd, hub->queue_buf, ANSWER_BYTES, MSG_DONTWAIT);
      if (len < 0 && errno == EAGAIN)
        return; /* the rest comes in a later round */
      r = len < 0 ? (errno == EINTR ? 1 : -errno)
                  : diag_parse (hub->queue_buf, (size_t) len, match_answer,
                                hub);
    }
  hub->queue_asked = false;
  if (hub->queue_some && ask_who (hub))
    return;
  come_back (hub);
  if (hub->lists[LIST_AWAY].first || is_held_any (hub))
    timer_in (hub->queue_timer, HUB_QUEUE_LOOK_MS);
}

static bool
queue_open (struct hub *hub)
{
  if (hub->queue_fd >= 0)
    return true;
  if (hub->queue_fd == -2)
    return false;
  hub->queue_fd = diag_open (SOCK_NONBLOCK);
  /* Not the buffer that consoles are read into: giving way drains one. */
  hub->queue_buf = malloc (ANSWER_BYTES);
  if (hub->queue_fd >= 0 && hub->queue_buf
      && loop_watch (hub->loop, "console-queue", hub->queue_fd, LOOP_READ,
                     answered, hub, &hub->queue_watch, NULL)
             == 0)
    return true;
  cleanup_close_ (&hub->queue_fd);
  hub->queue_fd = -2;
  return false;
}

void
queue_look_ (struct timer *t, void *arg)
{
  struct hub *hub = arg;
  bool away = hub->lists[LIST_AWAY].first != NULL, asked;

  if (hub->queue_asked || !(away || is_held_any (hub)) || !queue_open (hub))
    return;
  /* All connected sockets of the host are only walked while we wait for one
   * of them to go.  And nearly always nobody waits anywhere: whose files the
   * listeners have is asked when somebody does. */
  if (away)
    asked = ask (hub, 1u << TCP_LISTEN | 1u << TCP_ESTABLISHED,
                 UDIAG_SHOW_VFS | UDIAG_SHOW_ICONS);
  else
    asked = ask (hub, 1u << TCP_LISTEN, UDIAG_SHOW_RQLEN);
  if (!asked)
    timer_in (t, HUB_QUEUE_LOOK_MS);
}

void
queue_watch_ (struct hub *hub)
{
  if (!hub->queue_asked && !timer_armed (hub->queue_timer))
    timer_in (hub->queue_timer, HUB_QUEUE_LOOK_MS);
}

void
queue_done_ (struct hub *hub)
{
  watch_free (hub->queue_watch);
  hub->queue_watch = NULL;
  free (hub->queue_buf);
  hub->queue_buf = NULL;
  cleanup_close_ (&hub->queue_fd);
}
