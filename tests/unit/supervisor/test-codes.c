/* SPDX-License-Identifier: Apache-2.0
 *
 * Each code of an outcome: what it means for one who can't be asked and for a
 * host that stood still, which word its guest has in `status` once it has
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
  enum code_flag flag;
  const char *word, *class_;
} codes[] = {
  { "ok", CODE_PLAIN, "well", "unknown" },
  { "status", CODE_TOLD, "hung", "application-dead" },
  { "mismatch", CODE_TOLD, "hung", "application-dead" },
  { "forbidden", CODE_TOLD, "hung", "application-dead" },
  { "compare", CODE_TOLD, "hung", "application-dead" },
  { "not-a-number", CODE_TOLD, "hung", "application-dead" },
  { "silent", CODE_LATE, "hung", "unknown" },
  { "no-echo", CODE_LATE, "hung", "unknown" },
  { "no-answer", CODE_LATE, "hung", "unknown" },
  { "xoff", CODE_PLAIN, "hung", "unknown" },
  { "fail-step", CODE_PLAIN, "hung", "application-dead" },
  { "endless", CODE_LATE, "hung", "unknown" },
  { "refused", CODE_TOLD, "hung", "unknown" },
  { "reset", CODE_PLAIN, "hung", "unknown" },
  { "unreachable", CODE_PLAIN, "hung", "unknown" },
  { "timeout", CODE_LATE, "hung", "unknown" },
  { "http-status", CODE_TOLD, "hung", "application-dead" },
  { "tls-failed", CODE_TOLD, "hung", "application-dead" },
  { "tls-expires", CODE_TOLD, "impaired", "none" },
  { "rcode", CODE_TOLD, "hung", "application-dead" },
  { "loss", CODE_LATE, "hung", "unknown" },
  { "slow", CODE_LATE, "impaired", "slow" },
  { "arp-foreign", CODE_TOLD, "impaired", "network-lost" },
  { "disconnected", CODE_PLAIN, "hung", "unknown" },
  { "protocol", CODE_TOLD, "hung", "application-dead" },
  { "login-timeout", CODE_LATE, "hung", "unknown" },
  { "killed", CODE_TOLD, "hung", "application-dead" },
  { "host-key-changed", CODE_TOLD, "impaired", "probe-misconfigured" },
  { "agent-silent", CODE_LATE, "hung", "application-dead" },
  { "agent-error", CODE_TOLD, "hung", "application-dead" },
  { "stale", CODE_PLAIN, "hung", "application-dead" },
  { "console-lost", CODE_PLAIN, "console-lost", "console-lost" },
  { "way-lost", CODE_PLAIN, "way-lost", "network-lost" },
  { "beat-missing", CODE_LATE, "hung", "unknown" },
  { "console-flood", CODE_PLAIN, "impaired", "none" },
  { "pattern-missing", CODE_PLAIN, "hung", "unknown" },
  { "pattern-seen", CODE_TOLD, "hung", "unknown" },
  { "boot-late", CODE_PLAIN, "hung", "boot-stuck" },
  { "boot-stopped", CODE_TOLD, "hung", "boot-stuck" },
  { "console-silent", CODE_PLAIN, "hung", "unknown" },
  { "beat-garbled", CODE_TOLD, "hung", "application-dead" },
  { "monitor-silent", CODE_LATE, "hung", "vmm-stuck" },
  { "run-state", CODE_TOLD, "hung", "unknown" },
  { "disk-error", CODE_TOLD, "hung", "storage-stalled" },
  { "disk-stalled", CODE_PLAIN, "hung", "storage-stalled" },
  { "vcpus-still", CODE_PLAIN, "hung", "unknown" },
  { "balloon-old", CODE_PLAIN, "hung", "unknown" },
  { "part-failed", CODE_PLAIN, "hung", "unknown" },
  { "too-few", CODE_PLAIN, "hung", "unknown" },
  { "stops-at", CODE_PLAIN, "hung", "unknown" },
  { "vcpus-dead", CODE_PLAIN, "hung", "unknown" },
  { "ticks-dead", CODE_PLAIN, "hung", "unknown" },
  { "scheduler-dead", CODE_PLAIN, "hung", "unknown" },
  { "blocked", CODE_PLAIN, "hung", "unknown" },
  { "load", CODE_PLAIN, "impaired", "slow" },
  { "vmm-stopped", CODE_TOLD, "hung", "vmm-stuck" },
  { "vmm-dead", CODE_TOLD, "hung", "vmm-dead" },
  { "login-prompt", CODE_CLOSED, "unknown", "probe-misconfigured" },
  { "password-prompt", CODE_CLOSED, "unknown", "probe-misconfigured" },
  { "auth-failed", CODE_CLOSED, "unknown", "probe-misconfigured" },
  { "bootloader", CODE_EXCUSED, "unknown", "boot-stuck" },
  { "booting", CODE_EXCUSED, "unknown", "boot-stuck" },
  { "console-flooded", CODE_EXCUSED, "unknown", "unknown" },
  { "console-busy", CODE_HELD, "unknown", "console-busy" },
  { "console-taken", CODE_PLAIN, "unknown", "console-busy" },
  { "console-absent", CODE_PLAIN, "unknown", "unknown" },
  { "console-read-only", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "console-timeout", CODE_MUTE, "unknown", "unknown" },
  { "console-broken", CODE_MUTE, "unknown", "probe-misconfigured" },
  { "mailbox-absent", CODE_PLAIN, "unknown", "unknown" },
  { "mailbox-report-only", CODE_PLAIN, "unknown", "unknown" },
  { "mailbox-empty", CODE_PLAIN, "unknown", "unknown" },
  { "mailbox-stuck", CODE_MUTE, "unknown", "unknown" },
  { "mailbox-unusable", CODE_MUTE, "unknown", "probe-misconfigured" },
  { "console-unread", CODE_PLAIN, "unknown", "unknown" },
  { "agent-absent", CODE_PLAIN, "unknown", "unknown" },
  { "agent-waiting", CODE_PLAIN, "unknown", "unknown" },
  { "agent-busy", CODE_HELD, "unknown", "unknown" },
  { "agent-broken", CODE_MUTE, "unknown", "unknown" },
  { "agent-blocked", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "frozen", CODE_EXCUSED, "unknown", "unknown" },
  { "not-yet", CODE_PLAIN, "unknown", "unknown" },
  { "part-untold", CODE_PLAIN, "unknown", "unknown" },
  { "monitor-absent", CODE_PLAIN, "unknown", "unknown" },
  { "monitor-held", CODE_MUTE, "unknown", "unknown" },
  { "monitor-untold", CODE_PLAIN, "unknown", "unknown" },
  { "no-beat-device", CODE_PLAIN, "unknown", "unknown" },
  { "beat-unread", CODE_PLAIN, "unknown", "unknown" },
  { "beat-restarted", CODE_PLAIN, "unknown", "unknown" },
  { "no-heartbeat", CODE_PLAIN, "unknown", "unknown" },
  { "beat-unknown", CODE_PLAIN, "unknown", "unknown" },
  { "no-address", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "absent", CODE_PLAIN, "unknown", "unknown" },
  { "no-route", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "no-netns", CODE_PLAIN, "unknown", "unknown" },
  { "stopped", CODE_PLAIN, "unknown", "unknown" },
  { "host-key-unknown", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "output-flood", CODE_PLAIN, "unknown", "unknown" },
  { "ssh-unusable", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "exec-unknown", CODE_PLAIN, "unknown", "unknown" },
  { "exec-unusable", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "http-unusable", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "regex-limit", CODE_PLAIN, "unknown", "probe-misconfigured" },
  { "held-off", CODE_PLAIN, "unknown", "unknown" },
  { "host-suspended", CODE_PLAIN, "unknown", "unknown" },
  { "host-frozen", CODE_PLAIN, "unknown", "unknown" },
  { "host-starved", CODE_EXCUSED, "unknown", "unknown" },
  { "paused", CODE_PLAIN, "unknown", "unknown" },
  { "replaced", CODE_PLAIN, "unknown", "unknown" },
  { "libvirt-silent", CODE_PLAIN, "unknown", "unknown" },
  { "lane-busy", CODE_MUTE, "unknown", "unknown" },
  { "stuck", CODE_MUTE, "unknown", "unknown" },
  { "no-capacity", CODE_PLAIN, "unknown", "unknown" },
  { "own-failure", CODE_MUTE, "unknown", "unknown" },
  { "internal", CODE_PLAIN, "unknown", "unknown" },
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
      if (codes[i].flag == c->flag && strcmp (codes[i].word, word_by (c)) == 0
          && strcmp (codes[i].class_, v.class_) == 0)
        continue;
      printf ("%s: flag %d, \"%s\", \"%s\"\n", c->code, c->flag,
              word_by (c), v.class_);
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

/* Of a check that failed only: else nobody was asked, or all is well. */
static void
flags_of_their_outcomes (void **state)
{
  for (const struct outcome_code *c = outcome_codes; c->code; c++)
    {
      bool failed = c->flag == CODE_LATE || c->flag == CODE_TOLD;

      if (c->flag != CODE_PLAIN)
        assert_int_equal (failed ? OUTCOME_FAILED : OUTCOME_NO_VERDICT,
                          c->outcome);
    }
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (each_is_what_it_is),
    cmocka_unit_test (rules_ask_for_codes_that_there_are),
    cmocka_unit_test (flags_of_their_outcomes),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
