/* SPDX-License-Identifier: Apache-2.0
 *
 * gdb's protocol: a real QEMU that runs its firmware, found, visited and left;
 * and what no QEMU says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/opener.h"
#include "tests/lib/tmpdir.h"
#include "guests/qemu.h"
#include "transports/gdb/gdb.h"
#include "transports/gdb/wire.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int
feed (const char *text, struct gdb_wire *w)
{
  size_t used;

  gdb_wire_init (w);
  return gdb_wire_feed (w, text, strlen (text), &used, NULL);
}

static void
test_packets (void **state)
{
  static const struct
  {
    const char *text;
    int rc;
    const char *says;
  } cases[] = {
    { "+$OK#9a", 1, "OK" },
    { "$0*\"1#ad", 1, "000000" "1" },
    { "$}]#da", 1, "}" },
    { "$OK#9", 0, NULL },
    { "$OK#9b", -EBADMSG, NULL },  /* another sum */
    { "$O$K#9a", -EBADMSG, NULL }, /* one in another */
    { "$*\"#4c", -EBADMSG, NULL }, /* nothing to be repeated */
    { "$OK#xx", -EBADMSG, NULL },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct gdb_wire w;

      if (feed (cases[i].text, &w) != cases[i].rc)
        fail_msg ("%s", cases[i].text);
      if (cases[i].says)
        assert_string_equal (buf_str (&w.packet), cases[i].says);
      gdb_wire_done (&w);
    }
}

static void
test_registers (void **state)
{
  struct buf out = BUF_INIT (4096);
  char hex[400];

  memset (hex, '0', sizeof hex);
  memcpy (hex + 16 * 16, "f0ff000000000080", 16);
  assert_true (gdb_registers (GDB_X86_64, hex, 328, &out));
  assert_non_null (strstr (buf_str (&out), "RIP=800000000000fff0\n"));
  assert_false (gdb_registers (GDB_X86_64, hex, 327, &out));
  hex[3] = 'x'; /* not known */
  assert_false (gdb_registers (GDB_X86_64, hex, 328, &out));
  buf_done (&out);
}

/* Of two vCPUs in its firmware. */
static void
test_real (void **state)
{
  struct tmpdir dir;
  char arg[300], path[GDB_PATH_MAX];
  struct buf text = BUF_INIT (65536);
  struct error err = ERROR_INIT;
  struct guest g = { .name = "vm", .display = "vm" };
  struct transport_env env = { .opener = opener_local () };
  struct gdb *gdb;
  struct qemu_proc proc;
  struct qemu_args *args;

  if (system ("command -v qemu-system-x86_64 >/dev/null") != 0)
    skip ();
  assert_int_equal (tmpdir_make (&dir), 0);
  snprintf (arg, sizeof arg, "unix:%s/gdb,server=on,wait=off",
            dir.path);
  g.inc.pid = fork ();
  if (g.inc.pid == 0)
    {
      execlp ("qemu-system-x86_64", "qemu-system-x86_64", "-display", "none",
              "-nodefaults", "-smp", "2", "-m", "32", "-name", "vm", "-gdb",
              arg, NULL);
      _exit (127);
    }
  snprintf (path, sizeof path, "%s/gdb", dir.path);
  for (unsigned i = 0; i < 6000 && access (path, F_OK) < 0; i++)
    usleep (10000);
  assert_int_equal (qemu_proc_read (g.inc.pid, &proc, &args, &err), 0);
  qemu_args_free (args);
  g.inc.start_time = proc.start_time;
  /* Twice: the one before was left as it was found. */
  for (int i = 0; i < 2; i++)
    {
      path[0] = '\0';
      buf_clear (&text);
      if (gdb_find (&g, path, &err) < 0
          || gdb_open (&env, &g, path, clock_ms () + 60000, &gdb, &err) < 0
          || gdb_read (gdb, &text, &err) < 0 || gdb_close (gdb, &err) < 0)
        fail_msg ("%s", error_text (&err));
      assert_non_null (strstr (buf_str (&text), "CPU#1\nRAX="));
      assert_null (strstr (buf_str (&text), "CPU#2"));
    }
  buf_done (&text);
  kill (g.inc.pid, SIGKILL);
  waitpid (g.inc.pid, NULL, 0);
  tmpdir_done (&dir);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_packets),
    cmocka_unit_test (test_registers),
    cmocka_unit_test (test_real),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
