/* SPDX-License-Identifier: Apache-2.0
 *
 * Leases: who may type, and typing; from any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/units.h"
#include "transports/console/hub_impl.h"

#define MUX_ESCAPE 0x01
/* While the other side takes nothing, the writer looks again after so long;
 * a descriptor that the loop may close any moment cannot be polled here. */
#define FULL_FIRST_MS 1
#define FULL_MOST_MS 20
static struct timespec
until (uint64_t ms)
{
  if (ms > INT64_MAX / 2)
    ms = INT64_MAX / 2;
  return (struct timespec){ .tv_sec = (time_t) (ms / 1000),
                            .tv_nsec = (long) (ms % 1000) * 1000000 };
}

static bool
is_connected (const struct console *c)
{
  return !c->closing
         && (c->state == CONSOLE_SILENT || c->state == CONSOLE_TALKING);
}

/* From here on what comes may be the echo of what is typed. */
static void
begin_typing (struct lease *l)
{
  struct console *c = l->console;
  LOCK_SCOPE (&c->hub->lock);

  if (l->typed || l->rank == LEASE_PERSON || atomic_load (&l->lost))
    return;
  l->typed = true;
  l->span = c->ntyped++;
  c->typed[l->span % TAP_SPANS]
      = (struct tap_span){ ring_head (c->ring), UINT64_MAX };
}

static void
end_typing_locked (struct lease *l)
{
  struct console *c = l->console;

  if (l->typed && c->ntyped - l->span <= TAP_SPANS)
    c->typed[l->span % TAP_SPANS].to = ring_head (c->ring);
  l->typed = false;
}

void
lease_lose_locked_ (struct lease *l)
{
  struct console *c = l->console;

  end_typing_locked (l);
  atomic_store (&l->lost, true);
  if (c->lease == l)
    c->lease = NULL;
  /* Whoever lost it may sit in a dialogue for a while yet: in probe mode that
   * must not keep the console from others. */
  if (l->tap && l->tap->counted)
    {
      l->tap->counted = false;
      if (--c->active == 0 && c->def.mode == CONSOLE_PROBE)
        (void) console_post_look_ (c);
    }
  pthread_cond_broadcast (&c->cond);
  ring_kick (c->ring);
}

/* A person who went home leaves the console to others. */
static bool
is_idle (const struct lease *l)
{
  return l->rank == LEASE_PERSON
         && clock_ms () - atomic_load (&l->used_ms) >= LEASE_PERSON_IDLE_MS;
}

/* Takes it from whoever has it, if that is allowed. */
static int
take_over (struct console *c, const struct lease *l, bool take,
           struct error *err)
{
  struct lease *had = c->lease;
  char age[32];

  if (!had)
    return 0;
  if (!(l->rank > had->rank || is_idle (had)
        || (take && l->rank == LEASE_PERSON)))
    return error_set (err, EBUSY, "console %s is in use by %s for %s",
                      c->def.name, had->who,
                      units_format_duration (age, sizeof age,
                                             clock_ms () - had->since_ms));
  lease_lose_locked_ (had);
  return 0;
}

/* Why it is not connected, after an attempt of our own time; 0 = wait on. */
static int
why_not (struct console *c, const struct lease *l, uint64_t attempts,
         struct error *err)
{
  const char *detail = c->detail[0] ? c->detail : console_state_names[c->state];

  if (atomic_load (&l->lost) && !c->gone)
    return error_set (err, EBUSY, "console %s was taken by somebody of higher "
                      "rank", c->def.name);
  if (c->gone)
    return error_set (err, ENOENT, "the guest of console %s is gone",
                      c->def.name);
  if (c->state == CONSOLE_GIVEN_WAY)
    return error_set (err, EBUSY, "console %s: %s", c->def.name, detail);
  if (c->attempts == attempts)
    return 0;
  switch (c->state)
    {
    case CONSOLE_HELD:
      return error_set (err, EBUSY, "console %s: %s", c->def.name, detail);
    case CONSOLE_ABSENT:
      return error_set (err, ENOENT, "console %s: %s", c->def.name, detail);
    case CONSOLE_BROKEN:
      return error_set (err, EIO, "console %s: %s", c->def.name, detail);
    default:
      return 0;
    }
}

static int
wait_connected (struct console *c, struct lease *l, uint64_t deadline,
                struct error *err)
{
  struct timespec ts = until (deadline);
  uint64_t attempts = c->attempts;
  int r;

  if (is_connected (c))
    return 0;
  c->hurry = true;
  if (console_post_look_ (c) < 0)
    return error_set (err, ENOENT, "console %s cannot be used now",
                      c->def.name);
  while (!is_connected (c))
    {
      r = why_not (c, l, attempts, err);
      if (r < 0)
        return r;
      if (pthread_cond_timedwait (&c->cond, &c->hub->lock, &ts) == ETIMEDOUT)
        return error_set (err, ETIMEDOUT, "console %s did not connect in "
                          "time%s%s", c->def.name, c->detail[0] ? ": " : "",
                          c->detail);
    }
  return atomic_load (&l->lost) ? why_not (c, l, attempts, err) : 0;
}

static void post_person (struct console *c);

static int
lease_take (struct console *c, struct lease *l, bool take, uint64_t deadline,
            struct error *err)
{
  int r;

  if (c->def.mode == CONSOLE_TAIL || !c->ops || !c->ops->types)
    return error_set (err, EROFS, "console %s is a log: nothing can be typed "
                      "there", c->def.name);
  r = take_over (c, l, take, err);
  if (r < 0)
    return r;
  l->console = c;
  l->ops = c->ops;
  l->def = c->def;
  l->tap = tap_add_locked_ (c, l->who, TAP_NOW | TAP_ACTIVE);
  if (!l->tap)
    return error_errno (err, ENOMEM, "leasing console %s", c->def.name);
  c->lease = l;
  if (l->rank == LEASE_PERSON)
    post_person (c);
  r = wait_connected (c, l, deadline, err);
  l->connection = c->connection;
  return r;
}

int
hub_lease (struct hub *hub, const char *uuid, const char *console,
           enum lease_rank rank, const char *who, bool take,
           uint64_t deadline, struct lease **ret_lease, struct error *err)
{
  struct lease *l = calloc (1, sizeof *l);
  struct console *c;
  int r;

  if (!l)
    return error_errno (err, ENOMEM, "leasing console %s", console);
  l->rank = rank;
  snprintf (l->who, sizeof l->who, "%s", who ? who : "somebody");
  l->since_ms = clock_ms ();
  atomic_init (&l->used_ms, l->since_ms);
  atomic_init (&l->lost, false);
  {
    LOCK_SCOPE (&hub->lock);
    c = console_find_locked_ (hub, uuid, console);
    r = c ? lease_take (c, l, take, deadline, err)
          : error_set (err, ENOENT, "there is no console %s:%s", uuid,
                       console ? console : "");
  }
  if (r < 0)
    {
      lease_free (l);
      return r;
    }
  *ret_lease = l;
  return 0;
}

void
lease_free (struct lease *l)
{
  struct console *c;

  if (!l)
    return;
  c = l->console;
  if (c)
    {
      LOCK_SCOPE (&c->hub->lock);

      end_typing_locked (l);
      if (c->lease == l)
        c->lease = NULL;
    }
  tap_free (l->tap);
  free (l);
}

bool
lease_lost (struct lease *l)
{
  struct console *c = l->console;

  if (!atomic_load (&l->lost) && is_idle (l))
    {
      LOCK_SCOPE (&c->hub->lock);

      lease_lose_locked_ (l);
    }
  return atomic_load (&l->lost);
}

const struct guest_console *
lease_console (struct lease *l)
{
  return &l->def;
}

struct tap *
lease_tap (struct lease *l)
{
  return l->tap;
}

/* ---- typing ---- */

int
lease_check_ (struct lease *l, struct error *err)
{
  struct console *c = l->console;
  LOCK_SCOPE (&c->hub->lock);

  if (atomic_load (&l->lost))
    return error_set (err, ECANCELED, "somebody else took console %s",
                      l->def.name);
  if (c->connection != l->connection)
    return error_set (err, EPIPE, "console %s was closed%s%s", l->def.name,
                      c->detail[0] ? ": " : "", c->detail);
  return 0;
}

/* As write(2), but -errno; -EAGAIN: takes nothing now.  Since lease_check_()
 * the loop may have connected to another process: what was meant for the one
 * must not be typed into the other. */
static ssize_t
write_some (struct lease *l, const char *data, size_t len)
{
  struct console *c = l->console;
  ssize_t n;
  LOCK_SCOPE (&c->io);

  if (c->io_connection != l->connection)
    return -EPIPE;
  if (l->ops->write)
    return l->ops->write (c, data, len);
  if (c->io_fd < 0)
    return -EPIPE;
  do
    n = write (c->io_fd, data, len);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static void
wait_a_little (struct console *c, uint64_t ms)
{
  struct timespec ts = until (clock_ms () + ms);
  LOCK_SCOPE (&c->hub->lock);

  (void) pthread_cond_timedwait (&c->cond, &c->hub->lock, &ts);
}

int
lease_write_raw (struct lease *l, const void *data, size_t len,
                 uint64_t deadline, struct error *err)
{
  const char *p = data;
  uint64_t wait = FULL_FIRST_MS, now;
  ssize_t n;
  int r;

  begin_typing (l);
  while (len > 0)
    {
      r = lease_check_ (l, err);
      if (r < 0)
        return r;
      n = write_some (l, p, len);
      if (n >= 0)
        {
          p += n;
          len -= (size_t) n;
          wait = FULL_FIRST_MS;
          continue;
        }
      if (n != -EAGAIN)
        return error_errno (err, n == -EIO ? EPIPE : (int) -n,
                            "typing into console %s", l->def.name);
      now = clock_ms ();
      if (now >= deadline)
        return error_set (err, ETIMEDOUT, "console %s takes nothing: its flow "
                          "is stopped, or its input is full", l->def.name);
      wait_a_little (l->console, wait < deadline - now ? wait : deadline - now);
      wait = 2 * wait > FULL_MOST_MS ? FULL_MOST_MS : 2 * wait;
    }
  atomic_store (&l->used_ms, clock_ms ());
  return 0;
}

void
lease_pause_ (struct lease *l, uint64_t ms)
{
  wait_a_little (l->console, ms);
}

int
lease_write (struct lease *l, const void *data, size_t len, uint64_t deadline,
             struct error *err)
{
  const char *p = data, *end = p + len, *q;
  static const char doubled[2] = { MUX_ESCAPE, MUX_ESCAPE };
  int r;

  if (!l->def.muxed)
    return lease_write_raw (l, data, len, deadline, err);
  /* Behind a mux 0x01 is an escape that can quit QEMU; doubled it is itself.
   * Both in one write: a lone one would wait for the next to type. */
  while (p < end)
    {
      q = memchr (p, MUX_ESCAPE, (size_t) (end - p));
      r = lease_write_slowly_ (l, p, (size_t) ((q ? q : end) - p), deadline,
                               err);
      if (r < 0)
        return r;
      if (!q)
        break;
      r = lease_write_raw (l, doubled, sizeof doubled, deadline, err);
      if (r < 0)
        return r;
      p = q + 1;
    }
  return 0;
}

size_t
lease_unread_ (struct lease *l)
{
  struct console *c = l->console;
  LOCK_SCOPE (&c->io);

  return c->io_fd >= 0 && c->io_connection == l->connection && l->ops->unread
             ? l->ops->unread (c)
             : 0;
}

int
lease_await_taken (struct lease *l, uint64_t deadline)
{
  uint64_t wait = FULL_FIRST_MS, now;

  while (lease_unread_ (l) > 0)
    {
      now = clock_ms ();
      if (now >= deadline)
        return -ETIMEDOUT;
      wait_a_little (l->console, wait < deadline - now ? wait : deadline - now);
      wait = 2 * wait > FULL_MOST_MS ? FULL_MOST_MS : 2 * wait;
    }
  return 0;
}

/* ---- persons who went home ---- */

struct persons
{
  unsigned n;
};

static void
look_idle (struct console *c, void *arg)
{
  struct persons *p = arg;
  LOCK_SCOPE (&c->hub->lock);

  if (!c->lease || c->lease->rank != LEASE_PERSON)
    return;
  if (is_idle (c->lease))
    lease_lose_locked_ (c->lease);
  else
    p->n++;
}

void
lease_idle_ (struct timer *t, void *arg)
{
  struct persons p = { 0 };

  hub_walk_ (arg, look_idle, &p);
  if (p.n > 0)
    timer_in (t, HUB_IDLE_LOOK_MS);
}

static void
person_came (void *arg)
{
  struct console *c = arg;

  if (!c->gone && !timer_armed (c->hub->idle_timer))
    timer_in (c->hub->idle_timer, HUB_IDLE_LOOK_MS);
  console_unref_ (c);
}

static void
person_dropped (void *arg)
{
  console_unref_ (arg);
}

static void
post_person (struct console *c)
{
  if (c->hub->dead || c->gone)
    return;
  c->refs++;
  if (loop_post (c->hub->loop, person_came, c, person_dropped) < 0)
    c->refs--;
}

/* ---- what dialogues remember of a console ---- */

void
lease_note_shell_ (struct lease *l)
{
  struct console *c = l->console;
  LOCK_SCOPE (&c->hub->lock);

  c->of_boot.shell_on = l->connection;
  c->of_boot.shell_at = l->tap->pos;
  c->of_boot.lines_asked = false;
}

void
lease_note_lines_ (struct lease *l)
{
  struct console *c = l->console;
  LOCK_SCOPE (&c->hub->lock);

  c->of_boot.lines_asked = true;
}

bool
lease_lines_asked_ (struct lease *l)
{
  struct console *c = l->console;
  LOCK_SCOPE (&c->hub->lock);

  return c->of_boot.lines_asked;
}

uint64_t
lease_quiet_ms_ (struct lease *l)
{
  uint64_t last = ring_last_ms (l->console->ring), now = clock_ms ();

  return now > last ? now - last : 0;
}

bool
lease_since_shell_ (struct lease *l, void *dst, size_t n, size_t *ret_len)
{
  struct console *c = l->console;
  uint64_t pos, lost, head;

  {
    LOCK_SCOPE (&c->hub->lock);
    if (c->of_boot.shell_on != l->connection)
      return false;
    pos = c->of_boot.shell_at;
  }
  head = ring_head (c->ring);
  if (head < pos || head - pos > n)
    return false;
  *ret_len = ring_read (c->ring, &pos, dst, n, &lost);
  return lost == 0;
}
