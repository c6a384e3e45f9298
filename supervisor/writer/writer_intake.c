/* SPDX-License-Identifier: Apache-2.0
 *
 * Console bytes, from the log pipe to the disk lane.
 */
#include "supervisor/links/logpipe.h"
#include "supervisor/writer/writer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of what waits for the disk: beyond it the pipe is left to fill, and the
 * daemon counts the gap. */
#define MAX_LOG_BYTES (4u << 20)

struct intake
{
  struct loop *loop;
  struct lane *disk_lane;
  struct disk *disk;
  void (*room) (bool full, void *arg);
  void *arg;
  struct logpipe_reader *pipe;
  struct watch *watch;
  struct buf batch; /* records gathered in one round of the pipe */
  size_t log_bytes; /* of batches on their way to the disk */
  bool held;        /* not read, for the disk is behind */
};

struct record
{
  uint32_t id, len;
  uint64_t gap, wall_ms;
};

struct log_batch
{
  struct intake *in;
  struct buf records;
  bool full;
};

struct declaration
{
  struct intake *in;
  uint32_t id;
  bool forget; /* a new daemon: the ids begin anew */
  bool close;
  char uuid[65], name[65];
};

static void
on_record (uint32_t id, const void *data, size_t len, uint64_t gap,
           uint64_t wall_ms, void *arg)
{
  struct intake *in = arg;
  struct record r = { id, (uint32_t) len, gap, wall_ms };

  buf_append (&in->batch, &r, sizeof r);
  if (len > 0)
    buf_append (&in->batch, data, len);
}

static void
batch_done (void *arg)
{
  struct log_batch *b = arg;
  struct intake *in = b->in;

  in->log_bytes -= b->records.len;
  in->room (b->full, in->arg);
  buf_done (&b->records);
  free (b);
  if (in->held && in->log_bytes < MAX_LOG_BYTES && in->watch)
    {
      in->held = false;
      watch_set (in->watch, LOOP_READ);
    }
}

static void
batch_drop (void *arg)
{
  struct log_batch *b = arg;

  buf_done (&b->records);
  free (b);
}

static void
batch_run (void *arg)
{
  struct log_batch *b = arg;
  struct logs *logs = disk_logs (b->in->disk);
  uint64_t now = clock_ms ();
  struct record r;

  for (size_t at = 0; at + sizeof r <= b->records.len;
       at += sizeof r + r.len)
    {
      memcpy (&r, b->records.data + at, sizeof r);
      logs_put (logs, r.id, b->records.data + at + sizeof r, r.len, r.gap,
                r.wall_ms, now);
    }
  disk_note (b->in->disk, logs_full (logs) ? -ENOSPC : 0);
  b->full = disk_full (b->in->disk);
  loop_post (b->in->loop, batch_done, b, batch_drop);
}

static void
send_batch (struct intake *in)
{
  struct log_batch *b;

  if (in->batch.len == 0)
    return;
  b = calloc (1, sizeof *b);
  if (b == NULL)
    {
      buf_clear (&in->batch);
      return;
    }
  b->in = in;
  b->records = in->batch;
  in->batch = (struct buf) BUF_INIT (MAX_LOG_BYTES);
  in->log_bytes += b->records.len;
  if (lane_add (in->disk_lane, 0, batch_run, b, batch_drop) < 0)
    {
      in->log_bytes -= b->records.len;
      batch_drop (b);
    }
  if (in->log_bytes >= MAX_LOG_BYTES && in->watch)
    {
      in->held = true;
      watch_set (in->watch, 0);
    }
}

static void
pipe_close (struct intake *in)
{
  watch_free (in->watch);
  in->watch = NULL;
  logpipe_reader_free (in->pipe);
  in->pipe = NULL;
  in->held = false;
}

static void
pipe_readable (struct watch *w, int fd, unsigned events, void *arg)
{
  struct intake *in = arg;
  struct error err = ERROR_INIT;
  int r = logpipe_read (in->pipe, on_record, in, &err);

  send_batch (in);
  if (r < 0)
    {
      if (r != -EPIPE)
        log_error ("%s", error_text (&err));
      pipe_close (in);
    }
}

static void
declare_run (void *arg)
{
  struct declaration *d = arg;
  struct logs *logs = disk_logs (d->in->disk);
  struct error err = ERROR_INIT;

  if (d->forget)
    logs_forget_ids (logs);
  else if (d->close)
    logs_close_id (logs, d->id);
  else if (logs_declare (logs, d->id, d->uuid, d->name,
                         clock_ms (), &err)
           < 0)
    log_error ("console %s of %s: %s", d->name, d->uuid, error_text (&err));
  free (d);
}

void
intake_read (struct intake *in)
{
  if (in->pipe)
    pipe_readable (in->watch, -1, LOOP_READ, in);
}

void
intake_declare (struct intake *in, const struct frame *frame, bool close)
{
  struct declaration *d = calloc (1, sizeof *d);
  const char *uuid = frame ? json_get_str (frame->head, "uuid") : NULL;
  const char *name = frame ? json_get_str (frame->head, "name") : NULL;
  int64_t id = frame ? json_get_int (frame->head, "id", -1) : 0;

  if (d == NULL || id < 0 || id > UINT32_MAX)
    {
      free (d);
      return;
    }
  d->in = in;
  d->id = (uint32_t) id;
  d->forget = frame == NULL;
  d->close = close;
  snprintf (d->uuid, sizeof d->uuid, "%s", uuid ? uuid : "");
  snprintf (d->name, sizeof d->name, "%s", name ? name : "");
  if (lane_add (in->disk_lane, 0, declare_run, d, free) < 0)
    free (d);
}

void
intake_pipe (struct intake *in, int pipe)
{
  struct error err = ERROR_INIT;

  pipe_close (in);
  intake_declare (in, NULL, false);
  if (pipe < 0)
    return;
  if (logpipe_reader_new (pipe, &in->pipe, &err) < 0)
    {
      close (pipe);
      log_error ("%s", error_text (&err));
    }
  else if (loop_watch (in->loop, "log pipe", pipe, LOOP_READ, pipe_readable,
                       in, &in->watch, &err)
           < 0)
    {
      pipe_close (in);
      log_error ("the log pipe: %s", error_text (&err));
    }
}

int
intake_new (struct loop *loop, struct lane *disk_lane, struct disk *disk,
            void (*room) (bool full, void *arg), void *arg,
            struct intake **ret, struct error *err)
{
  struct intake *in = calloc (1, sizeof *in);

  if (in == NULL)
    return error_set (err, ENOMEM, "no memory for console logs");
  in->loop = loop;
  in->disk_lane = disk_lane;
  in->disk = disk;
  in->room = room;
  in->arg = arg;
  in->batch = (struct buf) BUF_INIT (MAX_LOG_BYTES);
  *ret = in;
  return 0;
}
