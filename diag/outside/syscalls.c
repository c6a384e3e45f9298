/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of the system calls that programmes wait in.
 */
#include "diag/outside/apps_impl.h"

#include "base/cleanup.h"

static const struct
{
  const char *name;
  short x86, arm;
} calls[] = {
  { "read", 0, 63 },
  { "write", 1, 64 },
  { "open", 2, -1 },
  { "stat", 4, -1 },
  { "fstat", 5, 80 },
  { "lstat", 6, -1 },
  { "poll", 7, -1 },
  { "ioctl", 16, 29 },
  { "pread64", 17, 67 },
  { "pwrite64", 18, 68 },
  { "readv", 19, 65 },
  { "writev", 20, 66 },
  { "select", 23, -1 },
  { "msync", 26, 227 },
  { "pause", 34, -1 },
  { "nanosleep", 35, 101 },
  { "connect", 42, 203 },
  { "accept", 43, 202 },
  { "sendto", 44, 206 },
  { "recvfrom", 45, 207 },
  { "sendmsg", 46, 211 },
  { "recvmsg", 47, 212 },
  { "wait4", 61, 260 },
  { "semop", 65, 193 },
  { "fcntl", 72, 25 },
  { "flock", 73, 32 },
  { "fsync", 74, 82 },
  { "fdatasync", 75, 83 },
  { "rename", 82, -1 },
  { "mkdir", 83, -1 },
  { "unlink", 87, -1 },
  { "rt_sigtimedwait", 128, 137 },
  { "rt_sigsuspend", 130, 133 },
  { "statfs", 137, 43 },
  { "sync", 162, 81 },
  { "mount", 165, 40 },
  { "umount2", 166, 39 },
  { "futex", 202, 98 },
  { "io_getevents", 208, 4 },
  { "getdents64", 217, 61 },
  { "semtimedop", 220, 192 },
  { "clock_nanosleep", 230, 115 },
  { "epoll_wait", 232, -1 },
  { "waitid", 247, 95 },
  { "openat", 257, 56 },
  { "newfstatat", 262, 79 },
  { "unlinkat", 263, 35 },
  { "pselect6", 270, 72 },
  { "ppoll", 271, 73 },
  { "epoll_pwait", 281, 22 },
  { "fallocate", 285, 47 },
  { "accept4", 288, 242 },
  { "recvmmsg", 299, 243 },
  { "syncfs", 306, 267 },
  { "statx", 332, 291 },
  { "io_uring_enter", 426, 426 },
  { "openat2", 437, 437 },
  { "epoll_pwait2", 441, 441 },
  { "futex_waitv", 449, 449 },
};

const char *
syscall_name (bool arm, long long nr)
{
  for (size_t i = 0; i < ARRAY_LEN (calls); i++)
    if ((arm ? calls[i].arm : calls[i].x86) == nr && nr >= 0)
      return calls[i].name;
  return NULL;
}
