/* SPDX-License-Identifier: Apache-2.0
 *
 * One console's connection: opened in a job, retried, given up for others,
 * closed.  Everything that changes what is wanted ends in console_look_().
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fact.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/opener.h"
#include "transports/console/hub_impl.h"

#define REST_BYTES (1u << 20) /* drained at most before a close */
#define STEADY_MS 5000        /* up for so long: the next loss starts anew */
#define POOL_FULL_MS 50

void
console_link_close_ (struct console_link *link, struct opener *opener,
                     const struct guest_console *def)
{
  struct open_req req = { .kind = OPEN_TTY, .root = def->root,
                          .path = def->path };

  cleanup_close_ (&link->fd);
  if (link->lock_fd >= 0)
    opener->release (opener, &req, link->lock_fd);
  cleanup_close_ (&link->extra_fd);
  console_stream_free_ (link->stream);
  link->fd = link->lock_fd = link->extra_fd = -1;
  link->file.known = false;
  link->stream = NULL;
  /* How far a log was read stays: it may be opened again. */
}

/* ---- what others see ---- */

static void
publish_state (struct console *c, enum console_state state)
{
  const char *text = console_state_names[state];
  char name[FACT_NAME_MAX];
  struct fact f;

  if (!c->hub->bus)
    return;
  /* A guest's first console is what "its console" means; the others carry
   * their name. */
  snprintf (name, sizeof name, "console.state%s%s", c->primary ? "" : ".",
            c->primary ? "" : c->def.name);
  fact_text (&f, &c->inc, name, "console", text, strlen (text));
  fact_publish (c->hub->bus, &f);
}

void
console_set_state_ (struct console *c, enum console_state state,
                    const char *fmt, ...)
{
  char detail[sizeof c->detail] = "";
  bool changed;
  va_list ap;

  if (fmt)
    {
      va_start (ap, fmt);
      (void) vsnprintf (detail, sizeof detail, fmt, ap);
      va_end (ap);
    }
  {
    LOCK_SCOPE (&c->hub->lock);
    changed = c->state != state;
    c->state = state;
    c->code = 0;
    memcpy (c->detail, detail, sizeof detail);
    if (changed)
      {
        c->state_since = loop_now (c->hub->loop);
        pthread_cond_broadcast (&c->cond);
      }
  }
  if (changed)
    publish_state (c, state);
}

/* ---- what is wanted ---- */

static bool
is_away (struct console *c)
{
  if (c->away_until == 0)
    return false;
  if (loop_now (c->hub->loop) < c->away_until)
    return true;
  c->away_until = 0;
  list_del_ (c, LIST_AWAY);
  return false;
}

static bool
is_used (struct console *c)
{
  LOCK_SCOPE (&c->hub->lock);
  return c->active > 0;
}

static bool
is_hurried (struct console *c)
{
  LOCK_SCOPE (&c->hub->lock);
  return c->hurry;
}

static bool
wanted (struct console *c)
{
  if (c->gone || c->off || is_away (c))
    return false;
  return c->def.mode != CONSOLE_PROBE || is_used (c);
}

/* Not connected, and not meant to be: says why. */
static void
rest (struct console *c)
{
  c->phase = PHASE_DOWN;
  c->linger_until = 0;
  timer_stop (c->timer);
  if (c->gone)
    console_set_state_ (c, CONSOLE_ABSENT, "the guest is gone");
  else if (c->off)
    console_set_state_ (c, CONSOLE_ABSENT, "the guest is off");
  else if (is_away (c))
    {
      console_set_state_ (c, CONSOLE_GIVEN_WAY, "%s",
                          list_has_ (c, LIST_AWAY)
                              ? "another client wants it"
                              : "released on request");
      timer_at (c->timer, c->away_until);
    }
  else
    console_set_state_ (c, CONSOLE_IDLE, NULL);
}

/* ---- opening ---- */

struct open_job
{
  const struct console_ops *ops;
  struct open_task task;
  struct console_link link;
  struct error err;
};

static void
open_job_free (void *arg)
{
  struct open_job *job = arg;

  console_link_close_ (&job->link, job->task.opener, &job->task.def);
  free (job);
}

static int
open_job_run (struct job *job, void *arg)
{
  struct open_job *o = arg;

  return o->ops->open (&o->task, job_deadline (job), &o->link, &o->err);
}

static void
retry_later (struct console *c, bool at_once_slow)
{
  const struct hub_limits *l = &c->hub->limits;

  c->backoff_ms = c->backoff_ms ? 2 * c->backoff_ms : l->reconnect_min_ms;
  if (at_once_slow || c->backoff_ms > l->reconnect_max_ms)
    c->backoff_ms = l->reconnect_max_ms;
  c->retry_at = loop_now (c->hub->loop) + c->backoff_ms;
  c->phase = PHASE_WAITING;
  timer_at (c->timer, c->retry_at);
}

static void
open_failed (struct console *c, int rc, const char *why)
{
  enum console_state state;

  switch (rc)
    {
    case -EBUSY:
    case -EAGAIN:
      state = CONSOLE_HELD;
      break;
    case -ENOENT:
    case -ECONNREFUSED:
    case -ENXIO:
    case -ENODEV:
    case -ESRCH:
    case -ESTALE: /* another process listens there: not this guest's */
    case -EIO: /* a pty whose other end closed */
      state = CONSOLE_ABSENT;
      break;
    case -ETIMEDOUT: /* nobody accepts, and nobody else is connected */
      state = CONSOLE_CONNECTING;
      break;
    default:
      state = CONSOLE_BROKEN;
    }
  retry_later (c, state == CONSOLE_BROKEN);
  console_set_state_ (c, state, "%s", why);
  LOCK_SCOPE (&c->hub->lock);
  c->code = rc;
}

static void
install (struct console *c, struct console_link *link)
{
  struct hub *hub = c->hub;
  struct error err = ERROR_INIT;

  c->link = *link;
  *link = (struct console_link) CONSOLE_LINK_INIT;
  atomic_store (&hub->fds[c->slot].fd, c->link.fd);
  atomic_store (&hub->fds[c->slot].lock_fd, c->link.lock_fd);
  c->phase = PHASE_UP;
  c->opened_once = true;
  timer_stop (c->timer);
  {
    LOCK_SCOPE (&hub->lock);
    c->connection++;
    c->connects++;
    c->connected_at = ring_head (c->ring);
  }
  {
    LOCK_SCOPE (&c->io);
    c->io_fd = c->link.fd;
    c->io_stream = c->link.stream;
    c->io_connection = c->connection;
  }
  if (drain_start_ (c, &err) < 0)
    {
      console_close_ (c, CONSOLE_BROKEN, error_text (&err));
      retry_later (c, true);
      return;
    }
  console_set_state_ (c, CONSOLE_SILENT, NULL);
  if (c->link.file.known)
    queue_watch_ (hub);
}

static void
attempt_ended (struct console *c)
{
  LOCK_SCOPE (&c->hub->lock);

  c->attempts++;
  c->hurry = false;
  pthread_cond_broadcast (&c->cond);
}

static void
open_job_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct console *c = owner;
  struct open_job *o = arg;

  c->hub->openings--;
  if (!c->gone)
    {
      c->phase = PHASE_DOWN;
      if (end == JOB_DISCARDED)
        open_failed (c, -EDEADLK, "opening it does not come back");
      else if (c->reopen)
        ; /* what was opened is not its endpoint any more */
      else if (rc < 0)
        open_failed (c, rc, error_text (&o->err));
      else if (wanted (c))
        install (c, &o->link);
      c->reopen = false;
      attempt_ended (c);
      console_look_ (c);
    }
  if (o && o->link.stream)
    {
      console_stream_drop_ (c, o->link.stream);
      o->link.stream = NULL;
    }
  if (o)
    open_job_free (o);
  hub_open_next_ (NULL, c->hub);
  console_unref_ (c);
}

/* 0, or why no job could be started. */
static int
open_start (struct console *c, struct error *err)
{
  struct open_job *o = calloc (1, sizeof *o);
  struct job_spec spec = {
    .name = "console-open",
    .guest = c->uuid,
    .lane = LANE_CONSOLE_OPEN,
    .part = c->def.name,
    .timeout_ms = HUB_OPEN_MS,
    .run = open_job_run,
    .done = open_job_done,
    .free_arg = open_job_free,
    .owner = c,
    .arg = o,
  };
  int r;

  if (!o)
    return error_errno (err, ENOMEM, "opening a console");
  o->ops = c->ops;
  o->link = (struct console_link) CONSOLE_LINK_INIT;
  o->task.opener = c->hub->opener;
  o->task.inc = c->inc;
  o->task.def = c->def;
  memcpy (o->task.host, c->host, sizeof o->task.host);
  o->task.by_libvirt = c->by_libvirt;
  o->task.first = !c->opened_once && c->attempts == 0;
  o->task.offset = c->link.offset;
  o->task.dev = c->link.dev;
  o->task.ino = c->link.ino;
  r = job_start (c->hub->jobs, &spec, err);
  if (r < 0)
    free (o);
  return r;
}

void
hub_open_next_ (struct timer *t, void *arg)
{
  struct hub *hub = arg;
  struct console *c;
  struct error err = ERROR_INIT;
  int r;

  while (hub->openings < HUB_OPENINGS && (c = hub->lists[LIST_OPEN].first))
    {
      list_del_ (c, LIST_OPEN);
      r = open_start (c, &err);
      if (r == 0)
        {
          LOCK_SCOPE (&hub->lock);

          c->refs++; /* the job's; ends in open_job_done() */
          hub->openings++;
          c->phase = PHASE_OPENING;
          continue;
        }
      if (r == -EBUSY) /* its earlier opening is still stuck somewhere */
        {
          open_failed (c, -EDEADLK, error_text (&err));
          attempt_ended (c);
          continue;
        }
      list_add_ (c, LIST_OPEN);
      timer_in (hub->open_timer, POOL_FULL_MS);
      return;
    }
}

static void
open_request (struct console *c)
{
  c->phase = PHASE_QUEUED;
  timer_stop (c->timer);
  /* A console that is held or absent stays so while we try again. */
  if (c->state == CONSOLE_IDLE || c->state == CONSOLE_GIVEN_WAY)
    console_set_state_ (c, CONSOLE_CONNECTING, NULL);
  list_add_ (c, LIST_OPEN);
  hub_open_next_ (NULL, c->hub);
}

/* ---- closing ---- */

void
console_close_ (struct console *c, enum console_state state, const char *why)
{
  struct hub *hub = c->hub;
  struct console_slot *slot = &hub->fds[c->slot];

  if (c->phase != PHASE_UP)
    return;
  /* First no more may come in, then what came is taken: nothing that the
   * guest could hand over is lost by our closing. */
  if (c->ops->stop)
    c->ops->stop (c);
  drain_rest_ (c, REST_BYTES);
  drain_stop_ (c);
  {
    LOCK_SCOPE (&c->io);
    c->io_fd = -1;
    c->io_connection = 0;
  }
  /* hub_let_go() may have been first. */
  c->link.fd = atomic_exchange (&slot->fd, -1);
  c->link.lock_fd = atomic_exchange (&slot->lock_fd, -1);
  console_link_close_ (&c->link, hub->opener, &c->def);
  c->phase = PHASE_DOWN;
  c->linger_until = 0;
  {
    LOCK_SCOPE (&hub->lock);
    c->connection++; /* what leases were given for is over */
  }
  console_set_state_ (c, state, "%s", why ? why : "");
  {
    LOCK_SCOPE (&hub->lock);
    c->closing = false; /* now that the state says so */
    pthread_cond_broadcast (&c->cond);
  }
  ring_kick (c->ring);
}

void
console_lost_ (struct console *c, const char *why)
{
  uint64_t now = loop_now (c->hub->loop);

  if (c->phase != PHASE_UP)
    return;
  if (c->state == CONSOLE_TALKING || now >= c->state_since + STEADY_MS)
    c->backoff_ms = 0;
  console_close_ (c, CONSOLE_CONNECTING, why);
  retry_later (c, false);
  console_look_ (c);
}

void
console_give_way_ (struct console *c)
{
  uint64_t now = loop_now (c->hub->loop);

  c->away_until = now + c->hub->limits.give_way_ms;
  list_add_ (c, LIST_AWAY);
  c->other_seen = now;
  c->last_file = c->link.file;
  c->backoff_ms = 0;
  console_look_ (c);
}

void
console_remove_ (struct console *c)
{
  {
    LOCK_SCOPE (&c->hub->lock);
    c->gone = true;
    if (c->lease)
      lease_lose_locked_ (c->lease);
    pthread_cond_broadcast (&c->cond);
  }
  console_look_ (c);
  for (unsigned i = 0; i < LIST_MAX; i++)
    list_del_ (c, (enum console_list_id) i);
  timer_free (c->timer);
  c->timer = NULL;
}

/* ---- the one place where it is decided ---- */

/* Whether nobody uses it is decided in one step with telling leases that it
 * closes: none may be given in between. */
static bool
begin_close (struct console *c, bool must)
{
  LOCK_SCOPE (&c->hub->lock);

  c->closing = must || c->active == 0;
  return c->closing;
}

static void
look_up (struct console *c, bool want)
{
  uint64_t now = loop_now (c->hub->loop);
  bool must = c->gone || c->off || is_away (c);

  if (want)
    {
      c->linger_until = 0;
      timer_stop (c->timer);
      return;
    }
  if (!must)
    {
      /* Probe mode, its last user has gone: the next one may be near. */
      if (c->linger_until == 0)
        c->linger_until = now + HUB_LINGER_MS;
      if (now < c->linger_until)
        {
          timer_at (c->timer, c->linger_until);
          return;
        }
    }
  if (!begin_close (c, must))
    return;
  console_close_ (c,
                  c->gone || c->off ? CONSOLE_ABSENT
                  : is_away (c)     ? CONSOLE_GIVEN_WAY
                                    : CONSOLE_IDLE,
                  NULL);
  rest (c);
}

void
console_look_ (struct console *c)
{
  bool want;

  if (!c->ops)
    {
      console_set_state_ (c, CONSOLE_BROKEN,
                          "this build cannot reach a console of this kind");
      attempt_ended (c);
      return;
    }
  want = wanted (c);
  switch (c->phase)
    {
    case PHASE_UP:
      look_up (c, want);
      break;
    case PHASE_QUEUED:
      if (!want)
        {
          list_del_ (c, LIST_OPEN);
          rest (c);
        }
      break;
    case PHASE_OPENING: /* looked at again when the job is back */
      if (c->gone)
        console_set_state_ (c, CONSOLE_ABSENT, "the guest is gone");
      break;
    case PHASE_WAITING:
      if (!want)
        rest (c);
      else if (is_hurried (c) || loop_now (c->hub->loop) >= c->retry_at)
        open_request (c);
      else
        timer_at (c->timer, c->retry_at);
      break;
    case PHASE_DOWN:
      if (want)
        open_request (c);
      else
        rest (c);
      break;
    }
}

void
console_timer_ (struct timer *t, void *arg)
{
  console_look_ (arg);
}

static void
look_posted (void *arg)
{
  struct console *c = arg;

  if (!c->gone)
    console_look_ (c);
  console_unref_ (c);
}

static void
look_dropped (void *arg)
{
  console_unref_ (arg);
}

int
console_post_look_ (struct console *c)
{
  int r;

  if (c->hub->dead || c->gone)
    return -ESHUTDOWN;
  c->refs++;
  r = loop_post (c->hub->loop, look_posted, c, look_dropped);
  if (r < 0)
    c->refs--;
  return r;
}
