/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writer says of itself reaches the rows of `status` and the dump,
 * and leaves them when it is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/links/writer_state.h"

#include <string.h>

static bool
says (struct writer_state *ws, const char *json, uint64_t now_ms)
{
  CLEANUP_JSON struct json_object *head = json_tokener_parse (json);

  assert_non_null (head);
  return writer_state_hear (ws, head, now_ms);
}

static void
row_is (const struct writer_state *ws, const char *want)
{
  CLEANUP_JSON struct json_object *row = json_object_new_object ();

  writer_state_row (ws, row, 1000);
  assert_string_equal (
      json_object_to_json_string_ext (row, JSON_C_TO_STRING_PLAIN), want);
}

static void
dump_is (const struct writer_state *ws, const char *want)
{
  CLEANUP_BUF struct buf out = BUF_INIT (4096);

  writer_state_dump (ws, &out, 1000);
  assert_string_equal (buf_str (&out), want);
}

#define FULL "{\"op\":\"disk\",\"state\":\"full\"}"
#define ROOM "{\"op\":\"disk\",\"state\":\"ok\"}"
#define DENIED "{\"op\":\"denied\",\"incident\":\"i\",\"why\":\"401\\u001b\"}"

#define DENIES "the controller denies hangdog, nothing is sent: "

static void
full (void **state)
{
  struct writer_state ws = { .shipped = 0 };

  row_is (&ws, "{}");
  assert_true (says (&ws, FULL, 400));
  assert_true (says (&ws, FULL, 700));
  row_is (&ws, "{\"disk_full_ms\":600}");
  dump_is (&ws, "writer: documents 0, shipped 0, parked 0; the disk is full for 600 ms\n");
  assert_true (says (&ws, ROOM, 800));
  row_is (&ws, "{}");
}

static void
is_denied (void **state)
{
  static const char *const overs[]
      = { "{\"op\":\"shipped\",\"incident\":\"i\"}",
          "{\"op\":\"parked\",\"incident\":\"i\",\"why\":\"422\"}",
          "{\"op\":\"retried\"}" };
  struct writer_state ws = { .shipped = 0 };

  for (size_t i = 0; i < sizeof overs / sizeof overs[0]; i++)
    {
      assert_true (says (&ws, DENIED, 100));
      assert_true (says (&ws, DENIED, 200));
      row_is (&ws, "{\"denied_ms\":900,\"denied\":\"" DENIES "401\\\\e\"}");
      assert_true (says (&ws, overs[i], 300));
      row_is (&ws, "{}");
    }
  dump_is (&ws, "writer: documents 0, shipped 1, parked 1\n");
  assert_true (says (&ws, DENIED, 900));
  dump_is (&ws,
           "writer: documents 0, shipped 1, parked 1; denied for 100 ms: 401\\e\n");
}

static void
another_writer (void **state)
{
  struct writer_state ws = { .shipped = 0 };

  says (&ws, FULL, 400);
  says (&ws, DENIED, 400);
  writer_state_up (&ws);
  row_is (&ws, "{}");
}

static void
no_words (void **state)
{
  struct writer_state ws = { .shipped = 0 };

  assert_false (says (&ws, "{\"op\":\"nonsense\"}", 1));
  assert_false (says (&ws, "{}", 1));
  assert_true (says (&ws, "{\"op\":\"disk\"}", 1));
  assert_true (says (&ws, "{\"op\":\"denied\"}", 1));
  row_is (&ws, "{\"denied_ms\":999,\"denied\":\"" DENIES "\"}");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (full),
    cmocka_unit_test (is_denied),
    cmocka_unit_test (another_writer),
    cmocka_unit_test (no_words),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
