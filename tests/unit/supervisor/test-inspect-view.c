/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of `hangdog inspect`, as people see them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/cli/cli.h"
#include "supervisor/cli/inspect_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Printing is linked alone: nobody is asked here. */
int
cli_ask (const struct cli *cli, bool start, struct json_object *head,
         client_row_fn *fn, void *arg)
{
  fail ();
  return EXIT_ERROR;
}

static const char rows[]
    = "{\"row\":\"guest\",\"guest\":\"web\",\"pid\":7,\"run\":\"running\","
      "\"memory_bytes\":268435456,\"read_by\":\"file\"}\n"
      "{\"row\":\"kernel\",\"banner\":\"Linux version 6.1\",\"release\":"
      "\"6.1.0\",\"arch\":\"x86-64\",\"found\":\"page-table\",\"image\":{\"va\":"
      "\"0xffffffff81000000\",\"bytes\":1},\"vcpus\":2}\n"
      "{\"row\":\"stack\",\"id\":1,\"frames\":[\"spin+0x1/0x2 [zoo]\"],\"end\":"
      "\"lost\"}\n"
      "{\"row\":\"cpu\",\"vcpu\":0,\"cpu\":1,\"mode\":\"kernel\",\"at\":"
      "\"spin+0x1/0x2 [zoo]\",\"pc\":\"0x1\",\"irqs_off\":true,\"pid\":9,"
      "\"comm\":\"spinner\",\"stack\":1}\n"
      "{\"row\":\"stack\",\"id\":2,\"frames\":[\"schedule+0x1/0x2\","
      "\"worker_thread+0x3/0x4\",\"ret_from_fork+0x1/0x9\"],\"end\":\"thread\"}\n"
      "{\"row\":\"task\",\"pid\":3,\"comm\":\"kw;0\",\"state\":\"I\",\"ppid\":2,"
      "\"kthread\":true,\"cpu\":0,\"since_s\":1.5,\"stack\":2}\n"
      "{\"row\":\"task\",\"pid\":4,\"comm\":\"kw;0\",\"state\":\"I\",\"ppid\":2,"
      "\"kthread\":true,\"stack\":2}\n"
      "{\"row\":\"stack\",\"id\":3,\"frames\":[\"mutex_lock+0x1/0x2\"],\"end\":"
      "\"user\"}\n"
      "{\"row\":\"task\",\"pid\":5,\"comm\":\"w\\u001b[2J\",\"state\":\"D\","
      "\"ppid\":1,\"stack\":3,\"cgroup\":\"/system.slice\"}\n"
      "{\"row\":\"task\",\"pid\":6,\"comm\":\"runs\",\"state\":\"R\",\"ppid\":1,"
      "\"on_cpu\":true,\"cpu\":1,\"stack\":99}\n"
      "{\"row\":\"lock\",\"kind\":\"mutex\",\"at\":\"0xff\",\"owner\":{\"pid\":8,"
      "\"comm\":\"holder\"},\"waiters\":[{\"pid\":5,\"comm\":\"w\"},{\"pid\":6,"
      "\"comm\":\"x\"}]}\n"
      "{\"row\":\"deadlock\",\"tasks\":[{\"pid\":1,\"comm\":\"a\"},{\"pid\":2,"
      "\"comm\":\"b\"}]}\n"
      "{\"row\":\"dmesg\",\"us\":1234567,\"text\":\"one\\ntwo\"}\n"
      "{\"row\":\"novelty\",\"a\":1,\"b\":\"x\\u001by\",\"c\":[1,2]}\n"
      "{\"row\":\"lacks\",\"section\":\"io\",\"what\":\"disks\",\"why\":"
      "\"no types\"}\n";

static char *
show (enum inspect_form form, const char *text, unsigned *ret_lacks)
{
  char *out = NULL;
  size_t len = 0;
  FILE *to = open_memstream (&out, &len);
  struct inspect_view *v = inspect_view_new (form, to);

  assert_int_equal (inspect_view_lines (v, text, strlen (text)), 0);
  inspect_view_end (v);
  *ret_lacks = inspect_view_lacks (v);
  inspect_view_free (v);
  fclose (to);
  return out;
}

static void
has (const char *out, const char *what)
{
  if (!strstr (out, what))
    fail_msg ("\"%s\" is not in:\n%s", what, out);
}

static void
shows_people (void **state)
{
  unsigned lacks;
  char *out = show (INSPECT_TEXT, rows, &lacks);
  const char *blocked, *many;

  assert_int_equal (lacks, 1);
  assert_ptr_equal (strstr (out, "guest=web pid=7 run=running memory_mib=256 "
                                 "read_by=file\n"),
                    out);
  has (out, "\nkernel=6.1.0 arch=x86-64 vcpus=2 ");
  has (out, "vCPU 0, the guest's CPU 1: spinner (9), in kernel mode, "
            "interrupts OFF\n RIP: spin+0x1/0x2 [zoo]\n Call Trace:\n  "
            "spin+0x1/0x2 [zoo]\n");
  has (out, "how it goes on could not be found out");
  has (out, "[kw;0]");
  has (out, "1.5s");
  has (out, "/system.slice");
  /* The blocked one is first, though others are more. */
  blocked = strstr (out, "\n1 task: w\\e[2J/5 D\n Call Trace:\n  mutex_lock");
  many = strstr (out, "\n2 tasks: kw;0/3 I, kw;0/4 I\n Call Trace:\n  sched");
  assert_non_null (blocked);
  assert_non_null (many);
  assert_true (blocked < many);
  has (out, "mutex 0xff: held by holder (8), waited for by w (5), x (6)\n");
  has (out, "DEADLOCK: a (1) waits for b (2) waits for the first\n");
  has (out, "[    1.234567] one\n[    1.234567] two\n");
  has (out, "novelty a=1 b=x\\ey c=[1,2]\n");
  has (out, "Not found out:\n  io, disks: no types\n");
  assert_null (strchr (out, '\033'));
  free (out);
}

static void
folds (void **state)
{
  unsigned lacks;
  char *out = show (INSPECT_FOLDED, rows, &lacks);

  assert_int_equal (lacks, 1);
  assert_string_equal (
      out, "kw_0;ret_from_fork;worker_thread;schedule 2\n"
           "spinner;spin 1\nw\\e[2J;mutex_lock 1\n");
  free (out);
}

static void
passes_json_on (void **state)
{
  unsigned lacks;
  char *out = show (INSPECT_JSON, rows, &lacks);

  assert_int_equal (lacks, 1);
  assert_string_equal (out, rows);
  free (out);
}

/* Numbers that are nobody's, members of other types, nothing at all. */
static void
takes_anything (void **state)
{
  static const char odd[]
      = "{}\n{\"row\":1}\n{\"row\":\"stack\",\"id\":-1}\n{\"row\":\"stack\"}\n"
        "{\"row\":\"stack\",\"id\":1,\"frames\":{}}\n{\"row\":\"task\"}\n"
        "{\"row\":\"task\",\"stack\":1,\"pid\":\"x\",\"comm\":[],\"since_s\":{}}\n"
        "{\"row\":\"task\",\"stack\":-5}\n{\"row\":\"cpu\",\"stack\":1}\n"
        "{\"row\":\"lock\",\"owner\":3,\"waiters\":{}}\n{\"row\":\"deadlock\"}\n"
        "{\"row\":\"kernel\",\"image\":[]}\n{\"row\":\"system\",\"load\":[1],"
        "\"pressure\":[1]}\n{\"row\":\"mem\",\"total_pages\":[]}\n"
        "{\"row\":\"zone\"}\n{\"row\":\"disk\"}\n{\"row\":\"request\"}\n"
        "{\"row\":\"dmesg\"}\n{\"row\":\"guest\"}\n{\"row\":\"runqueue\"}\n"
        "{\"row\":\"lacks\"}\n{\"row\":\"stack\",\"id\":2,\"frames\":[null,3]}\n"
        "{\"row\":\"task\",\"stack\":2}\n{\"row\":\"end\"}\n";
  struct inspect_view *v;
  unsigned lacks;

  for (int form = INSPECT_JSON; form <= INSPECT_WATCH; form++)
    free (show ((enum inspect_form) form, odd, &lacks));
  v = inspect_view_new (INSPECT_TEXT, stdout);
  assert_int_equal (inspect_view_lines (v, "[1]\n", 4), -EBADMSG);
  assert_int_equal (inspect_view_lines (v, "{\"a\n", 4), -EBADMSG);
  inspect_view_free (v);
}

/* ---- what moved ---- */

static const char moved[]
    = "{\"row\":\"guest\",\"guest\":\"w\\u001beb\"}\n"
      "{\"row\":\"system\",\"uptime_s\":90,\"load\":[1.5,0,0]}\n"
      "{\"row\":\"cpu\",\"vcpu\":0,\"cpu\":1,\"irqs_off\":true,\"pid\":9,"
      "\"comm\":\"sp\\u001bin\",\"at\":\"spin+0x1/0x2\"}\n"
      "{\"row\":\"request\",\"disk\":\"vda\",\"queue\":0,\"tag\":3,\"op\":"
      "\"READ\",\"age_s\":9.5}\n"
      "{\"row\":\"moved\",\"what\":\"guest\",\"apart_s\":2,\"clock_s\":1.9}\n"
      "{\"row\":\"moved\",\"what\":\"cpu\",\"apart_s\":2,\"cpu\":1,\"clock\":"
      "false,\"switches\":8}\n"
      "{\"row\":\"moved\",\"what\":\"vcpu\",\"apart_s\":2,\"vcpu\":0,\"pc\":"
      "false}\n"
      "{\"row\":\"moved\",\"what\":\"task\",\"apart_s\":2,\"pid\":5,\"comm\":"
      "\"idler\",\"state\":\"S\",\"switches\":2,\"ran_s\":0.1}\n"
      "{\"row\":\"moved\",\"what\":\"task\",\"apart_s\":2,\"pid\":6,\"comm\":"
      "\"worker\",\"state\":\"R\",\"switches\":1,\"ran_s\":1.5}\n"
      "{\"row\":\"moved\",\"what\":\"task\",\"apart_s\":2,\"pid\":7,\"comm\":"
      "\"waits\",\"state\":\"D\",\"switches\":0,\"stuck\":true}\n"
      "{\"row\":\"moved\",\"what\":\"task\",\"apart_s\":2,\"pid\":8,\"comm\":"
      "\"goes\",\"state\":\"D\",\"switches\":4,\"stuck\":false}\n"
      "{\"row\":\"moved\",\"what\":\"request\",\"apart_s\":2,\"disk\":\"vda\","
      "\"queue\":0,\"tag\":3,\"stuck\":true}\n"
      "{\"row\":\"moved\",\"what\":\"requests\",\"apart_s\":2,\"same\":1,"
      "\"answered\":2,\"begun\":3}\n"
      "{\"row\":\"sample\",\"n\":2,\"cpu_us\":4500,\"found\":true}\n";

static void
tells_stuck_from_slow (void **state)
{
  unsigned lacks;
  char *out = show (INSPECT_TEXT, moved, &lacks);

  has (out, "moved in 2.000 s: cpu 1: 8 switches, its clock STANDS\n");
  has (out, "moved in 2.000 s: vcpu 0: at the same place\n");
  has (out, "waits (7) D: 0 switches, STUCK\n");
  has (out, "goes (8) D: 4 switches, slow\n");
  has (out, "request vda queue 0 tag 3: the same, STUCK\n");
  has (out, "requests 2 answered, 3 begun, 1 the same\n");
  assert_null (strchr (out, '\033'));
  free (out);
}

/* A memory stream is no terminal: nothing is moved about in it. */
static void
watches (void **state)
{
  char *out, twice[2 * sizeof moved];
  const char *worker, *idler;
  unsigned lacks;

  snprintf (twice, sizeof twice, "%s%s", moved, moved);
  out = show (INSPECT_WATCH, twice, &lacks);
  assert_null (strchr (out, '\033'));
  has (out, "eb, up 1m30s, load 1.50 0.00 0.00; look 2 took 4.5 ms\n");
  has (out, "CPU 1 IRQS-OFF same-place 4 switches/s clock-stands 9 sp");
  has (out, "D 7 waits: stuck\nD 8 goes: moves\n");
  has (out, "vda queue 0 tag 3 READ since 9.500 s\n");
  worker = strstr (out, "worker");
  idler = strstr (out, "idler");
  assert_true (worker && idler && worker < idler);
  has (out, "75.0");
  /* Both looks, and nothing of the first in the second. */
  assert_non_null (strstr (strstr (out, "look 2") + 1, "look 2"));
  assert_null (strstr (strstr (strstr (out, "worker") + 1, "worker") + 1,
                       "worker"));
  free (out);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (shows_people),
    cmocka_unit_test (folds),
    cmocka_unit_test (passes_json_on),
    cmocka_unit_test (takes_anything),
    cmocka_unit_test (tells_stuck_from_slow),
    cmocka_unit_test (watches),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
