/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of rules: what an operator's own do beside ours, what their words and
 * templates mean, and what is said of one that is not good.
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
#include "diag/ladder/rules_impl.h"

#include <stdio.h>
#include <string.h>

static struct verdict_rules *
shipped (void)
{
  struct verdict_rules *rules = NULL;
  struct error err = ERROR_INIT;

  if (verdict_rules_new (&rules, &err) < 0)
    fail_msg ("%s", err.msg);
  return rules;
}

static void
take (struct verdict_rules *rules, const char *text)
{
  struct error err = ERROR_INIT;

  if (verdict_rules_take (rules, text, strlen (text), "mine.json", &err) < 0)
    fail_msg ("%s", err.msg);
}

static void
judge (const struct verdict_rules *rules, const struct fact *facts, size_t n,
       struct ladder *ladder, struct verdict *ret)
{
  const struct cause cause = { "web", "silent", "It is \x1b silent." };
  struct fact_set *set;

  assert_int_equal (fact_set_new (8, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_climb (rules, set, ladder);
  ladder_verdict (rules, ladder, set, &cause, ret);
  fact_set_free (set);
}

static void
ours_are_good (void **state)
{
  struct verdict_rules *rules = shipped ();
  struct verdict_rules_count n;

  verdict_rules_count (rules, &n);
  assert_true (n.facets > 30 && n.verdicts > 70);
  assert_int_equal (n.own + n.replaced, 0);
  /* No two of one name, in all files: one would take the other's place. */
  for (size_t i = 0; i < rules->nverdicts; i++)
    for (size_t k = 0; k < i; k++)
      assert_string_not_equal (rules->verdicts[i].name,
                               rules->verdicts[k].name);
  verdict_rules_unref (verdict_rules_ref (rules));
  verdict_rules_unref (rules);
  verdict_rules_unref (NULL);
}

static void
an_operators_go_first (void **state)
{
  struct verdict_rules *rules = shipped ();
  struct verdict_rules_count n;
  struct fact facts[2];
  struct ladder ladder;
  struct verdict v;

  fact_text (&facts[0], NULL, "qemu.state", "host", "gone", 4);
  fact_int (&facts[1], NULL, "vcpu.busy", "host", 2);
  judge (rules, facts, 2, &ladder, &v);
  assert_string_equal (v.class_, "vmm-dead");
  take (rules,
        "// mine\n{ \"facets\": [ { \"facet\": \"vmm\", \"state\": \"slow\","
        "  \"if\": \"qemu.state == gone\" } ],"
        "  \"verdicts\": [ { \"name\": \"first\", \"class\": \"slow\","
        "  \"confidence\": \"low\", \"if\": [\"vmm == slow\"],"
        "  \"says\": \"{vcpu.busy} are {scenario}: {outcome} {vcpu.count}\","
        "  \"culprit\": \"{console.refused|qemu.state}\", \"next\": \"-\" } ] }");
  judge (rules, facts, 2, &ladder, &v);
  assert_int_equal (ladder.facets[FACET_VMM].state, FACET_SLOW);
  assert_string_equal (v.class_, "slow");
  assert_string_equal (v.culprit, "gone");
  assert_string_equal (v.sentence, "2 are web: It is \\e silent. ");
  /* A later one goes before it; one of its name takes its place. */
  take (rules, "{ \"verdicts\": [ { \"name\": \"second\", \"class\": \"unknown\","
               "  \"confidence\": \"low\", \"codes\": [\"$mute\"],"
               "  \"says\": \"2\", \"next\": \"-\" } ] }");
  judge (rules, facts, 2, &ladder, &v);
  assert_string_equal (v.sentence, "2");
  take (rules, "{ \"verdicts\": ["
               "{ \"name\": \"third\", \"class\": \"slow\", \"codes\": [\"ok\"],"
               "  \"confidence\": \"low\", \"says\": \"3\", \"next\": \"-\" },"
               "{ \"name\": \"second\", \"class\": \"slow\","
               "  \"confidence\": \"high\", \"codes\": [\"a\", \"silent\"],"
               "  \"says\": \"2b\", \"next\": \"-\" } ] }");
  judge (rules, facts, 2, &ladder, &v);
  assert_string_equal (v.sentence, "2b");
  verdict_rules_count (rules, &n);
  assert_int_equal (n.own, 3);
  assert_int_equal (n.replaced, 1);
  verdict_rules_unref (rules);
}

static void
words_stand_for_others (void **state)
{
  struct verdict_rules *rules = shipped ();
  struct fact facts[2];
  struct ladder ladder;
  struct verdict v;

  fact_text (&facts[0], NULL, "kernel.event.panic", "console", "Oh", 2);
  fact_text (&facts[1], NULL, "vmm.status", "monitor", "running", 7);
  take (rules,
        "{ \"words\": { \"up\": [\"run-state == alive\", \"$panic\"],"
        "               \"who\": \"qemu\" },"
        "  \"verdicts\": [ { \"name\": \"a\", \"class\": \"{kernel.class}\","
        "  \"confidence\": \"low\", \"if\": [\"vmm != dead\", \"$up\"],"
        "  \"says\": \"$who {$panic} costs $5 and $\", \"next\": \"-\" } ] }");
  judge (rules, facts, 2, &ladder, &v);
  assert_string_equal (v.sentence, "qemu Oh costs $5 and $");
  assert_string_equal (v.class_, "unknown");
  verdict_rules_unref (rules);
}

#define V(rest)                                                               \
  "{ \"verdicts\": [ { \"name\": \"a\", \"class\": \"slow\","                 \
  " \"confidence\": \"low\", \"says\": \"x\", \"next\": \"y\"" rest " } ] }"
#define F(rest)                                                               \
  "{ \"findings\": [ { \"name\": \"a\", \"level\": \"warn\","                 \
  " \"says\": \"x\"" rest " } ] }"

static void
slips_are_named (void **state)
{
  static const struct
  {
    const char *text, *says;
  } cases[] = {
    { "", "mine.json" },
    { "[]", "expected an object" },
    { "{ \"verdict\": [] }", "did you mean \"verdicts\"" },
    { V (""), "it always holds" },
    { V (", \"if\": \"vmm == alife\""), "verdicts[0].if: there is no state" },
    { V (", \"if\": [\"vmm == dead\", \"$nothing-amis\"]"),
      "did you mean \"nothing-amiss\"" },
    { "{ \"words\": { \"well\": [\"vmm == alive\"] }, \"verdicts\": ["
      "{ \"name\": \"a\", \"class\": \"slow\", \"confidence\": \"low\","
      "\"says\": \"$well\", \"next\": \"y\", \"if\": \"$well\" } ] }",
      "$well is a list of conditions" },
    { V (", \"codes\": [\"Silent\"]"), "no code of an outcome" },
    { V (", \"codes\": [\"silent\"], \"culprit\": \"{x\""), "between { and }" },
    { V (", \"codes\": [\"silent\"], \"culprit\": \"x}\""), "between { and }" },
    { V (", \"codes\": [\"silent\"], \"culprit\": \"{vcpu.bus}\""),
      "did you mean \"vcpu.busy\"" },
    { "{ \"verdicts\": [ { \"name\": \"a\", \"class\": \"slo\","
      " \"confidence\": \"low\", \"says\": \"x\", \"next\": \"y\","
      " \"if\": \"vmm == dead\" } ] }",
      "verdicts[0].class: there is no class \"slo\"" },
    { "{ \"verdicts\": [ { \"name\": \"a\", \"class\": \"slow\","
      " \"confidence\": \"certain\", \"says\": \"x\", \"next\": \"y\","
      " \"if\": \"vmm == dead\" } ] }",
      "confidence" },
    { F (""), "the key \"if\" is missing" },
    { F (", \"if\": []"), "always holds" },
    { F (", \"if\": \"vmm == dead\", \"see\": \"$x\""), "no word \"x\"" },
    { "{ \"findings\": [ { \"name\": \"A b\", \"level\": \"warn\","
      " \"says\": \"x\", \"if\": \"vmm == dead\" } ] }",
      "small letters" },
    { "{ \"facets\": [ { \"facet\": \"vmm\", \"state\": \"unknown\","
      " \"if\": \"vmm.monitor\" } ] }",
      "needs no rule" },
    { "{ \"facets\": [ { \"facet\": \"vm\", \"state\": \"dead\","
      " \"if\": \"vmm.monitor\" } ] }",
      "vmm" },
    { "{ \"words\": { \"panic\": \"x\" } }", "such a word already" },
    { "{ \"words\": { \"Panic\": \"x\" } }", "small letters" },
    { "{ \"words\": { \"x\": 3 } }", "not a text" },
    { "{ \"words\": [] }", "not an object" },
    { "{ \"words\": { \"x\": [3] }, \"findings\": [ { \"name\": \"a\","
      " \"level\": \"warn\", \"says\": \"x\", \"if\": \"$x\" } ] }",
      "no list of conditions" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct verdict_rules *rules = shipped ();
      struct verdict_rules_count before, after;
      struct error err = ERROR_INIT;

      verdict_rules_count (rules, &before);
      if (verdict_rules_take (rules, cases[i].text, strlen (cases[i].text),
                              "mine.json", &err)
          == 0)
        fail_msg ("%s is taken", cases[i].text);
      if (!strstr (err.msg, cases[i].says)
          || strncmp (err.msg, "mine.json", 9) != 0)
        fail_msg ("%s: %s", cases[i].text, err.msg);
      verdict_rules_count (rules, &after);
      assert_memory_equal (&before, &after, sizeof before);
      verdict_rules_unref (rules);
    }
}

static void
names_are_their_own (void **state)
{
  static const char twice[]
      = "{ \"findings\": [ { \"name\": \"a\", \"level\": \"warn\","
        " \"says\": \"x\", \"if\": \"vmm == dead\" },"
        " { \"name\": \"a\", \"level\": \"fail\", \"says\": \"y\","
        " \"if\": \"vmm == dead\" } ] }";
  struct verdict_rules *rules = shipped ();
  struct error err = ERROR_INIT;

  assert_int_equal (verdict_rules_take (rules, twice, strlen (twice), "m",
                                        &err),
                    -EINVAL);
  assert_non_null (strstr (err.msg, "findings[1].name"));
  verdict_rules_unref (rules);
}

static void
they_have_a_schema (void **state)
{
  struct buf out CLEANUP_BUF = BUF_INIT (1u << 16);
  struct json_doc *doc CLEANUP_JSON_DOC = NULL;

  verdict_rules_schema (&out);
  assert_false (out.cut);
  assert_int_equal (json_parse (buf_str (&out), out.len, JSON_WIRE, "schema",
                                1u << 16, &doc, NULL),
                    0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (ours_are_good),
    cmocka_unit_test (an_operators_go_first),
    cmocka_unit_test (words_stand_for_others),
    cmocka_unit_test (slips_are_named),
    cmocka_unit_test (names_are_their_own),
    cmocka_unit_test (they_have_a_schema),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
