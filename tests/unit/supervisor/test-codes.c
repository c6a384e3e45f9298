/* SPDX-License-Identifier: Apache-2.0
 *
 * Each code of an outcome: what it means for one who can't be asked, for a host
 * that stood still and for the way that was taken, which word its guest has in `status` once it has
 * failed, and what a diagnosis calls it that finds nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "diag/ladder/ladder.h"
#include "diag/ladder/rules.h"
#include "supervisor/control/word.h"
#include "supervisor/watch/meant.h"

#include <stdio.h>
#include <string.h>

bool
guest_paused_by_owner (const struct guest *g)
{
  return false;
}

static const struct
{
  const char *code;
  unsigned flags;
  enum way_said way;
  const char *word, *class_;
} codes[] = {
  { "ok", CODE_PLAIN, WAY_ANSWERS, "well", "unknown" },
  { "status", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "mismatch", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "forbidden", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "compare", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "not-a-number", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "silent", CODE_LATE, WAY_LOST, "hung", "unknown" },
  { "no-echo", CODE_LATE, WAY_LOST, "hung", "unknown" },
  { "no-answer", CODE_LATE, WAY_LOST, "hung", "unknown" },
  { "xoff", CODE_PLAIN, WAY_LOST, "hung", "unknown" },
  { "fail-step", CODE_PLAIN, WAY_ANSWERS, "hung", "application-dead" },
  { "endless", CODE_LATE, WAY_ANSWERS, "hung", "unknown" },
  { "refused", CODE_TOLD, WAY_LOST, "hung", "unknown" },
  { "reset", CODE_PLAIN, WAY_LOST, "hung", "unknown" },
  { "unreachable", CODE_PLAIN, WAY_LOST, "hung", "unknown" },
  { "timeout", CODE_LATE, WAY_LOST, "hung", "unknown" },
  { "http-status", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "tls-failed", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "tls-expires", CODE_TOLD | CODE_LIVES, WAY_ANSWERS, "impaired", "none" },
  { "rcode", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "loss", CODE_LATE, WAY_ANSWERS, "hung", "unknown" },
  { "slow", CODE_LATE | CODE_LIVES, WAY_ANSWERS, "impaired", "slow" },
  { "arp-foreign", CODE_TOLD | CODE_LIVES, WAY_LOST,
    "impaired", "network-lost" },
  { "disconnected", CODE_PLAIN, WAY_LOST, "hung", "unknown" },
  { "protocol", CODE_TOLD, WAY_LOST, "hung", "application-dead" },
  { "login-timeout", CODE_LATE, WAY_LOST, "hung", "unknown" },
  { "killed", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "host-key-changed", CODE_TOLD | CODE_LIVES, WAY_ANSWERS,
    "impaired", "probe-misconfigured" },
  { "agent-silent", CODE_LATE, WAY_LOST, "hung", "application-dead" },
  { "agent-error", CODE_TOLD, WAY_ANSWERS, "hung", "application-dead" },
  { "stale", CODE_PLAIN, WAY_ANSWERS, "hung", "application-dead" },
  { "console-lost", CODE_LOST, WAY_ANSWERS, "console-lost", "console-lost" },
  { "way-lost", CODE_LOST, WAY_ANSWERS, "way-lost", "network-lost" },
  { "beat-missing", CODE_LATE, WAY_LOST, "hung", "unknown" },
  { "console-flood", CODE_LIVES, WAY_UNSAID, "impaired", "none" },
  { "pattern-missing", CODE_PLAIN, WAY_UNSAID, "hung", "unknown" },
  { "pattern-seen", CODE_TOLD, WAY_UNSAID, "hung", "unknown" },
  { "boot-late", CODE_PLAIN, WAY_UNSAID, "hung", "boot-stuck" },
  { "boot-stopped", CODE_TOLD, WAY_UNSAID, "hung", "boot-stuck" },
  { "console-silent", CODE_PLAIN, WAY_UNSAID, "hung", "unknown" },
  { "beat-garbled", CODE_TOLD, WAY_LOST, "hung", "application-dead" },
  { "monitor-silent", CODE_LATE, WAY_LOST, "hung", "vmm-stuck" },
  { "run-state", CODE_TOLD, WAY_ANSWERS, "hung", "unknown" },
  { "disk-error", CODE_TOLD, WAY_ANSWERS, "hung", "storage-stalled" },
  { "tasks-stuck", CODE_PLAIN, WAY_UNSAID, "hung", "lock-deadlock" },
  { "fs-given-up", CODE_TOLD | CODE_LIVES, WAY_UNSAID,
    "impaired", "filesystem-error" },
  { "disk-stalled", CODE_PLAIN, WAY_ANSWERS, "hung", "storage-stalled" },
  { "vcpus-still", CODE_PLAIN, WAY_ANSWERS, "hung", "unknown" },
  { "vcpu-spins", CODE_PLAIN, WAY_ANSWERS, "hung", "hard-lockup" },
  { "vcpus-halted", CODE_PLAIN, WAY_ANSWERS, "hung", "kernel-panic" },
  { "balloon-old", CODE_PLAIN, WAY_ANSWERS, "hung", "unknown" },
  { "part-failed", CODE_PLAIN, WAY_UNSAID, "hung", "unknown" },
  { "too-few", CODE_PLAIN, WAY_UNSAID, "hung", "unknown" },
  { "stops-at", CODE_PLAIN, WAY_UNSAID, "hung", "unknown" },
  { "panicked", CODE_TOLD | CODE_SURE, WAY_UNSAID, "hung", "kernel-panic" },
  { "vcpus-dead", CODE_LATE | CODE_LOOK, WAY_UNSAID, "hung", "unknown" },
  { "ticks-dead", CODE_LATE | CODE_LOOK, WAY_UNSAID, "hung", "unknown" },
  { "scheduler-dead", CODE_LATE | CODE_LOOK, WAY_UNSAID, "hung", "unknown" },
  { "blocked", CODE_PLAIN, WAY_UNSAID, "hung", "unknown" },
  { "load", CODE_LIVES, WAY_UNSAID, "impaired", "slow" },
  { "vmm-stopped", CODE_TOLD, WAY_GUEST, "hung", "vmm-stuck" },
  { "vmm-dead", CODE_TOLD, WAY_GUEST, "hung", "vmm-dead" },
  { "login-prompt", CODE_CLOSED, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "password-prompt", CODE_CLOSED, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "auth-failed", CODE_CLOSED, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "bootloader", CODE_EXCUSED, WAY_GUEST, "unknown", "boot-stuck" },
  { "booting", CODE_EXCUSED | CODE_KEEPS, WAY_GUEST, "unknown", "boot-stuck" },
  { "console-flooded", CODE_EXCUSED, WAY_UNUSABLE, "unknown", "unknown" },
  { "console-busy", CODE_HELD, WAY_UNUSABLE, "unknown", "console-busy" },
  { "console-taken", CODE_KEEPS, WAY_UNUSABLE, "unknown", "console-busy" },
  { "console-absent", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "console-read-only", CODE_PLAIN, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "console-timeout", CODE_MUTE, WAY_UNUSABLE, "unknown", "unknown" },
  { "console-broken", CODE_MUTE, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "mailbox-absent", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "mailbox-report-only", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "mailbox-empty", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "mailbox-stuck", CODE_MUTE, WAY_UNUSABLE, "unknown", "unknown" },
  { "mailbox-unusable", CODE_MUTE, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "console-unread", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "agent-absent", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "agent-waiting", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "agent-busy", CODE_HELD, WAY_UNUSABLE, "unknown", "unknown" },
  { "agent-broken", CODE_MUTE, WAY_UNUSABLE, "unknown", "unknown" },
  { "agent-blocked", CODE_PLAIN, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "frozen", CODE_EXCUSED, WAY_GUEST, "unknown", "unknown" },
  { "not-yet", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "part-untold", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "monitor-absent", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "monitor-held", CODE_MUTE, WAY_UNUSABLE, "unknown", "unknown" },
  { "monitor-untold", CODE_PLAIN, WAY_ANSWERS, "unknown", "unknown" },
  { "no-beat-device", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "beat-unread", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "beat-restarted", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "no-heartbeat", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "beat-unknown", CODE_PLAIN, WAY_UNSAID, "unknown", "unknown" },
  { "no-address", CODE_PLAIN, WAY_UNUSABLE, "unknown", "probe-misconfigured" },
  { "absent", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "no-route", CODE_PLAIN, WAY_UNUSABLE, "unknown", "probe-misconfigured" },
  { "no-netns", CODE_PLAIN, WAY_UNUSABLE, "unknown", "unknown" },
  { "stopped", CODE_KEEPS, WAY_UNSAID, "unknown", "unknown" },
  { "host-key-unknown", CODE_PLAIN, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "output-flood", CODE_PLAIN, WAY_ANSWERS, "unknown", "unknown" },
  { "ssh-unusable", CODE_PLAIN, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "exec-unknown", CODE_PLAIN, WAY_ANSWERS, "unknown", "unknown" },
  { "exec-unusable", CODE_PLAIN, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "http-unusable", CODE_PLAIN, WAY_UNUSABLE,
    "unknown", "probe-misconfigured" },
  { "regex-limit", CODE_PLAIN, WAY_ANSWERS, "unknown", "probe-misconfigured" },
  { "held-off", CODE_KEEPS, WAY_UNSAID, "unknown", "unknown" },
  { "host-suspended", CODE_KEEPS, WAY_UNSAID, "unknown", "unknown" },
  { "host-frozen", CODE_KEEPS, WAY_UNSAID, "unknown", "unknown" },
  { "host-starved", CODE_EXCUSED | CODE_KEEPS, WAY_UNSAID,
    "unknown", "unknown" },
  { "paused", CODE_KEEPS, WAY_UNSAID, "unknown", "unknown" },
  { "replaced", CODE_KEEPS, WAY_UNSAID, "unknown", "unknown" },
  { "libvirt-silent", CODE_KEEPS, WAY_UNUSABLE, "unknown", "unknown" },
  { "lane-busy", CODE_MUTE | CODE_KEEPS, WAY_UNUSABLE,
    "unknown", "unknown" },
  { "stuck", CODE_MUTE | CODE_KEEPS, WAY_UNUSABLE, "unknown", "unknown" },
  { "no-capacity", CODE_KEEPS, WAY_UNUSABLE, "unknown", "unknown" },
  { "own-failure", CODE_MUTE | CODE_KEEPS, WAY_UNUSABLE, "unknown", "unknown" },
  { "internal", CODE_KEEPS, WAY_UNUSABLE, "unknown", "unknown" },
};

static const char *
word_by (const struct outcome_code *c)
{
  struct guest g = { .run = GUEST_RUNNING };
  struct outcome_report last = { .outcome = c->outcome };
  struct word_parts p = { .n = 0 };

  snprintf (last.code, sizeof last.code, "%s", c->code);
  word_part (&p,
             c->outcome == OUTCOME_OK       ? HEALTH_WELL
             : c->outcome == OUTCOME_FAILED ? HEALTH_FAILED
                                            : HEALTH_UNKNOWN,
             &last);
  return word_of (&g, NULL, &p);
}

static void
verdict_by (const struct verdict_rules *rules, const char *code,
            struct verdict *ret)
{
  const struct cause cause = { "check", code, "what it said" };
  struct fact_set *set;
  struct ladder ladder;

  assert_int_equal (fact_set_new (1, &set, NULL), 0);
  ladder_climb (rules, set, &ladder);
  ladder_verdict (rules, &ladder, set, &cause, ret);
  fact_set_free (set);
}

static void
each_is_what_it_is (void **state)
{
  struct verdict_rules *rules;
  unsigned n = 0, wrong = 0;

  assert_int_equal (verdict_rules_new (&rules, NULL), 0);
  for (const struct outcome_code *c = outcome_codes; c->code; c++, n++)
    {
      struct verdict v;
      unsigned i = 0;

      while (i < ARRAY_LEN (codes) && strcmp (codes[i].code, c->code) != 0)
        i++;
      if (i == ARRAY_LEN (codes))
        fail_msg ("\"%s\" is not in this table", c->code);
      verdict_by (rules, c->code, &v);
      if (codes[i].flags == c->flags && codes[i].way == c->way
          && strcmp (codes[i].word, word_by (c)) == 0
          && strcmp (codes[i].class_, v.class_) == 0)
        continue;
      printf ("%s: flags %#x, way %d, \"%s\", \"%s\"\n", c->code, c->flags,
              (int) c->way, word_by (c), v.class_);
      wrong++;
    }
  assert_int_equal (n, ARRAY_LEN (codes));
  assert_int_equal (wrong, 0);
  verdict_rules_unref (rules);
}

/* A rule for a code that no outcome has would never hold. */
static void
is_a_code (const char *rule, const char *code, void *arg)
{
  unsigned *n = arg;

  ++*n;
  if (strcmp (code, CODE_ORDERED) == 0 || strcmp (code, CODE_VMM_EVENT) == 0
      || strcmp (code, CODE_KERNEL_EVENT) == 0)
    return;
  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    if (strcmp (code, c->code) == 0)
      return;
  fail_msg ("rule %s asks for \"%s\", which no outcome is", rule, code);
}

static void
rules_ask_for_codes_that_there_are (void **state)
{
  struct verdict_rules *rules;
  unsigned n = 0;

  assert_int_equal (verdict_rules_new (&rules, NULL), 0);
  verdict_rules_each_code (rules, is_a_code, &n);
  assert_true (n > 100);
  verdict_rules_unref (rules);
}

/* Whoever reads them knows each. */
static void
words_that_are_known (void **state)
{
  static const char *const known[] = {
#define HEALTH_WORD(id, word, code) word,
#include "supervisor/conf/health_words.def"
  };

  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    {
      unsigned i = 0;

      while (i < ARRAY_LEN (known) && strcmp (known[i], word_by (c)) != 0)
        i++;
      assert_true (i < ARRAY_LEN (known));
    }
}

/* Of a check that failed only: else nobody was asked, or all is well. */
static void
flags_of_their_outcomes (void **state)
{
  const unsigned failed = CODE_LATE | CODE_TOLD | CODE_LIVES | CODE_LOST;
  const unsigned unasked
      = CODE_MUTE | CODE_HELD | CODE_EXCUSED | CODE_CLOSED;

  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    {
      if (c->flags & failed)
        assert_int_equal (c->outcome, OUTCOME_FAILED);
      if (c->flags & (unasked | CODE_KEEPS))
        assert_int_equal (c->outcome, OUTCOME_NO_VERDICT);
      /* One of those that are of one kind. */
      assert_false ((c->flags & CODE_LATE) && (c->flags & CODE_TOLD));
      assert_int_equal (c->flags & unasked & ((c->flags & unasked) - 1), 0);
    }
}

/* Who was well was asked, and who can't be asked did not fail. */
static void
ways_of_their_outcomes (void **state)
{
  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    {
      if (c->outcome == OUTCOME_OK)
        assert_int_equal (c->way, WAY_ANSWERS);
      if (c->way == WAY_LOST)
        assert_int_equal (c->outcome, OUTCOME_FAILED);
      if (c->way == WAY_UNUSABLE)
        assert_int_equal (c->outcome, OUTCOME_NO_VERDICT);
    }
  assert_int_equal (outcome_code_way ("no such code"), WAY_UNSAID);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_is_what_it_is),
    cmocka_unit_test (words_that_are_known),
    cmocka_unit_test (rules_ask_for_codes_that_there_are),
    cmocka_unit_test (flags_of_their_outcomes),
    cmocka_unit_test (ways_of_their_outcomes),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
