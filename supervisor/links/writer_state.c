/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer said of itself.
 */
#include "supervisor/links/writer_state.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What one sink took says nothing of another that denies. */
static void
no_denial (struct writer_state *ws, struct json_object *head)
{
  const char *sink = json_get_str (head, "sink");

  if (ws->denied_by[0] && sink && strcmp (ws->denied_by, sink) != 0)
    return;
  ws->denied_by[0] = '\0';
  ws->denied_since_ms = 0;
  ws->denied[0] = '\0';
}

/* ---- its words ---- */

/* A revision of a document arrived. */
static void
told (struct writer_state *ws, struct json_object *head, uint64_t now_ms)
{
  ws->told++;
  no_denial (ws, head);
}

static void
shipped (struct writer_state *ws, struct json_object *head, uint64_t now_ms)
{
  ws->shipped++;
  no_denial (ws, head);
}

/* Refused is that bundle, not we. */
static void
parked (struct writer_state *ws, struct json_object *head, uint64_t now_ms)
{
  ws->parked++;
  no_denial (ws, head);
}

static void
denied (struct writer_state *ws, struct json_object *head, uint64_t now_ms)
{
  const char *why = json_get_str (head, "why");
  const char *sink = json_get_str (head, "sink");

  if (!ws->denied_since_ms)
    ws->denied_since_ms = now_ms;
  snprintf (ws->denied, sizeof (ws->denied), "%s", why ? why : "");
  snprintf (ws->denied_by, sizeof (ws->denied_by), "%s", sink ? sink : "");
}

static void
retried (struct writer_state *ws, struct json_object *head, uint64_t now_ms)
{
  no_denial (ws, head);
}

static void
disk (struct writer_state *ws, struct json_object *head, uint64_t now_ms)
{
  const char *state = json_get_str (head, "state");

  if (!state || strcmp (state, "full") != 0)
    ws->full_since_ms = 0;
  else if (!ws->full_since_ms)
    ws->full_since_ms = now_ms;
}

static const struct
{
  const char *op;
  void (*hear) (struct writer_state *ws, struct json_object *head,
                uint64_t now_ms);
} words[] = {
  { "told", told },     { "shipped", shipped }, { "parked", parked },
  { "denied", denied }, { "retried", retried }, { "disk", disk },
};

bool
writer_state_hear (struct writer_state *ws, struct json_object *head,
                   uint64_t now_ms)
{
  const char *op = json_get_str (head, "op");

  for (size_t i = 0; op && i < ARRAY_LEN (words); i++)
    if (strcmp (words[i].op, op) == 0)
      {
        words[i].hear (ws, head, now_ms ? now_ms : 1);
        return true;
      }
  return false;
}

void
writer_state_up (struct writer_state *ws)
{
  ws->full_since_ms = 0;
  no_denial (ws, NULL);
}

/* ---- telling ---- */

void
writer_state_row (const struct writer_state *ws, struct json_object *row,
                  uint64_t now_ms)
{
  char text[256];

  if (ws->full_since_ms)
    json_add_int (row, "disk_full_ms", (int64_t) (now_ms - ws->full_since_ms));
  if (!ws->denied_since_ms)
    return;
  snprintf (text, sizeof (text), "the controller denies hangdog, nothing is "
            "sent: %s", ws->denied);
  json_add_int (row, "denied_ms", (int64_t) (now_ms - ws->denied_since_ms));
  json_add_text (row, "denied", text, strlen (text));
}

void
writer_state_dump (const struct writer_state *ws, struct buf *out,
                   uint64_t now_ms)
{
  buf_printf (out, "writer: documents %" PRIu64 ", shipped %" PRIu64
              ", parked %" PRIu64, ws->told, ws->shipped, ws->parked);
  if (ws->full_since_ms)
    buf_printf (out, "; the disk is full for %" PRIu64 " ms",
                now_ms - ws->full_since_ms);
  if (ws->denied_since_ms)
    {
      buf_printf (out, "; denied for %" PRIu64 " ms: ",
                  now_ms - ws->denied_since_ms);
      text_escape (out, ws->denied, strlen (ws->denied), 0);
    }
  buf_puts (out, "\n");
}
