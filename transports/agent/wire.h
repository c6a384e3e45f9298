/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest agent says: bytes to replies, replies to what they mean.
 *
 * Pure, and the first to touch what is hostile: private to this folder, the
 * tests and the fuzzer.
 */
#ifndef HANGDOG_TRANSPORTS_AGENT_WIRE_H
#define HANGDOG_TRANSPORTS_AGENT_WIRE_H

#include "base/buf.h"
#include "base/json.h"
#include "transports/agent/agent.h"

/* Values in one reply: what json-c makes of a byte or two takes 50 times as
 * much memory.  A hundred interfaces with all their counters are 3000. */
#define AGENT_MAX_VALUES 20000

struct agent_wire
{
  struct buf line; /* what has come of the line that is read */
  size_t total;    /* bytes of this question, over all its connections */
  int64_t sync;    /* the id that is waited for, 0 = in step */
  bool marked;     /* waiting for it: the marker before it has come */
};
void agent_wire_init (struct agent_wire *w);
void agent_wire_done (struct agent_wire *w);
/* A new connection: all that comes before the answer to guest-sync-delimited
 * with that id (not 0) is some other client's. */
void agent_wire_sync (struct agent_wire *w, int64_t id);
/* Takes bytes until something is complete: 1 with *ret_doc a reply, or NULL
 * when that was the answer to the sync; 0: all are taken, more are needed.
 * -EMSGSIZE: more than AGENT_MAX_BYTES, -EPROTO: no JSON of a reply's. */
int agent_wire_feed (struct agent_wire *w, const char *bytes, size_t n,
                     size_t *ret_used, struct json_doc **ret_doc,
                     struct error *err);

/* A reply that came in one piece. */
int agent_wire_parse (const char *text, size_t len, struct json_doc **ret_doc,
                      struct error *err);
/* The value of its "return", a reference of the document's; or what its error
 * means: -EACCES the command is blocked, -ENOSYS it has no such command,
 * -EREMOTEIO it can't; -EPROTO: neither. */
int agent_wire_value (const struct json_doc *doc, struct json_object **ret,
                      struct error *err);

/* ---- values; -EPROTO when it is not what it must be ---- */

#define AGENT_VERSION_MAX 32
/* The commands that are used here, blocked or not there: "guest-exec ...". */
int agent_said_info (struct json_object *value, char *ret_version, size_t n,
                     char *ret_missing, size_t missing_n, struct error *err);

struct agent_status
{
  bool exited;
  int signal; /* 0 = it ended by itself */
  int status;
  bool cut;   /* there was more than it kept, or than out takes */
};
/* out: the program's standard output, then its standard error. */
int agent_said_status (struct json_object *value, struct agent_status *ret,
                       struct buf *out, struct error *err);

/* One piece of a file; ret_more: the end has not come. */
int agent_said_piece (struct json_object *value, struct buf *out,
                      bool *ret_more, struct error *err);

int agent_said_addresses (struct json_object *value, struct agent_address *ret,
                          size_t max, size_t *ret_n, struct error *err);

/* Appends what text means; -EPROTO when it is no base64. */
int agent_base64 (const char *text, size_t len, struct buf *out,
                  struct error *err);

#endif
