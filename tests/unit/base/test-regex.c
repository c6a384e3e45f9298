/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions over hostile bytes: a long subject is searched in slices, finds
 * what one search would find, and costs what it may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/regex.h"

#define LEN 199000

static int
find (const char *pattern, const char *text, size_t len, size_t *ret_at,
      size_t *ret_len)
{
  static const struct regex_limits limits = REGEX_LIMITS;
  struct regex_scratch *s;
  struct regex *re;
  int rc;

  assert_int_equal (regex_new (pattern, &re, NULL), 0);
  assert_int_equal (regex_scratch_new (1, &limits, &s, NULL), 0);
  rc = regex_find (re, s, text, len);
  if (rc == 1)
    assert_true (regex_span (s, 0, ret_at, ret_len));
  regex_scratch_free (s);
  regex_free (re);
  return rc;
}

/* As if it were searched at once, wherever it is. */
static void
test_slices (void **state)
{
  static const size_t places[]
      = { 0, 1, 1022, 1023, 1024, 1025, 3071, 3072, 3073, 7168, 31743, 31744,
          100000, LEN - 4 };
  CLEANUP_FREE char *text = malloc (LEN);
  size_t at, len;

  assert_non_null (text);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
    {
      memset (text, 'x', LEN);
      memcpy (text + places[i], "\nab\n", 4);
      assert_int_equal (find ("^a(b)$", text, LEN, &at, &len), 1);
      assert_int_equal (at, places[i] + 1);
      assert_int_equal (len, 2);
      assert_int_equal (find ("(?<=a)b", text, LEN, &at, &len), 1);
      assert_int_equal (at, places[i] + 2);
      /* The beginning of a slice is not that of the search. */
      assert_int_equal (find ("\\Gab", text, LEN, &at, &len), 0);
      assert_int_equal (find ("\\Aab", text, LEN, &at, &len), 0);
      assert_int_equal (find ("\\z", text, LEN, &at, &len), 1);
      assert_int_equal (at, LEN);
    }
}

/* A place that needs more steps than a large slice has for each. */
static void
test_many_steps_far_behind (void **state)
{
  CLEANUP_FREE char *text = malloc (LEN);
  size_t at, len;

  assert_non_null (text);
  memset (text, 'x', LEN);
  memset (text + 40000, 'c', 20000);
  text[40000] = 'a';
  text[60000] = 'b';
  assert_int_equal (find ("a[cz]*?b", text, LEN, &at, &len), 1);
  assert_int_equal (at, 40000);
  assert_int_equal (len, 20001);
}

/* Each place keeps below the limit, and all of them together take minutes: it
 * is given up after a second. */
static void
test_a_bound_for_all_places (void **state)
{
  CLEANUP_FREE char *text = malloc (LEN);
  size_t at, len;

  assert_non_null (text);
  for (size_t i = 0; i < LEN; i++)
    text[i] = "loade"[i % 5];
  assert_int_equal (find ("load.*average", text, LEN, &at, &len), -E2BIG);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_slices),
    cmocka_unit_test (test_many_steps_far_behind),
    cmocka_unit_test (test_a_bound_for_all_places),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
