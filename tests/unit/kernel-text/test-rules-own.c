/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of operators: taken with their samples or not at all, in the place of
 * ours, exchanged while somebody reads by them, named when they are too slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/kernel-text/reader-bed.h"
#include "tests/unit/kernel-text/rule-bed.h"

#define WOMBAT(samples)                                                        \
  RULES_HEAD "\n{\"name\": \"wombat\", \"kind\": \"warning\", \"severity\": "  \
             "\"error\",\n\"any\": [\"wombat\"], \"match\": \"^wombat "        \
             "(?<subject>\\\\d+)$\",\n\"title\": \"wombat {subject}\"" samples \
             "}" RULES_TAIL

#define WATCHDOG                                                               \
  "[   71.000000] NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 0 timed " \
  "out\n"

struct counted
{
  unsigned all, own, replaced, given_up;
  char slowest[64];
};

static void
count (const struct text_rule *rule, void *arg)
{
  struct counted *c = arg;
  struct text_rule_info i;

  text_rule_info (rule, &i);
  c->all++;
  c->own += !i.builtin;
  c->replaced += i.replaces;
  if (i.given_up > c->given_up)
    {
      c->given_up = i.given_up;
      snprintf (c->slowest, sizeof c->slowest, "%s", i.name);
    }
}

static struct counted
counts (const struct text_rules *r)
{
  struct counted c = { 0 };

  text_rules_each (r, count, &c);
  return c;
}

static struct text_rules *
ours (void)
{
  struct text_rules *r = NULL;

  assert_int_equal (text_rules_new (&r, NULL), 0);
  return r;
}

static void
take (struct text_rules *r, const char *json, const char *origin)
{
  struct error err = ERROR_INIT;

  if (text_rules_take (r, json, strlen (json), origin, &err) < 0)
    fail_msg ("%s", error_text (&err));
}

/* The message begins so, and nothing has changed. */
static void
not_taken (struct text_rules *r, const char *json, const char *why)
{
  struct counted was = counts (r), now;
  struct error err = ERROR_INIT;

  assert_int_equal (text_rules_take (r, json, strlen (json), "own.json", &err),
                    -EINVAL);
  if (strncmp (error_text (&err), why, strlen (why)) != 0)
    fail_msg ("%s\n   instead of: %s", error_text (&err), why);
  assert_null (strchr (error_text (&err), '\n'));
  now = counts (r);
  assert_int_equal (now.all, was.all);
  assert_int_equal (now.own, was.own);
}

static void
samples_are_tried (void **state)
{
  struct text_rules *r = ours ();

  (void) state;
  not_taken (r,
             WOMBAT (",\n\"samples\": {\"match\": [\"[ 1.000000] wombat 1\","
                     "\n\"[ 1.000000] wombat x\"]}"),
             "own.json:6:1: rules[0].samples.match[1]: rule \"wombat\": it "
             "should match and does not: ");
  not_taken (r,
             WOMBAT (",\n\"samples\": {\"match\": [\"[ 1.000000] wombat 1\"],"
                     "\n\"not\": [\"[ 1.000000] wombat 2\"]}"),
             "own.json:6:9: rules[0].samples.not[0]: rule \"wombat\": it "
             "matches and should not: ");
  not_taken (r, RULES_HEAD "{\"name\": 3}" RULES_TAIL, "own.json:1:");
  take (r, WOMBAT (",\n\"samples\": {\"match\": [\"[ 1.000000] wombat 1\"]}"),
        "own.json");
  assert_int_equal (counts (r).own, 1);
  /* Two of operators have not the same name; ours may have it. */
  not_taken (r, WOMBAT (""),
             "own.json:2:2: rules[0].name: own.json has a "
             "rule of the name \"wombat\" already");
  assert_int_equal (counts (r).replaced, 0);
  text_rules_free (r);
}

#define MINE                                                                   \
  RULES_HEAD "{\"name\": \"netdev-watchdog\", \"kind\": \"warning\", "         \
             "\"severity\": \"info\", \"any\": [\"NETDEV WATCHDOG\"], "        \
             "\"match\": \"^NETDEV WATCHDOG: eth9\", \"title\": \"of "         \
             "mine\"}" RULES_TAIL

/* Not only in front of it: what it does not match is not asked of ours. */
static void
in_the_place_of_ours (void **state)
{
  struct bed *b = *state;
  unsigned n = counts (b->rules).all;

  bed_read (b, WATCHDOG);
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].rule, "netdev-watchdog");
  take (b->rules, MINE, "own.json");
  assert_int_equal (counts (b->rules).all, n);
  assert_int_equal (counts (b->rules).replaced, 1);
  bed_read (b, WATCHDOG);
  assert_int_equal (b->nevents, 0);
  bed_read (b, "[   71.000000] NETDEV WATCHDOG: eth9: x\n");
  assert_int_equal (b->nevents, 1);
  assert_string_equal (b->events[0].title, "of mine");
  /* Their samples hold as they did. */
  assert_int_equal (text_rules_check (b->rules, NULL), 0);
}

static void
exchanged_while_it_reads (void **state)
{
  struct bed *b = *state;
  struct text_rules *more = ours ();
  struct text_event panic;
  const struct stage *stage;

  take (more, WOMBAT (""), "own.json");
  bed_open (b);
  bed_feed (b,
            "[    0.000000] Linux version 6.1.0-zoo (a@b) #1 SMP\n"
            "[   70.000000] wombat 1\n"
            "[   71.000000] INFO: task sync:812 blocked for more than 120 "
            "seconds.\n"
            "[   72.000000] wom",
            1);
  assert_int_equal (b->nsuspects, 1);
  assert_int_equal (b->nevents, 0); /* its report goes on */
  text_reader_rules (b->reader, b->rules);
  assert_int_equal (b->nevents, 0); /* they are the same */
  text_reader_rules (b->reader, more);
  assert_int_equal (b->nevents, 1);
  panic = b->events[0];
  assert_string_equal (panic.kind, "hung_task");
  assert_true (panic.corrupted);
  /* The reader alone has the new ones, nobody the old ones: what is kept of an
   * event does not point into them. */
  text_rules_free (more);
  text_rules_free (b->rules);
  b->rules = ours ();
  bed_feed (b, "bat 2\n", 2);
  assert_int_equal (b->nsuspects, 2);
  assert_string_equal (b->suspects[1], "wombat 2");
  assert_string_equal (panic.kind, "hung_task");
  stage = text_reader_stage (b->reader);
  assert_string_equal (stage->release, "6.1.0-zoo");
  assert_int_equal (stage->boots, 1);
  bed_close (b);
}

static void
the_slow_one_is_named (void **state)
{
  struct bed *b = *state;
  struct text_reader_stats s;
  char line[96];

  take (b->rules,
        RULES_HEAD
        "{\"name\": \"astray\", \"kind\": \"warning\", "
        "\"severity\": \"info\", \"any\": [\"wombat\"], "
        "\"match\": \"^wombat (?:(?:a+)+)+$\", \"title\": \"t\"}" RULES_TAIL,
        "own.json");
  bed_open (b);
  for (unsigned i = 0; i < 12; i++)
    {
      snprintf (line, sizeof line, "[   %u.000000] wombat %s!\n", 60 + i,
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
      bed_feed (b, line, 1);
    }
  bed_feed (b, WATCHDOG, 1);
  text_reader_stats (b->reader, &s);
  assert_int_equal (s.limits_hit, 12);
  assert_int_equal (counts (b->rules).given_up, 12);
  assert_string_equal (counts (b->rules).slowest, "astray");
  assert_int_equal (b->nsuspects, 1); /* the others work as before */
  bed_close (b);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (samples_are_tried),
    cmocka_unit_test_setup_teardown (in_the_place_of_ours, bed_setup,
                                     bed_teardown),
    cmocka_unit_test_setup_teardown (exchanged_while_it_reads, bed_setup,
                                     bed_teardown),
    cmocka_unit_test_setup_teardown (the_slow_one_is_named, bed_setup,
                                     bed_teardown),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
