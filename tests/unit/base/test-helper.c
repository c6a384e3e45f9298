/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of our own: what they are given, what is believed of what they
 * say, and that each is ended.  The programme here is this one under another
 * name, and as bad as it can be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/helper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/sanitize.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PROGRAM "hangdog-false"
/* For what is waited for and comes. */
#define PATIENCE_MS 60000
/* For what is waited for and does not. */
#define SHORT_MS 50

extern char **environ;

/* ---- the programme ---- */

static int
say (struct json_object *head)
{
  int r = frame_write (HELPER_CHANNEL, head, NULL, 0, NULL, 0, CLOCK_NEVER,
                       NULL);

  json_object_put (head);
  return r < 0;
}

/* As often as it is asked: its words, what it was sent with the question, and
 * how long the question's body was. */
static int
do_echo (char **words)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      struct json_object *head = json_object_new_object ();
      char c[2] = "";

      if (frame_read (HELPER_CHANNEL, &f, CLOCK_NEVER, NULL) < 0)
        {
          json_object_put (head);
          return 0;
        }
      json_add_str (head, "op", json_get_str (f.head, "op"));
      json_add_str (head, "word", words[0]);
      json_add_int (head, "len", (int64_t) f.body_len);
      if (f.nfds == 1 && pread (f.fds[0], c, 1, 0) == 1)
        json_add_str (head, "read", c);
      if (say (head))
        return 1;
    }
}

/* What the numbers behind the channel are; and how many of all numbers are one
 * of them. */
static int
do_fds (char **words)
{
  struct json_object *head = json_object_new_object ();
  struct stat is[3], st;
  char text[4] = "";
  int64_t n = 0;

  (void) words;
  for (int i = 0; i < 3; i++)
    if (pread (HELPER_CHANNEL + 1 + i, text + i, 1, 0) != 1
        || fstat (HELPER_CHANNEL + 1 + i, &is[i]) < 0)
      return 1;
  for (int fd = 0; fd < 256; fd++)
    for (int i = 0; i < 3; i++)
      if (fstat (fd, &st) == 0 && st.st_dev == is[i].st_dev
          && st.st_ino == is[i].st_ino)
        n++;
  json_add_str (head, "text", text);
  json_add_int (head, "n", n);
  return say (head);
}

static int
do_environ (char **words)
{
  struct json_object *head = json_object_new_object ();
  int64_t n = 0;

  (void) words;
  while (environ[n])
    n++;
  json_add_int (head, "n", n);
  json_add_str (head, "first", n ? environ[0] : NULL);
  json_add_str (head, "mark", getenv ("HELPER_MARK"));
  return say (head);
}

static int64_t
soft_limit (__rlimit_resource_t what)
{
  struct rlimit l;

  return getrlimit (what, &l) < 0 ? -1 : (int64_t) l.rlim_max;
}

static int
do_confined (char **words)
{
  struct helper_limits limits
      = { .memory_bytes = 512u << 20, .files = 20, .file_bytes = 4096 };
  struct json_object *head = json_object_new_object ();
  int death = -1;

  limits.stays = strcmp (words[0], "stays") == 0;
  helper_confine (&limits);
  prctl (PR_GET_PDEATHSIG, &death);
  json_add_int (head, "death", death);
  json_add_int (head, "rights", prctl (PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  json_add_int (head, "files", soft_limit (RLIMIT_NOFILE));
  json_add_int (head, "bytes", soft_limit (RLIMIT_FSIZE));
  json_add_int (head, "core", soft_limit (RLIMIT_CORE));
  json_add_int (head, "memory", soft_limit (RLIMIT_AS));
  return say (head);
}

/* What can be done behind the walls: 0, or why not. */
static int
do_jailed (char **words)
{
  static const int calls[]
      = { SYS_sendmsg, SYS_write, SYS_exit_group, SYS_munmap, SYS_brk,
          SYS_clock_gettime, SYS_getrandom, SYS_getpid, SYS_getppid,
#ifdef SYS_poll
          SYS_poll,
#endif
          SYS_ppoll };
  struct json_object *head = json_object_new_object ();
  int rc;

  helper_confine (&(struct helper_limits){ .files = 20 });
  helper_no_files ();
  rc = helper_only_calls (calls, ARRAY_LEN (calls));
  json_add_int (head, "walls", rc);
  if (SANITIZED || rc < 0)
    return say (head);
  json_add_int (head, "open",
                open ("/dev/null", O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
  json_add_int (head, "socket", socket (AF_UNIX, SOCK_STREAM, 0) < 0 ? errno
                                                                     : 0);
  json_add_int (head, "kill", kill (getppid (), 0) < 0 ? errno : 0);
  json_add_int (head, "fork", syscall (SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0
                                  ? errno : 0);
  json_add_int (head, "run",
                mmap (NULL, 4096, PROT_READ | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                        == MAP_FAILED
                    ? errno : 0);
  json_add_int (head, "owner", fcntl (HELPER_CHANNEL, F_SETOWN, getpid ()) < 0
                                   ? errno : 0);
  json_add_int (head, "memory", mmap (NULL, 4096, PROT_READ,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                        == MAP_FAILED
                                    ? errno : 0);
  json_add_int (head, "flags", fcntl (HELPER_CHANNEL, F_GETFL) < 0 ? errno
                                                                   : 0);
  return say (head);
}

/* Ready, and then nothing, whatever is asked of it. */
static int
do_stubborn (char **words)
{
  struct json_object *head = json_object_new_object ();

  (void) words;
  for (int s = 1; s < 32; s++)
    signal (s, SIG_IGN);
  if (say (head))
    return 1;
  while (pause () < 0)
    ;
  return 0;
}

static int
do_garbage (char **words)
{
  static const char junk[] = "HTTP/1.1 200 OK\r\n\r\n\0\0\0\0\0\0\0\0\0\0";

  (void) words;
  return write (HELPER_CHANNEL, junk, sizeof junk) > 0 ? 0 : 1;
}

/* The beginning of a frame. */
static int
do_half (char **words)
{
  (void) words;
  return write (HELPER_CHANNEL, "HDF1\4\0", 6) == 6 ? 0 : 1;
}

static int
do_gone (char **words)
{
  (void) words;
  return 3;
}

static int
do_alarm (char **words)
{
  (void) words;
  alarm (1);
  pause ();
  return 0;
}

/* How far a try came: 0, or an errno. */
static int
tried (int r)
{
  return r < 0 ? errno : 0;
}

static int
tried_fork (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    _exit (0);
  return tried (pid);
}

static bool
has_landlock (void)
{
#ifdef SYS_landlock_create_ruleset
  return syscall (SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
#else
  return false;
#endif
}

static int
do_enclosed (char **words) /* "r/FOLDER", or "w/FOLDER" */
{
  struct json_object *head = json_object_new_object ();
  char in[PATH_MAX], out[PATH_MAX], fresh[PATH_MAX];
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  const char *folder = words[0] + 1;
  char *none[] = { NULL };

  snprintf (in, sizeof in, "%s/in", folder);
  snprintf (out, sizeof out, "%s/../out", folder);
  snprintf (fresh, sizeof fresh, "%s/fresh", folder);
  helper_confine (&(struct helper_limits){ .files = 20, .file_bytes = 4096 });
  helper_enclose (&(struct helper_jail){ .read = { in, "/nowhere" },
                                         .write = words[0][0] == 'w'
                                                      ? folder
                                                      : NULL });
  json_add_int (head, "filter", prctl (PR_GET_SECCOMP));
  json_add_int (head, "in", tried (open (in, O_RDONLY)));
  json_add_int (head, "out", tried (open (out, O_RDONLY)));
  json_add_int (head, "lib", tried (open ("/usr", O_RDONLY | O_DIRECTORY)));
  json_add_int (head, "write", tried (open (in, O_RDWR)));
  json_add_int (head, "make", tried (open (fresh, O_WRONLY | O_CREAT, 0600)));
  json_add_int (head, "gone", tried (unlink (fresh)));
  json_add_int (head, "fork", tried_fork ());
  json_add_int (head, "exec", tried (execve ("/bin/true", none, none)));
  json_add_int (head, "kill", tried (kill (getppid (), 0)));
  json_add_int (head, "socket", tried (socket (AF_INET, SOCK_DGRAM, 0)));
  json_add_int (head, "connect",
                tried (connect (HELPER_CHANNEL, (struct sockaddr *) &to,
                                sizeof to)));
  return say (head);
}

static const struct
{
  const char *name;
  int (*fn) (char **words);
} modes[] = {
  { "echo", do_echo },         { "fds", do_fds },
  { "environ", do_environ },   { "confined", do_confined },
  { "stubborn", do_stubborn }, { "garbage", do_garbage },
  { "half", do_half },         { "gone", do_gone },
  { "alarm", do_alarm },       { "enclosed", do_enclosed },
  { "alarm", do_alarm },       { "jailed", do_jailed },
};

static int
be_helper (char **argv)
{
  for (size_t i = 0; argv[1] && i < ARRAY_LEN (modes); i++)
    if (strcmp (modes[i].name, argv[1]) == 0)
      return modes[i].fn (argv + 2);
  return 99;
}

/* ---- the tests ---- */

struct place
{
  struct tmpdir tmp;
  int inputs[3];
};

static int
setup (void **state)
{
  struct place *p = calloc (1, sizeof *p);
  char self[PATH_MAX] = "", link[PATH_MAX];

  tmpdir_make (&p->tmp);
  assert_true (readlink ("/proc/self/exe", self, sizeof self - 1) > 0);
  snprintf (link, sizeof link, "%s/" PROGRAM, p->tmp.path);
  assert_int_equal (symlink (self, link), 0);
  for (unsigned i = 0; i < 3; i++)
    {
      p->inputs[i] = memfd_create ("input", MFD_CLOEXEC);
      assert_int_equal (write (p->inputs[i], &"ABC"[i], 1), 1);
    }
  *state = p;
  return 0;
}

static int
teardown (void **state)
{
  struct place *p = *state;

  for (unsigned i = 0; i < 3; i++)
    close (p->inputs[i]);
  tmpdir_done (&p->tmp);
  free (p);
  return 0;
}

static struct helper
start_with (const struct place *p, const char *mode, const char *word,
            struct helper_spec spec)
{
  const char *args[] = { mode, word, NULL };
  struct helper h = HELPER_INIT;
  struct error err = ERROR_INIT;

  spec.libexec = p->tmp.path;
  spec.program = PROGRAM;
  spec.args = args;
  if (helper_start (&spec, &h, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_true (h.pid > 0 && h.sock >= 0);
  return h;
}

static struct helper
start (const struct place *p, const char *mode, const char *word)
{
  return start_with (p, mode, word, (struct helper_spec){ .nfds = 0 });
}

/* Its only answer. */
static struct json_object *
heard (struct helper *h)
{
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;

  if (helper_hear (h, &f, clock_ms () + PATIENCE_MS, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return json_object_get (f.head);
}

static void
ask (struct helper *h, const char *op, size_t len, int fd)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  char body[16] = "";

  json_add_str (head, "op", op);
  assert_int_equal (helper_say (h, head, body, len, &fd, fd >= 0,
                                clock_ms () + PATIENCE_MS, NULL),
                    0);
}

static void
test_asks_and_hears (void **state)
{
  struct place *p = *state;
  struct helper h = start (p, "echo", "a word; $(and) more");

  for (int i = 0; i < 2; i++)
    {
      CLEANUP_JSON struct json_object *head = NULL;

      ask (&h, i ? "two" : "one", (size_t) i * 7, i ? p->inputs[2] : -1);
      head = heard (&h);
      assert_string_equal (json_get_str (head, "op"), i ? "two" : "one");
      assert_string_equal (json_get_str (head, "word"), "a word; $(and) more");
      assert_int_equal (json_get_int (head, "len", -1), i * 7);
      if (i)
        assert_string_equal (json_get_str (head, "read"), "C");
      else
        assert_null (json_get_str (head, "read"));
    }
  assert_true (helper_end (&h));
  assert_int_equal (h.pid, 0);
  assert_int_equal (h.sock, -1);
  /* It, and one that never was. */
  assert_true (helper_end (&h));
}

/* 3, 4 and 5 are what the process gets its own as: whoever moves them one
 * after another overwrites what is still to be moved. */
static void
test_fds_that_cross (void **state)
{
  static const int order[] = { 5, 3, 4 };
  struct place *p = *state;
  CLEANUP_JSON struct json_object *head = NULL;
  struct helper h;
  int kept[3];

  for (int i = 0; i < 3; i++)
    kept[i] = fcntl (3 + i, F_DUPFD_CLOEXEC, 100);
  /* By way of others, for the inputs may be 3, 4 and 5 themselves. */
  for (int i = 0; i < 3; i++)
    {
      int far = fcntl (p->inputs[i], F_DUPFD_CLOEXEC, 110 + i);

      close (p->inputs[i]);
      p->inputs[i] = far;
    }
  for (int i = 0; i < 3; i++)
    assert_int_equal (dup3 (p->inputs[i], 3 + i, O_CLOEXEC), 3 + i);
  h = start_with (p, "fds", NULL,
                  (struct helper_spec){ .fds = order, .nfds = 3 });
  head = heard (&h);
  assert_true (helper_end (&h));
  for (int i = 0; i < 3; i++)
    {
      if (kept[i] >= 0)
        dup2 (kept[i], 3 + i);
      else
        close (3 + i);
      close (kept[i]);
    }
  assert_string_equal (json_get_str (head, "text"), "CAB");
  assert_int_equal (json_get_int (head, "n", 0), 3);
}

static void
test_environ (void **state)
{
  setenv ("HELPER_MARK", "here", 1);
  for (int ours = 0; ours < 2; ours++)
    {
      struct helper h = start_with (
          *state, "environ", NULL, (struct helper_spec){ .environ = ours });
      CLEANUP_JSON struct json_object *head = heard (&h);

      assert_true (helper_end (&h));
      if (ours)
        {
          assert_string_equal (json_get_str (head, "mark"), "here");
          continue;
        }
      assert_null (json_get_str (head, "mark"));
      assert_int_equal (json_get_int (head, "n", -1), 1);
      assert_string_equal (json_get_str (head, "first"), "LC_ALL=C");
    }
}

static void
test_jailed (void **state)
{
  static const char *const closed[]
      = { "open", "socket", "kill", "fork", "run", "owner" };
  struct helper h = start (*state, "jailed", "x");
  CLEANUP_JSON struct json_object *head = heard (&h);

  assert_true (helper_end (&h));
  /* There are none here. */
  if (SANITIZED || json_get_int (head, "walls", -1) == -ENOSYS)
    return;
  assert_int_equal (json_get_int (head, "walls", -1), 0);
  for (size_t i = 0; i < ARRAY_LEN (closed); i++)
    if (json_get_int (head, closed[i], -1) != EACCES)
      fail_msg ("%s: %d", closed[i],
                (int) json_get_int (head, closed[i], -1));
  assert_int_equal (json_get_int (head, "memory", -1), 0);
  assert_int_equal (json_get_int (head, "flags", -1), 0);
}

static void
test_confined (void **state)
{
  for (int stays = 0; stays < 2; stays++)
    {
      struct helper h = start (*state, "confined", stays ? "stays" : "goes");
      CLEANUP_JSON struct json_object *head = heard (&h);

      assert_true (helper_end (&h));
      assert_int_equal (json_get_int (head, "death", -1),
                        stays ? 0 : SIGKILL);
      assert_int_equal (json_get_int (head, "rights", -1), 1);
      assert_int_equal (json_get_int (head, "files", -1), 20);
      assert_int_equal (json_get_int (head, "bytes", -1), 4096);
      assert_int_equal (json_get_int (head, "core", -1), 0);
      if (!SANITIZED)
        assert_int_equal (json_get_int (head, "memory", -1), 512 << 20);
    }
}

static void
make (const char *folder, const char *name)
{
  char path[PATH_MAX];
  int fd;

  snprintf (path, sizeof path, "%s/%s", folder, name);
  fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_true (fd >= 0);
  close (fd);
}

static void
test_enclosed (void **state)
{
  static const char *const never[] = { "fork", "exec", "kill" };
  const char *root = ((struct place *) *state)->tmp.path;
  char folder[PATH_MAX];

  if (SANITIZED)
    skip ();
  snprintf (folder, sizeof folder, "r%s/d", root);
  assert_int_equal (mkdir (folder + 1, 0700), 0);
  make (folder + 1, "in");
  make (root, "out");
  for (int writes = 0; writes < 2; writes++)
    {
      struct helper h;
      CLEANUP_JSON struct json_object *head = NULL;
      int refused = writes ? 0 : EPERM;

      folder[0] = writes ? 'w' : 'r';
      h = start (*state, "enclosed", folder);
      head = heard (&h);
      assert_true (helper_end (&h));
      assert_int_equal (json_get_int (head, "in", -1), 0);
      assert_int_equal (json_get_int (head, "lib", -1), 0);
      assert_int_equal (json_get_int (head, "out", -1),
                        has_landlock () ? EACCES : 0);
#if defined(__x86_64__) || defined(__aarch64__)
      assert_int_equal (json_get_int (head, "filter", -1), 2);
#else
      continue;
#endif
      assert_int_equal (json_get_int (head, "write", -1), refused);
      assert_int_equal (json_get_int (head, "make", -1), refused);
      assert_int_equal (json_get_int (head, "gone", -1), refused);
      assert_int_equal (json_get_int (head, "socket", -1), EAFNOSUPPORT);
      /* Of a channel it would be EISCONN. */
      assert_int_equal (json_get_int (head, "connect", -1), 0);
      for (size_t i = 0; i < ARRAY_LEN (never); i++)
        if (json_get_int (head, never[i], -1) != EPERM)
          fail_msg ("%s: %d", never[i],
                    (int) json_get_int (head, never[i], -1));
    }
}

/* One that says nothing in time, and goes by no signal but the last. */
static void
test_stubborn (void **state)
{
  struct helper h = start (*state, "stubborn", NULL);
  CLEANUP_JSON struct json_object *ready = heard (&h);
  CLEANUP_FRAME struct frame f = { 0 };
  struct rusage usage = { .ru_maxrss = -5 };
  int status = -7;
  pid_t pid = h.pid;

  assert_non_null (ready);
  kill (pid, SIGTERM);
  kill (pid, SIGHUP);
  assert_int_equal (helper_hear (&h, &f, clock_ms () + SHORT_MS, NULL),
                    -ETIMEDOUT);
  assert_false (helper_wait (&h, clock_ms () + SHORT_MS, &status, &usage));
  assert_int_equal (status, -7);
  assert_int_equal (usage.ru_maxrss, -5);
  assert_int_equal (h.pid, pid);
  assert_true (helper_end (&h));
  /* Collected, too: nobody of that number is ours. */
  assert_int_equal (waitpid (pid, &status, WNOHANG), -1);
}

static void
test_garbage (void **state)
{
  static const char *const bad[] = { "garbage", "half" };

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      struct helper h = start (*state, bad[i], NULL);
      CLEANUP_FRAME struct frame f = { 0 };
      struct error err = ERROR_INIT;

      assert_int_equal (
          helper_hear (&h, &f, clock_ms () + PATIENCE_MS, &err), -EPROTO);
      assert_true (helper_end (&h));
    }
}

static void
test_ends_early (void **state)
{
  struct helper h = start (*state, "gone", NULL);
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  CLEANUP_FRAME struct frame f = { 0 };
  struct error err = ERROR_INIT;
  struct rusage usage;
  char text[64];
  int status = -7;

  assert_int_equal (helper_hear (&h, &f, clock_ms () + PATIENCE_MS, &err),
                    -EPIPE);
  assert_true (
      helper_wait (&h, clock_ms () + PATIENCE_MS, &status, &usage));
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 3);
  assert_int_equal (h.pid, 0);
  assert_true (h.sock >= 0);
  assert_int_equal (helper_say (&h, head, NULL, 0, NULL, 0,
                                clock_ms () + PATIENCE_MS, NULL),
                    -EPIPE);
  assert_true (helper_ended_text (-EPIPE, "hangdog-x", text, sizeof text));
  assert_string_equal (text, "hangdog-x ended without an answer");
  assert_true (helper_ended_text (-ETIMEDOUT, "hangdog-x", text, sizeof text));
  assert_string_equal (text, "hangdog-x did not come back in time");
  assert_false (helper_ended_text (-EBADMSG, "hangdog-x", text, sizeof text));
  assert_int_equal (helper_lies ("hangdog-x", &err), -EBADMSG);
  assert_true (helper_end (&h));
}

/* Whoever collects all children of the process may have been first. */
static void
test_collected_by_others (void **state)
{
  struct helper h = start (*state, "gone", NULL);
  struct rusage usage;
  int status = 0;

  assert_int_equal (waitpid (h.pid, &status, 0), h.pid);
  assert_true (
      helper_wait (&h, clock_ms () + PATIENCE_MS, &status, &usage));
  assert_int_equal (status, -1);
  assert_true (helper_end (&h));
}

/* From a job's thread, which blocks all signals: its alarm must ring. */
static void *
in_a_job (void *arg)
{
  struct helper h;
  struct rusage usage;
  static int status;
  sigset_t set;

  sigfillset (&set);
  pthread_sigmask (SIG_SETMASK, &set, NULL);
  h = start (arg, "alarm", NULL);
  status = 0;
  helper_wait (&h, clock_ms () + PATIENCE_MS, &status, &usage);
  helper_end (&h);
  return &status;
}

static void
test_signals_reach_it (void **state)
{
  pthread_t thread;
  void *status;

  assert_int_equal (pthread_create (&thread, NULL, in_a_job, *state), 0);
  pthread_join (thread, &status);
  assert_true (WIFSIGNALED (*(int *) status));
  assert_int_equal (WTERMSIG (*(int *) status), SIGALRM);
}

static void
test_cannot_start (void **state)
{
  struct place *p = *state;
  const char *many[40];
  int fds[HELPER_MAX_FDS + 1];
  struct helper h = HELPER_INIT;
  struct helper_spec spec
      = { .libexec = p->tmp.path, .program = "no-such" };

  assert_int_equal (helper_start (&spec, &h, NULL), -ENOEXEC);
  spec.program = PROGRAM;
  for (size_t i = 0; i < ARRAY_LEN (many) - 1; i++)
    many[i] = "word";
  many[ARRAY_LEN (many) - 1] = NULL;
  spec.args = many;
  assert_int_equal (helper_start (&spec, &h, NULL), -E2BIG);
  spec.args = NULL;
  for (size_t i = 0; i < ARRAY_LEN (fds); i++)
    fds[i] = p->inputs[0];
  spec.fds = fds;
  spec.nfds = ARRAY_LEN (fds);
  assert_int_equal (helper_start (&spec, &h, NULL), -EINVAL);
  spec.nfds = 1;
  fds[0] = -1;
  assert_int_equal (helper_start (&spec, &h, NULL), -EBADF);
  assert_int_equal (h.pid, 0);
  assert_int_equal (h.sock, -1);
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (test_asks_and_hears, setup, teardown),
    cmocka_unit_test_setup_teardown (test_fds_that_cross, setup, teardown),
    cmocka_unit_test_setup_teardown (test_environ, setup, teardown),
    cmocka_unit_test_setup_teardown (test_confined, setup, teardown),
    cmocka_unit_test_setup_teardown (test_enclosed, setup, teardown),
    cmocka_unit_test_setup_teardown (test_jailed, setup, teardown),
    cmocka_unit_test_setup_teardown (test_stubborn, setup, teardown),
    cmocka_unit_test_setup_teardown (test_garbage, setup, teardown),
    cmocka_unit_test_setup_teardown (test_ends_early, setup, teardown),
    cmocka_unit_test_setup_teardown (test_collected_by_others, setup,
                                     teardown),
    cmocka_unit_test_setup_teardown (test_signals_reach_it, setup, teardown),
    cmocka_unit_test_setup_teardown (test_cannot_start, setup, teardown),
  };
  const char *last = strrchr (argv[0], '/');

  if (argc > 1 && strcmp (last ? last + 1 : argv[0], PROGRAM) == 0)
    return be_helper (argv);
  return cmocka_run_group_tests_name ("helper", tests, NULL, NULL);
}
