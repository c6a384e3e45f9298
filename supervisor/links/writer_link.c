/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests to the writer.  Each one is kept until it was answered; after the
 * writer came back those that were not are sent again, in order.  The writer
 * does them idempotently (an artifact carries its offset).
 */
#include "supervisor/links/writer_link.h"
#include "supervisor/links/logpipe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX_BYTES (24u << 20)
#define CALL_TIMEOUT_MS (120u * 1000)
/* What quiet consoles say goes to the writer so often, so that it wakes up
 * for all of them together; what many or loud ones say, as soon as there is
 * a piece worth it. */
#define FLUSH_MS 250
#define FLUSH_BYTES (32u << 10)
#define FULL_MS 1

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

/* A console that the writer was told of: what the hub keeps for us. */
struct declared
{
  uint32_t id;
  char uuid[UUID_TEXT];
  char console[32];
};

struct writer_link
{
  struct console_sink consoles;
  struct loop *loop;
  struct timer *flush;
  bool hurry; /* it was brought forward */
  struct channel *channel;
  struct logpipe *pipe;
  const struct writer_link_ops *ops;
  void *arg;
  struct kept *first, **last;
  size_t kept_bytes;
  uint32_t last_id;
  struct declared **declared; /* by id; a hole is a console that is gone */
  uint32_t ndeclared;
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
  struct writer_link *wl = k->wl;

  /* The connection broke: it stays, and is sent again on the next one. */
  if (err && writer_link_broke (err->code))
    {
      k->sent = false;
      return;
    }
  kept_remove (wl, k);
  if (k->done)
    k->done (err, frame ? frame->head : NULL, k->arg);
  kept_free (k);
  /* There is a place again among those that wait for an answer. */
  send_kept (wl);
}

static void
give_up (struct kept *k, const struct error *why)
{
  kept_remove (k->wl, k);
  if (k->done)
    k->done (why, NULL, k->arg);
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
          if (err.code != EMSGSIZE && err.code != EILSEQ)
            return; /* the queue is full: the next answer comes back here */
          /* It will never go: it must not keep the others waiting. */
          give_up (k, &err);
          next = wl->first; /* done() may have kept another */
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

/* ---- incidents ---- */

static struct json_object *
request (const char *op, const char *incident)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", op);
  json_add_str (head, "incident", incident);
  return head;
}

void
writer_link_put (struct writer_link *wl, const struct incident *inc,
                 incident_done_fn *done, void *arg)
{
  CLEANUP_JSON struct json_object *json = incident_to_json (inc);
  const char *text
      = json_object_to_json_string_ext (json, JSON_C_TO_STRING_PRETTY);
  struct json_object *head = request ("incident", inc->id);

  /* The writer takes along the end of this guest's logs: all of them. */
  logpipe_flush (wl->pipe);
  json_add_str (head, "uuid", inc->inc.uuid);
  /* One that somebody dropped since does not come back without evidence. */
  if (inc->phase >= INCIDENT_PACKED)
    json_add_bool (head, "update", true);
  keep (wl, head, text, strlen (text), done, arg);
}

void
writer_link_artifact (struct writer_link *wl, const char *id,
                      const char *name, uint64_t offset, const void *data,
                      size_t len, incident_done_fn *done, void *arg)
{
  struct json_object *head = request ("artifact", id);

  json_add_str (head, "name", name);
  json_add_int (head, "offset", (int64_t) offset);
  keep (wl, head, data, len, done, arg);
}

void
writer_link_pack (struct writer_link *wl, const char *id,
                  struct json_object *mf, incident_done_fn *done, void *arg)
{
  struct json_object *head = request ("pack", id);

  if (!mf)
    {
      mf = json_object_new_object ();
      json_add_bool (mf, "no_bundle", true);
    }
  json_object_object_add (head, "head", mf);
  keep (wl, head, NULL, 0, done, arg);
}

/* ---- console sink ---- */

static void
declare (struct writer_link *wl, const struct declared *d)
{
  struct json_object *head;

  if (!wl->channel)
    return;
  head = json_object_new_object ();
  json_add_str (head, "op", "console-open");
  json_add_int (head, "id", d->id);
  json_add_str (head, "uuid", d->uuid);
  json_add_str (head, "name", d->console);
  channel_send (wl->channel, head, NULL, 0, NULL, 0);
}

/* Room for one more id.  Ids go round: one that was let go comes again only
 * after thousands of others, when nothing of it is in the pipe any more. */
static bool
next_id (struct writer_link *wl)
{
  uint32_t cap = wl->ndeclared ? wl->ndeclared : 64;
  struct declared **list;

  for (uint32_t n = 0; n < LOGPIPE_IDS; n++)
    {
      wl->last_id = wl->last_id % (LOGPIPE_IDS - 1) + 1;
      if (wl->last_id < wl->ndeclared && wl->declared[wl->last_id])
        continue;
      while (cap <= wl->last_id)
        cap *= 2;
      if (cap == wl->ndeclared)
        return true;
      list = realloc (wl->declared, cap * sizeof (*list));
      if (!list)
        return false;
      memset (list + wl->ndeclared, 0,
              (cap - wl->ndeclared) * sizeof (*list));
      wl->declared = list;
      wl->ndeclared = cap;
      return true;
    }
  return false;
}

static struct declared *
declare_new (struct writer_link *wl, const char *uuid, const char *console)
{
  struct declared *d = calloc (1, sizeof (*d));

  if (!d || !next_id (wl))
    {
      free (d);
      return NULL;
    }
  d->id = wl->last_id;
  wl->declared[d->id] = d;
  snprintf (d->uuid, sizeof (d->uuid), "%s", uuid);
  snprintf (d->console, sizeof (d->console), "%s", console);
  declare (wl, d);
  return d;
}

static bool
sink_bytes (void *arg, void **mine, const char *uuid, const char *console,
            const void *data, size_t len, uint64_t wall_ms)
{
  struct writer_link *wl = arg;
  struct declared *d = *mine;
  bool kept;

  if (!d)
    *mine = d = declare_new (wl, uuid, console);
  if (!d)
    return false;
  kept = logpipe_put (wl->pipe, d->id, data, len, wall_ms);
  if (!timer_armed (wl->flush))
    timer_in (wl->flush,
              logpipe_pending (wl->pipe) < FLUSH_BYTES ? FLUSH_MS : FULL_MS);
  else if (logpipe_pending (wl->pipe) >= FLUSH_BYTES && !wl->hurry)
    {
      wl->hurry = true;
      timer_in (wl->flush, FULL_MS);
    }
  return kept;
}

static void
sink_gone (void *arg, void *mine)
{
  struct writer_link *wl = arg;
  struct declared *d = mine;
  struct json_object *head;

  if (wl->channel)
    {
      head = json_object_new_object ();
      json_add_str (head, "op", "console-close");
      json_add_int (head, "id", d->id);
      channel_send (wl->channel, head, NULL, 0, NULL, 0);
    }
  wl->declared[d->id] = NULL;
  free (d);
}

static void
flush_due (struct timer *t, void *arg)
{
  struct writer_link *wl = arg;

  wl->hurry = false;
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
  wl->consoles = (struct console_sink){
    .bytes = sink_bytes,
    .gone = sink_gone,
    .arg = wl,
  };
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
  if (wl->pipe)
    logpipe_flush (wl->pipe);
  channel_free (wl->channel);
  while ((k = wl->first))
    {
      wl->first = k->next;
      kept_free (k);
    }
  timer_free (wl->flush);
  logpipe_free (wl->pipe);
  for (uint32_t i = 0; i < wl->ndeclared; i++)
    free (wl->declared[i]);
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
  for (uint32_t i = 0; i < wl->ndeclared; i++)
    if (wl->declared[i])
      declare (wl, wl->declared[i]);
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

size_t
writer_link_kept (const struct writer_link *wl)
{
  return wl->kept_bytes;
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
