/* SPDX-License-Identifier: Apache-2.0
 *
 * Diagnoses that somebody asked for.
 */
#include "supervisor/incidents_impl.h"
#include "supervisor/daemon.h"
#include "supervisor/diagnose.h"

#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct worst
{
  char *scenario, *reason; /* of struct incident */
  uint64_t failed_ms;
};

static void
what_fails (const struct binding_info *info, void *arg)
{
  struct worst *w = arg;

  if (!info->last || info->last->outcome != OUTCOME_FAILED
      || info->last_ms < w->failed_ms)
    return;
  w->failed_ms = info->last_ms;
  snprintf (w->scenario, sizeof ((struct incident *) NULL)->scenario, "%.63s",
            info->scenario->name);
  snprintf (w->reason, sizeof ((struct incident *) NULL)->reason,
            "%.31s: %.160s", info->last->code, info->last->sentence);
}

void
incidents_what_fails (const struct active *a, char *scenario, char *reason)
{
  struct worst w = { scenario, reason, 0 };

  bindings_each (a->all->d->bindings, a->inc.inc.uuid, what_fails, &w);
}

int
incidents_order (struct incidents *in, const struct guest *g,
                 const char *playbook, const char *by,
                 const struct incident_watch_ops *ops, void *arg,
                 char ret_id[UUID_TEXT], struct error *err)
{
  struct active *a;
  char reason[200];
  unsigned n;

  if (!playbook)
    playbook = "standard";
  if (!playbook_steps (playbook, &n))
    {
      const char *near = text_nearest (playbook, playbook_names);

      return error_set (err, EINVAL, "no playbook \"%s\"%s%s%s", playbook,
                        near ? " (did you mean \"" : "", near ? near : "",
                        near ? "\"?)" : "");
    }
  snprintf (reason, sizeof (reason), "ordered by %.180s", by);
  a = incidents_new_one (in, g, "order", playbook, reason);
  if (!a)
    return error_set (err, ENOBUFS, "more than %u incidents at once",
                      MAX_INCIDENTS);
  a->order = true;
  a->watch = ops;
  a->watch_arg = arg;
  memcpy (ret_id, a->inc.id, UUID_TEXT);
  incidents_put_durable (a);
  return 0;
}

void
incidents_unwatch (struct incidents *in, const char *id)
{
  struct active *a = incidents_by_id (in, id);

  if (a)
    a->watch = NULL;
}
