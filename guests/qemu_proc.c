/* SPDX-License-Identifier: Apache-2.0
 *
 * QEMU processes of this host.
 */
#include "guests/qemu.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/opener.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CMDLINE (256u << 10)
#define MAX_PROCESSES 65536u

bool
uuid_is_valid (const char *s)
{
  for (unsigned i = 0; i < UUID_TEXT - 1; i++)
    if (i == 8 || i == 13 || i == 18 || i == 23
            ? s[i] != '-'
            : !isxdigit ((unsigned char) s[i]))
      return false; /* also at the NUL of a shorter one */
  return s[UUID_TEXT - 1] == '\0';
}

bool
uuid_copy (char *dst, const char *s)
{
  if (!uuid_is_valid (s))
    return false;
  for (unsigned i = 0; i < UUID_TEXT; i++)
    dst[i] = (char) tolower ((unsigned char) s[i]);
  return true;
}

/* /proc/PID/NAME into buf, NUL terminated. */
static ssize_t
read_proc (int32_t pid, const char *name, char *buf, size_t size)
{
  char path[64];
  size_t len = 0;
  int fd CLEANUP_CLOSE = -1;
  int r;

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  r = io_read (fd, buf, size - 1, &len);
  if (r < 0)
    return r;
  buf[len] = '\0';
  return (ssize_t) len;
}

/* The letter behind the last ')': the name before it may hold anything. */
static char
read_state (int32_t pid)
{
  char stat[512];
  const char *paren;

  if (read_proc (pid, "stat", stat, sizeof stat) <= 0)
    return 'X';
  paren = strrchr (stat, ')');
  return paren && paren[1] == ' ' ? paren[2] : 'X';
}

/* The line "Uid:" of /proc/PID/status: real, effective, saved, file system.
 * The name above it has no newline of its own: the kernel escapes it. */
static bool
read_uids (int32_t pid, struct qemu_proc *ret)
{
  char text[2048], *line, *end;
  unsigned long ruid, euid;

  if (read_proc (pid, "status", text, sizeof text) <= 0)
    return false;
  line = strstr (text, "\nUid:");
  if (!line)
    return false;
  ruid = strtoul (line + 5, &end, 10);
  euid = strtoul (end, &line, 10);
  if (line == end || ruid > UINT32_MAX || euid > UINT32_MAX)
    return false;
  ret->ruid = (uint32_t) ruid;
  ret->euid = (uint32_t) euid;
  return true;
}

int
qemu_proc_read (int32_t pid, struct qemu_proc *ret_proc,
                struct qemu_args **ret_args, struct error *err)
{
  char *text CLEANUP_FREE = malloc (MAX_CMDLINE);
  struct qemu_proc proc = { .pid = pid };
  struct qemu_args *args = NULL;
  uint64_t again = 0;
  ssize_t len;
  int r;

  if (!text)
    return error_errno (err, ENOMEM, "process %d", (int) pid);
  r = proc_start_time (pid, &proc.start_time, err);
  if (r < 0)
    return r;
  len = read_proc (pid, "cmdline", text, MAX_CMDLINE);
  if (len < 0 || !read_uids (pid, &proc))
    return error_errno (err, ESRCH, "process %d", (int) pid);
  proc.state = read_state (pid);
  r = qemu_args_parse (text, (size_t) len, &args, err);
  if (r < 0)
    {
      error_wrap (err, "process %d", (int) pid);
      return r;
    }
  /* The number may have been given to another one in between. */
  if (proc_start_time (pid, &again, NULL) < 0 || again != proc.start_time)
    {
      qemu_args_free (args);
      return error_set (err, ESRCH, "process %d went away", (int) pid);
    }
  *ret_proc = proc;
  *ret_args = args;
  return 0;
}

/* Of the system, or of whoever runs us.  A process's folder belongs to its
 * effective user, whatever else in it does. */
static bool
is_trusted (int dir, const char *pid)
{
  struct stat st;

  return fstatat (dir, pid, &st, 0) == 0
         && (st.st_uid <= QEMU_SYSTEM_UID_MAX || st.st_uid == geteuid ());
}

/* One pass over /proc: those that are trusted, or the others. */
static bool
find_some (DIR *dir, bool trusted,
           bool (*fn) (const struct qemu_proc *proc,
                       const struct qemu_args *args, void *arg),
           void *arg)
{
  struct dirent *de;
  unsigned seen = 0;

  while ((de = readdir (dir)) && seen < MAX_PROCESSES)
    {
      struct qemu_args *args = NULL;
      struct qemu_proc proc;
      char *end;
      long pid = strtol (de->d_name, &end, 10);
      bool taken;

      if (*end || pid <= 0 || pid > INT32_MAX)
        continue;
      seen++;
      if (is_trusted (dirfd (dir), de->d_name) != trusted
          || qemu_proc_read ((int32_t) pid, &proc, &args, NULL) < 0)
        continue;
      taken = fn (&proc, args, arg);
      qemu_args_free (args);
      if (taken)
        return true;
    }
  return false;
}

int
qemu_proc_find (bool (*fn) (const struct qemu_proc *proc,
                            const struct qemu_args *args, void *arg),
                void *arg, struct error *err)
{
  DIR *dir CLEANUP_CLOSEDIR = opendir ("/proc");

  if (!dir)
    return error_errno (err, errno, "/proc");
  if (find_some (dir, true, fn, arg))
    return 1;
  rewinddir (dir);
  return find_some (dir, false, fn, arg);
}
