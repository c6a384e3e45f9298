/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest agent says, in pieces of any size: it must mean the same as in
 * one, and stay within its bounds.  The first byte is the size of a piece, the
 * answer to the sync is that to the id 1.
 */
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "transports/agent/wire.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OUT 4096
#define MAX_ADDRESSES 8

static void
check_text (const char *p)
{
  for (; *p; p++)
    MUST ((unsigned char) *p >= 0x20 && (unsigned char) *p < 0x7f);
}

static void
check_value (struct json_object *value)
{
  struct agent_address a[MAX_ADDRESSES];
  struct buf out = BUF_INIT (MAX_OUT);
  struct agent_status status;
  char version[AGENT_VERSION_MAX], missing[200];
  size_t n = 0;
  bool more;

  if (agent_said_addresses (value, a, MAX_ADDRESSES, &n, NULL) == 0)
    MUST (n <= MAX_ADDRESSES);
  for (size_t i = 0; i < n; i++)
    {
      check_text (a[i].ip);
      check_text (a[i].ifname);
      MUST (a[i].ip[0] && strlen (a[i].ifname) < sizeof a[i].ifname
            && (!a[i].mac[0] || strlen (a[i].mac) == 17)
            && a[i].prefix <= (a[i].v6 ? 128 : 32));
    }
  if (agent_said_info (value, version, sizeof version, missing, sizeof missing,
                       NULL)
      == 0)
    {
      check_text (version);
      check_text (missing);
    }
  if (agent_said_status (value, &status, &out, NULL) == 0 && status.exited)
    MUST (status.cut || !out.cut);
  (void) agent_said_piece (value, &out, &more, NULL);
  MUST (out.len <= MAX_OUT);
  buf_done (&out);
}

/* Looks at each reply, and writes down what there was. */
static void
feed (const char *p, size_t size, size_t piece, struct buf *seen)
{
  struct agent_wire w;
  size_t at = 0;
  int r = 0;

  agent_wire_init (&w);
  agent_wire_sync (&w, 1);
  while (at < size && r >= 0)
    {
      size_t n = size - at < piece ? size - at : piece, used = 0;
      struct json_object *value = NULL;
      struct json_doc *doc = NULL;

      r = agent_wire_feed (&w, p + at, n, &used, &doc, NULL);
      MUST (used <= n && (r < 0 || used > 0) && (r == 1 || !doc));
      at += used;
      if (doc)
        {
          int rc = agent_wire_value (doc, &value, NULL);

          buf_printf (seen, "%d ", rc);
          if (rc == 0)
            check_value (value);
        }
      else if (r != 0)
        buf_printf (seen, "=%d ", r);
      json_doc_free (doc);
    }
  MUST (w.line.len <= AGENT_MAX_BYTES);
  agent_wire_done (&w);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct buf one = BUF_INIT (8 * size + 64), many = BUF_INIT (8 * size + 64);
  struct buf plain = BUF_INIT (size + 64);
  const char *p = (const char *) data + 1;

  if (size > 1)
    {
      feed (p, size - 1, size - 1, &one);
      feed (p, size - 1, 1 + data[0] % 32, &many);
      MUST (strcmp (buf_str (&one), buf_str (&many)) == 0);
      if (agent_base64 (p, size - 1, &plain, NULL) == 0)
        MUST (!plain.cut && plain.len <= size);
    }
  buf_done (&one);
  buf_done (&many);
  buf_done (&plain);
  return 0;
}
