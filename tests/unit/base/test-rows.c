/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows: what they look like, what a guest's text becomes, and their bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/rows.h"

#include <string.h>

static int
keep (const void *lines, size_t len, void *arg)
{
  buf_append (arg, lines, len);
  return 0;
}

static int
refuse (const void *lines, size_t len, void *arg)
{
  ++*(unsigned *) arg;
  return -1;
}

static void
test_shape (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (65536);
  struct rows *r = rows_new (keep, &out, 0);

  rows_begin (r, "task");
  rows_int (r, "pid", -1);
  rows_uint (r, "big", UINT64_MAX);
  rows_hex (r, "at", 0xffff888000000000u);
  rows_bool (r, "running", true);
  rows_real (r, "load", 1.5, 2);
  rows_real (r, "none", 0.0 / 0.0, 2);
  rows_str (r, "nothing", NULL);
  rows_array (r, "frames");
  rows_object (r, NULL);
  rows_str (r, "func", "schedule");
  rows_object_end (r);
  rows_int (r, NULL, 7);
  rows_array_end (r);
  rows_str (r, "comm", "bash");
  rows_end (r);
  assert_int_equal (out.len, 0);
  assert_int_equal (rows_flush (r), 0);
  assert_string_equal (
      buf_str (&out),
      "{\"row\":\"task\",\"pid\":-1,\"big\":18446744073709551615,"
      "\"at\":\"0xffff888000000000\",\"running\":true,\"load\":1.50,"
      "\"none\":null,\"frames\":[{\"func\":\"schedule\"},7],"
      "\"comm\":\"bash\"}\n");
  assert_false (rows_failed (r));
  rows_free (r);
}

/* Every byte there is, as a guest's name: it is JSON, and nothing in it moves
 * a terminal. */
static void
test_hostile (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (65536);
  struct rows *r = rows_new (keep, &out, 0);
  struct json_doc *doc = NULL;
  struct json_object *o;
  char all[256 + 8] = "";

  for (unsigned i = 0; i < 256; i++)
    all[i] = (char) i;
  memcpy (all + 256, "\xc2\x9b\xe2\x80\xae!", 6);
  rows_begin (r, "x");
  rows_text (r, "t", all, sizeof all);
  rows_text (r, "empty", "", 0);
  rows_end (r);
  rows_flush (r);
  assert_int_equal (json_parse (buf_str (&out), out.len, JSON_WIRE, "x",
                                1u << 20, &doc, NULL),
                    0);
  o = json_root (doc);
  assert_non_null (strstr (json_get_str (o, "t"), "\\e"));
  assert_non_null (strstr (json_get_str (o, "t"), "\"#$%"));
  for (size_t i = 0; i + 1 < out.len; i++)
    assert_true ((unsigned char) out.data[i] >= ' '
                 && (unsigned char) out.data[i] != 0x7f
                 && (unsigned char) out.data[i] != 0x9b);
  json_doc_free (doc);
  rows_free (r);
}

static void
one (struct rows *r)
{
  rows_begin (r, "n");
  rows_end (r);
}

static void
test_bounds (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (65536);
  struct rows *r = rows_new (keep, &out, 40);
  char *long_one = calloc (1, 2u << 20);
  unsigned refused = 0;

  /* {"row":"n"} and its end are 12. */
  for (unsigned i = 0; i < 5; i++)
    one (r);
  rows_flush (r);
  assert_int_equal (out.len, 36);
  assert_int_equal (rows_dropped (r), 2);
  rows_free (r);

  /* Too long, and the next is whole all the same. */
  buf_clear (&out);
  r = rows_new (keep, &out, 0);
  memset (long_one, 'x', 2u << 20);
  rows_begin (r, "long");
  rows_text (r, "t", long_one, ROWS_MAX_ROW);
  rows_end (r);
  one (r);
  rows_flush (r);
  assert_string_equal (buf_str (&out), "{\"row\":\"n\"}\n");
  assert_int_equal (rows_dropped (r), 1);
  assert_false (rows_failed (r));
  rows_free (r);
  free (long_one);

  r = rows_new (refuse, &refused, 0);
  for (unsigned i = 0; i < 50000; i++)
    one (r);
  assert_true (rows_failed (r));
  assert_int_equal (refused, 1);
  rows_free (r);
}

static void
test_misuse (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (65536);
  struct rows *r = rows_new (keep, &out, 0);

  rows_begin (r, "x");
  rows_array (r, "a");
  rows_end (r);
  assert_true (rows_failed (r));
  rows_free (r);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_shape),
    cmocka_unit_test (test_hostile),
    cmocka_unit_test (test_bounds),
    cmocka_unit_test (test_misuse),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
