/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting, asking and ending processes of our own.
 */
#include "base/helper.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sanitize.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_ARGS 16
#define OUT_OF_THE_WAY 32 /* above all numbers that its descriptors get */
#define DIE_MS 300

extern char **environ;

/* ---- its beginning ---- */

/* Copies, out of the way of the numbers that they get: any of them may be 3 or
 * 4 here. */
static int
add_fds (posix_spawn_file_actions_t *fa, const struct helper_spec *spec,
         int channel, int copies[HELPER_MAX_FDS + 1], struct error *err)
{
  for (unsigned i = 0; i <= spec->nfds; i++)
    {
      copies[i] = fcntl (i == 0 ? channel : spec->fds[i - 1],
                         F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
      if (copies[i] < 0)
        return error_errno (err, errno, "a descriptor for %s", spec->program);
      if (posix_spawn_file_actions_adddup2 (fa, copies[i],
                                            HELPER_CHANNEL + (int) i)
          != 0)
        return error_set (err, ENOMEM, "no memory");
    }
  return 0;
}

/* A job's thread blocks all signals, and a process inherits that: its alarm is
 * one. */
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
spawn (const struct helper_spec *spec, const char *path, char *const *argv,
       int channel, pid_t *ret_pid, struct error *err)
{
  char *bare[] = { (char *) (uintptr_t) "LC_ALL=C", NULL };
  int copies[HELPER_MAX_FDS + 1], r;
  posix_spawn_file_actions_t fa;
  posix_spawnattr_t attr;

  memset (copies, 0xff, sizeof copies);
  if (posix_spawn_file_actions_init (&fa) != 0)
    return error_set (err, ENOMEM, "no memory");
  if (posix_spawnattr_init (&attr) != 0)
    {
      posix_spawn_file_actions_destroy (&fa);
      return error_set (err, ENOMEM, "no memory");
    }
  set_signals (&attr);
  r = add_fds (&fa, spec, channel, copies, err);
  if (r == 0
      && (r = posix_spawn (ret_pid, path, &fa, &attr, argv,
                           spec->environ ? environ : bare)))
    r = error_set (err, EIO, "%s: %s", path, strerror (r));
  for (unsigned i = 0; i <= HELPER_MAX_FDS; i++)
    if (copies[i] >= 0)
      close (copies[i]);
  posix_spawnattr_destroy (&attr);
  posix_spawn_file_actions_destroy (&fa);
  return r;
}

int
helper_start (const struct helper_spec *spec, struct helper *ret,
              struct error *err)
{
  CLEANUP_CLOSE int mine = -1, theirs = -1;
  const char *argv[MAX_ARGS + 2] = { spec->program };
  char path[4200];
  int pair[2], r;
  pid_t pid;

  if (spec->nfds > HELPER_MAX_FDS)
    return error_set (err, EINVAL, "%u descriptors for %s", spec->nfds,
                      spec->program);
  for (unsigned n = 0; spec->args && spec->args[n]; n++)
    {
      if (n == MAX_ARGS)
        return error_set (err, E2BIG, "too many words for %s", spec->program);
      argv[n + 1] = spec->args[n];
    }
  snprintf (path, sizeof path, "%s/%s", spec->libexec ? spec->libexec : "",
            spec->program);
  /* Where spawning is done by fork, a programme that can't be started looks
   * like one that its input has killed. */
  if (access (path, X_OK) < 0)
    return error_set (err, ENOEXEC, "%s: %s", path, strerror (errno));
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    return error_errno (err, errno, "socketpair");
  mine = pair[0];
  theirs = pair[1];
  r = spawn (spec, path, (char *const *) (uintptr_t) argv, theirs, &pid, err);
  if (r < 0)
    return r;
  ret->pid = pid;
  ret->sock = steal_fd (&mine);
  return 0;
}

/* ---- what is said ---- */

int
helper_say (struct helper *h, struct json_object *head, const void *body,
            size_t len, const int *fds, unsigned nfds, uint64_t deadline,
            struct error *err)
{
  int r = frame_write (h->sock, head, body, len, fds, nfds, deadline, err);

  return r == -ECONNRESET ? error_set (err, EPIPE, "it ended") : r;
}

int
helper_hear (struct helper *h, struct frame *ret, uint64_t deadline,
             struct error *err)
{
  int r = frame_read (h->sock, ret, deadline, err);

  return r == -ECONNRESET ? error_set (err, EPIPE, "it ended") : r;
}

uint64_t
helper_left (uint64_t deadline, uint64_t margin_ms)
{
  uint64_t now = clock_ms (), left = now < deadline ? deadline - now : 0;

  return left - (left / 4 < margin_ms ? left / 4 : margin_ms);
}

bool
helper_ended_text (int rc, const char *program, char *dst, size_t n)
{
  if (rc != -ETIMEDOUT && rc != -EPIPE)
    return false;
  snprintf (dst, n, "%s %s", program,
            rc == -ETIMEDOUT ? "did not come back in time"
                             : "ended without an answer");
  return true;
}

int
helper_lies (const char *program, struct error *err)
{
  return error_set (err, EBADMSG, "%s said what it can't have found out",
                    program);
}

/* ---- its end ---- */

/* 0: it runs still. */
static pid_t
collect (pid_t pid, int *ret_status, struct rusage *ret_usage)
{
  int status = 0;
  struct rusage usage = { 0 };
  pid_t r;

  while ((r = wait4 (pid, &status, WNOHANG, &usage)) < 0 && errno == EINTR)
    ;
  if (r == 0)
    return 0;
  if (ret_status)
    *ret_status = r > 0 ? status : -1;
  if (ret_usage)
    *ret_usage = usage;
  return r;
}

bool
helper_wait (struct helper *h, uint64_t deadline, int *ret_status,
             struct rusage *ret_usage)
{
  CLEANUP_CLOSE int pidfd = -1;
  struct timespec nap = { 0, 2000000 };

  if (h->pid <= 0)
    return true;
  pidfd = (int) syscall (SYS_pidfd_open, h->pid, 0);
  while (collect (h->pid, ret_status, ret_usage) == 0)
    {
      struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
      uint64_t now = clock_ms ();

      if (now >= deadline)
        return false;
      /* A kernel before 5.3 tells nobody. */
      if (pidfd >= 0)
        poll (&pfd, 1,
              deadline - now < DIE_MS ? (int) (deadline - now) : DIE_MS);
      else
        nanosleep (&nap, NULL);
    }
  h->pid = 0;
  return true;
}

bool
helper_end (struct helper *h)
{
  if (h->sock >= 0)
    close (h->sock);
  h->sock = -1;
  if (h->pid <= 0)
    return true;
  kill (h->pid, SIGKILL);
  return helper_wait (h, clock_ms () + DIE_MS, NULL, NULL);
}

/* ---- the programme itself ---- */

static void
limit (int what, rlim_t max)
{
  const struct rlimit l = { max, max };

  (void) setrlimit ((__rlimit_resource_t) what, &l);
}

void
helper_confine (const struct helper_limits *limits)
{
  umask (077);
  if (!limits->stays)
    prctl (PR_SET_PDEATHSIG, SIGKILL);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  limit (RLIMIT_CORE, 0);
  limit (RLIMIT_NOFILE, limits->files);
  limit (RLIMIT_FSIZE, limits->file_bytes);
  if (SANITIZED)
    return;
  prctl (PR_SET_DUMPABLE, 0);
  if (limits->memory_bytes)
    limit (RLIMIT_AS, limits->memory_bytes);
}
