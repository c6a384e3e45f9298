/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of the verdict of this host.  See verdict_files.h.
 */
#include "supervisor/conf/verdict_files.h"
#include "supervisor/conf/conf_files.h"

#include <errno.h>

static void
fault (struct verdict_files *v, const struct error *why)
{
  if (v->nfaults++ < VERDICT_FAULTS_MAX)
    v->faults[v->nfaults - 1] = *why;
}

static int
on_file (const struct conf_file *f, void *arg, struct error *err)
{
  struct verdict_files *v = arg;
  struct error why = ERROR_INIT;

  v->files++;
  if (f->why)
    fault (v, f->why);
  else if (verdict_rules_take (v->rules, f->text, f->len, f->origin, &why) < 0)
    fault (v, &why);
  else
    v->taken++;
  return 0;
}

int
verdict_files_read (struct opener *opener, const struct json_list *paths,
                    uint64_t deadline, struct verdict_files *ret,
                    struct error *err)
{
  char *const *path = paths->items;
  int rc;

  *ret = (struct verdict_files){ .rules = NULL };
  rc = verdict_rules_new (&ret->rules, err);
  if (rc < 0)
    return rc;
  for (size_t i = 0; i < paths->count; i++)
    {
      struct error why = ERROR_INIT;

      rc = conf_files_each (opener, path[i], "verdict rule", deadline, on_file,
                            ret, &why);
      if (rc == -ENOENT)
        ret->missing = ret->missing ? ret->missing : path[i];
      else if (rc < 0)
        fault (ret, &why);
    }
  return 0;
}

void
verdict_files_done (struct verdict_files *v)
{
  verdict_rules_unref (v->rules);
  *v = (struct verdict_files){ .rules = NULL };
}
