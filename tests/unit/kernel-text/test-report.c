/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lines belong to which report, and what is taken from them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "kernel/text/report.h"
#include "tests/unit/kernel-text/reader-bed.h"

#define T "[   71.000000] "

static bool
has_frame (const struct text_event *e, const char *func)
{
  unsigned i;

  for (i = 0; i < e->nframes; i++)
    if (strcmp (e->frames[i].func, func) == 0)
      return true;
  return false;
}

static const struct text_event *
find (const struct bed *b, const char *kind)
{
  unsigned i;

  for (i = 0; i < b->nevents; i++)
    if (strcmp (b->events[i].kind, kind) == 0)
      return &b->events[i];
  fail_msg ("no %s", kind);
  return NULL;
}

static uint64_t
reg (const struct text_event *e, const char *name)
{
  for (unsigned i = 0; i < e->nregs; i++)
    if (strcmp (e->regs[i].name, name) == 0)
      return e->regs[i].value;
  return 0xbad;
}

/* The first set, which is of where it was; on any architecture. */
static void
registers (void **state)
{
  struct bed *b = *state;
  const struct text_event *e = b->events;

  bed_read (b,
            T "BUG: kernel NULL pointer dereference, address: 8\n"
            T "IP: zoo_feed+0x12/0x40\n"
            T "Oops: 0002 [#1] SMP\n"
            T "RIP: 0010:zoo_feed+0x12/0x40 [zoo]\n"
            T "RSP: 0018:ffffb1c1c0a3fd30 EFLAGS: 00010246\n"
            T "RAX: 00000000000000ff RBX: ffff88800f1c2d00 RCX: 0000000000000001\n"
            T "FS:  00007f2b1c4a5740(0000) GS:ffff88803ec00000(0000) "
              "knlGS:0000000000000000\n"
            T "CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033\n"
            T "CR2: 0000000000000008 CR3: 0000000102a4c003\n"
            T "Call Trace:\n"
            T " zoo_open+0x18/0x100 [zoo]\n"
            T " do_syscall_64+0x58/0xc0\n"
            T "RIP: 0033:0x7f2b1c5b0a37\n"
            T "RAX: ffffffffffffffda R08: 0000000000000077\n"
            T "---[ end trace 0 ]---\n"
            T "Unable to handle kernel paging request at virtual address 8\n"
            T "pc : abcdef_feed+0x12/0x40\n"
            T "lr : zoo_open+0x12/0x40\n"
            T "sp : ffff80000a003c20\n"
            T "x29: ffff80000a003c20 x28: 0000000000000007 x9 : 0000000000000009\n"
            T "pstate: 60400005 (nZCv daif +PAN)\n"
            T "Call trace:\n"
            T " abcdef_feed+0x12/0x40\n");
  assert_int_equal (b->nevents, 2);
  assert_true (reg (e, "RSP") == 0xffffb1c1c0a3fd30u);
  assert_true (reg (e, "EFLAGS") == 0x10246);
  assert_true (reg (e, "RAX") == 0xff);
  assert_true (reg (e, "GS") == 0xffff88803ec00000u);
  assert_true (reg (e, "CS") == 0x10);
  assert_true (reg (e, "CR2") == 8);
  assert_true (reg (e, "R08") == 0xbad);
  assert_true (reg (e, "Oops") == 0xbad);
  assert_true (reg (e, "RIP") == 0xbad);
  e++;
  assert_true (reg (e, "x9") == 9);
  assert_true (reg (e, "sp") == 0xffff80000a003c20u);
  assert_true (reg (e, "pstate") == 0x60400005);
  assert_int_equal (e->nregs, 5);
}

/* Everything that one line or another says of it. */
static void
details (void **state)
{
  struct bed *b = *state;
  const struct text_event *e = &b->events[0];

  bed_read (b,
            T "BUG: unable to handle page fault for address: ffffc90000a1e000\n"
            T "#PF: supervisor write access in kernel mode\n"
            T "Oops: 0002 [#1] PREEMPT SMP\n"
            T "CPU: 3 UID: 0 PID: 4021 Comm: zoo keeper:1 Kdump: loaded Tainted: "
              "G        W "
              " OE      6.12.9-zoo #1 Debian 6.12.9-1\n"
            T "Hardware name: Acme Cage 3000, BIOS 1.0 01/01/2020\n"
            T "RIP: 0010:zoo_feed+0x12/0x40 [zoo]\n"
            T "Code: 48 89 5c 24 08\n"
            T "RAX: 0000000000000000 RBX: ffff88800f1c2d00\n"
            T "Call Trace:\n"
            T " <TASK>\n"
            T " ? left_over+0x1/0x2\n"
            T " zoo_open+0x1/0x9 [zoo]\n"
            T " do_dentry_open+0x1/0x9 fs/open.c:955\n"
            T " </TASK>\n"
            T "Modules linked in: zoo(OE) virtio_blk\n"
            T "---[ end trace 0000000000000000 ]---\n"
            T "RIP: 0010:zoo_feed+0x12/0x40 [zoo]\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (e->kind, "paging_fault");
  assert_string_equal (e->class_, "kernel-oops");
  assert_int_equal (e->severity, SEVERITY_ERROR);
  assert_int_equal (e->evidence, EVIDENCE_REPORT);
  assert_false (e->corrupted);
  assert_int_equal (e->cpu, 3);
  assert_int_equal (e->pid, 4021);
  assert_string_equal (e->comm, "zoo keeper:1");
  assert_string_equal (e->rip, "zoo_feed");
  assert_string_equal (e->release, "6.12.9-zoo");
  assert_string_equal (e->taint, "G        W  OE");
  assert_string_equal (e->hardware, "Acme Cage 3000, BIOS 1.0 01/01/2020");
  assert_string_equal (e->modules, "zoo(OE) virtio_blk");
  assert_int_equal (e->first_line, 1);
  assert_int_equal (e->last_line, 16);
  assert_int_equal (e->stamp_us, 71000000);
  assert_int_equal (e->nframes, 4); /* the last RIP is the first */
  assert_string_equal (e->frames[0].func, "zoo_feed");
  assert_string_equal (e->frames[0].module, "zoo");
  assert_true (e->frames[1].guess);
  assert_string_equal (e->frames[3].where, "fs/open.c:955");
}

static void
owner (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            T "INFO: task sync:812 blocked for more than 241 seconds.\n"
            T "      Tainted: G        W          6.16.0 #1\n"
            T "INFO: task sync:812 <writer> blocked on an rw-semaphore likely "
              "owned by task kworker/0:1:17 <reader>\n"
            T "task:sync state:D stack:0 pid:812 flags:0x00000002\n"
            T "Call Trace:\n"
            T " schedule+0x1/0x2\n"
            T " zoo_sync+0x1/0x2\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].other, "kworker/0:1:17");
  assert_string_equal (b->events[0].release, "6.16.0");
  assert_string_equal (b->events[0].comm, "sync");
  assert_int_equal (b->events[0].pid, 812);
  assert_true (b->events[0].seconds > 240 && b->events[0].seconds < 242);
}

/* Two CPUs fault at once; the kernel says who says what. */
static void
interleaved (void **state)
{
  struct bed *b = *state;
  const struct text_event *g, *d;

  bed_read (b,
            "[    1.0][   T10] general protection fault: 0000 [#1] SMP\n"
            "[    1.0][   T20] divide error: 0000 [#2] SMP\n"
            "[    1.0][   T20] RIP: 0010:pig_eat+0x1/0x2\n"
            "[    1.0][   T10] RIP: 0010:cow_eat+0x1/0x2\n"
            "[    1.0][   T10] Call Trace:\n"
            "[    1.0][   T30] other_talk+0x1/0x2\n"
            "[    1.0][   T20] Call Trace:\n"
            "[    1.0][   T20]  pig_live+0x1/0x2\n"
            "[    1.0][   T10]  cow_live+0x1/0x2\n"
            "[    1.0][   T20]  farm+0x1/0x2\n"
            "[    1.0][   T10]  meadow+0x1/0x2\n"
            "[    1.0][   T10] ---[ end trace 0 ]---\n"
            "[    1.0][   T20] ---[ end trace 0 ]---\n");
  assert_int_equal (b->nevents, 2);
  g = find (b, "gpf");
  d = find (b, "divide_error");
  assert_true (g->id == 1 && d->id == 2);
  assert_string_equal (g->title, "general protection fault in cow_eat");
  assert_string_equal (d->title, "divide error in pig_eat");
  assert_int_equal (g->nframes, 3);
  assert_true (has_frame (g, "meadow") && has_frame (d, "farm"));
  assert_false (has_frame (g, "other_talk") || has_frame (d, "other_talk"));
}

/* Other CPUs belong to it when they were asked for their stacks. */
static void
other_cpus (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            "[   30.0][    C1] rcu: INFO: rcu_sched detected stalls on "
            "CPUs/tasks:\n"
            "[   30.0][    C0] NMI backtrace for cpu 0\n"
            "[   30.0][    C0] RIP: 0010:not_asked+0x1/0x2\n"
            "[   30.0][    C1] Sending NMI from CPU 1 to CPUs 0:\n"
            "[   30.0][    C0] NMI backtrace for cpu 0\n"
            "[   30.0][    C0] CPU: 0 PID: 31 Comm: zookeeper Not tainted 6.1 "
            "#1\n"
            "[   30.0][    C0] RIP: 0010:zoo_walk+0x1/0x2\n"
            "[   30.0][    C0] Call Trace:\n"
            "[   30.0][    C0]  zoo_ioctl+0x1/0x2\n"
            "[   30.0][    C0]  __x64_sys_ioctl+0x1/0x2\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title, "INFO: rcu detected stall in "
                                           "zoo_ioctl");
  assert_false (has_frame (&b->events[0], "not_asked"));
  assert_string_equal (b->events[0].comm, "zookeeper");
}

/* The stack of who merely starved is not of who did it. */
static void
starved (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            T "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n"
            T "rcu: rcu_sched kthread starved for 5250 jiffies! g1 f0x0\n"
            T "rcu: RCU grace-period kthread stack dump:\n"
            T "task:rcu_sched state:R running task stack:0 pid:12 ppid:2 "
              "flags:0x00004000\n"
            T "Call Trace:\n"
            T " schedule+0x1/0x2\n"
            T " rcu_gp_kthread+0x1/0x2\n"
            T " kthread+0x1/0x2\n"
            T "NMI backtrace for cpu 1\n"
            T "RIP: 0010:zoo_walk+0x1/0x2\n"
            T " zoo_work+0x1/0x2\n"
            T " process_one_work+0x1/0x2\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title,
                       "INFO: rcu detected stall in zoo_work");
  bed_read (b,
            T "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n"
            T "rcu: RCU grace-period kthread stack dump:\n"
            T "task:rcu_sched state:R running task stack:0 pid:12 ppid:2 "
              "flags:0x00004000\n"
            T "Call Trace:\n"
            T " schedule+0x1/0x2\n"
            T " rcu_gp_kthread+0x1/0x2\n"
            T " kthread+0x1/0x2\n");
  assert_string_equal (b->events[0].title, "INFO: rcu detected stall");
  assert_false (b->events[0].corrupted);
}

/* A panic ends what is open, but for a warning whose stack is the panic's. */
static void
panics (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            T "WARNING: CPU: 0 PID: 9 at lib/refcount.c:28 "
              "refcount_warn_saturate+0x1/0x9\n"
            T "Kernel panic - not syncing: kernel: panic_on_warn set ...\n"
            T "CPU: 0 PID: 9 Comm: cat Not tainted 6.1.0 #1\n"
            T "Call Trace:\n"
            T " dump_stack+0x1/0x2\n"
            T " panic+0x1/0x2\n"
            T " __warn+0x1/0x2\n"
            T "RIP: 0010:refcount_warn_saturate+0x1/0x9\n"
            T " zoo_put+0x1/0x2\n"
            T " zoo_exit+0x1/0x2\n"
            T "---[ end Kernel panic - not syncing: kernel: panic_on_warn set "
              "... ]---\n");
  assert_int_equal (b->nevents, 2);
  assert_string_equal (find (b, "refcount")->title,
                       "WARNING: refcount bug in zoo_put");
  assert_string_equal (find (b, "panic")->title,
                       "kernel panic: kernel: panic_on_warn set");
  bed_read (b,
            T "general protection fault: 0000 [#1] SMP\n"
            T "RIP: 0010:cow_eat+0x1/0x2\n"
            T "Call Trace:\n"
            T " cow_live+0x1/0x2\n"
            T "Kernel panic - not syncing: Fatal exception\n"
            T "Call Trace:\n"
            T " panic+0x1/0x2\n"
            T " oops_end+0x1/0x2\n");
  assert_int_equal (b->nevents, 2);
  assert_int_equal (find (b, "gpf")->nframes, 2);
  assert_string_equal (b->events[0].kind, "gpf");
}

/* Lines of userspace stand between; they end nothing. */
static void
userspace_between (void **state)
{
  struct bed *b = *state;
  unsigned i;

  bed_open (b);
  bed_feed (b,
            T "general protection fault: 0000 [#1] SMP\n"
            T "RIP: 0010:memcpy+0x1/0x2\n",
            0);
  for (i = 0; i < 200; i++)
    bed_feed (b, "feeding the lions\n", 0);
  bed_feed (b,
            T "Call Trace:\n"
            T " cow_live+0x1/0x2\n"
            T "---[ end trace 0 ]---\n",
            0);
  text_reader_end (b->reader);
  bed_close (b);
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title,
                       "general protection fault in cow_live");
}

/* A report ends when the kernel talks of other things. */
static void
ends_by_itself (void **state)
{
  struct bed *b = *state;
  unsigned i;

  bed_open (b);
  bed_feed (b,
            T "general protection fault: 0000 [#1] SMP\n"
            T "RIP: 0010:cow_eat+0x1/0x2\n"
            T "Call Trace:\n"
            T " cow_live+0x1/0x2\n",
            0);
  assert_int_equal (b->nevents, 0);
  for (i = 0; i < 100; i++)
    bed_feed (b, T "eth0: the link is up again\n", 0);
  assert_int_equal (b->nevents, 1);
  bed_feed (b, T " stray_frame+0x1/0x2\n", 0);
  text_reader_end (b->reader);
  bed_close (b);
  assert_int_equal (b->nevents, 1);
  assert_int_equal (b->events[0].last_line, 4);
}

/* A recursion: both ends of its stack are kept. */
static void
recursion (void **state)
{
  struct bed *b = *state;
  unsigned i;

  bed_open (b);
  bed_feed (b,
            T "BUG: TASK stack guard page was hit at ffffc900 (stack is "
              "ffffc900..ffffc901)\n"
            T "stack guard page: 0000 [#1] SMP\n"
            T "RIP: 0010:zoo_loop+0x1/0x2\n"
            T "Call Trace:\n",
            0);
  for (i = 0; i < 1500; i++)
    bed_feed (b, T " zoo_again+0x1/0x2\n", 0);
  bed_feed (b,
            T " zoo_newlink+0x1/0x2\n"
            T " rtnetlink_rcv_msg+0x1/0x2\n"
            T " __x64_sys_sendmsg+0x1/0x2\n"
            T "---[ end trace 0 ]---\n",
            0);
  text_reader_end (b->reader);
  bed_close (b);
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title,
                       "BUG: stack guard page was hit in zoo_newlink");
  assert_int_equal (b->events[0].nframes, TEXT_FRAMES_MAX);
  assert_string_equal (b->events[0].frames[0].func, "zoo_loop");
}

static void
recipes (void **state)
{
  const char *const *n;

  (void) state;
  for (n = text_recipes; *n; n++)
    assert_string_equal (recipe_find (*n)->name, *n);
  assert_non_null (recipe_find ("no such"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (details, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (registers, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (owner, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (interleaved, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (other_cpus, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (starved, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (panics, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (userspace_between, bed_setup,
                                     bed_teardown),
    cmocka_unit_test_setup_teardown (ends_by_itself, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (recursion, bed_setup, bed_teardown),
    cmocka_unit_test (recipes),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
