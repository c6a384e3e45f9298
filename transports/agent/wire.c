/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of a guest agent to replies.
 *
 * After 0xff, which is in no JSON, a sync's answer stands alone: so what an
 * earlier client left is told from it, also half a reply.
 */
#include "transports/agent/wire.h"

#include "base/error.h"
#include "base/json_scan.h"

#include <string.h>

#define MARKER '\xff'
#define MAX_SYNC_LINE 256

void
agent_wire_init (struct agent_wire *w)
{
  *w = (struct agent_wire){ .line = BUF_INIT (AGENT_MAX_BYTES) };
}

void
agent_wire_done (struct agent_wire *w)
{
  buf_done (&w->line);
}

void
agent_wire_sync (struct agent_wire *w, int64_t id)
{
  buf_clear (&w->line);
  w->sync = id;
  w->marked = false;
}

int
agent_wire_parse (const char *text, size_t len, struct json_doc **ret_doc,
                  struct error *err)
{
  struct error why = ERROR_INIT;
  struct json_fault fault;
  size_t values = 0;

  if (len > AGENT_MAX_BYTES)
    return error_set (err, EMSGSIZE, "the agent's reply has more than %u bytes",
                      AGENT_MAX_BYTES);
  /* Before a tree is made of it, which takes far more than its text. */
  if (json_scan (text, len, JSON_WIRE, NULL, &values, &fault) < 0)
    return error_set (err, EPROTO, "the agent's reply is no JSON: %s",
                      fault.what);
  if (values > AGENT_MAX_VALUES)
    return error_set (err, EPROTO, "the agent's reply has %zu values", values);
  if (json_parse (text, len, JSON_WIRE, "agent", AGENT_MAX_BYTES, ret_doc, &why)
      < 0)
    return error_set (err, why.code == ENOMEM ? ENOMEM : EPROTO, "%s", why.msg);
  return 0;
}

/* ---- until it is in step ---- */

static bool
is_sync (const struct agent_wire *w)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct json_object *id = NULL;

  if (agent_wire_parse (buf_str (&w->line), w->line.len, &doc, NULL) < 0
      || !json_object_is_type (json_root (doc), json_type_object))
    return false;
  id = json_get (json_root (doc), "return");
  return json_object_is_type (id, json_type_int)
         && json_object_get_int64 (id) == w->sync;
}

/* True when that byte made it be in step. */
static bool
take_before_sync (struct agent_wire *w, char c)
{
  if (c == MARKER)
    {
      buf_clear (&w->line);
      w->marked = true;
      return false;
    }
  if (!w->marked)
    return false;
  if (c != '\n')
    {
      buf_putc (&w->line, c);
      w->marked = w->line.len <= MAX_SYNC_LINE;
      return false;
    }
  w->marked = false;
  if (is_sync (w))
    w->sync = 0;
  buf_clear (&w->line);
  return w->sync == 0;
}

/* ---- in step ---- */

static bool
is_blank (const struct buf *b)
{
  for (size_t i = 0; i < b->len; i++)
    if (b->data[i] != ' ' && b->data[i] != '\r' && b->data[i] != '\t')
      return false;
  return true;
}

static int
take_reply (struct agent_wire *w, const char *bytes, size_t n,
            size_t *ret_used, struct json_doc **ret_doc, struct error *err)
{
  const char *end = memchr (bytes, '\n', n);
  int r;

  *ret_used = end ? (size_t) (end - bytes) + 1 : n;
  buf_append (&w->line, bytes, end ? *ret_used - 1 : n);
  if (!end)
    return 0;
  if (is_blank (&w->line))
    {
      buf_clear (&w->line);
      return 0;
    }
  r = agent_wire_parse (buf_str (&w->line), w->line.len, ret_doc, err);
  buf_clear (&w->line);
  return r < 0 ? r : 1;
}

int
agent_wire_feed (struct agent_wire *w, const char *bytes, size_t n,
                 size_t *ret_used, struct json_doc **ret_doc, struct error *err)
{
  size_t at = 0, used;
  int r = 0;

  *ret_doc = NULL;
  *ret_used = 0;
  while (at < n && r == 0)
    {
      used = 1;
      if (w->sync)
        r = take_before_sync (w, bytes[at]);
      else
        r = take_reply (w, bytes + at, n - at, &used, ret_doc, err);
      at += used;
      w->total += used;
      if (w->total > AGENT_MAX_BYTES)
        {
          json_doc_free (*ret_doc);
          *ret_doc = NULL;
          return error_set (err, EMSGSIZE,
                            "the agent said more than %u KiB: given up",
                            AGENT_MAX_BYTES >> 10);
        }
    }
  *ret_used = at;
  return r;
}

/* ---- replies ---- */

int
agent_wire_value (const struct json_doc *doc, struct json_object **ret,
                  struct error *err)
{
  struct json_object *root = json_root (doc), *value = NULL, *e;
  const char *class, *desc;

  if (!json_object_is_type (root, json_type_object))
    return error_set (err, EPROTO, "the agent's reply is no object");
  e = json_get (root, "error");
  if (!e)
    {
      if (!json_object_object_get_ex (root, "return", &value))
        return error_set (err, EPROTO,
                          "the agent's reply has neither return nor error");
      *ret = value;
      return 0;
    }
  class = json_get_str (e, "class");
  desc = json_get_str (e, "desc");
  if (!desc)
    return error_set (err, EPROTO, "the agent's error says nothing");
  /* A blocked command is of the class CommandNotFound, too. */
  if (strstr (desc, "disabled"))
    return error_set (err, EACCES, "%.150s", desc);
  if (class && strcmp (class, "CommandNotFound") == 0)
    return error_set (err, ENOSYS, "%.150s", desc);
  return error_set (err, EREMOTEIO, "%.150s", desc);
}
