/* SPDX-License-Identifier: Apache-2.0
 *
 * Titles: which function a report is named after, what is left of a title
 * without one, numbers, signatures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "kernel/text/titles.h"
#include "tests/unit/kernel-text/reader-bed.h"

#define T "[   71.000000] "

static const struct
{
  const char *text, *title, *type, *alt;
} cases[] = {
  /* Where the CPU was. */
  { T "BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
    T "Oops: 0000 [#1] PREEMPT SMP\n"
    T "CPU: 1 PID: 77 Comm: cat Not tainted 6.1.0 #1\n"
    T "RIP: 0010:zoo_feed+0x12/0x40 [zoo]\n"
    T "Call Trace:\n"
    T " zoo_open+0x1/0x9 [zoo]\n"
    T " do_dentry_open+0x1/0x9\n"
    T "---[ end trace 0000000000000000 ]---\n",
    "BUG: unable to handle kernel NULL pointer dereference in zoo_feed",
    "NULL-POINTER-DEREFERENCE", "bad-access in zoo_feed" },
  /* A tool: who called it. */
  { T "general protection fault: 0000 [#1] SMP PTI\n"
    T "RIP: 0010:memcpy_erms+0x6/0x10\n"
    T "Call Trace:\n"
    T " ? prep_it+0x1/0x2\n"
    T " _raw_spin_lock_irqsave+0x1/0x2\n"
    T " zoo_copy.isra.0+0x1/0x9\n"
    T " ksys_read+0x1/0x9\n"
    T "---[ end trace 0 ]---\n",
    "general protection fault in zoo_copy", "DoS", "bad-access in zoo_copy" },
  /* No function at all: trackers say so. */
  { T "divide error: 0000 [#1] SMP\n"
    T "Call Trace:\n"
    T " ? perhaps+0x1/0x2\n"
    T "---[ end trace 0 ]---\n",
    "divide error in corrupted", "DoS", "" },
  /* A warning is named by its line, or by who made the tool warn. */
  { T "WARNING: CPU: 0 PID: 9 at fs/zoo/cage.c:12 zoo_shut+0x1/0x9\n"
    T "Call Trace:\n"
    T " zoo_exit+0x1/0x2\n"
    T " f+0x1/0x2\n"
    T "---[ end trace 0 ]---\n",
    "WARNING in zoo_shut", "WARNING", "" },
  { T "WARNING: CPU: 0 PID: 9 at lib/refcount.c:28 "
      "refcount_warn_saturate+0x1/0x9\n"
    T "RIP: 0010:refcount_warn_saturate+0x1/0x9\n"
    T "Call Trace:\n"
    T " zoo_put+0x1/0x2\n"
    T " f+0x1/0x2\n"
    T "---[ end trace 0 ]---\n",
    "WARNING: refcount bug in zoo_put", "REFCOUNT_WARNING", "" },
  { T "WARNING: CPU: 0 PID: 9 at drivers/usb/core/urb.c:503 "
      "usb_submit_urb+0x1/0x9\n"
    T "Call Trace:\n"
    T " dump_stack+0x1/0x2\n"
    T " panic+0x1/0x2\n"
    T "RIP: 0010:usb_submit_urb+0x1/0x9\n"
    T " cam_start+0x1/0x2\n"
    T "---[ end trace 0 ]---\n",
    "WARNING in cam_start/usb_submit_urb", "WARNING", "" },
  /* A hang is named by who waits for somebody, not by the ways to wait. */
  { T "INFO: task sync:812 blocked for more than 120 seconds.\n"
    T "      Not tainted 6.1.0 #1\n"
    T "task:sync state:D stack:0 pid:812 ppid:1 flags:0x00000002\n"
    T "Call Trace:\n"
    T " __schedule+0x1/0x2\n"
    T " schedule+0x1/0x2\n"
    T " rwsem_down_read_slowpath+0x1/0x2\n"
    T " zoo_sync+0x1/0x2\n"
    T " ksys_sync+0x1/0x2\n",
    "INFO: task hung in zoo_sync", "HANG", "hang in zoo_sync" },
  { T "INFO: task ip:813 blocked for more than 120 seconds.\n"
    T "Call Trace:\n"
    T " schedule+0x1/0x2\n"
    T " zoo_wait+0x1/0x2\n"
    T " synchronize_rcu_expedited+0x1/0x2\n"
    T " zoo_down+0x1/0x2\n",
    "INFO: task hung in synchronize_rcu", "HANG",
    "INFO: task hung in synchronize_rcu_expedited" },
  /* The name of a disk is not known, or is one that there is not. */
  { T "VFS: Cannot open root device \"(null)\" or unknown-block(8,1): error "
      "-6\n",
    "no root file system", "", "" },
  { T "VFS: Cannot open root device \"vda1\" or unknown-block(0,0)\n",
    "no root file system: vda1", "", "" },
  /* A quiet guest's. */
  { T "INFO: task sync:812 blocked for more than 120 seconds.\n"
    T "      Not tainted 6.1.0 #1\n"
    T "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this "
      "message.\n",
    "INFO: task hung: sync", "HANG", "" },
  /* A stall is named by who is below what calls through a pointer: the top
   * is another one each time. */
  { T "rcu: INFO: rcu_sched self-detected stall on CPU\n"
    T "NMI backtrace for cpu 0\n"
    T "CPU: 0 PID: 31 Comm: zookeeper Not tainted 6.1.0 #1\n"
    T "Call Trace:\n"
    T " <IRQ>\n"
    T " dump_stack+0x1/0x2\n"
    T " rcu_dump_cpu_stacks+0x1/0x2\n"
    T " update_process_times+0x1/0x2\n"
    T " tick_sched_timer+0x1/0x2\n"
    T " __hrtimer_run_queues+0x1/0x2\n"
    T " asm_sysvec_apic_timer_interrupt+0x1/0x2\n"
    T " </IRQ>\n"
    T "RIP: 0010:zoo_loop+0x1/0x2\n"
    T " zoo_count+0x1/0x2\n"
    T " zoo_ioctl+0x1/0x2\n"
    T " do_vfs_ioctl+0x1/0x2\n"
    T " __x64_sys_ioctl+0x1/0x2\n",
    "INFO: rcu detected stall in zoo_ioctl", "HANG", "stall in zoo_ioctl" },
  { T "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [zookeeper:31]\n"
    T "RIP: 0010:smp_call_function_many+0x1/0x2\n"
    T "Call Trace:\n"
    T " zoo_flush+0x1/0x2\n"
    T " __x64_sys_munmap+0x1/0x2\n",
    "BUG: soft lockup in smp_call_function", "HANG",
    "BUG: soft lockup in smp_call_function_many" },
  { T "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [zookeeper:31]\n"
    T "RIP: 0010:zoo_walk+0x1/0x2\n"
    T "Call Trace:\n"
    T " zoo_tour+0x1/0x2\n"
    T " __x64_sys_munmap+0x1/0x2\n",
    "BUG: soft lockup in sys_munmap", "HANG",
    "BUG: soft lockup in __x64_sys_munmap" },
  /* It stands in userspace: nobody in the kernel. */
  { T "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [zookeeper:31]\n"
    T "RIP: 0033:0x7f35a2c11a17\n"
    T "---[ end trace 0 ]---\n",
    "BUG: soft lockup: zookeeper", "HANG", "" },
  /* Checkers say in a later line what was done. */
  { T "BUG: KASAN: slab-out-of-bounds in zoo_read+0x1/0x9\n"
    T "Write of size 8 at addr ffff88800a000000 by task cat/77\n"
    T "Call Trace:\n"
    T " dump_stack_lvl+0x1/0x2\n"
    T " kasan_report+0x1/0x2\n"
    T " zoo_read+0x1/0x9\n",
    "KASAN: slab-out-of-bounds Write in zoo_read", "KASAN-WRITE",
    "bad-access in zoo_read" },
  { T "WARNING: possible circular locking dependency detected\n"
    T "6.1.0 #1 Not tainted\n"
    T "cat/77 is trying to acquire lock:\n"
    T "ffff8880 (&cage->lock){+.+.}-{3:3}, at: zoo_enter+0x1/0x2\n"
    T "but task is already holding lock:\n"
    T "ffff8881 (&z->lock){+.+.}-{3:3}, at: zoo_leave+0x1/0x2\n"
    T "stack backtrace:\n"
    T "Call Trace:\n"
    T " dump_stack+0x1/0x2\n"
    T " zoo_elsewhere+0x1/0x2\n",
    "possible deadlock in zoo_enter", "LOCKDEP", "" },
  /* Rust says on the next line what happened. */
  { T "rust_kernel: panicked at drivers/zoo/cage.rs:12:5:\n"
    T "attempt to multiply with overflow\n"
    T "------------[ cut here ]------------\n"
    T "kernel BUG at rust/helpers/bug.c:7!\n"
    T "Oops: invalid opcode: 0000 [#1] SMP\n"
    T "RIP: 0010:rust_helper_BUG+0x8/0x10\n"
    T "Call Trace:\n"
    T " _RNvNtCs9_4core9panicking9panic_fmt+0x1/0x2\n"
    T " _RNvNtCs1_3zoo4cage5sweep+0x11/0x22\n"
    T "---[ end trace 0 ]---\n",
    "attempt to multiply with overflow in zoo::cage::sweep", "", "" },
  /* Numbers of no use. */
  { T "Kernel panic - not syncing: VFS: Unable to mount root fs on "
      "unknown-block(254,2)\n"
    T "CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0 #1\n"
    T "Call Trace:\n"
    T " panic+0x1/0x2\n"
    T " mount_root+0x1/0x2\n",
    "kernel panic: VFS: Unable to mount root fs on unknown-block(NUM,NUM)",
    "DoS", "" },
  { T "Kernel panic - not syncing: panic_on_warn set ...\n",
    "kernel panic: panic_on_warn set", "DoS", "" },
  { T "unregister_netdevice: waiting for veth7 to become free. Usage count = "
      "3\n",
    "unregister_netdevice: waiting for DEV to become free", "DoS", "" },
};

static void
titles (void **state)
{
  struct bed *b = *state;
  size_t i;

  for (i = 0; i < ARRAY_LEN (cases); i++)
    {
      const struct text_event *e = &b->events[0];

      memset (b->events, 0, BED_MAX * sizeof *b->events);
      bed_read (b, cases[i].text);
      if (b->nevents != 1)
        fail_msg ("%s: %u events", cases[i].title, b->nevents);
      assert_string_equal (e->title, cases[i].title);
      assert_string_equal (e->type, cases[i].type);
      assert_string_equal (e->alt[0], cases[i].alt);
    }
}

/* A head has a title at once, and it gets better. */
static void
suspicions (void **state)
{
  struct bed *b = *state;

  bed_read (b, cases[0].text);
  assert_string_equal (
      b->suspects[0], "BUG: unable to handle kernel NULL pointer dereference");
  bed_read (b, cases[3].text);
  assert_string_equal (b->suspects[0], "WARNING in zoo_shut");
  bed_read (b, cases[6].text);
  assert_string_equal (b->suspects[0], "INFO: task hung: sync");
}

static void
numbers (void **state)
{
  static const char *const pairs[][2] = {
    { "unknown-block(254,2)", "unknown-block(NUM,NUM)" },
    { "udp4_lib2 x2 2x", "udp4_lib2 x2 2x" },
    { "at 0x1f by ffff888012345678", "at NUM by ADDR" },
    { "cafe 12 facade00", "cafe NUM ADDR" },
    { "", "" },
  };
  char got[TEXT_TITLE_MAX];
  size_t i;

  (void) state;
  for (i = 0; i < ARRAY_LEN (pairs); i++)
    {
      title_numbers (pairs[i][0], got, sizeof got);
      assert_string_equal (got, pairs[i][1]);
    }
}

static void
patterns (void **state)
{
  static const char *const names[]
      = { "*end", "*mid*", "begin*", "exact", "up", "upper*" };
  static const struct skip_list list = { names, ARRAY_LEN (names) };
  static const struct skip_list empty = { names, 0 };

  (void) state;
  assert_true (title_skips (&list, "exact"));
  assert_false (title_skips (&list, "exactly"));
  assert_true (title_skips (&list, "beginning"));
  assert_true (title_skips (&list, "begin"));
  assert_false (title_skips (&list, "beg"));
  assert_true (title_skips (&list, "the_end"));
  assert_false (title_skips (&list, "the_ending"));
  assert_true (title_skips (&list, "amidst"));
  assert_true (title_skips (&list, "up"));
  assert_false (title_skips (&list, "u"));
  assert_false (title_skips (&list, "upp"));
  assert_true (title_skips (&list, "uppermost"));
  assert_false (title_skips (&list, "zzz"));
  assert_false (title_skips (&list, ""));
  assert_false (title_skips (&empty, "exact"));
  assert_false (title_skips (NULL, "x"));
}

static int
order (const char *a, const char *b)
{
  if (*a == '*' || *b == '*')
    return (*a != '*') - (*b != '*');
  return strncmp (a, b, 3);
}

/* What is not where it is looked for is not found. */
static void
lists (void **state)
{
  static const struct skip_list *const all[]
      = { &skip_tools,   &skip_printing, &skip_waiting,
          &skip_tick,    &tick_entries,  &stall_anchors,
          &stall_selves, &stack_bottoms, &blames_caller };

  (void) state;
  for (size_t i = 0; i < ARRAY_LEN (all); i++)
    for (unsigned k = 0; k < all[i]->n; k++)
      {
        const char *name = all[i]->names[k], *star = strchr (name, '*');
        char func[TEXT_FUNC_MAX];

        if (k > 0 && order (all[i]->names[k - 1], name) > 0)
          fail_msg ("%s stands behind %s", name, all[i]->names[k - 1]);
        if (star && star > name && (star < name + 3 || star[1]))
          fail_msg ("%s has its asterisk in a place where none is", name);
        snprintf (func, sizeof func, "%s", name);
        if (*name != '*')
          {
            func[strcspn (func, "*")] = '\0';
            assert_true (title_skips (all[i], func));
          }
      }
}

static void
signatures (void **state)
{
  struct bed *b = *state;
  char first[20];

  bed_read (b, T "INFO: task kworker/0:1:17 blocked for more than 120 "
                 "seconds.\n" T "x\n" T "y\n");
  memcpy (first, b->events[0].signature, sizeof first);
  assert_int_equal (strlen (first), 16);
  bed_read (b, "[ 9999.000000] INFO: task kworker/3:12:99 blocked for more "
               "than 241 seconds.\n" T "x\n" T "y\n");
  assert_string_equal (first, b->events[0].signature);
  bed_read (b, T "INFO: task sync:17 blocked for more than 120 seconds.\n"
                 T "x\n" T "y\n");
  assert_string_not_equal (first, b->events[0].signature);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (titles, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (suspicions, bed_setup, bed_teardown),
    cmocka_unit_test (numbers),
    cmocka_unit_test (patterns),
    cmocka_unit_test (lists),
    cmocka_unit_test_setup_teardown (signatures, bed_setup, bed_teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
