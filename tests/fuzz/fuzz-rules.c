/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of rules from anybody: each is taken or gets one printable line that
 * says what is wrong; what is taken is asked of a few lines, and of its own
 * samples, and finds what it finds within its bounds.
 */
#include "base/error.h"
#include "kernel/text/rules_impl.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
one_line (const struct error *err)
{
  MUST (err->code > 0 && err->msg[0]);
  for (const unsigned char *p = (const unsigned char *) err->msg; *p; p++)
    MUST (*p >= 0x20 && *p != 0x7f);
}

static void
inside (struct rule_span s, const struct text_msg *msg)
{
  MUST (!s.text
        || (s.text >= msg->text && s.text + s.len <= msg->text + msg->len));
}

static const char *
get_func (const char *name, size_t len, void *arg)
{
  return len == 4 && memcmp (name, "func", 4) == 0 ? "do_it" : NULL;
}

static void
ask (const struct text_rules *r, const char *text, size_t len)
{
  char title[TEXT_TITLE_MAX];

  for (int stage = 0; stage < STAGE_MAX; stage += 3)
    {
      struct text_line line = { .text = text, .len = len, .number = 1 };
      struct stage s = STAGE_INIT;
      struct text_event e = { .pid = -1 };
      struct text_msg msg;
      struct rule_match m;

      s.stage = (enum text_stage) stage;
      prefix_strip (&line, &msg);
      if (text_rules_scan (r, &msg, &s, &m) != 1)
        continue;
      inside (m.whole, &msg);
      for (unsigned i = 1; i <= RULE_GROUPS_MAX; i++)
        inside (m.group[i], &msg);
      rule_fill (&m, &e);
      rule_expand (m.rule->title, &m, get_func, NULL, title, sizeof title);
      MUST (strlen (title) < sizeof title);
      rule_expand (m.rule->bare, NULL, NULL, NULL, title, 1);
      MUST (title[0] == '\0');
    }
}

/* Lines that its own samples and literals make. */
static void
ask_own (const struct text_rule *rule, void *arg)
{
  MUST (rule->name[0] && rule->kind[0] && rule->origin[0]);
  for (unsigned i = 0; i < rule->n_any; i++)
    ask (arg, rule->any[i], strlen (rule->any[i]));
  for (unsigned i = 0; i < rule->n_yes; i++)
    ask (arg, rule->yes[i], strlen (rule->yes[i]));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const lines[]
      = { "[   12.000000][  T13] INFO: task a:1 blocked for more than 3 seconds.",
          "abc aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
          "" };
  struct text_rules *r = NULL;
  struct error err = ERROR_INIT;

  /* A rule may cost a millisecond, and here nobody bounds their number. */
  if (size > 16384)
    return 0;
  MUST (text_rules_none (&r, &err) == 0);
  if (text_rules_add (r, (const char *) data, size, "fuzz", &err) < 0)
    {
      one_line (&err);
      /* It left nothing behind. */
      ask (r, lines[0], strlen (lines[0]));
    }
  else
    {
      for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ask (r, lines[i], strlen (lines[i]));
      text_rules_each (r, ask_own, r);
      if (text_rules_check (r, &err) < 0)
        one_line (&err);
    }
  text_rules_free (r);
  return 0;
}
