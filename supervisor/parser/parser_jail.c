/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's jail.
 *
 * Each wall stands on its own: limits of the process, no new privileges, no
 * file by landlock, and a list of the system calls that reading, computing
 * and answering need.  Anything else ends the process.
 */
#include "config.h"

#include "supervisor/parser/parser.h"

#include "base/error.h"
#include "base/helper.h"
#include "base/sanitize.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

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
  landlock = helper_no_files ();
  if ((r = jail_filter_calls (err)) < 0)
    return r;
  *ret_landlock = landlock;
  return 0;
}
