/* SPDX-License-Identifier: Apache-2.0
 *
 * Collector monitor with a real QEMU, and what answers mean that none gives
 * here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define PLAY_REAL_CLOCK 1
#include "play.h"

#include "base/cleanup.h"
#include "base/opener.h"
#include "diag/collect/qmp.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/until.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"

static struct tmpdir tmp = { .fd = -1 };
static pid_t qemu;

/* ---- a real one, without anything in it ---- */

static void
exec_qemu (const char *folder)
{
  char qmp[128], disk[160];
  const char *argv[]
      = { QEMU, "-machine", "pc,accel=tcg", "-m", "32", "-nodefaults",
          "-display", "none", "-vga", "std", "-chardev",
          "null,id=charserial0", "-device", "isa-serial,chardev=charserial0",
          "-drive", disk, "-device",
          "virtio-blk-pci,drive=root,id=virtio-disk0", "-qmp", qmp, NULL };

  snprintf (qmp, sizeof qmp, "unix:%s/qmp,server=on,wait=off", folder);
  snprintf (disk, sizeof disk,
            "file=%s/root.raw,format=raw,if=none,id=root,"
            "throttling.iops-total=100,stats-intervals.0=600",
            folder);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  execv (QEMU, (char *const *) (uintptr_t) argv);
  _exit (1);
}

/* There is a moment in which the socket is there and nobody listens. */
static bool
listens (const char *path)
{
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  CLEANUP_CLOSE int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  snprintf (at.sun_path, sizeof at.sun_path, "%s", path);
  return connect (fd, (struct sockaddr *) &at, sizeof at) == 0;
}

static int
start (void **state)
{
  char image[96], sock[96];

  if (access (QEMU, X_OK) < 0)
    return 0;
  assert_int_equal (tmpdir_make (&tmp), 0);
  snprintf (image, sizeof image, "%s/root.raw", tmp.path);
  snprintf (sock, sizeof sock, "%s/qmp", tmp.path);
  assert_int_equal (tmpdir_put (tmp.fd, "root.raw", "", 0), 0);
  assert_int_equal (truncate (image, 1 << 20), 0);
  qemu = fork ();
  if (qemu == 0)
    exec_qemu (tmp.path);
  UNTIL (listens (sock));
  return 0;
}

static int
stop (void **state)
{
  if (qemu > 0)
    {
      kill (qemu, SIGKILL);
      waitpid (qemu, NULL, 0);
    }
  tmpdir_done (&tmp);
  return 0;
}

static struct guest
guest (void)
{
  static struct guest_console consoles[1];
  struct guest g = { .name = "vm", .display = "vm", .monitor = MONITOR_UNIX,
                     .consoles = consoles, .nconsoles = 1 };

  memset (consoles, 0, sizeof consoles);
  snprintf (consoles[0].alias, sizeof consoles[0].alias, "charserial0");
  snprintf (g.inc.uuid, sizeof g.inc.uuid, "u");
  snprintf (g.monitor_root, sizeof g.monitor_root, "%s", tmp.path);
  snprintf (g.monitor_path, sizeof g.monitor_path, "qmp");
  g.inc.pid = qemu;
  if (qemu > 0)
    assert_int_equal (proc_start_time (qemu, &g.inc.start_time, NULL), 0);
  return g;
}

static size_t
count (const char *text, const char *what)
{
  size_t n = 0;

  for (const char *p = text; (p = strstr (p, what)); p++)
    n++;
  return n;
}

static void
asks_all (void **state)
{
  struct transport_env env = { opener_local (), NULL, NULL };
  struct error err = ERROR_INIT;
  struct haul *h = NULL;
  uint64_t until = clock_ms () + UNTIL_MS;
  struct guest g;
  const char *said;

  if (!qemu)
    skip ();
  g = guest ();
  /* On a machine that is busy 2 s may be too short for all of them. */
  do
    {
      if (h)
        haul_free (h);
      h = haul_new ();
      if (collect (&collect_monitor, &g, &env, NULL, h, &err) < 0)
        fail_msg ("%s", err.msg);
    }
  while (count (buf_str (&h->gaps), "qmp/transcript") > 0
         && clock_ms () < until);
  said = file_of (h, "qmp/transcript.jsonl");
  for (const struct qmp_question *q = qmp_questions; q->name; q++)
    if (count (said, q->execute) < (q->twice ? 2 : 1))
      fail_msg ("%s: %s\n%s", q->name, buf_str (&h->gaps), said);
  /* Registers, but none where keys are. */
  assert_non_null (strstr (said, "EIP="));
  assert_null (strstr (said, "XMM00"));
  assert_string_equal (text_of (h, "vmm.status"), "running");
  assert_int_equal (int_of (h, "disk.root.throttled"), 1);
  assert_string_equal (text_of (h, "disk.root.io_status"), "ok");
  assert_non_null (fact_of (h, "vcpu.0.moved"));
  assert_non_null (fact_of (h, "vcpu.0.halted"));
  assert_int_equal (int_of (h, "console.guest_open"), 1);
  assert_non_null (strstr (buf_str (&h->impact), "socket held for"));
  said = file_of (h, "metrics/vm.otlp.jsonl");
  assert_int_equal (count (strstr (said, "\"vm.disk.io\""),
                           "\"stringValue\":\"root\""), 4);
  haul_free (h);
}

/* What a step names. */
static void
asks_what_it_is_told (void **state)
{
  struct transport_env env = { opener_local (), NULL, NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  struct guest g;
  const char *said;

  if (!qemu)
    skip ();
  g = guest ();
  if (collect (&collect_qmp, &g, &env,
               "{\"commands\":[\"query-version\",\"query-no-such\","
               "\"info registers\"]}",
               h, &err)
      < 0)
    fail_msg ("%s", err.msg);
  said = file_of (h, "qmp/asked.jsonl");
  assert_int_equal (count (said, "\n"), 3);
  assert_non_null (strstr (said, "\"major\""));
  assert_non_null (strstr (said, "EIP="));
  assert_null (strstr (said, "XMM00"));
  assert_non_null (strstr (buf_str (&h->gaps), "query-no-such: "));
  assert_non_null (strstr (buf_str (&h->impact), "3 questions"));
  haul_free (h);
  /* Raw commands, and nobody said so. */
  g.monitor = MONITOR_LIBVIRT;
  h = haul_new ();
  assert_int_equal (collect (&collect_qmp, &g, &env,
                             "{\"commands\":[\"query-version\"]}", h, &err),
                    -EACCES);
  haul_free (h);
}

static void
takes_a_picture (void **state)
{
  struct transport_env env = { opener_local (), NULL, NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  struct guest g;

  if (!qemu)
    skip ();
  g = guest ();
  if (collect (&collect_screen, &g, &env, NULL, h, &err) < 0)
    fail_msg ("%s", err.msg);
  assert_int_equal (h->nfiles, 1);
  assert_memory_equal (file_of (h, "screen/screen.png"), "\x89PNG", 4);
  assert_true (h->files[0].data.len > 100);
  haul_free (h);
}

/* What a guest may not survive is done where the configuration names it. */
static void
not_without_leave (void **state)
{
  struct transport_env env = { opener_local (), NULL, NULL };
  struct haul *h = haul_new ();
  struct error err = ERROR_INIT;
  struct guest g;

  if (!qemu)
    skip ();
  g = guest ();
  env.intrusive = INTRUSIVE_GDB;
  assert_int_equal (collect (&collect_nmi, &g, &env, NULL, h, &err), -EPERM);
  env.intrusive = INTRUSIVE_NMI;
  assert_int_equal (collect (&collect_gdb, &g, &env, NULL, h, &err), -EPERM);
  assert_int_equal (h->impact.len, 0);
  if (collect (&collect_nmi, &g, &env, NULL, h, &err) < 0)
    fail_msg ("%s", err.msg);
  assert_non_null (strstr (buf_str (&h->impact), "sent the guest an NMI"));
  haul_free (h);
}

/* ---- how long its requests take ---- */

static void
order (struct collect_ctx *ctx, const char *command, const char *args)
{
  struct error err = ERROR_INIT;

  if (sysrq_ask_monitor (ctx, command, json_tokener_parse (args), &err) < 0)
    fail_msg ("%s: %s", command, err.msg);
}

static struct haul *
read_between (struct collect_ctx *ctx)
{
  struct qmp_said was = { NULL, 0 }, now = { NULL, 0 };
  struct haul *h = haul_new ();

  ctx->out = &h->out;
  qmp_round (ctx, false, false, &was);
  order (ctx, "human-monitor-command",
         "{'command-line':'qemu-io root \"aio_read 0 4k\"'}");
  order (ctx, "human-monitor-command",
         "{'command-line':'qemu-io root aio_flush'}");
  qmp_round (ctx, false, true, &now);
  qmp_facts (ctx, was.said, now.said);
  json_object_put (was.said);
  json_object_put (now.said);
  return h;
}

/* Somebody has QEMU count; a request is done between the looks. */
static void
counts_of_a_real_one (void **state)
{
  struct transport_env env = { opener_local (), NULL, NULL };
  struct guest g;
  struct collect_ctx ctx = { .guest = &g, .env = &env };
  struct haul *h;

  if (!qemu)
    skip ();
  g = guest ();
  ctx.deadline = clock_ms () + UNTIL_MS;
  h = read_between (&ctx);
  assert_null (fact_of (h, "disk.root.slowest_ms"));
  assert_string_equal (file_of (h, "monitor/latency.txt"), "(none)");
  assert_true (fact_of (h, "disk.root.longest_ms")->d > 0);
  order (&ctx, "block-latency-histogram-set",
         "{'id':'/machine/peripheral/virtio-disk0/virtio-backend',"
         "'boundaries':[2000,3600000000000]}");
  haul_free (h);
  h = read_between (&ctx);
  assert_true (fact_of (h, "disk.root.slowest_ms")->d == 0.002);
  assert_true (fact_of (h, "disk.root.latency_ms")->d >= 0.002);
  assert_non_null (strstr (file_of (h, "monitor/latency.txt"),
                           "root, read: "));
  assert_non_null (strstr (file_of (h, "monitor/latency.txt"), "  +1\n"));
  haul_free (h);
}

/* ---- what they mean ---- */

static struct haul *
facts (const struct guest *g, const char *was, const char *now)
{
  CLEANUP_JSON struct json_object *a = was ? json_tokener_parse (was) : NULL;
  CLEANUP_JSON struct json_object *b = json_tokener_parse (now);
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = g, .out = &h->out };

  assert_non_null (b);
  qmp_facts (&ctx, a, b);
  return h;
}

#define STATS(ops, ns, exits, halts)                                          \
  "{'blockstats':[{'device':'root','stats':{'rd_operations':" #ops            \
  ",'rd_total_time_ns':" #ns "}}],'vcpu-stats':[{'provider':'kvm','stats':[{" \
  "'name':'exits','value':" #exits "},{'name':'halt_exits','value':" #halts   \
  "}]}]}"

static void
what_moved (void **state)
{
  struct guest g = { .nconsoles = 0 };
  struct haul *h = facts (&g, STATS (10, 1000000, 100, 9),
                          STATS (14, 9000000, 170, 9));
  const struct fact *f = fact_of (h, "disk.root.latency_ms");

  assert_true (f && f->d > 1.9 && f->d < 2.1);
  assert_int_equal (int_of (h, "vcpu.0.exits"), 70);
  assert_int_equal (int_of (h, "vcpu.0.halts"), 0);
  haul_free (h);
  /* Nothing was done; and numbers that fall are another life's. */
  h = facts (&g, STATS (10, 5, 5, 5), STATS (10, 5, 4, 5));
  assert_null (fact_of (h, "disk.root.latency_ms"));
  assert_null (fact_of (h, "vcpu.0.exits"));
  haul_free (h);
}

#define BINS(bounds, bins)                                                    \
  "{'blockstats':[{'device':'root','stats':{'wr_latency_histogram':{"         \
  "'boundaries':[" bounds "],'bins':[" bins "]}}}]}"

static void
how_long_it_takes (void **state)
{
  struct guest g = { .nconsoles = 0 };
  struct haul *h = facts (&g, BINS ("1000000,50000000", "5,6,7"),
                          BINS ("1000000,50000000", "9,8,7"));

  /* The slowest of those that moved, not of those that there are. */
  assert_true (fact_of (h, "disk.root.slowest_ms")->d == 1.0);
  assert_non_null (strstr (file_of (h, "monitor/latency.txt"), "root, write"));
  assert_non_null (strstr (file_of (h, "monitor/latency.txt"), "  +4\n"));
  haul_free (h);
  h = facts (&g, BINS ("1000000,50000000", "5,6,7"),
             BINS ("1000000,50000000", "5,6,8"));
  assert_true (fact_of (h, "disk.root.slowest_ms")->d == 50.0);
  haul_free (h);
  /* Set anew in between: nothing is known of what moved. */
  h = facts (&g, BINS ("1000000,40000000", "5,6,7"),
             BINS ("1000000,50000000", "6,7,8"));
  assert_null (fact_of (h, "disk.root.slowest_ms"));
  haul_free (h);
  h = facts (&g, BINS ("9", "1,1"), BINS ("", "5"));
  assert_null (fact_of (h, "disk.root.slowest_ms"));
  haul_free (h);
  h = facts (&g, BINS ("1000000,50000000", "5,6,7"),
             BINS ("1000000,50000000", "5,6,3"));
  assert_null (fact_of (h, "disk.root.slowest_ms"));
  assert_null (strstr (file_of (h, "monitor/latency.txt"), "+-"));
  haul_free (h);
  /* Of no shape. */
  h = facts (&g, BINS ("9,8", "1,1,1"), BINS ("9,8", "2,2,2"));
  assert_int_equal (h->nfacts + h->nfiles, 0);
  haul_free (h);
  h = facts (&g, BINS ("9", "1"), BINS ("9,'x'", "2,null,-3"));
  assert_int_equal (h->nfacts + h->nfiles, 0);
  haul_free (h);
  /* The longest of its intervals. */
  h = facts (&g, NULL,
             "{'blockstats':[{'device':'root','stats':{'timed_stats':[{"
             "'interval_length':60,'max_rd_latency_ns':7000000,"
             "'max_wr_latency_ns':9000000},{'max_wr_latency_ns':'x'},[]]}}]}");
  assert_true (fact_of (h, "disk.root.longest_ms")->d == 9.0);
  haul_free (h);
}

static void
what_it_says (void **state)
{
  struct guest g = { .nconsoles = 0 };
  struct haul *h = facts (
      &g, NULL,
      "{'block':[{'device':'a','io-status':'nospace','inserted':{'iops':0,"
      "'drv':'qcow2'}},"
      "{'device':'b','io-status':'\\u001b[2J','inserted':{'bps_wr':9,"
      "'drv':'throttle'}}],"
      "'jobs':[{'type':'mirror','status':'running'}],"
      "'migration':{'status':'active'},'registers':'nothing'}");

  assert_string_equal (text_of (h, "disk.a.io_status"), "nospace");
  assert_int_equal (int_of (h, "disk.a.throttled"), 0);
  assert_string_equal (text_of (h, "disk.b.io_status"), "(none)");
  assert_int_equal (int_of (h, "disk.b.throttled"), 1);
  assert_string_equal (text_of (h, "disk.a.image_format"), "qcow2");
  /* A filter: what is below it nobody said. */
  assert_null (fact_of (h, "disk.b.image_format"));
  assert_string_equal (text_of (h, "vmm.job"), "mirror running");
  assert_string_equal (text_of (h, "vmm.migration"), "active");
  assert_null (fact_of (h, "vcpu.0.moved"));
  haul_free (h);
  /* Answers that are of no shape at all. */
  h = facts (&g, "[]", "{'block':{},'jobs':7,'migration':[],'chardev':null,"
                       "'blockstats':[[],null],'vcpu-stats':[null],"
                       "'registers':{},'libvirt':[]}");
  assert_int_equal (h->nfacts, 0);
  haul_free (h);
}

static void
what_libvirt_says (void **state)
{
  struct guest g = { .nconsoles = 0 };
  struct haul *h = facts (
      &g,
      "{'libvirt':{'stats':{'block.0.name':'vda','block.0.rd.reqs':1,"
      "'block.0.rd.times':0,'vcpu.1.exits.sum':4}}}",
      "{'libvirt':{'stats':{'block.0.name':'vda','block.0.rd.reqs':2,"
      "'block.0.rd.times':5000000,'vcpu.1.exits.sum':6},"
      "'disk_errors':{'vda':'failed'},'io_tune':{'vda':{'throttled':true}},"
      "'job':'unbounded'}}");

  assert_string_equal (text_of (h, "disk.vda.io_status"), "failed");
  assert_int_equal (int_of (h, "disk.vda.throttled"), 1);
  assert_int_equal (int_of (h, "vcpu.1.exits"), 2);
  assert_string_equal (text_of (h, "vmm.job"), "unbounded");
  assert_true (fact_of (h, "disk.vda.latency_ms")->d > 4.9);
  haul_free (h);
}

/* A point of each round, at the time of that round. */
static void
what_is_counted (void **state)
{
  static const char *const libvirt
      = "{'libvirt':{'stats':{'block.0.name':'vda','block.0.wr.bytes':4096,"
        "'block.0.rd.bytes':-7,'vcpu.1.exits.sum':6}}}";
  struct guest g = { .nconsoles = 0 };
  struct haul *h = haul_new ();
  struct collect_ctx ctx = { .guest = &g, .out = &h->out };
  struct qmp_said was = { json_tokener_parse (STATS (10, 5, 100, 9)),
                          clock_us () - 3000000 };
  struct qmp_said now = { json_tokener_parse (STATS (14, 9, 170, 9)),
                          clock_us () };
  unsigned long long at[2] = { 0, 0 };
  const char *said;

  qmp_metrics (&ctx, &was, &now);
  said = strstr (file_of (h, "metrics/vm.otlp.jsonl"), "vm.disk.operations");
  assert_non_null (said);
  for (size_t i = 0; i < 2; i++, said++)
    {
      said = strstr (said, "\"timeUnixNano\":\"");
      assert_int_equal (sscanf (said, "\"timeUnixNano\":\"%llu", &at[i]), 1);
      assert_non_null (strstr (said, i ? "\"asDouble\":14" :
                                         "\"asDouble\":10"));
    }
  assert_true (at[1] - at[0] > 2900000000ull && at[1] - at[0] < 3100000000ull);
  said = file_of (h, "metrics/vm.otlp.jsonl");
  /* What is counted has begun before it is read. */
  said = strstr (said, "\"startTimeUnixNano\":\"");
  assert_int_equal (sscanf (said, "\"startTimeUnixNano\":\"%llu", &at[1]), 1);
  assert_true (at[1] <= at[0]);
  assert_int_equal (count (said, "\"vm.vcpu.exits\""), 1);
  assert_non_null (strstr (said, "\"asDouble\":170"));
  assert_null (strstr (said, "vm.disk.io\""));
  haul_free (h);
  json_object_put (was.said);
  json_object_put (now.said);
  /* libvirt's, and nothing at all. */
  h = haul_new ();
  ctx.out = &h->out;
  was = (struct qmp_said){ json_tokener_parse (libvirt), clock_us () };
  now = (struct qmp_said){ json_tokener_parse ("{'blockstats':[7,[],{}],"
                                               "'vcpu-stats':{}}"),
                           clock_us () };
  qmp_metrics (&ctx, &was, &now);
  said = file_of (h, "metrics/vm.otlp.jsonl");
  assert_non_null (strstr (said, "\"asDouble\":4096"));
  assert_non_null (strstr (said, "\"vm.vcpu.exits\""));
  haul_free (h);
  json_object_put (was.said);
  h = haul_new ();
  ctx.out = &h->out;
  was = (struct qmp_said){ NULL, 0 };
  qmp_metrics (&ctx, &was, &now);
  assert_int_equal (h->nfiles, 0);
  haul_free (h);
  json_object_put (now.said);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (asks_all),
    cmocka_unit_test (asks_what_it_is_told),
    cmocka_unit_test (takes_a_picture),
    cmocka_unit_test (not_without_leave),
    cmocka_unit_test (counts_of_a_real_one),
    cmocka_unit_test (what_moved),
    cmocka_unit_test (how_long_it_takes),
    cmocka_unit_test (what_it_says),
    cmocka_unit_test (what_libvirt_says),
    cmocka_unit_test (what_is_counted),
  };

  return cmocka_run_group_tests (tests, start, stop);
}
