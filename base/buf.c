/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte buffer that grows up to a stated bound.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void
buf_done (struct buf *b)
{
  if (!b)
    return;
  free (b->data);
  b->data = NULL;
  b->len = b->cap = 0;
}

void
buf_clear (struct buf *b)
{
  b->len = 0;
  b->cut = false;
  if (b->data)
    b->data[0] = '\0';
}

/* Makes room for up to `want` more bytes and the NUL; returns how many there
 * is room for.  Once cut, always cut: text with a hole in the middle would
 * read as if it were whole. */
static size_t
reserve (struct buf *b, size_t want)
{
  size_t max = b->max < SIZE_MAX ? b->max : SIZE_MAX - 1;
  size_t room = max > b->len ? max - b->len : 0;
  size_t cap;
  char *p;

  if (b->cut)
    return 0;
  if (want > room)
    {
      want = room;
      b->cut = true;
    }
  if (b->data && b->len + want < b->cap)
    return want;

  /* Doubled, so that appending byte by byte is not quadratic, but never beyond
   * the bound and its NUL: the bound is what memory is counted by. */
  cap = b->cap > FIRST_CAP ? b->cap : FIRST_CAP;
  while (cap <= b->len + want)
    cap = cap > SIZE_MAX / 2 ? max + 1 : cap * 2;
  if (cap > max + 1)
    cap = max + 1;
  p = realloc (b->data, cap);
  if (!p)
    {
      b->cut = true;
      return 0;
    }
  b->data = p;
  b->cap = cap;
  b->data[b->len] = '\0';
  return want;
}

void
buf_append (struct buf *b, const void *data, size_t len)
{
  size_t n = reserve (b, len);

  if (n == 0)
    return;
  memcpy (b->data + b->len, data, n);
  b->len += n;
  b->data[b->len] = '\0';
}

void
buf_puts (struct buf *b, const char *s)
{
  buf_append (b, s, strlen (s));
}

void
buf_putc (struct buf *b, char c)
{
  buf_append (b, &c, 1);
}

void
buf_printf (struct buf *b, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  buf_vprintf (b, fmt, ap);
  va_end (ap);
}

void
buf_vprintf (struct buf *b, const char *fmt, va_list ap)
{
  char small[256];
  va_list again;
  char *big;
  int n;

  /* The first pass uses ap up. */
  va_copy (again, ap);
  n = vsnprintf (small, sizeof small, fmt, ap);
  if (n < 0)
    b->cut = true;
  else if ((size_t) n < sizeof small)
    buf_append (b, small, n);
  else
    {
      big = malloc ((size_t) n + 1);
      if (big)
        {
          vsnprintf (big, (size_t) n + 1, fmt, again);
          buf_append (b, big, n);
          free (big);
        }
      else
        b->cut = true;
    }
  va_end (again);
}

void
buf_consume (struct buf *b, size_t n)
{
  if (n > b->len)
    n = b->len;
  if (n == 0)
    return;
  b->len -= n;
  memmove (b->data, b->data + n, b->len + 1);
}

const char *
buf_str (const struct buf *b)
{
  return b->data ? b->data : "";
}

char *
buf_steal (struct buf *b)
{
  /* Never NULL for want of content: callers keep it as a string. */
  char *p = b->data ? b->data : calloc (1, 1);

  b->data = NULL;
  b->len = b->cap = 0;
  b->cut = false;
  return p;
}
