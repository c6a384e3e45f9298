/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's jail.
 *
 * Each wall stands on its own: limits of the process, no new privileges, no
 * file by landlock, and a list of the system calls that reading, computing
 * and answering need.  Anything else ends the process.
 */
#include "config.h"

#include "supervisor/parser.h"

#include "base/error.h"
#include "base/sanitize.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

#define NOBODY 65534

static int
limit (int what, rlim_t soft, rlim_t hard, const char *name,
       struct error *err)
{
  struct rlimit l = { soft, hard };

  if (setrlimit (what, &l) < 0)
    return error_errno (err, errno, "limiting %s", name);
  return 0;
}

static int
set_limits (const struct jail *j, struct error *err)
{
  struct itimerval t = { .it_value = { .tv_sec = (time_t) (j->deadline_ms
                                                           / 1000),
                                       .tv_usec = (suseconds_t) (
                                           j->deadline_ms % 1000 * 1000) } };
  /* Not 0: poll() refuses more entries than this. */
  rlim_t files = j->files ? j->files : 8;
  int r;

  if ((!SANITIZED
       && (r = limit (RLIMIT_AS, j->memory, j->memory, "memory", err)) < 0)
      || (j->cpu_s
          && (r = limit (RLIMIT_CPU, j->cpu_s, j->cpu_s + 1, "time", err)) < 0)
      || (r = limit (RLIMIT_FSIZE, 0, 0, "file size", err)) < 0
      || (r = limit (RLIMIT_CORE, 0, 0, "core files", err)) < 0
      || (r = limit (RLIMIT_NOFILE, files, files, "descriptors", err)) < 0)
    return r;
  /* The signal's default ends the process, also out of a blocking call. */
  if (setitimer (ITIMER_REAL, &t, NULL) < 0)
    return error_errno (err, errno, "setting the deadline");
  return 0;
}

static int
drop_root (struct error *err)
{
  if (geteuid () != 0)
    return 0;
  if (setgroups (0, NULL) < 0 || setresgid (NOBODY, NOBODY, NOBODY) < 0
      || setresuid (NOBODY, NOBODY, NOBODY) < 0)
    return error_errno (err, errno, "becoming nobody");
  return 0;
}

/* Every right that this kernel knows is handled, and none is granted. */
static bool
forbid_files (void)
{
#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)
  /* By version; a kernel refuses bits that it does not know. */
  static const uint64_t rights[]
      = { 0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff };
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0,
                      LANDLOCK_CREATE_RULESET_VERSION);
  struct landlock_ruleset_attr attr = { 0 };
  long fd;
  bool ok;

  if (abi < 1)
    return false;
  attr.handled_access_fs = rights[abi < 5 ? abi : 5];
  fd = syscall (SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
  if (fd < 0)
    return false;
  ok = syscall (SYS_landlock_restrict_self, (int) fd, 0) == 0;
  close ((int) fd);
  return ok;
#else
  return false;
#endif
}

int
jail_enter (const struct jail *j, bool *ret_landlock, struct error *err)
{
  bool landlock;
  int r = drop_root (err);

  if (r < 0 || (r = set_limits (j, err)) < 0)
    return r;
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
      || prctl (PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
    return error_errno (err, errno, "giving up privileges");
  /* Not every kernel has it, and the list of calls keeps files away too. */
  landlock = forbid_files ();
  if ((r = jail_filter_calls (err)) < 0)
    return r;
  *ret_landlock = landlock;
  return 0;
}
