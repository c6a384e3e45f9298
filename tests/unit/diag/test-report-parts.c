/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a bundle's page: what each kind of incident shows, that
 * evidence leads to its line, that three clocks are one, and that whatever
 * the size of what a guest said, the page has a bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/diag/report-bed.h"

#include "base/clock.h"
#include "controller-proto/sha256.h"
#include "diag/report/graph.h"

/* ---- the style that the policy allows is the page's ---- */

static void
base64_of_hex (const char *hex, char *dst)
{
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                                "qrstuvwxyz0123456789+/";
  unsigned char raw[33] = { 0 };

  for (unsigned i = 0; i < 32; i++)
    sscanf (hex + 2 * i, "%2hhx", &raw[i]);
  for (unsigned i = 0; i < 33; i += 3)
    {
      unsigned v = (unsigned) raw[i] << 16 | (unsigned) raw[i + 1] << 8
                   | raw[i + 2];

      *dst++ = letters[v >> 18];
      *dst++ = letters[v >> 12 & 63];
      *dst++ = letters[v >> 6 & 63];
      *dst++ = letters[v & 63];
    }
  dst[-1] = '=';
  *dst = '\0';
}

static void
style_is_allowed (void **state)
{
  char hex[SHA256_HEX], must[64] = "sha256-";
  struct sha256 *sum;

  assert_int_equal (sha256_new (&sum, NULL), 0);
  sha256_add (sum, report_style, strlen (report_style));
  sha256_end (sum, hex);
  sha256_free (sum);
  base64_of_hex (hex, must + 7);
  assert_string_equal (report_style_hash, must);
}

/* ---- what each kind shows ---- */

/* A value that fills its place: 159 characters. */
#define FILLS53 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FILLS FILLS53 FILLS53 FILLS53

struct kind
{
  const char *name, *manifest;
  struct file files[6];
  const char *has[9], *has_not[4];
};

#define INCIDENT(class_, more)                                                \
  "{\"incident\":{\"id\":\"i\",\"guest\":\"web\",\"opened_ms\":"              \
  "1767323045000,\"collected_ms\":1767323050000,\"last_ok_ms\":"             \
  "1767323015000,\"opened\":\"2026-01-02T03:04:05.000Z\",\"verdict\":{"       \
  "\"class\":\"" class_ "\"" more

static const struct kind kinds[] = {
  { .name = "panic",
    .manifest = INCIDENT ("kernel-panic",
                          ",\"culprit\":\"f [m]\",\"evidence\":[{\"name\":"
                          "\"kernel.event.panic\",\"source\":\"console\","
                          "\"value\":\"panic in f\"}]}}}"),
    .files = { { "kernel/events.jsonl",
                 "{\"title\":\"panic in f\",\"severity\":\"fatal\",\"time\":"
                 "\"2026-01-02T03:04:04.000Z\",\"last_ms\":4000,\"stamp\":9.5,"
                 "\"first_text\":\"[    9.500000] Kernel panic - x\"}\n" },
               { "console/tail.log", "one\n[    9.500000] Kernel panic - x\n" },
               { "memory/dmesg.txt",
                 "[    5.000000] early\n[    9.250000] late\n" } },
    .has = { "class=\"card bad\"", "console/tail.log:2</a>",
             "class=\"hit\" id=\"L",
             /* 9.5 s of its clock were 03:04:04.000 of ours. */
             "title=\"2026-01-02T03:04:03.750Z\"",
             "title=\"2026-01-02T03:03:59.500Z\"", "panic in f" },
    .has_not = { "id=\"waits\"", "id=\"census\"", "id=\"children\"" } },
  { .name = "lockup",
    .manifest = INCIDENT ("hard-lockup", "}}}"),
    .files = { { "memory/look.jsonl",
                 "{\"row\":\"stack\",\"id\":1,\"frames\":[\"spin+0x1/0x2\"]}\n"
                 "{\"row\":\"cpu\",\"vcpu\":0,\"irqs_off\":true,\"pid\":9,"
                 "\"comm\":\"loop\",\"stack\":1}\n"
                 "{\"row\":\"moved\",\"what\":\"cpu\",\"cpu\":0,"
                 "\"clock\":false,\"switches\":0}\n" } },
    .has = { "runs, takes no interrupts", "<code>spin</code>",
             "clock stands still", "id=\"waits\"" },
    .has_not = { "id=\"census\"", "marker" } },
  { .name = "which machine",
    .manifest = INCIDENT ("slow", ",\"evidence\":[{\"name\":\"net.arp\","
                          "\"source\":\"net\",\"value\":\"none\"}]}},"
                          "\"guest\":{\"vcpus\":2,\"cpu\":\"<host>\","
                          "\"memory_bytes\":268435456,\"machine\":\"q35\","
                          "\"accel\":\"kvm\"},\"facts\":[{\"name\":"
                          "\"kernel.release\",\"value\":\"6.1.0\","
                          "\"time_ms\":2},{\"name\":\"kernel.release\","
                          "\"value\":\"5.10\",\"time_ms\":1}],\"host\":"
                          "{\"name\":\"edge-1\",\"cpus\":1,\"mem_bytes\":"
                          "1073741824},\"collectors\":[{\"name\":\"net\","
                          "\"ok\":true,\"began_ms\":0,\"took_ms\":9},"
                          "{\"name\":\"disk\",\"ok\":true}],\"gaps\":[{"
                          "\"collector\":\"net\",\"what\":\"x\","
                          "\"why\":\"y\"}],\"impact\":[{\"what\":\"a\"}],"
                          "\"vm_paused_ms\":1500}"),
    .has = { "2 CPUs (&lt;host&gt;), 256MiB, q35, kvm, kernel 6.1.0</p>",
             "edge-1, 1 CPU, 1GiB</p>", ">who looked</text>",
             "who answers by ARP for the guest", "got</td></tr>",
             "got, <a href=\"#gaps\">but not all</a>", "id=\"gaps\"",
             "<strong>1.5 s</strong> at most" } },
  { .name = "what hangdog typed itself",
    .manifest = INCIDENT ("slow", "}}}"),
    .files = { { "console/tail.log", "one\ntwo\nthree\nfour\n" },
               { "console/index.jsonl",
                 "{\"offset\":0,\"line\":4,\"mono_ms\":1}\n"
                 "{\"offset\":4,\"end\":9,\"line\":2,\"last_line\":3,"
                 "\"typed_by\":\"hangdog\"}\n{\"line\":4,\"last_line\":1,"
                 "\"typed_by\":\"hangdog\"}\n" } },
    .has = { "-2\">2</a>two", "itself typed", "class=\"ours\" id=\"L7-2",
             "class=\"ours\" id=\"L7-3" },
    .has_not = { "class=\"ours\" id=\"L7-1", "class=\"ours\" id=\"L7-4" } },
  /* Nothing rests on what was only said around then. */
  { .name = "said around then",
    .manifest = INCIDENT ("slow", "}},\"clock\":{\"utc\":"
                          "\"2026-01-02T03:04:06.000Z\",\"monotonic_ms\":"
                          "6000},\"facts\":[{\"name\":\"kernel.clock_moved\","
                          "\"value\":true,\"source\":\"memory\","
                          "\"time_ms\":5500}]}"),
    .files = { { "memory/look.jsonl", "{\"row\":\"system\",\"clock_s\":5}\n" },
               { "memory/dmesg.txt", "[    4.250000] late\n" } },
    .has = { "memory/dmesg.txt:1</a>", ">[    4.250000] late" },
    .has_not = { "class=\"hit\"" } },
  /* Of a clock that stands nobody knows when it stopped; no registers. */
  { .name = "its clock stood",
    .manifest = INCIDENT (
        "vmm-stuck", "}},\"facts\":[{\"name\":\"kernel.clock_moved\","
                     "\"value\":false,\"source\":\"memory\",\"time_ms\":5},"
                     "{\"name\":\"vmm.status\",\"value\":\"running\","
                     "\"source\":\"monitor\",\"time_ms\":4}]}"),
    .files = { { "memory/look.jsonl",
                 "{\"row\":\"system\",\"clock_s\":9.5}\n"
                 "{\"row\":\"cpu\",\"cpu\":1,\"pid\":0,\"comm\":"
                 "\"swapper/1\"}\n{\"row\":\"cpu\",\"vcpu\":2,"
                 "\"at\":\"stop+0x1/0x2\"}\n" },
               { "memory/dmesg.txt", "[    9.250000] late words\n" } },
    .has = { "stood still when it was read", "QEMU said: running",
             "<td class=\"num\">1</td><td><small>not known</small>",
             "nobody gave its registers",
             "<small>not known</small></td><td class=\"frames\"><code>stop" },
    .has_not = { "is told in the host", "(-1)", ">-1<" } },
  { .name = "storage",
    .manifest = INCIDENT ("storage-stalled", "}},\"ladder\":[{\"facet\":"
                          "\"block\",\"state\":\"dead\",\"evidence\":"
                          "\"memory: disk.any_moved no\"},{\"facet\":\"host\","
                          "\"state\":\"alive\"}]}"),
    .files = { { "memory/look.jsonl",
                 "{\"row\":\"x\"}\n{\"row\":\"request\",\"disk\":\"vda\","
                 "\"op\":\"read\",\"bytes\":4096,\"age_s\":14.8}\n" } },
    .has = { "for <strong>14.8 s</strong>", "class=\"facet dead here\"",
             "memory/look.jsonl:2</a>", "the kernel's services" },
    .has_not = { "id=\"census\"" } },
  { .name = "host",
    .manifest = INCIDENT ("storage-stalled",
                          "}},\"children\":[{\"incident\":"
                          "\"11111111-2222-4333-8444-555555555555\","
                          "\"guest\":"
                          "\"web\",\"class\":\"io-error\"},{\"incident\":"
                          "\"c2\",\"guest\":\"db\",\"class\":\"slow\"}]}"),
    .has = { "2 guests failed together", "<td><code>c2</code></td>",
             "<a href=\"../11111111-2222-4333-8444-555555555555/"
             "index.html\">",
             "<a href=\"#children\">" },
    .has_not = { "id=\"ladder\"" } },
  { .name = "one of several",
    .manifest = INCIDENT ("slow", "},\"parent\":"
                          "\"11111111-2222-4333-8444-555555555555\"}}"),
    .has = { "the incident of the host is <a href=\"../11111111-2222-4333-"
             "8444-555555555555/index.html\">" } },
  /* What two say is told once; what a fact means, and in which unit. */
  { .name = "said twice",
    .manifest = INCIDENT (
        "slow", ",\"evidence\":[{\"name\":\"mem.available\",\"value\":"
                "\"0.25\",\"source\":\"memory\"},{\"name\":\"host.load1\","
                "\"value\":\"7\",\"source\":\"host\"},{\"name\":"
                "\"mem.available\",\"value\":\"0.25\",\"source\":"
                "\"inside\"}]}},\"facts\":[{\"name\":\"tasks.blocked_s\","
                "\"value\":17.5,\"source\":\"memory\"}],\"collectors\":["
                "{\"name\":\"one\",\"skipped\":\"vmm == alive\"},{"
                "\"name\":\"two\",\"skipped\":\"vmm == alive\"}]}"),
    .files = { { "inside/meminfo.txt", "MemAvailable: 1 kB\n" } },
    .has = { "25 %</code> <small>by memory</small> <small>, and by inside"
             "</small>  <a class=\"at\"",
             "7 tasks</code>", "title=\"memory", ">17.5 s<",
             "<strong>one</strong>, <strong>two</strong>: it is not so that "
             "<code>vmm == alive</code>" },
    .has_not = { "<small>by inside" } },
  { .name = "boot",
    .manifest = INCIDENT ("boot-stuck",
                          ",\"next\":\"Read console/tail.log, its end.\","
                          "\"confidence\":\"low\"}}}"),
    .files = { { "console/tail.log", "(initramfs) \n" } },
    .has = { "Read <a class=\"at\" href=\"#L4-1\">console/tail.log:1</a>",
             "a suspicion", "last seen well before that by 30.0 s" } },
  { .name = "paused",
    .manifest = INCIDENT ("paused", "}}}"),
    .has = { "class=\"card calm\"" } },
  { .name = "unknown",
    .manifest = INCIDENT ("unknown", "}},\"questions\":[{\"about\":\"vcpu\","
                          "\"why\":\"nobody asked\"}]}"),
    .has = { "class=\"card doubt\"", "<strong>vcpu</strong>: nobody asked",
             "nobody is named" } },
  /* What "not there, and why" tells is not told twice; nor does it take the
   * reason from the one before it. */
  { .name = "told as a gap",
    .manifest = INCIDENT (
        "unknown", "}},\"gaps\":[{\"collector\":\"agent\",\"what\":"
                   "\"channel\",\"why\":\"none\"},{\"what\":\"channel\","
                   "\"why\":\"none\"},{\"collector\":\"ssh\",\"what\":"
                   "\"\",\"why\":\"none\"},{\"collector\":\"net\",\"what\":"
                   "\"chan\",\"why\":\"none\"},{\"collector\":\"vcpu\",\"what\":"
                   "\"another\",\"why\":\"none\"}],\"questions\":["
                   "{\"about\":\"ticks\",\"why\":\"channel: none\"},"
                   "{\"about\":\"agent\",\"why\":\"channel: none\"},"
                   "{\"about\":\"net\",\"why\":\"channel: none\"},"
                   "{\"about\":\"vcpu\",\"why\":\"channel: none\"},"
                   "{\"about\":\"agent\",\"why\":\"channel: none\"},"
                   "{\"about\":\"ssh\",\"why\":\": none\"},"
                   "{\"about\":\"agent\",\"why\":\"nobody asked\"}]}"),
    .has = { "<li><strong>ticks</strong>, <strong>net</strong>, <strong>vcpu"
             "</strong>: channel: none</li><li><strong>ssh</strong>: : none"
             "</li>",
             "<li><strong>agent</strong>: nobody asked</li>" },
    .has_not = { "<strong>agent</strong>: channel", "<strong>agent</strong>,",
                 ", <strong>agent" } },
  /* The same fact with another value is another evidence. */
  { .name = "said otherwise",
    .manifest = INCIDENT (
        "slow", ",\"evidence\":[{\"name\":\"mem.available\",\"value\":"
                "\"0.25\",\"source\":\"memory\"},{\"name\":"
                "\"mem.available\",\"value\":\"0.5\",\"source\":"
                "\"inside\"},{\"name\":\"mem.total\",\"value\":"
                "\"0.5\",\"source\":\"inside\"},{\"text\":\"first\"},"
                "{\"name\":\"x\",\"value\":\"" FILLS "\"},"
                "{\"text\":\"second\"}]}}}"),
    .has = { "25 %</code>", "50 %</code>", "mem.total", "first", "second",
             FILLS "...</code>" },
    .has_not = { "and by" } },
  { .name = "pressed",
    .manifest = INCIDENT ("host-starved", "}}}"),
    .files = { { "host/pressure-cpu",
                 "some avg10=81.00 avg60=7.25 avg300=1.00 total=9\n" },
               { "host/loadavg", "4.00 2.00 1.00 1/2 3\n" } },
    .has = { "host: waits for CPU", "81 %", "rect class=\"high\"",
             "host: load" } },
  { .name = "SysRq",
    .manifest = INCIDENT ("lock-deadlock", "}}}"),
    .files = { { "sysrq/w.txt",
                 "sysrq: Show Blocked State\n"
                 "[   10.000000] task:alpha           state:D stack:0     "
                 "pid:7     ppid:2      flags:0x00004000\n"
                 "[   10.000001] Call Trace:\n"
                 "[   10.000002]  <TASK>\n"
                 "[   10.000003]  __schedule+0x1/0x2\n"
                 "[   10.000004]  f_waits+0x1/0x2\n"
                 "[   10.000005]  </TASK>\n" } },
    .has = { "Told by SysRq", "<code>f_waits</code>", "1 blocked" },
    .has_not = { "<code>__schedule" } },
};

static void
each_kind (void **state)
{
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    {
      const struct kind *k = &kinds[i];
      CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);

      assert_int_equal (page_of (k->manifest, k->files, &page, NULL), 0);
      is_a_page (&page);
      for (size_t n = 0; n < 9 && k->has[n]; n++)
        if (!strstr (buf_str (&page), k->has[n]))
          fail_msg ("%s: has no %s", k->name, k->has[n]);
      for (size_t n = 0; n < 4 && k->has_not[n]; n++)
        if (strstr (strstr (buf_str (&page), "</head>"), k->has_not[n]))
          fail_msg ("%s: has %s", k->name, k->has_not[n]);
    }
}

/* A line for each stack and state; whatever a guest calls a function, it ends no
 * line and makes no frame. */
static void
folded_stacks (void **state)
{
  static const struct file files[] = {
    { "memory/look.jsonl",
      "{\"row\":\"stack\",\"id\":\"a\",\"frames\":[\"schedule\","
      "\"f_waits\",\"entry\"]}\n"
      "{\"row\":\"stack\",\"id\":\"b\",\"frames\":[\"x;y z\\n9\"]}\n"
      "{\"row\":\"task\",\"pid\":1,\"comm\":\"a\",\"state\":\"D\","
      "\"stack\":\"a\"}\n"
      "{\"row\":\"task\",\"pid\":2,\"comm\":\"b\",\"state\":\"D\","
      "\"stack\":\"a\"}\n"
      "{\"row\":\"task\",\"pid\":3,\"comm\":\"c\",\"state\":\"S\","
      "\"stack\":\"b\"}\n" },
    { NULL, NULL }
  };
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  CLEANUP_BUF struct buf folded = BUF_INIT (2 * FOLDED_MAX);

  assert_int_equal (page_and_stacks ("{}", files, &page, &folded, NULL), 0);
  assert_string_equal (buf_str (&folded), "D;entry;f_waits;schedule 2\n"
                                          "S;x_y_z_9 1\n");
  buf_clear (&folded);
  assert_int_equal (page_and_stacks ("{}", NULL, &page, &folded, NULL), 0);
  assert_int_equal (folded.len, 0);
}

/* ---- bounds ---- */

static char *
repeated (const char *what, unsigned times)
{
  size_t len = strlen (what);
  char *text = malloc (len * times + 1);

  assert_non_null (text);
  for (unsigned i = 0; i < times; i++)
    memcpy (text + i * len, what, len);
  text[len * times] = '\0';
  return text;
}

static void
many_tasks (struct buf *rows)
{
  for (unsigned i = 0; i < 5000; i++)
    buf_printf (rows,
                "{\"row\":\"stack\",\"id\":\"s%u\",\"frames\":[\"__schedule\","
                "\"wait_%u\",\"mid_%u\",\"do_syscall_64\",\"entry\"]}\n"
                "{\"row\":\"task\",\"pid\":%u,\"comm\":\"task%u\",\"state\":"
                "\"%s\",\"stack\":\"s%u\"}\n",
                i, i % 700, i % 40, i, i, i % 3 ? "S" : "D", i);
  for (unsigned i = 0; i < 200; i++)
    buf_printf (rows,
                "{\"row\":\"lock\",\"kind\":\"mutex\",\"name\":\"m%u\","
                "\"owner\":{\"pid\":%u,\"comm\":\"o\"},\"waiters\":[{\"pid\":"
                "%u},{\"pid\":%u},{\"pid\":7}]}\n",
                i, i + 1, i + 2, i + 3);
}

/* Every text is of the worst kind, and there is as much of it as may be. */
static void
bounded (void **state)
{
  CLEANUP_BUF struct buf rows = BUF_INIT (8u << 20);
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  CLEANUP_BUF struct buf manifest = BUF_INIT (8u << 20);
  char *quotes = repeated ("'<&>", 16384), *lines = repeated ("'''''\n", 60000);
  char *ticks = repeated ("'", 150);
  char *longs = repeated ("\\u202e<script>x</script>", 2000);
  struct file files[] = { { "memory/look.jsonl", NULL },
                          { "memory/dmesg.txt", quotes },
                          { "console/tail.log", lines },
                          { NULL, NULL } };
  uint64_t began = clock_ms ();

  many_tasks (&rows);
  files[0].text = buf_str (&rows);
  buf_printf (&manifest,
              "{\"incident\":{\"guest\":\"%s\",\"opened_ms\":1767323045000,"
              "\"verdict\":{\"class\":\"unknown\",\"sentence\":\"%s\","
              "\"culprit\":\"%s\"}},\"facts\":[",
              longs, longs, longs);
  for (unsigned i = 0; i < 3000; i++)
    buf_printf (&manifest, "%s{\"name\":\"n%u\",\"value\":\"%s\"}",
                i ? "," : "", i, ticks);
  buf_puts (&manifest, "],\"findings\":[");
  for (unsigned i = 0; i < 900; i++)
    buf_printf (&manifest, "%s{\"level\":\"fail\",\"says\":\"'''''''''''\"}",
                i ? "," : "");
  buf_puts (&manifest, "]}");
  assert_false (manifest.cut || rows.cut);
  assert_int_equal (page_of (buf_str (&manifest), files, &page, NULL), 0);
  is_a_page (&page);
  assert_true (page.len < 1u << 20);
  assert_true (clock_ms () - began < 20000);
  /* And nothing of it is lost without a word. */
  assert_non_null (strstr (buf_str (&page), "5000 tasks, 1667 of them"));
  assert_non_null (strstr (buf_str (&page), "there are more than are drawn"));
  assert_non_null (strstr (buf_str (&page), "more, in manifest.json"));
  assert_null (strstr (buf_str (&page), "There is too much of it"));
  free (quotes);
  free (lines);
  free (longs);
  free (ticks);
}

/* A section that has too much takes nothing from the others, and what was
 * linked in it is shown elsewhere. */
static void
places (void **state)
{
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  CLEANUP_BUF struct buf log = BUF_INIT (1u << 20);
  struct file files[] = { { "console/tail.log", NULL }, { NULL, NULL } };

  for (unsigned i = 1; i <= 1000; i++)
    buf_printf (&log, "line %u\n", i);
  files[0].text = buf_str (&log);
  /* One within what the console shows, one far above, one at the border. */
  assert_int_equal (
      page_of ("{\"findings\":[{\"says\":\"x\",\"evidence\":["
               "{\"file\":\"console/tail.log\",\"line\":7},"
               "{\"file\":\"console/tail.log\",\"line\":990},"
               "{\"file\":\"console/tail.log\",\"line\":758},"
               "{\"file\":\"console/tail.log\",\"line\":1001},"
               "{\"file\":\"../../etc/passwd\",\"line\":1}]}]}",
               files, &page, NULL),
      0);
  is_a_page (&page);
  assert_non_null (strstr (buf_str (&page), "href=\"#L4-7\""));
  assert_non_null (strstr (buf_str (&page), "</a>line 4\n"));
  assert_null (strstr (buf_str (&page), "</a>line 14\n"));
  assert_int_equal (count (buf_str (&page), "class=\"hit\""), 3);
  assert_null (strstr (buf_str (&page), "href=\"#L4-1001\""));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (style_is_allowed),
    cmocka_unit_test (each_kind),
    cmocka_unit_test (folded_stacks),
    cmocka_unit_test (bounded),
    cmocka_unit_test (places),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
