/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 over libcrypto's EVP interface.
 */
#include "controller-proto/sha256.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/bundle.h"

#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

struct sha256
{
  EVP_MD_CTX *ctx;
  bool broken; /* a step failed: the result is then never a valid sum */
};

int
sha256_new (struct sha256 **ret, struct error *err)
{
  struct sha256 *s = calloc (1, sizeof *s);

  if (s == NULL || (s->ctx = EVP_MD_CTX_new ()) == NULL)
    {
      free (s);
      return error_set (err, ENOMEM, "no memory for a checksum");
    }
  sha256_reset (s);
  *ret = s;
  return 0;
}

void
sha256_free (struct sha256 *s)
{
  if (s == NULL)
    return;
  EVP_MD_CTX_free (s->ctx);
  free (s);
}

void
sha256_reset (struct sha256 *s)
{
  s->broken = EVP_DigestInit_ex (s->ctx, EVP_sha256 (), NULL) != 1;
}

void
sha256_add (struct sha256 *s, const void *data, size_t len)
{
  if (len > 0 && EVP_DigestUpdate (s->ctx, data, len) != 1)
    s->broken = true;
}

static void
to_hex (const unsigned char *md, char ret_hex[SHA256_HEX])
{
  static const char digits[] = "0123456789abcdef";

  for (unsigned i = 0; i < 32; i++)
    {
      ret_hex[2 * i] = digits[md[i] >> 4];
      ret_hex[2 * i + 1] = digits[md[i] & 15];
    }
  ret_hex[64] = '\0';
}

void
sha256_end (struct sha256 *s, char ret_hex[SHA256_HEX])
{
  unsigned char md[EVP_MAX_MD_SIZE];
  unsigned n = 0;

  if (EVP_DigestFinal_ex (s->ctx, md, &n) != 1 || n != 32)
    s->broken = true;
  /* A sum that no file has, so that a comparison fails instead of passing. */
  if (s->broken)
    memcpy (ret_hex, "broken", 7);
  else
    to_hex (md, ret_hex);
}

static int
hex_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

bool
sha256_hex_to_base64 (const char *hex, char ret[SHA256_BASE64])
{
  unsigned char md[32], out[SHA256_BASE64 + 3];

  if (!sha256_hex_ok (hex))
    return false;
  for (unsigned i = 0; i < 32; i++)
    md[i] = (unsigned char) (hex_digit (hex[2 * i]) << 4
                             | hex_digit (hex[2 * i + 1]));
  EVP_EncodeBlock (out, md, 32);
  memcpy (ret, out, SHA256_BASE64 - 1);
  ret[SHA256_BASE64 - 1] = '\0';
  return true;
}

bool
sha256_base64_to_hex (const char *b64, size_t len, char ret[SHA256_HEX])
{
  unsigned char md[36];

  /* 32 bytes are 44 characters with exactly one '=' at the end; anything
   * else is not a sum, whatever the decoder would make of it. */
  if (len != SHA256_BASE64 - 1 || b64[len - 1] != '='
      || memchr (b64, '=', len) != b64 + len - 1)
    return false;
  for (size_t i = 0; i < len - 1; i++)
    if (!((b64[i] >= 'A' && b64[i] <= 'Z') || (b64[i] >= 'a' && b64[i] <= 'z')
          || (b64[i] >= '0' && b64[i] <= '9') || b64[i] == '+'
          || b64[i] == '/'))
      return false;
  if (EVP_DecodeBlock (md, (const unsigned char *) b64, (int) len) != 33)
    return false;
  to_hex (md, ret);
  return true;
}

int
sha256_fd (int fd, char ret_hex[65], uint64_t *ret_size, struct error *err)
{
  CLEANUP_SHA256 struct sha256 *s = NULL;
  CLEANUP_FREE char *buf = malloc (64 << 10);
  uint64_t size = 0;

  if (buf == NULL)
    return error_set (err, ENOMEM, "no memory for a checksum");
  int r = sha256_new (&s, err);
  if (r < 0)
    return r;
  for (;;)
    {
      ssize_t n = pread (fd, buf, 64 << 10, (off_t) size);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return error_errno (err, errno, "reading for a checksum");
      if (n == 0)
        break;
      sha256_add (s, buf, (size_t) n);
      size += (uint64_t) n;
    }
  char hex[SHA256_HEX];

  sha256_end (s, hex);
  if (!sha256_hex_ok (hex))
    return error_set (err, EIO, "libcrypto could not make a checksum");
  memcpy (ret_hex, hex, SHA256_HEX);
  if (ret_size)
    *ret_size = size;
  return 0;
}
