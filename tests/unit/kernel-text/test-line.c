/* SPDX-License-Identifier: Apache-2.0
 *
 * Console bytes to lines: what is taken out, at every cut the same; prompts,
 * gaps; text that means harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "kernel/text/line.h"
#include "tests/unit/kernel-text/lines.h"

static struct splitter *
make (struct lines *l)
{
  struct splitter *s = NULL;

  memset (l, 0, sizeof *l);
  assert_int_equal (splitter_new (lines_write, l, &s, NULL), 0);
  return s;
}

static void
done (struct splitter *s, struct lines *l)
{
  assert_int_equal (l->bad, 0);
  splitter_free (s);
  free (l->text);
}

static const char *
said (const struct lines *l)
{
  return l->text ? l->text : "";
}

/* Pieces of `size` bytes, or of a random size for 0. */
static void
split_in (const char *data, size_t len, size_t size, unsigned *seed,
          struct lines *ret)
{
  struct splitter *s = make (ret);
  size_t done_len = 0;

  while (done_len < len)
    {
      size_t n = size > 0 ? size : (size_t) rand_r (seed) % 40;

      n = n < len - done_len ? n : len - done_len;
      splitter_feed (s, data + done_len, n, 0);
      done_len += n;
    }
  splitter_end (s);
  assert_int_equal (ret->bad, 0);
  splitter_free (s);
}

static void
check_cuts (const char *data, size_t len, const char *want)
{
  struct lines whole, cut;
  unsigned seed = 1;

  split_in (data, len, len > 0 ? len : 1, &seed, &whole);
  if (want)
    assert_string_equal (said (&whole), want);
  for (size_t size = 0; size < 12; size++)
    {
      split_in (data, len, size, &seed, &cut);
      assert_string_equal (said (&cut), said (&whole));
      free (cut.text);
    }
  free (whole.text);
}

#define LINES(data, want) check_cuts (data, sizeof (data) - 1, want)

static void
test_ends (void **state)
{
  LINES ("", "");
  LINES ("a\nb\n", "1 @0+2 cut 0 |a\n2 @2+2 cut 0 |b\n");
  LINES ("a\r\nb\r\r\n", "1 @0+3 cut 0 |a\n2 @3+4 cut 0 |b\n");
  LINES ("\n\r\n", "1 @0+1 cut 0 |\n2 @1+2 cut 0 |\n");
  LINES ("a\n\rb\n\r", "1 @0+2 cut 0 |a\n2 @2+3 cut 0 |b\n");
  LINES ("no end", "1 @0+6 cut 0 |no end\n");
  LINES ("tab\tin a longer line than eight\n",
         "1 @0+32 cut 0 |tab\tin a longer line than eight\n");
  LINES ("a\r\0\0\nb\n", "1 @0+5 cut 0 |a\n2 @5+2 cut 0 |b\n");
}

static void
test_taken_out (void **state)
{
  LINES ("\0\0\0a\0\0b\a\x0b\x0c\x7f\n", "1 @0+12 cut 0 |ab\n");
  LINES ("\033[1;31mred\033[0m\n", "1 @0+15 cut 0 |red\n");
  LINES ("\033]0;a title\adone\n", "1 @0+17 cut 0 |done\n");
  LINES ("\033]0;a title\033\\done\n", "1 @0+18 cut 0 |done\n");
  LINES ("\033P1;2|ab\033\\x\033(By\033#8z\0337\0338\n",
         "1 @0+24 cut 0 |xyz\n");
  LINES ("\033[?2004h~ # \033[6n\n", "1 @0+17 cut 0 |~ # \n");
  LINES ("[....] Go\033[?25l\033[?1c\0337\033[1G[\033[32m ok \033[39m\0338.\n",
         "1 @0+45 cut 0 |[....] Go[ ok .\n");
  /* An ESC within a sequence begins another; CAN ends it. */
  LINES ("\033[1\033[2mx\033[3\x18y\n", "1 @0+14 cut 0 |xy\n");
  /* Not UTF-8, and C1: as they are. */
  LINES ("\xff\xfe \xc3\xa9 \x9b\n", "1 @0+8 cut 0 |\xff\xfe \xc3\xa9 \x9b\n");
  LINES ("\033[\xc3\xa9\n", "1 @0+5 cut 0 |\xc3\xa9\n");
}

static void
test_written_over (void **state)
{
  LINES ("10%\r20%\r99%\r\n", "1 @0+4 cut 0 v|10%\n2 @4+4 cut 0 v|20%\n"
                              "3 @8+5 cut 0 |99%\n");
  LINES ("5s\r\033[K[   12.000000] BUG\n",
         "1 @0+6 cut 0 v|5s\n2 @6+19 cut 0 |[   12.000000] BUG\n");
  LINES ("\r\r~ # \n", "1 @0+7 cut 0 |~ # \n");
  LINES ("abx\b \bc\n", "1 @0+8 cut 0 |abc\n");
  LINES ("abx\b \b\n", "1 @0+7 cut 0 |ab\n");
  LINES ("abc\b\bX\n", "1 @0+7 cut 0 |aXc\n");
  LINES ("\b\b\ba\n", "1 @0+5 cut 0 |a\n");
  LINES ("a\xc3\xa9\b\b.\n", "1 @0+7 cut 0 |.\xc3\xa9\n");
}

static void
test_rows (void **state)
{
  LINES ("\033[2J\033[01;01HBoot0001\033[5;1HBoot0002\n",
         "1 @0+26 cut 0 |Boot0001\n2 @26+9 cut 0 |Boot0002\n");
  LINES ("a\033[Jb\033[2Jc\033cd\n",
         "1 @0+9 cut 0 |ab\n2 @9+3 cut 0 |c\n3 @12+2 cut 0 |d\n");
}

/* Strings that never end are no way to hide what follows. */
static void
test_unterminated (void **state)
{
  size_t len = 1 << 20;
  char *data = malloc (len);
  struct lines l;
  unsigned seed = 1;

  LINES ("\033]0;x\nBUG: 1\n", "1 @0+6 cut 0 |\n2 @6+7 cut 0 |BUG: 1\n");
  LINES ("\033[1\nBUG: 1\n", "1 @0+4 cut 0 |\n2 @4+7 cut 0 |BUG: 1\n");
  assert_non_null (data);
  memset (data, 'x', len);
  memcpy (data, "\033]0;", 4);
  split_in (data, len, 1000, &seed, &l);
  assert_int_equal (l.n, 1);
  assert_non_null (strstr (l.text, "cut 1039"));
  free (l.text);
  memset (data, '5', len);
  memcpy (data, "\033[", 2);
  split_in (data, len, 1000, &seed, &l);
  assert_int_equal (l.n, 1);
  free (l.text);
  free (data);
}

static void
test_cut (void **state)
{
  static char data[3 * TEXT_LINE_MAX];
  struct lines l;
  unsigned seed = 1;

  memset (data, 'x', sizeof data);
  data[TEXT_LINE_MAX] = '\n';
  data[sizeof data - 1] = '\n';
  check_cuts (data, sizeof data, NULL);
  split_in (data, sizeof data, sizeof data, &seed, &l);
  assert_int_equal (l.n, 2);
  assert_memory_equal (l.text, "1 @0+8193 cut 0 |", 17);
  assert_non_null (strstr (l.text, "\n2 @8193+16383 cut 8190 |"));
  free (l.text);
  data[TEXT_LINE_MAX - 1] = '\033';
  data[2 * TEXT_LINE_MAX] = '\b';
  check_cuts (data, sizeof data, NULL);
}

/* A gigabyte without an end would take seconds; the state is the same after
 * a few megabytes. */
static void
test_bounded (void **state)
{
  static char piece[1 << 16];
  const char fill[] = { 'x', '\0', '\r', '\b', '\033', ']', '[', '\xc2' };

  for (size_t i = 0; i < sizeof fill; i++)
    {
      struct lines l;
      struct splitter *s = make (&l);

      memset (piece, fill[i], sizeof piece);
      for (int n = 0; n < 64; n++)
        {
          splitter_feed (s, piece, sizeof piece, 1);
          assert_true (splitter_size (s) < TEXT_LINE_MAX + 512);
        }
      splitter_feed (s, "\n", 1, 1);
      assert_int_equal (l.n, 1);
      assert_true (splitter_size (s) < 512);
      done (s, &l);
    }
}

static void
test_prompt (void **state)
{
  struct lines l;
  struct splitter *s = make (&l);

  assert_true (splitter_tick (s, 5) == CLOCK_NEVER);
  splitter_feed (s, "up\nlab login: ", 14, 1000);
  assert_int_equal (splitter_tick (s, 1100), 1000 + TEXT_LINE_OPEN_MS);
  assert_string_equal (said (&l), "1 @0+3 cut 0 |up\n");
  assert_true (splitter_tick (s, 1300) == CLOCK_NEVER);
  assert_non_null (strstr (l.text, "\n2 @3+11 cut 0 o|lab login: \n"));
  assert_true (splitter_tick (s, 2000) == CLOCK_NEVER);
  assert_int_equal (l.n, 2);
  /* Asking for the cursor shows nothing new. */
  splitter_feed (s, "\033[6n", 4, 2000);
  assert_true (splitter_tick (s, 3000) == CLOCK_NEVER);
  splitter_feed (s, "ro", 2, 4000);
  assert_int_equal (splitter_tick (s, 4000), 4000 + TEXT_LINE_OPEN_MS);
  assert_true (splitter_tick (s, 4300) == CLOCK_NEVER);
  assert_non_null (strstr (l.text, "\n2 @3+17 cut 0 oa|lab login: ro\n"));
  splitter_feed (s, "ot\r\nnext\n", 9, 5000);
  assert_non_null (strstr (l.text, "\n2 @3+21 cut 0 a|lab login: root\n"
                                   "3 @24+5 cut 0 |next\n"));
  done (s, &l);
}

static uint64_t seen_first, seen_last;

static void
keep_times (const struct text_line *line, void *arg)
{
  seen_first = line->first_ms;
  seen_last = line->last_ms;
}

static void
test_times (void **state)
{
  struct splitter *s = NULL;

  assert_int_equal (splitter_new (keep_times, NULL, &s, NULL), 0);
  splitter_feed (s, "ab", 2, 10);
  splitter_feed (s, "c\n", 2, 20);
  assert_int_equal (seen_first, 10);
  assert_int_equal (seen_last, 20);
  splitter_feed (s, "x\n", 2, 30);
  assert_int_equal (seen_first, 30);
  assert_int_equal (seen_last, 30);
  /* A file has no times, and no lines that stand still. */
  splitter_feed (s, "login: ", 7, 0);
  assert_true (splitter_tick (s, 1000000) == CLOCK_NEVER);
  splitter_free (s);
}

static void
test_gap (void **state)
{
  struct lines l;
  struct splitter *s = make (&l);

  splitter_feed (s, "a\nbeg", 5, 1);
  splitter_gap (s, 100, 2);
  splitter_feed (s, "end\nc\n", 6, 3);
  splitter_gap (s, 0, 3);
  splitter_gap (s, 7, 3);
  splitter_gap (s, 3, 3);
  splitter_feed (s, "d\n\033]0;", 6, 4);
  splitter_gap (s, 10, 4);
  splitter_feed (s, "e\n", 2, 4);
  assert_string_equal (said (&l),
                       "1 @0+2 cut 0 |a\n2 @2+3 cut 0 t|beg\n"
                       "3 @105+4 cut 0 t|end\n4 @109+2 cut 0 |c\n"
                       "5 @121+2 cut 0 t|d\n6 @137+2 cut 0 t|e\n");
  done (s, &l);
}

/* None are missing, but what comes is no end of what was there. */
static void
test_anew (void **state)
{
  struct lines l;
  struct splitter *s = make (&l);

  splitter_feed (s, "a\nbeg", 5, 1);
  splitter_gap (s, 0, 2);
  splitter_feed (s, "new\n\033]0;", 8, 3);
  splitter_gap (s, 0, 3);
  splitter_gap (s, 0, 3);
  splitter_feed (s, "c\n", 2, 3);
  assert_string_equal (said (&l),
                       "1 @0+2 cut 0 |a\n2 @2+3 cut 0 t|beg\n"
                       "3 @5+4 cut 0 |new\n4 @13+2 cut 0 |c\n");
  done (s, &l);
}

/* In place: no buffer for what lies whole in the piece, and none kept. */
static void
test_no_buffer (void **state)
{
  struct lines l;
  struct splitter *s = make (&l);
  size_t idle = splitter_size (s);

  assert_true (idle < 256);
  splitter_feed (s, "one\ntwo\r\n", 9, 1);
  assert_int_equal (splitter_size (s), idle);
  splitter_feed (s, "part", 4, 1);
  assert_true (splitter_size (s) > idle);
  splitter_feed (s, "ial\nthree\n", 10, 1);
  assert_int_equal (splitter_size (s), idle);
  assert_int_equal (l.n, 4);
  done (s, &l);
}

/* Whatever it is, and however it comes. */
static void
test_random (void **state)
{
  static const char *const words[]
      = { "\n", "\r", "\r\n", "\b", "\033", "\033[", "\033]", "\033[2J", "m",
          "[   1.000000] ", "text and text and text", "\x07", "\x18", "H",
          "\xc3\xa9", "\xc2\x9b", "\\", "\033\\", "\t", "\x7f", ";1", "(" };
  char data[600];
  unsigned seed = 7;

  for (int round = 0; round < 400; round++)
    {
      size_t len = 0;

      while (len < 500)
        {
          const char *w = words[(size_t) rand_r (&seed)
                                % (sizeof words / sizeof words[0])];
          size_t n = strlen (w);

          memcpy (data + len, w, n);
          len += n;
          if (rand_r (&seed) % 16 == 0)
            data[len++] = '\0';
        }
      check_cuts (data, len, NULL);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_ends),
    cmocka_unit_test (test_taken_out),
    cmocka_unit_test (test_written_over),
    cmocka_unit_test (test_rows),
    cmocka_unit_test (test_unterminated),
    cmocka_unit_test (test_cut),
    cmocka_unit_test (test_bounded),
    cmocka_unit_test (test_prompt),
    cmocka_unit_test (test_times),
    cmocka_unit_test (test_gap), cmocka_unit_test (test_anew),
    cmocka_unit_test (test_no_buffer),
    cmocka_unit_test (test_random),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
