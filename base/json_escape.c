/* SPDX-License-Identifier: Apache-2.0
 *
 * The escapes of JSON_BYTES.
 *
 * JSON has escapes of its own, but no \e and no \xNN, and people write
 * console keys in those.  A NUL can't be sent: it is how C ends the text, and
 * on a serial line it is what a break looks like.
 */
#include "base/json_decode.h"

#include "base/buf.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

/* Pairs: what stands behind the backslash, and the byte it means.  Read both
 * ways, so that writing never knows less than reading. */
static const char plain[] = "r\rn\nt\te\033\\\\";

static int
hex (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

int
json_unescape (char *s, const char **ret_why)
{
  /* In place: an escape is never shorter than what it stands for. */
  char *to = s;

  for (const char *p = s; *p; p++)
    {
      const char *known;

      if (*p != '\\')
        {
          *to++ = *p;
          continue;
        }
      p++;
      if (*p == 'x' && hex (p[1]) >= 0 && hex (p[2]) >= 0)
        {
          char c = (char) (hex (p[1]) * 16 + hex (p[2]));

          /* It would end the text here, and what follows would never be sent,
           * without a word. */
          if (!c)
            {
              *ret_why = "a byte of value 0 can't be sent";
              return -EINVAL;
            }
          *to++ = c;
          p += 2;
          continue;
        }
      known = NULL;
      for (const char *k = plain; *p && *k && !known; k += 2)
        if (*k == *p)
          known = k + 1;
      if (!known)
        {
          *ret_why = "unknown escape: there are \\r \\n \\t \\e \\xNN and "
                     "\\\\ (doubled backslashes in JSON)";
          return -EINVAL;
        }
      *to++ = *known;
    }
  *to = '\0';
  return 0;
}

void
json_escape (const char *s, struct buf *out)
{
  const unsigned char *p = (const unsigned char *) s;
  size_t left = strlen (s);

  while (left)
    {
      unsigned n = text_utf8 (p, left, NULL);
      const char *k = NULL;

      for (const char *q = plain + 1; n == 1 && q[-1] && !k; q += 2)
        if ((unsigned char) *q == *p)
          k = q - 1;
      if (k)
        buf_printf (out, "\\%c", *k);
      /* Not UTF-8 (0) cannot stand in a JSON string as it is. */
      else if (n == 0 || *p < 0x20 || *p == 0x7f)
        buf_printf (out, "\\x%02x", *p);
      else
        buf_append (out, p, n);
      n = n ? n : 1;
      p += n;
      left -= n;
    }
}
