/* SPDX-License-Identifier: Apache-2.0
 *
 * Guests from QEMU run directories (EVE and others that keep one folder per
 * guest): the loop's half.
 *
 * It decides when to look: 50 ms after inotify or a process's end says that
 * something changed, and every 30 s anyway.  Looking is a job
 * (rundir_scan.c), because a folder on a sick disk or a keeper that is busy
 * may take its time.
 */
#include "guests/source.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"
#include "guests/rundir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define DEBOUNCE_MS 50
/* What the kernel tells needs no looking; this is for what it might not have
 * told.  Looking at a thousand guests takes a quarter of a second. */
#define PERIOD_MS (30u * 1000)
#define PERIOD_EACH_MS 250
/* While we are deaf: a process without a pidfd, a folder without inotify (too
 * many of them, no descriptors left, an old kernel). */
#define DEAF_PERIOD_MS (5u * 1000)
#define SCAN_TIMEOUT_MS (20u * 1000)
#define DEFAULT_CONSOLES "cons,shim-cons"
#define DEFAULT_MONITOR "qmp"
#define DEFAULT_PIDFILE "pid"

struct ear;

/* A folder and the process in it, as they were at the last scan. */
struct place
{
  struct place *next;
  struct rundir_folder folder;
  struct ear *changes, *life; /* inotify, pidfd; NULL if we have none */
  bool seen;
};

struct rundir
{
  unsigned refs; /* the owner's and the running job's */
  bool stopped;
  struct guest_source_env env;
  struct rundir_config cfg;
  struct timer *soon, *period;
  bool again; /* something changed while the job was looking */
  struct place *places;
  struct ear *root_ear, *eve_ears[EVE_FOLDERS];
  bool ok; /* the last scan saw everything */
  uint64_t scanned_ms, began_ms, scans;
  size_t nguests;
  struct rundir_double *doubles;
  size_t ndoubles;
  unsigned skipped;
  struct error why;
};

/* A descriptor that tells of changes, and where it is kept. */
struct ear
{
  struct rundir *rd;
  struct ear **slot;
  struct watch *watch;
  int fd;
};

static void start_scan (struct rundir *rd);

/* ---- ears ---- */

static void
ear_free (struct ear *e)
{
  if (!e)
    return;
  watch_free (e->watch);
  if (e->fd >= 0)
    close (e->fd);
  free (e);
}

static void
look_soon (struct rundir *rd)
{
  if (!timer_armed (rd->soon))
    timer_in (rd->soon, DEBOUNCE_MS);
}

/* True when the folder itself is gone: then the descriptor is deaf. */
static bool
drain_inotify (int fd)
{
  char buf[4096] __attribute__ ((aligned (__alignof__(struct inotify_event))));
  bool deaf = false;
  ssize_t n;

  while ((n = read (fd, buf, sizeof buf)) > 0)
    for (char *p = buf; p < buf + n;)
      {
        const struct inotify_event *ev = (const struct inotify_event *) p;

        deaf |= (ev->mask & (IN_IGNORED | IN_DELETE_SELF)) != 0;
        p += sizeof *ev + ev->len;
      }
  return deaf;
}

static void
on_change (struct watch *w, int fd, unsigned events, void *arg)
{
  struct ear *e = arg;

  look_soon (e->rd);
  if (drain_inotify (fd) || (events & LOOP_HANGUP))
    {
      *e->slot = NULL;
      ear_free (e);
    }
}

/* A pidfd becomes readable once, when its process ends. */
static void
on_death (struct watch *w, int fd, unsigned events, void *arg)
{
  struct ear *e = arg;

  look_soon (e->rd);
  *e->slot = NULL;
  ear_free (e);
}

/* Takes fd out of *fd and listens to it; without memory it just is not. */
static void
listen_to (struct rundir *rd, struct ear **slot, const char *name,
           loop_watch_fn *fn, int *fd)
{
  struct ear *e;

  if (*fd < 0)
    return;
  e = calloc (1, sizeof *e);
  if (!e)
    return;
  e->rd = rd;
  e->slot = slot;
  e->fd = steal_fd (fd);
  /* It came from the keeper: an inotify that blocks would stop the loop. */
  fcntl (e->fd, F_SETFL, fcntl (e->fd, F_GETFL) | O_NONBLOCK);
  if (loop_watch (rd->env.loop, name, e->fd, LOOP_READ, fn, e, &e->watch, NULL)
      < 0)
    {
      ear_free (e);
      return;
    }
  ear_free (*slot);
  *slot = e;
}

/* ---- places ---- */

static void
place_free (struct place *p)
{
  ear_free (p->changes);
  ear_free (p->life);
  free (p);
}

static struct place *
place_of (struct rundir *rd, const char *name)
{
  struct place *p;

  for (p = rd->places; p; p = p->next)
    if (strcmp (p->folder.name, name) == 0)
      return p;
  p = calloc (1, sizeof *p);
  if (!p)
    return NULL;
  p->next = rd->places;
  rd->places = p;
  return p;
}

static void
place_set (struct rundir *rd, struct rundir_folder *found)
{
  struct place *p = place_of (rd, found->name);

  if (!p)
    return;
  p->seen = true;
  /* Another process: the old pidfd would tell of a death long past. */
  if (p->folder.pid != found->pid || p->folder.start_time != found->start_time)
    {
      ear_free (p->life);
      p->life = NULL;
    }
  memcpy (p->folder.name, found->name, sizeof found->name);
  memcpy (p->folder.uuid, found->uuid, sizeof found->uuid);
  p->folder.pid = found->pid;
  p->folder.start_time = found->start_time;
  p->folder.orders = found->orders;
  p->folder.settled = found->settled;
  /* Nothing is expected to change in it: one inotify less of the 128 that a
   * user may have by default. */
  if (found->settled)
    {
      ear_free (p->changes);
      p->changes = NULL;
    }
  listen_to (rd, &p->changes, "rundir guest folder", on_change,
             &found->inotify_fd);
  listen_to (rd, &p->life, "rundir guest process", on_death, &found->pid_fd);
}

static void
drop_unseen (struct rundir *rd)
{
  struct place **p = &rd->places;

  while (*p)
    {
      struct place *gone = *p;

      if (gone->seen)
        {
          gone->seen = false;
          p = &gone->next;
          continue;
        }
      *p = gone->next;
      place_free (gone);
    }
}

/* ---- the scan ---- */

static void
rundir_unref (struct rundir *rd)
{
  if (--rd->refs > 0)
    return;
  rundir_config_done (&rd->cfg);
  free (rd->doubles);
  free (rd);
}

static struct rundir_scan *
make_scan (struct rundir *rd)
{
  struct rundir_scan *s = rundir_scan_new ();
  size_t n = 0;

  if (!s || rundir_config_copy (&s->cfg, &rd->cfg) < 0)
    goto fail;
  s->opener = rd->env.opener;
  for (struct place *p = rd->places; p; p = p->next)
    n++;
  s->known = calloc (n + 1, sizeof *s->known);
  if (!s->known)
    goto fail;
  for (struct place *p = rd->places; p; p = p->next)
    {
      s->known[s->nknown] = p->folder;
      s->known[s->nknown].watched = p->changes != NULL;
      s->known[s->nknown++].followed = p->life != NULL;
    }
  s->want_root = !rd->root_ear;
  /* Only for what has none yet: descriptors that are not used would have to
   * be closed again. */
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    s->want_eve[i] = !rd->eve_ears[i];
  return s;
fail:
  rundir_scan_free (s);
  return NULL;
}

static void
take_guests (struct rundir *rd, struct rundir_scan *s)
{
  registry_sweep_begin (rd->env.registry, "rundir", rd->cfg.root);
  for (size_t i = 0; i < s->nguests; i++)
    registry_update (rd->env.registry, s->guests[i]);
  for (size_t i = 0; i < s->nfolders; i++)
    /* It was there and could not be read: that is no reason to say that the
     * guest is gone. */
    if (s->folders[i].blind)
      registry_keep (rd->env.registry, "rundir", rd->cfg.root,
                     s->folders[i].uuid);
  rd->nguests = s->nguests;
  s->nguests = 0; /* the registry has them */
  free (rd->doubles);
  rd->doubles = steal_ptr (&s->doubles);
  rd->ndoubles = s->ndoubles;
  registry_sweep_end (rd->env.registry, "rundir", rd->cfg.root);
}

static void
take_folders (struct rundir *rd, struct rundir_scan *s)
{
  for (size_t i = 0; i < s->nfolders; i++)
    place_set (rd, &s->folders[i]);
  listen_to (rd, &rd->root_ear, "rundir root", on_change, &s->root_fd);
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    listen_to (rd, &rd->eve_ears[i], "rundir eve status", on_change,
               &s->eve_fd[i]);
}

static bool
is_deaf (const struct rundir *rd)
{
  for (const struct place *p = rd->places; p; p = p->next)
    if ((!p->changes && !p->folder.settled) || (p->folder.pid && !p->life))
      return true;
  return !rd->root_ear;
}

static uint64_t
period_ms (const struct rundir *rd)
{
  uint64_t ms = PERIOD_MS;

  for (const struct place *p = rd->places; p; p = p->next)
    ms += PERIOD_EACH_MS;
  return ms;
}

static void
scan_done (void *owner, void *arg, enum job_end end, int rc)
{
  struct rundir *rd = owner;
  struct rundir_scan *s = arg;

  rd->began_ms = 0;
  if (rd->stopped)
    ;
  else if (end == JOB_DISCARDED)
    {
      rd->ok = false;
      error_set (&rd->why, ETIMEDOUT, "looking at %s does not come back",
                 rd->cfg.root);
    }
  else
    {
      take_folders (rd, s);
      rd->ok = s->listed;
      rd->why = s->why;
      rd->skipped = s->skipped;
      /* Half a look says nothing of what was not seen. */
      if (s->listed)
        {
          drop_unseen (rd);
          take_guests (rd, s);
          rd->scanned_ms = loop_now (rd->env.loop);
        }
      rd->scans++;
      if (is_deaf (rd))
        timer_in (rd->period, DEAF_PERIOD_MS);
    }
  rundir_scan_free (s);
  if (!rd->stopped && rd->again)
    {
      rd->again = false;
      look_soon (rd);
    }
  rundir_unref (rd);
}

static void
start_scan (struct rundir *rd)
{
  struct job_spec spec = {
    .name = "look at the run directory",
    .guest = "host",
    .lane = LANE_SOURCE,
    .part = rd->cfg.root,
    .timeout_ms = SCAN_TIMEOUT_MS,
    .run = rundir_scan_run,
    .done = scan_done,
    .free_arg = rundir_scan_free,
    .owner = rd,
  };
  int r;

  if (rd->began_ms)
    {
      rd->again = true;
      return;
    }
  spec.arg = make_scan (rd);
  r = spec.arg ? job_start (rd->env.jobs, &spec, &rd->why)
               : error_errno (&rd->why, ENOMEM, "%s", rd->cfg.root);
  if (r < 0)
    {
      /* No thread now; the period brings the next try. */
      rd->ok = false;
      rundir_scan_free (spec.arg);
      return;
    }
  rd->refs++;
  rd->began_ms = loop_now (rd->env.loop);
}

static void
on_soon (struct timer *t, void *arg)
{
  start_scan (arg);
}

static void
on_period (struct timer *t, void *arg)
{
  struct rundir *rd = arg;

  timer_in (rd->period, is_deaf (rd) ? DEAF_PERIOD_MS : period_ms (rd));
  start_scan (rd);
}

/* ---- the source ---- */

static void
rundir_stop (void *self)
{
  struct rundir *rd = self;

  if (!rd)
    return;
  rd->stopped = true;
  timer_free (rd->soon);
  timer_free (rd->period);
  ear_free (rd->root_ear);
  for (unsigned i = 0; i < EVE_FOLDERS; i++)
    ear_free (rd->eve_ears[i]);
  while (rd->places)
    {
      struct place *p = rd->places;

      rd->places = p->next;
      place_free (p);
    }
  rundir_unref (rd);
}

static void
rundir_stopp (struct rundir **rd)
{
  rundir_stop (*rd);
}

static char *
or_default (char *given, const char *dflt)
{
  return given && given[0] ? given : (char *) dflt;
}

static int
check_config (const struct guest_source_config *cfg, struct error *err)
{
  const char *monitor = cfg->monitor ? cfg->monitor : "";
  const char *slash = strrchr (monitor, '/');

  if (!cfg->root || cfg->root[0] != '/')
    return error_set (err, EINVAL,
                      "rundir: root has to be an absolute folder "
                      "(\"/run/hypervisor/kvm\")");
  if (slash || (cfg->pidfile && strchr (cfg->pidfile, '/')))
    return error_set (err, EINVAL,
                      "rundir: monitor and pidfile are file names in a "
                      "guest's folder, not paths");
  if (strcmp (monitor, "listener.qmp") == 0)
    return error_set (err, EINVAL,
                      "rundir: listener.qmp belongs to its owner for the "
                      "guest's whole life: use \"qmp\"");
  return 0;
}

static int
rundir_start (const struct guest_source_env *env,
              const struct guest_source_config *cfg, void **ret_self,
              struct error *err)
{
  const struct rundir_config want = {
    .root = cfg->root,
    .consoles = or_default (cfg->consoles, DEFAULT_CONSOLES),
    .monitor = or_default (cfg->monitor, DEFAULT_MONITOR),
    .pidfile = or_default (cfg->pidfile, DEFAULT_PIDFILE),
    .eve = or_default (cfg->eve, ""),
    .mode = cfg->console_mode >= 0 && cfg->console_mode < CONSOLE_MODE_MAX
                ? (enum console_mode) cfg->console_mode
                : CONSOLE_PROBE,
  };
  struct rundir *rd CLEANUP (rundir_stopp) = NULL;
  int r;

  r = check_config (cfg, err);
  if (r < 0)
    return r;
  rd = calloc (1, sizeof *rd);
  if (!rd)
    return error_errno (err, ENOMEM, "rundir");
  rd->refs = 1;
  rd->env = *env;
  if (rundir_config_copy (&rd->cfg, &want) < 0)
    return error_errno (err, ENOMEM, "rundir");
  r = loop_timer (env->loop, "rundir debounce", on_soon, rd, &rd->soon, err);
  if (r == 0)
    r = loop_timer (env->loop, "rundir period", on_period, rd, &rd->period,
                    err);
  if (r < 0)
    return r;
  timer_in (rd->period, 0);
  *ret_self = steal_ptr (&rd);
  return 0;
}

static void
rundir_refresh (void *self)
{
  look_soon (self);
}

static void
rundir_describe (void *self, struct buf *out)
{
  struct rundir *rd = self;
  uint64_t now = loop_now (rd->env.loop);

  buf_printf (out, "rundir %s: %zu guests", rd->cfg.root, rd->nguests);
  if (rd->scanned_ms)
    buf_printf (out, ", looked %llu s ago",
                (unsigned long long) (now - rd->scanned_ms) / 1000);
  if (rd->began_ms)
    buf_printf (out, ", looking since %llu ms",
                (unsigned long long) (now - rd->began_ms));
  if (is_deaf (rd))
    buf_puts (out, ", not all can be watched (looked at every 5 s)");
  if (rd->ndoubles)
    buf_printf (out, ", %zu claimed twice", rd->ndoubles);
  if (rd->skipped)
    buf_printf (out, ", %u folders skipped", rd->skipped);
  if (!rd->ok && rd->scans)
    buf_printf (out, ", trouble: %s", error_text (&rd->why));
  buf_putc (out, '\n');
}

static bool
rundir_healthy (void *self)
{
  struct rundir *rd = self;

  return rd->ok
         && loop_now (rd->env.loop) - rd->scanned_ms < 3 * period_ms (rd);
}

static void
rundir_doubles (void *self,
                void (*fn) (const struct guest_double *d, void *arg),
                void *arg)
{
  struct rundir *rd = self;

  for (size_t i = 0; i < rd->ndoubles; i++)
    {
      const struct rundir_double *d = &rd->doubles[i];

      fn (&(struct guest_double){ d->uuid, d->name, d->taken, d->running },
          arg);
    }
}

const struct guest_source_ops guest_source_rundir = {
  .name = "rundir",
  .summary = "one folder per guest with pid file, monitor and consoles (EVE)",
  .start = rundir_start,
  .refresh = rundir_refresh,
  .describe = rundir_describe,
  .healthy = rundir_healthy,
  .doubles = rundir_doubles,
  .stop = rundir_stop,
};
