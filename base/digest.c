/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 (FIPS 180-4) and HMAC (RFC 2104).  A test compares them with
 * libcrypto's.
 */
#include "base/digest.h"

#include <string.h>

/* The fractional parts of the cube roots of the first 64 primes. */
static const uint32_t rounds[64] = {
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

static inline uint32_t
turn (uint32_t x, unsigned n)
{
  return x >> n | x << (32 - n);
}

/* One round.  Each takes the names one place on, so that nothing is moved. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                      \
  do                                                                          \
    {                                                                         \
      uint32_t t1 = h + (turn (e, 6) ^ turn (e, 11) ^ turn (e, 25))           \
                    + (g ^ (e & (f ^ g))) + rounds[i] + w[i];                 \
                                                                              \
      d += t1;                                                                \
      h = t1 + (turn (a, 2) ^ turn (a, 13) ^ turn (a, 22))                    \
          + ((a & b) | (c & (a | b)));                                        \
    }                                                                         \
  while (0)

static void
take_block (uint32_t to[8], const unsigned char *p)
{
  uint32_t a = to[0], b = to[1], c = to[2], d = to[3], e = to[4], f = to[5],
           g = to[6], h = to[7], w[64];

  for (unsigned i = 0; i < 16; i++)
    w[i] = (uint32_t) p[4 * i] << 24 | (uint32_t) p[4 * i + 1] << 16
           | (uint32_t) p[4 * i + 2] << 8 | p[4 * i + 3];
  for (unsigned i = 16; i < 64; i++)
    w[i] = w[i - 16] + w[i - 7]
           + (turn (w[i - 15], 7) ^ turn (w[i - 15], 18) ^ w[i - 15] >> 3)
           + (turn (w[i - 2], 17) ^ turn (w[i - 2], 19) ^ w[i - 2] >> 10);
  for (unsigned i = 0; i < 64; i += 8)
    {
      ROUND (a, b, c, d, e, f, g, h, i);
      ROUND (h, a, b, c, d, e, f, g, i + 1);
      ROUND (g, h, a, b, c, d, e, f, i + 2);
      ROUND (f, g, h, a, b, c, d, e, i + 3);
      ROUND (e, f, g, h, a, b, c, d, i + 4);
      ROUND (d, e, f, g, h, a, b, c, i + 5);
      ROUND (c, d, e, f, g, h, a, b, i + 6);
      ROUND (b, c, d, e, f, g, h, a, i + 7);
    }
  to[0] += a, to[1] += b, to[2] += c, to[3] += d;
  to[4] += e, to[5] += f, to[6] += g, to[7] += h;
}

void
digest_init (struct digest *d)
{
  static const uint32_t first[8]
      = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

  memcpy (d->h, first, sizeof first);
  d->len = 0;
}

void
digest_add (struct digest *d, const void *data, size_t len)
{
  const unsigned char *p = data;

  while (len > 0)
    {
      size_t at = d->len % DIGEST_BLOCK, n = DIGEST_BLOCK - at;

      n = n < len ? n : len;
      if (n == DIGEST_BLOCK)
        take_block (d->h, p);
      else
        {
          memcpy (d->rest + at, p, n);
          if (at + n == DIGEST_BLOCK)
            take_block (d->h, d->rest);
        }
      d->len += n;
      p += n;
      len -= n;
    }
}

void
digest_end (struct digest *d, unsigned char ret[DIGEST_BYTES])
{
  static const unsigned char padding[DIGEST_BLOCK] = { 0x80 };
  uint64_t bits = d->len * 8;
  unsigned char length[8];

  for (unsigned i = 0; i < 8; i++)
    length[i] = (unsigned char) (bits >> (56 - 8 * i));
  digest_add (d, padding, (119 - d->len % DIGEST_BLOCK) % DIGEST_BLOCK + 1);
  digest_add (d, length, sizeof length);
  for (unsigned i = 0; i < DIGEST_BYTES; i++)
    ret[i] = (unsigned char) (d->h[i / 4] >> (24 - 8 * (i % 4)));
}

void
digest_end_hex (struct digest *d, char ret[DIGEST_HEX])
{
  static const char digits[] = "0123456789abcdef";
  unsigned char md[DIGEST_BYTES];

  digest_end (d, md);
  for (unsigned i = 0; i < DIGEST_BYTES; i++)
    {
      ret[2 * i] = digits[md[i] >> 4];
      ret[2 * i + 1] = digits[md[i] & 15];
    }
  ret[DIGEST_HEX - 1] = '\0';
}

/* ---- keyed ---- */

static void
begin_pad (struct digest *d, const unsigned char *key, unsigned char with)
{
  unsigned char pad[DIGEST_BLOCK];

  for (unsigned i = 0; i < DIGEST_BLOCK; i++)
    pad[i] = key[i] ^ with;
  digest_init (d);
  digest_add (d, pad, sizeof pad);
  explicit_bzero (pad, sizeof pad);
}

void
digest_key_init (struct digest_key *k, const void *key, size_t len)
{
  unsigned char block[DIGEST_BLOCK] = { 0 };
  struct digest d;

  if (len <= sizeof block)
    memcpy (block, key, len);
  else
    {
      digest_init (&d);
      digest_add (&d, key, len);
      digest_end (&d, block);
    }
  begin_pad (&k->inner, block, 0x36);
  begin_pad (&k->outer, block, 0x5c);
  explicit_bzero (block, sizeof block);
}

void
digest_mac (const struct digest_key *k, const void *data, size_t len,
            unsigned char ret[DIGEST_BYTES])
{
  struct digest d = k->inner;

  digest_add (&d, data, len);
  digest_end (&d, ret);
  d = k->outer;
  digest_add (&d, ret, DIGEST_BYTES);
  digest_end (&d, ret);
}
