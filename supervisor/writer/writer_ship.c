/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's shipping: a shipper for each sink, with a thread of its own, so
 * that none waits for another.  One part of one item at a time, round after
 * round.
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
  const struct sink_config *sink; /* of it */
  const struct sink_ops *to;
  struct spool_load load;
  bool hurry; /* all that is ready is due */
  bool found; /* load is what is to go */
  uint64_t next_at; /* wall clock, when nothing was found */
  char name[64], key[64], digest[65];
  uint64_t size;
  int fd;
  int work, evidence; /* for who makes what is sent (writer_redact.c) */
  bool made;          /* the bundle's form was made, and not sent yet */
  bool unmade;        /* it, or the document's, could not be */
  char made_name[SPOOL_WORK_NAME];
  struct spool_form form;
  enum ship_end end;
  uint64_t retry_after_ms;
  struct error why;
};

struct shipper
{
  char name[SPOOL_SINK_NAME];
  struct loop *loop;
  struct lane *disk_lane, *lane;
  struct disk *disk;
  const struct shipper_ops *ops;
  void *arg;
  struct timer *timer;
  const struct config *config;
  const struct sink_config *sink; /* of it */
  const struct sink_ops *to; /* NULL = nothing is sent */
  bool busy;          /* a round is under way */
  bool retired;       /* its sink is gone: it goes when that is over */
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
  if (sh->evidence >= 0)
    close (sh->evidence);
  config_unref (sh->config);
  free (sh);
}

static void
round_over (struct shipper *s)
{
  s->busy = false;
  if (s->retired)
    shipper_free (s);
  else if (s->again)
    shipper_kick (s);
}

static void
tell (struct shipper *s, const char *op, const char *incident, uint64_t rev,
      const char *why)
{
  s->ops->event (s->arg, &(struct shipper_word){ .sink = s->name,
                                                 .op = op,
                                                 .incident = incident,
                                                 .rev = rev,
                                                 .why = why });
}

void
shipper_tell (struct shipper *s)
{
  if (s->denied[0] && !s->retired)
    tell (s, "denied", s->denied, 0, s->why);
}

/* The bundle, or what there is without one. */
static bool
is_whole (const struct spool_load *load)
{
  return load->part == SPOOL_BUNDLE
         || (load->item.place == SPOOL_READY && !load->item.bundle);
}

static void
accepted (struct shipper *s, const struct shipment *sh)
{
  const char *id = sh->load.item.id;

  s->denied[0] = '\0';
  if (is_whole (&sh->load))
    {
      log_info ("%s: incident %s was sent", s->name, id);
      tell (s, "shipped", id, sh->load.item.rev, NULL);
    }
  else
    tell (s, "told", id, sh->load.rev, NULL);
}

static const char *
part_of (const struct shipment *sh)
{
  return sh->load.part == SPOOL_DOCUMENT ? "the document" : "the bundle";
}

/* Loop thread: the end is noted. */
static void
ended (void *arg)
{
  struct shipment *sh = arg;
  struct shipper *s = sh->s;
  const char *id = sh->load.item.id, *why = error_text (&sh->why);

  switch (sh->end)
    {
    case SHIP_DONE:
      if (!sh->made)
        accepted (s, sh);
      break;
    case SHIP_PARK:
      log_warn ("%s: %s of incident %s is refused and parked: %s", s->name,
                part_of (sh), id, why);
      s->denied[0] = '\0';
      tell (s, "parked", id, 0, why);
      break;
    case SHIP_DENIED:
      log_error ("%s: nothing can be sent there before this is mended: %s",
                 s->name, why);
      s->denied_until = clock_ms () + DENIED_MS;
      snprintf (s->denied, sizeof s->denied, "%s", id);
      snprintf (s->why, sizeof s->why, "%s", why);
      shipper_tell (s);
      break;
    case SHIP_RETRY:
      log_warn ("%s: %s of incident %s was not sent, attempt %u: %s", s->name,
                part_of (sh), id, sh->load.attempts + 1, why);
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
  const char *why = error_text (&sh->why), *to = sh->s->name;
  uint64_t wait = sh->end == SHIP_DENIED ? DENIED_MS
                                         : ship_backoff_ms (sh->load.attempts);
  struct error err = ERROR_INIT;
  int r = 0;

  if (wait < sh->retry_after_ms)
    wait = sh->retry_after_ms;
  if (sh->unmade)
    spool_form_unmade (sp, to, &sh->load);
  switch (sh->end)
    {
    case SHIP_DONE:
      r = sh->made ? spool_form_put (sp, sh->load.item.id, to, sh->made_name,
                                     &sh->form, &err)
                   : spool_sent (sp, to, &sh->load, &err);
      break;
    case SHIP_PARK:
      r = spool_park (sp, to, &sh->load, why, &err);
      break;
    case SHIP_DENIED:
    case SHIP_RETRY:
      r = spool_failed (sp, to, &sh->load, clock_wall_ms () + wait, why, &err);
      break;
    }
  /* After a restart it is sent again, which the sink notices. */
  if (r < 0 && sh->made)
    {
      spool_failed (sp, to, &sh->load, clock_wall_ms () + wait,
                    error_text (&err), NULL);
      unlinkat (sh->work, sh->made_name, 0);
    }
  if (r < 0 && r != -ENOENT && r != -EALREADY)
    log_warn ("noting what became of %s: %s", sh->load.item.id,
              error_text (&err));
  loop_post (sh->s->loop, ended, sh, shipment_free);
}

/* What may go there of it, and nothing else. */
static enum ship_end
redact (struct shipment *sh)
{
  const struct spool_item *item = &sh->load.item;
  const struct form_job job = { .d = sh->s->disk,
                                .sink = sh->sink,
                                .id = item->id,
                                .work = sh->work,
                                .evidence = sh->evidence,
                                .bundle = item->bundle };
  enum ship_end end;
  int r;

  if (sh->load.part == SPOOL_BUNDLE)
    return form_of_bundle (&job, sh->load.unmade,
                           spool_form (item, sh->s->name), &sh->made,
                           &sh->unmade, sh->made_name, &sh->form, &sh->why);
  end = form_of_document (&job, sh->load.unmade, &sh->fd, &sh->unmade,
                          &sh->why);
  if (end == SHIP_DONE
      && (r = sha256_fd (sh->fd, sh->digest, &sh->size, &sh->why)) < 0)
    return SHIP_RETRY;
  return end;
}

/* Ship thread. */
static void
transfer (void *arg)
{
  struct shipment *sh = arg;
  struct ship_item item = { .id = sh->key,
                            .name = sh->name,
                            .digest = sh->digest,
                            .replace = sh->load.part == SPOOL_DOCUMENT };

  sh->end = sink_redacts (sh->sink) ? redact (sh) : SHIP_DONE;
  item.fd = sh->fd;
  item.size = sh->size;
  if (sh->end == SHIP_DONE && !sh->made)
    sh->end = sh->to->send (sh->sink, &item, &sh->retry_after_ms, &sh->why);
  lane_add (sh->s->disk_lane, 0, note_end, sh, shipment_free);
}

/* ---- what is to go ---- */

/* As it is now: what is put meanwhile goes next. */
static int
take_document (struct spool *sp, struct shipment *sh, struct error *err)
{
  CLEANUP_FREE char *json = NULL;
  CLEANUP_CLOSE int fd = -1;
  const char *id = sh->load.item.id;
  size_t len;
  int r = spool_document (sp, id, sh->s->name, &json, &len, err);

  if (r < 0)
    return r;
  fd = memfd_create ("incident", MFD_CLOEXEC);
  if (fd < 0 || write (fd, json, len) != (ssize_t) len)
    return error_errno (err, errno, "copying the incident");
  if ((r = sha256_fd (fd, sh->digest, &sh->size, err)) < 0)
    return r;
  snprintf (sh->name, sizeof sh->name, "%s.json", id);
  snprintf (sh->key, sizeof sh->key, "%s-%llu", id,
            (unsigned long long) sh->load.rev);
  sh->fd = steal_fd (&fd);
  if (sink_redacts (sh->sink) && sh->load.item.place == SPOOL_OPEN)
    sh->evidence = spool_evidence_fd (sp, id);
  return 0;
}

/* The redacted one; without it, or with one that other rules have made, the
 * ship thread makes it. */
static int
take_form (struct spool *sp, struct shipment *sh, struct error *err)
{
  const struct spool_item *item = &sh->load.item;
  const struct spool_form *form = spool_form (item, sh->s->name);

  sh->work = spool_work_fd (sp);
  if (!form || !form->made_by[0])
    return spool_form_room (sp, item->id, err);
  snprintf (sh->digest, sizeof sh->digest, "%s", form->digest);
  sh->size = form->bytes;
  return spool_form_fd (sp, item->id, sh->s->name, &sh->fd, err);
}

static int
take_bundle (struct spool *sp, struct shipment *sh, struct error *err)
{
  const struct spool_item *item = &sh->load.item;

  snprintf (sh->name, sizeof sh->name, "%s.tar.zst", item->id);
  snprintf (sh->key, sizeof sh->key, "%s", item->id);
  if (sink_redacts (sh->sink))
    return take_form (sp, sh, err);
  snprintf (sh->digest, sizeof sh->digest, "%s", item->digest);
  sh->size = item->bytes;
  return spool_bundle_fd (sp, item->id, &sh->fd, err);
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
      /* Where it goes, and in which form, is said anew meanwhile. */
      if (sh->config != s->config)
        s->again = true;
      else if (lane_add (s->lane, 0, transfer, sh, shipment_free) == 0)
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
  const char *to = sh->s->name;
  struct error err = ERROR_INIT;
  int r;

  if (sh->hurry)
    spool_due (sp, to);
  sh->found = spool_next (sp, to, clock_wall_ms (), &sh->load);
  sh->next_at = spool_next_at (sp, to);
  if (sh->found)
    {
      r = sh->load.part == SPOOL_DOCUMENT ? take_document (sp, sh, &err)
                                          : take_bundle (sp, sh, &err);
      if (r < 0)
        {
          /* It comes to its turn again; the others must not wait for it. */
          log_error ("incident %s: %s", sh->load.item.id, error_text (&err));
          spool_failed (sp, to, &sh->load, clock_wall_ms () + LOOK_AGAIN_MS,
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
  if (s->busy || s->retired || s->to == NULL)
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
  sh->fd = sh->evidence = -1;
  sh->config = config_ref (s->config);
  sh->sink = s->sink;
  sh->to = s->to;
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
    tell (s, "retried", NULL, 0, NULL);
  s->denied[0] = '\0';
  s->due = true;
  shipper_kick (s);
}

const char *
shipper_name (const struct shipper *s)
{
  return s->name;
}

void
shipper_config (struct shipper *s, const struct config *cfg,
                const struct sink_config *sink)
{
  struct error err = ERROR_INIT;

  config_ref (cfg);
  config_unref (s->config);
  s->config = cfg;
  s->sink = sink;
  s->to = sink_find (sink->url);
  if (s->to == NULL)
    log_error ("%s: nothing can be sent: no such kind of sink: %.100s",
               s->name, sink->url);
  /* Megabytes, for whoever sends nothing. */
  else if (ship_init (&err) < 0)
    log_error ("%s: nothing can be sent: %s", s->name, error_text (&err));
  shipper_retry (s);
}

static void
timer_due (struct timer *t, void *arg)
{
  shipper_kick (arg);
}

int
shipper_new (struct loop *loop, struct lane *disk_lane, struct disk *d,
             const char *name, const struct shipper_ops *ops, void *arg,
             struct shipper **ret, struct error *err)
{
  struct shipper *s = calloc (1, sizeof *s);
  int r;

  if (s == NULL)
    return error_set (err, ENOMEM, "no memory for shipping");
  snprintf (s->name, sizeof s->name, "%s", name);
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

void
shipper_retire (struct shipper *s)
{
  if (s == NULL)
    return;
  if (s->denied[0])
    tell (s, "retried", NULL, 0, NULL);
  s->denied[0] = '\0';
  s->retired = true;
  timer_stop (s->timer);
  /* What is on its way comes back to it. */
  if (!s->busy)
    shipper_free (s);
}
