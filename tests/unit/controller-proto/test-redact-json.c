/* SPDX-License-Identifier: Apache-2.0
 *
 * Redaction of a JSON document: whatever stands in a value of it, it stays a
 * document, with all that the other values say; and names that there was no
 * place for are counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller-proto/redact_impl.h"

#include <stdlib.h>
#include <string.h>

#define BEGIN "-----BEGIN PRIVATE KEY-----"

static struct redactor *
new (void)
{
  struct redactor *r = NULL;
  struct error err = ERROR_INIT;

  if (redactor_new ("0123456789abcdef", 16, &r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return r;
}

static void
learn (struct redactor *r, const char *text)
{
  redact_begin (r, REDACT_LEARN);
  redact_feed (r, text, strlen (text), NULL);
  redact_end (r, NULL);
}

static struct json_object *
redacted (struct redactor *r, const char *text, uint64_t *ret_hits)
{
  CLEANUP_JSON struct json_object *o = json_tokener_parse (text);

  assert_non_null (o);
  return redact_json (r, o, ret_hits);
}

static void
assert_is (const char *text, const char *want)
{
  CLEANUP_REDACTOR struct redactor *r = new ();
  uint64_t hits;
  CLEANUP_JSON struct json_object *o = redacted (r, text, &hits);
  CLEANUP_BUF struct buf out = BUF_INIT (1u << 20);

  json_show (o, &out);
  assert_string_equal (buf_str (&out), want);
}

/* One value is as far as anything reaches. */
static void
test_no_end (void **state)
{
  assert_is ("{\"a\":\"see " BEGIN " MIIE\",\"b\":\"c\",\"n\":[1,\"x\"],"
             "\"o\":{\"" BEGIN "\":\"y\",\"z\":null}}",
             "{\"a\":\"see " BEGIN "[redacted]\",\"b\":\"c\",\"n\":[1,\"x\"],"
             "\"o\":{\"" BEGIN "\":\"[redacted]\",\"z\":null}}");
  assert_is ("{\"a\":[\"" BEGIN "\",{\"b\":\"c\"}],\"d\":\"e\"}",
             "{\"a\":[\"" BEGIN "[redacted]\",{\"b\":\"c\"}],\"d\":\"e\"}");
}

/* A key that is one line an element is one still. */
static void
test_lines (void **state)
{
  assert_is ("{\"l\":[\"a\",\"" BEGIN "\",\"MIIE\",\"-----END PRIVATE"
             " KEY-----\",\"b\"]}",
             "{\"l\":[\"a\",\"" BEGIN "[redacted]\",\"[redacted]\","
             "\"[redacted]\",\"b\"]}");
}

/* By its key a secret is known; a number that is one becomes a word. */
static void
test_keys (void **state)
{
  assert_is ("{\"password\":\"hunter2\",\"token\":123456,\"n\":123456,"
             "\"ok\":true,\"f\":22.879999}",
             "{\"password\":\"[redacted]\",\"token\":\"[redacted]\","
             "\"n\":123456,\"ok\":true,\"f\":22.879999}");
}

/* More secrets in a value than are looked for: it goes as a whole, alone. */
static void
test_too_many (void **state)
{
  CLEANUP_BUF struct buf text = BUF_INIT (1u << 16);
  CLEANUP_REDACTOR struct redactor *r = new ();
  uint64_t hits;

  buf_puts (&text, "{\"a\":\"");
  for (unsigned i = 0; i < 100; i++)
    buf_puts (&text, "pwd=x ");
  buf_puts (&text, "\",\"b\":\"10.1.2.3 is down\"}");
  CLEANUP_JSON struct json_object *o = redacted (r, buf_str (&text), &hits);
  assert_string_equal (json_get_str (o, "a"), REDACT_MARK);
  assert_non_null (strstr (json_get_str (o, "b"), " is down"));
  assert_null (strstr (json_get_str (o, "b"), "10.1.2.3"));
  assert_true (hits >= 2);
}

static void
test_two_keys (void **state)
{
  CLEANUP_REDACTOR struct redactor *r = new ();
  uint64_t hits;

  learn (r, "/home/alice/\n");
  CLEANUP_JSON struct json_object *o
      = redacted (r,
                  "{\"a\":{\"b\":{\"alice\":1,\"Alice\":2,"
                  "\"ALICE\":[3]}}}",
                  &hits);
  assert_int_equal (json_object_object_length (
                        json_get (json_get (o, "a"), "b")),
                    3);
  assert_null (strstr (json_object_to_json_string (o), "lice"));
}

/* Who takes its name for his own does not take it away. */
static void
test_own_keys (void **state)
{
  CLEANUP_REDACTOR struct redactor *r = new ();
  uint64_t hits;

  learn (r, "Hostname set to <verdict>\nHostname set to <class>\n");
  CLEANUP_JSON struct json_object *o = redacted (
      r, "{\"verdict\":{\"class\":\"the verdict is x\"}}", &hits);
  const char *is = json_get_str (json_get (o, "verdict"), "class");

  assert_non_null (is);
  assert_null (strstr (is, "verdict"));
}

/* No place is left: that is counted, and what was known stays known. */
static void
test_unlearnt (void **state)
{
  CLEANUP_REDACTOR struct redactor *r = new ();
  CLEANUP_JSON struct json_object *o = NULL;
  char text[64];

  learn (r, "/home/gretel77/\n");
  assert_int_equal (redact_unlearnt (r), 0);
  for (unsigned i = 0; i < WORDS_MAX + 5; i++)
    {
      snprintf (text, sizeof text, "/home/made%u/\n", i);
      learn (r, text);
    }
  assert_int_equal (redact_unlearnt (r), 6);
  assert_true (redact_word_find (r, "gretel77", 8));
  o = redact_to_json (r);
  assert_int_equal (
      json_get_int (json_get (o, "counts"), "names_not_learnt", 0), 6);
}

int
main (void)
{
#define U cmocka_unit_test
  const struct CMUnitTest tests[] = {
    U (test_no_end),   U (test_lines),    U (test_keys),
    U (test_too_many), U (test_two_keys), U (test_unlearnt),
    U (test_own_keys),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
