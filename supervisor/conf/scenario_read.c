/* SPDX-License-Identifier: Apache-2.0
 *
 * Scenarios and their playbooks.
 */
#include "supervisor/conf/scenario_read.h"

#include "base/error.h"

#include <stdio.h>

static int
check_at (const struct json_doc *doc, const char *path,
          const struct scenario *s, const struct playbook_set *playbooks,
          struct error *err)
{
  struct error why = ERROR_INIT;

  if (playbook_check (playbooks, s->playbook, &why) == 0)
    return 0;
  return json_error_at (doc, path, err, "%s", error_text (&why));
}

int
scenario_playbook (const struct json_doc *doc, size_t i,
                   const struct scenario *s,
                   const struct playbook_set *playbooks, struct error *err)
{
  char at[80];

  scenario_place (doc, i, "playbook", at, sizeof (at));
  return check_at (doc, at, s, playbooks, err);
}

int
scenario_read (const struct json_doc *doc, struct json_object *obj,
               const char *path, const struct playbook_set *playbooks,
               struct scenario **ret, struct error *err)
{
  struct scenario *s = NULL;
  char at[160];
  int r = scenario_parse (doc, obj, path, &s, err);

  if (r < 0)
    return r;
  snprintf (at, sizeof (at), "%s%splaybook", path, path[0] ? "." : "");
  r = check_at (doc, at, s, playbooks, err);
  if (r < 0)
    {
      scenario_unref (s);
      return r;
    }
  *ret = s;
  return 0;
}
