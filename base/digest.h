/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 and HMAC-SHA256, without a library: for who must start fast or links
 * no library of ciphers.  Big files are summed by controller-proto/sha256.h,
 * over libcrypto, which is faster.
 */
#ifndef HANGDOG_BASE_DIGEST_H
#define HANGDOG_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_BLOCK 64
#define DIGEST_HEX 65 /* with the NUL */

struct digest
{
  uint32_t h[8];
  uint64_t len;
  unsigned char rest[DIGEST_BLOCK]; /* what is not a whole block yet */
};

void digest_init (struct digest *d);
void digest_add (struct digest *d, const void *data, size_t len);
/* digest_init() before the next one. */
void digest_end (struct digest *d, unsigned char ret[DIGEST_BYTES]);

/* The same, as people write it. */
void digest_end_hex (struct digest *d, char ret[DIGEST_HEX]);

/* A key is made ready once, and then used for any number of messages. */
struct digest_key
{
  struct digest inner, outer;
};
void digest_key_init (struct digest_key *k, const void *key, size_t len);
void digest_mac (const struct digest_key *k, const void *data, size_t len,
                 unsigned char ret[DIGEST_BYTES]);

#endif
