/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffers: growth, the bound, what a cut one does.
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* AddressSanitizer ends a program that asks for too much; here malloc shall
 * just say no. */
const char *__asan_default_options (void);
const char *
__asan_default_options (void)
{
  return "allocator_may_return_null=1";
}

static void
test_empty (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (10);
  char *s;

  assert_string_equal (buf_str (&b), "");
  buf_consume (&b, 5);
  buf_append (&b, NULL, 0);
  assert_int_equal (b.len, 0);
  s = buf_steal (&b);
  assert_string_equal (s, "");
  free (s);
  buf_done (NULL);
}

static void
test_grows (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);

  for (int i = 0; i < 100000; i++)
    {
      buf_putc (&b, (char) ('a' + i % 26));
      assert_int_equal (b.data[b.len], '\0');
    }
  assert_int_equal (b.len, 100000);
  assert_false (b.cut);
  for (int i = 0; i < 100000; i++)
    assert_int_equal (b.data[i], 'a' + i % 26);
  assert_true (b.cap <= 262144);
}

static void
test_bound (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (5);

  buf_puts (&b, "abc");
  assert_false (b.cut);
  buf_puts (&b, "de");
  assert_false (b.cut);
  assert_string_equal (buf_str (&b), "abcde");
  buf_puts (&b, "f");
  assert_true (b.cut);
  assert_string_equal (buf_str (&b), "abcde");
  assert_true (b.cap <= 6);
}

/* The part that fits is kept, and then nothing more: no holes. */
static void
test_cut_stays_cut (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (5);

  buf_puts (&b, "abcdefgh");
  assert_true (b.cut);
  assert_string_equal (buf_str (&b), "abcde");
  buf_consume (&b, 2);
  buf_puts (&b, "z");
  assert_string_equal (buf_str (&b), "cde");
  buf_clear (&b);
  assert_false (b.cut);
  buf_puts (&b, "z");
  assert_string_equal (buf_str (&b), "z");
}

static void
test_no_room_at_all (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (0);

  buf_puts (&b, "");
  assert_false (b.cut);
  buf_puts (&b, "x");
  assert_true (b.cut);
  assert_string_equal (buf_str (&b), "");
}

static void
test_largest_bound (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (SIZE_MAX);

  buf_puts (&b, "x");
  assert_string_equal (buf_str (&b), "x");
}

/* Without memory the buffer keeps what it had. */
static void
test_without_memory (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (SIZE_MAX);

  buf_puts (&b, "kept");
  b.max = SIZE_MAX / 4;
  /* Nothing is read of the data: there is no room for it. */
  buf_append (&b, "x", SIZE_MAX / 4 - 16);
  assert_true (b.cut);
  assert_string_equal (buf_str (&b), "kept");
}

static void
test_printf (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (5000);
  char big[3000];

  memset (big, 'q', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  buf_printf (&b, "%d-%s.", 7, "x");
  assert_string_equal (buf_str (&b), "7-x.");
  buf_printf (&b, "%s", big);
  assert_int_equal (b.len, 4 + sizeof big - 1);
  assert_string_equal (buf_str (&b) + 4, big);
  buf_printf (&b, "%s", big);
  assert_true (b.cut);
  assert_int_equal (b.len, 5000);
}

/* Formatted lengths around the size of the first, small attempt. */
static void
test_printf_lengths (void **state)
{
  char text[600];

  for (size_t n = 0; n < sizeof text; n++)
    {
      CLEANUP_BUF struct buf b = BUF_INIT (1000);

      memset (text, 'k', n);
      text[n] = '\0';
      buf_printf (&b, "%s", text);
      assert_int_equal (b.len, n);
      assert_string_equal (buf_str (&b), text);
    }
}

static void
test_consume_and_steal (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (100);
  char *s;

  buf_append (&b, "a\0b", 3);
  assert_int_equal (b.len, 3);
  buf_consume (&b, 1);
  assert_int_equal (b.len, 2);
  assert_memory_equal (b.data, "\0b", 3);
  buf_consume (&b, 1);
  s = buf_steal (&b);
  assert_string_equal (s, "b");
  free (s);
  assert_int_equal (b.len, 0);
  buf_puts (&b, "anew");
  buf_consume (&b, 100);
  assert_string_equal (buf_str (&b), "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_empty),
    cmocka_unit_test (test_grows),
    cmocka_unit_test (test_bound),
    cmocka_unit_test (test_cut_stays_cut),
    cmocka_unit_test (test_no_room_at_all),
    cmocka_unit_test (test_largest_bound),
    cmocka_unit_test (test_without_memory),
    cmocka_unit_test (test_printf),
    cmocka_unit_test (test_printf_lengths),
    cmocka_unit_test (test_consume_and_steal),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
