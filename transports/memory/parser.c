/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a parser.
 */
#include "transports/memory/parser.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json_scan.h"
#include "base/text.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_ARGS 16
#define FOLLOW_MS 500     /* for it to end by itself */
#define DIE_MS 2000       /* for the kernel to end it */
#define OUT_OF_THE_WAY 16 /* above all numbers that a parser's have */

extern char **environ;

struct parser_run
{
  pid_t pid;
  int sock;
  uint64_t begun_us;
};

/* ---- start ---- */

/* Copies of the descriptors, out of the way of the numbers that they get: any
 * of them may be 3 or 4 here. */
static int
add_fds (posix_spawn_file_actions_t *fa, const struct parser_spec *spec,
         int channel, int copies[PARSER_MAX_INPUTS + 1], struct error *err)
{
  for (unsigned i = 0; i <= spec->ninputs; i++)
    {
      int from = i == 0 ? channel : spec->inputs[i - 1];

      copies[i] = fcntl (from, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
      if (copies[i] < 0)
        return error_errno (err, errno, "a descriptor for %s", spec->program);
      if (posix_spawn_file_actions_adddup2 (fa, copies[i],
                                            PARSER_CHANNEL + (int) i)
          != 0)
        return error_set (err, ENOMEM, "no memory");
    }
  return 0;
}

/* A job's thread blocks all signals, and a process inherits that: its deadline
 * is one. */
static void
set_signals (posix_spawnattr_t *attr)
{
  sigset_t none, usual;

  sigemptyset (&none);
  sigfillset (&usual);
  posix_spawnattr_setsigmask (attr, &none);
  posix_spawnattr_setsigdefault (attr, &usual);
  posix_spawnattr_setflags (attr,
                            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int
spawn (const struct parser_spec *spec, const char *path, char *const *argv,
       int channel, pid_t *ret_pid, struct error *err)
{
  int copies[PARSER_MAX_INPUTS + 1] = { -1, -1, -1, -1 };
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;
  int r;

  if (posix_spawn_file_actions_init (&fa) != 0)
    return error_set (err, ENOMEM, "no memory");
  if (posix_spawnattr_init (&attr) != 0)
    {
      posix_spawn_file_actions_destroy (&fa);
      return error_set (err, ENOMEM, "no memory");
    }
  set_signals (&attr);
  r = add_fds (&fa, spec, channel, copies, err);
  if (r == 0 && (r = posix_spawn (ret_pid, path, &fa, &attr, argv, environ)))
    r = error_set (err, EIO, "%s: %s", path, strerror (r));
  for (unsigned i = 0; i < ARRAY_LEN (copies); i++)
    if (copies[i] >= 0)
      close (copies[i]);
  posix_spawnattr_destroy (&attr);
  posix_spawn_file_actions_destroy (&fa);
  return r;
}

static int
fill_args (const struct parser_spec *spec, char *inputs, char *deadline,
           const char *argv[MAX_ARGS], struct error *err)
{
  unsigned n = 0;

  argv[n++] = spec->program;
  argv[n++] = "--inputs";
  argv[n++] = inputs;
  if (spec->deadline_ms)
    {
      argv[n++] = "--deadline";
      argv[n++] = deadline;
    }
  for (const char *const *a = spec->args; *a; a++)
    {
      if (n == MAX_ARGS - 1)
        return error_set (err, E2BIG, "too many words for a parser");
      argv[n++] = *a;
    }
  argv[n] = NULL;
  return 0;
}

int
parser_run_start (const struct parser_spec *spec, struct parser_run **ret,
                  struct error *err)
{
  char path[4096], inputs[16], deadline[32];
  CLEANUP_CLOSE int mine = -1, theirs = -1;
  CLEANUP_FREE struct parser_run *p = NULL;
  const char *argv[MAX_ARGS];
  int pair[2], r;

  if (spec->ninputs == 0 || spec->ninputs > PARSER_MAX_INPUTS)
    return error_set (err, EINVAL, "%u inputs for a parser", spec->ninputs);
  snprintf (path, sizeof path, "%s/%s", spec->libexec, spec->program);
  snprintf (inputs, sizeof inputs, "%u", spec->ninputs);
  snprintf (deadline, sizeof deadline, "%llums",
            (unsigned long long) spec->deadline_ms);
  r = fill_args (spec, inputs, deadline, argv, err);
  if (r < 0)
    return r;
  /* Where spawning is done by fork, a programme that cannot be started looks
   * like one that its input has killed. */
  if (access (path, X_OK) < 0)
    return error_set (err, EIO, "%s: %s", path, strerror (errno));
  p = calloc (1, sizeof *p);
  if (!p)
    return error_set (err, ENOMEM, "no memory");
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return error_errno (err, errno, "socketpair");
  mine = pair[0];
  theirs = pair[1];
  p->begun_us = clock_us ();
  r = spawn (spec, path, (char *const *) (uintptr_t) argv, theirs, &p->pid,
             err);
  if (r < 0)
    return r;
  p->sock = steal_fd (&mine);
  *ret = steal_ptr (&p);
  return 0;
}

/* ---- questions and answers ---- */

/* A stream that ends is a parser that ended. */
static int
ended (int r, struct error *err)
{
  if (r == -ETIMEDOUT)
    return error_set (err, ETIMEDOUT,
                      "the parser process did not answer in time");
  return error_set (err, EBADMSG,
                    "the parser process ended without an answer (what it read "
                    "is damaged or hostile)");
}

int
parser_run_ask (struct parser_run *p, struct json_object *head,
                const void *body, size_t len, uint64_t deadline,
                struct error *err)
{
  int r = frame_write (p->sock, head, body, len, NULL, 0, deadline, err);

  json_object_put (head);
  return r == -EPIPE || r == -ECONNRESET || r == -ETIMEDOUT ? ended (r, err)
                                                            : r;
}

int
parser_run_listen (struct parser_run *p, uint64_t deadline, parser_frame_fn *fn,
                   void *arg, struct error *err)
{
  for (;;)
    {
      CLEANUP_FRAME struct frame f = { 0 };
      int r = frame_read (p->sock, &f, deadline, err);

      if (r < 0)
        return ended (r, err);
      r = fn (&f, arg);
      if (r != 0)
        return r;
    }
}

/* ---- the end ---- */

/* True when it has ended; its numbers are then in the last two. */
static bool
wait_until (pid_t pid, uint64_t deadline, int *ret_status,
            struct rusage *ret_usage)
{
  int pidfd = (int) syscall (SYS_pidfd_open, pid, 0);
  struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
  struct timespec nap = { 0, 2000000 };
  pid_t got;

  while ((got = wait4 (pid, ret_status, WNOHANG, ret_usage)) == 0)
    {
      uint64_t now = clock_ms ();

      if (now >= deadline)
        break;
      /* A kernel before 5.3 tells nobody. */
      if (pidfd >= 0)
        poll (&pfd, 1, (int) (deadline - now));
      else
        nanosleep (&nap, NULL);
    }
  if (pidfd >= 0)
    close (pidfd);
  return got != 0;
}

void
parser_run_end (struct parser_run *p, bool now, struct parser_end *ret)
{
  struct parser_end end = { .status = -1 };
  struct rusage usage = { 0 };
  int status = 0;
  bool gone;

  if (!p)
    return;
  close (p->sock);
  gone = !now && wait_until (p->pid, clock_ms () + FOLLOW_MS, &status, &usage);
  if (!gone)
    {
      kill (p->pid, SIGKILL);
      gone = wait_until (p->pid, clock_ms () + DIE_MS, &status, &usage);
    }
  end.left = !gone;
  end.wall_us = clock_us () - p->begun_us;
  end.cpu_us
      = (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000
        + (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  end.peak_bytes = (uint64_t) usage.ru_maxrss * 1024;
  if (gone && WIFSIGNALED (status))
    end.signal = WTERMSIG (status);
  if (gone && WIFEXITED (status))
    end.status = WEXITSTATUS (status);
  if (ret)
    *ret = end;
  free (p);
}

/* ---- what it says ---- */

/* JSON has nothing against DEL, the second set of control characters and what
 * turns the direction of text; a terminal acts on them. */
static bool
is_quiet (const char *line, size_t len)
{
  struct buf shown CLEANUP_BUF = BUF_INIT (len + 1);
  bool plain = true;

  for (size_t i = 0; i < len && plain; i++)
    plain = line[i] >= 0x20 && line[i] < 0x7f;
  if (plain)
    return true;
  /* What is escaped grows. */
  text_escape (&shown, line, len, 0);
  return shown.len == len && !shown.cut;
}

int
parser_lines_check (const char *lines, size_t len, size_t max,
                    struct error *err)
{
  struct json_fault fault;

  while (len > 0)
    {
      const char *end = memchr (lines, '\n', len);
      size_t n = end ? (size_t) (end - lines) : len, values;

      if (!end || n == 0 || n > max || lines[0] != '{' || !is_quiet (lines, n)
          || json_scan (lines, n, JSON_WIRE, NULL, &values, &fault) < 0)
        return error_set (err, EBADMSG,
                          "the parser process said what is no row (what it "
                          "read is hostile)");
      lines += n + 1;
      len -= n + 1;
    }
  return 0;
}
