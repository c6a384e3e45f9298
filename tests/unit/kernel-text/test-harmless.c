/* SPDX-License-Identifier: Apache-2.0
 *
 * Consoles of guests that are well, though what they say reads as if they were
 * not: no alarm may come of them.  The other way round, too: a fault in the
 * middle of each is found.
 */
#include "tests/corpus/corpus.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOOT                                                                   \
  "[    0.000000] Linux version 6.1.0-18-amd64 (builder@host) (gcc-12) #1 "    \
  "SMP PREEMPT_DYNAMIC\n"                                                      \
  "[    0.000000] Command line: root=/dev/vda1 ro console=ttyS0\n"             \
  "[    0.004000] tsc: Detected 2994.374 MHz processor\n"                      \
  "[    0.220000] smpboot: Allowing 2 CPUs, 0 hotplug CPUs\n"                  \
  "[    1.470000] EXT4-fs (vda1): mounted filesystem. Quota mode: none.\n"
#define USERSPACE                                                              \
  BOOT "[    2.100000] systemd[1]: systemd 252.22 running in system mode\n"    \
       "[  OK  ] Reached target Multi-User System.\n"                          \
       "\nDebian GNU/Linux 12 web-1 ttyS0\n\nweb-1 login: "
#define FAULT                                                                  \
  "[  500.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! "          \
  "[cp:411]\n"

static const struct
{
  const char *what, *text;
} consoles[] = {
  { "trusted firmware",
    "NOTICE:  BL31: v2.8(release):v2.8\n"
    "INFO:    BL31: Initializing runtime services\n"
    "WARNING: BL31: cortex_a72: CPU workaround for 859971 was missing!\n"
    "ERROR:   Error initializing runtime service opteed_fast\n"
    "INFO:    SPSR = 0x3c9\n" BOOT },
  { "a boot loader",
    "U-Boot 2023.01 (Jan 09 2023 - 16:07:33 +0000)\n\n"
    "WARNING: Caches not enabled\n"
    "Loading Environment from FAT... *** Warning - bad CRC, using default\n"
    "ERROR: reserving fdt memory region failed (addr=ff00000 size=100)\n"
    "BUG: no\n" BOOT },
  { "a kernel that talks of watching", BOOT
    "[    0.050000] Speculative Return Stack Overflow: WARNING: See "
    "https://kernel.org/doc/html/latest/admin-guide/hw-vuln/srso.html\n"
    "[    0.060000] MDS: Vulnerable: Clear CPU buffers attempted, no "
    "microcode\n"
    "[    0.200000] rcu: \tRCU event tracing is enabled.\n"
    "[    0.300000] NMI watchdog: Enabled. Permanently consumes one hw-PMU "
    "counter.\n"
    "[    0.310000] NMI watchdog: Shutting down hard lockup detector on all "
    "cpus\n"
    "[    0.320000] watchdog: Delayed init of the lockup detector: nothing\n"
    "[    0.330000] Lockup detector: soft lockup threshold is 20 seconds\n"
    "[    0.400000] [Firmware Bug]: TSC ADJUST differs within socket(s)\n"
    "[    0.410000] ACPI BIOS Error (bug): Could not resolve symbol "
    "[\\_SB.PCI0], AE_NOT_FOUND\n"
    "[    0.500000] printk: bootconsole [earlyser0] disabled, panic=30\n"
    "[    0.600000] Kernel command line: panic=10 oops=panic "
    "hung_task_panic=1 softlockup_panic=1\n"
    "[    1.000000] INFO: NMI handler (perf_event_nmi_handler) took too long "
    "to run: 1.183 msecs\n"
    "[    1.100000] perf: interrupt took too long (2517 > 2500), lowering "
    "kernel.perf_event_max_sample_rate to 79250\n" },
  { "drives that are empty", BOOT
    "[    3.000000] blk_update_request: I/O error, dev fd0, sector 0 op "
    "0x0:(READ) flags 0x0 phys_seg 1 prio class 0\n"
    "[    3.100000] I/O error, dev sr0, sector 0 op 0x0:(READ) flags 0x80700 "
    "phys_seg 1 prio class 2\n"
    "[    3.200000] Buffer I/O error on dev sr0, logical block 0, async page "
    "read\n"
    "[    3.300000] Buffer I/O error on dev fd0, logical block 0, async page "
    "read\n" },
  { "programmes that print the words", USERSPACE
    "\n"
    "INFO: task backup blocked for more than 120 seconds of the schedule\n"
    "INFO: task index:42 done\n"
    "WARNING: Running pip as the 'root' user can break things\n"
    "BUG: report this to the maintainers\n"
    "app[211]: panic: runtime error: index out of range [3] with length 3\n"
    "goroutine 1 [running]:\n"
    "main.main()\n"
    "\t/src/main.go:12 +0x1d\n"
    "test 14: Kernel panic - not syncing: is printed ... ok\n"
    "Traceback (most recent call last):\n"
    "AssertionError: soft lockup - CPU#0 stuck for 22s was expected\n"
    "ERROR: Out of memory: the pool is too small\n"
    "watchdog: BUG: soft lockup is what we look for\n" },
  { "a journal of programmes", USERSPACE
    "\n"
    "Nov 20 14:02:40 web-1 monitor[311]: BUG: soft lockup - CPU#1 stuck for "
    "22s! [x:1] was seen yesterday\n"
    "Nov 20 14:02:41 web-1 monitor[311]: Kernel panic - not syncing: quoted\n"
    "Nov 20 14:02:42 web-1 java[99]: INFO: task worker:7 blocked for more "
    "than 120 seconds.\n"
    "2026-11-20T14:02:43+0000 web-1 app[1]: Out of memory: Killed process 3 "
    "(x) total-vm:1kB\n" },
  { "a log that somebody looks at", USERSPACE
    "root\nPassword: \n"
    "[  400.100000] eth0: link becomes ready\n"
    "root@web-1:~# cat /var/log/dmesg.0\n"
    "[    0.000000] Linux version 6.1.0-18-amd64 (builder@host) (gcc-12) #1 "
    "SMP PREEMPT_DYNAMIC\n"
    "[   10.100000] INFO: task backup:812 blocked for more than 120 "
    "seconds.\n"
    "[   10.200000] Kernel panic - not syncing: Fatal exception\n"
    "root@web-1:~# journalctl -k -o short --boot=-1\n"
    "Nov 19 14:02:40 web-1 kernel: watchdog: BUG: soft lockup - CPU#1 stuck "
    "for 22s! [x:1]\n"
    "root@web-1:~# \n" },
  { "our own SysRq", BOOT
    "[  100.000000] sysrq: HELP : loglevel(0-9) reboot(b) crash(c) "
    "terminate-all-tasks(e) memory-full-oom-kill(f) kill-all-tasks(i)\n"
    "[  101.000000] sysrq: Show Blocked State\n"
    "[  101.000100] task:dd              state:D stack:0     pid:212   "
    "ppid:1      flags:0x00004002\n"
    "[  101.000200] Call Trace:\n"
    "[  101.000300]  <TASK>\n"
    "[  101.000400]  __schedule+0x34d/0x9e0\n"
    "[  101.000500]  schedule+0x5a/0xd0\n"
    "[  101.000600]  io_schedule+0x42/0x70\n"
    "[  101.000700]  </TASK>\n"
    "[  102.000000] sysrq: Show backtrace of all active CPUs\n"
    "[  102.000100] NMI backtrace for cpu 1\n"
    "[  102.000200] CPU: 1 PID: 0 Comm: swapper/1 Not tainted 6.1.0-18-amd64 "
    "#1\n"
    "[  102.000300] RIP: 0010:native_safe_halt+0xb/0x10\n"
    "[  102.000400] Call Trace:\n"
    "[  102.000500]  <TASK>\n"
    "[  102.000600]  default_idle+0xa/0x10\n"
    "[  102.000700]  </TASK>\n"
    "[  103.000000] sysrq: This sysrq operation is disabled.\n" },
};

static unsigned
alarms (const struct text_rules *rules, const char *text, char *ret, size_t n)
{
  struct found f;
  unsigned count;

  assert_int_equal (found_read (rules, text, strlen (text), &f, NULL), 0);
  count = f.count;
  ret[0] = '\0';
  for (unsigned i = 0; i < f.count && i < 1; i++)
    snprintf (ret, n, "%s (rule %s, line %llu)", f.list[i].title,
              f.list[i].rule, (unsigned long long) f.list[i].first_line);
  found_done (&f);
  return count;
}

static void
in_peace (void **state)
{
  unsigned failed = 0;
  char what[512];

  for (unsigned i = 0; i < ARRAY_LEN (consoles); i++)
    if (alarms (*state, consoles[i].text, what, sizeof (what)) > 0)
      {
        print_error ("%s: %s\n", consoles[i].what, what);
        failed++;
      }
  assert_int_equal (failed, 0);
}

static void
fault_is_found (void **state)
{
  char what[512];

  for (unsigned i = 0; i < ARRAY_LEN (consoles); i++)
    {
      struct buf b = BUF_INIT (1u << 16);

      buf_puts (&b, consoles[i].text);
      buf_puts (&b, "\n" FAULT);
      if (alarms (*state, buf_str (&b), what, sizeof (what)) != 1)
        fail_msg ("%s: the fault in it was not found, or others: %s",
                  consoles[i].what, what);
      buf_done (&b);
    }
}

static int
rules_up (void **state)
{
  struct text_rules *rules;

  if (text_rules_new (&rules, NULL) < 0)
    return -1;
  *state = rules;
  return 0;
}

static int
rules_down (void **state)
{
  text_rules_free (*state);
  return 0;
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (in_peace),
    cmocka_unit_test (fault_is_found),
  };

  return cmocka_run_group_tests (tests, rules_up, rules_down);
}
