/* SPDX-License-Identifier: Apache-2.0
 *
 * QMP over its socket.
 *
 * One connection, held for MONITOR_HOLD_MS at most whatever the caller's
 * deadline says: on EVE the socket has one place, and its owner waits for it
 * without a deadline of its own.  Nothing here trusts the other side: a line
 * is bounded, the connection as a whole is, and JSON is the strict dialect.
 */
#include "transports/monitor/monitor.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/opener.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK 16384
#define MAX_EVENTS 1024 /* between a command and its reply */

struct qmp
{
  int fd;
  uint64_t hold_end;
  struct buf in;
  size_t scanned; /* bytes of `in` that hold no newline */
  unsigned next_id;
  int give; /* goes with what is written next, -1 = nothing */
};

static void
qmp_close (void *self)
{
  struct qmp *q = self;

  if (!q)
    return;
  if (q->fd >= 0)
    close (q->fd);
  buf_done (&q->in);
  free (q);
}

static void
qmp_freep (struct qmp **q)
{
  qmp_close (*q);
}

static uint64_t
sooner (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static int
wait_failed (int r, struct error *err)
{
  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "no answer in time");
  return error_errno (err, -r, "poll");
}

/* More bytes into q->in. */
static int
read_some (struct qmp *q, uint64_t deadline, struct error *err)
{
  char chunk[READ_CHUNK];
  ssize_t n;
  int r;

  r = io_wait (q->fd, POLLIN, deadline);
  if (r < 0)
    return wait_failed (r, err);
  n = recv (q->fd, chunk, sizeof chunk, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return 0;
  if (n < 0)
    return error_errno (err, errno, "reading from the monitor");
  if (n == 0)
    return error_set (err, EPIPE, "the monitor closed the connection");
  buf_append (&q->in, chunk, (size_t) n);
  if (q->in.cut)
    return error_set (err, EMSGSIZE, "a line of more than %u bytes",
                      MONITOR_MAX_REPLY);
  return 0;
}

/* The next line as an object.  Empty lines are skipped: QEMU ends with
 * "\r\n". */
static int
read_object (struct qmp *q, uint64_t deadline, struct json_doc **ret_doc,
             struct error *err)
{
  for (;;)
    {
      char *end = NULL;
      size_t len, used;
      int r;

      if (q->in.len > q->scanned)
        end = memchr (q->in.data + q->scanned, '\n', q->in.len - q->scanned);
      if (!end)
        {
          q->scanned = q->in.len;
          r = read_some (q, deadline, err);
          if (r < 0)
            return r;
          continue;
        }
      used = (size_t) (end - q->in.data) + 1;
      len = used - 1;
      while (len > 0 && q->in.data[len - 1] == '\r')
        len--;
      q->scanned = 0;
      if (len == 0)
        {
          buf_consume (&q->in, used);
          continue;
        }
      r = json_parse (q->in.data, len, JSON_WIRE, "monitor", MONITOR_MAX_REPLY,
                      ret_doc, err);
      buf_consume (&q->in, used);
      if (r == 0
          && !json_object_is_type (json_root (*ret_doc), json_type_object))
        {
          json_doc_free (steal_ptr (ret_doc));
          return error_set (err, EPROTO, "monitor: not an object");
        }
      return r;
    }
}

/* A line as short as this goes at once, or not at all. */
static int
send_with (struct qmp *q, const char *text, size_t len)
{
  union
  {
    struct cmsghdr align;
    char room[CMSG_SPACE (sizeof (int))];
  } control = { .room = { 0 } };
  struct iovec iov = { (char *) (uintptr_t) text, len };
  struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof control.room };
  struct cmsghdr *c = CMSG_FIRSTHDR (&msg);
  ssize_t n;

  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (c), &q->give, sizeof (int));
  n = sendmsg (q->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  return n < 0 ? -errno : (size_t) n == len ? 0 : -EMSGSIZE;
}

static int
write_all (struct qmp *q, const char *text, size_t len, uint64_t deadline,
           struct error *err)
{
  int r = q->give >= 0 ? send_with (q, text, len)
                       : io_send (q->fd, text, len, deadline);

  if (r == -ETIMEDOUT)
    return wait_failed (r, err);
  return r < 0 ? error_errno (err, -r, "writing to the monitor") : 0;
}

/* A reply of ours, or an error without an id: QEMU answers so when it could
 * not even parse what it got. */
static bool
is_reply (struct json_object *obj, int64_t id)
{
  struct json_object *got = json_get (obj, "id");

  if (got)
    return json_object_is_type (got, json_type_int)
           && json_object_get_int64 (got) == id;
  return json_get (obj, "error") != NULL;
}

static int
reply_error (struct json_object *obj, struct error *err)
{
  struct json_object *e = json_get (obj, "error");
  const char *class = json_get_str (e, "class");
  const char *desc = json_get_str (e, "desc");

  return error_set (err, EREMOTEIO, "%.64s: %.300s", class ? class : "?",
                    desc ? desc : "?");
}

static int
await_reply (struct qmp *q, int64_t id, uint64_t deadline,
             struct json_object **ret_reply, struct error *err)
{
  for (unsigned events = 0; events < MAX_EVENTS; events++)
    {
      struct json_doc *doc CLEANUP_JSON_DOC = NULL;
      struct json_object *value = NULL;
      int r = read_object (q, deadline, &doc, err);

      if (r < 0)
        return r;
      /* Events may come at any time, before the reply to qmp_capabilities
       * too: taking one for the reply has made others stop healthy guests. */
      if (json_get (json_root (doc), "event")
          || !is_reply (json_root (doc), id))
        continue;
      if (json_get (json_root (doc), "error"))
        return reply_error (json_root (doc), err);
      if (!json_object_object_get_ex (json_root (doc), "return", &value))
        return error_set (err, EPROTO, "monitor: neither return nor error");
      *ret_reply = json_object_get (value);
      return 0;
    }
  return error_set (err, EPROTO, "monitor: %u events and no reply", MAX_EVENTS);
}

static int
execute (struct qmp *q, const char *command, struct json_object *args,
         uint64_t deadline, struct json_object **ret_reply, struct error *err)
{
  struct json_object *msg CLEANUP_JSON = json_object_new_object ();
  struct buf line CLEANUP_BUF = BUF_INIT (64u << 10);
  int64_t id = ++q->next_id;
  int r;

  json_add_str (msg, "execute", command);
  if (args)
    json_object_object_add (msg, "arguments", args);
  json_add_int (msg, "id", id);
  buf_puts (&line,
            json_object_to_json_string_ext (msg, JSON_C_TO_STRING_PLAIN));
  buf_putc (&line, '\n');
  if (line.cut)
    return error_set (err, EMSGSIZE, "%.64s: arguments are too long", command);
  r = write_all (q, line.data, line.len, deadline, err);
  if (r == 0)
    r = await_reply (q, id, deadline, ret_reply, err);
  if (r < 0)
    error_wrap (err, "%.64s", command);
  return r;
}

/* Greeting, then capabilities; *health tells how far it came. */
static int
negotiate (struct qmp *q, uint64_t deadline, enum monitor_health *health,
           struct error *err)
{
  struct json_doc *greeting CLEANUP_JSON_DOC = NULL;
  struct json_object *reply CLEANUP_JSON = NULL;
  int r;

  *health = MONITOR_NO_GREETING;
  r = read_object (q, deadline, &greeting, err);
  if (r == 0 && !json_get (json_root (greeting), "QMP"))
    r = error_set (err, EPROTO, "that is no QMP greeting");
  if (r < 0)
    {
      error_wrap (err, "waiting for the greeting");
      return r;
    }
  *health = MONITOR_GREETS_ONLY;
  r = execute (q, "qmp_capabilities", NULL, deadline, &reply, err);
  if (r == 0)
    *health = MONITOR_ANSWERS;
  return r;
}

static int
connect_to (const struct transport_env *env, const struct guest *g,
            uint64_t deadline, int *ret_fd, enum monitor_health *health,
            struct error *err)
{
  const struct open_req req = {
    .kind = OPEN_UNIX,
    .root = g->monitor_root,
    .path = g->monitor_path,
    .check_pid = g->inc.pid,
    .check_start = g->inc.start_time,
  };
  const char *slash = strrchr (g->monitor_path, '/');
  int r;

  *health = MONITOR_GONE;
  /* That one is the owner's own ear, held for the guest's whole life. */
  if (strcmp (slash ? slash + 1 : g->monitor_path, "listener.qmp") == 0)
    return error_set (err, EPERM, "listener.qmp is never opened");
  r = env->opener->open (env->opener, &req, deadline, ret_fd, NULL, err);
  if (r == -EAGAIN)
    *health = MONITOR_HELD;
  return r;
}

static int
qmp_open (const struct transport_env *env, const struct guest *g,
          uint64_t deadline, void **ret_self, enum monitor_health *ret_health,
          struct error *err)
{
  struct qmp *q CLEANUP (qmp_freep) = calloc (1, sizeof *q);
  int r;

  *ret_health = MONITOR_GONE;
  if (!q)
    return error_errno (err, ENOMEM, "monitor");
  q->fd = q->give = -1;
  /* A reply, and one chunk of what follows it. */
  q->in = (struct buf) BUF_INIT (MONITOR_MAX_REPLY + READ_CHUNK);
  r = connect_to (env, g, deadline, &q->fd, ret_health, err);
  if (r < 0)
    return r;
  q->hold_end = clock_ms () + MONITOR_HOLD_MS;
  r = negotiate (q, sooner (deadline, q->hold_end), ret_health, err);
  if (r < 0)
    return r;
  *ret_self = steal_ptr (&q);
  return 0;
}

static int
qmp_command (void *self, const char *command, struct json_object *args,
             uint64_t deadline, struct json_object **ret_reply,
             struct error *err)
{
  struct qmp *q = self;

  if (clock_ms () >= q->hold_end)
    {
      json_object_put (args);
      return error_set (err, ETIMEDOUT,
                        "%.64s: the monitor was held for %u ms already",
                        command, MONITOR_HOLD_MS);
    }
  return execute (q, command, args, sooner (deadline, q->hold_end), ret_reply,
                  err);
}

static int
qmp_give (void *self, const char *command, int fd, uint64_t deadline,
          struct json_object **ret_reply, struct error *err)
{
  struct qmp *q = self;
  int r;

  q->give = fd;
  r = qmp_command (self, command, NULL, deadline, ret_reply, err);
  q->give = -1;
  return r;
}

const struct monitor_ops monitor_unix = {
  .name = "qmp",
  .open = qmp_open,
  .command = qmp_command,
  .give = qmp_give,
  .close = qmp_close,
};
