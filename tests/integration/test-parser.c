/* SPDX-License-Identifier: Apache-2.0
 *
 * The real hangdog-parser: each wall of its jail stands, it is quick to
 * start, and its tasks say the truth about good, torn and forged bundles.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sanitize.h"
#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/bundle.h"
#include "tests/lib/built.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char program[PATH_MAX];

struct place
{
  struct tmpdir tmp;
  int bundle;
  uint64_t size;
};

/* Starts it with args; our end of the channel. */
static pid_t
start (int input, int *ret_channel, const char *const *args)
{
  const char *argv[12] = { program };
  int pair[2];
  pid_t pid;

  for (unsigned i = 0; i < 10 && args[i]; i++)
    argv[i + 1] = args[i];
  assert_int_equal (
      socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  pid = fork ();
  if (pid == 0)
    {
      int a = fcntl (pair[1], F_DUPFD, 20), b = fcntl (input, F_DUPFD, 20);

      dup2 (a, 3), dup2 (b, 4);
      execv (program, (char *const *) (uintptr_t) argv);
      _exit (127);
    }
  close (pair[1]);
  *ret_channel = pair[0];
  return pid;
}

static int
self_test (const char *wall, const char *deadline)
{
  const char *args[] = { "--deadline", deadline, "--self-test", wall, NULL };
  CLEANUP_CLOSE int input = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  CLEANUP_CLOSE int channel = -1;
  int st;
  pid_t pid = start (input, &channel, args);

  waitpid (pid, &st, 0);
  return st;
}

static void
test_walls (void **state)
{
  static const char *const deadly[]
      = { "socket", "exec", "fork", "ptrace", "exec-memory" };
  static const char *const refused[] = { "nothing", "open", "memory" };

  for (size_t i = 0; i < ARRAY_LEN (deadly); i++)
    {
      int st = self_test (deadly[i], "10s");

      if (!WIFSIGNALED (st) || WTERMSIG (st) != SIGSYS)
        fail_msg ("%s: status %x", deadly[i], (unsigned) st);
    }
  for (size_t i = 0; i < ARRAY_LEN (refused); i++)
    {
      if (SANITIZED && strcmp (refused[i], "memory") == 0)
        continue;
      int st = self_test (refused[i], "10s");
      if (st != 0)
        fail_msg ("%s: status %x", refused[i], (unsigned) st);
    }
}

static void
test_deadline (void **state)
{
  uint64_t began = clock_ms ();
  int st = self_test ("deadline", "200ms");

  assert_true (WIFSIGNALED (st) && WTERMSIG (st) == SIGALRM);
  assert_true (clock_ms () - began >= 190);
  assert_true (clock_ms () - began < 60000);
}

static int
by_size (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return x < y ? -1 : x > y;
}

/* Half of `times` runs of it took less. */
static uint64_t
median_us (unsigned times, uint64_t *ret_best)
{
  uint64_t took[101];

  assert_in_range (times, 1, ARRAY_LEN (took));
  for (unsigned i = 0; i < times; i++)
    {
      uint64_t began = clock_us ();

      assert_int_equal (self_test ("nothing", "10s"), 0);
      took[i] = clock_us () - began;
    }
  qsort (took, times, sizeof *took, by_size);
  *ret_best = took[0];
  return took[times / 2];
}

/* What a programme costs that does nothing at all: fork, exec, the C library
 * and the end.  The rest is the parser's. */
static void
test_quick (void **state)
{
  char parser[PATH_MAX];
  uint64_t median, best, floor, floor_best, may;
  bool is_quick = false;

  snprintf (parser, sizeof parser, "%s", program);
  /* The best ones: the machine may have others to run, and so many of them
   * that none of a hundred runs is left alone. */
  for (unsigned i = 0; i < 5 && !is_quick; i++)
    {
      median = median_us (101, &best);
      snprintf (program, sizeof program, "/bin/true");
      floor = median_us (101, &floor_best);
      snprintf (program, sizeof program, "%s", parser);
      print_message ("start, jail and end: median %.2f ms, best %.2f ms; "
                     "/bin/true: median %.2f ms, best %.2f ms\n",
                     (double) median / 1000, (double) best / 1000,
                     (double) floor / 1000, (double) floor_best / 1000);
      /* A library too much is a millisecond, or more where /bin/true takes
       * that long. */
      may = floor_best * 5 / 4 > 1000 ? floor_best * 5 / 4 : 1000;
      is_quick = best < floor_best + may;
    }
  assert_true (is_quick || SANITIZED);
}

/* ---- bundles ---- */

static void
put (int dirfd, const char *name, size_t len)
{
  CLEANUP_FREE char *data = malloc (len);
  uint32_t x = 1;

  for (size_t i = 0; i < len; i++)
    data[i] = (char) ((x = x * 1664525 + 1013904223) >> 24);
  assert_int_equal (tmpdir_put (dirfd, name, data, len), 0);
}

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);
  struct error err = ERROR_INIT;
  CLEANUP_CLOSE int work = -1;
  char digest[65];

  signal (SIGPIPE, SIG_IGN);
  if (tmpdir_make (&p->tmp) < 0)
    return -1;
  mkdirat (p->tmp.fd, "work", 0700);
  work = openat (p->tmp.fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  put (work, "a.txt", 1000);
  put (work, "b.bin", 200000);
  put (work, "c.txt", 10);
  if (bundle_pack (work, p->tmp.fd, "b.tar.zst", NULL, NULL, digest, &p->size,
                   &err) < 0)
    return -1;
  p->bundle = openat (p->tmp.fd, "b.tar.zst", O_RDWR | O_CLOEXEC);
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  close (p->bundle);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

struct result
{
  char text[2048];  /* "op name state" lines */
  struct buf data;
  bool ok, torn, ended;
  int status;
};

static void
ask (int input, struct result *ret, const char *const *args)
{
  CLEANUP_CLOSE int channel = -1;
  pid_t pid;

  buf_done (&ret->data);
  memset (ret, 0, sizeof *ret);
  ret->data = (struct buf) BUF_INIT (4u << 20);
  lseek (input, 0, SEEK_SET);
  pid = start (input, &channel, args);
  while (!ret->ended)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      struct error err = ERROR_INIT;

      if (frame_read (channel, &f, clock_ms () + 60000, &err) < 0)
        break;
      const char *op = json_get_str (f.head, "op");
      const char *name = json_get_str (f.head, "name");
      const char *st = json_get_str (f.head, "state");
      size_t n = strlen (ret->text);

      buf_append (&ret->data, f.body, f.body_len);
      if (strcmp (op, "data") != 0)
        snprintf (ret->text + n, sizeof ret->text - n, "%s%s%s%s%s;", op,
                  name ? " " : "", name ? name : "", st ? " " : "",
                  st ? st : "");
      ret->ended = strcmp (op, "end") == 0 || strcmp (op, "foreign") == 0;
      ret->ok = json_get_bool (f.head, "ok", false);
      ret->torn = json_get_bool (f.head, "torn", false);
    }
  waitpid (pid, &ret->status, 0);
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
test_bundle (void **state)
{
  struct place *p = *state;
  struct result r = { 0 };

  ask (p->bundle, &r, ARGS ("bundle-list"));
  assert_string_equal (r.text, "member manifest.json ok;member a.txt ok;"
                               "member b.bin ok;member c.txt ok;"
                               "member SHA256SUMS ok;end;");
  assert_true (r.ok && r.status == 0);
  ask (p->bundle, &r, ARGS ("bundle-verify"));
  assert_true (r.ok && r.status == 0);
  ask (p->bundle, &r, ARGS ("bundle-cat", "b.bin"));
  assert_true (r.ok && r.status == 0);
  assert_int_equal (r.data.len, 200000);
  ask (p->bundle, &r, ARGS ("bundle-cat", "none"));
  assert_true (r.ended && !r.ok);
  buf_done (&r.data);
}

static void
test_torn_and_forged (void **state)
{
  struct place *p = *state;
  struct result r = { 0 };
  char other[65];
  uint64_t size;
  struct error err = ERROR_INIT;
  CLEANUP_FREE char *whole = malloc (p->size);
  unsigned char c;

  assert_int_equal (pread (p->bundle, whole, p->size, 0), (ssize_t) p->size);
  assert_int_equal (pread (p->bundle, &c, 1, 100000), 1);
  c ^= 1;
  assert_int_equal (pwrite (p->bundle, &c, 1, 100000), 1);
  ask (p->bundle, &r, ARGS ("bundle-verify"));
  assert_true (r.ended && !r.ok);
  assert_non_null (strstr (r.text, "member b.bin incomplete;"));
  assert_non_null (strstr (r.text, "member c.txt ok;"));
  assert_null (strstr (r.text, "missing")); /* told already */
  assert_int_equal (pwrite (p->bundle, whole, p->size, 0), (ssize_t) p->size);
  assert_int_equal (ftruncate (p->bundle, 100000), 0);
  ask (p->bundle, &r, ARGS ("bundle-verify"));
  assert_true (r.torn && !r.ok);
  assert_non_null (strstr (r.text, "missing c.txt missing;"));
  /* The manifest of one bundle before the members of another. */
  CLEANUP_CLOSE int work
      = openat (p->tmp.fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  put (work, "a.txt", 999);
  put (work, "d.txt", 5);
  assert_int_equal (bundle_pack (work, p->tmp.fd, "c.tar.zst", NULL, NULL,
                                 other, &size, &err), 0);
  CLEANUP_CLOSE int c_fd = openat (p->tmp.fd, "c.tar.zst", O_RDWR | O_CLOEXEC);
  CLEANUP_FREE char *second = malloc (size);
  assert_int_equal (pread (c_fd, second, size, 0), (ssize_t) size);
  /* The second frame begins behind the first one's magic. */
  char *at1 = memmem (whole + 4, p->size - 4, "\x28\xb5\x2f\xfd", 4);
  char *at2 = memmem (second + 4, size - 4, "\x28\xb5\x2f\xfd", 4);
  CLEANUP_CLOSE int mixed = memfd_create ("mixed", MFD_CLOEXEC);
  assert_int_equal (write (mixed, whole, (size_t) (at1 - whole)),
                    at1 - whole);
  assert_int_equal (write (mixed, at2, (size_t) (second + size - at2)),
                    second + size - at2);
  ask (mixed, &r, ARGS ("bundle-verify"));
  assert_true (r.ended && !r.ok && !r.torn);
  assert_non_null (strstr (r.text, "member a.txt differs;"));
  assert_non_null (strstr (r.text, "member d.txt unlisted;"));
  buf_done (&r.data);
}

static void
test_rubbish (void **state)
{
  struct result r = { 0 };
  CLEANUP_CLOSE int fd = memfd_create ("x", MFD_CLOEXEC);

  assert_int_equal (write (fd, "hello there, this is nothing", 28), 28);
  ask (fd, &r, ARGS ("bundle-verify"));
  assert_true (r.ended && !r.ok && r.status == 0);
  buf_done (&r.data);
}

#ifdef WITH_LIBARCHIVE
/* What other programs make goes through libarchive inside the jail, in a
 * process of its own. */
static void
test_foreign (void **state)
{
  static const char *const how[] = { "z", "J", "j" };
  struct place *p = *state;

  for (size_t i = 0; i < ARRAY_LEN (how); i++)
    {
      struct result r = { 0 };
      char opt[8], path[160];
      int st;
      pid_t pid;

      snprintf (opt, sizeof opt, "-c%sf", how[i]);
      snprintf (path, sizeof path, "%s/f.tar", p->tmp.path);
      if ((pid = fork ()) == 0)
        {
          if (chdir (p->tmp.path) == 0)
            execlp ("tar", "tar", opt, path, "work", (char *) NULL);
          _exit (127);
        }
      waitpid (pid, &st, 0);
      if (st != 0)
        continue; /* that compressor is not here */
      CLEANUP_CLOSE int fd = open (path, O_RDONLY | O_CLOEXEC);
      built_path (program, "hangdog-parser");
      ask (fd, &r, ARGS ("bundle-cat", "work/b.bin"));
      assert_string_equal (r.text, "foreign;");
      built_path (program, "hangdog-parser-foreign");
      ask (fd, &r, ARGS ("bundle-cat", "work/b.bin"));
      if (!r.ok || r.data.len != 200000)
        fail_msg ("tar %s: status %x, %s", opt, (unsigned) r.status, r.text);
      buf_done (&r.data);
    }
  /* Its walls are the same. */
  test_walls (state);
  test_bundle (state);
  test_torn_and_forged (state);
  built_path (program, "hangdog-parser");
}
#endif

#define T(f) cmocka_unit_test_setup_teardown (f, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_walls), cmocka_unit_test (test_deadline),
    cmocka_unit_test (test_quick), T (test_bundle),
    T (test_torn_and_forged),      cmocka_unit_test (test_rubbish),
#ifdef WITH_LIBARCHIVE
    T (test_foreign),
#endif
  };

  built_path (program, "hangdog-parser");
  /* The search for leaks starts a tracer at the end, which the jail forbids:
   * for the parser, not for this programme, which has read it already. */
  setenv ("ASAN_OPTIONS", "detect_leaks=0", 1);
  if (access (program, X_OK) < 0)
    return 77;
  return cmocka_run_group_tests (tests, NULL, NULL);
}
