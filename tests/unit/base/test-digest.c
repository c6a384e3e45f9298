/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 and HMAC by the vectors of FIPS 180-4 and RFC 4231, and in pieces of
 * any length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/digest.h"

#include <stdio.h>
#include <string.h>

static const char *
hex (const unsigned char md[DIGEST_BYTES])
{
  static char text[2 * DIGEST_BYTES + 1];

  for (unsigned i = 0; i < DIGEST_BYTES; i++)
    snprintf (text + 2 * i, 3, "%02x", md[i]);
  return text;
}

static const char *
sum_of (const void *data, size_t len, size_t step)
{
  unsigned char md[DIGEST_BYTES];
  struct digest d;

  digest_init (&d);
  for (size_t at = 0; at < len; at += step)
    digest_add (&d, (const char *) data + at,
                len - at < step ? len - at : step);
  digest_end (&d, md);
  return hex (md);
}

static void
test_sum (void **state)
{
  static const char two[]
      = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

  assert_string_equal (
      sum_of ("", 0, 1),
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_string_equal (
      sum_of ("abc", 3, 3),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert_string_equal (
      sum_of (two, 56, 56),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void
test_pieces (void **state)
{
  unsigned char data[300];
  char whole[2 * DIGEST_BYTES + 1];

  for (unsigned i = 0; i < sizeof data; i++)
    data[i] = (unsigned char) (i * 7);
  for (size_t len = 0; len <= sizeof data; len++)
    {
      snprintf (whole, sizeof whole, "%s", sum_of (data, len, sizeof data));
      assert_string_equal (sum_of (data, len, 1), whole);
      assert_string_equal (sum_of (data, len, 63), whole);
      assert_string_equal (sum_of (data, len, 65), whole);
    }
}

static const char *
mac_of (const void *key, size_t key_len, const char *text)
{
  unsigned char md[DIGEST_BYTES];
  struct digest_key k;

  digest_key_init (&k, key, key_len);
  /* The key is not used up. */
  digest_mac (&k, "other", 5, md);
  digest_mac (&k, text, strlen (text), md);
  return hex (md);
}

static void
test_mac (void **state)
{
  unsigned char aa[131];

  memset (aa, 0xaa, sizeof aa);
  assert_string_equal (
      mac_of ("Jefe", 4, "what do ya want for nothing?"),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  assert_string_equal (
      mac_of (aa, sizeof aa,
              "Test Using Larger Than Block-Size Key - Hash Key First"),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int
main (void)
{
  const struct CMUnitTest tests[]
      = { cmocka_unit_test (test_sum), cmocka_unit_test (test_pieces),
          cmocka_unit_test (test_mac) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
