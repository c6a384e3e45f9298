/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands before a message, in every form and order, and messages that
 * look like it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernel/text/prefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In memory of exactly its size, so that looking beyond is seen. */
static void
describe (const char *text, char *ret, size_t size)
{
  struct text_line line = { .len = strlen (text) };
  char *copy = malloc (line.len > 0 ? line.len : 1);
  struct text_msg m;
  int n;

  assert_non_null (copy);
  memcpy (copy, text, line.len);
  line.text = copy;
  prefix_strip (&line, &m);
  assert_true (m.line == &line);
  assert_true (m.text >= copy && m.text + m.len == copy + line.len);
  n = snprintf (ret, size, "%c", "?KU"[m.from]);
  if (m.level >= 0)
    n += snprintf (ret + n, size - (size_t) n, " <%d>", m.level);
  if (m.stamped)
    n += snprintf (ret + n, size - (size_t) n, " %llu",
                   (unsigned long long) m.stamp_us);
  if (m.caller != CALLER_NONE)
    n += snprintf (ret + n, size - (size_t) n, " %c%u", " TC"[m.caller],
                   m.caller_id);
  if (m.ident)
    n += snprintf (ret + n, size - (size_t) n, " %.*s/%u", (int) m.ident_len,
                   m.ident, m.pid);
  snprintf (ret + n, size - (size_t) n, "|%.*s", (int) m.len, m.text);
  free (copy);
}

static const struct
{
  const char *text, *want;
} cases[] = {
  /* The kernel's own. */
  { "[    1.234567] usb 1-1: new", "K 1234567|usb 1-1: new" },
  /* Its first bytes were lost. */
  { "07819.286867] BUG: x", "K|BUG: x" },
  { "7.286867] [  T9] x", "K T9|x" },
  { "07819.28] BUG: x", "?|07819.28] BUG: x" },
  { "07819.286867 BUG: x", "?|07819.286867 BUG: x" },
  /* Indented by who quotes it. */
  { "    [Thu Jan  1 00:00:05 1970] BUG: x", "K|BUG: x" },
  { "  [2026/01/02, 03:04:05.678] BUG: x", "?|BUG: x" },
  { "[2026/01/02, 03:04:05.678] BUG: x", "?|BUG: x" },
  { "[2026-01-02, 03:04:05] BUG: x", "?|BUG: x" },
  /* netconsole's records in a log. */
  { "Jan  2 03:04:05 edge 3,88,5140900,-,caller=C2;BUG: x",
    "K <3> 5140900 C2|BUG: x" },
  { "2026-01-02T03:04:05Z edge 3,88,5140900,-;BUG: x",
    "K <3> 5140900|BUG: x" },
  { "Jan  2 03:04:05 edge 3,88,514: x", "U 3,88,514/0|x" },
  { "[1.234567] usb", "K 1234567|usb" },
  { "[ 1234.5] usb", "K 1234500000|usb" },
  { "[12345.678901234] x", "K 12345678901|x" },
  { "[    0.000000]", "K 0|" },
  { "[    0.000000] ", "K 0|" },
  { "[    1.000000][    T1] x", "K 1000000 T1|x" },
  { "[    1.000000][   C3]  ? f+0x1/0x2", "K 1000000 C3| ? f+0x1/0x2" },
  { "[    1.000000] [T12345] x", "K 1000000 T12345|x" },
  { "[    T1] Linux version 6.1", "K T1|Linux version 6.1" },
  { "<6>[    1.000000] x", "K <6> 1000000|x" },
  { "<4>x", "K <4>|x" },
  { "<0> x", "K <0>|x" },
  { "<3>[    1.000000][ C0] x", "K <3> 1000000 C0|x" },
  { "[    1.000000,0] x", "K 1000000|x" },
  { "[    1.000000@2] x", "K 1000000|x" },
  { "[    1.000000]  [<ffffffff81000000>] f", "K 1000000| [<ffffffff81000000>] f" },
  { "6,339,5140900,-;NET: x", "K <6> 5140900|NET: x" },
  { "4,1,7,-,caller=T12;x", "K <4> 7 T12|x" },
  { "30,2,8,-;systemd: x", "? <6> 8|systemd: x" },
  { "kern  :warn  : [    1.000000] x", "K <4> 1000000|x" },
  { "daemon:info  : x", "? <6>|x" },
  /* journald's short-delta, its first line and the others; short-full says
   * the zone by whatever name it has. */
  { "[    1.000000                ] lab kernel: x", "K 1000000|x" },
  { "[    1.000000 <    0.000001 >] lab kernel: x", "K 1000000|x" },
  { "Fri 2026-11-20 15:50:00 AEST lab kernel: x", "K|x" },
  { "Fri 2026-11-20 15:50:00 -03 lab kernel: x", "K|x" },
  { "Fri 2026-11-20 15:50:00 +0530 lab sshd[7]: x", "U sshd/7|x" },
  { "Fri 2026-11-20 15:50:00 BUG: x", "?|BUG: x" },
  /* Names of days and months in the words of who read the journal. */
  { "M\xc3\xa4r 03 15:50:00 lab kernel: x", "K|x" },
  { "M\xc3\xa4r  3 15:50:00 lab kernel: x", "K|x" },
  { "nov. 20 15:50:00 lab sshd[7]: x", "U sshd/7|x" },
  { "f\xc3\xa9vr. 03 15:50:00.123456 lab kernel: x", "K|x" },
  { "ene 03 15:50:00 lab kernel: x", "K|x" },
  { "11\xe6\x9c\x88 20 15:50:00 lab kernel: x", "K|x" },
  { "\xd0\xbd\xd0\xbe\xd1\x8f 20 15:50:00 lab kernel: x", "K|x" },
  { "Fr 2026-11-20 15:50:00 CET lab kernel: x", "K|x" },
  { "ven. 2026-11-20 15:50:00 CET lab kernel: x", "K|x" },
  { "[Fr Nov 20 15:50:00 2026] BUG: x", "K|BUG: x" },
  { "[ven. f\xc3\xa9vr.  3 15:50:00 2026] BUG: x", "K|BUG: x" },
  { "slept 10 15:50", "?|slept 10 15:50" },
  { "\xe2\x94\x80 10 x", "?|\xe2\x94\x80 10 x" },
  { "10 20 15:50:00 lab kernel: x", "?|10 20 15:50:00 lab kernel: x" },
  /* RFC 5424. */
  { "<3>1 2026-11-20T15:50:00.123Z lab kernel - - - [    1.000000] x",
    "K <3> 1000000|x" },
  { "<3>1 2026-11-20T15:50:00.123+01:00 lab kernel - - - \xef\xbb\xbfx",
    "K <3>|x" },
  { "<30>1 2026-11-20T15:50:00Z lab sshd 7 ID3 [a@1 b=\"]\\\"\"][c] BUG: x",
    "U <6> sshd/7|BUG: x" },
  { "<30>1 - - app - - - x", "U <6> app/0|x" },
  { "1 - - app - - - x", "?|1 - - app - - - x" },
  { "<3>1 2026-11-20T15:50:00Z lab kernel - - [a x",
    "K <3>|1 2026-11-20T15:50:00Z lab kernel - - [a x" },
  /* Seconds of a wall clock are no kernel's. */
  { "[1795189800.123456] WARNING: x", "?|WARNING: x" },
  { "[1795189800.123456] [    1.000000] x", "K 1000000|x" },
  { "app: [1795189800.123456] x", "?|app: [1795189800.123456] x" },
  { "[999999999.123456] x", "K 999999999123456|x" },
  /* Around it. */
  { "** 12 printk messages dropped ** [    1.000000]  f", "K 1000000| f" },
  { "** 12 printk messages dropped **", "K|** 12 printk messages dropped **" },
  { "lab login: [    1.000000] x", "K 1000000|x" },
  { "lab login: lab login: [    1.000000][ T9] x", "K 1000000 T9|x" },
  { "(none) login: <3>x", "K <3>|x" },
  { "login: <3>x", "K <3>|x" },
  { "lab login: BUG: soft lockup", "?|BUG: soft lockup" },
  { "lab login: root", "?|lab login: root" },
  { "~ # [   12.000000] x", "K 12000000|x" },
  { "Starting daemon: [d][   12.000000] x", "K 12000000|x" },
  { "web_1  | [   12.000000][   T1] x", "K 12000000 T1|x" },
  { "[ 0.5] a [   12.000000] b", "K 500000|a [   12.000000] b" },
  { "[2024-03-01 10:00:00] [    1.000000] x", "K 1000000|x" },
  { "[2024-03-01 10:00:00.123]  [    1.000000] x", "K 1000000|x" },
  { "[10:00:00] [    1.000000] x", "K 1000000|x" },
  { "[Fri Mar  1 10:00:00 2024] x y", "K|x y" },
  { "[Mar 1 10:00] x", "K|x" },
  { "[  +0.000012] x", "K|x" },
  { "[    1.000000 <    0.000100>] x", "K 1000000|x" },
  { "[1.000000 0.000100] [    2.000000] x", "K 2000000|x" },
  { "2024-03-01T10:00:00.123456 [    1.000000] x", "K 1000000|x" },
  { "2024-03-01T10:00:00Z <6>[    1.000000] x", "K <6> 1000000|x" },
  { "10:00:00.123 [    1.000000] x", "K 1000000|x" },
  { "2024/03/01 10:00:00 [    1.000000] x", "K 1000000|x" },
  /* syslog, journald, logcat. */
  { "Mar  1 10:00:00 lab kernel: [    1.000000] x", "K 1000000|x" },
  { "Mar  1 10:00:00 lab kernel: BUG: x", "K|BUG: x" },
  { "Mar  1 10:00:00 kernel: BUG: x", "K|BUG: x" },
  { "Mar 11 10:00:00.123456 lab kernel: x", "K|x" },
  { "Mar  1 10:00:00 lab sshd[123]: INFO: x", "U sshd/123|INFO: x" },
  { "Mar  1 10:00:00 lab cron: x: y", "U cron/0|x: y" },
  { "Mar  1 10:00:00 lab kern.warn kernel: x", "K <4>|x" },
  { "Fri Mar  1 10:00:00 2024 kern.info kernel: [    1.000000] x",
    "K <6> 1000000|x" },
  { "Fri 2024-03-01 10:00:00 UTC lab kernel: x", "K|x" },
  { "Fri 2024-03-01 10:00:00 CEST lab systemd[1]: x", "U systemd/1|x" },
  { "2024-03-01T10:00:00+0100 lab kernel: x", "K|x" },
  { "2024-03-01T10:00:00.123456+01:00 lab a.b[7]: x", "U a.b/7|x" },
  /* dmesg --time-format=iso: a comma, and no host. */
  { "2024-03-01T10:00:00,123456+01:00 sysrq: Show State",
    "K|sysrq: Show State" },
  { "2024-03-01T10:00:00,123456+01:00 Mem-Info:", "K|Mem-Info:" },
  { "1709287200.123456 lab kernel: x", "K|x" },
  { "[   12.000000] lab kernel: x", "K 12000000|x" },
  { "[   12.000000] lab systemd[1]: x", "U 12000000 systemd/1|x" },
  { "[   12.000000] systemd[1]: Started x.", "U 12000000 systemd/1|Started x." },
  { "<30>systemd[1]: x", "U <6> systemd/1|x" },
  { "<14>Mar  1 10:00:00 lab app: x", "U <6> app/0|x" },
  { "dracut-initqueue[212]: Warning: x", "U dracut-initqueue/212|Warning: x" },
  { "kernel: x", "K|x" },
  { "kernel: [    1.000000][  T2] x", "K 1000000 T2|x" },
  { "03-01 10:00:00.123     0     5 W kernel  : x", "K <4>|x" },
  { "03-01 10:00:00.123   120   155 E Zygote: x", "U <3> Zygote/120|x" },
  /* Not one of them. */
  { "", "?|" },
  { "[", "?|[" },
  { "[  OK  ] Started x.", "?|[  OK  ] Started x." },
  { "[ INFO: possible circular ]", "?|[ INFO: possible circular ]" },
  { "[<ffffffff81000000>] f", "?|[<ffffffff81000000>] f" },
  { "[c00000007a3efa20] [c000] f", "?|[c00000007a3efa20] [c000] f" },
  { "[ 1234]     0  1234 sh", "?|[ 1234]     0  1234 sh" },
  { "[1.2.3] x", "?|[1.2.3] x" },
  { "[    1.2345678901] x", "?|[    1.2345678901] x" },
  { "<TASK>", "?|<TASK>" },
  { "<192>x", "?|<192>x" },
  { "** 12 tests ** ok", "?|** 12 tests ** ok" },
  { "*** stopped", "?|*** stopped" },
  { "kernel BUG at mm/slab.c:1!", "?|kernel BUG at mm/slab.c:1!" },
  { "BUG: unable to handle", "?|BUG: unable to handle" },
  { "2024/03/01 10:00:00 BUG: memory leak", "?|BUG: memory leak" },
  { "2024-03-01 10:00:00 OOM killed x", "?|OOM killed x" },
  { "10:00:00 up 3 days,  2:41", "?|10:00:00 up 3 days,  2:41" },
  { "Mar the first", "?|Mar the first" },
  { "Mar  1 10:00:00 WARNING: x", "?|WARNING: x" },
  { "Monday: x", "?|Monday: x" },
  { "init[1]: segfault at 0 ip 0 sp 0 error 4",
    "?|init[1]: segfault at 0 ip 0 sp 0 error 4" },
  { "[    1.000000] init[1]: segfault at 0",
    "K 1000000|init[1]: segfault at 0" },
  { "[    1.000000] init[1]: unhandled signal 11",
    "K 1000000|init[1]: unhandled signal 11" },
  { "[    1.000000] a b[2] c: d", "K 1000000|a b[2] c: d" },
  { "[    1.000000] 2024-03-01 10:00:00 x", "K 1000000|2024-03-01 10:00:00 x" },
  { "[    1.000000] lab login: x y", "K 1000000|lab login: x y" },
  { "a [1.000000] b", "?|a [1.000000] b" },
  { "a [   12.000000]b", "?|a [   12.000000]b" },
  { "x: [  OK  ] [ 1234567] y", "?|x: [  OK  ] [ 1234567] y" },
  { "1,2,3 go", "?|1,2,3 go" },
  { "3.14 is pi", "?|3.14 is pi" },
};

static void
test_cases (void **state)
{
  char got[300];
  int bad = 0;

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      describe (cases[i].text, got, sizeof got);
      if (strcmp (got, cases[i].want) == 0)
        continue;
      print_error ("%s\n  is   %s\n  not  %s\n", cases[i].text, got,
                   cases[i].want);
      bad++;
    }
  assert_int_equal (bad, 0);
}

/* At every length: nothing beyond the line is looked at. */
static void
test_cut_short (void **state)
{
  char text[300], got[400];

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (size_t n = strlen (cases[i].text); n-- > 0;)
      {
        snprintf (text, sizeof text, "%.*s", (int) n, cases[i].text);
        describe (text, got, sizeof got);
      }
}

/* Prefixes without end are no reason to go on without end. */
static void
test_many (void **state)
{
  static char text[8192];
  struct text_line line = { .text = text, .len = sizeof text };
  struct text_msg m;

  for (size_t i = 0; i < sizeof text; i += 16)
    memcpy (text + i, "[    1.000000] [", 16);
  prefix_strip (&line, &m);
  assert_true (m.stamped);
  memset (text, '[', sizeof text);
  prefix_strip (&line, &m);
  assert_int_equal (m.from, FROM_UNKNOWN);
  memset (text, ' ', sizeof text);
  prefix_strip (&line, &m);
  assert_int_equal (m.len, sizeof text);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_cases),
    cmocka_unit_test (test_cut_short),
    cmocka_unit_test (test_many),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
