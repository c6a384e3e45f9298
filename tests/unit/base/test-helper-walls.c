/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of our own: the walls around them.  What was closed is tried from
 * within.
 */
#include "helper-bed.h"

#include "base/sanitize.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* ---- the programme ---- */

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

static const struct mode modes[] = {
  { "confined", do_confined },
  { "jailed", do_jailed },
  { "enclosed", do_enclosed },
};

/* ---- the tests ---- */

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

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    TEST (test_confined),
    TEST (test_enclosed),
    TEST (test_jailed),
  };

  if (is_helper (argc, argv))
    return be_helper (argv, modes, ARRAY_LEN (modes));
  return cmocka_run_group_tests_name ("helper-walls", tests, NULL, NULL);
}
