/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules asked: those that are shipped with their samples, and made up ones for
 * order, places, groups, titles and limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "kernel/text/rules_priv.h"
#include "tests/unit/kernel-text/rule-bed.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- those that are shipped ---- */

static void
print_failed (const struct text_rule *rule, const char *sample,
              const char *why, void *arg)
{
  fprintf (stderr, "%s: %s: %s%s%s\n", rule->origin, rule->name, why,
           *sample ? ": " : "", sample);
}

static void
test_shipped (void **state)
{
  struct text_rules *r = NULL;
  struct error err = ERROR_INIT;

  if (text_rules_new (&r, &err) < 0)
    fail_msg ("%s", error_text (&err));
  assert_int_equal (text_rules_try (r, true, print_failed, NULL), 0);
  assert_int_equal (text_rules_check (r, &err), 0);
  text_rules_free (r);
}

struct stretching
{
  const struct text_rules *rules;
  unsigned failed;
};

/* Lines as long as they may be that begin as a rule wants it, full of what
 * makes expressions go back and forth: none is given up. */
static void
stretch (const struct text_rule *rule, void *arg)
{
  static const char *const fillers[] = { "a", " ", "1", "a ", "1 ", "a:", "/",
                                         "[", "a.1", "(a", "-", "0x1 " };
  static char text[TEXT_LINE_MAX];
  struct stretching *st = arg;
  struct regex_scratch *s = rules_take (st->rules);

  assert_non_null (s);
  for (size_t f = 0; f < ARRAY_LEN (fillers); f++)
    for (unsigned place = 0; place < 2 * rule->n_any; place++)
      {
        const char *literal = rule->any[place / 2];
        size_t n = strlen (fillers[f]), len = strlen (literal);
        struct text_msg msg = message ("", FROM_KERNEL);
        struct rule_match m;

        for (size_t i = 0; i < sizeof text; i++)
          text[i] = fillers[f][i % n];
        memcpy (place % 2 ? text + sizeof text - len : text, literal, len);
        msg.text = text;
        msg.len = sizeof text;
        if (rule_try (rule, s, &msg, &m) >= 0)
          continue;
        fprintf (stderr, "%s: %s: too many steps on \"%s\" %s \"%s\" again "
                 "and again\n", rule->origin, rule->name, literal,
                 place % 2 ? "behind" : "before", fillers[f]);
        st->failed++;
        f = ARRAY_LEN (fillers) - 1;
        break;
      }
  rules_give (st->rules, s);
}

static void
test_shipped_hostile (void **state)
{
  struct stretching st = { NULL, 0 };
  struct text_rules *r = NULL;

  assert_int_equal (text_rules_new (&r, NULL), 0);
  st.rules = r;
  text_rules_each (r, stretch, &st);
  assert_int_equal (st.failed, 0);
  text_rules_free (r);
}

/* ---- which one ---- */

#define RULE(name, kind, rest)                                                \
  "{ \"name\": \"" name "\", \"kind\": \"" kind "\", \"severity\": "          \
  "\"error\", \"title\": \"" name "\", " rest " }"
#define HARMLESS(name, rest)                                                  \
  "{ \"name\": \"" name "\", \"kind\": \"harmless\", " rest " }"

static const char *
which (const struct text_rules *r, const char *text, enum text_from from,
       enum text_stage stage)
{
  struct stage s = stage_of (stage);
  struct text_msg msg = message (text, from);
  struct rule_match m;

  return text_rules_scan (r, &msg, &s, &m) == 1 ? m.rule->name : "";
}

static void
test_order (void **state)
{
  struct text_rules *r = rules_with (
      RULE ("one", "warning", "\"any\": [\"wombat\"], \"match\": \"wombat\"")
      "," RULE ("two", "warning", "\"any\": [\"wombats\", \"koala\"], "
                                  "\"match\": \"s|koala\"")
      "," HARMLESS ("calm", "\"any\": [\"sleepy\"], "
                            "\"match\": \"sleepy (wombat|koala)\""));
  struct error err = ERROR_INIT;
  const char *later
      = RULES_HEAD RULE ("three", "warning", "\"any\": [\"koala\"], "
                         "\"match\": \"koala\", \"not\": [\"fed\", \"^no\"]")
        RULES_TAIL;

  assert_string_equal (which (r, "wombats", FROM_KERNEL, STAGE_KERNEL),
                       "one");
  assert_string_equal (which (r, "koala", FROM_KERNEL, STAGE_KERNEL), "two");
  assert_string_equal (which (r, "Wombat", FROM_KERNEL, STAGE_KERNEL), "");
  assert_string_equal (which (r, "a sleepy wombat", FROM_KERNEL,
                              STAGE_KERNEL), "calm");
  assert_string_equal (which (r, "a sleepy quokka", FROM_KERNEL,
                              STAGE_KERNEL), "");
  /* What comes later is in front, also of the harmless ones of before. */
  assert_int_equal (text_rules_add (r, later, strlen (later), "l.json", &err),
                    0);
  assert_string_equal (which (r, "a sleepy koala", FROM_KERNEL,
                              STAGE_KERNEL), "three");
  assert_string_equal (which (r, "a fed koala", FROM_KERNEL, STAGE_KERNEL),
                       "two");
  assert_string_equal (which (r, "no koala", FROM_KERNEL, STAGE_KERNEL),
                       "two");
  text_rules_free (r);
}

static void
test_where (void **state)
{
  struct text_rules *r = rules_with (
      RULE ("k", "warning", "\"any\": [\"numbat-k\"], \"match\": \"numbat\"")
      "," RULE ("u", "warning", "\"any\": [\"numbat-u\"], \"match\": "
                                "\"numbat\", \"where\": \"user\"")
      "," RULE ("b", "warning", "\"any\": [\"numbat-b\"], \"match\": "
                                "\"numbat\", \"where\": \"boot\"")
      "," RULE ("a", "warning", "\"any\": [\"numbat-a\"], \"match\": "
                                "\"numbat\", \"where\": \"any\"")
      "," HARMLESS ("h", "\"any\": [\"numbat-h\"], \"match\": \"numbat\""));

  assert_string_equal (which (r, "numbat-k", FROM_KERNEL, STAGE_USERSPACE),
                       "k");
  assert_string_equal (which (r, "numbat-k", FROM_UNKNOWN, STAGE_KERNEL),
                       "k");
  assert_string_equal (which (r, "numbat-k", FROM_USER, STAGE_USERSPACE),
                       "");
  assert_string_equal (which (r, "numbat-k", FROM_UNKNOWN,
                              STAGE_BOOTLOADER), "");
  assert_string_equal (which (r, "numbat-u", FROM_USER, STAGE_USERSPACE),
                       "u");
  assert_string_equal (which (r, "numbat-u", FROM_UNKNOWN, STAGE_LOGIN), "u");
  assert_string_equal (which (r, "numbat-u", FROM_KERNEL, STAGE_USERSPACE),
                       "");
  assert_string_equal (which (r, "numbat-b", FROM_UNKNOWN, STAGE_FIRMWARE),
                       "b");
  assert_string_equal (which (r, "numbat-b", FROM_KERNEL, STAGE_INITRAMFS),
                       "b");
  assert_string_equal (which (r, "numbat-b", FROM_UNKNOWN, STAGE_USERSPACE),
                       "");
  assert_string_equal (which (r, "numbat-b", FROM_UNKNOWN, STAGE_SHUTDOWN),
                       "");
  assert_string_equal (which (r, "numbat-a", FROM_USER, STAGE_SHELL), "a");
  assert_string_equal (which (r, "numbat-h", FROM_USER, STAGE_SHELL), "h");
  text_rules_free (r);
}

/* ---- groups, events, titles ---- */

static const char *
get_func (const char *name, size_t len, void *arg)
{
  return len == 4 && memcmp (name, "func", 4) == 0 ? arg : NULL;
}

/* Whether what that programme says counts. */
static bool
heard (const struct text_rules *r, const char *ident, uint32_t pid)
{
  struct stage s = stage_of (STAGE_USERSPACE);
  struct text_msg msg = message ("numbat", ident ? FROM_USER : FROM_UNKNOWN);
  struct rule_match m;

  msg.ident = ident;
  msg.ident_len = ident ? strlen (ident) : 0;
  msg.pid = pid;
  return text_rules_scan (r, &msg, &s, &m) == 1;
}

static void
test_by (void **state)
{
  char far[300];
  struct text_rules *r = rules_with (
      RULE ("k", "warning", "\"any\": [\"numbat\"], \"match\": \"numbat\", "
            "\"where\": \"any\", \"by\": [\"keeper\", \"init[1]\"]"));

  assert_true (heard (r, NULL, 0));
  assert_true (heard (r, "keeper", 0));
  assert_true (heard (r, "keeper", 77));
  assert_true (heard (r, "init", 1));
  assert_true (heard (r, "init", 0));
  assert_false (heard (r, "init", 11));
  assert_false (heard (r, "init", 812));
  assert_false (heard (r, "keepe", 1));
  assert_false (heard (r, "keepers", 1));
  assert_false (heard (r, "pumpd", 1));
  memset (far, 'k', sizeof far - 1);
  far[sizeof far - 1] = '\0';
  assert_false (heard (r, far, 1));
  text_rules_free (r);
}

static void
test_groups (void **state)
{
  struct text_rules *r = rules_with (
      "{ \"name\": \"g\", \"kind\": \"hung_task\", \"severity\": \"fatal\", "
      "\"type\": \"HANG\", \"class\": \"lock-deadlock\", "
      "\"any\": [\"sits\"], \"match\": \"(?<comm>.{1,16}):(?<pid>\\\\d+) sits "
      "on (?<subject>\\\\w+)(?: of (?<other>\\\\w+))? for "
      "(?<seconds>[\\\\d.]+)s on (?<cpu>\\\\d+)(?<rest>.*)\", "
      "\"title\": \"{comm}{rest} sits in {func}, {{{subject}}\", "
      "\"bare\": \"{comm} sits\", \"alt\": [\"sitting {comm}\"] }");
  struct stage s = stage_of (STAGE_KERNEL);
  struct text_msg msg = message ("kworker/u8:3   :42 sits on eggs for 12.5s "
                                 "on 3!", FROM_KERNEL);
  struct text_event e = { .other = "as it was", .pid = -1 };
  struct rule_match m;
  struct rule_span v;
  char title[TEXT_TITLE_MAX], little[8], nest[] = "nest";

  assert_int_equal (text_rules_scan (r, &msg, &s, &m), 1);
  v = rule_named (&m, "subject", 7);
  assert_int_equal (v.len, 4);
  assert_memory_equal (v.text, "eggs", 4);
  assert_null (rule_named (&m, "nobody", 6).text);
  assert_null (rule_named (&m, "subjectsubjectsubjectsubjectsubjectsubject",
                           42).text);
  assert_null (rule_member (&m, MEMBER_OTHER).text);
  assert_null (rule_member (&m, MEMBER_RIP).text);
  rule_fill (&m, &e);
  assert_string_equal (e.kind, "hung_task");
  assert_string_equal (e.rule, "g");
  assert_string_equal (e.type, "HANG");
  assert_string_equal (e.class_, "lock-deadlock");
  assert_int_equal (e.severity, SEVERITY_FATAL);
  assert_string_equal (e.comm, "kworker/u8:3");
  assert_int_equal (e.pid, 42);
  assert_int_equal (e.cpu, 3);
  assert_true (fabs (e.seconds - 12.5) < 1e-9);
  assert_string_equal (e.subject, "eggs");
  assert_string_equal (e.other, "as it was");
  assert_true (rule_expand (m.rule->title, &m, get_func, nest, title,
                            sizeof title));
  assert_string_equal (title, "kworker/u8:3   ! sits in nest, {eggs}");
  assert_false (rule_expand (m.rule->title, &m, NULL, NULL, title,
                             sizeof title));
  assert_string_equal (title, "kworker/u8:3   ! sits in , {eggs}");
  assert_false (rule_expand (m.rule->alt[0], NULL, NULL, NULL, title,
                             sizeof title));
  assert_string_equal (title, "sitting ");
  assert_true (rule_expand (m.rule->bare, &m, NULL, NULL, little,
                            sizeof little));
  assert_string_equal (little, "kworker");
  text_rules_free (r);
}

static void
test_numbers (void **state)
{
  static const struct
  {
    const char *text;
    int pid;
    double seconds;
  } cases[] = {
    { "quoll 7 1", 7, 1 },
    { "quoll 2147483647 0.5", 2147483647, 0.5 },
    { "quoll 2147483648 1.2.3", -1, -1 },
    { "quoll 99999999999999999999 99", -1, 99 },
    { "quoll -5 -1", -1, -1 },
    { "quoll 0x10 0x10", -1, -1 },
    { "quoll 1 inf", 1, -1 },
  };
  struct text_rules *r = rules_with (
      RULE ("n", "warning", "\"any\": [\"quoll\"], \"match\": \"quoll "
                            "(?<pid>\\\\S+) (?<seconds>\\\\S+)\""));
  struct stage s = stage_of (STAGE_KERNEL);

  for (size_t i = 0; i < ARRAY_LEN (cases); i++)
    {
      struct text_event e = { .pid = -1, .seconds = -1 };
      struct text_msg msg = message (cases[i].text, FROM_KERNEL);
      struct rule_match m;

      assert_int_equal (text_rules_scan (r, &msg, &s, &m), 1);
      rule_fill (&m, &e);
      assert_int_equal (e.pid, cases[i].pid);
      assert_true (fabs (e.seconds - cases[i].seconds) < 1e-9);
    }
  text_rules_free (r);
}

/* ---- limits ---- */

#define BOMB(name)                                                            \
  RULE (name, "warning", "\"any\": [\"aaa\"], \"match\": \"^(a+)+$\"")

static void
test_limits (void **state)
{
  static const char bomb[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
  struct text_rules *r = rules_with (
      BOMB ("b1") "," BOMB ("b2") "," BOMB ("b3") ","
      RULE ("good", "warning", "\"any\": [\"aab\"], \"match\": \"ab$\""));
  struct stage s = stage_of (STAGE_KERNEL);
  struct text_msg msg = message (bomb, FROM_KERNEL);
  struct rule_match m;
  struct error err = ERROR_INIT;
  const char *more
      = RULES_HEAD BOMB ("b4") "," BOMB ("b5") RULES_TAIL;

  /* Those that take too long do not match, and are counted. */
  assert_int_equal (text_rules_scan (r, &msg, &s, &m), 1);
  assert_string_equal (m.rule->name, "good");
  assert_int_equal (m.limits_hit, 3);
  /* A line on which that happens too often is not asked on. */
  assert_int_equal (text_rules_add (r, more, strlen (more), "m.json", &err),
                    0);
  assert_int_equal (text_rules_scan (r, &msg, &s, &m), 0);
  assert_int_equal (m.limits_hit, 4);
  text_rules_free (r);

  /* What would forbid a rule and cannot be told forbids it. */
  r = rules_with (RULE ("n", "warning", "\"any\": [\"aab\"], \"match\": "
                        "\"b$\", \"not\": [\"^(a+)+$\"]"));
  assert_int_equal (text_rules_scan (r, &msg, &s, &m), 0);
  assert_int_equal (m.limits_hit, 1);
  text_rules_free (r);
}

static void
test_far_behind (void **state)
{
  struct text_rules *r = rules_with (
      RULE ("far", "warning", "\"any\": [\"numbat\"], \"match\": "
                              "\"numbat\""));
  struct stage s = stage_of (STAGE_KERNEL);
  static char text[3 * TEXT_LINE_MAX];
  struct text_msg msg = message ("", FROM_KERNEL);
  struct rule_match m;

  memset (text, '.', sizeof text);
  memcpy (text + 1000, "numbat", 6);
  msg.text = text;
  msg.len = sizeof text;
  assert_int_equal (text_rules_scan (r, &msg, &s, &m), 1);
  memset (text, '.', sizeof text);
  memcpy (text + 1100, "numbat", 6);
  assert_int_equal (text_rules_scan (r, &msg, &s, &m), 0);
  assert_int_equal (m.limits_hit, 0);
  text_rules_free (r);
}

/* ---- threads ---- */

static void *
ask_often (void *arg)
{
  struct stage s = stage_of (STAGE_KERNEL);
  uintptr_t seen = 0;

  for (unsigned i = 0; i < 3000; i++)
    {
      static struct text_line line;
      struct text_msg msg = { .line = &line, .text = "wombat 17", .len = 9,
                              .from = FROM_KERNEL };
      struct rule_match m;

      seen += text_rules_scan (arg, &msg, &s, &m) == 1
              && m.group[1].len == 2;
    }
  return (void *) seen;
}

static void
test_threads (void **state)
{
  struct text_rules *r = rules_with (
      RULE ("t", "warning", "\"any\": [\"wombat\"], \"match\": "
                            "\"wombat (?<pid>\\\\d+)\""));
  pthread_t threads[12];

  for (size_t i = 0; i < ARRAY_LEN (threads); i++)
    assert_int_equal (pthread_create (&threads[i], NULL, ask_often, r), 0);
  for (size_t i = 0; i < ARRAY_LEN (threads); i++)
    {
      void *seen;

      assert_int_equal (pthread_join (threads[i], &seen), 0);
      assert_int_equal ((uintptr_t) seen, 3000);
    }
  text_rules_free (r);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_shipped),
    cmocka_unit_test (test_shipped_hostile),
    cmocka_unit_test (test_order),
    cmocka_unit_test (test_where),
    cmocka_unit_test (test_by),
    cmocka_unit_test (test_groups),
    cmocka_unit_test (test_numbers),
    cmocka_unit_test (test_limits),
    cmocka_unit_test (test_far_behind),
    cmocka_unit_test (test_threads),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
