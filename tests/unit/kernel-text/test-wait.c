/* SPDX-License-Identifier: Apache-2.0
 *
 * What stacks wait for, and where: of tasks that sleep, that run, and of
 * kernel threads that do nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/wait.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX 16

static const struct
{
  const char *stack; /* innermost first; "?" = left over */
  const char *what, *where;
} cases[] = {
  /* asleep for storage */
  { "__schedule+0x2e/0x8f0 schedule+0x5e/0xd0 io_schedule+0x46/0x70 "
    "blk_mq_get_tag+0x11/0x30 ext4_get_block+0x1/0x2",
    "io", "ext4_get_block+0x1/0x2" },
  { "__schedule schedule bit_wait_io __wait_on_bit out_of_line_wait_on_bit "
    "__ext4_find_entry",
    "io", "__ext4_find_entry" },
  { "__schedule schedule jbd2_log_wait_commit ext4_sync_file", "io",
    "ext4_sync_file" },
  { "__schedule schedule folio_wait_bit_common filemap_fault", "io",
    "filemap_fault" },
  /* for a lock; what is above decides */
  { "__schedule schedule schedule_preempt_disabled __mutex_lock.constprop.0 "
    "mutex_lock+0x3/0x10 zoo_waits+0x1/0x2",
    "lock", "zoo_waits+0x1/0x2" },
  { "__schedule schedule rwsem_down_write_slowpath down_write do_unlinkat "
    "blk_finish_plug",
    "lock", "do_unlinkat" },
  { "__schedule schedule io_schedule blk_mq_get_tag mutex_lock ext4_write",
    "io", "ext4_write" },
  { "__schedule schedule __mutex_lock rtnl_lock dev_ioctl", "lock",
    "rtnl_lock" },
  { "__schedule schedule rtnl_lock dev_ioctl", "lock", "rtnl_lock" },
  { "__schedule schedule down zoo", "lock", "zoo" },
  { "__schedule schedule downstream_port zoo", "", "downstream_port" },
  { "__switch_to __schedule schedule_rtlock rtlock_slowlock_locked "
    "rt_spin_lock zoo",
    "lock", "zoo" },
  /* for others */
  { "__schedule schedule schedule_timeout wait_for_completion zoo", "",
    "zoo" },
  { "__schedule schedule do_wait kernel_wait4", "", "kernel_wait4" },
  { "__schedule schedule synchronize_rcu zoo", "", "synchronize_rcu" },
  { "? __schedule schedule ? mutex_lock ep_poll", "", "ep_poll" },
  /* what runs: it works on storage, it does not wait for it */
  { "nvme_poll blk_mq_poll io_do_iopoll", "io", "nvme_poll" },
  { "native_queued_spin_lock_slowpath _raw_spin_lock zoo_spins", "",
    "zoo_spins" },
  { "<interrupt> delay_tsc __const_udelay zoo_spins", "", "zoo_spins" },
  { "pv_native_safe_halt default_idle", "", "default_idle" },
  /* kernel threads: worker_thread says more than what starts all of them */
  { "__schedule schedule worker_thread kthread ret_from_fork", "",
    "worker_thread" },
  { "__schedule schedule rpc_wait_bit_killable nfs4_run_state_manager kthread "
    "ret_from_fork_asm",
    "io", "nfs4_run_state_manager" },
  { "kthread ret_from_fork", "", "kthread" },
  /* nothing else, or nothing at all */
  { "__schedule schedule", "", NULL },
  { "? zoo", "", NULL },
  { "", "", NULL },
};

static unsigned
names_of (char *text, const char *names[MAX])
{
  unsigned n = 0;
  bool guess = false;
  char *save = NULL;

  for (char *p = strtok_r (text, " ", &save); p;
       p = strtok_r (NULL, " ", &save))
    if (strcmp (p, "?") == 0)
      guess = true;
    else
      {
        assert_in_range (n, 0, MAX - 1);
        names[n++] = guess ? NULL : p;
        guess = false;
      }
  return n;
}

static void
each_stack (void **state)
{
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      char *text = strdup (cases[i].stack);
      const char *names[MAX], *where;
      unsigned n = names_of (text, names);
      struct wait w;

      wait_of (names, n, &w);
      where = w.at < 0 ? NULL : names[w.at];
      if (strcmp (wait_for_names[w.what], cases[i].what) != 0)
        fail_msg ("%s: waits for \"%s\", not \"%s\"", cases[i].stack,
                  wait_for_names[w.what], cases[i].what);
      if (!where != !cases[i].where
          || (where && strcmp (where, cases[i].where) != 0))
        fail_msg ("%s: in %s, not %s", cases[i].stack,
                  where ? where : "nothing",
                  cases[i].where ? cases[i].where : "nothing");
      free (text);
    }
}

/* By what a stack is known again: pairs of it that are the same, and that are
 * not. */
static void
keys (void **state)
{
  static const struct
  {
    const char *a, *b, *key; /* b NULL: another one than the case before */
  } cases_[] = {
    /* offsets, sizes, compilers' suffixes */
    { "__schedule+0x2e/0x8f0 schedule+0x5e/0xd0 "
      "schedule_preempt_disabled+0x15/0x30 __mutex_lock.constprop.0+0x3b/0x6c "
      "take_b.isra.0+0x1f/0x40 work.part.2+0x10/0x20 kthread+0xe/0x1 "
      "ret_from_fork+0x2/0x3",
      "__schedule+0x9/0x1 schedule+0x1/0x2 __mutex_lock_slowpath mutex_lock "
      "take_b+0x7/0x99 work.cold+0x1/0x2 kthread+0x1/0x2 ret_from_fork_asm",
      "take_b;work" },
    { "__schedule schedule __mutex_lock take_a+0x1f/0x40 work", NULL,
      "take_a;work" },
    { "__schedule schedule __mutex_lock take_a+0x1f/0x40 other", NULL,
      "take_a;other" },
    /* how one gets there, and by which machine */
    { "__schedule io_schedule folio_wait_bit_common filemap_fault "
      "__x64_sys_read do_syscall_64 entry_SYSCALL_64_after_hwframe",
      "schedule bit_wait_io filemap_fault+0x1/0x2 __arm64_sys_read "
      "invoke_syscall el0_svc_common.constprop.0 el0t_64_sync",
      "filemap_fault;sys_read" },
    /* what a loop calls now and then */
    { "read_tsc+0x1/0x2 ktime_get spin+0x4/0x9 asm_exc_nmi",
      "cpu_relax delay_tsc __const_udelay spin+0x77/0x99", "spin" },
    { "a b c d e f", "a b b c c d x", "a;b;c;d" },
    { "0xffffffff81000000 __schedule schedule", "kthread", "" },
    { "", "? <interrupt>", "" },
  };

  for (size_t i = 0; i < sizeof cases_ / sizeof cases_[0]; i++)
    for (int k = 0; k < 2; k++)
      {
        const char *stack = k ? cases_[i].b : cases_[i].a, *names[MAX];
        char *text = stack ? strdup (stack) : NULL, key[200];

        if (!text)
          continue;
        wait_key (names, names_of (text, names), key, sizeof key);
        if (strcmp (key, cases_[i].key) != 0)
          fail_msg ("%s: \"%s\", not \"%s\"", stack, key, cases_[i].key);
        free (text);
      }
}

static void
a_key_has_its_bound (void **state)
{
  const char *names[] = { "one [zoo]", "three+0x1/0x2 [zoo]", "four", "five" };
  char key[24];

  wait_key (names, 4, key, sizeof key);
  assert_string_equal (key, "one [zoo];three [zoo]");
  wait_key (names, 4, key, 9);
  assert_string_equal (key, "");
}

static void
one_function (void **state)
{
  assert_int_equal (wait_for ("mutex_lock"), WAIT_LOCK);
  assert_int_equal (wait_for ("down+0x1/0x2"), WAIT_LOCK);
  assert_int_equal (wait_for ("down.isra.0"), WAIT_LOCK);
  assert_int_equal (wait_for ("downs"), WAIT_OTHER);
  assert_int_equal (wait_for ("submit_bio_wait"), WAIT_IO);
  assert_int_equal (wait_for ("schedule"), WAIT_OTHER);
  assert_int_equal (wait_for (""), WAIT_OTHER);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_stack),
    cmocka_unit_test (one_function),
    cmocka_unit_test (keys),
    cmocka_unit_test (a_key_has_its_bound),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
