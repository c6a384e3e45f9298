/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: what comes back after every kind of damage to its log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/base/store-log.h"

/* Cut at every length: all whole records, nothing else, and the next append
 * goes well. */
static void
test_torn_at_every_length (void **state)
{
  struct tmpdir *t = *state;
  CLEANUP_FREE char *log = NULL;
  size_t ends[7] = { STORE_FILE_HEAD };
  struct store_stats stats;
  struct seen s;

  make_log (t, 6);
  size_t len = slurp (t, "log", &log);
  for (unsigned i = 1; i <= 6; i++)
    ends[i] = ends[i - 1] + STORE_HEAD + i * 7;
  assert_int_equal (ends[6], len);
  for (size_t cut = 0; cut < len; cut++)
    {
      unsigned whole = 0;

      while (whole < 6 && ends[whole + 1] <= cut)
        whole++;
      put_raw (t, log, cut);
      struct store *st = open_store (t, &s, &stats);
      assert_int_equal (s.n, whole);
      assert_int_equal (stats.bad, 0);
      size_t good = whole || cut >= ends[0] ? ends[whole] : 0;
      assert_int_equal (stats.torn, cut - good);
      append_nth (st, whole + 1);
      store_close (st);
      store_close (open_store (t, &s, &stats));
      assert_int_equal (s.n, whole + 1);
      for (unsigned i = 0; i <= whole; i++)
        assert_true (is_nth (&s, i, i + 1));
      assert_int_equal (stats.bad + stats.torn, 0);
    }
  assert_false (exists (t, "log.bad"));
}

static void
test_zero_tail_is_torn (void **state)
{
  struct tmpdir *t = *state;
  struct store_stats stats;
  struct seen s;

  make_log (t, 3);
  CLEANUP_CLOSE int fd = openat (t->fd, "log", O_WRONLY);
  struct stat sb;
  assert_int_equal (fstat (fd, &sb), 0);
  assert_int_equal (ftruncate (fd, sb.st_size + 200000), 0);
  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 3);
  assert_int_equal (stats.torn, 200000);
  assert_int_equal (stats.bad, 0);
  assert_int_equal (stats.bytes, sb.st_size);

  /* Nothing but zeros: a file whose first write was lost. */
  tmpdir_clear (t);
  CLEANUP_CLOSE int fd2 = openat (t->fd, "log", O_WRONLY | O_CREAT, 0600);
  assert_int_equal (ftruncate (fd2, 5000), 0);
  store_close (open_store (t, &s, &stats));
  assert_int_equal (stats.torn, 5000);
  assert_int_equal (stats.bytes, 0);
}

/* One byte changed, at every place: every other record is still there, in
 * order; the damage is in log.bad and not in the log any more. */
static void
test_damage_at_every_byte (void **state)
{
  struct tmpdir *t = *state;
  CLEANUP_FREE char *log = NULL;
  struct store_stats stats;
  struct seen s;

  make_log (t, 5);
  size_t len = slurp (t, "log", &log);
  for (size_t at = 0; at < len; at++)
    {
      unsigned hit = 0;
      size_t end = STORE_FILE_HEAD;

      while (at >= end)
        end += STORE_HEAD + ++hit * 7;
      tmpdir_clear (t);
      log[at] ^= 0x10;
      put_raw (t, log, len);
      struct store *st = open_store (t, &s, &stats);
      assert_int_equal (stats.bad, 1);
      assert_int_equal (stats.torn, 0);
      assert_int_equal (s.n, hit ? 4 : 5);
      for (unsigned i = 1, k = 0; i <= 5; i++)
        if (i != hit)
          assert_true (is_nth (&s, k++, i));
      CLEANUP_FREE char *bad = NULL;
      size_t from = hit ? end - STORE_HEAD - hit * 7 : 0;
      size_t bad_len = slurp (t, "log.bad", &bad);
      assert_non_null (memmem (bad, bad_len, log + from, end - from));
      append_nth (st, 6);
      store_close (st);
      store_close (open_store (t, &s, &stats));
      assert_int_equal (s.n, hit ? 5 : 6);
      assert_true (is_nth (&s, s.n - 1, 6));
      assert_int_equal (stats.bad + stats.torn, 0);
      log[at] ^= 0x10;
    }
}

/* A guest writes a whole log into what we record of it.  The record around
 * it is damaged; what the guest wrote is not taken for records. */
static void
test_forged_record_is_not_found (void **state)
{
  struct tmpdir *t = *state;
  CLEANUP_FREE char *forged = NULL;
  struct error err = ERROR_INIT;
  struct seen s;

  make_log (t, 4);
  size_t forged_len = slurp (t, "log", &forged);
  for (size_t damage = 0; damage < STORE_HEAD; damage++)
    {
      tmpdir_clear (t);
      struct store *st = open_store (t, &s, NULL);
      assert_int_equal (store_append (st, 40, forged, forged_len, &err), 0);
      append_nth (st, 7);
      store_close (st);

      CLEANUP_FREE char *log = NULL;
      size_t len = slurp (t, "log", &log);
      log[STORE_FILE_HEAD + damage] ^= 1;
      put_raw (t, log, len);
      store_close (open_store (t, &s, NULL));
      assert_int_equal (s.n, 1);
      assert_true (is_nth (&s, 0, 7));
    }
}

/* Checksums are right, what they vouch for is not: a record longer than any,
 * and a number after which none is left. */
static void
test_impossible_heads (void **state)
{
  struct tmpdir *t = *state;
  struct store_stats stats;
  struct seen s;
  const size_t body = STORE_MAX_RECORD + 1;
  const size_t size = STORE_FILE_HEAD + STORE_HEAD + body;
  CLEANUP_FREE unsigned char *log = calloc (1, size);
  struct store_head h = { .marker = 77, .seq = 1, .len = (uint32_t) body };

  store_pack_file_head (log, h.marker);
  h.data_crc = crc32c (0, log + STORE_FILE_HEAD + STORE_HEAD, body);
  store_pack_head (log + STORE_FILE_HEAD, &h);
  put_raw (t, log, size);
  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 0);
  assert_int_equal (stats.bad, 1);

  h = (struct store_head){ .marker = 77, .seq = UINT64_MAX };
  store_pack_head (log + STORE_FILE_HEAD, &h);
  put_raw (t, log, STORE_FILE_HEAD + STORE_HEAD);
  struct store *st = open_store (t, &s, &stats);
  assert_int_equal (s.n, 0);
  append_nth (st, 1);
  append_nth (st, 2);
  store_close (st);
  store_close (open_store (t, &s, NULL));
  assert_int_equal (s.n, 2);
}

/* A record that stands there twice (a copied block) counts once. */
static void
test_repeated_record_counts_once (void **state)
{
  struct tmpdir *t = *state;
  CLEANUP_FREE char *log = NULL;
  struct store_stats stats;
  struct seen s;

  make_log (t, 3);
  size_t len = slurp (t, "log", &log);
  size_t last = STORE_HEAD + 3 * 7;
  CLEANUP_FREE char *twice = malloc (len + last);
  memcpy (twice, log, len);
  memcpy (twice + len, log + len - last, last);
  put_raw (t, twice, len + last);
  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 3);
  assert_int_equal (stats.bad, 1);
}

static void
test_foreign_file_is_kept_whole (void **state)
{
  struct tmpdir *t = *state;
  struct store_stats stats;
  struct seen s;
  char junk[9000];

  for (size_t i = 0; i < sizeof junk; i++)
    junk[i] = (char) (i * 131 + 1);
  put_raw (t, junk, sizeof junk);
  struct store *st = open_store (t, &s, &stats);
  assert_int_equal (s.n, 0);
  assert_int_equal (stats.bad, 1);
  append_nth (st, 1);
  store_close (st);
  CLEANUP_FREE char *bad = NULL;
  assert_int_equal (slurp (t, "log.bad", &bad), sizeof junk);
  assert_memory_equal (bad, junk, sizeof junk);
  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 1);
  assert_int_equal (stats.bad, 0);
}

static void
test_side_file_is_bounded (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct seen s;
  CLEANUP_FREE char *big = calloc (1, STORE_MAX_RECORD);

  for (unsigned round = 0; round < 7; round++)
    {
      struct store *st = open_store (t, &s, NULL);
      assert_int_equal (store_append (st, 1, big, STORE_MAX_RECORD, &err), 0);
      append_nth (st, 2);
      store_close (st);
      CLEANUP_CLOSE int fd = openat (t->fd, "log", O_WRONLY);
      off_t at = STORE_FILE_HEAD + (off_t) round * (STORE_HEAD + 14);
      assert_int_equal (pwrite (fd, "!", 1, at + STORE_HEAD + 100), 1);
      store_close (open_store (t, &s, NULL));
      assert_int_equal (s.n, round + 1);
    }
  struct stat sb;
  assert_int_equal (fstatat (t->fd, "log.bad", &sb, 0), 0);
  assert_true (sb.st_size >= 4 << 20);
  assert_true (sb.st_size <= (4 << 20) + 8192);
}

static void
test_other_version_is_refused (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store *st = NULL;
  CLEANUP_FREE char *log = NULL;

  make_log (t, 2);
  size_t len = slurp (t, "log", &log);
  unsigned char *head = (unsigned char *) log;
  head[8] = 2;
  uint32_t crc = crc32c (0, head, 20);
  for (int i = 0; i < 4; i++)
    head[20 + i] = (unsigned char) (crc >> (8 * i));
  put_raw (t, log, len);
  assert_int_equal (store_open (t->fd, "log", NULL, NULL, &st, &err),
                    -EPROTONOSUPPORT);
  assert_non_null (strstr (error_text (&err), "log: "));
  assert_null (st);
  CLEANUP_FREE char *now = NULL;
  assert_int_equal (slurp (t, "log", &now), len);
  assert_memory_equal (now, log, len);
}

static void
test_replay_may_refuse (void **state)
{
  struct tmpdir *t = *state;
  struct error err = ERROR_INIT;
  struct store *st = NULL;
  struct seen s = { .fail_at = 2 };
  CLEANUP_FREE char *before = NULL, *after = NULL;

  make_log (t, 4);
  size_t len = slurp (t, "log", &before);
  before[len - 1] ^= 1;
  put_raw (t, before, len);
  assert_int_equal (store_open (t->fd, "log", see, &s, &st, &err), -EPROTO);
  assert_null (st);
  assert_int_equal (s.n, 2);
  assert_int_equal (slurp (t, "log", &after), len);
  assert_memory_equal (before, after, len);
  assert_false (exists (t, "log.bad"));
}

/* Damage, and no room to set it aside: the store opens, takes records behind
 * the damage, and mends itself at the first opening with room. */
static void
test_damage_without_room (void **state)
{
  struct tmpdir *t = *state;
  CLEANUP_FREE char *log = NULL;
  struct store_stats stats;
  struct seen s;

  make_log (t, 6);
  size_t len = slurp (t, "log", &log);
  log[len - 1] ^= 1; /* the last: its number must not be given again */
  log[STORE_FILE_HEAD + 1] ^= 1;
  put_raw (t, log, len);
  limit_file_size (3);
  struct store *st = open_store (t, &s, &stats);
  limit_file_size (RLIM_INFINITY);
  assert_int_equal (s.n, 4);
  assert_int_equal (stats.bad, 2);
  assert_int_equal (stats.bytes, len);
  append_nth (st, 7);
  store_close (st);

  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 5);
  assert_int_equal (stats.bad, 2);
  for (unsigned i = 0; i < 4; i++)
    assert_true (is_nth (&s, i, i + 2));
  assert_true (is_nth (&s, 4, 7));
  store_close (open_store (t, &s, &stats));
  assert_int_equal (s.n, 5);
  assert_int_equal (stats.bad, 0);
}

int
main (void)
{
#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T (test_torn_at_every_length),       T (test_zero_tail_is_torn),
    T (test_damage_at_every_byte),       T (test_forged_record_is_not_found),
    T (test_impossible_heads),           T (test_repeated_record_counts_once),
    T (test_foreign_file_is_kept_whole), T (test_side_file_is_bounded),
    T (test_other_version_is_refused),   T (test_replay_may_refuse),
    T (test_damage_without_room),
  };

  /* RLIMIT_FSIZE then shows as EFBIG. */
  signal (SIGXFSZ, SIG_IGN);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
