/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's shipping: one item at a time, round after round.
 *
 *   loop ─ pick ─► disk thread ─► loop ─ send ─► ship thread ─► loop
 *     ▲                                                          │
 *     └────────────── disk thread ◄─ what became of it ──────────┘
 *
 * The spool belongs to the disk thread, so it picks and it notes the end; the
 * ship thread gets a descriptor and knows nothing else.
 */
#include "supervisor/conf/settings.h"
#include "supervisor/writer/writer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "controller-proto/bundle.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define DENIED_MS (60u * 60 * 1000)
/* A wall clock that jumps must not make us sleep through a due item. */
#define LOOK_AGAIN_MS (60u * 1000)

/* One round; each thread owns it in its turn. */
struct shipment
{
  struct shipper *s;
  const struct config *config;
  const struct sink_ops *to;
  struct spool_item item;
  bool hurry; /* all that is ready is due */
  bool found; /* item is what is to go */
  uint64_t next_at; /* wall clock, when nothing was found */
  char name[64], key[64];
  int fd;
  enum ship_end end;
  uint64_t retry_after_ms;
  struct error why;
};

struct shipper
{
  struct loop *loop;
  struct lane *disk_lane, *lane;
  struct disk *disk;
  const struct shipper_ops *ops;
  void *arg;
  struct timer *timer;
  const struct config *config;
  const struct sink_ops *to; /* of it; NULL = nothing is sent */
  bool busy;          /* a round is under way */
  bool again;         /* kicked meanwhile */
  bool due;           /* all that is ready is to be tried at once */
  uint64_t denied_until; /* clock_ms() */
  char denied[64], why[200]; /* the last one so, "" = none */
};

/* ---- a round ---- */

static void
shipment_free (void *arg)
{
  struct shipment *sh = arg;

  if (sh->fd >= 0)
    close (sh->fd);
  config_unref (sh->config);
  free (sh);
}

static void
round_over (struct shipper *s)
{
  s->busy = false;
  if (s->again)
    shipper_kick (s);
}

void
shipper_tell (struct shipper *s)
{
  if (s && s->denied[0])
    s->ops->event (s->arg, "denied", s->denied, s->why);
}

/* Loop thread: the end is noted. */
static void
ended (void *arg)
{
  struct shipment *sh = arg;
  struct shipper *s = sh->s;

  switch (sh->end)
    {
    case SHIP_DONE:
      log_info ("incident %s was sent", sh->item.id);
      s->denied[0] = '\0';
      s->ops->event (s->arg, "shipped", sh->item.id, NULL);
      break;
    case SHIP_PARK:
      log_warn ("incident %s is refused and parked: %s", sh->item.id,
                error_text (&sh->why));
      s->denied[0] = '\0';
      s->ops->event (s->arg, "parked", sh->item.id, error_text (&sh->why));
      break;
    case SHIP_DENIED:
      log_error ("nothing can be sent before this is mended: %s",
                 error_text (&sh->why));
      s->denied_until = clock_ms () + DENIED_MS;
      snprintf (s->denied, sizeof s->denied, "%s", sh->item.id);
      snprintf (s->why, sizeof s->why, "%s", error_text (&sh->why));
      shipper_tell (s);
      break;
    case SHIP_RETRY:
      log_warn ("incident %s was not sent, attempt %u: %s", sh->item.id,
                sh->item.attempts + 1, error_text (&sh->why));
      break;
    }
  s->again = true;
  shipment_free (sh);
  round_over (s);
}

/* Disk thread: what became of it. */
static void
note_end (void *arg)
{
  struct shipment *sh = arg;
  struct spool *sp = disk_spool (sh->s->disk);
  const char *why = error_text (&sh->why);
  uint64_t wait = sh->end == SHIP_DENIED ? DENIED_MS
                                         : ship_backoff_ms (sh->item.attempts);
  struct error err = ERROR_INIT;
  int r = 0;

  if (wait < sh->retry_after_ms)
    wait = sh->retry_after_ms;
  switch (sh->end)
    {
    case SHIP_DONE:
      r = spool_sent (sp, sh->item.id, &err);
      break;
    case SHIP_PARK:
      r = spool_park (sp, sh->item.id, why, &err);
      break;
    case SHIP_DENIED:
    case SHIP_RETRY:
      r = spool_failed (sp, sh->item.id, clock_wall_ms () + wait, why, &err);
      break;
    }
  /* It stays where it was and is sent again, which the controller notices. */
  if (r < 0 && r != -ENOENT && r != -EALREADY)
    log_warn ("noting what became of %s: %s", sh->item.id, error_text (&err));
  loop_post (sh->s->loop, ended, sh, shipment_free);
}

/* Ship thread. */
static void
transfer (void *arg)
{
  struct shipment *sh = arg;
  struct ship_item item = { .id = sh->key,
                            .name = sh->name,
                            .digest = sh->item.digest,
                            .fd = sh->fd,
                            .size = sh->item.bytes };

  sh->end
      = sh->to->send (&sh->config->sink, &item, &sh->retry_after_ms, &sh->why);
  lane_add (sh->s->disk_lane, 0, note_end, sh, shipment_free);
}

/* The bundle had to go for want of room: the incident goes alone. */
static int
incident_as_file (struct spool *sp, struct shipment *sh, struct error *err)
{
  CLEANUP_FREE char *json = NULL;
  CLEANUP_CLOSE int fd = -1;
  size_t len;
  int r = spool_read_incident (sp, sh->item.id, &json, &len, err);

  if (r < 0)
    return r;
  fd = memfd_create ("incident", MFD_CLOEXEC);
  if (fd < 0 || write (fd, json, len) != (ssize_t) len)
    return error_errno (err, errno, "copying the incident");
  r = sha256_fd (fd, sh->item.digest, &sh->item.bytes, err);
  if (r < 0)
    return r;
  snprintf (sh->name, sizeof sh->name, "%s.json", sh->item.id);
  snprintf (sh->key, sizeof sh->key, "%s-incident", sh->item.id);
  sh->fd = steal_fd (&fd);
  return 0;
}

/* Loop thread: there is something, or there is not. */
static void
picked (void *arg)
{
  struct shipment *sh = arg;
  struct shipper *s = sh->s;
  uint64_t now = clock_wall_ms (), wait = LOOK_AGAIN_MS;

  if (sh->found && s->to)
    {
      sh->config = config_ref (s->config);
      sh->to = s->to;
      if (lane_add (s->lane, 0, transfer, sh, shipment_free) == 0)
        return;
    }
  if (!sh->found && sh->next_at != UINT64_MAX)
    {
      wait = sh->next_at > now ? sh->next_at - now : 1;
      if (wait > LOOK_AGAIN_MS)
        wait = LOOK_AGAIN_MS;
    }
  if (sh->found || sh->next_at != UINT64_MAX)
    timer_in (s->timer, wait);
  shipment_free (sh);
  round_over (s);
}

/* Disk thread. */
static void
pick (void *arg)
{
  struct shipment *sh = arg;
  struct spool *sp = disk_spool (sh->s->disk);
  struct error err = ERROR_INIT;
  int r;

  if (sh->hurry)
    spool_due (sp);
  sh->found = spool_next (sp, clock_wall_ms (), &sh->item);
  sh->next_at = spool_next_at (sp);
  if (sh->found)
    {
      snprintf (sh->name, sizeof sh->name, "%s.tar.zst", sh->item.id);
      snprintf (sh->key, sizeof sh->key, "%s", sh->item.id);
      r = spool_bundle_fd (sp, sh->item.id, &sh->fd, &err);
      if (r == -ENOENT)
        r = incident_as_file (sp, sh, &err);
      if (r < 0)
        {
          /* It comes to its turn again; the others must not wait for it. */
          log_error ("incident %s: %s", sh->item.id, error_text (&err));
          spool_failed (sp, sh->item.id, clock_wall_ms () + LOOK_AGAIN_MS,
                        error_text (&err), NULL);
          sh->found = false;
          sh->next_at = clock_wall_ms ();
        }
    }
  loop_post (sh->s->loop, picked, sh, shipment_free);
}

void
shipper_kick (struct shipper *s)
{
  struct shipment *sh;

  s->again = true;
  if (s->busy || s->to == NULL)
    return;
  if (clock_ms () < s->denied_until)
    {
      timer_in (s->timer, s->denied_until - clock_ms ());
      return;
    }
  if ((sh = calloc (1, sizeof *sh)) == NULL)
    {
      timer_in (s->timer, LOOK_AGAIN_MS);
      return;
    }
  sh->s = s;
  sh->fd = -1;
  sh->hurry = s->due;
  s->again = s->due = false;
  timer_stop (s->timer);
  if (lane_add (s->disk_lane, 0, pick, sh, shipment_free) < 0)
    {
      shipment_free (sh);
      timer_in (s->timer, LOOK_AGAIN_MS);
      return;
    }
  s->busy = true;
}

void
shipper_retry (struct shipper *s)
{
  s->denied_until = 0;
  if (s->denied[0])
    s->ops->event (s->arg, "retried", NULL, NULL);
  s->denied[0] = '\0';
  s->due = true;
  shipper_kick (s);
}

void
shipper_config (struct shipper *s, const struct config *cfg)
{
  const char *url = cfg->sink.url ? cfg->sink.url : "";
  struct error err = ERROR_INIT;

  config_ref (cfg);
  config_unref (s->config);
  s->config = cfg;
  s->to = *url ? sink_find (url) : NULL;
  if (*url && s->to == NULL)
    log_error ("nothing can be sent: no such kind of sink: %.100s", url);
  /* Megabytes, for whoever sends nothing. */
  if (s->to && ship_init (&err) < 0)
    log_error ("nothing can be sent: %s", error_text (&err));
  shipper_retry (s);
}

static void
timer_due (struct timer *t, void *arg)
{
  shipper_kick (arg);
}

int
shipper_new (struct loop *loop, struct lane *disk_lane, struct disk *d,
             const struct shipper_ops *ops, void *arg, struct shipper **ret,
             struct error *err)
{
  struct shipper *s = calloc (1, sizeof *s);
  int r;

  if (s == NULL)
    return error_set (err, ENOMEM, "no memory for shipping");
  s->loop = loop;
  s->disk_lane = disk_lane;
  s->disk = d;
  s->ops = ops;
  s->arg = arg;
  if ((r = loop_timer (loop, "ship", timer_due, s, &s->timer, err)) < 0
      || (r = lane_new ("ship", &s->lane, err)) < 0)
    {
      shipper_free (s);
      return r;
    }
  *ret = s;
  return 0;
}

void
shipper_free (struct shipper *s)
{
  if (s == NULL)
    return;
  lane_free (s->lane);
  timer_free (s->timer);
  config_unref (s->config);
  free (s);
}
