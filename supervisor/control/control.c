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
#include <unistd.h>

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
  { "list", op_list, MAY_LOOK },
  { "status", op_status, MAY_LOOK },
  { "incidents", op_incidents, MAY_LOOK },
  { "dump", op_dump, MAY_LOOK },
  { "tables", op_tables, MAY_LOOK },
  { "probe", op_probe, MAY_PROBE },
  { "scenario-run", op_scenario_run, MAY_BIND },
  { "diagnose", op_diagnose, MAY_DIAGNOSE },
  { "plan", op_plan, MAY_LOOK },
  { "watch", op_watch, MAY_LOOK },
  { "cancel", op_cancel, MAY_DIAGNOSE },
  { "console-release", op_release, MAY_CONSOLE },
  { "doctor", op_doctor, MAY_PROBE },
  { "inspect", op_inspect, MAY_DIAGNOSE },
  { "core", op_core, MAY_ADMIN },
  { "spool", op_spool, MAY_LOOK },
  { "spool-retry", op_spool, MAY_ADMIN },
  { "spool-drop", op_spool, MAY_ADMIN },
  { "console", op_console, MAY_LOOK, "write", MAY_CONSOLE },
  { "input", op_input, MAY_CONSOLE },
  { "scenarios", op_scenarios, MAY_LOOK },
  { "scenario-show", op_scenario_show, MAY_LOOK },
  { "scenario-pause", op_scenario_pause, MAY_BIND },
  { "scenario-resume", op_scenario_resume, MAY_BIND },
  { "scenario-bind", op_scenario_bind, MAY_BIND },
  { "scenario-unbind", op_scenario_unbind, MAY_BIND },
};

struct listening
{
  struct listening *next;
  struct control *control;
  const struct control_listener *from;
  int fd;
  struct watch *watch;
};

struct client
{
  struct control *control;
  const struct control_listener *from;
  uid_t uid;
  struct client *next;
  struct channel *channel;
  struct answer *answers;
  unsigned nanswers;
  char by[64];
};

struct control
{
  struct daemon *d;
  struct listening *sockets;
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

/* ---- who may what ---- */

static unsigned
local_may (const struct daemon *d, uid_t uid)
{
  return uid == 0 || uid == geteuid () ? MAY_ALL : config_group_may (d->config);
}

const struct control_listener control_local
    = { .setting = "group-may", .may = local_may };

/* The one place where that is asked. */
static int
check_may (const struct client *cl, const struct control_op *op,
           struct json_object *head, struct error *err)
{
  unsigned needs = op->may;
  unsigned bit = 0;

  if (op->more && json_get_bool (head, op->more, false))
    needs |= op->more_may;
  needs &= ~cl->from->may (cl->control->d, cl->uid);
  if (needs == 0)
    return 0;
  while (!(needs & 1u << bit))
    bit++;
  return error_set (err, EPERM,
                    "%s may not do this: \"%s\" of the configuration does "
                    "not name \"%s\"",
                    cl->by, cl->from->setting, may_names[bit]);
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

static int
find_op (const char *name, const struct control_op **ret, struct error *err)
{
  const char *names[ARRAY_LEN (ops) + 1];
  char near[80];

  for (size_t i = 0; name && i < ARRAY_LEN (ops); i++)
    if (strcmp (ops[i].name, name) == 0)
      {
        *ret = &ops[i];
        return 0;
      }
  for (size_t i = 0; i < ARRAY_LEN (ops); i++)
    names[i] = ops[i].name;
  names[ARRAY_LEN (ops)] = NULL;
  return error_set (err, ENOSYS, "this daemon has no operation \"%.60s\"%s",
                    name ? name : "",
                    text_did_you_mean (near, sizeof (near), name ? name : "",
                                       names));
}

static int
take_request (struct client *cl, struct frame *frame, struct error *err)
{
  const struct control_op *op = NULL;
  struct answer *a = NULL;
  int r = find_op (json_get_str (frame->head, "op"), &op, err);

  if (r == 0)
    r = check_may (cl, op, frame->head, err);
  if (r < 0)
    return r;
  if (cl->nanswers < MAX_ANSWERS && frame->body_len <= MAX_BODY
      && cl->control->body_bytes + frame->body_len <= ALL_BODIES)
    a = calloc (1, sizeof (*a));
  if (!a)
    return error_set (err, EBUSY,
                      "too much at once: %u requests under way, and %zu bytes",
                      cl->nanswers, frame->body_len);
  a->d = cl->control->d;
  a->client = cl;
  a->head = json_object_get (frame->head);
  memcpy (a->by, cl->by, sizeof (a->by));
  a->next = cl->answers;
  cl->answers = a;
  cl->nanswers++;
  queue (cl->control, a, op, frame);
  return 0;
}

static void
on_frame (struct channel *ch, struct frame *frame, void *arg)
{
  struct error err = ERROR_INIT;

  if (take_request (arg, frame, &err) < 0)
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
name_client (struct client *cl, pid_t pid)
{
  if (cl->from->name)
    snprintf (cl->by, sizeof (cl->by), "%.40s (pid %d)", cl->from->name,
              (int) pid);
  else
    snprintf (cl->by, sizeof (cl->by), "uid %u (pid %d)", (unsigned) cl->uid,
              (int) pid);
}

int
control_welcome (struct control *c, int fd,
                 const struct control_listener *from, struct error *err)
{
  struct client *cl;
  pid_t pid;
  uid_t uid;
  gid_t gid;
  int r = socket_peer (fd, &pid, &uid, &gid, err);

  if (r < 0)
    return r;
  if (c->count >= MAX_CLIENTS)
    return error_set (err, EBUSY, "%u clients are there already", c->count);
  cl = calloc (1, sizeof (*cl));
  if (!cl)
    return error_set (err, ENOMEM, "no memory for a client");
  cl->control = c;
  cl->from = from;
  cl->uid = uid;
  name_client (cl, pid);
  cl->next = c->clients;
  c->clients = cl;
  c->count++;
  r = channel_new (c->d->loop, "client", fd, CLIENT_QUEUE, &client_ops, cl,
                   &cl->channel, err);
  if (r < 0)
    {
      client_free (cl);
      return r;
    }
  hello (cl);
  return 0;
}

static void
on_listen (struct watch *w, int fd, unsigned events, void *arg)
{
  struct listening *at = arg;
  int client;

  while ((client = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK))
         >= 0)
    if (control_welcome (at->control, client, at->from, NULL) < 0)
      close (client);
}

int
control_listen (struct control *c, int listen_fd,
                const struct control_listener *from, struct error *err)
{
  struct listening *at = calloc (1, sizeof (*at));
  int r;

  if (!at)
    return error_set (err, ENOMEM, "no memory for a control socket");
  at->control = c;
  at->from = from;
  at->fd = listen_fd;
  r = loop_watch (c->d->loop, "control socket", listen_fd, LOOP_READ,
                  on_listen, at, &at->watch, err);
  if (r < 0)
    {
      free (at);
      return r;
    }
  at->next = c->sockets;
  c->sockets = at;
  return 0;
}

int
control_new (struct daemon *d, struct control **ret, struct error *err)
{
  struct control *c = calloc (1, sizeof (*c));
  int r;

  if (!c)
    return error_set (err, ENOMEM, "no memory for the control socket");
  c->d = d;
  c->last = &c->first;
  r = loop_timer (d->loop, "control", turn_due, c, &c->turn, err);
  if (r < 0)
    {
      free (c);
      return r;
    }
  *ret = c;
  return 0;
}

void
control_free (struct control *c)
{
  struct listening *at;

  if (!c)
    return;
  while (c->clients)
    client_free (c->clients);
  while ((at = c->sockets))
    {
      c->sockets = at->next;
      watch_free (at->watch);
      close (at->fd);
      free (at);
    }
  timer_free (c->turn);
  free (c);
}

unsigned
control_clients (const struct control *c)
{
  return c->count;
}
