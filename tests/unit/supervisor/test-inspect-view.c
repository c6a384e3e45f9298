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
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
      "{\"row\":\"spinlock\",\"kind\":\"spinlock\",\"at\":\"0xfe\",\"waiters\":"
      "[{\"cpu\":1,\"pid\":5,\"comm\":\"w\"}],\"owner_recorded\":false,"
      "\"maybe\":[{\"cpu\":0,\"pid\":8,\"comm\":\"h\",\"preempt_off\":true,"
      "\"irqs_off\":false,\"same_module\":true}]}\n"
      "{\"row\":\"deadlock\",\"tasks\":[{\"pid\":1,\"comm\":\"a\"},{\"pid\":2,"
      "\"comm\":\"b\"}]}\n"
      "{\"row\":\"dmesg\",\"us\":1234567,\"text\":\"one\\ntwo\"}\n"
      "{\"row\":\"novelty\",\"a\":1,\"b\":\"x\\u001by\",\"c\":[1,2]}\n"
      "{\"row\":\"lacks\",\"section\":\"io\",\"what\":\"disks\",\"why\":"
      "\"no types\"}\n";

static struct inspect_past *past;

static char *
show (enum inspect_form form, const char *text, unsigned *ret_lacks)
{
  char *out = NULL;
  size_t len = 0;
  FILE *to = open_memstream (&out, &len);
  struct inspect_view *v = inspect_view_new (form, to, past);

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
  has (out, "\nSpinning:\nspinlock 0xfe: who has it is not recorded, spun for "
            "by w (5)\n  perhaps CPU 0 has it, with h (8): preemption off, in "
            "code of its module\n");
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
  /* As they are, and what stands out in them behind. */
  assert_memory_equal (out, rows, strlen (rows));
  out[strlen (rows) + 16] = '\0';
  assert_string_equal (out + strlen (rows), "{\"row\":\"finding\"");
  free (out);
}

/* Who is blocked, then who runs, then whoever was given a CPU most often. */
static void
compares_two_looks (void **state)
{
  static const char *const looks[]
      = { "{\"row\":\"system\",\"uptime_s\":9,\"cpus\":2}\n"
          "{\"row\":\"cpu\",\"vcpu\":0,\"at\":\"spin+0x1/0x2\"}\n"
          "{\"row\":\"stack\",\"id\":1,\"frames\":[\"__schedule+0x1/0x2\","
          "\"do_poll+0x3/0x4\"]}\n"
          "{\"row\":\"task\",\"pid\":5,\"comm\":\"idle\",\"state\":\"S\","
          "\"switches\":7,\"stack\":1}\n"
          "{\"row\":\"task\",\"pid\":6,\"comm\":\"busy\",\"state\":\"S\","
          "\"switches\":10}\n"
          "{\"row\":\"task\",\"pid\":7,\"comm\":\"runs\",\"state\":\"R\"}\n"
          "{\"row\":\"task\",\"pid\":8,\"comm\":\"stuck\",\"state\":\"D\"}\n",
          "{\"row\":\"task\",\"pid\":5,\"comm\":\"idle\",\"state\":\"S\","
          "\"switches\":7}\n"
          "{\"row\":\"task\",\"pid\":6,\"comm\":\"busy\",\"state\":\"S\","
          "\"switches\":1000010}\n"
          "{\"row\":\"task\",\"pid\":9,\"comm\":\"new\",\"state\":\"S\"}\n" };
  unsigned lacks;
  char *out;

  past = inspect_past_new ();
  out = show (INSPECT_TOP, looks[0], &lacks);
  assert_non_null (strstr (out, "up 9.0s, 2 CPUs\nvCPU 0, at spin+0x1/0x2\n"));
  assert_true (strstr (out, "stuck") < strstr (out, "runs"));
  assert_true (strstr (out, "runs") < strstr (out, "idle"));
  has (out, "idle   do_poll\n");
  free (out);
  /* A rate needs time between two looks. */
  usleep (2000);
  out = show (INSPECT_TOP, looks[1], &lacks);
  assert_true (strstr (out, "busy") < strstr (out, "idle"));
  assert_true (strstr (out, "idle") < strstr (out, "new"));
  has (out, " 0.0 ");
  free (out);
  inspect_past_free (past);
  past = NULL;
}

/* Idle tasks share a number: one's count is not the other's of before. */
static void
no_rate_of_idle_tasks (void **state)
{
  unsigned lacks;
  const char *line;
  char *out;

  past = inspect_past_new ();
  free (show (INSPECT_TOP,
              "{\"row\":\"task\",\"pid\":0,\"comm\":\"b\",\"switches\":9}\n",
              &lacks));
  usleep (2000);
  out = show (INSPECT_TOP,
              "{\"row\":\"task\",\"pid\":0,\"comm\":\"a1\",\"switches\":1}\n",
              &lacks);
  line = strstr (out, "a1");
  assert_non_null (line);
  while (line > out && line[-1] != '\n')
    assert_int_not_equal (*--line, '.');
  free (out);
  inspect_past_free (past);
  past = NULL;
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
        "{\"row\":\"timers\",\"hrtimers\":3,\"timers\":{\"first\":[]}}\n"
        "{\"row\":\"work\"}\n{\"row\":\"workpool\",\"waiting\":1}\n"
        "{\"row\":\"net\"}\n{\"row\":\"mount\",\"at\":[null,1]}\n"
        "{\"row\":\"module\"}\n{\"row\":\"cpu\",\"waits_for_cpus\":{}}\n"
        "{\"row\":\"lacks\"}\n{\"row\":\"stack\",\"id\":2,\"frames\":[null,3]}\n"
        "{\"row\":\"spinlock\",\"maybe\":[3,null,{}],\"waiters\":1}\n"
        "{\"row\":\"task\",\"stack\":2}\n{\"row\":\"trace_buffer\"}\n"
        "{\"row\":\"trace_cpu\",\"lost\":[]}\n{\"row\":\"trace\"}\n"
        "{\"row\":\"trace\",\"event\":\"x\",\"fields\":[],\"ns\":{}}\n"
        "{\"row\":\"trace\",\"event\":\"x\",\"fields\":{\"a\":null}}\n"
        "{\"row\":\"trace\",\"event\":\"x\",\"frames\":[null,{}]}\n"
        "{\"row\":\"end\"}\n";
  struct inspect_view *v;
  unsigned lacks;

  past = inspect_past_new ();
  for (int form = INSPECT_JSON; form <= INSPECT_TOP; form++)
    free (show ((enum inspect_form) form, odd, &lacks));
  inspect_past_free (past);
  past = NULL;
  v = inspect_view_new (INSPECT_TEXT, stdout, NULL);
  assert_int_equal (inspect_view_lines (v, "[1]\n", 4), -EBADMSG);
  assert_int_equal (inspect_view_lines (v, "{\"a\n", 4), -EBADMSG);
  inspect_view_free (v);
}

/* ---- whose it is ---- */

static void
names_owners (void **state)
{
  static const char of[]
      = "{\"row\":\"task\",\"pid\":1,\"comm\":\"a\",\"cgroup\":\"/x/y\"}\n"
        "{\"row\":\"task\",\"pid\":2,\"comm\":\"b\",\"cgroup\":\"/s/ssh.service\","
        "\"unit\":\"ssh.service\"}\n"
        "{\"row\":\"task\",\"pid\":3,\"comm\":\"c\",\"cgroup\":\"/docker/...\","
        "\"container\":\"0123456789abcdef0123456789abcdef\",\"runtime\":"
        "\"docker\"}\n"
        "{\"row\":\"task\",\"pid\":4,\"comm\":\"d\",\"cgroup\":\"/lxc/...\","
        "\"container\":\"web\",\"runtime\":\"lxc\",\"unit\":\"x.service\"}\n"
        "{\"row\":\"task\",\"pid\":5,\"comm\":\"e\",\"cgroup\":\"/u\",\"session\":"
        "\"c2\",\"user\":\"1000\"}\n"
        "{\"row\":\"task\",\"pid\":6,\"comm\":\"f\",\"cgroup\":\"/m\",\"machine\":"
        "\"box\"}\n"
        "{\"row\":\"task\",\"pid\":7,\"comm\":\"g\",\"cgroup\":\"/p\",\"container\":"
        "\"ab\"}\n";
  unsigned lacks;
  char *out = show (INSPECT_TEXT, of, &lacks);

  has (out, "  a     /x/y\n");
  has (out, "  b     ssh.service\n");
  has (out, "  c     docker:0123456789ab\n");
  has (out, "  d     lxc:web/x.service\n");
  has (out, "  e     session:c2\n");
  has (out, "  f     machine:box\n");
  has (out, "  g     container:ab\n");
  free (out);
}

/* ---- what was traced ---- */

static void
shows_traces (void **state)
{
  static const char trace[]
      = "{\"row\":\"trace_buffer\",\"tracer\":\"nop\",\"on\":true,\"held\":true,"
        "\"clock\":\"local\",\"entries\":4,\"overrun\":2,\"lost\":1,\"cpus\":2}\n"
        "{\"row\":\"trace_cpu\",\"cpu\":0,\"entries\":2,\"overrun\":0,\"lost\":0}\n"
        "{\"row\":\"trace_cpu\",\"cpu\":1,\"entries\":2,\"overrun\":2,\"lost\":1}\n"
        "{\"row\":\"trace\",\"ns\":1234567890,\"cpu\":1,\"pid\":9,\"comm\":\"b\\u001b\","
        "\"flags\":\"d..2.\",\"event\":\"sched_switch\",\"system\":\"sched\","
        "\"fields\":{\"prev_comm\":\"x y\",\"n\":[1,2]}}\n"
        "{\"row\":\"trace\",\"ns\":5,\"cpu\":0,\"pid\":0,\"flags\":\".....\","
        "\"event\":\"print\",\"by\":\"f\",\"text\":\"one\\ntwo\"}\n"
        "{\"row\":\"trace\",\"count\":7,\"cpu\":0,\"pid\":1,\"flags\":\".....\","
        "\"event\":\"kernel_stack\",\"frames\":[\"f+0x1\",\"g+0x2\"]}\n"
        "{\"row\":\"trace\",\"count\":8,\"cpu\":0,\"pid\":1,\"flags\":\".....\","
        "\"type\":99}\n"
        "{\"row\":\"trace_buffer\",\"instance\":\"i\",\"tracer\":\"nop\",\"on\":"
        "false,\"entries\":0}\n";
  unsigned lacks;
  char *out = show (INSPECT_TEXT, trace, &lacks);

  has (out, "\nTrace:\n# tracer: nop, tracing is held up for now, clock local\n"
            "# entries-in-buffer/entries-written: 4/6   #P:2, 1 could not be "
            "written\n# CPU 1: 2 entries, 2 older ones were written over, 1 "
            "could not be written\n");
  has (out, "              b\\e-9       [001] d..2.     1.234568: "
            "sched_switch: prev_comm=x y n=[1,2]\n");
  has (out, "           <...>-0       [000] .....     0.000000: f: one");
  has (out, " .....            7: <stack trace>\n => f+0x1\n => g+0x2\n");
  has (out, "an event of the unknown type 99\n");
  has (out, "# tracer: nop of the instance i, tracing is off\n# the buffer is "
            "empty\n");
  assert_null (strchr (out, '\033'));
  free (out);
}

/* ---- what moved ---- */

static const char moved[]
    = "{\"row\":\"moved\",\"what\":\"guest\",\"apart_s\":2,\"clock_s\":1.9}\n"
      "{\"row\":\"moved\",\"what\":\"cpu\",\"apart_s\":2,\"cpu\":1,\"clock\":"
      "false,\"switches\":8}\n"
      "{\"row\":\"moved\",\"what\":\"vcpu\",\"apart_s\":2,\"vcpu\":0,\"pc\":"
      "false}\n"
      "{\"row\":\"moved\",\"what\":\"task\",\"apart_s\":2,\"pid\":7,\"comm\":"
      "\"w\\u001bits\",\"state\":\"D\",\"switches\":0,\"stuck\":true}\n"
      "{\"row\":\"moved\",\"what\":\"task\",\"apart_s\":2,\"pid\":8,\"comm\":"
      "\"goes\",\"state\":\"D\",\"switches\":4,\"stuck\":false}\n"
      "{\"row\":\"moved\",\"what\":\"request\",\"apart_s\":2,\"disk\":\"vda\","
      "\"queue\":0,\"tag\":3,\"stuck\":true}\n"
      "{\"row\":\"moved\",\"what\":\"requests\",\"apart_s\":2,\"same\":1,"
      "\"answered\":2,\"begun\":3}\n";

static void
tells_stuck_from_slow (void **state)
{
  unsigned lacks;
  char *out = show (INSPECT_TEXT, moved, &lacks);

  has (out, "moved in 2.000 s: cpu 1: 8 switches, its clock STANDS\n");
  has (out, "moved in 2.000 s: vcpu 0: at the same place\n");
  has (out, "its (7) D: 0 switches, STUCK\n");
  has (out, "goes (8) D: 4 switches, slow\n");
  has (out, "request vda queue 0 tag 3: the same, STUCK\n");
  has (out, "requests 2 answered, 3 begun, 1 the same\n");
  assert_null (strchr (out, '\033'));
  free (out);
}

/* A terminal that is narrower than what stands before the last column, which
 * is empty: there is nothing to wrap, and it must not be tried for ever. */
static void
ends_on_a_narrow_terminal (void **state)
{
  static const char *const titles[] = { "A", "B", "LAST", NULL };
  const char *cells[] = { "a name", NULL, "" };
  struct winsize ws = { .ws_row = 20, .ws_col = 50 };
  struct table *t = table_new (titles);
  char wide[120], seen[8192];
  int ours = posix_openpt (O_RDWR | O_NOCTTY), theirs;
  ssize_t n, got;
  FILE *to;

  assert_true (ours >= 0 && grantpt (ours) == 0 && unlockpt (ours) == 0);
  theirs = open (ptsname (ours), O_RDWR | O_NOCTTY);
  assert_int_equal (ioctl (theirs, TIOCSWINSZ, &ws), 0);
  to = fdopen (theirs, "w");
  memset (wide, 'x', sizeof wide);
  wide[sizeof wide - 1] = '\0';
  cells[1] = wide;
  alarm (60);
  table_row (t, cells);
  cells[2] = "and a last one";
  table_row (t, cells);
  table_print (t, to);
  print_paragraph (to, wide, "a paragraph behind a label that is too long");
  fflush (to);
  for (n = 0, seen[0] = '\0'; !strstr (seen, "too long\r\n");
       n += got, seen[n] = '\0')
    {
      got = read (ours, seen + n, sizeof seen - 1 - (size_t) n);
      assert_true (got > 0);
    }
  alarm (0);
  assert_non_null (strstr (seen, "\r\n    and a last one\r\n"));
  table_free (t);
  fclose (to);
  close (ours);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (shows_people),
    cmocka_unit_test (folds),
    cmocka_unit_test (passes_json_on),
    cmocka_unit_test (compares_two_looks),
    cmocka_unit_test (names_owners),
    cmocka_unit_test (shows_traces),
    cmocka_unit_test (takes_anything),
    cmocka_unit_test (ends_on_a_narrow_terminal),
    cmocka_unit_test (no_rate_of_idle_tasks),
    cmocka_unit_test (tells_stuck_from_slow),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
