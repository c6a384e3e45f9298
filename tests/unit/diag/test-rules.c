/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of rules: what an operator's own do beside ours, what their words and
 * templates mean, and what is said of one that is not good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/embedded.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/facts.h"
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

/* Each disk is told of, by its name; and the verdict speaks of one. */
static void
of_each_disk (void **state)
{
  struct verdict_rules *rules = shipped ();
  const struct cause cause = { "web", "silent", "It is silent." };
  struct judgement j;
  struct fact_set *set;
  struct fact facts[6];

  fact_int (&facts[0], NULL, "disk.vda.new_errors", "monitor", 2);
  fact_int (&facts[1], NULL, "disk.vdb.new_errors", "monitor", 1);
  fact_int (&facts[2], NULL, "disk.vdc.new_errors", "monitor", 0);
  fact_text (&facts[3], NULL, "disk.vda.host_trouble", "host", "A", 1);
  fact_text (&facts[4], NULL, "disk.vdb.host_trouble", "host", "B", 1);
  fact_text (&facts[5], NULL, "disk.vdb.pool_trouble", "host", "P", 1);
  take (rules,
        "{ \"verdicts\": [ { \"name\": \"a\", \"class\": \"slow\","
        "  \"confidence\": \"low\", \"if\": [\"disk.$1.new_errors > 0\","
        "  \"disk.$1.pool_trouble\"],"
        "  \"says\": \"{$1}: {disk.$1.host_trouble}, {vcpu.$1.exits|'-'}\","
        "  \"next\": \"{disk.*.host_trouble}\" } ],"
        "  \"findings\": [ { \"name\": \"f\", \"level\": \"fail\","
        "  \"if\": \"disk.$1.new_errors > 0\","
        "  \"says\": \"{$1} {disk.$1.host_trouble}\" } ] }");
  assert_int_equal (fact_set_new (8, &set, NULL), 0);
  fact_set_fill (set, facts, 6);
  ladder_judge (rules, set, &cause, NULL, &j);
  assert_string_equal (j.verdict.sentence, "vdb: B, -");
  assert_string_equal (j.verdict.next, "A");
  for (int i = 0; i < 2; i++)
    {
      struct json_object *o = json_object_array_get_idx (j.findings, i);

      assert_string_equal (json_get_str (o, "says"), i ? "vdb B" : "vda A");
      o = json_object_array_get_idx (json_get (o, "evidence"), 0);
      assert_string_equal (json_get_str (o, "name"),
                           i ? "disk.vdb.new_errors" : "disk.vda.new_errors");
    }
  judgement_done (&j);
  fact_set_free (set);
  verdict_rules_unref (rules);
}

/* A guest writes that mark into its raw image itself. */
static void
marks_of_images (void **state)
{
  struct verdict_rules *rules = shipped ();
  const struct cause cause = { "web", "silent", "It is silent." };
  struct judgement j;
  struct fact_set *set;
  struct fact facts[8];
  const char *all;

  fact_bool (&facts[0], NULL, "disk.vda.image_corrupt", "host", true);
  fact_bool (&facts[1], NULL, "disk.vdb.image_corrupt", "host", true);
  fact_bool (&facts[2], NULL, "disk.vdc.image_corrupt", "host", true);
  fact_text (&facts[3], NULL, "disk.vda.image_format", "monitor", "raw", 3);
  fact_text (&facts[4], NULL, "disk.vdb.image_format", "monitor", "qcow2", 5);
  fact_text (&facts[5], NULL, "disk.vda.image", "host", "/a.raw", 6);
  fact_text (&facts[6], NULL, "disk.vdb.image", "host", "/b.qcow2", 8);
  fact_text (&facts[7], NULL, "disk.vdc.image", "host", "/c", 2);
  assert_int_equal (fact_set_new (8, &set, NULL), 0);
  fact_set_fill (set, facts, 8);
  ladder_judge (rules, set, &cause, NULL, &j);
  all = json_object_to_json_string_ext (j.findings,
                                        JSON_C_TO_STRING_NOSLASHESCAPE);
  assert_null (strstr (all, "a.raw"));
  assert_non_null (strstr (all, "image of the disk vdb bears"));
  assert_non_null (strstr (all, "(qemu-img check): /b.qcow2"));
  assert_non_null (strstr (all, "may have written it: /c"));
  judgement_done (&j);
  fact_set_free (set);
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
    { V (", \"if\": \"vmm == dead\", \"culprit\": \"{$1}\""),
      "no condition of the rule says what $1 is" },
    { V (", \"if\": \"disk.*.moved\", \"culprit\": \"{disk.$1.image}\""),
      "no condition of the rule says what $1 is" },
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

/* ---- what a judgement brings ---- */

static const char findings[]
    = "{ \"findings\": ["
      "{ \"name\": \"idle\", \"level\": \"pass\","
      "  \"if\": \"vcpu.busy == 0\", \"says\": \"idle\" },"
      "{ \"name\": \"off\", \"level\": \"warn\","
      "  \"if\": \"run-state == dead\", \"says\": \"off: {vmm.status}\","
      "  \"see\": \"monitor/status.json\" },"
      "{ \"name\": \"oom\", \"level\": \"fail\", \"says\": \"oom\","
      "  \"if\": \"kernel.event.oom then $panic within 30s\" },"
      "{ \"name\": \"not\", \"level\": \"fail\","
      "  \"if\": \"vcpu.busy > 7\", \"says\": \"no\" } ] }";

static const char *
str (struct json_object *list, size_t i, const char *key)
{
  return json_get_str (json_object_array_get_idx (list, i), key);
}

static void
judge_all (struct verdict_rules *rules, const struct fact *facts, size_t n,
           const char *code, struct json_object *gaps, struct judgement *ret)
{
  const struct cause cause = { "web", code, "It is silent." };
  struct fact_set *set;

  assert_int_equal (fact_set_new (8, &set, NULL), 0);
  fact_set_fill (set, facts, n);
  ladder_judge (rules, set, &cause, gaps, ret);
  fact_set_free (set);
}

static void
findings_have_their_evidence (void **state)
{
  struct verdict_rules *rules = shipped (), *ours = calloc (1, sizeof *ours);
  struct json_object *evidence;
  struct fact facts[4];
  struct judgement j;

  /* Ours are another test's. */
  assert_non_null (ours);
  ours->findings = rules->findings;
  rules->findings = NULL;
  ours->nfindings = rules->nfindings;
  ours->refs = 1;
  rules->nfindings = 0;
  take (rules, findings);
  fact_text (&facts[0], NULL, "vmm.status", "monitor", "paused \x1b", 8);
  fact_int (&facts[1], NULL, "vcpu.busy", "host", 0);
  fact_text (&facts[2], NULL, "kernel.event.oom", "console", "o", 1);
  fact_text (&facts[3], NULL, "kernel.event.panic", "console", "p", 1);
  facts[2].time_ms = 1000;
  facts[3].time_ms = 31000;
  judge_all (rules, facts, 4, "silent", NULL, &j);
  assert_int_equal (json_object_array_length (j.findings), 3);
  assert_string_equal (str (j.findings, 0, "rule"), "oom");
  assert_string_equal (str (j.findings, 0, "level"), "fail");
  assert_string_equal (str (j.findings, 1, "says"), "off: paused \\e");
  assert_string_equal (str (j.findings, 1, "see"), "monitor/status.json");
  assert_string_equal (str (j.findings, 2, "rule"), "idle");
  evidence = json_get (json_object_array_get_idx (j.findings, 0), "evidence");
  assert_int_equal (json_object_array_length (evidence), 2);
  assert_string_equal (str (evidence, 0, "name"), "kernel.event.oom");
  assert_string_equal (str (evidence, 1, "source"), "console");
  evidence = json_get (json_object_array_get_idx (j.findings, 1), "evidence");
  assert_int_equal (json_object_array_length (evidence), 1);
  assert_string_equal (str (evidence, 0, "value"), "paused \\e");
  judgement_done (&j);
  facts[3].time_ms = 31001;
  judge_all (rules, facts, 4, "silent", NULL, &j);
  assert_string_equal (str (j.findings, 0, "rule"), "off");
  judgement_done (&j);
  verdict_rules_unref (ours);
  verdict_rules_unref (rules);
}

/* The same from two places is certain; twice from one place it is not, and
 * nobody is certain that all is well. */
static void
certain_takes_two_vantage_points (void **state)
{
  static const struct
  {
    const char *source, *confidence;
    unsigned facts;
  } cases[] = {
    { "monitor", "high", 1 },
    { "libvirt", "high", 2 },
    { "host", "certain", 2 },
    { "diagnosis", "high", 2 },
  };
  struct verdict_rules *rules = shipped ();

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct fact facts[2];
      struct judgement j;

      fact_text (&facts[0], NULL, "vmm.status", "monitor", "paused", 6);
      fact_text (&facts[1], NULL, "vmm.status", cases[i].source, "paused", 6);
      judge_all (rules, facts, 2, "silent", NULL, &j);
      assert_string_equal (j.verdict.class_, "paused");
      assert_string_equal (j.verdict.confidence, cases[i].confidence);
      assert_int_equal (j.verdict.nfacts, cases[i].facts);
      assert_string_equal (j.verdict.facts[0].name, "vmm.status");
      assert_string_equal (j.verdict.facts[0].value, "paused");
      assert_string_equal (j.verdict.rule, "paused");
      judgement_done (&j);
      /* Another says otherwise: he is no witness. */
      fact_text (&facts[0], NULL, "vmm.status", cases[i].source, "run", 3);
      fact_text (&facts[1], NULL, "vmm.status", "monitor", "paused", 6);
      judge_all (rules, facts, 2, "silent", NULL, &j);
      assert_string_equal (j.verdict.confidence, "high");
      judgement_done (&j);
    }
  verdict_rules_unref (rules);
}

static void
what_nobody_could_say (void **state)
{
  struct verdict_rules *rules = shipped ();
  struct json_object *gaps = json_object_new_array ();
  struct json_object *gap = json_object_new_object ();
  struct fact facts[1];
  struct judgement j;
  size_t n;

  json_add_str (gap, "collector", "sysrq");
  json_add_str (gap, "what", "all of it");
  json_add_str (gap, "why", "no route");
  json_object_array_add (gaps, gap);
  fact_text (&facts[0], NULL, "vmm.monitor", "monitor", "answers", 7);
  judge_all (rules, facts, 1, "no-such-code", gaps, &j);
  assert_string_equal (j.verdict.class_, "unknown");
  n = json_object_array_length (j.questions);
  assert_true (n > 3);
  assert_string_equal (str (j.questions, 0, "about"), "host");
  for (size_t i = 0; i < n; i++)
    assert_string_not_equal (str (j.questions, i, "about"), "vmm");
  assert_string_equal (str (j.questions, n - 1, "about"), "sysrq");
  assert_string_equal (str (j.questions, n - 1, "why"), "all of it: no route");
  judgement_done (&j);
  /* Who knows asks nothing. */
  fact_text (&facts[0], NULL, "vmm.status", "monitor", "paused", 6);
  judge_all (rules, facts, 1, "silent", gaps, &j);
  assert_int_equal (json_object_array_length (j.questions), 0);
  judgement_done (&j);
  json_object_put (gaps);
  verdict_rules_unref (rules);
}

static void
sign (const char *class_, const char *culprit, char ret[SIGNATURE_TEXT])
{
  const struct cause cause = { "web", "silent", "" };
  struct verdict v = { .class_ = "" };

  snprintf (v.class_, sizeof v.class_, "%s", class_);
  snprintf (v.culprit, sizeof v.culprit, "%s", culprit);
  verdict_sign_ (&v, &cause, NULL, NULL);
  memcpy (ret, v.signature, SIGNATURE_TEXT);
}

static void
what_passes_does_not_sign (void **state)
{
  static const struct
  {
    const char *a, *b;
    bool same;
  } cases[] = {
    { "kworker/0:1 (77) in do_it+0x1f/0x40", "kworker/3:2 (9) in do_it+0x2/0x9",
      true },
    { "do_it at ffffffff81a0b0c0", "do_it at ffffffff99123456", true },
    { "BUG at 0xdeadbeef", "BUG at 0x1", true },
    { "do_it", "do_other", false },
    { "task a in do_it", "task b in do_it", false },
    { "", "x", false },
    { "vda", "vdb", false },
  };
  char a[SIGNATURE_TEXT], b[SIGNATURE_TEXT];

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      sign ("kernel-oops", cases[i].a, a);
      sign ("kernel-oops", cases[i].b, b);
      assert_int_equal (strlen (a), SIGNATURE_TEXT - 1);
      if ((strcmp (a, b) == 0) != cases[i].same)
        fail_msg ("%s, %s", cases[i].a, cases[i].b);
    }
  sign ("kernel-oops", "x", a);
  sign ("kernel-panic", "x", b);
  assert_string_not_equal (a, b);
  /* The format, and printf 'slow\nx' | sha256sum; and longer than a block. */
  sign ("slow", "x", a);
  assert_string_equal (a, "2-7501cbf39cc61702");
  sign ("slow", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        a);
  assert_string_equal (a, "2-b32c84f898412a25");
}

/* A trouble as a look at memory tells of it. */
struct told
{
  const char *class_; /* of its finding: "lock_deadlock" */
  const char *culprit, *stack;
};

static void
sign_told (const struct told *t, char ret[SIGNATURE_TEXT])
{
  struct verdict_rules *rules = shipped ();
  const struct cause cause = { "web", "silent", "" };
  struct fact facts[5];
  struct judgement j;
  char name[FACT_NAME_MAX];
  unsigned n = 0;

  snprintf (name, sizeof name, "finding.%s", t->class_);
  fact_text (&facts[n++], NULL, name, "memory", "it is so", 8);
  snprintf (name, sizeof name, "culprit.%s", t->class_);
  fact_text (&facts[n++], NULL, name, "memory", t->culprit,
             strlen (t->culprit));
  snprintf (name, sizeof name, "stack.%s", t->class_);
  fact_int (&facts[n++], NULL, "tasks.blocked", "memory", 1);
  fact_int (&facts[n++], NULL, "vcpu.irqs_off", "memory", 1);
  if (t->stack)
    fact_text (&facts[n++], NULL, name, "memory", t->stack,
               strlen (t->stack));
  judge_all (rules, facts, n, cause.code, NULL, &j);
  if (strcmp (j.verdict.culprit, t->culprit) != 0)
    fail_msg ("%s: %s by %s", j.verdict.class_, j.verdict.culprit,
              j.verdict.rule);
  memcpy (ret, j.verdict.signature, SIGNATURE_TEXT);
  judgement_done (&j);
  verdict_rules_unref (rules);
}

/* With the stacks of who did it these count, and not who it was this time. */
static void
stacks_sign (void **state)
{
  static const struct
  {
    struct told a, b;
    bool same;
  } cases[] = {
    { { "lock_deadlock", "take_b, lock m2, kworker/0:1 (77)",
        "take_a;work|take_b;work" },
      { "lock_deadlock", "take_a, lock m1, cat (4711) on CPU 3",
        "take_a;work|take_b;work" },
      true },
    { { "lock_deadlock", "take_b, lock m2, x (1)", "take_a;work|take_b;work" },
      { "lock_deadlock", "take_b, lock m2, x (1)", "take_b;work|take_c;work" },
      false },
    { { "lock_deadlock", "f (1)", "f;g" }, { "hard_lockup", "f (1)", "f;g" },
      false },
    { { "hard_lockup", "spin on CPU 1", "spin;probe" },
      { "hard_lockup", "spin on CPU 0", NULL }, false },
    { { "lock_deadlock", "disk vda", NULL },
      { "lock_deadlock", "disk vdb", NULL }, false },
    { { "hard_lockup", "spin (3)", NULL }, { "hard_lockup", "spin (9)", NULL },
      true },
  };
  char a[SIGNATURE_TEXT], b[SIGNATURE_TEXT];

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      sign_told (&cases[i].a, a);
      sign_told (&cases[i].b, b);
      assert_int_equal (strncmp (a, SIGNATURE_FORMAT, 2), 0);
      if ((strcmp (a, b) == 0) != cases[i].same)
        fail_msg ("%s (%s), %s (%s)", cases[i].a.culprit, a,
                  cases[i].b.culprit, b);
    }
}

/* The one that people begin with. */
static void
the_example_is_good (void **state)
{
  const char *src = getenv ("srcdir");
  struct verdict_rules *rules = shipped ();
  struct json_doc *doc CLEANUP_JSON_DOC = NULL;
  struct error err = ERROR_INIT;
  char path[4096];

  snprintf (path, sizeof path, "%s/examples/verdict-rules.json",
            src ? src : ".");
  if (json_load (path, JSON_FILE, JSON_MAX_FILE, &doc, &err) < 0
      || verdict_rules_take_doc (rules, doc, &err) < 0)
    fail_msg ("%s", err.msg);
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

/* "1 of its processes are frozen": what a number counts does not stand behind
 * it, unless the rule holds for many only. */
static void
what_is_counted_is_one_or_many (void **state)
{
  for (const struct embedded_file *f = verdict_rules_shipped; f->name; f++)
    for (const char *p = (const char *) f->text, *end = p + f->len;
         (p = memchr (p, '{', (size_t) (end - p))) != NULL; p++)
      {
        const char *close = memchr (p, '}', (size_t) (end - p));
        const struct fact_kind *k;
        char name[80];

        if (!close || close - p > 70)
          continue;
        snprintf (name, sizeof name, "%.*s", (int) (close - p - 1), p + 1);
        k = fact_kind_find (name);
        if (k && k->type == FACT_INT && strcmp (name, "tasks.blocked") != 0
            && close[1] == ' ' && close[2] >= 'a' && close[2] <= 'z')
          fail_msg ("%s: %.60s", f->name, p);
      }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (ours_are_good),
    cmocka_unit_test (an_operators_go_first),
    cmocka_unit_test (words_stand_for_others),
    cmocka_unit_test (of_each_disk),
    cmocka_unit_test (marks_of_images),
    cmocka_unit_test (slips_are_named),
    cmocka_unit_test (names_are_their_own),
    cmocka_unit_test (findings_have_their_evidence),
    cmocka_unit_test (certain_takes_two_vantage_points),
    cmocka_unit_test (what_nobody_could_say),
    cmocka_unit_test (what_passes_does_not_sign),
    cmocka_unit_test (stacks_sign),
    cmocka_unit_test (the_example_is_good),
    cmocka_unit_test (they_have_a_schema),
    cmocka_unit_test (what_is_counted_is_one_or_many),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
