/* SPDX-License-Identifier: Apache-2.0
 *
 * Console logs: rotation, the limit of all together, lines without an end,
 * records before their console, and the number of open files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "supervisor/writer/writer_logs.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WALL 1772359200000u /* 2026-03-01T10:00:00Z */
#define UUID "11111111-2222-3333-4444-555555555555"

struct place
{
  struct tmpdir tmp;
  struct logs *l;
  uint64_t now;
};

static void
begin (struct place *p, struct logs_limits l)
{
  struct error err = ERROR_INIT;

  logs_free (p->l);
  p->l = NULL;
  l.free_floor = 1;
  assert_int_equal (logs_new (p->tmp.fd, &l, &p->l, &err), 0);
}

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);

  if (tmpdir_make (&p->tmp) < 0)
    return -1;
  p->now = 1000;
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  logs_free (p->l);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static int
declare (struct place *p, uint32_t id, const char *name)
{
  struct error err = ERROR_INIT;

  return logs_declare (p->l, id, UUID, name, p->now, &err);
}

static void
put (struct place *p, uint32_t id, const char *text)
{
  logs_put (p->l, id, text, strlen (text), 0, WALL, p->now);
}

static char *
file_text (struct place *p, const char *name)
{
  static char text[65536];
  char path[128];
  CLEANUP_CLOSE int fd = -1;
  ssize_t n;

  if (p->l)
    logs_flush (p->l, NULL, p->now);
  snprintf (path, sizeof path, UUID "/%s", name);
  fd = openat (p->tmp.fd, path, O_RDONLY | O_CLOEXEC);
  n = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;
  text[n > 0 ? n : 0] = '\0';
  return fd >= 0 ? text : NULL;
}

static uint64_t
on_disk (struct place *p)
{
  struct logs_stats st;

  logs_stats (p->l, &st);
  return st.bytes_on_disk;
}

static void
test_rotation (void **state)
{
  struct place *p = *state;
  char line[101];

  begin (p, (struct logs_limits){ .rotate = 1000, .keep = 2 });
  assert_int_equal (declare (p, 1, "s"), 0);
  memset (line, 'x', 99);
  line[100] = '\0';
  line[99] = '\n';
  for (unsigned i = 0; i < 35; i++)
    {
      line[0] = (char) ('A' + i % 26);
      put (p, 1, line);
    }
  assert_non_null (file_text (p, "s.raw"));
  assert_true (strlen (file_text (p, "s.raw")) == 500);
  assert_true (strlen (file_text (p, "s.raw.1")) == 1000);
  assert_int_equal (file_text (p, "s.raw.1")[0], 'A' + 20);
  assert_true (strlen (file_text (p, "s.raw.2")) == 1000);
  assert_null (file_text (p, "s.raw.3"));
  assert_non_null (file_text (p, "s.log.2"));
  assert_null (file_text (p, "s.log.3"));
  /* What it says of the disk is what is there. */
  uint64_t was = on_disk (p);
  begin (p, (struct logs_limits){ .rotate = 1000, .keep = 2 });
  assert_int_equal (on_disk (p), was);
}

struct seen_tail
{
  unsigned n;
  char console[16];
  char *text;
  size_t len;
};

static void
see_tail (const char *console, const void *text, size_t len, void *arg)
{
  struct seen_tail *s = arg;

  s->n++;
  snprintf (s->console, sizeof s->console, "%s", console);
  free (s->text);
  s->text = strndup (text, len);
  s->len = len;
}

/* Across rotated files, whole lines, in their order, none twice. */
static void
test_tail (void **state)
{
  struct place *p = *state;
  struct seen_tail s = { 0 };
  unsigned next = 0, last = 0;
  char line[64];
  char *save = NULL;

  begin (p, (struct logs_limits){ .rotate = 100000, .keep = 4 });
  assert_int_equal (declare (p, 1, "s"), 0);
  logs_tail (p->l, UUID, see_tail, &s);
  assert_int_equal (s.n, 0);
  for (last = 0; last < 9000; last++)
    {
      snprintf (line, sizeof line, "line %u\n", last);
      put (p, 1, line);
    }
  logs_flush (p->l, UUID, p->now);
  logs_tail (p->l, "somebody-else", see_tail, &s);
  assert_int_equal (s.n, 0);
  logs_tail (p->l, UUID, see_tail, &s);
  assert_int_equal (s.n, 1);
  assert_string_equal (s.console, "s");
  assert_in_range (s.len, LOGS_TAIL - 100, LOGS_TAIL);
  for (char *l = strtok_r (s.text, "\n", &save); l;
       l = strtok_r (NULL, "\n", &save))
    {
      unsigned n = 0;

      assert_int_equal (sscanf (l, "2026-03-01T10:00:00.000Z  line %u", &n),
                        1);
      assert_true (next == 0 || n == next);
      next = n + 1;
    }
  assert_int_equal (next, last);
  free (s.text);
}

static void
test_limit (void **state)
{
  struct place *p = *state;
  struct logs_info info;
  char line[101], name[8];

  begin (p, (struct logs_limits){ .rotate = 1000, .keep = 4,
                                  .total = 20000 });
  memset (line, 'x', 99);
  line[100] = '\0';
  line[99] = '\n';
  for (unsigned i = 0; i < 8; i++)
    {
      snprintf (name, sizeof name, "c%u", i);
      assert_int_equal (declare (p, i, name), 0);
      for (unsigned k = 0; k < 100; k++)
        put (p, i, line);
      assert_true (on_disk (p) <= 20000);
    }
  assert_int_equal (logs_info (p->l, UUID, "c7", &info, NULL), 0);
  assert_int_equal (info.bytes, 10000);
  assert_int_equal (info.gaps, 0);
  /* When even the current ones are too much, it says so and goes on. */
  begin (p, (struct logs_limits){ .rotate = 1000, .keep = 1, .total = 1500 });
  assert_int_equal (declare (p, 0, "c0"), 0);
  for (unsigned k = 0; k < 40; k++)
    {
      p->now += 5000;
      put (p, 0, line);
      assert_true (on_disk (p) <= 1500);
    }
}

static void
test_partial (void **state)
{
  struct place *p = *state;

  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (declare (p, 1, "s"), 0);
  put (p, 1, "login: ");
  p->now += 1000;
  logs_sweep (p->l, p->now);
  assert_string_equal (file_text (p, "s.log"), "");
  p->now += 2000;
  logs_sweep (p->l, p->now);
  put (p, 1, "root\r\nnext\n");
  assert_string_equal (file_text (p, "s.log"),
                       "2026-03-01T10:00:00.000Z  login: \n"
                       "2026-03-01T10:00:00.000Z+ root\n"
                       "2026-03-01T10:00:00.000Z  next\n");
}

static void
test_escapes (void **state)
{
  struct place *p = *state;

  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (declare (p, 1, "s"), 0);
  put (p, 1, "10%\r50%\r\r\n\xe2\x80\xaetxt\xff\n\n");
  assert_string_equal (file_text (p, "s.log"),
                       "2026-03-01T10:00:00.000Z  10%\\x0d50%\n"
                       "2026-03-01T10:00:00.000Z  \\u{202e}txt\\xff\n"
                       "2026-03-01T10:00:00.000Z  \n");
}

static void
test_unknown (void **state)
{
  struct place *p = *state;
  struct logs_stats st;

  begin (p, (struct logs_limits){ 0 });
  put (p, 1, "early\n");
  put (p, 2, "never\n");
  logs_put (p->l, 1, NULL, 0, 44, WALL, p->now);
  assert_int_equal (declare (p, 1, "s"), 0);
  assert_non_null (strstr (file_text (p, "s.log"), "  early\n-- 44 bytes"));
  p->now += 1500;
  logs_sweep (p->l, p->now);
  logs_stats (p->l, &st);
  assert_int_equal (st.unknown, 6);
  assert_int_equal (declare (p, 2, "t"), 0);
  assert_null (file_text (p, "t.raw"));
}

static void
test_names (void **state)
{
  struct place *p = *state;
  struct error err = ERROR_INIT;

  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (declare (p, 1, "../x"), -EINVAL);
  assert_int_equal (declare (p, 1, ""), -EINVAL);
  assert_int_equal (logs_declare (p->l, 1, "..", "s", 0, &err), -EINVAL);
  assert_int_equal (logs_declare (p->l, 1, NULL, "s", 0, &err), -EINVAL);
  assert_int_equal (declare (p, 1u << 20, "s"), -EINVAL);
}

static void
test_restart (void **state)
{
  struct place *p = *state;

  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (declare (p, 1, "s"), 0);
  put (p, 1, "one\ntw");
  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (declare (p, 9, "s"), 0);
  put (p, 9, "o\n");
  assert_string_equal (file_text (p, "s.log"),
                       "2026-03-01T10:00:00.000Z  one\n"
                       "2026-03-01T10:00:00.000Z  tw\n"
                       "-- the writer was restarted here --\n"
                       "2026-03-01T10:00:00.000Z  o\n");
}

static void
test_open_files (void **state)
{
  struct place *p = *state;
  struct logs_stats st;
  char name[8];

  begin (p, (struct logs_limits){ .max_files = 10 });
  for (unsigned i = 0; i < 50; i++)
    {
      snprintf (name, sizeof name, "c%u", i);
      assert_int_equal (declare (p, i, name), 0);
      put (p, i, "no end");
      logs_stats (p->l, &st);
      assert_true (st.open_files <= 10);
    }
  p->now += 5000;
  logs_sweep (p->l, p->now);
  logs_stats (p->l, &st);
  assert_true (st.open_files <= 10);
  assert_non_null (strstr (file_text (p, "c3.log"), "  no end\n"));
}

/* ---- waiting ---- */

/* A busy writer's, which keeps what waits in the file of memory room. */
static void
begin_busy (struct place *p, int room)
{
  struct error err = ERROR_INIT;
  char name[8];

  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (logs_wait_in (p->l, dup (room), &err), 0);
  assert_int_equal (declare (p, 1, "s"), 0);
  for (unsigned i = 0; i < 60; i++)
    {
      snprintf (name, sizeof name, "n%u", i);
      assert_int_equal (declare (p, 100 + i, name), 0);
      put (p, 100 + i, "noise\n");
    }
}

/* What the file has, not what waits. */
static uint64_t
size_of (struct place *p, const char *name)
{
  char path[128];
  struct stat st;

  snprintf (path, sizeof path, UUID "/%s", name);
  return fstatat (p->tmp.fd, path, &st, 0) == 0 ? (uint64_t) st.st_size : 0;
}

static void
test_quiet_ones_wait (void **state)
{
  struct place *p = *state;
  int room = memfd_create ("room", MFD_CLOEXEC);

  begin_busy (p, room);
  put (p, 1, "one\n");
  p->now += 1000;
  put (p, 1, "two\n");
  assert_int_equal (size_of (p, "s.raw"), 0);
  p->now += 6000;
  logs_sweep (p->l, p->now);
  assert_int_equal (size_of (p, "s.raw"), 8);
  /* Nobody else said anything since: what comes now is seen at once. */
  logs_sweep (p->l, p->now);
  put (p, 1, "three\n");
  assert_int_equal (size_of (p, "s.raw"), 14);
  assert_string_equal (file_text (p, "s.log"),
                       "2026-03-01T10:00:00.000Z  one\n"
                       "2026-03-01T10:00:00.000Z  two\n"
                       "2026-03-01T10:00:00.000Z  three\n");
  close (room);
}

/* In a process of its own, so that nothing of it is tidied up. */
static void
be_killed (struct place *p, int room, size_t already)
{
  pid_t pid = fork ();
  int status;

  if (pid == 0)
    {
      CLEANUP_CLOSE int fd = -1;

      begin_busy (p, room);
      put (p, 1, "begin ");
      logs_flush (p->l, NULL, p->now);
      put (p, 1, "one\ntwo\n");
      fd = openat (p->tmp.fd, UUID "/s.raw", O_WRONLY | O_APPEND | O_CLOEXEC);
      /* Killed in the middle of its write, or right after it. */
      if (write (fd, "one\ntwo\n", already) != (ssize_t) already)
        _exit (1);
      _exit (0);
    }
  assert_true (pid > 0);
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
}

static void
test_killed (void **state)
{
  struct place *p = *state;
  const size_t already[] = { 0, 3, 8 };
  int room;

  for (unsigned i = 0; i < 3; i++)
    {
      unlinkat (p->tmp.fd, UUID "/s.raw", 0);
      room = memfd_create ("room", MFD_CLOEXEC);
      be_killed (p, room, already[i]);
      begin (p, (struct logs_limits){ 0 });
      assert_int_equal (logs_wait_in (p->l, dup (room), NULL), 0);
      assert_string_equal (file_text (p, "s.raw"), "begin one\ntwo\n");
      /* And not once more. */
      begin (p, (struct logs_limits){ 0 });
      assert_int_equal (logs_wait_in (p->l, dup (room), NULL), 0);
      assert_string_equal (file_text (p, "s.raw"), "begin one\ntwo\n");
      close (room);
    }
}

static void
test_room_that_is_none (void **state)
{
  struct place *p = *state;
  struct error err = ERROR_INIT;
  struct stat st;
  int fd = openat (p->tmp.fd, "named", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  assert_int_equal (write (fd, "mine", 4), 4);
  begin (p, (struct logs_limits){ 0 });
  assert_true (logs_wait_in (p->l, fd, &err) < 0);
  assert_int_equal (fstatat (p->tmp.fd, "named", &st, 0), 0);
  assert_int_equal (st.st_size, 4);
  assert_int_equal (declare (p, 1, "s"), 0);
  put (p, 1, "well\n");
  assert_string_equal (file_text (p, "s.raw"), "well\n");
}

static void
test_room_of_rubbish (void **state)
{
  struct place *p = *state;
  int room = memfd_create ("room", MFD_CLOEXEC);
  char rubbish[8192];

  for (size_t i = 0; i < sizeof rubbish; i++)
    rubbish[i] = (char) (i * 131 + 7);
  for (unsigned i = 0; i < 64; i++)
    assert_int_equal (pwrite (room, rubbish, sizeof rubbish,
                              (off_t) (i * 8192 + i)),
                      sizeof rubbish);
  begin (p, (struct logs_limits){ 0 });
  assert_int_equal (logs_wait_in (p->l, room, NULL), 0);
  assert_int_equal (declare (p, 1, "s"), 0);
  put (p, 1, "well\n");
  assert_string_equal (file_text (p, "s.raw"), "well\n");
}

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_rotation),  T (test_tail),       T (test_limit),
    T (test_partial),   T (test_escapes),    T (test_unknown),
    T (test_names),     T (test_restart),    T (test_open_files),
    T (test_quiet_ones_wait), T (test_killed),
    T (test_room_of_rubbish), T (test_room_that_is_none),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
