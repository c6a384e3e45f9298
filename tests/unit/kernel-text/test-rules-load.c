/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of rules: what is refused, and where and why that is said; samples;
 * the schema.  With --schema it prints the schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tests/unit/kernel-text/rule-bed.h"

#include <stdlib.h>

/* All on one line, so that columns tell the places; with what is written for
 * one rule's keys. */
#define ONE(keys) "{\"schema\":\"hangdog/text-rules/1\",\"rules\":[{" keys "}]}"
#define NAMED "\"name\":\"x\",\"kind\":\"warning\",\"severity\":\"error\","
#define ANY "\"any\":[\"abc\"],"
#define MATCH "\"match\":\"abc\","
#define TITLE "\"title\":\"t\""
#define GOOD ONE (NAMED ANY MATCH TITLE)

static struct text_rules *
fresh (void)
{
  struct text_rules *r = NULL;
  struct error err = ERROR_INIT;

  if (text_rules_none (&r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  return r;
}

/* How many of its expectations were wrong. */
static int
refused (struct text_rules *r, const char *json, const char *why)
{
  struct error err = ERROR_INIT;
  int rc = text_rules_add (r, json, strlen (json), "f.json", &err);

  if (rc < 0 && rc == -err.code
      && strncmp (error_text (&err), why, strlen (why)) == 0)
    return 0;
  fprintf (stderr, "%d: %s\n   instead of: %s\n", rc, error_text (&err), why);
  return 1;
}

static void
test_refused (void **state)
{
  static const struct
  {
    const char *json, *why;
  } cases[] = {
    { "", "f.json:1:1: " },
    { "[]", "f.json:1:1: expected an object, found an array" },
    { "{\"rules\":[]}", "f.json:1:1: the key \"schema\" is missing" },
    { "{\"schema\":\"hangdog/text-rules/2\",\"rules\":[]}",
      "f.json:1:2: schema: unknown value \"hangdog/text-rules/2\" (did you "
      "mean \"hangdog/text-rules/1\"?)" },
    { "{\"schema\":\"hangdog/text-rules/1\"}",
      "f.json:1:1: the key \"rules\" is missing" },
    { ONE (""), "f.json:1:43: rules[0]: the key \"name\" is missing" },
    { ONE ("\"nmae\":\"x\""),
      "f.json:1:44: rules[0].nmae: unknown key \"nmae\" (did you mean "
      "\"name\"?)" },
    { ONE (NAMED ANY MATCH TITLE ",\"name\":\"y\""), "f.json:1:131: rules[0].name: duplicate key" },
    { ONE ("\"name\":\"-x\",\"kind\":\"warning\",\"severity\":\"error\"," ANY
               MATCH TITLE),
      "f.json:1:44: rules[0].name: a name is made of letters" },
    { ONE ("\"name\":\"x\",\"kind\":\"warnin\",\"severity\":\"error\"," ANY
               MATCH TITLE),
      "f.json:1:55: rules[0].kind: unknown kind \"warnin\" (did you mean "
      "\"warning\"?)" },
    { ONE ("\"name\":\"x\",\"kind\":\"warning\",\"severity\":\"eror\"," ANY
               MATCH TITLE),
      "f.json:1:72: rules[0].severity: unknown value \"eror\" (did you mean "
      "\"error\"?)" },
    { ONE ("\"name\":\"x\",\"kind\":\"warning\"," ANY MATCH TITLE),
      "f.json:1:43: rules[0]: the key \"severity\" is missing" },
    { ONE (NAMED MATCH TITLE),
      "f.json:1:43: rules[0]: the key \"any\" is missing" },
    { ONE (NAMED "\"any\":[]," MATCH TITLE),
      "f.json:1:91: rules[0].any: it must have 1 to 32 elements" },
    { ONE (NAMED "\"any\":[\"abc\",\"ab\"]," MATCH TITLE),
      "f.json:1:104: rules[0].any[1]: a literal has 3 to 128 bytes" },
    { ONE (NAMED ANY "\"match\":\"ab(c\"," TITLE),
      "f.json:1:105: rules[0].match: not a regular expression: missing "
      "closing parenthesis at offset 4" },
    { ONE (NAMED ANY "\"match\":\"(abc)?\"," TITLE),
      "f.json:1:105: rules[0].match: matches a line with nothing in it" },
    { ONE (NAMED ANY "\"match\":\"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)(l)(m)"
                     "(n)(o)(p)\"," TITLE),
      "f.json:1:105: rules[0].match: has 16 groups, 15 are allowed" },
    { ONE (NAMED ANY MATCH "\"not\":[\"a\",\"[\"]," TITLE),
      "f.json:1:130: rules[0].not[1]: not a regular expression" },
    { ONE (NAMED ANY MATCH "\"not\":[\"x*\"]," TITLE),
      "f.json:1:126: rules[0].not[0]: matches every line" },
    { ONE (NAMED ANY MATCH "\"where\":\"kernl\"," TITLE),
      "f.json:1:119: rules[0].where: unknown value \"kernl\" (did you mean "
      "\"kernel\"?)" },
    { ONE (NAMED ANY MATCH "\"by\":[\"init\",\"init[x]\"]," TITLE),
      "f.json:1:132: rules[0].by[1]: a programme's name" },
    { ONE (NAMED ANY MATCH "\"by\":[\"init[]\"]," TITLE),
      "f.json:1:125: rules[0].by[0]: a programme's name" },
    { ONE (NAMED ANY MATCH "\"by\":[\"[1]\"]," TITLE),
      "f.json:1:125: rules[0].by[0]: a programme's name" },
    { ONE (NAMED ANY MATCH "\"report\":\"hung-tsk\"," TITLE),
      "f.json:1:119: rules[0].report: unknown report \"hung-tsk\" (did you "
      "mean \"hung-task\"?)" },
    { ONE (NAMED ANY "\"match\":\"abc\""),
      "f.json:1:43: rules[0]: the key \"title\" is missing" },
    { ONE (NAMED ANY MATCH "\"title\":\"in {where}\""),
      "f.json:1:119: rules[0].title: nobody fills in {where}" },
    { ONE (NAMED ANY MATCH "\"type\":\"{how}\"," TITLE),
      "f.json:1:119: rules[0].type: nobody fills in {how}" },
    { ONE (NAMED ANY MATCH "\"title\":\"in {func\""),
      "f.json:1:119: rules[0].title: a brace with no name that ends" },
    { ONE (NAMED ANY MATCH TITLE ",\"bare\":\"{}\""),
      "f.json:1:131: rules[0].bare: a brace with no name" },
    { ONE (NAMED ANY MATCH TITLE ",\"alt\":[\"a\",\"{b}\"]"),
      "f.json:1:142: rules[0].alt[1]: nobody fills in {b}" },
    { ONE (NAMED ANY MATCH TITLE ",\"alt\":[\"a\",\"b\",\"c\"]"),
      "f.json:1:131: rules[0].alt: it must have 0 to 2 elements" },
    { ONE ("\"name\":\"x\",\"kind\":\"harmless\"," ANY MATCH TITLE),
      "f.json:1:43: rules[0]: a harmless rule has no title" },
    { ONE (NAMED ANY MATCH TITLE ",\"samples\":{\"match\":[\"abc\",\"ab\"]}"),
      "f.json:1:157: rules[0].samples.match[1]: has none of the literals" },
    { ONE (NAMED ANY MATCH TITLE "},{" NAMED ANY MATCH TITLE),
      "f.json:1:133: rules[1].name: rules[0] has the name \"x\" already" },
    { ONE (NAMED ANY "\"match\":\"(*UTF)abc\"," TITLE),
      "f.json:1:105: rules[0].match: not a regular expression" },
    { ONE (NAMED ANY "\"match\":\"a\\\\Cc\"," TITLE),
      "f.json:1:105: rules[0].match: not a regular expression" },
    { ONE (NAMED ANY "\"match\":\"(((((((((((((((((((((((((((((((((((((((((("
                     "((((((((((a))))))))))))))))))))))))))))))))))))))))))"
                     "))))))))))\"," TITLE),
      "f.json:1:105: rules[0].match: not a regular expression" },
    { ONE (NAMED ANY "\"match\":\"((a{1000}){1000}){1000}\"," TITLE),
      "f.json:1:105: rules[0].match: not a regular expression" },
  };
  struct text_rules *r = fresh ();
  int wrong = 0;

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    wrong += refused (r, cases[i].json, cases[i].why);
  /* None of them left anything behind. */
  assert_int_equal (text_rules_add (r, GOOD, strlen (GOOD), "a.json", NULL),
                    0);
  wrong += refused (r, GOOD, "f.json:1:44: rules[0].name: a.json has a rule "
                             "of the name \"x\" already");
  text_rules_free (r);
  assert_int_equal (wrong, 0);
}

/* What a file says reaches a terminal escaped, in one line. */
static void
test_escaped (void **state)
{
  struct text_rules *r = fresh ();

  assert_int_equal (
      refused (r, ONE ("\"name\":\"x\",\"kind\":\"\\u001b[31m\","
                       "\"severity\":\"error\"," ANY MATCH TITLE),
               "f.json:1:55: rules[0].kind: unknown kind \"\\e[31m\""), 0);
  text_rules_free (r);
}

/* ---- how much ---- */


static void
rule_n (struct buf *b, unsigned n, const char *any, const char *match)
{
  buf_printf (b, "%s{\"name\":\"r%u\",\"kind\":\"warning\",\"severity\":"
              "\"info\",\"title\":\"t\",\"any\":[%s],\"match\":\"%s\"}",
              n > 0 ? ",\n" : "", n, any, match);
}

static void
test_too_much (void **state)
{
  CLEANUP_BUF struct buf many = BUF_INIT (1 << 20);
  CLEANUP_BUF struct buf large = BUF_INIT (1 << 20);
  struct text_rules *r = fresh ();
  struct error err = ERROR_INIT;

  buf_puts (&many, RULES_HEAD);
  for (unsigned i = 0; i < RULES_MAX; i++)
    rule_n (&many, i, "\"abc\"", "abc");
  buf_puts (&many, RULES_TAIL);
  assert_false (many.cut);
  /* One that there is already, at least. */
  assert_int_equal (text_rules_add (r, GOOD, strlen (GOOD), "a.json", NULL),
                    0);
  assert_int_equal (text_rules_add (r, many.data, many.len, "f.json", &err),
                    -EINVAL);
  assert_non_null (strstr (error_text (&err), "more than 1024 rules"));

  buf_puts (&large, RULES_HEAD);
  for (unsigned i = 0; i < 200; i++)
    rule_n (&large, i, "\"abc\"", "(?:abc|def|ghi){500}(?:x|yy|zzz){300}");
  buf_puts (&large, RULES_TAIL);
  assert_int_equal (text_rules_add (r, large.data, large.len, "f.json", &err),
                    -EINVAL);
  assert_non_null (strstr (error_text (&err), "regular expressions of all"));
  text_rules_free (r);
}

static void
test_too_many_literals (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);
  struct text_rules *r = fresh ();
  struct error err = ERROR_INIT;
  uint32_t seed = 7;

  buf_puts (&b, RULES_HEAD);
  for (unsigned i = 0; i < 300; i++)
    {
      char any[700] = "\"";

      for (size_t n = 1; n < 501; n++)
        {
          seed = seed * 1664525u + 1013904223u;
          any[n] = (char) ('a' + (seed >> 16) % 25);
          if (n % 125 == 0 && n < 500)
            memcpy (any + n - 2, "\",\"", 3);
        }
      any[501] = '"';
      rule_n (&b, i, any, "abc");
    }
  buf_puts (&b, RULES_TAIL);
  assert_false (b.cut);
  assert_int_equal (text_rules_add (r, b.data, b.len, "f.json", &err),
                    -E2BIG);
  assert_non_null (strstr (error_text (&err), "f.json: the literals are too"));
  /* And r is still good. */
  assert_int_equal (text_rules_add (r, GOOD, strlen (GOOD), "a.json", NULL),
                    0);
  text_rules_free (r);
}

/* ---- samples ---- */

static void
check_fails (const char *list, const char *why)
{
  struct text_rules *r = rules_with (list);
  struct error err = ERROR_INIT;

  assert_int_equal (text_rules_check (r, &err), -EINVAL);
  if (strcmp (error_text (&err), why) != 0)
    fail_msg ("%s\n   instead of: %s", error_text (&err), why);
  text_rules_free (r);
}

#define X "{" NAMED "\"any\":[\"wombat\"],\"match\":\"^wombat\\\\d\","
#define Y                                                                     \
  "{\"name\":\"y\",\"kind\":\"warning\",\"severity\":\"info\",\"any\":["      \
  "\"bat1\"],\"match\":\"bat\"," TITLE "}"

static void
test_samples (void **state)
{
  struct text_rules *r;
  struct error err = ERROR_INIT;

  check_fails (X TITLE ",\"samples\":{\"match\":[\"wombat\"]}}",
               "bed.json: rule \"x\": it should match and does not: wombat");
  check_fails (X TITLE ",\"samples\":{\"not\":[\"wombat\",\"wombat1\"]}}",
               "bed.json: rule \"x\": it matches and should not: wombat1");
  check_fails (X "\"where\":\"user\"," TITLE
                 ",\"samples\":{\"match\":[\"[    1.000000] wombat1\"]}}",
               "bed.json: rule \"x\": it should match, and \"where\" does "
               "not let it: [    1.000000] wombat1");
  check_fails (Y "," X TITLE ",\"samples\":{\"match\":[\"wombat1\"]}}",
               "bed.json: rule \"x\": the rule \"y\" is in front of it and "
               "matches, too: wombat1");
  /* The other way round it is well; a file that was added may be in front. */
  r = rules_with (X TITLE ",\"samples\":{\"match\":[\"wombat1\"],"
                          "\"not\":[\"a wombat1\"]}}," Y);
  assert_int_equal (text_rules_check (r, &err), 0);
  assert_int_equal (
      text_rules_add (r,
                      RULES_HEAD "{\"name\":\"z\",\"kind\":\"harmless\","
                                 "\"any\":[\"wombat\"],\"match\":\"w\"}"
                                 RULES_TAIL,
                      strlen (RULES_HEAD "{\"name\":\"z\",\"kind\":"
                                         "\"harmless\",\"any\":[\"wombat\"],"
                                         "\"match\":\"w\"}" RULES_TAIL),
                      "z.json", &err),
      0);
  assert_int_equal (text_rules_check (r, &err), 0);
  text_rules_free (r);
}

/* ---- what operators are given ---- */

static char *
slurp (const char *name, size_t *ret_len)
{
  const char *src = getenv ("srcdir");
  char path[1024];
  CLEANUP_FCLOSE FILE *f = NULL;
  char *text = calloc (1, 1 << 20);

  snprintf (path, sizeof path, "%s/%s", src ? src : ".", name);
  f = fopen (path, "re");
  if (!f || !text)
    fail_msg ("%s cannot be read", path);
  *ret_len = fread (text, 1, (1 << 20) - 1, f);
  return text;
}

static void
test_example (void **state)
{
  struct text_rules *r = NULL;
  struct error err = ERROR_INIT;
  size_t len;
  CLEANUP_FREE char *text = slurp ("examples/text-rules.json", &len);

  if (text_rules_new (&r, &err) < 0
      || text_rules_add (r, text, len, "text-rules.json", &err) < 0
      || text_rules_check (r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  text_rules_free (r);
}

static void
test_schema (void **state)
{
  CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);
  size_t len;
  CLEANUP_FREE char *text = slurp ("docs/schema/text-rules-1.json", &len);

  text_rules_schema (&b);
  if (strcmp (text, buf_str (&b)) != 0)
    fail_msg ("docs/schema/text-rules-1.json: print it again with "
              "test-rules-load --schema");
}

int
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_refused),
    cmocka_unit_test (test_escaped),
    cmocka_unit_test (test_too_much),
    cmocka_unit_test (test_too_many_literals),
    cmocka_unit_test (test_samples),
    cmocka_unit_test (test_example),
    cmocka_unit_test (test_schema),
  };

  if (argc > 1 && strcmp (argv[1], "--schema") == 0)
    {
      CLEANUP_BUF struct buf b = BUF_INIT (1 << 20);

      text_rules_schema (&b);
      fputs (buf_str (&b), stdout);
      return 0;
    }
  return cmocka_run_group_tests (tests, NULL, NULL);
}
