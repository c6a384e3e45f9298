/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the store share: logs of numbered records, and what was
 * seen of them at replay.  Included after cmocka.h.
 */
#ifndef HANGDOG_TESTS_STORE_LOG_H
#define HANGDOG_TESTS_STORE_LOG_H

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/store.h"
#include "base/store_scan.h"
#include "tests/lib/tmpdir.h"

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

static inline int
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
static inline void
fill (unsigned char *dst, unsigned i)
{
  for (unsigned k = 0; k < i * 7; k++)
    dst[k] = (unsigned char) (i * 31 + k);
}

static inline void
append_nth (struct store *st, unsigned i)
{
  unsigned char data[MAX_SEEN * 7];
  struct error err = ERROR_INIT;

  fill (data, i);
  if (store_append (st, (uint16_t) i, data, i * 7, &err) < 0)
    fail_msg ("append %u: %s", i, error_text (&err));
}

static inline bool
is_nth (const struct seen *s, unsigned at, unsigned i)
{
  unsigned char data[MAX_SEEN * 7];

  fill (data, i);
  return s->r[at].type == i && s->r[at].len == i * 7
         && s->r[at].crc == crc32c (0, data, i * 7);
}

static inline struct store *
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

static inline void
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

static inline size_t
slurp (struct tmpdir *t, const char *name, char **ret)
{
  size_t len = 0;
  struct error err = ERROR_INIT;

  if (store_get_file (t->fd, name, 64u << 20, ret, &len, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return len;
}

/* Overwrites the log as damage would: in place. */
static inline void
put_raw (struct tmpdir *t, const void *data, size_t len)
{
  CLEANUP_CLOSE int fd
      = openat (t->fd, "log", O_WRONLY | O_CREAT | O_TRUNC, 0600);

  assert_true (fd >= 0);
  assert_int_equal (write (fd, data, len), (ssize_t) len);
}

static inline bool
exists (struct tmpdir *t, const char *name)
{
  return faccessat (t->fd, name, F_OK, 0) == 0;
}

static inline int
setup (void **state)
{
  struct tmpdir *t = malloc (sizeof *t);

  *state = t;
  return t ? tmpdir_make (t) : -1;
}

static inline int
teardown (void **state)
{
  tmpdir_done (*state);
  free (*state);
  return 0;
}

static inline void
limit_file_size (rlim_t bytes)
{
  struct rlimit rl;

  assert_int_equal (getrlimit (RLIMIT_FSIZE, &rl), 0);
  rl.rlim_cur = bytes;
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &rl), 0);
}

#endif
