/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary in colours: the text is the same, and each line ends as it began.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/incidents/summary.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <string.h>

static void
test_ansi (void **state)
{
  static const char text[]
      = "verdict=soft-lockup confidence=high incident=1\n\n"
        "Guest       z1\n"
        "\nLadder (lowest rung first):\n"
        "  vmm            alive    monitor: answers\n"
        "  scheduler      dead     memory: x\n"
        "\nFindings:\n  - fail: x\n  - \\e[31m\nno end";
  CLEANUP_BUF struct buf out = BUF_INIT (4096);
  CLEANUP_BUF struct buf plain = BUF_INIT (4096);

  summary_ansi (text, &out);
  for (const char *p = buf_str (&out); *p; p++)
    if (*p == '\033')
      p += strcspn (p, "m");
    else
      buf_putc (&plain, *p);
  buf_puts (&plain, "");
  assert_memory_equal (buf_str (&plain), text, sizeof text - 1);
  assert_non_null (strstr (buf_str (&out), "\033[1;31mverdict=soft-lockup"));
  assert_non_null (strstr (buf_str (&out), "\033[31m  scheduler      dead"));
  assert_non_null (strstr (buf_str (&out), "\033[32m  vmm "));
  assert_non_null (strstr (buf_str (&out), "\nGuest       z1\n"));
  for (const char *p = buf_str (&out), *nl; (nl = strchr (p, '\n')); p = nl + 1)
    if (*p == '\033')
      assert_memory_equal (nl - 4, "\033[0m", 4);
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_ansi) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
