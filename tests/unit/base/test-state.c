/* SPDX-License-Identifier: Apache-2.0
 *
 * The state folder's format number, and secrets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/store.h"
#include "tests/lib/tmpdir.h"

static int
setup (void **state)
{
  struct tmpdir *t = malloc (sizeof *t);

  *state = t;
  return t ? tmpdir_make (t) : -1;
}

static int
teardown (void **state)
{
  tmpdir_done (*state);
  free (*state);
  return 0;
}

static void
path_in (char dst[512], const struct tmpdir *t, const char *name)
{
  snprintf (dst, 512, "%s/%s", t->path, name);
}

static void
put (struct tmpdir *t, const char *name, const char *data, size_t len,
     unsigned mode)
{
  struct error err = ERROR_INIT;

  if (store_put_file (t->fd, name, data, len, mode, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

static void
test_new_folder (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  char path[512];
  CLEANUP_FREE char *text = NULL;
  size_t len;
  struct stat sb;
  int fd = -1;

  path_in (path, t, "state/");
  assert_int_equal (state_open (path, &fd, &err), 0);
  assert_int_equal (fstat (fd, &sb), 0);
  assert_int_equal (sb.st_mode & 07777, 0700);
  assert_int_equal (store_get_file (fd, "FORMAT", 100, &text, &len, &err), 0);
  assert_string_equal (text, "hangdog state 1\n");
  close (fd);
  assert_int_equal (state_open (path, &fd, &err), 0);
  unlinkat (fd, "FORMAT", 0);
  close (fd);

  path_in (path, t, "no/such");
  fd = 99;
  assert_int_equal (state_open (path, &fd, &err), -ENOENT);
  put (t, "file", "", 0, 0600);
  path_in (path, t, "file");
  assert_int_equal (state_open (path, &fd, &err), -ENOTDIR);
  assert_int_equal (fd, 99);
}

static void
test_formats (void **state)
{
  static const struct
  {
    const char *text;
    int rc;
  } cases[] = {
    { "hangdog state 1\n", 0 },
    { "hangdog state 2\n", -EPROTONOSUPPORT },
    { "hangdog state 99999\n", -EPROTONOSUPPORT },
    { "hangdog state 99999999999999999999999999\n", -EINVAL },
    { "hangdog state 0\n", -EINVAL },
    { "hangdog state -1\n", -EINVAL },
    { "hangdog state \n", -EINVAL },
    { "hangdog state 1", -EINVAL },
    { "hangdog state 1 \n", -EINVAL },
    { "hangdog state 1\n\n", -EINVAL },
    { "hangdog stat", -EINVAL },
    { "", -EINVAL },
    { "hangdog state 1\nhangdog state 1\nhangdog state 1\nhangdog state 1\n"
      "hangdog state 1\n",
      -EINVAL },
  };
  struct tmpdir *t = *state;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      int fd = -1;

      put (t, "FORMAT", cases[i].text, strlen (cases[i].text), 0600);
      int r = state_open (t->path, &fd, &err);
      if (r != cases[i].rc)
        fail_msg ("\"%s\": %d: %s", cases[i].text, r, error_text (&err));
      if (fd >= 0)
        close (fd);
      /* Says which, and what to do. */
      if (r < 0)
        assert_non_null (strstr (error_text (&err), t->path));
      if (r < 0)
        assert_non_null (strstr (error_text (&err), "move"));
    }
}

static void
test_open_to_all (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  int fd = -1;

  assert_int_equal (fchmod (t->fd, 0777), 0);
  assert_int_equal (state_open (t->path, &fd, &err), -EPERM);
  assert_int_equal (fchmod (t->fd, 0755), 0);
  assert_int_equal (state_open (t->path, &fd, &err), 0);
  close (fd);
}

static void
expect_secret (struct tmpdir *t, const char *name, int rc, const char *want,
               size_t want_len)
{
  struct error err = ERROR_INIT;
  char path[512];
  char *secret = NULL;
  size_t len = 4711;

  path_in (path, t, name);
  int r = secret_read (path, &secret, &len, &err);
  if (r != rc)
    fail_msg ("%s: %d: %s", name, r, error_text (&err));
  if (rc < 0)
    {
      assert_null (secret);
      assert_int_equal (len, 4711);
      assert_non_null (strstr (error_text (&err), path));
      return;
    }
  assert_int_equal (len, want_len);
  assert_memory_equal (secret, want, len);
  assert_int_equal (secret[len], 0);
  secret_free (secret, len);
}

static void
test_secrets (void **state)
{
  struct tmpdir *t = *state;
  static char big[65537];

  put (t, "ok", "hunter2\n", 8, 0600);
  expect_secret (t, "ok", 0, "hunter2", 7);
  put (t, "ok", "hunter2", 7, 0400);
  expect_secret (t, "ok", 0, "hunter2", 7);
  put (t, "ok", "a\0b\n\n", 5, 0600);
  expect_secret (t, "ok", 0, "a\0b\n", 4);
  put (t, "empty", "\n", 1, 0600);
  expect_secret (t, "empty", -ENODATA, NULL, 0);
  put (t, "empty", "", 0, 0600);
  expect_secret (t, "empty", -ENODATA, NULL, 0);

  for (unsigned bit = 1; bit <= 040; bit <<= 1)
    {
      put (t, "open", "x", 1, 0600 | bit);
      expect_secret (t, "open", -EPERM, NULL, 0);
    }
  memset (big, 's', sizeof big);
  put (t, "big", big, 65536, 0600);
  expect_secret (t, "big", 0, big, 65536);
  put (t, "big", big, 65537, 0600);
  expect_secret (t, "big", -EFBIG, NULL, 0);

  assert_int_equal (mkfifoat (t->fd, "fifo", 0600), 0);
  expect_secret (t, "fifo", -EINVAL, NULL, 0);
  expect_secret (t, ".", -EINVAL, NULL, 0);
  expect_secret (t, "none", -ENOENT, NULL, 0);
  secret_free (NULL, 0);
}

static void
test_secret_of_another (void **state)
{
  struct tmpdir *t = *state;

  put (t, "theirs", "x", 1, 0600);
  if (fchownat (t->fd, "theirs", 4242, (gid_t) -1, 0) < 0)
    skip (); /* only root can give files away */
  expect_secret (t, "theirs", -EPERM, NULL, 0);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (test_new_folder), T (test_formats),           T (test_open_to_all),
    T (test_secrets),    T (test_secret_of_another),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
