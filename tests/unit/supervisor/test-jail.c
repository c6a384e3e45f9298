/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's own means against those they stand for: its list of system
 * calls decides as libseccomp's does, whatever the call and its arguments;
 * its SHA-256 is libcrypto's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller-proto/sha256.h"
#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_calls.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the kernel's interpreter, as far as such filters need it ---- */

static bool
jumps (unsigned op, uint32_t a, uint32_t k)
{
  switch (op)
    {
    case BPF_JEQ:
      return a == k;
    case BPF_JGT:
      return a > k;
    case BPF_JGE:
      return a >= k;
    case BPF_JSET:
      return (a & k) != 0;
    default:
      fail_msg ("jump %x is not known", op);
    }
  return false;
}

static uint32_t
decide (const struct sock_filter *f, size_t n, const struct seccomp_data *d)
{
  uint32_t a = 0;

  for (size_t pc = 0; pc < n; pc++)
    {
      const struct sock_filter *i = &f[pc];

      switch (BPF_CLASS (i->code))
        {
        case BPF_LD:
          assert_true (i->k + 4 <= sizeof *d);
          memcpy (&a, (const char *) d + i->k, 4);
          break;
        case BPF_ALU:
          assert_int_equal (i->code, BPF_ALU | BPF_AND | BPF_K);
          a &= i->k;
          break;
        case BPF_JMP:
          if (BPF_OP (i->code) == BPF_JA)
            pc += i->k;
          else
            pc += jumps (BPF_OP (i->code), a, i->k) ? i->jt : i->jf;
          break;
        case BPF_RET:
          return i->k;
        default:
          fail_msg ("instruction %x is not known", i->code);
        }
    }
  fail_msg ("the programme runs beyond its end");
  return 0;
}

static void
test_filter (void **state)
{
  static const uint64_t args[]
      = { 0, PROT_READ, PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC, F_GETFL,
          F_SETFL, F_DUPFD, UINT64_C (0x100000000) | F_GETFL,
          UINT64_C (0x100000000), UINT64_MAX };
  CLEANUP_CLOSE int fd = memfd_create ("bpf", MFD_CLOEXEC);
  struct sock_filter theirs[1024];
  struct error err = ERROR_INIT;
  const struct sock_filter *ours;
  unsigned allowed = 0;
  size_t n, m;

  ours = jail_filter (&n);
  if (ours == NULL)
    skip ();
  /* valgrind does not know the call by which libseccomp asks the kernel. */
  if (jail_filter_seccomp (fd, &err) == -ENOMEM)
    skip ();
  m = (size_t) pread (fd, theirs, sizeof theirs, 0) / sizeof *theirs;
  assert_in_range (m, 20, 1023);
  for (uint32_t nr = 0; nr < 1000; nr++)
    for (size_t i = 0; i < ARRAY_LEN (args); i++)
      for (size_t j = 0; j < ARRAY_LEN (args); j++)
        {
          struct seccomp_data d
              = { .nr = (int) nr,
#ifdef PARSER_ARCH
                  .arch = PARSER_ARCH,
#endif
                  .args = { 0, args[i], args[j] } };
          uint32_t want = decide (theirs, m, &d), is = decide (ours, n, &d);

          if (want != is)
            fail_msg ("call %x (%llx, %llx): %x, libseccomp says %x", nr,
                      (unsigned long long) args[i],
                      (unsigned long long) args[j], is, want);
          allowed += is == SECCOMP_RET_ALLOW;
        }
  assert_true (allowed > 20 * ARRAY_LEN (args) * ARRAY_LEN (args));
  /* Numbers of another architecture, or of x32, mean other calls.
   * libseccomp ends only the thread there. */
  struct seccomp_data alien = { .nr = SYS_read, .arch = 0x40000003 };
  assert_int_equal (decide (ours, n, &alien), SECCOMP_RET_KILL_PROCESS);
#ifdef PARSER_ARCH
  struct seccomp_data x32 = { .nr = 0x40000000 | SYS_read,
                              .arch = PARSER_ARCH };
  assert_int_equal (decide (ours, n, &x32), SECCOMP_RET_KILL_PROCESS);
#endif
}

static void
test_sum (void **state)
{
  CLEANUP_SHA256 struct sha256 *s = NULL;
  unsigned char data[1000], md[SHA256_DIGEST_LENGTH];
  char hex[SHA256_HEX], want[SHA256_HEX];
  struct error err = ERROR_INIT;

  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (unsigned char) (i * 7 + i / 256);
  assert_int_equal (sha256_new (&s, &err), 0);
  for (size_t len = 0; len <= sizeof data; len++)
    {
      size_t cut = len * 3 / 7;

      sha256_reset (s);
      sha256_add (s, data, cut);
      sha256_add (s, data + cut, len - cut);
      sha256_end (s, hex);
      SHA256 (data, len, md);
      for (size_t i = 0; i < sizeof md; i++)
        snprintf (want + 2 * i, 3, "%02x", md[i]);
      assert_string_equal (hex, want);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_filter),
    cmocka_unit_test (test_sum),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
