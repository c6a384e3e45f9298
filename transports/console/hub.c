/* SPDX-License-Identifier: Apache-2.0
 *
 * The console hub: its table, guests coming and going, looking at it.
 * How the files divide the work is told in hub_impl.h.
 */
#include "config.h"

#include "transports/console/hub.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "transports/console/hub_impl.h"

const char *const console_state_names[CONSOLE_STATE_MAX + 1] = {
  [CONSOLE_ABSENT] = "absent",
  [CONSOLE_IDLE] = "idle",
  [CONSOLE_CONNECTING] = "connecting",
  [CONSOLE_HELD] = "held",
  [CONSOLE_SILENT] = "silent",
  [CONSOLE_TALKING] = "talking",
  [CONSOLE_GIVEN_WAY] = "given-way",
  [CONSOLE_BROKEN] = "broken",
};

const struct console_ops *const console_ops[CONSOLE_KIND_MAX] = {
  [CONSOLE_UNIX] = &console_unix,
  [CONSOLE_PTY] = &console_pty,
  [CONSOLE_LOG] = &console_log,
  [CONSOLE_STREAM] = &console_stream,
};

/* ---- lists ---- */

void
list_add_ (struct console *c, enum console_list_id id)
{
  struct console_list *l = &c->hub->lists[id];

  if (c->in[id].pprev)
    return;
  c->in[id].next = NULL;
  c->in[id].pprev = l->end;
  *l->end = c;
  l->end = &c->in[id].next;
}

void
list_del_ (struct console *c, enum console_list_id id)
{
  struct console_list *l = &c->hub->lists[id];

  if (!c->in[id].pprev)
    return;
  *c->in[id].pprev = c->in[id].next;
  if (c->in[id].next)
    c->in[id].next->in[id].pprev = c->in[id].pprev;
  else
    l->end = c->in[id].pprev;
  c->in[id].pprev = NULL;
}

bool
list_has_ (const struct console *c, enum console_list_id id)
{
  return c->in[id].pprev != NULL;
}

/* ---- the table ---- */

static unsigned
bucket_of (const char *uuid)
{
  uint32_t h = 2166136261u;

  for (; *uuid; uuid++)
    h = (h ^ (unsigned char) *uuid) * 16777619u;
  return h % HUB_BUCKETS;
}

struct console *
console_find_locked_ (struct hub *hub, const char *uuid, const char *name)
{
  struct console *c = hub->buckets[bucket_of (uuid)];

  while (c
         && (strcmp (c->uuid, uuid) != 0
             || (name && strcmp (c->def.name, name) != 0)))
    c = c->hash_next;
  return c;
}

void
hub_walk_ (struct hub *hub, void (*fn) (struct console *c, void *arg),
           void *arg)
{
  struct console *c, *next;

  /* Only the loop thread changes the table, so it reads without the lock. */
  for (unsigned i = 0; i < HUB_BUCKETS; i++)
    for (c = hub->buckets[i]; c; c = next)
      {
        next = c->hash_next;
        fn (c, arg);
      }
}

static void
hub_unref (struct hub *hub)
{
  if (!hub || atomic_fetch_sub (&hub->refs, 1) != 1)
    return;
  pthread_cond_destroy (&hub->told);
  pthread_mutex_destroy (&hub->lock);
  free (hub->read_buf);
  free (hub);
}

static void
console_free (struct console *c)
{
  struct hub *hub = c->hub;

  ring_free (c->ring);
  pthread_cond_destroy (&c->cond);
  pthread_mutex_destroy (&c->io);
  free (c);
  hub_unref (hub);
}

void
console_unref_ (struct console *c)
{
  struct hub *hub = c->hub;
  bool last;

  pthread_mutex_lock (&hub->lock);
  last = --c->refs == 0;
  if (last)
    hub->ring_bytes -= ring_size (c->ring);
  pthread_mutex_unlock (&hub->lock);
  if (last)
    console_free (c);
}

static int
console_new (struct hub *hub, const struct guest *g,
             const struct guest_console *def, struct error *err)
{
  CLEANUP_FREE struct console *c = calloc (1, sizeof *c);
  pthread_condattr_t attr;
  unsigned b = bucket_of (g->inc.uuid);
  int r;

  if (!c)
    return error_errno (err, ENOMEM, "adding console %s", def->name);
  r = ring_new (hub->limits.ring_small, &c->ring, err);
  if (r < 0)
    return r;
  c->link = (struct console_link) CONSOLE_LINK_INIT;
  c->io_fd = -1;
  c->refs = 1;
  memcpy (c->uuid, g->inc.uuid, sizeof c->uuid);
  r = loop_timer (hub->loop, "console", console_timer_, c, &c->timer, err);
  if (r < 0)
    {
      ring_free (c->ring);
      return r;
    }
  c->hub = hub;
  atomic_fetch_add (&hub->refs, 1);
  /* There is one: the caller has checked nconsoles. */
  while (hub->slot_used[c->slot])
    c->slot++;
  hub->slot_used[c->slot] = true;
  pthread_mutex_init (&c->io, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&c->cond, &attr);
  pthread_condattr_destroy (&attr);
  c->state_since = loop_now (hub->loop);
  {
    LOCK_SCOPE (&hub->lock);
    hub->ring_bytes += hub->limits.ring_small;
    hub->nconsoles++;
    c->def = *def;
    c->hash_next = hub->buckets[b];
    hub->buckets[b] = steal_ptr (&c);
  }
  return 0;
}

/* Out of the table; what taps and leases still hold lives on without it. */
static void
console_unlist (struct console *c)
{
  struct hub *hub = c->hub;
  struct console **p;

  console_remove_ (c);
  if (c->log && hub->sink.gone)
    hub->sink.gone (hub->sink.arg, c->log);
  hub->slot_used[c->slot] = false;
  pthread_mutex_lock (&hub->lock);
  for (p = &hub->buckets[bucket_of (c->uuid)]; *p; p = &(*p)->hash_next)
    if (*p == c)
      {
        *p = c->hash_next;
        hub->nconsoles--;
        break;
      }
  pthread_mutex_unlock (&hub->lock);
  console_unref_ (c);
}

/* ---- making and freeing ---- */

static void
limits_set (struct hub_limits *l, const struct hub_limits *given)
{
  if (given)
    *l = *given;
  if (!l->sweep_ms)
    l->sweep_ms = 5;
  if (!l->ring_small)
    l->ring_small = RING_SMALL;
  if (l->ring_large < l->ring_small)
    l->ring_large = l->ring_small > RING_LARGE ? l->ring_small : RING_LARGE;
  if (!l->ring_total)
    l->ring_total = 48u << 20;
  if (!l->reconnect_min_ms)
    l->reconnect_min_ms = 200;
  if (l->reconnect_max_ms < l->reconnect_min_ms)
    l->reconnect_max_ms
        = l->reconnect_min_ms > 10000 ? l->reconnect_min_ms : 10000;
  if (!l->give_way_ms)
    l->give_way_ms = 10u * 60 * 1000;
}

void
hub_limit (struct hub *hub, unsigned sweep_ms, size_t ring_total)
{
  hub->limits.sweep_ms = sweep_ms;
  hub->limits.ring_total = ring_total;
  limits_set (&hub->limits, NULL);
}

static int
make_timers (struct hub *hub, struct error *err)
{
  struct
  {
    const char *name;
    loop_timer_fn *fn;
    struct timer **timer;
  } timers[] = {
    { "console-open", hub_open_next_, &hub->open_timer },
    { "console-sweep", drain_tick_, &hub->sweep_timer },
    { "console-bytes", drain_bytes_, &hub->bytes_timer },
    { "console-tail", drain_tail_, &hub->tail_timer },
    { "console-queue", queue_look_, &hub->queue_timer },
    { "console-idle", lease_idle_, &hub->idle_timer },
    { "console-rings", drain_shrink_, &hub->shrink_timer },
  };
  int r;

  for (size_t i = 0; i < ARRAY_LEN (timers); i++)
    {
      r = loop_timer (hub->loop, timers[i].name, timers[i].fn, hub,
                      timers[i].timer, err);
      if (r < 0)
        return r;
    }
  return 0;
}

int
hub_new (struct loop *loop, struct job_pool *jobs, struct opener *opener,
         struct fact_bus *bus, const struct hub_limits *limits,
         const struct console_sink *sink, struct hub **ret_hub,
         struct error *err)
{
  struct hub *hub = calloc (1, sizeof *hub);
  int r;

  if (!hub)
    return error_errno (err, ENOMEM, "making the console hub");
  atomic_init (&hub->refs, 1);
  hub->loop = loop;
  hub->jobs = jobs;
  hub->opener = opener;
  hub->bus = bus;
  if (sink)
    hub->sink = *sink;
  limits_set (&hub->limits, limits);
  hub->loop_thread = pthread_self ();
  hub->queue_fd = -1;
  pthread_mutex_init (&hub->lock, NULL);
  pthread_cond_init (&hub->told, NULL);
  for (unsigned i = 0; i < LIST_MAX; i++)
    hub->lists[i].end = &hub->lists[i].first;
  for (unsigned i = 0; i < HUB_MAX_CONSOLES; i++)
    {
      atomic_init (&hub->fds[i].fd, -1);
      atomic_init (&hub->fds[i].lock_fd, -1);
    }
  hub->read_buf = malloc (HUB_READ_SIZE);
  r = hub->read_buf ? make_timers (hub, err)
                    : error_errno (err, ENOMEM, "making the console hub");
  console_stream_listen_ (hub, true);
  if (r < 0)
    {
      hub_free (hub);
      return r;
    }
  *ret_hub = hub;
  return 0;
}

static void
unlist_one (struct console *c, void *arg)
{
  console_unlist (c);
}

void
hub_free (struct hub *hub)
{
  if (!hub)
    return;
  pthread_mutex_lock (&hub->lock);
  hub->dead = true;
  pthread_mutex_unlock (&hub->lock);
  console_stream_listen_ (hub, false);
  hub_walk_ (hub, unlist_one, NULL);
  queue_done_ (hub);
  timer_free (hub->open_timer);
  timer_free (hub->sweep_timer);
  timer_free (hub->bytes_timer);
  timer_free (hub->tail_timer);
  timer_free (hub->queue_timer);
  timer_free (hub->idle_timer);
  timer_free (hub->shrink_timer);
  hub_unref (hub);
}

void
hub_after_tick (struct hub *hub, void (*fn) (void *arg), void *arg)
{
  hub->after_tick = fn;
  hub->after_arg = arg;
}

/* ---- guests ---- */

static bool
same_place (const struct guest_console *a, const struct guest_console *b)
{
  return a->kind == b->kind && strcmp (a->root, b->root) == 0
         && strcmp (a->path, b->path) == 0;
}

static void
say_incarnation (struct console *c)
{
  char mark[256], inc[96];
  int n;

  if (!c->hub->sink.bytes || !c->opened_once)
    return;
  n = snprintf (mark, sizeof mark, "\r\n--- hangdog: %s is now %s ---\r\n",
                c->def.name, incarnation_format (inc, sizeof inc, &c->inc));
  if (n > 0 && (size_t) n < sizeof mark)
    (void) c->hub->sink.bytes (c->hub->sink.arg, &c->log, c->uuid,
                               c->def.name, mark, (size_t) n,
                               clock_wall_ms ());
}

/* Brings an existing console to what the snapshot says. */
static void
console_follow (struct console *c, enum guest_change change,
                const struct guest *g, const struct guest_console *def,
                bool primary)
{
  bool moved = !same_place (&c->def, def);

  if (moved || change >= GUEST_REPLACED)
    {
      /* Another process behind the same path, or another path: what we are
       * connected to, or about to be, is not it any more. */
      c->backoff_ms = 0;
      c->retry_at = 0;
      c->reopen = c->phase == PHASE_OPENING;
      if (c->phase == PHASE_UP)
        console_close_ (c, CONSOLE_CONNECTING, "the guest has a new process");
    }
  {
    LOCK_SCOPE (&c->hub->lock);
    GUEST_FORGET_BOOT (c, change);
    c->def = *def;
    c->ops = def->kind < CONSOLE_KIND_MAX ? console_ops[def->kind] : NULL;
    snprintf (c->guest, sizeof c->guest, "%s",
              g->display[0] ? g->display : g->name);
    snprintf (c->host, sizeof c->host, "%s", g->host);
  }
  c->inc = g->inc;
  c->primary = primary;
  c->off = g->run == GUEST_OFF;
  c->by_libvirt = strcmp (g->source, "libvirt") == 0;
  if (change >= GUEST_REBOOTED && c->inc.pid)
    say_incarnation (c);
  console_look_ (c);
}

static void
guest_follow (struct hub *hub, enum guest_change change, const struct guest *g)
{
  struct console *c, *next;
  struct error err = ERROR_INIT;

  /* First what went, then what is (still or newly) there. */
  for (c = hub->buckets[bucket_of (g->inc.uuid)]; c; c = next)
    {
      next = c->hash_next;
      if (strcmp (c->uuid, g->inc.uuid) == 0
          && !guest_console_find (g, c->def.name))
        console_unlist (c);
    }
  for (unsigned i = 0; i < g->nconsoles && i < GUEST_MAX_CONSOLES; i++)
    {
      const struct guest_console *def = &g->consoles[i];

      c = console_find_locked_ (hub, g->inc.uuid, def->name);
      if (!c && hub->nconsoles < HUB_MAX_CONSOLES
          && console_new (hub, g, def, &err) == 0)
        c = console_find_locked_ (hub, g->inc.uuid, def->name);
      if (c)
        console_follow (c, change, g, def, i == 0);
    }
}

void
hub_guest (struct hub *hub, enum guest_change change, const struct guest *was,
           const struct guest *now)
{
  struct console *c;

  if (now)
    guest_follow (hub, change, now);
  else if (was)
    while ((c = console_find_locked_ (hub, was->inc.uuid, NULL)))
      console_unlist (c);
}

/* ---- giving way by hand ---- */

int
hub_release (struct hub *hub, const char *uuid, const char *name, uint64_t ms,
             struct error *err)
{
  uint64_t now = loop_now (hub->loop);
  struct console *c, *next;
  unsigned n = 0;

  if (ms > CLOCK_NEVER - now)
    ms = CLOCK_NEVER - now;
  for (c = hub->buckets[bucket_of (uuid)]; c; c = next)
    {
      next = c->hash_next;
      if (strcmp (c->uuid, uuid) != 0
          || (name && strcmp (c->def.name, name) != 0))
        continue;
      n++;
      list_del_ (c, LIST_AWAY);
      c->away_until = ms ? now + ms : 0;
      c->backoff_ms = 0;
      c->retry_at = 0;
      console_look_ (c);
    }
  if (n == 0)
    return error_set (err, ENOENT, "there is no console %s of this guest",
                      name ? name : "");
  return 0;
}

/* ---- looking ---- */

struct each
{
  void (*fn) (const struct console_info *info, void *arg);
  void *arg;
};

static void
each_one (struct console *c, void *arg)
{
  struct each *each = arg;
  char detail[sizeof c->detail], who[64] = "";
  struct console_info info = {
    .uuid = c->uuid, .name = c->def.name, .guest = c->guest,
    .kind = c->def.kind, .mode = c->def.mode, .holder = who, .detail = detail,
    .last_byte_ms = ring_last_ms (c->ring), .ring_bytes = ring_size (c->ring),
  };

  {
    LOCK_SCOPE (&c->hub->lock);
    info.state = c->state;
    info.state_since_ms = c->state_since;
    info.bytes = c->bytes;
    info.log_dropped = c->log_dropped;
    info.connects = c->connects;
    memcpy (detail, c->detail, sizeof detail);
    if (c->lease)
      memcpy (who, c->lease->who, sizeof who);
    else if (c->state == CONSOLE_HELD)
      snprintf (who, sizeof who, "another client");
  }
  each->fn (&info, each->arg);
}

void
hub_each (struct hub *hub,
          void (*fn) (const struct console_info *info, void *arg), void *arg)
{
  struct each each = { fn, arg };

  hub_walk_ (hub, each_one, &each);
}

static void
dump_one (const struct console_info *i, void *arg)
{
  buf_printf (arg,
              "console %s:%s %s %s %s bytes=%" PRIu64 " log_dropped=%" PRIu64
              " connects=%" PRIu64 " ring=%zu%s%s%s%s\n",
              i->uuid, i->name, console_kind_names[i->kind],
              console_mode_names[i->mode], console_state_names[i->state],
              i->bytes, i->log_dropped, i->connects, i->ring_bytes,
              i->holder[0] ? " holder=" : "", i->holder,
              i->detail[0] ? " detail=" : "", i->detail);
}

void
hub_dump (struct hub *hub, struct buf *out)
{
  size_t rings;

  {
    LOCK_SCOPE (&hub->lock);
    rings = hub->ring_bytes;
  }
  buf_printf (out,
              "hub consoles=%u (most %u) rings=%zu (most %zu) opening=%u "
              "(most %u)\n",
              hub->nconsoles, HUB_MAX_CONSOLES, rings,
              hub->limits.ring_total, hub->openings, HUB_OPENINGS);
  hub_each (hub, dump_one, out);
}

int
hub_look (struct hub *hub, const char *uuid, const char *name,
          struct hub_look *ret, struct error *err)
{
  const struct console *c;
  LOCK_SCOPE (&hub->lock);

  c = console_find_locked_ (hub, uuid, name);
  if (!c)
    return error_set (err, ENOENT, "there is no console %s:%s", uuid, name);
  *ret = (struct hub_look){
    .state = c->state,
    .state_since_ms = c->state_since,
    .bytes = c->bytes,
    .code = c->code,
    .last_byte_ms = ring_last_ms (c->ring),
  };
  memcpy (ret->detail, c->detail, sizeof ret->detail);
  return 0;
}

void
hub_let_go (struct hub *hub)
{
  int fd;

  /* Only atomics and close(): the loop may be stuck anywhere, with any lock
   * held, and this may run in a signal handler. */
  for (unsigned i = 0; i < HUB_MAX_CONSOLES; i++)
    {
      fd = atomic_exchange (&hub->fds[i].fd, -1);
      if (fd >= 0)
        (void) close (fd);
      fd = atomic_exchange (&hub->fds[i].lock_fd, -1);
      if (fd >= 0)
        (void) close (fd);
    }
}
