/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 in pieces, and the forms its result is written in.
 */
#ifndef HANGDOG_PROTO_SHA256_H
#define HANGDOG_PROTO_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct error;
struct sha256;

#define SHA256_HEX 65     /* with the NUL */
#define SHA256_BASE64 45  /* with the NUL */

int sha256_new (struct sha256 **ret, struct error *err);
void sha256_free (struct sha256 *s);
void sha256_reset (struct sha256 *s);
void sha256_add (struct sha256 *s, const void *data, size_t len);
/* Ends the sum; sha256_reset() before the next one. */
void sha256_end (struct sha256 *s, char ret_hex[SHA256_HEX]);

static inline void
sha256_freep_ (struct sha256 **s)
{
  sha256_free (*s);
}
#define CLEANUP_SHA256 __attribute__ ((cleanup (sha256_freep_)))

/* 64 lower-case hexadecimal digits, nothing else. */
static inline bool
sha256_hex_ok (const char *hex)
{
  return strspn (hex, "0123456789abcdef") == SHA256_HEX - 1
         && hex[SHA256_HEX - 1] == '\0';
}
/* False when the input is not a well-formed sum; ret_ untouched then. */
bool sha256_hex_to_base64 (const char *hex, char ret[SHA256_BASE64]);
bool sha256_base64_to_hex (const char *b64, size_t len, char ret[SHA256_HEX]);

#endif
