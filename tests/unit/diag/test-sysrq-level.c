/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking a kernel whose memory says what it lets one do: its mask, its loglevel
 * there and back, by its keyboard and by a shell.  The kernel is played.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sysrq-bed.h"

#include "base/cleanup.h"

static struct guest
known (int level, int mask)
{
  struct guest g = guest (CONSOLE_DEV_SERIAL);

  g.inc.pid = 77;
  k = (struct kernel){ .takes = 'b', .obeys = true, .level = level,
                       .mask = mask };
  return g;
}

static void
test_loglevel (void **state)
{
  struct guest g = known (4, 1);
  struct haul *h = ask (&g, "{\"keys\":\"tw\"}", 0);

  /* Life first, t last, and the level as it was. */
  assert_string_equal (buf_str (&typed), "h9wt4");
  assert_int_equal (k.level, 4);
  assert_int_equal (k.intents, 1);
  assert_int_equal (k.undones, 1);
  assert_int_equal (int_of (h, "sysrq.w.lines"), 2);
  assert_int_equal (int_of (h, "tasks.blocked"), 1);
  assert_int_equal (int_of (h, "sysrq.mask"), 1);
  assert_non_null (strstr (buf_str (&h->impact), "back to 4"));
  assert_string_equal (text_of (h, "sysrq.hidden"), "(none)");
  haul_free (h);

  /* Where nothing is hidden nothing is raised. */
  g = known (7, 1);
  h = ask (&g, "{\"keys\":\"wl\"}", 0);
  assert_string_equal (buf_str (&typed), "wl");
  haul_free (h);
  g = known (4, 1);
  haul_free (ask (&g, "{\"keys\":\"h\"}", 0));
  assert_string_equal (buf_str (&typed), "h");

  /* Not known, nobody to remember it, not on disk, refused: left alone. */
  g = known (-1, 1);
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_string_equal (buf_str (&typed), "hw");
  assert_non_null (strstr (buf_str (&h->gaps), "what to put back"));
  assert_string_equal (text_of (h, "sysrq.hidden"), "w");
  haul_free (h);
  g = known (4, 1);
  k.no_intent = true;
  haul_free (ask (&g, "{\"keys\":\"hw\"}", 0));
  assert_string_equal (buf_str (&typed), "hw");
  g = known (4, 1);
  k.slow_disk = true;
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_string_equal (buf_str (&typed), "hw");
  assert_non_null (strstr (buf_str (&h->gaps), "not on disk"));
  haul_free (h);
  g = known (4, 8);
  haul_free (ask (&g, "{\"keys\":\"hw\"}", 0));
  assert_string_equal (buf_str (&typed), "hw");

  /* A kernel that is silent is not raised; one that does not go back stays
   * in somebody's book. */
  g = known (4, 1);
  k.takes = 0;
  haul_free (ask (&g, "{\"keys\":\"hw\"}", 0));
  assert_string_equal (buf_str (&typed), "h\x15");
  assert_int_equal (k.intents, 0);
  g = known (4, 1);
  k.stuck = true;
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_int_equal (k.undones, 0);
  assert_non_null (strstr (buf_str (&h->gaps), "not put back"));
  assert_non_null (strstr (k.intent, "\"level\":4"));
  haul_free (h);
}

/* Of a kernel whose memory nobody can read a shell in it says what it is. */
static void
test_asked_inside (void **state)
{
  struct guest g = known (4, 1);
  uint64_t begun = now_ms;
  struct haul *h;

  k.blind = true;
  shell.says = "@@ printk\n4\t4\t1\t7\n@@ sysrq\n1\n@@ end\n";
  h = ask (&g, "{\"keys\":\"w\",\"level\":\"console\"}", 0);
  assert_string_equal (buf_str (&typed), "h9w4");
  assert_int_equal (k.level, 4);
  assert_int_equal (k.intents, 1);
  assert_int_equal (k.undones, 1);
  assert_int_equal (int_of (h, "tasks.blocked"), 1);
  assert_int_equal (int_of (h, "sysrq.mask"), 1);
  assert_non_null (strstr (shell.command, "/proc/sys/kernel/$f"));
  /* Not for as long as the whole step may take. */
  assert_in_range (shell.until_ms, begun + 1, begun + 8000);
  haul_free (h);

  /* And where its console is. */
  g = known (4, 1);
  k.blind = true;
  k.kept = "";
  shell.says = "@@ printk\r\n4\t4\t1\t7\r\n@@ sysrq\r\n1\r\n@@ consoles\r\n"
               "tty0                 -WU (EC  p  )    4:1\r\n"
               "ttyS0                -W- (E   p a)    4:64\r\n@@ end\r\n";
  haul_free (ask (&g, "{\"keys\":\"w\",\"level\":\"console\"}", 0));
  assert_string_equal (buf_str (&typed), "h9w4");
  g = known (4, 1);
  k.blind = true;
  shell.says = "@@ printk\n4\t4\t1\t7\n@@ sysrq\n1\n@@ consoles\n"
               "tty0                 -WU (EC  p  )    4:1\n@@ end\n";
  haul_free (ask (&g, "{\"keys\":\"w\",\"level\":\"console\"}", 0));
  assert_string_equal (buf_str (&typed), "");

  /* What memory says is not asked again, nor for a line of help. */
  shell.command[0] = '\0';
  g = known (4, 1);
  haul_free (ask (&g, "{\"keys\":\"w\",\"level\":\"ssh\"}", 0));
  assert_string_equal (buf_str (&typed), "h9w4");
  g = known (4, 1);
  k.blind = true;
  haul_free (ask (&g, "{\"keys\":\"h\",\"level\":\"ssh\"}", 0));
  /* And nobody is where the step does not say so. */
  haul_free (ask (&g, "{\"keys\":\"w\"}", 0));
  assert_string_equal (buf_str (&typed), "w");
  assert_string_equal (shell.command, "");

  /* Nobody there, or no word of it, or one that no key sets: left alone. */
  const char *const others[]
      = { NULL, "@@ printk\n@@ sysrq\n1\n@@ end\n",
          "@@ printk\n15 4 1 7\n@@ sysrq\n1\n@@ end\n", "@@ printk\n-4" };
  for (size_t i = 0; i < ARRAY_LEN (others); i++)
    {
      g = known (4, 1);
      k.blind = true;
      shell.says = others[i];
      h = ask (&g, "{\"keys\":\"w\",\"level\":\"agent\"}", 0);
      assert_string_equal (buf_str (&typed), "w");
      assert_non_null (strstr (buf_str (&h->gaps), "what to put back"));
      haul_free (h);
    }
}

/* A budget that ends in the middle is no reason to leave it raised. */
static void
test_budget (void **state)
{
  struct guest g = known (4, 1);
  struct haul *h;

  k.chunk = 1;
  k.chunk_gap = 60;
  h = ask (&g, "{\"keys\":\"hwlmpz\"}", 0);
  assert_int_equal (k.level, 4);
  assert_int_equal (k.undones, 1);
  /* None has all of it, and what was cut says so. */
  assert_non_null (strstr (buf_str (&typed), "9wl"));
  assert_non_null (strstr (buf_str (&h->gaps), "sysrq/l.txt: cut after"));
  haul_free (h);
}

static void
test_mask (void **state)
{
  struct guest g = known (4, 0x1b6); /* Debian's: no dumps */
  struct haul *h = ask (&g, "{\"keys\":\"hwlm\"}", 0);

  assert_string_equal (buf_str (&typed), "h");
  assert_string_equal (text_of (h, "kernel.answers"), "shown");
  assert_string_equal (text_of (h, "sysrq.refused"), "wlm");
  assert_string_equal (text_of (h, "sysrq.w.answer"), "(none)");
  assert_non_null (strstr (buf_str (&h->gaps), "kernel.sysrq is 438"));
  haul_free (h);
  g = known (4, 16);
  haul_free (ask (&g, "{\"keys\":\"w\"}", 0));
  assert_string_equal (buf_str (&typed), "h");
  /* q and d are in no mask. */
  g = known (7, 8);
  haul_free (ask (&g, "{\"keys\":\"wqd\"}", 0));
  assert_string_equal (buf_str (&typed), "w");
  /* Switched off: silence would say nothing. */
  g = known (4, 0);
  h = ask (&g, "{\"keys\":\"hw\"}", 0);
  assert_string_equal (buf_str (&typed), "");
  assert_string_equal (text_of (h, "kernel.answers"), "(none)");
  haul_free (h);
  /* Not known: it says so itself. */
  g = known (-1, 0x1b6);
  h = ask (&g, "{\"keys\":\"w\"}", 0);
  assert_string_equal (text_of (h, "kernel.answers"), "disabled");
  assert_string_equal (text_of (h, "sysrq.refused"), "w");
  haul_free (h);
}

/* Nothing is typed, and the console is taken from nobody. */
static void
test_keyboard (void **state)
{
  struct guest g = known (4, 1);
  struct haul *h;

  k.takes = 'k';
  k.lease_rc = -EBUSY;
  h = ask (&g, "{\"keys\":\"h\",\"by\":\"keyboard\"}", 0);
  assert_string_equal (text_of (h, "kernel.answers"), "shown");
  assert_string_equal (buf_str (&typed), "");
  haul_free (h);
  /* A guest may have no driver for one. */
  k.takes = 'b';
  h = ask (&g, "{\"keys\":\"h\",\"by\":\"keyboard\"}", 0);
  assert_string_equal (text_of (h, "kernel.answers"), "(none)");
  assert_string_equal (text_of (h, "sysrq.h.answer"), "none");
  assert_int_equal (k.breaks, 0);
  haul_free (h);
}

static void
test_shell (void **state)
{
  struct buf much CLEANUP_BUF = BUF_INIT (200000);
  struct guest g = known (4, 0x1b6);
  struct haul *h;

  shell.says = "@@ w\r\n> 1.0] sysrq: Show Blocked State\r\n"
               "> 1.1] task:dd              state:D stack:0 pid:2\r\n"
               "@@ m\r\n> 2.0] sysrq: Show Memory\r\n@@ c\r\n|no\r\n"
               "@@ end\r\n";
  h = ask (&g, "{\"keys\":\"wm\",\"by\":\"console\"}", 0);
  assert_non_null (strstr (shell.command, "for k in w m;"));
  /* One that would not survive the line discipline is none; lines it takes. */
  for (const char *p = shell.command; *p; p++)
    assert_true ((*p >= 0x20 && *p < 0x7f) || *p == '\n');
  assert_int_equal (int_of (h, "tasks.blocked"), 1);
  assert_string_equal (text_of (h, "sysrq.m.answer"), "shown");
  assert_string_equal (file_of (h, "sysrq/m.txt"),
                       "[ 2.0] sysrq: Show Memory\n");
  assert_string_equal (file_of (h, "sysrq/c.txt"), "(none)");
  /* Neither the loglevel nor the keyboard is touched for it. */
  assert_string_equal (buf_str (&typed), "");
  assert_int_equal (k.presses + k.intents + k.looks, 0);
  assert_string_equal (buf_str (&h->gaps), "");
  haul_free (h);
  /* Its log is a ring, and no more is read of it than that. */
  buf_puts (&much, "@@ w\r\n|a task\r\n@@ m\r\n|sysrq: Show Memory\r\n|");
  for (size_t i = 0; i < 98304; i++)
    buf_putc (&much, 'x');
  buf_puts (&much, "\r\n@@ end\r\n");
  shell.says = buf_str (&much);
  h = ask (&g, "{\"keys\":\"wm\",\"by\":\"console\"}", 0);
  assert_string_equal (buf_str (&h->gaps),
                       "sysrq/w.txt: its beginning is no longer in the "
                       "guest's log\nsysrq/m.txt: cut after its first 96 KiB\n");
  haul_free (h);
  shell.says = "@@ cannot\r\n";
  haul_free (ask (&g, "{\"keys\":\"w\",\"by\":\"agent\"}", -EACCES));
  shell.says = NULL;
  haul_free (ask (&g, "{\"keys\":\"w\",\"by\":\"console\"}", -ENODATA));
}

/* After a crash. */
static void
test_undo (void **state)
{
  static const struct
  {
    int level, rc, want;
    const char *typed;
  } cases[] = {
    { 9, 0, 4, "4" },
    { 4, 0, 4, "" }, /* it never came to it */
    { 7, 0, 7, "" }, /* somebody has set another since */
  };
  struct json_object *undo = json_tokener_parse (
      "{\"act\":\"loglevel\",\"level\":4,\"console\":\"serial0\"}");

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct transport_env env = { NULL };
      struct guest g = known (cases[i].level, 1);
      struct haul *h = haul_new ();
      struct error err = ERROR_INIT;
      struct collect_ctx ctx = { .guest = &g, .env = &env, .scenario = "",
                                 .deadline = now_ms + 8000, .out = &h->out };

      buf_clear (&typed);
      assert_int_equal (sysrq_undo_level.run (&ctx, undo, &err), cases[i].rc);
      assert_int_equal (k.level, cases[i].want);
      assert_string_equal (buf_str (&typed), cases[i].typed);
      /* It does not answer: to be tried again. */
      k.level = 9;
      k.takes = 0;
      assert_int_equal (sysrq_undo_level.run (&ctx, undo, &err), -EIO);
      assert_int_equal (k.leases, 0);
      haul_free (h);
    }
  json_object_put (undo);
}
int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_loglevel),
    cmocka_unit_test (test_asked_inside),
    cmocka_unit_test (test_budget),
    cmocka_unit_test (test_mask),
    cmocka_unit_test (test_keyboard),
    cmocka_unit_test (test_shell),
    cmocka_unit_test (test_undo),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
