/* SPDX-License-Identifier: Apache-2.0
 *
 * What a guest's own log says of file systems that are mounted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scenarios/memory_log.h"

#include <stdio.h>
#include <string.h>

#define MOUNTED                                                               \
  "EXT4-fs (vda): mounted filesystem 1-2 r/w with ordered data mode. Quota "  \
  "mode: none."
#define ERROR                                                                 \
  "EXT4-fs error (device vda): trigger_test_error:127: comm sh: zoo"
#define GIVEN_UP "EXT4-fs (vda): Remounting filesystem read-only"

/* Lines of the log, NULL terminated; a device that is mounted. */
static const char *
says (const char *device, const char *const *lines)
{
  static char text[200];
  struct memory_log *l = memory_log_new ();

  assert_non_null (l);
  text[0] = '\0';
  memory_log_device (l, device);
  for (int64_t i = 0; lines[i]; i++)
    memory_log_line (l, 1000000 * i, lines[i]);
  if (!memory_log_given_up (l, text, sizeof text))
    assert_string_equal (text, "");
  memory_log_free (l);
  return text;
}
#define LOG(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
tells_what_was_given_up (void **state)
{
  assert_non_null (strstr (says ("vda", LOG (MOUNTED, ERROR, GIVEN_UP)),
                           "read-only"));
  assert_non_null (strstr (
      says ("dm-0", LOG ("XFS (dm-0): Ending clean mount",
                         "XFS (dm-0): Filesystem has been shut down due to log "
                         "error (0x2).")),
      "XFS"));
  /* The ring has lost its beginning. */
  assert_string_not_equal (says ("vda", LOG ("x", ERROR, GIVEN_UP)), "");
}

static void
leaves_others_in_peace (void **state)
{
  assert_string_equal (says ("vda", LOG (MOUNTED)), "");
  /* Another device, one that is not mounted any more, an error alone. */
  assert_string_equal (says ("vdb", LOG (MOUNTED, ERROR, GIVEN_UP)), "");
  assert_string_equal (says ("vda", LOG (MOUNTED, ERROR)), "");
  /* Mounted anew since, or by its owner for reading. */
  assert_string_equal (says ("vda", LOG (ERROR, GIVEN_UP, MOUNTED)), "");
  assert_string_equal (
      says ("vda", LOG (ERROR, GIVEN_UP,
                        "EXT4-fs (vda): re-mounted 1-2 r/w. Quota mode: "
                        "none.")),
      "");
  assert_string_equal (
      says ("vda", LOG (MOUNTED, "EXT4-fs (vda): re-mounted 1-2 ro. Quota "
                                 "mode: none.")),
      "");
  assert_string_equal (says ("", LOG (ERROR, GIVEN_UP)), "");
}

/* Whatever is a task's or a file's name is no mount, and gives up nothing. */
static void
believes_who_speaks (void **state)
{
  assert_string_not_equal (
      says ("vda", LOG (GIVEN_UP, "EXT4-fs error (device vda): f:1: comm "
                                  "(vda): mounted filesystem",
                        "EXT4-fs (vda): error count: x (vda): re-mounted",
                        "x: EXT4-fs (vda): mounted filesystem 1")),
      "");
  assert_string_equal (says ("vda", LOG ("x: " GIVEN_UP)), "");
}

#define XFS_ERROR                                                             \
  "XFS (vda): metadata I/O error in \"xlog_bread_noalign+0x99/0xb0 [xfs]\" "  \
  "at daddr 0x%x len 64 error 5"
#define XFS_DOWN                                                              \
  "XFS (vda): Filesystem has been shut down due to log error (0x2)."

/* What is there in masses costs no more, and what came before it counts. */
static void
bears_long_logs (void **state)
{
  struct memory_log *l = memory_log_new ();
  char text[200] = "", line[200];

  assert_non_null (l);
  memory_log_line (l, 0, NULL);
  for (int i = 0; i < 5000; i++)
    {
      snprintf (line, sizeof line, "EXT4-fs (vd%d): x", i);
      memory_log_line (l, i, line);
      memory_log_device (l, line);
    }
  assert_false (memory_log_given_up (l, text, sizeof text));
  memory_log_free (l);
  for (int mounted = 0; mounted < 2; mounted++)
    {
      l = memory_log_new ();
      memory_log_device (l, "vda");
      memory_log_line (l, 1, XFS_DOWN);
      for (int i = 0; i < 5000; i++)
        {
          snprintf (line, sizeof line, XFS_ERROR, i);
          memory_log_line (l, 2 + i, line);
        }
      if (mounted)
        memory_log_line (l, 6000, "XFS (vda): Ending clean mount");
      assert_int_equal (memory_log_given_up (l, text, sizeof text), !mounted);
      memory_log_free (l);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (tells_what_was_given_up),
    cmocka_unit_test (leaves_others_in_peace),
    cmocka_unit_test (believes_who_speaks),
    cmocka_unit_test (bears_long_logs),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
