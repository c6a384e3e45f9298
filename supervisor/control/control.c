/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients of the control socket and the table of operations.
 */
#include "supervisor/control/control.h"
#include "supervisor/control/daemon.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "config.h"
#include "guests/registry.h"

#include <string.h>
#include <sys/socket.h>

#define MAX_CLIENTS 64
/* `status` of a thousand guests is some 3 MiB. */
#define CLIENT_QUEUE (32u << 20)
/* And of all clients together: one that asks and does not read is cut off
 * sooner when others do the same. */
#define ALL_QUEUES (64u << 20)
#define MAX_ANSWERS 64 /* of one client that are still being given */
#define MAX_BODY (64u << 10)
#define ALL_BODIES (8u << 20) /* of requests that wait for their turn */
/* Requests take so long of a round of the loop at most: many at once, of many
 * guests, must not look like a loop that is stuck. */
#define TURN_MS 20

static const struct control_op ops[] = {
  { "list", op_list },
  { "status", op_status },
  { "incidents", op_incidents },
  { "dump", op_dump },
  { "tables", op_tables },
  { "probe", op_probe },
  { "scenario-run", op_scenario_run },
  { "diagnose", op_diagnose },
  { "console-release", op_release },
  { "doctor", op_doctor },
  { "inspect", op_inspect },
  { "core", op_core },
  { "spool", op_spool },
  { "spool-retry", op_spool },
  { "spool-drop", op_spool },
  { "console", op_console },
  { "input", op_input },
  { "scenarios", op_scenarios },
  { "scenario-show", op_scenario_show },
  { "scenario-pause", op_scenario_pause },
  { "scenario-resume", op_scenario_resume },
  { "scenario-bind", op_scenario_bind },
  { "scenario-unbind", op_scenario_unbind },
};

struct client
{
  struct control *control;
  struct client *next;
  struct channel *channel;
  struct answer *answers;
  unsigned nanswers;
  char by[64];
};

struct control
{
  struct daemon *d;
  int listen_fd;
  struct watch *watch;
  struct client *clients;
  unsigned count;
  struct timer *turn;
  struct answer *first, **last; /* requests that wait for their turn */
  size_t body_bytes;            /* of those */
};

/* ---- answers ---- */

/* Takes it off the queue. */
static void
unqueue (struct answer *a)
{
  struct control *c = a->client->control;
  struct answer **p = &c->first;

  while (*p != a)
    p = &(*p)->next_due;
  *p = a->next_due;
  if (c->last == &a->next_due)
    c->last = p;
  c->body_bytes -= a->body_len;
  a->run = NULL;
}

static void
answer_free (struct answer *a)
{
  struct answer **p = &a->client->answers;

  while (*p && *p != a)
    p = &(*p)->next;
  if (*p)
    *p = a->next;
  if (a->run)
    unqueue (a);
  a->client->nanswers--;
  json_object_put (a->head);
  free (a->body);
  free (a);
}

static bool
has_room (const struct client *cl, size_t len)
{
  size_t all = len;

  for (const struct client *c = cl->control->clients; c; c = c->next)
    all += c->channel ? channel_queued (c->channel) : 0;
  return all <= ALL_QUEUES;
}

static bool
send_row (struct answer *a, struct json_object *row, const void *body,
          size_t len, int fd, bool more)
{
  struct frame request = { .head = a->head };

  if (more && !has_room (a->client, len))
    {
      json_object_put (row);
      return false;
    }
  if (!row)
    row = json_object_new_object ();
  if (more)
    json_add_bool (row, "more", true);
  return channel_reply (a->client->channel, &request, row, body, len, &fd,
                        fd >= 0 ? 1 : 0)
         == 0;
}

bool
answer_row (struct answer *a, struct json_object *row)
{
  bool sent = send_row (a, row, NULL, 0, -1, true);

  a->cut = a->cut || !sent;
  return sent;
}

bool
answer_bytes (struct answer *a, struct json_object *row, const void *body,
              size_t len)
{
  return send_row (a, row, body, len, -1, true);
}

bool
answer_fd (struct answer *a, struct json_object *row, int fd)
{
  return send_row (a, row, NULL, 0, fd, true);
}

void
answer_end (struct answer *a, struct json_object *last)
{
  struct error err = ERROR_INIT;

  if (a->cut)
    {
      /* Half a list that looks whole would be a lie. */
      if (last)
        json_object_put (last);
      error_set (&err, ENOBUFS, "you read too slowly: rows were dropped");
      answer_error (a, &err);
      return;
    }
  send_row (a, last, NULL, 0, -1, false);
  answer_free (a);
}

void
answer_error (struct answer *a, const struct error *why)
{
  struct frame request = { .head = a->head };

  channel_reply_error (a->client->channel, &request, why);
  answer_free (a);
}

struct answer *
answer_find (struct answer *a, int64_t id)
{
  for (struct answer *x = a->client->answers; x; x = x->next)
    if (json_get_int (x->head, "id", -2) == id)
      return x;
  return NULL;
}

const struct guest *
answer_guest (struct answer *a)
{
  const char *what = json_get_str (a->head, "guest");
  const struct guest *g = NULL;
  struct error err = ERROR_INIT;

  if (!what)
    error_set (&err, EINVAL,
               "which guest? Name one; `hangdog list` shows them");
  else if (registry_find (a->d->registry, what, &g, &err) == 0)
    return g;
  answer_error (a, &err);
  return NULL;
}

/* ---- clients ---- */

static void
client_free (struct client *cl)
{
  struct client **p = &cl->control->clients;
  struct answer *a;

  while (*p && *p != cl)
    p = &(*p)->next;
  if (*p)
    *p = cl->next;
  cl->control->count--;
  while ((a = cl->answers))
    {
      if (a->gone)
        a->gone (a);
      answer_free (a);
    }
  channel_free (cl->channel);
  free (cl);
}

static void
run_one (struct answer *a)
{
  CLEANUP_FREE void *body = steal_ptr (&a->body);
  CLEANUP_JSON struct json_object *head = json_object_get (a->head);
  struct frame f = { .head = head, .body = body,
                     .body_len = a->body_len };
  void (*run) (struct answer *, struct frame *) = a->run;

  unqueue (a);
  run (a, &f);
}

static void
turn_due (struct timer *t, void *arg)
{
  struct control *c = arg;
  uint64_t until = clock_ms () + TURN_MS;
  struct answer *a;

  while ((a = c->first))
    {
      if (clock_ms () >= until)
        {
          timer_in (t, 0);
          return;
        }
      run_one (a);
    }
}

static void
queue (struct control *c, struct answer *a, const struct control_op *op,
       struct frame *frame)
{
  a->run = op->run;
  a->body = steal_ptr (&frame->body);
  a->body_len = frame->body_len;
  c->body_bytes += a->body_len;
  *c->last = a;
  c->last = &a->next_due;
  if (!timer_armed (c->turn))
    timer_in (c->turn, 0);
}

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct client *cl = arg;
  const char *op = json_get_str (frame->head, "op");
  const char *names[ARRAY_LEN (ops) + 1];
  char near[80];
  struct error err = ERROR_INIT;
  struct answer *a;

  for (size_t i = 0; op && i < ARRAY_LEN (ops); i++)
    if (strcmp (ops[i].name, op) == 0)
      {
        a = NULL;
        if (cl->nanswers < MAX_ANSWERS && frame->body_len <= MAX_BODY
            && cl->control->body_bytes + frame->body_len <= ALL_BODIES)
          a = calloc (1, sizeof (*a));
        if (!a)
          {
            error_set (&err, EBUSY, "too much at once: %u requests under way, "
                       "and %zu bytes", cl->nanswers, frame->body_len);
            channel_reply_error (ch, frame, &err);
            return;
          }
        a->d = cl->control->d;
        a->client = cl;
        a->head = json_object_get (frame->head);
        memcpy (a->by, cl->by, sizeof (a->by));
        a->next = cl->answers;
        cl->answers = a;
        cl->nanswers++;
        queue (cl->control, a, &ops[i], frame);
        return;
      }
  for (size_t i = 0; i < ARRAY_LEN (ops); i++)
    names[i] = ops[i].name;
  names[ARRAY_LEN (ops)] = NULL;
  error_set (&err, ENOSYS, "this daemon has no operation \"%.60s\"%s",
             op ? op : "",
             text_did_you_mean (near, sizeof (near), op ? op : "", names));
  channel_reply_error (ch, frame, &err);
}

static void
on_close (struct channel *ch, const struct error *why, void *arg)
{
  client_free (arg);
}

static const struct channel_ops client_ops = {
  .on_frame = on_frame,
  .on_close = on_close,
};

static void
hello (struct client *cl)
{
  struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", "hello");
  json_add_int (head, "protocol", CONTROL_PROTOCOL);
  json_add_str (head, "version", PACKAGE_VERSION);
  channel_send (cl->channel, head, NULL, 0, NULL, 0);
}

static void
welcome (struct control *c, int fd)
{
  struct client *cl = calloc (1, sizeof (*cl));
  struct error err = ERROR_INIT;
  pid_t pid;
  uid_t uid;
  gid_t gid;

  if (!cl || c->count >= MAX_CLIENTS
      || socket_peer (fd, &pid, &uid, &gid, &err) < 0)
    {
      close (fd);
      free (cl);
      return;
    }
  cl->control = c;
  snprintf (cl->by, sizeof (cl->by), "uid %u (pid %d)", (unsigned) uid,
            (int) pid);
  cl->next = c->clients;
  c->clients = cl;
  c->count++;
  if (channel_new (c->d->loop, "client", fd, CLIENT_QUEUE, &client_ops, cl,
                   &cl->channel, &err)
      < 0)
    {
      close (fd);
      client_free (cl);
      return;
    }
  hello (cl);
}

static void
on_listen (struct watch *w, int fd, unsigned events, void *arg)
{
  struct control *c = arg;
  int client;

  while ((client = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK))
         >= 0)
    welcome (c, client);
}

int
control_new (struct daemon *d, int listen_fd, struct control **ret,
             struct error *err)
{
  struct control *c = calloc (1, sizeof (*c));
  int r;

  if (!c)
    return error_set (err, ENOMEM, "no memory for the control socket");
  c->d = d;
  c->listen_fd = listen_fd;
  c->last = &c->first;
  r = loop_timer (d->loop, "control", turn_due, c, &c->turn, err);
  if (r == 0)
    r = loop_watch (d->loop, "control socket", listen_fd, LOOP_READ, on_listen,
                    c, &c->watch, err);
  if (r < 0)
    {
      timer_free (c->turn);
      free (c);
      return r;
    }
  *ret = c;
  return 0;
}

void
control_free (struct control *c)
{
  if (!c)
    return;
  while (c->clients)
    client_free (c->clients);
  timer_free (c->turn);
  watch_free (c->watch);
  close (c->listen_fd);
  free (c);
}

unsigned
control_clients (const struct control *c)
{
  return c->count;
}
