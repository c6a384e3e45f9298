/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a bundle: whole whatever is missing, and nothing that a guest or
 * a manifest says becomes markup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/diag/report-bed.h"

static void
nothing_there (void **state)
{
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  struct error err = ERROR_INIT;

  assert_int_equal (page_of ("{}", NULL, &page, &err), 0);
  is_a_page (&page);
  assert_non_null (strstr (buf_str (&page), "<title>no verdict: of no guest"));
  assert_non_null (strstr (buf_str (&page), "<h1>Nothing here says"));
  buf_clear (&page);
  assert_int_equal (page_of ("[]", NULL, &page, &err), -EINVAL);
}

static const char whole[]
    = "{\"incident\":{\"id\":\"i1\",\"guest\":\"web\",\"scenario\":\"uptime\","
      "\"reason\":\"nothing came\",\"opened\":\"2026-01-02T03:04:05.000Z\","
      "\"opened_ms\":1767323045000,\"collected_ms\":1767323050000,"
      "\"last_ok_ms\":1767323000000,\"end\":\"recovered\","
      "\"verdict\":{\"class\":\"lock-deadlock\",\"culprit\":\"m [mod]\","
      "\"confidence\":\"high\",\"sentence\":\"It stands.\","
      "\"next\":\"Look.\",\"evidence\":[{\"name\":\"tasks.blocked\","
      "\"value\":2,\"source\":\"memory\"}]}},"
      "\"ladder\":[{\"facet\":\"host\",\"state\":\"alive\","
      "\"evidence\":\"fine\"},{\"facet\":\"scheduler\",\"state\":\"dead\"},"
      "{\"facet\":\"console\",\"state\":\"dead\"}],"
      "\"questions\":[{\"about\":\"block\",\"why\":\"not asked\"}],"
      "\"findings\":[{\"level\":\"fail\",\"says\":\"two wait\","
      "\"evidence\":{\"file\":\"sysrq/w.txt\",\"line\":7}}],"
      "\"collectors\":[{\"name\":\"host\",\"took_ms\":3,\"ok\":true},"
      "{\"name\":\"net\",\"took_ms\":0,\"skipped\":\"vmm == alive\"},"
      "{\"name\":\"disk\",\"took_ms\":9,\"ok\":false,\"failure\":\"stuck\"}],"
      "\"gaps\":[{\"collector\":\"net\",\"what\":\"taps\",\"why\":\"none\"}],"
      "\"impact\":[{\"collector\":\"net\",\"wall_ms\":1767323046000,"
      "\"what\":\"connected\"}],"
      "\"facts\":[{\"name\":\"tasks.blocked\",\"value\":2,"
      "\"source\":\"memory\",\"sample\":1}]}";

static const struct file shelf[] = {
  { "memory/look.jsonl",
    "{\"row\":\"stack\",\"id\":\"s1\",\"frames\":"
    "[\"schedule+0x1/0x2\",\"mutex_lock+0x3/0x4\",\"work+0x5/0x6 [mod]\"]}\n"
    "no row\n"
    "{\"row\":\"task\",\"pid\":7,\"comm\":\"alpha\",\"state\":\"D\","
    "\"stack\":\"s1\"}\n"
    "{\"row\":\"task\",\"pid\":8,\"comm\":\"beta\",\"state\":\"D\","
    "\"stack\":\"s1\"}\n"
    "{\"row\":\"lock\",\"kind\":\"mutex\",\"name\":\"m\","
    "\"owner\":{\"pid\":8,\"comm\":\"beta\"},"
    "\"waiters\":[{\"pid\":7,\"comm\":\"alpha\"}]}\n"
    "{\"row\":\"deadlock\",\"tasks\":[{\"pid\":7,\"comm\":\"alpha\"},"
    "{\"pid\":8,\"comm\":\"beta\"}]}\n" },
  { "kernel/events.jsonl",
    "{\"title\":\"task hung\",\"severity\":\"error\",\"count\":3,"
    "\"time\":\"2026-01-02T03:04:01.000Z\",\"frames\":[{\"func\":\"f1\"}]}\n" },
  { "console/tail.log", "first\\x0d\nsecond \\e[0;1mloud\\e[0m\\x0d\nlast" },
  { "metrics/host.otlp.jsonl",
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"cpu\","
    "\"unit\":\"%\",\"gauge\":{\"dataPoints\":["
    "{\"timeUnixNano\":\"1767323045000000000\",\"asDouble\":1.5},"
    "{\"timeUnixNano\":\"1767323046000000000\",\"asDouble\":2.5},"
    "{\"timeUnixNano\":\"1767323047000000000\",\"asInt\":\"9\"}]}},"
    "{\"name\":\"grown\",\"unit\":\"{thing}\",\"sum\":{\"dataPoints\":["
    "{\"timeUnixNano\":\"1767323045000000000\",\"asDouble\":4},"
    "{\"timeUnixNano\":\"1767323047000000000\",\"asDouble\":6}]}},"
    "{\"name\":\"still\",\"unit\":\"By\",\"sum\":{\"dataPoints\":["
    "{\"timeUnixNano\":\"1767323045000000000\",\"asDouble\":2048},"
    "{\"timeUnixNano\":\"1767323047000000000\",\"asDouble\":2048}]}}"
    "]}]}]}\n" },
  { "sysrq/w.txt", "sysrq: Show Blocked State\n" },
  { NULL, NULL },
};

static void
all_there (void **state)
{
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  struct error err = ERROR_INIT;
  const char *text, *host, *console;

  assert_int_equal (page_of (whole, shelf, &page, &err), 0);
  is_a_page (&page);
  text = buf_str (&page);
  assert_non_null (strstr (text, "<h1>It stands.</h1>"));
  assert_non_null (strstr (text, "class=\"card bad\""));
  assert_non_null (strstr (text, "<dd>recovered</dd>"));
  /* A line for what moved, and words for what did not. */
  assert_int_equal (count (text, "class=\"chart\""), 2);
  assert_non_null (strstr (text, "1.5 % &rarr; 9 %</small></p>"));
  assert_non_null (strstr (text, ">4 &rarr; 6 (+2)</small></p>"));
  assert_non_null (strstr (text, "The same each time: still 2.0 KiB."));
  /* The lowest that is dead, and the host at the foot. */
  assert_int_equal (count (text, "dead here"), 1);
  host = strstr (text, "<strong>host</strong>");
  console = strstr (text, "<strong>console</strong>");
  assert_true (host && console && console < host);
  /* Two tasks on one stack, without the numbers of its functions. */
  assert_non_null (strstr (text, "work [mod]: 2 tasks, 2 blocked"));
  assert_non_null (strstr (text, "<strong>deadlock:</strong>"));
  assert_non_null (strstr (text, "wait for each other in a circle"));
  assert_non_null (strstr (text, "waits for the mutex <code>m</code>"));
  assert_non_null (strstr (text, "task hung"));
  assert_non_null (strstr (text, "</a>first\n"));
  assert_non_null (strstr (text, "</a>second loud\n"));
  assert_non_null (strstr (text, "<strong>fail</strong> two wait"));
  assert_non_null (strstr (text, "<strong>block</strong>: not asked"));
  assert_non_null (strstr (text, "<polyline"));
  assert_non_null (strstr (text, "<strong>net</strong>: it is not so that <code>vmm == "
                                  "alive</code>"));
  /* That file has no such line; the one that it has is shown. */
  assert_non_null (
      strstr (text, "<a href=\"sysrq/w.txt\"><code>sysrq/w.txt</code></a> "
                    "line 7"));
  assert_non_null (strstr (text, "+1.0 s"));
}

/* The same with whatever a guest, or who made the archive, would like to be
 * markup. */
static void
hostile (void **state)
{
  static const char evil[] = "</pre><script>x</script>'\\\"><img src=x> "
                             "&amp;\\u001b[31m\\u202e";
  static const struct file files[] = {
    { "console/tail.log",
      "</pre><script>alert(1)</script>\x1b[2J\x01\xff\xc0&lt;\n" },
    { "kernel/events.jsonl",
      "{\"title\":\"</li><script>\",\"severity\":\"<script>\","
      "\"time\":\"\\\"><script>\",\"frames\":[\"<script>\"]}\n[]\n{\n" },
    { "memory/x.jsonl",
      "{\"row\":\"stack\",\"id\":\"1\",\"frames\":[\"</title><script>\"]}\n"
      "{\"row\":\"task\",\"pid\":1,\"comm\":\"</svg><script>\","
      "\"state\":\"D<script>\",\"stack\":\"1\"}\n"
      "{\"row\":\"lock\",\"waiters\":[7,{\"comm\":\"<script>\"}],"
      "\"owner\":\"<script>\"}\n"
      "{\"row\":\"deadlock\",\"tasks\":\"<script>\"}\n" },
    { "javascript:alert(1)", "x" },
    { "a\"><script>", "x" },
    { "../../etc/passwd", "x" },
    { NULL, NULL },
  };
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  struct error err = ERROR_INIT;
  char manifest[4096];

  snprintf (manifest, sizeof manifest,
            "{\"incident\":{\"guest\":\"%s\",\"reason\":\"%s\","
            "\"opened_ms\":-5,\"verdict\":{\"class\":\"%s\","
            "\"sentence\":\"%s\",\"culprit\":\"%s\",\"evidence\":[7,[],"
            "{\"file\":\"%s\",\"value\":\"%s\",\"name\":\"x\"}]}},"
            "\"ladder\":[{\"facet\":\"%s\",\"state\":\"%s\"},7,null],"
            "\"findings\":[null,7,{\"level\":\"%s\",\"says\":\"%s\"}],"
            "\"facts\":[{\"name\":\"%s\",\"value\":{\"a\":\"%s\"}}],"
            "\"collectors\":[7],\"gaps\":\"%s\",\"impact\":[null]}",
            evil, evil, evil, evil, evil, evil, evil, evil, evil, evil, evil,
            evil, evil, evil);
  assert_int_equal (page_of (manifest, files, &page, &err), 0);
  is_a_page (&page);
  assert_null (strstr (buf_str (&page), "href=\"javascript"));
  assert_null (strstr (buf_str (&page), "href=\".."));
  assert_int_equal (count (buf_str (&page), "&lt;script&gt;") > 10, 1);
}

/* Bounded, and said. */
static void
too_much (void **state)
{
  struct buf rows = BUF_INIT (6u << 20);
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  CLEANUP_BUF struct buf small = BUF_INIT (2000);
  struct error err = ERROR_INIT;
  struct file files[] = { { "memory/look.jsonl", "" }, { NULL, NULL } };

  for (unsigned i = 0; i < 20000; i++)
    buf_printf (&rows,
                "{\"row\":\"stack\",\"id\":\"s%u\",\"frames\":[\"f%u\","
                "\"g%u\",\"h\"]}\n{\"row\":\"task\",\"pid\":%u,\"comm\":\"t\","
                "\"state\":\"S\",\"stack\":\"s%u\"}\n",
                i, i, i, i, i);
  files[0].text = buf_str (&rows);
  assert_int_equal (page_of (whole, files, &page, &err), 0);
  is_a_page (&page);
  assert_int_equal (page_of (whole, files, &small, &err), -EFBIG);
  buf_done (&rows);
}

/* Of one that is damaged it is said before all else; why may be anybody's
 * words. */
static void
damaged (void **state)
{
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  struct shelf s = { .source = { .read = read_file, .each = each,
                                 .damage = "<b>torn</b>" } };
  struct json_object *m = json_tokener_parse (whole);
  const char *at;

  assert_int_equal (report_html (&s.source, m, &page, NULL, NULL), 0);
  json_object_put (m);
  is_a_page (&page);
  at = strstr (buf_str (&page), "This bundle is damaged.");
  assert_non_null (at);
  assert_true (at < strstr (buf_str (&page), "<h1>"));
  assert_non_null (strstr (at, "&lt;b&gt;torn"));
  assert_null (strstr (at, "<b>torn"));
  buf_clear (&page);
  assert_int_equal (page_of (whole, NULL, &page, NULL), 0);
  assert_null (strstr (buf_str (&page), "role=\"alert\""));
}

/* What was cut to its place says so. */
static void
cut_short (void **state)
{
  CLEANUP_BUF struct buf page = BUF_INIT (REPORT_MAX);
  char text[1024], value[160], sentence[320];

  memset (value, 'v', sizeof value - 1);
  memset (sentence, 's', sizeof sentence - 1);
  value[sizeof value - 1] = sentence[sizeof sentence - 1] = '\0';
  snprintf (text, sizeof text,
            "{\"incident\":{\"verdict\":{\"class\":\"slow\",\"sentence\":"
            "\"%s\",\"evidence\":[{\"name\":\"x\",\"source\":\"y\","
            "\"value\":\"%s\"}]}}}",
            sentence, value);
  assert_int_equal (page_of (text, NULL, &page, NULL), 0);
  assert_non_null (strstr (buf_str (&page), "sss...</h1>"));
  assert_non_null (strstr (buf_str (&page), "vvv...</code>"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (nothing_there),
    cmocka_unit_test (all_there),
    cmocka_unit_test (hostile),
    cmocka_unit_test (too_much),
    cmocka_unit_test (damaged),
    cmocka_unit_test (cut_short),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
