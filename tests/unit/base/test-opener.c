/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener: nothing outside the root, nothing of another kind, the right
 * process, and a terminal lock that others understand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "tests/lib/tmpdir.h"

/* An old kernel has not, nor has an old valgrind: links are then not followed
 * at all. */
static bool
follows_links (void)
{
  return syscall (SYS_openat2, -1, NULL, NULL, 0) == -1 && errno != ENOSYS;
}

static int
link_out (void)
{
  return follows_links () ? -EXDEV : -ELOOP;
}

struct bed
{
  struct tmpdir tmp; /* holds root/, outside, locks/ */
  char root[80], locks[80];
};

static char *
in_dir (const struct bed *b, const char *name)
{
  static char path[4][256];
  static unsigned n;
  char *p = path[n++ % 4];

  snprintf (p, sizeof path[0], "%s/%s", b->tmp.path, name);
  return p;
}

static void
put (const char *path, const char *text)
{
  assert_int_equal (tmpdir_put (AT_FDCWD, path, text, strlen (text)), 0);
}

static int
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
  assert_int_equal (symlink (in_dir (b, "outside"), in_dir (b, "root/abs")),
                    0);
  assert_int_equal (symlink ("sub/file", in_dir (b, "root/in")), 0);
  assert_int_equal (symlink ("..", in_dir (b, "root/sub/dd")), 0);
  assert_int_equal (symlink ("../..", in_dir (b, "root/sub/dddd")), 0);
  assert_int_equal (mkfifo (in_dir (b, "root/fifo"), 0600), 0);
  *state = b;
  return 0;
}

static int
remove_bed (void **state)
{
  struct bed *b = *state;

  tmpdir_done (&b->tmp);
  free (b);
  return 0;
}

/* What opening gives; the descriptor is read and closed. */
static int
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

static void
test_file (void **state)
{
  struct bed *b = *state;
  char text[64];

  assert_int_equal (try_open (OPEN_FILE, b->root, "file", text), 0);
  assert_string_equal (text, "well");
  assert_int_equal (try_open (OPEN_FILE, b->root, "sub/file", text), 0);
  assert_string_equal (text, "deep");
  if (follows_links ())
    {
      assert_int_equal (try_open (OPEN_FILE, b->root, "in", text), 0);
      assert_string_equal (text, "deep");
      assert_int_equal (try_open (OPEN_FILE, b->root, "sub/dd/file", text), 0);
    }
  assert_int_equal (try_open (OPEN_FILE, b->root, "none", NULL), -ENOENT);
  assert_int_equal (try_open (OPEN_FILE, b->root, "sub", NULL), -EINVAL);
  /* Does not wait for a writer, and does not touch a device. */
  assert_int_equal (try_open (OPEN_FILE, b->root, "fifo", NULL), -EINVAL);
  assert_int_equal (try_open (OPEN_FILE, "/dev", "null", NULL), -EINVAL);
  assert_int_equal (try_open (OPEN_FILE, "/none", "file", NULL), -ENOENT);
}

static void
test_leading_out (void **state)
{
  static const char *const bad[]
      = { "../outside", "sub/../../outside", "/etc/passwd", "", "sub/",
          "sub//file",  "./file",            ".",           ".." };
  struct bed *b = *state;
  char path[5000];

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    if (try_open (OPEN_FILE, b->root, bad[i], NULL) != -EINVAL)
      fail_msg ("\"%s\" was let pass", bad[i]);
  assert_int_equal (try_open (OPEN_FILE, b->root, "up", NULL), link_out ());
  assert_int_equal (try_open (OPEN_FILE, b->root, "abs", NULL), link_out ());
  assert_int_equal (try_open (OPEN_FILE, b->root, "sub/dddd/outside", NULL),
                    follows_links () ? -EXDEV : -ENOTDIR);
  assert_true (try_open (OPEN_FILE, "/proc", "self/root/etc/passwd", NULL)
               < 0);
  assert_true (try_open (OPEN_FILE, "/proc", "self/exe", NULL) < 0);
  assert_int_equal (try_open (OPEN_FILE, "relative", "file", NULL), -EINVAL);
  assert_int_equal (try_open (OPEN_KIND_MAX, b->root, "file", NULL), -EINVAL);
  assert_int_equal (try_open ((enum open_kind) -1, b->root, "file", NULL),
                    -EINVAL);
  memset (path, 'x', sizeof path);
  path[sizeof path - 1] = '\0';
  assert_int_equal (try_open (OPEN_FILE, b->root, path, NULL), -ENAMETOOLONG);
}

static void
test_roots (void **state)
{
  static const char *const roots[] = { "/run/x", "/proc", NULL };
  struct open_req req
      = { .kind = OPEN_FILE, .root = "/run/x", .path = "a/b" };
  struct error err = ERROR_INIT;

  assert_int_equal (open_req_check (&req, roots, &err), 0);
  req.root = "/run/xy";
  assert_int_equal (open_req_check (&req, roots, &err), -EACCES);
  req.root = "/run/x/";
  assert_int_equal (open_req_check (&req, roots, &err), -EACCES);
  req.root = "/run/x";
  req.path = "a/../b";
  assert_int_equal (open_req_check (&req, roots, &err), -EINVAL);
  req.path = NULL;
  assert_int_equal (open_req_check (&req, roots, &err), -EINVAL);
}

/* A kernel that does not have openat2. */
static void
test_old_kernel (void **state)
{
  struct sock_filter filter[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog prog = { ARRAY_LEN (filter), filter };
  struct bed *b = *state;
  char text[64];
  int status;
  pid_t pid;

  pid = fork ();
  assert_true (pid >= 0);
  if (pid == 0)
    {
      if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
          || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
        _exit (77);
      if (syscall (SYS_openat2, -1, NULL, NULL, 0) != -1 || errno != ENOSYS)
        _exit (77);
      if (try_open (OPEN_FILE, b->root, "sub/file", text) != 0
          || strcmp (text, "deep") != 0)
        _exit (1);
      if (try_open (OPEN_FILE, b->root, "up", NULL) != -ELOOP
          || try_open (OPEN_FILE, b->root, "in", NULL) != -ELOOP)
        _exit (2);
      if (try_open (OPEN_FILE, b->root, "sub/dd/file", NULL) >= 0)
        _exit (3);
      if (try_open (OPEN_DIR, b->root, ".", NULL) != 0
          || try_open (OPEN_DIR, b->root, "sub/dd", NULL) >= 0
          || try_open (OPEN_DIR, b->root, "sub", NULL) != 0)
        _exit (4);
      _exit (0);
    }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  if (WEXITSTATUS (status) == 77)
    skip ();
  assert_int_equal (WEXITSTATUS (status), 0);
}

static void
test_dir_and_inotify (void **state)
{
  struct bed *b = *state;
  struct open_req req
      = { .kind = OPEN_INOTIFY, .root = b->root, .path = "sub" };
  struct error err = ERROR_INIT;
  CLEANUP_CLOSE int fd = -1;
  union
  {
    struct inotify_event ev;
    char bytes[1024];
  } u;
  int r;

  assert_int_equal (try_open (OPEN_DIR, b->root, "sub", NULL), 0);
  assert_int_equal (try_open (OPEN_DIR, b->root, ".", NULL), 0);
  assert_int_equal (try_open (OPEN_DIR, b->root, "file", NULL), -ENOTDIR);
  assert_int_equal (try_open (OPEN_INOTIFY, b->root, "file", NULL), -ENOTDIR);
  assert_int_equal (try_open (OPEN_INOTIFY, b->root, "sub/dddd", NULL),
                    follows_links () ? -EXDEV : -ENOTDIR);
  r = opener_do (&req, &fd, NULL, &err);
  /* The user's inotify instances are all taken, by others. */
  if (r == -EMFILE)
    skip ();
  assert_int_equal (r, 0);
  assert_int_equal (read (fd, &u, sizeof u), -1);
  assert_int_equal (errno, EAGAIN);
  put (in_dir (b, "root/sub/new"), "x");
  assert_true (read (fd, &u, sizeof u) > 0);
  assert_true (u.ev.mask & IN_CREATE);
  assert_string_equal (u.ev.name, "new");
}

/* ---- sockets ---- */

static void
test_unix (void **state)
{
  struct bed *b = *state;
  struct open_req req
      = { .kind = OPEN_UNIX, .root = b->root, .path = "sub/s" };
  struct error err = ERROR_INIT;
  int l = -1, fd = -1, more = -1;
  uint64_t start = 0;

  assert_int_equal (socket_listen (in_dir (b, "root/sub/s"), 0600, &l, &err),
                    0);
  assert_int_equal (proc_start_time (getpid (), &start, &err), 0);
  req.check_pid = getpid ();
  req.check_start = start;
  assert_int_equal (opener_do (&req, &fd, NULL, &err), 0);
  assert_true (fcntl (fd, F_GETFL) & O_NONBLOCK);
  close (fd);
  req.check_start = start + 1;
  assert_int_equal (opener_do (&req, &fd, NULL, &err), -ESTALE);
  req.check_start = 0; /* then the number alone counts */
  assert_int_equal (opener_do (&req, &fd, NULL, &err), 0);
  close (fd);
  req.check_pid = getppid ();
  assert_int_equal (opener_do (&req, &fd, NULL, &err), -ESTALE);
  req.check_pid = 0;
  /* Somebody has the only place. */
  close (l);
  unlink (in_dir (b, "root/sub/s"));
  assert_int_equal (socket_listen (in_dir (b, "root/sub/s"), 0600, &l, &err),
                    0);
  assert_int_equal (listen (l, 0), 0);
  assert_int_equal (opener_do (&req, &fd, NULL, &err), 0);
  assert_int_equal (opener_do (&req, &more, NULL, &err), -EAGAIN);
  close (fd);
  close (l);
  assert_int_equal (opener_do (&req, &more, NULL, &err), -ECONNREFUSED);
  req.path = "file";
  assert_int_equal (opener_do (&req, &more, NULL, &err), -ENOTSOCK);
  assert_int_equal (socket_listen (in_dir (b, "outsock"), 0600, &l, &err), 0);
  assert_int_equal (symlink ("../outsock", in_dir (b, "root/s")), 0);
  req.path = "s";
  assert_int_equal (opener_do (&req, &more, NULL, &err), link_out ());
  close (l);
}

/* ---- terminals ---- */

/* Somebody who is there until killed; goes with a test that fails. */
static pid_t
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
  t->req = (struct open_req){ .kind = OPEN_TTY,
                              .root = "/dev/pts",
                              .path = t->name,
                              .lock_dir = b->locks };
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
  assert_int_equal (try_open (OPEN_FILE, b->locks, strrchr (t.lock, '/') + 1,
                              text),
                    0);
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
  static const char *const junk[] = { "", "\n", "xyz\n", "-5\n", "0\n",
                                      "99999999999999999999\n" };
  struct bed *b = *state;
  struct error err = ERROR_INIT;
  struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
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
      assert_int_equal (opener_do (&t.req, &fd, &lock, &err), -EBUSY);
      assert_int_equal (utimensat (AT_FDCWD, t.lock, old, 0), 0);
      assert_int_equal (opener_do (&t.req, &fd, &lock, &err), 0);
      close (fd);
      open_lock_release (&t.req, lock);
    }
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

/* ---- /proc ---- */

static int
proc (const char *name, uint64_t start, int *ret_fd)
{
  char path[64];
  struct open_req req = { .kind = OPEN_PROC, .root = "/proc", .path = path };
  struct error err = ERROR_INIT;

  snprintf (path, sizeof path, name, (int) getpid ());
  req.check_start = start;
  return opener_do (&req, ret_fd, NULL, &err);
}

static void
test_proc (void **state)
{
  static const char *const bad[]
      = { "%d/environ", "%d/fd/0",       "%d/root",  "self/mem",
          "%d",         "%d/task/1/mem", "0%d/stat", "-%d/stat",
          "%d/mem/x",   "99999999999/stat", "%d/task/x/stat" };
  struct error err = ERROR_INIT;
  uint64_t start = 0;
  volatile char here = 'h';
  char text[512], c = 0;
  int fd = -1;

  assert_int_equal (proc_start_time (getpid (), &start, &err), 0);
  assert_true (start > 0);
  assert_int_equal (proc ("%d/mem", start, &fd), 0);
  assert_int_equal (pread (fd, &c, 1, (off_t) (uintptr_t) &here), 1);
  assert_int_equal (c, 'h');
  close (fd);
  assert_int_equal (proc ("%d/mem", start + 1, &fd), -ESTALE);
  assert_int_equal (proc ("%d/mem", 0, &fd), -ESTALE);
  /* A copy: readable from the start, and for good. */
  assert_int_equal (proc ("%d/status", start, &fd), 0);
  assert_true (read (fd, text, sizeof text) > 10);
  assert_memory_equal (text, "Name:", 5);
  assert_int_equal (write (fd, "x", 1), -1);
  assert_int_equal (errno, EPERM);
  close (fd);
  assert_int_equal (proc ("%1$d/task/%1$d/stat", start, &fd), 0);
  assert_true (read (fd, text, sizeof text) > 10);
  close (fd);
  assert_int_equal (proc ("%d/task/1/stat", start, &fd), -ENOENT);
  assert_int_equal (proc ("%d/task", start, &fd), 0);
  close (fd);
  assert_int_equal (proc ("%d/maps", start, &fd), 0);
  close (fd);
  assert_int_equal (proc ("%d/ns/net", start, &fd), 0);
  close (fd);
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    if (proc (bad[i], start, &fd) >= 0)
      fail_msg ("%s was let pass", bad[i]);
}

static void
test_proc_stack (void **state)
{
  struct error err = ERROR_INIT;
  uint64_t start = 0;
  char text[4096];
  int fd = -1, r;

  assert_int_equal (proc_start_time (getpid (), &start, &err), 0);
  r = proc ("%d/stack", start, &fd);
  if (r < 0) /* needs root and a kernel that has it */
    skip ();
  assert_true (read (fd, text, sizeof text) > 0);
  close (fd);
}

static void
test_pidfd_and_gone (void **state)
{
  struct error err = ERROR_INIT;
  char path[64];
  struct open_req req = { .kind = OPEN_PROC, .root = "/proc", .path = path };
  struct pollfd p = { .events = POLLIN };
  uint64_t start = 0;
  int fd = -1;
  pid_t pid = sleeper ();

  assert_int_equal (proc_start_time (pid, &start, &err), 0);
  req.check_start = start;
  snprintf (path, sizeof path, "%d/pidfd", (int) pid);
  if (opener_do (&req, &fd, NULL, &err) == -ENOSYS)
    skip ();
  assert_true (fd >= 0);
  p.fd = fd;
  assert_int_equal (poll (&p, 1, 0), 0);
  kill (pid, SIGKILL);
  assert_int_equal (poll (&p, 1, 10000), 1);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
  close (fd);
  assert_int_equal (opener_do (&req, &fd, NULL, &err), -ESRCH);
  snprintf (path, sizeof path, "%d/status", (int) pid);
  assert_int_equal (opener_do (&req, &fd, NULL, &err), -ESRCH);
  assert_int_equal (proc_start_time (pid, &start, &err), -ESRCH);
  assert_int_equal (proc_start_time (-1, &start, &err), -ESRCH);
}

/* The name of a process may look like the end of itself. */
static void
test_start_time_of_odd_name (void **state)
{
  struct error err = ERROR_INIT;
  uint64_t plain = 0, odd = 0;

  assert_int_equal (proc_start_time (getpid (), &plain, &err), 0);
  assert_int_equal (prctl (PR_SET_NAME, "a) R 1 (2 3 4"), 0);
  assert_int_equal (proc_start_time (getpid (), &odd, &err), 0);
  assert_true (plain == odd);
}

#define BED(t) cmocka_unit_test_setup_teardown (t, make_bed, remove_bed)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    BED (test_file),
    BED (test_leading_out),
    BED (test_roots),
    BED (test_old_kernel),
    BED (test_dir_and_inotify),
    BED (test_unix),
    BED (test_tty),
    BED (test_tty_lock_of_others),
    BED (test_tty_lock_life),
    BED (test_tty_no_lock),
    BED (test_tty_of_a_process),
    cmocka_unit_test (test_proc),
    cmocka_unit_test (test_proc_stack),
    cmocka_unit_test (test_pidfd_and_gone),
    cmocka_unit_test (test_start_time_of_odd_name),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
