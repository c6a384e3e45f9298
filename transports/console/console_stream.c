/* SPDX-License-Identifier: Apache-2.0
 *
 * A console through libvirt's stream: for hosts whose ptys are not ours to
 * open.  libvirtd takes the console's lock on its side.
 *
 * libvirt's client queues what comes without a bound while nobody takes it,
 * so it is taken at once.  Aborting a stream is a call that waits for
 * libvirtd: in a job.  Nothing here can be let go of by hub_let_go(); the
 * connection ends with the process.
 */
#include "config.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/job.h"
#include "base/loop.h"
#include "guests/virt.h"
#include "transports/console/hub_impl.h"

#define STREAM_BUDGET (256u << 10)
#define STREAM_CLOSE_MS 10000
#define WOULD_BLOCK (-2)

void
console_stream_free_ (void *stream)
{
  if (!stream)
    return;
  (void) virStreamAbort (stream);
  (void) virStreamFree (stream);
}

static bool
last_error_has (const char *words)
{
  const virError *e = virGetLastError ();

  return e && e->message && strstr (e->message, words);
}

static int
explain (struct error *err)
{
  /* There are no codes of their own for these. */
  if (last_error_has ("Active console session"))
    return error_set (err, EBUSY, "another client is connected to it through "
                      "libvirt");
  if (last_error_has ("read only access"))
    return error_set (err, EACCES, "the connection to libvirt is read-only: "
                      "no console");
  return virt_error (err, "opening the console");
}

static int
open_stream (const struct open_task *task, uint64_t deadline,
             struct console_link *ret_link, struct error *err)
{
  virDomainPtr dom = NULL;
  virStreamPtr st;
  int r = virt_domain (task->host, &task->inc, &dom, err);

  if (r < 0)
    return r;
  st = virStreamNew (virDomainGetConnect (dom), VIR_STREAM_NONBLOCK);
  if (!st
      || virDomainOpenConsole (dom, task->def.path[0] ? task->def.path : NULL,
                               st, VIR_DOMAIN_CONSOLE_SAFE)
             < 0)
    {
      r = explain (err);
      if (st)
        (void) virStreamFree (st);
    }
  else
    {
      ret_link->stream = st;
      ret_link->stream_conn = virDomainGetConnect (dom);
    }
  (void) virDomainFree (dom);
  return r;
}

/* ---- on the loop ---- */

static void
stream_event (virStreamPtr st, int events, void *opaque)
{
  struct console *c = opaque;

  if (c->phase == PHASE_UP && c->link.stream == st)
    (void) drain_ (c, STREAM_BUDGET);
}

static void
lost_one (struct console *c, void *conn)
{
  if (c->phase == PHASE_UP && c->link.stream && c->link.stream_conn == conn)
    console_lost_ (c, "the connection to libvirt was lost");
}

static void
on_lost (virConnectPtr conn, void *arg)
{
  hub_walk_ (arg, lost_one, conn);
}

void
console_stream_listen_ (struct hub *hub, bool on)
{
  virt_on_lost (on ? on_lost : NULL, hub);
}

static int
start_stream (struct console *c, struct error *err)
{
  /* Lost before there was somebody to be told. */
  if (virConnectIsAlive (c->link.stream_conn) != 1)
    return error_set (err, EPIPE, "the connection to libvirt was lost");
  if (virStreamEventAddCallback (c->link.stream,
                                 VIR_STREAM_EVENT_READABLE
                                     | VIR_STREAM_EVENT_ERROR
                                     | VIR_STREAM_EVENT_HANGUP,
                                 stream_event, c, NULL)
      < 0)
    return virt_error (err, "watching the console");
  return 0;
}

static ssize_t
read_stream (struct console *c, void *dst, size_t n)
{
  int r = c->link.stream ? virStreamRecv (c->link.stream, dst, n) : 0;

  if (r == WOULD_BLOCK)
    return -EAGAIN;
  return r < 0 ? -EPIPE : r;
}

static int
close_run (struct job *job, void *arg)
{
  console_stream_free_ (arg);
  return 0;
}

static void
close_done (void *owner, void *arg, enum job_end end, int rc)
{
}

static void
close_dropped (void *arg)
{
}

void
console_stream_drop_ (struct console *c, void *stream)
{
  struct job_spec spec = {
    .name = "console-close",
    .guest = c->uuid,
    .lane = LANE_CONSOLE_CLOSE,
    .part = c->def.name,
    .timeout_ms = STREAM_CLOSE_MS,
    .run = close_run,
    .done = close_done,
    .free_arg = close_dropped,
    .arg = stream,
  };

  /* hub_free() comes after the pool is gone: the connection's end will have
   * to do. */
  if (!stream || c->hub->dead)
    return;
  /* When no job is to be had the reference stays, and libvirtd finds the
   * console closed with the connection: better than waiting here. */
  (void) job_start (c->hub->jobs, &spec, NULL);
}

static void
stop_stream (struct console *c)
{
  virStreamPtr st = c->link.stream;

  if (!st)
    return;
  (void) virStreamEventRemoveCallback (st);
  c->link.stream = NULL;
  {
    LOCK_SCOPE (&c->io);
    c->io_stream = NULL;
  }
  console_stream_drop_ (c, st);
}

/* ---- in a lease's thread, under console->io ---- */

static ssize_t
write_stream (struct console *c, const void *data, size_t n)
{
  int r = c->io_stream ? virStreamSend (c->io_stream, data, n) : -1;

  if (r == WOULD_BLOCK)
    return -EAGAIN;
  return r < 0 ? -EPIPE : r;
}

const struct console_ops console_stream = {
  .name = "stream",
  .types = true,
  .open = open_stream,
  .start = start_stream,
  .read = read_stream,
  .write = write_stream,
  .stop = stop_stream,
};
