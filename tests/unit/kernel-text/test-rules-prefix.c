/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules that are shipped, on the lines of other consoles: each sample of
 * the kernel's says the same behind all that may stand before a message.
 */
#include "kernel/text/rules_priv.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const kernels[] = {
  "[   12.118312] ",
  "[   12.118312][  T411] ",
  "[   12.118312][    C0] ",
  "<4>",
  "<4>[   12.118312] ",
  "Mar  1 10:00:00 web-1 kernel: ",
  "Mar  1 10:00:00 web-1 kernel: [   12.118312] ",
  "2023-03-01T10:00:00.118312+00:00 web-1 kernel: ",
  "[Wed Mar  1 10:00:00 2023] ",
  "kern  :warn  : [   12.118312] ",
  "web-1 login: [   12.118312] ",
  "4,812,12118312,-;",
};

static const char *const users[] = {
  "Mar  1 10:00:00 web-1 prog[411]: ",
  "2023-03-01T10:00:00.118312+00:00 web-1 prog[411]: ",
  "[   12.118312] prog[411]: ",
};

static unsigned failed;

static void
behind (const struct text_rules *r, const struct text_rule *rule,
        const char *prefix, const char *sample)
{
  char text[TEXT_LINE_MAX];
  struct stage stage = { .stage = rule->where == WHERE_BOOT ? STAGE_FIRMWARE
                                                            : STAGE_USERSPACE };
  struct text_line line = { .text = text, .number = 1 };
  struct rule_match m;
  struct text_msg msg;

  snprintf (text, sizeof text, "%s%s", prefix, sample);
  line.len = strlen (text);
  prefix_strip (&line, &msg);
  if (text_rules_scan (r, &msg, &stage, &m) == 1 && m.rule == rule)
    return;
  failed++;
  fprintf (stderr, "%s: %s: lost in \"%s\": \"%.*s\"\n", rule->origin,
           rule->name, text, (int) msg.len, msg.text);
}

/* What has a prefix already is no message. */
static bool
is_bare (const char *sample)
{
  struct text_line line = { .text = sample, .len = strlen (sample) };
  struct text_msg msg;

  prefix_strip (&line, &msg);
  return msg.len == line.len;
}

static void
all_prefixes (const struct text_rule *rule, void *arg)
{
  const struct text_rules *r = arg;

  if (rule->harmless || rule->where == WHERE_BOOT)
    return;
  for (unsigned i = 0; i < rule->n_yes; i++)
    {
      if (!is_bare (rule->yes[i]))
        continue;
      for (size_t k = 0; rule->where == WHERE_KERNEL
                         && k < ARRAY_LEN (kernels);
           k++)
        behind (r, rule, kernels[k], rule->yes[i]);
      /* Not all of these programmes may say what one alone says. */
      for (size_t k = 0; rule->where == WHERE_USER && rule->n_by == 0
                         && k < ARRAY_LEN (users);
           k++)
        behind (r, rule, users[k], rule->yes[i]);
    }
}

static void
test_prefixes (void **state)
{
  struct text_rules *r = NULL;

  assert_int_equal (text_rules_new (&r, NULL), 0);
  text_rules_each (r, all_prefixes, r);
  text_rules_free (r);
  assert_int_equal (failed, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test (test_prefixes) };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
