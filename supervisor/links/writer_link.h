/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's end of the writer: the incident sink, the console sink and
 * requests.  While the writer is away (it crashed, it restarts), what must
 * not be lost waits here, bounded; console bytes become gaps.
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

struct incident_sink *writer_link_incidents (struct writer_link *wl);
const struct console_sink *writer_link_consoles (struct writer_link *wl);

/* Any request of docs/writer-protocol.md.  -ENOTCONN while it is away. */
int writer_link_call (struct writer_link *wl, struct json_object *head,
                      const void *body, size_t body_len, uint64_t timeout_ms,
                      channel_reply_fn *fn, void *arg, struct error *err);
/* Sends what the round gathered for the log pipe. */
void writer_link_flush (struct writer_link *wl);
uint64_t writer_link_log_dropped (const struct writer_link *wl);

#endif
