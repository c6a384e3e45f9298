/* SPDX-License-Identifier: Apache-2.0
 *
 * The short text of an incident: 80 columns, the verdict first, and nothing
 * that a guest says is more than text; in colours it is the same text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/incidents/summary.h"

#include <stdio.h>
#include <string.h>

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

static void
texts (struct buf *text, struct buf *ansi)
{
  struct json_object *head = json_tokener_parse (head_text);
  struct incident inc = { .opened_wall_ms = 1767323045000 };

  assert_non_null (head);
  snprintf (inc.guest, sizeof inc.guest, "web");
  snprintf (inc.verdict.class_, sizeof inc.verdict.class_, "kernel-panic");
  snprintf (inc.verdict.culprit, sizeof inc.verdict.culprit, "f [m]");
  snprintf (inc.verdict.sentence, sizeof inc.verdict.sentence,
            "It stands,\x1b[2J and \xe2\x80\xae does not go on.");
  summary_text (&inc, head, text);
  summary_ansi (buf_str (text), ansi);
  json_object_put (head);
}

static void
fits (void **state)
{
  CLEANUP_BUF struct buf text = BUF_INIT (64u << 10);
  CLEANUP_BUF struct buf ansi = BUF_INIT (64u << 10);
  const char *at;

  texts (&text, &ansi);
  at = buf_str (&text);
  assert_int_equal (strncmp (at, "verdict=kernel-panic ", 21), 0);
  for (; *at; at += strcspn (at, "\n") + 1)
    assert_true (strcspn (at, "\n") <= 80);
  for (size_t i = 0; i < text.len; i++)
    assert_true (text.data[i] == '\n' || (text.data[i] >= 0x20
                                          && text.data[i] < 0x7f));
  assert_non_null (strstr (buf_str (&text), "\n                          "));
  assert_non_null (strstr (buf_str (&text), "  - fail: \\e[31mred"));
}

/* Nothing but colours is in it, each line takes back its own, and without
 * them it is the text. */
static void
same_in_colours (void **state)
{
  CLEANUP_BUF struct buf text = BUF_INIT (64u << 10);
  CLEANUP_BUF struct buf ansi = BUF_INIT (64u << 10);
  CLEANUP_BUF struct buf plain = BUF_INIT (64u << 10);
  bool on = false;

  texts (&text, &ansi);
  for (const char *at = buf_str (&ansi); *at; at++)
    {
      if (*at != '\033')
        {
          assert_false (*at == '\n' && on);
          buf_putc (&plain, *at);
          continue;
        }
      assert_int_equal (at[1], '[');
      on = at[2] != '0';
      at += 2 + strspn (at + 2, "0123456789;");
      assert_int_equal (*at, 'm');
    }
  assert_string_equal (buf_str (&plain), buf_str (&text));
  assert_non_null (strstr (buf_str (&ansi), "\033[1mverdict=kernel-panic"));
  assert_non_null (strstr (buf_str (&ansi), "\033[31m  application"));
  assert_non_null (strstr (buf_str (&ansi), "\033[32m  host"));
  assert_non_null (strstr (buf_str (&ansi), "\033[31m  - fail:"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (fits),
    cmocka_unit_test (same_in_colours),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
