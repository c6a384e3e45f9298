/* SPDX-License-Identifier: Apache-2.0
 *
 * Text rules of this host.  See text_rules.h.
 */
#include "supervisor/text/text_rules.h"

static int
take (const struct conf_file *f, void *arg, struct error *err)
{
  struct text_rules_read *r = arg;

  if (!r->rules && text_rules_new (&r->rules, err) < 0)
    return -err->code;
  return text_rules_take (r->rules, f->text, f->len, f->origin, err);
}

static void
count (const struct text_rule *rule, void *arg)
{
  struct text_rules_read *r = arg;
  struct text_rule_info i;

  text_rule_info (rule, &i);
  r->added += !i.builtin;
  r->replaced += i.replaces;
}

int
text_rules_read (struct opener *opener, const struct json_list *paths,
                 bool ours, uint64_t deadline, struct text_rules_read *ret,
                 struct error *err)
{
  *ret = (struct text_rules_read){ 0 };
  conf_files_take (opener, paths, "rule", deadline, take, ret, &ret->own);
  if (!ret->rules && ours)
    {
      int r = text_rules_new (&ret->rules, err);

      if (r < 0)
        return r;
    }
  if (ret->rules)
    text_rules_each (ret->rules, count, ret);
  return 0;
}

void
text_rules_read_done (struct text_rules_read *r)
{
  text_rules_free (r->rules);
  conf_taken_done (&r->own);
  *r = (struct text_rules_read){ 0 };
}
