/* SPDX-License-Identifier: Apache-2.0
 *
 * The opener: nothing outside the root, nothing of another kind, the right
 * process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/unit/base/opener-bed.h"

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

/* How what is there is opened as a mailbox: its flags, or why not. */
static int
open_box (const struct bed *b, const char *path)
{
  struct open_req req
      = { .kind = OPEN_MAILBOX, .root = b->root, .path = path };
  int fd = -1, flags, r = opener_do (&req, &fd, NULL, NULL);

  if (r < 0)
    return r;
  flags = fcntl (fd, F_GETFL);
  close (fd);
  return flags & O_ACCMODE;
}

static void
test_mailbox (void **state)
{
  static const char magic[] = OPEN_MAILBOX_MAGIC;
  struct bed *b = *state;

  put (in_dir (b, "root/box"), OPEN_MAILBOX_MAGIC "and more");
  assert_int_equal (open_box (b, "box"), O_RDWR);
  /* A guest's own disk: as it is, cut off, too large, and something else. */
  put (in_dir (b, "root/disk"), "HANGDOG-MAILBOX 2 and more");
  assert_int_equal (open_box (b, "disk"), -EINVAL);
  put (in_dir (b, "root/short"), "HANGDOG-MAILBOX 1");
  assert_int_equal (open_box (b, "short"), -EINVAL);
  assert_int_equal (open_box (b, "file"), -EINVAL);
  assert_int_equal (open_box (b, "sub"), -EINVAL);
  assert_int_equal (open_box (b, "fifo"), -EINVAL);
  assert_int_equal (open_box (b, "none"), -ENOENT);
  assert_int_equal (truncate (in_dir (b, "root/box"), OPEN_MAILBOX_MAX), 0);
  assert_int_equal (open_box (b, "box"), O_RDWR);
  assert_int_equal (truncate (in_dir (b, "root/box"), OPEN_MAILBOX_MAX + 1),
                    0);
  assert_int_equal (open_box (b, "box"), -EINVAL);
  /* One that lies outside, whatever leads there. */
  put (in_dir (b, "outside"), magic);
  assert_int_equal (open_box (b, "up"), -ELOOP);
  assert_int_equal (open_box (b, "abs"), -ELOOP);
  assert_int_equal (open_box (b, "../outside"), -EINVAL);
}

/* What a guest can make in a folder that is shared with it. */
static void
test_mailbox_of_another (void **state)
{
  struct bed *b = *state;
  struct statfs fs;

  assert_int_equal (mkdir (in_dir (b, "root/guest"), 0755), 0);
  put (in_dir (b, "root/theirs"), OPEN_MAILBOX_MAGIC "and more");
  assert_int_equal (symlink ("../theirs", in_dir (b, "root/guest/mine")), 0);
  assert_int_equal (symlink ("guest", in_dir (b, "root/folder")), 0);
  put (in_dir (b, "root/guest/real"), OPEN_MAILBOX_MAGIC "and more");
  assert_int_equal (open_box (b, "guest/mine"), -ELOOP);
  assert_int_equal (open_box (b, "folder/real"), -ELOOP);
  assert_int_equal (open_box (b, "guest/real"), O_RDWR);
  /* A device: only root may, and not in every container. */
  if (mknod (in_dir (b, "root/guest/device"), S_IFBLK | 0600, makedev (7, 250))
          < 0
      || statfs (b->root, &fs) < 0 || fs.f_type == TMPFS_MAGIC
      || fs.f_type == RAMFS_MAGIC)
    return;
  assert_int_equal (open_box (b, "guest/device"), -EINVAL);
}

static void
test_leading_out (void **state)
{
  static const char *const bad[]
      = { "../outside", "sub/../../outside", "/etc/passwd", "",
          "sub/",       "sub//file",         "./file",      ".",
          ".." };
  struct bed *b = *state;
  char path[5000];

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    if (try_open (OPEN_FILE, b->root, bad[i], NULL) != -EINVAL)
      fail_msg ("\"%s\" was let pass", bad[i]);
  assert_int_equal (try_open (OPEN_FILE, b->root, "up", NULL), link_out ());
  assert_int_equal (try_open (OPEN_FILE, b->root, "abs", NULL), link_out ());
  assert_int_equal (try_open (OPEN_FILE, b->root, "sub/dddd/outside", NULL),
                    follows_links () ? -EXDEV : -ENOTDIR);
  assert_true (try_open (OPEN_FILE, "/proc", "self/root/etc/passwd", NULL) < 0);
  assert_true (try_open (OPEN_FILE, "/proc", "self/exe", NULL) < 0);
  assert_int_equal (try_open (OPEN_FILE, "relative", "file", NULL), -EINVAL);
  assert_int_equal (try_open (OPEN_KIND_MAX, b->root, "file", NULL), -EINVAL);
  assert_int_equal (try_open ((enum open_kind) - 1, b->root, "file", NULL),
                    -EINVAL);
  memset (path, 'x', sizeof path);
  path[sizeof path - 1] = '\0';
  assert_int_equal (try_open (OPEN_FILE, b->root, path, NULL), -ENAMETOOLONG);
}

static void
test_roots (void **state)
{
  static const char *const roots[] = { "/run/x", "/proc", NULL };
  struct open_req req = { .kind = OPEN_FILE, .root = "/run/x", .path = "a/b" };
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
  struct open_req req = { .kind = OPEN_UNIX, .root = b->root, .path = "sub/s" };
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
      = { "%d/environ", "%d/fd/0",          "%d/root",       "self/mem",
          "%d",         "%d/task/1/mem",    "0%d/stat",      "-%d/stat",
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
  assert_int_equal (poll (&p, 1, 60000), 1);
  assert_int_equal (proc_state (pid), 'Z');
  assert_int_equal (waitpid (pid, NULL, 0), pid);
  assert_int_equal (proc_state (pid), 0);
  assert_int_equal (proc_state (getpid ()), 'R');
  close (fd);
  assert_int_equal (opener_do (&req, &fd, NULL, &err), -ESRCH);
  snprintf (path, sizeof path, "%d/status", (int) pid);
  assert_int_equal (opener_do (&req, &fd, NULL, &err), -ESRCH);
  assert_int_equal (proc_start_time (pid, &start, &err), -ESRCH);
  assert_int_equal (proc_start_time (-1, &start, &err), -ESRCH);
}

/* The file of a mapping: shared and writable, and no other. */
static void
test_mapped (void **state)
{
  const size_t size = 1 << 16;
  int memfd = memfd_create ("guest", MFD_CLOEXEC), fd = -1;
  char name[80], own[4] = "";
  char *shared, *private_;
  uint64_t start = 0;

  assert_int_equal (proc_start_time (getpid (), &start, NULL), 0);
  assert_int_equal (ftruncate (memfd, (off_t) size), 0);
  shared = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  private_ = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, memfd, 0);
  assert_true (shared != MAP_FAILED && private_ != MAP_FAILED);
  memcpy (shared + 100, "abc", 3);

  snprintf (name, sizeof name, "%%d/map_files/%lx-%lx",
            (unsigned long) (uintptr_t) shared,
            (unsigned long) (uintptr_t) shared + size);
  assert_int_equal (proc (name, start, &fd), 0);
  assert_int_equal (pread (fd, own, 3, 100), 3);
  assert_string_equal (own, "abc");
  assert_int_equal (fcntl (fd, F_GETFL) & O_ACCMODE, O_RDONLY);
  close (fd);
  assert_int_equal (proc (name, start + 1, &fd), -ESTALE);
  /* Not all of the file is there any more. */
  assert_int_equal (ftruncate (memfd, (off_t) size / 2), 0);
  assert_int_equal (proc (name, start, &fd), -EACCES);

  snprintf (name, sizeof name, "%%d/map_files/%lx-%lx",
            (unsigned long) (uintptr_t) private_,
            (unsigned long) (uintptr_t) private_ + size);
  assert_int_equal (proc (name, start, &fd), -EACCES);
  assert_int_equal (proc ("%d/map_files/1000-2000", start, &fd), -ENOENT);
  assert_int_equal (proc ("%d/map_files/0x1000-2000", start, &fd), -EINVAL);
  assert_int_equal (proc ("%d/map_files/1000-2000/x", start, &fd), -EINVAL);
  munmap (shared, size);
  munmap (private_, size);
  close (memfd);
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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    BED (test_file),
    BED (test_mailbox),
    BED (test_mailbox_of_another),
    BED (test_leading_out),
    cmocka_unit_test (test_roots),
    BED (test_old_kernel),
    BED (test_dir_and_inotify),
    BED (test_unix),
    cmocka_unit_test (test_proc),
    cmocka_unit_test (test_proc_stack),
    cmocka_unit_test (test_pidfd_and_gone),
    cmocka_unit_test (test_mapped),
    cmocka_unit_test (test_start_time_of_odd_name),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
