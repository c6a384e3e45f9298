/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's list of system calls as a programme for the kernel, made here
 * and not by libseccomp: loading that library and having it probe the kernel
 * takes a third of a parser's life.  On an architecture that is not known
 * here it is still who makes it, and a test compares the two.
 */
#include "config.h"

#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_calls.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifdef PARSER_ARCH

/* All of them are little endian: the low word comes first. */
#define LOW(n) (offsetof (struct seccomp_data, args) + 8 * (n))
#define HIGH(n) (LOW (n) + 4)
#define X32_BIT 0x40000000u

#define LOAD(off) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (off))
#define END(what) BPF_STMT (BPF_RET | BPF_K, (what))
#define UNLESS(op, k, skip) BPF_JUMP (BPF_JMP | (op) | BPF_K, (k), 0, (skip))
#define IF(op, k, skip) BPF_JUMP (BPF_JMP | (op) | BPF_K, (k), (skip), 0)

/* One call after the other: what comes often comes first, and 45 comparisons
 * are less than what the call itself takes. */
#define ALLOW(name)                                                           \
  UNLESS (BPF_JEQ, SYS_##name, 1), END (SECCOMP_RET_ALLOW),
#define REFUSE(name)                                                          \
  UNLESS (BPF_JEQ, SYS_##name, 1), END (SECCOMP_RET_ERRNO | EACCES),
#define NOT_EXEC(name)                                                        \
  UNLESS (BPF_JEQ, SYS_##name, 4), LOAD (LOW (2)),                            \
      IF (BPF_JSET, PROT_EXEC, 1), END (SECCOMP_RET_ALLOW),                   \
      END (SECCOMP_RET_KILL_PROCESS),

static const struct sock_filter filter[] = {
  LOAD (offsetof (struct seccomp_data, arch)),
  IF (BPF_JEQ, PARSER_ARCH, 1),
  END (SECCOMP_RET_KILL_PROCESS),
  LOAD (offsetof (struct seccomp_data, nr)),
#ifdef __x86_64__
  UNLESS (BPF_JGE, X32_BIT, 1),
  END (SECCOMP_RET_KILL_PROCESS),
#endif
  PARSER_ALLOWED (ALLOW)
  PARSER_NOT_EXEC (NOT_EXEC)
  PARSER_REFUSED (REFUSE)
  UNLESS (BPF_JEQ, SYS_fcntl, 5),
  LOAD (HIGH (1)),
  UNLESS (BPF_JEQ, 0, 3),
  LOAD (LOW (1)),
  UNLESS (BPF_JEQ, F_GETFL, 1),
  END (SECCOMP_RET_ALLOW),
  END (SECCOMP_RET_KILL_PROCESS),
};

const struct sock_filter *
jail_filter (size_t *ret_len)
{
  *ret_len = ARRAY_LEN (filter);
  return filter;
}

int
jail_filter_calls (struct error *err)
{
  struct sock_fprog prog
      = { .len = ARRAY_LEN (filter),
          .filter = (struct sock_filter *) (uintptr_t) filter };

  if (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
    return error_errno (err, errno, "installing the list of system calls");
  return 0;
}

#else

const struct sock_filter *
jail_filter (size_t *ret_len)
{
  *ret_len = 0;
  return NULL;
}

int
jail_filter_calls (struct error *err)
{
  return jail_filter_seccomp (-1, err);
}

#endif
