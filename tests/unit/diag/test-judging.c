/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions on a set of facts: which fact of a name counts, who has to say
 * so, and how many names are compared for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "diag/incident.h"
#include "diag/ladder/replay.h"
#include "diag/ladder/rules_impl.h"

#include <stdio.h>
#include <string.h>

#define MAX 1280
#define EVENT_PANIC                                                           \
  "kernel.event.panic|kernel.event.windows_stop|"                             \
  "kernel.event.hypervisor_crash"

static struct fact facts[MAX];
static size_t nfacts;

static struct fact *
add (const char *name, const char *source, uint64_t at)
{
  struct fact *f = &facts[nfacts++];

  assert_in_range (nfacts, 1, MAX);
  *f = (struct fact){ .time_ms = at };
  snprintf (f->name, sizeof f->name, "%s", name);
  snprintf (f->source, sizeof f->source, "%s", source);
  return f;
}

static void
text (const char *name, const char *source, uint64_t at, const char *value)
{
  struct fact *f = add (name, source, at);

  f->type = FACT_TEXT;
  f->sample = 1;
  snprintf (f->text, sizeof f->text, "%s", value);
}

static void
number (const char *name, const char *source, uint64_t at, int64_t value)
{
  struct fact *f = add (name, source, at);

  f->type = FACT_INT;
  f->i = value;
}

static struct fact_set *
set_of_all (void)
{
  struct fact_set *set;

  assert_int_equal (fact_set_new (MAX, &set, NULL), 0);
  fact_set_fill (set, facts, nfacts);
  return set;
}

static bool
is_so (struct cond c)
{
  const struct cond conds[MAX_CONDS] = { c };
  struct fact_set *set = set_of_all ();
  bool so = conds_hold (conds, set, NULL);

  fact_set_free (set);
  return so;
}

static int
begin (void **state)
{
  nfacts = 0;
  return 0;
}

/* ---- which fact counts ---- */

static void
the_latest_counts (void **state)
{
  text ("vmm.status", "monitor", 30, "paused");
  text ("vmm.status", "libvirt", 10, "running");
  text ("vmm.statusx", "monitor", 90, "x");
  text ("vmm.statu", "monitor", 90, "y");
  assert_true (is_so ((struct cond){ "vmm.status", OP_IS, "paused" }));
  assert_false (is_so ((struct cond){ "vmm.status", OP_IS, "running" }));
  /* Of one time the one that came later. */
  text ("vmm.status", "monitor", 30, "shut");
  assert_true (is_so ((struct cond){ "vmm.status", OP_IS, "shut" }));
  assert_false (is_so ((struct cond){ "vmm.stat", OP_THERE }));
  assert_true (is_so ((struct cond){ "vmm.stat", OP_ABSENT }));
  assert_false (is_so ((struct cond){ "", OP_THERE }));
}

static void
patterns_and_alternatives (void **state)
{
  number ("vcpu.0.share", "host", 10, 0);
  number ("vcpu.1.share", "host", 10, 7);
  number ("vcpu.10.waited", "host", 10, 9);
  number ("vcpu.count", "host", 10, 2);
  number ("vcpus", "host", 10, 99);
  assert_true (is_so ((struct cond){ "vcpu.*.share", OP_ABOVE, NULL, 6 }));
  assert_false (is_so ((struct cond){ "vcpu.*.share", OP_ABOVE, NULL, 7 }));
  assert_true (is_so ((struct cond){ "vcpu.*", OP_ABOVE, NULL, 8 }));
  assert_false (is_so ((struct cond){ "vcpu.*", OP_ABOVE, NULL, 9 }));
  assert_true (is_so ((struct cond){ "*", OP_ABOVE, NULL, 98 }));
  assert_true (is_so ((struct cond){ "nothing|vcpu.count", OP_THERE }));
  assert_true (
      is_so ((struct cond){ "vcpu.count|vcpu.1.share", OP_ABOVE, NULL, 6 }));
  assert_true (is_so ((struct cond){ "nothing|no.*", OP_ABSENT }));
  assert_false (is_so ((struct cond){ "nothing|vcpu.*", OP_ABSENT }));
  assert_true (
      is_so ((struct cond){ "vcpu.count", OP_SAME_AS, "vcpu.count" }));
  assert_false (
      is_so ((struct cond){ "vcpu.count", OP_SAME_AS, "vcpu.1.share" }));
}

static void
the_first_named_is_told (void **state)
{
  struct fact_set *set;

  text ("kernel.event.oom", "console", 90, "later");
  text ("kernel.event.oom_kill", "console", 10, "said first");
  text ("kernel.event.oom_kill", "console", 20, "said last");
  set = set_of_all ();
  assert_string_equal (
      fact_last (set, "none|kernel.event.oom_kill|kernel.event.oom")->text,
      "said last");
  assert_null (fact_last (set, "none"));
  fact_set_free (set);
}

/* ---- who says so ---- */

static void
a_source_is_named (void **state)
{
  const struct cond is
      = { "kernel.answers", OP_IS, "none", .source = "sysrq" };
  const struct cond absent
      = { "kernel.answers", OP_ABSENT, .source = "agent" };

  text ("kernel.answers", "sysrq", 10, "shown");
  text ("kernel.answers", "sysrq", 20, "none");
  assert_true (is_so (is));
  /* Somebody else's word changes nothing of what SysRq says. */
  text ("kernel.answers", "memory", 30, "shown");
  assert_true (is_so (is));
  assert_false (is_so ((struct cond){ "kernel.answers", OP_IS, "none" }));
  text ("kernel.answers", "sysrq", 40, "disabled");
  assert_false (is_so (is));
  assert_true (is_so (absent));
  text ("kernel.answers", "agent", 50, "shown");
  assert_false (is_so (absent));
}

static void
always_is_of_a_source (void **state)
{
  const struct cond all = { "vmm.monitor", OP_ALWAYS, "answers" };
  const struct cond one
      = { "vmm.monitor", OP_ALWAYS, "answers", .source = "monitor" };

  text ("vmm.monitor", "monitor", 10, "answers");
  assert_false (is_so (all));
  text ("vmm.monitor", "monitor", 20, "answers");
  assert_true (is_so (all));
  text ("vmm.monitor", "libvirt", 30, "gone");
  assert_false (is_so (all));
  assert_true (is_so (one));
}

static void
so_many_sources (void **state)
{
  const struct cond two = { EVENT_PANIC, OP_THERE, .sources = 2 };
  const struct cond three = { EVENT_PANIC, OP_THERE, .sources = 3 };
  const struct cond busy = { "tasks.in_lock", OP_ABOVE, NULL, 0, .sources = 2 };

  assert_false (is_so (two));
  text ("kernel.event.panic", "console", 10, "x");
  text ("kernel.event.panic", "console", 20, "x");
  text ("kernel.event.windows_stop", "console", 30, "x");
  assert_false (is_so (two)); /* one who says it three times */
  text ("kernel.event.hypervisor_crash", "monitor", 5, "x");
  assert_true (is_so (two));
  assert_false (is_so (three));
  text ("kernel.event.panic", "memory", 5, "x");
  assert_true (is_so (three));
  /* What one of them said before is not what it says. */
  number ("tasks.in_lock", "sysrq", 10, 3);
  number ("tasks.in_lock", "memory", 20, 3);
  assert_true (is_so (busy));
  number ("tasks.in_lock", "sysrq", 30, 0);
  assert_false (is_so (busy));
}

/* ---- what it costs ---- */

struct work
{
  struct fact_set *set;
  unsigned conds;
};

static void
look_up (const struct cond *c, const char *where, void *arg)
{
  const struct cond conds[MAX_CONDS] = { *c };
  struct work *w = arg;

  (void) conds_hold (conds, w->set, NULL);
  w->conds++;
}

/* As many as a diagnosis may have, and a guest that has many of everything. */
static void
many_facts (void)
{
  static const char *const names[]
      = { "vcpu.%u.share", "vcpu.%u.waited", "disk.vd%u.moved",
          "disk.vd%u.errors", "disk.vd%u.new_errors", "probe.p%u",
          "kernel.event.k%u", "kernel.trouble.k%u" };
  char name[FACT_NAME_MAX];

  for (unsigned i = 0; nfacts < MAX; i++)
    {
      snprintf (name, sizeof name, names[i % 8], i / 8);
      number (name, i % 3 ? "host" : "monitor", 1000 + i, 0);
    }
}

/* Each condition of all rules once, whatever the ones before it say: more
 * than any judgement.  A judgement compared 2.7 million names when each
 * condition walked all facts; the sorting is not counted, and is no more than
 * some ten per fact. */
static void
a_judgement_is_short (void **state)
{
  struct work w = { .conds = 0 };
  struct verdict_rules *rules;
  struct ladder ladder;
  struct verdict v;
  const struct cause cause = { "s", "no-such-code", "" };

  assert_int_equal (verdict_rules_new (&rules, NULL), 0);
  many_facts ();
  w.set = set_of_all ();
  verdict_rules_each_cond_ (rules, look_up, &w);
  print_message ("%zu facts, %u conditions: %zu comparisons\n", nfacts,
                 w.conds, fact_set_compared (w.set));
  assert_true (w.conds > 110);
  /* Of a guest with so many disks a "*" in the middle walks all of them. */
  assert_in_range (fact_set_compared (w.set), w.conds, 80 * w.conds);
  fact_set_fill (w.set, facts, nfacts);
  ladder_climb (rules, w.set, &ladder);
  ladder_verdict (rules, &ladder, w.set, &cause, &v);
  print_message ("a judgement: %zu comparisons\n", fact_set_compared (w.set));
  assert_in_range (fact_set_compared (w.set), 100, 40 * w.conds);
  fact_set_free (w.set);
  verdict_rules_unref (rules);
}

/* No rule knows what guests that failed together came to: what was said of them
 * stands, whatever facts there are; of a guest's the rules of today decide. */
static void
a_hosts_own_is_not_judged_again (void **state)
{
  for (int of_host = 0; of_host < 2; of_host++)
    {
      struct incident inc = { .phase = INCIDENT_PACKED };
      struct json_object *manifest = json_object_new_object ();
      struct json_object *list = json_object_new_array ();
      struct verdict_rules *rules;
      struct replay r;
      struct fact f;

      incident_new_id (inc.id);
      snprintf (inc.key, sizeof inc.key, "%s", of_host ? "server nbd s" : "");
      snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s",
                of_host ? INCIDENT_OF_HOST : inc.id);
      snprintf (inc.verdict.class_, sizeof inc.verdict.class_,
                "storage-stalled");
      fact_real (&f, NULL, "host.psi.cpu.some", "host", 12.0);
      json_object_array_add (list, fact_to_json (&f));
      json_object_object_add (manifest, "incident", incident_to_json (&inc));
      json_object_object_add (manifest, "facts", list);
      assert_int_equal (verdict_rules_new (&rules, NULL), 0);
      assert_int_equal (replay_manifest (rules, manifest, &r, NULL), 0);
      assert_int_equal (r.facts, 1);
      assert_string_equal (r.now.verdict.class_,
                           of_host ? "storage-stalled" : "unknown");
      /* Nobody asked anybody for it. */
      assert_int_equal (json_object_array_length (r.now.questions) == 0,
                        of_host);
      replay_done (&r);
      verdict_rules_unref (rules);
      json_object_put (manifest);
    }
}

/* Two facts of a bundle, read at the same time: one boot, or another one. */
static void
a_bundle_keeps_when_it_was (void **state)
{
  static const struct
  {
    uint64_t us;
    unsigned boot;
    bool before;
  } cases[] = { { 7300000000, 0, true },
                { 100000000, 0, false },
                { 100000000, 1, true } };

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct incident inc = { .phase = INCIDENT_PACKED };
      struct json_object *manifest = json_object_new_object ();
      struct json_object *list = json_object_new_array ();
      struct incarnation life = { .uuid = "u", .pid = 7 };
      struct verdict_rules *rules;
      struct replay r;
      struct fact f;

      incident_new_id (inc.id);
      snprintf (inc.inc.uuid, sizeof inc.inc.uuid, "%s", inc.id);
      life.boot = cases[i].boot;
      fact_text (&f, &life, "kernel.event.gpf", "console", "g", 1);
      f.time_ms = 1000;
      f.kernel_us = cases[i].us;
      json_object_array_add (list, fact_to_json (&f));
      life.boot = 0;
      fact_text (&f, &life, "kernel.event.panic", "console", "p", 1);
      f.time_ms = 1000;
      f.kernel_us = 7301000000;
      json_object_array_add (list, fact_to_json (&f));
      fact_text (&f, &life, "kernel.answers", "sysrq", "none", 4);
      json_object_array_add (list, fact_to_json (&f));
      json_object_object_add (manifest, "incident", incident_to_json (&inc));
      json_object_object_add (manifest, "facts", list);
      assert_int_equal (verdict_rules_new (&rules, NULL), 0);
      assert_int_equal (replay_manifest (rules, manifest, &r, NULL), 0);
      assert_int_equal (r.facts, 3);
      assert_string_equal (r.now.verdict.culprit, cases[i].before ? "g" : "p");
      replay_done (&r);
      verdict_rules_unref (rules);
      json_object_put (manifest);
    }
}

/* What does not fit is not seen, and harms nobody. */
static void
more_than_fits (void **state)
{
  struct fact_set *set;

  text ("a.b", "x", 1, "1");
  text ("a.c", "x", 1, "1");
  assert_int_equal (fact_set_new (1, &set, NULL), 0);
  fact_set_fill (set, facts, 2);
  assert_non_null (fact_last (set, "a.b"));
  assert_null (fact_last (set, "a.c"));
  fact_set_fill (set, facts + 1, 1);
  assert_null (fact_last (set, "a.b"));
  assert_non_null (fact_last (set, "a.c"));
  fact_set_fill (set, NULL, 0);
  assert_null (fact_last (set, "a.c"));
  fact_set_free (set);
  fact_set_free (NULL);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup (the_latest_counts, begin),
    cmocka_unit_test_setup (patterns_and_alternatives, begin),
    cmocka_unit_test_setup (the_first_named_is_told, begin),
    cmocka_unit_test_setup (a_source_is_named, begin),
    cmocka_unit_test_setup (always_is_of_a_source, begin),
    cmocka_unit_test_setup (so_many_sources, begin),
    cmocka_unit_test_setup (a_judgement_is_short, begin),
    cmocka_unit_test (a_hosts_own_is_not_judged_again),
    cmocka_unit_test (a_bundle_keeps_when_it_was),
    cmocka_unit_test_setup (more_than_fits, begin),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
