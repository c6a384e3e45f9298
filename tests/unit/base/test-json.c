/* SPDX-License-Identifier: Apache-2.0
 *
 * Strict JSON: what is refused and where it is said to be, what passes, and
 * that neither size nor malice makes it slow.
 */
#include "base/json.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json_scan.h"
#include "tests/lib/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BOUND (64u << 20)
#define WIRE 1
#define FILES 2
#define BOTH (WIRE | FILES)

/* Kills a test that has become quadratic. */
#define TOO_LONG 60

static void
refuse (const char *text, size_t len, enum json_dialect dialect,
        const char *expected)
{
  struct json_doc *doc = (void *) 0x10;
  struct error err = ERROR_INIT;

  if (json_parse (text, len, dialect, "f", BOUND, &doc, &err) != -EINVAL)
    fail_msg ("not refused: %s", text);
  assert_ptr_equal (doc, (void *) 0x10);
  assert_string_equal (err.msg, expected);
  assert_int_equal (json_parse (text, len, dialect, "f", BOUND, &doc, NULL),
                    -EINVAL);
}

static void
accept (const char *text, enum json_dialect dialect, const char *expected)
{
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;

  if (json_parse (text, strlen (text), dialect, "f", BOUND, &doc, &err) < 0)
    fail_msg ("%s", err.msg);
  assert_string_equal (
      json_object_to_json_string_ext (json_root (doc), JSON_C_TO_STRING_PLAIN),
      expected);
}

struct bad
{
  int where;
  const char *text, *expected;
};

static void
refuse_all (const struct bad *bad, size_t n)
{
  for (; n > 0; n--, bad++)
    {
      if (bad->where & WIRE)
        refuse (bad->text, strlen (bad->text), JSON_WIRE, bad->expected);
      if (bad->where & FILES)
        refuse (bad->text, strlen (bad->text), JSON_FILE, bad->expected);
    }
}

/* All that json-c lets pass in one of its modes. */
static void
test_what_json_c_lets_pass (void **state)
{
  static const struct bad bad[] = {
    { BOTH, "{\"a\":1,\"a\":2}", "f:1:8: a: duplicate key (first on line 1)" },
    { BOTH, "{\"a\":1,\n \"\\u0061\":2}",
      "f:2:2: a: duplicate key (first on line 1)" },
    { BOTH, "{\"x\":[0,{\"\xc3\xa4\":1,\"\\u00E4\":2}]}",
      "f:1:16: x[1][\"\xc3\xa4\"]: duplicate key (first on line 1)" },
    { BOTH, "[1] x", "f:1:5: expected the end of the text, found \"x\"" },
    { BOTH, "1 2", "f:1:3: expected the end of the text, found \"2\"" },
    { BOTH, "[\"\xff\"]", "f:1:3: [0]: the byte \\xff in a string is not "
                          "UTF-8" },
    { BOTH, "[\"\xed\xa0\x80\"]", "f:1:3: [0]: the byte \\xed in a string is "
                                  "not UTF-8" },
    { BOTH, "[\"\\ud800\"]", "f:1:3: [0]: half of a surrogate pair (\\ud800)" },
    { BOTH, "[\"\\ud800\\u0041\"]",
      "f:1:3: [0]: half of a surrogate pair (\\ud800)" },
    { BOTH, "[\"\\uDC00\"]", "f:1:3: [0]: half of a surrogate pair (\\udc00)" },
    { BOTH, "[\"a\nb\"]", "f:1:4: [0]: a control character (\\x0a) stands in "
                          "a string (write \\n, or close the quote)" },
    { BOTH, "[\"\x1b\"]",
      "f:1:3: [0]: a control character (\\x1b) stands in a string" },
    { BOTH, "[\"\\u0000\"]", "f:1:3: [0]: \\u0000 is not allowed in a "
                             "string" },
    { BOTH, "[NaN]", "f:1:2: [0]: \"NaN\" is not JSON" },
    { BOTH, "[Infinity]", "f:1:2: [0]: \"Infinity\" is not JSON" },
    { BOTH, "[-Infinity]", "f:1:3: [0]: expected a digit, found \"I\"" },
    { BOTH, "[18446744073709551616]",
      "f:1:2: [0]: this integer does not fit 64 bits" },
    { BOTH, "[-9223372036854775809]",
      "f:1:2: [0]: this integer does not fit 64 bits" },
    { BOTH, "[1e309]", "f:1:2: [0]: this number is too large" },
    { BOTH, "[1.8e308]", "f:1:2: [0]: this number is too large" },
    { BOTH, "[0.001e312]", "f:1:2: [0]: this number is too large" },
    { BOTH, "[-1e99999999999999999999]",
      "f:1:2: [0]: this number is too large" },
    { BOTH, "[TRUE]", "f:1:2: [0]: \"TRUE\" must be written \"true\"" },
    { BOTH, "{'a':1}", "f:1:2: expected a key in double quotes, found \"'\" "
                       "(strings are written in double quotes)" },
    { BOTH, "['a']", "f:1:2: [0]: expected a value, found \"'\" (strings are "
                     "written in double quotes)" },
    { BOTH, "{a:1}", "f:1:2: expected a key in double quotes, found \"a\"" },
    { WIRE, "# c\n1", "f:1:1: expected a value, found \"#\"" },
    { FILES, "# c\n1", "f:1:1: expected a value, found \"#\" (comments begin "
                      "with //)" },
    { WIRE, "// c\n1", "f:1:1: expected a value, found \"/\" (comments are "
                       "not allowed here)" },
    { WIRE, "[1,]", "f:1:3: a comma before \"]\" is not allowed here" },
    { WIRE, "{\"a\":1,}", "f:1:7: a comma before \"}\" is not allowed here" },
  };

  refuse_all (bad, sizeof bad / sizeof *bad);
}

static void
test_grammar (void **state)
{
  static const struct bad bad[] = {
    { BOTH, "", "f:1:1: it is empty: a JSON value was expected" },
    { BOTH, " \n ", "f:2:2: it is empty: a JSON value was expected" },
    { BOTH, "[1,2", "f:1:5: expected \",\" or \"]\", found the end of the "
                    "text" },
    { BOTH, "{\"a\":1 \"b\":2}",
      "f:1:8: expected \",\" or \"}\", found '\"'" },
    { BOTH, "{\"a\" 1}", "f:1:6: a: expected \":\", found \"1\"" },
    { BOTH, "{\"a\":}", "f:1:6: a: expected a value, found \"}\"" },
    { BOTH, "[,]", "f:1:2: [0]: expected a value, found \",\"" },
    { BOTH, "{,}", "f:1:2: expected a key in double quotes, found \",\"" },
    { BOTH, "[1,,2]", "f:1:4: [1]: expected a value, found \",\"" },
    { BOTH, "[1}", "f:1:3: expected \",\" or \"]\", found \"}\"" },
    { BOTH, "[01]", "f:1:2: [0]: a number must not begin with 0" },
    { BOTH, "[-]", "f:1:3: [0]: expected a digit, found \"]\"" },
    { BOTH, "[1.]", "f:1:4: [0]: expected a digit, found \"]\"" },
    { BOTH, "[1e]", "f:1:4: [0]: expected a digit, found \"]\"" },
    { BOTH, "[1e+]", "f:1:5: [0]: expected a digit, found \"]\"" },
    { BOTH, "[.5]", "f:1:2: [0]: expected a value, found \".\"" },
    { BOTH, "[+5]", "f:1:2: [0]: expected a value, found \"+\"" },
    { BOTH, "[0x10]", "f:1:3: expected \",\" or \"]\", found \"x\"" },
    { BOTH, "[truely]", "f:1:2: [0]: expected a value, found \"truely\" "
                        "(strings are written in double quotes)" },
    { BOTH, "\"abc", "f:1:1: this string has no end" },
    { BOTH, "\"a\\", "f:1:3: the text ends within a string" },
    { BOTH, "\"\\x41\"", "f:1:2: a backslash must be followed by one of \" \\ "
                         "/ b f n r t u" },
    { BOTH, "\"\\u12\"", "f:1:2: \\u must be followed by four hex digits" },
    { BOTH, "\"\\u12g4\"", "f:1:2: \\u must be followed by four hex digits" },
    { BOTH, "\xef\xbb\xbf[]", "f:1:1: it begins with a byte order mark (save "
                              "it as UTF-8 without one)" },
    { BOTH, "[\xe2\x80\xae]", "f:1:2: [0]: expected a value, found "
                              "\"\\u{202e}\"" },
    { BOTH, "[\x1b]", "f:1:2: [0]: expected a value, found \"\\e\"" },
    { FILES, "/* x", "f:1:1: this comment has no end" },
    { FILES, "[1 /x]", "f:1:4: expected // or /*, found \"/\"" },
    { FILES, "1 // \x1b", "f:1:6: a control character (\\x1b) stands in a "
                         "comment" },
    { FILES, "1 /* \xff */", "f:1:6: the byte \\xff in a comment is not "
                            "UTF-8" },
    { FILES, "/*/ 1", "f:1:1: this comment has no end" },
  };

  refuse_all (bad, sizeof bad / sizeof *bad);
  refuse ("[1\0]", 4, JSON_WIRE,
          "f:1:3: expected \",\" or \"]\", found \"\\x00\"");
  refuse ("[\"\\\0\"]", 6, JSON_WIRE,
          "f:1:3: [0]: a backslash must be followed by one of \" \\ / b f n r "
          "t u");
}

static void
test_accepted (void **state)
{
  accept ("1", JSON_WIRE, "1");
  accept (" \t\r\n{} ", JSON_WIRE, "{}");
  accept ("null", JSON_WIRE, "null");
  accept ("[18446744073709551615,-9223372036854775808,0,-0]", JSON_WIRE,
          "[18446744073709551615,-9223372036854775808,0,0]");
  accept ("[1.7976931348623157e308,1e-400,0e999999999,0.0]", JSON_WIRE,
          "[1.7976931348623157e308,1e-400,0e999999999,0.0]");
  accept ("\"\\ud83d\\ude00\\n\\u0041\"", JSON_WIRE,
          "\"\xf0\x9f\x98\x80\\nA\"");
  accept ("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}", JSON_WIRE,
          "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}");
  accept ("{\"\":1,\"a\":2,\"A\":3}", JSON_WIRE, "{\"\":1,\"a\":2,\"A\":3}");
}

static void
test_files (void **state)
{
  accept ("// c\n[1, /* , ] \" */ 2, ] // end", JSON_FILE, "[1,2]");
  accept ("{\"a\":\"// no /* comment\",}", JSON_FILE,
          "{\"a\":\"\\/\\/ no \\/* comment\"}");
  accept ("[[1,],{\"a\":[],},]", JSON_FILE, "[[1],{\"a\":[]}]");
  accept ("/**/1/***/", JSON_FILE, "1");
  accept ("[1 , // \xc3\xa4\r\n ]", JSON_FILE, "[1]");
  accept ("[1,/*\"*/]", JSON_FILE, "[1]");
}

static void
test_depth (void **state)
{
  char text[2 * JSON_MAX_DEPTH + 4];
  struct json_doc *doc;
  struct error err = ERROR_INIT;
  int n = JSON_MAX_DEPTH;

  memset (text, '[', n);
  memset (text + n, ']', n);
  text[2 * n] = '\0';
  accept (text, JSON_WIRE, text);
  memset (text, '[', n + 1);
  memset (text + n + 1, ']', n + 1);
  assert_int_equal (
      json_parse (text, 2 * n + 2, JSON_WIRE, "f", BOUND, &doc, &err),
      -EINVAL);
  assert_memory_equal (err.msg, "f:1:33: ", 8);
  assert_non_null (strstr (err.msg, "nested deeper than 32"));
}

static void
test_size_and_origin (void **state)
{
  struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  char origin[400];

  assert_int_equal (json_parse ("[1]", 3, JSON_WIRE, "a\x1b", 2, &doc, &err),
                    -EFBIG);
  assert_string_equal (err.msg,
                       "a\\e: it has more than the 2B that are allowed");
  assert_int_equal (json_parse ("[1]", 3, JSON_WIRE, "a", 3, &doc, &err), 0);
  json_doc_free (doc);
  memset (origin, '/', sizeof origin - 1);
  memcpy (origin + sizeof origin - 9, "end.json", 9);
  assert_int_equal (json_parse ("[", 1, JSON_WIRE, origin, 9, &doc, &err),
                    -EINVAL);
  assert_memory_equal (err.msg, ".../", 4);
  assert_non_null (strstr (err.msg, "end.json:1:2: [0]: expected"));
  json_doc_free (NULL);
}

/* ---- places ---- */

static const char places[] = "// \xc3\xa4\n"
                             "{\n"
                             "  \"a\": [1, {\"\xc3\xa4\": 0, \"b c\": [2]}],\n"
                             "  /* x */ \"d\\u0065f\": {\"g\": null},\n"
                             "  \"dead\": 5,\n"
                             "}\n";

static void
test_find (void **state)
{
  static const struct
  {
    const char *path, *place;
  } cases[] = {
    { "", "2:1" },
    { "a", "3:3" },
    { "a[0]", "3:9" },
    { "a[1]", "3:12" },
    { "a[1][\"\xc3\xa4\"]", "3:13" },
    { "a[1][\"b c\"]", "3:21" },
    { "a[1][\"b c\"][0]", "3:29" },
    { "def", "4:11" },
    { "def.g", "4:24" },
    { "dead", "5:3" },
    /* what is not there: its nearest parent */
    { "de", "2:1" },
    { "a[7].x", "3:3" },
    { "a[1].zz.y", "3:12" },
    { "def.gg", "4:11" },
    { "nothing", "2:1" },
  };
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (json_parse (places, sizeof places - 1, JSON_FILE, "f",
                                BOUND, &doc, &err),
                    0);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    {
      char expected[100];

      snprintf (expected, sizeof expected, "f:%s: %s%sx", cases[i].place,
                cases[i].path, cases[i].path[0] ? ": " : "");
      assert_int_equal (json_error_at (doc, cases[i].path, &err, "x"),
                        -EINVAL);
      assert_string_equal (err.msg, expected);
      snprintf (expected, sizeof expected, "%u:%u", err.line, err.column);
      assert_string_equal (expected, cases[i].place);
      assert_int_equal (err.path_len, strlen (cases[i].path));
      assert_memory_equal (err.msg + err.path_at, cases[i].path,
                           err.path_len);
      assert_string_equal (err.msg + err.what_at, "x");
    }
  json_error_at (NULL, "a.b", &err, "%d", 7);
  assert_string_equal (err.msg, "a.b: 7");
}

/* Every value of a document is found where it stands. */
static void
walk (const char *text, struct json_object *o, struct buf *path)
{
  size_t keep = path->len, at;

  if (json_object_is_type (o, json_type_object))
    {
      json_object_object_foreach (o, key, val)
        {
          json_path_key (path, key, strlen (key));
          at = json_find (text, strlen (text), JSON_WIRE, buf_str (path));
          assert_int_equal (text[at], '"');
          assert_memory_equal (text + at + 1, key, strlen (key));
          assert_int_equal (text[at + 1 + strlen (key)], '"');
          walk (text, val, path);
          json_path_cut (path, keep);
        }
    }
  else if (json_object_is_type (o, json_type_array))
    for (size_t i = 0; i < json_object_array_length (o); i++)
      {
        struct json_object *e = json_object_array_get_idx (o, i);
        const char *s = json_object_to_json_string_ext (e, 0);

        json_path_index (path, i);
        at = json_find (text, strlen (text), JSON_WIRE, buf_str (path));
        assert_memory_equal (text + at, s, strlen (s));
        walk (text, e, path);
        json_path_cut (path, keep);
      }
}

/* What goes to stdout, where a terminal may be. */
static void
test_show (void **state)
{
  static const struct
  {
    const char *in, *out;
  } v[] = {
    { "{\"a\":\"x\\ny\\t\\\\e \xc3\xa4/\",\"n\":[1,null,true,0.5]}",
      "{\"a\":\"x\\ny\\t\\\\e \xc3\xa4\\/\",\"n\":[1,null,true,0.5]}" },
    /* C0, DEL, C1 in UTF-8, a change of direction: in keys, too. */
    { "{\"\\u001b[2J\":\"\\u0007\"}", "{\"\\\\e[2J\":\"\\\\x07\"}" },
    { "[\"\x7f\",{\"k\":[\"\xc2\x9b\x32J\"]}]",
      "[\"\\\\x7f\",{\"k\":[\"\\\\xc2\\\\x9b2J\"]}]" },
    { "[\"\xe2\x80\xae\"]", "[\"\\\\u{202e}\"]" },
    { "[\"\\\\u001b\"]", "[\"\\\\u001b\"]" },
  };

  for (size_t i = 0; i < ARRAY_LEN (v); i++)
    for (unsigned twice = 0; twice < 2; twice++)
      {
        struct buf out CLEANUP_BUF = BUF_INIT (4096);
        CLEANUP_JSON_DOC struct json_doc *doc = NULL;
        const char *in = twice ? v[i].out : v[i].in;

        assert_int_equal (json_parse (in, strlen (in), JSON_WIRE, "t", 4096,
                                      &doc, NULL),
                          0);
        json_show (json_root (doc), &out);
        assert_string_equal (buf_str (&out), v[i].out);
      }
}

/* Bytes that are no UTF-8 at all: json-c lets them pass. */
static void
test_show_raw_bytes (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (4096);
  CLEANUP_JSON struct json_object *o = json_object_new_object ();

  json_object_object_add (o, "a", json_object_new_string ("\x9b\x32J"));
  json_show (o, &out);
  assert_string_equal (buf_str (&out), "{\"a\":\"\\\\x9b2J\"}");
}

static void
test_find_every_value (void **state)
{
  static const char text[]
      = "{\"a\":[[],[1,2,[3,{\"x\":{\"y\":[{}]}}]]],\"a.b\":{\"a[0]\":[5]},"
        "\"b\":{\"a\":{\"b\":{\"a\":[null,true]}}},\"\":{\"\":1},"
        "\"ab\":1,\"abc\":{\"ab\":2},\"a-b\":3,\"a]\":4,\"12\":[{\"12\":0}]}";
  CLEANUP_BUF struct buf path = BUF_INIT (JSON_MAX_PATH);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;

  assert_int_equal (json_parse (text, sizeof text - 1, JSON_WIRE, "f", BOUND,
                                &doc, NULL),
                    0);
  walk (text, json_root (doc), &path);
}

/* ---- size and malice ---- */

static void
test_many_keys (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (BOUND);
  CLEANUP_JSON_DOC struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;
  const int n = 200000;

  alarm (TOO_LONG);
  buf_putc (&b, '{');
  for (int i = 0; i < n; i++)
    buf_printf (&b, "%s\"key%d\":%d", i > 0 ? "," : "", i * 7919 % n, i);
  buf_putc (&b, '}');
  assert_int_equal (json_parse (buf_str (&b), b.len, JSON_WIRE, "f", BOUND,
                                &doc, &err),
                    0);
  assert_int_equal (json_object_object_length (json_root (doc)), n);
  /* One of them again, as the last. */
  b.len--;
  buf_puts (&b, ",\n\"key77\":0}");
  refuse (buf_str (&b), b.len, JSON_WIRE,
          "f:2:1: key77: duplicate key (first on line 1)");
  alarm (0);
}

/* Four characters for a number, none of them a backslash. */
static void
block_of (uint32_t v, char block[4])
{
  for (int k = 0; k < 4; k++, v /= 63)
    block[k] = (char) ('0' + v % 63 + (v % 63 >= '\\' - '0'));
}

/* Two different blocks that take the hash of the scanner from one state to
 * the same other one. */
static uint32_t
collide (uint32_t from, char a[4], char b[4])
{
  enum { SLOTS = 1 << 20 };
  CLEANUP_FREE uint32_t *seen = calloc (SLOTS, sizeof *seen);
  CLEANUP_FREE uint32_t *hash = calloc (SLOTS, sizeof *hash);

  for (uint32_t i = 1;; i++)
    {
      uint32_t h = from;

      block_of (i, a);
      for (int k = 0; k < 4; k++)
        h = (h ^ (unsigned char) a[k]) * 16777619u;
      if (seen[h % SLOTS] > 0 && hash[h % SLOTS] == h)
        {
          block_of (seen[h % SLOTS], b);
          return h;
        }
      seen[h % SLOTS] = i;
      hash[h % SLOTS] = h;
    }
}

/* Keys that an attacker made to have one hash: still no quadratic time. */
static void
test_colliding_keys (void **state)
{
  enum { STAGES = 16 };
  CLEANUP_BUF struct buf b = BUF_INIT (BOUND);
  char block[STAGES][2][4];
  struct json_keys keys = { 0 };
  uint32_t h = 2166136261u;
  size_t values = 0;
  struct json_fault fault;

  alarm (TOO_LONG);
  for (int i = 0; i < STAGES; i++)
    h = collide (h, block[i][0], block[i][1]);
  buf_putc (&b, '{');
  for (int key = 0; key < 1 << STAGES; key++)
    {
      buf_puts (&b, key > 0 ? ",\"" : "\"");
      for (int i = 0; i < STAGES; i++)
        buf_append (&b, block[i][key >> i & 1], 4);
      buf_puts (&b, "\":1");
    }
  buf_putc (&b, '}');
  assert_false (b.cut);
  json_keys_add (&keys, buf_str (&b), 2);
  json_keys_add (&keys, buf_str (&b), 2 + 4 * STAGES + 5);
  assert_int_equal (keys.keys[0].hash, keys.keys[1].hash);
  json_keys_done (&keys);
  assert_int_equal (
      json_scan (buf_str (&b), b.len, JSON_WIRE, NULL, &values, &fault), 0);
  assert_int_equal (values, 1 + (1 << STAGES));
  /* And one of them twice is still seen among them. */
  b.len--;
  buf_puts (&b, ",\"");
  for (int i = 0; i < STAGES; i++)
    buf_append (&b, block[i][0], 4);
  buf_puts (&b, "\":1}");
  assert_int_equal (
      json_scan (buf_str (&b), b.len, JSON_WIRE, NULL, NULL, &fault), -EINVAL);
  assert_int_equal (fault.at, b.len - 5 - 4 * STAGES);
  alarm (0);
}

/* Every way to break a document in two is an error, never a crash. */
static void
test_truncated (void **state)
{
  struct json_fault fault;

  for (size_t n = 0; n < sizeof places - 1; n++)
    {
      CLEANUP_FREE char *part = malloc (n + 1);

      /* Its own memory, so that reading beyond it is seen. */
      memcpy (part, places, n);
      if (n < sizeof places - 2)
        assert_int_equal (
            json_scan (part, n, JSON_FILE, NULL, NULL, &fault), -EINVAL);
      assert_true (fault.at <= n);
    }
}

/* ---- files ---- */

static void
expect_load (const char *path, int r, const char *expected)
{
  struct json_doc *doc = NULL;
  struct error err = ERROR_INIT;

  assert_int_equal (json_load (path, JSON_FILE, 100, &doc, &err), r);
  if (r < 0)
    assert_string_equal (err.msg, expected);
  json_doc_free (doc);
}

static void
test_load (void **state)
{
  static const char good[] = "// mine\n[1,]\n", bad[] = "// mine\n[1;]\n";
  char big[102];
  CLEANUP_FREE char *cwd = getcwd (NULL, 0);
  struct tmpdir tmp;

  assert_int_equal (tmpdir_make (&tmp), 0);
  assert_int_equal (chdir (tmp.path), 0);
  memset (big, ' ', sizeof big);
  assert_int_equal (tmpdir_put (tmp.fd, "good", good, sizeof good - 1), 0);
  assert_int_equal (tmpdir_put (tmp.fd, "bad", bad, sizeof bad - 1), 0);
  assert_int_equal (tmpdir_put (tmp.fd, "big", big, 101), 0);
  assert_int_equal (mkfifo ("fifo", 0600), 0);
  expect_load ("good", 0, NULL);
  expect_load ("bad", -EINVAL,
               "bad:2:3: expected \",\" or \"]\", found \";\"");
  expect_load ("big", -EFBIG,
               "big: it has more than the 100B that are allowed");
  expect_load ("fifo", -EINVAL,
               "fifo: it is a fifo, a regular file was expected");
  assert_int_equal (mkdir ("dir", 0700), 0);
  expect_load ("dir", -EISDIR,
               "dir: it is a folder, a regular file was expected");
  expect_load ("/dev/null", -EINVAL,
               "/dev/null: it is a device, a regular file was expected");
  expect_load ("missing", -ENOENT, "missing: No such file or directory");
  assert_int_equal (chdir (cwd), 0);
  tmpdir_done (&tmp);
}

static void
test_count (void **state)
{
  CLEANUP_JSON struct json_object *o
      = json_tokener_parse ("{\"list\":[1,2,3],\"none\":[],\"text\":\"abc\"}");

  assert_int_equal (json_count (json_get (o, "list")), 3);
  assert_int_equal (json_count (json_get (o, "none")), 0);
  assert_int_equal (json_count (json_get (o, "text")), 0);
  assert_int_equal (json_count (json_get (o, "absent")), 0);
  assert_int_equal (json_count (o), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_what_json_c_lets_pass),
    cmocka_unit_test (test_grammar),
    cmocka_unit_test (test_accepted),
    cmocka_unit_test (test_files),
    cmocka_unit_test (test_depth),
    cmocka_unit_test (test_size_and_origin),
    cmocka_unit_test (test_find),
    cmocka_unit_test (test_show),
    cmocka_unit_test (test_show_raw_bytes),
    cmocka_unit_test (test_find_every_value),
    cmocka_unit_test (test_many_keys),
    cmocka_unit_test (test_colliding_keys),
    cmocka_unit_test (test_truncated),
    cmocka_unit_test (test_load),
    cmocka_unit_test (test_count),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
