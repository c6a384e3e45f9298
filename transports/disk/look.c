/* SPDX-License-Identifier: Apache-2.0
 *
 * How old a heartbeat is, by who has seen it move.
 */
#include "transports/disk/disk_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "guests/guest.h"
#include "transports/transport.h"

#include <stdio.h>

/* What a look takes besides waiting. */
#define LOOK_MS 700
/* A guest under load writes a little late. */
#define LATE_MS 2000
#define EVERY_MAX_S 600u

struct looking
{
  const struct transport_env *env;
  const char *uuid;
  int fd;
  uint64_t deadline, every_ms;
  struct disk_seen seen;
  struct disk_look *ret;
};

/* Of what is there now, from the last look to this one. */
static void
note (struct looking *l, uint64_t now)
{
  struct disk_look *r = l->ret;
  struct disk_seen *s = &l->seen;
  uint64_t gap = now - s->looked_ms, may;

  r->move = mailbox_compare (s->boot, s->seq, &r->beat);
  switch (r->move)
    {
    case MAILBOX_SAME:
      break;
    case MAILBOX_FIRST:
    case MAILBOX_OLDER:
      /* Somebody put it there; that it lives is not said by that. */
      s->proven = false;
      s->moved_ms = now;
      break;
    case MAILBOX_MOVED:
    case MAILBOX_REBOOTED:
      /* So many heartbeats take so long: if more time is over, the last of
       * them is that old. */
      may = (r->beat.slot.seq - s->seq + 1) * l->every_ms + LATE_MS;
      s->moved_ms = gap > may ? now - (gap - may) : now;
      s->proven = now - s->moved_ms <= r->limit_ms;
      if (!s->proven)
        s->moved_ms = now;
      break;
    }
  snprintf (s->boot, sizeof s->boot, "%s", r->beat.boot);
  s->seq = r->beat.slot.seq;
  s->looked_ms = now;
  r->age_ms = now - s->moved_ms;
  r->fresh = s->proven && r->age_ms <= r->limit_ms;
  r->missing = r->age_ms > r->limit_ms;
}

static int
see (struct looking *l, uint64_t wait_ms, struct error *err)
{
  struct disk_look *r = l->ret;
  struct disk_seeing now;
  int rc = disk_see_ (l->env, l->uuid, l->fd, wait_ms ? l->seen.boot : "",
                      l->seen.seq, wait_ms, l->deadline, &r->end, &now,
                      r->detail, sizeof r->detail, err);

  if (rc < 0 || r->end != DISK_OK)
    return rc;
  r->state = now.state;
  r->report_only = now.report_only;
  if (now.state != MAILBOX_GOOD)
    return 0;
  r->beat = now.beat;
  return 0;
}

static void
set_limit (struct looking *l, const struct disk_patience *how)
{
  l->every_ms = how->every_ms;
  if (!l->every_ms)
    /* A guest that says once a day would never be missed. */
    l->every_ms = (l->ret->beat.interval_s < EVERY_MAX_S
                       ? l->ret->beat.interval_s
                       : EVERY_MAX_S)
                  * 1000ull;
  l->ret->limit_ms = l->every_ms * (how->missed + 1) + LATE_MS;
}

/* How long it is worth waiting for the next one now. */
static uint64_t
worth (const struct looking *l)
{
  const struct disk_look *r = l->ret;
  uint64_t now = clock_ms (), left, wait;

  left = l->deadline > now + LOOK_MS ? l->deadline - now - LOOK_MS : 0;
  /* Longer than the limit by as much as tells that it is over. */
  wait = r->limit_ms + 50 > r->age_ms ? r->limit_ms + 50 - r->age_ms : 0;
  return wait < left ? wait : left;
}

static int
look (struct looking *l, const struct disk_patience *how, struct error *err)
{
  struct disk_look *r = l->ret;
  uint64_t wait;
  int rc = see (l, 0, err);

  if (rc < 0 || r->end != DISK_OK || r->state != MAILBOX_GOOD)
    return rc;
  set_limit (l, how);
  note (l, clock_ms ());
  wait = r->fresh || r->missing ? 0 : worth (l);
  if (wait == 0)
    return 0;
  rc = see (l, wait, err);
  if (rc >= 0 && r->end == DISK_OK && r->state == MAILBOX_GOOD)
    note (l, clock_ms ());
  return rc;
}

int
disk_look (const struct transport_env *env, const struct guest *g,
           const struct disk_patience *how, uint64_t deadline,
           struct disk_look *ret, struct error *err)
{
  struct disk_look r = { 0 };
  struct looking l = { .env = env, .uuid = g->inc.uuid, .fd = -1,
                       .deadline = deadline, .ret = &r };
  CLEANUP_CLOSE int fd = -1;
  int rc;

  disk_recall_ (env->disk, l.uuid, &l.seen);
  r.end = disk_open_ (env, g, how->mailbox, deadline, &fd, r.detail,
                      sizeof r.detail);
  if (r.end == DISK_OK)
    {
      l.fd = fd;
      rc = look (&l, how, err);
      if (rc < 0)
        return rc;
    }
  if (r.end == DISK_OK && r.state == MAILBOX_GOOD)
    disk_keep_ (env->disk, l.uuid, &l.seen);
  *ret = r;
  return 0;
}
