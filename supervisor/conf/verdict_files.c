/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of the verdict of this host.  See verdict_files.h.
 */
#include "supervisor/conf/verdict_files.h"

static int
take (const struct conf_file *f, void *arg, struct error *err)
{
  return verdict_rules_take (arg, f->text, f->len, f->origin, err);
}

int
verdict_files_read (struct opener *opener, const struct json_list *paths,
                    uint64_t deadline, struct verdict_files *ret,
                    struct error *err)
{
  int r;

  *ret = (struct verdict_files){ .rules = NULL };
  r = verdict_rules_new (&ret->rules, err);
  if (r < 0)
    return r;
  conf_files_take (opener, paths, "verdict rule", deadline, take, ret->rules,
                   &ret->own);
  return 0;
}

void
verdict_files_done (struct verdict_files *v)
{
  verdict_rules_unref (v->rules);
  conf_taken_done (&v->own);
  *v = (struct verdict_files){ .rules = NULL };
}
