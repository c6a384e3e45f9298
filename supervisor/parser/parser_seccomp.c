/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's list of system calls, made by libseccomp: where no programme
 * of our own is known, and for the test that compares them.
 */
#include "config.h"

#include "supervisor/parser/parser.h"
#include "supervisor/parser/parser_calls.h"

#if !defined(PARSER_ARCH) || defined(PARSER_COMPARE)

#include "base/cleanup.h"
#include "base/error.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>

#define NUMBER(name) SCMP_SYS (name),
static const int allowed[] = { PARSER_ALLOWED (NUMBER) };
static const int refused[] = { PARSER_REFUSED (NUMBER) };
static const int not_exec[] = { PARSER_NOT_EXEC (NUMBER) };

static int
add_rules (scmp_filter_ctx ctx)
{
  int r = 0;

  for (size_t i = 0; r == 0 && i < ARRAY_LEN (allowed); i++)
    r = seccomp_rule_add (ctx, SCMP_ACT_ALLOW, allowed[i], 0);
  for (size_t i = 0; r == 0 && i < ARRAY_LEN (refused); i++)
    r = seccomp_rule_add (ctx, SCMP_ACT_ERRNO (EACCES), refused[i], 0);
  for (size_t i = 0; r == 0 && i < ARRAY_LEN (not_exec); i++)
    r = seccomp_rule_add (ctx, SCMP_ACT_ALLOW, not_exec[i], 1,
                          SCMP_A2 (SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  if (r == 0)
    r = seccomp_rule_add (ctx, SCMP_ACT_ALLOW, SCMP_SYS (fcntl), 1,
                          SCMP_A1 (SCMP_CMP_EQ, F_GETFL));
  return r;
}

int
jail_filter_seccomp (int export_fd, struct error *err)
{
  scmp_filter_ctx ctx = seccomp_init (SCMP_ACT_KILL_PROCESS);
  int r;

  if (ctx == NULL)
    return error_set (err, ENOMEM, "no memory for the list of system calls");
  r = add_rules (ctx);
  if (r == 0)
    r = export_fd < 0 ? seccomp_load (ctx)
                      : seccomp_export_bpf (ctx, export_fd);
  seccomp_release (ctx);
  if (r < 0)
    return error_errno (err, -r, "installing the list of system calls");
  return 0;
}

#else
/* An empty translation unit is not C. */
typedef int parser_seccomp_unused;
#endif
