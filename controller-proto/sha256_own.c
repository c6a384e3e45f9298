/* SPDX-License-Identifier: Apache-2.0
 *
 * The same without libcrypto, for the parser alone: to load that library takes
 * longer than all that a parser does with a bundle.  A test compares the two.
 */
#include "controller-proto/sha256.h"

#include "base/digest.h"
#include "base/error.h"

#include <stdlib.h>

struct sha256
{
  struct digest sum;
};

int
sha256_new (struct sha256 **ret, struct error *err)
{
  struct sha256 *s = calloc (1, sizeof *s);

  if (s == NULL)
    return error_set (err, ENOMEM, "no memory for a checksum");
  sha256_reset (s);
  *ret = s;
  return 0;
}

void
sha256_free (struct sha256 *s)
{
  free (s);
}

void
sha256_reset (struct sha256 *s)
{
  digest_init (&s->sum);
}

void
sha256_add (struct sha256 *s, const void *data, size_t len)
{
  digest_add (&s->sum, data, len);
}

void
sha256_end (struct sha256 *s, char ret_hex[SHA256_HEX])
{
  static const char digits[] = "0123456789abcdef";
  unsigned char md[DIGEST_BYTES];

  digest_end (&s->sum, md);
  for (unsigned i = 0; i < DIGEST_BYTES; i++)
    {
      ret_hex[2 * i] = digits[md[i] >> 4];
      ret_hex[2 * i + 1] = digits[md[i] & 15];
    }
  ret_hex[2 * DIGEST_BYTES] = '\0';
}
