/* SPDX-License-Identifier: Apache-2.0
 *
 * The timeline of a bundle: one clock for all, bounded, escaped, and as its
 * schema says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "diag/timeline.h"
#include "tests/lib/schema-check.h"

#include <stdlib.h>

/* The wall clock is 1 000 000 ms ahead of the monotonic one. */
static const struct timeline_clocks clocks
    = { 1000000, true, 2.5, 0.1, "memory" };

static void
add (struct timeline *tl, enum timeline_kind kind, enum timeline_clock clock,
     uint64_t ms, const char *what)
{
  timeline_add (tl, &(struct timeline_row){ .kind = kind,
                                            .clock = clock,
                                            .ms = ms,
                                            .what = what,
                                            .guest_s = -1 });
}

/* The nth row, from 0 on; checked against the schema. */
static struct json_object *
nth (const struct buf *out, unsigned n)
{
  const char *src = getenv ("srcdir"), *p = buf_str (out);
  struct json_doc *schema CLEANUP_JSON_DOC = NULL;
  struct json_object *row;
  char path[4096], wrong[SCHEMA_PLACE];
  CLEANUP_BUF struct buf line = BUF_INIT (8192);

  snprintf (path, sizeof path, "%s/docs/schema/timeline-1.json",
            src ? src : ".");
  assert_int_equal (json_load (path, JSON_FILE, JSON_MAX_FILE, &schema, NULL),
                    0);
  while (n--)
    p = strchr (p, '\n') + 1;
  buf_append (&line, p, strcspn (p, "\n"));
  row = json_tokener_parse (buf_str (&line));
  assert_non_null (row);
  if (!schema_ok (json_root (schema), row, "row", wrong))
    fail_msg ("%s in %s", wrong, buf_str (&line));
  return row;
}

static unsigned
lines (const struct buf *out)
{
  unsigned n = 0;

  for (const char *p = buf_str (out); *p; p++)
    n += *p == '\n';
  return n;
}

static void
one_clock (void **state)
{
  CLEANUP_TIMELINE struct timeline *tl = NULL;
  CLEANUP_BUF struct buf out = BUF_INIT (TIMELINE_BYTES);
  struct json_object *row;

  assert_int_equal (timeline_new (&tl, NULL), 0);
  add (tl, TIMELINE_INCIDENT, TIMELINE_WALL, 1005000, "third");
  add (tl, TIMELINE_LIFECYCLE, TIMELINE_MONOTONIC, 4000, "first");
  timeline_add (tl, &(struct timeline_row){ .kind = TIMELINE_KERNEL,
                                            .clock = TIMELINE_MONOTONIC,
                                            .ms = 4600,
                                            .source = "console",
                                            .what = "sec\x1b[2Jond",
                                            .count = 3,
                                            .guest_s = 2.0 });
  timeline_write (tl, &clocks, &out);
  assert_int_equal (lines (&out), 3);
  row = nth (&out, 0);
  assert_string_equal (json_get_str (row, "what"), "first");
  assert_string_equal (json_get_str (row, "clock"), "monotonic");
  assert_int_equal (json_get_int (row, "time_ms", 0), 1004000);
  assert_null (json_get (row, "guest_s"));
  json_object_put (row);
  row = nth (&out, 1);
  assert_string_equal (json_get_str (row, "what"), "sec\\e[2Jond");
  assert_int_equal (json_get_int (row, "count", 0), 3);
  assert_int_equal (json_get_int (row, "guest_mono_ms", 0), 4500);
  json_object_put (row);
  row = nth (&out, 2);
  assert_string_equal (json_get_str (row, "what"), "third");
  assert_int_equal (json_get_int (row, "mono_ms", 0), 5000);
  json_object_put (row);
}

/* A guest that talks takes nothing of what others say, and no more than there
 * is; what is left out is counted, by its kind. */
static void
bounded (void **state)
{
  CLEANUP_TIMELINE struct timeline *tl = NULL;
  CLEANUP_BUF struct buf out = BUF_INIT (4 * TIMELINE_BYTES);
  struct json_object *row;
  char long_[4000];

  memset (long_, 1, sizeof long_ - 1);
  long_[sizeof long_ - 1] = '\0';
  assert_int_equal (timeline_new (&tl, NULL), 0);
  for (unsigned i = 0; i < 5; i++)
    add (tl, TIMELINE_INCIDENT, TIMELINE_WALL, 2000000 + i, "step");
  for (unsigned i = 0; i < 3000; i++)
    add (tl, TIMELINE_KERNEL, TIMELINE_MONOTONIC, i, long_);
  for (unsigned i = 0; i < 7; i++)
    add (tl, TIMELINE_ACT, TIMELINE_WALL, 3000000 + i, "act");
  add (tl, TIMELINE_COLLECTOR, TIMELINE_MONOTONIC, 1, "too late");
  timeline_write (tl, &clocks, &out);
  assert_in_range (out.len, 1, TIMELINE_BYTES);
  assert_int_equal (lines (&out), TIMELINE_ROWS + 1);
  row = nth (&out, 0);
  assert_int_equal (json_get_int (row, "mono_ms", 0), 3000 - 308);
  json_object_put (row);
  row = nth (&out, 319);
  assert_string_equal (json_get_str (row, "what"), "act");
  json_object_put (row);
  row = nth (&out, 320);
  assert_string_equal (json_get_str (row, "kind"), "left-out");
  assert_string_equal (json_get_str (row, "what"), "2692 kernel, 1 collector");
  assert_int_equal (json_get_int (row, "count", 0), 2693);
  json_object_put (row);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (one_clock),
    cmocka_unit_test (bounded),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
