/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-writer: every byte to disk.
 *
 * This file is the loop thread: channels, and handing work to the disk lane
 * (what comes by the log pipe in writer_intake.c).  It never touches the disk
 * itself, so it answers the keeper's ping while the disk hangs, and says for
 * how long it has.
 */
#include "config.h"

#include "supervisor/writer/writer.h"
#include "supervisor/conf/settings.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#define KEEPER_FD 3
#define DAEMON_FD 4
#define PIPE_FD 5
#define WAIT_FD 6
#define DAEMON_QUEUE (32u << 20)
#define KEEPER_QUEUE (1u << 20)
#define MAX_REQUESTS 1024 /* that wait for the disk */
#define TICK_MS 1000

struct writer
{
  struct loop *loop;
  struct channel *keeper, *daemon;
  unsigned peer; /* counts daemons */
  struct watch *signal_watch;
  int signal_fd;
  struct timer *tick;
  struct lane *disk_lane, *look_lane;
  struct disk *disk;
  struct shippers *shippers;
  struct intake *intake;
  bool ticking;    /* a sweep is on its way */
  bool sweep_full; /* what it found; the disk thread's while ticking */
  bool told_full, stopping;
};

static void
tell_daemon (struct writer *w, struct json_object *head)
{
  if (w->daemon)
    channel_send (w->daemon, head, NULL, 0, NULL, 0);
  else
    json_object_put (head);
}

/* ---- requests ---- */

static void
tell_room (struct writer *w, bool full)
{
  struct json_object *head;

  if (full == w->told_full)
    return;
  w->told_full = full;
  log_at (full ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, NULL, __FILE__, __func__,
          full ? "the disk is full: evidence is being lost"
               : "the disk has room again");
  head = json_object_new_object ();
  json_add_str (head, "op", "disk");
  json_add_str (head, "state", full ? "full" : "ok");
  tell_daemon (w, head);
}

static void
on_room (bool full, void *arg)
{
  tell_room (arg, full);
}

static void
send_answers (struct request *rq)
{
  struct writer *w = rq->w;
  struct json_object *head;

  if (w->daemon == NULL || rq->peer != w->peer)
    return; /* who asked is gone */
  if (rq->rc < 0)
    {
      channel_reply_error (w->daemon, &rq->frame, &rq->err);
      return;
    }
  for (struct answer *a = rq->first; a; a = a->next)
    {
      int r;

      head = steal_ptr (&a->head);
      r = channel_reply (w->daemon, &rq->frame, head, a->body, a->body_len,
                         &a->fd, a->fd >= 0);
      if (r == -ENOBUFS)
        {
          struct error err = ERROR_INIT;

          error_set (&err, ENOBUFS, "more answers than the channel takes");
          channel_reply_error (w->daemon, &rq->frame, &err);
          return;
        }
    }
}

/* Loop thread. */
static void
request_done (void *arg)
{
  struct request *rq = arg;
  struct writer *w = rq->w;

  if (rq->op->writes)
    tell_room (w, rq->full);
  send_answers (rq);
  if (rq->op->ready && rq->rc == 0)
    {
      if (rq->op->retry)
        shippers_retry (w->shippers);
      else
        shippers_kick (w->shippers);
    }
  request_free (rq);
}

static void
request_drop (void *arg)
{
  request_free (arg);
}

/* Disk thread, or the one that looks. */
static void
request_run (void *arg)
{
  struct request *rq = arg;

  rq->rc = rq->op->run (rq->w->disk, rq, &rq->err);
  if (rq->rc < 0 && rq->err.code == 0)
    error_errno (&rq->err, -rq->rc, "%s", rq->op->name);
  if (rq->op->writes)
    {
      disk_note (rq->w->disk, rq->rc);
      rq->full = disk_full (rq->w->disk);
    }
  loop_post (rq->w->loop, request_done, rq, request_drop);
}

static void
refuse (struct writer *w, struct frame *frame, int code, const char *what)
{
  struct error err = ERROR_INIT;

  error_set (&err, code, "%s", what);
  channel_reply_error (w->daemon, frame, &err);
}

static void
begin_request (struct writer *w, const struct disk_op *op,
               struct frame *frame)
{
  struct request *rq = calloc (1, sizeof *rq);
  int r;

  if (rq == NULL)
    {
      refuse (w, frame, ENOMEM, "no memory");
      return;
    }
  rq->w = w;
  rq->peer = w->peer;
  rq->op = op;
  rq->end = &rq->first;
  /* The frame is ours from here on. */
  rq->frame = *frame;
  memset (frame, 0, sizeof *frame);
  /* One look at a time: a second one behind a hung one would only wait. */
  if (op->look && lane_busy_ms (w->look_lane) > 0)
    r = -EBUSY;
  else
    r = lane_add (op->look ? w->look_lane : w->disk_lane,
                  op->look ? 1 : MAX_REQUESTS, request_run, rq, request_drop);
  if (r < 0)
    {
      refuse (w, &rq->frame, -r,
              op->look ? "an earlier look has not come back"
                       : "the disk is too far behind");
      request_free (rq);
    }
}

/* ---- the daemon ---- */

static void
daemon_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct writer *w = arg;
  const char *op = json_get_str (frame->head, "op");
  const struct disk_op *d = op ? disk_op_find (op) : NULL;

  if (d && d->logs)
    intake_read (w->intake);
  if (d)
    begin_request (w, d, frame);
  else if (op && strcmp (op, "console-open") == 0)
    intake_declare (w->intake, frame, false);
  else if (op && strcmp (op, "console-close") == 0)
    intake_declare (w->intake, frame, true);
  else if (op)
    refuse (w, frame, ENOSYS, "the writer knows no such request");
}

static void
daemon_gone (struct channel *ch, const struct error *why, void *arg)
{
  struct writer *w = arg;

  log_info ("the daemon's channel is closed: %s", error_text (why));
  channel_free (ch);
  if (w->daemon == ch)
    w->daemon = NULL;
}

static const struct channel_ops daemon_ops
    = { .on_frame = daemon_frame, .on_close = daemon_gone };

/* Takes both. */
static void
new_peer (struct writer *w, int channel, int pipe)
{
  struct error err = ERROR_INIT;

  channel_free (w->daemon);
  w->daemon = NULL;
  w->peer++;
  intake_pipe (w->intake, pipe);
  if (channel_new (w->loop, "daemon", channel, DAEMON_QUEUE, &daemon_ops, w,
                   &w->daemon, &err) < 0)
    log_error ("the daemon's channel: %s", error_text (&err));
  /* This one knows nothing of a full disk, which is told by the next sweep,
   * nor of a denial. */
  w->told_full = false;
  shippers_tell (w->shippers);
}

/* ---- the keeper ---- */

static void
stopped (void *arg)
{
  struct writer *w = arg;

  loop_stop (w->loop);
}

static void
last_work (void *arg)
{
  struct writer *w = arg;

  loop_post (w->loop, stopped, w, NULL);
}

/* What the disk lane has already is done first. */
static void
stop (struct writer *w)
{
  if (w->stopping)
    return;
  w->stopping = true;
  intake_read (w->intake);
  if (lane_add (w->disk_lane, 0, last_work, w, NULL) < 0)
    loop_stop (w->loop);
}

static void
pong (struct writer *w, const struct frame *frame)
{
  struct json_object *head = json_object_new_object ();

  json_add_int (head, "disk_busy_ms", (int64_t) lane_busy_ms (w->disk_lane));
  json_add_int (head, "disk_waiting", (int64_t) lane_waiting (w->disk_lane));
  if (json_get (frame->head, "id"))
    {
      channel_reply (w->keeper, frame, head, NULL, 0, NULL, 0);
      return;
    }
  json_add_str (head, "op", "pong");
  json_add_int (head, "n", json_get_int (frame->head, "n", 0));
  channel_send (w->keeper, head, NULL, 0, NULL, 0);
}

static void
keeper_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct writer *w = arg;
  const char *op = json_get_str (frame->head, "op");

  if (op == NULL)
    return;
  if (strcmp (op, "ping") == 0)
    pong (w, frame);
  else if (strcmp (op, "peer") == 0 && frame->nfds == 2)
    new_peer (w, steal_fd (&frame->fds[0]), steal_fd (&frame->fds[1]));
  else if (strcmp (op, "reload") == 0)
    writer_reload (frame->body, frame->body_len, w->disk_lane, w->disk,
                   w->shippers);
  else if (strcmp (op, "stop") == 0)
    stop (w);
  else
    {
      struct error err = ERROR_INIT;

      error_set (&err, ENOSYS, "the writer knows no such request");
      channel_reply_error (ch, frame, &err);
    }
}

static void
keeper_gone (struct channel *ch, const struct error *why, void *arg)
{
  struct writer *w = arg;

  log_info ("the keeper is gone: %s", error_text (why));
  channel_free (ch);
  w->keeper = NULL;
  stop (w);
}

static const struct channel_ops keeper_ops
    = { .on_frame = keeper_frame, .on_close = keeper_gone };

/* ---- time, signals ---- */

static void
sweep_done (void *arg)
{
  struct writer *w = arg;

  w->ticking = false;
  tell_room (w, w->sweep_full);
}

static void
sweep_run (void *arg)
{
  struct writer *w = arg;

  disk_sweep (w->disk);
  w->sweep_full = disk_full (w->disk);
  loop_post (w->loop, sweep_done, w, NULL);
}

static void
tick_due (struct timer *t, void *arg)
{
  struct writer *w = arg;

  if (!w->ticking)
    w->ticking = lane_add (w->disk_lane, 0, sweep_run, w, NULL) == 0;
  timer_in (t, TICK_MS);
}

static void
signalled (struct watch *watch, int fd, unsigned events, void *arg)
{
  struct signalfd_siginfo si;

  if (read (fd, &si, sizeof si) == (ssize_t) sizeof si)
    stop (arg);
}

static void
ship_event (void *arg, const struct shipper_word *word)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", word->op);
  json_add_str (head, "sink", word->sink);
  json_add_str (head, "incident", word->incident);
  if (word->rev)
    json_add_int (head, "rev", (int64_t) word->rev);
  if (word->why)
    json_add_text (head, "why", word->why, strlen (word->why));
  tell_daemon (arg, head);
}

static const struct shipper_ops shipper_events = { .event = ship_event };

/* ---- main ---- */

static int
begin (struct writer *w, struct writer_options *o, struct error *err)
{
  CLEANUP_CONFIG const struct config *cfg = NULL;
  struct writer_limits limits = { 0 };
  const char *text = o->config;
  sigset_t term;
  int r;

  if (config_read (text, text ? strlen (text) : 0, "config", &cfg, err) < 0)
    {
      /* One that cannot be read is no reason to keep nothing. */
      log_error ("nothing will be sent: %s", error_text (err));
      if ((r = config_read (NULL, 0, "", &cfg, err)) < 0)
        return r;
    }
  writer_limits (cfg, &limits);
  sigemptyset (&term);
  sigaddset (&term, SIGTERM);
  sigprocmask (SIG_BLOCK, &term, NULL);
  w->signal_fd = signalfd (-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
  if ((r = disk_open (o->state, o->libexec, &limits, &w->disk, err)) < 0
      || (r = loop_new (&w->loop, err)) < 0
      || (r = lane_new ("disk", &w->disk_lane, err)) < 0
      || (r = lane_new ("look", &w->look_lane, err)) < 0
      || (r = intake_new (w->loop, w->disk_lane, w->disk, on_room, w,
                          &w->intake, err))
             < 0
      || (r = shippers_new (w->loop, w->disk_lane, w->disk, &shipper_events,
                            w, &w->shippers, err))
             < 0
      || (r = loop_timer (w->loop, "tick", tick_due, w, &w->tick, err)) < 0
      || (r = loop_watch (w->loop, "signals", w->signal_fd, LOOP_READ,
                          signalled, w, &w->signal_watch, err))
             < 0)
    return r;
  if (o->given[3]
      && logs_wait_in (disk_logs (w->disk), WAIT_FD, err) < 0)
    log_error ("each line is written by itself: %s", error_text (err));
  if (o->given[0]
      && (r = channel_new (w->loop, "keeper", KEEPER_FD, KEEPER_QUEUE,
                           &keeper_ops, w, &w->keeper, err)) < 0)
    return r;
  if (o->given[1])
    new_peer (w, DAEMON_FD, o->given[2] ? PIPE_FD : -1);
  timer_in (w->tick, TICK_MS);
  shippers_config (w->shippers, cfg);
  return 0;
}

/* The disk lane is idle: last_work() was its last.  Shipping may hang for a
 * while yet, and nothing is lost by leaving it: no wait for that. */
static void
finish (struct writer *w)
{
  if (w->daemon)
    channel_finish (w->daemon);
  loop_round (w->loop, 0, NULL);
  lane_free (w->disk_lane);
  logs_free (disk_logs_take (w->disk));
}

int
main (int argc, char **argv)
{
  struct writer w = { .signal_fd = -1 };
  struct writer_options o = { 0 };
  struct error err = ERROR_INIT;
  int r = writer_options (argc, argv, &o);

  if (r >= 0)
    return r;
  /* Before anything of ours can have these numbers. */
  for (int i = 0; i < 4; i++)
    o.given[i] = fcntl (KEEPER_FD + i, F_SETFD, FD_CLOEXEC) == 0;
  log_open ("hangdog-writer", LOG_LEVEL_INFO, !isatty (2));
  signal (SIGPIPE, SIG_IGN);
  signal (SIGINT, SIG_IGN); /* from a terminal: the keeper sees to it */
  if (begin (&w, &o, &err) < 0 || loop_run (w.loop, &err) < 0)
    {
      log_error ("%s", error_text (&err));
      /* Threads may be in the disk or on the wire. */
      _exit (1);
    }
  finish (&w);
  _exit (0);
}
