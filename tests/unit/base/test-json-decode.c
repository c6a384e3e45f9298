/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding by table, schemas, and the small helpers.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum kind
{
  TCP,
  HTTP,
};

struct step
{
  char *expect;
  uint64_t timeout;
  int kind;
};

struct limits
{
  uint64_t bytes;
  double share;
  char *note;
};

struct scenario
{
  char *id;
  bool on;
  int64_t count;
  uint64_t interval;
  struct limits limits;
  struct json_list steps, tags, numbers, kinds;
  struct json_object *raw;
};

static const char *const kinds[] = { "tcp", "http", NULL };

static const struct json_field step_fields[] = {
  { "expect", JSON_STRING, offsetof (struct step, expect), .required = true },
  { "timeout", JSON_DURATION, offsetof (struct step, timeout), .min = 1000,
    .max = 60000 },
  { "kind", JSON_ENUM, offsetof (struct step, kind), .names = kinds },
  { 0 },
};

static const struct json_field limit_fields[] = {
  { "bytes", JSON_SIZE, offsetof (struct limits, bytes), .max = 1 << 20 },
  { "share", JSON_DOUBLE, offsetof (struct limits, share), .max = 1 },
  { "note", JSON_STRING, offsetof (struct limits, note), .min = 2, .max = 4 },
  { 0 },
};

static const struct step step_defaults = { NULL, 5000, HTTP };

static const struct json_field fields[] = {
  { "id", JSON_STRING, offsetof (struct scenario, id), .required = true,
    .help = "what it is called" },
  { "on", JSON_BOOL, offsetof (struct scenario, on) },
  { "count", JSON_INT, offsetof (struct scenario, count), .min = -1,
    .max = 9 },
  { "interval", JSON_DURATION, offsetof (struct scenario, interval) },
  { "limits", JSON_OBJECT, offsetof (struct scenario, limits),
    .sub = limit_fields },
  { "steps", JSON_ARRAY, offsetof (struct scenario, steps), .min = 1,
    .max = 3, .sub = step_fields, .elem_size = sizeof (struct step),
    .elem_init = &step_defaults },
  { "tags", JSON_ARRAY, offsetof (struct scenario, tags),
    .elem_kind = JSON_STRING },
  { "numbers", JSON_ARRAY, offsetof (struct scenario, numbers),
    .elem_kind = JSON_INT },
  { "kinds", JSON_ARRAY, offsetof (struct scenario, kinds),
    .elem_kind = JSON_ENUM, .names = kinds },
  { "raw", JSON_RAW, offsetof (struct scenario, raw) },
  { 0 },
};

static int
decode (const char *text, struct scenario *out, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;

  assert_int_equal (
      json_parse (text, strlen (text), JSON_FILE, "f", 10000, &doc, err), 0);
  return json_decode (doc, json_root (doc), "", fields, out, err);
}

static void
test_everything (void **state)
{
  struct error err = ERROR_INIT;
  struct scenario s = { .id = strdup ("default"), .count = 3,
                        .interval = 7 };
  struct step *steps;

  s.limits.note = strdup ("kept");
  if (decode ("{\"$schema\": \"x\", \"id\": \"a\", \"on\": true,\n"
              "\"limits\": {\"bytes\": \"64KiB\", \"share\": 1},\n"
              "\"steps\": [{\"expect\": \"x\", \"timeout\": \"1m\"},"
              " {\"expect\": \"y\", \"kind\": \"tcp\"}],\n"
              "\"tags\": [\"p\", \"q\"], \"numbers\": [1, -2],"
              "\"kinds\": [\"http\"], \"raw\": {\"any\": [null]}}",
              &s, &err)
      < 0)
    fail_msg ("%s", err.msg);
  assert_string_equal (s.id, "a");
  assert_true (s.on);
  assert_int_equal (s.count, 3);
  assert_int_equal (s.interval, 7);
  assert_int_equal (s.limits.bytes, 65536);
  assert_true (s.limits.share == 1);
  assert_string_equal (s.limits.note, "kept");
  assert_int_equal (s.steps.count, 2);
  steps = s.steps.items;
  assert_string_equal (steps[0].expect, "x");
  assert_int_equal (steps[0].timeout, 60000);
  assert_int_equal (steps[0].kind, HTTP);
  assert_int_equal (steps[1].timeout, 5000);
  assert_int_equal (steps[1].kind, TCP);
  assert_int_equal (s.tags.count, 2);
  assert_string_equal (((char **) s.tags.items)[1], "q");
  assert_int_equal (((int64_t *) s.numbers.items)[1], -2);
  assert_int_equal (((int *) s.kinds.items)[0], HTTP);
  assert_non_null (json_get (s.raw, "any"));

  /* Decoded over: what was there is freed, what is not named stays. */
  assert_int_equal (
      decode ("{\"id\": \"b\", \"tags\": [], \"raw\": 5}", &s, &err), 0);
  assert_string_equal (s.id, "b");
  assert_int_equal (s.tags.count, 0);
  assert_int_equal (s.steps.count, 2);
  assert_int_equal (json_object_get_int (s.raw), 5);
  json_decoded_done (fields, &s);
  assert_null (s.id);
  assert_null (s.steps.items);
  json_decoded_done (fields, &s);
  json_decoded_done (fields, NULL);
}

static void
test_errors (void **state)
{
  static const struct
  {
    const char *text, *expected;
  } cases[] = {
    { "{\"id\":\"a\",\n \"intervall\": \"5s\"}",
      "f:2:2: intervall: unknown key \"intervall\" (did you mean "
      "\"interval\"?)" },
    { "{\"id\":\"a\",\n \"limits\": {\"bits\": 1}}",
      "f:2:13: limits.bits: unknown key \"bits\" (known: bytes, share, "
      "note)" },
    { "{\"id\":\"a\", \"limits\": {\"$schema\": 1}}",
      "f:1:23: limits.$schema: unknown key \"$schema\" (known: bytes, share, "
      "note)" },
    { "{}", "f:1:1: the key \"id\" is missing" },
    { "{\"id\":\"a\",\"steps\":[{\"expect\":\"x\"},\n{}]}",
      "f:2:1: steps[1]: the key \"expect\" is missing" },
    { "{\"id\":\"a\",\"steps\":[{\"expect\":\"x\",\n\"kind\":\"htp\"}]}",
      "f:2:1: steps[0].kind: unknown value \"htp\" (did you mean "
      "\"http\"?)" },
    { "{\"id\":\"a\",\"steps\":[{\"expect\":\"x\",\n\"kind\":\"icmp\"}]}",
      "f:2:1: steps[0].kind: unknown value \"icmp\" (known: tcp, http)" },
    { "{\"id\":\"a\",\"steps\":[{\"expect\":\"x\",\n\"timeout\":\"2m\"}]}",
      "f:2:1: steps[0].timeout: it must lie within 1s and 1m" },
    { "{\"id\":\"a\",\"interval\":30}",
      "f:1:11: interval: expected a duration like \"30s\", found a number" },
    { "{\"id\":\"a\",\"interval\":\"30\"}",
      "f:1:11: interval: \"30\" is not a duration: the unit is missing (write "
      "it like 500ms, 30s, 5m, 2h or 1d)" },
    { "{\"id\":\"a\",\"on\":\"yes\"}",
      "f:1:11: on: expected true or false, found a string" },
    { "{\"id\":\"a\",\"on\":null}",
      "f:1:11: on: expected true or false, found null" },
    { "{\"id\":\"a\",\"count\":1.5}",
      "f:1:11: count: expected a whole number, found a number" },
    { "{\"id\":\"a\",\"count\":10}",
      "f:1:11: count: it must lie within -1 and 9" },
    { "{\"id\":\"a\",\"count\":18446744073709551615}",
      "f:1:11: count: it must lie within -1 and 9" },
    { "{\"id\":\"a\",\"numbers\":[9223372036854775808]}",
      "f:1:22: numbers[0]: it must lie within -9223372036854775808 and "
      "9223372036854775807" },
    { "{\"id\":\"a\",\"limits\":{\"bytes\":-1}}",
      "f:1:21: limits.bytes: it must not be negative" },
    { "{\"id\":\"a\",\"limits\":{\"bytes\":\"2MiB\"}}",
      "f:1:21: limits.bytes: it must lie within 0B and 1MiB" },
    { "{\"id\":\"a\",\"limits\":{\"share\":1.5}}",
      "f:1:21: limits.share: it must lie within 0 and 1" },
    { "{\"id\":\"a\",\"limits\":{\"note\":\"x\"}}",
      "f:1:21: limits.note: it must have 2 to 4 bytes, it has 1" },
    { "{\"id\":\"\"}", "f:1:2: id: it must have 1 to 4096 bytes, it has 0" },
    { "{\"id\":\"a\",\"steps\":[]}",
      "f:1:11: steps: it must have 1 to 3 elements, it has 0" },
    { "{\"id\":\"a\",\"tags\":[\"x\",\n[]]}",
      "f:2:1: tags[1]: expected a string, found an array" },
    { "{\"id\":\"a\",\"limits\":[]}",
      "f:1:11: limits: expected an object, found an array" },
    { "[]", "f:1:1: expected an object, found an array" },
    { "{\"id\":\"a\",\"\\u001b]0;x\":1}",
      "f:1:11: [\"\\e]0;x\"]: unknown key \"\\e]0;x\" (known: id, on, count, "
      "interval, limits, steps, tags, numbers, kinds, raw)" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    {
      struct error err = ERROR_INIT;
      struct scenario s = { 0 };

      assert_int_equal (decode (cases[i].text, &s, &err), -EINVAL);
      assert_string_equal (err.msg, cases[i].expected);
      json_decoded_done (fields, &s);
    }
}

/* A list is replaced as a whole or not at all. */
static void
test_failed_list_keeps_the_old (void **state)
{
  struct scenario s = { 0 };

  assert_int_equal (decode ("{\"id\":\"a\",\"tags\":[\"x\"]}", &s, NULL), 0);
  assert_int_equal (decode ("{\"id\":\"a\",\"tags\":[\"y\",\"z\",0]}", &s,
                            NULL),
                    -EINVAL);
  assert_int_equal (s.tags.count, 1);
  assert_string_equal (((char **) s.tags.items)[0], "x");
  json_decoded_done (fields, &s);
}

static void
test_below_a_path (void **state)
{
  static const char text[] = "{\"s\": [{},\n{\"id\": 5}]}";
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct scenario s = { 0 };
  struct json_object *o;

  json_parse (text, sizeof text - 1, JSON_WIRE, "f", 100, &doc, &err);
  o = json_object_array_get_idx (json_get (json_root (doc), "s"), 1);
  assert_int_equal (json_decode (doc, o, "s[1]", fields, &s, &err), -EINVAL);
  assert_string_equal (err.msg,
                       "f:2:2: s[1].id: expected a string, found a number");
  assert_int_equal (json_decode (NULL, o, "s[1]", fields, &s, &err), -EINVAL);
  assert_string_equal (err.msg, "s[1].id: expected a string, found a number");
}

/* The schema is strict JSON itself and says what decoding does. */
static void
test_schema (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  struct json_object *root, *p, *step;

  json_schema (fields, "https://example.org/s.json", "A scenario", &b);
  assert_false (b.cut);
  if (json_parse (buf_str (&b), b.len, JSON_WIRE, "schema", 1 << 20, &doc,
                  &err)
      < 0)
    fail_msg ("%s", err.msg);
  root = json_root (doc);
  assert_string_equal (json_get_str (root, "$schema"),
                       "https://json-schema.org/draft/2020-12/schema");
  assert_string_equal (json_get_str (root, "$id"),
                       "https://example.org/s.json");
  assert_false (json_get_bool (root, "additionalProperties", true));
  assert_string_equal (
      json_object_get_string (
          json_object_array_get_idx (json_get (root, "required"), 0)),
      "id");
  p = json_get (root, "properties");
  for (size_t i = 0; fields[i].name; i++)
    assert_non_null (json_get (p, fields[i].name));
  assert_string_equal (json_get_str (json_get (p, "id"), "description"),
                       "what it is called");
  assert_int_equal (json_get_int (json_get (p, "count"), "minimum", 0), -1);
  assert_int_equal (json_get_int (json_get (p, "steps"), "maxItems", 0), 3);
  assert_int_equal (json_get_int (json_get (p, "tags"), "maxItems", 0), 1024);
  step = json_get (json_get (p, "steps"), "items");
  assert_non_null (json_get (json_get (step, "properties"), "expect"));
  assert_int_equal (
      json_object_array_length (json_get (
          json_get (json_get (step, "properties"), "kind"), "enum")),
      2);
}

static const struct json_field endless[] = {
  { "again", JSON_OBJECT, 0, .sub = endless },
  { 0 },
};

static void
test_schema_of_a_table_in_itself (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);

  json_schema (endless, "i", "t", &b);
  assert_false (b.cut);
}

static void
test_helpers (void **state)
{
  CLEANUP_JSON struct json_object *o = json_object_new_object ();

  json_add_text (o, "t", "a\x1b\0\xff\r\n\tb", 8);
  json_add_str (o, "s", "plain \xc3\xa4");
  json_add_str (o, "bad", "\xff");
  json_add_str (o, "none", NULL);
  json_add_int (o, "i", INT64_MIN);
  json_add_bool (o, "b", true);
  json_object_object_add (o, "u", json_object_new_uint64 (UINT64_MAX));
  assert_string_equal (json_get_str (o, "t"), "a\\e\\x00\\xff\n\tb");
  assert_string_equal (json_get_str (o, "s"), "plain \xc3\xa4");
  assert_string_equal (json_get_str (o, "bad"), "\\xff");
  assert_false (json_object_object_get_ex (o, "none", NULL));
  assert_true (json_get_int (o, "i", 0) == INT64_MIN);
  assert_true (json_get_bool (o, "b", false));
  assert_int_equal (json_get_int (o, "u", 7), 7);
  assert_int_equal (json_get_int (o, "s", 7), 7);
  assert_int_equal (json_get_int (o, "gone", 7), 7);
  assert_int_equal (json_get_int (NULL, "i", 7), 7);
  assert_null (json_get_str (o, "i"));
  assert_true (json_get_bool (o, "i", true));
  assert_null (json_get (json_get (o, "i"), "x"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_everything),
    cmocka_unit_test (test_errors),
    cmocka_unit_test (test_failed_list_keeps_the_old),
    cmocka_unit_test (test_below_a_path),
    cmocka_unit_test (test_schema),
    cmocka_unit_test (test_schema_of_a_table_in_itself),
    cmocka_unit_test (test_helpers),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
