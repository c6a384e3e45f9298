/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking the kernel's lines out of what a terminal says.  See kline.h.
 *
 * A stamp is "[", blanks, digits, ".", six digits, "]".
 */
#include "transports/console/kline.h"

#include <string.h>

#include "base/buf.h"

#define FRACTION 6
#define LINE_MAX_BYTES 8192 /* no kernel line is longer: do not swallow all */

enum stage
{
  STAGE_BLANKS,
  STAGE_SECONDS,
  STAGE_FRACTION,
  STAGE_CLOSE,
};

static bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

/* Does c carry the held stamp on? */
static bool
stamp_goes_on (struct kline *k, char c)
{
  if (k->nheld + 1 >= KLINE_STAMP_MAX)
    return false;
  switch (k->stage)
    {
    case STAGE_BLANKS:
      if (is_digit (c))
        k->stage = STAGE_SECONDS;
      return c == ' ' || is_digit (c);
    case STAGE_SECONDS:
      if (c != '.')
        return is_digit (c);
      k->stage = STAGE_FRACTION;
      k->digits = 0;
      return true;
    case STAGE_FRACTION:
      if (!is_digit (c))
        return false;
      if (++k->digits == FRACTION)
        k->stage = STAGE_CLOSE;
      return true;
    default:
      return c == ']';
    }
}

static void
flush (struct kline *k, struct buf *text)
{
  buf_append (text, k->held, k->nheld);
  k->nheld = 0;
}

/* One byte into the stamp; false: it was none, and c is still to be seen. */
static bool
feed_stamp (struct kline *k, char c, struct buf *text, struct buf *kernel)
{
  bool closes = k->stage == STAGE_CLOSE;

  if (!stamp_goes_on (k, c))
    {
      flush (k, text);
      return false;
    }
  k->held[k->nheld++] = c;
  if (closes)
    {
      if (kernel)
        buf_append (kernel, k->held, k->nheld);
      k->line_len = k->nheld;
      k->nheld = 0;
      k->in_line = true;
    }
  return true;
}

/* The kernel's line up to its end; returns the bytes used. */
static size_t
feed_line (struct kline *k, const char *data, size_t len, struct buf *kernel)
{
  const char *nl = memchr (data, '\n', len);
  size_t used = nl ? (size_t) (nl - data) + 1 : len;

  k->line_len += used;
  k->in_line = !nl && k->line_len < LINE_MAX_BYTES;
  if (!kernel)
    return used;
  buf_append (kernel, data, nl ? used - 1 : used);
  if (k->in_line)
    return used;
  /* The carriage return may have come in an earlier piece. */
  while (kernel->len > 0 && kernel->data[kernel->len - 1] == '\r')
    kernel->data[--kernel->len] = '\0';
  buf_putc (kernel, '\n');
  return used;
}

void
kline_feed (struct kline *k, const char *data, size_t len, struct buf *text,
            struct buf *kernel)
{
  const char *open;
  size_t n;

  while (len > 0)
    {
      if (k->in_line)
        n = feed_line (k, data, len, kernel);
      else if (k->nheld > 0)
        n = feed_stamp (k, *data, text, kernel) ? 1 : 0;
      else
        {
          open = memchr (data, '[', len);
          n = open ? (size_t) (open - data) : len;
          buf_append (text, data, n);
          if (open)
            {
              k->held[0] = '[';
              k->nheld = 1;
              k->stage = STAGE_BLANKS;
              n++;
            }
        }
      data += n;
      len -= n;
    }
}

void
kline_end (struct kline *k, struct buf *text)
{
  flush (k, text);
  k->in_line = false;
}
