/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer said of itself, unasked (docs/writer-protocol.md), kept so
 * that `status` and `dump` can say it: that it can't store, or can't send.
 * Loop thread.
 */
#ifndef HANGDOG_SUPERVISOR_WRITER_STATE_H
#define HANGDOG_SUPERVISOR_WRITER_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct json_object;

struct writer_state
{
  uint64_t full_since_ms, denied_since_ms; /* clock_ms(), 0 = it is not */
  char denied[200];                        /* why */
  char denied_by[32];                      /* the last sink that did */
  uint64_t told, shipped, parked;          /* since there is a daemon */
};

/* It (or another one) is there again, and tells anew. */
void writer_state_up (struct writer_state *ws);
/* False: that is no word of a writer. */
bool writer_state_hear (struct writer_state *ws, struct json_object *head,
                        uint64_t now_ms);
/* "disk_full_ms", "denied_ms" and "denied" (a sentence), each only while it is
 * so. */
void writer_state_row (const struct writer_state *ws, struct json_object *row,
                       uint64_t now_ms);
void writer_state_dump (const struct writer_state *ws, struct buf *out,
                        uint64_t now_ms);

#endif
