/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's end of the writer: incidents, the console sink and requests.
 * While the writer is away (it crashed, it restarts), what must not be lost
 * waits here, bounded; console bytes become gaps.
 */
#ifndef HANGDOG_SUPERVISOR_WRITER_LINK_H
#define HANGDOG_SUPERVISOR_WRITER_LINK_H

#include "base/channel.h"
#include "diag/incident.h"
#include "transports/console/hub.h"

struct error;
struct loop;
struct writer_link;

struct writer_link_ops
{
  /* The writer (again) answers: replay of what it has open may begin. */
  void (*up) (void *arg);
  /* {"op":"shipped"|"parked"|"denied"|"retried"|"disk",...} */
  void (*event) (struct json_object *head, void *arg);
};

int writer_link_new (struct loop *loop, const struct writer_link_ops *ops,
                     void *arg, struct writer_link **ret, struct error *err);
void writer_link_free (struct writer_link *wl);
/* A new connection; takes both descriptors. */
void writer_link_connect (struct writer_link *wl, int channel, int pipe);
/* Before those are freed who wait for answers: they get -ECANCELED now. */
void writer_link_disconnect (struct writer_link *wl);
/* Is this the code of a connection that ended, and no answer of a writer? */
bool writer_link_broke (int code);
bool writer_link_connected (const struct writer_link *wl);

/* Bytes that it has not answered for yet. */
size_t writer_link_kept (const struct writer_link *wl);

/* Called on the loop thread, with err set on failure. */
typedef void incident_done_fn (const struct error *err,
                               struct json_object *answer, void *arg);
/* Durable before done: nothing is done about an incident before that.  At any
 * time: what was packed is only brought up to date, if it is there. */
void writer_link_put (struct writer_link *wl, const struct incident *inc,
                      incident_done_fn *done, void *arg);
void writer_link_artifact (struct writer_link *wl, const char *id,
                           const char *name, uint64_t offset,
                           const void *data, size_t len,
                           incident_done_fn *done, void *arg);
/* head NULL: no bundle is made of it, what it had is removed. */
void writer_link_pack (struct writer_link *wl, const char *id,
                       struct json_object *head, incident_done_fn *done,
                       void *arg);
const struct console_sink *writer_link_consoles (struct writer_link *wl);

/* Any request of docs/writer-protocol.md.  -ENOTCONN while it is away. */
int writer_link_call (struct writer_link *wl, struct json_object *head,
                      const void *body, size_t body_len, uint64_t timeout_ms,
                      channel_reply_fn *fn, void *arg, struct error *err);
/* Sends what the round gathered for the log pipe. */
void writer_link_flush (struct writer_link *wl);
uint64_t writer_link_log_dropped (const struct writer_link *wl);

#endif
