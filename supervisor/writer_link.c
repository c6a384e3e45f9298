/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests to the writer.  Each one is kept until it was answered; after the
 * writer came back those that were not are sent again, in order.  The writer
 * does them idempotently (an artifact carries its offset).
 */
#include "supervisor/writer_link.h"
#include "supervisor/logpipe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX_BYTES (24u << 20)
#define CALL_TIMEOUT_MS (120u * 1000)
#define FLUSH_MS 5

/* A request that must not be lost. */
struct kept
{
  struct writer_link *wl;
  struct kept *next;
  struct json_object *head;
  void *body;
  size_t body_len;
  bool sent;
  incident_done_fn *done;
  void *arg;
};

struct declared
{
  char uuid[UUID_TEXT];
  char console[32];
};

struct writer_link
{
  struct incident_sink incidents;
  struct console_sink consoles;
  struct loop *loop;
  struct timer *flush;
  struct channel *channel;
  struct logpipe *pipe;
  const struct writer_link_ops *ops;
  void *arg;
  struct kept *first, **last;
  size_t kept_bytes;
  struct declared *declared; /* id = index + 1 */
  size_t ndeclared;
};

static void send_kept (struct writer_link *wl);

/* ---- requests that survive the writer ---- */

static void
kept_free (struct kept *k)
{
  if (k->head)
    json_object_put (k->head);
  free (k->body);
  free (k);
}

static void
kept_remove (struct writer_link *wl, struct kept *k)
{
  struct kept **p = &wl->first;

  while (*p && *p != k)
    p = &(*p)->next;
  if (!*p)
    return;
  *p = k->next;
  if (!k->next)
    wl->last = p;
  wl->kept_bytes -= k->body_len;
}

/* Codes that a channel ends its calls with; the writer answers none of
 * them. */
bool
writer_link_broke (int code)
{
  return code == EPIPE || code == ENOTCONN || code == ECONNRESET
         || code == ECANCELED || code == EPROTO;
}

static void
kept_done (struct frame *frame, const struct error *err, void *arg)
{
  struct kept *k = arg;

  /* The connection broke: it stays, and is sent again on the next one. */
  if (err && writer_link_broke (err->code))
    {
      k->sent = false;
      return;
    }
  kept_remove (k->wl, k);
  if (k->done)
    k->done (err, frame ? frame->head : NULL, k->arg);
  kept_free (k);
}

static void
send_kept (struct writer_link *wl)
{
  struct error err = ERROR_INIT;
  struct kept *k, *next;

  if (!wl->channel)
    return;
  for (k = wl->first; k; k = next)
    {
      next = k->next;
      if (k->sent)
        continue;
      k->sent = true;
      if (channel_call (wl->channel, json_object_get (k->head), k->body,
                        k->body_len, NULL, 0, CALL_TIMEOUT_MS, kept_done, k,
                        &err)
          < 0)
        {
          k->sent = false;
          return; /* the queue is full: the next answer comes back here */
        }
    }
}

static void
keep (struct writer_link *wl, struct json_object *head, const void *body,
      size_t body_len, incident_done_fn *done, void *arg)
{
  struct kept *k = NULL;
  struct error err = ERROR_INIT;

  if (wl->kept_bytes + body_len <= KEPT_MAX_BYTES)
    k = calloc (1, sizeof (*k));
  if (k && body_len)
    k->body = malloc (body_len);
  if (!k || (body_len && !k->body))
    {
      free (k);
      json_object_put (head);
      error_set (&err, ENOBUFS,
                 "the writer is behind by %zu MiB: not kept",
                 wl->kept_bytes >> 20);
      if (done)
        done (&err, NULL, arg);
      return;
    }
  if (body_len)
    memcpy (k->body, body, body_len);
  k->wl = wl;
  k->head = head;
  k->body_len = body_len;
  k->done = done;
  k->arg = arg;
  *wl->last = k;
  wl->last = &k->next;
  wl->kept_bytes += body_len;
  send_kept (wl);
}

/* ---- incident sink ---- */

static struct json_object *
request (const char *op, const char *incident)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", op);
  json_add_str (head, "incident", incident);
  return head;
}

static void
put_incident (struct incident_sink *self, const struct incident *inc,
              incident_done_fn *done, void *arg)
{
  struct writer_link *wl
      = container_of (self, struct writer_link, incidents);
  CLEANUP_JSON struct json_object *json = incident_to_json (inc);
  const char *text
      = json_object_to_json_string_ext (json, JSON_C_TO_STRING_PRETTY);

  keep (wl, request ("incident", inc->id), text, strlen (text), done, arg);
}

static void
put_artifact (struct incident_sink *self, const char *id, const char *name,
              uint64_t offset, const void *data, size_t len,
              incident_done_fn *done, void *arg)
{
  struct writer_link *wl
      = container_of (self, struct writer_link, incidents);
  struct json_object *head = request ("artifact", id);

  json_add_str (head, "name", name);
  json_add_int (head, "offset", (int64_t) offset);
  keep (wl, head, data, len, done, arg);
}

static void
put_pack (struct incident_sink *self, const char *id, struct json_object *mf,
          incident_done_fn *done, void *arg)
{
  struct writer_link *wl
      = container_of (self, struct writer_link, incidents);
  struct json_object *head = request ("pack", id);

  json_object_object_add (head, "head", mf);
  keep (wl, head, NULL, 0, done, arg);
}

/* ---- console sink ---- */

static void
declare (struct writer_link *wl, uint32_t id, const struct declared *d)
{
  struct json_object *head;

  if (!wl->channel)
    return;
  head = json_object_new_object ();
  json_add_str (head, "op", "console-open");
  json_add_int (head, "id", id);
  json_add_str (head, "uuid", d->uuid);
  json_add_str (head, "name", d->console);
  channel_send (wl->channel, head, NULL, 0, NULL, 0);
}

/* The hub names a console by strings with each chunk; there are few consoles
 * and the last one asked for is likely the next, so a list will do for most
 * and a hash is not worth its code below some thousands. */
static uint32_t
console_id (struct writer_link *wl, const char *uuid, const char *console)
{
  struct declared *d;

  for (size_t i = 0; i < wl->ndeclared; i++)
    if (strcmp (wl->declared[i].uuid, uuid) == 0
        && strcmp (wl->declared[i].console, console) == 0)
      return (uint32_t) i + 1;
  d = realloc (wl->declared, (wl->ndeclared + 1) * sizeof (*d));
  if (!d)
    return 0;
  wl->declared = d;
  d = &d[wl->ndeclared++];
  snprintf (d->uuid, sizeof (d->uuid), "%s", uuid);
  snprintf (d->console, sizeof (d->console), "%s", console);
  declare (wl, (uint32_t) wl->ndeclared, d);
  return (uint32_t) wl->ndeclared;
}

static bool
sink_bytes (void *arg, const char *uuid, const char *console,
            const void *data, size_t len, uint64_t wall_ms)
{
  struct writer_link *wl = arg;
  uint32_t id = console_id (wl, uuid, console);

  if (!id)
    return false;
  if (!timer_armed (wl->flush))
    timer_in (wl->flush, FLUSH_MS);
  return logpipe_put (wl->pipe, id, data, len, wall_ms);
}

static void
flush_due (struct timer *t, void *arg)
{
  struct writer_link *wl = arg;

  logpipe_flush (wl->pipe);
}

/* ---- connection ---- */

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct writer_link *wl = arg;

  if (json_get_str (frame->head, "op"))
    wl->ops->event (frame->head, wl->arg);
  send_kept (wl);
}

/* Frees nothing here: channel_free() inside its own callback is allowed, and
 * the next connect brings another. */
static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
  struct writer_link *wl = arg;

  if (wl->channel == ch)
    {
      wl->channel = NULL;
      channel_free (ch);
      logpipe_set_fd (wl->pipe, -1);
    }
}

static const struct channel_ops writer_channel_ops = {
  .on_frame = on_frame,
  .on_close = on_close,
};

int
writer_link_new (struct loop *loop, const struct writer_link_ops *ops,
                 void *arg, struct writer_link **ret, struct error *err)
{
  struct writer_link *wl = calloc (1, sizeof (*wl));
  int r;

  if (!wl)
    return error_set (err, ENOMEM, "no memory for the writer's channel");
  wl->incidents = (struct incident_sink){
    .put = put_incident,
    .artifact = put_artifact,
    .pack = put_pack,
  };
  wl->consoles = (struct console_sink){ .bytes = sink_bytes, .arg = wl };
  wl->loop = loop;
  wl->ops = ops;
  wl->arg = arg;
  wl->last = &wl->first;
  r = loop_timer (loop, "log pipe", flush_due, wl, &wl->flush, err);
  if (r == 0)
    r = logpipe_new (-1, &wl->pipe, err);
  if (r < 0)
    {
      writer_link_free (wl);
      return r;
    }
  *ret = wl;
  return 0;
}

void
writer_link_free (struct writer_link *wl)
{
  struct kept *k;

  if (!wl)
    return;
  channel_free (wl->channel);
  while ((k = wl->first))
    {
      wl->first = k->next;
      kept_free (k);
    }
  timer_free (wl->flush);
  logpipe_free (wl->pipe);
  free (wl->declared);
  free (wl);
}

void
writer_link_connect (struct writer_link *wl, int channel, int pipe)
{
  struct error err = ERROR_INIT;

  channel_free (wl->channel);
  wl->channel = NULL;
  for (struct kept *k = wl->first; k; k = k->next)
    k->sent = false;
  logpipe_set_fd (wl->pipe, pipe);
  if (channel_new (wl->loop, "writer", channel, 32u << 20,
                   &writer_channel_ops, wl, &wl->channel, &err)
      < 0)
    {
      close (channel);
      return;
    }
  for (size_t i = 0; i < wl->ndeclared; i++)
    declare (wl, (uint32_t) i + 1, &wl->declared[i]);
  send_kept (wl);
  wl->ops->up (wl->arg);
}

void
writer_link_disconnect (struct writer_link *wl)
{
  if (!wl)
    return;
  channel_free (wl->channel);
  wl->channel = NULL;
}

bool
writer_link_connected (const struct writer_link *wl)
{
  return wl->channel != NULL;
}

struct incident_sink *
writer_link_incidents (struct writer_link *wl)
{
  return &wl->incidents;
}

const struct console_sink *
writer_link_consoles (struct writer_link *wl)
{
  return &wl->consoles;
}

int
writer_link_call (struct writer_link *wl, struct json_object *head,
                  const void *body, size_t body_len, uint64_t timeout_ms,
                  channel_reply_fn *fn, void *arg, struct error *err)
{
  if (!wl->channel)
    {
      json_object_put (head);
      return error_set (err, ENOTCONN,
                        "the writer is restarting; try again in a moment");
    }
  return channel_call (wl->channel, head, body, body_len, NULL, 0, timeout_ms,
                       fn, arg, err);
}

void
writer_link_flush (struct writer_link *wl)
{
  logpipe_flush (wl->pipe);
}

uint64_t
writer_link_log_dropped (const struct writer_link *wl)
{
  return logpipe_dropped (wl->pipe);
}
