/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes over a gdb socket, in pieces of any size: it must mean the same as
 * in one, and stay within its bounds.  The first byte is the size of a piece.
 */
#include "base/buf.h"
#include "base/error.h"
#include "transports/gdb/wire.h"
#include "tests/fuzz/fuzz.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS 8

static void
check_packet (const struct buf *p)
{
  struct buf text = BUF_INIT (8192);
  char threads[MAX_THREADS][GDB_THREAD];
  bool more;
  unsigned n;

  MUST (p->len <= GDB_MAX_PACKET);
  n = gdb_threads (p->data ? p->data : "", p->len, threads, 0, MAX_THREADS,
                   &more);
  MUST (n <= MAX_THREADS);
  for (unsigned i = 0; i < n; i++)
    MUST (strlen (threads[i]) > 0
          && strspn (threads[i], "0123456789abcdefABCDEFp.")
                 == strlen (threads[i]));
  for (int arch = GDB_X86_64; arch <= GDB_AARCH64; arch++)
    {
      buf_clear (&text);
      if (gdb_registers (arch, p->data ? p->data : "", p->len, &text))
        MUST (!text.cut && text.len > 0);
      for (size_t i = 0; i < text.len; i++)
        MUST (text.data[i] == '\n'
              || (text.data[i] > 0x20 && text.data[i] < 0x7f));
    }
  buf_done (&text);
}

/* All packets, one after another, and how it ended. */
static void
feed (const uint8_t *data, size_t size, size_t piece, struct buf *out)
{
  struct gdb_wire w;
  size_t used;
  int r = 0;

  gdb_wire_init (&w);
  for (size_t at = 0; at < size && r >= 0; at += used)
    {
      size_t n = size - at < piece ? size - at : piece;

      r = gdb_wire_feed (&w, data + at, n, &used, NULL);
      MUST (used > 0 && used <= n);
      if (r == 1)
        {
          check_packet (&w.packet);
          buf_append (out, w.packet.data ? w.packet.data : "", w.packet.len);
          buf_putc (out, '\n');
        }
    }
  buf_printf (out, "%d", r);
  gdb_wire_done (&w);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  struct buf whole = BUF_INIT (1u << 20), parts = BUF_INIT (1u << 20);

  if (size < 2)
    return 0;
  feed (data + 1, size - 1, size, &whole);
  feed (data + 1, size - 1, 1 + data[0] % 64, &parts);
  MUST (whole.len == parts.len
        && memcmp (buf_str (&whole), buf_str (&parts), whole.len) == 0);
  buf_done (&whole);
  buf_done (&parts);
  return 0;
}
