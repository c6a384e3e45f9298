/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the kernel: the route for each console, the answers of several
 * kernels, and silence.  The kernel is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sysrq-bed.h"

static void
test_answers (void **state)
{
  static const struct
  {
    const char *text, *answer;
    int64_t lines, blocked;
  } cases[] = {
    { W61, "shown", 6, 1 },
    { "login: w\r\n[1.0] sysrq: SysRq : Show Blocked State\n", "shown", 1,
      -999 },
    { "SysRq : Show Blocked State\n  task PC stack\n", "shown", 2, 0 },
    { "[1.0] sysrq: This sysrq operation is disabled.\r\n", "disabled", 1,
      -999 },
    { "SysRq : HELP : loglevel(0-9) reboot(b)\n", "shown", 1, -999 },
    { "sysrq: Show without an end of the line", "none", -999, -999 },
    { "w\r\nlogin: ", "none", -999, -999 },
  };
  struct guest g = guest (CONSOLE_DEV_SERIAL);

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct haul *h;

      k = (struct kernel){ .takes = 'b', .answer = cases[i].text };
      h = ask (&g, NULL, 0);
      assert_string_equal (text_of (h, "kernel.answers"), cases[i].answer);
      assert_string_equal (text_of (h, "sysrq.w.answer"), cases[i].answer);
      assert_int_equal (int_of (h, "sysrq.w.lines"), cases[i].lines);
      assert_int_equal (int_of (h, "tasks.blocked"), cases[i].blocked);
      assert_int_equal (k.breaks, 1);
      assert_non_null (strstr (buf_str (&h->impact),
                               "sent SysRq w to console serial0 by break"));
      if (strcmp (cases[i].answer, "none") == 0)
        {
          /* One try, and the line is killed. */
          assert_string_equal (buf_str (&typed), "w\x15");
          assert_string_equal (file_of (h, "sysrq/w.txt"), "(none)");
        }
      else
        {
          assert_string_equal (buf_str (&typed), "w");
          assert_non_null (strstr (file_of (h, "sysrq/w.txt"), "ys"));
          assert_null (strstr (file_of (h, "sysrq/w.txt"), "login"));
          assert_string_equal (text_of (h, "sysrq.route"), "break");
        }
      haul_free (h);
    }
}

/* Who waits on what. */
static void
test_blocked (void **state)
{
  static const char text[]
      = "sysrq: Show Blocked State\r\n"
        "[ 1.1] task:pool work/0:1 x state:D stack:0 pid:1\r\n"
        "[ 1.1]  __schedule+0x34d/0xa00\r\n[ 1.1]  schedule+0x5a/0xd0\r\n"
        "[ 1.1]  __mutex_lock.constprop.0+0x39d/0x720\r\n"
        "[ 1.1]  ? zoo_rcustall+0x30/0x30 [zoo]\r\n"
        "[ 1.1]  zoo_mutex_waiter+0x1d/0x30 [zoo]\r\n"
        "[ 1.1]  kthread+0xda/0x100\r\n"
        "[ 1.2] task:dd              state:D stack:0 pid:2\r\n"
        "[ 1.2]  schedule+0x5a/0xd0\r\n[ 1.2]  io_schedule+0x46/0x70\r\n"
        "[ 1.2]  folio_wait_bit_common+0x13d/0x350\r\n"
        "[ 1.2] RIP: 0033:0x7f+0x1\r\n"
        "[ 1.3] task:x               state:D\r\n";
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct json_object *said, *one;
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = text };
  h = ask (&g, NULL, 0);
  assert_int_equal (int_of (h, "tasks.blocked"), 3);
  assert_int_equal (int_of (h, "tasks.in_io"), 1);
  assert_int_equal (int_of (h, "tasks.in_lock"), 1);
  assert_string_equal (text_of (h, "tasks.culprit"),
                       "pool work/0:1 x in zoo_mutex_waiter [zoo]");
  /* The same as data, to the number of the line in the text. */
  said = json_tokener_parse (file_of (h, "sysrq/w.json"));
  assert_string_equal (json_get_str (said, "keys"), "w");
  one = json_object_array_get_idx (json_get (said, "tasks"), 1);
  assert_string_equal (json_get_str (one, "comm"), "dd");
  assert_int_equal (json_get_int (one, "line", 0), 9);
  assert_int_equal (json_object_array_length (json_get (said, "blocked")), 3);
  json_object_put (said);
  haul_free (h);
  /* The header alone does not say that nobody is blocked. */
  k = (struct kernel){ .takes = 'b', .answer = "sysrq: Show\r\n" };
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "only the header"));
  assert_string_equal (file_of (h, "sysrq/w.json"), "(none)");
  haul_free (h);
}

/* Too many of them to be kept as data: counted, and the text has them. */
static void
test_crowd (void **state)
{
  struct buf text CLEANUP_BUF = BUF_INIT (1u << 20);
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct json_object *said;
  struct haul *h;

  buf_puts (&text, "sysrq: Show State\r\n");
  for (int i = 1; i <= 10000; i++)
    buf_printf (&text, "[ 1.1] task:sleep state:S stack:0 pid:%d\r\n", i);
  k = (struct kernel){ .takes = 'b', .answer = buf_str (&text) };
  h = ask (&g, "{\"keys\":\"t\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps), "more than 512 KiB"));
  said = json_tokener_parse (file_of (h, "sysrq/t.json"));
  assert_int_equal (json_get_int (json_get (said, "states"), "S", 0), 10000);
  assert_null (json_get (said, "tasks"));
  json_object_put (said);
  haul_free (h);
}

/* In pieces, with pauses shorter than the quiet, all of it is got. */
static void
test_pieces (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = W61, .chunk = 20,
                       .chunk_gap = 300 };
  h = ask (&g, NULL, 0);
  assert_int_equal (int_of (h, "sysrq.w.lines"), 6);
  haul_free (h);
}

/* Of a mute kernel no more is asked, and of what was not it is said. */
static void
test_not_asked (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 0 };
  h = ask (&g, "{\"keys\":\"hwl\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps), "not asked: wl: the one "));
  haul_free (h);
  k = (struct kernel){ .takes = 0 };
  h = ask (&g, "{\"keys\":\"wl\"}", 0);
  assert_non_null (strstr (buf_str (&h->gaps), "not asked: l: the one "));
  haul_free (h);
  k = (struct kernel){ .takes = 0 };
  h = ask (&g, "{\"keys\":\"w\"}", 0);
  assert_null (strstr (buf_str (&h->gaps), "not asked"));
  haul_free (h);
}

/* A guest that prints for ever ends by the budget (play.h checks it). */
static void
test_flood (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = W61, .endless = true,
                       .chunk_gap = 10 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "kernel.answers"), "shown");
  haul_free (h);

  k = (struct kernel){ .takes = 'b', .answer = "noise\n", .endless = true };
  k.chunk_gap = 1;
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "kernel.answers"), "none");
  haul_free (h);
}

static void
test_escaped (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b',
                       .answer = "sysrq: Show\n\033[2Jevil\x07\n" };
  h = ask (&g, NULL, 0);
  assert_string_equal (file_of (h, "sysrq/w.txt"),
                       "sysrq: Show\n\\e[2Jevil\\x07\n");
  haul_free (h);
}

static void
test_routes (void **state)
{
  struct haul *h;
  struct guest g;

  g = guest (CONSOLE_DEV_VIRTIO);
  k = (struct kernel){ .takes = 'o', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "ctrl-o");
  assert_string_equal (buf_str (&typed), "\x0fw");
  assert_int_equal (k.breaks, 0);
  haul_free (h);

  /* Behind a mux: one after another, until the kernel answers. */
  g = guest (CONSOLE_DEV_MUX);
  k = (struct kernel){ .takes = 'k', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "keyboard");
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);
  k = (struct kernel){ .takes = 'm', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "mux-break");
  assert_string_equal (buf_str (&typed), "\x0fw\x15\001c\001bw\001c");
  assert_non_null (strstr (buf_str (&h->impact), "input focus"));
  haul_free (h);

  /* A route that worked is the route for the keys that follow. */
  k = (struct kernel){ .takes = 'o', .answer = W61 };
  h = ask (&g, "{\"keys\":\"wl\"}", 0);
  assert_string_equal (text_of (h, "sysrq.l.answer"), "shown");
  assert_string_equal (buf_str (&typed), "\x0fw\x0fl");
  assert_int_equal (k.presses, 1);
  haul_free (h);
  /* R can't be pressed. */
  h = ask (&g, "{\"keys\":\"R\"}", 0);
  assert_int_equal (k.presses, 1);
  haul_free (h);

  /* Without a monitor a serial console can't be sent a BREAK. */
  g = guest (CONSOLE_DEV_SERIAL);
  g.monitor = MONITOR_NONE;
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "kernel.answers"), "none");
  assert_non_null (strstr (buf_str (&h->gaps), "BREAK need a monitor"));
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);

  /* Nothing is typed when the BREAK could not be sent. */
  g = guest (CONSOLE_DEV_SERIAL);
  k = (struct kernel){ .takes = 'b', .answer = W61, .monitor_rc = -EBUSY };
  h = ask (&g, NULL, 0);
  assert_string_equal (buf_str (&typed), "");
  assert_non_null (strstr (buf_str (&h->gaps), "break: monitor held"));
  haul_free (h);

  /* Raw commands through libvirt are told. */
  g = guest (CONSOLE_DEV_SERIAL);
  g.monitor = MONITOR_LIBVIRT;
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->impact), "tainted"));
  haul_free (h);
#ifdef WITH_LIBVIRT
  /* And not needed where the keyboard will do. */
  k = (struct kernel){ .takes = 'k', .answer = W61 };
  h = ask (&g, NULL, 0);
  assert_string_equal (text_of (h, "sysrq.route"), "keyboard");
  assert_int_equal (k.presses, 1);
  assert_null (strstr (buf_str (&h->impact), "tainted"));
  haul_free (h);
  /* Libvirt goes by the uuid: the next life is not pressed at. */
  k = (struct kernel){ .takes = 'k', .answer = W61, .lives_anew = true };
  h = ask (&g, NULL, 0);
  assert_int_equal (k.presses, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "started again"));
  haul_free (h);
#endif
}

static void
test_keys (void **state)
{
  static const char *const refused[] = { "c", "b", "o", "e", "i", "u", "f",
                                         "s", "wc", "", "n", "j", "x",
                                         "wwwwwwwwwwwwwwwww" };
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
    {
      char params[80];

      k = (struct kernel){ .takes = 'b', .answer = W61 };
      snprintf (params, sizeof params, "{\"keys\":\"%s\"}", refused[i]);
      h = ask (&g, params, strlen (refused[i]) == 0 || strlen (refused[i]) > 16
                               ? -EINVAL
                               : -EPERM);
      assert_string_equal (buf_str (&typed), "");
      assert_int_equal (k.breaks, 0);
      haul_free (h);
    }
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  h = ask (&g, "{\"keys\":\"9wlm\"}", 0);
  assert_string_equal (buf_str (&typed), "9wlm");
  assert_int_equal (k.breaks, 4);
  haul_free (h);
  /* Silence is asked once, not once per key. */
  k = (struct kernel){ .takes = 0 };
  h = ask (&g, "{\"keys\":\"wlm\"}", 0);
  assert_string_equal (buf_str (&typed), "w\x15");
  haul_free (h);
}


/* A key that no kernel takes is typed at somebody: so only where one is known
 * to have its console. */
static void
test_kernels_console (void **state)
{
  static const struct
  {
    enum console_device device;
    const char *cmdline, *kept, *typed;
  } cases[] = {
    { CONSOLE_DEV_SERIAL, "root=/dev/vda1 console=tty0 console=ttyS0,115200n8",
      "login: ", "w\x15" },
    { CONSOLE_DEV_SERIAL, "console=ttyS1", NULL, "" },
    { CONSOLE_DEV_SERIAL, "console=tty0 xconsole=ttyS0", NULL, "" },
    { CONSOLE_DEV_SERIAL, "console=hvc0", NULL, "" },
    { CONSOLE_DEV_SERIAL, "console=ttyS01", NULL, "" },
    { CONSOLE_DEV_SERIAL, "quiet", "login: ", "" },
    { CONSOLE_DEV_SERIAL, "quiet", "", "" },
    { CONSOLE_DEV_SERIAL, NULL, NULL, "w\x15" },
    { CONSOLE_DEV_VIRTIO, "console=hvc0", "", "\x0fw\x15" },
    { CONSOLE_DEV_VIRTIO, "console=ttyS0", NULL, "" },
    { CONSOLE_DEV_VIRTIO, NULL, "login: ", "" },
    { CONSOLE_DEV_MUX, "console=hvc0", "", "\x0fw\x15" },
    { CONSOLE_DEV_MUX, "console=ttyS0", "", "\001c\001bw\001c\x15" },
    { CONSOLE_DEV_MUX, "console=tty0 console=hvc0 console=ttyS0", "",
      "\x0fw\x15\001c\001bw\001c\x15" },
    { CONSOLE_DEV_MUX, NULL, "", "" },
    { CONSOLE_DEV_UNKNOWN, "console=ttyAMA0", "", "w\x15" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct guest g = guest (cases[i].device);
      bool silent = !cases[i].typed[0];
      struct haul *h;

      g.inc.pid = 77;
      k = (struct kernel){ .level = 7, .mask = 1, .kept = cases[i].kept,
                           .cmdline = cases[i].cmdline };
      h = ask (&g, NULL, 0);
      if (strcmp (buf_str (&typed), cases[i].typed) != 0)
        fail_msg ("%zu: %zu bytes", i, typed.len);
      /* The keyboard is asked in any case; that it is silent says nothing. */
      assert_int_equal (k.presses, 1);
      assert_string_equal (text_of (h, "kernel.answers"),
                           silent ? "(none)" : "none");
      assert_true (silent
                   == !!strstr (buf_str (&h->gaps),
                                "not typed at console serial0"));
      haul_free (h);
    }
}

/* Whoever reads along knows it of a boot that is long over, and knows a log
 * that was shown there from the kernel's own lines. */
static void
test_who_reads_along (void **state)
{
  static const struct
  {
    const char *cmdline, *kept;
    int prints;
    const char *typed;
  } cases[] = {
    { NULL, "login: ", 1, "w\x15" },
    { NULL, NULL, 0, "" },
    { NULL, NULL, -1, "w\x15" },
    { NULL, "login: ", -1, "" },
    /* What its memory says is better than any text. */
    { "console=hvc0", NULL, 1, "" },
    { "console=ttyS0", "", 0, "w\x15" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct guest g = guest (CONSOLE_DEV_SERIAL);

      g.inc.pid = 77;
      k = (struct kernel){ .level = 7, .mask = 1, .kept = cases[i].kept,
                           .cmdline = cases[i].cmdline, .read_along = true,
                           .prints = cases[i].prints };
      haul_free (ask (&g, NULL, 0));
      if (strcmp (buf_str (&typed), cases[i].typed) != 0)
        fail_msg ("%zu: %zu bytes", i, typed.len);
    }
}

/* To Windows Alt, PrtSc and a letter are keys in somebody's window. */
static void
test_no_linux (void **state)
{
  static const struct
  {
    bool blind;
    const char *kept;
    int presses;
  } cases[] = {
    { true, "SAC>", 0 },
    { true, "", 0 },
    { true, NULL, 1 },
    { false, "SAC>", 1 },
  };
  static const char *const steps[]
      = { NULL, "{\"keys\":\"h\",\"by\":\"keyboard\"}" };

  for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++)
    {
      struct guest g = guest (CONSOLE_DEV_SERIAL);
      struct haul *h;

      g.inc.pid = 77;
      k = (struct kernel){ .level = 7, .mask = 1, .blind = cases[i / 2].blind,
                           .kept = cases[i / 2].kept };
      h = ask (&g, steps[i % 2], 0);
      assert_int_equal (k.presses, cases[i / 2].presses);
      assert_true (!k.presses
                   == !!strstr (buf_str (&h->gaps), "that the guest runs"));
      if (!k.presses)
        {
          assert_string_equal (buf_str (&typed), "");
          assert_string_equal (buf_str (&h->impact), "");
          assert_string_equal (text_of (h, "kernel.answers"), "(none)");
        }
      haul_free (h);
    }
}

/* Of two consoles the one that is the kernel's, wherever it stands. */
static void
test_of_two (void **state)
{
  struct guest_console two[2];
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  two[0] = two[1] = g.consoles[0];
  snprintf (two[1].name, sizeof two[1].name, "serial1");
  snprintf (two[1].alias, sizeof two[1].alias, "charserial1");
  g.consoles = two;
  g.nconsoles = 2;
  g.inc.pid = 77;
  k = (struct kernel){ .takes = 'b', .answer = W61, .level = 7, .mask = 1,
                       .cmdline = "console=ttyS1" };
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->impact), "to console serial1 by"));
  haul_free (h);
  k.cmdline = "console=ttyS0";
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->impact), "to console serial0 by"));
  haul_free (h);
  /* One that its step names is not typed at either. */
  k = (struct kernel){ .level = 7, .mask = 1, .cmdline = "console=ttyS0" };
  h = ask (&g, "{\"console\":\"serial1\"}", 0);
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);
  /* One whose first port leads nowhere: the second stays the second. */
  g.consoles = &two[1];
  g.nconsoles = 1;
  h = ask (&g, NULL, 0);
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);
  g.consoles = two;
  g.nconsoles = 2;
  /* Nor the other of two kinds. */
  two[0].device = CONSOLE_DEV_VIRTIO;
  k = (struct kernel){ .takes = 'b', .answer = W61, .level = 7, .mask = 1,
                       .cmdline = "console=ttyS1" };
  h = ask (&g, NULL, 0);
  assert_non_null (strstr (buf_str (&h->impact), "to console serial1 by"));
  haul_free (h);
}

static void
test_console (void **state)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);
  struct haul *h;

  k = (struct kernel){ .takes = 'b', .answer = W61, .lease_rc = -EBUSY };
  haul_free (ask (&g, NULL, -EBUSY));
  k = (struct kernel){ .takes = 'b', .answer = W61 };
  haul_free (ask (&g, "{\"console\":\"nope\"}", -ENOENT));
  g.consoles[0].kind = CONSOLE_LOG;
  haul_free (ask (&g, NULL, -ENOENT));
  g = guest (CONSOLE_DEV_SERIAL);
  /* Somebody took the console on the way: nothing more is typed. */
  k = (struct kernel){ .takes = 0, .lost = true };
  h = ask (&g, NULL, 0);
  assert_string_equal (buf_str (&typed), "w");
  haul_free (h);
  buf_done (&typed);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_answers),
    cmocka_unit_test (test_pieces),
    cmocka_unit_test (test_blocked),
    cmocka_unit_test (test_crowd),
    cmocka_unit_test (test_not_asked),
    cmocka_unit_test (test_flood),
    cmocka_unit_test (test_escaped),
    cmocka_unit_test (test_routes),
    cmocka_unit_test (test_keys),
    cmocka_unit_test (test_kernels_console),
    cmocka_unit_test (test_who_reads_along),
    cmocka_unit_test (test_no_linux),
    cmocka_unit_test (test_of_two),
    cmocka_unit_test (test_console),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
