/* SPDX-License-Identifier: Apache-2.0
 *
 * Collectors of the ways to a guest: net, console.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "collect-played.h"

/* ---- net ---- */

/* Asks where scenarios ask: who answers is known of one of them. */
static void
test_net_hints (void **state)
{
  static const struct
  {
    const char *hints, *failed, *address, *expect;
  } cases[] = {
    { "[{'scenario':'a','address':'192.0.2.1:1'}]", "", "192.0.2.1:1" },
    { "[{'scenario':'a','address':'192.0.2.1:1','send':'x'},"
      "{'scenario':'b','address':'192.0.2.1:2','expect':'SSH'}]",
      "a", "192.0.2.1:2", "SSH" },
    { "[{'scenario':'a','address':'192.0.2.1:1'},"
      "{'scenario':'b','address':'192.0.2.1:2'}]",
      "b", "192.0.2.1:2" },
    { "[{'scenario':'a','address':'192.0.2.1:1','expect':'SSH'},"
      "{'scenario':'b','address':'192.0.2.1:2','expect':'SSH'}]",
      "b", "192.0.2.1:2", "SSH" },
  };
  struct guest g = guest ();

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      CLEANUP_JSON struct json_object *hints = json_object_new_object ();
      struct haul *h;

      json_object_object_add (hints, "addresses",
                              json_tokener_parse (cases[i].hints));
      memset (&play, 0, sizeof play);
      play.tcp_text = "SSH";
      hinted = hints;
      failed = cases[i].failed;
      h = get (&collect_net, &g, NULL, 0);
      hinted = NULL;
      failed = NULL;
      assert_string_equal (play.tcp_address, cases[i].address);
      assert_string_equal (play.tcp_expect,
                           cases[i].expect ? cases[i].expect : "");
      haul_free (h);
      /* What the step says counts more. */
      h = get (&collect_net, &g, "{\"address\":\"192.0.2.3:3\"}", 0);
      assert_string_equal (play.tcp_address, "192.0.2.3:3");
      haul_free (h);
    }
}

static void
test_net (void **state)
{
  static const struct
  {
    const char *params;
    int rc;
    const char *answer;
    bool mute;
  } cases[] = {
    { "{\"address\":\"192.0.2.1:22\"}", 0, "open" },
    { "{\"address\":\"192.0.2.1:22\"}", -ECONNREFUSED, "refused" },
    { "{\"address\":\"192.0.2.1:22\"}", -ETIMEDOUT, "timeout" },
    { "{\"address\":\"192.0.2.1:22\"}", -EHOSTUNREACH, "unreachable" },
    { "{\"address\":\"192.0.2.1:22\"}", -ENOMSG, "mismatch" },
    { "{\"address\":\"192.0.2.1:22\"}", -ENOMSG, "reset", true },
    { "{\"address\":\"127.0.0.1:2222\"}", -ENOMSG, "forwarded", true },
    { "{\"address\":\"192.0.2.1:22\"}", -ECONNRESET, "reset" },
    /* A forwarder takes what the guest never sees. */
    { "{\"address\":\"127.0.0.1:2222\"}", 0, "forwarded" },
    { "{\"address\":\"[::1]:2222\"}", 0, "forwarded" },
    { "{\"address\":\"127.0.0.1:2222\"}", -ECONNREFUSED, "no-forwarder" },
    { "{\"address\":\"127.0.0.1:2222\",\"expect\":\"SSH\"}", 0, "open" },
    { "{\"address\":\"127.0.0.1:2222\",\"expect\":\"SSH\"}", -ETIMEDOUT,
      "timeout" },
  };
  struct guest g = guest ();
  struct haul *h;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      memset (&play, 0, sizeof play);
      play.tcp_rc = cases[i].rc;
      play.tcp_text = cases[i].mute ? "" : "SSH\033";
      h = get (&collect_net, &g, cases[i].params, 0);
      assert_string_equal (text_of (h, "net.answer"), cases[i].answer);
      assert_non_null (strstr (buf_str (&h->impact), "connected to"));
      assert_null (strchr (file_of (h, "net/net.json"), '\033'));
      haul_free (h);
    }
  /* Our own trouble is a gap, and no fact. */
  play.tcp_rc = -EMFILE;
  h = get (&collect_net, &g, cases[0].params, 0);
  assert_string_equal (text_of (h, "net.answer"), "(none)");
  assert_non_null (strstr (buf_str (&h->gaps), "net/answer: no connection"));
  haul_free (h);
  /* Nobody knows the address; then its own; its tap is lo here. */
  h = get (&collect_net, &g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "address is not known"));
  assert_non_null (strstr (buf_str (&h->gaps), "no network interface"));
  haul_free (h);
  play.tcp_rc = 0;
  g.nnics = 3;
  snprintf (g.nics[0].ifname, sizeof g.nics[0].ifname, "../../proc");
  snprintf (g.nics[1].ifname, sizeof g.nics[1].ifname, "lo");
  snprintf (g.nics[2].ip, sizeof g.nics[2].ip, "::1");
  snprintf (g.nics[0].lease, sizeof g.nics[0].lease, "192.0.2.6");
  snprintf (g.nics[2].lease, sizeof g.nics[2].lease, "192.0.2.7");
  g.nics[2].lease_until_s = clock_wall_ms () / 1000 - 100;
  g.nics[2].lease_gone = true;
  h = get (&collect_net, &g, NULL, 0);
  assert_string_equal (text_of (h, "net.lease"), "ran-out");
  assert_in_range (-int_of (h, "net.lease_left_s"), 100, 200);
  assert_non_null (strstr (file_of (h, "net/net.json"), "192.0.2.7"));
  assert_string_equal (play.tcp_address, "[::1]:22");
  assert_string_equal (text_of (h, "net.answer"), "forwarded");
  assert_true (int_of (h, "net.guest_sent") >= 0);
  assert_int_equal (int_of (h, "net.not_taken"), 0);
  assert_non_null (strstr (file_of (h, "net/net.json"), "rx_packets"));
  assert_non_null (strstr (buf_str (&h->gaps), "2 of its 3 interfaces"));
  haul_free (h);
  /* Somewhere behind a router, where anybody may answer: not asked. */
  play.tcp_address[0] = '\0';
  snprintf (g.nics[2].ip, sizeof g.nics[2].ip, "203.0.113.77");
  g.nics[2].lease_until_s = LEASE_FOR_EVER;
  h = get (&collect_net, &g, NULL, 0);
  assert_string_equal (text_of (h, "net.lease"), "gone");
  assert_string_equal (play.tcp_address, "");
  assert_non_null (strstr (buf_str (&h->gaps), "not in a network of this"));
  haul_free (h);
}

/* ---- console ---- */

/* What there was no time for has that for its reason. */
static void
test_console_without_time (void **state)
{
  struct guest g = guest ();
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };

  g.nconsoles = 2;
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  g.consoles[0].mode = CONSOLE_PROBE;
  assert_int_equal (collect_console.run (&ctx, NULL), 0);
  assert_non_null (strstr (buf_str (&h->gaps), "ended before serial0"));
  assert_non_null (strstr (buf_str (&h->gaps), "the platform's log: "));
  haul_free (h);
}

static void
test_console (void **state)
{
  static const char text[]
      = "Kernel panic - not syncing: of the boot before\n"
        "[    0.000000] Linux version 6.1\r\n"
        "[   98.7] Memory cgroup out of memory: Killed process 7 (ant)\n"
        "[   98.8] app[7]: we were blocked for more than 3 seconds\n"
        "[   98.9] Buffer I/O error on dev sr0, logical block 0\n"
        "[   99.1] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [ant:7]"
        "\033[2J\r\nlogin: \x00\xff";
  struct guest g = guest ();
  char row[120];
  struct haul *h;

  memset (&play, 0, sizeof play);
  haul_free (get (&collect_console, &g, NULL, -ENOENT));
  g.nconsoles = 2;
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  snprintf (g.consoles[1].name, sizeof g.consoles[1].name, "shim/cons");
  play.kept = text;
  play.kept_len = sizeof text - 1;
  play.lost = 17;
  play.state = CONSOLE_TALKING;
  play.last_ms = now_ms - 4000;
  h = get (&collect_console, &g, NULL, 0);
  assert_string_equal (text_of (h, "console.state"), "talking");
  assert_int_equal (int_of (h, "console.silent_ms"), 4000);
  assert_int_equal (int_of (h, "console.kept"), sizeof text - 1);
  assert_string_equal (text_of (h, "kernel.event.soft_lockup"),
                       "BUG: soft lockup: ant");
  assert_non_null (strstr (text_of (h, "kernel.event.oom_kill_cgroup"), "ant"));
  /* Words are no marks, nor are remarks. */
  assert_string_equal (text_of (h, "kernel.event.hung_task"), "(none)");
  assert_string_equal (text_of (h, "kernel.event.io_error"), "(none)");
  /* Before the last boot is another life. */
  assert_string_equal (text_of (h, "kernel.event.panic"), "(none)");
  assert_memory_equal (file_of (h, "console/tail.raw"), text, sizeof text - 1);
  assert_non_null (strstr (file_of (h, "console/tail.log"), "\\e[2J\n"));
  assert_non_null (strstr (file_of (h, "console/tail.log"), "\\x00\\xff"));
  assert_non_null (strstr (buf_str (&h->gaps), "17 older bytes"));
  snprintf (row, sizeof row, "{\"offset\":50,\"line\":2,\"mono_ms\":%llu,",
            (unsigned long long) now_ms - 4000);
  assert_non_null (strstr (file_of (h, "console/index.jsonl"), row));
  assert_non_null (strstr (file_of (h, "console/index.jsonl"),
                           "\"line\":1,\"last_line\":1,\"typed_by\""));
  assert_non_null (strstr (file_of (h, "console/index.jsonl"),
                           "\"line\":2,\"last_line\":7,\"typed_by\""));
  assert_string_not_equal (file_of (h, "console/shim_cons-tail.raw"),
                           "(none)");
  haul_free (h);

  /* Broken by us is told apart from broken by itself. */
  play.state = CONSOLE_BROKEN;
  play.detail = "the other end is a folder";
  h = get (&collect_console, &g, NULL, 0);
  assert_string_equal (text_of (h, "console.state"), "broken");
  assert_string_equal (text_of (h, "console.refused"), "(none)");
  haul_free (h);
  play.code = -EPERM;
  play.detail = "/x is not among the folders of the configuration";
  h = get (&collect_console, &g, NULL, 0);
  assert_string_equal (text_of (h, "console.refused"), play.detail);
  haul_free (h);

  play.tap_rc = -ENOENT;
  h = get (&collect_console, &g, NULL, 0);
  assert_int_equal (h->nfacts, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "serial0: no such console"));
  haul_free (h);
}

/* Of a kind the first is told last: it counts where nobody asks when it was. */
static void
test_marks_have_their_time (void **state)
{
  static const char text[]
      = "[    0.000000] Linux version 6.1\r\n"
        "[   99.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! "
        "[ant:7]\r\n"
        "[ 7300.100000] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! "
        "[bee:8]\r\n"
        "[ 7310.500000] Kernel panic - not syncing: softlockup: hung tasks\r\n";
  struct guest g = guest ();
  const struct fact *f;
  struct haul *h;

  memset (&play, 0, sizeof play);
  g.nconsoles = 1;
  snprintf (g.consoles[0].name, sizeof g.consoles[0].name, "serial0");
  play.kept = text;
  play.kept_len = sizeof text - 1;
  h = get (&collect_console, &g, NULL, 0);
  f = fact_of (h, "kernel.event.soft_lockup");
  assert_int_equal (f->kernel_us, 99100000);
  assert_string_equal (f->text, "BUG: soft lockup: ant");
  assert_string_equal (f[-1].name, "kernel.event.soft_lockup");
  assert_int_equal (f[-1].kernel_us, 7300100000);
  assert_non_null (strstr (f[-1].text, "BUG: soft lockup"));
  f = fact_of (h, "kernel.event.panic");
  assert_int_equal (f->kernel_us, 7310500000);
  assert_string_not_equal (f[-1].name, "kernel.event.panic");
  haul_free (h);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_net_hints),
    cmocka_unit_test (test_net),
    cmocka_unit_test (test_console_without_time),
    cmocka_unit_test (test_console),
    cmocka_unit_test (test_marks_have_their_time),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
