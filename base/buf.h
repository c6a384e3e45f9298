/* SPDX-License-Identifier: Apache-2.0
 *
 * A byte buffer that grows up to a stated bound.
 *
 * Appending never returns an error: past the bound, or without memory, the
 * buffer keeps what it had, sets `cut`, and drops the rest.  Whoever fills
 * one looks at `cut` once, at the end.  Once cut it takes nothing more until
 * buf_clear() or buf_steal(): text with a hole would read as if it were
 * whole.  The data is always NUL terminated
 * (the NUL is not counted in len), so text may be used as a string.
 */
#ifndef HANGDOG_BASE_BUF_H
#define HANGDOG_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf
{
  char *data;   /* never NULL after the first append; use buf_str() */
  size_t len;
  size_t cap;
  size_t max;   /* bound in bytes */
  bool cut;     /* something was dropped */
};

#define BUF_INIT(bound) { NULL, 0, 0, (bound), false }
#define CLEANUP_BUF __attribute__ ((cleanup (buf_done)))

void buf_done (struct buf *b);
void buf_clear (struct buf *b); /* keeps the memory */
void buf_append (struct buf *b, const void *data, size_t len);
void buf_puts (struct buf *b, const char *s);
void buf_putc (struct buf *b, char c);
void buf_printf (struct buf *b, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
void buf_vprintf (struct buf *b, const char *fmt, va_list ap)
    __attribute__ ((format (printf, 2, 0)));

/* Drops n bytes at the front. */
void buf_consume (struct buf *b, size_t n);

/* The text, "" when empty. */
const char *buf_str (const struct buf *b);

/* Hands the memory over (free() it); the buffer is empty afterwards.
 * NULL only without memory. */
char *buf_steal (struct buf *b);

#endif
