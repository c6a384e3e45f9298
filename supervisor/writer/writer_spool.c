/* SPDX-License-Identifier: Apache-2.0
 *
 * What is asked of incidents and of the spool, as the disk thread does it.
 */
#include "supervisor/writer/writer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

static const char *
incident_of (const struct request *rq)
{
  const char *id = json_get_str (rq->frame.head, "incident");

  return id ? id : "";
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
  (void) spool_artifact (disk_spool (w->d), w->incident, name, 0, text, len,
                         NULL);
}

/* A new incident takes along the end of its guest's console logs: they go on,
 * rotate, and what led up to it would be gone. */
static int
op_incident (struct disk *d, struct request *rq, struct error *err)
{
  struct tail_walk w = { d, incident_of (rq) };
  const char *uuid = json_get_str (rq->frame.head, "uuid");
  bool had = spool_has (disk_spool (d), w.incident);
  int r = spool_incident (disk_spool (d), w.incident, rq->frame.body,
                          rq->frame.body_len,
                          json_get_bool (rq->frame.head, "update", false),
                          err);

  if (r < 0)
    return r;
  if (!had && uuid)
    {
      logs_flush (disk_logs (d), uuid, clock_ms ());
      logs_tail (disk_logs (d), uuid, keep_tail, &w);
    }
  return request_answer_empty (rq);
}

static int
op_artifact (struct disk *d, struct request *rq, struct error *err)
{
  int64_t offset = json_get_int (rq->frame.head, "offset", 0);
  const char *name = json_get_str (rq->frame.head, "name");
  int r;

  if (offset < 0)
    return error_set (err, EINVAL, "a negative offset");
  r = spool_artifact (disk_spool (d), incident_of (rq), name ? name : "",
                      (uint64_t) offset, rq->frame.body, rq->frame.body_len,
                      err);
  return r < 0 ? r : request_answer_empty (rq);
}

static void
bundle_path (const struct disk *d, const struct spool_item *it, char *dst,
             size_t n)
{
  snprintf (dst, n, "%s/spool/blobs/%s.tar.zst", disk_path (d), it->id);
}

static int
op_pack (struct disk *d, struct request *rq, struct error *err)
{
  struct spool_item item;
  struct json_object *head;
  char path[4200];
  int r = spool_pack (disk_spool (d), incident_of (rq),
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
  int r = spool_drop (disk_spool (d), incident_of (rq), err);

  return r < 0 ? r : request_answer_empty (rq);
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

  spool_stats (disk_spool (d), &st);
  for (unsigned i = 0; i < SPOOL_PLACE_MAX; i++)
    json_add_int (o, spool_place_names[i], st.count[i]);
  json_add_int (o, "bytes", (int64_t) st.bytes);
  json_add_int (o, "evicted", (int64_t) st.evicted);
  json_add_int (o, "gaps", (int64_t) st.gaps);
  logs_stats (disk_logs (d), &ls);
  json_add_int (logs, "consoles", ls.consoles);
  json_add_int (logs, "open_files", ls.open_files);
  json_add_int (logs, "bytes_on_disk", (int64_t) ls.bytes_on_disk);
  json_add_int (logs, "bytes", (int64_t) ls.bytes);
  json_add_int (logs, "gaps", (int64_t) ls.gaps);
  json_add_int (logs, "unknown", (int64_t) ls.unknown);
  json_object_object_add (o, "logs", logs);
  json_add_bool (o, "full", disk_full (d));
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
        spool_each (disk_spool (d), (enum spool_place) i, tell_item, rq);
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
  if (spool_document (disk_spool (w->d), it->id, NULL, &json, &len, NULL) < 0)
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
    spool_each (disk_spool (d), (enum spool_place) i, count_ended, &w);
  w.ended = w.ended > MAX_ENDED ? w.ended - MAX_ENDED : 0;
  /* What was sent is older than what waits. */
  static const enum spool_place order[]
      = { SPOOL_SENT, SPOOL_PARKED, SPOOL_READY, SPOOL_OPEN };
  for (unsigned i = 0; i < ARRAY_LEN (order); i++)
    spool_each (disk_spool (d), order[i], tell_incident, &w);
  return request_answer_empty (rq);
}

static int
op_spool_retry (struct disk *d, struct request *rq, struct error *err)
{
  int r = spool_retry (disk_spool (d), incident_of (rq), err);

  return r < 0 ? r : request_answer_empty (rq);
}

static int
op_bundle (struct disk *d, struct request *rq, struct error *err)
{
  int fd, r = spool_bundle_fd (disk_spool (d), incident_of (rq), &fd, err);

  return r < 0 ? r
               : request_answer (rq, json_object_new_object (), NULL, 0, fd);
}

/* ---- all of them ---- */

const struct disk_op spool_ops[] = {
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
  { .name = NULL },
};
