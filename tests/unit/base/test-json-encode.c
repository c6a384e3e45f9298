/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing by table: the one spelling, what is left out, groups of keys, bytes
 * with their escapes, and that what is written is read as what it was.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/base/json-round.h"

struct step
{
  char *name, *send;
  uint64_t timeout;
  int op;
};

struct shared
{
  char *command;
  int64_t status;
};

struct login
{
  char *user;
  int64_t port;
};

struct whole
{
  char *id;
  bool on;
  int64_t count;
  double share;
  uint64_t interval, bytes;
  struct shared shared;
  struct login login;
  struct json_list steps, tags, none, numbers;
  struct json_object *labels;
};

static const char *const ops[] = { "<", ">", NULL };

#define AT(type, member) .offset = offsetof (struct type, member)

static const struct json_field step_fields[] = {
  { "name", JSON_STRING, AT (step, name), .required = true },
  { "send", JSON_BYTES, AT (step, send), .min = 1, .max = 8 },
  { "timeout", JSON_DURATION, AT (step, timeout), .min = 1, .max = 99999 },
  { "op", JSON_ENUM, AT (step, op), .names = ops },
  { 0 },
};
static const struct json_field status_fields[] = {
  { "status", JSON_INT, AT (shared, status), .min = -1, .max = 255 },
  { 0 },
};
/* A group in a group. */
static const struct json_field shared_fields[] = {
  { "command", JSON_STRING, AT (shared, command), .required = true },
  { .kind = JSON_GROUP, .sub = status_fields },
  { 0 },
};
static const struct json_field login_fields[] = {
  { "user", JSON_STRING, AT (login, user), .required = true },
  { "port", JSON_INT, AT (login, port) },
  { 0 },
};
static const struct step step_defaults = { .op = -1 };
static const struct json_field fields[] = {
  { "id", JSON_STRING, AT (whole, id), .min = 0, .max = 9 },
  { "on", JSON_BOOL, AT (whole, on) },
  { "count", JSON_INT, AT (whole, count) },
  { "share", JSON_DOUBLE, AT (whole, share) },
  { "interval", JSON_DURATION, AT (whole, interval) },
  { "bytes", JSON_SIZE, AT (whole, bytes) },
  { .kind = JSON_GROUP, AT (whole, shared), .sub = shared_fields },
  { "login", JSON_OBJECT, AT (whole, login), .sub = login_fields },
  { "steps", JSON_ARRAY, AT (whole, steps), .sub = step_fields,
    .elem_size = sizeof (struct step), .elem_init = &step_defaults },
  { "tags", JSON_ARRAY, AT (whole, tags), .elem_kind = JSON_STRING },
  { "none", JSON_ARRAY, AT (whole, none), .elem_kind = JSON_BYTES,
    .keep_empty = true },
  { "numbers", JSON_ARRAY, AT (whole, numbers), .elem_kind = JSON_DURATION },
  { "labels", JSON_RAW, AT (whole, labels) },
  { 0 },
};

static int
decode (const char *text, struct whole *out, struct error *err)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;

  if (json_parse (text, strlen (text), JSON_FILE, "f", 20000, &doc, err) < 0)
    fail_msg ("%s", err->msg);
  return json_decode (doc, json_root (doc), "", fields, out, err);
}

/* What the document says, in the one spelling. */
static void
becomes (const char *text, const char *wanted)
{
  struct error err = ERROR_INIT;
  struct whole w = { .share = 0.5 };
  CLEANUP_JSON struct json_object *o = NULL;

  if (decode (text, &w, &err) < 0)
    fail_msg ("%s", err.msg);
  o = json_encode (fields, &w);
  assert_string_equal (
      json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN
                                             | JSON_C_TO_STRING_NOSLASHESCAPE),
      wanted);
  json_decoded_done (fields, &w);
}

static void
test_spelling (void **state)
{
  becomes ("{\"status\":7,\"command\":\"c\"}",
           "{\"on\":false,\"count\":0,\"share\":0.5,\"interval\":\"0s\","
           "\"bytes\":0,\"command\":\"c\",\"status\":7,\"none\":[]}");
  becomes ("{\"labels\":{\"b\":\"1\",\"a\":{\"d\":1,\"c\":[null]}},"
           "\"command\":\"c\",\"id\":\"\",\"on\":true,\"share\":1,\"interval\":"
           "\"1h0m90s\",\"bytes\":\"1.5KiB\",\"login\":{\"user\":\"u\"},"
           "\"tags\":[\"x\",\"y\"],\"none\":[\"\\\\x41\"],"
           "\"numbers\":[\"48h\",\"1m\",\"61s\",\"1500ms\"]}",
           "{\"id\":\"\",\"on\":true,\"count\":0,\"share\":1.0,\"interval\":"
           "\"3690s\",\"bytes\":1536,\"command\":\"c\",\"status\":0,\"login\":"
           "{\"user\":\"u\",\"port\":0},\"tags\":[\"x\",\"y\"],\"none\":"
           "[\"A\"],\"numbers\":[\"2d\",\"1m\",\"61s\",\"1500ms\"],\"labels\":"
           "{\"a\":{\"c\":[null],\"d\":1},\"b\":\"1\"}}");
}

/* In a struct that no document made. */
static void
test_what_cannot_be_said (void **state)
{
  char a[] = "a", b[] = "b", empty[] = "";
  struct step steps[] = { { a, empty, 0, -1 }, { b, NULL, 1, 1 } };
  struct whole w = { .share = NAN, .bytes = UINT64_MAX,
                     .count = INT64_MIN,
                     .shared.status = INT64_MIN, .login.port = 7,
                     .steps = { steps, 2 } };
  CLEANUP_JSON struct json_object *o = json_encode (fields, &w);

  assert_string_equal (
      json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN),
      "{\"on\":false,\"count\":-9223372036854775808,\"interval\":\"0s\","
      "\"bytes\":18446744073709551615,\"steps\":[{\"name\":\"a\"},{\"name\":"
      "\"b\",\"timeout\":\"1ms\",\"op\":\">\"}],\"none\":[]}");
}

static void
test_round (void **state)
{
  static const struct whole unset = { .shared.status = INT64_MIN };

  json_round (fields, sizeof (struct whole), NULL, 300);
  json_round (fields, sizeof (struct whole), &unset, 100);
}

/* Of one table, as far as an error goes. */
static void
test_groups (void **state)
{
  static const struct
  {
    const char *text, *expected;
  } cases[] = {
    { "{}", "f:1:1: the key \"command\" is missing" },
    { "{\"command\":\"c\",\"statos\":1}",
      "f:1:16: statos: unknown key \"statos\" (did you mean \"status\"?)" },
    { "{\"command\":\"c\",\"status\":256}",
      "f:1:16: status: it must lie within -1 and 255" },
  };
  CLEANUP_BUF struct buf schema = BUF_INIT (1 << 20);
  CLEANUP_JSON struct json_object *o = NULL;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct error err = ERROR_INIT;
      struct whole w = { 0 };

      assert_int_equal (decode (cases[i].text, &w, &err), -EINVAL);
      assert_string_equal (err.msg, cases[i].expected);
      json_decoded_done (fields, &w);
    }
  json_schema (fields, "i", "t", &schema);
  o = json_tokener_parse (buf_str (&schema));
  assert_non_null (json_get (json_get (o, "properties"), "status"));
  assert_non_null (json_get (json_get (o, "properties"), "command"));
  assert_string_equal (json_object_get_string (json_object_array_get_idx (
                           json_get (o, "required"), 0)),
                       "command");
}

static int
send_of (const char *text, char **ret, struct error *err)
{
  struct whole w = { 0 };
  char doc[400];
  int rc;

  snprintf (doc, sizeof doc,
            "{\"command\":\"c\",\"steps\":[{\"name\":\"n\",\"send\":\"%s\"}]}",
            text);
  rc = decode (doc, &w, err);
  if (rc == 0)
    *ret = strdup (((struct step *) w.steps.items)->send);
  json_decoded_done (fields, &w);
  return rc;
}

static void
test_bytes (void **state)
{
  static const struct
  {
    const char *text, *bytes;
  } good[] = {
    { "\\\\x01\\u0001\\r\\\\r\\\\e[\\\\t\\\\\\\\", "\x01\x01\r\r\033[\t\\" },
    { "\\\\xff\\\\xFE", "\xff\xfe" },
    /* Eight bytes are meant, however long they are written. */
    { "\\\\x41\\\\x41\\\\x41\\\\x41\\\\x41\\\\x41\\\\x41\\\\x41", "AAAAAAAA" },
  };
  static const struct
  {
    const char *text, *error;
  } bad[] = {
    { "a\\\\qb", "steps[0].send: unknown escape" },
    { "\\\\x00", "steps[0].send: a byte of value 0" },
    { "\\\\x1", "steps[0].send: unknown escape" },
    { "end\\\\", "steps[0].send: unknown escape" },
    { "", "steps[0].send: it must have 1 to 8 bytes, it has 0" },
    { "123456789", "steps[0].send: it must have 1 to 8 bytes, it has 9" },
  };

  for (size_t i = 0; i < ARRAY_LEN (good); i++)
    {
      struct error err = ERROR_INIT;
      char *bytes = NULL;

      if (send_of (good[i].text, &bytes, &err) < 0)
        fail_msg ("%s: %s", good[i].text, err.msg);
      assert_string_equal (bytes, good[i].bytes);
      free (bytes);
    }
  for (size_t i = 0; i < ARRAY_LEN (bad); i++)
    {
      struct error err = ERROR_INIT;
      char *bytes;

      assert_int_equal (send_of (bad[i].text, &bytes, &err), -EINVAL);
      if (!strstr (err.msg, bad[i].error))
        fail_msg ("%s: %s", bad[i].text, err.msg);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_spelling),
    cmocka_unit_test (test_what_cannot_be_said),
    cmocka_unit_test (test_round),
    cmocka_unit_test (test_groups),
    cmocka_unit_test (test_bytes),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
