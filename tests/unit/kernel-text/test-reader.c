/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader: any cutting, what is told twice, what is ours, bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "kernel/text/report.h"
#include "tests/unit/kernel-text/reader-bed.h"

#define T "[   71.000000] "

static const char story[]
    = "[    0.000000] Linux version 6.1.0-zoo (a@b) #1 SMP\n"
      "[    1.000000] virtio_blk virtio1: [vda] 1024 blocks\n" T
      "INFO: task sync:812 blocked for more than 120 seconds.\n" T
      "      Not tainted 6.1.0-zoo #1\n" T
      "task:sync state:D stack:0 pid:812 ppid:1 flags:0x00000002\n" T
      "Call Trace:\n" T " schedule+0x1/0x2\n" T " zoo_sync+0x1/0x2\n" T
      "WARNING: CPU: 0 PID: 9 at fs/zoo/cage.c:12 zoo_shut+0x1/0x9\n" T
      "Call Trace:\n" T " zoo_exit+0x1/0x2\n" T " f+0x1/0x2\n" T
      "---[ end trace 0 ]---\n" T
      "Kernel panic - not syncing: Fatal exception\n" T
      "---[ end Kernel panic - not syncing: Fatal exception ]---\n";

static void
same (const struct text_event *a, const struct text_event *b)
{
  struct json_object *ja = text_event_to_json (a);
  struct json_object *jb = text_event_to_json (b);

  assert_string_equal (json_object_to_json_string (ja),
                       json_object_to_json_string (jb));
  json_object_put (ja);
  json_object_put (jb);
}

static void
any_cutting (void **state)
{
  struct bed *b = *state;
  struct text_event *whole = calloc (BED_MAX, sizeof *whole);
  unsigned n, i;
  size_t step, at;

  assert_non_null (whole);
  bed_read (b, story);
  n = b->nevents;
  assert_int_equal (n, 3);
  memcpy (whole, b->events, BED_MAX * sizeof *whole);
  for (step = 1; step < 90; step += 1 + step / 8)
    {
      bed_open (b);
      for (at = 0; at < sizeof story - 1; at += step)
        {
          size_t len = sizeof story - 1 - at;

          text_reader_feed (b->reader, story + at, len < step ? len : step,
                            0);
        }
      text_reader_end (b->reader);
      bed_close (b);
      assert_int_equal (b->nevents, n);
      for (i = 0; i < n; i++)
        same (&whole[i], &b->events[i]);
    }
  free (whole);
}

/* Each head is told at once, each report once. */
static void
told_twice (void **state)
{
  struct bed *b = *state;

  bed_open (b);
  bed_feed (b, T "general protection fault: 0000 [#1] SMP\n", 0);
  assert_int_equal (b->nsuspects, 1);
  assert_int_equal (b->nevents, 0);
  assert_string_equal (b->suspects[0], "general protection fault");
  text_reader_end (b->reader);
  assert_int_equal (b->nevents, 1);
  bed_close (b);
}

/* The same task that still hangs, the panic's end mark: nothing new. */
static void
nothing_new (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            T "INFO: task sync:812 blocked for more than 120 seconds.\n"
            T "INFO: task sync:812 blocked for more than 241 seconds.\n"
            T "INFO: task dd:813 blocked for more than 120 seconds.\n"
            T "INFO: task sync:812 blocked for more than 362 seconds.\n");
  assert_int_equal (b->nevents, 2);
  /* Later again, after it went on. */
  bed_read (b,
            T "INFO: task sync:812 blocked for more than 241 seconds.\n"
            T "INFO: task sync:812 blocked for more than 120 seconds.\n");
  assert_int_equal (b->nevents, 2);
  bed_read (b,
            T "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [zk:31]\n"
            T "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [zk:31]\n"
            T "watchdog: BUG: soft lockup - CPU#3 stuck for 48s! [zk:31]\n");
  assert_int_equal (b->nevents, 1);
  bed_read (b,
            T "Kernel panic - not syncing: Fatal exception\n"
            T "---[ end Kernel panic - not syncing: Fatal exception ]---\n");
  assert_int_equal (b->nevents, 1);
  /* Of a panic whose beginning was lost, the end mark is enough. */
  bed_read (b,
            T "---[ end Kernel panic - not syncing: Fatal exception ]---\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title, "kernel panic: Fatal exception");
}

/* Another boot is another life. */
static void
another_boot (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            "[    0.000000] Linux version 6.1.0 (a@b) #1\n"
            T "Kernel panic - not syncing: Fatal exception\n"
            "[    0.000000] Linux version 6.1.0 (a@b) #1\n"
            T "Kernel panic - not syncing: Fatal exception\n");
  assert_int_equal (b->nevents, 2);
}

static void
ours (void **state)
{
  struct bed *b = *state;

  bed_open (b);
  text_reader_ours (b->reader, 'l', 5000);
  bed_feed (b, T "general protection fault: 0000 [#1] SMP\n", 4000);
  bed_feed (b, T "divide error: 0000 [#1] SMP\n", 6000);
  text_reader_end (b->reader);
  bed_close (b);
  assert_int_equal (b->nevents, 2);
  assert_true (b->events[0].ours);
  assert_false (b->events[1].ours);
}

/* What no key makes a kernel say, and what another kernel says. */
static void
not_asked_for (void **state)
{
  struct bed *b = *state;

  bed_open (b);
  text_reader_ours (b->reader, 'w', 5000);
  bed_feed (b, T "BUG: unable to handle page fault for address: 0\n", 4000);
  bed_feed (b, T "Kernel panic - not syncing: Fatal exception\n", 4001);
  bed_feed (b, "[    0.000000] Linux version 6.1.0 (a@b) #1\n", 4500);
  bed_feed (b, T "general protection fault: 0000 [#1] SMP\n", 4501);
  text_reader_ours (b->reader, 'c', 9000);
  bed_feed (b, T "Kernel panic - not syncing: sysrq triggered crash\n", 8000);
  text_reader_end (b->reader);
  bed_close (b);
  assert_int_equal (b->nevents, 4);
  assert_true (b->events[0].ours);
  assert_false (b->events[1].ours);
  assert_false (b->events[2].ours);
  assert_true (b->events[3].ours);
}

/* SysRq R prints the log again: with its old stamps. */
static void
replayed (void **state)
{
  struct bed *b = *state;

  bed_read (b,
            "[   90.000000] sysrq: Replay kernel logs on consoles\n"
            "[   71.000000] general protection fault: 0000 [#1] SMP\n"
            "[   72.000000] divide error: 0000 [#1] SMP\n"
            "[   90.000000] sysrq: Replay kernel logs on consoles\n"
            "[   91.000000] int3: 0000 [#1] SMP\n");
  assert_int_equal (b->nevents, 3);
  assert_true (b->events[0].ours && b->events[1].ours);
  assert_false (b->events[2].ours);
  /* Somebody prints a header of a time that does not come. */
  b->nevents = 0;
  bed_open (b);
  bed_feed (b, "[   90.000000] usb 1-1: gone\n", 1000);
  bed_feed (b, "[99999999.000000] sysrq: Replay kernel logs on consoles\n",
            2000);
  bed_feed (b, "[   93.000000] general protection fault: 0000 [#1] SMP\n",
            4000);
  text_reader_end (b->reader);
  assert_int_equal (b->nevents, 1);
  assert_false (b->events[0].ours);
  bed_close (b);
}

/* Reports that stood still are told; nobody waits for nothing. */
static void
quiet (void **state)
{
  struct bed *b = *state;
  uint64_t next;

  bed_open (b);
  assert_true (text_reader_tick (b->reader, 10) == CLOCK_NEVER);
  bed_feed (b, T "INFO: task sync:812 blocked for more than 120 seconds.\n",
            1000);
  next = text_reader_tick (b->reader, 1500);
  assert_int_equal (next, 1000 + REPORT_QUIET_MS);
  assert_int_equal (b->nevents, 0);
  assert_true (text_reader_tick (b->reader, next) == CLOCK_NEVER);
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title, "INFO: task hung: sync");
  assert_int_equal (b->events[0].evidence, EVIDENCE_HEADER);
  bed_close (b);
}

static void
gaps (void **state)
{
  struct bed *b = *state;
  struct text_reader_stats s;

  bed_open (b);
  bed_feed (b, T "general protection fault: 0000 [#1] SMP\n"
               T "RIP: 0010:cow_eat+0x1/0x2\n" T "Call Tr", 0);
  text_reader_gap (b->reader, 1000, 0);
  bed_feed (b, "ow+0x1/0x2\n" T " meadow+0x1/0x2\n", 0);
  text_reader_end (b->reader);
  text_reader_stats (b->reader, &s);
  assert_int_equal (s.gaps, 1);
  assert_int_equal (s.lost_bytes, 1000);
  assert_int_equal (s.events, 1);
  bed_close (b);
  assert_true (b->events[0].corrupted);
  assert_string_equal (b->events[0].title,
                       "general protection fault in cow_eat");
}

/* What anybody in a guest may print is not the kernel's. */
static void
not_fooled (void **state)
{
  static const char *const texts[] = {
    "Jan  1 00:00:00 zoo cat[12]: Kernel panic - not syncing: no\n",
    T "NMI watchdog: Shutting down hard lockup detector on all cpus\n",
    T "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1 "
      "msecs\n",
    T "INFO: lockdep is turned off.\n",
    T "Speculative Return Stack Overflow: WARNING: see the manual\n",
    T "kasan: KernelAddressSanitizer initialized\n",
    "INFO:    BL31: Preparing for EL3 exit to normal world\n",
    "WARNING: BL1: something of firmware\n",
  };
  struct bed *b = *state;
  size_t i;

  for (i = 0; i < ARRAY_LEN (texts); i++)
    {
      bed_read (b, texts[i]);
      if (b->nevents)
        fail_msg ("%s: %s", texts[i], b->events[0].title);
    }
}

/* Lines that stop amid what is looked for. */
static void
torn_details (void **state)
{
  static const char *const lines[] = {
    "Write of size 8 at addr ffff by t", "Read of size 8 by ", "CPU: ",
    "CPU: 1 PID: 2 Comm: ", "CPU: 1 PID: 2 Comm: x Tainted: ", "Tainted: ",
    "Not tainted ", "Modules linked in:", "Hardware name: ", " at:",
    "x, at: ", "... which became HARDIRQ-irq-safe at:", "caller is ",
    "last function: ", "Pid: 1, comm: ", "NMI backtrace for cpu ", "<IRQ>",
    "RIP: ", "RIP: 0010:", "RIP: 0010:[<", "pc :", "[<", "[<12>] (", "? ",
  };
  struct bed *b = *state;
  size_t i, n;
  char text[256];

  for (i = 0; i < ARRAY_LEN (lines); i++)
    for (n = 0; n <= strlen (lines[i]); n++)
      {
        (void) snprintf (text, sizeof text,
                         "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2\n%.*s\n",
                         (int) n, lines[i]);
        bed_read (b, text);
        assert_int_equal (b->nevents, 1);
      }
}

/* However many heads and lines come, memory is bounded; idle, it is small. */
static void
bounds (void **state)
{
  struct bed *b = *state;
  struct text_reader_stats s;
  char line[128];
  unsigned i, n;

  bed_open (b);
  text_reader_stats (b->reader, &s);
  assert_true (s.memory <= 4096);
  for (i = 0; i < 400; i++)
    {
      n = (unsigned) snprintf (line, sizeof line,
                               "[    1.0][  T%u] divide error: 0000 [#1] SMP\n",
                               i);
      text_reader_feed (b->reader, line, n, 0);
      n = (unsigned) snprintf (line, sizeof line,
                               "[    1.0][  T%u]  f%u+0x1/0x2\n", i, i);
      text_reader_feed (b->reader, line, n, 0);
    }
  text_reader_stats (b->reader, &s);
  assert_true (s.memory < 1u << 20);
  assert_int_equal (s.reports_cut, 400 - REPORTS_MAX);
  assert_int_equal (b->nsuspects, 400);
  for (i = 0; i < 100000; i++)
    bed_feed (b, "[    1.0][ T399]  g+0x1/0x2\n", 0);
  text_reader_stats (b->reader, &s);
  assert_true (s.memory < 1u << 20);
  text_reader_end (b->reader);
  assert_int_equal (b->nevents, 400);
  text_reader_stats (b->reader, &s);
  assert_true (s.memory <= 4096);
  bed_close (b);
}

static void
json (void **state)
{
  struct bed *b = *state;
  struct json_object *o;

  bed_read (b, T "INFO: task a\"\x01\xff:812 blocked for more than 120 "
                 "seconds.\n" T "x\n" T "y\n");
  assert_int_equal (b->nevents, 1);
  o = text_event_to_json (&b->events[0]);
  assert_string_equal (json_get_str (o, "kind"), "hung_task");
  assert_string_equal (json_get_str (o, "evidence"), "header-only");
  assert_string_equal (json_get_str (o, "severity"), "error");
  assert_int_equal (json_get_int (o, "pid", -1), 812);
  assert_non_null (strstr (json_get_str (o, "comm"), "\\x"));
  json_object_put (o);
}

/* Two consoles on one wire: what comes is the same as from one. */
static void
two_consoles (void **state)
{
  struct bed *b = *state;
  static const char *const lines[] = {
    "[   12.100000] usb 1-1: new device",
    ("[   12.200000][   T71] Unable to handle kernel paging request at "
     "virtual address ffff0000deadb000"),
    "[   12.200000][   T71] Internal error: Oops: 96000004 [#1] SMP",
    "[   12.200000][   T71] CPU: 1 PID: 71 Comm: sync Not tainted 6.6.1 #1",
    "[   12.200000][   T71] pc : pump_write+0x10/0x80",
    "[   12.200000][   T71] Call trace:",
    "[   12.200000][   T71]  pump_write+0x10/0x80",
    "[   12.200000][   T71]  vfs_write+0xc0/0x300",
    "[   12.200000][   T71]  again_and_again+0x4/0x8",
    "[   12.200000][   T71]  again_and_again+0x4/0x8",
    "[   12.200000][   T71]  again_and_again+0x4/0x8",
    "[   12.200000][   T71] ---[ end trace 0000000000000000 ]---",
    "[   12.900000][   T71] EXT4-fs error (device vda1): ext4_find: bad",
  };
  char title[TEXT_TITLE_MAX] = "";

  for (unsigned times = 1; times <= 2; times++)
    {
      bed_open (b);
      for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        for (unsigned k = 0; k < times; k++)
          {
            bed_feed (b, lines[i], 0);
            bed_feed (b, "\r\n", 0);
          }
      text_reader_end (b->reader);
      assert_int_equal (b->nevents, 2);
      assert_int_equal (b->events[0].nframes, 6);
      if (times == 1)
        memcpy (title, b->events[0].title, sizeof title);
      assert_string_equal (b->events[0].title, title);
      assert_string_equal (b->events[1].kind, "fs_error");
      bed_close (b);
    }
}

static uint64_t
hung_tasks (const struct bed *b)
{
  struct text_reader_stats stats;

  text_reader_stats (b->reader, &stats);
  return stats.hung_tasks;
}

/* Told once, counted each time: the kernel stops at some number. */
static void
counts_hung (void **state)
{
  struct bed *b = *state;
  static const char again[]
      = "INFO: task sync:71 blocked for more than 120 seconds.\n";

  bed_open (b);
  bed_feed (b, "[  242.000000] ", 0);
  bed_feed (b, again, 0);
  bed_feed (b, "[  362.000000] ", 0);
  bed_feed (b, again, 0);
  assert_int_equal (hung_tasks (b), 2);
  /* A programme says so, and half a line. */
  bed_feed (b, "Jan  2 03:04:05 web pumpd[9]: ", 0);
  bed_feed (b, again, 0);
  bed_feed (b, "[  482.000000] INFO: task sync:71 blocked for mo", 0);
  assert_int_equal (hung_tasks (b), 2);
  bed_feed (b, "re than 120 seconds.\n", 0);
  assert_int_equal (hung_tasks (b), 3);
  bed_feed (b, "[  482.000100] Future hung task reports are suppressed, see "
               "sysctl kernel.hung_task_warnings\n", 0);
  assert_int_equal (hung_tasks (b), 3 + TEXT_HUNG_WARNINGS);
  bed_close (b);
}

static void
kinds (void **state)
{
  const struct text_kind *k, *l;

  (void) state;
  for (k = text_kinds; k->name; k++)
    {
      assert_ptr_equal (text_kind_find (k->name), k);
      for (l = text_kinds; l < k; l++)
        assert_string_not_equal (l->name, k->name);
    }
  assert_null (text_kind_find ("no such"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (any_cutting, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (told_twice, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (nothing_new, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (another_boot, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (ours, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (not_asked_for, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (replayed, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (quiet, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (gaps, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (not_fooled, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (torn_details, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (bounds, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (json, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (two_consoles, bed_setup, bed_teardown),
    cmocka_unit_test_setup_teardown (counts_hung, bed_setup, bed_teardown),
    cmocka_unit_test (kinds),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
