/* SPDX-License-Identifier: Apache-2.0
 *
 * Walls around a helper that reads what is a stranger's, and needs no more
 * than the descriptors that it was given.
 */
#include "config.h"

#include "base/helper.h"

#include "base/cleanup.h"
#include "base/sanitize.h"
#include "base/seccomp_arch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

bool
helper_no_files (void)
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

#ifdef SECCOMP_ARCH

#define X32_BIT 0x40000000u
#define ARG(n) (offsetof (struct seccomp_data, args) + 8 * (n))
#define LOAD(off) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (off))
#define END(what) BPF_STMT (BPF_RET | BPF_K, (what))
#define UNLESS(op, k, skip) BPF_JUMP (BPF_JMP | (op) | BPF_K, (k), 0, (skip))
#define REFUSED (SECCOMP_RET_ERRNO | EACCES)

/* Memory, but none that can be run. */
#define NOT_EXEC(name)                                                        \
  UNLESS (BPF_JEQ, SYS_##name, 4), LOAD (ARG (2)),                            \
      UNLESS (BPF_JSET, PROT_EXEC, 1), END (REFUSED), END (SECCOMP_RET_ALLOW)

static const struct sock_filter head[] = {
  LOAD (offsetof (struct seccomp_data, arch)),
  UNLESS (BPF_JEQ, SECCOMP_ARCH, 1),
  BPF_STMT (BPF_JMP | BPF_JA, 1),
  END (SECCOMP_RET_KILL_PROCESS),
  LOAD (offsetof (struct seccomp_data, nr)),
#ifdef __x86_64__
  UNLESS (BPF_JGE, X32_BIT, 1),
  END (SECCOMP_RET_KILL_PROCESS),
#endif
  NOT_EXEC (mmap),
  NOT_EXEC (mprotect),
  /* F_SETOWN would let the kernel send signals for it. */
  UNLESS (BPF_JEQ, SYS_fcntl, 6),
  LOAD (ARG (1)),
  UNLESS (BPF_JEQ, F_GETFL, 1),
  END (SECCOMP_RET_ALLOW),
  UNLESS (BPF_JEQ, F_SETFL, 1),
  END (SECCOMP_RET_ALLOW),
  END (REFUSED),
};

#define CALLS_MAX 100

int
helper_only_calls (const int *calls, size_t n)
{
  struct sock_filter f[ARRAY_LEN (head) + 2 * CALLS_MAX + 1];
  struct sock_fprog prog = { .filter = f };
  size_t len = 0;

  /* Its runtime has calls of its own. */
  if (SANITIZED)
    return 0;
  if (n > CALLS_MAX)
    return -E2BIG;
  for (; len < ARRAY_LEN (head); len++)
    f[len] = head[len];
  for (size_t i = 0; i < n; i++)
    {
      f[len++]
          = (struct sock_filter) UNLESS (BPF_JEQ, (unsigned) calls[i], 1);
      f[len++] = (struct sock_filter) END (SECCOMP_RET_ALLOW);
    }
  f[len++] = (struct sock_filter) END (REFUSED);
  prog.len = (unsigned short) len;
  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0 ? -errno
                                                                      : 0;
}

#else

int
helper_only_calls (const int *calls, size_t n)
{
  return -ENOSYS;
}

#endif
