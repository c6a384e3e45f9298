/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: appending, replaying, replacing, running out of room; whole
 * small files.  (Crashes and failing calls: tests/lib/test-crash-store.sh.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/base/store-log.h"

static void
test_crc (void **state)
{
  unsigned char zero[32] = { 0 };

  assert_int_equal (crc32c (0, "123456789", 9), 0xe3069283);
  assert_int_equal (crc32c (0, zero, sizeof zero), 0x8a9136aa); /* RFC 3720 */
  assert_int_equal (crc32c (crc32c (0, "1234", 4), "56789", 5), 0xe3069283);
  assert_int_equal (crc32c (7, NULL, 0), 7);
}

static void
test_append_and_replay (void **state)
{
  struct tmpdir *t = *state;
  struct store_stats stats;
  struct seen s;

  make_log (t, 9);
  struct store *st = open_store (t, &s, &stats);
  assert_int_equal (s.n, 9);
  for (unsigned i = 1; i <= 9; i++)
    assert_true (is_nth (&s, i - 1, i));
  assert_int_equal (stats.records, 9);
  assert_int_equal (stats.bad, 0);
  assert_int_equal (stats.torn, 0);
  append_nth (st, 10);
  store_stats (st, &stats);
  assert_int_equal (stats.records, 10);

  struct stat sb;
  assert_int_equal (fstatat (t->fd, "log", &sb, 0), 0);
  assert_int_equal (stats.bytes, sb.st_size);
  assert_int_equal (sb.st_mode & 0777, 0600);
  store_close (st);
  store_close (open_store (t, &s, NULL));
  assert_int_equal (s.n, 10);
  assert_false (exists (t, "log.bad"));
}

static void
test_sizes (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store_stats stats;
  struct seen s;
  CLEANUP_FREE char *big = calloc (1, STORE_MAX_RECORD + 1);

  struct store *st = open_store (t, &s, NULL);
  assert_int_equal (store_append (st, 1, big, STORE_MAX_RECORD, &err), 0);
  assert_int_equal (store_append (st, 2, NULL, 0, &err), 0);
  assert_int_equal (store_append (st, 3, big, STORE_MAX_RECORD + 1, &err),
                    -EMSGSIZE);
  assert_int_equal (store_append (st, 65535, "x", 1, &err), 0);
  store_close (st);
  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 3);
  assert_int_equal (s.r[0].len, STORE_MAX_RECORD);
  assert_int_equal (s.r[1].len, 0);
  assert_int_equal (s.r[2].type, 65535);
  assert_int_equal (stats.bad, 0);
}

/* The search for the next record reads window by window: wherever the
 * border falls in the marker, it is found. */
static void
test_search_across_windows (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store_stats stats;
  struct seen s;
  CLEANUP_FREE char *big = calloc (1, 1u << 17);

  for (size_t k = 0; k < 10; k++)
    {
      /* The next head stands so many bytes before the first border. */
      size_t len = (64u << 10) + 1 - STORE_HEAD - k;

      tmpdir_clear (t);
      struct store *st = open_store (t, &s, NULL);
      assert_int_equal (store_append (st, 1, big, len, &err), 0);
      append_nth (st, 5);
      store_close (st);
      CLEANUP_CLOSE int fd = openat (t->fd, "log", O_RDWR);
      /* The marker is random: a fixed byte could be what stands there. */
      unsigned char first;
      assert_int_equal (pread (fd, &first, 1, STORE_FILE_HEAD), 1);
      first ^= 0xff;
      assert_int_equal (pwrite (fd, &first, 1, STORE_FILE_HEAD), 1);
      store_close (open_store (t, &s, &stats));
      assert_int_equal (s.n, 1);
      assert_true (is_nth (&s, 0, 5));
      assert_int_equal (stats.bad, 1);
    }
}

static void
test_second_opening_is_busy (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store *st2 = NULL;
  struct seen s;

  struct store *st = open_store (t, &s, NULL);
  assert_int_equal (store_open (t->fd, "log", NULL, NULL, &st2, &err), -EBUSY);
  assert_null (st2);
  store_close (st);
  store_close (open_store (t, &s, NULL));
  store_close (NULL);
}

static void
test_names_and_kinds (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store *st = NULL;
  char name[NAME_MAX + 1];

  memset (name, 'n', sizeof name);
  name[NAME_MAX - 3] = '\0';
  assert_int_equal (store_open (t->fd, name, NULL, NULL, &st, &err), -EINVAL);
  name[NAME_MAX - 4] = '\0';
  assert_int_equal (store_open (t->fd, name, NULL, NULL, &st, &err), 0);
  store_close (st);
  st = NULL;
  assert_int_equal (store_open (t->fd, "", NULL, NULL, &st, &err), -EINVAL);
  assert_int_equal (store_open (t->fd, "../x", NULL, NULL, &st, &err), -EINVAL);
  assert_int_equal (mkfifoat (t->fd, "fifo", 0600), 0);
  assert_int_equal (store_open (t->fd, "fifo", NULL, NULL, &st, &err), -EINVAL);
  assert_int_equal (symlinkat ("elsewhere", t->fd, "link"), 0);
  assert_int_equal (store_open (t->fd, "link", NULL, NULL, &st, &err), -ELOOP);
  assert_false (exists (t, "elsewhere"));
  assert_null (st);
}

struct plan
{
  unsigned from, to;
  int rc;
  bool ignore_failure;
};

static int
emit (struct store *fresh, void *arg, struct error *err)
{
  struct plan *p = arg;

  for (unsigned i = p->from; i <= p->to; i++)
    append_nth (fresh, i);
  if (p->ignore_failure)
    {
      assert_true (store_append (fresh, 1, "", STORE_MAX_RECORD + 1, NULL) < 0);
      assert_int_equal (store_replace (fresh, emit, arg, err), -EINVAL);
    }
  return p->rc ? error_set (err, -p->rc, "the emitter says no") : 0;
}

static void
test_replace (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store_stats stats;
  struct seen s;

  make_log (t, 8);
  struct store *st = open_store (t, &s, NULL);
  struct plan bad = { .from = 1, .to = 3, .rc = -ECANCELED };
  assert_int_equal (store_replace (st, emit, &bad, &err), -ECANCELED);
  assert_string_equal (error_text (&err), "the emitter says no");
  assert_false (exists (t, "log.new"));
  append_nth (st, 9);

  struct plan good = { .from = 7, .to = 9, .ignore_failure = true };
  assert_int_equal (store_replace (st, emit, &good, &err), 0);
  store_stats (st, &stats);
  assert_int_equal (stats.records, 3);
  append_nth (st, 10);
  store_stats (st, &stats);
  assert_int_equal (stats.records, 4);
  assert_false (exists (t, "log.new"));
  /* The lock went over to the new file. */
  struct store *st2 = NULL;
  assert_int_equal (store_open (t->fd, "log", NULL, NULL, &st2, NULL), -EBUSY);
  store_close (st);

  st = open_store (t, &s, &stats);
  assert_int_equal (s.n, 4);
  for (unsigned i = 0; i < 4; i++)
    assert_true (is_nth (&s, i, i + 7));

  struct plan empty = { .from = 1, .to = 0 };
  assert_int_equal (store_replace (st, emit, &empty, &err), 0);
  append_nth (st, 11);
  store_close (st);
  store_close (open_store (t, &s, NULL));
  assert_int_equal (s.n, 1);
  assert_true (is_nth (&s, 0, 11));
}

static void
test_leftover_is_removed (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct seen s;

  make_log (t, 2);
  assert_int_equal (renameat (t->fd, "log", t->fd, "log.new"), 0);
  struct store *st = open_store (t, &s, NULL);
  assert_int_equal (s.n, 0);
  assert_false (exists (t, "log.new"));
  store_close (st);
  assert_int_equal (store_put_file (t->fd, "f.new", "x", 1, 0600, &err), 0);
  assert_int_equal (store_put_file (t->fd, "f", "y", 1, 0600, &err), 0);
  assert_false (exists (t, "f.new"));
}

/* No room in the middle of a record: the log is as before, and the next one
 * that fits goes well. */
static void
test_no_room (void **state)
{
  struct tmpdir *t = *state;
  struct store_stats stats;
  struct seen s;
  char data[300] = { 1 };

  make_log (t, 3);
  for (rlim_t room = 0; room < STORE_HEAD + sizeof data; room += 13)
    {
      struct error err = ERROR_INIT;
      struct stat sb;
      struct store *st = open_store (t, &s, &stats);

      limit_file_size (stats.bytes + room);
      int r = store_append (st, 50, data, sizeof data, &err);
      limit_file_size (RLIM_INFINITY);
      assert_int_equal (r, -EFBIG);
      assert_int_equal (fstatat (t->fd, "log", &sb, 0), 0);
      assert_int_equal (sb.st_size, stats.bytes);
      append_nth (st, s.n + 1);
      store_close (st);
      store_close (open_store (t, &s, &stats));
      assert_true (is_nth (&s, s.n - 1, s.n));
      assert_int_equal (stats.bad + stats.torn, 0);
    }
}

static void
test_whole_files (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  char *data = NULL;
  size_t len = 77;
  struct stat sb;

  umask (077);
  assert_int_equal (store_put_file (t->fd, "f", "one\n", 4, 0644, &err), 0);
  umask (022);
  assert_int_equal (fstatat (t->fd, "f", &sb, 0), 0);
  assert_int_equal (sb.st_mode & 07777, 0644);
  assert_int_equal (store_put_file (t->fd, "f", "twice\n", 6, 0600, &err), 0);
  assert_int_equal (fstatat (t->fd, "f", &sb, 0), 0);
  assert_int_equal (sb.st_mode & 07777, 0600);
  assert_false (exists (t, "f.new"));

  assert_int_equal (store_get_file (t->fd, "f", 5, &data, &len, &err), -EFBIG);
  assert_null (data);
  assert_int_equal (len, 77);
  assert_int_equal (store_get_file (t->fd, "f", 6, &data, &len, &err), 0);
  assert_int_equal (len, 6);
  assert_string_equal (data, "twice\n");
  free (data);
  data = NULL;
  assert_int_equal (store_get_file (t->fd, "none", 6, &data, &len, &err),
                    -ENOENT);
  assert_int_equal (mkfifoat (t->fd, "fifo", 0600), 0);
  assert_int_equal (store_get_file (t->fd, "fifo", 6, &data, &len, &err),
                    -EINVAL);
  assert_int_equal (symlinkat ("f", t->fd, "link"), 0);
  assert_int_equal (store_get_file (t->fd, "link", 6, &data, &len, &err),
                    -ELOOP);
  assert_int_equal (store_put_file (t->fd, "a/b", "", 0, 0600, &err), -EINVAL);
  assert_int_equal (store_put_file (t->fd, "", "", 0, 0600, &err), -EINVAL);
  assert_int_equal (store_put_file (t->fd, "e", "", 0, 0600, &err), 0);
  assert_int_equal (store_get_file (t->fd, "e", 0, &data, &len, &err), 0);
  assert_int_equal (len, 0);
  free (data);
  data = NULL;

  limit_file_size (2);
  int r = store_put_file (t->fd, "f", "third", 5, 0600, &err);
  limit_file_size (RLIM_INFINITY);
  assert_int_equal (r, -EFBIG);
  assert_false (exists (t, "f.new"));
  assert_int_equal (slurp (t, "f", &data), 6);
  free (data);
  data = NULL;

  /* A size that stat() does not tell. */
  CLEANUP_CLOSE int proc = open ("/proc/self", O_RDONLY | O_DIRECTORY);
  assert_int_equal (store_get_file (proc, "status", 65536, &data, &len, &err),
                    0);
  assert_true (len > 100);
  free (data);
  assert_int_equal (store_get_file (proc, "status", 100, &data, &len, &err),
                    -EFBIG);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (test_crc),
    T (test_append_and_replay),
    T (test_sizes),
    T (test_search_across_windows),
    T (test_second_opening_is_busy),
    T (test_names_and_kinds),
    T (test_replace),
    T (test_leftover_is_removed),
    T (test_no_room),
    T (test_whole_files),
  };

  /* RLIMIT_FSIZE then shows as EFBIG. */
  signal (SIGXFSZ, SIG_IGN);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
