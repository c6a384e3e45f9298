/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of stacks of all architectures and ages, and lines that look like
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "kernel/text/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "C func+off/size [module] where ?" */
static void
describe (const char *text, char *ret, size_t size)
{
  static const char letters[] = "-CILUR";
  size_t len = strlen (text);
  char *copy = malloc (len ? len : 1);
  struct text_frame f;
  enum frame_form form;
  int n;

  assert_non_null (copy);
  memcpy (copy, text, len);
  memset (&f, 0, sizeof f);
  form = frame_parse (copy, len, &f);
  free (copy);
  n = snprintf (ret, size, "%c", letters[form]);
  if (form != FRAME_CALL && form != FRAME_IP && form != FRAME_LR)
    return;
  n += snprintf (ret + n, size - (size_t) n, " %s", f.func);
  if (f.size)
    n += snprintf (ret + n, size - (size_t) n, "+%llx/%llx",
                   (unsigned long long) f.offset,
                   (unsigned long long) f.size);
  if (f.module[0])
    n += snprintf (ret + n, size - (size_t) n, " [%s]", f.module);
  if (f.where[0])
    n += snprintf (ret + n, size - (size_t) n, " %s", f.where);
  if (f.guess)
    snprintf (ret + n, size - (size_t) n, " ?");
}

static const struct
{
  const char *text, *want;
} cases[] = {
  /* x86 of today. */
  { " vfs_mkdir+0x1a/0x210", "C vfs_mkdir+1a/210" },
  { " ? vfs_mkdir+0x1a/0x210", "C vfs_mkdir+1a/210 ?" },
  { "  xfs_buf_lock+0x2f/0x90 [xfs]", "C xfs_buf_lock+2f/90 [xfs]" },
  { " xfs_buf_lock+0x2f/0x90 [xfs 0123456789abcdef0123]",
    "C xfs_buf_lock+2f/90 [xfs]" },
  { " do_rmdir+0x10/0x20 fs/namei.c:4012", "C do_rmdir+10/20 fs/namei.c:4012" },
  { " dput fs/dcache.c:913 [inline]", "C dput fs/dcache.c:913" },
  { "RIP: 0010:clear_page_erms+0xb/0x20", "I clear_page_erms+b/20" },
  { "RIP: 0010:nfs_wait+0x4/0x80 [nfs]", "I nfs_wait+4/80 [nfs]" },
  { "RIP: 0033:0x7f35a2c11a17", "U" },
  { "RIP: 0023:0xf7fa2549", "U" },
  { "RIP: 0010:0xffffffffc0001234", "R" },
  /* What compilers append. */
  { " put_cred_rcu.part.0+0x5/0x60", "C put_cred_rcu+5/60" },
  { " __die.cold+0x5/0x6", "C __die+5/6" },
  { " f.isra.12.constprop.3+0x1/0x2", "C f+1/2" },
  { " f.llvm.1234567890+0x1/0x2", "C f+1/2" },
  /* x86 of before. */
  { " [<ffffffff811a2b3c>] vfs_read+0x9c/0x170", "C vfs_read+9c/170" },
  { " [<ffffffff811a2b3c>] ? vfs_read+0x9c/0x170", "C vfs_read+9c/170 ?" },
  { " [<c0114a5b>] mount_root+0x3d/0x52", "C mount_root+3d/52" },
  { "[<(ptrval)>] show_it+0x1/0x2", "C show_it+1/2" },
  { "RIP: 0010:[<ffffffff8133a1b0>]  [<ffffffff8133a1b0>] "
    "list_del+0x10/0xa0",
    "I list_del+10/a0" },
  { "RIP  [<ffffffff8133a1b0>] list_del+0x10/0xa0", "I list_del+10/a0" },
  { "IP: [<ffffffffa0212345>] my_probe+0x15/0x40 [mydrv]",
    "I my_probe+15/40 [mydrv]" },
  { "EIP: 0060:[<c0123456>] EFLAGS: 00010246 CPU: 0", "R" },
  { "EIP is at kfree+0x45/0x90", "I kfree+45/90" },
  /* arm. */
  { "PC is at wait_for_it+0x24/0x60", "I wait_for_it+24/60" },
  { "LR is at release_it+0x2c/0x50", "L release_it+2c/50" },
  { "[<c0016bd0>] (show_stack) from [<c03b7c34>] (dump_stack+0x88/0x9c)",
    "C show_stack" },
  { "[<c0016bd0>] (unwind_backtrace+0x0/0xf8) from [<c0013a24>] (f+0x1/0x2)",
    "C unwind_backtrace+0/f8" },
  { " show_stack from dump_stack_lvl+0x48/0x54", "C show_stack" },
  { "[<bf004018>] (go [mymod]) from [<c0009b4c>] (do_one_initcall+0x1/0x2)",
    "C go [mymod]" },
  /* arm64, riscv, ppc, s390, mips. */
  { "pc : el1_wait+0x18/0x30", "I el1_wait+18/30" },
  { "lr : el1_wait+0x10/0x30", "L el1_wait+10/30" },
  { "epc : handle_it+0x8/0x14", "I handle_it+8/14" },
  { " ra : handle_it+0x4/0x14", "L handle_it+4/14" },
  { "[<ffffffff80003c3c>] walk_it+0x0/0xe2", "C walk_it+0/e2" },
  { "NIP [c00000000003d1a4] .msi_free+0x24/0x60", "I msi_free+24/60" },
  { "LR [c00000000003d198] .msi_free+0x18/0x60", "L msi_free+18/60" },
  { "[c0000001fb9a7a30] [c000000000a2b3c4] do_exit+0x1/0x2 (unreliable)",
    "C do_exit+1/2 ?" },
  { "[c0000001fb9a7a30] [c000000000a2b3c4] do_exit+0x1/0x2", "C do_exit+1/2" },
  { "Krnl PSW : 0704d00180000000 00000000001e2d3c (iput+0x3c/0x1f0)",
    "I iput+3c/1f0" },
  { "([<000000000011a2b4>] show_trace+0x12c/0x150)",
    "C show_trace+12c/150" },
  { " [<000003ff8016f1c2>] go+0x3a/0x80 [mymod]", "C go+3a/80 [mymod]" },
  { "epc   : 80115b7c kfree+0x3c/0x120", "I kfree+3c/120" },
  /* Rust. */
  { " <rust_x::Node as kernel::Trait>::call+0x11/0x22",
    "C <rust_x::Node as kernel::Trait>::call+11/22" },
  { " _RNvNtCs1_3zoo4cage5sweep+0x11/0x22", "C zoo::cage::sweep+11/22" },
  { " _RNvNtCsZZZZZZZZZZZ_3zoo4cage5sweep+0x11/0x22",
    "C zoo::cage::sweep+11/22" },
  { " _RNvMs_NtCs1_3zoo4cageNtB4_4Cage4open+0x11/0x22",
    "C <zoo::cage::Cage>::open+11/22" },
  { " _RNvXs1_Cs9_3zooNtB5_4LionNtNtCs4_6kernel4life4Life3eat+0x1/0x2",
    "C <zoo::Lion as kernel::life::Life>::eat+1/2" },
  { " _RINvCs1_3zoo4feedNtB2_4LionmE+0x1/0x2", "C zoo::feed+1/2" },
  { " _RNCNvCs1_3zoo4feed0B3_+0x1/0x2", "C zoo::feed::{closure}+1/2" },
  { " _RNvXCs1_3zooRShNtB2_4Life3eat+0x1/0x2",
    "C <&[u8] as zoo::Life>::eat+1/2" },
  /* No name of Rust's after all, and one that refers to itself. */
  { " _RNvx+0x1/0x2", "C _RNvx+1/2" },
  { " _RNvB_3foo+0x1/0x2", "C _RNvB_3foo+1/2" },
  /* Not of a stack. */
  { "", "-" },
  { "Call Trace:", "-" },
  { "RAX: 0000000000000000 RBX: ffff88800f1c2d00 RCX: 1", "-" },
  { "Code: 48 89 5c 24 08 <0f> 0b", "-" },
  { "systemd[1]: Started a+0x1/0x2 and much more than that was said by it",
    "-" },
  { "WARNING: CPU: 0 PID: 1 at fs/x.c:1 f+0x1/0x2", "-" },
  { "eth0: link up, 1000 Mbps", "-" },
  { "pcieport 0000:00:1c.0: AER: enabled", "-" },
  { "+0x1/0x2", "-" },
  { "[   1.0] x", "-" },
};

static void
frames (void **state)
{
  size_t i;
  char got[512];

  (void) state;
  for (i = 0; i < ARRAY_LEN (cases); i++)
    {
      describe (cases[i].text, got, sizeof got);
      if (strcmp (got, cases[i].want) != 0)
        fail_msg ("\"%s\": \"%s\", not \"%s\"", cases[i].text, got,
                  cases[i].want);
    }
}

/* Each beginning of each line: cut off anywhere, nothing is read beyond. */
static void
beginnings (void **state)
{
  size_t i, n;
  char got[512], part[512];

  (void) state;
  for (i = 0; i < ARRAY_LEN (cases); i++)
    for (n = 0; n < strlen (cases[i].text); n++)
      {
        memcpy (part, cases[i].text, n);
        part[n] = '\0';
        describe (part, got, sizeof got);
      }
}

static void
long_names (void **state)
{
  char line[300], got[512];
  struct text_frame f;

  (void) state;
  memset (line, 'a', sizeof line);
  memcpy (line + 250, "+0x1/0x2", 9);
  describe (line, got, sizeof got);
  assert_int_equal (frame_parse (line, strlen (line), &f), FRAME_CALL);
  assert_int_equal (strlen (f.func), TEXT_FUNC_MAX - 1);
}

static void
syscalls (void **state)
{
  static const char *const pairs[][2] = {
    { "__x64_sys_read", "sys_read" }, { "SyS_read", "sys_read" },
    { "__arm64_sys_read", "sys_read" }, { "sys_read", "sys_read" },
    { "__se_compat_sys_read", "sys_read" }, { "ksys_read", "ksys_read" },
    { "vfs_read", "vfs_read" },
  };
  char got[TEXT_FUNC_MAX];
  size_t i;

  (void) state;
  for (i = 0; i < ARRAY_LEN (pairs); i++)
    {
      frame_generic_syscall (pairs[i][0], got, sizeof got);
      assert_string_equal (got, pairs[i][1]);
      memcpy (got, pairs[i][0], strlen (pairs[i][0]) + 1);
      frame_generic_syscall (got, got, sizeof got);
      assert_string_equal (got, pairs[i][1]);
    }
  frame_generic_syscall ("__x64_sys_read", got, 6);
  assert_string_equal (got, "sys_r");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (frames),
    cmocka_unit_test (beginnings),
    cmocka_unit_test (long_names),
    cmocka_unit_test (syscalls),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
