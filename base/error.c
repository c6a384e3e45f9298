/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors without allocation: a code and a bounded message.
 */
#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Appends to text, which holds size bytes; cut text ends with "...". */
__attribute__ ((format (printf, 3, 0))) static void
add (char *text, size_t size, const char *fmt, va_list ap)
{
  size_t len = strlen (text);
  int n = vsnprintf (text + len, size - len, fmt, ap);
  size_t at = size - 4;

  if (n < 0)
    text[len] = '\0';
  if (n < 0 || (size_t) n < size - len)
    return;
  /* Not in the middle of a UTF-8 character: messages end up in JSON. */
  for (int i = 0; i < 3 && at > 0 && ((unsigned char) text[at] & 0xc0) == 0x80;
       i++)
    at--;
  memcpy (text + at, "...", 4);
}

__attribute__ ((format (printf, 3, 4))) static void
addf (char *text, size_t size, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  add (text, size, fmt, ap);
  va_end (ap);
}

/* The message is made beside err and then copied, so that the arguments may
 * point into err->msg itself. */
static int
finish (struct error *err, int code, const char *text)
{
  /* A caller that hands over 0 or a negated errno must not be able to turn
   * a failure into a success. */
  if (code < 0)
    code = -code;
  if (code == 0)
    code = EIO;
  if (err)
    {
      *err = (struct error){ .code = code };
      memcpy (err->msg, text, strlen (text) + 1);
    }
  return -code;
}

/* with_why: what the code means stands behind the words. */
__attribute__ ((format (printf, 4, 0))) static int
set (struct error *err, int code, bool with_why, const char *fmt, va_list ap)
{
  int saved = errno;
  char text[sizeof err->msg] = "";

  if (err)
    {
      add (text, sizeof text, fmt, ap);
      /* %m is thread safe and the same in glibc and musl; strerror and
       * strerror_r are not both. */
      errno = code < 0 ? -code : code == 0 ? EIO : code;
      if (with_why)
        addf (text, sizeof text, text[0] ? ": %m" : "%m");
    }
  errno = saved;
  return finish (err, code, text);
}

int
error_set (struct error *err, int code, const char *fmt, ...)
{
  va_list ap;
  int r;

  va_start (ap, fmt);
  r = set (err, code, false, fmt, ap);
  va_end (ap);
  return r;
}

int
error_errno (struct error *err, int code, const char *fmt, ...)
{
  va_list ap;
  int r;

  va_start (ap, fmt);
  r = set (err, code, true, fmt, ap);
  va_end (ap);
  return r;
}

void
error_place (struct error *err, size_t line, size_t column, size_t path_at,
             size_t path_len, size_t what_at)
{
  size_t len;

  if (!err)
    return;
  len = strlen (err->msg);
  /* What was cut off msg has no place in it. */
  if (path_at + path_len > len)
    path_len = 0;
  err->line = (unsigned) line;
  err->column = (unsigned) column;
  err->path_at = (unsigned short) (path_len ? path_at : 0);
  err->path_len = (unsigned short) path_len;
  err->what_at = (unsigned short) (what_at < len ? what_at : 0);
}

int
error_wrap (struct error *err, const char *fmt, ...)
{
  int saved = errno;
  char text[sizeof err->msg] = "";
  struct error was;
  size_t before;
  va_list ap;

  if (!err)
    return -EIO;
  was = *err;
  va_start (ap, fmt);
  add (text, sizeof text, fmt, ap);
  va_end (ap);
  addf (text, sizeof text, "%s", text[0] ? ": " : "");
  before = strlen (text);
  addf (text, sizeof text, "%s", error_text (err));
  errno = saved;
  finish (err, was.code, text);
  /* The place is the same, its words stand further on. */
  if (was.line)
    error_place (err, was.line, was.column, before + was.path_at, was.path_len,
                 before + was.what_at);
  return -err->code;
}

const char *
error_text (const struct error *err)
{
  if (err && err->msg[0])
    return err->msg;
  return err && err->code ? "error without a message" : "unknown error";
}
