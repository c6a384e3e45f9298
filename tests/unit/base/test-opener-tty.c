/* SPDX-License-Identifier: Apache-2.0
 *
 * Terminals by the opener, and a lock on them that others understand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/unit/base/opener-bed.h"

struct term
{
  int master;
  char name[16]; /* "7" of /dev/pts/7 */
  struct open_req req;
  char lock[160];
};

static void
make_term (struct bed *b, struct term *t)
{
  unsigned n;

  t->master = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (t->master < 0)
    skip ();
  assert_int_equal (grantpt (t->master), 0);
  assert_int_equal (unlockpt (t->master), 0);
  assert_int_equal (sscanf (ptsname (t->master), "/dev/pts/%u", &n), 1);
  snprintf (t->name, sizeof t->name, "%u", n);
  t->req = (struct open_req){
    .kind = OPEN_TTY, .root = "/dev/pts", .path = t->name, .lock_dir = b->locks
  };
  snprintf (t->lock, sizeof t->lock, "%s/LCK.._pts_%u", b->locks, n);
}

static int
dead_pid (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
  return (int) pid;
}

static unsigned
count_names (const char *dir)
{
  CLEANUP_CLOSEDIR DIR *d = opendir (dir);
  unsigned n = 0;

  while (readdir (d))
    n++;
  return n - 2;
}

static void
test_tty (void **state)
{
  struct bed *b = *state;
  struct error err = ERROR_INIT;
  struct opener *o = opener_local ();
  struct term t;
  int fd = -1, lock = -1, fd2 = -1, lock2 = -1;
  char text[64], want[64];
  struct stat st;

  make_term (b, &t);
  assert_int_equal (o->open (o, &t.req, CLOCK_NEVER, &fd, &lock, &err), 0);
  assert_true (isatty (fd));
  assert_true (fcntl (fd, F_GETFL) & O_NONBLOCK);
  assert_true (lock >= 0);
  /* What libvirt reads. */
  assert_int_equal (
      try_open (OPEN_FILE, b->locks, strrchr (t.lock, '/') + 1, text), 0);
  snprintf (want, sizeof want, "%10d\n", (int) getpid ());
  assert_string_equal (text, want);
  assert_int_equal (stat (t.lock, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0644);
  assert_int_equal (count_names (b->locks), 1);
  /* Held: by a reader of the same process even. */
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), -EBUSY);
  assert_int_equal (fd2, -1);
  /* By another root it is the same lock; with other locks, the terminal itself
   * tells. */
  t.req.root = "/dev";
  snprintf (text, sizeof text, "pts/%s", t.name);
  t.req.path = text;
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), -EBUSY);
  t.req.lock_dir = b->root;
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), -EBUSY);
  t.req.root = "/dev/pts/"; /* the same name, with a slash too many */
  t.req.path = t.name;
  t.req.lock_dir = b->locks;
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), -EBUSY);
  assert_int_equal (count_names (b->locks), 1);
  close (fd);
  o->release (o, &t.req, lock);
  o->release (o, &t.req, -1);
  assert_int_equal (access (t.lock, F_OK), -1);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  close (fd);
  open_lock_release (&t.req, lock);
  close (t.master);
}

static void
test_tty_lock_of_others (void **state)
{
  static const char *const junk[]
      = { "", "\n", "xyz\n", "-5\n", "0\n", "99999999999999999999\n" };
  struct bed *b = *state;
  struct error err = ERROR_INIT;
  struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
  struct timespec new[2] = { { .tv_sec = 0 } };
  struct term t;
  int fd = -1, lock = -1;
  char text[64];

  make_term (b, &t);
  /* A live process has it. */
  snprintf (text, sizeof text, "%10d\n", (int) getppid ());
  put (t.lock, text);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -EBUSY);
  assert_int_equal (access (t.lock, F_OK), 0);
  /* A dead one had it. */
  snprintf (text, sizeof text, "%10d\n", dead_pid ());
  put (t.lock, text);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  close (fd);
  open_lock_release (&t.req, lock);
  /* Nobody can be read from it: new, it is being written; old, a leftover. */
  for (size_t i = 0; i < ARRAY_LEN (junk); i++)
    {
      put (t.lock, junk[i]);
      /* As new as can be, should this machine stand still meanwhile. */
      new[0].tv_sec = new[1].tv_sec = time (NULL) + 1;
      assert_int_equal (utimensat (AT_FDCWD, t.lock, new, 0), 0);
      assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -EBUSY);
      assert_int_equal (utimensat (AT_FDCWD, t.lock, old, 0), 0);
      assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
      close (fd);
      open_lock_release (&t.req, lock);
    }
  /* A stamp of the second to come is as new; one far ahead is a leftover. */
  put (t.lock, "");
  old[0].tv_sec = old[1].tv_sec = time (NULL) + 1;
  assert_int_equal (utimensat (AT_FDCWD, t.lock, old, 0), 0);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -EBUSY);
  old[0].tv_sec = old[1].tv_sec = time (NULL) + 1000;
  assert_int_equal (utimensat (AT_FDCWD, t.lock, old, 0), 0);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  close (fd);
  open_lock_release (&t.req, lock);
  /* A link is not followed, a folder not removed. */
  assert_int_equal (symlink (in_dir (b, "outside"), t.lock), 0);
  assert_true (opener_do (&t.req, &fd, &lock, &err) < 0);
  assert_int_equal (access (in_dir (b, "outside"), F_OK), 0);
  unlink (t.lock);
  assert_int_equal (mkdir (t.lock, 0700), 0);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -EBUSY);
  rmdir (t.lock);
  close (t.master);
}

/* Closing the lock is not letting go of it; what was taken over in between is
 * not removed by a late release. */
static void
test_tty_lock_life (void **state)
{
  siginfo_t si;
  struct bed *b = *state;
  struct error err = ERROR_INIT;
  struct term t;
  int fd = -1, lock = -1, fd2 = -1, lock2 = -1;
  char text[64];
  pid_t reader;

  make_term (b, &t);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  close (fd);
  close (lock);
  assert_int_equal (access (t.lock, F_OK), 0);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0); /* taken over */
  close (fd);
  /* libvirt thinks it stale, removes it and makes its own. */
  unlink (t.lock);
  snprintf (text, sizeof text, "%10d\n", (int) getppid ());
  put (t.lock, text);
  open_lock_release (&t.req, lock);
  assert_int_equal (access (t.lock, F_OK), 0);
  unlink (t.lock);
  /* For a reader that is another process: it lives, it is killed. */
  reader = sleeper ();
  t.req.lock_pid = reader;
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  close (fd);
  close (lock);
  t.req.lock_pid = 0;
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), -EBUSY);
  kill (reader, SIGKILL);
  /* Dead, though nobody has noticed yet. */
  assert_int_equal (waitid (P_PID, (id_t) reader, &si, WEXITED | WNOWAIT), 0);
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), 0);
  assert_int_equal (waitpid (reader, NULL, 0), reader);
  close (fd2);
  open_lock_release (&t.req, lock2);
  close (t.master);
}

static void
test_tty_no_lock (void **state)
{
  struct bed *b = *state;
  struct error err = ERROR_INIT;
  struct term t;
  int fd = -1, lock = -1, fd2 = -1, lock2 = -7;

  make_term (b, &t);
  /* No folder for locks: without, but still one at a time. */
  t.req.lock_dir = "/nowhere/locks";
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  assert_int_equal (lock, -1);
  assert_int_equal (opener_do (&t.req, &fd2, &lock2, &err), -EBUSY);
  close (fd);
  t.req.lock_dir = b->locks;
  assert_int_equal (opener_do (&t.req, &fd, NULL, &err), -EINVAL);
  /* Not a terminal: no lock stays behind. */
  t.req.root = "/dev";
  t.req.path = "null";
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -ENOTTY);
  t.req.root = b->root;
  t.req.path = "file";
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -ENOTTY);
  assert_int_equal (count_names (b->locks), 0);
  close (t.master);
}

/* A terminal's number is given to the next one that asks for one: when the
 * process that had the other end is gone, it is a stranger's. */
static void
test_tty_of_a_process (void **state)
{
  struct bed *b = *state;
  struct error err = ERROR_INIT;
  struct term t;
  int fd = -1, lock = -1;

  make_term (b, &t);
  t.req.check_pid = getpid ();
  assert_int_equal (proc_start_time (getpid (), &t.req.check_start, &err), 0);
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
  close (fd);
  open_lock_release (&t.req, lock);
  fd = lock = -1;
  t.req.check_start++;
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -ESTALE);
  t.req.check_pid = dead_pid ();
  assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -ESTALE);
  assert_int_equal (fd, -1);
  assert_int_equal (lock, -1);
  assert_int_equal (count_names (b->locks), 0);
  close (t.master);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    BED (test_tty),
    BED (test_tty_lock_of_others),
    BED (test_tty_lock_life),
    BED (test_tty_no_lock),
    BED (test_tty_of_a_process),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
