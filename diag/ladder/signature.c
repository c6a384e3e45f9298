/* SPDX-License-Identifier: Apache-2.0
 *
 * The signature of a verdict: the same trouble again has the same one.
 *
 * SHA-256 by ourselves: who judges links no library of ciphers.  It guards
 * nothing; a guest that forges it makes its own troubles look like one.
 */
#include "diag/ladder/rules_impl.h"

#include "base/buf.h"

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

/* ---- SHA-256 ---- */

struct sum
{
  uint32_t h[8];
};

static uint32_t
turn (uint32_t v, unsigned n)
{
  return v >> n | v << (32 - n);
}

static void
add_block (struct sum *s, const unsigned char *b)
{
  static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
  };
  uint32_t w[64], v[8];

  for (unsigned i = 0; i < 16; i++, b += 4)
    w[i] = (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16
           | (uint32_t) b[2] << 8 | b[3];
  for (unsigned i = 16; i < 64; i++)
    w[i] = w[i - 16] + w[i - 7]
           + (turn (w[i - 15], 7) ^ turn (w[i - 15], 18) ^ w[i - 15] >> 3)
           + (turn (w[i - 2], 17) ^ turn (w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy (v, s->h, sizeof v);
  for (unsigned i = 0; i < 64; i++)
    {
      uint32_t a = v[7] + k[i] + w[i] + ((v[4] & v[5]) ^ (~v[4] & v[6]))
                   + (turn (v[4], 6) ^ turn (v[4], 11) ^ turn (v[4], 25));
      uint32_t b2 = ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))
                    + (turn (v[0], 2) ^ turn (v[0], 13) ^ turn (v[0], 22));

      memmove (v + 1, v, 7 * sizeof v[0]);
      v[4] += a;
      v[0] = a + b2;
    }
  for (unsigned i = 0; i < 8; i++)
    s->h[i] += v[i];
}

static void
sum_text (const char *text, size_t len, struct sum *ret)
{
  unsigned char last[128] = { 0 };
  size_t whole = len / 64 * 64, rest = len - whole;
  size_t end = rest < 56 ? 64 : 128;

  *ret = (struct sum){ { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
  for (size_t i = 0; i < whole; i += 64)
    add_block (ret, (const unsigned char *) text + i);
  memcpy (last, text + whole, rest);
  last[rest] = 0x80;
  for (unsigned i = 0; i < 8; i++)
    last[end - 1 - i] = (unsigned char) ((uint64_t) len * 8 >> 8 * i);
  for (size_t i = 0; i < end; i += 64)
    add_block (ret, last + i);
}

void
verdict_sign_ (struct verdict *v, const struct cause *cause)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1024);
  struct sum sum;

  buf_printf (&text, "%s\n", v->class_);
  normalise (v->culprit, &text);
  /* What nobody can explain is the same if the same check says it. */
  if (!v->culprit[0])
    buf_printf (&text, "\n%s\n%s", cause->scenario, cause->code);
  sum_text (buf_str (&text), text.len, &sum);
  snprintf (v->signature, sizeof v->signature, "%08x%08x", sum.h[0],
            sum.h[1]);
}
