/* SPDX-License-Identifier: Apache-2.0
 *
 * The walls around a process of our own that reads what a stranger says, by
 * libraries of which nobody knows each call that they make: a list of what it
 * surely has no need of, and landlock for the files.
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
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

/* ---- files ---- */

#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* A file that is replaced: made beside it, and renamed. */
#define WRITE                                                                 \
  (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG                \
   | LANDLOCK_ACCESS_FS_REMOVE_FILE | TRUNCATE)
#define TRUNCATE (1ull << 14) /* of a later version than our headers may be */
#define OF_A_FILE                                                             \
  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE)

/* As the newest kernel that we know has it; older ones take its beginning. */
struct ruleset
{
  uint64_t files, net, scopes;
};

/* By version: what it knows, and how much of a ruleset it takes. */
static const struct
{
  uint64_t files;
  size_t size;
} versions[] = { { 0, 0 },       { 0x1fff, 8 },  { 0x3fff, 8 }, { 0x7fff, 8 },
                 { 0x7fff, 16 }, { 0xffff, 16 }, { 0xffff, 24 } };

static void
allow (int ruleset, const char *path, uint64_t rights)
{
  struct landlock_path_beneath_attr rule = { .allowed_access = rights };
  CLEANUP_CLOSE int fd = open (path, O_PATH | O_CLOEXEC);
  struct stat sb;

  /* What is not there needs no right. */
  if (fd < 0 || fstat (fd, &sb) < 0)
    return;
  if (!S_ISDIR (sb.st_mode))
    rule.allowed_access &= OF_A_FILE;
  rule.parent_fd = fd;
  (void) syscall (SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                  &rule, 0);
}

static void
shut_files (const struct helper_jail *jail)
{
  /* Libraries that are loaded late, their settings, and authorities. */
  static const char *const usual[]
      = { "/usr",         "/lib",        "/lib64",
          "/etc/ssl",     "/etc/pki",    "/etc/ca-certificates",
          "/etc/gnutls",  "/nix/store",  "/etc/crypto-policies",
          "/etc/passwd",  "/etc/group",  "/etc/nsswitch.conf",
          "/dev/urandom", "/dev/random", "/etc/ld.so.cache",
          "/dev/null",    "/etc/localtime" };
  long abi = syscall (SYS_landlock_create_ruleset, NULL, 0,
                      LANDLOCK_CREATE_RULESET_VERSION);
  size_t version = abi < 1                              ? 0
                   : (size_t) abi < ARRAY_LEN (versions) ? (size_t) abi
                                                        : ARRAY_LEN (versions)
                                                              - 1;
  uint64_t known = versions[version].files;
  /* Nor may it bind or connect, signal others, or find their sockets. */
  struct ruleset rs = { .files = known, .net = 3, .scopes = 3 };
  CLEANUP_CLOSE int fd = -1;

  if (!version)
    return;
  fd = (int) syscall (SYS_landlock_create_ruleset, &rs, versions[version].size,
                      0);
  if (fd < 0)
    return;
  for (size_t i = 0; i < ARRAY_LEN (usual); i++)
    allow (fd, usual[i], READ);
  for (size_t i = 0; i < ARRAY_LEN (jail->read); i++)
    if (jail->read[i])
      allow (fd, jail->read[i], READ);
  if (jail->write)
    allow (fd, jail->write, WRITE & known);
  (void) syscall (SYS_landlock_restrict_self, fd, 0);
}

#else

static void
shut_files (const struct helper_jail *jail)
{
}

#endif

/* ---- calls ---- */

#ifdef SECCOMP_ARCH

/* All of them are little endian: the low word comes first. */
#define LOW(n) (offsetof (struct seccomp_data, args) + 8 * (n))
#define X32_BIT 0x40000000u
#define CHANGES (O_ACCMODE | O_CREAT | O_TRUNC)

#define LOAD(off) BPF_STMT (BPF_LD | BPF_W | BPF_ABS, (off))
#define END(what) BPF_STMT (BPF_RET | BPF_K, (what))
#define ENDS_IN(code) END (SECCOMP_RET_ERRNO | (code))
#define UNLESS(op, k, skip) BPF_JUMP (BPF_JMP | (op) | BPF_K, (k), 0, (skip))
#define REFUSE(name) UNLESS (BPF_JEQ, SYS_##name, 1), ENDS_IN (EPERM),
/* Where that argument has one of these bits (or, ..._WITHOUT, none). */
#define REFUSE_WITH(name, arg, bits)                                          \
  UNLESS (BPF_JEQ, SYS_##name, 4), LOAD (LOW (arg)),                          \
      UNLESS (BPF_JSET, (bits), 1), ENDS_IN (EPERM),                          \
      END (SECCOMP_RET_ALLOW),
#define REFUSE_WITHOUT(name, arg, bits)                                       \
  UNLESS (BPF_JEQ, SYS_##name, 4), LOAD (LOW (arg)),                          \
      UNLESS (BPF_JSET, (bits), 1), END (SECCOMP_RET_ALLOW), ENDS_IN (EPERM),

#define START                                                                 \
  LOAD (offsetof (struct seccomp_data, arch)),                                \
      BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_ARCH, 1, 0),               \
      END (SECCOMP_RET_KILL_PROCESS),                                         \
      LOAD (offsetof (struct seccomp_data, nr)),

#ifdef __x86_64__
#define OLD_CALLS REFUSE (fork) REFUSE (vfork)
#define OLD_WRITING                                                           \
  REFUSE_WITH (open, 1, CHANGES) REFUSE (creat) REFUSE (unlink)               \
  REFUSE (rename) REFUSE (link) REFUSE (symlink) REFUSE (mkdir)               \
  REFUSE (rmdir) REFUSE (chmod) REFUSE (chown) REFUSE (mknod)
#define OTHER_NUMBERS                                                         \
  UNLESS (BPF_JGE, X32_BIT, 1), END (SECCOMP_RET_KILL_PROCESS),
#else
#define OLD_CALLS
#define OLD_WRITING
#define OTHER_NUMBERS
#endif
#ifdef SYS_renameat
#define OLD_RENAME REFUSE (renameat)
#else
#define OLD_RENAME
#endif

/* No other process: none is made, none is told or looked at.  Nobody else is
 * spoken to: there are the sockets that it was given; they are connected, so
 * that is told to libcurl, which asks for it again, without being done.  glibc
 * takes clone where a kernel has no clone3, of which the flags can't be seen
 * from here. */
#define CALLS                                                                 \
  REFUSE (execve) REFUSE (execveat) OLD_CALLS                                 \
  REFUSE_WITHOUT (clone, 0, CLONE_THREAD)                                     \
  UNLESS (BPF_JEQ, SYS_clone3, 1), ENDS_IN (ENOSYS),                          \
  REFUSE (kill) REFUSE (tkill) REFUSE (tgkill) REFUSE (rt_sigqueueinfo)       \
  REFUSE (rt_tgsigqueueinfo) REFUSE (ptrace) REFUSE (process_vm_readv)        \
  REFUSE (process_vm_writev) REFUSE (pidfd_open) REFUSE (pidfd_getfd)         \
  REFUSE (pidfd_send_signal) REFUSE_WITH (prlimit64, 0, 0xffffffffu)          \
  UNLESS (BPF_JEQ, SYS_socket, 1), ENDS_IN (EAFNOSUPPORT),                    \
  UNLESS (BPF_JEQ, SYS_connect, 1), ENDS_IN (0),                              \
  REFUSE (bind) REFUSE (listen) REFUSE (accept) REFUSE (accept4)              \
  REFUSE_WITH (sendto, 4, 0xffffffffu) REFUSE (sendmmsg)                      \
  REFUSE (unshare) REFUSE (setns) REFUSE (mount) REFUSE (umount2)             \
  REFUSE (pivot_root) REFUSE (chroot) REFUSE (keyctl) REFUSE (add_key)        \
  REFUSE (request_key) REFUSE (bpf) REFUSE (perf_event_open)                  \
  REFUSE (userfaultfd) REFUSE (io_uring_setup)

#define WRITING                                                               \
  OLD_WRITING OLD_RENAME                                                      \
  REFUSE_WITH (openat, 2, CHANGES)                                            \
  UNLESS (BPF_JEQ, SYS_openat2, 1), ENDS_IN (ENOSYS),                         \
  REFUSE (unlinkat) REFUSE (renameat2) REFUSE (linkat) REFUSE (symlinkat)     \
  REFUSE (mkdirat) REFUSE (mknodat) REFUSE (fchmodat) REFUSE (fchownat)       \
  REFUSE (truncate)

static const struct sock_filter reads_only[]
    = { START OTHER_NUMBERS WRITING CALLS END (SECCOMP_RET_ALLOW) };
static const struct sock_filter may_write[]
    = { START OTHER_NUMBERS CALLS END (SECCOMP_RET_ALLOW) };

static void
shut_calls (bool writes)
{
  const struct sock_fprog prog = {
    .len = writes ? ARRAY_LEN (may_write) : ARRAY_LEN (reads_only),
    .filter = (struct sock_filter *) (uintptr_t) (writes ? may_write
                                                         : reads_only),
  };

  (void) prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

#else

static void
shut_calls (bool writes)
{
}

#endif

void
helper_enclose (const struct helper_jail *jail)
{
  /* A sanitizer's report at the end starts a thread that looks at us. */
  if (SANITIZED)
    return;
  shut_files (jail);
  shut_calls (jail->write != NULL);
}
