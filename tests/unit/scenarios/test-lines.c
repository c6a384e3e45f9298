/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines searched for what scenarios want to hear: what is found however the
 * bytes are cut and dressed, what is told of a flood, and what an expression
 * that goes astray costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/regex.h"
#include "scenarios/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bed
{
  struct splitter *splitter;
  struct listener *listener;
  struct regex_scratch *scratch;
  uint64_t now;
  size_t from; /* of each line: ours */
  unsigned told, told_given_up;
  uint64_t all; /* with those in between */
  struct line_hit last;
  char text[LINES_TEXT + 1], name[FACT_NAME_MAX];
};

static void
on_hit (const struct line_hit *hit, void *arg)
{
  struct bed *b = arg;

  if (hit->given_up)
    {
      b->told_given_up++;
      return;
    }
  b->told++;
  b->all += 1 + hit->more;
  b->last = *hit;
  assert_true (hit->len <= LINES_TEXT);
  memcpy (b->text, hit->text, hit->len);
  b->text[hit->len] = '\0';
  snprintf (b->name, sizeof b->name, "%s", hit->name);
}

static void
on_line (const struct text_line *line, void *arg)
{
  struct bed *b = arg;
  struct text_msg msg;

  prefix_strip (line, &msg);
  listener_line (b->listener, b->scratch, &msg, b->from, b->now);
}

static struct lines *
lines_of (const char *regex, const char *literal, const char *value)
{
  struct line_pattern p = { .name = "heard.x", .regex = regex,
                            .literal = literal, .value = value };
  struct error err = ERROR_INIT;
  struct lines *l = NULL;

  if (lines_new (&p, 1, &l, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return l;
}

static void
listen (struct bed *b, const char *regex, const char *literal,
        const char *value)
{
  struct lines *l = lines_of (regex, literal, value);

  assert_int_equal (listener_set (b->listener, &l, 1, NULL), 0);
  lines_unref (l);
  b->told = b->told_given_up = 0;
  b->all = 0;
}

static int
setup (void **state)
{
  struct bed *b = calloc (1, sizeof *b);

  assert_int_equal (splitter_new (on_line, b, &b->splitter, NULL), 0);
  assert_int_equal (listener_new ("serial0", on_hit, b, &b->listener, NULL),
                    0);
  assert_int_equal (lines_scratch_new (&b->scratch, NULL), 0);
  b->now = 1000;
  *state = b;
  return 0;
}

static int
teardown (void **state)
{
  struct bed *b = *state;

  splitter_free (b->splitter);
  listener_free (b->listener);
  regex_scratch_free (b->scratch);
  free (b);
  return 0;
}

static void
feed (struct bed *b, const char *text)
{
  splitter_feed (b->splitter, text, strlen (text), b->now);
}

/* ---- what is found ---- */

static void
test_label (void **state)
{
  struct bed *b = *state;

  listen (b, NULL, "beat 7", NULL);
  feed (b, "nothing\r\nbeat 6\r\n");
  assert_int_equal (b->told, 0);
  feed (b, "[   12.500000] app: beat 7 of it\r\n");
  assert_int_equal (b->told, 1);
  assert_string_equal (b->name, "heard.x");
  assert_string_equal (b->text, "app: beat 7 of it");
  assert_int_equal (b->last.at_ms, 1000);
}

/* In single bytes, with colours in the middle of the word, behind a prompt,
 * and where a progress bar was written over. */
static void
test_dressed (void **state)
{
  static const char *const said[]
      = { "be\033[1;32mat\033[0m 7\r\n", "~ # \033[6nbeat 7\n",
          "50%\rbeat 7\n", "bex\bat 7\r\r\n", "beat 7\r" };
  struct bed *b = *state;

  for (size_t i = 0; i < ARRAY_LEN (said); i++)
    {
      listen (b, NULL, "beat 7", NULL);
      for (const char *p = said[i]; *p; p++)
        splitter_feed (b->splitter, p, 1, b->now);
      feed (b, "\nnext\n");
      if (b->told != 1)
        fail_msg ("%zu: heard %u times", i, b->told);
    }
}

/* Behind a kernel's stamp "^" is where the message begins. */
static void
test_begin (void **state)
{
  struct bed *b = *state;

  listen (b, "^beat (?<n>\\d+)$", NULL, "n");
  feed (b, "a beat 5\n");
  assert_int_equal (b->told, 0);
  feed (b, "[    7.000000] beat 41\n");
  assert_int_equal (b->told, 1);
  assert_true (b->last.has_value);
  assert_int_equal (b->last.value, 41);
  assert_string_equal (b->name, "counted.x");
  listen (b, "^\\[ +7\\.000000\\] beat", NULL, NULL);
  feed (b, "[    7.000000] beat 42\n");
  assert_int_equal (b->told, 1);
}

/* A number that is none, or none that fits, is a heartbeat without. */
static void
test_value (void **state)
{
  static const char *const bad[]
      = { "n=x\n", "n=\n", "n=1234567890123456789\n", "n=-3\n" };
  struct bed *b = *state;

  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      listen (b, "^n=(?<v>.*)$", NULL, "v");
      feed (b, bad[i]);
      assert_int_equal (b->told, 1);
      assert_false (b->last.has_value);
    }
}

/* What is not the guest's own. */
static void
test_ours (void **state)
{
  struct bed *b = *state;

  listen (b, NULL, "beat", NULL);
  /* Our own typing, echoed long after. */
  feed (b, "~ #  printf '\\nHD%s%s:B\\n' 1a2b 3c4d; grep beat /log; printf\n");
  assert_int_equal (b->told, 0);
  b->from = 4;
  feed (b, "beat\n");
  assert_int_equal (b->told, 0);
  feed (b, "a beat\n");
  assert_int_equal (b->told, 0);
  feed (b, "~ # beat\n");
  assert_int_equal (b->told, 1);
  b->from = 1000;
  feed (b, "~ # beat\n");
  assert_int_equal (b->told, 1);
}

/* A prompt is seen while it stands, and once. */
static void
test_open (void **state)
{
  struct bed *b = *state;

  listen (b, "login: $", NULL, NULL);
  feed (b, "vm login: ");
  b->now += 10 * TEXT_LINE_OPEN_MS;
  splitter_tick (b->splitter, b->now);
  assert_int_equal (b->told, 1);
  feed (b, "\n");
  listen (b, "login: ", NULL, NULL);
  feed (b, "vm login: ");
  b->now += 10 * TEXT_LINE_OPEN_MS;
  splitter_tick (b->splitter, b->now);
  b->now += 2 * LINES_AGAIN_MS;
  feed (b, "root\n");
  assert_int_equal (b->told, 1);
}

static void
test_console (void **state)
{
  struct line_pattern p = { .name = "heard.y", .literal = "beat" };
  struct bed *b = *state;
  struct lines *l = NULL;

  p.console = "serial1";
  assert_int_equal (lines_new (&p, 1, &l, NULL), 0);
  assert_int_equal (listener_set (b->listener, &l, 1, NULL), 0);
  lines_unref (l);
  feed (b, "beat\n");
  assert_int_equal (b->told, 0);
  p.console = "serial0";
  assert_int_equal (lines_new (&p, 1, &l, NULL), 0);
  assert_int_equal (listener_set (b->listener, &l, 1, NULL), 0);
  lines_unref (l);
  feed (b, "beat\n");
  assert_int_equal (b->told, 1);
}

static void
test_refused (void **state)
{
  static const struct line_pattern bad[] = {
    { .name = "heard.x", .regex = "(" },
    { .name = "heard.x" },
    { .name = "heard.x", .literal = "" },
    { .name = "heard.x", .regex = "(?<a>\\d)", .value = "b" },
    { .name = "heard.x",
      .regex = "(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(?<a>\\d)",
      .value = "a" },
  };

  (void) state;
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      struct error err = ERROR_INIT;
      struct lines *l = NULL;

      assert_true (lines_new (&bad[i], 1, &l, &err) < 0);
      assert_null (l);
      assert_true (error_text (&err)[0]);
    }
}

static void
test_names (void **state)
{
  char a[FACT_NAME_MAX], b[FACT_NAME_MAX], name[64];

  (void) state;
  assert_string_equal (lines_name (a, "heard.*", "app1"), "heard.app1");
  memset (name, 'n', 63);
  name[63] = '\0';
  lines_name (a, "unwanted.*", name);
  name[62] = 'm';
  lines_name (b, "unwanted.*", name);
  assert_int_equal (strlen (a), FACT_NAME_MAX - 1);
  assert_string_not_equal (a, b);
}

/* ---- rations ---- */

/* The first at once, the latest after a second, with those in between. */
static void
test_ration (void **state)
{
  struct bed *b = *state;

  listen (b, "beat (?<n>\\d+)", NULL, "n");
  feed (b, "beat 1\n");
  assert_int_equal (b->told, 1);
  assert_int_equal (listener_due (b->listener, b->now), CLOCK_NEVER);
  b->now += 100;
  feed (b, "beat 2\nbeat 3\nbeat 4\n");
  assert_int_equal (b->told, 1);
  assert_int_equal (listener_due (b->listener, b->now),
                    1000 + LINES_AGAIN_MS);
  b->now = 1000 + LINES_AGAIN_MS;
  assert_int_equal (listener_due (b->listener, b->now), CLOCK_NEVER);
  assert_int_equal (b->told, 2);
  assert_int_equal (b->last.value, 4);
  assert_int_equal (b->last.more, 2);
  assert_int_equal (b->last.at_ms, 1100);
  assert_string_equal (b->text, "beat 4");
}

/* 64 MiB of lines that match within ten seconds are eleven facts. */
static void
test_flood (void **state)
{
  struct bed *b = *state;
  struct listener_stats st;
  struct buf piece CLEANUP_BUF = BUF_INIT (1u << 20);
  unsigned n = 0;

  while (piece.len < (1u << 20) - 100)
    {
      buf_puts (&piece, "[  100.000000] Out of memory: Killed process 7\n");
      n++;
    }
  listen (b, "Out of memory: Killed process (?<pid>\\d+)", NULL, "pid");
  for (unsigned i = 0; i < 64; i++)
    {
      b->now = 1000 + i * 10000 / 64;
      splitter_feed (b->splitter, buf_str (&piece), piece.len, b->now);
      listener_due (b->listener, b->now);
    }
  listener_due (b->listener, b->now + LINES_AGAIN_MS);
  assert_in_range (b->told, 10, 12);
  assert_int_equal (b->all, 64ull * n);
  listener_stats (b->listener, &st);
  /* Most were not even looked at. */
  assert_true (st.searched < 64ull * n / 10);
  assert_int_equal (st.searched + st.skipped, 64ull * n);
}

/* ---- expressions that go astray ---- */

static void
test_astray (void **state)
{
  struct bed *b = *state;
  struct listener_stats st;
  char line[4096];

  listen (b, "(a+)+[bc]$", NULL, NULL);
  memset (line, 'a', sizeof line);
  line[sizeof line - 2] = '\n';
  line[sizeof line - 1] = '\0';
  for (unsigned i = 0; i < 1000; i++)
    {
      b->now = 1000 + i;
      feed (b, line);
    }
  listener_stats (b->listener, &st);
  assert_int_equal (st.given_up, 1);
  assert_int_equal (st.skipped, 999);
  assert_int_equal (b->told_given_up, 1);
  /* It rests, and goes on. */
  b->now += 5000;
  feed (b, "aab\n");
  assert_int_equal (b->told, 1);
  for (unsigned i = 0; i < 100; i++)
    {
      b->now += 2000;
      feed (b, line);
    }
  listener_stats (b->listener, &st);
  assert_int_equal (st.given_up, 101);
  assert_in_range (b->told_given_up, 3, 6);
}

/* ---- the literal ---- */

static void
test_literal (void **state)
{
  static const struct
  {
    const char *regex, *literal;
  } rows[] = {
    { "beat", "beat" },
    { "^beat \\d+$", "beat " },
    { "Out of memory: .*nginx", "Out of memory: " },
    { "a+bcd", "bcd" },
    { "abcd?", "abc" },
    { "abcde*x", "abcd" },
    { "abcd{0,3}", "abc" },
    { "foo{bar", NULL },
    { "foo{bar|baz}", NULL },
    { "foobar|baz", NULL },
    { "(foo|bar)", NULL },
    { "(foo|bar) is down", " is down" },
    { "(?i)foobar", NULL },
    { "foo(?i:bar)bazz", NULL },
    { "foo\\.bar\\[1\\]", "foo.bar[1]" },
    { "[)(|]hello[^]|]", "hello" },
    { "\\Qa|b\\Efoo", NULL },
    { "\\x41bcd", NULL },
    { "(?<n>\\d+) beats", " beats" },
    { "(?x) a b c d", NULL },
    { "ab", NULL },
    { "\\bword\\b", "word" },
    { "(?=abc)defg", "defg" },
    { "(*ANYCRLF)abcd", NULL },
    { "x(a|\\)b)abcd", "abcd" },
    { "[[:alpha:]|]hello", "hello" },
  };

  (void) state;
  for (size_t i = 0; i < ARRAY_LEN (rows); i++)
    {
      char found[LINES_LITERAL] = "";
      bool any = lines_literal (rows[i].regex, found);

      if (any != (rows[i].literal != NULL)
          || (any && strcmp (found, rows[i].literal) != 0))
        fail_msg ("%s: \"%s\"", rows[i].regex, any ? found : "none");
    }
}

/* ---- others from now on ---- */

/* Who stays is not told anew. */
static void
test_set (void **state)
{
  struct bed *b = *state;
  struct lines *l[2] = { lines_of ("beat", NULL, NULL),
                         lines_of ("tick", NULL, NULL) };

  assert_int_equal (listener_set (b->listener, l, 1, NULL), 0);
  feed (b, "beat\nbeat\n");
  assert_int_equal (b->told, 1);
  assert_int_equal (listener_set (b->listener, l, 2, NULL), 0);
  feed (b, "beat\ntick\n");
  assert_int_equal (b->told, 2);
  listener_due (b->listener, b->now + LINES_AGAIN_MS);
  assert_int_equal (b->told, 3);
  assert_int_equal (b->last.more, 1);
  assert_int_equal (listener_set (b->listener, l + 1, 1, NULL), 0);
  feed (b, "beat\n");
  assert_int_equal (b->told, 3);
  lines_unref (l[0]);
  lines_unref (l[1]);
  b->now += 5000;
  feed (b, "tick\n");
  assert_int_equal (b->told, 4);
}

#define T(fn) cmocka_unit_test_setup_teardown (fn, setup, teardown)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    T (test_label),   T (test_dressed), T (test_begin),   T (test_value),
    T (test_ours),    T (test_open),    T (test_console), T (test_refused),
    T (test_names),   T (test_ration),  T (test_flood),   T (test_astray),
    T (test_literal), T (test_set),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
