/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a bundle in a folder: why there is none, in the words and by the
 * number of whoever failed.  The real hangdog-report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/bundle.h"
#include "supervisor/archive/folder.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* manifest NULL: there is none. */
static void
assert_page (const char *manifest, size_t len, const char *to, int code,
             const char *says)
{
  CLEANUP_CLOSE int page = open (to, O_WRONLY | O_CLOEXEC);
  struct error err = ERROR_INIT;
  char libexec[PATH_MAX];
  struct tmpdir tmp;
  int r;

  built_path (libexec, "hangdog-report");
  *strrchr (libexec, '/') = '\0';
  assert_int_equal (tmpdir_make (&tmp), 0);
  if (manifest)
    assert_int_equal (tmpdir_put (tmp.fd, "manifest.json", manifest, len), 0);
  r = folder_page (libexec, tmp.fd, page, NULL, &err);
  if (r != -code || (code && !strstr (error_text (&err), says)))
    fail_msg ("%d: %s", r, error_text (&err));
  tmpdir_done (&tmp);
}

#define GOOD "{\"schema\":\"hangdog/bundle/1\"}"

static void
test_says_why (void **state)
{
  static char large[BUNDLE_MAX_MANIFEST + 1];

  assert_page (GOOD, strlen (GOOD), "/dev/null", 0, "");
  assert_page (GOOD, strlen (GOOD), "/dev/full", ENOSPC,
               "the page can't be written: No space left");
  assert_page (NULL, 0, "/dev/null", ENOENT,
               "manifest.json can't be read: No such file");
  assert_page ("{", 1, "/dev/null", EINVAL, "manifest.json:1:");
  memset (large, ' ', sizeof large);
  assert_page (large, sizeof large, "/dev/null", EBADMSG,
               "its manifest has more than 4 MiB");
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_says_why) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
