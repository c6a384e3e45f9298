/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls of the parser, once for all who make a filter of them.
 * Not every architecture has every call: those have their guards.
 */
#ifndef HANGDOG_SUPERVISOR_PARSER_CALLS_H
#define HANGDOG_SUPERVISOR_PARSER_CALLS_H

#include "base/sanitize.h"
#include "base/seccomp_arch.h"

#include <sys/syscall.h>

/* Where a filter of our own is known. */
#ifdef SECCOMP_ARCH
#define PARSER_ARCH SECCOMP_ARCH
#endif

#ifdef SYS_open
#define CALLS_OLD_FILES(X) X (open) X (access) X (readlink)
#else
#define CALLS_OLD_FILES(X)
#endif
#ifdef SYS_poll
#define CALLS_OLD_POLL(X) X (poll)
#else
#define CALLS_OLD_POLL(X)
#endif
#if SANITIZED
/* clang's runtime gives its alternate stack back at the end. */
#define CALLS_SANITIZED(X) X (sigaltstack)
#else
#define CALLS_SANITIZED(X)
#endif

/* What reading, computing and answering need. */
#define PARSER_ALLOWED(X)                                                     \
  X (read) X (readv) X (fstatfs) X (pread64) X (lseek) X (write)              \
  X (writev)                                                                  \
  X (sendmsg) X (recvmsg) X (sendto) X (recvfrom) CALLS_OLD_POLL (X)          \
  X (ppoll) X (close) X (munmap) X (mremap) X (brk) X (madvise) X (futex)     \
  X (sched_yield) X (getrandom) X (clock_gettime) X (gettimeofday)            \
  X (restart_syscall) X (rt_sigreturn) X (exit) X (exit_group)                \
  CALLS_SANITIZED (X)

/* What libraries try in passing and do well without: EACCES. */
#define PARSER_REFUSED(X)                                                     \
  X (openat) CALLS_OLD_FILES (X) X (newfstatat) X (fstat) X (statx)           \
  X (faccessat) X (readlinkat) X (ioctl) X (prlimit64) X (sysinfo)            \
  X (uname) X (getpid) X (gettid) X (rt_sigprocmask) X (rt_sigaction)

/* Memory, but none that can be run. */
#define PARSER_NOT_EXEC(X) X (mmap) X (mprotect)
/* And fcntl(), to ask whether the channel blocks: F_GETFL only. */

#endif
