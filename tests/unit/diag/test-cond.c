/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions in words: what each of them is true of, in which spelling they
 * are written again, and what is said of those that can never hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "diag/ladder/ladder_impl.h"

#include <stdio.h>
#include <string.h>

#define MAX 64

static struct fact facts[MAX];
static size_t nfacts;
static struct ladder ladder;

static struct fact *
add (const char *name, const char *source, uint64_t at, enum fact_type type)
{
  struct fact *f = &facts[nfacts++];

  assert_in_range (nfacts, 1, MAX);
  *f = (struct fact){ .time_ms = at, .type = type, .sample = 1 };
  snprintf (f->name, sizeof f->name, "%s", name);
  snprintf (f->source, sizeof f->source, "%s", source);
  return f;
}

static void
text (const char *name, const char *source, uint64_t at, const char *value)
{
  struct fact *f = add (name, source, at, FACT_TEXT);

  snprintf (f->text, sizeof f->text, "%s", value);
}

static void
number (const char *name, const char *source, uint64_t at, int64_t value)
{
  add (name, source, at, FACT_INT)->i = value;
}

static int
begin (void **state)
{
  nfacts = 0;
  memset (&ladder, 0, sizeof ladder);
  text ("vmm.status", "monitor", 20, "paused (user)");
  text ("vmm.event", "libvirt", 20, "SHUTDOWN crashed");
  text ("vmm.monitor", "monitor", 10, "greets-only");
  text ("vmm.monitor", "monitor", 20, "greets-only");
  text ("kernel.answers", "sysrq", 30, "none");
  text ("kernel.answers", "memory", 31, "none");
  text ("kernel.event.panic", "console", 5000, "Kernel panic");
  text ("kernel.event.oom_kill", "console", 1000, "Out of memory");
  number ("vcpu.count", "host", 10, 4);
  number ("vcpu.busy", "host", 10, 4);
  number ("tasks.blocked", "sysrq", 30, 3);
  add ("disk.any_moved", "monitor", 30, FACT_BOOL)->b = false;
  add ("host.memory.available", "host", 30, FACT_REAL)->d = 0.25;
  ladder.facets[FACET_VMM].state = FACET_ALIVE;
  ladder.facets[FACET_BLOCK].state = FACET_DEAD;
  return 0;
}

static struct cond_list *
read_one (const char *words)
{
  struct json_object *o CLEANUP_JSON = json_object_new_string (words);
  struct error err = ERROR_INIT;
  struct cond_list *list = NULL;

  if (cond_list_read (NULL, o, "if", &list, &err) < 0)
    fail_msg ("%s: %s", words, err.msg);
  return list;
}

static bool
holds (const char *words, const char **ret_first)
{
  struct cond_list *list = read_one (words);
  const struct fact *first = NULL;
  const char *failed = NULL;
  struct fact_set *set;

  assert_int_equal (fact_set_new (MAX, &set, NULL), 0);
  fact_set_fill (set, facts, nfacts);
  bool so = cond_list_holds (list, set, &ladder, &failed, &first);
  assert_true (so || failed);
  if (!so)
    assert_string_equal (failed, words);
  if (ret_first)
    *ret_first = first ? first->name : "";
  fact_set_free (set);
  cond_list_free (list);
  return so;
}

static void
each_says_what_it_says (void **state)
{
  static const struct
  {
    bool so;
    const char *words, *first;
  } cases[] = {
    { true, "vmm == alive", "" },
    { false, "vmm == dead", "" },
    { true, "block != alive", "" },
    { true, "run-state != dead", "" }, /* unknown */
    { true, "block in dead|slow", "" },
    { false, "block in alive|slow", "" },
    { true, "vmm.status begins paused", "vmm.status" },
    { false, "vmm.status begins user", "" },
    { true, "vmm.status has user", "vmm.status" },
    { true, "vmm.status has '(user)'", "vmm.status" },
    { true, "vmm.event == 'SHUTDOWN crashed'", "vmm.event" },
    { false, "vmm.event == SHUTDOWN", "" },
    { true, "vmm.event != SHUTDOWN", "vmm.event" },
    { false, "guest.stop != panic", "" }, /* nobody speaks of it */
    { true, "vmm.monitor always greets-only", "vmm.monitor" },
    { false, "kernel.answers always shown", "" },
    { true, "kernel.answers in disabled|none", "kernel.answers" },
    { true, "kernel.answers == none by sysrq", "kernel.answers" },
    { false, "kernel.answers == none by console", "" },
    { true, "kernel.answers == none by 2", "kernel.answers" },
    { false, "kernel.answers == none by 3", "" },
    { true, "vcpu.busy == @vcpu.count", "vcpu.busy" },
    { false, "tasks.blocked == @vcpu.count", "" },
    { true, "tasks.blocked == 3", "tasks.blocked" },
    { true, "tasks.blocked != 2.5", "tasks.blocked" },
    { false, "tasks.blocked > 3", "" },
    { true, "tasks.blocked >= 3", "tasks.blocked" },
    { true, "tasks.blocked <= 3", "tasks.blocked" },
    { false, "tasks.blocked < 3", "" },
    { true, "host.memory.available < 3e-1", "host.memory.available" },
    { true, "disk.any_moved == false", "disk.any_moved" },
    { true, "disk.any_moved != true", "disk.any_moved" },
    { false, "disk.any_moved == true", "" },
    { true, "kernel.event.panic", "kernel.event.panic" },
    { true, "kernel.event.panic by console", "kernel.event.panic" },
    { false, "kernel.event.panic by memory", "" },
    { true, "kernel.event.soft_lockup|kernel.event.p*", "kernel.event.panic" },
    { false, "no kernel.event.panic", "" },
    { true, "no kernel.event.soft_lockup", "" },
    { true, "no kernel.event.panic by memory", "" },
    { true, "kernel.event.oom_kill then kernel.event.panic within 4s",
      "kernel.event.oom_kill" },
    { false, "kernel.event.oom_kill then kernel.event.panic within 3999ms",
      "" },
    { false, "kernel.event.panic then kernel.event.oom_kill within 1h", "" },
    { true, "vmm.monitor == greets-only then kernel.answers == none within 1s",
      "vmm.monitor" },
    { false, "vmm.monitor == answers then kernel.answers == none within 1s",
      "" },
    { true, "kernel.event.oom_kill then no kernel.event.panic within 3999ms",
      "kernel.event.oom_kill" },
    { false, "kernel.event.oom_kill then no kernel.event.panic within 4s",
      "" },
    { true, "vmm.monitor then no tasks.blocked > 3 within 1s", "vmm.monitor" },
    { false, "vmm.monitor then no tasks.blocked > 2 within 1s", "" },
    /* Whether it comes nobody knows yet: the last that was said is of 5 s. */
    { true, "tasks.blocked then no guest.stage within 4970ms",
      "tasks.blocked" },
    { false, "tasks.blocked then no guest.stage within 4971ms", "" },
    { false, "kernel.event.panic then no guest.stage within 1s", "" },
    { false, "guest.stage then no kernel.event.panic within 1s", "" },
    /* No fact comes after itself. */
    { true, "tasks.blocked then no tasks.blocked within 1s",
      "tasks.blocked" },
    { false, "tasks.blocked then tasks.blocked within 1s", "" },
    { true, "vmm.monitor then vmm.monitor within 1s", "vmm.monitor" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      const char *first;

      if (holds (cases[i].words, &first) != cases[i].so)
        fail_msg ("%s: %d", cases[i].words, !cases[i].so);
      assert_string_equal (first, cases[i].first);
    }
}

/* Read all at once, an hour of the guest's is a moment of ours. */
static void
the_kernel_says_when_it_was (void **state)
{
  static const char then[]
      = "kernel.event.gpf then kernel.event.soft_lockup within 1m";
  static const char then_no[]
      = "kernel.event.gpf then no kernel.event.soft_lockup within 10ms";
  struct fact *a, *b;

  text ("kernel.event.gpf", "console", 100, "a");
  text ("kernel.event.soft_lockup", "memory", 100, "b");
  a = &facts[nfacts - 2];
  b = &facts[nfacts - 1];
  assert_true (holds (then, NULL));
  a->kernel_us = 10000000;
  b->kernel_us = 3610000000;
  assert_false (holds (then, NULL));
  assert_true (holds (then_no, NULL));
  b->kernel_us = 70000999;
  assert_true (holds (then, NULL));
  b->kernel_us = 70001000;
  assert_false (holds (then, NULL));
  /* What comes before it did not come of it, whoever was heard first. */
  b->kernel_us = 9999999;
  assert_false (holds (then, NULL));
  b->kernel_us = 10000001;
  b->time_ms = 50;
  assert_true (holds (then, NULL));
  /* Two boots, and who says nothing of it, have our own clock. */
  b->inc.boot = 1;
  assert_false (holds (then, NULL));
  b->time_ms = 100;
  b->kernel_us = 3610000000;
  assert_true (holds (then, NULL));
  b->inc.boot = 0;
  b->kernel_us = 0;
  assert_true (holds (then, NULL));
}

static void
facets_are_unknown_without_a_ladder (void **state)
{
  struct cond_list *list = read_one ("vmm == unknown");
  struct fact_set *set;

  assert_int_equal (fact_set_new (MAX, &set, NULL), 0);
  assert_true (cond_list_holds (list, set, NULL, NULL, NULL));
  assert_false (cond_list_holds (list, set, &ladder, NULL, NULL));
  assert_true (cond_list_holds (NULL, set, NULL, NULL, NULL));
  fact_set_free (set);
  cond_list_free (list);
}

/* ---- lists ---- */

static void
read_text (const char *json, struct cond_list **ret, struct error *err)
{
  struct json_doc *doc CLEANUP_JSON_DOC = NULL;

  assert_int_equal (json_parse (json, strlen (json), JSON_FILE, "my.json",
                                65536, &doc, NULL),
                    0);
  *ret = NULL;
  *err = (struct error) ERROR_INIT;
  cond_list_read (doc, json_get (json_root (doc), "if"), "if", ret, err);
}

static void
spelling (const char *json, const char *want)
{
  struct error err = ERROR_INIT;
  struct cond_list *list;

  read_text (json, &list, &err);
  if (!list)
    fail_msg ("%s", err.msg);
  struct json_object *o CLEANUP_JSON = cond_list_to_json (list);
  assert_string_equal (
      json_object_to_json_string_ext (o, JSON_C_TO_STRING_PLAIN), want);
  cond_list_free (list);
}

static void
they_are_written_in_one_spelling (void **state)
{
  spelling ("{}", "[]");
  spelling ("{\"if\": []}", "[]");
  spelling ("{\"if\": \"  vmm   ==  alive \"}", "\"vmm == alive\"");
  spelling ("{\"if\": [\"vmm == alive\"]}", "\"vmm == alive\"");
  spelling ("{\"if\": [\"vmm == alive\", \"vmm.status has 'a'\"]}",
            "[\"vmm == alive\",\"vmm.status has a\"]");
  spelling ("{\"if\": \"vmm.status == 'a  b' by monitor\"}",
            "\"vmm.status == 'a  b' by monitor\"");
  spelling ("{\"if\": \"vmm.status == x then  no vmm.status within 2m\"}",
            "\"vmm.status == x then no vmm.status within 2m\"");
  spelling ("{\"if\": \"vmm.status == ''\"}", "\"vmm.status == ''\"");
  spelling ("{\"if\": \"vmm.status == 'a|b'\"}", "\"vmm.status == 'a|b'\"");
}

static void
all_have_to_hold (void **state)
{
  struct error err = ERROR_INIT;
  const struct fact *first;
  struct cond_list *list;
  struct fact_set *set;
  const char *failed;

  assert_int_equal (fact_set_new (MAX, &set, NULL), 0);
  fact_set_fill (set, facts, nfacts);
  read_text ("{\"if\": [\"vmm == alive\", \"tasks.blocked\", \"vcpu.busy\"]}",
             &list, &err);
  assert_true (cond_list_holds (list, set, &ladder, &failed, &first));
  assert_string_equal (first->name, "tasks.blocked");
  cond_list_free (list);
  read_text ("{\"if\": [\"vmm == alive\", \"no tasks.blocked\","
             " \"vcpu.busy > 7\"]}",
             &list, &err);
  assert_false (cond_list_holds (list, set, &ladder, &failed, &first));
  assert_string_equal (failed, "no tasks.blocked");
  cond_list_free (list);
  fact_set_free (set);
}

/* ---- of one disk ---- */

static void
boolean (const char *name, const char *source, bool value)
{
  add (name, source, 40, FACT_BOOL)->b = value;
}

static void
same_disk (struct fact_set *set, const char *json, const char *want)
{
  struct error err = ERROR_INIT;
  struct cond_list *list;
  const char *failed = NULL;
  char bound[FACT_NAME_MAX];

  read_text (json, &list, &err);
  if (!list)
    fail_msg ("%s: %s", json, err.msg);
  if (cond_list_holds (list, set, &ladder, &failed, NULL) != !!want)
    fail_msg ("%s: %s", json, failed ? failed : "holds");
  fact_set_bound_ (set, bound, sizeof bound);
  assert_string_equal (bound, want ? want : "");
  assert_true (want || failed);
  cond_list_free (list);
}

/* vda fails requests, and vdb's pool is out of room: nobody's disk is both. */
static void
facts_of_two_disks_are_not_one (void **state)
{
  struct fact_set *set;

  number ("disk.vda.new_errors", "monitor", 40, 2);
  number ("disk.vdb.new_errors", "monitor", 40, 0);
  text ("disk.vdb.pool_trouble", "host", 40, "thin pool p is full");
  text ("disk.vda.fs.last_error", "host", 40, "x");
  text ("disk.vda.fs.state", "host", 40, "errors");
  text ("disk.vdb1.fs.state", "host", 40, "errors");
  number ("vcpu.*.exits", "monitor", 40, 7); /* a hostile bundle's */
  number ("vcpu.0.exits", "monitor", 40, 5);
  boolean ("vcpu.0.halted", "monitor", true);
  boolean ("vcpu.1.halted", "monitor", false);
  assert_int_equal (fact_set_new (MAX, &set, NULL), 0);
  fact_set_fill (set, facts, nfacts);
  same_disk (set, "{\"if\": [\"disk.*.new_errors > 0\","
                  "\"disk.*.pool_trouble by host\"]}", "");
  same_disk (set, "{\"if\": [\"disk.$1.new_errors > 0\","
                  "\"disk.$1.pool_trouble by host\"]}", NULL);
  same_disk (set, "{\"if\": [\"disk.$1.new_errors == 0\","
                  "\"disk.$1.pool_trouble by host\"]}", "vdb");
  /* Who says it first need not be the first. */
  same_disk (set, "{\"if\": [\"vmm == alive\", \"disk.$1.new_errors >= 0\","
                  "\"disk.$1.pool_trouble\", \"disk.*.fs.last_error\"]}",
             "vdb");
  same_disk (set, "{\"if\": [\"disk.$1.fs.state == errors\","
                  "\"no disk.$1.fs.last_error\"]}", "vdb1");
  same_disk (set, "{\"if\": [\"disk.$1.pool_trouble|disk.$1.new_errors\","
                  "\"disk.$1.fs.state\"]}", "vda");
  same_disk (set, "{\"if\": \"disk.$1.new_errors > 0 then "
                  "disk.$1.pool_trouble within 1s\"}", NULL);
  /* It is one part of a name; and what is in it is no glob. */
  same_disk (set, "{\"if\": \"disk.$1.state\"}", NULL);
  same_disk (set, "{\"if\": [\"vcpu.$1.exits == 7\", \"vcpu.$1.halted\"]}",
             NULL);
  same_disk (set, "{\"if\": [\"vcpu.$1.halted\", "
                  "\"vcpu.$1.exits == @vcpu.$1.exits\"]}", "0");
  fact_set_free (set);
}

/* ---- slips ---- */

static void
slips_are_named (void **state)
{
  static const struct
  {
    const char *words, *says;
  } cases[] = {
    { "", "no condition" },
    { "   ", "no condition" },
    { "vm == alive", "did you mean \"vmm\"" },
    { "vmm", "vmm == alive" },
    { "no vmm", "vmm is a facet" },
    { "vmm == alife", "did you mean \"alive\"" },
    { "vmm == alive by sysrq", "by its state" },
    { "vmm != alive|dead|slow|unknown", "never" },
    { "vmm in alive|dead|slow|unknown", "always" },
    { "vmm > 3", "by its state" },
    { "tasks.block > 0", "did you mean \"tasks.blocked\"" },
    { "tasks.blocked => 0", "did you mean" },
    { "tasks.blocked >", "nothing stands after" },
    { "tasks.blocked > many", "not a number" },
    { "tasks.blocked > 1 2", "\"2\" is one word too many" },
    { "tasks.blocked > nan", "not a number" },
    { "tasks.blocked > 0x1", "not a number" },
    { "tasks.blocked > @vcpu.count", "only be compared with ==" },
    { "tasks.blocked == @vcpu.counts", "did you mean \"vcpu.count\"" },
    { "tasks.blocked == @vmm.status", "vmm.status is not a number" },
    { "tasks.blocked has x", "tasks.blocked is not a text" },
    { "vmm.status > 3", "vmm.status is not a number" },
    { "disk.any_moved == yes", "true or false" },
    { "disk.any_moved > 0", "not a number" },
    { "kernel.answers == shwon", "never \"shwon\" (it may be: none" },
    { "kernel.answers in shown|disable", "never \"disable\"" },
    { "kernel.answers in shown|", "\"shown|\"" },
    { "kernel.answers == shown|none", "\"in\"" },
    { "kernel.answers begins x", "never \"x\"" },
    { "kernel.answers has ''", "always so" },
    { "kernel.answers == none by sysreq", "did you mean \"sysrq\"" },
    { "kernel.answers == none by", "there is no source" },
    { "kernel.answers == none by 1", "from 2" },
    { "kernel.answers == none by 12", "from 2" },
    { "no kernel.answers by 2", "nobody says" },
    { "no kernel.answers == none", "one word too many" },
    { "kernel.event.panick", "did you mean \"panic\"" },
    { "kernel.event.oom|kernel.event.oomkill", "there is no event" },
    { "kernel.trouble.oomkill", "there is no event" },
    { "vcpu.*.shares > 1", "did you mean" },
    { "vcpu.$1.shares > 1", "did you mean" },
    { "vcpu.$2.share > 1", "$1 is one part of a name" },
    { "vcpu.x$1.share > 1", "one part of a name" },
    { "vcpu.$1x.share > 1", "one part of a name" },
    { "*.$1.share > 1", "one part of a name" },
    { "disk.$1.fs.$1 > 1", "one part of a name" },
    { "no disk.$1.pool", "nothing says what $1 is" },
    { "disk.$1.moved|disk.any_moved", "nothing says what $1 is" },
    { "vcpu.count == @vcpu.$1.exits", "nothing says what $1 is" },
    { "vcpu.count then vcpu.$1.exits within 1s", "nothing says what $1 is" },
    { "host.pis.*", "there is no facet or fact" },
    { "vmm.status == SHUTDOWN crashed", "'...'" },
    { "vmm.status == 'SHUTDOWN", "begins and ends" },
    { "vmm.status == a'b", "begins and ends" },
    { "vmm.status == 'a'b", "begins and ends" },
    { "|vmm.status", "no name of a fact" },
    { "vmm.status||x", "no name of a fact" },
    { "tasks.blocked\t> 1", "printable" },
    { "kernel.event.panic then", "a fact is missing" },
    { "kernel.event.panic then kernel.event.oom", "how soon" },
    { "kernel.event.panic then kernel.event.oom within", "how soon" },
    { "kernel.event.panic then kernel.event.oom within 3", "3" },
    { "kernel.event.panic then kernel.event.oom within 3s by 2", "how soon" },
    { "vmm.monitor always answers then vmm.monitor within 3s", "no moment" },
    { "no vmm.monitor then vmm.monitor within 3s", "one word too many" },
    { "vmm.monitor then vmm == alive within 3s", "vmm is a facet" },
    { "vmm.monitor then no", "a fact is missing" },
    { "vmm.monitor then no vmm.status", "then no vmm.status within 30s" },
    { "vmm.monitor then no vmm == alive within 3s", "vmm is a facet" },
    { "no vmm.monitor then no vmm.monitor within 3s", "one word too many" },
    { "a b c d e f g h i j k", "too many words" },
  };

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    {
      struct json_object *o CLEANUP_JSON
          = json_object_new_string (cases[i].words);
      struct error err = ERROR_INIT;
      struct cond_list *list = NULL;

      if (cond_list_read (NULL, o, "rules[3].if", &list, &err) != -EINVAL)
        fail_msg ("%s is taken for right", cases[i].words);
      assert_null (list);
      if (!strstr (err.msg, cases[i].says)
          || strncmp (err.msg, "rules[3].if: ", 13) != 0)
        fail_msg ("%s: %s", cases[i].words, err.msg);
    }
}

static void
they_have_a_place (void **state)
{
  struct error err = ERROR_INIT;
  struct cond_list *list;
  char many[1024] = "{\"if\": [\"vmm == alive\"", longer[512];

  read_text ("{\n  \"if\": [ \"vmm == alive\",\n    \"vmm = alive\" ] }", &list,
             &err);
  assert_null (list);
  assert_non_null (strstr (err.msg, "my.json:3:5: if[1]: "));
  read_text ("{ \"if\": 3 }", &list, &err);
  assert_non_null (strstr (err.msg, "my.json:1:3: if: a condition is a text"));
  read_text ("{ \"if\": [ [] ] }", &list, &err);
  assert_non_null (strstr (err.msg, "if[0]: a condition is a text"));
  for (int i = 0; i < COND_MOST; i++)
    strncat (many, ", \"vmm == alive\"", sizeof many - strlen (many) - 1);
  strncat (many, "]}", sizeof many - strlen (many) - 1);
  read_text (many, &list, &err);
  assert_null (list);
  assert_non_null (strstr (err.msg, "more than 16 conditions"));
  snprintf (longer, sizeof longer, "{\"if\": \"vmm.status == %0*d\"}",
            COND_TEXT, 1);
  read_text (longer, &list, &err);
  assert_null (list);
  assert_non_null (strstr (err.msg, "longer than"));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup (each_says_what_it_says, begin),
    cmocka_unit_test_setup (the_kernel_says_when_it_was, begin),
    cmocka_unit_test_setup (facets_are_unknown_without_a_ladder, begin),
    cmocka_unit_test (they_are_written_in_one_spelling),
    cmocka_unit_test_setup (all_have_to_hold, begin),
    cmocka_unit_test_setup (facts_of_two_disks_are_not_one, begin),
    cmocka_unit_test (slips_are_named),
    cmocka_unit_test (they_have_a_place),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
