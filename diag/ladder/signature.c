/* SPDX-License-Identifier: Apache-2.0
 *
 * The signature of a verdict: the same trouble again has the same one.
 *
 * It guards nothing; a guest that forges it makes its own troubles look like
 * one.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"
#include "base/digest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- what counts ---- */

static size_t
hex_len (const char *p)
{
  return strspn (p, "0123456789abcdefABCDEF");
}

/* Length of what differs from one time to the next, at p: a number, an address,
 * with its offset into a function; 0 = it counts. */
static size_t
passing (const char *p, bool in_word)
{
  size_t n = strncmp (p, "+0x", 3) == 0 ? 3 : strncmp (p, "0x", 2) == 0 ? 2 : 0;

  if (n)
    {
      n += hex_len (p + n);
      if (strncmp (p + n, "/0x", 3) == 0)
        n += 3 + hex_len (p + n + 3);
      return n;
    }
  n = hex_len (p);
  if (!in_word && n >= 8 && !isalnum ((unsigned char) p[n]))
    return n;
  return strspn (p, "0123456789");
}

/* Runs of what passes are one "#", or nothing behind a function's name. */
static void
normalise (const char *text, struct buf *out)
{
  for (const char *p = text; *p;)
    {
      bool in_word = p > text && isalnum ((unsigned char) p[-1]);
      size_t n = passing (p, in_word);

      if (n == 0)
        buf_putc (out, *p++);
      else if (*p != '+')
        buf_putc (out, '#');
      p += n;
    }
}

void
verdict_sign_ (struct verdict *v, const struct cause *cause)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1024);
  unsigned char md[DIGEST_BYTES];
  struct digest d;

  buf_printf (&text, "%s\n", v->class_);
  normalise (v->culprit, &text);
  /* What nobody can explain is the same if the same check says it. */
  if (!v->culprit[0])
    buf_printf (&text, "\n%s\n%s", cause->scenario, cause->code);
  digest_init (&d);
  digest_add (&d, buf_str (&text), text.len);
  digest_end (&d, md);
  for (unsigned i = 0; i < 8; i++)
    snprintf (v->signature + 2 * i, sizeof v->signature - 2 * i, "%02x",
              md[i]);
}
