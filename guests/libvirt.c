/* SPDX-License-Identifier: Apache-2.0
 *
 * Guests from libvirt: the loop's part.
 *
 * It decides when to look (libvirt_scan.c): at a domain 50 ms after an event
 * of it, at all of them every minute and on each new connection.  A lost
 * connection loses no guest: they stay as they were last seen, and the source
 * says that it is unwell, until libvirt is back (1 s, 2 s, ... 60 s).
 */
#include "guests/source.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/job.h"
#include "base/loop.h"
#include "guests/libvirt.h"

#include <stdlib.h>
#include <string.h>

#define DEBOUNCE_MS 50
#define PERIOD_MS (60u * 1000)
#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS (60u * 1000)
#define SCAN_TIMEOUT_MS (30u * 1000)
#define STALE_MS (3 * PERIOD_MS)
#define LEAVING_MS 2000
#define LEAVING_TIMEOUT_MS (5u * 1000)
#define DEFAULT_URI "qemu:///system"

struct libvirt
{
  unsigned refs; /* the owner's and the running job's */
  bool stopped;
  struct guest_source_env env;
  struct libvirt_link *link;
  struct libvirt_ears *ears; /* NULL while a job has them */
  char uri[256];
  bool local;
  enum console_mode mode;
  struct timer *soon, *later, *leaving;
  struct libvirt_set dirty, migrating, unsure;
  struct timer *unsure_timer;
  uint64_t unsure_ms;
  bool looking, again;
  bool connected, read_only;
  uint64_t since_ms, seen_ms, retry_ms;
  size_t nguests;
  unsigned skipped;
  struct error why;
};

/* ---- ending ---- */

static void
libvirt_unref (struct libvirt *lv)
{
  if (--lv->refs > 0)
    return;
  libvirt_link_unref (lv->link);
  free (lv);
}

/* In a thread of its own: unsubscribing is a call to libvirtd. */
static int
farewell_run (struct job *job, void *ears)
{
  libvirt_ears_free (ears);
  return 0;
}

static void
farewell_done (void *owner, void *arg, enum job_end end, int rc)
{
}

/* Letting go of libvirt's callbacks asks libvirt, so it needs a thread too.
 * Where there is none they are left: the link makes them harmless. */
static void
say_farewell (struct libvirt *lv, struct libvirt_ears *ears)
{
  struct job_spec spec = {
    .name = "leave libvirt",
    .guest = "host",
    .lane = LANE_FAREWELL,
    .timeout_ms = SCAN_TIMEOUT_MS,
    .run = farewell_run,
    .done = farewell_done,
    .arg = ears,
  };

  if (ears)
    (void) job_start (lv->env.jobs, &spec, NULL);
}

/* ---- looking ---- */

static void
look_soon (struct libvirt *lv)
{
  if (!timer_armed (lv->soon))
    timer_in (lv->soon, DEBOUNCE_MS);
}

/* Of one that is migrated between two hypervisors of this host there are two
 * processes for a while, and its end tells nobody.  One host that is watched
 * by two names is asked ever more seldom. */
static void
look_at_unsure (struct libvirt *lv, const struct libvirt_set *unsure)
{
  if (unsure->n == 0)
    return;
  for (unsigned i = 0; i < unsure->n; i++)
    libvirt_set_add (&lv->unsure, unsure->uuids[i]);
  if (timer_armed (lv->unsure_timer))
    return;
  lv->unsure_ms = lv->unsure_ms ? 2 * lv->unsure_ms : RETRY_MIN_MS;
  if (lv->unsure_ms > PERIOD_MS)
    lv->unsure_ms = PERIOD_MS;
  timer_in (lv->unsure_timer, lv->unsure_ms);
}

static void
on_unsure (struct timer *t, void *arg)
{
  struct libvirt *lv = arg;

  for (unsigned i = 0; i < lv->unsure.n; i++)
    libvirt_set_add (&lv->dirty, lv->unsure.uuids[i]);
  memset (&lv->unsure, 0, sizeof lv->unsure);
  look_soon (lv);
}

static void
take_guests (struct libvirt *lv, struct libvirt_scan *s)
{
  struct guest_registry *reg = lv->env.registry;
  char uuid[UUID_TEXT];

  /* Only a list of all says who is not there any more; a look at some
   * domains says nothing of the others. */
  if (s->listed)
    registry_sweep_begin (reg, "libvirt", lv->uri);
  for (size_t i = 0; i < s->nguests; i++)
    {
      if (s->guests[i]->run == GUEST_OFF)
        libvirt_set_remove (&lv->migrating, s->guests[i]->inc.uuid);
      guest_copy (uuid, sizeof uuid, s->guests[i]->inc.uuid);
      if (!registry_update (reg, s->guests[i]))
        libvirt_set_add (&s->unsure, uuid);
    }
  if (s->listed)
    lv->nguests = s->nguests;
  s->nguests = 0; /* the registry has them */
  if (s->listed)
    registry_sweep_end (reg, "libvirt", lv->uri);
  for (unsigned i = 0; i < s->gone.n; i++)
    {
      libvirt_set_remove (&lv->migrating, s->gone.uuids[i]);
      registry_gone (reg, "libvirt", lv->uri, s->gone.uuids[i]);
    }
  look_at_unsure (lv, &s->unsure);
}

/* The job came to an end by itself: when to look next. */
static void
judge (struct libvirt *lv, const struct libvirt_scan *s, int rc)
{
  uint64_t now = loop_now (lv->env.loop);

  if (s->connected != lv->connected)
    {
      lv->connected = s->connected;
      lv->since_ms = now;
    }
  lv->read_only = s->read_only;
  lv->why = s->why;
  lv->skipped = s->skipped;
  if (rc == 0)
    {
      lv->seen_ms = now;
      lv->retry_ms = 0;
      if (s->wanted.all)
        timer_in (lv->later, PERIOD_MS);
      return;
    }
  /* Events may have been lost with the connection: everything is asked. */
  lv->dirty.all = true;
  lv->retry_ms = lv->retry_ms ? 2 * lv->retry_ms : RETRY_MIN_MS;
  if (lv->retry_ms > RETRY_MAX_MS)
    lv->retry_ms = RETRY_MAX_MS;
  timer_stop (lv->soon);
  timer_in (lv->later, lv->retry_ms);
}

static void
scan_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct libvirt *lv = owner;
  struct libvirt_scan *s = arg;

  lv->looking = false;
  if (end == JOB_RETURNED)
    {
      struct libvirt_ears *ears = steal_ptr (&s->ears);

      if (lv->stopped)
        say_farewell (lv, ears);
      else
        {
          lv->ears = ears;
          take_guests (lv, s);
          judge (lv, s, rc);
        }
      libvirt_scan_free (s);
    }
  /* Discarded: its thread is stuck in a call, and keeps the scan and the
   * ears; it frees them when it comes back, which may be never. */
  else if (!lv->stopped)
    {
      lv->connected = false;
      lv->since_ms = loop_now (lv->env.loop);
      error_set (&lv->why, ETIMEDOUT, "%s: a call does not come back", lv->uri);
      lv->dirty.all = true;
      timer_in (lv->later, RETRY_MAX_MS);
    }
  if (!lv->stopped && lv->again && lv->connected)
    look_soon (lv);
  lv->again = false;
  libvirt_unref (lv);
}

static struct libvirt_scan *
make_scan (struct libvirt *lv)
{
  struct libvirt_scan *s = libvirt_scan_new ();

  if (!s)
    return NULL;
  s->link = libvirt_link_ref (lv->link);
  memcpy (s->uri, lv->uri, sizeof s->uri);
  s->local = lv->local;
  s->mode = lv->mode;
  s->read_only = lv->read_only;
  s->wanted = lv->dirty;
  s->migrating = lv->migrating;
  /* One owner at a time: the loop's thread does not touch them until the
   * scan is back. */
  s->ears = steal_ptr (&lv->ears);
  return s;
}

static void
start_scan (struct libvirt *lv)
{
  struct job_spec spec = {
    .name = "look at libvirt",
    .guest = "host",
    .lane = LANE_SOURCE,
    .part = lv->uri,
    .timeout_ms = SCAN_TIMEOUT_MS,
    .run = libvirt_scan_run,
    .done = scan_done,
    .free_arg = libvirt_scan_free,
    .owner = lv,
  };
  struct libvirt_scan *s;

  if (lv->looking)
    {
      lv->again = true;
      return;
    }
  s = make_scan (lv);
  spec.arg = s;
  if (!s || job_start (lv->env.jobs, &spec, &lv->why) < 0)
    {
      if (s)
        lv->ears = steal_ptr (&s->ears);
      libvirt_scan_free (s);
      timer_in (lv->later, RETRY_MIN_MS);
      return;
    }
  /* The job may outlive us: it holds a reference until it is done. */
  lv->refs++;
  lv->looking = true;
  memset (&lv->dirty, 0, sizeof lv->dirty);
}

static void
on_soon (struct timer *t, void *arg)
{
  start_scan (arg);
}

static void
on_later (struct timer *t, void *arg)
{
  struct libvirt *lv = arg;

  lv->dirty.all = true;
  start_scan (lv);
}

/* ---- those on their way ---- */

static void
settle (struct libvirt *lv, const char *uuid)
{
  libvirt_set_remove (&lv->migrating, uuid);
  libvirt_set_add (&lv->dirty, uuid);
  look_soon (lv);
}

static void
leaving_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct libvirt *lv = owner;
  struct libvirt_leaving *l = arg;

  if (end == JOB_RETURNED)
    {
      for (unsigned i = 0; i < l->over.n && !lv->stopped; i++)
        settle (lv, l->over.uuids[i]);
      free (l);
    }
  libvirt_unref (lv);
}

static void
on_leaving (struct timer *t, void *arg)
{
  struct libvirt *lv = arg;
  struct libvirt_leaving *l;
  struct job_spec spec = {
    .name = "do they still migrate",
    .guest = "host",
    .lane = LANE_MIGRATIONS,
    .part = lv->uri,
    .timeout_ms = LEAVING_TIMEOUT_MS,
    .run = libvirt_leaving_run,
    .done = leaving_done,
    .free_arg = free,
    .owner = lv,
  };

  if (lv->migrating.n == 0)
    return;
  timer_in (t, LEAVING_MS);
  l = calloc (1, sizeof *l);
  if (!l)
    return;
  memcpy (l->uri, lv->uri, sizeof l->uri);
  l->asked = lv->migrating;
  spec.arg = l;
  /* Not while the last one still waits. */
  if (job_start (lv->env.jobs, &spec, NULL) < 0)
    free (l);
  else
    lv->refs++;
}

/* ---- events ---- */

static void
on_note (void *owner, const struct libvirt_note *note)
{
  struct libvirt *lv = owner;

  switch (note->kind)
    {
    case LIBVIRT_CLOSED:
      lv->connected = false;
      lv->since_ms = loop_now (lv->env.loop);
      error_set (&lv->why, ENOTCONN, "%s: the connection was lost", lv->uri);
      lv->dirty.all = true;
      timer_in (lv->later, RETRY_MIN_MS);
      return;
    case LIBVIRT_EVENT:
      lv->unsure_ms = 0; /* news: what was the same may differ now */
      registry_event (lv->env.registry, "libvirt", lv->uri, note->uuid,
                      note->event, note->detail[0] ? note->detail : NULL);
      break;
    case LIBVIRT_MIGRATING:
      /* One event per pass over the memory: only the first is news. */
      if (libvirt_set_has (&lv->migrating, note->uuid))
        return;
      libvirt_set_add (&lv->migrating, note->uuid);
      if (!timer_armed (lv->leaving))
        timer_in (lv->leaving, LEAVING_MS);
      break;
    case LIBVIRT_SETTLED:
      libvirt_set_remove (&lv->migrating, note->uuid);
      break;
    case LIBVIRT_DIRTY:
      break;
    }
  libvirt_set_add (&lv->dirty, note->uuid);
  look_soon (lv);
}

/* ---- the source ---- */

/* "qemu:///system" and "qemu+unix:///system", not "qemu+ssh://host/system". */
static bool
is_local (const char *uri)
{
  const char *slashes = strstr (uri, "://");
  const char *plus = strchr (uri, '+');

  return slashes && slashes[3] == '/'
         && (!plus || plus > slashes
             || strncmp (plus, "+unix:", strlen ("+unix:")) == 0);
}

static void
libvirt_stop (void *self)
{
  struct libvirt *lv = self;

  if (!lv)
    return;
  lv->stopped = true;
  /* Letters of the event thread may still be on their way to the loop: they
   * hold the link, and find no owner. */
  if (lv->link)
    lv->link->owner = NULL;
  timer_free (lv->soon);
  timer_free (lv->later);
  timer_free (lv->leaving);
  timer_free (lv->unsure_timer);
  say_farewell (lv, steal_ptr (&lv->ears));
  libvirt_unref (lv);
}

static void
libvirt_stopp (struct libvirt **lv)
{
  libvirt_stop (*lv);
}

static int
libvirt_start (const struct guest_source_env *env,
               const struct guest_source_config *cfg, void **ret_self,
               struct error *err)
{
  const char *uri = cfg->uri && cfg->uri[0] ? cfg->uri : DEFAULT_URI;
  struct libvirt *lv CLEANUP (libvirt_stopp) = NULL;
  int r;

  if (strlen (uri) >= sizeof ((struct guest *)0)->host)
    return error_set (err, EINVAL, "libvirt: the URI is too long");
  lv = calloc (1, sizeof *lv);
  if (!lv)
    return error_errno (err, ENOMEM, "libvirt");
  lv->refs = 1;
  lv->env = *env;
  guest_copy (lv->uri, sizeof lv->uri, uri);
  lv->local = is_local (uri);
  lv->mode = cfg->console_mode >= 0 && cfg->console_mode < CONSOLE_MODE_MAX
                 ? (enum console_mode) cfg->console_mode
                 : CONSOLE_HOLD;
  lv->link = libvirt_link_new (env->loop);
  if (!lv->link)
    return error_errno (err, ENOMEM, "libvirt");
  lv->link->owner = lv;
  lv->link->on_note = on_note;
  r = loop_timer (env->loop, "libvirt debounce", on_soon, lv, &lv->soon, err);
  if (r == 0)
    r = loop_timer (env->loop, "libvirt period", on_later, lv, &lv->later, err);
  if (r == 0)
    r = loop_timer (env->loop, "libvirt migrations", on_leaving, lv,
                    &lv->leaving, err);
  if (r == 0)
    r = loop_timer (env->loop, "libvirt unsure", on_unsure, lv,
                    &lv->unsure_timer, err);
  if (r < 0)
    return r;
  timer_in (lv->later, 0);
  *ret_self = steal_ptr (&lv);
  return 0;
}

static void
libvirt_refresh (void *self)
{
  struct libvirt *lv = self;

  lv->dirty.all = true;
  look_soon (lv);
}

static void
libvirt_describe (void *self, struct buf *out)
{
  struct libvirt *lv = self;
  uint64_t now = loop_now (lv->env.loop);

  buf_printf (out, "libvirt %s: %zu guests, %s", lv->uri, lv->nguests,
              lv->connected ? "connected" : "not connected");
  if (lv->since_ms)
    buf_printf (out, " for %llu s",
                (unsigned long long) (now - lv->since_ms) / 1000);
  if (lv->connected && lv->read_only)
    buf_puts (out, ", read-only: guests are seen, but no SysRq key is pressed, "
                   "no monitor command sent and no console streamed; mend it: "
                   "the libvirt group for hangdog's user, and not the socket "
                   "libvirt-sock-ro");
  if (lv->looking)
    buf_puts (out, ", looking");
  if (lv->retry_ms)
    buf_printf (out, ", next try %llu s after the last",
                (unsigned long long) lv->retry_ms / 1000);
  if (lv->skipped)
    buf_printf (out, ", %u domains skipped", lv->skipped);
  if (lv->why.code)
    buf_printf (out, ", trouble: %s", error_text (&lv->why));
  buf_putc (out, '\n');
}

static bool
libvirt_healthy (void *self)
{
  struct libvirt *lv = self;

  /* Connected is not enough: a libvirtd that is stopped keeps its socket
   * open, and only the age of the last look tells. */
  return lv->connected && loop_now (lv->env.loop) - lv->seen_ms < STALE_MS;
}

const struct guest_source_ops guest_source_libvirt = {
  .name = "libvirt",
  .summary = "domains of a libvirt host, local or remote",
  .start = libvirt_start,
  .refresh = libvirt_refresh,
  .describe = libvirt_describe,
  .healthy = libvirt_healthy,
  .stop = libvirt_stop,
};
