/* SPDX-License-Identifier: Apache-2.0
 *
 * The literal pass against memmem(): the same literals in the same texts, for
 * sets of literals of all sorts and texts made to confuse it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "kernel/text/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORDS 8

static struct text_scan *
scan_of (const char *const *list, size_t n)
{
  CLEANUP_FREE struct scan_literal *l = calloc (n + 1, sizeof *l);
  struct text_scan *s = NULL;
  struct error err = ERROR_INIT;

  assert_non_null (l);
  for (size_t i = 0; i < n; i++)
    l[i] = (struct scan_literal){ list[i], strlen (list[i]), (unsigned) i };
  if (text_scan_new (l, n, &s, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return s;
}

/* In memory that ends with the text, so that reading on is seen. */
static void
compare (const struct text_scan *s, const char *const *list, size_t n,
         const char *text, size_t len)
{
  CLEANUP_FREE char *exact = malloc (len > 0 ? len : 1);
  uint64_t set[WORDS], want[WORDS] = { 0 };
  bool any = false, found;

  assert_non_null (exact);
  assert_true (text_scan_words (s) <= WORDS);
  memcpy (exact, text, len);
  memset (set, 0x5a, sizeof set);
  for (size_t i = 0; i < n; i++)
    if (memmem (exact, len, list[i], strlen (list[i])))
      {
        any = true;
        want[i / 64] |= (uint64_t) 1 << i % 64;
      }
  found = text_scan_find (s, exact, len, set);
  if (found != any
      || (any && memcmp (set, want, text_scan_words (s) * sizeof *set) != 0))
    fail_msg ("%.*s: found %d, want %d", (int) (len < 300 ? len : 300), text,
              found, any);
}

/* Every literal at every place of its neighbours, whole and torn. */
static void
around (const char *const *list, size_t n)
{
  struct text_scan *s = scan_of (list, n);
  char text[1024];

  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < n; k++)
      for (size_t cut = 0; cut <= strlen (list[i]); cut++)
        {
          int len = snprintf (text, sizeof text, "%.*s%.*s%s", (int) (k % 9),
                              "abcdefghi", (int) cut, list[i], list[k]);

          assert_in_range (len, 0, sizeof text - 1);
          compare (s, list, n, text, (size_t) len);
          compare (s, list, n, text, (size_t) len - 1);
          compare (s, list, n, text + 1, (size_t) len - 1);
        }
  text_scan_free (s);
}

static void
test_found (void **state)
{
  static const char *const kernel[]
      = { "BUG: ",          "soft lockup", "INFO: task ",
          "INFO: rcu",      "rcu: INFO: ", "Kernel panic - not syncing",
          "not syncing: A", "panic",       "blocked for more than" };
  static const char *const shorter[] = { "aab", "aaab", "aba", "baa", "bab",
                                         "aaaaaaaaaa", "abababab" };
  static const char *const nested[]
      = { "abcdefgh", "bcdefg", "cdef", "cde", "efghi", "fghij", "hijklm" };
  static const char *const bytes[]
      = { "\xc3\xa9\xc3\xa8", "\xff\xfe\xfd", "\x01\x02\x03", "\xe2\x82\xac" };
  static const char *const one[] = { "Oops: " };
  static const char *const same[] = { "twice", "twice", "thrice", "twice" };

  around (kernel, ARRAY_LEN (kernel));
  around (shorter, ARRAY_LEN (shorter));
  around (nested, ARRAY_LEN (nested));
  around (bytes, ARRAY_LEN (bytes));
  around (one, ARRAY_LEN (one));
  around (same, ARRAY_LEN (same));
}

/* ---- at random ---- */

static uint32_t
next_random (uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

static void
fill (uint32_t *seed, char *p, size_t len, unsigned letters)
{
  for (size_t i = 0; i < len; i++)
    p[i] = (char) ('a' + next_random (seed) % letters);
}

static void
test_random (void **state)
{
  uint32_t seed = 4711;

  for (unsigned round = 0; round < 120; round++)
    {
      unsigned letters = 2 + round % 5, n = 1 + next_random (&seed) % 90;
      unsigned least = 3 + round % 7;
      char literals[90][40] = { { 0 } }, text[700];
      const char *list[90];
      struct text_scan *s;

      for (unsigned i = 0; i < n; i++)
        {
          fill (&seed, literals[i], least + next_random (&seed) % 20,
                letters);
          list[i] = literals[i];
        }
      s = scan_of (list, n);
      for (unsigned k = 0; k < 60; k++)
        {
          size_t len = next_random (&seed) % sizeof text;

          fill (&seed, text, len, letters + k % 3);
          compare (s, list, n, text, len);
        }
      text_scan_free (s);
    }
}

/* ---- bounds ---- */

static void
test_refused (void **state)
{
  static char long_one[SCAN_LITERAL_MAX + 2];
  struct scan_literal bad[] = { { "ab", 2, 0 },
                                { long_one, SCAN_LITERAL_MAX + 1, 0 },
                                { "a\0b", 3, 0 },
                                { "abc", 3, 70000 } };
  struct text_scan *s = NULL;
  struct error err = ERROR_INIT;

  memset (long_one, 'x', sizeof long_one - 1);
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    assert_int_equal (text_scan_new (bad + i, 1, &s, &err), -EINVAL);
  assert_null (s);
}

static void
test_too_many (void **state)
{
  enum { N = 2000, LEN = 100 };
  CLEANUP_FREE char *bytes = malloc (N * LEN);
  CLEANUP_FREE struct scan_literal *l = calloc (N, sizeof *l);
  struct text_scan *s = NULL;
  struct error err = ERROR_INIT;
  uint32_t seed = 1;

  assert_non_null (bytes);
  assert_non_null (l);
  fill (&seed, bytes, N * LEN, 20);
  for (unsigned i = 0; i < N; i++)
    l[i] = (struct scan_literal){ bytes + i * LEN, LEN, i };
  assert_int_equal (text_scan_new (l, N, &s, &err), -E2BIG);
  assert_null (s);
}

static void
test_none (void **state)
{
  struct text_scan *s = scan_of (NULL, 0);
  char text[4096];
  uint64_t set[1];

  memset (text, 'x', sizeof text);
  assert_false (text_scan_find (s, text, sizeof text, set));
  assert_false (text_scan_find (s, text, 0, set));
  text_scan_free (s);
}

static uint64_t
cpu_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* The quickest of a few: others may have the processor. */
static uint64_t
time_of (const struct text_scan *s, const char *text, size_t len,
         unsigned times)
{
  uint64_t set[2], best = UINT64_MAX;

  for (unsigned round = 0; round < 5; round++)
    {
      uint64_t start = cpu_us ();

      for (unsigned i = 0; i < times; i++)
        assert_false (text_scan_find (s, text + i * len, len, set));
      start = cpu_us () - start;
      if (start < best)
        best = start;
    }
  return best;
}

/* What nearly is a literal, again and again, for a hundred of them: a text a
 * hundred times as long takes as long as a hundred texts, and not so much
 * longer than one that is like no literal. */
static void
test_linear (void **state)
{
  static char all[100][SCAN_LITERAL_MAX + 1];
  const char *list[100];
  enum { SHORT = 20000, TIMES = 100 };
  CLEANUP_FREE char *text = malloc (SHORT * TIMES);
  uint64_t clean, little, much;
  struct text_scan *s;

  assert_non_null (text);
  for (unsigned i = 0; i < 100; i++)
    {
      memset (all[i], 'a', 28 + i);
      all[i][27 + i] = 'b';
      list[i] = all[i];
    }
  s = scan_of (list, 100);
  memset (text, 'x', SHORT * TIMES);
  clean = time_of (s, text, SHORT * TIMES, 1);
  memset (text, 'a', SHORT * TIMES);
  little = time_of (s, text, SHORT, TIMES);
  much = time_of (s, text, SHORT * TIMES, 1);
  assert_true (much < 8 * little + 10000);
  if (much > 600 * clean + 10000)
    fail_msg ("%llu us, and %llu for harmless text",
              (unsigned long long) much, (unsigned long long) clean);
  assert_true (text_scan_size (s) < 400000);
  text_scan_free (s);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_found),    cmocka_unit_test (test_random),
    cmocka_unit_test (test_refused),  cmocka_unit_test (test_too_many),
    cmocka_unit_test (test_none),     cmocka_unit_test (test_linear),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
