/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's requests, as the disk thread does them; those of incidents and
 * the spool are in writer_spool.c.
 */
#include "supervisor/writer/writer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/store.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MAX_STATE_FILE (1u << 20)

struct disk
{
  char *path;
  const char *libexec;
  int state_fd;  /* the state folder */
  int files_fd;  /* state/ in it: state-get, state-put */
  struct spool *spool;
  struct logs *logs;
  uint64_t free_floor;
  bool full;
};

/* Room enough to say that there is room again. */
#define ROOM_BYTES (128u << 10)

/* ---- requests ---- */

int
request_answer (struct request *rq, struct json_object *head, void *body,
                size_t body_len, int fd)
{
  struct answer *a = calloc (1, sizeof *a);

  if (a == NULL || head == NULL)
    {
      free (a);
      free (body);
      json_object_put (head);
      if (fd >= 0)
        close (fd);
      return -ENOMEM;
    }
  *a = (struct answer){ head, body, body_len, fd, NULL };
  *rq->end = a;
  rq->end = &a->next;
  return 0;
}

void
request_free (struct request *rq)
{
  if (rq == NULL)
    return;
  while (rq->first)
    {
      struct answer *a = rq->first;

      rq->first = a->next;
      json_object_put (a->head);
      free (a->body);
      if (a->fd >= 0)
        close (a->fd);
      free (a);
    }
  frame_done (&rq->frame);
  free (rq);
}

int
request_answer_empty (struct request *rq)
{
  return request_answer (rq, json_object_new_object (), NULL, 0, -1);
}

/* ---- state files ---- */

static int
state_name (const struct request *rq, const char **ret, struct error *err)
{
  const char *name = json_get_str (rq->frame.head, "name");

  if (name == NULL || !text_is_name (name))
    return error_set (err, EINVAL, "not a name for a state file");
  *ret = name;
  return 0;
}

static int
op_state_get (struct disk *d, struct request *rq, struct error *err)
{
  const char *name = NULL;
  char *data = NULL;
  size_t len = 0;
  int r = state_name (rq, &name, err);

  if (r < 0
      || (r = store_get_file (d->files_fd, name, MAX_STATE_FILE, &data, &len,
                              err)) < 0)
    return r;
  return request_answer (rq, json_object_new_object (), data, len, -1);
}

static int
op_state_put (struct disk *d, struct request *rq, struct error *err)
{
  const char *name = NULL;
  int r = state_name (rq, &name, err);

  if (r < 0
      || (r = store_put_file (d->files_fd, name, rq->frame.body,
                              rq->frame.body_len, 0600, err)) < 0)
    return r;
  return request_answer_empty (rq);
}

/* ---- what may hang ---- */

static int
op_stat (struct disk *d, struct request *rq, struct error *err)
{
  const char *path = json_get_str (rq->frame.head, "path");
  CLEANUP_CLOSE int fd = -1;
  struct json_object *head;
  struct statvfs v;
  struct stat st;

  if (path == NULL || path[0] != '/')
    return error_set (err, EINVAL, "an absolute path is needed");
  /* O_PATH opens no device and wakes no fifo. */
  fd = open (path, O_PATH | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) < 0 || fstatvfs (fd, &v) < 0)
    return error_errno (err, errno, "%s", path);
  head = json_object_new_object ();
  json_add_int (head, "free_bytes",
                (int64_t) ((uint64_t) v.f_bavail * v.f_frsize));
  json_add_int (head, "total_bytes",
                (int64_t) ((uint64_t) v.f_blocks * v.f_frsize));
  json_add_int (head, "size", (int64_t) st.st_size);
  return request_answer (rq, head, NULL, 0, -1);
}

/* ---- logs ---- */

static int
op_logs (struct disk *d, struct request *rq, struct error *err)
{
  struct logs_info info;
  struct json_object *head;
  char path[4400];
  int r = logs_info (d->logs, json_get_str (rq->frame.head, "uuid"),
                     json_get_str (rq->frame.head, "name"), &info, err);

  if (r < 0)
    return r;
  /* Whoever asks where it is wants to read it. */
  logs_flush (d->logs, json_get_str (rq->frame.head, "uuid"), clock_ms ());
  head = json_object_new_object ();
  snprintf (path, sizeof path, "%s/logs/%s", d->path, info.raw);
  json_add_text (head, "raw", path, strlen (path));
  snprintf (path, sizeof path, "%s/logs/%s", d->path, info.clean);
  json_add_text (head, "clean", path, strlen (path));
  json_add_int (head, "bytes", (int64_t) info.bytes);
  json_add_int (head, "gaps", (int64_t) info.gaps);
  return request_answer (rq, head, NULL, 0, -1);
}

static const struct disk_op ops[] = {
  { .name = "state-get", .run = op_state_get },
  { .name = "state-put", .run = op_state_put, .writes = true },
  { .name = "stat", .run = op_stat, .look = true },
  { .name = "logs", .run = op_logs },
};

const struct disk_op *
disk_op_find (const char *name)
{
  for (size_t i = 0; i < ARRAY_LEN (ops); i++)
    if (strcmp (ops[i].name, name) == 0)
      return &ops[i];
  for (const struct disk_op *op = spool_ops; op->name; op++)
    if (strcmp (op->name, name) == 0)
      return op;
  return NULL;
}

/* ---- beginning and end ---- */

void
disk_close (struct disk *d)
{
  if (d == NULL)
    return;
  logs_free (d->logs);
  spool_close (d->spool);
  if (d->files_fd >= 0)
    close (d->files_fd);
  if (d->state_fd >= 0)
    close (d->state_fd);
  free (d->path);
  free (d);
}

static int
folder (int dirfd, const char *name, int *ret, struct error *err)
{
  if (mkdirat (dirfd, name, 0700) < 0 && errno != EEXIST)
    return error_errno (err, errno, "making %s/", name);
  *ret = openat (dirfd, name,
                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (*ret < 0)
    return error_errno (err, errno, "opening %s/", name);
  return 0;
}

/* Nobody else would say so. */
static void
tell_taken (struct disk *d)
{
  struct spool_stats st;

  spool_stats (d->spool, &st);
  if (st.taken_over)
    log_warn ("%u incidents in the spool of an older hangdog were taken over",
              st.taken_over);
  if (st.left_behind)
    log_error ("%u incidents in the spool of an older hangdog can't be taken "
               "over; they stay where they are, or are in its bad/",
               st.left_behind);
}

static uint64_t
floor_of (const struct writer_limits *limits)
{
  return limits->spool.free_floor ? limits->spool.free_floor : 256u << 20;
}

int
disk_open (const char *state, const char *libexec,
           const struct writer_limits *limits, struct disk **ret,
           struct error *err)
{
  struct disk *d = calloc (1, sizeof *d);
  CLEANUP_CLOSE int spool = -1, logs = -1;
  int r;

  if (d == NULL || (d->path = strdup (state)) == NULL)
    {
      free (d);
      return error_set (err, ENOMEM, "no memory");
    }
  d->libexec = libexec;
  d->state_fd = d->files_fd = -1;
  d->free_floor = floor_of (limits);
  if ((r = state_open (state, &d->state_fd, err)) < 0
      || (r = folder (d->state_fd, "state", &d->files_fd, err)) < 0
      || (r = folder (d->state_fd, "spool", &spool, err)) < 0
      || (r = folder (d->state_fd, "logs", &logs, err)) < 0
      /* What is durable below a folder is only so when the folder is. */
      || (fsync (d->state_fd) < 0
          && (r = error_errno (err, errno, "fsync of %s", state)) < 0)
      || (r = spool_open (spool, &limits->spool, &d->spool, err)) < 0
      || (r = logs_new (logs, &limits->logs, &d->logs, err)) < 0)
    {
      disk_close (d);
      return r;
    }
  tell_taken (d);
  if (libexec)
    spool_page (d->spool, writer_page, (void *) (uintptr_t) libexec);
  *ret = d;
  return 0;
}

void
disk_limit (struct disk *d, const struct writer_limits *limits)
{
  d->free_floor = floor_of (limits);
  spool_limit (d->spool, limits->spool.max_bytes, limits->spool.free_floor);
  logs_limit (d->logs, limits->logs.total, limits->logs.free_floor);
}

struct spool *
disk_spool (struct disk *d)
{
  return d->spool;
}

const char *
disk_path (const struct disk *d)
{
  return d->path;
}

const char *
disk_libexec (const struct disk *d)
{
  return d->libexec;
}

struct logs *
disk_logs (struct disk *d)
{
  return d->logs;
}

struct logs *
disk_logs_take (struct disk *d)
{
  return steal_ptr (&d->logs);
}

void
disk_note (struct disk *d, int rc)
{
  if (rc == -ENOSPC || rc == -EDQUOT)
    d->full = true;
  else if (rc == 0)
    d->full = logs_full (d->logs);
}

void
disk_sweep (struct disk *d)
{
  struct statvfs v;

  logs_sweep (d->logs, clock_ms ());
  if (logs_full (d->logs))
    d->full = true;
  else if (d->full && fstatvfs (d->state_fd, &v) == 0
           && (uint64_t) v.f_bavail * v.f_frsize > d->free_floor + ROOM_BYTES)
    d->full = false;
}

bool
disk_full (struct disk *d)
{
  return d->full;
}
