/* SPDX-License-Identifier: Apache-2.0
 *
 * SysRq output as data: keys, tasks of all generations of kernels, CPUs, and
 * what is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/kernel-text/dump.h"

#include "base/buf.h"

#include <stdio.h>

/* Its text, made a task at a time, says what the tree of all of it says. */
static void
check_shown (const struct sysrq_dump *d, struct json_object *doc)
{
  struct buf whole CLEANUP_BUF = BUF_INIT (64u << 20);
  struct buf shown CLEANUP_BUF = BUF_INIT (64u << 20);
  struct buf little CLEANUP_BUF = BUF_INIT (100);
  struct json_object *a, *b;

  json_show (doc, &whole);
  sysrq_dump_show (d, &shown);
  assert_false (shown.cut);
  a = json_tokener_parse (buf_str (&whole));
  b = json_tokener_parse (buf_str (&shown));
  assert_non_null (a);
  assert_true (json_object_equal (a, b));
  json_object_put (a);
  json_object_put (b);
  sysrq_dump_show (d, &little);
  assert_true (little.cut);
}

/* What the gaps of a dump are: "kind: what;". */
static const char *
gaps_of (const struct sysrq_dump *d)
{
  static char text[4096];
  struct json_object *doc = sysrq_dump_to_json (d);
  struct json_object *gaps = json_get (doc, "gaps");
  size_t n = 0;

  check_shown (d, doc);
  text[0] = '\0';
  assert_int_equal (json_object_array_length (gaps), sysrq_dump_gaps (d));
  assert_int_equal (json_get_bool (doc, "complete", false),
                    sysrq_dump_gaps (d) == 0);
  for (size_t i = 0; i < json_object_array_length (gaps); i++)
    {
      struct json_object *g = json_object_array_get_idx (gaps, i);

      n += (size_t) snprintf (text + n, sizeof text - n, "%s: %s;",
                              json_get_str (g, "kind"),
                              json_get_str (g, "what"));
    }
  json_object_put (doc);
  return text;
}

/* ---- headers ---- */

static void
test_keys (void **state)
{
  static const struct
  {
    const char *text, *keys;
    bool refused, any;
  } cases[] = {
    { "[    4.100000] sysrq: Show Blocked State\n", "w", false, true },
    { "SysRq : Show Blocked State\n", "w", false, true },
    { "[    4.100000] sysrq: SysRq : Show Memory\r\n", "m", false, true },
    { "<6>[    4.100000] sysrq: Emergency Sync\nEmergency Sync complete\n",
      "s", false, true },
    { "sysrq: Emergency Remount R/O\nsysrq: Nice All RT Tasks\n", "un", false,
      true },
    { "sysrq: Changing Loglevel\nsysrq: Loglevel set to 9\n", "9", false,
      true },
    { "sysrq: Replay kernel logs on consoles\n", "R", false, true },
    { "[    5.000000] sysrq: This sysrq operation is disabled.\n", "", true,
      true },
    { "box login: [    5.000000] sysrq: Show Locks Held\n", "d", false,
      true },
    { "[    5.000000] sysrq: Something nobody knows yet\n", "", false, true },
    { "[    5.000000] usb 1-1: new device\n", "", false, false },
    /* A programme that says it. */
    { "Nov 20 10:00:00 box app[12]: sysrq: Show State\n", "", false, false },
    { "", "", false, false },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct sysrq_dump *d = dump_of (cases[i].text);

      assert_string_equal (sysrq_dump_keys (d), cases[i].keys);
      assert_int_equal (sysrq_dump_refused (d), cases[i].refused);
      assert_int_equal (sysrq_dump_any (d), cases[i].any);
      sysrq_dump_free (d);
    }
  sysrq_dump_free (NULL);
}

static void
test_help (void **state)
{
  struct sysrq_dump *d = dump_of ("[    1.000000] sysrq: HELP : "
                                  "loglevel(0-9) reboot(b) crash(c)\n");

  assert_string_equal (sysrq_dump_help (d), "loglevel(0-9) reboot(b) crash(c)");
  assert_string_equal (sysrq_dump_keys (d), "h");
  assert_int_equal (sysrq_dump_gaps (d), 0);
  sysrq_dump_free (d);
  /* Printed in pieces. */
  d = dump_of ("SysRq : HELP : loglevel(0-9)\n[    1.000000] sync(s)\n"
               "[    1.000000] unmount(u) \n[    1.000000] eth0: up (1 Gb)\n"
               "later(x)\n");
  assert_string_equal (sysrq_dump_help (d),
                       "loglevel(0-9) sync(s) unmount(u)");
  sysrq_dump_free (d);
}

static void
test_header_only (void **state)
{
  static const char keys[] = "tlmpqz";
  static const char *const says[]
      = { "Show State", "Show backtrace of all active CPUs", "Show Memory",
          "Show Regs", "Show clockevent devices & pending hrtimers",
          "Dump ftrace buffer" };
  char text[200], want[40];
  struct sysrq_dump *d;

  for (size_t i = 0; keys[i]; i++)
    {
      snprintf (text, sizeof text,
                "[    1.000000] sysrq: %s\n[    1.000001] sysrq: Nice All RT "
                "Tasks\n",
                says[i]);
      snprintf (want, sizeof want, "header-only: SysRq %c", keys[i]);
      d = dump_of (text);
      assert_int_equal (strncmp (gaps_of (d), want, strlen (want)), 0);
      sysrq_dump_free (d);
    }
  d = dump_of ("SysRq : Show Blocked State\n"
               "  task                        PC stack   pid father\n");
  assert_int_equal (sysrq_dump_gaps (d), 0); /* the loglevel hides nothing */
  sysrq_dump_free (d);
}

/* ---- tasks ---- */

#define STACK                                                                 \
  "[    9.000002] Call Trace:\n[    9.000003]  __schedule+0x1a2/0x8f0\n"      \
  "[    9.000003]  schedule+0x4b/0xc0\n"
#define STACKED                                                               \
  "[    9.000002] Call Trace:\n[    9.000002]  <TASK>\n"                      \
  "[    9.000003]  __schedule+0x1a2/0x8f0\n[    9.000003]  </TASK>\n"

static const struct
{
  const char *text, *comm;
  char state;
  int pid, tgid, ppid;
  uint64_t flags;
  bool running, torn;
} generations[] = {
  { "[    9.000001] udevd           D ffff88003c1af7c8     0   411      1 "
    "0x00000004\n" STACK,
    "udevd", 'D', 411, -1, 1, 4, false, false },
  { "[    9.000001] xfsaild/sda2    D27624   771      2 0x80004000\n" STACK,
    "xfsaild/sda2", 'D', 771, -1, 2, 0x80004000, false, false },
  { "[    9.000001] burn            R  running task    22880  9931   4411 "
    "0x0000000a\n" STACK,
    "burn", 'R', 9931, -1, 4411, 10, true, false },
  { "[    9.000001] x S: pid:7      S    0    17      2 0x00000000\n" STACK,
    "x S: pid:7", 'S', 17, -1, 2, 0, false, false },
  { "[    9.000001] task:cron            state:S stack:    0 pid:  301 ppid:  "
    "   1 flags:0x00000002\n" STACK,
    "cron", 'S', 301, -1, 1, 2, false, false },
  { "[    9.000001] task:kworker/u8:3+fl state:D stack:0     pid:33    ppid:2 "
    "     flags:0x00004000\n" STACKED,
    "kworker/u8:3+fl", 'D', 33, -1, 2, 0x4000, false, false },
  { "[    9.000001] task:my own: task 1  state:R  running task     stack:0    "
    " pid:91    tgid:90    ppid:1      flags:0x00000008\n",
    "my own: task 1", 'R', 91, 90, 1, 8, true, false },
  { "[    9.000001] task:dd              state:D stack:0     pid:12345 "
    "tgid:12345 ppid:88     task_flags:0x400100 flags:0x00000002\n" STACKED,
    "dd", 'D', 12345, 12345, 88, 2, false, false },
  /* A name that looks like the rest of the line. */
  { "[    9.000001] task:a state:X pid:9 state:Z stack:0     pid:44    tgid:44"
    "    ppid:1      flags:0x00000002\n" STACK,
    "a state:X pid:9", 'Z', 44, 44, 1, 2, false, false },
  /* Bytes of the name were taken on the way. */
  { "[    9.000001] task:short state:I stack:0     pid:5     ppid:2      "
    "flags:0x00004000\n" STACK,
    "short", 'I', 5, -1, 2, 0x4000, false, false },
  /* Torn between its pieces, and put together again. */
  { "[    9.000001] task:late            state:S\n[    9.000001]  stack:    0 "
    "pid:   66 ppid:     2 flags:0x00000040\n" STACK,
    "late", 'S', 66, -1, 2, 0x40, false, false },
  { "[    9.000001] task:runs            state:R\n[    9.000001]   running "
    "task    \n[    9.000001]  stack:0     pid:67    ppid:2      "
    "flags:0x00000040\n" STACK,
    "runs", 'R', 67, -1, 2, 0x40, true, false },
  { "[    9.000001] older           S\n[    9.000001]     0    68      2 "
    "0x00000001\n" STACK,
    "older", 'S', 68, -1, 2, 1, false, false },
  /* Cut off. */
  { "[    9.000001] task:half            state:D stack:0     pid:70\n", "half",
    'D', 70, -1, -1, 0, false, true },
  { "[    9.000001] task:hal", "hal", '?', -1, -1, -1, 0, false, true },
  { "[    9.000001] task:nostack         state:D stack:0     pid:71    ppid:2 "
    "     flags:0x00000000\n",
    "nostack", 'D', 71, -1, 2, 0, false, true },
  { "[    9.000001] task:open            state:D stack:0     pid:72    ppid:2 "
    "     flags:0x00000000\n[    9.000002] Call Trace:\n[    9.000002]  "
    "<TASK>\n[    9.000003]  schedule+0x1/0x2\n",
    "open", 'D', 72, -1, 2, 0, false, true },
};

static void
test_generations (void **state)
{
  for (size_t i = 0; i < sizeof generations / sizeof generations[0]; i++)
    {
      char text[2048];
      const struct sysrq_task *t;
      struct sysrq_dump *d;

      snprintf (text, sizeof text, "[    9.000000] sysrq: Show State\n%s",
                generations[i].text);
      d = dump_of (text);
      print_message ("%s\n", generations[i].comm);
      assert_int_equal (sysrq_dump_tasks (d, &t), 1);
      assert_string_equal (t->comm, generations[i].comm);
      assert_int_equal (t->state, generations[i].state);
      assert_int_equal (t->pid, generations[i].pid);
      assert_int_equal (t->tgid, generations[i].tgid);
      assert_int_equal (t->ppid, generations[i].ppid);
      assert_int_equal (t->flags, generations[i].flags);
      assert_int_equal (t->running, generations[i].running);
      assert_int_equal (t->torn, generations[i].torn);
      assert_int_equal (t->key, 't');
      assert_int_equal (t->line, 2);
      sysrq_dump_free (d);
    }
}

/* Lines that look like a task's and are none. */
static void
test_no_tasks (void **state)
{
  static const char *const texts[] = {
    "[    9.0] task: ffff88012e4c5a40 task.stack: ffff88012f1b8000\n",
    "[    9.000000] task: ffff88012e4c5a40 ti: ffff88012f1b8000\n",
    "[    9.000000] some driver     S is here now and says 0x12 things\n",
    "[    9.000000] R13: 00000000000001 R14: 0000000000000001 R15: 000000002\n",
    "Nov 20 10:00:00 box app[1]: task:x               state:D pid:1\n",
    "[    9.000000] task:nothing before it\n",
  };

  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    {
      const struct sysrq_task *t;
      struct sysrq_dump *d = dump_of (texts[i]);

      assert_int_equal (sysrq_dump_tasks (d, &t), 0);
      sysrq_dump_free (d);
    }
}

static const char one_task[]
    = "[    9.000001] sysrq: Show Blocked State\n"
      "[    9.000002] task:kworker/1:2     state:D stack:0     pid:52    "
      "tgid:52    ppid:2      flags:0x00004000\n"
      "[    9.000002] Workqueue: writeback wb_workfn (flush-254:0)\n"
      "[    9.000002] Call Trace:\n"
      "[    9.000002]  <TASK>\n"
      "[    9.000002]  __schedule+0x505/0xc00\n"
      "[    9.000003]  ? blk_mq_get_tag+0x10/0x10\n"
      "[    9.000003]  schedule+0x27/0xc0\n"
      "[    9.000003]  __mutex_lock.constprop.0+0x39d/0x720\n"
      "[    9.000003]  zoo_holds+0x1d/0x30 [zoo]\n"
      "[    9.000003]  do_syscall_64+0x87/0x180\n"
      "[    9.000004] RIP: 0033:0x7f20aa07d8\n"
      "[    9.000004] RSP: 002b:00007ffc75073ef0 EFLAGS: 00000246 ORIG_RAX: "
      "0000000000000004\n"
      "[    9.000004] RAX: ffffffffffffffda RBX: 00007ffd2b9c0e31 RCX: "
      "00000000004307d8\n"
      "[    9.000005]  </TASK>\n";

static void
test_block (void **state)
{
  struct sysrq_dump *d = dump_of (one_task);
  struct json_object *doc = sysrq_dump_to_json (d);
  const struct sysrq_task *t;

  assert_int_equal (sysrq_dump_tasks (d, &t), 1);
  assert_string_equal (t->workqueue, "writeback (wb_workfn) flush-254:0");
  assert_int_equal (t->nframes, 6);
  assert_string_equal (t->frames[1].func, "blk_mq_get_tag");
  assert_true (t->frames[1].guess);
  assert_string_equal (t->frames[4].module, "zoo");
  assert_int_equal (t->frames[4].offset, 0x1d);
  assert_string_equal (t->user_ip, "0x7f20aa07d8");
  assert_int_equal (t->nregs, 6);
  assert_string_equal (t->regs[2].name, "ORIG_RAX");
  assert_int_equal (t->regs[0].value, 0x7ffc75073ef0);
  assert_false (t->torn);
  assert_int_equal (sysrq_dump_gaps (d), 0);
  assert_int_equal (sysrq_wait_of (t->frames, t->nframes), WAIT_LOCK);
  assert_string_equal (sysrq_where (t->frames, t->nframes)->func,
                       "zoo_holds");
  assert_int_equal (
      json_object_get_int (dump_at (doc, "tasks.0.user.syscall")), 4);
  assert_string_equal (json_get_str (dump_at (doc, "tasks.0"), "waits"),
                       "lock");
  assert_string_equal (json_get_str (dump_at (doc, "blocked.0"), "in"),
                       "zoo_holds");
  assert_int_equal (json_get_int (dump_at (doc, "states"), "D", 0), 1);
  json_object_put (doc);
  sysrq_dump_free (d);
}

static void
test_about_tasks (void **state)
{
  static const struct
  {
    const char *line, *workqueue, *stopper;
  } cases[] = {
    { "Workqueue:  0x0 (events)", "events", "" },
    { "Workqueue:            (null) (rcu_gp)", "rcu_gp", "" },
    { "Workqueue: events_unbound flush_to_ldisc",
      "events_unbound (flush_to_ldisc)", "" },
    { "Stopper: multi_cpu_stop+0x0/0x100 <- stop_machine+0x2/0x3", "",
      "multi_cpu_stop+0x0/0x100 <- stop_machine+0x2/0x3" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      char text[512];
      const struct sysrq_task *t;
      struct sysrq_dump *d;

      snprintf (text, sizeof text,
                "task:w               state:D stack:0     pid:1     ppid:2    "
                "  flags:0x00000000\n%s\nCall Trace:\n f+0x1/0x2\n",
                cases[i].line);
      d = dump_of (text);
      assert_int_equal (sysrq_dump_tasks (d, &t), 1);
      assert_string_equal (t->workqueue, cases[i].workqueue);
      assert_string_equal (t->stopper, cases[i].stopper);
      assert_int_equal (t->nframes, 1);
      sysrq_dump_free (d);
    }
}

/* Stacks as other machines print them. */
static void
test_machines (void **state)
{
  static const char *const stacks[] = {
    "Call trace:\n __switch_to+0xe0/0x120 (T)\n schedule+0x34/0x120\n"
    " el0_svc+0x4c/0x148 (P)\n",
    "Call Trace:\n[<ffffffff80b1d1e8>] __schedule+0x2a4/0x9e0\n"
    "[<ffffffff80b1d950>] schedule+0x44/0xa8\n"
    "[<ffffffff80003c42>] ret_from_exception+0x0/0x64\n",
    " __schedule from schedule+0x5c/0xd0\n"
    " schedule from do_wait+0x12/0x34\n do_wait from sys_wait4+0x1/0x2\n",
    "Call Trace:\n[c0000000fb5d7a20] [c0000000fb5d7a80] 0xc0000000fb5d7a80 "
    "(unreliable)\n[c0000000fb5d7c00] [c00000000001f2b0] "
    "__switch_to+0x2a0/0x4c0\n[c0000000fb5d7c60] [c000000000c0b3f8] "
    "__schedule+0x2c8/0x950\n[c0000000fb5d7d20] [c000000000c0bad4] "
    "schedule+0x54/0xd0\n",
  };

  for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
    {
      char text[1024];
      const struct sysrq_task *t;
      struct sysrq_dump *d;

      snprintf (text, sizeof text,
                "task:w               state:D stack:0     pid:1     ppid:2    "
                "  flags:0x00000000\n%s",
                stacks[i]);
      d = dump_of (text);
      assert_int_equal (sysrq_dump_tasks (d, &t), 1);
      assert_int_equal (t->nframes, 3);
      assert_false (t->torn);
      sysrq_dump_free (d);
    }
}

/* Each task once, as it was last. */
static void
test_latest (void **state)
{
#define TASK(pid, st)                                                         \
  "task:t" #pid "              state:" st " stack:0     pid:" #pid            \
  "     ppid:2      flags:0x00000000\nCall Trace:\n f+0x1/0x2\n"
  struct sysrq_dump *d
      = dump_of ("sysrq: Show Blocked State\n" TASK (1, "D") TASK (2, "D")
                     TASK (3, "D") "sysrq: Show State\n" TASK (3, "D")
                         TASK (1, "S") TASK (2, "D")
                             "Showing busy workqueues and worker pools:\n");
  const struct sysrq_task *t;
  unsigned idx[6];

  assert_int_equal (sysrq_dump_tasks (d, &t), 6);
  assert_int_equal (sysrq_dump_blocked (d, idx, 6), 2);
  assert_int_equal (idx[0], 3);
  assert_int_equal (idx[1], 5);
  assert_int_equal (sysrq_dump_latest (d, 0, idx, 6), 3);
  assert_int_equal (sysrq_dump_latest (d, 'S', NULL, 0), 1);
  assert_string_equal (gaps_of (d), "");
  sysrq_dump_free (d);
}

static void
test_hung (void **state)
{
  struct sysrq_dump *d = dump_of (
      "[  245.1] INFO: task my:job:31 blocked for more than 120 seconds.\n"
      "[  245.100000]       Not tainted 6.1.0 #1\n"
      "[  245.100000] task:my:job          state:D stack:0     pid:31    "
      "ppid:2      flags:0x00000000\n"
      "[  245.100000] Call Trace:\n[  245.100000]  <TASK>\n"
      "[  245.100000]  schedule+0x1/0x2\n[  245.100000]  </TASK>\n"
      "[  245.100000] INFO: task my:job:31 is blocked on a mutex likely owned "
      "by task other one:9.\n"
      "[  365.100000] INFO: task my:job:31 blocked for more than 241 seconds.\n"
      "[  365.100000] INFO: task quiet:32 blocked in I/O wait for more than "
      "120 seconds.\n"
      "[  365.100000] INFO: task liar:33 blocked for more than "
      "18446744073709551615 seconds.\n");
  struct json_object *doc = sysrq_dump_to_json (d);
  const struct sysrq_task *t;

  assert_int_equal (sysrq_dump_tasks (d, &t), 1);
  assert_true (t->blocked_s >= 241 && t->blocked_s <= 241);
  assert_string_equal (t->owner, "other one:9");
  assert_int_equal (t->key, 0);
  assert_int_equal (json_object_array_length (json_get (doc, "hung")), 3);
  assert_null (json_get (dump_at (doc, "hung.2"), "blocked_s"));
  assert_int_equal (json_get_int (dump_at (doc, "hung.1"), "blocked_s", 0),
                    120);
  assert_int_equal (json_get_int (dump_at (doc, "blocked.0"), "blocked_s", 0),
                    241);
  json_object_put (doc);
  sysrq_dump_free (d);
}

/* ---- mixed up, cut off ---- */

static void
test_callers (void **state)
{
  /* Two CPUs print at the same time; the caller tells them apart. */
  struct sysrq_dump *d = dump_of (
      "[    9.000000][  T12] sysrq: Show State\n"
      "[    9.000000][  T12] task:aa              state:D stack:0     pid:1  "
      "   ppid:2      flags:0x00000000\n"
      "[    9.000000][   C1] task:bb              state:R  running task     "
      "stack:0     pid:2     ppid:2      flags:0x00000000\n"
      "[    9.000000][  T12] Call Trace:\n[    9.000000][   C1] Call Trace:\n"
      "[    9.000000][  T12]  <TASK>\n[    9.000000][   C1]  <TASK>\n"
      "[    9.000000][   C1]  b1+0x1/0x2\n[    9.000000][  T12]  a1+0x1/0x2\n"
      "[    9.000000][   C1]  b2+0x1/0x2\n[    9.000000][   C1]  </TASK>\n"
      "[    9.000000][  T12]  a2+0x1/0x2\n[    9.000000][  T12]  </TASK>\n"
      "[    9.000000][  T12] Showing busy workqueues and worker pools:\n");
  const struct sysrq_task *t;

  assert_int_equal (sysrq_dump_tasks (d, &t), 2);
  assert_int_equal (t[0].nframes, 2);
  assert_string_equal (t[0].frames[1].func, "a2");
  assert_int_equal (t[1].nframes, 2);
  assert_string_equal (t[1].frames[1].func, "b2");
  assert_string_equal (gaps_of (d), "");
  sysrq_dump_free (d);
}

static void
test_damage (void **state)
{
  static const char head[]
      = "task:aa              state:D stack:0     pid:1     ppid:2      "
        "flags:0x00000000\nCall Trace:\n <TASK>\n a1+0x1/0x2\n";
  static const struct
  {
    const char *more, *gaps;
    bool torn;
    unsigned frames;
  } cases[] = {
    { " a2+0x1/0x2\n </TASK>\n", "", false, 2 },
    /* Others' lines in between. */
    { "[    3.0] usb 1-1: new device\nsomething said\n a2+0x1/0x2\n </TASK>\n",
      "", false, 2 },
    { "** 24 printk messages dropped **\n a2+0x1/0x2\n </TASK>\n",
      "dropped: messages that the kernel could not print in time;"
      "torn: stacks that are cut off or mixed up;",
      true, 2 },
    { "** 24 printk messages dropped ** [    3.000000]  a2+0x1/0x2\n"
      " </TASK>\n",
      "dropped: messages that the kernel could not print in time;"
      "torn: stacks that are cut off or mixed up;",
      true, 2 },
    /* Two stacks in one. */
    { " <TASK>\n a2+0x1/0x2\n </TASK>\n",
      "torn: stacks that are cut off or mixed up;", true, 2 },
    /* Another report begins in the middle of it. */
    { "BUG: unable to handle page fault\nCall Trace:\n x+0x1/0x2\n",
      "torn: stacks that are cut off or mixed up;", true, 1 },
    { "CPU: 0 PID: 5 Comm: x Not tainted 6.1\nCall Trace:\n x+0x1/0x2\n",
      "torn: stacks that are cut off or mixed up;", true, 1 },
    /* After its end nothing is taken for its stack. */
    { " </TASK>\n x+0x1/0x2\nCall Trace:\n y+0x1/0x2\n", "", false, 1 },
    { " a2+0x1/0", "torn: stacks that are cut off or mixed up;", true, 2 },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      char text[1024];
      const struct sysrq_task *t;
      struct sysrq_dump *d;

      snprintf (text, sizeof text, "%s%s", head, cases[i].more);
      d = dump_of (text);
      assert_int_equal (sysrq_dump_tasks (d, &t), 1);
      assert_string_equal (gaps_of (d), cases[i].gaps);
      assert_int_equal (t->torn, cases[i].torn);
      assert_int_equal (t->nframes, cases[i].frames);
      sysrq_dump_free (d);
    }
}

/* Without brackets (before 5.16) a second trace is another report's. */
static void
test_no_brackets (void **state)
{
  struct sysrq_dump *d = dump_of (
      "[    1.000000] task:aa              state:D stack:    0 pid:    1 "
      "ppid:     2 flags:0x00000000\n[    1.000000] Call Trace:\n"
      "[    1.000000]  a1+0x1/0x2\n[    1.000000]  a2+0x1/0x2\n"
      "[    2.000000] other news\n[    2.000000] Call Trace:\n"
      "[    2.000000]  x+0x1/0x2\n");
  const struct sysrq_task *t;

  assert_int_equal (sysrq_dump_tasks (d, &t), 1);
  assert_int_equal (t->nframes, 2);
  assert_false (t->torn);
  sysrq_dump_free (d);
}

static void
test_lost_bytes (void **state)
{
  struct sysrq_dump *d = NULL;
  struct splitter *s = NULL;
  const struct sysrq_task *t;
  static const char head[]
      = "task:aa              state:D stack:0     pid:1     ppid:2      "
        "flags:0x00000000\nCall Trace:\n a1+0x1/0x2\n a2+0";

  assert_int_equal (sysrq_dump_new (&d, NULL), 0);
  assert_int_equal (splitter_new (dump_line, d, &s, NULL), 0);
  splitter_feed (s, head, strlen (head), 5);
  splitter_gap (s, 1000, 6);
  splitter_feed (s, "sys+0x1/0x2\n", 12, 7);
  splitter_end (s);
  splitter_free (s);
  sysrq_dump_end (d);
  assert_int_equal (sysrq_dump_tasks (d, &t), 1);
  assert_true (t->torn);
  assert_non_null (strstr (gaps_of (d), "lost: bytes"));
  sysrq_dump_free (d);
}

/* ---- CPUs ---- */

static const char cpus_text[]
    = "[   10.000000] sysrq: Show backtrace of all active CPUs\n"
      "[   10.000000] NMI backtrace for cpu 2\n"
      "[   10.000000] CPU: 2 UID: 0 PID: 77 Comm: it has blanks Not tainted "
      "6.12.0 #1\n"
      "[   10.000000] Hardware name: none\n"
      "[   10.000000] Call Trace:\n[   10.000000]  <IRQ>\n"
      "[   10.000000]  dump_stack_lvl+0x5d/0x80\n"
      "[   10.000000]  __handle_sysrq.cold+0x9f/0xe6\n"
      "[   10.000000]  </IRQ>\n[   10.000000]  <TASK>\n"
      "[   10.000000] RIP: 0010:zoo_spin+0xf/0x20 [zoo]\n"
      "[   10.000000] RSP: 0018:ff573512800c3ed8 EFLAGS: 00000202\n"
      "[   10.000000] FS:  0000000000000000(0000) GS:ff26f9088f600000(0000)\n"
      "[   10.000000]  zoo_thread+0x9/0x20 [zoo]\n"
      "[   10.000000]  kthread+0x29/0x100\n[   10.000000]  </TASK>\n"
      "[   10.000000] Sending NMI from CPU 2 to CPUs 0-1,3-4:\n"
      "[    9.900000] NMI backtrace for cpu 0 skipped: idling at "
      "default_idle+0xb/0x10\n"
      "[   10.100000] NMI backtrace for cpu 3\n"
      "[   10.100000] CPU: 3 PID: 0 Comm: swapper/3 Tainted: G        W\n"
      "[   10.100000] RIP: 0010:[<ffffffff8100>]  [<ffffffff8100>] "
      "mwait_idle+0xf/0x20\n"
      "[   10.100000] Call Trace:\n[   10.100000]  do_idle+0x9/0x20\n"
      "[   10.100000] INFO: NMI handler took too long to run: 11 msecs\n"
      "[   10.200000] NMI backtrace for cpu 4\n"
      "[   10.200000] CPU: 4 PID: 101 Comm: burn Not tainted\n"
      "[   10.200000] RIP: 0033:0x401638\n[   10.200000] RSP: "
      "002b:00007ffe5d411ad0 EFLAGS: 00000246\n";

static void
test_cpus (void **state)
{
  struct sysrq_dump *d = dump_of (cpus_text);
  const struct sysrq_cpu *c;

  assert_int_equal (sysrq_dump_cpus (d, &c), 4);
  assert_int_equal (c[0].cpu, 2);
  assert_string_equal (c[0].comm, "it has blanks");
  assert_int_equal (c[0].pid, 77);
  assert_string_equal (c[0].rip, "zoo_spin");
  assert_int_equal (c[0].interrupted, 2);
  assert_int_equal (c[0].nframes, 4);
  assert_int_equal (c[0].nregs, 4);
  assert_false (c[0].idle);
  assert_true (c[1].idle);
  assert_int_equal (c[1].cpu, 0);
  assert_string_equal (c[1].rip, "default_idle");
  assert_true (c[2].idle);
  assert_string_equal (c[2].rip, "mwait_idle");
  assert_string_equal (c[2].comm, "swapper/3");
  assert_true (c[3].user);
  assert_string_equal (c[3].rip, "0x401638");
  /* The one that did not take its NMI is named. */
  assert_string_equal (gaps_of (d), "silent: cpu 1 did not answer the NMI;");
  sysrq_dump_free (d);
}

static void
test_other_cpus (void **state)
{
  struct sysrq_dump *d = dump_of (
      "[   10.000000] sysrq: Show Regs\n"
      "[   10.000000] CPU: 0 PID: 9 Comm: sh Not tainted 6.6.0\n"
      "[   10.000000] pc : cpu_do_idle+0x8/0xc\n"
      "[   10.000000] lr : arch_cpu_idle+0x10/0x1c\n"
      "[   10.000000] sp : ffff800081b73dc0\n"
      "[   10.000000] x29: ffff800081b73dc0 x28: 0000000000000000\n"
      "[   10.000000] Call trace:\n[   10.000000]  cpu_do_idle+0x8/0xc\n"
      "[   11.000000] sysrq: Show backtrace of all active CPUs\n"
      "[   11.000000] sysrq: CPU1:\n"
      "[   11.000000] CPU3:\n[   11.000000] Call trace:\n"
      "[   11.000000]  spins+0x8/0xc\n");
  const struct sysrq_cpu *c;

  assert_int_equal (sysrq_dump_cpus (d, &c), 2);
  assert_int_equal (c[0].key, 'p');
  assert_string_equal (c[0].rip, "cpu_do_idle");
  assert_string_equal (c[0].comm, "sh");
  assert_int_equal (c[0].nframes, 1);
  assert_int_equal (c[1].cpu, 3);
  assert_string_equal (c[1].frames[0].func, "spins");
  sysrq_dump_free (d);
  /* An oops is not a CPU that was asked. */
  d = dump_of ("BUG: unable to handle\nCPU: 0 PID: 9 Comm: sh\n");
  assert_int_equal (sysrq_dump_cpus (d, &c), 0);
  sysrq_dump_free (d);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_keys),
    cmocka_unit_test (test_help),
    cmocka_unit_test (test_header_only),
    cmocka_unit_test (test_generations),
    cmocka_unit_test (test_no_tasks),
    cmocka_unit_test (test_block),
    cmocka_unit_test (test_about_tasks),
    cmocka_unit_test (test_machines),
    cmocka_unit_test (test_latest),
    cmocka_unit_test (test_hung),
    cmocka_unit_test (test_callers),
    cmocka_unit_test (test_damage),
    cmocka_unit_test (test_no_brackets),
    cmocka_unit_test (test_lost_bytes),
    cmocka_unit_test (test_cpus),
    cmocka_unit_test (test_other_cpus),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
