/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest agent at its virtio port's socket.
 *
 * QEMU serves one client there, and the others wait without knowing it: so it
 * is looked first whether we were accepted.  Then guest-sync-delimited with a
 * random id, before whose answer all is an earlier client's.
 */
#include "transports/agent/agent_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/opener.h"
#include "transports/chardev.h"
#include "transports/transport.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define READ_CHUNK 16384

/* ---- bytes ---- */

static int
wait_readable (struct agent_talk *t, struct error *err)
{
  int r = io_wait (t->fd, POLLIN, t->deadline);

  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "no answer in time");
  return r < 0 ? error_errno (err, -r, "poll") : 0;
}

static int
say_closed (struct agent_talk *t, struct error *err)
{
  return agent_fail (t, ASK_TAKEN, EPIPE, err,
                     "the agent's channel was closed by QEMU meanwhile");
}

static int
send_all (struct agent_talk *t, const char *text, size_t len,
          struct error *err)
{
  int r = io_send (t->fd, text, len, t->deadline);

  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT, "no answer in time");
  return r < 0 ? say_closed (t, err) : 0;
}

/* *ret_doc is NULL when it was the answer to a sync.  What comes in one piece
 * with it and behind it is nobody's: nothing else was asked. */
static int
read_one (struct agent_talk *t, struct json_doc **ret_doc, struct error *err)
{
  char chunk[READ_CHUNK];

  for (;;)
    {
      size_t used;
      ssize_t n;
      int r = wait_readable (t, err);

      if (r < 0)
        return r;
      n = recv (t->fd, chunk, sizeof chunk, MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR))
        continue;
      if (n <= 0)
        return say_closed (t, err);
      r = agent_wire_feed (&t->wire, chunk, (size_t) n, &used, ret_doc, err);
      if (r != 0)
        return r < 0 ? r : 0;
    }
}

/* ---- coming in step ---- */

static int
connect_to (struct agent_talk *t, struct error *err)
{
  const struct guest *g = t->g;
  const struct open_req req = {
    .kind = OPEN_UNIX,
    .root = g->host,
    .path = g->agent_path,
    .check_pid = g->inc.pid,
    .check_start = g->inc.start_time,
  };
  struct socket_file file = { false };
  struct opener *opener = t->env->opener;
  struct error why = ERROR_INIT;
  int fd = -1;
  int r = opener->open (opener, &req, t->deadline, &fd, NULL, &why);

  if (r == -EAGAIN)
    r = chardev_queue_full (req.root, req.path, &why);
  else if (r >= 0)
    r = chardev_wait_accepted (fd, t->deadline, &file, &why);
  if (r >= 0)
    {
      t->fd = fd;
      return 0;
    }
  cleanup_close_ (&fd);
  switch (r)
    {
    case -EBUSY:
      return agent_fail (t, ASK_BUSY, EBUSY, err,
                         "another client has the agent's channel");
    case -ENOENT:
    case -ECONNREFUSED:
    case -ESTALE:
      return agent_fail (t, ASK_ABSENT, ENOENT, err,
                         "the agent's channel is not there now: %.120s",
                         error_text (&why));
    case -ETIMEDOUT:
      return agent_fail (t, ASK_OPEN_TIMEOUT, ETIMEDOUT, err,
                         "the agent's channel: %.150s", error_text (&why));
    default:
      return agent_fail (t, ASK_BROKEN, EIO, err,
                         "the agent's channel: %.150s", error_text (&why));
    }
}

/* Of what is left of another client's question the agent's parser is rid by
 * the marker, which ends it with an error. */
static int
come_in_step (struct agent_talk *t, struct error *err)
{
  struct json_doc *none = NULL;
  char text[120];
  uint32_t id;
  int len, r;

  if (getrandom (&id, sizeof id, 0) != sizeof id)
    return error_errno (err, errno, "a random number");
  id |= 1;
  len = snprintf (text, sizeof text,
                  "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":"
                  "{\"id\":%u}}\n",
                  id);
  agent_wire_sync (&t->wire, id);
  t->begun = true;
  r = send_all (t, text, (size_t) len, err);
  if (r >= 0)
    r = read_one (t, &none, err);
  json_doc_free (none);
  return r;
}

/* ---- the whole ---- */

static int
ask (struct agent_talk *t, const char *text, size_t len,
     struct json_doc **ret_doc, struct error *err)
{
  int r = send_all (t, text, len, err);

  return r < 0 ? r : read_one (t, ret_doc, err);
}

int
agent_unix_call (struct agent_talk *t, const char *text, size_t len,
                 struct json_doc **ret_doc, struct error *err)
{
  bool in_step = t->fd >= 0;
  struct error why = ERROR_INIT;
  int r = 0;

  if (!in_step)
    {
      r = connect_to (t, &why);
      if (r >= 0)
        r = come_in_step (t, &why);
      in_step = r >= 0;
    }
  if (r >= 0)
    r = ask (t, text, len, ret_doc, &why);
  if (r >= 0)
    return 0;
  agent_rest (t);
  if (err)
    *err = why;
  if (t->end != ASK_MAX)
    return r;
  switch (r)
    {
    case -ETIMEDOUT:
      if (!in_step)
        return agent_fail (t, ASK_SILENT, ETIMEDOUT, err,
                           "its agent does not answer");
      return agent_fail (t, ASK_NO_ANSWER, ETIMEDOUT, err,
                         "its agent is there, and did not answer the question "
                         "in time");
    case -EMSGSIZE:
    case -EPROTO:
      return agent_fail (t, ASK_PROTOCOL, -r, err, "%.200s", error_text (&why));
    default:
      return r;
    }
}
