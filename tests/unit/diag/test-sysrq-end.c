/* SPDX-License-Identifier: Apache-2.0
 *
 * How answers to SysRq end: what kernels print last, consoles that are slow,
 * and dumps that take longer than there is time.  The kernel is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sysrq-bed.h"

#include "base/cleanup.h"
#include "diag/collect/sysrq_impl.h"

#define LINE "---------------------------------\r\n"
#define CPU(n) "[ 1.1] NMI backtrace for cpu " n
#define ASKED(list) "[ 1.2] Sending NMI from CPU 1 to CPUs " list ":\r\n"
#define STACK "[ 1.1]  do_idle+0x1/0x2\r\n[ 1.1]  </TASK>\r\n"
#define L "[ 1.0] sysrq: Show backtrace of all active CPUs\r\n"
#define Q                                                                     \
  "[ 1.0] sysrq: Show clockevent devices\r\n[ 1.0] cpu: 0\r\n"                \
  "[ 1.0]   .nr_retries     : 6\r\n[ 1.0][   C1] cpu: 1\r\n"                  \
  "[ 1.0] Tick Device: mode:     1\r\n[ 1.0]  retries:        0\r\n"          \
  "[ 1.0] Per CPU device: 0\r\n[ 1.0]  retries:        3\r\n"
#define R "[  9.5] sysrq: Replay kernel logs on consoles\r\n"

/* Each as kernels of 5.10, 6.1 and 6.12 say it, and the same cut short. */
static void
test_ends (void **state)
{
  static const struct
  {
    char key;
    enum sysrq_end end;
    const char *text;
  } cases[] = {
    { 'w', SYSRQ_END_NONE, "sysrq: Show Blocked State\r\n" STACK },
    { 't', SYSRQ_END_MISSING, "sysrq: Show State\r\n" STACK },
    { 't', SYSRQ_END_SEEN,
      "sysrq: Show State\r\n[ 1.0] Showing busy workqueues and worker "
      "pools:\r\n[ 1.0] workqueue events: flags=0x0\r\n" },
    { 't', SYSRQ_END_NONE, "sysrq: Show State\r\n" }, /* quiet */
    { 'm', SYSRQ_END_MISSING, "sysrq: Show Memory\r\n0 pages RAM\r\n" },
    { 'm', SYSRQ_END_SEEN,
      "sysrq: Show Memory\r\n9 pages reserved\r\n0 pages hwpoisoned\r\n" },
    /* One CPU alone asks nobody else. */
    { 'l', SYSRQ_END_NONE, L CPU ("0") "\r\n" STACK },
    { 'l', SYSRQ_END_CPUS, L CPU ("1") "\r\n" STACK ASKED ("0") },
    { 'l', SYSRQ_END_SEEN,
      L CPU ("1") "\r\n" STACK ASKED ("0") CPU ("0")
      " skipped: idling at native_safe_halt+0xb/0x10\r\n" },
    { 'l', SYSRQ_END_NONE,
      L CPU ("1") "\r\n" STACK ASKED ("0") CPU ("0") "\r\n[ 1.1]  a+0/1\r\n" },
    { 'l', SYSRQ_END_CPUS,
      L CPU ("1") "\r\n" STACK ASKED ("0,2-3") CPU ("0") "\r\n" STACK CPU (
          "3") "\r\n" STACK },
    { 'l', SYSRQ_END_SEEN,
      L CPU ("1") "\r\n" STACK ASKED ("0,2-3") CPU ("0") "\r\n" STACK CPU (
          "3") "\r\n" STACK CPU ("2") "\r\n" STACK
      "[ 1.1] INFO: NMI handler (x) took too long to run: 1.0 msecs\r\n" },
    { 'l', SYSRQ_END_NONE, L ASKED ("9-1") "x\r\n" },
    { 'l', SYSRQ_END_NONE, L ASKED ("0-99999999999999") "x\r\n" },
    { 'q', SYSRQ_END_MISSING, Q },
    { 'q', SYSRQ_END_MISSING, Q "[ 1.0] Per CPU device: 1\r\n" },
    { 'q', SYSRQ_END_SEEN,
      Q "[ 1.0] Per CPU device: 1\r\n[ 1.0]  retries:        1\r\n"
        "[ 1.0] Wakeup Device: <NULL>\r\n" },
    { 'z', SYSRQ_END_SEEN,
      "sysrq: Dump ftrace buffer\r\n   (ftrace buffer empty)\r\n" },
    { 'z', SYSRQ_END_MISSING,
      "sysrq: Dump ftrace buffer\r\nDumping ftrace buffer:\r\n" LINE "x\r\n" },
    { 'z', SYSRQ_END_SEEN,
      "sysrq: Dump ftrace buffer\r\n" LINE "x\r\n" LINE },
    { 'p', SYSRQ_END_NONE, "sysrq: Show Regs\r\n a+0/1\r\n" },
    { 'p', SYSRQ_END_SEEN, "sysrq: Show Regs\r\n" STACK },
    { 'p', SYSRQ_END_SEEN,
      "sysrq: Show Regs\r\nCPU#1:   gen-PMC3 left:  00\r\n" },
    { 'd', SYSRQ_END_MISSING,
      "sysrq: Show Locks Held\r\n\r\nShowing all locks held in the system:\n" },
    { 'd', SYSRQ_END_SEEN,
      "sysrq: Show Locks Held\r\n1 lock held by a/1:\r\n\r\n"
      "=============================================\r\n\r\n" },
    { 'd', SYSRQ_END_SEEN,
      "sysrq: Show Locks Held\r\nINFO: lockdep is turned off.\r\n" },
    { 'R', SYSRQ_END_MISSING, R "[  0.0] Linux version\r\n" },
    { 'R', SYSRQ_END_MISSING,
      R "[  3.5] sysrq: Replay kernel logs on consoles\r\nx\r\n" },
    { 'R', SYSRQ_END_SEEN, R "[  0.0] Linux version\r\n" R },
    { '4', SYSRQ_END_SEEN, "sysrq: Changing Loglevel\r\n" },
    { '4', SYSRQ_END_WHOLE,
      "sysrq: Changing Loglevel\r\nsysrq: Loglevel set to 4\r\n" },
  };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      enum sysrq_end end = sysrq_end_of (cases[i].key, cases[i].text,
                                         strlen (cases[i].text));

      if (end != cases[i].end)
        fail_msg ("%zu: %c: %d", i, cases[i].key, end);
    }
}

/* A task's lines, n of them. */
static const char *
lines (struct buf *out, unsigned n, const char *last)
{
  buf_clear (out);
  for (unsigned i = 0; i < n; i++)
    buf_printf (out, "[ 1.0] task:t%-13u state:S stack:0 pid:%u\r\n", i, i);
  buf_puts (out, last);
  return buf_str (out);
}

/* So many that they take a little more than 15 s, and 17 s. */
#define LATE 248
#define LATER 290
#define BUSY "[ 1.0] Showing busy workqueues and worker pools:\r\n"

/* 12 s on a slow console: all of it, and none of it is the guest's own. */
static void
test_slow (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  uint64_t begun = now_ms;
  struct haul *h;

  g.inc.pid = 77;
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .chunk = 48, .chunk_gap = 50 };
  k.body = lines (&text, 185, BUSY);
  h = ask (&g, "{\"keys\":\"t\"}", 0);
  assert_in_range (k.last_ms - begun, 11500, 15000);
  assert_int_equal (int_of (h, "sysrq.t.lines"), 187);
  assert_int_equal (k.strange, 0);
  assert_string_equal (buf_str (&h->gaps), "");
  /* It ends soon after, and what comes then is the guest's. */
  assert_in_range (now_ms - k.last_ms, 0, 300);
  assert_in_range (k.ours_until, k.last_ms, now_ms);
  haul_free (h);
}

/* A printer that pauses: its end is what says that it is over. */
static void
test_pauses (void **state)
{
  static const char l[] = CPU ("1") "\r\n" STACK ASKED ("0");
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  g.inc.pid = 77;
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .chunk = sizeof l + 14, .chunk_gap = 9000 };
  k.body = CPU ("1") "\r\n" STACK ASKED ("0") CPU ("0") " skipped: idling\r\n";
  h = ask (&g, "{\"keys\":\"l\"}", 0);
  assert_non_null (strstr (file_of (h, "sysrq/l.txt"), "skipped"));
  assert_int_equal (k.strange, 0);
  assert_string_equal (buf_str (&h->gaps), "");
  haul_free (h);

  /* One that never comes is a gap; where it may be hidden it is none. */
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .body = l };
  h = ask (&g, "{\"keys\":\"l\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps),
                           "sysrq/l.txt: not all of its CPUs answered"));
  haul_free (h);
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .body = "x\r\n" };
  h = ask (&g, "{\"keys\":\"m\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps), "at its end is missing"));
  haul_free (h);
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .body = "x\r\n", .blind = true };
  h = ask (&g, "{\"keys\":\"m\"}", 0);
  assert_string_equal (buf_str (&h->gaps),
                       "sysrq: the loglevel of the guest's consoles was not "
                       "raised, and may hide all but the headers: it is not "
                       "known what to put back\n");
  haul_free (h);
}

/* Longer than there is time: said, still ours, and its loglevel is put back
 * behind it. */
static void
test_too_slow (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  g.inc.pid = 77;
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 4, .mask = 1,
                       .chunk = 48, .chunk_gap = 50, .in_turn = true };
  k.body = lines (&text, LATE, BUSY);
  h = ask (&g, "{\"keys\":\"t\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps), "sysrq/t.txt: cut after 1"));
  assert_int_equal (k.strange + k.into, 0);
  assert_int_equal (k.level, 4);
  assert_int_equal (k.undones, 1);
  assert_string_equal (buf_str (&typed), "h9t4");
  haul_free (h);
  /* Sent before its end it is taken behind it. */
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 4, .mask = 1,
                       .chunk = 48, .chunk_gap = 50, .in_turn = true };
  k.body = lines (&text, LATER, BUSY);
  h = ask (&g, "{\"keys\":\"t\"}", 0);
  assert_int_equal (k.strange, 0);
  assert_int_equal (k.into, 1);
  assert_int_equal (k.level, 4);
  assert_int_equal (k.undones, 1);
  haul_free (h);

  /* The next key has all the time until then. */
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .chunk = 48, .chunk_gap = 50, .in_turn = true };
  k.body = lines (&text, 200, BUSY);
  h = ask (&g, "{\"keys\":\"wlmpz\"}", 0);
  assert_string_equal (text_of (h, "sysrq.l.answer"), "shown");
  haul_free (h);

  /* One that goes on after us is still what we asked for. */
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = 7, .mask = 1,
                       .chunk = 48, .chunk_gap = 50, .in_turn = true };
  k.body = lines (&text, 900, BUSY);
  h = ask (&g, "{\"keys\":\"t\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps), "sysrq/t.txt: cut after"));
  assert_in_range (k.ours_until, now_ms + 10000, now_ms + 20000);
  haul_free (h);

  /* And one that never ends leaves time for the others. */
  k = (struct kernel){ .takes = 'b', .answer = W61, .level = 7, .mask = 1,
                       .endless = true, .chunk_gap = 10 };
  h = ask (&g, "{\"keys\":\"wlm\"}", 0);
  assert_string_equal (text_of (h, "sysrq.m.answer"), "shown");
  assert_string_equal (buf_str (&typed), "wlm");
  haul_free (h);
}

/* More than is kept: its end is waited for all the same. */
static void
test_too_much (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (4u << 20);
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .chunk_gap = 5 };
  lines (&text, 30000, BUSY);
  memcpy (text.data, "sysrq: Show\r\n", 13);
  k.answer = buf_str (&text);
  h = ask (&g, "{\"keys\":\"t\"}", 0);
  assert_null (k.pending);
  assert_in_range (now_ms - k.last_ms, 0, 3000);
  assert_non_null (strstr (buf_str (&h->gaps), "cut after its first 102"));
  assert_int_equal (k.strange, 0);
  haul_free (h);
  buf_done (&typed);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ends),     cmocka_unit_test (test_slow),
    cmocka_unit_test (test_pauses),   cmocka_unit_test (test_too_slow),
    cmocka_unit_test (test_too_much),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
