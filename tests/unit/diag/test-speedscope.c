/* SPDX-License-Identifier: Apache-2.0
 *
 * Folded stacks as a document that speedscope opens: frames that are the same
 * are one, whatever a guest calls them it stays a document, and what is no
 * stack is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "diag/report/speedscope.h"

#include <string.h>

static struct json_doc *
scope_of (const char *folded)
{
  static const struct speedscope s = { .name = "tasks \"of\" z1",
                                       .unit = "none" };
  CLEANUP_BUF struct buf out = BUF_INIT (1u << 16);
  struct json_doc *doc = NULL;

  assert_int_equal (speedscope_write (&s, folded, strlen (folded), &out, NULL),
                    0);
  assert_false (out.cut);
  if (json_parse (buf_str (&out), out.len, JSON_WIRE, "scope", 1u << 16, &doc,
                  NULL)
      < 0)
    fail_msg ("no document: %s", buf_str (&out));
  return doc;
}

static struct json_object *
profile (struct json_doc *doc)
{
  return json_object_array_get_idx (json_get (json_root (doc), "profiles"), 0);
}

static struct json_object *
at (struct json_object *list, size_t i)
{
  return json_object_array_get_idx (list, i);
}

/* The name of a sample's k-th frame. */
static const char *
name_of (struct json_doc *doc, size_t sample, size_t k)
{
  struct json_object *frames
      = json_get (json_get (json_root (doc), "shared"), "frames");
  struct json_object *one = at (json_get (profile (doc), "samples"), sample);

  return json_get_str (at (frames, (size_t) json_object_get_int (at (one, k))),
                       "name");
}

static size_t
frames (struct json_doc *doc)
{
  return json_object_array_length (
      json_get (json_get (json_root (doc), "shared"), "frames"));
}

static void
stacks_and_weights (void **state)
{
  struct json_doc *doc CLEANUP_JSON_DOC
      = scope_of ("D;entry;f_waits;schedule 2\nS;entry;schedule 41\nS 1\n");
  struct json_object *p = profile (doc);

  assert_string_equal (json_get_str (json_root (doc), "$schema"),
                       "https://www.speedscope.app/file-format-schema.json");
  assert_string_equal (json_get_str (p, "type"), "sampled");
  assert_string_equal (json_get_str (p, "unit"), "none");
  assert_string_equal (json_get_str (p, "name"), "tasks \"of\" z1");
  assert_int_equal (json_get_int (p, "endValue", 0), 44);
  assert_int_equal (json_object_array_length (json_get (p, "samples")), 3);
  assert_int_equal (json_object_get_int (at (json_get (p, "weights"), 1)), 41);
  assert_int_equal (frames (doc), 5);
  assert_string_equal (name_of (doc, 0, 0), "D");
  assert_string_equal (name_of (doc, 0, 2), "f_waits");
  assert_string_equal (name_of (doc, 1, 2), "schedule");
  assert_string_equal (name_of (doc, 2, 0), "S");
}

static void
what_is_no_stack (void **state)
{
  struct json_doc *doc CLEANUP_JSON_DOC
      = scope_of ("\n5\n 5\nno number\nD;a\"\\\x01\xff 3\n;;b 1\n"
                  "x 12345678901234567\nlast 7");

  assert_int_equal (
      json_object_array_length (json_get (profile (doc), "samples")), 3);
  assert_string_equal (name_of (doc, 0, 1), "a\"\\__");
  assert_string_equal (name_of (doc, 1, 2), "b");
  assert_string_equal (name_of (doc, 2, 0), "last");
  assert_int_equal (json_get_int (profile (doc), "endValue", 0), 11);
}

static void
nothing_and_too_much (void **state)
{
  static const struct speedscope s = { .name = "", .unit = "none" };
  struct json_doc *doc CLEANUP_JSON_DOC = scope_of ("");
  CLEANUP_BUF struct buf small = BUF_INIT (64);

  assert_int_equal (frames (doc), 0);
  assert_int_equal (speedscope_write (&s, "a;b 1\n", 6, &small, NULL), 0);
  assert_true (small.cut);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (stacks_and_weights),
    cmocka_unit_test (what_is_no_stack),
    cmocka_unit_test (nothing_and_too_much),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
