/* SPDX-License-Identifier: Apache-2.0
 *
 * Console logs in the writer: whole lines, gaps that are told, more consoles
 * than files, a full disk.
 */
#include "tests/integration/writer-bed.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void
test_logs (void **state)
{
  struct bed *w = *state;
  static const char first[] = "boot\r\n\x1b[31mred\x1b[0m\a\nhalf";
  static const char second[] = " and half\n-- 5 bytes not kept: lies --\n";
  char *text;

  bed_start_writer (w, NULL);
  /* The records come before who they are of. */
  logpipe_put (w->lp, 5, first, strlen (first), 1772359200123);
  logpipe_flush (w->lp);
  nap_ms (50);
  bed_console_open (w, 5, "serial0");
  logpipe_put (w->lp, 5, second, strlen (second), 1772359201000);
  logpipe_flush (w->lp);
  text = bed_log_text (w, "serial0", strlen (first) + strlen (second), "raw");
  assert_memory_equal (text, first, strlen (first));
  assert_string_equal (text + strlen (first), second);
  free (text);
  text = bed_log_text (w, "serial0", 0, "clean");
  assert_string_equal (
      text, "2026-03-01T10:00:00.123Z  boot\n"
            "2026-03-01T10:00:00.123Z  \\e[31mred\\e[0m\\x07\n"
            "2026-03-01T10:00:00.123Z  half and half\n"
            "2026-03-01T10:00:01.000Z  -- 5 bytes not kept: lies --\n");
  free (text);
}

static void
test_log_gap_and_long_line (void **state)
{
  struct bed *w = *state;
  char *big = malloc (20001), *text;

  memset (big, 'x', 20000);
  big[20000] = '\n';
  bed_start_writer (w, NULL);
  bed_console_open (w, 1, "s");
  logpipe_put (w->lp, 1, big, 20001, 1772359200000);
  logpipe_put (w->lp, 1, "tail", 4, 1772359200000);
  logpipe_flush (w->lp);
  text = bed_log_text (w, "s", 20005, "clean");
  assert_true (strlen (text) < 8500);
  assert_non_null (strstr (text, "xxx [line cut, 20000 bytes in all]\n"));
  free (text);
  /* The daemon's own gap: a writer that stands still leaves the pipe full,
   * however fast the machine is. */
  assert_int_equal (kill (w->writer, SIGSTOP), 0);
  for (unsigned i = 0; i < 200; i++)
    logpipe_put (w->lp, 1, big, 20000, 1772359200000);
  logpipe_flush (w->lp);
  assert_int_equal (kill (w->writer, SIGCONT), 0);
  uint64_t dropped = logpipe_dropped (w->lp);
  assert_true (dropped > 0);
  uint64_t deadline = clock_ms () + UNTIL_MS;
  for (uint64_t told = 0; told != dropped;)
    {
      logpipe_flush (w->lp);
      text = bed_log_text (w, "s", 0, "clean");
      told = 0;
      for (const char *p = text; (p = strstr (p, "\n-- ")); p += 4)
        {
          assert_non_null (strstr (p, "bytes not kept: it came faster than "
                                      "it could be written --\n"));
          told += strtoull (p + 4, NULL, 10);
        }
      free (text);
      assert_true (clock_ms () < deadline);
      nap_ms (5);
    }
  free (big);
}

/* More consoles than files may be open. */
static void
test_many_consoles (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  char name[16], *text;

  w->files = 512; /* of which the logs leave 256 to the rest */
  bed_start_writer (w, NULL);
  for (unsigned round = 0; round < 2; round++)
    for (int i = 0; i < 400; i++)
      {
        snprintf (name, sizeof name, "c%d", i);
        if (round == 0)
          bed_console_open (w, i, name);
        assert_true (logpipe_put (w->lp, (uint32_t) i, name, strlen (name),
                                  1772359200000));
        assert_true (logpipe_put (w->lp, (uint32_t) i, "\n", 1, 1772359200000));
        logpipe_flush (w->lp);
      }
  for (int i = 0; i < 400; i += 37)
    {
      char want[64];

      snprintf (name, sizeof name, "c%d", i);
      snprintf (want, sizeof want, "c%d\nc%d\n", i, i);
      text = bed_log_text (w, name, strlen (want), "raw");
      assert_string_equal (text, want);
      free (text);
    }
  int64_t n = bed_send_op (w, bed_op_new ("spool", NULL), NULL, 0);
  assert_int_equal (bed_await (w, n, NULL, NULL, &f), 0);
  struct json_object *logs = json_get (json_get (f.head, "stats"), "logs");

  assert_int_equal (json_get_int (logs, "consoles", 0), 400);
  assert_true (json_get_int (logs, "open_files", 999) <= 256);
}

/* A volume of 2 MiB that fills up, and gets room again. */
static void
test_full_disk (void **state)
{
  struct bed *w = *state;
  CLEANUP_FRAME struct frame f = { 0 };
  CLEANUP_FRAME struct frame g = { 0 };
  CLEANUP_FREE char *big = malloc (512u << 10);
  char id[40], path[256], *text;
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  memset (big, 'z', 512u << 10);
  assert_int_equal (mkdir (w->state, 0700), 0);
  if (mount ("none", w->state, "tmpfs", 0, "size=2m,mode=0700") < 0)
    skip ();
  bed_start_writer (w, NULL);
  bed_console_open (w, 1, "s");
  bed_fill (w, bed_uuid (id, 1));
  /* Somebody else fills it. */
  snprintf (path, sizeof path, "%s/hog", w->state);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  do
    n = write (fd, big, 4096);
  while (n > 0);
  logpipe_put (w->lp, 1, "lost line\n", 10, 1772359200000);
  logpipe_flush (w->lp);
  assert_int_equal (bed_await (w, 0, "disk", NULL, &f), 0);
  assert_string_equal (json_get_str (f.head, "state"), "full");
  assert_int_equal (bed_put_artifact (w, id, "big", big, 64u << 10), ENOSPC);
  /* An incident is still taken: that is what the ballast is for. */
  assert_int_equal (bed_put_incident (w, bed_uuid (id, 2)), 0);
  assert_int_equal (ftruncate (fd, 0), 0);
  assert_int_equal (bed_await (w, 0, "disk", NULL, &g), 0);
  assert_string_equal (json_get_str (g.head, "state"), "ok");
  /* Not before the pause after a failure is over. */
  uint64_t deadline = clock_ms () + UNTIL_MS;
  for (bool there = false; !there;)
    {
      logpipe_put (w->lp, 1, "kept\n", 5, 1772359200000);
      logpipe_flush (w->lp);
      text = bed_log_text (w, "s", 0, "clean");
      there = strstr (text, "bytes not kept: the disk is full --\n")
              && strstr (text, "  kept\n");
      free (text);
      assert_true (clock_ms () < deadline);
      nap_ms (20);
    }
  assert_int_equal (bed_pack (w, bed_uuid (id, 1), NULL), 0);
  assert_int_equal (bed_pack (w, bed_uuid (id, 2), NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown (f, bed_setup, bed_teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_logs),
    T (test_log_gap_and_long_line),
    T (test_many_consoles),
    T (test_full_disk),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
