/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: memory, timers, locks, ftrace, workqueues, the
 * scheduler's numbers; and text that means harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tests/unit/kernel-text/dump.h"

#include <stdio.h>

static int64_t
int_at (struct json_object *doc, const char *path)
{
  struct json_object *o = dump_at (doc, path);

  if (!o || !json_object_is_type (o, json_type_int))
    return -999;
  return json_object_get_int64 (o);
}

static const char *
str_at (struct json_object *doc, const char *path)
{
  struct json_object *o = dump_at (doc, path);

  return o ? json_object_get_string (o) : "(none)";
}

static struct json_object *
doc_of (const char *text)
{
  struct sysrq_dump *d = dump_of (text);
  struct json_object *doc = sysrq_dump_to_json (d);

  sysrq_dump_free (d);
  return doc;
}

/* ---- another boot ---- */

#define TASK(ts, name, pid)                                                   \
  ts "task:" name "          state:D stack:0     pid:" pid                    \
     "   tgid:" pid "   ppid:1      flags:0x00000002\n"                       \
  ts "Call Trace:\n" ts " <TASK>\n" ts " io_schedule+0x46/0x70\n"
#define TASK_END(ts) ts " </TASK>\n"

static void
test_boots (void **state)
{
#define A "[  301.000000] "
#define B "[   51.000000] "
  struct json_object *doc = doc_of (
      A "sysrq: Show Blocked State\n" TASK (A, "backup", "812") TASK_END (A)
      A "INFO: task backup:812 blocked for more than 120 seconds.\n"
      A "sysrq: Show Blocked State\n" TASK (A, "cutoff", "813")
      "[    0.000000] Linux version 6.1.0 (a@b) #1\n"
      B " not_of_it+0x1/0x2\n"
      B "sysrq: Show Blocked State\n" TASK (B, "backup", "812") TASK_END (B)
      "Linux version 6.1.0 is what cat /proc/version prints\n"
      "[  301.000000] Linux version 6.1.0, somebody says\n");

  assert_int_equal (json_object_array_length (json_get (doc, "tasks")), 3);
  assert_int_equal (json_object_array_length (json_get (doc, "blocked")), 1);
  assert_int_equal (int_at (doc, "blocked.0.task"), 2);
  assert_int_equal (int_at (doc, "states.D"), 1);
  assert_int_equal (int_at (doc, "tasks.0.boot"), -999);
  assert_int_equal (int_at (doc, "tasks.0.blocked_s"), 120);
  /* Its stack is not gone on with by another kernel. */
  assert_string_equal (str_at (doc, "tasks.1.torn"), "true");
  assert_int_equal (
      json_object_array_length (dump_at (doc, "tasks.1.frames")), 1);
  assert_int_equal (int_at (doc, "tasks.2.boot"), 1);
  assert_int_equal (int_at (doc, "tasks.2.blocked_s"), -999);
  json_object_put (doc);
#undef A
#undef B
}

/* ---- memory ---- */

#define COUNTERS                                                              \
  "[   81.000000] Mem-Info:\n"                                                \
  "[   81.000000] active_anon:698 inactive_anon:20 isolated_anon:0\n"         \
  "[   81.000000]  free:1551 free_pcp:519 free_cma:0\n"
#define TOTALS                                                                \
  "[   81.000000] 707 total pagecache pages\n"                                \
  "[   81.000000] 3 pages in swap cache\n"                                    \
  "[   81.000000] Swap cache stats: add 0, delete 0, find 0/0\n"              \
  "[   81.000000] Free swap  = 12kB\n[   81.000000] Total swap = 100kB\n"     \
  "[   81.000000] 65402 pages RAM\n"                                          \
  "[   81.000000] 0 pages HighMem/MovableOnly\n"                              \
  "[   81.000000] 1179 pages reserved\n[   81.000000] 0 pages hwpoisoned\n"

static void
test_memory (void **state)
{
  struct json_object *doc = doc_of (
      "[   81.000000] sysrq: Show Memory\n" COUNTERS
      "[   81.000000] Node 0 active_anon:2904kB isolated(anon):0kB "
      "shmem_thp: 8kB all_unreclaimable? no\n"
      "[   81.000000] Node 0 DMA free:15232kB boost:0kB min:132kB "
      "reserved_highatomic:0KB managed:15360kB\n"
      "[   81.000000] lowmem_reserve[]: 0 188 188\n"
      "[   81.000000] Node 1 Normal free:188kB min:1688kB managed:201532kB\n"
      "[   81.000000] lowmem_reserve[]: 0 0 0\n"
      "[   81.000000] Node 0 DMA: 0*4kB 3*8kB (UME) 2*16kB (M) = 56kB\n"
      "[   81.000000] Node 1 Normal: 6*4kB (UE) = 24kB\n"
      "[   81.000000] Node 0 hugepages_total=4 hugepages_free=1 "
      "hugepages_surp=2 hugepages_size=2048kB\n" TOTALS);

  assert_int_equal (json_object_array_length (json_get (doc, "gaps")), 0);
  assert_int_equal (int_at (doc, "memory.0.pages.active_anon"), 698);
  assert_int_equal (int_at (doc, "memory.0.pages.free"), 1551);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.kb.shmem_thp"), 8);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.kb.isolated(anon)"), 0);
  assert_string_equal (str_at (doc, "memory.0.nodes.0.kb.all_unreclaimable"),
                       "false");
  assert_string_equal (str_at (doc, "memory.0.nodes.0.zones.0.zone"), "DMA");
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.kb.min"), 132);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.lowmem_reserve.1"),
                    188);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.orders.1.free"), 3);
  assert_string_equal (
      str_at (doc, "memory.0.nodes.0.zones.0.orders.1.types"), "UME");
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.free_kb"), 56);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.hugepages.0.surplus"), 2);
  assert_int_equal (int_at (doc, "memory.0.nodes.1.zones.0.kb.free"), 188);
  assert_int_equal (int_at (doc, "memory.0.nodes.1.zones.0.orders.0.free"), 6);
  assert_int_equal (int_at (doc, "memory.0.swap_free_kb"), 12);
  assert_int_equal (int_at (doc, "memory.0.ram_pages"), 65402);
  assert_int_equal (int_at (doc, "memory.0.reserved_pages"), 1179);
  json_object_put (doc);
}

/* No NUMA, in pieces, cut off, and others' lines in between. */
static void
test_memory_odd (void **state)
{
  struct json_object *doc = doc_of (
      COUNTERS "[   81.000000] DMA32 free:500kB min:100kB\n"
               "[   81.000000] lowmem_reserve[]: 0 0\n"
               "[   81.000000] audit: type=1400 pid=3\n"
               "[   81.000000] DMA32: \n[   81.000000] 1*4kB \n"
               "[   81.000000] (U) \n[   81.000000] 2*8kB \n"
               "[   81.000000] = 20kB\n" TOTALS COUNTERS
               "[   81.000000] Node \n[   81.000000] Node 3 \n"
               "[   81.000000] Normal free:7kB min:8k");

  assert_int_equal (int_at (doc, "memory.0.nodes.0.node"), 0);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.kb.free"), 500);
  assert_int_equal (
      json_object_array_length (dump_at (doc, "memory.0.nodes.0.zones")), 1);
  assert_string_equal (
      str_at (doc, "memory.0.nodes.0.zones.0.orders.0.types"), "U");
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.orders.1.free"), 2);
  assert_int_equal (int_at (doc, "memory.0.nodes.0.zones.0.free_kb"), 20);
  assert_string_equal (str_at (doc, "memory.0.complete"), "true");
  assert_int_equal (int_at (doc, "memory.1.nodes.0.node"), 3);
  assert_int_equal (int_at (doc, "memory.1.nodes.0.zones.0.kb.free"), 7);
  assert_string_equal (str_at (doc, "memory.1.complete"), "false");
  assert_string_equal (str_at (doc, "gaps.0.kind"), "cut");
  json_object_put (doc);
}

/* ---- timers ---- */

static const char timers[]
    = "sysrq: Show clockevent devices & pending hrtimers (no others)\n"
      "Timer List Version: v0.9\nHRTIMER_MAX_CLOCK_BASES: 8\n"
      "now at 14234003230 nsecs\n\ncpu: 0\n clock 0:\n"
      "  .base:       0000000001bfd5bf\n  .index:      0\n"
      "  .resolution: 1 nsecs\n  .get_time:   \nktime_get\n\n"
      "  .offset:     5 nsecs\nactive timers:\n"
      " #0: \n<0000000011310b5b>\n, \ntick_sched_timer\n, S:01\n\n"
      " # expires at 16-17 nsecs [in 3 to 4 nsecs]\n"
      " #1: <00000000c287bb1c>, watchdog_timer_fn, S:01\n"
      " # expires at 18-18 nsecs [in -5 to -5 nsecs]\n"
      " clock 1:\n  .get_time:   ktime_get_real\nactive timers:\n"
      " #0: <00000000c287bb1c>, it_real_fn, S:01, hrtimer_start, cron/77\n"
      " # expires at 20-20 nsecs [in 9 to 9 nsecs]\n"
      "  .expires_next   : 14748000000 nsecs\n  .hres_active    : 1\n"
      "jiffies: 4294895857\n\n"
      "Tick Device: mode:     1\nBroadcast device\nClock Event Device: \n"
      "hpet\n mode:           1\n event_handler:  tick_handle\n\n"
      "tick_broadcast_mask: 0\nTick Device: mode:     1\nPer CPU device: 0\n"
      "Clock Event Device: lapic\n next_event:     7 nsecs\n"
      " event_handler:  \nhrtimer_interrupt\n\n retries:        3\n";

static void
test_timers (void **state)
{
  struct json_object *doc = doc_of (timers);

  assert_int_equal (json_object_array_length (json_get (doc, "gaps")), 0);
  assert_string_equal (str_at (doc, "timers.version"), "v0.9");
  assert_int_equal (int_at (doc, "timers.now_ns"), 14234003230);
  assert_string_equal (str_at (doc, "timers.cpus.0.clocks.0.get_time"),
                       "ktime_get");
  assert_int_equal (int_at (doc, "timers.cpus.0.clocks.0.offset"), 5);
  assert_string_equal (
      str_at (doc, "timers.cpus.0.clocks.0.timers.0.function"),
      "tick_sched_timer");
  assert_int_equal (int_at (doc, "timers.cpus.0.clocks.0.timers.0.expires_ns"),
                    17);
  assert_string_equal (
      str_at (doc, "timers.cpus.0.clocks.0.timers.1.function"),
      "watchdog_timer_fn");
  assert_int_equal (int_at (doc, "timers.cpus.0.clocks.0.timers.1.in_ns"), -5);
  assert_string_equal (str_at (doc, "timers.cpus.0.clocks.1.timers.0.task"),
                       "cron/77");
  assert_int_equal (int_at (doc, "timers.cpus.0.expires_next"), 14748000000);
  assert_int_equal (int_at (doc, "timers.cpus.0.jiffies"), 4294895857);
  assert_string_equal (str_at (doc, "timers.devices.0.name"), "hpet");
  assert_string_equal (str_at (doc, "timers.devices.0.broadcast"), "true");
  assert_string_equal (str_at (doc, "timers.devices.1.event_handler"),
                       "hrtimer_interrupt");
  json_object_put (doc);
}

static void
test_timers_cut (void **state)
{
  struct sysrq_dump *d;

  /* Wherever it ends there is a gap, but for its last line and the number of
   * retries, which says nothing. */
  for (size_t n = 100; n < sizeof timers - 45; n += 7)
    {
      d = dump_of_bytes (timers, n, 0);
      if (sysrq_dump_gaps (d) != 1)
        print_message ("cut at %zu\n", n);
      assert_int_equal (sysrq_dump_gaps (d), 1);
      sysrq_dump_free (d);
    }
}

/* ---- locks ---- */

static void
test_locks (void **state)
{
  struct json_object *doc = doc_of (
      "[  248.0] Showing all locks held in the system:\n"
      "[  248.000000] 1 lock held by khungtaskd/28:\n"
      "[  248.000000]  #0: ffffffff8e339da0 (rcu_read_lock){....}-{1:2}, at: "
      "debug_show_all_locks+0x3d/0x180\n"
      "[  248.000000] 2 locks held by kworker/0:3/7985:\n"
      "[  248.000000]  #0: 000000007be2c90d ((wq_completion)\"events\"){+.+.}, "
      "at: process_one_work+0xb83/0x1c40\n"
      "[  248.000000]  #1:  (rtnl_mutex){+.+.}, at: [<00000000b2f91fff>] "
      "f+0xe46/0x1b50\n"
      "[  248.000000] \n"
      "[  248.000000] =============================================\n");

  assert_int_equal (json_object_array_length (json_get (doc, "gaps")), 0);
  assert_string_equal (str_at (doc, "locks.0.comm"), "khungtaskd");
  assert_int_equal (int_at (doc, "locks.0.pid"), 28);
  assert_string_equal (str_at (doc, "locks.0.locks.0.usage"), "{....}-{1:2}");
  assert_string_equal (str_at (doc, "locks.1.comm"), "kworker/0:3");
  assert_string_equal (str_at (doc, "locks.1.locks.0.name"),
                       "(wq_completion)\"events\"");
  assert_string_equal (str_at (doc, "locks.1.locks.1.name"), "rtnl_mutex");
  assert_string_equal (str_at (doc, "locks.1.locks.1.at"), "f+0xe46/0x1b50");
  json_object_put (doc);
  doc = doc_of ("3 locks held by x/1:\n #0: 12 (a){+.+.}, at: b+0x1/0x2\n");
  assert_string_equal (str_at (doc, "gaps.0.kind"), "torn");
  assert_int_equal (int_at (doc, "gaps.0.count"), 2);
  json_object_put (doc);
  doc = doc_of ("Showing all locks held in the system:\n");
  assert_string_equal (str_at (doc, "gaps.0.what"), "held locks");
  json_object_put (doc);
}

/* ---- ftrace ---- */

static void
test_ftrace (void **state)
{
  struct json_object *doc = doc_of (
      "Dumping ftrace buffer:\n---------------------------------\n"
      "   <...>-1994    1d..2. 12345us+: _raw_spin_lock <-try-1 x\n"
      "[    9.000000] usb 1-1: new device\n"
      "CPU:0 [LOST 12 EVENTS]\n"
      " my-task-7       0dN.1   500us : sched_switch: prev=a-1 ==> b\n"
      "---------------------------------\n");
  struct sysrq_dump *d;
  struct buf many = BUF_INIT (1u << 20);

  assert_int_equal (json_object_array_length (json_get (doc, "gaps")), 0);
  assert_int_equal (
      json_object_array_length (dump_at (doc, "ftrace.events")), 2);
  assert_string_equal (str_at (doc, "ftrace.events.0.comm"), "<...>");
  assert_int_equal (int_at (doc, "ftrace.events.0.cpu"), 1);
  assert_string_equal (str_at (doc, "ftrace.events.0.flags"), "d..2.");
  assert_int_equal (int_at (doc, "ftrace.events.0.time_us"), 12345);
  assert_string_equal (str_at (doc, "ftrace.events.0.event"),
                       "_raw_spin_lock <-try-1 x");
  assert_string_equal (str_at (doc, "ftrace.events.1.comm"), "my-task");
  assert_int_equal (int_at (doc, "ftrace.events.1.pid"), 7);
  json_object_put (doc);
  doc = doc_of ("Dumping ftrace buffer:\n   (ftrace buffer empty)\n");
  assert_string_equal (str_at (doc, "ftrace.empty"), "true");
  assert_int_equal (json_object_array_length (json_get (doc, "gaps")), 0);
  json_object_put (doc);
  /* The last ones are kept. */
  buf_puts (&many, "Dumping ftrace buffer:\n-----------\n");
  for (unsigned i = 0; i < 2000; i++)
    buf_printf (&many, " a-1  0d..1. %uus : e\n", i);
  d = dump_of (buf_str (&many));
  doc = sysrq_dump_to_json (d);
  assert_int_equal (int_at (doc, "ftrace.events.0.time_us"), 976);
  assert_int_equal (int_at (doc, "ftrace.events.1023.time_us"), 1999);
  assert_string_equal (str_at (doc, "gaps.0.kind"), "cut");
  assert_string_equal (str_at (doc, "gaps.1.kind"), "limit");
  assert_int_equal (int_at (doc, "gaps.1.count"), 976);
  json_object_put (doc);
  sysrq_dump_free (d);
  buf_done (&many);
}

/* ---- workqueues, the scheduler ---- */

static void
test_workqueues (void **state)
{
  struct json_object *doc = doc_of (
      "Showing busy workqueues and worker pools:\n"
      "workqueue events_unbound: flags=0x2\n"
      "  pwq 4: cpus=0-1 flags=0x4 nice=0 active=2/512 refcnt=3\n"
      "    in-flight: 29:flush_to_ldisc, 30:wb_workfn BAR(12)\n"
      "    pending: 3*foo, bar\n"
      "workqueue md: raid: flags=0x8\n"
      "  pwq 0: cpus=0 node=0 flags=0x0 nice=0 active=1 refcnt=2\n"
      "    inactive: later\n"
      "pool 4: cpus=0-1 flags=0x4 nice=0 hung=31s workers=4 manager: 12 idle: "
      "9 7 30\n");

  assert_int_equal (json_object_array_length (json_get (doc, "gaps")), 0);
  assert_string_equal (str_at (doc, "workqueues.workqueues.0.name"),
                       "events_unbound");
  assert_string_equal (str_at (doc, "workqueues.workqueues.0.pools.0.cpus"),
                       "0-1");
  assert_string_equal (
      str_at (doc, "workqueues.workqueues.0.pools.0.in_flight.1"),
      "30:wb_workfn BAR(12)");
  assert_string_equal (
      str_at (doc, "workqueues.workqueues.0.pools.0.pending.0"), "3*foo");
  assert_string_equal (str_at (doc, "workqueues.workqueues.1.name"),
                       "md: raid");
  assert_string_equal (
      str_at (doc, "workqueues.workqueues.1.pools.0.inactive.0"), "later");
  assert_int_equal (int_at (doc, "workqueues.pools.0.hung"), 31);
  assert_int_equal (int_at (doc, "workqueues.pools.0.manager"), 12);
  assert_int_equal (int_at (doc, "workqueues.pools.0.idle.2"), 30);
  json_object_put (doc);
}

static void
test_sched (void **state)
{
  struct json_object *doc = doc_of (
      "Sched Debug Version: v0.11, 6.9.0 #1\n"
      "ktime                                   : 7217.2\n"
      "cpu#1, 2594.329 MHz\n  .nr_running                    : 2\n"
      "  .curr->pid                     : 40\n  .clock      : 7217.215480\n"
      "\ncfs_rq[1]:/\n  .nr_running                    : 99\n"
      "rt_rq[1]:\n\nrunnable tasks:\n"
      " S            task   PID    tree-key  switches  prio\n"
      "------------------------------------------------\n"
      " S        kthreadd     2      1600.5        79   120\n"
      ">R  a worker: R 3    40      1600.5        79   120\n"
      " R            more    41      1600.5        79   120   x y z\n");

  assert_string_equal (str_at (doc, "sched.release"), "6.9.0 #1");
  assert_int_equal (int_at (doc, "sched.cpus.0.cpu"), 1);
  assert_int_equal (int_at (doc, "sched.cpus.0.nr_running"), 2);
  assert_int_equal (int_at (doc, "sched.cpus.0.curr_pid"), 40);
  assert_int_equal (int_at (doc, "sched.cpus.0.tasks"), 3);
  assert_string_equal (str_at (doc, "sched.cpus.0.running.0.comm"),
                       "a worker: R 3");
  assert_string_equal (str_at (doc, "sched.cpus.0.running.0.now"), "true");
  assert_int_equal (int_at (doc, "sched.cpus.0.running.1.pid"), 41);
  json_object_put (doc);
}

/* ---- harm ---- */

/* Names of the text that are names of the document. */
static void
test_names (void **state)
{
  json_object_put (doc_of (
      "Timer List Version: v0.9\ncpu: 0\n  .clocks : 7\n clock 0:\n"
      "  .timers: 5\n #0: x\n # expires at 1-2 nsecs [in 1 to 2 nsecs]\n"
      "  .timers: 6\n #1: y, z\n  .cpus: 3\nTick Device: mode: 1\n"
      "  .devices: 3\n"));
  json_object_put (doc_of (
      "Showing busy workqueues and worker pools:\n"
      "workqueue a: flags=0x2 pools=3 name=b\n  pwq 1: pending=2 in_flight=1\n"
      "    pending: x\n    pending: y\n    in-flight: z\npool 3: idle=2 "
      "idle: 4\n"));
  json_object_put (doc_of ("Sched Debug Version: v1, 2\ncpu#0, 1\n"
                           "  .running : 3\n  .tasks : 4\n  .cpu : 5\n"
                           "runnable tasks:\n>R               x     2 \n"));
  json_object_put (doc_of (COUNTERS "Node 0 zones:3 kb:4 orders:2\n"
                                    "Node 0 DMA free:1kB orders:3 zone:4\n"
                                    "Node 0 DMA: 1*4kB (U\xff) = 4kB\n"));
}

static void
test_bounds (void **state)
{
  struct buf text = BUF_INIT (64u << 20);
  const struct sysrq_task *t;
  const struct sysrq_cpu *c;
  struct json_object *doc;
  struct sysrq_dump *d;

  buf_puts (&text, "sysrq: Show State\n");
  for (unsigned i = 0; i < SYSRQ_MAX_TASKS + 100; i++)
    buf_printf (&text,
                "task:t\xff\x1b[31m             state:D stack:0     pid:%u "
                "ppid:2 flags:0x00000000\nCall Trace:\n%s",
                i,
                " a+0x1/0x2\n b+0x1/0x2\n c+0x1/0x2\n d+0x1/0x2\n"
                " e+0x1/0x2\n f+0x1/0x2\n g+0x1/0x2\n h+0x1/0x2\n");
  for (unsigned i = 0; i < SYSRQ_MAX_CPUS + 7; i++)
    buf_printf (&text, "NMI backtrace for cpu %u skipped: idling at a+0x1/2\n",
                i);
  for (unsigned i = 0; i < 10000; i++)
    buf_printf (&text,
                "[    1.000000][ T%u] 9 locks held by x/%u:\n"
                "INFO: task x:%u blocked for more than 120 seconds.\n"
                "Mem-Info:\nTimer List Version: v\n",
                i, i, i);
  assert_false (text.cut);
  d = dump_of_bytes (buf_str (&text), text.len, 4096);
  assert_int_equal (sysrq_dump_tasks (d, &t), SYSRQ_MAX_TASKS);
  assert_int_equal (sysrq_dump_cpus (d, &c), SYSRQ_MAX_CPUS);
  assert_int_equal (t[SYSRQ_MAX_TASKS - 1].nframes
                        + t[SYSRQ_MAX_TASKS - 1].more_frames,
                    8);
  assert_int_equal (sysrq_dump_blocked (d, NULL, 0), SYSRQ_MAX_TASKS);
  doc = sysrq_dump_to_json (d);
  /* It can be printed, and read again. */
  {
    const char *s
        = json_object_to_json_string_ext (doc, JSON_C_TO_STRING_PLAIN);
    struct json_object *again = json_tokener_parse (s);

    assert_non_null (again);
    json_object_put (again);
  }
  json_object_put (doc);
  sysrq_dump_free (d);
  buf_done (&text);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_boots),
    cmocka_unit_test (test_memory),     cmocka_unit_test (test_memory_odd),
    cmocka_unit_test (test_timers),     cmocka_unit_test (test_timers_cut),
    cmocka_unit_test (test_locks),      cmocka_unit_test (test_ftrace),
    cmocka_unit_test (test_workqueues), cmocka_unit_test (test_sched),
    cmocka_unit_test (test_names),      cmocka_unit_test (test_bounds),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
