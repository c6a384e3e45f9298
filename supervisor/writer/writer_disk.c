/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's requests, as the disk thread does them.
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

static const char *
incident_of (const struct request *rq)
{
  const char *id = json_get_str (rq->frame.head, "incident");

  return id ? id : "";
}

static int
answer_empty (struct request *rq)
{
  return request_answer (rq, json_object_new_object (), NULL, 0, -1);
}

/* ---- incidents ---- */

struct tail_walk
{
  struct disk *d;
  const char *incident;
};

static void
keep_tail (const char *console, const void *text, size_t len, void *arg)
{
  struct tail_walk *w = arg;
  char name[96];

  snprintf (name, sizeof name, "console/%s-log.txt", console);
  /* What the disk does not take is a gap of the item. */
  (void) spool_artifact (w->d->spool, w->incident, name, 0, text, len, NULL);
}

/* A new incident takes along the end of its guest's console logs: they go on,
 * rotate, and what led up to it would be gone. */
static int
op_incident (struct disk *d, struct request *rq, struct error *err)
{
  struct tail_walk w = { d, incident_of (rq) };
  const char *uuid = json_get_str (rq->frame.head, "uuid");
  bool had = spool_has (d->spool, w.incident);
  int r = spool_incident (d->spool, w.incident, rq->frame.body,
                          rq->frame.body_len,
                          json_get_bool (rq->frame.head, "update", false),
                          err);

  if (r < 0)
    return r;
  if (!had && uuid)
    {
      logs_flush (d->logs, uuid, clock_ms ());
      logs_tail (d->logs, uuid, keep_tail, &w);
    }
  return answer_empty (rq);
}

static int
op_artifact (struct disk *d, struct request *rq, struct error *err)
{
  int64_t offset = json_get_int (rq->frame.head, "offset", 0);
  const char *name = json_get_str (rq->frame.head, "name");
  int r;

  if (offset < 0)
    return error_set (err, EINVAL, "a negative offset");
  r = spool_artifact (d->spool, incident_of (rq), name ? name : "",
                      (uint64_t) offset, rq->frame.body, rq->frame.body_len,
                      err);
  return r < 0 ? r : answer_empty (rq);
}

static void
bundle_path (const struct disk *d, const struct spool_item *it, char *dst,
             size_t n)
{
  snprintf (dst, n, "%s/spool/blobs/%s.tar.zst", d->path, it->id);
}

static int
op_pack (struct disk *d, struct request *rq, struct error *err)
{
  struct spool_item item;
  struct json_object *head;
  char path[4200];
  int r = spool_pack (d->spool, incident_of (rq),
                      json_get (rq->frame.head, "head"), &item, err);

  if (r < 0)
    return r;
  head = json_object_new_object ();
  if (item.bundle)
    {
      bundle_path (d, &item, path, sizeof path);
      json_add_text (head, "path", path, strlen (path));
      json_add_int (head, "bytes", (int64_t) item.bytes);
      json_add_str (head, "digest", item.digest);
    }
  return request_answer (rq, head, NULL, 0, -1);
}

static int
op_drop (struct disk *d, struct request *rq, struct error *err)
{
  int r = spool_drop (d->spool, incident_of (rq), err);

  return r < 0 ? r : answer_empty (rq);
}

/* ---- the spool ---- */

/* What went wrong last; by which sink, where there are several. */
static void
why_of (const struct spool_item *it, char *dst, size_t n)
{
  snprintf (dst, n, "%s", it->note);
  for (unsigned i = 0; i < it->nat; i++)
    if (it->at[i].why[0])
      {
        snprintf (dst, n, "%s%s%s", it->nat > 1 ? it->at[i].sink : "",
                  it->nat > 1 ? ": " : "", it->at[i].why);
        return;
      }
}

static struct json_object *
at_to_json (const struct spool_at *at)
{
  const struct spool_sending *doc = &at->part[SPOOL_DOCUMENT];
  const struct spool_sending *bundle = &at->part[SPOOL_BUNDLE];
  struct json_object *o = json_object_new_object ();

  json_add_str (o, "sink", at->sink);
  json_add_int (o, "rev", (int64_t) doc->acked);
  json_add_bool (o, "bundle", bundle->acked > 0);
  json_add_bool (o, "refused", doc->refused || bundle->refused);
  json_add_int (o, "attempts", doc->attempts > bundle->attempts
                                   ? doc->attempts
                                   : bundle->attempts);
  json_add_int (o, "next_ms", (int64_t) (doc->next_ms > bundle->next_ms
                                             ? doc->next_ms
                                             : bundle->next_ms));
  json_add_text (o, "last_error", at->why, strlen (at->why));
  return o;
}

static struct json_object *
item_to_json (const struct spool_item *it)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *ways = json_object_new_array ();
  int64_t attempts = 0, next = 0;
  char why[240];

  for (unsigned i = 0; i < it->nat; i++)
    {
      struct json_object *at = at_to_json (&it->at[i]);

      if (attempts < json_get_int (at, "attempts", 0))
        attempts = json_get_int (at, "attempts", 0);
      if (next < json_get_int (at, "next_ms", 0))
        next = json_get_int (at, "next_ms", 0);
      json_object_array_add (ways, at);
    }
  why_of (it, why, sizeof why);
  json_add_str (o, "incident", it->id);
  json_add_str (o, "place", spool_place_names[it->place]);
  json_add_int (o, "rev", (int64_t) it->rev);
  json_add_bool (o, "bundle", it->bundle);
  json_add_int (o, "bytes", (int64_t) it->bytes);
  json_add_int (o, "since_ms", (int64_t) it->since_ms);
  json_add_int (o, "attempts", attempts);
  json_add_int (o, "next_ms", next);
  json_add_text (o, "last_error", why, strlen (why));
  json_add_str (o, "digest", it->digest);
  json_object_object_add (o, "sinks", ways);
  return o;
}

static void
tell_item (const struct spool_item *it, void *arg)
{
  struct json_object *head = json_object_new_object ();

  json_object_object_add (head, "item", item_to_json (it));
  json_add_bool (head, "more", true);
  request_answer (arg, head, NULL, 0, -1);
}

static struct json_object *
stats_to_json (struct disk *d)
{
  struct json_object *o = json_object_new_object ();
  struct json_object *logs = json_object_new_object ();
  struct spool_stats st;
  struct logs_stats ls;

  spool_stats (d->spool, &st);
  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    json_add_int (o, spool_place_names[i], st.count[i]);
  json_add_int (o, "bytes", (int64_t) st.bytes);
  json_add_int (o, "evicted", (int64_t) st.evicted);
  json_add_int (o, "gaps", (int64_t) st.gaps);
  logs_stats (d->logs, &ls);
  json_add_int (logs, "consoles", ls.consoles);
  json_add_int (logs, "open_files", ls.open_files);
  json_add_int (logs, "bytes_on_disk", (int64_t) ls.bytes_on_disk);
  json_add_int (logs, "bytes", (int64_t) ls.bytes);
  json_add_int (logs, "gaps", (int64_t) ls.gaps);
  json_add_int (logs, "unknown", (int64_t) ls.unknown);
  json_object_object_add (o, "logs", logs);
  json_add_bool (o, "full", d->full);
  return o;
}

static int
op_spool (struct disk *d, struct request *rq, struct error *err)
{
  const char *place = json_get_str (rq->frame.head, "place");
  struct json_object *head;
  bool found = false;

  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    if (place == NULL || strcmp (place, spool_place_names[i]) == 0)
      {
        found = true;
        spool_each (d->spool, (enum spool_place) i, tell_item, rq);
      }
  if (!found)
    return error_set (err, EINVAL, "no such place in the spool (known: open, "
                      "ready, sent, parked)");
  head = json_object_new_object ();
  json_object_object_add (head, "stats", stats_to_json (d));
  return request_answer (rq, head, NULL, 0, -1);
}

/* Of those that have ended so many are told of, the newest. */
#define MAX_ENDED 128

struct incident_walk
{
  struct disk *d;
  struct request *rq;
  unsigned ended; /* still to be left out: those are the oldest */
};

static bool
has_ended (const struct spool_item *it)
{
  return it->place != SPOOL_OPEN && !it->stands;
}

static void
count_ended (const struct spool_item *it, void *arg)
{
  struct incident_walk *w = arg;

  w->ended += has_ended (it);
}

static void
tell_incident (const struct spool_item *it, void *arg)
{
  struct incident_walk *w = arg;
  struct json_object *head;
  char path[4200], why[240];
  char *json;
  size_t len = 0;

  if (has_ended (it) && w->ended > 0)
    {
      w->ended--;
      return;
    }
  if (spool_document (w->d->spool, it->id, NULL, &json, &len, NULL) < 0)
    return;
  head = json_object_new_object ();
  json_add_str (head, "incident", it->id);
  json_add_str (head, "place", spool_place_names[it->place]);
  if (it->bundle)
    {
      bundle_path (w->d, it, path, sizeof path);
      json_add_text (head, "path", path, strlen (path));
    }
  why_of (it, why, sizeof why);
  if (why[0])
    json_add_text (head, "why", why, strlen (why));
  json_add_bool (head, "more", true);
  request_answer (w->rq, head, json, len, -1);
}

static int
op_incidents (struct disk *d, struct request *rq, struct error *err)
{
  struct incident_walk w = { .d = d, .rq = rq };

  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    spool_each (d->spool, (enum spool_place) i, count_ended, &w);
  w.ended = w.ended > MAX_ENDED ? w.ended - MAX_ENDED : 0;
  /* What was sent is older than what waits. */
  static const enum spool_place order[]
      = { SPOOL_SENT, SPOOL_PARKED, SPOOL_READY, SPOOL_OPEN };
  for (unsigned i = 0; i < ARRAY_LEN (order); i++)
    spool_each (d->spool, order[i], tell_incident, &w);
  return answer_empty (rq);
}

static int
op_spool_retry (struct disk *d, struct request *rq, struct error *err)
{
  int r = spool_retry (d->spool, incident_of (rq), err);

  return r < 0 ? r : answer_empty (rq);
}

static int
op_bundle (struct disk *d, struct request *rq, struct error *err)
{
  int fd, r = spool_bundle_fd (d->spool, incident_of (rq), &fd, err);

  return r < 0 ? r
               : request_answer (rq, json_object_new_object (), NULL, 0, fd);
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
  return answer_empty (rq);
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
  { .name = "incident", .run = op_incident, .writes = true, .ready = true,
    .logs = true },
  { .name = "artifact", .run = op_artifact, .writes = true },
  { .name = "pack", .run = op_pack, .writes = true, .ready = true },
  { .name = "drop", .run = op_drop },
  { .name = "spool", .run = op_spool },
  { .name = "incidents", .run = op_incidents },
  { .name = "spool-retry", .run = op_spool_retry, .ready = true,
    .retry = true },
  { .name = "spool-drop", .run = op_drop },
  { .name = "bundle", .run = op_bundle },
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
