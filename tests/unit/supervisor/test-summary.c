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
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_ansi),
                                      cmocka_unit_test (test_fits) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
