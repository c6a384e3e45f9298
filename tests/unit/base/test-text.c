/* SPDX-License-Identifier: Apache-2.0
 *
 * Guest bytes on their way to a person: properties over many inputs, and the
 * escapes that have hurt others.
 */
#include "base/text.h"

#include "base/buf.h"
#include "tests/unit/base/text-check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL_FLAGS (TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB | TEXT_ASCII)

/* Escapes and checks all that must hold of every input. */
static void
check (const void *bytes, size_t len, unsigned flags)
{
  CLEANUP_BUF struct buf out = BUF_INIT (8 * len + 16);
  CLEANUP_BUF struct buf again = BUF_INIT (8 * len + 16);
  const char *why;

  text_escape (&out, bytes, len, flags);
  assert_false (out.cut);
  assert_true (out.len <= 4 * len);
  why = check_escaped (buf_str (&out), out.len, flags);
  if (why)
    fail_msg ("%s: %s", why, buf_str (&out));
  text_escape (&again, buf_str (&out), out.len, flags);
  assert_string_equal (buf_str (&again), buf_str (&out));
}

static void
test_single_bytes_and_pairs (void **state)
{
  for (unsigned flags = 0; flags <= ALL_FLAGS; flags++)
    for (int a = 0; a < 256; a++)
      {
        unsigned char one[2] = { (unsigned char) a, 0 };

        check (one, 1, flags);
        for (int b = 0; b < 256; b++)
          {
            one[1] = (unsigned char) b;
            check (one, 2, flags);
          }
      }
}

static unsigned
encode (uint32_t cp, unsigned char *p)
{
  if (cp < 0x80)
    return p[0] = (unsigned char) cp, 1;
  if (cp < 0x800)
    {
      p[0] = (unsigned char) (0xc0 + (cp >> 6));
      p[1] = (unsigned char) (0x80 + cp % 64);
      return 2;
    }
  if (cp < 0x10000)
    {
      p[0] = (unsigned char) (0xe0 + (cp >> 12));
      p[1] = (unsigned char) (0x80 + (cp >> 6) % 64);
      p[2] = (unsigned char) (0x80 + cp % 64);
      return 3;
    }
  p[0] = (unsigned char) (0xf0 + (cp >> 18));
  p[1] = (unsigned char) (0x80 + (cp >> 12) % 64);
  p[2] = (unsigned char) (0x80 + (cp >> 6) % 64);
  p[3] = (unsigned char) (0x80 + cp % 64);
  return 4;
}

/* Each code point, surrogates and beyond the end included: decoded rightly,
 * and escaped without harm. */
static void
test_every_code_point (void **state)
{
  for (uint32_t cp = 0; cp < 0x110400; cp++)
    {
      unsigned char p[4];
      uint32_t got = 0x42424242;
      unsigned n = encode (cp, p);
      bool valid = cp < 0x110000 && (cp < 0xd800 || cp > 0xdfff);

      assert_int_equal (text_utf8 (p, n, &got), valid ? n : 0);
      assert_int_equal (got, valid ? cp : 0x42424242);
      for (unsigned less = 1; less < n; less++)
        assert_int_equal (text_utf8 (p, less, NULL), 0);
      if (cp < 0x3000 || cp % 64 == 0 || (cp >= 0xd000 && cp < 0x10100)
          || (cp >= 0xdff00 && cp < 0xe0400))
        check (p, n, 0);
    }
}

static void
test_overlong (void **state)
{
  static const char *const bad[]
      = { "\xc0\x80",     "\xc1\xbf",         "\xe0\x80\x80", "\xe0\x9f\xbf",
          "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf8\x88\x80\x80\x80",
          "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xff", "\xfe" };

  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal (
        text_utf8 ((const unsigned char *) bad[i], strlen (bad[i]), NULL), 0);
  assert_int_equal (text_utf8 ((const unsigned char *) "", 0, NULL), 0);
}

/* Pieces that mean something to a terminal, an UTF-8 decoder, or to us,
 * strung together at random, with raw bytes among them. */
static void
test_random (void **state)
{
  static const char *const pieces[]
      = { "\x1b[31m", "\x1b]0;t\a", "\x1b]8;;x", "\x9b", "\xc2\x9b", "\r\n",
          "\r", "\n", "\t", "\xe2\x80\xae", "\xe2\x80\x8b", "\xef\xbb\xbf",
          "\xf0\x9f\x98\x80", "\xf0\x9f", "\xe2\x80", "\xed\xa0\x80", "\\e",
          "\\u{202e}", "plain text", "\x7f", "\xf3\xa0\x80\x81", "\xc3\xa4" };
  uint32_t seed = 0x2545f491;

  for (int round = 0; round < 20000; round++)
    {
      unsigned char text[256];
      size_t n = 0;

      while (n < 200)
        {
          seed = seed * 1664525 + 1013904223;
          if (seed >> 30 == 0)
            text[n++] = (unsigned char) (seed >> 16);
          else
            {
              const char *p = pieces[(seed >> 8)
                                     % (sizeof pieces / sizeof *pieces)];

              memcpy (text + n, p, strlen (p));
              n += strlen (p);
            }
          if (seed >> 24 == 7)
            break;
        }
      check (text, n, (unsigned) round & ALL_FLAGS);
    }
}

static void
expect (const char *in, size_t len, unsigned flags, const char *out)
{
  CLEANUP_BUF struct buf b = BUF_INIT (1000);

  text_escape (&b, in, len, flags);
  assert_string_equal (buf_str (&b), out);
}

#define EXPECT(in, flags, out) expect (in, sizeof (in) - 1, flags, out)

static void
test_forms (void **state)
{
  EXPECT ("a\x1b[0m", 0, "a\\e[0m");
  EXPECT ("\x1b]8;;never ended", 0, "\\e]8;;never ended");
  EXPECT ("a\0b", 0, "a\\x00b");
  EXPECT ("a\nb\tc", 0, "a\\x0ab\\x09c");
  EXPECT ("a\nb\tc", TEXT_KEEP_NEWLINE | TEXT_KEEP_TAB, "a\nb\tc");
  EXPECT ("a\r\nb\rc\r", TEXT_KEEP_NEWLINE, "a\nb\\x0dc\\x0d");
  EXPECT ("a\r\n", 0, "a\\x0d\\x0a");
  EXPECT ("\xc2\x9b\x9b", 0, "\\xc2\\x9b\\x9b");
  EXPECT ("\xe2\x80\xaetxt", 0, "\\u{202e}txt");
  EXPECT ("p\xd0\xb0ypal \xc3\xa4", 0, "p\xd0\xb0ypal \xc3\xa4");
  EXPECT ("\xc3\xa4", TEXT_ASCII, "\\u{00e4}");
  EXPECT ("\xf0\x9f\x98\x80", TEXT_ASCII, "\\u{1f600}");
  EXPECT ("\xf3\xa0\x81\xa1", 0, "\\u{e0061}");
  EXPECT ("C:\\dir", 0, "C:\\dir");
}

/* A full buffer ends between characters and between escapes. */
static void
test_full (void **state)
{
  static const char in[] = "ab\xf0\x9f\x98\x80\x1b\x01\xe2\x80\xae\xc3\xa4z";
  CLEANUP_BUF struct buf whole = BUF_INIT (1000);

  text_escape (&whole, in, sizeof in - 1, 0);
  for (size_t max = 0; max <= whole.len; max++)
    {
      CLEANUP_BUF struct buf b = BUF_INIT (max);

      text_escape (&b, in, sizeof in - 1, 0);
      assert_true (b.len <= max);
      assert_int_equal (b.cut, max < whole.len);
      assert_memory_equal (buf_str (&b), whole.data, b.len);
      assert_null (check_escaped (buf_str (&b), b.len, 0));
      assert_true (b.len == whole.len || whole.data[b.len] == '\\'
                   || (signed char) whole.data[b.len] < -64
                   || whole.data[b.len - (b.len > 0)] < 0x7f);
    }
}

static void
test_names (void **state)
{
  char name[200], dst[200];

  assert_true (text_is_name ("web-1.example_A"));
  assert_false (text_is_name (""));
  assert_false (text_is_name (NULL));
  assert_false (text_is_name (".."));
  assert_false (text_is_name (".hidden"));
  assert_false (text_is_name ("-rf"));
  assert_false (text_is_name ("a/b"));
  assert_false (text_is_name ("a b"));
  assert_false (text_is_name ("\xc3\xa4"));
  memset (name, 'n', 129);
  name[128] = '\0';
  assert_true (text_is_name (name));
  name[128] = 'n';
  name[129] = '\0';
  assert_false (text_is_name (name));

  text_make_name (dst, sizeof dst, name);
  assert_int_equal (strlen (dst), 128);
  text_make_name (dst, sizeof dst, "../../etc/passwd");
  assert_string_equal (dst, "_._.._etc_passwd");
  text_make_name (dst, sizeof dst, "");
  assert_string_equal (dst, "_");
  text_make_name (dst, sizeof dst, NULL);
  assert_string_equal (dst, "_");
  text_make_name (dst, 4, "abcdef");
  assert_string_equal (dst, "abc");
  for (int c = 1; c < 256; c++)
    {
      char one[3] = { (char) c, (char) c, 0 };

      text_make_name (dst, sizeof dst, one);
      assert_true (text_is_name (dst));
    }
}

static void
test_glob (void **state)
{
  static const struct
  {
    const char *pattern, *s;
    bool match;
  } cases[] = {
    { "", "", true },          { "", "a", false },
    { "*", "", true },         { "*", "anything", true },
    { "a*c", "abbc", true },   { "a*c", "abb", false },
    { "*a*b*", "xaxbx", true }, { "*ab", "aab", true },
    { "app?", "app1", true },  { "app?", "app", false },
    { "?", "\xc3\xa4", true }, { "??", "\xc3\xa4", false },
    { "?", "\xff", true },     { "[a-c]x", "bx", true },
    { "[a-c]x", "dx", false }, { "[!a-c]x", "dx", true },
    { "[^a-c]x", "ax", false }, { "[]]", "]", true },
    { "[a-]", "-", true },     { "[", "[", true },
    { "[ab", "[ab", true },    { "[ab", "a", false },
    { "\\*", "*", true },      { "\\*", "x", false },
    { "a\\", "a\\", true },    { "App*", "app", false },
    { "*.json", ".json", true }, { "[]", "[]", true },
    { "x[a]*[b]", "xaqqb", true },
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (text_glob (cases[i].pattern, cases[i].s) != cases[i].match)
      fail_msg ("%s against %s", cases[i].pattern, cases[i].s);
}

/* What takes exponential or cubic time elsewhere ends before the alarm. */
static void
test_glob_blow_up (void **state)
{
  enum { N = 8000 };
  static char pattern[N + 1], text[2 * N + 1];

  alarm (60);
  for (int i = 0; i < N; i += 2)
    memcpy (pattern + i, "*a", 2);
  memset (text, 'a', 2 * N);
  text[2 * N - 1] = 'b';
  assert_false (text_glob (pattern, text));
  memset (pattern, '[', N);
  pattern[0] = '*';
  pattern[N - 1] = 'x';
  memset (text, '[', 2 * N);
  assert_false (text_glob (pattern, text));
  alarm (0);
}

static void
test_nearest (void **state)
{
  static const char *const keys[]
      = { "interval", "timeout", "name", "match", "on", NULL };
  char longest[100];

  assert_string_equal (text_nearest ("intervall", keys), "interval");
  assert_string_equal (text_nearest ("Interval", keys), "interval");
  assert_string_equal (text_nearest ("tiemout", keys), "timeout");
  assert_string_equal (text_nearest ("nmae", keys), "name");
  assert_string_equal (text_nearest ("macth", keys), "match");
  assert_null (text_nearest ("colour", keys));
  assert_null (text_nearest ("", keys));
  assert_null (text_nearest ("xyz", keys));
  memset (longest, 'i', 99);
  longest[99] = '\0';
  assert_null (text_nearest (longest, keys));
}

static void
test_did_you_mean (void **state)
{
  static const char *const keys[] = { "interval", "timeout", NULL };
  char dst[80], small[20];

  assert_string_equal (text_did_you_mean (dst, sizeof dst, "tiemout", keys),
                       " (did you mean \"timeout\"?)");
  assert_string_equal (text_did_you_mean (dst, sizeof dst, "colour", keys),
                       " (known: interval, timeout)");
  /* Whole or not at all. */
  assert_string_equal (text_did_you_mean (small, sizeof small, "colour", keys),
                       "");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_single_bytes_and_pairs),
    cmocka_unit_test (test_every_code_point),
    cmocka_unit_test (test_overlong),
    cmocka_unit_test (test_random),
    cmocka_unit_test (test_forms),
    cmocka_unit_test (test_full),
    cmocka_unit_test (test_names),
    cmocka_unit_test (test_glob),
    cmocka_unit_test (test_glob_blow_up),
    cmocka_unit_test (test_nearest),
    cmocka_unit_test (test_did_you_mean),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
