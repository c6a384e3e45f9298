/* SPDX-License-Identifier: Apache-2.0
 *
 * One trouble, one event: heads that belong together, and what is said over and
 * over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/text/repeats.h"
#include "tests/unit/kernel-text/reader-bed.h"

#define T "[   71.000000] "

static const char asked[]
    = T "baker invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, "
        "oom_score_adj=0\n" T
        "CPU: 1 PID: 811 Comm: baker Not tainted 6.1.9-oven #1\n" T
        "Call Trace:\n" T " dump_header+0x4f/0x1eb\n" T
        " out_of_memory+0x6d/0xd0\n" T " try_charge_memcg+0x77c/0x810\n" T
        "memory: usage 65536kB, limit 65536kB, failcnt 14\n" T
        "Tasks state (memory values in pages):\n" T
        "[  pid  ]   uid  tgid total_vm      rss name\n" T
        "[    811]     0   811     1200      300 baker\n" T
        "[    812]     0   812    99200    16000 dough\n";

static void
one_kill (void **state)
{
  struct bed *b = *state;
  const struct text_event *e = &b->events[0];
  char log[4096];

  snprintf (log, sizeof log,
            "%s" T
            "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c1,"
            "mems_allowed=0,oom_memcg=/bakery,task_memcg=/bakery/c1,task=dough,"
            "pid=812,uid=0\n" T
            "Memory cgroup out of memory: Killed process 812 (dough) "
            "total-vm:396800kB, anon-rss:64000kB, file-rss:0kB\n" T
            "oom_reaper: reaped process 812 (dough), now anon-rss:0kB\n" T
            "device br0 entered promiscuous mode\n",
            asked);
  bed_read (b, log);
  assert_int_equal (b->nevents, 1);
  assert_string_equal (e->kind, "oom_kill_cgroup");
  assert_string_equal (e->class_, "out-of-memory");
  assert_string_equal (e->title, "Memory cgroup out of memory: killed dough");
  assert_string_equal (e->comm, "dough");
  assert_int_equal (e->pid, 812);
  assert_string_equal (e->other, "baker");
  assert_string_equal (e->subject, "/bakery");
  assert_false (e->corrupted);
  /* Who was asked, and what became of it, were told at once. */
  assert_int_equal (b->nsuspects, 2);
  assert_string_equal (b->suspects[0], "oom-killer invoked by baker");
  assert_string_equal (b->suspects[1], e->title);
}

/* Of the whole machine, in two lines, as kernels before 4.20 say it. */
static void
old_kill (void **state)
{
  struct bed *b = *state;

  bed_read (b, T "Out of memory: Kill process 40 (ant) score 900 or sacrifice "
                 "child\n" T
                 "Killed process 40 (ant) total-vm:1020kB, anon-rss:900kB, "
                 "file-rss:0kB\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].kind, "oom_kill");
  assert_string_equal (b->events[0].title, "Out of memory: killed ant");
  assert_int_equal (b->events[0].pid, 40);
}

/* Whom it chose, and whom it killed instead. */
static void
sacrificed_child (void **state)
{
  struct bed *b = *state;

  bed_read (b, T "Memory cgroup out of memory: Kill process 40 (ant) score 900 "
                 "or sacrifice child\n" T
                 "Killed process 44 (egg) total-vm:1020kB, anon-rss:900kB\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].kind, "oom_kill_cgroup");
}

/* Why alone is as good as who. */
static void
only_why (void **state)
{
  struct bed *b = *state;

  bed_read (b, T "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,"
                 "mems_allowed=0,global_oom,task_memcg=/a.slice,task=ant,"
                 "pid=40,uid=0\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].kind, "oom");
  assert_string_equal (b->events[0].comm, "ant");
  assert_int_equal (b->events[0].severity, SEVERITY_ERROR);
}

static void
two_kills (void **state)
{
  struct bed *b = *state;

  bed_read (b, T "Memory cgroup out of memory: Killed process 40 (ant) "
                 "total-vm:1020kB, anon-rss:900kB\n" T
                 "Memory cgroup out of memory: Killed process 41 (ant) "
                 "total-vm:1020kB, anon-rss:900kB\n");
  assert_int_equal (b->nevents, 2);
  assert_int_equal (b->events[0].pid, 40);
  assert_int_equal (b->events[1].pid, 41);
  /* A cgroup that dies as a whole is one. */
  bed_read (b,
            T "bee invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n" T
              "Tasks in /hive are going to be killed due to "
              "memory.oom.group set\n" T
              "Memory cgroup out of memory: Killed process 50 (bee) "
              "total-vm:1020kB, anon-rss:900kB\n" T
              "Memory cgroup out of memory: Killed process 51 (drone) "
              "total-vm:1020kB, anon-rss:900kB\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].comm, "bee");
}

/* A watchdog that barks by way of a warning. */
static void
barking (void **state)
{
  struct bed *b = *state;
  const struct text_event *e = &b->events[0];

  bed_read (b,
            T "------------[ cut here ]------------\n" T
              "WARNING: CPU: 0 PID: 0 at net/sched/sch_generic.c:442 "
              "dev_watchdog+0x2d/0x2e\n" T
              "NETDEV WATCHDOG: eth7 (toynet): transmit queue 0 timed out\n" T
              "CPU: 0 PID: 0 Comm: swapper/0 Not tainted 5.5.0-toy #95\n" T
              "Call Trace:\n" T " dev_watchdog+0x2d/0x2e\n" T
              " call_timer_fn+0x24/0xa0\n" T
              "---[ end trace 0000000000000000 ]---\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (e->kind, "net_tx_timeout");
  assert_string_equal (e->class_, "network-lost");
  assert_string_equal (e->subject, "eth7");
  assert_string_equal (e->title, "WARNING in dev_watchdog");
  assert_string_equal (e->type, "WARNING");
}

#define NFS "nfs: server toys not responding, still trying\n"

static void
over_and_over (void **state)
{
  struct bed *b = *state;
  struct text_reader_stats st;

  bed_open (b);
  bed_feed (
      b, "[  100.000000] " NFS "[  160.000000] " NFS "[  220.000000] " NFS, 0);
  assert_int_equal (b->nevents, 1);
  /* Another server is another trouble. */
  bed_feed (b,
            "[  221.000000] nfs: server dolls not responding, "
            "still trying\n",
            0);
  assert_int_equal (b->nevents, 2);
  /* Still there after ten minutes. */
  bed_feed (
      b, "[  400.000000] " NFS "[  600.000000] " NFS "[  701.000000] " NFS, 0);
  assert_int_equal (b->nevents, 3);
  assert_int_equal (b->events[2].repeats, 4);
  text_reader_stats (b->reader, &st);
  assert_int_equal (st.repeats, 4);
  bed_close (b);
}

/* After it worked again, after a long time, after a boot: it is news. */
static void
news (void **state)
{
  struct bed *b = *state;

  bed_open (b);
  bed_feed (b,
            "[  100.000000] " NFS "[  110.000000] nfs: server toys OK\n"
            "[  120.000000] " NFS,
            0);
  assert_int_equal (b->nevents, 3); /* and a remark */
  assert_int_equal (b->events[2].repeats, 0);
  bed_feed (b, "[  430.000000] " NFS, 0);
  assert_int_equal (b->nevents, 4);
  bed_feed (b,
            "[    0.000000] Linux version 6.1.9-toy (a@b) (gcc) #1 SMP\n"
            "[    9.000000] " NFS,
            0);
  assert_int_equal (b->nevents, 5);
  bed_close (b);
}

/* Without stamps, arrival tells. */
static void
by_arrival (void **state)
{
  struct bed *b = *state;

  bed_open (b);
  bed_feed (b, "[  OK  ] Reached target Emergency Mode.\n", 1000);
  bed_feed (b, "[  OK  ] Started Emergency Shell.\n", 2000);
  bed_feed (b, "You are in emergency mode. After logging in\n", 3000);
  assert_int_equal (b->nevents, 1);
  bed_feed (b, "You are in emergency mode. After logging in\n", 900000);
  assert_int_equal (b->nevents, 2);
  bed_close (b);
}

/* A few lines of one attempt are one event, and each attempt has one. */
static void
attempts_to_boot (void **state)
{
  struct bed *b = *state;

  bed_open (b);
  bed_feed (b,
            "SeaBIOS (version 1.16.2-toy)\n\nBooting from ROM...\n"
            "iPXE (PCI 00:04.0) starting execution...ok\n"
            "tftp://10.9.8.7/toys.ipxe... Connection timed out "
            "(http://ipxe.org/4c0a6092)\n"
            "Could not boot image: Connection timed out "
            "(http://ipxe.org/4c0a6092)\nNo more network devices\n",
            1000);
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].kind, "netboot_failed");
  bed_feed (b, "No more network devices\n", 2000);
  assert_int_equal (b->nevents, 1);
  bed_feed (b,
            "\nBooting from ROM...\n"
            "iPXE (PCI 00:05.0) starting execution...ok\n"
            "No more network devices\n"
            "Nothing to boot: No such file or directory "
            "(http://ipxe.org/2d03e13b)\n",
            3000);
  assert_int_equal (b->nevents, 2);
  bed_feed (b,
            ">>Start PXE over IPv6.\n  PXE-E16: No valid offer received.\n"
            "  PXE-E18: Server response timeout.\n",
            4000);
  assert_int_equal (b->nevents, 3);
  assert_int_equal (b->nsuspects, 3);
  bed_close (b);
}

#define STALL(s, f)                                                            \
  s "rcu: INFO: rcu_sched self-detected stall on CPU\n" s                      \
    "rcu: \t0-....: (8403 ticks this GP) idle=da6/1/0x40000002\n" s            \
    "\t(t=8404 jiffies g=658509 q=5360)\n" s "NMI backtrace for cpu 0\n" s     \
    "CPU: 0 PID: 919 Comm: spinner Not tainted 6.1.9-toy #1\n" s               \
    "RIP: 0010:" f "+0x10/0x40\n" s "Call Trace:\n" s " " f "+0x10/0x40\n" s   \
    " vfs_write+0xc0/0x300\n" s                                                \
    " entry_SYSCALL_64_after_hwframe+0x6e/0xd8\n" s                            \
    "device br0 entered promiscuous mode\n"

static void
stalls (void **state)
{
  struct bed *b = *state;

  bed_read (b, STALL ("[  100.000000] ", "toy_spin")
                   STALL ("[  163.000000] ", "toy_spin"));
  assert_int_equal (b->nevents, 1);
  assert_int_equal (b->nsuspects, 1);
  assert_string_equal (b->events[0].title,
                       "INFO: rcu detected stall in toy_spin");
  /* Of another cause it is told, when that is known. */
  bed_read (b, STALL ("[  100.000000] ", "toy_spin")
                   STALL ("[  163.000000] ", "toy_turn"));
  assert_int_equal (b->nevents, 2);
  assert_int_equal (b->nsuspects, 2);
  assert_string_equal (b->suspects[1], "INFO: rcu detected stall in toy_turn");
}

/* Cut behind its second line, it is a stall without a stack, no more; so is
 * one of a CPU that sleeps. */
static void
stall_without_stack (void **state)
{
  struct bed *b = *state;

  bed_read (b, T "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n" T
                 "rcu: \t1-...!: (0 ticks this GP) idle=cf8/0/0x0\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title, "INFO: rcu detected stall");
  assert_int_equal (b->events[0].evidence, EVIDENCE_HEADER);
  assert_false (b->events[0].corrupted);
  bed_read (b,
            T "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n" T
              "rcu: \t1-...!: (0 ticks this GP) idle=cf8/0/0x0\n" T
              "Sending NMI from CPU 0 to CPUs 1:\n" T
              "NMI backtrace for cpu 1 skipped: idling at halt_it+0x1/0x9\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title, "INFO: rcu detected stall");
  assert_false (b->events[0].corrupted);
}

#define WARNS(s, cpu, pid)                                                     \
  s "------------[ cut here ]------------\n" s "WARNING: CPU: " cpu            \
    " PID: " pid " at fs/toy.c:12 toy_unlock+0x1/0x9\n" s "CPU: " cpu          \
    " PID: " pid " Comm: toy Not tainted 6.1.9-toy #1\n" s                     \
    "RIP: 0010:toy_unlock+0x1/0x9\n" s "Call Trace:\n" s                       \
    " toy_close+0x1/0x9\n" s "---[ end trace 0000000000000000 ]---\n"

static void
warnings (void **state)
{
  struct bed *b = *state;

  bed_read (b, WARNS ("[  100.000000] ", "1", "40")
                   WARNS ("[  101.000000] ", "3", "52"));
  assert_int_equal (b->nevents, 1);
  assert_int_equal (b->nsuspects, 1);
  assert_string_equal (b->events[0].title, "WARNING in toy_unlock");
}

/* Each fault is another one. */
static void
faults (void **state)
{
  struct bed *b = *state;
  static const char fault[]
      = T "BUG: kernel NULL pointer dereference, address: 0000000000000030\n" T
          "Oops: 0000 [#1] SMP\n" T "RIP: 0010:toy_open+0x1/0x9\n" T
          "Call Trace:\n" T " toy_open+0x1/0x9\n" T " vfs_open+0x1/0x9\n" T
          "---[ end trace 0000000000000000 ]---\n";

  bed_open (b);
  bed_feed (b, fault, 0);
  bed_feed (b, fault, 0);
  text_reader_end (b->reader);
  bed_close (b);
  assert_int_equal (b->nevents, 2);
}

static void
hung_class (void **state)
{
  struct bed *b = *state;
  static const char head[]
      = T "INFO: task toy:%d blocked for more than 120 "
          "seconds.\n" T "task:toy state:D stack:0 pid:9 ppid:2 "
          "flags:0x00004000\n" T "Call Trace:\n" T " __schedule+0x1/0x9\n" T
          " schedule+0x1/0x9\n" T " %s+0x1/0x9\n" T " toy_run+0x1/0x9\n" T
          " kthread+0x1/0x9\n";
  static const struct
  {
    const char *wait, *class_;
  } cases[] = {
    { "io_schedule", "storage-stalled" },
    { "__mutex_lock", "lock-deadlock" },
    { "toy_wait", "" },
  };
  char log[1024];

  for (unsigned i = 0; i < 3; i++)
    {
      snprintf (log, sizeof log, head, 10 + (int) i, cases[i].wait);
      bed_read (b, log);
      assert_int_equal (b->nevents, 1);
      assert_string_equal (b->events[0].class_, cases[i].class_);
    }
}

static void
corrupted (void **state)
{
  struct bed *b = *state;

  /* Its frames are elsewhere. */
  bed_read (b, T "PANIC: double fault, error_code: 0x0\n" T
                 "CPU: 0 PID: 917 Comm: toy Not tainted 6.1.9-toy #2\n" T
                 "RIP: 0010:toy_open+0xfea/0x103e\n" T "Call Trace:\n" T
                 "Code: 02 0f ff 65 48 8b 04 25\n");
  assert_int_equal (b->nevents, 1);
  assert_true (b->events[0].corrupted);
  /* Nothing is missing of a title that has no name in it. */
  bed_read (b, T "Kernel panic - not syncing: Fatal exception\n");
  assert_int_equal (b->nevents, 1);
  assert_false (b->events[0].corrupted);
}

int
main (void)
{
#define R(f) cmocka_unit_test_setup_teardown (f, bed_setup, bed_teardown)
  const struct CMUnitTest tests[] = {
    R (one_kill),      R (old_kill),
    R (only_why),      R (sacrificed_child),
    R (two_kills),     R (barking),
    R (news),          R (by_arrival),
    R (over_and_over), R (attempts_to_boot),
    R (stalls),        R (warnings),
    R (faults),        R (hung_class),
    R (corrupted),     R (stall_without_stack),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
