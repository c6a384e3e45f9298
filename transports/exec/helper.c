/* SPDX-License-Identifier: Apache-2.0
 *
 * hangdog-exec: runs one program of the operator's, and ends with it all that
 * it has started.
 *
 * It is a session and a subreaper: whoever of the program's descendants loses
 * its parent becomes its child, wherever it went (setsid, two forks).  As long
 * as it has a child there is somebody to be ended, and when it has none there
 * is nobody.  It ends them at the deadline, when the program is over, and when
 * the daemon goes away.
 *
 * It is two processes.  The daemon has no time to wait for somebody who does
 * not die at once, and kills what it has started: that is the first, which
 * only waits for the second, and that one goes on ending them.
 */
#include "transports/exec/helper.h"

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/helper.h"
#include "base/json.h"
#include "transports/exec/exec.h"
#include "transports/exec/folder.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define FILES 256
/* For ending them, before it is said that some are left, and after that. */
#define KILL_MS 250
#define KILL_MORE_MS 3000
/* So often it is looked how much is in its folder. */
#define LOOK_MS 50
/* What is still in a pipe, when nobody is left who could fill it. */
#define DRAIN_BYTES (1u << 20)
#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct run
{
  struct exec_result result;
  pid_t pid;
  bool over; /* the program; who it has started may live on */
  int status;
  int out, err, signals;
  uint64_t deadline;
  struct exec_folder folder;
};

/* ---- its own beginning ---- */

/* No rights beyond those of the user, also where that is root. */
static void
drop_capabilities (void)
{
  struct __user_cap_header_struct head
      = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct none[2] = { { 0 } };

  prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  syscall (SYS_capset, &head, none);
}

/* In the first process: its exit code, when the second is over. */
static int
wait_for (pid_t pid)
{
  int status;

  /* The end of the channel must be the end of it for the second one, too. */
  close (HELPER_CHANNEL);
  while (waitpid (pid, &status, 0) < 0)
    if (errno != EINTR)
      return 1;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 1;
}

/* In the second one, which has the parent `first`. */
static int
begin (pid_t first)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  /* Beside the end of the channel: a daemon that was killed in the middle of a
   * dead disk keeps that open. */
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () != first)
    return -1;
  setsid ();
  fcntl (HELPER_CHANNEL, F_SETFD, FD_CLOEXEC);
  /* What somebody has left open for whoever comes after him. */
  syscall (SYS_close_range, HELPER_CHANNEL + 1, ~0U, 0);
  if (prctl (PR_SET_CHILD_SUBREAPER, 1) < 0)
    return -1;
  return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- the program ---- */

static void
to_dev_null (int fd)
{
  int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

  if (null >= 0)
    dup2 (null, fd);
}

/* In the child; says on `said` why it could not. */
static void
become (const struct run *r, const char *path, char *const *argv,
        char *const *envp, int out, int err, int said, pid_t parent)
{
  const struct rlimit file = { EXEC_FOLDER_FILE, EXEC_FOLDER_FILE };
  sigset_t none;
  int why;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  /* It does not outlive who would end it; those whom it starts might. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (127);
  to_dev_null (0);
  dup2 (out, 1);
  dup2 (err, 2);
  /* Only whoever may leave files: others write where an operator let them. */
  if ((r->folder.fd < 0 || setrlimit (RLIMIT_FSIZE, &file) == 0)
      && chdir ("/") == 0)
    execve (path, argv, envp);
  why = errno;
  if (write (said, &why, sizeof why) < 0)
    _exit (126);
  _exit (127);
}

static char **
strings (struct json_object *list, const char *first)
{
  size_t n = json_object_array_length (list);
  char **ret = calloc (n + 2, sizeof *ret);

  for (size_t i = 0; ret && i <= n; i++)
    ret[i] = strdup (i == 0 ? first
                            : json_object_get_string (
                                json_object_array_get_idx (list, i - 1)));
  return ret;
}

static char **
environment (struct json_object *given, const char *folder)
{
  char **ret
      = calloc ((size_t) json_object_object_length (given) + 4, sizeof *ret);
  size_t n = 0;

  if (!ret)
    return NULL;
  ret[n++] = strdup (PATH);
  ret[n++] = strdup ("LC_ALL=C");
  if (*folder && asprintf (&ret[n], EXEC_FOLDER "=%s", folder) > 0)
    n++;
  json_object_object_foreach (given, key, value)
    if (strncmp (key, "HANGDOG_", 8) == 0 && !strchr (key, '=')
        && asprintf (&ret[n], "%s=%s", key, json_object_get_string (value))
               > 0)
      n++;
  return ret;
}

static void
free_strings (char **list)
{
  for (size_t i = 0; list && list[i]; i++)
    free (list[i]);
  free (list);
}

static int
make_pipes (int fds[6])
{
  for (int i = 0; i < 6; i++)
    fds[i] = -1;
  for (int i = 0; i < 6; i += 2)
    if (pipe2 (fds + i, O_CLOEXEC) < 0)
      return -errno;
  fcntl (fds[0], F_SETFL, O_NONBLOCK);
  fcntl (fds[2], F_SETFL, O_NONBLOCK);
  return 0;
}

static int
start (struct run *r, const char *path, char *const *argv, char *const *envp,
       struct error *err)
{
  pid_t self = getpid ();
  int fds[6], why = 0, rc = make_pipes (fds);

  if (rc < 0)
    return error_errno (err, -rc, "a pipe");
  r->pid = fork ();
  if (r->pid < 0)
    return error_errno (err, errno, "fork");
  if (r->pid == 0)
    become (r, path, argv, envp, fds[1], fds[3], fds[5], self);
  close (fds[1]);
  close (fds[3]);
  close (fds[5]);
  r->out = fds[0];
  r->err = fds[2];
  rc = read (fds[4], &why, sizeof why) == (ssize_t) sizeof why ? why : 0;
  close (fds[4]);
  return rc ? error_set (err, rc, "%s can't be started: %s", path,
                         strerror (rc))
            : 0;
}

/* ---- what it says ---- */

/* What does not fit is read all the same: who writes must not wait for it. */
static void
take (struct run *r, int *fd, struct buf *to)
{
  char part[4096];
  ssize_t n;

  for (size_t all = 0; *fd >= 0 && all < DRAIN_BYTES; all += (size_t) n)
    {
      n = read (*fd, part, sizeof part);
      if (n < 0)
        return;
      if (n == 0)
        {
          close (*fd);
          *fd = -1;
          return;
        }
      if (to->len + (size_t) n > EXEC_MAX_OUTPUT)
        r->result.cut = true;
      if (to->len < EXEC_MAX_OUTPUT)
        buf_append (to, part,
                 (size_t) n < EXEC_MAX_OUTPUT - to->len
                     ? (size_t) n
                     : EXEC_MAX_OUTPUT - to->len);
    }
}

/* ---- who lives ---- */

/* How many were collected that are not the program itself; -1: there is nobody
 * left. */
static int
collect (struct run *r)
{
  int n = 0, status;
  pid_t pid;

  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    if (pid == r->pid)
      {
        r->over = true;
        r->status = status;
      }
    else
      n++;
  return pid < 0 && errno == ECHILD && n == 0 ? -1 : n;
}

static bool
is_told (struct run *r)
{
  struct signalfd_siginfo info;
  bool told = false;

  while (read (r->signals, &info, sizeof info) == (ssize_t) sizeof info)
    told |= info.ssi_signo == SIGTERM;
  return told;
}

/* The numbers of all children; the kernel's own list, which it may be built
 * without. */
static bool
kill_listed (void)
{
  CLEANUP_CLOSE int fd = -1;
  char path[64], text[16384];
  size_t len = 0;
  ssize_t n;

  snprintf (path, sizeof path, "/proc/self/task/%d/children", (int) getpid ());
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return false;
  while (len < sizeof text - 1
         && (n = read (fd, text + len, sizeof text - 1 - len)) > 0)
    len += (size_t) n;
  text[len] = '\0';
  for (char *at = text, *next; (n = strtol (at, &next, 10)) > 0; at = next)
    /* A number that was cut off at the end is another's. */
    if (*next == ' ')
      kill ((pid_t) n, SIGKILL);
  return true;
}

static void
kill_all (struct run *r, uint64_t ms)
{
  uint64_t until = clock_ms () + ms;
  int n;

  r->result.left = false;
  while ((n = collect (r)) >= 0)
    {
      struct pollfd pfd = { .fd = r->signals, .events = POLLIN };

      r->result.killed += (unsigned) n;
      if (clock_ms () >= until)
        {
          r->result.left = true;
          return;
        }
      if (!kill_listed ())
        exec_kill_children (getpid ());
      poll (&pfd, 1, 5);
      (void) is_told (r);
    }
}

/* ---- its life ---- */

static int
patience (const struct run *r, uint64_t left)
{
  return (int) (r->folder.fd >= 0 && left > LOOK_MS ? LOOK_MS : left);
}

/* False: nobody wants to hear of it any more. */
static bool
watch (struct run *r)
{
  for (;;)
    {
      struct pollfd p[] = {
        { .fd = HELPER_CHANNEL, .events = POLLIN },
        { .fd = r->signals, .events = POLLIN },
        { .fd = r->out, .events = POLLIN },
        { .fd = r->err, .events = POLLIN },
      };
      uint64_t now = clock_ms ();

      r->result.end = EXEC_TIMEOUT;
      if (now >= r->deadline)
        return true;
      poll (p, ARRAY_LEN (p), patience (r, r->deadline - now));
      if (r->folder.fd >= 0 && exec_folder_over (&r->folder))
        {
          r->result.end = EXEC_FULL;
          return true;
        }
      take (r, &r->out, &r->result.output);
      take (r, &r->err, &r->result.errors);
      if (is_told (r) || p[0].revents)
        return false;
      (void) collect (r);
      if (r->over)
        {
          r->result.end = WIFEXITED (r->status) ? EXEC_EXITED
                          : r->folder.fd >= 0
                                  && WTERMSIG (r->status) == SIGXFSZ
                              ? EXEC_FULL
                              : EXEC_SIGNAL;
          r->result.status = WIFEXITED (r->status) ? WEXITSTATUS (r->status)
                                                   : WTERMSIG (r->status);
          return true;
        }
    }
}

static void
say (const struct run *r)
{
  const struct exec_result *e = &r->result;
  CLEANUP_JSON struct json_object *head = json_object_new_object ();
  struct buf body CLEANUP_BUF = BUF_INIT (2 * EXEC_MAX_OUTPUT);

  json_add_str (head, "op", "end");
  json_add_str (head, "end", exec_end_names[e->end]);
  json_add_int (head, "status", e->status);
  json_add_int (head, "killed", e->killed);
  json_add_bool (head, "left", e->left);
  json_add_bool (head, "cut", e->cut);
  json_add_int (head, "output", (int64_t) e->output.len);
  json_add_text (head, "detail", e->detail, strlen (e->detail));
  buf_append (&body, e->output.data, e->output.len);
  buf_append (&body, e->errors.data, e->errors.len);
  frame_write (HELPER_CHANNEL, head, body.data, body.len, NULL, 0,
               clock_ms () + 1000, NULL);
}

static bool
say_piece (void *arg, const char *name, const void *data, size_t len)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", "file");
  json_add_text (head, "name", name, strlen (name));
  return frame_write (HELPER_CHANNEL, head, data, len, NULL, 0,
                      clock_ms () + 1000, NULL)
         == 0;
}

static bool
say_gap (void *arg, const char *name, const char *why)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", "gap");
  json_add_text (head, "name", name, strlen (name));
  json_add_str (head, "why", why);
  return frame_write (HELPER_CHANNEL, head, NULL, 0, NULL, 0,
                      clock_ms () + 1000, NULL)
         == 0;
}

static void
say_done (void)
{
  CLEANUP_JSON struct json_object *head = json_object_new_object ();

  json_add_str (head, "op", "done");
  frame_write (HELPER_CHANNEL, head, NULL, 0, NULL, 0, clock_ms () + 1000,
               NULL);
}

/* Behind say(): nobody of the program's is there any more. */
static void
say_left (const struct run *r)
{
  static const struct exec_folder_ops ops = { say_piece, say_gap };

  if (r->folder.fd < 0)
    return;
  exec_folder_take (&r->folder, &ops, NULL);
  say_done ();
}

static int
prepare (struct run *r, struct json_object *head, char *path, size_t n,
         struct error *err)
{
  const char *base = json_get_str (head, "folder");
  int rc = exec_find (json_get (head, "dirs"), json_get_str (head, "name"),
                      path, n, err);

  if (rc < 0 || !base)
    return rc;
  exec_folder_sweep (base);
  return exec_folder_make (base, &r->folder, err);
}

static int
begin_it (struct run *r, struct json_object *head, struct error *err)
{
  char path[4352];
  char **argv, **envp;
  int rc = prepare (r, head, path, sizeof path, err);

  if (rc < 0)
    return rc;
  argv = strings (json_get (head, "args"), path);
  envp = environment (json_get (head, "environ"), r->folder.path);
  rc = argv && envp ? start (r, path, argv, envp, err)
                    : error_set (err, ENOMEM, "no memory");
  free_strings (argv);
  free_strings (envp);
  return rc;
}

static void
run_it (struct run *r, struct json_object *head)
{
  struct error err = ERROR_INIT;

  if (begin_it (r, head, &err) < 0)
    {
      kill_all (r, KILL_MS);
      r->result.end = EXEC_UNUSABLE;
      snprintf (r->result.detail, sizeof r->result.detail, "%s",
                error_text (&err));
      say (r);
    }
  else if (watch (r))
    {
      kill_all (r, KILL_MS);
      /* What was on its way; nobody writes any more. */
      take (r, &r->out, &r->result.output);
      take (r, &r->err, &r->result.errors);
      say (r);
      say_left (r);
    }
  kill_all (r, KILL_MORE_MS);
  exec_folder_remove (&r->folder);
}

static int
serve (pid_t first)
{
  struct run r = { .result = { .output = BUF_INIT (EXEC_MAX_OUTPUT),
                               .errors = BUF_INIT (EXEC_MAX_OUTPUT) },
                   .out = -1,
                   .err = -1,
                   .signals = begin (first),
                   .folder = EXEC_FOLDER_INIT };
  const char *op, *folder;
  struct frame f = { 0 };
  int64_t ms;

  if (r.signals < 0
      || frame_read (HELPER_CHANNEL, &f, CLOCK_NEVER, NULL) < 0)
    return 1;
  op = json_get_str (f.head, "op");
  folder = json_get_str (f.head, "folder");
  if (op && folder && strcmp (op, "sweep") == 0)
    {
      exec_folder_sweep (folder);
      say_done ();
      frame_done (&f);
      return 0;
    }
  ms = json_get_int (f.head, "timeout_ms", 0);
  if (!json_object_is_type (json_get (f.head, "dirs"), json_type_array)
      || !json_object_is_type (json_get (f.head, "args"), json_type_array)
      || !json_object_is_type (json_get (f.head, "environ"), json_type_object)
      || !json_get_str (f.head, "name") || ms < 0 || ms > INT32_MAX)
    return 1;
  r.deadline = clock_ms () + (uint64_t) ms;
  run_it (&r, f.head);
  exec_result_done (&r.result);
  frame_done (&f);
  return 0;
}

int
main (void)
{
  const struct helper_limits limits = { .files = FILES,
                                        .file_bytes = (uint64_t) -1,
                                        .stays = true };
  pid_t self = getpid (), pid;

  helper_confine (&limits);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  drop_capabilities ();
  pid = fork ();
  if (pid < 0)
    return 1;
  return pid == 0 ? serve (self) : wait_for (pid);
}
