/* SPDX-License-Identifier: Apache-2.0
 *
 * The lines of the clean log: a time, a mark, and what the guest said,
 * escaped.
 */
#include "supervisor/writer/writer_logs_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void
put_stamp (struct buf *out, uint64_t wall_ms, const char *mark)
{
  char when[32];

  buf_puts (out, clock_format (when, sizeof when, wall_ms));
  buf_puts (out, mark);
}

void
log_text_gap_ (struct buf *out, uint64_t bytes, const char *why)
{
  buf_printf (out, "-- %llu bytes not kept: %s --\n",
              (unsigned long long) bytes, why);
}

/* The line as it stands becomes a line of the log. */
void
log_text_end_ (struct console *c, struct buf *out, bool whole)
{
  struct buf text CLEANUP_BUF = BUF_INIT (LINE_BYTES);
  size_t len = c->line.len;

  while (whole && len > 0 && c->line.data[len - 1] == '\r')
    len--;
  text_escape (&text, buf_str (&c->line), len, TEXT_KEEP_TAB);
  put_stamp (out, c->line_wall, c->line_goes_on ? "+ " : "  ");
  buf_puts (out, buf_str (&text));
  if (c->line_cut || text.cut)
    buf_printf (out, " [line cut, %llu bytes in all]",
                (unsigned long long) (c->line.len + c->line_cut));
  buf_putc (out, '\n');
  c->line_goes_on = !whole;
  c->line_cut = 0;
  if (c->line.cap > 1024)
    buf_done (&c->line), c->line.max = LINE_BYTES;
  else
    buf_clear (&c->line);
  c->line_open = false;
}

void
log_text_put_ (struct console *c, struct buf *out, const char *p,
               size_t len, uint64_t wall_ms, uint64_t now_ms)
{
  while (len > 0)
    {
      const char *nl = memchr (p, '\n', len);
      size_t n = nl ? (size_t) (nl - p) : len;
      size_t room = LINE_BYTES - c->line.len;

      if (!c->line_open)
        {
          c->line_open = true;
          c->line_wall = wall_ms;
        }
      c->line_ms = now_ms;
      buf_append (&c->line, p, n < room ? n : room);
      c->line_cut += n < room ? 0 : n - room;
      if (nl == NULL)
        return;
      log_text_end_ (c, out, true);
      p += n + 1;
      len -= n + 1;
    }
}
