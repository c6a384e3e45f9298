/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: what comes back after every kind of damage.  (Crashes and
 * failing system calls: tests/lib/test-crash-store.sh.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/store.h"
#include "base/store_scan.h"
#include "tests/unit/base/tmpdir.h"

#define MAX_SEEN 64

struct seen
{
  unsigned n;
  struct
  {
    uint16_t type;
    size_t len;
    uint32_t crc;
    unsigned char first;
  } r[MAX_SEEN];
  int fail_at; /* 1-based; 0 = never */
};

static int
see (uint16_t type, const void *data, size_t len, void *arg)
{
  struct seen *s = arg;

  assert_true (s->n < MAX_SEEN);
  s->r[s->n].type = type;
  s->r[s->n].len = len;
  s->r[s->n].crc = crc32c (0, data, len);
  s->r[s->n].first = len ? *(const unsigned char *) data : 0;
  s->n++;
  return s->fail_at == (int) s->n ? -EPROTO : 0;
}

/* Record i: type i, i * 7 bytes that differ from record to record. */
static void
fill (unsigned char *dst, unsigned i)
{
  for (unsigned k = 0; k < i * 7; k++)
    dst[k] = (unsigned char) (i * 31 + k);
}

static void
append_nth (struct store *st, unsigned i)
{
  unsigned char data[MAX_SEEN * 7];
  struct error err = ERROR_INIT;

  fill (data, i);
  if (store_append (st, (uint16_t) i, data, i * 7, &err) < 0)
    fail_msg ("append %u: %s", i, error_text (&err));
}

static bool
is_nth (const struct seen *s, unsigned at, unsigned i)
{
  unsigned char data[MAX_SEEN * 7];

  fill (data, i);
  return s->r[at].type == i && s->r[at].len == i * 7
         && s->r[at].crc == crc32c (0, data, i * 7);
}

static struct store *
open_store (struct tmpdir *t, struct seen *s, struct store_stats *ret)
{
  struct error err = ERROR_INIT;
  struct store *st = NULL;

  memset (s, 0, sizeof *s);
  if (store_open (t->fd, "log", see, s, &st, &err) < 0)
    fail_msg ("open: %s", error_text (&err));
  if (ret)
    store_stats (st, ret);
  return st;
}

static void
make_log (struct tmpdir *t, unsigned n)
{
  struct seen s;

  tmpdir_clear (t);
  struct store *st = open_store (t, &s, NULL);
  assert_int_equal (s.n, 0);
  for (unsigned i = 1; i <= n; i++)
    append_nth (st, i);
  store_close (st);
}

static size_t
slurp (struct tmpdir *t, const char *name, char **ret)
{
  size_t len = 0;
  struct error err = ERROR_INIT;

  if (store_get_file (t->fd, name, 64u << 20, ret, &len, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return len;
}

/* Overwrites the log as damage would: in place. */
static void
put_raw (struct tmpdir *t, const void *data, size_t len)
{
  CLEANUP_CLOSE int fd = openat (t->fd, "log", O_WRONLY | O_CREAT | O_TRUNC,
                                 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, data, len), (ssize_t) len);
}

static bool
exists (struct tmpdir *t, const char *name)
{
  return faccessat (t->fd, name, F_OK, 0) == 0;
}

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
  assert_int_equal (store_open (t->fd, "../x", NULL, NULL, &st, &err),
                    -EINVAL);
  assert_int_equal (mkfifoat (t->fd, "fifo", 0600), 0);
  assert_int_equal (store_open (t->fd, "fifo", NULL, NULL, &st, &err),
                    -EINVAL);
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
      assert_true (store_append (fresh, 1, "", STORE_MAX_RECORD + 1, NULL)
                   < 0);
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

static void
limit_file_size (rlim_t bytes)
{
  struct rlimit rl;

  assert_int_equal (getrlimit (RLIMIT_FSIZE, &rl), 0);
  rl.rlim_cur = bytes;
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &rl), 0);
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
    T (test_torn_at_every_length),
    T (test_zero_tail_is_torn),
    T (test_damage_at_every_byte),
    T (test_forged_record_is_not_found),
    T (test_repeated_record_counts_once),
    T (test_foreign_file_is_kept_whole),
    T (test_side_file_is_bounded),
    T (test_other_version_is_refused),
    T (test_second_opening_is_busy),
    T (test_replay_may_refuse),
    T (test_names_and_kinds),
    T (test_replace),
    T (test_leftover_is_removed),
    T (test_no_room),
    T (test_damage_without_room),
    T (test_whole_files),
  };

  /* RLIMIT_FSIZE then shows as EFBIG. */
  signal (SIGXFSZ, SIG_IGN);
  return cmocka_run_group_tests (tests, NULL, NULL);
}
