/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations, sizes and times as people write and read them.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/pressure.h"
#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE 60000u
#define HOUR (60 * MINUTE)
#define DAY (24 * (uint64_t) HOUR)
#define KIB 1024u
#define MIB (1024 * KIB)

typedef int parse_fn (const char *s, uint64_t *ret, struct error *err);

static void
accept (parse_fn *parse, const char *s, uint64_t expected)
{
  struct error err = ERROR_INIT;
  uint64_t got = 0;

  if (parse (s, &got, &err) < 0)
    fail_msg ("%s", err.msg);
  if (got != expected)
    fail_msg ("%s: %llu", s, (unsigned long long) got);
}

static void
refuse (parse_fn *parse, const char *s)
{
  struct error err = ERROR_INIT;
  uint64_t got = 4711;

  if (parse (s, &got, &err) != -EINVAL)
    fail_msg ("%s was taken for %llu", s, (unsigned long long) got);
  assert_int_equal (err.code, EINVAL);
  assert_true (strlen (err.msg) > 10);
  assert_int_equal (got, 4711);
  assert_int_equal (parse (s, &got, NULL), -EINVAL);
}

static void
test_durations (void **state)
{
  static const char *const bad[]
      = { "", "5", "0", "s", "-5s", "+5s", " 5s", "5 s", "5s ", "5S", "5sec",
          "5x", "1.s", ".5s", "1.5", "0.5ms", "1s1m", "1s1s", "1m30",
          "18446744073709551616ms", "18446744073709551615s",
          "213503982335d", "1.0000000001s", "0x10s", "1e3s", "5\xc2\xb5s" };

  accept (units_parse_duration, "500ms", 500);
  accept (units_parse_duration, "30s", 30000);
  accept (units_parse_duration, "5m", 5 * MINUTE);
  accept (units_parse_duration, "2h", 2 * HOUR);
  accept (units_parse_duration, "1d", DAY);
  accept (units_parse_duration, "0s", 0);
  accept (units_parse_duration, "1m30s", 90000);
  accept (units_parse_duration, "1d2h3m4s5ms",
          DAY + 2 * HOUR + 3 * MINUTE + 4005);
  accept (units_parse_duration, "1.5h", 90 * MINUTE);
  accept (units_parse_duration, "0.001s", 1);
  accept (units_parse_duration, "18446744073709551615ms", UINT64_MAX);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    refuse (units_parse_duration, bad[i]);
}

static void
test_sizes (void **state)
{
  static const char *const bad[]
      = { "", "B", "-1", " 1", "1 KiB", "64MB", "64M", "64k", "64kib",
          "1.5", "1.5B", "16EiB", "18446744073709551616", "1KiB1", "1..5KiB",
          "18446744073709551615KiB", "1KiB1B" };

  accept (units_parse_size, "0", 0);
  accept (units_parse_size, "512", 512);
  accept (units_parse_size, "512B", 512);
  accept (units_parse_size, "64KiB", 64 * KIB);
  accept (units_parse_size, "64MiB", 64 * MIB);
  accept (units_parse_size, "2GiB", 2ull * 1024 * MIB);
  accept (units_parse_size, "1.5MiB", MIB + MIB / 2);
  accept (units_parse_size, "15EiB", 15ull << 60);
  accept (units_parse_size, "18446744073709551615", UINT64_MAX);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    refuse (units_parse_size, bad[i]);
}

/* What was written is shown, but not what it might do to a terminal, and not
 * all of it. */
static void
test_hostile_text (void **state)
{
  struct error err = ERROR_INIT;
  char text[5000];
  uint64_t v;

  memset (text, '\x1b', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  units_parse_size (text, &v, &err);
  assert_null (strchr (err.msg, '\x1b'));
  assert_non_null (strstr (err.msg, "..."));
  assert_non_null (strstr (err.msg, "64KiB"));
}

static void
check_format (char *(*format) (char *, size_t, uint64_t), uint64_t v,
              const char *expected)
{
  char dst[32];

  assert_string_equal (format (dst, sizeof dst, v), expected);
  assert_true (format (dst, 3, v) == dst && strlen (dst) < 3);
}

static void
test_format (void **state)
{
  check_format (units_format_duration, 0, "0s");
  check_format (units_format_duration, 250, "250ms");
  check_format (units_format_duration, 1000, "1s");
  check_format (units_format_duration, 1500, "1s500ms");
  check_format (units_format_duration, 90000, "1m30s");
  check_format (units_format_duration, 90500, "1m30s");
  check_format (units_format_duration, HOUR + 1000, "1h");
  check_format (units_format_duration, DAY + HOUR, "1d1h");
  check_format (units_format_duration, UINT64_MAX, "213503982334d14h");
  check_format (units_format_size, 0, "0B");
  check_format (units_format_size, 512, "512B");
  check_format (units_format_size, 1023, "1023B");
  check_format (units_format_size, 1024, "1KiB");
  check_format (units_format_size, MIB + MIB / 2, "1.5MiB");
  check_format (units_format_size, MIB - 1, "1023.9KiB");
  check_format (units_format_size, UINT64_MAX, "15.9EiB");
}

/* What the formatters write is read back as no more than it was. */
static void
test_round_trip (void **state)
{
  for (unsigned shift = 0; shift < 64; shift++)
    for (int d = -3; d <= 3; d++)
      {
        uint64_t v = ((uint64_t) 1 << shift) + (uint64_t) d, got = 0;
        char dst[40];

        units_parse_duration (units_format_duration (dst, sizeof dst, v),
                              &got, NULL);
        assert_true (got <= v && v - got <= v / 20);
        units_parse_size (units_format_size (dst, sizeof dst, v), &got, NULL);
        assert_true (got <= v && v - got <= v / 10);
      }
}

static void
test_clock (void **state)
{
  char dst[32];
  uint64_t a = clock_us (), b = clock_ms (), c = clock_us ();

  assert_true (a / 1000 <= b && b <= c / 1000);
  assert_true (clock_wall_ms () > 1700000000000ull);
  assert_string_equal (clock_format (dst, sizeof dst, 0),
                       "1970-01-01T00:00:00.000Z");
  assert_string_equal (clock_format (dst, sizeof dst, 1772359200123),
                       "2026-03-01T10:00:00.123Z");
  assert_string_equal (clock_format (dst, 25, UINT64_MAX),
                       "9999-12-31T23:59:59.999Z");
}

static void
test_pressure (void **state)
{
  static const char text[]
      = "some avg10=1.25 avg60=9.00 avg300=9.00 total=7\n"
        "full avg10=0.50 avg60=9.00 avg300=9.00 total=7\n";
  double v = -1;

  assert_true (pressure_avg10 (text, "some", &v));
  assert_true (v == 1.25);
  assert_true (pressure_avg10 (text, "full", &v));
  assert_true (v == 0.5);
  assert_false (pressure_avg10 ("some avg60=1.00\nfull\n", "some", &v));
  assert_false (pressure_avg10 ("", "full", &v));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_durations),
    cmocka_unit_test (test_sizes),
    cmocka_unit_test (test_hostile_text),
    cmocka_unit_test (test_format),
    cmocka_unit_test (test_round_trip),
    cmocka_unit_test (test_clock),
    cmocka_unit_test (test_pressure),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
