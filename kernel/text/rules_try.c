/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules tried with their own samples.
 *
 * A sample is a line as the console has it.  It is read where its rule listens:
 * in a kernel's stage for "kernel", before any for "boot", in userspace
 * otherwise.
 */
#include "kernel/text/rules_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define SAMPLES_WANTED 2

struct trial
{
  struct text_rules *rules;
  struct regex_scratch *scratch;
  const struct text_rule *rule;
  unsigned failed;
  rule_fail_fn *fn;
  void *arg;
};

static void
fail (struct trial *t, const char *sample, const char *why)
{
  t->failed++;
  if (t->fn)
    t->fn (t->rule, sample, why, t->arg);
}

static struct stage
stage_for (const struct text_rule *r)
{
  struct stage s = STAGE_INIT;

  s.stage = r->where == WHERE_KERNEL ? STAGE_KERNEL
            : r->where == WHERE_BOOT ? STAGE_FIRMWARE
                                     : STAGE_USERSPACE;
  return s;
}

static void
read_line (const char *sample, struct text_line *line, struct text_msg *msg)
{
  *line = (struct text_line){
    .text = sample,
    .len = strlen (sample),
    .number = 1,
    .raw_len = strlen (sample),
  };
  prefix_strip (line, msg);
}

static bool
has_literal (const struct text_rule *r, const struct text_msg *msg)
{
  for (unsigned i = 0; i < r->n_any; i++)
    if (memmem (msg->text, msg->len, r->any[i], strlen (r->any[i])))
      return true;
  return false;
}

/* The rule alone. */
static int
alone (struct trial *t, const struct text_msg *msg, const struct stage *stage,
       struct rule_match *m)
{
  if (!rule_applies (t->rule, msg, stage) || !has_literal (t->rule, msg))
    return 0;
  return rule_try (t->rule, t->scratch, msg, m);
}

static void
try_yes (struct trial *t, const char *sample)
{
  struct stage stage = stage_for (t->rule);
  struct rule_match m;
  struct text_line line;
  struct text_msg msg;
  char why[200];
  int rc;

  read_line (sample, &line, &msg);
  rc = alone (t, &msg, &stage, &m);
  if (rc < 0)
    fail (t, sample, "it was given up: the expression takes too many steps");
  else if (rc == 0 && !rule_applies (t->rule, &msg, &stage))
    fail (t, sample, "it should match, and \"where\" does not let it");
  else if (rc == 0 && !has_literal (t->rule, &msg))
    fail (t, sample, "it should match, and its message has no literal of it");
  else if (rc == 0)
    fail (t, sample, "it should match and does not");
  /* Rules of other files may be meant to be in front. */
  else if (text_rules_scan (t->rules, &msg, &stage, &m) != 1)
    fail (t, sample, "it matches alone, but not with the others");
  else if (m.rule != t->rule && m.rule->batch == t->rule->batch)
    {
      snprintf (why, sizeof why, "the rule \"%s\" is in front of it and "
                "matches, too", m.rule->name);
      fail (t, sample, why);
    }
}

static void
try_no (struct trial *t, const char *sample)
{
  struct stage stage = stage_for (t->rule);
  struct rule_match m;
  struct text_line line;
  struct text_msg msg;
  int rc;

  read_line (sample, &line, &msg);
  rc = alone (t, &msg, &stage, &m);
  if (rc < 0)
    fail (t, sample, "it was given up: the expression takes too many steps");
  else if (rc > 0)
    fail (t, sample, "it matches and should not");
}

static void
try_rule (struct trial *t, const struct text_rule *rule)
{
  t->rule = rule;
  for (unsigned k = 0; k < rule->n_yes; k++)
    try_yes (t, rule->yes[k]);
  for (unsigned k = 0; k < rule->n_no; k++)
    try_no (t, rule->no[k]);
}

unsigned
text_rules_try (struct text_rules *r, bool strict, rule_fail_fn *fn,
                void *arg)
{
  struct trial t = { .rules = r, .fn = fn, .arg = arg };

  t.scratch = rules_take (r);
  if (!t.scratch)
    return 1;
  for (unsigned i = 0; i < r->n; i++)
    {
      const struct text_rule *rule = t.rule = r->order[i];

      if (strict && (rule->n_yes < SAMPLES_WANTED
                     || rule->n_no < SAMPLES_WANTED))
        fail (&t, "", "it needs two samples that match and two that do not");
      try_rule (&t, rule);
    }
  rules_give (r, t.scratch);
  return t.failed;
}

/* ---- the first that fails ---- */

static void
keep_first (const struct text_rule *rule, const char *sample, const char *why,
            void *arg)
{
  CLEANUP_BUF struct buf shown = BUF_INIT (200);
  struct error *err = arg;

  if (err->code != 0)
    return;
  text_escape (&shown, sample, strlen (sample), 0);
  error_set (err, EINVAL, "%s: rule \"%s\": %s: %s", rule->origin, rule->name,
             why, buf_str (&shown));
}

int
text_rules_check (struct text_rules *r, struct error *err)
{
  struct error first = ERROR_INIT;

  if (text_rules_try (r, false, keep_first, &first) == 0)
    return 0;
  if (first.code == 0)
    return error_set (err, ENOMEM, "not enough memory");
  if (err)
    *err = first;
  return -first.code;
}

/* ---- one file ---- */

struct file_trial
{
  const struct rules_file *file;
  const struct json_doc *doc;
  struct error *err;
  bool told;
};

static bool
find_sample (const char *const *list, unsigned n, const char *sample,
             unsigned *ret)
{
  for (unsigned i = 0; i < n; i++)
    if (list[i] == sample)
      {
        *ret = i;
        return true;
      }
  return false;
}

static void
tell_first (const struct text_rule *rule, const char *sample, const char *why,
            void *arg)
{
  CLEANUP_BUF struct buf shown = BUF_INIT (120);
  struct file_trial *ft = arg;
  unsigned k = 0;
  bool yes;
  char at[80];

  if (ft->told)
    return;
  ft->told = true;
  yes = find_sample (rule->yes, rule->n_yes, sample, &k);
  if (!yes)
    (void) find_sample (rule->no, rule->n_no, sample, &k);
  snprintf (at, sizeof at, "rules[%zu].samples.%s[%u]",
            (size_t) (rule - ft->file->rules), yes ? "match" : "not", k);
  text_escape (&shown, sample, strlen (sample), 0);
  json_error_at (ft->doc, at, ft->err, "rule \"%s\": %s: %s", rule->name, why,
                 buf_str (&shown));
}

int
rules_file_try (struct text_rules *r, const struct rules_file *f,
                const struct json_doc *doc, struct error *err)
{
  struct error first = ERROR_INIT;
  struct file_trial ft = { .file = f, .doc = doc, .err = &first };
  struct trial t = { .rules = r, .fn = tell_first, .arg = &ft };

  t.scratch = rules_take (r);
  if (!t.scratch)
    return error_set (err, ENOMEM, "not enough memory");
  for (unsigned i = 0; i < f->n && t.failed == 0; i++)
    try_rule (&t, f->rules + i);
  rules_give (r, t.scratch);
  if (t.failed == 0)
    return 0;
  if (err)
    *err = first;
  return -first.code;
}
