/* SPDX-License-Identifier: Apache-2.0
 *
 * Who else wants a unix console: is somebody waiting for what we hold, and has
 * he gone to whom we gave way?  On the loop.
 */
#include "transports/console/hub_impl.h"
#include "transports/sockdiag.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

static void
match_held (struct console *c, void *arg)
{
  const struct sockdiag_answer *a = arg;

  if (c->phase == PHASE_UP && socket_file_is (&c->link.file, a))
    console_give_way_ (c);
}

static void
match_answer (const struct sockdiag_answer *a, void *arg)
{
  struct hub *hub = arg;
  struct sockdiag_answer copy = *a;

  if (a->queued > 0)
    hub->queue_some = true;
  /* Listeners with nobody waiting are nearly all there are. */
  if (!a->has_vfs || a->gone
      || (a->nwaiting == 0 && a->state != TCP_ESTABLISHED))
    return;
  for (struct console *c = hub->lists[LIST_AWAY].first; c;
       c = c->in[LIST_AWAY].next)
    if (socket_file_is (&c->last_file, a))
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
      if (c->phase == PHASE_UP && c->link.file.known)
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
  hub->queue_asked = sockdiag_ask (hub->queue_fd, 0, states, show) == 0;
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
      len = recv (fd, hub->queue_buf, SOCKDIAG_BYTES, MSG_DONTWAIT);
      if (len < 0 && errno == EAGAIN)
        return; /* the rest comes in a later round */
      r = len < 0 ? (errno == EINTR ? 1 : -errno)
                  : sockdiag_parse (hub->queue_buf, (size_t) len, match_answer,
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
  hub->queue_fd = sockdiag_open (SOCK_NONBLOCK);
  /* Not the buffer that consoles are read into: giving way drains one. */
  hub->queue_buf = malloc (SOCKDIAG_BYTES);
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
