/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors without allocation: a code and a bounded message.
 */
#include "base/error.h"

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
      err->code = code;
      memcpy (err->msg, text, strlen (text) + 1);
    }
  return -code;
}

int
error_set (struct error *err, int code, const char *fmt, ...)
{
  int saved = errno;
  char text[sizeof err->msg] = "";
  va_list ap;

  if (err)
    {
      va_start (ap, fmt);
      add (text, sizeof text, fmt, ap);
      va_end (ap);
    }
  errno = saved;
  return finish (err, code, text);
}

int
error_errno (struct error *err, int code, const char *fmt, ...)
{
  int saved = errno;
  char text[sizeof err->msg] = "";
  va_list ap;

  if (err)
    {
      va_start (ap, fmt);
      add (text, sizeof text, fmt, ap);
      va_end (ap);
      /* %m is thread safe and the same in glibc and musl; strerror and
       * strerror_r are not both. */
      errno = code < 0 ? -code : code == 0 ? EIO : code;
      addf (text, sizeof text, text[0] ? ": %m" : "%m");
    }
  errno = saved;
  return finish (err, code, text);
}

int
error_wrap (struct error *err, const char *fmt, ...)
{
  int saved = errno;
  char text[sizeof err->msg] = "";
  va_list ap;

  if (!err)
    return -EIO;
  va_start (ap, fmt);
  add (text, sizeof text, fmt, ap);
  va_end (ap);
  addf (text, sizeof text, "%s%s", text[0] ? ": " : "", error_text (err));
  errno = saved;
  return finish (err, err->code, text);
}

const char *
error_text (const struct error *err)
{
  if (err && err->msg[0])
    return err->msg;
  return err && err->code ? "error without a message" : "unknown error";
}
