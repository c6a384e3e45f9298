/* SPDX-License-Identifier: Apache-2.0
 *
 * The error rule: codes, context, cut messages.
 */
#include "base/error.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
test_set (void **state)
{
  struct error err = ERROR_INIT;

  assert_int_equal (error_set (&err, ENOENT, "no %s", "file"), -ENOENT);
  assert_int_equal (err.code, ENOENT);
  assert_string_equal (error_text (&err), "no file");
}

static void
test_errno_is_named (void **state)
{
  struct error err = ERROR_INIT;

  errno = EBADF;
  assert_int_equal (error_errno (&err, ENOENT, "opening %s", "/x"), -ENOENT);
  assert_string_equal (err.msg, "opening /x: No such file or directory");
  assert_int_equal (errno, EBADF);
  error_errno (&err, EACCES, "%s", "");
  assert_string_equal (err.msg, "Permission denied");
}

static void
test_wrap (void **state)
{
  struct error err = ERROR_INIT;

  error_errno (&err, EPERM, "/run/x/pid");
  assert_int_equal (error_wrap (&err, "reading the %s file", "pid"), -EPERM);
  assert_string_equal (
      err.msg, "reading the pid file: /run/x/pid: Operation not permitted");
}

/* The pieces of the message that a place names stay the same words, however
 * often it is wrapped, and never reach beyond it. */
static void
test_place (void **state)
{
  struct error err = ERROR_INIT;
  char long_text[400];

  error_set (&err, EINVAL, "f:3:7: a.b: too long");
  assert_int_equal (err.line, 0);
  error_place (&err, 3, 7, 7, 3, 12);
  error_wrap (&err, "reading %s", "it");
  error_wrap (&err, "%s", "");
  assert_string_equal (err.msg, "reading it: f:3:7: a.b: too long");
  assert_int_equal (err.line, 3);
  assert_int_equal (err.column, 7);
  assert_int_equal (err.path_len, 3);
  assert_memory_equal (err.msg + err.path_at, "a.b", 3);
  assert_string_equal (err.msg + err.what_at, "too long");
  memset (long_text, 'x', sizeof long_text - 1);
  long_text[sizeof long_text - 1] = '\0';
  for (unsigned i = 0; i < 3; i++)
    error_wrap (&err, "%s", long_text);
  assert_int_equal (err.line, 3);
  assert_true (err.path_at + err.path_len <= strlen (err.msg));
  assert_true (err.what_at <= strlen (err.msg));
  /* The next one is about nothing of the kind. */
  error_set (&err, EIO, "x");
  assert_int_equal (err.line, 0);
  error_place (NULL, 1, 1, 0, 0, 0);
}

static void
test_null (void **state)
{
  assert_int_equal (error_set (NULL, ENOMEM, "x"), -ENOMEM);
  assert_int_equal (error_errno (NULL, ENOMEM, "x"), -ENOMEM);
  assert_int_equal (error_wrap (NULL, "x"), -EIO);
  assert_non_null (error_text (NULL));
}

static void
test_never_turns_into_success (void **state)
{
  struct error err = ERROR_INIT;

  assert_int_equal (error_set (&err, 0, "x"), -EIO);
  assert_int_equal (err.code, EIO);
  assert_int_equal (error_set (&err, -ENOENT, "x"), -ENOENT);
  assert_int_equal (err.code, ENOENT);
  assert_int_equal (error_set (NULL, 0, "x"), -EIO);
}

static void
test_unset (void **state)
{
  struct error err = ERROR_INIT;

  assert_string_equal (error_text (&err), "unknown error");
  assert_true (error_wrap (&err, "ctx") < 0);
  assert_string_equal (err.msg, "ctx: unknown error");
}

static void
test_own_message_as_argument (void **state)
{
  struct error err = ERROR_INIT;

  error_set (&err, EIO, "inner");
  error_set (&err, EIO, "outer of %s", err.msg);
  assert_string_equal (err.msg, "outer of inner");
  error_wrap (&err, "again %s", err.msg);
  assert_string_equal (err.msg, "again outer of inner: outer of inner");
}

/* Cut messages end in dots and are whole UTF-8, wherever the cut falls. */
static void
test_cut (void **state)
{
  struct error err = ERROR_INIT;
  char text[1200];

  for (size_t shift = 0; shift < 4; shift++)
    {
      size_t n = 0, len, i = 0;

      memset (text, 'x', shift);
      for (n = shift; n + 4 < sizeof text; n += 4)
        memcpy (text + n, "\xf0\x9f\x98\x80", 4);
      text[n] = '\0';
      error_set (&err, EINVAL, "%s", text);
      len = strlen (err.msg);
      assert_true (len < sizeof err.msg && len > sizeof err.msg - 8);
      assert_string_equal (err.msg + len - 3, "...");
      while (i < len)
        {
          unsigned k = text_utf8 ((unsigned char *) err.msg + i, len - i, NULL);

          assert_true (k > 0);
          i += k;
        }
      error_wrap (&err, "context");
      assert_memory_equal (err.msg, "context: x", shift > 0 ? 10 : 9);
      assert_string_equal (err.msg + strlen (err.msg) - 3, "...");
    }
}

static void
test_fits_exactly (void **state)
{
  struct error err = ERROR_INIT;
  char text[sizeof err.msg];

  memset (text, 'y', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  error_set (&err, EINVAL, "%s", text);
  assert_string_equal (err.msg, text);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_set),
    cmocka_unit_test (test_errno_is_named),
    cmocka_unit_test (test_wrap),
    cmocka_unit_test (test_place),
    cmocka_unit_test (test_null),
    cmocka_unit_test (test_never_turns_into_success),
    cmocka_unit_test (test_unset),
    cmocka_unit_test (test_own_message_as_argument),
    cmocka_unit_test (test_cut),
    cmocka_unit_test (test_fits_exactly),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
