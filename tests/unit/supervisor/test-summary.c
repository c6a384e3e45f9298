/* SPDX-License-Identifier: Apache-2.0
 *
 * The summary, of 80 columns; in colours the text is the same, and each line
 * ends as it began.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "supervisor/incidents/summary.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static void
test_ansi (void **state)
{
  static const char text[]
      = "verdict=soft-lockup confidence=high incident=1\n\n"
        "Guest       z1\n"
        "\nLadder (lowest rung first):\n"
        "  vmm            alive    monitor: answers\n"
        "  scheduler      dead     memory: x\n"
        "\nFindings:\n  - fail: x\n  - \\e[31m\nno end";
  CLEANUP_BUF struct buf out = BUF_INIT (4096);
  CLEANUP_BUF struct buf plain = BUF_INIT (4096);

  summary_ansi (text, &out);
  for (const char *p = buf_str (&out); *p; p++)
    if (*p == '\033')
      p += strcspn (p, "m");
    else
      buf_putc (&plain, *p);
  buf_puts (&plain, "");
  assert_memory_equal (buf_str (&plain), text, sizeof text - 1);
  assert_non_null (strstr (buf_str (&out), "\033[1;31mverdict=soft-lockup"));
  assert_non_null (strstr (buf_str (&out), "\033[31m  scheduler      dead"));
  buf_clear (&plain);
  summary_ansi ("verdict=paused confidence=certain\n", &plain);
  assert_string_equal (buf_str (&plain), "\033[1;33mverdict=paused "
                                         "confidence=certain\033[0m\n");
  assert_non_null (strstr (buf_str (&out), "\033[32m  vmm "));
  assert_non_null (strstr (buf_str (&out), "\nGuest       z1\n"));
  for (const char *p = buf_str (&out), *nl; (nl = strchr (p, '\n')); p = nl + 1)
    if (*p == '\033')
      assert_memory_equal (nl - 4, "\033[0m", 4);
}

static const char head_text[]
    = "{\"ladder\":[{\"facet\":\"host\",\"state\":\"alive\",\"evidence\":"
      "\"host: it is well and much more is to be said of it than fits into "
      "one line of eighty\"},{\"facet\":\"application\",\"state\":\"dead\"}],"
      "\"findings\":[{\"level\":\"fail\",\"says\":\"\\u001b[31mred\\nVerdict "
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"},"
      "{\"level\":\"pass\",\"says\":\"well\"}],"
      "\"impact\":[{\"collector\":\"gdb\",\"what\":\"x\"}],"
      "\"vm_paused_ms\":1500,"
      "\"guest\":{\"vcpus\":1,\"accel\":\"tcg\",\"machine\":\"\\u001b[2J\"},"
      "\"gaps\":[{\"what\":\"taps\",\"why\":\"there is no network interface "
      "of this guest on this host, as far as anybody can say\"}]}";

/* 80 columns, the verdict first, and nothing that a guest says is more than
 * text. */
static void
test_fits (void **state)
{
  struct json_object *head = json_tokener_parse (head_text);
  CLEANUP_BUF struct buf text = BUF_INIT (64u << 10);
  struct incident inc = { .opened_wall_ms = 1767323045000 };
  const char *at;

  assert_non_null (head);
  snprintf (inc.verdict.class_, sizeof inc.verdict.class_, "kernel-panic");
  snprintf (inc.verdict.sentence, sizeof inc.verdict.sentence,
            "It stands,\x1b[2J and \xe2\x80\xae does not go on.");
  summary_text (&inc, head, &text);
  json_object_put (head);
  at = buf_str (&text);
  assert_int_equal (strncmp (at, "verdict=kernel-panic ", 21), 0);
  for (; *at; at += strcspn (at, "\n") + 1)
    assert_true (strcspn (at, "\n") <= 80);
  for (size_t i = 0; i < text.len; i++)
    assert_true (text.data[i] == '\n'
                 || (text.data[i] >= 0x20 && text.data[i] < 0x7f));
  assert_non_null (strstr (buf_str (&text), "\n                          "));
  assert_non_null (strstr (buf_str (&text), "  - fail: \\e[31mred"));
  assert_non_null (strstr (buf_str (&text),
                           "\nWhat was done to the guest (it was stopped "
                           "for it, at most 1s500ms):\n  - gdb: x\n"));
  assert_non_null (strstr (buf_str (&text),
                           "\nMachine     1 CPU, \\e[2J, tcg\n"));
}

static const char gaps_text[]
    = "{\"questions\":[{\"about\":\"block\",\"why\":\"nobody was asked\"},"
      "{\"about\":\"screen\",\"why\":\"all of it: no display\"}],"
      "\"gaps\":[{\"collector\":\"screen\",\"what\":\"all of it\",\"why\":"
      "\"no display\"},{\"collector\":\"host\",\"what\":\"qemu/io\",\"why\":"
      "\"Permission denied\"},{\"collector\":\"image\",\"what\":\"all of "
      "it\",\"why\":\"no disks\"},{\"collector\":\"xon\",\"what\":"
      "\"all of it\",\"why\":\"no console\"}],"
      "\"collectors\":[{\"name\":\"screen\"},{\"name\":\"image\","
      "\"none\":true},{\"name\":\"xon\",\"none\":true}]}";

#define LONG "shop.service, shop (215), takes no connections: 2 of 2 wait, " \
             "waits in futex"

static unsigned
count (const struct buf *in, const char *what)
{
  unsigned n = 0;

  for (const char *p = buf_str (in); (p = strstr (p, what)); p++)
    n++;
  return n;
}

/* Each thing once, and by its name. */
static void
test_once (void **state)
{
  struct json_object *head = json_tokener_parse (gaps_text);
  CLEANUP_BUF struct buf text = BUF_INIT (64u << 10);
  struct incident inc = { .severity = INCIDENT_CRITICAL };
  struct verdict *v = &inc.verdict;

  assert_non_null (head);
  v->nfacts = 2;
  snprintf (v->class_, sizeof v->class_, "application-dead");
  snprintf (v->sentence, sizeof v->sentence, "It does nothing: %s", LONG);
  snprintf (v->culprit, sizeof v->culprit, "%s", LONG);
  snprintf (v->facts[0].value, sizeof v->facts[0].value, "%s", LONG);
  memset (v->facts[1].value, 'x', sizeof v->facts[1].value - 1);
  summary_text (&inc, head, &text);
  assert_int_equal (count (&text, "shop (215), ..."), 2);
  assert_int_equal (count (&text, "waits in futex"), 1);
  assert_int_equal (count (&text, "xxx...\n"), 1);
  assert_int_equal (count (&text, "no display"), 1);
  assert_int_equal (count (&text, "  - screen, all of it: no display\n"), 1);
  assert_int_equal (count (&text, "  - qemu/io: Permission denied\n"), 1);
  /* What the guest has none of is no failure: a line for all of it. */
  assert_int_equal (count (&text, "  - not to be had of this guest: image (no "
                                  "disks), xon (no console)\n"), 1);
  assert_int_equal (count (&text, "no disks"), 1);
  assert_int_equal (count (&text, "  - block: nobody was asked\n"), 1);
  assert_int_equal (count (&text, "Severity    critical\n"), 1);
  /* Who is well has nobody who is to blame. */
  buf_clear (&text);
  snprintf (v->class_, sizeof v->class_, "none");
  summary_text (&inc, head, &text);
  assert_int_equal (count (&text, "Severity"), 0);
  assert_int_equal (count (&text, "\nCulprit"), 0);
  assert_int_equal (count (&text, "\nSuspected   shop.service"), 1);
  json_object_put (head);
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_ansi),
                                      cmocka_unit_test (test_fits),
                                      cmocka_unit_test (test_once) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
