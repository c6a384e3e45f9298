/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder with what an opener may and may not reach, and a process to open
 * files of.
 */
#ifndef HANGDOG_TESTS_OPENER_BED_H
#define HANGDOG_TESTS_OPENER_BED_H

#include "base/error.h"
#include "base/opener.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* An old kernel has not, nor has an old valgrind: links are then not followed
 * at all. */
static inline bool
follows_links (void)
{
  return syscall (SYS_openat2, -1, NULL, NULL, 0) == -1 && errno != ENOSYS;
}

static inline int
link_out (void)
{
  return follows_links () ? -EXDEV : -ELOOP;
}

struct bed
{
  struct tmpdir tmp; /* holds root/, outside, locks/ */
  char root[80], locks[80];
};

static inline char *
in_dir (const struct bed *b, const char *name)
{
  static char path[4][256];
  static unsigned n;
  char *p = path[n++ % 4];

  snprintf (p, sizeof path[0], "%s/%s", b->tmp.path, name);
  return p;
}

static inline void
put (const char *path, const char *text)
{
  assert_int_equal (tmpdir_put (AT_FDCWD, path, text, strlen (text)), 0);
}

static inline int
make_bed (void **state)
{
  struct bed *b = calloc (1, sizeof *b);

  assert_int_equal (tmpdir_make (&b->tmp), 0);
  snprintf (b->root, sizeof b->root, "%s/root", b->tmp.path);
  snprintf (b->locks, sizeof b->locks, "%s/locks", b->tmp.path);
  assert_int_equal (mkdir (b->root, 0700), 0);
  assert_int_equal (mkdir (b->locks, 0700), 0);
  assert_int_equal (mkdir (in_dir (b, "root/sub"), 0700), 0);
  put (in_dir (b, "outside"), "secret");
  put (in_dir (b, "root/file"), "well");
  put (in_dir (b, "root/sub/file"), "deep");
  assert_int_equal (symlink ("../outside", in_dir (b, "root/up")), 0);
  assert_int_equal (symlink (in_dir (b, "outside"), in_dir (b, "root/abs")), 0);
  assert_int_equal (symlink ("sub/file", in_dir (b, "root/in")), 0);
  assert_int_equal (symlink ("..", in_dir (b, "root/sub/dd")), 0);
  assert_int_equal (symlink ("../..", in_dir (b, "root/sub/dddd")), 0);
  assert_int_equal (mkfifo (in_dir (b, "root/fifo"), 0600), 0);
  *state = b;
  return 0;
}

static inline int
remove_bed (void **state)
{
  struct bed *b = *state;

  tmpdir_done (&b->tmp);
  free (b);
  return 0;
}

/* What opening gives; the descriptor is read and closed. */
static inline int
try_open (enum open_kind kind, const char *root, const char *path,
          char text[64])
{
  struct open_req req = { .kind = kind, .root = root, .path = path };
  struct error err = ERROR_INIT;
  int fd = -77, lock = -77, r;
  ssize_t n;

  r = opener_do (&req, &fd, &lock, &err);
  if (r < 0)
    {
      assert_int_equal (fd, -77);
      assert_int_equal (lock, -77);
      assert_int_equal (err.code, -r);
      return r;
    }
  assert_int_equal (lock, -1);
  assert_true (fcntl (fd, F_GETFD) & FD_CLOEXEC);
  if (text)
    {
      n = read (fd, text, 63);
      text[n > 0 ? n : 0] = '\0';
    }
  close (fd);
  return 0;
}

/* Somebody who is there until killed; goes with a test that fails. */
static inline pid_t
sleeper (void)
{
  pid_t pid = fork ();

  assert_true (pid >= 0);
  if (pid > 0)
    return pid;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  for (;;)
    pause ();
}

#define BED(t) cmocka_unit_test_setup_teardown (t, make_bed, remove_bed)

#endif
