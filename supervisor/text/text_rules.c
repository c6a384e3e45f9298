/* SPDX-License-Identifier: Apache-2.0
 *
 * Text rules of this host.  See text_rules.h.
 */
#include "supervisor/text/text_rules.h"
#include "supervisor/conf/conf_files.h"

#include <stdlib.h>
#include <string.h>

static void
fault (struct text_rules_read *r, const char *file, const struct error *why)
{
  struct text_fault *f;

  if (r->nfaults++ >= TEXT_FAULTS_MAX)
    return;
  f = &r->faults[r->nfaults - 1];
  f->file = strdup (file);
  f->err = *why;
}

static int
on_file (const struct conf_file *f, void *arg, struct error *err)
{
  struct text_rules_read *r = arg;
  struct error why = ERROR_INIT;

  r->files++;
  if (!r->rules && text_rules_new (&r->rules, err) < 0)
    return -err->code;
  if (f->why)
    fault (r, f->origin, f->why);
  else if (text_rules_take (r->rules, f->text, f->len, f->origin, &why) < 0)
    fault (r, f->origin, &why);
  else
    r->taken++;
  return 0;
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
  char *const *path = paths->items;
  int rc;

  *ret = (struct text_rules_read){ 0 };
  for (size_t i = 0; i < paths->count; i++)
    {
      struct error why = ERROR_INIT;

      rc = conf_files_each (opener, path[i], "rule", deadline, on_file, ret,
                            &why);
      if (rc == -ENOENT)
        ret->missing = ret->missing ? ret->missing : path[i];
      else if (rc < 0)
        fault (ret, path[i], &why);
    }
  if (!ret->rules && ours)
    {
      rc = text_rules_new (&ret->rules, err);
      if (rc < 0)
        return rc;
    }
  if (ret->rules)
    text_rules_each (ret->rules, count, ret);
  return 0;
}

void
text_rules_read_done (struct text_rules_read *r)
{
  text_rules_free (r->rules);
  for (unsigned i = 0; i < r->nfaults && i < TEXT_FAULTS_MAX; i++)
    free (r->faults[i].file);
  *r = (struct text_rules_read){ 0 };
}
